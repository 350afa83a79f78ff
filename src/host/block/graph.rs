//! Descriptions of devices, put together.

use std::collections::HashMap;
use std::sync::Arc;

use super::memory::Memory;
use crate::model::device::{DeviceNumber, DiskPath, Identity};
use crate::model::graph::BlockDevices;

/// The graph of all that is in memory.
pub(super) fn graph(memory: &Memory) -> BlockDevices {
    let numbers: HashMap<&str, DeviceNumber> = memory
        .described()
        .map(|described| (described.device.kernel_name.as_str(), described.device.number))
        .collect();
    // A partition is as long the same as its disk is, and has no number of its own.
    let sequences: HashMap<DeviceNumber, u64> = memory
        .described()
        .filter(|described| !described.device.is_partition())
        .filter_map(|described| Some((described.device.number, described.device.sequence?)))
        .collect();
    let mut paths: HashMap<&str, Vec<DiskPath>> = HashMap::new();
    for described in memory.described() {
        if let Some(head) = &described.path_of {
            paths.entry(head).or_default().push(DiskPath {
                name: described.device.kernel_name.clone(),
                state: described.device.state.clone(),
            });
        }
    }
    BlockDevices::new(
        memory
            .described()
            .filter(|described| described.path_of.is_none())
            .map(|described| {
                let mut device = Arc::clone(&described.device);
                let mut parents: Vec<_> = described
                    .parent_names
                    .iter()
                    .filter_map(|name| numbers.get(name.as_str()).copied())
                    .collect();
                parents.sort_unstable();
                let mut hidden_paths = paths.remove(device.kernel_name.as_str()).unwrap_or_default();
                hidden_paths.sort_unstable();
                let is_whole = parents.is_empty();
                let sequence = match parents.first() {
                    Some(disk) if described.device.is_partition() => sequences.get(disk).copied(),
                    _ => device.sequence,
                };
                if device.parents != parents
                    || device.hidden_paths != hidden_paths
                    || device.sequence != sequence
                    || !(is_whole || device.identity == Identity::default())
                {
                    let device = Arc::make_mut(&mut device);
                    device.parents = parents;
                    device.hidden_paths = hidden_paths;
                    device.sequence = sequence;
                    if !is_whole {
                        device.identity = Identity::default();
                    }
                }
                device
            }),
    )
}
