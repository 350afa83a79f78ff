//! VolumeAttachments.

use super::{long, time};
use crate::cluster::object::Watched;
use crate::cluster::wire::{self, Meta};
use crate::model::inventory::ResourceKind;
use crate::model::workload::{AttachError, AttachedDevice, VolumeAttachment};

impl Watched for VolumeAttachment {
    const KIND: ResourceKind = ResourceKind::Attachments;
    const API_KIND: &'static str = "VolumeAttachment";
    type Wire = wire::VolumeAttachment;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &String, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let spec = wire.spec.unwrap_or_default();
        let status = wire.status.unwrap_or_default();
        let error = |error: Option<wire::AttachmentError>| {
            error.map(|error| AttachError {
                message: long(error.message).unwrap_or_default(),
            })
        };
        Self {
            name: key.clone(),
            attach_error: error(status.attach_error),
            detach_error: error(status.detach_error),
            attacher: spec.attacher,
            node: spec.node_name,
            volume: spec.source.and_then(|source| source.persistent_volume_name),
            attached: status.attached,
            device: status.attachment_metadata.and_then(|told| {
                let known = |text: Option<String>| text.filter(|text| !text.is_empty());
                known(told.device_path)
                    .map(AttachedDevice::Path)
                    .or_else(|| known(told.lun.or(told.lun_lower)).map(AttachedDevice::Lun))
                    .or_else(|| known(told.disk_uuid).map(AttachedDevice::Uuid))
            }),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        }
    }
}
