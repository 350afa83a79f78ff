//! What a volume is.

use crate::cluster::wire::Storage;
use crate::model::workload::StorageSource;

pub(super) fn storage(storage: Storage) -> Option<StorageSource> {
    let named = storage.other.map(|field| StorageSource::Other {
        field: field.to_owned(),
    });
    let csi = storage.csi.and_then(|csi| {
        Some(StorageSource::Csi {
            driver: csi.driver?,
            handle: csi.volume_handle.filter(|handle| !handle.is_empty()),
            fstype: csi.fs_type.filter(|fstype| !fstype.is_empty()),
        })
    });
    csi.or(storage.nfs.map(|nfs| StorageSource::Nfs {
        server: nfs.server,
        path: nfs.path,
    }))
    .or(storage
        .host_path
        .map(|host| StorageSource::HostPath { path: host.path }))
    .or(storage
        .local
        .map(|local| StorageSource::Local { path: local.path }))
    .or(storage
        .aws_elastic_block_store
        .map(|volume| StorageSource::AwsElasticBlockStore {
            volume_id: volume.volume_id,
        }))
    .or(storage
        .gce_persistent_disk
        .map(|disk| StorageSource::GcePersistentDisk { disk: disk.disk }))
    .or(storage.azure_disk.map(|disk| StorageSource::AzureDisk {
        disk: disk.disk,
        uri: disk.uri,
    }))
    .or(storage
        .vsphere_volume
        .map(|volume| StorageSource::VsphereVolume { path: volume.path }))
    .or(storage.cinder.map(|volume| StorageSource::Cinder {
        volume_id: volume.volume_id,
    }))
    .or(storage.iscsi.map(|iscsi| StorageSource::Iscsi {
        portal: iscsi.target_portal,
        target: iscsi.iqn,
        lun: iscsi.lun,
    }))
    .or(storage.fc.map(|channel| StorageSource::FibreChannel {
        target_wwns: channel.target_wwns.unwrap_or_default(),
        wwids: channel.wwids.unwrap_or_default(),
        lun: channel.lun,
    }))
    .or(storage.rbd.map(|rbd| StorageSource::Rbd {
        monitors: rbd.monitors.unwrap_or_default(),
        pool: rbd.pool,
        image: rbd.image,
    }))
    .or(storage.cephfs.map(|ceph| StorageSource::CephFs {
        monitors: ceph.monitors.unwrap_or_default(),
        path: ceph.path,
    }))
    .or(storage
        .flex_volume
        .and_then(|flex| flex.driver)
        .map(|driver| StorageSource::Flex { driver }))
    .or(named)
}
