//! Pods' volumes from the kubelet's own folders, with no API server.
//!
//! Where things are, in kubernetes' source: `pkg/kubelet/kubelet_getters.go` (the pods' folders),
//! `pkg/volume/csi/csi_{plugin,mounter,attacher,block,util}.go`, `pkg/volume/util/subpath/subpath_linux.go`,
//! `pkg/volume/local/local.go`. R is the kubelet's root, V what the kubelet calls the volume's spec name: the
//! PersistentVolume's name, or the pod's own name of an inline volume. In a PLUGIN's name `/` is written `~`.
//!
//! | path | what it is | what is done with it |
//! |---|---|---|
//! | `R/pods`, `R/pods/UID` | a folder for each pod, and what it has | listed |
//! | `R/pods/UID/volumes`, `…/volumes/PLUGIN` | plugins, and their volumes | listed |
//! | `R/pods/UID/volumes/PLUGIN/V` | the volume; for most plugins **a mount point** (NFS, iSCSI, tmpfs, …) | nothing |
//! | `R/pods/UID/volumes/kubernetes.io~csi/V/mount` | a CSI volume's **mount point** | nothing |
//! | `R/pods/UID/volumes/kubernetes.io~csi/V/vol_data.json` | a file beside it | read |
//! | `R/pods/UID/volume-subpaths`, `…/V`, `…/V/CONTAINER` | folders | listed |
//! | `R/pods/UID/volume-subpaths/V/CONTAINER/INDEX` | **a mount point**, of a folder or a file | nothing |
//! | `R/pods/UID/volumeDevices`, `…/PLUGIN` | raw block volumes | listed |
//! | `R/pods/UID/volumeDevices/PLUGIN/V` | a symbolic link to the device | the link itself is read |
//! | `R/plugins/kubernetes.io/csi`, `…/DRIVER`, `…/pv` | folders | listed |
//! | `R/plugins/kubernetes.io/csi/DRIVER/SHA256/globalmount` | staging **mount point**, Kubernetes 1.24 and newer | nothing |
//! | `R/plugins/kubernetes.io/csi/pv/V/globalmount` | the same, 1.23 and older | nothing |
//! | `vol_data.json` beside either | a file | read |
//! | with raw block volumes: `R/plugins/kubernetes.io/csi/volumeDevices/V/data/vol_data.json` | a file | read |
//! | `…/volumeDevices/publish`, `…/publish/V` | folders; in old kubelets V is **a bound device** | listed; V if it is a folder |
//! | `…/volumeDevices/publish/V/UID`, `…/volumeDevices/V/dev/UID` | **bound devices** | nothing |
//! | `…/volumeDevices/staging/V` | the driver's own, perhaps **a mount point** | nothing |
//! | `R/plugins/kubernetes.io~local-volume/volumeDevices/V/UID` | **a bound device** of a local volume | nothing |
//!
//! hostPath volumes have no folder here at all; only where a pod uses a part of one (`subPath`) that is bound below
//! `volume-subpaths`.
//!
//! A call on a mount point of a dead server would not come back. Listing the folder in which a mount point lies is safe:
//! names and their kinds are the folder's own data, and the kernel asks nothing of what is mounted over an entry. Files are
//! read only beside mount points, never below. And should there be a mount, or a symbolic link, where the kubelet makes none,
//! the kernel is told not to go there (see `tree.rs`): who got as far as to exchange a folder for a link cannot
//! make this program read elsewhere. Only R itself, `R/pods` and `R/plugins` may be links or mounts, as administrators
//! sometimes have it.
//!
//! What was read is remembered. In later readings each folder is asked for its time alone, and is listed again when that
//! has changed: on a full node that is some five hundred calls, under a millisecond.
//!
//! The subpath folders were called by the pod's own name of the volume in kubelets before 1.7.16, 1.8.11, 1.9.7 and
//! 1.10.0; those are not supported.

mod root;
mod tree;
mod vol_data;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::io::Errno;

pub use self::root::{KNOWN_ROOTS, NodeRoot, elsewhere, kubelet_root_in, root_on_node};
use self::tree::{Entry, Fingerprint, Kind, Tree};
pub use self::vol_data::{InvalidVolumeData, parse_vol_data};
use super::read::plain;
use super::roots::Roots;
use crate::model::fault::Fault;
use crate::model::volume::{CsiVolume, HOST_PATH, POD_VOLUMES, PodVolume, StagedVolume, VolumeMode};

/// The folder name of the CSI plugin.
const CSI_PLUGIN: &str = "kubernetes.io~csi";
/// Where the CSI plugin keeps what is the node's and no pod's, below `R/plugins`.
const CSI: &str = "kubernetes.io/csi";
const VOLUMES: &str = "volumes";
const SUBPATHS: &str = "volume-subpaths";
const DEVICES: &str = "volumeDevices";
const VOL_DATA: &str = "vol_data.json";
/// The kubelet's files have some 300 bytes.
const VOL_DATA_LIMIT: u64 = 64 << 10;
const PERMISSION_HINT: &str = "it belongs to root: run as root, or give the capability DAC_READ_SEARCH";

/// Every pod's volumes, read once. Who reads again and again keeps a [`KubeletReader`].
pub fn read(roots: &Roots) -> (Vec<PodVolume>, Vec<Fault>) {
    let reading = KubeletReader::default().read(&roots.kubelet, &roots.kubelet);
    (reading.volumes, reading.faults)
}

/// What one reading found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubeletReading {
    /// Every pod's volumes, in the order of the pods' folders; of each pod first those that are mounted, in the order of
    /// plugins and names, then raw block volumes.
    pub volumes: Vec<PodVolume>,
    /// CSI volumes as they are staged for all pods.
    pub staged: Vec<StagedVolume>,
    /// True where the pods' folder is there but could not be read. A machine without one is no Kubernetes node.
    pub unreadable: bool,
    /// What could not be read or understood.
    pub faults: Vec<Fault>,
}

/// Reads the kubelet's folders, and remembers each folder's entries and each `vol_data.json` until they change.
#[derive(Debug, Default)]
pub struct KubeletReader {
    kept: Memory,
}

/// By path below `R/pods` or `R/plugins`. Should two ever have the same, their fingerprints differ.
#[derive(Debug, Default)]
struct Memory {
    round: u64,
    folders: HashMap<OsString, Kept<Arc<[Entry]>>>,
    files: HashMap<OsString, Kept<CsiVolume>>,
}

#[derive(Debug)]
struct Kept<T> {
    fingerprint: Fingerprint,
    content: T,
    /// The round in which it was last of use.
    round: u64,
}

/// A folder that was changed so shortly before it was listed may be changed again with no trace: its filesystem
/// tells times by a clock's tick, or by the second.
const SETTLED_SECONDS: i128 = 2;

impl KubeletReader {
    /// Reads all volumes below `root`. Their paths are given below `node_root`: the same folder as the node has it,
    /// which in a container, and behind a link, is another than `root` (see [`root_on_node`]).
    pub fn read(&mut self, root: &Path, node_root: &Path) -> KubeletReading {
        self.kept.round = self.kept.round.wrapping_add(1);
        let mut round = Round {
            node_root,
            seconds: seconds_now(),
            kept: &mut self.kept,
            blocks: Vec::new(),
            denied: None,
            reading: KubeletReading::default(),
        };
        round.read_pods(root);
        round.read_plugins(root);
        round.end()
    }
}

/// The folders in a folder.
#[derive(Default)]
struct Folders {
    entries: Arc<[Entry]>,
    /// False where there may be more than could be read.
    all: bool,
}

impl Folders {
    fn names(&self) -> impl Iterator<Item = &OsStr> {
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

/// A raw block volume that is still to be looked up below `R/plugins`.
struct BlockVolume {
    at: usize,
    pod: OsString,
    plugin: OsString,
    name: OsString,
}

/// One reading while it goes on.
struct Round<'a> {
    node_root: &'a Path,
    /// The wall clock, in seconds since 1970.
    seconds: i128,
    kept: &'a mut Memory,
    blocks: Vec<BlockVolume>,
    /// The first path that is closed to us, and how many are.
    denied: Option<(PathBuf, usize)>,
    reading: KubeletReading,
}

impl Round<'_> {
    fn end(mut self) -> KubeletReading {
        let now = self.kept.round;
        self.kept.folders.retain(|_, kept| kept.round == now);
        self.kept.files.retain(|_, kept| kept.round == now);
        if let Some((path, number)) = self.denied.take() {
            let others = match number {
                1 => String::new(),
                _ => format!("; {} more are closed likewise", number - 1),
            };
            self.fault(&path, format!("permission denied: {PERMISSION_HINT}{others}"));
        }
        self.reading
    }

    /// The path of `folder/below` as the node has it.
    fn on_node(&self, folder: &str, below: &Path) -> PathBuf {
        let length = self.node_root.as_os_str().len() + folder.len() + below.as_os_str().len();
        let mut path = PathBuf::with_capacity(length + "/".len() * 3 + "mount".len());
        path.extend([self.node_root, Path::new(folder), below]);
        path
    }

    fn fault(&mut self, path: &Path, message: impl Into<String>) {
        let fault = Fault::new(POD_VOLUMES, path.display().to_string(), message);
        self.reading.faults.push(fault);
    }

    /// What has gone meanwhile is no fault, and what is closed is told once for all.
    fn failed(&mut self, path: PathBuf, error: Errno) {
        match error {
            Errno::NOENT => {}
            Errno::ACCESS | Errno::PERM => self.denied.get_or_insert((path, 0)).1 += 1,
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

    fn open(&mut self, path: PathBuf) -> Option<Tree> {
        Tree::open(path.clone())
            .inspect_err(|error| self.failed(path, *error))
            .ok()
    }

    /// The entries of a folder; none where there is no such folder, `None` where it could not be read.
    fn entries(&mut self, tree: &Tree, below: &Path) -> Option<Arc<[Entry]>> {
        let round = self.kept.round;
        if let Some(kept) = self.kept.folders.get_mut(below.as_os_str())
            && tree.still(below) == Ok(kept.fingerprint)
        {
            kept.round = round;
            return Some(Arc::clone(&kept.content));
        }
        match tree.list(below) {
            Ok((fingerprint, entries)) => {
                let entries: Arc<[Entry]> = entries.into();
                if fingerprint.modified.0 + SETTLED_SECONDS < self.seconds {
                    let kept = Kept {
                        fingerprint,
                        content: Arc::clone(&entries),
                        round,
                    };
                    self.kept.folders.insert(below.into(), kept);
                }
                Some(entries)
            }
            Err(error) => {
                self.failed(tree.full(below), error);
                (error == Errno::NOENT).then(|| Arc::from([]))
            }
        }
    }

    /// The folders in a folder. Where the kubelet makes folders, a link is somebody else's doing.
    fn folders(&mut self, tree: &Tree, below: &Path) -> Folders {
        let Some(entries) = self.entries(tree, below) else {
            return Folders::default();
        };
        let mut all = true;
        for link in entries.iter().filter(|entry| entry.kind == Kind::Link) {
            all = false;
            let path = tree.full(&below.join(&link.name));
            self.fault(&path, "is a link, where the kubelet makes folders; not followed");
        }
        Folders { entries, all }
    }

    fn read_pods(&mut self, root: &Path) {
        let tree = match Tree::open(root.join("pods")) {
            Ok(tree) => tree,
            Err(error) => {
                self.reading.unreadable = error != Errno::NOENT;
                return self.failed(root.join("pods"), error);
            }
        };
        for pod in self.folders(&tree, Path::new("")).names() {
            let folders = self.folders(&tree, Path::new(pod));
            let mut mounted = Mounted {
                first: self.reading.volumes.len(),
                names: Vec::new(),
                all: folders.all,
            };
            let has = |name: &str| folders.names().any(|folder| folder == name);
            if has(VOLUMES) {
                self.read_mounted(&tree, pod, &mut mounted);
            }
            if has(SUBPATHS) {
                self.read_subpaths(&tree, pod, &mounted);
            }
            if has(DEVICES) {
                self.read_devices(&tree, pod);
            }
        }
    }

    /// `volumes/`: the volumes that are mounted for the pod, or are folders of the node.
    fn read_mounted(&mut self, tree: &Tree, pod: &OsStr, mounted: &mut Mounted) {
        let volumes = Path::new(pod).join(VOLUMES);
        let plugins = self.folders(tree, &volumes);
        mounted.all &= plugins.all;
        for plugin in plugins.names() {
            let folder = volumes.join(plugin);
            let folders = self.folders(tree, &folder);
            mounted.all &= folders.all;
            for exact_name in folders.names() {
                let name = text_of(exact_name);
                // Old kubelets rename what they are about to delete; no volume's name has a tilde.
                if name.contains(".deleting~") {
                    continue;
                }
                let below = folder.join(exact_name);
                let mut path = self.on_node("pods", &below);
                let mut csi = None;
                if plugin == CSI_PLUGIN {
                    csi = self.vol_data(tree, &below, Trust::WhileUnchanged);
                    path.push("mount");
                }
                self.reading.volumes.push(PodVolume {
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
    fn read_subpaths(&mut self, tree: &Tree, pod: &OsStr, mounted: &Mounted) {
        let subpaths = Path::new(pod).join(SUBPATHS);
        for volume in self.folders(tree, &subpaths).names() {
            let folder = subpaths.join(volume);
            let mut places = Vec::new();
            for container in self.folders(tree, &folder).names() {
                let container = folder.join(container);
                for entry in &*self.entries(tree, &container).unwrap_or_default() {
                    places.push(self.on_node("pods", &container.join(&entry.name)));
                }
            }
            let mut owners = (mounted.first..)
                .zip(&mounted.names)
                .filter(|(_, name)| **name == volume);
            match (owners.next(), owners.next()) {
                (Some((at, _)), None) => self.reading.volumes[at].other_paths = places,
                // It may be one of those that could not be read.
                (None, _) if !mounted.all => {}
                (None, _) => {
                    let mut places = places.into_iter();
                    if let Some(path) = places.next() {
                        self.reading.volumes.push(PodVolume {
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
                (Some(_), Some(_)) => {
                    let path = tree.full(&folder);
                    self.fault(
                        &path,
                        "two volumes of the pod have this name; whose folders these are is not known",
                    );
                }
            }
        }
    }

    /// `volumeDevices/`: a link for each raw block volume.
    fn read_devices(&mut self, tree: &Tree, pod: &OsStr) {
        let devices = Path::new(pod).join(DEVICES);
        for plugin in self.folders(tree, &devices).names() {
            let folder = devices.join(plugin);
            for Entry { name, .. } in &*self.entries(tree, &folder).unwrap_or_default() {
                let below = folder.join(name);
                match tree.target(&below) {
                    Ok(target) => {
                        self.blocks.push(BlockVolume {
                            at: self.reading.volumes.len(),
                            pod: pod.to_owned(),
                            plugin: plugin.to_owned(),
                            name: name.clone(),
                        });
                        self.reading.volumes.push(PodVolume {
                            pod_uid: text_of(pod),
                            plugin: plugin_of(plugin),
                            name: text_of(name),
                            mode: VolumeMode::Block,
                            path: self.on_node("pods", &below),
                            other_paths: vec![target],
                            csi: None,
                        });
                    }
                    // No link: nobody's device. The kernel says the second of a handle of something else.
                    Err(Errno::INVAL | Errno::NOENT) => {}
                    Err(error) => self.failed(tree.full(&below), error),
                }
            }
        }
    }

    fn read_plugins(&mut self, root: &Path) {
        let Some(tree) = self.open(root.join("plugins")) else {
            return;
        };
        self.look_up_blocks(&tree);
        let csi = Path::new(CSI);
        for name in self.folders(&tree, csi).names() {
            match name.as_bytes() {
                name if name == DEVICES.as_bytes() => {}
                b"pv" => self.read_staged(&tree, &csi.join(name), None),
                _ => self.read_staged(&tree, &csi.join(name), Some(name)),
            }
        }
    }

    /// The staged volumes in one folder: one driver's, or in the old layout all drivers'.
    fn read_staged(&mut self, tree: &Tree, folder: &Path, driver: Option<&OsStr>) {
        for name in self.folders(tree, folder).names() {
            if driver.is_some() && !is_hash(name) {
                continue;
            }
            let below = folder.join(name);
            let trust = driver.map_or(Trust::WhileUnchanged, |_| Trust::WhileThere);
            let csi = self.vol_data(tree, &below, trust);
            let path = self.on_node("plugins", &below.join("globalmount"));
            let (told, volume_handle) = csi.map_or((None, None), |csi| (Some(csi.driver), csi.volume_handle));
            self.reading.staged.push(StagedVolume {
                path,
                driver: told.or_else(|| driver.map(text_of)),
                volume_handle,
                persistent_volume: driver.is_none().then(|| text_of(name)),
            });
        }
    }

    /// What else is known of raw block volumes.
    fn look_up_blocks(&mut self, tree: &Tree) {
        let blocks = std::mem::take(&mut self.blocks);
        let csi = Path::new(CSI).join(DEVICES);
        let mut shared: Option<[Arc<[Entry]>; 2]> = None;
        for block in blocks {
            let mut places = Vec::new();
            if block.plugin == CSI_PLUGIN {
                let [published, staged] = shared.get_or_insert_with(|| {
                    ["publish", "staging"].map(|name| self.entries(tree, &csi.join(name)).unwrap_or_default())
                });
                if let Some(entry) = published.iter().find(|entry| entry.name == block.name) {
                    places.push(self.published(tree, &csi.join("publish"), entry, &block.pod));
                }
                places.push(self.present(tree, &csi.join(&block.name).join("dev"), &block.pod));
                if staged.iter().any(|entry| entry.name == block.name) {
                    places.push(Some(csi.join("staging").join(&block.name)));
                }
                let data = self.vol_data(tree, &csi.join(&block.name).join("data"), Trust::WhileUnchanged);
                self.reading.volumes[block.at].csi = data;
            } else {
                let folder = Path::new(&block.plugin).join(DEVICES).join(&block.name);
                places.push(self.present(tree, &folder, &block.pod));
            }
            for below in places.into_iter().flatten() {
                let place = self.on_node("plugins", &below);
                let known = &mut self.reading.volumes[block.at].other_paths;
                if !known.contains(&place) {
                    known.push(place);
                }
            }
        }
    }

    /// The device that a driver gave out: one for each pod, or in old kubelets one for all.
    fn published(&mut self, tree: &Tree, publish: &Path, entry: &Entry, pod: &OsStr) -> Option<PathBuf> {
        let below = publish.join(&entry.name);
        if entry.kind == Kind::Folder {
            match tree.list(&below) {
                Ok((_, entries)) => {
                    let found = entries.iter().any(|entry| entry.name == *pod);
                    return found.then(|| below.join(pod));
                }
                // The folder did not say what its entries are, and this one is the device.
                Err(Errno::NOTDIR | Errno::XDEV) => {}
                Err(error) => {
                    self.failed(tree.full(&below), error);
                    return None;
                }
            }
        }
        Some(below)
    }

    /// `folder/name`, where the folder has that entry.
    fn present(&mut self, tree: &Tree, folder: &Path, name: &OsStr) -> Option<PathBuf> {
        let entries = self.entries(tree, folder)?;
        entries
            .iter()
            .any(|entry| entry.name == *name)
            .then(|| folder.join(name))
    }

    /// What `vol_data.json` in `folder` says; `None` where there is none, or it cannot be understood.
    fn vol_data(&mut self, tree: &Tree, folder: &Path, trust: Trust) -> Option<CsiVolume> {
        let below = folder.join(VOL_DATA);
        match self.vol_data_at(tree, &below, trust) {
            Ok(volume) => Some(volume),
            Err(Trouble::Reading(error)) => {
                self.failed(tree.full(&below), error);
                None
            }
            Err(Trouble::Content(message)) => {
                self.fault(&tree.full(&below), message);
                None
            }
        }
    }

    fn vol_data_at(&mut self, tree: &Tree, below: &Path, trust: Trust) -> Result<CsiVolume, Trouble> {
        let round = self.kept.round;
        if let Some(kept) = self.kept.files.get_mut(below.as_os_str())
            && (trust == Trust::WhileThere || tree.still(below) == Ok(kept.fingerprint))
        {
            kept.round = round;
            return Ok(kept.content.clone());
        }
        acceptable(Fingerprint::of(tree.look(below)?)?)?;
        let file = tree.file(below)?;
        let fingerprint = acceptable(Fingerprint::of(&file)?)?;
        // Room for a little more, so that one call reads all and the next sees the end.
        let mut text = Vec::with_capacity(usize::try_from(fingerprint.size).unwrap_or_default() + 32);
        file.take(VOL_DATA_LIMIT + 1).read_to_end(&mut text)?;
        if text.len() as u64 > VOL_DATA_LIMIT {
            return Err(Trouble::too_large());
        }
        let volume = parse_vol_data(&text).map_err(|error| Trouble::Content(error.to_string()))?;
        let kept = Kept {
            fingerprint,
            content: volume.clone(),
            round,
        };
        self.kept.files.insert(below.into(), kept);
        Ok(volume)
    }
}

/// How long a `vol_data.json` that was understood is taken for what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Until the file changes.
    WhileUnchanged,
    /// As long as its folder is there: the folder lies in the driver's and is called by the handle's hash, and so never
    /// is another volume's.
    WhileThere,
}

/// Why a `vol_data.json` gives nothing.
enum Trouble {
    Reading(Errno),
    Content(String),
}

impl Trouble {
    fn too_large() -> Self {
        Self::Content(format!(
            "is larger than {} KiB, which the kubelet's own is never; not read",
            VOL_DATA_LIMIT >> 10
        ))
    }
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        Self::Reading(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Reading(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

/// The same, if it is a file that the kubelet could have written.
fn acceptable(fingerprint: Fingerprint) -> Result<Fingerprint, Trouble> {
    if fingerprint.is_link {
        return Err(Trouble::Content(
            "is a link, which the kubelet never makes; not followed".into(),
        ));
    }
    if !fingerprint.is_file {
        return Err(Trouble::Content("is no plain file; not opened".into()));
    }
    if fingerprint.size > VOL_DATA_LIMIT.into() {
        return Err(Trouble::too_large());
    }
    Ok(fingerprint)
}

fn seconds_now() -> i128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().into())
}

fn text_of(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

fn plugin_of(folder: &OsStr) -> String {
    folder.to_string_lossy().replace('~', "/")
}

/// SHA-256 in hexadecimal digits.
fn is_hash(name: &OsStr) -> bool {
    name.len() == 64 && name.as_bytes().iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests;
