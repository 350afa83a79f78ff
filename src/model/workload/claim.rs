//! PersistentVolumeClaims.

use super::NamespacedName;
use crate::model::volume::VolumeMode;

words! {
    /// Where a claim is in its life.
    ClaimPhase {
        /// No volume yet.
        Pending,
        /// It has its volume.
        Bound,
        /// Its volume is gone.
        Lost,
    }
}

words! {
    /// Who may mount a volume at the same time.
    AccessMode {
        /// One node, for writing.
        ReadWriteOnce,
        /// Many nodes, for reading.
        ReadOnlyMany,
        /// Many nodes, for writing.
        ReadWriteMany,
        /// One pod.
        ReadWriteOncePod,
    }
}

impl AccessMode {
    /// The usual short form: `RWO`, `ROX`, `RWX`, `RWOP`.
    pub fn short(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "RWO",
            Self::ReadOnlyMany => "ROX",
            Self::ReadWriteMany => "RWX",
            Self::ReadWriteOncePod => "RWOP",
        }
    }
}

/// What a claim's volume was filled from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSource {
    /// `VolumeSnapshot`, `PersistentVolumeClaim`, or a kind of somebody's own.
    pub kind: String,
    /// API group; `None` for the core API.
    pub group: Option<String>,
    /// Namespace, where that is not the claim's own.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

/// One condition in an object's status: `FileSystemResizePending`, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its type.
    pub kind: String,
    /// Whether it holds; `None` where the API says `Unknown`.
    pub holds: Option<bool>,
    /// A word for programs.
    pub reason: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
}

/// A PersistentVolumeClaim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its UID.
    pub uid: String,
    /// Namespace and name.
    pub name: NamespacedName,
    /// Where it is in its life.
    pub phase: Option<ClaimPhase>,
    /// The storage class that it asks for. `None`: none was named and there was no default; `Some("")`: none is wanted.
    pub class: Option<String>,
    /// The PersistentVolume that it has, or asks for by name.
    pub volume: Option<String>,
    /// Bytes asked for.
    pub requested: Option<u64>,
    /// Bytes that it has got.
    pub capacity: Option<u64>,
    /// Access modes: those that it has got, else those that it asks for.
    pub access_modes: Vec<AccessMode>,
    /// How pods get it.
    pub mode: VolumeMode,
    /// What its volume was filled from.
    pub data_source: Option<DataSource>,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// When it was made.
    pub created: Option<i64>,
    /// When it was deleted, while something still holds it.
    pub deletion: Option<i64>,
}
