//! Snapshots and their contents as Scope's nodes.
//!
//! Scope draws the edges from a volume to its snapshots and from a snapshot to its content. It knows the API before CSI alone; CSI's
//! are shown by the same keys. One of them is misspelt in Scope, and so it is here.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::facts::{Fact, NAME, NAMESPACE, NODE_TYPE, VOLUME_OF_CLAIM, latest, templates};
use super::ids;
use super::objects::{attention, bytes, moment};
use super::report::{MetadataTemplate, Node};
use crate::model::cluster_map::ClusterMap;
use crate::model::snapshot::{DeletionPolicy, Snapshot, SnapshotApi, SnapshotContent, SnapshotSource};
use crate::model::workload::{Claim, NamespacedName};

/// Scope's key for the volume of a snapshot is the one that it has for the volume of a claim.
const VOLUME_OF_SNAPSHOT: &str = VOLUME_OF_CLAIM;
const CONTENT_OF_SNAPSHOT: &str = "kuberneets_snapshot_data";

const ATTENTION: Fact = ("storage_snapshot_attention", "Needs attention");
const STATUS: Fact = ("storage_snapshot_status", "Status");
const TAKEN: Fact = ("storage_snapshot_taken", "Taken");
const CLAIM: Fact = ("storage_snapshot_claim", "Claim");
const SIZE: Fact = ("storage_snapshot_size", "Restore size");
const CLASS: Fact = ("storage_snapshot_class", "Snapshot class");
const DRIVER: Fact = ("storage_snapshot_driver", "Driver");
const POLICY: Fact = ("storage_snapshot_deletion_policy", "Deletion policy");
const HANDLE: Fact = ("storage_snapshot_handle", "Handle");
const ERROR: Fact = ("storage_snapshot_error", "Error");
const VOLUME: Fact = ("storage_snapshot_volume", "Volume");
const CONTENT: Fact = ("storage_snapshot_content", "Content");
const OF: Fact = ("storage_snapshot_of", "Snapshot");
const CREATED: Fact = ("storage_snapshot_created", "Created");
const DELETED: Fact = ("storage_snapshot_deleted", "Deleted");

const SNAPSHOT_FACTS: [Fact; 14] = [
    (NODE_TYPE, "Type"),
    ATTENTION,
    STATUS,
    TAKEN,
    CLAIM,
    SIZE,
    CLASS,
    DRIVER,
    POLICY,
    ERROR,
    VOLUME,
    CONTENT,
    CREATED,
    DELETED,
];

const CONTENT_FACTS: [Fact; 13] = [
    (NODE_TYPE, "Type"),
    ATTENTION,
    STATUS,
    TAKEN,
    OF,
    HANDLE,
    SIZE,
    DRIVER,
    POLICY,
    CLASS,
    ERROR,
    CREATED,
    DELETED,
];

/// A snapshot; `None` where the API gave it no usable UID.
pub(super) fn snapshot_node<'a>(
    map: &'a ClusterMap,
    snapshot: &'a Snapshot,
    taken_at: &'a str,
) -> Option<Node<'a>> {
    let key = snapshot.key();
    let content = map.inventory.content_of(snapshot);
    let volume = map.snapshot_volumes.get(&key);
    let class = snapshot
        .class
        .as_ref()
        .or_else(|| content.and_then(|content| content.class.as_ref()));
    let driver = content
        .and_then(|content| content.driver.as_ref())
        .or_else(|| map.inventory.snapshot_classes.get(class?)?.driver.as_ref());
    let claim = match &snapshot.source {
        Some(SnapshotSource::Claim(claim)) => Some(claim),
        _ => None,
    };
    let facts = [
        (NAME, text(Some(&snapshot.name.name))),
        (NAMESPACE, text(Some(&snapshot.name.namespace))),
        (NODE_TYPE, Some(Cow::Borrowed("Volume Snapshot"))),
        (VOLUME_OF_SNAPSHOT, text(volume)),
        (CONTENT_OF_SNAPSHOT, text(content.map(|content| &content.name))),
        (ATTENTION.0, attention(map.snapshot_attention.get(&key))),
        (STATUS.0, Some(status(snapshot.ready))),
        (TAKEN.0, moment(snapshot.taken)),
        (CLAIM.0, text(claim)),
        (SIZE.0, bytes(snapshot.restore_size)),
        (CLASS.0, text(class)),
        (DRIVER.0, text(driver)),
        (POLICY.0, policy(content)),
        (ERROR.0, text(snapshot.error.as_ref())),
        (VOLUME.0, text(volume)),
        (CONTENT.0, text(content.map(|content| &content.name))),
        (CREATED.0, moment(snapshot.created)),
        (DELETED.0, moment(snapshot.deletion)),
    ];
    let id = ids::object(&snapshot.uid, ids::VOLUME_SNAPSHOT)?;
    Some(Node::new(id, ids::VOLUME_SNAPSHOT, latest(taken_at, facts)))
}

/// The content of a snapshot.
pub(super) fn content_node<'a>(
    map: &'a ClusterMap,
    content: &'a SnapshotContent,
    taken_at: &'a str,
) -> Option<Node<'a>> {
    let key = (content.api, content.name.clone());
    let of = content.snapshot.as_ref().map(|name| Cow::Owned(name.to_string()));
    let facts = [
        (NAME, text(Some(&content.name))),
        (NODE_TYPE, Some(Cow::Borrowed("Volume Snapshot Data"))),
        (ATTENTION.0, attention(map.snapshot_content_attention.get(&key))),
        (STATUS.0, Some(status(content.ready))),
        (TAKEN.0, moment(content.taken)),
        (OF.0, of),
        (HANDLE.0, text(content.handle.as_ref())),
        (SIZE.0, bytes(content.restore_size)),
        (DRIVER.0, text(content.driver.as_ref())),
        (POLICY.0, policy(Some(content))),
        (CLASS.0, text(content.class.as_ref())),
        (ERROR.0, text(content.error.as_ref())),
        (CREATED.0, moment(content.created)),
        (DELETED.0, moment(content.deletion)),
    ];
    let id = ids::object(&content.uid, ids::VOLUME_SNAPSHOT_DATA)?;
    Some(Node::new(id, ids::VOLUME_SNAPSHOT_DATA, latest(taken_at, facts)))
}

/// The id of what a claim's volume was filled from: a snapshot, or the claim that it is a clone of.
pub(super) fn source_of(map: &ClusterMap, claim: &Claim) -> Option<String> {
    let source = claim.data_source.as_ref()?;
    let namespace = source.namespace.as_deref().unwrap_or(&claim.name.namespace);
    match source.kind.as_str() {
        "VolumeSnapshot" => {
            let name = NamespacedName::new(namespace, &source.name);
            let of_api = |api: SnapshotApi| {
                let group = source.group.as_deref();
                let is_its = group.is_none_or(|group| group == api.group());
                map.inventory.snapshot(&(api, name.clone())).filter(|_| is_its)
            };
            let snapshot = of_api(SnapshotApi::Csi).or_else(|| of_api(SnapshotApi::ExternalStorage))?;
            ids::object(&snapshot.uid, ids::VOLUME_SNAPSHOT)
        }
        "PersistentVolumeClaim" => {
            let name = NamespacedName::new(namespace, &source.name);
            ids::object(&map.inventory.claims.get(&name)?.uid, ids::CLAIM)
        }
        _ => None,
    }
}

/// How snapshots' texts are shown.
pub(super) fn snapshot_templates() -> BTreeMap<&'static str, MetadataTemplate> {
    templates(&SNAPSHOT_FACTS)
}

/// How contents' texts are shown.
pub(super) fn content_templates() -> BTreeMap<&'static str, MetadataTemplate> {
    templates(&CONTENT_FACTS)
}

fn text(text: Option<&String>) -> Option<Cow<'_, str>> {
    text.map(|text| Cow::Borrowed(text.as_str()))
}

fn status(ready: Option<bool>) -> Cow<'static, str> {
    Cow::Borrowed(match ready {
        Some(true) => "ready",
        Some(false) => "not ready",
        None => "not known",
    })
}

fn policy(content: Option<&SnapshotContent>) -> Option<Cow<'static, str>> {
    let policy = content?.deletion_policy.map(DeletionPolicy::as_str)?;
    Some(Cow::Borrowed(policy))
}
