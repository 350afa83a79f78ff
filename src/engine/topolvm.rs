//! TopoLVM: a logical volume on the node of the pod.
//!
//! LogicalVolume says node and class of devices. Which volume group is meant by the class is set on the node alone; how much of it is free
//! stands in annotations of the cluster's nodes.

use std::sync::Arc;

use super::fields::Fields;
use super::{Engine, by_handle};
use crate::model::replica::{
    EnginePart, EngineResource, Health, Placement, Pool, PoolKey, Replica, VolumeKey,
};
use crate::model::workload::{Node, PersistentVolume, VolumeAttachment};

const NAME: &str = "topolvm";
/// How the class is called that is meant where none is named.
const DEFAULT_CLASS: &str = "00default";

#[derive(Debug)]
pub(super) struct TopoLvm;

impl Engine for TopoLvm {
    fn resources(&self) -> &'static [EngineResource] {
        const ALL: &[EngineResource] = &[
            EngineResource::custom(
                "logicalvolumes.topolvm.io",
                ["topolvm.io", "logicalvolumes", "LogicalVolume"],
                &["v1"],
            ),
            // What the same was called at first.
            EngineResource::custom(
                "logicalvolumes.topolvm.cybozu.com",
                ["topolvm.cybozu.com", "logicalvolumes", "LogicalVolume"],
                &["v1"],
            ),
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
        let message = object.sentence("status.message");
        // The code is left out where it is 0: all went well.
        let code = if object.has("status.code") {
            object.number("status.code")
        } else {
            Some(0)
        };
        let (state, said) = match code {
            None => (None, None),
            Some(0) => (Some(Health::Healthy), None),
            Some(code) => (
                Some(Health::Failed),
                Some(message.unwrap_or_else(|| format!("code {code}"))),
            ),
        };
        vec![EnginePart::Replica(Arc::new(Replica {
            volume: VolumeKey::new(NAME, volume),
            name: object.text("spec.name").unwrap_or(object.name()).to_owned(),
            node: node.map(str::to_owned),
            pool: node.map(|node| PoolKey::on(NAME, node, class)),
            state,
            said,
            made_only: true,
            size: object
                .bytes("status.currentSize")
                .or_else(|| object.bytes("spec.size")),
            disks: Vec::new(),
        }))]
    }

    fn place(&self, volume: &PersistentVolume, _: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        by_handle(NAME, volume, Some(1))
    }

    fn pools_of(&self, node: &Node) -> Vec<Pool> {
        node.free
            .iter()
            .map(|(class, free)| Pool {
                free: Some(*free),
                ..Pool::named(PoolKey::on(NAME, &node.name, class), Some(node.name.clone()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_healthy_where_no_code_says_otherwise() {
        let state = |code: &str| {
            let text = format!(r#"{{"metadata": {{"name": "v"}}, "status": {{"volumeID": "1"{code}}}}}"#);
            let document = serde_json::from_str(&text).unwrap();
            let fields = Fields::of(&document);
            let parts = TopoLvm.read(&TopoLvm.resources()[0], &fields);
            let [EnginePart::Replica(replica)] = parts.as_slice() else {
                panic!("{parts:?}");
            };
            (replica.state, fields.into_complaints().len())
        };
        assert_eq!(state(""), (Some(Health::Healthy), 0));
        assert_eq!(state(r#", "code": 0"#), (Some(Health::Healthy), 0));
        assert_eq!(state(r#", "code": 8"#), (Some(Health::Failed), 0));
        assert_eq!(state(r#", "code": -1"#), (None, 1));
        assert_eq!(state(r#", "code": "x""#), (None, 1));
    }
}
