//! A real API server: life cycles, rights, faults. Run by `cargo test --test cluster -- --ignored`; the first run builds the
//! server (`tests/api-server/build.sh`).

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod controls;
mod engines;
mod faults;
mod life;
mod node_process;
mod odd_objects;
mod resources;
mod rights;
mod snapshots;
#[path = "../support/mod.rs"]
mod support;
mod tenant;

use std::time::Duration;

use scope_storage_probe::cluster::{Cluster, Settings};
use scope_storage_probe::model::inventory::{Inventory, ResourceKind, Role};
use scope_storage_probe::model::workload::{ClaimPhase, NamespacedName, VolumePhase};
use serde_json::json;
use support::api_server::{ApiServer, shipped};
use support::scripted_api::Watched;
use support::workload_objects::{CLAIMS, CLASSES, PODS, VOLUMES, claim, class, pod, volume};

/// How long after a change the program's answers may be those of before.
fn soon() -> Duration {
    Duration::from_secs(2).mul_f64(support::time_slack())
}

/// The kinds that every cluster has.
fn always_there() -> impl Iterator<Item = ResourceKind> {
    ResourceKind::ALL.into_iter().filter(|kind| !kind.is_optional())
}

fn settings(role: Role) -> Settings {
    Settings {
        role,
        node: (role == Role::Node).then(|| "w1".to_owned()),
        ..Settings::default()
    }
}

fn watch(config: kube::Config, settings: &Settings) -> Watched {
    let (cluster, watching) = Cluster::watch(config, settings).unwrap();
    Watched::new(cluster, tokio::spawn(watching))
}

/// Two pods on two nodes, each with a claim and a volume, and one claim that nobody uses.
async fn fill(server: &ApiServer) {
    server.create(CLASSES, &class("fast")).await;
    for name in ["one", "two", "idle"] {
        let bound = json!({"phase": "Bound"});
        server
            .create_with_status(VOLUMES, &volume(&format!("pv-{name}"), name), &bound)
            .await;
        server
            .create_with_status(CLAIMS, &claim(name, &format!("pv-{name}")), &bound)
            .await;
    }
    server.create(PODS, &pod("web-1", "w1", "one")).await;
    server.create(PODS, &pod("web-2", "w2", "two")).await;
}

fn pods(inventory: &Inventory) -> Vec<&str> {
    let mut names: Vec<&str> = inventory
        .pods
        .values()
        .map(|pod| pod.name.name.as_str())
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn the_whole_cluster_is_followed() {
    let server = ApiServer::start(&["prober"]);
    server.grant("prober", &shipped(Role::Cluster)).await;
    fill(&server).await;
    server
        .create(
            "/api/v1/nodes",
            &json!({"metadata": {"name": "w1", "labels": {"kubernetes.io/hostname": "w1.example"}}}),
        )
        .await;
    server
        .create(
            "/apis/storage.k8s.io/v1/volumeattachments",
            &json!({"metadata": {"name": "csi-1"},
                    "spec": {"attacher": "disks.example", "nodeName": "w1", "source": {"persistentVolumeName": "pv-one"}}}),
        )
        .await;

    let watched = watch(server.config("prober"), &settings(Role::Cluster));
    let inventory = watched.until("all are seen", Inventory::is_synced).await;
    assert_eq!(inventory.faults, []);
    assert_eq!(pods(&inventory), ["web-1", "web-2"]);
    assert_eq!((inventory.claims.len(), inventory.volumes.len()), (3, 3));
    let one = &inventory.claims[&NamespacedName::new("default", "one")];
    assert_eq!(
        (one.requested, one.phase),
        (Some(5 << 30), Some(ClaimPhase::Bound))
    );
    let volume = &inventory.volumes["pv-one"];
    assert_eq!(
        (volume.capacity, volume.driver()),
        (Some(10 << 30), Some("disks.example"))
    );
    assert!(volume.created.is_some());
    assert_eq!(inventory.nodes["w1"].host_name.as_deref(), Some("w1.example"));
    assert_eq!(inventory.attachments["csi-1"].volume.as_deref(), Some("pv-one"));
    assert!(inventory.classes.contains_key("fast"));

    // The life of a claim: its pod goes, it is deleted, its volume is left over.
    server.delete(&format!("{PODS}/web-1")).await;
    server
        .patch(
            &format!("{CLAIMS}/one"),
            &json!({"metadata": {"finalizers": null}}),
        )
        .await;
    server.delete(&format!("{CLAIMS}/one")).await;
    server
        .patch(
            &format!("{VOLUMES}/pv-one/status"),
            &json!({"status": {"phase": "Released"}}),
        )
        .await;
    let inventory = watched
        .until("the volume is left over", |inventory| {
            inventory.volumes["pv-one"].phase == Some(VolumePhase::Released) && inventory.claims.len() == 2
        })
        .await;
    assert_eq!(pods(&inventory), ["web-2"]);
    // A claim that something still holds is marked, and stays.
    server
        .patch(
            &format!("{CLAIMS}/idle"),
            &json!({"metadata": {"finalizers": ["example.com/hold"]}}),
        )
        .await;
    server.delete(&format!("{CLAIMS}/idle")).await;
    watched
        .until("idle is on its way", |inventory| {
            inventory.claims[&NamespacedName::new("default", "idle")]
                .deletion
                .is_some()
        })
        .await;
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn a_node_knows_its_own_pods_and_their_storage() {
    let server = ApiServer::start(&["prober"]);
    server.grant("prober", &shipped(Role::Node)).await;
    fill(&server).await;
    let watched = watch(server.config("prober"), &settings(Role::Node));
    let inventory = watched
        .until("all are seen", |inventory| {
            inventory.is_synced() && inventory.volumes.len() == 1
        })
        .await;
    assert_eq!(inventory.faults, []);
    assert_eq!(pods(&inventory), ["web-1"]);
    let claims: Vec<String> = inventory.claims.keys().map(ToString::to_string).collect();
    assert_eq!(claims, ["default/one"]);
    assert!(inventory.volumes.contains_key("pv-one") && inventory.classes.contains_key("fast"));

    server.create(PODS, &pod("web-3", "w1", "idle")).await;
    watched
        .until("the new pod's volume is known", |inventory| {
            inventory.volumes.contains_key("pv-idle")
        })
        .await;
    server.delete(&format!("{PODS}/web-1")).await;
    watched
        .until("the old one is forgotten", |inventory| {
            pods(inventory) == ["web-3"] && !inventory.volumes.contains_key("pv-one")
        })
        .await;
}

/// Storage engines and snapshots speak in custom resources. Debian's source needs two changes for them (`build.sh`).
#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn the_server_takes_custom_resources() {
    let server = ApiServer::start(&[]);
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "text": {"type": "string"}, "rest": anything,
    }}}});
    server
        .create(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            &json!({
                "metadata": {"name": "pools.example.com"},
                "spec": {
                    "group": "example.com", "scope": "Cluster",
                    "names": {"plural": "pools", "singular": "pool", "kind": "Pool", "listKind": "PoolList"},
                    "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
                },
            }),
        )
        .await;
    let client = kube::Client::try_from(server.config("admin")).unwrap();
    let started = std::time::Instant::now();
    loop {
        let kinds = client.list_api_group_resources("example.com/v1").await;
        if kinds.is_ok_and(|kinds| !kinds.resources.is_empty()) {
            break;
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the kind is not served"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let made = server
        .create(
            "/apis/example.com/v1/pools",
            &json!({"apiVersion": "example.com/v1", "kind": "Pool", "metadata": {"name": "p"},
                    "spec": {"text": "", "rest": {"any": [1, ""]}}}),
        )
        .await;
    assert_eq!(made["spec"]["text"], "");
}

/// The program itself, as a user runs it.
#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn the_program_finds_the_cluster_by_a_kubeconfig() {
    let server = ApiServer::start(&["prober"]);
    server.grant("prober", &shipped(Role::Cluster)).await;
    let kubeconfig = server.kubeconfig("prober");
    let arguments = ["check", "--role", "cluster", "--plugin-dir", "", "--kubeconfig"];
    let output = support::server::run(&[&arguments[..], &[kubeconfig.to_str().unwrap()]].concat());
    let said = String::from_utf8_lossy(&output.stdout);
    for kind in always_there() {
        let line = format!("ok       Kubernetes API: {}\n", kind.resource());
        assert!(said.contains(&line), "{said}");
    }
}
