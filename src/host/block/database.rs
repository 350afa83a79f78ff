//! Whether udev has written to its database.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::host::roots::Roots;

/// Times of files are as coarse as the kernel's clock tick: a folder changed so recently may change again without
/// looking changed.
const COARSE: Duration = Duration::from_secs(1);

/// udev's database as it was at the latest reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Database {
    /// It may have changed since without looking so.
    #[default]
    Unsettled,
    /// There is none.
    Absent,
    /// Its folder was last written then.
    Written(Written),
}

impl Database {
    /// As it is now.
    pub(super) fn below(roots: &Roots) -> Self {
        // The dot makes a link to the folder be followed.
        match Written::of(&roots.udev.join(".")) {
            None => Self::Absent,
            Some(written) if written.is_settled() => Self::Written(written),
            Some(_) => Self::Unsettled,
        }
    }
}

/// When a file was written, and which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    seconds: i64,
    nanoseconds: i64,
    inode: u64,
}

impl Written {
    /// `None` where there is no such file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let about = std::fs::symlink_metadata(path).ok()?;
        Some(Self {
            seconds: about.mtime(),
            nanoseconds: about.mtime_nsec(),
            inode: about.ino(),
        })
    }

    /// True where a further change would show.
    fn is_settled(&self) -> bool {
        let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let Ok(seconds) = u64::try_from(self.seconds) else {
            return false;
        };
        since_epoch > Duration::from_secs(seconds) + 2 * COARSE
    }
}
