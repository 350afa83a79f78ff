//! The life of a pod's storage, step by step, with a process for the cluster and one for each of two nodes: after each step report
//! and page are right within two seconds, and what was before is gone from both.

use scope_storage_probe::model::inventory::Role;
use serde_json::{Value, json};

use super::node_process::{Node, Said, soon_right};
use super::support::api_server::{ApiServer, shipped};
use super::support::server::{Server, of_cluster, tested_program};
use super::support::{expect_that, within};
use super::{CLAIMS, CLASSES, PODS, VOLUMES, claim, class, pod, soon, volume};

const ATTACHMENTS: &str = "/apis/storage.k8s.io/v1/volumeattachments";

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

/// The claim of this story.
const DATA: &str = "/api/v1/namespaces/default/persistentvolumeclaims/data";

/// An API server, and three processes that ask it.
struct Life {
    api: ApiServer,
    cluster: Server,
    w1: Node,
    w2: Node,
    _plugins: tempfile::TempDir,
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn a_pods_storage_is_followed_from_its_claim_to_its_end() {
    let mut life = Life::start().await;
    life.a_class_is_made().await;
    let (claim, pod) = life.a_claim_waits().await;
    life.it_is_bound(&claim).await;
    life.its_pod_gets_a_node_and_mounts_it(&pod).await;
    life.it_is_resized(&claim).await;
    let pod = life.its_pod_moves(&pod).await;
    life.its_pod_goes_and_then_the_claim(&pod).await;
    life.another_loses_its_volume().await;
    life.the_class_is_deleted().await;
    life.all_are_told_to_end();
}

/// A claim that names no volume.
fn wanted() -> Value {
    let mut wanted = claim("data", "");
    wanted["spec"]["volumeName"] = json!(null);
    wanted
}

/// A node's process shows the volume down to its disk.
fn is_mounted(said: &Said) -> bool {
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
}

impl Life {
    async fn start() -> Self {
        let plugins = tempfile::tempdir().unwrap();
        let folder = plugins.path().to_owned();
        let api = ApiServer::start(&["cluster", "node"]);
        api.grant("cluster", &shipped(Role::Cluster)).await;
        api.grant("node", &shipped(Role::Node)).await;
        let kubeconfig = api.kubeconfig("cluster");
        let arguments = of_cluster(kubeconfig.to_str().unwrap());
        let cluster = Server::launch(tested_program(), &folder, &arguments);
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

        Self {
            api,
            cluster,
            w1,
            w2,
            _plugins: plugins,
        }
    }

    async fn a_class_is_made(&self) {
        let mut fast = class("fast");
        fast["allowVolumeExpansion"] = json!(true);
        self.api.create(CLASSES, &fast).await;
        soon_right(&self.cluster, "a class", |said| {
            said.fact("StorageClass", "fast", "storage_class_expansion") == Some("allowed")
                && said.sample("storageclass_info", &[("storageclass", "fast")]) == Some(1.0)
        });
    }

    /// A pod that has no node yet, and a claim that has no volume. Gives the UIDs of claim and pod.
    async fn a_claim_waits(&self) -> (String, String) {
        let made = uid(&self.api.create(CLAIMS, &wanted()).await);
        let mut web = pod("web", "", "data");
        web["spec"]["nodeName"] = json!(null);
        let pod_uid = uid(&self.api.create(PODS, &web).await);
        soon_right(&self.cluster, "a claim waits", |said| {
            said.claim("kubernetes_status") == Some("Pending")
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

        (made, pod_uid)
    }

    async fn it_is_bound(&self, made: &str) {
        let mut given = volume("pv-data", "data");
        given["spec"]["claimRef"]["uid"] = json!(made);
        self.api
            .create_with_status(VOLUMES, &given, &json!({"phase": "Bound"}))
            .await;
        self.api
            .patch(DATA, &json!({"spec": {"volumeName": "pv-data"}}))
            .await;
        self.api
            .patch(
                &format!("{DATA}/status"),
                &json!({"status": {"phase": "Bound", "capacity": {"storage": "5Gi"}}}),
            )
            .await;
        soon_right(&self.cluster, "it is bound", |said| {
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
    }

    async fn its_pod_gets_a_node_and_mounts_it(&self, first: &str) {
        let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"},
                         "target": {"apiVersion": "v1", "kind": "Node", "name": "w1"}});
        self.api.create(&format!("{PODS}/web/binding"), &binding).await;
        attach(&self.api, "w1").await;
        soon_right(&self.cluster, "it is attached", |said| {
            said.sample("volumeattachment_attached", &[("volumeattachment", "csi-w1")]) == Some(1.0)
        });
        soon_right(&self.w1.server, "the pod has come, its volume has not", |said| {
            said.fact("Pod", "web", "kubernetes_volume_claim") == Some("data")
                && said.claim("kubernetes_volume_name") == Some("pv-data")
                && said.volume("storage_volume_filesystem").is_none()
        });
        self.w1.mount(first);
        soon_right(&self.w1.server, "it is mounted", is_mounted);
    }

    /// First the disk grows, then the filesystem.
    async fn it_is_resized(&self, made: &str) {
        self.api
            .patch(
                DATA,
                &json!({"spec": {"resources": {"requests": {"storage": "8Gi"}}}}),
            )
            .await;
        self.api
            .patch(
                &format!("{VOLUMES}/pv-data"),
                &json!({"spec": {"capacity": {"storage": "12Gi"}}}),
            )
            .await;
        let waits =
            json!([{"type": "FileSystemResizePending", "status": "True", "message": "waits for the node"}]);
        self.api
            .patch(
                &format!("{DATA}/status"),
                &json!({"status": {"conditions": waits}}),
            )
            .await;
        soon_right(&self.cluster, "it waits for its filesystem", |said| {
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
        self.api
            .patch(
                &format!("{DATA}/status"),
                &json!({"status": {"conditions": null, "capacity": {"storage": "8Gi"}}}),
            )
            .await;
        soon_right(&self.cluster, "it has grown", |said| {
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
        let said = [&self.cluster, &self.w1.server].map(|server| {
            let report = server.report();
            report.at("/PersistentVolumeClaim/nodes").unwrap()[&id]["latest"]["storage_claim_capacity"]
                .clone()
        });
        let newest = said.iter().max_by_key(|said| said["timestamp"].as_str());
        assert_eq!(newest.unwrap()["value"], "8G", "{said:#?}");
    }

    /// It is deleted, and made anew for another node.
    async fn its_pod_moves(&self, first: &str) -> String {
        self.api.delete(&format!("{PODS}/web")).await;
        self.w1.unmount(first);
        release(&self.api, &format!("{ATTACHMENTS}/csi-w1")).await;
        let second = uid(&self.api.create(PODS, &pod("web", "w2", "data")).await);
        attach(&self.api, "w2").await;
        self.w2.mount(&second);
        soon_right(&self.w1.server, "it has left the first node", |said| {
            said.object("Pod", "web").is_none()
                && said.claim("kubernetes_name").is_none()
                && said.volume("kubernetes_name").is_none()
                && !said.has("persistentvolume", "pv-data")
                && !said.has("uid", first)
        });
        soon_right(&self.w2.server, "it is on the second", is_mounted);
        soon_right(&self.cluster, "it is attached to the second alone", |said| {
            said.sample("volumeattachment_attached", &[("volumeattachment", "csi-w2")]) == Some(1.0)
                && !said.has("volumeattachment", "csi-w1")
        });

        second
    }

    /// The volume is left over until somebody deletes it.
    async fn its_pod_goes_and_then_the_claim(&self, second: &str) {
        self.api.delete(&format!("{PODS}/web")).await;
        self.w2.unmount(second);
        release(&self.api, &format!("{ATTACHMENTS}/csi-w2")).await;
        soon_right(&self.cluster, "nobody uses the claim", |said| {
            said.claim("storage_claim_attention") == Some("unused: no pod uses it")
                && said.sample(
                    "persistentvolumeclaim_used_by_pods",
                    &[("persistentvolumeclaim", "data")],
                ) == Some(0.0)
        });
        soon_right(&self.w2.server, "the node knows nothing of it any more", |said| {
            said.object("Pod", "web").is_none()
                && said.volume("kubernetes_name").is_none()
                && !said.has("persistentvolume", "pv-data")
        });
        release(&self.api, DATA).await;
        self.api
            .patch(
                &format!("{VOLUMES}/pv-data/status"),
                &json!({"status": {"phase": "Released"}}),
            )
            .await;
        soon_right(&self.cluster, "the volume is left over", |said| {
            said.claim("kubernetes_name").is_none()
                && !said.page.samples().iter().any(|sample| {
                    sample.name.contains("persistentvolumeclaim_")
                        && sample.labels.contains_key("persistentvolumeclaim")
                })
                && said.volume("kubernetes_status") == Some("Released")
                && said
                    .volume("storage_volume_attention")
                    .is_some_and(|said| said.starts_with("released: the claim default/data is gone"))
                && said.sample(
                    "persistentvolume_attention",
                    &[("persistentvolume", "pv-data"), ("kind", "released")],
                ) == Some(1.0)
        });
        release(&self.api, &format!("{VOLUMES}/pv-data")).await;
        soon_right(&self.cluster, "the volume is gone", |said| {
            said.volume("kubernetes_name").is_none() && !said.has("persistentvolume", "pv-data")
        });
    }

    async fn another_loses_its_volume(&self) {
        let bound = json!({"phase": "Bound"});
        self.api
            .create_with_status(VOLUMES, &volume("pv-data", "data"), &bound)
            .await;
        self.api
            .create_with_status(CLAIMS, &claim("data", "pv-data"), &bound)
            .await;
        release(&self.api, &format!("{VOLUMES}/pv-data")).await;
        soon_right(&self.cluster, "its volume does not exist", |said| {
            said.claim("storage_claim_attention")
                == Some("lost: bound to the volume pv-data, which does not exist")
                && said.volume("kubernetes_name").is_none()
        });
        self.api
            .patch(&format!("{DATA}/status"), &json!({"status": {"phase": "Lost"}}))
            .await;
        soon_right(&self.cluster, "it is lost", |said| {
            said.claim("kubernetes_status") == Some("Lost")
                && said.claim("storage_claim_attention") == Some("lost: the volume pv-data is gone")
                && said.sample(
                    "persistentvolumeclaim_attention",
                    &[("persistentvolumeclaim", "data"), ("kind", "lost")],
                ) == Some(1.0)
        });
        release(&self.api, DATA).await;
    }

    /// While a claim waits for it.
    async fn the_class_is_deleted(&self) {
        self.api.create(CLAIMS, &wanted()).await;
        self.api.delete(&format!("{CLASSES}/fast")).await;
        soon_right(&self.cluster, "its class is gone", |said| {
            said.object("StorageClass", "fast").is_none()
                && said
                    .sample("storageclass_info", &[("storageclass", "fast")])
                    .is_none()
                && said.claim("storage_claim_attention")
                    == Some("pending: the storage class fast does not exist")
        });
    }

    fn all_are_told_to_end(&mut self) {
        for server in [&mut self.cluster, &mut self.w1.server, &mut self.w2.server] {
            let gzip = [("Accept-Encoding", "gzip")];
            for _ in 0..3 {
                let page = server.prometheus().ask("GET", "/metrics", &gzip).unwrap();
                assert_eq!(page.header("content-encoding"), Some("gzip"));
            }
            server.signal("TERM");
            assert!(server.wait(soon()).success());
        }
    }
}
