//! The storage map: facts joined, ready for every sink.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::bytes::Bytes;
use super::cluster_map::ClusterMap;
use super::device::{BlockDevice, DeviceNumber, DiskPath, Identity};
use super::graph::BlockDevices;
use super::placement::Volume;
use super::trouble::{Trouble, Troubles};
use super::workload::Claim;

/// How `lsblk` and we say that a device is swap space.
pub const SWAP: &str = "[SWAP]";

/// One whole disk and what lies on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The disk; for multipath the map.
    pub number: DeviceNumber,
    /// Who made it and which one it is; for multipath what its paths say.
    pub identity: Identity,
    /// The paths of a multipath disk that are there; `None` for others.
    pub paths: Option<Vec<DiskPath>>,
    /// The uppermost devices on it, in order: what a person would name when asked what the disk holds.
    pub carries: Vec<DeviceNumber>,
    /// Bytes in use on the filesystems on it, those of pods' volumes among them; `None` where there is none, where one of them is not known,
    /// or where one lies on other disks as well.
    pub used: Option<u64>,
    /// The fullest filesystem on it, whether or not that lies on other disks as well: the share in use in thousandths, and its mount
    /// point, or the name of the volume where it is mounted for pods alone.
    pub fullest: Option<(u16, String)>,
    /// What the PersistentVolumes on it were promised.
    pub promise: Promise,
}

/// What the PersistentVolumes on a disk were promised of it. Thinly made volumes may be promised more than there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Promise {
    /// Volumes that lie on this disk alone, and of which it is known what they were promised.
    pub volumes: usize,
    /// The sum of what those were promised, in bytes.
    pub bytes: u64,
    /// Volumes that lie on this disk alone, and of which it is not known.
    pub unknown: usize,
    /// Volumes that lie on other disks as well: how much of them lies here is not known.
    pub spread: usize,
}

impl Promise {
    /// Bytes promised of this disk; `None` where there are none, or not all are known.
    pub fn total(&self) -> Option<u64> {
        (self.volumes > 0 && self.unknown == 0 && self.spread == 0).then_some(self.bytes)
    }

    /// True where no PersistentVolume lies on the disk.
    pub fn is_empty(&self) -> bool {
        self.volumes + self.unknown + self.spread == 0
    }
}

impl fmt::Display for Promise {
    /// `120G to 4 volumes; unknown to 2; 1 on other disks as well`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.volumes == 1 { "" } else { "s" };
        let parts = [
            (
                self.volumes,
                format!("{} to {} volume{plural}", Bytes(self.bytes), self.volumes),
            ),
            (self.unknown, format!("unknown to {}", self.unknown)),
            (self.spread, format!("{} on other disks as well", self.spread)),
        ];
        let told: Vec<_> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(_, text)| text)
            .collect();
        formatter.write_str(&told.join("; "))
    }
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
    /// Files that serve as disks, in order of their numbers: loop devices that can be written. Read-only images are nobody's storage.
    pub loops: Vec<Disk>,
    /// What is wrong with the devices.
    pub troubles: Troubles,
    /// Pods' volumes, each once, in order of name.
    pub volumes: Vec<Volume>,
    /// The places among them of those that lie on each disk.
    pub on_disks: BTreeMap<DeviceNumber, Vec<usize>>,
    /// What the Kubernetes API says; `None` where there is none in reach.
    pub cluster: Option<Arc<ClusterMap>>,
}

impl Topology {
    /// A whole disk, or a loop device that serves as one.
    pub fn disk(&self, number: DeviceNumber) -> Option<&Disk> {
        [&self.disks, &self.loops].into_iter().find_map(|disks| {
            let at = disks.binary_search_by_key(&number, |disk| disk.number);
            disks.get(at.ok()?)
        })
    }

    /// The volumes that lie on a disk, alone or with other disks.
    pub fn volumes_on(&self, disk: DeviceNumber) -> impl Iterator<Item = &Volume> {
        let places = self.on_disks.get(&disk).into_iter().flatten();
        places.filter_map(|at| self.volumes.get(*at))
    }

    /// The devices below a volume that are in trouble, in order of their numbers.
    pub fn troubles_below(&self, volume: &Volume) -> impl Iterator<Item = (&BlockDevice, &Trouble)> {
        let troubles = self.troubles.below(&self.devices, volume).into_iter();
        troubles.filter_map(|(number, trouble)| Some((self.devices.get(number)?, trouble)))
    }

    /// The claim that has a volume, where the API says so.
    pub fn claim_of(&self, volume: &Volume) -> Option<&Arc<Claim>> {
        let cluster = self.cluster.as_ref().filter(|_| volume.persistent)?;
        cluster.claim(&volume.name)
    }

    /// The mount points of one device; none where it is not mounted.
    pub fn mount_points_of(&self, number: DeviceNumber) -> &[String] {
        self.mount_points.get(&number).map_or(&[], Vec::as_slice)
    }
}
