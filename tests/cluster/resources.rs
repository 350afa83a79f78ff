//! metrics.k8s.io as a real API server serves it: by another server behind it, which answers over TLS, to whom has the right.

use std::path::{Path, PathBuf};
use std::time::Duration;

use scope_storage_probe::model::inventory::Role;
use serde_json::{Value, json};

use super::support::api_server::{ApiServer, shipped};
use super::support::backend::{SHARED, resources_up};
use super::support::exposition::Page;
use super::support::metrics_server::{MetricsServer, node_metrics, pod_metrics};
use super::support::server::{PROGRAM, Server, program};
use super::support::{expect_that, within};

/// How long the program may take to be ready, and the API server to notice what changed.
const LIMIT: Duration = Duration::from_secs(90);

/// `serve` with this kubeconfig, in the role of a cluster.
pub(crate) fn serve(folder: &Path, kubeconfig: &Path, arguments: &[&str]) -> Server {
    let common = [
        "--listen",
        "127.0.0.1:0",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
    ];
    let all = [&common[..], arguments].concat();
    Server::launch(program(PROGRAM), &folder.join("plugins"), &all)
}

/// The page of the figures alone, as they are now.
pub(crate) fn figures(server: &Server) -> Page {
    std::thread::sleep(SHARED);
    Page::parse(server.get("/metrics/resources").text())
}

fn pod(node: &str) -> Value {
    json!({
        "metadata": {"name": "web"},
        "spec": {"nodeName": node, "containers": [
            {"name": "main", "image": "image", "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}}},
        ]},
    })
}

/// A pod as the kubelet says that it runs, with this address.
async fn run(server: &ApiServer, namespace: &str, node: &str, ip: &str) {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let status = json!({"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]});
    server.create_with_status(&path, &pod(node), &status).await;
}

fn cpu(page: &Page, namespace: &str) -> Option<f64> {
    page.value(
        "storage_probe_container_cpu_usage_cores",
        &[("namespace", namespace), ("pod", "web"), ("container", "main")],
    )
}

struct Scene {
    folder: tempfile::TempDir,
    kubeconfig: PathBuf,
    server: ApiServer,
    metrics: MetricsServer,
}

/// Two namespaces with a pod of the same name, a node, and a metrics-server; and one who has the shipped rights.
async fn scene() -> Scene {
    let server = ApiServer::start(&["prober"]);
    server.grant("prober", &shipped(Role::Cluster)).await;
    let metrics = MetricsServer::install(&server).await;
    for (namespace, node, ip) in [("shop", "w1", "10.1.0.5"), ("bank", "w2", "10.1.0.6")] {
        server
            .create("/api/v1/namespaces", &json!({"metadata": {"name": namespace}}))
            .await;
        run(&server, namespace, node, ip).await;
    }
    server
        .create("/api/v1/nodes", &json!({"metadata": {"name": "w1"}}))
        .await;
    metrics.says(
        vec![node_metrics("w1", "1503456789n", "3Ti")],
        vec![
            pod_metrics("shop", "web", "7m", "125448Ki"),
            pod_metrics("bank", "web", "250u", "500M"),
            pod_metrics("bank", "deleted", "1", "1"),
        ],
    );
    Scene {
        folder: tempfile::tempdir().unwrap(),
        kubeconfig: server.kubeconfig("prober"),
        server,
        metrics,
    }
}

fn wait_until_ready(program: &Server) {
    within(LIMIT, || {
        let answer = program.get("/readyz");
        expect_that(answer.status == 200, answer.text())
    });
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn figures_come_through_a_real_api_server_with_the_shipped_rights() {
    let scene = scene().await;
    let program = serve(
        scene.folder.path(),
        &scene.kubeconfig,
        &["--role", "cluster", "--compat", "metrics-server-prom"],
    );
    wait_until_ready(&program);
    let page = figures(&program);
    assert_eq!(resources_up(&page), Some(1.0));
    assert_eq!(
        page.value("storage_probe_node_cpu_usage_cores", &[("node", "w1")]),
        Some(1.503_456_789)
    );
    assert_eq!(
        (cpu(&page, "shop"), cpu(&page, "bank")),
        (Some(0.007), Some(0.00025))
    );
    // Each with its own node and address, though their names are the same.
    for (namespace, node, ip, memory) in [
        ("shop", "w1", "10.1.0.5", 128_458_752.0),
        ("bank", "w2", "10.1.0.6", 5e8),
    ] {
        let old = page.value(
            "kube_metrics_server_pod_mem",
            &[
                ("namespace", namespace),
                ("node", node),
                ("ip", ip),
                ("pod", "web"),
            ],
        );
        assert_eq!(old, Some(memory), "{namespace}");
    }
    assert!(
        page.samples()
            .iter()
            .all(|sample| !sample.labels.values().any(|value| value == "deleted")),
        "who does not exist is told of"
    );
    let window = page.value("storage_probe_pod_usage_window_seconds", &[("namespace", "shop")]);
    assert_eq!(window, Some(15.009));

    // A pod that goes takes its figures with it, whatever the metrics-server still says.
    scene.server.delete("/api/v1/namespaces/bank/pods/web").await;
    within(LIMIT, || {
        let page = figures(&program);
        expect_that(cpu(&page, "bank").is_none(), "figures of a deleted pod")?;
        expect_that(cpu(&page, "shop").is_some(), "the other one's are missing")
    });
    // Its successor of the same name has none before it was measured itself.
    tokio::time::sleep(Duration::from_secs(2)).await;
    run(&scene.server, "bank", "w2", "10.1.0.7").await;
    tokio::time::sleep(super::soon()).await;
    assert_eq!(cpu(&figures(&program), "bank"), None);
    scene
        .metrics
        .says(Vec::new(), vec![pod_metrics("bank", "web", "2", "1Gi")]);
    within(LIMIT, || {
        let cpu = cpu(&figures(&program), "bank");
        expect_that(cpu == Some(2.0), format!("{cpu:?}"))
    });
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn a_metrics_server_comes_fails_and_goes() {
    let scene = scene().await;
    let program = serve(scene.folder.path(), &scene.kubeconfig, &["--role", "cluster"]);
    wait_until_ready(&program);
    assert_eq!(resources_up(&figures(&program)), Some(1.0));

    scene.metrics.refuses(Some(503));
    std::thread::sleep(SHARED);
    let page = program.page();
    assert_eq!((resources_up(&page), cpu(&page, "shop")), (Some(0.0), None));
    let pods = page.value("storage_probe_kubernetes_objects", &[("resource", "pods")]);
    assert_eq!(pods, Some(2.0), "all else is there");
    assert!(program.get("/").text().contains("HTTP 503"), "the reason is told");
    scene.metrics.refuses(None);
    assert_eq!(resources_up(&figures(&program)), Some(1.0));

    scene.metrics.uninstall(&scene.server).await;
    within(LIMIT, || {
        let up = resources_up(&figures(&program));
        expect_that(up.is_none(), format!("{up:?} though there is none any more"))
    });
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn a_metrics_server_that_is_gone_without_a_word_is_a_failure() {
    let Scene {
        folder,
        kubeconfig,
        server: _server,
        metrics,
    } = scene().await;
    let program = serve(folder.path(), &kubeconfig, &["--role", "cluster"]);
    wait_until_ready(&program);
    // Its process ends, and the API server still knows of it.
    drop(metrics);
    within(LIMIT, || {
        let page = figures(&program);
        expect_that(
            resources_up(&page) == Some(0.0),
            format!("{:?}", resources_up(&page)),
        )
    });
    let told = program.get("/");
    assert!(told.text().contains("HTTP 503"), "{}", told.text());
}
