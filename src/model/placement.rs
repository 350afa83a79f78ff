//! Where a volume's data lie: the answer that the resolver gives.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::device::DeviceNumber;
use super::disagreement::Disagreement;
#[cfg(test)]
use super::graph::BlockDevices;
use super::io::IoCounters;
use super::mount::{FilesystemUsage, UsageError};
use super::remote::RemoteTarget;
use super::volume::VolumeMode;

/// What sort of thing carries a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Medium {
    /// Block devices of this node, which may themselves be reached over a network.
    Disk,
    /// A filesystem of another machine.
    Network,
    /// This node's memory.
    Memory,
    /// A filesystem that lies on another one and has no device of its own (overlay), or whose devices are not known here.
    Unknown,
    /// Nothing: the volume is not mounted (yet, or any more).
    NotMounted,
}

impl Medium {
    /// A word for people and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Network => "network",
            Self::Memory => "memory",
            Self::Unknown => "unknown",
            Self::NotMounted => "not mounted",
        }
    }
}

/// For what statfs(2) may answer in the place of a filesystem that others use as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaOf {
    /// For nothing: the answer is the whole filesystem's.
    Nobody,
    /// For the folder that is mounted, where it has a project quota.
    Folder,
    /// For the folder of a Ceph filesystem that is mounted, where it has a quota, and else for the whole cluster.
    CephFolder,
}

/// What carries a path or a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// What sort of thing it is.
    pub medium: Medium,
    /// Where the filesystem is mounted that the volume is, or lies on; `None` for raw block devices.
    pub mount_point: Option<PathBuf>,
    /// The filesystem's device number as in `mountinfo`.
    pub number: Option<DeviceNumber>,
    /// Filesystem type.
    pub fstype: Option<String>,
    /// What was mounted: `/dev/sdb`, `server:/export`, `pool/dataset`.
    pub source: Option<String>,
    /// True where the kernel refuses writes, by way of the mount of each pod that has the volume.
    pub read_only: bool,
    /// The block devices right below: one, or the members of a btrfs filesystem or a ZFS pool.
    pub devices: Vec<DeviceNumber>,
    /// The whole disks below those, each once.
    pub disks: Vec<DeviceNumber>,
    /// For each loop device on the way down to the disks the devices of the filesystem that its file lies on, and for each ZFS volume those of
    /// its pool.
    pub files: BTreeMap<DeviceNumber, Vec<DeviceNumber>>,
    /// The machine that the data are on, if that is another one.
    pub remote: Option<RemoteTarget>,
    /// True where others than this volume lie on the same filesystem. Its capacity and use are the volume's alone all the same where there is a
    /// quota: see [`Volume::figures_shared`].
    pub shared: bool,
    /// What a quota would be of.
    pub quota_of: QuotaOf,
}

impl Placement {
    /// Nothing is mounted.
    pub fn not_mounted() -> Self {
        Self {
            medium: Medium::NotMounted,
            mount_point: None,
            number: None,
            fstype: None,
            source: None,
            read_only: false,
            devices: Vec::new(),
            disks: Vec::new(),
            files: BTreeMap::new(),
            remote: None,
            shared: false,
            quota_of: QuotaOf::Nobody,
        }
    }
}

/// One pod's use of a volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VolumeUser {
    /// The pod's UID, or a static pod's configuration hash.
    pub pod_uid: String,
    /// Where the pod's volume is, as the node has it.
    pub path: PathBuf,
    /// The device number of what is mounted there; `None` where nothing is.
    pub filesystem: Option<DeviceNumber>,
}

/// Where a volume's I/O figures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IoSource {
    /// The counters of a device that the volume has to itself: exact, with the filesystem's own I/O in it.
    Device,
    /// What the pods' control groups did on a disk that the volume shares: everything that the pods did there.
    ControlGroup,
    /// The NFS client's counters of the mount.
    Nfs,
    /// ZFS's counters of the dataset.
    Zfs,
}

impl IoSource {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::ControlGroup => "cgroup",
            Self::Nfs => "nfs",
            Self::Zfs => "zfs",
        }
    }

    /// True where the source counts the time that requests take.
    pub fn has_times(self) -> bool {
        matches!(self, Self::Device | Self::Nfs)
    }
}

/// What a volume did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VolumeIo {
    /// Who counted.
    pub source: IoSource,
    /// Of whom, with whose counters and since when, as a number: the difference between two counters of other origins means nothing.
    pub origin: u64,
    /// Reads and writes; of the rest nothing is known but for devices, and times only where [`IoSource::has_times`].
    pub counters: IoCounters,
}

/// One volume that pods of this node use. A volume that several pods use is one volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The PersistentVolume's name; for volumes without one, the volume's name in its pod.
    pub name: String,
    /// True where `name` is a PersistentVolume's.
    pub persistent: bool,
    /// The CSI driver, else the volume plugin.
    pub driver: String,
    /// The driver's name for the volume.
    pub handle: Option<String>,
    /// How pods get it.
    pub mode: VolumeMode,
    /// The pods that use it, in order.
    pub users: Vec<VolumeUser>,
    /// What carries it.
    pub placement: Placement,
    /// Bytes that it was promised: the PersistentVolume's capacity, else the size of what it has to itself; `None` where
    /// neither is known, and for what nobody promised anything.
    pub promised: Option<u64>,
    /// Capacity in bytes of a raw block volume.
    pub device_size: Option<u64>,
    /// How full its filesystem is, or why that is unknown; `None` where it has no filesystem of its own to ask.
    pub usage: Option<Result<FilesystemUsage, UsageError>>,
    /// True where capacity and use are those of a filesystem that others use as well.
    pub figures_shared: bool,
    /// What was read and written; `None` where nobody counts it.
    pub io: Option<VolumeIo>,
    /// What its storage engine's objects say otherwise; empty where both say the same, and where no such object is read.
    pub disagreements: Vec<Disagreement>,
}

impl Volume {
    /// A volume of a pod's own of which nothing but name, driver and place is known: none of its figures are, and nobody uses it.
    pub fn new(name: impl Into<String>, driver: impl Into<String>, placement: Placement) -> Self {
        Self {
            name: name.into(),
            persistent: false,
            driver: driver.into(),
            handle: None,
            mode: VolumeMode::Filesystem,
            users: Vec::new(),
            placement,
            promised: None,
            device_size: None,
            usage: None,
            figures_shared: false,
            io: None,
            disagreements: Vec::new(),
        }
    }

    /// How full its filesystem is; `None` where it has none, and where that is not known.
    pub fn known_usage(&self) -> Option<&FilesystemUsage> {
        self.usage.as_ref()?.as_ref().ok()
    }

    /// How full the whole filesystem is that it lies on; `None` where that is not known, as where it is a quota whose figures are told.
    pub fn usage_of_filesystem(&self) -> Option<&FilesystemUsage> {
        self.known_usage()
            .filter(|_| self.figures_shared == self.placement.shared)
    }

    /// Its capacity in bytes: its filesystem's, else that of the raw device.
    pub fn capacity(&self) -> Option<u64> {
        self.known_usage().map(|usage| usage.size).or(self.device_size)
    }

    /// A PersistentVolume that has a filesystem on one of these devices.
    #[cfg(test)]
    pub(crate) fn on(devices: &BlockDevices, number: DeviceNumber) -> Self {
        let placement = Placement {
            medium: Medium::Disk,
            devices: vec![number],
            disks: devices.disks_of(number).iter().map(|disk| disk.number).collect(),
            ..Placement::not_mounted()
        };
        Self {
            persistent: true,
            ..Self::new("pv", "d", placement)
        }
    }
}
