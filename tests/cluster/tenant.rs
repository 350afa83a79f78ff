//! Who has a Role in a namespace and nothing else, on a real API server.

use std::time::Duration;

use serde_json::{Value, json};

use super::resources::{figures, serve};
use super::support::api_server::{ApiServer, shipped_for_tenants};
use super::support::backend::{SHARED, resources_up};
use super::support::exposition::Page;
use super::support::metrics_server::{MetricsServer, node_metrics, pod_metrics};
use super::support::server::run;
use super::support::{expect_that, within};

/// How long the API server may take to show a change.
const LIMIT: Duration = Duration::from_secs(20);

const PODS: &str = "/api/v1/namespaces/shop/pods";
const SLICES: &str = "/apis/discovery.k8s.io/v1beta1/namespaces/shop/endpointslices";

/// A service's slice, as its controller would make it.
fn slice(service: &str, pods: &[&str]) -> Value {
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|pod| {
            json!({"addresses": ["10.1.0.5"], "conditions": {"ready": true},
                   "targetRef": {"kind": "Pod", "namespace": "shop", "name": pod}})
        })
        .collect();
    json!({"metadata": {"name": format!("{service}-x"), "labels": {"kubernetes.io/service-name": service}},
           "addressType": "IPv4", "endpoints": endpoints, "ports": []})
}

async fn run_pod(server: &ApiServer, name: &str, restarts: u64) {
    let pod = json!({
        "metadata": {"name": name},
        "spec": {
            "nodeName": "w1",
            "containers": [{"name": "main", "image": "image", "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}}}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        },
    });
    let main =
        json!({"name": "main", "restartCount": restarts, "ready": true, "image": "image", "imageID": ""});
    let status = json!({"phase": "Running", "podIP": "10.1.0.5", "containerStatuses": [main]});
    server.create_with_status(PODS, &pod, &status).await;
}

async fn scene(users: &[&str]) -> (ApiServer, MetricsServer) {
    let server = ApiServer::start(users);
    for namespace in ["shop", "bank"] {
        server
            .create("/api/v1/namespaces", &json!({"metadata": {"name": namespace}}))
            .await;
    }
    let claim = json!({"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "5Gi"}}}});
    server
        .create("/api/v1/namespaces/shop/persistentvolumeclaims", &claim)
        .await;
    run_pod(&server, "web-1", 3).await;
    server.create(SLICES, &slice("web", &["web-1"])).await;
    let metrics = MetricsServer::install(&server).await;
    metrics.says(
        vec![node_metrics("w1", "1", "1Gi")],
        vec![
            pod_metrics("shop", "web-1", "250m", "64Mi"),
            pod_metrics("shop", "new-1", "100m", "32Mi"),
            pod_metrics("bank", "vault", "1", "1Gi"),
        ],
    );
    (server, metrics)
}

fn of(page: &Page, family: &str, service: &str, instance: &str) -> Option<f64> {
    page.value(
        &format!("storage_probe_{family}"),
        &[
            ("namespace", "shop"),
            ("service", service),
            ("instance", instance),
        ],
    )
}

/// Nothing of others, and nothing of the cluster.
fn assert_own_alone(page: &Page) {
    for sample in page.samples() {
        let namespace = sample.labels.get("namespace").map(String::as_str);
        assert!(
            namespace.is_none_or(|namespace| namespace == "shop"),
            "{sample:?}"
        );
        for foreign in [
            "storage_probe_node_",
            "storage_probe_persistentvolume_",
            "storage_probe_disk",
        ] {
            assert!(!sample.name.starts_with(foreign), "{sample:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn a_tenant_sees_its_services_come_and_go() {
    let (server, _metrics) = scene(&["tenant"]).await;
    server
        .grant_within("shop", "tenant", &shipped_for_tenants())
        .await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = server.kubeconfig("tenant");
    let program = serve(folder.path(), &kubeconfig, &["--namespace", "shop"]);
    let page = figures(&program);
    assert_eq!(resources_up(&page), Some(1.0));
    assert_own_alone(&page);
    for (family, value) in [
        ("instance_ready", 1.0),
        ("instance_cpu_usage_cores", 0.25),
        ("instance_cpu_limit_cores", 0.5),
        ("instance_cpu_utilization_ratio", 0.5),
        ("instance_memory_working_set_bytes", f64::from(64 << 20)),
        ("instance_memory_utilization_ratio", 0.25),
        ("instance_restarts_total", 3.0),
        ("instance_claim_info", 1.0),
    ] {
        assert_eq!(of(&page, family, "web", "web-1"), Some(value), "{family}");
    }
    let requested = page.value(
        "storage_probe_persistentvolumeclaim_requested_bytes",
        &[("persistentvolumeclaim", "data")],
    );
    assert_eq!(requested, Some(5.0 * f64::from(1 << 30)));

    // A new service is found by itself, at the next scrape.
    run_pod(&server, "new-1", 0).await;
    server.create(SLICES, &slice("new", &["new-1"])).await;
    let page = figures(&program);
    assert_eq!(of(&page, "instance_restarts_total", "new", "new-1"), Some(0.0));
    assert_eq!(of(&page, "instance_cpu_usage_cores", "web", "web-1"), Some(0.25));
    // One that is deleted is gone, its pod first: the slice follows a moment later.
    server.delete(&format!("{PODS}/web-1")).await;
    let page = figures(&program);
    assert_eq!(of(&page, "instance_cpu_usage_cores", "web", "web-1"), None);
    let instances =
        |page: &Page, service: &str| page.value("storage_probe_service_instances", &[("service", service)]);
    assert_eq!(
        (instances(&page, "web"), instances(&page, "new")),
        (Some(0.0), Some(1.0))
    );
    server.delete(&format!("{SLICES}/web-x")).await;
    std::thread::sleep(SHARED);
    let page = program.page();
    assert_eq!(
        (instances(&page, "web"), instances(&page, "new")),
        (None, Some(1.0))
    );
    assert_own_alone(&page);
    let unused = page.value(
        "storage_probe_persistentvolumeclaim_used_by_pods",
        &[("persistentvolumeclaim", "data")],
    );
    assert_eq!(unused, Some(1.0), "new-1 has it");

    // What prints once works as well.
    let arguments = [
        "tree",
        "--namespace",
        "shop",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
    ];
    let drawn = run(&arguments);
    let drawn = String::from_utf8_lossy(&drawn.stdout).into_owned();
    assert!(drawn.contains("new-1") && !drawn.contains("vault"), "{drawn}");
    let arguments = [
        "metrics",
        "--namespace",
        "shop",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
    ];
    let printed = run(&arguments);
    let printed = Page::parse(&String::from_utf8_lossy(&printed.stdout));
    assert_eq!(instances(&printed, "new"), Some(1.0));
}

/// Each rule of the Role is for something, and without it that is left out: no error, and nothing else is missing.
#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn what_a_tenant_may_not_see_is_left_out() {
    let shipped = shipped_for_tenants();
    let mut rights = Vec::new();
    for rule in shipped["rules"].as_array().unwrap() {
        for resource in rule["resources"].as_array().unwrap() {
            rights.push((rule["apiGroups"][0].clone(), resource.clone()));
        }
    }
    let shown = [
        "container_restarts_total",
        "persistentvolumeclaim_info",
        "service_instances",
        "container_cpu_usage_cores",
    ];
    assert_eq!(rights.len(), shown.len());
    let users: Vec<String> = (0..rights.len()).map(|at| format!("without-{at}")).collect();
    let all: Vec<&str> = users.iter().map(String::as_str).chain(["nobody"]).collect();
    let (server, _metrics) = scene(&all).await;
    let folder = tempfile::tempdir().unwrap();
    for (left_out, user) in users.iter().enumerate() {
        let rules: Vec<Value> = rights
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != left_out)
            .map(|(_, (group, resource))| json!({"apiGroups": [group], "resources": [resource], "verbs": ["list"]}))
            .collect();
        server
            .grant_within("shop", user, &json!({"metadata": {"name": user}, "rules": rules}))
            .await;
        let program = serve(folder.path(), &server.kubeconfig(user), &["--namespace", "shop"]);
        let page = within(LIMIT, || {
            let page = figures(&program);
            let told = shown.map(|family| {
                let name = format!("storage_probe_{family}");
                page.samples().iter().any(|sample| sample.name == name)
            });
            let mut expected = [true; 4];
            expected[left_out] = false;
            expect_that(told == expected, format!("{user}: {told:?}")).map(|()| page)
        });
        assert_eq!(resources_up(&page), Some(1.0), "{user}");
        assert_own_alone(&page);
        // What is written on the way to an answer may be read after it.
        program.soon_logged("not seen: ");
        let log = program.log();
        let (_, resource) = &rights[left_out];
        let named = log
            .iter()
            .filter(|line| line.contains("not seen: ") && line.contains(resource.as_str().unwrap()))
            .count();
        assert_eq!(named, 1, "{log:#?}");
        assert!(
            !log.iter()
                .any(|line| line.contains("WARN") || line.contains("ERROR")),
            "{log:#?}"
        );
    }
    // Without any right there is a page, and nothing on it.
    let program = serve(
        folder.path(),
        &server.kubeconfig("nobody"),
        &["--namespace", "shop"],
    );
    let page = figures(&program);
    assert_eq!(resources_up(&page), Some(1.0));
    let names = page.samples().iter().map(|sample| sample.name.as_str());
    assert!(
        names.clone().all(|name| name.contains("backend_")),
        "{:?}",
        names.collect::<Vec<_>>()
    );
}
