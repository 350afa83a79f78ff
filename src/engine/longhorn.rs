//! Longhorn: replicas as files on disks that are folders of nodes, or devices.
//!
//! A Replica says its node and, by a UUID, its disk; Node says which folder or device that is, how full it is and, since 1.11, which serial
//! number lies below. While the volume is attached, Engine knows how each replica is; else the replica's own history tells.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fields::Fields;
use super::states::{health, told};
use super::{Engine, by_handle};
use crate::model::disk_name::{DiskName, DiskReference};
use crate::model::replica::{
    EnginePart, EngineResource, EngineVolume, Health, Layout, Placement, Pool, PoolKey, Replica,
    ReplicaModes, VolumeKey,
};
use crate::model::workload::{PersistentVolume, VolumeAttachment};

const NAME: &str = "longhorn";
const VOLUMES: &str = "volumes.longhorn.io";
const REPLICAS: &str = "replicas.longhorn.io";
const ENGINES: &str = "engines.longhorn.io";
const GROUP: &str = "longhorn.io";
const VERSIONS: &[&str] = &["v1beta2", "v1beta1"];

#[derive(Debug)]
pub(super) struct Longhorn;

impl Engine for Longhorn {
    fn resources(&self) -> &'static [EngineResource] {
        const ALL: &[EngineResource] = &[
            EngineResource::custom(VOLUMES, [GROUP, "volumes", "Volume"], VERSIONS),
            EngineResource::custom(REPLICAS, [GROUP, "replicas", "Replica"], VERSIONS),
            EngineResource::custom(ENGINES, [GROUP, "engines", "Engine"], VERSIONS),
            EngineResource::custom("nodes.longhorn.io", [GROUP, "nodes", "Node"], VERSIONS),
        ];
        ALL
    }

    fn drivers(&self) -> &'static [&'static str] {
        &["driver.longhorn.io"]
    }

    fn read(&self, resource: &EngineResource, object: &Fields<'_>) -> Vec<EnginePart> {
        match resource.name {
            VOLUMES => vec![EnginePart::Volume(Arc::new(volume(object)))],
            REPLICAS => replica(object).into_iter().collect(),
            ENGINES => modes(object).into_iter().collect(),
            _ => pools(object),
        }
    }

    fn place(&self, volume: &PersistentVolume, _: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        by_handle(NAME, volume, None)
    }
}

fn volume(object: &Fields<'_>) -> EngineVolume {
    // Of a volume that is not attached nobody looks at the replicas: it says `unknown`.
    let (state, said) = told(object.text("status.robustness"));
    EngineVolume {
        key: VolumeKey::new(NAME, object.name()),
        wanted: object.number("spec.numberOfReplicas"),
        state,
        said,
        claims: None,
        replicas: Some(REPLICAS),
    }
}

fn replica(object: &Fields<'_>) -> Option<EnginePart> {
    let volume = object
        .text("spec.volumeName")
        .or_else(|| object.label("longhornvolume"))?;
    let failed = object.text("spec.failedAt").is_some();
    let was_healthy = object.text("spec.healthyAt").is_some();
    let state = match (failed, was_healthy) {
        (true, _) => (Health::Failed, "failed"),
        (false, true) => (Health::Healthy, "healthy"),
        (false, false) => (Health::Rebuilding, "never healthy yet"),
    };
    let pool = object.text("spec.diskID").map(|name| PoolKey::new(NAME, name));
    let node = object.text("spec.nodeID");
    // Nobody has been given the copy to keep yet.
    let (state, said) = if node.is_none() {
        (Health::Unknown, "not scheduled")
    } else {
        state
    };
    Some(EnginePart::Replica(Arc::new(Replica {
        volume: VolumeKey::new(NAME, volume),
        name: object.name().to_owned(),
        node: node.map(str::to_owned),
        disks: match (&pool, object.text("spec.diskPath")) {
            (None, Some(path)) => vec![disk(node, path, None)],
            _ => Vec::new(),
        },
        pool,
        state: Some(state),
        said: Some(said.to_owned()),
        made_only: false,
        size: object.bytes("spec.volumeSize"),
    })))
}

fn modes(object: &Fields<'_>) -> Option<EnginePart> {
    let volume = object
        .text("spec.volumeName")
        .or_else(|| object.label("longhornvolume"))?;
    let modes: BTreeMap<_, _> = object
        .entries("status.replicaModeMap")
        .into_iter()
        .filter_map(|(replica, mode)| {
            let mode = mode.text("")?;
            Some((replica.to_owned(), (health(mode), mode.to_owned())))
        })
        .collect();
    (!modes.is_empty()).then(|| {
        EnginePart::Modes(Arc::new(ReplicaModes {
            volume: VolumeKey::new(NAME, volume),
            modes,
        }))
    })
}

fn pools(object: &Fields<'_>) -> Vec<EnginePart> {
    let node = object.name();
    let wanted: BTreeMap<&str, Fields<'_>> = object.entries("spec.disks").into_iter().collect();
    object
        .entries("status.diskStatus")
        .into_iter()
        .filter_map(|(label, status)| {
            let spec = wanted.get(label);
            let path = status
                .text("diskPath")
                .or_else(|| spec.and_then(|spec| spec.text("path")));
            let kind = status
                .text("diskType")
                .or_else(|| spec.and_then(|spec| spec.text("diskType")));
            let mut disks: Vec<DiskReference> = path
                .map(|path| disk(Some(node), path, kind))
                .into_iter()
                .collect();
            if let [known] = &mut disks[..] {
                for (_, health) in status.entries("healthData") {
                    if let Some(serial) = health.text("serialNumber") {
                        known.add(DiskName::Serial(serial.to_owned()));
                    }
                }
            }
            let (capacity, free) = (status.bytes("storageMaximum"), status.bytes("storageAvailable"));
            let (state, said) = condition(&status);
            Some(EnginePart::Pool(Arc::new(Pool {
                state,
                said,
                capacity,
                used: capacity
                    .zip(free)
                    .and_then(|(capacity, free)| capacity.checked_sub(free)),
                free,
                layout: Some(Layout::Striped),
                disks,
                ..Pool::named(
                    PoolKey::new(NAME, status.text("diskUUID")?),
                    Some(node.to_owned()),
                )
            })))
        })
        .collect()
}

/// Ready, or why not. Older versions have the conditions by their type, newer ones in a list.
fn condition(status: &Fields<'_>) -> (Option<Health>, Option<String>) {
    let listed = || {
        let all = status.list("conditions");
        all.into_iter()
            .find(|condition| condition.text("type") == Some("Ready"))
    };
    let by_type = || {
        let all = status.entries("conditions");
        all.into_iter()
            .find(|(kind, _)| *kind == "Ready")
            .map(|(_, condition)| condition)
    };
    let ready = if status.is_list("conditions") {
        listed()
    } else {
        by_type()
    };
    let Some(ready) = ready else { return (None, None) };
    match ready.text("status") {
        Some("True") => (Some(Health::Healthy), None),
        Some("False") => {
            let why = ready.sentence("message").or_else(|| ready.sentence("reason"));
            let why = why.unwrap_or_else(|| "not ready".to_owned());
            (Some(Health::Failed), Some(why))
        }
        _ => (Some(Health::Unknown), None),
    }
}

fn disk(node: Option<&str>, path: &str, kind: Option<&str>) -> DiskReference {
    let disk = DiskReference::on(node);
    if kind == Some("block") || path.starts_with("/dev/") {
        disk.with_path(path)
    } else {
        disk.with(DiskName::Folder(path.to_owned()))
    }
}
