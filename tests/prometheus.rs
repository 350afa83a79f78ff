//! A real Prometheus takes the page as it is meant: it scrapes without a complaint, in the form that it likes best, and its
//! figures of a known amount of I/O are exactly that amount.
//!
//! The Prometheus is Debian's, with its own `promtool`; the I/O is made on a loop device of the test's own, which takes root.
//! Where a part is missing, the test fails and names it.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use flate2::read::GzDecoder;
use support::authority::{Authority, hash};
use support::exposition::open_metrics_violations;
use support::loop_device::{LoopDevice, backing_file, require_loop_devices};
use support::prometheus::{Prometheus, promtool};
use support::server::{PROGRAM, Server, program};
use support::{expect_that, within};

/// How long Prometheus may take to start, or to have scraped once more.
const LIMIT: Duration = Duration::from_secs(30);

#[test]
#[ignore = "needs root, loop devices and Debian's prometheus: tests/real-parts.sh"]
fn figures_in_prometheus_are_exactly_what_was_read_and_written() {
    require_loop_devices();
    let folder = tempfile::tempdir().unwrap();
    let device = LoopDevice::attach(&backing_file(folder.path(), "disk.img", 8));
    let disk = device.open();
    let server = Server::start();
    let prometheus = Prometheus::scraping(&[("storage", server.address())]);
    within(LIMIT, || {
        expect_that(prometheus.value("up") == Ok(1.0), "it is not up")
    });

    let series = |family: &str| format!("storage_probe_{family}{{device=\"{}\"}}", device.name());
    let families = [
        ("disk_reads_completed_total", 400.0),
        ("disk_read_bytes_total", 400.0 * 4096.0),
        ("disk_writes_completed_total", 150.0),
        ("disk_written_bytes_total", 150.0 * 16384.0),
    ];
    // Some samples from before, or there would be nothing to count from.
    within(LIMIT, || {
        let samples = prometheus.query(&format!(
            "count_over_time({}[2m]) > 2",
            series("disk_reads_completed_total")
        ));
        expect_that(samples.len() == 1, "too few samples yet")
    });
    disk.read(400, 4096);
    disk.write(150, 16384);

    for (family, amount) in families {
        let series = series(family);
        let samples = within(LIMIT, || {
            let samples = prometheus.samples(&series);
            let grown = samples[samples.len() - 1] - samples[0];
            expect_that(grown >= amount, format!("{series} has grown by {grown}")).map(|()| samples)
        });
        let grown = samples[samples.len() - 1] - samples[0];
        assert_eq!(grown.to_bits(), amount.to_bits(), "{family}: {samples:?}");
        assert_eq!(prometheus.value(&format!("resets({series}[2m])")), Ok(0.0));
    }
    // What people write gives the same, spread over the time that is looked at: at each end by a scrape and a tenth at most.
    let reads = series("disk_reads_completed_total");
    let now = jiff::Timestamp::now().as_millisecond() as f64 / 1e3;
    let over_time = |function: &str| {
        let expression = format!("{function}({reads}[2m] @ {now})");
        prometheus.value(&expression).unwrap()
    };
    let (samples, increase) = (over_time("count_over_time"), over_time("increase"));
    let most = 400.0 * (1.0 + 2.2 / (samples - 1.0));
    assert!(
        (400.0..=most).contains(&increase),
        "{increase} of {samples} samples"
    );
    let rate = over_time("rate");
    assert!((rate * 120.0 - increase).abs() < 1e-6, "{rate} and {increase}");
    // The rates that the page has already made arrive as well, as long as there is something to rate.
    let iops = format!(
        "storage_probe_disk_iops{{device=\"{}\",operation=\"read\"}}",
        device.name()
    );
    within(LIMIT, || {
        disk.read(10, 4096);
        let rate = prometheus.value(&iops)?;
        expect_that(rate > 10.0, format!("it has {rate} reads per second"))
    });

    // A device that goes is gone with the next scrape, not when Prometheus forgets.
    drop(disk);
    drop(device);
    within(LIMIT, || {
        expect_that(prometheus.query(&reads).is_empty(), "its series is still there")
    });
}

#[test]
#[ignore = "needs Debian's prometheus: tests/real-parts.sh"]
fn prometheus_gets_the_form_that_it_likes_best_and_reads_all_of_it() {
    let server = Server::start();
    let (recorder, heard) = recorder();
    let prometheus = Prometheus::scraping(&[("storage", server.address()), ("recorder", recorder)]);

    // The very request that this Prometheus makes, made by us.
    let asked = heard.recv_timeout(LIMIT).expect("the recorder was not asked");
    let asked: Vec<(&str, &str)> = asked
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| *name != "Host")
        .collect();
    let names: Vec<_> = asked.iter().map(|(name, _)| *name).collect();
    for name in ["Accept", "Accept-Encoding", "X-Prometheus-Scrape-Timeout-Seconds"] {
        assert!(names.contains(&name), "{asked:?}");
    }
    let answer = server.prometheus().ask("GET", "/metrics", &asked).unwrap();
    let form = answer.header("content-type").unwrap();
    assert!(
        form.starts_with("application/openmetrics-text; version="),
        "{form}"
    );
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut page = String::new();
    GzDecoder::new(&answer.body[..])
        .read_to_string(&mut page)
        .unwrap();
    assert_eq!(open_metrics_violations(&page), [""; 0]);

    // And what it made of it. Units and names without `_total` are known from OpenMetrics alone.
    within(LIMIT, || {
        expect_that(prometheus.value("up{job=\"storage\"}") == Ok(1.0), "it is not up")
    });
    let target = prometheus.target("storage");
    assert_eq!(
        (target["health"].as_str(), target["lastError"].as_str()),
        (Some("up"), Some(""))
    );
    let metadata = prometheus.data("/api/v1/targets/metadata?metric=storage_probe_disk_read_bytes");
    assert_eq!(metadata[0]["type"], "counter");
    assert_eq!(metadata[0]["unit"], "bytes");
    within(LIMIT, || {
        let kept = prometheus.value("scrape_samples_scraped{job=\"storage\"}")?;
        let told = server.page().samples().len() as f64;
        // Both grow when the first rates come.
        expect_that(
            (told - kept).abs() < 0.5,
            format!("{told} samples told, {kept} kept"),
        )
    });
}

#[test]
#[ignore = "needs Debian's prometheus: tests/real-parts.sh"]
fn prometheus_scrapes_within_tls_with_a_password_a_token_or_a_certificate() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (identity, scraper) = (authority.identity("probe"), authority.identity("scraper"));
    for (name, content) in [
        ("tls.crt", &identity.certificate),
        ("tls.key", &identity.key),
        ("ca.crt", &authority.certificate()),
        ("scraper.crt", &scraper.certificate),
        ("scraper.key", &scraper.key),
        ("password", &b"hush-hush-Secret1".to_vec()),
        ("token", &b"hush-token-4cb1d04ffb0a7d11".to_vec()),
    ] {
        std::fs::write(path(name), content).unwrap();
    }
    let served = |name: &str, web: &str| {
        let file = path(name);
        std::fs::write(
            &file,
            format!("tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n{web}"),
        )
        .unwrap();
        Server::launch(
            program(PROGRAM),
            folder.path().join(format!("{name}.plugins")).as_path(),
            &[
                "--listen=127.0.0.1:0",
                "--web-config-file",
                file.to_str().unwrap(),
            ],
        )
    };
    let credentials = served(
        "credentials.yaml",
        &format!(
            "basic_auth_users: {{prometheus: {}}}\nbearer_token_file: token\n",
            hash("hush-hush-Secret1", 5)
        ),
    );
    let certificates = served(
        "certificates.yaml",
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n",
    );
    let file = |name: &str| path(name).display().to_string();
    let trust = format!("ca_file: {}", file("ca.crt"));
    let jobs = [
        job(
            "password",
            &credentials,
            &format!(
                "tls_config: {{{trust}}}, basic_auth: {{username: prometheus, password_file: {}}}",
                file("password")
            ),
        ),
        job(
            "token",
            &credentials,
            &format!(
                "tls_config: {{{trust}}}, authorization: {{credentials_file: {}}}",
                file("token")
            ),
        ),
        job("nothing", &credentials, &format!("tls_config: {{{trust}}}")),
        job("distrust", &credentials, ""),
        job(
            "certificate",
            &certificates,
            &format!(
                "tls_config: {{{trust}, cert_file: {}, key_file: {}}}",
                file("scraper.crt"),
                file("scraper.key")
            ),
        ),
        job("uncertified", &certificates, &format!("tls_config: {{{trust}}}")),
    ];
    let prometheus = Prometheus::configured(&format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{}",
        jobs.concat().replace(", }", "}")
    ));
    for (job, error) in [
        ("password", ""),
        ("token", ""),
        ("certificate", ""),
        ("nothing", "401 Unauthorized"),
        ("distrust", "certificate signed by unknown authority"),
        ("uncertified", "certificate required"),
    ] {
        within(LIMIT, || {
            let up = prometheus.value(&format!("up{{job=\"{job}\"}}"))?;
            let told = prometheus.target(job)["lastError"].as_str().unwrap().to_owned();
            let is_so = (up > 0.5) == error.is_empty() && told.contains(error);
            expect_that(is_so, format!("{job}: up is {up}, and {told:?} is told"))
        });
    }
    for line in [credentials.log(), certificates.log()].concat() {
        assert!(!line.contains("hush") && !line.contains("$2b$"), "{line}");
    }
}

/// A job that scrapes a server within TLS.
fn job(name: &str, server: &Server, more: &str) -> String {
    let address = server.address();
    format!("- {{job_name: {name}, scheme: https, static_configs: [{{targets: ['{address}']}}], {more}}}\n")
}

/// A target that tells what it was asked first, and says nothing itself.
fn recorder() -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, heard) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
        while !request.ends_with(b"\r\n\r\n") {
            let length = stream.read(&mut buffer).unwrap();
            assert!(length > 0, "hung up on");
            request.extend_from_slice(&buffer[..length]);
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let _ = tell.send(String::from_utf8(request).unwrap());
    });
    (address, heard)
}

#[test]
#[ignore = "needs Debian's prometheus: tests/real-parts.sh"]
fn promtool_finds_nothing_to_say_of_the_page() {
    let server = Server::start();
    server.report();
    // With rates on it, so that all families are there.
    let page = within(LIMIT, || {
        let answer = server.get("/metrics");
        let has_rates = answer.text().contains("storage_probe_disk_iops");
        expect_that(has_rates, "no rates on the page").map(|()| answer)
    });
    let (code, told) = promtool(&page.body);
    assert_eq!((code, told.as_str()), (Some(0), ""));
    // And it does speak where there is something to say.
    let (code, told) = promtool(b"# TYPE reads counter\nreads 1\n");
    assert_ne!(code, Some(0));
    assert!(told.contains("_total"), "{told}");
}
