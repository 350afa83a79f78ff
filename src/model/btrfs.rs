//! btrfs filesystems, which may lie on several devices and have no device number of their own.

/// One btrfs filesystem that the kernel has mounted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BtrfsFilesystem {
    /// Kernel names of the devices that it lies on, in order: `sda1`, `dm-0`. A missing device is not among them.
    pub device_names: Vec<String>,
}
