//! StorageClasses.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::Meta;

/// A StorageClass.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageClass {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// Who makes its volumes.
    pub provisioner: Option<String>,
    /// What becomes of them.
    pub reclaim_policy: Option<String>,
    /// When claims get them.
    pub volume_binding_mode: Option<String>,
    /// Whether they can grow.
    pub allow_volume_expansion: Option<bool>,
    /// The provisioner's settings; they are counted.
    pub parameters: Option<Count>,
}

/// How many entries an object has; their content is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Count;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Count, A::Error> {
                let mut count = 0;
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Count(count))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
