//! The host's node: totals over its disks, and the disks in a table.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::disks::{RatesOfDisks, Shown};
use super::ids;
use super::report::{Column, Latest, Metric, MetricTemplate, Node, Nodes, TableTemplate, Topology, Values};
use super::series::Window;
use crate::model::bytes::Bytes;
use crate::model::io::IoRates;
use crate::state::State;

/// At most so many rows, the busiest disks: each cell is a value of its own on the wire.
const MOST_ROWS: usize = 100;

const TABLE: &str = "storage_disks";
const PREFIX: &str = "storage_disks_";
/// Id, label, and `number` where the page shall sort by figure: it reads the number that a cell begins with.
const COLUMNS: [(&str, &str, &str); 9] = [
    ("device", "Device", ""),
    ("type", "Type", ""),
    ("model", "Model", ""),
    ("serial", "Serial", ""),
    ("size", "Size", ""),
    ("read_iops", "Read IOPS", "number"),
    ("write_iops", "Write IOPS", "number"),
    ("throughput", "Throughput", ""),
    ("utilisation", "Utilisation", "number"),
];

/// The host's node.
pub(super) fn node<'a>(
    state: &'a State,
    shown: &[Shown<'a>],
    window: &'a Window<'a>,
    rates: &RatesOfDisks<'_>,
    taken_at: &'a str,
) -> Node<'a> {
    let latest = rows(state, shown, taken_at);
    let mut node = Node::new(ids::host(&state.host_id), "host", latest);
    node.metrics = metrics(state, window, rates);
    node
}

/// A topology of it.
pub(super) fn topology(nodes: Nodes) -> Topology {
    Topology {
        nodes,
        metric_templates: metric_templates(),
        table_templates: BTreeMap::from([(TABLE, table_template())]),
        ..Topology::default()
    }
}

/// Totals over the whole disks, those that are not shown among them. What a loop device does, the disk below its file does as well.
fn metrics<'a>(
    state: &State,
    window: &'a Window<'a>,
    rates: &RatesOfDisks<'_>,
) -> BTreeMap<&'static str, Metric<'a>> {
    let mut operations = vec![None; window.len()];
    let mut throughput = vec![None; window.len()];
    let mut busiest = vec![None; window.len()];
    for disk in &state.topology.disks {
        for (at, rates) in rates.get(&disk.number).into_iter().flatten() {
            *operations[*at].get_or_insert(0.0) += rates.operations();
            *throughput[*at].get_or_insert(0.0) += rates.throughput();
            if let Some(share) = rates.utilization {
                let so_far = busiest[*at].get_or_insert(0.0);
                *so_far = f64::max(*so_far, share * 100.0);
            }
        }
    }
    let series = |values: Vec<Option<f64>>, ceiling: Option<f64>| {
        let values: Vec<_> = values
            .into_iter()
            .enumerate()
            .filter_map(|(at, value)| Some((at, value?)))
            .collect();
        let ceiling =
            ceiling.unwrap_or_else(|| values.iter().map(|(_, value)| *value).fold(1.0, f64::max).ceil());
        window.metric(values.into_iter(), ceiling)
    };
    [
        ("storage_iops", series(operations, None)),
        ("storage_throughput", series(throughput, None)),
        ("storage_busiest", series(busiest, Some(100.0))),
    ]
    .into_iter()
    .filter_map(|(id, metric)| Some((id, metric?)))
    .collect()
}

fn metric_templates() -> BTreeMap<&'static str, MetricTemplate> {
    [
        // Scope's own have 1, 2 and 11: the busiest disk is shown beside CPU and memory.
        ("storage_busiest", "Busiest disk", "percent", 3.0),
        ("storage_iops", "Disk IOPS", "", 4.0),
        ("storage_throughput", "Disk bytes per second", "filesize", 5.0),
    ]
    .into_iter()
    .map(|(id, label, format, priority)| {
        (
            id,
            MetricTemplate {
                id,
                label,
                format,
                priority,
            },
        )
    })
    .collect()
}

fn rows<'a>(state: &State, shown: &[Shown<'a>], taken_at: &'a str) -> Values<'a> {
    let rates = |shown: &Shown<'_>| state.rates.latest(shown.disk.number);
    let mut listed: Vec<&Shown<'a>> = shown.iter().collect();
    if listed.len() > MOST_ROWS {
        let operations = |shown: &&Shown<'_>| rates(shown).map_or(0, |rates| rates.operations() as u64);
        listed.sort_by_cached_key(|shown| (Reverse(operations(shown)), shown.disk.number));
        listed.truncate(MOST_ROWS);
    }
    let mut cells = Values::default();
    for shown in listed {
        let row = &shown.device.kernel_name;
        for (column, value) in row_of(shown, rates(shown)) {
            // The page's search trips over a missing cell, so what is not known is an empty one.
            let value = value.unwrap_or_default();
            cells.set(
                Cow::Owned(format!("{PREFIX}{row}___{column}")),
                Latest {
                    timestamp: taken_at,
                    value,
                },
            );
        }
    }
    cells
}

fn row_of<'a>(
    shown: &Shown<'a>,
    rates: Option<&IoRates>,
) -> [(&'static str, Option<Cow<'a, str>>); COLUMNS.len()] {
    let Shown { disk, device } = shown;
    [
        ("device", Some(Cow::Borrowed(device.name.as_str()))),
        (
            "type",
            Some(Cow::Borrowed(
                device.medium().unwrap_or(device.device_type.as_str()),
            )),
        ),
        ("model", disk.identity.model.as_deref().map(Cow::Borrowed)),
        ("serial", disk.identity.serial.as_deref().map(Cow::Borrowed)),
        (
            "size",
            device.size.map(|size| Cow::Owned(Bytes(size).to_string())),
        ),
        ("read_iops", rates.map(|rates| Cow::Owned(figure(rates.reads)))),
        ("write_iops", rates.map(|rates| Cow::Owned(figure(rates.writes)))),
        (
            "throughput",
            rates.map(|rates| Cow::Owned(format!("{}/s", Bytes(rates.throughput() as u64)))),
        ),
        (
            "utilisation",
            rates
                .and_then(|rates| rates.utilization)
                .map(|share| Cow::Owned(format!("{:.1} %", share * 100.0))),
        ),
    ]
}

/// Three digits or so: `0`, `0.3`, `12.5`, `1234`.
fn figure(value: f64) -> String {
    if value == 0.0 || value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

fn table_template() -> TableTemplate {
    TableTemplate {
        id: TABLE,
        label: "Disks",
        kind: "multicolumn-table",
        prefix: PREFIX,
        columns: COLUMNS
            .iter()
            .map(|(id, label, data_type)| Column { id, label, data_type })
            .collect(),
    }
}
