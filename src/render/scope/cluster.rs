//! The report of the cluster role: claims, volumes and classes, those that need attention first.
//!
//! What is in use and well, the nodes' own reports tell as well, with the disks below. So where not everything fits, that is what
//! is left out, and the plugin's description says so.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::SystemTime;

use super::report::{Node, Nodes, Plugin, Report, Topology};
use super::room::{MOST_BYTES, Room};
use super::selection::{Beside, Selection};
use super::{
    API_VERSION, CLUSTER_PLUGIN_ID, FittedReport, disks, engines, objects, powerflex, snapshots, timestamp,
};
use crate::model::backend::BackendReadings;
use crate::model::cluster_map::ClusterMap;
use crate::model::inventory::Inventory;
use crate::model::workload::{Claim, PersistentVolume};

/// The plugin's name in Scope's footer.
const LABEL: &str = "Storage of the cluster";
const ABOUT: &str = "Claims and volumes: what failed, what waits, what is left over";

/// Most bytes of storage engines' pools and disks.
pub(super) const MOST_OF_ENGINES: usize = 600_000;

/// The report of what was known at `taken_at`.
pub fn cluster_report(map: &ClusterMap, taken_at: SystemTime) -> FittedReport {
    cluster_report_with(map, &BackendReadings::default(), taken_at)
}

/// The same, with what the backends say.
pub fn cluster_report_with(
    map: &ClusterMap,
    backends: &BackendReadings,
    taken_at: SystemTime,
) -> FittedReport {
    let taken_at = timestamp(taken_at);
    let moments = powerflex::moments(backends);
    let pools = powerflex::Pools::of(backends, &moments);
    let mut room = Room::new(MOST_BYTES);
    let mut persistent_volume = Topology {
        metadata_templates: disks::metadata_templates(),
        metric_templates: disks::metric_templates(),
        ..Topology::default()
    };
    room.fill_part(MOST_OF_ENGINES, |room| {
        for told in engines::told(map, &taken_at) {
            room.add_object(&mut persistent_volume.nodes, told.node);
        }
    });
    if !persistent_volume.nodes.is_empty() {
        persistent_volume.metadata_templates.extend(engines::templates());
    }
    pools.add(&mut persistent_volume.nodes, &mut room);
    pools.add_templates(&mut persistent_volume);
    let without_pools = persistent_volume.nodes.len();
    let pools_left_out = room.left_out();
    let mut classes = Nodes::default();
    for class in map.inventory.classes.values() {
        if let Some(node) = objects::class_node(class, &taken_at) {
            room.add_object(&mut classes, node);
        }
    }
    let mut selection = Selection::of(map, BTreeSet::new(), &taken_at);
    selection.add_urgent(&mut persistent_volume.nodes, &mut room, &pools);
    selection.add_others(&mut persistent_volume.nodes, &mut room, &pools);
    let mut description = ABOUT.to_owned();
    if selection.left_out() > 0 {
        let told = selection.claims.len()
            + selection.snapshots.len()
            + selection.contents.len()
            + persistent_volume.nodes.len()
            - without_pools;
        let _ = write!(
            description,
            " ({told} of {} claims, volumes and snapshots; those that need attention come first)",
            told + selection.left_out()
        );
    }
    if pools_left_out > 0 {
        let _ = write!(
            description,
            "; {pools_left_out} pools and disks of storage systems found no room"
        );
    }
    description.push_str(&staleness(&map.inventory));
    let (snapshot, snapshot_content) = snapshot_topologies(map, selection.snapshots, selection.contents);
    let report = Report {
        host: None,
        pod: None,
        claim: Some(objects::topology(selection.claims, objects::claim_templates())),
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
    FittedReport {
        pieces: report.pieces(),
        left_out: room.left_out(),
    }
}

impl<'a> Beside<'a> for powerflex::Pools<'a> {
    fn tell_of_claim(&self, _: &Claim, _: &mut Node<'a>) {}

    fn tell_of_volume(&self, volume: &PersistentVolume, node: &mut Node<'a>) {
        self.tell_of_place(&volume.name, node);
    }
}

/// Snapshots and their contents as topologies; none where the cluster has no such thing.
pub(super) fn snapshot_topologies(
    map: &ClusterMap,
    snapshots: Nodes,
    contents: Nodes,
) -> (Option<Topology>, Option<Topology>) {
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
