//! What can be done to which object, and what doing it would mean: decided from what is known of the cluster, without asking anybody.

use crate::model::cluster_map::ClusterMap;
use crate::model::control::{Control, DataFrom, Offer, Permitted, Plan, Target};
use crate::model::inventory::{Inventory, ResourceKind};
use crate::model::snapshot::{DeletionPolicy, Snapshot, SnapshotApi, SnapshotContent};
use crate::model::workload::{
    AccessMode, Claim, ClaimPhase, NamespacedName, PersistentVolume, StorageSource,
};

/// The objects that have buttons: claims first, then snapshots, then contents, each in order of name.
pub fn offers(map: &ClusterMap, permitted: &Permitted) -> Vec<Offer> {
    let inventory = &map.inventory;
    let claims = inventory.claims.values().filter_map(|claim| {
        let controls = of_claim(inventory, permitted, claim);
        offer(Target::Claim(claim.name.clone()), &claim.uid, controls)
    });
    let snapshots = inventory.snapshots.values().filter_map(|snapshot| {
        let controls = of_snapshot(permitted, snapshot);
        offer(Target::Snapshot(snapshot.name.clone()), &snapshot.uid, controls)
    });
    let contents = inventory.snapshot_contents.values().filter_map(|content| {
        let namespace = &content.snapshot.as_ref()?.namespace;
        let controls = only([(Control::Describe, permitted.allows(Control::Describe, namespace))]);
        let target = Target::Content {
            name: content.name.clone(),
            namespace: namespace.clone(),
        };
        offer(target, &content.uid, controls)
    });
    claims.chain(snapshots).chain(contents).collect()
}

fn offer(target: Target, uid: &str, controls: Vec<Control>) -> Option<Offer> {
    (!controls.is_empty()).then(|| Offer {
        target,
        uid: uid.to_owned(),
        controls,
    })
}

fn only<const N: usize>(controls: [(Control, bool); N]) -> Vec<Control> {
    let offered = controls.into_iter().filter(|(_, offered)| *offered);
    offered.map(|(control, _)| control).collect()
}

/// Only CSI drivers take snapshots and clone, and only volumes that are there.
fn of_claim(inventory: &Inventory, permitted: &Permitted, claim: &Claim) -> Vec<Control> {
    let namespace = claim.name.namespace.as_str();
    if claim.deletion.is_some() || claim.phase != Some(ClaimPhase::Bound) {
        return Vec::new();
    }
    let volume = claim.volume.as_ref().and_then(|name| inventory.volumes.get(name));
    if volume.and_then(|volume| csi_driver(volume)).is_none() {
        return Vec::new();
    }
    only([
        (
            Control::CreateSnapshot,
            permitted.allows(Control::CreateSnapshot, namespace)
                && inventory.watches.contains_key(&ResourceKind::Snapshots),
        ),
        (Control::Clone, permitted.allows(Control::Clone, namespace)),
        (Control::Describe, permitted.allows(Control::Describe, namespace)),
    ])
}

fn of_snapshot(permitted: &Permitted, snapshot: &Snapshot) -> Vec<Control> {
    let namespace = snapshot.name.namespace.as_str();
    let stays = snapshot.deletion.is_none();
    only([
        (
            Control::Restore,
            stays && snapshot.ready == Some(true) && permitted.allows(Control::Restore, namespace),
        ),
        (
            Control::Delete,
            stays && permitted.allows(Control::Delete, namespace),
        ),
        (Control::Describe, permitted.allows(Control::Describe, namespace)),
    ])
}

/// The CSI driver that serves a volume.
fn csi_driver(volume: &PersistentVolume) -> Option<&str> {
    volume.migrated_to.as_deref().or(match &volume.source {
        Some(StorageSource::Csi { driver, .. }) => Some(driver),
        _ => None,
    })
}

/// What a control of an offer means now, or why it cannot be: a sentence for people.
pub fn plan(map: &ClusterMap, control: Control, target: &Target) -> Result<Plan, String> {
    match (control, target) {
        (Control::Describe, _) => Ok(Plan::Describe),
        (Control::CreateSnapshot, Target::Claim(name)) => make_snapshot(map, name),
        (Control::Clone, Target::Claim(name)) => clone(map, name),
        (Control::Restore, Target::Snapshot(name)) => restore(map, name),
        (Control::Delete, Target::Snapshot(name)) => delete(map, name),
        _ => Err(format!("{} is nothing for a {}", control.as_str(), target.kind())),
    }
}

fn claim_of<'a>(map: &'a ClusterMap, name: &NamespacedName) -> Result<&'a Claim, String> {
    let claim = map.inventory.claims.get(name);
    claim
        .map(|claim| &**claim)
        .ok_or_else(|| format!("there is no claim {name} any more"))
}

fn snapshot_of<'a>(map: &'a ClusterMap, name: &NamespacedName) -> Result<&'a Snapshot, String> {
    map.inventory
        .snapshot(&(SnapshotApi::Csi, name.clone()))
        .ok_or_else(|| format!("there is no snapshot {name} any more"))
}

fn make_snapshot(map: &ClusterMap, name: &NamespacedName) -> Result<Plan, String> {
    let claim = claim_of(map, name)?;
    let bound = claim.volume.as_ref().and_then(|volume| map.volume(volume));
    let volume = bound.ok_or_else(|| format!("the claim {name} has no volume that is known"))?;
    let driver =
        csi_driver(volume).ok_or_else(|| format!("the volume {} is no CSI driver's", volume.name))?;
    Ok(Plan::MakeSnapshot {
        claim: name.clone(),
        volume: volume.name.clone(),
        class: default_class(&map.inventory, driver)?,
    })
}

/// The driver's default snapshot class, which must be one.
fn default_class(inventory: &Inventory, driver: &str) -> Result<String, String> {
    const ANNOTATION: &str = "snapshot.storage.kubernetes.io/is-default-class";
    let own: Vec<_> = inventory
        .snapshot_classes
        .values()
        .filter(|class| class.driver.as_deref() == Some(driver))
        .collect();
    let names = |classes: &[&str]| classes.join(", ");
    let defaults: Vec<&str> = own
        .iter()
        .filter(|class| class.is_default)
        .map(|class| class.name.as_str())
        .collect();
    match defaults.as_slice() {
        [class] => Ok((*class).to_owned()),
        [] if own.is_empty() => Err(format!("the driver {driver} has no VolumeSnapshotClass")),
        [] => Err(format!(
            "the driver {driver} has no default VolumeSnapshotClass: annotate one of {} with {ANNOTATION}=true",
            names(&own.iter().map(|class| class.name.as_str()).collect::<Vec<_>>())
        )),
        several => Err(format!(
            "the driver {driver} has several default VolumeSnapshotClasses: {}; leave {ANNOTATION}=true on one of them",
            names(several)
        )),
    }
}

fn clone(map: &ClusterMap, name: &NamespacedName) -> Result<Plan, String> {
    let claim = claim_of(map, name)?;
    Ok(Plan::MakeClaim {
        namespace: name.namespace.clone(),
        from: DataFrom::Claim(name.name.clone()),
        class: claim.class.clone(),
        access_modes: modes(&claim.access_modes, name)?,
        mode: claim.mode,
        bytes: size([claim.capacity, claim.requested], name)?,
    })
}

/// Like the claim that the snapshot was taken of; where that is gone, like its volume.
fn restore(map: &ClusterMap, name: &NamespacedName) -> Result<Plan, String> {
    let snapshot = snapshot_of(map, name)?;
    if snapshot.ready != Some(true) {
        return Err(format!("the snapshot {name} is not ready"));
    }
    // A claim of the same name may have been made since, which has another volume.
    let claim = snapshot
        .claim()
        .filter(|claim| map.snapshots(claim).any(|taken| taken.uid == snapshot.uid))
        .and_then(|claim| map.inventory.claims.get(&claim));
    let volume = map
        .snapshot_volumes
        .get(&snapshot.key())
        .and_then(|volume| map.volume(volume));
    let (class, access_modes, mode, size_of_source) = match (claim, volume) {
        (Some(claim), _) => (
            &claim.class,
            &claim.access_modes,
            &claim.mode,
            claim.capacity.max(claim.requested),
        ),
        (None, Some(volume)) => (&volume.class, &volume.access_modes, &volume.mode, volume.capacity),
        (None, None) => {
            return Err(format!(
                "what the snapshot {name} was taken of is gone: its class and access modes are not known (make the claim with kubectl)"
            ));
        }
    };
    Ok(Plan::MakeClaim {
        namespace: name.namespace.clone(),
        from: DataFrom::Snapshot(name.name.clone()),
        class: class.clone(),
        access_modes: modes(access_modes, name)?,
        mode: *mode,
        bytes: size([size_of_source, snapshot.restore_size], name)?,
    })
}

fn modes(modes: &[AccessMode], name: &NamespacedName) -> Result<Vec<AccessMode>, String> {
    if modes.is_empty() {
        return Err(format!("the access modes for a copy of {name} are not known"));
    }
    Ok(modes.to_vec())
}

/// The larger of what is known.
fn size(known: [Option<u64>; 2], name: &NamespacedName) -> Result<u64, String> {
    let largest = known.into_iter().flatten().max();
    largest.ok_or_else(|| format!("the size for a copy of {name} is not known"))
}

/// A snapshot goes only where nothing is being made of it: with it may go what it was made of.
fn delete(map: &ClusterMap, name: &NamespacedName) -> Result<Plan, String> {
    let snapshot = snapshot_of(map, name)?;
    // In error, it is the policy of a while ago that is known.
    let content = map
        .inventory
        .content_of(snapshot)
        .filter(|_| map.inventory.hears(ResourceKind::SnapshotContents));
    let policy = content.and_then(|content: &SnapshotContent| content.deletion_policy);
    // Where the policy is not known, it is taken for the one that loses something.
    if policy != Some(DeletionPolicy::Retain) {
        // In error, it is the claims of a while ago that are known.
        if !map.inventory.hears(ResourceKind::Claims) {
            return Err(format!(
                "not all claims are known: one may be on its way from the snapshot {name}"
            ));
        }
        if let Some(claim) = being_restored(&map.inventory, snapshot) {
            return Err(format!(
                "the claim {} is being restored from the snapshot {name}, and the data would go with it; try again once it is bound",
                claim.name
            ));
        }
    }
    Ok(Plan::DeleteSnapshot {
        name: name.clone(),
        policy,
    })
}

/// A claim that waits for its volume, which is to be made from the snapshot.
fn being_restored<'a>(inventory: &'a Inventory, snapshot: &Snapshot) -> Option<&'a Claim> {
    let waits = |claim: &&Claim| {
        claim.phase != Some(ClaimPhase::Bound)
            && claim.data_source.as_ref().is_some_and(|source| {
                source.kind == "VolumeSnapshot"
                    && source.name == snapshot.name.name
                    && source.namespace.as_ref().unwrap_or(&claim.name.namespace) == &snapshot.name.namespace
            })
    };
    inventory.claims.values().map(|claim| &**claim).find(waits)
}
