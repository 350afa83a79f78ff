//! Which cluster is read, if any, and as what.

use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::Instant;

use crate::args::SourceArguments;
use crate::cluster::connect::{self, ConnectError};
use crate::cluster::{Cluster, Settings, Watching, dump};
use crate::control::Controller;
use crate::model::inventory::Role;

/// The cluster's reader, with the work of watching it; that of a dump has none. `None` where there is no cluster.
///
/// A wish that cannot be met is an error. A cluster that merely cannot be had costs what it would say: the log says so.
pub(super) async fn connect(
    sources: &SourceArguments,
) -> anyhow::Result<Option<(Cluster, Option<Watching>)>> {
    let arguments = &sources.cluster;
    if arguments.no_cluster {
        return Ok(None);
    }
    if !arguments.from_dump.is_empty() {
        return from_dump(sources).map(|cluster| Some((cluster, None)));
    }
    match watch(sources).await {
        Ok((cluster, watching)) => Ok(Some((cluster, Some(watching)))),
        Err(error @ ConnectError::NoCluster) if arguments.role.is_none() => {
            tracing::info!("{error}");
            Ok(None)
        }
        Err(error) if arguments.kubeconfig.is_some() || arguments.context.is_some() => bail!(error),
        Err(error) => {
            tracing::warn!("not reading the cluster: {error}");
            Ok(None)
        }
    }
}

/// The cluster's reader once everything is known, or after a while.
pub(super) async fn once(sources: &SourceArguments) -> anyhow::Result<Option<Cluster>> {
    let Some((cluster, watching)) = connect(sources).await? else {
        return Ok(None);
    };
    if let Some(watching) = watching {
        listen(&cluster, watching).await;
    }
    Ok(Some(cluster))
}

/// Watches until everything is known, or something stands in the way of all that is not, or a while has passed.
pub(super) async fn listen(cluster: &Cluster, watching: Watching) {
    let deadline = Instant::now() + super::PATIENCE_ONCE;
    let known = async {
        loop {
            let inventory = cluster.inventory();
            let settled = inventory
                .watches
                .values()
                .all(|watch| watch.synced || watch.error.is_some());
            if settled && inventory.unanswered.is_empty() || Instant::now() >= deadline {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = watching => {}
        () = known => {}
    }
}

/// Begins to watch.
pub(super) async fn watch(sources: &SourceArguments) -> Result<(Cluster, Watching), ConnectError> {
    let arguments = &sources.cluster;
    let config = connect::configuration(&arguments.whereabouts()).await?;
    let url = config.cluster_url.clone();
    let role = arguments.role.unwrap_or_default();
    let settings = Settings {
        role,
        // Who sees the whole cluster beside a machine has to know which of its nodes that is.
        node: (role != Role::Cluster).then(|| node_name(sources)).flatten(),
        streaming_lists: arguments.streaming_lists,
        engines: !arguments.no_engines,
        ..Settings::default()
    };
    let node = settings.node.clone();
    let watched = connect::apart(move || Cluster::watch(config, &settings)).await?;
    match (role, node) {
        (Role::Node, Some(node)) => tracing::info!("reading the pods of node {node} from {url}"),
        (_, Some(node)) => {
            tracing::info!("reading the whole cluster from {url}, and as its node {node} this machine");
        }
        (_, None) => tracing::info!("reading the whole cluster from {url}"),
    }
    Ok(watched)
}

/// Who carries out what is pressed in Scope's page, as whom the cluster is read.
pub(super) async fn controller(sources: &SourceArguments) -> anyhow::Result<Controller> {
    let config = connect::configuration(&sources.cluster.whereabouts())
        .await
        .context("the buttons have no cluster to act on")?;
    Ok(connect::apart(move || Controller::new(config)).await?)
}

fn from_dump(sources: &SourceArguments) -> anyhow::Result<Cluster> {
    let arguments = &sources.cluster;
    let mut inventory = dump::read(&arguments.from_dump)?;
    match (arguments.role, arguments.node_name()) {
        (Some(Role::Node), Some(node)) => inventory = dump::of_node(inventory, &node),
        (Some(Role::Node), None) => bail!(ConnectError::NoNode),
        (Some(Role::Cluster), _) => inventory.role = Role::Cluster,
        (Some(Role::All) | None, _) => {
            inventory.role = Role::All;
            inventory.node = node_name(sources);
        }
    }
    if arguments.no_engines {
        inventory.engines.clear();
        inventory.watches.retain(|kind, _| !kind.is_engines());
    }
    tracing::info!(
        "{} pods, {} claims and {} volumes from {}, in the Kubernetes API's place",
        inventory.pods.len(),
        inventory.claims.len(),
        inventory.volumes.len(),
        arguments.from_dump[0].display()
    );
    Ok(Cluster::fixed(inventory))
}

/// The node's name in the cluster. In a pod the host name is the pod's, and so no guess.
fn node_name(sources: &SourceArguments) -> Option<String> {
    let own = || {
        let name = std::fs::read_to_string(sources.roots().proc.join("sys/kernel/hostname")).ok()?;
        let name = name.trim().to_lowercase();
        (!name.is_empty() && !connect::in_pod()).then_some(name)
    };
    sources.cluster.node_name().or_else(own)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Arguments;

    #[test]
    fn who_sees_the_whole_cluster_beside_a_machine_knows_which_node_that_is() {
        let node = |role: &str| {
            let dump = concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/fixtures/clusters/every-volume.yaml"
            );
            let arguments = [
                "scope-storage-probe",
                "tree",
                "--role",
                role,
                "--node-name",
                "node",
                "--from-dump",
                dump,
            ];
            let sources = Arguments::parse_from(arguments).sources;
            from_dump(&sources).unwrap().inventory().node.clone()
        };
        assert_eq!(node("node").as_deref(), Some("node"));
        assert_eq!(node("all").as_deref(), Some("node"));
        assert_eq!(node("cluster"), None);
    }
}
