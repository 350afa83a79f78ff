//! PersistentVolumeClaims.

use serde::Deserialize;

use super::{AtMost, Condition, MOST, Meta, Resources};

/// A PersistentVolumeClaim.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Claim {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// What was asked for.
    pub spec: Option<ClaimSpec>,
    /// What is.
    pub status: Option<ClaimStatus>,
}

/// A claim's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimSpec {
    /// The class.
    pub storage_class_name: Option<String>,
    /// The PersistentVolume.
    pub volume_name: Option<String>,
    /// Access modes that are asked for.
    pub access_modes: Option<AtMost<MOST, String>>,
    /// `Filesystem` or `Block`.
    pub volume_mode: Option<String>,
    /// How much is asked for.
    pub resources: Option<Requests>,
    /// What it is filled from.
    pub data_source: Option<DataSource>,
    /// The same, in the newer field.
    pub data_source_ref: Option<DataSource>,
}

/// `resources` of a claim.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Requests {
    /// What is asked for.
    pub requests: Option<Resources>,
}

/// `dataSource` and `dataSourceRef` of a claim.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataSource {
    /// API group.
    pub api_group: Option<String>,
    /// Kind.
    pub kind: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
}

/// A claim's `status`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimStatus {
    /// The phase.
    pub phase: Option<String>,
    /// How much it has got.
    pub capacity: Option<Resources>,
    /// Access modes that it has got.
    pub access_modes: Option<AtMost<MOST, String>>,
    /// Conditions.
    pub conditions: Option<AtMost<MOST, Condition>>,
}
