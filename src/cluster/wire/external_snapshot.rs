//! VolumeSnapshots and VolumeSnapshotData of the API before CSI.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{AtMost, MOST, Meta};

/// A VolumeSnapshot.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ExternalSnapshot {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// What was asked for.
    pub spec: Option<ExternalSpec>,
    /// What is.
    pub status: Option<ExternalStatus>,
}

/// A VolumeSnapshot's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalSpec {
    /// The claim.
    pub persistent_volume_claim_name: Option<String>,
    /// The VolumeSnapshotData.
    pub snapshot_data_name: Option<String>,
}

/// The `status` of both kinds: by its conditions it tells whether a snapshot is ready.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalStatus {
    /// When it was taken, in RFC 3339.
    pub creation_timestamp: Option<String>,
    /// Conditions.
    pub conditions: Option<AtMost<MOST, ExternalCondition>>,
}

impl ExternalStatus {
    /// The condition of that kind.
    pub fn condition(&self, kind: &str) -> Option<&ExternalCondition> {
        let conditions = self.conditions.as_ref()?;
        conditions
            .first
            .iter()
            .find(|condition| condition.kind.as_deref() == Some(kind))
    }
}

/// One of the conditions.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ExternalCondition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `True`, `False` or `Unknown`.
    pub status: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
}

/// A VolumeSnapshotData.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ExternalSnapshotData {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// Two references, and a field that is named after the sort of storage.
    pub spec: Option<Map<String, Value>>,
    /// What is.
    pub status: Option<ExternalStatus>,
}
