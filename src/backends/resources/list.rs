//! A list of the Kubernetes API: its items one by one, and whether there is more of it.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::backends::list::Items;

/// No list has more items: it is more than Kubernetes has pods.
pub(super) const MOST_ITEMS: usize = 100_000;

/// Of a list's metadata what is used.
#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(rename = "continue")]
    further: Option<String>,
}

/// Takes the items of a list, whatever its kind, of which there may be `most`. Gives by what the next page is asked for; `None` where there is none.
pub(super) fn items<'de, T: Deserialize<'de>>(
    body: &'de [u8],
    most: usize,
    take: &mut dyn FnMut(T),
) -> serde_json::Result<Option<String>> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let further = json.deserialize_map(List(Items { most, take }))?;
    json.end()?;
    Ok(further.filter(|further| !further.is_empty()))
}

struct List<'a, T>(Items<'a, T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<'_, T> {
    type Value = Option<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with items")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
        let Items { most, take } = self.0;
        let mut further = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "items" => map.next_value_seed(Items { most, take })?,
                "metadata" => further = map.next_value::<Option<Meta>>()?.unwrap_or_default().further,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(further)
    }
}
