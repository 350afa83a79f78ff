//! How full the filesystems of pods' volumes are.

use std::cmp::Ordering;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::mount::{FilesystemUsage, UsageError};

/// An answer for each path at which a filesystem is mounted for a pod. The paths are shared with the readings before: they stay the
/// same as long as mounts and pods' volumes do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeUsage {
    paths: Arc<[PathBuf]>,
    answers: Vec<Result<FilesystemUsage, UsageError>>,
}

impl VolumeUsage {
    /// An answer for each of the paths, which must stand in [`VolumeUsage::order`]. What has no answer is not in it.
    pub fn new(paths: Arc<[PathBuf]>, answers: Vec<Result<FilesystemUsage, UsageError>>) -> Self {
        Self { paths, answers }
    }

    /// The order of paths: that of their bytes, since paths are written one way only.
    pub fn order(one: &Path, other: &Path) -> Ordering {
        one.as_os_str().as_bytes().cmp(other.as_os_str().as_bytes())
    }

    /// The answer for one path; `None` where nothing is mounted there.
    pub fn get(&self, path: &Path) -> Option<&Result<FilesystemUsage, UsageError>> {
        let at = self
            .paths
            .binary_search_by(|known| Self::order(known, path))
            .ok()?;
        self.answers.get(at)
    }

    /// All answers, in the order of the paths.
    pub fn answers_mut(&mut self) -> impl Iterator<Item = &mut Result<FilesystemUsage, UsageError>> {
        self.answers.iter_mut()
    }
}
