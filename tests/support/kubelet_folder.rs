//! A kubelet's folder on this machine, with one pod and its volume. Made by root.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::kubernetes_tools::run;

/// The pod that has the volume.
pub const POD: &str = "11111111-1111-4111-8111-111111111111";

/// What nobody but the kubelet has to do with: its key, by which it is the node, and sockets by which volumes and devices are had.
pub const NOBODYS_BUSINESS: [&str; 3] = [
    "pki/kubelet-client-current.pem",
    "device-plugins/kubelet.sock",
    "plugins/disks.example/csi.sock",
];

/// A kubelet's folder with the modes that the kubelet gives it, and in it the folder of one pod's volume.
#[derive(Debug)]
pub struct KubeletFolder {
    _folder: TempDir,
    /// Where it is.
    pub root: PathBuf,
}

impl KubeletFolder {
    /// Makes one, of root's, as a mount of its own.
    pub fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Others than root have to come by, and the temporary folder itself is for its owner alone.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let root = folder.path().join("kubelet");
        fs::create_dir(&root).unwrap();
        // A mount of its own that tells others of what is mounted below, as systemd has it for the whole machine.
        let path = root.to_str().unwrap();
        shell("mount", &["--bind", path, path]);
        shell("mount", &["--make-shared", path]);
        let made = Self {
            _folder: folder,
            root,
        };
        made.folder(&made.volume());
        made.write_about(&made.volume().with_file_name("vol_data.json"), "pv-one");
        for path in NOBODYS_BUSINESS {
            let path = made.root.join(path);
            made.folder(path.parent().unwrap());
            fs::write(&path, "hush").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        }
        made
    }

    /// Makes a folder, and those above it.
    fn folder(&self, path: &Path) {
        fs::create_dir_all(path).unwrap();
        for folder in path.ancestors().take_while(|path| path.starts_with(&self.root)) {
            fs::set_permissions(folder, Permissions::from_mode(0o750)).unwrap();
        }
    }

    /// What the kubelet writes down of a CSI volume.
    fn write_about(&self, path: &Path, volume: &str) {
        self.folder(path.parent().unwrap());
        let data = json!({"driverName": "disks.example", "specVolID": volume, "volumeHandle": format!("handle-{volume}"), "volumeLifecycleMode": "Persistent"});
        fs::write(path, data.to_string()).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o640)).unwrap();
    }

    /// Gives the pod a raw block volume, `pv-raw`, that its driver has staged: the first of this node. What is staged is a mount, which is returned.
    pub fn add_raw_block_volume(&self) -> PathBuf {
        let devices = self.root.join("plugins/kubernetes.io/csi/volumeDevices");
        self.write_about(&devices.join("pv-raw/data/vol_data.json"), "pv-raw");
        let staged = devices.join("staging/pv-raw");
        self.folder(&staged);
        shell("mount", &["-t", "tmpfs", "tmpfs", staged.to_str().unwrap()]);
        let link = self
            .root
            .join(format!("pods/{POD}/volumeDevices/kubernetes.io~csi/pv-raw"));
        self.folder(link.parent().unwrap());
        symlink(devices.join(format!("publish/pv-raw/{POD}")), link).unwrap();
        staged
    }

    /// Where the pod's volume `pv-one` is mounted.
    pub fn volume(&self) -> PathBuf {
        self.root
            .join(format!("pods/{POD}/volumes/kubernetes.io~csi/pv-one/mount"))
    }

    /// Mounts a filesystem of 16 MiB whose root nobody but its owner may enter, as databases have it.
    pub fn mount_closed_filesystem(&self) {
        let options = "size=16m,mode=0700,uid=1000";
        shell(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                options,
                "tmpfs",
                self.volume().to_str().unwrap(),
            ],
        );
    }

    /// Unmounts the volume.
    pub fn unmount_volume(&self) {
        shell("umount", &[self.volume().to_str().unwrap()]);
    }
}

impl Drop for KubeletFolder {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .args(["--recursive", "--lazy"])
            .arg(&self.root)
            .status();
    }
}

/// Runs a program that has to succeed.
pub fn shell(program: &str, arguments: &[&str]) {
    run(Command::new(program).args(arguments), "").unwrap_or_else(|said| panic!("{said}"));
}
