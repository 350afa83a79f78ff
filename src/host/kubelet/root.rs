//! Where the kubelet's root is: on the node, and on nodes where it is not at the usual place.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::model::mount::Mount;
use crate::model::mount_table::MountTable;

/// Roots of kubelets that are set up otherwise than `/var/lib/kubelet`, which k3s, RKE2, Talos, kind and most others use.
const KNOWN_ROOTS: [&str; 6] = [
    "/var/lib/k0s/kubelet",
    "/var/snap/microk8s/common/var/lib/kubelet",
    // k3s before 0.10, and without root privileges.
    "/var/lib/rancher/k3s/agent/kubelet",
    // RKE 1 on RancherOS.
    "/opt/rke/var/lib/kubelet",
    // IBM Cloud.
    "/var/data/kubelet",
    // Tanzu Kubernetes Grid Integrated.
    "/var/vcap/data/kubelet",
];

/// The usual root, below the node's `/`.
const USUAL: &str = "var/lib/kubelet";

/// The kubelet's root as mounts give it away: most pods have a volume mounted at `ROOT/pods/UID/volumes/kubernetes.io~…`.
///
/// Of several roots the one with most volumes is told. No file is touched.
fn kubelet_root_in(mounts: &[Mount]) -> Option<PathBuf> {
    let mut found: BTreeMap<&Path, usize> = BTreeMap::new();
    for root in mounts.iter().filter_map(|mount| root_of(&mount.mount_point)) {
        *found.entry(root).or_default() += 1;
    }
    // Of equals the first by name, whatever the order of the mounts.
    found
        .into_iter()
        .rev()
        .max_by_key(|(_, volumes)| *volumes)
        .map(|(root, _)| root.to_owned())
}

/// `ROOT` of `ROOT/pods/UID/volumes/kubernetes.io~PLUGIN/…`: the first, for a pod's volume may hold another kubelet's root.
fn root_of(mount_point: &Path) -> Option<&Path> {
    let bytes = mount_point.as_os_str().as_bytes();
    // Most mounts of a node are none of a pod's volumes: this is quicker than looking at each part of the path.
    let marker = b"/volumes/kubernetes.io~";
    bytes.windows(marker.len()).position(|window| window == marker)?;
    mount_point
        .ancestors()
        .filter(|folder| folder.file_name().is_some_and(|name| name == "pods"))
        .filter(|pods| {
            mount_point.strip_prefix(pods).is_ok_and(|rest| {
                let mut parts = rest.components().map(Component::as_os_str);
                parts.next().is_some()
                    && parts.next().is_some_and(|part| part == "volumes")
                    && parts
                        .next()
                        .is_some_and(|part| part.as_bytes().starts_with(b"kubernetes.io~"))
                    && parts.next().is_some()
            })
        })
        .last()?
        .parent()
}

/// How the node calls the folder that is `root` for us. In a container the node's folder can be mounted anywhere, and
/// behind a symbolic link (microk8s makes `/var/lib/kubelet` one) mounts have the path it leads to.
///
/// `root` itself where mounts of the node lie there, or where they do not tell.
fn root_on_node(root: &Path, mounts: &[Mount]) -> PathBuf {
    let folders = [root.join("pods"), root.join("plugins")];
    let here = |mount: &Mount| folders.iter().any(|folder| mount.mount_point.starts_with(folder));
    let found = if mounts.iter().any(here) {
        None
    } else {
        kubelet_root_in(mounts)
    };
    // As the kernel would write it: mount points below it are told by their bytes.
    found.unwrap_or_else(|| root.components().collect())
}

/// How the node calls one root, thought over only where mounts have changed.
#[derive(Debug, Default)]
pub struct NodeRoot {
    known: Option<(Arc<MountTable>, PathBuf)>,
}

impl NodeRoot {
    /// How the node calls `root`, which must be the same at every call.
    pub fn of(&mut self, root: &Path, mounts: &Arc<MountTable>) -> PathBuf {
        if let Some((of, known)) = &self.known
            && Arc::ptr_eq(of, mounts)
        {
            return known.clone();
        }
        let found = root_on_node(root, mounts);
        self.known = Some((Arc::clone(mounts), found.clone()));
        found
    }
}

/// Where else the kubelet's root seems to be, as the node has it, when `root` has no pods' folder. For `check`: the known
/// places are looked at, so this is not for every reading.
///
/// `root` tells where the node's `/` is seen: with `/host/var/lib/kubelet` it is `/host`.
pub fn elsewhere(root: &Path, mounts: &[Mount]) -> Option<PathBuf> {
    let is_folder = |path: &Path| std::fs::symlink_metadata(path).is_ok_and(|about| about.is_dir());
    if is_folder(&root.join("pods")) {
        return None;
    }
    if let Some(found) = kubelet_root_in(mounts).filter(|found| found != root) {
        return Some(found);
    }
    let host = root.ancestors().nth(3).filter(|_| root.ends_with(USUAL));
    let host = host.unwrap_or(Path::new("/"));
    ["/var/lib/kubelet"]
        .into_iter()
        .chain(KNOWN_ROOTS)
        .find(|known| is_folder(&host.join(&known[1..]).join("pods")))
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::mountinfo;

    const POD: &str = "9f1b8c1e-6f0a-4d57-9a51-0d8f7f4e2b11";

    fn mounts(points: &[&str]) -> Vec<Mount> {
        let lines = points.iter().enumerate();
        let lines = lines.map(|(at, point)| format!("{at} 0 0:{at} / {point} rw - tmpfs tmpfs rw"));
        let text = lines.collect::<Vec<_>>().join("\n");
        let (mounts, bad) = mountinfo::parse(text.as_bytes());
        assert!(bad.is_empty());
        mounts
    }

    fn volume(root: &str, name: &str) -> String {
        format!("{root}/pods/{POD}/volumes/kubernetes.io~projected/{name}")
    }

    #[test]
    fn mounts_give_the_root_away() {
        let one = volume("/var/lib/k0s/kubelet", "a");
        let csi = format!("/var/lib/k0s/kubelet/pods/{POD}/volumes/kubernetes.io~csi/pv/mount");
        assert_eq!(
            kubelet_root_in(&mounts(&["/", "/data/pods/x", &csi, &one])),
            Some("/var/lib/k0s/kubelet".into())
        );
        assert_eq!(kubelet_root_in(&mounts(&["/", "/proc"])), None);
        assert_eq!(kubelet_root_in(&[]), None);
    }

    #[test]
    fn a_kubelet_inside_a_pods_volume_is_not_the_nodes() {
        let outer = format!("/var/lib/kubelet/pods/{POD}/volumes/kubernetes.io~empty-dir/x");
        let inner = volume(&format!("{outer}/kubelet"), "token");
        assert_eq!(
            kubelet_root_in(&mounts(&[&inner])),
            Some("/var/lib/kubelet".into())
        );
    }

    #[test]
    fn what_only_resembles_a_volume_is_none() {
        for point in [
            "/pods/u/volumes/kubernetes.io~csi",
            "/k/pods/volumes/kubernetes.io~csi/pv",
            "/k/mypods/u/volumes/kubernetes.io~csi/pv",
            "/k/pods/u/volumes/kubernetes.io/csi/pv",
            "/k/pods/u/x/volumes/kubernetes.io~csi/pv",
        ] {
            assert_eq!(kubelet_root_in(&mounts(&[point])), None, "{point}");
        }
        assert_eq!(
            kubelet_root_in(&mounts(&["/pods/u/volumes/kubernetes.io~csi/pv/mount"])),
            Some("/".into())
        );
    }

    #[test]
    fn of_several_roots_the_one_with_most_volumes_is_told() {
        let (a, b) = ("/a", "/b");
        let (one, two, three) = (volume(a, "1"), volume(b, "1"), volume(b, "2"));
        assert_eq!(kubelet_root_in(&mounts(&[&one, &two, &three])), Some(b.into()));
        assert_eq!(kubelet_root_in(&mounts(&[&two, &one])), Some(a.into()));
    }

    #[test]
    fn the_nodes_own_path_is_taken_from_its_mounts() {
        let linked = volume("/var/snap/microk8s/common/var/lib/kubelet", "a");
        let usual = volume("/var/lib/kubelet", "a");
        let root = Path::new("/var/lib/kubelet");
        assert_eq!(
            root_on_node(root, &mounts(&[&linked])),
            Path::new("/var/snap/microk8s/common/var/lib/kubelet")
        );
        assert_eq!(root_on_node(root, &mounts(&[&linked, &linked, &usual])), root);
        assert_eq!(
            root_on_node(Path::new("/host/var/lib/kubelet"), &mounts(&[&usual])),
            root
        );
        assert_eq!(root_on_node(root, &mounts(&["/"])), root);
    }

    #[test]
    fn the_root_follows_the_mounts() {
        let (root, mut node_root) = (Path::new("/host//var/lib/kubelet/"), NodeRoot::default());
        let table = |points: &[&str]| Arc::new(MountTable::from(mounts(points)));
        let (one, two) = (table(&[&volume("/a", "1")]), table(&[&volume("/b", "1")]));
        for (mounts, expected) in [
            (&one, "/a"),
            (&one, "/a"),
            (&two, "/b"),
            (&table(&[]), "/host/var/lib/kubelet"),
        ] {
            let found = node_root.of(root, mounts);
            assert_eq!(found.as_os_str(), expected);
        }
    }

    #[test]
    fn another_root_is_told_only_where_the_given_one_has_no_pods() {
        let host = tempfile::tempdir().unwrap();
        let root = host.path().join("var/lib/kubelet");
        assert_eq!(elsewhere(&root, &[]), None);
        std::fs::create_dir_all(host.path().join("var/lib/k0s/kubelet/pods")).unwrap();
        assert_eq!(elsewhere(&root, &[]), Some("/var/lib/k0s/kubelet".into()));
        let seen = volume("/srv/kubelet", "a");
        assert_eq!(elsewhere(&root, &mounts(&[&seen])), Some("/srv/kubelet".into()));
        std::fs::create_dir_all(root.join("pods")).unwrap();
        assert_eq!(elsewhere(&root, &mounts(&[&seen])), None);
    }
}
