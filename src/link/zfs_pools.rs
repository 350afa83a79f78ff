//! The devices that ZFS pools are made of, by what a scan of their first blocks found.

use std::collections::BTreeMap;

use crate::model::device::{BlockDevice, DeviceNumber, Signature};
use crate::model::graph::BlockDevices;

/// The members of each pool, log and cache devices too, in order of their numbers. Nothing is found where no udev runs.
///
/// A scan finds a member's signature, whose label is the pool's name, on more than the member: on a disk of which ZFS uses partition 1, and on a
/// multipath disk's paths. Of devices made of each other, the uppermost is the member. Two pools of one name are told apart by their
/// UUIDs, and nothing says which of them is in use: then the members of neither are known.
pub(super) fn zfs_pools(devices: &BlockDevices) -> BTreeMap<&str, Vec<DeviceNumber>> {
    let mut pools: BTreeMap<&str, Vec<&BlockDevice>> = BTreeMap::new();
    for device in devices.iter() {
        let Some(pool) = pool_of(&device.signature) else {
            continue;
        };
        let of_same_pool = |above: &BlockDevice| pool_of(&above.signature) == Some(pool);
        if !devices.above(device.number).into_iter().skip(1).any(of_same_pool) {
            pools.entry(pool).or_default().push(device);
        }
    }
    pools.retain(|_, members| {
        let mut uuids = members
            .iter()
            .filter_map(|member| member.signature.uuid.as_deref());
        let first = uuids.next();
        uuids.all(|uuid| Some(uuid) == first)
    });
    let numbers = |members: Vec<&BlockDevice>| members.into_iter().map(|member| member.number).collect();
    pools
        .into_iter()
        .map(|(pool, members)| (pool, numbers(members)))
        .collect()
}

fn pool_of(signature: &Signature) -> Option<&str> {
    let is_member = signature.fstype.as_deref() == Some("zfs_member");
    signature.label.as_deref().filter(|_| is_member)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::device::DeviceType;

    fn device(minor: u32, name: &str, parents: &[u32], pool: Option<(&str, &str)>) -> BlockDevice {
        BlockDevice {
            parents: parents.iter().map(|minor| DeviceNumber::new(8, *minor)).collect(),
            signature: Signature {
                fstype: pool.map(|_| "zfs_member".into()),
                label: pool.map(|(label, _)| label.into()),
                uuid: pool.map(|(_, uuid)| uuid.into()),
            },
            ..BlockDevice::new(DeviceNumber::new(8, minor), name, DeviceType::Disk)
        }
    }

    #[test]
    fn a_pool_lies_on_its_members_and_not_on_what_these_are_made_of() {
        let tank = Some(("tank", "1"));
        let devices = BlockDevices::new([
            device(0, "sda", &[], tank),
            device(1, "sda1", &[0], tank),
            device(9, "sda9", &[0], None),
            device(16, "sdb", &[], tank),
            device(32, "sdc", &[], Some(("other", "2"))),
            device(48, "sdd", &[], tank),
            device(64, "sde", &[], tank),
            // udev may not have looked at the map itself.
            device(100, "mpatha", &[48, 64], None),
            device(101, "mpatha1", &[100], tank),
            device(112, "sdf", &[], Some(("twice", "3"))),
            device(128, "sdg", &[], Some(("twice", "4"))),
        ]);
        let pools = zfs_pools(&devices);
        let names = |pool: &str| -> Option<Vec<&str>> {
            let members = pools.get(pool)?.iter();
            Some(
                members
                    .map(|number| devices.get(*number).unwrap().name.as_str())
                    .collect(),
            )
        };
        assert_eq!(names("tank").unwrap(), ["sda1", "sdb", "mpatha1"]);
        assert_eq!(names("other").unwrap(), ["sdc"]);
        assert_eq!(names("twice"), None);
    }
}
