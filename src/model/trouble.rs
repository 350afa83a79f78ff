//! What is wrong with this node's devices, as far as the kernel says: disks that take no requests, paths that are lost, arrays that
//! lack members.

use std::collections::BTreeMap;
use std::fmt;

use super::device::{BlockDevice, DeviceNumber, DiskPath, takes_requests};
use super::graph::BlockDevices;
use super::placement::Volume;
use super::raid::tolerated;

/// What sort of trouble a device is in, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TroubleKind {
    /// It takes no requests, or lacks more members than it can do without: what lies on it cannot be read or written.
    Unusable,
    /// A RAID that lacks members: it may not survive the loss of another.
    Degraded,
    /// A multipath disk that some of its paths do not lead to any more.
    PathLost,
}

impl TroubleKind {
    /// A word for people and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unusable => "unusable",
            Self::Degraded => "degraded",
            Self::PathLost => "path_lost",
        }
    }
}

/// What is wrong with one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What sort it is.
    pub kind: TroubleKind,
    /// A sentence for people.
    pub reason: String,
}

impl fmt::Display for Trouble {
    /// `path lost: 1 of 2 paths cannot be used: sdb (offline)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {}",
            self.kind.as_str().replace('_', " "),
            self.reason
        )
    }
}

/// The devices that are in trouble, in order of their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Troubles(BTreeMap<DeviceNumber, Trouble>);

impl Troubles {
    /// Those among `devices`. What is wrong with a path is told of the multipath disk.
    pub fn of(devices: &BlockDevices) -> Self {
        let found = devices.iter().filter(|device| !devices.is_path(device));
        Self(
            found
                .filter_map(|device| Some((device.number, of_device(devices, device)?)))
                .collect(),
        )
    }

    /// True where nothing is known to be wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong with one of them.
    pub fn get(&self, number: DeviceNumber) -> Option<&Trouble> {
        self.0.get(&number)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (DeviceNumber, &Trouble)> {
        self.0.iter().map(|(number, trouble)| (*number, trouble))
    }

    /// What is wrong with a device that a volume lies on, at any depth; in order of their numbers.
    pub fn below(&self, devices: &BlockDevices, volume: &Volume) -> BTreeMap<DeviceNumber, &Trouble> {
        if self.is_empty() {
            return BTreeMap::new();
        }
        // The way to a disk may lead through a file or a ZFS volume: then the devices below do not have the disk among them, nor what the
        // file's filesystem or the pool lies on.
        let placement = &volume.placement;
        let through = placement.files.values().flatten();
        let stacks = placement.devices.iter().chain(through).chain(&placement.disks);
        stacks
            .flat_map(|number| devices.below(*number))
            .filter_map(|device| Some((device.number, self.get(device.number)?)))
            .collect()
    }
}

fn of_device(devices: &BlockDevices, device: &BlockDevice) -> Option<Trouble> {
    if let Some(paths) = devices.paths(device) {
        return of_paths(&paths);
    }
    if device.state.as_deref().and_then(takes_requests) == Some(false) {
        return Some(Trouble {
            kind: TroubleKind::Unusable,
            reason: format!("the kernel says {}", device.state.as_deref()?),
        });
    }
    let missing = device.missing_members.filter(|missing| *missing > 0)?;
    // The kernel calls such an array active all the same, and answers every request with an error.
    let too_many = tolerated(device.device_type.as_str()).is_some_and(|most| missing > most);
    Some(Trouble {
        kind: if too_many {
            TroubleKind::Unusable
        } else {
            TroubleKind::Degraded
        },
        reason: format!("lacks {missing} of the members that it is meant to have"),
    })
}

fn of_paths(paths: &[DiskPath]) -> Option<Trouble> {
    let lost: Vec<String> = paths
        .iter()
        .filter(|path| path.is_usable() == Some(false))
        .map(ToString::to_string)
        .collect();
    if lost.is_empty() && !paths.is_empty() {
        return None;
    }
    Some(if lost.len() == paths.len() {
        Trouble {
            kind: TroubleKind::Unusable,
            reason: match paths.len() {
                0 => "it has no path".to_owned(),
                _ => format!("no path can be used: {}", lost.join(", ")),
            },
        }
    } else {
        Trouble {
            kind: TroubleKind::PathLost,
            reason: format!(
                "{} of {} paths cannot be used: {}",
                lost.len(),
                paths.len(),
                lost.join(", ")
            ),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::device::DeviceType;

    const SDA: DeviceNumber = DeviceNumber::new(8, 0);
    const SDB: DeviceNumber = DeviceNumber::new(8, 16);
    const MAP: DeviceNumber = DeviceNumber::new(253, 0);
    const LOGICAL: DeviceNumber = DeviceNumber::new(253, 1);

    fn disk(number: DeviceNumber, name: &str, state: Option<&str>) -> BlockDevice {
        BlockDevice {
            state: state.map(str::to_owned),
            ..BlockDevice::new(number, name, DeviceType::Disk)
        }
    }

    /// What is said of a multipath disk whose paths are in these states, by device mapper; and by NVMe, which must be the same.
    fn of_paths_in(states: [Option<&str>; 2]) -> Option<String> {
        let mapped = BlockDevices::new([
            disk(SDA, "sda", states[0]),
            disk(SDB, "sdb", states[1]),
            BlockDevice::over(MAP, "dm-0", "mpath", &[SDA, SDB]),
        ]);
        let mut head = disk(SDA, "nvme0n1", None);
        head.hidden_paths = ["sda", "sdb"]
            .iter()
            .zip(states)
            .map(|(name, state)| DiskPath {
                name: (*name).to_owned(),
                state: state.map(str::to_owned),
            })
            .collect();
        let native = BlockDevices::new([head]);
        let troubles = Troubles::of(&mapped);
        assert!(troubles.iter().all(|(number, _)| number == MAP), "{troubles:?}");
        let said = |troubles: &Troubles, number| troubles.get(number).map(ToString::to_string);
        assert_eq!(said(&troubles, MAP), said(&Troubles::of(&native), SDA));
        said(&troubles, MAP)
    }

    #[test]
    fn a_multipath_disk_is_in_trouble_when_a_path_is_and_unusable_when_all_are() {
        assert_eq!(of_paths_in([Some("running"), Some("running")]), None);
        assert_eq!(of_paths_in([Some("live"), Some("non-optimized")]), None);
        assert_eq!(
            of_paths_in([Some("running"), Some("transport-offline")]).as_deref(),
            Some("path lost: 1 of 2 paths cannot be used: sdb (transport-offline)")
        );
        assert_eq!(
            of_paths_in([Some("blocked"), Some("offline")]).as_deref(),
            Some("unusable: no path can be used: sda (blocked), sdb (offline)")
        );
    }

    #[test]
    fn a_path_of_which_nothing_is_known_is_not_taken_for_lost() {
        assert_eq!(of_paths_in([None, None]), None);
        assert_eq!(of_paths_in([Some("running"), Some("levitating")]), None);
        assert_eq!(
            of_paths_in([Some("offline"), None]).as_deref(),
            Some("path lost: 1 of 2 paths cannot be used: sda (offline)")
        );
    }

    #[test]
    fn a_map_without_a_path_is_unusable() {
        let devices = BlockDevices::new([BlockDevice::over(MAP, "dm-0", "mpath", &[])]);
        let said = Troubles::of(&devices).get(MAP).map(ToString::to_string);
        assert_eq!(said.as_deref(), Some("unusable: it has no path"));
    }

    #[test]
    fn an_array_that_lacks_more_than_it_can_do_without_is_unusable() {
        let said = |level: &str, missing| {
            let mut array = BlockDevice::over(MAP, "md0", level, &[]);
            array.missing_members = Some(missing);
            let troubles = Troubles::of(&BlockDevices::new([array]));
            troubles.get(MAP).map(ToString::to_string)
        };
        assert_eq!(said("raid5", 0), None);
        for (level, missing, kind) in [
            ("raid1", 2, "degraded"),
            ("raid10", 2, "degraded"),
            ("raid5", 1, "degraded"),
            ("raid5", 2, "unusable"),
            ("raid6", 2, "degraded"),
            ("raid6", 3, "unusable"),
        ] {
            let whole = format!("{kind}: lacks {missing} of the members that it is meant to have");
            assert_eq!(said(level, missing), Some(whole), "{level}");
        }
    }

    #[test]
    fn a_volume_is_told_of_what_is_wrong_at_any_depth_below_it_and_of_nothing_else() {
        let mut array = BlockDevice::over(MAP, "md0", "raid1", &[SDA]);
        array.missing_members = Some(1);
        let devices = BlockDevices::new([
            disk(SDA, "sda", Some("running")),
            disk(SDB, "sdb", Some("offline")),
            array,
            BlockDevice::over(LOGICAL, "dm-1", "lvm", &[MAP]),
        ]);
        let troubles = Troubles::of(&devices);
        let below = |device: DeviceNumber| -> Vec<String> {
            let volume = Volume::on(&devices, device);
            let found = troubles.below(&devices, &volume).into_iter();
            found
                .map(|(number, trouble)| format!("{number} {}", trouble.kind.as_str()))
                .collect()
        };
        assert_eq!(below(LOGICAL), ["253:0 degraded"]);
        assert_eq!(below(SDB), ["8:16 unusable"]);
        assert_eq!(below(SDA), [""; 0]);
    }

    #[test]
    fn a_volume_is_told_of_what_is_wrong_below_the_filesystem_of_its_file() {
        let mut array = BlockDevice::over(MAP, "md0", "raid1", &[SDA]);
        array.missing_members = Some(1);
        let file = DeviceNumber::new(7, 0);
        let devices = BlockDevices::new([
            disk(SDA, "sda", Some("running")),
            array,
            BlockDevice::over(file, "loop0", "loop", &[]),
        ]);
        let mut volume = Volume::on(&devices, file);
        volume.placement.files.insert(file, vec![MAP]);
        volume.placement.disks = vec![SDA];
        let troubles = Troubles::of(&devices);
        let found: Vec<_> = troubles.below(&devices, &volume).into_keys().collect();
        assert_eq!(found, [MAP]);
    }
}
