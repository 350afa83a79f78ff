//! A real Prometheus: Debian's.

use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::http::{Connection, percent_encoded};
use super::loop_device::require_program;
use super::{expect_that, within};

/// How long Prometheus may take to start.
const LIMIT: Duration = Duration::from_secs(30);

/// A Prometheus, ended when dropped.
#[derive(Debug)]
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
    _folder: TempDir,
}

impl Prometheus {
    /// One that scrapes each target every second: job and address.
    pub fn scraping(targets: &[(&str, SocketAddr)]) -> Self {
        let jobs = targets.iter().map(|(job, address)| {
            format!("- {{job_name: {job}, static_configs: [{{targets: ['{address}']}}]}}\n")
        });
        Self::configured(&format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{}",
            jobs.collect::<String>()
        ))
    }

    /// One with this configuration file.
    pub fn configured(configuration: &str) -> Self {
        require_program("prometheus", "prometheus");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, configuration).unwrap();
        let log = folder.path().join("log");
        let address = free_address();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut started = Self {
            child,
            address,
            log,
            _folder: folder,
        };
        within(LIMIT, || {
            let ended = started.child.try_wait().unwrap();
            assert!(ended.is_none(), "Prometheus ended at once: {}", started.logged());
            started.get("/-/ready").map(|_| ())
        });
        started
    }

    fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What it answers to a GET.
    pub fn get(&self, target: &str) -> Result<Vec<u8>, String> {
        let answer = Connection::tcp(self.address)
            .and_then(|mut connection| connection.get(target))
            .map_err(|error| error.to_string())?;
        expect_that(
            answer.status == 200,
            format!("{}: {}", answer.status, answer.text()),
        )?;
        Ok(answer.body)
    }

    /// The `data` of an answer of its HTTP API.
    pub fn data(&self, target: &str) -> Value {
        let body = self
            .get(target)
            .unwrap_or_else(|error| panic!("{target}: {error}"));
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["status"], "success", "{target}: {answer}");
        answer["data"].take()
    }

    /// What an expression gives now.
    pub fn query(&self, expression: &str) -> Vec<Value> {
        let data = self.data(&format!("/api/v1/query?query={}", percent_encoded(expression)));
        data["result"].as_array().unwrap().clone()
    }

    /// The one value that an expression gives.
    pub fn value(&self, expression: &str) -> Result<f64, String> {
        match &self.query(expression)[..] {
            [one] => Ok(one["value"][1].as_str().unwrap().parse().unwrap()),
            found => Err(format!("{expression} gives {found:?}")),
        }
    }

    /// The raw samples of one series.
    pub fn samples(&self, series: &str) -> Vec<f64> {
        let found = self.query(&format!("{series}[2m]"));
        assert_eq!(found.len(), 1, "{series}: {found:?}");
        let samples = found[0]["values"].as_array().unwrap();
        samples
            .iter()
            .map(|sample| sample[1].as_str().unwrap().parse().unwrap())
            .collect()
    }

    /// What it thinks of a target.
    pub fn target(&self, job: &str) -> Value {
        let targets = self.data("/api/v1/targets");
        let mut all = targets["activeTargets"].as_array().unwrap().iter();
        let found = all.find(|target| target["labels"]["job"] == job);
        found.unwrap().clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            #[allow(clippy::print_stderr, reason = "shown when a test fails")]
            {
                eprintln!("Prometheus logged: {}", self.logged());
            }
        }
    }
}

/// An address of this machine that nobody listens on.
pub fn free_address() -> SocketAddr {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    taken.local_addr().unwrap()
}

/// The exit code of `promtool check metrics`, and all that it says.
pub fn promtool(page: &[u8]) -> (Option<i32>, String) {
    require_program("promtool", "prometheus");
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(told).unwrap())
}
