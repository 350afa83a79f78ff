//! What lies on each disk of a node.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::filesystem_devices::FilesystemDevices;
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

/// The device at which a mount is told of, as `lsblk` does: by its number, or for btrfs, whose numbers are anonymous, by its source.
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
    /// True where it lies on no other disk, and what is in use there is this filesystem's.
    is_alone: bool,
}

/// The filesystems on each disk: the node's own, and those that are mounted for pods alone.
pub(super) fn filesystems_by_disk<'a>(
    devices: &FilesystemDevices<'_>,
    filesystems: &'a [Filesystem],
    volumes: &'a [Volume],
) -> BTreeMap<DeviceNumber, Vec<OnDisk<'a>>> {
    let mut on_disks: BTreeMap<DeviceNumber, Vec<OnDisk<'a>>> = BTreeMap::new();
    let mut add = |members: &[DeviceNumber], fstype: Option<&str>, usage, name: Cow<'a, str>| {
        let below = devices.below(members);
        let is_alone =
            below.disks.len() == 1 && !below.by_zfs_volume && fstype.is_some_and(has_its_devices_to_itself);
        for disk in below.disks {
            on_disks.entry(disk).or_default().push(OnDisk {
                usage,
                name: name.clone(),
                is_alone,
            });
        }
    };
    for filesystem in filesystems {
        let fstype = filesystem.fstype.as_str();
        add(
            &devices.of(filesystem.number, fstype, &filesystem.source),
            Some(fstype),
            filesystem.usage.as_ref().ok(),
            filesystem.mount_point.to_string_lossy(),
        );
    }
    for volume in of_pods_alone(filesystems, volumes) {
        let placement = &volume.placement;
        add(
            &placement.devices,
            placement.fstype.as_deref(),
            volume.usage_of_filesystem(),
            Cow::Borrowed(&volume.name),
        );
    }
    on_disks
}

/// False for filesystems of which others have the devices as well: each dataset of a pool, and each subvolume of a btrfs filesystem, is one by
/// its number.
fn has_its_devices_to_itself(fstype: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::btrfs::BtrfsFilesystem;
    use crate::model::device::Signature;

    const SDA: DeviceNumber = DeviceNumber::new(8, 0);
    const SDB: DeviceNumber = DeviceNumber::new(8, 16);
    const ZVOL: DeviceNumber = DeviceNumber::new(230, 0);

    /// Two disks with partitions, of which `sda3` is the pool `rpool`, and a volume of that pool.
    fn devices() -> BlockDevices {
        let partition =
            |minor, name: &str, disk| BlockDevice::over(DeviceNumber::new(8, minor), name, "part", &[disk]);
        let mut member = partition(3, "sda3", SDA);
        member.signature = Signature {
            fstype: Some("zfs_member".into()),
            label: Some("rpool".into()),
            uuid: None,
        };
        let mut zvol = BlockDevice::over(ZVOL, "zd0", "disk", &[]);
        zvol.links = vec!["zvol/rpool/pvc-1".into()];
        BlockDevices::new([
            BlockDevice::over(SDA, "sda", "disk", &[]),
            partition(1, "sda1", SDA),
            member,
            partition(4, "sda4", SDA),
            BlockDevice::over(SDB, "sdb", "disk", &[]),
            partition(18, "sdb2", SDB),
            partition(19, "sdb3", SDB),
            zvol,
        ])
    }

    /// A filesystem of a thousand bytes, of which so many are in use.
    fn filesystem(
        number: (u32, u32),
        fstype: &str,
        source: &str,
        mount_point: &str,
        used: u64,
    ) -> Filesystem {
        Filesystem {
            number: DeviceNumber::new(number.0, number.1),
            mount_point: mount_point.into(),
            fstype: fstype.into(),
            source: source.into(),
            usage: Ok(FilesystemUsage {
                size: 1000,
                free: 1000 - used,
                available: 1000 - used,
                files: None,
                files_free: None,
                read_only: false,
            }),
        }
    }

    /// What is said of a disk: bytes in use, and the fullest filesystem in thousandths.
    fn told(disk: DeviceNumber, filesystems: &[Filesystem]) -> (Option<u64>, Option<String>) {
        let devices = devices();
        let btrfs = [BtrfsFilesystem {
            device_names: vec!["sda4".into(), "sdb3".into()],
        }];
        let on_disks = filesystems_by_disk(&FilesystemDevices::new(&devices, &btrfs), filesystems, &[]);
        let on_it = on_disks.get(&disk).map_or(&[][..], Vec::as_slice);
        let fullest = fullest(on_it).map(|(thousandths, name)| format!("{thousandths} {name}"));
        (used(on_it), fullest)
    }

    #[test]
    fn a_pool_counts_among_what_fills_a_disk() {
        let boot = filesystem((8, 1), "vfat", "/dev/sda1", "/boot/efi", 20);
        assert_eq!(
            told(SDA, std::slice::from_ref(&boot)),
            (Some(20), Some("20 /boot/efi".to_owned()))
        );
        let root = filesystem((0, 25), "zfs", "rpool/ROOT", "/", 970);
        assert_eq!(told(SDA, &[boot.clone(), root]), (None, Some("970 /".to_owned())));
        let on_zvol = filesystem((230, 0), "ext4", "/dev/zd0", "/data", 500);
        let both = [boot, on_zvol];
        assert_eq!(told(SDA, &both), (None, Some("500 /data".to_owned())));
        assert_eq!(told(ZVOL, &both), (None, None));
    }

    #[test]
    fn btrfs_counts_on_each_of_its_devices() {
        let filesystems = [
            filesystem((0, 30), "btrfs", "/dev/sda4", "/", 700),
            filesystem((8, 18), "ext4", "/dev/sdb2", "/data", 300),
        ];
        assert_eq!(told(SDB, &filesystems), (None, Some("700 /".to_owned())));
        assert_eq!(
            told(SDB, &filesystems[1..]),
            (Some(300), Some("300 /data".to_owned()))
        );
    }
}
