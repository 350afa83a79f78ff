//! What a pod's control group says, in either version.

use std::fs::{File, symlink_metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use super::text::{ReadsAndWrites, parse_blkio, parse_io_stat};
use super::{DeviceIo, MOST_FOLDERS, SOURCE};
use crate::host::kept_file::KeptFile;
use crate::host::read::{self, ReadError};
use crate::model::fault::Fault;
use crate::model::io::PodIo;

/// A pod's control group.
#[derive(Debug)]
pub(super) struct Pod {
    /// Where it is.
    pub(super) folder: PathBuf,
    /// In version 2 `io.stat`.
    pub(super) file: KeptFile,
    /// Its inode, once it was opened.
    inode: u64,
}

impl Pod {
    /// One that has not been read yet.
    pub(super) fn at(folder: PathBuf) -> Self {
        Self {
            folder,
            file: KeptFile::default(),
            inode: 0,
        }
    }
}

/// The tree of control groups that counts I/O.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// Where it is mounted.
    pub(super) root: PathBuf,
    /// How its files are written.
    pub(super) version: Version,
}

/// Of control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Of a tree for each controller.
    One,
    /// Of one tree for all.
    Two,
}

impl Hierarchy {
    /// Version 2 has `cgroup.controllers` at its root. In the hybrid layout version 2 lies in `unified` beside the
    /// controllers of version 1, and block I/O nearly always stays with these.
    pub(super) fn of(base: &Path) -> Option<Self> {
        let two = |root: PathBuf| Self {
            root,
            version: Version::Two,
        };
        if symlink_metadata(base.join("cgroup.controllers")).is_ok() {
            return Some(two(base.to_owned()));
        }
        let blkio = base.join("blkio");
        if symlink_metadata(&blkio).is_ok() {
            return Some(Self {
                root: blkio,
                version: Version::One,
            });
        }
        let unified = base.join("unified");
        let controllers = read::attribute(&unified, "cgroup.controllers")?;
        controllers
            .split_ascii_whitespace()
            .any(|controller| controller == "io")
            .then(|| two(unified))
    }

    /// What a pod did, as its group says.
    pub(super) fn io(
        &self,
        pod: &mut Pod,
        room: &mut usize,
        faults: &mut Vec<Fault>,
    ) -> Result<PodIo, ReadError> {
        match self.version {
            Version::Two => unified(pod, room, faults),
            Version::One => legacy(&pod.folder, faults),
        }
    }
}

const NOT_ENABLED: &str = " (is the io controller enabled for pods, in cgroup.subtree_control?)";

fn unified(pod: &mut Pod, room: &mut usize, faults: &mut Vec<Fault>) -> Result<PodIo, ReadError> {
    let path = pod.folder.join("io.stat");
    let inode = &mut pod.inode;
    let opened = |file: &File| *inode = rustix::fs::fstat(file).map_or(0, |about| about.st_ino);
    let text = pod
        .file
        .text_within(&path, room, opened)
        .map_err(|source| ReadError {
            path: path.clone(),
            source,
            hint: NOT_ENABLED,
        })?;
    let (devices, bad) = parse_io_stat(&text);
    faults.extend(read::bad_lines(SOURCE, &path, &bad));
    Ok(PodIo {
        incarnation: pod.inode,
        is_complete: bad.is_empty(),
        devices,
    })
}

/// The sum over the pod's folder and those below it: processes are in the containers' folders.
fn legacy(folder: &Path, faults: &mut Vec<Fault>) -> Result<PodIo, ReadError> {
    let mut io = DeviceIo::new();
    let mut members = DefaultHasher::new();
    let mut add = |folder: &Path| {
        let mut counts = |name: &str| {
            let path = folder.join(name);
            let (counts, bad) = parse_blkio(&read::text(&path, "")?);
            faults.extend(read::bad_lines(SOURCE, &path, &bad));
            Ok::<_, ReadError>(counts)
        };
        let bytes = counts("blkio.throttle.io_service_bytes")?;
        let requests = counts("blkio.throttle.io_serviced")?;
        let nothing = ReadsAndWrites::default();
        for (number, count) in bytes.into_iter().filter(|(_, count)| *count != nothing) {
            let device = io.entry(number).or_default();
            device.read_bytes = device.read_bytes.saturating_add(count.reads);
            device.written_bytes = device.written_bytes.saturating_add(count.writes);
        }
        for (number, count) in requests.into_iter().filter(|(_, count)| *count != nothing) {
            let device = io.entry(number).or_default();
            device.reads = device.reads.saturating_add(count.reads);
            device.writes = device.writes.saturating_add(count.writes);
        }
        folder.hash(&mut members);
        Ok::<_, ReadError>(())
    };
    add(folder)?;
    let mut below: Vec<_> = children(folder);
    let mut left = MOST_FOLDERS;
    while let Some(folder) = below.pop()
        && left > 0
    {
        left -= 1;
        // A container may end in this moment.
        if add(&folder).is_ok() {
            below.extend(children(&folder));
        }
    }
    Ok(PodIo {
        incarnation: members.finish(),
        is_complete: false,
        devices: io,
    })
}

fn children(folder: &Path) -> Vec<PathBuf> {
    read::folders(folder)
        .into_iter()
        .map(|name| folder.join(name))
        .collect()
}
