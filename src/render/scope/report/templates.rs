//! How the page shows what nodes have: their values, metrics, tables and buttons.

use serde::Serialize;

use super::json::{write, write_text};

/// How one value is shown.
#[derive(Debug, Clone)]
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
    pub data_type: &'static str,
}

impl MetadataTemplate {
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(br#"{"id":"#);
        write_text(bytes, self.id);
        bytes.extend_from_slice(br#","label":"#);
        write_text(bytes, self.label);
        bytes.extend_from_slice(br#","priority":"#);
        write(bytes, &self.priority);
        bytes.extend_from_slice(br#","from":"#);
        write_text(bytes, self.from);
        if !self.data_type.is_empty() {
            bytes.extend_from_slice(br#","dataType":"#);
            write_text(bytes, self.data_type);
        }
        bytes.push(b'}');
    }
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
