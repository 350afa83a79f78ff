//! OpenEBS ZFS LocalPV: a dataset or zvol on the node of the pod.
//!
//! ZFSVolume says node and pool, ZFSNode how much of each pool is used. Which disks the pool lies on, and how they are, is known on the
//! node alone.

use std::sync::Arc;

use super::fields::Fields;
use super::states::told;
use super::{Engine, by_handle};
use crate::model::disk_name::{DiskName, DiskReference};
use crate::model::replica::{EnginePart, EngineResource, Placement, Pool, PoolKey, Replica, VolumeKey};
use crate::model::workload::{PersistentVolume, VolumeAttachment};

const NAME: &str = "zfs-localpv";
const VOLUMES: &str = "zfsvolumes.zfs.openebs.io";
const GROUP: &str = "zfs.openebs.io";
const VERSIONS: &[&str] = &["v1", "v1alpha1"];

#[derive(Debug)]
pub(super) struct Zfs;

impl Engine for Zfs {
    fn resources(&self) -> &'static [EngineResource] {
        const ALL: &[EngineResource] = &[
            EngineResource::custom(VOLUMES, [GROUP, "zfsvolumes", "ZFSVolume"], VERSIONS),
            EngineResource::custom(
                "zfsnodes.zfs.openebs.io",
                [GROUP, "zfsnodes", "ZFSNode"],
                VERSIONS,
            ),
        ];
        ALL
    }

    fn drivers(&self) -> &'static [&'static str] {
        &["zfs.csi.openebs.io"]
    }

    fn read(&self, resource: &EngineResource, object: &Fields<'_>) -> Vec<EnginePart> {
        if resource.name != VOLUMES {
            let pools = object.list("pools").into_iter();
            return pools.filter_map(|known| pool(object.name(), &known)).collect();
        }
        let node = object.text("spec.ownerNodeID");
        let name = object.text("spec.poolName");
        let (state, said) = told(object.text("status.state"));
        vec![EnginePart::Replica(Arc::new(Replica {
            volume: VolumeKey::new(NAME, object.name()),
            name: object.name().to_owned(),
            node: node.map(str::to_owned),
            pool: node.zip(name).map(|(node, name)| pool_key(node, name)),
            state,
            said,
            made_only: true,
            size: object.bytes("spec.capacity"),
            disks: Vec::new(),
        }))]
    }

    fn place(&self, volume: &PersistentVolume, _: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        by_handle(NAME, volume, Some(1))
    }
}

fn pool(node: &str, pool: &Fields<'_>) -> Option<EnginePart> {
    let name = pool.text("name")?;
    let (used, free) = (pool.bytes("used"), pool.bytes("free"));
    Some(EnginePart::Pool(Arc::new(Pool {
        capacity: used.zip(free).and_then(|(used, free)| used.checked_add(free)),
        used,
        free,
        disks: vec![DiskReference::on(Some(node)).with(DiskName::ZfsPool(name.to_owned()))],
        ..Pool::named(pool_key(node, name), Some(node.to_owned()))
    })))
}

/// Volumes may be told to lie in a dataset of the pool: `tank/k8s`. Only whole pools are listed.
fn pool_key(node: &str, name: &str) -> PoolKey {
    PoolKey::on(NAME, node, name.split('/').next().unwrap_or(name))
}
