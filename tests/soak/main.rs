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
mod outcome;
#[path = "../support/mod.rs"]
mod support;
mod usage;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use answers::Process;
use api_changes::{CLIENTS, Client, NODE};
use askers::{Asking, Known, probe, scraper};
use busy_disk::BusyDisk;
use history::History;
use kubelet::Kubelet;
use outcome::Done;
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
    // Not every machine that tests has udev, and that would be warned of.
    let udev = folder.join("udev");
    let udev_data = format!("--udev-data={}", udev.display());
    let mut node = of_cluster(&of_node);
    node[1] = "node";
    node.extend(["--node-name", NODE, &kubelet, &udev_data]);
    let plugins = folder.join("plugins");
    for folder in [&plugins, &kubelet::root(folder).join("pods"), &udev] {
        std::fs::create_dir_all(folder).unwrap();
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

/// All that runs at once, and how it is told to end.
struct Soak<'a> {
    api: &'a ApiServer,
    folder: &'a Path,
    history: &'a History,
    busy: &'a BusyDisk,
    asked: &'a [Asking<'a>; 2],
    changes: AtomicU64,
    mounted: AtomicU32,
    /// Nothing more is to be changed.
    last_change: AtomicBool,
    /// Nothing more is to be asked.
    end: AtomicBool,
}

impl Soak<'_> {
    fn change_objects<'scope>(
        &'scope self,
        threads: &'scope Scope<'scope, '_>,
    ) -> Vec<ScopedJoinHandle<'scope, ()>> {
        (0..CLIENTS)
            .map(|number| {
                threads.spawn(move || {
                    let _end = RaisedAtEnd(&self.last_change);
                    let client = Client::new(self.api, self.history, &self.changes);
                    api_changes::come_and_go(client, number, &self.last_change);
                })
            })
            .collect()
    }

    fn mount_volumes(&self) {
        let _end = RaisedAtEnd(&self.last_change);
        // Its changes come on top.
        let changes = AtomicU64::new(0);
        let client = Client::new(self.api, self.history, &changes);
        Kubelet::new(client, self.history, self.folder).come_and_go(&self.mounted, &self.last_change);
    }

    fn ask<'scope>(&'scope self, threads: &'scope Scope<'scope, '_>) {
        let known = Known {
            history: self.history,
            busy: self.busy,
        };
        for _ in 0..PROBES {
            threads.spawn(move || probe(self.asked, known, &self.end));
        }
        for number in 0..SCRAPERS {
            threads.spawn(move || scraper(self.asked, known, number.is_multiple_of(2), &self.end));
        }
    }

    /// Lets it run for so long, unless something ends before its time.
    #[allow(clippy::print_stdout, reason = "who runs it for half an hour wants to know")]
    fn watch(&self, length: Duration, usages: &mut [Usage; 2]) {
        let (begun, mut said) = (Instant::now(), Instant::now());
        while begun.elapsed() < length && !self.last_change.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(500));
            for (usage, asking) in usages.iter_mut().zip(self.asked) {
                usage.read(asking.server);
            }
            self.history.forget();
            if said.elapsed() > BETWEEN_WORDS {
                said = Instant::now();
                let numbers: Vec<_> = self
                    .asked
                    .iter()
                    .flat_map(|asking| [&asking.reports, &asking.pages])
                    .map(|seen| seen.lock().unwrap().numbers())
                    .collect();
                let minutes = begun.elapsed().as_secs() / 60;
                println!("after {minutes} minutes: asked, failed, late, wrong: {numbers:?}");
            }
        }
    }

    /// Everything at once for so long. Gives what both processes used, and how many changes there were in a second.
    fn run(&self, length: Duration) -> ([Usage; 2], f64) {
        let mut usages = [Usage::default(), Usage::default()];
        let mut changes = 0.0;
        thread::scope(|threads| {
            let _ends = [RaisedAtEnd(&self.last_change), RaisedAtEnd(&self.end)];
            let mut clients = self.change_objects(threads);
            clients.push(threads.spawn(|| self.mount_volumes()));
            threads.spawn(|| self.busy.write(&self.end));
            self.ask(threads);
            let begun = Instant::now();
            self.watch(length, &mut usages);
            changes = self.changes.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
            self.last_change.store(true, Ordering::Relaxed);
            for client in clients {
                client.join().expect("what is changed is changed to the end");
            }
            // All that was made is gone, and nothing of it may be told of any more.
            thread::sleep(self.history.leeway() * 2);
        });
        (usages, changes)
    }
}

#[test]
#[ignore = "takes minutes: tests/soak.sh"]
fn minutes_of_changes_and_questions_are_answered_in_time_and_leave_nothing_behind() {
    let minutes: f64 =
        std::env::var("SOAK_MINUTES").map_or(2.0, |text| text.parse().expect("SOAK_MINUTES is a number"));
    let length = Duration::from_secs_f64(minutes * 60.0);
    require_loop_devices();
    let folder = tempfile::tempdir().unwrap();
    let api = api_server();
    let servers = processes(&api, folder.path());
    let history = History::new(LEEWAY.mul_f64(time_slack()));
    let busy = BusyDisk::new(folder.path(), &history);
    let asked = [
        Asking::new(Process::Node, &servers[0]),
        Asking::new(Process::Cluster, &servers[1]),
    ];
    let soak = Soak {
        api: &api,
        folder: folder.path(),
        history: &history,
        busy: &busy,
        asked: &asked,
        changes: AtomicU64::new(0),
        mounted: AtomicU32::new(0),
        last_change: AtomicBool::new(false),
        end: AtomicBool::new(false),
    };
    let (usages, changes) = soak.run(length);
    let done = Done {
        length,
        changes,
        mounted: soak.mounted.load(Ordering::Relaxed),
        written: busy.written(),
    };
    outcome::print(&done, &asked, &usages);
    assert_eq!(
        outcome::complaints(&done, &asked, &usages, &servers),
        [] as [String; 0]
    );
}
