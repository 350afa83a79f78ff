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
use super::{API_VERSION, CLUSTER_PLUGIN_ID, disks, ids, objects, timestamp};
use crate::model::cluster_map::{ClusterMap, Urgency};
use crate::model::inventory::Inventory;
use crate::model::workload::{Claim, PersistentVolume};

/// The plugin's name in Scope's footer.
const LABEL: &str = "Storage of the cluster";
const ABOUT: &str = "Claims and volumes: what failed, what waits, what is left over";
/// Most bytes of nodes, so that with everything else it stays well below the 2 MB that Scope's probe can read in time.
const MOST_BYTES: usize = 1_800_000;

/// A report of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterReport {
    /// As it is sent.
    pub bytes: Vec<u8>,
    /// Claims and volumes for which there was no room.
    pub left_out: usize,
}

/// The report of what was known at `taken_at`.
pub fn cluster_report(map: &ClusterMap, taken_at: SystemTime) -> ClusterReport {
    let taken_at = timestamp(taken_at);
    let selected = select(map, &BTreeSet::new(), MOST_BYTES, &taken_at);
    let classes = map
        .inventory
        .classes
        .values()
        .filter_map(|class| objects::class_node(class, &taken_at));
    let mut description = ABOUT.to_owned();
    if selected.left_out > 0 {
        let all = map.inventory.claims.len() + map.inventory.volumes.len();
        let _ = write!(
            description,
            " ({} of {all} claims and volumes; those that need attention come first)",
            all - selected.left_out
        );
    }
    description.push_str(&staleness(&map.inventory));
    let report = Report {
        host: None,
        pod: None,
        claim: Some(objects::topology(selected.claims, objects::claim_templates())),
        storage_class: Some(objects::topology(classes, objects::class_templates())),
        persistent_volume: Topology {
            metric_templates: disks::metric_templates(),
            ..objects::topology(selected.volumes, disks::metadata_templates(true))
        },
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
        left_out: selected.left_out,
    }
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
            kind.resource(),
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

/// Claims and volumes of the API as nodes.
#[derive(Debug, Default)]
pub(super) struct Selected<'a> {
    pub(super) claims: Vec<Node<'a>>,
    pub(super) volumes: Vec<Node<'a>>,
    pub(super) left_out: usize,
}

/// As many claims and volumes as fit into so many bytes, the most urgent first; volumes in `known` are told of elsewhere.
pub(super) fn select<'a>(
    map: &'a ClusterMap,
    known: &BTreeSet<&str>,
    most_bytes: usize,
    taken_at: &'a str,
) -> Selected<'a> {
    let mut selected = Selected::default();
    let mut seen = known.clone();
    let mut length = Length(0);
    for (claim, volume) in in_order(map) {
        let volume = volume.filter(|volume| seen.insert(&volume.name));
        // Once something had no room, nothing less urgent takes its place.
        if selected.left_out > 0 {
            let uids = [claim.map(|claim| &claim.uid), volume.map(|volume| &volume.uid)];
            selected.left_out += uids
                .into_iter()
                .flatten()
                .filter(|uid| ids::is_usable(uid))
                .count();
            continue;
        }
        let claim = claim.and_then(|claim| objects::claim_node(map, claim, taken_at));
        let volume = volume.and_then(|volume| objects::volume_node(map, volume, taken_at));
        for (node, nodes) in [(claim, &mut selected.claims), (volume, &mut selected.volumes)] {
            let Some(node) = node else { continue };
            // Counting cannot fail.
            let _ = serde_json::to_writer(&mut length, &node);
            length.0 += node.id.len() + 4;
            if selected.left_out > 0 || length.0 > most_bytes {
                selected.left_out += 1;
            } else {
                nodes.push(node);
            }
        }
    }
    selected
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

/// Claims with their volumes, and volumes without a claim, the most urgent first.
fn in_order(map: &ClusterMap) -> Vec<(Option<&Claim>, Option<&PersistentVolume>)> {
    let inventory = &map.inventory;
    let mut order: Vec<(Option<Urgency>, Option<&Claim>, Option<&PersistentVolume>)> = Vec::new();
    for claim in inventory.claims.values() {
        let volume = claim.volume.as_ref().and_then(|name| inventory.volumes.get(name));
        let own = map
            .claim_attention
            .get(&claim.name)
            .map(|attention| attention.urgency);
        let of_volume = volume
            .and_then(|volume| map.volume_attention.get(&volume.name))
            .map(|attention| attention.urgency);
        let urgency = [own, of_volume].into_iter().flatten().min();
        order.push((urgency, Some(claim), volume.map(|volume| &**volume)));
    }
    for volume in inventory
        .volumes
        .values()
        .filter(|volume| map.claim(&volume.name).is_none())
    {
        let urgency = map
            .volume_attention
            .get(&volume.name)
            .map(|attention| attention.urgency);
        order.push((urgency, None, Some(volume)));
    }
    // Claims and volumes come in order of name, and stay in it where they are as urgent as each other.
    order.sort_by_key(|(urgency, ..)| (urgency.is_none(), *urgency));
    order
        .into_iter()
        .map(|(_, claim, volume)| (claim, volume))
        .collect()
}
