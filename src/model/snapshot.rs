//! Snapshots of volumes, their contents and their classes, as the Kubernetes API knows them.

use super::workload::{NamespacedName, words};

/// Which API a snapshot is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SnapshotApi {
    /// `snapshot.storage.k8s.io`: snapshots that CSI drivers make.
    Csi,
    /// `volumesnapshot.external-storage.k8s.io`: what there was before CSI.
    ExternalStorage,
}

impl SnapshotApi {
    /// The API's group.
    pub fn group(self) -> &'static str {
        match self {
            Self::Csi => "snapshot.storage.k8s.io",
            Self::ExternalStorage => "volumesnapshot.external-storage.k8s.io",
        }
    }
}

/// What a snapshot is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotSource {
    /// A claim in the snapshot's namespace.
    Claim(String),
    /// A content that somebody made by hand, for a snapshot that the storage system had already.
    Content(String),
}

words! {
    /// What becomes of the storage system's snapshot when the VolumeSnapshot goes.
    DeletionPolicy {
        /// It goes as well.
        Delete,
        /// It stays.
        Retain,
    }
}

/// A VolumeSnapshot: somebody's wish for a snapshot, and what became of it. All of its status may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its API.
    pub api: SnapshotApi,
    /// Its UID.
    pub uid: String,
    /// Namespace and name.
    pub name: NamespacedName,
    /// What it is made from.
    pub source: Option<SnapshotSource>,
    /// Its class.
    pub class: Option<String>,
    /// The content that it is bound to.
    pub content: Option<String>,
    /// Whether a volume can be restored from it; `None` where nobody has said so yet.
    pub ready: Option<bool>,
    /// When the storage system took it, in seconds since 1970.
    pub taken: Option<i64>,
    /// The least size in bytes of a volume that is restored from it.
    pub restore_size: Option<u64>,
    /// Why making it failed last.
    pub error: Option<String>,
    /// When the object was made, in seconds since 1970.
    pub created: Option<i64>,
    /// When it was deleted, while something still holds it.
    pub deletion: Option<i64>,
}

/// What tells a snapshot from all others.
pub type SnapshotKey = (SnapshotApi, NamespacedName);

/// What tells a content from all others.
pub type ContentKey = (SnapshotApi, String);

impl Snapshot {
    /// What tells it from all others.
    pub fn key(&self) -> SnapshotKey {
        (self.api, self.name.clone())
    }

    /// The content that it names: the one that it is bound to, else the one that it is made from.
    pub fn content_key(&self) -> Option<ContentKey> {
        let name = self.content.as_ref().or(match &self.source {
            Some(SnapshotSource::Content(name)) => Some(name),
            _ => None,
        })?;
        Some((self.api, name.clone()))
    }

    /// The claim that it is made from.
    pub fn claim(&self) -> Option<NamespacedName> {
        match &self.source {
            Some(SnapshotSource::Claim(claim)) => Some(NamespacedName::new(&self.name.namespace, claim)),
            _ => None,
        }
    }
}

/// A VolumeSnapshotContent, or a VolumeSnapshotData of old: the storage system's snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotContent {
    /// Its API.
    pub api: SnapshotApi,
    /// Its UID.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// The CSI driver; for those of old the sort of storage.
    pub driver: Option<String>,
    /// What the storage system calls the snapshot.
    pub handle: Option<String>,
    /// What the storage system calls the volume that it was taken of.
    pub volume_handle: Option<String>,
    /// The PersistentVolume that it was taken of, where the object says so.
    pub volume: Option<String>,
    /// Its class.
    pub class: Option<String>,
    /// What becomes of it when its VolumeSnapshot goes.
    pub deletion_policy: Option<DeletionPolicy>,
    /// The VolumeSnapshot that has it or shall have it.
    pub snapshot: Option<NamespacedName>,
    /// That one's UID: another VolumeSnapshot of the same name is not meant.
    pub snapshot_uid: Option<String>,
    /// Whether a volume can be restored from it.
    pub ready: Option<bool>,
    /// When the storage system took it, in seconds since 1970.
    pub taken: Option<i64>,
    /// The least size in bytes of a volume that is restored from it.
    pub restore_size: Option<u64>,
    /// Why making or deleting it failed last.
    pub error: Option<String>,
    /// When the object was made, in seconds since 1970.
    pub created: Option<i64>,
    /// When it was deleted, while something still holds it.
    pub deletion: Option<i64>,
}

impl SnapshotContent {
    /// What tells it from all others.
    pub fn key(&self) -> ContentKey {
        (self.api, self.name.clone())
    }

    /// True where it belongs to that snapshot: names come back, and UIDs do not. A content of old may name a snapshot by the
    /// name alone under which the controller knows it.
    pub fn is_of(&self, snapshot: &Snapshot) -> bool {
        self.api == snapshot.api
            && self.snapshot_uid.as_ref().is_none_or(|uid| *uid == snapshot.uid)
            && (self.api == SnapshotApi::ExternalStorage
                || self.snapshot.as_ref().is_none_or(|name| *name == snapshot.name))
    }
}

/// A VolumeSnapshotClass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotClass {
    /// Its name.
    pub name: String,
    /// The CSI driver.
    pub driver: Option<String>,
    /// True for the one that its driver's snapshots get which name none.
    pub is_default: bool,
}

/// A VolumeSnapshot of the API before CSI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalSnapshot(pub Snapshot);

/// A VolumeSnapshotData of the API before CSI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalSnapshotData(pub SnapshotContent);
