//! Pods.

use super::storage::storage;
use super::{amount, items, long, shortened, time, word};
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
        let mut volumes: Vec<DeclaredVolume> = items(spec.volumes, "spec.volumes", complain)
            .filter_map(|volume| declared(volume, &name.name, complain))
            .collect();
        // They may have been put into the place of what they are made of, which is ten times as large.
        volumes.shrink_to_fit();
        Self {
            uid: key.clone(),
            node: spec.node_name.filter(|node| !node.is_empty()),
            ip: status.pod_ip.filter(|ip| !ip.is_empty()).map(Into::into),
            phase: word(status.phase, PodPhase::from_word),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
            owner: items(meta.owner_references, "ownerReferences", complain)
                .find(|owner| owner.controller == Some(true))
                .and_then(|owner| {
                    Some(Owner {
                        kind: long(owner.kind)?,
                        name: super::name(owner.name, "ownerReferences.name", complain)?,
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
    own: Option<wire::Containers>,
    before: Option<wire::Containers>,
    complain: &mut Vec<String>,
) -> Box<[Container]> {
    // Where some are left out, the sum of what the others may use would be too small: no limits are known then.
    let are_all = [&own, &before]
        .iter()
        .all(|list| list.as_ref().is_none_or(|list| list.more == 0));
    let sidecars = items(before, "spec.initContainers", complain)
        .filter(|container| container.restart_policy.as_deref() == Some("Always"));
    sidecars
        .chain(items(own, "spec.containers", complain))
        .filter_map(|container| {
            let name = container.name?;
            let place = format!("container {}", shortened(&name));
            let limits = limits(container.resources.filter(|_| are_all), &place, complain);
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
        PodVolumeSource::Inline(
            storage(volume.storage(), complain).unwrap_or_else(|| StorageSource::Other {
                field: "unknown".to_owned(),
            }),
        )
    };
    Some(DeclaredVolume { name, source })
}

fn namespaced(namespace: Option<String>, name: Option<String>) -> NamespacedName {
    NamespacedName::new(namespace.unwrap_or_default(), name.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::object::{self, Reading};

    /// A pod whose specification has `items` in a field of its own.
    fn pod_of(field: &str, items: &str) -> Reading<String, Pod> {
        object::read(&format!(
            r#"{{"metadata": {{"name": "web-0", "namespace": "shop", "uid": "u"}}, "spec": {{"nodeName": "w1", "{field}": [{items}]}}}}"#
        ))
    }

    fn numbered(many: usize, item: impl Fn(usize) -> String) -> String {
        (0..many).map(item).collect::<Vec<String>>().join(",")
    }

    fn said(pod: &Reading<String, Pod>) -> Vec<String> {
        pod.faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn of_volumes_without_number_the_first_are_shown_and_the_rest_said_once() {
        let item = |at| format!(r#"{{"name": "v{at}", "persistentVolumeClaim": {{"claimName": "c{at}"}}}}"#);
        let pod = pod_of("volumes", &numbered(40_000, item));
        let value = pod.value.clone().unwrap();
        assert_eq!(value.claims().count(), 512);
        assert_eq!(value.claims().last(), Some(("v511", "c511")));
        assert_eq!(value.node.as_deref(), Some("w1"), "all else is there");
        assert!(value.volumes.capacity() <= 512, "nothing is held beside them");
        assert_eq!(
            said(&pod),
            [
                "pods shop/web-0: spec.volumes: 40000 entries, as nothing has; all but the first 512 are left out"
            ]
        );
        // As many as no node can attach are a pod like any other.
        let pod = pod_of("volumes", &numbered(512, item));
        assert_eq!(pod.value.unwrap().volumes.len(), 512);
        assert_eq!(pod.faults, []);
    }

    #[test]
    fn items_of_two_letters_are_held_by_hundreds_and_no_more() {
        for field in ["volumes", "containers", "initContainers"] {
            let pod = pod_of(field, &numbered(500_000, |_| "{}".to_owned()));
            assert_eq!(
                said(&pod),
                [format!(
                    "pods shop/web-0: spec.{field}: 500000 entries, as nothing has; all but the first 512 are left out"
                )]
            );
            let spec = format!(r#"{{"{field}": [{}]}}"#, numbered(500_000, |_| "{}".to_owned()));
            let spec: wire::PodSpec = serde_json::from_str(&spec).unwrap();
            let held = spec.volumes.map_or(0, |list| list.first.capacity());
            let held = held + spec.containers.map_or(0, |list| list.first.capacity());
            assert!(held <= 512, "{field}: {held}");
        }
    }

    #[test]
    fn an_owner_of_megabytes_is_none() {
        let owned_by = |name: &str| {
            object::read::<Pod>(&format!(
                r#"{{"metadata": {{"name": "web-0", "namespace": "shop", "uid": "u", "ownerReferences":
                    [{{"kind": "StatefulSet", "name": "{name}", "controller": true}}]}}}}"#
            ))
        };
        let pod = owned_by("web");
        assert_eq!(pod.value.unwrap().owner.as_ref().unwrap().name, "web");
        let pod = owned_by(&"w".repeat(1 << 20));
        assert_eq!((pod.value.unwrap().owner.clone(), pod.faults.len()), (None, 1));
    }

    #[test]
    fn containers_that_are_not_all_there_have_no_sum_of_limits() {
        let item =
            |at| format!(r#"{{"name": "c{at}", "resources": {{"limits": {{"cpu": 1, "memory": "1Gi"}}}}}}"#);
        let whole = pod_of("containers", &numbered(512, item)).value.unwrap();
        assert_eq!(whole.all_limits().memory, Some(512 << 30));
        let cut = pod_of("containers", &numbered(513, item)).value.unwrap();
        assert_eq!((cut.containers.len(), cut.all_limits()), (512, Limits::default()));
    }

    #[test]
    fn monitors_without_number_are_no_handle_of_megabytes() {
        let monitors = numbered(300_000, |_| "\"\"".to_owned());
        let pod = pod_of(
            "volumes",
            &format!(r#"{{"name": "v", "cephfs": {{"monitors": [{monitors}], "path": "/"}}}}"#),
        );
        assert_eq!(
            said(&pod),
            [
                "pods shop/web-0: cephfs.monitors: 300000 entries, as nothing has; all but the first 32 are left out"
            ]
        );
        let pod = pod.value.unwrap();
        let PodVolumeSource::Inline(source) = &pod.volumes[0].source else {
            panic!("{:?}", pod.volumes)
        };
        assert!(source.handle().unwrap().len() < 100);
    }
}
