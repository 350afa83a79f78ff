//! Pods' volumes as nodes of Scope's persistent volumes, with edges to the disks that carry them.
//!
//! Without the API server the UID of a PersistentVolume is not known, and with it not the id that Scope's own probe gives the
//! volume. So the node has an id of the host's, and the PersistentVolume's name, by which Scope joins the claim to it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::disks::{Needs, RATE_METRICS};
use super::facts::{self, Fact, NAME, NODE_TYPE};
use super::report::{Metric, Node, Values};
use super::series::{Window, single};
use super::{engines, ids, objects};
use crate::model::cluster_map::ClusterMap;
use crate::model::copies::Copies;
use crate::model::device::DeviceNumber;
use crate::model::disagreement::sentence;
use crate::model::placement::{IoSource, Medium, Volume};
use crate::model::volume::VolumeMode;
use crate::model::workload::PersistentVolume;
use crate::state::State;

pub(super) const STATUS: Fact = ("storage_volume_status", "On its node");
pub(super) const DEVICE_ATTENTION: Fact = ("storage_volume_device_attention", "Disks need attention");
pub(super) const CAPACITY: Fact = ("storage_volume_size", "Capacity");
pub(super) const LIES_ON: Fact = ("storage_volume_disks", "Lies on");
pub(super) const FILESYSTEM: Fact = ("storage_volume_filesystem", "Filesystem");
pub(super) const DRIVER: Fact = ("storage_volume_driver", "Driver");
pub(super) const HANDLE: Fact = ("storage_volume_handle", "Handle");
pub(super) const SHARED: Fact = ("storage_volume_shared", "Shared");
pub(super) const PODS: Fact = ("storage_volume_pods", "Pods");
pub(super) const COUNTED_BY: Fact = ("storage_volume_io_source", "I/O counted by");

/// The PersistentVolumes that pods of this node use.
pub(super) fn persistent(state: &State) -> impl Iterator<Item = &Volume> {
    state.topology.volumes.iter().filter(|volume| volume.persistent)
}

/// The node of one. Of disks only those in `shown` are named in edges. The kernel's facts are of the first of these moments, the API's
/// of the second.
pub(super) fn node<'a>(
    state: &'a State,
    volume: &'a Volume,
    shown: &BTreeSet<DeviceNumber>,
    window: &'a Window<'a>,
    ceilings: &[f64],
    [taken_at, told_at]: [&'a str; 2],
    host: &'a str,
) -> Node<'a> {
    let object = Object::of(state, volume);
    let id = object
        .as_ref()
        .and_then(|object| ids::object(&object.volume.uid, ids::PERSISTENT_VOLUME))
        .unwrap_or_else(|| ids::volume(&state.host_id, &volume.name));
    Node {
        id,
        topology: ids::PERSISTENT_VOLUME,
        latest: latest(state, volume, object.as_ref(), taken_at, told_at),
        metrics: metrics(state, volume, window, ceilings, taken_at),
        parents: BTreeMap::from([("host", [host])]),
        adjacency: adjacency(state, volume, object.as_ref(), shown),
    }
}

/// What the API says of a volume, where it told of it.
struct Object<'a> {
    map: &'a ClusterMap,
    volume: &'a PersistentVolume,
    copies: Option<Copies<'a>>,
}

impl<'a> Object<'a> {
    fn of(state: &'a State, volume: &Volume) -> Option<Self> {
        let map = state.topology.cluster.as_deref()?;
        let volume = map.volume(&volume.name)?;
        Some(Self {
            map,
            volume,
            copies: map.copies(volume),
        })
    }
}

/// Its disks, its class, and what its engine's copies lie in. A volume that the kernel sees elsewhere than its engine says leads to the
/// kernel's disks alone.
fn adjacency(
    state: &State,
    volume: &Volume,
    object: Option<&Object<'_>>,
    shown: &BTreeSet<DeviceNumber>,
) -> Vec<String> {
    let disks = volume
        .placement
        .disks
        .iter()
        .filter(|disk| shown.contains(disk))
        .filter_map(|disk| state.topology.devices.get(*disk))
        .map(|disk| ids::disk(&state.host_id, &disk.kernel_name));
    let class = object.and_then(|object| objects::class_of(object.map, object.volume.class.as_deref()));
    let mut edges: Vec<String> = disks.chain(class).collect();
    if let Some(object) = object
        && object.map.inventory.role.sees_cluster()
        && volume.disagreements.is_empty()
    {
        let mut of_engine = engines::edges(object.map, object.copies.as_ref());
        of_engine.retain(|edge| !edges.contains(edge));
        edges.append(&mut of_engine);
    }
    edges
}

fn metrics<'a>(
    state: &'a State,
    volume: &Volume,
    window: &'a Window<'a>,
    ceilings: &[f64],
    taken_at: &'a str,
) -> BTreeMap<&'static str, Metric<'a>> {
    let mut metrics = BTreeMap::new();
    if let Some(io) = &volume.io {
        let rates = window.of_volume(&state.volume_rates, io.origin);
        for (metric, ceiling) in RATE_METRICS.iter().zip(ceilings) {
            let known = match metric.needs {
                Needs::Counts => true,
                Needs::Times => io.source.has_times(),
                Needs::Busy => io.source == IoSource::Device,
            };
            if !known {
                continue;
            }
            let values = rates
                .iter()
                .filter_map(|(at, rates)| Some((*at, (metric.value)(rates)?)));
            // The ceiling is the disks'; a remote volume may do more than they all.
            if let Some(mut metric_of_it) = window.metric(values, *ceiling) {
                let most = metric_of_it
                    .samples
                    .iter()
                    .map(|sample| sample.value)
                    .fold(*ceiling, f64::max);
                metric_of_it.max = most;
                metrics.insert(metric.id, metric_of_it);
            }
        }
    }
    add_usage(&mut metrics, volume, taken_at);
    metrics
}

/// How full the volume's filesystem is.
pub(super) fn add_usage<'a>(
    metrics: &mut BTreeMap<&'static str, Metric<'a>>,
    volume: &Volume,
    taken_at: &'a str,
) {
    if let Some(usage) = volume.known_usage() {
        let used = single(taken_at, usage.used() as f64, usage.size as f64);
        metrics.extend(used.map(|metric| (super::disks::USED, metric)));
        let fullness = usage.fullness();
        let fullness = fullness.and_then(|fullness| single(taken_at, fullness * 100.0, 100.0));
        metrics.extend(fullness.map(|metric| (super::disks::FULLEST, metric)));
    }
}

/// What is wrong with devices that the volume lies on, at any depth.
pub(super) fn device_attention<'a>(state: &'a State, volume: &'a Volume) -> Option<Cow<'a, str>> {
    let troubles: Vec<String> = state
        .topology
        .troubles_below(volume)
        .map(|(device, trouble)| format!("{} {trouble}", device.name))
        .collect();
    (!troubles.is_empty()).then(|| Cow::Owned(troubles.join("; ")))
}

fn latest<'a>(
    state: &'a State,
    volume: &'a Volume,
    object: Option<&Object<'a>>,
    taken_at: &'a str,
    told_at: &'a str,
) -> Values<'a> {
    let placement = &volume.placement;
    let cluster = state.topology.cluster.as_deref();
    let pods: Vec<Cow<'_, str>> = volume
        .users
        .iter()
        .map(
            |user| match cluster.and_then(|cluster| cluster.pod(&user.pod_uid)) {
                Some(pod) => Cow::Owned(pod.name.to_string()),
                None => Cow::Borrowed(user.pod_uid.as_str()),
            },
        )
        .collect();
    let facts: [(&'static str, Option<Cow<'a, str>>); 12] = [
        (NAME, Some(Cow::Borrowed(volume.name.as_str()))),
        (NODE_TYPE, Some(Cow::Borrowed("Persistent Volume"))),
        (STATUS.0, Some(status(volume))),
        // Beside what the API says of the volume, which is the cluster's process's to tell as well.
        (DEVICE_ATTENTION.0, device_attention(state, volume)),
        (CAPACITY.0, objects::bytes(volume.capacity())),
        (LIES_ON.0, lies_on(state, volume)),
        (FILESYSTEM.0, filesystem(volume)),
        (
            SHARED.0,
            placement
                .shared
                .then_some(Cow::Borrowed(if volume.figures_shared {
                    "with others: capacity and use are the whole filesystem's"
                } else {
                    "with others: capacity and use are those of its quota"
                })),
        ),
        (DRIVER.0, Some(Cow::Borrowed(volume.driver.as_str()))),
        (HANDLE.0, volume.handle.as_deref().map(Cow::Borrowed)),
        (PODS.0, Some(Cow::Owned(pods.join(", ")))),
        (
            COUNTED_BY.0,
            volume.io.map(|io| Cow::Borrowed(io.source.as_str())),
        ),
    ];
    let told = object.map(|object| objects::volume_facts(object.map, object.volume, object.copies.as_ref()));
    let mut latest = facts::latest(taken_at, facts);
    latest.extend(facts::latest(told_at, told.into_iter().flatten()));
    if let Some(sentence) = sentence(&volume.disagreements) {
        let of_object = cluster.and_then(|cluster| cluster.attention_of_volume(&volume.name));
        let both = match of_object {
            Some(attention) => format!("{sentence}; {attention}"),
            None => sentence,
        };
        latest.extend(facts::latest(
            taken_at,
            [(objects::VOLUME_ATTENTION.0, Some(Cow::Owned(both)))],
        ));
    }
    latest
}

fn status(volume: &Volume) -> Cow<'_, str> {
    if let Some(Err(error)) = &volume.usage {
        return Cow::Owned(error.to_string());
    }
    let word = if volume.mode == VolumeMode::Block {
        "raw block device"
    } else {
        "mounted"
    };
    match volume.placement.medium {
        Medium::NotMounted => Cow::Borrowed("not mounted"),
        _ if volume.placement.read_only => Cow::Owned(format!("{word}, read-only")),
        _ => Cow::Borrowed(word),
    }
}

fn filesystem(volume: &Volume) -> Option<Cow<'_, str>> {
    let fstype = volume.placement.fstype.as_deref()?;
    Some(match &volume.placement.mount_point {
        Some(point) => Cow::Owned([fstype, " on ", &point.to_string_lossy()].concat()),
        None => Cow::Borrowed(fstype),
    })
}

/// `nvme0n1 (S64HNE0R1), sda (ZC1)`, or the other machine.
pub(super) fn lies_on<'a>(state: &State, volume: &Volume) -> Option<Cow<'a, str>> {
    let mut parts: Vec<String> = volume
        .placement
        .disks
        .iter()
        .filter_map(|disk| {
            let device = state.topology.devices.get(*disk)?;
            let serial = state
                .topology
                .disk(*disk)
                .and_then(|disk| disk.identity.serial.as_deref());
            Some(serial.map_or_else(
                || device.name.clone(),
                |serial| [device.name.as_str(), " (", serial, ")"].concat(),
            ))
        })
        .collect();
    parts.extend(volume.placement.remote.as_ref().map(ToString::to_string));
    if parts.is_empty() && volume.placement.medium == Medium::Memory {
        parts.push("memory".into());
    }
    (!parts.is_empty()).then(|| Cow::Owned(parts.join(", ")))
}
