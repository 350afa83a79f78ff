//! Snapshots of both APIs: as they write them, and the model's.
//!
//! CSI's is described in the CRDs of external-snapshotter; in it a content's `creationTime` is in nanoseconds. The one before CSI
//! tells by its conditions whether a snapshot is ready.

use serde::Deserialize;
use serde_json::Value;

use super::convert::{long, name, size, time, word};
use super::object::Watched;
use super::wire::{Meta, Quantity};
use crate::model::inventory::ResourceKind;
use crate::model::snapshot::{
    DeletionPolicy, ExternalSnapshot, ExternalSnapshotData, Snapshot, SnapshotApi, SnapshotClass,
    SnapshotContent, SnapshotSource,
};
use crate::model::text::shortened;
use crate::model::workload::NamespacedName;

/// A VolumeSnapshot.
#[derive(Debug, Default, Deserialize)]
pub struct WireSnapshot {
    metadata: Option<Meta>,
    spec: Option<SnapshotSpec>,
    status: Option<SnapshotStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotSpec {
    source: Option<Source>,
    volume_snapshot_class_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    persistent_volume_claim_name: Option<String>,
    volume_snapshot_content_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotStatus {
    bound_volume_snapshot_content_name: Option<String>,
    creation_time: Option<String>,
    ready_to_use: Option<bool>,
    restore_size: Option<Quantity>,
    error: Option<SnapshotError>,
}

#[derive(Debug, Default, Deserialize)]
struct SnapshotError {
    message: Option<String>,
}

/// At most so many characters of what went wrong.
const LONGEST_MESSAGE: usize = 1000;

impl SnapshotError {
    /// An error without words is one as well.
    fn into_message(self) -> String {
        let message = self.message.filter(|message| !message.is_empty());
        message.map_or_else(
            || "failed, and does not say why".to_owned(),
            |message| shortened(&message, LONGEST_MESSAGE),
        )
    }
}

impl Watched for Snapshot {
    const KIND: ResourceKind = ResourceKind::Snapshots;
    const API_KIND: &'static str = "VolumeSnapshot";
    type Wire = WireSnapshot;
    type Key = NamespacedName;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &NamespacedName, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let spec = wire.spec.unwrap_or_default();
        let status = wire.status.unwrap_or_default();
        let source = spec.source.unwrap_or_default();
        let claim = name(
            source.persistent_volume_claim_name,
            "spec.source.persistentVolumeClaimName",
            complain,
        );
        let content = name(
            source.volume_snapshot_content_name,
            "spec.source.volumeSnapshotContentName",
            complain,
        );
        Self {
            api: SnapshotApi::Csi,
            uid: meta.uid.unwrap_or_default(),
            name: key.clone(),
            source: claim
                .map(SnapshotSource::Claim)
                .or_else(|| content.map(SnapshotSource::Content)),
            class: name(
                spec.volume_snapshot_class_name,
                "spec.volumeSnapshotClassName",
                complain,
            ),
            content: name(
                status.bound_volume_snapshot_content_name,
                "status.boundVolumeSnapshotContentName",
                complain,
            ),
            ready: status.ready_to_use,
            taken: time(status.creation_time.as_deref(), "status.creationTime", complain),
            // Drivers say 0 where they do not know.
            restore_size: size(status.restore_size, "status.restoreSize", complain)
                .filter(|bytes| *bytes > 0),
            error: status.error.map(SnapshotError::into_message),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        }
    }
}

/// A VolumeSnapshotContent.
#[derive(Debug, Default, Deserialize)]
pub struct WireContent {
    metadata: Option<Meta>,
    spec: Option<ContentSpec>,
    status: Option<ContentStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContentSpec {
    deletion_policy: Option<String>,
    driver: Option<String>,
    source: Option<ContentSource>,
    volume_snapshot_class_name: Option<String>,
    volume_snapshot_ref: Option<SnapshotReference>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContentSource {
    snapshot_handle: Option<String>,
    volume_handle: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct SnapshotReference {
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContentStatus {
    creation_time: Option<i64>,
    error: Option<SnapshotError>,
    ready_to_use: Option<bool>,
    restore_size: Option<i64>,
    snapshot_handle: Option<String>,
}

impl Watched for SnapshotContent {
    const KIND: ResourceKind = ResourceKind::SnapshotContents;
    const API_KIND: &'static str = "VolumeSnapshotContent";
    type Wire = WireContent;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &String, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        const NANOSECONDS: i64 = 1_000_000_000;
        let spec = wire.spec.unwrap_or_default();
        let status = wire.status.unwrap_or_default();
        let source = spec.source.unwrap_or_default();
        let reference = spec.volume_snapshot_ref.unwrap_or_default();
        Self {
            api: SnapshotApi::Csi,
            uid: meta.uid.unwrap_or_default(),
            name: key.clone(),
            driver: known(spec.driver),
            handle: known(status.snapshot_handle).or_else(|| known(source.snapshot_handle)),
            volume_handle: known(source.volume_handle),
            volume: None,
            class: name(
                spec.volume_snapshot_class_name,
                "spec.volumeSnapshotClassName",
                complain,
            ),
            deletion_policy: word(spec.deletion_policy, DeletionPolicy::from_word),
            snapshot: named(reference.namespace, reference.name),
            snapshot_uid: known(reference.uid),
            ready: status.ready_to_use,
            taken: status
                .creation_time
                .filter(|nanoseconds| *nanoseconds > 0)
                .map(|nanoseconds| nanoseconds / NANOSECONDS),
            restore_size: status
                .restore_size
                .and_then(|bytes| u64::try_from(bytes).ok())
                .filter(|bytes| *bytes > 0),
            error: status.error.map(SnapshotError::into_message),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        }
    }
}

/// A VolumeSnapshotClass.
#[derive(Debug, Default, Deserialize)]
pub struct WireClass {
    metadata: Option<Meta>,
    driver: Option<String>,
}

impl Watched for SnapshotClass {
    const KIND: ResourceKind = ResourceKind::SnapshotClasses;
    const API_KIND: &'static str = "VolumeSnapshotClass";
    type Wire = WireClass;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &String, meta: Meta, wire: Self::Wire, _: &mut Vec<String>) -> Self {
        let annotations = meta.annotations.unwrap_or_default();
        Self {
            name: key.clone(),
            driver: known(wire.driver),
            is_default: annotations.default_snapshot_class.as_deref() == Some("true"),
        }
    }
}

/// A VolumeSnapshot of the API before CSI.
#[derive(Debug, Default, Deserialize)]
pub struct WireExternalSnapshot {
    metadata: Option<Meta>,
    spec: Option<ExternalSpec>,
    status: Option<ExternalStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExternalSpec {
    persistent_volume_claim_name: Option<String>,
    snapshot_data_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExternalStatus {
    creation_timestamp: Option<String>,
    conditions: Option<Vec<ExternalCondition>>,
}

#[derive(Debug, Default, Deserialize)]
struct ExternalCondition {
    #[serde(rename = "type")]
    kind: Option<String>,
    status: Option<String>,
    message: Option<String>,
}

impl ExternalStatus {
    fn ready(&self) -> Option<bool> {
        let ready = self.condition("Ready")?;
        match ready.status.as_deref()? {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        }
    }

    fn error(&self) -> Option<String> {
        let error = self.condition("Error")?;
        (error.status.as_deref() == Some("True")).then(|| {
            SnapshotError {
                message: error.message.clone(),
            }
            .into_message()
        })
    }

    fn condition(&self, kind: &str) -> Option<&ExternalCondition> {
        self.conditions
            .iter()
            .flatten()
            .find(|condition| condition.kind.as_deref() == Some(kind))
    }
}

impl Watched for ExternalSnapshot {
    const KIND: ResourceKind = ResourceKind::ExternalSnapshots;
    const API_KIND: &'static str = "VolumeSnapshot";
    type Wire = WireExternalSnapshot;
    type Key = NamespacedName;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &NamespacedName, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let spec = wire.spec.unwrap_or_default();
        let status = wire.status.unwrap_or_default();
        Self(Snapshot {
            api: SnapshotApi::ExternalStorage,
            uid: meta.uid.unwrap_or_default(),
            name: key.clone(),
            source: name(
                spec.persistent_volume_claim_name,
                "spec.persistentVolumeClaimName",
                complain,
            )
            .map(SnapshotSource::Claim),
            class: None,
            content: name(spec.snapshot_data_name, "spec.snapshotDataName", complain),
            ready: status.ready(),
            taken: time(
                known(status.creation_timestamp.clone()).as_deref(),
                "status.creationTimestamp",
                complain,
            ),
            restore_size: None,
            error: status.error(),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        })
    }
}

/// A VolumeSnapshotData.
#[derive(Debug, Default, Deserialize)]
pub struct WireExternalData {
    metadata: Option<Meta>,
    spec: Option<serde_json::Map<String, Value>>,
    status: Option<ExternalStatus>,
}

impl Watched for ExternalSnapshotData {
    const KIND: ResourceKind = ResourceKind::ExternalSnapshotData;
    const API_KIND: &'static str = "VolumeSnapshotData";
    type Wire = WireExternalData;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &String, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let spec = wire.spec.unwrap_or_default();
        let status = wire.status.unwrap_or_default();
        let text =
            |object: &str, field: &str| known(spec.get(object)?.get(field)?.as_str().map(str::to_owned));
        // Beside the two references there is one field, which is named after the sort of storage.
        let source = spec.iter().find(|(field, value)| {
            value.is_object() && !matches!(field.as_str(), "volumeSnapshotRef" | "persistentVolumeRef")
        });
        let handle = source.and_then(|(_, source)| {
            ["snapshotId", "snapshot", "path", "gcePersistentDiskSnapshotName"]
                .iter()
                .find_map(|field| source.get(field)?.as_str())
        });
        let reference = text("volumeSnapshotRef", "name").and_then(|name| {
            // The controller writes `namespace/name`, as the object has no field for the namespace.
            let (namespace, name) = match name.split_once('/') {
                Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
                None => (text("volumeSnapshotRef", "namespace"), name),
            };
            named(namespace, Some(name))
        });
        Self(SnapshotContent {
            api: SnapshotApi::ExternalStorage,
            uid: meta.uid.unwrap_or_default(),
            name: key.clone(),
            driver: known(source.map(|(field, _)| field.clone())),
            handle: known(handle.map(str::to_owned)),
            volume_handle: None,
            volume: text("persistentVolumeRef", "name"),
            class: None,
            deletion_policy: None,
            snapshot: reference,
            snapshot_uid: text("volumeSnapshotRef", "uid"),
            ready: status.ready(),
            taken: time(
                known(status.creation_timestamp.clone()).as_deref(),
                "status.creationTimestamp",
                complain,
            ),
            restore_size: None,
            error: status.error(),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        })
    }
}

fn known(text: Option<String>) -> Option<String> {
    long(text).filter(|text| !text.is_empty())
}

fn named(namespace: Option<String>, name: Option<String>) -> Option<NamespacedName> {
    Some(NamespacedName::new(known(namespace)?, known(name)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::object;

    fn read<T: Watched>(json: &str) -> T {
        let object = object::read::<T>(json);
        assert_eq!(object.faults, []);
        (*object.value.unwrap()).clone()
    }

    #[test]
    fn a_snapshot_that_is_ready() {
        let snapshot: Snapshot = read(
            r#"{"metadata": {"name": "s", "namespace": "shop", "uid": "u", "creationTimestamp": "2026-01-02T03:04:05Z"},
                "spec": {"volumeSnapshotClassName": "daily", "source": {"persistentVolumeClaimName": "data"}},
                "status": {"boundVolumeSnapshotContentName": "snapcontent-u", "creationTime": "2026-01-02T03:04:06Z",
                           "readyToUse": true, "restoreSize": "10Gi"}}"#,
        );
        assert_eq!(snapshot.source, Some(SnapshotSource::Claim("data".into())));
        assert_eq!(snapshot.class.as_deref(), Some("daily"));
        assert_eq!(snapshot.content.as_deref(), Some("snapcontent-u"));
        assert_eq!(
            (snapshot.ready, snapshot.restore_size),
            (Some(true), Some(10 << 30))
        );
        assert_eq!(snapshot.taken.unwrap() - snapshot.created.unwrap(), 1);
    }

    #[test]
    fn a_name_that_is_longer_than_any_costs_itself_and_is_said_once() {
        let json = format!(
            r#"{{"metadata": {{"name": "s", "namespace": "shop", "uid": "u"}},
                "spec": {{"volumeSnapshotClassName": "daily", "source": {{"persistentVolumeClaimName": "{}"}}}},
                "status": {{"error": {{"message": "{}"}}}}}}"#,
            "c".repeat(1_000_000),
            "m".repeat(1_000_000)
        );
        let object = object::read::<Snapshot>(&json);
        let snapshot = object.value.unwrap();
        assert_eq!(
            (&snapshot.source, snapshot.class.as_deref()),
            (&None, Some("daily"))
        );
        assert_eq!(
            snapshot.error.as_ref().map(|error| error.chars().count()),
            Some(LONGEST_MESSAGE + 1)
        );
        assert_eq!(object.faults.len(), 1);
        let said = object.faults[0].to_string();
        assert!(
            said.len() < 300 && said.contains("not a name of an object"),
            "{said}"
        );
    }

    #[test]
    fn a_snapshot_of_which_nothing_is_known_yet() {
        for json in [
            r#"{"metadata": {"name": "s", "namespace": "shop"}}"#,
            r#"{"metadata": {"name": "s", "namespace": "shop"}, "spec": {"source": {}}, "status": {}}"#,
            r#"{"metadata": {"name": "s", "namespace": "shop"}, "spec": {"source": null, "volumeSnapshotClassName": ""}, "status": null}"#,
        ] {
            let snapshot: Snapshot = read(json);
            assert_eq!(snapshot.name, NamespacedName::new("shop", "s"));
            assert_eq!(
                (
                    snapshot.source,
                    snapshot.class,
                    snapshot.content,
                    snapshot.ready,
                    snapshot.error
                ),
                (None, None, None, None, None)
            );
        }
    }

    #[test]
    fn a_snapshot_that_was_there_before() {
        let snapshot: Snapshot = read(
            r#"{"metadata": {"name": "s", "namespace": "shop"},
                "spec": {"source": {"volumeSnapshotContentName": "by-hand"}},
                "status": {"readyToUse": false, "error": {"time": "2026-01-02T03:04:06Z"}}}"#,
        );
        assert_eq!(snapshot.source, Some(SnapshotSource::Content("by-hand".into())));
        assert_eq!(snapshot.error.as_deref(), Some("failed, and does not say why"));
    }

    #[test]
    fn a_content_counts_in_nanoseconds() {
        let content: SnapshotContent = read(
            r#"{"metadata": {"name": "snapcontent-u", "uid": "c"},
                "spec": {"deletionPolicy": "Retain", "driver": "disks.example", "source": {"volumeHandle": "handle-1"},
                         "volumeSnapshotRef": {"namespace": "shop", "name": "s", "uid": "u"}},
                "status": {"creationTime": 1767323045123456789, "readyToUse": true, "restoreSize": 0, "snapshotHandle": "snap-1"}}"#,
        );
        assert_eq!(content.taken, Some(1_767_323_045));
        assert_eq!(content.deletion_policy, Some(DeletionPolicy::Retain));
        assert_eq!(content.snapshot, Some(NamespacedName::new("shop", "s")));
        assert_eq!(content.restore_size, None, "0 is not known");
        assert_eq!(content.handle.as_deref(), Some("snap-1"));
        assert_eq!(content.volume_handle.as_deref(), Some("handle-1"));
    }

    #[test]
    fn a_class_may_be_the_default() {
        let class: SnapshotClass = read(
            r#"{"metadata": {"name": "daily", "annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"}},
                "driver": "disks.example", "deletionPolicy": "Delete"}"#,
        );
        assert!(class.is_default);
    }

    #[test]
    fn snapshots_from_before_csi() {
        let ExternalSnapshot(snapshot) = read(
            r#"{"metadata": {"name": "s", "namespace": "shop", "uid": "u"},
                "spec": {"persistentVolumeClaimName": "data", "snapshotDataName": "k8s-volume-snapshot-1"},
                "status": {"creationTimestamp": null, "conditions": [
                    {"type": "Pending", "status": "True"},
                    {"type": "Ready", "status": "True", "message": "Snapshot created successfully"}]}}"#,
        );
        assert_eq!(snapshot.ready, Some(true));
        assert_eq!(snapshot.content.as_deref(), Some("k8s-volume-snapshot-1"));
        let ExternalSnapshotData(data) = read(
            r#"{"metadata": {"name": "k8s-volume-snapshot-1", "uid": "d"},
                "spec": {"awsElasticBlockStore": {"snapshotId": "snap-0a"},
                         "persistentVolumeRef": {"kind": "PersistentVolume", "name": "pv-1"},
                         "volumeSnapshotRef": {"kind": "VolumeSnapshot", "name": "shop/s-1"}},
                "status": {"conditions": [{"type": "Error", "status": "True", "message": "no room"}]}}"#,
        );
        assert_eq!(data.driver.as_deref(), Some("awsElasticBlockStore"));
        assert_eq!(data.handle.as_deref(), Some("snap-0a"));
        assert_eq!(data.volume.as_deref(), Some("pv-1"));
        assert_eq!(data.snapshot, Some(NamespacedName::new("shop", "s-1")));
        assert_eq!(data.error.as_deref(), Some("no room"));
    }
}
