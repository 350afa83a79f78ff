//! Memory and open files of a process over time.

use std::fs;
use std::time::Duration;

use super::support::process::resident_bytes;
use super::support::server::Server;

/// Allocators and page tables: what may come and go without being a leak.
const LEEWAY_BYTES: u64 = 512 << 10;
/// Files of devices that come and go, and connections that do.
const LEEWAY_FILES: u64 = 4;
/// What is kept of the past fills up for so long: rates are of a minute.
const FILLED_AFTER: Duration = Duration::from_secs(60);

/// The most that was resident, in bytes, and open.
type Used = (u64, u64);

/// Readings of one process.
#[derive(Debug, Default)]
pub(super) struct Usage {
    readings: Vec<Used>,
}

impl Usage {
    /// Reads it now.
    pub(super) fn read(&mut self, server: &Server) {
        let files = fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count();
        self.readings.push((resident_bytes(server.id()), files as u64));
    }

    /// The most in each quarter of the time.
    pub(super) fn quarters(&self) -> Vec<Used> {
        let most = |quarter: &[Used]| {
            let bytes = quarter.iter().map(|used| used.0).max();
            let files = quarter.iter().map(|used| used.1).max();
            (bytes.unwrap(), files.unwrap())
        };
        let length = self.readings.len().div_ceil(4).max(1);
        self.readings.chunks(length).map(most).collect()
    }

    /// What grew after the first quarter of a run of this length.
    pub(super) fn growth(&self, length: Duration) -> Vec<String> {
        let quarters = self.quarters();
        let [first, _, _, last] = quarters.as_slice() else {
            return vec![format!("not four quarters: {quarters:?}")];
        };
        let leeway = if length / 4 < FILLED_AFTER {
            2 * LEEWAY_BYTES
        } else {
            LEEWAY_BYTES
        };
        let mut grown = Vec::new();
        if last.0 > first.0 + leeway {
            grown.push(format!("memory grew from {} to {} bytes", first.0, last.0));
        }
        if last.1 > first.1 + LEEWAY_FILES {
            grown.push(format!("open files grew from {} to {}", first.1, last.1));
        }
        grown
    }
}
