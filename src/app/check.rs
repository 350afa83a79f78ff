//! `check`: which sources can be read, what each missing one costs, and how to mend it.

use std::fmt::{Display, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::StatusCode;
use hyper_util::client::legacy::Client;
use hyperlocal::UnixConnector;

use super::backends::{Backends, Selection};
use super::sources;
use crate::args::SourceArguments;
use crate::backends::Question;
use crate::host::filesystem::Patience;
use crate::host::{cgroup, mountstats, remote, zfs};
use crate::model::backend::{Failure, POWERFLEX};
use crate::model::fault::Fault;
use crate::model::inventory::WatchError;
use crate::model::mount::UsageError;
use crate::model::text::printable;
use crate::render::scope::{CLUSTER_PLUGIN_ID, PLUGIN_ID};
use crate::serve::socket;

/// How the API server is called here.
const API: &str = "Kubernetes API";

/// Sources that only some nodes have, by who found fault with them, and what is missing without each. Where nothing is wrong nothing is said.
const OF_SOME_NODES: [(&str, &str); 4] = [
    (
        cgroup::SOURCE,
        "what pods read and write of volumes that have no device to themselves",
    ),
    (mountstats::SOURCE, "what is read and written over NFS"),
    (zfs::SOURCE, "what is read and written of ZFS datasets"),
    (remote::SOURCE, "where disks in the network come from"),
];

/// What `check` found.
#[derive(Debug)]
pub struct Findings {
    /// For people.
    pub text: String,
    /// False where nothing works: no block device can be read, or in the cluster role neither an object nor a PowerFlex system.
    pub works: bool,
}

/// What is said of one source after the other.
#[derive(Debug, Default)]
struct Lines(String);

impl Lines {
    /// It can be read.
    fn ok(&mut self, what: impl Display) {
        let _ = writeln!(self.0, "ok       {what}");
    }

    /// It cannot be read, and should be.
    fn missing(&mut self, what: impl Display, cost: &str) {
        self.lacking("missing", what, cost);
    }

    /// It cannot be read, and need not be there.
    fn unknown(&mut self, what: impl Display, cost: &str) {
        self.lacking("unknown", what, cost);
    }

    /// The API server does not give this kind, which such a role would grant.
    fn refused(&mut self, kind: &str, error: &WatchError, grants: &str, cost: &str) {
        let grant = error.rule.as_ref().map_or_else(String::new, |rule| {
            format!(" (a {grants} grants it by the rule {rule})")
        });
        self.missing(format_args!("{API}: {kind}: {}{grant}", error.message), cost);
    }

    fn lacking(&mut self, word: &str, what: impl Display, cost: &str) {
        let _ = writeln!(self.0, "{word}  {what}\n         without it: {cost}");
    }
}

/// Looks at every source that the role has, and at the plugin's socket.
pub async fn check(sources_given: &SourceArguments, plugin_dir: &Path) -> Findings {
    let sees_machine = super::sees_this_machine(sources_given);
    let mut lines = Lines::default();
    let disks = sees_machine && machine(sources_given, &mut lines);
    let objects = cluster(sources_given, sees_machine, &mut lines).await;
    let systems = powerflex(sources_given, &mut lines).await;
    if !plugin_dir.as_os_str().is_empty() && !sources_given.cluster.is_tenant() {
        let (own, other) = if sees_machine {
            (PLUGIN_ID, CLUSTER_PLUGIN_ID)
        } else {
            (CLUSTER_PLUGIN_ID, PLUGIN_ID)
        };
        plugin(&socket::path(plugin_dir, own), &mut lines).await;
        // The other role's process may run beside it, and need not.
        let other = socket::path(plugin_dir, other);
        if other.exists() {
            plugin(&other, &mut lines).await;
        }
    }
    let (works, nothing) = if sees_machine {
        (disks, "not one block device can be read")
    } else {
        (
            objects || systems,
            "not one kind of object can be read from the Kubernetes API",
        )
    };
    let Lines(mut text) = lines;
    if !works {
        let _ = writeln!(text, "nothing works: {nothing}");
    }
    Findings { text, works }
}

/// Asks every PowerFlex system once. True where one answers.
async fn powerflex(sources_given: &SourceArguments, lines: &mut Lines) -> bool {
    const PATIENCE: Duration = Duration::from_secs(30);
    const COST: &str = "nothing of what it tells";
    if !sources_given.backends.any() {
        return false;
    }
    let backends = match Backends::configured(sources_given, None).await {
        Ok(backends) => backends,
        Err(error) => {
            lines.missing(format_args!("{POWERFLEX}: {error:#}"), COST);
            return false;
        }
    };
    let question = Question::of_a_command(tokio::time::Instant::now() + PATIENCE);
    let mut works = false;
    for outcome in backends
        .collect(&Selection::only(POWERFLEX), question)
        .await
        .outcomes
    {
        let (backend, instance) = (outcome.backend, outcome.instance);
        match outcome.error {
            None => {
                works = true;
                let milliseconds = outcome.duration.as_secs_f64() * 1e3;
                lines.ok(format_args!(
                    "{backend} {instance}: answers in {milliseconds:.0} ms"
                ));
            }
            Some(Failure { reason, .. }) => {
                lines.missing(format_args!("{backend} {instance}: {reason}"), COST);
            }
        }
    }
    works
}

/// What this machine's kernel says. True where there is a block device.
fn machine(sources_given: &SourceArguments, lines: &mut Lines) -> bool {
    const COST: &str = "how full it is";
    let observation = super::observer(sources_given, None, Patience::OF_A_COMMAND)
        .observe(Instant::now() + Duration::from_secs(2));
    let sample = &observation.state.sample;
    for source in sources::of_a_node(&sources_given.roots(), sample) {
        match source.problem {
            None => lines.ok(format_args!("{}: {}", source.name, source.found)),
            Some(problem) => lines.missing(
                format_args!("{}: {}", source.name, printable(&problem)),
                source.cost,
            ),
        }
    }
    of_some_nodes(&sample.faults, lines);
    for filesystem in &sample.filesystems {
        let point = filesystem.mount_point.to_string_lossy();
        let point = printable(&point);
        match &filesystem.usage {
            Ok(_) => lines.ok(format_args!("{point}: how full it is can be asked")),
            Err(error @ (UsageError::NotVisible | UsageError::NoSize | UsageError::Captured)) => {
                lines.unknown(format_args!("{point}: {error}"), COST);
            }
            Err(error) => lines.missing(format_args!("{point}: {error}"), COST),
        }
    }
    observation.state.is_ready() && !sample.devices.is_empty()
}

/// What is wrong with sources that not every node has.
fn of_some_nodes(faults: &[Fault], lines: &mut Lines) {
    for fault in faults {
        if let Some((_, cost)) = OF_SOME_NODES.iter().find(|(source, _)| *source == fault.source) {
            lines.missing(printable(&fault.to_string()), cost);
        }
    }
}

/// Asks the API server for every kind that the role reads, or looks into the dump in its place. True where one could be read.
async fn cluster(sources: &SourceArguments, sees_machine: bool, lines: &mut Lines) -> bool {
    let cost = if sees_machine {
        "no names of pods, claims and storage classes"
    } else {
        "claims and volumes that are wrong or left over are not found, or found for the wrong reason"
    };
    if sources.cluster.no_cluster {
        return false;
    }
    if sources.cluster.is_tenant() {
        return resources(sources, false, lines).await;
    }
    let (cluster, watching) = match super::cluster::connect(sources).await {
        Ok(Some(connected)) => connected,
        Ok(None) => {
            lines.unknown(format_args!("{API}: no cluster in reach"), cost);
            return false;
        }
        Err(error) => {
            lines.missing(format_args!("{API}: {error:#}"), cost);
            return false;
        }
    };
    if let Some(watching) = watching {
        super::cluster::listen(&cluster, watching).await;
    }
    let inventory = cluster.inventory();
    for (kind, watch) in &inventory.watches {
        let kind = kind.name();
        match (&watch.error, watch.synced) {
            (None, true) => lines.ok(format_args!("{API}: {kind}")),
            (None, false) => lines.missing(format_args!("{API}: {kind}: no answer yet"), cost),
            (Some(error), _) => lines.refused(kind, error, "ClusterRole", cost),
        }
    }
    let works = inventory.watches.values().any(|watch| watch.synced);
    resources(sources, true, lines).await;
    works
}

/// Asks for CPU and memory, and for all else that a tenant might see of its namespaces. True where any of it could be read.
async fn resources(sources: &SourceArguments, watches: bool, lines: &mut Lines) -> bool {
    let (grants, cost) = if watches {
        ("ClusterRole", "no CPU and memory of nodes and containers")
    } else {
        ("Role", "what it would say is left out")
    };
    let source = match super::resources::source(sources, watches).await {
        Ok(Some(source)) => source,
        Ok(None) => return false,
        Err(error) => {
            lines.missing(format_args!("{API}: {error:#}"), cost);
            return false;
        }
    };
    let deadline = tokio::time::Instant::now() + super::PATIENCE_ONCE;
    let outcome = source.read(deadline).await;
    for heard in &outcome.heard {
        let what = &heard.what;
        match &heard.error {
            None => lines.ok(format_args!("{API}: {what}")),
            Some(_) if outcome.is_absent() => lines.unknown(
                format_args!("{API}: {what}: there is none (is metrics-server installed?)"),
                cost,
            ),
            Some(error) => lines.refused(what, error, grants, cost),
        }
    }
    outcome.heard.iter().any(|heard| heard.error.is_none())
}

/// Asks a running program for a report, as Scope would.
async fn plugin(path: &Path, lines: &mut Lines) {
    const COST: &str = "nothing in Scope";
    let name = path.display();
    let started = Instant::now();
    // Scope's own limit.
    match tokio::time::timeout(Duration::from_millis(500), ask(path)).await {
        Err(_) => lines.missing(
            format_args!("{name}: no report within 500 ms; Scope would give up"),
            COST,
        ),
        Ok(Err(error)) => lines.unknown(
            format_args!("{name}: no report to be had ({error:#}); is `serve` running?"),
            COST,
        ),
        Ok(Ok((status, length))) if status == StatusCode::OK => {
            let milliseconds = started.elapsed().as_secs_f64() * 1e3;
            lines.ok(format_args!(
                "{name}: a report of {length} bytes in {milliseconds:.1} ms"
            ));
        }
        Ok(Ok((status, _))) => lines.missing(
            format_args!("{name}: answers {status}; is it another program's?"),
            COST,
        ),
    }
}

async fn ask(path: &Path) -> anyhow::Result<(StatusCode, usize)> {
    const LARGEST: usize = 50 << 20;
    // Tried first for the plain words of the system; and without waiting, for a program that hangs takes no connection.
    tokio::net::UnixStream::connect(path)
        .await
        .map_err(|error| anyhow::anyhow!(crate::host::read::plain(&error)))?;
    let client: Client<UnixConnector, Empty<bytes::Bytes>> =
        Client::builder(hyper_util::rt::TokioExecutor::new()).build(UnixConnector);
    let uri = hyperlocal::Uri::new(path, "/report?api_version=1&probe_id=check");
    let response = client.get(uri.into()).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LARGEST)
        .collect()
        .await
        .map_err(|error| anyhow::anyhow!(error))?;
    Ok((status, body.to_bytes().len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::host::MOUNTS;

    #[test]
    fn what_only_some_nodes_have_is_told_where_something_is_wrong_with_it() {
        let faults = [
            Fault::new(mountstats::SOURCE, "/proc/1/mountstats", "permission denied"),
            Fault::new(MOUNTS, "line 3", "too short"),
        ];
        let mut lines = Lines::default();
        of_some_nodes(&faults, &mut lines);
        assert_eq!(
            lines.0,
            "missing  /proc/1/mountstats: permission denied\n         without it: what is read and written over NFS\n"
        );
    }
}
