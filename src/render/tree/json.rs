//! The storage stack and pods' volumes as JSON, for programs.

use serde_json::{Map, Value, json};

use super::usage;
use crate::model::device::{BlockDevice, DeviceNumber};
use crate::model::disagreement::sentence;
use crate::model::mount::{FilesystemUsage, UsageError};
use crate::model::placement::{Medium, Volume};
use crate::state::State;

/// The block devices, a flat list in order of device numbers, and pods' volumes in order of name. What is not known has no key.
pub fn json(state: &State) -> String {
    let block_devices: Vec<Value> = state
        .topology
        .devices
        .iter()
        .map(|device| Value::Object(json_device(state, device)))
        .collect();
    let volumes: Vec<Value> = state
        .topology
        .volumes
        .iter()
        .map(|volume| Value::Object(json_volume(state, volume)))
        .collect();
    let document = json!({ "host": state.host_id, "block_devices": block_devices, "volumes": volumes });
    format!("{document:#}\n")
}

fn json_device(state: &State, device: &BlockDevice) -> Map<String, Value> {
    let (identity, signature) = (&device.identity, &device.signature);
    let usage = usage(state, device);
    let rates = state.rates.latest(device.number);
    let attention = state
        .topology
        .troubles
        .get(device.number)
        .map(ToString::to_string);
    let fields = [
        ("number", json!(device.number.to_string())),
        ("device", json!(device.kernel_name)),
        ("name", json!(device.name)),
        ("type", json!(device.device_type.as_str())),
        ("size_bytes", json!(device.size)),
        ("parents", json!(names(state, &device.parents))),
        ("children", json!(names(state, &device.children))),
        ("model", json!(identity.model)),
        ("serial", json!(identity.serial)),
        ("wwn", json!(identity.wwn)),
        ("vendor", json!(identity.vendor)),
        ("revision", json!(identity.revision)),
        ("transport", json!(identity.transport)),
        ("path", json!(identity.path)),
        ("rotational", json!(device.rotational)),
        ("read_only", json!(device.read_only)),
        ("removable", json!(device.removable)),
        ("state", json!(device.state)),
        ("paths", json!(paths(state, device))),
        ("missing_members", json!(device.missing_members)),
        ("attention", json!(attention)),
        ("backing_file", json!(device.backing_file)),
        ("fstype", json!(signature.fstype)),
        ("uuid", json!(signature.uuid)),
        ("label", json!(signature.label)),
        (
            "mountpoints",
            json!(state.topology.mount_points_of(device.number)),
        ),
        ("filesystem_size_bytes", json!(usage.map(|usage| usage.size))),
        ("filesystem_used_bytes", json!(usage.map(FilesystemUsage::used))),
        (
            "filesystem_available_bytes",
            json!(usage.map(|usage| usage.available)),
        ),
        (
            "promised_bytes",
            json!(
                state
                    .topology
                    .disk(device.number)
                    .and_then(|disk| disk.promise.total())
            ),
        ),
        ("reads_per_second", json!(rates.map(|rates| rates.reads))),
        ("writes_per_second", json!(rates.map(|rates| rates.writes))),
        (
            "read_bytes_per_second",
            json!(rates.map(|rates| rates.read_bytes)),
        ),
        (
            "written_bytes_per_second",
            json!(rates.map(|rates| rates.written_bytes)),
        ),
        ("utilization", json!(rates.and_then(|rates| rates.utilization))),
    ];
    known(fields)
}

/// The paths of a multipath disk, each with its state; none for other devices.
fn paths(state: &State, device: &BlockDevice) -> Option<Vec<Value>> {
    let paths = state.topology.disk(device.number)?.paths.as_ref()?;
    let each = paths.iter().map(|path| {
        let fields = [("device", json!(path.name)), ("state", json!(path.state))];
        Value::Object(known(fields))
    });
    Some(each.collect())
}

/// One volume: who uses it, what carries it, how full it is, who counts it. `disks` are the whole disks below `devices`.
fn json_volume(state: &State, volume: &Volume) -> Map<String, Value> {
    let placement = &volume.placement;
    let usage = volume.known_usage();
    let error = volume.usage.as_ref().and_then(|usage| usage.as_ref().err());
    let pods: Vec<&str> = volume.users.iter().map(|user| user.pod_uid.as_str()).collect();
    let paths: Vec<_> = volume
        .users
        .iter()
        .map(|user| user.path.to_string_lossy())
        .collect();
    let io = volume.io.as_ref();
    let fields = [
        ("name", json!(volume.name)),
        ("persistent", json!(volume.persistent)),
        ("driver", json!(volume.driver)),
        ("handle", json!(volume.handle)),
        ("mode", json!(volume.mode.as_str())),
        ("pods", json!(pods)),
        ("paths", json!(paths)),
        ("medium", json!(placement.medium.as_str())),
        (
            "mount_point",
            json!(
                placement
                    .mount_point
                    .as_ref()
                    .map(|point| point.to_string_lossy())
            ),
        ),
        ("number", json!(placement.number.map(|number| number.to_string()))),
        ("fstype", json!(placement.fstype)),
        ("source", json!(placement.source)),
        ("devices", json!(names(state, &placement.devices))),
        ("disks", json!(names(state, &placement.disks))),
        (
            "remote",
            json!(placement.remote.as_ref().map(ToString::to_string)),
        ),
        (
            "read_only",
            json!((placement.medium != Medium::NotMounted).then_some(placement.read_only)),
        ),
        ("shared", json!(placement.shared)),
        ("figures_shared", json!(volume.figures_shared)),
        ("capacity_bytes", json!(volume.capacity())),
        ("promised_bytes", json!(volume.promised)),
        ("used_bytes", json!(usage.map(FilesystemUsage::used))),
        ("available_bytes", json!(usage.map(|usage| usage.available))),
        ("inodes", json!(usage.and_then(|usage| usage.files))),
        ("inodes_free", json!(usage.and_then(|usage| usage.files_free))),
        ("stats_error", json!(error.map(UsageError::reason))),
        ("io_source", json!(io.map(|io| io.source.as_str()))),
        ("read_bytes", json!(io.map(|io| io.counters.reads.bytes))),
        ("written_bytes", json!(io.map(|io| io.counters.writes.bytes))),
        ("disagreement", json!(sentence(&volume.disagreements))),
    ];
    known(fields)
}

/// Kernel names.
fn names<'a>(state: &'a State, numbers: &[DeviceNumber]) -> Vec<&'a str> {
    numbers
        .iter()
        .filter_map(|number| state.topology.devices.get(*number))
        .map(|device| device.kernel_name.as_str())
        .collect()
}

fn known<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
