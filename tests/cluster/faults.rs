//! What becomes of the program's answers while the API server is away, forgets, is slow, refuses, or is cut off.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper::Method;
use scope_storage_probe::cluster::Settings;
use scope_storage_probe::model::inventory::{Inventory, ResourceKind, Role, WatchProblem};
use serde_json::json;

use super::always_there;
use super::support::api_server::{ApiServer, shipped};
use super::support::asker::Asker;
use super::support::exposition::Page;
use super::support::relay::{Relay, Way};
use super::support::server::{PROGRAM, Server, of_cluster, program};
use super::support::staleness::Staleness as _;
use super::support::{expect_that, within};
use super::{CLAIMS, CLASSES, PODS, VOLUMES, class, fill, pods, settings, volume, watch};

/// How long the program may take to find back to a server that is there again: its pauses grow to half a minute.
const BACK: Duration = Duration::from_secs(90);

fn launch(plugins: &std::path::Path, kubeconfig: &str) -> Server {
    let arguments = of_cluster(kubeconfig);
    let server = Server::launch(program(PROGRAM), plugins, &arguments);
    until(&server, "all is seen", |page| synced(page) == Some(true));
    server
}

/// `Some` where it is the same for all kinds.
fn synced(page: &Page) -> Option<bool> {
    let of_kind = |kind: ResourceKind| {
        page.value(
            "storage_probe_kubernetes_watch_synced",
            &[("resource", kind.resource())],
        ) == Some(1.0)
    };
    let first = of_kind(ResourceKind::Pods);
    always_there().all(|kind| of_kind(kind) == first).then_some(first)
}

fn until(server: &Server, what: &str, holds: impl Fn(&Page) -> bool) {
    within(BACK, || expect_that(holds(&server.page()), what));
}

/// The names of the claims in the report.
fn claims(server: &Server) -> Vec<String> {
    names(server, "PersistentVolumeClaim")
}

fn names(server: &Server, topology: &str) -> Vec<String> {
    let report = server.report();
    let nodes = report
        .at(&format!("/{topology}/nodes"))
        .unwrap()
        .as_object()
        .unwrap();
    let name = |node: &serde_json::Value| {
        node["latest"]["kubernetes_name"]["value"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let mut names: Vec<String> = nodes.values().map(name).collect();
    names.sort();
    names
}

fn description(server: &Server) -> String {
    server
        .report()
        .at("/Plugins/0/description")
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

fn is_refused(page: &Page, reason: &str) -> bool {
    let labels = [("resource", "persistentvolumes"), ("reason", reason)];
    page.value("storage_probe_kubernetes_stale_since_seconds", &labels)
        .is_some()
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn a_minute_without_the_server_and_its_history_costs_nothing() {
    let mut server = ApiServer::start(&["prober"]);
    server.grant("prober", &shipped(Role::Cluster)).await;
    fill(&server).await;
    let plugins = tempfile::tempdir().unwrap();
    let program = launch(plugins.path(), server.kubeconfig("prober").to_str().unwrap());
    assert_eq!(claims(&program), ["idle", "one", "two"]);
    let asker = Asker::start(program.socket());
    let listed = server.ask(Method::GET, CLAIMS, None).await;
    let version = listed["metadata"]["resourceVersion"].as_str().unwrap();

    let stopped = (
        Instant::now(),
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64(),
    );
    server.stop();
    let etcd = server.etcd();
    etcd.delete("persistentvolumeclaims/default/two").await;
    etcd.delete("pods/default/web-2").await;
    let mut late = volume("pv-late", "late");
    late["apiVersion"] = json!("v1");
    late["kind"] = json!("PersistentVolume");
    late["metadata"]["uid"] = json!("late");
    etcd.put(&[("persistentvolumes/pv-late".into(), late)]).await;
    etcd.compact().await;

    until(&program, "it is noticed", |page| synced(page) == Some(false));
    while stopped.0.elapsed() < Duration::from_secs(60) {
        let page = program.page();
        for kind in always_there() {
            let labels = [("resource", kind.resource()), ("reason", "unreachable")];
            let since = page
                .value("storage_probe_kubernetes_stale_since_seconds", &labels)
                .unwrap();
            // The page tells whole seconds.
            assert!(
                (stopped.1 - 1.0..stopped.1 + 30.0).contains(&since),
                "{kind:?} since {since}"
            );
        }
        assert_eq!(claims(&program), ["idle", "one", "two"], "the last known map");
        let said = description(&program);
        assert!(
            said.contains("persistentvolumes as last known: unreachable, since 20"),
            "{said}"
        );
        let ready = program.get("/readyz");
        assert_eq!(ready.status, 200, "old, but whole: {}", ready.text());
        assert!(ready.text().contains("pods as last known: "), "{}", ready.text());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    server.start_again();
    let watch = format!("{CLAIMS}?watch=true&timeoutSeconds=5&resourceVersion={version}");
    let said = server.ask(Method::GET, &watch, None).await;
    assert_eq!(said["object"]["code"], 410, "the past is forgotten: {said}");
    until(&program, "it is back", |page| synced(page) == Some(true));
    assert_eq!(claims(&program), ["idle", "one"]);
    assert!(names(&program, "PersistentVolume").contains(&"pv-late".to_owned()));
    let gone = program.page().value(
        "storage_probe_persistentvolumeclaim_info",
        &[("persistentvolumeclaim", "two")],
    );
    assert_eq!(gone, None);
    assert!(!description(&program).contains("as last known"));
    assert_eq!(program.get("/readyz").text(), "ready\n");
    asker.finish();
    // It comes and goes once each, however often it was tried.
    let told = program
        .log()
        .iter()
        .filter(|line| line.contains("unreachable"))
        .count();
    assert!(
        (1..=2 * ResourceKind::ALL.len()).contains(&told),
        "{told} lines: {:#?}",
        program.log()
    );
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn a_server_that_is_slow_refuses_or_is_cut_off_is_followed_all_the_same() {
    let server = ApiServer::start(&["prober"]);
    server.grant("prober", &shipped(Role::Cluster)).await;
    fill(&server).await;
    let relay = Relay::to(server.anonymous());
    let folder = tempfile::tempdir().unwrap();
    relay.set(Way::Slow(Duration::from_millis(700)));
    let program = launch(folder.path(), &relay.kubeconfig(folder.path(), "prober"));
    let asker = Asker::start(program.socket());
    server.create(VOLUMES, &volume("pv-slow", "slow")).await;
    let has = |name: &'static str| {
        move |page: &Page| {
            page.value(
                "storage_probe_persistentvolume_info",
                &[("persistentvolume", name)],
            )
            .is_some()
        }
    };
    until(&program, "a change comes, if late", has("pv-slow"));

    // The event that brings pv-cut is itself cut in its middle.
    relay.set(Way::Cut);
    server.create(VOLUMES, &volume("pv-cut", "cut")).await;
    within(BACK, || expect_that(relay.cut() > 0, "a watch is cut"));
    relay.set(Way::Open);
    until(&program, "the cut event comes whole", |page| {
        has("pv-cut")(page) && synced(page) == Some(true)
    });

    for (code, reason, word) in [
        (429, "TooManyRequests", "throttled"),
        (500, "InternalError", "failing"),
    ] {
        relay.set(Way::Refused(code, reason));
        relay.break_connections();
        until(&program, word, |page| is_refused(page, word));
        assert_eq!(claims(&program), ["idle", "one", "two"], "the last known map");
        let name = format!("pv-{code}");
        server.create(VOLUMES, &volume(&name, "refused")).await;
        assert!(relay.refused() > 0);
        relay.set(Way::Open);
        until(&program, "it is back", |page| synced(page) == Some(true));
        assert!(names(&program, "PersistentVolume").contains(&name));
    }
    asker.finish();
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn a_token_that_ends_is_exchanged_for_the_one_in_its_file() {
    let server = ApiServer::start(&[]);
    fill(&server).await;
    let account = "/api/v1/namespaces/default/serviceaccounts";
    server
        .create(account, &json!({"metadata": {"name": "prober"}}))
        .await;
    server
        .grant("system:serviceaccount:default:prober", &shipped(Role::Cluster))
        .await;
    // As the kubelet has it made for a pod: it is good for as long as the object that it is bound to is there.
    let token = async |secret: &str| {
        let made = server
            .create(
                "/api/v1/namespaces/default/secrets",
                &json!({"metadata": {"name": secret}}),
            )
            .await;
        let bound =
            json!({"kind": "Secret", "apiVersion": "v1", "name": secret, "uid": made["metadata"]["uid"]});
        let asked = json!({"spec": {"boundObjectRef": bound}});
        let given = server.create(&format!("{account}/prober/token"), &asked).await;
        given["status"]["token"].as_str().unwrap().to_owned()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, token("first").await).unwrap();
    let settings = Settings {
        // Who is known to the server when a watch begins may go on with it.
        watch_seconds: 5,
        ..settings(Role::Cluster)
    };
    let watched = watch(server.config_with_token_file(&file), &settings);
    watched.until("all are seen", Inventory::is_synced).await;

    server.delete("/api/v1/namespaces/default/secrets/first").await;
    let long = Duration::from_secs(150);
    let refused = |inventory: &Inventory| {
        inventory
            .watches
            .values()
            .all(|watch| watch.problem() == Some(WatchProblem::Unauthorized))
    };
    let inventory = watched.within(long, "the token has ended", refused).await;
    assert_eq!(inventory.faults.len(), 1, "{:#?}", inventory.faults);
    assert_eq!(pods(&inventory), ["web-1", "web-2"], "the last known map");
    server.delete(&format!("{PODS}/web-2")).await;
    server.create(CLASSES, &class("late")).await;

    std::fs::write(&file, token("second").await).unwrap();
    let inventory = watched
        .within(long, "it is let in", |inventory| {
            inventory.stale_since().is_none() && inventory.classes.contains_key("late")
        })
        .await;
    assert_eq!(pods(&inventory), ["web-1"]);
}
