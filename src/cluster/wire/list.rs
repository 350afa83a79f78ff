//! Lists in an object: the first of their items, as many as anything has.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

/// So many entries of one sort an object of any kind has at most.
pub const MOST: usize = 1000;

/// The first items of a list. The others are passed over and counted: whoever may make an object writes an item in two letters of JSON, and
/// here it would be a thousand bytes.
#[derive(Debug, Clone)]
pub struct AtMost<const MOST: usize, T> {
    /// The first, `MOST` of them at most.
    pub first: Vec<T>,
    /// How many more there are.
    pub more: usize,
}

impl<'de, const MOST: usize, T: Deserialize<'de>> Deserialize<'de> for AtMost<MOST, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Items::<MOST, T>(PhantomData))
    }
}

struct Items<const MOST: usize, T>(PhantomData<T>);

impl<'de, const MOST: usize, T: Deserialize<'de>> Visitor<'de> for Items<MOST, T> {
    type Value = AtMost<MOST, T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let (mut first, mut more) = (Vec::new(), 0);
        while first.len() < MOST {
            match items.next_element()? {
                Some(item) => first.push(item),
                None => return Ok(AtMost { first, more }),
            }
        }
        while items.next_element::<IgnoredAny>()?.is_some() {
            more += 1;
        }
        Ok(AtMost { first, more })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_list_so_many_items_are_held_and_the_others_counted() {
        let read = |text: &str| -> (Vec<u8>, usize) {
            let list: AtMost<3, u8> = serde_json::from_str(text).unwrap();
            (list.first, list.more)
        };
        assert_eq!(read("[]"), (vec![], 0));
        assert_eq!(read("[1, 2, 3]"), (vec![1, 2, 3], 0));
        // What is passed over may be of any shape.
        assert_eq!(read(r#"[1, 2, 3, {"a": [4]}, "5"]"#), (vec![1, 2, 3], 2));
        let none = serde_json::from_str::<Option<AtMost<3, u8>>>("null").unwrap();
        assert!(none.is_none());
        for wrong in ["[1, 2", "[1, 2, 3, 4", "[1, 2, 3, {]", "{}", "[1, \"2\"]"] {
            assert!(serde_json::from_str::<AtMost<3, u8>>(wrong).is_err(), "{wrong}");
        }
    }
}
