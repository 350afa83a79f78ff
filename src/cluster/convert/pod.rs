//! Pods.

use super::storage::storage;
use super::{amount, time, word};
use crate::cluster::object::Watched;
use crate::cluster::wire::{self, Meta};
use crate::model::inventory::ResourceKind;
use crate::model::quantity;
use crate::model::workload::{
    Container, DeclaredVolume, Limits, NamespacedName, Owner, Pod, PodPhase, PodVolumeSource, StorageSource,
};

impl Watched for Pod {
    const KIND: ResourceKind = ResourceKind::Pods;
    const API_KIND: &'static str = "Pod";
    type Wire = wire::Pod;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn key(meta: &Meta) -> Option<String> {
        // A pod without a name is none either.
        meta.name.as_ref().and(meta.uid.clone())
    }

    fn convert(key: &String, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let annotations = meta.annotations.unwrap_or_default();
        let spec = wire.spec.unwrap_or_default();
        let status = wire.status.unwrap_or_default();
        let name = namespaced(meta.namespace, meta.name);
        let containers = containers(spec.containers, spec.init_containers, complain);
        let limits = limits(spec.resources, "resources", complain);
        let volumes = spec
            .volumes
            .into_iter()
            .flatten()
            .filter_map(|volume| declared(volume, &name.name, complain))
            .collect();
        Self {
            uid: key.clone(),
            node: spec.node_name.filter(|node| !node.is_empty()),
            ip: status.pod_ip.filter(|ip| !ip.is_empty()).map(Into::into),
            phase: word(status.phase, PodPhase::from_word),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            owner: meta
                .owner_references
                .into_iter()
                .flatten()
                .find(|owner| owner.controller == Some(true))
                .and_then(|owner| {
                    Some(Owner {
                        kind: owner.kind?,
                        name: owner.name?,
                    })
                }),
            // Only mirror pods bear the hash in the API; elsewhere somebody copied an annotation.
            static_hash: annotations.config_mirror.and(annotations.config_hash),
            name,
            containers,
            limits,
            volumes,
        }
    }
}

/// The containers that run as long as the pod does.
fn containers(
    own: Option<Vec<wire::Container>>,
    before: Option<Vec<wire::Container>>,
    complain: &mut Vec<String>,
) -> Box<[Container]> {
    let sidecars = before
        .into_iter()
        .flatten()
        .filter(|container| container.restart_policy.as_deref() == Some("Always"));
    sidecars
        .chain(own.into_iter().flatten())
        .filter_map(|container| {
            let name = container.name?;
            let limits = limits(container.resources, &format!("container {name}"), complain);
            Some(Container {
                name: name.into(),
                limits,
            })
        })
        .collect()
}

/// A limit of 0 is none: so Kubernetes has it.
fn limits(resources: Option<wire::ContainerResources>, place: &str, complain: &mut Vec<String>) -> Limits {
    let limits = resources
        .and_then(|resources| resources.limits)
        .unwrap_or_default();
    Limits {
        cpu: amount(
            limits.cpu,
            quantity::nanocores,
            || format!("{place}: limit of cpu"),
            complain,
        )
        .filter(|limit| *limit > 0),
        memory: amount(
            limits.memory,
            quantity::bytes,
            || format!("{place}: limit of memory"),
            complain,
        )
        .filter(|limit| *limit > 0),
    }
}

fn declared(mut volume: wire::PodVolume, pod: &str, complain: &mut Vec<String>) -> Option<DeclaredVolume> {
    let name = volume.name.take()?;
    let texts = [
        &volume.config_map,
        &volume.secret,
        &volume.projected,
        &volume.downward_api,
        &volume.git_repo,
    ];
    let source = if let Some(claim) = volume.persistent_volume_claim {
        PodVolumeSource::Claim {
            name: super::name(claim.claim_name, "persistentVolumeClaim.claimName", complain)?,
            ephemeral: false,
        }
    } else if volume.ephemeral.is_some() {
        PodVolumeSource::Claim {
            name: format!("{pod}-{name}"),
            ephemeral: true,
        }
    } else if let Some(folder) = volume.empty_dir {
        PodVolumeSource::EmptyDir {
            memory: folder.medium.as_deref() == Some("Memory"),
        }
    } else if texts.iter().any(|text| text.is_some()) {
        PodVolumeSource::Text
    } else if volume.image.is_some() {
        PodVolumeSource::Inline(StorageSource::Other {
            field: "image".to_owned(),
        })
    } else {
        // A sort that is newer than this program has no name here.
        PodVolumeSource::Inline(storage(volume.storage()).unwrap_or_else(|| StorageSource::Other {
            field: "unknown".to_owned(),
        }))
    };
    Some(DeclaredVolume { name, source })
}

fn namespaced(namespace: Option<String>, name: Option<String>) -> NamespacedName {
    NamespacedName::new(namespace.unwrap_or_default(), name.unwrap_or_default())
}
