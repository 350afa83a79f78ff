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
//! | `R/plugins/kubernetes.io/csi/DRIVER/SHA256/globalmount` | staging **mount point**, Kubernetes 1.24 and newer | nothing |
//! | `R/plugins/kubernetes.io/csi/pv/V/globalmount` | the same, 1.23 and older | nothing |
//! | with raw block volumes: `R/plugins/kubernetes.io/csi/volumeDevices/V/data/vol_data.json` | a file | read |
//! | `…/volumeDevices/publish`, `…/publish/V` | folders; in old kubelets V is **a bound device** | listed; V if it is a folder |
//! | `…/volumeDevices/publish/V/UID`, `…/volumeDevices/V/dev/UID` | **bound devices** | nothing |
//! | `…/volumeDevices/staging/V` | the driver's own, perhaps **a mount point** | nothing |
//! | `R/plugins/kubernetes.io~local-volume/volumeDevices/V/UID` | **a bound device** of a local volume | nothing: the mounts tell of it |
//!
//! hostPath volumes have no folder here at all; only where a pod uses a part of one (`subPath`) that is bound below
//! `volume-subpaths`.
//!
//! A call on a mount point of a dead server would not come back. Listing the folder in which a mount point lies is safe:
//! names and their kinds are the folder's own data, and the kernel asks nothing of what is mounted over an entry. Files are
//! read only beside mount points, never below. And should there be a mount, or a symbolic link, where the kubelet makes none,
//! the kernel is told not to go there (see `tree.rs`): who got as far as to exchange a folder for a link cannot
//! make this program read elsewhere. Only R itself, `R/pods` and `R/plugins` may be links or mounts, as administrators
//! sometimes have it, and `R/plugins/kubernetes.io/csi/volumeDevices` a mount: it and `R/pods` are all that the manifests mount.
//!
//! What was read is remembered. In later readings each folder and file is asked for its time alone, which on a full node is
//! some five hundred calls, up to two milliseconds. Where none has changed the last reading is given once more; else
//! what has changed is read again. While nothing happens on the node ([`calm`]) each is asked once in ten seconds.
//!
//! The subpath folders were called by the pod's own name of the volume in kubelets before 1.7.16, 1.8.11, 1.9.7 and
//! 1.10.0; those are not supported.

mod calm;
mod devices;
mod memory;
mod root;
mod round;
mod tree;
mod vol_data;
mod vol_data_file;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use self::calm::Calm;
use self::memory::Memory;
pub use self::root::{NodeRoot, elsewhere};
use self::round::Round;
pub use self::vol_data::parse_vol_data;
use crate::model::fault::Fault;
use crate::model::mount_table::MountTable;
use crate::model::volume::PodVolume;

/// What one reading found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubeletReading {
    /// Every pod's volumes, in the order of the pods' folders; of each pod first those that are mounted, in the order of
    /// plugins and names, then raw block volumes. The same in memory as in the reading before where nothing has changed: who keeps
    /// what follows from them can tell by their place.
    pub volumes: Arc<[PodVolume]>,
    /// True where the pods' folder is there but could not be read. A machine without one is no Kubernetes node.
    pub unreadable: bool,
    /// What could not be read or understood.
    pub faults: Vec<Fault>,
}

/// Reads the kubelet's folders, and remembers each folder's entries and each `vol_data.json`, those that are missing or
/// wrong among them, until they change.
#[derive(Debug, Default)]
pub struct KubeletReader {
    kept: Memory,
    latest: Option<Latest>,
    calm: Calm,
}

/// A reading of which all that it was made of is in the memory: as long as none of that changes, it is what would be read.
#[derive(Debug)]
struct Latest {
    node_root: PathBuf,
    reading: KubeletReading,
}

impl KubeletReader {
    /// Reads all volumes below `root`. Their paths are given below `node_root`: the same folder as the node has it,
    /// which in a container, and behind a link, is another than `root` (see [`NodeRoot`]).
    pub fn read(&mut self, root: &Path, node_root: &Path) -> KubeletReading {
        self.look(root, node_root, 1.0)
            .unwrap_or_else(|| self.read_again(root, node_root))
    }

    /// The same at less cost, as long as nothing happens on the node, whose `mounts` are the same in memory while they are the same.
    pub fn read_beside(
        &mut self,
        root: &Path,
        node_root: &Path,
        mounts: &Arc<MountTable>,
        now: Instant,
    ) -> KubeletReading {
        let share = self.calm.share(mounts, now);
        self.look(root, node_root, share).unwrap_or_else(|| {
            self.calm.end(now);
            self.read_again(root, node_root)
        })
    }

    /// The latest reading, where this share of what it was made of has not changed.
    fn look(&mut self, root: &Path, node_root: &Path, share: f64) -> Option<KubeletReading> {
        let latest = self.latest.as_ref()?;
        let is_same = latest.node_root == node_root && self.kept.is_as_it_was(root, share);
        is_same.then(|| latest.reading.clone())
    }

    fn read_again(&mut self, root: &Path, node_root: &Path) -> KubeletReading {
        let (reading, is_all_remembered) = Round::new(&mut self.kept, node_root).read(root);
        self.latest = is_all_remembered.then(|| Latest {
            node_root: node_root.to_owned(),
            reading: reading.clone(),
        });
        reading
    }
}

#[cfg(test)]
mod tests;
