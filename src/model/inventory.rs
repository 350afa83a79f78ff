//! All that is known from the Kubernetes API at one moment, and how far it can be trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::fault::Fault;
use super::replica::{EngineObject, EngineResource};
use super::shared_map::SharedMap;
use super::snapshot::{
    ContentKey, ExternalSnapshot, ExternalSnapshotData, Snapshot, SnapshotApi, SnapshotClass,
    SnapshotContent, SnapshotKey,
};
use super::workload::{Claim, NamespacedName, Node, PersistentVolume, Pod, StorageClass, VolumeAttachment};

/// The source of all that the Kubernetes API says.
pub const KUBERNETES: &str = "kubernetes";

/// Which part of the cluster this process watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Role {
    /// The pods of its own node, and their claims and volumes: what each node's process does.
    #[default]
    Node,
    /// Pods, claims, volumes and all else of the whole cluster: what one process of the cluster does.
    Cluster,
    /// Both at once, for a cluster of one node or for a look from elsewhere.
    All,
}

impl Role {
    /// A word for people, flags and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Cluster => "cluster",
            Self::All => "all",
        }
    }

    /// True where the whole cluster is watched.
    pub fn sees_cluster(self) -> bool {
        self != Self::Node
    }
}

/// A kind of object that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// Pods.
    Pods,
    /// PersistentVolumeClaims.
    Claims,
    /// PersistentVolumes.
    Volumes,
    /// StorageClasses.
    Classes,
    /// VolumeAttachments.
    Attachments,
    /// Nodes.
    Nodes,
    /// VolumeSnapshots.
    Snapshots,
    /// VolumeSnapshotContents.
    SnapshotContents,
    /// VolumeSnapshotClasses.
    SnapshotClasses,
    /// VolumeSnapshots of the API before CSI.
    ExternalSnapshots,
    /// VolumeSnapshotData of the API before CSI.
    ExternalSnapshotData,
    /// Objects of a storage engine.
    Engine(&'static EngineResource),
}

impl ResourceKind {
    /// All that are not engines' own.
    pub const ALL: [Self; 11] = [
        Self::Pods,
        Self::Claims,
        Self::Volumes,
        Self::Classes,
        Self::Attachments,
        Self::Nodes,
        Self::Snapshots,
        Self::SnapshotContents,
        Self::SnapshotClasses,
        Self::ExternalSnapshots,
        Self::ExternalSnapshotData,
    ];

    /// The name in the API's paths and in rules.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Claims => "persistentvolumeclaims",
            Self::Volumes => "persistentvolumes",
            Self::Classes => "storageclasses",
            Self::Attachments => "volumeattachments",
            Self::Nodes => "nodes",
            Self::Snapshots | Self::ExternalSnapshots => "volumesnapshots",
            Self::SnapshotContents => "volumesnapshotcontents",
            Self::SnapshotClasses => "volumesnapshotclasses",
            Self::ExternalSnapshotData => "volumesnapshotdatas",
            Self::Engine(resource) => resource.resource,
        }
    }

    /// The name for people and in labels, which tells it from all others.
    pub fn name(self) -> &'static str {
        match self {
            Self::ExternalSnapshots => "volumesnapshots.volumesnapshot.external-storage.k8s.io",
            Self::ExternalSnapshotData => "volumesnapshotdatas.volumesnapshot.external-storage.k8s.io",
            Self::Engine(resource) => resource.name,
            other => other.resource(),
        }
    }

    /// True for what a cluster need not have: custom resources, whose definitions may come and go.
    pub fn is_optional(self) -> bool {
        self.is_engines()
            || self.group() == SnapshotApi::Csi.group()
            || self.group() == SnapshotApi::ExternalStorage.group()
    }

    /// True for what storage engines say of themselves. Who may not read it has all else.
    pub fn is_engines(self) -> bool {
        matches!(self, Self::Engine(_))
    }

    /// The API's group; empty for the core API.
    pub fn group(self) -> &'static str {
        match self {
            Self::Pods | Self::Claims | Self::Volumes | Self::Nodes => "",
            Self::Classes | Self::Attachments => "storage.k8s.io",
            Self::Snapshots | Self::SnapshotContents | Self::SnapshotClasses => SnapshotApi::Csi.group(),
            Self::ExternalSnapshots | Self::ExternalSnapshotData => SnapshotApi::ExternalStorage.group(),
            Self::Engine(resource) => resource.group,
        }
    }
}

/// Why a kind of object cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchProblem {
    /// The API server knows us and says no.
    Forbidden,
    /// The API server does not know us.
    Unauthorized,
    /// The API server does not have that kind.
    Missing,
    /// The API server asks us to come back later.
    Throttled,
    /// Nobody answers, or the connection breaks.
    Unreachable,
    /// The API server answers with an error of its own, or with something that is no answer.
    Failing,
}

impl WatchProblem {
    /// A word for people and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Unauthorized => "unauthorized",
            Self::Missing => "missing",
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
            Self::Failing => "failing",
        }
    }
}

/// What stands in the way of reading a kind of object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchError {
    /// What sort of thing it is.
    pub problem: WatchProblem,
    /// What the server or the connection said.
    pub message: String,
    /// The rule of a ClusterRole that would grant it, as one line of YAML, where rights are missing.
    pub rule: Option<String>,
}

/// How it stands with the reading of one kind of object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchState {
    /// True once all objects of the kind have been seen. It stays so while the API is away: what is known then is old,
    /// but whole.
    pub synced: bool,
    /// Unix seconds since when it is as it is: synced, waited for, or in error. With an error it is the age of what is known.
    pub since: i64,
    /// What stands in the way; `None` where all is well.
    pub error: Option<WatchError>,
    /// Errors met since the program started.
    pub errors: u64,
}

impl WatchState {
    /// Nothing has been heard yet.
    pub fn waiting(since: i64) -> Self {
        Self {
            synced: false,
            since,
            error: None,
            errors: 0,
        }
    }

    /// True where all objects are known as they are now.
    pub fn is_heard(&self) -> bool {
        self.synced && self.error.is_none()
    }

    /// What sort of thing stands in the way.
    pub fn problem(&self) -> Option<WatchProblem> {
        self.error.as_ref().map(|error| error.problem)
    }
}

/// Objects by their key, shared with whoever reads them. Where one changes while somebody does, the others stay shared.
pub type Objects<K, T> = Arc<SharedMap<K, Arc<T>>>;

/// What is known of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Another number means that something else is known: objects or the states of the watches. Messages and counts of errors
    /// alone do not change it.
    pub version: u64,
    /// Which part of the cluster this is.
    pub role: Role,
    /// The node that is looked at: in the role of a node the one whose pods these are. `None` where no machine is looked at, or the
    /// cluster's name for it is not known.
    pub node: Option<String>,
    /// Pods by UID.
    pub pods: Objects<String, Pod>,
    /// Claims by namespace and name.
    pub claims: Objects<NamespacedName, Claim>,
    /// PersistentVolumes by name.
    pub volumes: Objects<String, PersistentVolume>,
    /// Storage classes by name.
    pub classes: Objects<String, StorageClass>,
    /// VolumeAttachments by name.
    pub attachments: Objects<String, VolumeAttachment>,
    /// Nodes by name.
    pub nodes: Objects<String, Node>,
    /// Snapshots by namespace and name.
    pub snapshots: Objects<NamespacedName, Snapshot>,
    /// Contents of snapshots by name.
    pub snapshot_contents: Objects<String, SnapshotContent>,
    /// Classes of snapshots by name.
    pub snapshot_classes: Objects<String, SnapshotClass>,
    /// Snapshots of the API before CSI by namespace and name.
    pub external_snapshots: Objects<NamespacedName, ExternalSnapshot>,
    /// Data of those by name.
    pub external_snapshot_data: Objects<String, ExternalSnapshotData>,
    /// Objects of storage engines, by kind; kinds that the cluster does not have are not in it.
    pub engines: BTreeMap<&'static EngineResource, Objects<NamespacedName, EngineObject>>,
    /// How it stands with each kind that is read. A kind that is not in it is not read in this role.
    pub watches: BTreeMap<ResourceKind, WatchState>,
    /// By how much claims and volumes may be older than all else although nothing is wrong: in the role of a node they are not
    /// followed, but read now and then.
    pub lag: Duration,
    /// Kinds that a cluster need not have, and of which the API server has not said yet whether it has them.
    pub unanswered: BTreeSet<ResourceKind>,
    /// Objects and kinds that could not be read.
    pub faults: Vec<Fault>,
}

impl Inventory {
    /// True once nothing holds up answers that tell of the whole cluster.
    pub fn is_synced(&self) -> bool {
        self.hindrances().next().is_none()
    }

    /// The kinds that have not been seen whole yet, and why. Of a kind that the API server does not have there is nothing to see, and
    /// storage engines' kinds cost themselves alone. Kinds of the core API each has: who says otherwise is no API server.
    pub fn hindrances(&self) -> impl Iterator<Item = (ResourceKind, Option<&WatchError>)> {
        let seen = |kind: ResourceKind, watch: &WatchState| {
            let is_missing = watch.problem() == Some(WatchProblem::Missing);
            watch.synced || (is_missing && !kind.group().is_empty())
        };
        let waiting = self
            .watches
            .iter()
            .filter(move |(kind, watch)| !kind.is_engines() && !seen(**kind, watch))
            .map(|(kind, watch)| (*kind, watch.error.as_ref()));
        let unanswered = self.unanswered.iter().map(|kind| (*kind, None));
        waiting.chain(unanswered)
    }

    /// True where all objects of the kind are known, so that one that is not there does not exist. In the role of a node that
    /// holds of what its pods name.
    pub fn knows_all(&self, kind: ResourceKind) -> bool {
        self.watches.get(&kind).is_some_and(|watch| watch.synced)
    }

    /// True where they are known as they are now, and not as they were before the API server was lost.
    pub fn hears(&self, kind: ResourceKind) -> bool {
        self.watches.get(&kind).is_some_and(WatchState::is_heard)
    }

    /// What [`Inventory::knows_all`] says, of an engine's kind, by [`EngineResource::name`].
    pub fn knows_all_of_engine(&self, kind: &str) -> bool {
        let is_it = |known: &ResourceKind| known.is_engines() && known.name() == kind;
        self.watches
            .iter()
            .any(|(known, watch)| is_it(known) && watch.synced)
    }

    /// True for a pod of the node that is looked at. Where that has no name, no pod is known to be on it.
    pub fn is_here(&self, pod: &Pod) -> bool {
        self.node.is_some() && pod.node == self.node
    }

    /// The claim that a PersistentVolume is bound to, if it is still that one: claims of the same name come and go.
    pub fn claim_of(&self, volume: &PersistentVolume) -> Option<&Arc<Claim>> {
        let reference = volume.claim.as_ref()?;
        let claim = self.claims.get(&reference.name)?;
        let same = reference.uid.as_ref().is_none_or(|uid| *uid == claim.uid);
        (same && claim.volume.as_deref() == Some(volume.name.as_str())).then_some(claim)
    }

    /// Snapshots of both APIs, each in order of name.
    pub fn all_snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        let of_old = self.external_snapshots.values().map(|snapshot| &snapshot.0);
        self.snapshots.values().map(|snapshot| &**snapshot).chain(of_old)
    }

    /// Contents of snapshots of both APIs, each in order of name.
    pub fn all_snapshot_contents(&self) -> impl Iterator<Item = &SnapshotContent> {
        let of_old = self.external_snapshot_data.values().map(|data| &data.0);
        self.snapshot_contents
            .values()
            .map(|content| &**content)
            .chain(of_old)
    }

    /// True where there is any snapshot, or content of one.
    pub fn has_snapshots(&self) -> bool {
        self.all_snapshots().next().is_some() || self.all_snapshot_contents().next().is_some()
    }

    /// A snapshot by its key.
    pub fn snapshot(&self, (api, name): &SnapshotKey) -> Option<&Snapshot> {
        match api {
            SnapshotApi::Csi => self.snapshots.get(name).map(|snapshot| &**snapshot),
            SnapshotApi::ExternalStorage => self.external_snapshots.get(name).map(|snapshot| &snapshot.0),
        }
    }

    /// The content of a snapshot, if it is still that one's.
    pub fn content_of(&self, snapshot: &Snapshot) -> Option<&SnapshotContent> {
        let content = self.snapshot_content(&snapshot.content_key()?)?;
        content.is_of(snapshot).then_some(content)
    }

    /// A content of a snapshot by its key.
    pub fn snapshot_content(&self, (api, name): &ContentKey) -> Option<&SnapshotContent> {
        match api {
            SnapshotApi::Csi => self.snapshot_contents.get(name).map(|content| &**content),
            SnapshotApi::ExternalStorage => self.external_snapshot_data.get(name).map(|data| &data.0),
        }
    }
}
