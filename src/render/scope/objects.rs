//! Pods, claims and storage classes of the Kubernetes API as Scope's nodes, on the ids that Scope's own probe gives them.
//!
//! Scope draws the edges itself: from a pod to the claims that it names, from a claim to its volume and its class. Only
//! what it does not know of is in `adjacency`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::facts::{
    ACCESS_MODES, CLAIMS_OF_POD, CLASS, CLASS_OF_CLAIM, Fact, NAME, NAMESPACE, NODE_TYPE, PROVISIONER,
    STATUS, VOLUME, VOLUME_OF_CLAIM, latest, listed, templates,
};
use super::report::{MetadataTemplate, Node, Nodes, Topology};
use super::snapshots::source_of;
use super::{engines, ids, volumes};
use crate::model::bytes::Bytes;
use crate::model::cluster_map::{Attention, ClusterMap};
use crate::model::copies::Copies;
use crate::model::workload::{
    AccessMode, Claim, DeclaredVolume, NamespacedName, PersistentVolume, Pod, PodVolumeSource, StorageClass,
    StorageSource,
};

const CLAIM_ATTENTION: Fact = ("storage_claim_attention", "Needs attention");
pub(super) const CLAIM_DEVICE_ATTENTION: Fact = ("storage_claim_device_attention", "Disks need attention");
const CLAIM_SIZE: Fact = ("storage_claim_capacity", "Given");
const CLAIM_REQUESTED: Fact = ("storage_claim_requested", "Asked for");
const CLAIM_USED_BY: Fact = ("storage_claim_used_by", "Used by");
pub(super) const CLAIM_LIES_ON: Fact = ("storage_claim_disks", "Lies on");
const CLAIM_MODES: Fact = ("storage_claim_access_modes", "Access modes");
const CLAIM_MODE: Fact = ("storage_claim_volume_mode", "Volume mode");
const CLAIM_MADE_FROM: Fact = ("storage_claim_source", "Made from");
const CLAIM_CREATED: Fact = ("storage_claim_created", "Created");
const CLAIM_SNAPSHOTS: Fact = ("storage_claim_snapshots", "Snapshots");
const CLAIM_NEWEST_SNAPSHOT: Fact = ("storage_claim_newest_snapshot", "Newest snapshot ready");
const CLAIM_COPIES: Fact = ("storage_claim_copies", "Copies");
const CLAIM_DELETED: Fact = ("storage_claim_deleted", "Deleted");

const CLAIM_FACTS: [Fact; 18] = [
    (NODE_TYPE, "Type"),
    CLAIM_ATTENTION,
    CLAIM_DEVICE_ATTENTION,
    STATUS,
    CLAIM_SIZE,
    CLAIM_USED_BY,
    CLAIM_LIES_ON,
    CLAIM_COPIES,
    CLASS,
    VOLUME,
    CLAIM_REQUESTED,
    CLAIM_MODES,
    CLAIM_MODE,
    CLAIM_SNAPSHOTS,
    CLAIM_NEWEST_SNAPSHOT,
    CLAIM_MADE_FROM,
    CLAIM_CREATED,
    CLAIM_DELETED,
];

const CLASS_DEFAULT: Fact = ("storage_class_default", "Default");
const CLASS_RECLAIM: Fact = ("storage_class_reclaim_policy", "Reclaim policy");
const CLASS_BINDING: Fact = ("storage_class_binding_mode", "Binding mode");
const CLASS_EXPANSION: Fact = ("storage_class_expansion", "Volume expansion");
const CLASS_CREATED: Fact = ("storage_class_created", "Created");

const CLASS_FACTS: [Fact; 7] = [
    (NODE_TYPE, "Type"),
    PROVISIONER,
    CLASS_DEFAULT,
    CLASS_RECLAIM,
    CLASS_BINDING,
    CLASS_EXPANSION,
    CLASS_CREATED,
];

const POD_STORAGE: Fact = ("storage_pod_volumes", "Storage");

pub(super) const VOLUME_ATTENTION: Fact = ("storage_volume_attention", "Needs attention");
const VOLUME_DECLARED: Fact = ("storage_volume_declared", "Declared capacity");
const VOLUME_CLAIM: Fact = ("storage_volume_claim", "Claim");
const VOLUME_RECLAIM: Fact = ("storage_volume_reclaim_policy", "Reclaim policy");
const VOLUME_FURTHER_MODES: Fact = ("storage_volume_further_access_modes", "Further access modes");
const VOLUME_MIGRATED: Fact = ("storage_volume_migrated_to", "Served by");
const VOLUME_ATTACHED: Fact = ("storage_volume_attached", "Attached to");
const VOLUME_NODES: Fact = ("storage_volume_nodes", "Usable on");
const VOLUME_COPIES: Fact = ("storage_volume_copies", "Copies");
const VOLUME_CREATED: Fact = ("storage_volume_created", "Created");

/// What is said of a PersistentVolume, in the order in which the details panel shows it.
pub(super) const VOLUME_FACTS: [Fact; 24] = [
    (NODE_TYPE, "Type"),
    VOLUME_ATTENTION,
    volumes::DEVICE_ATTENTION,
    STATUS,
    volumes::STATUS,
    volumes::CAPACITY,
    volumes::LIES_ON,
    VOLUME_COPIES,
    VOLUME_CLAIM,
    volumes::DRIVER,
    volumes::HANDLE,
    CLASS,
    volumes::FILESYSTEM,
    volumes::SHARED,
    volumes::PODS,
    VOLUME_DECLARED,
    VOLUME_RECLAIM,
    ACCESS_MODES,
    VOLUME_FURTHER_MODES,
    VOLUME_ATTACHED,
    VOLUME_NODES,
    VOLUME_MIGRATED,
    VOLUME_CREATED,
    volumes::COUNTED_BY,
];

/// What the API says of a PersistentVolume.
pub(super) fn volume_facts<'a>(
    map: &'a ClusterMap,
    volume: &'a PersistentVolume,
    copies: Option<&Copies<'_>>,
) -> [(&'static str, Option<Cow<'a, str>>); 13] {
    let nodes = map.nodes_of(volume);
    // Scope's probe tells the first alone.
    let (first, further) = volume.access_modes.split_at(volume.access_modes.len().min(1));
    [
        (
            VOLUME_ATTENTION.0,
            attention(map.attention_of_volume(&volume.name)),
        ),
        (STATUS.0, volume.phase.map(|phase| Cow::Borrowed(phase.as_str()))),
        (
            VOLUME_CLAIM.0,
            volume
                .claim
                .as_ref()
                .map(|claim| Cow::Owned(claim.name.to_string())),
        ),
        (CLASS.0, volume.class.as_deref().map(Cow::Borrowed)),
        (VOLUME_DECLARED.0, bytes(volume.capacity)),
        (
            VOLUME_RECLAIM.0,
            volume.reclaim_policy.map(|policy| Cow::Borrowed(policy.as_str())),
        ),
        (ACCESS_MODES.0, modes(first)),
        (VOLUME_FURTHER_MODES.0, modes(further)),
        (VOLUME_ATTACHED.0, attached(map, volume)),
        (
            VOLUME_NODES.0,
            (!nodes.is_empty()).then(|| Cow::Owned(nodes.join(", "))),
        ),
        (
            VOLUME_MIGRATED.0,
            volume.migrated_to.as_deref().map(Cow::Borrowed),
        ),
        (VOLUME_COPIES.0, copies.and_then(engines::copies)),
        (VOLUME_CREATED.0, moment(volume.created)),
    ]
}

/// `w1, w2 (not yet)`: the nodes to which a volume is attached, or shall be.
fn attached(map: &ClusterMap, volume: &PersistentVolume) -> Option<Cow<'static, str>> {
    let attachments = map.attachments.get(&volume.name)?;
    let nodes: Vec<String> = attachments
        .iter()
        .filter_map(|attachment| {
            let node = attachment.node.as_ref()?;
            Some(match (attachment.deletion, attachment.attached) {
                (Some(_), _) => format!("{node} (being detached)"),
                (None, Some(true)) => node.clone(),
                (None, _) => format!("{node} (not yet)"),
            })
        })
        .collect();
    Some(Cow::Owned(nodes.join(", ")))
}

/// A PersistentVolume of which only the API knows.
pub(super) fn volume_node<'a>(
    map: &'a ClusterMap,
    volume: &'a PersistentVolume,
    copies: Option<&Copies<'_>>,
    taken_at: &'a str,
) -> Option<Node<'a>> {
    let handle = volume.source.as_ref().and_then(StorageSource::handle);
    let own = [
        (NAME, Some(Cow::Borrowed(volume.name.as_str()))),
        (NODE_TYPE, Some(Cow::Borrowed("Persistent Volume"))),
        (volumes::DRIVER.0, volume.driver().map(Cow::Borrowed)),
        (volumes::HANDLE.0, handle.map(Cow::Owned)),
    ];
    let id = ids::object(&volume.uid, ids::PERSISTENT_VOLUME)?;
    let latest = latest(taken_at, own.into_iter().chain(volume_facts(map, volume, copies)));
    let mut node = Node::new(id, ids::PERSISTENT_VOLUME, latest);
    node.adjacency = engines::edges(map, copies);
    node.adjacency.extend(class_of(map, volume.class.as_deref()));
    Some(node)
}

/// The id of a class, for the edge that Scope does not draw: from a volume to its class.
pub(super) fn class_of(map: &ClusterMap, class: Option<&str>) -> Option<String> {
    let class = map.inventory.classes.get(class?)?;
    ids::object(&class.uid, ids::STORAGE_CLASS)
}

/// Most pods that are named with a claim.
const MOST_USERS: usize = 12;

/// A claim, with the copies of its volume. What the kernel says of that is added by who knows it. `None` where the API gave the claim no
/// usable UID.
pub(super) fn claim_node<'a>(
    map: &'a ClusterMap,
    claim: &'a Claim,
    copies: Option<&Copies<'_>>,
    taken_at: &'a str,
) -> Option<Node<'a>> {
    // Pods of another node may use it as well where many nodes can have it: who sees one node cannot tell.
    let one_node = [AccessMode::ReadWriteOnce, AccessMode::ReadWriteOncePod];
    let sees_users =
        map.inventory.role.sees_cluster() || claim.access_modes.iter().all(|mode| one_node.contains(mode));
    let users = map.users(&claim.name).iter().map(|pod| pod.name.name.as_str());
    let source = claim
        .data_source
        .as_ref()
        .map(|source| Cow::Owned(format!("{} {}", source.kind, source.name)));
    let facts = [
        (NAME, Some(Cow::Borrowed(claim.name.name.as_str()))),
        (NAMESPACE, Some(Cow::Borrowed(claim.name.namespace.as_str()))),
        (NODE_TYPE, Some(Cow::Borrowed("Persistent Volume Claim"))),
        (VOLUME_OF_CLAIM, claim.volume.as_deref().map(Cow::Borrowed)),
        (CLASS_OF_CLAIM, claim.class.as_deref().map(Cow::Borrowed)),
        (CLAIM_ATTENTION.0, attention(map.claim_attention.get(&claim.name))),
        (STATUS.0, claim.phase.map(|phase| Cow::Borrowed(phase.as_str()))),
        (CLAIM_SIZE.0, bytes(claim.capacity)),
        (CLAIM_REQUESTED.0, bytes(claim.requested)),
        (
            CLAIM_USED_BY.0,
            sees_users.then(|| Cow::Owned(listed(users, MOST_USERS))),
        ),
        (CLAIM_MODES.0, modes(&claim.access_modes)),
        (CLAIM_MODE.0, Some(Cow::Borrowed(claim.mode.as_str()))),
        (CLAIM_MADE_FROM.0, source),
        (CLAIM_CREATED.0, moment(claim.created)),
        (CLAIM_SNAPSHOTS.0, snapshots_in_words(map, &claim.name)),
        (
            CLAIM_NEWEST_SNAPSHOT.0,
            map.newest_snapshot(&claim.name)
                .and_then(|snapshot| moment(snapshot.taken)),
        ),
        (CLAIM_DELETED.0, moment(claim.deletion)),
        (CLAIM_COPIES.0, copies.and_then(engines::copies)),
    ];
    let id = ids::object(&claim.uid, ids::CLAIM)?;
    let mut node = Node::new(id, ids::CLAIM, latest(taken_at, facts));
    node.adjacency.extend(source_of(map, claim));
    Some(node)
}

/// `3, of them 2 ready`; `None` where the claim has none.
pub(super) fn snapshots_in_words(map: &ClusterMap, claim: &NamespacedName) -> Option<Cow<'static, str>> {
    let all = map.snapshots(claim).count();
    let ready = map
        .snapshots(claim)
        .filter(|snapshot| snapshot.ready == Some(true))
        .count();
    match (all, all - ready) {
        (0, _) => None,
        (_, 0) => Some(Cow::Owned(all.to_string())),
        _ => Some(Cow::Owned(format!("{all}, of them {ready} ready"))),
    }
}

/// A storage class.
pub(super) fn class_node<'a>(class: &'a StorageClass, taken_at: &'a str) -> Option<Node<'a>> {
    let word = |yes: bool, text: &'static str| yes.then_some(Cow::Borrowed(text));
    let facts = [
        (NAME, Some(Cow::Borrowed(class.name.as_str()))),
        (NODE_TYPE, Some(Cow::Borrowed("Storage Class"))),
        (PROVISIONER.0, class.provisioner.as_deref().map(Cow::Borrowed)),
        (CLASS_DEFAULT.0, word(class.is_default, "yes")),
        (
            CLASS_RECLAIM.0,
            class.reclaim_policy.map(|policy| Cow::Borrowed(policy.as_str())),
        ),
        (
            CLASS_BINDING.0,
            class.binding_mode.map(|mode| Cow::Borrowed(mode.as_str())),
        ),
        (CLASS_EXPANSION.0, word(class.allows_expansion, "allowed")),
        (CLASS_CREATED.0, moment(class.created)),
    ];
    let id = ids::object(&class.uid, ids::STORAGE_CLASS)?;
    Some(Node::new(id, ids::STORAGE_CLASS, latest(taken_at, facts)))
}

/// A pod with storage; `None` for one without any. `host` is the id of the host that is looked at, where the pod is on that.
pub(super) fn pod_node<'a>(
    map: &ClusterMap,
    pod: &'a Pod,
    host: Option<&'a str>,
    taken_at: &'a str,
) -> Option<Node<'a>> {
    let claims: Vec<&str> = pod.claims().map(|(_, claim)| claim).collect();
    let volumes: Vec<String> = pod.volumes.iter().filter_map(described).collect();
    if volumes.is_empty() {
        return None;
    }
    // Scope's own probe names only claims that exist apart from pods; both of us write the same key, so those that it leaves
    // out get an edge besides, which stays whoever wrote last.
    let ephemeral = pod.volumes.iter().filter_map(|volume| match &volume.source {
        PodVolumeSource::Claim {
            name,
            ephemeral: true,
            ..
        } => {
            let name = NamespacedName::new(&pod.name.namespace, name);
            ids::object(&map.inventory.claims.get(&name)?.uid, ids::CLAIM)
        }
        _ => None,
    });
    let facts = [
        (NAME, Some(Cow::Borrowed(pod.name.name.as_str()))),
        (NAMESPACE, Some(Cow::Borrowed(pod.name.namespace.as_str()))),
        (CLAIMS_OF_POD, Some(Cow::Owned(claims.join(";")))),
        (POD_STORAGE.0, Some(Cow::Owned(volumes.join("; ")))),
    ];
    let id = ids::object(&pod.uid, ids::POD)?;
    let mut node = Node::new(id, ids::POD, latest(taken_at, facts));
    node.adjacency.extend(ephemeral);
    node.parents.extend(host.map(|host| ("host", [host])));
    Some(node)
}

/// `data: claim data-db-0`, `scratch: empty folder`; `None` for texts.
fn described(volume: &DeclaredVolume) -> Option<String> {
    let what = match &volume.source {
        PodVolumeSource::Text => return None,
        PodVolumeSource::Claim { name, .. } => format!("claim {name}"),
        PodVolumeSource::EmptyDir { memory: true, .. } => "empty folder in memory".to_owned(),
        PodVolumeSource::EmptyDir { .. } => "empty folder".to_owned(),
        PodVolumeSource::Inline(source) => match source.handle() {
            Some(handle) => format!("{} {handle}", source.driver()),
            None => source.driver().to_owned(),
        },
    };
    Some(format!("{}: {what}", volume.name))
}

pub(super) fn attention(attention: Option<&Attention>) -> Option<Cow<'_, str>> {
    attention.map(|attention| Cow::Owned(attention.to_string()))
}

pub(super) fn bytes(bytes: Option<u64>) -> Option<Cow<'static, str>> {
    bytes.map(|bytes| Cow::Owned(Bytes(bytes).to_string()))
}

fn modes(modes: &[AccessMode]) -> Option<Cow<'static, str>> {
    let words: Vec<&str> = modes.iter().map(|mode| mode.as_str()).collect();
    (!words.is_empty()).then(|| Cow::Owned(words.join(", ")))
}

/// A moment as a text: an age would be another one at every look.
pub(super) fn moment(seconds: Option<i64>) -> Option<Cow<'static, str>> {
    let moment = jiff::Timestamp::from_second(seconds?).ok()?;
    Some(Cow::Owned(format!("{moment:.0}")))
}

/// A topology of such nodes.
pub(super) fn topology(
    nodes: Nodes,
    metadata_templates: BTreeMap<&'static str, MetadataTemplate>,
) -> Topology {
    Topology {
        nodes,
        metadata_templates,
        ..Topology::default()
    }
}

/// How claims' texts are shown.
pub(super) fn claim_templates() -> BTreeMap<&'static str, MetadataTemplate> {
    templates(&CLAIM_FACTS)
}

/// How storage classes' texts are shown.
pub(super) fn class_templates() -> BTreeMap<&'static str, MetadataTemplate> {
    templates(&CLASS_FACTS)
}

/// How pods' texts are shown.
pub(super) fn pod_templates() -> BTreeMap<&'static str, MetadataTemplate> {
    templates(&[POD_STORAGE])
}
