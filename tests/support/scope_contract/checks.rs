//! The checks, one for each thing that must agree with others.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::reading::{Located, fields, items, moment, nodes, nodes_of, text, topology_of};
use super::{DECLARATION, Expectations, MAXIMAL_BYTES, MAXIMAL_NODES, TOPOLOGIES, parsed};

/// The joins between such nodes: from which topology, by which of its keys, to the names in which topology.
const JOINS: [(&str, &str, &str); 4] = [
    (
        "PersistentVolumeClaim",
        "kubernetes_volume_name",
        "PersistentVolume",
    ),
    (
        "PersistentVolumeClaim",
        "kubernetes_storage_class_name",
        "StorageClass",
    ),
    ("VolumeSnapshot", "kubernetes_volume_name", "PersistentVolume"),
    ("VolumeSnapshot", SNAPSHOT_DATA, "VolumeSnapshotData"),
];

/// Scope's spelling.
const SNAPSHOT_DATA: &str = "kuberneets_snapshot_data";

/// Keys that Scope reads to name a node or to join it with others: of use without a template that shows them.
const JOINED_KEYS: [&str; 6] = [
    "kubernetes_name",
    "kubernetes_namespace",
    "kubernetes_volume_claim",
    "kubernetes_volume_name",
    "kubernetes_storage_class_name",
    SNAPSHOT_DATA,
];

/// Keys by which a node offers buttons: for plugins with the controller interface only.
const CONTROL_KEYS: [&str; 2] = ["active_controls", "control_probe_id"];

pub(super) fn check_size(bytes: usize, found: &mut Vec<String>) {
    if bytes > MAXIMAL_BYTES {
        found.push(format!(
            "the report has {bytes} bytes, more than {MAXIMAL_BYTES}: a busy probe gives up on it"
        ));
    }
}

pub(super) fn check_plugin(report: &Value, expectations: &Expectations<'_>, found: &mut Vec<String>) {
    let entries = report["Plugins"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let [plugin] = entries else {
        found.push(format!(
            "Plugins has {} entries: Scope wants exactly one",
            entries.len()
        ));
        return;
    };
    for (field, expected) in [
        ("id", expectations.plugin_id),
        ("api_version", expectations.api_version),
    ] {
        if plugin[field] != expected {
            found.push(format!(
                "Plugins: {field} is {}, asked was `{expected}`",
                plugin[field]
            ));
        }
    }
    if text(&plugin["label"]).trim().is_empty() {
        found.push("Plugins: the label is empty".to_owned());
    }
    if !items(&plugin["interfaces"]).any(|interface| interface == "reporter") {
        found.push("Plugins: the interfaces lack `reporter`".to_owned());
    }
    let declared = &parsed(DECLARATION)["plugin"];
    if declared["id"] == expectations.plugin_id {
        for field in ["label", "interfaces", "api_version"] {
            if plugin[field] != declared[field] {
                found.push(format!(
                    "Plugins: {field} is {}, declared is {}",
                    plugin[field], declared[field]
                ));
            }
        }
        // What is told of this one report may follow.
        if !text(&plugin["description"]).starts_with(text(&declared["description"])) {
            found.push(format!(
                "Plugins: the description is not {}",
                declared["description"]
            ));
        }
    }
}

pub(super) fn check_topologies(report: &Value, found: &mut Vec<String>) {
    for (name, topology) in fields(report).filter(|(name, _)| *name != "Plugins") {
        if !TOPOLOGIES.iter().any(|(known, _)| known == name) {
            found.push(format!(
                "{name}: no topology of Scope's that this plugin speaks of; it may be dropped"
            ));
        }
        for field in ["tag", "shape", "label", "label_plural"] {
            if !topology[field].is_null() {
                found.push(format!("{name}: has a {field}, which is Scope's to set"));
            }
        }
        let count = fields(&topology["nodes"]).count();
        if count > MAXIMAL_NODES {
            found.push(format!(
                "{name}: {count} nodes; Scope drops a topology of more than {MAXIMAL_NODES}"
            ));
        }
    }
}

pub(super) fn check_templates(report: &Value, found: &mut Vec<String>) {
    let mut metric_labels: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, _) in TOPOLOGIES {
        for kind in [
            "metadata_templates",
            "metric_templates",
            "table_templates",
            "controls",
        ] {
            for (key, template) in fields(&report[name][kind]) {
                if template["id"] != **key {
                    found.push(format!("{name}: {kind} `{key}` has the id {}", template["id"]));
                }
            }
        }
        for kind in ["metadata_templates", "metric_templates"] {
            check_priorities(name, kind, &report[name][kind], found);
        }
        for (id, template) in fields(&report[name]["metric_templates"]) {
            let label = text(&template["label"]);
            let first = metric_labels.entry(label).or_insert(id);
            if *first != id {
                found.push(format!(
                    "{name}: metrics `{first}` and `{id}` share the label `{label}`: the page's picker knows \
                     metrics by their labels"
                ));
            }
        }
        check_tables(name, &report[name]["table_templates"], found);
    }
}

/// Rows of one priority change places from one look to the next, Scope's own rows included.
fn check_priorities(name: &str, kind: &str, templates: &Value, found: &mut Vec<String>) {
    let mut taken: Vec<(&str, f64)> = scope_priorities(name, kind).to_vec();
    taken.retain(|(id, _)| templates[id].is_null());
    for (id, template) in fields(templates) {
        // Scope reads an absent priority as 0.
        let priority = template["priority"].as_f64().unwrap_or_default();
        if let Some((other, _)) = taken.iter().find(|(_, other)| other.total_cmp(&priority).is_eq()) {
            found.push(format!(
                "{name}: {kind} `{id}` has the priority {priority}, and so has `{other}`"
            ));
        }
        taken.push((id, priority));
    }
}

/// Ids and priorities of Scope's own templates where they and ours show the same nodes.
fn scope_priorities(name: &str, kind: &str) -> &'static [(&'static str, f64)] {
    match (name, kind) {
        ("Host", "metadata_templates") => &[
            ("kernel_version", 1.0),
            ("uptime", 2.0),
            ("host_name", 11.0),
            ("os", 12.0),
            ("local_networks", 13.0),
            ("host_scope_version", 14.0),
        ],
        ("Host", "metric_templates") => &[
            ("host_cpu_usage_percent", 1.0),
            ("host_mem_usage_bytes", 2.0),
            ("load1", 11.0),
        ],
        ("Pod", "metadata_templates") => &[
            ("kubernetes_state", 2.0),
            ("kubernetes_ip", 3.0),
            ("container", 4.0),
            ("kubernetes_namespace", 5.0),
            ("kubernetes_created", 6.0),
            ("kubernetes_restart_count", 7.0),
        ],
        ("Pod", "metric_templates") => &[("docker_cpu_total_usage", 1.0), ("docker_memory_usage", 2.0)],
        _ => &[],
    }
}

fn check_tables(name: &str, tables: &Value, found: &mut Vec<String>) {
    for (id, table) in fields(tables) {
        let prefix = text(&table["prefix"]);
        // Scope's own keys lie on the same nodes: with their prefix, they would be read as rows.
        if !prefix.starts_with("storage_") {
            found.push(format!(
                "{name}: table `{id}` has the prefix `{prefix}`, which is not ours alone"
            ));
        }
        for (other, _) in fields(tables)
            .filter(|(other, _)| *other != id)
            .filter(|(_, other)| text(&other["prefix"]).starts_with(prefix))
        {
            found.push(format!(
                "{name}: table `{id}` takes in the rows of table `{other}`"
            ));
        }
        if table["type"] != "multicolumn-table" {
            continue;
        }
        let columns: Vec<&str> = items(&table["columns"])
            .map(|column| text(&column["id"]))
            .collect();
        if columns.is_empty() {
            found.push(format!("{name}: table `{id}` has no columns"));
        }
        if columns.iter().collect::<BTreeSet<_>>().len() < columns.len() {
            found.push(format!("{name}: table `{id}` has one column twice"));
        }
    }
}

pub(super) fn check_ids(report: &Value, found: &mut Vec<String>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for located in nodes(report) {
        if located.node["id"] != *located.key {
            found.push(located.fault(format_args!("its `id` is {}", located.node["id"])));
        }
        if located.node["topology"] != located.topology {
            found.push(located.fault(format_args!(
                "its `topology` is {} and not `{}`: Scope drops a blank one, and any other ends the probe",
                located.node["topology"], located.topology
            )));
        }
        if topology_of(located.key) != Some(located.topology) {
            found.push(located.fault(format_args!(
                "the id is not of the form `…;<{}>`",
                located.topology
            )));
        }
        if let Some(other) = seen.insert(located.key, located.name) {
            found.push(located.fault(format_args!("the id stands in {other} too")));
        }
    }
}

pub(super) fn check_host(report: &Value, expectations: &Expectations<'_>, found: &mut Vec<String>) {
    if expectations.host.is_empty() {
        for located in nodes_of(report, "Host") {
            found.push(located.fault("a plugin of the whole cluster speaks for no host"));
        }
        for located in nodes_of(report, "PersistentVolume") {
            let sort = located.latest("kubernetes_node_type");
            let name = located.latest("kubernetes_name");
            match sort {
                "Disk" | "Storage pool" if !name.contains(' ') => {
                    found.push(located.fault("a volume may be called so, and would be joined with it"));
                }
                // Of disks the cluster's plugin adds to what their nodes tell: figures are theirs.
                "Disk" if located.node["metrics"].is_null() && located.node["parents"].is_null() => {}
                "Persistent Volume" | "Storage pool" | "PowerFlex storage pool" => {}
                _ => found.push(located.fault("a plugin of the whole cluster has no figures of disks")),
            }
        }
        return;
    }
    let own = format!("{};<host>", expectations.host);
    if report["Host"]["nodes"][&own].is_null() {
        found.push(format!("Host: no node `{own}`"));
    }
    for located in nodes_of(report, "Host").filter(|located| located.key != own) {
        found.push(located.fault(format_args!(
            "asked was the plugin on `{own}`: Scope shows one host too many"
        )));
    }
    for located in nodes_of(report, "PersistentVolume") {
        let sort = located.latest("kubernetes_node_type");
        if sort.is_empty() {
            found.push(located.fault("no `kubernetes_node_type`: nothing tells a disk from a volume"));
        }
        if matches!(
            sort,
            "" | "Persistent Volume" | "Storage pool" | "PowerFlex storage pool"
        ) {
            continue;
        }
        // A plugin that sees the whole cluster knows of other nodes' disks what engines say, and has no figures of them.
        let named = located.latest("kubernetes_name").rsplit_once(" on ");
        if sort == "Disk" && named.is_some_and(|(_, host)| host != expectations.host) {
            if !located.node["metrics"].is_null() || !located.node["parents"].is_null() {
                found.push(located.fault("the disk of another host has neither figures nor parents here"));
            }
            continue;
        }
        let device = located
            .key
            .strip_prefix(expectations.host)
            .and_then(|rest| rest.strip_prefix('-'));
        if device.is_none_or(|device| device.starts_with(';')) {
            found.push(located.fault(format_args!(
                "the id of a disk begins with its host, `{}-`",
                expectations.host
            )));
        }
        let parents: Vec<&str> = items(&located.node["parents"]["host"]).map(text).collect();
        match parents[..] {
            [parent] if parent == own => {}
            _ => found.push(located.fault(format_args!(
                "a disk's parents name its host, `{own}`, and no other"
            ))),
        }
    }
}

/// Scope takes an absent name for equal to another absent name, and draws an edge.
pub(super) fn check_joins(report: &Value, found: &mut Vec<String>) {
    for located in nodes(report) {
        if !matches!(located.name, "Host" | "Pod") && located.latest("kubernetes_name").is_empty() {
            found.push(located.fault("no `kubernetes_name`: Scope joins it to whatever names nothing"));
        }
        let claims = (located.name == "Pod")
            .then(|| located.node["latest"]["kubernetes_volume_claim"]["value"].as_str())
            .flatten();
        if claims.is_some_and(|claims| claims.split(';').any(str::is_empty)) {
            found.push(located.fault("an empty name in `kubernetes_volume_claim`"));
        }
        let joined_within_namespace = located.name == "PersistentVolumeClaim" || claims.is_some();
        if joined_within_namespace && located.latest("kubernetes_namespace").is_empty() {
            found.push(located.fault("no `kubernetes_namespace`: pods and claims are joined by it"));
        }
    }
    for (from, key, to) in JOINS {
        let mut targets: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for located in nodes_of(report, to) {
            targets
                .entry(located.latest("kubernetes_name").to_owned())
                .or_default()
                .push(located.key);
        }
        for located in nodes_of(report, from) {
            let asked = located.latest(key);
            let hits = targets.get(asked).map(Vec::as_slice).unwrap_or_default();
            if asked.is_empty() && !hits.is_empty() {
                found.push(located.fault(format_args!(
                    "without `{key}`, it is joined to the nameless {hits:?}"
                )));
            } else if hits.len() > 1 {
                found.push(located.fault(format_args!("`{key}` `{asked}` joins it to each of {hits:?}")));
            }
        }
    }
}

pub(super) fn check_latest(located: &Located<'_>, found: &mut Vec<String>) {
    let tables = &located.whole["table_templates"];
    let metadata = &located.whole["metadata_templates"];
    let mut rows: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for (key, entry) in fields(&located.node["latest"]) {
        if let Err(fault) = moment(&entry["timestamp"]) {
            found.push(located.fault(format_args!("`{key}`: {fault}")));
        }
        let Some(value) = entry["value"].as_str() else {
            found.push(located.fault(format_args!("`{key}`: the value is not a text")));
            continue;
        };
        if let Some(table) = table_of(tables, key) {
            if table["type"] != "multicolumn-table" {
                continue;
            }
            let prefix = text(&table["prefix"]);
            let cell: Vec<&str> = key[prefix.len()..].split("___").collect();
            let [row, column] = cell[..] else {
                found.push(located.fault(format_args!(
                    "`{key}` is not `{prefix}ROW___COLUMN`: Scope's API answers with nothing at all"
                )));
                continue;
            };
            rows.entry((text(&table["id"]), row)).or_default().insert(column);
            match items(&table["columns"]).find(|declared| declared["id"] == *column) {
                Some(column) if !value.is_empty() => check_type(located, key, value, column, found),
                Some(_) => {}
                None => {
                    found.push(located.fault(format_args!("`{key}`: the table has no column `{column}`")));
                }
            }
        } else if value.is_empty() {
            found.push(located.fault(format_args!("`{key}` is empty; what is not known is left out")));
        } else if !metadata[key].is_null() {
            check_type(located, key, value, &metadata[key], found);
        } else if !JOINED_KEYS.contains(&key.as_str()) && !CONTROL_KEYS.contains(&key.as_str()) {
            found.push(located.fault(format_args!("no template shows `{key}`")));
        }
    }
    for ((table, row), cells) in rows {
        for column in items(&tables[table]["columns"]).map(|column| text(&column["id"])) {
            if !cells.contains(column) {
                found.push(located.fault(format_args!(
                    "row `{row}` of table `{table}` has no `{column}`: the page's search trips over the gap"
                )));
            }
        }
    }
}

/// The table to which a key of `latest` belongs by its prefix.
fn table_of<'a>(tables: &'a Value, key: &str) -> Option<&'a Value> {
    fields(tables).map(|(_, table)| table).find(|table| {
        let prefix = text(&table["prefix"]);
        !prefix.is_empty() && key.starts_with(prefix)
    })
}

/// The page sorts and shows a value as its template's or column's type says.
fn check_type(located: &Located<'_>, key: &str, value: &str, shown_by: &Value, found: &mut Vec<String>) {
    let right = match text(&shown_by["dataType"]) {
        "number" => value.trim_end_matches(" %").parse().is_ok_and(f64::is_finite),
        "datetime" => moment(&json!(value)).is_ok(),
        "ip" => value.parse::<std::net::IpAddr>().is_ok(),
        _ => true,
    };
    if !right {
        found.push(located.fault(format_args!(
            "`{key}`: `{value}` is no {}",
            text(&shown_by["dataType"])
        )));
    }
}

pub(super) fn check_metrics(located: &Located<'_>, found: &mut Vec<String>) {
    for (id, metric) in fields(&located.node["metrics"]) {
        let template = &located.whole["metric_templates"][id];
        if template.is_null() {
            found.push(located.fault(format_args!("no template shows metric `{id}`")));
        }
        if items(&metric["samples"]).next().is_none() {
            found.push(located.fault(format_args!("metric `{id}` has no samples: Scope would show 0")));
        }
        let mut last = None;
        for sample in items(&metric["samples"]) {
            match moment(&sample["date"]) {
                Ok(date) if last.is_some_and(|last| last >= date) => {
                    found.push(located.fault(format_args!(
                        "metric `{id}`: {date} does not follow the sample before"
                    )));
                }
                Ok(date) => last = Some(date),
                Err(fault) => found.push(located.fault(format_args!("metric `{id}`: {fault}"))),
            }
        }
        let (Some(min), Some(max)) = (metric["min"].as_f64(), metric["max"].as_f64()) else {
            found.push(located.fault(format_args!("metric `{id}`: min or max is not a number")));
            continue;
        };
        if min > max {
            found.push(located.fault(format_args!("metric `{id}`: min {min} is above max {max}")));
        }
        if template["format"] == "percent" && max.total_cmp(&100.0).is_ne() {
            found.push(located.fault(format_args!(
                "metric `{id}`: percentages have the max 100, not {max}"
            )));
        }
        for sample in items(&metric["samples"]) {
            match sample["value"].as_f64() {
                Some(value) if (min..=max).contains(&value) => {}
                Some(value) => found
                    .push(located.fault(format_args!("metric `{id}`: {value} is outside {min} to {max}"))),
                None => found
                    .push(located.fault(format_args!("metric `{id}`: {} is not a number", sample["value"]))),
            }
        }
    }
}

pub(super) fn check_edges(located: &Located<'_>, found: &mut Vec<String>) {
    let adjacency = &located.node["adjacency"];
    if !adjacency.is_null() && !adjacency.is_array() {
        found.push(located.fault("`adjacency` is not a list"));
    }
    let mut seen = BTreeSet::new();
    for id in items(adjacency).map(text) {
        if topology_of(id).is_none() {
            found.push(located.fault(format_args!("an edge leads to `{id}`, which is no node's id")));
        }
        if id == located.key {
            found.push(located.fault("an edge leads to the node itself"));
        }
        if !seen.insert(id) {
            found.push(located.fault(format_args!("two edges lead to `{id}`")));
        }
    }
    for (topology, parents) in fields(&located.node["parents"]) {
        for id in items(parents).map(text) {
            if topology_of(id) != Some(topology.as_str()) {
                found.push(located.fault(format_args!("parent `{id}` is not of the topology `{topology}`")));
            }
        }
    }
}

/// The probe rewrites the buttons of every node that a controller reports: the map comes from a reporter only,
/// and buttons from a second plugin.
pub(super) fn check_controls(report: &Value, found: &mut Vec<String>) {
    if items(&report["Plugins"][0]["interfaces"]).any(|interface| interface == "controller") {
        return;
    }
    for (name, _) in TOPOLOGIES {
        if fields(&report[name]["controls"]).next().is_some() {
            found.push(format!(
                "{name}: declares controls, but the plugin is a reporter only"
            ));
        }
    }
    for located in nodes(report) {
        for key in CONTROL_KEYS
            .into_iter()
            .filter(|key| !located.node["latest"][key].is_null())
        {
            found.push(located.fault(format_args!("`{key}`, but the plugin is a reporter only")));
        }
    }
}
