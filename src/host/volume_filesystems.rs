//! Where pods' volumes can be asked how full they are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::filesystem::Question;
use super::node_filesystems::{uppermost, visible};
use crate::model::device::DeviceNumber;
use crate::model::mount::Mount;
use crate::model::volume::{PodVolume, VolumeMode};

/// The filesystem of one pod's volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VolumeFilesystem<'a> {
    /// The volume's path, as the node has it.
    pub(super) path: &'a PathBuf,
    /// Whom to ask; `None` where this mount namespace has no mount of it.
    pub(super) question: Option<Question>,
}

/// The volumes that are mounted. Folders of the node's own filesystems are not asked again, nor texts of the API server.
///
/// A volume is asked at its own path where the same filesystem is mounted there in this mount namespace, else at
/// any other mount of it: in a container the kubelet's folder may be elsewhere.
pub(super) fn select<'a>(
    volumes: &'a [PodVolume],
    node: &[Mount],
    own: &[Mount],
) -> Vec<VolumeFilesystem<'a>> {
    let asked = |volume: &&PodVolume| volume.mode == VolumeMode::Filesystem && !volume.is_text();
    if volumes.is_empty() {
        return Vec::new();
    }
    let node = by_point(node);
    let own_points = by_point(own);
    let elsewhere = visible(own);
    volumes
        .iter()
        .filter(asked)
        .filter_map(|volume| {
            let mount = node.get(volume.path.as_path())?;
            let same = own_points
                .get(volume.path.as_path())
                .is_some_and(|own| own.number == mount.number);
            let place = |number: DeviceNumber| elsewhere.get(&number).cloned();
            let path = if same {
                Some(volume.path.clone())
            } else {
                place(mount.number)
            };
            Some(VolumeFilesystem {
                path: &volume.path,
                question: path.map(|path| Question {
                    number: mount.number,
                    path,
                    own_numbers: mount.fstype == "btrfs",
                }),
            })
        })
        .collect()
}

fn by_point(mounts: &[Mount]) -> HashMap<&Path, &Mount> {
    uppermost(mounts)
        .map(|mount| (mount.mount_point.as_path(), mount))
        .collect()
}
