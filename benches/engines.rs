//! What storage engines cost in a cluster of 5,000 volumes, each with its copies: the map made anew, the map after one change, and the
//! answers made of it.
//!
//! ```text
//! cargo bench --bench engines
//! ```

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use divan::{AllocProfiler, Bencher, black_box};
use scope_storage_probe::cluster::dump;
use scope_storage_probe::link::cluster;
use scope_storage_probe::model::backend::BackendReadings;
use scope_storage_probe::model::cluster_map::ClusterMap;
use scope_storage_probe::model::inventory::{Inventory, Objects, Role};
use scope_storage_probe::model::itself::SelfFigures;
use scope_storage_probe::model::replica::{EngineObject, EnginePart, Health, ManagedDisk, Pool, Replica};
use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::prometheus::write_cluster_page;
use scope_storage_probe::render::scope;

#[allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "the tests use more of it, and end where something is missing"
)]
#[path = "../tests/support/large_cluster.rs"]
mod large_cluster;
#[allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "the tests use more of it, and end where something is missing"
)]
#[path = "../tests/support/large_engines.rs"]
mod large_engines;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const SIZE: large_cluster::Size = large_cluster::Size {
    nodes: 100,
    pods: 5000,
};

/// All objects, read once.
static CLUSTER: LazyLock<Inventory> = LazyLock::new(|| {
    let objects = large_engines::objects(SIZE).into_iter().map(|(_, object)| object);
    let list = serde_json::json!({"kind": "List", "items": objects.collect::<Vec<_>>()});
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
    let file = folder.path().join("dump.json");
    std::fs::write(&file, list.to_string()).unwrap_or_else(|error| panic!("not written: {error}"));
    let mut inventory = dump::read(&[file]).unwrap_or_else(|error| panic!("{error}"));
    inventory.role = Role::Cluster;
    inventory
});

fn main() {
    divan::main();
}

fn whole() -> ClusterMap {
    cluster::map(Arc::new(CLUSTER.clone()))
}

#[divan::bench]
fn map_made_anew(bencher: Bencher<'_, '_>) {
    let inventory = Arc::new(CLUSTER.clone());
    bencher.bench_local(|| black_box(cluster::map(Arc::clone(&inventory))));
}

/// What the watch and the map do for one object that has changed. As in the program, somebody still holds what was known before.
fn after_a_change<K: Ord + Clone, T: Clone>(
    bencher: Bencher<'_, '_>,
    objects: impl Fn(&mut Inventory) -> &mut Objects<K, T>,
    change: impl Fn(&mut T, usize),
) {
    let mut now = CLUSTER.clone();
    let names: Vec<K> = objects(&mut now).keys().cloned().collect();
    let state = RefCell::new((whole(), now, 0_usize));
    bencher.bench_local(|| {
        let (map, now, number) = &mut *state.borrow_mut();
        *number += 1;
        now.version += 1;
        let name = &names[(*number * 7919) % names.len()];
        let objects = objects(now);
        let mut object = (*objects[name]).clone();
        change(&mut object, *number);
        Arc::make_mut(objects).insert(name.clone(), Arc::new(object));
        black_box(cluster::bring_up_to_date(map, Arc::new(now.clone())));
    });
}

fn after_a_change_of_an_engine(
    bencher: Bencher<'_, '_>,
    kind: &str,
    change: impl Fn(&mut EnginePart, usize),
) {
    let kind = CLUSTER.engines.keys().find(|known| known.name == kind).copied();
    let kind = kind.unwrap_or_else(|| panic!("no such kind"));
    after_a_change(
        bencher,
        |now: &mut Inventory| {
            let objects = now.engines.get_mut(kind);
            objects.unwrap_or_else(|| panic!("no such objects"))
        },
        |object: &mut EngineObject, number| {
            for part in &mut object.parts {
                change(part, number);
            }
        },
    );
}

#[divan::bench]
fn map_after_a_pod_changed(bencher: Bencher<'_, '_>) {
    after_a_change(
        bencher,
        |now| &mut now.pods,
        |pod, number| pod.created = moment(number),
    );
}

#[divan::bench]
fn map_after_a_claim_changed(bencher: Bencher<'_, '_>) {
    after_a_change(
        bencher,
        |now| &mut now.claims,
        |claim, number| claim.deletion = moment(number),
    );
}

#[divan::bench]
fn map_after_a_volume_changed(bencher: Bencher<'_, '_>) {
    after_a_change(
        bencher,
        |now| &mut now.volumes,
        |volume, number| volume.deletion = moment(number),
    );
}

#[divan::bench]
fn map_after_an_attachment_changed(bencher: Bencher<'_, '_>) {
    after_a_change(
        bencher,
        |now| &mut now.attachments,
        |attachment, number| attachment.deletion = moment(number),
    );
}

#[divan::bench]
fn map_after_a_class_changed(bencher: Bencher<'_, '_>) {
    after_a_change(
        bencher,
        |now| &mut now.classes,
        |class, number| class.is_default = number.is_multiple_of(2),
    );
}

#[divan::bench]
fn map_after_a_node_was_ready_or_not(bencher: Bencher<'_, '_>) {
    after_a_change(
        bencher,
        |now| &mut now.nodes,
        |node, number| node.ready = Some(number.is_multiple_of(2)),
    );
}

#[divan::bench]
fn map_after_a_nodes_free_space_changed(bencher: Bencher<'_, '_>) {
    after_a_change(
        bencher,
        |now| &mut now.nodes,
        |node, number| node.free = vec![("ssd".to_owned(), number as u64)],
    );
}

fn moment(number: usize) -> Option<i64> {
    i64::try_from(number).ok()
}

#[divan::bench]
fn map_after_a_replica_changed(bencher: Bencher<'_, '_>) {
    let kind = "cstorvolumereplicas.cstor.openebs.io";
    after_a_change_of_an_engine(bencher, kind, |part, number| {
        if let EnginePart::Replica(replica) = part {
            let state = if number.is_multiple_of(2) {
                Health::Rebuilding
            } else {
                Health::Healthy
            };
            *part = EnginePart::Replica(Arc::new(Replica {
                state: Some(state),
                ..(**replica).clone()
            }));
        }
    });
}

const POOLS: &str = "cstorpoolinstances.cstor.openebs.io";

#[divan::bench]
fn map_after_a_pool_filled(bencher: Bencher<'_, '_>) {
    after_a_change_of_an_engine(bencher, POOLS, |part, number| {
        if let EnginePart::Pool(pool) = part {
            *part = EnginePart::Pool(Arc::new(Pool {
                used: Some(number as u64),
                ..(**pool).clone()
            }));
        }
    });
}

#[divan::bench]
fn map_after_a_pool_failed_or_came_back(bencher: Bencher<'_, '_>) {
    after_a_change_of_an_engine(bencher, POOLS, |part, number| {
        if let EnginePart::Pool(pool) = part {
            let state = if number.is_multiple_of(2) {
                Health::Failed
            } else {
                Health::Healthy
            };
            *part = EnginePart::Pool(Arc::new(Pool {
                state: Some(state),
                ..(**pool).clone()
            }));
        }
    });
}

#[divan::bench]
fn map_after_a_block_device_changed(bencher: Bencher<'_, '_>) {
    after_a_change_of_an_engine(bencher, "blockdevices.openebs.io", |part, number| {
        if let EnginePart::ManagedDisk(disk) = part {
            *part = EnginePart::ManagedDisk(Arc::new(ManagedDisk {
                size: Some(number as u64),
                ..(**disk).clone()
            }));
        }
    });
}

#[divan::bench]
fn report(bencher: Bencher<'_, '_>) {
    let map = whole();
    bencher.bench_local(|| black_box(scope::cluster_report(&map, SystemTime::UNIX_EPOCH)));
}

#[divan::bench]
fn page(bencher: Bencher<'_, '_>) {
    let map = whole();
    let itself = SelfFigures::default();
    bencher.bench_local(|| {
        let mut length = 0;
        write_cluster_page(
            &map,
            &map.inventory,
            None,
            &BackendReadings::default(),
            &itself,
            Format::Text,
            &mut |piece| {
                length += piece.len();
            },
        );
        black_box(length)
    });
}
