//! What the objects of storage engines say, put into tables and taken out of them.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::engine_tables::EngineTables;
use crate::model::replica::{
    EngineObject, EnginePart, EngineVolume, ManagedDisk, Pool, PoolKey, PoolMember, Replica, VolumeKey,
};
use crate::model::workload::NamespacedName;

/// What was touched by a change.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// Volumes, by their engines' names.
    pub(super) volumes: BTreeSet<VolumeKey>,
    /// Pools as they were.
    pub(super) pools: BTreeMap<PoolKey, Option<Arc<Pool>>>,
    /// Disks, of which more than one volume may have parts.
    pub(super) disks: bool,
    /// Nodes of which other things are known now, or that are called otherwise: all their names, as numbers.
    pub(super) nodes: BTreeSet<u64>,
}

/// Puts in what an object says.
pub(super) fn put(tables: &mut EngineTables, object: &EngineObject, touched: &mut Touched) {
    for part in &object.parts {
        let is_alone = match part {
            EnginePart::Volume(volume) => {
                if let Some(prefix) = prefix(volume) {
                    tables.carried.keep(&prefix, &volume.key, true);
                }
                touched.volumes.insert(volume.key.clone());
                tables
                    .volumes
                    .insert(volume.key.clone(), Arc::clone(volume))
                    .is_none()
            }
            EnginePart::Replica(replica) => {
                touched.volumes.insert(replica.volume.clone());
                tables
                    .replicas
                    .put(&replica.volume, Arc::clone(replica), by_replica)
            }
            EnginePart::Modes(modes) => {
                touched.volumes.insert(modes.volume.clone());
                let of_volume = tables.modes.all(&modes.volume);
                let is_alone = of_volume.is_empty();
                let all = of_volume.iter().chain([modes]).cloned().collect();
                tables.modes.insert(modes.volume.clone(), all);
                is_alone
            }
            EnginePart::Pool(pool) => {
                let before = tables.pools.insert(pool.key.clone(), Arc::clone(pool));
                let is_alone = before.is_none();
                touched.pools.entry(pool.key.clone()).or_insert(before);
                is_alone
            }
            EnginePart::PoolMember(member) => {
                touched.disks = true;
                tables.members.put(&member.group, Arc::clone(member), by_member)
            }
            EnginePart::ManagedDisk(disk) => {
                touched.disks = true;
                if let Some(node) = &disk.disk.node {
                    tables.managed_on.put(node, Arc::clone(disk), by_disk);
                }
                tables
                    .managed
                    .insert(disk.name.clone(), Arc::clone(disk))
                    .is_none()
            }
            EnginePart::DiskClaim(claim) => {
                touched.disks = true;
                let disk = claim.disk.clone();
                tables.disk_claims.insert(claim.name.clone(), disk).is_none()
            }
        };
        tables.doubled |= !is_alone;
    }
}

fn by_replica(one: &Arc<Replica>, two: &Arc<Replica>) -> Ordering {
    one.name.cmp(&two.name)
}

fn by_member(one: &Arc<PoolMember>, two: &Arc<PoolMember>) -> Ordering {
    one.name.cmp(&two.name)
}

fn by_disk(one: &Arc<ManagedDisk>, two: &Arc<ManagedDisk>) -> Ordering {
    one.name.cmp(&two.name)
}

/// The claims that carry the copies of a volume, but for the number behind each.
fn prefix(volume: &EngineVolume) -> Option<NamespacedName> {
    let claims = volume.claims.as_ref()?;
    Some(NamespacedName::new(&claims.namespace, &claims.prefix))
}

/// Takes out what an object said. Where another says something of the same name, all is put together anew after it.
pub(super) fn take(tables: &mut EngineTables, object: &EngineObject, touched: &mut Touched) {
    for part in &object.parts {
        match part {
            EnginePart::Volume(volume) => {
                if let Some(prefix) = prefix(volume) {
                    tables.carried.keep(&prefix, &volume.key, false);
                }
                tables.volumes.remove(&volume.key);
                touched.volumes.insert(volume.key.clone());
            }
            EnginePart::Replica(replica) => {
                tables.replicas.take(&replica.volume, replica, by_replica);
                touched.volumes.insert(replica.volume.clone());
            }
            EnginePart::Modes(modes) => {
                tables.modes.remove(&modes.volume);
                touched.volumes.insert(modes.volume.clone());
            }
            EnginePart::Pool(pool) => {
                let before = tables.pools.remove(&pool.key);
                touched.pools.entry(pool.key.clone()).or_insert(before);
            }
            EnginePart::PoolMember(member) => {
                tables.members.take(&member.group, member, by_member);
                touched.disks = true;
            }
            EnginePart::ManagedDisk(disk) => {
                tables.managed.remove(&disk.name);
                if let Some(node) = &disk.disk.node {
                    tables.managed_on.take(node, disk, by_disk);
                }
                touched.disks = true;
            }
            EnginePart::DiskClaim(claim) => {
                tables.disk_claims.remove(&claim.name);
                touched.disks = true;
            }
        }
    }
}
