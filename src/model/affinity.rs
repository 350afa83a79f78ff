//! Which nodes a volume can be used on alone.

use super::cluster_map::ClusterMap;
use super::workload::PersistentVolume;

/// The label of a node by which local volumes name it.
const HOST_NAME: &str = "kubernetes.io/hostname";
/// How an affinity names a node by its name.
const NODE_NAME: &str = "metadata.name";

impl ClusterMap {
    /// The nodes that an affinity names one by one, in order; none where it names zones or anything else that many nodes share.
    ///
    /// An affinity names a node by its host name, by its name, or by a label of a storage engine's own, whose value may
    /// be the node's name.
    pub fn nodes_of(&self, volume: &PersistentVolume) -> Vec<String> {
        let mut found = Vec::new();
        for requirement in volume.node_affinity.iter().flatten() {
            if requirement.operator != "In" {
                continue;
            }
            for value in &requirement.values {
                let node = match requirement.key.as_str() {
                    NODE_NAME => Some(value.clone()),
                    HOST_NAME => Some(self.with_host_name(value).unwrap_or(value).to_owned()),
                    _ => self.inventory.nodes.contains_key(value).then(|| value.clone()),
                };
                found.extend(node);
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// The node of a host name. Most are called by that itself, and the others are known by their other names.
    fn with_host_name<'a>(&'a self, host_name: &'a str) -> Option<&'a str> {
        let nodes = &self.inventory.nodes;
        let has_it = |node: &str| {
            let known = nodes.get(node);
            known.is_some_and(|known| known.host_name.as_deref() == Some(host_name))
        };
        if has_it(host_name) {
            return Some(host_name);
        }
        let node = self.node_aliases.get(host_name)?;
        if has_it(node) {
            return Some(node);
        }
        // An engine has the same name for another node.
        let mut nodes = nodes.values();
        let known = nodes.find(|known| known.host_name.as_deref() == Some(host_name))?;
        Some(&known.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::*;
    use crate::model::inventory::Inventory;
    use crate::model::shared_map::SharedMap;
    use crate::model::workload::{Node, NodeRequirement};

    fn local(values: &[(&str, &str, &str)]) -> PersistentVolume {
        PersistentVolume {
            uid: "u".into(),
            name: "pv".into(),
            phase: None,
            reason: None,
            message: None,
            class: None,
            capacity: None,
            access_modes: Vec::new(),
            reclaim_policy: None,
            mode: crate::model::volume::VolumeMode::Filesystem,
            claim: None,
            source: None,
            migrated_to: None,
            provisioned_by: None,
            details: None,
            node_affinity: vec![
                values
                    .iter()
                    .map(|(key, operator, value)| NodeRequirement {
                        key: (*key).into(),
                        operator: (*operator).into(),
                        values: vec![(*value).into()],
                    })
                    .collect(),
            ],
            created: None,
            deletion: None,
        }
    }

    fn node(name: &str, host_name: &str) -> Node {
        Node {
            name: name.into(),
            host_name: Some(host_name.into()),
            ready: Some(true),
            other_names: Vec::new(),
            free: Vec::new(),
        }
    }

    #[test]
    fn a_local_volume_names_its_node_by_host_name() {
        let nodes = [
            node("worker-1.example", "worker-1"),
            node("worker-3", "worker-3"),
            node("worker-4.example", "worker-4"),
        ];
        let nodes = nodes.map(|node| (node.name.clone(), Arc::new(node)));
        let map = ClusterMap {
            inventory: Arc::new(Inventory {
                nodes: Arc::new(SharedMap::from_iter(nodes)),
                ..Inventory::default()
            }),
            node_aliases: HashMap::from([
                ("worker-1".to_owned(), "worker-1.example".to_owned()),
                // An engine's name for another node.
                ("worker-4".to_owned(), "worker-3".to_owned()),
            ]),
            ..ClusterMap::default()
        };
        let nodes = |key, operator, value| map.nodes_of(&local(&[(key, operator, value)]));
        assert_eq!(nodes(HOST_NAME, "In", "worker-1"), ["worker-1.example"]);
        assert_eq!(nodes(HOST_NAME, "In", "worker-3"), ["worker-3"]);
        assert_eq!(nodes(HOST_NAME, "In", "worker-4"), ["worker-4.example"]);
        // In the role of a node no Node is known: the value is all there is.
        assert_eq!(nodes(HOST_NAME, "In", "worker-2"), ["worker-2"]);
        assert_eq!(
            nodes("engine/node", "In", "worker-1.example"),
            ["worker-1.example"]
        );
        assert_eq!(nodes("topology.kubernetes.io/zone", "In", "a"), [] as [String; 0]);
        assert_eq!(nodes(HOST_NAME, "NotIn", "worker-1"), [] as [String; 0]);
    }
}
