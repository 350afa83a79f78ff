//! What Scope is shown.

use std::time::Duration;

use serde_json::json;

use super::support::powerflex_gateway::{Gateway, Logins, Mood, pool};
use super::support::scope_contract::{Expectations, assert_holds};
use super::support::server::{HOST, PROGRAM, Server, program};
use super::support::{expect_that, within};
use super::{coded, folder_with_volumes, pools_in};

#[test]
fn scope_shows_pools_and_which_volumes_lie_in_them() {
    let mut first = pool("1", "ssd");
    first.volumes = vec!["72ce476b00000002".to_owned()];
    first.statistics = json!({
        "degradedFailedCapacityInKb": 1024, "degradedHealthyCapacityInKb": 1024,
        "userDataReadBwc": {"numSeconds": 5, "totalWeightInKb": 2000, "numOccured": 500},
    });
    let gateway = Gateway::start(Mood {
        version: "5.0.1".to_owned(),
        logins: Logins::Native,
        pools: vec![first, coded("2", "ec")],
        ..Mood::default()
    });
    for role in ["cluster", "all"] {
        let (folder, _) = folder_with_volumes(&gateway.url());
        let dump = folder.path().join("dump.json");
        let file = folder.path().join("powerflex.yaml");
        let arguments = [
            "--listen",
            "127.0.0.1:0",
            "--role",
            role,
            "--powerflex",
            file.to_str().unwrap(),
            "--from-dump",
            dump.to_str().unwrap(),
        ];
        let server = Server::launch(program(PROGRAM), folder.path(), &arguments);
        let report = within(Duration::from_secs(10), || {
            let report = server.report();
            let nodes = report.at("/PersistentVolume/nodes").unwrap();
            expect_that(pools_in(nodes).len() == 2, "no pools yet").map(|()| report)
        });
        let (plugin, host) = match role {
            "all" => ("storage", HOST),
            _ => ("storage-cluster", ""),
        };
        assert_holds(report.bytes(), &Expectations::of(plugin, host));
        let nodes = report.at("/PersistentVolume/nodes").unwrap();
        let ssd = "powerflex-14dbbf5617523654-e65f9c2700000001;<persistent_volume>";
        let node = &nodes[ssd];
        assert_eq!(node["latest"]["kubernetes_name"]["value"], "ssd on prod");
        let fact = |key: &str| {
            node["latest"][key]["value"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        assert_eq!(
            fact("storage_powerflex_attention"),
            "degraded: 1M with one copy left"
        );
        assert_eq!(fact("storage_powerflex_system"), "prod");
        assert_eq!(node["metrics"]["storage_read_iops"]["samples"][0]["value"], 100.0);
        let metrics: Vec<&str> = node["metrics"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let wanted = [
            "storage_powerflex_used",
            "storage_read_iops",
            "storage_read_throughput",
            "storage_used",
        ];
        assert_eq!(metrics, wanted, "what is not known is absent");
        let leads = |volume: &str| {
            let edges = nodes[format!("uid-{volume};<persistent_volume>")]["adjacency"].clone();
            edges.as_array().is_some_and(|edges| edges.contains(&json!(ssd)))
        };
        assert!(leads("pv-by-system") && leads("pv-of-old"), "{role}");
        assert!(
            !leads("pv-elsewhere") && !leads("pv-unknown") && !leads("pv-other"),
            "{role}"
        );
    }
}
