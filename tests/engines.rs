//! Given these objects of storage engines, this is where the copies of each volume lie.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::fmt::Write as _;
use std::sync::Arc;

use scope_storage_probe::link::cluster;
use scope_storage_probe::model::cluster_map::ClusterMap;
use scope_storage_probe::render::tree;
use scope_storage_probe::state::State;
use support::clusters::{engines, shown};

fn map() -> ClusterMap {
    cluster::map(Arc::new(engines()))
}

/// Each volume with its copies, one line each.
fn told(map: &ClusterMap) -> String {
    let mut text = String::new();
    for volume in map.inventory.volumes.values() {
        let Some(copies) = map.copies(volume) else {
            let _ = writeln!(text, "{}: nothing is told", volume.name);
            continue;
        };
        let _ = writeln!(
            text,
            "{}: {}, wanted {:?}, there {:?}, healthy {:?}",
            volume.name,
            copies.engine,
            copies.wanted,
            copies.number(),
            copies.healthy()
        );
        for copy in &copies.list {
            let state = copy.state.map(|state| state.as_str());
            let _ = writeln!(
                text,
                "  {} on {:?} in {:?}: {state:?} {:?}",
                copy.name,
                copy.node,
                copy.pool_key.map(ToString::to_string),
                copy.reason
            );
            for disk in &*copy.disks {
                let names: Vec<String> = disk.names.iter().map(ToString::to_string).collect();
                let _ = writeln!(text, "    {disk}: {}", names.join(", "));
            }
        }
    }
    text
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
