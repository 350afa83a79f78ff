//! The one call that asks a filesystem how full it is, and may never come back.

use std::path::Path;

use rustix::fs::{AtFlags, CWD, StatVfs, StatVfsMountFlags, StatxFlags, statfs, statvfs, statx};
use rustix::io::Errno;

use super::{Answer, Question};
use crate::model::device::DeviceNumber;
use crate::model::mount::{FilesystemUsage, UsageError};

/// The number that statfs(2) gives for btrfs: `BTRFS_SUPER_MAGIC` in linux/magic.h.
const BTRFS_MAGIC: u64 = 0x9123_683e;

/// Asks it.
pub(super) fn usage_of(question: &Question) -> Answer {
    let refused = |error: Errno| UsageError::Refused(std::io::Error::from(error).to_string());
    let answer = statvfs(&question.path).map_err(refused)?;
    // What is not mounted there any more leaves the folder below it.
    let is_it = if question.own_numbers {
        u64::try_from(statfs(&question.path).map_err(refused)?.f_type) == Ok(BTRFS_MAGIC)
    } else {
        device_number_of(&question.path).map_err(refused)? == question.number
    };
    if !is_it {
        return Err(UsageError::OtherFilesystem);
    }
    figures(&answer, question.mounted_read_only)
}

/// What an answer says. A program or a server may say anything.
fn figures(answer: &StatVfs, mounted_read_only: bool) -> Answer {
    // As df(1) has it: a FUSE program without statfs, or one that lets only its own user in. Where more is free than there is, nothing can
    // be said of what is in use.
    if answer.f_blocks == 0 || answer.f_bfree > answer.f_blocks {
        return Err(UsageError::NoSize);
    }
    let bytes = |blocks: u64| blocks.checked_mul(answer.f_frsize).ok_or(UsageError::NoSize);
    // More free than there are: CephFS says −1, beside the number of objects of its cluster.
    let fixed = answer.f_files > 0 && answer.f_ffree <= answer.f_files;
    Ok(FilesystemUsage {
        size: bytes(answer.f_blocks)?,
        free: bytes(answer.f_bfree)?,
        available: bytes(answer.f_bavail)?,
        files: fixed.then_some(answer.f_files),
        files_free: fixed.then_some(answer.f_ffree),
        // The flag is the mount's that is asked as well as the filesystem's.
        read_only: answer.f_flag.contains(StatVfsMountFlags::RDONLY) && !mounted_read_only,
    })
}

/// The device number that files at `path` have, by what the kernel knows already: a server is not asked a second time.
fn device_number_of(path: &Path) -> rustix::io::Result<DeviceNumber> {
    match statx(CWD, path, AtFlags::STATX_DONT_SYNC, StatxFlags::empty()) {
        Ok(found) => Ok(DeviceNumber::new(found.stx_dev_major, found.stx_dev_minor)),
        // Before Linux 4.11, and under seccomp profiles as old.
        Err(Errno::NOSYS) => {
            let device = rustix::fs::stat(path)?.st_dev;
            Ok(DeviceNumber::new(
                rustix::fs::major(device),
                rustix::fs::minor(device),
            ))
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Responder;
    use super::*;

    fn question(path: &Path) -> Question {
        Question {
            number: device_number_of(path).unwrap(),
            path: path.to_owned(),
            own_numbers: false,
            mounted_read_only: false,
            responder: Responder::Kernel,
        }
    }

    #[test]
    fn figures_are_those_of_the_kernel() {
        let folder = tempfile::tempdir().unwrap();
        let expected = statvfs(folder.path()).unwrap();
        let usage = usage_of(&question(folder.path())).unwrap();
        assert_eq!(usage.size, expected.f_blocks * expected.f_frsize);
    }

    #[test]
    fn the_folder_below_a_mount_is_not_taken_for_it() {
        let wrong = Question {
            number: DeviceNumber::new(4095, 1),
            ..question(Path::new("/"))
        };
        assert_eq!(usage_of(&wrong), Err(UsageError::OtherFilesystem));
    }

    /// Subvolumes have numbers of their own, so the type has to do. procfs is none, and would answer.
    #[test]
    fn the_folder_below_a_mount_of_btrfs_is_not_taken_for_it() {
        let unmounted = Question {
            own_numbers: true,
            ..question(Path::new("/proc"))
        };
        assert_eq!(usage_of(&unmounted), Err(UsageError::OtherFilesystem));
    }

    #[test]
    fn a_size_beyond_all_bounds_is_none() {
        let mut answer = statvfs("/").unwrap();
        (answer.f_frsize, answer.f_blocks, answer.f_bfree, answer.f_bavail) = (4096, 10, 4, 3);
        let used = |answer: &StatVfs| {
            figures(answer, false).map(|usage| (usage.size, usage.used(), usage.available))
        };
        assert_eq!(used(&answer), Ok((40_960, 24_576, 12_288)));
        answer.f_bfree = 11;
        assert_eq!(
            used(&answer),
            Err(UsageError::NoSize),
            "more is free than there is"
        );
        (answer.f_blocks, answer.f_bfree) = (u64::MAX, 4);
        assert_eq!(used(&answer), Err(UsageError::NoSize));
    }

    /// CephFS has no number of inodes that are free, and says −1.
    #[test]
    fn where_more_inodes_are_free_than_there_are_none_is_known() {
        let mut answer = statvfs("/").unwrap();
        (answer.f_frsize, answer.f_blocks, answer.f_bfree, answer.f_bavail) = (4096, 10, 4, 3);
        let mut inodes = |files, files_free| {
            (answer.f_files, answer.f_ffree) = (files, files_free);
            figures(&answer, false).map(|usage| (usage.files, usage.files_free))
        };
        assert_eq!(inodes(100, 40), Ok((Some(100), Some(40))));
        assert_eq!(inodes(100, 100), Ok((Some(100), Some(100))));
        assert_eq!(inodes(100, u64::MAX), Ok((None, None)));
        assert_eq!(inodes(0, 0), Ok((None, None)));
    }

    #[test]
    fn a_filesystem_without_a_size_is_not_said_to_have_no_bytes() {
        assert_eq!(usage_of(&question(Path::new("/proc"))), Err(UsageError::NoSize));
    }
}
