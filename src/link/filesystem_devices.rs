//! The block devices that a filesystem lies on, also where its device number does not name them.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::zfs_pools::zfs_pools;
use crate::model::btrfs::BtrfsFilesystem;
use crate::model::device::{BlockDevice, DeviceNumber};
use crate::model::graph::BlockDevices;
use crate::model::zfs::pool_of;

/// What tells of a filesystem which devices it lies on.
#[derive(Debug)]
pub(super) struct FilesystemDevices<'a> {
    devices: &'a BlockDevices,
    btrfs: &'a [BtrfsFilesystem],
    /// The members of each ZFS pool; looked for where there is ZFS.
    zfs_pools: OnceCell<BTreeMap<&'a str, Vec<DeviceNumber>>>,
}

/// The disks, and the loop devices that serve as such, below some devices.
#[derive(Debug, Default)]
pub(super) struct Below {
    /// Their numbers.
    pub(super) disks: BTreeSet<DeviceNumber>,
    /// True where the way to them leads through a ZFS volume: others have a part of its pool as well, and how much of the pool it takes is
    /// not what its filesystem says.
    pub(super) by_zfs_volume: bool,
}

impl<'a> FilesystemDevices<'a> {
    /// With these devices and these btrfs filesystems.
    pub(super) fn new(devices: &'a BlockDevices, btrfs: &'a [BtrfsFilesystem]) -> Self {
        Self {
            devices,
            btrfs,
            zfs_pools: OnceCell::new(),
        }
    }

    /// The devices of a filesystem: the one that its number names; for btrfs, whose number is anonymous, all devices
    /// that the kernel lists with the one that was mounted; for ZFS the members of the pool.
    pub(super) fn of(&self, number: DeviceNumber, fstype: &str, source: &str) -> Vec<DeviceNumber> {
        if let Some(device) = self.devices.get(number) {
            return vec![device.number];
        }
        match fstype {
            "btrfs" => self.of_btrfs(source),
            "zfs" => self.of_zfs_pool(pool_of(source)).to_vec(),
            _ => Vec::new(),
        }
    }

    fn of_btrfs(&self, source: &str) -> Vec<DeviceNumber> {
        let Some(source) = self.devices.by_source(source) else {
            return Vec::new();
        };
        let has_source =
            |filesystem: &&BtrfsFilesystem| filesystem.device_names.contains(&source.kernel_name);
        let Some(filesystem) = self.btrfs.iter().find(has_source) else {
            return vec![source.number];
        };
        let members = filesystem.device_names.iter();
        let members = members.filter_map(|name| self.devices.named(name));
        members.map(|device| device.number).collect()
    }

    fn of_zfs_pool(&self, pool: &str) -> &[DeviceNumber] {
        let pools = self.zfs_pools.get_or_init(|| zfs_pools(self.devices));
        pools.get(pool).map_or(&[], Vec::as_slice)
    }

    /// The members of the pool that a ZFS volume lies in; none where its pool is not known, or not its members.
    pub(super) fn of_zfs_volume(&self, volume: &BlockDevice) -> &[DeviceNumber] {
        let pool = volume.zfs_pool();
        pool.map_or(&[], |pool| self.of_zfs_pool(&pool))
    }

    /// The disks below these devices, of a ZFS volume those of its pool. A loop device is not followed to the disk of its file, whose
    /// filesystem counts what the loop device takes of it already.
    pub(super) fn below(&self, members: &[DeviceNumber]) -> Below {
        let mut below = Below::default();
        let mut followed = BTreeSet::new();
        let mut members = members.to_vec();
        while let Some(member) = members.pop() {
            for end in self.devices.disks_of(member) {
                if !end.is_zfs_volume() {
                    below.disks.insert(end.number);
                    continue;
                }
                below.by_zfs_volume = true;
                if followed.insert(end.number) {
                    members.extend(self.of_zfs_volume(end));
                }
            }
        }
        below
    }
}
