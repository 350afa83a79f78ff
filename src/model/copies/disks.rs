//! The disks below pools and copies, by all names that anybody has for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Descent;
use crate::model::cluster_map::ClusterMap;
use crate::model::disk_name::{DiskName, DiskReference};
use crate::model::replica::{Health, ManagedDisk, Members, Place, Placement, Pool, PoolKey, PoolMember};
use crate::model::workload::NamespacedName;

impl ClusterMap {
    /// The disks of a pool, by all names that are known.
    pub fn disks_of_pool(&self, pool: Option<&PoolKey>) -> Arc<[DiskReference]> {
        pool.and_then(|key| self.pool_disks.get(key))
            .cloned()
            .unwrap_or_default()
    }

    /// The disks of a pool, put together anew. A disk of which the pool has several partitions is one disk.
    pub fn find_disks_of(&self, pool: &Pool) -> Vec<DiskReference> {
        let mut disks = self.known_better(&pool.disks);
        if let Some(members) = &pool.members {
            disks.extend(self.members(members));
        }
        let mut seen = BTreeSet::new();
        disks.retain(|disk| seen.insert(disk.clone()));
        disks
    }

    fn members(&self, wanted: &Members) -> Vec<DiskReference> {
        let of_group = self.engines.members.get(&wanted.group);
        of_group
            .into_iter()
            .flatten()
            .filter(|member| wanted.class.is_none() || member.class == wanted.class)
            .flat_map(|member| self.disks_of_member(member))
            .collect()
    }

    fn disks_of_member(&self, member: &PoolMember) -> Vec<DiskReference> {
        let carrier = member
            .claim
            .as_ref()
            .and_then(|(namespace, name)| self.inventory.claims.get(&NamespacedName::new(namespace, name)))
            .and_then(|claim| self.bound_to(claim))
            .filter(|volume| self.placements.get(&volume.name).is_some_and(is_plain))
            .and_then(|volume| self.copies_within(volume, &mut Descent::to(0)));
        match carrier {
            Some(carrier) => carrier
                .list
                .into_iter()
                .flat_map(|copy| copy.disks.to_vec())
                .collect(),
            None => self.known_better(std::slice::from_ref(&member.disk)),
        }
    }

    /// The same disks, with the cluster's names of their nodes, and with what is known of each by the object that manages it.
    pub(super) fn known_better(&self, disks: &[DiskReference]) -> Vec<DiskReference> {
        disks
            .iter()
            .map(|disk| {
                let node = disk.node.as_deref().map(|node| self.node_called(node));
                let named = DiskReference {
                    node,
                    names: disk.names.clone(),
                };
                match self.managed_disk(&named) {
                    Some(managed) => {
                        let mut better = managed.disk.clone();
                        better.node = better.node.map(|node| self.node_called(&node)).or(named.node);
                        for name in named.names {
                            // What was the kernel's name when somebody wrote it gives way to what it is now.
                            let stale = better.kernel_name().is_some() && matches!(name, DiskName::Kernel(_));
                            if !stale {
                                better.add(name);
                            }
                        }
                        better
                    }
                    None => named,
                }
            })
            .collect()
    }

    /// The object that manages a disk.
    pub fn managed_disk(&self, disk: &DiskReference) -> Option<&Arc<ManagedDisk>> {
        if let Some(name) = disk.managed() {
            return self.engines.managed.get(name);
        }
        let node = disk.node.as_ref()?;
        let known = &self.engines.managed_on;
        // Who manages disks may call the node by its host name.
        let host_name = || self.inventory.nodes.get(node)?.host_name.as_ref();
        let on_node = known.get(node).or_else(|| known.get(host_name()?))?;
        let inactive = |managed: &&Arc<ManagedDisk>| managed.state == Some(Health::Unknown);
        let mut same = on_node.iter().filter(|managed| managed.disk.shares_name(disk));
        // Of a disk that was pulled the path is another's now.
        same.clone()
            .find(|managed| !inactive(managed))
            .or_else(|| same.next())
    }
}

/// True for a volume that lies on what it names itself, so that asking for it leads no further.
fn is_plain(placement: &Placement) -> bool {
    matches!(
        placement.place,
        Place::Here(_) | Place::Outside(_) | Place::DiskClaim(_) | Place::Named(_)
    )
}
