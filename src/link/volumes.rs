//! The resolver: from a pod's volume to the disks that carry it.
//!
//! A plain function of the node's mounts, the block device graph and the kubelet's folders. `docs/volumes.md` says for every
//! sort of volume what is shown and from which datum.

mod ends;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::filesystem_devices::FilesystemDevices;
use super::quotas::quota_of;
use crate::model::btrfs::BtrfsFilesystem;
use crate::model::cluster_map::{Declared, DeclaredPath};
use crate::model::device::{BlockDevice, DeviceNumber};
use crate::model::graph::BlockDevices;
use crate::model::mount::Mount;
use crate::model::mount_table::MountTable;
use crate::model::placement::{Medium, Placement, QuotaOf, Volume, VolumeUser};
use crate::model::remote::RemoteTarget;
use crate::model::volume::{PodVolume, VolumeMode};

/// What the resolver reasons from.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The node's mounts, in the order of `mountinfo`.
    pub mounts: &'a MountTable,
    /// The node's block devices.
    pub devices: &'a BlockDevices,
    /// btrfs filesystems and the devices that each lies on.
    pub btrfs: &'a [BtrfsFilesystem],
    /// Disks that are reached over a network.
    pub remotes: &'a BTreeMap<DeviceNumber, Vec<RemoteTarget>>,
    /// What mounts of network filesystems lead to, by the mount's id.
    pub mount_remotes: &'a BTreeMap<u64, RemoteTarget>,
    /// The kubelet's folder as the node has it.
    pub kubelet: &'a Path,
    /// Pods' volumes.
    pub pod_volumes: &'a [PodVolume],
    /// What the API says of volumes that the kubelet's folders do not tell.
    pub declared: &'a Declared,
}

/// Filesystems that are this node's memory, or hold nothing of their own.
const MEMORY: [&str; 3] = ["tmpfs", "ramfs", "hugetlbfs"];

/// Every volume of every pod, each once, in order of name, with what carries it.
pub fn place(facts: &Facts<'_>) -> Vec<Volume> {
    Resolver::new(facts).place()
}

struct Resolver<'a> {
    facts: &'a Facts<'a>,
    table: &'a MountTable,
    /// Device nodes that are bound somewhere, as raw block volumes are, by the place. What lies below a path is in one row.
    bound_nodes: BTreeMap<&'a Path, &'a Mount>,
    /// Loop devices by their file: the kubelet holds one on each raw block volume.
    held: BTreeMap<&'a Path, &'a BlockDevice>,
    filesystems: FilesystemDevices<'a>,
    /// Filesystems on which the node itself lives.
    of_the_node: BTreeSet<DeviceNumber>,
    written: Written<'a>,
    /// For each filesystem the volumes that have a mount of it, each with the folder that is mounted.
    owners: BTreeMap<DeviceNumber, BTreeSet<(&'a OsStr, VolumeKey)>>,
}

/// The PersistentVolumes that the kubelet has written down.
type Written<'a> = BTreeSet<&'a str>;

/// What makes two pods' volumes the same one: the PersistentVolume, or for others pod and name.
type VolumeKey = (String, String);

impl<'a> Resolver<'a> {
    fn new(facts: &'a Facts<'a>) -> Self {
        let table = facts.mounts;
        let of_the_node = [Path::new("/"), facts.kubelet]
            .into_iter()
            .filter_map(|path| table.of(path))
            .map(|mount| mount.number)
            .collect();
        let csi = facts.pod_volumes.iter().filter(|volume| volume.csi.is_some());
        let written: Written<'_> = csi.filter_map(PodVolume::persistent_volume).collect();
        let mut owners: BTreeMap<DeviceNumber, BTreeSet<(&OsStr, VolumeKey)>> = BTreeMap::new();
        for volume in facts.pod_volumes {
            if let Some(mount) = table.at(&volume.path) {
                owners
                    .entry(mount.number)
                    .or_default()
                    .insert((mount.root.as_os_str(), key(facts, &written, volume)));
            }
        }
        for declared in &facts.declared.paths {
            if let Some(mount) = table.of(Path::new(&declared.path)) {
                owners
                    .entry(mount.number)
                    .or_default()
                    .insert((mount.root.as_os_str(), key_of_path(declared)));
            }
        }
        let is_node = |mount: &&Mount| mount.fstype == "devtmpfs" && mount.root != Path::new("/");
        let bound_nodes = facts.mounts.iter().filter(is_node);
        let held = facts.devices.iter().filter_map(|device| {
            let file = device.backing_file.as_deref()?;
            Some((Path::new(file), device))
        });
        Self {
            facts,
            table,
            bound_nodes: bound_nodes
                .map(|mount| (mount.mount_point.as_path(), mount))
                .collect(),
            held: held.collect(),
            filesystems: FilesystemDevices::new(facts.devices, facts.btrfs),
            of_the_node,
            written,
            owners,
        }
    }

    fn place(&self) -> Vec<Volume> {
        let mut placed: BTreeMap<VolumeKey, Volume> = BTreeMap::new();
        for volume in self.facts.pod_volumes.iter().filter(|volume| !volume.is_text()) {
            let user = VolumeUser {
                pod_uid: volume.pod_uid.clone(),
                path: volume.path.clone(),
                filesystem: self.table.at(&volume.path).map(|mount| mount.number),
            };
            match placed.entry(key(self.facts, &self.written, volume)) {
                std::collections::btree_map::Entry::Occupied(mut known) => {
                    let known = known.get_mut();
                    // Of several pods one may have it mounted and another not yet.
                    if known.placement.medium == Medium::NotMounted {
                        known.placement = self.placement(volume);
                    } else if let Some(mount) = self.table.at(&volume.path) {
                        // One may have it for reading alone, and the others write.
                        known.placement.read_only &= mount.refuses_writes();
                    }
                    // Two of one pod can have one name where the node alone is asked: it is one user then.
                    if known.users.iter().all(|other| other.pod_uid != user.pod_uid) {
                        known.users.push(user);
                    }
                }
                std::collections::btree_map::Entry::Vacant(place) => {
                    let persistent = persistent_volume(self.facts, &self.written, volume);
                    let csi = volume.csi.as_ref();
                    let driver = csi.map_or(&volume.plugin, |csi| &csi.driver);
                    place.insert(Volume {
                        persistent: persistent.is_some(),
                        handle: csi.and_then(|csi| csi.volume_handle.clone()),
                        mode: volume.mode,
                        users: vec![user],
                        ..Volume::new(persistent.unwrap_or(&volume.name), driver, self.placement(volume))
                    });
                }
            }
        }
        for declared in &self.facts.declared.paths {
            if let Some(volume) = self.on_path(declared) {
                placed.entry(key_of_path(declared)).or_insert(volume);
            }
        }
        let mut placed: Vec<_> = placed.into_values().collect();
        for volume in &mut placed {
            volume.users.sort_unstable();
        }
        placed
    }

    /// A path of the node that pods use as it is. `None` for what keeps no data of theirs: the kernel's own filesystems, memory.
    /// Links on the way are not followed, since nothing here looks at the node's folders.
    fn on_path(&self, declared: &DeclaredPath) -> Option<Volume> {
        let path = Path::new(&declared.path);
        let mount = self.table.of(path)?;
        let (mode, placement) = if mount.fstype == "devtmpfs" {
            let node = path.strip_prefix(&mount.mount_point).ok()?.to_str()?;
            let device = self.facts.devices.by_node(node)?;
            (VolumeMode::Block, self.on_device(device))
        } else {
            let placement = self.on_mount(mount, true, &mut BTreeSet::new());
            (VolumeMode::Filesystem, placement)
        };
        if !matches!(placement.medium, Medium::Disk | Medium::Network) {
            return None;
        }
        let users = declared.pods.iter().map(|pod| VolumeUser {
            pod_uid: pod.clone(),
            path: path.to_owned(),
            filesystem: placement.number,
        });
        Some(Volume {
            persistent: declared.persistent,
            handle: Some(declared.path.clone()),
            mode,
            users: users.collect(),
            ..Volume::new(&declared.name, "kubernetes.io/host-path", placement)
        })
    }

    fn placement(&self, volume: &'a PodVolume) -> Placement {
        match volume.mode {
            VolumeMode::Block => self.raw_block(volume),
            VolumeMode::Filesystem => match self.table.at(&volume.path) {
                Some(mount) => {
                    let own = key(self.facts, &self.written, volume);
                    let shared = self.is_shared(mount, &own);
                    let mut placement = self.on_mount(mount, shared, &mut BTreeSet::new());
                    let remote = self.facts.mount_remotes.get(&mount.id);
                    placement.quota_of = quota_of(
                        mount,
                        remote,
                        self.is_alone(mount, &own),
                        self.has_own_folder(mount, &own),
                    );
                    placement
                }
                None if volume.is_folder() => self
                    .table
                    .of(&volume.path)
                    .map_or_else(Placement::not_mounted, |mount| {
                        self.on_mount(mount, true, &mut BTreeSet::new())
                    }),
                None => Placement::not_mounted(),
            },
        }
    }

    /// Others lie on the filesystem if only a folder of it is mounted here, if another volume has a mount of it, if the node
    /// itself lives on it, or if it is of a kind that is shared by design: an overlay's figures are those of the filesystem
    /// that it lies on, and those of a server's folder the server's filesystem's.
    fn is_shared(&self, mount: &Mount, own: &VolumeKey) -> bool {
        let by_design = matches!(mount.fstype.as_str(), "zfs" | "overlay") || self.is_of_a_server(mount);
        by_design || mount.root != Path::new("/") || !self.is_alone(mount, own)
    }

    /// True where neither another volume nor the node has a mount of the filesystem.
    fn is_alone(&self, mount: &Mount, own: &VolumeKey) -> bool {
        let mut owners = self.owners.get(&mount.number).into_iter().flatten();
        !owners.any(|(_, owner)| owner != own) && !self.of_the_node.contains(&mount.number)
    }

    /// True where no other volume has a mount of the same folder.
    fn has_own_folder(&self, mount: &Mount, own: &VolumeKey) -> bool {
        let root = mount.root.as_os_str();
        let owners = self.owners.get(&mount.number);
        let from_it = owners
            .into_iter()
            .flat_map(|owners| owners.range((root, VolumeKey::default())..));
        let mut of_it = from_it.take_while(|(folder, _)| *folder == root);
        !of_it.any(|(_, owner)| owner != own)
    }

    fn is_of_a_server(&self, mount: &Mount) -> bool {
        let remote = self.facts.mount_remotes.get(&mount.id);
        let has_device = || self.facts.devices.get(mount.number).is_some();
        is_nfs(&mount.fstype) || remote.is_some() && !has_device()
    }

    fn on_mount(&self, mount: &Mount, shared: bool, followed: &mut BTreeSet<DeviceNumber>) -> Placement {
        let mut placement = Placement {
            medium: Medium::Unknown,
            mount_point: Some(mount.mount_point.clone()),
            number: Some(mount.number),
            fstype: Some(mount.fstype.clone()),
            source: Some(mount.source.clone()),
            read_only: mount.refuses_writes(),
            devices: self.filesystems.of(mount.number, &mount.fstype, &mount.source),
            disks: Vec::new(),
            files: BTreeMap::new(),
            remote: None,
            shared,
            quota_of: QuotaOf::Nobody,
        };
        if MEMORY.contains(&mount.fstype.as_str()) {
            placement.medium = Medium::Memory;
        } else if !placement.devices.is_empty() {
            self.add_disks(&mut placement, followed);
        } else if let Some(remote) = self.facts.mount_remotes.get(&mount.id) {
            placement.medium = Medium::Network;
            placement.remote = Some(remote.clone());
        }
        placement
    }

    /// A raw block volume is a file bound to a device's node: the bind's `root` names the node in devtmpfs.
    fn raw_block(&self, volume: &'a PodVolume) -> Placement {
        let devices = self.facts.devices;
        let at_or_below = |path: &'a Path| {
            let from = self.bound_nodes.range(path..);
            from.take_while(move |(point, _)| point.starts_with(path))
        };
        let paths = || volume.other_paths.iter().map(PathBuf::as_path);
        let bound = paths()
            .flat_map(at_or_below)
            .find_map(|(_, mount)| devices.by_node(mount.root.strip_prefix("/").ok()?.to_str()?));
        // Drivers that hand out a plain link to the device leave no bind; the kubelet then holds a loop device on the path.
        let held = || paths().find_map(|path| self.held.get(path).copied());
        bound
            .or_else(held)
            .map_or_else(Placement::not_mounted, |device| self.on_device(device))
    }

    fn on_device(&self, device: &BlockDevice) -> Placement {
        let mut placement = Placement {
            devices: vec![device.number],
            number: Some(device.number),
            ..Placement::not_mounted()
        };
        placement.read_only = device.read_only == Some(true);
        self.add_disks(&mut placement, &mut BTreeSet::new());
        placement
    }
}

/// The PersistentVolume that a pod's volume is, unless the pod declares the volume itself.
///
/// The name of one that a pod declares is of the pod's choosing, and may be another's PersistentVolume's. Of CSI volumes the kubelet writes
/// down what they are; another plugin's volume of the same name is none then, whether the API server is asked or not.
fn persistent_volume<'a>(facts: &Facts<'_>, written: &Written<'_>, volume: &'a PodVolume) -> Option<&'a str> {
    let name = volume.persistent_volume()?;
    let is_own = facts.declared.is_inline(&volume.pod_uid, &volume.name)
        || (volume.csi.is_none() && written.contains(name));
    (!is_own).then_some(name)
}

fn key(facts: &Facts<'_>, written: &Written<'_>, volume: &PodVolume) -> VolumeKey {
    match persistent_volume(facts, written, volume) {
        Some(name) => (name.to_owned(), String::new()),
        None => (volume.name.clone(), volume.pod_uid.clone()),
    }
}

fn key_of_path(declared: &DeclaredPath) -> VolumeKey {
    let pods = if declared.persistent {
        String::new()
    } else {
        declared.pods.join(" ")
    };
    (declared.name.clone(), pods)
}

/// The disks, partitions and stacked devices between a volume and its disks, for drawing: every device from which
/// the volume's devices are made, with the volume's own.
pub fn layers(devices: &BlockDevices, placement: &Placement) -> BTreeSet<DeviceNumber> {
    placement
        .devices
        .iter()
        .flat_map(|device| devices.below(*device))
        .map(|device| device.number)
        .collect()
}

fn is_nfs(fstype: &str) -> bool {
    matches!(fstype, "nfs" | "nfs4")
}

#[cfg(test)]
mod tests;
