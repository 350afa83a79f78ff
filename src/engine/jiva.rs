//! OpenEBS Jiva: replicas that are pods with a claim each, mostly of a hostpath volume.
//!
//! JivaVolume says how each replica is, by the address of its pod. The replicas' claims bear the volume's name, and their volumes lead on
//! to the disks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::fields::Fields;
use super::states::{health, told};
use super::{Engine, by_handle};
use crate::model::replica::{EnginePart, EngineResource, EngineVolume, Placement, ReplicaClaims, VolumeKey};
use crate::model::workload::{PersistentVolume, VolumeAttachment};

const NAME: &str = "jiva";

#[derive(Debug)]
pub(super) struct Jiva;

impl Engine for Jiva {
    fn resources(&self) -> &'static [EngineResource] {
        const ALL: &[EngineResource] = &[EngineResource::custom(
            "jivavolumes.openebs.io",
            ["openebs.io", "jivavolumes", "JivaVolume"],
            &["v1", "v1alpha1"],
        )];
        ALL
    }

    fn drivers(&self) -> &'static [&'static str] {
        &["jiva.csi.openebs.io"]
    }

    fn read(&self, _: &EngineResource, object: &Fields<'_>) -> Vec<EnginePart> {
        let (state, said) = told(object.text("status.phase"));
        let wanted = object
            .number("spec.desiredReplicationFactor")
            .or_else(|| object.number("spec.policy.target.replicationFactor"));
        let modes: BTreeMap<_, _> = object
            .list("status.replicaStatus")
            .iter()
            .filter_map(|replica| {
                let mode = replica.text("mode")?;
                Some((
                    host(replica.text("address")?).to_owned(),
                    (health(mode), mode.to_owned()),
                ))
            })
            .collect();
        vec![EnginePart::Volume(Arc::new(EngineVolume {
            key: VolumeKey::new(NAME, object.name()),
            wanted,
            state,
            said,
            claims: Some(ReplicaClaims {
                namespace: object.namespace().to_owned(),
                prefix: format!("openebs-{}-jiva-rep-", object.name()),
                modes,
            }),
            replicas: None,
        }))]
    }

    fn place(&self, volume: &PersistentVolume, _: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        by_handle(NAME, volume, None)
    }
}

/// The host of `tcp://10.1.2.3:9502`, `10.1.2.3:9502`, `tcp://[fd00::1]:9502`.
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    if let Some((host, _)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return host;
    }
    match rest.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') => host,
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn an_address_is_a_host_with_or_without_scheme_and_port() {
        for address in ["tcp://10.1.2.3:9502", "10.1.2.3:9502", "10.1.2.3"] {
            assert_eq!(host(address), "10.1.2.3");
        }
        for address in ["tcp://[fd00::1]:9502", "fd00::1"] {
            assert_eq!(host(address), "fd00::1");
        }
    }
}
