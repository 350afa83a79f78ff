//! Objects of storage engines, of all kinds by one type: what they are is known to their engine.

use super::object::{self, Reading};
use super::wire::Meta;
use crate::engine::fields::Document;
use crate::engine::{self, Engine};
use crate::model::inventory::ResourceKind;
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
        let key = |meta: &Meta| {
            let namespace = meta.namespace.clone().unwrap_or_default();
            Some(NamespacedName::new(namespace, meta.name.clone()?))
        };
        let names = |document: &mut Document| Meta {
            name: document.metadata.name.clone(),
            namespace: document.metadata.namespace.clone(),
            ..Meta::default()
        };
        object::read_as(
            ResourceKind::Engine(self.resource),
            json,
            names,
            key,
            |_, _, document, complain| engine::read(self.engine, self.resource, &document, complain),
        )
    }
}
