//! What is read, as it is on the page.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::exposition::{Page, open_metrics_violations};
use super::support::powerflex_gateway::{Gateway, Logins, Mood, captured, pool, settings};
use super::support::prometheus::Prometheus;
use super::support::server::run;
use super::support::{expect_that, within};
use super::{Exporter, KIB, assert_is, coded, folder_with_volumes, of_pool};

#[test]
fn pools_of_the_second_generation() {
    let gateway = Gateway::start(Mood {
        version: "5.0.0".to_owned(),
        logins: Logins::Native,
        pools: vec![coded("1", "ec")],
        ..Mood::default()
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    let page = exporter.page();
    assert_is(of_pool(&page, "usable_capacity_bytes", "ec"), 4_396_972_769_280.0);
    assert_is(of_pool(&page, "raw_used_bytes", "ec"), 8_793_945_538_560.0);
    assert_is(of_pool(&page, "used_ratio", "ec"), 0.014_172_318);
    assert_eq!(of_pool(&page, "raw_capacity_bytes", "ec"), None);
    let writes = page.value(
        "storage_probe_powerflex_pool_throughput_bytes_per_second",
        &[("storage_pool", "ec"), ("operation", "write")],
    );
    assert_is(writes, 1.0);
    assert_is(
        page.value(
            "storage_probe_powerflex_pool_info",
            &[("generation", "erasure_coded"), ("protection_domain", "domain-1")],
        ),
        1.0,
    );
    gateway.forget();
    exporter.later();
    assert_eq!(gateway.requests().len(), 3, "{:?}", gateway.requests());

    // Both generations in one system.
    gateway.change(|mood| mood.pools.push(pool("2", "ssd")));
    let page = exporter.later();
    assert_is(of_pool(&page, "raw_capacity_bytes", "ssd"), 311_424_000.0 * KIB);
    assert_is(of_pool(&page, "usable_capacity_bytes", "ec"), 4_396_972_769_280.0);
}

#[test]
fn what_nobody_tells_is_absent_and_said_to_be() {
    let mut silent = pool("1", "ssd");
    let captured = captured("get_storage_pool_statistics.json");
    let nulls = captured
        .as_object()
        .unwrap()
        .keys()
        .map(|name| (name.clone(), Value::Null));
    silent.statistics = Value::Object(nulls.collect());
    let mut odd = pool("2", "hdd");
    odd.statistics = json!({"numOfVolumes": "x".repeat(200_000)});
    let gateway = Gateway::start(Mood {
        pools: vec![silent, odd],
        ..Mood::default()
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    let page = exporter.page();
    assert_eq!(of_pool(&page, "raw_capacity_bytes", "ssd"), None);
    assert_eq!(of_pool(&page, "volumes", "hdd"), None);
    assert_is(of_pool(&page, "raw_capacity_bytes", "hdd"), 311_424_000.0 * KIB);
    exporter
        .server
        .soon_logged("powerflex prod: no figure is told of StoragePool e65f9c2700000001");
    exporter
        .server
        .soon_logged("left out, since they are no numbers: numOfVolumes (first of e65f9c2700000002)");
    assert!(exporter.server.log().iter().all(|line| line.len() < 1000));
}

#[test]
fn the_first_pool_of_the_second_generation_has_its_volumes_at_once() {
    let gateway = Gateway::start(Mood::default());
    let (folder, _) = folder_with_volumes(&gateway.url());
    let dump = folder.path().join("dump.json");
    let exporter = Exporter::in_folder(folder, &["--from-dump", dump.to_str().unwrap()]);
    exporter.page();
    gateway.change(|mood| {
        let mut ec = coded("3", "ec");
        ec.volumes = vec!["72ce476b00000002".to_owned()];
        mood.pools.push(ec);
    });
    let page = exporter.later();
    let labels = [("persistentvolume", "pv-by-system"), ("storage_pool", "ec")];
    assert_is(
        page.value("storage_probe_persistentvolume_powerflex_pool_info", &labels),
        1.0,
    );
}

#[test]
fn rates_are_over_the_arrays_window_and_absent_where_it_is_empty() {
    let mut busy = pool("1", "busy");
    busy.statistics = json!({
        "userDataReadBwc": {"numSeconds": 5, "totalWeightInKb": 2000, "numOccured": 500},
        "userDataWriteBwc": {"numSeconds": 5, "totalWeightInKb": 0, "numOccured": 0},
        "userDataSdcReadLatency": {"numSeconds": 5, "totalWeightInKb": 250_000, "numOccured": 500},
        "userDataSdcWriteLatency": {"numSeconds": 5, "totalWeightInKb": 0, "numOccured": 0},
    });
    let gateway = Gateway::start(Mood {
        pools: vec![busy, pool("2", "idle")],
        ..Mood::default()
    });
    let page = Exporter::of(&[("prod", &gateway.url())], &[]).page();
    let rate = |family: &str, pool: &str, operation: &str| {
        let labels = [
            ("storage_pool", pool),
            ("operation", operation),
            ("traffic", "user_data"),
        ];
        page.value(&format!("storage_probe_powerflex_pool_{family}"), &labels)
    };
    assert_is(rate("iops", "busy", "read"), 100.0);
    assert_is(rate("iops", "busy", "write"), 0.0);
    assert_is(rate("throughput_bytes_per_second", "busy", "read"), 400.0 * KIB);
    assert_is(rate("latency_seconds", "busy", "read"), 0.0005);
    assert_eq!(
        rate("latency_seconds", "busy", "write"),
        None,
        "there was no write"
    );
    assert_is(of_pool(&page, "window_seconds", "busy"), 5.0);
    for family in ["iops", "throughput_bytes_per_second", "latency_seconds"] {
        assert_eq!(rate(family, "idle", "read"), None);
    }
    assert_eq!(of_pool(&page, "window_seconds", "idle"), None);
}

#[test]
fn pools_that_are_deleted_and_renamed() {
    let gateway = Gateway::start(Mood::default());
    let exporter = Exporter::of(&[("prod", &gateway.url())], &["--compat", "scaleio"]);
    exporter.page();
    gateway.change(|mood| {
        mood.pools.remove(1);
        mood.pools[0].name = "nvme".to_owned();
    });
    let page = exporter.later();
    assert_is(of_pool(&page, "volumes", "nvme"), 2.0);
    let named: Vec<_> = page
        .samples()
        .iter()
        .filter_map(|sample| sample.labels.get("storage_pool").or(sample.labels.get("pool")))
        .collect();
    assert!(named.iter().all(|name| *name == "nvme"), "{named:?}");
    // Two of one name, in one protection domain.
    gateway.change(|mood| mood.pools.push(pool("3", "nvme")));
    let page = exporter.later();
    for id in [1, 3] {
        assert_is(
            of_pool(&page, "volumes", &format!("nvme (e65f9c270000000{id})")),
            2.0,
        );
    }
    // A new protection domain's name is known at once.
    gateway.change(|mood| {
        mood.domains.push(("pd2".to_owned(), "domain-2".to_owned()));
        mood.pools[0].domain = "pd2".to_owned();
    });
    let page = exporter.later();
    assert_is(
        page.value(
            "storage_probe_powerflex_pool_volumes",
            &[("protection_domain", "domain-2"), ("storage_pool", "nvme")],
        ),
        2.0,
    );
}

#[test]
fn the_old_names_answer_the_old_queries() {
    let gateway = Gateway::start(Mood::default());
    let exporter = Exporter::of(&[("prod", &gateway.url())], &["--compat=scaleio"]);
    let page = exporter.page();
    let labels = [("system", "prod"), ("domain", "domain-1"), ("pool", "ssd")];
    assert_is(page.value("scaleio_MaxCapacityInKb", &labels), 311_424_000.0);
    assert_is(page.value("scaleio_CapacityInUseInKb", &labels), 16_807_936.0);
    assert_is(page.value("scaleio_NumOfVolumes", &labels), 2.0);
    let names: std::collections::BTreeSet<_> = page
        .samples()
        .iter()
        .filter(|sample| sample.name.starts_with("scaleio_"))
        .map(|sample| sample.name.as_str())
        .collect();
    assert_eq!(names.len(), 55);
    let plain = Exporter::of(&[("prod", &gateway.url())], &[]).page();
    assert!(
        plain
            .samples()
            .iter()
            .all(|sample| !sample.name.starts_with("scaleio_"))
    );
}

/// The whole page, for the reference and for people.
#[test]
fn the_page_of_a_system() {
    let mut full = pool("1", "ssd");
    full.statistics = json!({
        "compressionRatio": 1.5,
        "netUserDataCapacityInKb": 8_000_000, "netUnusedCapacityInKb": 130_000_000,
        "userDataReadBwc": {"numSeconds": 5, "totalWeightInKb": 2000, "numOccured": 500},
        "userDataSdcReadLatency": {"numSeconds": 5, "totalWeightInKb": 250_000, "numOccured": 500},
    });
    full.volumes = vec!["72ce476b00000002".to_owned()];
    let gateway = Gateway::start(Mood {
        version: "5.0.1".to_owned(),
        logins: Logins::Native,
        pools: vec![full, coded("2", "ec")],
        ..Mood::default()
    });
    let (folder, _dump) = folder_with_volumes(&gateway.url());
    let dump = folder.path().join("dump.json");
    let exporter = Exporter::in_folder(
        folder,
        &["--from-dump", dump.to_str().unwrap(), "--compat", "scaleio"],
    );
    let answer = exporter.server.get("/metrics/powerflex");
    let text: String = answer
        .text()
        .lines()
        .filter(|line| !line.starts_with("storage_probe_backend_scrape_duration"))
        .flat_map(|line| [line, "\n"])
        .collect();
    insta::assert_snapshot!("powerflex.page", text);
    let open = exporter
        .server
        .prometheus()
        .ask("GET", "/metrics", &[("Accept", "application/openmetrics-text")])
        .unwrap();
    assert_eq!(open_metrics_violations(open.text()), [] as [String; 0]);
}

#[test]
fn check_and_metrics_print_what_is_read_once() {
    let gateway = Gateway::start(Mood::default());
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), &[("prod", &gateway.url())]);
    let file = file.to_str().unwrap();
    let common = ["--role", "cluster", "--no-cluster", "--powerflex", file];
    let output = run(&[&["metrics"], &common[..]].concat());
    let page = Page::parse(&String::from_utf8(output.stdout).unwrap());
    assert_is(of_pool(&page, "volumes", "ssd"), 2.0);
    let check = || {
        let output = run(&[&["check", "--plugin-dir", ""], &common[..]].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, told) = check();
    assert!(told.contains("ok       powerflex prod: answers in"), "{told}");
    assert_eq!(status, Some(0), "something works: {told}");
    gateway.change(|mood| mood.page_at = Some("/api/types"));
    let (status, told) = check();
    assert!(
        told.contains("missing  powerflex prod: /api/types/StoragePool/instances is answered with 503"),
        "{told}"
    );
    assert_eq!(status, Some(1), "{told}");
}

/// A real Prometheus takes both paths; what was asked of kubernetes-scaleio-prom is answered; and promtool has nothing to say of our names.
#[test]
#[ignore = "needs Debian's prometheus: tests/real-parts.sh"]
fn prometheus_takes_it() {
    let gateway = Gateway::start(Mood::default());
    let exporter = Exporter::of(&[("scaleio", &gateway.url())], &["--compat", "scaleio"]);
    let target = exporter.server.address();
    let prometheus = Prometheus::configured(&format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
         scrape_configs:\n\
         - {{job_name: all, honor_labels: true, params: {{'exclude[]': [powerflex]}}, static_configs: [{{targets: ['{target}']}}]}}\n\
         - {{job_name: alone, honor_labels: true, metrics_path: /metrics/powerflex, static_configs: [{{targets: ['{target}']}}]}}\n"
    ));
    let labels = "{system=\"scaleio\",domain=\"domain-1\",pool=\"ssd\"}";
    for (query, wanted) in [
        ("up{job=\"all\"}", 1.0),
        ("up{job=\"alone\"}", 1.0),
        (
            "storage_probe_backend_up{backend=\"powerflex\",instance=\"scaleio\"}",
            1.0,
        ),
        (
            "sum(scaleio_MaxCapacityInKb) * 1024 - sum(storage_probe_powerflex_pool_raw_capacity_bytes)",
            0.0,
        ),
        (
            &*format!(
                "scaleio_CapacityInUseInKb{labels} / (scaleio_CapacityLimitInKb - scaleio_SpareCapacityInKb)"
            ),
            16_807_936.0 / 280_282_112.0,
        ),
        (
            "max(storage_probe_powerflex_pool_used_ratio)",
            16_807_936.0 / 280_282_112.0,
        ),
        ("count({__name__=~\"scaleio_.+\",pool=\"ssd\"})", 55.0),
        ("count(count by (job) (storage_probe_powerflex_pool_info))", 1.0),
    ] {
        within(Duration::from_secs(30), || {
            let value = prometheus.value(query)?;
            expect_that((value - wanted).abs() < 1e-9, format!("{query} gives {value}"))
        });
    }
    let plain = Exporter::of(&[("prod", &gateway.url())], &[]);
    let page = plain.server.get("/metrics").body;
    let file = plain.folder.path().join("page");
    std::fs::write(&file, page).unwrap();
    let told = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::fs::File::open(file).unwrap())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&[told.stdout, told.stderr].concat()), "");
}
