//! Where a storage engine keeps the copies of a volume: replicas, the pools that they lie in, and the disks below those.
//!
//! All of it is what the engine's own objects in the Kubernetes API say. What they leave out is `None`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::disk_name::DiskReference;

/// How it stands with a volume, a replica, a pool or a disk, in the words of no engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// As it should be.
    Healthy,
    /// Being made whole: it does not count as a copy yet.
    Rebuilding,
    /// In use, with something missing.
    Degraded,
    /// Nobody can say: the engine does not know, or its node is not heard.
    Unknown,
    /// Out of use.
    Failed,
}

impl Health {
    /// A word for people and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Rebuilding => "rebuilding",
            Self::Degraded => "degraded",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

/// A kind of custom resource in which an engine says something.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EngineResource {
    /// `NAME.GROUP`, as its definition is called.
    pub name: &'static str,
    /// The API's group.
    pub group: &'static str,
    /// The name in the API's paths and in rules.
    pub resource: &'static str,
    /// Its name in the API's objects.
    pub kind: &'static str,
    /// Its versions that can be read here, the preferred first.
    pub versions: &'static [&'static str],
    /// Which of its objects are read, as a label selector; empty: all.
    pub selector: &'static str,
    /// The kind (by [`EngineResource::name`]) without which this one says nothing of storage, and is not read.
    pub needs: Option<&'static str>,
}

impl EngineResource {
    /// A custom resource, of which all objects are read.
    pub const fn custom(
        name: &'static str,
        [group, resource, kind]: [&'static str; 3],
        versions: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            group,
            resource,
            kind,
            versions,
            selector: "",
            needs: None,
        }
    }
}

/// What one object of an engine says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineObject {
    /// It, taken apart.
    pub parts: Vec<EnginePart>,
}

/// One thing that an engine's object tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnginePart {
    /// A volume as a whole.
    Volume(Arc<EngineVolume>),
    /// A copy of a volume.
    Replica(Arc<Replica>),
    /// How the copies of a volume are doing, said elsewhere than in themselves.
    Modes(Arc<ReplicaModes>),
    /// Room for replicas.
    Pool(Arc<Pool>),
    /// A disk that pools take room from, said elsewhere than in them.
    PoolMember(Arc<PoolMember>),
    /// A disk that is managed by an object of its own.
    ManagedDisk(Arc<ManagedDisk>),
    /// Which managed disk a claim got.
    DiskClaim(Arc<DiskClaim>),
}

/// The name of a volume at its engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeKey {
    /// The engine.
    pub engine: &'static str,
    /// The engine's name for the volume.
    pub name: String,
}

impl VolumeKey {
    /// The name of a volume at an engine.
    pub fn new(engine: &'static str, name: impl Into<String>) -> Self {
        Self {
            engine,
            name: name.into(),
        }
    }
}

/// The name of a pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolKey {
    /// The engine.
    pub engine: &'static str,
    /// The node, where each node has pools of its own by the same names.
    pub node: Option<String>,
    /// The pool's name there.
    pub name: String,
}

impl PoolKey {
    /// A pool whose name says which one it is in the whole cluster.
    pub fn new(engine: &'static str, name: impl Into<String>) -> Self {
        Self {
            engine,
            node: None,
            name: name.into(),
        }
    }

    /// A pool of a node, where others have pools by the same name.
    pub fn on(engine: &'static str, node: &str, name: impl Into<String>) -> Self {
        Self {
            node: Some(node.to_owned()),
            ..Self::new(engine, name)
        }
    }
}

/// A volume as its engine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineVolume {
    /// Its name.
    pub key: VolumeKey,
    /// How many copies there shall be.
    pub wanted: Option<u64>,
    /// How it is.
    pub state: Option<Health>,
    /// The same in the engine's own word.
    pub said: Option<String>,
    /// Its copies, where they are volumes of claims themselves.
    pub claims: Option<ReplicaClaims>,
    /// The kind (by [`EngineResource::name`]) whose objects are its copies, else.
    pub replicas: Option<&'static str>,
}

/// Copies that lie on other volumes: those of the claims `PREFIX…` of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaClaims {
    /// The claims' namespace.
    pub namespace: String,
    /// How their names begin; a number follows.
    pub prefix: String,
    /// How each copy is doing, by the address of the pod that serves it.
    pub modes: BTreeMap<String, (Health, String)>,
}

/// One copy of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// The volume that it is of.
    pub volume: VolumeKey,
    /// Its name.
    pub name: String,
    /// The node that it lies on, as the engine calls it.
    pub node: Option<String>,
    /// The pool that it lies in.
    pub pool: Option<PoolKey>,
    /// How it is; `None` where no object says it.
    pub state: Option<Health>,
    /// The same in the engine's own word.
    pub said: Option<String>,
    /// True where the state is that of the making alone, so that what befell the pool later is to be added.
    pub made_only: bool,
    /// Bytes that it may hold.
    pub size: Option<u64>,
    /// What it lies on, where it says so itself.
    pub disks: Vec<DiskReference>,
}

/// How the copies of a volume are doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaModes {
    /// The volume.
    pub volume: VolumeKey,
    /// By the name of the replica: its state, and the engine's word for it.
    pub modes: BTreeMap<String, (Health, String)>,
}

/// How a pool is laid out over its disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Each disk holds a part, and none is spare.
    Striped,
    /// It outlives the loss of so many disks.
    Redundant(u32),
    /// Each object is kept so many times.
    Copies(u32),
}

/// Room for replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub key: PoolKey,
    /// The node that it lies on, as the engine calls it; `None` for one of many nodes.
    pub node: Option<String>,
    /// How it is; `None` where no object says it.
    pub state: Option<Health>,
    /// The same in the engine's own word.
    pub said: Option<String>,
    /// Bytes.
    pub capacity: Option<u64>,
    /// Bytes in use.
    pub used: Option<u64>,
    /// Bytes free.
    pub free: Option<u64>,
    /// How it is laid out over its disks.
    pub layout: Option<Layout>,
    /// Its disks, where it says so itself.
    pub disks: Vec<DiskReference>,
    /// Its disks, where others say so: those of this group, and where a class is named, of this class.
    pub members: Option<Members>,
    /// True for what all pools of the group are parts of: how their data are is said of it alone.
    pub is_whole: bool,
}

impl Pool {
    /// A pool of which nothing but the name is known.
    pub fn named(key: PoolKey, node: Option<String>) -> Self {
        Self {
            key,
            node,
            state: None,
            said: None,
            capacity: None,
            used: None,
            free: None,
            layout: None,
            disks: Vec::new(),
            members: None,
            is_whole: false,
        }
    }
}

impl fmt::Display for PoolKey {
    /// `lvmvg on worker-1`, `rook-ceph/replicated`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(formatter, "{} on {node}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}

/// Which disks pools take their room from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// Those of this group.
    pub group: String,
    /// Of them those of this class alone.
    pub class: Option<String>,
}

/// A disk that the pools of a group take room from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolMember {
    /// The group.
    pub group: String,
    /// Its name: `osd.3`.
    pub name: String,
    /// Its class: `ssd`.
    pub class: Option<String>,
    /// The disk.
    pub disk: DiskReference,
    /// The claim (namespace and name) whose volume it is, where it is not a disk of its node.
    pub claim: Option<(String, String)>,
}

/// A disk of a node that is managed by an object of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedDisk {
    /// The object's name. It says nothing of the disk.
    pub name: String,
    /// Node and names of the disk.
    pub disk: DiskReference,
    /// Bytes.
    pub size: Option<u64>,
    /// Model.
    pub model: Option<String>,
    /// `Active`, `Inactive`, `Unknown`.
    pub activity: Option<String>,
    /// Whether it is there; `None` where the object does not say.
    pub state: Option<Health>,
    /// `Claimed`, `Unclaimed`, `Released`.
    pub claim_state: Option<String>,
    /// The claim of it that has it.
    pub claim: Option<String>,
}

/// A claim of a managed disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskClaim {
    /// Its name.
    pub name: String,
    /// The managed disk that it got.
    pub disk: String,
}

/// How a PersistentVolume is to be looked for among its engine's objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The engine.
    pub engine: &'static str,
    /// How many copies there shall be, where the volume itself says so.
    pub wanted: Option<u64>,
    /// Where it lies.
    pub place: Place,
}

/// Where a volume lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Its engine has objects about it, by this name.
    Named(VolumeKey),
    /// There is one copy, and the volume says itself on which node and by which name of a disk.
    Here(Vec<DiskReference>),
    /// There is one copy, on the managed disk that this claim got.
    DiskClaim(String),
    /// It is a disk of somebody's storage system, of which this cluster sees no more than the node's side. It has none while it is
    /// attached to no node.
    Outside(Vec<DiskReference>),
    /// It is spread over a pool.
    Spread(PoolKey),
    /// No object says it.
    Untold,
}
