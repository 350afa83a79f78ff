//! Where pods' volumes can be asked how full they are.

use std::path::{Path, PathBuf};

use super::filesystem::Question;
use super::node_filesystems::Visible;
use crate::model::mount::Mount;
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
/// any other mount of it, as `elsewhere` says: in a container the kubelet's folder may be elsewhere. There another folder's quota must not be
/// taken for the volume's.
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
            let place = place.filter(|own| !tells_another_quota(mount, own));
            Some(VolumeFilesystem {
                path: &volume.path,
                read_only: mount.refuses_writes(),
                question: place.map(|own| Question::new(mount, own)),
            })
        })
        .collect()
}

fn tells_another_quota(mount: &Mount, own: &Mount) -> bool {
    mount.has_folder_quotas && own.root != mount.root && own.root != Path::new("/")
}

#[cfg(test)]
mod tests {
    use super::super::{mountinfo, node_filesystems};
    use super::*;

    /// The volume's own path is not seen here.
    #[test]
    fn a_volume_is_not_asked_at_a_folder_with_another_quota() {
        let table = |text: String| MountTable::from(mountinfo::parse(text.as_bytes()).0);
        let volume = PodVolume {
            pod_uid: "1".into(),
            plugin: "kubernetes.io/local-volume".into(),
            name: "v".into(),
            mode: VolumeMode::Filesystem,
            path: "/pods/1/v".into(),
            other_paths: Vec::new(),
            csi: None,
        };
        for (options, expected) in [
            ("rw,prjquota", [None, Some("/pods/w")]),
            ("rw", [Some("/b"), Some("/b")]),
        ] {
            let line = |id: u32, root: &str, point: &str| {
                format!("{id} 1 8:1 {root} {point} rw - xfs /dev/sda1 {options}\n")
            };
            let node = table(line(2, "/v", "/pods/1/v"));
            let folder = line(2, "/other", "/b");
            let whole = line(3, "/", "/pods/w");
            for (own, expected) in [folder.clone(), folder + &whole].into_iter().zip(expected) {
                let own = table(own);
                let visible = node_filesystems::visible(&own);
                let asked = select(std::slice::from_ref(&volume), &node, &own, &visible);
                let path = asked[0]
                    .question
                    .as_ref()
                    .map(|question| question.path.to_str().unwrap());
                assert_eq!(path, expected, "{options}");
            }
        }
    }
}
