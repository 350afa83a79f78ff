//! Given these objects of storage engines, this is where the copies of each volume lie.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use scope_storage_probe::engine;
use scope_storage_probe::link::cluster;
use scope_storage_probe::model::cluster_map::ClusterMap;
use scope_storage_probe::render::tree;
use scope_storage_probe::state::State;
use support::api_server::shipped_for_engines;
use support::clusters::{engines, shown};
use support::told_copies::told;

fn map() -> ClusterMap {
    cluster::map(Arc::new(engines()))
}

#[test]
fn every_engines_volumes_lead_to_their_disks() {
    insta::assert_snapshot!("engines.copies", told(&map()));
}

#[test]
fn a_cluster_with_every_engine() {
    let [report, page, tree] = shown(map());
    insta::assert_snapshot!("engines.report", report);
    insta::assert_snapshot!("engines.page", page);
    insta::assert_snapshot!("engines.tree", tree);
}

#[test]
fn a_disks_death_is_told_by_any_of_its_names() {
    let state = State::of_cluster(Arc::new(map()));
    let told = [
        "worker-1/sdb",
        "worker-2/nvme0n1",
        "worker-1/sdd",
        "worker-1/nvme-SSD_980_SER1N",
        "worker-3/sdb",
    ]
    .map(|disk| tree::disk(&state, disk).unwrap())
    .join("\n---\n");
    insta::assert_snapshot!("engines.disks", told);
    let one = tree::disk(&state, "worker-1/sdb");
    for name in [
        "worker-1/dev/sdb",
        "worker-1/ata-ST100_SER1B",
        "worker-1/disk/by-id/wwn-0x5000c5000000001b",
        "worker-1/SER1B",
        "worker-1/0x5000c5000000001b",
        "worker-1/pci-0000:00:1f.2-ata-2",
    ] {
        assert_eq!(tree::disk(&state, name), one, "{name}");
    }
    assert_eq!(tree::disk(&state, "worker-1/sdz"), None);
    assert_eq!(tree::disk(&state, "sdb"), None, "whose?");
}

#[test]
fn an_object_of_the_wrong_shape_is_told_of_once_and_costs_nothing_else() {
    let faults: Vec<String> = map().inventory.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "lvmvolumes.local.openebs.io without a name: left out: invalid type: integer `5`, expected struct Metadata at line 1 column 73",
            "lvmvolumes.local.openebs.io openebs/pvc-odd: spec.ownerNodeID: not a text",
            "lvmvolumes.local.openebs.io openebs/pvc-odd: status: not an object",
            "lvmvolumes.local.openebs.io openebs/pvc-odd: spec.capacity: not a quantity (10Gi, 1.5T, 1e9)",
        ]
    );
}

#[test]
fn the_rights_that_are_shipped_are_those_that_are_asked_for() {
    let role = shipped_for_engines();
    let mut granted = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        assert_eq!(rule["verbs"], serde_json::json!(["list", "watch"]));
        for group in rule["apiGroups"].as_array().unwrap() {
            for resource in rule["resources"].as_array().unwrap() {
                granted.insert((group.as_str().unwrap(), resource.as_str().unwrap()));
            }
        }
    }
    let asked: BTreeSet<_> = engine::resources()
        .map(|(_, resource)| (resource.group, resource.resource))
        .collect();
    assert_eq!(granted, asked);
}
