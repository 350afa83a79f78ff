//! Where a storage engine's objects say of a mounted volume something else than the kernel.
//!
//! That can be said of engines that hand the pod what lies on its own node: a logical volume, a folder, a disk. Of others the kernel sees
//! no more than the device by which the engine serves the volume, which is no copy of it. What one of both does not say is no
//! disagreement.

use std::collections::BTreeSet;
use std::path::Path;

use super::volumes::layers;
use crate::model::cluster_map::ClusterMap;
use crate::model::copies::PlacedReplica;
use crate::model::device::{BlockDevice, DeviceNumber};
use crate::model::disagreement::{Disagreement, Subject};
use crate::model::disk_name::DiskName;
use crate::model::graph::BlockDevices;
use crate::model::inventory::ResourceKind;
use crate::model::mount::Mount;
use crate::model::mount_table::MountTable;
use crate::model::placement::{Medium, Volume};
use crate::model::replica::Place;

/// What the kernel says, to be held against what engines say.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    devices: &'a BlockDevices,
    mounts: &'a MountTable,
}

impl<'a> Seen<'a> {
    /// These devices and mounts.
    pub(super) fn new(devices: &'a BlockDevices, mounts: &'a MountTable) -> Self {
        Self { devices, mounts }
    }

    /// Each thing of which both say something else.
    pub(super) fn disagreements(&self, cluster: &ClusterMap, volume: &Volume) -> Vec<Disagreement> {
        if !volume.persistent || volume.placement.medium == Medium::NotMounted {
            return Vec::new();
        }
        let told = cluster.placements.get(&volume.name);
        let Some((told, object)) = told.zip(cluster.volume(&volume.name)) else {
            return Vec::new();
        };
        let Some(copies) = cluster.copies(object) else {
            return Vec::new();
        };
        let [copy] = &copies.list[..] else {
            return Vec::new();
        };
        let groups: BTreeSet<&str> = names(copy, |name| match name {
            DiskName::VolumeGroup(group) => Some(group.as_str()),
            _ => None,
        });
        let is_local = match told.place {
            Place::Here(_) | Place::DiskClaim(_) => true,
            Place::Named(_) => !groups.is_empty(),
            Place::Outside(_) | Place::Spread(_) | Place::Untold => false,
        };
        if !is_local {
            return Vec::new();
        }
        let other = |subject, told: String, seen| Disagreement {
            engine: copies.engine,
            subject,
            told,
            seen,
        };
        let mut found = Vec::new();
        if let (Some(told), Some(seen)) = (&copy.node, node_of(cluster, volume))
            && told != seen
        {
            found.push(other(Subject::Node, told.clone(), Some(seen.to_owned())));
        }
        let seen = self.volume_groups(volume);
        if !groups.is_empty() && !groups.iter().any(|group| seen.contains(*group)) {
            let told = Vec::from_iter(groups).join(", ");
            let seen = Vec::from_iter(seen).join(", ");
            found.push(other(
                Subject::VolumeGroup,
                told,
                (!seen.is_empty()).then_some(seen),
            ));
        }
        let folders = names(copy, |name| match name {
            DiskName::Folder(folder) => Some(Path::new(folder)),
            _ => None,
        });
        for folder in folders {
            if let Some(covering) = self.covering(volume, folder) {
                let seen = volume.placement.number.map(|number| self.named(number));
                found.push(other(Subject::Folder, self.named(covering), seen));
            }
        }
        found
    }

    /// The groups of the logical volumes that the volume lies on.
    fn volume_groups(&self, volume: &Volume) -> BTreeSet<String> {
        let below = layers(self.devices, &volume.placement).into_iter();
        let devices = below.filter_map(|number| self.devices.get(number));
        devices.filter_map(BlockDevice::volume_group).collect()
    }

    /// The device of the filesystem that was mounted over a volume's folder after the volume had been bound from there: who goes to the
    /// folder now finds another one. A folder that lies behind a link is not found to be covered, since links are not followed.
    fn covering(&self, volume: &Volume, folder: &Path) -> Option<DeviceNumber> {
        let now = self.mounts.of(folder)?;
        let bound = volume.users.iter().find_map(|user| self.mounts.at(&user.path))?;
        let was_there = |mount: &&Mount| {
            mount.number == bound.number
                && bound
                    .root
                    .strip_prefix(&mount.root)
                    .is_ok_and(|inner| mount.mount_point.join(inner).as_path() == folder)
        };
        (now.number != bound.number && self.mounts.iter().any(|mount| was_there(&mount)))
            .then_some(now.number)
    }

    /// `dm-0`, or the number of what is no block device.
    fn named(&self, number: DeviceNumber) -> String {
        self.devices
            .get(number)
            .map_or_else(|| number.to_string(), |device| device.kernel_name.clone())
    }
}

/// The names of one sort that a copy's disks have.
fn names<'a, T: Ord>(
    copy: &'a PlacedReplica<'_>,
    of_sort: impl Fn(&'a DiskName) -> Option<T>,
) -> BTreeSet<T> {
    let names = copy.disks.iter().flat_map(|disk| &disk.names);
    names.filter_map(of_sort).collect()
}

/// This node, as the pods are said to be on that have the volume mounted here. Before all nodes are known, what an engine calls one
/// may be another name of the same.
fn node_of<'a>(cluster: &'a ClusterMap, volume: &Volume) -> Option<&'a str> {
    if !cluster.inventory.knows_all(ResourceKind::Nodes) {
        return None;
    }
    let mut pods = volume.users.iter().filter_map(|user| cluster.pod(&user.pod_uid));
    pods.find_map(|pod| pod.node.as_deref())
}
