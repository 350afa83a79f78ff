//! What goes wrong around the program, on the program as it is shipped: `docs/faults.md` has the table.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::exposition::Page;
use support::fixture::Machine;
use support::http::{Answer, Connection, head};
use support::process::resident_bytes;
use support::report::Report;
use support::scope_contract::{Expectations, assert_holds};
use support::server::{HOST, PROGRAM, Server, program};
use support::{expect_that, generated, time_slack, within};

const REPORT: &str = "/report?api_version=1&probe_id=4f2a";
const PROMPT: Duration = Duration::from_secs(1);
/// A socket that is gone is made anew every five seconds, where it cannot be made at once.
const MENDED: Duration = Duration::from_secs(20);
const MEGABYTE: u64 = 1_000_000;

fn start(command: Command, plugins: &Path, machine: Option<&Machine>) -> Server {
    let mut arguments = vec!["--listen=127.0.0.1:0".to_owned()];
    arguments.extend(machine.map(Machine::flags).unwrap_or_default());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Server::launch(command, plugins, &arguments)
}

/// How many files the program has open, by its own account: nobody else of its user may look.
fn open_files(server: &Server) -> f64 {
    server.page().value("process_open_fds", &[]).unwrap()
}

/// How many connections the program holds, as the kernel's tables of sockets have them (proc_net(5)).
fn held_connections(server: &Server) -> usize {
    let port = format!(":{:04X}", server.address().port());
    let tcp = fs::read_to_string("/proc/net/tcp").unwrap();
    let tcp = tcp.lines().filter(|line| {
        let mut fields = line.split_whitespace().skip(1);
        // ESTABLISHED and CLOSE_WAIT: closing is the program's turn.
        fields.next().is_some_and(|local| local.ends_with(&port))
            && fields.nth(1).is_some_and(|state| matches!(state, "01" | "08"))
    });
    let path = server.socket();
    let unix = fs::read_to_string("/proc/net/unix").unwrap();
    // SS_CONNECTED: the socket that listens has the path as well.
    let is_connection = |line: &&str| line.ends_with(path.to_str().unwrap()) && line.contains(" 0001 03 ");
    tcp.count() + unix.lines().filter(is_connection).count()
}

/// Only what the program itself needs is left.
fn until_hung_up_on_all(server: &Server) {
    within(Duration::from_secs(20), || {
        let held = held_connections(server);
        expect_that(held <= 2, format!("{held} connections are held"))
    });
}

/// A report that Scope takes.
fn assert_answers_scope(server: &Server) {
    let answer = server.scope().get(REPORT).expect("no report");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let expectations = Expectations::of("storage", HOST);
    assert_holds(&answer.body, &expectations);
}

/// Both answer, and soon.
fn assert_prompt(server: &Server) {
    let begun = Instant::now();
    assert_answers_scope(server);
    assert_eq!(server.get("/metrics").status, 200);
    // The checks of this test itself take their time.
    let limit = PROMPT.mul_f64(2.0 * time_slack());
    assert!(begun.elapsed() < limit, "{:?}", begun.elapsed());
}

/// So many further files than a shell gives may be open here; the program is started with what it had.
fn may_open(files: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < files) {
        let maximum = limit.maximum.map(|maximum| maximum.max(files));
        let wanted = Rlimit {
            current: Some(files),
            maximum,
        };
        setrlimit(Resource::Nofile, wanted)
            .unwrap_or_else(|error| panic!("this test opens {files} files: {error} (ulimit -n {files})"));
    }
}

// The log

#[test]
fn a_log_that_cannot_be_written_costs_the_log_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = program(PROGRAM)
        .args(["serve", "--host-id", HOST, "--listen=", "--plugin-dir"])
        .arg(folder.path())
        .args(["--log-level", "debug"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::options().write(true).open("/dev/full").unwrap())
        .spawn()
        .unwrap();
    let socket = folder.path().join("storage/storage.sock");
    let answer = within(Duration::from_secs(20), || {
        let ended = child.try_wait().unwrap();
        assert_eq!(ended, None, "it ended");
        Connection::unix(&socket).and_then(|mut scope| scope.get(REPORT))
    });
    assert_eq!(answer.status, 200);
    child.kill().unwrap();
    child.wait().unwrap();
}

// The socket's folder

/// Takes something away below the plugins' folder and expects the socket to come back.
fn comes_back(take_away: impl Fn(&Path), give_back: impl Fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    let server = start(program(PROGRAM), &plugins, None);
    // Scope keeps its connection, and is answered on it meanwhile.
    let mut kept = server.scope();
    for times in 1..=2 {
        take_away(&plugins);
        within(MENDED, || server.logged("is gone; making it anew"));
        assert_eq!(kept.get(REPORT).unwrap().status, 200);
        give_back(&plugins);
        within(MENDED, || {
            let again = server.log();
            let again = again
                .iter()
                .filter(|line| line.contains("again") && line.contains("answering Scope on"))
                .count();
            expect_that(again >= times, format!("it came back {again} times of {times}"))
        });
        assert_answers_scope(&server);
    }
    // Whatever happened to it, it goes with the program.
    let mut server = server;
    server.signal("TERM");
    assert!(server.wait(PROMPT).success());
    assert!(!server.socket().exists());
}

#[test]
fn a_socket_that_is_removed_comes_back() {
    comes_back(
        |plugins| fs::remove_file(plugins.join("storage/storage.sock")).unwrap(),
        |_| {},
    );
}

#[test]
fn a_plugins_folder_that_is_cleared_is_filled_again() {
    comes_back(
        |plugins| fs::remove_dir_all(plugins.join("storage")).unwrap(),
        |_| {},
    );
}

#[test]
fn a_plugins_folder_that_goes_and_comes_back_is_used_again() {
    let aside = |plugins: &Path| plugins.with_extension("aside");
    comes_back(
        |plugins| {
            let _ = fs::remove_dir_all(aside(plugins));
            fs::rename(plugins, aside(plugins)).unwrap();
        },
        |plugins| {
            // By then it has made one itself.
            fs::create_dir_all(plugins).unwrap();
        },
    );
}

#[test]
fn where_another_program_took_the_sockets_place_that_one_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(program(PROGRAM), folder.path(), None);
    let socket = server.socket();
    let other = folder.path().join("other.sock");
    let listener = UnixListener::bind(&other).unwrap();
    fs::rename(&other, &socket).unwrap();
    // Renaming over a file is not told of where it was, so something is removed as well.
    let beside = socket.with_extension("beside");
    fs::write(&beside, "").unwrap();
    fs::remove_file(&beside).unwrap();
    within(MENDED, || server.logged("is in use"));
    assert_eq!(server.get("/metrics").status, 200);
    server.signal("TERM");
    assert!(server.wait(PROMPT).success());
    assert!(UnixStream::connect(&socket).is_ok(), "the other's socket is gone");
    drop(listener);
}

// Clients

/// Connections to both sockets, each of which has sent this.
fn connections(
    server: &Server,
    count: usize,
    sent: &[u8],
) -> Vec<(Connection<UnixStream>, Connection<TcpStream>)> {
    let connect = |_| {
        let (mut scope, mut prometheus) = (server.scope(), server.prometheus());
        // Some are hung up on before they have said it.
        let _ = scope.send(sent);
        let _ = prometheus.send(sent);
        (scope, prometheus)
    };
    (0..count).map(connect).collect()
}

#[test]
fn silent_clients_and_such_as_never_finish_asking_keep_nobody_out() {
    may_open(4096);
    let server = Server::start();
    let both = (server.scope(), server.prometheus());
    within(PROMPT, || {
        let held = held_connections(&server);
        expect_that(held == 2, format!("{held} connections are held"))
    });
    drop(both);
    for sent in [
        "",
        "GET /report?api_version=1 HT",
        "POST /report HTTP/1.1\r\nContent-Length: 100\r\n\r\nx",
    ] {
        let held = connections(&server, 300, sent.as_bytes());
        assert_prompt(&server);
        drop(held);
    }
    until_hung_up_on_all(&server);
    let said = server.log();
    assert!(
        !said
            .iter()
            .any(|line| line.contains("WARN") && line.contains("accept")),
        "{said:?}"
    );
}

#[test]
fn clients_that_never_stop_asking_keep_nobody_out() {
    let server = Server::start();
    let held: Vec<TcpStream> = (0..128)
        .map(|_| TcpStream::connect(server.address()).unwrap())
        .collect();
    let asking = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            let request = head("GET", "/healthz", &[]);
            while asking.load(Ordering::Relaxed) {
                for mut stream in &held {
                    let _ = stream.write_all(request.as_bytes());
                }
                thread::sleep(Duration::from_millis(40));
            }
        });
        thread::sleep(Duration::from_millis(300));
        let limit = Duration::from_secs(5).mul_f64(time_slack());
        let mut prometheus = server.prometheus();
        prometheus.request("GET", "/metrics", &[]).unwrap();
        let answer = prometheus.answer(Instant::now() + limit, false);
        asking.store(false, Ordering::Relaxed);
        assert_eq!(answer.expect("no page").status, 200);
    });
}

/// How long an answer takes while so many clients ask for pages without pause, and how long one page takes where nobody else asks: the
/// middle one of some each.
fn while_pages_are_asked_for(clients: usize, ask: impl Fn(&Server) -> io::Result<Answer>) -> [Duration; 2] {
    const ANSWERS: usize = 7;
    let (machine, folder) = (generated::machine(100), tempfile::tempdir().unwrap());
    let server = start(program(PROGRAM), folder.path(), Some(&machine));
    let timed = |ask: &dyn Fn()| {
        let mut times: Vec<Duration> = (0..ANSWERS)
            .map(|_| {
                let begun = Instant::now();
                ask();
                begun.elapsed()
            })
            .collect();
        times.sort_unstable();
        times[ANSWERS / 2]
    };
    let zipped = [("accept-encoding", "gzip")];
    let page = timed(&|| {
        let answer = server.prometheus().ask("GET", "/metrics", &zipped).unwrap();
        assert_eq!(answer.status, 200);
    });
    let asked_for = AtomicBool::new(true);
    let answer = thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| server.prometheus()).collect();
        scope.spawn(|| {
            let mut clients = clients;
            while asked_for.load(Ordering::Relaxed) {
                for client in &mut clients {
                    client.request("GET", "/metrics", &zipped).unwrap();
                }
                for client in &mut clients {
                    let limit = Instant::now() + Duration::from_secs(60);
                    assert_eq!(client.answer(limit, false).unwrap().status, 200);
                }
            }
        });
        thread::sleep(3 * page);
        // An assertion in here would wait for the other thread.
        let answers = Cell::new(0);
        let answer = timed(&|| {
            let is_answer = ask(&server).is_ok_and(|answer| answer.status == 200);
            answers.set(answers.get() + usize::from(is_answer));
        });
        asked_for.store(false, Ordering::Relaxed);
        assert_eq!(answers.get(), ANSWERS, "answers");
        answer
    });
    [answer, page]
}

#[test]
fn a_report_waits_for_one_page_however_many_are_asked_for() {
    let [report, page] = while_pages_are_asked_for(48, |server| server.scope().get(REPORT));
    // Its connection is accepted, its request is read, and it is made: each is done between two pages.
    assert!(
        report < 12 * page,
        "a report takes {report:?} while 48 clients ask for pages, and one page {page:?}"
    );
}

#[test]
fn health_waits_for_a_few_pages_however_many_are_asked_for() {
    for target in ["/healthz", "/readyz", "/"] {
        // A connection of its own, as a kubelet has it.
        let [answer, page] = while_pages_are_asked_for(48, |server| server.prometheus().get(target));
        assert!(
            answer < 12 * page,
            "{target} takes {answer:?} while 48 clients ask for pages, and one page {page:?}"
        );
    }
}

#[test]
fn ten_thousand_connections_keep_nobody_out() {
    may_open(12_000);
    let server = Server::start();
    let before = resident_bytes(server.id());
    let address = server.address();
    let mut held = Vec::new();
    for _ in 0..10_000 {
        // Where the kernel's queue is full, the rest of them would be slow to come, and is no load.
        match TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            Ok(stream) => held.push(stream),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
    assert!(held.len() > 3_000, "only {} connections came to be", held.len());
    // Scope has a socket of its own.
    let begun = Instant::now();
    assert_answers_scope(&server);
    assert!(
        begun.elapsed() < PROMPT.mul_f64(time_slack()),
        "{:?}",
        begun.elapsed()
    );
    // A server of Prometheus waits for ten seconds.
    let mut prometheus = within(Duration::from_secs(10), || Connection::tcp(address));
    prometheus.request("GET", "/metrics", &[]).unwrap();
    let answer = prometheus.answer(Instant::now() + Duration::from_secs(10), false);
    assert_eq!(answer.expect("no page").status, 200);
    let grown = resident_bytes(server.id()).saturating_sub(before);
    assert!(grown < 8 * MEGABYTE, "{grown} bytes more than before");
    drop(held);
    until_hung_up_on_all(&server);
    assert_prompt(&server);
}

/// From this address of the machine, with a kernel that takes no more than a few kilobytes by itself.
fn slow_connection(server: &Server, from: [u8; 4]) -> io::Result<TcpStream> {
    let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
    let socket = net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_recv_buffer_size(&socket, 4096)?;
    net::bind(&socket, &SocketAddr::from((from, 0)))?;
    net::connect(&socket, &server.address())?;
    Ok(TcpStream::from(socket))
}

const HERE: [u8; 4] = [127, 0, 0, 1];
const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

/// Asks for a page and takes nothing of it: not even the kernel does, beyond a few kilobytes.
fn slow_reader(server: &Server, headers: &[(&str, &str)]) -> TcpStream {
    let mut prometheus = slow_connection(server, HERE).unwrap();
    let _ = prometheus.write_all(head("GET", "/metrics", headers).as_bytes());
    prometheus
}

/// The same of reports as well.
fn slow_readers(server: &Server, count: usize) -> Vec<(Connection<UnixStream>, TcpStream)> {
    let connect = |_| {
        let mut scope = server.scope();
        let _ = scope.send(head("GET", REPORT, &[]).as_bytes());
        (scope, slow_reader(server, &[]))
    };
    (0..count).map(connect).collect()
}

/// How many connections the kernel keeps for the program after it has closed them, because there is something left to be taken.
fn closed_and_kept(server: &Server) -> usize {
    let port = format!(":{:04X}", server.address().port());
    let tcp = fs::read_to_string("/proc/net/tcp").unwrap();
    let is_one = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        // FIN_WAIT1, LAST_ACK and CLOSING.
        fields.next().is_some_and(|local| local.ends_with(&port))
            && fields
                .nth(1)
                .is_some_and(|state| matches!(state, "04" | "09" | "0B"))
    };
    tcp.lines().filter(is_one).count()
}

#[test]
fn clients_that_do_not_take_their_answers_hold_up_nobody_and_cost_little() {
    let (machine, folder) = (generated::machine(300), tempfile::tempdir().unwrap());
    let server = start(program(PROGRAM), folder.path(), Some(&machine));
    let page = server.get("/metrics").body.len() as u64;
    assert_answers_scope(&server);
    let before = resident_bytes(server.id());
    let count = 50;
    let held = slow_readers(&server, count);
    assert_answers_scope(&server);
    let grown = resident_bytes(server.id()).saturating_sub(before);
    let most = page * count as u64 / 2;
    assert!(
        grown < most,
        "{grown} bytes more than before, for {count} pages of {page}"
    );
    // Nobody is turned away for longer than those are given.
    let limit = Duration::from_secs(10).mul_f64(time_slack());
    let page = within(limit, || match server.prometheus().get("/metrics") {
        Ok(answer) if answer.status == 200 => Ok(Page::parse(answer.text())),
        Ok(answer) => Err(format!("{}: {}", answer.status, answer.text())),
        Err(error) => Err(error.to_string()),
    });
    assert_eq!(disks(&page), 300);
    drop(held);
}

#[test]
fn clients_that_take_nothing_and_connect_anew_keep_nobody_from_his_page() {
    let (machine, folder) = (generated::machine(300), tempfile::tempdir().unwrap());
    let server = start(program(PROGRAM), folder.path(), Some(&machine));
    assert_eq!(disks(&server.page()), 300);
    let before = resident_bytes(server.id());
    let (count, life) = (48_u32, Duration::from_secs(3));
    let attacked = AtomicBool::new(true);
    let answers = thread::scope(|scope| {
        scope.spawn(|| {
            let mut held: VecDeque<_> = (0..count).map(|_| slow_reader(&server, &[])).collect();
            while attacked.load(Ordering::Relaxed) {
                thread::sleep(life / count);
                // The room that one leaves is asked for at once.
                drop(held.pop_front());
                held.push_back(slow_reader(&server, &[]));
            }
        });
        thread::sleep(life);
        // Who comes from the same address, who comes from another one, and who reads some kilobytes now and then.
        let ask = |from, pause| -> io::Result<String> {
            let mut stream = slow_connection(&server, from)?;
            stream.write_all(head("GET", "/metrics", &[("Connection", "close")]).as_bytes())?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            let (mut answer, mut some) = (Vec::new(), vec![0; 32 << 10]);
            loop {
                thread::sleep(pause);
                match stream.read(&mut some)? {
                    0 => return Ok(String::from_utf8_lossy(&answer).into_owned()),
                    read => answer.extend_from_slice(&some[..read]),
                }
            }
        };
        let slowly = Duration::from_millis(10);
        let at_once = Duration::ZERO;
        let asked = [(HERE, at_once), (ELSEWHERE, at_once), (HERE, slowly)];
        // An assertion in here would wait for the other thread.
        let answers: Vec<io::Result<String>> = (0..5)
            .flat_map(|_| asked)
            .map(|(from, pause)| ask(from, pause))
            .collect();
        attacked.store(false, Ordering::Relaxed);
        answers
    });
    for (at, answer) in answers.into_iter().enumerate() {
        let answer = answer.unwrap_or_else(|error| panic!("answer {at}: {error}"));
        let (told, page) = answer.split_once("\r\n\r\n").unwrap();
        assert!(told.starts_with("HTTP/1.1 200 "), "answer {at}: {told}");
        assert_eq!(disks(&Page::parse(page)), 300, "answer {at}");
    }
    let grown = resident_bytes(server.id()).saturating_sub(before);
    assert!(grown < 16 * MEGABYTE, "{grown} bytes more than before");
}

#[test]
fn what_is_sent_to_clients_that_take_nothing_is_bounded_in_the_kernel_as_well() {
    let server = Server::start();
    let close = [("Connection", "close")];
    // The kernel takes the whole page for them, so the program is done with it.
    let held: Vec<_> = (0..300).map(|_| slow_reader(&server, &close)).collect();
    assert_prompt(&server);
    let kept = closed_and_kept(&server);
    assert!((1..=128).contains(&kept), "{kept} connections");
    drop(held);
    within(Duration::from_secs(5), || {
        let kept = closed_and_kept(&server) + held_connections(&server);
        expect_that(kept == 0, format!("{kept} connections"))
    });
}

fn disks(page: &Page) -> usize {
    let is_disk = |sample: &&support::exposition::Sample| sample.name == "storage_probe_disk_info";
    page.samples().iter().filter(is_disk).count()
}

// What the program may use

#[test]
fn with_few_files_to_open_clients_do_not_take_what_readings_need() {
    let (machine, folder) = (generated::machine(20), tempfile::tempdir().unwrap());
    let mut command = program("prlimit");
    command.args(["--nofile=64:64", "--", PROGRAM]);
    let server = start(command, folder.path(), Some(&machine));
    assert_eq!(disks(&server.page()), 20);
    let held = connections(&server, 200, b"GET /");
    for _ in 0..5 {
        // Older than a reading that serves several.
        thread::sleep(Duration::from_millis(300));
        assert_prompt(&server);
        let page = server.page();
        assert_eq!(disks(&page), 20);
        let failed = page
            .samples()
            .iter()
            .filter(|sample| sample.name == "storage_probe_collector_success" && sample.value < 1.0);
        assert_eq!(failed.count(), 0);
    }
    assert!(open_files(&server) <= 64.0);
    drop(held);
}

/// A control group whose processes get no more memory than this, of either version of control groups. It goes when dropped.
struct MemoryLimit {
    folder: PathBuf,
}

impl MemoryLimit {
    fn of(bytes: u64) -> Self {
        let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let (parent, files) = if unified {
            ("/sys/fs/cgroup", ["memory.max", "memory.swap.max"])
        } else {
            (
                "/sys/fs/cgroup/memory",
                ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"],
            )
        };
        let folder = Path::new(parent).join(format!("scope-storage-probe-test-{}", std::process::id()));
        fs::create_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}: root makes control groups", folder.display()));
        let limit = Self { folder };
        fs::write(limit.folder.join(files[0]), bytes.to_string()).expect("no controller of memory");
        // Where no swap space is counted there is no such file, or none to limit.
        let swap = if unified { 0 } else { bytes };
        let _ = fs::write(limit.folder.join(files[1]), swap.to_string());
        limit
    }

    /// What is started with this is in it.
    fn command(&self) -> Command {
        let mut command = program("sh");
        let into = self.folder.join("cgroup.procs");
        command
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(into)
            .arg(PROGRAM);
        command
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        for _ in 0..100 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
#[ignore = "makes a control group, as root: cargo test --test faults -- --ignored"]
fn with_32_megabytes_and_500_disks_slow_readers_do_not_end_it() {
    let (machine, folder) = (generated::machine(500), tempfile::tempdir().unwrap());
    let group = MemoryLimit::of(32 << 20);
    let server = start(group.command(), folder.path(), Some(&machine));
    let gzip = [("Accept-Encoding", "gzip")];
    let held = slow_readers(&server, 25);
    // Late here is not wrong: a build without optimisation takes a second for all of this.
    let limit = Duration::from_secs(60).mul_f64(time_slack());
    for _ in 0..3 {
        let _ = server.prometheus().ask("GET", "/metrics", &gzip);
        let answer = within(limit, || server.scope().get(REPORT));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    drop(held);
    within(limit, || {
        let page = server
            .prometheus()
            .get("/metrics")
            .map_err(|error| error.to_string())?;
        expect_that(
            page.status == 200 && disks(&Page::parse(page.text())) == 500,
            page.status,
        )
    });
    let report = Report::parse(&server.scope().get(REPORT).unwrap().body);
    assert!(report.at("/Plugins/0/description").is_some());
    drop(server);
}
