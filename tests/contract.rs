//! Every report keeps the contract with Scope: the schema in `plugin-spec/`, and the traps that no schema can express.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use scope_storage_probe::link::cluster;
use scope_storage_probe::render::scope;
use serde_json::Value;
use support::reading::WALL;
use support::scope_contract::{
    DECLARATION, Expectations, MAXIMAL_BYTES, assert_holds, mutations, violations,
};
use support::{clusters, generated, reading};

fn expectations(host: &str) -> Expectations<'_> {
    Expectations {
        plugin_id: "storage",
        api_version: "1",
        host,
        maximal_bytes: None,
    }
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

#[test]
fn the_declaration_and_the_report_name_the_same_templates() {
    let mut report: Value = serde_json::from_slice(&scope::report(&clusters::node())).unwrap();
    let map = cluster::map(Arc::new(clusters::snapshots()));
    let with_snapshots = scope::cluster_report(&map, SystemTime::UNIX_EPOCH + WALL).bytes;
    let mut with_snapshots: Value = serde_json::from_slice(&with_snapshots).unwrap();
    for topology in ["VolumeSnapshot", "VolumeSnapshotData"] {
        report[topology] = with_snapshots[topology].take();
    }
    let declaration: Value = serde_json::from_str(DECLARATION).unwrap();
    for topology in [
        "Host",
        "Pod",
        "PersistentVolumeClaim",
        "PersistentVolume",
        "StorageClass",
        "VolumeSnapshot",
        "VolumeSnapshotData",
    ] {
        for templates in ["metadata_templates", "metric_templates", "table_templates"] {
            let (declared, reported) = (
                &declaration["topologies"][topology][templates],
                &report[topology][templates],
            );
            let shown = |templates: &Value, id: &String| {
                let template = &templates[id];
                let columns = template["columns"].as_array().cloned().unwrap_or_default();
                let columns: Vec<_> = columns
                    .iter()
                    .map(|column| {
                        (
                            column["id"].clone(),
                            column["label"].clone(),
                            column["dataType"].clone(),
                        )
                    })
                    .collect();
                (
                    template["label"].clone(),
                    template["format"].clone(),
                    template["priority"].as_f64(),
                    columns,
                )
            };
            let ids = |templates: &Value| -> BTreeSet<String> {
                templates
                    .as_object()
                    .map(|templates| templates.keys().cloned().collect())
                    .unwrap_or_default()
            };
            assert_eq!(ids(declared), ids(reported), "{topology} {templates}");
            for id in ids(declared) {
                assert_eq!(
                    shown(declared, &id),
                    shown(reported, &id),
                    "{topology} {templates} {id}"
                );
            }
        }
    }
    let map = cluster::map(Arc::new(clusters::inventory()));
    let of_cluster = scope::cluster_report(&map, SystemTime::UNIX_EPOCH + WALL);
    let of_cluster: Value = serde_json::from_slice(&of_cluster.bytes).unwrap();
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
    let example: Value = serde_json::from_str(include_str!("../plugin-spec/examples/report.json")).unwrap();
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
    for (name, mutate) in mutations() {
        let mut bad = example.clone();
        mutate(&mut bad);
        let caught = std::panic::catch_unwind(|| {
            assert_holds(&serde_json::to_vec(&bad).unwrap(), &expectations(&host(&example)));
        });
        assert!(caught.is_err(), "nothing noticed: {name}");
    }
}
