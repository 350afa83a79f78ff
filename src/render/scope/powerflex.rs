//! Storage pools of PowerFlex as nodes of Scope's persistent volumes, with edges from the PersistentVolumes that lie in them.
//!
//! As with disks: an unpatched Scope has no sort of node for pools. A pool's name has a space in it (`ssd on prod`), which no
//! Kubernetes name has. The figures bear the time at which the system was read.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::disks::{RATE_METRICS, USED};
use super::facts::{self, Fact, NAME, NODE_TYPE};
use super::report::{Latest, Metric, MetricTemplate, Node, Nodes, Topology, Values};
use super::room::Room;
use super::series::single;
use super::{ids, timestamp, volumes};
use crate::model::backend::BackendReadings;
use crate::model::bytes::Bytes;
use crate::model::powerflex::{Counted, Figure, Generation, Pool, System, VolumePlace, Window};

/// Most pools that one report tells of, so that there is room for claims and volumes; those that need attention and the fullest come first.
const MOST_POOLS: usize = 200;

const ATTENTION: Fact = ("storage_powerflex_attention", "Needs attention");
const SYSTEM: Fact = ("storage_powerflex_system", "PowerFlex system");
const DOMAIN: Fact = ("storage_powerflex_domain", "Protection domain");
const IN_USE: Fact = ("storage_powerflex_in_use", "In use");
const AVAILABLE: Fact = ("storage_powerflex_available", "Left for new volumes");
const RAW: Fact = ("storage_powerflex_raw", "Raw capacity");
const MOVING: Fact = ("storage_powerflex_moving", "Rebuild and rebalance");
const VOLUMES: Fact = ("storage_powerflex_volumes", "Volumes");
const STATE: Fact = ("storage_powerflex_capacity_state", "Capacity state");
const MEDIA: Fact = ("storage_powerflex_media", "Media");
const LAYOUT: Fact = ("storage_powerflex_layout", "Data layout");
const DEVICES: Fact = ("storage_powerflex_devices", "Devices");
const CLUSTER: Fact = ("storage_powerflex_cluster", "Metadata managers");
const VERSION: Fact = ("storage_powerflex_version", "Version");

const FACTS: [Fact; 14] = [
    ATTENTION, IN_USE, AVAILABLE, SYSTEM, DOMAIN, RAW, MOVING, VOLUMES, STATE, MEDIA, LAYOUT, DEVICES,
    CLUSTER, VERSION,
];
/// Disks, volumes and engines' pools have facts in the same topology: no two may have the same place.
const BETWEEN_THE_OTHERS: f64 = 0.4375;

const POOL_USED: &str = "storage_powerflex_used";

/// When each system was read, as text.
pub(super) fn moments(readings: &BackendReadings) -> Vec<String> {
    readings
        .powerflex()
        .map(|system| timestamp(system.taken_at))
        .collect()
}

/// A pool that is told of.
struct Told<'a> {
    system: &'a System,
    pool: &'a Pool,
    moment: &'a str,
    id: String,
}

/// The pools of all systems that one report tells of.
pub(super) struct Pools<'a> {
    told: Vec<Told<'a>>,
    /// The place of each PersistentVolume that lies in one of them, and which one that is.
    places: BTreeMap<&'a str, (&'a VolumePlace, usize)>,
    left_out: usize,
}

impl<'a> Pools<'a> {
    /// The pools of these systems. `moments` are those of [`moments`].
    pub(super) fn of(readings: &'a BackendReadings, moments: &'a [String]) -> Self {
        let systems = readings.powerflex().zip(moments);
        let mut told: Vec<Told<'a>> = systems
            .flat_map(|(system, moment)| {
                system.pools.iter().filter_map(move |pool| {
                    Some(Told {
                        system,
                        pool,
                        moment,
                        id: ids::powerflex_pool(&system.id, &pool.id)?,
                    })
                })
            })
            .collect();
        told.sort_by_key(|told| {
            let fullness = told.pool.used().map(|used| (used * 1e6) as u64);
            (attention(told.pool).is_none(), Reverse(fullness))
        });
        let left_out = told.len().saturating_sub(MOST_POOLS);
        told.truncate(MOST_POOLS);
        let numbers: BTreeMap<(&str, &str), usize> = told
            .iter()
            .enumerate()
            .map(|(number, told)| ((told.system.name.as_str(), told.pool.id.as_str()), number))
            .collect();
        let places = readings.powerflex_volumes.iter().filter_map(|place| {
            let number = numbers.get(&(place.system.as_str(), place.pool_id.as_str()))?;
            Some((place.persistent_volume.as_str(), (place, *number)))
        });
        Self {
            places: places.collect(),
            told,
            left_out,
        }
    }

    /// Writes them.
    pub(super) fn add(&self, nodes: &mut Nodes, room: &mut Room) {
        room.leave_out(self.left_out);
        let ceilings = Ceilings::of(&self.told);
        for told in &self.told {
            let latest = latest(told.system, told.pool, told.moment);
            let mut node = Node::new(told.id.clone(), ids::PERSISTENT_VOLUME, latest);
            node.metrics = metrics(told.pool, &ceilings, told.moment);
            room.add_object(nodes, node);
        }
    }

    /// Adds to the node of a PersistentVolume the edge to its pool, and what it lies on where nobody knows that better.
    pub(super) fn tell_of_place(&self, volume: &str, node: &mut Node<'a>) {
        let Some((place, number)) = self.places.get(volume) else {
            return;
        };
        let told = &self.told[*number];
        node.adjacency.push(told.id.clone());
        if node.latest.get(volumes::LIES_ON.0).is_none() {
            let value = Latest {
                timestamp: told.moment,
                value: Cow::Owned(format!("{} of {} on {}", place.pool, place.domain, place.system)),
            };
            node.latest.set(Cow::Borrowed(volumes::LIES_ON.0), value);
        }
    }

    /// Adds how they are shown, where there are any.
    pub(super) fn add_templates(&self, topology: &mut Topology) {
        if self.told.is_empty() {
            return;
        }
        let mut templates = facts::templates(&FACTS);
        for template in templates.values_mut() {
            template.priority += BETWEEN_THE_OTHERS;
        }
        topology.metadata_templates.extend(templates);
        let last = topology
            .metric_templates
            .values()
            .map(|template| template.priority)
            .fold(0.0, f64::max);
        topology.metric_templates.insert(
            POOL_USED,
            MetricTemplate {
                id: POOL_USED,
                label: "Pool in use",
                format: "percent",
                priority: last + 1.0,
            },
        );
    }
}

/// What is wrong with a pool, the worst first.
fn attention(pool: &Pool) -> Option<Cow<'static, str>> {
    let bytes = |figure: Figure| pool.statistics.bytes(figure).unwrap_or_default();
    let failed = bytes(Figure::FailedCapacityInKb);
    if failed > 0.0 {
        return Some(Cow::Owned(format!(
            "failed: {} cannot be read",
            Bytes(failed as u64)
        )));
    }
    // Of the two halves of what is degraded the one is what is left, and the other what was lost.
    let left = bytes(Figure::DegradedHealthyCapacityInKb);
    if left > 0.0 {
        return Some(Cow::Owned(format!(
            "degraded: {} with one copy left",
            Bytes(left as u64)
        )));
    }
    let lost = bytes(Figure::DegradedFailedCapacityInKb);
    if lost > 0.0 {
        return Some(Cow::Owned(format!(
            "degraded: {} of copies lost",
            Bytes(lost as u64)
        )));
    }
    let used = pool.used()?;
    let reached =
        |threshold: Option<f64>| threshold.is_some_and(|threshold| threshold > 0.0 && used >= threshold);
    let word = if reached(pool.critical_threshold) {
        "nearly full"
    } else if reached(pool.high_threshold) {
        "filling up"
    } else {
        return None;
    };
    Some(Cow::Owned(format!("{word}: {:.0} % in use", used * 100.0)))
}

fn latest<'a>(system: &'a System, pool: &'a Pool, moment: &'a str) -> Values<'a> {
    let bytes = |figure: Figure| pool.statistics.bytes(figure);
    let count = |figure: Figure| {
        pool.statistics
            .figure(figure)
            .map(|count| Cow::Owned(count.to_string()))
    };
    let sized = |bytes: Option<f64>| bytes.map(|bytes| Cow::Owned(Bytes(bytes as u64).to_string()));
    let raw = match pool.generation {
        Generation::Mirrored => bytes(Figure::MaxCapacityInKb),
        Generation::ErasureCoded => None,
    };
    let available = bytes(Figure::CapacityAvailableForVolumeAllocationInKb)
        .or_else(|| pool.statistics.figure(Figure::PhysicalFree));
    let facts = [
        (
            NAME,
            Some(Cow::Owned(format!("{} on {}", pool.name, system.name))),
        ),
        (NODE_TYPE, Some(Cow::Borrowed("PowerFlex storage pool"))),
        (ATTENTION.0, attention(pool)),
        (SYSTEM.0, Some(Cow::Borrowed(system.name.as_str()))),
        (DOMAIN.0, Some(Cow::Borrowed(pool.domain.as_str()))),
        (IN_USE.0, in_use(pool).map(Cow::Owned)),
        (AVAILABLE.0, sized(available)),
        (RAW.0, sized(raw)),
        (MOVING.0, moving(pool).map(Cow::Owned)),
        (VOLUMES.0, count(Figure::NumOfVolumes)),
        (STATE.0, pool.capacity_state.as_deref().map(Cow::Borrowed)),
        (MEDIA.0, pool.media_type.as_deref().map(Cow::Borrowed)),
        (LAYOUT.0, pool.data_layout.as_deref().map(Cow::Borrowed)),
        (DEVICES.0, count(Figure::NumOfDevices)),
        (CLUSTER.0, system.cluster_state.as_deref().map(Cow::Borrowed)),
        (VERSION.0, system.version.as_deref().map(Cow::Borrowed)),
    ];
    facts::latest(moment, facts)
}

/// What lies in it and the most that may, in bytes: raw where all is kept twice.
fn filled(pool: &Pool) -> Option<(f64, f64)> {
    match pool.generation {
        Generation::ErasureCoded => {
            let used = pool.statistics.figure(Figure::PhysicalUsed)?;
            Some((used, pool.statistics.figure(Figure::PhysicalTotal)?))
        }
        Generation::Mirrored => {
            let used = pool.statistics.bytes(Figure::CapacityInUseInKb)?;
            let share = pool.used().filter(|share| *share > 0.0);
            let most = share.map(|share| used / share);
            Some((
                used,
                most.or_else(|| pool.statistics.bytes(Figure::MaxCapacityInKb))?,
            ))
        }
    }
}

fn in_use(pool: &Pool) -> Option<String> {
    let (used, most) = filled(pool)?;
    let raw = match pool.generation {
        Generation::Mirrored => " (raw)",
        Generation::ErasureCoded => "",
    };
    Some(format!("{} of {}{raw}", Bytes(used as u64), Bytes(most as u64)))
}

/// `rebuilding 1.2T, rebalancing 3G`; `None` where nothing moves.
fn moving(pool: &Pool) -> Option<String> {
    let sum = |figures: &[Figure]| -> f64 {
        let known = figures.iter().filter_map(|figure| pool.statistics.bytes(*figure));
        known.sum()
    };
    let rebuilding = sum(&[
        Figure::FwdRebuildCapacityInKb,
        Figure::BckRebuildCapacityInKb,
        Figure::NormRebuildCapacityInKb,
    ]);
    let rebalancing = sum(&[Figure::RebalanceCapacityInKb]);
    let parts: Vec<String> = [("rebuilding", rebuilding), ("rebalancing", rebalancing)]
        .into_iter()
        .filter(|(_, bytes)| *bytes > 0.0)
        .map(|(word, bytes)| format!("{word} {}", Bytes(bytes as u64)))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// The figure of a pool that is a metric of disks as well, in the metric's unit; reads and writes of what clients do.
fn rate(pool: &Pool, metric: &str) -> Option<f64> {
    type Of = fn(Counted) -> Option<f64>;
    // The window of a mirrored pool, what is made of it, and the figure of a pool with erasure coding.
    let (window, of, figure): (Window, Of, Figure) = match metric {
        "storage_read_iops" => (Window::UserDataReadBwc, Counted::per_second, Figure::HostReadIops),
        "storage_write_iops" => (
            Window::UserDataWriteBwc,
            Counted::per_second,
            Figure::HostWriteIops,
        ),
        "storage_read_throughput" => (
            Window::UserDataReadBwc,
            Counted::bytes_per_second,
            Figure::HostReadBandwidth,
        ),
        "storage_write_throughput" => (
            Window::UserDataWriteBwc,
            Counted::bytes_per_second,
            Figure::HostWriteBandwidth,
        ),
        "storage_read_latency" => (
            Window::UserDataSdcReadLatency,
            mean_milliseconds,
            Figure::AvgHostReadLatency,
        ),
        "storage_write_latency" => (
            Window::UserDataSdcWriteLatency,
            mean_milliseconds,
            Figure::AvgHostWriteLatency,
        ),
        _ => return None,
    };
    let microseconds = matches!(figure, Figure::AvgHostReadLatency | Figure::AvgHostWriteLatency);
    let told = || {
        let value = pool.statistics.figure(figure)?;
        Some(if microseconds { value / 1e3 } else { value })
    };
    pool.statistics.window(window).and_then(of).or_else(told)
}

fn mean_milliseconds(counted: Counted) -> Option<f64> {
    counted.mean_seconds().map(|seconds| seconds * 1e3)
}

/// The largest figure of any pool, for each metric: what a full node means.
struct Ceilings(BTreeMap<&'static str, f64>);

impl Ceilings {
    fn of(pools: &[Told<'_>]) -> Self {
        let ceilings = RATE_METRICS.iter().map(|metric| {
            let values = pools.iter().filter_map(|told| rate(told.pool, metric.id));
            (metric.id, values.fold(1.0, f64::max))
        });
        Self(ceilings.collect())
    }
}

fn metrics<'a>(pool: &Pool, ceilings: &Ceilings, moment: &'a str) -> BTreeMap<&'static str, Metric<'a>> {
    let mut metrics = BTreeMap::new();
    let mut add = |id, metric: Option<Metric<'a>>| metrics.extend(metric.map(|metric| (id, metric)));
    if let Some((used, most)) = filled(pool) {
        add(USED, single(moment, used, most.max(used)));
    }
    if let Some(used) = pool.used() {
        // Once a part of the devices is lost more may lie there than should.
        add(POOL_USED, single(moment, (used * 100.0).min(100.0), 100.0));
    }
    for (id, ceiling) in &ceilings.0 {
        if let Some(value) = rate(pool, id) {
            add(*id, single(moment, value, *ceiling));
        }
    }
    metrics
}
