//! Storage engines: how each one's own objects lead from a volume to its replicas, pools and disks.
//!
//! An engine is one file here and one line in [`ENGINES`]. It names the kinds of objects in which it says something, takes each
//! object apart into the model's [parts](crate::model::replica::EnginePart), and says how one of its volumes is to be looked for among
//! them. What its objects do not say is not guessed; `docs/engines.md` has the table.

mod cloud;
mod cstor;
pub mod fields;
mod hostpath;
mod jiva;
mod local_static;
mod longhorn;
mod lvm;
mod mayastor;
mod node_disk_manager;
mod rook;
mod states;
mod topolvm;
mod values;
mod zfs;

use std::fmt::Debug;
use std::sync::Arc;

use self::fields::Fields;
use crate::model::replica::{EngineObject, EnginePart, EngineResource, Place, Placement, Pool, VolumeKey};
use crate::model::workload::{Node, PersistentVolume, StorageSource, VolumeAttachment};

/// A storage engine.
pub trait Engine: Debug + Sync {
    /// The kinds of objects in which it says something. A kind that two engines read stands with one of them.
    fn resources(&self) -> &'static [EngineResource] {
        &[]
    }

    /// The names of its CSI drivers.
    fn drivers(&self) -> &'static [&'static str] {
        &[]
    }

    /// True for a volume of its own.
    fn serves(&self, volume: &PersistentVolume) -> bool {
        volume
            .driver()
            .is_some_and(|driver| self.drivers().contains(&driver))
    }

    /// What an object of one of its kinds says.
    fn read(&self, resource: &EngineResource, object: &Fields<'_>) -> Vec<EnginePart> {
        let _ = (resource, object);
        Vec::new()
    }

    /// How one of its volumes is to be looked for. `attachments` are those of the volume.
    fn place(&self, volume: &PersistentVolume, attachments: &[Arc<VolumeAttachment>]) -> Option<Placement>;

    /// The pools that it tells of in the cluster's nodes themselves.
    fn pools_of(&self, node: &Node) -> Vec<Pool> {
        let _ = node;
        Vec::new()
    }
}

/// All that are known.
pub static ENGINES: &[&dyn Engine] = &[
    &lvm::Lvm,
    &zfs::Zfs,
    &hostpath::Hostpath,
    &node_disk_manager::NodeDiskManager,
    &cstor::Cstor,
    &jiva::Jiva,
    &mayastor::Mayastor,
    &longhorn::Longhorn,
    &topolvm::TopoLvm,
    &rook::Rook,
    &cloud::Ebs,
    &cloud::GcePersistentDisk,
    &cloud::AzureDisk,
    &cloud::Vsphere,
    &local_static::LocalStatic,
];

/// All kinds of objects that engines have, with their engine.
pub fn resources() -> impl Iterator<Item = (&'static dyn Engine, &'static EngineResource)> {
    ENGINES
        .iter()
        .flat_map(|engine| engine.resources().iter().map(|resource| (*engine, resource)))
}

/// A volume that its engine knows by the name that its driver has for it.
fn by_handle(engine: &'static str, volume: &PersistentVolume, wanted: Option<u64>) -> Option<Placement> {
    let handle = volume.source.as_ref().and_then(StorageSource::handle)?;
    Some(Placement {
        engine,
        wanted,
        place: Place::Named(VolumeKey::new(engine, handle)),
    })
}

/// Takes an object of an engine apart. What of it cannot be understood is left out and said to `complain`.
pub fn read(
    engine: &dyn Engine,
    resource: &EngineResource,
    object: &fields::Document,
    complain: &mut Vec<String>,
) -> EngineObject {
    let fields = Fields::of(object);
    let parts = engine.read(resource, &fields);
    complain.extend(fields.into_complaints());
    EngineObject { parts }
}

/// How a volume is to be looked for; `None` where no engine that is known here serves it.
pub fn place(volume: &PersistentVolume, attachments: &[Arc<VolumeAttachment>]) -> Option<Placement> {
    let engine = ENGINES.iter().find(|engine| engine.serves(volume))?;
    engine.place(volume, attachments)
}
