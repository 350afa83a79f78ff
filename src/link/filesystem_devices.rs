//! The block devices that a filesystem lies on, also where its device number does not name them.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::zfs_pools::zfs_pools;
use crate::model::btrfs::BtrfsFilesystem;
use crate::model::device::{BlockDevice, DeviceNumber};
use crate::model::graph::BlockDevices;

/// What tells of a filesystem which devices it lies on.
#[derive(Debug)]
pub(super) struct FilesystemDevices<'a> {
    devices: &'a BlockDevices,
    btrfs: &'a [BtrfsFilesystem],
    /// The members of each ZFS pool; looked for where there is ZFS.
    zfs_pools: OnceCell<BTreeMap<&'a str, Vec<DeviceNumber>>>,
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
            // A snapshot is mounted as `tank@now`.
            "zfs" => {
                let pool = source.split(['/', '@']).next().unwrap_or_default();
                self.of_zfs_pool(pool).to_vec()
            }
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
}
