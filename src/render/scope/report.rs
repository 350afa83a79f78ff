//! The wire form of a Scope report, as far as we use it. `plugin-spec/` has its schema and its traps.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

/// A whole report.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// Hosts.
    #[serde(rename = "Host", skip_serializing_if = "Option::is_none")]
    pub host: Option<Topology<'a>>,
    /// Pods with storage.
    #[serde(rename = "Pod", skip_serializing_if = "Option::is_none")]
    pub pod: Option<Topology<'a>>,
    /// Claims.
    #[serde(rename = "PersistentVolumeClaim", skip_serializing_if = "Option::is_none")]
    pub claim: Option<Topology<'a>>,
    /// Storage classes.
    #[serde(rename = "StorageClass", skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<Topology<'a>>,
    /// Snapshots.
    #[serde(rename = "VolumeSnapshot", skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Topology<'a>>,
    /// Contents of snapshots.
    #[serde(rename = "VolumeSnapshotData", skip_serializing_if = "Option::is_none")]
    pub snapshot_content: Option<Topology<'a>>,
    /// Volumes and, in an unpatched Scope, disks.
    #[serde(rename = "PersistentVolume")]
    pub persistent_volume: Topology<'a>,
    /// Who reports: exactly one entry.
    #[serde(rename = "Plugins")]
    pub plugins: [Plugin<'a>; 1],
}

/// Who reports.
#[derive(Debug, Serialize)]
pub struct Plugin<'a> {
    /// The socket's file name without its ending.
    pub id: &'a str,
    /// Shown in the footer.
    pub label: &'a str,
    /// Shown beside it.
    pub description: Cow<'a, str>,
    /// `reporter`, `controller`.
    pub interfaces: &'a [&'a str],
    /// `1`.
    pub api_version: &'a str,
}

/// Nodes of one sort, and how their values are shown.
#[derive(Debug, Default, Serialize)]
pub struct Topology<'a> {
    /// Nodes by id.
    pub nodes: BTreeMap<String, Node<'a>>,
    /// How metadata are shown.
    pub metadata_templates: BTreeMap<&'static str, MetadataTemplate>,
    /// How metrics are shown.
    pub metric_templates: BTreeMap<&'static str, MetricTemplate>,
    /// How tables are shown.
    pub table_templates: BTreeMap<&'static str, TableTemplate>,
    /// Buttons that its nodes may have.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub controls: BTreeMap<&'static str, ControlTemplate>,
}

/// One node.
#[derive(Debug, Serialize)]
pub struct Node<'a> {
    /// Same as its key.
    pub id: String,
    /// `host`, `persistent_volume`, …: must agree with the id.
    pub topology: &'static str,
    /// Values by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub latest: BTreeMap<Cow<'static, str>, Latest<'a>>,
    /// Series by metric.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<&'static str, Metric<'a>>,
    /// Ids of the nodes to which edges are drawn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub adjacency: Vec<String>,
    /// Ids of what this node belongs to, by topology.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parents: BTreeMap<&'static str, [&'a str; 1]>,
}

/// One value. Of two reports of the same key the newer wins.
#[derive(Debug, Serialize)]
pub struct Latest<'a> {
    /// RFC 3339.
    pub timestamp: &'a str,
    /// Always text.
    pub value: Cow<'a, str>,
}

/// One series with its scale.
#[derive(Debug, Serialize)]
pub struct Metric<'a> {
    /// Oldest first; never empty.
    pub samples: Vec<Sample<'a>>,
    /// The least possible value.
    pub min: f64,
    /// The ceiling: the node is filled by value ÷ max.
    pub max: f64,
}

/// One figure.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample<'a> {
    /// RFC 3339.
    pub date: &'a str,
    /// Finite.
    pub value: f64,
}

/// How one value is shown.
#[derive(Debug, Clone, Serialize)]
pub struct MetadataTemplate {
    /// The key in `latest`.
    pub id: &'static str,
    /// What people read.
    pub label: &'static str,
    /// Order.
    pub priority: f64,
    /// Always `latest`.
    pub from: &'static str,
    /// Empty for text; `datetime` is shown as how long ago it is.
    #[serde(rename = "dataType", skip_serializing_if = "str::is_empty")]
    pub data_type: &'static str,
}

/// How one metric is shown.
#[derive(Debug, Clone, Serialize)]
pub struct MetricTemplate {
    /// The key in `metrics`.
    pub id: &'static str,
    /// What people read.
    pub label: &'static str,
    /// ``, `filesize`, `integer`, `percent`.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub format: &'static str,
    /// Order.
    pub priority: f64,
}

/// How a table is shown.
#[derive(Debug, Clone, Serialize)]
pub struct TableTemplate {
    /// Its id.
    pub id: &'static str,
    /// What people read.
    pub label: &'static str,
    /// `multicolumn-table`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What the keys of its cells begin with.
    pub prefix: &'static str,
    /// Its columns in order.
    pub columns: Vec<Column>,
}

/// One column.
#[derive(Debug, Clone, Serialize)]
pub struct Column {
    /// What a cell's key ends with.
    pub id: &'static str,
    /// What people read.
    pub label: &'static str,
    /// Empty for text.
    #[serde(rename = "dataType", skip_serializing_if = "str::is_empty")]
    pub data_type: &'static str,
}

/// A button.
#[derive(Debug, Clone, Serialize)]
pub struct ControlTemplate {
    /// Also its key.
    pub id: &'static str,
    /// What people read when they point at it.
    pub human: &'static str,
    /// A name of Font Awesome 4, which Scope's page has.
    pub icon: &'static str,
    /// Order.
    pub rank: u8,
    /// What is asked before anything is done.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub confirmation: &'static str,
}
