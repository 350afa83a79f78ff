//! OpenEBS cStor: replicas in pools of user-space ZFS, on disks that the node disk manager manages.
//!
//! CStorVolume says how the volume is, a CStorVolumeReplica how a copy is and in which pool it lies, a CStorPoolInstance how the pool is
//! and which BlockDevices it has.

use std::sync::Arc;

use super::fields::Fields;
use super::states::{health, told};
use super::{Engine, by_handle};
use crate::model::disk_name::{DiskName, DiskReference};
use crate::model::replica::{
    EnginePart, EngineResource, EngineVolume, Layout, Placement, Pool, PoolKey, Replica, VolumeKey,
};
use crate::model::workload::{PersistentVolume, VolumeAttachment};

const NAME: &str = "cstor";
const VOLUMES: &str = "cstorvolumes.cstor.openebs.io";
const REPLICAS: &str = "cstorvolumereplicas.cstor.openebs.io";
const GROUP: &str = "cstor.openebs.io";
const VERSIONS: &[&str] = &["v1"];

#[derive(Debug)]
pub(super) struct Cstor;

impl Engine for Cstor {
    fn resources(&self) -> &'static [EngineResource] {
        const ALL: &[EngineResource] = &[
            EngineResource::custom(VOLUMES, [GROUP, "cstorvolumes", "CStorVolume"], VERSIONS),
            EngineResource::custom(
                REPLICAS,
                [GROUP, "cstorvolumereplicas", "CStorVolumeReplica"],
                VERSIONS,
            ),
            EngineResource::custom(
                "cstorpoolinstances.cstor.openebs.io",
                [GROUP, "cstorpoolinstances", "CStorPoolInstance"],
                VERSIONS,
            ),
        ];
        ALL
    }

    fn drivers(&self) -> &'static [&'static str] {
        &["cstor.csi.openebs.io"]
    }

    fn read(&self, resource: &EngineResource, object: &Fields<'_>) -> Vec<EnginePart> {
        match resource.name {
            VOLUMES => vec![EnginePart::Volume(Arc::new(volume(object)))],
            REPLICAS => replica(object).into_iter().collect(),
            _ => vec![EnginePart::Pool(Arc::new(pool(object)))],
        }
    }

    fn place(&self, volume: &PersistentVolume, _: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        by_handle(NAME, volume, None)
    }
}

fn volume(object: &Fields<'_>) -> EngineVolume {
    let (state, said) = told(object.text("status.phase"));
    EngineVolume {
        key: VolumeKey::new(NAME, object.name()),
        wanted: object
            .number("spec.desiredReplicationFactor")
            .or_else(|| object.number("spec.replicationFactor")),
        state,
        said,
        claims: None,
        replicas: Some(REPLICAS),
    }
}

fn replica(object: &Fields<'_>) -> Option<EnginePart> {
    let volume = object
        .label("cstorvolume.openebs.io/name")
        .or_else(|| object.label("openebs.io/persistent-volume"))?;
    let (state, said) = told(object.text("status.phase"));
    Some(EnginePart::Replica(Arc::new(Replica {
        volume: VolumeKey::new(NAME, volume),
        name: object.name().to_owned(),
        node: object
            .annotation("cstorpoolinstance.openebs.io/hostname")
            .map(str::to_owned),
        pool: object
            .label("cstorpoolinstance.openebs.io/name")
            .map(|name| PoolKey::new(NAME, name)),
        state,
        said,
        made_only: false,
        size: object.bytes("spec.capacity"),
        disks: Vec::new(),
    })))
}

fn pool(object: &Fields<'_>) -> Pool {
    let node = object
        .text("spec.hostName")
        .or_else(|| object.label("kubernetes.io/hostname"));
    let groups = object.list("spec.dataRaidGroups");
    let disks: Vec<DiskReference> = groups
        .iter()
        .flat_map(|group| group.list("blockDevices"))
        .filter_map(|device| {
            let name = device.text("blockDeviceName")?;
            let disk = DiskReference::on(node).with(DiskName::Managed(name.to_owned()));
            Some(match device.text("devLink") {
                Some(link) => disk.with_path(link),
                None => disk,
            })
        })
        .collect();
    let layout = match object.text("spec.poolConfig.dataRaidGroupType") {
        Some("stripe") => Some(Layout::Striped),
        // Each group survives so many; two that die may be of one group.
        Some("mirror" | "raidz") => Some(Layout::Redundant(1)),
        Some("raidz2") => Some(Layout::Redundant(2)),
        _ => (disks.len() == 1).then_some(Layout::Striped),
    };
    let phase = object.text("status.phase");
    let read_only = object.flag("status.readOnly") == Some(true);
    let said = phase.map(|phase| {
        if read_only {
            format!("{phase}, read-only")
        } else {
            phase.to_owned()
        }
    });
    Pool {
        state: phase.map(health),
        said,
        capacity: object.bytes("status.capacity.total"),
        used: object.bytes("status.capacity.used"),
        free: object.bytes("status.capacity.free"),
        layout,
        disks,
        ..Pool::named(PoolKey::new(NAME, object.name()), node.map(str::to_owned))
    }
}
