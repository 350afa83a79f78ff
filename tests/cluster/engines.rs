//! Storage engines' objects in a real API server: the map is that of the dump, whatever the versions, and follows every change.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use scope_storage_probe::cluster::Settings;
use scope_storage_probe::link::cluster;
use scope_storage_probe::model::inventory::{Inventory, Role, WatchProblem};
use scope_storage_probe::model::replica::Health;
use serde_json::{Value, json};

use super::support::api_server::{ApiServer, shipped, shipped_for_engines};
use super::support::engine_definitions::{self, Versions, is_namespaced, version};
use super::support::scripted_api::Watched;
use super::support::{clusters, told_copies};
use super::{fill, settings, watch};

/// A definition is looked for every 30 s.
const NOTICED: Duration = Duration::from_secs(90);

/// The objects of the dump, as a real API server takes them.
fn objects() -> Vec<Value> {
    let text = std::fs::read_to_string(clusters::path("engines.yaml")).unwrap();
    let list: Value = serde_saphyr::from_str(&text).unwrap();
    let items = list["items"].as_array().unwrap().iter();
    items
        .filter(|object| object["metadata"].is_object())
        .map(|object| {
            let mut object = object.clone();
            object["metadata"].as_object_mut().unwrap().remove("uid");
            let labels = json!({"app": "rook-ceph-osd"});
            match (
                object["apiVersion"].as_str().unwrap(),
                object["kind"].as_str().unwrap(),
            ) {
                ("v1", "PersistentVolume") => {
                    if let Some(claim) = object["spec"]["claimRef"].as_object_mut() {
                        claim.remove("uid");
                    }
                    object["spec"]["accessModes"] = json!(["ReadWriteOnce"]);
                }
                ("v1", "PersistentVolumeClaim") => {
                    object["spec"]["accessModes"] = json!(["ReadWriteOnce"]);
                    object["spec"]["resources"] = json!({"requests": {"storage": "1Gi"}});
                }
                ("v1", "Pod") => object["spec"]["containers"] = json!([{"name": "main", "image": "image"}]),
                ("apps/v1", _) => {
                    object["spec"]["selector"] = json!({"matchLabels": labels});
                    object["spec"]["template"]["metadata"] = json!({"labels": labels});
                    let containers = object["spec"]["template"]["spec"]["containers"]
                        .as_array_mut()
                        .unwrap();
                    for container in containers {
                        container["image"] = json!("image");
                    }
                }
                _ => {}
            }
            object
        })
        .collect()
}

/// Where an object is made, and whether its status has a place of its own.
fn place(object: &mut Value, versions: Versions) -> (String, bool) {
    let api_version = object["apiVersion"].as_str().unwrap().to_owned();
    let kind = object["kind"].as_str().unwrap().to_owned();
    let namespace = object["metadata"]["namespace"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let own = engine_definitions::resources().find(|resource| {
        resource.kind == kind
            && api_version
                .strip_prefix(resource.group)
                .is_some_and(|rest| rest.starts_with('/'))
    });
    if let Some(resource) = own {
        let version = version(resource, versions);
        let base = format!("/apis/{}/{version}", resource.group);
        object["apiVersion"] = json!(format!("{}/{version}", resource.group));
        return if is_namespaced(resource) {
            (
                format!("{base}/namespaces/{namespace}/{}", resource.resource),
                false,
            )
        } else {
            (format!("{base}/{}", resource.resource), false)
        };
    }
    let path = match kind.as_str() {
        "Node" => "/api/v1/nodes".to_owned(),
        "PersistentVolume" => "/api/v1/persistentvolumes".to_owned(),
        "PersistentVolumeClaim" => format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims"),
        "Pod" => format!("/api/v1/namespaces/{namespace}/pods"),
        "VolumeAttachment" => "/apis/storage.k8s.io/v1/volumeattachments".to_owned(),
        "Deployment" => format!("/apis/apps/v1/namespaces/{namespace}/deployments"),
        other => panic!("where is a {other} made?"),
    };
    (path, true)
}

async fn create_all(server: &ApiServer, versions: Versions) {
    for namespace in ["shop", "openebs", "mayastor", "longhorn-system", "rook-ceph"] {
        server
            .create("/api/v1/namespaces", &json!({"metadata": {"name": namespace}}))
            .await;
    }
    for mut object in objects() {
        let (path, has_status) = place(&mut object, versions);
        let status = object["status"].clone();
        if has_status && !status.is_null() {
            server.create_with_status(&path, &object, &status).await;
        } else {
            server.create(&path, &object).await;
        }
    }
}

fn told(inventory: &Inventory) -> String {
    told_copies::told(&cluster::map(Arc::new(inventory.clone())))
}

/// The server with two users, of whom one may read what engines say.
async fn prepared() -> ApiServer {
    let server = ApiServer::start(&["prober", "restricted"]);
    let role = shipped(Role::Cluster);
    server.grant("prober", &role).await;
    server.grant("prober", &shipped_for_engines()).await;
    let mut again = role.clone();
    again["metadata"]["name"] = json!("again");
    server.grant("restricted", &again).await;
    server
}

fn quick() -> Settings {
    Settings {
        discovery: Duration::from_secs(1),
        ..settings(Role::Cluster)
    }
}

/// The objects that the dump tells of.
async fn all_seen(watched: &Watched, wanted: &str) {
    let started = std::time::Instant::now();
    loop {
        let found = told(&watched.inventory());
        if found == wanted {
            return;
        }
        if started.elapsed() > NOTICED {
            pretty(wanted, &found);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn pretty(wanted: &str, found: &str) {
    let beside = |one: &str, other: &str| -> Vec<String> {
        let lines = one.lines().filter(|line| !other.contains(line));
        lines.map(str::to_owned).collect()
    };
    let (missing, too_much) = (beside(wanted, found), beside(found, wanted));
    panic!("the map is another than the dump's; missing: {missing:#?}; too much: {too_much:#?}");
}

async fn state_of(watched: &Watched, volume: &str, copy: usize, wanted: Option<Health>) {
    let what = format!("copy {copy} of {volume} is {wanted:?}");
    watched
        .until(&what, |inventory| {
            let map = cluster::map(Arc::new(inventory.clone()));
            let object = map.volume(volume).unwrap();
            let state = map.copies(object).and_then(|copies| copies.list.get(copy)?.state);
            state == wanted
        })
        .await;
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn engines_are_followed_from_when_they_come_until_they_go() {
    let server = prepared().await;
    fill(&server).await;
    let watched = watch(server.config("prober"), &settings(Role::Cluster));
    let inventory = watched.until("all are seen", Inventory::is_synced).await;
    assert_eq!(inventory.faults, [], "that there are no engines is no fault");
    assert!(inventory.watches.keys().all(|kind| !kind.is_engines()));
    for name in ["one", "two", "idle"] {
        server
            .patch(
                &format!("/api/v1/persistentvolumes/pv-{name}"),
                &json!({"metadata": {"finalizers": null}}),
            )
            .await;
        server
            .delete(&format!("/api/v1/persistentvolumes/pv-{name}"))
            .await;
    }

    engine_definitions::install(&server, Versions::All).await;
    create_all(&server, Versions::All).await;
    let wanted = told_copies::told(&cluster::map(Arc::new(clusters::engines())));
    all_seen(&watched, &wanted).await;
    let inventory = watched.inventory();
    assert_eq!(
        inventory.faults.len(),
        3,
        "of the odd object alone: {:#?}",
        inventory.faults
    );

    // A copy that was being made whole is whole.
    let cstor = "/apis/cstor.openebs.io/v1/namespaces/openebs";
    let phase = |phase: &str| json!({"status": {"phase": phase}});
    state_of(&watched, "pvc-cstor", 1, Some(Health::Rebuilding)).await;
    server
        .patch(
            &format!("{cstor}/cstorvolumereplicas/pvc-cstor-pool-2"),
            &phase("Healthy"),
        )
        .await;
    state_of(&watched, "pvc-cstor", 1, Some(Health::Healthy)).await;
    // Its pool goes offline.
    server
        .patch(&format!("{cstor}/cstorpoolinstances/pool-2"), &phase("OFFLINE"))
        .await;
    state_of(&watched, "pvc-cstor", 1, Some(Health::Failed)).await;
    // The pool of the other is not there any more.
    server.delete(&format!("{cstor}/cstorpoolinstances/pool-1")).await;
    state_of(&watched, "pvc-cstor", 0, Some(Health::Unknown)).await;
    // A node is not heard, and goes.
    state_of(&watched, "pvc-lvm", 0, Some(Health::Healthy)).await;
    let silent = json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}});
    server.patch("/api/v1/nodes/worker-1/status", &silent).await;
    state_of(&watched, "pvc-lvm", 0, Some(Health::Unknown)).await;
    server.delete("/api/v1/nodes/worker-1").await;
    state_of(&watched, "pvc-lvm", 0, Some(Health::Failed)).await;
    // A replica goes.
    server
        .delete(&format!("{cstor}/cstorvolumereplicas/pvc-cstor-pool-2"))
        .await;
    watched
        .until("two copies are left", |inventory| {
            let map = cluster::map(Arc::new(inventory.clone()));
            map.copies(map.volume("pvc-cstor").unwrap()).unwrap().list.len() == 2
        })
        .await;

    engine_definitions::remove(&server).await;
    let inventory = watched
        .within(
            NOTICED,
            "definitions that go take their objects with them",
            |inventory| {
                inventory.engines.is_empty() && inventory.watches.keys().all(|kind| !kind.is_engines())
            },
        )
        .await;
    assert_eq!(inventory.faults, []);
    let map = cluster::map(inventory);
    assert_eq!(map.copies(map.volume("pvc-cstor").unwrap()), None);
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn older_versions_of_the_same_kinds_say_the_same() {
    let server = prepared().await;
    engine_definitions::install(&server, Versions::Oldest).await;
    create_all(&server, Versions::Oldest).await;
    let watched = watch(server.config("prober"), &quick());
    let wanted = told_copies::told(&cluster::map(Arc::new(clusters::engines())));
    all_seen(&watched, &wanted).await;
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn who_may_not_read_engines_is_told_the_rule_and_has_all_else() {
    let server = prepared().await;
    fill(&server).await;
    let watched = watch(server.config("restricted"), &quick());
    let inventory = watched.until("all are seen", Inventory::is_synced).await;
    // Rights to what is not there are not missed.
    assert_eq!(inventory.faults, []);
    engine_definitions::install(&server, Versions::All).await;
    let kinds = engine_definitions::resources().count() + 1;
    let inventory = watched
        .within(NOTICED, "every engine's right is missed", |inventory| {
            let forbidden = inventory.watches.iter().filter(|(kind, watch)| {
                kind.is_engines() && watch.problem() == Some(WatchProblem::Forbidden)
            });
            forbidden.count() == kinds
        })
        .await;
    assert!(inventory.faults.len() >= kinds);
    for fault in &inventory.faults {
        assert!(
            fault.to_string().contains("a ClusterRole grants it by the rule"),
            "{fault}"
        );
    }
    assert_eq!(inventory.volumes.len(), 3);
    assert!(inventory.knows_all(scope_storage_probe::model::inventory::ResourceKind::Volumes));
    // Somebody who wants none of it is asked for none.
    let without = Settings {
        engines: false,
        ..quick()
    };
    let watched = watch(server.config("restricted"), &without);
    let inventory = watched.until("all are seen", Inventory::is_synced).await;
    assert_eq!(inventory.faults, []);
    let groups = server.ask(Method::GET, "/apis", None).await;
    assert!(groups.to_string().contains("longhorn.io"));
}
