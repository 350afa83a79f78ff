//! What Scope's request `POST /control` is answered.

use serde::Serialize;
use serde_json::value::RawValue;

/// The answer. Scope puts `removedNode` out of its page at once, takes `shortcutReport` in before the next report, and shows `error` as it
/// stands.
#[derive(Debug, Default, Serialize)]
pub struct ControlAnswer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(rename = "removedNode", skip_serializing_if = "Option::is_none")]
    removed_node: Option<&'a str>,
    #[serde(rename = "shortcutReport", skip_serializing_if = "Option::is_none")]
    shortcut_report: Option<Box<RawValue>>,
}

impl<'a> ControlAnswer<'a> {
    /// It was not done, and why.
    pub fn refusal(error: &'a str) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }

    /// It was done, with these words; without any it is under way.
    pub fn done(words: Option<&'a str>) -> Self {
        Self {
            value: words,
            ..Self::default()
        }
    }

    /// The node is gone.
    #[must_use]
    pub fn without_node(mut self, node: &'a str) -> Self {
        self.removed_node = Some(node);
        self
    }

    /// The node as it is now: a report in JSON with that node. Of bytes that are none the answer is without it.
    #[must_use]
    pub fn with_report(mut self, report: Vec<u8>) -> Self {
        self.shortcut_report = String::from_utf8(report)
            .ok()
            .and_then(|text| RawValue::from_string(text).ok());
        self
    }

    /// As it goes over the wire.
    pub fn json(&self) -> Vec<u8> {
        // Writing to memory cannot fail, and there is no key but text.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
