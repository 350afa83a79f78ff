//! Snapshots of the API before CSI: they tell by their conditions whether they are ready.

use super::snapshot::{known, message, named};
use super::{name, time};
use crate::cluster::object::Watched;
use crate::cluster::wire::{self, Meta};
use crate::model::inventory::ResourceKind;
use crate::model::snapshot::{
    ExternalSnapshot, ExternalSnapshotData, Snapshot, SnapshotApi, SnapshotContent, SnapshotSource,
};
use crate::model::workload::NamespacedName;

/// Whether something can be made from it.
fn ready(status: &wire::ExternalStatus) -> Option<bool> {
    match status.condition("Ready")?.status.as_deref()? {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    }
}

/// When it was taken.
fn taken(status: &wire::ExternalStatus, complain: &mut Vec<String>) -> Option<i64> {
    let told = known(status.creation_timestamp.clone());
    time(told.as_deref(), "status.creationTimestamp", complain)
}

/// What went wrong.
fn error(status: &wire::ExternalStatus) -> Option<String> {
    let error = status.condition("Error")?;
    (error.status.as_deref() == Some("True")).then(|| {
        message(wire::SnapshotError {
            message: error.message.clone(),
        })
    })
}

impl Watched for ExternalSnapshot {
    const KIND: ResourceKind = ResourceKind::ExternalSnapshots;
    const API_KIND: &'static str = "VolumeSnapshot";
    type Wire = wire::ExternalSnapshot;
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
            ready: ready(&status),
            taken: taken(&status, complain),
            restore_size: None,
            error: error(&status),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        })
    }
}

impl Watched for ExternalSnapshotData {
    const KIND: ResourceKind = ResourceKind::ExternalSnapshotData;
    const API_KIND: &'static str = "VolumeSnapshotData";
    type Wire = wire::ExternalSnapshotData;
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
            ready: ready(&status),
            taken: taken(&status, complain),
            restore_size: None,
            error: error(&status),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::convert::read;

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
