//! No pod has more than it needs.

use std::collections::BTreeSet;
use std::path::Path;

use clap::CommandFactory as _;
use scope_storage_probe::args::Arguments;
use serde_json::{Value, json};

use super::support::kubernetes_tools::{kustomized, objects};
use super::{NAMESPACE, chart, overlay, pods, setting, shipped};

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
