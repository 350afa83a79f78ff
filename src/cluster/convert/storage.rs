//! What a volume is.

use super::{items, long};
use crate::cluster::wire::{Addresses, Storage};
use crate::model::workload::StorageSource;

/// What the fields say that the volume is; `None` where none of them is there.
pub(super) fn storage(storage: Storage, complain: &mut Vec<String>) -> Option<StorageSource> {
    let named = storage.other.map(|field| StorageSource::Other {
        field: field.to_owned(),
    });
    let csi = storage.csi.and_then(|csi| {
        Some(StorageSource::Csi {
            driver: long(csi.driver)?,
            handle: long(csi.volume_handle).filter(|handle| !handle.is_empty()),
        })
    });
    csi.or(storage.nfs.map(|nfs| StorageSource::Nfs {
        server: long(nfs.server),
        path: long(nfs.path),
    }))
    .or(storage.host_path.map(|host| StorageSource::HostPath {
        path: long(host.path),
    }))
    .or(storage.local.map(|local| StorageSource::Local {
        path: long(local.path),
    }))
    .or(storage
        .aws_elastic_block_store
        .map(|volume| StorageSource::AwsElasticBlockStore {
            volume_id: long(volume.volume_id),
        }))
    .or(storage
        .gce_persistent_disk
        .map(|disk| StorageSource::GcePersistentDisk {
            disk: long(disk.disk),
        }))
    .or(storage.azure_disk.map(|disk| StorageSource::AzureDisk {
        disk: long(disk.disk),
        uri: long(disk.uri),
    }))
    .or(storage.vsphere_volume.map(|volume| StorageSource::VsphereVolume {
        path: long(volume.path),
    }))
    .or(storage.cinder.map(|volume| StorageSource::Cinder {
        volume_id: long(volume.volume_id),
    }))
    .or(storage.iscsi.map(|iscsi| StorageSource::Iscsi {
        portal: long(iscsi.target_portal),
        target: long(iscsi.iqn),
        lun: iscsi.lun,
    }))
    .or(storage.fc.map(|channel| StorageSource::FibreChannel {
        target_wwns: all(channel.target_wwns, "fc.targetWWNs", complain),
        wwids: all(channel.wwids, "fc.wwids", complain),
        lun: channel.lun,
    }))
    .or(storage.rbd.map(|rbd| StorageSource::Rbd {
        pool: long(rbd.pool),
        image: long(rbd.image),
    }))
    .or(storage.cephfs.map(|ceph| StorageSource::CephFs {
        monitors: all(ceph.monitors, "cephfs.monitors", complain),
        path: long(ceph.path),
    }))
    .or(storage
        .flex_volume
        .and_then(|flex| long(flex.driver))
        .map(|driver| StorageSource::Flex { driver }))
    .or(named)
}

fn all(texts: Option<Addresses>, field: &str, complain: &mut Vec<String>) -> Vec<String> {
    items(texts, field, complain)
        .filter_map(|text| long(Some(text)))
        .collect()
}
