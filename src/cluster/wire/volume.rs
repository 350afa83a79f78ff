//! PersistentVolumes.

use serde::Deserialize;

use super::storage::with_storage;
use super::{AtMost, MOST, Meta, Resources};

/// A PersistentVolume.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PersistentVolume {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// What was asked for.
    pub spec: Option<PersistentVolumeSpec>,
    /// What is.
    pub status: Option<VolumeStatus>,
}

with_storage! {
    /// A PersistentVolume's `spec`.
    PersistentVolumeSpec {
        /// How much it holds.
        capacity: Option<Resources>,
        /// Access modes.
        access_modes: Option<AtMost<MOST, String>>,
        /// What becomes of it.
        persistent_volume_reclaim_policy: Option<String>,
        /// The class.
        storage_class_name: Option<String>,
        /// `Filesystem` or `Block`.
        volume_mode: Option<String>,
        /// The claim.
        claim_ref: Option<ClaimReference>,
        /// The nodes that can use it.
        node_affinity: Option<NodeAffinity>,
    }
}

/// `claimRef` of a PersistentVolume.
#[derive(Debug, Clone, Deserialize)]
pub struct ClaimReference {
    /// Namespace.
    pub namespace: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// UID.
    pub uid: Option<String>,
}

/// `nodeAffinity` of a PersistentVolume.
#[derive(Debug, Clone, Deserialize)]
pub struct NodeAffinity {
    /// What must hold.
    pub required: Option<NodeSelector>,
}

/// Terms, one of which must hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSelector {
    /// The terms.
    pub node_selector_terms: Option<Vec<NodeSelectorTerm>>,
}

/// Demands, all of which must hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSelectorTerm {
    /// Demands on labels.
    pub match_expressions: Option<Vec<NodeRequirement>>,
    /// Demands on fields.
    pub match_fields: Option<Vec<NodeRequirement>>,
}

/// One demand on a node.
#[derive(Debug, Clone, Deserialize)]
pub struct NodeRequirement {
    /// The label or field.
    pub key: Option<String>,
    /// The comparison.
    pub operator: Option<String>,
    /// The values.
    pub values: Option<Vec<String>>,
}

/// A PersistentVolume's `status`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct VolumeStatus {
    /// The phase.
    pub phase: Option<String>,
    /// A word for programs.
    pub reason: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
}
