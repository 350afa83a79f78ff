//! What is shipped for Kubernetes: a real API server takes it, the accounts have the rights that their programs need and no
//! others, and no pod has more than it was shown to need.
//!
//! Run by `cargo test --test manifests -- --ignored`; the first run builds the API server and fetches kubectl.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::CommandFactory as _;
use scope_storage_probe::args::Arguments;
use scope_storage_probe::model::control::Control;
use serde_json::{Value, json};
use support::api_server::{self, ApiServer, Right, rights};
use support::backend::powerflex_up;
use support::kubernetes_tools::{kustomized, objects, run, tool};
use support::powerflex_gateway::{self, Gateway, Mood};
use support::server::{PROGRAM, Server, program};
use support::{expect_that, within};

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

/// A kubeconfig with a token of this service account.
fn account(server: &ApiServer, folder: &Path, namespace: &str, name: &str) -> PathBuf {
    let token = kubectl(server, &["-n", namespace, "create", "token", name], "").unwrap();
    let admin = std::fs::read_to_string(server.kubeconfig("admin")).unwrap();
    let mut config: Value = serde_json::from_str(&admin).unwrap();
    config["users"][0]["user"]["token"] = token.trim().into();
    let path = folder.join(name);
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

#[test]
#[ignore = "needs an API server: cargo test --test manifests -- --ignored"]
fn the_accounts_can_do_what_their_programs_do_and_nothing_else() {
    let server = prepared();
    kubectl(
        &server,
        &["apply", "-f", "-"],
        &kustomized(&overlay("without-scope")),
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    for role in ["node", "cluster"] {
        let config = account(
            &server,
            folder.path(),
            NAMESPACE,
            &format!("scope-storage-probe-{role}"),
        );
        let mut command = program(PROGRAM);
        command
            .env("STORAGE_PROBE_ROLE", role)
            .env("STORAGE_PROBE_NODE_NAME", "w1");
        let config = config.to_str().unwrap();
        let plugins = folder.path().join(format!("plugins-{role}"));
        let probe = Server::launch(
            command,
            &plugins,
            &["--listen", "127.0.0.1:0", "--kubeconfig", config],
        );
        within(Duration::from_secs(30), || {
            let page = probe.page();
            let watches = page.samples().iter();
            let synced: Vec<f64> = watches
                .filter(|sample| sample.name == "storage_probe_kubernetes_watch_synced")
                .map(|sample| sample.value)
                .collect();
            expect_that(
                !synced.is_empty() && synced.iter().all(|value| *value > 0.5),
                format!("{role} does not hear of all kinds: {synced:?}"),
            )
        });

        let may = |verb: &str, resource: &str| {
            // `pods/exec` would be taken for a pod called exec.
            let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
            let mut command = Command::new(tool("kubectl"));
            command.args([
                "--kubeconfig",
                config,
                "auth",
                "can-i",
                verb,
                resource,
                "--all-namespaces",
            ]);
            run(command.arg(format!("--subresource={part}")), "").is_ok()
        };
        assert!(may("list", "pods"), "{role}");
        assert_eq!(may("list", "deployments.apps"), role == "cluster", "{role}");
        assert_eq!(may("list", "persistentvolumes"), role == "cluster", "{role}");
        assert_eq!(
            may("watch", "persistentvolumeclaims"),
            role == "cluster",
            "{role}"
        );
        for verb in ["get", "list", "watch"] {
            for resource in ["secrets", "configmaps", "nodes/proxy", "pods/log"] {
                assert!(!may(verb, resource), "{role} may {verb} {resource}");
            }
        }
        assert!(
            !may("create", "pods/exec") && !may("create", "pods/eviction"),
            "{role}"
        );
        for verb in ["create", "update", "patch", "delete"] {
            for resource in ["pods", "persistentvolumeclaims", "persistentvolumes"] {
                assert!(!may(verb, resource), "{role} may {verb} {resource}");
            }
        }
    }
}

#[test]
#[ignore = "needs an API server: cargo test --test manifests -- --ignored"]
fn powerflex_has_its_secret_and_no_other() {
    let server = prepared();
    let manifest = kustomized(&overlay("powerflex"));
    kubectl(&server, &["apply", "-f", "-"], &manifest).unwrap();
    let secret = |name: &str, password: &str| {
        let authority = std::fs::read_to_string(powerflex_gateway::authority()).unwrap();
        let secret = json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"namespace": NAMESPACE, "name": name},
            "stringData": {"username": powerflex_gateway::USER, "password": password, "ca.crt": authority}});
        kubectl(&server, &["apply", "-f", "-"], &secret.to_string()).unwrap();
    };
    let gateway = Gateway::start(Mood::default());
    let folder = tempfile::tempdir().unwrap();
    let config = account(&server, folder.path(), NAMESPACE, "scope-storage-probe-cluster");
    // What is shipped, at the gateway of this test; of the namespace, since a kubeconfig names none.
    let shipped = std::fs::read_to_string(overlay("powerflex").join("powerflex.yaml")).unwrap();
    let systems = shipped.replace("https://powerflex.example", &gateway.url());
    assert_ne!(systems, shipped);
    let further = format!("  secret_namespace: {NAMESPACE}\n");
    let file = folder.path().join("powerflex.yaml");
    std::fs::write(&file, systems + &further).unwrap();
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--role",
        "cluster",
        "--kubeconfig",
        config.to_str().unwrap(),
        "--powerflex",
        file.to_str().unwrap(),
    ];
    let probe = Server::launch(program(PROGRAM), &folder.path().join("plugins"), &arguments);
    let is_up = |wanted: f64| {
        within(Duration::from_secs(30), || {
            let up = powerflex_up(&probe.page(), "powerflex");
            expect_that(up == Some(wanted), format!("{up:?}: {:?}", probe.log()))
        });
    };
    is_up(0.0);
    probe.soon_logged("there is none of that name in namespace scope-storage-probe");
    secret("powerflex", powerflex_gateway::PASSWORD);
    is_up(1.0);
    // The password is exchanged, in both places; then the token runs out.
    gateway.change(|mood| mood.password = "new-and-better".to_owned());
    gateway.expire();
    is_up(0.0);
    probe.soon_logged("refused the user monitor");
    secret("powerflex", "new-and-better");
    is_up(1.0);

    // No other Secret of the namespace, and no list of them.
    secret("another", "hush");
    let may = |verb: &str, what: &[&str]| {
        let mut command = Command::new(tool("kubectl"));
        command.args(["--kubeconfig", config.to_str().unwrap(), "-n", NAMESPACE, verb]);
        run(command.args(what), "")
    };
    assert!(may("get", &["secret", "powerflex"]).is_ok());
    for (verb, what) in [
        ("get", &["secret", "another"][..]),
        ("get", &["secrets"]),
        ("delete", &["secret", "powerflex"]),
    ] {
        let said = may(verb, what).unwrap_err();
        assert!(said.contains("forbidden"), "{verb} {what:?}: {said}");
    }
    std::fs::write(
        &file,
        shipped
            .replace("https://powerflex.example", &gateway.url())
            .replace("secret: powerflex", "secret: another")
            + &further,
    )
    .unwrap();
    let check = support::server::run(&[
        "check",
        "--plugin-dir",
        "",
        "--role",
        "cluster",
        "--kubeconfig",
        config.to_str().unwrap(),
        "--powerflex",
        file.to_str().unwrap(),
    ]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(
        said.contains("not allowed (get on secrets, for the name another"),
        "{said}"
    );
}

#[test]
#[ignore = "needs an API server: cargo test --test manifests -- --ignored"]
fn a_tenant_has_rights_in_its_namespace_and_nowhere_else() {
    let manifest = kustomized(&overlay("tenant"));
    for object in objects(&manifest) {
        assert_eq!(object["metadata"]["namespace"], TENANTS_NAMESPACE, "{object}");
        let kind = object["kind"].as_str().unwrap();
        assert!(!kind.starts_with("Cluster"), "{kind}");
    }
    let server = prepared();
    kubectl(&server, &["apply", "-f", "-"], &manifest).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = account(
        &server,
        folder.path(),
        TENANTS_NAMESPACE,
        "scope-storage-probe-tenant",
    );
    let config = config.to_str().unwrap();
    let may = |verb: &str, resource: &str, namespace: &[&str]| {
        let mut command = Command::new(tool("kubectl"));
        command.args(["--kubeconfig", config, "auth", "can-i", verb, resource]);
        run(command.args(namespace), "").is_ok()
    };
    let own = ["-n", TENANTS_NAMESPACE];
    for resource in [
        "pods",
        "persistentvolumeclaims",
        "endpointslices.discovery.k8s.io",
    ] {
        assert!(may("list", resource, &own), "{resource}");
        for elsewhere in [&["-n", NAMESPACE][..], &["--all-namespaces"]] {
            assert!(!may("list", resource, elsewhere), "{resource} {elsewhere:?}");
        }
        for verb in ["get", "watch", "create", "update", "patch", "delete"] {
            assert!(!may(verb, resource, &own), "{verb} {resource}");
        }
    }
    for resource in [
        "nodes",
        "persistentvolumes",
        "storageclasses",
        "secrets",
        "configmaps",
    ] {
        assert!(!may("list", resource, &own), "{resource}");
    }
    // And the program needs no more: all of its lists are read, but for that of which the cluster has none.
    let checked = program(PROGRAM)
        .args(["check", "--namespace", TENANTS_NAMESPACE, "--kubeconfig", config])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(lines.len(), 4, "{said}");
    for (line, read) in lines.iter().zip([true, true, true, false]) {
        assert_eq!(line.starts_with("ok "), read, "{said}");
    }
    assert!(
        lines[3].contains("the API server does not have pods.metrics.k8s.io"),
        "{said}"
    );
}

#[test]
#[ignore = "needs an API server: cargo test --test manifests -- --ignored"]
fn the_chart_gives_a_tenant_rights_in_the_named_namespaces_and_makes_nothing_elsewhere() {
    let named = ["default", TENANTS_NAMESPACE];
    let namespaces = format!("tenant.namespaces={{{}}}", named.join(","));
    let everything_of_its_own = ["podMonitor", "prometheusRule", "dashboards"]
        .map(|part| format!("{part}.enabled=true"))
        .join(",");
    let manifest = chart(&[TENANT_ALONE, &namespaces, &everything_of_its_own]).unwrap();
    let mut rights: Vec<(String, String)> = Vec::new();
    for object in objects(&manifest) {
        let kind = object["kind"].as_str().unwrap().to_owned();
        let namespace = object["metadata"]["namespace"]
            .as_str()
            .unwrap_or_else(|| panic!("in no namespace: {object}"))
            .to_owned();
        assert_ne!(kind, "DaemonSet");
        if kind.starts_with("Role") {
            rights.push((kind, namespace));
        } else {
            assert_eq!(namespace, NAMESPACE, "{object}");
        }
    }
    rights.sort();
    let mut wanted: Vec<(String, String)> = named
        .iter()
        .flat_map(|namespace| ["Role", "RoleBinding"].map(|kind| (kind.to_owned(), (*namespace).to_owned())))
        .collect();
    wanted.sort();
    assert_eq!(rights, wanted);

    let server = prepared();
    kubectl(&server, &["apply", "-f", "-"], &manifest).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = account(&server, folder.path(), NAMESPACE, "scope-storage-probe-tenant");
    let config = config.to_str().unwrap();
    let may_list_pods = |namespace: &str| {
        let mut command = Command::new(tool("kubectl"));
        let asked = ["auth", "can-i", "list", "pods", "-n", namespace];
        run(command.args(["--kubeconfig", config]).args(asked), "").is_ok()
    };
    for (namespace, expected) in [
        (named[0], true),
        (named[1], true),
        (NAMESPACE, false),
        ("kube-system", false),
    ] {
        assert_eq!(may_list_pods(namespace), expected, "{namespace}");
    }
    // And the program can do with it all that it would.
    let checked = program(PROGRAM)
        .args(["check", "--kubeconfig", config, "--namespace", &named.join(",")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}");
    let lists: Vec<&str> = said
        .lines()
        .filter(|line| !line.starts_with(' ') && !line.contains("metrics.k8s.io"))
        .collect();
    assert_eq!(lists.len(), 3 * named.len(), "{said}");
    assert!(lists.iter().all(|line| line.starts_with("ok ")), "{said}");
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

/// Every switch of the chart, away from its default.
const SWITCHES: [&str; 23] = [
    "seccompProfile=scope-storage-probe.json",
    "web.secret=web",
    "web.secret=web,web.clientCertificates=true,tenant.enabled=true",
    "podMonitor.enabled=true,web.secret=web,podMonitor.endpoint.authorization.credentials.name=scrape",
    "powerflex.systems[0].url=https://gateway.example,powerflex.systems[0].secret=powerflex",
    "scope.enabled=true",
    "scope.enabled=true,controls.enabled={create-snapshot,describe},controls.namespaces={default,kube-system}",
    "tenant.enabled=true",
    "tenant.enabled=true,tenant.namespaces={default,kube-system}",
    "node.enabled=false",
    "cluster.enabled=false",
    "rbac.create=false",
    "engines.enabled=false",
    "serviceAccount.create=false",
    "networkPolicy.enabled=false",
    "networkPolicy.apiServerCIDRs={10.0.0.1/32,fd00::/8},networkPolicy.fromNamespaces={monitoring}",
    "podMonitor.enabled=true",
    "prometheusRule.enabled=true",
    "dashboards.enabled=true",
    "openshift.securityContextConstraints=true",
    "priorityClassName=system-cluster-critical",
    "node.seLinuxType=spc_t",
    "kubeletRoot=/var/lib/k0s/kubelet",
];

#[test]
#[ignore = "needs an API server: cargo test --test manifests -- --ignored"]
fn a_real_api_server_takes_the_chart_with_every_switch() {
    let server = prepared();
    let all: Vec<&str> = SWITCHES
        .into_iter()
        .filter(|switch| !switch.ends_with("=false"))
        .collect();
    let mut choices: Vec<Vec<&str>> = SWITCHES.iter().map(|switch| vec![*switch]).collect();
    choices.extend(SWITCHES.iter().map(|switch| [&all[..], &[*switch]].concat()));
    choices.push(Vec::new());
    choices.push(SWITCHES.to_vec());
    choices.extend(SWITCHES.iter().map(|switch| vec![*switch, TENANT_ALONE]));
    choices.push(vec![
        "image.pullSecrets[0].name=secret",
        "node.podAnnotations.a=b",
        "cluster.podLabels.a=b",
        "node.extraEnv[0].name=STORAGE_PROBE_LOG_LEVEL",
        "node.extraEnv[0].value=debug",
        "serviceAccount.annotations.a=b",
        "podMonitor.enabled=true",
        "podMonitor.labels.release=prometheus",
    ]);
    for choice in choices {
        let manifest = chart(&choice).unwrap_or_else(|said| panic!("{choice:?}: {said}"));
        let said = takes(&server, &manifest).unwrap_or_else(|said| panic!("{choice:?}: {said}"));
        assert_eq!(
            said.lines().count(),
            objects(&manifest).len(),
            "{choice:?}: {said}"
        );
    }
}

#[test]
#[ignore = "needs helm: cargo test --test manifests -- --ignored"]
fn the_chart_refuses_what_it_does_not_know() {
    run(Command::new(tool("helm")).args(["lint", "--strict", "chart"]), "")
        .unwrap_or_else(|said| panic!("{said}"));
    for (wrong, told) in [
        ("nodes.enabled=true", "nodes"),
        ("image.digest=sha256:short", "digest"),
        ("kubeletRoot=var/lib/kubelet", "kubeletRoot"),
        ("podMonitor.interval=often", "interval"),
        ("podMonitor.endpoint.params.a=b", "endpoint"),
        ("web.password=hush", "web"),
        ("seccompProfile=/etc/profile.json", "seccompProfile"),
        ("networkPolicy.apiServerCIDRs={10.0.0.1}", "apiServerCIDRs"),
        ("networkPolicy.fromNamespaces={All}", "fromNamespaces"),
        ("tenant.namespaces={Shop}", "tenant.namespaces"),
        ("tenant.namespace=shop", "tenant"),
        ("powerflex.systems[0].password=hush", "password"),
        (
            "controls.enabled={format-disk},controls.namespaces={shop}",
            "controls.enabled",
        ),
        (
            "controls.enabled={delete}",
            "controls.namespaces names the namespaces",
        ),
    ] {
        let said = chart(&[wrong]).expect_err(wrong);
        assert!(said.contains(told), "{wrong}: {said}");
    }
}

#[test]
#[ignore = "needs kubectl and helm: cargo test --test manifests -- --ignored"]
fn the_chart_makes_what_the_manifests_make() {
    let buttons =
        "controls.enabled={create-snapshot,clone,restore,delete,describe},controls.namespaces={default}";
    for (overlay_name, settings) in [
        ("k3s", &[][..]),
        ("k0s", &["kubeletRoot=/var/lib/k0s/kubelet"]),
        ("controls", &["scope.enabled=true", buttons]),
        ("seccomp", &["seccompProfile=scope-storage-probe.json"]),
        ("with-passwords", &["web.secret=scope-storage-probe-web"]),
        ("tenant", &[TENANT_ALONE]),
        (
            "microk8s",
            &["kubeletRoot=/var/snap/microk8s/common/var/lib/kubelet"],
        ),
        ("openshift", &["openshift.securityContextConstraints=true"]),
        ("without-engines", &["engines.enabled=false"]),
        ("with-scope", &["scope.enabled=true"]),
    ] {
        let plain = pods(&kustomized(&overlay(overlay_name)));
        let charted = pods(&chart(settings).unwrap());
        for (name, ours) in &plain {
            let (_, theirs) = charted.iter().find(|(other, _)| other == name).unwrap();
            let mut theirs = theirs.clone();
            // The chart says it, the manifests leave it to the API server.
            theirs["containers"][0]
                .as_object_mut()
                .unwrap()
                .remove("imagePullPolicy");
            assert_eq!(sorted(&theirs), sorted(ours), "{overlay_name}: {name}");
        }
    }
}

/// What each button needs beside what the cluster role reads anyway: verb, group, resource.
const BUTTONS: [(Control, &[[&str; 3]]); 5] = [
    (
        Control::CreateSnapshot,
        &[
            ["create", "snapshot.storage.k8s.io", "volumesnapshots"],
            ["create", "", "events"],
        ],
    ),
    (
        Control::Clone,
        &[["create", "", "persistentvolumeclaims"], ["create", "", "events"]],
    ),
    (
        Control::Restore,
        &[["create", "", "persistentvolumeclaims"], ["create", "", "events"]],
    ),
    (
        Control::Delete,
        &[
            ["delete", "snapshot.storage.k8s.io", "volumesnapshots"],
            ["create", "", "events"],
        ],
    ),
    (Control::Describe, &[["list", "", "events"]]),
];

/// The rights that these buttons need together.
fn needed(buttons: &[Control]) -> BTreeSet<Right> {
    let of = BUTTONS.iter().filter(|(button, _)| buttons.contains(button));
    of.flat_map(|(_, rights)| rights.iter())
        .map(|[verb, group, resource]| ((*verb).to_owned(), (*group).to_owned(), (*resource).to_owned()))
        .collect()
}

#[test]
fn the_role_of_buttons_has_one_rule_for_each_right_that_a_button_needs() {
    let role = api_server::manifest("components/controls/cluster-role-controls.yaml");
    let given = BTreeSet::from_iter(rights(&role));
    assert_eq!(given, needed(&Control::ALL));
    assert_eq!(
        role["rules"].as_array().unwrap().len(),
        given.len(),
        "a rule of several rights cannot be taken out with its button"
    );
}

#[test]
#[ignore = "needs helm: cargo test --test manifests -- --ignored"]
fn each_button_brings_its_own_rights_and_no_others() {
    // All that can be done with the chart's roles, whatever they are called and wherever they are bound.
    let all_rights = |settings: &[&str]| -> BTreeSet<(String, Right)> {
        let roles = objects(&chart(settings).unwrap()).into_iter();
        roles
            .filter(|object| object["kind"] == "ClusterRole" || object["kind"] == "Role")
            .flat_map(|role| {
                let name = role["metadata"]["name"].as_str().unwrap().to_owned();
                rights(&role).into_iter().map(move |right| (name.clone(), right))
            })
            .collect()
    };
    let without = all_rights(&["scope.enabled=true"]);
    for subset in 1..1_u32 << Control::ALL.len() {
        let buttons: Vec<Control> = Control::ALL
            .into_iter()
            .enumerate()
            .filter(|(at, _)| subset & (1 << at) != 0)
            .map(|(_, button)| button)
            .collect();
        let words: Vec<&str> = buttons.iter().map(|button| button.as_str()).collect();
        let words = words.join(",");
        let enabled = format!("controls.enabled={{{words}}},controls.namespaces={{shop}}");
        let with = all_rights(&["scope.enabled=true", &enabled]);
        let brought: BTreeSet<(String, Right)> = with.difference(&without).cloned().collect();
        let wanted: BTreeSet<(String, Right)> = needed(&buttons)
            .into_iter()
            .map(|right| ("scope-storage-probe-controls".to_owned(), right))
            .collect();
        assert_eq!(brought, wanted, "{words}");
    }
}

#[test]
#[ignore = "needs kubectl: cargo test --test manifests -- --ignored"]
fn an_overlay_leaves_a_button_out_with_its_rights_as_the_component_says() {
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/components/controls");
    let told = std::fs::read_to_string(component.join("kustomization.yaml")).unwrap();
    let patches: Vec<&str> = told
        .lines()
        .skip_while(|line| *line != "#   patches:")
        .map_while(|line| line.strip_prefix("#   "))
        .collect();
    // kubectl takes no absolute path.
    let folder = tempfile::tempdir().unwrap();
    let up = "../".repeat(folder.path().canonicalize().unwrap().components().count() - 1);
    let whole = overlay("controls").canonicalize().unwrap();
    let made = format!(
        "resources: [{up}{}]\n{}\n",
        whole.strip_prefix("/").unwrap().display(),
        patches.join("\n")
    );
    std::fs::write(folder.path().join("kustomization.yaml"), made).unwrap();
    let manifest = kustomized(folder.path());

    let left = [
        Control::CreateSnapshot,
        Control::Clone,
        Control::Restore,
        Control::Describe,
    ];
    let role = objects(&manifest).into_iter().find(|object| {
        object["kind"] == "ClusterRole" && object["metadata"]["name"] == "scope-storage-probe-controls"
    });
    assert_eq!(BTreeSet::from_iter(rights(&role.unwrap())), needed(&left));
    let pods = pods(&manifest);
    let (_, pod) = pods.iter().find(|(name, _)| name.ends_with("-cluster")).unwrap();
    assert_eq!(
        setting(&pod["containers"][0], "STORAGE_PROBE_ENABLE_CONTROLS"),
        Some(&*left.map(Control::as_str).join(","))
    );
}

/// A way that a policy opens: protocol, port, and to or from where; `null` is anywhere.
type Way = (String, u64, String);

/// Where the API server may be.
const API_SERVER: [(&str, u64); 3] = [("TCP", 443), ("TCP", 6443), ("TCP", 16443)];
/// Where PowerFlex gateways may be, and the name service that knows them.
const GATEWAYS: [(&str, u64); 4] = [("UDP", 53), ("TCP", 53), ("TCP", 443), ("TCP", 8443)];

fn ways(ports: &[(&str, u64)], place: &Value) -> BTreeSet<Way> {
    let ports = ports.iter();
    ports
        .map(|(protocol, port)| ((*protocol).to_owned(), *port, place.to_string()))
        .collect()
}

/// For what makes each pod: its name, and the ways in and out that the policies which select the pod open together.
fn ways_of_pods(manifest: &str) -> Vec<(String, BTreeSet<Way>, BTreeSet<Way>)> {
    let objects = objects(manifest);
    let policies: Vec<&Value> = objects
        .iter()
        .filter(|object| object["kind"] == "NetworkPolicy")
        .collect();
    let opened = |policies: &[&&Value], direction: &str, place: &str| -> BTreeSet<Way> {
        let name = if direction == "Ingress" {
            "ingress"
        } else {
            "egress"
        };
        let closed = policies.iter().any(|policy| {
            let types = policy["spec"]["policyTypes"].as_array().unwrap();
            types.contains(&json!(direction))
        });
        assert!(closed, "no policy closes what it does not open: {direction}");
        let rules = policies
            .iter()
            .flat_map(|policy| policy["spec"][name].as_array().into_iter().flatten());
        rules
            .flat_map(|rule| {
                let ports = rule["ports"].as_array().expect("every port is opened");
                ports.iter().map(|port| {
                    (
                        port["protocol"].as_str().unwrap().to_owned(),
                        port["port"].as_u64().unwrap(),
                        rule[place].to_string(),
                    )
                })
            })
            .collect()
    };
    let pods = objects
        .iter()
        .filter(|object| object["spec"]["template"].is_object());
    let of_all: Vec<_> = pods
        .map(|made| {
            let labels = &made["spec"]["template"]["metadata"]["labels"];
            let selecting: Vec<&&Value> = policies
                .iter()
                .filter(|policy| {
                    let selected = policy["spec"]["podSelector"]["matchLabels"].as_object().unwrap();
                    policy["metadata"]["namespace"] == made["metadata"]["namespace"]
                        && selected.iter().all(|(label, value)| labels[label] == *value)
                })
                .collect();
            (
                made["metadata"]["name"].as_str().unwrap().to_owned(),
                opened(&selecting, "Ingress", "from"),
                opened(&selecting, "Egress", "to"),
            )
        })
        .collect();
    assert!(!of_all.is_empty(), "no pod is made: {manifest}");
    of_all
}

#[test]
#[ignore = "needs kubectl and helm: cargo test --test manifests -- --ignored"]
fn every_pod_is_behind_a_policy_of_its_page_and_the_api_servers_ports() {
    for (source, manifest) in shipped() {
        for (name, comes_in, goes_out) in ways_of_pods(&manifest) {
            let page: BTreeSet<u64> = comes_in.iter().map(|(_, port, _)| *port).collect();
            assert_eq!(page, [9753].into(), "{source}: {name}");
            let mut wanted = ways(&API_SERVER, &Value::Null);
            if source.ends_with("powerflex") && name.ends_with("-cluster") {
                wanted.extend(ways(&GATEWAYS, &Value::Null));
            }
            assert_eq!(goes_out, wanted, "{source}: {name}");
        }
    }
}

#[test]
#[ignore = "needs helm: cargo test --test manifests -- --ignored"]
fn gateways_are_reached_by_the_clusters_pod_alone() {
    let system = "powerflex.systems[0].url=https://gateway.example,powerflex.systems[0].secret=powerflex";
    let narrowed = "networkPolicy.apiServerCIDRs={10.0.0.1/32}";
    let manifest = chart(&[system, narrowed, "powerflex.ports={9443}", "tenant.enabled=true"]).unwrap();
    let api_server = ways(&API_SERVER, &json!([{"ipBlock": {"cidr": "10.0.0.1/32"}}]));
    let pods = ways_of_pods(&manifest);
    assert_eq!(pods.len(), 3);
    for (name, _, goes_out) in pods {
        let mut wanted = api_server.clone();
        if name.ends_with("-cluster") {
            wanted.extend(ways(&[("UDP", 53), ("TCP", 53), ("TCP", 9443)], &Value::Null));
        }
        assert_eq!(goes_out, wanted, "{name}");
    }
    // By default on the ports on which the overlay has them.
    for (name, _, goes_out) in ways_of_pods(&chart(&[system]).unwrap()) {
        let wanted = ways(&GATEWAYS, &Value::Null);
        assert_eq!(
            goes_out.is_superset(&wanted),
            name.ends_with("-cluster"),
            "{name}"
        );
    }
}

#[test]
#[ignore = "needs kubectl and helm: cargo test --test manifests -- --ignored"]
fn a_tenants_page_is_open_to_its_own_namespace_and_a_named_one() {
    let named = |selector: &Value| json!([{"podSelector": {}}, {"namespaceSelector": selector}]);
    let overlay = kustomized(&overlay("tenant"));
    let own = named(&json!({"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}));
    let charted = chart(&[TENANT_ALONE, "networkPolicy.fromNamespaces={monitoring}"]).unwrap();
    let charts = named(&json!({"matchExpressions": [
        {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["monitoring"]},
    ]}));
    for (manifest, from) in [(overlay, own), (charted, charts)] {
        for (name, comes_in, _) in ways_of_pods(&manifest) {
            assert_eq!(comes_in, ways(&[("TCP", 9753)], &from), "{name}");
        }
    }
}

#[test]
#[ignore = "needs kubectl and helm: cargo test --test manifests -- --ignored"]
fn the_chart_is_scraped_as_the_manifests_are() {
    let endpoints = |manifest: &str| -> BTreeMap<String, Value> {
        let monitors = objects(manifest)
            .into_iter()
            .filter(|object| object["kind"] == "PodMonitor");
        let named = monitors.map(|object| {
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            (name, object["spec"]["podMetricsEndpoints"].clone())
        });
        named.collect()
    };
    let plain = endpoints(&kustomized(&overlay("without-scope")));
    assert_eq!(plain.len(), 2);
    assert_eq!(endpoints(&chart(&["podMonitor.enabled=true"]).unwrap()), plain);
    for (name, endpoints) in plain {
        // A pod's address is another after each restart.
        let mut relabelings = endpoints[0]["relabelings"].as_array().unwrap().iter();
        assert!(
            relabelings.any(|relabeling| relabeling["targetLabel"] == "instance"),
            "{name} calls its series by the pod"
        );
    }
}

#[test]
#[ignore = "needs kubectl and helm: cargo test --test manifests -- --ignored"]
fn openshift_admits_the_volumes_and_profiles_of_every_pod() {
    let openshift = "openshift.securityContextConstraints=true,tenant.enabled=true";
    let powerflex = "powerflex.systems[0].url=https://gateway.example,powerflex.systems[0].secret=powerflex";
    let mut made = vec![kustomized(&overlay("openshift"))];
    for further in [
        "rbac.create=true",
        powerflex,
        "web.secret=web",
        "scope.enabled=true",
        "seccompProfile=other.json",
    ] {
        made.push(chart(&[openshift, further]).unwrap());
    }
    // What the components add to the overlay's pods.
    let constraints = |manifest: &str| -> Vec<Value> {
        let objects = objects(manifest).into_iter();
        objects
            .filter(|object| object["kind"] == "SecurityContextConstraints")
            .collect()
    };
    let shipped = constraints(&made[0]);
    let mut judged: Vec<(Vec<Value>, Value)> = Vec::new();
    for manifest in &made {
        let of_it = constraints(manifest);
        for object in objects(manifest) {
            let pod = &object["spec"]["template"]["spec"];
            if pod.is_object() {
                judged.push((of_it.clone(), pod.clone()));
            }
        }
    }
    for component in ["powerflex", "seccomp", "with-passwords", "with-scope"] {
        for (_, pod) in pods(&kustomized(&overlay(component))) {
            judged.push((shipped.clone(), pod));
        }
    }
    for (constraints, pod) in judged {
        let account = pod["serviceAccountName"].as_str().unwrap();
        let user = format!("system:serviceaccount:{NAMESPACE}:{account}");
        let constraint = constraints
            .iter()
            .find(|constraint| constraint["users"].as_array().unwrap().contains(&json!(user)))
            .unwrap_or_else(|| panic!("{account} may use none"));
        let profile = match pod["securityContext"]["seccompProfile"]["localhostProfile"].as_str() {
            Some(profile) => format!("localhost/{profile}"),
            None => "runtime/default".to_owned(),
        };
        let profiles = constraint["seccompProfiles"].as_array().unwrap();
        assert!(profiles.contains(&json!(profile)), "{account}: {profile}");
        let admitted = constraint["volumes"].as_array().unwrap();
        // Beside them the API server adds the token.
        let volumes = pod["volumes"].as_array().into_iter().flatten();
        let sorts = volumes.flat_map(|volume| volume.as_object().unwrap().keys());
        for sort in sorts.map(String::as_str).chain(["projected"]) {
            assert!(
                sort == "name" || admitted.contains(&json!(sort)),
                "{account}: {sort}"
            );
        }
    }
}

/// Lists whose order means nothing, in one order.
fn sorted(pod: &Value) -> Value {
    let mut pod = pod.clone();
    let by_name = |list: &mut Value| {
        if let Some(list) = list.as_array_mut() {
            list.sort_by_key(|entry| entry["name"].to_string());
        }
    };
    by_name(&mut pod["volumes"]);
    by_name(&mut pod["containers"][0]["env"]);
    by_name(&mut pod["containers"][0]["volumeMounts"]);
    pod
}

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

/// What the program reads of the kubelet's folder. Beside these lie the node's key and the sockets of drivers.
const KUBELETS_FOLDERS: [&str; 2] = ["pods", "plugins/kubernetes.io/csi/volumeDevices"];

/// The program's user, which nothing else on a node has: not nobody.
const OWN_USER: u64 = 65527;

#[test]
fn the_program_has_one_user_of_its_own_wherever_it_is_started() {
    let user = |file: &str, before: &str| -> BTreeSet<String> {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let lines = text.lines().map(str::trim);
        let found = lines.filter_map(|line| line.strip_prefix(before));
        found.map(|user| user.trim_matches('"').to_owned()).collect()
    };
    let with_group = format!("{OWN_USER}:{OWN_USER}");
    assert_eq!(user("image/Containerfile", "USER "), [with_group.clone()].into());
    assert_eq!(user("examples/compose.yaml", "user: "), [with_group].into());
    for file in [
        "manifests/base/daemon-set.yaml",
        "manifests/base/deployment.yaml",
        "manifests/overlays/tenant/deployment.yaml",
    ] {
        assert_eq!(user(file, "runAsUser: "), [OWN_USER.to_string()].into(), "{file}");
    }
    assert_eq!(
        user("chart/templates/_names.tpl", "runAsUser: "),
        // With Scope it is root.
        ["0".to_owned(), OWN_USER.to_string()].into()
    );
}

#[test]
#[ignore = "needs kubectl: cargo test --test manifests -- --ignored"]
fn no_pod_has_more_than_it_needs() {
    for (source, manifest) in shipped() {
        let with_scope = source.ends_with("with-scope") || source.ends_with("controls");
        for (name, pod) in pods(&manifest) {
            let name = format!("{source}: {name}");
            for shared in ["hostPID", "hostNetwork", "hostIPC"] {
                assert!(pod[shared].is_null(), "{name} has {shared}");
            }
            let context = &pod["securityContext"];
            let own = json!({"type": "Localhost", "localhostProfile": "scope-storage-probe.json"});
            let seccomp = if source.ends_with("seccomp") {
                own
            } else {
                json!({"type": "RuntimeDefault"})
            };
            assert_eq!(context["seccompProfile"], seccomp, "{name}");
            assert_eq!(context["runAsNonRoot"], !with_scope, "{name}");
            let user = if with_scope { 0 } else { OWN_USER };
            assert_eq!(context["runAsUser"], user, "{name}");
            let group = if with_scope || name.ends_with("-node") {
                0
            } else {
                OWN_USER
            };
            assert_eq!(context["runAsGroup"], group, "{name}");
            assert_eq!(pod["containers"].as_array().unwrap().len(), 1, "{name}");
            let container = &pod["containers"][0];
            let settings = &container["securityContext"];
            assert_eq!(settings["capabilities"], json!({"drop": ["ALL"]}), "{name}");
            assert_eq!(settings["privileged"], false, "{name}");
            assert_eq!(settings["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(settings["readOnlyRootFilesystem"], true, "{name}");
            for wanted in ["livenessProbe", "readinessProbe"] {
                assert!(container[wanted].is_object(), "{name} has no {wanted}");
            }
            assert!(container["resources"]["requests"]["cpu"].is_string(), "{name}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");

            expect_that_only_what_is_read_is_mounted(&name, &pod, with_scope);
        }
    }
}

/// The folders of the node that the program reads, each read-only, and the socket's; nothing else.
fn expect_that_only_what_is_read_is_mounted(name: &str, pod: &Value, with_scope: bool) {
    let container = &pod["containers"][0];
    let mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
    let root = setting(container, "STORAGE_PROBE_KUBELET_ROOT");
    let of_the_kubelet = root.map(|root| KUBELETS_FOLDERS.map(|below| format!("{root}/{below}")));
    let of_the_kubelet = of_the_kubelet.into_iter().flatten().collect::<Vec<_>>();
    let mut allowed = of_the_kubelet.clone();
    if name.ends_with("-node") {
        allowed.extend(["/proc", "/sys/fs/cgroup", "/run/udev/data"].map(String::from));
    }
    let mut mounted = Vec::new();
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        // Kubernetes mounts these read-only.
        if volume["emptyDir"].is_object() || volume["configMap"].is_object() {
            continue;
        }
        // And these: it is the one that the program was told of.
        if volume["secret"]["secretName"] == "scope-storage-probe-web" {
            let told = setting(container, "STORAGE_PROBE_WEB_CONFIG_FILE");
            assert_eq!(told, Some("/etc/scope-storage-probe-web/web.yaml"), "{name}");
            continue;
        }
        let path = volume["hostPath"]["path"]
            .as_str()
            .expect("only folders of the node are mounted, and the web configuration");
        let mount = mounts
            .iter()
            .find(|mount| mount["name"] == volume["name"])
            .unwrap();
        if path == "/var/run/scope/plugins" {
            assert!(with_scope, "{name} mounts {path}");
            continue;
        }
        mounted.push(path.to_owned());
        assert_eq!(mount["readOnly"], true, "{name} can write to {path}");
        if of_the_kubelet.iter().any(|folder| folder == path) {
            assert_eq!(mount["mountPropagation"], "HostToContainer", "{name}");
            assert_eq!(
                mount["mountPath"], path,
                "{name}: mounts are known by their path on the node"
            );
            // What the kubelet does not make at its start would keep the pod from starting.
            let made = if path.ends_with("/pods") {
                "Directory"
            } else {
                "DirectoryOrCreate"
            };
            assert_eq!(volume["hostPath"]["type"], made, "{name}: {path}");
        }
    }
    mounted.sort();
    allowed.sort();
    assert_eq!(mounted, allowed, "{name}");
}

fn setting<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    let mut settings = container["env"].as_array().unwrap().iter();
    settings.find(|setting| setting["name"] == name)?["value"].as_str()
}

#[test]
#[ignore = "needs kubectl: cargo test --test manifests -- --ignored"]
fn every_setting_is_one_that_the_program_has() {
    let command = Arguments::command();
    let commands = command.get_subcommands().chain([&command]);
    let known: BTreeSet<String> = commands
        .flat_map(clap::Command::get_arguments)
        .filter_map(|argument| Some(argument.get_env()?.to_string_lossy().into_owned()))
        .collect();
    for (source, manifest) in shipped() {
        for (name, pod) in pods(&manifest) {
            let name = format!("{source}: {name}");
            let container = &pod["containers"][0];
            assert_eq!(container["args"], json!(["serve"]), "{name}");
            for setting in container["env"].as_array().unwrap() {
                let variable = setting["name"].as_str().unwrap();
                assert!(known.contains(variable), "{name}: the program has no {variable}");
            }
            let port = container["ports"][0]["containerPort"].as_u64().unwrap();
            assert_eq!(
                setting(container, "STORAGE_PROBE_LISTEN"),
                Some(&*format!(":{port}")),
                "{name}"
            );
        }
    }
}
