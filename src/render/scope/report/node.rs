//! One node of a report: what is known of a thing, and what it belongs to.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::json::{write, write_all, write_key, write_plain, write_plain_key, write_text};

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
    pub(super) fn write(&mut self, bytes: &mut Vec<u8>) {
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
    /// RFC 3339, as [`timestamp`](crate::render::scope::timestamp) gives it.
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
    /// RFC 3339, as [`timestamp`](crate::render::scope::timestamp) gives it.
    pub date: &'a str,
    /// Finite.
    pub value: f64,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Nodes;
    use super::*;

    fn written(node: Node<'_>) -> Value {
        let mut nodes = Nodes::default();
        nodes.add(node, usize::MAX).unwrap();
        serde_json::from_slice(&[b"{", nodes.text.as_slice(), b"}"].concat()).unwrap()
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
