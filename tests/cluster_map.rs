//! Given this cluster, this is the report, the page and the tree: of the whole of it, and of one of its nodes.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use scope_storage_probe::cluster::dump;
use scope_storage_probe::link::cluster;
use scope_storage_probe::model::cluster_map::{ClusterMap, Urgency};
use scope_storage_probe::model::itself::SelfFigures;
use scope_storage_probe::model::workload::NamespacedName;
use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::prometheus::node_page;
use scope_storage_probe::render::{scope, tree};
use serde_json::Value;
use support::clusters::{checked, inventory, node, seen_on, seen_unnamed, shown, snapshots, told as told_of};
use support::node_with_pods;
use support::reading::WALL;

fn map() -> ClusterMap {
    cluster::map(Arc::new(inventory()))
}

#[test]
fn a_cluster_with_every_sort_of_volume() {
    let [report, page, tree] = shown(map());
    insta::assert_snapshot!("every-volume.report", report);
    insta::assert_snapshot!("every-volume.page", page);
    insta::assert_snapshot!("every-volume.tree", tree);
}

#[test]
fn a_cluster_with_snapshots_in_every_state() {
    let [report, page, tree] = shown(cluster::map(Arc::new(snapshots())));
    insta::assert_snapshot!("snapshots.report", report);
    insta::assert_snapshot!("snapshots.page", page);
    insta::assert_snapshot!("snapshots.tree", tree);
}

#[test]
fn each_snapshot_that_is_not_well_says_why() {
    let map = cluster::map(Arc::new(snapshots()));
    let said: Vec<String> = map
        .snapshot_attention
        .iter()
        .map(|((_, name), attention)| format!("{name}: {}: {}", attention.urgency.as_str(), attention.reason))
        .collect();
    assert_eq!(
        said,
        [
            "shop/claimless: pending: its claim vanished does not exist",
            "shop/classless: pending: its class weekly does not exist",
            "shop/copying: pending: taken, and not ready yet",
            "shop/failed: failed: the array has no room for snapshots",
            "shop/leaving: deleting: deleted, and not gone yet",
            "shop/lost: lost: bound to the content snapcontent-lost, which does not exist or is another snapshot's",
            "shop/new: pending: not taken yet",
        ]
    );
    let left: Vec<_> = map.snapshot_content_attention.values().collect();
    assert_eq!(left.len(), 1);
    assert_eq!(
        left[0].reason,
        "its snapshot shop/gone is gone, and its policy is to stay"
    );
}

#[test]
fn of_several_attachments_the_most_urgent_is_told() {
    let failed = r#"{attachError: {message: "no such disk"}}"#;
    // Their names are hashes: any of them may be the first.
    for [gone, fails] in [["csi-1", "csi-2"], ["csi-2", "csi-1"]] {
        let text = format!(
            "---
{{apiVersion: v1, kind: Node, metadata: {{name: w2}}}}
---
{{apiVersion: v1, kind: PersistentVolume, metadata: {{name: pv}}, spec: {{csi: {{driver: d, volumeHandle: h}}}}, status: {{phase: Bound}}}}
---
{{apiVersion: storage.k8s.io/v1, kind: VolumeAttachment, metadata: {{name: {gone}}}, spec: {{nodeName: w1, source: {{persistentVolumeName: pv}}}}}}
---
{{apiVersion: storage.k8s.io/v1, kind: VolumeAttachment, metadata: {{name: {fails}}}, spec: {{nodeName: w2, source: {{persistentVolumeName: pv}}}}, status: {failed}}}
"
        );
        let map = cluster::map(Arc::new(dump::parse(&text).unwrap()));
        let told = map.volume_attention.get("pv").map(ToString::to_string);
        assert_eq!(
            told.as_deref(),
            Some("failed: cannot be attached to w2: no such disk"),
            "{fails}"
        );
    }
}

#[test]
fn a_pod_that_says_it_is_a_static_one_has_no_other_pods_folder() {
    let text = "---
{apiVersion: v1, kind: Pod, metadata: {name: shop, namespace: web, uid: u5}}
---
{apiVersion: v1, kind: Pod, metadata: {name: forged, namespace: evil, uid: u9, annotations: {kubernetes.io/config.mirror: u5, kubernetes.io/config.hash: u5}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: etcd, namespace: kube-system, uid: u7, annotations: {kubernetes.io/config.mirror: h, kubernetes.io/config.hash: h}}}
";
    let map = cluster::map(Arc::new(dump::parse(text).unwrap()));
    let whose = |folder: &str| map.pod(folder).map(|pod| pod.name.name.as_str());
    assert_eq!(whose("u5"), Some("shop"));
    assert_eq!(whose("h"), Some("etcd"));
    let folders: Vec<_> = map
        .folders()
        .map(|(folder, pod)| (folder.as_str(), pod.name.name.as_str()))
        .collect();
    assert_eq!(folders, [("h", "etcd"), ("u5", "shop")]);
}

#[test]
fn a_claims_snapshots_are_its_own_and_not_those_of_one_before_it() {
    let map = cluster::map(Arc::new(snapshots()));
    let of = |claim: &str| -> Vec<&str> {
        map.snapshots(&NamespacedName::new("shop", claim))
            .map(|snapshot| snapshot.name.name.as_str())
            .collect()
    };
    assert_eq!(of("restored"), [] as [&str; 0], "`former` is of another volume");
    assert_eq!(of("data").len(), 8);
    let newest = map.newest_snapshot(&NamespacedName::new("shop", "data")).unwrap();
    assert_eq!(newest.name.name, "ready");
}

#[test]
fn a_node_of_it() {
    let state = node();
    let report = checked(&scope::report(&state), "storage", "node");
    insta::assert_snapshot!("node-of-it.report", format!("{report:#}"));
    let page = node_page(&state, &SelfFigures::default(), Format::Text);
    insta::assert_snapshot!("node-of-it.page", String::from_utf8(page).unwrap());
    insta::assert_snapshot!("node-of-it.tree", tree::text(&state));
}

#[test]
fn a_node_of_it_one_of_whose_disks_takes_no_requests() {
    let machine = node_with_pods::node();
    let disk = "/sys/devices/pci0000:00/0000:00:17.0/ata0/host0/target0:0:0/0:0:0:0/state";
    assert!(machine.place(disk).exists());
    machine.write(disk, "offline\n");
    let state = seen_on(&machine, "node", dump::of_node(inventory(), "node"));
    let page = String::from_utf8(node_page(&state, &SelfFigures::default(), Format::Text)).unwrap();
    let lines: Vec<&str> = page
        .lines()
        .filter(|line| line.contains("device_attention"))
        .collect();
    insta::assert_snapshot!("failing.page", lines.join("\n"));
    let report = checked(&scope::report(&state), "storage", "node");
    let nodes_of = |topology: &str| report[topology]["nodes"].as_object().unwrap().values();
    let told: Vec<String> = nodes_of("PersistentVolume")
        .chain(nodes_of("PersistentVolumeClaim"))
        .flat_map(|node| {
            let said = |fact: &str| {
                let words = node["latest"][fact]["value"].as_str()?;
                Some(format!("{}: {words}", node["latest"]["kubernetes_name"]["value"]))
            };
            [
                said("storage_disk_attention"),
                said("storage_volume_device_attention"),
                said("storage_claim_device_attention"),
            ]
        })
        .flatten()
        .collect();
    let disk = r#""sda on node": unusable: the kernel says offline"#;
    let volume = r#""pvc-alone": sda unusable: the kernel says offline"#;
    let claim = r#""data": sda unusable: the kernel says offline"#;
    assert_eq!(told, [volume, disk, claim]);
    let tree = tree::text(&state);
    let line = "\n  disk sda: unusable: the kernel says offline\n";
    assert!(tree.contains(line), "{tree}");
}

#[test]
fn every_edge_from_pod_to_disk_is_there() {
    let report = checked(&scope::report(&node()), "storage", "node");
    let find = |topology: &str, name: &str| -> Value {
        let nodes = report[topology]["nodes"].as_object().unwrap();
        let mut found = nodes
            .values()
            .filter(|node| node["latest"]["kubernetes_name"]["value"] == name);
        let node = found
            .next()
            .unwrap_or_else(|| panic!("no {topology} {name}"))
            .clone();
        assert!(found.next().is_none(), "two of {topology} {name}");
        node
    };
    let pod = find("Pod", "web-0");
    let claims: BTreeSet<&str> = pod["latest"]["kubernetes_volume_claim"]["value"]
        .as_str()
        .unwrap()
        .split(';')
        .collect();
    assert!(
        claims.is_superset(&["data", "folder", "raw", "web-0-scratch"].into()),
        "{claims:?}"
    );
    // The claim that the pod brings with it has an edge that Scope's own probe cannot take away.
    assert_eq!(
        pod["adjacency"][0],
        find("PersistentVolumeClaim", "web-0-scratch")["id"]
    );
    assert_eq!(pod["parents"]["host"][0], "node;<host>");
    let claim = find("PersistentVolumeClaim", "data");
    assert_eq!(claim["latest"]["kubernetes_namespace"]["value"], "shop");
    assert_eq!(claim["latest"]["storage_claim_disks"]["value"], "sda (ZC100000)");
    let volume = find(
        "PersistentVolume",
        claim["latest"]["kubernetes_volume_name"]["value"]
            .as_str()
            .unwrap(),
    );
    let class = find(
        "StorageClass",
        claim["latest"]["kubernetes_storage_class_name"]["value"]
            .as_str()
            .unwrap(),
    );
    let below: BTreeSet<&str> = volume["adjacency"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(
        below,
        ["node-sda;<persistent_volume>", class["id"].as_str().unwrap()].into()
    );
}

#[test]
fn a_path_of_the_node_is_a_volume_that_only_the_api_knows() {
    let state = node();
    let volume = |name: &str| state.topology.volumes.iter().find(|volume| volume.name == name);
    let logs = volume("host-logs").unwrap();
    let disks: Vec<_> = logs
        .placement
        .disks
        .iter()
        .map(|disk| state.topology.devices.get(*disk).unwrap().kernel_name.as_str())
        .collect();
    assert_eq!(
        (disks.as_slice(), logs.placement.shared, logs.persistent),
        (&["nvme0n1"][..], true, true)
    );
    assert!(volume("third").is_some());
    // The kernel's own filesystems hold nothing of anybody's.
    assert!(volume("sysfs").is_none());
}

/// Two pods of a DaemonSet with a path of their node, one of them on the machine that is looked at.
const ON_EACH_NODE: &str = r"
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Node, metadata: {name: node, uid: n1}}
- {apiVersion: v1, kind: Node, metadata: {name: other, uid: n2}}
- {apiVersion: v1, kind: Pod, metadata: {name: agent-a, namespace: logs, uid: pod-here}, spec: {nodeName: node, volumes: [{name: logs, hostPath: {path: /mnt/third/logs}}]}, status: {phase: Running}}
- {apiVersion: v1, kind: Pod, metadata: {name: agent-b, namespace: logs, uid: pod-there}, spec: {nodeName: other, volumes: [{name: logs, hostPath: {path: /mnt/third/logs}}]}, status: {phase: Running}}
";

#[test]
fn of_the_whole_cluster_one_nodes_pods_alone_are_this_hosts() {
    let machine = node_with_pods::node();
    let users_of_paths = |state: &scope_storage_probe::state::State| -> Vec<String> {
        let volumes = state.topology.volumes.iter();
        let paths = volumes.filter(|volume| volume.driver == "kubernetes.io/host-path");
        let users = paths.flat_map(|volume| &volume.users);
        users.map(|user| user.pod_uid.clone()).collect()
    };
    let hosts = |state| {
        let report = checked(&scope::report(state), "storage", "node");
        ["here", "there"].map(|pod| {
            let pod = &report["Pod"]["nodes"][format!("pod-{pod};<pod>")];
            assert!(pod.is_object());
            pod["parents"]["host"][0].as_str().map(str::to_owned)
        })
    };
    let state = seen_on(&machine, "node", told_of(ON_EACH_NODE));
    assert_eq!(users_of_paths(&state), ["pod-here"]);
    assert_eq!(hosts(&state), [Some("node;<host>".to_owned()), None]);
    // Where nobody says which node the machine is, no pod is taken for its own.
    let state = seen_unnamed(&machine, "node", told_of(ON_EACH_NODE));
    assert_eq!(users_of_paths(&state), [] as [&str; 0]);
    assert_eq!(hosts(&state), [None, None]);
}

#[test]
fn what_needs_attention_says_why() {
    let map = map();
    let claim = |name: &str| {
        let found = map.claim_attention.get(&NamespacedName::new("trouble", name));
        found.map(|attention| (attention.urgency, attention.reason.as_str()))
    };
    for (name, urgency, reason) in [
        ("lost", Urgency::Lost, "the volume pv-gone is gone"),
        (
            "waits-for-pod",
            Urgency::Unused,
            "waits for a first pod that uses it, as the class local wants",
        ),
        (
            "no-such-class",
            Urgency::Pending,
            "the storage class platinum does not exist",
        ),
        (
            "waits-for-driver",
            Urgency::Pending,
            "waits for disks.example to make its volume",
        ),
        ("no-class", Urgency::Pending, "waits for a storage class"),
        (
            "fits",
            Urgency::Pending,
            "wants no storage class: waits for a volume that fits",
        ),
        (
            "named",
            Urgency::Pending,
            "asks for the volume pv-never, which does not exist",
        ),
        (
            "leaving",
            Urgency::Deleting,
            "deleted, and held by the pods that use it: holder",
        ),
        ("stuck", Urgency::Unused, "no pod uses it"),
    ] {
        assert_eq!(claim(name), Some((urgency, reason)), "{name}");
    }
    assert_eq!(claim("grows").unwrap().0, Urgency::Condition);
    let volume = |name: &str| {
        let found = map.volume_attention.get(name);
        found.map(|attention| (attention.urgency, attention.reason.as_str()))
    };
    for (name, urgency, reason) in [
        ("pv-failed", Urgency::Failed, "the volume is still attached"),
        (
            "pvc-stuck",
            Urgency::Failed,
            "cannot be attached to elsewhere: rpc error: code = Internal desc = the volume is in use on another node",
        ),
        (
            "pv-released",
            Urgency::Released,
            "the claim shop/former is gone; the data are kept until somebody deletes the volume",
        ),
        (
            "pv-orphan",
            Urgency::Orphaned,
            "bound to the claim shop/vanished, which does not exist",
        ),
        (
            "pv-other",
            Urgency::Orphaned,
            "bound to the claim shop/data, which is another one now",
        ),
        (
            "pvc-far",
            Urgency::Stranded,
            "attached to the node removed, which does not exist",
        ),
        ("pv-free", Urgency::Available, "no claim has it"),
    ] {
        assert_eq!(volume(name), Some((urgency, reason)), "{name}");
    }
    assert_eq!(volume("pvc-alone"), None);
    assert_eq!(
        map.claim_attention.get(&NamespacedName::new("shop", "data")),
        None
    );
    // A pod that has ended uses nothing any more.
    let finished = &map.claim_attention[&NamespacedName::new("shop", "finished")];
    assert_eq!(finished.urgency, Urgency::Unused);
}

#[test]
fn nothing_is_concluded_from_what_was_not_seen() {
    let mut inventory = inventory();
    inventory.watches.clear();
    let map = cluster::map(Arc::new(inventory.clone()));
    let unfounded = [Urgency::Unused, Urgency::Orphaned];
    let claims = map
        .claim_attention
        .values()
        .filter(|attention| unfounded.contains(&attention.urgency));
    let volumes = map
        .volume_attention
        .values()
        .filter(|attention| unfounded.contains(&attention.urgency));
    assert_eq!(claims.chain(volumes).collect::<Vec<_>>(), Vec::<&_>::new());
    // A node does not see who else uses a claim.
    let node = cluster::map(Arc::new(dump::of_node(
        support::clusters::inventory(),
        "elsewhere",
    )));
    assert!(
        node.claim_attention
            .values()
            .all(|attention| attention.urgency != Urgency::Unused)
    );
}

#[test]
fn a_report_that_would_be_too_large_leaves_out_what_is_well() {
    let mut inventory = inventory();
    let claims = Arc::make_mut(&mut inventory.claims);
    let volumes = Arc::make_mut(&mut inventory.volumes);
    let (name, claim) = claims
        .iter()
        .next()
        .map(|(name, claim)| (name.clone(), Arc::clone(claim)))
        .unwrap();
    let volume = Arc::clone(&volumes[claim.volume.as_ref().unwrap()]);
    for number in 0..3000 {
        let mut claim = (*claim).clone();
        claim.uid = format!("many-{number}");
        claim.name = NamespacedName::new(&name.namespace, format!("many-{number:05}"));
        claim.volume = Some(format!("many-{number:05}"));
        let mut volume = (*volume).clone();
        volume.uid = format!("volume-{number}");
        volume.name = format!("many-{number:05}");
        volume.claim.as_mut().unwrap().name = claim.name.clone();
        volume.claim.as_mut().unwrap().uid = Some(claim.uid.clone());
        claims.insert(claim.name.clone(), Arc::new(claim));
        volumes.insert(volume.name.clone(), Arc::new(volume));
    }
    let map = cluster::map(Arc::new(inventory));
    let report = scope::cluster_report(&map, SystemTime::UNIX_EPOCH + WALL);
    assert!(report.left_out > 1000, "{}", report.left_out);
    let bytes = report.bytes();
    assert!(bytes.len() > 1_500_000, "{}", bytes.len());
    let report = checked(&bytes, "storage-cluster", "");
    for urgent in map
        .claim_attention
        .iter()
        .filter(|(_, attention)| attention.urgency < Urgency::Unused)
    {
        let id = format!("{};<persistent_volume_claim>", map.inventory.claims[urgent.0].uid);
        assert!(
            !report["PersistentVolumeClaim"]["nodes"][&id].is_null(),
            "{urgent:?}"
        );
    }
    let description = report["Plugins"][0]["description"].as_str().unwrap();
    assert!(
        description.contains("those that need attention come first"),
        "{description}"
    );
}

#[test]
fn of_the_pods_that_hold_a_deleted_claim_the_first_are_named() {
    let pods: Vec<String> = (0..2000)
        .map(|number| {
            format!(
                "- {{apiVersion: v1, kind: Pod, metadata: {{namespace: shop, name: p-{number:04}, uid: u{number}}}, spec: {{volumes: [{{name: d, persistentVolumeClaim: {{claimName: data}}}}]}}}}\n"
            )
        })
        .collect();
    let objects = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {{namespace: shop, name: data, uid: c, deletionTimestamp: \"2026-01-01T00:00:00Z\"}}}}\n{}",
        pods.concat()
    );
    let map = cluster::map(Arc::new(told_of(&objects)));
    let attention = &map.claim_attention[&NamespacedName::new("shop", "data")];
    assert_eq!(
        attention.reason,
        "deleted, and held by the pods that use it: p-0000, p-0001, p-0002, p-0003, p-0004 and 1995 more"
    );
}
