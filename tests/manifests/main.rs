//! What is shipped for Kubernetes: a real API server takes it, the accounts have the rights that their programs need and no
//! others, and no pod has more than it was shown to need.
//!
//! Run by `cargo test --test manifests -- --ignored`; the first run builds the API server and fetches kubectl.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod buttons;
mod chart;
mod network;
mod pods;
mod rights;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::api_server::ApiServer;
use support::kubernetes_tools::{kustomized, objects, run, tool};

const NAMESPACE: &str = "scope-storage-probe";
/// That of the overlay for tenants, which each of them changes.
const TENANTS_NAMESPACE: &str = "my-namespace";

fn overlays() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/overlays");
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    assert!(found.len() >= 6, "overlays are missing: {found:?}");
    found
}

fn overlay(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("manifests/overlays")
        .join(name)
}

/// The kinds of other projects that the manifests use, as far as they need to be known here: by name.
fn foreign_kinds() -> String {
    let definition = |group: &str, kind: &str, plural: &str, scope: &str, version: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {
                "group": group, "scope": scope,
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
                "versions": [{"name": version, "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                }}}],
            },
        })
    };
    let operator = "monitoring.coreos.com";
    json!({"apiVersion": "v1", "kind": "List", "items": [
        definition(operator, "PodMonitor", "podmonitors", "Namespaced", "v1"),
        definition(operator, "PrometheusRule", "prometheusrules", "Namespaced", "v1"),
        definition("security.openshift.io", "SecurityContextConstraints", "securitycontextconstraints", "Cluster", "v1"),
    ]})
    .to_string()
}

/// `kubectl ARGUMENTS`, as the administrator.
fn kubectl(server: &ApiServer, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new(tool("kubectl"));
    command.arg("--kubeconfig").arg(server.kubeconfig("admin"));
    run(command.args(arguments), input)
}

/// An API server that knows the foreign kinds and has the namespace.
fn prepared() -> ApiServer {
    let server = ApiServer::start(&[]);
    kubectl(&server, &["apply", "-f", "-"], &foreign_kinds()).unwrap();
    kubectl(
        &server,
        &[
            "wait",
            "--for=condition=Established",
            "crd",
            "--all",
            "--timeout=60s",
        ],
        "",
    )
    .unwrap();
    for namespace in [NAMESPACE, TENANTS_NAMESPACE] {
        kubectl(&server, &["create", "namespace", namespace], "").unwrap();
    }
    server
}

fn takes(server: &ApiServer, manifest: &str) -> Result<String, String> {
    kubectl(
        server,
        &["apply", "--dry-run=server", "--validate=strict", "-f", "-"],
        manifest,
    )
}

#[test]
#[ignore = "needs an API server: cargo test --test manifests -- --ignored"]
fn a_real_api_server_takes_every_overlay() {
    let server = prepared();
    for overlay in overlays() {
        let manifest = kustomized(&overlay);
        let said = takes(&server, &manifest).unwrap_or_else(|said| panic!("{}: {said}", overlay.display()));
        assert_eq!(said.lines().count(), objects(&manifest).len(), "{said}");
    }
    // And it does refuse what is wrong.
    let wrong = kustomized(&overlay("without-scope"))
        .replace("mountPropagation: HostToContainer", "mountPropagation: Hither");
    assert!(takes(&server, &wrong).is_err_and(|said| said.contains("mountPropagation")));
    let misspelt =
        kustomized(&overlay("without-scope")).replace("readOnlyRootFilesystem:", "readonlyRootFilesystem:");
    assert!(takes(&server, &misspelt).is_err_and(|said| said.contains("readonlyRootFilesystem")));
}

#[test]
#[ignore = "needs an API server: cargo test --test manifests -- --ignored"]
fn scope_itself_is_set_up_to_find_the_plugins() {
    let server = prepared();
    kubectl(&server, &["create", "namespace", "scope"], "").unwrap();
    let manifest = kustomized(&Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/scope"));
    let said = takes(&server, &manifest).unwrap_or_else(|said| panic!("{said}"));
    assert_eq!(said.lines().count(), objects(&manifest).len(), "{said}");

    let pod = |manifest: &str, name: &str| {
        let made = objects(manifest)
            .into_iter()
            .find(|object| object["metadata"]["name"] == name && object["spec"]["template"].is_object());
        made.unwrap()["spec"]["template"]["spec"].clone()
    };
    let folder = |pod: &Value, mount: &str| {
        let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap().iter();
        let mounted = mounts
            .clone()
            .find(|mounted| mounted["mountPath"] == mount)
            .unwrap();
        let volumes = pod["volumes"].as_array().unwrap().iter();
        let volume = volumes.clone().find(|volume| volume["name"] == mounted["name"]);
        volume.unwrap()["hostPath"].clone()
    };
    let plugins = "/var/run/scope/plugins";
    let probe = pod(&manifest, "scope-probe");
    let ours = kustomized(&overlay("with-scope"));
    for name in ["scope-storage-probe-node", "scope-storage-probe-cluster"] {
        assert_eq!(
            folder(&pod(&ours, name), plugins),
            folder(&probe, plugins),
            "{name}"
        );
    }
    let told = |pod: &Value, variable: &str| {
        let settings = pod["containers"][0]["env"].as_array().unwrap().iter();
        let setting = settings.clone().find(|setting| setting["name"] == variable);
        setting.unwrap()["valueFrom"].clone()
    };
    assert_eq!(
        told(&probe, "SCOPE_HOSTNAME")["fieldRef"]["fieldPath"],
        told(&pod(&ours, "scope-storage-probe-node"), "STORAGE_PROBE_HOST_ID")["fieldRef"]["fieldPath"],
        "both must call the host the same"
    );
}

/// What the chart makes with these settings.
fn chart(settings: &[&str]) -> Result<String, String> {
    let mut command = Command::new(tool("helm"));
    command.args(["template", NAMESPACE, "chart", "--namespace", NAMESPACE]);
    command.args(settings.iter().flat_map(|setting| ["--set", setting]));
    run(&mut command, "")
}

/// The chart's settings for who has namespaces and nothing else.
const TENANT_ALONE: &str = "tenant.enabled=true,node.enabled=false,cluster.enabled=false";

/// All that is shipped: what it is called, and the objects.
fn shipped() -> Vec<(String, String)> {
    let overlays = overlays().into_iter();
    let mut all: Vec<(String, String)> = overlays
        .map(|overlay| (overlay.display().to_string(), kustomized(&overlay)))
        .collect();
    all.push(("chart".into(), chart(&[]).unwrap()));
    all.push(("chart, tenant".into(), chart(&[TENANT_ALONE]).unwrap()));
    all.push((
        "chart, with-scope".into(),
        chart(&["scope.enabled=true"]).unwrap(),
    ));
    all
}

/// The pods that a manifest makes: the name of what makes them, and their specification.
fn pods(manifest: &str) -> Vec<(String, Value)> {
    let made: Vec<(String, Value)> = objects(manifest)
        .into_iter()
        .filter(|object| object["kind"] == "DaemonSet" || object["kind"] == "Deployment")
        .map(|object| {
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            (name, object["spec"]["template"]["spec"].clone())
        })
        .collect();
    let tenants = manifest.contains("name: scope-storage-probe-tenant");
    assert_eq!(made.len(), if tenants { 1 } else { 2 }, "{manifest}");
    made
}

fn setting<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    let mut settings = container["env"].as_array().unwrap().iter();
    settings.find(|setting| setting["name"] == name)?["value"].as_str()
}
