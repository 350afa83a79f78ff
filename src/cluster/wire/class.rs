//! StorageClasses.

use serde::Deserialize;

use super::Meta;

/// A StorageClass.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageClass {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// Who makes its volumes.
    pub provisioner: Option<String>,
    /// What becomes of them.
    pub reclaim_policy: Option<String>,
    /// When claims get them.
    pub volume_binding_mode: Option<String>,
    /// Whether they can grow.
    pub allow_volume_expansion: Option<bool>,
}
