//! What a report to Scope takes, on the plugin's socket. node_exporter has no counterpart.

use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use scope_storage_probe::host::roots::Roots;

use super::program::{Measured, Program, ours};
use super::{PAUSE, WARM_UP};

/// 99 of 100 reports shall be there within this time; `--most-time` takes another bound.
pub(crate) const MOST: Duration = Duration::from_millis(2);
/// Fewer say nothing of the slowest one in a hundred.
const REPORTS: usize = 200;

/// The heading of the table.
pub(crate) const HEADING: &str = "\
| machine | report, bytes | CPU per report, ms | answered in, p50 ms | p99 ms | memory (VmRSS), MB | within the bound |
|---|---|---|---|---|---|---|";

/// A line of it.
pub(crate) fn row(machine: &str, measured: &Measured, within: bool) -> String {
    let milliseconds = |percent| measured.latency(percent).as_secs_f64() * 1e3;
    format!(
        "| {machine} | {} | {:.2} | {:.2} | {:.2} | {:.1} | {} |",
        measured.page,
        measured.cpu * 1e3,
        milliseconds(50),
        milliseconds(99),
        measured.resident as f64 / 1e6,
        if within { "yes" } else { "**no**" }
    )
}

/// Asks for reports so rarely that each is of a reading of its own.
pub(crate) fn measure(binary: &Path, roots: &Roots) -> anyhow::Result<Measured> {
    let plugins = tempfile::tempdir()?;
    let mut program = Program::start(Command::new(binary), ours(roots, plugins.path()))?;
    let socket = plugins.path().join("storage/storage.sock");
    let socket =
        UnixStream::connect(&socket).with_context(|| format!("cannot connect to {}", socket.display()))?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut socket = BufReader::with_capacity(1 << 16, socket);
    for report in 0..WARM_UP + REPORTS {
        if report == WARM_UP {
            program.begin()?;
        }
        program.report(&mut socket)?;
        std::thread::sleep(2 * PAUSE);
        program.look_at_threads()?;
    }
    program.measured(REPORTS, false)
}
