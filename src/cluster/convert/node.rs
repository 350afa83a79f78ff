//! Nodes.

use super::{holds, items, size};
use crate::cluster::object::Watched;
use crate::cluster::wire::{self, Meta, Quantity};
use crate::model::inventory::ResourceKind;
use crate::model::workload::Node;

impl Watched for Node {
    const KIND: ResourceKind = ResourceKind::Nodes;
    const API_KIND: &'static str = "Node";
    type Wire = wire::Node;
    type Key = String;

    fn take_meta(wire: &mut Self::Wire) -> Meta {
        // What is a node's alone stays for the conversion.
        let Some(meta) = &mut wire.metadata else {
            return Meta::default();
        };
        Meta {
            name: meta.name.take(),
            labels: meta.labels.take(),
            ..Meta::default()
        }
    }

    fn convert(key: &String, meta: Meta, wire: Self::Wire, complain: &mut Vec<String>) -> Self {
        let labels = meta.labels.unwrap_or_default();
        let free = wire
            .metadata
            .and_then(|meta| meta.annotations)
            .unwrap_or_default();
        let conditions = wire.status.and_then(|status| status.conditions);
        Self {
            name: key.clone(),
            other_names: [labels.openebs_node, labels.openebs_id, labels.topolvm_node]
                .into_iter()
                .flatten()
                .filter(|name| name != key)
                .collect(),
            free: free
                .0
                .into_iter()
                .filter_map(|(class, bytes)| {
                    let field = format!("annotation of the class {class}");
                    Some((class, size(Some(Quantity(bytes)), &field, complain)?))
                })
                .collect(),
            host_name: labels.host_name,
            ready: items(conditions, "status.conditions", complain)
                .find(|condition| condition.kind.as_deref() == Some("Ready"))
                .and_then(|condition| holds(condition.status.as_deref())),
        }
    }
}
