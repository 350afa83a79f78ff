//! Disks of clouds: what is behind them nobody here sees, but the node that a volume is attached to sees the disk, by a name that is made
//! of the volume's. A volume that is attached nowhere is on no node.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Engine;
use crate::model::disk_name::{DiskName, DiskReference};
use crate::model::replica::{Place, Placement};
use crate::model::workload::{AttachedDevice, PersistentVolume, StorageSource, VolumeAttachment};

/// Amazon's EBS.
#[derive(Debug)]
pub(super) struct Ebs;

impl Engine for Ebs {
    fn drivers(&self) -> &'static [&'static str] {
        &["ebs.csi.aws.com", "kubernetes.io/aws-ebs"]
    }

    fn place(&self, volume: &PersistentVolume, attachments: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        let handle = handle(volume)?;
        // `aws://ZONE/vol-…` in the plugin that was part of Kubernetes.
        let id = handle.rsplit('/').next().unwrap_or(&handle).to_owned();
        Some(outside("ebs", attachments, |disk, device| {
            // Instances that show it as NVMe give it this serial number.
            let serial = id.replacen("vol-", "vol", 1);
            let link = format!("/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{serial}");
            let disk = disk.with_path(&link);
            match device {
                Some(AttachedDevice::Path(path)) => disk.with(DiskName::Path(path.clone())),
                _ => disk,
            }
        }))
    }
}

/// Google's persistent disks.
#[derive(Debug)]
pub(super) struct GcePersistentDisk;

impl Engine for GcePersistentDisk {
    fn drivers(&self) -> &'static [&'static str] {
        &["pd.csi.storage.gke.io", "kubernetes.io/gce-pd"]
    }

    fn place(&self, volume: &PersistentVolume, attachments: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        // `projects/P/zones/Z/disks/NAME`, or the name alone.
        let handle = handle(volume)?;
        let name = handle.rsplit('/').next().unwrap_or(&handle).to_owned();
        Some(outside("gce-pd", attachments, |disk, _| {
            disk.with(DiskName::Serial(name.clone()))
                .with(DiskName::Link(format!("by-id/google-{name}")))
        }))
    }
}

/// Azure's managed disks.
#[derive(Debug)]
pub(super) struct AzureDisk;

impl Engine for AzureDisk {
    fn drivers(&self) -> &'static [&'static str] {
        &["disk.csi.azure.com", "kubernetes.io/azure-disk"]
    }

    fn place(&self, _: &PersistentVolume, attachments: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        Some(outside("azure-disk", attachments, |disk, device| match device {
            Some(AttachedDevice::Lun(lun)) => disk
                .with(DiskName::Link(format!("azure/scsi1/lun{lun}")))
                .with(DiskName::Link(format!("azure/data/by-lun/{lun}"))),
            _ => disk,
        }))
    }
}

/// vSphere's virtual disks.
#[derive(Debug)]
pub(super) struct Vsphere;

impl Engine for Vsphere {
    fn drivers(&self) -> &'static [&'static str] {
        &["csi.vsphere.vmware.com", "kubernetes.io/vsphere-volume"]
    }

    /// Of a folder of a file share there is no disk.
    fn serves(&self, volume: &PersistentVolume) -> bool {
        let is_disk = handle(volume).is_none_or(|handle| !handle.starts_with("file:"));
        is_disk
            && volume
                .driver()
                .is_some_and(|driver| self.drivers().contains(&driver))
    }

    fn place(&self, _: &PersistentVolume, attachments: &[Arc<VolumeAttachment>]) -> Option<Placement> {
        Some(outside("vsphere", attachments, |disk, device| match device {
            // The virtual machine must be told to show the disks' identities, and then shows them as WWNs.
            Some(AttachedDevice::Uuid(uuid)) => {
                let wwn: String = uuid.chars().filter(|letter| *letter != '-').collect();
                disk.with_path(&format!("/dev/disk/by-id/wwn-0x{}", wwn.to_lowercase()))
            }
            _ => disk,
        }))
    }
}

fn handle(volume: &PersistentVolume) -> Option<String> {
    volume.source.as_ref().and_then(StorageSource::handle)
}

/// One disk for each node that the volume is attached to, however many attachments say so, by the names that `named` adds; a disk
/// without a name is left out.
fn outside(
    engine: &'static str,
    attachments: &[Arc<VolumeAttachment>],
    named: impl Fn(DiskReference, Option<&AttachedDevice>) -> DiskReference,
) -> Placement {
    let attached = attachments
        .iter()
        .filter(|attachment| attachment.attached == Some(true) && attachment.node.is_some());
    let mut told = BTreeSet::new();
    let disks = attached
        .map(|attachment| {
            named(
                DiskReference::on(attachment.node.as_deref()),
                attachment.device.as_ref(),
            )
        })
        .filter(|disk| !disk.names.is_empty() && told.insert(disk.clone()));
    Placement {
        engine,
        wanted: None,
        place: Place::Outside(disks.collect()),
    }
}
