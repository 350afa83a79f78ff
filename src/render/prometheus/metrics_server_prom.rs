//! The four families of metrics-server-prom, by their old names and with their old labels.
//!
//! Their values are right, which the old ones were not always: CPU is in cores whatever the form of the quantity (its `7m` was 420),
//! memory in bytes. Its HELP texts are not kept.

use super::exposition::{Family, Kind, Labels, Page};
use super::resources::cores;
use crate::model::resources::{PodResources, ResourceMap, Usage};

const NODE_CPU: Family = Family::plain(
    "kube_metrics_server_node_cpu",
    Kind::Gauge,
    "Cores that the node used. As storage_probe_node_cpu_usage_cores, by the name that metrics-server-prom gave it.",
);
const NODE_MEMORY: Family = Family::plain(
    "kube_metrics_server_node_mem",
    Kind::Gauge,
    "Bytes of the node's working set. As storage_probe_node_memory_working_set_bytes, by the name that metrics-server-prom gave it.",
);
const POD_CPU: Family = Family::plain(
    "kube_metrics_server_pod_cpu",
    Kind::Gauge,
    "Cores that the container used. As storage_probe_container_cpu_usage_cores, by the name that metrics-server-prom gave it.",
);
const POD_MEMORY: Family = Family::plain(
    "kube_metrics_server_pod_mem",
    Kind::Gauge,
    "Bytes of the container's working set. As storage_probe_container_memory_working_set_bytes, by the name that metrics-server-prom gave it.",
);

/// All families that this file knows, for the reference.
pub fn families() -> impl Iterator<Item = &'static Family> {
    const ALL: [Family; 4] = [NODE_CPU, NODE_MEMORY, POD_CPU, POD_MEMORY];
    ALL.iter()
}

/// Writes them.
pub fn write(page: &mut Page<'_>, map: &ResourceMap) {
    page.family(&NODE_CPU, |samples| {
        for node in &map.nodes {
            if let Some(cpu) = node.usage.cpu {
                samples.add(&Labels::one("node", &node.name), cores(cpu));
            }
        }
    });
    page.family(&NODE_MEMORY, |samples| {
        for node in &map.nodes {
            if let Some(memory) = node.usage.memory {
                samples.add(&Labels::one("node", &node.name), memory);
            }
        }
    });
    let containers: Vec<(Labels, Usage)> = containers(&map.pods).collect();
    page.family(&POD_CPU, |samples| {
        for (labels, usage) in &containers {
            if let Some(cpu) = usage.cpu {
                samples.add(labels, cores(cpu));
            }
        }
    });
    page.family(&POD_MEMORY, |samples| {
        for (labels, usage) in &containers {
            if let Some(memory) = usage.memory {
                samples.add(labels, memory);
            }
        }
    });
}

/// The containers, with the labels in the old order.
fn containers(pods: &[PodResources]) -> impl Iterator<Item = (Labels, Usage)> {
    pods.iter().flat_map(|resources| {
        let pod = resources.pod.as_deref();
        let containers = resources.usage.iter().flat_map(|usage| &usage.containers);
        containers.map(move |container| {
            let labels = Labels::none()
                .with_known("node", pod.and_then(|pod| pod.node.as_deref()))
                .with("pod", &resources.name.name)
                .with_known("ip", pod.and_then(|pod| pod.ip.as_deref()))
                .with("container", &container.name)
                .with("namespace", &resources.name.namespace);
            (labels, container.usage)
        })
    })
}
