//! Objects of all kinds by one type: what they are is known to who follows them.
//!
//! The client makes code of its own for each type that it follows, and there are thirty kinds and more. So an object comes as text,
//! and is taken apart after that. This also keeps one object that cannot be read from costing all others of its list.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// An object that is not taken apart yet.
#[derive(Debug, Clone)]
pub(super) struct Unread {
    /// Of the API's metadata only what the watch itself needs.
    meta: ObjectMeta,
    /// As the API wrote it.
    pub(super) json: Box<str>,
}

#[derive(Deserialize)]
struct Versioned {
    metadata: Option<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    resource_version: Option<String>,
}

// Of an event of a watch the client reads the type before the object, which API servers write in this order.
impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        let version = serde_json::from_str::<Versioned>(json).ok();
        let version = version.and_then(|object| object.metadata?.resource_version);
        Ok(Self {
            meta: ObjectMeta {
                resource_version: version,
                ..ObjectMeta::default()
            },
            json: json.into(),
        })
    }
}

// The client asks for it where it creates objects, which this program never does.
impl Serialize for Unread {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("objects are read, never written"))
    }
}

impl Resource for Unread {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(kind: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&kind.kind)
    }

    fn group(kind: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&kind.group)
    }

    fn version(kind: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&kind.version)
    }

    fn plural(kind: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&kind.plural)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}
