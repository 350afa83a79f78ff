//! Where the kernel's and the kubelet's files are found.

use std::path::{Path, PathBuf};

/// Every path that this program reads starts at one of these folders, so that a container (`/host/proc`) or
/// a captured machine can be read in place of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// procfs: `/proc`.
    pub proc: PathBuf,
    /// sysfs: `/sys`.
    pub sys: PathBuf,
    /// udev's database: `/run/udev/data`.
    pub udev: PathBuf,
    /// The kubelet's folder: `/var/lib/kubelet`.
    pub kubelet: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            sys: "/sys".into(),
            udev: "/run/udev/data".into(),
            kubelet: "/var/lib/kubelet".into(),
        }
    }
}

/// The number that statfs(2) gives for procfs: `PROC_SUPER_MAGIC` in linux/magic.h.
pub(super) const PROCFS_MAGIC: u64 = 0x9fa0;

impl Roots {
    /// The roots of a machine captured below `folder`, laid out as on that machine.
    pub fn below(folder: &Path) -> Self {
        Self {
            proc: folder.join("proc"),
            sys: folder.join("sys"),
            udev: folder.join("run/udev/data"),
            kubelet: folder.join("var/lib/kubelet"),
        }
    }

    /// `<proc>/1/NAME`, the node's view, and `<proc>/self/NAME`, to fall back to.
    pub fn process_files(&self, name: &str) -> [PathBuf; 2] {
        [self.proc.join("1").join(name), self.own_file(name)]
    }

    /// `<proc>/self/NAME`: this process's own view.
    pub fn own_file(&self, name: &str) -> PathBuf {
        self.proc.join("self").join(name)
    }

    /// The sysfs folder of a block device. The kernel writes a `/` in a device's name as `!` there.
    pub fn block_device(&self, kernel_name: &str) -> PathBuf {
        let mut path = self.sys.join("class/block");
        if kernel_name.contains('/') {
            path.push(kernel_name.replace('/', "!"));
        } else {
            path.push(kernel_name);
        }
        path
    }

    /// True where `proc` is a mounted procfs, and so its mounts can be asked; false for a captured machine,
    /// whose mount points and device numbers would be taken for this machine's.
    pub fn is_live(&self) -> bool {
        rustix::fs::statfs(&self.proc).is_ok_and(|answer| u64::try_from(answer.f_type) == Ok(PROCFS_MAGIC))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_live_and_a_folder_is_not() {
        assert!(Roots::default().is_live());
        let folder = tempfile::tempdir().unwrap();
        assert!(!Roots::below(folder.path()).is_live());
    }

    #[test]
    fn a_slash_in_a_device_name_is_an_exclamation_mark_in_sysfs() {
        let path = Roots::default().block_device("cciss/c0d0");
        assert_eq!(path, Path::new("/sys/class/block/cciss!c0d0"));
    }
}
