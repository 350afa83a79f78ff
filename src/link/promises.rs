//! How much of a disk its PersistentVolumes were promised.

use std::collections::BTreeMap;

use crate::model::cluster_map::ClusterMap;
use crate::model::device::DeviceNumber;
use crate::model::graph::BlockDevices;
use crate::model::placement::Volume;
use crate::model::topology::Promise;

/// Bytes that a volume was promised: what the API says, else the size of the device that it has to itself. A folder of a
/// filesystem that others have as well was promised nothing that the kernel knows of.
pub(super) fn of_volume(
    devices: &BlockDevices,
    cluster: Option<&ClusterMap>,
    volume: &Volume,
) -> Option<u64> {
    if !volume.persistent {
        return None;
    }
    let said = cluster.and_then(|cluster| cluster.volume(&volume.name)?.capacity);
    said.or(volume.device_size)
        .or_else(|| match volume.placement.devices[..] {
            [device] if !volume.placement.shared => devices.get(device)?.size,
            _ => None,
        })
}

/// The promises by disk; disks that no PersistentVolume lies on are not in it.
pub(super) fn of_disks(volumes: &[Volume]) -> BTreeMap<DeviceNumber, Promise> {
    let mut promises: BTreeMap<DeviceNumber, Promise> = BTreeMap::new();
    for volume in volumes.iter().filter(|volume| volume.persistent) {
        let disks = &volume.placement.disks;
        for disk in disks {
            let promise = promises.entry(*disk).or_default();
            match volume.promised {
                _ if disks.len() > 1 => promise.spread += 1,
                None => promise.unknown += 1,
                Some(bytes) => {
                    promise.volumes += 1;
                    promise.bytes = promise.bytes.saturating_add(bytes);
                }
            }
        }
    }
    promises
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::device::{BlockDevice, DeviceType};

    const SDA: DeviceNumber = DeviceNumber::new(8, 0);
    const SDB: DeviceNumber = DeviceNumber::new(8, 16);
    const LOGICAL: DeviceNumber = DeviceNumber::new(253, 0);

    fn volume(disks: &[DeviceNumber]) -> Volume {
        let mut volume = Volume::on(&devices(), LOGICAL);
        volume.placement.disks = disks.to_vec();
        volume
    }

    fn devices() -> BlockDevices {
        let mut logical = BlockDevice::new(LOGICAL, "vg-data", DeviceType::from("lvm"));
        logical.size = Some(700);
        BlockDevices::new([logical])
    }

    #[test]
    fn a_volume_with_a_device_of_its_own_was_promised_that_device() {
        assert_eq!(of_volume(&devices(), None, &volume(&[SDA])), Some(700));
    }

    #[test]
    fn a_folder_of_a_shared_filesystem_was_promised_nothing_known() {
        let mut folder = volume(&[SDA]);
        folder.placement.shared = true;
        assert_eq!(of_volume(&devices(), None, &folder), None);
    }

    #[test]
    fn an_empty_dir_was_promised_nothing() {
        let mut folder = volume(&[SDA]);
        folder.persistent = false;
        assert_eq!(of_volume(&devices(), None, &folder), None);
        assert!(of_disks(&[folder]).is_empty());
    }

    #[test]
    fn what_lies_on_two_disks_is_told_apart_and_leaves_no_total() {
        let with = |disks: &[DeviceNumber], bytes| Volume {
            promised: bytes,
            ..volume(disks)
        };
        let volumes = [with(&[SDA], Some(10)), with(&[SDA], Some(20)), with(&[SDB], None)];
        let promises = of_disks(&volumes);
        assert_eq!(promises[&SDA].total(), Some(30));
        assert_eq!(promises[&SDB].total(), None, "unknown is absent");
        let promises = of_disks(&[with(&[SDA], Some(10)), with(&[SDA, SDB], Some(20))]);
        let expected = Promise {
            volumes: 1,
            bytes: 10,
            unknown: 0,
            spread: 1,
        };
        assert_eq!(promises[&SDA], expected);
        assert_eq!(promises[&SDA].total(), None);
    }
}
