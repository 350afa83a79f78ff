//! How many instructions a scrape takes, which is the same however busy the machine is. valgrind's callgrind counts them, so that no
//! counters of the processor are needed.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use scope_storage_probe::host::roots::Roots;

use super::program::{Program, ours, theirs};
use super::{PAUSE, WARM_UP};

/// Scrapes that count.
const SCRAPES: usize = 10;

/// The heading of the table.
pub(crate) const HEADING: &str = "\
Each cell: ours / node_exporter's (our share).

| machine | gzip | instructions per scrape (callgrind), millions | within our share |
|---|---|---|---|";

/// A line of it.
pub(crate) fn row(machine: &str, gzip: bool, [ours, theirs]: [f64; 2], within: bool) -> String {
    format!(
        "| {machine} | {} | {:.2} / {:.2} ({:.2}) | {} |",
        if gzip { "on" } else { "off" },
        ours / 1e6,
        theirs / 1e6,
        ours / theirs,
        if within { "yes" } else { "**no**" }
    )
}

/// Instructions of a scrape of ours and of node_exporter's.
pub(crate) fn count(
    binary: &Path,
    node_exporter: &Path,
    roots: &Roots,
    gzip: bool,
) -> anyhow::Result<[f64; 2]> {
    // Of two processes that differ in the number of scrapes alone, the difference is what those take.
    let per_scrape = |counted: &dyn Fn(usize) -> anyhow::Result<f64>| -> anyhow::Result<f64> {
        Ok((counted(WARM_UP + SCRAPES)? - counted(WARM_UP)?) / SCRAPES as f64)
    };
    Ok([
        per_scrape(&|scrapes| {
            let folder = tempfile::tempdir()?;
            let program = Program::start(counting(binary, folder.path()), ours(roots, folder.path()))?;
            counted(program, scrapes, gzip, folder.path())
        })?,
        per_scrape(&|scrapes| {
            let folder = tempfile::tempdir()?;
            let program = Program::start(counting(node_exporter, folder.path()), theirs(roots))?;
            counted(program, scrapes, gzip, folder.path())
        })?,
    ])
}

const COUNTS: &str = "counts";

/// Runs the program in callgrind, which leaves its counts in this folder.
fn counting(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind"]);
    command.arg(format!("--callgrind-out-file={}", folder.join(COUNTS).display()));
    // callgrind ends at the signals by which Go's scheduler interrupts what runs long.
    command.env("GODEBUG", "asyncpreemptoff=1");
    command.arg(program);
    command
}

/// All instructions of a process that is scraped so many times.
fn counted(mut program: Program, scrapes: usize, gzip: bool, folder: &Path) -> anyhow::Result<f64> {
    for _ in 0..scrapes {
        program.scrape(gzip)?;
        std::thread::sleep(2 * PAUSE);
    }
    program.end()?;
    let file = folder.join(COUNTS);
    // Names of functions in it may be of any bytes.
    let text = std::fs::read(&file).with_context(|| format!("callgrind left no {}", file.display()))?;
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| line.strip_prefix("totals: ")?.parse::<f64>().ok())
        .next_back()
        .with_context(|| format!("no totals in {}", file.display()))
}
