//! What a report to Scope takes, on the plugin's socket. node_exporter has no counterpart.

use std::fs;
use std::io::BufReader;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use scope_storage_probe::host::roots::Roots;

use super::PAUSE;
use super::program::{Measured, Program, ours};

/// 99 of 100 reports shall be there within this time; `--most-time` takes another bound.
pub(crate) const MOST: Duration = Duration::from_millis(2);
/// Fewer say nothing of the slowest one in a hundred.
const REPORTS: usize = 200;
/// Until nothing has happened on the node for so long that this shows: more than ten seconds.
const WARM_UP: usize = 36;

/// The heading of the table.
pub(crate) const HEADING: &str = "\
| machine | mounts | report, bytes | CPU per report, ms | answered in, p50 ms | p99 ms | memory (VmRSS), MB | within the bound |
|---|---|---|---|---|---|---|---|";

/// What happens on the node.
#[derive(Clone, Copy)]
pub(crate) enum Life {
    /// For more than ten seconds no mount has come or gone.
    Calm,
    /// A mount has come or gone before each report.
    Changing,
}

/// A line of the table.
pub(crate) fn row(machine: &str, life: Life, measured: &Measured, within: Option<bool>) -> String {
    let milliseconds = |percent| measured.latency(percent).as_secs_f64() * 1e3;
    format!(
        "| {machine} | {} | {} | {:.2} | {:.2} | {:.2} | {:.1} | {} |",
        match life {
            Life::Calm => "the same",
            Life::Changing => "one comes or goes each time",
        },
        measured.page,
        measured.cpu * 1e3,
        milliseconds(50),
        milliseconds(99),
        measured.resident as f64 / 1e6,
        match within {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        }
    )
}

/// Asks for reports so rarely that each is of a reading of its own.
pub(crate) fn measure(binary: &Path, roots: &Roots, life: Life) -> anyhow::Result<Measured> {
    let mountinfo = roots.proc.join("1/mountinfo");
    let mounts = fs::read_to_string(&mountinfo)?;
    let one_more = format!("{mounts}999999 20 0:999 / /run/other rw - tmpfs tmpfs rw\n");
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
        if let Life::Changing = life {
            let now = if report % 2 == 0 { &one_more } else { &mounts };
            fs::write(&mountinfo, now)?;
        }
        program.report(&mut socket)?;
        std::thread::sleep(2 * PAUSE);
        program.look_at_threads()?;
    }
    fs::write(&mountinfo, &mounts)?;
    program.measured(REPORTS, false)
}
