//! Copies of volumes in the tree, down to the disks of whichever node; and the other way round, what a disk's death costs.

use super::pods::{MODEL, NOTE, SERIAL, SIZE};
use super::{Row, add_line, branch};
use crate::model::bytes::Bytes;
use crate::model::cluster_map::ClusterMap;
use crate::model::copies::{Copies, PlacedReplica};
use crate::model::disk_name::{DiskName, DiskReference};
use crate::model::mount::parts_in_use;
use crate::model::placement::Volume;
use crate::model::replica::Pool;
use crate::model::workload::PersistentVolume;
use crate::state::State;

const USED: usize = 3;
const SHARE: usize = 4;

/// Adds the copies of a volume below it. What the kernel of this node has drawn already is not drawn twice, and what it contradicts is
/// marked.
pub(super) fn add(
    cluster: &ClusterMap,
    volume: &PersistentVolume,
    drawn_by_kernel: Option<&Volume>,
    indent: &str,
    rows: &mut Vec<Row>,
) {
    let Some(copies) = cluster.copies(volume) else {
        return;
    };
    let is_news = copies.list.len() > 1 || copies.list.iter().any(|copy| copy.pool_key.is_some());
    if drawn_by_kernel.is_some() && !is_news {
        return;
    }
    // A single copy that is no more than its disk is not drawn in a line of its own.
    if let ([copy], false) = (copies.list.as_slice(), is_news) {
        add_disks(cluster, &copy.disks, indent, rows);
        return;
    }
    let last = copies.list.len().saturating_sub(1);
    for (at, copy) in copies.list.iter().enumerate() {
        let (own, further) = branch(at == last);
        let mut row = copy_row(&copies, copy, &format!("{indent}{own}"));
        if drawn_by_kernel.is_some_and(|volume| !volume.disagreements.is_empty()) {
            "not believed: the kernel says otherwise".clone_into(&mut row[NOTE]);
        }
        rows.push(row);
        add_below(cluster, copy, &format!("{indent}{further}"), rows);
    }
}

fn add_below(cluster: &ClusterMap, copy: &PlacedReplica<'_>, indent: &str, rows: &mut Vec<Row>) {
    let Some(pool) = copy.pool else {
        add_disks(cluster, &copy.disks, indent, rows);
        return;
    };
    let (own, further) = branch(true);
    rows.push(pool_row(cluster, pool, &format!("{indent}{own}")));
    add_disks(cluster, &copy.disks, &format!("{indent}{further}"), rows);
}

fn add_disks(cluster: &ClusterMap, disks: &[DiskReference], indent: &str, rows: &mut Vec<Row>) {
    let last = disks.len().saturating_sub(1);
    for (at, disk) in disks.iter().enumerate() {
        let (own, _) = branch(at == last);
        rows.push(disk_row(cluster, disk, &format!("{indent}{own}")));
    }
}

fn copy_row(copies: &Copies<'_>, copy: &PlacedReplica<'_>, indent: &str) -> Row {
    let mut row: Row = Default::default();
    row[0] = format!("{indent}{}", copy.name);
    let sort = if copies.counted { "replica" } else { "data" };
    sort.clone_into(&mut row[1]);
    row[SIZE] = copy.size.map(|size| Bytes(size).to_string()).unwrap_or_default();
    copies.engine.clone_into(&mut row[MODEL]);
    copy.node.clone().unwrap_or_default().clone_into(&mut row[SERIAL]);
    row[NOTE] = match (copy.state, &copy.reason) {
        (Some(state), Some(reason)) => format!("{}: {reason}", state.as_str()),
        (Some(state), None) => state.as_str().to_owned(),
        (None, _) => String::new(),
    };
    row
}

fn pool_row(cluster: &ClusterMap, pool: &Pool, indent: &str) -> Row {
    let mut row: Row = Default::default();
    row[0] = format!("{indent}{}", pool.key.name);
    "pool".clone_into(&mut row[1]);
    let text = |bytes: Option<u64>| bytes.map(|bytes| Bytes(bytes).to_string()).unwrap_or_default();
    row[SIZE] = text(pool.capacity);
    row[USED] = text(pool.used);
    let percent = pool
        .used
        .zip(pool.capacity)
        .and_then(|(used, capacity)| parts_in_use(used, capacity, 100));
    row[SHARE] = percent.map(|percent| format!("{percent}%")).unwrap_or_default();
    row[SERIAL] = pool
        .node
        .as_deref()
        .map(|node| cluster.node_called(node))
        .unwrap_or_default();
    row[NOTE] = match cluster.pool_state(pool) {
        Some((state, Some(reason))) => format!("{}: {reason}", state.as_str()),
        Some((state, None)) => state.as_str().to_owned(),
        None => String::new(),
    };
    row
}

fn disk_row(cluster: &ClusterMap, disk: &DiskReference, indent: &str) -> Row {
    let mut row: Row = Default::default();
    row[0] = format!("{indent}{disk}");
    let sort = match disk.best() {
        Some(DiskName::VolumeGroup(_)) => "vg",
        Some(DiskName::ZfsPool(_)) => "zpool",
        Some(DiskName::Folder(_)) => "folder",
        _ => "disk",
    };
    sort.clone_into(&mut row[1]);
    let managed = cluster.managed_disk(disk);
    if let Some(managed) = managed {
        row[SIZE] = managed
            .size
            .map(|size| Bytes(size).to_string())
            .unwrap_or_default();
        row[MODEL] = managed.model.clone().unwrap_or_default();
        row[NOTE] = managed.activity.as_deref().unwrap_or_default().to_lowercase();
    }
    let identity = disk.serial().or(disk.wwn());
    identity.unwrap_or_default().clone_into(&mut row[SERIAL]);
    row
}

/// What dies with a disk of any node that is called by one of these names (`sdb`); `None` where no object of the cluster tells of it.
pub(super) fn disk(state: &State, node: &str, names: &[&str]) -> Option<String> {
    let cluster = state.topology.cluster.as_deref()?;
    let loss = cluster.disk_loss(node, names)?;
    let known = &loss.disk;
    let mut text = String::new();
    let names: Vec<String> = known.names.iter().map(ToString::to_string).collect();
    add_line(&mut text, &format!("{known}: {}", names.join(", ")));
    if !loss.pools.is_empty() {
        add_line(&mut text, &format!("Pools on it: {}.", loss.pools.join(", ")));
    }
    text.push('\n');
    add_line(&mut text, &format!("If {known} dies:"));
    if loss.losers.is_empty() && loss.untold.is_empty() {
        text.push_str("  no volume is known to lose a copy\n");
    }
    for loser in &loss.losers {
        let name = claim_or_name(cluster, loser.volume);
        add_line(&mut text, &format!("  {name}: {}", loser.text));
    }
    for volume in &loss.untold {
        let name = claim_or_name(cluster, volume);
        add_line(
            &mut text,
            &format!("  {name}: may lose a copy: its engine's objects do not tell which pools it lies in"),
        );
    }
    if !loss.elsewhere_known.is_empty() {
        let node = known.node.as_deref().unwrap_or_default();
        text.push('\n');
        add_line(
            &mut text,
            &format!("Which disks these lie on {node} alone knows (tree --disk there):"),
        );
        for (place, volumes) in &loss.elsewhere_known {
            let plural = if *volumes == 1 { "copy" } else { "copies" };
            add_line(&mut text, &format!("  {place}: {volumes} {plural}"));
        }
    }
    Some(text)
}

fn claim_or_name(cluster: &ClusterMap, volume: &PersistentVolume) -> String {
    match cluster.claim(&volume.name) {
        Some(claim) => format!("{}, volume {}", claim.name, volume.name),
        None => format!("volume {}", volume.name),
    }
}
