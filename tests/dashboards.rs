//! Every query of every dashboard, asked of a real Prometheus that scraped the real program and has our rules, on a machine
//! where a pod writes to a volume on a disk of its own. Each gives data.
//!
//! Run by `tests/dashboards.sh` as root.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use support::kubelet_folder::{KubeletFolder, POD, shell};
use support::loop_device::{LoopDevice, backing_file, require_loop_devices};
use support::powerflex_gateway::{self, Gateway, Mood};
use support::prometheus::Prometheus;
use support::server::{PROGRAM, Server, program};
use support::{expect_that, within};

/// Rates over five minutes need two samples, rules a third.
const LIMIT: Duration = Duration::from_secs(60);

/// Panels that may be empty on the machine that tests, and why.
const MAY_BE_EMPTY: [(&str, &str); 1] = [(
    "What each is made of",
    "a machine whose disks have no partitions has no stack; tests/machines has them",
)];

fn dashboards() -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no dashboard is shipped");
    let read = |path: PathBuf| {
        let json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        (path, json)
    };
    paths.into_iter().map(read).collect()
}

/// What a user's choice makes of a query.
fn chosen(query: &str) -> String {
    let made = query
        .replace("$__rate_interval", "1m")
        .replace("$instance", ".*")
        .replace("$system", ".*")
        .replace("$namespace", "shop")
        .replace("$claim", "db");
    // `$1` is label_replace's own.
    assert!(
        !made.replace("$1", "").contains('$'),
        "an unknown variable in {query}"
    );
    made
}

/// Where each query is found, and the query.
fn queries() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, dashboard) in dashboards() {
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let place = format!("{}: {}", path.display(), panel["title"]);
                found.push((place, chosen(target["expr"].as_str().unwrap())));
            }
        }
    }
    assert!(found.len() > 40, "only {} queries", found.len());
    found
}

/// A cluster with one pod on this node, and something of all that the overview lists.
fn cluster() -> Value {
    let claim = |name: &str, volume: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
               "metadata": {"namespace": "shop", "name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
               "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeName": volume,
                        "resources": {"requests": {"storage": "16Mi"}}},
               "status": {"phase": "Bound"}})
    };
    let volume = |name: &str, claim: &str, phase: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name, "uid": name},
               "spec": {"capacity": {"storage": "16Mi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
                        "persistentVolumeReclaimPolicy": "Retain", "csi": {"driver": "disks.example", "volumeHandle": name},
                        "claimRef": {"namespace": "shop", "name": claim, "uid": claim}},
               "status": {"phase": phase}})
    };
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast"}, "provisioner": "disks.example"},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "shop", "name": "web", "uid": POD},
         "spec": {"nodeName": "w1", "containers": [{"name": "main", "image": "image"}],
                  "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "db"}}]},
         "status": {"phase": "Running"}},
        claim("db", "pv-one"), volume("pv-one", "db", "Bound"),
        claim("idle", "pv-idle"), volume("pv-idle", "idle", "Bound"),
        volume("pv-left", "gone", "Released"),
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pv-flex", "uid": "pv-flex"},
         "spec": {"capacity": {"storage": "8Gi"}, "accessModes": ["ReadWriteOnce"],
                  "csi": {"driver": "csi-vxflexos.dellemc.com", "volumeHandle": "14dbbf5617523654-72ce476b00000002"}},
         "status": {"phase": "Available"}},
        {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": "csi-1"},
         "spec": {"attacher": "disks.example", "nodeName": "w1", "source": {"persistentVolumeName": "pv-one"}},
         "status": {"attached": true}},
    ]})
}

#[test]
#[ignore = "needs root, loop devices and Debian's prometheus: tests/dashboards.sh"]
fn every_panel_of_every_dashboard_has_data() {
    require_loop_devices();
    let folder = tempfile::tempdir().unwrap();
    let disk = LoopDevice::attach(&backing_file(folder.path(), "disk.img", 16));
    let device = disk.path().to_str().unwrap();
    let kubelet = KubeletFolder::make();
    let mounted = kubelet.volume();
    let mounted = mounted.to_str().unwrap();
    shell("mkfs.ext4", &["-q", device]);
    shell("mount", &[device, mounted]);
    let dump = folder.path().join("cluster.json");
    std::fs::write(&dump, cluster().to_string()).unwrap();

    let mut pool = powerflex_gateway::pool("1", "ssd");
    let window = json!({"numSeconds": 5, "totalWeightInKb": 2000, "numOccured": 500});
    pool.statistics = json!({"userDataReadBwc": window, "userDataSdcReadLatency": window});
    pool.volumes = vec!["72ce476b00000002".to_owned()];
    let gateway = Gateway::start(Mood {
        pools: vec![pool],
        ..Mood::default()
    });
    let systems = powerflex_gateway::settings(folder.path(), &[("prod", &gateway.url())]);

    let mut command = program(PROGRAM);
    command
        .env("STORAGE_PROBE_POWERFLEX", systems)
        .env("STORAGE_PROBE_ROLE", "all")
        .env("STORAGE_PROBE_NODE_NAME", "w1")
        .env("STORAGE_PROBE_KUBELET_ROOT", &kubelet.root)
        .env("STORAGE_PROBE_FROM_DUMP", &dump);
    let server = Server::launch(
        command,
        &folder.path().join("plugins"),
        &["--listen", "127.0.0.1:0"],
    );
    let prometheus = Prometheus::configured(&format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
         rule_files: ['{}/manifests/prometheus/rules.yaml']\n\
         scrape_configs:\n\
         - job_name: scope-storage-probe\n  honor_labels: true\n  static_configs: [{{targets: ['{}'], labels: {{node: w1}}}}]\n",
        env!("CARGO_MANIFEST_DIR"),
        server.address(),
    ));

    let work = || {
        let file = format!("of={mounted}/file");
        for arguments in [
            [
                "if=/dev/zero",
                &*file,
                "oflag=direct",
                "bs=64k",
                "count=8",
                "status=none",
            ],
            [
                &*format!("if={device}"),
                "of=/dev/null",
                "iflag=direct",
                "bs=64k",
                "count=8",
                "status=none",
            ],
        ] {
            assert!(Command::new("dd").args(arguments).status().unwrap().success());
        }
        shell("sync", &["-f", mounted]);
    };
    let mut waiting = queries();
    within(LIMIT, || {
        work();
        waiting.retain(|(place, query)| {
            let may_be_empty = MAY_BE_EMPTY
                .iter()
                .any(|(panel, _)| place.ends_with(&format!("\"{panel}\"")));
            // It is asked all the same: a wrong query is an error.
            prometheus.query(query).is_empty() && !may_be_empty
        });
        expect_that(waiting.is_empty(), format!("no data for {waiting:#?}"))
    });
    // Rules that cannot be evaluated give no data, and no error to whoever asks.
    for group in prometheus.data("/api/v1/rules")["groups"].as_array().unwrap() {
        for rule in group["rules"].as_array().unwrap() {
            assert_eq!(rule["health"], "ok", "{rule:#}");
        }
    }
    drop(server);
    shell("umount", &[mounted]);
}

#[test]
#[ignore = "of one suite with the other: tests/dashboards.sh"]
fn dashboards_are_told_apart_and_name_no_data_source_of_their_own() {
    let mut names = BTreeSet::new();
    for (path, dashboard) in dashboards() {
        assert!(
            names.insert(dashboard["uid"].as_str().unwrap().to_owned()),
            "{}",
            path.display()
        );
        for panel in dashboard["panels"].as_array().unwrap() {
            assert_eq!(
                panel["datasource"]["uid"],
                "${datasource}",
                "{}: {}",
                path.display(),
                panel["title"]
            );
        }
    }
}
