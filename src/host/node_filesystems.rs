//! Which mounts are the node's own filesystems, and where each can be asked about from here.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::filesystem::Question;
use crate::model::device::DeviceNumber;
use crate::model::mount::Mount;
use crate::model::mount_table::{MountTable, is_below};

/// Filesystem types without storage of their own: the kernel's interfaces, views of other filesystems, and
/// read-only images, which are always full. The list is node_exporter's, so that both show the same filesystems.
const NOT_STORAGE: [&str; 30] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "fuse.lxcfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
    "fuse.portal",
];

/// A filesystem of the node, and the question that gives its usage, if it can be seen from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFilesystem {
    /// Where the mount that stands for it is in the table.
    pub at: usize,
    /// Whom to ask; `None` where this mount namespace has no mount of it.
    pub question: Option<Question>,
}

/// The node's filesystems, each once: of several mounts of one filesystem the one of its root, and of these the
/// one with the shortest path. Pods' mounts, which lie below the kubelet's folders of pods and plugins, are left out, and
/// so are those of containers. A disk that an administrator gave to one of these folders as a whole is the node's.
///
/// `own` says where this process sees filesystems. In a container its mounts are others than the node's, but a mount of
/// the same device number is the same filesystem wherever it is.
pub fn select(node: &MountTable, own: &Visible<'_>, kubelet: &Path) -> Vec<NodeFilesystem> {
    let pods = [kubelet.join("pods"), kubelet.join("plugins")];
    // By bytes, as below.
    let is_of_a_pod = |mount: &Mount| {
        let point = mount.mount_point.as_os_str().as_bytes();
        let mut folders = pods.iter().map(|folder| folder.as_os_str().as_bytes());
        folders.any(|folder| is_below(point, folder))
    };
    // For each filesystem its first mount, in whose order they are told, and the best.
    let mut chosen: HashMap<DeviceNumber, (usize, usize)> = HashMap::new();
    for (at, mount) in node.uppermost() {
        if NOT_STORAGE.contains(&mount.fstype.as_str())
            || is_of_a_pod(mount)
            || is_of_a_container(&mount.mount_point)
        {
            continue;
        }
        chosen
            .entry(mount.number)
            .and_modify(|best| {
                if rank(mount) < rank(&node[best.1]) {
                    best.1 = at;
                }
            })
            .or_insert((at, at));
    }
    let mut chosen: Vec<_> = chosen.into_values().collect();
    chosen.sort_unstable_by_key(|(first, _)| *first);
    chosen
        .into_iter()
        .map(|(_, at)| {
            let mount = &node[at];
            NodeFilesystem {
                at,
                question: own.get(&mount.number).map(|path| Question {
                    number: mount.number,
                    path: path.to_path_buf(),
                    own_numbers: mount.fstype == "btrfs",
                }),
            }
        })
        .collect()
}

fn rank(mount: &Mount) -> (bool, usize) {
    (mount.root != Path::new("/"), mount.mount_point.as_os_str().len())
}

/// Container runtimes keep each container's mounts below these folders.
fn is_of_a_container(mount_point: &Path) -> bool {
    // By bytes: the kernel writes a path one way only, and taking thousands of them apart takes long.
    let mount_point = mount_point.as_os_str().as_bytes();
    [
        "/run/containerd/",
        "/var/lib/docker/",
        "/var/lib/containerd/",
        "/var/lib/containers/storage/",
        "/run/netns/",
        "/run/credentials/",
    ]
    .iter()
    .any(|folder| mount_point.starts_with(folder.as_bytes()))
}

/// For each filesystem the shortest path at which it can be seen.
pub type Visible<'a> = HashMap<DeviceNumber, &'a Path>;

/// Where filesystems can be seen in a namespace with these mounts.
pub fn visible(own: &MountTable) -> Visible<'_> {
    let mut paths: Visible<'_> = HashMap::with_capacity(own.len());
    for (_, mount) in own.uppermost() {
        paths
            .entry(mount.number)
            .and_modify(|path| {
                if mount.mount_point.as_os_str().len() < path.as_os_str().len() {
                    *path = &mount.mount_point;
                }
            })
            .or_insert(&mount.mount_point);
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::super::mountinfo;
    use super::*;

    fn chosen(node: &str, own: &str) -> Vec<(String, Option<String>)> {
        let (node, bad) = mountinfo::parse(node.as_bytes());
        assert!(bad.is_empty());
        let (own, _) = mountinfo::parse(own.as_bytes());
        let (node, own) = (MountTable::from(node), MountTable::from(own));
        select(&node, &visible(&own), Path::new("/var/lib/kubelet"))
            .into_iter()
            .map(|found| {
                (
                    node[found.at].mount_point.display().to_string(),
                    found.question.map(|asked| asked.path.display().to_string()),
                )
            })
            .collect()
    }

    const NODE: &str = "\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:5 / /proc rw - proc proc rw
3 1 8:2 / /data rw - xfs /dev/sda2 rw
4 1 8:2 /sub /srv rw - xfs /dev/sda2 rw
5 1 0:30 / /var/lib/kubelet/pods/u/volumes/kubernetes.io~secret/s rw - tmpfs tmpfs rw
6 1 8:3 / /var/lib/kubelet/pods/u/volumes/kubernetes.io~csi/pv/mount rw - ext4 /dev/sda3 rw
7 1 0:31 / /run/containerd/io.containerd.runtime/rootfs rw - overlay overlay rw
8 1 0:32 / /run rw - tmpfs tmpfs rw
";

    #[test]
    fn each_filesystem_once_and_no_pods() {
        let found = chosen(NODE, NODE);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["/", "/data", "/run"]);
    }

    #[test]
    fn a_disk_for_all_pods_is_the_nodes_own() {
        let own_disk = "9 1 8:9 / /var/lib/kubelet/pods rw - xfs /dev/sda9 rw\n";
        // As some installers do, so that mounts below are seen by all.
        let bound =
            "10 1 8:1 /var/lib/kubelet/plugins /var/lib/kubelet/plugins rw shared:1 - ext4 /dev/sda1 rw\n";
        let node = format!("{NODE}{own_disk}{bound}");
        let found = chosen(&node, &node);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["/", "/data", "/run", "/var/lib/kubelet/pods"]);
    }

    #[test]
    fn in_a_container_a_filesystem_is_asked_wherever_it_is_mounted() {
        let own = "1 0 0:99 / / rw - overlay overlay rw\n2 1 8:1 /var/lib/kubelet /var/lib/kubelet ro - ext4 /dev/sda1 rw\n";
        let found = chosen(NODE, own);
        assert_eq!(found[0], ("/".into(), Some("/var/lib/kubelet".into())));
        assert_eq!(found[1], ("/data".into(), None));
    }

    #[test]
    fn the_later_of_two_mounts_on_one_point_is_what_is_seen() {
        let stacked = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /data rw - xfs /dev/sda2 rw\n3 2 8:3 / /data rw - xfs /dev/sda3 rw\n";
        let (mounts, _) = mountinfo::parse(stacked.as_bytes());
        let mounts = MountTable::from(mounts);
        let found = select(&mounts, &visible(&mounts), Path::new("/k"));
        let numbers: Vec<_> = found
            .iter()
            .map(|found| mounts[found.at].number.to_string())
            .collect();
        assert_eq!(numbers, ["8:1", "8:3"]);
    }
}
