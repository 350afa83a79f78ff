//! The program as its users run it.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::exposition::Page;
use super::http::{Answer, Connection};
use super::report::Report;
use super::within;

/// The program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_scope-storage-probe");
/// The name that the node has in these tests.
pub const HOST: &str = "test-node";

/// How long the program may take to start.
const START: Duration = Duration::from_secs(20);

/// A command line of the program, free of what the environment may say to it.
pub fn program(path: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        let told = [
            "SCOPE_HOSTNAME",
            "KUBECONFIG",
            "KUBERNETES_SERVICE_HOST",
            "NODE_NAME",
        ];
        if told.iter().any(|known| name == *known) || name.to_string_lossy().starts_with("STORAGE_PROBE_") {
            command.env_remove(name);
        }
    }
    command
}

/// The program as it was just built; another where `TESTED_PROGRAM` names one.
pub fn tested_program() -> Command {
    program(std::env::var_os("TESTED_PROGRAM").unwrap_or_else(|| PROGRAM.into()))
}

/// What `serve` is told to answer for the whole cluster of a kubeconfig, on a port that is free.
pub fn of_cluster(kubeconfig: &str) -> Vec<&str> {
    vec![
        "--role",
        "cluster",
        "--listen",
        "127.0.0.1:0",
        "--kubeconfig",
        kubeconfig,
    ]
}

/// Runs a command line of the program to its end. One that does not end is killed, and the test fails.
pub fn run(arguments: &[&str]) -> Output {
    let mut command = program(PROGRAM);
    command.args(arguments).stdin(Stdio::null());
    // What is printed is short: it fits into the pipes without being read meanwhile.
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program does not start");
    let started = Instant::now();
    while child.try_wait().expect("the program is not ours").is_none() {
        if started.elapsed() > START {
            let _ = child.kill();
            panic!("{arguments:?} does not end: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("no output")
}

/// `serve`, ended when dropped. What it logged is printed when a test fails.
#[derive(Debug)]
pub struct Server {
    child: Child,
    socket: PathBuf,
    metrics: Option<SocketAddr>,
    log: Arc<Mutex<Vec<String>>>,
    folder: Option<TempDir>,
}

impl Server {
    /// Answers on a socket in a new folder, and on a free port of this machine.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("no temporary folder");
        let mut server = Self::start_in(folder.path());
        server.folder = Some(folder);
        server
    }

    /// Answers on a socket below `plugins`, and on a free port of this machine.
    pub fn start_in(plugins: &Path) -> Self {
        Self::launch(program(PROGRAM), plugins, &["--listen", "127.0.0.1:0"])
    }

    /// Runs `command serve ARGUMENTS` until it says that it answers: Prometheus, or else Scope.
    pub fn launch(mut command: Command, plugins: &Path, arguments: &[&str]) -> Self {
        command.args(["serve", "--host-id", HOST, "--plugin-dir"]);
        command.arg(plugins).args(arguments);
        let plugin = if arguments.windows(2).any(|two| two == ["--role", "cluster"]) {
            "storage-cluster"
        } else {
            "storage"
        };
        let last_word = if arguments.contains(&"--listen=") {
            "answering Scope on "
        } else {
            "answering Prometheus on "
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program does not start");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, kept) = (child.stderr.take().map(BufReader::new), Arc::clone(&log));
        std::thread::spawn(move || {
            for line in lines.into_iter().flat_map(BufReader::lines).map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        let mut server = Self {
            child,
            socket: plugins.join(plugin).join(format!("{plugin}.sock")),
            metrics: None,
            log,
            folder: None,
        };
        let line = within(START, || {
            let ended = server.child.try_wait().expect("the program is not ours");
            let line = server.logged(last_word);
            assert!(
                line.is_ok() || ended.is_none(),
                "it ended at once: {:?}",
                server.log()
            );
            line
        });
        server.metrics = line
            .split_once("://")
            .and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
        server
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where Scope finds it.
    pub fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    /// Where Prometheus finds it.
    pub fn address(&self) -> SocketAddr {
        self.metrics.expect("this one serves no metrics")
    }

    /// A connection as Scope makes it.
    pub fn scope(&self) -> Connection<UnixStream> {
        Connection::unix(&self.socket()).expect("the socket does not take connections")
    }

    /// A connection as Prometheus makes it.
    pub fn prometheus(&self) -> Connection<TcpStream> {
        Connection::tcp(self.address()).expect("the metrics address does not take connections")
    }

    /// What a GET on the metrics address gives.
    pub fn get(&self, target: &str) -> Answer {
        self.prometheus()
            .get(target)
            .unwrap_or_else(|error| panic!("no answer to GET {target}: {error}"))
    }

    /// The metrics page now.
    pub fn page(&self) -> Page {
        Page::parse(self.get("/metrics").text())
    }

    /// The report now.
    pub fn report(&self) -> Report {
        let answer = self.scope().get("/report?api_version=1&probe_id=test");
        Report::parse(&answer.expect("no report").body)
    }

    /// What it logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The first line with `text` in it, or what was logged in its place.
    pub fn logged(&self, text: &str) -> Result<String, String> {
        let log = self.log();
        let found = log.iter().find(|line| line.contains(text)).cloned();
        found.ok_or_else(|| format!("nothing like {text:?} was logged, but:\n{}", log.join("\n")))
    }

    /// The same, once it is there: what it logs is read by a thread of its own.
    pub fn soon_logged(&self, text: &str) -> String {
        within(Duration::from_secs(5), || self.logged(text))
    }

    /// Sends `TERM`, `INT` or `KILL`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &self.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|sent| sent.success()), "cannot send {name}");
    }

    /// Keeps the folder of its socket for as long as it runs.
    pub fn keeping(mut self, folder: TempDir) -> Self {
        self.folder = Some(folder);
        self
    }

    /// How it ended.
    #[must_use = "a program that aborts ends as well"]
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        within(limit, || {
            let ended = self.child.try_wait().map_err(|error| error.to_string())?;
            ended.ok_or_else(|| "the program still runs".to_owned())
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            #[allow(clippy::print_stderr, reason = "shown when a test fails")]
            for line in self.log() {
                eprintln!("the program logged: {line}");
            }
        }
    }
}
