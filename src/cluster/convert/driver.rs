//! CSIDrivers.

use crate::cluster::object::Watched;
use crate::cluster::wire::{self, Meta};
use crate::model::inventory::ResourceKind;
use crate::model::workload::CsiDriver;

impl Watched for CsiDriver {
    const KIND: ResourceKind = ResourceKind::Drivers;
    const API_KIND: &'static str = "CSIDriver";
    type Wire = wire::CsiDriver;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &String, _: Meta, wire: Self::Wire, _: &mut Vec<String>) -> Self {
        let spec = wire.spec.unwrap_or_default();
        Self {
            name: key.clone(),
            attach_required: spec.attach_required.unwrap_or(true),
            storage_capacity: spec.storage_capacity.unwrap_or(false),
            ephemeral: spec
                .volume_lifecycle_modes
                .into_iter()
                .flatten()
                .any(|mode| mode == "Ephemeral"),
        }
    }
}
