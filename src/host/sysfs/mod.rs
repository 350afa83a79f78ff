//! One block device as sysfs describes it: `Documentation/ABI/stable/sysfs-block` and the drivers' own files.
//!
//! A device that disappears between two reads loses the attributes that were not yet read; the next sample
//! does not have it any more.

mod changing_files;
mod identity;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use self::changing_files::ChangingFiles;
use self::identity::{identity, named_transport};
use super::diskstats::SECTOR;
use super::read::{attribute, flag, names, number};
use super::roots::Roots;
use crate::model::device::{BlockDevice, DeviceNumber, DeviceType};
use crate::model::raid::{RaidMember, RaidRole};

/// A device, and the names of those that it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The device; its parents are not yet filled in.
    pub device: Arc<BlockDevice>,
    /// Kernel names of the devices that it is made of.
    pub parent_names: Vec<String>,
    /// For a hidden path of an NVMe multipath disk: the kernel name of the disk.
    pub path_of: Option<String>,
    /// True for devices that the kernel itself makes up (device mapper, md, loop, …): what they are made
    /// of may change at any time.
    pub made_up: bool,
}

/// True for RAM disks, which are slots without content: Documentation/admin-guide/devices.txt has their number.
pub(super) fn is_ram_disk(number: DeviceNumber) -> bool {
    number.major == 1
}

/// Reads one device's folder. `None` where there is no such folder (any more), and for slots without
/// content: loop devices without a file, empty zram and nbd devices, RAM disks.
pub fn describe(roots: &Roots, device_number: DeviceNumber, kernel_name: &str) -> Option<Described> {
    if is_ram_disk(device_number) {
        return None;
    }
    let folder = roots.block_device(kernel_name);
    let place = std::fs::read_link(&folder).ok()?;
    let place = place.to_string_lossy().into_owned();
    // Controllers over a fabric hang on no bus, and so their disks lie among the devices that the kernel makes up.
    let made_up = place.contains("/devices/virtual/")
        && !place.contains("/nvme-subsystem/")
        && !place.contains("/nvme-fabrics/");

    let size = number(&folder, "size")
        .filter(|sectors| *sectors > 0)
        .and_then(|sectors| sectors.checked_mul(SECTOR));
    let backing_file = attribute(&folder, "loop/backing_file");
    if made_up && size.is_none() {
        return None;
    }
    let partition = number(&folder, "partition").is_some();
    let map_name = attribute(&folder, "dm/name");
    let map_uuid = attribute(&folder, "dm/uuid");
    let device_type = device_type(
        &folder,
        kernel_name,
        partition,
        map_name.is_some(),
        map_uuid.as_deref(),
    );

    let mut device = BlockDevice::new(device_number, kernel_name, device_type);
    if let Some(name) = map_name {
        device.name = name;
    }
    device.size = size;
    device.removable = flag(&folder, "removable");
    device.sequence = number(&folder, "diskseq");
    device.backing_file = backing_file;
    device.map_uuid = map_uuid;
    device.missing_members = number(&folder, "md/degraded");
    let parent_names = if partition {
        let disk = Path::new(&place)
            .parent()
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy().replace('!', "/"));
        device.rotational = disk
            .as_ref()
            .and_then(|disk| flag(&roots.block_device(disk), "queue/rotational"));
        disk.into_iter().collect()
    } else {
        device.rotational = flag(&folder, "queue/rotational");
        slaves(&folder)
    };
    device.raid_members = raid_members(&folder, device.missing_members, &parent_names);
    let hidden = flag(&folder, "hidden") == Some(true);
    if !partition && made_up {
        device.identity.transport = named_transport(kernel_name).map(Cow::Borrowed);
    } else if !partition {
        device.identity = identity(&folder, kernel_name, &place);
    }
    let path_of = hidden.then(|| head_of(kernel_name)).flatten();
    (device.read_only, device.state) =
        ChangingFiles::default().changing(&|| folder.clone(), &device.device_type, path_of.is_some(), &mut 0);
    Some(Described {
        device: Arc::new(device),
        parent_names,
        path_of,
        made_up,
    })
}

/// The type of a RAID, given its level.
fn array_type(level: Option<String>) -> DeviceType {
    level.map_or_else(|| "md".into(), |level| level.to_ascii_lowercase().as_str().into())
}

/// What each member is to an array; `None` where one of them does not say, and for levels without redundancy, which have no
/// `degraded` (`missing`).
fn raid_members(folder: &Path, missing: Option<u64>, names: &[String]) -> Option<Vec<RaidMember>> {
    missing?;
    let member = |name: &String| {
        let state = attribute(folder, &format!("md/dev-{}/state", name.replace('/', "!")))?;
        Some(RaidMember {
            name: name.clone(),
            role: RaidRole::of_state(&state),
        })
    };
    names.iter().map(member).collect()
}

fn slaves(folder: &Path) -> Vec<String> {
    names(&folder.join("slaves"))
        .into_iter()
        .map(|name| name.replace('!', "/"))
        .collect()
}

/// The type, found as `lsblk` finds it.
fn device_type(
    folder: &Path,
    kernel_name: &str,
    partition: bool,
    mapped: bool,
    map_uuid: Option<&str>,
) -> DeviceType {
    if partition {
        return DeviceType::Partition;
    }
    if mapped {
        // The prefix names the map's maker: LVM-…, CRYPT-LUKS2-…, mpath-…; kpartx writes part1-, part2-, …
        let maker = map_uuid
            .and_then(|uuid| uuid.split_once('-'))
            .map(|(maker, _)| maker.to_ascii_lowercase());
        return match maker {
            Some(maker) if maker.starts_with("part") => DeviceType::Partition,
            Some(maker) => maker.as_str().into(),
            None => "dm".into(),
        };
    }
    if kernel_name.starts_with("loop") {
        return DeviceType::Loop;
    }
    if kernel_name.starts_with("md") {
        return array_type(attribute(folder, "md/level"));
    }
    // SCSI peripheral device types: T10 SPC, table of the standard INQUIRY data.
    match number(folder, "device/type") {
        Some(1) => "tape".into(),
        Some(4) => "worm".into(),
        Some(5) => DeviceType::Rom,
        Some(7) => "mo-disk".into(),
        Some(8) => "changer".into(),
        Some(0xc) => "raid".into(),
        Some(0xd) => "enclosure".into(),
        Some(0xe) => "rbc".into(),
        Some(0x11) => "osd".into(),
        _ => DeviceType::Disk,
    }
}

/// The disk of a hidden NVMe path: `nvme0c1n1` is a path of `nvme0n1`.
fn head_of(path: &str) -> Option<String> {
    let rest = path.strip_prefix("nvme")?;
    let (subsystem, rest) = rest.split_once('c')?;
    let (_, namespace) = rest.split_once('n')?;
    Some(format!("nvme{subsystem}n{namespace}"))
}

/// The file of udev's database about a device.
pub fn udev_file(roots: &Roots, number: DeviceNumber) -> PathBuf {
    roots.udev.join(format!("b{number}"))
}

#[cfg(test)]
mod tests;
