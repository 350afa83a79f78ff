//! Files of procfs and sysfs that are asked at every question, kept open in between.
//!
//! Most of what a small file costs is the way to it: the kernel follows a dozen folders and links to open
//! `/sys/class/block/sda/ro`, and what it then writes are two bytes. An open file of procfs or sysfs is written afresh
//! whenever it is read from its beginning, and says `ENODEV` once its device has gone, even where another has the
//! name by then. Files of a captured machine are ordinary ones: those are looked up again once they were replaced.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

use super::read::{self, ATTRIBUTE_LIMIT, TEXT_LIMIT, USUAL_ATTRIBUTE, read_from_start};
use super::roots::PROCFS_MAGIC;
use super::text::decimal;

/// The filesystems that write a file when it is read: `SYSFS_MAGIC`, `PROC_SUPER_MAGIC`, `CGROUP_SUPER_MAGIC` and
/// `CGROUP2_SUPER_MAGIC` in linux/magic.h.
const WRITTEN_WHEN_READ: [u64; 4] = [0x6265_6572, PROCFS_MAGIC, 0x27_e0eb, 0x6367_7270];
/// A number of 64 bits and the end of its line are shorter.
const LONGEST_NUMBER: usize = 24;

/// How many files one reader may keep open: a share of those that the process may, so that most are left to others, and no more than `most`.
pub(super) fn most_open(share: u64, most: u64) -> usize {
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from((allowed / share).min(most)).unwrap_or_default()
}

/// One file, and whether it is open.
#[derive(Debug, Default)]
pub struct KeptFile {
    place: Place,
}

#[derive(Debug, Default)]
enum Place {
    #[default]
    Unknown,
    Absent,
    Open {
        file: File,
        /// It may be replaced by another of its name without being the worse for it.
        ordinary: bool,
    },
}

impl KeptFile {
    /// A file that has not been looked for yet.
    pub const fn new() -> Self {
        Self {
            place: Place::Unknown,
        }
    }

    /// True while a file is open.
    pub fn is_open(&self) -> bool {
        matches!(self.place, Place::Open { .. })
    }

    /// The whole text of the file at `path`, which must be the same at every call.
    ///
    /// # Errors
    ///
    /// What the system said; the file is looked up again at the next call.
    pub fn text(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        self.text_of(path, |_| {})
    }

    /// The same, where `room` is how many more files may be kept open. `opened` is given the file where one had to be opened: it may be
    /// another of the same name.
    ///
    /// # Errors
    ///
    /// What the system said; the file is looked up again at the next call.
    pub fn text_within(
        &mut self,
        path: &Path,
        room: &mut usize,
        opened: impl FnOnce(&File),
    ) -> io::Result<Vec<u8>> {
        let was_open = self.is_open();
        if !was_open && *room == 0 {
            let file = File::open(path)?;
            opened(&file);
            let mut bytes = Vec::with_capacity(ATTRIBUTE_LIMIT);
            read_from_start(&file, &mut bytes, TEXT_LIMIT, |_| false)?;
            return Ok(bytes);
        }
        let text = self.text_of(path, opened)?;
        *room -= usize::from(!was_open);
        Ok(text)
    }

    fn text_of(&mut self, path: &Path, opened: impl FnOnce(&File)) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(ATTRIBUTE_LIMIT);
        self.read(|| path.to_owned(), &mut bytes, TEXT_LIMIT, |_| false, opened)?;
        Ok(bytes)
    }

    /// The bytes of an attribute of sysfs, the same at every call; `None` where there is none. One that is missing stays so.
    /// Where it lies is asked only if it is not open. `room` is how many more files may be kept open.
    pub fn attribute(&mut self, path: impl FnOnce() -> PathBuf, room: &mut usize) -> Option<Vec<u8>> {
        if matches!(self.place, Place::Absent) {
            return None;
        }
        let was_open = self.is_open();
        if !was_open && *room == 0 {
            return read::attribute_bytes(&path());
        }
        let mut bytes = Vec::with_capacity(USUAL_ATTRIBUTE);
        let outcome = self.read(
            path,
            &mut bytes,
            ATTRIBUTE_LIMIT,
            read::is_whole_attribute,
            |_| {},
        );
        match &outcome {
            Ok(()) if was_open => {}
            Ok(()) => *room -= 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.place = Place::Absent,
            Err(_) => {}
        }
        outcome.is_ok().then_some(bytes)
    }

    /// An attribute as a number; `None` where it is absent or no number.
    pub fn number(&mut self, path: impl FnOnce() -> PathBuf, room: &mut usize) -> Option<u64> {
        // Most are one digit: nothing is put on the heap for it.
        let mut digits = [0_u8; LONGEST_NUMBER];
        if let Place::Open {
            file,
            ordinary: false,
        } = &self.place
            && let Ok(length) = rustix::io::pread(file, &mut digits, 0)
            && digits[..length].ends_with(b"\n")
        {
            return decimal(digits[..length].trim_ascii());
        }
        decimal(self.attribute(path, room)?.trim_ascii())
    }

    fn read(
        &mut self,
        path: impl FnOnce() -> PathBuf,
        bytes: &mut Vec<u8>,
        limit: usize,
        is_whole: fn(&Vec<u8>) -> bool,
        opened: impl FnOnce(&File),
    ) -> io::Result<()> {
        if let Place::Open { file, ordinary } = &self.place {
            let replaced = *ordinary && rustix::fs::fstat(file).is_ok_and(|about| about.st_nlink == 0);
            // The device has gone; what is there now has the same path.
            if !replaced && read_from_start(file, bytes, limit, is_whole).is_ok() {
                return Ok(());
            }
            bytes.clear();
        }
        self.place = Place::Unknown;
        let file = File::open(path())?;
        opened(&file);
        read_from_start(&file, bytes, limit, is_whole)?;
        let ordinary = !rustix::fs::fstatfs(&file).is_ok_and(|answer| {
            u64::try_from(answer.f_type).is_ok_and(|magic| WRITTEN_WHEN_READ.contains(&magic))
        });
        self.place = Place::Open { file, ordinary };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn room() -> usize {
        8
    }

    #[test]
    fn a_file_that_is_rewritten_is_read_afresh() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = KeptFile::default();
        for content in ["0\n", "1\n", "12345\n", "7\n"] {
            fs::write(folder.path().join("ro"), content).unwrap();
            let read = file.attribute(|| folder.path().join("ro"), &mut room()).unwrap();
            assert_eq!(read, content.as_bytes());
            assert!(file.is_open());
        }
    }

    #[test]
    fn a_file_that_is_replaced_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("diskstats");
        let mut file = KeptFile::default();
        fs::write(&path, "one\n").unwrap();
        assert_eq!(file.text(&path).unwrap(), b"one\n");
        fs::write(folder.path().join("new"), "two\n").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(file.text(&path).unwrap(), b"two\n");
        fs::remove_file(&path).unwrap();
        assert_eq!(file.text(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        fs::write(&path, "three\n").unwrap();
        assert_eq!(file.text(&path).unwrap(), b"three\n");
    }

    #[test]
    fn without_room_nothing_stays_open_and_all_is_read_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (mut one, mut two) = (KeptFile::default(), KeptFile::default());
        fs::write(folder.path().join("ro"), "1\n").unwrap();
        let mut room = 1;
        for _ in 0..3 {
            assert_eq!(one.number(|| folder.path().join("ro"), &mut room), Some(1));
            assert_eq!(two.number(|| folder.path().join("ro"), &mut room), Some(1));
        }
        assert!(one.is_open() && !two.is_open());
    }

    #[test]
    fn a_text_of_any_length_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        let mut file = KeptFile::default();
        for length in [0, 1, 4095, 4096, 4097, 1 << 20] {
            let content = vec![b'\n'; length];
            fs::write(&path, &content).unwrap();
            assert!(file.text(&path).unwrap() == content, "{length}");
            assert!(file.text(&path).unwrap() == content, "{length}");
        }
    }

    #[test]
    fn an_attribute_is_cut_at_one_page() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("huge"), vec![b'a'; 1 << 20]).unwrap();
        let read = KeptFile::default().attribute(|| folder.path().join("huge"), &mut room());
        assert_eq!(read.unwrap().len(), ATTRIBUTE_LIMIT);
    }

    #[test]
    fn a_number_of_the_kernels_own_is_read_whole() {
        let mut file = KeptFile::default();
        let mut number = || file.number(|| "/proc/sys/kernel/pid_max".into(), &mut room());
        let first = number();
        assert!(first.is_some());
        assert_eq!(number(), first);
    }

    #[test]
    fn without_room_a_text_is_read_and_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("io.stat");
        fs::write(&path, "one\n").unwrap();
        let mut file = KeptFile::default();
        let (mut room, mut opened) = (0, 0);
        let mut read = |room: &mut usize| {
            let text = file.text_within(&path, room, |_| opened += 1);
            (text.ok(), opened, file.is_open())
        };
        let one = || Some(b"one\n".to_vec());
        assert_eq!(read(&mut room), (one(), 1, false));
        room = 1;
        assert_eq!(read(&mut room), (one(), 2, true));
        assert_eq!(room, 0);
        assert_eq!(read(&mut room), (one(), 2, true));
        fs::remove_file(&path).unwrap();
        assert_eq!(read(&mut room), (None, 2, false));
    }

    #[test]
    fn the_kernels_own_files_are_written_afresh() {
        let mut file = KeptFile::default();
        let path = Path::new("/proc/self/stat");
        let ticks = |file: &mut KeptFile| file.text(path).unwrap();
        let before = ticks(&mut file);
        assert!(matches!(file.place, Place::Open { ordinary: false, .. }));
        let mut sum = 0_u64;
        let end = std::time::Instant::now() + std::time::Duration::from_millis(200);
        while std::time::Instant::now() < end {
            sum = sum.wrapping_mul(31).wrapping_add(1);
        }
        assert_ne!(before, ticks(&mut file), "{sum}");
    }
}
