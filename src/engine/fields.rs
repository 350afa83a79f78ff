//! An engine's object, field by field: whatever is missing, or of another shape than thought, is no value.

use std::cell::RefCell;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::values::Part;
use crate::model::{quantity, text};

/// An object as the API writes it, without the records of who set which field.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// Its metadata.
    #[serde(default)]
    pub metadata: Metadata,
    spec: Option<Part>,
    status: Option<Part>,
    volume_groups: Option<Part>,
    pools: Option<Part>,
}

/// `metadata`, as far as engines are read.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Name.
    pub name: Option<String>,
    /// Namespace, for kinds that have one.
    pub namespace: Option<String>,
    labels: Option<Map<String, Value>>,
    annotations: Option<Map<String, Value>>,
}

/// An object, or a part of one.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    document: &'a Document,
    /// The part; `None` for the whole.
    part: Option<&'a Value>,
    /// Where the part is, for people.
    place: String,
    complaints: Rc<RefCell<Complaints>>,
}

/// So many complaints of one object are told: who writes an object with ten thousand wrong fields gets no more lines in the log.
const MOST_COMPLAINTS: usize = 8;

/// No name, path or word of an engine's is longer. An object may have a megabyte of text, and what names a disk stands in the labels of
/// each copy above it.
const LONGEST: usize = 1000;

/// So much of the place of a complaint is told: keys of maps stand in it.
const LONGEST_PLACE: usize = 200;

const TOO_LONG: &str = "longer than 1000 bytes";

/// What was not of the shape that was thought, each once.
#[derive(Debug, Default)]
struct Complaints {
    first: Vec<String>,
    are_more: bool,
}

impl<'a> Fields<'a> {
    /// A whole object.
    pub fn of(document: &'a Document) -> Self {
        Self {
            document,
            part: None,
            place: String::new(),
            complaints: Rc::default(),
        }
    }

    /// What was not of the shape that was thought.
    pub fn into_complaints(self) -> Vec<String> {
        let Complaints { mut first, are_more } = self.complaints.take();
        if are_more {
            first.push("other fields as well".to_owned());
        }
        first
    }

    /// The object's name.
    pub fn name(&self) -> &'a str {
        self.document.metadata.name.as_deref().unwrap_or_default()
    }

    /// The object's namespace.
    pub fn namespace(&self) -> &'a str {
        self.document.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// A label; `None` where it is not there, empty or too long for a name.
    pub fn label(&self, key: &str) -> Option<&'a str> {
        self.text_of(key, self.document.metadata.labels.as_ref()?.get(key)?)
    }

    /// An annotation; `None` where it is not there, empty or too long for a name.
    pub fn annotation(&self, key: &str) -> Option<&'a str> {
        self.text_of(key, self.document.metadata.annotations.as_ref()?.get(key)?)
    }

    /// A field that is a text, by its path (`status.phase`); `None` where it is not there, empty or too long for a name.
    pub fn text(&self, path: &str) -> Option<&'a str> {
        self.short(path, self.any_text(path)?)
    }

    /// A field that is written for people, by its path; `None` where it is not there, or empty. It is cut where no sentence goes on.
    pub fn sentence(&self, path: &str) -> Option<String> {
        let sentence = self.any_text(path).filter(|text| !text.is_empty())?;
        Some(text::shortened(sentence, LONGEST))
    }

    fn any_text(&self, path: &str) -> Option<&'a str> {
        let text = self.find(path)?.as_str();
        if text.is_none() {
            self.complain(path, "not a text");
        }
        text
    }

    /// The text of a value; what is no text is none.
    fn text_of(&self, path: &str, value: &'a Value) -> Option<&'a str> {
        self.short(path, value.as_str()?)
    }

    /// The text, if there is any; one that is too long for a name is none.
    fn short(&self, path: &str, text: &'a str) -> Option<&'a str> {
        if text.len() > LONGEST {
            self.complain(path, TOO_LONG);
            return None;
        }
        (!text.is_empty()).then_some(text)
    }

    /// A field that is an amount of bytes: a number, or a text as Kubernetes writes amounts.
    pub fn bytes(&self, path: &str) -> Option<u64> {
        let value = self.find(path)?;
        let text = match value {
            Value::Number(number) => number.to_string(),
            Value::String(text) if text.is_empty() => return None,
            Value::String(text) => text.clone(),
            _ => {
                self.complain(path, "not a size");
                return None;
            }
        };
        quantity::bytes(&text)
            .map_err(|error| self.complain(path, &error.to_string()))
            .ok()
    }

    /// A field that counts something; texts of digits count as well.
    pub fn number(&self, path: &str) -> Option<u64> {
        let value = self.find(path)?;
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) if text.is_empty() => return None,
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.complain(path, "not a number");
        }
        number
    }

    /// A field that is yes or no.
    pub fn flag(&self, path: &str) -> Option<bool> {
        let value = self.find(path)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.complain(path, "neither true nor false");
        }
        flag
    }

    /// The texts of a list.
    pub fn texts(&self, path: &str) -> Vec<&'a str> {
        let texts = self.array(path).iter();
        texts.filter_map(|value| self.text_of(path, value)).collect()
    }

    /// The entries of a list.
    pub fn list(&self, path: &str) -> Vec<Self> {
        let entry = |(at, value)| self.part(&format!("{path}[{at}]"), value);
        self.array(path).iter().enumerate().map(entry).collect()
    }

    /// The entries of a map, with their keys.
    pub fn entries(&self, path: &str) -> Vec<(&'a str, Self)> {
        match self.find(path) {
            Some(Value::Object(map)) => map
                .iter()
                .filter_map(|(key, value)| {
                    let key = self.short(path, key)?;
                    Some((key, self.part(&format!("{path}.{key}"), value)))
                })
                .collect(),
            Some(_) => {
                self.complain(path, "not an object");
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// True where the field is there, whatever stands in it.
    pub fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// True where the field is a list.
    pub fn is_list(&self, path: &str) -> bool {
        self.find(path).is_some_and(Value::is_array)
    }

    fn array(&self, path: &str) -> &'a [Value] {
        match self.find(path) {
            Some(Value::Array(list)) => list,
            Some(_) => {
                self.complain(path, "not a list");
                &[]
            }
            None => &[],
        }
    }

    fn part(&self, place: &str, value: &'a Value) -> Self {
        Self {
            document: self.document,
            part: Some(value),
            place: format!("{}{place}.", self.place),
            complaints: Rc::clone(&self.complaints),
        }
    }

    fn find(&self, path: &str) -> Option<&'a Value> {
        let mut rest = path;
        let mut value = if let Some(value) = self.part {
            value
        } else {
            let (first, further) = path.split_once('.').unwrap_or((path, ""));
            rest = further;
            let document = self.document;
            let part = match first {
                "spec" => &document.spec,
                "status" => &document.status,
                "volumeGroups" => &document.volume_groups,
                "pools" => &document.pools,
                _ => return None,
            };
            &part.as_ref()?.0
        };
        while !rest.is_empty() && !value.is_null() {
            let (key, further) = rest.split_once('.').unwrap_or((rest, ""));
            let Value::Object(map) = value else {
                let parent = path[..path.len() - rest.len()].trim_end_matches('.');
                self.complain(parent, "not an object");
                return None;
            };
            value = map.get(key)?;
            rest = further;
        }
        (!value.is_null()).then_some(value)
    }

    fn complain(&self, path: &str, what: &str) {
        let place = text::shortened(&self.place, LONGEST_PLACE);
        let complaint = format!("{place}{path}: {what}");
        let mut complaints = self.complaints.borrow_mut();
        if complaints.first.contains(&complaint) {
            return;
        }
        if complaints.first.len() < MOST_COMPLAINTS {
            complaints.first.push(complaint);
        } else {
            complaints.are_more = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(json: &str) -> Document {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_is_there_is_read_and_what_is_not_is_none() {
        let document = document(
            r#"{"metadata": {"name": "n", "labels": {"a.b/c": "d"}},
                "spec": {"size": "10Gi", "count": "3", "bytes": 7, "text": "", "null": null, "list": ["x", "y"]}}"#,
        );
        let fields = Fields::of(&document);
        assert_eq!((fields.name(), fields.label("a.b/c")), ("n", Some("d")));
        assert_eq!(fields.bytes("spec.size"), Some(10 << 30));
        assert_eq!(
            (fields.number("spec.count"), fields.bytes("spec.bytes")),
            (Some(3), Some(7))
        );
        assert_eq!(fields.texts("spec.list"), ["x", "y"]);
        assert_eq!((fields.text("spec.text"), fields.text("spec.null")), (None, None));
        assert_eq!(
            (fields.text("status.phase"), fields.text("spec.a.b.c")),
            (None, None)
        );
        assert_eq!(fields.into_complaints(), [] as [String; 0]);
    }

    #[test]
    fn what_is_of_another_shape_is_said_once() {
        let document = document(
            r#"{"spec": {"size": "much", "list": 5, "text": {}}, "status": 5, "pools": [{"free": []}]}"#,
        );
        let fields = Fields::of(&document);
        assert_eq!(fields.bytes("spec.size"), None);
        assert_eq!(fields.texts("spec.list"), [] as [&str; 0]);
        assert_eq!(fields.text("spec.text"), None);
        assert_eq!(
            (fields.text("status.phase"), fields.text("status.reason")),
            (None, None)
        );
        assert_eq!(fields.list("pools")[0].bytes("free"), None);
        assert_eq!(
            fields.into_complaints(),
            [
                "spec.size: not a quantity (10Gi, 1.5T, 1e9, 250m)",
                "spec.list: not a list",
                "spec.text: not a text",
                "status: not an object",
                "pools[0].free: not a size",
            ]
        );
    }

    #[test]
    fn what_is_too_long_for_a_name_is_none_and_said_once() {
        let long = "x".repeat(LONGEST + 1);
        let document = document(&format!(
            r#"{{"metadata": {{"labels": {{"a": "{long}"}}, "annotations": {{"b": "{long}"}}}},
                "spec": {{"serial": "{long}", "links": ["{long}", "/dev/sda", "{long}"], "fits": "{}",
                          "disks": {{"{long}": {{}}, "short": {{"{}": {{"free": []}}}}}}}},
                "status": {{"message": "{long}"}}}}"#,
            &long[1..],
            &long[1..],
        ));
        let fields = Fields::of(&document);
        assert_eq!((fields.label("a"), fields.annotation("b")), (None, None));
        assert_eq!(
            (fields.text("spec.serial"), fields.text("spec.serial")),
            (None, None)
        );
        assert_eq!(fields.text("spec.fits").map(str::len), Some(LONGEST));
        assert_eq!(fields.texts("spec.links"), ["/dev/sda"]);
        let disks = fields.entries("spec.disks");
        assert_eq!(disks.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["short"]);
        let inner = disks[0].1.entries("");
        assert_eq!(inner[0].1.bytes("free"), None);
        let sentence = fields.sentence("status.message").unwrap();
        assert_eq!(sentence.chars().count(), LONGEST + 1, "cut, with an ellipsis");
        drop((disks, inner));
        let place = format!("spec.disks.short..{}…", "x".repeat(LONGEST_PLACE - 18));
        let complaints = fields.into_complaints();
        let too_long = |place: &str| format!("{place}: {TOO_LONG}");
        assert_eq!(
            complaints,
            [
                too_long("a"),
                too_long("b"),
                too_long("spec.serial"),
                too_long("spec.links"),
                too_long("spec.disks"),
                format!("{place}free: not a size"),
            ]
        );
    }

    #[test]
    fn of_many_wrong_fields_the_first_are_told() {
        let pools = vec![r#"{"free": "-1"}"#; 1000].join(",");
        let document = document(&format!(r#"{{"pools": [{pools}]}}"#));
        let fields = Fields::of(&document);
        for pool in fields.list("pools") {
            assert_eq!((pool.bytes("free"), pool.bytes("free")), (None, None));
        }
        let complaints = fields.into_complaints();
        assert_eq!(complaints.len(), MOST_COMPLAINTS + 1);
        assert!(complaints[0].starts_with("pools[0].free: "), "{complaints:?}");
        assert_eq!(complaints[MOST_COMPLAINTS], "other fields as well");
    }
}
