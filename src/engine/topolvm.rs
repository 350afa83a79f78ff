//! TopoLVM: a logical volume on the node of the pod.
//!
//! LogicalVolume says node and class of devices. Which volume group is meant by the class is set on the node alone; how much of it is free
//! stands in annotations of the cluster's nodes.

use std::sync::Arc;

use super::Engine;
use super::fields::Fields;
use crate::model::replica::{
    EnginePart, EngineResource, Health, Place, Placement, Pool, PoolKey, Replica, VolumeKey,
};
use crate::model::workload::{Node, PersistentVolume, StorageSource, VolumeAttachment};

const NAME: &str = "topolvm";
/// How the class is called that is meant where none is named.
const DEFAULT_CLASS: &str = "00default";

#[derive(Debug)]
pub(super) struct TopoLvm;

impl Engine for TopoLvm {
    fn resources(&self) -> &'static [EngineResource] {
        const ALL: &[EngineResource] = &[
            EngineResource {
                name: "logicalvolumes.topolvm.io",
                group: "topolvm.io",
                resource: "logicalvolumes",
                kind: "LogicalVolume",
                versions: &["v1"],
                selector: "",
                needs: None,
            },
            // What the same was called at first.
            EngineResource {
                name: "logicalvolumes.topolvm.cybozu.com",
                group: "topolvm.cybozu.com",
                resource: "logicalvolumes",
                kind: "LogicalVolume",
                versions: &["v1"],
                selector: "",
                needs: None,
            },
        ];
        ALL
    }

    fn drivers(&self) -> &'static [&'static str] {
        &["topolvm.io", "topolvm.cybozu.com"]
    }

    fn read(&self, _: &EngineResource, object: &Fields<'_>) -> Vec<EnginePart> {
        let Some(volume) = object.text("status.volumeID") else {
            // Not made yet: no volume has the name.
            return Vec::new();
        };
        let node = object.text("spec.nodeName");
        let class = object.text("spec.deviceClass").unwrap_or(DEFAULT_CLASS);
        // The code is left out where it is 0: all went well.
        let code = object.number("status.code").unwrap_or(0);
        let message = object.text("status.message");
        let (state, said) = match code {
            0 => (Health::Healthy, None),
            code => (
                Health::Failed,
                Some(message.map_or_else(|| format!("code {code}"), str::to_owned)),
            ),
        };
        vec![EnginePart::Replica(Arc::new(Replica {
            volume: key(volume),
            name: object.text("spec.name").unwrap_or(object.name()).to_owned(),
            node: node.map(str::to_owned),
            pool: node.map(|node| pool_key(node, class)),
            state: Some(state),
            said,
            made_only: true,
            size: object
                .bytes("status.currentSize")
                .or_else(|| object.bytes("spec.size")),
            disks: Vec::new(),
        }))]
    }

    fn place(&self, volume: &PersistentVolume, _: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        let handle = volume.source.as_ref().and_then(StorageSource::handle)?;
        Some(Placement {
            engine: NAME,
            wanted: Some(1),
            place: Place::Named(key(&handle)),
        })
    }

    fn pools_of(&self, node: &Node) -> Vec<Pool> {
        node.free
            .iter()
            .map(|(class, free)| Pool {
                free: Some(*free),
                ..Pool::named(pool_key(&node.name, class), Some(node.name.clone()))
            })
            .collect()
    }
}

fn key(name: &str) -> VolumeKey {
    VolumeKey {
        engine: NAME,
        name: name.to_owned(),
    }
}

fn pool_key(node: &str, class: &str) -> PoolKey {
    PoolKey {
        engine: NAME,
        node: Some(node.to_owned()),
        name: class.to_owned(),
    }
}
