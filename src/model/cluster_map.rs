//! The cluster's objects joined with each other: who uses what, and what needs somebody's attention.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use super::disk_name::DiskReference;
use super::engine_tables::EngineTables;
use super::inventory::Inventory;
use super::replica::{Placement, PoolKey, VolumeKey};
use super::shared_map::SharedMap;
use super::snapshot::{ContentKey, Snapshot, SnapshotKey};
use super::workload::{Claim, NamespacedName, PersistentVolume, Pod, PodVolumeSource, VolumeAttachment};

/// Why something needs attention, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// A volume that could not be given back, attached or detached.
    Failed,
    /// A claim whose volume is gone.
    Lost,
    /// A volume some of whose copies cannot be used, or are being made whole.
    Degraded,
    /// A claim or volume that waits for something.
    Pending,
    /// A volume whose claim is gone.
    Released,
    /// A volume bound to a claim that does not exist any more.
    Orphaned,
    /// A volume that is attached to a node which does not exist any more. Its claim may be there, and in use elsewhere.
    Stranded,
    /// Deleted, and held by something.
    Deleting,
    /// A condition that somebody should know of: a resize that waits for a restart.
    Condition,
    /// A claim that no pod uses.
    Unused,
    /// A volume that no claim has.
    Available,
}

impl Urgency {
    /// A word for people and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Lost => "lost",
            Self::Degraded => "degraded",
            Self::Pending => "pending",
            Self::Released => "released",
            Self::Orphaned => "orphaned",
            Self::Stranded => "stranded",
            Self::Deleting => "deleting",
            Self::Condition => "condition",
            Self::Unused => "unused",
            Self::Available => "available",
        }
    }
}

/// What is wrong, or left over, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// What sort of thing it is.
    pub urgency: Urgency,
    /// A sentence for people.
    pub reason: String,
}

impl fmt::Display for Attention {
    /// `pending: not taken yet`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.urgency.as_str(), self.reason)
    }
}

/// The inventory with its joins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterMap {
    /// The objects.
    pub inventory: Arc<Inventory>,
    /// Pods by the name of their folder on their node, in order of UID: a static pod that was put in again has the folder of the former.
    pub pods: SharedMap<String, Vec<Arc<Pod>>>,
    /// The pods that use each claim and have not ended, in order of name.
    pub users: SharedMap<NamespacedName, Vec<Arc<Pod>>>,
    /// The attachments of each PersistentVolume, in order of name.
    pub attachments: SharedMap<String, Vec<Arc<VolumeAttachment>>>,
    /// Who names whom.
    pub names: Names,
    /// Claims that need attention.
    pub claim_attention: SharedMap<NamespacedName, Attention>,
    /// PersistentVolumes that need attention.
    pub volume_attention: SharedMap<String, Attention>,
    /// The snapshots of each claim, those that were taken last first.
    pub claim_snapshots: SharedMap<NamespacedName, Vec<SnapshotKey>>,
    /// The PersistentVolume that each snapshot was taken of.
    pub snapshot_volumes: SharedMap<SnapshotKey, String>,
    /// Snapshots that need attention.
    pub snapshot_attention: SharedMap<SnapshotKey, Attention>,
    /// Contents of snapshots that need attention.
    pub snapshot_content_attention: SharedMap<ContentKey, Attention>,
    /// What this node's folders cannot tell of its pods' volumes.
    pub declared: Arc<Declared>,
    /// What the storage engines say.
    pub engines: Arc<EngineTables>,
    /// How each PersistentVolume that an engine serves is looked for in that.
    pub placements: SharedMap<String, Placement>,
    /// The disks of each pool, by all names that are known.
    pub pool_disks: SharedMap<PoolKey, Arc<[DiskReference]>>,
    /// The pools that stand in nodes themselves.
    pub node_pools: Vec<PoolKey>,
    /// Nodes by the other names that engines have for them.
    pub node_aliases: HashMap<String, String>,
    /// PersistentVolumes of whose copies something is amiss.
    pub copy_attention: SharedMap<String, Attention>,
    /// Numbers of the names of the nodes that each PersistentVolume's copies are on, or are looked for by: when one of them changes,
    /// other things may be said of the copies.
    pub copy_nodes: SharedMap<String, Box<[u64]>>,
}

/// Which objects name an object, whether it is there or not: what has to be looked at again when it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The claims that name each PersistentVolume, in order of name.
    pub claims_of_volume: SharedMap<String, Vec<Arc<Claim>>>,
    /// The PersistentVolumes that name each claim.
    pub volumes_of_claim: SharedMap<NamespacedName, Vec<String>>,
    /// The PersistentVolumes by the name that their drivers have for them.
    pub volumes_of_handle: SharedMap<String, Vec<String>>,
    /// The PersistentVolumes that are looked for under each name of an engine.
    pub volumes_of_engine: SharedMap<VolumeKey, Vec<String>>,
    /// The snapshots that name each claim.
    pub snapshots_of_claim: SharedMap<NamespacedName, Vec<SnapshotKey>>,
    /// The snapshots that name each content.
    pub snapshots_of_content: SharedMap<ContentKey, Vec<SnapshotKey>>,
    /// The contents that name each snapshot.
    pub contents_of_snapshot: SharedMap<SnapshotKey, Vec<ContentKey>>,
    /// The contents by the name that the driver has for the volume.
    pub contents_of_handle: SharedMap<String, Vec<ContentKey>>,
}

/// Of pods that say that a folder is theirs, the one whose UID it bears: by the API server's word, where the hash of a static pod is an
/// annotation, which whoever may make pods may write as well.
fn whose<'a>(folder: &str, pods: &'a [Arc<Pod>]) -> Option<&'a Arc<Pod>> {
    pods.iter().find(|pod| pod.uid == folder).or(pods.last())
}

impl ClusterMap {
    /// A pod by the name of its folder on its node.
    pub fn pod(&self, folder: &str) -> Option<&Arc<Pod>> {
        whose(folder, self.pods.all(folder))
    }

    /// All pods by the names of their folders, in order of those.
    pub fn folders(&self) -> impl Iterator<Item = (&String, &Arc<Pod>)> {
        let folders = self.pods.iter();
        folders.filter_map(|(folder, pods)| Some((folder, whose(folder, pods)?)))
    }

    /// The claim that has a PersistentVolume: by what the claims say, and no other claim that names the volume while it has another one.
    pub fn claim(&self, volume: &str) -> Option<&Arc<Claim>> {
        let reference = self.volume(volume).and_then(|volume| volume.claim.as_ref());
        let has_it = |claim: &&Arc<Claim>| {
            reference.is_none_or(|reference| {
                reference.name == claim.name && reference.uid.as_ref().is_none_or(|uid| *uid == claim.uid)
            })
        };
        self.names.claims_of_volume.all(volume).iter().rev().find(has_it)
    }

    /// A PersistentVolume by name.
    pub fn volume(&self, name: &str) -> Option<&Arc<PersistentVolume>> {
        self.inventory.volumes.get(name)
    }

    /// What is amiss with a PersistentVolume, or with its copies: the more urgent of both.
    pub fn attention_of_volume(&self, name: &str) -> Option<&Attention> {
        let both = [self.volume_attention.get(name), self.copy_attention.get(name)];
        both.into_iter()
            .flatten()
            .min_by_key(|attention| attention.urgency)
    }

    /// All PersistentVolumes of which something is amiss, in order of name.
    pub fn volumes_in_need(&self) -> impl Iterator<Item = (&String, &Attention)> {
        let names: BTreeSet<&String> = self
            .volume_attention
            .keys()
            .chain(self.copy_attention.keys())
            .collect();
        names
            .into_iter()
            .filter_map(|name| Some((name, self.attention_of_volume(name)?)))
    }

    /// The snapshots of a claim, those that were taken last first.
    pub fn snapshots(&self, claim: &NamespacedName) -> impl Iterator<Item = &Snapshot> {
        let keys = self.claim_snapshots.all(claim).iter();
        keys.filter_map(|key| self.inventory.snapshot(key))
    }

    /// The latest snapshot of a claim from which a volume can be restored.
    pub fn newest_snapshot(&self, claim: &NamespacedName) -> Option<&Snapshot> {
        self.snapshots(claim)
            .find(|snapshot| snapshot.ready == Some(true))
    }

    /// The pods that use a claim and have not ended.
    pub fn users(&self, claim: &NamespacedName) -> &[Arc<Pod>] {
        self.users.all(claim)
    }
}

/// A path of the node that pods use as a volume: the kubelet makes no folder for those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredPath {
    /// The PersistentVolume, or the volume's name in its pod.
    pub name: String,
    /// True where `name` is a PersistentVolume's.
    pub persistent: bool,
    /// The pods' folders' names.
    pub pods: Vec<String>,
    /// The path, as the node has it.
    pub path: String,
}

/// What the API says of volumes that the node's folders cannot tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declared {
    /// Paths of the node that are volumes.
    pub paths: Vec<DeclaredPath>,
    /// Volumes that pods declare themselves, by the pod's folder and the volume's name in it: in-tree plugins' folders
    /// look the same for those and for PersistentVolumes.
    pub inline: BTreeMap<String, Vec<String>>,
}

impl Declared {
    /// True where a pod declares the volume of that name itself.
    pub fn is_inline(&self, folder: &str, name: &str) -> bool {
        self.inline
            .get(folder)
            .is_some_and(|names| names.iter().any(|known| known == name))
    }
}

/// The names of the volumes of a pod that it declares itself, with what each is made of.
pub fn inline_volumes(pod: &Pod) -> impl Iterator<Item = (&str, &super::workload::StorageSource)> {
    pod.volumes.iter().filter_map(|volume| match &volume.source {
        PodVolumeSource::Inline(source) => Some((volume.name.as_str(), source)),
        _ => None,
    })
}
