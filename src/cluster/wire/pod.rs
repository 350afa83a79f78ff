//! Pods.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::storage::with_storage;
use super::{AtMost, Meta, Quantity};

/// Volumes of one pod. No cloud attaches more than 127 disks to a node (Kubernetes' page "Node-specific Volume Limits"), for all its pods
/// together; this is four times as many, with room for texts and folders.
const MOST_VOLUMES: usize = 512;
/// Containers of one pod. A node's pods have some two hundred together (110 pods, by Kubernetes' page on large clusters).
const MOST_CONTAINERS: usize = 512;

/// The containers of a pod.
pub type Containers = AtMost<MOST_CONTAINERS, Container>;

/// A pod.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Pod {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// What was asked for.
    pub spec: Option<PodSpec>,
    /// What is.
    pub status: Option<PodStatus>,
}

/// A pod's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// The node.
    pub node_name: Option<String>,
    /// The containers.
    pub containers: Option<Containers>,
    /// Containers that come before them: they end, but for sidecars.
    pub init_containers: Option<Containers>,
    /// What all containers together may use.
    pub resources: Option<ContainerResources>,
    /// The volumes.
    pub volumes: Option<AtMost<MOST_VOLUMES, PodVolume>>,
}

with_storage! {
    /// One of a pod's volumes.
    PodVolume {
        /// Its name in the pod.
        name: Option<String>,
        /// A claim.
        persistent_volume_claim: Option<ClaimSource>,
        /// A claim that is made for the pod.
        ephemeral: Option<IgnoredAny>,
        /// A folder that goes with the pod.
        empty_dir: Option<EmptyDir>,
        /// Texts.
        config_map: Option<IgnoredAny>,
        /// Texts.
        secret: Option<IgnoredAny>,
        /// Texts.
        projected: Option<IgnoredAny>,
        /// Texts.
        #[serde(rename = "downwardAPI")]
        downward_api: Option<IgnoredAny>,
        /// Texts.
        git_repo: Option<IgnoredAny>,
        /// The files of a container image.
        image: Option<IgnoredAny>,
    }
}

/// `persistentVolumeClaim` of a pod's volume.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimSource {
    /// The claim's name.
    pub claim_name: Option<String>,
}

/// `emptyDir` of a pod's volume.
#[derive(Debug, Clone, Deserialize)]
pub struct EmptyDir {
    /// `Memory`, or nothing.
    pub medium: Option<String>,
}

/// A pod's `status`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PodStatus {
    /// The phase.
    pub phase: Option<String>,
    /// The address.
    #[serde(rename = "podIP")]
    pub pod_ip: Option<String>,
}

/// A container of a pod's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// The name.
    pub name: Option<String>,
    /// What it asks for and may use.
    pub resources: Option<ContainerResources>,
    /// `Always` makes a sidecar of a container that comes before the others.
    pub restart_policy: Option<String>,
}

/// `resources` of a container, and of a pod.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ContainerResources {
    /// What it may use.
    pub limits: Option<ContainerLimits>,
}

/// The limits in use.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ContainerLimits {
    /// Cores.
    pub cpu: Option<Quantity>,
    /// Bytes.
    pub memory: Option<Quantity>,
}
