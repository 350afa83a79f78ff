//! The map of one node: what the sources said, joined.
//!
//! A plain function of values: nothing is read here. What hangs on the node's make-up alone, which is its devices, mounts and pods' volumes, is
//! taken from the map before where that has not changed; what another reading may say otherwise is filled in anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disagreements::Seen;
use super::filesystem_devices::FilesystemDevices;
use super::{disks, promises, quotas, volumes};

use crate::model::btrfs::BtrfsFilesystem;
use crate::model::cluster_map::{ClusterMap, Declared};
use crate::model::device::{BlockDevice, DeviceNumber, DeviceType};
use crate::model::host::HostSample;
use crate::model::mount::{Filesystem, FilesystemUsage, UsageError};
use crate::model::mount_table::MountTable;
use crate::model::placement::Volume;
use crate::model::remote::RemoteTarget;
use crate::model::topology::Topology;
use crate::model::trouble::Troubles;
use crate::model::volume::{PodVolume, VolumeMode};

/// The map of one node.
pub fn link(sample: &HostSample, cluster: Option<Arc<ClusterMap>>) -> Topology {
    relink(None, sample, cluster)
}

/// The map of one node, for which the map `before` is used up: it is the same as [`link`] makes.
pub fn relink(before: Option<Before>, sample: &HostSample, cluster: Option<Arc<ClusterMap>>) -> Topology {
    let version = version(cluster.as_ref());
    let mut topology = match before.filter(|before| before.is_of(sample, cluster.as_ref())) {
        Some(before) => {
            let mut topology = before.topology;
            topology.cluster = cluster;
            if before.version != version {
                hold_against_cluster(&mut topology, sample);
            }
            topology
        }
        None => made_up(sample, cluster),
    };
    fill_in(&mut topology, sample);
    topology
}

/// A map, and what it was made of but for figures. Of the cluster it holds no more than it must: whoever follows that makes its map into
/// the next one where nobody else has it.
#[derive(Debug)]
pub struct Before {
    mounts: Arc<MountTable>,
    swaps: Vec<String>,
    kubelet: PathBuf,
    pod_volumes: Arc<[PodVolume]>,
    btrfs: Vec<BtrfsFilesystem>,
    remotes: Arc<BTreeMap<DeviceNumber, Vec<RemoteTarget>>>,
    mount_remotes: Arc<BTreeMap<u64, RemoteTarget>>,
    declared: Option<Arc<Declared>>,
    version: Option<u64>,
    /// Without its cluster.
    topology: Topology,
}

impl Before {
    /// The map that was made of this sample.
    pub fn new(sample: HostSample, mut topology: Topology) -> Self {
        let cluster = topology.cluster.take();
        Self {
            mounts: sample.mounts,
            swaps: sample.swaps,
            kubelet: sample.kubelet,
            pod_volumes: sample.pod_volumes,
            btrfs: sample.btrfs,
            remotes: sample.remotes,
            mount_remotes: sample.mount_remotes,
            version: version(cluster.as_ref()),
            declared: cluster.map(|cluster| Arc::clone(&cluster.declared)),
            topology,
        }
    }

    /// True where the node is made up as it was. The large ones are told by their place: their readers give the same again.
    fn is_of(&self, sample: &HostSample, cluster: Option<&Arc<ClusterMap>>) -> bool {
        Arc::ptr_eq(&self.topology.devices, &sample.devices)
            && Arc::ptr_eq(&self.mounts, &sample.mounts)
            && Arc::ptr_eq(&self.pod_volumes, &sample.pod_volumes)
            && Arc::ptr_eq(&self.remotes, &sample.remotes)
            && Arc::ptr_eq(&self.mount_remotes, &sample.mount_remotes)
            && self.swaps == sample.swaps
            && self.kubelet == sample.kubelet
            && self.btrfs == sample.btrfs
            && self.declared.as_ref() == cluster.map(|cluster| &cluster.declared)
    }
}

fn version(cluster: Option<&Arc<ClusterMap>>) -> Option<u64> {
    cluster.map(|cluster| cluster.inventory.version)
}

/// The map with what hangs on the node's make-up and the cluster.
fn made_up(sample: &HostSample, cluster: Option<Arc<ClusterMap>>) -> Topology {
    let devices = &sample.devices;
    let mount_points = disks::mount_points(devices, &sample.mounts, &sample.swaps);
    let nothing = Declared::default();
    let mut volumes = volumes::place(&volumes::Facts {
        mounts: &sample.mounts,
        devices,
        btrfs: &sample.btrfs,
        remotes: &sample.remotes,
        mount_remotes: &sample.mount_remotes,
        kubelet: &sample.kubelet,
        pod_volumes: &sample.pod_volumes,
        declared: cluster.as_ref().map_or(&nothing, |cluster| &cluster.declared),
    });
    for volume in volumes
        .iter_mut()
        .filter(|volume| volume.mode == VolumeMode::Block)
    {
        let device = volume.placement.devices.first();
        volume.device_size = device.and_then(|device| devices.get(*device)?.size);
    }
    let mut on_disks: BTreeMap<DeviceNumber, Vec<usize>> = BTreeMap::new();
    for (at, volume) in volumes.iter().enumerate() {
        for disk in &volume.placement.disks {
            on_disks.entry(*disk).or_default().push(at);
        }
    }
    let disk = |disk: &BlockDevice| disks::disk(devices, disk, &mount_points);
    let is_disk = |device: &&BlockDevice| is_writable_loop(device, &sample.kubelet);
    let mut topology = Topology {
        devices: Arc::clone(devices),
        disks: devices.disks().map(disk).collect(),
        loops: devices.iter().filter(is_disk).map(disk).collect(),
        troubles: Troubles::of(devices),
        mount_points,
        volumes,
        on_disks,
        cluster,
    };
    hold_against_cluster(&mut topology, sample);
    topology
}

/// Fills in what the cluster's objects say of volumes, and what they say otherwise than the kernel.
fn hold_against_cluster(topology: &mut Topology, sample: &HostSample) {
    let cluster = topology.cluster.as_deref();
    let seen = Seen::new(&sample.devices, &sample.mounts);
    for volume in &mut topology.volumes {
        volume.promised = promises::of_volume(&sample.devices, cluster, volume);
        volume.disagreements = cluster.map_or_else(Vec::new, |cluster| seen.disagreements(cluster, volume));
    }
    let promised = promises::of_disks(&topology.volumes);
    for disk in topology.disks.iter_mut().chain(&mut topology.loops) {
        disk.promise = promised.get(&disk.number).copied().unwrap_or_default();
    }
}

/// Fills in how full everything is. What was read and written is known later, and of the readings before it there is nothing left.
fn fill_in(topology: &mut Topology, sample: &HostSample) {
    let mut by_number: BTreeMap<DeviceNumber, &Filesystem> = BTreeMap::new();
    for filesystem in &sample.filesystems {
        by_number.entry(filesystem.number).or_insert(filesystem);
    }
    for volume in &mut topology.volumes {
        volume.io = None;
        if volume.mode == VolumeMode::Filesystem {
            volume.usage = usage(sample, &by_number, volume);
        }
    }
    quotas::fill_in(&mut topology.volumes, &by_number);
    let devices = FilesystemDevices::new(&sample.devices, &sample.btrfs);
    let filesystems = disks::filesystems_by_disk(&devices, &sample.filesystems, &topology.volumes);
    for disk in topology.disks.iter_mut().chain(&mut topology.loops) {
        let on_it = filesystems.get(&disk.number).map_or(&[][..], Vec::as_slice);
        disk.used = disks::used(on_it);
        disk.fullest = disks::fullest(on_it);
    }
}

/// How full a volume's filesystem is. Of several pods' mounts of one filesystem one answer is enough, but for writes: these are refused where
/// none of the pods can write. A path of the node, an emptyDir among them, lies on a filesystem of the node's own, which has been asked already.
fn usage(
    sample: &HostSample,
    by_number: &BTreeMap<DeviceNumber, &Filesystem>,
    volume: &Volume,
) -> Option<Result<FilesystemUsage, UsageError>> {
    let users = volume.users.iter();
    let answers = users.filter_map(|user| sample.volume_usage.get(&user.path));
    let answer = answers.clone().find(|answer| answer.is_ok());
    let Some(answer) = answer.or_else(|| answers.clone().next()) else {
        return Some(by_number.get(&volume.placement.number?)?.usage.clone());
    };
    let mut answer = answer.clone();
    if let Ok(usage) = &mut answer {
        // Who gave no answer may be the one who writes, unless the mounts say otherwise.
        let refuses =
            |answer: &Result<FilesystemUsage, UsageError>| answer.as_ref().is_ok_and(|usage| usage.read_only);
        usage.read_only = volume.placement.read_only || answers.clone().all(refuses);
    }
    Some(answer)
}

/// The kubelet holds a loop device on each raw block volume, so that nobody takes the device away: that is no disk.
fn is_writable_loop(device: &BlockDevice, kubelet: &Path) -> bool {
    let held = |file: &String| Path::new(file).starts_with(kubelet.join("plugins"));
    device.device_type == DeviceType::Loop
        && device.read_only != Some(true)
        && !device.backing_file.as_ref().is_some_and(held)
}
