//! What one node said at one moment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::btrfs::BtrfsFilesystem;
use super::device::DeviceNumber;
use super::fault::Fault;
use super::graph::BlockDevices;
use super::io::IoCounters;
use super::mount::Filesystem;
use super::mount_table::MountTable;
use super::remote::RemoteTarget;
use super::volume::PodVolume;
use super::volume_usage::VolumeUsage;

/// The collector of block devices, their make-up and their counters.
pub const BLOCK_DEVICES: &str = "block_devices";
/// The collector of mounts and swap space.
pub const MOUNTS: &str = "mounts";
/// The collector of how full the node's filesystems are.
pub const FILESYSTEMS: &str = "filesystems";

/// The moment of a reading, by both clocks: the steady one for differences, the wall clock for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The clock that never jumps.
    pub steady: Instant,
    /// The clock that others see.
    pub wall: SystemTime,
}

impl Default for HostSample {
    /// A sample of a machine that says nothing.
    fn default() -> Self {
        Self {
            taken_at: Moment::now(),
            host_name: None,
            devices: Arc::default(),
            counters: BTreeMap::new(),
            mounts: Arc::default(),
            swaps: Vec::new(),
            filesystems: Vec::new(),
            kubelet: PathBuf::new(),
            pod_volumes: Arc::default(),
            volume_usage: VolumeUsage::default(),
            btrfs: Vec::new(),
            remotes: Arc::default(),
            mount_remotes: Arc::default(),
            collectors: Vec::new(),
            faults: Vec::new(),
        }
    }
}

impl Moment {
    /// This moment.
    pub fn now() -> Self {
        Self {
            steady: Instant::now(),
            wall: SystemTime::now(),
        }
    }
}

/// How one collector fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorOutcome {
    /// `block_devices`, `mounts`, `filesystems`.
    pub collector: &'static str,
    /// False where its source could not be read at all.
    pub success: bool,
    /// How long it took.
    pub duration: Duration,
}

/// Everything that the kernel of this node says about its storage, read at one moment.
#[derive(Debug, Clone)]
pub struct HostSample {
    /// When the counters were read.
    pub taken_at: Moment,
    /// The node's own name, where it could be read.
    pub host_name: Option<String>,
    /// The block device graph.
    pub devices: Arc<BlockDevices>,
    /// I/O counters of each device.
    pub counters: BTreeMap<DeviceNumber, IoCounters>,
    /// The node's mounts in the order of `mountinfo`: a later one on the same mount point hides an earlier one.
    pub mounts: Arc<MountTable>,
    /// Devices and files that the kernel swaps to, as `/proc/swaps` names them.
    pub swaps: Vec<String>,
    /// The node's filesystems, each once.
    pub filesystems: Vec<Filesystem>,
    /// The kubelet's folder as the node has it.
    pub kubelet: PathBuf,
    /// Pods' volumes; the same in memory as in the sample before where nothing has changed.
    pub pod_volumes: Arc<[PodVolume]>,
    /// How full the filesystem of each pod's volume is, where one is mounted.
    pub volume_usage: VolumeUsage,
    /// btrfs filesystems, which may lie on several devices.
    pub btrfs: Vec<BtrfsFilesystem>,
    /// Disks that are reached over a network, and where they are; the same in memory as in the sample before where nothing has changed.
    pub remotes: Arc<BTreeMap<DeviceNumber, Vec<RemoteTarget>>>,
    /// What mounts of network filesystems lead to, by the mount's id; likewise.
    pub mount_remotes: Arc<BTreeMap<u64, RemoteTarget>>,
    /// How each collector fared.
    pub collectors: Vec<CollectorOutcome>,
    /// What could not be read or understood.
    pub faults: Vec<Fault>,
}
