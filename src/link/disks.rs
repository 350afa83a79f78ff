//! What lies on each disk of a node.

use std::collections::BTreeMap;

use crate::model::device::{BlockDevice, DeviceNumber, DeviceType, Identity};
use crate::model::graph::BlockDevices;
use crate::model::mount::{Filesystem, Mount};
use crate::model::topology::{Disk, Promise, SWAP};

/// A disk, or a loop device that serves as one, without the figures that change with every reading.
pub(super) fn disk(
    devices: &BlockDevices,
    disk: &BlockDevice,
    mount_points: &BTreeMap<DeviceNumber, Vec<String>>,
) -> Disk {
    Disk {
        number: disk.number,
        identity: identity(devices, disk),
        paths: devices.paths(disk),
        carries: carries(devices, disk, mount_points),
        used: None,
        fullest: None,
        promise: Promise::default(),
    }
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

/// The mount points of each device, and [`SWAP`] for swap space.
pub(super) fn mount_points(
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

/// A filesystem on a disk.
#[derive(Debug)]
pub(super) struct OnDisk<'a> {
    filesystem: &'a Filesystem,
    device: DeviceNumber,
}

/// The filesystems on each disk.
pub(super) fn filesystems_by_disk<'a>(
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

/// Bytes in use on the filesystems on a disk; see [`Disk::used`].
pub(super) fn used(devices: &BlockDevices, on_it: &[OnDisk<'_>]) -> Option<u64> {
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

/// The fullest of them; see [`Disk::fullest`].
pub(super) fn fullest(on_it: &[OnDisk<'_>]) -> Option<(u16, String)> {
    on_it
        .iter()
        .filter_map(|on_disk| {
            let thousandths = on_disk.filesystem.usage.as_ref().ok()?.parts_in_use(1000)?;
            Some((
                u16::try_from(thousandths).ok()?,
                on_disk.filesystem.mount_point.to_string_lossy().into_owned(),
            ))
        })
        .max_by(|one, two| one.0.cmp(&two.0).then_with(|| two.1.cmp(&one.1)))
}
