//! Given these files, this is what is known of the cluster.

use super::*;

const JSON: &str = r#"{"kind": "List", "apiVersion": "v1", "items": [
        {"kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop", "uid": "u1"},
         "spec": {"nodeName": "w1", "volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]}},
        {"kind": "Pod", "metadata": {"name": "web-1", "namespace": "shop", "uid": "u2"}, "spec": {"nodeName": "w2"}},
        {"kind": "Pod", "metadata": {"name": "odd", "namespace": "shop", "uid": "u3"}, "spec": 5},
        {"kind": "ConfigMap", "metadata": {"name": "c"}},
        {"kind": "PersistentVolumeClaim", "metadata": {"name": "data", "namespace": "shop"}, "spec": {"volumeName": "pv-1"}},
        {"kind": "PersistentVolumeClaim", "metadata": {"name": "idle", "namespace": "shop"}, "spec": {"volumeName": "pv-2"}},
        {"kind": "PersistentVolume", "metadata": {"name": "pv-1"}},
        {"kind": "PersistentVolume", "metadata": {"name": "pv-2"}}
    ]}"#;

const YAML: &str = r#"
apiVersion: v1
kind: PersistentVolumeList
items:
- metadata: {name: pv-3}
  spec:
    capacity: {storage: 10Gi}
    storageClassName: "on"
---
---
kind: StorageClass
metadata:
  name: fast
provisioner: p
"#;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn a_list_in_json_is_read() {
    let folder = folder(&[("dump.json", JSON)]);
    let inventory = read(&[folder.path().join("dump.json")]).unwrap();
    assert_eq!(inventory.pods.keys().collect::<Vec<_>>(), ["u1", "u2"]);
    assert_eq!((inventory.claims.len(), inventory.volumes.len()), (2, 2));
    assert!(inventory.knows_all(ResourceKind::Claims) && inventory.is_synced());
    assert!(!inventory.knows_all(ResourceKind::Classes), "none were asked for");
    assert_eq!(inventory.faults.len(), 1);
}

#[test]
fn of_twenty_thousand_wrong_objects_a_hundred_are_told() {
    let claim = |number: u32| {
        format!(
            r#"{{"kind": "PersistentVolumeClaim", "metadata": {{"name": "c{number}", "namespace": "n"}}, "spec": {{"volumeName": "A b"}}}}"#
        )
    };
    let claims: String = (0..20_000).map(claim).collect();
    let inventory = parse(&format!(
        "{claims}{}",
        r#"{"kind": "Pod", "metadata": {"name": "p", "uid": "u"}, "spec": 5}"#
    ))
    .unwrap();
    assert_eq!(inventory.claims.len(), 20_000);
    let told: Vec<String> = inventory.faults.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1 + 100 + 1, "those of other kinds as well");
    assert!(told[0].starts_with("pods "), "{}", told[0]);
    assert_eq!(
        told[101],
        "persistentvolumeclaims: 19900 more faults of such objects, not told one by one"
    );
}

#[test]
fn kinds_of_others_are_not_taken_for_those_of_the_same_name() {
    let inventory = parse(
        r#"{"kind": "List", "apiVersion": "v1", "items": [
                {"apiVersion": "longhorn.io/v1beta2", "kind": "VolumeAttachment", "metadata": {"name": "pvc-1", "namespace": "longhorn-system"}},
                {"apiVersion": "metal.example/v1", "kind": "Node", "metadata": {"name": "machine-1"}},
                {"apiVersion": "v1", "kind": "StorageClass", "metadata": {"name": "no class"}},
                {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment", "metadata": {"name": "csi-1"}},
                {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1"}},
                {"kind": "StorageClass", "metadata": {"name": "fast"}},
                {"apiVersion": "volumesnapshot.external-storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": {"name": "old", "namespace": "shop"}},
                {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": {"name": "new", "namespace": "shop"}},
                {"kind": "NodeList", "apiVersion": "metal.example/v1", "items": [{"metadata": {"name": "machine-2"}}]}
            ]}"#,
    )
    .unwrap();
    let names = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(names(inventory.attachments.keys().collect()), ["csi-1"]);
    assert_eq!(names(inventory.nodes.keys().collect()), ["worker-1"]);
    assert_eq!(names(inventory.classes.keys().collect()), ["fast"]);
    assert_eq!(
        (inventory.snapshots.len(), inventory.external_snapshots.len()),
        (1, 1)
    );
    assert_eq!(inventory.faults, []);
}

#[test]
fn documents_in_yaml_are_read_and_so_are_folders() {
    let folder = folder(&[("a.json", JSON), ("b.yaml", YAML), ("notes.txt", "nothing")]);
    let inventory = read(&[folder.path().to_owned()]).unwrap();
    assert_eq!(
        inventory.volumes.keys().collect::<Vec<_>>(),
        ["pv-1", "pv-2", "pv-3"]
    );
    assert_eq!(inventory.volumes["pv-3"].capacity, Some(10 << 30));
    assert_eq!(inventory.volumes["pv-3"].class.as_deref(), Some("on"));
    assert!(inventory.classes.contains_key("fast"));
}

#[test]
fn a_node_has_its_own_part_of_it() {
    let folder = folder(&[("dump.json", JSON)]);
    let whole = read(&[folder.path().to_owned()]).unwrap();
    let node = of_node(whole, "w1");
    assert_eq!(node.pods.keys().collect::<Vec<_>>(), ["u1"]);
    assert_eq!(
        node.claims.keys().map(ToString::to_string).collect::<Vec<_>>(),
        ["shop/data"]
    );
    assert_eq!(node.volumes.keys().collect::<Vec<_>>(), ["pv-1"]);
}

#[test]
fn a_large_cluster_in_yaml_is_read() {
    use std::fmt::Write as _;

    let mut text = String::from("kind: PodList\nitems:\n");
    for number in 0..10_000 {
        let _ = writeln!(
            text,
            "- metadata: {{name: p, namespace: n, uid: u{number}, labels: {{a: b, c: d, e: f, g: h, i: j, k: l}}}}"
        );
    }
    let folder = folder(&[("pods.yaml", &text)]);
    assert_eq!(read(&[folder.path().to_owned()]).unwrap().pods.len(), 10_000);
}

#[test]
fn lists_in_lists_without_end_are_none() {
    let deep = format!("{}{}", "{\"items\":[".repeat(100_000), "]}".repeat(100_000));
    let started = std::time::Instant::now();
    assert_eq!(parse(&deep).map(|inventory| inventory.pods.len()), Ok(0));
    assert!(started.elapsed() < Duration::from_secs(5));
    let twice = format!("{{\"kind\": \"List\", \"items\": [{JSON}]}}");
    assert_eq!(parse(&twice).map(|inventory| inventory.pods.len()), Ok(2));
}

#[test]
fn what_is_no_dump_is_said_to_be_none() {
    let folder = folder(&[
        ("cut.json", r#"{"kind": "List", "items": [{"kind""#),
        ("cut.yaml", "a: [1, 2"),
        ("other.json", "{}"),
    ]);
    let said = |name: &str| read(&[folder.path().join(name)]).unwrap_err().to_string();
    assert!(said("cut.json").contains("cut.json: neither JSON nor YAML: EOF"));
    assert!(said("cut.yaml").contains("cut.yaml: neither JSON nor YAML: "));
    assert!(said("other.json").contains("no Kubernetes objects in it"));
    assert!(said("missing.json").contains("missing.json: No such file"));
}
