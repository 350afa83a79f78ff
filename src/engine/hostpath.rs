//! OpenEBS LocalPV in hostpath mode: a folder of the node of the pod. No object tells more than the volume itself.

use std::sync::Arc;

use super::Engine;
use crate::model::disk_name::{DiskName, DiskReference};
use crate::model::replica::{Place, Placement};
use crate::model::workload::{PersistentVolume, StorageSource, VolumeAttachment};

#[derive(Debug)]
pub(super) struct Hostpath;

impl Engine for Hostpath {
    fn serves(&self, volume: &PersistentVolume) -> bool {
        let sort = volume
            .details
            .as_ref()
            .and_then(|details| details.cas_type.as_deref());
        match sort {
            Some(sort) => sort == "local-hostpath",
            None => {
                volume.provisioned_by.as_deref() == Some("openebs.io/local")
                    && volume
                        .details
                        .as_ref()
                        .is_none_or(|details| details.disk_claim.is_none())
            }
        }
    }

    fn place(&self, volume: &PersistentVolume, _: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        let Some(StorageSource::Local { path } | StorageSource::HostPath { path }) = &volume.source else {
            return None;
        };
        let disk = DiskReference::on(None).with(DiskName::Folder(path.clone()?));
        Some(Placement {
            engine: "localpv-hostpath",
            wanted: Some(1),
            place: Place::Here(vec![disk]),
        })
    }
}
