//! PersistentVolumes.

use super::{AccessMode, NamespacedName, StorageSource};
use crate::model::volume::VolumeMode;

words! {
    /// Where a PersistentVolume is in its life.
    VolumePhase {
        /// Not ready to be claimed yet.
        Pending,
        /// Free.
        Available,
        /// A claim has it.
        Bound,
        /// Its claim is gone, and its data may still be there.
        Released,
        /// Giving it back went wrong.
        Failed,
    }
}

words! {
    /// What becomes of a PersistentVolume when its claim goes.
    ReclaimPolicy {
        /// It stays, with its data.
        Retain,
        /// It is deleted, with its data.
        Delete,
        /// It is scrubbed and offered again (no longer in use).
        Recycle,
    }
}

/// The claim that a PersistentVolume is bound to, or kept for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimReference {
    /// Namespace and name.
    pub name: NamespacedName,
    /// The claim's UID: another claim of the same name is not meant. `None` where an administrator named a claim to come.
    pub uid: Option<String>,
}

/// One demand on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRequirement {
    /// A label of the node, or `metadata.name`.
    pub key: String,
    /// How label and values are compared: `In`, `NotIn`, `Exists`, …
    pub operator: String,
    /// The values.
    pub values: Vec<String>,
}

/// What storage engines write down in their PersistentVolumes, in labels, annotations and CSI's attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeDetails {
    /// What sort of OpenEBS's volumes it is: `local-hostpath`.
    pub cas_type: Option<String>,
    /// The claim of a managed disk.
    pub disk_claim: Option<String>,
    /// How many copies there shall be, in the engine's words.
    pub copies: Option<String>,
    /// The pool.
    pub pool: Option<String>,
    /// The storage cluster.
    pub cluster: Option<String>,
}

/// A PersistentVolume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistentVolume {
    /// Its UID.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// Where it is in its life.
    pub phase: Option<VolumePhase>,
    /// Why it is there: a word for programs.
    pub reason: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// Its storage class.
    pub class: Option<String>,
    /// Bytes.
    pub capacity: Option<u64>,
    /// Access modes.
    pub access_modes: Vec<AccessMode>,
    /// What becomes of it when its claim goes.
    pub reclaim_policy: Option<ReclaimPolicy>,
    /// How pods get it.
    pub mode: VolumeMode,
    /// The claim that has it, had it, or shall have it.
    pub claim: Option<ClaimReference>,
    /// Where its data are; `None` where the object does not say.
    pub source: Option<StorageSource>,
    /// The CSI driver that serves a volume of a plugin that was part of Kubernetes (annotation
    /// `pv.kubernetes.io/migrated-to`).
    pub migrated_to: Option<String>,
    /// Who made it (annotation `pv.kubernetes.io/provisioned-by`).
    pub provisioned_by: Option<String>,
    /// What its storage engine wrote down in it; `None` where that is nothing.
    pub details: Option<Box<VolumeDetails>>,
    /// Which nodes can use it: one of these lists must hold in full. Empty: all nodes.
    pub node_affinity: Vec<Vec<NodeRequirement>>,
    /// When it was made.
    pub created: Option<i64>,
    /// When it was deleted, while something still holds it.
    pub deletion: Option<i64>,
}

impl PersistentVolume {
    /// The driver that serves it: the CSI driver that took it over, else what its source says.
    pub fn driver(&self) -> Option<&str> {
        self.migrated_to
            .as_deref()
            .or_else(|| self.source.as_ref().map(StorageSource::driver))
    }
}
