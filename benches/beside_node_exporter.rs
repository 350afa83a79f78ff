//! What a scrape costs beside Prometheus' own node_exporter: CPU time, memory, time to answer, and what is on the page.
//!
//! ```text
//! cargo bench --bench beside_node_exporter                # as users build it
//! cargo build --profile dist                              # as it is shipped:
//! cargo bench --bench beside_node_exporter -- --binary target/dist/scope-storage-probe
//! cargo bench --bench beside_node_exporter -- --scrapes 20 --machines this,2,100+200     # a hundred disks, 200 volumes
//! cargo bench --bench beside_node_exporter -- --instructions --machines 2,100             # counted by valgrind instead
//! cargo bench --bench beside_node_exporter -- --reports --machines 2+200                  # reports to Scope instead
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
//! Ends with a failure where our CPU time per scrape or our memory is more than a third of node_exporter's, or where more than one in
//! a hundred reports takes longer than 2 ms.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

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
#[path = "beside_node_exporter/instructions.rs"]
mod instructions;
#[path = "beside_node_exporter/program.rs"]
mod program;
#[path = "beside_node_exporter/reports.rs"]
mod reports;

use program::{Measured, Program, ours, theirs};
use reports::Life;

/// Our share of what node_exporter uses shall not be larger. `--most` takes another bound: on a machine that does other things
/// meanwhile, shares of a millisecond waver.
const MOST: f64 = 1.0 / 3.0;
/// From one scrape to the next, which is the other program's: so there is more than the 250 ms of a reading between two of ours.
const PAUSE: Duration = Duration::from_millis(160);
/// Scrapes that do not count: caches fill, allocators find their size.
const WARM_UP: usize = 6;

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            let _ = writeln!(io::stderr(), "more than it may be, where the last column says no");
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
    let mut output = io::stdout().lock();
    if wanted.reports {
        return reports_in_time(&wanted, &mut output);
    }
    let node_exporter = node_exporter()?;
    let heading = if wanted.instructions {
        instructions::HEADING
    } else {
        HEADING
    };
    writeln!(output, "{heading}")?;
    let mut kept = true;
    for machine in &wanted.machines {
        let ground = Ground::prepare(*machine);
        for gzip in [false, true] {
            if wanted.instructions {
                let counted = instructions::count(&wanted.binary, &node_exporter, &ground.roots, gzip)?;
                let within = counted[0] <= counted[1] * wanted.most;
                kept &= within;
                writeln!(
                    output,
                    "{}",
                    instructions::row(&ground.name, gzip, counted, within)
                )?;
                continue;
            }
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

/// True where reports came in time from every machine.
fn reports_in_time(wanted: &Wanted, output: &mut impl io::Write) -> anyhow::Result<bool> {
    writeln!(output, "{}", reports::HEADING)?;
    let mut kept = true;
    for machine in &wanted.machines {
        let ground = Ground::prepare(*machine);
        for life in [Life::Calm, Life::Changing] {
            let measured = reports::measure(&wanted.binary, &ground.roots, life)?;
            let within = matches!(life, Life::Calm).then(|| measured.latency(99) <= wanted.most_time);
            kept &= within != Some(false);
            writeln!(output, "{}", reports::row(&ground.name, life, &measured, within))?;
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
    /// Instructions are counted, and nothing else.
    instructions: bool,
    /// Reports to Scope are measured, and nothing else, and so long may 99 of 100 take.
    reports: bool,
    most_time: Duration,
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
            instructions: false,
            reports: false,
            most_time: reports::MOST,
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
                "--reports" => wanted.reports = true,
                "--most-time" => {
                    wanted.most_time = Duration::from_secs_f64(
                        value()?.parse::<f64>().context("--most-time MILLISECONDS")? / 1e3,
                    );
                }
                "--instructions" => wanted.instructions = true,
                "--machines" => {
                    wanted.machines = value()?.split(',').map(Kind::of).collect::<Result<_, _>>()?;
                }
                other => {
                    bail!(
                        "{other} is not known; there are --scrapes N, --most SHARE, --most-memory SHARE, --machines this,2,100+200, --binary FILE, --instructions, --reports, --most-time MILLISECONDS"
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
        if volumes > 0 {
            // Pods come and go, but not just now.
            machine.age("/var/lib/kubelet");
        }
        // node_exporter's list of mounts is another file than ours.
        machine.write("/proc/1/mounts", "overlay / overlay rw 0 0\n");
        Self {
            name,
            roots: machine.roots(),
            _machine: Some(machine),
        }
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
        Program::start(Command::new(&wanted.binary), ours(roots, plugins.path()))?,
        Program::start(Command::new(node_exporter), theirs(roots))?,
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
