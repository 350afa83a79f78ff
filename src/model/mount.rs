//! Mounts, and how full the filesystems behind them are.

use std::path::PathBuf;

use super::device::DeviceNumber;

/// One line of `mountinfo` (proc_pid_mountinfo(5)), its escapes undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The mount's id.
    pub id: u64,
    /// The id of the mount that it is mounted on.
    pub parent_id: u64,
    /// Device number that files on it have; anonymous for filesystems without one device.
    pub number: DeviceNumber,
    /// The part of the filesystem that is mounted: `/`, or a directory in it for bind mounts and subvolumes.
    pub root: PathBuf,
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// True where this mount refuses writes.
    pub read_only: bool,
    /// Filesystem type: `ext4`, `nfs4`, `fuse.sshfs`, …
    pub fstype: String,
    /// What was mounted, as it was said: `/dev/sda1`, `server:/export`, `tmpfs`.
    pub source: String,
    /// True where the whole filesystem says that it refuses writes, as after an error.
    pub filesystem_read_only: bool,
    /// True where a folder may have a quota of its own (a project quota), for which statfs(2) then answers there.
    pub has_folder_quotas: bool,
}

impl Mount {
    /// True where nothing can be written by way of this mount.
    pub fn refuses_writes(&self) -> bool {
        self.read_only || self.filesystem_read_only
    }
}

/// How full a filesystem is: statfs(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilesystemUsage {
    /// Capacity in bytes.
    pub size: u64,
    /// Bytes not in use, root's reserve among them.
    pub free: u64,
    /// Bytes that a user without privilege can still write.
    pub available: u64,
    /// Inodes in all; `None` where the filesystem has no fixed number, or does not know how many are free.
    pub files: Option<u64>,
    /// Inodes not in use; `None` as above.
    pub files_free: Option<u64>,
    /// True where writes are refused.
    pub read_only: bool,
}

impl FilesystemUsage {
    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.size.saturating_sub(self.free)
    }

    /// Share in use of what a user without privilege can use, 0 to 1: the figure of df(1). `None` for an empty filesystem.
    pub fn fullness(&self) -> Option<f64> {
        let usable = self.used().saturating_add(self.available);
        (usable > 0).then(|| self.used() as f64 / usable as f64)
    }

    /// The same in so many parts of the whole, rounded up as df(1) rounds its percentage; `None` where nothing can be written.
    pub fn parts_in_use(&self, of: u16) -> Option<u64> {
        parts_in_use(self.used(), self.used().saturating_add(self.available), of)
    }
}

/// Of `of` parts of the whole those that are in use, rounded up; `None` where there is nothing.
pub fn parts_in_use(used: u64, whole: u64, of: u16) -> Option<u64> {
    if whole == 0 {
        return None;
    }
    let parts = (u128::from(used) * u128::from(of)).div_ceil(u128::from(whole));
    Some(u64::try_from(parts).unwrap_or(u64::MAX))
}

/// One filesystem of the node with its usage, or why that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// Device number as in `mountinfo`.
    pub number: DeviceNumber,
    /// Where the node has it mounted.
    pub mount_point: PathBuf,
    /// Filesystem type.
    pub fstype: String,
    /// What was mounted.
    pub source: String,
    /// How full it is; the error says why that is unknown.
    pub usage: Result<FilesystemUsage, UsageError>,
}

/// Why a filesystem's usage is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageError {
    /// The call has not come back for a second or more: a dead server, a dead disk.
    NotResponding,
    /// The call has not come back yet.
    Slow,
    /// No mount of it can be seen from here.
    NotVisible,
    /// The kernel refused.
    Refused(String),
    /// What is at the mount point here is another filesystem than the node has there.
    OtherFilesystem,
    /// It answers, and has no size to tell: a bucket, or a program that tells it to its own user alone.
    NoSize,
    /// Calls to others that do not come back hold all the threads that it could be asked on.
    NotAsked,
    /// There is no thread to ask it on.
    NoThread,
    /// Nobody was asked: the roots are a captured machine's.
    Captured,
}

impl UsageError {
    /// A word for a label.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotResponding => "not_responding",
            Self::Slow => "slow",
            Self::NotVisible => "not_visible",
            Self::Refused(_) => "refused",
            Self::OtherFilesystem => "other_filesystem",
            Self::NoSize => "no_size",
            Self::NotAsked => "not_asked",
            Self::NoThread => "no_thread",
            Self::Captured => "captured",
        }
    }
}

impl std::fmt::Display for UsageError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotResponding => formatter.write_str("statfs does not come back: the server or the disk behind it is not responding"),
            Self::Slow => formatter.write_str("statfs has not come back yet"),
            Self::NotVisible => formatter.write_str("not mounted in this mount namespace"),
            Self::Refused(error) => write!(formatter, "statfs failed: {error}"),
            Self::OtherFilesystem => formatter.write_str(
                "another filesystem is seen there than the node has (is the hostPath mounted with mountPropagation: HostToContainer?)",
            ),
            Self::NoSize => formatter.write_str("it has no size to tell"),
            Self::NotAsked => formatter.write_str(
                "not asked: as many calls to others as there may be do not come back (bring back the servers that are not responding, or unmount what is theirs)",
            ),
            Self::NoThread => formatter.write_str(
                "not asked: no thread can be had (how many processes may this pod have, and the node?)",
            ),
            Self::Captured => formatter.write_str("a captured machine has no live filesystems"),
        }
    }
}

/// A filesystem of one gibibyte, for tests that ask about any.
#[cfg(test)]
pub(crate) const HALF_FULL: FilesystemUsage = FilesystemUsage {
    size: 1 << 30,
    free: 1 << 29,
    available: 1 << 29,
    files: None,
    files_free: None,
    read_only: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_rounded_up_as_df_does() {
        for (used, whole, percent) in [
            (7, 100, Some(7)),
            (701, 10_000, Some(8)),
            (0, 100, Some(0)),
            (u64::MAX, u64::MAX, Some(100)),
            (0, 0, None),
        ] {
            assert_eq!(parts_in_use(used, whole, 100), percent, "{used} of {whole}");
        }
    }
}
