//! A disk that is written to all the while, and what its counters may say.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::answers::OURS;
use super::history::{Asked, History};
use super::kubelet::attach;
use super::support::exposition::Sample;
use super::support::loop_device::{LoopDevice, backing_file};

const MEBIBYTES: u64 = 16;
const REQUEST: usize = 64 << 10;
/// After so many writes the device's cache is emptied, which lets the disk below do its work.
const BATCH: u64 = 16;
const PAUSE: Duration = Duration::from_millis(20);
/// No answer is under way for longer.
const REMEMBERED: Duration = Duration::from_secs(30);
const SECTOR: u64 = 512;
/// Where the kernel has sectors written (`Documentation/block/stat.rst`).
const SECTORS_WRITTEN: usize = 6;

/// A loop device of its own.
pub(super) struct BusyDisk {
    device: LoopDevice,
    /// What others who had a device of that number had written to it.
    before: u64,
    /// What had been written at that time, by the kernel's own count.
    written: Mutex<VecDeque<(Instant, u64)>>,
    leeway: Duration,
}

impl BusyDisk {
    /// On a file in this folder. Answers may be as old as those of what `history` has.
    pub(super) fn new(folder: &Path, history: &History) -> Self {
        let file = format!("{OURS}busy.img");
        let path = backing_file(folder, &file, MEBIBYTES);
        let device = attach(history, &path, &file);
        let before = counted(&device);
        Self {
            device,
            before,
            written: Mutex::new([(Instant::now(), before)].into()),
            leeway: history.leeway(),
        }
    }

    /// Writes until told to end.
    pub(super) fn write(&self, end: &AtomicBool) {
        let direct = self.device.open();
        while !end.load(Ordering::Relaxed) {
            direct.write(BATCH, REQUEST);
            direct.flush();
            let mut written = self.written.lock().unwrap();
            let total = written.back().map_or(0, |(_, total)| *total) + BATCH * REQUEST as u64;
            written.push_back((Instant::now(), total));
            while written
                .get(1)
                .is_some_and(|(time, _)| time.elapsed() > REMEMBERED)
            {
                written.pop_front();
            }
            drop(written);
            thread::sleep(PAUSE);
        }
    }

    /// How much was written in all, as the test counts it and as the kernel does.
    pub(super) fn written(&self) -> [u64; 2] {
        let written = self.written.lock().unwrap();
        let total = |end: Option<&(Instant, u64)>| end.map_or(0, |(_, total)| *total);
        [total(written.back()), counted(&self.device)].map(|total| total - self.before)
    }

    /// What is wrong with what a page says of it.
    pub(super) fn judge(&self, samples: &[Sample], asked: Asked) -> Vec<String> {
        let said = samples.iter().find(|sample| {
            sample.name == "storage_probe_disk_written_bytes_total"
                && sample
                    .labels
                    .get("device")
                    .is_some_and(|device| device == self.device.name())
        });
        let Some(said) = said else {
            return vec![format!("nothing is told of {}", self.device.name())];
        };
        let written = self.written.lock().unwrap();
        let done_before = |limit: Option<Instant>| {
            let done = written.iter().rev().find(|(time, _)| Some(*time) <= limit);
            done.or(written.front()).map_or(0, |(_, total)| *total)
        };
        let least = done_before(asked.from.checked_sub(self.leeway));
        // The batch that was under way may have been counted.
        let most = done_before(Some(asked.until)) + BATCH * REQUEST as u64;
        let right = said.value >= least as f64 && said.value <= most as f64;
        if right {
            Vec::new()
        } else {
            vec![format!(
                "{} bytes are told as written, and it was {least} to {most}",
                said.value
            )]
        }
    }
}

fn counted(device: &LoopDevice) -> u64 {
    device.kernel_counters()[SECTORS_WRITTEN] * SECTOR
}
