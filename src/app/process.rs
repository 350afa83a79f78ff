//! What the kernel says of this process.
//!
//! Asked at every scrape, so by the few calls that it takes: sysinfo, which gives the start, reads the whole machine's
//! `/proc/stat` and `/proc/cpuinfo` on the way, and the latter asks every processor of the node.

use std::sync::{Mutex, OnceLock};

use rustix::process::{Resource, getrlimit};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::host::kept_file::KeptFile;
use crate::lock::locked;
use crate::model::itself::ProcessFigures;

/// proc_pid_stat(5) counts in these. The kernel divides by so many on every architecture of ours, whatever its own tick.
const TICKS_PER_SECOND: u64 = 100;

/// The figures now; those that the system does not give are `None`.
pub(super) fn figures() -> ProcessFigures {
    static STARTED_AT: OnceLock<Option<u64>> = OnceLock::new();
    let used = Used::read().unwrap_or_default();
    ProcessFigures {
        cpu_milliseconds: used.ticks.map(|ticks| ticks * 1000 / TICKS_PER_SECOND),
        resident_bytes: used
            .resident_pages
            // The C library has it from the kernel; /proc/self/auxv is root's alone in a process that is not dumpable.
            .map(|pages| pages * rustix::param::page_size() as u64),
        virtual_bytes: used.virtual_bytes,
        started_at: *STARTED_AT.get_or_init(started_at),
        open_files: open_files(),
        open_files_limit: getrlimit(Resource::Nofile).current,
    }
}

/// Of proc_pid_stat(5) what is used.
#[derive(Default)]
struct Used {
    /// In user and in system mode.
    ticks: Option<u64>,
    virtual_bytes: Option<u64>,
    resident_pages: Option<u64>,
}

impl Used {
    fn read() -> Option<Self> {
        // Kept open: it is this process's file for as long as there is this process.
        static STAT: Mutex<KeptFile> = Mutex::new(KeptFile::new());
        let text = locked(&STAT).text("/proc/self/stat".as_ref()).ok()?;
        let text = String::from_utf8_lossy(&text);
        // The second field is the command in parentheses, and may hold anything.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            ticks: field(14).zip(field(15)).map(|(user, system)| user + system),
            virtual_bytes: field(23),
            resident_pages: field(24),
        })
    }
}

fn open_files() -> Option<u64> {
    // Since Linux 6.2 the folder's size is their number.
    match std::fs::symlink_metadata("/proc/self/fd").ok()?.len() {
        // One of them is the folder that is being read.
        0 => (std::fs::read_dir("/proc/self/fd").ok()?.count() as u64).checked_sub(1),
        number => Some(number),
    }
}

/// Start of this process, in seconds since 1970.
fn started_at() -> Option<u64> {
    let pid = Pid::from_u32(std::process::id());
    let mut system = System::new().ok()?;
    let _ = system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        false,
        ProcessRefreshKind::nothing().without_tasks(),
    );
    Some(system.process(pid)?.start_time())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_of_a_live_process_is_known_and_plausible() {
        let figures = figures();
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        assert!(figures.cpu_milliseconds.unwrap() < 3_600_000);
        assert!((100_000..figures.virtual_bytes.unwrap()).contains(&figures.resident_bytes.unwrap()));
        assert!((now - 3600..=now + 1).contains(&figures.started_at.unwrap()));
        assert!((3..=figures.open_files_limit.unwrap()).contains(&figures.open_files.unwrap()));
    }
}
