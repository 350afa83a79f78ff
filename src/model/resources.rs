//! What nodes and containers use of CPU and memory, as the API `metrics.k8s.io` has it, with what is known of their pods; and, for
//! who sees some namespaces alone, their services.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::cluster_map::ClusterMap;
use super::fault::Fault;
use super::inventory::Inventory;
use super::workload::{NamespacedName, Pod};

/// What something used. What the API did not say, or not in a way that can be understood, is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU over the window, in billionths of a core.
    pub cpu: Option<u64>,
    /// Working set at its end, in bytes: what cannot be taken away under pressure.
    pub memory: Option<u64>,
}

/// When figures were taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageTime {
    /// The window's end, in seconds since 1970.
    pub end: Option<i64>,
    /// The window's length.
    pub window: Option<Duration>,
}

/// What a node used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeUsage {
    /// The node.
    pub name: String,
    /// When.
    pub time: UsageTime,
    /// How much.
    pub usage: Usage,
}

/// What a container used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerUsage {
    /// Its name in the pod.
    pub name: Box<str>,
    /// How much.
    pub usage: Usage,
}

/// What a pod's containers used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodUsage {
    /// Namespace and name of the pod.
    pub name: NamespacedName,
    /// When.
    pub time: UsageTime,
    /// The containers, each once, in order of name.
    pub containers: Vec<ContainerUsage>,
}

impl PodUsage {
    /// What a container used.
    pub fn container(&self, name: &str) -> Option<Usage> {
        let found = self
            .containers
            .binary_search_by(|container| (*container.name).cmp(name));
        found.ok().map(|at| self.containers[at].usage)
    }

    /// What all of them used; unknown where that of one is.
    pub fn sum(&self) -> Usage {
        let sum = |of: fn(&Usage) -> Option<u64>| {
            let mut figures = self.containers.iter().map(|container| of(&container.usage));
            let sum = figures.try_fold(0_u64, |sum, figure| sum.checked_add(figure?))?;
            (!self.containers.is_empty()).then_some(sum)
        };
        Usage {
            cpu: sum(|usage| usage.cpu),
            memory: sum(|usage| usage.memory),
        }
    }
}

/// What was heard of some namespaces, by who may see them alone. What may not be seen is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tenancy {
    /// Their pods and claims.
    pub inventory: Arc<Inventory>,
    /// How often each container of a pod was started anew, by the pod's UID.
    pub restarts: BTreeMap<String, Vec<(Box<str>, u64)>>,
    /// The services, each with its pods and whether they are ready.
    pub services: BTreeMap<NamespacedName, BTreeMap<String, bool>>,
}

/// All that one scrape was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceReading {
    /// The nodes, each once, in order of name.
    pub nodes: Vec<NodeUsage>,
    /// The pods, each once, in order of name.
    pub pods: Vec<PodUsage>,
    /// The namespaces, for who sees them alone; `None` for who sees the whole cluster.
    pub tenancy: Option<Tenancy>,
    /// Objects that could not be understood.
    pub faults: Vec<Fault>,
}

/// A pod with its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodResources {
    /// Namespace and name.
    pub name: NamespacedName,
    /// The pod; `None` where pods cannot be read.
    pub pod: Option<Arc<Pod>>,
    /// What it used; `None` before it was measured.
    pub usage: Option<PodUsage>,
    /// How often each of its containers was started anew, in its own order.
    pub restarts: Vec<(Box<str>, u64)>,
    /// The services that it belongs to, and whether it is ready to serve each, in order of name.
    pub services: Vec<(String, bool)>,
}

/// A service of a namespace that is seen alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub name: NamespacedName,
    /// Its pods.
    pub instances: usize,
    /// Those of them that are ready.
    pub ready: usize,
}

/// The figures joined with what they are of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceMap {
    /// The nodes.
    pub nodes: Vec<NodeUsage>,
    /// The pods, in order of name.
    pub pods: Vec<PodResources>,
    /// The services, in order of name; `None` for who sees the whole cluster.
    pub services: Option<Vec<Service>>,
}

/// What a page says of all this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceFigures {
    /// The figures.
    pub map: ResourceMap,
    /// The claims of namespaces that are seen alone, with the pods that use them; `None` for who sees the whole cluster.
    pub claims: Option<Arc<ClusterMap>>,
    /// Why there is not more; `None` where there is no more to be had.
    pub problem: Option<String>,
    /// Whether the names of metrics-server-prom are written as well.
    pub old_names: bool,
}
