//! Whatever a vol_data.json holds: no panic, and an inline volume never has a PersistentVolume.

use scope_storage_probe::host::kubelet::parse_vol_data;

/// Tries one input.
pub fn attempt(text: &[u8]) {
    if let Ok(volume) = parse_vol_data(text) {
        assert!(!(volume.ephemeral && volume.persistent_volume.is_some()));
    }
}
