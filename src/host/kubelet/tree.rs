//! Folders and files below one folder, reached without following a link and without going into a mount.
//!
//! openat2(2) makes the kernel itself refuse both, on every part of the path, before whatever is mounted there is
//! asked for anything. Where the kernel (before 5.6) or a container's seccomp filter does not know that call, each part is
//! opened by itself and links are still refused, but not mounts.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags, Stat};
use rustix::io::{Errno, Result};

/// Room for the entries of a folder: hundreds a call, and more than the longest name needs.
const BUFFER: usize = 16 << 10;

/// So many entries of a folder are read. The largest of the kubelet's has one for each pod.
pub(super) const MOST_IN_FOLDER: usize = 5000;

/// What a folder's entry is, as the folder itself says: nothing is asked of the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A folder, or a filesystem that does not say what its entries are.
    Folder,
    /// A symbolic link.
    Link,
    /// A file, a device, a socket, …
    Other,
}

/// One entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name, byte for byte.
    pub(super) name: OsString,
    /// What it is. What is mounted over it may be something else.
    pub(super) kind: Kind,
}

/// What changes when a file or a folder does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint {
    /// True for a plain file.
    pub(super) is_file: bool,
    /// True for a symbolic link.
    pub(super) is_link: bool,
    /// Bytes.
    pub(super) size: i128,
    /// When the content was last changed: seconds since 1970, and nanoseconds.
    pub(super) modified: (i128, i128),
    /// Device and inode.
    identity: (i128, i128),
}

impl From<Stat> for Fingerprint {
    fn from(about: Stat) -> Self {
        let kind = FileType::from_raw_mode(about.st_mode);
        Self {
            is_file: kind.is_file(),
            is_link: kind.is_symlink(),
            // The types of these differ from one architecture to the next.
            size: about.st_size.into(),
            modified: (about.st_mtime.into(), about.st_mtime_nsec.into()),
            identity: (about.st_dev.into(), about.st_ino.into()),
        }
    }
}

impl Fingerprint {
    /// Asks an open file or folder.
    pub(super) fn of(descriptor: impl AsFd) -> Result<Self> {
        rustix::fs::fstat(descriptor).map(Self::from)
    }
}

/// An open folder, as the beginning of paths.
#[derive(Debug)]
pub(super) struct Tree {
    descriptor: OwnedFd,
    path: PathBuf,
    guarded: Cell<bool>,
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Neither links nor mounts.
const GUARDED: ResolveFlags = LINKLESS.union(ResolveFlags::NO_XDEV);
const LINKLESS: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS);

impl Tree {
    /// Opens `path` itself as any program would: links and mounts on the way to it are the administrator's.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let descriptor = rustix::fs::openat(CWD, &path, FOLDER, Mode::empty())?;
        Ok(Self {
            descriptor,
            path,
            guarded: Cell::new(true),
        })
    }

    /// The folder `below`, as the beginning of further paths. It may be a mount; links are not followed on the way to it.
    pub(super) fn mounted(&self, below: &Path) -> Result<Self> {
        Ok(Self {
            descriptor: self.reach(below, FOLDER | OFlags::NOFOLLOW, LINKLESS)?,
            path: self.full(below),
            guarded: self.guarded.clone(),
        })
    }

    /// The full path of what is at `below`.
    pub(super) fn full(&self, below: &Path) -> PathBuf {
        self.path.join(below)
    }

    /// What is at `below` as far as it tells whether it is still the same.
    ///
    /// This is one call where [`Tree::look`] is three, and it is made for what was reached by the guarded way before, again and
    /// again: it follows no link at the end of the path, but would follow what meanwhile took the place of a folder on
    /// the way. What it finds there is another thing than before, and so is gone to by the guarded way. Where that is on a server that does
    /// not answer, the call does not come back: docs/security.md says why that is accepted.
    pub(super) fn still(&self, below: &Path) -> Result<Fingerprint> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let below = if below.as_os_str().is_empty() {
            Path::new(".")
        } else {
            below
        };
        rustix::fs::statat(&self.descriptor, below, flags).map(Fingerprint::from)
    }

    /// The entries of the folder `below` in the order of their names, [`MOST_IN_FOLDER`] of them at most, and the folder's state before
    /// they were read.
    pub(super) fn list(&self, below: &Path) -> Result<(Fingerprint, Vec<Entry>)> {
        let folder = if below.as_os_str().is_empty() {
            // The descriptor that is kept would go on where the last reading ended.
            rustix::fs::openat(&self.descriptor, ".", FOLDER, Mode::empty())?
        } else {
            self.reach(below, FOLDER | OFlags::NOFOLLOW, GUARDED)?
        };
        let fingerprint = Fingerprint::of(&folder)?;
        let mut entries = entries_of(&folder)?;
        entries.sort_unstable_by(|one, two| one.name.cmp(&two.name));
        Ok((fingerprint, entries))
    }

    /// A handle of `below` that can be asked what it is, and no more: nothing is opened, be it a device or a pipe.
    pub(super) fn look(&self, below: &Path) -> Result<File> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(self.reach(below, flags, GUARDED)?.into())
    }

    /// Opens a plain file. Whether it is one must have been asked before, and must be asked again.
    pub(super) fn file(&self, below: &Path) -> Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(self.reach(below, flags, GUARDED)?.into())
    }

    /// Where the link at `below` points to; what it points to is not touched.
    pub(super) fn target(&self, below: &Path) -> Result<PathBuf> {
        let link = self.look(below)?;
        let target = rustix::fs::readlinkat(&link, "", Vec::new())?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    fn reach(&self, below: &Path, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd> {
        if self.guarded.get() {
            match rustix::fs::openat2(&self.descriptor, below, flags, Mode::empty(), resolve) {
                // How kernels and seccomp filters say that they do not know the call.
                Err(Errno::NOSYS | Errno::PERM) => self.guarded.set(false),
                answer => return answer,
            }
        }
        self.step_by_step(below, flags)
    }

    fn step_by_step(&self, below: &Path, flags: OFlags) -> Result<OwnedFd> {
        let mut folder: Option<OwnedFd> = None;
        let mut parts = below.components().peekable();
        while let Some(part) = parts.next() {
            let Component::Normal(name) = part else {
                return Err(Errno::XDEV);
            };
            let flags = if parts.peek().is_none() {
                flags
            } else {
                OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
            };
            let from = folder.as_ref().unwrap_or(&self.descriptor);
            let opened = rustix::fs::openat(from, name, flags, Mode::empty())?;
            folder = Some(opened);
        }
        folder.ok_or(Errno::NOENT)
    }
}

fn entries_of(folder: &OwnedFd) -> Result<Vec<Entry>> {
    let mut buffer = Vec::with_capacity(BUFFER);
    let mut reading = RawDir::new(folder, buffer.spare_capacity_mut());
    let mut entries = Vec::new();
    while let Some(entry) = reading.next()
        && entries.len() < MOST_IN_FOLDER
    {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        entries.push(Entry {
            name: OsStr::from_bytes(name).to_owned(),
            kind: match entry.file_type() {
                FileType::Directory | FileType::Unknown => Kind::Folder,
                FileType::Symlink => Kind::Link,
                _ => Kind::Other,
            },
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn both(path: &Path) -> [Tree; 2] {
        let guarded = Tree::open(path.to_owned()).unwrap();
        let stepping = Tree::open(path.to_owned()).unwrap();
        stepping.guarded.set(false);
        [guarded, stepping]
    }

    #[test]
    fn names_keep_their_bytes_and_come_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let odd = OsStr::from_bytes(b"a\xff\n b");
        std::fs::create_dir_all(folder.path().join("x").join(odd)).unwrap();
        std::fs::write(folder.path().join("x/file"), "").unwrap();
        symlink("/", folder.path().join("x/link")).unwrap();
        for tree in both(folder.path()) {
            let (fingerprint, found) = tree.list(Path::new("x")).unwrap();
            assert_eq!(tree.still(Path::new("x")), Ok(fingerprint));
            let found: Vec<_> = found.iter().map(|entry| (&*entry.name, entry.kind)).collect();
            assert_eq!(
                found,
                [
                    (odd, Kind::Folder),
                    (OsStr::new("file"), Kind::Other),
                    (OsStr::new("link"), Kind::Link)
                ]
            );
            assert_eq!(tree.list(Path::new("")).unwrap().1.len(), 1);
            assert_eq!(tree.list(Path::new("")).unwrap().1.len(), 1, "a second time");
        }
    }

    #[test]
    fn more_entries_than_the_buffer_holds_are_all_found() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..2000 {
            std::fs::write(folder.path().join(format!("{number:0>100}")), "").unwrap();
        }
        let tree = Tree::open(folder.path().to_owned()).unwrap();
        assert_eq!(tree.list(Path::new("")).unwrap().1.len(), 2000);
    }

    #[test]
    fn links_are_refused_on_every_part_of_the_path() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("real/inner")).unwrap();
        std::fs::write(folder.path().join("real/inner/file"), "secret").unwrap();
        symlink("real", folder.path().join("link")).unwrap();
        symlink("file", folder.path().join("real/inner/last")).unwrap();
        for tree in both(folder.path()) {
            assert!(tree.file(Path::new("real/inner/file")).is_ok());
            assert!(tree.file(Path::new("link/inner/file")).is_err());
            assert!(tree.file(Path::new("real/inner/last")).is_err());
            assert!(tree.file(Path::new("real/../link/inner/file")).is_err());
            assert!(tree.list(Path::new("link")).is_err());
            assert!(tree.list(Path::new("link/inner")).is_err());
        }
    }

    /// Reads the same file while its folder, or it itself, is exchanged for a link again and again: how often it was read, how often
    /// refused, and what was wrong.
    fn read_while_exchanged(tree: &Tree, pair: &[PathBuf; 2]) -> ([u32; 2], Option<String>) {
        use std::sync::atomic::{AtomicBool, Ordering};
        let (mut seen, mut wrong) = ([0, 0], None);
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let [one, other] = pair;
                while !ended.load(Ordering::Relaxed) {
                    let exchange = rustix::fs::RenameFlags::EXCHANGE;
                    rustix::fs::renameat_with(rustix::fs::CWD, one, rustix::fs::CWD, other, exchange)
                        .unwrap();
                }
            });
            let begun = std::time::Instant::now();
            while wrong.is_none()
                && (begun.elapsed().as_millis() < 300 || seen.contains(&0))
                && begun.elapsed().as_secs() < 60
            {
                match tree.file(Path::new("pod/volume/file")) {
                    Ok(file) => {
                        let text = std::io::read_to_string(file).unwrap();
                        wrong = (text != "own").then_some(text);
                        seen[0] += 1;
                    }
                    Err(_) => seen[1] += 1,
                }
                if let Ok((_, entries)) = tree.list(Path::new("pod/volume"))
                    && entries.iter().any(|entry| entry.name == "outside")
                {
                    wrong = Some("the folder outside was listed".into());
                }
            }
            ended.store(true, Ordering::Relaxed);
        });
        (seen, wrong)
    }

    #[test]
    fn what_is_exchanged_for_a_link_meanwhile_leads_nowhere() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("file"), "secret").unwrap();
        std::fs::write(outside.path().join("outside"), "").unwrap();
        for exchanged in [["pod/volume", "pod/link"], ["pod/volume/file", "pod/volume/link"]] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir_all(folder.path().join("pod/volume")).unwrap();
            std::fs::write(folder.path().join("pod/volume/file"), "own").unwrap();
            symlink(outside.path(), folder.path().join("pod/link")).unwrap();
            symlink(outside.path().join("file"), folder.path().join("pod/volume/link")).unwrap();
            let pair = exchanged.map(|path| folder.path().join(path));
            for tree in both(folder.path()) {
                let (seen, wrong) = read_while_exchanged(&tree, &pair);
                assert_eq!(wrong, None);
                assert!(!seen.contains(&0), "it was always the same: {seen:?}");
            }
        }
    }

    #[test]
    fn a_link_can_be_read_and_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        symlink("/nonexistent/place", folder.path().join("link")).unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        for tree in both(folder.path()) {
            assert_eq!(
                tree.target(Path::new("link")).unwrap(),
                Path::new("/nonexistent/place")
            );
            assert!(tree.target(Path::new("file")).is_err());
        }
    }

    /// As a pod has the folder of raw block volumes.
    #[test]
    fn a_mount_that_is_meant_can_be_begun_at_and_a_link_in_its_place_cannot() {
        for tree in both(Path::new("/")) {
            let mounted = tree.mounted(Path::new("proc")).unwrap();
            assert_eq!(mounted.full(Path::new("self")), Path::new("/proc/self"));
            assert!(mounted.list(Path::new("sys/kernel")).is_ok());
            assert!(tree.mounted(Path::new("proc/self")).is_err());
        }
    }

    #[test]
    fn a_mount_is_not_gone_into() {
        let tree = Tree::open("/".into()).unwrap();
        for path in ["proc", "proc/sys"] {
            assert_eq!(tree.list(Path::new(path)).unwrap_err(), Errno::XDEV, "{path}");
        }
        assert!(
            tree.guarded.get(),
            "openat2(2) is not there (it came with Linux 5.6), or forbidden here"
        );
    }
}
