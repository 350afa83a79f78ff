//! Accounts can do what their programs do, and nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::api_server::ApiServer;
use super::support::backend::powerflex_up;
use super::support::kubernetes_tools::{kustomized, objects, run, tool};
use super::support::powerflex_gateway::{self, Gateway, Mood};
use super::support::server::{PROGRAM, Server, program, run as run_to_its_end};
use super::support::{expect_that, within};
use super::{NAMESPACE, TENANT_ALONE, TENANTS_NAMESPACE, chart, kubectl, overlay, prepared};

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
    let sources = [
        "--role",
        "cluster",
        "--kubeconfig",
        config.to_str().unwrap(),
        "--powerflex",
        file.to_str().unwrap(),
    ];
    let arguments = [&["--listen", "127.0.0.1:0"][..], &sources].concat();
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
    let check = run_to_its_end(&[&["check", "--plugin-dir", ""][..], &sources].concat());
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
