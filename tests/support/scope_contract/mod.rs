//! The contract between a plugin and Scope: what a report has to keep to so that Scope shows it as meant.
//!
//! `plugin-spec/report.schema.json` says what a report looks like. The checks here add what a schema cannot say:
//! what must agree with what. Each stands for something that Scope answers with a wrong picture, a lost report,
//! a broken page or a probe that ends. `tests/contract/mutations.rs` breaks a good report in every one of these ways.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "test files include this one, and each uses a part of it"
)]

mod checks;
pub mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use checks::{
    check_controls, check_edges, check_host, check_ids, check_joins, check_latest, check_metrics,
    check_plugin, check_size, check_templates, check_topologies,
};
use jsonschema::Validator;
use reading::{fields, nodes};
use serde_json::{Value, json};

/// The schema of an answer to `GET /report`.
pub const REPORT_SCHEMA: &str = include_str!("../../../plugin-spec/report.schema.json");
/// The schema of what Scope posts to `/control`.
pub const CONTROL_REQUEST_SCHEMA: &str = include_str!("../../../plugin-spec/control-request.schema.json");
/// The schema of the answer to it.
pub const CONTROL_ANSWER_SCHEMA: &str = include_str!("../../../plugin-spec/control-answer.schema.json");
/// What the plugin declares about itself.
pub const DECLARATION: &str = include_str!("../../../plugin-spec/plugin.json");

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
