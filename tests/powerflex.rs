//! PowerFlex systems as users have them: the program, a gateway over TLS, and what is on the page and in Scope.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::backend::{SHARED, powerflex_up};
use support::exposition::{Page, open_metrics_violations};
use support::kubeconfig::{NOWHERE, kubeconfig_file};
use support::powerflex_gateway::{Gateway, Logins, Mood, PASSWORD, Pool, USER, pool, settings};
use support::process::{resident_bytes, used_seconds};
use support::prometheus::Prometheus;
use support::scope_contract::{Expectations, assert_holds};
use support::server::{PROGRAM, Server, program};
use support::{expect_that, within};
use tempfile::TempDir;

/// The program as a PowerFlex exporter without a cluster.
struct Exporter {
    server: Server,
    folder: TempDir,
}

impl Exporter {
    fn of(systems: &[(&str, &str)], further: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        settings(folder.path(), systems);
        Self::in_folder(folder, &[&["--no-cluster"], further].concat())
    }

    fn in_folder(folder: TempDir, further: &[&str]) -> Self {
        Self::by(program(PROGRAM), folder, further)
    }

    /// The same, by a program that was told something else as well.
    fn by(command: Command, folder: TempDir, further: &[&str]) -> Self {
        let file = folder.path().join("powerflex.yaml");
        let file = file.to_str().unwrap();
        let arguments = [
            "--listen",
            "127.0.0.1:0",
            "--role",
            "cluster",
            "--powerflex",
            file,
        ];
        let server = Server::launch(
            command,
            &folder.path().join("plugins"),
            &[&arguments[..], further].concat(),
        );
        Self { server, folder }
    }

    /// The page of PowerFlex alone.
    fn page(&self) -> Page {
        Page::parse(self.server.get("/metrics/powerflex").text())
    }

    /// The same, made of a new reading.
    fn later(&self) -> Page {
        std::thread::sleep(SHARED);
        self.page()
    }
}

fn of_pool(page: &Page, family: &str, pool: &str) -> Option<f64> {
    page.value(
        &format!("storage_probe_powerflex_pool_{family}"),
        &[("storage_pool", pool)],
    )
}

fn assert_is(value: Option<f64>, wanted: f64) {
    assert!(
        value.is_some_and(|value| (value - wanted).abs() <= wanted.abs() * 1e-12),
        "{value:?} is not {wanted}"
    );
}

/// Changes what the file says of the first system.
fn change_settings(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut known: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    change(&mut known["systems"][0]);
    std::fs::write(file, known.to_string()).unwrap();
}

/// A second-generation pool.
fn coded(id: &str, name: &str) -> Pool {
    Pool {
        erasure_coded: true,
        ..pool(id, name)
    }
}

const KIB: f64 = 1024.0;

#[test]
fn every_version_and_every_way_to_sign_in() {
    for (version, logins) in [
        ("2.6", Logins::Gateway),
        ("3.6", Logins::Gateway),
        ("3.10", Logins::Gateway),
        ("4.0", Logins::Gateway),
        ("4.5.5", Logins::Both),
        ("4.6", Logins::Native),
        ("5.0.0", Logins::Native),
    ] {
        let gateway = Gateway::start(Mood {
            version: version.to_owned(),
            logins,
            ..Mood::default()
        });
        let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
        let page = exporter.page();
        assert_is(powerflex_up(&page, "prod"), 1.0);
        assert_is(of_pool(&page, "raw_capacity_bytes", "ssd"), 311_424_000.0 * KIB);
        assert_is(
            of_pool(&page, "usable_available_bytes", "hdd"),
            117_440_512.0 * KIB,
        );
        assert_is(
            page.value("storage_probe_powerflex_system_data_clients", &[]),
            9.0,
        );
        assert_is(
            page.value(
                "storage_probe_powerflex_system_info",
                &[("version", version), ("system_name", "mocksystem")],
            ),
            1.0,
        );
        // Once names are known, three requests; and one sign-in for all of it.
        gateway.forget();
        assert_is(powerflex_up(&exporter.later(), "prod"), 1.0);
        assert_eq!(
            gateway.requests(),
            [
                "GET /api/types/StoragePool/instances",
                "GET /api/types/System/instances",
                "POST /api/instances/querySelectedStatistics"
            ],
            "{version}"
        );
        assert_eq!(gateway.logins(), 1, "{version}");
    }
}

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
fn a_token_that_runs_out_in_the_middle_of_a_scrape() {
    // The sign-in, the version and three requests; the fourth finds it void.
    let gateway = Gateway::start(Mood {
        uses: Some(4),
        ..Mood::default()
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    let page = exporter.page();
    assert_is(powerflex_up(&page, "prod"), 1.0);
    assert_is(of_pool(&page, "volumes", "ssd"), 2.0);
    assert_eq!(gateway.logins(), 2);
    gateway.expire();
    assert_is(powerflex_up(&exporter.later(), "prod"), 1.0);
    assert_eq!(gateway.logins(), 3);
}

#[test]
fn a_second_401_is_a_failure() {
    let gateway = Gateway::start(Mood::default());
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    assert_is(powerflex_up(&exporter.page(), "prod"), 1.0);
    gateway.change(|mood| mood.accepts_no_token = true);
    gateway.forget();
    assert_is(powerflex_up(&exporter.later(), "prod"), 0.0);
    let asked = gateway.requests();
    let refused = asked
        .iter()
        .filter(|request| request.contains("StoragePool"))
        .count();
    assert_eq!((refused, gateway.logins()), (2, 2), "{asked:?}");
    // The token is tried again, which locks no account; the password is not.
    gateway.forget();
    assert_is(powerflex_up(&exporter.later(), "prod"), 0.0);
    assert_eq!(gateway.requests(), ["GET /api/types/StoragePool/instances"]);
    let said = exporter.server.soon_logged("401 even after a new sign-in");
    assert!(said.contains("powerflex prod"), "{said}");
    gateway.change(|mood| mood.accepts_no_token = false);
    assert_is(powerflex_up(&exporter.later(), "prod"), 1.0);
    exporter.server.soon_logged("powerflex prod: answers again");
}

#[test]
fn a_wrong_password_is_not_tried_again_until_it_changes() {
    for logins in [Logins::Gateway, Logins::Native] {
        let gateway = Gateway::start(Mood {
            password: "another".to_owned(),
            logins,
            version: "4.5".to_owned(),
            ..Mood::default()
        });
        let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
        assert_is(powerflex_up(&exporter.page(), "prod"), 0.0);
        let tried = gateway.requests().len();
        assert_is(powerflex_up(&exporter.later(), "prod"), 0.0);
        assert_eq!(gateway.requests().len(), tried, "an account is soon locked");
        let said = exporter.server.soon_logged("refused the user monitor");
        assert!(said.contains("Unauthorized"), "{said}");
        std::fs::write(exporter.folder.path().join("password"), "another").unwrap();
        assert_is(powerflex_up(&exporter.later(), "prod"), 1.0);
    }
}

/// Front ends say by a page that a password is wrong, or that they do not know a path: nobody can tell which.
#[test]
fn what_may_be_a_refusal_is_not_tried_again_either() {
    const PAGE: &str = "<html>no</html>";
    for (login, answers, told) in [
        (
            "auto",
            &[("/api/login", 401), ("/rest/auth/login", 404)][..],
            "/api/login is answered with 401; /rest/auth/login is answered with 404",
        ),
        (
            "auto",
            &[("/api/login", 401), ("/rest/auth/login", 400)],
            "/rest/auth/login is answered with 400",
        ),
        (
            "auto",
            &[("/api/login", 403), ("/rest/auth/login", 503)],
            "/rest/auth/login is answered with 503",
        ),
        (
            "auto",
            &[("/api/login", 404), ("/rest/auth/login", 400)],
            "/rest/auth/login is answered with 400",
        ),
        (
            "gateway",
            &[("/api/login", 401)],
            "/api/login is answered with 401",
        ),
        (
            "native",
            &[("/rest/auth/login", 400)],
            "/rest/auth/login is answered with 400",
        ),
    ] {
        let instead = answers
            .iter()
            .map(|(path, status)| (*path, *status, PAGE.to_owned()));
        let gateway = Gateway::start(Mood {
            instead: instead.collect(),
            logins: Logins::Native,
            version: "4.5".to_owned(),
            ..Mood::default()
        });
        let folder = tempfile::tempdir().unwrap();
        change_settings(&settings(folder.path(), &[("prod", &gateway.url())]), |system| {
            system["login"] = json!(login);
        });
        let exporter = Exporter::in_folder(folder, &["--no-cluster"]);
        assert_is(powerflex_up(&exporter.page(), "prod"), 0.0);
        let tried = gateway.requests().len();
        assert_eq!(tried, answers.len(), "{:?}", gateway.requests());
        assert_is(powerflex_up(&exporter.later(), "prod"), 0.0);
        assert_eq!(gateway.requests().len(), tried, "{login} {answers:?}");
        let said = exporter.server.soon_logged("refused the user monitor");
        assert!(said.contains(told), "{said}");
        // Whoever changes the password is heard at once.
        std::fs::write(exporter.folder.path().join("password"), "another").unwrap();
        exporter.later();
        assert_eq!(gateway.requests().len(), 2 * tried, "{login} {answers:?}");
    }
}

#[test]
fn a_front_end_that_knows_the_native_sign_in_alone() {
    for (status, body) in [
        (401, "<html>sign in</html>"),
        (403, ""),
        (501, "{\"message\": \"not here\"}"),
        (302, ""),
        (200, "<html>welcome</html>"),
    ] {
        let gateway = Gateway::start(Mood {
            instead: vec![("/api/login", status, body.to_owned())],
            logins: Logins::Native,
            version: "4.5".to_owned(),
            ..Mood::default()
        });
        let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
        assert_is(powerflex_up(&exporter.page(), "prod"), 1.0);
    }
}

#[test]
fn access_tokens_are_renewed_before_they_run_out() {
    let gateway = Gateway::start(Mood {
        version: "4.5".to_owned(),
        logins: Logins::Native,
        expires_in: Some(2),
        ..Mood::default()
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    exporter.page();
    assert_is(powerflex_up(&exporter.later(), "prod"), 1.0);
    assert_eq!((gateway.logins(), gateway.renewals()), (1, 1));
}

#[test]
fn a_page_in_place_of_an_answer() {
    let gateway = Gateway::start(Mood::default());
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    for place in ["/api/types/System", "/api/instances", "/api/login"] {
        gateway.expire();
        gateway.change(|mood| mood.page_at = Some(place));
        let page = exporter.later();
        assert_is(powerflex_up(&page, "prod"), 0.0);
        assert!(
            page.samples()
                .iter()
                .all(|sample| sample.name.contains("backend_")),
            "{place}"
        );
    }
    exporter
        .server
        .soon_logged("/api/types/System/instances is answered with 503");
    assert!(exporter.server.logged("Whitelabel").is_err());
    gateway.change(|mood| mood.page_at = None);
    assert_is(powerflex_up(&exporter.later(), "prod"), 1.0);
}

#[test]
fn a_connection_that_was_kept_and_is_hung_up_on() {
    let gateway = Gateway::start(Mood::default());
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    exporter.page();
    gateway.change(|mood| mood.hangs_up = 1);
    assert_is(powerflex_up(&exporter.later(), "prod"), 1.0);
    gateway.change(|mood| mood.hangs_up = 9);
    assert_is(powerflex_up(&exporter.later(), "prod"), 0.0);
    exporter
        .server
        .soon_logged("powerflex prod: cannot reach https://");
}

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
fn what_nobody_tells_is_absent_and_said_to_be() {
    let mut silent = pool("1", "ssd");
    let captured = support::powerflex_gateway::captured("get_storage_pool_statistics.json");
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
fn two_systems_of_which_one_is_dead_and_one_that_is_slow() {
    let (well, slow) = (Gateway::start(Mood::default()), Gateway::start(Mood::default()));
    let dead = support::prometheus::free_address();
    let exporter = Exporter::of(
        &[
            ("well", &well.url()),
            ("dead", &format!("https://{dead}")),
            ("slow", &slow.url()),
        ],
        &[],
    );
    slow.change(|mood| mood.delay = Duration::from_secs(2));
    let started = Instant::now();
    let answer = exporter
        .server
        .prometheus()
        .ask(
            "GET",
            "/metrics",
            &[("X-Prometheus-Scrape-Timeout-Seconds", "1.5")],
        )
        .unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    let page = Page::parse(answer.text());
    let up: Vec<_> = ["well", "dead", "slow"]
        .map(|name| powerflex_up(&page, name).unwrap())
        .into();
    assert_eq!(format!("{up:?}"), "[1.0, 0.0, 0.0]");
    assert_is(
        page.value(
            "storage_probe_powerflex_pool_volumes",
            &[("system", "well"), ("storage_pool", "ssd")],
        ),
        2.0,
    );
    assert!(page.value("process_resident_memory_bytes", &[]).is_some());
    exporter
        .server
        .soon_logged("powerflex dead: cannot reach https://");
    exporter.server.soon_logged("powerflex slow: no answer within");
    let landing = exporter.server.get("/");
    for text in [
        "powerflex well</td><td>answered",
        "powerflex dead</td><td>did not answer",
        "/metrics/powerflex",
    ] {
        assert!(landing.text().contains(text), "{}", landing.text());
    }
    // Scope has its report in time, however slow a gateway is.
    let started = Instant::now();
    let report = exporter.server.report();
    assert!(
        started.elapsed() < Duration::from_millis(450),
        "{:?}",
        started.elapsed()
    );
    assert!(
        pools_in(&report.at("/PersistentVolume/nodes").unwrap().clone()).contains(&"ssd on well".to_owned())
    );
    // The reading that was too slow for the scrape went on, and nobody asked twice at once.
    let gets = |gateway: &Gateway| {
        gateway
            .requests()
            .iter()
            .filter(|asked| asked.contains("/api/login"))
            .count()
    };
    assert_eq!(gets(&slow), 1);
    // Each reason is logged once.
    slow.change(|mood| mood.delay = Duration::ZERO);
    for _ in 0..2 {
        exporter.later();
    }
    let log = exporter.server.log();
    assert_eq!(
        log.iter().filter(|line| line.contains("powerflex dead")).count(),
        1,
        "{log:#?}"
    );
}

#[test]
fn twenty_scrapes_at_once_sign_in_once() {
    let gateway = Gateway::start(Mood {
        delay: Duration::from_millis(50),
        ..Mood::default()
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    std::thread::scope(|scope| {
        let scrapes: Vec<_> = (0..20).map(|_| scope.spawn(|| exporter.page())).collect();
        for scrape in scrapes {
            assert_is(powerflex_up(&scrape.join().unwrap(), "prod"), 1.0);
        }
    });
    assert_eq!(gateway.logins(), 1);
    assert_eq!(gateway.requests().len(), 6, "{:?}", gateway.requests());
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

#[test]
fn a_certificate_is_checked_unless_somebody_says_otherwise() {
    let gateway = Gateway::start(Mood::default());
    let folder = tempfile::tempdir().unwrap();
    settings(folder.path(), &[("prod", &gateway.url())]);
    let file = folder.path().join("powerflex.yaml");
    let mut known: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    known["systems"][0].as_object_mut().unwrap().remove("ca_file");
    std::fs::write(&file, known.to_string()).unwrap();
    let exporter = Exporter::in_folder(folder, &["--no-cluster"]);
    assert_is(powerflex_up(&exporter.page(), "prod"), 0.0);
    let said = exporter.server.soon_logged("certificate");
    assert!(said.contains("ca.crt"), "{said}");
    assert!(
        gateway.requests().is_empty(),
        "nothing is sent to who may be anybody"
    );

    let Exporter { server, folder } = exporter;
    drop(server);
    known["systems"][0]["insecure"] = json!(true);
    std::fs::write(&file, known.to_string()).unwrap();
    let exporter = Exporter::in_folder(folder, &["--no-cluster"]);
    assert_is(powerflex_up(&exporter.page(), "prod"), 1.0);
    exporter.server.soon_logged("its certificate is not checked");
}

/// Of such a machine is the image.
#[test]
fn on_a_machine_without_authorities_they_are_missed_by_who_checks_and_by_nobody_else() {
    let gateway = Gateway::start(Mood::default());
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), &[("prod", &gateway.url())]);
    let mut known: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    known["systems"][0].as_object_mut().unwrap().remove("ca_file");
    let start = |known: &Value, folder: TempDir| {
        std::fs::write(&file, known.to_string()).unwrap();
        let nothing = folder.path().join("nothing");
        std::fs::write(&nothing, "").unwrap();
        let mut command = program(PROGRAM);
        command
            .env("SSL_CERT_FILE", &nothing)
            .env("SSL_CERT_DIR", &nothing);
        Exporter::by(command, folder, &["--no-cluster"])
    };
    let exporter = start(&known, folder);
    assert_is(powerflex_up(&exporter.page(), "prod"), 0.0);
    let said = exporter.server.soon_logged("no client can be made");
    assert!(said.contains("ca.crt in the Secret"), "{said}");

    let Exporter { server, folder } = exporter;
    drop(server);
    known["systems"][0]["insecure"] = json!(true);
    let exporter = start(&known, folder);
    assert_is(powerflex_up(&exporter.page(), "prod"), 1.0);
}

#[test]
fn who_cannot_be_reached_is_told_with_the_way_out() {
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let plain_port = plain.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in plain.incoming().map_while(Result::ok) {
            let _ = std::io::Read::read(&mut stream, &mut [0; 1000]);
            let _ = std::io::Write::write_all(
                &mut stream,
                b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            );
        }
    });
    let plain = format!("127.0.0.1:{plain_port}");
    let systems = [
        (
            "closed",
            format!("https://{}", support::prometheus::free_address()),
            "nobody listens there",
        ),
        (
            "unknown",
            "https://gateway.invalid".to_owned(),
            "has `url` the right name?",
        ),
        ("plain", format!("https://{plain}"), "does not speak TLS"),
        (
            "unencrypted",
            format!("http://{plain}"),
            "has `url` to begin with https://?",
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    let named: Vec<_> = systems
        .iter()
        .map(|(name, url, _)| (*name, url.as_str()))
        .collect();
    let file = settings(folder.path(), &named);
    let mut known: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    known["systems"][3]["insecure"] = json!(true);
    std::fs::write(&file, known.to_string()).unwrap();
    let exporter = Exporter::in_folder(folder, &["--no-cluster"]);
    exporter.page();
    for (name, url, told) in &systems {
        let line = exporter.server.soon_logged(&format!("powerflex {name}: "));
        let line = if *name == "unencrypted" {
            exporter.server.soon_logged("refused the user monitor")
        } else {
            assert!(line.contains(url), "{line}");
            line
        };
        assert!(line.contains(told), "{line}");
    }
}

#[test]
fn no_secret_is_told() {
    let gateway = Gateway::start(Mood::default());
    let exporter = Exporter::of(&[("prod", &gateway.url())], &["--log-level", "trace"]);
    let mut told = exporter.server.get("/metrics").text().to_owned();
    let tokens = gateway.tokens();
    gateway.change(|mood| mood.accepts_no_token = true);
    exporter.later();
    gateway.change(|mood| mood.password = "another".to_owned());
    exporter.later();
    // One that repeats what it was sent, to who signs in and to who has signed in.
    for (logins, status) in [
        (Logins::Gateway, 500),
        (Logins::Gateway, 401),
        (Logins::Native, 400),
        (Logins::Native, 403),
    ] {
        let echo = Gateway::start(Mood {
            logins,
            ..Mood::default()
        });
        let asked = Exporter::of(&[("echo", &echo.url())], &["--log-level", "trace"]);
        asked.page();
        echo.change(|mood| mood.repeats = Some(status));
        asked.later();
        told.push_str(asked.server.get("/").text());
        told.push_str(&asked.server.log().join("\n"));
        let echo = Gateway::start(Mood {
            logins,
            repeats: Some(status),
            ..Mood::default()
        });
        let asked = Exporter::of(&[("echo", &echo.url())], &["--log-level", "trace"]);
        asked.later();
        told.push_str(asked.server.get("/").text());
        told.push_str(&asked.server.log().join("\n"));
    }
    // One that says it as if it were an answer.
    let echo = Gateway::start(Mood {
        echoes_at: Some("/api/types/"),
        ..Mood::default()
    });
    let asked = Exporter::of(&[("echo", &echo.url())], &[]);
    asked.page();
    asked
        .server
        .soon_logged("it is of another form than it should be");
    told.push_str(asked.server.get("/").text());
    told.push_str(&asked.server.log().join("\n"));
    for token in echo.tokens() {
        use base64::Engine as _;
        let sent = base64::engine::general_purpose::STANDARD.encode(format!(":{token}"));
        assert!(!told.contains(&sent) && !told.contains(&token), "{told}");
    }
    told.push_str(exporter.server.get("/").text());
    told.push_str(&String::from_utf8_lossy(exporter.server.report().bytes()));
    told.push_str(&exporter.server.log().join("\n"));
    assert!(told.contains("prod"));
    let encoded = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"))
    };
    assert!(!tokens.is_empty());
    for secret in tokens
        .iter()
        .chain(&gateway.tokens())
        .map(String::as_str)
        .chain([PASSWORD, &encoded])
    {
        assert!(!told.contains(secret), "{secret} is told");
    }
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

#[test]
fn a_node_does_not_ask_and_a_wrong_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), &[("prod", "https://127.0.0.1:1")]);
    let file = file.to_str().unwrap();
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--plugin-dir",
        "",
        "--no-cluster",
        "--powerflex",
    ];
    let output = support::server::run(&[&arguments[..], &[file]].concat());
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--role cluster"));
    let output = support::server::run(&[&arguments[..], &["/none.yaml", "--role", "cluster"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("cannot read /none.yaml") && said.contains("mounted"),
        "{said}"
    );
    std::fs::write(file, "systems:\n- url: https://a\n  password: hush\n").unwrap();
    let output = support::server::run(&[&arguments[..], &[file, "--role", "cluster"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        said.contains("powerflex.yaml") && !said.contains("hush"),
        "{said}"
    );
}

/// Who sees some namespaces alone is one process as well, whatever role it names.
#[test]
fn systems_beside_a_tenants_namespaces() {
    let gateway = Gateway::start(Mood::default());
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), &[("prod", &gateway.url())]);
    let kubeconfig = kubeconfig_file(folder.path(), NOWHERE, &json!({}));
    let server = Server::launch(
        program(PROGRAM),
        &folder.path().join("plugins"),
        &[
            "--listen",
            "127.0.0.1:0",
            "--powerflex",
            file.to_str().unwrap(),
            "--kubeconfig",
            kubeconfig.to_str().unwrap(),
            "--namespace",
            "shop",
        ],
    );
    let page = Page::parse(server.get("/metrics").text());
    assert_is(powerflex_up(&page, "prod"), 1.0);
    assert_is(of_pool(&page, "volumes", "ssd"), 2.0);
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

/// A folder with settings and a dump of a cluster that has volumes of that system and of others.
fn folder_with_volumes(url: &str) -> (TempDir, Value) {
    let folder = tempfile::tempdir().unwrap();
    settings(folder.path(), &[("prod", url)]);
    let volume = |name: &str, driver: &str, handle: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name, "uid": format!("uid-{name}")},
            "spec": {"capacity": {"storage": "8Gi"}, "accessModes": ["ReadWriteOnce"],
                     "csi": {"driver": driver, "volumeHandle": handle}}, "status": {"phase": "Available"}})
    };
    let flex = "csi-vxflexos.dellemc.com";
    let items = [
        volume("pv-by-system", flex, "14dbbf5617523654-72ce476b00000002"),
        volume("pv-of-old", flex, "72ce476b00000002"),
        volume("pv-elsewhere", flex, "15dbbf5617523655-72ce476b00000002"),
        volume("pv-unknown", flex, "14dbbf5617523654-72ce476b00000009"),
        volume("pv-other", "disks.example", "72ce476b00000002"),
    ];
    let dump = json!({"apiVersion": "v1", "kind": "List", "items": items});
    std::fs::write(folder.path().join("dump.json"), dump.to_string()).unwrap();
    (folder, dump)
}

fn pools_in(nodes: &Value) -> Vec<String> {
    let nodes = nodes.as_object().unwrap().values();
    nodes
        .filter(|node| node["latest"]["kubernetes_node_type"]["value"] == "PowerFlex storage pool")
        .map(|node| {
            node["latest"]["kubernetes_name"]["value"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

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
            "all" => ("storage", support::server::HOST),
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

#[test]
fn check_and_metrics_print_what_is_read_once() {
    let gateway = Gateway::start(Mood::default());
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), &[("prod", &gateway.url())]);
    let file = file.to_str().unwrap();
    let common = ["--role", "cluster", "--no-cluster", "--powerflex", file];
    let output = support::server::run(&[&["metrics"], &common[..]].concat());
    let page = Page::parse(&String::from_utf8(output.stdout).unwrap());
    assert_is(of_pool(&page, "volumes", "ssd"), 2.0);
    let check = || {
        let output = support::server::run(&[&["check", "--plugin-dir", ""], &common[..]].concat());
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
    let told = std::process::Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::fs::File::open(file).unwrap())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&[told.stdout, told.stderr].concat()), "");
}

/// CPU and bytes of a scrape of 500 pools. `cargo test --release --test powerflex -- --ignored --nocapture five_hundred`.
#[test]
#[ignore = "a measurement: in release, on a quiet machine"]
#[allow(clippy::print_stdout, reason = "a measurement")]
fn five_hundred_pools() {
    let pools: Vec<Pool> = (0..500)
        .map(|number| {
            let mut pool = pool("0", &format!("pool-{number}"));
            pool.id = format!("e65f9c27{number:08x}");
            let busy = json!({"numSeconds": 5, "totalWeightInKb": 2000 + number, "numOccured": 500});
            pool.statistics = json!({"userDataReadBwc": busy, "userDataWriteBwc": busy, "totalReadBwc": busy,
                "totalWriteBwc": busy, "primaryReadBwc": busy, "primaryWriteBwc": busy});
            pool
        })
        .collect();
    let gateway = Gateway::start(Mood {
        pools,
        ..Mood::default()
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    let first = exporter.server.get("/metrics/powerflex");
    let samples = Page::parse(first.text()).samples().len();
    let process = exporter.server.id();
    let (before, started) = (used_seconds(process), Instant::now());
    for _ in 0..10 {
        std::thread::sleep(SHARED);
        let page = exporter.page();
        assert_is(powerflex_up(&page, "prod"), 1.0);
    }
    let used = (used_seconds(process) - before) / 10.0 * 1e3;
    let idle = started.elapsed();
    println!(
        "500 pools: {} bytes, {samples} samples, {used:.1} ms CPU a scrape (over {idle:?}), {} kB resident",
        first.body.len(),
        resident_bytes(process) / 1024
    );
    assert!(used < 500.0 * support::time_slack());
}
