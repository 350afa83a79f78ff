//! Joins snapshots with the claims and volumes that they were taken of, and says what is wrong with them.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::attention::shortened;
use crate::model::cluster_map::{Attention, ClusterMap, Urgency};
use crate::model::inventory::{Inventory, ResourceKind};
use crate::model::snapshot::{
    DeletionPolicy, Snapshot, SnapshotApi, SnapshotContent, SnapshotKey, SnapshotSource,
};
use crate::model::workload::{NamespacedName, StorageSource};

/// Adds what there is to say of snapshots.
pub(super) fn join(map: &mut ClusterMap) {
    if !map.inventory.has_snapshots() {
        map.snapshot_volumes.clear();
        map.claim_snapshots.clear();
        map.snapshot_attention.clear();
        map.snapshot_content_attention.clear();
        return;
    }
    map.snapshot_volumes = volumes(&map.inventory);
    map.claim_snapshots = of_claims(&map.inventory, &map.snapshot_volumes);
    map.snapshot_attention = map
        .inventory
        .all_snapshots()
        .filter_map(|snapshot| Some((snapshot.key(), of_snapshot(&map.inventory, snapshot)?)))
        .collect();
    map.snapshot_content_attention = map
        .inventory
        .all_snapshot_contents()
        .filter_map(|content| {
            let attention = of_content(&map.inventory, content)?;
            Some(((content.api, content.name.clone()), attention))
        })
        .collect();
}

/// The volume of each snapshot: the one that its content names, by handle or by name; else the one that its claim has. A claim may have
/// been made anew since, with another volume.
fn volumes(inventory: &Inventory) -> HashMap<SnapshotKey, String> {
    let handles: HashMap<(&str, String), &str> = inventory
        .volumes
        .values()
        .filter_map(|volume| {
            let handle = volume.source.as_ref().and_then(StorageSource::handle)?;
            Some(((volume.driver()?, handle), volume.name.as_str()))
        })
        .collect();
    inventory
        .all_snapshots()
        .filter_map(|snapshot| {
            let content = inventory.content_of(snapshot);
            let named = content.and_then(|content| content.volume.as_deref());
            let handle = content
                .and_then(|content| Some((content.driver.as_deref()?, content.volume_handle.clone()?)));
            let volume = match (named, handle) {
                (Some(name), _) => Some(name),
                (None, Some(handle)) => handles.get(&handle).copied(),
                (None, None) => {
                    let claim = inventory.claims.get(&snapshot.claim()?)?;
                    claim.volume.as_deref()
                }
            };
            Some((snapshot.key(), volume?.to_owned()))
        })
        .collect()
}

fn of_claims(
    inventory: &Inventory,
    volumes: &HashMap<SnapshotKey, String>,
) -> HashMap<NamespacedName, Vec<SnapshotKey>> {
    let mut found: HashMap<NamespacedName, Vec<&Snapshot>> = HashMap::new();
    for snapshot in inventory.all_snapshots() {
        let Some(claim) = snapshot.claim() else { continue };
        let is_same = inventory.claims.get(&claim).is_some_and(|known| {
            // Taken of a claim of the same name, which is gone.
            let other = volumes
                .get(&snapshot.key())
                .zip(known.volume.as_ref())
                .is_some_and(|(taken_of, now)| taken_of != now);
            !other
        });
        if is_same {
            found.entry(claim).or_default().push(snapshot);
        }
    }
    found
        .into_iter()
        .map(|(claim, mut snapshots)| {
            snapshots.sort_by_key(|snapshot| Reverse(snapshot.taken.or(snapshot.created)));
            (claim, snapshots.into_iter().map(Snapshot::key).collect())
        })
        .collect()
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
