//! PersistentVolumes.

use super::{access_modes, long, name, size, storage, time, volume_mode, word};
use crate::cluster::object::Watched;
use crate::cluster::wire::{self, Meta};
use crate::model::inventory::ResourceKind;
use crate::model::workload::{
    ClaimReference, NamespacedName, NodeRequirement, PersistentVolume, ReclaimPolicy, VolumeDetails,
    VolumePhase,
};

impl Watched for PersistentVolume {
    const KIND: ResourceKind = ResourceKind::Volumes;
    const API_KIND: &'static str = "PersistentVolume";
    type Wire = wire::PersistentVolume;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &String, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let annotations = meta.annotations.unwrap_or_default();
        let mut spec = wire.spec.unwrap_or_default();
        let status = wire.status.unwrap_or_default();
        let storage = spec.storage();
        let details = details(
            storage.csi.as_ref().and_then(|csi| csi.volume_attributes.clone()),
            meta.labels.and_then(|labels| labels.cas_type),
            annotations.disk_claim,
        );
        let source = storage::storage(storage, complain);
        Self {
            uid: meta.uid.unwrap_or_default(),
            name: key.clone(),
            phase: word(status.phase, VolumePhase::from_word),
            reason: long(status.reason).filter(|reason| !reason.is_empty()),
            message: long(status.message).filter(|message| !message.is_empty()),
            // In the order of the controller that binds claims.
            class: name(
                annotations.class_beta.or(spec.storage_class_name),
                "spec.storageClassName",
                complain,
            ),
            capacity: size(
                spec.capacity.and_then(|capacity| capacity.storage),
                "spec.capacity.storage",
                complain,
            ),
            access_modes: access_modes(spec.access_modes, "spec.accessModes", complain),
            reclaim_policy: word(spec.persistent_volume_reclaim_policy, ReclaimPolicy::from_word),
            mode: volume_mode(spec.volume_mode.as_deref()),
            claim: spec.claim_ref.and_then(|claim| {
                let namespace = name(claim.namespace, "spec.claimRef.namespace", complain);
                let claimed = name(claim.name, "spec.claimRef.name", complain);
                Some(ClaimReference {
                    name: NamespacedName::new(namespace?, claimed?),
                    uid: claim.uid.filter(|uid| !uid.is_empty()),
                })
            }),
            source,
            migrated_to: annotations.migrated_to,
            provisioned_by: annotations.provisioned_by,
            details,
            node_affinity: affinity(spec.node_affinity),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        }
    }
}

fn details(
    attributes: Option<wire::VolumeAttributes>,
    cas_type: Option<String>,
    disk_claim: Option<String>,
) -> Option<Box<VolumeDetails>> {
    let attributes = attributes.unwrap_or_default();
    let details = VolumeDetails {
        cas_type,
        disk_claim,
        copies: attributes.repl,
        pool: attributes.pool,
        cluster: attributes.cluster,
    };
    (details != VolumeDetails::default()).then(|| Box::new(details))
}

fn affinity(affinity: Option<wire::NodeAffinity>) -> Vec<Vec<NodeRequirement>> {
    let terms = affinity
        .and_then(|affinity| affinity.required)
        .and_then(|required| required.node_selector_terms);
    terms
        .into_iter()
        .flatten()
        .map(|term| {
            let expressions = term.match_expressions.into_iter().flatten();
            expressions
                .chain(term.match_fields.into_iter().flatten())
                .filter_map(|requirement| {
                    Some(NodeRequirement {
                        key: requirement.key?,
                        operator: requirement.operator?,
                        values: requirement.values.unwrap_or_default(),
                    })
                })
                .collect()
        })
        .collect()
}
