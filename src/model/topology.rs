//! The storage map: facts joined, ready for every sink.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cluster_map::ClusterMap;
use super::device::{DeviceNumber, Identity};
use super::graph::BlockDevices;
use super::placement::Volume;

/// How `lsblk` and we say that a device is swap space.
pub const SWAP: &str = "[SWAP]";

/// One whole disk and what lies on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The disk; for multipath the map.
    pub number: DeviceNumber,
    /// Who made it and which one it is; for multipath what its paths say.
    pub identity: Identity,
    /// Kernel names of the paths of a multipath disk; empty for others.
    pub paths: Vec<String>,
    /// The uppermost devices on it, in order: what a person would name when asked what the disk holds.
    pub carries: Vec<DeviceNumber>,
    /// Bytes in use on the filesystems on it; `None` where there is none, where one of them is not known, or
    /// where one lies on other disks as well.
    pub used: Option<u64>,
    /// The fullest filesystem on it, whether or not that lies on other disks as well: its mount point, and the
    /// share in use in thousandths.
    pub fullest: Option<(u16, String)>,
}

/// The joined map of one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// The block device graph.
    pub devices: Arc<BlockDevices>,
    /// Mount points of each device, in order of mounting, without repetition; [`SWAP`] for swap space.
    /// Devices that nothing uses are not in it.
    pub mount_points: BTreeMap<DeviceNumber, Vec<String>>,
    /// Whole disks, in order of their numbers.
    pub disks: Vec<Disk>,
    /// Files that serve as disks: loop devices that can be written. Read-only images are nobody's storage.
    pub loops: Vec<Disk>,
    /// Pods' volumes, each once, in order of name.
    pub volumes: Vec<Volume>,
    /// What the Kubernetes API says; `None` where there is none in reach.
    pub cluster: Option<Arc<ClusterMap>>,
}

impl Topology {
    /// A whole disk, or a loop device that serves as one.
    pub fn disk(&self, number: DeviceNumber) -> Option<&Disk> {
        self.disks
            .iter()
            .chain(&self.loops)
            .find(|disk| disk.number == number)
    }

    /// The volumes that lie on a disk, alone or with other disks.
    pub fn volumes_on(&self, disk: DeviceNumber) -> impl Iterator<Item = &Volume> {
        self.volumes
            .iter()
            .filter(move |volume| volume.placement.disks.contains(&disk))
    }

    /// The mount points of one device; none where it is not mounted.
    pub fn mount_points_of(&self, number: DeviceNumber) -> &[String] {
        self.mount_points.get(&number).map_or(&[], Vec::as_slice)
    }
}
