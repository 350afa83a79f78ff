//! The chart makes what the manifests make, and refuses what it does not know.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use super::support::kubernetes_tools::{kustomized, objects, run, tool};
use super::{TENANT_ALONE, chart, overlay, pods, prepared, takes};

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

/// What is made of each workload's pods, the labels aside, to which Helm adds its own: how many, how they are exchanged, what they are
/// annotated with.
fn rollouts(manifest: &str) -> BTreeMap<String, Value> {
    let workloads = objects(manifest)
        .into_iter()
        .filter(|object| object["kind"] == "DaemonSet" || object["kind"] == "Deployment");
    let rollout = workloads.map(|object| {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let mut spec = object["spec"].clone();
        let fields = spec.as_object_mut().unwrap();
        fields.remove("selector");
        let template = fields.remove("template").unwrap();
        fields.insert("annotations".into(), template["metadata"]["annotations"].clone());
        (name, spec)
    });
    rollout.collect()
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
        let charted = rollouts(&chart(settings).unwrap());
        for (name, ours) in rollouts(&kustomized(&overlay(overlay_name))) {
            assert_eq!(charted[&name], ours, "{overlay_name}: {name}");
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
