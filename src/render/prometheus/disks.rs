//! Families about block devices: who they are, what they are made of, what they do.

use super::exposition::{Family, Labels, Page, Value, seconds};
use crate::model::device::{BlockDevice, DeviceNumber, DiskPath};
use crate::model::io::{FlushCounters, IoCounters, IoRates, OperationCounters};
use crate::state::State;

const NODE_INFO: Family = Family::gauge("node_info", "The node that answered. Always 1.");
const DISK_INFO: Family = Family::gauge(
    "disk_info",
    "Make and identity of a whole disk, mounted or not; a multipath disk once however many paths it has. Always 1.",
);
const DEVICE_INFO: Family = Family::gauge(
    "device_info",
    "A block device of any layer with the name that people know. Always 1.",
);
const DEVICE_PARENT_INFO: Family = Family::gauge(
    "device_parent_info",
    "A block device and one that it is made of. Always 1.",
);
const DEVICE_SIZE: Family = Family::gauge("device_size_bytes", "Capacity of a block device.");
const RAID_MISSING_MEMBERS: Family = Family::gauge(
    "raid_missing_members",
    "Devices that a software RAID lacks of those that it is meant to have (md/degraded): 0 for a whole one. Absent for levels without redundancy.",
);
const MULTIPATH_PATHS: Family = Family::gauge(
    "multipath_paths",
    "Paths that a multipath disk has, of device mapper or NVMe's own; one whose device is gone altogether is not counted.",
);
const MULTIPATH_PATHS_USABLE: Family = Family::gauge(
    "multipath_paths_usable",
    "Paths of a multipath disk over which requests can go, as the SCSI or NVMe layer says. Absent where it says nothing of one of them.",
);
const MULTIPATH_PATH_INFO: Family = Family::gauge(
    "multipath_path_info",
    "A path of a multipath disk and its state in the kernel's word: running, blocked, offline, transport-offline, live, connecting, inaccessible, … Always 1.",
);
const DEVICE_ATTENTION: Family = Family::gauge(
    "device_attention",
    "A device that needs attention, and of what sort: unusable (it takes no requests), degraded (a RAID that lacks members), path_lost. What is wrong with a path is told of its multipath disk. Always 1.",
);
const PROMISED: Family = Family::gauge(
    "disk_promised_bytes",
    "Capacity of the PersistentVolumes that pods of this node use on the disk, summed. Absent where one of them lies on other disks as well, or where its capacity is not known.",
);
const IO_NOW: Family = Family::gauge("disk_io_now", "Requests in flight.");
const IOPS: Family = Family::gauge(
    "disk_iops",
    "Requests per second between the two latest readings at least 0.9 s apart, whoever asked for them. In PromQL, rate() over the counters is the better choice.",
);
const THROUGHPUT: Family = Family::gauge(
    "disk_throughput_bytes_per_second",
    "Bytes per second between the two latest readings at least 0.9 s apart, whoever asked for them. In PromQL, rate() over the counters is the better choice.",
);
const UTILIZATION: Family = Family::gauge(
    "disk_utilization_ratio",
    "Share of the time between the two latest readings during which requests were in flight, 0 to 1. In PromQL, rate() over disk_io_time_seconds_total is the better choice.",
);

/// The counters, each with how it is found; `None` where the kernel does not count it.
type CounterFamily = (Family, fn(&IoCounters) -> Option<Value>);

fn discards(counters: &IoCounters, value: fn(&OperationCounters) -> Value) -> Option<Value> {
    counters.discards.as_ref().map(value)
}

fn flushes(counters: &IoCounters, value: fn(&FlushCounters) -> Value) -> Option<Value> {
    counters.flushes.as_ref().map(value)
}

const COUNTERS: [CounterFamily; 16] = [
    (
        Family::counter("disk_reads_completed_total", "Reads completed."),
        |io| Some(io.reads.completed.into()),
    ),
    (
        Family::counter("disk_reads_merged_total", "Reads merged into a neighbour."),
        |io| Some(io.reads.merged.into()),
    ),
    (Family::counter("disk_read_bytes_total", "Bytes read."), |io| {
        Some(io.reads.bytes.into())
    }),
    (
        Family::counter(
            "disk_read_time_seconds_total",
            "Time that completed reads took, summed.",
        ),
        |io| Some(seconds(io.reads.milliseconds)),
    ),
    (
        Family::counter("disk_writes_completed_total", "Writes completed."),
        |io| Some(io.writes.completed.into()),
    ),
    (
        Family::counter("disk_writes_merged_total", "Writes merged into a neighbour."),
        |io| Some(io.writes.merged.into()),
    ),
    (
        Family::counter("disk_written_bytes_total", "Bytes written."),
        |io| Some(io.writes.bytes.into()),
    ),
    (
        Family::counter(
            "disk_write_time_seconds_total",
            "Time that completed writes took, summed.",
        ),
        |io| Some(seconds(io.writes.milliseconds)),
    ),
    (
        Family::counter("disk_discards_completed_total", "Discards completed."),
        |io| discards(io, |discards| discards.completed.into()),
    ),
    (
        Family::counter("disk_discards_merged_total", "Discards merged into a neighbour."),
        |io| discards(io, |discards| discards.merged.into()),
    ),
    (
        Family::counter("disk_discarded_bytes_total", "Bytes discarded."),
        |io| discards(io, |discards| discards.bytes.into()),
    ),
    (
        Family::counter(
            "disk_discard_time_seconds_total",
            "Time that completed discards took, summed.",
        ),
        |io| discards(io, |discards| seconds(discards.milliseconds)),
    ),
    (
        Family::counter("disk_flush_requests_total", "Cache flushes completed."),
        |io| flushes(io, |flushes| flushes.completed.into()),
    ),
    (
        Family::counter(
            "disk_flush_requests_time_seconds_total",
            "Time that cache flushes took, summed.",
        ),
        |io| flushes(io, |flushes| seconds(flushes.milliseconds)),
    ),
    (
        Family::counter(
            "disk_io_time_seconds_total",
            "Time during which requests were in flight. Absent for an NVMe multipath disk whose kernel counts on its paths alone, once more than one of them has counted: how much of their times was at the same time is in no file.",
        ),
        |io| io.busy_milliseconds.map(seconds),
    ),
    (
        Family::counter(
            "disk_io_time_weighted_seconds_total",
            "Time during which requests were in flight, times their number.",
        ),
        |io| Some(seconds(io.weighted_milliseconds)),
    ),
];

/// All families that this file knows, for the reference.
pub fn families() -> impl Iterator<Item = &'static Family> {
    const INFO: [Family; 11] = [
        NODE_INFO,
        DISK_INFO,
        DEVICE_INFO,
        DEVICE_PARENT_INFO,
        DEVICE_SIZE,
        RAID_MISSING_MEMBERS,
        MULTIPATH_PATHS,
        MULTIPATH_PATHS_USABLE,
        MULTIPATH_PATH_INFO,
        DEVICE_ATTENTION,
        PROMISED,
    ];
    const GAUGES: [Family; 4] = [IO_NOW, IOPS, THROUGHPUT, UTILIZATION];
    INFO.iter()
        .chain(COUNTERS.iter().map(|(family, _)| family))
        .chain(GAUGES.iter())
}

/// Writes them.
pub fn write(page: &mut Page<'_>, state: &State) {
    page.family(&NODE_INFO, |samples| {
        samples.add(&Labels::one("host", &state.host_id), 1_u64);
    });
    write_info(page, state);

    let devices = &state.topology.devices;
    let labels: Vec<(&BlockDevice, Labels)> = devices
        .iter()
        .map(|device| (device, Labels::one("device", &device.kernel_name)))
        .collect();
    page.family(&DEVICE_SIZE, |samples| {
        for (device, labels) in &labels {
            if let Some(size) = device.size {
                samples.add(labels, size);
            }
        }
    });
    page.family(&RAID_MISSING_MEMBERS, |samples| {
        for (device, labels) in &labels {
            if let Some(missing) = device.missing_members {
                samples.add(labels, missing);
            }
        }
    });
    write_paths(page, state);
    page.family(&DEVICE_ATTENTION, |samples| {
        for (number, trouble) in state.topology.troubles.iter() {
            if let Some(device) = devices.get(number) {
                let labels = Labels::one("device", &device.kernel_name).with("kind", trouble.kind.as_str());
                samples.add(&labels, 1_u64);
            }
        }
    });
    page.family(&PROMISED, |samples| {
        for disk in &state.topology.disks {
            if let (Some(device), Some(bytes)) = (devices.get(disk.number), disk.promise.total()) {
                samples.add(&Labels::one("device", &device.kernel_name), bytes);
            }
        }
    });
    let counted: Vec<(DeviceNumber, &Labels, &IoCounters)> = labels
        .iter()
        .filter_map(|(device, labels)| {
            Some((device.number, labels, state.sample.counters.get(&device.number)?))
        })
        .collect();
    for (family, value) in &COUNTERS {
        page.family(family, |samples| {
            for (_, labels, counters) in &counted {
                if let Some(value) = value(counters) {
                    samples.add(labels, value);
                }
            }
        });
    }
    page.family(&IO_NOW, |samples| {
        for (_, labels, counters) in &counted {
            samples.add(labels, counters.in_flight);
        }
    });
    let rated: Vec<(&Labels, &IoRates)> = counted
        .iter()
        .filter_map(|(number, labels, _)| Some((*labels, state.rates.latest(*number)?)))
        .collect();
    page.family(&IOPS, |samples| {
        for (labels, rates) in &rated {
            samples.add_with(labels, "operation=\"read\"", rates.reads);
            samples.add_with(labels, "operation=\"write\"", rates.writes);
        }
    });
    page.family(&THROUGHPUT, |samples| {
        for (labels, rates) in &rated {
            samples.add_with(labels, "operation=\"read\"", rates.read_bytes);
            samples.add_with(labels, "operation=\"write\"", rates.written_bytes);
        }
    });
    page.family(&UTILIZATION, |samples| {
        for (labels, rates) in &rated {
            if let Some(share) = rates.utilization {
                samples.add(labels, share);
            }
        }
    });
}

fn write_paths(page: &mut Page<'_>, state: &State) {
    let multipath: Vec<(&str, &[DiskPath])> = state
        .topology
        .disks
        .iter()
        .filter_map(|disk| {
            let device = state.topology.devices.get(disk.number)?;
            Some((device.kernel_name.as_str(), disk.paths.as_deref()?))
        })
        .collect();
    page.family(&MULTIPATH_PATHS, |samples| {
        for (device, paths) in &multipath {
            samples.add(&Labels::one("device", device), paths.len() as u64);
        }
    });
    page.family(&MULTIPATH_PATHS_USABLE, |samples| {
        for (device, paths) in &multipath {
            let usable: Option<Vec<bool>> = paths.iter().map(DiskPath::is_usable).collect();
            if let Some(usable) = usable {
                let count = usable.into_iter().filter(|usable| *usable).count();
                samples.add(&Labels::one("device", device), count as u64);
            }
        }
    });
    page.family(&MULTIPATH_PATH_INFO, |samples| {
        for (device, paths) in &multipath {
            for path in *paths {
                let labels = Labels::one("device", device)
                    .with("path", &path.name)
                    .with_known("state", path.state.as_deref());
                samples.add(&labels, 1_u64);
            }
        }
    });
}

fn write_info(page: &mut Page<'_>, state: &State) {
    let devices = &state.topology.devices;
    page.family(&DISK_INFO, |samples| {
        for disk in &state.topology.disks {
            let Some(device) = devices.get(disk.number) else {
                continue;
            };
            let identity = &disk.identity;
            let labels = Labels::one("device", &device.kernel_name)
                .with("type", device.device_type.as_str())
                .with_known("model", identity.model.as_deref())
                .with_known("serial", identity.serial.as_deref())
                .with_known("wwn", identity.wwn.as_deref())
                .with_known("vendor", identity.vendor.as_deref())
                .with_known("revision", identity.revision.as_deref())
                .with_known("transport", identity.transport.as_deref())
                .with_known(
                    "rotational",
                    device
                        .rotational
                        .map(|rotational| if rotational { "1" } else { "0" }),
                )
                .with_known("path", identity.path.as_deref());
            samples.add(&labels, 1_u64);
        }
    });
    page.family(&DEVICE_INFO, |samples| {
        for device in devices.iter() {
            let labels = Labels::one("device", &device.kernel_name)
                .with("name", &device.name)
                .with("type", device.device_type.as_str())
                .with_known("fstype", device.signature.fstype.as_deref())
                .with_known("uuid", device.signature.uuid.as_deref());
            samples.add(&labels, 1_u64);
        }
    });
    page.family(&DEVICE_PARENT_INFO, |samples| {
        for device in devices.iter() {
            for parent in device.parents.iter().filter_map(|parent| devices.get(*parent)) {
                samples.add(
                    &Labels::one("device", &device.kernel_name).with("parent", &parent.kernel_name),
                    1_u64,
                );
            }
        }
    });
}
