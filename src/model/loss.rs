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
    /// Whether it survives depends on what the kernel does not show here: LVM's own mirrors, btrfs profiles, ZFS, caches, arrays whose members
    /// do not say how they are.
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
        _ if is_mirrored_by_lvm(devices, device) => if_some_are_spare(parents),
        _ => worst(parents),
    }
}

fn worst(each: &[Loss]) -> Loss {
    each.iter().copied().min().unwrap_or(Loss::Untouched)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::raid::RaidMember;

    const SDA: DeviceNumber = DeviceNumber::new(8, 0);
    const SDB: DeviceNumber = DeviceNumber::new(8, 16);
    const UPPER: DeviceNumber = DeviceNumber::new(9, 0);

    const SDC: DeviceNumber = DeviceNumber::new(8, 32);

    fn disks() -> [BlockDevice; 3] {
        [(SDA, "sda"), (SDB, "sdb"), (SDC, "sdc")]
            .map(|(number, name)| BlockDevice::over(number, name, "disk", &[]))
    }

    /// What a volume on an array of so many missing members loses with `sda`. The states are those of `sda`, `sdb` and `sdc`, as far as they
    /// are members.
    fn loss_of(level: &str, missing: Option<u64>, states: &[&str]) -> Loss {
        let named = disks();
        let members = named.iter().zip(states);
        let mut array = BlockDevice::over(UPPER, "md0", level, &[SDA, SDB, SDC][..states.len()]);
        array.missing_members = missing;
        array.raid_members = Some(
            members
                .map(|(disk, state)| RaidMember {
                    name: disk.name.clone(),
                    role: RaidRole::of_state(state),
                })
                .collect(),
        );
        loss_on(array)
    }

    fn loss_on(upper: BlockDevice) -> Loss {
        let devices = BlockDevices::new(disks().into_iter().chain([upper]));
        loss(&devices, &Volume::on(&devices, UPPER), SDA)
    }

    const GOOD: &str = "in_sync";

    #[test]
    fn a_mirror_survives_one_disk_and_a_stripe_does_not() {
        assert_eq!(loss_of("raid1", Some(0), &[GOOD, GOOD]), Loss::Degraded);
        for level in ["raid0", "linear", "lvm"] {
            let stripe = BlockDevice::over(UPPER, "md0", level, &[SDA, SDB]);
            assert_eq!(loss_on(stripe), Loss::Lost, "{level}");
        }
    }

    #[test]
    fn a_degraded_array_does_not_survive_the_loss_of_what_it_cannot_do_without() {
        assert_eq!(loss_of("raid1", Some(1), &[GOOD]), Loss::Lost);
        assert_eq!(loss_of("raid5", Some(1), &[GOOD, GOOD]), Loss::Lost);
        assert_eq!(loss_of("raid6", Some(1), &[GOOD, GOOD, GOOD]), Loss::Degraded);
        assert_eq!(loss_of("raid10", Some(1), &[GOOD, GOOD, GOOD]), Loss::Unknown);
    }

    #[test]
    fn a_member_that_has_failed_or_is_being_filled_carries_nothing() {
        for idle in ["faulty", "spare", "spare,write_mostly"] {
            assert_eq!(loss_of("raid1", Some(1), &[GOOD, idle]), Loss::Lost, "{idle}");
            assert_eq!(
                loss_of("raid1", Some(1), &[idle, GOOD]),
                Loss::Untouched,
                "{idle}"
            );
            assert_eq!(
                loss_of("raid5", Some(1), &[idle, GOOD, GOOD]),
                Loss::Untouched,
                "{idle}"
            );
            assert_eq!(
                loss_of("raid1", Some(0), &[GOOD, GOOD, idle]),
                Loss::Degraded,
                "{idle}"
            );
        }
        assert_eq!(loss_of("raid5", Some(0), &["journal", GOOD, GOOD]), Loss::Unknown);
    }

    #[test]
    fn of_an_array_whose_members_say_nothing_only_a_whole_one_is_known_to_survive() {
        let array = |level: &str, missing, members: &[DeviceNumber]| {
            let mut array = BlockDevice::over(UPPER, "md0", level, members);
            array.missing_members = missing;
            loss_on(array)
        };
        assert_eq!(array("raid1", Some(0), &[SDA, SDB]), Loss::Degraded);
        assert_eq!(array("raid1", Some(1), &[SDA, SDB]), Loss::Unknown);
        assert_eq!(array("raid5", None, &[SDA, SDB]), Loss::Unknown);
        assert_eq!(array("raid1", Some(1), &[SDA]), Loss::Lost);
    }

    #[test]
    fn what_lies_elsewhere_is_untouched() {
        let array = BlockDevice::over(UPPER, "md0", "raid1", &[SDB]);
        assert_eq!(loss_on(array), Loss::Untouched);
    }

    /// A filesystem on two devices, each of which lies on some of the disks.
    fn loss_of_two(lower: [(&str, &[DeviceNumber]); 2]) -> Loss {
        let number = |at| DeviceNumber::new(9, at);
        let upper = (1..).zip(lower).map(|(at, (level, parents))| {
            let mut device = BlockDevice::over(number(at), &format!("md{at}"), level, parents);
            device.missing_members = (level == "raid1").then_some(0);
            device
        });
        let devices = BlockDevices::new(disks().into_iter().chain(upper));
        let mut volume = Volume::on(&devices, number(1));
        volume.placement.devices = vec![number(1), number(2)];
        loss(&devices, &volume, SDA)
    }

    #[test]
    fn a_filesystem_on_several_devices_is_lost_with_all_of_them_and_survives_where_they_do() {
        assert_eq!(loss_of_two([("part", &[SDA]), ("part", &[SDA])]), Loss::Lost);
        assert_eq!(loss_of_two([("part", &[SDA]), ("part", &[SDB])]), Loss::Unknown);
        let mirrors: [(&str, &[DeviceNumber]); 2] = [("raid1", &[SDA, SDB]), ("raid1", &[SDA, SDC])];
        assert_eq!(loss_of_two(mirrors), Loss::Degraded);
    }

    #[test]
    fn a_file_survives_with_the_devices_that_it_lies_on() {
        let loop_device = DeviceNumber::new(7, 0);
        for (level, expected) in [("raid1", Loss::Degraded), ("raid0", Loss::Lost)] {
            let mut array = BlockDevice::over(UPPER, "md0", level, &[SDA, SDB]);
            array.missing_members = Some(0);
            let file = BlockDevice::over(loop_device, "loop0", "loop", &[]);
            let devices = BlockDevices::new(disks().into_iter().chain([array, file]));
            let mut volume = Volume::on(&devices, loop_device);
            volume.placement.disks = vec![SDA, SDB];
            assert_eq!(loss(&devices, &volume, SDA), Loss::Unknown, "which file?");
            volume.placement.files.insert(loop_device, vec![UPPER]);
            assert_eq!(loss(&devices, &volume, SDA), expected, "{level}");
        }
    }

    #[test]
    fn what_hangs_on_more_than_the_graph_shows_is_not_guessed() {
        for (name, kind) in [("bcache0", "disk"), ("dm-0", "dmraid")] {
            assert_eq!(
                loss_on(BlockDevice::over(UPPER, name, kind, &[SDA, SDB])),
                Loss::Unknown,
                "{name}"
            );
            assert_eq!(
                loss_on(BlockDevice::over(UPPER, name, kind, &[SDA])),
                Loss::Lost,
                "{name}"
            );
        }
    }

    #[test]
    fn a_lattice_of_devices_is_walked_once() {
        let number = |layer: u32, side: u32| DeviceNumber::new(253, layer * 2 + side);
        let both = |layer: u32| [number(layer, 0), number(layer, 1)];
        let layers = (1..60_u32).flat_map(|layer| {
            [0, 1].map(|side| {
                BlockDevice::over(
                    number(layer, side),
                    &format!("dm-{layer}-{side}"),
                    "lvm",
                    &both(layer - 1),
                )
            })
        });
        let ground =
            [0, 1].map(|side| BlockDevice::over(number(0, side), &format!("dm-0-{side}"), "lvm", &[SDA]));
        let devices = BlockDevices::new(disks().into_iter().chain(ground).chain(layers));
        assert_eq!(
            loss(&devices, &Volume::on(&devices, number(59, 0)), SDA),
            Loss::Lost
        );
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
