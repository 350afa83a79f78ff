//! Joins what storage engines say: their objects' parts by name, so that a volume's copies can be looked up.
//!
//! A cluster may have ten thousand replicas, and one of them changes at a time. So what was joined last is kept, and of the engines'
//! objects only those that are others now are taken out and put in.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::cluster::{Affected, changes};
use super::copies;
use super::engine_tables::{Touched, put, take};
use crate::engine::{self, ENGINES};
use crate::model::cluster_map::ClusterMap;
use crate::model::copies::DEEPEST;
use crate::model::engine_tables::EngineTables;
use crate::model::inventory::{Inventory, Objects, ResourceKind};
use crate::model::replica::{Place, Placement, Pool, PoolKey, Replica, VolumeKey};
use crate::model::shared_map::SharedMap;
use crate::model::workload::{NamespacedName, Node, PersistentVolume};

/// Brings up to date what there is to say of engines in a map of which all else is. Gives the number of volumes whose copies were
/// looked at.
pub(super) fn bring_up_to_date(map: &mut ClusterMap, before: &Inventory, affected: &Affected) -> usize {
    let mut touched = Touched {
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
    names.extend(touched_by_nodes(map, &touched));
    names.extend(touched_by_sight(map, before));
    add_carried(map, &mut names, &mut touched);
    if affected.everything {
        names.extend(map.inventory.volumes.keys().cloned());
    }
    renew_disks(map, &touched);
    for name in &names {
        let (attention, nodes) = map
            .volume(name)
            .map(|volume| copies::look(map, volume))
            .unwrap_or_default();
        map.copy_attention.set(name, attention);
        map.copy_nodes
            .set(name, Some(nodes).filter(|nodes| !nodes.is_empty()));
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
    let called = |node: &Arc<Node>| (node.host_name.clone(), node.other_names.clone());
    let ready = |node: &Arc<Node>| node.ready;
    let mut are_called_otherwise = false;
    let mut have_other_pools = false;
    for (_, old, new) in &changes {
        let otherwise = old.map(called) != new.map(called);
        if otherwise || old.map(ready) != new.map(ready) {
            for node in [old, new].into_iter().flatten() {
                let names = [&node.name].into_iter().chain(other_names(node));
                touched.nodes.extend(names.map(|name| copies::number(name)));
            }
        }
        are_called_otherwise |= otherwise;
        have_other_pools |= old.map(pools_of) != new.map(pools_of);
    }
    if are_called_otherwise {
        touched.disks = true;
        let before = std::mem::replace(&mut map.node_aliases, aliases(&inventory));
        touch_aliases(&before, &map.node_aliases, touched);
        touch_aliases(&map.node_aliases, &before, touched);
    }
    if have_other_pools {
        replace_pools_of_nodes(map, touched);
    }
}

/// Touches the nodes that have a name in `these` which another has in `others`, or whose name is a touched one: of two that have a name
/// each may be taken for the other, and a node's own name goes before the same name of another.
fn touch_aliases(these: &HashMap<String, String>, others: &HashMap<String, String>, touched: &mut Touched) {
    for (name, node) in these {
        let name_number = copies::number(name);
        if others.get(name) != Some(node) || touched.nodes.contains(&name_number) {
            touched.nodes.extend([name_number, copies::number(node)]);
        }
    }
}

fn replace_pools_of_nodes(map: &mut ClusterMap, touched: &mut Touched) {
    let tables = Arc::make_mut(&mut map.engines);
    for key in std::mem::take(&mut map.node_pools) {
        let before = tables.pools.remove(&key);
        touched.pools.entry(key).or_insert(before);
    }
    for pool in map.inventory.nodes.values().flat_map(pools_of) {
        map.node_pools.push(pool.key.clone());
        touched.pools.entry(pool.key.clone()).or_insert(None);
        tables.pools.insert(pool.key.clone(), Arc::new(pool));
    }
}

/// The pools that engines write into a node.
fn pools_of(node: &Arc<Node>) -> Vec<Pool> {
    ENGINES.iter().flat_map(|engine| engine.pools_of(node)).collect()
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
    touched.disks = touched.disks || carries_a_disk(map, claim);
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
                touched.disks = touched.disks || carries_a_disk(map, &claim.name);
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

/// The volumes of which a copy is, or might be, on a node of which other things are known now.
fn touched_by_nodes(map: &ClusterMap, touched: &Touched) -> Vec<String> {
    if touched.nodes.is_empty() {
        return Vec::new();
    }
    let volumes = map.copy_nodes.iter();
    let there = volumes.filter(|(_, nodes)| nodes.iter().any(|node| touched.nodes.contains(node)));
    there.map(|(name, _)| name.clone()).collect()
}

/// The volumes without a copy, where other kinds of engines' objects have been seen now: then it is known, or not any more, that they have
/// none.
fn touched_by_sight(map: &ClusterMap, before: &Inventory) -> Vec<String> {
    fn seen(inventory: &Inventory) -> impl Iterator<Item = &ResourceKind> {
        let kinds = inventory.watches.iter();
        let seen = kinds.filter(|(kind, watch)| kind.is_engines() && watch.synced);
        seen.map(|(kind, _)| kind)
    }
    if seen(before).eq(seen(&map.inventory)) {
        return Vec::new();
    }
    let keys = map.engines.volumes.keys();
    keys.filter(|key| map.engines.replicas.all(*key).is_empty())
        .flat_map(|key| map.names.volumes_of_engine.all(key))
        .cloned()
        .collect()
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

/// The cluster's name of each node by its other names.
fn aliases(inventory: &Inventory) -> HashMap<String, String> {
    let names = inventory.nodes.values().flat_map(|node| {
        let others = other_names(node).filter(|name| **name != node.name);
        others.map(|name| (name.clone(), node.name.clone()))
    });
    names.collect()
}

fn other_names(node: &Node) -> impl Iterator<Item = &String> {
    node.host_name.iter().chain(&node.other_names)
}
