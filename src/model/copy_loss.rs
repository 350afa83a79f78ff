//! What volumes lose when a disk of any node dies, by what their storage engines say.

use std::collections::BTreeMap;

use super::cluster_map::ClusterMap;
use super::copies::{Copies, PlacedReplica};
use super::disk_name::{DiskName, DiskReference};
use super::replica::{Health, Layout, Place};
use super::workload::PersistentVolume;

/// What is left of a volume, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CopyLoss {
    /// Every copy lies there.
    Lost,
    /// The copies that are left are not whole, or cannot be used.
    LastHealthy,
    /// Whether those that are left are whole no object tells.
    NotTold,
    /// A copy is lost, and whole ones are left.
    OneOfMany,
    /// No copy is lost: what is below it has disks to spare.
    Degraded,
}

/// A volume that loses something.
#[derive(Debug, Clone, PartialEq)]
pub struct Loser<'a> {
    /// The volume.
    pub volume: &'a PersistentVolume,
    /// How much.
    pub loss: CopyLoss,
    /// A sentence for people.
    pub text: String,
}

/// What is known to happen when a disk dies, and what cannot be known here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DiskLoss<'a> {
    /// The disk, by all names that are known.
    pub disk: DiskReference,
    /// The pools that take room from it.
    pub pools: Vec<String>,
    /// The volumes that lose something, the worst first.
    pub losers: Vec<Loser<'a>>,
    /// Volumes of engines that have pools on the disk, and do not tell which volumes lie in them.
    pub untold: Vec<&'a PersistentVolume>,
    /// What lies on the same node on disks that are known there alone: how many volumes, by what is known.
    pub elsewhere_known: BTreeMap<String, usize>,
}

impl ClusterMap {
    /// What happens when the disk of a node dies that is called so; `None` where no object tells of such a disk.
    pub fn disk_loss(&self, node: &str, name: &str) -> Option<DiskLoss<'_>> {
        let node = self.node_called(node);
        let is_it = |disk: &DiskReference| {
            disk.node
                .as_deref()
                .is_some_and(|known| self.node_called(known) == node)
                && disk.is_called(name)
        };
        let mut found = DiskLoss::default();
        let mut known: Option<DiskReference> = None;
        let mut meet = |disk: &DiskReference| match &mut known {
            Some(known) => {
                for name in &disk.names {
                    known.add(name.clone());
                }
            }
            None => known = Some(disk.clone()),
        };
        let live = |state: Option<Health>| state != Some(Health::Unknown);
        let managed = self.engines.managed.values();
        for managed in managed.filter(|managed| live(managed.state) && is_it(&managed.disk)) {
            meet(&managed.disk);
        }
        let mut engines: Vec<&str> = Vec::new();
        for (key, disks) in self.pool_disks.iter() {
            if let Some(disk) = disks.iter().find(|disk| is_it(disk)) {
                meet(disk);
                found.pools.push(key.to_string());
                engines.push(key.engine);
            }
        }
        for volume in self.inventory.volumes.values() {
            let Some(copies) = self.copies(volume) else {
                continue;
            };
            for copy in &copies.list {
                if let Some(disk) = copy.disks.iter().find(|disk| is_it(disk)) {
                    meet(disk);
                }
                if copy.node.as_deref() == Some(node.as_str())
                    && let Some(place) = known_there_alone(copy)
                {
                    *found.elsewhere_known.entry(place).or_default() += 1;
                }
            }
            if let Some((loss, text)) = loss(&copies, &is_it) {
                found.losers.push(Loser { volume, loss, text });
            }
            let untold = self.placements.get(&volume.name).is_some_and(|placement| {
                placement.place == Place::Untold && engines.contains(&placement.engine)
            });
            if untold {
                found.untold.push(volume);
            }
        }
        found.losers.sort_by_key(|loser| loser.loss);
        found.disk = known?;
        found.disk.node = Some(node);
        Some(found)
    }

    /// The disks of a node that objects tell of, by their best names.
    pub fn disks_on(&self, node: &str) -> Vec<String> {
        let node = self.node_called(node);
        let managed = self.engines.managed.values().map(|managed| &managed.disk);
        let in_pools = self.pool_disks.values().flat_map(|disks| disks.iter());
        let mut names: Vec<String> = managed
            .chain(in_pools)
            .filter(|disk| {
                disk.node
                    .as_deref()
                    .is_some_and(|known| self.node_called(known) == node)
            })
            .filter_map(|disk| Some(disk.best()?.to_string()))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Where a copy lies, if its disk is known on its node alone.
fn known_there_alone(copy: &PlacedReplica<'_>) -> Option<String> {
    let is_vague = |disk: &DiskReference| {
        matches!(
            disk.best(),
            None | Some(
                DiskName::VolumeGroup(_) | DiskName::ZfsPool(_) | DiskName::Folder(_) | DiskName::Managed(_)
            )
        )
    };
    match (copy.disks.first(), copy.pool_key) {
        (None, Some(pool)) => Some(format!("the pool {pool}")),
        (None, None) => Some("a disk that is not told".to_owned()),
        (Some(disk), _) if is_vague(disk) => match disk.best() {
            // Each such volume has a folder of its own: what counts is what they lie below.
            Some(DiskName::Folder(folder)) => {
                let parent = folder
                    .trim_end_matches('/')
                    .rsplit_once('/')
                    .map_or("/", |(parent, _)| parent);
                Some(format!("below {}", if parent.is_empty() { "/" } else { parent }))
            }
            best => best.map(ToString::to_string),
        },
        _ => None,
    }
}

/// What a volume loses; `None` where nothing of it lies on the disk.
fn loss(copies: &Copies<'_>, is_it: &impl Fn(&DiskReference) -> bool) -> Option<(CopyLoss, String)> {
    let (hit, left): (Vec<_>, Vec<_>) = copies.list.iter().partition(|copy| copy.disks.iter().any(is_it));
    let first = *hit.first()?;
    if !copies.counted {
        return Some(match first.layout {
            Some(Layout::Copies(1)) => (
                CopyLoss::Lost,
                "lost in part: its pool keeps a single copy of everything".to_owned(),
            ),
            Some(Layout::Copies(kept)) => (
                CopyLoss::Degraded,
                format!("survives, degraded: its pool keeps {kept} copies of everything, on different disks"),
            ),
            Some(Layout::Redundant(_)) => (
                CopyLoss::Degraded,
                "survives, degraded: its pool outlives the loss of a disk".to_owned(),
            ),
            _ if first.pool_key.is_some() => (
                CopyLoss::NotTold,
                "may survive: how its pool keeps it is not told".to_owned(),
            ),
            _ => (CopyLoss::Lost, "its node loses it".to_owned()),
        });
    }
    let outlives = |copy: &&PlacedReplica<'_>| {
        matches!(copy.layout, Some(Layout::Redundant(_)))
            && copy.state == Some(Health::Healthy)
            && copy.disks.len() > 1
    };
    if hit.iter().all(outlives) {
        return Some((
            CopyLoss::Degraded,
            "no copy is lost: its pool outlives the loss of a disk".to_owned(),
        ));
    }
    let lost = hit.len();
    if left.is_empty() {
        let all = if lost == 1 {
            "its only copy lies".to_owned()
        } else {
            format!("all {lost} copies lie")
        };
        return Some((CopyLoss::Lost, format!("lost: {all} there")));
    }
    let all = copies.list.len();
    let healthy = left.iter().filter(|copy| copy.is_healthy()).count();
    let told: Vec<String> = left.iter().map(|copy| described(copy)).collect();
    let told = told.join(", ");
    Some(if healthy > 0 {
        (
            CopyLoss::OneOfMany,
            format!("loses {lost} of {all} copies; healthy ones left: {healthy}"),
        )
    } else if left.iter().all(|copy| copy.state.is_none()) {
        (
            CopyLoss::NotTold,
            format!("loses {lost} of {all} copies; how those that are left are is not told"),
        )
    } else if hit.iter().any(|copy| copy.is_healthy()) {
        (
            CopyLoss::LastHealthy,
            format!("loses its last healthy copy; left: {told}"),
        )
    } else {
        (
            CopyLoss::LastHealthy,
            format!("loses {lost} of {all} copies, and has no healthy one; left: {told}"),
        )
    })
}

fn described(copy: &PlacedReplica<'_>) -> String {
    let place = copy.node.as_deref().unwrap_or(&copy.name);
    let state = copy.state.map_or("state not told", Health::as_str);
    format!("{place} {state}")
}
