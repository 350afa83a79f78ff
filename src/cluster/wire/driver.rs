//! CSIDrivers.

use serde::Deserialize;

use super::Meta;

/// A CSIDriver.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CsiDriver {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// What it says of itself.
    pub spec: Option<CsiDriverSpec>,
}

/// A CSIDriver's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CsiDriverSpec {
    /// Whether volumes are attached first; they are where nothing is said.
    pub attach_required: Option<bool>,
    /// Whether it publishes how much room is left.
    pub storage_capacity: Option<bool>,
    /// `Persistent`, `Ephemeral`; persistent where nothing is said.
    pub volume_lifecycle_modes: Option<Vec<String>>,
}
