//! Joins what the sources said into the storage map.
//!
//! A plain function of values: nothing is read here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::disagreements::Seen;
use super::{promises, volumes};

use crate::model::cluster_map::{ClusterMap, Declared};
use crate::model::device::{BlockDevice, DeviceNumber, DeviceType, Identity};
use crate::model::graph::BlockDevices;
use crate::model::host::HostSample;
use crate::model::mount::{Filesystem, FilesystemUsage, Mount, UsageError};
use crate::model::placement::{Placement, Volume};
use crate::model::topology::{Disk, SWAP, Topology};
use crate::model::trouble::Troubles;
use crate::model::volume::VolumeMode;

/// The map of one node.
pub fn link(sample: &HostSample, cluster: Option<Arc<ClusterMap>>) -> Topology {
    let devices = &sample.devices;
    let mount_points = mount_points(devices, &sample.mounts, &sample.swaps);
    let filesystems = filesystems_by_disk(devices, &sample.filesystems);
    let volumes = volumes(sample, cluster.as_deref());
    let promised = promises::of_disks(&volumes);
    let disk = |disk: &BlockDevice| {
        let on_it = filesystems.get(&disk.number).map_or(&[][..], Vec::as_slice);
        Disk {
            number: disk.number,
            identity: identity(devices, disk),
            paths: devices.paths(disk),
            carries: carries(devices, disk, &mount_points),
            used: used(devices, on_it),
            fullest: fullest(on_it),
            promise: promised.get(&disk.number).copied().unwrap_or_default(),
        }
    };
    let disks = devices.disks().map(disk).collect();
    let loops = devices
        .iter()
        .filter(|device| is_writable_loop(device, &sample.kubelet))
        .map(disk)
        .collect();
    Topology {
        devices: Arc::clone(devices),
        mount_points,
        disks,
        loops,
        troubles: Troubles::of(devices),
        volumes,
        cluster,
    }
}

fn volumes(sample: &HostSample, cluster: Option<&ClusterMap>) -> Vec<Volume> {
    let nothing = Declared::default();
    let mut volumes = volumes::place(&volumes::Facts {
        mounts: &sample.mounts,
        devices: &sample.devices,
        btrfs: &sample.btrfs,
        remotes: &sample.remotes,
        mount_remotes: &sample.mount_remotes,
        kubelet: &sample.kubelet,
        pod_volumes: &sample.pod_volumes,
        declared: cluster.map_or(&nothing, |cluster| &cluster.declared),
    });
    let seen = Seen::new(&sample.devices, &sample.mounts);
    for volume in &mut volumes {
        if volume.mode == VolumeMode::Block {
            let device = volume
                .placement
                .devices
                .first()
                .and_then(|device| sample.devices.get(*device));
            volume.device_size = device.and_then(|device| device.size);
        } else {
            let answers = volume
                .users
                .iter()
                .filter_map(|user| sample.volume_usage.get(user.path.as_os_str()));
            // Of several pods' mounts of one filesystem one answer is enough.
            volume.usage = answers
                .clone()
                .find(|answer| answer.is_ok())
                .or_else(|| answers.clone().next())
                .cloned()
                .or_else(|| usage_of_filesystem(sample, &volume.placement));
        }
        volume.promised = promises::of_volume(&sample.devices, cluster, volume);
        volume.disagreements = cluster.map_or_else(Vec::new, |cluster| seen.disagreements(cluster, volume));
    }
    volumes
}

/// A path of the node, an emptyDir among them, lies on a filesystem of the node's own, which has been asked already.
fn usage_of_filesystem(
    sample: &HostSample,
    placement: &Placement,
) -> Option<Result<FilesystemUsage, UsageError>> {
    let number = placement.number?;
    let found = sample
        .filesystems
        .iter()
        .find(|filesystem| filesystem.number == number)?;
    Some(found.usage.clone())
}

/// The kubelet holds a loop device on each raw block volume, so that nobody takes the device away: that is no disk.
fn is_writable_loop(device: &BlockDevice, kubelet: &Path) -> bool {
    let held = |file: &String| Path::new(file).starts_with(kubelet.join("plugins"));
    device.device_type == DeviceType::Loop
        && device.read_only != Some(true)
        && !device.backing_file.as_ref().is_some_and(held)
}

/// The device that a mount is of: by its number, or for btrfs, whose numbers are anonymous, by its source.
fn device_of<'a>(
    devices: &'a BlockDevices,
    number: DeviceNumber,
    fstype: &str,
    source: &str,
) -> Option<&'a BlockDevice> {
    if fstype == "btrfs" {
        devices.by_source(source)
    } else {
        devices.get(number)
    }
}

fn mount_points(
    devices: &BlockDevices,
    mounts: &[Mount],
    swaps: &[String],
) -> BTreeMap<DeviceNumber, Vec<String>> {
    let mut points: BTreeMap<DeviceNumber, Vec<String>> = BTreeMap::new();
    for mount in mounts {
        if let Some(device) = device_of(devices, mount.number, &mount.fstype, &mount.source) {
            let point = mount.mount_point.to_string_lossy();
            let known = points.entry(device.number).or_default();
            if !known.iter().any(|known| *known == point) {
                known.push(point.into_owned());
            }
        }
    }
    for device in swaps.iter().filter_map(|swap| devices.by_source(swap)) {
        points.entry(device.number).or_default().push(SWAP.to_owned());
    }
    points
}

fn identity(devices: &BlockDevices, disk: &BlockDevice) -> Identity {
    if disk.device_type != DeviceType::Multipath {
        return disk.identity.clone();
    }
    // The paths all lead to one disk and say the same of it, but each is attached elsewhere.
    let mut identity = disk
        .parents
        .iter()
        .find_map(|path| devices.get(*path))
        .map(|path| path.identity.clone())
        .unwrap_or_default();
    identity.path = None;
    identity
}

/// What is mounted from the disk, and what could be: the ends of its stacks that hold something.
fn carries(
    devices: &BlockDevices,
    disk: &BlockDevice,
    mount_points: &BTreeMap<DeviceNumber, Vec<String>>,
) -> Vec<DeviceNumber> {
    let above = devices.above(disk.number);
    let mut carried: Vec<_> = above
        .into_iter()
        .filter(|device| {
            let is_end = device.children.is_empty() && device.number != disk.number;
            is_end
                || mount_points.contains_key(&device.number)
                || (device.children.is_empty() && device.signature.fstype.is_some())
        })
        .map(|device| device.number)
        .collect();
    carried.sort_unstable();
    carried
}

struct OnDisk<'a> {
    filesystem: &'a Filesystem,
    device: DeviceNumber,
}

fn filesystems_by_disk<'a>(
    devices: &BlockDevices,
    filesystems: &'a [Filesystem],
) -> BTreeMap<DeviceNumber, Vec<OnDisk<'a>>> {
    let mut on_disks: BTreeMap<DeviceNumber, Vec<OnDisk<'a>>> = BTreeMap::new();
    for filesystem in filesystems {
        if let Some(device) = device_of(devices, filesystem.number, &filesystem.fstype, &filesystem.source) {
            for disk in devices.disks_of(device.number) {
                on_disks.entry(disk.number).or_default().push(OnDisk {
                    filesystem,
                    device: device.number,
                });
            }
        }
    }
    on_disks
}

fn used(devices: &BlockDevices, on_it: &[OnDisk<'_>]) -> Option<u64> {
    if on_it.is_empty() {
        return None;
    }
    on_it.iter().try_fold(0_u64, |sum, on_disk| {
        // A btrfs filesystem may span devices that its source does not name.
        let alone = on_disk.filesystem.fstype != "btrfs" && devices.disks_of(on_disk.device).len() == 1;
        let usage = on_disk.filesystem.usage.as_ref().ok().filter(|_| alone)?;
        sum.checked_add(usage.used())
    })
}

fn fullest(on_it: &[OnDisk<'_>]) -> Option<(u16, String)> {
    on_it
        .iter()
        .filter_map(|on_disk| {
            let fullness = on_disk.filesystem.usage.as_ref().ok()?.fullness()?;
            Some((
                thousandths(fullness),
                on_disk.filesystem.mount_point.to_string_lossy().into_owned(),
            ))
        })
        .max_by(|one, two| one.0.cmp(&two.0).then_with(|| two.1.cmp(&one.1)))
}

/// A share of 0 to 1 in thousandths, rounded up as df(1) rounds its percentage.
fn thousandths(share: f64) -> u16 {
    (share * 1000.0).ceil().clamp(0.0, 1000.0) as u16
}
