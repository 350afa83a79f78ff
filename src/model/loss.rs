//! What a volume loses when a disk dies.

use std::collections::BTreeMap;

use crate::model::device::{BlockDevice, DeviceNumber};
use crate::model::graph::BlockDevices;
use crate::model::placement::{Placement, Volume};
use crate::model::raid::{RaidRole, tolerated};

/// What is left of a volume without one of its disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// The volume is gone: it lies on that disk, alone or striped over several.
    Lost,
    /// Whether it survives depends on what the kernel does not show here: LVM's own mirrors, btrfs profiles, ZFS, caches, DRBD's peers, arrays
    /// whose members do not say how they are.
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
            Self::Unknown => "may survive: what of it is kept twice is not known here",
            Self::Degraded => "survives, degraded",
            Self::Untouched => "untouched",
        }
    }
}

/// What `volume` loses when `disk` dies.
pub fn loss(devices: &BlockDevices, volume: &Volume, disk: DeviceNumber) -> Loss {
    let placement = &volume.placement;
    if !placement.disks.contains(&disk) {
        return Loss::Untouched;
    }
    let mut walk = Walk {
        devices,
        placement,
        disk,
        known: BTreeMap::new(),
        reached: false,
    };
    let loss = walk.of_filesystem(&placement.devices);
    // The disk is known to be below, and the way to it is not.
    if walk.reached { loss } else { Loss::Unknown }
}

/// A walk down a volume's devices to the disk that dies.
struct Walk<'a> {
    devices: &'a BlockDevices,
    placement: &'a Placement,
    disk: DeviceNumber,
    /// What is lost of each device. A device that is being looked at is in it as one of which nothing is known: a circle cannot be.
    known: BTreeMap<DeviceNumber, Loss>,
    /// True once the disk was met.
    reached: bool,
}

impl Walk<'_> {
    /// A filesystem on several devices may keep copies of its own: what it loses with some of them is not known here.
    fn of_filesystem(&mut self, members: &[DeviceNumber]) -> Loss {
        let each: Vec<Loss> = members.iter().map(|member| self.of_device(*member)).collect();
        if_some_are_spare(&each)
    }

    fn of_device(&mut self, number: DeviceNumber) -> Loss {
        if number == self.disk {
            self.reached = true;
            return Loss::Lost;
        }
        if let Some(known) = self.known.get(&number) {
            return *known;
        }
        let Some(device) = self.devices.get(number) else {
            return Loss::Untouched;
        };
        self.known.insert(number, Loss::Unknown);
        let loss = if device.parents.is_empty() {
            match self.placement.files.get(&number) {
                Some(below) => self.of_filesystem(below),
                None => Loss::Untouched,
            }
        } else {
            let parents = device.parents.iter();
            let each: Vec<Loss> = parents.map(|parent| self.of_device(*parent)).collect();
            of_stacked(self.devices, device, &each)
        };
        self.known.insert(number, loss);
        loss
    }
}

/// What a device loses with its parents, in their order.
fn of_stacked(devices: &BlockDevices, device: &BlockDevice, parents: &[Loss]) -> Loss {
    match device.device_type.as_str() {
        "raid1" | "raid4" | "raid5" | "raid6" | "raid10" => of_array(devices, device, parents),
        // Of which level one of a mainboard's arrays is, device mapper alone knows.
        "dmraid" => if_some_are_spare(parents),
        // Which of its devices is the cache, and whether that holds what is nowhere else, the graph does not show.
        _ if device.kernel_name.starts_with("bcache") => if_some_are_spare(parents),
        // Its peers have the same, and it serves what they have where the disk below it is gone.
        _ if device.kernel_name.starts_with("drbd") => unsure_if_lost(worst(parents)),
        _ if is_mirrored_by_lvm(devices, device) => if_some_are_spare(parents),
        _ if device
            .parents
            .iter()
            .any(|parent| is_cached_by_lvm(devices, *parent)) =>
        {
            of_cached(devices, device, parents)
        }
        _ => worst(parents),
    }
}

fn worst(each: &[Loss]) -> Loss {
    each.iter().copied().min().unwrap_or(Loss::Untouched)
}

/// What is left of something that may be kept elsewhere as well.
fn unsure_if_lost(loss: Loss) -> Loss {
    loss.max(Loss::Unknown)
}

/// What is left of something on several devices that may keep the same on more than one of them.
fn if_some_are_spare(each: &[Loss]) -> Loss {
    let worst = worst(each);
    if worst == Loss::Lost && each.iter().any(|loss| *loss != Loss::Lost) {
        return Loss::Unknown;
    }
    worst
}

/// What an md array loses with some of its members, of which those count that hold current data: the kernel lists those that have failed,
/// and those that are being filled, beside them.
fn of_array(devices: &BlockDevices, array: &BlockDevice, parents: &[Loss]) -> Loss {
    let Some(members) = &array.raid_members else {
        return of_array_of_unknown_members(array, parents);
    };
    let role = |parent: &DeviceNumber| {
        let name = &devices.get(*parent)?.kernel_name;
        let member = members.iter().find(|member| member.name == *name)?;
        Some(member.role)
    };
    let of_role = |wanted: RaidRole| {
        let each = array.parents.iter().zip(parents);
        each.filter(move |(parent, _)| role(parent) == Some(wanted))
            .map(|(_, loss)| *loss)
    };
    let worst = of_role(RaidRole::InSync).min().unwrap_or(Loss::Untouched);
    match worst {
        Loss::Untouched if of_role(RaidRole::Journal).any(|loss| loss != Loss::Untouched) => Loss::Unknown,
        Loss::Untouched | Loss::Degraded => worst,
        Loss::Lost | Loss::Unknown => {
            let count = |wanted: Loss| of_role(RaidRole::InSync).filter(|loss| *loss == wanted).count();
            let in_sync = members.iter().filter(|member| member.role == RaidRole::InSync);
            let left_without = |gone| without(array, in_sync.clone().count(), gone);
            let (gone, unsure) = (count(Loss::Lost), count(Loss::Unknown));
            match (left_without(gone), left_without(gone + unsure)) {
                (_, Loss::Degraded) => Loss::Degraded,
                (Loss::Lost, _) => Loss::Lost,
                _ => Loss::Unknown,
            }
        }
    }
}

/// What is left of an array without so many of its members that hold current data.
fn without(array: &BlockDevice, in_sync: usize, gone: usize) -> Loss {
    let level = array.device_type.as_str();
    let missing = array.missing_members.unwrap_or(0);
    let lacks = missing.saturating_add(gone as u64);
    match tolerated(level) {
        _ if gone == 0 => Loss::Degraded,
        Some(most) if lacks <= most => Loss::Degraded,
        Some(_) => Loss::Lost,
        None if gone >= in_sync => Loss::Lost,
        None if level == "raid1" || lacks <= 1 => Loss::Degraded,
        // The second member of a raid10 may be the other half of the first.
        None => Loss::Unknown,
    }
}

/// Of an array that lacks nothing it is known that each place in it is filled, and not which of its members are spare.
fn of_array_of_unknown_members(array: &BlockDevice, parents: &[Loss]) -> Loss {
    let worst = worst(parents);
    let hit = parents.iter().filter(|loss| **loss < Loss::Degraded).count();
    let most = tolerated(array.device_type.as_str()).unwrap_or(1);
    if worst == Loss::Untouched || hit == parents.len() {
        worst
    } else if array.missing_members == Some(0) && hit as u64 <= most {
        Loss::Degraded
    } else {
        Loss::Unknown
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

/// What LVM caches is called `…_corig`, with dm-writecache `…_wcorig`; it keeps these endings for itself.
fn is_cached_by_lvm(devices: &BlockDevices, number: DeviceNumber) -> bool {
    let is_origin =
        |device: &BlockDevice| device.name.ends_with("_corig") || device.name.ends_with("_wcorig");
    devices.get(number).is_some_and(is_origin)
}

/// A logical volume is lost with what is cached. Its further parents are the cache; whether that holds what is nowhere else depends on its
/// mode, which the graph does not show: with writethrough, which is the default, it does not.
fn of_cached(devices: &BlockDevices, device: &BlockDevice, parents: &[Loss]) -> Loss {
    let each = device.parents.iter().zip(parents).map(|(parent, loss)| {
        if is_cached_by_lvm(devices, *parent) {
            *loss
        } else {
            unsure_if_lost(*loss)
        }
    });
    each.min().unwrap_or(Loss::Untouched)
}

#[cfg(test)]
mod tests;
