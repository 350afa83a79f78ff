//! Given this object, this is what is known of it; given these events, these objects.

use std::sync::Arc;

use kube::core::ObjectList;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use super::index::Index;
use super::object::{self, Reading, Watched};
use super::unread::Unread;
use crate::model::volume::VolumeMode;
use crate::model::workload::{
    AccessMode, BindingMode, Claim, ClaimPhase, Limits, NamespacedName, Node, PersistentVolume, Pod,
    PodPhase, PodVolumeSource, ReclaimPolicy, StorageClass, StorageSource, VolumeAttachment, VolumePhase,
};

fn read<T: Watched>(object: &Value) -> Reading<T::Key, T> {
    object::read(&object.to_string())
}

fn value<T: Watched>(object: &Value) -> Arc<T> {
    let object = read::<T>(object);
    assert_eq!(object.faults, []);
    object.value.unwrap()
}

fn pod(uid: &str, volumes: &Value) -> Value {
    json!({
        "metadata": {"name": "web-0", "namespace": "shop", "uid": uid, "resourceVersion": "7"},
        "spec": {"nodeName": "worker-1", "volumes": volumes},
        "status": {"phase": "Running"},
    })
}

#[test]
fn a_pod_may_use_what_its_containers_may() {
    let read = |spec: Value| {
        value::<Pod>(&json!({
            "metadata": {"name": "web-0", "namespace": "shop", "uid": "u1"},
            "spec": spec,
            "status": {"phase": "Running", "podIP": "10.1.2.3"},
        }))
    };
    let limited = |name: &str, cpu: &str, memory: &str| json!({"name": name, "image": "i", "resources": {"limits": {"cpu": cpu, "memory": memory}}});
    let sidecar = {
        let mut sidecar = limited("proxy", "100m", "64Mi");
        sidecar["restartPolicy"] = "Always".into();
        sidecar
    };
    let pod = read(json!({
        "initContainers": [limited("prepare", "4", "4Gi"), sidecar],
        "containers": [limited("web", "1500m", "1Gi")],
    }));
    assert_eq!(pod.ip.as_deref(), Some("10.1.2.3"));
    let names: Vec<&str> = pod.containers.iter().map(|container| &*container.name).collect();
    assert_eq!(names, ["proxy", "web"]);
    let limits = |cpu, memory| Limits { cpu, memory };
    assert_eq!(
        pod.containers[1].limits,
        limits(Some(1_500_000_000), Some(1 << 30))
    );
    assert_eq!(
        pod.all_limits(),
        limits(Some(1_600_000_000), Some((1 << 30) + (64 << 20)))
    );
    // One that may use as much as there is makes the pod such a one; so does a limit of 0.
    let pod = read(json!({"containers": [limited("web", "0", "1Gi"), {"name": "free", "image": "i"}]}));
    assert_eq!(pod.containers[0].limits, limits(None, Some(1 << 30)));
    assert_eq!(pod.all_limits(), Limits::default());
    // What the pod says itself holds.
    let pod = read(json!({"containers": [{"name": "web"}], "resources": {"limits": {"memory": "2Gi"}}}));
    assert_eq!(pod.all_limits(), limits(None, Some(2 << 30)));
    assert_eq!(read(json!({"containers": null})).all_limits(), Limits::default());
}

#[test]
fn a_limit_that_is_none_is_named_and_costs_nothing_else() {
    let pod = read::<Pod>(&json!({
        "metadata": {"name": "web-0", "namespace": "shop", "uid": "u1"},
        "spec": {"containers": [{"name": "web", "resources": {"limits": {"cpu": "lots", "memory": "1Gi"}}}]},
    }));
    assert_eq!(
        pod.faults[0].to_string(),
        "pods shop/web-0: container web: limit of cpu `lots`: not a quantity (10Gi, 1.5T, 1e9, 250m)"
    );
    assert_eq!(pod.value.unwrap().containers[0].limits.memory, Some(1 << 30));
}

#[test]
fn a_pods_volumes_are_told_apart() {
    let pod = value::<Pod>(&pod(
        "u1",
        &json!([
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0", "readOnly": true}},
            {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            {"name": "token", "projected": {"sources": []}},
            {"name": "logs", "hostPath": {"path": "/var/log", "type": ""}},
            {"name": "secrets", "csi": {"driver": "secrets-store.csi.k8s.io"}},
            {"name": "media", "nfs": {"server": "10.0.0.5", "path": "/media"}},
            {"name": "brick", "glusterfs": {"endpoints": "g", "path": "v"}},
            {"name": "of tomorrow", "antimatter": {"mass": 1}},
        ]),
    ));
    assert_eq!(pod.node.as_deref(), Some("worker-1"));
    assert_eq!(pod.phase, Some(PodPhase::Running));
    assert_eq!(
        pod.claims().collect::<Vec<_>>(),
        [("data", "data-web-0"), ("scratch", "web-0-scratch")]
    );
    let source = |name: &str| {
        &pod.volumes
            .iter()
            .find(|volume| volume.name == name)
            .unwrap()
            .source
    };
    assert_eq!(*source("shm"), PodVolumeSource::EmptyDir { memory: true });
    assert_eq!(*source("token"), PodVolumeSource::Text);
    let inline = |name: &str| match source(name) {
        PodVolumeSource::Inline(storage) => (storage.driver().to_owned(), storage.handle()),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        inline("logs"),
        ("kubernetes.io/host-path".into(), Some("/var/log".into()))
    );
    assert_eq!(inline("secrets"), ("secrets-store.csi.k8s.io".into(), None));
    assert_eq!(
        inline("media"),
        ("kubernetes.io/nfs".into(), Some("10.0.0.5:/media".into()))
    );
    assert_eq!(inline("brick"), ("glusterfs".into(), None));
    assert_eq!(inline("of tomorrow"), ("unknown".into(), None));
    assert_eq!(pod.volumes.len(), 10);
}

#[test]
fn a_static_pods_folder_bears_its_hash() {
    let mut object = pod("u1", &json!(null));
    assert_eq!(value::<Pod>(&object).folder(), "u1");
    object["metadata"]["annotations"] = json!({"kubernetes.io/config.hash": "abc"});
    assert_eq!(value::<Pod>(&object).folder(), "u1", "a copied annotation");
    object["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("abc");
    assert_eq!(value::<Pod>(&object).folder(), "abc");
}

#[test]
fn a_claim_says_what_it_asked_for_and_what_it_has_got() {
    let claim = value::<Claim>(&json!({
        "metadata": {"name": "data", "namespace": "shop", "uid": "c1", "creationTimestamp": "2024-05-01T00:00:00Z"},
        "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeName": "pvc-1", "volumeMode": "Block",
            "resources": {"requests": {"storage": "10Gi"}},
            "dataSource": {"kind": "VolumeSnapshot", "name": "s", "apiGroup": "snapshot.storage.k8s.io"},
        },
        "status": {
            "phase": "Bound", "capacity": {"storage": "12Gi"}, "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "conditions": [{"type": "FileSystemResizePending", "status": "True", "message": "wait", "lastTransitionTime": null}],
        },
    }));
    assert_eq!(
        (claim.requested, claim.capacity),
        (Some(10 << 30), Some(12 << 30))
    );
    assert_eq!(claim.phase, Some(ClaimPhase::Bound));
    assert_eq!(
        claim.access_modes,
        [AccessMode::ReadWriteOnce, AccessMode::ReadWriteMany]
    );
    assert_eq!(claim.mode, VolumeMode::Block);
    assert_eq!(claim.created, Some(1_714_521_600));
    assert_eq!(claim.data_source.as_ref().unwrap().kind, "VolumeSnapshot");
    assert_eq!(claim.conditions[0].holds, Some(true));
}

#[test]
fn a_volume_says_where_its_data_are() {
    let volume = |source: &Value| {
        let mut object = json!({
            "metadata": {"name": "pv"},
            "spec": {"capacity": {"storage": "1G"}, "persistentVolumeReclaimPolicy": "Retain",
                     "claimRef": {"namespace": "shop", "name": "data", "uid": "c1"}},
            "status": {"phase": "Released"},
        });
        let fields = source.as_object().unwrap().clone();
        object["spec"].as_object_mut().unwrap().extend(fields);
        value::<PersistentVolume>(&object)
    };
    for (source, driver, handle) in [
        (
            json!({"csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"}}),
            "ebs.csi.aws.com",
            Some("vol-1"),
        ),
        (
            json!({"nfs": {"server": "s", "path": "/p"}}),
            "kubernetes.io/nfs",
            Some("s:/p"),
        ),
        (
            json!({"local": {"path": "/mnt/a"}}),
            "kubernetes.io/local-volume",
            Some("/mnt/a"),
        ),
        (
            json!({"awsElasticBlockStore": {"volumeID": "aws://z/vol-1"}}),
            "kubernetes.io/aws-ebs",
            Some("aws://z/vol-1"),
        ),
        (
            json!({"gcePersistentDisk": {"pdName": "d"}}),
            "kubernetes.io/gce-pd",
            Some("d"),
        ),
        (
            json!({"azureDisk": {"diskName": "d", "diskURI": "/u"}}),
            "kubernetes.io/azure-disk",
            Some("/u"),
        ),
        (
            json!({"vsphereVolume": {"volumePath": "[ds] a.vmdk"}}),
            "kubernetes.io/vsphere-volume",
            Some("[ds] a.vmdk"),
        ),
        (
            json!({"iscsi": {"targetPortal": "1.2.3.4:3260", "iqn": "iqn.a", "lun": 3}}),
            "kubernetes.io/iscsi",
            Some("1.2.3.4:3260 iqn.a lun-3"),
        ),
        (
            json!({"fc": {"targetWWNs": ["50:01"], "lun": 0}}),
            "kubernetes.io/fc",
            Some("50:01 lun-0"),
        ),
        (
            json!({"rbd": {"monitors": ["m"], "pool": "p", "image": "i"}}),
            "kubernetes.io/rbd",
            Some("p/i"),
        ),
        (
            json!({"cephfs": {"monitors": ["m:1", "n:1"], "path": "/d"}}),
            "kubernetes.io/cephfs",
            Some("m:1,n:1:/d"),
        ),
        (json!({"flexVolume": {"driver": "v/d"}}), "v/d", None),
        (json!({"scaleIO": {"gateway": "g"}}), "scaleIO", None),
    ] {
        let volume = volume(&source);
        let said = volume.source.as_ref().unwrap();
        assert_eq!((said.driver(), said.handle().as_deref()), (driver, handle));
        assert_eq!(volume.driver(), Some(driver));
    }
    let volume = volume(&json!({"nodeAffinity": {"required": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["w1"]}]},
        {"matchFields": null},
    ]}}}));
    assert_eq!(volume.source, None);
    assert_eq!(
        (volume.phase, volume.reclaim_policy),
        (Some(VolumePhase::Released), Some(ReclaimPolicy::Retain))
    );
    assert_eq!(volume.node_affinity[0][0].values, ["w1"]);
    assert_eq!(
        volume.claim.as_ref().unwrap().name,
        NamespacedName::new("shop", "data")
    );
}

#[test]
fn a_volume_that_a_driver_took_over_is_that_drivers() {
    let volume = value::<PersistentVolume>(&json!({
        "metadata": {"name": "pv", "annotations": {"pv.kubernetes.io/migrated-to": "ebs.csi.aws.com"}},
        "spec": {"awsElasticBlockStore": {"volumeID": "vol-1"}},
    }));
    assert_eq!(volume.driver(), Some("ebs.csi.aws.com"));
    assert!(matches!(
        volume.source,
        Some(StorageSource::AwsElasticBlockStore { .. })
    ));
}

#[test]
fn classes_attachments_and_nodes_are_read() {
    let class = value::<StorageClass>(&json!({
        "metadata": {"name": "fast", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "p", "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": true, "parameters": {"a": "1", "b": "2"},
    }));
    assert!(class.is_default && class.allows_expansion);
    assert_eq!(class.binding_mode, Some(BindingMode::WaitForFirstConsumer));

    let attachment = value::<VolumeAttachment>(&json!({
        "metadata": {"name": "csi-1", "deletionTimestamp": "2024-05-01T00:00:00Z"},
        "spec": {"attacher": "p", "nodeName": "w1", "source": {"persistentVolumeName": "pv"}},
        "status": {"attached": false, "attachError": {"message": "busy", "time": "2024-05-01T00:00:01Z"}},
    }));
    assert_eq!(attachment.attached, Some(false));
    assert_eq!(attachment.attach_error.as_ref().unwrap().message, "busy");
    assert_eq!(attachment.deletion, Some(1_714_521_600));

    let node = |status: &str| {
        value::<Node>(&json!({
            "metadata": {"name": "n", "labels": {"kubernetes.io/hostname": "h", "other": "x"}},
            "status": {"conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": status}]},
        }))
    };
    assert_eq!(node("True").host_name.as_deref(), Some("h"));
    assert_eq!(
        [node("True").ready, node("False").ready, node("Unknown").ready],
        [Some(true), Some(false), None]
    );
}

/// Every kind, with a name and nothing else; and with nulls wherever the API may send one.
#[test]
fn every_optional_field_may_be_missing_or_null() {
    let bare = json!({"metadata": {"name": "n", "namespace": "s", "uid": "u"}});
    let nulls = json!({
        "metadata": {"name": "n", "namespace": "s", "uid": "u", "creationTimestamp": null, "deletionTimestamp": null,
                     "annotations": null, "labels": null, "ownerReferences": null, "managedFields": null},
        "spec": {"nodeName": null, "volumes": null, "accessModes": null, "resources": null, "volumeName": null,
                 "capacity": null, "claimRef": null, "nodeAffinity": null, "mountOptions": null, "csi": null, "nfs": null,
                 "source": null, "dataSource": null, "glusterfs": null},
        "status": {"phase": null, "capacity": null, "conditions": null, "attached": null, "attachError": null},
        "provisioner": null, "parameters": null, "allowVolumeExpansion": null,
    });
    let no_status =
        json!({"metadata": {"name": "n", "namespace": "s", "uid": "u"}, "spec": null, "status": null});
    for object in [bare, nulls, no_status] {
        assert_eq!(value::<Pod>(&object).volumes, []);
        assert_eq!(value::<Claim>(&object).requested, None);
        assert_eq!(value::<PersistentVolume>(&object).source, None);
        assert_eq!(value::<StorageClass>(&object).provisioner, None);
        assert_eq!(value::<VolumeAttachment>(&object).attached, None);
        assert_eq!(value::<Node>(&object).ready, None);
    }
}

#[test]
fn a_claim_that_a_volume_names_by_what_is_no_name_is_none() {
    for (namespace, name) in [
        ("n".repeat(1 << 20), "data".to_owned()),
        ("shop".to_owned(), "a b".to_owned()),
    ] {
        let object = read::<PersistentVolume>(&json!({
            "metadata": {"name": "pv"},
            "spec": {"claimRef": {"namespace": namespace, "name": name}},
        }));
        assert_eq!(object.value.unwrap().claim, None);
        let said: Vec<String> = object.faults.iter().map(ToString::to_string).collect();
        let [said] = &said[..] else {
            panic!("{}", said.len())
        };
        assert!(
            said.starts_with("persistentvolumes pv: spec.claimRef.name"),
            "{said}"
        );
        assert!(
            said.len() < 300 && said.ends_with("not a name of an object (RFC 1123)"),
            "{said}"
        );
    }
}

#[test]
fn a_wrong_amount_costs_itself_alone() {
    let object = read::<Claim>(&json!({
        "metadata": {"name": "data", "namespace": "shop", "creationTimestamp": "yesterday"},
        "spec": {"resources": {"requests": {"storage": "ten"}}},
        "status": {"phase": "Bound", "capacity": {"storage": 1024}},
    }));
    let claim = object.value.unwrap();
    assert_eq!(
        (claim.requested, claim.capacity, claim.phase),
        (None, Some(1024), Some(ClaimPhase::Bound))
    );
    let said: Vec<String> = object.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "persistentvolumeclaims shop/data: spec.resources.requests.storage `ten`: not a quantity (10Gi, 1.5T, 1e9, 250m)",
            "persistentvolumeclaims shop/data: creationTimestamp `yesterday`: not a time (RFC 3339)",
        ]
    );
}

#[test]
fn an_object_that_cannot_be_read_costs_itself_alone() {
    let list = json!({
        "kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"},
        "items": [
            pod("u1", &json!([])),
            {"metadata": {"name": "odd", "namespace": "shop", "uid": "u2", "resourceVersion": "8"}, "spec": "no spec"},
            {"metadata": {"namespace": "shop"}},
            {"metadata": []},
            null,
            5,
            pod("u3", &json!([])),
        ],
    });
    let list: ObjectList<Unread> = serde_json::from_str(&list.to_string()).unwrap();
    let mut index = Index::default();
    index.apply(Event::Init);
    for object in list.items {
        index.apply(Event::InitApply(object::read::<Pod>(&object.json)));
    }
    assert!(index.apply(Event::InitDone));
    assert_eq!(index.objects().keys().collect::<Vec<_>>(), ["u1", "u3"]);
    let said: Vec<String> = index.faults().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said[0].starts_with("pods without a name: "), "{}", said[0]);
    assert!(
        said[1].starts_with("pods shop/odd: left out: invalid type: string \"no spec\""),
        "{}",
        said[1]
    );
}

#[test]
fn megabytes_of_annotations_are_passed_over() {
    let mut object = pod("u1", &json!([]));
    object["metadata"]["annotations"] =
        json!({"huge": "x".repeat(10 << 20), "kubernetes.io/config.mirror": "m"});
    object["metadata"]["managedFields"] = json!(vec![json!({"fieldsV1": {"f:a": {}}}); 1000]);
    assert_eq!(value::<Pod>(&object).name.name, "web-0");
}

#[test]
fn names_may_have_every_legal_character() {
    let name = format!("{}.{}-0", "a".repeat(63), "9x".repeat(90));
    let claim = value::<Claim>(&json!({"metadata": {"name": name, "namespace": "kube-system"}}));
    assert_eq!(claim.name, NamespacedName::new("kube-system", name));
}

fn named(name: &str, provisioner: &str) -> Reading<String, StorageClass> {
    read(&json!({"metadata": {"name": name, "resourceVersion": "1"}, "provisioner": provisioner}))
}

fn classes(index: &Index<String, StorageClass>) -> Vec<(&str, &str)> {
    index
        .objects()
        .iter()
        .map(|(name, class)| (name.as_str(), class.provisioner.as_deref().unwrap()))
        .collect()
}

#[test]
fn a_new_list_takes_the_place_of_the_old_one_at_once() {
    let mut index = Index::default();
    index.apply(Event::Init);
    index.apply(Event::InitApply(named("a", "1")));
    index.apply(Event::InitApply(named("b", "1")));
    assert_eq!(classes(&index), []);
    assert!(index.apply(Event::InitDone));
    assert_eq!(classes(&index), [("a", "1"), ("b", "1")]);

    index.apply(Event::Init);
    index.apply(Event::InitApply(named("b", "2")));
    // The list breaks off, and another begins.
    index.apply(Event::Init);
    index.apply(Event::InitApply(named("c", "1")));
    assert_eq!(classes(&index), [("a", "1"), ("b", "1")]);
    assert!(index.apply(Event::InitDone));
    assert_eq!(classes(&index), [("c", "1")]);
}

#[test]
fn what_is_the_same_changes_nothing() {
    let mut index = Index::default();
    assert!(index.apply(Event::Apply(named("a", "1"))));
    let before = Arc::clone(&index.objects()["a"]);
    assert!(!index.apply(Event::Apply(named("a", "1"))));
    index.apply(Event::Init);
    index.apply(Event::InitApply(named("a", "1")));
    assert!(!index.apply(Event::InitDone));
    assert!(
        Arc::ptr_eq(&before, &index.objects()["a"]),
        "readers share one copy"
    );
    assert!(index.apply(Event::Apply(named("a", "2"))));
    assert!(index.apply(Event::Delete(named("a", "2"))));
    assert!(!index.apply(Event::Delete(named("a", "2"))));
    assert_eq!(classes(&index), []);
}

#[test]
fn readers_keep_what_they_were_given() {
    let mut index = Index::default();
    index.apply(Event::Apply(named("a", "1")));
    let given = Arc::clone(index.objects());
    index.apply(Event::Apply(named("b", "1")));
    assert_eq!(given.len(), 1);
    assert_eq!(index.objects().len(), 2);
}

#[test]
fn an_object_that_becomes_legible_again_has_no_fault_any_more() {
    let mut index = Index::default();
    index.apply(Event::Apply(named("a", "1")));
    let odd = || read::<StorageClass>(&json!({"metadata": {"name": "a"}, "provisioner": 5}));
    assert!(index.apply(Event::Apply(odd())));
    assert!(!index.apply(Event::Apply(odd())));
    assert_eq!(classes(&index), []);
    assert_eq!(index.faults().count(), 1);
    assert!(index.apply(Event::Apply(named("a", "1"))));
    assert_eq!(index.faults().count(), 0);
    index.apply(Event::Apply(odd()));
    assert!(index.apply(Event::Delete(odd())));
    assert_eq!(index.faults().count(), 0);
}
