//! Families about storage engines: the copies of volumes, the pools that they lie in, and the disks below, on whichever node.
//!
//! A disk has here the labels that the node's own `disk_info` has, as far as the engine's objects know them, so that both can be joined:
//! `device`, `serial`, `wwn`, `path`.

use std::collections::HashSet;
use std::hash::BuildHasher as _;

use super::cluster::claim_labels;
use super::exposition::{Family, Labels, Page, Samples};
use crate::model::cluster_map::ClusterMap;
use crate::model::copies::{Copies, PlacedReplica};
use crate::model::disk_name::DiskReference;
use crate::model::replica::{Health, Layout, Pool};

const REPLICA_INFO: Family = Family::gauge(
    "volume_replica_info",
    "A copy of a volume, its node, its pool and its disk, with a sample for each disk; state is absent where no object tells it. Volumes that are spread over a pool have one sample without a disk. Always 1.",
);
const REPLICAS: Family = Family::gauge(
    "volume_replicas",
    "Copies of the volume. Absent where its engine does not tell them one by one.",
);
const REPLICAS_HEALTHY: Family = Family::gauge(
    "volume_replicas_healthy",
    "Copies of the volume that are whole and can be used. Absent where that is not known of all.",
);
const REPLICAS_WANTED: Family = Family::gauge("volume_replicas_wanted", "Copies that the volume shall have.");
const POOL_INFO: Family = Family::gauge(
    "pool_info",
    "A pool of a storage engine, its node and its state, which is absent where no object tells it. Always 1.",
);
const POOL_CAPACITY: Family = Family::gauge("pool_capacity_bytes", "Bytes that the pool has.");
const POOL_USED: Family = Family::gauge("pool_used_bytes", "Bytes of the pool that are in use.");
const POOL_FREE: Family = Family::gauge("pool_free_bytes", "Bytes of the pool that are free.");
const POOL_DISK: Family = Family::gauge(
    "pool_disk_info",
    "A disk that the pool takes room from. Always 1.",
);
const MANAGED_INFO: Family = Family::gauge(
    "blockdevice_info",
    "A disk that the node disk manager of OpenEBS knows, whether it is there (active, inactive, unknown), and whether it is claimed (claimed, unclaimed, released). Always 1.",
);
const MANAGED_SIZE: Family = Family::gauge("blockdevice_size_bytes", "Size of that disk.");

/// All families that this file knows, for the reference.
pub fn families() -> impl Iterator<Item = &'static Family> {
    const ALL: [Family; 11] = [
        REPLICA_INFO,
        REPLICAS,
        REPLICAS_HEALTHY,
        REPLICAS_WANTED,
        POOL_INFO,
        POOL_CAPACITY,
        POOL_USED,
        POOL_FREE,
        POOL_DISK,
        MANAGED_INFO,
        MANAGED_SIZE,
    ];
    ALL.iter()
}

/// Writes what is known of the cluster's storage engines.
pub fn write(page: &mut Page<'_>, map: &ClusterMap) {
    write_volumes(page, map);
    write_pools(page, map);
    let managed: Vec<_> = map.engines.managed.values().collect();
    page.family(&MANAGED_INFO, |samples| {
        for disk in &managed {
            let named = Labels::one("blockdevice", &disk.name);
            let labels = with_disk(named, map, &disk.disk)
                .with_known("model", disk.model.as_deref())
                .with_known(
                    "state",
                    disk.activity.as_deref().map(str::to_lowercase).as_deref(),
                )
                .with_known(
                    "claim_state",
                    disk.claim_state.as_deref().map(str::to_lowercase).as_deref(),
                )
                .with_known("blockdeviceclaim", disk.claim.as_deref());
            samples.add(&labels, 1_u64);
        }
    });
    page.family(&MANAGED_SIZE, |samples| {
        for disk in &managed {
            if let Some(bytes) = disk.size {
                samples.add(&Labels::one("blockdevice", &disk.name), bytes);
            }
        }
    });
}

fn write_volumes(page: &mut Page<'_>, map: &ClusterMap) {
    let volumes: Vec<(Labels, Copies<'_>)> = map
        .inventory
        .volumes
        .values()
        .filter_map(|volume| {
            let copies = map.copies(volume)?;
            let claim = map.claim(&volume.name).map(|claim| claim_labels(&claim.name));
            let labels = claim
                .unwrap_or_else(Labels::none)
                .with("persistentvolume", &volume.name)
                .with("engine", copies.engine);
            Some((labels, copies))
        })
        .collect();
    page.family(&REPLICA_INFO, |samples| {
        let mut told = Told::default();
        for (labels, copies) in &volumes {
            for copy in &copies.list {
                let labels = with_copy(labels.clone(), copy);
                let spread = copy.node.is_none() && !copies.counted;
                let disks: &[DiskReference] = if spread { &[] } else { &copy.disks };
                if disks.is_empty() {
                    told.add_once(samples, &labels);
                }
                for disk in disks {
                    told.add_once(samples, &with_names(labels.clone(), disk));
                }
            }
        }
    });
    page.family(&REPLICAS, |samples| {
        for (labels, copies) in &volumes {
            if let Some(number) = copies.number() {
                samples.add(labels, number);
            }
        }
    });
    page.family(&REPLICAS_HEALTHY, |samples| {
        for (labels, copies) in &volumes {
            if let Some(number) = copies.healthy() {
                samples.add(labels, number);
            }
        }
    });
    page.family(&REPLICAS_WANTED, |samples| {
        for (labels, copies) in &volumes {
            if let Some(number) = copies.wanted {
                samples.add(labels, number);
            }
        }
    });
}

/// Which labels a family has already, as numbers: of names that differ, of two objects about one thing, or of two attachments of one
/// volume to a node the same may be told, and a server refuses a page with the same series twice.
#[derive(Default)]
struct Told(HashSet<u64>);

impl Told {
    /// True for the first of these labels.
    fn is_first(&mut self, labels: &Labels) -> bool {
        let number = self.0.hasher().hash_one(labels);
        self.0.insert(number)
    }

    fn add_once(&mut self, samples: &mut Samples<'_, '_>, labels: &Labels) {
        if self.is_first(labels) {
            samples.add(labels, 1_u64);
        }
    }
}

fn with_copy(labels: Labels, copy: &PlacedReplica<'_>) -> Labels {
    labels
        .with("replica", &copy.name)
        .with_known("node", copy.node.as_deref())
        .with_known("pool", copy.pool_key.map(|key| key.name.as_str()))
        .with_known("carrier", copy.carrier)
        .with_known("state", copy.state.map(Health::as_str))
}

fn write_pools(page: &mut Page<'_>, map: &ClusterMap) {
    // A node may have two objects with the same pool: one by its name, and one by another that it was known by.
    let mut told = Told::default();
    let pools: Vec<(&Pool, Labels)> = map
        .engines
        .pools
        .values()
        .map(|pool| (&**pool, pool_labels(map, pool)))
        .filter(|(_, labels)| told.is_first(labels))
        .collect();
    page.family(&POOL_INFO, |samples| {
        for (pool, labels) in &pools {
            let layout = pool.layout.map(layout);
            let labels = labels
                .clone()
                .with_known("layout", layout.as_deref())
                .with_known("state", map.pool_state(pool).map(|(state, _)| state.as_str()));
            samples.add(&labels, 1_u64);
        }
    });
    for (family, figure) in [
        (&POOL_CAPACITY, (|pool| pool.capacity) as fn(&Pool) -> Option<u64>),
        (&POOL_USED, |pool| pool.used),
        (&POOL_FREE, |pool| pool.free),
    ] {
        page.family(family, |samples| {
            for (pool, labels) in &pools {
                if let Some(bytes) = figure(pool) {
                    samples.add(labels, bytes);
                }
            }
        });
    }
    page.family(&POOL_DISK, |samples| {
        let mut told = Told::default();
        for (pool, _) in &pools {
            let named = Labels::one("engine", pool.key.engine).with("pool", &pool.key.name);
            for disk in map.disks_of_pool(Some(&pool.key)).iter() {
                told.add_once(samples, &with_disk(named.clone(), map, disk));
            }
        }
    });
}

fn pool_labels(map: &ClusterMap, pool: &Pool) -> Labels {
    let node = pool.node.as_deref().map(|node| map.node_called(node));
    Labels::one("engine", pool.key.engine)
        .with("pool", &pool.key.name)
        .with_known("node", node.as_deref())
}

/// `striped`, `survives 1`, `3 copies`.
fn layout(layout: Layout) -> String {
    match layout {
        Layout::Striped => "striped".to_owned(),
        Layout::Redundant(disks) => format!("survives {disks}"),
        Layout::Copies(copies) => format!("{copies} copies"),
    }
}

fn with_disk(labels: Labels, map: &ClusterMap, disk: &DiskReference) -> Labels {
    let node = disk.node.as_deref().map(|node| map.node_called(node));
    with_names(labels.with_known("node", node.as_deref()), disk)
}

fn with_names(labels: Labels, disk: &DiskReference) -> Labels {
    let best = disk.best().map(ToString::to_string);
    labels
        .with_known("disk", best.as_deref())
        .with_known("device", disk.kernel_name())
        .with_known("serial", disk.serial())
        .with_known("wwn", disk.wwn())
        .with_known("path", disk.bus_path())
}
