//! Families about snapshots, of both APIs.

use super::cluster::claim_labels;
use super::exposition::{Family, Labels, Page};
use crate::model::cluster_map::ClusterMap;
use crate::model::snapshot::{DeletionPolicy, Snapshot, SnapshotSource};

const INFO: Family = Family::gauge(
    "volumesnapshot_info",
    "A snapshot, its claim, its class and its content. Always 1.",
);
const READY: Family = Family::gauge(
    "volumesnapshot_ready",
    "1 where a volume can be restored from the snapshot, 0 where it cannot; absent where nobody has said so yet.",
);
const TAKEN: Family = Family::gauge(
    "volumesnapshot_creation_time_seconds",
    "When the storage system took the snapshot, in seconds since 1970.",
);
const RESTORE_SIZE: Family = Family::gauge(
    "volumesnapshot_restore_size_bytes",
    "Least size of a volume that is restored from the snapshot.",
);
const ERROR: Family = Family::gauge(
    "volumesnapshot_error",
    "Making the snapshot failed last, and it is not ready. Always 1.",
);
const ATTENTION: Family = Family::gauge(
    "volumesnapshot_attention",
    "A snapshot that needs attention, and of what sort: failed, lost, pending, deleting. Always 1.",
);
const CONTENT_INFO: Family = Family::gauge(
    "volumesnapshotcontent_info",
    "The storage system's snapshot. Always 1.",
);
const CONTENT_ATTENTION: Family = Family::gauge(
    "volumesnapshotcontent_attention",
    "A content of a snapshot that needs attention, and of what sort: failed, released, deleting. Always 1.",
);
const CLAIM_SNAPSHOTS: Family = Family::gauge(
    "persistentvolumeclaim_snapshots",
    "Snapshots of the claim, ready or not. Absent where it has none.",
);
const CLAIM_NEWEST: Family = Family::gauge(
    "persistentvolumeclaim_newest_snapshot_time_seconds",
    "When the newest snapshot of the claim was taken from which a volume can be restored, in seconds since 1970. Absent where it has none.",
);

/// All families that this file knows, for the reference.
pub fn families() -> impl Iterator<Item = &'static Family> {
    const ALL: [Family; 10] = [
        INFO,
        READY,
        TAKEN,
        RESTORE_SIZE,
        ERROR,
        ATTENTION,
        CONTENT_INFO,
        CONTENT_ATTENTION,
        CLAIM_SNAPSHOTS,
        CLAIM_NEWEST,
    ];
    ALL.iter()
}

/// Writes what is known of the cluster's snapshots.
pub fn write(page: &mut Page<'_>, map: &ClusterMap) {
    let inventory = &map.inventory;
    let snapshots: Vec<(&Snapshot, Labels)> = inventory
        .all_snapshots()
        .map(|snapshot| (snapshot, labels(snapshot)))
        .collect();
    page.family(&INFO, |samples| {
        for (snapshot, labels) in &snapshots {
            let content = inventory.content_of(snapshot);
            let claim = match &snapshot.source {
                Some(SnapshotSource::Claim(claim)) => Some(claim.as_str()),
                _ => None,
            };
            let volume = map.snapshot_volumes.get(&snapshot.key());
            let policy = content.and_then(|content| content.deletion_policy);
            let labels = labels
                .clone()
                .with_known("persistentvolumeclaim", claim)
                .with_known("persistentvolume", volume.map(String::as_str))
                .with_known("volumesnapshotclass", snapshot.class.as_deref())
                .with_known(
                    "volumesnapshotcontent",
                    content.map(|content| content.name.as_str()),
                )
                .with_known("driver", content.and_then(|content| content.driver.as_deref()))
                .with_known("deletion_policy", policy.map(DeletionPolicy::as_str));
            samples.add(&labels, 1_u64);
        }
    });
    page.family(&READY, |samples| {
        for (snapshot, labels) in &snapshots {
            if let Some(ready) = snapshot.ready {
                samples.add(labels, ready);
            }
        }
    });
    page.family(&TAKEN, |samples| {
        for (snapshot, labels) in &snapshots {
            if let Some(taken) = snapshot.taken.and_then(|taken| u64::try_from(taken).ok()) {
                samples.add(labels, taken);
            }
        }
    });
    page.family(&RESTORE_SIZE, |samples| {
        for (snapshot, labels) in &snapshots {
            if let Some(bytes) = snapshot.restore_size {
                samples.add(labels, bytes);
            }
        }
    });
    page.family(&ERROR, |samples| {
        for (snapshot, labels) in &snapshots {
            if snapshot.error.is_some() && snapshot.ready != Some(true) {
                samples.add(labels, 1_u64);
            }
        }
    });
    page.family(&ATTENTION, |samples| {
        for (key, attention) in map.snapshot_attention.iter() {
            if let Some(snapshot) = inventory.snapshot(key) {
                let labels = labels(snapshot).with("kind", attention.urgency.as_str());
                samples.add(&labels, 1_u64);
            }
        }
    });
    write_contents(page, map);
    write_claims(page, map);
}

fn labels(snapshot: &Snapshot) -> Labels {
    Labels::one("namespace", &snapshot.name.namespace)
        .with("volumesnapshot", &snapshot.name.name)
        .with("api", snapshot.api.group())
}

fn write_contents(page: &mut Page<'_>, map: &ClusterMap) {
    page.family(&CONTENT_INFO, |samples| {
        for content in map.inventory.all_snapshot_contents() {
            let of = content.snapshot.as_ref();
            let labels = Labels::one("volumesnapshotcontent", &content.name)
                .with("api", content.api.group())
                .with_known("driver", content.driver.as_deref())
                .with_known("snapshot_handle", content.handle.as_deref())
                .with_known(
                    "deletion_policy",
                    content.deletion_policy.map(DeletionPolicy::as_str),
                )
                .with_known("namespace", of.map(|name| name.namespace.as_str()))
                .with_known("volumesnapshot", of.map(|name| name.name.as_str()));
            samples.add(&labels, 1_u64);
        }
    });
    page.family(&CONTENT_ATTENTION, |samples| {
        for ((api, name), attention) in map.snapshot_content_attention.iter() {
            let labels = Labels::one("volumesnapshotcontent", name)
                .with("api", api.group())
                .with("kind", attention.urgency.as_str());
            samples.add(&labels, 1_u64);
        }
    });
}

fn write_claims(page: &mut Page<'_>, map: &ClusterMap) {
    let claims: Vec<_> = map.claim_snapshots.keys().collect();
    page.family(&CLAIM_SNAPSHOTS, |samples| {
        for claim in &claims {
            samples.add(&claim_labels(claim), map.snapshots(claim).count());
        }
    });
    page.family(&CLAIM_NEWEST, |samples| {
        for claim in &claims {
            let newest = map.newest_snapshot(claim);
            if let Some(taken) = newest.and_then(|snapshot| u64::try_from(snapshot.taken?).ok()) {
                samples.add(&claim_labels(claim), taken);
            }
        }
    });
}
