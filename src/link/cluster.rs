//! Joins the cluster's objects: pods with claims, claims with volumes, and with what is wrong with them.
//!
//! Of ten thousand objects one changes at a time. So who names whom is kept, and of what was joined only that is made anew which an
//! object that is another now has a part in.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{attention, engines, snapshots};
use crate::model::cluster_map::{ClusterMap, Declared, DeclaredPath, inline_volumes};
use crate::model::inventory::{Inventory, Objects, ResourceKind, Role};
use crate::model::snapshot::{ContentKey, Snapshot, SnapshotContent, SnapshotKey};
use crate::model::workload::{Claim, ClaimPhase, NamespacedName, Pod, StorageSource, VolumeAttachment};

/// How many of each kind were joined anew to bring a map up to date: what a change costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Joined {
    /// Claims.
    pub claims: usize,
    /// PersistentVolumes.
    pub volumes: usize,
    /// Snapshots, and contents of such.
    pub snapshots: usize,
    /// PersistentVolumes whose copies were looked at.
    pub copies: usize,
}

/// The map of an inventory.
pub fn map(inventory: Arc<Inventory>) -> ClusterMap {
    update(ClusterMap::default(), inventory)
}

/// The map of an inventory, given the one of the inventory before it: what has not changed is kept.
pub fn update(mut map: ClusterMap, inventory: Arc<Inventory>) -> ClusterMap {
    bring_up_to_date(&mut map, inventory);
    map
}

/// The same, with how much was joined anew.
pub fn bring_up_to_date(map: &mut ClusterMap, inventory: Arc<Inventory>) -> Joined {
    let before = std::mem::replace(&mut map.inventory, inventory);
    let mut affected = Affected::default();
    note_pods(map, &before, &mut affected);
    note_claims(map, &before, &mut affected);
    note_volumes(map, &before, &mut affected);
    note_attachments(map, &before, &mut affected);
    note_nodes_and_classes(map, &before, &mut affected);
    snapshots::note(map, &before, &mut affected);
    affected.everything = may_conclude_otherwise(&before, &map.inventory);
    if affected.everything {
        affected.all(&map.inventory);
    }
    tell(map, &affected);
    snapshots::tell(map, &mut affected);
    if affected.declared || affected.everything {
        let declared = declared(map);
        // Who made something of it can tell by its place that it still holds.
        if *map.declared != declared {
            map.declared = Arc::new(declared);
        }
    }
    let copies = engines::bring_up_to_date(map, &before, &affected);
    Joined {
        claims: affected.claims.len(),
        volumes: affected.volumes.len(),
        snapshots: affected.snapshots.len() + affected.contents.len(),
        copies,
    }
}

/// What has to be joined anew, by name; names of what is gone among them.
#[derive(Debug, Default)]
pub(super) struct Affected {
    /// Claims.
    pub(super) claims: BTreeSet<NamespacedName>,
    /// PersistentVolumes.
    pub(super) volumes: BTreeSet<String>,
    /// Those that are others now, or attached otherwise.
    pub(super) placed: BTreeSet<String>,
    /// Snapshots.
    pub(super) snapshots: BTreeSet<SnapshotKey>,
    /// Contents of snapshots.
    pub(super) contents: BTreeSet<ContentKey>,
    /// Claims of which other snapshots may have been taken.
    pub(super) claims_of_snapshots: BTreeSet<NamespacedName>,
    /// True where paths that pods use may be others.
    declared: bool,
    /// True where something else may be concluded from what is not there.
    pub(super) everything: bool,
}

impl Affected {
    fn all(&mut self, inventory: &Inventory) {
        self.claims.extend(inventory.claims.keys().cloned());
        self.volumes.extend(inventory.volumes.keys().cloned());
        self.snapshots
            .extend(inventory.all_snapshots().map(Snapshot::key));
        let contents = inventory.all_snapshot_contents();
        self.contents.extend(contents.map(SnapshotContent::key));
    }
}

/// What may be concluded from an object that is not there depends on what was seen whole.
fn may_conclude_otherwise(before: &Inventory, now: &Inventory) -> bool {
    let seen = |inventory: &Inventory| ResourceKind::ALL.map(|kind| inventory.knows_all(kind));
    before.role != now.role || before.node != now.node || seen(before) != seen(now)
}

/// A key with its object before and now.
pub(super) type Change<'a, K, T> = (&'a K, Option<&'a Arc<T>>, Option<&'a Arc<T>>);

/// The objects that are others now.
pub(super) fn changes<'a, K: Ord, T>(
    before: &'a Objects<K, T>,
    now: &'a Objects<K, T>,
) -> Vec<Change<'a, K, T>> {
    if Arc::ptr_eq(before, now) {
        Vec::new()
    } else {
        before.differences(now, Arc::ptr_eq)
    }
}

fn by_uid(one: &Arc<Pod>, two: &Arc<Pod>) -> Ordering {
    one.uid.cmp(&two.uid)
}

fn by_name_and_uid(one: &Arc<Pod>, two: &Arc<Pod>) -> Ordering {
    one.name.cmp(&two.name).then_with(|| by_uid(one, two))
}

fn by_claim(one: &Arc<Claim>, two: &Arc<Claim>) -> Ordering {
    one.name.cmp(&two.name)
}

fn by_attachment(one: &Arc<VolumeAttachment>, two: &Arc<VolumeAttachment>) -> Ordering {
    one.name.cmp(&two.name)
}

fn note_pods(map: &mut ClusterMap, before: &Inventory, affected: &mut Affected) {
    let now = Arc::clone(&map.inventory);
    let changes = changes(&before.pods, &now.pods);
    affected.declared |= !changes.is_empty();
    for (_, old, new) in changes {
        if let Some(pod) = old {
            map.pods.take(&pod.folder().to_owned(), pod, by_uid);
            for claim in claims_in_use(pod) {
                map.users.take(&claim, pod, by_name_and_uid);
                affected.claims.insert(claim);
            }
        }
        if let Some(pod) = new {
            map.pods.put(&pod.folder().to_owned(), Arc::clone(pod), by_uid);
            for claim in claims_in_use(pod) {
                map.users.put(&claim, Arc::clone(pod), by_name_and_uid);
                affected.claims.insert(claim);
            }
        }
    }
}

/// The claims that a pod uses; none where it has ended.
fn claims_in_use(pod: &Pod) -> impl Iterator<Item = NamespacedName> {
    let claims = pod.claims().filter(|_| !pod.has_ended());
    claims.map(|(_, claim)| NamespacedName::new(&pod.name.namespace, claim))
}

fn note_claims(map: &mut ClusterMap, before: &Inventory, affected: &mut Affected) {
    let now = Arc::clone(&map.inventory);
    let changes = changes(&before.claims, &now.claims);
    affected.declared |= !changes.is_empty();
    let names = &mut map.names;
    for (name, old, new) in changes {
        if let Some((claim, volume)) = old.and_then(|claim| Some((claim, claim.volume.as_ref()?))) {
            names.claims_of_volume.take(volume, claim, by_claim);
        }
        if let Some((claim, volume)) = new.and_then(|claim| Some((claim, claim.volume.as_ref()?))) {
            names.claims_of_volume.put(volume, Arc::clone(claim), by_claim);
        }
        affected
            .volumes
            .extend(names.volumes_of_claim.all(name).iter().cloned());
        affected
            .snapshots
            .extend(names.snapshots_of_claim.all(name).iter().cloned());
        affected.claims.insert(name.clone());
    }
}

fn note_volumes(map: &mut ClusterMap, before: &Inventory, affected: &mut Affected) {
    let now = Arc::clone(&map.inventory);
    let changes = changes(&before.volumes, &now.volumes);
    affected.declared |= !changes.is_empty();
    let names = &mut map.names;
    for (name, old, new) in changes {
        for (volume, is_there) in [(old, false), (new, true)] {
            let Some(volume) = volume else { continue };
            if let Some(claim) = &volume.claim {
                names.volumes_of_claim.keep(&claim.name, name, is_there);
            }
            if let Some(handle) = volume.source.as_ref().and_then(StorageSource::handle) {
                names.volumes_of_handle.keep(&handle, name, is_there);
                for content in names.contents_of_handle.all(&handle) {
                    let snapshots = names.snapshots_of_content.all(content).iter();
                    affected.snapshots.extend(snapshots.cloned());
                }
            }
        }
        let claims = names.claims_of_volume.all(name).iter();
        affected.claims.extend(claims.map(|claim| claim.name.clone()));
        affected.placed.insert(name.clone());
        affected.volumes.insert(name.clone());
    }
}

fn note_attachments(map: &mut ClusterMap, before: &Inventory, affected: &mut Affected) {
    let now = Arc::clone(&map.inventory);
    for (_, old, new) in changes(&before.attachments, &now.attachments) {
        if let Some((attachment, volume)) = old.and_then(|old| Some((old, old.volume.as_ref()?))) {
            map.attachments.take(volume, attachment, by_attachment);
            affected.placed.insert(volume.clone());
            affected.volumes.insert(volume.clone());
        }
        if let Some((attachment, volume)) = new.and_then(|new| Some((new, new.volume.as_ref()?))) {
            map.attachments.put(volume, Arc::clone(attachment), by_attachment);
            affected.placed.insert(volume.clone());
            affected.volumes.insert(volume.clone());
        }
    }
}

fn note_nodes_and_classes(map: &ClusterMap, before: &Inventory, affected: &mut Affected) {
    let now = &map.inventory;
    let nodes = changes(&before.nodes, &now.nodes).into_iter();
    let come_or_gone: BTreeSet<&String> = nodes
        .filter(|(_, old, new)| old.is_some() != new.is_some())
        .map(|(name, ..)| name)
        .collect();
    if !come_or_gone.is_empty() {
        let attachments = now.attachments.values();
        let there = attachments.filter(|attachment| {
            let node = attachment.node.as_ref();
            node.is_some_and(|node| come_or_gone.contains(node))
        });
        affected
            .volumes
            .extend(there.filter_map(|attachment| attachment.volume.clone()));
    }
    if !changes(&before.classes, &now.classes).is_empty() {
        // Of their classes only claims are told that wait.
        let claims = now.claims.values();
        let waiting = claims.filter(|claim| claim.phase == Some(ClaimPhase::Pending));
        affected.claims.extend(waiting.map(|claim| claim.name.clone()));
    }
}

fn tell(map: &mut ClusterMap, affected: &Affected) {
    let inventory = Arc::clone(&map.inventory);
    for name in &affected.claims {
        let claim = inventory.claims.get(name);
        let attention = claim.and_then(|claim| attention::of_claim(map, claim));
        map.claim_attention.set(name, attention);
    }
    for name in &affected.volumes {
        let volume = inventory.volumes.get(name);
        let attention = volume.and_then(|volume| attention::of_volume(map, volume));
        map.volume_attention.set(name, attention);
    }
}

/// What the API knows of volumes of this node's pods, and their folders do not tell.
fn declared(map: &ClusterMap) -> Declared {
    let mut declared = Declared::default();
    // Who sees the cluster alone looks at no machine's folders.
    if map.inventory.role == Role::Cluster {
        return declared;
    }
    let mut persistent: BTreeMap<&str, DeclaredPath> = BTreeMap::new();
    let inventory = &map.inventory;
    // Any node may have a pod's folder, by which it is known again; a path is that of the pod's own node alone.
    let may_be_here = |pod: &Pod| !pod.has_ended() && (inventory.node.is_none() || inventory.is_here(pod));
    for (folder, pod) in map.folders().filter(|(_, pod)| may_be_here(pod)) {
        let is_here = inventory.is_here(pod);
        for (name, source) in inline_volumes(pod) {
            declared
                .inline
                .entry(folder.clone())
                .or_default()
                .push(name.to_owned());
            if let StorageSource::HostPath { path: Some(path) } = source
                && is_here
            {
                declared.paths.push(DeclaredPath {
                    name: name.to_owned(),
                    persistent: false,
                    pods: vec![folder.clone()],
                    path: path.clone(),
                });
            }
        }
        for (_, claim) in pod.claims().filter(|_| is_here) {
            let name = NamespacedName::new(&pod.name.namespace, claim);
            let volume = inventory
                .claims
                .get(&name)
                .and_then(|claim| map.volume(claim.volume.as_deref()?));
            let Some(volume) = volume else { continue };
            if let Some(StorageSource::HostPath { path: Some(path) }) = &volume.source {
                let known = persistent.entry(&volume.name).or_insert_with(|| DeclaredPath {
                    name: volume.name.clone(),
                    persistent: true,
                    pods: Vec::new(),
                    path: path.clone(),
                });
                if known.pods.last() != Some(folder) {
                    known.pods.push(folder.clone());
                }
            }
        }
    }
    declared.paths.extend(persistent.into_values());
    declared
}
