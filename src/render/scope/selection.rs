//! Which of the API's objects a report has: the most urgent first, as long as there is room.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::vec;

use super::report::{Node, Nodes};
use super::room::Room;
use super::{ids, objects, snapshots};
use crate::model::cluster_map::{Attention, ClusterMap, Urgency};
use crate::model::snapshot::{Snapshot, SnapshotApi, SnapshotContent};
use crate::model::workload::{Claim, PersistentVolume};

/// Objects that are told of together.
#[derive(Clone, Copy)]
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

/// What else is known of an object than the API says: it is added to the object's node.
pub(super) trait Beside<'a> {
    /// Adds it to the node of a claim.
    fn tell_of_claim(&self, claim: &Claim, node: &mut Node<'a>);
    /// Adds it to the node of a PersistentVolume.
    fn tell_of_volume(&self, volume: &PersistentVolume, node: &mut Node<'a>);
}

/// Claims, volumes, snapshots and their contents on their way into a report.
pub(super) struct Selection<'a> {
    map: &'a ClusterMap,
    taken_at: &'a str,
    order: Peekable<vec::IntoIter<(Option<Urgency>, Told<'a>)>>,
    seen: BTreeSet<&'a str>,
    left_out: usize,
    /// Claims that have found room.
    pub(super) claims: Nodes,
    /// Snapshots that have.
    pub(super) snapshots: Nodes,
    /// Contents of snapshots that have.
    pub(super) contents: Nodes,
}

impl<'a> Selection<'a> {
    /// Of all objects of the map; volumes in `known` are told of elsewhere.
    pub(super) fn of(map: &'a ClusterMap, known: BTreeSet<&'a str>, taken_at: &'a str) -> Self {
        Self {
            map,
            taken_at,
            order: in_order(map).into_iter().peekable(),
            seen: known,
            left_out: 0,
            claims: Nodes::default(),
            snapshots: Nodes::default(),
            contents: Nodes::default(),
        }
    }

    /// How many found no room so far.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }

    /// Writes those that need attention and have room.
    pub(super) fn add_urgent(&mut self, volumes: &mut Nodes, room: &mut Room, beside: &impl Beside<'a>) {
        while let Some((_, told)) = self.order.next_if(|(urgency, _)| urgency.is_some()) {
            self.add(told, volumes, room, beside);
        }
    }

    /// Writes all others that have.
    pub(super) fn add_others(&mut self, volumes: &mut Nodes, room: &mut Room, beside: &impl Beside<'a>) {
        while let Some((_, told)) = self.order.next() {
            self.add(told, volumes, room, beside);
        }
    }

    fn add(&mut self, told: Told<'a>, volumes: &mut Nodes, room: &mut Room, beside: &impl Beside<'a>) {
        let (map, taken_at) = (self.map, self.taken_at);
        let before = room.left_out();
        if room.is_full() {
            room.leave_out(told.nodes(&mut self.seen));
        } else {
            match told {
                Told::Claim(claim, volume) => {
                    let copies = volume.and_then(|volume| map.copies(volume));
                    let node =
                        |claim| Some((claim, objects::claim_node(map, claim, copies.as_ref(), taken_at)?));
                    if let Some((claim, mut node)) = claim.and_then(node) {
                        beside.tell_of_claim(claim, &mut node);
                        room.add_object(&mut self.claims, node);
                    }
                    let node = |volume| {
                        Some((
                            volume,
                            objects::volume_node(map, volume, copies.as_ref(), taken_at)?,
                        ))
                    };
                    let volume = volume.filter(|volume| self.seen.insert(&volume.name));
                    if let Some((volume, mut node)) = volume.and_then(node) {
                        beside.tell_of_volume(volume, &mut node);
                        room.add_object(volumes, node);
                    }
                }
                Told::Snapshot(snapshot, content) => {
                    let node = |snapshot| snapshots::snapshot_node(map, snapshot, taken_at);
                    if let Some(node) = snapshot.and_then(node) {
                        room.add_object(&mut self.snapshots, node);
                    }
                    let node = |content| snapshots::content_node(map, content, taken_at);
                    if let Some(node) = content.and_then(node) {
                        room.add_object(&mut self.contents, node);
                    }
                }
            }
        }
        self.left_out += room.left_out() - before;
    }
}

/// Claims with their volumes, volumes without a claim, snapshots with their contents, and contents without a snapshot, the most
/// urgent first.
fn in_order(map: &ClusterMap) -> Vec<(Option<Urgency>, Told<'_>)> {
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
    order
}
