//! Snapshots are custom resources: their definitions may come after the program, and go before it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use scope_storage_probe::link::cluster;
use scope_storage_probe::model::inventory::{Inventory, ResourceKind, Role};
use scope_storage_probe::model::workload::NamespacedName;
use scope_storage_probe::render::scope;
use serde_json::{Value, json};

use super::support::api_server::{ApiServer, shipped};
use super::support::scope_contract::{Expectations, assert_holds};
use super::support::snapshot_definitions;
use super::{fill, settings, watch};

const SNAPSHOTS: &str = "/apis/snapshot.storage.k8s.io/v1/namespaces/default/volumesnapshots";
const CONTENTS: &str = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents";
const SNAPSHOT_CLASSES: &str = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses";
const OLD_SNAPSHOTS: &str =
    "/apis/volumesnapshot.external-storage.k8s.io/v1/namespaces/default/volumesnapshots";

/// A definition is looked for every 30 s.
const NOTICED: Duration = Duration::from_secs(90);

/// What the driver and its helpers would do for a snapshot of the claim `one`.
async fn take(server: &ApiServer, name: &str) {
    let snapshot = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": {"name": name},
        "spec": {"volumeSnapshotClassName": "daily", "source": {"persistentVolumeClaimName": "one"}}});
    let made = server.create(SNAPSHOTS, &snapshot).await;
    let content = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
        "metadata": {"name": format!("content-{name}")},
        "spec": {"deletionPolicy": "Delete", "driver": "disks.example", "source": {"volumeHandle": "handle-pv-one"},
                 "volumeSnapshotRef": {"namespace": "default", "name": name, "uid": made["metadata"]["uid"]}}});
    server
        .create_with_status(
            CONTENTS,
            &content,
            &json!({"creationTime": 1_767_312_001_000_000_000_u64, "readyToUse": true, "snapshotHandle": "snap-1"}),
        )
        .await;
    let bound = json!({"status": {"boundVolumeSnapshotContentName": format!("content-{name}"),
        "creationTime": "2026-01-02T00:00:01Z", "readyToUse": true, "restoreSize": "10Gi"}});
    server.patch(&format!("{SNAPSHOTS}/{name}/status"), &bound).await;
}

fn report(inventory: &Arc<Inventory>) -> Value {
    let map = cluster::map(Arc::clone(inventory));
    let bytes = scope::cluster_report(&map, SystemTime::now()).bytes();
    assert_holds(&bytes, &Expectations::of("storage-cluster", ""));
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn snapshots_come_and_go_with_their_definitions() {
    let server = ApiServer::start(&["prober"]);
    server.grant("prober", &shipped(Role::Cluster)).await;
    fill(&server).await;
    let watched = watch(server.config("prober"), &settings(Role::Cluster));
    let inventory = watched.until("all are seen", Inventory::is_synced).await;
    assert_eq!(inventory.faults, [], "that there are no snapshots is no fault");
    assert!(inventory.watches.keys().all(|kind| !kind.is_optional()));
    assert_eq!(report(&inventory)["VolumeSnapshot"], Value::Null);

    snapshot_definitions::install(&server).await;
    let class = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
        "metadata": {"name": "daily"}, "driver": "disks.example", "deletionPolicy": "Delete"});
    server.create(SNAPSHOT_CLASSES, &class).await;
    take(&server, "first").await;
    let old = json!({"apiVersion": "volumesnapshot.external-storage.k8s.io/v1", "kind": "VolumeSnapshot",
        "metadata": {"name": "old"}, "spec": {"persistentVolumeClaimName": "one"}});
    server.create(OLD_SNAPSHOTS, &old).await;
    let inventory = watched
        .within(NOTICED, "definitions that come later are noticed", |inventory| {
            inventory.snapshots.len() == 1
                && inventory.snapshot_contents.len() == 1
                && inventory.snapshot_classes.len() == 1
                && inventory.external_snapshots.len() == 1
        })
        .await;
    assert_eq!(inventory.faults, []);
    let shown = report(&inventory);
    let nodes = shown["VolumeSnapshot"]["nodes"].as_object().unwrap();
    let first = nodes
        .values()
        .find(|node| node["latest"]["kubernetes_name"]["value"] == "first")
        .unwrap();
    assert_eq!(first["latest"]["kubernetes_volume_name"]["value"], "pv-one");
    assert_eq!(
        first["latest"]["kuberneets_snapshot_data"]["value"],
        "content-first"
    );
    assert_eq!(first["latest"]["storage_snapshot_status"]["value"], "ready");

    take(&server, "second").await;
    let one = NamespacedName::new("default", "one");
    watched
        .until("the second is followed", |inventory| {
            let map = cluster::map(Arc::new(inventory.clone()));
            map.snapshots(&one)
                .filter(|snapshot| snapshot.ready == Some(true))
                .count()
                == 2
        })
        .await;

    snapshot_definitions::remove(&server).await;
    let inventory = watched
        .within(
            NOTICED,
            "definitions that go take their snapshots with them",
            |inventory| {
                inventory.all_snapshots().next().is_none()
                    && inventory.all_snapshot_contents().next().is_none()
                    && inventory.watches.keys().all(|kind| !kind.is_optional())
            },
        )
        .await;
    assert!(inventory.knows_all(ResourceKind::Claims));
    assert_eq!(inventory.faults, []);
    assert_eq!(report(&inventory)["VolumeSnapshot"], Value::Null);
}
