//! How the API server is found, and as whom we speak to it.

use std::io::{IsTerminal as _, stderr, stdin};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use hyper::{Request, Response};
use kube::client::{Body, ClientBuilder, DynBody};
use kube::config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use thiserror::Error;
use tokio::sync::Semaphore;
use tower::{BoxError, Service};

use super::bounds::Bounds;
use super::problem::told;
use crate::lock::locked;
use crate::model::fault::with_causes;

/// Where the kubelet puts the credentials of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// How long a kubeconfig and what it names may take to be read, and its credential plugin to answer: somebody may have to say who he is.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many of them may hang at the same time, each with its thread.
static AT_ONCE: Semaphore = Semaphore::const_new(4);

/// Where to look for a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whereabouts {
    /// A kubeconfig file.
    pub kubeconfig: Option<PathBuf>,
    /// One of its contexts; else its current one.
    pub context: Option<String>,
}

/// Why there is no connection to an API server.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// Nothing names one.
    #[error(
        "no cluster in reach: not in a pod (KUBERNETES_SERVICE_HOST is not set), and neither --kubeconfig nor KUBECONFIG names a file"
    )]
    NoCluster,
    /// A kubeconfig is there and is of no use.
    #[error("kubeconfig {path}: {reason}")]
    Kubeconfig {
        /// The file, or where its name came from.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// In a pod, without credentials.
    #[error(
        "in a pod, but its service account cannot be used: {0} (is automountServiceAccountToken off? {SERVICE_ACCOUNT} must hold token and ca.crt)"
    )]
    ServiceAccount(String),
    /// The client cannot be made of what was found.
    #[error("cannot make a client for {url}: {reason}")]
    Client {
        /// The API server.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// Nobody knows what it waits for.
    #[error(
        "no way to the cluster within {} s: does the kubeconfig lie on a server that is gone, or its credential plugin hang?",
        PATIENCE.as_secs()
    )]
    Late,
    /// The role is that of a node, and nothing says of which.
    #[error("which node is this? --node-name or NODE_NAME says so")]
    NoNode,
}

/// How to reach the API server. The first that is there counts: `--kubeconfig`, `KUBECONFIG`, `~/.kube/config` where a context
/// is named, a pod's service account. A kubeconfig that happens to lie in somebody's home is no wish to watch that cluster.
///
/// A service account's token is read from its file again at least once a minute, so that it may be exchanged at any time.
pub async fn configuration(whereabouts: &Whereabouts) -> Result<Config, ConnectError> {
    let whereabouts = whereabouts.clone();
    // It has to wait for files alone, which it does where it stands.
    apart(move || {
        found(&whereabouts)
            .now_or_never()
            .unwrap_or(Err(ConnectError::Late))
    })
    .await
}

/// What this work comes to, in a minute at most, on a thread that nobody has to wait for at the end: it reads files, or makes a client, for
/// which the client's library runs a kubeconfig's credential plugin and waits for it.
pub async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ConnectError> + Send + 'static,
) -> Result<T, ConnectError> {
    let outcome = Arc::new(Mutex::new(None));
    let place = Arc::clone(&outcome);
    carried_out(Box::new(move || {
        let done = work();
        *locked(&place) = Some(done);
    }))
    .await;
    let done = locked(&outcome).take();
    done.unwrap_or(Err(ConnectError::Late))
}

async fn carried_out(work: Box<dyn FnOnce() + Send>) {
    let done = async {
        // What hangs keeps its place until it ends, whoever waits for it.
        let place = AT_ONCE.acquire().await;
        let work = tokio::task::spawn_blocking(move || {
            work();
            drop(place);
        });
        let _ = work.await;
    };
    let _ = tokio::time::timeout(PATIENCE, done).await;
}

async fn found(whereabouts: &Whereabouts) -> Result<Config, ConnectError> {
    if let Some(path) = &whereabouts.kubeconfig {
        let read = Kubeconfig::read_from(path);
        return from_kubeconfig(read, path.display().to_string(), whereabouts).await;
    }
    if let Ok(paths) = std::env::var("KUBECONFIG")
        && !paths.is_empty()
    {
        let read =
            Kubeconfig::from_env().and_then(|found| found.ok_or(kube::config::KubeconfigError::FindPath));
        return from_kubeconfig(read, format!("{paths} (KUBECONFIG)"), whereabouts).await;
    }
    if whereabouts.context.is_some() {
        let path = std::env::home_dir().unwrap_or_default().join(".kube/config");
        let read = Kubeconfig::read_from(&path);
        return from_kubeconfig(read, path.display().to_string(), whereabouts).await;
    }
    if in_pod() {
        return Config::incluster().map_err(|error| ConnectError::ServiceAccount(with_causes(&error)));
    }
    Err(ConnectError::NoCluster)
}

/// A client for single requests whose answers are read within these bounds. To be made [`apart`], as all clients.
pub(crate) fn bounded(config: Config, bounds: &Bounds) -> Result<Client, ConnectError> {
    Ok(builder(config)?.with_layer(bounds).build())
}

/// What a client is made of. It does not hide for up to an hour that it is told to come back later.
pub(super) fn builder(mut config: Config) -> Result<ClientBuilder<impl Answering>, ConnectError> {
    config.default_retry = false;
    let url = config.cluster_url.to_string();
    ClientBuilder::try_from(config).map_err(|error| ConnectError::Client {
        url,
        reason: told(&error),
    })
}

/// A service that can be made a client of.
pub(super) trait Answering:
    Service<
        Request<Body>,
        Response = Response<Box<DynBody>>,
        Error = BoxError,
        Future: Future<Output = Result<Response<Box<DynBody>>, BoxError>> + Send + 'static,
    > + Send
    + 'static
{
}

impl<S> Answering for S where
    S: Service<
            Request<Body>,
            Response = Response<Box<DynBody>>,
            Error = BoxError,
            Future: Future<Output = Result<Response<Box<DynBody>>, BoxError>> + Send + 'static,
        > + Send
        + 'static
{
}

/// True in a pod of a cluster.
pub fn in_pod() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

async fn from_kubeconfig(
    read: Result<Kubeconfig, kube::config::KubeconfigError>,
    path: String,
    whereabouts: &Whereabouts,
) -> Result<Config, ConnectError> {
    let options = KubeConfigOptions {
        context: whereabouts.context.clone(),
        ..KubeConfigOptions::default()
    };
    let made = match read {
        Ok(mut kubeconfig) => {
            let is_attended = stdin().is_terminal() && stderr().is_terminal();
            if !is_attended {
                ask_nobody(&mut kubeconfig);
            }
            Config::from_custom_kubeconfig(kubeconfig, &options).await
        }
        Err(error) => Err(error),
    };
    made.map_err(|error| ConnectError::Kubeconfig {
        path,
        reason: with_causes(&error),
    })
}

/// Tells credential plugins that nobody is there to be asked. One that may ask is given the program's own standard error, which is its log:
/// what it complains of, and a secret with it, would stand there, and go where logs go.
fn ask_nobody(kubeconfig: &mut Kubeconfig) {
    let users = kubeconfig.auth_infos.iter_mut();
    for user in users.filter_map(|user| user.auth_info.as_mut()) {
        if let Some(plugin) = &mut user.exec {
            plugin.interactive_mode = Some(ExecInteractiveMode::Never);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_credential_plugin_may_ask_where_nobody_is_there() {
        let mut kubeconfig = Kubeconfig::from_yaml(
            "
users:
- {name: asks, user: {exec: {command: a, interactiveMode: Always}}}
- {name: may ask, user: {exec: {command: b, interactiveMode: IfAvailable}}}
- {name: does not say, user: {exec: {command: c}}}
- {name: does not ask, user: {exec: {command: d, interactiveMode: Never}}}
- {name: has a token, user: {token: t}}
- {name: nobody}
",
        )
        .unwrap();
        ask_nobody(&mut kubeconfig);
        let users = kubeconfig.auth_infos.into_iter();
        let plugins = users.filter_map(|user| user.auth_info?.exec);
        let modes: Vec<_> = plugins.map(|plugin| plugin.interactive_mode).collect();
        assert_eq!(modes, [const { Some(ExecInteractiveMode::Never) }; 4]);
    }

    #[tokio::test]
    async fn a_kubeconfig_that_cannot_be_read_is_named_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        std::fs::write(&path, "users:\n- user: {token: hush}\n  name: [a\n").unwrap();
        let whereabouts = Whereabouts {
            kubeconfig: Some(path.clone()),
            context: None,
        };
        let said = configuration(&whereabouts).await.unwrap_err().to_string();
        assert!(
            said.starts_with(&format!("kubeconfig {}: ", path.display())),
            "{said}"
        );
        assert!(said.contains("line 3") && !said.contains("hush"), "{said}");
    }
}
