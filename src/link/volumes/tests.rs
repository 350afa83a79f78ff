//! Given this machine, this is what its volume lies on, and what is lost of it with a disk.

use std::sync::Arc;

use crate::link::link;
use crate::model::device::{BlockDevice, DeviceNumber, DeviceType, Signature};
use crate::model::graph::BlockDevices;
use crate::model::host::HostSample;
use crate::model::loss::{Loss, loss};
use crate::model::mount::Mount;
use crate::model::mount_table::MountTable;
use crate::model::placement::Volume;
use crate::model::remote::RemoteTarget;
use crate::model::topology::Topology;
use crate::model::volume::{PodVolume, VolumeMode};

const SDA: DeviceNumber = DeviceNumber::new(8, 0);
const SDB: DeviceNumber = DeviceNumber::new(8, 16);
const ZVOL: DeviceNumber = DeviceNumber::new(230, 0);

/// A machine with these devices, and a PersistentVolume whose filesystem is on the last of them.
fn machine(devices: Vec<BlockDevice>) -> HostSample {
    let last = devices.last().unwrap();
    let mount = Mount {
        id: 30,
        parent_id: 1,
        number: last.number,
        root: "/".into(),
        mount_point: "/pods/v".into(),
        read_only: false,
        fstype: "ext4".into(),
        source: format!("/dev/{}", last.kernel_name),
        filesystem_read_only: false,
        has_folder_quotas: false,
    };
    let volume = PodVolume {
        pod_uid: "pod".into(),
        plugin: "kubernetes.io/local-volume".into(),
        name: "pvc-1".into(),
        mode: VolumeMode::Filesystem,
        path: "/pods/v".into(),
        other_paths: Vec::new(),
        csi: None,
    };
    HostSample {
        mounts: Arc::new(MountTable::from(vec![mount])),
        devices: Arc::new(BlockDevices::new(devices)),
        pod_volumes: Arc::new([volume]),
        ..HostSample::default()
    }
}

fn volume(topology: &Topology) -> &Volume {
    let [volume] = &topology.volumes[..] else {
        panic!("one volume")
    };
    volume
}

fn disk(number: DeviceNumber, name: &str) -> BlockDevice {
    BlockDevice::new(number, name, DeviceType::Disk)
}

/// A disk of the pool `my tank`.
fn member(number: DeviceNumber, name: &str) -> BlockDevice {
    BlockDevice {
        signature: Signature {
            fstype: Some("zfs_member".into()),
            label: Some("my tank".into()),
            uuid: Some("1".into()),
        },
        ..disk(number, name)
    }
}

fn zvol(links: &[&str]) -> BlockDevice {
    BlockDevice {
        size: Some(1 << 30),
        links: links.iter().map(|link| (*link).to_owned()).collect(),
        ..disk(ZVOL, "zd0")
    }
}

fn partition(minor: u32, name: &str, of: DeviceNumber) -> BlockDevice {
    BlockDevice::over(DeviceNumber::new(259, minor), name, "part", &[of])
}

#[test]
fn a_zfs_volume_lies_on_the_members_of_its_pool() {
    let in_pool = || zvol(&["zvol/my+tank/shop/pvc-1"]);
    let alone = vec![disk(SDB, "sdb"), member(SDA, "sda"), in_pool()];
    let with_partition = vec![member(SDA, "sda"), in_pool(), partition(1, "zd0p1", ZVOL)];
    for devices in [alone, with_partition] {
        let map = link(&machine(devices), None);
        let volume = volume(&map);
        assert_eq!(volume.placement.disks, [SDA]);
        assert!(
            map.disks.iter().all(|disk| disk.number != ZVOL),
            "{:?}",
            map.disks
        );
        assert_eq!(loss(&map.devices, volume, SDA), Loss::Lost);
        assert_eq!(loss(&map.devices, volume, SDB), Loss::Untouched);
        assert_eq!(map.volumes_on(SDA).count(), 1);
        let promise = map.disk(SDA).unwrap().promise;
        assert_eq!((promise.spread, promise.is_empty()), (0, false));
    }
    let several = vec![member(SDA, "sda"), member(SDB, "sdb"), in_pool()];
    let map = link(&machine(several), None);
    assert_eq!(volume(&map).placement.disks, [SDA, SDB]);
    assert_eq!(loss(&map.devices, volume(&map), SDA), Loss::Unknown);
    assert_eq!(map.disk(SDA).unwrap().promise.spread, 1);
}

#[test]
fn where_nothing_says_which_pool_a_zfs_volume_is_of_its_disks_are_not_known() {
    for links in [&[][..], &["zvol/other/pvc-1"], &["zvol/"]] {
        let map = link(&machine(vec![member(SDA, "sda"), zvol(links)]), None);
        assert_eq!(volume(&map).placement.disks, [], "{links:?}");
        assert_eq!(map.disks.len(), 1, "{links:?}");
        assert_eq!(loss(&map.devices, volume(&map), SDA), Loss::Untouched);
    }
}

/// A pool may lie on volumes of another, and on a broken machine on its own.
#[test]
fn pools_on_zfs_volumes_are_followed_and_a_circle_of_them_ends() {
    let inner = DeviceNumber::new(230, 16);
    let mut lower = zvol(&["zvol/my+tank/lower"]);
    lower.signature = Signature {
        fstype: Some("zfs_member".into()),
        label: Some("guest".into()),
        uuid: Some("2".into()),
    };
    let upper = BlockDevice {
        links: vec!["zvol/guest/pvc-1".into()],
        ..disk(inner, "zd16")
    };
    let map = link(
        &machine(vec![member(SDA, "sda"), lower.clone(), upper.clone()]),
        None,
    );
    assert_eq!(volume(&map).placement.disks, [SDA]);
    assert_eq!(loss(&map.devices, volume(&map), SDA), Loss::Lost);

    lower.links = vec!["zvol/guest/lower".into()];
    let map = link(&machine(vec![lower, upper]), None);
    assert_eq!(volume(&map).placement.disks, []);
}

/// LINSTOR's volumes: DRBD over a logical volume.
#[test]
fn a_drbd_device_over_a_disk_of_this_node_leads_to_its_peers_and_to_the_disk() {
    let (logical, drbd) = (DeviceNumber::new(253, 5), DeviceNumber::new(147, 1000));
    let devices = vec![
        disk(SDA, "sda"),
        BlockDevice::over(logical, "dm-5", "lvm", &[SDA]),
        BlockDevice::over(drbd, "drbd1000", "disk", &[logical]),
    ];
    let target = RemoteTarget::Drbd {
        resource: "pvc-1".into(),
        volume: Some(0),
    };
    let sample = HostSample {
        remotes: Arc::new([(drbd, vec![target.clone()])].into()),
        ..machine(devices)
    };
    let map = link(&sample, None);
    let placement = &volume(&map).placement;
    assert_eq!(
        (&placement.disks[..], &placement.remote),
        (&[SDA][..], &Some(target))
    );
    assert_eq!(loss(&map.devices, volume(&map), SDA), Loss::Unknown);
}

#[test]
fn where_both_lead_to_another_machine_the_device_wins_over_what_it_is_made_of() {
    let drbd = DeviceNumber::new(147, 1000);
    let target = |lun| RemoteTarget::FibreChannel {
        port: "0x1".into(),
        lun: Some(lun),
    };
    let devices = |upper: &str, kind| {
        vec![
            disk(SDA, "sda"),
            disk(SDB, "sdb"),
            BlockDevice::over(drbd, upper, kind, &[SDA, SDB]),
        ]
    };
    let remote = |upper, kind, targets: &[(DeviceNumber, u64)]| {
        let remotes = targets.iter().map(|(device, lun)| (*device, vec![target(*lun)]));
        let sample = HostSample {
            remotes: Arc::new(remotes.collect()),
            ..machine(devices(upper, kind))
        };
        volume(&link(&sample, None)).placement.remote.clone()
    };
    assert_eq!(
        remote("drbd1000", "disk", &[(SDA, 1), (drbd, 2)]),
        Some(target(2))
    );
    assert_eq!(remote("dm-0", "lvm", &[(SDA, 1), (SDB, 2)]), Some(target(1)));
    assert_eq!(remote("dm-0", "lvm", &[(SDB, 2)]), Some(target(2)));
    assert_eq!(remote("dm-0", "lvm", &[]), None);
}

/// Drivers that run in containers open files by other paths than the node's.
#[test]
fn a_file_that_is_written_to_does_not_lie_on_a_mount_that_refuses_writes() {
    let root = |read_only, filesystem_read_only| Mount {
        id: 1,
        parent_id: 0,
        number: SDA,
        root: "/".into(),
        mount_point: "/".into(),
        read_only,
        fstype: "erofs".into(),
        source: "/dev/sda".into(),
        filesystem_read_only,
        has_folder_quotas: false,
    };
    let disks = |root: Mount, writable: Option<bool>| {
        let file = BlockDevice {
            backing_file: Some("/data/pvc-1/disk.img".into()),
            read_only: writable.map(|writable| !writable),
            ..BlockDevice::new(DeviceNumber::new(7, 0), "loop0", DeviceType::Loop)
        };
        let sample = machine(vec![disk(SDA, "sda"), file]);
        let mounts = [&[root][..], &sample.mounts].concat();
        let sample = HostSample {
            mounts: Arc::new(MountTable::from(mounts)),
            ..sample
        };
        volume(&link(&sample, None)).placement.disks.clone()
    };
    assert_eq!(disks(root(true, true), Some(true)), []);
    assert_eq!(disks(root(true, true), Some(false)), [SDA]);
    assert_eq!(disks(root(true, true), None), [SDA]);
    assert_eq!(disks(root(false, true), Some(true)), [SDA], "after an error");
    assert_eq!(disks(root(false, false), Some(true)), [SDA]);
}
