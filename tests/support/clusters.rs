//! A cluster with everything in it, from a file.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use scope_storage_probe::app::observer::Observer;
use scope_storage_probe::cluster::{Cluster, dump};
use scope_storage_probe::host::Host;
use std::sync::Arc;

use scope_storage_probe::model::backend::BackendReadings;
use scope_storage_probe::model::cluster_map::ClusterMap;
use scope_storage_probe::model::inventory::Inventory;
use scope_storage_probe::model::itself::SelfFigures;
use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::prometheus::write_cluster_page;
use scope_storage_probe::render::{scope, tree};
use scope_storage_probe::state::State;
use serde_json::Value;

use super::fixture::Machine;
use super::node_with_pods;
use super::reading::WALL;
use super::scope_contract::{Expectations, assert_holds};

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

/// The machine `lvm-linear` with a pod whose volumes engines see elsewhere than its kernel.
pub fn contradicted() -> State {
    const PODS: &str = "/var/lib/kubelet/pods/11111111-1111-4111-8111-111111111111/volumes";
    let machine = Machine::captured("lvm-linear");
    let table = "/proc/1/mountinfo";
    let mut mounts = std::fs::read_to_string(machine.place(table)).unwrap();
    let mut id = 100;
    let mut mount = |number: &str, root: &str, point: &str, source: &str| {
        id += 1;
        writeln!(
            mounts,
            "{id} 25 {number} {root} {point} rw,relatime - ext4 {source} rw"
        )
        .unwrap();
    };
    for (volume, driver, number, source) in [
        (
            "agreed",
            "local.csi.openebs.io",
            "253:0",
            "/dev/mapper/storage-long",
        ),
        (
            "other-group",
            "local.csi.openebs.io",
            "253:1",
            "/dev/mapper/storage-striped",
        ),
        (
            "other-node",
            "local.csi.openebs.io",
            "253:1",
            "/dev/mapper/storage-striped",
        ),
        ("no-group", "local.csi.openebs.io", "254:0", "/dev/vda"),
        ("single-copy", "cstor.csi.openebs.io", "254:0", "/dev/vda"),
    ] {
        let folder = format!("{PODS}/kubernetes.io~csi/pvc-{volume}");
        machine.write(
            format!("{folder}/vol_data.json"),
            format!(
                r#"{{"driverName":"{driver}","specVolID":"pvc-{volume}","volumeHandle":"pvc-{volume}","volumeLifecycleMode":"Persistent"}}"#
            ),
        );
        mount(number, "/", &format!("{folder}/mount"), source);
    }
    for (volume, number, root, source) in [
        (
            "folder",
            "253:2",
            "/pvc-folder",
            "/dev/mapper/storage-for--claims",
        ),
        ("covered", "254:0", "/var/openebs/local/pvc-covered", "/dev/vda"),
    ] {
        let folder = format!("{PODS}/kubernetes.io~local-volume/pvc-{volume}");
        std::fs::create_dir_all(machine.place(&folder)).unwrap();
        mount(number, root, &folder, source);
    }
    // After the folder below it was bound into the pod.
    mount(
        "253:2",
        "/",
        "/var/openebs/local",
        "/dev/mapper/storage-for--claims",
    );
    for file in [table, "/proc/self/mountinfo"] {
        machine.write(file, &mounts);
    }
    seen_on(&machine, "lvm-linear", dump("contradicted.yaml"))
}

/// The file of that name.
pub fn path(file: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clusters");
    folder.join(file)
}

/// The objects of a text.
pub fn told(text: &str) -> Inventory {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump.yaml");
    std::fs::write(&file, text).unwrap();
    dump::read(&[file]).unwrap()
}

fn dump(file: &str) -> Inventory {
    dump::read(&[path(file)]).unwrap()
}

/// The node `node` of the cluster, with its pods' folders and mounts.
pub fn node() -> State {
    seen_from("node", dump::of_node(inventory(), "node"))
}

/// A cluster as it is seen from a machine with pods' folders and mounts, which is called so.
pub fn seen_from(name: &str, inventory: Inventory) -> State {
    seen_on(&node_with_pods::node(), name, inventory)
}

/// The same from a machine of the test's own.
pub fn seen_on(machine: &Machine, name: &str, mut inventory: Inventory) -> State {
    inventory.node.get_or_insert_with(|| name.to_owned());
    seen_unnamed(machine, name, inventory)
}

/// The same, where the machine's name in the cluster is the inventory's, or not known.
pub fn seen_unnamed(machine: &Machine, name: &str, inventory: Inventory) -> State {
    let cluster = Cluster::fixed(inventory);
    let mut observer =
        Observer::new(Host::new(machine.roots()), Some(name.into())).with_cluster(Some(cluster));
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

/// A report as it is read, held against the contract with Scope.
pub fn checked(bytes: &[u8], plugin_id: &str, host: &str) -> Value {
    assert_holds(bytes, &Expectations::of(plugin_id, host));
    serde_json::from_slice(bytes).unwrap()
}

/// The report, the page and the tree of a cluster.
pub fn shown(map: ClusterMap) -> [String; 3] {
    let report = scope::cluster_report(&map, SystemTime::UNIX_EPOCH + WALL);
    assert_eq!(report.left_out, 0);
    let report = checked(&report.bytes(), "storage-cluster", "");
    let mut page = String::new();
    let itself = SelfFigures::default();
    write_cluster_page(
        &map,
        &map.inventory,
        Some(0),
        &BackendReadings::default(),
        &itself,
        Format::Text,
        &mut |piece| {
            page.push_str(piece);
        },
    );
    let tree = tree::text(&State::of_cluster(Arc::new(map)));
    [format!("{report:#}"), page, tree]
}
