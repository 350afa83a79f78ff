//! The contract between a plugin and Scope: what a report has to keep to so that Scope shows it as meant.
//!
//! `plugin-spec/report.schema.json` says what a report looks like. The checks here add what a schema cannot say:
//! what must agree with what. Each stands for something that Scope answers with a wrong picture, a lost report,
//! a broken page or a probe that ends. [`mutations`] breaks a good report in every one of these ways.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "test files include this one, and each uses a part of it"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use jsonschema::Validator;
use serde_json::{Value, json};

/// The schema of an answer to `GET /report`.
pub const REPORT_SCHEMA: &str = include_str!("../../plugin-spec/report.schema.json");
/// The schema of what Scope posts to `/control`.
pub const CONTROL_REQUEST_SCHEMA: &str = include_str!("../../plugin-spec/control-request.schema.json");
/// The schema of the answer to it.
pub const CONTROL_ANSWER_SCHEMA: &str = include_str!("../../plugin-spec/control-answer.schema.json");
/// What the plugin declares about itself.
pub const DECLARATION: &str = include_str!("../../plugin-spec/plugin.json");

/// Bytes of a report that a busy probe still takes within its 500 ms.
pub const MAXIMAL_BYTES: usize = 2_000_000;
/// Nodes of one topology beyond which Scope's app drops it.
pub const MAXIMAL_NODES: usize = 10_000;

/// What whoever asks for a report knows about the answer.
#[derive(Debug, Clone, Copy)]
pub struct Expectations<'a> {
    /// The plugin's id: the name of the socket that was asked, without its ending.
    pub plugin_id: &'a str,
    /// The query's `api_version`.
    pub api_version: &'a str,
    /// The host's name as the probe has it, without `;<host>`; empty where the plugin is of the whole cluster.
    pub host: &'a str,
}

impl<'a> Expectations<'a> {
    /// Of the report of this plugin about this host, as the probe asks for it.
    pub fn of(plugin_id: &'a str, host: &'a str) -> Self {
        Self {
            plugin_id,
            api_version: "1",
            host,
        }
    }
}

/// The topologies that a report may speak of: key in the report, name on nodes and in ids.
const TOPOLOGIES: [(&str, &str); 7] = [
    ("Host", "host"),
    ("Pod", "pod"),
    ("PersistentVolume", "persistent_volume"),
    ("PersistentVolumeClaim", "persistent_volume_claim"),
    ("StorageClass", "storage_class"),
    ("VolumeSnapshot", "volume_snapshot"),
    ("VolumeSnapshotData", "volume_snapshot_data"),
];

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

/// Fails with every violation of schema and contract that the bytes of a report have.
///
/// # Panics
///
/// When there is at least one violation, or when the bytes are not JSON.
pub fn assert_holds(report_bytes: &[u8], expectations: &Expectations<'_>) {
    let mut found = Vec::new();
    match serde_json::from_slice(report_bytes) {
        Ok(report) => {
            check_size(report_bytes.len(), &mut found);
            found.extend(schema_violations(REPORT_SCHEMA, &report));
            found.extend(violations(&report, expectations));
        }
        Err(error) => found.push(format!("the report is not JSON: {error}")),
    }
    assert!(
        found.is_empty(),
        "the report breaks the contract with Scope:\n- {}",
        found.join("\n- ")
    );
}

/// What in `document` is not as `schema` says, each with its place.
///
/// # Panics
///
/// When the schema itself is not a schema.
pub fn schema_violations(schema: &'static str, document: &Value) -> Vec<String> {
    validator(schema)
        .iter_errors(document)
        .map(|error| {
            // The text repeats what it is about, which may be the whole report.
            let reason: String = error.to_string().chars().take(300).collect();
            format!("schema, at `{}`: {reason}", error.instance_path())
        })
        .collect()
}

/// What checks documents against `schema`. It is made once: that takes longer than a check does.
fn validator(schema: &'static str) -> Arc<Validator> {
    static MADE: Mutex<BTreeMap<&'static str, Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let new = || match jsonschema::draft202012::new(&parsed(schema)) {
        Ok(validator) => Arc::new(validator),
        Err(error) => panic!("not a JSON Schema: {error}"),
    };
    Arc::clone(made.entry(schema).or_insert_with(new))
}

/// What in `report` breaks the contract beyond its schema. Empty for a report that Scope shows as meant.
pub fn violations(report: &Value, expectations: &Expectations<'_>) -> Vec<String> {
    let mut found = Vec::new();
    check_size(report.to_string().len(), &mut found);
    check_plugin(report, expectations, &mut found);
    check_topologies(report, &mut found);
    check_templates(report, &mut found);
    check_ids(report, &mut found);
    check_host(report, expectations, &mut found);
    check_joins(report, &mut found);
    for located in nodes(report) {
        check_latest(&located, &mut found);
        check_metrics(&located, &mut found);
        check_edges(&located, &mut found);
    }
    check_controls(report, &mut found);
    found
}

/// Where a report and `plugin.json` differ: topologies and templates that only one of the two has, or has otherwise.
///
/// # Panics
///
/// When `plugin.json` is not JSON.
pub fn declaration_differences(report: &Value) -> Vec<String> {
    let declaration = without_prose(&parsed(DECLARATION));
    let declared = &declaration["topologies"];
    let mut found = Vec::new();
    for (name, _) in TOPOLOGIES {
        if report[name].is_null() != declared[name].is_null() {
            found.push(format!("{name}: only in the {}", one_side(&report[name])));
            continue;
        }
        for kind in ["metadata_templates", "metric_templates", "table_templates"] {
            let (ours, theirs) = (&report[name][kind], &declared[name][kind]);
            let ids: BTreeSet<&String> = fields(ours).chain(fields(theirs)).map(|(id, _)| id).collect();
            for id in ids {
                if ours[id].is_null() != theirs[id].is_null() {
                    found.push(format!(
                        "{name}: {kind} `{id}` is only in the {}",
                        one_side(&ours[id])
                    ));
                } else if normal(&ours[id]) != normal(&theirs[id]) {
                    found.push(format!(
                        "{name}: {kind} `{id}` is {} in the report and {} in the declaration",
                        ours[id], theirs[id]
                    ));
                }
            }
        }
    }
    found
}

fn one_side(in_report: &Value) -> &'static str {
    if in_report.is_null() {
        "declaration"
    } else {
        "report"
    }
}

/// The document without what `plugin.json` says to people only.
fn without_prose(document: &Value) -> Value {
    match document {
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "meaning" | "maximum"))
            .map(|(key, value)| (key.clone(), without_prose(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_prose).collect(),
        other => other.clone(),
    }
}

/// A template in one spelling: 1 and 1.0 are one number, and an empty format or type is none.
fn normal(template: &Value) -> Value {
    match template {
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, value)| !(matches!(key.as_str(), "format" | "dataType" | "group") && *value == ""))
            .map(|(key, value)| (key.clone(), normal(value)))
            .collect(),
        Value::Array(items) => items.iter().map(normal).collect(),
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

fn parsed(document: &str) -> Value {
    match serde_json::from_str(document) {
        Ok(value) => value,
        Err(error) => panic!("a file of plugin-spec is not JSON: {error}"),
    }
}

// === Reading a report ===

/// A node with where it stands.
struct Located<'a> {
    /// The topology's key in the report.
    name: &'static str,
    /// The topology's name on nodes.
    topology: &'static str,
    /// All of the topology.
    whole: &'a Value,
    /// The key under which the node stands.
    key: &'a str,
    node: &'a Value,
}

impl Located<'_> {
    fn latest(&self, key: &str) -> &str {
        text(&self.node["latest"][key]["value"])
    }

    /// The violation `what` of this node.
    fn fault(&self, what: impl std::fmt::Display) -> String {
        format!("{} `{}`: {what}", self.name, self.key)
    }
}

/// All nodes of the report.
fn nodes(report: &Value) -> impl Iterator<Item = Located<'_>> {
    TOPOLOGIES.into_iter().flat_map(move |(name, topology)| {
        let whole = &report[name];
        fields(&whole["nodes"]).map(move |(key, node)| Located {
            name,
            topology,
            whole,
            key,
            node,
        })
    })
}

fn nodes_of<'a>(report: &'a Value, name: &str) -> impl Iterator<Item = Located<'a>> {
    nodes(report).filter(move |located| located.name == name)
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What an id such as `UID;<pod>` says of its topology; none for an id of any other form.
fn topology_of(id: &str) -> Option<&'static str> {
    let (unique, suffix) = id.split_once(';')?;
    let name = suffix.strip_prefix('<')?.strip_suffix('>')?;
    let strange = |letter: char| letter.is_whitespace() || letter.is_control() || "|<>".contains(letter);
    if unique.is_empty() || unique.contains(strange) {
        return None;
    }
    TOPOLOGIES
        .into_iter()
        .map(|(_, topology)| topology)
        .find(|topology| *topology == name)
}

/// A timestamp that Scope reads and that can win a merge, or what is wrong with it.
fn moment(value: &Value) -> Result<Timestamp, String> {
    let written = text(value);
    let malformed = || format!("timestamp {value} is not RFC 3339: Scope rejects the whole report");
    let zone = |zone: &str| zone == "Z" || (zone.len() == 6 && zone.starts_with(['+', '-']));
    let well_formed = written.is_ascii()
        && written.len() >= 20
        && [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')]
            .into_iter()
            .all(|(place, letter)| written.as_bytes()[place] == letter)
        && &written[17..19] < "60"
        && !written.contains(',')
        && written[19..]
            .find(['Z', '+', '-'])
            .is_some_and(|start| zone(&written[19 + start..]));
    let moment: Timestamp = if well_formed {
        written.parse().map_err(|_| malformed())?
    } else {
        return Err(malformed());
    };
    if moment.as_second() < EARLIEST {
        return Err(format!(
            "timestamp {value} is older than this program can be: it loses every merge"
        ));
    }
    if moment.as_second() > Timestamp::now().as_second() + 60 {
        return Err(format!(
            "timestamp {value} lies in the future: it would win merges against newer texts"
        ));
    }
    Ok(moment)
}

/// The first second of the year 2000.
const EARLIEST: i64 = 946_684_800;

// === The checks ===

fn check_size(bytes: usize, found: &mut Vec<String>) {
    if bytes > MAXIMAL_BYTES {
        found.push(format!(
            "the report has {bytes} bytes, more than {MAXIMAL_BYTES}: a busy probe gives up on it"
        ));
    }
}

fn check_plugin(report: &Value, expectations: &Expectations<'_>, found: &mut Vec<String>) {
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

fn check_topologies(report: &Value, found: &mut Vec<String>) {
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

fn check_templates(report: &Value, found: &mut Vec<String>) {
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

fn check_ids(report: &Value, found: &mut Vec<String>) {
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

fn check_host(report: &Value, expectations: &Expectations<'_>, found: &mut Vec<String>) {
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
fn check_joins(report: &Value, found: &mut Vec<String>) {
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

fn check_latest(located: &Located<'_>, found: &mut Vec<String>) {
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

fn check_metrics(located: &Located<'_>, found: &mut Vec<String>) {
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

fn check_edges(located: &Located<'_>, found: &mut Vec<String>) {
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
fn check_controls(report: &Value, found: &mut Vec<String>) {
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

// === Breaking a report ===

/// A way to break a good report, with what it breaks.
pub type Mutation = (&'static str, fn(&mut Value));

/// Ways to break a good report, one rule each. Schema or contract catches every one of them.
pub fn mutations() -> Vec<Mutation> {
    [
        PLUGIN_MUTATIONS,
        TOPOLOGY_MUTATIONS,
        NODE_MUTATIONS,
        JOIN_MUTATIONS,
        LATEST_MUTATIONS,
        TABLE_MUTATIONS,
        METRIC_MUTATIONS,
        TEMPLATE_MUTATIONS,
        EDGE_MUTATIONS,
    ]
    .concat()
}

/// A moment that breaks no rule.
const WHEN: &str = "2025-01-01T00:00:00Z";

/// The first node of a topology.
fn first<'a>(report: &'a mut Value, name: &str) -> &'a mut Value {
    let id = fields(&report[name]["nodes"])
        .map(|(id, _)| id.clone())
        .next()
        .unwrap_or_default();
    &mut report[name]["nodes"][id]
}

fn host(report: &mut Value) -> &mut Value {
    first(report, "Host")
}

fn disk(report: &mut Value) -> &mut Value {
    first(report, "PersistentVolume")
}

fn entry(value: &str) -> Value {
    json!({ "timestamp": WHEN, "value": value })
}

/// Adds a node with these texts to a topology, which may be new, and gives it back.
fn add<'a>(report: &'a mut Value, name: &str, id: &str, texts: &[(&str, &str)]) -> &'a mut Value {
    let latest: Value = texts
        .iter()
        .map(|(key, value)| ((*key).to_owned(), entry(value)))
        .collect();
    let node = &mut report[name]["nodes"][id];
    *node = json!({ "id": id, "topology": topology_of(id), "latest": latest });
    node
}

/// Adds an empty row to the host's table of disks.
fn add_row(report: &mut Value, row: &str) {
    let columns = report["Host"]["table_templates"]["storage_disks"]["columns"].clone();
    for column in items(&columns).map(|column| text(&column["id"])) {
        host(report)["latest"][format!("storage_disks_{row}___{column}")] = entry("");
    }
}

/// Gives the first disk a metric with these values, a second apart.
fn measure(report: &mut Value, id: &str, values: &[f64], min: f64, max: f64) {
    let samples: Vec<Value> = values
        .iter()
        .zip(10..)
        .map(|(value, second)| json!({ "date": format!("2025-01-01T00:00:{second}Z"), "value": value }))
        .collect();
    disk(report)["metrics"][id] = json!({ "samples": samples, "min": min, "max": max });
}

fn remove(value: &mut Value, key: &str) {
    if let Some(fields) = value.as_object_mut() {
        fields.remove(key);
    }
}

fn push(list: &mut Value, item: Value) {
    if let Some(list) = list.as_array_mut() {
        list.push(item);
    }
}

static PLUGIN_MUTATIONS: &[Mutation] = &[
    ("no Plugins", |report| remove(report, "Plugins")),
    ("Plugins is empty", |report| report["Plugins"] = json!([])),
    ("two plugins", |report| {
        let mut second = report["Plugins"][0].clone();
        second["id"] = json!("storage-cluster");
        push(&mut report["Plugins"], second);
    }),
    ("another plugin's id", |report| {
        report["Plugins"][0]["id"] = json!("disks");
    }),
    ("another api_version", |report| {
        report["Plugins"][0]["api_version"] = json!("2");
    }),
    ("an api_version that is a number", |report| {
        report["Plugins"][0]["api_version"] = json!(1);
    }),
    ("no label", |report| remove(&mut report["Plugins"][0], "label")),
    ("an empty label", |report| {
        report["Plugins"][0]["label"] = json!("");
    }),
    ("a label of blanks", |report| {
        report["Plugins"][0]["label"] = json!("  ");
    }),
    ("another label than declared", |report| {
        report["Plugins"][0]["label"] = json!("Disks");
    }),
    ("another description than declared", |report| {
        report["Plugins"][0]["description"] = json!("Disks");
    }),
    ("no interfaces", |report| {
        report["Plugins"][0]["interfaces"] = json!([]);
    }),
    ("an unknown interface", |report| {
        push(&mut report["Plugins"][0]["interfaces"], json!("collector"));
    }),
    ("a controller among the interfaces", |report| {
        push(&mut report["Plugins"][0]["interfaces"], json!("controller"));
    }),
    ("a status, which is the probe's to set", |report| {
        report["Plugins"][0]["status"] = json!("ok");
    }),
];

static TOPOLOGY_MUTATIONS: &[Mutation] = &[
    ("a topology unknown to Scope", |report| {
        report["Disk"] = json!({ "nodes": {} });
    }),
    ("a field unknown to Scope", |report| {
        report["Host"]["name"] = json!("hosts");
    }),
    ("a tag", |report| {
        report["PersistentVolume"]["tag"] = json!("disk");
    }),
    ("the tag that Scope draws", |report| {
        report["PersistentVolume"]["tag"] = json!("camera");
    }),
    ("a shape", |report| {
        report["PersistentVolume"]["shape"] = json!("square");
    }),
    ("a label on a topology", |report| {
        report["PersistentVolume"]["label"] = json!("disk");
    }),
    ("a plural on a topology", |report| {
        report["PersistentVolume"]["label_plural"] = json!("disks");
    }),
    ("more nodes than Scope keeps", |report| {
        for number in 0..=MAXIMAL_NODES {
            add(report, "Pod", &format!("{number};<pod>"), &[]);
        }
    }),
    ("more bytes than a busy probe takes", |report| {
        disk(report)["latest"]["storage_disk_carries"] = entry(&"x".repeat(MAXIMAL_BYTES));
    }),
];

static NODE_MUTATIONS: &[Mutation] = &[
    ("a node without an id", |report| remove(disk(report), "id")),
    ("an id unlike the key", |report| {
        disk(report)["id"] = json!("other-sda;<persistent_volume>");
    }),
    ("a node without a topology", |report| {
        remove(disk(report), "topology");
    }),
    ("an empty topology", |report| disk(report)["topology"] = json!("")),
    ("a host node without its topology", |report| {
        remove(host(report), "topology");
    }),
    ("a topology unlike the id", |report| {
        disk(report)["topology"] = json!("storage_class");
    }),
    ("one id in two topologies", |report| {
        let id = text(&disk(report)["id"]).to_owned();
        add(report, "StorageClass", &id, &[("kubernetes_name", "fast")])["topology"] = json!("storage_class");
    }),
    ("an id without a suffix", |report| {
        add(report, "Pod", "8f14e45f", &[])["topology"] = json!("pod");
    }),
    ("an id that is only a suffix", |report| {
        add(report, "Pod", ";<pod>", &[])["topology"] = json!("pod");
    }),
    ("an id with a blank", |report| {
        add(report, "Pod", "a b;<pod>", &[])["topology"] = json!("pod");
    }),
    ("a field that a node does not have", |report| {
        disk(report)["children"] = json!([]);
    }),
    ("no node for the host", |report| {
        report["Host"]["nodes"] = json!({});
    }),
    ("a second host", |report| {
        add(report, "Host", "elsewhere;<host>", &[]);
    }),
    ("a disk that names no host", |report| {
        remove(disk(report), "parents");
    }),
    ("a disk that names another host", |report| {
        disk(report)["parents"]["host"] = json!(["elsewhere;<host>"]);
    }),
    ("a disk that names two hosts", |report| {
        push(&mut disk(report)["parents"]["host"], json!("elsewhere;<host>"));
    }),
    ("a disk with another host's id", |report| {
        let mut moved = disk(report).clone();
        moved["id"] = json!("elsewhere-sda;<persistent_volume>");
        report["PersistentVolume"]["nodes"]["elsewhere-sda;<persistent_volume>"] = moved;
    }),
    ("a disk with no device in its id", |report| {
        let host = text(&host(report)["id"]).trim_end_matches(";<host>").to_owned();
        let id = format!("{host}-;<persistent_volume>");
        let mut moved = disk(report).clone();
        moved["id"] = json!(id);
        report["PersistentVolume"]["nodes"][id] = moved;
    }),
    ("a disk that does not say that it is one", |report| {
        remove(&mut disk(report)["latest"], "kubernetes_node_type");
    }),
    ("a reporter that offers a button", |report| {
        disk(report)["latest"]["active_controls"] = entry("storage_identify");
    }),
    ("a reporter that names a probe for buttons", |report| {
        disk(report)["latest"]["control_probe_id"] = entry("4d1f9b6c");
    }),
    ("a reporter that declares a button", |report| {
        report["PersistentVolume"]["controls"]["storage_identify"] =
            json!({ "id": "storage_identify", "human": "Identify", "icon": "fa fa-lightbulb", "rank": 1 });
    }),
];

static JOIN_MUTATIONS: &[Mutation] = &[
    ("a disk without a name", |report| {
        remove(&mut disk(report)["latest"], "kubernetes_name");
    }),
    ("a disk with an empty name", |report| {
        disk(report)["latest"]["kubernetes_name"] = entry("");
    }),
    ("a disk without any texts", |report| {
        remove(disk(report), "latest");
    }),
    ("a claim without a name", |report| {
        add(
            report,
            "PersistentVolumeClaim",
            "c;<persistent_volume_claim>",
            &[("kubernetes_namespace", "orders")],
        );
    }),
    ("a claim without a namespace", |report| {
        add(
            report,
            "PersistentVolumeClaim",
            "c;<persistent_volume_claim>",
            &[("kubernetes_name", "data-0")],
        );
    }),
    ("a class without a name", |report| {
        add(report, "StorageClass", "s;<storage_class>", &[]);
    }),
    ("a snapshot without a name", |report| {
        add(report, "VolumeSnapshot", "v;<volume_snapshot>", &[]);
    }),
    ("snapshot contents without a name", |report| {
        add(report, "VolumeSnapshotData", "d;<volume_snapshot_data>", &[]);
    }),
    ("an unbound claim beside a volume without a name", |report| {
        let claim = [("kubernetes_namespace", "orders"), ("kubernetes_name", "data-0")];
        add(
            report,
            "PersistentVolumeClaim",
            "c;<persistent_volume_claim>",
            &claim,
        );
        add(
            report,
            "PersistentVolume",
            "v;<persistent_volume>",
            &[("kubernetes_node_type", "Persistent Volume")],
        );
    }),
    ("a claim on a name that two volumes have", |report| {
        let claim = [
            ("kubernetes_namespace", "orders"),
            ("kubernetes_name", "data-0"),
            ("kubernetes_volume_name", "pv-0"),
        ];
        add(
            report,
            "PersistentVolumeClaim",
            "c;<persistent_volume_claim>",
            &claim,
        );
        for id in ["v;<persistent_volume>", "w;<persistent_volume>"] {
            let volume = [
                ("kubernetes_node_type", "Persistent Volume"),
                ("kubernetes_name", "pv-0"),
            ];
            add(report, "PersistentVolume", id, &volume);
        }
    }),
    ("a pod with claims but no namespace", |report| {
        add(report, "Pod", "p;<pod>", &[("kubernetes_volume_claim", "data-0")]);
    }),
    ("a pod with an empty claim name", |report| {
        let pod = [
            ("kubernetes_namespace", "orders"),
            ("kubernetes_volume_claim", "data-0;"),
        ];
        add(report, "Pod", "p;<pod>", &pod);
    }),
];

static LATEST_MUTATIONS: &[Mutation] = &[
    ("a text without its timestamp", |report| {
        remove(&mut disk(report)["latest"]["kubernetes_name"], "timestamp");
    }),
    ("a text that is not wrapped", |report| {
        disk(report)["latest"]["kubernetes_name"] = json!("sda");
    }),
    ("a number for a text", |report| {
        disk(report)["latest"]["kubernetes_name"]["value"] = json!(7);
    }),
    ("a timestamp with a blank", |report| {
        disk(report)["latest"]["kubernetes_name"]["timestamp"] = json!("2025-01-01 00:00:00Z");
    }),
    ("a timestamp without a zone", |report| {
        disk(report)["latest"]["kubernetes_name"]["timestamp"] = json!("2025-01-01T00:00:00");
    }),
    ("a timestamp in seconds", |report| {
        disk(report)["latest"]["kubernetes_name"]["timestamp"] = json!(1_735_689_600);
    }),
    ("a day that no calendar has", |report| {
        disk(report)["latest"]["kubernetes_name"]["timestamp"] = json!("2025-02-30T00:00:00Z");
    }),
    ("a timestamp of the year 1", |report| {
        disk(report)["latest"]["kubernetes_name"]["timestamp"] = json!("0001-01-01T00:00:00Z");
    }),
    ("a timestamp to come", |report| {
        disk(report)["latest"]["kubernetes_name"]["timestamp"] = json!("9000-01-01T00:00:00Z");
    }),
    ("a text that nothing shows", |report| {
        disk(report)["latest"]["storage_colour"] = entry("blue");
    }),
    ("an empty text", |report| {
        disk(report)["latest"]["storage_disk_model"] = entry("");
    }),
    ("a word where the template says number", |report| {
        disk(report)["latest"]["storage_disk_model"] = entry("PM9A3");
        report["PersistentVolume"]["metadata_templates"]["storage_disk_model"]["dataType"] = json!("number");
    }),
    ("a word where the template says datetime", |report| {
        disk(report)["latest"]["storage_disk_model"] = entry("PM9A3");
        report["PersistentVolume"]["metadata_templates"]["storage_disk_model"]["dataType"] =
            json!("datetime");
    }),
    ("a word where the template says ip", |report| {
        disk(report)["latest"]["storage_disk_model"] = entry("PM9A3");
        report["PersistentVolume"]["metadata_templates"]["storage_disk_model"]["dataType"] = json!("ip");
    }),
];

static TABLE_MUTATIONS: &[Mutation] = &[
    ("a table's key without a column", |report| {
        host(report)["latest"]["storage_disks_count"] = entry("2");
    }),
    ("a row whose id has three underscores", |report| {
        add_row(report, "vg0___home");
    }),
    ("a row whose id ends with an underscore", |report| {
        add_row(report, "sdx_");
    }),
    ("a column that the table does not have", |report| {
        add_row(report, "sdx");
        host(report)["latest"]["storage_disks_sdx___colour"] = entry("blue");
    }),
    ("a row without one of its columns", |report| {
        add_row(report, "sdx");
        remove(&mut host(report)["latest"], "storage_disks_sdx___model");
    }),
    ("a word in a column of numbers", |report| {
        let template = &mut report["Host"]["table_templates"]["storage_disks"];
        push(
            &mut template["columns"],
            json!({ "id": "temperature", "label": "Temperature", "dataType": "number" }),
        );
        for row in rows(report) {
            host(report)["latest"][format!("storage_disks_{row}___temperature")] = entry("");
        }
        add_row(report, "sdx");
        host(report)["latest"]["storage_disks_sdx___temperature"] = entry("hot");
    }),
    ("a table without columns", |report| {
        remove(&mut report["Host"]["table_templates"]["storage_disks"], "columns");
    }),
    ("one column twice", |report| {
        let columns = &mut report["Host"]["table_templates"]["storage_disks"]["columns"];
        let again = columns[0].clone();
        push(columns, again);
    }),
    ("a property list with columns", |report| {
        report["Host"]["table_templates"]["storage_limits"] = json!({
            "id": "storage_limits", "label": "Limits", "type": "property-list", "prefix": "storage_limits_",
            "columns": [{ "id": "limit", "label": "Limit" }],
        });
    }),
    ("an unknown sort of table", |report| {
        report["Host"]["table_templates"]["storage_disks"]["type"] = json!("table");
    }),
    ("a prefix within another table's", |report| {
        report["Host"]["table_templates"]["storage_all"] =
            json!({ "id": "storage_all", "label": "All", "type": "property-list", "prefix": "storage_" });
    }),
    ("a prefix that takes in Scope's keys", |report| {
        let table = json!({ "id": "storage_names", "label": "Names", "type": "property-list", "prefix": "kubernetes_" });
        report["PersistentVolume"]["table_templates"]["storage_names"] = table;
    }),
];

/// Ids of the rows in the host's table of disks.
fn rows(report: &mut Value) -> BTreeSet<String> {
    fields(&host(report)["latest"])
        .filter_map(|(key, _)| key.strip_prefix("storage_disks_")?.split_once("___"))
        .map(|(row, _)| row.to_owned())
        .collect()
}

static METRIC_MUTATIONS: &[Mutation] = &[
    ("a metric with no samples", |report| {
        measure(report, "storage_read_iops", &[], 0.0, 9.0);
    }),
    ("a metric without samples", |report| {
        measure(report, "storage_read_iops", &[5.0], 0.0, 9.0);
        remove(&mut disk(report)["metrics"]["storage_read_iops"], "samples");
    }),
    ("a metric without max", |report| {
        measure(report, "storage_read_iops", &[5.0], 0.0, 9.0);
        remove(&mut disk(report)["metrics"]["storage_read_iops"], "max");
    }),
    ("samples in the wrong order", |report| {
        measure(report, "storage_read_iops", &[5.0, 6.0], 0.0, 9.0);
        disk(report)["metrics"]["storage_read_iops"]["samples"][0]["date"] = json!("2025-01-01T00:01:00Z");
    }),
    ("two samples of one moment", |report| {
        measure(report, "storage_read_iops", &[5.0, 6.0], 0.0, 9.0);
        disk(report)["metrics"]["storage_read_iops"]["samples"][0]["date"] = json!("2025-01-01T00:00:11Z");
    }),
    ("a sample of the year 1", |report| {
        measure(report, "storage_read_iops", &[5.0], 0.0, 9.0);
        disk(report)["metrics"]["storage_read_iops"]["samples"][0]["date"] = json!("0001-01-01T00:00:00Z");
    }),
    ("a sample to come", |report| {
        measure(report, "storage_read_iops", &[5.0], 0.0, 9.0);
        disk(report)["metrics"]["storage_read_iops"]["samples"][0]["date"] = json!("9000-01-01T00:00:00Z");
    }),
    ("a sample without a date", |report| {
        measure(report, "storage_read_iops", &[5.0], 0.0, 9.0);
        remove(
            &mut disk(report)["metrics"]["storage_read_iops"]["samples"][0],
            "date",
        );
    }),
    // What a writer of JSON makes of infinity.
    ("a sample that is no number", |report| {
        measure(report, "storage_read_iops", &[5.0], 0.0, 9.0);
        disk(report)["metrics"]["storage_read_iops"]["samples"][0]["value"] = Value::Null;
    }),
    ("a number in quotes", |report| {
        measure(report, "storage_read_iops", &[5.0], 0.0, 9.0);
        disk(report)["metrics"]["storage_read_iops"]["samples"][0]["value"] = json!("5");
    }),
    ("a negative figure", |report| {
        measure(report, "storage_read_iops", &[-5.0], -5.0, 9.0);
    }),
    ("a figure that Scope's rounding breaks", |report| {
        measure(report, "storage_used", &[1e17], 0.0, 1e18);
    }),
    ("a min above the max", |report| {
        measure(report, "storage_read_iops", &[5.0], 9.0, 1.0);
    }),
    ("a sample above the max", |report| {
        measure(report, "storage_read_iops", &[5.0, 10.0], 0.0, 9.0);
    }),
    ("a sample below the min", |report| {
        measure(report, "storage_read_iops", &[5.0], 6.0, 9.0);
    }),
    ("more than all of the capacity in use", |report| {
        measure(report, "storage_used", &[1025.0], 0.0, 1024.0);
    }),
    ("more than a hundred percent", |report| {
        measure(report, "storage_utilisation", &[130.0], 0.0, 100.0);
    }),
    ("percentages with another ceiling", |report| {
        measure(report, "storage_utilisation", &[0.4], 0.0, 1.0);
    }),
    ("a metric that nothing shows", |report| {
        measure(report, "storage_temperature", &[31.0], 0.0, 70.0);
    }),
    ("a metric with an id that may be Scope's", |report| {
        let template = json!({ "id": "load1", "label": "Load", "priority": 30 });
        report["PersistentVolume"]["metric_templates"]["load1"] = template;
        measure(report, "load1", &[0.5], 0.0, 1.0);
    }),
];

static TEMPLATE_MUTATIONS: &[Mutation] = &[
    ("a metric template under another's id", |report| {
        report["PersistentVolume"]["metric_templates"]["storage_used"]["id"] = json!("storage_free");
    }),
    ("a metadata template under another's id", |report| {
        report["PersistentVolume"]["metadata_templates"]["storage_disk_model"]["id"] =
            json!("storage_disk_make");
    }),
    ("a table template under another's id", |report| {
        report["Host"]["table_templates"]["storage_disks"]["id"] = json!("storage_drives");
    }),
    ("two metadata templates with one priority", |report| {
        let templates = &mut report["PersistentVolume"]["metadata_templates"];
        templates["storage_disk_model"]["priority"] = templates["storage_disk_serial"]["priority"].clone();
    }),
    ("two metric templates with one priority", |report| {
        let templates = &mut report["PersistentVolume"]["metric_templates"];
        templates["storage_used"]["priority"] = templates["storage_utilisation"]["priority"].clone();
    }),
    ("a metric with the priority of Scope's memory", |report| {
        report["Host"]["metric_templates"]["storage_iops"]["priority"] = json!(2);
    }),
    ("a text with the priority of Scope's operating system", |report| {
        report["Host"]["metadata_templates"]["storage_host_note"] =
            json!({ "id": "storage_host_note", "label": "Note", "priority": 12, "from": "latest" });
    }),
    ("a template without a priority", |report| {
        remove(
            &mut report["PersistentVolume"]["metric_templates"]["storage_used"],
            "priority",
        );
    }),
    ("a template without a label", |report| {
        remove(
            &mut report["PersistentVolume"]["metric_templates"]["storage_used"],
            "label",
        );
    }),
    ("two metrics with one label", |report| {
        let templates = &mut report["PersistentVolume"]["metric_templates"];
        templates["storage_read_iops"]["label"] = templates["storage_write_iops"]["label"].clone();
    }),
    ("a format that the page does not know", |report| {
        report["PersistentVolume"]["metric_templates"]["storage_read_iops"]["format"] = json!("persecond");
    }),
    ("a data type that the page does not know", |report| {
        report["PersistentVolume"]["metadata_templates"]["storage_disk_size"]["dataType"] = json!("bytes");
    }),
    ("metadata from elsewhere", |report| {
        report["PersistentVolume"]["metadata_templates"]["storage_disk_size"]["from"] = json!("sets");
    }),
];

static EDGE_MUTATIONS: &[Mutation] = &[
    ("an edge to no id", |report| {
        disk(report)["adjacency"] = json!(["sda"]);
    }),
    ("an edge to an unknown topology", |report| {
        disk(report)["adjacency"] = json!(["sda;<disk>"]);
    }),
    ("an edge to itself", |report| {
        disk(report)["adjacency"] = json!([disk(report)["id"]]);
    }),
    ("an edge twice", |report| {
        disk(report)["adjacency"] = json!(["v;<persistent_volume>", "v;<persistent_volume>"]);
    }),
    ("edges that are not a list", |report| {
        disk(report)["adjacency"] = json!("v;<persistent_volume>");
    }),
    ("a parent of another topology", |report| {
        disk(report)["parents"]["pod"] = json!(["worker-1;<host>"]);
    }),
    ("a parent of an unknown topology", |report| {
        disk(report)["parents"]["rack"] = json!(["12;<rack>"]);
    }),
    ("an empty list of parents", |report| {
        disk(report)["parents"]["pod"] = json!([]);
    }),
];
