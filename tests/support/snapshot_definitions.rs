//! The definitions of snapshots, cut down to what snapshots of these tests are made of. Names, versions, scopes and types are those
//! of external-snapshotter's, and of external-storage's before it.

use serde_json::{Value, json};

use super::api_server::ApiServer;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Of CSI: group, plural, kind, scope, and the properties of an object.
fn definitions() -> Vec<Value> {
    let text = || json!({"type": "string"});
    let error = || json!({"type": "object", "properties": {"message": text(), "time": {"type": "string", "format": "date-time"}}});
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let any = || json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let snapshot = json!({
        "spec": object(json!({
            "source": object(json!({"persistentVolumeClaimName": text(), "volumeSnapshotContentName": text()})),
            "volumeSnapshotClassName": text(),
        })),
        "status": object(json!({
            "boundVolumeSnapshotContentName": text(), "creationTime": {"type": "string", "format": "date-time"},
            "readyToUse": {"type": "boolean"}, "restoreSize": text(), "error": error(),
        })),
    });
    let content = json!({
        "spec": object(json!({
            "deletionPolicy": text(), "driver": text(), "volumeSnapshotClassName": text(),
            "source": object(json!({"snapshotHandle": text(), "volumeHandle": text()})),
            "volumeSnapshotRef": any(),
        })),
        "status": object(json!({
            "creationTime": {"type": "integer", "format": "int64"}, "readyToUse": {"type": "boolean"},
            "restoreSize": {"type": "integer", "format": "int64"}, "snapshotHandle": text(), "error": error(),
        })),
    });
    let csi = "snapshot.storage.k8s.io";
    let old = "volumesnapshot.external-storage.k8s.io";
    vec![
        definition(csi, "volumesnapshots", "VolumeSnapshot", "Namespaced", &snapshot),
        definition(
            csi,
            "volumesnapshotcontents",
            "VolumeSnapshotContent",
            "Cluster",
            &content,
        ),
        definition(
            csi,
            "volumesnapshotclasses",
            "VolumeSnapshotClass",
            "Cluster",
            &json!({"driver": text(), "deletionPolicy": text()}),
        ),
        definition(
            old,
            "volumesnapshots",
            "VolumeSnapshot",
            "Namespaced",
            &json!({"spec": any(), "status": any()}),
        ),
        definition(
            old,
            "volumesnapshotdatas",
            "VolumeSnapshotData",
            "Cluster",
            &json!({"spec": any(), "status": any()}),
        ),
    ]
}

fn definition(group: &str, plural: &str, kind: &str, scope: &str, properties: &Value) -> Value {
    json!({
        "metadata": {
            "name": format!("{plural}.{group}"),
            // The API server asks for it in groups that end in k8s.io.
            "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-csi/external-snapshotter"},
        },
        "spec": {
            "group": group, "scope": scope, "names": {"plural": plural, "kind": kind},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
            }],
        },
    })
}

/// Makes them all, and waits until the API server has them.
pub async fn install(server: &ApiServer) {
    for definition in definitions() {
        server.create(DEFINITIONS, &definition).await;
    }
    for definition in definitions() {
        let name = definition["metadata"]["name"].as_str().unwrap().to_owned();
        let mut established = false;
        for _ in 0..300 {
            let known = server
                .ask(hyper::Method::GET, &format!("{DEFINITIONS}/{name}"), None)
                .await;
            let conditions = known["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            established = conditions
                .iter()
                .any(|condition| condition["type"] == "Established" && condition["status"] == "True");
            if established {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert!(established, "the API server does not take the definition {name}");
    }
}

/// Deletes them all, and with them every snapshot.
pub async fn remove(server: &ApiServer) {
    for definition in definitions() {
        let name = definition["metadata"]["name"].as_str().unwrap();
        server.delete(&format!("{DEFINITIONS}/{name}")).await;
    }
}
