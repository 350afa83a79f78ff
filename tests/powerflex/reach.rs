//! Which systems are asked and how they are reached: connections, certificates, the file that names them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::backend::powerflex_up;
use super::support::exposition::Page;
use super::support::kubeconfig::{NOWHERE, kubeconfig_file};
use super::support::powerflex_gateway::{Gateway, Mood, settings};
use super::support::prometheus::free_address;
use super::support::server::{PROGRAM, Server, program, run};
use super::{Exporter, assert_is, of_pool, pools_in};

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
fn two_systems_of_which_one_is_dead_and_one_that_is_slow() {
    let (well, slow) = (Gateway::start(Mood::default()), Gateway::start(Mood::default()));
    let dead = free_address();
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
            format!("https://{}", free_address()),
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
    let output = run(&[&arguments[..], &[file]].concat());
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--role cluster"));
    let output = run(&[&arguments[..], &["/none.yaml", "--role", "cluster"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("cannot read /none.yaml") && said.contains("mounted"),
        "{said}"
    );
    std::fs::write(file, "systems:\n- url: https://a\n  password: hush\n").unwrap();
    let output = run(&[&arguments[..], &[file, "--role", "cluster"]].concat());
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
