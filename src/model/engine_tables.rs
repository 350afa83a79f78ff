//! What storage engines' objects say, by name, as it is joined with volumes when somebody asks.

use std::sync::Arc;

use super::replica::{
    EngineVolume, ManagedDisk, Pool, PoolKey, PoolMember, Replica, ReplicaModes, VolumeKey,
};
use super::shared_map::SharedMap;
use super::workload::NamespacedName;

/// What the engines say, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineTables {
    /// Volumes.
    pub volumes: SharedMap<VolumeKey, Arc<EngineVolume>>,
    /// The copies of each volume, in order of name.
    pub replicas: SharedMap<VolumeKey, Vec<Arc<Replica>>>,
    /// How the copies of a volume are doing, where that is said elsewhere. During a move there are two who say it.
    pub modes: SharedMap<VolumeKey, Vec<Arc<ReplicaModes>>>,
    /// Pools.
    pub pools: SharedMap<PoolKey, Arc<Pool>>,
    /// The disks of each group of pools, in order of name.
    pub members: SharedMap<String, Vec<Arc<PoolMember>>>,
    /// Managed disks by the name of their object.
    pub managed: SharedMap<String, Arc<ManagedDisk>>,
    /// The same by the node that they are of, in order of name.
    pub managed_on: SharedMap<String, Vec<Arc<ManagedDisk>>>,
    /// The managed disk of each claim of one.
    pub disk_claims: SharedMap<String, String>,
    /// The volumes whose copies lie in claims, by what those are called but for the number behind it.
    pub carried: SharedMap<NamespacedName, Vec<VolumeKey>>,
    /// True where two objects say something of the same name: the one that comes last, in order of kinds and names, has it.
    pub doubled: bool,
}

impl EngineTables {
    /// True where no engine says anything.
    pub fn is_empty(&self) -> bool {
        self.volumes.is_empty()
            && self.replicas.is_empty()
            && self.pools.is_empty()
            && self.managed.is_empty()
            && self.members.is_empty()
    }
}
