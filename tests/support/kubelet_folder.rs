//! A kubelet's folder on this machine, with one pod and its volume. Made by root.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::kubernetes_tools::run;

/// The pod that has the volume.
pub const POD: &str = "11111111-1111-4111-8111-111111111111";

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
        fs::create_dir_all(made.volume()).unwrap();
        let mut path = made.volume();
        while path.starts_with(&made.root) {
            fs::set_permissions(&path, Permissions::from_mode(0o750)).unwrap();
            path.pop();
        }
        let about = made.volume().with_file_name("vol_data.json");
        let data = json!({"driverName": "disks.example", "specVolID": "pv-one", "volumeHandle": "handle-pv-one", "volumeLifecycleMode": "Persistent"});
        fs::write(&about, data.to_string()).unwrap();
        fs::set_permissions(&about, Permissions::from_mode(0o640)).unwrap();
        made
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
