//! CPU and memory from `metrics.k8s.io`, and what a tenant sees of its namespaces: given these answers, this is the page.
//!
//! `tests/cluster/resources.rs` has the same on a real API server.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use scope_storage_probe::backends::resources::{ResourceOutcome, Resources};
use scope_storage_probe::cluster::Settings;
use scope_storage_probe::link;
use scope_storage_probe::model::backend::{BackendReadings, Figures};
use scope_storage_probe::model::inventory::{Inventory, Role};
use scope_storage_probe::model::resources::ResourceFigures;
use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::prometheus::write_backends_page;
use serde_json::{Value, json};
use support::backend::{SHARED, resources_up};
use support::exposition::{Page, open_metrics_violations};
use support::kubeconfig::kubeconfig_file;
use support::prometheus::{Prometheus, promtool};
use support::scripted_api::{Answer, Asked, ScriptedApi};
use support::server::{PROGRAM, Server, program};
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(20);
fn usage(cpu: &str, memory: &str) -> Value {
    json!({"cpu": cpu, "memory": memory})
}

fn node_metrics() -> Vec<Value> {
    vec![
        json!({"metadata": {"name": "w1", "labels": {"zone": "a"}}, "timestamp": "2026-01-02T03:04:05Z", "window": "20.021s",
               "usage": usage("1503456789n", "3Ti")}),
        json!({"metadata": {"name": "w2"}, "timestamp": "2026-01-02T03:04:05Z", "window": "30s", "usage": usage("2", "500M")}),
    ]
}

/// Two namespaces have a pod of the same name.
fn pod_metrics() -> Vec<Value> {
    let pod = |namespace: &str, name: &str, containers: Value| {
        json!({"metadata": {"name": name, "namespace": namespace}, "timestamp": "2026-01-02T03:04:05Z", "window": "15.009s",
               "containers": containers})
    };
    vec![
        pod(
            "shop",
            "web-0",
            json!([
                {"name": "main", "usage": usage("7m", "125448Ki")},
                {"name": "proxy", "usage": usage("250u", "1Mi")},
            ]),
        ),
        pod(
            "bank",
            "web-0",
            json!([{"name": "main", "usage": usage("0.5", "1k")}]),
        ),
        pod(
            "shop",
            "gone",
            json!([{"name": "main", "usage": usage("1", "1Gi")}]),
        ),
    ]
}

fn pod(namespace: &str, name: &str, node: &str, ip: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace, "uid": format!("{namespace}-{name}"), "resourceVersion": "5",
                     "creationTimestamp": "2026-01-01T00:00:00Z",
                     "ownerReferences": [{"kind": "StatefulSet", "name": "web", "controller": true}]},
        "spec": {"nodeName": node,
                 "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}}],
                 "containers": [
                     {"name": "main", "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}}},
                     {"name": "proxy", "resources": {"limits": {"memory": "64Mi"}}},
                 ]},
        "status": {"phase": "Running", "podIP": ip,
                   "containerStatuses": [{"name": "main", "restartCount": 3}, {"name": "proxy", "restartCount": 1}]},
    })
}

fn claim(namespace: &str, name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": namespace, "uid": format!("claim-{name}")},
           "spec": {"storageClassName": "fast", "volumeName": "pv-1", "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "5Gi"}}},
           "status": {"phase": "Bound"}})
}

fn slice(service: &str, pods: &[(&str, bool)]) -> Value {
    let endpoints: Vec<Value> = pods
        .iter()
        .map(
            |(pod, ready)| json!({"conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": pod}}),
        )
        .collect();
    json!({"metadata": {"name": format!("{service}-x"), "labels": {"kubernetes.io/service-name": service}}, "endpoints": endpoints})
}

fn is_metrics(asked: &Asked) -> bool {
    asked.path.starts_with("/apis/metrics.k8s.io/")
}

/// A cluster of two nodes and two pods.
fn cluster(asked: &Asked) -> Option<Answer> {
    if asked.watches() {
        return None;
    }
    let items = match (asked.resource.as_str(), is_metrics(asked)) {
        ("nodes", true) => node_metrics(),
        ("pods", true) => pod_metrics(),
        ("pods", false) => vec![
            pod("shop", "web-0", "w1", "10.1.0.5"),
            pod("bank", "web-0", "w2", "10.1.0.6"),
        ],
        ("nodes", false) => ["w1", "w2"]
            .map(|name| json!({"metadata": {"name": name}}))
            .into(),
        _ => return None,
    };
    Some(Answer::list("10", &items))
}

/// The namespace `shop` of the same cluster, as who may see it alone does.
fn shop(asked: &Asked) -> Option<Answer> {
    let forbidden = || Some(Answer::status(403, "Forbidden", "not in your namespace"));
    if !asked.path.contains("/namespaces/shop/") {
        return forbidden();
    }
    let of_shop = |object: &Value| object["metadata"]["namespace"] == "shop";
    // One container with all limits, in two services; and a pod of none, which is not measured yet.
    let solo = || {
        let mut solo = pod("shop", "solo", "w2", "10.1.0.7");
        solo["spec"]["containers"].as_array_mut().unwrap().truncate(1);
        solo["status"]["containerStatuses"] = json!([{"name": "main", "restartCount": 0}]);
        solo["spec"]["volumes"] = json!([]);
        solo
    };
    let unmeasured = || {
        json!({"metadata": {"name": "batch", "namespace": "shop", "uid": "shop-batch"}, "spec": {"containers": [{"name": "main"}]},
               "status": {"phase": "Pending"}})
    };
    let solo_metrics = json!({"metadata": {"name": "solo", "namespace": "shop"}, "timestamp": "2026-01-02T03:04:05Z", "window": "15s",
        "containers": [{"name": "main", "usage": usage("100m", "64Mi")}]});
    let items = match (asked.resource.as_str(), is_metrics(asked)) {
        ("pods", true) => pod_metrics()
            .into_iter()
            .filter(of_shop)
            .chain([solo_metrics])
            .collect(),
        ("pods", false) => vec![pod("shop", "web-0", "w1", "10.1.0.5"), solo(), unmeasured()],
        ("persistentvolumeclaims", _) => vec![claim("shop", "data-web-0"), claim("shop", "unused")],
        ("endpointslices", _) if asked.path.contains("/v1beta1/") => {
            vec![
                slice("web", &[("web-0", true)]),
                slice("new", &[]),
                slice("api", &[("solo", true)]),
                slice("api-canary", &[("solo", false)]),
            ]
        }
        ("endpointslices", _) => return Some(Answer::status(404, "NotFound", "no such version")),
        _ => return forbidden(),
    };
    Some(Answer::list("10", &items))
}

async fn read(api: &ScriptedApi, namespaces: &[&str]) -> ResourceOutcome {
    let namespaces = namespaces.iter().map(|name| (*name).to_owned()).collect();
    let source = Resources::new(api.config(), namespaces).unwrap();
    source.read(Instant::now() + PATIENCE).await
}

/// The page of an outcome, with the old names.
fn page(outcome: ResourceOutcome, inventory: &Inventory) -> String {
    let tenancy = outcome.reading.tenancy.as_ref();
    let claims = tenancy.map(|tenancy| Arc::new(link::cluster::map(Arc::clone(&tenancy.inventory))));
    let readings = BackendReadings {
        outcomes: Vec::new(),
        figures: vec![Figures::Resources(Arc::new(ResourceFigures {
            problem: outcome.problem(),
            map: link::resources::join(outcome.reading, inventory),
            claims,
            old_names: true,
        }))],
        ..BackendReadings::default()
    };
    let written = |format| {
        let mut page = String::new();
        write_backends_page(&readings, format, &mut |piece| page.push_str(piece));
        page
    };
    assert_eq!(
        open_metrics_violations(&written(Format::OpenMetrics("1.0.0"))),
        [""; 0]
    );
    written(Format::Text)
}

#[tokio::test]
async fn given_these_figures_this_is_the_page() {
    let api = ScriptedApi::start(cluster);
    let watched = api.watch(&Settings {
        role: Role::Cluster,
        ..Settings::default()
    });
    let inventory = watched.until("all are seen", Inventory::is_synced).await;
    let outcome = read(&api, &[]).await;
    assert_eq!((outcome.problem(), outcome.is_absent()), (None, false));
    insta::assert_snapshot!("cluster.page", page(outcome, &inventory));
}

#[tokio::test]
async fn given_a_namespace_this_is_a_tenants_page() {
    let api = ScriptedApi::start(shop);
    let outcome = read(&api, &["shop"]).await;
    assert_eq!(outcome.problem(), None);
    assert_eq!(outcome.hidden().count(), 0);
    insta::assert_snapshot!("tenant.page", page(outcome, &Inventory::default()));
}

#[tokio::test]
async fn what_a_tenant_may_not_see_is_no_error() {
    let api = ScriptedApi::start(|asked: &Asked| match asked.resource.as_str() {
        "pods" if !is_metrics(asked) => shop(asked),
        "endpointslices" => Some(Answer::status(404, "NotFound", "no such thing")),
        _ => Some(Answer::status(403, "Forbidden", "no")),
    });
    let outcome = read(&api, &["shop", "bank"]).await;
    assert_eq!(outcome.problem(), None);
    let hidden: Vec<String> = outcome.hidden().collect();
    assert_eq!(hidden.len(), 7, "{hidden:#?}");
    assert!(
        hidden.contains(
            &"namespace bank: pods: the API server answers HTTP 403: not in your namespace \
              (a Role grants it by the rule {apiGroups: [\"\"], resources: [\"pods\"], verbs: [\"list\"]})"
                .to_owned()
        ),
        "{hidden:#?}"
    );
    let page = page(outcome, &Inventory::default());
    let page = Page::parse(&page);
    let restarts = page.value(
        "storage_probe_container_restarts_total",
        &[("pod", "web-0"), ("container", "main")],
    );
    assert_eq!(restarts, Some(3.0));
    // Of what is not seen there is no sample, and no 0 either.
    for family in [
        "container_cpu_usage_cores",
        "service_instances",
        "persistentvolumeclaim_info",
    ] {
        let name = format!("storage_probe_{family}");
        assert!(page.samples().iter().all(|sample| sample.name != name), "{name}");
    }
}

#[tokio::test]
async fn what_is_no_kubernetes_api_is_a_failure() {
    let page = |_: &Asked| Some(Answer::text(404, "<html><h1>Not found</h1></html>"));
    let api = ScriptedApi::start(page);
    let outcome = read(&api, &["shop"]).await;
    let problem = outcome.problem().unwrap();
    assert!(
        problem.starts_with("namespace shop: pods, namespace shop: persistentvolumeclaims, ")
            && problem.contains("the API server answers HTTP 404")
            && problem.contains("or the address another's"),
        "{problem}"
    );
    assert_eq!(outcome.hidden().count(), 0);
}

/// What stands between and says no is not a right that is missing.
#[tokio::test]
async fn a_no_that_is_not_a_kubernetes_apis_hides_nothing() {
    for text in ["<html>denied</html>", "{\"message\": \"denied\"}", ""] {
        let api = ScriptedApi::start(move |asked: &Asked| {
            let denied = asked.resource == "persistentvolumeclaims" || is_metrics(asked);
            if denied {
                Some(Answer::text(403, text))
            } else {
                shop(asked)
            }
        });
        let outcome = read(&api, &["shop"]).await;
        assert_eq!(outcome.hidden().count(), 0, "{text}");
        let problem = outcome.problem().unwrap();
        assert!(
            problem
                .starts_with("namespace shop: persistentvolumeclaims, namespace shop: pods.metrics.k8s.io: ")
                && problem.contains("is a proxy in between")
                && !problem.contains("by the rule"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let api = ScriptedApi::start(|asked: &Asked| {
        is_metrics(asked).then(|| Answer::endless("{\"items\": [", "1".repeat(1 << 20)))
    });
    let outcome = tokio::time::timeout(PATIENCE, read(&api, &[])).await.unwrap();
    let problem = outcome.problem().unwrap();
    assert!(problem.contains("more than 12 MiB"), "{problem}");
}

/// A list in pages of at most so many as are asked for, which go on by a text that no query has as it is.
fn paged(asked: &Asked, items: &[Value]) -> Answer {
    let from = asked.query.get("continue").map_or(0, |from| {
        from.strip_prefix("a%2F").unwrap().parse::<usize>().unwrap()
    });
    let limit: usize = asked.query["limit"].parse().unwrap();
    let end = from.saturating_add(limit).min(items.len());
    if end == items.len() {
        Answer::list("10", &items[from..])
    } else {
        Answer::page("10", &items[from..end], &format!("a/{end}"))
    }
}

#[tokio::test]
async fn a_tenants_lists_come_in_pages_and_in_smaller_ones_where_they_are_long() {
    let pods: Vec<Value> = (0..250)
        .map(|at| pod("shop", &format!("web-{at:03}"), "w1", "10.1.0.5"))
        .collect();
    // What is a megabyte each comes in the middle.
    let claims: Vec<Value> = (0..330)
        .map(|at| {
            let mut claim = claim("shop", &format!("data-{at:03}"));
            if (100..120).contains(&at) {
                claim["metadata"]["annotations"] = json!({"text": "x".repeat(1 << 20)});
            }
            claim
        })
        .collect();
    let api = ScriptedApi::start(move |asked: &Asked| match asked.resource.as_str() {
        "pods" if !is_metrics(asked) => Some(paged(asked, &pods)),
        "persistentvolumeclaims" => Some(paged(asked, &claims)),
        _ => Some(Answer::list("10", &[])),
    });
    let outcome = read(&api, &["shop"]).await;
    assert_eq!((outcome.problem(), outcome.hidden().count()), (None, 0));
    let inventory = outcome.reading.tenancy.unwrap().inventory;
    assert_eq!((inventory.pods.len(), inventory.claims.len()), (250, 330));
    let limits = |resource: &str| -> Vec<String> {
        let asked = api.asked().into_iter().filter(|asked| asked.resource == resource);
        asked
            .filter_map(|asked| asked.query.get("limit").cloned())
            .collect()
    };
    assert_eq!(limits("pods"), ["100"; 3]);
    let limits = limits("persistentvolumeclaims");
    assert!((10..40).contains(&limits.len()), "{limits:?}");
    assert_eq!(limits.last().unwrap(), "100", "what was long is past");
}

/// An API server that gives the next page for ever ends with the time of who asks.
#[tokio::test]
async fn pages_without_end_are_given_up() {
    let api = ScriptedApi::start(|_: &Asked| Some(Answer::page("10", &[], "more")));
    let source = Resources::new(api.config(), vec!["shop".into()]).unwrap();
    let outcome = source.read(Instant::now() + Duration::from_millis(300)).await;
    let problem = outcome.problem().unwrap();
    assert!(
        problem.contains("pods, ") && problem.contains("no whole answer within 0."),
        "{problem}"
    );
}

#[tokio::test]
async fn a_metrics_server_that_fails_is_told_of_and_costs_its_figures_alone() {
    let unavailable = Answer::text(503, "service unavailable\n");
    let answer = unavailable.clone();
    let api = ScriptedApi::start(move |asked: &Asked| is_metrics(asked).then(|| answer.clone()));
    let told = read(&api, &[]).await.problem().unwrap();
    assert_eq!(
        told,
        "nodes.metrics.k8s.io, pods.metrics.k8s.io: the API server answers HTTP 503: service unavailable"
    );
    // A tenant has all the rest.
    let api = ScriptedApi::start(move |asked: &Asked| {
        if is_metrics(asked) {
            Some(unavailable.clone())
        } else {
            shop(asked)
        }
    });
    let outcome = read(&api, &["shop"]).await;
    let told = outcome.problem().unwrap();
    assert!(
        told.starts_with("namespace shop: pods.metrics.k8s.io: the API server answers HTTP 503"),
        "{told}"
    );
    let page = Page::parse(&page(outcome, &Inventory::default()));
    assert_eq!(
        page.value("storage_probe_instance_restarts_total", &[("service", "web")]),
        Some(4.0)
    );
}

#[tokio::test]
async fn a_missing_right_is_named_and_costs_its_half_alone() {
    let api = ScriptedApi::start(|asked: &Asked| match asked.resource.as_str() {
        "nodes" => Some(Answer::status(403, "Forbidden", "nodes is forbidden")),
        _ => cluster(asked),
    });
    let outcome = read(&api, &[]).await;
    assert_eq!(
        outcome.problem().as_deref(),
        Some(
            "nodes.metrics.k8s.io: the API server answers HTTP 403: nodes is forbidden (a ClusterRole grants it by the rule \
             {apiGroups: [\"metrics.k8s.io\"], resources: [\"nodes\"], verbs: [\"list\"]})"
        )
    );
    assert_eq!(outcome.reading.pods.len(), 3);
}

#[tokio::test]
async fn an_api_server_that_hangs_or_talks_nonsense_is_told_of_in_time() {
    for (answer, told) in [
        (Answer::none(), "no whole answer within 0."),
        (Answer::stuck("{\"items\": ["), "no whole answer within 0."),
        (
            Answer::text(200, "<html>welcome</html>"),
            "what is answered cannot be understood: ",
        ),
        (
            Answer::text(401, "who are you"),
            "the API server does not accept our credentials (HTTP 401)",
        ),
        (
            Answer::text(502, format!("<html>{}", "x".repeat(9999))),
            "the API server answers HTTP 502: <html>xxx",
        ),
    ] {
        let api = ScriptedApi::start(move |_: &Asked| Some(answer.clone()));
        let source = Resources::new(api.config(), Vec::new()).unwrap();
        let started = Instant::now();
        let outcome = source.read(started + Duration::from_millis(300)).await;
        assert!(started.elapsed() < Duration::from_secs(5));
        let problem = outcome.problem().unwrap();
        assert!(
            problem.starts_with(&format!("nodes.metrics.k8s.io, pods.metrics.k8s.io: {told}")),
            "{problem}"
        );
        assert!(problem.len() < 500, "{problem}");
        assert!(!outcome.is_absent());
    }
    let api = ScriptedApi::start(|_: &Asked| None);
    let address = api.address;
    api.stop().await;
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    let source = Resources::new(config, vec!["shop".into()]).unwrap();
    let told = source.read(Instant::now() + PATIENCE).await.problem().unwrap();
    assert!(told.contains("Connection refused"), "{told}");
}

#[tokio::test]
async fn a_cluster_without_a_metrics_server_has_nothing_to_be_asked() {
    let api = ScriptedApi::start(|asked: &Asked| {
        is_metrics(asked).then(|| Answer::text(404, "404 page not found\n"))
    });
    assert!(read(&api, &[]).await.is_absent());
}

/// A kubeconfig that leads to a scripted API server.
fn kubeconfig(folder: &Path, address: SocketAddr) -> String {
    kubeconfig_file(folder, address, &json!({})).display().to_string()
}

/// `serve` against a scripted API server, with these arguments.
async fn serve(
    api: &ScriptedApi,
    arguments: &'static [&'static str],
    test: impl FnOnce(&Server) + Send + 'static,
) {
    let address = api.address;
    let run = move || {
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = kubeconfig(folder.path(), address);
        let common = ["--listen", "127.0.0.1:0", "--kubeconfig", &kubeconfig];
        let server = Server::launch(
            program(PROGRAM),
            &folder.path().join("plugins"),
            &[&common[..], arguments].concat(),
        );
        test(&server);
    };
    tokio::task::spawn_blocking(run).await.unwrap();
}

#[tokio::test]
async fn a_scrape_has_the_figures_and_the_old_names_where_they_are_wanted() {
    let api = ScriptedApi::start(cluster);
    let arguments = &["--role", "cluster", "--compat", "metrics-server-prom"];
    serve(&api, arguments, |server| {
        support::within(PATIENCE, || {
            let ready = server.get("/readyz").status == 200;
            support::expect_that(ready, "it is not ready")
        });
        let alone = Page::parse(server.get("/metrics/resources").text());
        let cpu = |page: &Page| {
            page.value(
                "storage_probe_container_cpu_usage_cores",
                &[("namespace", "shop"), ("container", "main"), ("node", "w1")],
            )
        };
        assert_eq!((resources_up(&alone), cpu(&alone)), (Some(1.0), Some(0.007)));
        let old = alone.value(
            "kube_metrics_server_pod_mem",
            &[
                ("node", "w1"),
                ("pod", "web-0"),
                ("ip", "10.1.0.5"),
                ("container", "main"),
                ("namespace", "shop"),
            ],
        );
        assert_eq!(old, Some(128_458_752.0));
        assert!(alone.value("storage_probe_build_info", &[]).is_none());
        let all = server.page();
        assert_eq!((resources_up(&all), cpu(&all)), (Some(1.0), Some(0.007)));
        let without = Page::parse(server.get("/metrics?exclude[]=resources").text());
        assert_eq!((resources_up(&without), cpu(&without)), (None, None));
    })
    .await;
}

/// A cluster whose two lists of metrics.k8s.io take 0.7 s each.
fn with_slow_metrics() -> ScriptedApi {
    ScriptedApi::start(|asked: &Asked| {
        if is_metrics(asked) {
            std::thread::sleep(Duration::from_millis(700));
        }
        cluster(asked)
    })
}

/// Whether there were figures for who says that it waits for so many seconds.
fn up_within(server: &Server, seconds: &str) -> Option<f64> {
    let header = [("X-Prometheus-Scrape-Timeout-Seconds", seconds)];
    let mut prometheus = server.prometheus();
    prometheus.request("GET", "/metrics/resources", &header).unwrap();
    let answer = prometheus.answer(std::time::Instant::now() + PATIENCE, false);
    resources_up(&Page::parse(answer.unwrap().text()))
}

#[tokio::test]
async fn who_has_more_time_does_not_get_what_was_cut_short_for_another() {
    let api = with_slow_metrics();
    serve(&api, &["--role", "cluster"], |server| {
        let ask = |seconds: &str| up_within(server, seconds);
        std::thread::scope(|scope| {
            let hurried = scope.spawn(|| ask("0.8"));
            std::thread::sleep(Duration::from_millis(50));
            assert_eq!(ask("15"), Some(1.0));
            assert_eq!(hurried.join().unwrap(), Some(0.0));
        });
    })
    .await;
}

/// As two Prometheus servers do that scrape the same thing.
#[tokio::test]
async fn who_asks_while_it_is_read_for_another_gets_the_same() {
    let api = with_slow_metrics();
    serve(&api, &["--role", "cluster"], |server| {
        let ask = |seconds: &str| up_within(server, seconds);
        std::thread::scope(|scope| {
            // One list after the other, some 1.4 s.
            let first = scope.spawn(|| ask("15"));
            // So late that another reading could not be made in its own time.
            std::thread::sleep(Duration::from_millis(1200));
            assert_eq!(ask("1.6"), Some(1.0));
            assert_eq!(first.join().unwrap(), Some(1.0));
        });
    })
    .await;
}

#[tokio::test]
async fn a_failing_metrics_server_is_logged_once_and_costs_the_page_nothing_else() {
    let api = ScriptedApi::start(|asked: &Asked| {
        if !is_metrics(asked) {
            return cluster(asked);
        }
        // It is away for the first three scrapes.
        if asked.before < 3 {
            Some(Answer::text(503, "service unavailable"))
        } else {
            cluster(asked)
        }
    });
    serve(&api, &["--role", "cluster"], |server| {
        for _ in 0..3 {
            let page = server.page();
            std::thread::sleep(SHARED);
            assert_eq!(resources_up(&page), Some(0.0));
            assert!(page.value("storage_probe_build_info", &[]).is_some());
            let root = server.get("/");
            assert!(
                root.text().contains("HTTP 503: service unavailable"),
                "{}",
                root.text()
            );
        }
        assert_eq!(resources_up(&server.page()), Some(1.0));
        server.soon_logged("answers again");
        let log = server.log();
        let told = |text: &str| log.iter().filter(|line| line.contains(text)).count();
        assert_eq!((told("HTTP 503"), told("answers again")), (1, 1), "{log:#?}");
    })
    .await;
}

#[tokio::test]
async fn no_metrics_server_is_no_failure_and_who_does_not_want_it_does_not_ask() {
    let api = ScriptedApi::start(|asked: &Asked| {
        is_metrics(asked).then(|| Answer::text(404, "404 page not found"))
    });
    serve(&api, &["--role", "cluster"], |server| {
        assert_eq!(resources_up(&server.page()), None);
        assert_eq!(resources_up(&server.page()), None);
        let log = server.log();
        let told = log
            .iter()
            .filter(|line| line.contains("is metrics-server installed?"))
            .count();
        assert_eq!(told, 1, "{log:#?}");
    })
    .await;
    let before = api.asked().iter().filter(|asked| is_metrics(asked)).count();
    serve(&api, &["--role", "cluster", "--no-resources"], |server| {
        assert_eq!(resources_up(&server.page()), None);
        assert_eq!(server.get("/metrics/resources").status, 404);
    })
    .await;
    let after = api.asked().iter().filter(|asked| is_metrics(asked)).count();
    assert_eq!(before, after);
}

#[tokio::test]
async fn many_scrapes_at_once_share_a_reading() {
    let api = ScriptedApi::start(|asked: &Asked| {
        if is_metrics(asked) {
            std::thread::sleep(Duration::from_millis(100));
        }
        cluster(asked)
    });
    serve(&api, &["--role", "cluster"], |server| {
        let scrape = || resources_up(&Page::parse(server.get("/metrics/resources").text()));
        std::thread::scope(|scope| {
            let scrapes: Vec<_> = (0..20).map(|_| scope.spawn(scrape)).collect();
            for scrape in scrapes {
                assert_eq!(scrape.join().unwrap(), Some(1.0));
            }
        });
    })
    .await;
    let asked = api.asked().iter().filter(|asked| is_metrics(asked)).count();
    assert!(asked <= 8, "{asked} requests for 20 scrapes at once");
}

#[tokio::test]
async fn whoever_asks_again_and_again_makes_the_api_server_list_once_a_second() {
    let api = Arc::new(ScriptedApi::start(|asked: &Asked| {
        if asked.resource == "nodes" && is_metrics(asked) && asked.before == 1 {
            return Some(Answer::text(503, "service unavailable"));
        }
        cluster(asked)
    }));
    let seen = Arc::clone(&api);
    serve(&api, &["--role", "cluster"], move |server| {
        let lists = |name: &str| {
            let asked = seen.asked();
            asked
                .iter()
                .filter(|asked| is_metrics(asked) && asked.resource == name)
                .count()
        };
        // What fails is not asked for more often.
        for (time, wanted) in [(1, 1.0), (2, 0.0), (3, 1.0)] {
            let begun = std::time::Instant::now();
            for _ in 0..10 {
                let page = Page::parse(server.get("/metrics/resources").text());
                assert_eq!(resources_up(&page), Some(wanted));
            }
            if begun.elapsed() < Duration::from_secs(1) {
                assert_eq!((lists("nodes"), lists("pods")), (time, time));
            }
            std::thread::sleep(SHARED);
        }
    })
    .await;
}

#[tokio::test]
async fn a_tenant_whose_api_server_is_away_is_told_so() {
    let api = ScriptedApi::start(|_: &Asked| None);
    let address = api.address;
    api.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = kubeconfig(folder.path(), address);
    let (code, output) = run_to_its_end(&["tree", "--namespace", "shop", "--kubeconfig", &kubeconfig]);
    assert_eq!(code, Some(1));
    assert!(output.contains("Connection refused"), "{output}");
    // One page all the same: with the reason, and a figure that says so.
    let (code, output) = run_to_its_end(&["metrics", "--namespace", "shop", "--kubeconfig", &kubeconfig]);
    assert_eq!(code, Some(0));
    assert!(
        output.contains(&format!(
            "storage_probe_backend_up{{backend=\"resources\",instance=\"http://{address}\"}} 0\n"
        )),
        "{output}"
    );
    // It has no node and no role of one.
    let (code, output) = run_to_its_end(&[
        "tree",
        "--namespace",
        "shop",
        "--role",
        "node",
        "--kubeconfig",
        &kubeconfig,
    ]);
    assert_eq!(code, Some(1));
    assert!(output.contains("--namespace is for"), "{output}");
}

fn run_to_its_end(arguments: &[&str]) -> (Option<i32>, String) {
    let output = support::server::run(arguments);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// A Prometheus that scrapes the page of the figures alone, as the documentation says.
fn prometheus_of(server: &Server) -> Prometheus {
    Prometheus::configured(&format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n\
         - {{job_name: resources, honor_labels: true, metrics_path: /metrics/resources, static_configs: [{{targets: ['{}']}}]}}\n",
        server.address()
    ))
}

#[tokio::test]
#[ignore = "needs Debian's prometheus: tests/real-parts.sh"]
async fn a_real_prometheus_answers_the_queries_of_metrics_server_prom() {
    let api = ScriptedApi::start(cluster);
    let arguments = &["--role", "cluster", "--compat", "metrics-server-prom"];
    serve(&api, arguments, |server| {
        support::within(PATIENCE, || {
            let ready = server.get("/readyz").status == 200;
            support::expect_that(ready, "it is not ready")
        });
        for target in ["/metrics/resources", "/metrics"] {
            let page = server.get(target);
            assert_eq!(promtool(&page.body), (Some(0), String::new()), "{target}");
        }
        let prometheus = prometheus_of(server);
        let gives = |query: &str, wanted: f64| {
            support::within(PATIENCE, || {
                let value = prometheus.value(query)?;
                let near = (value - wanted).abs() <= wanted.abs() * 1e-9;
                support::expect_that(near, format!("{query} gives {value}"))
            });
        };
        gives("up{job='resources'}", 1.0);
        gives("sum(kube_metrics_server_node_cpu)", 3.503_456_789);
        gives("kube_metrics_server_node_mem{node='w2'}", 5e8);
        gives("sum(kube_metrics_server_pod_cpu{namespace='shop'})", 0.00725);
        gives(
            "sum by (node) (kube_metrics_server_pod_mem{node='w1'}) / on (node) kube_metrics_server_node_mem",
            129_507_328.0 / 3_298_534_883_328.0,
        );
        gives("count(kube_metrics_server_pod_mem{pod='web-0', ip='10.1.0.6'})", 1.0);
        gives(
            "count(storage_probe_container_cpu_usage_cores * on (namespace, pod) group_left (created_by_name) storage_probe_pod_info)",
            3.0,
        );
    })
    .await;
}

#[tokio::test]
#[ignore = "needs Debian's prometheus: tests/real-parts.sh"]
async fn a_real_prometheus_keeps_a_tenants_instances() {
    let api = ScriptedApi::start(shop);
    serve(&api, &["--namespace", "shop"], |server| {
        for target in ["/metrics/resources", "/metrics"] {
            let page = server.get(target);
            assert_eq!(promtool(&page.body), (Some(0), String::new()), "{target}");
        }
        let prometheus = prometheus_of(server);
        support::within(PATIENCE, || {
            let query = "storage_probe_instance_restarts_total{service='web', instance='web-0'}";
            let restarts = prometheus.value(query)?;
            support::expect_that(restarts > 3.5, format!("{restarts}"))
        });
        assert_eq!(prometheus.value("storage_probe_backend_up"), Ok(1.0));
    })
    .await;
}

/// Two containers in each of 5,000 pods on 100 nodes.
fn ten_thousand_containers(asked: &Asked) -> Option<Answer> {
    // The lists are always the same: made once, so that the program and not the test is waited for.
    static LISTS: OnceLock<[String; 4]> = OnceLock::new();
    if asked.watches() {
        return None;
    }
    let [metrics, pods, node_metrics, nodes] = LISTS.get_or_init(|| {
        let list = |items: Vec<Value>| json!({"metadata": {"resourceVersion": "10"}, "items": items}).to_string();
        let names = || (0..5000).map(|at| (format!("team-{}", at % 50), format!("service-{}-7d9c8b6f5-x{at:04}", at / 10)));
        let metrics = names().map(|(namespace, name)| {
            let labels = json!({"app.kubernetes.io/name": "service", "app.kubernetes.io/instance": namespace, "pod-template-hash": "7d9c8b6f5"});
            json!({"metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-01-02T03:04:35Z", "labels": labels},
                   "timestamp": "2026-01-02T03:04:05Z", "window": "15.009s",
                   "containers": [{"name": "main", "usage": usage("123456789n", "125448Ki")},
                                  {"name": "istio-proxy", "usage": usage("2345678n", "45448Ki")}]})
        });
        let limits = |cpu: &str| json!({"limits": {"cpu": cpu, "memory": "512Mi"}});
        let pods = names().enumerate().map(|(at, (namespace, name))| {
            json!({"metadata": {"name": name, "namespace": namespace, "uid": format!("uid-{at}"), "creationTimestamp": "2026-01-01T00:00:00Z",
                                "ownerReferences": [{"kind": "ReplicaSet", "name": "service-7d9c8b6f5", "controller": true}]},
                   "spec": {"nodeName": format!("worker-{}", at % 100),
                            "containers": [{"name": "main", "resources": limits("1")}, {"name": "istio-proxy", "resources": limits("2")}]},
                   "status": {"phase": "Running", "podIP": format!("10.{}.{}.7", at / 250, at % 250)}})
        });
        let nodes = || (0..100).map(|at| format!("worker-{at}"));
        let node_metrics = nodes().map(|name| {
            json!({"metadata": {"name": name}, "timestamp": "2026-01-02T03:04:05Z", "window": "20.02s", "usage": usage("12345678901n", "98765432Ki")})
        });
        let bare = nodes().map(|name| json!({"metadata": {"name": name}}));
        [list(metrics.collect()), list(pods.collect()), list(node_metrics.collect()), list(bare.collect())]
    });
    let body = match (asked.resource.as_str(), is_metrics(asked)) {
        ("nodes", true) => node_metrics,
        ("pods", true) => metrics,
        ("pods", false) => pods,
        ("nodes", false) => nodes,
        _ => return None,
    };
    Some(Answer::text(200, body.clone()))
}

#[tokio::test]
#[ignore = "measures: cargo test --release --test resources -- --ignored --nocapture measured"]
async fn ten_thousand_containers_measured() {
    const SCRAPES: u32 = 20;
    let api = ScriptedApi::start(ten_thousand_containers);
    serve(&api, &["--role", "cluster"], |server| {
        support::within(PATIENCE, || {
            let ready = server.get("/readyz").status == 200;
            support::expect_that(ready, "it is not ready")
        });
        let process = || {
            let page = Page::parse(server.get("/metrics?exclude[]=resources").text());
            let value = |name: &str| page.value(name, &[]).unwrap();
            (
                value("process_cpu_seconds_total"),
                value("process_resident_memory_bytes") / 1e6,
            )
        };
        let (_, before) = process();
        let page = server.get("/metrics/resources");
        let samples = Page::parse(page.text()).samples().len();
        let answered = ten_thousand_containers(&Asked {
            method: "GET".into(),
            resource: "pods".into(),
            path: "/apis/metrics.k8s.io/v1beta1/pods".into(),
            query: std::collections::BTreeMap::new(),
            before: 0,
        });
        let answered = format!("{answered:?}").len();
        let (began, _) = process();
        let mut wall = 0.0;
        for _ in 0..SCRAPES {
            // Each has a reading of its own.
            std::thread::sleep(SHARED);
            let started = std::time::Instant::now();
            assert_eq!(server.get("/metrics/resources").status, 200);
            wall += started.elapsed().as_secs_f64() * 1e3 / f64::from(SCRAPES);
        }
        let (ended, after) = process();
        let per_scrape = |seconds: f64| seconds * 1e3 / f64::from(SCRAPES);
        let cpu = per_scrape(ended - began);
        // As Prometheus asks for it.
        let mut zipped = 0;
        for _ in 0..SCRAPES {
            std::thread::sleep(SHARED);
            let answer = server
                .prometheus()
                .ask("GET", "/metrics/resources", &[("Accept-Encoding", "gzip")]);
            zipped = answer.unwrap().body.len();
        }
        let (zipped_ended, zipped_after) = process();
        let zipped_cpu = per_scrape(zipped_ended - ended);
        #[allow(clippy::print_stdout, reason = "it is what the test is for")]
        {
            println!(
                "10,000 containers: {samples} samples, {} bytes of page, {answered} bytes of figures; a scrape takes {cpu:.1} ms of CPU, {wall:.1} ms in all; compressed {zipped} bytes and {zipped_cpu:.1} ms of CPU; resident {before:.1} MB before the first, {after:.1} MB after {SCRAPES}, {zipped_after:.1} MB after as many compressed",
                page.body.len()
            );
        }
        assert!(samples > 60_000, "{samples}");
        assert!(cpu < 500.0 * support::time_slack(), "{cpu} ms");
        assert!(after < 100.0, "{after} MB");
    })
    .await;
}

#[tokio::test]
async fn a_tenants_program_needs_nothing_but_its_namespaces() {
    let api = ScriptedApi::start(shop);
    serve(&api, &["--namespace", "shop"], |server| {
        for target in ["/metrics", "/metrics/resources"] {
            let page = Page::parse(server.get(target).text());
            assert_eq!(resources_up(&page), Some(1.0));
            let share = page.value(
                "storage_probe_instance_memory_utilization_ratio",
                &[("namespace", "shop"), ("service", "web"), ("instance", "web-0")],
            );
            assert_eq!(
                share,
                Some((128_458_752.0 + f64::from(1 << 20)) / f64::from(320 << 20))
            );
        }
        assert_eq!(server.get("/readyz").status, 200);
        assert!(server.get("/").text().contains("Namespaces: shop."));
    })
    .await;
    let asked = api.asked();
    let strays: Vec<&Asked> = asked
        .iter()
        .filter(|asked| !asked.path.contains("/namespaces/shop/"))
        .collect();
    assert!(strays.is_empty(), "{strays:?}");
}
