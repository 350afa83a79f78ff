//! The block device graph of this node, read anew where something changed.
//!
//! `/proc/diskstats` names every device in one read. What a device is made of and who made it is read from
//! its own folder in sysfs and from udev's database: a dozen files, which rarely change. They are read again when the
//! device's fingerprint differs: its number, its size in `/proc/partitions`, its `diskseq`, and the time of its
//! record in udev's database, which udev writes anew at every event of the device (resized, reformatted, renamed).
//! Records are put in place by renaming, so while the database's folder is as it was, no record needs to be looked at.
//! Of devices that the kernel makes up (device mapper, md, loop) the make-up is looked at every time: where no udev
//! runs, it changes without all that.

mod counters;
mod database;
mod graph;
mod memory;
mod path_counters;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use self::database::Database;
use self::memory::Memory;
use self::path_counters::PathCounters;
use super::diskstats::DiskStatistics;
use super::kept_file::KeptFile;
use super::partitions;
use super::roots::Roots;
use crate::model::device::DeviceNumber;
use crate::model::graph::BlockDevices;
use crate::model::io::IoCounters;

/// The reader, with what it remembers.
#[derive(Debug, Default)]
pub(super) struct BlockReader {
    memory: Memory,
    graph: Arc<BlockDevices>,
    paths: PathCounters,
    database: Database,
    partitions: KeptFile,
}

/// The graph and the counters of the devices in it.
#[derive(Debug, Default)]
pub(super) struct BlockReading {
    /// The graph.
    pub(super) devices: Arc<BlockDevices>,
    /// Counters of each device of the graph.
    pub(super) counters: BTreeMap<DeviceNumber, IoCounters>,
}

impl BlockReader {
    /// The devices behind `statistics`.
    pub(super) fn read(
        &mut self,
        roots: &Roots,
        statistics: &[DiskStatistics<'_>],
        now: Instant,
    ) -> BlockReading {
        let blocks = self.partitions.text(&roots.proc.join("partitions"));
        let blocks = blocks.map(|text| partitions::parse(&text)).unwrap_or_default();
        let database = Database::below(roots);
        let same_records = database != Database::Unsettled && database == self.database;
        self.database = database;
        let mut changed = self.memory.len() != statistics.len();
        let mut room = self.memory.room();
        for line in statistics {
            let blocks = blocks.get(&line.number).copied();
            changed |= self
                .memory
                .look_at(roots, line, blocks, same_records, now, &mut room);
        }
        if changed {
            let present: HashSet<_> = statistics.iter().map(|line| line.kernel_name).collect();
            self.memory.retain(&present);
            self.graph = Arc::new(graph::graph(&self.memory));
            // Each device is in memory once.
            for described in self.memory.described_mut() {
                let device = self.graph.shared(described.device.number);
                if let Some(device) = device.filter(|_| described.path_of.is_none()) {
                    described.device = Arc::clone(device);
                }
            }
        }
        BlockReading {
            devices: Arc::clone(&self.graph),
            counters: counters::counters(&self.memory, &self.graph, &mut self.paths, statistics),
        }
    }
}

#[cfg(test)]
mod tests;
