//! What a node is read from, and how each place fares: for the log of who begins to serve, and for `check`.

use std::path::Path;

use crate::host::kubelet::elsewhere;
use crate::host::read::plain;
use crate::host::roots::Roots;
use crate::model::host::{BLOCK_DEVICES, HostSample, MOUNTS};
use crate::model::mount::Mount;

/// One source and how it fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Its place.
    pub(super) name: String,
    /// What was found there.
    pub(super) found: String,
    /// What is wrong with it, and the way out.
    pub(super) problem: Option<String>,
    /// What is missing without it.
    pub(super) cost: &'static str,
}

/// The sources of one node, as this sample met them.
pub(super) fn of_a_node(roots: &Roots, sample: &HostSample) -> Vec<Source> {
    let problem_of = |collector: &str| {
        sample
            .faults
            .iter()
            .find(|fault| fault.source == collector)
            .map(ToString::to_string)
    };
    let disks = sample.devices.disks().count();
    let with_sysfs =
        sample.devices.is_empty() && !sample.faults.iter().any(|fault| fault.source == BLOCK_DEVICES);
    let named = sample
        .devices
        .disks()
        .filter(|disk| disk.identity.path.is_some())
        .count();
    vec![
        Source {
            name: roots.proc.join("diskstats").display().to_string(),
            found: format!("I/O counters of {} block devices", sample.counters.len()),
            problem: problem_of(BLOCK_DEVICES),
            cost: "no disks and no I/O figures",
        },
        Source {
            name: roots.sys.join("class/block").display().to_string(),
            found: format!("{} block devices, {disks} of them disks", sample.devices.len()),
            problem: (with_sysfs || !is_folder(&roots.sys.join("class/block"))).then(|| {
                "no block device found there (is the node's /sys there? --sysfs names its place)".to_owned()
            }),
            cost: "no sizes, no types, nothing of what is made of what",
        },
        Source {
            name: roots.process_files("mountinfo")[0].display().to_string(),
            found: format!("{} mounts", sample.mounts.len()),
            problem: problem_of(MOUNTS),
            cost: "what is mounted where is known for this process alone, or not at all",
        },
        Source {
            name: roots.udev.display().to_string(),
            found: format!("udev's records; {named} of {disks} disks with a place on a bus"),
            problem: (!is_folder(&roots.udev)).then(|| {
                "no such folder (does udev run on the node? --udev-data names its place)".to_owned()
            }),
            cost: "filesystem types, and the serial numbers and world wide names that sysfs does not have",
        },
        Source {
            name: roots.kubelet.display().to_string(),
            found: "the kubelet's folder".to_owned(),
            problem: kubelet_problem(&roots.kubelet, &sample.mounts),
            cost: "no pods' volumes, and pods' mounts are not told from the node's own",
        },
    ]
}

/// A kubelet that was set up with another root is looked for: without it a node full of volumes would look like one without.
fn kubelet_problem(root: &Path, mounts: &[Mount]) -> Option<String> {
    if let Some(found) = elsewhere(root, mounts) {
        let found = found.display();
        return Some(format!(
            "no pods there; the node has them in {found} (--kubelet-root {found} reads them; in a container, where that is mounted)"
        ));
    }
    // The folder itself is there in a container in which but a part of it is mounted.
    let error = std::fs::read_dir(root.join("pods")).err()?;
    Some(format!(
        "pods: {} (no Kubernetes node, or another root: --kubelet-root names it)",
        plain(&error)
    ))
}

fn is_folder(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::mountinfo;

    #[test]
    fn a_kubelet_with_another_root_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (mounts, _) = mountinfo::parse(
            b"30 20 8:1 / /srv/kubelet/pods/1/volumes/kubernetes.io~csi/pvc/mount rw - ext4 /dev/sda1 rw\n",
        );
        let problem = kubelet_problem(folder.path(), &mounts).unwrap();
        assert!(problem.contains("--kubelet-root /srv/kubelet "), "{problem}");
        // Where it is, nothing is wrong, whatever else is mounted.
        std::fs::create_dir(folder.path().join("pods")).unwrap();
        assert_eq!(kubelet_problem(folder.path(), &mounts), None);
    }

    #[test]
    fn a_node_without_a_kubelet_is_told_how_to_name_one() {
        // No machine that runs tests has pods at one of the usual places.
        let problem = kubelet_problem(Path::new("/nonexistent/of/no/kubelet"), &[]).unwrap();
        assert!(problem.contains("--kubelet-root"), "{problem}");
        // As in a container in which something else of the kubelet's folder is mounted.
        let folder = tempfile::tempdir().unwrap();
        let problem = kubelet_problem(folder.path(), &[]).unwrap();
        assert!(problem.starts_with("pods: no such file"), "{problem}");
    }
}
