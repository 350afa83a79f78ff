//! OpenEBS's node disk manager: the disks of all nodes as objects, and LocalPV in device mode, whose volumes are such disks.
//!
//! A BlockDevice's name is a hash that may change with the manager's version: it says nothing of the disk. Its path was right when the
//! object was written; of an inactive one it may be another disk's since.

use std::sync::Arc;

use super::Engine;
use super::fields::Fields;
use super::states::health;
use crate::model::disk_name::{DiskName, DiskReference};
use crate::model::replica::{DiskClaim, EnginePart, EngineResource, Health, ManagedDisk, Place, Placement};
use crate::model::workload::{PersistentVolume, VolumeAttachment};

const DISKS: &str = "blockdevices.openebs.io";
const GROUP: &str = "openebs.io";
const VERSIONS: &[&str] = &["v1alpha1"];

#[derive(Debug)]
pub(super) struct NodeDiskManager;

impl Engine for NodeDiskManager {
    fn resources(&self) -> &'static [EngineResource] {
        const ALL: &[EngineResource] = &[
            EngineResource::custom(DISKS, [GROUP, "blockdevices", "BlockDevice"], VERSIONS),
            EngineResource::custom(
                "blockdeviceclaims.openebs.io",
                [GROUP, "blockdeviceclaims", "BlockDeviceClaim"],
                VERSIONS,
            ),
        ];
        ALL
    }

    fn serves(&self, volume: &PersistentVolume) -> bool {
        let details = volume.details.as_deref();
        details.is_some_and(|details| {
            details.cas_type.as_deref() == Some("local-device")
                || details.cas_type.is_none() && details.disk_claim.is_some()
        })
    }

    fn read(&self, resource: &EngineResource, object: &Fields<'_>) -> Vec<EnginePart> {
        if resource.name == DISKS {
            return vec![EnginePart::ManagedDisk(Arc::new(disk(object)))];
        }
        let disk = object.text("spec.blockDeviceName");
        let claim = disk.map(|disk| DiskClaim {
            name: object.name().to_owned(),
            disk: disk.to_owned(),
        });
        claim
            .map(Arc::new)
            .map(EnginePart::DiskClaim)
            .into_iter()
            .collect()
    }

    fn place(&self, volume: &PersistentVolume, _: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        let claim = volume.details.as_ref()?.disk_claim.clone();
        Some(Placement {
            engine: "localpv-device",
            wanted: Some(1),
            // The provisioner's own rule for its claims' names.
            place: Place::DiskClaim(claim.unwrap_or_else(|| format!("bdc-{}", volume.name))),
        })
    }
}

fn disk(object: &Fields<'_>) -> ManagedDisk {
    let activity = object.text("status.state");
    let node = object
        .text("spec.nodeAttributes.nodeName")
        .or_else(|| object.label("kubernetes.io/hostname"));
    let mut disk = DiskReference::on(node).with(DiskName::Managed(object.name().to_owned()));
    if let Some(serial) = object.text("spec.details.serial") {
        disk.add(DiskName::Serial(serial.to_owned()));
    }
    for links in object.list("spec.devlinks") {
        for link in links.texts("links") {
            disk.add_path(link);
        }
    }
    let path = object.text("spec.path");
    let is_there = activity != Some("Inactive");
    for path in [path, object.text("spec.parentDevice")].into_iter().flatten() {
        if is_there {
            disk.add_path(path);
        }
    }
    ManagedDisk {
        name: object.name().to_owned(),
        size: object.bytes("spec.capacity.storage"),
        model: object
            .text("spec.details.model")
            .map(|model| model.trim().to_owned()),
        state: activity.map(|activity| match activity {
            "Inactive" => Health::Unknown,
            other => health(other),
        }),
        activity: activity.map(str::to_owned),
        claim_state: object.text("status.claimState").map(str::to_owned),
        claim: object.text("spec.claimRef.name").map(str::to_owned),
        disk,
    }
}
