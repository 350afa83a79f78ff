//! Given these objects of storage engines, this is where the copies of each volume lie.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use scope_storage_probe::cluster::dump;
use scope_storage_probe::engine;
use scope_storage_probe::link::{cluster, link};
use scope_storage_probe::model::cluster_map::ClusterMap;
use scope_storage_probe::model::disagreement::Disagreement;
use scope_storage_probe::model::inventory::{Inventory, Objects, ResourceKind};
use scope_storage_probe::model::itself::SelfFigures;
use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::prometheus::node_page;
use scope_storage_probe::render::scope;
use scope_storage_probe::render::tree;
use scope_storage_probe::state::State;
use serde_json::{Value, json};
use support::api_server::shipped_for_engines;
use support::clusters::{checked, contradicted, engines, path, seen_from, shown};
use support::told_copies::told;
use support::{generated, reading};

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
fn a_node_that_sees_the_cluster_draws_the_pools_and_other_nodes_disks_as_well() {
    let state = seen_from("worker-1", engines());
    let report = checked(&scope::report(&state), "storage", "worker-1");
    let nodes = report["PersistentVolume"]["nodes"].as_object().unwrap();
    let edges = |id: &str| nodes[id]["adjacency"].clone();
    assert_eq!(
        edges("v-cstor;<persistent_volume>"),
        json!([
            "POOL~cstor~~pool-1;<persistent_volume>",
            "POOL~cstor~~pool-2;<persistent_volume>",
            "POOL~cstor~~pool-3;<persistent_volume>"
        ])
    );
    assert_eq!(
        edges("POOL~cstor~~pool-2;<persistent_volume>"),
        json!(["worker-2-nvme0n1;<persistent_volume>"])
    );
    // The disk of another node, and one of this node's kernel: both have what engines say of them.
    let told = |id: &str| nodes[id]["latest"]["storage_disk_block_device"]["value"].clone();
    assert!(
        told("worker-2-nvme0n1;<persistent_volume>")
            .to_string()
            .contains("active, claimed by cstor-b")
    );
    let own = &nodes["worker-1-sda;<persistent_volume>"];
    assert_eq!(own["parents"]["host"][0], "worker-1;<host>");
    assert_eq!(own["latest"]["storage_disk_serial"]["value"], "ZC100000");
    assert!(
        told("worker-1-sda;<persistent_volume>")
            .to_string()
            .contains("unclaimed")
    );
}

#[test]
fn the_disks_of_a_node_whose_name_begins_as_the_hosts_does_are_not_the_hosts() {
    // The nodes are called worker-1, worker-2 and so on.
    let report = checked(
        &scope::report(&seen_from("worker", engines())),
        "storage",
        "worker",
    );
    let disk = &report["PersistentVolume"]["nodes"]["worker-2-nvme0n1;<persistent_volume>"];
    assert!(disk.is_object());
    assert_eq!(disk["parents"], serde_json::Value::Null);
}

#[test]
fn a_disk_that_has_two_partitions_in_a_pool_is_told_of_once() {
    let osd = |number: u8| {
        format!(
            "- {{apiVersion: apps/v1, kind: Deployment, metadata: {{name: rook-ceph-osd-{number}, namespace: rook-ceph, labels: {{app: rook-ceph-osd, ceph-osd-id: \"{number}\"}}}}, spec: {{template: {{spec: {{containers: [{{name: osd, env: [{{name: ROOK_NODE_NAME, value: worker-1}}, {{name: ROOK_OSD_UUID, value: uuid-{number}}}, {{name: ROOK_BLOCK_PATH, value: /dev/nvme0n1p{number}}}, {{name: ROOK_CV_MODE, value: raw}}]}}]}}}}}}}}\n"
        )
    };
    let objects = format!(
        "apiVersion: v1\nkind: List\nitems:\n\
         - {{apiVersion: ceph.rook.io/v1, kind: CephBlockPool, metadata: {{name: replicapool, namespace: rook-ceph}}, spec: {{replicated: {{size: 2}}}}, status: {{phase: Ready}}}}\n{}{}",
        osd(1),
        osd(2)
    );
    let [_, page, _] = shown(cluster::map(Arc::new(support::clusters::told(&objects))));
    let of_pool: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("storage_probe_pool_disk_info{"))
        .collect();
    assert_eq!(of_pool.len(), 1, "{of_pool:?}");
    assert!(of_pool[0].contains("device=\"nvme0n1\""), "{of_pool:?}");
}

/// The subject of each disagreement, with what is told and what is seen.
fn disagreements(state: &State, name: &str) -> Vec<(&'static str, String, Option<String>)> {
    let mut volumes = state.topology.volumes.iter();
    let volume = volumes.find(|volume| volume.name == name).unwrap();
    let of = |one: &Disagreement| (one.subject.as_str(), one.told.clone(), one.seen.clone());
    volume.disagreements.iter().map(of).collect()
}

#[test]
fn the_kernel_is_believed_where_an_engine_says_otherwise() {
    let state = contradicted();
    let nothing: Vec<(&str, String, Option<String>)> = Vec::new();
    for name in ["pvc-agreed", "pvc-folder", "pvc-single-copy"] {
        assert_eq!(disagreements(&state, name), nothing, "{name}");
    }
    let seen = |name: &str| Some(name.to_owned());
    let group = |seen| ("volume_group", "other".to_owned(), seen);
    let node = ("node", "worker-2".to_owned(), seen("lvm-linear"));
    assert_eq!(disagreements(&state, "pvc-other-group"), [group(seen("storage"))]);
    assert_eq!(disagreements(&state, "pvc-no-group"), [node.clone(), group(None)]);
    assert_eq!(disagreements(&state, "pvc-other-node"), [node]);
    assert_eq!(
        disagreements(&state, "pvc-covered"),
        [("folder", "dm-2".to_owned(), seen("vda"))]
    );

    let report = checked(&scope::report(&state), "storage", "lvm-linear");
    let nodes = &report["PersistentVolume"]["nodes"];
    let edges = |volume: &str| nodes[format!("{volume};<persistent_volume>")]["adjacency"].clone();
    assert_eq!(
        edges("v-agreed"),
        json!([
            "lvm-linear-sda;<persistent_volume>",
            "lvm-linear-sdb;<persistent_volume>",
            "POOL~lvm-localpv~lvm-linear~storage;<persistent_volume>"
        ])
    );
    // It leads to the kernel's disks and to no pool of the engine's.
    assert_eq!(
        edges("v-other-node"),
        json!([
            "lvm-linear-sdb;<persistent_volume>",
            "lvm-linear-nvme0n1;<persistent_volume>"
        ])
    );
    insta::assert_snapshot!("contradicted.report", format!("{report:#}"));
    let page = node_page(&state, &SelfFigures::default(), Format::Text);
    insta::assert_snapshot!("contradicted.page", String::from_utf8(page).unwrap());
    insta::assert_snapshot!("contradicted.tree", tree::text(&state));
}

#[test]
fn a_nodes_name_is_held_against_no_cluster_of_which_not_all_nodes_are_known() {
    let state = contradicted();
    let told = |cluster: Option<ClusterMap>| {
        let topology = link(&state.sample, cluster.map(Arc::new));
        let mut volumes = topology.volumes.into_iter();
        let volume = volumes.find(|volume| volume.name == "pvc-no-group").unwrap();
        let subjects = volume.disagreements.iter().map(|one| one.subject.as_str());
        subjects.collect::<Vec<_>>()
    };
    let map = state.topology.cluster.as_deref().unwrap();
    assert_eq!(told(Some(map.clone())), ["node", "volume_group"]);
    let mut inventory = Inventory::clone(&map.inventory);
    inventory.watches.get_mut(&ResourceKind::Nodes).unwrap().synced = false;
    assert_eq!(told(Some(cluster::map(Arc::new(inventory)))), ["volume_group"]);
    assert!(told(None).is_empty());
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

/// The map of the cluster with every engine, some of whose objects say something else.
fn changed(changes: &[(&str, &str)]) -> ClusterMap {
    let mut text = std::fs::read_to_string(path("engines.yaml")).unwrap();
    for (before, after) in changes {
        assert!(text.contains(before), "{before}");
        text = text.replace(before, after);
    }
    cluster::map(Arc::new(dump::parse(&text).unwrap()))
}

/// The samples that a page has more than once, which a Prometheus server refuses.
fn doubled(page: &str) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    let series = samples.filter_map(|line| Some(line.rsplit_once(' ')?.0));
    series.filter(|series| !seen.insert(*series)).collect()
}

/// The same cluster with these objects as well, one a line.
fn with(objects: &[&str]) -> ClusterMap {
    let items = format!("items:\n- {}\n", objects.join("\n- "));
    changed(&[("items:\n", &items)])
}

#[test]
fn a_serial_number_without_end_stands_in_no_label() {
    let endless = format!("serial: {}", "x".repeat(1 << 20));
    let map = changed(&[("serial: SER1B", &endless)]);
    let of_disk: Vec<String> = map
        .inventory
        .faults
        .iter()
        .map(ToString::to_string)
        .filter(|fault| fault.contains("blockdevice-1b"))
        .collect();
    assert_eq!(
        of_disk,
        ["blockdevices.openebs.io openebs/blockdevice-1b: spec.details.serial: longer than 1000 bytes"]
    );
    let [report, page, tree] = shown(map);
    for told in [report, page, tree] {
        assert!(
            told.len() < 1 << 20 && !told.contains("xxxxxxxxxx"),
            "{}",
            told.len()
        );
    }
}

#[test]
fn a_pool_that_a_node_tells_of_by_two_of_its_names_is_told_of_once() {
    // The fixture's worker-2 has told of the group by its name, and of the pool by `rack-2`.
    let [_, page, _] = shown(with(&[
        "{apiVersion: local.openebs.io/v1alpha1, kind: LVMNode, metadata: {name: rack-2, namespace: openebs}, volumeGroups: [{name: torn, size: 90Gi, free: 90Gi}]}",
        "{apiVersion: zfs.openebs.io/v1, kind: ZFSNode, metadata: {name: worker-2, namespace: openebs}, pools: [{name: tank, free: 30Gi, used: 11Gi}]}",
    ]));
    assert_eq!(doubled(&page), [""; 0]);
    for (family, pool) in [
        ("pool_info", "torn"),
        ("pool_info", "tank"),
        ("pool_disk_info", "tank"),
    ] {
        let of_pool = format!("storage_probe_{family}{{engine=");
        let named = format!("pool=\"{pool}\"");
        let lines = page.lines();
        let told = lines.filter(|line| line.starts_with(&of_pool) && line.contains(&named));
        assert_eq!(told.count(), 1, "{family} {pool}");
    }
}

#[test]
fn a_volume_that_is_attached_to_a_node_twice_has_one_disk_there() {
    let map = with(&[
        "{apiVersion: storage.k8s.io/v1, kind: VolumeAttachment, metadata: {name: csi-gce-again}, spec: {attacher: pd.csi.storage.gke.io, nodeName: worker-2, source: {persistentVolumeName: pvc-gce}}, status: {attached: true}}",
    ]);
    assert_eq!(map.attachments.all("pvc-gce").len(), 2);
    assert_eq!(map.copies(map.volume("pvc-gce").unwrap()).unwrap().list.len(), 1);
    let [_, page, _] = shown(map);
    assert_eq!(doubled(&page), [""; 0]);
    assert!(page.contains("persistentvolume=\"pvc-gce\""));
}

/// What is said of one volume when a disk dies.
fn fate(map: ClusterMap, disk: &str, volume: &str) -> String {
    let told = tree::disk(&State::of_cluster(Arc::new(map)), disk).unwrap();
    let mut lines = told.lines();
    let line = lines.find_map(|line| line.split_once(&format!("volume {volume}: ")));
    line.unwrap_or_else(|| panic!("{told}")).1.to_owned()
}

#[test]
fn a_pool_that_lacks_a_disk_is_not_said_to_outlive_the_loss_of_another() {
    const FIRST: &str = "[{blockDevices: [{blockDeviceName: blockdevice-1b, devLink: /dev/disk/by-id/ata-ST100_SER1B}]}]}, status: {phase: ONLINE";
    const TWO: &str = "[{blockDevices: [{blockDeviceName: blockdevice-1b, devLink: /dev/disk/by-id/ata-ST100_SER1B}, {blockDeviceName: blockdevice-1d}]}]}, status: {phase: ";
    // A single copy, in a mirror of two disks.
    let others = ["pool-2", "pool-3"].map(|pool| {
        let label = |volume| {
            format!("cstorvolume.openebs.io/name: {volume}, cstorpoolinstance.openebs.io/name: {pool}")
        };
        (label("pvc-cstor"), label("another"))
    });
    let in_mirror = |phase: &str, alone: bool| {
        let mirror = format!("{TWO}{phase}");
        let mut changes = vec![(FIRST, mirror.as_str())];
        if alone {
            changes.extend(
                others
                    .iter()
                    .map(|(before, after)| (before.as_str(), after.as_str())),
            );
        }
        fate(changed(&changes), "worker-1/sdb", "pvc-cstor")
    };
    assert_eq!(
        in_mirror("ONLINE", true),
        "no copy is lost: its pool outlives the loss of a disk"
    );
    assert_eq!(
        in_mirror("DEGRADED", true),
        "may be lost: its pool outlives the loss of a disk while it is healthy; its state: degraded"
    );
    assert_eq!(
        in_mirror("DEGRADED", false),
        "loses its last healthy copy; left: worker-2 rebuilding, worker-3 failed"
    );
}

#[test]
fn what_is_spread_over_a_pool_survives_while_nothing_is_amiss_with_the_whole() {
    let with = |health: &str, phase: &str| {
        let health = format!("health: {health}");
        let pool = "deviceClass: ssd}, status: {phase: Ready}";
        let phase = format!("deviceClass: ssd}}, status: {{phase: {phase}}}");
        let map = changed(&[("health: HEALTH_WARN", &health), (pool, &phase)]);
        fate(map, "worker-1/sdb", "pvc-ceph")
    };
    let kept = "its pool keeps 3 copies of everything";
    assert_eq!(with("HEALTH_OK", "Ready"), format!("survives, degraded: {kept}"));
    assert_eq!(
        with("HEALTH_ERR", "Ready"),
        format!("may survive: {kept}, and rook-ceph/rook-ceph (whole cluster) is failed")
    );
    assert_eq!(
        with("HEALTH_OK", "Failure"),
        format!("may survive: {kept}, and rook-ceph/replicapool is failed")
    );
}

/// Mayastor's pool names the disk by a link that the kernel does not know it by, and that has its serial number.
#[test]
fn a_nodes_own_disk_is_looked_for_by_all_its_names() {
    let machine = generated::machine(2);
    let serial = |state: &State| {
        let disk = state.topology.devices.named("nvme0n1").unwrap().number;
        state
            .topology
            .disk(disk)
            .unwrap()
            .identity
            .serial
            .clone()
            .unwrap()
    };
    let of_node = |map: ClusterMap| {
        let mut state = reading::state(&machine, 2);
        state.host_id = "worker-1".to_owned();
        state.topology.cluster = Some(Arc::new(map));
        state
    };
    let serial = serial(&of_node(map()));
    let link = format!("nvme-SSD_980_{serial}");
    let map = changed(&[("nvme-SSD_980_SER1N", &link)]);
    let told = tree::disk(&of_node(map), "nvme0n1").unwrap();
    assert!(told.contains("Pools on it: pool-on-1."), "{told}");
}

#[test]
fn a_claim_that_names_a_volume_that_is_not_its_own_carries_nothing() {
    let claim = |volume: &str| format!("uid: c-jiva-1}}, spec: {{volumeName: {volume}}}");
    let map = changed(&[(&claim("pvc-jiva-rep-1"), &claim("pvc-jiva-rep-0"))]);
    let copies = map.copies(map.volume("pvc-jiva").unwrap()).unwrap();
    let carriers: Vec<_> = copies.list.iter().map(|copy| copy.carrier).collect();
    assert_eq!(carriers, [Some("pvc-jiva-rep-0"), None]);
    assert!(copies.list[1].disks.is_empty());
}

/// Volumes that all say that they are the one whose copies they carry.
#[test]
fn copies_that_carry_each_other_are_looked_at_once() {
    const MANY: usize = 80;
    let mut text =
        "---\n{apiVersion: openebs.io/v1, kind: JivaVolume, metadata: {name: v, namespace: openebs}}\n"
            .to_owned();
    for at in 0..MANY {
        let claim = format!("openebs-v-jiva-rep-{at}");
        let meta = format!("{{namespace: openebs, name: {claim}, uid: c-{at}}}");
        let _ = write!(
            text,
            "---\n{{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {meta}, spec: {{volumeName: pv-{at}}}}}\n\
             ---\n{{apiVersion: v1, kind: PersistentVolume, metadata: {{name: pv-{at}}}, \
             spec: {{claimRef: {meta}, csi: {{driver: jiva.csi.openebs.io, volumeHandle: v}}}}}}\n"
        );
    }
    let map = cluster::map(Arc::new(dump::parse(&text).unwrap()));
    let copies = map.copies(map.volume("pv-0").unwrap()).unwrap();
    assert_eq!(copies.list.len(), MANY);
}

#[test]
fn copies_whose_kind_was_not_read_are_not_counted() {
    let mut inventory = engines();
    let mut kinds = inventory.engines.keys().copied();
    let kind = kinds.find(|kind| kind.name == "replicas.longhorn.io").unwrap();
    inventory.engines.insert(kind, Objects::default());
    let counted = |inventory: &Inventory| {
        let map = cluster::map(Arc::new(inventory.clone()));
        let copies = map.copies(map.volume("pvc-longhorn").unwrap()).unwrap();
        (copies.number(), copies.healthy())
    };
    assert_eq!(counted(&inventory), (Some(0), Some(0)), "read, and there is none");
    let watch = inventory.watches.get_mut(&ResourceKind::Engine(kind)).unwrap();
    watch.synced = false;
    assert_eq!(counted(&inventory), (None, None), "forbidden, or not read yet");
    inventory.watches.remove(&ResourceKind::Engine(kind));
    assert_eq!(counted(&inventory), (None, None), "a dump without them");
}

#[test]
fn an_object_of_the_wrong_shape_is_told_of_once_and_costs_nothing_else() {
    let faults: Vec<String> = map().inventory.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "lvmvolumes.local.openebs.io without a name: left out: invalid type: integer `5`, expected struct Metadata",
            "lvmvolumes.local.openebs.io openebs/pvc-odd: spec.ownerNodeID: not a text",
            "lvmvolumes.local.openebs.io openebs/pvc-odd: status: not an object",
            "lvmvolumes.local.openebs.io openebs/pvc-odd: spec.capacity: not a quantity (10Gi, 1.5T, 1e9, 250m)",
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

/// Every value in an object by its place, itself among them.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(value, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(list) => {
            for (number, value) in list.iter().enumerate() {
                places(value, &format!("{at}/{number}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn whatever_stands_in_an_engines_object_it_is_read() {
    let text = std::fs::read_to_string(path("engines.yaml")).unwrap();
    let list: Value = serde_saphyr::from_str(&text).unwrap();
    let mut read = 0;
    for object in list["items"].as_array().unwrap() {
        let group = object["apiVersion"].as_str().unwrap().split('/').next().unwrap();
        let of_kind = engine::resources()
            .find(|(_, resource)| resource.group == group && object["kind"] == resource.kind);
        let Some((engine, resource)) = of_kind else {
            continue;
        };
        let mut all = Vec::new();
        places(object, "", &mut all);
        for place in all {
            for other in [
                Value::Null,
                json!(-5),
                json!(1e300),
                json!(true),
                json!("\u{0}é;"),
                json!([[]]),
                json!({"": {}}),
            ] {
                let mut changed = object.clone();
                *changed.pointer_mut(&place).unwrap() = other;
                // What is no object at all is refused before.
                if let Ok(document) = serde_json::from_value(changed) {
                    engine::read(engine, resource, &document, &mut Vec::new());
                    read += 1;
                }
            }
        }
    }
    assert!(read > 4000, "{read}");
}
