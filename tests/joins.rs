//! Whatever changes in a cluster, the map that is kept up to date is the one that would be made anew, and one object's change costs that
//! object's joins alone.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use scope_storage_probe::cluster::dump;
use scope_storage_probe::link::cluster::{self, Joined};
use scope_storage_probe::model::cluster_map::ClusterMap;
use scope_storage_probe::model::inventory::{Inventory, Objects, Role};
use scope_storage_probe::model::replica::EngineObject;
use scope_storage_probe::model::shared_map::SharedMap;
use scope_storage_probe::model::snapshot::{
    ExternalSnapshot, ExternalSnapshotData, Snapshot, SnapshotClass, SnapshotContent,
};
use scope_storage_probe::model::workload::{
    Claim, ClaimPhase, NamespacedName, Node, PersistentVolume, Pod, PodPhase, StorageClass, VolumeAttachment,
};
use support::clusters::path;
use support::told_copies::told;
use support::{large_cluster, large_engines};

/// All clusters of the tests as one.
fn whole() -> Inventory {
    let files = ["every-volume.yaml", "snapshots.yaml", "engines.yaml"].map(path);
    dump::read(&files).unwrap()
}

/// One random change.
#[derive(Debug, Clone)]
struct Step {
    kind: usize,
    object: usize,
    /// Another object of the kind, of which something is taken over.
    other: usize,
    how: usize,
}

fn steps() -> impl Strategy<Value = Vec<(Step, bool)>> {
    let step = (any::<usize>(), any::<usize>(), any::<usize>(), any::<usize>());
    let step = step.prop_map(|(kind, object, other, how)| Step {
        kind,
        object,
        other,
        how,
    });
    // Several changes may lie between two looks.
    proptest::collection::vec((step, any::<bool>()), 1..40)
}

/// Takes an object away, gives it back as it was, or makes it partly like another.
fn change<K: Ord + Clone, T: Clone>(
    now: &mut Objects<K, T>,
    whole: &Objects<K, T>,
    step: &Step,
    mix: impl Fn(&T, &T, usize) -> T,
) {
    let nth = |at: usize| whole.iter().nth(at % whole.len().max(1));
    let (Some((key, object)), Some((_, other))) = (nth(step.object), nth(step.other)) else {
        return;
    };
    let now: &mut SharedMap<K, Arc<T>> = Arc::make_mut(now);
    let how = step.how / 4;
    match step.how % 4 {
        0 => drop(now.remove(key)),
        1 => drop(now.insert(key.clone(), Arc::clone(object))),
        _ => {
            let mixed = mix(now.get(key).unwrap_or(object), other, how);
            now.insert(key.clone(), Arc::new(mixed));
        }
    }
}

fn mixed_pod(one: &Pod, other: &Pod, how: usize) -> Pod {
    let one = one.clone();
    match how % 5 {
        0 => Pod {
            volumes: other.volumes.clone(),
            name: NamespacedName::new(&other.name.namespace, &one.name.name),
            ..one
        },
        1 => Pod {
            phase: Some(PodPhase::Succeeded),
            ..one
        },
        2 => Pod {
            node: other.node.clone(),
            ip: other.ip.clone(),
            ..one
        },
        3 => Pod {
            static_hash: Some(other.folder().to_owned()),
            ..one
        },
        _ => Pod {
            uid: one.uid,
            name: one.name,
            ..other.clone()
        },
    }
}

fn mixed_claim(one: &Claim, other: &Claim, how: usize) -> Claim {
    let one = one.clone();
    match how % 6 {
        0 => Claim {
            volume: other.volume.clone(),
            ..one
        },
        1 => Claim {
            phase: other.phase,
            ..one
        },
        2 => Claim {
            uid: other.uid.clone(),
            ..one
        },
        3 => Claim {
            phase: Some(ClaimPhase::Pending),
            class: other.class.clone(),
            volume: None,
            ..one
        },
        4 => Claim {
            deletion: Some(1),
            ..one
        },
        _ => Claim {
            name: one.name,
            ..other.clone()
        },
    }
}

fn mixed_volume(one: &PersistentVolume, other: &PersistentVolume, how: usize) -> PersistentVolume {
    let one = one.clone();
    match how % 6 {
        0 => PersistentVolume {
            claim: other.claim.clone(),
            ..one
        },
        1 => PersistentVolume {
            source: other.source.clone(),
            details: other.details.clone(),
            ..one
        },
        2 => PersistentVolume {
            phase: other.phase,
            ..one
        },
        3 => PersistentVolume {
            migrated_to: other.driver().map(str::to_owned),
            ..one
        },
        4 => PersistentVolume {
            node_affinity: other.node_affinity.clone(),
            ..one
        },
        _ => PersistentVolume {
            name: one.name,
            ..other.clone()
        },
    }
}

fn mixed_attachment(one: &VolumeAttachment, other: &VolumeAttachment, how: usize) -> VolumeAttachment {
    let one = one.clone();
    match how % 2 {
        0 => VolumeAttachment {
            volume: other.volume.clone(),
            ..one
        },
        _ => VolumeAttachment {
            name: one.name,
            ..other.clone()
        },
    }
}

fn mixed_node(one: &Node, other: &Node, how: usize) -> Node {
    let one = one.clone();
    match how % 5 {
        0 => Node {
            ready: one.ready.map(|ready| !ready),
            ..one
        },
        1 => Node {
            free: other
                .free
                .iter()
                .map(|(class, free)| (class.clone(), free / 2))
                .collect(),
            ..one
        },
        2 => Node {
            host_name: other.host_name.clone(),
            ..one
        },
        3 => Node {
            host_name: Some(other.name.clone()),
            ..one
        },
        _ => Node {
            other_names: other.other_names.clone(),
            ..one
        },
    }
}

fn mixed_class(one: &StorageClass, other: &StorageClass, _: usize) -> StorageClass {
    StorageClass {
        name: one.name.clone(),
        is_default: !one.is_default,
        ..other.clone()
    }
}

fn mixed_snapshot(one: &Snapshot, other: &Snapshot, how: usize) -> Snapshot {
    let one = one.clone();
    match how % 6 {
        0 => Snapshot {
            source: other.source.clone(),
            ..one
        },
        1 => Snapshot {
            content: other.content.clone(),
            ..one
        },
        2 => Snapshot {
            uid: other.uid.clone(),
            ..one
        },
        3 => Snapshot {
            class: other.class.clone(),
            ready: other.ready,
            ..one
        },
        4 => Snapshot {
            taken: other.taken,
            created: other.created,
            ..one
        },
        _ => Snapshot {
            name: one.name,
            ..other.clone()
        },
    }
}

fn mixed_content(one: &SnapshotContent, other: &SnapshotContent, how: usize) -> SnapshotContent {
    let one = one.clone();
    match how % 5 {
        0 => SnapshotContent {
            snapshot: other.snapshot.clone(),
            ..one
        },
        1 => SnapshotContent {
            snapshot_uid: other.snapshot_uid.clone(),
            ..one
        },
        2 => SnapshotContent {
            volume_handle: other.volume_handle.clone(),
            driver: other.driver.clone(),
            ..one
        },
        3 => SnapshotContent {
            volume: other.volume.clone(),
            ..one
        },
        _ => SnapshotContent {
            name: one.name,
            ..other.clone()
        },
    }
}

/// Parts of another object make two that say something of the same name.
fn mixed_object(one: &EngineObject, other: &EngineObject, how: usize) -> EngineObject {
    match how % 3 {
        0 => other.clone(),
        1 => EngineObject {
            parts: one
                .parts
                .iter()
                .chain(&other.parts)
                .take(how / 3 % 4)
                .cloned()
                .collect(),
        },
        _ => EngineObject { parts: Vec::new() },
    }
}

fn apply(now: &mut Inventory, whole: &Inventory, step: &Step) {
    let engines: Vec<_> = whole.engines.keys().copied().collect();
    // Most objects of the cluster's own are of three kinds.
    match step.kind % (engines.len() + 18) {
        0..=2 => change(&mut now.pods, &whole.pods, step, mixed_pod),
        3..=5 => change(&mut now.claims, &whole.claims, step, mixed_claim),
        6..=VOLUMES => change(&mut now.volumes, &whole.volumes, step, mixed_volume),
        9 => change(&mut now.attachments, &whole.attachments, step, mixed_attachment),
        NODES => change(&mut now.nodes, &whole.nodes, step, mixed_node),
        11 => change(&mut now.classes, &whole.classes, step, mixed_class),
        12 => change(&mut now.snapshots, &whole.snapshots, step, mixed_snapshot),
        13 => change(
            &mut now.snapshot_contents,
            &whole.snapshot_contents,
            step,
            mixed_content,
        ),
        14 => change(
            &mut now.snapshot_classes,
            &whole.snapshot_classes,
            step,
            |one: &SnapshotClass, _, _| one.clone(),
        ),
        15 => change(
            &mut now.external_snapshots,
            &whole.external_snapshots,
            step,
            |one, other, how| ExternalSnapshot(mixed_snapshot(&one.0, &other.0, how)),
        ),
        16 => change(
            &mut now.external_snapshot_data,
            &whole.external_snapshot_data,
            step,
            |one, other, how| ExternalSnapshotData(mixed_content(&one.0, &other.0, how)),
        ),
        17 => {
            let nth = step.object % now.watches.len();
            if let Some(watch) = now.watches.values_mut().nth(nth) {
                watch.synced = !watch.synced;
            }
        }
        other => {
            let engine = engines[other - 18];
            let now = now.engines.get_mut(engine).unwrap();
            change(now, &whole.engines[engine], step, mixed_object);
        }
    }
    now.version += 1;
}

/// Panics where one map has something else than the other.
fn same(map: &ClusterMap, anew: &ClusterMap) {
    assert_eq!(told(map), told(anew));
    assert_eq!(map.pods, anew.pods);
    assert_eq!(map.users, anew.users);
    assert_eq!(map.names, anew.names);
    assert_eq!(map.attachments, anew.attachments);
    assert_eq!(map.claim_attention, anew.claim_attention);
    assert_eq!(map.volume_attention, anew.volume_attention);
    assert_eq!(map.copy_attention, anew.copy_attention);
    assert_eq!(map.copy_nodes, anew.copy_nodes);
    assert_eq!(map.claim_snapshots, anew.claim_snapshots);
    assert_eq!(map.snapshot_volumes, anew.snapshot_volumes);
    assert_eq!(map.snapshot_attention, anew.snapshot_attention);
    assert_eq!(map.snapshot_content_attention, anew.snapshot_content_attention);
    assert_eq!(map.declared, anew.declared);
    assert_eq!(map.placements, anew.placements);
    assert_eq!(map.pool_disks, anew.pool_disks);
    assert_eq!(map.engines, anew.engines);
    assert!(map == anew, "they differ in something else");
}

/// Makes the changes one after another, with a look at the map where one is wanted, and compares it with the one that would be made anew.
fn stays_the_same(whole: &Inventory, steps: Vec<(Step, bool)>) {
    let mut now = whole.clone();
    let mut map = cluster::map(Arc::new(now.clone()));
    for (step, looks) in steps {
        apply(&mut now, whole, &step);
        if !looks {
            continue;
        }
        let inventory = Arc::new(now.clone());
        map = cluster::update(map, Arc::clone(&inventory));
        let anew = cluster::map(inventory);
        same(&map, &anew);
    }
}

/// Where the nodes are among the kinds of [`apply`], and where the PersistentVolumes are.
const NODES: usize = 10;
const VOLUMES: usize = 8;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_map_that_is_kept_up_to_date_is_the_one_that_would_be_made_anew(
        steps in steps(),
        sees_the_cluster_alone in any::<bool>(),
    ) {
        let mut whole = whole();
        whole.role = if sees_the_cluster_alone { Role::Cluster } else { Role::All };
        stays_the_same(&whole, steps);
    }

    /// Of few nodes, called by one another's names, each may be what a copy's node is taken for.
    #[test]
    fn nodes_that_change_their_names_are_taken_for_who_they_are(mut steps in steps()) {
        for (number, (step, _)) in steps.iter_mut().enumerate() {
            step.kind = if number % 4 == 3 { VOLUMES } else { NODES };
        }
        stays_the_same(&whole(), steps);
    }
}

/// Takes each object of a kind away and gives it back, with a look at the map after each.
fn without_each<K: Ord + Clone, T>(
    whole: &Inventory,
    objects: impl Fn(&mut Inventory) -> &mut Objects<K, T>,
) -> usize {
    let mut now = whole.clone();
    let mut map = cluster::map(Arc::new(now.clone()));
    let all: Vec<_> = objects(&mut now)
        .iter()
        .map(|(key, object)| (key.clone(), Arc::clone(object)))
        .collect();
    for (key, object) in &all {
        Arc::make_mut(objects(&mut now)).remove(key);
        map = cluster::update(map, Arc::new(now.clone()));
        same(&map, &cluster::map(Arc::new(now.clone())));
        Arc::make_mut(objects(&mut now)).insert(key.clone(), Arc::clone(object));
        map = cluster::update(map, Arc::new(now.clone()));
        same(&map, &cluster::map(Arc::new(now.clone())));
    }
    all.len()
}

#[test]
fn an_object_that_goes_and_comes_back_leaves_no_trace() {
    let whole = whole();
    let mut objects = without_each(&whole, |now| &mut now.pods)
        + without_each(&whole, |now| &mut now.claims)
        + without_each(&whole, |now| &mut now.volumes)
        + without_each(&whole, |now| &mut now.attachments)
        + without_each(&whole, |now| &mut now.nodes)
        + without_each(&whole, |now| &mut now.classes)
        + without_each(&whole, |now| &mut now.snapshots)
        + without_each(&whole, |now| &mut now.snapshot_contents)
        + without_each(&whole, |now| &mut now.snapshot_classes)
        + without_each(&whole, |now| &mut now.external_snapshots)
        + without_each(&whole, |now| &mut now.external_snapshot_data);
    for kind in whole.engines.keys() {
        objects += without_each(&whole, |now| now.engines.get_mut(kind).unwrap());
    }
    assert!(objects > 150, "{objects}");
}

/// A cluster of five hundred volumes on engines, with its map.
fn large() -> (Inventory, ClusterMap) {
    let size = large_cluster::Size { nodes: 10, pods: 500 };
    let objects = large_engines::objects(size).into_iter().map(|(_, object)| object);
    let list = serde_json::json!({"kind": "List", "items": objects.collect::<Vec<_>>()});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump.json");
    std::fs::write(&file, list.to_string()).unwrap();
    let mut inventory = dump::read(&[file]).unwrap();
    inventory.role = Role::Cluster;
    let map = cluster::map(Arc::new(inventory.clone()));
    (inventory, map)
}

/// What is joined anew after one of the objects has become another.
fn joined<K: Ord + Clone, T: Clone>(
    objects: impl Fn(&mut Inventory) -> &mut Objects<K, T>,
    wanted: impl Fn(&T) -> bool,
    change: impl Fn(&mut T),
) -> Joined {
    let (mut now, mut map) = large();
    let of_kind = Arc::make_mut(objects(&mut now));
    let (key, object) = of_kind.iter().find(|(_, object)| wanted(object)).unwrap();
    let (key, mut object) = (key.clone(), (**object).clone());
    change(&mut object);
    of_kind.insert(key, Arc::new(object));
    cluster::bring_up_to_date(&mut map, Arc::new(now))
}

#[test]
fn a_changed_pod_has_its_claim_joined_anew_and_nothing_else() {
    let joined = joined(|now| &mut now.pods, |_| true, |pod| pod.created = Some(1));
    let wanted = Joined {
        claims: 1,
        ..Joined::default()
    };
    assert_eq!(joined, wanted);
}

#[test]
fn a_changed_claim_has_itself_and_its_volume_joined_anew_and_nothing_else() {
    let bound = |claim: &Claim| claim.phase == Some(ClaimPhase::Bound);
    let joined = joined(|now| &mut now.claims, bound, |claim| claim.deletion = Some(1));
    let wanted = Joined {
        claims: 1,
        volumes: 1,
        ..Joined::default()
    };
    assert_eq!(joined, wanted);
}

#[test]
fn a_changed_volume_has_itself_its_claim_and_its_copies_joined_anew_and_nothing_else() {
    let joined = joined(
        |now| &mut now.volumes,
        |volume| volume.claim.is_some(),
        |volume| volume.deletion = Some(1),
    );
    let wanted = Joined {
        claims: 1,
        volumes: 1,
        copies: 1,
        ..Joined::default()
    };
    assert_eq!(joined, wanted);
}

#[test]
fn a_changed_replica_has_the_copies_of_its_volume_joined_anew_and_nothing_else() {
    let kind = |now: &Inventory| {
        let mut kinds = now.engines.keys().copied();
        kinds.find(|kind| kind.kind == "CStorVolumeReplica").unwrap()
    };
    let joined = joined(
        |now| {
            let kind = kind(now);
            now.engines.get_mut(kind).unwrap()
        },
        |_| true,
        |object| object.parts.clear(),
    );
    let wanted = Joined {
        copies: 1,
        ..Joined::default()
    };
    assert_eq!(joined, wanted);
}

#[test]
fn a_node_that_is_ready_or_not_has_the_copies_on_it_looked_at_and_nothing_else() {
    let joined = joined(
        |now| &mut now.nodes,
        |_| true,
        |node| node.ready = node.ready.map(|ready| !ready),
    );
    let (now, map) = large();
    let (node, _) = now.nodes.iter().next().unwrap();
    let is_there = |volume: &&Arc<PersistentVolume>| {
        let copies = map.copies(volume);
        copies.is_some_and(|copies| copies.list.iter().any(|copy| copy.node.as_ref() == Some(node)))
    };
    let there = now.volumes.values().filter(is_there).count();
    assert!(0 < there && there < now.volumes.len() / 2, "{there}");
    let wanted = Joined {
        copies: there,
        ..Joined::default()
    };
    assert_eq!(joined, wanted);
}
