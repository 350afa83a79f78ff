//! PersistentVolumeClaims.

use super::{access_modes, holds, items, long, name, size, time, volume_mode, word};
use crate::cluster::object::Watched;
use crate::cluster::wire::{self, Meta};
use crate::model::inventory::ResourceKind;
use crate::model::workload::{Claim, ClaimPhase, Condition, DataSource, NamespacedName};

impl Watched for Claim {
    const KIND: ResourceKind = ResourceKind::Claims;
    const API_KIND: &'static str = "PersistentVolumeClaim";
    type Wire = wire::Claim;
    type Key = NamespacedName;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &NamespacedName, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let spec = wire.spec.unwrap_or_default();
        let status = wire.status.unwrap_or_default();
        let requests = spec.resources.and_then(|resources| resources.requests);
        let got = status.access_modes.filter(|modes| !modes.first.is_empty());
        Self {
            uid: meta.uid.unwrap_or_default(),
            name: key.clone(),
            phase: word(status.phase, ClaimPhase::from_word),
            // The controller that binds claims takes the annotation first. No class at all and one without a name are two things.
            class: meta
                .annotations
                .and_then(|annotations| annotations.class_beta)
                .or(spec.storage_class_name)
                .and_then(|class| {
                    if class.is_empty() {
                        Some(class)
                    } else {
                        name(Some(class), "spec.storageClassName", complain)
                    }
                }),
            volume: name(spec.volume_name, "spec.volumeName", complain),
            requested: size(
                requests.and_then(|requests| requests.storage),
                "spec.resources.requests.storage",
                complain,
            ),
            capacity: size(
                status.capacity.and_then(|capacity| capacity.storage),
                "status.capacity.storage",
                complain,
            ),
            access_modes: access_modes(got.or(spec.access_modes), "accessModes", complain),
            mode: volume_mode(spec.volume_mode.as_deref()),
            data_source: spec.data_source_ref.or(spec.data_source).and_then(|source| {
                Some(DataSource {
                    kind: long(source.kind)?,
                    group: long(source.api_group).filter(|group| !group.is_empty()),
                    namespace: name(source.namespace, "spec.dataSourceRef.namespace", complain),
                    name: name(source.name, "spec.dataSource.name", complain)?,
                })
            }),
            conditions: items(status.conditions, "status.conditions", complain)
                .filter_map(|condition| {
                    Some(Condition {
                        kind: long(condition.kind)?,
                        holds: holds(condition.status.as_deref()),
                        reason: long(condition.reason),
                        message: long(condition.message),
                    })
                })
                .collect(),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        }
    }
}
