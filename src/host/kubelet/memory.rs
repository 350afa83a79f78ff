//! What was read of the kubelet's folders, until it changes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::io::Errno;

use super::tree::{Entry, Fingerprint, Tree};
use crate::model::volume::CsiVolume;

/// What a `vol_data.json` says: a volume, or what is wrong with the file. `None` where there is no such file.
pub(super) type Said = Option<Result<CsiVolume, String>>;

/// A folder that was changed so shortly before it was listed may be changed again with no trace: its filesystem
/// tells times by a clock's tick, or by the second.
const SETTLED_SECONDS: i128 = 2;

/// One of both folders below the kubelet's root that are read. The manifests mount no other: beside them lie the node's key and
/// drivers' sockets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// What pods have.
    Pods,
    /// What the CSI plugin has of raw block volumes.
    RawBlock,
}

/// The folder of plugins, below the kubelet's root.
pub(super) const PLUGINS: &str = "plugins";

impl Part {
    /// The folder's path.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::RawBlock => "plugins/kubernetes.io/csi/volumeDevices",
        }
    }

    /// Opens it. In a container it is a mount; the folder of plugins may be a link as well, and what is below that may not.
    pub(super) fn open(self, root: &Path) -> Result<Tree, Errno> {
        match self {
            Self::Pods => Tree::open(self.below(root)),
            Self::RawBlock => {
                Tree::open(root.join(PLUGINS))?.mounted(Path::new("kubernetes.io/csi/volumeDevices"))
            }
        }
    }

    /// Where it is below the kubelet's `root`.
    pub(super) fn below(self, root: &Path) -> PathBuf {
        root.join(self.path())
    }
}

/// Folders and files by their paths below a part of the kubelet's root.
#[derive(Debug, Default)]
pub(super) struct Memory {
    round: u64,
    /// The wall clock when the round began, in seconds since 1970.
    began: i128,
    pods: Kept,
    raw_block: Kept,
}

/// Of one part. In order of their paths, so that the kernel is asked for neighbours one after another: a lookup finds what the one before has
/// brought into the processor's caches.
#[derive(Debug, Default)]
struct Kept {
    folders: BTreeMap<OsString, Remembered<Arc<[Entry]>>>,
    files: BTreeMap<OsString, Remembered<Said>>,
    /// Which of them is to be looked at next, folders first.
    next: usize,
}

#[derive(Debug)]
struct Remembered<T> {
    /// `None` of what is not there.
    fingerprint: Option<Fingerprint>,
    content: T,
    /// The round in which it was last of use.
    round: u64,
}

impl Memory {
    /// Begins a reading: what is of no use until its end is forgotten then.
    pub(super) fn begin(&mut self) {
        self.round = self.round.wrapping_add(1);
        self.began = seconds_now();
    }

    /// Ends it.
    pub(super) fn end(&mut self) {
        let now = self.round;
        for kept in [&mut self.pods, &mut self.raw_block] {
            kept.folders.retain(|_, kept| kept.round == now);
            kept.files.retain(|_, kept| kept.round == now);
        }
    }

    /// True where nothing of what is remembered has changed, as far as it is looked at: this share of it, another one each time, and
    /// in any case the folder that has an entry for each pod.
    pub(super) fn is_as_it_was(&mut self, root: &Path, share: f64) -> bool {
        [
            (Part::Pods, &mut self.pods),
            (Part::RawBlock, &mut self.raw_block),
        ]
        .into_iter()
        .all(|(part, kept)| kept.is_empty() || kept.is_as_it_was(part.open(root), share))
    }

    /// The entries of a folder, if they are remembered and the folder has not changed.
    pub(super) fn folder(&mut self, part: Part, tree: &Tree, below: &Path) -> Option<Arc<[Entry]>> {
        let round = self.round;
        let kept = self.of(part).folders.get_mut(below.as_os_str())?;
        kept.if_unchanged(tree, below, round).map(Arc::clone)
    }

    /// Remembers a folder's entries; true where it does, false where a further change might not show.
    pub(super) fn keep_folder(
        &mut self,
        part: Part,
        below: &Path,
        fingerprint: Fingerprint,
        entries: &Arc<[Entry]>,
    ) -> bool {
        let is_settled = self.is_settled(&fingerprint);
        if is_settled {
            let remembered = self.remembered(Some(fingerprint), Arc::clone(entries));
            self.of(part).folders.insert(below.into(), remembered);
        }
        is_settled
    }

    /// Remembers that there is no such folder.
    pub(super) fn keep_absent(&mut self, part: Part, below: &Path) {
        let remembered = self.remembered(None, Arc::default());
        self.of(part).folders.insert(below.into(), remembered);
    }

    /// What a `vol_data.json` says, if it is remembered and the file has not changed.
    pub(super) fn file(&mut self, part: Part, tree: &Tree, below: &Path) -> Option<Said> {
        let round = self.round;
        let kept = self.of(part).files.get_mut(below.as_os_str())?;
        kept.if_unchanged(tree, below, round).cloned()
    }

    /// Remembers what a `vol_data.json` says, or that there is none; true where it does. What is wrong with a file may be
    /// that it is just being written, so it is not remembered where a further change might not show.
    pub(super) fn keep_file(
        &mut self,
        part: Part,
        below: &Path,
        fingerprint: Option<Fingerprint>,
        said: &Said,
    ) -> bool {
        let is_whole = !matches!(said, Some(Err(_)));
        let is_kept = is_whole || fingerprint.is_some_and(|fingerprint| self.is_settled(&fingerprint));
        if is_kept {
            let remembered = self.remembered(fingerprint, said.clone());
            self.of(part).files.insert(below.into(), remembered);
        }
        is_kept
    }

    fn is_settled(&self, fingerprint: &Fingerprint) -> bool {
        fingerprint.modified.0 + SETTLED_SECONDS < self.began
    }

    /// How many folders and files are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (
            self.pods.folders.len() + self.raw_block.folders.len(),
            self.pods.files.len() + self.raw_block.files.len(),
        )
    }

    fn of(&mut self, part: Part) -> &mut Kept {
        match part {
            Part::Pods => &mut self.pods,
            Part::RawBlock => &mut self.raw_block,
        }
    }

    fn remembered<T>(&self, fingerprint: Option<Fingerprint>, content: T) -> Remembered<T> {
        Remembered {
            fingerprint,
            content,
            round: self.round,
        }
    }
}

impl Kept {
    fn is_empty(&self) -> bool {
        self.folders.is_empty() && self.files.is_empty()
    }

    fn is_as_it_was(&mut self, part: Result<Tree, Errno>, share: f64) -> bool {
        let Ok(tree) = part else {
            return false;
        };
        let all = self.folders.len() + self.files.len();
        let number = ((all as f64 * share).ceil() as usize).min(all);
        let first = self.next.min(all.saturating_sub(1));
        self.next = (first + number) % all.max(1);
        // The pods' folder is the first of all; that of raw block volumes is not listed.
        let folders = self.folders.iter().map(|(below, kept)| (below, kept.fingerprint));
        let files = self.files.iter().map(|(below, kept)| (below, kept.fingerprint));
        let is_looked_at =
            |at: usize| at == 0 || (first..first + number).contains(&at) || at + all < first + number;
        folders
            .chain(files)
            .enumerate()
            .filter(|(at, _)| is_looked_at(*at))
            .all(|(_, (below, fingerprint))| is_unchanged(&tree, Path::new(below), fingerprint))
    }
}

impl<T> Remembered<T> {
    fn if_unchanged(&mut self, tree: &Tree, below: &Path, round: u64) -> Option<&T> {
        is_unchanged(tree, below, self.fingerprint).then(|| {
            self.round = round;
            &self.content
        })
    }
}

fn is_unchanged(tree: &Tree, below: &Path, fingerprint: Option<Fingerprint>) -> bool {
    match tree.still(below) {
        Ok(now) => fingerprint == Some(now),
        Err(error) => error == Errno::NOENT && fingerprint.is_none(),
    }
}

fn seconds_now() -> i128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().into())
}
