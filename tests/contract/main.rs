//! Every report keeps the contract with Scope: the schema in `plugin-spec/`, and the traps that no schema can express.

mod mutations;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::SystemTime;

use scope_storage_probe::link::cluster;
use scope_storage_probe::model::backend::{BackendReadings, Figures};
use scope_storage_probe::model::mount::FilesystemUsage;
use scope_storage_probe::model::powerflex::{Figure, Pool, System, VolumePlace};
use scope_storage_probe::model::workload::NamespacedName;
use scope_storage_probe::render::scope;
use serde_json::Value;
use support::reading::WALL;
use support::scope_contract::{
    DECLARATION, Expectations, MAXIMAL_BYTES, assert_holds, declaration_differences, violations,
};
use support::{clusters, generated, reading};

fn expectations(host: &str) -> Expectations<'_> {
    Expectations::of("storage", host)
}

#[test]
fn reports_of_small_and_large_machines_keep_the_contract() {
    for (disks, readings) in [(0, 3), (1, 1), (1, 2), (2, 1), (2, 40), (100, 40), (1000, 3)] {
        let state = reading::state(&generated::machine(disks), readings);
        assert_holds(&scope::report(&state), &expectations("generated"));
    }
}

#[test]
fn a_report_of_a_thousand_disks_says_how_many_it_left_out() {
    let state = reading::state(&generated::machine(1000), 3);
    let bytes = scope::report(&state);
    assert!(bytes.len() < MAXIMAL_BYTES, "{}", bytes.len());
    let report: Value = serde_json::from_slice(&bytes).unwrap();
    let shown = report["PersistentVolume"]["nodes"].as_object().unwrap().len();
    let description = report["Plugins"][0]["description"].as_str().unwrap();
    assert!(
        description.contains(&format!("{shown} of 1000 disks")),
        "{description}"
    );
}

/// All samples of all metrics.
fn samples(report: &Value) -> usize {
    let topologies = ["Host", "PersistentVolume", "PersistentVolumeClaim"];
    let nodes = topologies
        .iter()
        .filter_map(|topology| report[topology]["nodes"].as_object())
        .flat_map(|nodes| nodes.values());
    let metrics = nodes.filter_map(|node| node["metrics"].as_object());
    metrics
        .flat_map(|metrics| metrics.values())
        .map(|metric| metric["samples"].as_array().map_or(0, Vec::len))
        .sum()
}

#[test]
fn the_sparklines_of_many_busy_volumes_keep_their_budget() {
    let state = reading::with_busy_volumes(&generated::machine(2), 110, 60);
    let bytes = scope::report(&state);
    assert_holds(&bytes, &expectations("generated"));
    let report: Value = serde_json::from_slice(&bytes).unwrap();
    let samples = samples(&report);
    assert!((3000..=4000).contains(&samples), "{samples} samples");
    assert!(bytes.len() < 700_000, "{} bytes", bytes.len());
}

#[test]
fn a_filesystem_that_is_larger_than_scope_can_count_breaks_nothing() {
    let mut state = reading::with_busy_volumes(&generated::machine(2), 2, 3);
    let eight_exbibytes = 1 << 63;
    for (volume, used) in state
        .topology
        .volumes
        .iter_mut()
        .zip([1 << 30, eight_exbibytes - 1])
    {
        volume.usage = Some(Ok(FilesystemUsage {
            size: eight_exbibytes,
            free: eight_exbibytes - used,
            available: eight_exbibytes - used,
            files: None,
            files_free: None,
            read_only: false,
        }));
    }
    let bytes = scope::report(&state);
    assert_holds(&bytes, &expectations("generated"));
    let report: Value = serde_json::from_slice(&bytes).unwrap();
    let used = ["0000", "0001"].map(|volume| {
        let id = format!("generated-volume-pvc-{volume};<persistent_volume>");
        let samples = &report["PersistentVolume"]["nodes"][id]["metrics"]["storage_used"]["samples"];
        samples[0]["value"].as_f64()
    });
    assert_eq!(used, [Some(1_073_741_824.0), None]);
}

#[test]
fn the_hosts_totals_have_the_disks_that_are_not_shown() {
    let state = reading::state(&generated::machine(1000), 3);
    let report: Value = serde_json::from_slice(&scope::report(&state)).unwrap();
    let disks = state.topology.disks.iter();
    let all: f64 = disks
        .filter_map(|disk| state.rates.latest(disk.number))
        .map(|rates| rates.reads + rates.writes)
        .sum();
    let samples = &report["Host"]["nodes"]["generated;<host>"]["metrics"]["storage_iops"]["samples"];
    let told = samples.as_array().unwrap().last().unwrap()["value"]
        .as_f64()
        .unwrap();
    assert!((told - all).abs() < 1.0, "{told} of {all}");
}

#[test]
fn beside_a_whole_cluster_the_report_of_a_node_is_bounded_and_says_what_found_no_room() {
    let mut inventory = clusters::inventory();
    let pods = Arc::make_mut(&mut inventory.pods);
    let with_storage = pods
        .values()
        .find(|pod| pod.claims().count() > 0 && !pod.has_ended());
    let with_storage = (**with_storage.unwrap()).clone();
    for number in 0..8000 {
        let mut pod = with_storage.clone();
        pod.uid = format!("many-{number}");
        pod.name = NamespacedName::new("many", format!("pod-{number}"));
        pod.node = Some("elsewhere".into());
        pods.insert(pod.uid.clone(), Arc::new(pod));
    }
    let state = clusters::seen_from("node", inventory);
    let report = scope::report_with(&state, &BackendReadings::default());
    assert_holds(&report.bytes(), &expectations("node"));
    let left_out = report.left_out;
    let report: Value = serde_json::from_slice(&report.bytes()).unwrap();
    let nodes = |topology: &str| report[topology]["nodes"].as_object().unwrap().len();
    assert!(
        left_out > 1000 && nodes("Pod") > 1000,
        "{left_out} and {}",
        nodes("Pod")
    );
    let description = report["Plugins"][0]["description"].as_str().unwrap();
    assert!(
        description.contains(&format!("; {left_out} pods, claims")),
        "{description}"
    );
    // What needs attention has come before them.
    let attention = |node: &Value| node["latest"]["storage_claim_attention"].is_object();
    let claims = report["PersistentVolumeClaim"]["nodes"].as_object().unwrap();
    assert_eq!(
        claims.values().filter(|node| attention(node)).count(),
        state
            .topology
            .cluster
            .as_ref()
            .unwrap()
            .claim_attention
            .iter()
            .count()
    );
}

/// A reading of a system with so many pools, the first of which has lost a copy.
fn powerflex(name: &str, pools: usize, second: u64) -> Figures {
    let mut system = System::new(name);
    system.id = format!("id-{name}");
    system.taken_at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
    system.pools = (0..pools)
        .map(|number| Pool {
            id: format!("pool-{number}"),
            name: format!("ssd-{number}"),
            ..Pool::default()
        })
        .collect();
    let lost = Figure::DegradedHealthyCapacityInKb;
    system.pools[0].statistics.add(lost, 1024.0);
    Figures::PowerFlex(Arc::new(system))
}

#[test]
fn pools_that_find_no_room_are_told_of_and_each_text_has_its_own_systems_time() {
    let map = cluster::map(Arc::new(clusters::inventory()));
    let mut volumes = map.inventory.volumes.values();
    let volume = volumes.find(|volume| volume.class.is_some()).unwrap();
    let backends = BackendReadings {
        figures: vec![powerflex("a", 300, 100), powerflex("b", 1, 200)],
        powerflex_volumes: vec![VolumePlace {
            persistent_volume: volume.name.clone(),
            system: "b".into(),
            domain: "d".into(),
            pool: "ssd-0".into(),
            pool_id: "pool-0".into(),
        }],
        ..BackendReadings::default()
    };
    let report = scope::cluster_report_with(&map, &backends, SystemTime::UNIX_EPOCH + WALL);
    assert_eq!(report.left_out, 101);
    let report: Value = serde_json::from_slice(&report.bytes()).unwrap();
    let description = report["Plugins"][0]["description"].as_str().unwrap();
    assert!(description.contains("; 101 pools and disks"), "{description}");
    let node = &report["PersistentVolume"]["nodes"][format!("{};<persistent_volume>", volume.uid)];
    let lies_on = &node["latest"]["storage_volume_disks"];
    assert_eq!(lies_on["value"], "ssd-0 of d on b");
    assert_eq!(lies_on["timestamp"], "1970-01-01T00:03:20.000Z");
    let edges = node["adjacency"].as_array().unwrap();
    assert!(
        edges.contains(&Value::from("powerflex-id-b-pool-0;<persistent_volume>")),
        "{edges:?}"
    );
}

#[test]
fn the_declaration_and_the_report_name_the_same_templates() {
    let declaration: Value = serde_json::from_str(DECLARATION).unwrap();
    let mut report: Value = serde_json::from_slice(&scope::report(&clusters::node())).unwrap();
    let of = |inventory, backends: &BackendReadings| -> Value {
        let map = cluster::map(Arc::new(inventory));
        let report = scope::cluster_report_with(&map, backends, SystemTime::UNIX_EPOCH + WALL);
        serde_json::from_slice(&report.bytes()).unwrap()
    };
    let mut with_snapshots = of(clusters::snapshots(), &BackendReadings::default());
    for topology in ["VolumeSnapshot", "VolumeSnapshotData"] {
        report[topology] = with_snapshots[topology].take();
    }
    // What not every report has: the pools of storage engines and of PowerFlex.
    let backends = BackendReadings {
        figures: vec![powerflex("a", 1, 100)],
        ..BackendReadings::default()
    };
    for with_pools in [
        of(clusters::engines(), &BackendReadings::default()),
        of(clusters::inventory(), &backends),
    ] {
        for templates in ["metadata_templates", "metric_templates"] {
            let more = with_pools["PersistentVolume"][templates]
                .as_object()
                .unwrap()
                .clone();
            let known = report["PersistentVolume"][templates].as_object_mut().unwrap();
            known.extend(more);
        }
    }
    assert_eq!(declaration_differences(&report), [] as [String; 0]);
    let map = cluster::map(Arc::new(clusters::inventory()));
    let of_cluster = scope::cluster_report(&map, SystemTime::UNIX_EPOCH + WALL);
    let of_cluster: Value = serde_json::from_slice(&of_cluster.bytes()).unwrap();
    for key in ["id", "label", "interfaces", "api_version", "description"] {
        assert_eq!(declaration["plugin"][key], report["Plugins"][0][key], "{key}");
        assert_eq!(
            declaration["cluster_plugin"][key], of_cluster["Plugins"][0][key],
            "{key}"
        );
    }
}

#[test]
fn every_check_of_the_contract_can_fail() {
    let state = reading::state(&generated::machine(3), 3);
    let good: Value = serde_json::from_slice(&scope::report(&state)).unwrap();
    let example: Value =
        serde_json::from_str(include_str!("../../plugin-spec/examples/report.json")).unwrap();
    let host = |report: &Value| {
        let host = report["Host"]["nodes"]
            .as_object()
            .and_then(|nodes| nodes.keys().next().cloned())
            .unwrap();
        host.trim_end_matches(";<host>").to_owned()
    };
    assert_eq!(violations(&good, &expectations("generated")), [] as [String; 0]);
    assert_eq!(
        violations(&example, &expectations(&host(&example))),
        [] as [String; 0]
    );
    for (name, mutate) in mutations::all() {
        let mut bad = example.clone();
        mutate(&mut bad);
        let caught = std::panic::catch_unwind(|| {
            assert_holds(&serde_json::to_vec(&bad).unwrap(), &expectations(&host(&example)));
        });
        assert!(caught.is_err(), "nothing noticed: {name}");
    }
}
