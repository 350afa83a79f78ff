//! Who counts a volume's I/O, and what was counted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::model::device::DeviceNumber;
use crate::model::graph::BlockDevices;
use crate::model::io::{CgroupIo, DatasetIo, IoCounters, NfsIo, OperationCounters};
use crate::model::placement::{IoSource, Medium, Volume, VolumeIo};
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

/// What was read for them.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// By pod and device.
    pub pods: BTreeMap<String, BTreeMap<DeviceNumber, CgroupIo>>,
    /// By dataset.
    pub datasets: BTreeMap<String, DatasetIo>,
    /// By mount point.
    pub nfs: BTreeMap<PathBuf, NfsIo>,
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

/// Fills in each volume's I/O.
pub fn count(
    devices: &BlockDevices,
    device_counters: &BTreeMap<DeviceNumber, IoCounters>,
    counted: &Counted,
    volumes: &mut [Volume],
) {
    let on_disk = volumes_of_pods_by_disk(devices, volumes);
    let owners = volumes_by_filesystem(volumes);
    for volume in volumes.iter_mut().filter(|volume| volume.persistent) {
        volume.io = match counter(devices, volume) {
            Counter::Device(device) => device_counters.get(&device).map(|counters| VolumeIo {
                source: IoSource::Device,
                counters: *counters,
            }),
            Counter::Pods(disk) => of_pods(volume, disk, &on_disk, counted),
            Counter::Dataset(dataset) => counted.datasets.get(&dataset).map(|io| VolumeIo {
                source: IoSource::Zfs,
                counters: plain(io.reads, io.read_bytes, io.writes, io.written_bytes),
            }),
            Counter::Nfs => of_nfs(volume, &owners, counted),
            Counter::Nobody => None,
        };
    }
}

/// The counters of every PersistentVolume, by name, for the history.
pub fn counters(volumes: &[Volume]) -> impl Iterator<Item = (String, IoCounters)> {
    volumes
        .iter()
        .filter(|volume| volume.persistent)
        .filter_map(|volume| Some((volume.name.clone(), volume.io?.counters)))
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
fn volumes_of_pods_by_disk(
    devices: &BlockDevices,
    volumes: &[Volume],
) -> BTreeMap<(String, DeviceNumber), usize> {
    let mut number: BTreeMap<(String, DeviceNumber), usize> = BTreeMap::new();
    for volume in volumes.iter().filter(|volume| volume.persistent) {
        if let Counter::Pods(disk) = counter(devices, volume) {
            for user in &volume.users {
                *number.entry((user.pod_uid.clone(), disk)).or_default() += 1;
            }
        }
    }
    number
}

/// A pod's control group does not tell the pod's volumes on one disk apart: where there are two, nothing is known of either.
fn of_pods(
    volume: &Volume,
    disk: DeviceNumber,
    on_disk: &BTreeMap<(String, DeviceNumber), usize>,
    counted: &Counted,
) -> Option<VolumeIo> {
    let mut sum = CgroupIo::default();
    for user in &volume.users {
        if on_disk
            .get(&(user.pod_uid.clone(), disk))
            .is_some_and(|number| *number > 1)
        {
            return None;
        }
        // A pod that did nothing on the disk is not listed there.
        let io = counted
            .pods
            .get(&user.pod_uid)?
            .get(&disk)
            .copied()
            .unwrap_or_default();
        sum.reads += io.reads;
        sum.writes += io.writes;
        sum.read_bytes += io.read_bytes;
        sum.written_bytes += io.written_bytes;
    }
    let counters = plain(sum.reads, sum.read_bytes, sum.writes, sum.written_bytes);
    Some(VolumeIo {
        source: IoSource::ControlGroup,
        counters,
    })
}

/// The kernel counts per NFS filesystem and not per mount point: pods that mount it alike share the counters, and
/// where another volume does, nothing is known of either.
fn of_nfs(volume: &Volume, owners: &BTreeMap<DeviceNumber, usize>, counted: &Counted) -> Option<VolumeIo> {
    let mut seen = BTreeSet::new();
    let mut counters = IoCounters::default();
    for user in &volume.users {
        let filesystem = user.filesystem?;
        if owners.get(&filesystem).is_some_and(|owners| *owners > 1) {
            return None;
        }
        if seen.insert(filesystem) {
            counters = counters.plus(&of_nfs_mount(counted.nfs.get(&user.path)?));
        }
    }
    (!seen.is_empty()).then_some(VolumeIo {
        source: IoSource::Nfs,
        counters,
    })
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
