//! What a volume's devices come down to: disks, files on other filesystems, parts of pools, memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Resolver;
use crate::model::device::{BlockDevice, DeviceNumber, DeviceType};
use crate::model::mount::Mount;
use crate::model::placement::{Medium, Placement};
use crate::model::remote::RemoteTarget;

#[derive(Default)]
struct Ends {
    disks: BTreeSet<DeviceNumber>,
    files: BTreeMap<DeviceNumber, Vec<DeviceNumber>>,
    remote: Option<RemoteTarget>,
    /// True where some of it is in this node's memory.
    memory: bool,
}

impl Resolver<'_> {
    /// Fills in what is below the devices of a volume. Those of `followed` are loop devices and ZFS volumes that led here.
    pub(super) fn add_disks(&self, placement: &mut Placement, followed: &mut BTreeSet<DeviceNumber>) {
        let mut ends = Ends::default();
        self.add_ends(&placement.devices, &mut ends, followed);
        placement.medium = if ends.disks.is_empty() && ends.memory {
            Medium::Memory
        } else {
            Medium::Disk
        };
        placement.disks = ends.disks.into_iter().collect();
        placement.files = ends.files;
        placement.remote = ends.remote;
    }

    fn add_ends(&self, devices: &[DeviceNumber], ends: &mut Ends, followed: &mut BTreeSet<DeviceNumber>) {
        for device in devices {
            if ends.remote.is_none() {
                ends.remote = self.remote(*device).cloned();
            }
            for end in self.facts.devices.disks_of(*device) {
                self.add_end(end, ends, followed);
            }
        }
    }

    /// The other machine that a device leads to: by itself, as DRBD's do, or by what it is made of. The nearest says most of the volume.
    fn remote(&self, device: DeviceNumber) -> Option<&RemoteTarget> {
        let below = self.facts.devices.below(device).into_iter();
        let mut targets = below.filter_map(|device| self.facts.remotes.get(&device.number)?.first());
        targets.next()
    }

    /// A loop device is followed to the disks of its file, and a ZFS volume to those of its pool. A file may lie on a filesystem of another
    /// loop device, and a broken machine may have a circle of them: each is followed once. zram and files in memory are on no disk.
    fn add_end(&self, end: &BlockDevice, ends: &mut Ends, followed: &mut BTreeSet<DeviceNumber>) {
        if end.is_memory() {
            ends.memory = true;
        } else if end.device_type == DeviceType::Loop {
            self.add_file(end, ends, followed);
        } else if end.is_zfs_volume() {
            let members = self.filesystems.of_zfs_volume(end);
            if !members.is_empty() && followed.insert(end.number) {
                ends.files.insert(end.number, members.to_vec());
                self.add_ends(members, ends, followed);
            }
        } else {
            ends.disks.insert(end.number);
        }
    }

    fn add_file(&self, device: &BlockDevice, ends: &mut Ends, followed: &mut BTreeSet<DeviceNumber>) {
        let Some(file) = &device.backing_file else {
            return;
        };
        if !followed.insert(device.number) {
            return;
        }
        let file = file.strip_suffix(" (deleted)").unwrap_or(file);
        if let Some(mount) = self
            .table
            .of(Path::new(file))
            .filter(|mount| may_hold(mount, device))
        {
            let below = self.on_mount(mount, true, followed);
            ends.memory |= below.medium == Medium::Memory;
            ends.disks.extend(below.disks);
            ends.files.extend(below.files);
            ends.files.insert(device.number, below.devices);
            if ends.remote.is_none() {
                ends.remote = below.remote;
            }
        }
    }
}

/// False where a loop device's file cannot be on the mount at which its path leads on this node. Who may write to a file keeps the mount by which
/// he opened it from being made read-only, though not the filesystem after an error: then the path is one of a container's, or another
/// mount has been put over the file.
fn may_hold(mount: &Mount, device: &BlockDevice) -> bool {
    !(mount.read_only && device.read_only == Some(false))
}
