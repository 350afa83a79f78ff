//! A large cluster, as it lies in etcd: objects of the size that controllers and the kubelet give them.

use serde_json::{Value, json};

/// One pod in so many is in another state than most.
const ODD: usize = 50;
const BORN: &str = "2026-11-01T08:00:00Z";

/// How large it is: one claim a pod, one volume a claim.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Nodes.
    pub nodes: usize,
    /// Pods, spread evenly over the nodes.
    pub pods: usize,
}

/// The name of a node.
pub fn node_name(number: usize) -> String {
    format!("worker-{number:03}.example.com")
}

/// The name of a pod's volume.
pub fn volume_name(number: usize) -> String {
    format!("pvc-{}", uid(number, "5"))
}

/// All objects, by their places below the API server's keys.
pub fn objects(size: Size) -> Vec<(String, Value)> {
    let mut objects: Vec<(String, Value)> = CLASSES.iter().map(|class| storage_class(class)).collect();
    objects.extend((0..size.nodes).map(node));
    for number in 0..size.pods {
        let place = Place::of(number, size);
        objects.push(place.pod());
        objects.push(place.claim());
        objects.extend(place.volume());
        objects.extend(place.attachment());
    }
    objects
}

const CLASSES: [&str; 6] = ["fast", "slow", "shared", "retained", "local", "archive"];

/// A pod with its claim and volume.
struct Place {
    number: usize,
    namespace: String,
    node: String,
    /// The claim waits and has no volume.
    pending: bool,
    /// The claim has lost its volume.
    lost: bool,
    /// The claim is one that was deleted, so that the volume is left over.
    released: bool,
}

impl Place {
    fn of(number: usize, size: Size) -> Self {
        Self {
            number,
            namespace: format!("team-{:02}", number % 40),
            node: node_name(number % size.nodes),
            pending: number % ODD == 7,
            lost: number % (2 * ODD) == 19,
            released: number % ODD == 31,
        }
    }

    fn class(&self) -> &'static str {
        CLASSES[self.number % CLASSES.len()]
    }

    fn pod_name(&self) -> String {
        format!("database-{}-{}", self.number / 3, self.number % 3)
    }

    fn claim_name(&self) -> String {
        format!("data-{}", self.pod_name())
    }

    fn volume_name(&self) -> String {
        volume_name(self.number)
    }

    fn uid(&self, sort: &str) -> String {
        uid(self.number, sort)
    }

    fn meta(&self, name: &str, sort: &str, namespaced: bool, more: &Value) -> Value {
        let mut meta = json!({
            "name": name, "uid": self.uid(sort), "creationTimestamp": BORN,
            "labels": {"app.kubernetes.io/name": "database", "app.kubernetes.io/instance": format!("instance-{}", self.number / 3),
                       "controller-revision-hash": "database-7c9b8f6d5", "statefulset.kubernetes.io/pod-name": self.pod_name()},
            "annotations": {"example.com/owner": "somebody@example.com", "example.com/text": "x".repeat(300)},
            "managedFields": managed_fields(if sort == "1" { 40 } else { 12 }),
        });
        if namespaced {
            meta["namespace"] = json!(self.namespace);
        }
        for (key, value) in more.as_object().into_iter().flatten() {
            meta[key] = value.clone();
        }
        meta
    }

    fn pod(&self) -> (String, Value) {
        let name = self.pod_name();
        let environment: Vec<Value> = (0..12)
            .map(|at| json!({"name": format!("DATABASE_SETTING_{at}"), "value": format!("value-{at}-of-{name}")}))
            .collect();
        let container = |container: &str| {
            json!({
                "name": container, "image": format!("registry.example.com/{container}:16.4"), "imagePullPolicy": "IfNotPresent",
                "env": environment, "ports": [{"containerPort": 5432, "protocol": "TCP"}],
                "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
                "volumeMounts": [{"name": "data", "mountPath": "/var/lib/data"},
                                 {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}],
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                "livenessProbe": {"exec": {"command": ["/bin/sh", "-c", "exec check-it --quietly"]}, "periodSeconds": 10},
            })
        };
        let status = |container: &str| {
            json!({
                "name": container, "ready": true, "restartCount": 0, "started": true,
                "image": format!("registry.example.com/{container}:16.4"),
                "imageID": format!("registry.example.com/{container}@sha256:{}", "ab".repeat(32)),
                "containerID": format!("containerd://{}", "cd".repeat(32)),
                "state": {"running": {"startedAt": BORN}},
            })
        };
        let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": BORN});
        let conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map(condition);
        let owner = json!([{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": format!("database-{}", self.number / 3),
                            "uid": self.uid("9"), "controller": true, "blockOwnerDeletion": true}]);
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": self.meta(&name, "1", true, &json!({"ownerReferences": owner})),
            "spec": {
                "nodeName": self.node, "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
                "terminationGracePeriodSeconds": 30, "serviceAccountName": "default", "securityContext": {},
                "containers": [container("database"), container("exporter")],
                "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": self.claim_name()}},
                            {"name": "scratch", "emptyDir": {}},
                            {"name": "settings", "configMap": {"name": "database-settings", "defaultMode": 420}},
                            {"name": "token", "secret": {"secretName": "default-token-x7k2p", "defaultMode": 420}}],
            },
            "status": {
                "phase": if self.pending { "Pending" } else { "Running" }, "hostIP": "10.0.0.1", "podIP": "10.1.0.1", "startTime": BORN,
                "conditions": conditions,
                "containerStatuses": [status("database"), status("exporter")], "qosClass": "Burstable",
            },
        });
        (format!("pods/{}/{name}", self.namespace), pod)
    }

    fn claim(&self) -> (String, Value) {
        let (name, phase) = (
            self.claim_name(),
            match (self.pending, self.lost) {
                (true, _) => "Pending",
                (_, true) => "Lost",
                _ => "Bound",
            },
        );
        let mut claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": self.meta(&name, "2", true, &json!({"finalizers": ["kubernetes.io/pvc-protection"]})),
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": self.class(), "volumeMode": "Filesystem",
                     "resources": {"requests": {"storage": "20Gi"}}},
            "status": {"phase": phase},
        });
        if !self.pending {
            claim["spec"]["volumeName"] = json!(self.volume_name());
            claim["status"]["accessModes"] = json!(["ReadWriteOnce"]);
            claim["status"]["capacity"] = json!({"storage": "20Gi"});
        }
        (format!("persistentvolumeclaims/{}/{name}", self.namespace), claim)
    }

    /// What was lost is gone; a claim that waits leaves a free volume beside it.
    fn volume(&self) -> Option<(String, Value)> {
        let name = self.volume_name();
        let phase = match (self.pending, self.lost, self.released) {
            (true, ..) => "Available",
            (_, true, _) => return None,
            (.., true) => "Released",
            _ => "Bound",
        };
        let mut volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": self.meta(&name, "5", false, &json!({"finalizers": ["kubernetes.io/pv-protection"]})),
            "spec": {
                "capacity": {"storage": "20Gi"}, "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": self.class(), "volumeMode": "Filesystem",
                "csi": {"driver": "disks.csi.example.com", "volumeHandle": format!("vol-{:017x}", self.number), "fsType": "ext4",
                        "volumeAttributes": {"storage.kubernetes.io/csiProvisionerIdentity": "1700000000000-8081-disks.csi.example.com"}},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "topology.disks.csi.example.com/zone", "operator": "In", "values": ["zone-a"]}]}]}},
            },
            "status": {"phase": phase},
        });
        if !self.pending {
            // Of a claim that was deleted and made anew the volume still names the former.
            let claim = if self.released {
                self.uid("4")
            } else {
                self.uid("2")
            };
            volume["spec"]["claimRef"] = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": self.namespace,
                                                "name": self.claim_name(), "uid": claim});
        }
        Some((format!("persistentvolumes/{name}"), volume))
    }

    fn attachment(&self) -> Option<(String, Value)> {
        if self.pending || self.lost || self.released {
            return None;
        }
        let name = format!("csi-{:064x}", self.number);
        let mut attachment = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment",
            "metadata": self.meta(&name, "6", false, &json!({"finalizers": ["external-attacher/disks-csi-example-com"]})),
            "spec": {"attacher": "disks.csi.example.com", "nodeName": self.node,
                     "source": {"persistentVolumeName": self.volume_name()}},
            "status": {"attached": true},
        });
        if self.number % 211 == 1 {
            attachment["status"] = json!({"attached": false, "attachError": {
                "time": BORN, "message": "rpc error: code = DeadlineExceeded desc = context deadline exceeded"}});
        }
        Some((format!("volumeattachments/{name}"), attachment))
    }
}

fn uid(number: usize, sort: &str) -> String {
    format!("{:08x}-1b2c-4d3e-8f40-{sort}{number:011x}", number * 7919)
}

fn storage_class(name: &str) -> (String, Value) {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": name, "uid": format!("class-{name}"), "creationTimestamp": BORN, "managedFields": managed_fields(12)},
        "provisioner": "disks.csi.example.com", "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": true, "parameters": {"type": name},
    });
    (format!("storageclasses/{name}"), class)
}

fn node(number: usize) -> (String, Value) {
    let name = node_name(number);
    let images: Vec<Value> = (0..50)
        .map(|at| json!({"names": [format!("registry.example.com/image-{at}@sha256:{}", "ef".repeat(32))], "sizeBytes": 123_456_789}))
        .collect();
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "uid": format!("node-{number}"), "creationTimestamp": BORN,
                     "labels": {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": "zone-a"},
                     "managedFields": managed_fields(12)},
        "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": BORN}], "images": images},
    });
    (format!("minions/{name}"), node)
}

/// Who set which of so many fields: a third of what an API server sends.
pub fn managed_fields(number: usize) -> Value {
    let fields: serde_json::Map<String, Value> = (0..number)
        .map(|at| {
            (
                format!("f:a-field-of-some-length-{at}"),
                json!({".": {}, "f:value": {}}),
            )
        })
        .collect();
    json!([{"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "time": BORN,
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": fields}}])
}
