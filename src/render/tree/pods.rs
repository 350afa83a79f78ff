//! Pods in the tree: below each its claims, their volumes, and what carries those, down to the disks.

use std::collections::{BTreeMap, BTreeSet};

use super::{COLUMNS, Row, add_line, branch, copies, figures, row};
use crate::model::bytes::Bytes;
use crate::model::cluster_map::ClusterMap;
use crate::model::device::{DeviceNumber, DeviceType};
use crate::model::disagreement::sentence;
use crate::model::mount::UsageError;
use crate::model::placement::{Medium, Volume};
use crate::model::snapshot::Snapshot;
use crate::model::workload::{Claim, NamespacedName, PersistentVolume, Pod, PodVolumeSource, StorageSource};
use crate::state::State;

/// Columns that claims and volumes write to.
pub(super) const SIZE: usize = 2;
pub(super) const MODEL: usize = 10;
pub(super) const SERIAL: usize = 11;
pub(super) const NOTE: usize = COLUMNS.len() - 1;

/// A pod's name, where the API server told it; else its UID.
pub(super) fn name(state: &State, folder: &str) -> String {
    state
        .topology
        .cluster
        .as_ref()
        .and_then(|cluster| cluster.pod(folder))
        .map_or_else(|| folder.to_owned(), |pod| pod.name.to_string())
}

/// `shop/orders, volume pvc-1`, or the volume's name alone where no claim is known.
pub(super) fn claim_or_name(state: &State, volume: &Volume) -> String {
    state.topology.claim_of(volume).map_or_else(
        || volume.name.clone(),
        |claim| format!("{}, volume {}", claim.name, volume.name),
    )
}

/// One line below a pod.
enum Below<'a> {
    /// A claim, and its volume as the kernel and as the API know it.
    Claim(&'a NamespacedName, Option<&'a Volume>),
    /// A volume that the kernel knows, without a claim that is known.
    Volume(&'a Volume),
    /// Storage that only the API knows of.
    Declared(&'a str, &'a StorageSource),
}

/// Adds all pods that have storage, in order of name.
pub(super) fn add(state: &State, rows: &mut Vec<Row>) {
    let cluster = state.topology.cluster.as_deref();
    let claims: Vec<(String, NamespacedName)> = pods_with_claims(state);
    let mut pods: BTreeMap<String, Vec<Below<'_>>> = BTreeMap::new();
    let mut told: BTreeSet<(&str, *const Volume)> = BTreeSet::new();
    for (folder, claim) in &claims {
        let volume = cluster
            .and_then(|cluster| cluster.inventory.claims.get(claim)?.volume.clone())
            .and_then(|name| {
                let mut volumes = state.topology.volumes.iter();
                volumes.find(|volume| volume.persistent && volume.name == name)
            });
        if let Some(volume) = volume {
            told.insert((folder, std::ptr::from_ref(volume)));
        }
        pods.entry(name(state, folder))
            .or_default()
            .push(Below::Claim(claim, volume));
    }
    for volume in &state.topology.volumes {
        for user in &volume.users {
            if told.insert((&user.pod_uid, std::ptr::from_ref(volume))) {
                pods.entry(name(state, &user.pod_uid))
                    .or_default()
                    .push(Below::Volume(volume));
            }
        }
    }
    for (folder, pod) in cluster.into_iter().flat_map(ClusterMap::folders) {
        for (volume, source) in undiscovered(state, folder, pod) {
            pods.entry(name(state, folder))
                .or_default()
                .push(Below::Declared(volume, source));
        }
    }
    for (pod, below) in pods {
        let mut heading: Row = Default::default();
        heading[0] = pod;
        "pod".clone_into(&mut heading[1]);
        rows.push(heading);
        let last = below.len().saturating_sub(1);
        for (at, line) in below.into_iter().enumerate() {
            let (own, further) = branch(at == last);
            match line {
                Below::Claim(claim, volume) => add_claim(state, claim, volume, own, further, rows),
                Below::Volume(volume) => add_volume(state, volume, own, further, rows),
                Below::Declared(volume, source) => rows.push(declared_volume(volume, source, own)),
            }
        }
    }
}

/// Each pod's folder and each claim that it uses, in order of name. A pod that has ended uses none.
fn pods_with_claims(state: &State) -> Vec<(String, NamespacedName)> {
    let Some(cluster) = state.topology.cluster.as_deref() else {
        return Vec::new();
    };
    let mut found: Vec<_> = cluster
        .folders()
        .filter(|(_, pod)| !pod.has_ended())
        .flat_map(|(folder, pod)| {
            pod.claims()
                .map(|(_, claim)| (folder.clone(), NamespacedName::new(&pod.name.namespace, claim)))
        })
        .collect();
    // Of a pod that names a claim twice it is shown once.
    found.sort();
    found.dedup();
    found
}

/// What a pod declares itself and the node's folders do not show: of a pod that is elsewhere, or not looked at.
fn undiscovered<'a>(
    state: &'a State,
    folder: &'a str,
    pod: &'a Pod,
) -> impl Iterator<Item = (&'a str, &'a StorageSource)> {
    let known = move |name: &str| {
        state.topology.volumes.iter().any(|volume| {
            !volume.persistent
                && volume.name == name
                && volume.users.iter().any(|user| user.pod_uid == folder)
        })
    };
    pod.volumes
        .iter()
        .filter(|_| !pod.has_ended())
        .filter_map(move |volume| match &volume.source {
            PodVolumeSource::Inline(source) if !known(&volume.name) => Some((volume.name.as_str(), source)),
            _ => None,
        })
}

fn add_claim(
    state: &State,
    name: &NamespacedName,
    volume: Option<&Volume>,
    own: &str,
    further: &str,
    rows: &mut Vec<Row>,
) {
    let Some(cluster) = state.topology.cluster.as_deref() else {
        return;
    };
    let claim = cluster.inventory.claims.get(name);
    rows.push(claim_row(cluster, name, claim.map(|claim| &**claim), own));
    let snapshots: Vec<&Snapshot> = cluster.snapshots(name).collect();
    let (own, below) = branch(snapshots.is_empty());
    let (own, below) = (format!("{further}{own}"), format!("{further}{below}"));
    let object = claim.and_then(|claim| cluster.volume(claim.volume.as_deref()?));
    if let Some(volume) = volume {
        add_volume(state, volume, &own, &below, rows);
    } else if let Some(object) = object {
        rows.push(object_row(cluster, object, &own));
    }
    if let Some(object) = object {
        copies::add(cluster, object, volume, &below, rows);
    }
    let last = snapshots.len().saturating_sub(1);
    for (at, snapshot) in snapshots.into_iter().enumerate() {
        let (own, _) = branch(at == last);
        rows.push(snapshot_row(cluster, snapshot, &format!("{further}{own}")));
    }
}

fn snapshot_row(cluster: &ClusterMap, snapshot: &Snapshot, indent: &str) -> Row {
    let mut row: Row = Default::default();
    row[0] = format!("{indent}{}", snapshot.name.name);
    "snapshot".clone_into(&mut row[1]);
    row[SIZE] = snapshot
        .restore_size
        .map(|size| Bytes(size).to_string())
        .unwrap_or_default();
    row[MODEL] = snapshot.class.clone().unwrap_or_default();
    row[SERIAL] = cluster
        .inventory
        .content_of(snapshot)
        .and_then(|content| content.handle.clone())
        .unwrap_or_default();
    row[NOTE] = match cluster.snapshot_attention.get(&snapshot.key()) {
        Some(attention) => attention.to_string(),
        None => "ready".to_owned(),
    };
    row
}

fn claim_row(cluster: &ClusterMap, name: &NamespacedName, claim: Option<&Claim>, indent: &str) -> Row {
    let mut row: Row = Default::default();
    row[0] = format!("{indent}{}", name.name);
    "claim".clone_into(&mut row[1]);
    let Some(claim) = claim else {
        "not known".clone_into(&mut row[NOTE]);
        return row;
    };
    let size = claim.capacity.or(claim.requested);
    row[SIZE] = size.map(|size| Bytes(size).to_string()).unwrap_or_default();
    row[MODEL] = claim.class.clone().unwrap_or_default();
    row[NOTE] = match cluster.claim_attention.get(name) {
        Some(attention) => attention.to_string(),
        None => claim
            .phase
            .map(|phase| phase.as_str().to_lowercase())
            .unwrap_or_default(),
    };
    row
}

/// A PersistentVolume that this node's kernel does not know.
fn object_row(cluster: &ClusterMap, volume: &PersistentVolume, indent: &str) -> Row {
    let mut row: Row = Default::default();
    row[0] = format!("{indent}{}", volume.name);
    "volume".clone_into(&mut row[1]);
    row[SIZE] = volume
        .capacity
        .map(|size| Bytes(size).to_string())
        .unwrap_or_default();
    volume.driver().unwrap_or_default().clone_into(&mut row[MODEL]);
    row[SERIAL] = volume
        .source
        .as_ref()
        .and_then(StorageSource::handle)
        .unwrap_or_default();
    row[NOTE] = match cluster.attention_of_volume(&volume.name) {
        Some(attention) => attention.to_string(),
        None => volume
            .phase
            .map(|phase| phase.as_str().to_lowercase())
            .unwrap_or_default(),
    };
    row
}

fn declared_volume(name: &str, source: &StorageSource, indent: &str) -> Row {
    let mut row: Row = Default::default();
    row[0] = format!("{indent}{name}");
    "volume".clone_into(&mut row[1]);
    source.driver().clone_into(&mut row[MODEL]);
    row[SERIAL] = source.handle().unwrap_or_default();
    row
}

fn add_volume(state: &State, volume: &Volume, own: &str, further: &str, rows: &mut Vec<Row>) {
    rows.push(kernel_volume(state, volume, own));
    add_below(state, &volume.placement.devices, further, &mut Vec::new(), rows);
}

/// What is wrong with this node's devices, what its kernel contradicts, and what is wrong or left over in the cluster, the most urgent
/// first; empty where nothing is.
pub(super) fn attention(state: &State) -> String {
    let topology = &state.topology;
    let mut troubles: Vec<_> = topology.troubles.iter().collect();
    troubles.sort_by_key(|(number, trouble)| (trouble.kind, *number));
    let devices = troubles.into_iter().filter_map(|(number, trouble)| {
        let device = topology.devices.get(number)?;
        Some(format!("{} {}: {trouble}", device.device_type, device.name))
    });
    let mut lines: Vec<String> = devices.collect();
    let contradicted = topology.volumes.iter().filter_map(|volume| {
        let sentence = sentence(&volume.disagreements)?;
        Some(format!("volume {}: {sentence}", volume.name))
    });
    lines.extend(contradicted);
    if let Some(cluster) = topology.cluster.as_deref() {
        lines.extend(in_need(cluster));
    }
    let mut text = String::new();
    for line in lines {
        if text.is_empty() {
            text.push_str("Needs attention:\n");
        }
        add_line(&mut text, &format!("  {line}"));
    }
    text
}

fn in_need(cluster: &ClusterMap) -> Vec<String> {
    let claims = cluster
        .claim_attention
        .iter()
        .map(|(name, attention)| (attention, "claim", name.to_string()));
    let volumes = cluster
        .volumes_in_need()
        .map(|(name, attention)| (attention, "volume", name.clone()));
    let snapshots = cluster
        .snapshot_attention
        .iter()
        .map(|((_, name), attention)| (attention, "snapshot", name.to_string()));
    let contents = cluster
        .snapshot_content_attention
        .iter()
        .map(|((_, name), attention)| (attention, "snapshot content", name.clone()));
    let mut all: Vec<_> = claims.chain(volumes).chain(snapshots).chain(contents).collect();
    all.sort_by(|one, two| (one.0.urgency, one.1, &one.2).cmp(&(two.0.urgency, two.1, &two.2)));
    all.into_iter()
        .map(|(attention, kind, name)| format!("{kind} {name}: {attention}"))
        .collect()
}

fn add_below(
    state: &State,
    numbers: &[DeviceNumber],
    indent: &str,
    path: &mut Vec<DeviceNumber>,
    rows: &mut Vec<Row>,
) {
    let last = numbers.len().saturating_sub(1);
    for (at, number) in numbers.iter().enumerate() {
        let Some(device) = state.topology.devices.get(*number) else {
            continue;
        };
        if path.contains(number) {
            continue;
        }
        let (own, further) = branch(at == last);
        let mut row = row(state, device, &format!("{indent}{own}"));
        // Where the device is mounted stands in the tree above; here it would be a list of the pods' own folders.
        row[COLUMNS.len() - 1] = String::new();
        rows.push(row);
        if device.device_type != DeviceType::Multipath {
            path.push(*number);
            add_below(state, &device.parents, &format!("{indent}{further}"), path, rows);
            path.pop();
        }
    }
}

fn kernel_volume(state: &State, volume: &Volume, indent: &str) -> Row {
    let rates = volume.io.and_then(|io| state.volume_rates.latest(&io.origin));
    let [used, share, read, written, reads, writes] = figures(volume.known_usage(), rates);
    [
        format!("{indent}{}", volume.name),
        "volume".to_owned(),
        volume
            .capacity()
            .map(|size| Bytes(size).to_string())
            .unwrap_or_default(),
        used,
        share,
        read,
        written,
        reads,
        writes,
        String::new(),
        volume.driver.clone(),
        volume.handle.clone().unwrap_or_default(),
        volume_note(volume),
    ]
}

/// `xfs, shared`, `NFS filer:/export`, `not mounted`, or why its figures cannot be had.
fn volume_note(volume: &Volume) -> String {
    let placement = &volume.placement;
    let mut parts: Vec<String> = Vec::new();
    match (&placement.remote, &placement.fstype) {
        (Some(remote), _) => parts.push(remote.to_string()),
        (None, Some(fstype)) => parts.push(fstype.clone()),
        (None, None) if placement.medium == Medium::NotMounted => {
            parts.push(placement.medium.as_str().to_owned());
        }
        (None, None) => parts.push("raw block device".to_owned()),
    }
    if placement.shared {
        let word = if volume.figures_shared {
            "shared"
        } else {
            "shared, with a quota"
        };
        parts.push(word.to_owned());
    }
    if !volume.disagreements.is_empty() {
        parts.push("not where its engine says".to_owned());
    }
    if placement.read_only {
        parts.push("read-only".to_owned());
    }
    if let Some(Err(
        error @ (UsageError::NotResponding
        | UsageError::NotAsked
        | UsageError::NoThread
        | UsageError::Refused(_)
        | UsageError::OtherFilesystem),
    )) = &volume.usage
    {
        parts.push(error.to_string());
    }
    parts.join(", ")
}
