//! How a report is read: its nodes, ids and timestamps.

use jiff::Timestamp;
use serde_json::Value;

use super::TOPOLOGIES;

/// A node with where it stands.
pub(super) struct Located<'a> {
    /// The topology's key in the report.
    pub(super) name: &'static str,
    /// The topology's name on nodes.
    pub(super) topology: &'static str,
    /// All of the topology.
    pub(super) whole: &'a Value,
    /// The key under which the node stands.
    pub(super) key: &'a str,
    pub(super) node: &'a Value,
}

impl Located<'_> {
    pub(super) fn latest(&self, key: &str) -> &str {
        text(&self.node["latest"][key]["value"])
    }

    /// The violation `what` of this node.
    pub(super) fn fault(&self, what: impl std::fmt::Display) -> String {
        format!("{} `{}`: {what}", self.name, self.key)
    }
}

/// All nodes of the report.
pub(super) fn nodes(report: &Value) -> impl Iterator<Item = Located<'_>> {
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

pub(super) fn nodes_of<'a>(report: &'a Value, name: &str) -> impl Iterator<Item = Located<'a>> {
    nodes(report).filter(move |located| located.name == name)
}

pub fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What an id such as `UID;<pod>` says of its topology; none for an id of any other form.
pub fn topology_of(id: &str) -> Option<&'static str> {
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
pub(super) fn moment(value: &Value) -> Result<Timestamp, String> {
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
