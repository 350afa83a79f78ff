//! Where the copies of each volume lie, in words.

use std::fmt::Write as _;

use scope_storage_probe::model::cluster_map::ClusterMap;
use scope_storage_probe::model::replica::Health;

/// Each volume with its copies, one line each.
pub fn told(map: &ClusterMap) -> String {
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
            let state = copy.state.map(Health::as_str);
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
