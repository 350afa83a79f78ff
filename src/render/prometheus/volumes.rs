//! Families about pods' volumes: what carries each, how full it is, what it does.

use super::exposition::{Family, Kind, Labels, Page, Value, seconds};
use crate::model::io::IoCounters;
use crate::model::mount::FilesystemUsage;
use crate::model::placement::Volume;
use crate::model::topology::Topology;

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family::new(name, Kind::Gauge, help)
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family::new(name, Kind::Counter, help)
}

const VOLUME_INFO: Family = gauge("volume_info", "A volume that pods of this node use. Always 1.");
const POD_VOLUME_INFO: Family = gauge(
    "pod_volume_info",
    "A pod of this node and a volume that it uses. Always 1.",
);
const VOLUME_DEVICE_INFO: Family = gauge(
    "volume_device_info",
    "A volume, the block device right below it, and a physical disk below that; one for each disk. shared=\"true\" where others lie on the same filesystem. Always 1.",
);
const VOLUME_REMOTE_INFO: Family = gauge(
    "volume_remote_info",
    "A volume and the other machine that its data are on. Always 1.",
);
const CAPACITY: Family = gauge(
    "volume_capacity_bytes",
    "Capacity of the volume's filesystem, or of the raw block device. With shared=\"true\" the figure is that of a filesystem which others use as well.",
);
const STATS_ERROR: Family = gauge(
    "volume_stats_error",
    "The volume's figures could not be had, and why. Absent where they could. Always 1.",
);

type UsageFamily = (Family, fn(&FilesystemUsage) -> Option<Value>);

const USAGE: [UsageFamily; 6] = [
    (
        gauge(
            "volume_available_bytes",
            "Bytes that users without privilege can still write.",
        ),
        |usage| Some(usage.available.into()),
    ),
    (
        gauge("volume_used_bytes", "Bytes in use on the volume's filesystem."),
        |usage| Some(usage.used().into()),
    ),
    (gauge("volume_inodes", "Inodes in all."), |usage| {
        usage.files.map(Value::from)
    }),
    (gauge("volume_inodes_free", "Inodes not in use."), |usage| {
        usage.files_free.map(Value::from)
    }),
    (gauge("volume_inodes_used", "Inodes in use."), |usage| {
        Some(usage.files?.saturating_sub(usage.files_free?).into())
    }),
    (
        gauge("volume_readonly", "1 where writes to the volume are refused."),
        |usage| Some(usage.read_only.into()),
    ),
];

/// The name, the figure, and whether it is a time, which not every source counts.
type IoFamily = (Family, fn(&IoCounters) -> Value, bool);

const IO: [IoFamily; 6] = [
    (
        counter("volume_reads_completed_total", "Reads completed on the volume."),
        |io| io.reads.completed.into(),
        false,
    ),
    (
        counter("volume_writes_completed_total", "Writes completed on the volume."),
        |io| io.writes.completed.into(),
        false,
    ),
    (
        counter("volume_read_bytes_total", "Bytes read from the volume."),
        |io| io.reads.bytes.into(),
        false,
    ),
    (
        counter("volume_written_bytes_total", "Bytes written to the volume."),
        |io| io.writes.bytes.into(),
        false,
    ),
    (
        counter(
            "volume_read_time_seconds_total",
            "Time that completed reads took, summed.",
        ),
        |io| seconds(io.reads.milliseconds),
        true,
    ),
    (
        counter(
            "volume_write_time_seconds_total",
            "Time that completed writes took, summed.",
        ),
        |io| seconds(io.writes.milliseconds),
        true,
    ),
];

/// All families that this file knows, for the reference.
pub fn families() -> impl Iterator<Item = &'static Family> {
    const INFO: [Family; 6] = [
        VOLUME_INFO,
        POD_VOLUME_INFO,
        VOLUME_DEVICE_INFO,
        VOLUME_REMOTE_INFO,
        CAPACITY,
        STATS_ERROR,
    ];
    INFO.iter()
        .chain(USAGE.iter().map(|(family, _)| family))
        .chain(IO.iter().map(|(family, ..)| family))
}

/// Writes them.
pub fn write(page: &mut Page<'_>, topology: &Topology) {
    write_info(page, topology);
    // Volumes without a PersistentVolume are parts of the node's own filesystems, which have families of their own.
    let persistent: Vec<(&Volume, Labels)> = topology
        .volumes
        .iter()
        .filter(|volume| volume.persistent)
        .map(|volume| (volume, identity(volume)))
        .collect();
    write_usage(page, &persistent);
    for (family, value, is_time) in &IO {
        page.family(family, |samples| {
            for (volume, labels) in &persistent {
                if let Some(io) = volume.io.filter(|io| !is_time || io.source.has_times()) {
                    samples.add(
                        &labels.clone().with("source", io.source.as_str()),
                        value(&io.counters),
                    );
                }
            }
        });
    }
}

fn write_usage(page: &mut Page<'_>, persistent: &[(&Volume, Labels)]) {
    let labelled: Vec<(&Volume, Labels, &Labels)> = persistent
        .iter()
        .map(|(volume, labels)| (*volume, labels.clone().with("shared", shared(volume)), labels))
        .collect();
    page.family(&CAPACITY, |samples| {
        for (volume, labels, _) in &labelled {
            let size = volume
                .usage
                .as_ref()
                .and_then(|usage| usage.as_ref().ok())
                .map(|usage| usage.size);
            if let Some(size) = size.or(volume.device_size) {
                samples.add(labels, size);
            }
        }
    });
    for (family, value) in &USAGE {
        page.family(family, |samples| {
            for (volume, labels, _) in &labelled {
                if let Some(Ok(usage)) = &volume.usage
                    && let Some(value) = value(usage)
                {
                    samples.add(labels, value);
                }
            }
        });
    }
    page.family(&STATS_ERROR, |samples| {
        for (volume, _, labels) in &labelled {
            if let Some(Err(error)) = &volume.usage {
                samples.add(&(*labels).clone().with("reason", error.reason()), 1_u64);
            }
        }
    });
}

fn write_info(page: &mut Page<'_>, topology: &Topology) {
    page.family(&VOLUME_INFO, |samples| {
        for volume in topology.volumes.iter().filter(|volume| volume.persistent) {
            samples.add(
                &identity(volume)
                    .with("driver", &volume.driver)
                    .with("volume_mode", volume.mode.as_str()),
                1_u64,
            );
        }
    });
    page.family(&POD_VOLUME_INFO, |samples| {
        for volume in &topology.volumes {
            for user in &volume.users {
                let persistent = if volume.persistent {
                    volume.name.as_str()
                } else {
                    ""
                };
                let labels = Labels::one("uid", &user.pod_uid)
                    .with("volume", if volume.persistent { "" } else { &volume.name })
                    .with("persistentvolume", persistent);
                samples.add(&labels, 1_u64);
            }
        }
    });
    page.family(&VOLUME_DEVICE_INFO, |samples| {
        for volume in &topology.volumes {
            write_devices(topology, volume, samples);
        }
    });
    page.family(&VOLUME_REMOTE_INFO, |samples| {
        for volume in &topology.volumes {
            if let Some(remote) = &volume.placement.remote {
                samples.add(&identity(volume).with("remote", &remote.to_string()), 1_u64);
            }
        }
    });
}

/// One sample for each disk. A volume over several devices names the first: which device leads to which disk is in
/// `device_parent_info`.
fn write_devices(topology: &Topology, volume: &Volume, samples: &mut super::exposition::Samples<'_, '_>) {
    let device = volume
        .placement
        .devices
        .first()
        .and_then(|number| topology.devices.get(*number));
    let Some(device) = device else { return };
    for disk in &volume.placement.disks {
        let Some(found) = topology.devices.get(*disk) else {
            continue;
        };
        let serial = topology
            .disk(*disk)
            .and_then(|disk| disk.identity.serial.as_deref());
        let labels = identity(volume)
            .with("device", &device.kernel_name)
            .with("disk", &found.kernel_name)
            .with_known("serial", serial)
            .with("shared", shared(volume));
        samples.add(&labels, 1_u64);
    }
}

/// A PersistentVolume by its name; other volumes by their pod's UID and their name in it.
fn identity(volume: &Volume) -> Labels {
    if volume.persistent {
        return Labels::one("persistentvolume", &volume.name);
    }
    let uid = volume.users.first().map_or("", |user| user.pod_uid.as_str());
    Labels::one("uid", uid).with("volume", &volume.name)
}

fn shared(volume: &Volume) -> &'static str {
    if volume.placement.shared { "true" } else { "false" }
}
