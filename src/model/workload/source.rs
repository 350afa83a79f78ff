//! Where a volume's data are kept, as the API has it.

/// Where a volume's data are kept, as a PersistentVolume or a pod declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageSource {
    /// A CSI driver's volume.
    Csi {
        /// The driver's name: `ebs.csi.aws.com`.
        driver: String,
        /// The driver's name for the volume; `None` for inline volumes of pods, which get theirs on the node.
        handle: Option<String>,
    },
    /// A folder of an NFS server.
    Nfs {
        /// Host name or address of the server.
        server: Option<String>,
        /// The exported folder.
        path: Option<String>,
    },
    /// A path of the node that the pod happens to be on.
    HostPath {
        /// The path, as the node has it.
        path: Option<String>,
    },
    /// A path or device of the nodes that the volume's affinity names.
    Local {
        /// The path, as the node has it.
        path: Option<String>,
    },
    /// An EBS volume of the plugin that was part of Kubernetes.
    AwsElasticBlockStore {
        /// `vol-0a1…`, or `aws://ZONE/vol-0a1…`.
        volume_id: Option<String>,
    },
    /// A disk of Google's cloud, of the plugin that was part of Kubernetes.
    GcePersistentDisk {
        /// The disk's name.
        disk: Option<String>,
    },
    /// A disk of Azure, of the plugin that was part of Kubernetes.
    AzureDisk {
        /// The disk's name.
        disk: Option<String>,
        /// Its address in the cloud's API.
        uri: Option<String>,
    },
    /// A virtual disk of vSphere, of the plugin that was part of Kubernetes.
    VsphereVolume {
        /// `[DATASTORE] FOLDER/NAME.vmdk`.
        path: Option<String>,
    },
    /// A volume of OpenStack, of the plugin that was part of Kubernetes.
    Cinder {
        /// The volume's id.
        volume_id: Option<String>,
    },
    /// A LUN of an iSCSI target.
    Iscsi {
        /// `ADDRESS:PORT` of the target.
        portal: Option<String>,
        /// The target's name.
        target: Option<String>,
        /// The LUN's number.
        lun: Option<i64>,
    },
    /// A LUN behind Fibre Channel.
    FibreChannel {
        /// World wide names of the target's ports.
        target_wwns: Vec<String>,
        /// World wide identifiers of the volume, which may be given in place of port and LUN.
        wwids: Vec<String>,
        /// The LUN's number.
        lun: Option<i64>,
    },
    /// An image of a Ceph cluster.
    Rbd {
        /// The pool; the API says `rbd` where nothing is said.
        pool: Option<String>,
        /// The image.
        image: Option<String>,
    },
    /// A folder of a Ceph filesystem.
    CephFs {
        /// Addresses of the monitors.
        monitors: Vec<String>,
        /// The folder; the API means `/` where nothing is said.
        path: Option<String>,
    },
    /// A driver that is a program on the node.
    Flex {
        /// The driver's name: `vendor/driver`.
        driver: String,
    },
    /// Any other sort, by the name of its field in the API: `glusterfs`, `portworxVolume`, …
    Other {
        /// The field's name.
        field: String,
    },
}

impl StorageSource {
    /// Who provides it: a CSI or flex driver's name, else the plugin's name as the kubelet spells it (`kubernetes.io/nfs`).
    pub fn driver(&self) -> &str {
        match self {
            Self::Csi { driver, .. } | Self::Flex { driver } => driver,
            Self::Nfs { .. } => "kubernetes.io/nfs",
            Self::HostPath { .. } => "kubernetes.io/host-path",
            Self::Local { .. } => "kubernetes.io/local-volume",
            Self::AwsElasticBlockStore { .. } => "kubernetes.io/aws-ebs",
            Self::GcePersistentDisk { .. } => "kubernetes.io/gce-pd",
            Self::AzureDisk { .. } => "kubernetes.io/azure-disk",
            Self::VsphereVolume { .. } => "kubernetes.io/vsphere-volume",
            Self::Cinder { .. } => "kubernetes.io/cinder",
            Self::Iscsi { .. } => "kubernetes.io/iscsi",
            Self::FibreChannel { .. } => "kubernetes.io/fc",
            Self::Rbd { .. } => "kubernetes.io/rbd",
            Self::CephFs { .. } => "kubernetes.io/cephfs",
            Self::Other { field } => field,
        }
    }

    /// What identifies the volume to its provider, in one text; `None` where the object does not say.
    pub fn handle(&self) -> Option<String> {
        let joined = |parts: &[Option<&str>], separator: &str| {
            let parts: Vec<&str> = parts.iter().flatten().copied().collect();
            (!parts.is_empty()).then(|| parts.join(separator))
        };
        match self {
            Self::Csi { handle, .. } => handle.clone(),
            Self::Nfs { server, path } => joined(&[server.as_deref(), path.as_deref()], ":"),
            Self::HostPath { path } | Self::Local { path } | Self::VsphereVolume { path } => path.clone(),
            Self::AwsElasticBlockStore { volume_id } | Self::Cinder { volume_id } => volume_id.clone(),
            Self::GcePersistentDisk { disk } => disk.clone(),
            Self::AzureDisk { disk, uri } => uri.clone().or_else(|| disk.clone()),
            Self::Iscsi { portal, target, lun } => {
                let lun = lun.map(|lun| format!("lun-{lun}"));
                joined(&[portal.as_deref(), target.as_deref(), lun.as_deref()], " ")
            }
            Self::FibreChannel {
                target_wwns,
                wwids,
                lun,
            } => {
                let names = if wwids.is_empty() { target_wwns } else { wwids };
                let lun = lun.map(|lun| format!("lun-{lun}"));
                let mut parts: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
                parts.push(lun.as_deref());
                joined(&parts, " ")
            }
            Self::Rbd { pool, image } => joined(&[pool.as_deref(), image.as_deref()], "/"),
            Self::CephFs { monitors, path } => {
                let monitors = (!monitors.is_empty()).then(|| monitors.join(","));
                joined(&[monitors.as_deref(), path.as_deref()], ":")
            }
            Self::Flex { .. } | Self::Other { .. } => None,
        }
    }
}
