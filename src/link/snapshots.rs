//! Joins snapshots with the claims and volumes that they were taken of, and says what is wrong with them.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::attention::shortened;
use super::cluster::{Affected, changes};
use crate::model::cluster_map::{Attention, ClusterMap, Urgency};
use crate::model::inventory::{Inventory, ResourceKind};
use crate::model::snapshot::{
    DeletionPolicy, Snapshot, SnapshotApi, SnapshotContent, SnapshotKey, SnapshotSource,
};
use crate::model::workload::NamespacedName;

/// Takes note of the snapshots and contents that are others now.
pub(super) fn note(map: &mut ClusterMap, before: &Inventory, affected: &mut Affected) {
    let now = Arc::clone(&map.inventory);
    for (_, old, new) in changes(&before.snapshots, &now.snapshots) {
        note_snapshot(map, old.map(|old| &**old), new.map(|new| &**new), affected);
    }
    for (_, old, new) in changes(&before.external_snapshots, &now.external_snapshots) {
        note_snapshot(map, old.map(|old| &old.0), new.map(|new| &new.0), affected);
    }
    for (_, old, new) in changes(&before.snapshot_contents, &now.snapshot_contents) {
        note_content(map, old.map(|old| &**old), new.map(|new| &**new), affected);
    }
    for (_, old, new) in changes(&before.external_snapshot_data, &now.external_snapshot_data) {
        note_content(map, old.map(|old| &old.0), new.map(|new| &new.0), affected);
    }
    let classes = changes(&before.snapshot_classes, &now.snapshot_classes);
    let come_or_gone: BTreeSet<&String> = classes
        .into_iter()
        .filter(|(_, old, new)| old.is_some() != new.is_some())
        .map(|(name, ..)| name)
        .collect();
    if !come_or_gone.is_empty() {
        let named = now.all_snapshots().filter(|snapshot| {
            let class = snapshot.class.as_ref();
            class.is_some_and(|class| come_or_gone.contains(class))
        });
        affected.snapshots.extend(named.map(Snapshot::key));
    }
}

fn note_snapshot(
    map: &mut ClusterMap,
    old: Option<&Snapshot>,
    new: Option<&Snapshot>,
    affected: &mut Affected,
) {
    let names = &mut map.names;
    for (snapshot, is_there) in [(old, false), (new, true)] {
        let Some(snapshot) = snapshot else { continue };
        let key = snapshot.key();
        if let Some(claim) = snapshot.claim() {
            names.snapshots_of_claim.keep(&claim, &key, is_there);
            affected.claims_of_snapshots.insert(claim);
        }
        if let Some(content) = snapshot.content_key() {
            names.snapshots_of_content.keep(&content, &key, is_there);
        }
        affected
            .contents
            .extend(names.contents_of_snapshot.all(&key).iter().cloned());
        affected.snapshots.insert(key);
    }
}

fn note_content(
    map: &mut ClusterMap,
    old: Option<&SnapshotContent>,
    new: Option<&SnapshotContent>,
    affected: &mut Affected,
) {
    let names = &mut map.names;
    for (content, is_there) in [(old, false), (new, true)] {
        let Some(content) = content else { continue };
        let key = content.key();
        if let Some(snapshot) = &content.snapshot {
            let snapshot = (content.api, snapshot.clone());
            names.contents_of_snapshot.keep(&snapshot, &key, is_there);
        }
        if let Some(handle) = &content.volume_handle {
            names.contents_of_handle.keep(handle, &key, is_there);
        }
        affected
            .snapshots
            .extend(names.snapshots_of_content.all(&key).iter().cloned());
        affected.contents.insert(key);
    }
}

/// Says anew what there is to say of what was affected.
pub(super) fn tell(map: &mut ClusterMap, affected: &mut Affected) {
    let inventory = Arc::clone(&map.inventory);
    for key in &affected.snapshots {
        let snapshot = inventory.snapshot(key);
        affected
            .claims_of_snapshots
            .extend(snapshot.and_then(Snapshot::claim));
        let volume = snapshot.and_then(|snapshot| volume(map, snapshot));
        map.snapshot_volumes.set(key, volume);
        let attention = snapshot.and_then(|snapshot| of_snapshot(&inventory, snapshot));
        map.snapshot_attention.set(key, attention);
    }
    for key in &affected.contents {
        let content = inventory.snapshot_content(key);
        let attention = content.and_then(|content| of_content(&inventory, content));
        map.snapshot_content_attention.set(key, attention);
    }
    for claim in &affected.claims_of_snapshots {
        let snapshots = of_claim(map, claim);
        map.claim_snapshots.set(claim, snapshots);
    }
}

/// The volume of a snapshot: the one that its content names, by handle or by name; else the one that its claim has. A claim may have
/// been made anew since, with another volume.
fn volume(map: &ClusterMap, snapshot: &Snapshot) -> Option<String> {
    let inventory = &map.inventory;
    let content = inventory.content_of(snapshot);
    if let Some(named) = content.and_then(|content| content.volume.as_ref()) {
        return Some(named.clone());
    }
    let handle =
        content.and_then(|content| Some((content.driver.as_deref()?, content.volume_handle.as_ref()?)));
    match handle {
        Some((driver, handle)) => {
            let mut volumes = map.names.volumes_of_handle.all(handle).iter().rev();
            let is_drivers = |name: &&String| {
                let volume = map.volume(name);
                volume.is_some_and(|volume| volume.driver() == Some(driver))
            };
            volumes.find(is_drivers).cloned()
        }
        None => inventory.claims.get(&snapshot.claim()?)?.volume.clone(),
    }
}

/// The snapshots of a claim; `None` where it has none, or does not exist.
fn of_claim(map: &ClusterMap, claim: &NamespacedName) -> Option<Vec<SnapshotKey>> {
    let known = map.inventory.claims.get(claim)?;
    let keys = map.names.snapshots_of_claim.all(claim).iter();
    let mut snapshots: Vec<&Snapshot> = keys
        .filter(|key| {
            // Taken of a claim of the same name, which is gone.
            let other = map
                .snapshot_volumes
                .get(*key)
                .zip(known.volume.as_ref())
                .is_some_and(|(taken_of, now)| taken_of != now);
            !other
        })
        .filter_map(|key| map.inventory.snapshot(key))
        .collect();
    snapshots.sort_by_key(|snapshot| Reverse(snapshot.taken.or(snapshot.created)));
    (!snapshots.is_empty()).then(|| snapshots.into_iter().map(Snapshot::key).collect())
}

fn of_snapshot(inventory: &Inventory, snapshot: &Snapshot) -> Option<Attention> {
    let content = inventory.content_of(snapshot);
    let error = snapshot
        .error
        .as_ref()
        .or_else(|| content.and_then(|content| content.error.as_ref()));
    if snapshot.deletion.is_some() {
        return Some(attention(Urgency::Deleting, "deleted, and not gone yet"));
    }
    // An error stays in the status of a snapshot that became ready all the same.
    if let Some(error) = error.filter(|_| snapshot.ready != Some(true)) {
        return Some(attention(Urgency::Failed, &shortened(error)));
    }
    if let Some(bound) = snapshot.content.as_ref().filter(|_| content.is_none())
        && inventory.knows_all(contents_of(snapshot.api))
    {
        return Some(attention(
            Urgency::Lost,
            &format!("bound to the content {bound}, which does not exist or is another snapshot's"),
        ));
    }
    if snapshot.ready == Some(true) {
        return None;
    }
    let claim_is_gone = snapshot.claim().is_some_and(|claim| {
        inventory.knows_all(ResourceKind::Claims) && !inventory.claims.contains_key(&claim)
    });
    let class_is_gone = snapshot.class.as_ref().is_some_and(|class| {
        inventory.knows_all(ResourceKind::SnapshotClasses) && !inventory.snapshot_classes.contains_key(class)
    });
    let reason = match (&snapshot.source, content) {
        (None, _) => "says neither claim nor content to be made from".to_owned(),
        (Some(SnapshotSource::Claim(claim)), None) if claim_is_gone => {
            format!("its claim {claim} does not exist")
        }
        (_, None) if class_is_gone => format!(
            "its class {} does not exist",
            snapshot.class.as_deref().unwrap_or_default()
        ),
        (Some(SnapshotSource::Content(content)), None) => format!("its content {content} is not there"),
        (Some(SnapshotSource::Claim(_)), None) => "not taken yet".to_owned(),
        (_, Some(_)) if snapshot.taken.is_some() => "taken, and not ready yet".to_owned(),
        (_, Some(_)) => "being taken".to_owned(),
    };
    Some(attention(Urgency::Pending, &reason))
}

fn of_content(inventory: &Inventory, content: &SnapshotContent) -> Option<Attention> {
    if content.deletion.is_some() {
        let reason = match &content.error {
            Some(error) => format!("deleted, and not gone yet: {}", shortened(error)),
            None => "deleted, and not gone yet".to_owned(),
        };
        return Some(attention(Urgency::Deleting, &reason));
    }
    let snapshots = match content.api {
        SnapshotApi::Csi => ResourceKind::Snapshots,
        SnapshotApi::ExternalStorage => ResourceKind::ExternalSnapshots,
    };
    let named = content
        .snapshot
        .as_ref()
        .filter(|_| content.api == SnapshotApi::Csi);
    let is_there = named.is_none_or(|name| {
        inventory
            .snapshot(&(content.api, name.clone()))
            .is_some_and(|snapshot| content.is_of(snapshot))
    });
    // One that was made by hand waits for its snapshot, which has no UID yet.
    if !is_there && content.snapshot_uid.is_some() && inventory.knows_all(snapshots) {
        let name = named.map(ToString::to_string).unwrap_or_default();
        let why = match content.deletion_policy {
            Some(DeletionPolicy::Retain) => ", and its policy is to stay",
            _ => "",
        };
        return Some(attention(
            Urgency::Released,
            &format!("its snapshot {name} is gone{why}"),
        ));
    }
    let error = content.error.as_ref().filter(|_| content.ready != Some(true))?;
    Some(attention(Urgency::Failed, &shortened(error)))
}

fn contents_of(api: SnapshotApi) -> ResourceKind {
    match api {
        SnapshotApi::Csi => ResourceKind::SnapshotContents,
        SnapshotApi::ExternalStorage => ResourceKind::ExternalSnapshotData,
    }
}

fn attention(urgency: Urgency, reason: &str) -> Attention {
    Attention {
        urgency,
        reason: reason.to_owned(),
    }
}
