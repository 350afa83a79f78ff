//! Where pods' volumes can be asked how full they are.

use std::path::PathBuf;

use super::filesystem::Question;
use super::node_filesystems::Visible;
use crate::model::device::DeviceNumber;
use crate::model::mount_table::MountTable;
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
/// any other mount of it, as `elsewhere` says: in a container the kubelet's folder may be elsewhere.
pub(super) fn select<'a>(
    volumes: &'a [PodVolume],
    node: &MountTable,
    own: &MountTable,
    elsewhere: &Visible<'_>,
) -> Vec<VolumeFilesystem<'a>> {
    let asked = |volume: &&PodVolume| volume.mode == VolumeMode::Filesystem && !volume.is_text();
    if volumes.is_empty() {
        return Vec::new();
    }
    volumes
        .iter()
        .filter(asked)
        .filter_map(|volume| {
            let mount = node.uppermost_at(&volume.path)?;
            let same = own
                .uppermost_at(&volume.path)
                .is_some_and(|own| own.number == mount.number);
            let place = |number: DeviceNumber| elsewhere.get(&number).map(|path| path.to_path_buf());
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
