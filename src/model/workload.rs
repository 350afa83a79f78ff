//! What the Kubernetes API says about pods and their storage, without anything that no answer of ours shows.
//!
//! Names and meanings are the API's. Times are Unix seconds, sizes bytes. What the API left out is `None`; what it said in
//! a word that is not known here is `None` as well, since every list of words in the API may grow.

use std::fmt;

use super::volume::VolumeMode;

/// The name of an object that lives in a namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamespacedName {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl NamespacedName {
    /// The name of an object in a namespace.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// Words of the API, each with its own spelling.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $word:ident),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $word),+
        }

        impl $name {
            /// All of them, in the API's order.
            pub const ALL: &'static [Self] = &[$(Self::$word),+];

            /// The API's spelling.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word)),+
                }
            }

            /// Reads the API's spelling; `None` for a word that is not known here.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }
    };
}
pub(super) use words;

words! {
    /// Where a pod is in its life.
    PodPhase {
        /// Accepted, not all containers started.
        Pending,
        /// On its node, with a container that runs or starts.
        Running,
        /// All containers ended well.
        Succeeded,
        /// All containers ended, one of them badly.
        Failed,
        /// The node does not answer.
        Unknown,
    }
}

words! {
    /// Where a claim is in its life.
    ClaimPhase {
        /// No volume yet.
        Pending,
        /// It has its volume.
        Bound,
        /// Its volume is gone.
        Lost,
    }
}

words! {
    /// Where a PersistentVolume is in its life.
    VolumePhase {
        /// Not ready to be claimed yet.
        Pending,
        /// Free.
        Available,
        /// A claim has it.
        Bound,
        /// Its claim is gone, and its data may still be there.
        Released,
        /// Giving it back went wrong.
        Failed,
    }
}

words! {
    /// What becomes of a PersistentVolume when its claim goes.
    ReclaimPolicy {
        /// It stays, with its data.
        Retain,
        /// It is deleted, with its data.
        Delete,
        /// It is scrubbed and offered again (no longer in use).
        Recycle,
    }
}

words! {
    /// When a claim of a class gets its volume.
    BindingMode {
        /// At once.
        Immediate,
        /// When a pod that names it is given a node.
        WaitForFirstConsumer,
    }
}

words! {
    /// Who may mount a volume at the same time.
    AccessMode {
        /// One node, for writing.
        ReadWriteOnce,
        /// Many nodes, for reading.
        ReadOnlyMany,
        /// Many nodes, for writing.
        ReadWriteMany,
        /// One pod.
        ReadWriteOncePod,
    }
}

impl AccessMode {
    /// The usual short form: `RWO`, `ROX`, `RWX`, `RWOP`.
    pub fn short(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "RWO",
            Self::ReadOnlyMany => "ROX",
            Self::ReadWriteMany => "RWX",
            Self::ReadWriteOncePod => "RWOP",
        }
    }
}

/// Where a volume's data are kept, as a PersistentVolume or a pod declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageSource {
    /// A CSI driver's volume.
    Csi {
        /// The driver's name: `ebs.csi.aws.com`.
        driver: String,
        /// The driver's name for the volume; `None` for inline volumes of pods, which get theirs on the node.
        handle: Option<String>,
        /// Filesystem type that was asked for.
        fstype: Option<String>,
    },
    /// A folder of an NFS server.
    Nfs {
        /// Host name or address of the server.
        server: Option<String>,
        /// The exported folder.
        path: Option<String>,
    },
    /// A path of the node that the pod happens to be on.
    HostPath {
        /// The path, as the node has it.
        path: Option<String>,
    },
    /// A path or device of the nodes that the volume's affinity names.
    Local {
        /// The path, as the node has it.
        path: Option<String>,
    },
    /// An EBS volume of the plugin that was part of Kubernetes.
    AwsElasticBlockStore {
        /// `vol-0a1…`, or `aws://ZONE/vol-0a1…`.
        volume_id: Option<String>,
    },
    /// A disk of Google's cloud, of the plugin that was part of Kubernetes.
    GcePersistentDisk {
        /// The disk's name.
        disk: Option<String>,
    },
    /// A disk of Azure, of the plugin that was part of Kubernetes.
    AzureDisk {
        /// The disk's name.
        disk: Option<String>,
        /// Its address in the cloud's API.
        uri: Option<String>,
    },
    /// A virtual disk of vSphere, of the plugin that was part of Kubernetes.
    VsphereVolume {
        /// `[DATASTORE] FOLDER/NAME.vmdk`.
        path: Option<String>,
    },
    /// A volume of OpenStack, of the plugin that was part of Kubernetes.
    Cinder {
        /// The volume's id.
        volume_id: Option<String>,
    },
    /// A LUN of an iSCSI target.
    Iscsi {
        /// `ADDRESS:PORT` of the target.
        portal: Option<String>,
        /// The target's name.
        target: Option<String>,
        /// The LUN's number.
        lun: Option<i64>,
    },
    /// A LUN behind Fibre Channel.
    FibreChannel {
        /// World wide names of the target's ports.
        target_wwns: Vec<String>,
        /// World wide identifiers of the volume, which may be given in place of port and LUN.
        wwids: Vec<String>,
        /// The LUN's number.
        lun: Option<i64>,
    },
    /// An image of a Ceph cluster.
    Rbd {
        /// Addresses of the monitors.
        monitors: Vec<String>,
        /// The pool; the API says `rbd` where nothing is said.
        pool: Option<String>,
        /// The image.
        image: Option<String>,
    },
    /// A folder of a Ceph filesystem.
    CephFs {
        /// Addresses of the monitors.
        monitors: Vec<String>,
        /// The folder; the API means `/` where nothing is said.
        path: Option<String>,
    },
    /// A driver that is a program on the node.
    Flex {
        /// The driver's name: `vendor/driver`.
        driver: String,
    },
    /// Any other sort, by the name of its field in the API: `glusterfs`, `portworxVolume`, …
    Other {
        /// The field's name.
        field: String,
    },
}

impl StorageSource {
    /// Who provides it: a CSI or flex driver's name, else the plugin's name as the kubelet spells it (`kubernetes.io/nfs`).
    pub fn driver(&self) -> &str {
        match self {
            Self::Csi { driver, .. } | Self::Flex { driver } => driver,
            Self::Nfs { .. } => "kubernetes.io/nfs",
            Self::HostPath { .. } => "kubernetes.io/host-path",
            Self::Local { .. } => "kubernetes.io/local-volume",
            Self::AwsElasticBlockStore { .. } => "kubernetes.io/aws-ebs",
            Self::GcePersistentDisk { .. } => "kubernetes.io/gce-pd",
            Self::AzureDisk { .. } => "kubernetes.io/azure-disk",
            Self::VsphereVolume { .. } => "kubernetes.io/vsphere-volume",
            Self::Cinder { .. } => "kubernetes.io/cinder",
            Self::Iscsi { .. } => "kubernetes.io/iscsi",
            Self::FibreChannel { .. } => "kubernetes.io/fc",
            Self::Rbd { .. } => "kubernetes.io/rbd",
            Self::CephFs { .. } => "kubernetes.io/cephfs",
            Self::Other { field } => field,
        }
    }

    /// What identifies the volume to its provider, in one text; `None` where the object does not say.
    pub fn handle(&self) -> Option<String> {
        let joined = |parts: &[Option<&str>], separator: &str| {
            let parts: Vec<&str> = parts.iter().flatten().copied().collect();
            (!parts.is_empty()).then(|| parts.join(separator))
        };
        match self {
            Self::Csi { handle, .. } => handle.clone(),
            Self::Nfs { server, path } => joined(&[server.as_deref(), path.as_deref()], ":"),
            Self::HostPath { path } | Self::Local { path } | Self::VsphereVolume { path } => path.clone(),
            Self::AwsElasticBlockStore { volume_id } | Self::Cinder { volume_id } => volume_id.clone(),
            Self::GcePersistentDisk { disk } => disk.clone(),
            Self::AzureDisk { disk, uri } => uri.clone().or_else(|| disk.clone()),
            Self::Iscsi { portal, target, lun } => {
                let lun = lun.map(|lun| format!("lun-{lun}"));
                joined(&[portal.as_deref(), target.as_deref(), lun.as_deref()], " ")
            }
            Self::FibreChannel {
                target_wwns,
                wwids,
                lun,
            } => {
                let names = if wwids.is_empty() { target_wwns } else { wwids };
                let lun = lun.map(|lun| format!("lun-{lun}"));
                let mut parts: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
                parts.push(lun.as_deref());
                joined(&parts, " ")
            }
            Self::Rbd { pool, image, .. } => joined(&[pool.as_deref(), image.as_deref()], "/"),
            Self::CephFs { monitors, path } => {
                let monitors = (!monitors.is_empty()).then(|| monitors.join(","));
                joined(&[monitors.as_deref(), path.as_deref()], ":")
            }
            Self::Flex { .. } | Self::Other { .. } => None,
        }
    }
}

/// What one of a pod's volumes is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodVolumeSource {
    /// A claim of the pod's namespace.
    Claim {
        /// The claim's name; for generic ephemeral volumes it is `POD-VOLUME`.
        name: String,
        /// True where the claim is made for the pod and goes with it (generic ephemeral volumes).
        ephemeral: bool,
        /// True where the pod asks for it read-only.
        read_only: bool,
    },
    /// A folder that goes with the pod.
    EmptyDir {
        /// True where it lies in the node's memory.
        memory: bool,
        /// Bytes it may grow to.
        size_limit: Option<u64>,
    },
    /// ConfigMaps, Secrets and the like: texts of the API server.
    Text,
    /// Storage that the pod itself declares, without a claim.
    Inline(StorageSource),
}

/// One of a pod's volumes, by the name that it has in the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredVolume {
    /// Its name in the pod.
    pub name: String,
    /// What it is made of.
    pub source: PodVolumeSource,
}

/// The object that a pod belongs to, such as a StatefulSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// How much of a thing a container may use. `None`: as much as there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Billionths of a core.
    pub cpu: Option<u64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
}

/// A container that runs as long as its pod does: one of the pod's own, or a sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name in the pod.
    pub name: Box<str>,
    /// How much it may use, as the pod's specification says.
    pub limits: Limits,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its UID in the API. A static pod's folder on the node bears [`Pod::static_hash`] in its place.
    pub uid: String,
    /// Namespace and name.
    pub name: NamespacedName,
    /// The node that it was given; `None` before that.
    pub node: Option<String>,
    /// Its address; `None` before it has one.
    pub ip: Option<Box<str>>,
    /// Where it is in its life.
    pub phase: Option<PodPhase>,
    /// When it was made.
    pub created: Option<i64>,
    /// By when it has to be gone; `None` where nobody deleted it.
    pub deletion: Option<i64>,
    /// What controls it.
    pub owner: Option<Owner>,
    /// For a static pod, the hash that the kubelet calls it by.
    pub static_hash: Option<String>,
    /// Its containers, in its own order. Those that only prepare it are not among them.
    pub containers: Box<[Container]>,
    /// How much all its containers together may use, where the pod itself says so.
    pub limits: Limits,
    /// Its volumes, in its own order.
    pub volumes: Vec<DeclaredVolume>,
}

impl Pod {
    /// True once somebody deleted it and while it is not gone yet.
    pub fn is_terminating(&self) -> bool {
        self.deletion.is_some()
    }

    /// True once all its containers have ended for good: it holds no volume any more.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Some(PodPhase::Succeeded | PodPhase::Failed))
    }

    /// How much all its containers together may use: what the pod itself says, else the sum of what they say, if they all do.
    pub fn all_limits(&self) -> Limits {
        let sum = |of: fn(&Limits) -> Option<u64>| {
            let mut limits = self.containers.iter().map(|container| of(&container.limits));
            let sum = limits.try_fold(0_u64, |sum, limit| sum.checked_add(limit?))?;
            (!self.containers.is_empty()).then_some(sum)
        };
        Limits {
            cpu: self.limits.cpu.or_else(|| sum(|limits| limits.cpu)),
            memory: self.limits.memory.or_else(|| sum(|limits| limits.memory)),
        }
    }

    /// The name of its folder on the node.
    pub fn folder(&self) -> &str {
        self.static_hash.as_deref().unwrap_or(&self.uid)
    }

    /// The names of the claims that it uses, with the name that each has in the pod.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &str)> {
        self.volumes.iter().filter_map(|volume| match &volume.source {
            PodVolumeSource::Claim { name, .. } => Some((volume.name.as_str(), name.as_str())),
            _ => None,
        })
    }
}

/// What a claim's volume was filled from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSource {
    /// `VolumeSnapshot`, `PersistentVolumeClaim`, or a kind of somebody's own.
    pub kind: String,
    /// API group; `None` for the core API.
    pub group: Option<String>,
    /// Namespace, where that is not the claim's own.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

/// One condition in an object's status: `FileSystemResizePending`, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its type.
    pub kind: String,
    /// Whether it holds; `None` where the API says `Unknown`.
    pub holds: Option<bool>,
    /// A word for programs.
    pub reason: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
    /// Since when.
    pub since: Option<i64>,
}

/// A PersistentVolumeClaim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its UID.
    pub uid: String,
    /// Namespace and name.
    pub name: NamespacedName,
    /// Where it is in its life.
    pub phase: Option<ClaimPhase>,
    /// The storage class that it asks for. `None`: none was named and there was no default; `Some("")`: none is wanted.
    pub class: Option<String>,
    /// The PersistentVolume that it has, or asks for by name.
    pub volume: Option<String>,
    /// Bytes asked for.
    pub requested: Option<u64>,
    /// Bytes that it has got.
    pub capacity: Option<u64>,
    /// Access modes: those that it has got, else those that it asks for.
    pub access_modes: Vec<AccessMode>,
    /// How pods get it.
    pub mode: VolumeMode,
    /// What its volume was filled from.
    pub data_source: Option<DataSource>,
    /// Its conditions.
    pub conditions: Vec<Condition>,
    /// When it was made.
    pub created: Option<i64>,
    /// When it was deleted, while something still holds it.
    pub deletion: Option<i64>,
}

/// The claim that a PersistentVolume is bound to, or kept for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimReference {
    /// Namespace and name.
    pub name: NamespacedName,
    /// The claim's UID: another claim of the same name is not meant. `None` where an administrator named a claim to come.
    pub uid: Option<String>,
}

/// One demand on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRequirement {
    /// A label of the node, or `metadata.name`.
    pub key: String,
    /// How label and values are compared: `In`, `NotIn`, `Exists`, …
    pub operator: String,
    /// The values.
    pub values: Vec<String>,
}

/// What storage engines write down in their PersistentVolumes, in labels, annotations and CSI's attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeDetails {
    /// What sort of OpenEBS's volumes it is: `local-hostpath`.
    pub cas_type: Option<String>,
    /// The claim of a managed disk.
    pub disk_claim: Option<String>,
    /// How many copies there shall be, in the engine's words.
    pub copies: Option<String>,
    /// The pool.
    pub pool: Option<String>,
    /// The storage cluster.
    pub cluster: Option<String>,
}

/// A PersistentVolume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistentVolume {
    /// Its UID.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// Where it is in its life.
    pub phase: Option<VolumePhase>,
    /// Why it is there: a word for programs.
    pub reason: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// Its storage class.
    pub class: Option<String>,
    /// Bytes.
    pub capacity: Option<u64>,
    /// Access modes.
    pub access_modes: Vec<AccessMode>,
    /// What becomes of it when its claim goes.
    pub reclaim_policy: Option<ReclaimPolicy>,
    /// How pods get it.
    pub mode: VolumeMode,
    /// The claim that has it, had it, or shall have it.
    pub claim: Option<ClaimReference>,
    /// Where its data are; `None` where the object does not say.
    pub source: Option<StorageSource>,
    /// The CSI driver that serves a volume of a plugin that was part of Kubernetes (annotation
    /// `pv.kubernetes.io/migrated-to`).
    pub migrated_to: Option<String>,
    /// Who made it (annotation `pv.kubernetes.io/provisioned-by`).
    pub provisioned_by: Option<String>,
    /// What its storage engine wrote down in it; `None` where that is nothing.
    pub details: Option<Box<VolumeDetails>>,
    /// Which nodes can use it: one of these lists must hold in full. Empty: all nodes.
    pub node_affinity: Vec<Vec<NodeRequirement>>,
    /// Mount options.
    pub mount_options: Vec<String>,
    /// When it was made.
    pub created: Option<i64>,
    /// When it was deleted, while something still holds it.
    pub deletion: Option<i64>,
}

impl PersistentVolume {
    /// The driver that serves it: the CSI driver that took it over, else what its source says.
    pub fn driver(&self) -> Option<&str> {
        self.migrated_to
            .as_deref()
            .or_else(|| self.source.as_ref().map(StorageSource::driver))
    }
}

/// A StorageClass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageClass {
    /// Its UID.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// Who makes its volumes.
    pub provisioner: Option<String>,
    /// What becomes of its volumes when their claims go.
    pub reclaim_policy: Option<ReclaimPolicy>,
    /// When claims get their volumes.
    pub binding_mode: Option<BindingMode>,
    /// True for a class that claims get which name none.
    pub is_default: bool,
    /// True where its volumes can grow.
    pub allows_expansion: bool,
    /// How many parameters it has. They are the provisioner's affair and may hold names of secrets.
    pub parameters: usize,
    /// When it was made.
    pub created: Option<i64>,
}

/// Why a volume could not be attached or detached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachError {
    /// What the driver says.
    pub message: String,
    /// When.
    pub time: Option<i64>,
}

/// What an attached volume is called on its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachedDevice {
    /// A path: `/dev/xvdba`.
    Path(String),
    /// The number of the disk at its controller.
    Lun(String),
    /// The identity of the virtual disk.
    Uuid(String),
}

/// A VolumeAttachment: a volume that shall be attached to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeAttachment {
    /// Its name.
    pub name: String,
    /// The driver that attaches.
    pub attacher: Option<String>,
    /// The node.
    pub node: Option<String>,
    /// The PersistentVolume; `None` for inline volumes.
    pub volume: Option<String>,
    /// Whether it is attached; `None` where the driver has not said yet.
    pub attached: Option<bool>,
    /// By what its driver says that the node can find it; `None` where it says nothing.
    pub device: Option<AttachedDevice>,
    /// Why attaching failed last.
    pub attach_error: Option<AttachError>,
    /// Why detaching failed last.
    pub detach_error: Option<AttachError>,
    /// When it was made.
    pub created: Option<i64>,
    /// When it was deleted, while it is not detached yet.
    pub deletion: Option<i64>,
}

/// A Node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its host name (label `kubernetes.io/hostname`), by which local volumes name it.
    pub host_name: Option<String>,
    /// Whether it is ready; `None` where its kubelet is not heard.
    pub ready: Option<bool>,
    /// Names that storage engines have for it, in labels of their own.
    pub other_names: Vec<String>,
    /// Bytes that are free in each class of devices, as TopoLVM writes into annotations.
    pub free: Vec<(String, u64)>,
}

/// A CSI driver that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsiDriver {
    /// Its name.
    pub name: String,
    /// True where volumes are attached before they are mounted, so that there are VolumeAttachments.
    pub attach_required: bool,
    /// True where it publishes how much room is left.
    pub storage_capacity: bool,
    /// True where pods can declare its volumes inline.
    pub ephemeral: bool,
}
