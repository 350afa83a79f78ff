//! An object of the API in lines for people: field and value, as `kubectl describe` has them, with its events.

use serde_json::Value;

use crate::model::text::{self, in_one_line};

/// Lines of an object that are shown, and of its events.
const MOST_FIELDS: usize = 60;
const MOST_EVENTS: usize = 12;
/// The most of one value, in characters.
const LONGEST_VALUE: usize = 300;

/// What nobody reads: who wrote which field last, and the whole object once more.
const LEFT_OUT: [&str; 2] = [
    "metadata.managedFields",
    "metadata.annotations.kubectl.kubernetes.io/last-applied-configuration",
];

/// The lines.
pub(super) fn lines(object: &Value, events: &[Value]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut more = 0;
    flatten("", object, &mut fields, &mut more);
    if more > 0 {
        fields.push(("…".to_owned(), format!("{more} more fields")));
    }
    let mut events: Vec<&Value> = events.iter().collect();
    // The last come first.
    events.sort_by_key(|event| std::cmp::Reverse(time(event)));
    fields.extend(events.into_iter().take(MOST_EVENTS).map(|event| {
        let text = |field: &str| event[field].as_str().unwrap_or_default();
        let times = match event["count"].as_u64() {
            Some(count) if count > 1 => format!(" ({count} times)"),
            _ => String::new(),
        };
        let what = format!("event {} {}", time(event), text("type"));
        (
            shortened(&what),
            shortened(&format!("{}: {}{times}", text("reason"), text("message"))),
        )
    }));
    fields
}

fn time(event: &Value) -> &str {
    ["lastTimestamp", "eventTime", "firstTimestamp"]
        .iter()
        .find_map(|field| event[*field].as_str())
        .unwrap_or_default()
}

/// What there is no room for is only counted, in `more`.
fn flatten(path: &str, value: &Value, lines: &mut Vec<(String, String)>, more: &mut usize) {
    if LEFT_OUT.contains(&path) {
        return;
    }
    if lines.len() >= MOST_FIELDS {
        *more += leaves(value);
        return;
    }
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (key, value) in fields {
                flatten(&below(&shortened(key)), value, lines, more);
            }
        }
        Value::Array(items) if is_flat(items) => {
            let mut words = String::new();
            for item in items {
                if words.len() > 4 * LONGEST_VALUE {
                    break;
                }
                if !words.is_empty() {
                    words.push_str(", ");
                }
                words.push_str(&word(item));
            }
            lines.push((shortened(path), shortened(&words)));
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                flatten(&format!("{path}[{number}]"), item, lines, more);
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            lines.push((shortened(path), shortened(&word(value))));
        }
    }
}

fn is_flat(items: &[Value]) -> bool {
    items.iter().all(|item| !item.is_object() && !item.is_array())
}

/// The lines that a value would be.
fn leaves(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Object(fields) => fields.values().map(leaves).sum(),
        Value::Array(items) if is_flat(items) => 1,
        Value::Array(items) => items.iter().map(leaves).sum(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), shortened)
}

fn shortened(text: &str) -> String {
    in_one_line(&text::shortened(text, LONGEST_VALUE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_told_in_lines_with_its_events_the_last_first() {
        let object = json!({
            "kind": "VolumeSnapshot",
            "metadata": {"name": "daily", "managedFields": [{"manager": "kubectl"}]},
            "spec": {"source": {"persistentVolumeClaimName": "data"}, "modes": ["a", "b"]},
            "status": {"readyToUse": true, "error": null, "conditions": [{"type": "Ready"}]},
        });
        let events = [
            json!({"type": "Normal", "reason": "Creating", "message": "began", "lastTimestamp": "2026-01-01T00:00:00Z"}),
            json!({"type": "Warning", "reason": "Failed", "message": "no\nroom", "count": 3, "lastTimestamp": "2026-01-02T00:00:00Z"}),
        ];
        let told = lines(&object, &events);
        let told: Vec<(&str, &str)> = told.iter().map(|(field, value)| (&**field, &**value)).collect();
        assert_eq!(
            told,
            [
                ("kind", "VolumeSnapshot"),
                ("metadata.name", "daily"),
                ("spec.modes", "a, b"),
                ("spec.source.persistentVolumeClaimName", "data"),
                ("status.conditions[0].type", "Ready"),
                ("status.readyToUse", "true"),
                ("event 2026-01-02T00:00:00Z Warning", "Failed: no room (3 times)"),
                ("event 2026-01-01T00:00:00Z Normal", "Creating: began"),
            ]
        );
    }

    #[test]
    fn names_of_fields_are_cut_like_values() {
        let long = "k".repeat(100_000);
        let words: Vec<Value> = (0..100_000).map(|number| json!(number)).collect();
        let told = lines(&json!({"data": {long: "x", "words": words}}), &[]);
        assert_eq!(told.len(), 2);
        for (field, value) in &told {
            assert!(field.chars().count() <= LONGEST_VALUE + 10, "{}", field.len());
            assert!(value.chars().count() <= LONGEST_VALUE + 1, "{}", value.len());
        }
        assert!(told[1].1.starts_with("0, 1, 2, "));
    }

    #[test]
    fn names_within_names_and_the_sorts_of_events_are_cut_as_well() {
        let long = "k".repeat(200);
        let event = json!({"type": format!("{long}{long}\nsecond line"), "message": "came"});
        let told = lines(&json!({ &long: { &long: 1 } }), &[event]);
        assert_eq!(told.len(), 2);
        for (field, _) in &told {
            assert!(field.chars().count() <= LONGEST_VALUE + 1, "{}", field.len());
            assert!(!field.contains(char::is_control), "{field:?}");
        }
    }

    #[test]
    fn a_huge_object_is_told_in_part() {
        let labels: serde_json::Map<String, Value> = (0..500)
            .map(|number| (format!("label-{number}"), json!("x".repeat(1000))))
            .collect();
        let told = lines(&json!({"metadata": {"labels": labels}}), &[]);
        assert_eq!(told.len(), MOST_FIELDS + 1);
        assert_eq!(told[MOST_FIELDS].1, "440 more fields");
        assert!(
            told.iter()
                .all(|(_, value)| value.chars().count() <= LONGEST_VALUE + 1)
        );
    }
}
