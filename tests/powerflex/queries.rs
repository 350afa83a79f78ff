//! Which queries are asked, and what becomes of those that fail.

use std::time::{Duration, Instant};

use serde_json::json;

use super::support::backend::{SHARED, powerflex_up};
use super::support::exposition::Page;
use super::support::powerflex_gateway::{Gateway, Logins, Mood, pool};
use super::support::{expect_that, within};
use super::{Exporter, KIB, assert_is, coded, of_pool};

#[test]
fn a_query_that_is_refused_is_replaced_by_one_for_each_object() {
    let gateway = Gateway::start(Mood {
        unknown_property: Some("compressionRatio"),
        ..Mood::default()
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    let page = exporter.page();
    assert_is(powerflex_up(&page, "prod"), 1.0);
    assert_is(of_pool(&page, "raw_capacity_bytes", "ssd"), 311_424_000.0 * KIB);
    assert_is(of_pool(&page, "raw_capacity_bytes", "hdd"), 311_424_000.0 * KIB);
    assert_is(
        page.value("storage_probe_powerflex_system_data_servers", &[]),
        3.0,
    );
    gateway.forget();
    assert_is(powerflex_up(&exporter.later(), "prod"), 1.0);
    let asked = gateway.requests();
    assert!(
        asked.iter().all(|request| !request.contains("querySelected")),
        "{asked:?}"
    );
    let relations = asked
        .iter()
        .filter(|request| request.ends_with("relationships/Statistics"));
    assert_eq!(relations.count(), 4, "{asked:?}");
}

/// A system of both generations, as its page is when a path is answered with an error.
fn mixed_without(path: &'static str, status: u16) -> (Gateway, Exporter, Page) {
    let mut ec = coded("2", "ec");
    ec.volumes = vec!["72ce476b00000002".to_owned()];
    let gateway = Gateway::start(Mood {
        version: "5.0.0".to_owned(),
        logins: Logins::Native,
        pools: vec![pool("1", "ssd"), ec],
        instead: vec![(path, status, "<html>".to_owned())],
        ..Mood::default()
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    let page = exporter.page();
    assert_is(powerflex_up(&page, "prod"), 1.0);
    exporter.later();
    let log = exporter.server.log();
    let lines = log.iter().filter(|line| line.contains(path));
    assert_eq!(lines.count(), 1, "{log:#?}");
    (gateway, exporter, page)
}

#[test]
fn a_failed_query_costs_its_own_samples_alone() {
    const METRICS: &str = "/dtapi/rest/v1/metrics/query";
    for status in [500, 503, 401, 404] {
        let (gateway, exporter, page) = mixed_without(METRICS, status);
        assert_is(of_pool(&page, "raw_capacity_bytes", "ssd"), 311_424_000.0 * KIB);
        assert_eq!(of_pool(&page, "usable_capacity_bytes", "ec"), None);
        assert_is(of_pool(&page, "info", "ec"), 1.0);
        gateway.change(|mood| mood.instead.clear());
        let page = exporter.later();
        assert_is(of_pool(&page, "usable_capacity_bytes", "ec"), 4_396_972_769_280.0);
        // Without them nothing is known of a system that has such pools alone.
        gateway.change(|mood| {
            mood.pools.remove(0);
            mood.instead.push((METRICS, status, String::new()));
        });
        assert_is(powerflex_up(&exporter.later(), "prod"), 0.0);
    }
    let (_gateway, _exporter, page) = mixed_without("/api/instances/querySelectedStatistics", 503);
    assert_eq!(of_pool(&page, "raw_capacity_bytes", "ssd"), None);
    assert_is(of_pool(&page, "usable_capacity_bytes", "ec"), 4_396_972_769_280.0);

    let in_domain = |page: &Page, domain: &str| {
        let labels = [("storage_pool", "ssd"), ("protection_domain", domain)];
        page.value("storage_probe_powerflex_pool_raw_capacity_bytes", &labels)
    };
    let (gateway, exporter, page) = mixed_without("/api/types/ProtectionDomain", 500);
    assert_is(in_domain(&page, "pd1"), 311_424_000.0 * KIB);
    gateway.change(|mood| mood.instead.clear());
    // It is not asked at each scrape.
    within(Duration::from_secs(20), || {
        let named = in_domain(&exporter.later(), "domain-1").is_some();
        expect_that(named, "the domain has no name yet")
    });
    // A name that is known stays when it cannot be read again.
    gateway.change(|mood| {
        mood.instead
            .push(("/api/types/ProtectionDomain", 500, String::new()));
        mood.pools[1].domain = "pd2".to_owned();
    });
    assert_is(in_domain(&exporter.later(), "domain-1"), 311_424_000.0 * KIB);

    let (_gateway, _exporter, page) = mixed_without("/api/types/Volume", 500);
    assert_is(in_domain(&page, "domain-1"), 311_424_000.0 * KIB);
    assert_is(of_pool(&page, "usable_capacity_bytes", "ec"), 4_396_972_769_280.0);
}

#[test]
fn a_query_that_hangs_costs_its_own_samples_alone_and_is_not_asked_twice() {
    const METRICS: &str = "/dtapi/rest/v1/metrics/query";
    const SELECTED: &str = "/api/instances/querySelectedStatistics";
    for path in [
        METRICS,
        SELECTED,
        "/api/types/ProtectionDomain",
        "/api/types/Volume",
    ] {
        let gateway = Gateway::start(Mood {
            version: "5.0.0".to_owned(),
            logins: Logins::Native,
            pools: vec![pool("1", "ssd"), coded("2", "ec")],
            hangs_at: Some(path),
            ..Mood::default()
        });
        let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
        let page = |seconds: &str| {
            let header = [("X-Prometheus-Scrape-Timeout-Seconds", seconds)];
            let answer = exporter
                .server
                .prometheus()
                .ask("GET", "/metrics/powerflex", &header);
            Page::parse(answer.unwrap().text())
        };
        let figures = |page: &Page| {
            let ssd = of_pool(page, "raw_capacity_bytes", "ssd").is_some();
            (ssd, of_pool(page, "usable_capacity_bytes", "ec").is_some())
        };
        let without = (path != SELECTED, path != METRICS);
        let first = page("4");
        assert_is(powerflex_up(&first, "prod"), 1.0);
        assert_eq!(figures(&first), without, "{path}");
        assert_is(of_pool(&first, "info", "ec"), 1.0);
        // As long as it hangs nobody waits for it any more.
        std::thread::sleep(SHARED);
        let begun = Instant::now();
        assert_eq!(figures(&page("10")), without, "{path}");
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "{path}: {:?}",
            begun.elapsed()
        );
        let asked = gateway.requests();
        let asked = asked.iter().filter(|request| request.contains(path)).count();
        assert_eq!(asked, 1, "{path}");
        let said = exporter.server.soon_logged("is not answered in time");
        assert!(said.contains(path), "{said}");
        gateway.change(|mood| mood.hangs_at = None);
        assert_eq!(figures(&exporter.later()), (true, true), "{path}");
    }
}

#[test]
fn a_system_without_a_figure_is_not_read() {
    for answer in [
        json!({"resources": []}),
        json!({"resources": [{"id": "1", "metrics": []}]}),
    ] {
        let gateway = Gateway::start(Mood {
            version: "5.0.0".to_owned(),
            logins: Logins::Native,
            pools: vec![coded("1", "ec")],
            instead: vec![("/dtapi/rest/v1/metrics/query", 200, answer.to_string())],
            ..Mood::default()
        });
        let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
        assert_is(powerflex_up(&exporter.page(), "prod"), 0.0);
        exporter.server.soon_logged("no figure is told");
    }
    let gateway = Gateway::start(Mood {
        instead: vec![("/api/instances/", 200, "{}".to_owned())],
        ..Mood::default()
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    assert_is(powerflex_up(&exporter.page(), "prod"), 0.0);
    exporter.server.soon_logged("no figure is told");
}

#[test]
fn objects_that_fail_one_by_one_cost_themselves_and_one_line() {
    let gateway = Gateway::start(Mood {
        unknown_property: Some("compressionRatio"),
        ..Mood::default()
    });
    gateway.change(|mood| {
        mood.instead
            .push(("/api/instances/StoragePool::", 500, String::new()));
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    let page = exporter.page();
    assert_is(powerflex_up(&page, "prod"), 1.0);
    assert_eq!(of_pool(&page, "raw_capacity_bytes", "ssd"), None);
    assert_is(
        page.value("storage_probe_powerflex_system_data_servers", &[]),
        3.0,
    );
    exporter
        .server
        .soon_logged("the statistics of 2 of 4 objects are not had");
    let log = exporter.server.log();
    let lines = log.iter().filter(|line| line.contains("answered with 500"));
    assert_eq!(lines.count(), 1, "{log:#?}");
}

#[test]
fn a_query_that_is_answered_with_nothing_is_told_of_and_replaced() {
    const QUERY: &str = "/api/instances/querySelectedStatistics";
    let (ssd, hdd) = (pool("1", "ssd").id, pool("2", "hdd").id);
    let relations = |gateway: &Gateway| {
        let asked = gateway.requests();
        asked
            .iter()
            .filter(|request| request.ends_with("relationships/Statistics"))
            .count()
    };
    for (answer, by_themselves, told) in [
        (
            json!({"StoragePool": {&*ssd: {"maxCapacityInKb": null}, &*hdd: null}, "ProtectionDomain": null, "System": null}),
            4,
            "without a figure of StoragePool",
        ),
        (json!({}), 4, "ProtectionDomain pd1 and 1 more"),
        (json!(null), 4, "without a figure of StoragePool"),
        (
            json!({"StoragePool": {&*ssd: {"maxCapacityInKb": 311_424_000}, &*hdd: {"maxCapacityInKb": null}},
                   "ProtectionDomain": {"pd1": {"maxCapacityInKb": 1}}, "System": {"maxCapacityInKb": 1}}),
            1,
            "without a figure of StoragePool e65f9c2700000002: ",
        ),
    ] {
        let gateway = Gateway::start(Mood {
            instead: vec![(QUERY, 200, answer.to_string())],
            ..Mood::default()
        });
        let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
        for _ in 0..2 {
            gateway.forget();
            let page = exporter.later();
            assert_is(powerflex_up(&page, "prod"), 1.0);
            for name in ["ssd", "hdd"] {
                assert_is(of_pool(&page, "raw_capacity_bytes", name), 311_424_000.0 * KIB);
            }
            assert_eq!(relations(&gateway), by_themselves, "{answer}");
        }
        let said = exporter.server.soon_logged(told);
        assert!(said.contains(QUERY), "{said}");
        let log = exporter.server.log();
        assert_eq!(
            log.iter().filter(|line| line.contains("prod")).count(),
            2,
            "{log:#?}"
        );
    }
}

#[test]
fn who_is_asked_too_often_is_not_asked_for_each_object() {
    let gateway = Gateway::start(Mood::default());
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    gateway.change(|mood| {
        mood.instead
            .push(("/api/instances/querySelectedStatistics", 429, String::new()));
    });
    assert_is(powerflex_up(&exporter.page(), "prod"), 0.0);
    exporter.server.soon_logged("is answered with 429");
    gateway.forget();
    gateway.change(|mood| mood.instead.clear());
    assert_is(powerflex_up(&exporter.later(), "prod"), 1.0);
    let asked = gateway.requests();
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[test]
fn what_is_not_wanted_is_not_asked() {
    let gateway = Gateway::start(Mood::default());
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    let page = Page::parse(exporter.server.get("/metrics?exclude%5B%5D=powerflex").text());
    assert_eq!(powerflex_up(&page, "prod"), None);
    exporter.server.get("/");
    exporter.server.get("/readyz");
    assert!(
        gateway.requests().is_empty(),
        "nothing is asked before somebody scrapes"
    );
    let page = Page::parse(exporter.server.get("/metrics?collect[]=powerflex").text());
    assert_is(powerflex_up(&page, "prod"), 1.0);
    assert_eq!(exporter.server.get("/metrics?collect[]=disks").status, 400);
    assert_eq!(
        exporter
            .server
            .get("/metrics?collect[]=powerflex&exclude[]=powerflex")
            .status,
        400
    );
    assert_eq!(exporter.server.get("/metrics/scaleio").status, 404);
    assert!(
        exporter
            .page()
            .value("process_resident_memory_bytes", &[])
            .is_none()
    );
}
