//! A hundred nodes, five thousand pods, as many claims and volumes: what the program costs there, and in smaller clusters. Run by
//! `tests/cluster-scale.sh`, which builds the program as its users do and names it in `MEASURED_PROGRAM`.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]
#![allow(clippy::print_stdout, reason = "its table is what it is run for")]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use scope_storage_probe::model::inventory::Role;
use serde_json::{Value, json};
use support::api_server::{ApiServer, shipped, shipped_for_engines};
use support::changes::while_changed;
use support::engine_definitions::{self, Versions};
use support::large_cluster::{Size, node_name, objects, volume_name};
use support::large_engines;
use support::process::{peak_bytes, resident_bytes, used_seconds};
use support::server::{Server, of_cluster, program};
use support::time_slack;

const LARGE: Size = Size {
    nodes: 100,
    pods: 5000,
};
/// One of the nodes.
const NODE: usize = 1;
/// Of volumes so many are changed, each again and again.
const CHANGED: usize = 50;
/// Changes, with a report after each.
const CHANGES: usize = 40;
/// How long nobody changes anything while the idle process is watched.
const IDLE: Duration = Duration::from_secs(10);
/// So many changes a second come in a busy cluster.
const BUSY: f64 = 50.0;
const MEGABYTE: f64 = 1e6;
const CORE: &str = "% of a core";

/// The sizes to measure: as many pods as `CLUSTER_SIZES` says, separated by commas, fifty of them on each node; or else the large one.
fn sizes() -> Vec<Size> {
    let Ok(wanted) = std::env::var("CLUSTER_SIZES") else {
        return vec![LARGE];
    };
    let size = |pods: &str| {
        let pods: usize = pods
            .parse()
            .unwrap_or_else(|_| panic!("CLUSTER_SIZES is numbers of pods, as 100,1000,5000; not {pods:?}"));
        assert!(
            pods >= 100 && pods.is_multiple_of(50),
            "CLUSTER_SIZES: {pods} pods are not 100, 150, 200 …"
        );
        Size {
            nodes: pods / 50,
            pods,
        }
    };
    wanted.split(',').map(size).collect()
}

/// One line of the table: what was measured, and what it may be at most.
struct Row {
    what: String,
    measured: f64,
    most: f64,
    unit: &'static str,
}

fn row(what: impl Into<String>, measured: f64, most: f64, unit: &'static str) -> Row {
    Row {
        what: what.into(),
        measured,
        most,
        unit,
    }
}

/// A row whose bound is for a quiet machine.
fn time_row(what: impl Into<String>, measured: f64, most: f64, unit: &'static str) -> Row {
    row(what, measured, most * time_slack(), unit)
}

fn measured_program() -> Command {
    let name = "MEASURED_PROGRAM";
    program(
        std::env::var_os(name)
            .unwrap_or_else(|| panic!("{name} names no program; tests/cluster-scale.sh does")),
    )
}

/// How long an answer of the plugin takes, in milliseconds, and how long it is.
fn ask(server: &Server) -> (f64, usize) {
    let started = Instant::now();
    let answer = server.scope().get("/report?api_version=1&probe_id=test").unwrap();
    let milliseconds = started.elapsed().as_secs_f64() * 1e3;
    assert_eq!(answer.status, 200);
    (milliseconds, answer.body.len())
}

/// The share of a core that the process takes for this long, asked by Scope every second or by nobody.
fn busy(server: &Server, asked: bool) -> f64 {
    let (started, before) = (Instant::now(), used_seconds(server.id()));
    while started.elapsed() < IDLE {
        if asked {
            ask(server);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    (used_seconds(server.id()) - before) / started.elapsed().as_secs_f64() * 100.0
}

fn memory_rows(server: &Server, names: [&'static str; 2], most: f64) -> [Row; 2] {
    let [resident, peak] = [resident_bytes, peak_bytes].map(|of| of(server.id()) as f64 / MEGABYTE);
    [
        row(names[0], resident, most, "MB"),
        row(names[1], peak, most, "MB"),
    ]
}

/// The API server takes in what was laid into etcd, which must not count as the program's.
fn until_idle(process: u32) {
    support::within(Duration::from_secs(120), || {
        let before = used_seconds(process);
        std::thread::sleep(Duration::from_secs(1));
        let share = used_seconds(process) - before;
        support::expect_that(
            share < 0.2,
            format!("the API server is busy: {share:.2} of a core"),
        )
    });
}

fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).ceil() as usize]
}

/// The whole cluster has been seen when the program says that it is ready.
fn until_synced(server: &Server, started: Instant) -> f64 {
    support::within(Duration::from_secs(120), || {
        let said = server.get("/readyz");
        support::expect_that(said.status == 200, said.text())
    });
    started.elapsed().as_secs_f64()
}

/// A change of one of the volumes, by its number: where it lies, and what becomes of it.
fn change_of_a_volume(number: usize, size: Size) -> (String, Value) {
    let volume = volume_name(number % CHANGED * size.pods / CHANGED);
    let provisioner = format!("driver-{number}");
    (
        format!("/api/v1/persistentvolumes/{volume}"),
        json!({"metadata": {"annotations": {"pv.kubernetes.io/provisioned-by": provisioner}}}),
    )
}

fn of_the_cluster_role(api: &ApiServer, size: Size, change: &mut dyn FnMut(usize)) -> Vec<Row> {
    let plugins = tempfile::tempdir().unwrap();
    let kubeconfig = api.kubeconfig("cluster");
    let arguments = of_cluster(kubeconfig.to_str().unwrap());
    let started = Instant::now();
    let server = Server::launch(measured_program(), plugins.path(), &arguments);
    let synced = until_synced(&server, started);
    let reading = used_seconds(server.id());
    let page = server.page();
    let known = |resource| {
        let objects = page.value("storage_probe_kubernetes_objects", &[("resource", resource)]);
        objects.unwrap() as usize
    };
    assert_eq!(["pods", "persistentvolumeclaims"].map(known), [size.pods; 2]);

    let (_, length) = ask(&server);
    let nobody = busy(&server, false);
    let scope = busy(&server, true);
    // An API server runs on another machine; on this one's two cores it would be a good part of the longest times.
    let mut times: Vec<f64> = api.while_still(|| (0..500).map(|_| ask(&server).0).collect());
    // Each of these answers is made anew, from objects of which one has changed.
    let mut changed: Vec<f64> = Vec::new();
    let before = used_seconds(server.id());
    for number in 0..CHANGES {
        change(number);
        std::thread::sleep(Duration::from_millis(100));
        changed.push(ask(&server).0);
    }
    let each_change = (used_seconds(server.id()) - before) / CHANGES as f64 * 1e3;
    let numbers_after = |number| change_of_a_volume(CHANGES + number, size);
    let (under_changes, rate) = while_changed(api, BUSY, numbers_after, || busy(&server, true));
    assert!(
        rate * time_slack() > BUSY * 0.9,
        "only {rate:.1} changes a second were made: is the machine busy?"
    );
    let page = measure_page(&server);
    let [p50, p99] = [0.5, 0.99].map(|share| percentile(&mut times, share));
    let after_change = percentile(&mut changed, 0.99);
    let mut rows = vec![
        time_row("cluster: all seen after", synced, 5.0, "s"),
        time_row("cluster: CPU for it", reading, 1.5, "s"),
        time_row("cluster: idle, asked by nobody", nobody, 1.0, CORE),
        time_row("cluster: idle, asked by Scope each second", scope, 1.0, CORE),
        time_row("cluster: report answered, p50", p50, 5.0, "ms"),
        time_row("cluster: report answered, p99", p99, 5.0, "ms"),
        time_row("cluster: the same after a change, p99", after_change, 250.0, "ms"),
        time_row(
            "cluster: CPU for a change and its report",
            each_change,
            100.0,
            "ms",
        ),
        time_row(
            format!("cluster: asked by Scope each second, {rate:.1} changes a second"),
            under_changes,
            10.0,
            CORE,
        ),
        row("cluster: report", length as f64 / MEGABYTE, 2.0, "MB"),
        time_row("cluster: page answered with gzip, p50", page.0, 200.0, "ms"),
        row("cluster: page", page.1 as f64 / MEGABYTE, 20.0, "MB"),
    ];
    let names = ["cluster: memory (VmRSS)", "cluster: its peak (VmHWM)"];
    rows.extend(memory_rows(&server, names, 80.0));
    rows
}

/// How long a page for Prometheus takes, compressed, in milliseconds; and how long one is that is not.
fn measure_page(server: &Server) -> (f64, usize) {
    let mut times: Vec<f64> = (0..20)
        .map(|_| {
            let started = Instant::now();
            let headers = [("Accept-Encoding", "gzip")];
            let page = server.prometheus().ask("GET", "/metrics", &headers).unwrap();
            assert_eq!(page.status, 200);
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let page = server.get("/metrics");
    (percentile(&mut times, 0.5), page.body.len())
}

/// The cluster role where every volume has an engine with copies, pools and disks.
fn of_engines(api: &ApiServer, change: &mut dyn FnMut(usize)) -> Vec<Row> {
    let plugins = tempfile::tempdir().unwrap();
    let kubeconfig = api.kubeconfig("cluster");
    let kubeconfig = kubeconfig.to_str().unwrap();
    let arguments = of_cluster(kubeconfig);
    let started = Instant::now();
    let server = Server::launch(measured_program(), plugins.path(), &arguments);
    until_synced(&server, started);
    support::within(Duration::from_secs(120), || {
        let page = server.page();
        let synced = support::engine_definitions::resources().all(|resource| {
            let labels = [("resource", resource.name)];
            page.value("storage_probe_kubernetes_watch_synced", &labels) == Some(1.0)
        });
        support::expect_that(synced, "not all engines' kinds are synced")
    });
    let synced = started.elapsed().as_secs_f64();
    let reading = used_seconds(server.id());
    let page = server.page();
    let copies = page
        .samples()
        .iter()
        .filter(|sample| sample.name == "storage_probe_volume_replica_info")
        .count();
    assert!(copies > LARGE.pods, "{copies} copies");
    let (_, length) = ask(&server);
    let scope = busy(&server, true);
    let mut changed: Vec<f64> = Vec::new();
    for number in 0..CHANGES {
        change(number);
        std::thread::sleep(Duration::from_millis(100));
        changed.push(ask(&server).0);
    }
    for _ in 0..5 {
        let page = server
            .prometheus()
            .ask("GET", "/metrics", &[("Accept-Encoding", "gzip")]);
        assert_eq!(page.unwrap().status, 200);
    }
    let after_change = percentile(&mut changed, 0.99);
    let mut rows = vec![
        time_row("engines: all seen after", synced, 10.0, "s"),
        time_row("engines: CPU for it", reading, 3.0, "s"),
        time_row("engines: idle, asked by Scope each second", scope, 1.0, CORE),
        time_row("engines: report after a change, p99", after_change, 300.0, "ms"),
        row("engines: report", length as f64 / MEGABYTE, 2.0, "MB"),
    ];
    let names = ["engines: memory (VmRSS)", "engines: its peak (VmHWM)"];
    rows.extend(memory_rows(&server, names, 100.0));
    rows
}

fn of_node(api: &ApiServer, size: Size) -> Vec<Row> {
    let plugins = tempfile::tempdir().unwrap();
    let kubeconfig = api.kubeconfig("node");
    let node = node_name(NODE);
    let arguments = [
        "--role",
        "node",
        "--node-name",
        &node,
        "--listen",
        "127.0.0.1:0",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
    ];
    let started = Instant::now();
    let server = Server::launch(measured_program(), plugins.path(), &arguments);
    support::within(Duration::from_secs(120), || {
        let page = server.page();
        let synced = [
            "pods",
            "persistentvolumeclaims",
            "persistentvolumes",
            "storageclasses",
        ]
        .iter()
        .all(|kind| page.value("storage_probe_kubernetes_watch_synced", &[("resource", kind)]) == Some(1.0));
        support::expect_that(synced, "not all is synced")
    });
    let synced = started.elapsed().as_secs_f64();
    let pods = server
        .report()
        .at("/Pod/nodes")
        .unwrap()
        .as_object()
        .unwrap()
        .len();
    assert_eq!(pods, size.pods / size.nodes);
    let (_, length) = ask(&server);
    let scope = busy(&server, true);
    server.page();
    let mut rows = vec![
        time_row("node: all of its own seen after", synced, 5.0, "s"),
        time_row("node: asked by Scope each second", scope, 1.0, CORE),
        row("node: report", length as f64 / MEGABYTE, 2.0, "MB"),
    ];
    let names = ["node: memory (VmRSS)", "node: its peak (VmHWM)"];
    rows.extend(memory_rows(&server, names, 15.0));
    rows
}

#[test]
#[ignore = "needs an API server and a program to measure: tests/cluster-scale.sh"]
fn a_large_cluster_costs_little() {
    for size in sizes() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let api = ApiServer::start(&["cluster", "node"]);
        runtime.block_on(async {
            api.grant("cluster", &shipped(Role::Cluster)).await;
            api.grant("node", &shipped(Role::Node)).await;
            api.etcd().put(&objects(size)).await;
        });
        until_idle(api.id());
        let mut change = |number: usize| {
            let (path, change) = change_of_a_volume(number, size);
            runtime.block_on(api.patch(&path, &change));
        };
        let rows: Vec<Row> = of_the_cluster_role(&api, size, &mut change)
            .into_iter()
            .chain(of_node(&api, size))
            .collect();
        print_and_judge(size, &rows);
    }
}

#[test]
#[ignore = "needs an API server and a program to measure: tests/cluster-scale.sh"]
fn storage_engines_under_every_volume_cost_little_more() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let api = ApiServer::start(&["cluster"]);
    runtime.block_on(async {
        api.grant("cluster", &shipped(Role::Cluster)).await;
        api.grant("cluster", &shipped_for_engines()).await;
        engine_definitions::install(&api, Versions::All).await;
        let namespace = json!({"metadata": {"name": "engines"}});
        api.create("/api/v1/namespaces", &namespace).await;
        api.etcd().put(&large_engines::objects(LARGE)).await;
    });
    until_idle(api.id());
    let mut change = |number: usize| {
        let phase = if number.is_multiple_of(2) {
            "Rebuilding"
        } else {
            "Healthy"
        };
        let replica = large_engines::replica_name(number / 2 * 5);
        let path = format!("/apis/cstor.openebs.io/v1/namespaces/engines/cstorvolumereplicas/{replica}");
        runtime.block_on(api.patch(&path, &json!({"status": {"phase": phase}})));
    };
    print_and_judge(LARGE, &of_engines(&api, &mut change));
}

fn print_and_judge(size: Size, rows: &[Row]) {
    println!(
        "\n| {} nodes, {} pods and claims | measured | at most |\n|---|---|---|",
        size.nodes, size.pods
    );
    for row in rows {
        println!(
            "| {} | {:.2} {unit} | {} {unit} |",
            row.what,
            row.measured,
            row.most,
            unit = row.unit
        );
    }
    let missed: Vec<&str> = rows
        .iter()
        .filter(|row| row.measured > row.most)
        .map(|row| row.what.as_str())
        .collect();
    assert!(missed.is_empty(), "more than the bound: {missed:?}");
}
