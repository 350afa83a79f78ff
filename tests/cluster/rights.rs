//! The ClusterRoles that are shipped: nothing is missing in them, and nothing is too much.

use std::time::Duration;

use scope_storage_probe::backends::resources::Resources;
use scope_storage_probe::model::inventory::{ResourceKind, Role, WatchProblem, WatchState};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::support::api_server::{ApiServer, rights, shipped};
use super::support::metrics_server::MetricsServer;
use super::support::snapshot_definitions;
use super::{fill, settings, watch};

/// How long a reading may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn every_right_that_is_asked_for_is_needed() {
    let mut cases = Vec::new();
    for role in [Role::Node, Role::Cluster] {
        let rights = rights(&shipped(role));
        for left_out in 0..rights.len() {
            cases.push((role, rights.clone(), left_out));
        }
    }
    let users: Vec<String> = (0..cases.len()).map(|case| format!("user-{case}")).collect();
    let server = ApiServer::start(&users.iter().map(String::as_str).collect::<Vec<_>>());
    fill(&server).await;
    snapshot_definitions::install(&server).await;
    let _metrics = MetricsServer::install(&server).await;
    for ((role, rights, left_out), user) in cases.into_iter().zip(&users) {
        let (verb, group, resource) = rights[left_out].clone();
        let rules: Vec<Value> = rights
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != left_out)
            .map(|(_, (verb, group, resource))| {
                json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]})
            })
            .collect();
        server
            .grant(user, &json!({"metadata": {"name": user}, "rules": rules}))
            .await;
        if group == "metrics.k8s.io" {
            let source = Resources::new(server.config(user), Vec::new()).unwrap();
            let told = source.read(Instant::now() + PATIENCE).await.problem().unwrap();
            let rule = format!(
                "(a ClusterRole grants it by the rule {{apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [\"{verb}\"]}})"
            );
            assert!(
                told.starts_with(&format!("{resource}.{group}: ")) && told.ends_with(&rule),
                "{told}"
            );
            continue;
        }
        let watched = watch(server.config(user), &settings(role));
        let kind = ResourceKind::ALL
            .into_iter()
            .find(|kind| kind.resource() == resource && kind.group() == group)
            .unwrap();
        let what = format!("{verb} {resource} is missed in the role {role:?}");
        let inventory = watched
            .until(&what, |inventory| {
                let watch = inventory.watches.get(&kind);
                watch.and_then(WatchState::problem) == Some(WatchProblem::Forbidden)
            })
            .await;
        let rule = inventory.watches[&kind].error.clone().unwrap().rule.unwrap();
        assert!(rule.contains(&resource) && rule.contains(&verb), "{what}: {rule}");
    }
}
