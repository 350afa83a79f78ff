//! Objects as the Kubernetes API writes them, cut down to the fields in use.
//!
//! Whatever is not named here is skipped while it is read and never held: `managedFields`, container lists,
//! annotations of megabytes. Every field may be missing or null; the API sends `null` for empty lists.
//!
//! A file for each kind; here, what several have.

mod attachment;
mod claim;
mod class;
mod external_snapshot;
mod list;
mod node;
mod pod;
mod snapshot;
mod storage;
mod volume;

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

pub use self::attachment::{AttachmentError, VolumeAttachment};
pub use self::claim::Claim;
pub use self::class::StorageClass;
pub use self::external_snapshot::{ExternalSnapshot, ExternalSnapshotData, ExternalStatus};
pub use self::list::{AtMost, MOST};
pub use self::node::Node;
pub use self::pod::{Container, ContainerResources, Containers, Pod, PodSpec, PodVolume};
pub use self::snapshot::{SnapshotError, VolumeSnapshot, VolumeSnapshotClass, VolumeSnapshotContent};
pub use self::storage::{Addresses, Storage, VolumeAttributes};
pub use self::volume::{NodeAffinity, PersistentVolume};

/// `metadata`, whatever the kind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Name.
    pub name: Option<String>,
    /// Namespace, for kinds that have one.
    pub namespace: Option<String>,
    /// UID.
    pub uid: Option<String>,
    /// RFC 3339.
    pub creation_timestamp: Option<String>,
    /// RFC 3339; there once somebody deleted it.
    pub deletion_timestamp: Option<String>,
    /// The annotations in use.
    pub annotations: Option<Annotations>,
    /// The labels in use.
    pub labels: Option<Labels>,
    /// The objects that it belongs to.
    pub owner_references: Option<AtMost<MOST, OwnerReference>>,
}

/// The annotations in use, of all kinds.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Annotations {
    /// A static pod's hash, by which the kubelet calls it.
    #[serde(rename = "kubernetes.io/config.hash")]
    pub config_hash: Option<String>,
    /// A mirror pod: it stands for a static pod.
    #[serde(rename = "kubernetes.io/config.mirror")]
    pub config_mirror: Option<String>,
    /// The driver that took a volume over.
    #[serde(rename = "pv.kubernetes.io/migrated-to")]
    pub migrated_to: Option<String>,
    /// Who made a volume.
    #[serde(rename = "pv.kubernetes.io/provisioned-by")]
    pub provisioned_by: Option<String>,
    /// A class that claims get which name none.
    #[serde(rename = "storageclass.kubernetes.io/is-default-class")]
    pub default_class: Option<String>,
    /// The same, as it was called before Kubernetes 1.6.
    #[serde(rename = "storageclass.beta.kubernetes.io/is-default-class")]
    pub default_class_beta: Option<String>,
    /// A class of snapshots that its driver's snapshots get which name none.
    #[serde(rename = "snapshot.storage.kubernetes.io/is-default-class")]
    pub default_snapshot_class: Option<String>,
    /// The class of a claim or volume, as it was named before Kubernetes 1.6.
    #[serde(rename = "volume.beta.kubernetes.io/storage-class")]
    pub class_beta: Option<String>,
    /// The claim of a managed disk that a volume of OpenEBS was made for.
    #[serde(rename = "local.openebs.io/blockdeviceclaim")]
    pub disk_claim: Option<String>,
}

/// The labels in use, of all kinds.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Labels {
    /// A node's host name.
    #[serde(rename = "kubernetes.io/hostname")]
    pub host_name: Option<String>,
    /// What sort of OpenEBS's volumes it is.
    #[serde(rename = "openebs.io/cas-type")]
    pub cas_type: Option<String>,
    /// A node's name at OpenEBS's local volumes.
    #[serde(rename = "openebs.io/nodename")]
    pub openebs_node: Option<String>,
    /// The same, where somebody chose it.
    #[serde(rename = "openebs.io/nodeid")]
    pub openebs_id: Option<String>,
    /// A node's name at TopoLVM.
    #[serde(rename = "topology.topolvm.io/node")]
    pub topolvm_node: Option<String>,
}

/// An object that another belongs to.
#[derive(Debug, Clone, Deserialize)]
pub struct OwnerReference {
    /// Its kind.
    pub kind: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// True for the one that controls.
    pub controller: Option<bool>,
}

/// An amount, as the API writes it: `10Gi`. People write plain numbers as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity(pub String);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Amount;
        impl Visitor<'_> for Amount {
            type Value = Quantity;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a quantity such as 10Gi")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
        }
        deserializer.deserialize_any(Amount)
    }
}

/// `capacity` and `requests`: of all resources, the one in use.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Resources {
    /// Bytes of storage.
    pub storage: Option<Quantity>,
}

/// One of an object's conditions.
#[derive(Debug, Clone, Deserialize)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// `True`, `False` or `Unknown`.
    pub status: Option<String>,
    /// A word for programs.
    pub reason: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
}
