//! CSI's snapshots, their contents and classes. A content's `creationTime` is in nanoseconds.

use super::{long, name, size, time, word};
use crate::cluster::object::Watched;
use crate::cluster::wire::{self, Meta};
use crate::model::inventory::ResourceKind;
use crate::model::snapshot::{
    DeletionPolicy, Snapshot, SnapshotApi, SnapshotClass, SnapshotContent, SnapshotSource,
};
use crate::model::text::shortened;
use crate::model::workload::NamespacedName;

/// At most so many characters of what went wrong.
const LONGEST_MESSAGE: usize = 1000;

/// What went wrong, in words. An error without any is one as well.
pub(super) fn message(error: wire::SnapshotError) -> String {
    let message = error.message.filter(|message| !message.is_empty());
    message.map_or_else(
        || "failed, and does not say why".to_owned(),
        |message| shortened(&message, LONGEST_MESSAGE),
    )
}

impl Watched for Snapshot {
    const KIND: ResourceKind = ResourceKind::Snapshots;
    const API_KIND: &'static str = "VolumeSnapshot";
    type Wire = wire::VolumeSnapshot;
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
            error: status.error.map(message),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        }
    }
}

impl Watched for SnapshotContent {
    const KIND: ResourceKind = ResourceKind::SnapshotContents;
    const API_KIND: &'static str = "VolumeSnapshotContent";
    type Wire = wire::VolumeSnapshotContent;
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
            error: status.error.map(message),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        }
    }
}

impl Watched for SnapshotClass {
    const KIND: ResourceKind = ResourceKind::SnapshotClasses;
    const API_KIND: &'static str = "VolumeSnapshotClass";
    type Wire = wire::VolumeSnapshotClass;
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

/// A text that says something.
pub(super) fn known(text: Option<String>) -> Option<String> {
    long(text).filter(|text| !text.is_empty())
}

/// The name of an object in a namespace, where both are there.
pub(super) fn named(namespace: Option<String>, name: Option<String>) -> Option<NamespacedName> {
    Some(NamespacedName::new(known(namespace)?, known(name)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::convert::read;
    use crate::cluster::object;

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
}
