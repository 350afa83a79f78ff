//! `serve` as its users meet it: whoever asks gets the right answer, nobody holds up anybody else, and nothing is left behind.
//!
//! The program is started as it is shipped, on a socket in a temporary folder and on a free port. No rights are needed.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use support::exposition::{Page, open_metrics_violations};
use support::http::{Connection, Stream, head};
use support::kubeconfig::{NOWHERE, kubeconfig_file};
use support::powerflex_gateway::settings;
use support::report::Report;
use support::server::{PROGRAM, Server, of_cluster, program, run};
use support::{expect_that, within};

/// What a person calls at once, on a machine that also builds and tests.
const PROMPT: Duration = Duration::from_secs(1);

const REPORT: &str = "/report?api_version=1&probe_id=4f2a";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn soon() -> Instant {
    Instant::now() + PROMPT
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

// What Scope is told

#[test]
fn scope_asks_for_the_report_and_gets_it() {
    let server = Server::start();
    let answer = server.scope().get(REPORT).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let report = Report::parse(&answer.body);
    assert_eq!(report.at("/Plugins/0/id").unwrap(), "storage");
    assert!(report.at("/Host/nodes/test-node;<host>").is_some());
}

#[test]
fn a_version_that_is_not_spoken_here_is_refused_with_a_reason() {
    let server = Server::start();
    let answer = server.scope().get("/report?api_version=2&probe_id=4f2a").unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(answer.text(), "api_version 2 is not spoken here, only 1\n");
    // A person with curl does not say a version.
    assert_eq!(server.scope().get("/report").unwrap().status, 200);
}

#[test]
fn other_paths_and_methods_are_refused_with_the_way_out() {
    let server = Server::start();
    let mut scope = server.scope();
    for path in ["/", "/control", "/report/", "/metrics"] {
        let answer = scope.get(path).unwrap();
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("/report"), "{path}: {}", answer.text());
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = scope.ask(method, REPORT, &[]).unwrap();
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method}");
    }
    let refused = server
        .page()
        .value("storage_probe_report_requests_total", &[("result", "refused")]);
    assert_eq!(refused, Some(8.0));
}

#[test]
fn head_tells_the_length_and_sends_nothing() {
    let server = Server::start();
    let mut scope = server.scope();
    let head = scope.ask("HEAD", REPORT, &[]).unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    let length: usize = head.header("content-length").unwrap().parse().unwrap();
    assert!(length > 100, "{length}");
    // Had a body come along, it would be read as the head of this answer.
    assert_eq!(scope.get(REPORT).unwrap().status, 200);
}

// Connections

#[test]
fn one_connection_serves_as_many_requests_as_are_made() {
    let server = Server::start();
    let (mut scope, mut prometheus) = (server.scope(), server.prometheus());
    for at in 0..200 {
        assert_eq!(scope.get(REPORT).unwrap().status, 200, "request {at}");
        assert_eq!(prometheus.get("/metrics").unwrap().status, 200, "request {at}");
    }
    let requests = |page: &Page| page.value("storage_probe_report_requests_total", &[("result", "answered")]);
    assert_eq!(requests(&server.page()), Some(200.0));
}

#[test]
fn requests_sent_without_waiting_are_answered_in_their_order() {
    let server = Server::start();
    let mut scope = server.scope();
    let requests = [
        head("GET", REPORT, &[]),
        head("GET", "/nothing", &[]),
        head("GET", REPORT, &[]),
    ];
    scope.send(requests.concat().as_bytes()).unwrap();
    let statuses = [(); 3].map(|()| scope.answer(soon(), false).unwrap().status);
    assert_eq!(statuses, [200, 404, 200]);
}

#[test]
fn neither_silent_nor_slow_clients_hold_up_the_others() {
    let server = Server::start();
    let silent = server.scope();
    let mut slow = server.scope();
    slow.send(b"GET /report?api_ver").unwrap();
    let mut used = server.scope();
    assert_eq!(used.get(REPORT).unwrap().status, 200);

    let asked = Instant::now();
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                assert_eq!(server.scope().get(REPORT).unwrap().status, 200);
                assert_eq!(server.get("/metrics").status, 200);
            });
        }
    });
    assert!(asked.elapsed() < PROMPT, "{:?}", asked.elapsed());

    // And the slow one is answered as soon as it has asked.
    slow.send(b"sion=1 HTTP/1.1\r\nHost: plugin\r\n\r\n").unwrap();
    assert_eq!(slow.answer(soon(), false).unwrap().status, 200);
    drop(silent);
}

#[test]
fn a_hundred_silent_connections_are_borne() {
    let server = Server::start();
    let silent: Vec<_> = (0..100).map(|_| (server.scope(), server.prometheus())).collect();
    assert_eq!(server.scope().get(REPORT).unwrap().status, 200);
    assert_eq!(server.get("/metrics").status, 200);
    drop(silent);
    // Nor do they leave anything behind: only the sockets and what the runtime has are still open.
    within(Duration::from_secs(5), || {
        let open = server.page().value("process_open_fds", &[]).unwrap();
        expect_that(open < 40.0, format!("{open} files are open"))
    });
}

#[test]
fn clients_that_talk_nonsense_or_hang_up_harm_nobody() {
    let server = Server::start();
    let long_head = format!("GET /report HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(64 << 10));
    let nonsense: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n\r\n\r\n\0\0\0\0",
        b"GET /report HTTP/9.9\r\n\r\n",
        b"GET /report\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        long_head.as_bytes(),
    ];
    for bytes in nonsense {
        refuses(server.scope(), bytes);
        refuses(server.prometheus(), bytes);
    }
    // Nonsense after a good request: the request is still answered.
    let mut mixed = server.scope();
    let mut sent = head("GET", REPORT, &[]).into_bytes();
    sent.extend_from_slice(b"\0\0nonsense\r\n\r\n");
    mixed.send(&sent).unwrap();
    assert_eq!(mixed.answer(soon(), false).unwrap().status, 200);
    // Some hang up before they have asked, some before they were answered.
    for sent in [&b""[..], b"GET /rep", head("GET", REPORT, &[]).as_bytes()] {
        server.scope().send(sent).unwrap();
        server.prometheus().send(sent).unwrap();
    }
    assert_eq!(server.scope().get(REPORT).unwrap().status, 200);
    assert_eq!(server.get("/metrics").status, 200);
}

/// Sends nonsense and makes sure that it is refused or hung up on.
fn refuses<S: Stream>(mut client: Connection<S>, bytes: &[u8]) {
    let shown = text(&bytes[..bytes.len().min(40)]);
    // The program may hang up while it is still being talked to.
    let _ = client.send(bytes);
    match client.answer(soon(), false) {
        Ok(answer) => assert!((400..500).contains(&answer.status), "{shown:?}: {answer:?}"),
        Err(error) => assert!(
            !matches!(
                error.kind(),
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock | io::ErrorKind::InvalidData
            ),
            "{shown:?}: {error}"
        ),
    }
}

// Start and end

#[test]
fn there_is_one_socket_in_a_folder_of_its_own_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("scope/plugins");
    let server = Server::start_in(&plugins);
    server.scope().get(REPORT).unwrap();
    assert_eq!(below(&plugins), [plugins.join("storage"), server.socket()]);
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&plugins.join("storage")), 0o700);
    assert!(
        fs::symlink_metadata(server.socket())
            .unwrap()
            .file_type()
            .is_socket()
    );
}

/// Everything below a folder, in order.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .flat_map(|entry| {
            let entry = entry.unwrap();
            let inside = if entry.file_type().unwrap().is_dir() {
                below(&entry.path())
            } else {
                Vec::new()
            };
            std::iter::once(entry.path()).chain(inside)
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_socket_left_behind_by_a_crash_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut crashed = Server::start_in(folder.path());
    crashed.signal("KILL");
    assert!(!crashed.wait(PROMPT).success());
    assert!(fs::symlink_metadata(crashed.socket()).is_ok());
    assert!(Connection::unix(&crashed.socket()).is_err());

    let next = Server::start_in(folder.path());
    assert_eq!(next.scope().get(REPORT).unwrap().status, 200);
    assert_eq!(
        below(folder.path()),
        [folder.path().join("storage"), next.socket()]
    );
}

#[test]
fn a_second_one_in_the_same_folder_is_refused_and_the_first_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start_in(folder.path());
    let plugins = folder.path().to_str().unwrap();
    let second = run(&["serve", "--plugin-dir", plugins, "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1));
    let told = text(&second.stderr);
    assert!(told.contains("storage.sock is in use"), "{told}");
    assert!(told.contains("--plugin-dir"), "{told}");
    assert_eq!(first.scope().get(REPORT).unwrap().status, 200);
}

#[test]
fn a_taken_port_is_an_error_that_names_the_flag_and_leaves_no_socket() {
    let first = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().to_str().unwrap();
    let address = first.address().to_string();
    let second = run(&["serve", "--plugin-dir", plugins, "--listen", &address]);
    assert_eq!(second.status.code(), Some(1));
    let told = text(&second.stderr);
    assert!(told.contains(&address) && told.contains("--listen"), "{told}");
    assert_eq!(below(folder.path()), [folder.path().join("storage")]);
}

#[test]
fn told_to_end_it_removes_its_socket_and_ends_at_once_whoever_is_connected() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start();
        let (mut scope, mut prometheus) = (server.scope(), server.prometheus());
        scope.get(REPORT).unwrap();
        prometheus.get("/metrics").unwrap();
        let (silent, socket) = (server.scope(), server.socket());
        server.signal(signal);
        let ended = server.wait(PROMPT);
        assert_eq!(ended.code(), Some(0), "{signal}");
        assert!(fs::symlink_metadata(&socket).is_err(), "{signal}");
        assert!(
            scope.is_hung_up(soon()) && prometheus.is_hung_up(soon()),
            "{signal}"
        );
        drop(silent);
    }
}

#[test]
fn told_to_end_while_it_waits_for_a_credential_plugin_it_removes_its_sockets_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let process = folder.path().join("process");
    let user = serde_json::json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
        "command": "sh", "args": ["-c", "echo $$ > \"$0.new\"; mv \"$0.new\" \"$0\"; exec sleep 60", process],
    }});
    let path = kubeconfig_file(folder.path(), NOWHERE, &user);
    let mut child = program(PROGRAM)
        .args(["serve", "--plugin-dir"])
        .arg(folder.path().join("plugins"))
        .args(of_cluster(path.to_str().unwrap()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let plugin = within(Duration::from_secs(20), || fs::read_to_string(&process));
    let socket = folder.path().join("plugins/storage-cluster/storage-cluster.sock");
    assert!(socket.exists());
    let kill = |name: &str, process: &str| {
        Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, process.trim()])
            .status()
    };
    assert!(kill("TERM", &child.id().to_string()).unwrap().success());
    let ended = within(Duration::from_secs(2), || {
        child.try_wait().unwrap().ok_or("the program still runs")
    });
    assert_eq!(ended.code(), Some(0));
    assert!(!socket.exists());
    let _ = kill("KILL", &plugin);
}

#[test]
fn half_a_request_delays_the_end_by_two_seconds_at_most() {
    let mut server = Server::start();
    let mut slow = server.scope();
    slow.send(b"GET /report HTT").unwrap();
    // Once another is answered, the slow one's bytes have been read, too.
    server.scope().get(REPORT).unwrap();
    server.signal("TERM");
    assert_eq!(server.wait(Duration::from_secs(2) + PROMPT).code(), Some(0));
}

#[test]
fn either_of_the_two_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let only_scope = Server::launch(program(PROGRAM), folder.path(), &["--listen="]);
    assert_eq!(only_scope.scope().get(REPORT).unwrap().status, 200);

    let only_metrics = Server::launch(program(PROGRAM), Path::new(""), &["--listen=127.0.0.1:0"]);
    assert_eq!(only_metrics.get("/metrics").status, 200);
    assert!(only_metrics.logged("not answering Scope").is_ok());

    let neither = run(&["serve", "--plugin-dir=", "--listen="]);
    assert_eq!(neither.status.code(), Some(1));
    assert!(text(&neither.stderr).contains("nothing to serve"));
}

#[test]
fn without_the_right_to_make_a_socket_metrics_are_served_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).unwrap();
    let is_root = fs::symlink_metadata(&locked).unwrap().uid() == 0;
    for (path, mode) in [(folder.path(), 0o755), (&locked, 0o555)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    // No folder is closed to root, so root runs a copy of the program as nobody.
    let command = if is_root {
        let copy = folder.path().join("scope-storage-probe");
        // Copied by another process: a file that this one has open to write is handed on to whatever it starts meanwhile, and
        // nobody can run a file that somebody may write to.
        assert!(
            Command::new("cp")
                .arg(PROGRAM)
                .arg(&copy)
                .status()
                .unwrap()
                .success()
        );
        let mut command = program("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(copy);
        command
    } else {
        program(PROGRAM)
    };
    let server = Server::launch(command, &locked.join("plugins"), &["--listen=127.0.0.1:0"]);
    let told = server.logged("not answering Scope").unwrap();
    assert!(told.contains("WARN") && told.contains("--plugin-dir"), "{told}");
    assert!(told.contains(locked.to_str().unwrap()), "{told}");
    assert_eq!(server.get("/metrics").status, 200);
}

/// How often the kernel let its threads run.
fn context_switches(process: u32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("it has ended");
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("status")).ok())
        .flat_map(|status| {
            status
                .lines()
                .filter(|line| line.contains("ctxt_switches"))
                .filter_map(|line| line.rsplit('\t').next()?.parse::<u64>().ok())
                .collect::<Vec<_>>()
        })
        .sum()
}

#[test]
fn where_nobody_asks_it_does_not_wake_up_once() {
    let server = Server::start();
    let mut scope = server.scope();
    scope.get("/report").expect("no report");
    server.page();
    // The connection stays open, as Scope's does. What the last answer set off is over after a while.
    let quiet = Duration::from_secs(2);
    within(Duration::from_secs(20), || {
        let before = context_switches(server.id());
        assert!(before > 0, "the kernel counts no context switches");
        std::thread::sleep(quiet);
        match context_switches(server.id()) - before {
            0 => Ok(()),
            woken => Err(format!("it ran {woken} times within {quiet:?}")),
        }
    });
}

#[test]
fn once_started_it_has_nothing_to_say() {
    let server = Server::start();
    let (mut scope, mut prometheus) = (server.scope(), server.prometheus());
    let started = Instant::now();
    let said = server.log();
    assert!(said.len() > 3, "{said:?}");
    while started.elapsed() < Duration::from_secs(3) {
        for target in [REPORT, "/report?api_version=2", "/nothing"] {
            scope.get(target).unwrap();
        }
        for target in ["/metrics", "/", "/readyz", "/nothing"] {
            prometheus.get(target).unwrap();
        }
        server.scope().send(b"GET /rep").unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.log(), said);
}

// What Prometheus and others are told

#[test]
fn the_page_comes_in_the_form_that_was_asked_for() {
    let server = Server::start();
    let mut prometheus = server.prometheus();
    for (accept, expected) in [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("application/json", TEXT),
        ("application/openmetrics-text", OPEN_METRICS),
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            OPEN_METRICS,
        ),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4",
            TEXT,
        ),
    ] {
        let answer = prometheus.ask("GET", "/metrics", &[("Accept", accept)]).unwrap();
        assert_eq!(answer.status, 200, "{accept}");
        assert_eq!(answer.header("content-type"), Some(expected), "{accept}");
        let page = Page::parse(answer.text());
        assert!(page.value("storage_probe_build_info", &[]).is_some(), "{accept}");
        if expected == OPEN_METRICS {
            assert_eq!(open_metrics_violations(answer.text()), [""; 0]);
        } else {
            assert!(!answer.text().contains("# EOF"), "{accept}");
        }
    }
}

#[test]
fn the_page_is_compressed_for_those_who_take_it() {
    let server = Server::start();
    let mut prometheus = server.prometheus();
    let plain = prometheus.get("/metrics").unwrap();
    assert_eq!(plain.header("content-encoding"), None);
    let packed = prometheus.ask("GET", "/metrics", &[("Accept-Encoding", "gzip")]);
    let packed = packed.unwrap();
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("content-type"), Some(TEXT));
    assert!(packed.body.len() * 2 < plain.body.len());
    let mut page = String::new();
    GzDecoder::new(&packed.body[..])
        .read_to_string(&mut page)
        .unwrap();
    let names = |page: &str| -> Vec<String> {
        let samples = Page::parse(page);
        samples
            .samples()
            .iter()
            .map(|sample| sample.name.clone())
            .collect()
    };
    // Rates may have come or gone between the two readings; nothing else.
    let lasting = |names: Vec<String>| -> Vec<String> {
        let is_rate = |name: &String| {
            ["_iops", "per_second", "utilization_ratio"]
                .iter()
                .any(|end| name.ends_with(end))
        };
        names.into_iter().filter(|name| !is_rate(name)).collect()
    };
    assert_eq!(lasting(names(&page)), lasting(names(plain.text())));
    let refused = prometheus.ask("GET", "/metrics", &[("Accept-Encoding", "gzip;q=0")]);
    assert_eq!(refused.unwrap().header("content-encoding"), None);
}

#[test]
fn people_and_kubelets_find_their_pages() {
    let server = Server::start();
    let landing = server.get("/");
    assert_eq!(landing.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(landing.text().contains("href=\"/metrics\""), "{}", landing.text());
    assert!(landing.text().contains("Node test-node:"), "{}", landing.text());
    for (path, expected) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.text()), (200, expected), "{path}");
    }
    let mut client = server.prometheus();
    for path in ["/report", "/metrics/", "/favicon.ico"] {
        assert_eq!(client.get(path).unwrap().status, 404, "{path}");
    }
    for path in ["/", "/metrics", "/healthz", "/readyz"] {
        let refused = client.ask("POST", path, &[]).unwrap();
        assert_eq!(refused.status, 405, "{path}");
        assert_eq!(refused.header("allow"), Some("GET, HEAD"), "{path}");
        let head = client.ask("HEAD", path, &[]).unwrap();
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
}

#[test]
fn head_is_refused_as_get_is_and_says_no_length_that_nobody_knows() {
    let folder = tempfile::tempdir().unwrap();
    let file = settings(folder.path(), &[("prod", "https://127.0.0.1:1")]);
    let arguments = [
        "--listen=127.0.0.1:0",
        "--role",
        "cluster",
        "--no-cluster",
        "--powerflex",
        file.to_str().unwrap(),
    ];
    let server = Server::launch(program(PROGRAM), &folder.path().join("plugins"), &arguments);
    let mut client = server.prometheus();
    for (target, status) in [
        ("/metrics", 200),
        ("/metrics/powerflex", 200),
        ("/metrics?exclude[]=powerflex", 200),
        ("/metrics?collect[]=nonsense", 400),
        ("/metrics/nonsense", 404),
    ] {
        for encoding in ["gzip", "identity"] {
            let headers = [
                ("Accept-Encoding", encoding),
                ("Accept", "application/openmetrics-text"),
            ];
            let get = client.ask("GET", target, &headers).unwrap();
            let head = client.ask("HEAD", target, &headers).unwrap();
            assert_eq!((get.status, head.status), (status, status), "{target}");
            for name in ["content-type", "content-encoding", "vary"] {
                assert_eq!(get.header(name), head.header(name), "{name} of {target}");
            }
            let length = head.header("content-length");
            let known = (status != 200).then(|| get.body.len().to_string());
            assert_eq!(length, known.as_deref(), "{target}");
        }
    }
}

#[test]
fn whoever_posts_what_is_not_offered_does_not_fill_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = kubeconfig_file(folder.path(), NOWHERE, &serde_json::json!({}));
    let mut arguments = of_cluster(path.to_str().unwrap());
    arguments.extend(["--enable-controls", "describe", "--controls-namespaces", "shop"]);
    let server = Server::launch(program(PROGRAM), folder.path(), &arguments);
    let socket = folder.path().join("storage-controls/storage-controls.sock");
    let mut scope = Connection::unix(&socket).unwrap();
    for at in 0..500 {
        let control = ["storage_describe", "nonsense"][at % 2];
        let body = serde_json::json!({"NodeID": format!("node-{at}"), "Control": control});
        let body = body.to_string();
        let length = body.len().to_string();
        let head = head("POST", "/control?api_version=1", &[("Content-Length", &length)]);
        scope.send((head + &body).as_bytes()).unwrap();
        let answer = scope.answer(soon(), false).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().contains("error"), "{}", answer.text());
    }
    server.soon_logged("refused: the node \"node-0\"");
    let said = server.log();
    let refused = said.iter().filter(|line| line.contains("refused: ")).count();
    assert!((1..20).contains(&refused), "{refused} lines");
}

#[test]
fn where_no_disk_can_be_read_it_is_alive_but_not_ready() {
    let empty = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (procfs, sysfs) = roots_in(empty.path());
    let arguments = ["--listen=127.0.0.1:0", &procfs, &sysfs];
    let server = Server::launch(program(PROGRAM), folder.path(), &arguments);
    assert_eq!(server.get("/healthz").status, 200);
    let readiness = server.get("/readyz");
    assert_eq!(readiness.status, 503);
    assert!(readiness.text().contains("--procfs"), "{}", readiness.text());
    // The page still says what is the matter, and Scope still gets its host.
    let success = server.page().value(
        "storage_probe_collector_success",
        &[("collector", "block_devices")],
    );
    assert_eq!(success, Some(0.0));
    let report = Report::parse(&server.scope().get(REPORT).unwrap().body);
    assert!(report.at("/Host/nodes/test-node;<host>").is_some());
}

fn roots_in(folder: &Path) -> (String, String) {
    let folder = folder.display();
    (format!("--procfs={folder}"), format!("--sysfs={folder}"))
}

// Other commands

#[test]
fn check_says_what_works_and_asks_a_running_program_as_scope_would() {
    let server = Server::start();
    let plugins = server.socket();
    let plugins = plugins.ancestors().nth(2).unwrap().to_str().unwrap();
    let good = run(&["check", "--plugin-dir", plugins]);
    let told = text(&good.stdout);
    assert_eq!(good.status.code(), Some(0), "{told}");
    assert!(told.contains("ok       /proc/diskstats: "), "{told}");
    assert!(told.contains("storage.sock: a report of "), "{told}");
}

#[test]
fn check_of_the_cluster_role_looks_at_the_api_and_at_the_clusters_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().to_str().unwrap();
    let dump = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/clusters/every-volume.yaml"
    );
    let role = ["--role", "cluster", "--from-dump", dump];
    let server = Server::launch(
        program(PROGRAM),
        folder.path(),
        &[&role[..], &["--listen="]].concat(),
    );
    let check = || run(&[&["check", "--plugin-dir", plugins], &role[..]].concat());
    let good = check();
    let told = text(&good.stdout);
    assert_eq!(good.status.code(), Some(0), "{told}");
    assert!(
        told.contains("ok       Kubernetes API: persistentvolumeclaims\n"),
        "{told}"
    );
    assert!(told.contains("storage-cluster.sock: a report of "), "{told}");
    // It has nothing to do with this machine's disks, and no other plugin runs here.
    assert!(
        !told.contains("diskstats") && !told.contains("storage/storage.sock"),
        "{told}"
    );
    drop(server);
    let told = text(&check().stdout);
    assert!(
        told.contains("storage-cluster.sock: no report to be had"),
        "{told}"
    );
    // Beside a node's process, its plugin is asked as well.
    let _node = Server::start_in(folder.path());
    let told = text(&check().stdout);
    assert!(told.contains("storage/storage.sock: a report of "), "{told}");
    // Without an API server there is nothing that could work.
    let bad = run(&["check", "--role", "cluster", "--plugin-dir", ""]);
    let told = text(&bad.stdout);
    assert_eq!(bad.status.code(), Some(1), "{told}");
    assert!(told.contains("not one kind of object can be read"), "{told}");
}

#[test]
fn check_fails_where_nothing_can_be_read_and_says_how_to_mend_it() {
    let empty = tempfile::tempdir().unwrap();
    let (procfs, sysfs) = roots_in(empty.path());
    let bad = run(&["check", &procfs, &sysfs, "--plugin-dir", "/nonexistent"]);
    let told = text(&bad.stdout);
    assert_eq!(bad.status.code(), Some(1), "{told}");
    for mending in [
        "--procfs names its place",
        "--sysfs names its place",
        "is `serve` running?",
    ] {
        assert!(told.contains(mending), "{mending} in\n{told}");
    }
}

#[test]
fn wrong_use_ends_with_64_and_names_what_is_wrong() {
    for (arguments, named) in [
        (&["serve", "--plugin-folder", "/x"][..], "--plugin-dir"),
        (&["serve", "--listen", "9753"], "127.0.0.1:9753"),
        (&["report", "--host-id", "a;b"], "--host-id"),
        (&["report", "--interval", "0.5"], "--interval"),
        (&["metrics", "--log-level", "=loud="], "--log-level"),
        (&["serve", "--log-level", "warning"], "--log-level"),
        (&["serf"], "serve"),
        (&[], "Usage"),
    ] {
        let output = run(arguments);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {told}");
        assert!(told.contains(named), "{arguments:?}: {told}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
    for arguments in [&["--help"][..], &["serve", "--help"], &["--version"]] {
        assert_eq!(run(arguments).status.code(), Some(0), "{arguments:?}");
    }
}

/// The reader that judges OpenMetrics pages must itself be able to fail.
#[test]
fn each_way_of_breaking_open_metrics_is_noticed() {
    const GOOD: &str = "\
# HELP a_bytes Bytes \\\\ read.
# TYPE a_bytes counter
# UNIT a_bytes bytes
a_bytes_total{device=\"s\\\"d\\na\"} 4096
a_bytes_total{device=\"sdb\"} 0
# HELP b B.
# TYPE b gauge
b -1.5
# HELP c_seconds C.
# TYPE c_seconds histogram
c_seconds_bucket{le=\"0.5\"} 1
c_seconds_bucket{le=\"+Inf\"} 2
c_seconds_sum 0.7
c_seconds_count 2
# EOF
";
    assert_eq!(open_metrics_violations(GOOD), [""; 0]);
    for (from, to) in [
        ("# EOF\n", ""),
        ("# EOF\n", "# EOF"),
        ("# EOF\n", "# EOF\nb 2\n"),
        ("# TYPE a_bytes counter\n", ""),
        ("# HELP b B.\n", ""),
        ("# TYPE a_bytes counter", "# TYPE a_bytes_total counter"),
        ("# TYPE b gauge", "# TYPE b untyped"),
        ("# UNIT a_bytes bytes", "# UNIT a_bytes seconds"),
        (
            "# UNIT a_bytes bytes",
            "# UNIT a_bytes bytes\n# UNIT a_bytes bytes",
        ),
        ("a_bytes_total{device=\"sdb\"}", "a_bytes{device=\"sdb\"}"),
        ("{device=\"sdb\"} 0", "{device=\"sdb\"} -1"),
        ("{device=\"sdb\"} 0", "{device=\"sdb\"} NaN"),
        ("{device=\"sdb\"}", "{device=\"s\\\"d\\na\"}"),
        ("{device=\"sdb\"}", "{device=\"sdb\",device=\"sdc\"}"),
        ("{device=\"sdb\"}", "{device=\"sd\\b\"}"),
        ("{device=\"sdb\"}", "{device=sdb}"),
        ("{device=\"sdb\"}", "{9device=\"sdb\"}"),
        ("Bytes \\\\ read.", "Bytes \\ read."),
        ("b -1.5\n", "b -1.5\n\n"),
        ("b -1.5\n", "b  -1.5\n"),
        ("b -1.5\n", "b\n"),
        ("b -1.5\n", "b -1.5\nb -1.5\n"),
        ("b -1.5\n", "b -1.5\na_bytes_total{device=\"sdc\"} 0\n"),
        ("b -1.5\n", "b -1.5\n# HELP a_bytes Again.\n"),
        ("b -1.5\n", "b -1.5\n# TYPE b gauge\n"),
        ("b -1.5\n", "b -1.5\n#comment\n"),
        ("b -1.5\n", "b{le=\"1.0\"} -1.5\n"),
        ("le=\"0.5\"", "le=\"5\""),
        ("{le=\"0.5\"} 1", "{le=\"0.5\"} 3"),
        ("c_seconds_bucket{le=\"+Inf\"} 2\n", ""),
        ("c_seconds_sum 0.7\n", ""),
        ("c_seconds_count 2", "c_seconds_count 3"),
    ] {
        assert!(GOOD.contains(from), "{from:?} is not in the page");
        let broken = GOOD.replacen(from, to, 1);
        assert!(
            !open_metrics_violations(&broken).is_empty(),
            "{from:?} replaced by {to:?} goes unnoticed"
        );
    }
}
