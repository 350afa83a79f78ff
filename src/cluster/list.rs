//! Lists of others, which may be of any length. Their items are taken one by one, so that no more is held than what is made of each.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, de};

/// No object has more parts of one sort: containers of a pod, addresses of a service's slice.
const MOST_PARTS: usize = 1000;

/// Takes each item of an array, and an error where there are more than `most`. An array that is null has none.
pub(crate) struct Items<'a, T> {
    /// So many there may be.
    pub(crate) most: usize,
    /// What becomes of each.
    pub(crate) take: &'a mut dyn FnMut(T),
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Items<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<'_, T> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a sequence")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut taken = 0;
        while let Some(item) = items.next_element()? {
            taken += 1;
            if taken > self.most {
                return Err(A::Error::custom(too_many(self.most)));
            }
            (self.take)(item);
        }
        Ok(())
    }
}

/// What is said of more than there can be.
pub(crate) fn too_many(most: usize) -> String {
    format!("more than {most} items, which nothing has")
}

/// The parts of one object, unless there are more than any has.
#[derive(Debug)]
pub(crate) struct Few<T>(pub(crate) Vec<T>);

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut parts = Vec::new();
        let items = Items {
            most: MOST_PARTS,
            take: &mut |part| parts.push(part),
        };
        items.deserialize(deserializer)?;
        Ok(Self(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_more_parts_than_anything_has_is_not_taken() {
        let parts = |number: usize| format!("[{}7]", "7,".repeat(number - 1));
        let taken = |text: &str| serde_json::from_str::<Few<u8>>(text).map(|few| few.0.len());
        assert_eq!(taken(&parts(MOST_PARTS)).unwrap(), MOST_PARTS);
        assert_eq!(taken("null").unwrap(), 0);
        let said = taken(&parts(MOST_PARTS + 1)).unwrap_err().to_string();
        assert!(said.starts_with("more than 1000 items"), "{said}");
    }
}
