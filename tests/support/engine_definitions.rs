//! The definitions of storage engines' objects, cut down to their names: groups, versions and scopes are the engines' own.

use hyper::Method;
use scope_storage_probe::engine;
use scope_storage_probe::model::replica::EngineResource;
use serde_json::{Value, json};

use super::api_server::ApiServer;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Which versions the API server serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// All that are known here.
    All,
    /// The first that there ever was.
    Oldest,
}

/// All kinds but those that every API server has.
pub fn resources() -> impl Iterator<Item = &'static EngineResource> {
    engine::resources()
        .map(|(_, resource)| resource)
        .filter(|resource| resource.group != "apps")
}

/// True for what lives in a namespace.
pub fn is_namespaced(resource: &EngineResource) -> bool {
    resource.kind != "LogicalVolume"
}

/// The version in which an object of a kind is made.
pub fn version(resource: &EngineResource, versions: Versions) -> &'static str {
    match versions {
        Versions::All => resource.versions[0],
        Versions::Oldest => resource.versions[resource.versions.len() - 1],
    }
}

fn definition(resource: &EngineResource, versions: Versions) -> Value {
    let served: Vec<Value> = resource
        .versions
        .iter()
        .filter(|name| versions == Versions::All || **name == version(resource, versions))
        .map(|name| {
            json!({"name": name, "served": true, "storage": *name == version(resource, versions), "schema": {
                "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}})
        })
        .collect();
    json!({
        "metadata": {"name": resource.name},
        "spec": {
            "group": resource.group, "scope": if is_namespaced(resource) { "Namespaced" } else { "Cluster" },
            "names": {"plural": resource.resource, "singular": resource.kind.to_lowercase(), "kind": resource.kind},
            "versions": served,
        },
    })
}

/// Makes them all, and waits until the API server serves them.
pub async fn install(server: &ApiServer, versions: Versions) {
    for resource in resources() {
        server.create(DEFINITIONS, &definition(resource, versions)).await;
    }
    for resource in resources() {
        let version = version(resource, versions);
        let path = format!("/apis/{}/{version}", resource.group);
        let mut is_there = false;
        for _ in 0..600 {
            let groups = server.ask(Method::GET, "/apis", None).await;
            let has_version = groups["groups"].as_array().unwrap().iter().any(|group| {
                let versions = group["versions"].as_array().unwrap();
                group["name"] == resource.group && versions.iter().any(|known| known["version"] == version)
            });
            if has_version {
                let kinds = server.ask(Method::GET, &path, None).await;
                let kinds = kinds["resources"].as_array().unwrap();
                is_there = kinds.iter().any(|kind| kind["name"] == resource.resource);
            }
            if is_there {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert!(
            is_there,
            "the API server does not serve {} {version}",
            resource.name
        );
    }
}

/// Deletes them all, and with them every object.
pub async fn remove(server: &ApiServer) {
    for resource in resources() {
        server.delete(&format!("{DEFINITIONS}/{}", resource.name)).await;
    }
}
