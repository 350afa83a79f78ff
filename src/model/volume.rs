//! Pods' volumes as the node sees them.

use std::path::PathBuf;

/// The collector of pods' volumes.
pub const POD_VOLUMES: &str = "pod_volumes";

/// How a pod gets a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VolumeMode {
    /// As a mounted filesystem or folder.
    Filesystem,
    /// As a raw block device.
    Block,
}

impl VolumeMode {
    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filesystem => "Filesystem",
            Self::Block => "Block",
        }
    }
}

/// What the kubelet wrote down about a CSI volume: `vol_data.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CsiVolume {
    /// The driver's name: `ebs.csi.aws.com`.
    pub driver: String,
    /// The driver's name for the volume; `None` where the file does not say. For inline volumes the kubelet makes
    /// it up: `csi-` and a hash.
    pub volume_handle: Option<String>,
    /// The PersistentVolume; `None` for inline volumes. For inline volumes of an in-tree plugin that kubernetes
    /// hands to a CSI driver it is a made-up name, `ebs.csi.aws.com-vol-0a1…`, of which no object exists.
    pub persistent_volume: Option<String>,
    /// True for inline (ephemeral) volumes.
    pub ephemeral: bool,
}

/// One volume of one pod, from the kubelet's folders alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodVolume {
    /// The pod's UID, or for static pods the hash of their configuration: the folder's name.
    pub pod_uid: String,
    /// The volume plugin, with its slash: `kubernetes.io/csi`, `kubernetes.io/empty-dir`, …
    ///
    /// hostPath volumes have no folder of their own. Those of which the pod uses parts (`subPath`) are
    /// `kubernetes.io/host-path`; of others the node knows nothing.
    pub plugin: String,
    /// The folder's name: the PersistentVolume's for CSI and other persistent volumes, else the volume's in the pod.
    pub name: String,
    /// How the pod gets it.
    pub mode: VolumeMode,
    /// Where it is mounted (filesystem mode) or the link to its device (block mode), as the node has it. Whether
    /// anything is mounted there is in `mountinfo` alone: the folder of an emptyDir on disk is no mount, and a
    /// volume that is just being set up is not mounted yet.
    pub path: PathBuf,
    /// Further places at which the volume, or a folder of it, is bound for the pod: `volume-subpaths/…`; for raw
    /// block volumes what the link points to, then the files that are bound to the device, or the folder
    /// below which the driver may have bound it: `plugins/kubernetes.io/csi/volumeDevices/…`.
    pub other_paths: Vec<PathBuf>,
    /// What is known of it if it is a CSI volume.
    pub csi: Option<CsiVolume>,
}

/// The plugin of folders of the node. They have no folder at the kubelet: the name is this program's.
pub const HOST_PATH: &str = "kubernetes.io/host-path";

/// Plugins that hand out texts of the API server. They hold nothing that an administrator stores.
const TEXTS: [&str; 5] = [
    "kubernetes.io/configmap",
    "kubernetes.io/secret",
    "kubernetes.io/projected",
    "kubernetes.io/downward-api",
    "kubernetes.io/git-repo",
];

impl PodVolume {
    /// True for ConfigMaps, Secrets and the like.
    pub fn is_text(&self) -> bool {
        TEXTS.contains(&self.plugin.as_str())
    }

    /// True for the one sort of volume that is a plain folder of the node where nothing is mounted on it. A volume of any other
    /// that is not mounted is not there.
    pub fn is_folder(&self) -> bool {
        self.plugin == "kubernetes.io/empty-dir"
    }

    /// True for a folder of the node that a pod names itself.
    fn is_host_path(&self) -> bool {
        self.plugin == HOST_PATH
    }

    /// The PersistentVolume that it is, as far as the node knows: in-tree plugins' folders do not tell inline volumes apart.
    /// hostPath volumes are inline nearly always, and the same name in two pods is then two folders: they are none.
    pub fn persistent_volume(&self) -> Option<&str> {
        match &self.csi {
            Some(csi) if csi.ephemeral => None,
            Some(csi) => Some(csi.persistent_volume.as_deref().unwrap_or(&self.name)),
            None if self.is_text() || self.is_folder() || self.is_host_path() => None,
            None => Some(&self.name),
        }
    }
}
