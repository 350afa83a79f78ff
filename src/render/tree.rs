//! The storage stack in a terminal, as `lsblk` draws it, with use and rates; and the same as JSON.

mod json;

use std::collections::BTreeMap;
use std::fmt::Write as _;

pub use self::json::json;

use crate::model::bytes::Bytes;
use crate::model::device::{BlockDevice, DeviceNumber, DeviceType};
use crate::model::loss::loss;
use crate::model::mount::{FilesystemUsage, UsageError};
use crate::model::placement::{Medium, Volume};
use crate::state::State;

/// Which way a column's text is set.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
}

const COLUMNS: [(&str, Side); 13] = [
    ("NAME", Side::Left),
    ("TYPE", Side::Left),
    ("SIZE", Side::Right),
    ("USED", Side::Right),
    ("USE%", Side::Right),
    ("READ/S", Side::Right),
    ("WRITTEN/S", Side::Right),
    ("R-IOPS", Side::Right),
    ("W-IOPS", Side::Right),
    ("BUSY", Side::Right),
    ("MODEL", Side::Left),
    ("SERIAL", Side::Left),
    ("MOUNTED ON", Side::Left),
];

type Row = [String; COLUMNS.len()];

/// The stack as text, and below it the pods with their volumes, each down to its disks. A device that lies on several others
/// is drawn below each, as `lsblk` does.
pub fn text(state: &State) -> String {
    let devices = &state.topology.devices;
    let mut rows: Vec<Row> = vec![COLUMNS.map(|(heading, _)| heading.to_owned())];
    for device in devices.iter().filter(|device| device.parents.is_empty()) {
        add_rows(state, device, "", "", &mut Vec::new(), &mut rows);
    }
    let mut text = aligned(&rows);
    if !state.topology.volumes.is_empty() {
        let mut rows: Vec<Row> = vec![COLUMNS.map(|(heading, _)| heading.to_owned())];
        add_pods(state, &mut rows);
        text.push('\n');
        text.push_str(&aligned(&rows));
    }
    text
}

/// What lies on one disk, and what is lost if it dies. `None` where there is no such disk.
pub fn disk(state: &State, name: &str) -> Option<String> {
    let devices = &state.topology.devices;
    let device = devices.named(name.strip_prefix("/dev/").unwrap_or(name))?;
    let disk = state.topology.disk(device.number)?;
    let mut rows: Vec<Row> = vec![COLUMNS.map(|(heading, _)| heading.to_owned())];
    add_rows(state, device, "", "", &mut Vec::new(), &mut rows);
    let mut text = aligned(&rows);
    let mut losses: Vec<_> = state
        .topology
        .volumes_on(disk.number)
        .map(|volume| (loss(devices, volume, disk.number), volume))
        .collect();
    losses.sort_by_key(|(loss, volume)| (*loss, volume.name.clone()));
    let serial = disk
        .identity
        .serial
        .as_deref()
        .map(|serial| format!(" ({serial})"))
        .unwrap_or_default();
    let _ = writeln!(text, "\nIf {}{serial} dies:", device.name);
    if losses.is_empty() {
        text.push_str("  no pod of this node loses a volume\n");
    }
    for (loss, volume) in losses {
        let pods: Vec<&str> = volume.users.iter().map(|user| user.pod_uid.as_str()).collect();
        let _ = writeln!(text, "  {}: {} ({})", volume.name, loss.as_str(), pods.join(", "));
    }
    Some(text)
}

fn aligned(rows: &[Row]) -> String {
    let mut widths = [0; COLUMNS.len()];
    // A column that says nothing on this machine is not shown.
    let mut used = [false; COLUMNS.len()];
    for (at, row) in rows.iter().enumerate() {
        for (column, cell) in row.iter().enumerate() {
            widths[column] = widths[column].max(cell.chars().count());
            used[column] |= at > 0 && !cell.is_empty();
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate().filter(|(column, _)| used[*column]) {
            let width = widths[column];
            let _ = match COLUMNS[column].1 {
                Side::Left => write!(line, "{cell:width$} "),
                Side::Right => write!(line, "{cell:>width$} "),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Pods by UID, below each its volumes, below each what carries it, down to the disks.
fn add_pods(state: &State, rows: &mut Vec<Row>) {
    let mut pods: BTreeMap<&str, Vec<&Volume>> = BTreeMap::new();
    for volume in &state.topology.volumes {
        for user in &volume.users {
            let volumes = pods.entry(&user.pod_uid).or_default();
            if !volumes.iter().any(|known| std::ptr::eq(*known, volume)) {
                volumes.push(volume);
            }
        }
    }
    for (pod, volumes) in pods {
        let mut heading: Row = Default::default();
        pod.clone_into(&mut heading[0]);
        "pod".clone_into(&mut heading[1]);
        rows.push(heading);
        let last = volumes.len().saturating_sub(1);
        for (at, volume) in volumes.into_iter().enumerate() {
            let (own, further) = if at == last {
                ("└─", "  ")
            } else {
                ("├─", "│ ")
            };
            rows.push(volume_row(state, volume, own));
            let devices: Vec<_> = volume.placement.devices.clone();
            add_below(state, &devices, further, &mut Vec::new(), rows);
        }
    }
}

fn add_below(
    state: &State,
    numbers: &[DeviceNumber],
    indent: &str,
    path: &mut Vec<DeviceNumber>,
    rows: &mut Vec<Row>,
) {
    let last = numbers.len().saturating_sub(1);
    for (at, number) in numbers.iter().enumerate() {
        let Some(device) = state.topology.devices.get(*number) else {
            continue;
        };
        if path.contains(number) {
            continue;
        }
        let (own, further) = if at == last {
            ("└─", "  ")
        } else {
            ("├─", "│ ")
        };
        let mut row = row(state, device, &format!("{indent}{own}"));
        // Where the device is mounted stands in the tree above; here it would be a list of the pods' own folders.
        row[COLUMNS.len() - 1] = String::new();
        rows.push(row);
        if device.device_type != DeviceType::Multipath {
            path.push(*number);
            add_below(state, &device.parents, &format!("{indent}{further}"), path, rows);
            path.pop();
        }
    }
}

fn volume_row(state: &State, volume: &Volume, indent: &str) -> Row {
    let usage = volume.usage.as_ref().and_then(|usage| usage.as_ref().ok());
    let rates = volume.io.and_then(|_| state.volume_rates.latest(&volume.name));
    let size = usage.map(|usage| usage.size).or(volume.device_size);
    let optional = |text: Option<String>| text.unwrap_or_default();
    let per_second = |bytes: f64| Bytes(bytes as u64).to_string();
    [
        format!("{indent}{}", volume.name),
        "volume".to_owned(),
        optional(size.map(|size| Bytes(size).to_string())),
        optional(usage.map(|usage| Bytes(usage.used()).to_string())),
        optional(
            usage
                .and_then(FilesystemUsage::fullness)
                .map(|share| format!("{:.0}%", (share * 100.0).ceil())),
        ),
        optional(rates.map(|rates| per_second(rates.read_bytes))),
        optional(rates.map(|rates| per_second(rates.written_bytes))),
        optional(rates.map(|rates| format!("{:.0}", rates.reads))),
        optional(rates.map(|rates| format!("{:.0}", rates.writes))),
        String::new(),
        volume.driver.clone(),
        volume.handle.clone().unwrap_or_default(),
        volume_note(volume),
    ]
}

/// `xfs, shared`, `NFS filer:/export`, `not mounted`, or why its figures cannot be had.
fn volume_note(volume: &Volume) -> String {
    let placement = &volume.placement;
    let mut parts: Vec<String> = Vec::new();
    match (&placement.remote, &placement.fstype) {
        (Some(remote), _) => parts.push(remote.to_string()),
        (None, Some(fstype)) => parts.push(fstype.clone()),
        (None, None) if placement.medium == Medium::NotMounted => {
            parts.push(placement.medium.as_str().to_owned());
        }
        (None, None) => parts.push("raw block device".to_owned()),
    }
    if placement.shared {
        parts.push("shared".to_owned());
    }
    if placement.read_only {
        parts.push("read-only".to_owned());
    }
    if let Some(Err(
        error @ (UsageError::NotResponding | UsageError::Refused(_) | UsageError::OtherFilesystem),
    )) = &volume.usage
    {
        parts.push(error.to_string());
    }
    parts.join(", ")
}

fn add_rows(
    state: &State,
    device: &BlockDevice,
    own_indent: &str,
    indent: &str,
    path: &mut Vec<DeviceNumber>,
    rows: &mut Vec<Row>,
) {
    if path.contains(&device.number) {
        return;
    }
    path.push(device.number);
    rows.push(row(state, device, own_indent));
    let last = device.children.len().saturating_sub(1);
    for (at, child) in device.children.iter().enumerate() {
        if let Some(child) = state.topology.devices.get(*child) {
            let (own, further) = if at == last {
                ("└─", "  ")
            } else {
                ("├─", "│ ")
            };
            add_rows(
                state,
                child,
                &format!("{indent}{own}"),
                &format!("{indent}{further}"),
                path,
                rows,
            );
        }
    }
    path.pop();
}

fn row(state: &State, device: &BlockDevice, indent: &str) -> Row {
    let usage = usage(state, device);
    let rates = state.rates.latest(device.number);
    let optional = |text: Option<String>| text.unwrap_or_default();
    let per_second = |bytes: f64| Bytes(bytes as u64).to_string();
    let disk = state
        .topology
        .disks
        .iter()
        .find(|disk| disk.number == device.number);
    let identity = disk.map_or(&device.identity, |disk| &disk.identity);
    [
        format!("{indent}{}", device.name),
        device.device_type.to_string(),
        optional(device.size.map(|size| Bytes(size).to_string())),
        optional(usage.map(|usage| Bytes(usage.used()).to_string())),
        optional(
            usage
                .and_then(FilesystemUsage::fullness)
                .map(|share| format!("{:.0}%", (share * 100.0).ceil())),
        ),
        optional(rates.map(|rates| per_second(rates.read_bytes))),
        optional(rates.map(|rates| per_second(rates.written_bytes))),
        optional(rates.map(|rates| format!("{:.0}", rates.reads))),
        optional(rates.map(|rates| format!("{:.0}", rates.writes))),
        optional(rates.map(|rates| format!("{:.0}%", rates.utilization * 100.0))),
        optional(identity.model.clone()),
        optional(identity.serial.clone()),
        state.topology.mount_points_of(device.number).join(", "),
    ]
}

/// The usage of the filesystem on a device.
fn usage<'a>(state: &'a State, device: &BlockDevice) -> Option<&'a FilesystemUsage> {
    state
        .sample
        .filesystems
        .iter()
        .find(|filesystem| {
            filesystem.number == device.number
                || (filesystem.number.is_anonymous()
                    && filesystem.fstype == "btrfs"
                    && state
                        .topology
                        .devices
                        .by_source(&filesystem.source)
                        .is_some_and(|source| source.number == device.number))
        })
        .and_then(|filesystem| filesystem.usage.as_ref().ok())
}
