//! `/sys/fs/btrfs/UUID`: the btrfs filesystems that are mounted, and the devices of each.
//!
//! A btrfs has an anonymous device number, another one for each subvolume, and a mount names one of its devices
//! at most. The folder `devices` has a link to every one (`Documentation/filesystems/btrfs` leaves it out;
//! `fs/btrfs/sysfs.c` makes it).

use std::sync::Arc;

use super::read::names;
use super::roots::Roots;
use crate::model::btrfs::BtrfsFilesystem;
use crate::model::mount_table::MountTable;

/// Reads them where there are any.
#[derive(Debug, Default)]
pub struct BtrfsReader {
    mounts: Arc<MountTable>,
    is_mounted: bool,
}

impl BtrfsReader {
    /// The btrfs filesystems of a node with these mounts. Whether there is one among the mounts is looked at where they have changed.
    pub fn read(&mut self, roots: &Roots, mounts: &Arc<MountTable>) -> Vec<BtrfsFilesystem> {
        if !Arc::ptr_eq(&self.mounts, mounts) {
            self.is_mounted = mounts.iter().any(|mount| mount.fstype == "btrfs");
            self.mounts = Arc::clone(mounts);
        }
        if self.is_mounted { read(roots) } else { Vec::new() }
    }
}

/// The btrfs filesystems of the node, in order of their UUIDs; none where btrfs is not in use.
///
/// Costs one reading of a folder, and for each filesystem another.
pub fn read(roots: &Roots) -> Vec<BtrfsFilesystem> {
    let folder = roots.sys.join("fs/btrfs");
    names(&folder)
        .into_iter()
        // `features` and `debug` lie beside the filesystems.
        .filter(|name| name.contains('-'))
        .filter_map(|uuid| {
            let device_names: Vec<_> = names(&folder.join(uuid).join("devices"))
                .into_iter()
                .map(|name| name.replace('!', "/"))
                .collect();
            (!device_names.is_empty()).then_some(BtrfsFilesystem { device_names })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::read::write_tree;
    use super::*;

    #[test]
    fn each_filesystem_has_its_devices() {
        let machine = tempfile::tempdir().unwrap();
        let one = "1ca0e47f-899a-4383-a9d3-d168967d1aeb";
        let two = "87f1fec3-55fd-461a-b361-dd4aaa15eab6";
        let sys = machine.path().join("sys/fs/btrfs");
        write_tree(
            &sys,
            &[
                ("features/raid56", "0\n"),
                (&format!("{one}/label"), "\n"),
                (&format!("{two}/label"), "my data\n"),
                ("00000000-0000-0000-0000-000000000000/label", "no devices\n"),
            ],
            &[
                (
                    &format!("{one}/devices/vdf"),
                    "../../../../devices/pci0000:00/0000:00:09.0/virtio5/block/vdf",
                ),
                (
                    &format!("{two}/devices/vde"),
                    "../../../../devices/pci0000:00/0000:00:08.0/virtio4/block/vde",
                ),
                (
                    &format!("{two}/devices/cciss!c0d0p1"),
                    "../../../../devices/pci0000:00/block/cciss!c0d0/cciss!c0d0p1",
                ),
            ],
        );
        let filesystems = read(&Roots::below(machine.path()));
        assert_eq!(
            filesystems,
            [
                BtrfsFilesystem {
                    device_names: vec!["vdf".into()]
                },
                BtrfsFilesystem {
                    device_names: vec!["cciss/c0d0p1".into(), "vde".into()],
                },
            ]
        );
    }

    #[test]
    fn where_btrfs_is_not_in_use_there_are_none() {
        let machine = tempfile::tempdir().unwrap();
        assert!(read(&Roots::below(machine.path())).is_empty());
    }
}
