//! Joins the cluster's objects: pods with claims, claims with volumes, and with what is wrong with them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::{attention, engines, snapshots};
use crate::model::cluster_map::{ClusterMap, Declared, DeclaredPath, inline_volumes};
use crate::model::inventory::{Inventory, ResourceKind};
use crate::model::workload::{Claim, NamespacedName, Pod, StorageSource, VolumeAttachment};

/// The map of an inventory.
pub fn map(inventory: Arc<Inventory>) -> ClusterMap {
    let mut map = ClusterMap {
        inventory,
        ..ClusterMap::default()
    };
    join(&mut map, &Changes::all());
    engines::join(&mut map);
    map
}

/// The map of an inventory, given the one of the inventory before it: what has not changed is kept.
pub fn update(mut map: ClusterMap, inventory: Arc<Inventory>) -> ClusterMap {
    let before = std::mem::replace(&mut map.inventory, inventory);
    let changes = Changes::between(&before, &map.inventory);
    join(&mut map, &changes);
    engines::rejoin(&mut map, &before, &changes);
    map
}

/// The kinds of which objects are others than before.
#[derive(Debug)]
pub(super) struct Changes(BTreeSet<ResourceKind>);

impl Changes {
    fn all() -> Self {
        Self(ResourceKind::ALL.into())
    }

    fn between(before: &Inventory, now: &Inventory) -> Self {
        // What may be concluded from an object that is not there depends on what was seen whole.
        let seen = |inventory: &Inventory| -> Vec<ResourceKind> {
            let kinds = ResourceKind::ALL.into_iter();
            kinds.filter(|kind| inventory.knows_all(*kind)).collect()
        };
        if before.role != now.role || before.node != now.node || seen(before) != seen(now) {
            return Self::all();
        }
        let mut changed = BTreeSet::new();
        let mut compare = |kind, same: bool| {
            if !same {
                changed.insert(kind);
            }
        };
        compare(ResourceKind::Pods, Arc::ptr_eq(&before.pods, &now.pods));
        compare(ResourceKind::Claims, Arc::ptr_eq(&before.claims, &now.claims));
        compare(ResourceKind::Volumes, Arc::ptr_eq(&before.volumes, &now.volumes));
        compare(ResourceKind::Classes, Arc::ptr_eq(&before.classes, &now.classes));
        compare(
            ResourceKind::Attachments,
            Arc::ptr_eq(&before.attachments, &now.attachments),
        );
        compare(ResourceKind::Nodes, Arc::ptr_eq(&before.nodes, &now.nodes));
        let same_snapshots = Arc::ptr_eq(&before.snapshots, &now.snapshots)
            && Arc::ptr_eq(&before.snapshot_contents, &now.snapshot_contents)
            && Arc::ptr_eq(&before.snapshot_classes, &now.snapshot_classes)
            && Arc::ptr_eq(&before.external_snapshots, &now.external_snapshots)
            && Arc::ptr_eq(&before.external_snapshot_data, &now.external_snapshot_data);
        compare(ResourceKind::Snapshots, same_snapshots);
        Self(changed)
    }

    /// True where objects of one of these kinds are others.
    pub(super) fn any(&self, kinds: &[ResourceKind]) -> bool {
        kinds.iter().any(|kind| self.0.contains(kind))
    }
}

fn join(map: &mut ClusterMap, changes: &Changes) {
    use ResourceKind::{Attachments, Claims, Classes, Nodes, Pods, Snapshots, Volumes};

    if changes.any(&[Pods]) {
        map.pods = pods_by_folder(&map.inventory);
        map.users = users(&map.inventory);
    }
    if changes.any(&[Claims, Volumes]) {
        map.claims = claims_by_volume(&map.inventory);
    }
    if changes.any(&[Attachments]) {
        map.attachments = attachments_by_volume(&map.inventory);
    }
    if changes.any(&[Pods, Claims, Volumes, Classes]) {
        map.claim_attention = attention::of_claims(map);
    }
    if changes.any(&[Claims, Volumes, Attachments, Nodes]) {
        map.volume_attention = attention::of_volumes(map);
    }
    if changes.any(&[Claims, Volumes, Snapshots]) {
        snapshots::join(map);
    }
    if changes.any(&[Pods, Claims, Volumes]) {
        map.declared = declared(map);
    }
}

/// What the API knows of volumes of this node's pods, and their folders do not tell.
fn declared(map: &ClusterMap) -> Declared {
    let mut declared = Declared::default();
    let mut persistent: BTreeMap<&str, DeclaredPath> = BTreeMap::new();
    let node = map.inventory.node.as_ref();
    let here = |pod: &Pod| !pod.has_ended() && (node.is_none() || pod.node.as_ref() == node);
    let mut folders: Vec<_> = map.pods.iter().filter(|(_, pod)| here(pod)).collect();
    folders.sort_unstable_by_key(|(folder, _)| *folder);
    for (folder, pod) in folders {
        for (name, source) in inline_volumes(pod) {
            declared
                .inline
                .entry(folder.clone())
                .or_default()
                .push(name.to_owned());
            if let StorageSource::HostPath { path: Some(path) } = source {
                declared.paths.push(DeclaredPath {
                    name: name.to_owned(),
                    persistent: false,
                    pods: vec![folder.clone()],
                    path: path.clone(),
                });
            }
        }
        for (_, claim) in pod.claims() {
            let name = NamespacedName::new(&pod.name.namespace, claim);
            let volume = map
                .inventory
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

fn pods_by_folder(inventory: &Inventory) -> HashMap<String, Arc<Pod>> {
    inventory
        .pods
        .values()
        .map(|pod| (pod.folder().to_owned(), Arc::clone(pod)))
        .collect()
}

fn users(inventory: &Inventory) -> HashMap<NamespacedName, Vec<Arc<Pod>>> {
    let mut users: HashMap<NamespacedName, Vec<Arc<Pod>>> = HashMap::new();
    for pod in inventory.pods.values().filter(|pod| !pod.has_ended()) {
        for (_, claim) in pod.claims() {
            let of_claim = users
                .entry(NamespacedName::new(&pod.name.namespace, claim))
                .or_default();
            // A pod may have one claim under two names.
            if of_claim.last().is_none_or(|known| known.uid != pod.uid) {
                of_claim.push(Arc::clone(pod));
            }
        }
    }
    for of_claim in users.values_mut() {
        of_claim.sort_unstable_by(|one, two| one.name.cmp(&two.name).then_with(|| one.uid.cmp(&two.uid)));
    }
    users
}

fn attachments_by_volume(inventory: &Inventory) -> HashMap<String, Vec<Arc<VolumeAttachment>>> {
    let mut attachments: HashMap<String, Vec<Arc<VolumeAttachment>>> = HashMap::new();
    for attachment in inventory.attachments.values() {
        if let Some(volume) = &attachment.volume {
            let of_volume = attachments.entry(volume.clone()).or_default();
            of_volume.push(Arc::clone(attachment));
        }
    }
    attachments
}

/// By what the claims say, and no other claim that names the volume while it has another one.
fn claims_by_volume(inventory: &Inventory) -> HashMap<String, Arc<Claim>> {
    let mut claims: HashMap<String, Arc<Claim>> = HashMap::new();
    for claim in inventory.claims.values() {
        let Some(name) = &claim.volume else { continue };
        let refused = inventory.volumes.get(name).is_some_and(|volume| {
            volume.claim.as_ref().is_some_and(|reference| {
                reference.name != claim.name || reference.uid.as_ref().is_some_and(|uid| *uid != claim.uid)
            })
        });
        if !refused {
            claims.insert(name.clone(), Arc::clone(claim));
        }
    }
    claims
}
