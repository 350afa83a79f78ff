//! Lists of `metrics.k8s.io/v1beta1` → figures.
//!
//! An item has `timestamp`, the end of its window, in RFC 3339; `window`, as Go writes durations (`1m0s`, `15.009s`); and `usage` with `cpu`
//! and `memory`, quantities: cores on average over the window, and the working set. Source: `k8s.io/metrics`.

use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::request::not_understood;
use crate::cluster::convert::{amount, time};
use crate::cluster::list::Few;
use crate::cluster::object::LONGEST_NAME;
use crate::cluster::pages::{self, MOST_ITEMS};
use crate::cluster::problem::shortened;
use crate::cluster::wire::Quantity;
use crate::model::backend::RESOURCES;
use crate::model::fault::{Fault, Faults};
use crate::model::inventory::WatchError;
use crate::model::quantity;
use crate::model::resources::{ContainerUsage, NodeUsage, PodUsage, Usage, UsageTime};
use crate::model::workload::NamespacedName;

#[derive(Debug, Default, Deserialize)]
struct Meta {
    name: Option<String>,
    namespace: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct WireUsage {
    cpu: Option<Quantity>,
    memory: Option<Quantity>,
}

#[derive(Debug, Deserialize)]
struct WireContainer {
    name: Option<String>,
    usage: Option<WireUsage>,
}

/// NodeMetrics and PodMetrics: a node has `usage`, a pod `containers`.
#[derive(Debug, Deserialize)]
struct WireMetrics {
    metadata: Option<Meta>,
    timestamp: Option<String>,
    window: Option<String>,
    usage: Option<WireUsage>,
    containers: Option<Few<WireContainer>>,
}

/// Of an item that cannot be read, what tells whose it is.
#[derive(Debug, Default, Deserialize)]
struct Called {
    metadata: Option<Meta>,
}

/// What is made of the items of a list, each by itself if they cannot be read in one: one that is none costs itself alone.
fn read<T>(
    body: &[u8],
    // Those of this list alone.
    faults: &mut Faults,
    make: fn(WireMetrics, &mut Faults) -> Option<T>,
) -> Result<Vec<T>, WatchError> {
    let (mut found, mut wrong) = (Vec::new(), Faults::default());
    let in_one = pages::items(body, MOST_ITEMS, &mut |item| found.extend(make(item, &mut wrong)));
    if in_one.is_ok() {
        faults.append(wrong);
        return Ok(found);
    }
    found.clear();
    let one_by_one = pages::items(
        body,
        MOST_ITEMS,
        &mut |raw: &RawValue| match serde_json::from_str(raw.get()) {
            Ok(item) => found.extend(make(item, faults)),
            Err(wrong) => faults.add(|| {
                let problem = format!("left out: {}", shortened(&wrong.to_string()));
                Fault::new(RESOURCES, name_of(raw.get()), problem)
            }),
        },
    );
    one_by_one.map_err(|wrong| {
        // Of a list that is not there, nothing is told but why.
        *faults = Faults::default();
        not_understood(&wrong)
    })?;
    Ok(found)
}

/// What an item that cannot be read calls itself.
fn name_of(json: &str) -> String {
    let called: Called = serde_json::from_str(json).unwrap_or_default();
    match called.metadata.unwrap_or_default() {
        Meta {
            namespace: Some(namespace),
            name: Some(name),
        } => format!("figures of pod {}/{}", shortened(&namespace), shortened(&name)),
        Meta { name: Some(name), .. } => format!("figures of node {}", shortened(&name)),
        Meta { .. } => "figures without a name".to_owned(),
    }
}

/// The nodes of a NodeMetricsList, each once, in order of name.
pub(super) fn nodes(body: &[u8], faults: &mut Faults) -> Result<Vec<NodeUsage>, WatchError> {
    let mut nodes = read(body, faults, node)?;
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    nodes.dedup_by(|later, first| later.name == first.name);
    Ok(nodes)
}

fn node(item: WireMetrics, faults: &mut Faults) -> Option<NodeUsage> {
    let Some(name) = named(item.metadata.unwrap_or_default().name) else {
        faults.add(unnamed);
        return None;
    };
    let mut complaints = Vec::new();
    let time = usage_time(item.timestamp.as_deref(), item.window.as_deref(), &mut complaints);
    let usage = usage(item.usage, String::new, &mut complaints);
    complain(faults, complaints, || {
        format!("figures of node {}", shortened(&name))
    });
    Some(NodeUsage { name, time, usage })
}

/// The pods of a PodMetricsList, each once, in order of name.
pub(super) fn pods(body: &[u8], faults: &mut Faults) -> Result<Vec<PodUsage>, WatchError> {
    let mut pods = read(body, faults, pod)?;
    pods.sort_by(|one, other| one.name.cmp(&other.name));
    pods.dedup_by(|later, first| later.name == first.name);
    Ok(pods)
}

fn pod(item: WireMetrics, faults: &mut Faults) -> Option<PodUsage> {
    let Meta { name, namespace } = item.metadata.unwrap_or_default();
    let (Some(name), Some(namespace)) = (named(name), named(namespace)) else {
        faults.add(unnamed);
        return None;
    };
    let name = NamespacedName::new(namespace, name);
    let mut complaints = Vec::new();
    let time = usage_time(item.timestamp.as_deref(), item.window.as_deref(), &mut complaints);
    let mut containers = Vec::new();
    for container in item.containers.into_iter().flat_map(|few| few.0) {
        let Some(name) = named(container.name) else {
            complaints.push("a container without a name".to_owned());
            continue;
        };
        let place = || format!("container {}: ", shortened(&name));
        let usage = usage(container.usage, place, &mut complaints);
        containers.push(ContainerUsage {
            name: name.into(),
            usage,
        });
    }
    containers.sort_by(|one, other| one.name.cmp(&other.name));
    containers.dedup_by(|later, first| later.name == first.name);
    complain(faults, complaints, || {
        format!("figures of pod {}", shortened(&name.to_string()))
    });
    Some(PodUsage {
        name,
        time,
        containers,
    })
}

/// A name; one that is longer than any is none, since it would stand in each label and each line.
fn named(name: Option<String>) -> Option<String> {
    name.filter(|name| name.len() <= LONGEST_NAME)
}

fn unnamed() -> Fault {
    Fault::new(RESOURCES, "figures without a name", "left out")
}

fn complain(faults: &mut Faults, complaints: Vec<String>, subject: impl Fn() -> String) {
    for complaint in complaints {
        faults.add(|| Fault::new(RESOURCES, subject(), complaint));
    }
}

fn usage(wire: Option<WireUsage>, place: impl Fn() -> String, complaints: &mut Vec<String>) -> Usage {
    let wire = wire.unwrap_or_default();
    Usage {
        cpu: amount(
            wire.cpu,
            quantity::nanocores,
            || format!("{}cpu", place()),
            complaints,
        ),
        memory: amount(
            wire.memory,
            quantity::bytes,
            || format!("{}memory", place()),
            complaints,
        ),
    }
}

fn usage_time(end: Option<&str>, window: Option<&str>, complaints: &mut Vec<String>) -> UsageTime {
    UsageTime {
        // Go's time of nothing is in the year 1.
        end: time(end, "timestamp", complaints).filter(|end| *end > 0),
        window: window.and_then(|text| {
            let length = duration(text);
            if length.is_none() {
                let told = shortened(text);
                complaints.push(format!("window `{}`: not a length of time", told.escape_debug()));
            }
            length
        }),
    }
}

/// A length of time as Go writes it.
fn duration(text: &str) -> Option<Duration> {
    Duration::try_from(text.parse::<SignedDuration>().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read_pods(list: &serde_json::Value) -> (Vec<PodUsage>, Vec<String>) {
        let mut faults = Faults::default();
        let pods = pods(list.to_string().as_bytes(), &mut faults).unwrap();
        (
            pods,
            faults
                .into_told(super::super::untold)
                .iter()
                .map(ToString::to_string)
                .collect(),
        )
    }

    #[test]
    fn a_list_of_pods() {
        let (pods, faults) = read_pods(&json!({
            "kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {},
            "items": [
                {"metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "creationTimestamp": "2026-01-02T03:04:35Z"},
                 "timestamp": "2026-01-02T03:04:05Z", "window": "15.009s",
                 "containers": [
                     {"name": "proxy", "usage": {"cpu": "123456789n", "memory": "125448Ki"}},
                     {"name": "main", "usage": {"cpu": "7m", "memory": "500M"}},
                 ]},
                {"metadata": {"name": "web", "namespace": "bank"}, "timestamp": "2026-01-02T03:04:05Z", "window": "1m0s", "containers": null},
            ],
        }));
        assert_eq!(faults, [""; 0]);
        let names: Vec<String> = pods.iter().map(|pod| pod.name.to_string()).collect();
        assert_eq!(names, ["bank/web", "shop/web"]);
        assert_eq!(
            pods[1].time,
            UsageTime {
                end: Some(1_767_323_045),
                window: Some(Duration::from_millis(15_009)),
            }
        );
        assert_eq!(
            pods[1].container("proxy"),
            Some(Usage {
                cpu: Some(123_456_789),
                memory: Some(128_458_752),
            })
        );
        assert_eq!(
            pods[1].sum(),
            Usage {
                cpu: Some(130_456_789),
                memory: Some(628_458_752),
            }
        );
        assert_eq!(pods[0].sum(), Usage::default());
    }

    #[test]
    fn a_list_of_nodes() {
        let mut faults = Faults::default();
        let list = json!({"items": [
            {"metadata": {"name": "w2"}, "timestamp": "2026-01-02T03:04:05Z", "window": "10s", "usage": {"cpu": "2", "memory": "3Ti"}},
            {"metadata": {"name": "w1"}, "timestamp": "0001-01-01T00:00:00Z", "window": "0s", "usage": {}},
            {"metadata": {"name": "w2"}, "usage": {"cpu": "9"}},
        ]});
        let nodes = nodes(list.to_string().as_bytes(), &mut faults).unwrap();
        assert_eq!(faults.into_told(super::super::untold), []);
        assert_eq!(nodes.len(), 2, "a name stands once: {nodes:?}");
        assert_eq!((nodes[0].name.as_str(), nodes[0].time.end), ("w1", None));
        assert_eq!(nodes[0].usage, Usage::default());
        assert_eq!(nodes[1].usage.cpu, Some(2_000_000_000));
        assert_eq!(nodes[1].usage.memory, Some(3 << 40));
    }

    #[test]
    fn names_without_end_are_told_in_part() {
        let (longest, without_end) = ("n".repeat(LONGEST_NAME), "n".repeat(5000));
        let pod = |name: &str| {
            json!({"metadata": {"name": name, "namespace": "shop"}, "window": "a while",
                   "containers": [{"name": name, "usage": {"cpu": "7m5"}}]})
        };
        let (_, faults) = read_pods(&json!({"items": [pod(&longest), pod(&without_end)]}));
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(faults.iter().all(|line| line.len() < 1000), "{faults:?}");
    }

    #[test]
    fn what_cannot_be_understood_costs_itself_alone() {
        let (pods, faults) = read_pods(&json!({"items": [
            {"metadata": {"name": "odd", "namespace": "shop"}, "containers": "none"},
            {"metadata": {"name": "bare"}},
            {"metadata": {"name": "web", "namespace": "shop"}, "timestamp": "yesterday", "window": "a while",
             "containers": [{"name": "main", "usage": {"cpu": "7m5", "memory": "1Gi"}}, {"usage": {"cpu": "1"}}]},
        ]}));
        assert_eq!(pods.len(), 1);
        assert_eq!(
            pods[0].container("main"),
            Some(Usage {
                cpu: None,
                memory: Some(1 << 30),
            })
        );
        assert_eq!(
            faults,
            [
                "figures of pod shop/odd: left out: invalid type: string \"none\", expected a sequence at line 1 column 20",
                "figures without a name: left out",
                "figures of pod shop/web: timestamp `yesterday`: not a time (RFC 3339)",
                "figures of pod shop/web: window `a while`: not a length of time",
                "figures of pod shop/web: container main: cpu `7m5`: not a quantity (10Gi, 1.5T, 1e9, 250m)",
                "figures of pod shop/web: a container without a name",
            ]
        );
    }

    #[test]
    fn what_is_long_is_told_in_short() {
        let long = "x".repeat(200_000);
        let (pods, faults) = read_pods(&json!({"items": [
            {"metadata": {"name": "odd", "namespace": "shop"}, "containers": long},
            {"metadata": {"name": "web", "namespace": "shop"}, "timestamp": long, "window": long,
             "containers": [{"name": "main", "usage": {"cpu": long}}]},
        ]}));
        assert_eq!((pods.len(), faults.len()), (1, 4));
        assert!(faults.iter().all(|fault| fault.len() < 500), "{faults:?}");
        let body = json!({"items": long}).to_string();
        let told = nodes(body.as_bytes(), &mut Faults::default())
            .unwrap_err()
            .message;
        assert!(told.len() < 500, "{told}");
    }

    #[test]
    fn names_of_megabytes_stand_in_no_label_and_no_line() {
        let long = "x".repeat(1 << 20);
        let odd = json!({"name": "main", "usage": {"cpu": "none", "memory": "none"}});
        let (pods, faults) = read_pods(&json!({"items": [
            {"metadata": {"name": long, "namespace": "shop"}, "containers": vec![odd.clone(); 100]},
            {"metadata": {"name": "web", "namespace": long}},
            {"metadata": {"name": "web", "namespace": "shop"}, "containers": [{"name": long, "usage": {"cpu": "none"}}, odd]},
        ]}));
        assert_eq!((pods.len(), pods[0].containers.len()), (1, 1));
        assert_eq!(
            faults.len(),
            5,
            "two without a name, and what is wrong with the third"
        );
        assert!(faults.iter().all(|fault| fault.len() < 500));
    }

    #[test]
    fn what_is_no_list_is_told_so() {
        for body in ["", "<html>", "[]", "{\"items\": 5}"] {
            let told = pods(body.as_bytes(), &mut Faults::default()).unwrap_err().message;
            assert!(
                told.starts_with("what is answered cannot be understood: "),
                "{told}"
            );
        }
        assert_eq!(pods(b"{\"items\": null}", &mut Faults::default()), Ok(Vec::new()));
    }

    #[test]
    fn windows_as_go_writes_them() {
        for (text, nanoseconds) in [
            ("30s", 30_000_000_000),
            ("15.009s", 15_009_000_000),
            ("1m0s", 60_000_000_000),
            ("1h2m3.5s", 3_723_500_000_000),
            ("500ms", 500_000_000),
            ("1.5µs", 1_500),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Some(Duration::from_nanos(nanoseconds)), "{text}");
        }
        for text in ["", "-5s", "soon"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_body_gets_an_answer(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (nodes(&body, &mut Faults::default()), pods(&body, &mut Faults::default()));
        }

        #[test]
        fn any_field_gets_an_answer(cpu in ".*", memory in ".*", end in ".*", window in ".*") {
            let list = json!({"items": [{"metadata": {"name": "w"}, "timestamp": end, "window": window,
                                         "usage": {"cpu": cpu, "memory": memory}}]});
            prop_assert_eq!(nodes(list.to_string().as_bytes(), &mut Faults::default()).unwrap().len(), 1);
        }
    }
}
