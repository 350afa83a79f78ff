//! The report of the cluster role: claims, volumes and classes, those that need attention first.
//!
//! What is in use and well, the nodes' own reports tell as well, with the disks below. So where not everything fits, that is what
//! is left out, and the plugin's description says so.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::time::SystemTime;

use super::report::{Node, Plugin, Report, Topology};
use super::{API_VERSION, CLUSTER_PLUGIN_ID, disks, engines, ids, objects, powerflex, snapshots, timestamp};
use crate::model::backend::BackendReadings;
use crate::model::cluster_map::{Attention, ClusterMap, Urgency};
use crate::model::inventory::Inventory;
use crate::model::snapshot::{Snapshot, SnapshotApi, SnapshotContent};
use crate::model::workload::{Claim, PersistentVolume};

/// The plugin's name in Scope's footer.
const LABEL: &str = "Storage of the cluster";
const ABOUT: &str = "Claims and volumes: what failed, what waits, what is left over";
/// Most bytes of nodes, so that with everything else it stays well below the 2 MB that Scope's probe can read in time.
pub(super) const MOST_BYTES: usize = 1_800_000;

/// Of them so many are kept for storage pools where there are any.
const BYTES_OF_POOLS: usize = 500_000;

/// Most bytes of pools and disks.
const MOST_POOL_BYTES: usize = 600_000;

/// A report of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterReport {
    /// As it is sent.
    pub bytes: Vec<u8>,
    /// Claims, volumes, pools, disks, snapshots and their contents for which there was no room.
    pub left_out: usize,
}

/// The report of what was known at `taken_at`.
pub fn cluster_report(map: &ClusterMap, taken_at: SystemTime) -> ClusterReport {
    cluster_report_with(map, &BackendReadings::default(), taken_at)
}

/// The same, with what the backends say.
pub fn cluster_report_with(
    map: &ClusterMap,
    backends: &BackendReadings,
    taken_at: SystemTime,
) -> ClusterReport {
    let taken_at = timestamp(taken_at);
    let moments = powerflex::moments(backends);
    let of_backends = if backends.figures.is_empty() {
        0
    } else {
        BYTES_OF_POOLS
    };
    let (pools, length, without_pool) = pools(map, &taken_at);
    let room = MOST_BYTES - length - of_backends;
    let mut selected = select(map, &BTreeSet::new(), room, &taken_at);
    let classes = map
        .inventory
        .classes
        .values()
        .filter_map(|class| objects::class_node(class, &taken_at));
    let mut description = ABOUT.to_owned();
    if selected.left_out > 0 {
        let all = selected.left_out
            + selected.claims.len()
            + selected.volumes.len()
            + selected.snapshots.len()
            + selected.contents.len();
        let _ = write!(
            description,
            " ({} of {all} claims, volumes and snapshots; those that need attention come first)",
            all - selected.left_out
        );
    }
    selected.left_out += without_pool;
    description.push_str(&staleness(&map.inventory));
    let left_out = selected.left_out;
    let mut templates = disks::metadata_templates();
    if !pools.is_empty() {
        templates.extend(engines::templates());
    }
    let volumes = selected.volumes.into_iter().chain(pools);
    let mut persistent_volume = Topology {
        metric_templates: disks::metric_templates(),
        ..objects::topology(volumes, templates)
    };
    let pools_left_out = powerflex::add(&mut persistent_volume, Some(map), backends, &moments);
    if pools_left_out > 0 {
        let _ = write!(description, "; {pools_left_out} storage pools found no room");
    }
    let (snapshot, snapshot_content) = snapshot_topologies(map, selected.snapshots, selected.contents);
    let report = Report {
        host: None,
        pod: None,
        claim: Some(objects::topology(selected.claims, objects::claim_templates())),
        storage_class: Some(objects::topology(classes, objects::class_templates())),
        snapshot,
        snapshot_content,
        persistent_volume,
        plugins: [Plugin {
            id: CLUSTER_PLUGIN_ID,
            label: LABEL,
            description: Cow::Owned(description),
            interfaces: &["reporter"],
            api_version: API_VERSION,
        }],
    };
    ClusterReport {
        // Writing to memory cannot fail, and the wire types have neither non-text keys nor failing fields.
        bytes: serde_json::to_vec(&report).unwrap_or_default(),
        left_out,
    }
}

/// As many of the storage engines' pools and disks as have room, how many bytes they are, and how many have none.
fn pools<'a>(map: &'a ClusterMap, taken_at: &'a str) -> (Vec<Node<'a>>, usize, usize) {
    let carried = engines::Carried::of(map);
    let mut nodes = engines::nodes(map, &carried, taken_at);
    let (mut length, mut fitting) = (0, 0);
    for node in &nodes {
        let with_it = length + bytes_of(node);
        if with_it > MOST_POOL_BYTES {
            break;
        }
        length = with_it;
        fitting += 1;
    }
    let left_out = nodes.len() - fitting;
    nodes.truncate(fitting);
    (nodes, length, left_out)
}

/// Snapshots and their contents as topologies; none where the cluster has no such thing.
pub(super) fn snapshot_topologies<'a>(
    map: &ClusterMap,
    snapshots: Vec<Node<'a>>,
    contents: Vec<Node<'a>>,
) -> (Option<Topology<'a>>, Option<Topology<'a>>) {
    if !map.inventory.has_snapshots() {
        return (None, None);
    }
    (
        Some(objects::topology(snapshots, snapshots::snapshot_templates())),
        Some(objects::topology(contents, snapshots::content_templates())),
    )
}

/// What is not heard any more, and since when; empty while all is.
pub(super) fn staleness(inventory: &Inventory) -> String {
    let mut text = String::new();
    for (kind, state) in &inventory.watches {
        let Some(error) = &state.error else { continue };
        let since = jiff::Timestamp::from_second(state.since).map(|since| format!("{since:.0}"));
        let _ = write!(
            text,
            "; {} {}: {}, since {}",
            kind.name(),
            if state.synced {
                "as last known"
            } else {
                "not known"
            },
            error.problem.as_str(),
            since.unwrap_or_default()
        );
    }
    text
}

/// Objects of the API as nodes.
#[derive(Debug, Default)]
pub(super) struct Selected<'a> {
    pub(super) claims: Vec<Node<'a>>,
    pub(super) volumes: Vec<Node<'a>>,
    pub(super) snapshots: Vec<Node<'a>>,
    pub(super) contents: Vec<Node<'a>>,
    pub(super) left_out: usize,
}

/// Objects that are told of together.
enum Told<'a> {
    Claim(Option<&'a Claim>, Option<&'a PersistentVolume>),
    Snapshot(Option<&'a Snapshot>, Option<&'a SnapshotContent>),
}

impl<'a> Told<'a> {
    /// How many nodes it would be; volumes in `seen` are told of elsewhere.
    fn nodes(&self, seen: &mut BTreeSet<&'a str>) -> usize {
        let uids = match self {
            Self::Claim(claim, volume) => {
                let volume = volume.filter(|volume| seen.insert(&volume.name));
                [claim.map(|claim| &claim.uid), volume.map(|volume| &volume.uid)]
            }
            Self::Snapshot(snapshot, content) => [
                snapshot.map(|snapshot| &snapshot.uid),
                content.map(|content| &content.uid),
            ],
        };
        let usable = uids.into_iter().flatten().filter(|uid| ids::is_usable(uid));
        usable.count()
    }
}

/// As many claims, volumes and snapshots as fit into so many bytes, the most urgent first; volumes in `known` are told of elsewhere.
pub(super) fn select<'a>(
    map: &'a ClusterMap,
    known: &BTreeSet<&str>,
    most_bytes: usize,
    taken_at: &'a str,
) -> Selected<'a> {
    let mut selected = Selected::default();
    let mut seen = known.clone();
    let mut length = 0;
    for told in in_order(map) {
        // Once something had no room, nothing less urgent takes its place.
        if selected.left_out > 0 {
            selected.left_out += told.nodes(&mut seen);
            continue;
        }
        let nodes = match told {
            Told::Claim(claim, volume) => {
                let volume = volume.filter(|volume| seen.insert(&volume.name));
                let claim = claim.and_then(|claim| objects::claim_node(map, claim, taken_at));
                let volume = volume.and_then(|volume| objects::volume_node(map, volume, taken_at));
                [(claim, &mut selected.claims), (volume, &mut selected.volumes)]
            }
            Told::Snapshot(snapshot, content) => {
                let snapshot =
                    snapshot.and_then(|snapshot| snapshots::snapshot_node(map, snapshot, taken_at));
                let content = content.and_then(|content| snapshots::content_node(map, content, taken_at));
                [
                    (snapshot, &mut selected.snapshots),
                    (content, &mut selected.contents),
                ]
            }
        };
        for (node, nodes) in nodes {
            let Some(node) = node else { continue };
            length += bytes_of(&node);
            if selected.left_out > 0 || length > most_bytes {
                selected.left_out += 1;
            } else {
                nodes.push(node);
            }
        }
    }
    selected
}

/// How long a node is in a report, with its key.
pub(super) fn bytes_of(node: &Node<'_>) -> usize {
    let mut length = Length(node.id.len() + 4);
    // Counting cannot fail.
    let _ = serde_json::to_writer(&mut length, node);
    length.0
}

/// Counts what is written, and keeps none of it.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Claims with their volumes, volumes without a claim, snapshots with their contents, and contents without a snapshot, the most
/// urgent first.
fn in_order(map: &ClusterMap) -> Vec<Told<'_>> {
    let inventory = &map.inventory;
    let mut order: Vec<(Option<Urgency>, Told<'_>)> = Vec::new();
    let most_urgent = |attention: [Option<&Attention>; 2]| {
        let urgencies = attention.into_iter().flatten();
        urgencies.map(|attention| attention.urgency).min()
    };
    for claim in inventory.claims.values() {
        let volume = claim.volume.as_ref().and_then(|name| inventory.volumes.get(name));
        let of_volume = volume.and_then(|volume| map.attention_of_volume(&volume.name));
        let urgency = most_urgent([map.claim_attention.get(&claim.name), of_volume]);
        order.push((urgency, Told::Claim(Some(claim), volume.map(|volume| &**volume))));
    }
    for volume in inventory
        .volumes
        .values()
        .filter(|volume| map.claim(&volume.name).is_none())
    {
        let urgency = most_urgent([map.attention_of_volume(&volume.name), None]);
        order.push((urgency, Told::Claim(None, Some(volume))));
    }
    let mut bound: BTreeSet<(SnapshotApi, &str)> = BTreeSet::new();
    for snapshot in inventory.all_snapshots() {
        let content = inventory.content_of(snapshot);
        bound.extend(content.map(|content| (content.api, content.name.as_str())));
        let of_content = content.and_then(|content| {
            map.snapshot_content_attention
                .get(&(content.api, content.name.clone()))
        });
        let urgency = most_urgent([map.snapshot_attention.get(&snapshot.key()), of_content]);
        order.push((urgency, Told::Snapshot(Some(snapshot), content)));
    }
    for content in inventory.all_snapshot_contents() {
        if !bound.contains(&(content.api, content.name.as_str())) {
            let key = (content.api, content.name.clone());
            let urgency = most_urgent([map.snapshot_content_attention.get(&key), None]);
            order.push((urgency, Told::Snapshot(None, Some(content))));
        }
    }
    // What is as urgent as each other stays in the order of name, claims and volumes first.
    order.sort_by_key(|(urgency, _)| (urgency.is_none(), *urgency));
    order.into_iter().map(|(_, told)| told).collect()
}
