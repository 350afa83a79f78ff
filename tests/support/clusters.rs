//! A cluster with everything in it, from a file.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use scope_storage_probe::app::observer::Observer;
use scope_storage_probe::cluster::{Cluster, dump};
use scope_storage_probe::host::Host;
use scope_storage_probe::model::inventory::Inventory;
use scope_storage_probe::state::State;

use super::node_with_pods;
use super::reading::WALL;

/// All its objects.
pub fn inventory() -> Inventory {
    dump("every-volume.yaml")
}

/// A cluster with snapshots in every state.
pub fn snapshots() -> Inventory {
    dump("snapshots.yaml")
}

/// A cluster with every storage engine that is known.
pub fn engines() -> Inventory {
    dump("engines.yaml")
}

fn dump(file: &str) -> Inventory {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clusters");
    dump::read(&[folder.join(file)]).unwrap()
}

/// The node `node` of the cluster, with its pods' folders and mounts.
pub fn node() -> State {
    let machine = node_with_pods::node();
    let cluster = Cluster::fixed(dump::of_node(inventory(), "node"));
    let mut observer =
        Observer::new(Host::new(machine.roots()), Some("node".into())).with_cluster(Some(cluster));
    let mut state = observer
        .observe(Instant::now() + Duration::from_secs(2))
        .state
        .clone();
    state.sample.taken_at.wall = SystemTime::UNIX_EPOCH + WALL;
    for outcome in &mut state.sample.collectors {
        outcome.duration = Duration::from_micros(125);
    }
    state
}
