//! An exporter that runs, is scraped, and is watched from outside.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal};
use scope_storage_probe::host::roots::Roots;

/// Our arguments, to read these roots.
pub(crate) fn ours(roots: &Roots, plugins: &Path) -> impl FnOnce(&mut Command, SocketAddr) {
    move |command, address| {
        command.arg("serve").arg("--plugin-dir").arg(plugins);
        command.arg("--listen").arg(address.to_string());
        for (flag, folder) in [
            ("--procfs", &roots.proc),
            ("--sysfs", &roots.sys),
            ("--udev-data", &roots.udev),
            ("--kubelet-root", &roots.kubelet),
        ] {
            command.arg(flag).arg(folder);
        }
    }
}

/// node_exporter's, to read the same.
pub(crate) fn theirs(roots: &Roots) -> impl FnOnce(&mut Command, SocketAddr) {
    move |command, address| {
        command.args([
            "--collector.disable-defaults",
            "--collector.diskstats",
            "--collector.filesystem",
        ]);
        command.arg(format!("--web.listen-address={address}"));
        for (flag, folder) in [
            ("--path.procfs", &roots.proc),
            ("--path.sysfs", &roots.sys),
            ("--path.udev.data", &roots.udev),
        ] {
            command.arg(format!("{flag}={}", folder.display()));
        }
    }
}

/// What was measured of one program.
pub(crate) struct Measured {
    /// Seconds of CPU time per scrape.
    pub(crate) cpu: f64,
    /// Bytes in RAM at the end.
    pub(crate) resident: u64,
    /// The most that they were.
    pub(crate) most_resident: u64,
    /// Bytes of the page as it was sent.
    pub(crate) page: usize,
    /// Samples on the page.
    pub(crate) samples: usize,
    /// Times to answer, the shortest first.
    pub(crate) latencies: Vec<Duration>,
    /// From the start of the program to the end of its first answer.
    pub(crate) first_answer: Duration,
}

impl Measured {
    /// The time within which so many percent of the answers came.
    pub(crate) fn latency(&self, percent: usize) -> Duration {
        let at = (self.latencies.len() * percent).div_ceil(100).saturating_sub(1);
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

/// A running exporter. It is ended when this value goes.
pub(crate) struct Program {
    child: Child,
    address: SocketAddr,
    connection: BufReader<TcpStream>,
    /// Nanoseconds of CPU time by thread, those that have ended among them.
    threads: HashMap<String, u64>,
    used_before: u64,
    latencies: Vec<Duration>,
    first_answer: Duration,
    body: Vec<u8>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// Starts it with these arguments, which say where it listens, and scrapes it once.
    pub(crate) fn start(
        mut command: Command,
        arguments: impl FnOnce(&mut Command, SocketAddr),
    ) -> anyhow::Result<Self> {
        // A port that is free now; nobody else is likely to take it within milliseconds.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        arguments(&mut command, address);
        let name = command.get_program().display().to_string();
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let give_up = Instant::now() + Duration::from_secs(20);
        let connection = loop {
            match TcpStream::connect(address) {
                Ok(connection) => break connection,
                Err(error) => {
                    let ended = child.try_wait()?;
                    if ended.is_some() || Instant::now() > give_up {
                        let _ = child.kill();
                        let _ = child.wait();
                        bail!("{name} does not answer ({error}; ended: {ended:?})");
                    }
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
        };
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut program = Self {
            child,
            address,
            connection: BufReader::with_capacity(1 << 16, connection),
            threads: HashMap::new(),
            used_before: 0,
            latencies: Vec::new(),
            first_answer: Duration::ZERO,
            body: Vec::new(),
        };
        program.scrape(false)?;
        program.first_answer = started.elapsed();
        Ok(program)
    }

    /// From here on it counts.
    pub(crate) fn begin(&mut self) -> anyhow::Result<()> {
        self.look_at_threads()?;
        self.used_before = self.threads.values().sum();
        self.latencies.clear();
        Ok(())
    }

    /// One scrape, on a connection that stays open, as Prometheus does it.
    pub(crate) fn scrape(&mut self, gzip: bool) -> anyhow::Result<()> {
        let mut request = format!(
            "GET /metrics HTTP/1.1\r\nHost: {}\r\nUser-Agent: Prometheus/2.42.0\r\nAccept: text/plain;version=0.0.4;q=1,*/*;q=0.1\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n",
            self.address
        );
        if gzip {
            request.push_str("Accept-Encoding: gzip\r\n");
        }
        request.push_str("\r\n");
        let took = exchange(&mut self.connection, &request, gzip, &mut self.body)?;
        self.latencies.push(took);
        Ok(())
    }

    /// One report, on a connection to its plugin's socket that stays open, as Scope's probe does it.
    pub(crate) fn report(&mut self, socket: &mut BufReader<UnixStream>) -> anyhow::Result<()> {
        let request = "GET /report? HTTP/1.1\r\nHost: plugin\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\n";
        let took = exchange(socket, request, false, &mut self.body)?;
        self.latencies.push(took);
        Ok(())
    }

    /// Asks it to end, and waits until it has ended.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        self.child.wait()?;
        Ok(())
    }

    /// Notes what each thread has used so far. A thread that has ended keeps what was last seen of it.
    pub(crate) fn look_at_threads(&mut self) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let folder = entry?.path();
            let Ok(text) = std::fs::read_to_string(folder.join("schedstat")) else {
                continue;
            };
            let used = text.split(' ').next().and_then(|field| field.parse().ok());
            let used = used.context("schedstat: nanoseconds on a CPU come first")?;
            self.threads.insert(folder.to_string_lossy().into_owned(), used);
        }
        Ok(())
    }

    /// What it used for so many scrapes since it counts.
    pub(crate) fn measured(&self, scrapes: usize, gzip: bool) -> anyhow::Result<Measured> {
        let used = self
            .threads
            .values()
            .sum::<u64>()
            .saturating_sub(self.used_before);
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kibibytes = |key: &str| -> anyhow::Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
            Ok(number
                .with_context(|| format!("no {key} in status"))?
                .parse::<u64>()?
                * 1024)
        };
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        let mut text = String::new();
        if gzip {
            flate2::read::GzDecoder::new(self.body.as_slice()).read_to_string(&mut text)?;
        } else {
            text.push_str(std::str::from_utf8(&self.body)?);
        }
        Ok(Measured {
            cpu: used as f64 / 1e9 / scrapes as f64,
            resident: kibibytes("VmRSS:")?,
            most_resident: kibibytes("VmHWM:")?,
            page: self.body.len(),
            samples: text
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .count(),
            latencies,
            first_answer: self.first_answer,
        })
    }
}

/// Sends a request, and says how long its answer took.
fn exchange<S: Read + Write>(
    connection: &mut BufReader<S>,
    request: &str,
    gzip: bool,
    body: &mut Vec<u8>,
) -> anyhow::Result<Duration> {
    let started = Instant::now();
    connection.get_mut().write_all(request.as_bytes())?;
    read_answer(connection, gzip, body)?;
    Ok(started.elapsed())
}

/// Reads one HTTP answer, whose body is so long as it says, or comes in chunks.
fn read_answer(from: &mut impl BufRead, gzip: bool, body: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1.1 200 "), "answered {line:?}");
    let (mut length, mut chunked, mut compressed) = (None, false, false);
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", value) => length = Some(value.parse::<usize>()?),
            ("transfer-encoding", "chunked") => chunked = true,
            ("content-encoding", "gzip") => compressed = true,
            _ => {}
        }
    }
    ensure!(compressed == gzip, "compressed: {compressed}, asked for: {gzip}");
    body.clear();
    if let Some(length) = length {
        body.resize(length, 0);
        from.read_exact(body)?;
        return Ok(());
    }
    ensure!(chunked, "neither a length nor chunks");
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16)?;
        let before = body.len();
        body.resize(before + length, 0);
        from.read_exact(&mut body[before..])?;
        line.clear();
        from.read_line(&mut line)?;
        if length == 0 {
            return Ok(());
        }
    }
}
