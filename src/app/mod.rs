//! Wiring: sources to state to sinks, and the order in which things start and end.

pub mod check;
mod cluster;
mod exporter;
pub mod observer;
mod plugin;
mod process;

use std::net::TcpListener as StdTcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use self::observer::{Observation, Observer};
use crate::args::{ServeArguments, SourceArguments};
use crate::cluster::Cluster;
use crate::host::Host;
use crate::host::roots::Roots;
use crate::model::host::{FILESYSTEMS, HostSample};
use crate::render::prometheus::compression::PageCompressor;
use crate::render::prometheus::itself::ReportFigures;
use crate::render::scope::PLUGIN_ID;
use crate::serve;
use crate::serve::socket::PluginSocket;

/// What the answers of both sockets share.
#[derive(Debug)]
pub struct Shared {
    observer: Mutex<Observer>,
    reports: Mutex<ReportFigures>,
    compressor: OnceLock<Mutex<PageCompressor>>,
}

impl Shared {
    fn observe(&self, deadline: Instant) -> Arc<Observation> {
        locked(&self.observer).observe(deadline)
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

/// Two readings so many seconds apart, or one where that is 0: what the commands that print once write.
pub async fn observe_once(sources: &SourceArguments, interval: f64) -> anyhow::Result<Arc<Observation>> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let cluster = cluster::once(sources).await?;
    let mut observer = observer(sources, cluster);
    let mut observation = observer.observe(Instant::now() + PATIENCE);
    if interval > 0.0 {
        std::thread::sleep(Duration::from_secs_f64(interval));
        observation = observer.observe(Instant::now() + PATIENCE);
    }
    Ok(observation)
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

    let plugin = bind_plugin(&arguments.plugin_dir)?;
    let metrics = match arguments.listen.0 {
        Some(address) => {
            let listener = StdTcpListener::bind(address).with_context(|| {
                format!("cannot listen on {address} (is it taken? --listen gives another address)")
            })?;
            listener
                .set_nonblocking(true)
                .context("cannot use the listening socket")?;
            Some(TcpListener::from_std(listener).context("cannot use the listening socket")?)
        }
        None => None,
    };
    if plugin.is_none() && metrics.is_none() {
        bail!("nothing to serve: neither the plugin's socket nor a metrics address could be had");
    }

    let (cluster, watching) = cluster::connect(sources).await?.unzip();
    let watching = watching.flatten().map(tokio::spawn);
    let shared = Arc::new(Shared {
        observer: Mutex::new(observer(sources, cluster)),
        reports: Mutex::default(),
        compressor: OnceLock::new(),
    });
    let first = shared.observe(Instant::now() + Duration::from_secs(1));
    describe_sources(&sources.roots(), &first.state.sample);

    let (stop, stopped) = watch::channel(false);
    let mut servers = tokio::task::JoinSet::new();
    let mut socket = None;
    if let Some((listener, bound)) = plugin {
        tracing::info!(
            "answering Scope on unix:{} as host {}",
            bound.path().display(),
            first.state.host_id
        );
        servers.spawn(serve::run(
            listener,
            plugin::handler(Arc::clone(&shared)),
            stopped.clone(),
        ));
        socket = Some(bound);
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
    drop(first);

    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!("ending on {name}");
    // The socket goes first: Scope's probe drops a plugin whose socket is gone, and reports an error of one that does not answer.
    drop(socket);
    if let Some(watching) = watching {
        watching.abort();
    }
    let _ = stop.send(true);
    while servers.join_next().await.is_some() {}
    Ok(())
}

/// The plugin's socket. Where only rights are missing, that is said and the metrics are served alone.
fn bind_plugin(plugins: &Path) -> anyhow::Result<Option<(UnixListener, PluginSocket)>> {
    if plugins.as_os_str().is_empty() {
        tracing::info!("not answering Scope: --plugin-dir is empty");
        return Ok(None);
    }
    match PluginSocket::bind(plugins, PLUGIN_ID) {
        Ok((listener, socket)) => {
            listener
                .set_nonblocking(true)
                .context("cannot use the plugin's socket")?;
            Ok(Some((
                UnixListener::from_std(listener).context("cannot use the plugin's socket")?,
                socket,
            )))
        }
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
