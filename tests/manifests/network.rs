//! The policies of the network: who comes in to a pod, and where it goes out to.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::support::kubernetes_tools::{kustomized, objects};
use super::{TENANT_ALONE, chart, overlay, shipped};

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
