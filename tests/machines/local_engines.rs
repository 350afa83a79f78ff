//! Two answers to one question: on which disks do the volumes of LVM LocalPV and of hostpath lie? The kernel of a machine says it, and
//! the engines' objects say it in a real API server, which the program in the machine follows. Both must agree; and where the objects
//! are made to say something else, the program must say so, and believe the kernel.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;

use scope_storage_probe::model::inventory::Role;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::live::{Page, Said};
use super::pod_volumes::label;
use super::strings;
use super::support::api_server::{ApiServer, shipped, shipped_for_engines};
use super::support::engine_definitions::{self, Versions};

/// The stack of the machine.
pub(crate) const STACK: &str = "local-engines";

const LOGICAL: &str = "pvc-logical";
const FOLDER: &str = "pvc-folder";
/// 200 extents of 4 MiB.
const LOGICAL_SIZE: u64 = 200 << 22;
const LATER: &str = "virtio-later-19";
const FOLDERS: &str = "vol0eeeeffff00001111";

// --- The cluster ----------------------------------------------------------------------------------------------------

/// An API server with everything but what the machine itself says in it.
pub(crate) struct Cluster {
    _server: ApiServer,
    lent: TempDir,
}

impl Cluster {
    /// Starts it, and makes what a cluster has of a pod with both volumes.
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let server = ApiServer::start(&["prober"]);
            server.grant("prober", &shipped(Role::Cluster)).await;
            server.grant("prober", &shipped_for_engines()).await;
            engine_definitions::install(&server, Versions::All).await;
            let uid = fill(&server).await;
            let lent = tempfile::tempdir().unwrap();
            server.lend("prober", lent.path(), "/probe/cluster");
            fs::write(lent.path().join("pods"), format!("1 {uid}\n")).unwrap();
            Self {
                _server: server,
                lent,
            }
        })
    }

    /// What the machine is started with.
    pub(crate) fn arguments(&self) -> [OsString; 2] {
        ["--cluster".into(), self.lent.path().into()]
    }
}

/// Nodes, classes, volumes, claims and the pod that uses them, whose UID is given back. The engines' own objects are the machine's to make.
async fn fill(server: &ApiServer) -> String {
    for namespace in ["shop", "openebs"] {
        server
            .create("/api/v1/namespaces", &json!({"metadata": {"name": namespace}}))
            .await;
    }
    for node in ["here", "there"] {
        let labels = json!({"kubernetes.io/hostname": node, "openebs.io/nodename": node});
        server
            .create_with_status(
                "/api/v1/nodes",
                &json!({"metadata": {"name": node, "labels": labels}}),
                &json!({"conditions": [{"type": "Ready", "status": "True"}]}),
            )
            .await;
    }
    for (class, provisioner) in [
        ("openebs-lvmpv", "local.csi.openebs.io"),
        ("openebs-hostpath", "openebs.io/local"),
    ] {
        server
            .create(
                "/apis/storage.k8s.io/v1/storageclasses",
                &json!({"metadata": {"name": class}, "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer"}),
            )
            .await;
    }
    let volume = |name: &str, claim: &str, class: &str, size: u64, key: &str, source: (&str, Value)| {
        let term = json!({"matchExpressions": [{"key": key, "operator": "In", "values": ["here"]}]});
        json!({
            "metadata": {"name": name},
            "spec": {
                "capacity": {"storage": size.to_string()}, "accessModes": ["ReadWriteOnce"], "storageClassName": class,
                "claimRef": {"namespace": "shop", "name": claim},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
                source.0: source.1,
            },
        })
    };
    let logical = volume(
        LOGICAL,
        "logical",
        "openebs-lvmpv",
        LOGICAL_SIZE,
        "openebs.io/nodename",
        (
            "csi",
            json!({"driver": "local.csi.openebs.io", "volumeHandle": LOGICAL, "fsType": "ext4",
                   "volumeAttributes": {"openebs.io/volgroup": "storage", "openebs.io/cas-type": "localpv-lvm"}}),
        ),
    );
    let mut folder = volume(
        FOLDER,
        "folder",
        "openebs-hostpath",
        1 << 30,
        "kubernetes.io/hostname",
        (
            "local",
            json!({"path": format!("/var/openebs/local/{FOLDER}"), "fsType": ""}),
        ),
    );
    folder["metadata"]["labels"] = json!({"openebs.io/cas-type": "local-hostpath"});
    folder["metadata"]["annotations"] = json!({"pv.kubernetes.io/provisioned-by": "openebs.io/local"});
    let bound = json!({"phase": "Bound"});
    for (claim, volume) in [("logical", &logical), ("folder", &folder)] {
        server
            .create_with_status("/api/v1/persistentvolumes", volume, &bound)
            .await;
        let spec = &volume["spec"];
        let claim = json!({
            "metadata": {"name": claim},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": spec["storageClassName"],
                     "volumeName": volume["metadata"]["name"], "resources": {"requests": spec["capacity"]}},
        });
        let status =
            json!({"phase": "Bound", "capacity": spec["capacity"], "accessModes": ["ReadWriteOnce"]});
        server
            .create_with_status("/api/v1/namespaces/shop/persistentvolumeclaims", &claim, &status)
            .await;
    }
    let of_claim =
        |claim: &str| json!({"name": format!("{claim}-data"), "persistentVolumeClaim": {"claimName": claim}});
    let pod = server
        .create(
            "/api/v1/namespaces/shop/pods",
            &json!({
                "metadata": {"name": "web"},
                "spec": {"nodeName": "here", "containers": [{"name": "main", "image": "image"}],
                         "volumes": [of_claim("logical"), of_claim("folder")]},
            }),
        )
        .await;
    pod["metadata"]["uid"].as_str().unwrap().to_owned()
}

// --- What was said --------------------------------------------------------------------------------------------------

/// The program's pages and reports from the machine, held against LVM's own tools and against each other.
pub(crate) fn both_answers(mut said: Said) -> Result<Said, String> {
    let (groups, logical) = (said.lines("vgs")?, said.lines("lvs")?);
    let ([group], [logical]) = (&groups[..], &logical[..]) else {
        return Err(format!(
            "not one group and one logical volume: {groups:?}, {logical:?}"
        ));
    };
    agree(&mut said, group, logical)?;
    agree_on_folder(&mut said)?;
    contradicted(&mut said)?;
    covered(&mut said)?;
    Ok(said)
}

fn named<'a>(page: &'a Page, family: &str, volume: &str) -> Vec<&'a str> {
    page.samples(family, &[("persistentvolume", volume)])
}

/// The values that a label has in these samples.
fn values(samples: &[&str], name: &str) -> BTreeSet<String> {
    samples.iter().map(|sample| label(sample, name)).collect()
}

fn must_be(said: &mut Said, what: &str, expected: &[&str], found: &BTreeSet<String>) {
    let right = found.iter().map(String::as_str).eq(expected.iter().copied());
    said.must(right, || {
        format!("{what}: expected {expected:?}, found {found:?}")
    });
}

/// `vgs` has name, UUID, size, free, missing and number of disks; `pvs` the device and its group; `lvs` group, name and size.
fn agree(said: &mut Said, group: &[String], logical: &[String]) -> Result<(), String> {
    let physical = said.lines("pvs")?;
    let page = said.page("agree")?;
    let kernels = named(&page, "volume_device_info", LOGICAL);
    let engines = named(&page, "volume_replica_info", LOGICAL);

    // The kernel's disks are those that the group has which the engine names.
    let pool = values(&engines, "pool");
    let mut disks: Vec<&str> = physical
        .iter()
        .filter(|words| words.get(1).is_some_and(|group| pool.contains(group)))
        .filter_map(|words| words[0].strip_prefix("/dev/"))
        .collect();
    disks.sort_unstable();
    said.must(disks.len() == 2, || {
        format!("the engine's group {pool:?} has not two disks: {physical:?}")
    });
    must_be(said, "the kernel's disks", &disks, &values(&kernels, "disk"));
    must_be(
        said,
        "their serial numbers",
        &["SCSI-LEFT-19", "SCSI-RIGHT-19"],
        &values(&kernels, "serial"),
    );
    must_be(
        said,
        "the kernel's group",
        &[&group[0]],
        &values(&kernels, "volume_group"),
    );
    must_be(said, "the engine's pool", &[&group[0]], &pool);
    must_be(
        said,
        "the engine's disk",
        &["volume group storage"],
        &values(&engines, "disk"),
    );
    must_be(said, "the engine's node", &["here"], &values(&engines, "node"));
    must_be(said, "the copy's state", &["healthy"], &values(&engines, "state"));
    must_be(said, "shared", &["false"], &values(&kernels, "shared"));

    // Capacities: what lvs says, what the kernel says of the device, what was declared; what vgs says, and the pool.
    let volume = [("persistentvolume", LOGICAL)];
    let device = values(&kernels, "device").first().cloned().unwrap_or_default();
    let pool = [("engine", "lvm-localpv"), ("pool", group[0].as_str())];
    for (what, expected, found) in [
        ("lvs", LOGICAL_SIZE.to_string(), logical[2].parse::<f64>().ok()),
        (
            "the device",
            logical[2].clone(),
            page.value("device_size_bytes", &[("device", &device)]),
        ),
        (
            "declared",
            logical[2].clone(),
            page.value("persistentvolume_capacity_bytes", &volume),
        ),
        (
            "the pool's capacity",
            group[2].clone(),
            page.value("pool_capacity_bytes", &pool),
        ),
        (
            "the pool's free bytes",
            group[3].clone(),
            page.value("pool_free_bytes", &pool),
        ),
    ] {
        let expected: Option<f64> = expected.parse().ok();
        said.must(expected.is_some() && expected == found, || {
            format!("{what}: expected {expected:?}, found {found:?}")
        });
    }

    for name in ["agree", "healed"] {
        let page = said.page(name)?;
        let others = page.samples("volume_engine_disagreement", &[]).len();
        said.must(others == 0, || format!("{name}: {others} disagreements are told"));
    }

    let report = report(said, "agree")?;
    let edges = strings(&node(&report, LOGICAL), "adjacency");
    for edge in disks.iter().copied().chain(["POOL~lvm-localpv~here~storage"]) {
        said.must(edges.contains(edge), || {
            format!("the report leads not to {edge}: {edges}")
        });
    }
    let node = values(&engines, "node");
    said.measured.push(format!(
        "{LOGICAL}: the kernel {disks:?} of {}, the engine {:?} of {node:?}",
        group[0],
        values(&engines, "disk")
    ));
    Ok(())
}

/// The engine says in which folder, the kernel on which disk, and that others lie there too.
fn agree_on_folder(said: &mut Said) -> Result<(), String> {
    let page = said.page("agree")?;
    let kernels = named(&page, "volume_device_info", FOLDER);
    let engines = named(&page, "volume_replica_info", FOLDER);
    must_be(said, "the folder's disk", &[FOLDERS], &values(&kernels, "serial"));
    must_be(
        said,
        "the folder is shared",
        &["true"],
        &values(&kernels, "shared"),
    );
    let folder = format!("folder /var/openebs/local/{FOLDER}");
    must_be(said, "the engine's folder", &[&folder], &values(&engines, "disk"));
    must_be(said, "the folder's node", &["here"], &values(&engines, "node"));
    said.measured.push(format!(
        "{FOLDER}: the kernel {:?}, the engine {:?}",
        values(&kernels, "disk"),
        values(&engines, "disk")
    ));
    Ok(())
}

/// What the page says of a volume's disagreements: subject, told, seen.
fn told(page: &Page, volume: &str) -> Vec<[String; 3]> {
    named(page, "volume_engine_disagreement", volume)
        .iter()
        .map(|sample| ["subject", "told", "seen"].map(|name| label(sample, name)))
        .collect()
}

/// The object says another node and another group.
fn contradicted(said: &mut Said) -> Result<(), String> {
    let (agreed, page) = (said.page("agree")?, said.page("contradicted")?);
    let found = told(&page, LOGICAL);
    let expected = [["node", "there", "here"], ["volume_group", "other", "storage"]];
    said.must(found == expected, || {
        format!("contradicted: expected {expected:?}, found {found:?}")
    });
    said.must(told(&page, FOLDER).is_empty(), || {
        "the other engine's volume is contradicted as well".into()
    });
    // The kernel is believed: where the volume lies is told as before.
    said.must(
        named(&page, "volume_device_info", LOGICAL) == named(&agreed, "volume_device_info", LOGICAL),
        || "where the kernel has the volume changed with what an object says".into(),
    );
    let (before, report) = (report(said, "agree")?, report(said, "contradicted")?);
    let (before, node) = (node(&before, LOGICAL), node(&report, LOGICAL));
    let attention = attention(&node);
    for words in [
        "node: here by the kernel, there by lvm-localpv",
        "volume group: storage by the kernel, other by lvm-localpv",
        "the kernel is believed, which has it mounted here",
    ] {
        said.must(attention.contains(words), || {
            format!("the report does not say {words:?}: {attention:?}")
        });
    }
    said.must(self::attention(&before).is_empty(), || {
        format!("attention before: {before:#}")
    });
    let lies_on = "storage_volume_disks";
    said.must(
        before["latest"][lies_on]["value"].is_string()
            && before["latest"][lies_on]["value"] == node["latest"][lies_on]["value"],
        || format!("the report has it on other disks: {node:#}"),
    );
    let edges = strings(&node, "adjacency");
    said.must(!edges.contains("POOL~") && edges.contains("here-sd"), || {
        format!("the report leads to a pool in which the volume is not, or to no disk: {edges}")
    });
    Ok(())
}

/// A disk was mounted over the folder's filesystem.
fn covered(said: &mut Said) -> Result<(), String> {
    let (agreed, page) = (said.page("agree")?, said.page("covered")?);
    let notes = said.lines("notes")?;
    let later = notes
        .iter()
        .find(|words| words[0] == "later")
        .map(|words| words[1].clone());
    let later = later.ok_or("live/notes: no later")?;
    let infos = page.samples("disk_info", &[("device", &later), ("serial", LATER)]);
    said.must(infos.len() == 1, || format!("{later} is not {LATER}"));
    let before = named(&agreed, "volume_device_info", FOLDER);
    let device = values(&before, "device").first().cloned().unwrap_or_default();
    let expected = [["folder".to_owned(), later, device]];
    let found = told(&page, FOLDER);
    said.must(found == expected, || {
        format!("covered: expected {expected:?}, found {found:?}")
    });
    said.must(told(&page, LOGICAL).is_empty(), || {
        "the logical volume is contradicted as well".into()
    });
    said.must(named(&page, "volume_device_info", FOLDER) == before, || {
        "where the kernel has the folder changed with what was mounted over it".into()
    });
    let report = report(said, "covered")?;
    let attention = attention(&node(&report, FOLDER));
    said.must(attention.contains("device of its folder"), || {
        format!("the report does not say that the folder is another: {attention:?}")
    });
    Ok(())
}

fn report(said: &Said, name: &str) -> Result<Value, String> {
    let name = format!("{name}.report.json");
    serde_json::from_str(&said.read(&name)?).map_err(|error| format!("{name}: {error}"))
}

/// A volume's node of a report.
fn node(report: &Value, volume: &str) -> Value {
    let nodes = report["PersistentVolume"]["nodes"].as_object();
    nodes
        .into_iter()
        .flat_map(serde_json::Map::values)
        .find(|node| node["latest"]["kubernetes_name"]["value"] == volume)
        .cloned()
        .unwrap_or_default()
}

fn attention(node: &Value) -> String {
    let said = &node["latest"]["storage_volume_attention"]["value"];
    said.as_str().unwrap_or_default().to_owned()
}

// --- Tests of the comparison, without a machine ---------------------------------------------------------------------

mod comparison {
    use super::{LATER, Said, both_answers};

    /// FILE | what stands in it.
    const ANSWERS: &str = r#"
vgs | storage UUID 1065353216 226492416 0 2
pvs | /dev/sda storage
pvs | /dev/sdb storage
lvs | storage pvc-logical 838860800
notes | later vdb
agree.metrics | storage_probe_volume_device_info{persistentvolume="pvc-logical",device="dm-0",disk="sda",serial="SCSI-LEFT-19",volume_group="storage",shared="false"} 1
agree.metrics | storage_probe_volume_device_info{persistentvolume="pvc-logical",device="dm-0",disk="sdb",serial="SCSI-RIGHT-19",volume_group="storage",shared="false"} 1
agree.metrics | storage_probe_volume_device_info{persistentvolume="pvc-folder",device="nvme0n1",disk="nvme0n1",serial="vol0eeeeffff00001111",shared="true"} 1
agree.metrics | storage_probe_volume_replica_info{persistentvolume="pvc-logical",engine="lvm-localpv",node="here",pool="storage",state="healthy",disk="volume group storage"} 1
agree.metrics | storage_probe_volume_replica_info{persistentvolume="pvc-folder",engine="localpv-hostpath",node="here",disk="folder /var/openebs/local/pvc-folder"} 1
agree.metrics | storage_probe_device_size_bytes{device="dm-0"} 838860800
agree.metrics | storage_probe_persistentvolume_capacity_bytes{persistentvolume="pvc-logical"} 838860800
agree.metrics | storage_probe_pool_capacity_bytes{engine="lvm-localpv",pool="storage",node="here"} 1065353216
agree.metrics | storage_probe_pool_free_bytes{engine="lvm-localpv",pool="storage",node="here"} 226492416
agree.report.json | {"PersistentVolume": {"nodes": {"v": {"latest": {"kubernetes_name": {"value": "pvc-logical"}, "storage_volume_disks": {"value": "sda, sdb"}}, "adjacency": ["here-sda", "here-sdb", "POOL~lvm-localpv~here~storage"]}}}}
contradicted.metrics | storage_probe_volume_device_info{persistentvolume="pvc-logical",device="dm-0",disk="sda",serial="SCSI-LEFT-19",volume_group="storage",shared="false"} 1
contradicted.metrics | storage_probe_volume_device_info{persistentvolume="pvc-logical",device="dm-0",disk="sdb",serial="SCSI-RIGHT-19",volume_group="storage",shared="false"} 1
contradicted.metrics | storage_probe_volume_engine_disagreement{persistentvolume="pvc-logical",subject="node",told="there",seen="here"} 1
contradicted.metrics | storage_probe_volume_engine_disagreement{persistentvolume="pvc-logical",subject="volume_group",told="other",seen="storage"} 1
contradicted.report.json | {"PersistentVolume": {"nodes": {"v": {"latest": {"kubernetes_name": {"value": "pvc-logical"}, "storage_volume_disks": {"value": "sda, sdb"}, "storage_volume_attention": {"value": "node: here by the kernel, there by lvm-localpv, volume group: storage by the kernel, other by lvm-localpv; the kernel is believed, which has it mounted here"}}, "adjacency": ["here-sda", "here-sdb"]}}}}
healed.metrics | storage_probe_build_info{version="1"} 1
covered.metrics | storage_probe_disk_info{device="vdb",serial="virtio-later-19"} 1
covered.metrics | storage_probe_volume_device_info{persistentvolume="pvc-folder",device="nvme0n1",disk="nvme0n1",serial="vol0eeeeffff00001111",shared="true"} 1
covered.metrics | storage_probe_volume_engine_disagreement{persistentvolume="pvc-folder",subject="folder",told="vdb",seen="nvme0n1"} 1
covered.report.json | {"PersistentVolume": {"nodes": {"v": {"latest": {"kubernetes_name": {"value": "pvc-folder"}, "storage_volume_attention": {"value": "device of its folder: nvme0n1 by the kernel"}}}}}}
"#;

    fn wrong(answers: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for line in answers.trim().lines() {
            let (file, text) = line.split_once(" | ").unwrap();
            let place = folder.path().join(file);
            let before = std::fs::read_to_string(&place).unwrap_or_default();
            std::fs::write(place, format!("{before}{text}\n")).unwrap();
        }
        match both_answers(Said::of(folder.path().to_owned())) {
            Ok(said) => said.wrong,
            Err(why) => vec![why],
        }
    }

    #[test]
    fn equal_answers_agree() {
        assert_eq!(wrong(ANSWERS), Vec::<String>::new());
        assert!(ANSWERS.contains(LATER));
    }

    #[test]
    fn each_line_is_compared() {
        for line in ANSWERS.trim().lines().filter(|line| !line.starts_with("healed")) {
            let without = ANSWERS.replace(&format!("{line}\n"), "");
            assert_ne!(wrong(&without), Vec::<String>::new(), "{line}");
        }
    }

    /// What stands in one line of a file, what stands there instead.
    const WRONG_VALUES: &str = r#"
        pvs | /dev/sdb storage | /dev/sdb other
        pvs | /dev/sdb storage | /dev/sdc storage
        vgs | 226492416 | 226492417
        lvs | 838860800 | 838860801
        agree.metrics | disk="sdb" | disk="sdc"
        agree.metrics | pool="storage",state | pool="other",state
        agree.metrics | node="here",pool="storage",state | node="there",pool="storage",state
        agree.metrics | shared="true" | shared="false"
        agree.metrics | pvc-folder"} 1 | pvc-other"} 1
        agree.report.json | "here-sdb" | "here-sdc"
        contradicted.metrics | told="other" | told="storage"
        contradicted.metrics | seen="here" | seen="there"
        contradicted.metrics | disk="sdb" | disk="sdc"
        contradicted.report.json | the kernel is believed | the object is believed
        contradicted.report.json | "here-sdb"] | "here-sdb", "POOL~lvm-localpv~there~other"]
        contradicted.report.json | "sda, sdb" | "sdc"
        healed.metrics | build_info{version="1"} | volume_engine_disagreement{persistentvolume="pvc-logical"}
        covered.metrics | told="vdb" | told="nvme0n1"
        covered.metrics | disk="nvme0n1" | disk="vdb"
        covered.report.json | device of its folder | something else
    "#;

    #[test]
    fn each_wrong_value_is_told() {
        for change in WRONG_VALUES.trim().lines() {
            let [file, old, new] = change.splitn(3, " | ").collect::<Vec<_>>()[..] else {
                panic!("not three fields: {change}");
            };
            let lines = ANSWERS.trim().lines().map(|line| {
                if line.starts_with(&format!("{} | ", file.trim())) {
                    line.replace(old, new)
                } else {
                    line.to_owned()
                }
            });
            let changed = lines.collect::<Vec<_>>().join("\n");
            assert_ne!(changed, ANSWERS.trim(), "{change}");
            assert_ne!(wrong(&changed), Vec::<String>::new(), "{change}");
        }
    }
}
