//! Both roles of the program for some minutes, beside a real API server whose objects change all the while and on a machine whose disks,
//! mounts and loop devices do: run by `tests/soak.sh`, which says for how long.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod answers;
mod api_changes;
mod askers;
mod busy_disk;
mod counters;
mod history;
mod kubelet;
#[path = "../support/mod.rs"]
mod support;
mod usage;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use answers::Process;
use api_changes::{CLIENTS, Client, NODE, RATE};
use askers::{Asking, Known, probe, scraper};
use busy_disk::BusyDisk;
use history::History;
use kubelet::Kubelet;
use scope_storage_probe::model::inventory::Role;
use serde_json::json;
use support::api_server::{ApiServer, shipped};
use support::loop_device::require_loop_devices;
use support::server::{PROGRAM, Server, of_cluster, program};
use support::workload_objects::{CLASSES, class};
use support::{RaisedAtEnd, expect_that, time_slack, within};
use usage::Usage;

const PROBES: u32 = 4;
const SCRAPERS: u32 = 4;
/// How long after a change the program may say what was before.
const LEEWAY: Duration = Duration::from_secs(1);
const START: Duration = Duration::from_secs(60);
/// Fewer changes than this share of the rate, and it was another test.
const LEAST_OF_RATE: f64 = 0.9;
const BETWEEN_WORDS: Duration = Duration::from_secs(300);

/// The API server with what nobody changes.
fn api_server() -> ApiServer {
    let api = ApiServer::start(&["cluster", "node"]);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(async {
        api.grant("cluster", &shipped(Role::Cluster)).await;
        api.grant("node", &shipped(Role::Node)).await;
        let mut fast = class("fast");
        fast["allowVolumeExpansion"] = json!(true);
        api.create(CLASSES, &fast).await;
        for node in [NODE, "another-node"] {
            let node = json!({"metadata": {"name": node}});
            api.create("/api/v1/nodes", &node).await;
        }
    });
    api
}

/// Both processes, ready to answer.
fn processes(api: &ApiServer, folder: &Path) -> [Server; 2] {
    let measured = || program(std::env::var_os("MEASURED_PROGRAM").unwrap_or_else(|| PROGRAM.into()));
    let [of_node, cluster] = ["node", "cluster"].map(|user| api.kubeconfig(user).display().to_string());
    let kubelet = format!("--kubelet-root={}", kubelet::root(folder).display());
    let mut node = of_cluster(&of_node);
    node[1] = "node";
    node.extend(["--node-name", NODE, &kubelet]);
    let plugins = folder.join("plugins");
    for folder in [&plugins, &kubelet::root(folder)] {
        std::fs::create_dir(folder).unwrap();
    }
    let processes =
        [node, of_cluster(&cluster)].map(|arguments| Server::launch(measured(), &plugins, &arguments));
    within(START, || {
        let unready = processes
            .iter()
            .find(|server| server.get("/readyz").status != 200);
        expect_that(unready.is_none(), "not all is synced")
    });
    processes
}

#[test]
#[ignore = "takes minutes: tests/soak.sh"]
#[allow(clippy::print_stdout, reason = "the table is what it is run for")]
fn minutes_of_changes_and_questions_are_answered_in_time_and_leave_nothing_behind() {
    let minutes: f64 =
        std::env::var("SOAK_MINUTES").map_or(2.0, |text| text.parse().expect("SOAK_MINUTES is a number"));
    let length = Duration::from_secs_f64(minutes * 60.0);
    require_loop_devices();
    let folder = tempfile::tempdir().unwrap();
    let api = api_server();
    let servers = processes(&api, folder.path());
    let leeway = LEEWAY.mul_f64(time_slack());
    let history = History::new(leeway);
    let busy = BusyDisk::new(folder.path(), &history, leeway);
    let asked = [
        Asking::new(Process::Node, &servers[0]),
        Asking::new(Process::Cluster, &servers[1]),
    ];
    let known = Known {
        history: &history,
        busy: &busy,
    };
    let (changes, mounted) = (AtomicU64::new(0), AtomicU32::new(0));
    // What it changes comes on top.
    let of_kubelet = AtomicU64::new(0);
    let (end_of_changes, end) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut usages = [Usage::default(), Usage::default()];
    let client = |made| Client::new(&api, &history, made);
    let mut changed_in_time = 0.0;
    thread::scope(|threads| {
        let _end = RaisedAtEnd(&end);
        let _end_of_changes = RaisedAtEnd(&end_of_changes);
        let changers: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (client, changes, end) = (&client, &changes, &end_of_changes);
                threads.spawn(move || {
                    let _end = RaisedAtEnd(end);
                    api_changes::come_and_go(client(changes), number, end);
                })
            })
            .collect();
        let kubelet = threads.spawn(|| {
            let _end = RaisedAtEnd(&end_of_changes);
            Kubelet::new(client(&of_kubelet), &history, folder.path()).come_and_go(&mounted, &end_of_changes);
        });
        threads.spawn(|| busy.write(&end));
        for _ in 0..PROBES {
            threads.spawn(|| probe(&asked, &known, &end));
        }
        for number in 0..SCRAPERS {
            let (asked, known, end) = (&asked, &known, &end);
            threads.spawn(move || scraper(asked, known, number.is_multiple_of(2), end));
        }
        let (begun, mut said) = (Instant::now(), Instant::now());
        while begun.elapsed() < length && !end_of_changes.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(500));
            for (usage, server) in usages.iter_mut().zip(&servers) {
                usage.read(server);
            }
            history.forget();
            if said.elapsed() > BETWEEN_WORDS {
                said = Instant::now();
                let wrong: Vec<_> = asked
                    .iter()
                    .flat_map(|asking| [&asking.reports, &asking.pages])
                    .map(|seen| seen.lock().unwrap().numbers())
                    .collect();
                println!("after {:?}: asked, late, wrong: {wrong:?}", begun.elapsed());
            }
        }
        changed_in_time = changes.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
        end_of_changes.store(true, Ordering::Relaxed);
        for changer in changers.into_iter().chain([kubelet]) {
            changer.join().expect("what is changed is changed to the end");
        }
        // All that was made is gone, and nothing of it may be told of.
        thread::sleep(leeway * 2);
        end.store(true, Ordering::Relaxed);
    });
    let mounted = mounted.into_inner();
    println!(
        "{minutes} minutes, {changed_in_time:.1} changes of the API a second, {mounted} volumes mounted and unmounted, {:.0} MB written\n",
        busy.written()[0] as f64 / 1e6
    );
    println!("| answers | asked | late | wrong | p50 ms | p99 ms | most ms | stalest ms |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut complaints = Vec::new();
    for asking in asked {
        let name = format!("{:?}", asking.process).to_lowercase();
        for (seen, what) in [
            (asking.reports, format!("{name}: report, {PROBES} probes at 1 Hz")),
            (asking.pages, format!("{name}: page, {SCRAPERS} scrapers at 5 Hz")),
        ] {
            let mut seen = seen.into_inner().unwrap();
            println!("{}", seen.row(&what));
            complaints.extend(seen.complaints());
        }
    }
    println!(
        "\n| quarter | node: most resident, MB | open files | cluster: most resident, MB | open files |"
    );
    println!("|---|---|---|---|---|");
    let quarters = usages.each_ref().map(Usage::quarters);
    for (number, (node, cluster)) in quarters[0].iter().zip(&quarters[1]).enumerate() {
        let [node_bytes, cluster_bytes] = [node, cluster].map(|used| used.0 as f64 / 1e6);
        println!(
            "| {} | {node_bytes:.2} | {} | {cluster_bytes:.2} | {} |",
            number + 1,
            node.1,
            cluster.1
        );
    }
    for usage in &usages {
        complaints.extend(usage.growth(length));
    }
    for server in &servers {
        println!("\n{} lines logged", server.log().len());
        for line in server.log().iter().rev().take(12) {
            println!("{line}");
        }
    }
    assert_eq!(
        busy.written()[0],
        busy.written()[1],
        "somebody else writes to our disk"
    );
    assert!(mounted > 0, "no volume came or went");
    assert!(
        changed_in_time > f64::from(RATE) * LEAST_OF_RATE / time_slack(),
        "{changed_in_time} changes a second instead of {RATE}"
    );
    assert_eq!(complaints, [] as [String; 0]);
}
