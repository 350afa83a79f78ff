//! Which mount a path lies on.

use std::collections::HashMap;
use std::path::Path;

use crate::model::mount::Mount;

/// The mounts of one namespace, by mount point.
///
/// Paths are compared by whole components, so `/data2` does not lie on `/data`. Of several mounts on one point
/// the last is on top. A mount whose point lies below a later mount of a folder above it is hidden, and
/// whoever goes there does not find it.
#[derive(Debug)]
pub struct MountTable<'a> {
    mounts: &'a [Mount],
    at_point: HashMap<&'a Path, Vec<usize>>,
    by_id: HashMap<u64, usize>,
    by_parent: HashMap<(u64, &'a Path), usize>,
}

impl<'a> MountTable<'a> {
    /// The table of `mounts`, in the order of `mountinfo`.
    pub fn new(mounts: &'a [Mount]) -> Self {
        let mut at_point: HashMap<&Path, Vec<usize>> = HashMap::with_capacity(mounts.len());
        let mut by_id = HashMap::with_capacity(mounts.len());
        let mut by_parent = HashMap::with_capacity(mounts.len());
        for (at, mount) in mounts.iter().enumerate() {
            at_point.entry(&mount.mount_point).or_default().push(at);
            by_id.insert(mount.id, at);
            by_parent.insert((mount.parent_id, mount.mount_point.as_path()), at);
        }
        Self {
            mounts,
            at_point,
            by_id,
            by_parent,
        }
    }

    /// The mount that is found exactly at `point`.
    pub fn at(&self, point: &Path) -> Option<&'a Mount> {
        let stacked = self.at_point.get(point)?;
        stacked
            .iter()
            .rev()
            .find(|at| self.is_visible(**at))
            .map(|at| &self.mounts[*at])
    }

    /// The mount that `path` lies on: the one with the longest mount point.
    pub fn of(&self, path: &Path) -> Option<&'a Mount> {
        path.ancestors().find_map(|point| self.at(point))
    }

    fn is_visible(&self, at: usize) -> bool {
        let mut mount = &self.mounts[at];
        // A chain of parents cannot be longer than the table; a longer one is a loop of a broken file.
        for _ in 0..self.mounts.len() {
            let Some(parent) = self.by_id.get(&mount.parent_id).map(|at| &self.mounts[*at]) else {
                return true;
            };
            if parent.id == mount.id {
                return true;
            }
            let covered = mount
                .mount_point
                .ancestors()
                .skip(1)
                .take_while(|point| *point != parent.mount_point && point.starts_with(&parent.mount_point))
                .any(|point| self.by_parent.contains_key(&(parent.id, point)));
            if covered {
                return false;
            }
            mount = parent;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        }
    }

    fn found(mounts: &[Mount], path: &str) -> Option<u64> {
        MountTable::new(mounts).of(Path::new(path)).map(|mount| mount.id)
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
    fn a_loop_of_parents_ends() {
        let mounts = [mount(1, 2, "/a/b/c"), mount(2, 1, "/a")];
        assert_eq!(found(&mounts, "/a/b/c/d"), Some(1));
    }

    #[test]
    fn fifty_thousand_mounts_are_a_matter_of_milliseconds() {
        let mut mounts = vec![mount(1, 0, "/")];
        for id in 2..50_000 {
            mounts.push(mount(id, 1, &format!("/var/lib/kubelet/pods/{id:08x}-0000-0000-0000-000000000000/volumes/kubernetes.io~csi/pv/mount")));
        }
        let table = MountTable::new(&mounts);
        for id in 2..50_000 {
            let path = format!(
                "/var/lib/kubelet/pods/{id:08x}-0000-0000-0000-000000000000/volumes/kubernetes.io~csi/pv/mount/file"
            );
            assert_eq!(table.of(Path::new(&path)).map(|mount| mount.id), Some(id));
        }
    }
}
