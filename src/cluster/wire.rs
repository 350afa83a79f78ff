//! Objects as the Kubernetes API writes them, cut down to the fields in use.
//!
//! Whatever is not named here is skipped while it is read and never held: `managedFields`, container lists,
//! annotations of megabytes. Every field may be missing or null; the API sends `null` for empty lists.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, Visitor};

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
    pub owner_references: Option<Vec<OwnerReference>>,
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

/// Defines an object of fields of its own and of one for each sort of storage: PersistentVolumes and pods' volumes name them
/// alike. Which of them is there says what the volume is.
macro_rules! with_storage {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $sort:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($(#[$doc])* pub $field: $sort,)*
            csi: Option<Csi>,
            nfs: Option<Nfs>,
            host_path: Option<Path>,
            local: Option<Path>,
            aws_elastic_block_store: Option<VolumeId>,
            gce_persistent_disk: Option<GcePersistentDisk>,
            azure_disk: Option<AzureDisk>,
            vsphere_volume: Option<VsphereVolume>,
            cinder: Option<VolumeId>,
            iscsi: Option<Iscsi>,
            fc: Option<FibreChannel>,
            rbd: Option<Rbd>,
            cephfs: Option<CephFs>,
            flex_volume: Option<Flex>,
            azure_file: Option<IgnoredAny>,
            glusterfs: Option<IgnoredAny>,
            quobyte: Option<IgnoredAny>,
            flocker: Option<IgnoredAny>,
            portworx_volume: Option<IgnoredAny>,
            #[serde(rename = "scaleIO")]
            scale_io: Option<IgnoredAny>,
            storageos: Option<IgnoredAny>,
            photon_persistent_disk: Option<IgnoredAny>,
        }

        impl $name {
            /// The fields that say what the volume is.
            pub fn storage(&mut self) -> Storage {
                let named = |there: &Option<IgnoredAny>, name| there.is_some().then_some(name);
                Storage {
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
    /// Filesystem type.
    pub fs_type: Option<String>,
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
    pub target_wwns: Option<Vec<String>>,
    /// World wide identifiers.
    pub wwids: Option<Vec<String>>,
    /// The LUN's number.
    pub lun: Option<i64>,
}

/// `rbd`.
#[derive(Debug, Clone, Deserialize)]
pub struct Rbd {
    /// Monitors.
    pub monitors: Option<Vec<String>>,
    /// The pool.
    pub pool: Option<String>,
    /// The image.
    pub image: Option<String>,
}

/// `cephfs`.
#[derive(Debug, Clone, Deserialize)]
pub struct CephFs {
    /// Monitors.
    pub monitors: Option<Vec<String>>,
    /// The folder.
    pub path: Option<String>,
}

/// `flexVolume`.
#[derive(Debug, Clone, Deserialize)]
pub struct Flex {
    /// The driver's name.
    pub driver: Option<String>,
}

/// A pod.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Pod {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// What was asked for.
    pub spec: Option<PodSpec>,
    /// What is.
    pub status: Option<PodStatus>,
}

/// A pod's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// The node.
    pub node_name: Option<String>,
    /// The containers.
    pub containers: Option<Vec<Container>>,
    /// Containers that come before them: they end, but for sidecars.
    pub init_containers: Option<Vec<Container>>,
    /// What all containers together may use.
    pub resources: Option<ContainerResources>,
    /// The volumes.
    pub volumes: Option<Vec<PodVolume>>,
}

with_storage! {
    /// One of a pod's volumes.
    PodVolume {
        /// Its name in the pod.
        name: Option<String>,
        /// A claim.
        persistent_volume_claim: Option<ClaimSource>,
        /// A claim that is made for the pod.
        ephemeral: Option<IgnoredAny>,
        /// A folder that goes with the pod.
        empty_dir: Option<EmptyDir>,
        /// Texts.
        config_map: Option<IgnoredAny>,
        /// Texts.
        secret: Option<IgnoredAny>,
        /// Texts.
        projected: Option<IgnoredAny>,
        /// Texts.
        #[serde(rename = "downwardAPI")]
        downward_api: Option<IgnoredAny>,
        /// Texts.
        git_repo: Option<IgnoredAny>,
        /// The files of a container image.
        image: Option<IgnoredAny>,
    }
}

/// `persistentVolumeClaim` of a pod's volume.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimSource {
    /// The claim's name.
    pub claim_name: Option<String>,
    /// Whether it is mounted read-only.
    pub read_only: Option<bool>,
}

/// `emptyDir` of a pod's volume.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmptyDir {
    /// `Memory`, or nothing.
    pub medium: Option<String>,
    /// How far it may grow.
    pub size_limit: Option<Quantity>,
}

/// A pod's `status`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PodStatus {
    /// The phase.
    pub phase: Option<String>,
    /// The address.
    #[serde(rename = "podIP")]
    pub pod_ip: Option<String>,
}

/// A container of a pod's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// The name.
    pub name: Option<String>,
    /// What it asks for and may use.
    pub resources: Option<ContainerResources>,
    /// `Always` makes a sidecar of a container that comes before the others.
    pub restart_policy: Option<String>,
}

/// `resources` of a container, and of a pod.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ContainerResources {
    /// What it may use.
    pub limits: Option<ContainerLimits>,
}

/// The limits in use.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ContainerLimits {
    /// Cores.
    pub cpu: Option<Quantity>,
    /// Bytes.
    pub memory: Option<Quantity>,
}

/// A PersistentVolumeClaim.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Claim {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// What was asked for.
    pub spec: Option<ClaimSpec>,
    /// What is.
    pub status: Option<ClaimStatus>,
}

/// A claim's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimSpec {
    /// The class.
    pub storage_class_name: Option<String>,
    /// The PersistentVolume.
    pub volume_name: Option<String>,
    /// Access modes that are asked for.
    pub access_modes: Option<Vec<String>>,
    /// `Filesystem` or `Block`.
    pub volume_mode: Option<String>,
    /// How much is asked for.
    pub resources: Option<Requests>,
    /// What it is filled from.
    pub data_source: Option<DataSource>,
    /// The same, in the newer field.
    pub data_source_ref: Option<DataSource>,
}

/// `resources` of a claim.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Requests {
    /// What is asked for.
    pub requests: Option<Resources>,
}

/// `dataSource` and `dataSourceRef` of a claim.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataSource {
    /// API group.
    pub api_group: Option<String>,
    /// Kind.
    pub kind: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
}

/// A claim's `status`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimStatus {
    /// The phase.
    pub phase: Option<String>,
    /// How much it has got.
    pub capacity: Option<Resources>,
    /// Access modes that it has got.
    pub access_modes: Option<Vec<String>>,
    /// Conditions.
    pub conditions: Option<Vec<Condition>>,
}

/// One of an object's conditions.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    /// RFC 3339.
    pub last_transition_time: Option<String>,
}

/// A PersistentVolume.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PersistentVolume {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// What was asked for.
    pub spec: Option<PersistentVolumeSpec>,
    /// What is.
    pub status: Option<VolumeStatus>,
}

with_storage! {
    /// A PersistentVolume's `spec`.
    PersistentVolumeSpec {
        /// How much it holds.
        capacity: Option<Resources>,
        /// Access modes.
        access_modes: Option<Vec<String>>,
        /// What becomes of it.
        persistent_volume_reclaim_policy: Option<String>,
        /// The class.
        storage_class_name: Option<String>,
        /// `Filesystem` or `Block`.
        volume_mode: Option<String>,
        /// Mount options.
        mount_options: Option<Vec<String>>,
        /// The claim.
        claim_ref: Option<ClaimReference>,
        /// The nodes that can use it.
        node_affinity: Option<NodeAffinity>,
    }
}

/// `claimRef` of a PersistentVolume.
#[derive(Debug, Clone, Deserialize)]
pub struct ClaimReference {
    /// Namespace.
    pub namespace: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// UID.
    pub uid: Option<String>,
}

/// `nodeAffinity` of a PersistentVolume.
#[derive(Debug, Clone, Deserialize)]
pub struct NodeAffinity {
    /// What must hold.
    pub required: Option<NodeSelector>,
}

/// Terms, one of which must hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSelector {
    /// The terms.
    pub node_selector_terms: Option<Vec<NodeSelectorTerm>>,
}

/// Demands, all of which must hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSelectorTerm {
    /// Demands on labels.
    pub match_expressions: Option<Vec<NodeRequirement>>,
    /// Demands on fields.
    pub match_fields: Option<Vec<NodeRequirement>>,
}

/// One demand on a node.
#[derive(Debug, Clone, Deserialize)]
pub struct NodeRequirement {
    /// The label or field.
    pub key: Option<String>,
    /// The comparison.
    pub operator: Option<String>,
    /// The values.
    pub values: Option<Vec<String>>,
}

/// A PersistentVolume's `status`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct VolumeStatus {
    /// The phase.
    pub phase: Option<String>,
    /// A word for programs.
    pub reason: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
}

/// A StorageClass.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageClass {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// Who makes its volumes.
    pub provisioner: Option<String>,
    /// What becomes of them.
    pub reclaim_policy: Option<String>,
    /// When claims get them.
    pub volume_binding_mode: Option<String>,
    /// Whether they can grow.
    pub allow_volume_expansion: Option<bool>,
    /// The provisioner's settings; they are counted.
    pub parameters: Option<Count>,
}

/// How many entries an object has; their content is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Count;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<Count, A::Error> {
                let mut count = 0;
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Count(count))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// A VolumeAttachment.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct VolumeAttachment {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// What was asked for.
    pub spec: Option<AttachmentSpec>,
    /// What is.
    pub status: Option<AttachmentStatus>,
}

/// A VolumeAttachment's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentSpec {
    /// The driver.
    pub attacher: Option<String>,
    /// The node.
    pub node_name: Option<String>,
    /// The volume.
    pub source: Option<AttachmentSource>,
}

/// What a VolumeAttachment attaches.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentSource {
    /// A PersistentVolume.
    pub persistent_volume_name: Option<String>,
}

/// A VolumeAttachment's `status`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentStatus {
    /// Whether it is attached.
    pub attached: Option<bool>,
    /// What the driver says of it.
    pub attachment_metadata: Option<AttachmentMetadata>,
    /// Why attaching failed.
    pub attach_error: Option<AttachmentError>,
    /// Why detaching failed.
    pub detach_error: Option<AttachmentError>,
}

/// `attachmentMetadata`, of all drivers what is in use.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct AttachmentMetadata {
    /// EBS: a path on the node.
    #[serde(rename = "devicePath")]
    pub device_path: Option<String>,
    /// Azure: the number of the disk.
    #[serde(rename = "LUN", alias = "lun")]
    pub lun: Option<String>,
    /// vSphere: the identity of the virtual disk.
    #[serde(rename = "diskUUID")]
    pub disk_uuid: Option<String>,
}

/// Why attaching or detaching failed.
#[derive(Debug, Clone, Deserialize)]
pub struct AttachmentError {
    /// What the driver said.
    pub message: Option<String>,
    /// RFC 3339.
    pub time: Option<String>,
}

/// A Node.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Node {
    /// Metadata.
    pub metadata: Option<NodeMeta>,
    /// What is.
    pub status: Option<NodeStatus>,
}

/// A Node's `metadata`: that of all kinds, and what engines wrote into annotations under names that begin alike.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeMeta {
    /// Name.
    pub name: Option<String>,
    /// The annotations in use.
    pub annotations: Option<FreeSpace>,
    /// The labels in use.
    pub labels: Option<Labels>,
}

/// TopoLVM's annotations of a node: how much is free in each class of devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FreeSpace(pub Vec<(String, String)>);

impl<'de> Deserialize<'de> for FreeSpace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = FreeSpace;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("annotations")
            }

            fn visit_unit<E: Error>(self) -> Result<FreeSpace, E> {
                Ok(FreeSpace::default())
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<FreeSpace, A::Error> {
                let mut found = Vec::new();
                while let Some(key) = entries.next_key::<String>()? {
                    let class = key
                        .strip_prefix("capacity.topolvm.io/")
                        .or_else(|| key.strip_prefix("capacity.topolvm.cybozu.com/"));
                    match class {
                        Some(class) => found.push((class.to_owned(), entries.next_value()?)),
                        None => drop(entries.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(FreeSpace(found))
            }
        }
        deserializer.deserialize_any(Entries)
    }
}

/// A Node's `status`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct NodeStatus {
    /// Conditions.
    pub conditions: Option<Vec<Condition>>,
}

/// A CSIDriver.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct CsiDriver {
    /// Metadata.
    pub metadata: Option<Meta>,
    /// What it says of itself.
    pub spec: Option<CsiDriverSpec>,
}

/// A CSIDriver's `spec`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CsiDriverSpec {
    /// Whether volumes are attached first; they are where nothing is said.
    pub attach_required: Option<bool>,
    /// Whether it publishes how much room is left.
    pub storage_capacity: Option<bool>,
    /// `Persistent`, `Ephemeral`; persistent where nothing is said.
    pub volume_lifecycle_modes: Option<Vec<String>>,
}
