//! One reading of the kubelet's folders.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::KubeletReading;
use super::devices::BlockVolume;
use super::memory::{Memory, Part};
use super::tree::{Entry, Kind, MOST_IN_FOLDER, Tree};
use crate::host::read::plain;
use crate::model::fault::{Fault, Faults};
use crate::model::volume::{HOST_PATH, POD_VOLUMES, PodVolume, VolumeMode};

/// The folder name of the CSI plugin.
pub(super) const CSI_PLUGIN: &str = "kubernetes.io~csi";
const VOLUMES: &str = "volumes";
const SUBPATHS: &str = "volume-subpaths";
/// The folder of raw block volumes, of a pod and of a plugin.
pub(super) const DEVICES: &str = "volumeDevices";
/// So many entries are read in all: those of a thousand pods are some 15,000.
const MOST_ENTRIES: usize = 25_000;
const PERMISSION_HINT: &str = "it belongs to root: run as root, or give the capability DAC_READ_SEARCH";

/// One part of the kubelet's root, opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) part: Part,
    pub(super) tree: Tree,
}

/// The folders in a folder.
#[derive(Default)]
pub(super) struct Folders {
    entries: Arc<[Entry]>,
    /// False where there may be more than could be read.
    all: bool,
}

impl Folders {
    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &OsStr> {
        let folders = self.entries.iter().filter(|entry| entry.kind == Kind::Folder);
        folders.map(|entry| entry.name.as_os_str())
    }
}

/// One pod's volumes in `volumes/`.
struct Mounted {
    /// Where the first of them stands among all volumes.
    first: usize,
    /// Their names, byte for byte, in the same order.
    names: Vec<OsString>,
    /// False where some could not be read.
    all: bool,
}

/// The first of several paths with which the same is wrong, and how many there are: one fault for all.
#[derive(Debug, Default)]
struct Several {
    first: Option<PathBuf>,
    number: usize,
}

impl Several {
    fn add(&mut self, path: impl FnOnce() -> PathBuf) {
        self.first.get_or_insert_with(path);
        self.number += 1;
    }

    /// The first, and what is to be said of the others.
    fn take(&mut self, likewise: &str) -> Option<(PathBuf, String)> {
        let others = match self.number {
            0 | 1 => String::new(),
            number => format!("; {} more {likewise}", number - 1),
        };
        Some((self.first.take()?, others))
    }
}

fn about(path: &Path, message: impl Into<String>) -> Fault {
    Fault::new(POD_VOLUMES, path.display().to_string(), message)
}

/// One reading while it goes on.
pub(super) struct Round<'a> {
    pub(super) node_root: &'a Path,
    pub(super) kept: &'a mut Memory,
    /// False once something was read that is not remembered: the next reading may find it changed with no trace in the memory.
    pub(super) is_all_remembered: bool,
    pub(super) volumes: Vec<PodVolume>,
    pub(super) blocks: Vec<BlockVolume>,
    /// How many entries may still be read.
    room: usize,
    denied: Several,
    links: Several,
    unreadable: bool,
    faults: Faults,
}

impl<'a> Round<'a> {
    pub(super) fn new(kept: &'a mut Memory, node_root: &'a Path) -> Self {
        kept.begin();
        Self {
            node_root,
            kept,
            is_all_remembered: true,
            volumes: Vec::new(),
            blocks: Vec::new(),
            room: MOST_ENTRIES,
            denied: Several::default(),
            links: Several::default(),
            unreadable: false,
            faults: Faults::default(),
        }
    }

    /// The same with so many entries as the most.
    #[cfg(test)]
    pub(super) fn with_room(mut self, room: usize) -> Self {
        self.room = room;
        self
    }

    /// What is below `root`, and whether the same would be read again as long as all that is remembered stays as it is.
    pub(super) fn read(mut self, root: &Path) -> (KubeletReading, bool) {
        self.read_pods(root);
        self.look_up_blocks(root);
        self.kept.end();
        let mut faults = self.faults.into_told(|more| {
            let message = format!("{more} more things there are not as the kubelet makes them");
            about(&Part::Pods.below(root), message)
        });
        if let Some((path, others)) = self.denied.take("are closed likewise") {
            faults.push(about(
                &path,
                format!("permission denied: {PERMISSION_HINT}{others}"),
            ));
        }
        if let Some((path, others)) = self.links.take("are links likewise") {
            faults.push(about(
                &path,
                format!("is a link, where the kubelet makes folders; not followed{others}"),
            ));
        }
        let reading = KubeletReading {
            volumes: self.volumes.into(),
            unreadable: self.unreadable,
            faults,
        };
        (reading, self.is_all_remembered)
    }

    /// The path of what is `below` a part as the node has it.
    pub(super) fn on_node(&self, part: Part, below: &Path) -> PathBuf {
        let length = self.node_root.as_os_str().len() + part.path().len() + below.as_os_str().len();
        let mut path = PathBuf::with_capacity(length + "/".len() * 3 + "mount".len());
        path.extend([self.node_root, Path::new(part.path()), below]);
        path
    }

    /// Something is wrong. Where that does not follow from what is remembered, it has to be said by itself that it does not.
    pub(super) fn fault(&mut self, path: &Path, message: impl Into<String>) {
        self.faults.add(|| about(path, message));
    }

    /// What has gone meanwhile is no fault, and what is closed is told once for all.
    pub(super) fn failed(&mut self, path: PathBuf, error: Errno) {
        self.is_all_remembered = false;
        match error {
            Errno::NOENT => {}
            Errno::ACCESS | Errno::PERM => self.denied.add(|| path),
            Errno::XDEV => {
                self.fault(
                    &path,
                    "something is mounted on the way, where the kubelet mounts nothing; not read",
                );
            }
            // With a symbolic link on the way the kernel says either.
            Errno::NOTDIR | Errno::LOOP => {
                self.fault(
                    &path,
                    "a link or a file is on the way, where the kubelet makes folders; not read",
                );
            }
            _ => self.fault(&path, plain(&error.into())),
        }
    }

    pub(super) fn open(&mut self, part: Part, root: &Path) -> Result<Opened, Errno> {
        let tree = part
            .open(root)
            .inspect_err(|error| self.failed(part.below(root), *error))?;
        Ok(Opened { part, tree })
    }

    /// The entries of a folder; none where there is no such folder, `None` where it could not be read.
    pub(super) fn entries(&mut self, opened: &Opened, below: &Path) -> Option<Arc<[Entry]>> {
        self.list(opened, below)
            .inspect_err(|error| self.failed(opened.tree.full(below), *error))
            .ok()
    }

    /// The same; remembered where it was not yet.
    pub(super) fn list(&mut self, opened: &Opened, below: &Path) -> Result<Arc<[Entry]>, Errno> {
        if self.room == 0 {
            return Ok(Arc::default());
        }
        let entries = self.remembered_or_read(opened, below)?;
        if entries.len() >= MOST_IN_FOLDER {
            self.fault(
                &opened.tree.full(below),
                format!("has {MOST_IN_FOLDER} entries or more, as the kubelet's folders never have; the rest is not read"),
            );
        }
        self.room = self.room.saturating_sub(entries.len());
        if self.room == 0 {
            self.fault(
                &opened.tree.full(Path::new("")),
                format!(
                    "there are more entries in all its folders than are read ({MOST_ENTRIES}); from {} on nothing is read",
                    below.display()
                ),
            );
        }
        Ok(entries)
    }

    fn remembered_or_read(&mut self, opened: &Opened, below: &Path) -> Result<Arc<[Entry]>, Errno> {
        let Opened { part, tree } = opened;
        if let Some(entries) = self.kept.folder(*part, tree, below) {
            return Ok(entries);
        }
        let (fingerprint, entries) = match tree.list(below) {
            Err(Errno::NOENT) => {
                self.kept.keep_absent(*part, below);
                return Ok(Arc::default());
            }
            read => read?,
        };
        let entries: Arc<[Entry]> = entries.into();
        self.is_all_remembered &= self.kept.keep_folder(*part, below, fingerprint, &entries);
        Ok(entries)
    }

    /// The folders in a folder. Where the kubelet makes folders, a link is somebody else's doing.
    pub(super) fn folders(&mut self, opened: &Opened, below: &Path) -> Folders {
        let Some(entries) = self.entries(opened, below) else {
            return Folders::default();
        };
        let mut all = true;
        for link in entries.iter().filter(|entry| entry.kind == Kind::Link) {
            all = false;
            self.links.add(|| opened.tree.full(&below.join(&link.name)));
        }
        all &= self.room > 0 && entries.len() < MOST_IN_FOLDER;
        Folders { entries, all }
    }

    fn read_pods(&mut self, root: &Path) {
        let opened = match self.open(Part::Pods, root) {
            Ok(opened) => opened,
            Err(error) => {
                self.unreadable = error != Errno::NOENT;
                return;
            }
        };
        for pod in self.folders(&opened, Path::new("")).names() {
            let folders = self.folders(&opened, Path::new(pod));
            let mut mounted = Mounted {
                first: self.volumes.len(),
                names: Vec::new(),
                all: folders.all,
            };
            let has = |name: &str| folders.names().any(|folder| folder == name);
            if has(VOLUMES) {
                self.read_mounted(&opened, pod, &mut mounted);
            }
            if has(SUBPATHS) {
                self.read_subpaths(&opened, pod, &mounted);
            }
            if has(DEVICES) {
                self.read_devices(&opened, pod);
            }
        }
    }

    /// `volumes/`: the volumes that are mounted for the pod, or are folders of the node.
    fn read_mounted(&mut self, opened: &Opened, pod: &OsStr, mounted: &mut Mounted) {
        let volumes = Path::new(pod).join(VOLUMES);
        let plugins = self.folders(opened, &volumes);
        mounted.all &= plugins.all;
        for plugin in plugins.names() {
            let folder = volumes.join(plugin);
            let folders = self.folders(opened, &folder);
            mounted.all &= folders.all;
            for exact_name in folders.names() {
                let name = text_of(exact_name);
                // Old kubelets rename what they are about to delete; no volume's name has a tilde.
                if name.contains(".deleting~") {
                    continue;
                }
                let below = folder.join(exact_name);
                let mut path = self.on_node(Part::Pods, &below);
                let mut csi = None;
                if plugin == CSI_PLUGIN {
                    csi = self.vol_data(opened, &below);
                    path.push("mount");
                }
                self.volumes.push(PodVolume {
                    pod_uid: text_of(pod),
                    plugin: plugin_of(plugin),
                    name,
                    mode: VolumeMode::Filesystem,
                    path,
                    other_paths: Vec::new(),
                    csi,
                });
                mounted.names.push(exact_name.to_owned());
            }
        }
    }

    /// `volume-subpaths/`: folders and files of a volume, each bound by itself.
    fn read_subpaths(&mut self, opened: &Opened, pod: &OsStr, mounted: &Mounted) {
        let subpaths = Path::new(pod).join(SUBPATHS);
        // `None` for a name that several volumes have.
        let mut owners: HashMap<&OsStr, Option<usize>> = HashMap::new();
        for (at, name) in (mounted.first..).zip(&mounted.names) {
            owners
                .entry(name)
                .and_modify(|owner| *owner = None)
                .or_insert(Some(at));
        }
        for volume in self.folders(opened, &subpaths).names() {
            let folder = subpaths.join(volume);
            let mut places = Vec::new();
            for container in self.folders(opened, &folder).names() {
                let container = folder.join(container);
                for entry in &*self.entries(opened, &container).unwrap_or_default() {
                    places.push(self.on_node(Part::Pods, &container.join(&entry.name)));
                }
            }
            match owners.get(volume).copied() {
                Some(Some(at)) => self.volumes[at].other_paths = places,
                // It may be one of those that could not be read.
                None if !mounted.all => {}
                None => {
                    let mut places = places.into_iter();
                    if let Some(path) = places.next() {
                        self.volumes.push(PodVolume {
                            pod_uid: text_of(pod),
                            plugin: HOST_PATH.into(),
                            name: text_of(volume),
                            mode: VolumeMode::Filesystem,
                            path,
                            other_paths: places.collect(),
                            csi: None,
                        });
                    }
                }
                Some(None) => {
                    let path = opened.tree.full(&folder);
                    self.fault(
                        &path,
                        "two volumes of the pod have this name; whose folders these are is not known",
                    );
                }
            }
        }
    }
}

pub(super) fn text_of(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

pub(super) fn plugin_of(folder: &OsStr) -> String {
    folder.to_string_lossy().replace('~', "/")
}
