//! Files that say where an API server is, and as whom it is asked.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// An address at which nothing answers.
pub const NOWHERE: &str = "127.0.0.1:1";

/// A kubeconfig of one context: this cluster, and this user.
pub fn kubeconfig(cluster: &Value, user: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    })
}

/// The same as a file in this folder, of a server at this address that speaks plain HTTP.
pub fn kubeconfig_file(folder: &Path, address: impl Display, user: &Value) -> PathBuf {
    let path = folder.join("kubeconfig");
    let cluster = json!({"server": format!("http://{address}")});
    fs::write(&path, kubeconfig(&cluster, user).to_string()).unwrap();
    path
}
