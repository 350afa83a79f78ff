//! OpenEBS LVM LocalPV: a logical volume on the node of the pod.
//!
//! LVMVolume says node and volume group, LVMNode how much of each group is free. Which disks the group lies on is known on the node alone.
//! Of a volume the state is that of its making; the group tells what befell it later.

use std::sync::Arc;

use super::fields::Fields;
use super::states::told;
use super::{Engine, by_handle};
use crate::model::disk_name::{DiskName, DiskReference};
use crate::model::replica::{
    EnginePart, EngineResource, Health, Layout, Placement, Pool, PoolKey, Replica, VolumeKey,
};
use crate::model::workload::{PersistentVolume, VolumeAttachment};

const NAME: &str = "lvm-localpv";
const VOLUMES: &str = "lvmvolumes.local.openebs.io";
const GROUP: &str = "local.openebs.io";
const VERSIONS: &[&str] = &["v1alpha1"];

#[derive(Debug)]
pub(super) struct Lvm;

impl Engine for Lvm {
    fn resources(&self) -> &'static [EngineResource] {
        const ALL: &[EngineResource] = &[
            EngineResource::custom(VOLUMES, [GROUP, "lvmvolumes", "LVMVolume"], VERSIONS),
            EngineResource::custom(
                "lvmnodes.local.openebs.io",
                [GROUP, "lvmnodes", "LVMNode"],
                VERSIONS,
            ),
        ];
        ALL
    }

    fn drivers(&self) -> &'static [&'static str] {
        &["local.csi.openebs.io"]
    }

    fn read(&self, resource: &EngineResource, object: &Fields<'_>) -> Vec<EnginePart> {
        if resource.name != VOLUMES {
            let groups = object.list("volumeGroups").into_iter();
            return groups.filter_map(|group| pool(object.name(), &group)).collect();
        }
        let node = object.text("spec.ownerNodeID");
        let group = object.text("spec.volGroup");
        let (state, said) = told(object.text("status.state"));
        let reason = object.sentence("status.error.message");
        vec![EnginePart::Replica(Arc::new(Replica {
            volume: VolumeKey::new(NAME, object.name()),
            name: object.name().to_owned(),
            node: node.map(str::to_owned),
            pool: node
                .zip(group)
                .map(|(node, group)| PoolKey::on(NAME, node, group)),
            state,
            said: reason.or(said),
            made_only: true,
            size: object.bytes("spec.capacity"),
            // Also where no LVMNode has such a group.
            disks: node
                .zip(group)
                .map(|(node, group)| {
                    DiskReference::on(Some(node)).with(DiskName::VolumeGroup(group.to_owned()))
                })
                .into_iter()
                .collect(),
        }))]
    }

    fn place(&self, volume: &PersistentVolume, _: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        by_handle(NAME, volume, Some(1))
    }
}

fn pool(node: &str, group: &Fields<'_>) -> Option<EnginePart> {
    let name = group.text("name")?;
    let missing = group.number("missingPvCount");
    let (capacity, free) = (group.bytes("size"), group.bytes("free"));
    Some(EnginePart::Pool(Arc::new(Pool {
        state: missing.map(|missing| {
            if missing > 0 {
                Health::Degraded
            } else {
                Health::Healthy
            }
        }),
        said: missing
            .filter(|missing| *missing > 0)
            .map(|missing| format!("{missing} of its disks missing")),
        capacity,
        used: capacity
            .zip(free)
            .and_then(|(capacity, free)| capacity.checked_sub(free)),
        free,
        layout: Some(Layout::Striped),
        disks: vec![DiskReference::on(Some(node)).with(DiskName::VolumeGroup(name.to_owned()))],
        ..Pool::named(PoolKey::on(NAME, node, name), Some(node.to_owned()))
    })))
}
