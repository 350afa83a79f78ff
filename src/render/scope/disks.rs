//! Disks as nodes of Scope's persistent volumes.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::facts::{self, Fact, NAME, NODE_TYPE};
use super::report::{MetadataTemplate, Metric, MetricTemplate, Node, Values};
use super::series::{InWindow, Window, single};
use super::{MOST_DISKS, ids};
use crate::model::bytes::Bytes;
use crate::model::device::{BlockDevice, DeviceNumber, DeviceType, DiskPath};
use crate::model::io::IoRates;
use crate::model::placement::Volume;
use crate::model::topology::{Disk, SWAP};
use crate::state::State;

const SIZE: Fact = ("storage_disk_size", "Capacity");
const MODEL: Fact = ("storage_disk_model", "Model");
const VENDOR: Fact = ("storage_disk_vendor", "Vendor");
pub(super) const SERIAL: Fact = ("storage_disk_serial", "Serial");
pub(super) const WWN: Fact = ("storage_disk_wwn", "WWN");
const MEDIA: Fact = ("storage_disk_media", "Media");
const TRANSPORT: Fact = ("storage_disk_transport", "Transport");
const FIRMWARE: Fact = ("storage_disk_firmware", "Firmware");
const PATH: Fact = ("storage_disk_path", "Path");
const ATTENTION: Fact = ("storage_disk_attention", "Needs attention");
const STATUS: Fact = ("storage_disk_status", "Status");
const CARRIES: Fact = ("storage_disk_carries", "Carries");
const FULLEST_ON: Fact = ("storage_disk_fullest", "Fullest filesystem");
const PROMISED: Fact = ("storage_disk_promised", "Promised");
const CLAIMS: Fact = ("storage_disk_claims", "Claims");
const VOLUMES: Fact = ("storage_disk_volumes", "Volumes");
const PODS: Fact = ("storage_disk_pods", "Pods");
const BACKING_FILE: Fact = ("storage_disk_file", "File");

/// In the order in which the details panel shows them: the first nine at once, the others when asked for more.
const FACTS: [Fact; 19] = [
    (NODE_TYPE, "Type"),
    ATTENTION,
    STATUS,
    SIZE,
    PROMISED,
    CLAIMS,
    VOLUMES,
    CARRIES,
    MODEL,
    SERIAL,
    PODS,
    FULLEST_ON,
    MEDIA,
    TRANSPORT,
    WWN,
    VENDOR,
    FIRMWARE,
    PATH,
    BACKING_FILE,
];

/// A metric made of rates: id, label, format, and the figure.
pub(super) struct RateMetric {
    pub(super) id: &'static str,
    label: &'static str,
    format: &'static str,
    pub(super) value: fn(&IoRates) -> Option<f64>,
    pub(super) needs: Needs,
    /// The true ceiling; without one, the largest figure of the last minute on any disk of this node.
    ceiling: Option<f64>,
}

/// What must be counted for a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Needs {
    /// Requests and bytes.
    Counts,
    /// The time that requests took.
    Times,
    /// The time during which there were requests: only block devices count it.
    Busy,
}

pub(super) const RATE_METRICS: [RateMetric; 7] = [
    RateMetric {
        id: "storage_utilisation",
        needs: Needs::Busy,
        label: "Utilisation",
        format: "percent",
        value: |rates| Some(rates.utilization? * 100.0),
        ceiling: Some(100.0),
    },
    RateMetric {
        id: "storage_read_iops",
        needs: Needs::Counts,
        label: "Read IOPS",
        format: "",
        value: |rates| Some(rates.reads),
        ceiling: None,
    },
    RateMetric {
        id: "storage_write_iops",
        needs: Needs::Counts,
        label: "Write IOPS",
        format: "",
        value: |rates| Some(rates.writes),
        ceiling: None,
    },
    RateMetric {
        id: "storage_read_latency",
        needs: Needs::Times,
        label: "Read latency (ms)",
        format: "",
        value: |rates| rates.read_latency.map(|seconds| seconds * 1e3),
        ceiling: None,
    },
    RateMetric {
        id: "storage_write_latency",
        needs: Needs::Times,
        label: "Write latency (ms)",
        format: "",
        value: |rates| rates.write_latency.map(|seconds| seconds * 1e3),
        ceiling: None,
    },
    RateMetric {
        id: "storage_read_throughput",
        needs: Needs::Counts,
        label: "Read per second",
        format: "filesize",
        value: |rates| Some(rates.read_bytes),
        ceiling: None,
    },
    RateMetric {
        id: "storage_write_throughput",
        needs: Needs::Counts,
        label: "Written per second",
        format: "filesize",
        value: |rates| Some(rates.written_bytes),
        ceiling: None,
    },
];

pub(super) const USED: &str = "storage_used";
pub(super) const FULLEST: &str = "storage_fullest";

/// A disk that the report tells of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    pub(super) disk: &'a Disk,
    pub(super) device: &'a BlockDevice,
}

/// The disks of the report, in order of their numbers. Where there are too many, those that carry something
/// and those that are busy stay.
pub(super) fn shown(state: &State) -> Vec<Shown<'_>> {
    let topology = &state.topology;
    let mut shown: Vec<_> = topology
        .disks
        .iter()
        .chain(&topology.loops)
        .filter_map(|disk| {
            Some(Shown {
                disk,
                device: topology.devices.get(disk.number)?,
            })
        })
        .collect();
    if shown.len() > MOST_DISKS {
        let busy = |shown: &Shown<'_>| {
            state
                .rates
                .latest(shown.disk.number)
                .and_then(|rates| rates.utilization)
                .map_or(0, |share| (share * 1e6) as u64)
        };
        shown.sort_by_cached_key(|shown| {
            (
                shown.disk.carries.is_empty(),
                Reverse(busy(shown)),
                shown.disk.number,
            )
        });
        shown.truncate(MOST_DISKS);
        shown.sort_unstable_by_key(|shown| shown.disk.number);
    }
    shown
}

/// The rates of all disks in the window.
pub(super) type RatesOfDisks<'a> = BTreeMap<DeviceNumber, InWindow<'a>>;

/// The ceiling of each metric: the true one, or the largest figure in the window of any disk that is shown.
pub(super) fn ceilings(shown: &[Shown<'_>], rates: &RatesOfDisks<'_>) -> [f64; RATE_METRICS.len()] {
    RATE_METRICS.each_ref().map(|metric| {
        metric.ceiling.unwrap_or_else(|| {
            shown
                .iter()
                .filter_map(|shown| rates.get(&shown.disk.number))
                .flatten()
                .filter_map(|(_, rates)| (metric.value)(rates))
                .fold(1.0, f64::max)
                .ceil()
        })
    })
}

/// The node of a disk.
pub(super) fn node<'a>(
    state: &'a State,
    shown: Shown<'a>,
    window: &'a Window<'a>,
    rates: &RatesOfDisks<'_>,
    ceilings: &[f64],
    [taken_at, host]: [&'a str; 2],
) -> Node<'a> {
    let rates = rates.get(&shown.disk.number).map_or(&[][..], Vec::as_slice);
    let id = ids::disk(&state.host_id, &shown.device.kernel_name);
    let latest = latest(state, shown, taken_at);
    Node {
        metrics: metrics(shown, window, rates, ceilings, taken_at),
        parents: BTreeMap::from([("host", [host])]),
        ..Node::new(id, ids::PERSISTENT_VOLUME, latest)
    }
}

fn metrics<'a>(
    shown: Shown<'a>,
    window: &'a Window<'a>,
    rates: &[(usize, &IoRates)],
    ceilings: &[f64],
    taken_at: &'a str,
) -> BTreeMap<&'static str, Metric<'a>> {
    let mut metrics: BTreeMap<_, _> = RATE_METRICS
        .iter()
        .zip(ceilings)
        .filter_map(|(metric, ceiling)| {
            let values = rates
                .iter()
                .filter_map(|(at, rates)| Some((*at, (metric.value)(rates)?)));
            Some((metric.id, window.metric(values, *ceiling)?))
        })
        .collect();
    if let (Some(used), Some(size)) = (shown.disk.used, shown.device.size) {
        let used_of_it = single(taken_at, used as f64, size.max(used) as f64);
        metrics.extend(used_of_it.map(|metric| (USED, metric)));
    }
    if let Some((thousandths, _)) = &shown.disk.fullest {
        let fullest = single(taken_at, f64::from(*thousandths) / 10.0, 100.0);
        metrics.extend(fullest.map(|metric| (FULLEST, metric)));
    }
    metrics
}

fn latest<'a>(state: &State, shown: Shown<'a>, taken_at: &'a str) -> Values<'a> {
    let Shown { disk, device } = shown;
    let identity = &disk.identity;
    let known = |text: &'a Option<String>| text.as_deref().map(Cow::Borrowed);
    let kind = if device.device_type == DeviceType::Loop {
        "Loop device"
    } else {
        "Disk"
    };
    let on_it: Vec<&Volume> = state.topology.volumes_on(disk.number).collect();
    let facts: [(&'static str, Option<Cow<'a, str>>); 20] = [
        (NAME, Some(Cow::Owned(label(&device.name, &state.host_id)))),
        (NODE_TYPE, Some(Cow::Borrowed(kind))),
        (
            SIZE.0,
            device.size.map(|size| Cow::Owned(Bytes(size).to_string())),
        ),
        (MODEL.0, known(&identity.model)),
        (VENDOR.0, known(&identity.vendor)),
        (SERIAL.0, known(&identity.serial)),
        (WWN.0, known(&identity.wwn)),
        (MEDIA.0, device.medium().map(Cow::Borrowed)),
        (TRANSPORT.0, identity.transport.as_deref().map(Cow::Borrowed)),
        (FIRMWARE.0, known(&identity.revision)),
        (
            PATH.0,
            match &disk.paths {
                None => known(&identity.path),
                Some(paths) => Some(Cow::Owned(in_words(paths))),
            },
        ),
        (ATTENTION.0, attention(state, disk).map(Cow::Owned)),
        (STATUS.0, Some(status(device))),
        (CARRIES.0, carries(state, disk).map(Cow::Owned)),
        (
            PROMISED.0,
            (!disk.promise.is_empty()).then(|| Cow::Owned(disk.promise.to_string())),
        ),
        (CLAIMS.0, Some(Cow::Owned(claims(state, &on_it)))),
        (VOLUMES.0, Some(Cow::Owned(volumes(&on_it)))),
        (PODS.0, Some(Cow::Owned(pods(state, &on_it)))),
        (
            FULLEST_ON.0,
            disk.fullest
                .as_ref()
                .map(|(_, mount_point)| Cow::Borrowed(mount_point.as_str())),
        ),
        (BACKING_FILE.0, known(&device.backing_file)),
    ];
    facts::latest(taken_at, facts)
}

/// What the graph writes below the disk. It says whose disk it is, because every node has an `sda`. And it has spaces,
/// which no Kubernetes name has: a volume that is called `sda`, too, must not be joined with the disk.
pub(super) fn label(device: &str, host_id: &str) -> String {
    format!("{device} on {host_id}")
}

/// `sda (running), sdb (offline)`.
fn in_words(paths: &[DiskPath]) -> String {
    let words: Vec<String> = paths.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// What is wrong with the disk, and with arrays that it is a member of.
fn attention(state: &State, disk: &Disk) -> Option<String> {
    let topology = &state.topology;
    if topology.troubles.is_empty() {
        return None;
    }
    let words: Vec<String> = topology
        .devices
        .above(disk.number)
        .into_iter()
        .filter_map(|device| {
            let trouble = topology.troubles.get(device.number)?;
            Some(if device.number == disk.number {
                trouble.to_string()
            } else {
                format!("{} {trouble}", device.name)
            })
        })
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

fn status(device: &BlockDevice) -> Cow<'_, str> {
    let state = match (&device.state, device.size) {
        (_, None) => "no medium",
        (Some(state), _) => state,
        (None, Some(_)) => "present",
    };
    if device.read_only == Some(true) {
        Cow::Owned(format!("{state}, read-only"))
    } else {
        Cow::Borrowed(state)
    }
}

/// `sda1 ext4 on /boot; vg0-root xfs on /; sda3 swap`, at most a dozen.
fn carries(state: &State, disk: &Disk) -> Option<String> {
    const MOST: usize = 12;
    let parts: Vec<String> = disk
        .carries
        .iter()
        .take(MOST)
        .filter_map(|number| {
            let device = state.topology.devices.get(*number)?;
            let mut text = device.name.clone();
            if let Some(fstype) = &device.signature.fstype {
                text.push(' ');
                text.push_str(fstype);
            }
            let mut points: Vec<&str> = state
                .topology
                .mount_points_of(*number)
                .iter()
                .map(String::as_str)
                .filter(|point| *point != SWAP)
                .collect();
            points.sort_by_key(|point| point.len());
            if let Some(shortest) = points.first() {
                text.push_str(" on ");
                text.push_str(shortest);
            }
            Some(text)
        })
        .collect();
    if parts.is_empty() {
        return None;
    }
    let more = disk.carries.len().saturating_sub(MOST);
    Some(if more == 0 {
        parts.join("; ")
    } else {
        format!("{}; and {more} more", parts.join("; "))
    })
}

/// Most volumes, claims or pods that are named.
const MOST_NAMES: usize = 20;

/// The PersistentVolumes on it: what breaks if it dies.
fn volumes(on_it: &[&Volume]) -> String {
    let persistent = on_it.iter().filter(|volume| volume.persistent);
    facts::listed(persistent.map(|volume| volume.name.as_str()), MOST_NAMES)
}

/// The claims that have those.
fn claims(state: &State, on_it: &[&Volume]) -> String {
    let claims: BTreeSet<String> = on_it
        .iter()
        .filter_map(|volume| state.topology.claim_of(volume))
        .map(|claim| claim.name.to_string())
        .collect();
    facts::listed(claims.iter().map(String::as_str), MOST_NAMES)
}

/// The pods that have a volume on it, an emptyDir among them: by name where the API says it, else by UID.
fn pods(state: &State, on_it: &[&Volume]) -> String {
    let cluster = state.topology.cluster.as_deref();
    let folders: BTreeSet<&str> = on_it
        .iter()
        .flat_map(|volume| &volume.users)
        .map(|user| user.pod_uid.as_str())
        .collect();
    let pods: BTreeSet<Cow<'_, str>> = folders
        .into_iter()
        .map(|folder| match cluster.and_then(|cluster| cluster.pod(folder)) {
            Some(pod) => Cow::Owned(pod.name.to_string()),
            None => Cow::Borrowed(folder),
        })
        .collect();
    facts::listed(pods.iter().map(AsRef::as_ref), MOST_NAMES)
}

/// Of disks and volumes, which are one topology. Each has an order of its own, since no node is both; but no two facts the same
/// place, as Scope would show those now in one order and now in the other.
pub(super) fn metadata_templates() -> BTreeMap<&'static str, MetadataTemplate> {
    let mut templates = facts::templates(&super::objects::VOLUME_FACTS);
    for template in templates.values_mut() {
        template.priority += 0.5;
    }
    templates.extend(facts::templates(&FACTS));
    templates
}

/// Of everything that is filled or does I/O.
pub(super) fn metric_templates() -> BTreeMap<&'static str, MetricTemplate> {
    let rates = RATE_METRICS
        .iter()
        .map(|metric| (metric.id, metric.label, metric.format));
    let fill = [
        (FULLEST, "Fullest filesystem", "percent"),
        (USED, "Used", "filesize"),
    ];
    fill.into_iter()
        .chain(rates)
        .zip(1_u8..)
        .map(|((id, label, format), priority)| {
            (
                id,
                MetricTemplate {
                    id,
                    label,
                    format,
                    priority: f64::from(priority),
                },
            )
        })
        .collect()
}
