//! Objects of storage engines, of all kinds by one type: what they are is known to who follows them.
//!
//! The client makes code of its own for each type that it follows. Engines have twenty kinds and more; so an object comes as text, and is
//! taken apart by its engine after that.

use std::borrow::Cow;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::object::{Reading, subject, with_version};
use crate::engine::fields::Document;
use crate::engine::{self, Engine};
use crate::model::fault::Fault;
use crate::model::inventory::{KUBERNETES, ResourceKind};
use crate::model::replica::{EngineObject, EngineResource};
use crate::model::workload::NamespacedName;

/// An engine with one of its kinds.
#[derive(Debug, Clone, Copy)]
pub(super) struct EngineKind {
    pub(super) engine: &'static dyn Engine,
    pub(super) resource: &'static EngineResource,
}

impl EngineKind {
    /// All that are known.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        engine::resources().map(|(engine, resource)| Self { engine, resource })
    }

    /// The kind that an object of a dump is of.
    pub(super) fn of_object(api_version: &str, kind: &str) -> Option<Self> {
        let (group, _) = api_version.split_once('/')?;
        Self::all().find(|known| known.resource.group == group && known.resource.kind == kind)
    }

    /// Reads an object's JSON. A namespace is part of the key for all: what lives in none has an empty one.
    pub(super) fn read(self, json: &str) -> Reading<NamespacedName, EngineObject> {
        let kind = ResourceKind::Engine(self.resource);
        let document: Document = match serde_json::from_str(json) {
            Ok(document) => document,
            Err(error) => {
                let legible: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
                let text = |field: &str| legible["metadata"][field].as_str();
                let (namespace, name) = (text("namespace"), text("name"));
                return Reading {
                    key: name.map(|name| NamespacedName::new(namespace.unwrap_or_default(), name)),
                    value: None,
                    faults: vec![Fault::new(
                        KUBERNETES,
                        subject(kind, namespace, name),
                        format!("left out: {error}"),
                    )],
                };
            }
        };
        let meta = &document.metadata;
        let subject = subject(kind, meta.namespace.as_deref(), meta.name.as_deref());
        let fault = |complaint| Fault::new(KUBERNETES, subject.clone(), complaint);
        let Some(name) = &meta.name else {
            return Reading {
                key: None,
                value: None,
                faults: vec![fault("it has no name".to_owned())],
            };
        };
        let mut complaints = Vec::new();
        let value = engine::read(self.engine, self.resource, &document, &mut complaints);
        Reading {
            key: Some(NamespacedName::new(
                meta.namespace.clone().unwrap_or_default(),
                name,
            )),
            value: Some(Arc::new(value)),
            faults: complaints.into_iter().map(fault).collect(),
        }
    }
}

/// An object that is not taken apart yet.
#[derive(Debug, Clone)]
pub(super) struct Unread {
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

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        let version = serde_json::from_str::<Versioned>(json).ok();
        let version = version.and_then(|object| object.metadata?.resource_version);
        Ok(Self {
            meta: with_version(version),
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
