//! What there is to say of a volume's copies, and which nodes that hangs on.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::model::cluster_map::{Attention, ClusterMap, Urgency};
use crate::model::copies::Copies;
use crate::model::replica::{Health, Place};
use crate::model::workload::PersistentVolume;

/// A node's name as a number. Should two names have the same, some copies are looked at in vain.
pub(super) fn number(node: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    node.hash(&mut hasher);
    hasher.finish()
}

/// What is amiss with the copies of a volume, and the names, as numbers, of which a node that comes, goes or changes may have one for
/// that to be said otherwise: those of the nodes that the copies are on, and those by which such a node is looked for.
pub(super) fn look(map: &ClusterMap, volume: &PersistentVolume) -> (Option<Attention>, Box<[u64]>) {
    let Some(copies) = map.copies(volume) else {
        return (None, Box::default());
    };
    let on = copies.list.iter().filter_map(|copy| copy.node.as_deref());
    let mut nodes: BTreeSet<u64> = on.map(number).collect();
    let place = map.placements.get(&volume.name).map(|placement| &placement.place);
    if let Some(Place::Here(_) | Place::DiskClaim(_)) = place {
        let wanted = volume.node_affinity.iter().flatten();
        nodes.extend(
            wanted
                .flat_map(|requirement| &requirement.values)
                .map(|name| number(name)),
        );
    }
    (attention(&copies), nodes.into_iter().collect())
}

fn attention(copies: &Copies<'_>) -> Option<Attention> {
    let reason = reason(copies)?;
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
