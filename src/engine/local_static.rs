//! Volumes of the local static provisioner, and others that are a path of one node: no object tells more than the volume itself.

use std::sync::Arc;

use super::Engine;
use crate::model::disk_name::{DiskName, DiskReference};
use crate::model::replica::{Place, Placement};
use crate::model::volume::VolumeMode;
use crate::model::workload::{PersistentVolume, StorageSource, VolumeAttachment};

#[derive(Debug)]
pub(super) struct LocalStatic;

impl Engine for LocalStatic {
    fn serves(&self, volume: &PersistentVolume) -> bool {
        matches!(volume.source, Some(StorageSource::Local { .. }))
    }

    fn place(&self, volume: &PersistentVolume, _: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        let Some(StorageSource::Local { path: Some(path) }) = &volume.source else {
            return None;
        };
        let disk = DiskReference::on(None);
        let disk = match volume.mode {
            VolumeMode::Filesystem if !path.starts_with("/dev/") => disk.with(DiskName::Folder(path.clone())),
            _ => disk.with_path(path),
        };
        Some(Placement {
            engine: "local",
            wanted: Some(1),
            place: Place::Here(vec![disk]),
        })
    }
}
