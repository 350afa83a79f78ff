//! OpenEBS Mayastor: a pool is one disk of a node, and DiskPool tells of it. Which replicas a volume has, and in which pools, no object
//! says: only the engine's REST API does.

use std::sync::Arc;

use super::Engine;
use super::fields::Fields;
use super::states::told;
use crate::model::disk_name::DiskReference;
use crate::model::replica::{EnginePart, EngineResource, Layout, Place, Placement, Pool, PoolKey};
use crate::model::workload::{PersistentVolume, VolumeAttachment};

const NAME: &str = "mayastor";
const VERSIONS: &[&str] = &["v1beta3", "v1beta2", "v1beta1", "v1alpha1"];

#[derive(Debug)]
pub(super) struct Mayastor;

impl Engine for Mayastor {
    fn resources(&self) -> &'static [EngineResource] {
        const ALL: &[EngineResource] = &[
            EngineResource::custom(
                "diskpools.openebs.io",
                ["openebs.io", "diskpools", "DiskPool"],
                VERSIONS,
            ),
            // What the same was called at first.
            EngineResource::custom(
                "mayastorpools.openebs.io",
                ["openebs.io", "mayastorpools", "MayastorPool"],
                VERSIONS,
            ),
        ];
        ALL
    }

    fn drivers(&self) -> &'static [&'static str] {
        &["io.openebs.csi-mayastor"]
    }

    fn read(&self, _: &EngineResource, object: &Fields<'_>) -> Vec<EnginePart> {
        let node = object.text("spec.node");
        let (state, said) = told(object.text("status.pool_status").or_else(|| {
            // The first releases have the word elsewhere, in small letters.
            object
                .text("status.state")
                .filter(|word| word.starts_with(char::is_uppercase))
        }));
        let disks: Vec<DiskReference> = object
            .texts("spec.disks")
            .into_iter()
            .map(|disk| DiskReference::on(node).with_path(path(disk)))
            .collect();
        // Of a pool that is not open all three are 0.
        let is_open = object
            .bytes("status.capacity")
            .is_some_and(|capacity| capacity > 0);
        let figure = |path| object.bytes(path).filter(|_| is_open);
        vec![EnginePart::Pool(Arc::new(Pool {
            state,
            said,
            capacity: figure("status.capacity"),
            used: figure("status.used"),
            free: figure("status.available"),
            layout: Some(Layout::Striped),
            disks,
            ..Pool::named(PoolKey::new(NAME, object.name()), node.map(str::to_owned))
        }))]
    }

    fn place(&self, volume: &PersistentVolume, _: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        let copies = volume
            .details
            .as_ref()
            .and_then(|details| details.copies.as_deref());
        Some(Placement {
            engine: NAME,
            wanted: copies.and_then(|copies| copies.parse().ok()),
            place: Place::Untold,
        })
    }
}

/// The path in `/dev/sdb`, `aio:///dev/sdb?uuid=…`. With two slashes the first part would be a host: nothing is made of that.
fn path(disk: &str) -> &str {
    match disk.split_once("://") {
        Some((_, rest)) if rest.starts_with('/') => rest.split('?').next().unwrap_or(rest),
        _ => disk,
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn a_disk_is_a_path_or_an_address_with_one() {
        assert_eq!(path("/dev/sdb"), "/dev/sdb");
        assert_eq!(path("aio:///dev/sdb"), "/dev/sdb");
        assert_eq!(path("uring:///dev/disk/by-id/x?uuid=1"), "/dev/disk/by-id/x");
        assert_eq!(path("uring://dev/sdb"), "uring://dev/sdb");
        assert_eq!(path("malloc:///m?size_mb=64"), "/m");
    }
}
