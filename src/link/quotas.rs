//! Whose figures statfs(2) tells of a volume that shares its filesystem: the filesystem's, or those of a quota that is the volume's own.
//!
//! The kernel does not say which: it is told by the size. A quota that is larger than the filesystem is told as the filesystem, so whatever is
//! told to be smaller than the whole is a quota.

use std::collections::BTreeMap;
use std::path::Path;

use crate::model::device::DeviceNumber;
use crate::model::mount::{Filesystem, Mount};
use crate::model::placement::{QuotaOf, Volume};
use crate::model::remote::RemoteTarget;

/// CephFS tells quotas in blocks of this size, and leaves out what is no whole one.
const CEPH_BLOCK: u64 = 4 << 20;

/// For what a quota would be told at this mount. `is_alone` says that no other volume has a mount of the filesystem, nor the node, and
/// `has_own_folder` that none has one of the same folder.
pub(super) fn quota_of(
    mount: &Mount,
    remote: Option<&RemoteTarget>,
    is_alone: bool,
    has_own_folder: bool,
) -> QuotaOf {
    let is_whole = mount.root == Path::new("/");
    match remote {
        Some(RemoteTarget::Ceph { .. }) if is_whole && is_alone => QuotaOf::CephFolder,
        None if mount.has_folder_quotas && !is_whole && has_own_folder => QuotaOf::Folder,
        _ => QuotaOf::Nobody,
    }
}

/// Fills in whether volumes' figures are theirs alone.
pub(super) fn fill_in(volumes: &mut [Volume], nodes_own: &BTreeMap<DeviceNumber, &Filesystem>) {
    let mut sizes: BTreeMap<DeviceNumber, u64> = BTreeMap::new();
    for volume in volumes.iter().filter(|volume| is_of_folder(volume)) {
        if let (Some(number), Some(usage)) = (volume.placement.number, volume.known_usage()) {
            let whole = nodes_own.get(&number).and_then(|whole| whole.usage.as_ref().ok());
            let size = sizes.entry(number).or_default();
            *size = usage.size.max(whole.map_or(0, |whole| whole.size)).max(*size);
        }
    }
    for volume in volumes {
        let whole = volume.placement.number.and_then(|number| sizes.get(&number));
        volume.figures_shared = volume.placement.shared && !has_quota(volume, whole.copied());
    }
}

fn is_of_folder(volume: &Volume) -> bool {
    volume.placement.quota_of == QuotaOf::Folder
}

/// True where the figures are those of a quota. `whole` is the largest size that its filesystem is known to have.
fn has_quota(volume: &Volume, whole: Option<u64>) -> bool {
    let Some(usage) = volume.known_usage() else {
        return false;
    };
    match volume.placement.quota_of {
        QuotaOf::Nobody => false,
        QuotaOf::Folder => whole.is_some_and(|whole| usage.size < whole),
        // What was promised is what ceph-csi makes the quota of. The whole filesystem has that very size by chance alone.
        QuotaOf::CephFolder => volume
            .promised
            .is_some_and(|promised| promised.abs_diff(usage.size) < CEPH_BLOCK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mount::{FilesystemUsage, HALF_FULL, UsageError};
    use crate::model::placement::Placement;

    const NUMBER: DeviceNumber = DeviceNumber::new(8, 1);

    fn sized(size: u64) -> FilesystemUsage {
        FilesystemUsage { size, ..HALF_FULL }
    }

    fn volume(quota_of: QuotaOf, size: u64) -> Volume {
        let placement = Placement {
            number: Some(NUMBER),
            shared: true,
            quota_of,
            ..Placement::not_mounted()
        };
        Volume {
            usage: Some(Ok(sized(size))),
            ..Volume::new("pv", "d", placement)
        }
    }

    fn shared(mut volumes: Vec<Volume>, whole: Option<u64>) -> Vec<bool> {
        let whole = Filesystem {
            number: NUMBER,
            mount_point: "/data".into(),
            fstype: "xfs".into(),
            source: "/dev/sda1".into(),
            usage: whole.map(sized).ok_or(UsageError::NotVisible),
        };
        fill_in(&mut volumes, &[(NUMBER, &whole)].into());
        volumes.iter().map(|volume| volume.figures_shared).collect()
    }

    #[test]
    fn what_a_folder_with_a_quota_tells_is_its_own() {
        let folders = |sizes: &[u64]| sizes.iter().map(|size| volume(QuotaOf::Folder, *size)).collect();
        assert_eq!(
            shared(folders(&[100, 100, 1000]), Some(1000)),
            [false, false, true]
        );
        assert_eq!(
            shared(folders(&[100, 1000]), None),
            [false, true],
            "not the node's"
        );
        assert_eq!(
            shared(folders(&[100, 100]), None),
            [true, true],
            "nothing larger is known"
        );
        let other = vec![volume(QuotaOf::Nobody, 100)];
        assert_eq!(
            shared(other, Some(1000)),
            [true],
            "no filesystem that tells quotas"
        );
    }

    /// ceph-csi makes a quota of the size that it promises, in whole MiB below a GiB.
    #[test]
    fn cephfs_tells_a_quota_where_its_size_is_what_was_promised() {
        let of = |promised, size| {
            let mut volume = volume(QuotaOf::CephFolder, size);
            volume.promised = promised;
            shared(vec![volume], None)[0]
        };
        assert!(!of(Some(10 << 30), 10 << 30));
        assert!(!of(Some(103 << 20), 100 << 20), "in whole blocks");
        assert!(of(Some(10 << 30), 500 << 40), "the whole cluster's");
        assert!(of(None, 10 << 30), "nobody says what was promised");
    }

    #[test]
    fn who_has_the_filesystem_to_himself_has_its_figures() {
        let mut alone = volume(QuotaOf::Nobody, 100);
        alone.placement.shared = false;
        assert_eq!(shared(vec![alone], None), [false]);
    }
}
