//! What lies on each disk of a node.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use crate::model::device::{BlockDevice, DeviceNumber, DeviceType, Identity};
use crate::model::graph::BlockDevices;
use crate::model::mount::{Filesystem, FilesystemUsage, Mount};
use crate::model::placement::Volume;
use crate::model::topology::{Disk, Promise, SWAP};
use crate::model::volume::VolumeMode;

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
    // A pod may have thousands of mounts of one filesystem.
    let mut known: HashSet<(DeviceNumber, &Path)> = HashSet::new();
    for mount in mounts {
        if let Some(device) = device_of(devices, mount.number, &mount.fstype, &mount.source)
            && known.insert((device.number, &mount.mount_point))
        {
            let point = mount.mount_point.to_string_lossy().into_owned();
            points.entry(device.number).or_default().push(point);
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
    usage: Option<&'a FilesystemUsage>,
    /// Its mount point; of a pod's own the volume's name.
    name: Cow<'a, str>,
    /// True where it lies on no other disk.
    is_alone: bool,
}

/// The filesystems on each disk: the node's own, and those that are mounted for pods alone.
pub(super) fn filesystems_by_disk<'a>(
    devices: &BlockDevices,
    filesystems: &'a [Filesystem],
    volumes: &'a [Volume],
) -> BTreeMap<DeviceNumber, Vec<OnDisk<'a>>> {
    let mut on_disks: BTreeMap<DeviceNumber, Vec<OnDisk<'a>>> = BTreeMap::new();
    for filesystem in filesystems {
        if let Some(device) = device_of(devices, filesystem.number, &filesystem.fstype, &filesystem.source) {
            let disks = devices.disks_of(device.number);
            for disk in &disks {
                on_disks.entry(disk.number).or_default().push(OnDisk {
                    usage: filesystem.usage.as_ref().ok(),
                    name: filesystem.mount_point.to_string_lossy(),
                    is_alone: disks.len() == 1 && tells_its_devices(&filesystem.fstype),
                });
            }
        }
    }
    for volume in of_pods_alone(filesystems, volumes) {
        let placement = &volume.placement;
        let stacks = placement.devices.iter();
        let disks: BTreeSet<DeviceNumber> = stacks
            .flat_map(|device| devices.disks_of(*device))
            .map(|disk| disk.number)
            .collect();
        for disk in &disks {
            on_disks.entry(*disk).or_default().push(OnDisk {
                usage: volume.usage_of_filesystem(),
                name: Cow::Borrowed(&volume.name),
                is_alone: disks.len() == 1 && placement.fstype.as_deref().is_some_and(tells_its_devices),
            });
        }
    }
    on_disks
}

/// False for filesystems that may span devices which their source does not name, or share them with others.
fn tells_its_devices(fstype: &str) -> bool {
    !matches!(fstype, "btrfs" | "zfs")
}

/// For each filesystem that is none of the node's own a volume on it; of several one whose usage is known.
fn of_pods_alone<'a>(
    filesystems: &[Filesystem],
    volumes: &'a [Volume],
) -> impl Iterator<Item = &'a Volume> + use<'a> {
    let nodes_own: HashSet<DeviceNumber> = filesystems.iter().map(|filesystem| filesystem.number).collect();
    let mut found: BTreeMap<DeviceNumber, &Volume> = BTreeMap::new();
    for volume in volumes
        .iter()
        .filter(|volume| volume.mode == VolumeMode::Filesystem)
    {
        let Some(number) = volume
            .placement
            .number
            .filter(|number| !nodes_own.contains(number))
        else {
            continue;
        };
        let known = found.entry(number).or_insert(volume);
        if known.usage_of_filesystem().is_none() {
            *known = volume;
        }
    }
    found.into_values()
}

/// Bytes in use on the filesystems on a disk; see [`Disk::used`].
pub(super) fn used(on_it: &[OnDisk<'_>]) -> Option<u64> {
    if on_it.is_empty() {
        return None;
    }
    on_it.iter().try_fold(0_u64, |sum, on_disk| {
        sum.checked_add(on_disk.usage.filter(|_| on_disk.is_alone)?.used())
    })
}

/// The fullest of them; see [`Disk::fullest`].
pub(super) fn fullest(on_it: &[OnDisk<'_>]) -> Option<(u16, String)> {
    on_it
        .iter()
        .filter_map(|on_disk| {
            let thousandths = on_disk.usage?.parts_in_use(1000)?;
            Some((u16::try_from(thousandths).ok()?, &on_disk.name))
        })
        .max_by(|one, two| one.0.cmp(&two.0).then_with(|| two.1.cmp(one.1)))
        .map(|(thousandths, name)| (thousandths, name.to_string()))
}
