//! Wiring: sources to state to sinks, and the order in which things start and end.

pub mod answers;
pub mod check;
mod cluster;
pub mod cluster_observer;
mod controls;
mod exporter;
pub mod observer;
mod plugin;
pub mod pressed;
mod process;

use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use self::answers::{Answers, Source};
use self::cluster_observer::ClusterObserver;
use self::observer::Observer;
use crate::args::{ServeArguments, SourceArguments};
use crate::cluster::Cluster;
use crate::host::Host;
use crate::host::roots::Roots;
use crate::model::host::{FILESYSTEMS, HostSample};
use crate::model::inventory::Role;
use crate::render::prometheus::compression::PageCompressor;
use crate::render::prometheus::itself::ReportFigures;
use crate::render::scope::{CLUSTER_PLUGIN_ID, CONTROLS_PLUGIN_ID, PLUGIN_ID};
use crate::serve;
use crate::serve::lasting::{LastingSocket, SocketOwner};

/// What the answers of both sockets share.
#[derive(Debug)]
pub struct Shared {
    source: Mutex<Source>,
    reports: Mutex<ReportFigures>,
    compressor: OnceLock<Mutex<PageCompressor>>,
}

impl Shared {
    fn observe(&self, deadline: Instant) -> Answers {
        locked(&self.source).observe(deadline)
    }

    fn reports(&self) -> MutexGuard<'_, ReportFigures> {
        locked(&self.reports)
    }

    /// Made when the first page is to be compressed.
    fn compressor(&self) -> MutexGuard<'_, PageCompressor> {
        locked(self.compressor.get_or_init(Mutex::default))
    }
}

/// A panic ends the shipped program, so a poisoned lock is only met in tests; its value is whole even then.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn observer(sources: &SourceArguments, cluster: Option<Cluster>) -> Observer {
    Observer::new(Host::new(sources.roots()), sources.host_id()).with_cluster(cluster)
}

/// Whether this machine's kernel is asked, or the cluster alone. A dump is of another place, unless it is said which node this is.
fn sees_this_machine(sources: &SourceArguments) -> bool {
    match sources.cluster.role {
        Some(Role::Node | Role::All) => true,
        Some(Role::Cluster) => false,
        None => sources.cluster.from_dump.is_empty(),
    }
}

fn source(sources: &SourceArguments, cluster: Option<Cluster>) -> anyhow::Result<Source> {
    if sees_this_machine(sources) {
        return Ok(Source::Node(Box::new(observer(sources, cluster))));
    }
    let cluster = cluster.context(
        "there is no cluster to tell of (--kubeconfig names a way to one, --from-dump a file in its place)",
    )?;
    Ok(Source::Cluster(ClusterObserver::new(cluster)))
}

/// Two readings so many seconds apart, or one where that is 0: what the commands that print once write.
pub async fn observe_once(sources: &SourceArguments, interval: f64) -> anyhow::Result<Answers> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let mut source = source(sources, cluster::once(sources).await?)?;
    let mut answers = source.observe(Instant::now() + PATIENCE);
    if interval > 0.0 && matches!(answers, Answers::Node(_)) {
        std::thread::sleep(Duration::from_secs_f64(interval));
        answers = source.observe(Instant::now() + PATIENCE);
    }
    Ok(answers)
}

/// The figures of this process, for a page that is printed once.
pub fn self_figures() -> crate::render::prometheus::itself::SelfFigures {
    crate::render::prometheus::itself::SelfFigures {
        reports: ReportFigures::default(),
        process: process::figures(),
    }
}

/// `serve`: answers until SIGTERM or SIGINT.
pub async fn serve(sources: &SourceArguments, arguments: &ServeArguments) -> anyhow::Result<()> {
    // Signals first: one that comes while the sockets are being made must find them removed again.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;

    let plugin_id = if sees_this_machine(sources) {
        PLUGIN_ID
    } else {
        CLUSTER_PLUGIN_ID
    };
    let permitted = arguments.controls.permitted();
    if permitted.is_some() {
        controls_are_possible(sources)?;
    }
    let plugin = bind_plugin(&arguments.plugin_dir, plugin_id)?;
    let buttons = match &permitted {
        Some(_) => bind_plugin(&arguments.plugin_dir, CONTROLS_PLUGIN_ID)?,
        None => None,
    };
    let metrics = arguments.listen.0.map(listen).transpose()?;
    if plugin.is_none() && metrics.is_none() {
        bail!("nothing to serve: neither the plugin's socket nor a metrics address could be had");
    }

    let (cluster, watching) = cluster::connect(sources).await?.unzip();
    let watching = watching.flatten().map(tokio::spawn);
    let shared = Arc::new(Shared {
        source: Mutex::new(source(sources, cluster)?),
        reports: Mutex::default(),
        compressor: OnceLock::new(),
    });
    let known_as = match shared.observe(Instant::now() + Duration::from_secs(1)) {
        Answers::Node(observation) => {
            describe_sources(&sources.roots(), &observation.state.sample);
            format!("host {}", observation.state.host_id)
        }
        Answers::Cluster(_) => "the cluster's plugin".to_owned(),
    };

    let (stop, stopped) = watch::channel(false);
    let mut servers = tokio::task::JoinSet::new();
    let mut sockets = Vec::new();
    if let Some((listener, bound)) = plugin {
        tracing::info!("answering Scope on unix:{} as {known_as}", bound.path().display(),);
        servers.spawn(serve::run(
            listener,
            plugin::handler(Arc::clone(&shared)),
            stopped.clone(),
        ));
        sockets.push(bound);
    }
    if let (Some((listener, bound)), Some(permitted)) = (buttons, permitted) {
        let words = permitted.controls.iter().map(|control| control.as_str());
        tracing::info!(
            "offering {} in the namespaces {} on unix:{}; whoever sees Scope's page can press them",
            words.collect::<Vec<_>>().join(", "),
            permitted
                .namespaces
                .iter()
                .cloned()
                .collect::<Vec<_>>()
                .join(", "),
            bound.path().display()
        );
        let controller = cluster::controller(sources).await?;
        servers.spawn(serve::run(
            listener,
            controls::handler(Arc::clone(&shared), controller, permitted),
            stopped.clone(),
        ));
        sockets.push(bound);
    }
    if let Some(listener) = metrics {
        let address = listener.local_addr().context("cannot tell the metrics address")?;
        tracing::info!("answering Prometheus on http://{address}/metrics");
        servers.spawn(serve::run(
            listener,
            exporter::handler(Arc::clone(&shared)),
            stopped,
        ));
    }

    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!("ending on {name}");
    // The sockets go first: Scope's probe drops a plugin whose socket is gone, and reports an error of one that does not answer.
    drop(sockets);
    if let Some(watching) = watching {
        watching.abort();
    }
    let _ = stop.send(true);
    while servers.join_next().await.is_some() {}
    Ok(())
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = StdTcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address} (is it taken? --listen gives another address)")
    })?;
    listener
        .set_nonblocking(true)
        .context("cannot use the listening socket")?;
    TcpListener::from_std(listener).context("cannot use the listening socket")
}

/// Buttons change things in the cluster, so they need one, and all of it.
fn controls_are_possible(sources: &SourceArguments) -> anyhow::Result<()> {
    let cluster = &sources.cluster;
    if !cluster.role.is_some_and(Role::sees_cluster) {
        bail!("--enable-controls is for --role cluster or --role all: a node knows its own claims alone");
    }
    if cluster.no_cluster || !cluster.from_dump.is_empty() {
        bail!("--enable-controls needs the Kubernetes API, not --no-cluster or --from-dump");
    }
    Ok(())
}

/// The plugin's socket. Where only rights are missing, that is said and the metrics are served alone.
fn bind_plugin(
    plugins: &Path,
    plugin_id: &'static str,
) -> anyhow::Result<Option<(LastingSocket, SocketOwner)>> {
    if plugins.as_os_str().is_empty() {
        tracing::info!("not answering Scope: --plugin-dir is empty");
        return Ok(None);
    }
    match LastingSocket::bind(plugins, plugin_id) {
        Ok(bound) => Ok(Some(bound)),
        Err(error) if error.is_permission() => {
            tracing::warn!("not answering Scope: {error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// One line for each source: what was found, or that it was not.
fn describe_sources(roots: &Roots, sample: &HostSample) {
    for source in check::sources(roots, sample) {
        match source.problem {
            None => tracing::info!("{}: {}", source.name, source.found),
            Some(problem) => tracing::warn!("{}: {problem}; without it: {}", source.name, source.cost),
        }
    }
    let unseen = sample
        .filesystems
        .iter()
        .filter(|filesystem| filesystem.usage.is_err())
        .count();
    if unseen > 0 {
        tracing::info!(
            "{FILESYSTEMS}: {unseen} of the node's {} cannot be asked from here",
            sample.filesystems.len()
        );
    }
}
