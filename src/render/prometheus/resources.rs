//! Families about CPU and memory: of nodes and containers, and for who sees some namespaces alone of services and their instances.

use super::exposition::{Family, Labels, Page, Samples, Value};
use crate::model::resources::{PodResources, PodUsage, ResourceMap, Usage, UsageTime};
use crate::model::workload::Limits;

const NODE_CPU: Family = Family::gauge(
    "node_cpu_usage_cores",
    "Cores that the node used, on average over the window.",
);
const NODE_MEMORY: Family = Family::gauge(
    "node_memory_working_set_bytes",
    "Working set of the node at the window's end.",
);
const NODE_TIME: Family = Family::gauge(
    "node_usage_timestamp_seconds",
    "End of the window of the node's figures, in seconds since 1970.",
);
const NODE_WINDOW: Family = Family::gauge(
    "node_usage_window_seconds",
    "Length of the window of the node's figures.",
);
const CPU: Family = Family::gauge(
    "container_cpu_usage_cores",
    "Cores that the container used, on average over the window.",
);
const CPU_LIMIT: Family = Family::gauge(
    "container_cpu_limit_cores",
    "Cores that the container may use. Absent where there is no limit.",
);
const CPU_SHARE: Family = Family::gauge(
    "container_cpu_utilization_ratio",
    "Cores used as a share of the container's limit. Absent where there is no limit.",
);
const MEMORY: Family = Family::gauge(
    "container_memory_working_set_bytes",
    "Working set of the container at the window's end.",
);
const MEMORY_LIMIT: Family = Family::gauge(
    "container_memory_limit_bytes",
    "Memory that the container may use. Absent where there is no limit.",
);
const MEMORY_SHARE: Family = Family::gauge(
    "container_memory_utilization_ratio",
    "Working set as a share of the container's limit. Absent where there is no limit.",
);
const RESTARTS: Family = Family::counter(
    "container_restarts_total",
    "How often the container was started anew. Told with --namespace.",
);
const POD_TIME: Family = Family::gauge(
    "pod_usage_timestamp_seconds",
    "End of the window of the pod's figures, in seconds since 1970.",
);
const POD_WINDOW: Family = Family::gauge(
    "pod_usage_window_seconds",
    "Length of the window of the pod's figures.",
);
const POD_INFO: Family = Family::gauge(
    "pod_info",
    "A pod that is told of here, its node, its address and what controls it. Always 1.",
);
const SERVICE_INSTANCES: Family = Family::gauge("service_instances", "Pods of the service.");
const SERVICE_READY: Family = Family::gauge(
    "service_instances_ready",
    "Pods of the service that are ready to serve.",
);
const INSTANCE_READY: Family = Family::gauge(
    "instance_ready",
    "1 where the pod is ready to serve the service, 0 where it is not.",
);
const INSTANCE_CPU: Family = Family::gauge(
    "instance_cpu_usage_cores",
    "Cores that the pod's containers used together, on average over the window.",
);
const INSTANCE_CPU_LIMIT: Family = Family::gauge(
    "instance_cpu_limit_cores",
    "Cores that the pod's containers may use together. Absent where one of them has no limit.",
);
const INSTANCE_CPU_SHARE: Family = Family::gauge(
    "instance_cpu_utilization_ratio",
    "Cores used as a share of the limit of all the pod's containers. Absent where one of them has none.",
);
const INSTANCE_MEMORY: Family = Family::gauge(
    "instance_memory_working_set_bytes",
    "Working set of the pod's containers together at the window's end.",
);
const INSTANCE_MEMORY_LIMIT: Family = Family::gauge(
    "instance_memory_limit_bytes",
    "Memory that the pod's containers may use together. Absent where one of them has no limit.",
);
const INSTANCE_MEMORY_SHARE: Family = Family::gauge(
    "instance_memory_utilization_ratio",
    "Working set as a share of the limit of all the pod's containers. Absent where one of them has none.",
);
const INSTANCE_RESTARTS: Family = Family::counter(
    "instance_restarts_total",
    "How often containers of the pod were started anew.",
);
const INSTANCE_CLAIM: Family = Family::gauge(
    "instance_claim_info",
    "A pod of the service and a claim that it uses. Always 1.",
);

/// All families that this file knows, for the reference.
pub fn families() -> impl Iterator<Item = &'static Family> {
    const ALL: [Family; 25] = [
        NODE_CPU,
        NODE_MEMORY,
        NODE_TIME,
        NODE_WINDOW,
        CPU,
        CPU_LIMIT,
        CPU_SHARE,
        MEMORY,
        MEMORY_LIMIT,
        MEMORY_SHARE,
        RESTARTS,
        POD_TIME,
        POD_WINDOW,
        POD_INFO,
        SERVICE_INSTANCES,
        SERVICE_READY,
        INSTANCE_READY,
        INSTANCE_CPU,
        INSTANCE_CPU_LIMIT,
        INSTANCE_CPU_SHARE,
        INSTANCE_MEMORY,
        INSTANCE_MEMORY_LIMIT,
        INSTANCE_MEMORY_SHARE,
        INSTANCE_RESTARTS,
        INSTANCE_CLAIM,
    ];
    ALL.iter()
}

/// Billionths of a core as cores: the nearest number that a figure of a page can be, which reads the same up to 15 digits.
pub(super) fn cores(nanocores: u64) -> Value {
    Value::Real(nanocores as f64 / 1e9)
}

/// Writes all of it.
pub fn write(page: &mut Page<'_>, map: &ResourceMap) {
    write_nodes(page, map);
    write_containers(page, &map.pods);
    write_pods(page, &map.pods);
    if let Some(services) = &map.services {
        let labelled: Vec<_> = services
            .iter()
            .map(|service| {
                let labels = Labels::one("namespace", &service.name.namespace);
                (service, labels.with("service", &service.name.name))
            })
            .collect();
        page.family(&SERVICE_INSTANCES, |samples| {
            for (service, labels) in &labelled {
                samples.add(labels, service.instances);
            }
        });
        page.family(&SERVICE_READY, |samples| {
            for (service, labels) in &labelled {
                samples.add(labels, service.ready);
            }
        });
        write_instances(page, &map.pods);
    }
}

fn write_nodes(page: &mut Page<'_>, map: &ResourceMap) {
    let nodes: Vec<_> = map
        .nodes
        .iter()
        .map(|node| (node, Labels::one("node", &node.name)))
        .collect();
    page.family(&NODE_CPU, |samples| {
        for (node, labels) in &nodes {
            add(samples, labels, node.usage.cpu.map(cores));
        }
    });
    page.family(&NODE_MEMORY, |samples| {
        for (node, labels) in &nodes {
            add(samples, labels, node.usage.memory);
        }
    });
    page.family(&NODE_TIME, |samples| {
        for (node, labels) in &nodes {
            add(samples, labels, end(&node.time));
        }
    });
    page.family(&NODE_WINDOW, |samples| {
        for (node, labels) in &nodes {
            add(samples, labels, window(&node.time));
        }
    });
}

/// A container's labels, what it used and what it may use.
struct ContainerRow {
    labels: Labels,
    usage: Usage,
    limits: Limits,
}

fn container_rows(pods: &[PodResources]) -> Vec<ContainerRow> {
    let mut rows = Vec::with_capacity(pods.len());
    for pod in pods {
        let of_pod = pod_labels(pod);
        let row = |name: &str, usage: Usage, limits: Limits| {
            let node = pod.pod.as_ref().and_then(|pod| pod.node.as_deref());
            ContainerRow {
                labels: of_pod.clone().with("container", name).with_known("node", node),
                usage,
                limits,
            }
        };
        let declared = pod.pod.as_ref().map_or(&[][..], |pod| &*pod.containers);
        for (at, container) in declared.iter().enumerate() {
            // Two of one name would make two samples with the same labels, the second of which is an error to Prometheus.
            if declared[..at]
                .iter()
                .any(|earlier| earlier.name == container.name)
            {
                continue;
            }
            let usage = pod
                .usage
                .as_ref()
                .and_then(|usage| usage.container(&container.name));
            rows.push(row(&container.name, usage.unwrap_or_default(), container.limits));
        }
        // Those that the pod does not name, or all where the pod is not known.
        for container in pod.usage.iter().flat_map(|usage| &usage.containers) {
            if !declared.iter().any(|known| known.name == container.name) {
                rows.push(row(&container.name, container.usage, Limits::default()));
            }
        }
    }
    rows
}

fn write_containers(page: &mut Page<'_>, pods: &[PodResources]) {
    let rows = container_rows(pods);
    let mut family = |family: &Family, of: &dyn Fn(&ContainerRow) -> Option<Value>| {
        page.family(family, |samples| {
            for row in &rows {
                add(samples, &row.labels, of(row));
            }
        });
    };
    family(&CPU, &|row| row.usage.cpu.map(cores));
    family(&CPU_LIMIT, &|row| row.limits.cpu.map(cores));
    family(&CPU_SHARE, &|row| share(row.usage.cpu, row.limits.cpu));
    family(&MEMORY, &|row| row.usage.memory.map(Value::Whole));
    family(&MEMORY_LIMIT, &|row| row.limits.memory.map(Value::Whole));
    family(&MEMORY_SHARE, &|row| share(row.usage.memory, row.limits.memory));
    page.family(&RESTARTS, |samples| {
        for pod in pods.iter().filter(|pod| !pod.restarts.is_empty()) {
            let of_pod = pod_labels(pod);
            let node = pod.pod.as_ref().and_then(|pod| pod.node.as_deref());
            for (at, (container, restarts)) in pod.restarts.iter().enumerate() {
                if pod.restarts[..at].iter().any(|(earlier, _)| earlier == container) {
                    continue;
                }
                let labels = of_pod
                    .clone()
                    .with("container", container)
                    .with_known("node", node);
                samples.add(&labels, *restarts);
            }
        }
    });
}

fn write_pods(page: &mut Page<'_>, pods: &[PodResources]) {
    let timed: Vec<(Labels, &UsageTime)> = pods
        .iter()
        .filter_map(|pod| Some((pod_labels(pod), &pod.usage.as_ref()?.time)))
        .collect();
    page.family(&POD_TIME, |samples| {
        for (labels, time) in &timed {
            add(samples, labels, end(time));
        }
    });
    page.family(&POD_WINDOW, |samples| {
        for (labels, time) in &timed {
            add(samples, labels, window(time));
        }
    });
    page.family(&POD_INFO, |samples| {
        for resources in pods {
            let Some(pod) = &resources.pod else { continue };
            let owner = pod.owner.as_ref();
            let labels = pod_labels(resources)
                .with("uid", &pod.uid)
                .with_known("node", pod.node.as_deref())
                .with_known("pod_ip", pod.ip.as_deref())
                .with_known("created_by_kind", owner.map(|owner| owner.kind.as_str()))
                .with_known("created_by_name", owner.map(|owner| owner.name.as_str()));
            samples.add(&labels, 1_u64);
        }
    });
}

fn write_instances(page: &mut Page<'_>, pods: &[PodResources]) {
    let mut rows = Vec::new();
    for pod in pods {
        let usage = pod.usage.as_ref().map(PodUsage::sum).unwrap_or_default();
        let limits = pod.pod.as_ref().map(|pod| pod.all_limits()).unwrap_or_default();
        let mut add = |service: Option<(&str, bool)>| {
            let labels = Labels::one("namespace", &pod.name.namespace)
                .with_known("service", service.map(|(name, _)| name))
                .with("instance", &pod.name.name);
            rows.push((labels, pod, service.map(|(_, ready)| ready), usage, limits));
        };
        if pod.services.is_empty() {
            add(None);
        }
        for (service, ready) in &pod.services {
            add(Some((service, *ready)));
        }
    }
    page.family(&INSTANCE_READY, |samples| {
        for (labels, _, ready, ..) in &rows {
            add(samples, labels, *ready);
        }
    });
    let mut family = |family: &Family, of: &dyn Fn(&Usage, &Limits) -> Option<Value>| {
        page.family(family, |samples| {
            for (labels, _, _, usage, limits) in &rows {
                add(samples, labels, of(usage, limits));
            }
        });
    };
    family(&INSTANCE_CPU, &|usage, _| usage.cpu.map(cores));
    family(&INSTANCE_CPU_LIMIT, &|_, limits| limits.cpu.map(cores));
    family(&INSTANCE_CPU_SHARE, &|usage, limits| share(usage.cpu, limits.cpu));
    family(&INSTANCE_MEMORY, &|usage, _| usage.memory.map(Value::Whole));
    family(&INSTANCE_MEMORY_LIMIT, &|_, limits| {
        limits.memory.map(Value::Whole)
    });
    family(&INSTANCE_MEMORY_SHARE, &|usage, limits| {
        share(usage.memory, limits.memory)
    });
    page.family(&INSTANCE_RESTARTS, |samples| {
        for (labels, pod, ..) in &rows {
            let restarts = pod.restarts.iter().map(|(_, restarts)| *restarts);
            add(
                samples,
                labels,
                (!pod.restarts.is_empty()).then(|| restarts.fold(0, u64::saturating_add)),
            );
        }
    });
    page.family(&INSTANCE_CLAIM, |samples| {
        for (labels, pod, ..) in &rows {
            for (volume, claim) in pod.pod.iter().flat_map(|pod| pod.claims()) {
                let labels = labels.clone().with("persistentvolumeclaim", claim);
                samples.add(&labels.with("volume", volume), 1_u64);
            }
        }
    });
}

fn add(samples: &mut Samples<'_, '_>, labels: &Labels, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        samples.add(labels, value);
    }
}

fn pod_labels(pod: &PodResources) -> Labels {
    Labels::one("namespace", &pod.name.namespace).with("pod", &pod.name.name)
}

fn share(used: Option<u64>, limit: Option<u64>) -> Option<Value> {
    let (used, limit) = used.zip(limit)?;
    (limit > 0).then(|| Value::Real(used as f64 / limit as f64))
}

fn end(time: &UsageTime) -> Option<u64> {
    time.end.and_then(|end| u64::try_from(end).ok())
}

fn window(time: &UsageTime) -> Option<Value> {
    time.window.map(|window| Value::Real(window.as_secs_f64()))
}
