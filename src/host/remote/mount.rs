//! What mounts of network filesystems lead to, told by what was mounted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::mount::Mount;
use crate::model::mount_table::MountTable;
use crate::model::remote::RemoteTarget;

/// [`of_mount`] of all mounts, thought over only where they have changed.
#[derive(Debug, Default)]
pub struct MountTargets {
    mounts: Arc<MountTable>,
    targets: Arc<BTreeMap<u64, RemoteTarget>>,
}

impl MountTargets {
    /// What these mounts lead to, by their ids. The same in memory as before where it is the same.
    pub fn of(&mut self, mounts: &Arc<MountTable>) -> Arc<BTreeMap<u64, RemoteTarget>> {
        if !Arc::ptr_eq(&self.mounts, mounts) {
            let targets = mounts
                .iter()
                .filter_map(|mount| Some((mount.id, of_mount(mount)?)));
            let targets: BTreeMap<_, _> = targets.collect();
            if targets != *self.targets {
                self.targets = Arc::new(targets);
            }
            self.mounts = Arc::clone(mounts);
        }
        Arc::clone(&self.targets)
    }
}

/// What a network filesystem's mount leads to; `None` for a local filesystem.
pub fn of_mount(mount: &Mount) -> Option<RemoteTarget> {
    let source = mount.source.as_str();
    Some(match mount.fstype.as_str() {
        "nfs" | "nfs4" => {
            let (server, export) = host_and_path(source)?;
            RemoteTarget::Nfs { server, export }
        }
        "cifs" | "smb3" | "smbfs" => smb(source)?,
        "ceph" => ceph(source)?,
        "glusterfs" | "fuse.glusterfs" => {
            let (server, volume) = host_and_path(source)?;
            RemoteTarget::Gluster {
                server,
                volume: volume.trim_start_matches('/').to_owned(),
            }
        }
        "lustre" | "lustre_lite" => {
            let (servers, filesystem) = source.split_once(":/")?;
            RemoteTarget::Lustre {
                servers: servers.to_owned(),
                filesystem: filesystem.to_owned(),
            }
        }
        fstype @ ("9p" | "virtiofs") => RemoteTarget::HostShare {
            protocol: Cow::Owned(fstype.to_owned()),
            tag: source.to_owned(),
        },
        fstype @ ("beegfs" | "gpfs" | "wekafs" | "afs" | "orangefs" | "pvfs2") => RemoteTarget::Network {
            fstype: fstype.to_owned(),
            source: source.to_owned(),
        },
        fstype => fuse(fstype, source)?,
    })
}

/// Programs that show local folders or their own data: nothing of theirs lies elsewhere.
const LOCAL_FUSE: [&str; 16] = [
    "bindfs",
    "cryfs",
    "ecryptfs",
    "encfs",
    "fuse-overlayfs",
    "gocryptfs",
    "gvfsd-fuse",
    "lxcfs",
    "mergerfs",
    "ntfs-3g",
    "overlayfs",
    "portal",
    "snapfuse",
    "squashfuse",
    "unionfs",
    "xdg-document-portal",
];

/// `fuseblk` has a block device and is local.
fn fuse(fstype: &str, source: &str) -> Option<RemoteTarget> {
    let program = match fstype.strip_prefix("fuse")? {
        "" => None,
        named => Some(named.strip_prefix('.').filter(|program| !program.is_empty())?),
    };
    let is_local = |name: &str| LOCAL_FUSE.contains(&name);
    if program.is_some_and(is_local) || (program.is_none() && is_local(source)) {
        return None;
    }
    Some(RemoteTarget::Fuse {
        program: program.map(str::to_owned),
        source: source.to_owned(),
    })
}

/// `server:/path`, `[2001:db8::1]:/path`; Gluster's path may lack the slash.
fn host_and_path(source: &str) -> Option<(String, String)> {
    let (host, path) = match source.strip_prefix('[') {
        Some(rest) => rest.split_once("]:")?,
        // An unbracketed IPv6 address has colons of its own, but none before a slash.
        None => source.split_once(":/").map_or_else(
            || source.split_once(':'),
            |(host, _)| Some((host, &source[host.len() + 1..])),
        )?,
    };
    (!host.is_empty() && !path.is_empty()).then(|| (host.to_owned(), path.to_owned()))
}

/// `//server/share/folder`.
fn smb(source: &str) -> Option<RemoteTarget> {
    let source = source.replace('\\', "/");
    let (server, share) = source.strip_prefix("//")?.split_once('/')?;
    (!server.is_empty()).then(|| RemoteTarget::Smb {
        server: server.to_owned(),
        share: share.trim_end_matches('/').to_owned(),
    })
}

/// `10.0.0.1:6789,10.0.0.2:6789:/folder`, monitors possibly as `[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0]`; since Linux
/// 5.17 also `user@FSID.FILESYSTEM=/folder` (mount.ceph(8)).
fn ceph(source: &str) -> Option<RemoteTarget> {
    if let Some((who, path)) = source.split_once("=/")
        && let Some((_, place)) = who.split_once('@')
        && let Some((cluster, filesystem)) = place.split_once('.')
    {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        return Some(RemoteTarget::Ceph {
            monitors: Vec::new(),
            cluster: some(cluster),
            filesystem: some(filesystem),
            path: format!("/{path}"),
        });
    }
    let (monitors, path) = source.split_once(":/")?;
    (!monitors.is_empty()).then(|| RemoteTarget::Ceph {
        monitors: split_outside_brackets(monitors),
        cluster: None,
        filesystem: None,
        path: format!("/{path}"),
    })
}

/// Splits at commas that do not stand in brackets.
fn split_outside_brackets(text: &str) -> Vec<String> {
    let mut depth = 0_usize;
    text.split(|character| {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
    .filter(|part| !part.is_empty())
    .map(str::to_owned)
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::model::device::DeviceNumber;

    fn mount(fstype: &str, source: &str) -> Mount {
        Mount {
            id: 1,
            parent_id: 0,
            number: DeviceNumber::new(0, 40),
            root: "/".into(),
            mount_point: "/mnt".into(),
            read_only: false,
            fstype: fstype.into(),
            source: source.into(),
            filesystem_read_only: false,
            has_folder_quotas: false,
        }
    }

    #[test]
    fn a_network_filesystems_mount_leads_to_its_server() {
        for (fstype, source, line) in [
            ("nfs", "127.0.0.1:/run/export", "NFS 127.0.0.1:/run/export"),
            ("nfs4", "10.9.9.1:/", "NFS 10.9.9.1:/"),
            ("nfs4", "[2001:db8::1]:/srv/a:/b", "NFS [2001:db8::1]:/srv/a:/b"),
            ("nfs4", "fe80::1%eth0:/srv", "NFS [fe80::1%eth0]:/srv"),
            (
                "cifs",
                "//files.example.com/team/a b/",
                "SMB //files.example.com/team/a b",
            ),
            ("smb3", r"\\files\team", "SMB //files/team"),
            (
                "ceph",
                "10.0.0.1:6789,10.0.0.2:6789:/volumes/csi/x",
                "CephFS :/volumes/csi/x at 10.0.0.1:6789,10.0.0.2:6789",
            ),
            (
                "ceph",
                "[v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0],[2001:db8::2]:6789:/",
                "CephFS :/ at [v2:10.0.0.1:3300/0,v1:10.0.0.1:6789/0],[2001:db8::2]:6789",
            ),
            (
                "ceph",
                "csi@b6b1f1a4-0000-4000-8000-0000deadbeef.cephfs=/volumes/x",
                "CephFS cephfs:/volumes/x of cluster b6b1f1a4-0000-4000-8000-0000deadbeef",
            ),
            (
                "fuse.glusterfs",
                "gl1.example.com:vol0",
                "Gluster gl1.example.com:vol0",
            ),
            ("glusterfs", "gl1:/vol0", "Gluster gl1:vol0"),
            (
                "lustre",
                "10.0.0.1@tcp:10.0.0.2@tcp:/scratch/team",
                "Lustre scratch/team at 10.0.0.1@tcp:10.0.0.2@tcp",
            ),
            ("9p", "hostshare", "9p share hostshare of the hypervisor"),
            ("virtiofs", "data", "virtiofs share data of the hypervisor"),
            ("beegfs", "beegfs_nodev", "beegfs beegfs_nodev"),
            ("fuse.sshfs", "me@there:/home/me", "FUSE sshfs me@there:/home/me"),
            ("fuse.juicefs", "JuiceFS:prod", "FUSE juicefs JuiceFS:prod"),
            ("fuse", "mountpoint-s3", "FUSE mountpoint-s3"),
        ] {
            let target = of_mount(&mount(fstype, source));
            assert_eq!(
                target.map(|target| target.to_string()).as_deref(),
                Some(line),
                "{fstype} {source}"
            );
        }
    }

    #[test]
    fn while_the_same_is_mounted_the_targets_stay_in_their_place() {
        let mut targets = MountTargets::default();
        let table = |mounts: &[Mount]| Arc::new(MountTable::from(mounts.to_vec()));
        let remote = mount("nfs4", "10.9.9.1:/");
        let local = Mount {
            id: 2,
            ..mount("ext4", "/dev/sda1")
        };
        let one = table(std::slice::from_ref(&remote));
        let first = targets.of(&one);
        assert_eq!(first.len(), 1);
        assert!(Arc::ptr_eq(&first, &targets.of(&one)));
        let with_local = table(&[remote, local.clone()]);
        assert!(Arc::ptr_eq(&first, &targets.of(&with_local)));
        assert!(targets.of(&table(&[local])).is_empty());
    }

    #[test]
    fn a_local_filesystems_mount_leads_nowhere() {
        for (fstype, source) in [
            ("ext4", "/dev/sda1"),
            ("tmpfs", "tmpfs"),
            ("zfs", "tank/a"),
            ("fuseblk", "/dev/sdb1"),
            ("fusectl", "fusectl"),
            ("fuse.", "x"),
            ("fuse.lxcfs", "lxcfs"),
            ("fuse", "lxcfs"),
            ("fuse.mergerfs", "a:b"),
            ("nfsd", "nfsd"),
            ("nfs4", "nonsense"),
            ("nfs4", ":/"),
            ("cifs", "share"),
            ("ceph", "/x"),
            ("lustre", "x"),
        ] {
            assert_eq!(of_mount(&mount(fstype, source)), None, "{fstype} {source}");
        }
    }

    proptest! {
        #[test]
        fn any_mount_is_read_without_panic(
            fstype in proptest::sample::select(vec!["nfs", "cifs", "ceph", "fuse", "fuse.", "fuse.x", "lustre", "glusterfs", "9p"]),
            source in "[\\[\\]:/=@.,\\\\a1é]{0,20}",
        ) {
            if let Some(target) = of_mount(&mount(fstype, &source)) {
                prop_assert!(!target.to_string().is_empty());
            }
        }
    }
}
