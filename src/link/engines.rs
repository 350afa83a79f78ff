//! Joins what storage engines say: their objects' parts by name, so that a volume's copies can be looked up.
//!
//! A cluster may have ten thousand replicas, and one of them changes at a time. So what was joined last is kept, and of the engines'
//! objects only those that are others now are taken out and put in.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::cluster::{Affected, changes};
use crate::engine::{self, ENGINES};
use crate::model::cluster_map::{Attention, ClusterMap, Urgency};
use crate::model::copies::{Copies, DEEPEST, EngineTables};
use crate::model::inventory::{Inventory, Objects};
use crate::model::replica::{
    EngineObject, EnginePart, EngineVolume, Health, ManagedDisk, Place, Placement, Pool, PoolKey, PoolMember,
    Replica, VolumeKey,
};
use crate::model::shared_map::SharedMap;
use crate::model::workload::{NamespacedName, Node, PersistentVolume};

/// What was touched by a change.
#[derive(Debug, Default)]
struct Touched {
    volumes: BTreeSet<VolumeKey>,
    /// Pools as they were.
    pools: BTreeMap<PoolKey, Option<Arc<Pool>>>,
    /// Disks, of which more than one volume may have parts.
    disks: bool,
    /// All copies: what is known of nodes is another.
    all: bool,
}

/// Brings up to date what there is to say of engines in a map of which all else is. Gives the number of volumes whose copies were
/// looked at.
pub(super) fn bring_up_to_date(map: &mut ClusterMap, before: &Inventory, affected: &Affected) -> usize {
    let mut touched = Touched {
        all: affected.everything,
        disks: affected.everything,
        ..Touched::default()
    };
    replace_objects(map, before, &mut touched);
    replace_nodes(map, before, &mut touched);
    for name in &affected.placed {
        place(map, name);
    }
    let mut names = affected.placed.clone();
    for claim in &affected.claims {
        touch_claim(map, claim, &mut touched);
    }
    names.extend(touched_by_pools(map, &touched));
    if touched.disks {
        names.extend(names_where(map, |place| matches!(place, Place::DiskClaim(_))));
    }
    for key in &touched.volumes {
        names.extend(map.names.volumes_of_engine.all(key).iter().cloned());
    }
    add_carried(map, &mut names, &mut touched);
    if touched.all {
        names.extend(map.inventory.volumes.keys().cloned());
    }
    renew_disks(map, &touched);
    for name in &names {
        let volume = map.volume(name);
        let found = volume.and_then(|volume| attention(map, volume));
        map.copy_attention.set(name, found);
    }
    names.len()
}

fn replace_objects(map: &mut ClusterMap, before: &Inventory, touched: &mut Touched) {
    let inventory = Arc::clone(&map.inventory);
    let kinds: BTreeSet<_> = before.engines.keys().chain(inventory.engines.keys()).collect();
    let none = Objects::default();
    let tables = Arc::make_mut(&mut map.engines);
    let mut is_other = false;
    for kind in kinds {
        let old = before.engines.get(kind).unwrap_or(&none);
        let changes = changes(old, inventory.engines.get(kind).unwrap_or(&none));
        is_other |= !changes.is_empty();
        for object in changes.iter().filter_map(|(_, old, _)| *old) {
            take(tables, object, touched);
        }
        for object in changes.iter().filter_map(|(_, _, new)| *new) {
            put(tables, object, touched);
        }
    }
    if is_other && tables.doubled {
        let keys = map.node_pools.iter();
        let of_nodes: Vec<_> = keys.filter_map(|key| tables.pools.get(key).cloned()).collect();
        *tables = EngineTables::default();
        for object in inventory.engines.values().flat_map(|objects| objects.values()) {
            put(tables, object, &mut Touched::default());
        }
        for pool in of_nodes {
            tables.pools.insert(pool.key.clone(), pool);
        }
    }
}

/// Takes in what engines write into nodes: other names for them, and pools that have no object of their own.
fn replace_nodes(map: &mut ClusterMap, before: &Inventory, touched: &mut Touched) {
    let inventory = Arc::clone(&map.inventory);
    let changes = changes(&before.nodes, &inventory.nodes);
    if changes.is_empty() {
        return;
    }
    let called = |node: &Arc<Node>| {
        (
            node.name.clone(),
            node.host_name.clone(),
            node.other_names.clone(),
        )
    };
    let ready = |node: &Arc<Node>| node.ready;
    for (_, old, new) in &changes {
        let others = old.map(called) != new.map(called);
        touched.disks |= others;
        touched.all |= others || old.map(ready) != new.map(ready);
    }
    map.node_aliases = aliases(&inventory);
    let pools = pools_of_nodes(&inventory);
    let tables = Arc::make_mut(&mut map.engines);
    for key in std::mem::take(&mut map.node_pools) {
        let before = tables.pools.remove(&key);
        touched.pools.entry(key).or_insert(before);
    }
    for pool in pools {
        map.node_pools.push(pool.key.clone());
        touched.pools.entry(pool.key.clone()).or_insert(None);
        tables.pools.insert(pool.key.clone(), Arc::new(pool));
    }
}

fn pools_of_nodes(inventory: &Inventory) -> Vec<Pool> {
    let nodes = inventory.nodes.values();
    nodes
        .flat_map(|node| ENGINES.iter().flat_map(|engine| engine.pools_of(node)))
        .collect()
}

/// Looks anew how a volume is looked for.
fn place(map: &mut ClusterMap, name: &String) {
    let placement = map.volume(name).and_then(|volume| placement(map, volume));
    let key = |placement: &Placement| match &placement.place {
        Place::Named(key) => Some(key.clone()),
        _ => None,
    };
    if let Some(key) = map.placements.get(name).and_then(key) {
        map.names.volumes_of_engine.keep(&key, name, false);
    }
    if let Some(key) = placement.as_ref().and_then(key) {
        map.names.volumes_of_engine.keep(&key, name, true);
    }
    map.placements.set(name, placement);
}

fn placement(map: &ClusterMap, volume: &PersistentVolume) -> Option<Placement> {
    engine::place(volume, map.attachments.all(&volume.name))
}

/// Claims may carry copies of other volumes, and disks of pools.
fn touch_claim(map: &ClusterMap, claim: &NamespacedName, touched: &mut Touched) {
    touched.volumes.extend(carried_by(map, claim));
    touched.disks |= carries_a_disk(map, claim);
}

/// The engines' volumes of which a copy may lie in a claim: those whose copies' claims are called so, but for a number behind it.
fn carried_by(map: &ClusterMap, claim: &NamespacedName) -> Vec<VolumeKey> {
    let carried = &map.engines.carried;
    if carried.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut prefix = claim.clone();
    while prefix.name.ends_with(|last: char| last.is_ascii_digit()) {
        prefix.name.pop();
        found.extend_from_slice(carried.all(&prefix));
    }
    found
}

fn carries_a_disk(map: &ClusterMap, claim: &NamespacedName) -> bool {
    map.engines.members.values().flatten().any(|member| {
        let carrier = member.claim.as_ref();
        carrier.is_some_and(|(namespace, name)| *namespace == claim.namespace && *name == claim.name)
    })
}

/// Adds the volumes whose copies lie on these, and those whose copies lie on those.
fn add_carried(map: &ClusterMap, names: &mut BTreeSet<String>, touched: &mut Touched) {
    let mut last = names.clone();
    for _ in 0..=DEEPEST {
        let mut above = BTreeSet::new();
        for name in &last {
            for claim in map.names.claims_of_volume.all(name) {
                touched.disks |= carries_a_disk(map, &claim.name);
                for key in carried_by(map, &claim.name) {
                    above.extend(map.names.volumes_of_engine.all(&key).iter().cloned());
                }
            }
        }
        above.retain(|name| !names.contains(name));
        if above.is_empty() {
            return;
        }
        names.extend(above.iter().cloned());
        last = above;
    }
}

/// The volumes that are told by pools which are otherwise now than they were.
fn touched_by_pools(map: &ClusterMap, touched: &Touched) -> Vec<String> {
    let engines = &map.engines;
    let state = |pool: &Arc<Pool>| (pool.state, pool.said.clone(), pool.node.clone(), pool.layout);
    let moved: BTreeSet<&PoolKey> = touched
        .pools
        .iter()
        .filter(|(key, before)| engines.pools.get(*key).map(state) != before.as_ref().map(state))
        .map(|(key, _)| key)
        .collect();
    if moved.is_empty() {
        return Vec::new();
    }
    // That a pool is missing can be said of one only while others of its engine are known.
    let renewed: BTreeSet<&str> = moved
        .iter()
        .filter(|key| touched.pools[**key].is_none() || !engines.pools.contains_key(*key))
        .map(|key| key.engine)
        .collect();
    let in_moved = |replica: &Arc<Replica>| {
        let pool = replica.pool.as_ref();
        pool.is_some_and(|pool| moved.contains(pool) || renewed.contains(pool.engine))
    };
    let volumes = engines.replicas.iter();
    let volumes = volumes.filter(|(_, replicas)| replicas.iter().any(in_moved));
    let mut names: Vec<String> = volumes
        .flat_map(|(key, _)| map.names.volumes_of_engine.all(key))
        .cloned()
        .collect();
    names.extend(names_where(
        map,
        |place| matches!(place, Place::Spread(pool) if moved.contains(pool)),
    ));
    names
}

fn names_where(map: &ClusterMap, is_it: impl Fn(&Place) -> bool) -> Vec<String> {
    let placements = map.placements.iter();
    let found = placements.filter(|(_, placement)| is_it(&placement.place));
    found.map(|(name, _)| name.clone()).collect()
}

/// Puts together anew the disks of pools that may be others.
fn renew_disks(map: &mut ClusterMap, touched: &Touched) {
    let engines = Arc::clone(&map.engines);
    let disks = |pool: &Arc<Pool>| (pool.disks.clone(), pool.members.clone());
    let carried = || {
        engines
            .members
            .values()
            .flatten()
            .any(|member| member.claim.is_some())
    };
    let has_others =
        |key: &PoolKey, before: Option<&Arc<Pool>>| engines.pools.get(key).map(disks) != before.map(disks);
    let pools = &touched.pools;
    if touched.disks || carried() && pools.iter().any(|(key, before)| has_others(key, before.as_ref())) {
        // Members of a pool may lie on volumes that lie in a pool without members.
        for has_members in [false, true] {
            let pools = engines.pools.values();
            let pools = pools.filter(|pool| pool.members.is_some() == has_members);
            let found: Vec<_> = pools
                .map(|pool| (&pool.key, map.find_disks_of(pool).into()))
                .collect();
            if !has_members {
                map.pool_disks = SharedMap::default();
            }
            for (key, disks) in found {
                map.pool_disks.insert(key.clone(), disks);
            }
        }
        return;
    }
    for key in touched.pools.keys() {
        let pool = engines.pools.get(key);
        let disks = pool.map(|pool| map.find_disks_of(pool).into());
        map.pool_disks.set(key, disks);
    }
}

fn put(tables: &mut EngineTables, object: &EngineObject, touched: &mut Touched) {
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
fn take(tables: &mut EngineTables, object: &EngineObject, touched: &mut Touched) {
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

fn aliases(inventory: &Inventory) -> HashMap<String, String> {
    let names = inventory.nodes.values().flat_map(|node| {
        let others = node.host_name.iter().chain(&node.other_names);
        others
            .filter(|name| **name != node.name)
            .map(|name| (name.clone(), node.name.clone()))
    });
    names.collect()
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
