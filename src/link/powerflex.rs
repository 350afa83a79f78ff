//! Joins PersistentVolumes with the storage pools of PowerFlex that they lie in.
//!
//! The CSI driver's handle is the system's id and the volume's, with a hyphen between them; the driver's first versions had the
//! volume's alone, and knew one system. The system says which volumes each of its pools has.

use std::collections::HashMap;

use crate::model::cluster_map::ClusterMap;
use crate::model::powerflex::{Pool, System, VolumePlace};
use crate::model::workload::{PersistentVolume, StorageSource};

/// The CSI driver of PowerFlex.
const DRIVER: &str = "csi-vxflexos.dellemc.com";

/// The pools of those PersistentVolumes that lie in one of these systems, in order of the volumes' names.
pub fn places(map: &ClusterMap, systems: &[&System]) -> Vec<VolumePlace> {
    let mut pools: HashMap<&str, Vec<(&System, &Pool)>> = HashMap::new();
    for system in systems {
        for pool in &system.pools {
            for volume in &pool.volumes {
                pools.entry(volume).or_default().push((system, pool));
            }
        }
    }
    if pools.is_empty() {
        return Vec::new();
    }
    let volumes = map.inventory.volumes.values();
    volumes.filter_map(|volume| place(volume, &pools)).collect()
}

fn place(volume: &PersistentVolume, pools: &HashMap<&str, Vec<(&System, &Pool)>>) -> Option<VolumePlace> {
    let Some(StorageSource::Csi {
        driver,
        handle: Some(handle),
        ..
    }) = &volume.source
    else {
        return None;
    };
    if driver != DRIVER {
        return None;
    }
    let found = match handle.rsplit_once('-') {
        Some((system, id)) => {
            let mut candidates = pools.get(id)?.iter();
            candidates.find(|(known, _)| known.id == system || known.own_name.as_deref() == Some(system))
        }
        // Where two systems have a volume of that id nothing says which is meant.
        None => match &pools.get(handle.as_str())?[..] {
            [only] => Some(only),
            _ => None,
        },
    };
    let (system, pool) = found?;
    Some(VolumePlace {
        persistent_volume: volume.name.clone(),
        system: system.name.clone(),
        domain: pool.domain.clone(),
        pool: pool.name.clone(),
        pool_id: pool.id.clone(),
    })
}
