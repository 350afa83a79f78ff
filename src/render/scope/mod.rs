//! The Scope report of one node: the host with its disks in a table, and one node per disk.
//!
//! An unpatched Scope has no sort of node for disks, so each is a node of its persistent volumes, which
//! the Pods view draws and whose details panel the Hosts view links to. What Scope does with a report, and which reports
//! it does not survive, is told in `plugin-spec/README.md`.

mod cluster;
pub mod controls;
mod disks;
mod engines;
mod facts;
mod hosts;
pub mod ids;
mod objects;
mod powerflex;
pub mod report;
mod series;
mod snapshots;
mod volumes;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

pub use self::cluster::{ClusterReport, cluster_report, cluster_report_with};
use crate::model::backend::BackendReadings;
use crate::model::cluster_map::ClusterMap;

use self::report::{Node, Plugin, Report, Topology};
use self::series::Window;
use crate::model::placement::Volume;
use crate::model::workload::Pod;
use crate::state::State;

/// The plugin's id: the socket's file name, and the same for ever.
pub const PLUGIN_ID: &str = "storage";
/// The plugin's name in Scope's footer.
pub const PLUGIN_LABEL: &str = "Storage";
/// The id of the plugin that tells of the whole cluster.
pub const CLUSTER_PLUGIN_ID: &str = "storage-cluster";
/// The id of the plugin that has the buttons.
pub const CONTROLS_PLUGIN_ID: &str = "storage-controls";
/// The version of the protocol.
pub const API_VERSION: &str = "1";

/// Most disks that one report tells of, so that it stays well below the 2 MB that Scope's probe can read in time.
pub const MOST_DISKS: usize = 700;

/// Most bytes of claims and volumes in the report of a node.
const MOST_OBJECT_BYTES: usize = 1_000_000;

/// The report as it is sent.
pub fn report(state: &State) -> Vec<u8> {
    report_with(state, &BackendReadings::default())
}

/// The same, with what the backends say: of a process that is of a node and of the cluster.
pub fn report_with(state: &State, backends: &BackendReadings) -> Vec<u8> {
    let wall = state.sample.taken_at.wall;
    let taken_at = timestamp(wall);
    let shown = disks::shown(state);
    let all = state.topology.disks.len() + state.topology.loops.len();
    let window = Window::new(&state.rates, shown.len());
    let host = ids::host(&state.host_id);
    // Of two reports of the same object Scope believes the newer. What this node read a while ago must not win over what the
    // process that follows the whole cluster has just seen.
    let lag = state.topology.cluster.as_ref().map(|map| map.inventory.lag);
    let told_at = timestamp(wall.checked_sub(lag.unwrap_or_default()).unwrap_or(wall));
    let mut persistent_volume = disks::topology(state, &shown, &window, &taken_at, &told_at, &host);
    let (mut pod, mut claim, mut storage_class) = (None, None, None);
    let (mut snapshot, mut snapshot_content) = (None, None);
    let mut description = description(shown.len(), all);
    if let Some(map) = state.topology.cluster.as_deref() {
        let objects = Objects::of(state, map, &host, &taken_at, &told_at);
        persistent_volume
            .nodes
            .extend(objects.volumes.into_iter().map(|node| (node.id.clone(), node)));
        if map.inventory.role.sees_cluster() {
            let disbelieved: BTreeSet<&str> = state
                .topology
                .volumes
                .iter()
                .filter(|volume| !volume.disagreements.is_empty())
                .map(|volume| volume.name.as_str())
                .collect();
            add_engines(
                &mut persistent_volume,
                map,
                &disbelieved,
                &told_at,
                [&state.host_id, &host],
            );
        }
        pod = Some(objects::topology(objects.pods, objects::pod_templates()));
        claim = Some(Topology {
            metric_templates: disks::metric_templates(),
            ..objects::topology(objects.claims, objects::claim_templates())
        });
        storage_class = Some(objects::topology(objects.classes, objects::class_templates()));
        (snapshot, snapshot_content) = cluster::snapshot_topologies(map, objects.snapshots, objects.contents);
        let unheard = cluster::staleness(&map.inventory);
        if !unheard.is_empty() {
            description = Cow::Owned(format!("{description}{unheard}"));
        }
    }
    let moments = powerflex::moments(backends);
    let map = state.topology.cluster.as_deref();
    powerflex::add(&mut persistent_volume, map, backends, &moments);
    let report = Report {
        host: Some(hosts::topology(state, &shown, &window, &taken_at)),
        pod,
        claim,
        storage_class,
        snapshot,
        snapshot_content,
        persistent_volume,
        plugins: [Plugin {
            id: PLUGIN_ID,
            label: PLUGIN_LABEL,
            description,
            interfaces: &["reporter"],
            api_version: API_VERSION,
        }],
    };
    // Writing to memory cannot fail, and the wire types have neither non-text keys nor failing fields.
    serde_json::to_vec(&report).unwrap_or_default()
}

/// Adds the storage engines' pools and the disks of all nodes. What this node's kernel says of its own disks and volumes counts, and
/// edges and facts are added to it. Volumes that it sees elsewhere than their engines say lead to its own disks alone.
fn add_engines<'a>(
    topology: &mut Topology<'a>,
    map: &'a ClusterMap,
    disbelieved: &BTreeSet<&str>,
    told_at: &'a str,
    [host_id, host]: [&'a str; 2],
) {
    let carried = engines::Carried::of(map);
    let added = engines::nodes(map, &carried, told_at);
    if added.is_empty() {
        return;
    }
    topology.metadata_templates.extend(engines::templates());
    let believed = map
        .inventory
        .volumes
        .values()
        .filter(|volume| !disbelieved.contains(volume.name.as_str()));
    for volume in believed {
        let id = ids::object(&volume.uid, ids::PERSISTENT_VOLUME);
        if let Some(node) = id.and_then(|id| topology.nodes.get_mut(&id)) {
            let known: BTreeSet<String> = node.adjacency.iter().cloned().collect();
            let edges = engines::edges(map, volume).into_iter();
            node.adjacency.extend(edges.filter(|edge| !known.contains(edge)));
        }
    }
    let here = format!("{host_id}-");
    for mut node in added {
        if node.id.starts_with(&here) {
            node.parents.insert("host", [host]);
        }
        match topology.nodes.get_mut(&node.id) {
            Some(own) => {
                for (key, latest) in node.latest {
                    own.latest.entry(key).or_insert(latest);
                }
            }
            None => drop(topology.nodes.insert(node.id.clone(), node)),
        }
    }
}

/// The API's objects of this node.
struct Objects<'a> {
    pods: Vec<Node<'a>>,
    claims: Vec<Node<'a>>,
    classes: Vec<Node<'a>>,
    /// Those that no pod of this node has mounted.
    volumes: Vec<Node<'a>>,
    snapshots: Vec<Node<'a>>,
    contents: Vec<Node<'a>>,
}

impl<'a> Objects<'a> {
    fn of(state: &'a State, map: &'a ClusterMap, host: &'a str, taken_at: &'a str, told_at: &'a str) -> Self {
        let inventory = &map.inventory;
        let is_here = |pod: &Pod| inventory.node.is_none() || pod.node == inventory.node;
        let pods = inventory
            .pods
            .values()
            .filter(|pod| is_here(pod) && !pod.has_ended())
            .filter_map(|pod| objects::pod_node(map, pod, host, taken_at))
            .collect();
        let volumes: BTreeMap<&str, &Volume> = state
            .topology
            .volumes
            .iter()
            .filter(|volume| volume.persistent)
            .map(|volume| (volume.name.as_str(), volume))
            .collect();
        let known: BTreeSet<&str> = volumes.keys().copied().collect();
        let mut selected = cluster::select(map, &known, MOST_OBJECT_BYTES, told_at);
        // What the kernel knows of a claim's volume is the claim's as well.
        let here: BTreeMap<String, &Volume> = inventory
            .claims
            .values()
            .filter_map(|claim| {
                let volume = volumes.get(claim.volume.as_deref()?)?;
                Some((ids::object(&claim.uid, ids::CLAIM)?, *volume))
            })
            .collect();
        for node in &mut selected.claims {
            if let Some(volume) = here.get(&node.id) {
                volumes::add_usage(&mut node.metrics, volume, taken_at);
                let of_kernel = [
                    (objects::CLAIM_LIES_ON.0, volumes::lies_on(state, volume)),
                    (
                        objects::CLAIM_DEVICE_ATTENTION.0,
                        volumes::device_attention(state, volume),
                    ),
                ];
                node.latest.extend(facts::latest(taken_at, of_kernel));
            }
        }
        let used: BTreeSet<&str> = inventory
            .claims
            .values()
            .filter_map(|claim| claim.class.as_deref())
            .chain(
                inventory
                    .volumes
                    .values()
                    .filter_map(|volume| volume.class.as_deref()),
            )
            .collect();
        let classes = inventory
            .classes
            .values()
            .filter(|class| inventory.role.sees_cluster() || used.contains(class.name.as_str()))
            .filter_map(|class| objects::class_node(class, taken_at))
            .collect();
        Self {
            pods,
            claims: selected.claims,
            classes,
            volumes: selected.volumes,
            snapshots: selected.snapshots,
            contents: selected.contents,
        }
    }
}

fn description(shown: usize, all: usize) -> Cow<'static, str> {
    const PLAIN: &str = "The disks of each node: what is slow, what is full, what lies on them";
    if shown == all {
        Cow::Borrowed(PLAIN)
    } else {
        Cow::Owned(format!(
            "{PLAIN} ({shown} of {all} disks; the busiest and those in use come first)"
        ))
    }
}

/// RFC 3339 in UTC with milliseconds.
pub fn timestamp(at: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}
