//! Whose counters are a disk's.

use std::collections::{BTreeMap, HashMap};

use super::memory::Memory;
use super::path_counters::{PathCounters, PathReading};
use crate::host::diskstats::DiskStatistics;
use crate::model::device::DeviceNumber;
use crate::model::graph::BlockDevices;
use crate::model::io::IoCounters;

/// Counters of the devices in the graph. Some kernels count NVMe multipath requests on the hidden paths
/// and leave the disk at zero: then the paths' sum is the disk's, and what its partitions did is counted nowhere.
pub(super) fn counters(
    memory: &Memory,
    devices: &BlockDevices,
    paths: &mut PathCounters,
    statistics: &[DiskStatistics<'_>],
) -> BTreeMap<DeviceNumber, IoCounters> {
    let mut counters = BTreeMap::new();
    let mut hidden: HashMap<&str, PathReading> = HashMap::new();
    for line in statistics {
        if devices.get(line.number).is_some() {
            counters.insert(line.number, line.counters);
        } else if line.kernel_name.starts_with("nvme")
            && let Some(kept) = memory.get(line.kernel_name)
        {
            let path = PathReading {
                sequence: kept.sequence(),
                counters: line.counters,
            };
            hidden.insert(line.kernel_name, path);
        }
    }
    paths.retain(|disk| counters.contains_key(&disk));
    for device in devices.iter() {
        let number = device.number;
        if device.hidden_paths.is_empty() && !paths.knows(number) {
            continue;
        }
        let Some(own) = counters.get_mut(&number) else {
            continue;
        };
        if !own.is_idle() {
            paths.forget(number);
            continue;
        }
        let names = device.hidden_paths.iter().map(|path| path.name.as_str());
        let sum = paths.sum(number, device.sequence, names, |name| hidden.get(name).copied());
        *own = own.plus(&sum);
        if sum.is_idle() {
            continue;
        }
        for part in &device.children {
            if counters.get(part).is_some_and(IoCounters::is_idle) && devices.counted_at(*part) == number {
                counters.remove(part);
            }
        }
    }
    counters
}
