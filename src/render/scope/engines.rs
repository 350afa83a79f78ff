//! What storage engines say, in Scope: pools as nodes between volumes and disks, and the disks of all nodes.
//!
//! An unpatched Scope has no sort of node for pools, so they are nodes of its persistent volumes, as disks are. A disk of which the kernel's
//! name is known bears the id that its own node's report gives it, so that both are one; here only such facts are added as the
//! node does not know.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::disks::{self, USED};
use super::facts::{self, Fact, NAME, NODE_TYPE};
use super::ids;
use super::objects::bytes;
use super::report::{MetadataTemplate, Node};
use super::series::single;
use crate::model::cluster_map::ClusterMap;
use crate::model::copies::{Copies, PlacedReplica};
use crate::model::disk_name::{DiskName, DiskReference};
use crate::model::replica::{Health, Layout, ManagedDisk, Pool};

const POOL_STATUS: Fact = ("storage_pool_status", "Status");
const POOL_CAPACITY: Fact = ("storage_pool_capacity", "Capacity");
const POOL_USED: Fact = ("storage_pool_used", "Used");
const POOL_FREE: Fact = ("storage_pool_free", "Free");
const POOL_ENGINE: Fact = ("storage_pool_engine", "Engine");
const POOL_NODE: Fact = ("storage_pool_node", "Node");
const POOL_LAYOUT: Fact = ("storage_pool_layout", "Layout");
const POOL_DISKS: Fact = ("storage_pool_disks", "Disks");
const POOL_CLAIMS: Fact = ("storage_pool_claims", "Copies of");

const POOL_FACTS: [Fact; 10] = [
    (NODE_TYPE, "Type"),
    POOL_STATUS,
    POOL_CAPACITY,
    POOL_USED,
    POOL_FREE,
    POOL_CLAIMS,
    POOL_DISKS,
    POOL_NODE,
    POOL_LAYOUT,
    POOL_ENGINE,
];

/// What the object says that manages the disk.
const BLOCK_DEVICE: Fact = ("storage_disk_block_device", "Block device");
const POOLS: Fact = ("storage_disk_pools", "Pools");
const COPIES: Fact = ("storage_disk_copies", "Copies of");

/// What is known here of disks, and not to their nodes.
const DISK_FACTS: [Fact; 3] = [COPIES, POOLS, BLOCK_DEVICE];

/// Most claims, pools or disks that are named.
const MOST_NAMES: usize = 20;

/// What has copies of which claims.
#[derive(Debug, Default)]
struct Carried<'a> {
    by_pool: BTreeMap<String, BTreeSet<Cow<'a, str>>>,
    by_disk: BTreeMap<String, BTreeSet<Cow<'a, str>>>,
}

impl<'a> Carried<'a> {
    /// Of all volumes.
    fn of(map: &'a ClusterMap) -> Self {
        let mut carried = Self::default();
        if map.engines.is_empty() {
            return carried;
        }
        for volume in map.inventory.volumes.values() {
            let Some(copies) = map.copies(volume) else {
                continue;
            };
            let name = || match map.claim(&volume.name) {
                Some(claim) => Cow::Owned(claim.name.to_string()),
                None => Cow::Borrowed(volume.name.as_str()),
            };
            for copy in &copies.list {
                if let Some(pool) = copy.pool {
                    carried
                        .by_pool
                        .entry(ids::pool(&pool.key))
                        .or_default()
                        .insert(name());
                }
                // Parts of what is spread over a pool lie on any of its disks: the pool says so.
                for id in copy.disks.iter().filter(|_| copies.counted).filter_map(disk_id) {
                    carried.by_disk.entry(id).or_default().insert(name());
                }
            }
        }
        carried
    }
}

/// `2 of 3 healthy: worker-1 healthy, worker-2 rebuilding, worker-3 failed`; `None` where nothing is told.
pub(super) fn copies(copies: &Copies<'_>) -> Option<Cow<'static, str>> {
    let told = copies
        .list
        .iter()
        .any(|copy| copy.state.is_some() || copy.pool.is_some());
    if !told && copies.wanted.unwrap_or(0) < 2 {
        return None;
    }
    Some(Cow::Owned(described(copies)))
}

fn described(copies: &Copies<'_>) -> String {
    let wanted = copies.wanted.unwrap_or_default();
    if !copies.counted {
        let pool = copies.list.first().and_then(|copy| copy.pool_key);
        return match (pool, wanted) {
            (Some(pool), 0) => format!("spread over the pool {pool}"),
            (Some(pool), wanted) => format!("{wanted}, spread over the pool {pool}"),
            (None, 0) => "not told by its engine".to_owned(),
            (None, wanted) => format!("{wanted}; where they lie is not told by its engine's objects"),
        };
    }
    let all = wanted.max(copies.list.len() as u64);
    let head = match copies.healthy() {
        Some(healthy) => format!("{healthy} of {all} healthy"),
        None => format!("{} of {all}", copies.list.len()),
    };
    let each: Vec<String> = copies.list.iter().map(copy).collect();
    if each.is_empty() {
        head
    } else {
        format!("{head}: {}", each.join(", "))
    }
}

fn copy(copy: &PlacedReplica<'_>) -> String {
    let place = copy.node.as_deref().unwrap_or("no node");
    let state = copy.state.map_or("state not told", Health::as_str);
    format!("{place} {state}")
}

/// The ids of what the copies of a volume lie in or on.
pub(super) fn edges(map: &ClusterMap, copies: Option<&Copies<'_>>) -> Vec<String> {
    let Some(copies) = copies else {
        return Vec::new();
    };
    let mut edges: Vec<String> = Vec::new();
    for copy in &copies.list {
        // What is a volume itself leads on from there.
        let carrier = copy
            .carrier
            .and_then(|carrier| map.volume(carrier))
            .and_then(|carrier| ids::object(&carrier.uid, ids::PERSISTENT_VOLUME));
        match (carrier, copy.pool) {
            (Some(carrier), _) => edges.push(carrier),
            (None, Some(pool)) => edges.push(ids::pool(&pool.key)),
            // What is attached from elsewhere its node tells of.
            (None, None) if copies.counted => {
                let managed = copy.disks.iter().filter(|disk| disk.managed().is_some());
                edges.extend(managed.filter_map(disk_id));
            }
            (None, None) => {}
        }
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// What engines tell of.
#[derive(Debug)]
pub(super) struct Told<'a> {
    /// Its node.
    pub(super) node: Node<'a>,
    /// The host of a disk, as ids have it.
    host: Option<String>,
}

impl Told<'_> {
    /// True for a disk of that host.
    pub(super) fn is_on(&self, host_id: &str) -> bool {
        self.host
            .as_ref()
            .is_some_and(|host| *host == ids::escaped(host_id))
    }
}

/// The pools and the disks below them, the pools first.
pub(super) fn told<'a>(map: &'a ClusterMap, taken_at: &'a str) -> Vec<Told<'a>> {
    let carried = Carried::of(map);
    let mut told: Vec<Told<'a>> = Vec::new();
    let mut disks: BTreeMap<String, DiskOf<'a>> = BTreeMap::new();
    for pool in map.engines.pools.values() {
        let below = map.disks_of_pool(Some(&pool.key));
        for disk in below.iter() {
            if let Some(id) = disk_id(disk) {
                let known = disks.entry(id).or_insert_with(|| DiskOf::new(map, disk));
                known.pools.insert(label(map, pool));
            }
        }
        told.push(Told {
            node: pool_node(map, pool, &below, &carried, taken_at),
            host: None,
        });
    }
    for managed in map.engines.managed.values() {
        let node = managed.disk.node.as_deref().map(|node| map.node_called(node));
        let disk = DiskReference {
            node,
            names: managed.disk.names.clone(),
        };
        if let Some(id) = disk_id(&disk) {
            let known = disks.entry(id).or_insert_with(|| DiskOf::new(map, &disk));
            // Of two objects about one disk that which is there counts.
            if known
                .managed
                .is_none_or(|other| other.state != Some(Health::Healthy))
            {
                known.managed = Some(managed);
            }
        }
    }
    told.extend(disks.into_iter().map(|(id, disk)| Told {
        host: disk.reference.node.as_deref().map(ids::escaped),
        node: disk.node(id, &carried, taken_at),
    }));
    told
}

fn label(map: &ClusterMap, pool: &Pool) -> String {
    let name = &pool.key.name;
    match pool.node.as_deref().map(|node| map.node_called(node)) {
        Some(node) => format!("pool {name} on {node}"),
        None => format!("pool {name}"),
    }
}

fn pool_node<'a>(
    map: &'a ClusterMap,
    pool: &'a Pool,
    below: &[DiskReference],
    carried: &Carried<'a>,
    taken_at: &'a str,
) -> Node<'a> {
    let id = ids::pool(&pool.key);
    let node = pool.node.as_deref().map(|node| map.node_called(node));
    let claims = carried.by_pool.get(&id);
    let names: Vec<String> = below.iter().map(ToString::to_string).collect();
    let facts = [
        (NAME, Some(Cow::Owned(label(map, pool)))),
        (NODE_TYPE, Some(Cow::Borrowed("Storage pool"))),
        (POOL_STATUS.0, Some(pool_status(map, pool))),
        (POOL_CAPACITY.0, bytes(pool.capacity)),
        (POOL_USED.0, bytes(pool.used)),
        (POOL_FREE.0, bytes(pool.free)),
        (POOL_ENGINE.0, Some(Cow::Borrowed(pool.key.engine))),
        (POOL_NODE.0, node.map(Cow::Owned)),
        (POOL_LAYOUT.0, pool.layout.map(layout)),
        (
            POOL_DISKS.0,
            Some(Cow::Owned(facts::listed(
                names.iter().map(String::as_str),
                MOST_NAMES,
            ))),
        ),
        (POOL_CLAIMS.0, claims.map(listed)),
    ];
    let mut metrics = BTreeMap::new();
    if let (Some(used), Some(capacity)) = (pool.used, pool.capacity.filter(|capacity| *capacity > 0)) {
        let bytes = single(taken_at, used as f64, capacity.max(used) as f64);
        metrics.extend(bytes.map(|metric| (USED, metric)));
        let share = used as f64 / capacity.max(used) as f64;
        let share = single(taken_at, share * 100.0, 100.0);
        metrics.extend(share.map(|metric| (disks::FULLEST, metric)));
    }
    let mut adjacency: Vec<String> = below.iter().filter_map(disk_id).collect();
    adjacency.sort_unstable();
    adjacency.dedup();
    Node {
        metrics,
        adjacency,
        ..Node::new(id, ids::PERSISTENT_VOLUME, facts::latest(taken_at, facts))
    }
}

/// `healthy`, `failed: OFFLINE`, `unknown: the node worker-3 is not ready`.
fn pool_status<'a>(map: &ClusterMap, pool: &Pool) -> Cow<'a, str> {
    match map.pool_state(pool) {
        None => Cow::Borrowed("not told by its engine"),
        Some((state, Some(said))) if !said.eq_ignore_ascii_case(state.as_str()) => {
            Cow::Owned(format!("{}: {said}", state.as_str()))
        }
        Some((state, _)) => Cow::Borrowed(state.as_str()),
    }
}

fn layout(layout: Layout) -> Cow<'static, str> {
    match layout {
        Layout::Striped => Cow::Borrowed("no disk is spare"),
        Layout::Redundant(1) => Cow::Borrowed("survives the loss of a disk"),
        Layout::Redundant(disks) => Cow::Owned(format!("survives the loss of {disks} disks")),
        Layout::Copies(copies) => Cow::Owned(format!("{copies} copies of everything")),
    }
}

/// A disk of any node, as engines know it.
struct DiskOf<'a> {
    reference: DiskReference,
    managed: Option<&'a ManagedDisk>,
    pools: BTreeSet<String>,
}

impl<'a> DiskOf<'a> {
    fn new(map: &'a ClusterMap, disk: &DiskReference) -> Self {
        Self {
            reference: disk.clone(),
            managed: map.managed_disk(disk).map(|managed| &**managed),
            pools: BTreeSet::new(),
        }
    }

    fn node(self, id: String, carried: &Carried<'a>, taken_at: &'a str) -> Node<'a> {
        let disk = &self.reference;
        let name = disk.best().map(ToString::to_string).unwrap_or_default();
        let node = disk.node.clone().unwrap_or_default();
        // Of a disk that its own node tells of, what that one knows better is left to it.
        let ours = disk.kernel_name().is_none();
        let own = |text: Option<&str>| text.filter(|_| ours).map(|text| Cow::Owned(text.to_owned()));
        let pools = facts::listed(self.pools.iter().map(String::as_str), MOST_NAMES);
        let facts = [
            (NAME, Some(Cow::Owned(disks::label(&name, &node)))),
            (NODE_TYPE, Some(Cow::Borrowed("Disk"))),
            (disks::SERIAL.0, own(disk.serial())),
            (disks::WWN.0, own(disk.wwn())),
            (
                BLOCK_DEVICE.0,
                self.managed.map(|managed| Cow::Owned(managed_text(managed))),
            ),
            (POOLS.0, Some(Cow::Owned(pools))),
            (COPIES.0, carried.by_disk.get(&id).map(listed)),
        ];
        Node::new(id, ids::PERSISTENT_VOLUME, facts::latest(taken_at, facts))
    }
}

/// `blockdevice-1b: active, claimed by cstor-a; 100.0G, ST100, serial SER1B`.
fn managed_text(managed: &ManagedDisk) -> String {
    let activity = managed
        .activity
        .as_deref()
        .unwrap_or("state not told")
        .to_lowercase();
    let mut text = format!("{}: {activity}", managed.name);
    if let Some(state) = &managed.claim_state {
        text.push_str(", ");
        text.push_str(&state.to_lowercase());
        if let Some(claim) = managed.claim.as_ref().filter(|_| state == "Claimed") {
            text.push_str(" by ");
            text.push_str(claim);
        }
    }
    let serial = managed.disk.serial().map(|serial| format!("serial {serial}"));
    let about = [
        bytes(managed.size).map(Cow::into_owned),
        managed.model.clone(),
        serial,
    ];
    let about: Vec<String> = about.into_iter().flatten().collect();
    if !about.is_empty() {
        text.push_str("; ");
        text.push_str(&about.join(", "));
    }
    text
}

fn listed<'a>(names: &BTreeSet<Cow<'_, str>>) -> Cow<'a, str> {
    Cow::Owned(facts::listed(names.iter().map(AsRef::as_ref), MOST_NAMES))
}

/// The id of a disk; `None` for what is none, or has no name that says which one.
fn disk_id(disk: &DiskReference) -> Option<String> {
    let node = disk.node.as_deref()?;
    let name = match disk.best()? {
        DiskName::Kernel(name) => name.clone(),
        name @ (DiskName::Link(_) | DiskName::Serial(_) | DiskName::Wwn(_) | DiskName::Path(_)) => {
            name.to_string()
        }
        DiskName::VolumeGroup(_) | DiskName::ZfsPool(_) | DiskName::Folder(_) | DiskName::Managed(_) => {
            return None;
        }
    };
    Some(ids::disk(&ids::escaped(node), &ids::escaped(&name)))
}

/// How pools' texts are shown, and those of disks that their nodes do not know. Each has a place of its own among those of disks and
/// volumes, which are of the same topology.
pub(super) fn templates() -> BTreeMap<&'static str, MetadataTemplate> {
    const BESIDE_POOLS: f64 = 0.125;
    const AFTER_A_DISKS_FIRST: f64 = 9.0625;
    let mut templates = facts::templates(&POOL_FACTS);
    // The type is everybody's.
    templates.remove(NODE_TYPE);
    for template in templates.values_mut() {
        template.priority += BESIDE_POOLS;
    }
    for (key, mut template) in facts::templates(&DISK_FACTS) {
        template.priority += AFTER_A_DISKS_FIRST;
        templates.insert(key, template);
    }
    templates
}
