//! Given these objects of storage engines, this is where the copies of each volume lie.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::fmt::Write as _;
use std::sync::Arc;

use scope_storage_probe::link::cluster;
use scope_storage_probe::model::cluster_map::ClusterMap;
use support::clusters::engines;

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
