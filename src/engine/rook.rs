//! Rook-Ceph: an image is spread over all disks that its pool may use, so that what can be said is which those are.
//!
//! CephBlockPool says how many copies are kept and on which class of disks, CephCluster how the cluster is and how full, and each OSD's
//! Deployment which disk of which node it has. Which OSDs are up, and where the parts of an image lie, Ceph alone knows.

use std::sync::Arc;

use super::Engine;
use super::fields::Fields;
use super::states::{health, told};
use crate::model::disk_name::{DiskName, DiskReference};
use crate::model::replica::{
    EnginePart, EngineResource, Health, Layout, Members, Place, Placement, Pool, PoolKey, PoolMember,
};
use crate::model::workload::{PersistentVolume, VolumeAttachment};

const NAME: &str = "rook-ceph";
const POOLS: &str = "cephblockpools.ceph.rook.io";
const CLUSTERS: &str = "cephclusters.ceph.rook.io";
const GROUP: &str = "ceph.rook.io";
const VERSIONS: &[&str] = &["v1"];

#[derive(Debug)]
pub(super) struct Rook;

impl Engine for Rook {
    fn resources(&self) -> &'static [EngineResource] {
        const ALL: &[EngineResource] = &[
            EngineResource::custom(POOLS, [GROUP, "cephblockpools", "CephBlockPool"], VERSIONS),
            EngineResource::custom(CLUSTERS, [GROUP, "cephclusters", "CephCluster"], VERSIONS),
            EngineResource {
                name: "deployments.apps",
                group: "apps",
                resource: "deployments",
                kind: "Deployment",
                versions: &["v1"],
                selector: "app=rook-ceph-osd",
                needs: Some(CLUSTERS),
            },
        ];
        ALL
    }

    /// The operator puts its namespace before the driver's name.
    fn serves(&self, volume: &PersistentVolume) -> bool {
        volume
            .driver()
            .is_some_and(|driver| driver == "rbd.csi.ceph.com" || driver.ends_with(".rbd.csi.ceph.com"))
    }

    fn read(&self, resource: &EngineResource, object: &Fields<'_>) -> Vec<EnginePart> {
        match resource.name {
            POOLS => vec![EnginePart::Pool(Arc::new(pool(object)))],
            CLUSTERS => vec![EnginePart::Pool(Arc::new(cluster(object)))],
            _ => osd(object)
                .map(Arc::new)
                .map(EnginePart::PoolMember)
                .into_iter()
                .collect(),
        }
    }

    fn place(&self, volume: &PersistentVolume, _: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        let details = volume.details.as_ref()?;
        // Rook's own name for a cluster is the namespace of its objects.
        let key = pool_key(details.cluster.as_deref()?, details.pool.as_deref()?);
        Some(Placement {
            engine: NAME,
            wanted: None,
            place: Place::Spread(key),
        })
    }
}

fn pool(object: &Fields<'_>) -> Pool {
    let phase = object.text("status.phase");
    let (state, said) = told(phase);
    let copies = object
        .number("spec.replicated.size")
        .and_then(|size| u32::try_from(size).ok());
    let coding = object
        .number("spec.erasureCoded.codingChunks")
        .and_then(|chunks| u32::try_from(chunks).ok());
    Pool {
        // `Ready` is said of the making; how the data are stands in the cluster's own health.
        state: state.filter(|state| *state != Health::Healthy),
        said,
        layout: copies
            .filter(|copies| *copies > 0)
            .map(Layout::Copies)
            .or_else(|| coding.filter(|chunks| *chunks > 0).map(Layout::Redundant)),
        members: Some(Members {
            group: object.namespace().to_owned(),
            class: object.text("spec.deviceClass").map(str::to_owned),
        }),
        ..Pool::named(pool_key(object.namespace(), object.name()), None)
    }
}

fn cluster(object: &Fields<'_>) -> Pool {
    let word = object.text("status.ceph.health");
    Pool {
        state: word.map(health),
        said: word.map(str::to_owned),
        capacity: object.bytes("status.ceph.capacity.bytesTotal"),
        used: object.bytes("status.ceph.capacity.bytesUsed"),
        free: object.bytes("status.ceph.capacity.bytesAvailable"),
        members: Some(Members {
            group: object.namespace().to_owned(),
            class: None,
        }),
        is_whole: true,
        // A pool may have the cluster's name: the whole cluster is told from it by what no pool's name has.
        ..Pool::named(
            pool_key(object.namespace(), &format!("{} (whole cluster)", object.name())),
            None,
        )
    }
}

fn osd(object: &Fields<'_>) -> Option<PoolMember> {
    let number = object.label("ceph-osd-id")?;
    let pod = "spec.template.spec";
    let containers = object.list(&format!("{pod}.containers"));
    let container = containers
        .iter()
        .find(|container| container.text("name") == Some("osd"))
        .or(containers.first())?;
    let environment = container.list("env");
    let setting = |name: &str| {
        let found = environment
            .iter()
            .find(|setting| setting.text("name") == Some(name))?;
        found.text("value")
    };
    let node = setting("ROOK_NODE_NAME");
    let mut disk = DiskReference::on(node);
    let raw = setting("ROOK_CV_MODE") == Some("raw");
    let path = setting("ROOK_BLOCK_PATH").or_else(|| setting("ROOK_LV_PATH"));
    // Encryption and LVM lie between the path and the disk; what is below them is known on the node.
    if let Some(path) = path.filter(|path| !path.ends_with("-dmcrypt")) {
        disk.add_path(path);
    }
    if let Some(uuid) = setting("ROOK_OSD_UUID").filter(|_| !raw) {
        disk.add(DiskName::Path(format!("osd-block-{uuid}")));
    }
    if disk.names.is_empty() {
        disk.add(DiskName::Path(format!("osd.{number}")));
    }
    Some(PoolMember {
        group: object.namespace().to_owned(),
        name: format!("osd.{number}"),
        class: object
            .label("device-class")
            .or_else(|| setting("ROOK_OSD_DEVICE_CLASS"))
            .map(str::to_owned),
        disk,
        claim: object
            .label("ceph.rook.io/pvc")
            .map(|claim| (object.namespace().to_owned(), claim.to_owned())),
    })
}

fn pool_key(namespace: &str, name: &str) -> PoolKey {
    PoolKey::new(NAME, format!("{namespace}/{name}"))
}
