//! The large cluster with storage engines under its volumes: cStor and Longhorn with three copies each, LVM and ZFS on the node, and
//! Mayastor, on as many pools as there are nodes.

use serde_json::{Value, json};

use super::large_cluster::{self, Size, node_name};

const BORN: &str = "2026-11-01T08:00:00Z";

/// The name of the copy of a cStor volume that [`objects`] makes for the volume of this number.
pub fn replica_name(number: usize) -> String {
    format!("{}-pool-0", large_cluster::volume_name(number))
}

/// True for the numbers of volumes that cStor serves.
pub fn is_cstor(number: usize) -> bool {
    number.is_multiple_of(5)
}

/// All objects, by their places below the API server's keys.
pub fn objects(size: Size) -> Vec<(String, Value)> {
    let mut objects = large_cluster::objects(size);
    let mut engines = Vec::new();
    let numbers: std::collections::HashMap<String, usize> = (0..size.pods)
        .map(|number| (large_cluster::volume_name(number), number))
        .collect();
    for (_, object) in &mut objects {
        if object["kind"] == "PersistentVolume" {
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            let number = numbers[&name];
            object["spec"]["csi"] = serve(number, &name, size, &mut engines);
        }
    }
    for node in 0..size.nodes {
        of_node(node, &mut engines);
    }
    objects.extend(engines);
    objects
}

/// The volume's part that names its driver; the engine's objects are added.
fn serve(number: usize, name: &str, size: Size, engines: &mut Vec<(String, Value)>) -> Value {
    let node = |copy: usize| (number + copy * 7) % size.nodes;
    let driver = match number % 5 {
        0 => {
            let spec = json!({"replicationFactor": 3, "capacity": "20Gi"});
            engines.push(object(
                "cstor.openebs.io/v1",
                "CStorVolume",
                "cstorvolumes",
                name,
                &json!({}),
                &spec,
                &json!({"phase": "Healthy"}),
            ));
            for copy in 0..3 {
                let meta = json!({
                    "labels": {"cstorvolume.openebs.io/name": name, "cstorpoolinstance.openebs.io/name": format!("pool-{}", node(copy))},
                    "annotations": {"cstorpoolinstance.openebs.io/hostname": node_name(node(copy))}});
                let copy = format!("{name}-pool-{copy}");
                let status = json!({"phase": "Healthy", "capacity": {"used": "1G", "total": "2G"}});
                engines.push(object(
                    "cstor.openebs.io/v1",
                    "CStorVolumeReplica",
                    "cstorvolumereplicas",
                    &copy,
                    &meta,
                    &json!({"capacity": "20Gi"}),
                    &status,
                ));
            }
            "cstor.csi.openebs.io"
        }
        1 => {
            let status = json!({"state": "attached", "robustness": "healthy"});
            engines.push(object(
                "longhorn.io/v1beta2",
                "Volume",
                "volumes",
                name,
                &json!({}),
                &json!({"numberOfReplicas": 3}),
                &status,
            ));
            let mut modes = serde_json::Map::new();
            for copy in 0..3 {
                let replica = format!("{name}-r-{copy}");
                let spec = json!({"volumeName": name, "nodeID": node_name(node(copy)), "diskID": format!("uuid-{}", node(copy)),
                    "volumeSize": "21474836480", "healthyAt": BORN});
                engines.push(object(
                    "longhorn.io/v1beta2",
                    "Replica",
                    "replicas",
                    &replica,
                    &json!({}),
                    &spec,
                    &json!({}),
                ));
                modes.insert(replica, json!("RW"));
            }
            let engine = format!("{name}-e-0");
            engines.push(object(
                "longhorn.io/v1beta2",
                "Engine",
                "engines",
                &engine,
                &json!({}),
                &json!({"volumeName": name}),
                &json!({"replicaModeMap": modes}),
            ));
            "driver.longhorn.io"
        }
        2 => {
            let spec = json!({"ownerNodeID": node_name(node(0)), "volGroup": "lvmvg", "vgPattern": "lvmvg", "capacity": "21474836480"});
            engines.push(object(
                "local.openebs.io/v1alpha1",
                "LVMVolume",
                "lvmvolumes",
                name,
                &json!({}),
                &spec,
                &json!({"state": "Ready"}),
            ));
            "local.csi.openebs.io"
        }
        3 => {
            let spec = json!({"ownerNodeID": node_name(node(0)), "poolName": "tank/k8s", "volumeType": "DATASET", "capacity": "21474836480"});
            engines.push(object(
                "zfs.openebs.io/v1",
                "ZFSVolume",
                "zfsvolumes",
                name,
                &json!({}),
                &spec,
                &json!({"state": "Ready"}),
            ));
            "zfs.csi.openebs.io"
        }
        _ => "io.openebs.csi-mayastor",
    };
    json!({"driver": driver, "volumeHandle": name, "fsType": "ext4",
           "volumeAttributes": {"repl": "3", "storage.kubernetes.io/csiProvisionerIdentity": "1700000000000-8081-disks"}})
}

fn of_node(number: usize, engines: &mut Vec<(String, Value)>) {
    let node = node_name(number);
    for (letter, claimed) in [("b", true), ("c", true), ("d", false)] {
        let name = format!("blockdevice-{number}{letter}");
        let serial = format!("S{number:05}{letter}");
        let spec = json!({"path": format!("/dev/sd{letter}"), "capacity": {"storage": 1_000_204_886_016_u64},
            "details": {"model": "ST1000", "serial": serial},
            "devlinks": [{"kind": "by-id", "links": [format!("/dev/disk/by-id/ata-ST1000_{serial}")]},
                         {"kind": "by-path", "links": [format!("/dev/disk/by-path/pci-0000:00:1f.2-ata-{letter}")]}],
            "nodeAttributes": {"nodeName": node}});
        let status = json!({"state": "Active", "claimState": if claimed { "Claimed" } else { "Unclaimed" }});
        engines.push(object(
            "openebs.io/v1alpha1",
            "BlockDevice",
            "blockdevices",
            &name,
            &json!({}),
            &spec,
            &status,
        ));
    }
    let spec = json!({"hostName": node, "poolConfig": {"dataRaidGroupType": "stripe"},
        "dataRaidGroups": [{"blockDevices": [{"blockDeviceName": format!("blockdevice-{number}b")}]}]});
    let status = json!({"phase": "ONLINE", "capacity": {"total": "900G", "used": "300G", "free": "600G"}});
    engines.push(object(
        "cstor.openebs.io/v1",
        "CStorPoolInstance",
        "cstorpoolinstances",
        &format!("pool-{number}"),
        &json!({}),
        &spec,
        &status,
    ));
    let status = json!({"capacity": 1_000_204_886_016_u64, "used": 300_u64 << 30, "available": 600_u64 << 30, "pool_status": "Online"});
    let spec = json!({"node": node, "disks": [format!("/dev/disk/by-id/ata-ST1000_S{number:05}c")]});
    engines.push(object(
        "openebs.io/v1beta3",
        "DiskPool",
        "diskpools",
        &format!("diskpool-{number}"),
        &json!({}),
        &spec,
        &status,
    ));
    let spec = json!({"disks": {"default": {"path": "/var/lib/longhorn/"}}});
    let status = json!({"diskStatus": {"default": {"diskUUID": format!("uuid-{number}"), "storageMaximum": 500_u64 << 30,
        "storageAvailable": 100_u64 << 30, "conditions": [{"type": "Ready", "status": "True"}]}}});
    engines.push(object(
        "longhorn.io/v1beta2",
        "Node",
        "nodes",
        &node,
        &json!({}),
        &spec,
        &status,
    ));
    let (place, mut lvm) = object(
        "local.openebs.io/v1alpha1",
        "LVMNode",
        "lvmnodes",
        &node,
        &json!({}),
        &Value::Null,
        &Value::Null,
    );
    lvm["volumeGroups"] = json!([{"name": "lvmvg", "size": "900Gi", "free": "300Gi", "missingPvCount": 0}]);
    engines.push((place, lvm));
    let (place, mut zfs) = object(
        "zfs.openebs.io/v1",
        "ZFSNode",
        "zfsnodes",
        &node,
        &json!({}),
        &Value::Null,
        &Value::Null,
    );
    zfs["pools"] = json!([{"name": "tank", "free": "300Gi", "used": "600Gi"}]);
    engines.push((place, zfs));
}

fn object(
    version: &str,
    kind: &str,
    plural: &str,
    name: &str,
    meta: &Value,
    spec: &Value,
    status: &Value,
) -> (String, Value) {
    let group = version.split('/').next().unwrap();
    let mut metadata = json!({
        "name": name, "namespace": "engines", "uid": format!("{kind}-{name}"), "creationTimestamp": BORN,
        "managedFields": large_cluster::managed_fields(12),
    });
    for (key, value) in meta.as_object().into_iter().flatten() {
        metadata[key] = value.clone();
    }
    let object =
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec, "status": status});
    (format!("{group}/{plural}/engines/{name}"), object)
}
