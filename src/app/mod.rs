//! Wiring: sources to state to sinks, and the order in which things start and end.

pub mod answers;
mod backends;
pub mod check;
mod cluster;
pub mod cluster_observer;
mod controls;
mod exporter;
mod fault_log;
mod landing;
pub mod log;
pub mod observer;
mod plugin;
pub mod pressed;
mod process;
mod refusals;
mod resources;
mod sources;

use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use self::answers::{Answers, Source};
use self::backends::{Backends, Selection, joined};
use self::cluster_observer::ClusterObserver;
use self::observer::Observer;
use crate::args::{ServeArguments, SourceArguments};
use crate::backends::Question;
use crate::cluster::Cluster;
use crate::host::Host;
use crate::host::filesystem::Patience;
use crate::host::roots::Roots;
use crate::lock::locked;
use crate::model::backend::BackendReadings;
use crate::model::cluster_map::ClusterMap;
use crate::model::control::Permitted;
use crate::model::host::{FILESYSTEMS, HostSample};
use crate::model::inventory::{Inventory, Role};
use crate::model::itself::{ReportFigures, SelfFigures};
use crate::render::prometheus::compression::PageCompressor;
use crate::render::scope::{CLUSTER_PLUGIN_ID, CONTROLS_PLUGIN_ID, PLUGIN_ID};
use crate::serve;
use crate::serve::Handler;
use crate::serve::lasting::{LastingSocket, SocketOwner};
use crate::serve::web::WebConfiguration;

/// What the answers of both sockets share.
#[derive(Debug)]
pub struct Shared {
    source: Mutex<Source>,
    backends: Backends,
    reports: Mutex<ReportFigures>,
    compressor: OnceLock<Mutex<PageCompressor>>,
    /// Held by the request whose turn it is to have a page made.
    pages: tokio::sync::Mutex<()>,
}

impl Shared {
    fn observe(&self, deadline: Instant) -> Answers {
        locked(&self.source).observe(deadline)
    }

    fn cluster_map(&self) -> Option<Arc<ClusterMap>> {
        locked(&self.source).cluster_map()
    }

    fn reports(&self) -> MutexGuard<'_, ReportFigures> {
        locked(&self.reports)
    }

    /// Made when the first page is to be compressed.
    fn compressor(&self) -> MutexGuard<'_, PageCompressor> {
        locked(self.compressor.get_or_init(Mutex::default))
    }
}

fn observer(sources: &SourceArguments, cluster: Option<Cluster>, patience: Patience) -> Observer {
    let host = Host::with_patience(sources.roots(), patience);
    Observer::new(host, sources.host_id()).with_cluster(cluster)
}

/// Whether this machine's kernel is asked, or the cluster alone. A dump is of another place, unless it is said which node this is.
fn sees_this_machine(sources: &SourceArguments) -> bool {
    if sources.cluster.is_tenant() {
        return false;
    }
    match sources.cluster.role {
        Some(Role::Node | Role::All) => true,
        Some(Role::Cluster) => false,
        None => sources.cluster.from_dump.is_empty(),
    }
}

fn source(sources: &SourceArguments, cluster: Option<Cluster>, patience: Patience) -> anyhow::Result<Source> {
    if sources.cluster.is_tenant() {
        return Ok(Source::Tenant(sources.cluster.namespace.clone().into()));
    }
    if sees_this_machine(sources) {
        return Ok(Source::Node(Box::new(observer(sources, cluster, patience))));
    }
    // Backends can be read from anywhere, and without a cluster.
    let without = sources.cluster.no_cluster && sources.backends.any();
    let cluster = cluster.or_else(|| {
        without.then(|| {
            Cluster::fixed(Inventory {
                role: Role::Cluster,
                ..Inventory::default()
            })
        })
    });
    let cluster = cluster.context(
        "there is no cluster to tell of (--kubeconfig names a way to one, --from-dump a file in its place)",
    )?;
    Ok(Source::Cluster(ClusterObserver::new(cluster)))
}

/// How long a command that prints once waits for the cluster and for backends.
const PATIENCE_ONCE: Duration = Duration::from_secs(10);

/// Two readings so many seconds apart, or one where that is 0: what the commands that print once write.
pub async fn observe_once(sources: &SourceArguments, interval: f64) -> anyhow::Result<Answers> {
    if sources.cluster.is_tenant() {
        let inventory = resources::inventory(sources, PATIENCE_ONCE).await?;
        let mut observer = ClusterObserver::new(Cluster::fixed(inventory));
        return Ok(Answers::Cluster(Arc::new(observer.observe())));
    }
    observe(sources, cluster::once(sources).await?, interval)
}

/// The same, and what of the backends is shown to Scope: what a report is made of.
pub async fn observe_report_once(
    sources: &SourceArguments,
    interval: f64,
) -> anyhow::Result<(Answers, BackendReadings)> {
    if sources.cluster.is_tenant() {
        return Ok((observe_once(sources, interval).await?, BackendReadings::default()));
    }
    observe_with_backends(sources, interval, &Selection::InScope).await
}

/// The same, and what all backends say: what a metrics page is made of.
pub async fn observe_page_once(
    sources: &SourceArguments,
    interval: f64,
) -> anyhow::Result<(Answers, BackendReadings)> {
    observe_with_backends(sources, interval, &Selection::All).await
}

async fn observe_with_backends(
    sources: &SourceArguments,
    interval: f64,
    wanted: &Selection,
) -> anyhow::Result<(Answers, BackendReadings)> {
    let cluster = if sources.cluster.is_tenant() {
        None
    } else {
        cluster::once(sources).await?
    };
    let backends = Backends::configured(sources, cluster.as_ref()).await?;
    let question = Question::of_a_command(tokio::time::Instant::now() + PATIENCE_ONCE);
    let readings = backends.collect(wanted, question).await;
    let answers = observe(sources, cluster, interval)?;
    let readings = joined(readings, answers.cluster_map().map(|map| &**map));
    Ok((answers, readings))
}

fn observe(sources: &SourceArguments, cluster: Option<Cluster>, interval: f64) -> anyhow::Result<Answers> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let mut source = source(sources, cluster, Patience::OF_A_COMMAND)?;
    let mut answers = source.observe(Instant::now() + PATIENCE);
    if interval > 0.0 && matches!(answers, Answers::Node(_)) {
        std::thread::sleep(Duration::from_secs_f64(interval));
        answers = source.observe(Instant::now() + PATIENCE);
    }
    Ok(answers)
}

/// The figures of this process, for a page that is printed once.
pub fn self_figures() -> SelfFigures {
    SelfFigures {
        reports: ReportFigures::default(),
        process: process::figures(),
    }
}

/// `serve`: answers until SIGTERM or SIGINT.
pub async fn serve(sources: &SourceArguments, arguments: &ServeArguments) -> anyhow::Result<()> {
    // Signals first: one that comes while the sockets are being made must find them removed again.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut told_to_end = pin!(async {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    });
    // A way to the cluster may be long, and lead through a program that somebody else wrote.
    let running = tokio::select! {
        running = start(sources, arguments) => running?,
        name = &mut told_to_end => {
            tracing::info!("ending on {name}");
            return Ok(());
        }
    };
    let name = told_to_end.await;
    tracing::info!("ending on {name}");
    running.end().await;
    Ok(())
}

/// All that answers.
struct Running {
    sockets: Vec<SocketOwner>,
    watching: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    servers: JoinSet<()>,
}

impl Running {
    async fn end(mut self) {
        // The sockets go first: Scope's probe drops a plugin whose socket is gone, and reports an error of one that does not answer.
        drop(self.sockets);
        if let Some(watching) = self.watching {
            watching.abort();
        }
        let _ = self.stop.send(true);
        while self.servers.join_next().await.is_some() {}
    }
}

/// Begins to answer. Where it is not waited for any more, its sockets are removed.
async fn start(sources: &SourceArguments, arguments: &ServeArguments) -> anyhow::Result<Running> {
    arguments.fits(sources)?;
    let plugin_id = if sees_this_machine(sources) {
        PLUGIN_ID
    } else {
        CLUSTER_PLUGIN_ID
    };
    let permitted = arguments.controls.permitted();
    let plugin = if sources.cluster.is_tenant() {
        tracing::info!(
            "not answering Scope: who sees some namespaces alone has no host and no volume to show"
        );
        None
    } else {
        bind_plugin(&arguments.scope.plugin_dir, plugin_id)?
    };
    let buttons = match &permitted {
        Some(_) => bind_plugin(&arguments.scope.plugin_dir, CONTROLS_PLUGIN_ID)?,
        None => None,
    };
    let metrics = arguments.listen.0.map(listen).transpose()?;
    let web = match &arguments.web_config_file {
        Some(path) => Some(WebConfiguration::read(path).await.map_err(anyhow::Error::msg)?),
        None => None,
    };
    if plugin.is_none() && metrics.is_none() {
        bail!("nothing to serve: neither the plugin's socket nor a metrics address could be had");
    }

    let (cluster, watching) = if sources.cluster.is_tenant() {
        (None, None)
    } else {
        cluster::connect(sources).await?.unzip()
    };
    let backends = Backends::configured(sources, cluster.as_ref()).await?;
    let watching = watching.flatten().map(tokio::spawn);
    let shared = Arc::new(Shared {
        source: Mutex::new(source(sources, cluster, Patience::OF_A_SERVER)?),
        backends,
        reports: Mutex::default(),
        compressor: OnceLock::new(),
        pages: tokio::sync::Mutex::default(),
    });
    let known_as = match shared.observe(Instant::now() + Duration::from_secs(1)) {
        Answers::Node(observation) => {
            describe_sources(&sources.roots(), &observation.state.sample);
            format!("host {}", observation.state.host_id)
        }
        Answers::Cluster(_) | Answers::Tenant(_) => "the cluster's plugin".to_owned(),
    };

    let (stop, stopped) = watch::channel(false);
    let mut servers = JoinSet::new();
    let mut sockets = Vec::new();
    if let Some((listener, bound)) = plugin {
        tracing::info!("answering Scope on unix:{} as {known_as}", bound.path().display(),);
        servers.spawn(serve::run(
            listener,
            plugin::handler(Arc::clone(&shared)),
            None,
            stopped.clone(),
        ));
        sockets.push(bound);
    }
    if let (Some((listener, bound)), Some(permitted)) = (buttons, permitted) {
        let handler = buttons_handler(sources, Arc::clone(&shared), permitted, bound.path()).await?;
        servers.spawn(serve::run(listener, handler, None, stopped.clone()));
        sockets.push(bound);
    }
    if let Some(listener) = metrics {
        let address = listener.local_addr().context("cannot tell the metrics address")?;
        let handler = exporter::handler(Arc::clone(&shared));
        let (scheme, handler) = match &web {
            Some(web) if web.speaks_tls() => ("https", web.guarded(handler)),
            Some(web) => ("http", web.guarded(handler)),
            None => ("http", handler),
        };
        tracing::info!("answering Prometheus on {scheme}://{address}/metrics");
        servers.spawn(serve::run(listener, handler, web, stopped));
    }
    Ok(Running {
        sockets,
        watching,
        stop,
        servers,
    })
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    serve::listen::listen(address)
        .with_context(|| format!("cannot listen on {address} (is it taken? --listen gives another address)"))
}

/// The answers of the plugin that has the buttons.
async fn buttons_handler(
    sources: &SourceArguments,
    shared: Arc<Shared>,
    permitted: Permitted,
    socket: &Path,
) -> anyhow::Result<Handler> {
    let words: Vec<&str> = permitted
        .controls
        .iter()
        .map(|control| control.as_str())
        .collect();
    let namespaces: Vec<&str> = permitted.namespaces.iter().map(String::as_str).collect();
    tracing::info!(
        "offering {} in the namespaces {} on unix:{}; whoever sees Scope's page can press them",
        words.join(", "),
        namespaces.join(", "),
        socket.display()
    );
    let controller = cluster::controller(sources).await?;
    Ok(controls::handler(shared, controller, permitted))
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
    for source in sources::of_a_node(roots, sample) {
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
