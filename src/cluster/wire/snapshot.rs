//! VolumeSnapshots of CSI, their contents and classes, as the CRDs of external-snapshotter describe them.

use serde::Deserialize;

use super::{Meta, Quantity};

/// A VolumeSnapshot.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct VolumeSnapshot {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// What was asked for.
    pub spec: Option<SnapshotSpec>,
    /// What is.
    pub status: Option<SnapshotStatus>,
}

/// A VolumeSnapshot's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotSpec {
    /// What it is made from.
    pub source: Option<SnapshotSource>,
    /// The class.
    pub volume_snapshot_class_name: Option<String>,
}

/// What a VolumeSnapshot is made from; one of the two is there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotSource {
    /// A claim.
    pub persistent_volume_claim_name: Option<String>,
    /// A content that was there before.
    pub volume_snapshot_content_name: Option<String>,
}

/// A VolumeSnapshot's `status`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotStatus {
    /// The content.
    pub bound_volume_snapshot_content_name: Option<String>,
    /// When it was taken, in RFC 3339.
    pub creation_time: Option<String>,
    /// Whether something can be made from it.
    pub ready_to_use: Option<bool>,
    /// How much a volume made from it holds at least.
    pub restore_size: Option<Quantity>,
    /// What went wrong.
    pub error: Option<SnapshotError>,
}

/// What went wrong with a snapshot or its content.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SnapshotError {
    /// A sentence for people.
    pub message: Option<String>,
}

/// A VolumeSnapshotContent.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct VolumeSnapshotContent {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// What was asked for.
    pub spec: Option<ContentSpec>,
    /// What is.
    pub status: Option<ContentStatus>,
}

/// A VolumeSnapshotContent's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentSpec {
    /// What becomes of the data.
    pub deletion_policy: Option<String>,
    /// The driver.
    pub driver: Option<String>,
    /// What it is made from.
    pub source: Option<ContentSource>,
    /// The class.
    pub volume_snapshot_class_name: Option<String>,
    /// The snapshot.
    pub volume_snapshot_ref: Option<SnapshotReference>,
}

/// What a VolumeSnapshotContent is made from; one of the two is there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentSource {
    /// A snapshot that was there before, as its driver calls it.
    pub snapshot_handle: Option<String>,
    /// A volume, as its driver calls it.
    pub volume_handle: Option<String>,
}

/// `volumeSnapshotRef` of a VolumeSnapshotContent.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct SnapshotReference {
    /// Namespace.
    pub namespace: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// UID.
    pub uid: Option<String>,
}

/// A VolumeSnapshotContent's `status`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentStatus {
    /// When it was taken, in nanoseconds since 1970.
    pub creation_time: Option<i64>,
    /// What went wrong.
    pub error: Option<SnapshotError>,
    /// Whether something can be made from it.
    pub ready_to_use: Option<bool>,
    /// How many bytes a volume made from it holds at least.
    pub restore_size: Option<i64>,
    /// The driver's name for it.
    pub snapshot_handle: Option<String>,
}

/// A VolumeSnapshotClass.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct VolumeSnapshotClass {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// The driver.
    pub driver: Option<String>,
}
