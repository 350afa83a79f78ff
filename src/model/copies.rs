//! The copies of each volume, joined from what their engines' objects say.
//!
//! The engines' parts are kept by name; who asks for a volume gets its copies, with the pools and disks below them, put together at that
//! moment. So a change of one object costs its own parts alone.

mod disks;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::cluster_map::ClusterMap;
use super::disk_name::{DiskName, DiskReference};
use super::inventory::ResourceKind;
use super::replica::{EngineVolume, Health, Layout, Place, Pool, PoolKey, Replica, ReplicaClaims, VolumeKey};
use super::workload::{Claim, NamespacedName, PersistentVolume};

/// Volumes that lie on volumes that lie on volumes: further than this nobody goes.
pub const DEEPEST: usize = 4;

/// A search down from a volume to those that carry its copies.
struct Descent<'a> {
    /// How many steps are left.
    left: usize,
    /// The volumes whose carriers have been looked at. Several objects may claim to be one volume of an engine's, and each of its copies
    /// to be carried by another of those.
    seen: BTreeSet<&'a VolumeKey>,
}

impl<'a> Descent<'a> {
    fn to(deepest: usize) -> Self {
        Self {
            left: deepest + 1,
            seen: BTreeSet::new(),
        }
    }

    /// Goes one step down, to what carries the copies of this volume; true where those may be looked into.
    fn begin(&mut self, key: &'a VolumeKey) -> bool {
        self.left = self.left.saturating_sub(1);
        self.seen.insert(key) && self.left > 0
    }

    /// Goes back up.
    fn end(&mut self) {
        self.left += 1;
    }
}

/// Where the copies of a volume lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies<'a> {
    /// The engine.
    pub engine: &'static str,
    /// How many there shall be.
    pub wanted: Option<u64>,
    /// How the volume is, in its engine's eyes.
    pub state: Option<Health>,
    /// The same in the engine's own word.
    pub said: Option<&'a str>,
    /// Those that are known.
    pub list: Vec<PlacedReplica<'a>>,
    /// True where the list has every copy; false where they are not told one by one: a pool that keeps each part of a volume on other
    /// disks, or somebody's storage system; and false where the objects that would tell have not been seen.
    pub counted: bool,
}

impl Copies<'_> {
    /// How many copies there are; `None` where they are not told.
    pub fn number(&self) -> Option<usize> {
        self.counted.then_some(self.list.len())
    }

    /// How many of them are whole and can be used; `None` where that is not known of all.
    pub fn healthy(&self) -> Option<usize> {
        let known = self.counted && self.list.iter().all(|copy| copy.state.is_some());
        known.then(|| self.list.iter().filter(|copy| copy.is_healthy()).count())
    }
}

/// One copy with what is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedReplica<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// The node, as the cluster calls it.
    pub node: Option<String>,
    /// Its pool; `None` where the pool has no object.
    pub pool: Option<&'a Pool>,
    /// The name of its pool.
    pub pool_key: Option<&'a PoolKey>,
    /// The volume that it lies on, where it lies on another one.
    pub carrier: Option<&'a str>,
    /// How it is, with all that is known of its pool and its node; `None` where nothing is.
    pub state: Option<Health>,
    /// Why, where it is not healthy.
    pub reason: Option<String>,
    /// Bytes that it may hold.
    pub size: Option<u64>,
    /// Its disks, or those of its pool.
    pub disks: Arc<[DiskReference]>,
    /// How they are laid out.
    pub layout: Option<Layout>,
}

impl<'a> PlacedReplica<'a> {
    /// A copy of which the volume itself tells, and no object of its own: its place is known, and nothing of how it is.
    fn of_volume(volume: &'a PersistentVolume, node: Option<String>, disks: Arc<[DiskReference]>) -> Self {
        Self {
            name: Cow::Borrowed(&volume.name),
            node,
            pool: None,
            pool_key: None,
            carrier: None,
            state: None,
            reason: None,
            size: volume.capacity,
            disks,
            layout: None,
        }
    }

    /// True where it is whole and can be used.
    pub fn is_healthy(&self) -> bool {
        self.state == Some(Health::Healthy)
    }
}

impl ClusterMap {
    /// The copies of a volume; `None` where no engine that is known here serves it, or none of its objects is there.
    pub fn copies<'a>(&'a self, volume: &'a PersistentVolume) -> Option<Copies<'a>> {
        self.copies_within(volume, &mut Descent::to(DEEPEST))
    }

    fn copies_within<'a>(
        &'a self,
        volume: &'a PersistentVolume,
        descent: &mut Descent<'a>,
    ) -> Option<Copies<'a>> {
        let placement = self.placements.get(&volume.name)?;
        let mut copies = Copies {
            engine: placement.engine,
            wanted: placement.wanted,
            state: None,
            said: None,
            list: Vec::new(),
            counted: true,
        };
        match &placement.place {
            Place::Named(key) => {
                let tables = &self.engines;
                let told = tables.volumes.get(key);
                let replicas = tables.replicas.all(key);
                if told.is_none() && replicas.is_empty() {
                    return None;
                }
                if let Some(told) = told {
                    copies.wanted = told.wanted.or(copies.wanted);
                    copies.state = told.state;
                    copies.said = told.said.as_deref();
                }
                copies.list = replicas.iter().map(|replica| self.placed(replica)).collect();
                if let Some(claims) = told.and_then(|told| told.claims.as_ref()) {
                    copies.list.extend(self.carried(key, claims, descent));
                }
                // That there is none is known once all that could be one have been seen.
                copies.counted =
                    !copies.list.is_empty() || told.is_some_and(|told| self.sees_copies_of(told));
            }
            Place::Here(disks) => copies.list.push(self.here(volume, disks)),
            Place::DiskClaim(claim) => {
                let disk = self.engines.disk_claims.get(claim)?;
                copies.list.push(self.on_managed(volume, disk));
            }
            Place::Outside(disks) => {
                copies.counted = false;
                let outside = |disk: &DiskReference| {
                    PlacedReplica::of_volume(volume, disk.node.clone(), Arc::from([disk.clone()]))
                };
                copies.list = disks.iter().map(outside).collect();
            }
            Place::Spread(key) => {
                copies.counted = false;
                let pool = self.engines.pools.get(key);
                copies.wanted = match pool.and_then(|pool| pool.layout) {
                    Some(Layout::Copies(copies)) => Some(u64::from(copies)),
                    _ => copies.wanted,
                };
                copies.list.push(self.spread(volume, key, pool));
            }
            Place::Untold => copies.counted = false,
        }
        Some(copies)
    }

    /// True where all objects have been seen that tell of a volume's copies.
    fn sees_copies_of(&self, volume: &EngineVolume) -> bool {
        match volume.replicas {
            Some(kind) => self.inventory.knows_all_of_engine(kind),
            None => self.inventory.knows_all(ResourceKind::Claims),
        }
    }

    /// The name that the cluster has for a node that an engine calls so.
    pub fn node_called(&self, name: &str) -> String {
        match self.node_aliases.get(name) {
            Some(node) if !self.inventory.nodes.contains_key(name) => node.clone(),
            _ => name.to_owned(),
        }
    }

    /// How a pool is, with what is known of its node, and why where it is not healthy; `None` where nothing is known.
    pub fn pool_state(&self, pool: &Pool) -> Option<(Health, Option<String>)> {
        let mut state = pool
            .state
            .map(|state| (state, pool.said.clone().filter(|_| state != Health::Healthy)));
        let node = pool.node.as_deref().map(|node| self.node_called(node));
        if let Some((of_node, why)) = node.as_deref().and_then(|node| self.node_state(node)) {
            worsen(&mut state, of_node, || why);
        }
        state
    }

    /// What is worst of a pool and of the whole that it is a part of, and of which of both it is said; `None` where nothing is known to be
    /// amiss.
    pub fn ill_part_of<'a>(&'a self, pool: &'a Pool) -> Option<(&'a Pool, Health)> {
        let group = pool.members.as_ref().map(|members| &members.group);
        let is_whole = |other: &&Pool| {
            let of_group = other.members.as_ref().map(|members| &members.group);
            other.is_whole && other.key.engine == pool.key.engine && group.is_some() && of_group == group
        };
        let others = self.engines.pools.values().map(|other| &**other);
        let ill = |pool: &'a Pool| Some((pool, pool.state.filter(|state| *state != Health::Healthy)?));
        others
            .filter(is_whole)
            .chain([pool])
            .filter_map(ill)
            .max_by_key(|(_, state)| *state)
    }

    /// What a node adds to the state of what lies on it: nothing where it is well, or not known.
    pub fn node_state(&self, node: &str) -> Option<(Health, String)> {
        match self.inventory.nodes.get(node) {
            Some(known) if known.ready == Some(true) => None,
            Some(_) => Some((Health::Unknown, format!("the node {node} is not ready"))),
            None if self.inventory.knows_all(ResourceKind::Nodes) => {
                Some((Health::Failed, format!("the node {node} does not exist")))
            }
            None => None,
        }
    }

    fn placed<'a>(&'a self, replica: &'a Replica) -> PlacedReplica<'a> {
        let pool = replica.pool.as_ref().and_then(|key| self.engines.pools.get(key));
        let node = replica
            .node
            .as_deref()
            .or_else(|| pool.and_then(|pool| pool.node.as_deref()))
            .map(|node| self.node_called(node));
        let own = match self.mode_of(replica) {
            Some((state, said)) => Some((*state, Some(said.as_str()))),
            None => replica.state.map(|state| (state, replica.said.as_deref())),
        };
        let mut state = own.map(|(state, said)| {
            let reason = said.filter(|_| state != Health::Healthy);
            (state, reason.map(|said| format!("the engine says {said}")))
        });
        if let Some(pool) = pool
            && let Some(of_pool) = pool.state
            && (matches!(of_pool, Health::Failed | Health::Unknown)
                || replica.made_only && of_pool == Health::Degraded)
        {
            let said = pool.said.as_deref().unwrap_or(of_pool.as_str());
            worsen(&mut state, of_pool, || format!("the pool {}: {said}", pool.key));
        }
        let missing = replica.pool.as_ref().is_some_and(|key| self.is_gone(key, pool));
        if missing {
            worsen(&mut state, Health::Unknown, || "its pool is not there".to_owned());
        }
        if let Some((of_node, why)) = node.as_deref().and_then(|node| self.node_state(node)) {
            worsen(&mut state, of_node, || why);
        }
        let disks = if replica.disks.is_empty() {
            self.disks_of_pool(replica.pool.as_ref())
        } else {
            self.known_better(&replica.disks).into()
        };
        PlacedReplica {
            name: Cow::Borrowed(&replica.name),
            node,
            pool: pool.map(|pool| &**pool),
            pool_key: replica.pool.as_ref(),
            carrier: None,
            state: state.as_ref().map(|(state, _)| *state),
            reason: state.and_then(|(_, reason)| reason),
            size: replica.size,
            disks,
            layout: pool.and_then(|pool| pool.layout),
        }
    }

    /// True where all pools of the engine are known, and this one is not among them.
    fn is_gone(&self, key: &PoolKey, pool: Option<&Arc<Pool>>) -> bool {
        let first = PoolKey::new(key.engine, "");
        let of_engine = || self.engines.pools.starting_at(&first).next();
        pool.is_none() && of_engine().is_some_and(|(known, _)| known.engine == key.engine)
    }

    fn mode_of(&self, replica: &Replica) -> Option<&(Health, String)> {
        let modes = self.engines.modes.get(&replica.volume)?;
        modes.iter().find_map(|modes| modes.modes.get(&replica.name))
    }

    /// Copies that are volumes of claims themselves.
    fn carried<'a>(
        &'a self,
        key: &'a VolumeKey,
        claims: &'a ReplicaClaims,
        descent: &mut Descent<'a>,
    ) -> Vec<PlacedReplica<'a>> {
        let goes_on = descent.begin(key);
        let first = NamespacedName::new(&claims.namespace, &claims.prefix);
        let ours = |name: &NamespacedName| {
            name.namespace == claims.namespace
                && name
                    .name
                    .strip_prefix(&claims.prefix)
                    .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let carried = self
            .inventory
            .claims
            .starting_at(&first)
            .take_while(|(name, _)| {
                name.namespace == claims.namespace && name.name.starts_with(&claims.prefix)
            })
            .filter(|(name, _)| ours(name))
            .map(|(name, claim)| {
                let server = self.users(name).iter().find(|pod| pod.node.is_some());
                let mode = server.and_then(|pod| claims.modes.get(pod.ip.as_deref()?));
                let mut state = mode.map(|(state, said)| {
                    let reason = (*state != Health::Healthy).then(|| format!("the engine says {said}"));
                    (*state, reason)
                });
                if mode.is_none() && !claims.modes.is_empty() {
                    worsen(&mut state, Health::Unknown, || {
                        "the engine does not count it".to_owned()
                    });
                }
                let carrier = self.bound_to(claim);
                let below = carrier
                    .filter(|_| goes_on)
                    .and_then(|volume| self.copies_within(volume, descent));
                let below = below.map(|below| below.list).unwrap_or_default();
                // Of what lies on a volume that has several copies itself no node and no pool is the one.
                let alone = match below.as_slice() {
                    [alone] => Some(alone),
                    _ => None,
                };
                let node = alone
                    .and_then(|alone| alone.node.clone())
                    .or_else(|| server.and_then(|pod| pod.node.clone()));
                if let Some((of_node, why)) = node.as_deref().and_then(|node| self.node_state(node)) {
                    worsen(&mut state, of_node, || why);
                }
                PlacedReplica {
                    name: Cow::Borrowed(&name.name),
                    node,
                    pool: alone.and_then(|alone| alone.pool),
                    pool_key: alone.and_then(|alone| alone.pool_key),
                    carrier: carrier.map(|volume| volume.name.as_str()),
                    state: state.as_ref().map(|(state, _)| *state),
                    reason: state.and_then(|(_, reason)| reason),
                    size: claim.capacity,
                    disks: match alone {
                        Some(alone) => Arc::clone(&alone.disks),
                        None => below.iter().flat_map(|copy| copy.disks.iter().cloned()).collect(),
                    },
                    layout: None,
                }
            })
            .collect();
        descent.end();
        carried
    }

    /// The volume that a claim is bound to, by both their words: a claim may name any volume.
    fn bound_to(&self, claim: &Claim) -> Option<&Arc<PersistentVolume>> {
        let volume = self.volume(claim.volume.as_ref()?)?;
        let bound = self.inventory.claim_of(volume)?;
        (bound.name == claim.name).then_some(volume)
    }

    /// One copy, of which no object but the volume tells.
    fn here<'a>(&'a self, volume: &'a PersistentVolume, disks: &[DiskReference]) -> PlacedReplica<'a> {
        let nodes = self.nodes_of(volume);
        let node = match nodes.as_slice() {
            [node] => Some(node.clone()),
            _ => None,
        };
        let disks: Vec<DiskReference> = disks
            .iter()
            .map(|disk| DiskReference {
                node: node.clone(),
                names: disk.names.clone(),
            })
            .collect();
        let told = node.as_deref().and_then(|node| self.node_state(node));
        PlacedReplica {
            state: told.as_ref().map(|(state, _)| *state),
            reason: told.map(|(_, reason)| reason),
            ..PlacedReplica::of_volume(volume, node, self.known_better(&disks).into())
        }
    }

    fn on_managed<'a>(&'a self, volume: &'a PersistentVolume, disk: &str) -> PlacedReplica<'a> {
        let managed = self.engines.managed.get(disk);
        let reference = managed.map_or_else(
            || DiskReference::default().with(DiskName::Managed(disk.to_owned())),
            |managed| managed.disk.clone(),
        );
        let mut copy = self.here(volume, std::slice::from_ref(&reference));
        if copy.node.is_none() {
            copy.node = reference.node.as_deref().map(|node| self.node_called(node));
            copy.disks = self.known_better(&[reference]).into();
        }
        let mut state = managed.and_then(|managed| managed.state).map(|state| {
            let said = managed.and_then(|managed| managed.activity.clone());
            (
                state,
                said.filter(|_| state != Health::Healthy)
                    .map(|said| format!("the block device is {said}")),
            )
        });
        if let (Some(of_node), Some(why)) = (copy.state, copy.reason.take()) {
            worsen(&mut state, of_node, || why);
        }
        copy.state = state.as_ref().map(|(state, _)| *state);
        copy.reason = state.and_then(|(_, reason)| reason);
        copy
    }

    fn spread<'a>(
        &'a self,
        volume: &'a PersistentVolume,
        key: &'a PoolKey,
        pool: Option<&'a Arc<Pool>>,
    ) -> PlacedReplica<'a> {
        let state = pool.and_then(|pool| pool.state);
        PlacedReplica {
            pool: pool.map(|pool| &**pool),
            pool_key: Some(key),
            state,
            reason: pool
                .filter(|_| state.is_some_and(|state| state != Health::Healthy))
                .and_then(|pool| pool.said.as_ref())
                .map(|said| format!("the engine says {said}")),
            layout: pool.and_then(|pool| pool.layout),
            ..PlacedReplica::of_volume(volume, None, self.disks_of_pool(Some(key)))
        }
    }
}

/// Takes the worse of both; of what is not known, the one that is.
fn worsen(state: &mut Option<(Health, Option<String>)>, other: Health, why: impl FnOnce() -> String) {
    if state.as_ref().is_none_or(|(known, _)| *known < other) {
        *state = Some((other, Some(why())));
    }
}
