//! The life of a pod's storage, step by step, with a process for the cluster and one for each of two nodes: after each step report
//! and page are right within two seconds, and what was before is gone from both.

use std::path::Path;

use scope_storage_probe::model::inventory::Role;
use serde_json::{Value, json};

use super::support::api_server::{ApiServer, shipped};
use super::support::exposition::Page;
use super::support::fixture::Machine;
use super::support::report::Report;
use super::support::server::{PROGRAM, Server, program};
use super::support::{expect_that, generated, within};
use super::{CLAIMS, CLASSES, PODS, VOLUMES, claim, class, pod, soon, volume};

const ATTACHMENTS: &str = "/apis/storage.k8s.io/v1/volumeattachments";

/// What a process says at one moment.
struct Said {
    report: Report,
    page: Page,
}

impl Said {
    /// The object of this name in the report.
    fn object(&self, topology: &str, name: &str) -> Option<&Value> {
        let nodes = self.report.at(&format!("/{topology}/nodes"))?.as_object()?;
        let mut found = nodes
            .values()
            .filter(|node| node["latest"]["kubernetes_name"]["value"] == name);
        let first = found.next();
        assert_eq!(found.next(), None, "{topology} {name} is there more than once");
        first
    }

    /// What the details panel says of the object under this key; `None` where it is not there.
    fn fact(&self, topology: &str, name: &str, key: &str) -> Option<&str> {
        self.object(topology, name)?["latest"][key]["value"].as_str()
    }

    fn claim(&self, key: &str) -> Option<&str> {
        self.fact("PersistentVolumeClaim", "data", key)
    }

    fn volume(&self, key: &str) -> Option<&str> {
        self.fact("PersistentVolume", "pv-data", key)
    }

    /// The family's sample with these labels.
    fn sample(&self, family: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.page.value(&format!("storage_probe_{family}"), labels)
    }

    /// True where any sample has this label.
    fn has(&self, label: &str, value: &str) -> bool {
        self.page
            .samples()
            .iter()
            .any(|sample| sample.labels.get(label).is_some_and(|is| is == value))
    }
}

/// Waits until both answers of a process are right: no more than two seconds after the step.
fn soon_right(server: &Server, step: &str, right: impl Fn(&Said) -> bool) {
    within(soon(), || {
        let said = Said {
            report: server.report(),
            page: server.page(),
        };
        let nodes = |topology: &str| said.report.at(&format!("/{topology}/nodes")).cloned();
        let shown = || ["Pod", "PersistentVolumeClaim", "PersistentVolume", "StorageClass"].map(nodes);
        let right = right(&said);
        right.then_some(()).ok_or_else(|| {
            let samples = said
                .page
                .samples()
                .iter()
                .filter(|sample| sample.name.contains("volume"));
            format!(
                "not right: {step}: {:#?}\n{:#?}",
                shown(),
                samples.collect::<Vec<_>>()
            )
        })
    });
}

/// A node with a disk of its own, and its process.
struct Node {
    machine: Machine,
    server: Server,
    _plugins: tempfile::TempDir,
}

impl Node {
    fn start(name: &str, kubeconfig: &Path) -> Self {
        let machine = generated::machine(2);
        let plugins = tempfile::tempdir().unwrap();
        let root = |flag: &str, path: &str| format!("--{flag}={}", machine.place(path).display());
        let roots = [
            root("procfs", "/proc"),
            root("sysfs", "/sys"),
            root("udev-data", "/run/udev/data"),
            root("kubelet-root", "/var/lib/kubelet"),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--node-name={name}"),
        ];
        let mut arguments = vec!["--role", "node", "--listen", "127.0.0.1:0"];
        arguments.extend(roots.iter().map(String::as_str));
        let server = Server::launch(program(PROGRAM), plugins.path(), &arguments);
        Self {
            machine,
            server,
            _plugins: plugins,
        }
    }

    /// What the kubelet and the kernel do: the volume `pv-data` is the partition of the disk `sda`.
    fn mount(&self, pod: &str) {
        let folder = format!("/var/lib/kubelet/pods/{pod}/volumes/kubernetes.io~csi/pv-data");
        self.machine.write(
            format!("{folder}/vol_data.json"),
            r#"{"driverName":"disks.example","specVolID":"pv-data","volumeHandle":"handle-pv-data"}"#,
        );
        let point = self.machine.place(format!("{folder}/mount"));
        std::fs::create_dir_all(&point).unwrap();
        let mounts = self.mounts();
        // In a container the node's mounts are seen below another root; here the whole machine is.
        self.write_mounts(&format!(
            "{mounts}900 20 8:1 / {folder}/mount rw - xfs /dev/sda1 rw\n"
        ));
    }

    fn unmount(&self, pod: &str) {
        let kept: Vec<String> = self
            .mounts()
            .lines()
            .filter(|line| !line.contains(pod))
            .map(|line| format!("{line}\n"))
            .collect();
        self.write_mounts(&kept.concat());
        std::fs::remove_dir_all(self.machine.place(format!("/var/lib/kubelet/pods/{pod}"))).unwrap();
    }

    fn mounts(&self) -> String {
        std::fs::read_to_string(self.machine.place("/proc/1/mountinfo")).unwrap()
    }

    fn write_mounts(&self, text: &str) {
        self.machine.write("/proc/1/mountinfo", text);
        self.machine.write("/proc/self/mountinfo", text);
    }
}

/// Lets go of an object that nothing holds any more, as the controllers do.
async fn release(api: &ApiServer, path: &str) {
    api.patch(path, &json!({"metadata": {"finalizers": null}})).await;
    api.delete(path).await;
}

async fn attach(api: &ApiServer, node: &str) {
    let attachment = json!({"metadata": {"name": format!("csi-{node}")},
        "spec": {"attacher": "disks.example", "nodeName": node, "source": {"persistentVolumeName": "pv-data"}}});
    api.create_with_status(ATTACHMENTS, &attachment, &json!({"attached": true}))
        .await;
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn a_pods_storage_is_followed_from_its_claim_to_its_end() {
    let api = ApiServer::start(&["cluster", "node"]);
    api.grant("cluster", &shipped(Role::Cluster)).await;
    api.grant("node", &shipped(Role::Node)).await;
    let plugins = tempfile::tempdir().unwrap();
    let kubeconfig = api.kubeconfig("cluster");
    let arguments = [
        "--role",
        "cluster",
        "--listen",
        "127.0.0.1:0",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
    ];
    let cluster = Server::launch(program(PROGRAM), plugins.path(), &arguments);
    let [w1, w2] = ["w1", "w2"].map(|name| Node::start(name, &api.kubeconfig("node")));
    within(soon() * 5, || {
        let ready = [&cluster, &w1.server, &w2.server].map(|server| server.get("/readyz"));
        expect_that(
            ready.iter().all(|said| said.text() == "ready\n"),
            format!("{ready:#?}"),
        )
    });
    for name in ["w1", "w2"] {
        api.create("/api/v1/nodes", &json!({"metadata": {"name": name}}))
            .await;
    }

    let mut fast = class("fast");
    fast["allowVolumeExpansion"] = json!(true);
    api.create(CLASSES, &fast).await;
    soon_right(&cluster, "a class", |said| {
        said.fact("StorageClass", "fast", "storage_class_expansion") == Some("allowed")
            && said.sample("storageclass_info", &[("storageclass", "fast")]) == Some(1.0)
    });

    // A pod that has no node yet, and a claim that has no volume.
    let mut wanted = claim("data", "");
    wanted["spec"]["volumeName"] = json!(null);
    let made = uid(&api.create(CLAIMS, &wanted).await);
    let mut web = pod("web", "", "data");
    web["spec"]["nodeName"] = json!(null);
    let first = uid(&api.create(PODS, &web).await);
    soon_right(&cluster, "a claim waits", |said| {
        said.claim("storage_claim_phase") == Some("Pending")
            && said.claim("storage_claim_used_by") == Some("web")
            && said.claim("storage_claim_attention")
                == Some("pending: waits for disks.example to make its volume")
            && said.sample(
                "persistentvolumeclaim_status_phase",
                &[("persistentvolumeclaim", "data"), ("phase", "Pending")],
            ) == Some(1.0)
            && said.sample(
                "persistentvolumeclaim_attention",
                &[("persistentvolumeclaim", "data"), ("kind", "pending")],
            ) == Some(1.0)
    });

    // Bound.
    let mut given = volume("pv-data", "data");
    given["spec"]["claimRef"]["uid"] = json!(made);
    api.create_with_status(VOLUMES, &given, &json!({"phase": "Bound"}))
        .await;
    let data = format!("{CLAIMS}/data");
    api.patch(&data, &json!({"spec": {"volumeName": "pv-data"}}))
        .await;
    api.patch(
        &format!("{data}/status"),
        &json!({"status": {"phase": "Bound", "capacity": {"storage": "5Gi"}}}),
    )
    .await;
    soon_right(&cluster, "it is bound", |said| {
        said.claim("kubernetes_volume_name") == Some("pv-data")
            && said.claim("storage_claim_attention").is_none()
            && said.claim("storage_claim_capacity") == Some("5G")
            && said.volume("storage_volume_claim") == Some("default/data")
            && said.sample(
                "persistentvolumeclaim_status_phase",
                &[("persistentvolumeclaim", "data"), ("phase", "Bound")],
            ) == Some(1.0)
            && said.sample(
                "persistentvolume_info",
                &[("persistentvolume", "pv-data"), ("persistentvolumeclaim", "data")],
            ) == Some(1.0)
            && !said
                .page
                .samples()
                .iter()
                .any(|sample| sample.name.ends_with("_attention"))
    });

    // Given to a node, attached and mounted there.
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"},
                         "target": {"apiVersion": "v1", "kind": "Node", "name": "w1"}});
    api.create(&format!("{PODS}/web/binding"), &binding).await;
    attach(&api, "w1").await;
    soon_right(&cluster, "it is attached", |said| {
        said.sample("volumeattachment_attached", &[("volumeattachment", "csi-w1")]) == Some(1.0)
    });
    soon_right(&w1.server, "the pod has come, its volume has not", |said| {
        said.fact("Pod", "web", "kubernetes_volume_claim") == Some("data")
            && said.claim("kubernetes_volume_name") == Some("pv-data")
            && said.volume("storage_volume_filesystem").is_none()
    });
    w1.mount(&first);
    let mounted = |said: &Said| {
        let disks = said
            .object("PersistentVolume", "pv-data")
            .map(|node| node["adjacency"].to_string());
        said.volume("storage_volume_filesystem")
            .is_some_and(|on| on.starts_with("xfs on "))
            && disks.is_some_and(|disks| disks.contains("test-node-sda;<persistent_volume>"))
            && said.claim("storage_claim_disks").is_some()
            && said.sample(
                "pod_volume_info",
                &[
                    ("pod", "web"),
                    ("persistentvolume", "pv-data"),
                    ("persistentvolumeclaim", "data"),
                ],
            ) == Some(1.0)
            && said.sample(
                "volume_device_info",
                &[("persistentvolumeclaim", "data"), ("disk", "sda")],
            ) == Some(1.0)
    };
    soon_right(&w1.server, "it is mounted", mounted);

    // Resized: first the disk, then the filesystem.
    api.patch(
        &data,
        &json!({"spec": {"resources": {"requests": {"storage": "8Gi"}}}}),
    )
    .await;
    api.patch(
        &format!("{VOLUMES}/pv-data"),
        &json!({"spec": {"capacity": {"storage": "12Gi"}}}),
    )
    .await;
    let waits =
        json!([{"type": "FileSystemResizePending", "status": "True", "message": "waits for the node"}]);
    api.patch(
        &format!("{data}/status"),
        &json!({"status": {"conditions": waits}}),
    )
    .await;
    soon_right(&cluster, "it waits for its filesystem", |said| {
        said.claim("storage_claim_requested") == Some("8G")
            && said.claim("storage_claim_attention")
                == Some("condition: FileSystemResizePending: waits for the node")
            && said.volume("storage_volume_declared") == Some("12G")
            && said.sample(
                "persistentvolume_capacity_bytes",
                &[("persistentvolume", "pv-data")],
            ) == Some(12.0 * 1024.0 * 1024.0 * 1024.0)
            && said.sample(
                "persistentvolumeclaim_attention",
                &[("persistentvolumeclaim", "data"), ("kind", "condition")],
            ) == Some(1.0)
    });
    api.patch(
        &format!("{data}/status"),
        &json!({"status": {"conditions": null, "capacity": {"storage": "8Gi"}}}),
    )
    .await;
    soon_right(&cluster, "it has grown", |said| {
        said.claim("storage_claim_capacity") == Some("8G")
            && said.claim("storage_claim_attention").is_none()
            && said
                .sample(
                    "persistentvolumeclaim_attention",
                    &[("persistentvolumeclaim", "data")],
                )
                .is_none()
    });

    // The node reads its claims every ten minutes only: what it still says must not win over the cluster's.
    let id = format!("{made};<persistent_volume_claim>");
    let said = [&cluster, &w1.server].map(|server| {
        let report = server.report();
        report.at("/PersistentVolumeClaim/nodes").unwrap()[&id]["latest"]["storage_claim_capacity"].clone()
    });
    let newest = said.iter().max_by_key(|said| said["timestamp"].as_str());
    assert_eq!(newest.unwrap()["value"], "8G", "{said:#?}");

    // The pod moves: it is deleted, and made anew for another node.
    api.delete(&format!("{PODS}/web")).await;
    w1.unmount(&first);
    release(&api, &format!("{ATTACHMENTS}/csi-w1")).await;
    let second = uid(&api.create(PODS, &pod("web", "w2", "data")).await);
    attach(&api, "w2").await;
    w2.mount(&second);
    soon_right(&w1.server, "it has left the first node", |said| {
        said.object("Pod", "web").is_none()
            && said.claim("kubernetes_name").is_none()
            && said.volume("kubernetes_name").is_none()
            && !said.has("persistentvolume", "pv-data")
            && !said.has("uid", &first)
    });
    soon_right(&w2.server, "it is on the second", mounted);
    soon_right(&cluster, "it is attached to the second alone", |said| {
        said.sample("volumeattachment_attached", &[("volumeattachment", "csi-w2")]) == Some(1.0)
            && !said.has("volumeattachment", "csi-w1")
    });

    // The pod goes for good, then its claim; the volume is left over until somebody deletes it.
    api.delete(&format!("{PODS}/web")).await;
    w2.unmount(&second);
    release(&api, &format!("{ATTACHMENTS}/csi-w2")).await;
    soon_right(&cluster, "nobody uses the claim", |said| {
        said.claim("storage_claim_attention") == Some("unused: no pod uses it")
            && said.sample(
                "persistentvolumeclaim_used_by_pods",
                &[("persistentvolumeclaim", "data")],
            ) == Some(0.0)
    });
    soon_right(&w2.server, "the node knows nothing of it any more", |said| {
        said.object("Pod", "web").is_none()
            && said.volume("kubernetes_name").is_none()
            && !said.has("persistentvolume", "pv-data")
    });
    release(&api, &data).await;
    api.patch(
        &format!("{VOLUMES}/pv-data/status"),
        &json!({"status": {"phase": "Released"}}),
    )
    .await;
    soon_right(&cluster, "the volume is left over", |said| {
        said.claim("kubernetes_name").is_none()
            && !said.page.samples().iter().any(|sample| {
                sample.name.contains("persistentvolumeclaim_")
                    && sample.labels.contains_key("persistentvolumeclaim")
            })
            && said.volume("storage_volume_phase") == Some("Released")
            && said
                .volume("storage_volume_attention")
                .is_some_and(|said| said.starts_with("released: the claim default/data is gone"))
            && said.sample(
                "persistentvolume_attention",
                &[("persistentvolume", "pv-data"), ("kind", "released")],
            ) == Some(1.0)
    });
    release(&api, &format!("{VOLUMES}/pv-data")).await;
    soon_right(&cluster, "the volume is gone", |said| {
        said.volume("kubernetes_name").is_none() && !said.has("persistentvolume", "pv-data")
    });

    // A claim that loses its volume.
    let bound = json!({"phase": "Bound"});
    api.create_with_status(VOLUMES, &volume("pv-data", "data"), &bound)
        .await;
    api.create_with_status(CLAIMS, &claim("data", "pv-data"), &bound)
        .await;
    release(&api, &format!("{VOLUMES}/pv-data")).await;
    soon_right(&cluster, "its volume does not exist", |said| {
        said.claim("storage_claim_attention")
            == Some("lost: bound to the volume pv-data, which does not exist")
            && said.volume("kubernetes_name").is_none()
    });
    api.patch(&format!("{data}/status"), &json!({"status": {"phase": "Lost"}}))
        .await;
    soon_right(&cluster, "it is lost", |said| {
        said.claim("storage_claim_phase") == Some("Lost")
            && said.claim("storage_claim_attention") == Some("lost: the volume pv-data is gone")
            && said.sample(
                "persistentvolumeclaim_attention",
                &[("persistentvolumeclaim", "data"), ("kind", "lost")],
            ) == Some(1.0)
    });
    release(&api, &data).await;

    // A class that is deleted while a claim waits for it.
    api.create(CLAIMS, &wanted).await;
    api.delete(&format!("{CLASSES}/fast")).await;
    soon_right(&cluster, "its class is gone", |said| {
        said.object("StorageClass", "fast").is_none()
            && said
                .sample("storageclass_info", &[("storageclass", "fast")])
                .is_none()
            && said.claim("storage_claim_attention") == Some("pending: the storage class fast does not exist")
    });
}
