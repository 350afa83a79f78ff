//! Each pod's I/O by device, as its control group counts it: `io.stat`
//! (`Documentation/admin-guide/cgroup-v2.rst`) and, where control groups are still those of version 1,
//! `blkio.throttle.io_*` (`Documentation/admin-guide/cgroup-v1/blkio-controller.rst`).
//!
//! What the figures mean, and what they leave out:
//!
//! * They are counted for whole devices. A partition is never listed: its I/O stands at its disk
//!   ([`BlockDevices::counted_at`](crate::model::graph::BlockDevices::counted_at)). Of a stack (a logical volume on a
//!   disk) every layer is listed, with the same I/O once at each.
//! * They are the whole pod's on that device, over all its volumes, and also what its containers' images
//!   and logs cost there.
//! * Version 2 charges writes from the page cache to the pod that dirtied the page, on ext4, xfs, btrfs, f2fs
//!   and other filesystems that take part in that; elsewhere, and everywhere in version 1, such writes are
//!   the kernel's own and no pod's.
//! * In version 2 a container that has gone still counts for its pod. In version 1 it is lost from the sum, which so
//!   can go back.
//! * Version 1 has recursive counters too, and they are not used: Linux 5.5 to 5.11 put the last child's figure there in
//!   place of the sum. The pod's folder and those of its containers are added up instead.
//! * In version 1, Linux 5.16 to 6.4 and again since 6.10 count nothing at all where no throttling limit is set.
//!   A zero there says nothing, and is taken as not known; nor does one of a device beside others that do count, since some of these kernels
//!   count on the devices alone that have a limit.
//!
//! A group may be made anew under the name that it had, and then counts from 0: in version 2 the number of its file (the inode, which the kernel
//! gives to no other) tells, and in version 1, where the pod's own folder counts next to nothing, which containers the sum is over.
//!
//! Version 2 was tried on Linux 6.1 with partitions, logical volumes and NVMe multipath; of version 1 only the
//! form was seen there.

mod group;
mod pod_folders;
mod text;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::symlink_metadata;
use std::time::{Duration, Instant};

use self::group::{Hierarchy, Pod, Version};
use self::pod_folders::PodFolders;
pub use self::text::{ReadsAndWrites, parse_blkio, parse_io_stat};
use super::kept_file::most_open;
use super::read::ReadError;
use super::roots::Roots;
use crate::model::device::DeviceNumber;
use crate::model::fault::Fault;
use crate::model::io::{CgroupIo, PodIo};

/// The source that this reader's faults name.
pub const SOURCE: &str = "pod_io";

/// The I/O of one control group on each device.
pub type DeviceIo = BTreeMap<DeviceNumber, CgroupIo>;

/// A machine with more folders above the kubelet's than this is not searched to the end.
const MOST_FOLDERS: usize = 1000;
/// Where kubelets keep their pods is looked for again after this time, where a pod is not found.
const SEARCH_AGAIN: Duration = Duration::from_secs(30);

/// Reads pods' I/O, and remembers where each pod's control group is.
#[derive(Debug, Default)]
pub struct CgroupReader {
    hierarchy: Option<Hierarchy>,
    kubelets: Vec<PodFolders>,
    searched_at: Option<Instant>,
    pods: HashMap<String, Pod>,
}

impl CgroupReader {
    /// The I/O of each pod in `wanted` (UIDs as the kubelet's folders have them; for static pods the hash of
    /// their configuration), by device. A pod without a control group is left out; one that did no I/O is there, with no
    /// device, in version 2 only.
    ///
    /// Costs for each wanted pod one file, and in version 1 two files for each of its containers. A pod that is not known yet is tried in each
    /// of the three classes of service. Nothing is read where no pod is wanted.
    pub fn read(
        &mut self,
        roots: &Roots,
        wanted: &BTreeSet<String>,
        now: Instant,
    ) -> (BTreeMap<String, PodIo>, Vec<Fault>) {
        let mut found = BTreeMap::new();
        let mut faults = Vec::new();
        self.pods.retain(|uid, _| wanted.contains(uid));
        if wanted.is_empty() {
            return (found, faults);
        }
        let hierarchy = Hierarchy::of(&roots.sys.join("fs/cgroup"));
        if self.hierarchy != hierarchy {
            *self = Self {
                hierarchy,
                ..Self::default()
            };
        }
        let Some(hierarchy) = self.hierarchy.clone() else {
            faults.push(Fault::new(
                SOURCE,
                roots.sys.join("fs/cgroup").display().to_string(),
                "no control groups are mounted there (is the node's /sys there? --sysfs names its place)",
            ));
            return (found, faults);
        };
        let open = self.pods.values().filter(|pod| pod.file.is_open()).count();
        let mut room = most_open(16, 128).saturating_sub(open);
        // One fault for each kind of failure and not one for each pod.
        let mut refused: Option<(ReadError, usize)> = None;
        let mut silent = 0;
        for uid in wanted {
            match self.pod(&hierarchy, uid, &mut room, now, &mut faults) {
                Ok(Some(io)) if io.devices.is_empty() && hierarchy.version == Version::One => silent += 1,
                Ok(Some(io)) => {
                    found.insert(uid.clone(), io);
                }
                Ok(None) => {}
                Err(error) => match &mut refused {
                    None => refused = Some((error, 1)),
                    Some((_, count)) => *count += 1,
                },
            }
        }
        if self.kubelets.is_empty() {
            faults.push(Fault::new(
                SOURCE,
                hierarchy.root.display().to_string(),
                "no kubelet's control groups (kubepods, kubepods.slice) are there, so what pods do is not known (is it the node's? A \
                 container sees its own alone: mount the node's /sys/fs/cgroup, and name the place of its /sys with --sysfs)",
            ));
        }
        if silent > 0 && found.is_empty() {
            faults.push(Fault::new(
                SOURCE,
                hierarchy.root.display().to_string(),
                format!(
                    "nothing is counted there for any of {silent} pods: with control groups of version 1 many kernels count only \
                     where a throttling limit is set; version 2 counts always"
                ),
            ));
        }
        if let Some((error, count)) = refused {
            let more = match count {
                1 => String::new(),
                count => format!("; nor those of {} more pods", count - 1),
            };
            faults.push(Fault::new(
                SOURCE,
                error.path.display().to_string(),
                format!("{error}{more}"),
            ));
        }
        (found, faults)
    }

    /// One pod's I/O; `None` where it has no control group.
    fn pod(
        &mut self,
        hierarchy: &Hierarchy,
        uid: &str,
        room: &mut usize,
        now: Instant,
        faults: &mut Vec<Fault>,
    ) -> Result<Option<PodIo>, ReadError> {
        if let Some(pod) = self.pods.get_mut(uid) {
            match hierarchy.io(pod, room, faults) {
                Err(error) if error.is_absent() && symlink_metadata(&pod.folder).is_err() => {
                    self.pods.remove(uid);
                }
                io => return io.map(Some),
            }
        }
        let is_due = |at: Instant| now.saturating_duration_since(at) >= SEARCH_AGAIN;
        if self.searched_at.is_none_or(is_due) {
            self.kubelets = PodFolders::all_below(&hierarchy.root);
            self.searched_at = Some(now);
        }
        for folder in self.kubelets.iter().flat_map(|pods| pods.of(uid)) {
            let mut pod = Pod::at(folder);
            match hierarchy.io(&mut pod, room, faults) {
                Err(error) if error.is_absent() && symlink_metadata(&pod.folder).is_err() => {}
                io => {
                    self.pods.insert(uid.to_owned(), pod);
                    return io.map(Some);
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
