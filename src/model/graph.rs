//! The block device graph: what is made of what.
//!
//! It is a graph and not a tree: a logical volume may lie on several disks and a disk carries many volumes.
//! Edges come from the kernel, so a loop should not exist; every walk is guarded against one all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::device::{BlockDevice, DeviceNumber, DeviceType, DiskPath};

/// All block devices of a machine, in order of their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockDevices {
    devices: BTreeMap<DeviceNumber, Arc<BlockDevice>>,
    names: BTreeMap<String, DeviceNumber>,
}

impl BlockDevices {
    /// The graph of `devices`. Parents that are not among them are dropped; children are derived from parents. A device
    /// that others hold as well is not copied where it is already as it must be.
    pub fn new(devices: impl IntoIterator<Item = impl Into<Arc<BlockDevice>>>) -> Self {
        let mut devices: BTreeMap<_, Arc<BlockDevice>> = devices
            .into_iter()
            .map(|device| {
                let device = device.into();
                (device.number, device)
            })
            .collect();
        let known: BTreeSet<_> = devices.keys().copied().collect();
        let mut children: BTreeMap<DeviceNumber, Vec<DeviceNumber>> = BTreeMap::new();
        for device in devices.values_mut() {
            let own = device.number;
            let mut parents = device.parents.clone();
            parents.retain(|parent| *parent != own && known.contains(parent));
            parents.sort_unstable();
            parents.dedup();
            if device.parents != parents {
                Arc::make_mut(device).parents = parents;
            }
            for parent in &device.parents {
                children.entry(*parent).or_default().push(own);
            }
        }
        for device in devices.values_mut() {
            let children = children.remove(&device.number).unwrap_or_default();
            if device.children != children {
                Arc::make_mut(device).children = children;
            }
        }
        let mut names = BTreeMap::new();
        for device in devices.values() {
            names.insert(device.name.clone(), device.number);
        }
        // The kernel's name wins over a map that somebody named like a disk.
        for device in devices.values() {
            names.insert(device.kernel_name.clone(), device.number);
        }
        Self { devices, names }
    }

    /// The device with this number.
    pub fn get(&self, number: DeviceNumber) -> Option<&BlockDevice> {
        self.shared(number).map(Arc::as_ref)
    }

    /// The device with this number, to be held.
    pub fn shared(&self, number: DeviceNumber) -> Option<&Arc<BlockDevice>> {
        self.devices.get(&number)
    }

    /// All devices, in order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &BlockDevice> {
        self.devices.values().map(Arc::as_ref)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// The device called `name` by the kernel or by its map: `sda1`, `dm-0`, `vg0-home`.
    pub fn named(&self, name: &str) -> Option<&BlockDevice> {
        self.get(*self.names.get(name)?)
    }

    /// The device that a mount's source names: `/dev/sda1`, `/dev/mapper/vg0-home`.
    pub fn by_source(&self, source: &str) -> Option<&BlockDevice> {
        self.by_node(source.strip_prefix("/dev/")?)
    }

    /// The device with this node, as it is called below `/dev`: `sda1`, `mapper/vg0-home`.
    pub fn by_node(&self, node: &str) -> Option<&BlockDevice> {
        self.named(node.strip_prefix("mapper/").unwrap_or(node))
    }

    /// The device and everything made from it, nearest first.
    pub fn above(&self, number: DeviceNumber) -> Vec<&BlockDevice> {
        self.walk(number, |device| &device.children)
    }

    /// The device and everything it is made of, nearest first.
    pub fn below(&self, number: DeviceNumber) -> Vec<&BlockDevice> {
        self.walk(number, |device| &device.parents)
    }

    fn walk(&self, start: DeviceNumber, next: impl Fn(&BlockDevice) -> &[DeviceNumber]) -> Vec<&BlockDevice> {
        let mut seen = BTreeSet::from([start]);
        let mut order = Vec::new();
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(number) = queue.pop_front() {
            let Some(device) = self.get(number) else { continue };
            order.push(device);
            queue.extend(next(device).iter().filter(|number| seen.insert(**number)));
        }
        order
    }

    /// What is at the bottom of `number`'s stack, each only once: disks, and what looks like one to the kernel, as loop devices and ZFS
    /// volumes do; itself where there is nothing below it.
    ///
    /// A multipath map counts as one disk and its paths are not descended into.
    pub fn disks_of(&self, number: DeviceNumber) -> Vec<&BlockDevice> {
        let mut seen = BTreeSet::from([number]);
        let mut queue = vec![number];
        let mut disks = BTreeMap::new();
        while let Some(number) = queue.pop() {
            let Some(device) = self.get(number) else { continue };
            if device.parents.is_empty() || device.device_type == DeviceType::Multipath {
                disks.insert(device.number, device);
            } else {
                queue.extend(device.parents.iter().filter(|parent| seen.insert(**parent)));
            }
        }
        disks.into_values().collect()
    }

    /// The device at which the kernel counts a control group's I/O on `number`: a partition's disk, else itself.
    pub fn counted_at(&self, number: DeviceNumber) -> DeviceNumber {
        self.get(number)
            .filter(|device| device.is_partition())
            .and_then(|device| device.parents.first().copied())
            .unwrap_or(number)
    }

    /// What tells the device with this number from others that had the number before it: the running number of its disk, which has another
    /// after each change of medium or file. Linux has it since 5.15. Of an older kernel's it is what names the disk, its map or its file.
    pub fn incarnation(&self, number: DeviceNumber) -> u64 {
        let Some(device) = self.get(number) else {
            return 0;
        };
        if let Some(sequence) = device.sequence {
            return sequence;
        }
        let disk = self.get(self.counted_at(number)).unwrap_or(device);
        let mut hasher = DefaultHasher::new();
        (&disk.identity.serial, &disk.identity.wwn).hash(&mut hasher);
        (&disk.name, &disk.map_uuid, &disk.backing_file).hash(&mut hasher);
        hasher.finish()
    }

    /// True for a whole disk as a person counts them: nothing beneath it but the paths of a multipath map,
    /// and not itself such a path. Optical drives, loop devices, which are files, zram, which is memory, and ZFS
    /// volumes, which are parts of their pools, are not counted.
    pub fn is_disk(&self, device: &BlockDevice) -> bool {
        match device.device_type {
            DeviceType::Multipath => true,
            DeviceType::Disk => {
                let is_made_up = device.is_memory() || device.is_zfs_volume();
                device.parents.is_empty() && !is_made_up && !self.is_path(device)
            }
            _ => false,
        }
    }

    /// The paths of a multipath disk, in order; `None` for any other device. A path that is gone altogether is not among them.
    pub fn paths(&self, device: &BlockDevice) -> Option<Vec<DiskPath>> {
        if device.device_type == DeviceType::Multipath {
            let paths = device.parents.iter().filter_map(|path| self.get(*path));
            return Some(
                paths
                    .map(|path| DiskPath {
                        name: path.kernel_name.clone(),
                        state: path.state.clone(),
                    })
                    .collect(),
            );
        }
        (!device.hidden_paths.is_empty()).then(|| device.hidden_paths.clone())
    }

    /// True for a disk that is only one of the paths of a multipath map.
    pub fn is_path(&self, device: &BlockDevice) -> bool {
        device
            .children
            .iter()
            .filter_map(|child| self.get(*child))
            .any(|child| child.device_type == DeviceType::Multipath)
    }

    /// All whole disks.
    pub fn disks(&self) -> impl Iterator<Item = &BlockDevice> {
        self.iter().filter(|device| self.is_disk(device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(minor: u32, name: &str, device_type: DeviceType, parents: &[u32]) -> BlockDevice {
        BlockDevice {
            parents: parents.iter().map(|minor| DeviceNumber::new(8, *minor)).collect(),
            ..BlockDevice::new(DeviceNumber::new(8, minor), name, device_type)
        }
    }

    fn names(devices: Vec<&BlockDevice>) -> Vec<&str> {
        devices
            .into_iter()
            .map(|device| device.kernel_name.as_str())
            .collect()
    }

    #[test]
    fn a_volume_over_two_disks_leads_to_both_and_each_disk_back_to_it() {
        let graph = BlockDevices::new([
            device(0, "sda", DeviceType::Disk, &[]),
            device(1, "sda1", DeviceType::Partition, &[0]),
            device(16, "sdb", DeviceType::Disk, &[]),
            device(100, "dm-0", DeviceType::Lvm, &[1, 16]),
        ]);
        assert_eq!(names(graph.disks_of(DeviceNumber::new(8, 100))), ["sda", "sdb"]);
        assert_eq!(
            names(graph.above(DeviceNumber::new(8, 0))),
            ["sda", "sda1", "dm-0"]
        );
        assert_eq!(names(graph.above(DeviceNumber::new(8, 16))), ["sdb", "dm-0"]);
    }

    #[test]
    fn a_device_has_its_node_by_its_own_name_or_by_its_maps() {
        let map = BlockDevice {
            name: "vg0-home".into(),
            ..device(100, "dm-0", DeviceType::Lvm, &[])
        };
        let graph = BlockDevices::new([map, device(0, "cciss/c0d0", DeviceType::Disk, &[])]);
        let name = |device: Option<&BlockDevice>| device.map(|device| device.kernel_name.clone());
        for (node, expected) in [
            ("dm-0", Some("dm-0")),
            ("mapper/vg0-home", Some("dm-0")),
            ("cciss/c0d0", Some("cciss/c0d0")),
            ("disk/by-id/x", None),
            ("", None),
        ] {
            assert_eq!(name(graph.by_node(node)).as_deref(), expected, "{node}");
            assert_eq!(
                name(graph.by_source(&format!("/dev/{node}"))).as_deref(),
                expected,
                "{node}"
            );
        }
        assert_eq!(name(graph.by_source("dm-0")), None);
    }

    #[test]
    fn a_partitions_io_is_counted_at_its_disk() {
        let graph = BlockDevices::new([
            device(0, "sda", DeviceType::Disk, &[]),
            device(1, "sda1", DeviceType::Partition, &[0]),
            device(100, "dm-0", DeviceType::Multipath, &[0]),
            device(101, "dm-1", DeviceType::Partition, &[100]),
        ]);
        let counted_at = |minor| graph.counted_at(DeviceNumber::new(8, minor)).minor;
        assert_eq!([0, 1, 100, 101, 7].map(counted_at), [0, 0, 100, 101, 7]);
    }

    #[test]
    fn a_multipath_map_is_one_disk_and_its_paths_are_none() {
        let graph = BlockDevices::new([
            device(0, "sda", DeviceType::Disk, &[]),
            device(16, "sdb", DeviceType::Disk, &[]),
            device(100, "dm-0", DeviceType::Multipath, &[0, 16]),
            device(101, "dm-1", "part".into(), &[100]),
        ]);
        assert_eq!(names(graph.disks().collect()), ["dm-0"]);
        assert_eq!(names(graph.disks_of(DeviceNumber::new(8, 101))), ["dm-0"]);
    }

    #[test]
    fn a_loop_in_the_graph_ends_every_walk() {
        let graph = BlockDevices::new([
            device(0, "dm-0", DeviceType::Lvm, &[1, 0]),
            device(1, "dm-1", DeviceType::Lvm, &[0, 77]),
        ]);
        assert_eq!(graph.below(DeviceNumber::new(8, 0)).len(), 2);
        assert!(graph.disks_of(DeviceNumber::new(8, 0)).is_empty());
    }
}
