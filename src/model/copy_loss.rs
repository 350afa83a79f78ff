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
    /// What happens when the disk of a node dies that has one of these names; `None` where no object tells of such a disk.
    pub fn disk_loss(&self, node: &str, names: &[&str]) -> Option<DiskLoss<'_>> {
        let node = self.node_called(node);
        let is_it = |disk: &DiskReference| {
            disk.node
                .as_deref()
                .is_some_and(|known| self.node_called(known) == node)
                && names.iter().any(|name| disk.is_called(name))
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
            if let Some((loss, text)) = loss(self, &copies, &is_it) {
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
    // A pool's folder is its disk's own.
    let is_own = copy.pool_key.is_some();
    match (copy.disks.first(), copy.pool_key) {
        (None, Some(pool)) => Some(format!("the pool {pool}")),
        (None, None) => Some("a disk that is not told".to_owned()),
        (Some(disk), _) if is_vague(disk) => match disk.best() {
            // Each such volume has a folder of its own: what counts is what they lie below.
            Some(DiskName::Folder(folder)) if !is_own => {
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
fn loss(
    map: &ClusterMap,
    copies: &Copies<'_>,
    is_it: &impl Fn(&DiskReference) -> bool,
) -> Option<(CopyLoss, String)> {
    let (hit, left): (Vec<_>, Vec<_>) = copies.list.iter().partition(|copy| copy.disks.iter().any(is_it));
    let first = *hit.first()?;
    if !copies.counted {
        return Some(loss_of_spread(map, first, is_it));
    }
    let has_spare = |copy: &&PlacedReplica<'_>| {
        let gone = copy.disks.iter().filter(|disk| is_it(disk)).count();
        let outlived = match copy.layout {
            Some(Layout::Redundant(disks)) => usize::try_from(disks).unwrap_or(usize::MAX),
            _ => 0,
        };
        gone <= outlived && copy.disks.len() > gone
    };
    let state_of_pool = |copy: &PlacedReplica<'_>| copy.pool.and_then(|pool| pool.state);
    let outlives = |copy: &&PlacedReplica<'_>| {
        has_spare(copy) && copy.is_healthy() && state_of_pool(copy) == Some(Health::Healthy)
    };
    if hit.iter().all(outlives) {
        return Some((
            CopyLoss::Degraded,
            "no copy is lost: its pool outlives the loss of a disk".to_owned(),
        ));
    }
    let lost = hit.len();
    if left.is_empty() {
        // A pool that lacks a disk already may or may not do without this one.
        if let Some(copy) = hit.iter().find(|copy| has_spare(copy)) {
            let state = state_of_pool(copy).map_or("not told", Health::as_str);
            let text = format!(
                "may be lost: its pool outlives the loss of a disk while it is healthy; its state: {state}"
            );
            return Some((CopyLoss::NotTold, text));
        }
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

/// What a volume loses that is spread over a pool, or of whose copies no more is told than what they lie on.
fn loss_of_spread(
    map: &ClusterMap,
    copy: &PlacedReplica<'_>,
    is_it: &impl Fn(&DiskReference) -> bool,
) -> (CopyLoss, String) {
    let gone = copy.disks.iter().filter(|disk| is_it(disk)).count();
    let (survives, kept) = match copy.layout {
        Some(Layout::Copies(1)) => {
            let text = "lost in part: its pool keeps a single copy of everything";
            return (CopyLoss::Lost, text.to_owned());
        }
        Some(Layout::Copies(kept)) => (
            (gone as u64) < u64::from(kept),
            format!("its pool keeps {kept} copies of everything"),
        ),
        Some(Layout::Redundant(disks)) => (
            gone as u64 <= u64::from(disks),
            "its pool outlives the loss of a disk".to_owned(),
        ),
        _ if copy.pool_key.is_some() => {
            let text = "may survive: how its pool keeps it is not told";
            return (CopyLoss::NotTold, text.to_owned());
        }
        _ => return (CopyLoss::Lost, "its node loses it".to_owned()),
    };
    let ill = copy.pool.and_then(|pool| map.ill_part_of(pool));
    match ill {
        // What is kept twice as a rule may be there once now.
        Some((pool, state)) => (
            CopyLoss::NotTold,
            format!("may survive: {kept}, and {} is {}", pool.key, state.as_str()),
        ),
        None if survives => (CopyLoss::Degraded, format!("survives, degraded: {kept}")),
        None => (
            CopyLoss::NotTold,
            format!("may survive: {kept}, and the disk has {gone} parts of the pool"),
        ),
    }
}

fn described(copy: &PlacedReplica<'_>) -> String {
    let place = copy.node.as_deref().unwrap_or(&copy.name);
    let state = copy.state.map_or("state not told", Health::as_str);
    format!("{place} {state}")
}
