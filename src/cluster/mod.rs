//! What the Kubernetes API says: pods, claims, volumes, classes, attachments, nodes, snapshots, and what storage engines keep in it.
//!
//! One task watches; whoever asks is given the present [`Inventory`] at no cost. Two roles decide how much is watched:
//! a node's process follows the pods of its own node and reads their claims and volumes one by one; one process of the cluster
//! follows everything. While the API is away the last that was known stays, and the inventory says since when.

pub(crate) mod bounds;
pub mod connect;
pub mod convert;
mod discovery;
pub mod dump;
mod engine_object;
pub mod index;
pub(crate) mod list;
mod live;
mod lookup;
pub mod object;
mod pace;
pub(crate) mod pages;
pub(crate) mod problem;
pub mod secret;
#[cfg(test)]
mod tests;
mod transport;
mod unread;
mod watch;
mod watches;
pub mod wire;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use kube::runtime::watcher;
use kube::{Client, Config};

use self::bounds::Bounds;
use self::connect::ConnectError;
use self::engine_object::EngineKind;
use self::live::Shared;
use self::transport::Listening;
pub(crate) use self::watches::unix_now;
use crate::model::inventory::{Inventory, ResourceKind, Role};
use crate::model::snapshot::{
    ExternalSnapshot, ExternalSnapshotData, Snapshot, SnapshotClass, SnapshotContent,
};
use crate::model::workload::{Claim, Node, PersistentVolume, Pod, StorageClass, VolumeAttachment};

/// How the cluster is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How much of it.
    pub role: Role,
    /// The node, in the role of one; of who sees the whole cluster, the one that it runs on, where that is known.
    pub node: Option<String>,
    /// Whether lists are streamed (Kubernetes 1.27 and later); a server that cannot is listed in pages.
    pub streaming_lists: bool,
    /// How long an answer may take to begin; half as long again, until it is whole.
    pub patience: Duration,
    /// How long one watch lasts before it is taken up anew, in seconds. A connection that died in silence is noticed after it.
    pub watch_seconds: u32,
    /// Whether storage engines' own objects are read, in a role that sees the whole cluster.
    pub engines: bool,
    /// How often it is looked which engines there are.
    pub discovery: Duration,
    /// How long a bound claim that was looked up is taken as it was; its volume is for six times as long.
    pub reread: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            role: Role::Node,
            node: None,
            streaming_lists: false,
            patience: Duration::from_secs(60),
            watch_seconds: 290,
            engines: true,
            discovery: Duration::from_secs(30),
            reread: Duration::from_secs(600),
        }
    }
}

/// Objects in one page of a list. A page is held as text and as values at the same time.
const PAGE: u32 = 250;

/// The longest list, and the longest event of a watch. etcd takes objects of 1.5 MiB unless told otherwise; and the client holds what it
/// reads three times while it reads it, in a process that the manifests allow 64 MiB.
const LONGEST: usize = 12 << 20;

/// A reader of the inventory.
#[derive(Debug, Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

/// The work of watching: it never ends by itself, and stops when it is dropped.
pub type Watching = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Cluster {
    /// A reader, and the work that keeps it up to date, for one task.
    pub fn watch(config: Config, settings: &Settings) -> Result<(Self, Watching), ConnectError> {
        if settings.role == Role::Node && settings.node.is_none() {
            return Err(ConnectError::NoNode);
        }
        let shared = Arc::new(Shared::new(
            settings.role,
            settings.node.clone(),
            &kinds(settings),
            match settings.role {
                Role::Node => lookup::oldest(settings.reread),
                Role::Cluster | Role::All => Duration::ZERO,
            },
        ));
        let patience = settings.patience;
        let bounds = Bounds::new([patience, patience * 3 / 2], LONGEST);
        let listening = Listening {
            shared: Arc::clone(&shared),
        };
        let client = connect::builder(config)?
            .with_layer(&bounds)
            .with_layer(&listening)
            .build();
        let watching = match settings.role {
            Role::Node => node(client, settings, Arc::clone(&shared)),
            Role::Cluster | Role::All => whole(client, settings, Arc::clone(&shared)),
        };
        Ok((Self { shared }, watching))
    }

    /// A reader of what was known at one time and does not change.
    pub fn fixed(inventory: Inventory) -> Self {
        Self {
            shared: Arc::new(Shared::fixed(inventory)),
        }
    }

    /// What is known now. Equal versions are the same knowledge.
    pub fn inventory(&self) -> Arc<Inventory> {
        self.shared.live().inventory()
    }
}

/// The kinds that are read.
fn kinds(settings: &Settings) -> Vec<ResourceKind> {
    match settings.role {
        Role::Node => vec![
            ResourceKind::Pods,
            ResourceKind::Claims,
            ResourceKind::Volumes,
            ResourceKind::Classes,
        ],
        Role::Cluster | Role::All => {
            let engines = EngineKind::all().filter(|_| settings.engines);
            let engines = engines.map(|kind| ResourceKind::Engine(kind.resource));
            ResourceKind::ALL.into_iter().chain(engines).collect()
        }
    }
}

fn watch_config(settings: &Settings) -> watcher::Config {
    let config = watcher::Config::default()
        .page_size(PAGE)
        .timeout(settings.watch_seconds);
    if settings.streaming_lists {
        config.streaming_lists()
    } else {
        config
    }
}

fn node(client: Client, settings: &Settings, shared: Arc<Shared>) -> Watching {
    // Lists come from the API server's memory, as the kubelet's do: to find the pods of one node in etcd it would read every
    // pod of the cluster. Should that memory lag, the watch catches up with it. Such lists come whole; they are short.
    let mut config = watch_config(settings).any_semantic();
    config.page_size = None;
    let node = settings.node.as_deref().unwrap_or_default();
    let own = config.clone().fields(&format!("spec.nodeName={node}"));
    let patience = settings.patience;
    let pods = watch::follow_own::<Pod>(client.clone(), own, patience, Arc::clone(&shared));
    let classes = watch::follow_own::<StorageClass>(client.clone(), config, patience, Arc::clone(&shared));
    let named = lookup::follow(client, settings.reread, shared);
    Box::pin(async move {
        tokio::join!(pods, classes, named);
    })
}

fn whole(client: Client, settings: &Settings, shared: Arc<Shared>) -> Watching {
    let config = watch_config(settings);
    let patience = settings.patience;
    let follow = |begin: fn(Client, watcher::Config, Duration, Arc<Shared>) -> Watching| {
        begin(client.clone(), config.clone(), patience, Arc::clone(&shared))
    };
    let mut all: FuturesUnordered<Watching> = FuturesUnordered::from_iter([
        follow(watch::follow_own::<Pod>),
        follow(watch::follow_own::<Claim>),
        follow(watch::follow_own::<PersistentVolume>),
        follow(watch::follow_own::<StorageClass>),
        follow(watch::follow_own::<VolumeAttachment>),
        follow(watch::follow_own::<Node>),
        follow(watch::follow_own::<Snapshot>),
        follow(watch::follow_own::<SnapshotContent>),
        follow(watch::follow_own::<SnapshotClass>),
        follow(watch::follow_own::<ExternalSnapshot>),
        follow(watch::follow_own::<ExternalSnapshotData>),
    ]);
    if settings.engines {
        let pauses = [patience, settings.discovery];
        all.push(Box::pin(discovery::follow(client, config, pauses, shared)));
    }
    Box::pin(async move { while all.next().await.is_some() {} })
}
