//! What a volume is: the fields that PersistentVolumes and pods' volumes name alike.

use serde::Deserialize;

use super::AtMost;

/// Monitors, ports and identifiers of one volume.
const MOST_ADDRESSES: usize = 32;

/// What a volume is reached by.
pub type Addresses = AtMost<MOST_ADDRESSES, String>;

/// Defines an object of fields of its own and of one for each sort of storage: PersistentVolumes and pods' volumes name them
/// alike. Which of them is there says what the volume is.
macro_rules! with_storage {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $sort:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($(#[$doc])* pub $field: $sort,)*
            csi: Option<super::storage::Csi>,
            nfs: Option<super::storage::Nfs>,
            host_path: Option<super::storage::Path>,
            local: Option<super::storage::Path>,
            aws_elastic_block_store: Option<super::storage::VolumeId>,
            gce_persistent_disk: Option<super::storage::GcePersistentDisk>,
            azure_disk: Option<super::storage::AzureDisk>,
            vsphere_volume: Option<super::storage::VsphereVolume>,
            cinder: Option<super::storage::VolumeId>,
            iscsi: Option<super::storage::Iscsi>,
            fc: Option<super::storage::FibreChannel>,
            rbd: Option<super::storage::Rbd>,
            cephfs: Option<super::storage::CephFs>,
            flex_volume: Option<super::storage::Flex>,
            azure_file: Option<serde::de::IgnoredAny>,
            glusterfs: Option<serde::de::IgnoredAny>,
            quobyte: Option<serde::de::IgnoredAny>,
            flocker: Option<serde::de::IgnoredAny>,
            portworx_volume: Option<serde::de::IgnoredAny>,
            #[serde(rename = "scaleIO")]
            scale_io: Option<serde::de::IgnoredAny>,
            storageos: Option<serde::de::IgnoredAny>,
            photon_persistent_disk: Option<serde::de::IgnoredAny>,
        }

        impl $name {
            /// The fields that say what the volume is.
            pub fn storage(&mut self) -> super::storage::Storage {
                let named = |there: &Option<serde::de::IgnoredAny>, name| there.is_some().then_some(name);
                super::storage::Storage {
                    csi: self.csi.take(),
                    nfs: self.nfs.take(),
                    host_path: self.host_path.take(),
                    local: self.local.take(),
                    aws_elastic_block_store: self.aws_elastic_block_store.take(),
                    gce_persistent_disk: self.gce_persistent_disk.take(),
                    azure_disk: self.azure_disk.take(),
                    vsphere_volume: self.vsphere_volume.take(),
                    cinder: self.cinder.take(),
                    iscsi: self.iscsi.take(),
                    fc: self.fc.take(),
                    rbd: self.rbd.take(),
                    cephfs: self.cephfs.take(),
                    flex_volume: self.flex_volume.take(),
                    other: named(&self.azure_file, "azureFile")
                        .or_else(|| named(&self.glusterfs, "glusterfs"))
                        .or_else(|| named(&self.quobyte, "quobyte"))
                        .or_else(|| named(&self.flocker, "flocker"))
                        .or_else(|| named(&self.portworx_volume, "portworxVolume"))
                        .or_else(|| named(&self.scale_io, "scaleIO"))
                        .or_else(|| named(&self.storageos, "storageos"))
                        .or_else(|| named(&self.photon_persistent_disk, "photonPersistentDisk")),
                }
            }
        }
    };
}

/// The fields that say what a volume is; at most one of them is there.
#[derive(Debug, Clone, Default)]
pub struct Storage {
    /// A CSI driver's volume.
    pub csi: Option<Csi>,
    /// A folder of an NFS server.
    pub nfs: Option<Nfs>,
    /// A path of the node.
    pub host_path: Option<Path>,
    /// A path of certain nodes.
    pub local: Option<Path>,
    /// EBS.
    pub aws_elastic_block_store: Option<VolumeId>,
    /// Google's disks.
    pub gce_persistent_disk: Option<GcePersistentDisk>,
    /// Azure's disks.
    pub azure_disk: Option<AzureDisk>,
    /// vSphere's virtual disks.
    pub vsphere_volume: Option<VsphereVolume>,
    /// OpenStack's volumes.
    pub cinder: Option<VolumeId>,
    /// An iSCSI target's LUN.
    pub iscsi: Option<Iscsi>,
    /// A LUN behind Fibre Channel.
    pub fc: Option<FibreChannel>,
    /// A Ceph image.
    pub rbd: Option<Rbd>,
    /// A Ceph filesystem's folder.
    pub cephfs: Option<CephFs>,
    /// A driver that is a program on the node.
    pub flex_volume: Option<Flex>,
    /// The field's name, for sorts of which no more is used.
    pub other: Option<&'static str>,
}

/// `csi`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Csi {
    /// The driver's name.
    pub driver: Option<String>,
    /// The driver's name for the volume; inline volumes have none.
    pub volume_handle: Option<String>,
    /// The driver's own notes.
    pub volume_attributes: Option<VolumeAttributes>,
}

/// `volumeAttributes` of CSI volumes, of all drivers those in use.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct VolumeAttributes {
    /// How many copies Mayastor shall keep.
    pub repl: Option<String>,
    /// Ceph's pool.
    pub pool: Option<String>,
    /// Ceph's cluster: the namespace of Rook's objects.
    #[serde(rename = "clusterID")]
    pub cluster: Option<String>,
}

/// `nfs`.
#[derive(Debug, Clone, Deserialize)]
pub struct Nfs {
    /// Host name or address.
    pub server: Option<String>,
    /// The exported folder.
    pub path: Option<String>,
}

/// `hostPath` and `local`.
#[derive(Debug, Clone, Deserialize)]
pub struct Path {
    /// The path.
    pub path: Option<String>,
}

/// `awsElasticBlockStore` and `cinder`.
#[derive(Debug, Clone, Deserialize)]
pub struct VolumeId {
    /// The cloud's name for the volume.
    #[serde(rename = "volumeID")]
    pub volume_id: Option<String>,
}

/// `gcePersistentDisk`.
#[derive(Debug, Clone, Deserialize)]
pub struct GcePersistentDisk {
    /// The disk's name.
    #[serde(rename = "pdName")]
    pub disk: Option<String>,
}

/// `azureDisk`.
#[derive(Debug, Clone, Deserialize)]
pub struct AzureDisk {
    /// The disk's name.
    #[serde(rename = "diskName")]
    pub disk: Option<String>,
    /// The disk's address.
    #[serde(rename = "diskURI")]
    pub uri: Option<String>,
}

/// `vsphereVolume`.
#[derive(Debug, Clone, Deserialize)]
pub struct VsphereVolume {
    /// The virtual disk's path.
    #[serde(rename = "volumePath")]
    pub path: Option<String>,
}

/// `iscsi`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Iscsi {
    /// Address and port.
    pub target_portal: Option<String>,
    /// The target's name.
    pub iqn: Option<String>,
    /// The LUN's number.
    pub lun: Option<i64>,
}

/// `fc`.
#[derive(Debug, Clone, Deserialize)]
pub struct FibreChannel {
    /// World wide names of ports.
    #[serde(rename = "targetWWNs")]
    pub target_wwns: Option<Addresses>,
    /// World wide identifiers.
    pub wwids: Option<Addresses>,
    /// The LUN's number.
    pub lun: Option<i64>,
}

/// `rbd`.
#[derive(Debug, Clone, Deserialize)]
pub struct Rbd {
    /// The pool.
    pub pool: Option<String>,
    /// The image.
    pub image: Option<String>,
}

/// `cephfs`.
#[derive(Debug, Clone, Deserialize)]
pub struct CephFs {
    /// Monitors.
    pub monitors: Option<Addresses>,
    /// The folder.
    pub path: Option<String>,
}

/// `flexVolume`.
#[derive(Debug, Clone, Deserialize)]
pub struct Flex {
    /// The driver's name.
    pub driver: Option<String>,
}

pub(super) use with_storage;
