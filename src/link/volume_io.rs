//! Who counts a volume's I/O, and what was counted.

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::volume_sums::{Part, VolumeSums};
use crate::model::device::DeviceNumber;
use crate::model::graph::BlockDevices;
use crate::model::io::{CgroupIo, CountedElsewhere, IoCounters, NfsIo, OperationCounters};
use crate::model::placement::{IoSource, Medium, Volume, VolumeIo, VolumeUser};
use crate::model::volume::VolumeMode;

/// Whose counters must be read for the volumes that have no device to themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Pods whose control groups count.
    pub pods: BTreeSet<String>,
    /// ZFS datasets.
    pub datasets: BTreeSet<String>,
    /// True where there is an NFS mount.
    pub nfs: bool,
}

/// How a volume's I/O is counted.
enum Counter {
    Device(DeviceNumber),
    /// The pods' control groups, on this disk.
    Pods(DeviceNumber),
    Dataset(String),
    Nfs,
    Nobody,
}

impl Counter {
    fn source(&self) -> Option<IoSource> {
        Some(match self {
            Self::Device(_) => IoSource::Device,
            Self::Pods(_) => IoSource::ControlGroup,
            Self::Dataset(_) => IoSource::Zfs,
            Self::Nfs => IoSource::Nfs,
            Self::Nobody => return None,
        })
    }
}

/// What to read. Asked for volumes with a PersistentVolume only: what others do is part of the node's own filesystems' I/O.
pub fn wanted(devices: &BlockDevices, volumes: &[Volume]) -> Wanted {
    let mut wanted = Wanted::default();
    for volume in volumes.iter().filter(|volume| volume.persistent) {
        match counter(devices, volume) {
            Counter::Pods(_) => wanted
                .pods
                .extend(volume.users.iter().map(|user| user.pod_uid.clone())),
            Counter::Dataset(dataset) => {
                wanted.datasets.insert(dataset);
            }
            Counter::Nfs => wanted.nfs = true,
            Counter::Device(_) | Counter::Nobody => {}
        }
    }
    wanted
}

/// Fills in each volume's I/O. What those had counted who have gone is in `sums`.
pub fn count(
    devices: &BlockDevices,
    device_counters: &BTreeMap<DeviceNumber, IoCounters>,
    counted: &CountedElsewhere,
    sums: &mut VolumeSums,
    volumes: &mut [Volume],
) {
    sums.begin();
    let on_disk = LazyCell::new(|| volumes_of_pods_by_disk(devices, volumes));
    let owners = LazyCell::new(|| volumes_by_filesystem(volumes));
    let mut of = |volume: &Volume| {
        let who = counter(devices, volume);
        let mut sum_of = |parts: Option<Vec<(u64, Part)>>| {
            let sum = source_of(devices, counted, volume, &who).finish();
            let Some(parts) = parts else {
                sums.keep(sum);
                return None;
            };
            Some(sums.sum(sum, parts))
        };
        let counters = match &who {
            Counter::Device(device) => device_counters.get(device).copied(),
            Counter::Pods(disk) => sum_of(of_pods(volume, *disk, &on_disk, counted)),
            Counter::Dataset(dataset) => {
                let io = counted.datasets.get(dataset);
                io.map(|io| plain(io.reads, io.read_bytes, io.writes, io.written_bytes))
            }
            Counter::Nfs => sum_of(of_nfs(volume, &owners, counted)),
            Counter::Nobody => None,
        }?;
        Some(VolumeIo {
            source: who.source()?,
            origin: origin(devices, counted, volume, &who),
            counters,
        })
    };
    let persistent = volumes.iter().filter(|volume| volume.persistent);
    let found: Vec<_> = persistent.map(&mut of).collect();
    sums.end();
    let persistent = volumes.iter_mut().filter(|volume| volume.persistent);
    for (volume, io) in persistent.zip(found) {
        volume.io = io;
    }
}

/// The counters of every PersistentVolume, by their origin, for the history.
pub fn counters(volumes: &[Volume]) -> impl Iterator<Item = (u64, IoCounters)> {
    volumes
        .iter()
        .filter(|volume| volume.persistent)
        .filter_map(|volume| Some((volume.io?.origin, volume.io?.counters)))
}

/// What counts a volume, whoever uses it.
fn source_of(
    devices: &BlockDevices,
    counted: &CountedElsewhere,
    volume: &Volume,
    who: &Counter,
) -> DefaultHasher {
    // Of a node's volumes no two have the same 64 bits but once in a million million nodes.
    let mut hasher = DefaultHasher::new();
    volume.name.hash(&mut hasher);
    who.source().map(IoSource::as_str).hash(&mut hasher);
    match who {
        Counter::Device(device) | Counter::Pods(device) => {
            device.hash(&mut hasher);
            devices.incarnation(*device).hash(&mut hasher);
        }
        Counter::Dataset(dataset) => {
            dataset.hash(&mut hasher);
            let created = counted.datasets.get(dataset).map(|io| io.created);
            created.hash(&mut hasher);
        }
        Counter::Nfs | Counter::Nobody => {}
    }
    hasher
}

/// Whose counters those of a volume are: the same as long as they go on from where they were. A disk's were not begun with the volume, nor a
/// pod's with its use of it, so whatever takes their place is another.
fn origin(devices: &BlockDevices, counted: &CountedElsewhere, volume: &Volume, who: &Counter) -> u64 {
    let mut hasher = source_of(devices, counted, volume, who);
    match who {
        Counter::Pods(_) => volume.users.iter().for_each(|user| {
            user.pod_uid.hash(&mut hasher);
            let incarnation = counted.pods.get(&user.pod_uid).map(|pod| pod.incarnation);
            incarnation.hash(&mut hasher);
        }),
        Counter::Nfs => {
            let filesystem = |user: &VolumeUser| {
                let incarnation = counted.nfs.get(&user.path).map(|io| io.incarnation);
                (user.filesystem, incarnation)
            };
            let filesystems: BTreeSet<_> = volume.users.iter().map(filesystem).collect();
            filesystems.hash(&mut hasher);
        }
        Counter::Device(_) | Counter::Dataset(_) | Counter::Nobody => {}
    }
    hasher.finish()
}

fn counter(devices: &BlockDevices, volume: &Volume) -> Counter {
    let placement = &volume.placement;
    match (placement.medium, placement.fstype.as_deref()) {
        (_, Some("zfs")) => placement.source.clone().map_or(Counter::Nobody, Counter::Dataset),
        (Medium::Network, Some("nfs" | "nfs4")) => Counter::Nfs,
        // In memory only what has no device is counted by nobody: zram, or a loop device on a file there, does count.
        (Medium::Disk | Medium::Memory, _) => match placement.devices.as_slice() {
            [device] if !placement.shared || volume.mode == VolumeMode::Block => Counter::Device(*device),
            [device] => Counter::Pods(devices.counted_at(*device)),
            _ => Counter::Nobody,
        },
        _ => Counter::Nobody,
    }
}

/// For each pod and device how many of the pod's persistent volumes share it.
fn volumes_of_pods_by_disk<'a>(
    devices: &BlockDevices,
    volumes: &'a [Volume],
) -> BTreeMap<(&'a str, DeviceNumber), usize> {
    let mut number: BTreeMap<(&str, DeviceNumber), usize> = BTreeMap::new();
    for volume in volumes.iter().filter(|volume| volume.persistent) {
        if let Counter::Pods(disk) = counter(devices, volume) {
            for user in &volume.users {
                *number.entry((user.pod_uid.as_str(), disk)).or_default() += 1;
            }
        }
    }
    number
}

/// A name as a number.
fn number_of(name: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// A pod's control group does not tell the pod's volumes on one disk apart: where there are two, nothing is known of either.
fn of_pods(
    volume: &Volume,
    disk: DeviceNumber,
    on_disk: &BTreeMap<(&str, DeviceNumber), usize>,
    counted: &CountedElsewhere,
) -> Option<Vec<(u64, Part)>> {
    let of_pod = |user: &VolumeUser| {
        if on_disk
            .get(&(user.pod_uid.as_str(), disk))
            .is_some_and(|number| *number > 1)
        {
            return None;
        }
        let pod = counted.pods.get(&user.pod_uid)?;
        // A pod that did nothing on the disk is not listed there, but nor is one whose I/O there nobody counts.
        let nothing = || pod.is_complete.then(CgroupIo::default);
        let io = pod.devices.get(&disk).copied().or_else(nothing)?;
        let part = Part {
            incarnation: pod.incarnation,
            // Of a sum over containers, as in version 1, some may be the same as before.
            begins_anew: pod.is_complete,
            counters: plain(io.reads, io.read_bytes, io.writes, io.written_bytes),
        };
        Some((number_of(&user.pod_uid), part))
    };
    volume.users.iter().map(of_pod).collect()
}

/// The kernel counts per NFS filesystem and not per mount point: pods that mount it alike share the counters, and
/// where another volume does, nothing is known of either.
fn of_nfs(
    volume: &Volume,
    owners: &BTreeMap<DeviceNumber, usize>,
    counted: &CountedElsewhere,
) -> Option<Vec<(u64, Part)>> {
    let mut seen = BTreeSet::new();
    let mut parts = Vec::new();
    for user in &volume.users {
        let filesystem = user.filesystem?;
        if owners.get(&filesystem).is_some_and(|owners| *owners > 1) {
            return None;
        }
        if seen.insert(filesystem) {
            let io = counted.nfs.get(&user.path)?;
            let part = Part {
                incarnation: io.incarnation,
                begins_anew: true,
                counters: of_nfs_mount(io),
            };
            parts.push((number_of(filesystem), part));
        }
    }
    (!parts.is_empty()).then_some(parts)
}

/// For each filesystem how many volumes have a mount of it.
fn volumes_by_filesystem(volumes: &[Volume]) -> BTreeMap<DeviceNumber, usize> {
    let mut number = BTreeMap::new();
    for volume in volumes {
        let filesystems: BTreeSet<_> = volume.users.iter().filter_map(|user| user.filesystem).collect();
        for filesystem in filesystems {
            *number.entry(filesystem).or_default() += 1;
        }
    }
    number
}

fn of_nfs_mount(io: &NfsIo) -> IoCounters {
    IoCounters {
        reads: OperationCounters {
            completed: io.reads,
            merged: 0,
            bytes: io.read_bytes,
            milliseconds: io.read_milliseconds,
        },
        writes: OperationCounters {
            completed: io.writes,
            merged: 0,
            bytes: io.written_bytes,
            milliseconds: io.write_milliseconds,
        },
        ..IoCounters::default()
    }
}

fn plain(reads: u64, read_bytes: u64, writes: u64, written_bytes: u64) -> IoCounters {
    IoCounters {
        reads: OperationCounters {
            completed: reads,
            bytes: read_bytes,
            ..OperationCounters::default()
        },
        writes: OperationCounters {
            completed: writes,
            bytes: written_bytes,
            ..OperationCounters::default()
        },
        ..IoCounters::default()
    }
}
