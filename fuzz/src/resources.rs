//! Whatever metrics.k8s.io and the API answer who asks for figures, pods, claims and services: no panic, what is kept is in proportion to
//! what came, what is said of it is of bounded length, and figures that are written down as they were understood are understood alike.

use std::sync::Arc;

use scope_storage_probe::backends::resources::{ResourceOutcome, read_answer};
use scope_storage_probe::link::{cluster, resources};
use scope_storage_probe::model::backend::{BackendReadings, Figures};
use scope_storage_probe::model::inventory::Inventory;
use scope_storage_probe::model::resources::{
    ContainerUsage, NodeUsage, PodUsage, ResourceFigures, ResourceReading, Usage, UsageTime,
};
use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::prometheus::write_backends_page;
use serde_json::{Value, json};

/// The longest line that is said of an answer, in characters: three names, and some words of the parser's.
const LONGEST_LINE: usize = 1600;
/// So many bytes are kept of each that came: a container's figures have fifty, and its name and braces eleven.
const KEPT_OF_EACH: usize = 8;

/// The page that tells of these figures, by all names that they have.
fn page(outcome: ResourceOutcome) -> String {
    let tenancy = outcome.reading.tenancy.as_ref();
    let claims = tenancy.map(|tenancy| Arc::new(cluster::map(Arc::clone(&tenancy.inventory))));
    let readings = BackendReadings {
        figures: vec![Figures::Resources(Arc::new(ResourceFigures {
            map: resources::join(outcome.reading, &Inventory::default()),
            claims,
            problem: None,
            old_names: true,
        }))],
        ..BackendReadings::default()
    };
    let mut page = String::new();
    write_backends_page(&readings, Format::OpenMetrics("1.0.0"), &mut |piece| {
        assert!(piece.is_empty() || piece.ends_with('\n'), "{piece:?}");
        page.push_str(piece);
    });
    page
}

/// The pages of who sees the whole cluster, and of who sees a namespace.
pub fn pages(body: &[u8]) -> [String; 2] {
    read_answer(body).0.map(page)
}

/// Tries one input.
pub fn attempt(body: &[u8]) {
    let (outcomes, refusals) = read_answer(body);
    let of_refusals = refusals.iter().map(|error| error.message.clone());
    let lines = outcomes.iter().flat_map(said).chain(of_refusals);
    for line in lines {
        assert!(line.chars().count() < LONGEST_LINE, "{line:?}");
    }
    let [cluster, _] = &outcomes;
    assert!(kept(&cluster.reading) <= KEPT_OF_EACH * body.len());
    understood_alike(&cluster.reading);
    for outcome in outcomes {
        page(outcome);
    }
}

fn said(outcome: &ResourceOutcome) -> Vec<String> {
    let faults = outcome.reading.faults.iter().map(ToString::to_string);
    let errors = outcome.heard.iter().filter_map(|heard| heard.error.as_ref());
    faults.chain(errors.map(|error| error.message.clone())).collect()
}

/// The bytes that the figures take.
fn kept(reading: &ResourceReading) -> usize {
    let nodes = reading
        .nodes
        .iter()
        .map(|node| size_of::<NodeUsage>() + node.name.len());
    let pods = reading.pods.iter().map(|pod| {
        let containers = pod.containers.iter();
        let containers = containers.map(|container| size_of::<ContainerUsage>() + container.name.len());
        size_of::<PodUsage>() + pod.name.namespace.len() + pod.name.name.len() + containers.sum::<usize>()
    });
    nodes.chain(pods).sum()
}

/// All but when they end, which would take a calendar to write.
fn understood_alike(reading: &ResourceReading) {
    let timeless = |time: UsageTime| UsageTime { end: None, ..time };
    let nodes: Vec<NodeUsage> = reading
        .nodes
        .iter()
        .cloned()
        .map(|node| NodeUsage {
            time: timeless(node.time),
            ..node
        })
        .collect();
    let pods: Vec<PodUsage> = reading
        .pods
        .iter()
        .cloned()
        .map(|pod| PodUsage {
            time: timeless(pod.time),
            ..pod
        })
        .collect();
    assert_eq!(read_again(nodes.iter().map(node_on_wire)).nodes, nodes);
    assert_eq!(read_again(pods.iter().map(pod_on_wire)).pods, pods);
}

fn read_again(items: impl Iterator<Item = Value>) -> ResourceReading {
    let list = json!({"items": items.collect::<Vec<_>>()}).to_string();
    let ([again, _], _) = read_answer(list.as_bytes());
    again.reading
}

fn node_on_wire(node: &NodeUsage) -> Value {
    json!({"metadata": {"name": node.name}, "window": window(node.time), "usage": usage(node.usage)})
}

fn pod_on_wire(pod: &PodUsage) -> Value {
    let of_container =
        |container: &ContainerUsage| json!({"name": container.name, "usage": usage(container.usage)});
    json!({
        "metadata": {"namespace": pod.name.namespace, "name": pod.name.name},
        "window": window(pod.time),
        "containers": pod.containers.iter().map(of_container).collect::<Vec<_>>(),
    })
}

fn usage(usage: Usage) -> Value {
    json!({"cpu": usage.cpu.map(|cpu| format!("{cpu}n")), "memory": usage.memory.map(|memory| memory.to_string())})
}

fn window(time: UsageTime) -> Option<String> {
    let window = time.window?;
    Some(format!("{}s{}ns", window.as_secs(), window.subsec_nanos()))
}
