//! Where storage lies that is not in this machine.

use std::borrow::Cow;
use std::fmt;

/// What a disk or a filesystem leads to beyond this machine. Its `Display` is one line for people.
///
/// Names are as the kernel has them; hosts are without the brackets of IPv6, which `Display` puts back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemoteTarget {
    /// A folder exported over NFS.
    Nfs {
        /// Name or address of the server.
        server: String,
        /// The folder there.
        export: String,
    },
    /// A share of an SMB (CIFS) server.
    Smb {
        /// Name or address of the server.
        server: String,
        /// The share, and the folder in it where one was named.
        share: String,
    },
    /// A folder of a Ceph filesystem.
    Ceph {
        /// The monitors, `10.0.0.1:6789`, where the mount names them.
        monitors: Vec<String>,
        /// The cluster's `fsid`, where the mount names it.
        cluster: Option<String>,
        /// The filesystem's name, where the mount names it.
        filesystem: Option<String>,
        /// The folder.
        path: String,
    },
    /// A volume of Gluster.
    Gluster {
        /// Name or address of the server that was asked.
        server: String,
        /// The volume, and the folder in it where one was named.
        volume: String,
    },
    /// A Lustre filesystem.
    Lustre {
        /// Its management servers, `10.0.0.1@tcp`, as the mount names them.
        servers: String,
        /// The filesystem, and the folder in it where one was named.
        filesystem: String,
    },
    /// A folder of the machine that runs this virtual machine.
    HostShare {
        /// `9p` or `virtiofs`.
        protocol: Cow<'static, str>,
        /// The name under which that machine offers it.
        tag: String,
    },
    /// A filesystem that a program serves.
    Fuse {
        /// The program, where the filesystem type names it: `sshfs`, `s3fs`, `juicefs`, …
        program: Option<String>,
        /// What was mounted: `user@host:/path`, a bucket, or only the program's name again.
        source: String,
    },
    /// Another network filesystem: BeeGFS, GPFS, AFS, …
    Network {
        /// Filesystem type.
        fstype: String,
        /// What was mounted.
        source: String,
    },
    /// A logical unit of an iSCSI target.
    Iscsi {
        /// The target's name, `iqn.…`.
        target: String,
        /// Where it is reached: `10.0.0.1:3260`, `[2001:db8::1]:3260`.
        portal: Option<String>,
        /// The logical unit's number.
        lun: Option<u64>,
    },
    /// A logical unit behind a Fibre Channel port.
    FibreChannel {
        /// World wide name of the storage system's port: `0x500507680110d3a1`.
        port: String,
        /// The logical unit's number.
        lun: Option<u64>,
    },
    /// A namespace of an NVMe subsystem on a network.
    NvmeOverFabric {
        /// `tcp`, `rdma`, `fc`, `loop`.
        transport: String,
        /// Where it is reached: `10.0.0.1:4420`; for Fibre Channel `nn-0x…:pn-0x…`.
        address: Option<String>,
        /// The subsystem's name, `nqn.…`.
        subsystem: String,
    },
    /// A Ceph RBD image that the kernel has mapped.
    Rbd {
        /// The pool.
        pool: String,
        /// The namespace in the pool, unless it is the default one.
        namespace: Option<String>,
        /// The image.
        image: String,
        /// The snapshot, where one is mapped and not the image itself.
        snapshot: Option<String>,
        /// The cluster's `fsid`; known since Linux 4.9.
        cluster: Option<String>,
    },
    /// A volume of Dell PowerFlex.
    PowerFlex {
        /// The system's id.
        system: String,
        /// The volume's id.
        volume: String,
    },
    /// A DRBD resource, which this node shares with its peers.
    Drbd {
        /// The resource.
        resource: String,
        /// The volume in it; `None` where DRBD names none (8.3).
        volume: Option<u32>,
    },
    /// A cloud's volume that is attached to this machine as a disk.
    Cloud {
        /// `AWS EBS`, `Google Cloud`, `Azure`.
        provider: Cow<'static, str>,
        /// What the provider calls it: for EBS the volume's id, which is the CSI volume handle; for Google the disk's name; for
        /// Azure the place at which it is attached, `lun3`.
        volume: String,
    },
}

const LONGHORN_ISCSI: &str = "iqn.2019-10.io.longhorn:";
const LONGHORN_NVME: &str = "nqn.2023-01.io.longhorn.spdk:";
const MAYASTOR: [&str; 2] = ["nqn.2019-05.io.openebs:", "nqn.2019-05.com.mayadata:"];

impl RemoteTarget {
    /// What the storage system calls the volume, where the target's name tells it: for Longhorn the PersistentVolume's
    /// name, for Mayastor the volume's UUID, for RBD the image, for EBS its id, for PowerFlex `SYSTEM-VOLUME` (the CSI volume
    /// handle), for DRBD the resource (LINSTOR gives it the PersistentVolume's name).
    pub fn volume(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Iscsi { target, .. } => {
                // The engine writes an underscore as a colon, as names of targets cannot hold one.
                let name = target.strip_prefix(LONGHORN_ISCSI)?;
                Some(if name.contains(':') {
                    Cow::Owned(name.replace(':', "_"))
                } else {
                    Cow::Borrowed(name)
                })
            }
            Self::NvmeOverFabric { subsystem, .. } => {
                if let Some(engine) = subsystem.strip_prefix(LONGHORN_NVME) {
                    return Some(Cow::Borrowed(longhorn_volume(engine)));
                }
                let name = MAYASTOR.iter().find_map(|start| subsystem.strip_prefix(start))?;
                Some(Cow::Borrowed(name.strip_prefix("nexus-").unwrap_or(name)))
            }
            Self::Rbd { image, .. } => Some(Cow::Borrowed(image)),
            Self::PowerFlex { system, volume } => Some(Cow::Owned(format!("{system}-{volume}"))),
            Self::Drbd { resource, .. } => Some(Cow::Borrowed(resource)),
            Self::Cloud { volume, .. } => Some(Cow::Borrowed(volume)),
            _ => None,
        }
    }

    /// The storage product, where the target's name tells it.
    pub fn product(&self) -> Option<&'static str> {
        match self {
            Self::Iscsi { target, .. } if target.starts_with(LONGHORN_ISCSI) => Some("Longhorn"),
            Self::NvmeOverFabric { subsystem, .. } if subsystem.starts_with(LONGHORN_NVME) => {
                Some("Longhorn")
            }
            Self::NvmeOverFabric { subsystem, .. }
                if MAYASTOR.iter().any(|start| subsystem.starts_with(start)) =>
            {
                Some("Mayastor")
            }
            Self::Rbd { .. } | Self::Ceph { .. } => Some("Ceph"),
            Self::PowerFlex { .. } => Some("PowerFlex"),
            Self::Drbd { .. } => Some("DRBD"),
            Self::Gluster { .. } => Some("Gluster"),
            Self::Lustre { .. } => Some("Lustre"),
            _ => None,
        }
    }
}

/// The volume of a Longhorn engine, which is named `VOLUME-e-NUMBER`.
fn longhorn_volume(engine: &str) -> &str {
    match engine.rsplit_once("-e-") {
        Some((volume, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            volume
        }
        _ => engine,
    }
}

impl fmt::Display for RemoteTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nfs { server, export } => write!(formatter, "NFS {}:{export}", Host(server)),
            Self::Smb { server, share } => write!(formatter, "SMB //{server}/{share}"),
            Self::Ceph {
                monitors,
                cluster,
                filesystem,
                path,
            } => {
                write!(
                    formatter,
                    "CephFS {}:{path}",
                    filesystem.as_deref().unwrap_or_default()
                )?;
                if let Some(cluster) = cluster {
                    write!(formatter, " of cluster {cluster}")?;
                }
                if !monitors.is_empty() {
                    write!(formatter, " at {}", monitors.join(","))?;
                }
                Ok(())
            }
            Self::Gluster { server, volume } => write!(formatter, "Gluster {}:{volume}", Host(server)),
            Self::Lustre { servers, filesystem } => write!(formatter, "Lustre {filesystem} at {servers}"),
            Self::HostShare { protocol, tag } => {
                write!(formatter, "{protocol} share {tag} of the hypervisor")
            }
            Self::Fuse { program, source } => match program {
                Some(program) if program != source => write!(formatter, "FUSE {program} {source}"),
                _ => write!(formatter, "FUSE {source}"),
            },
            Self::Network { fstype, source } => write!(formatter, "{fstype} {source}"),
            Self::Iscsi { target, portal, lun } => {
                self.write_volume(formatter)?;
                write!(formatter, "iSCSI {target}")?;
                if let Some(portal) = portal {
                    write!(formatter, " at {portal}")?;
                }
                write_lun(formatter, *lun)
            }
            Self::FibreChannel { port, lun } => {
                write!(formatter, "Fibre Channel port {port}")?;
                write_lun(formatter, *lun)
            }
            Self::NvmeOverFabric {
                transport,
                address,
                subsystem,
            } => {
                self.write_volume(formatter)?;
                write!(formatter, "NVMe over {transport} {subsystem}")?;
                match address {
                    Some(address) => write!(formatter, " at {address}"),
                    None => Ok(()),
                }
            }
            Self::Rbd {
                pool,
                namespace,
                image,
                snapshot,
                cluster,
            } => {
                write!(formatter, "RBD {pool}/")?;
                if let Some(namespace) = namespace {
                    write!(formatter, "{namespace}/")?;
                }
                formatter.write_str(image)?;
                if let Some(snapshot) = snapshot {
                    write!(formatter, "@{snapshot}")?;
                }
                match cluster {
                    Some(cluster) => write!(formatter, " of cluster {cluster}"),
                    None => Ok(()),
                }
            }
            Self::PowerFlex { system, volume } => {
                write!(formatter, "PowerFlex volume {volume} of system {system}")
            }
            Self::Drbd { resource, volume } => match volume {
                Some(volume) => write!(formatter, "DRBD resource {resource}, volume {volume}"),
                None => write!(formatter, "DRBD resource {resource}"),
            },
            Self::Cloud { provider, volume } => write!(formatter, "{provider} {volume}"),
        }
    }
}

impl RemoteTarget {
    /// `Longhorn volume pvc-1: `, where the target is of a known product.
    fn write_volume(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.product(), self.volume()) {
            (Some(product), Some(volume)) => write!(formatter, "{product} volume {volume}: "),
            _ => Ok(()),
        }
    }
}

fn write_lun(formatter: &mut fmt::Formatter<'_>, lun: Option<u64>) -> fmt::Result {
    match lun {
        Some(lun) => write!(formatter, ", LUN {lun}"),
        None => Ok(()),
    }
}

/// A host before a colon: an IPv6 address in brackets.
struct Host<'a>(&'a str);

impl fmt::Display for Host<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') {
            write!(formatter, "[{}]", self.0)
        } else {
            formatter.write_str(self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iscsi(target: &str) -> RemoteTarget {
        RemoteTarget::Iscsi {
            target: target.into(),
            portal: Some("10.42.0.34:3260".into()),
            lun: Some(1),
        }
    }

    fn nvme(subsystem: &str) -> RemoteTarget {
        RemoteTarget::NvmeOverFabric {
            transport: "tcp".into(),
            address: Some("10.1.0.5:8420".into()),
            subsystem: subsystem.into(),
        }
    }

    #[test]
    fn each_target_is_one_line_for_people() {
        for (target, line) in [
            (
                RemoteTarget::Cloud {
                    provider: "AWS EBS".into(),
                    volume: "vol-0123456789abcdef0".into(),
                },
                "AWS EBS vol-0123456789abcdef0",
            ),
            (
                RemoteTarget::Nfs {
                    server: "2001:db8::1".into(),
                    export: "/srv/data".into(),
                },
                "NFS [2001:db8::1]:/srv/data",
            ),
            (
                RemoteTarget::Ceph {
                    monitors: vec!["10.0.0.1:6789".into(), "10.0.0.2:6789".into()],
                    cluster: None,
                    filesystem: None,
                    path: "/volumes/a".into(),
                },
                "CephFS :/volumes/a at 10.0.0.1:6789,10.0.0.2:6789",
            ),
            (
                RemoteTarget::Fuse {
                    program: Some("sshfs".into()),
                    source: "me@there:/home".into(),
                },
                "FUSE sshfs me@there:/home",
            ),
            (
                RemoteTarget::Fuse {
                    program: Some("s3fs".into()),
                    source: "s3fs".into(),
                },
                "FUSE s3fs",
            ),
            (
                iscsi("iqn.2003-01.org.linux-iscsi.a:sn.1"),
                "iSCSI iqn.2003-01.org.linux-iscsi.a:sn.1 at 10.42.0.34:3260, LUN 1",
            ),
            (
                iscsi("iqn.2019-10.io.longhorn:pvc-89c1"),
                "Longhorn volume pvc-89c1: iSCSI iqn.2019-10.io.longhorn:pvc-89c1 at 10.42.0.34:3260, LUN 1",
            ),
            (
                nvme("nqn.2014-08.org.example:a"),
                "NVMe over tcp nqn.2014-08.org.example:a at 10.1.0.5:8420",
            ),
            (
                RemoteTarget::Rbd {
                    pool: "kube".into(),
                    namespace: Some("team".into()),
                    image: "csi-vol-1".into(),
                    snapshot: Some("before".into()),
                    cluster: None,
                },
                "RBD kube/team/csi-vol-1@before",
            ),
            (
                RemoteTarget::PowerFlex {
                    system: "456ee5d741234567".into(),
                    volume: "6d0a1b2c00000001".into(),
                },
                "PowerFlex volume 6d0a1b2c00000001 of system 456ee5d741234567",
            ),
            (
                RemoteTarget::Drbd {
                    resource: "pvc-1".into(),
                    volume: Some(0),
                },
                "DRBD resource pvc-1, volume 0",
            ),
        ] {
            assert_eq!(target.to_string(), line);
            assert!(!line.contains('\n'));
        }
    }

    #[test]
    fn the_storage_systems_own_name_of_a_volume_is_read_off_the_target() {
        for (target, product, volume) in [
            (
                iscsi("iqn.2019-10.io.longhorn:pvc-89c1"),
                Some("Longhorn"),
                Some("pvc-89c1"),
            ),
            (
                iscsi("iqn.2019-10.io.longhorn:my:volume"),
                Some("Longhorn"),
                Some("my_volume"),
            ),
            (iscsi("iqn.2003-01.org.linux-iscsi.a:sn.1"), None, None),
            (
                nvme("nqn.2023-01.io.longhorn.spdk:pvc-81ba-e-0"),
                Some("Longhorn"),
                Some("pvc-81ba"),
            ),
            (
                nvme("nqn.2023-01.io.longhorn.spdk:vol-e-x"),
                Some("Longhorn"),
                Some("vol-e-x"),
            ),
            (
                nvme("nqn.2019-05.io.openebs:a0000000-0000-0000-0000-0000000003ff"),
                Some("Mayastor"),
                Some("a0000000-0000-0000-0000-0000000003ff"),
            ),
            (
                nvme("nqn.2019-05.io.openebs:nexus-a0"),
                Some("Mayastor"),
                Some("a0"),
            ),
            (nvme("nqn.2014-08.org.example:a"), None, None),
        ] {
            assert_eq!(
                (target.product(), target.volume().as_deref()),
                (product, volume),
                "{target}"
            );
        }
    }
}
