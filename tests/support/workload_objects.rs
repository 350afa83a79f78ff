//! Small objects of the Kubernetes API: a pod, its claim, the claim's volume, and their class.

use serde_json::{Value, json};

/// Where pods of these tests are.
pub const PODS: &str = "/api/v1/namespaces/default/pods";
/// Where claims of these tests are.
pub const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";
/// Where volumes are.
pub const VOLUMES: &str = "/api/v1/persistentvolumes";
/// Where classes are.
pub const CLASSES: &str = "/apis/storage.k8s.io/v1/storageclasses";

/// A class whose volumes are made when a pod wants them.
pub fn class(name: &str) -> Value {
    json!({"metadata": {"name": name}, "provisioner": "disks.example", "volumeBindingMode": "WaitForFirstConsumer"})
}

/// A volume of 10 GiB for this claim.
pub fn volume(name: &str, claim: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
            "csi": {"driver": "disks.example", "volumeHandle": format!("handle-{name}")},
            "claimRef": {"namespace": "default", "name": claim},
        },
    })
}

/// A claim of 5 GiB that has this volume.
pub fn claim(name: &str, volume: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "volumeName": volume,
                 "resources": {"requests": {"storage": "5Gi"}}},
    })
}

/// A pod on this node that uses the claim.
pub fn pod(name: &str, node: &str, claim: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "main", "image": "image"}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
        },
    })
}
