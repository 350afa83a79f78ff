//! Which mounts are the node's own filesystems, and where each can be asked about from here.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::filesystem::Question;
use crate::model::device::DeviceNumber;
use crate::model::mount::Mount;
use crate::model::mount_table::{MountTable, is_below};

/// Filesystem types without storage of their own: the kernel's interfaces, views of other filesystems, and
/// read-only images, which are always full. Those that node_exporter leaves out by itself, and further ones of these sorts.
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
    /// True where each of the node's mounts of it refuses writes, or it did itself when mounts were read.
    pub read_only: bool,
    /// Whom to ask; `None` where this mount namespace has no mount of it.
    pub question: Option<Question>,
}

/// The node's filesystems, each once: of several mounts of one filesystem one that is not hidden, of these the one of its root, and
/// of these the one with the shortest path. Pods' mounts, which lie below the kubelet's folders of pods and plugins, are left out, and
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
    let rank = |at: usize| {
        let mount = &node[at];
        let is_part = mount.root != Path::new("/");
        (node.is_hidden(at), is_part, mount.mount_point.as_os_str().len())
    };
    // For each filesystem its first mount, in whose order they are told, the best, and whether all refuse writes.
    let mut chosen: HashMap<DeviceNumber, (usize, usize, bool)> = HashMap::new();
    for (at, mount) in node.uppermost() {
        if NOT_STORAGE.contains(&mount.fstype.as_str())
            || is_of_a_pod(mount)
            || is_of_a_container(&mount.mount_point)
        {
            continue;
        }
        chosen
            .entry(mount.number)
            .and_modify(|(_, best, read_only)| {
                if rank(at) < rank(*best) {
                    *best = at;
                }
                *read_only &= mount.refuses_writes();
            })
            .or_insert((at, at, mount.refuses_writes()));
    }
    let mut chosen: Vec<_> = chosen.into_values().collect();
    chosen.sort_unstable_by_key(|(first, ..)| *first);
    chosen
        .into_iter()
        .map(|(_, at, read_only)| {
            let mount = &node[at];
            NodeFilesystem {
                at,
                read_only,
                question: own.get(&mount.number).map(|own| Question::new(mount, own)),
            }
        })
        .collect()
}

/// Container runtimes keep each container's mounts below folders of these names, wherever a distribution puts them.
fn is_of_a_container(mount_point: &Path) -> bool {
    const BELOW: [&str; 6] = [
        "/run/containerd/",
        "/var/lib/docker/",
        "/var/lib/containerd/",
        "/var/lib/containers/storage/",
        "/run/netns/",
        "/run/credentials/",
    ];
    const WITHIN: [&str; 2] = ["/containerd/io.containerd.", "/overlay-containers/"];
    // As text: the kernel writes a path one way only, and taking thousands of them apart takes long.
    let Some(mount_point) = mount_point.to_str() else {
        return false;
    };
    BELOW.iter().any(|folder| mount_point.starts_with(folder))
        || WITHIN.iter().any(|folder| mount_point.contains(folder))
}

/// For each filesystem the mount with the shortest path at which it can be seen. Where folders may have quotas of their own one of the whole
/// goes before: at others a folder's quota may be told.
pub type Visible<'a> = HashMap<DeviceNumber, &'a Mount>;

/// Where filesystems can be seen in a namespace with these mounts.
pub fn visible(own: &MountTable) -> Visible<'_> {
    let rank = |mount: &Mount| {
        let may_have_quota = mount.has_folder_quotas && mount.root != Path::new("/");
        (may_have_quota, mount.mount_point.as_os_str().len())
    };
    let mut mounts: Visible<'_> = HashMap::with_capacity(own.len());
    for (_, mount) in own.found() {
        mounts
            .entry(mount.number)
            .and_modify(|shortest| {
                if rank(mount) < rank(shortest) {
                    *shortest = mount;
                }
            })
            .or_insert(mount);
    }
    mounts
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
        let own = "1 0 0:99 / / rw - overlay overlay rw\n2 1 8:1 /var/lib/kubelet/pods /var/lib/kubelet/pods ro - ext4 /dev/sda1 rw\n";
        let found = chosen(NODE, own);
        assert_eq!(found[0], ("/".into(), Some("/var/lib/kubelet/pods".into())));
        assert_eq!(found[1], ("/data".into(), None));
    }

    #[test]
    fn a_disk_for_the_kubelet_is_asked_at_the_folders_of_it_that_are_mounted() {
        let whole = "9 1 8:8 / /var/lib/kubelet rw - xfs /dev/sda8 rw\n";
        let pods = "10 9 8:9 / /var/lib/kubelet/pods rw - xfs /dev/sda9 rw\n";
        let in_pod = "1 0 0:99 / / rw - overlay overlay rw\n\
            2 1 8:9 / /var/lib/kubelet/pods ro - xfs /dev/sda9 rw\n\
            3 1 8:8 /plugins/kubernetes.io/csi/volumeDevices /var/lib/kubelet/plugins/kubernetes.io/csi/volumeDevices ro - xfs /dev/sda8 rw\n";
        let found = chosen(&format!("{NODE}{whole}{pods}"), in_pod);
        let asked = |name: &str| {
            found
                .iter()
                .find(|(point, _)| point == name)
                .unwrap()
                .1
                .as_deref()
        };
        assert_eq!(asked("/var/lib/kubelet/pods"), Some("/var/lib/kubelet/pods"));
        assert_eq!(
            asked("/var/lib/kubelet"),
            Some("/var/lib/kubelet/plugins/kubernetes.io/csi/volumeDevices")
        );
    }

    fn read_only(node: &str) -> Vec<bool> {
        let (node, _) = mountinfo::parse(node.as_bytes());
        let node = MountTable::from(node);
        let found = select(&node, &visible(&node), Path::new("/k"));
        found.into_iter().map(|found| found.read_only).collect()
    }

    #[test]
    fn a_filesystem_refuses_writes_where_each_mount_of_it_does() {
        assert_eq!(
            read_only("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:1 /usr /usr ro - ext4 /dev/sda1 rw\n"),
            [false]
        );
        // As an image-based system has it: the root is for reading, what it holds is for writing.
        assert_eq!(
            read_only("1 0 8:1 / /sysroot ro - xfs /dev/sda1 rw\n2 1 8:1 /var /var rw - xfs /dev/sda1 rw\n"),
            [false]
        );
        assert_eq!(
            read_only("1 0 8:1 / / ro - ext4 /dev/sda1 rw\n2 1 8:2 / /data rw - xfs /dev/sda2 ro\n"),
            [true, true]
        );
    }

    #[test]
    fn containers_mounts_are_left_out_wherever_their_runtime_keeps_them() {
        for folder in [
            "/run/containerd/io.containerd.grpc.v1.cri/sandboxes/s",
            "/run/k3s/containerd/io.containerd.grpc.v1.cri/sandboxes/s",
            "/run/k0s/containerd/io.containerd.grpc.v1.cri/sandboxes/s",
            "/var/snap/microk8s/common/run/containerd/io.containerd.grpc.v1.cri/sandboxes/s",
            "/run/containers/storage/overlay-containers/s/userdata",
            "/var/lib/docker/containers/s/mounts",
        ] {
            let mount = format!("9 1 0:50 / {folder}/shm rw - tmpfs shm rw\n");
            assert_eq!(chosen(&mount, &mount), [], "{folder}");
        }
        let disk = "9 1 8:9 / /var/lib/containerd rw - xfs /dev/sda9 rw\n";
        assert_eq!(chosen(disk, disk).len(), 1);
    }

    #[test]
    fn a_mount_that_is_hidden_is_neither_shown_nor_asked_where_another_is_there() {
        let hidden = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /a/b rw - xfs /dev/sda2 rw\n3 1 8:3 / /a rw - xfs /dev/sda3 rw\n";
        let found = chosen(hidden, hidden);
        assert_eq!(found[1], ("/a/b".into(), None));
        let elsewhere = format!("{hidden}4 1 8:2 / /elsewhere rw - xfs /dev/sda2 rw\n");
        let found = chosen(&elsewhere, &elsewhere);
        assert_eq!(found[1], ("/elsewhere".into(), Some("/elsewhere".into())));
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
