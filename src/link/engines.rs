//! Joins what storage engines say: their objects' parts by name, so that a volume's copies can be looked up.
//!
//! A cluster may have ten thousand replicas, and one of them changes at a time. So what was joined last is kept, and of the engines'
//! objects only those that are others now are taken out and put in.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::cluster::Changes;
use crate::engine::{self, ENGINES};
use crate::model::cluster_map::{Attention, ClusterMap, Urgency};
use crate::model::copies::{Copies, EngineTables};
use crate::model::disk_name::DiskReference;
use crate::model::inventory::{Inventory, Objects, ResourceKind};
use crate::model::replica::{
    EngineObject, EnginePart, Health, Place, Placement, Pool, PoolKey, Replica, VolumeKey,
};
use crate::model::workload::{NamespacedName, PersistentVolume};

/// What was touched by a change.
#[derive(Debug, Default)]
struct Touched {
    volumes: BTreeSet<VolumeKey>,
    /// Pools as they were.
    pools: BTreeMap<PoolKey, Option<Arc<Pool>>>,
    /// Disks, of which more than one volume may have parts.
    disks: bool,
}

/// Adds what there is to say of engines to a map that has all else.
pub(super) fn join(map: &mut ClusterMap) {
    let mut touched = Touched::default();
    let mut tables = EngineTables::default();
    for object in map
        .inventory
        .engines
        .values()
        .flat_map(|objects| objects.values())
    {
        put(&mut tables, object, &mut touched);
    }
    map.engines = Arc::new(tables);
    map.node_aliases = aliases(&map.inventory);
    replace_pools_of_nodes(map);
    map.placements = placements(map);
    map.pool_disks = all_pool_disks(map);
    map.copy_attention = all_attention(map);
}

/// Brings a map up to date of which all else is.
pub(super) fn rejoin(map: &mut ClusterMap, before: &Inventory, changes: &Changes) {
    use ResourceKind::{Attachments, Claims, Nodes, Pods, Volumes};

    let mut touched = Touched::default();
    replace_objects(map, before, &mut touched);
    if changes.any(&[Nodes]) {
        map.node_aliases = aliases(&map.inventory);
        replace_pools_of_nodes(map);
    }
    if changes.any(&[Volumes, Attachments]) {
        map.placements = placements(map);
    }
    if changes.any(&[Nodes, Volumes, Attachments]) {
        map.pool_disks = all_pool_disks(map);
        map.copy_attention = all_attention(map);
        return;
    }
    if changes.any(&[Pods, Claims]) {
        // Claims may carry copies of other volumes, and disks of pools.
        touched.disks |= map
            .engines
            .members
            .values()
            .flatten()
            .any(|member| member.claim.is_some());
        let carried = map
            .engines
            .volumes
            .values()
            .filter(|volume| volume.claims.is_some());
        touched.volumes.extend(carried.map(|volume| volume.key.clone()));
    }
    settle(map, &touched);
}

fn replace_objects(map: &mut ClusterMap, before: &Inventory, touched: &mut Touched) {
    let inventory = Arc::clone(&map.inventory);
    let none = Objects::default();
    let kinds: BTreeSet<_> = before.engines.keys().chain(inventory.engines.keys()).collect();
    for kind in kinds {
        let old = before.engines.get(kind).unwrap_or(&none);
        let new = inventory.engines.get(kind).unwrap_or(&none);
        if Arc::ptr_eq(old, new) {
            continue;
        }
        let tables = Arc::make_mut(&mut map.engines);
        let (gone, come) = differences(old, new);
        for object in gone {
            take(tables, object, touched);
        }
        for object in come {
            put(tables, object, touched);
        }
    }
}

fn placements(map: &ClusterMap) -> HashMap<String, Placement> {
    let none = Vec::new();
    let volumes = map.inventory.volumes.values();
    volumes
        .filter_map(|volume| {
            let attachments = map.attachments.get(&volume.name).unwrap_or(&none);
            Some((volume.name.clone(), engine::place(volume, attachments)?))
        })
        .collect()
}

fn all_pool_disks(map: &ClusterMap) -> BTreeMap<PoolKey, Arc<[DiskReference]>> {
    let pools = map.engines.pools.values();
    pools
        .map(|pool| (pool.key.clone(), map.find_disks_of(pool).into()))
        .collect()
}

fn all_attention(map: &ClusterMap) -> BTreeMap<String, Attention> {
    let volumes = map.inventory.volumes.values();
    volumes
        .filter_map(|volume| Some((volume.name.clone(), attention(map, volume)?)))
        .collect()
}

/// The objects that are no more, and those that are new; one that has changed is both.
fn differences<'a>(
    old: &'a Objects<NamespacedName, EngineObject>,
    new: &'a Objects<NamespacedName, EngineObject>,
) -> (Vec<&'a EngineObject>, Vec<&'a EngineObject>) {
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (Some((one, _)), Some((two, _))) => one.cmp(two),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return (gone, come),
        };
        let before = if order.is_le() { old.next() } else { None };
        let after = if order.is_ge() { new.next() } else { None };
        match (before, after) {
            (Some((_, one)), Some((_, two))) if Arc::ptr_eq(one, two) => {}
            (one, two) => {
                gone.extend(one.map(|(_, object)| &**object));
                come.extend(two.map(|(_, object)| &**object));
            }
        }
    }
}

fn put(tables: &mut EngineTables, object: &EngineObject, touched: &mut Touched) {
    for part in &object.parts {
        match part {
            EnginePart::Volume(volume) => {
                tables.volumes.insert(volume.key.clone(), Arc::clone(volume));
                touched.volumes.insert(volume.key.clone());
            }
            EnginePart::Replica(replica) => {
                let of_volume = tables.replicas.entry(replica.volume.clone()).or_default();
                let at = of_volume.partition_point(|known| known.name <= replica.name);
                of_volume.insert(at, Arc::clone(replica));
                touched.volumes.insert(replica.volume.clone());
            }
            EnginePart::Modes(modes) => {
                let of_volume = tables.modes.entry(modes.volume.clone()).or_default();
                of_volume.push(Arc::clone(modes));
                touched.volumes.insert(modes.volume.clone());
            }
            EnginePart::Pool(pool) => {
                let before = tables.pools.insert(pool.key.clone(), Arc::clone(pool));
                touched.pools.entry(pool.key.clone()).or_insert(before);
            }
            EnginePart::PoolMember(member) => {
                let of_group = tables.members.entry(member.group.clone()).or_default();
                let at = of_group.partition_point(|known| known.name <= member.name);
                of_group.insert(at, Arc::clone(member));
                touched.disks = true;
            }
            EnginePart::ManagedDisk(disk) => {
                tables.managed.insert(disk.name.clone(), Arc::clone(disk));
                if let Some(node) = &disk.disk.node {
                    let on_node = tables.managed_on.entry(node.clone()).or_default();
                    let at = on_node.partition_point(|known| known.name <= disk.name);
                    on_node.insert(at, Arc::clone(disk));
                }
                touched.disks = true;
            }
            EnginePart::DiskClaim(claim) => {
                tables.disk_claims.insert(claim.name.clone(), claim.disk.clone());
                touched.disks = true;
            }
        }
    }
}

/// What somebody else has said of the same name meanwhile stays.
fn take(tables: &mut EngineTables, object: &EngineObject, touched: &mut Touched) {
    for part in &object.parts {
        match part {
            EnginePart::Volume(volume) => {
                if tables
                    .volumes
                    .get(&volume.key)
                    .is_some_and(|known| Arc::ptr_eq(known, volume))
                {
                    tables.volumes.remove(&volume.key);
                }
                touched.volumes.insert(volume.key.clone());
            }
            EnginePart::Replica(replica) => {
                forget(&mut tables.replicas, &replica.volume, replica);
                touched.volumes.insert(replica.volume.clone());
            }
            EnginePart::Modes(modes) => {
                forget(&mut tables.modes, &modes.volume, modes);
                touched.volumes.insert(modes.volume.clone());
            }
            EnginePart::Pool(pool) => {
                if tables
                    .pools
                    .get(&pool.key)
                    .is_some_and(|known| Arc::ptr_eq(known, pool))
                {
                    tables.pools.remove(&pool.key);
                }
                touched
                    .pools
                    .entry(pool.key.clone())
                    .or_insert(Some(Arc::clone(pool)));
            }
            EnginePart::PoolMember(member) => {
                if let Some(of_group) = tables.members.get_mut(&member.group) {
                    of_group.retain(|known| !Arc::ptr_eq(known, member));
                    if of_group.is_empty() {
                        tables.members.remove(&member.group);
                    }
                }
                touched.disks = true;
            }
            EnginePart::ManagedDisk(disk) => {
                if tables
                    .managed
                    .get(&disk.name)
                    .is_some_and(|known| Arc::ptr_eq(known, disk))
                {
                    tables.managed.remove(&disk.name);
                }
                if let Some(node) = &disk.disk.node {
                    forget(&mut tables.managed_on, node, disk);
                }
                touched.disks = true;
            }
            EnginePart::DiskClaim(claim) => {
                if tables.disk_claims.get(&claim.name) == Some(&claim.disk) {
                    tables.disk_claims.remove(&claim.name);
                }
                touched.disks = true;
            }
        }
    }
}

fn forget<K: std::hash::Hash + Eq, T>(table: &mut HashMap<K, Vec<Arc<T>>>, key: &K, value: &Arc<T>) {
    if let Some(known) = table.get_mut(key) {
        known.retain(|known| !Arc::ptr_eq(known, value));
        if known.is_empty() {
            table.remove(key);
        }
    }
}

/// Makes anew what was made of what was touched.
fn settle(map: &mut ClusterMap, touched: &Touched) {
    if touched.disks {
        map.pool_disks = all_pool_disks(map);
    } else {
        for key in touched.pools.keys() {
            let disks = map.engines.pools.get(key).map(|pool| map.find_disks_of(pool));
            match disks {
                Some(disks) => drop(map.pool_disks.insert(key.clone(), disks.into())),
                None => drop(map.pool_disks.remove(key)),
            }
        }
    }
    let engines = Arc::clone(&map.engines);
    let state = |pool: &Arc<Pool>| (pool.state, pool.said.clone());
    let moved: BTreeSet<&PoolKey> = touched
        .pools
        .iter()
        .filter(|(key, before)| engines.pools.get(*key).map(state) != before.as_ref().map(state))
        .map(|(key, _)| key)
        .collect();
    // That a pool is missing can be said of one only while others of its engine are known.
    let renewed: BTreeSet<&str> = moved
        .iter()
        .filter(|key| touched.pools[**key].is_none() || !engines.pools.contains_key(**key))
        .map(|key| key.engine)
        .collect();
    let in_moved = |replica: &Arc<Replica>| replica.pool.as_ref().is_some_and(|pool| moved.contains(pool));
    let concerned = |placement: &Placement| match &placement.place {
        Place::Named(key) => {
            touched.volumes.contains(key)
                || renewed.contains(key.engine)
                || !moved.is_empty()
                    && engines
                        .replicas
                        .get(key)
                        .is_some_and(|replicas| replicas.iter().any(in_moved))
        }
        Place::Spread(pool) => moved.contains(pool),
        Place::DiskClaim(_) => touched.disks,
        Place::Here(_) | Place::Outside(_) | Place::Untold => false,
    };
    let names: Vec<String> = match touched.volumes.first() {
        // Most changes are of one volume, which as a rule is called like its PersistentVolume.
        Some(key)
            if touched.volumes.len() == 1
                && !touched.disks
                && moved.is_empty()
                && is_called(map, &key.name, key) =>
        {
            vec![key.name.clone()]
        }
        None if moved.is_empty() && !touched.disks => Vec::new(),
        _ => {
            let all = map
                .placements
                .iter()
                .filter(|(_, placement)| concerned(placement));
            all.map(|(name, _)| name.clone()).collect()
        }
    };
    for name in names {
        let found = map.volume(&name).and_then(|volume| attention(map, volume));
        match found {
            Some(attention) => drop(map.copy_attention.insert(name, attention)),
            None => drop(map.copy_attention.remove(&name)),
        }
    }
}

fn is_called(map: &ClusterMap, volume: &str, key: &VolumeKey) -> bool {
    let placement = map.placements.get(volume);
    placement.is_some_and(|placement| placement.place == Place::Named(key.clone()))
}

fn aliases(inventory: &Inventory) -> HashMap<String, String> {
    let names = inventory.nodes.values().flat_map(|node| {
        let others = node.host_name.iter().chain(&node.other_names);
        others
            .filter(|name| **name != node.name)
            .map(|name| (name.clone(), node.name.clone()))
    });
    names.collect()
}

/// Pools that stand in nodes themselves take the place of those that stood there before.
fn replace_pools_of_nodes(map: &mut ClusterMap) {
    let pools: Vec<Pool> = map
        .inventory
        .nodes
        .values()
        .flat_map(|node| ENGINES.iter().flat_map(|engine| engine.pools_of(node)))
        .collect();
    if pools.is_empty() && map.node_pools.is_empty() {
        return;
    }
    let tables = Arc::make_mut(&mut map.engines);
    for key in std::mem::take(&mut map.node_pools) {
        tables.pools.remove(&key);
    }
    for pool in pools {
        map.node_pools.push(pool.key.clone());
        tables.pools.insert(pool.key.clone(), Arc::new(pool));
    }
}

/// What is amiss with the copies of a volume.
fn attention(map: &ClusterMap, volume: &PersistentVolume) -> Option<Attention> {
    let copies = map.copies(volume)?;
    let reason = reason(&copies)?;
    let number = copies.list.len();
    let none_is_left =
        copies.counted && number > 0 && copies.list.iter().all(|copy| copy.state == Some(Health::Failed));
    let urgency = if none_is_left || copies.state == Some(Health::Failed) {
        Urgency::Failed
    } else {
        Urgency::Degraded
    };
    Some(Attention { urgency, reason })
}

/// `2 of 3 copies are healthy; worker-2: rebuilding (the engine says WO)`; `None` where nothing is known to be amiss.
fn reason(copies: &Copies<'_>) -> Option<String> {
    let told: Vec<String> = copies
        .list
        .iter()
        .filter_map(|copy| {
            let state = copy.state.filter(|state| *state != Health::Healthy)?;
            let place = copy.node.as_deref().unwrap_or(&copy.name);
            Some(match &copy.reason {
                Some(reason) => format!("{place}: {} ({reason})", state.as_str()),
                None => format!("{place}: {}", state.as_str()),
            })
        })
        .collect();
    let too_few = copies
        .number()
        .zip(copies.wanted)
        .filter(|(number, wanted)| (*number as u64) < *wanted && *number > 0);
    // A volume that is in no use has no state; a single one that is in use and not well has a word for it.
    let own = copies
        .state
        .filter(|state| matches!(state, Health::Failed | Health::Degraded | Health::Rebuilding));
    if told.is_empty() && too_few.is_none() && own.is_none() {
        return None;
    }
    let mut parts = Vec::new();
    if let Some(healthy) = copies.healthy() {
        let all = copies.wanted.unwrap_or(0).max(copies.list.len() as u64);
        let copies = if all == 1 { "copy is" } else { "copies are" };
        parts.push(format!("{healthy} of {all} {copies} healthy"));
    }
    parts.extend(told);
    if let (Some(_), Some(said)) = (own, copies.said) {
        parts.push(format!("the engine says {said}"));
    }
    Some(parts.join("; "))
}
