//! Values of an object, as many as any engine writes and no more.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// So many values a part of an object has at most: texts and numbers, lists and objects. A node with a thousand replicas has some thousands.
/// Here an object with one field takes 700 bytes, in JSON eight, and whoever may make Deployments can fill one with them.
const MOST_VALUES: usize = 20_000;

/// A part of an object. Of one with too many values nothing is taken.
#[derive(Debug)]
pub(super) struct Part(pub(super) Value);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut room = MOST_VALUES;
        Values { room: &mut room }.deserialize(deserializer).map(Self)
    }
}

/// Reads a value and all that is in it, as long as there is room.
struct Values<'a> {
    room: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        *self.room = self.room.checked_sub(1).ok_or_else(|| {
            D::Error::custom(format_args!(
                "more than {MOST_VALUES} values, as no engine's object has"
            ))
        })?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Values { room: self.room })? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(Values { room: self.room })?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_are() {
        let text =
            r#"{"a": [1, -2, 3.5, "x\n", true, null, {}], "b": {"c": {"d": []}}, "": 18446744073709551615}"#;
        let part: Part = serde_json::from_str(text).unwrap();
        assert_eq!(part.0, serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn a_part_of_more_values_than_any_has_is_none() {
        let list = |items: usize| format!("[{}0]", r#"{"a":0},"#.repeat(items));
        // The list, its last item, and two for each of the others.
        let full = (MOST_VALUES - 2) / 2;
        assert!(serde_json::from_str::<Part>(&list(full)).is_ok());
        let said = serde_json::from_str::<Part>(&list(full + 1))
            .unwrap_err()
            .to_string();
        assert!(
            said.starts_with("more than 20000 values, as no engine's object has"),
            "{said}"
        );
    }
}
