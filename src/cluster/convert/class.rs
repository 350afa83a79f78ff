//! StorageClasses.

use super::{time, word};
use crate::cluster::object::Watched;
use crate::cluster::wire::{self, Meta};
use crate::model::inventory::ResourceKind;
use crate::model::workload::{BindingMode, ReclaimPolicy, StorageClass};

impl Watched for StorageClass {
    const KIND: ResourceKind = ResourceKind::Classes;
    const API_KIND: &'static str = "StorageClass";
    type Wire = wire::StorageClass;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        wire.metadata.take().unwrap_or_default()
    }

    fn convert(key: &String, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let annotations = meta.annotations.unwrap_or_default();
        let defaults = [annotations.default_class, annotations.default_class_beta];
        Self {
            uid: meta.uid.unwrap_or_default(),
            name: key.clone(),
            provisioner: wire.provisioner,
            reclaim_policy: word(wire.reclaim_policy, ReclaimPolicy::from_word),
            binding_mode: word(wire.volume_binding_mode, BindingMode::from_word),
            is_default: defaults.iter().any(|is| is.as_deref() == Some("true")),
            allows_expansion: wire.allow_volume_expansion.unwrap_or(false),
            created: time(meta.creation_timestamp.as_deref(), "creationTimestamp", complain),
        }
    }
}
