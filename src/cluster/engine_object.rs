//! Objects of storage engines, of all kinds by one type: what they are is known to their engine.

use std::sync::Arc;

use super::object::{Reading, subject};
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
