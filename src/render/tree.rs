//! The storage stack in a terminal, as `lsblk` draws it, with use and rates; and the same as JSON.

mod copies;
mod disk;
mod json;
mod pods;

use std::borrow::Cow;
use std::fmt::Write as _;

pub use self::disk::{disk, disks_beside};
pub use self::json::json;

use crate::model::bytes::Bytes;
use crate::model::device::{BlockDevice, DeviceNumber};
use crate::model::io::IoRates;
use crate::model::mount::FilesystemUsage;
use crate::model::text::printable;
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
    // Of a cluster that is looked at from elsewhere there are no devices.
    let devices = if devices.is_empty() {
        String::new()
    } else {
        aligned(&rows)
    };
    let mut rows: Vec<Row> = vec![COLUMNS.map(|(heading, _)| heading.to_owned())];
    pods::add(state, &mut rows);
    let pods = if rows.len() > 1 {
        aligned(&rows)
    } else {
        String::new()
    };
    let parts = [devices, pods, pods::attention(state)];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n")
}

/// Writes a line, in which no name can end it or command the terminal.
fn add_line(text: &mut String, line: &str) {
    text.push_str(&printable(line));
    text.push('\n');
}

fn aligned(rows: &[Row]) -> String {
    let rows: Vec<[Cow<'_, str>; COLUMNS.len()]> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| printable(cell)))
        .collect();
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
            let (own, further) = branch(at == last);
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
    let [used, share, read, written, reads, writes] = figures(usage, rates);
    let disk = state.topology.disk(device.number);
    let identity = disk.map_or(&device.identity, |disk| &disk.identity);
    [
        format!("{indent}{}", device.name),
        device.device_type.to_string(),
        optional(device.size.map(|size| Bytes(size).to_string())),
        used,
        share,
        read,
        written,
        reads,
        writes,
        optional(
            rates
                .and_then(|rates| rates.utilization)
                .map(|share| format!("{:.0}%", share * 100.0)),
        ),
        optional(identity.model.clone()),
        optional(identity.serial.clone()),
        state.topology.mount_points_of(device.number).join(", "),
    ]
}

/// What stands before the last line of a branch and before the others, and before what is below them.
fn branch(is_last: bool) -> (&'static str, &'static str) {
    if is_last {
        ("└─", "  ")
    } else {
        ("├─", "│ ")
    }
}

/// Used, the share of it, bytes read and written, reads and writes: what devices and volumes have in common.
fn figures(usage: Option<&FilesystemUsage>, rates: Option<&IoRates>) -> [String; 6] {
    let optional = |text: Option<String>| text.unwrap_or_default();
    let per_second = |bytes: f64| Bytes(bytes as u64).to_string();
    [
        optional(usage.map(|usage| Bytes(usage.used()).to_string())),
        optional(
            usage
                .and_then(|usage| usage.parts_in_use(100))
                .map(|percent| format!("{percent}%")),
        ),
        optional(rates.map(|rates| per_second(rates.read_bytes))),
        optional(rates.map(|rates| per_second(rates.written_bytes))),
        optional(rates.map(|rates| format!("{:.0}", rates.reads))),
        optional(rates.map(|rates| format!("{:.0}", rates.writes))),
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
