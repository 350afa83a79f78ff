//! Families about pods' volumes: what carries each, how full it is, what it does.

use super::cluster::{access_modes, claim_labels};
use super::exposition::{Family, Labels, Page, Samples, Value, seconds};
use crate::model::io::IoCounters;
use crate::model::mount::FilesystemUsage;
use crate::model::placement::{Volume, VolumeIo};
use crate::model::topology::Topology;

const VOLUME_INFO: Family = Family::gauge("volume_info", "A volume that pods of this node use. Always 1.");
const POD_VOLUME_INFO: Family = Family::gauge(
    "pod_volume_info",
    "A pod of this node and a volume that it uses. Always 1.",
);
const VOLUME_DEVICE_INFO: Family = Family::gauge(
    "volume_device_info",
    "A volume, the block device right below it, and a physical disk below that; one for each disk. volume_group is that of a device which is a logical volume. shared=\"true\" where others lie on the same filesystem. Always 1.",
);
const VOLUME_DEVICE_ATTENTION: Family = Family::gauge(
    "volume_device_attention",
    "A volume and a device below it, at any depth, that needs attention, and of what sort; device_attention has the words. Always 1.",
);
const VOLUME_REMOTE_INFO: Family = Family::gauge(
    "volume_remote_info",
    "A volume and the other machine that its data are on. Always 1.",
);
const CAPACITY: Family = Family::gauge(
    "volume_capacity_bytes",
    "Capacity of the volume's filesystem, or of the raw block device. With shared=\"true\" the figure is that of a filesystem which others use as well, and with shared=\"false\" that of one which the volume has to itself, or of the volume's own quota.",
);
const STATS_ERROR: Family = Family::gauge(
    "volume_stats_error",
    "The volume's figures could not be had, and why. Absent where they could. Always 1.",
);

const DISAGREEMENT: Family = Family::gauge(
    "volume_engine_disagreement",
    "What the objects of a volume's storage engine say (told) and the kernel of the node that has it mounted does not (seen). The kernel is believed: data go where it has the volume mounted. Absent where both say the same. Always 1.",
);

type UsageFamily = (Family, fn(&FilesystemUsage) -> Option<Value>);

const USAGE: [UsageFamily; 6] = [
    (
        Family::gauge(
            "volume_available_bytes",
            "Bytes that users without privilege can still write.",
        ),
        |usage| Some(usage.available.into()),
    ),
    (
        Family::gauge("volume_used_bytes", "Bytes in use on the volume's filesystem."),
        |usage| Some(usage.used().into()),
    ),
    (Family::gauge("volume_inodes", "Inodes in all."), |usage| {
        usage.files.map(Value::from)
    }),
    (
        Family::gauge("volume_inodes_free", "Inodes not in use."),
        |usage| usage.files_free.map(Value::from),
    ),
    (Family::gauge("volume_inodes_used", "Inodes in use."), |usage| {
        Some(usage.files?.saturating_sub(usage.files_free?).into())
    }),
    (
        Family::gauge("volume_readonly", "1 where writes to the volume are refused."),
        |usage| Some(usage.read_only.into()),
    ),
];

/// The name, the figure, and whether it is a time, which not every source counts.
type IoFamily = (Family, fn(&IoCounters) -> Value, bool);

const IO: [IoFamily; 6] = [
    (
        Family::counter("volume_reads_completed_total", "Reads completed on the volume."),
        |io| io.reads.completed.into(),
        false,
    ),
    (
        Family::counter("volume_writes_completed_total", "Writes completed on the volume."),
        |io| io.writes.completed.into(),
        false,
    ),
    (
        Family::counter("volume_read_bytes_total", "Bytes read from the volume."),
        |io| io.reads.bytes.into(),
        false,
    ),
    (
        Family::counter("volume_written_bytes_total", "Bytes written to the volume."),
        |io| io.writes.bytes.into(),
        false,
    ),
    (
        Family::counter(
            "volume_read_time_seconds_total",
            "Time that completed reads took, summed.",
        ),
        |io| seconds(io.reads.milliseconds),
        true,
    ),
    (
        Family::counter(
            "volume_write_time_seconds_total",
            "Time that completed writes took, summed.",
        ),
        |io| seconds(io.writes.milliseconds),
        true,
    ),
];

/// All families that this file knows, for the reference.
pub fn families() -> impl Iterator<Item = &'static Family> {
    const INFO: [Family; 8] = [
        VOLUME_INFO,
        POD_VOLUME_INFO,
        VOLUME_DEVICE_INFO,
        VOLUME_DEVICE_ATTENTION,
        VOLUME_REMOTE_INFO,
        CAPACITY,
        STATS_ERROR,
        DISAGREEMENT,
    ];
    INFO.iter()
        .chain(USAGE.iter().map(|(family, _)| family))
        .chain(IO.iter().map(|(family, ..)| family))
}

/// Writes them.
pub fn write(page: &mut Page<'_>, topology: &Topology) {
    let all: Vec<(&Volume, Labels)> = topology
        .volumes
        .iter()
        .map(|volume| (volume, identity(topology, volume)))
        .collect();
    // Volumes without a PersistentVolume are parts of the node's own filesystems, which have families of their own.
    let persistent: Vec<(&Volume, &Labels)> = all
        .iter()
        .filter(|(volume, _)| volume.persistent)
        .map(|(volume, labels)| (*volume, labels))
        .collect();
    write_info(page, topology, &all, &persistent);
    write_usage(page, &persistent);
    let counted: Vec<(VolumeIo, Labels)> = persistent
        .iter()
        .filter_map(|(volume, labels)| {
            let io = volume.io?;
            Some((io, (*labels).clone().with("source", io.source.as_str())))
        })
        .collect();
    for (family, value, is_time) in &IO {
        page.family(family, |samples| {
            for (io, labels) in &counted {
                if !is_time || io.source.has_times() {
                    samples.add(labels, value(&io.counters));
                }
            }
        });
    }
}

fn write_usage(page: &mut Page<'_>, persistent: &[(&Volume, &Labels)]) {
    let labelled: Vec<(&Volume, Labels)> = persistent
        .iter()
        .map(|(volume, labels)| {
            (
                *volume,
                (*labels).clone().with("shared", word(volume.figures_shared)),
            )
        })
        .collect();
    page.family(&CAPACITY, |samples| {
        for (volume, labels) in &labelled {
            if let Some(bytes) = volume.capacity() {
                samples.add(labels, bytes);
            }
        }
    });
    for (family, value) in &USAGE {
        page.family(family, |samples| {
            for (volume, labels) in &labelled {
                if let Some(Ok(usage)) = &volume.usage
                    && let Some(value) = value(usage)
                {
                    samples.add(labels, value);
                }
            }
        });
    }
    page.family(&STATS_ERROR, |samples| {
        for (volume, labels) in persistent {
            if let Some(Err(error)) = &volume.usage {
                samples.add(&(*labels).clone().with("reason", error.reason()), 1_u64);
            }
        }
    });
}

fn write_info(
    page: &mut Page<'_>,
    topology: &Topology,
    all: &[(&Volume, Labels)],
    persistent: &[(&Volume, &Labels)],
) {
    page.family(&VOLUME_INFO, |samples| {
        for (volume, labels) in persistent {
            let cluster = topology.cluster.as_deref();
            let object = cluster.and_then(|cluster| cluster.volume(&volume.name));
            let claim = cluster.and_then(|cluster| cluster.claim(&volume.name));
            let class = object
                .and_then(|object| object.class.as_deref())
                .or_else(|| claim?.class.as_deref());
            let modes = claim
                .map(|claim| &claim.access_modes)
                .or_else(|| Some(&object?.access_modes));
            let labels = (*labels)
                .clone()
                .with_known("storageclass", class)
                .with("driver", &volume.driver)
                .with("volume_mode", volume.mode.as_str())
                .with(
                    "access_modes",
                    &modes.map_or_else(String::new, |modes| access_modes(modes)),
                );
            samples.add(&labels, 1_u64);
        }
    });
    page.family(&POD_VOLUME_INFO, |samples| {
        for volume in &topology.volumes {
            for user in &volume.users {
                let mut labels = pod_labels(topology, &user.pod_uid);
                if volume.persistent {
                    let cluster = topology.cluster.as_deref();
                    let claim = cluster.and_then(|cluster| cluster.claim(&volume.name));
                    let pod = cluster.and_then(|cluster| cluster.pod(&user.pod_uid));
                    let in_pod = claim
                        .zip(pod)
                        .and_then(|(claim, pod)| pod.claims().find(|(_, name)| *name == claim.name.name));
                    labels = labels
                        .with_known(
                            "persistentvolumeclaim",
                            claim.map(|claim| claim.name.name.as_str()),
                        )
                        .with_known("volume", in_pod.map(|(volume, _)| volume))
                        .with("persistentvolume", &volume.name);
                } else {
                    labels = labels.with("volume", &volume.name);
                }
                samples.add(&labels, 1_u64);
            }
        }
    });
    page.family(&VOLUME_DEVICE_INFO, |samples| {
        for (volume, labels) in all {
            write_devices(topology, volume, labels, samples);
        }
    });
    page.family(&VOLUME_DEVICE_ATTENTION, |samples| {
        for (volume, labels) in persistent {
            for (device, trouble) in topology.troubles_below(volume) {
                let labels = (*labels)
                    .clone()
                    .with("device", &device.kernel_name)
                    .with("kind", trouble.kind.as_str());
                samples.add(&labels, 1_u64);
            }
        }
    });
    page.family(&VOLUME_REMOTE_INFO, |samples| {
        for (volume, labels) in all {
            if let Some(remote) = &volume.placement.remote {
                samples.add(&labels.clone().with("remote", &remote.to_string()), 1_u64);
            }
        }
    });
    page.family(&DISAGREEMENT, |samples| {
        for (volume, labels) in all {
            for disagreement in &volume.disagreements {
                let labels = labels
                    .clone()
                    .with("engine", disagreement.engine)
                    .with("subject", disagreement.subject.as_str())
                    .with("told", &disagreement.told)
                    .with_known("seen", disagreement.seen.as_deref());
                samples.add(&labels, 1_u64);
            }
        }
    });
}

/// One sample for each disk. A volume over several devices names the first: which device leads to which disk is in
/// `device_parent_info`.
fn write_devices(topology: &Topology, volume: &Volume, labels: &Labels, samples: &mut Samples<'_, '_>) {
    let device = volume
        .placement
        .devices
        .first()
        .and_then(|number| topology.devices.get(*number));
    let Some(device) = device else { return };
    let group = device.volume_group();
    for disk in &volume.placement.disks {
        let Some(found) = topology.devices.get(*disk) else {
            continue;
        };
        let serial = topology
            .disk(*disk)
            .and_then(|disk| disk.identity.serial.as_deref());
        let labels = labels
            .clone()
            .with("device", &device.kernel_name)
            .with("disk", &found.kernel_name)
            .with_known("serial", serial)
            .with_known("volume_group", group.as_deref())
            .with("shared", word(volume.placement.shared));
        samples.add(&labels, 1_u64);
    }
}

/// A PersistentVolume by its claim, where that is known, and its name; other volumes by their pod and their name in it.
fn identity(topology: &Topology, volume: &Volume) -> Labels {
    let cluster = topology.cluster.as_deref();
    if volume.persistent {
        return cluster
            .and_then(|cluster| cluster.claim(&volume.name))
            .map_or_else(Labels::none, |claim| claim_labels(&claim.name))
            .with("persistentvolume", &volume.name);
    }
    let uid = volume.users.first().map_or("", |user| user.pod_uid.as_str());
    pod_labels(topology, uid).with("volume", &volume.name)
}

/// A pod by namespace, name and UID; of one that the API server is not asked for, or does not know, the UID.
fn pod_labels(topology: &Topology, folder: &str) -> Labels {
    let pod = topology
        .cluster
        .as_deref()
        .and_then(|cluster| cluster.pod(folder));
    pod.map_or_else(Labels::none, |pod| {
        Labels::one("namespace", &pod.name.namespace).with("pod", &pod.name.name)
    })
    .with("uid", folder)
}

fn word(is_true: bool) -> &'static str {
    if is_true { "true" } else { "false" }
}
