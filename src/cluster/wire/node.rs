//! Nodes.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, Visitor};

use super::{AtMost, Condition, Labels, MOST};

/// A Node.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Node {
    /// Metadata.
    pub metadata: Option<NodeMeta>,
    /// What is.
    pub status: Option<NodeStatus>,
}

/// A Node's `metadata`: that of all kinds, and what engines wrote into annotations under names that begin alike.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeMeta {
    /// Name.
    pub name: Option<String>,
    /// The annotations in use.
    pub annotations: Option<FreeSpace>,
    /// The labels in use.
    pub labels: Option<Labels>,
}

/// TopoLVM's annotations of a node: how much is free in each class of devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FreeSpace(pub Vec<(String, String)>);

impl<'de> Deserialize<'de> for FreeSpace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = FreeSpace;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("annotations")
            }

            fn visit_unit<E: Error>(self) -> Result<FreeSpace, E> {
                Ok(FreeSpace::default())
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<FreeSpace, A::Error> {
                let mut found = Vec::new();
                while let Some(key) = entries.next_key::<String>()? {
                    let class = key
                        .strip_prefix("capacity.topolvm.io/")
                        .or_else(|| key.strip_prefix("capacity.topolvm.cybozu.com/"));
                    match class {
                        Some(class) => found.push((class.to_owned(), entries.next_value()?)),
                        None => drop(entries.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(FreeSpace(found))
            }
        }
        deserializer.deserialize_any(Entries)
    }
}

/// A Node's `status`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct NodeStatus {
    /// Conditions.
    pub conditions: Option<AtMost<MOST, Condition>>,
}
