//! What disks and filesystems that look local lead to on the network.
//!
//! A disk's target is read off sysfs: its place in the device tree names the session, the port or the controller
//! that it hangs on, and that has the target's name. Where each is said, and how sure it is:
//!
//! | target | where |
//! |---|---|
//! | iSCSI | the place has `sessionN` and `host:channel:target:lun`; `class/iscsi_session/sessionN/targetname`, `class/iscsi_connection/connectionN:0/persistent_address` |
//! | Fibre Channel | the place has `rport-H:B-R`; `class/fc_remote_ports/rport-H:B-R/port_name` |
//! | NVMe over a fabric | the controller's `transport`, `address`, `subsysnqn`; a disk of native multipath has all controllers of its subsystem |
//! | Ceph RBD | `bus/rbd/devices/N/{pool,pool_ns,name,current_snap,cluster_fsid}` for `rbdN` (`Documentation/ABI/testing/sysfs-bus-rbd`) |
//! | PowerFlex | udev's name `disk/by-id/emc-vol-SYSTEM-VOLUME` for `sciniX` |
//! | clouds | the NVMe serial number of EBS; udev's names `disk/by-id/google-NAME`, `disk/azure/scsi1/lunN` |
//! | DRBD | udev's name `drbd/by-res/RESOURCE/VOLUME` for `drbdN`; the kernel has it in no file of sysfs, but has the local disk in `slaves` |
//!
//! iSCSI (IPv4 and IPv6), NVMe over TCP with native multipath, DRBD 8.4, NFS and 9p were tried on Linux 6.1. Fibre
//! Channel, NVMe over other fabrics, RBD, PowerFlex, the clouds' disks and the other filesystems were never seen
//! on a real kernel: their tests are trees made by hand after what the kernel's and the makers' documents say.

mod cloud;
mod disk;
mod mount;
mod nvme;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::disk::of_disk;
pub use self::mount::{MountTargets, of_mount};
use self::nvme::Controllers;
use super::roots::Roots;
use crate::model::device::{DeviceNumber, DeviceType};
use crate::model::fault::Fault;
use crate::model::graph::BlockDevices;
use crate::model::remote::RemoteTarget;

/// The source that this reader's faults name.
pub const SOURCE: &str = "remote";

/// Targets that may change while the graph does not are read again after this time.
const LONGEST_KEPT: Duration = Duration::from_secs(10);

/// Remote targets by disk.
pub type Targets = BTreeMap<DeviceNumber, Vec<RemoteTarget>>;

/// Finds where disks lead to, and remembers it as long as the graph of devices is the same.
///
/// A first reading costs nothing for local disks, and some four files for each remote one. After that what was found is given again. Only
/// the controllers of NVMe disks come and go a little before or after their paths do, and what could not be read may be there later: those
/// disks are looked at again after some seconds.
#[derive(Debug, Default)]
pub struct RemoteReader {
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    devices: Arc<BlockDevices>,
    read_at: Instant,
    /// The disks that are looked at again.
    unsettled: Vec<DeviceNumber>,
    targets: Arc<Targets>,
    faults: Vec<Fault>,
}

impl RemoteReader {
    /// The remote targets of every disk that has any: one for each path that leads there, in order, each once. A multipath
    /// map has those of its paths. The same in memory as before where they are the same.
    pub fn read(
        &mut self,
        roots: &Roots,
        devices: &Arc<BlockDevices>,
        now: Instant,
    ) -> (Arc<Targets>, Vec<Fault>) {
        let before = self.kept.take();
        let kept = match before {
            Some(kept) if !Arc::ptr_eq(&kept.devices, devices) => {
                let mut new = Kept::of_all(roots, devices, now);
                if new.targets == kept.targets {
                    new.targets = kept.targets;
                }
                new
            }
            Some(mut kept) => {
                if !kept.unsettled.is_empty() && now.saturating_duration_since(kept.read_at) >= LONGEST_KEPT {
                    kept.look_again(roots, now);
                }
                kept
            }
            None => Kept::of_all(roots, devices, now),
        };
        let answer = (Arc::clone(&kept.targets), kept.faults.clone());
        self.kept = Some(kept);
        answer
    }
}

impl Kept {
    fn of_all(roots: &Roots, devices: &Arc<BlockDevices>, now: Instant) -> Self {
        let mut kept = Self {
            devices: Arc::clone(devices),
            read_at: now,
            unsettled: devices.iter().map(|device| device.number).collect(),
            targets: Arc::default(),
            faults: Vec::new(),
        };
        kept.look_again(roots, now);
        kept
    }

    fn look_again(&mut self, roots: &Roots, now: Instant) {
        let mut targets = Targets::clone(&self.targets);
        self.faults.clear();
        let mut controllers = Controllers::default();
        self.unsettled.retain(|number| {
            let Some(disk) = self.devices.get(*number) else {
                return false;
            };
            let known = self.faults.len();
            let found = disk::targets_of(roots, disk, &mut controllers, &mut self.faults);
            if found.is_empty() {
                targets.remove(number);
            } else {
                targets.insert(*number, found);
            }
            self.faults.len() > known || nvme::is_over_nvme(disk)
        });
        for map in self.devices.iter() {
            if map.device_type == DeviceType::Multipath {
                let paths = map.parents.iter().filter_map(|path| targets.get(path));
                let mut found: Vec<_> = paths.flatten().cloned().collect();
                found.sort_unstable();
                found.dedup();
                if found.is_empty() {
                    targets.remove(&map.number);
                } else {
                    targets.insert(map.number, found);
                }
            }
        }
        if targets != *self.targets {
            self.targets = Arc::new(targets);
        }
        self.read_at = now;
    }
}

#[cfg(test)]
mod tests;
