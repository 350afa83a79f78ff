//! Which mount a path lies on.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::mount::Mount;

/// The mounts of one namespace in the order of `mountinfo`, and by mount point.
///
/// Paths are compared by whole components, so `/data2` does not lie on `/data`. Of several mounts on one point
/// the last is on top. A mount whose point lies below a later mount of a folder above it is hidden, and
/// whoever goes there does not find it.
///
/// Made once for each text of `mountinfo`: a node has thousands of mounts, and each of a pod's volumes is looked up several
/// times at every reading. Points are compared as bytes, since the kernel writes a path one way only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MountTable {
    mounts: Vec<Mount>,
    /// Where the mounts stand, in the order of their points and of `mountinfo`.
    by_point: Vec<usize>,
    /// For each mount whether it is the last one on its point.
    is_uppermost: Vec<bool>,
    /// For each mount whether it is reached by way of its parents.
    is_reached: Vec<bool>,
}

impl From<Vec<Mount>> for MountTable {
    fn from(mounts: Vec<Mount>) -> Self {
        let mut by_point: Vec<_> = (0..mounts.len()).collect();
        by_point.sort_unstable_by_key(|at| (point_of(&mounts[*at]), *at));
        let mut is_uppermost = vec![true; mounts.len()];
        for pair in by_point.windows(2) {
            is_uppermost[pair[0]] = point_of(&mounts[pair[0]]) != point_of(&mounts[pair[1]]);
        }
        Self {
            is_reached: reached(&mounts),
            mounts,
            by_point,
            is_uppermost,
        }
    }
}

impl Deref for MountTable {
    type Target = [Mount];

    fn deref(&self) -> &[Mount] {
        &self.mounts
    }
}

impl MountTable {
    /// The mount that is found exactly at `point`.
    pub fn at(&self, point: &Path) -> Option<&Mount> {
        self.at_plain(&plain(point))
    }

    /// The mount that `path` lies on: the one with the longest mount point.
    pub fn of(&self, path: &Path) -> Option<&Mount> {
        plain(path).ancestors().find_map(|point| self.at_plain(point))
    }

    /// The last mount on exactly `point`, be it hidden by another one above or not.
    pub fn uppermost_at(&self, point: &Path) -> Option<&Mount> {
        self.stacked(&plain(point)).last().map(|at| &self.mounts[*at])
    }

    /// The last mount on each point with its place in the table, in the order of `mountinfo`.
    pub fn uppermost(&self) -> impl Iterator<Item = (usize, &Mount)> {
        let places = self.mounts.iter().enumerate();
        places.filter(|(at, _)| self.is_uppermost[*at])
    }

    /// The mounts that are found at their points with their places in the table, in the order of `mountinfo`: the last on each point,
    /// unless it is hidden.
    pub fn found(&self) -> impl Iterator<Item = (usize, &Mount)> {
        self.uppermost().filter(|(at, _)| !self.is_hidden(*at))
    }

    /// Whether whoever goes to the mount at this place of the table does not find it, because another lies above.
    pub fn is_hidden(&self, at: usize) -> bool {
        !self.is_reached[at]
    }

    fn at_plain(&self, point: &Path) -> Option<&Mount> {
        let mut from_the_top = self.stacked(point).iter().rev();
        from_the_top
            .find(|at| self.is_reached[**at])
            .map(|at| &self.mounts[*at])
    }

    /// Where the mounts on `point` stand, the last one last.
    fn stacked(&self, point: &Path) -> &[usize] {
        let point = point.as_os_str().as_bytes();
        let first = self
            .by_point
            .partition_point(|at| point_of(&self.mounts[*at]) < point);
        let from_first = &self.by_point[first..];
        let number = from_first
            .iter()
            .take_while(|at| point_of(&self.mounts[**at]) == point)
            .count();
        &from_first[..number]
    }
}

fn point_of(mount: &Mount) -> &[u8] {
    mount.mount_point.as_os_str().as_bytes()
}

/// The path as the kernel would write it. People write `/data//x/`, too.
fn plain(path: &Path) -> Cow<'_, Path> {
    let bytes = path.as_os_str().as_bytes();
    // What is behind a slash makes a path odd: nothing, another slash, or a folder that is called `.`.
    let mut slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let is_odd =
        slashes.any(|(at, _)| matches!(bytes[at + 1..], [] | [b'/', ..] | [b'.'] | [b'.', b'/', ..]));
    if is_odd && bytes != b"/" {
        Cow::Owned(path.components().collect::<PathBuf>())
    } else {
        Cow::Borrowed(path)
    }
}

/// For each mount whether it and all mounts that it lies on can be gone to.
fn reached(mounts: &[Mount]) -> Vec<bool> {
    let by_id: HashMap<u64, usize> = mounts
        .iter()
        .enumerate()
        .map(|(at, mount)| (mount.id, at))
        .collect();
    let on_parents: HashSet<(u64, &[u8])> = mounts
        .iter()
        .map(|mount| (mount.parent_id, point_of(mount)))
        .collect();
    let parent_of = |mount: &Mount| by_id.get(&mount.parent_id).copied();
    let is_covered = |mount: &Mount| {
        let Some(parent) = parent_of(mount).map(|at| &mounts[at]) else {
            return false;
        };
        // From the folder above the mount's point up to its parent's point, on which another may have been mounted.
        let top = point_of(parent);
        let mut folders =
            folders_above(point_of(mount)).take_while(|folder| *folder == top || is_below(folder, top));
        parent.id != mount.id && folders.any(|folder| on_parents.contains(&(parent.id, folder)))
    };
    let mut known: Vec<Option<bool>> = vec![None; mounts.len()];
    let mut chain = Vec::new();
    for mut at in 0..mounts.len() {
        // Up to a mount of which it is known, or that lies on none; a broken file may have a circle, which ends at itself.
        let mut is_reached = loop {
            if let Some(known) = known[at] {
                break known;
            }
            chain.push(at);
            known[at] = Some(true);
            match parent_of(&mounts[at]) {
                Some(parent) => at = parent,
                None => break true,
            }
        };
        while let Some(at) = chain.pop() {
            is_reached = is_reached && !is_covered(&mounts[at]);
            known[at] = Some(is_reached);
        }
    }
    known.into_iter().map(|known| known.unwrap_or(true)).collect()
}

/// `/a/b` and `/a` of `/a/b/c`. The root is above everything and covers nothing.
fn folders_above(point: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = point.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/');
    slashes
        .map(|(at, _)| &point[..at])
        .filter(|folder| !folder.is_empty())
}

/// Whether a path is below another one, both as the kernel writes them.
pub(crate) fn is_below(path: &[u8], folder: &[u8]) -> bool {
    folder == b"/"
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.first() == Some(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::model::device::DeviceNumber;

    fn mount(id: u64, parent_id: u64, point: &str) -> Mount {
        Mount {
            id,
            parent_id,
            number: DeviceNumber::new(8, u32::try_from(id).unwrap()),
            root: "/".into(),
            mount_point: point.into(),
            read_only: false,
            fstype: "ext4".into(),
            source: format!("/dev/sda{id}"),
            filesystem_read_only: false,
            has_folder_quotas: false,
        }
    }

    fn found(mounts: &[Mount], path: &str) -> Option<u64> {
        let table = MountTable::from(mounts.to_vec());
        table.of(Path::new(path)).map(|mount| mount.id)
    }

    #[test]
    fn the_longest_mount_point_wins_by_whole_components() {
        let mounts = [mount(1, 0, "/"), mount(2, 1, "/data"), mount(3, 2, "/data/deep")];
        for (path, expected) in [
            ("/data/x", 2),
            ("/data", 2),
            ("/data2/x", 1),
            ("/data/deep/er", 3),
            ("/data/deeper", 2),
            ("/", 1),
        ] {
            assert_eq!(found(&mounts, path), Some(expected), "{path}");
        }
        assert_eq!(found(&mounts[1..], "/elsewhere"), None);
    }

    #[test]
    fn the_last_of_several_mounts_on_one_point_is_on_top() {
        let mounts = [mount(1, 0, "/"), mount(2, 1, "/data"), mount(3, 2, "/data")];
        assert_eq!(found(&mounts, "/data/x"), Some(3));
    }

    #[test]
    fn a_mount_below_a_later_mount_of_a_folder_above_is_hidden() {
        let mounts = [mount(1, 0, "/"), mount(2, 1, "/srv/data"), mount(3, 1, "/srv")];
        assert_eq!(found(&mounts, "/srv/data/x"), Some(3));
        // Mounted on the covering mount itself it is not.
        let mounts = [mount(1, 0, "/"), mount(3, 1, "/srv"), mount(2, 3, "/srv/data")];
        assert_eq!(found(&mounts, "/srv/data/x"), Some(2));
    }

    #[test]
    fn what_is_mounted_over_a_mount_hides_what_lies_in_that() {
        let mounts = [
            mount(1, 0, "/"),
            mount(2, 1, "/srv"),
            mount(3, 2, "/srv/data"),
            mount(4, 2, "/srv"),
        ];
        assert_eq!(found(&mounts, "/srv/data/x"), Some(4));
        // Whoever has the lower one as his root does not see what was mounted over it.
        let mounts = [mount(1, 0, "/"), mount(2, 1, "/data"), mount(3, 1, "/")];
        assert_eq!(found(&mounts, "/data/x"), Some(2));
    }

    #[test]
    fn a_loop_of_parents_ends() {
        let mounts = [mount(1, 2, "/a/b/c"), mount(2, 1, "/a")];
        assert_eq!(found(&mounts, "/a/b/c/d"), Some(1));
    }

    #[test]
    fn a_path_may_be_written_in_other_ways_than_the_kernels() {
        let mounts = [mount(1, 0, "/"), mount(2, 1, "/data"), mount(3, 2, "/data/deep")];
        for path in [
            "/data//deep/x",
            "/data/./deep",
            "/data/deep/",
            "//data/deep/.",
            "/data/deep//",
        ] {
            assert_eq!(found(&mounts, path), Some(3), "{path}");
        }
    }

    #[test]
    fn the_last_on_a_point_is_told_apart_from_what_is_found_there() {
        let mounts = [
            mount(1, 0, "/"),
            mount(2, 1, "/srv/data"),
            mount(4, 1, "/srv/data"),
            mount(3, 1, "/srv"),
        ];
        let table = MountTable::from(mounts.to_vec());
        let uppermost: Vec<_> = table.uppermost().map(|(_, mount)| mount.id).collect();
        assert_eq!(uppermost, [1, 4, 3]);
        let point = Path::new("/srv/data");
        assert_eq!(table.uppermost_at(point).map(|mount| mount.id), Some(4));
        assert_eq!(table.at(point), None);
    }

    #[test]
    fn what_lies_on_a_hidden_mount_is_hidden_and_the_depth_does_not_matter() {
        let mut mounts = vec![mount(1, 0, "/"), mount(2, 1, "/srv/data"), mount(3, 1, "/srv")];
        let mut point = String::from("/srv/data");
        for id in 4..3000 {
            let parent = if id == 4 { 2 } else { id - 1 };
            point.push_str("/x");
            mounts.push(mount(id, parent, &point));
        }
        assert_eq!(found(&mounts, &point), Some(3));
        mounts.remove(2);
        assert_eq!(found(&mounts, &point), Some(2999));
    }

    #[test]
    fn fifty_thousand_mounts_are_a_matter_of_milliseconds() {
        let mut mounts = vec![mount(1, 0, "/")];
        for id in 2..50_000 {
            mounts.push(mount(id, 1, &format!("/var/lib/kubelet/pods/{id:08x}-0000-0000-0000-000000000000/volumes/kubernetes.io~csi/pv/mount")));
        }
        let table = MountTable::from(mounts);
        for id in 2..50_000 {
            let path = format!(
                "/var/lib/kubelet/pods/{id:08x}-0000-0000-0000-000000000000/volumes/kubernetes.io~csi/pv/mount/file"
            );
            assert_eq!(table.of(Path::new(&path)).map(|mount| mount.id), Some(id));
        }
    }

    /// As the manual has it, one path component after the other.
    fn is_found_there<'a>(mounts: &'a [Mount], mut mount: &'a Mount) -> bool {
        while let Some(parent) = mounts.iter().find(|other| other.id == mount.parent_id) {
            let covers = |other: &Mount| {
                other.parent_id == parent.id
                    && mount.mount_point != other.mount_point
                    && mount.mount_point.starts_with(&other.mount_point)
                    && other.mount_point != Path::new("/")
                    && other.mount_point.starts_with(&parent.mount_point)
            };
            if mounts.iter().any(covers) {
                return false;
            }
            mount = parent;
        }
        true
    }

    proptest! {
        #[test]
        fn whatever_is_mounted_the_same_is_found_as_by_looking_at_each(
            drawn in proptest::collection::vec((0_u64..9, "(/[ab]-?){0,4}"), 0..9),
            path in "(/[ab]-?){0,6}",
        ) {
            let points = drawn.iter().map(|(parent, point)| (parent, if point.is_empty() { "/" } else { point.as_str() }));
            // The kernel gives a mount its number after its parent's.
            let mounts: Vec<_> = (1..).zip(points).map(|(id, (parent, point))| mount(id, parent % id, point)).collect();
            let table = MountTable::from(mounts.clone());
            for point in Path::new(&path).ancestors() {
                let mut there = mounts.iter().rev().filter(|mount| mount.mount_point == point);
                prop_assert_eq!(table.uppermost_at(point), there.clone().next());
                prop_assert_eq!(table.at(point), there.find(|mount| is_found_there(&mounts, mount)));
            }
        }
    }
}
