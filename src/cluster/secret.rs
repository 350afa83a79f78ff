//! One Secret, read when its content is needed, and not kept.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::ByteString;
use kube::Config;
use serde::Deserialize;

use super::bounds::Bounds;
use super::connect::{self, Whereabouts, configuration};
use super::problem;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer: a Secret has 1 MiB at most, a third more in base64.
const LONGEST: usize = 2 << 20;

/// Of a Secret what is used.
#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    data: BTreeMap<String, ByteString>,
}

/// The entries of a Secret; of the namespace that the configuration names where none is given. An error says which right is missing.
pub async fn read(
    whereabouts: &Whereabouts,
    namespace: Option<&str>,
    name: &str,
) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let told = |reason: String| format!("cannot read the Secret {name}: {reason}");
    let config: Config = configuration(whereabouts)
        .await
        .map_err(|error| told(error.to_string()))?;
    let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
    let bounds = Bounds::new([PATIENCE; 2], LONGEST);
    let client = connect::apart(move || connect::bounded(config, &bounds))
        .await
        .map_err(|error| told(error.to_string()))?;
    let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
    let request = hyper::Request::get(path)
        .body(Vec::new())
        .map_err(|error| told(error.to_string()))?;
    match client.request::<Wire>(request).await {
        Ok(secret) => Ok(secret
            .data
            .into_iter()
            .map(|(key, value)| (key, value.0))
            .collect()),
        Err(kube::Error::Api(status)) if status.code == 403 => Err(told(format!(
            "not allowed (get on secrets, for the name {name}, in namespace {namespace})"
        ))),
        Err(kube::Error::Api(status)) if status.code == 404 => Err(told(format!(
            "there is none of that name in namespace {namespace}"
        ))),
        // What the client could not understand may be the Secret's content.
        Err(kube::Error::SerdeError(_)) => Err(told("the API server's answer is none".to_owned())),
        Err(error) => Err(told(problem::told(&error))),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test]
    async fn while_a_credential_plugin_takes_its_time_nobody_else_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kubeconfig");
        let config = serde_json::json!({
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"exec": {
                "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
                "command": "sh", "args": ["-c", "sleep 1; exit 7"],
            }}}],
        });
        std::fs::write(&path, config.to_string()).unwrap();
        let whereabouts = Whereabouts {
            kubeconfig: Some(path),
            context: None,
        };
        let begun = Instant::now();
        let others = async {
            sleep(Duration::from_millis(10)).await;
            begun.elapsed()
        };
        let (outcome, others) = tokio::join!(read(&whereabouts, None, "powerflex"), others);
        let said = outcome.unwrap_err();
        assert!(
            said.contains("credential plugin failed (exit status: 7)"),
            "{said}"
        );
        assert!(others < Duration::from_millis(900), "{others:?}");
    }
}
