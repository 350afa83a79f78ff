//! PersistentVolumeClaims.

use super::{access_modes, holds, size, time, volume_mode, word};
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
        let got = status.access_modes.filter(|modes| !modes.is_empty());
        Self {
            uid: meta.uid.unwrap_or_default(),
            name: key.clone(),
            phase: word(status.phase, ClaimPhase::from_word),
            class: spec
                .storage_class_name
                .or_else(|| meta.annotations.and_then(|annotations| annotations.class_beta)),
            volume: spec.volume_name.filter(|name| !name.is_empty()),
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
            access_modes: access_modes(got.or(spec.access_modes)),
            mode: volume_mode(spec.volume_mode.as_deref()),
            data_source: spec.data_source_ref.or(spec.data_source).and_then(|source| {
                Some(DataSource {
                    kind: source.kind?,
                    group: source.api_group.filter(|group| !group.is_empty()),
                    namespace: source.namespace,
                    name: source.name?,
                })
            }),
            conditions: status
                .conditions
                .into_iter()
                .flatten()
                .filter_map(|condition| {
                    Some(Condition {
                        kind: condition.kind?,
                        holds: holds(condition.status.as_deref()),
                        reason: condition.reason,
                        message: condition.message,
                        since: time(
                            condition.last_transition_time.as_deref(),
                            "lastTransitionTime",
                            complain,
                        ),
                    })
                })
                .collect(),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            deletion: time(meta.deletion_timestamp.as_deref(), "deletionTimestamp", complain),
        }
    }
}
