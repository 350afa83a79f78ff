//! Objects that a real API server hands out, and that few have seen: bare, huge, and with every character that is legal.

use std::time::Duration;

use scope_storage_probe::model::inventory::Role;
use serde_json::{Value, json};

use super::support::api_server::{ApiServer, shipped};
use super::support::exposition::open_metrics_violations;
use super::support::scope_contract::{Expectations, assert_holds};
use super::support::server::{PROGRAM, Server, of_cluster, program};
use super::support::{expect_that, within};
use super::{CLASSES, PODS, VOLUMES, class, pod, volume};

/// As a driver may call its volumes.
const HANDLE: &str = "pool/\"a\\b\"\n\t<script>&amp; ünï 磁盘 \u{1f4be} {}";

/// The longest name with every character that a name may have.
fn long_name() -> String {
    let part = "0123456789-abcdefghijklmnopqrstuvwxyz";
    let mut name = [part; 6].join(".");
    name.push_str(".end-of-it-all-0123456789");
    name
}

/// An object with nothing in it but what the API server needs to find it.
fn bare(version: &str, kind: &str, namespace: Option<&str>) -> Value {
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "bare"}});
    if let Some(namespace) = namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}

/// One of each kind.
fn all_bare() -> [(String, Value); 6] {
    [
        ("pods/default/bare".into(), bare("v1", "Pod", Some("default"))),
        (
            "persistentvolumeclaims/default/bare".into(),
            bare("v1", "PersistentVolumeClaim", Some("default")),
        ),
        (
            "persistentvolumes/bare".into(),
            bare("v1", "PersistentVolume", None),
        ),
        (
            "storageclasses/bare".into(),
            bare("storage.k8s.io/v1", "StorageClass", None),
        ),
        (
            "volumeattachments/bare".into(),
            bare("storage.k8s.io/v1", "VolumeAttachment", None),
        ),
        ("minions/bare".into(), bare("v1", "Node", None)),
    ]
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn odd_objects_are_shown_and_break_nothing() {
    let api = ApiServer::start(&["prober"]);
    api.grant("prober", &shipped(Role::Cluster)).await;
    let name = long_name();
    assert!((240..=253).contains(&name.len()), "{}", name.len());
    api.create(CLASSES, &class(&name)).await;
    api.create(PODS, &pod(&name, &name, &name)).await;
    let mut odd = volume(&name, &name);
    odd["spec"]["csi"]["volumeHandle"] = json!(HANDLE);
    odd["spec"]["storageClassName"] = json!(name);
    odd["spec"]["mountOptions"] = json!(["x=\"\\\n"]);
    api.create(VOLUMES, &odd).await;
    let etcd = api.etcd();
    etcd.put(&all_bare()).await;

    let plugins = tempfile::tempdir().unwrap();
    let kubeconfig = api.kubeconfig("prober");
    let arguments = of_cluster(kubeconfig.to_str().unwrap());
    let server = Server::launch(program(PROGRAM), plugins.path(), &arguments);
    let info = |family: &str, label: &str, name: &str| {
        server
            .page()
            .value(&format!("storage_probe_{family}_info"), &[(label, name)])
    };
    within(Duration::from_secs(60), || {
        expect_that(server.get("/readyz").text() == "ready\n", "all is seen")
    });
    for name in [&*name, "bare"] {
        assert_eq!(
            info("persistentvolume", "persistentvolume", name),
            Some(1.0),
            "{name}"
        );
        assert_eq!(info("storageclass", "storageclass", name), Some(1.0), "{name}");
    }
    assert_eq!(
        info("persistentvolumeclaim", "persistentvolumeclaim", "bare"),
        Some(1.0)
    );
    assert_eq!(
        server.page().value(
            "storage_probe_persistentvolume_info",
            &[("volume_handle", HANDLE)]
        ),
        Some(1.0)
    );

    // Larger than any object that the API takes, while the program watches.
    let mut huge = volume("pv-huge", "huge");
    huge["apiVersion"] = json!("v1");
    huge["kind"] = json!("PersistentVolume");
    huge["metadata"]["uid"] = json!("huge");
    huge["metadata"]["annotations"] = json!({"text": "x".repeat(10 << 20)});
    etcd.put(&[("persistentvolumes/pv-huge".into(), huge)]).await;
    within(Duration::from_secs(60), || {
        expect_that(
            info("persistentvolume", "persistentvolume", "pv-huge") == Some(1.0),
            "the huge one comes",
        )
    });

    let report = server.report();
    let expected = Expectations::of("storage-cluster", "");
    assert_holds(report.bytes(), &expected);
    let volumes = report.at("/PersistentVolume/nodes").unwrap().to_string();
    assert!(
        volumes.contains(&name) && volumes.contains("pv-huge"),
        "{volumes}"
    );
    let openly = [("Accept", "application/openmetrics-text")];
    let page = server.prometheus().ask("GET", "/metrics", &openly).unwrap();
    assert_eq!(open_metrics_violations(page.text()), [""; 0]);
}
