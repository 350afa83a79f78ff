//! What the kubelet and drivers do on a node: folders of pods, mounts in them and loop devices below them, all of which come and go.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::answers::OURS;
use super::api_changes::{Client, Workload};
use super::history::{History, Subject};
use super::support::kubelet_folder::shell;
use super::support::loop_device::{LoopDevice, backing_file};

/// Volumes that are mounted at a time, beside the one that stays.
const KEPT: usize = 8;
const PAUSE: Duration = Duration::from_millis(300);
/// Large enough for ext4.
const MEBIBYTES: u64 = 8;

/// What carries a volume.
#[derive(Debug, Clone, Copy)]
enum Carrier {
    Memory,
    LoopDevice,
    /// A folder of the volume that stays.
    Folder,
}

/// A mount, taken away when dropped.
#[derive(Debug)]
struct Mount {
    point: PathBuf,
}

impl Mount {
    fn make(arguments: &[&str], point: PathBuf) -> Self {
        shell(
            "mount",
            &[arguments, &[point.to_str().expect("our own path")]].concat(),
        );
        Self { point }
    }

    fn capacity(&self) -> u64 {
        let statistics = rustix::fs::statvfs(&self.point).unwrap();
        statistics.f_blocks * statistics.f_frsize
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.point).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            let _ = Command::new("umount").arg("--lazy").arg(&self.point).status();
        }
    }
}

/// A workload whose volume is mounted.
#[derive(Debug)]
struct Mounted {
    workload: Workload,
    mount: Mount,
    device: Option<LoopDevice>,
}

/// The kubelet, its folder, and where files below loop devices lie.
pub(super) struct Kubelet<'a> {
    client: Client<'a>,
    history: &'a History,
    root: PathBuf,
    files: PathBuf,
}

impl<'a> Kubelet<'a> {
    /// With its folder in this one.
    pub(super) fn new(client: Client<'a>, history: &'a History, folder: &Path) -> Self {
        Self {
            client,
            history,
            root: root(folder),
            files: folder.to_owned(),
        }
    }

    /// Volumes come and go until told to end; one is there all the while. `mounted` is how many there were.
    pub(super) fn come_and_go(mut self, mounted: &AtomicU32, end: &AtomicBool) {
        let stays = self.mount("stays", Carrier::LoopDevice, None);
        let mut kept = VecDeque::new();
        for (number, carrier) in (0_u32..).zip(
            [Carrier::Memory, Carrier::LoopDevice, Carrier::Folder]
                .into_iter()
                .cycle(),
        ) {
            if end.load(Ordering::Relaxed) {
                break;
            }
            kept.push_back(self.mount(&format!("mounted-{number}"), carrier, Some(&stays)));
            mounted.fetch_add(1, Ordering::Relaxed);
            thread::sleep(PAUSE);
            if kept.len() > KEPT
                && let Some(oldest) = kept.pop_front()
            {
                self.unmount(oldest);
            }
        }
        for mounted in kept {
            self.unmount(mounted);
        }
        self.unmount(stays);
    }

    fn mount(&mut self, name: &str, carrier: Carrier, stays: Option<&Mounted>) -> Mounted {
        let name = &format!("{OURS}{name}");
        let device = matches!(carrier, Carrier::LoopDevice).then(|| self.attach(name));
        let workload = Workload::begin(&mut self.client, name, true);
        let point = self.folder(&workload).join("mount");
        self.history.change(
            &[(Subject::MountedFor, name, Some(name.clone()))],
            || {
                fs::create_dir_all(&point).unwrap();
                let about = json!({"driverName": "disks.example", "specVolID": name, "volumeHandle": format!("handle-{name}"),
                    "volumeLifecycleMode": "Persistent"});
                fs::write(point.with_file_name("vol_data.json"), about.to_string()).unwrap();
            },
        );
        let (arguments, below) = match (&device, stays) {
            (Some(device), _) => (
                vec![device.path().display().to_string()],
                Some(device.name().to_owned()),
            ),
            (None, Some(stays)) if matches!(carrier, Carrier::Folder) => {
                let folder = stays.mount.point.join(name);
                fs::create_dir(&folder).unwrap();
                let device = stays.device.as_ref().map(|device| device.name().to_owned());
                (vec!["--bind".into(), folder.display().to_string()], device)
            }
            _ => (
                ["-t", "tmpfs", "-o", "size=16m", "tmpfs"]
                    .map(str::to_owned)
                    .into(),
                None,
            ),
        };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mount = self.history.learn(Subject::Capacity, name, || {
            let mount = self.history.change(&[(Subject::DeviceBelow, name, below)], || {
                Mount::make(&arguments, point)
            });
            (mount.capacity().to_string(), mount)
        });
        Mounted {
            workload,
            mount,
            device,
        }
    }

    fn unmount(&mut self, mounted: Mounted) {
        let Mounted {
            workload,
            mount,
            device,
        } = mounted;
        let name = workload.name.clone();
        let folder = self.folder(&workload);
        self.history.change(
            &[
                (Subject::DeviceBelow, &name, None),
                (Subject::Capacity, &name, None),
            ],
            || drop(mount),
        );
        self.history.change(&[(Subject::MountedFor, &name, None)], || {
            fs::remove_file(folder.join("vol_data.json")).unwrap();
            // Never more than empty folders: in a volume that were still mounted there would be somebody's files.
            fs::remove_dir(folder.join("mount")).unwrap();
            for folder in folder.ancestors().take(4) {
                fs::remove_dir(folder).unwrap();
            }
        });
        workload.end(&mut self.client);
        if let Some(device) = device {
            let file = file_name(&name);
            self.history.change(&[(Subject::LoopDevice, &file, None)], || {
                drop(device.detach());
            });
            fs::remove_file(self.files.join(file)).unwrap();
        }
    }

    fn attach(&self, name: &str) -> LoopDevice {
        let file = file_name(name);
        let path = backing_file(&self.files, &file, MEBIBYTES);
        shell(
            "mkfs.ext4",
            &["-q", "-F", "-m", "0", path.to_str().expect("our own path")],
        );
        attach(self.history, &path, &file)
    }

    /// Where the volume's mount point and what is known of it lie.
    fn folder(&self, workload: &Workload) -> PathBuf {
        self.root.join(format!(
            "pods/{}/volumes/kubernetes.io~csi/{}",
            workload.pod_uid, workload.name
        ))
    }
}

/// The kubelet's folder in this one.
pub(super) fn root(folder: &Path) -> PathBuf {
    folder.join("kubelet")
}

fn file_name(name: &str) -> String {
    format!("{name}.img")
}

/// A loop device on a file.
pub(super) fn attach(history: &History, path: &Path, file: &str) -> LoopDevice {
    history.learn(Subject::LoopDevice, file, || {
        let device = LoopDevice::attach(path);
        (device.name().to_owned(), device)
    })
}
