//! Pods, and what each declares of its storage.

use super::{NamespacedName, StorageSource};

words! {
    /// Where a pod is in its life.
    PodPhase {
        /// Accepted, not all containers started.
        Pending,
        /// On its node, with a container that runs or starts.
        Running,
        /// All containers ended well.
        Succeeded,
        /// All containers ended, one of them badly.
        Failed,
        /// The node does not answer.
        Unknown,
    }
}

/// What one of a pod's volumes is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PodVolumeSource {
    /// A claim of the pod's namespace.
    Claim {
        /// The claim's name; for generic ephemeral volumes it is `POD-VOLUME`.
        name: String,
        /// True where the claim is made for the pod and goes with it (generic ephemeral volumes).
        ephemeral: bool,
    },
    /// A folder that goes with the pod.
    EmptyDir {
        /// True where it lies in the node's memory.
        memory: bool,
    },
    /// ConfigMaps, Secrets and the like: texts of the API server.
    Text,
    /// Storage that the pod itself declares, without a claim.
    Inline(StorageSource),
}

/// One of a pod's volumes, by the name that it has in the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredVolume {
    /// Its name in the pod.
    pub name: String,
    /// What it is made of.
    pub source: PodVolumeSource,
}

/// The object that a pod belongs to, such as a StatefulSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// How much of a thing a container may use. `None`: as much as there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Billionths of a core.
    pub cpu: Option<u64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
}

/// A container that runs as long as its pod does: one of the pod's own, or a sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name in the pod.
    pub name: Box<str>,
    /// How much it may use, as the pod's specification says.
    pub limits: Limits,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its UID in the API. A static pod's folder on the node bears [`Pod::static_hash`] in its place.
    pub uid: String,
    /// Namespace and name.
    pub name: NamespacedName,
    /// The node that it was given; `None` before that.
    pub node: Option<String>,
    /// Its address; `None` before it has one.
    pub ip: Option<Box<str>>,
    /// Where it is in its life.
    pub phase: Option<PodPhase>,
    /// When it was made.
    pub created: Option<i64>,
    /// What controls it.
    pub owner: Option<Owner>,
    /// For a static pod, the hash that the kubelet calls it by.
    pub static_hash: Option<String>,
    /// Its containers, in its own order. Those that only prepare it are not among them.
    pub containers: Box<[Container]>,
    /// How much all its containers together may use, where the pod itself says so.
    pub limits: Limits,
    /// Its volumes, in its own order.
    pub volumes: Vec<DeclaredVolume>,
}

impl Pod {
    /// True once all its containers have ended for good: it holds no volume any more.
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Some(PodPhase::Succeeded | PodPhase::Failed))
    }

    /// How much all its containers together may use: what the pod itself says, else the sum of what they say, if they all do.
    pub fn all_limits(&self) -> Limits {
        let sum = |of: fn(&Limits) -> Option<u64>| {
            let mut limits = self.containers.iter().map(|container| of(&container.limits));
            let sum = limits.try_fold(0_u64, |sum, limit| sum.checked_add(limit?))?;
            (!self.containers.is_empty()).then_some(sum)
        };
        Limits {
            cpu: self.limits.cpu.or_else(|| sum(|limits| limits.cpu)),
            memory: self.limits.memory.or_else(|| sum(|limits| limits.memory)),
        }
    }

    /// The name of its folder on the node.
    pub fn folder(&self) -> &str {
        self.static_hash.as_deref().unwrap_or(&self.uid)
    }

    /// The names of the claims that it uses, with the name that each has in the pod.
    pub fn claims(&self) -> impl Iterator<Item = (&str, &str)> {
        self.volumes.iter().filter_map(|volume| match &volume.source {
            PodVolumeSource::Claim { name, .. } => Some((volume.name.as_str(), name.as_str())),
            _ => None,
        })
    }
}
