//! The mounts of a namespace, read again when they changed.
//!
//! An open `mountinfo` tells by poll(2) whether mounts came or went since it was last asked (proc_pid_mounts(5), "Since kernel
//! version 2.6.15"). So what was read is kept until then: on a node with thousands of mounts the kernel takes
//! milliseconds to write them. What is kept is read again after some seconds all the same, because a filesystem that turns
//! read-only after an error tells nobody.
//!
//! The kernel gives the text in pieces of a page. Before Linux 5.8 it goes on in the next one by counting, so a mount that goes
//! meanwhile makes it pass over another, and one that comes may be told twice: what changed while it was read is read again. A text that is still the same is not taken apart again, and gives the same table as
//! before: who keeps what follows from it can tell by the table's place.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::mountinfo;
use super::read::{ATTRIBUTE_LIMIT, ReadError, TEXT_LIMIT};
use crate::model::mount_table::MountTable;

/// What is kept is read again after this time.
const LONGEST_KEPT: Duration = Duration::from_secs(10);
/// So often a text is read that changes each time. Somewhere mounts come and go without end.
const MOST_READINGS: usize = 3;

/// A reader of one `mountinfo`.
#[derive(Debug, Default)]
pub(super) struct MountReader {
    kept: Option<Kept>,
    /// The key of digests: nobody who mounts something can know it.
    key: RandomState,
}

#[derive(Debug)]
struct Kept {
    path: PathBuf,
    file: File,
    read_at: Instant,
    /// Of the text. It stands for it because the text has megabytes on some nodes, and 64 bits under a secret key are the same for
    /// two texts about as often as a disk reads a block wrong and does not see it.
    digest: Option<u64>,
    mounts: Arc<MountTable>,
    bad_lines: Arc<Vec<usize>>,
}

/// What was read.
#[derive(Debug, Clone)]
pub(super) struct MountReading {
    /// The mounts, in the file's order.
    pub(super) mounts: Arc<MountTable>,
    /// The numbers (from 1) of lines that could not be read.
    pub(super) bad_lines: Arc<Vec<usize>>,
}

impl MountReader {
    /// The mounts in the file at `path` now. `live` says that the kernel writes the file, and so tells of changes.
    pub(super) fn read(
        &mut self,
        path: &Path,
        live: bool,
        now: Instant,
        hint: &'static str,
    ) -> Result<MountReading, ReadError> {
        let is_current = self.kept.as_ref().is_some_and(|kept| {
            live && kept.path == path
                && now.saturating_duration_since(kept.read_at) < LONGEST_KEPT
                && !has_changed(&kept.file)
        });
        if !is_current {
            let fault = |source| ReadError {
                path: path.to_owned(),
                source,
                hint,
            };
            self.read_again(path, live, now)
                .inspect_err(|_| self.kept = None)
                .map_err(fault)?;
        }
        // Just read, or current: it is there in both cases.
        let kept = self.kept.as_ref();
        Ok(MountReading {
            mounts: kept.map(|kept| Arc::clone(&kept.mounts)).unwrap_or_default(),
            bad_lines: kept.map(|kept| Arc::clone(&kept.bad_lines)).unwrap_or_default(),
        })
    }

    /// Keeps `mounts`, which are equal to those that are kept, in their place: one copy is enough.
    pub(super) fn share(&mut self, mounts: &Arc<MountTable>) {
        if let Some(kept) = &mut self.kept {
            kept.mounts = Arc::clone(mounts);
        }
    }

    /// Reads through the file that is open, so that a change after this is told of.
    fn read_again(&mut self, path: &Path, live: bool, now: Instant) -> std::io::Result<()> {
        let mut kept = match self.kept.take() {
            Some(kept) if kept.path == path => {
                // Changes until now are in what is read.
                let _ = live && has_changed(&kept.file);
                kept
            }
            _ => Kept {
                path: path.to_owned(),
                file: File::open(path)?,
                read_at: now,
                digest: None,
                mounts: Arc::default(),
                bad_lines: Arc::default(),
            },
        };
        let mut text = Vec::with_capacity(ATTRIBUTE_LIMIT);
        read_steady(
            &mut text,
            || live && has_changed(&kept.file),
            |text| {
                let mut file = &kept.file;
                file.seek(SeekFrom::Start(0))?;
                file.take(TEXT_LIMIT as u64).read_to_end(text)
            },
        )?;
        let digest = Some(self.key.hash_one(&text));
        if kept.digest != digest {
            let (mounts, bad_lines) = mountinfo::parse(&text);
            kept.mounts = Arc::new(mounts.into());
            kept.bad_lines = Arc::new(bad_lines);
            kept.digest = digest;
        }
        kept.read_at = now;
        self.kept = Some(kept);
        Ok(())
    }
}

/// Reads until nothing has changed meanwhile, a few times at most.
fn read_steady(
    text: &mut Vec<u8>,
    mut has_changed: impl FnMut() -> bool,
    mut read: impl FnMut(&mut Vec<u8>) -> std::io::Result<usize>,
) -> std::io::Result<()> {
    for _ in 0..MOST_READINGS {
        text.clear();
        read(text)?;
        if !has_changed() {
            break;
        }
    }
    Ok(())
}

/// True where the kernel says that mounts came or went since the last time it was asked, or says nothing that is understood.
fn has_changed(file: &File) -> bool {
    let mut asked = [PollFd::new(file, PollFlags::PRI)];
    match poll(
        &mut asked,
        Some(&Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        }),
    ) {
        Ok(0) => false,
        Ok(_) => asked[0].revents().intersects(PollFlags::PRI | PollFlags::ERR),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_kernels_is_read_every_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mountinfo");
        let mut reader = MountReader::default();
        for (text, mounts, bad) in [
            ("1 0 8:1 / / rw - ext4 /dev/sda1 rw\n", 1, 0),
            (
                "1 0 8:1 / / rw - ext4 /dev/sda1 rw\nrubbish\n2 1 8:2 / /a rw - ext4 /dev/sda2 rw\n",
                2,
                1,
            ),
            ("", 0, 0),
        ] {
            std::fs::write(&path, text).unwrap();
            let reading = reader.read(&path, false, Instant::now(), "").unwrap();
            assert_eq!((reading.mounts.len(), reading.bad_lines.len()), (mounts, bad));
        }
    }

    #[test]
    fn while_nothing_is_mounted_the_kernels_file_is_read_once() {
        let mut reader = MountReader::default();
        let path = Path::new("/proc/self/mountinfo");
        let now = Instant::now();
        // Other tests mount nothing, but the machine may: then it is read again, and rightly.
        let is_kept = |reader: &mut MountReader| {
            reader.read(path, true, now, "").unwrap();
            let soon = now + LONGEST_KEPT / 2;
            reader.read(path, true, soon, "").unwrap();
            reader.kept.take().unwrap().read_at == now
        };
        assert!((0..100).any(|_| is_kept(&mut reader)));
        let later = now + LONGEST_KEPT;
        let reading = reader.read(path, true, later, "").unwrap();
        assert_eq!(reader.kept.unwrap().read_at, later, "read again after a while");
        assert!(!reading.mounts.is_empty());
    }

    #[test]
    fn what_changes_while_it_is_read_is_read_again_three_times_at_most() {
        for (changes, readings) in [(0, 1), (1, 2), (2, 3), (9, 3)] {
            let (mut left, mut done) = (changes, 0);
            let mut text = Vec::new();
            let has_changed = || {
                let changed = left > 0;
                left -= i32::from(changed);
                changed
            };
            read_steady(&mut text, has_changed, |text| {
                done += 1;
                text.push(done);
                Ok(1)
            })
            .unwrap();
            assert_eq!(text, [readings], "{changes} changes");
        }
    }

    #[test]
    fn the_same_text_gives_the_same_table_and_another_one_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mountinfo");
        let mut reader = MountReader::default();
        let mut read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            reader.read(&path, false, Instant::now(), "").unwrap()
        };
        let [sda, sdb] =
            ["sda", "sdb"].map(|disk| format!("1 0 8:1 / / rw - ext4 /dev/{disk} rw\nrubbish\n"));
        let first = read(&sda);
        let second = read(&sda);
        assert!(Arc::ptr_eq(&first.mounts, &second.mounts));
        assert_eq!(*second.bad_lines, [2]);
        let other = read(&sdb);
        assert_eq!(other.mounts[0].source, "/dev/sdb");
        assert_eq!(read(&sda).mounts, first.mounts);
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it() {
        let error = MountReader::default()
            .read(Path::new("/nonexistent/mountinfo"), true, Instant::now(), "")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read /nonexistent/mountinfo: no such file"
        );
    }
}
