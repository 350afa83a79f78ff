//! CPU and memory of nodes and containers, from metrics-server or whoever serves the API `metrics.k8s.io`; and for who may see some
//! namespaces alone, their pods, claims and services as well.
//!
//! Nothing is kept between two readings but the connection: what is gone is gone from the next answer. A reading of the whole
//! cluster is two requests, one of a namespace four, at the same time, and more where a namespace has more than a page of them. Lists are asked for without a `resourceVersion`, so that the API
//! server cannot give an old one.

mod metrics;
mod namespace;
mod request;

use std::sync::atomic::AtomicBool;

use futures_util::{StreamExt as _, stream};
use hyper::StatusCode;
use kube::{Client, Config};
use tokio::time::Instant;

use self::namespace::{Namespace, tenancy};
use self::request::{Asking, Wanted};
use crate::cluster::connect::ConnectError;
use crate::model::backend::RESOURCES;
use crate::model::fault::{Fault, Faults};
use crate::model::inventory::{WatchError, WatchProblem};
use crate::model::resources::{NodeUsage, PodUsage, ResourceReading};

/// Namespaces that are asked for at the same time, four lists of each.
const AT_ONCE: usize = 4;
/// The group of the API.
const METRICS: &str = "metrics.k8s.io";

/// One cluster's figures.
pub struct Resources {
    client: Client,
    url: String,
    /// The namespaces that may be seen; empty for the whole cluster.
    namespaces: Vec<String>,
    /// Whether the API server has EndpointSlices in their first version only (before Kubernetes 1.21). Found out by asking.
    old_slices: AtomicBool,
}

impl std::fmt::Debug for Resources {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Resources")
            .field("url", &self.url)
            .field("namespaces", &self.namespaces)
            .finish_non_exhaustive()
    }
}

/// How one list fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What it is: `nodes.metrics.k8s.io`, `namespace shop: pods`.
    pub what: String,
    /// Why it could not be had.
    pub error: Option<WatchError>,
}

/// What came of a reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceOutcome {
    /// All that could be had.
    pub reading: ResourceReading,
    /// Each list that was asked for.
    pub heard: Vec<Heard>,
}

impl ResourceOutcome {
    /// Why there is not more; `None` where there is no more to be had. A tenant's missing rights are no problem.
    pub fn problem(&self) -> Option<String> {
        let tenant = self.reading.tenancy.is_some();
        let errors = self.errors();
        in_one(errors.filter(|(_, error)| !(tenant && namespace::is_hidden(error))))
    }

    /// True where the API server has no such API: nobody installed a metrics-server.
    pub fn is_absent(&self) -> bool {
        let missing = |heard: &Heard| {
            let problem = heard.error.as_ref().map(|error| error.problem);
            problem == Some(WatchProblem::Missing)
        };
        self.reading.tenancy.is_none() && self.heard.iter().all(missing)
    }

    /// What a tenant may not see, and what this cluster does not have.
    pub fn hidden(&self) -> impl Iterator<Item = String> {
        let tenant = self.reading.tenancy.is_some();
        self.errors()
            .filter(move |(_, error)| tenant && namespace::is_hidden(error))
            .map(|(what, error)| format!("{what}: {}", with_rule(error, "Role")))
    }

    fn errors(&self) -> impl Iterator<Item = (&str, &WatchError)> {
        self.heard
            .iter()
            .filter_map(|heard| Some((heard.what.as_str(), heard.error.as_ref()?)))
    }
}

impl Resources {
    /// A reader. No namespaces mean the whole cluster. Nothing is asked yet.
    pub fn new(config: Config, namespaces: Vec<String>) -> Result<Self, ConnectError> {
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        Ok(Self {
            client: request::client(config, namespaces.is_empty())?,
            url,
            namespaces,
            old_slices: AtomicBool::new(false),
        })
    }

    /// The API server's address.
    pub fn instance(&self) -> &str {
        &self.url
    }

    /// Asks for everything now. What does not come before `deadline` is left out, and said to be.
    pub async fn read(&self, deadline: Instant) -> ResourceOutcome {
        let asking = Asking {
            client: &self.client,
            deadline,
        };
        if self.namespaces.is_empty() {
            whole(&asking).await
        } else {
            let readings: Vec<_> = self
                .namespaces
                .iter()
                .map(|name| Namespace::read(&asking, name, &self.old_slices))
                .collect();
            tenancy(stream::iter(readings).buffered(AT_ONCE).collect().await)
        }
    }
}

async fn whole(asking: &Asking<'_>) -> ResourceOutcome {
    const NODES: Wanted<'static> = Wanted::of_cluster(METRICS, "v1beta1", "nodes");
    const PODS: Wanted<'static> = Wanted::of_cluster(METRICS, "v1beta1", "pods");
    let (mut faults, mut of_pods) = (Faults::default(), Faults::default());
    // Each answer is let go as soon as it is read: it may be long.
    let (nodes, pods) = tokio::join!(
        async { metrics::nodes(&asking.get(&NODES).await?, &mut faults) },
        async { metrics::pods(&asking.get(&PODS).await?, &mut of_pods) },
    );
    faults.append(of_pods);
    of_cluster(nodes, pods, faults)
}

/// What came of the two lists of the whole cluster.
fn of_cluster(
    nodes: Result<Vec<NodeUsage>, WatchError>,
    pods: Result<Vec<PodUsage>, WatchError>,
    faults: Faults,
) -> ResourceOutcome {
    let mut reading = ResourceReading {
        faults: faults.into_told(untold),
        ..ResourceReading::default()
    };
    let heard = |what: &str, error: Option<&WatchError>| Heard {
        what: what.to_owned(),
        error: error.cloned(),
    };
    let heard = vec![
        heard("nodes.metrics.k8s.io", nodes.as_ref().err()),
        heard("pods.metrics.k8s.io", pods.as_ref().err()),
    ];
    reading.nodes = nodes.unwrap_or_default();
    reading.pods = pods.unwrap_or_default();
    ResourceOutcome { reading, heard }
}

/// Reads bytes as every answer that there is: as the lists of the whole cluster, as a page of each list of a namespace, and as a no of each
/// sort. For the fuzzer.
pub fn read_answer(body: &[u8]) -> ([ResourceOutcome; 2], Vec<WatchError>) {
    const PODS: Wanted<'static> = Wanted::within("shop", "", "v1", "pods");
    let mut faults = Faults::default();
    let nodes = metrics::nodes(body, &mut faults);
    let pods = metrics::pods(body, &mut faults);
    let outcomes = [
        of_cluster(nodes, pods, faults),
        tenancy(vec![Namespace::of_answer(body, "shop")]),
    ];
    let codes = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::BAD_GATEWAY,
    ];
    let refusals = codes.map(|code| request::refused(&PODS, code, body));
    (outcomes, refusals.into())
}

/// What is said of so many more things.
fn untold(more: usize) -> Fault {
    Fault::new(
        RESOURCES,
        "lists",
        format!("{more} more things in them cannot be understood"),
    )
}

/// What is wrong, and the rule of a `kind` that mends it.
fn with_rule(error: &WatchError, kind: &str) -> String {
    match &error.rule {
        Some(rule) => format!("{} (a {kind} grants it by the rule {rule})", error.message),
        None => error.message.clone(),
    }
}

/// Problems in one line; an API server that says the same of all is told of once.
fn in_one<'a>(errors: impl Iterator<Item = (&'a str, &'a WatchError)>) -> Option<String> {
    let mut told: Vec<(Vec<&str>, String)> = Vec::new();
    for (what, error) in errors {
        let problem = with_rule(error, "ClusterRole");
        match told.iter_mut().find(|(_, known)| *known == problem) {
            Some((all, _)) => all.push(what),
            None => told.push((vec![what], problem)),
        }
    }
    let lines: Vec<String> = told
        .into_iter()
        .map(|(what, problem)| format!("{}: {problem}", what.join(", ")))
        .collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}
