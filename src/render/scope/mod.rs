//! The Scope report of one node: the host with its disks in a table, a node for each disk, and what uses them: pods, claims, volumes,
//! their snapshots, and the pools of storage engines and backends. The cluster's own report is in `cluster.rs`.
//!
//! An unpatched Scope has no sort of node for disks, so each is a node of its persistent volumes, which
//! the Pods view draws and whose details panel the Hosts view links to. What Scope does with a report, and which reports
//! it does not survive, is told in `plugin-spec/README.md`.

mod cluster;
pub mod control_answer;
pub mod controls;
mod disks;
mod engines;
mod facts;
mod hosts;
pub mod ids;
mod objects;
mod powerflex;
pub mod report;
mod room;
mod selection;
mod series;
mod snapshots;
mod volumes;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use bytes::Bytes;

pub use self::cluster::{cluster_report, cluster_report_with};
use crate::model::backend::BackendReadings;
use crate::model::cluster_map::ClusterMap;

use self::disks::Shown;
use self::report::{Node, Nodes, Plugin, Report, Topology};
use self::room::{MOST_BYTES, Room};
use self::selection::{Beside, Selection};
use self::series::Window;
use crate::model::placement::Volume;
use crate::model::workload::{Claim, PersistentVolume};
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

/// A report that has no more than Scope's probe can read in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FittedReport {
    /// As it is sent, one piece after the other.
    pub pieces: Vec<Bytes>,
    /// Nodes for which there was no room: disks, pods, claims, volumes, pools, snapshots and their contents.
    pub left_out: usize,
}

impl FittedReport {
    /// As it is sent, in one.
    pub fn bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}

/// The report as it is sent.
pub fn report(state: &State) -> Vec<u8> {
    report_with(state, &BackendReadings::default()).bytes()
}

/// The same, with what the backends say: of a process that is of a node and of the cluster.
pub fn report_with(state: &State, backends: &BackendReadings) -> FittedReport {
    let wall = state.sample.taken_at.wall;
    let taken_at = timestamp(wall);
    let map = state.topology.cluster.as_deref();
    // Of two reports of the same object Scope believes the newer. What this node read a while ago must not win over what the
    // process that follows the whole cluster has just seen.
    let lag = map.map(|map| map.inventory.lag);
    let told_at = timestamp(wall.checked_sub(lag.unwrap_or_default()).unwrap_or(wall));
    let moments = powerflex::moments(backends);
    let host = ids::host(&state.host_id);
    let shown = disks::shown(state);
    let disks_left_out = state.topology.disks.len() + state.topology.loops.len() - shown.len();
    let volumes: BTreeMap<&str, &Volume> = volumes::persistent(state)
        .map(|volume| (volume.name.as_str(), volume))
        .collect();
    let with_rates = volumes.values().filter(|volume| volume.io.is_some());
    let window = Window::new(&state.rates, shown.len() + with_rates.count());
    let look = Look {
        state,
        shown,
        volumes,
        window: &window,
        taken_at: &taken_at,
        told_at: &told_at,
        host: &host,
        pools: powerflex::Pools::of(backends, &moments),
    };
    let mut room = Room::new(MOST_BYTES);
    let mut topologies = Topologies::default();
    look.tell_of_host(&mut topologies, &mut room);
    let mut selection = map.map(|map| look.select(map));
    if let Some(selection) = &mut selection {
        selection.add_urgent(&mut topologies.persistent_volume.nodes, &mut room, &look);
    }
    look.tell_of_pools(&mut topologies, &mut room);
    if let Some(map) = map {
        look.tell_of_pods_and_classes(map, &mut topologies, &mut room);
    }
    if let Some(selection) = &mut selection {
        selection.add_others(&mut topologies.persistent_volume.nodes, &mut room, &look);
    }
    let description = description(map, look.shown.len(), disks_left_out, room.left_out());
    let Topologies {
        host,
        pod,
        storage_class,
        persistent_volume,
        ..
    } = topologies;
    let (mut claim, mut snapshot, mut snapshot_content) = (None, None, None);
    if let Some((selection, map)) = selection.zip(map) {
        claim = Some(Topology {
            metric_templates: disks::metric_templates(),
            ..objects::topology(selection.claims, objects::claim_templates())
        });
        (snapshot, snapshot_content) =
            cluster::snapshot_topologies(map, selection.snapshots, selection.contents);
    }
    let report = Report {
        host: Some(hosts::topology(host)),
        pod: map.map(|_| objects::topology(pod, objects::pod_templates())),
        claim,
        storage_class: map.map(|_| objects::topology(storage_class, objects::class_templates())),
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
    FittedReport {
        pieces: report.pieces(),
        left_out: room.left_out() + disks_left_out,
    }
}

/// What a node's report has so far.
#[derive(Default)]
struct Topologies<'a> {
    host: Nodes,
    pod: Nodes,
    storage_class: Nodes,
    persistent_volume: Topology,
    /// What engines tell of that this node's kernel does not, the pools first.
    of_engines: Vec<Node<'a>>,
}

/// All that a node's report is made of.
struct Look<'a> {
    state: &'a State,
    shown: Vec<Shown<'a>>,
    /// The PersistentVolumes of its pods, by name.
    volumes: BTreeMap<&'a str, &'a Volume>,
    window: &'a Window<'a>,
    /// The moment of what the kernel says.
    taken_at: &'a str,
    /// The moment of what the API says.
    told_at: &'a str,
    /// The host's id.
    host: &'a str,
    pools: powerflex::Pools<'a>,
}

impl<'a> Look<'a> {
    /// The host, its disks, and the PersistentVolumes of its pods.
    fn tell_of_host(&self, topologies: &mut Topologies<'a>, room: &mut Room) {
        let state = self.state;
        let disks = state.topology.disks.iter().chain(&state.topology.loops);
        let rates = self.window.of_devices(disks.map(|disk| disk.number));
        let host = hosts::node(state, &self.shown, self.window, &rates, self.taken_at);
        room.add(&mut topologies.host, host);
        let mut of_engines = self.own_disks_of_engines(topologies);
        let ceilings = disks::ceilings(&self.shown, &rates);
        let nodes = &mut topologies.persistent_volume.nodes;
        nodes.reserve(self.shown.len() + self.volumes.len());
        for shown in &self.shown {
            let place = [self.taken_at, self.host];
            let mut node = disks::node(state, *shown, self.window, &rates, &ceilings, place);
            // What this node's kernel says of its own disk counts.
            for (key, told) in of_engines
                .remove(&node.id)
                .map(|other| other.latest)
                .into_iter()
                .flatten()
            {
                if node.latest.get(&key).is_none() {
                    node.latest.set(key, told);
                }
            }
            room.add(nodes, node);
        }
        topologies.of_engines.extend(of_engines.into_values());
        let with_node: BTreeSet<_> = self.shown.iter().map(|shown| shown.disk.number).collect();
        for volume in self.volumes.values().copied() {
            let moments = [self.taken_at, self.told_at];
            let mut node = volumes::node(
                state,
                volume,
                &with_node,
                self.window,
                &ceilings,
                moments,
                self.host,
            );
            self.pools.tell_of_place(&volume.name, &mut node);
            room.add(nodes, node);
        }
        topologies.persistent_volume.metadata_templates = disks::metadata_templates();
        topologies.persistent_volume.metric_templates = disks::metric_templates();
    }

    /// What engines say of this node's disks, by id; all else that they tell of is put aside.
    fn own_disks_of_engines(&self, topologies: &mut Topologies<'a>) -> BTreeMap<String, Node<'a>> {
        let map = self.state.topology.cluster.as_deref();
        let Some(map) = map.filter(|map| map.inventory.role.sees_cluster()) else {
            return BTreeMap::new();
        };
        let mut own = BTreeMap::new();
        for told in engines::told(map, self.told_at) {
            let is_here = told.is_on(&self.state.host_id);
            let mut node = told.node;
            if is_here {
                node.parents.insert("host", [self.host]);
                own.insert(node.id.clone(), node);
            } else {
                topologies.of_engines.push(node);
            }
        }
        own
    }

    /// The API's objects, but for the volumes that the kernel knows.
    fn select(&self, map: &'a ClusterMap) -> Selection<'a> {
        Selection::of(map, self.volumes.keys().copied().collect(), self.told_at)
    }

    /// Pools of storage engines and of backends, and disks of all nodes.
    fn tell_of_pools(&self, topologies: &mut Topologies<'a>, room: &mut Room) {
        let topology = &mut topologies.persistent_volume;
        let of_engines = std::mem::take(&mut topologies.of_engines);
        if !of_engines.is_empty() {
            topology.metadata_templates.extend(engines::templates());
        }
        room.fill_part(cluster::MOST_OF_ENGINES, |room| {
            for node in of_engines {
                room.add_object(&mut topology.nodes, node);
            }
        });
        self.pools.add(&mut topology.nodes, room);
        self.pools.add_templates(topology);
    }

    fn tell_of_pods_and_classes(
        &self,
        map: &'a ClusterMap,
        topologies: &mut Topologies<'a>,
        room: &mut Room,
    ) {
        let inventory = &map.inventory;
        let sees_cluster = inventory.role.sees_cluster();
        let used: BTreeSet<&str> = if sees_cluster {
            BTreeSet::new()
        } else {
            let of_claims = inventory
                .claims
                .values()
                .filter_map(|claim| claim.class.as_deref());
            let of_volumes = inventory
                .volumes
                .values()
                .filter_map(|volume| volume.class.as_deref());
            of_claims.chain(of_volumes).collect()
        };
        let classes = inventory.classes.values();
        for class in classes.filter(|class| sees_cluster || used.contains(class.name.as_str())) {
            if let Some(node) = objects::class_node(class, self.taken_at) {
                room.add_object(&mut topologies.storage_class, node);
            }
        }
        let pods = inventory.pods.values().filter(|pod| !pod.has_ended());
        for pod in pods {
            let host = inventory.is_here(pod).then_some(self.host);
            if host.is_none() && !sees_cluster {
                continue;
            }
            if let Some(node) = objects::pod_node(map, pod, host, self.taken_at) {
                room.add_object(&mut topologies.pod, node);
            }
        }
    }
}

/// What the kernel knows of a claim's volume is the claim's as well.
impl<'a> Beside<'a> for Look<'a> {
    fn tell_of_claim(&self, claim: &Claim, node: &mut Node<'a>) {
        let volume = claim.volume.as_deref().and_then(|name| self.volumes.get(name));
        let Some(volume) = volume.copied() else { return };
        volumes::add_usage(&mut node.metrics, volume, self.taken_at);
        let of_kernel = [
            (objects::CLAIM_LIES_ON.0, volumes::lies_on(self.state, volume)),
            (
                objects::CLAIM_DEVICE_ATTENTION.0,
                volumes::device_attention(self.state, volume),
            ),
        ];
        node.latest.extend(facts::latest(self.taken_at, of_kernel));
    }

    fn tell_of_volume(&self, volume: &PersistentVolume, node: &mut Node<'a>) {
        self.pools.tell_of_place(&volume.name, node);
    }
}

fn description(
    map: Option<&ClusterMap>,
    shown: usize,
    disks_left_out: usize,
    others_left_out: usize,
) -> Cow<'static, str> {
    const PLAIN: &str = "The disks of each node: what is slow, what is full, what lies on them";
    let mut description = Cow::Borrowed(PLAIN);
    if disks_left_out > 0 {
        let all = shown + disks_left_out;
        let of_disks = format!(" ({shown} of {all} disks; the busiest and those in use come first)");
        description.to_mut().push_str(&of_disks);
    }
    if others_left_out > 0 {
        let of_others = format!(
            "; {others_left_out} pods, claims, volumes, pools and snapshots found no room: those that need attention come first"
        );
        description.to_mut().push_str(&of_others);
    }
    let unheard = map
        .map(|map| cluster::staleness(&map.inventory))
        .unwrap_or_default();
    if !unheard.is_empty() {
        description.to_mut().push_str(&unheard);
    }
    description
}

/// RFC 3339 in UTC with milliseconds.
pub fn timestamp(at: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}
