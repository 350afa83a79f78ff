//! Families about the cluster's objects: what no single node knows. Names and labels are those of kube-state-metrics
//! wherever it has the same thing.

use super::exposition::{Family, Labels, Page};
use crate::model::cluster_map::ClusterMap;
use crate::model::inventory::{Inventory, ResourceKind};
use crate::model::workload::{
    AccessMode, BindingMode, Claim, ClaimPhase, NamespacedName, PersistentVolume, ReclaimPolicy,
    StorageSource, VolumePhase,
};

const CLAIM_INFO: Family = Family::gauge(
    "persistentvolumeclaim_info",
    "A claim, its class, its volume and how pods get it. Always 1.",
);
const CLAIM_PHASE: Family = Family::gauge(
    "persistentvolumeclaim_status_phase",
    "1 for the phase that the claim is in, 0 for the others.",
);
const CLAIM_REQUESTED: Family = Family::gauge(
    "persistentvolumeclaim_requested_bytes",
    "Bytes that the claim asks for.",
);
const CLAIM_USED_BY: Family = Family::gauge(
    "persistentvolumeclaim_used_by_pods",
    "Pods that use the claim and have not ended: 0 is a claim that nobody uses.",
);
const CLAIM_ATTENTION: Family = Family::gauge(
    "persistentvolumeclaim_attention",
    "A claim that needs attention, and of what sort: lost, pending, deleting, condition, unused. Always 1.",
);
const VOLUME_INFO: Family = Family::gauge(
    "persistentvolume_info",
    "A volume, its class, its driver and the claim that has it, had it or shall have it. Always 1.",
);
const VOLUME_PHASE: Family = Family::gauge(
    "persistentvolume_status_phase",
    "1 for the phase that the volume is in, 0 for the others.",
);
const VOLUME_CAPACITY: Family = Family::gauge(
    "persistentvolume_capacity_bytes",
    "Capacity that the volume declares.",
);
const VOLUME_ATTENTION: Family = Family::gauge(
    "persistentvolume_attention",
    "A volume that needs attention, and of what sort: failed, degraded, pending, released, orphaned, stranded, deleting, available. Always 1.",
);
const CLASS_INFO: Family = Family::gauge("storageclass_info", "A storage class. Always 1.");
const ATTACHMENT_INFO: Family = Family::gauge(
    "volumeattachment_info",
    "A volume that shall be attached to a node. Always 1.",
);
const ATTACHMENT_ATTACHED: Family = Family::gauge(
    "volumeattachment_attached",
    "1 where the volume is attached, 0 where its driver says that it is not.",
);
const ATTACHMENT_ERROR: Family = Family::gauge(
    "volumeattachment_error",
    "Attaching or detaching failed last. Always 1.",
);
const OBJECTS: Family = Family::gauge("kubernetes_objects", "Objects of the kind that are known.");
const WATCH_SYNCED: Family = Family::gauge(
    "kubernetes_watch_synced",
    "1 where all objects of the kind were seen and the API server is heard, 0 where what is shown may be old or missing.",
);
const WATCH_ERRORS: Family = Family::counter(
    "kubernetes_watch_errors_total",
    "Errors of the API server, or on the way to it.",
);
const STALE_SINCE: Family = Family::gauge(
    "kubernetes_stale_since_seconds",
    "Since when the kind is not heard any more, in seconds since 1970; absent while it is.",
);

const LEFT_OUT: Family = Family::gauge(
    "report_left_out_objects",
    "Pods, claims, volumes, snapshots, pools and disks for which the latest Scope report has no room: those that need attention come first.",
);

/// All families that this file knows, for the reference.
pub fn families() -> impl Iterator<Item = &'static Family> {
    const ALL: [Family; 18] = [
        CLAIM_INFO,
        CLAIM_PHASE,
        CLAIM_REQUESTED,
        CLAIM_USED_BY,
        CLAIM_ATTENTION,
        VOLUME_INFO,
        VOLUME_PHASE,
        VOLUME_CAPACITY,
        VOLUME_ATTENTION,
        CLASS_INFO,
        ATTACHMENT_INFO,
        ATTACHMENT_ATTACHED,
        ATTACHMENT_ERROR,
        OBJECTS,
        WATCH_SYNCED,
        WATCH_ERRORS,
        STALE_SINCE,
        LEFT_OUT,
    ];
    ALL.iter()
}

/// Writes what is known of the whole cluster.
pub fn write(page: &mut Page<'_>, map: &ClusterMap) {
    write_claims(page, map);
    write_volumes(page, map);
    write_classes(page, &map.inventory);
    write_attachments(page, &map.inventory);
    page.family(&OBJECTS, |samples| {
        let inventory = &map.inventory;
        for (kind, number) in [
            (ResourceKind::Pods, inventory.pods.len()),
            (ResourceKind::Claims, inventory.claims.len()),
            (ResourceKind::Volumes, inventory.volumes.len()),
            (ResourceKind::Classes, inventory.classes.len()),
            (ResourceKind::Attachments, inventory.attachments.len()),
            (ResourceKind::Snapshots, inventory.snapshots.len()),
            (ResourceKind::SnapshotContents, inventory.snapshot_contents.len()),
        ] {
            // What was not seen whole is not counted: it would be 0 before the API server answers.
            if inventory.knows_all(kind) {
                samples.add(&Labels::one("resource", kind.name()), number);
            }
        }
    });
}

/// Writes how it stands with what is read from the API.
pub fn write_watches(page: &mut Page<'_>, inventory: &Inventory) {
    let watches: Vec<_> = inventory
        .watches
        .iter()
        .map(|(kind, state)| (state, Labels::one("resource", kind.name())))
        .collect();
    page.family(&WATCH_SYNCED, |samples| {
        for (state, labels) in &watches {
            samples.add(labels, state.is_heard());
        }
    });
    page.family(&WATCH_ERRORS, |samples| {
        for (state, labels) in &watches {
            samples.add(labels, state.errors);
        }
    });
    page.family(&STALE_SINCE, |samples| {
        for (state, labels) in &watches {
            if let Some(error) = &state.error
                && let Ok(since) = u64::try_from(state.since)
            {
                samples.add(&labels.clone().with("reason", error.problem.as_str()), since);
            }
        }
    });
}

/// Writes for how many objects the Scope report has no room.
pub fn write_left_out(page: &mut Page<'_>, left_out: Option<usize>) {
    page.family(&LEFT_OUT, |samples| {
        if let Some(left_out) = left_out {
            samples.add(&Labels::none(), left_out);
        }
    });
}

/// The labels that name a claim.
pub(super) fn claim_labels(name: &NamespacedName) -> Labels {
    Labels::one("namespace", &name.namespace).with("persistentvolumeclaim", &name.name)
}

/// Access modes as one label: `RWO`, `ROX,RWX`.
pub(super) fn access_modes(modes: &[AccessMode]) -> String {
    let words: Vec<&str> = modes.iter().map(|mode| mode.short()).collect();
    words.join(",")
}

/// A label of each of these words, to be put behind others: written once, and not for every object.
fn words<T: Copy>(label: &str, all: &[T], word: fn(T) -> &'static str) -> Vec<(T, String)> {
    all.iter()
        .map(|known| (*known, format!("{label}=\"{}\"", word(*known))))
        .collect()
}

/// Writes what is known of claims.
pub(super) fn write_claims(page: &mut Page<'_>, map: &ClusterMap) {
    let claims: Vec<(&Claim, Labels)> = map
        .inventory
        .claims
        .values()
        .map(|claim| (&**claim, claim_labels(&claim.name)))
        .collect();
    page.family(&CLAIM_INFO, |samples| {
        for (claim, labels) in &claims {
            let labels = labels
                .clone()
                .with_known("storageclass", claim.class.as_deref())
                .with_known("persistentvolume", claim.volume.as_deref())
                .with("volume_mode", claim.mode.as_str())
                .with("access_modes", &access_modes(&claim.access_modes));
            samples.add(&labels, 1_u64);
        }
    });
    let phases = words("phase", ClaimPhase::ALL, ClaimPhase::as_str);
    page.family(&CLAIM_PHASE, |samples| {
        for (claim, labels) in &claims {
            if let Some(phase) = claim.phase {
                for (known, label) in &phases {
                    samples.add_with(labels, label, *known == phase);
                }
            }
        }
    });
    page.family(&CLAIM_REQUESTED, |samples| {
        for (claim, labels) in &claims {
            if let Some(bytes) = claim.requested {
                samples.add(labels, bytes);
            }
        }
    });
    // Who does not see the pods cannot say that none uses it.
    if map.inventory.knows_all(ResourceKind::Pods) {
        page.family(&CLAIM_USED_BY, |samples| {
            for (claim, labels) in &claims {
                samples.add(labels, map.users(&claim.name).len());
            }
        });
    }
    page.family(&CLAIM_ATTENTION, |samples| {
        for (name, attention) in map.claim_attention.iter() {
            samples.add(
                &claim_labels(name).with("kind", attention.urgency.as_str()),
                1_u64,
            );
        }
    });
}

fn write_volumes(page: &mut Page<'_>, map: &ClusterMap) {
    let volumes: Vec<(&PersistentVolume, Labels)> = map
        .inventory
        .volumes
        .values()
        .map(|volume| (&**volume, Labels::one("persistentvolume", &volume.name)))
        .collect();
    page.family(&VOLUME_INFO, |samples| {
        for (volume, labels) in &volumes {
            let handle = volume.source.as_ref().and_then(StorageSource::handle);
            let claim = volume.claim.as_ref().map(|claim| &claim.name);
            let labels = labels
                .clone()
                .with_known("storageclass", volume.class.as_deref())
                .with_known("driver", volume.driver())
                .with_known("volume_handle", handle.as_deref())
                .with_known("reclaim_policy", volume.reclaim_policy.map(ReclaimPolicy::as_str))
                .with_known("namespace", claim.map(|name| name.namespace.as_str()))
                .with_known("persistentvolumeclaim", claim.map(|name| name.name.as_str()));
            samples.add(&labels, 1_u64);
        }
    });
    let phases = words("phase", VolumePhase::ALL, VolumePhase::as_str);
    page.family(&VOLUME_PHASE, |samples| {
        for (volume, labels) in &volumes {
            if let Some(phase) = volume.phase {
                for (known, label) in &phases {
                    samples.add_with(labels, label, *known == phase);
                }
            }
        }
    });
    page.family(&VOLUME_CAPACITY, |samples| {
        for (volume, labels) in &volumes {
            if let Some(bytes) = volume.capacity {
                samples.add(labels, bytes);
            }
        }
    });
    page.family(&VOLUME_ATTENTION, |samples| {
        for (name, attention) in map.volumes_in_need() {
            let labels = Labels::one("persistentvolume", name).with("kind", attention.urgency.as_str());
            samples.add(&labels, 1_u64);
        }
    });
}

fn write_classes(page: &mut Page<'_>, inventory: &Inventory) {
    page.family(&CLASS_INFO, |samples| {
        for class in inventory.classes.values() {
            let labels = Labels::one("storageclass", &class.name)
                .with_known("provisioner", class.provisioner.as_deref())
                .with_known("reclaim_policy", class.reclaim_policy.map(ReclaimPolicy::as_str))
                .with_known("volume_binding_mode", class.binding_mode.map(BindingMode::as_str))
                .with("default", if class.is_default { "true" } else { "false" })
                .with(
                    "allow_volume_expansion",
                    if class.allows_expansion { "true" } else { "false" },
                );
            samples.add(&labels, 1_u64);
        }
    });
}

fn write_attachments(page: &mut Page<'_>, inventory: &Inventory) {
    let attachments: Vec<_> = inventory
        .attachments
        .values()
        .map(|attachment| (attachment, Labels::one("volumeattachment", &attachment.name)))
        .collect();
    page.family(&ATTACHMENT_INFO, |samples| {
        for (attachment, labels) in &attachments {
            let labels = labels
                .clone()
                .with_known("attacher", attachment.attacher.as_deref())
                .with_known("node", attachment.node.as_deref())
                .with_known("persistentvolume", attachment.volume.as_deref());
            samples.add(&labels, 1_u64);
        }
    });
    page.family(&ATTACHMENT_ATTACHED, |samples| {
        for (attachment, labels) in &attachments {
            if let Some(attached) = attachment.attached {
                samples.add(labels, attached);
            }
        }
    });
    page.family(&ATTACHMENT_ERROR, |samples| {
        for (attachment, labels) in &attachments {
            for (operation, error) in [
                ("operation=\"attach\"", &attachment.attach_error),
                ("operation=\"detach\"", &attachment.detach_error),
            ] {
                if error.is_some() {
                    samples.add_with(labels, operation, 1_u64);
                }
            }
        }
    });
}
