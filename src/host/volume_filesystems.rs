//! Where pods' volumes can be asked how full they are.

use std::path::PathBuf;

use super::filesystem::Question;
use super::node_filesystems::Visible;
use crate::model::mount_table::MountTable;
use crate::model::volume::{PodVolume, VolumeMode};

/// The filesystem of one pod's volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VolumeFilesystem<'a> {
    /// The volume's path, as the node has it.
    pub(super) path: &'a PathBuf,
    /// True where the volume's mount refuses writes, or the filesystem did when mounts were read.
    pub(super) read_only: bool,
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
            let same = own.at(&volume.path).filter(|own| own.number == mount.number);
            let place = same.or_else(|| elsewhere.get(&mount.number).copied());
            Some(VolumeFilesystem {
                path: &volume.path,
                read_only: mount.refuses_writes(),
                question: place.map(|own| Question::new(mount, own)),
            })
        })
        .collect()
}
