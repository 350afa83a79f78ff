//! The wire form of a Scope report, as far as we use it. `plugin-spec/` has its schema and its traps.
//!
//! A node is written once, into the text of its topology: how much room it takes is known by that, and it need not be kept.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::Serialize;

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

/// Writes a value. Writing to memory cannot fail, and the wire types have neither non-text keys nor failing fields.
fn write(bytes: &mut Vec<u8>, value: &impl Serialize) {
    let _ = serde_json::to_writer(bytes, value);
}

fn write_key(bytes: &mut Vec<u8>, key: &str) {
    write_text(bytes, key);
    bytes.push(b':');
}

/// Likewise a key of ours.
fn write_plain_key(bytes: &mut Vec<u8>, key: &'static str) {
    write_plain(bytes, key);
    bytes.push(b':');
}

/// Writes a text of ours, which has nothing to escape.
fn write_plain(bytes: &mut Vec<u8>, text: &str) {
    bytes.reserve(text.len() + 2);
    bytes.push(b'"');
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'"');
}

/// Writes a text. Hardly any has something to escape, and to look at all bytes of those is quicker than at one after the other.
fn write_text(bytes: &mut Vec<u8>, text: &str) {
    let is_escaped = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    if text.bytes().fold(false, |any, byte| any | is_escaped(byte)) {
        write(bytes, &text);
    } else {
        write_plain(bytes, text);
    }
}

/// Writes values with `before` before them, commas between them and `after` after them; nothing where there are none.
fn write_all<T>(
    bytes: &mut Vec<u8>,
    [before, after]: [&[u8]; 2],
    values: impl IntoIterator<Item = T>,
    each: impl Fn(&mut Vec<u8>, T),
) {
    let mut values = values.into_iter();
    let Some(first) = values.next() else { return };
    bytes.extend_from_slice(before);
    each(bytes, first);
    for value in values {
        bytes.push(b',');
        each(bytes, value);
    }
    bytes.extend_from_slice(after);
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

/// One node.
#[derive(Debug)]
pub struct Node<'a> {
    /// Same as its key.
    pub id: String,
    /// `host`, `persistent_volume`, …: must agree with the id.
    pub topology: &'static str,
    /// Values by key.
    pub latest: Values<'a>,
    /// Series by metric.
    pub metrics: BTreeMap<&'static str, Metric<'a>>,
    /// Ids of the nodes to which edges are drawn.
    pub adjacency: Vec<String>,
    /// Ids of what this node belongs to, by topology.
    pub parents: BTreeMap<&'static str, [&'a str; 1]>,
}

impl<'a> Node<'a> {
    /// A node of which nothing but these values is known yet.
    pub fn new(id: String, topology: &'static str, latest: Values<'a>) -> Self {
        Self {
            id,
            topology,
            latest,
            metrics: BTreeMap::new(),
            adjacency: Vec::new(),
            parents: BTreeMap::new(),
        }
    }

    /// Nodes are most of a report, and are written without the way round by serde, at half the cost.
    fn write(&mut self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(br#"{"id":"#);
        write_text(bytes, &self.id);
        bytes.extend_from_slice(br#","topology":"#);
        write_plain(bytes, self.topology);
        let of_latest: [&[u8]; 2] = [br#","latest":{"#, b"}"];
        write_all(
            bytes,
            of_latest,
            self.latest.in_order(),
            |bytes, (key, latest)| {
                match key {
                    Cow::Borrowed(key) => write_plain_key(bytes, key),
                    Cow::Owned(key) => write_key(bytes, key),
                }
                latest.write(bytes);
            },
        );
        let of_metrics: [&[u8]; 2] = [br#","metrics":{"#, b"}"];
        write_all(bytes, of_metrics, &self.metrics, |bytes, (key, metric)| {
            write_plain_key(bytes, key);
            metric.write(bytes);
        });
        let of_adjacency: [&[u8]; 2] = [br#","adjacency":["#, b"]"];
        write_all(bytes, of_adjacency, &self.adjacency, |bytes, id| {
            write_text(bytes, id);
        });
        let of_parents: [&[u8]; 2] = [br#","parents":{"#, b"}"];
        write_all(bytes, of_parents, &self.parents, |bytes, (key, [id])| {
            write_plain_key(bytes, key);
            bytes.push(b'[');
            write_text(bytes, id);
            bytes.push(b']');
        });
        bytes.push(b'}');
    }
}

/// A node's values by key. Of two values of one key the later one counts.
#[derive(Debug, Default)]
pub struct Values<'a>(Vec<(Cow<'static, str>, Latest<'a>)>);

impl<'a> Values<'a> {
    /// Sets a value.
    pub fn set(&mut self, key: Cow<'static, str>, value: Latest<'a>) {
        self.0.push((key, value));
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Latest<'a>> {
        let mut latest_first = self.0.iter().rev();
        latest_first
            .find(|(known, _)| known == key)
            .map(|(_, value)| value)
    }

    /// Those that count, in the order of their keys.
    fn in_order(&mut self) -> impl Iterator<Item = &(Cow<'static, str>, Latest<'a>)> {
        self.0.sort_by(|one, other| one.0.cmp(&other.0));
        let values = &self.0;
        let is_last = |at: usize| values.get(at + 1).is_none_or(|next| next.0 != values[at].0);
        let numbered = values.iter().enumerate();
        numbered
            .filter(move |(at, _)| is_last(*at))
            .map(|(_, value)| value)
    }
}

impl<'a> FromIterator<(Cow<'static, str>, Latest<'a>)> for Values<'a> {
    fn from_iter<T: IntoIterator<Item = (Cow<'static, str>, Latest<'a>)>>(values: T) -> Self {
        let values = values.into_iter();
        // Most of what may be known is.
        let mut known = Vec::with_capacity(values.size_hint().1.unwrap_or_default());
        known.extend(values);
        Self(known)
    }
}

impl<'a> Extend<(Cow<'static, str>, Latest<'a>)> for Values<'a> {
    fn extend<T: IntoIterator<Item = (Cow<'static, str>, Latest<'a>)>>(&mut self, values: T) {
        self.0.extend(values);
    }
}

impl<'a> IntoIterator for Values<'a> {
    type Item = (Cow<'static, str>, Latest<'a>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// One value. Of two reports of the same key the newer wins.
#[derive(Debug)]
pub struct Latest<'a> {
    /// RFC 3339, as [`super::timestamp`] gives it.
    pub timestamp: &'a str,
    /// Always text.
    pub value: Cow<'a, str>,
}

impl Latest<'_> {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(br#"{"timestamp":"#);
        write_plain(bytes, self.timestamp);
        bytes.extend_from_slice(br#","value":"#);
        write_text(bytes, &self.value);
        bytes.push(b'}');
    }
}

/// One series with its scale.
#[derive(Debug)]
pub struct Metric<'a> {
    /// Oldest first; never empty.
    pub samples: Vec<Sample<'a>>,
    /// The least possible value.
    pub min: f64,
    /// The ceiling: the node is filled by value ÷ max.
    pub max: f64,
}

impl Metric<'_> {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(br#"{"samples":["#);
        write_all(bytes, [b"", b""], &self.samples, |bytes, sample| {
            bytes.extend_from_slice(br#"{"date":"#);
            write_plain(bytes, sample.date);
            bytes.extend_from_slice(br#","value":"#);
            write(bytes, &sample.value);
            bytes.push(b'}');
        });
        bytes.extend_from_slice(br#"],"min":"#);
        write(bytes, &self.min);
        bytes.extend_from_slice(br#","max":"#);
        write(bytes, &self.max);
        bytes.push(b'}');
    }
}

/// One figure.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// RFC 3339, as [`super::timestamp`] gives it.
    pub date: &'a str,
    /// Finite.
    pub value: f64,
}

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
    fn write(&self, bytes: &mut Vec<u8>) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn written(node: Node<'_>) -> Value {
        let mut nodes = Nodes::default();
        nodes.add(node, usize::MAX).unwrap();
        serde_json::from_slice(&[b"{", nodes.text.as_slice(), b"}"].concat()).unwrap()
    }

    proptest! {
        #[test]
        fn a_text_is_written_as_json_has_it(text in any::<String>()) {
            let mut bytes = Vec::new();
            write_text(&mut bytes, &text);
            prop_assert_eq!(bytes, serde_json::to_vec(&text).unwrap());
        }
    }

    #[test]
    fn a_node_has_all_that_is_known_of_it() {
        let node = Node {
            id: "a;<b>".into(),
            topology: "b",
            latest: [("key", "before"), ("other", "2"), ("key", "a \"b\"\n")]
                .map(|(key, value)| {
                    let (timestamp, value) = ("then", value.into());
                    (key.into(), Latest { timestamp, value })
                })
                .into_iter()
                .collect(),
            metrics: BTreeMap::from([(
                "metric",
                Metric {
                    samples: vec![
                        Sample {
                            date: "then",
                            value: 1.5,
                        },
                        Sample {
                            date: "now",
                            value: 0.0,
                        },
                    ],
                    min: 0.0,
                    max: 2.0,
                },
            )]),
            adjacency: vec!["c;<d>".into(), "e;<f>".into()],
            parents: BTreeMap::from([("host", ["h;<host>"])]),
        };
        assert_eq!(
            written(node),
            json!({"a;<b>": {
                "id": "a;<b>",
                "topology": "b",
                "latest": {
                    "key": {"timestamp": "then", "value": "a \"b\"\n"},
                    "other": {"timestamp": "then", "value": "2"},
                },
                "metrics": {"metric": {
                    "samples": [{"date": "then", "value": 1.5}, {"date": "now", "value": 0.0}],
                    "min": 0.0,
                    "max": 2.0,
                }},
                "adjacency": ["c;<d>", "e;<f>"],
                "parents": {"host": ["h;<host>"]},
            }})
        );
    }

    #[test]
    fn what_is_not_known_of_a_node_is_not_there() {
        let node = Node::new("a;<b>".into(), "b", Values::default());
        assert_eq!(written(node), json!({"a;<b>": {"id": "a;<b>", "topology": "b"}}));
    }
}
