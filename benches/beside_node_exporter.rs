//! What a scrape costs beside Prometheus' own node_exporter: CPU time, memory, time to answer, and what is on the page.
//!
//! ```text
//! cargo bench --bench beside_node_exporter                # as users build it
//! cargo build --profile dist                              # as it is shipped:
//! cargo bench --bench beside_node_exporter -- --binary target/dist/scope-storage-probe
//! cargo bench --bench beside_node_exporter -- --scrapes 20 --machines this,2,100+200     # a hundred disks, 200 volumes
//! ```
//!
//! Both programs run side by side on the same roots and are scraped in turn, so that whatever else the machine does
//! meets both. node_exporter (Debian's `prometheus-node-exporter`) runs with the two collectors that have to do with
//! disks, `diskstats` and `filesystem`, and no others. Figures are of whole processes, and CPU time is all that they used
//! from before the first scrape that counts to a moment after the last one, whoever of their threads used it.
//!
//! Where the comparison could be unfair it is so to us:
//! - We serve a reading for 250 ms. Our scrapes lie further apart than that, so each one reads.
//! - We show partitions and every layer above them; node_exporter leaves partitions out and has no layers.
//! - On generated machines nobody can be asked how full a filesystem is. We read and join a thousand mounts even so;
//!   node_exporter is given an empty list, and neither fails at asking nor logs that it did.
//!
//! Ends with a failure where our CPU time per scrape or our memory is more than a third of node_exporter's.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use scope_storage_probe::host::roots::Roots;

#[allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "the tests use more of it, and end where something is missing"
)]
#[path = "../tests/support/fixture.rs"]
mod fixture;
#[allow(
    unreachable_pub,
    clippy::expect_used,
    reason = "another bench uses it, too, and ends where something is missing"
)]
#[path = "../tests/support/full_node.rs"]
mod full_node;
#[allow(
    unreachable_pub,
    clippy::expect_used,
    reason = "the tests use it, too, and end where something is missing"
)]
#[path = "../tests/support/generated.rs"]
mod generated;

/// Our share of what node_exporter uses shall not be larger. `--most` takes another bound: on a machine that does other things
/// meanwhile, shares of a millisecond waver.
const MOST: f64 = 1.0 / 3.0;
/// From one scrape to the next, which is the other program's.
const PAUSE: Duration = Duration::from_millis(160);
/// Scrapes that do not count: caches fill, allocators find their size.
const WARM_UP: usize = 6;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            let _ = writeln!(io::stderr(), "more than our share of what node_exporter uses");
            ExitCode::FAILURE
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True where we kept to our share in every row.
fn run() -> anyhow::Result<bool> {
    let wanted = Wanted::from_arguments()?;
    let node_exporter = node_exporter()?;
    let mut output = io::stdout().lock();
    writeln!(output, "{HEADING}")?;
    let mut kept = true;
    for machine in &wanted.machines {
        let ground = Ground::prepare(*machine);
        for gzip in [false, true] {
            let [ours, theirs] = compare(&wanted, &node_exporter, &ground.roots, gzip)?;
            let within = ours.cpu <= theirs.cpu * wanted.most
                && ours.resident as f64 <= theirs.resident as f64 * wanted.most_memory;
            kept &= within;
            writeln!(output, "{}", row(&ground.name, gzip, &ours, &theirs, within))?;
            output.flush()?;
        }
    }
    Ok(kept)
}

/// What the command line asks for.
struct Wanted {
    scrapes: usize,
    /// The share of its time, and of its memory, that we may take.
    most: f64,
    most_memory: f64,
    machines: Vec<Kind>,
    binary: PathBuf,
}

/// Which machine is read.
#[derive(Clone, Copy)]
enum Kind {
    /// This one.
    This,
    /// One that is made up.
    Generated {
        /// Disks.
        disks: usize,
        /// Volumes of 110 pods, or of as many as there are volumes.
        volumes: usize,
    },
}

impl Kind {
    /// `this`, `100`, or with volumes `100+200`.
    fn of(word: &str) -> anyhow::Result<Self> {
        if word == "this" {
            return Ok(Self::This);
        }
        let (disks, volumes) = word.split_once('+').unwrap_or((word, "0"));
        let usage = "--machines this,2,100+200";
        let (disks, volumes) = (disks.parse().context(usage)?, volumes.parse().context(usage)?);
        ensure!(disks > 0, "{usage}: a machine has at least one disk");
        Ok(Self::Generated { disks, volumes })
    }
}

/// As many pods as a kubelet takes unless it is told otherwise.
const PODS: usize = 110;

impl Wanted {
    fn from_arguments() -> anyhow::Result<Self> {
        let mut wanted = Self {
            scrapes: 60,
            most: MOST,
            most_memory: MOST,
            machines: ["this", "2", "100", "1000"]
                .into_iter()
                .map(Kind::of)
                .collect::<Result<_, _>>()?,
            binary: env!("CARGO_BIN_EXE_scope-storage-probe").into(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .with_context(|| format!("{argument} needs a value"))
            };
            match argument.as_str() {
                // Cargo says this to every benchmark.
                "--bench" => {}
                "--scrapes" => wanted.scrapes = value()?.parse().context("--scrapes N")?,
                "--most" => wanted.most = value()?.parse().context("--most SHARE")?,
                "--most-memory" => wanted.most_memory = value()?.parse().context("--most-memory SHARE")?,
                "--binary" => wanted.binary = value()?.into(),
                "--machines" => {
                    wanted.machines = value()?.split(',').map(Kind::of).collect::<Result<_, _>>()?;
                }
                other => {
                    bail!(
                        "{other} is not known; there are --scrapes N, --most SHARE, --most-memory SHARE, --machines this,2,100+200, --binary FILE"
                    )
                }
            }
        }
        ensure!(wanted.scrapes > 0, "--scrapes: at least 1");
        Ok(wanted)
    }
}

fn node_exporter() -> anyhow::Result<PathBuf> {
    let name = "prometheus-node-exporter";
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .with_context(|| {
            format!("{name} is not installed; `apt-get install {name}` (Debian) installs it, its service is not needed")
        })
}

/// A machine to read: this one, or one made up, which goes with this value.
struct Ground {
    name: String,
    roots: Roots,
    _machine: Option<fixture::Machine>,
}

impl Ground {
    fn prepare(kind: Kind) -> Self {
        let Kind::Generated { disks, volumes } = kind else {
            return Self {
                name: "this machine".to_owned(),
                roots: Roots::default(),
                _machine: None,
            };
        };
        let (machine, name) = match volumes {
            0 => (generated::machine(disks), format!("{disks} disks")),
            _ => (
                full_node::machine(disks, PODS.min(volumes), volumes, 0),
                format!("{disks} disks, {volumes} volumes"),
            ),
        };
        // node_exporter's list of mounts is another file than ours.
        machine.write("/proc/1/mounts", "overlay / overlay rw 0 0\n");
        Self {
            name,
            roots: machine.roots(),
            _machine: Some(machine),
        }
    }
}

/// What was measured of one program.
struct Measured {
    /// Seconds of CPU time per scrape.
    cpu: f64,
    /// Bytes in RAM at the end.
    resident: u64,
    /// The most that they were.
    most_resident: u64,
    /// Bytes of the page as it was sent.
    page: usize,
    /// Samples on the page.
    samples: usize,
    /// Times to answer, the shortest first.
    latencies: Vec<Duration>,
    /// From the start of the program to the end of its first answer.
    first_answer: Duration,
}

impl Measured {
    fn latency(&self, percent: usize) -> Duration {
        let at = (self.latencies.len() * percent).div_ceil(100).saturating_sub(1);
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

/// Starts both, scrapes them in turn, and ends both.
fn compare(
    wanted: &Wanted,
    node_exporter: &Path,
    roots: &Roots,
    gzip: bool,
) -> anyhow::Result<[Measured; 2]> {
    let plugins = tempfile::tempdir()?;
    let mut programs = [
        Program::start(&wanted.binary, |command, address| {
            command.arg("serve").arg("--plugin-dir").arg(plugins.path());
            command.arg("--listen").arg(address.to_string());
            for (flag, folder) in [
                ("--procfs", &roots.proc),
                ("--sysfs", &roots.sys),
                ("--udev-data", &roots.udev),
                ("--kubelet-root", &roots.kubelet),
            ] {
                command.arg(flag).arg(folder);
            }
        })?,
        Program::start(node_exporter, |command, address| {
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
        })?,
    ];
    for scrape in 0..WARM_UP + wanted.scrapes {
        for program in &mut programs {
            if scrape == WARM_UP {
                program.begin()?;
            }
            program.scrape(gzip)?;
            std::thread::sleep(PAUSE);
            program.look_at_threads()?;
        }
    }
    let [ours, theirs] = &programs;
    Ok([
        ours.measured(wanted.scrapes, gzip)?,
        theirs.measured(wanted.scrapes, gzip)?,
    ])
}

/// A running exporter. It is ended when this value goes.
struct Program {
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
    fn start(file: &Path, arguments: impl FnOnce(&mut Command, SocketAddr)) -> anyhow::Result<Self> {
        // A port that is free now; nobody else is likely to take it within milliseconds.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(file);
        arguments(&mut command, address);
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", file.display()))?;
        let give_up = Instant::now() + Duration::from_secs(20);
        let connection = loop {
            match TcpStream::connect(address) {
                Ok(connection) => break connection,
                Err(error) => {
                    let ended = child.try_wait()?;
                    if ended.is_some() || Instant::now() > give_up {
                        let _ = child.kill();
                        let _ = child.wait();
                        bail!("{} does not answer ({error}; ended: {ended:?})", file.display());
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
    fn begin(&mut self) -> anyhow::Result<()> {
        self.look_at_threads()?;
        self.used_before = self.threads.values().sum();
        self.latencies.clear();
        Ok(())
    }

    /// One scrape, on a connection that stays open, as Prometheus does it.
    fn scrape(&mut self, gzip: bool) -> anyhow::Result<()> {
        let mut request = format!(
            "GET /metrics HTTP/1.1\r\nHost: {}\r\nUser-Agent: Prometheus/2.42.0\r\nAccept: text/plain;version=0.0.4;q=1,*/*;q=0.1\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n",
            self.address
        );
        if gzip {
            request.push_str("Accept-Encoding: gzip\r\n");
        }
        request.push_str("\r\n");
        let started = Instant::now();
        self.connection.get_mut().write_all(request.as_bytes())?;
        read_answer(&mut self.connection, gzip, &mut self.body)?;
        self.latencies.push(started.elapsed());
        Ok(())
    }

    /// Notes what each thread has used so far. A thread that has ended keeps what was last seen of it.
    fn look_at_threads(&mut self) -> anyhow::Result<()> {
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

    fn measured(&self, scrapes: usize, gzip: bool) -> anyhow::Result<Measured> {
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

/// Reads one HTTP answer, whose body is so long as it says, or comes in chunks.
fn read_answer(from: &mut BufReader<TcpStream>, gzip: bool, body: &mut Vec<u8>) -> anyhow::Result<()> {
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

const HEADING: &str = "\
Each cell: ours / node_exporter's (our share).

| machine | gzip | CPU per scrape, ms | memory (VmRSS), MB | its peak (VmHWM), MB | page, bytes | samples | answered in, p50 ms | p99 ms | first answer after its start, ms | within our share |
|---|---|---|---|---|---|---|---|---|---|---|";

fn row(machine: &str, gzip: bool, ours: &Measured, theirs: &Measured, within: bool) -> String {
    let mut row = format!("| {machine} | {} |", if gzip { "on" } else { "off" });
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    for (one, two, digits) in [
        (ours.cpu * 1e3, theirs.cpu * 1e3, 2),
        (megabytes(ours.resident), megabytes(theirs.resident), 1),
        (megabytes(ours.most_resident), megabytes(theirs.most_resident), 1),
        (ours.page as f64, theirs.page as f64, 0),
        (ours.samples as f64, theirs.samples as f64, 0),
        (
            milliseconds(ours.latency(50)),
            milliseconds(theirs.latency(50)),
            2,
        ),
        (
            milliseconds(ours.latency(99)),
            milliseconds(theirs.latency(99)),
            2,
        ),
        (
            milliseconds(ours.first_answer),
            milliseconds(theirs.first_answer),
            1,
        ),
    ] {
        let _ = write!(row, " {one:.digits$} / {two:.digits$} ({:.2}) |", one / two);
    }
    let _ = write!(row, " {} |", if within { "yes" } else { "**no**" });
    row
}
