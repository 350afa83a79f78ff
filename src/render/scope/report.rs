//! The wire form of a Scope report, as far as we use it. `plugin-spec/` has its schema and its traps.
//!
//! A node is written once, into the text of its topology: how much room it takes is known by that, and it need not be kept.

mod json;
mod node;
mod templates;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::Serialize;

use self::json::{write, write_all, write_key};
pub use self::node::{Latest, Metric, Node, Sample, Values};
pub use self::templates::{Column, ControlTemplate, MetadataTemplate, MetricTemplate, TableTemplate};

/// Room for what stands between the nodes of two topologies: the templates of one.
const USUAL_TEMPLATES: usize = 8 << 10;

/// Of a disk or a volume: the half are facts, the other half the rates of the last minute.
const USUAL_NODE: usize = 1700;

/// A whole report.
#[derive(Debug)]
pub struct Report<'a> {
    /// Hosts.
    pub host: Option<Topology>,
    /// Pods with storage.
    pub pod: Option<Topology>,
    /// Claims.
    pub claim: Option<Topology>,
    /// Storage classes.
    pub storage_class: Option<Topology>,
    /// Snapshots.
    pub snapshot: Option<Topology>,
    /// Contents of snapshots.
    pub snapshot_content: Option<Topology>,
    /// Volumes and, in an unpatched Scope, disks.
    pub persistent_volume: Topology,
    /// Who reports: exactly one entry.
    pub plugins: [Plugin<'a>; 1],
}

impl Report<'_> {
    /// As it is sent, in pieces: the nodes of a topology are one, and are not copied.
    pub fn pieces(self) -> Vec<Bytes> {
        let topologies = [
            ("Host", self.host),
            ("Pod", self.pod),
            ("PersistentVolumeClaim", self.claim),
            ("StorageClass", self.storage_class),
            ("VolumeSnapshot", self.snapshot),
            ("VolumeSnapshotData", self.snapshot_content),
            ("PersistentVolume", Some(self.persistent_volume)),
        ];
        let mut pieces = Vec::with_capacity(2 * topologies.len() + 1);
        let mut between = Vec::with_capacity(USUAL_TEMPLATES);
        between.push(b'{');
        for (name, topology) in topologies {
            let Some(mut topology) = topology else { continue };
            write_key(&mut between, name);
            between.extend_from_slice(br#"{"nodes":{"#);
            let mut nodes = std::mem::take(&mut topology.nodes.text);
            // A report may be kept for as long as nothing changes.
            nodes.shrink_to_fit();
            if !nodes.is_empty() {
                let before = std::mem::replace(&mut between, Vec::with_capacity(USUAL_TEMPLATES));
                pieces.extend([before.into(), nodes.into()]);
            }
            between.push(b'}');
            topology.write_templates(&mut between);
            between.extend_from_slice(b"},");
        }
        write_key(&mut between, "Plugins");
        write(&mut between, &self.plugins);
        between.push(b'}');
        pieces.push(between.into());
        pieces
    }
}

/// The nodes of one topology, as they are sent.
#[derive(Debug, Default)]
pub struct Nodes {
    /// Each with its key, with commas between them.
    text: Vec<u8>,
    ids: BTreeSet<String>,
}

impl Nodes {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Makes room for so many nodes of a usual length: what grows a little at a time is moved again and again.
    pub(super) fn reserve(&mut self, nodes: usize) {
        self.text.reserve(nodes * USUAL_NODE);
    }

    /// True where there is one of this id.
    pub fn contains(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// Writes a node if it takes no more than so many bytes, and gives how many it takes: none where one of its id is there already.
    /// `Err` with that number where it takes more.
    pub fn add(&mut self, mut node: Node<'_>, most: usize) -> Result<usize, usize> {
        if self.contains(&node.id) {
            return Ok(0);
        }
        let before = self.text.len();
        if before > 0 {
            self.text.push(b',');
        }
        write_key(&mut self.text, &node.id);
        node.write(&mut self.text);
        let length = self.text.len() - before;
        if length > most {
            self.text.truncate(before);
            return Err(length);
        }
        self.ids.insert(node.id);
        Ok(length)
    }
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
#[derive(Debug, Default)]
pub struct Topology {
    /// Nodes by id.
    pub nodes: Nodes,
    /// How metadata are shown.
    pub metadata_templates: BTreeMap<&'static str, MetadataTemplate>,
    /// How metrics are shown.
    pub metric_templates: BTreeMap<&'static str, MetricTemplate>,
    /// How tables are shown.
    pub table_templates: BTreeMap<&'static str, TableTemplate>,
    /// Buttons that its nodes may have.
    pub controls: BTreeMap<&'static str, ControlTemplate>,
}

impl Topology {
    /// All but the nodes.
    fn write_templates(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(br#","metadata_templates":{"#);
        write_all(
            bytes,
            [b"", b""],
            &self.metadata_templates,
            |bytes, (key, template)| {
                write_key(bytes, key);
                template.write(bytes);
            },
        );
        bytes.extend_from_slice(br#"},"metric_templates":"#);
        write(bytes, &self.metric_templates);
        bytes.extend_from_slice(br#","table_templates":"#);
        write(bytes, &self.table_templates);
        if !self.controls.is_empty() {
            bytes.extend_from_slice(br#","controls":"#);
            write(bytes, &self.controls);
        }
    }
}
