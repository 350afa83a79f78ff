//! What a volume loses when a disk dies.

use std::collections::BTreeSet;

use crate::model::device::{BlockDevice, DeviceNumber};
use crate::model::graph::BlockDevices;
use crate::model::placement::Volume;

/// What is left of a volume without one of its disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// The volume is gone: it lies on that disk, alone or striped over several.
    Lost,
    /// Whether it survives depends on what the kernel does not show here: LVM's own mirrors, btrfs profiles, ZFS.
    Unknown,
    /// The volume lives on, with less redundancy.
    Degraded,
    /// Nothing of it lies there.
    Untouched,
}

impl Loss {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Unknown => "may survive: its mirrors are not known here",
            Self::Degraded => "survives, degraded",
            Self::Untouched => "untouched",
        }
    }
}

/// What `volume` loses when `disk` dies.
pub fn loss(devices: &BlockDevices, volume: &Volume, disk: DeviceNumber) -> Loss {
    if !volume.placement.disks.contains(&disk) {
        return Loss::Untouched;
    }
    let members = &volume.placement.devices;
    let each: Vec<Loss> = members
        .iter()
        .map(|device| of_device(devices, *device, disk, &mut BTreeSet::new()))
        .collect();
    match each.as_slice() {
        // The way to the disk leads through a file: whoever carries the file decides, and a file is not mirrored.
        all if all.iter().all(|loss| *loss == Loss::Untouched) => Loss::Lost,
        [one] => *one,
        // Several members: a filesystem that may keep copies of its own.
        _ => Loss::Unknown,
    }
}

fn of_device(
    devices: &BlockDevices,
    number: DeviceNumber,
    disk: DeviceNumber,
    seen: &mut BTreeSet<DeviceNumber>,
) -> Loss {
    if number == disk {
        return Loss::Lost;
    }
    let Some(device) = devices.get(number) else {
        return Loss::Untouched;
    };
    // A circle cannot be; if it is, nothing is known of it.
    if !seen.insert(number) {
        return Loss::Unknown;
    }
    let parents: Vec<Loss> = device
        .parents
        .iter()
        .map(|parent| of_device(devices, *parent, disk, seen))
        .collect();
    seen.remove(&number);
    let worst = parents.iter().copied().min().unwrap_or(Loss::Untouched);
    if worst == Loss::Untouched || worst == Loss::Degraded {
        return worst;
    }
    let gone = parents.iter().filter(|loss| **loss == Loss::Lost).count();
    match spare_members(device) {
        Some(spare) if worst == Loss::Lost && gone <= spare => Loss::Degraded,
        None if is_mirrored_by_lvm(devices, device) => Loss::Unknown,
        _ => worst,
    }
}

/// How many members an array can lose now; `None` for what is no redundant array. The kernel lists only members
/// that are there, so those that are missing already are counted off.
fn spare_members(device: &BlockDevice) -> Option<usize> {
    let missing = device
        .missing_members
        .map_or(0, |missing| usize::try_from(missing).unwrap_or(usize::MAX));
    match device.device_type.as_str() {
        "raid1" => Some(device.parents.len().saturating_sub(1)),
        // Of raid10 the second loss may be the other half of the first.
        "raid4" | "raid5" | "raid10" => Some(1_usize.saturating_sub(missing)),
        "raid6" => Some(2_usize.saturating_sub(missing)),
        _ => None,
    }
}

/// LVM's mirrors are device-mapper maps over `…_rimage_N` and `…_mimage_N`; the graph does not show which sort.
fn is_mirrored_by_lvm(devices: &BlockDevices, device: &BlockDevice) -> bool {
    device
        .parents
        .iter()
        .filter_map(|parent| devices.get(*parent))
        .any(|parent| parent.name.contains("_rimage_") || parent.name.contains("_mimage_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDA: DeviceNumber = DeviceNumber::new(8, 0);
    const SDB: DeviceNumber = DeviceNumber::new(8, 16);
    const UPPER: DeviceNumber = DeviceNumber::new(9, 0);

    fn loss_of(level: &str, missing: Option<u64>, members: &[DeviceNumber]) -> Loss {
        let mut array = BlockDevice::over(UPPER, "md0", level, members);
        array.missing_members = missing;
        let devices = BlockDevices::new([
            BlockDevice::over(SDA, "sda", "disk", &[]),
            BlockDevice::over(SDB, "sdb", "disk", &[]),
            array,
        ]);
        loss(&devices, &Volume::on(&devices, UPPER), SDA)
    }

    #[test]
    fn a_mirror_survives_one_disk_and_a_stripe_does_not() {
        assert_eq!(loss_of("raid1", Some(0), &[SDA, SDB]), Loss::Degraded);
        assert_eq!(loss_of("raid0", None, &[SDA, SDB]), Loss::Lost);
        assert_eq!(loss_of("linear", None, &[SDA, SDB]), Loss::Lost);
        assert_eq!(loss_of("lvm", None, &[SDA, SDB]), Loss::Lost);
    }

    #[test]
    fn a_degraded_mirror_does_not_survive_its_last_disk() {
        assert_eq!(loss_of("raid1", Some(1), &[SDA]), Loss::Lost);
        assert_eq!(loss_of("raid5", Some(1), &[SDA, SDB]), Loss::Lost);
        assert_eq!(loss_of("raid6", Some(1), &[SDA, SDB]), Loss::Degraded);
    }

    #[test]
    fn what_lies_elsewhere_is_untouched() {
        assert_eq!(loss_of("raid1", Some(0), &[SDB]), Loss::Untouched);
    }

    #[test]
    fn lvms_own_mirrors_are_not_guessed() {
        let image =
            |minor, name: &str, disk| BlockDevice::over(DeviceNumber::new(253, minor), name, "lvm", &[disk]);
        let devices = BlockDevices::new([
            BlockDevice::over(SDA, "sda", "disk", &[]),
            BlockDevice::over(SDB, "sdb", "disk", &[]),
            image(1, "vg-data_rimage_0", SDA),
            image(2, "vg-data_rimage_1", SDB),
            BlockDevice::over(
                UPPER,
                "vg-data",
                "lvm",
                &[DeviceNumber::new(253, 1), DeviceNumber::new(253, 2)],
            ),
        ]);
        assert_eq!(loss(&devices, &Volume::on(&devices, UPPER), SDA), Loss::Unknown);
    }
}
