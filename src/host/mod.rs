//! What this node's kernel says about its storage: procfs, sysfs, udev's database, statfs(2).
//!
//! Synchronous, and read only when somebody asks. No device is ever opened. Whatever cannot be read becomes a
//! [`Fault`] and costs its own figures alone.

mod block;
pub mod btrfs;
pub mod cgroup;
pub mod diskstats;
pub mod filesystem;
mod filesystems;
pub mod kept_file;
pub mod kubelet;
mod mount_reader;
pub mod mountinfo;
pub mod mountstats;
pub mod node_filesystems;
pub mod partitions;
pub mod read;
pub mod remote;
pub mod roots;
pub mod swaps;
pub mod sysfs;
mod text;
pub mod udev;
mod volume_filesystems;
pub mod zfs;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::filesystem::Patience;
use self::kept_file::KeptFile;
use self::read::ReadError;
use self::roots::Roots;
use crate::model::host::{BLOCK_DEVICES, CollectorOutcome, FILESYSTEMS, HostSample, MOUNTS, Moment};
use crate::model::io::CountedElsewhere;
use crate::model::mount_table::MountTable;
use crate::model::volume::POD_VOLUMES;

const PROC_HINT: &str = " (is the node's /proc there? --procfs names its place)";

/// The reader of one node.
#[derive(Debug)]
pub struct Host {
    roots: Roots,
    live: bool,
    blocks: block::BlockReader,
    node_mounts: mount_reader::MountReader,
    own_mounts: mount_reader::MountReader,
    filesystems: filesystems::FilesystemReader,
    kubelet: kubelet::KubeletReader,
    node_root: kubelet::NodeRoot,
    btrfs: btrfs::BtrfsReader,
    remotes: remote::RemoteReader,
    mount_remotes: remote::MountTargets,
    control_groups: cgroup::CgroupReader,
    zfs: zfs::ZfsReader,
    nfs: mountstats::NfsReader,
    diskstats: KeptFile,
    swaps: KeptFile,
    name: KeptFile,
}

impl Host {
    /// A reader of the machine below `roots` for whoever asks again and again.
    pub fn new(roots: Roots) -> Self {
        Self::with_patience(roots, Patience::OF_A_SERVER)
    }

    /// A reader of the machine below `roots`, which asks its filesystems with this patience.
    pub fn with_patience(roots: Roots, patience: Patience) -> Self {
        let live = roots.is_live();
        Self {
            roots,
            live,
            blocks: block::BlockReader::default(),
            node_mounts: mount_reader::MountReader::default(),
            own_mounts: mount_reader::MountReader::default(),
            filesystems: filesystems::FilesystemReader::new(patience),
            kubelet: kubelet::KubeletReader::default(),
            node_root: kubelet::NodeRoot::default(),
            btrfs: btrfs::BtrfsReader::default(),
            remotes: remote::RemoteReader::default(),
            mount_remotes: remote::MountTargets::default(),
            control_groups: cgroup::CgroupReader::default(),
            zfs: zfs::ZfsReader::default(),
            nfs: mountstats::NfsReader::default(),
            diskstats: KeptFile::default(),
            swaps: KeptFile::default(),
            name: KeptFile::default(),
        }
    }

    /// The folders that are read.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Reads everything now. Filesystems that have not answered by `deadline`, or within a short grace, are left
    /// out of this sample and said to be slow or not responding.
    pub fn sample(&mut self, deadline: Instant) -> HostSample {
        let mut sample = HostSample {
            host_name: self.read_host_name(),
            ..HostSample::default()
        };
        let own = self.read_mounts(&mut sample);
        self.read_pod_volumes(&mut sample);
        self.read_filesystems(&mut sample, &own, deadline);
        // Last, so that no waiting lies between these counters, which bear the reading's moment, and those of `counted_elsewhere`.
        self.read_block_devices(&mut sample);
        sample
    }

    /// The counters of those who have no device to themselves: pods by their control groups, ZFS datasets, NFS mounts. What is wrong is added
    /// to the sample's faults.
    pub fn counted_elsewhere(
        &mut self,
        pods: &BTreeSet<String>,
        datasets: &BTreeSet<String>,
        nfs: bool,
        sample: &mut HostSample,
    ) -> CountedElsewhere {
        let (pods, more) = self.control_groups.read(&self.roots, pods, Instant::now());
        sample.faults.extend(more);
        let (datasets, more) = self.zfs.read(&self.roots, datasets, Instant::now());
        sample.faults.extend(more);
        let (nfs, more) = if nfs {
            self.nfs.read(&self.roots, &sample.mounts, Instant::now())
        } else {
            Default::default()
        };
        sample.faults.extend(more);
        CountedElsewhere { pods, datasets, nfs }
    }

    /// The name that the kernel has for this process's namespace: the node's, or in a pod that has no part in the node's network the pod's,
    /// whatever procfs is read. sysinfo's where procfs does not give it.
    fn read_host_name(&mut self) -> Option<String> {
        let text = self.name.text(&self.roots.proc.join("sys/kernel/hostname"));
        text.ok()
            .and_then(|bytes| text::trimmed(&bytes))
            .or_else(|| sysinfo::System::host_name().ok())
    }

    fn read_pod_volumes(&mut self, sample: &mut HostSample) {
        let started = Instant::now();
        sample.kubelet = self.node_root.of(&self.roots.kubelet, &sample.mounts);
        let reading = self
            .kubelet
            .read_beside(&self.roots.kubelet, &sample.kubelet, &sample.mounts, started);
        sample.pod_volumes = reading.volumes;
        sample.faults.extend(reading.faults);
        sample.btrfs = self.btrfs.read(&self.roots, &sample.mounts);
        sample.mount_remotes = self.mount_remotes.of(&sample.mounts);
        finish(sample, POD_VOLUMES, !reading.unreadable, started);
    }

    fn read_block_devices(&mut self, sample: &mut HostSample) {
        let started = Instant::now();
        let path = self.roots.proc.join("diskstats");
        let text = self.diskstats.text(&path).map_err(|source| ReadError {
            path: path.clone(),
            source,
            hint: PROC_HINT,
        });
        sample.taken_at = Moment::now();
        let success = text.is_ok();
        match text {
            Ok(text) => {
                let (statistics, bad) = diskstats::parse(&text);
                sample.faults.extend(read::bad_lines(BLOCK_DEVICES, &path, &bad));
                let reading = self.blocks.read(&self.roots, &statistics, started);
                sample.devices = reading.devices;
                sample.counters = reading.counters;
            }
            Err(error) => sample.faults.push(error.to_fault(BLOCK_DEVICES)),
        }
        let (remotes, faults) = self.remotes.read(&self.roots, &sample.devices, started);
        sample.remotes = remotes;
        sample.faults.extend(faults);
        finish(sample, BLOCK_DEVICES, success, started);
    }

    /// Fills in the node's mounts and returns this process's own.
    fn read_mounts(&mut self, sample: &mut HostSample) -> Arc<MountTable> {
        let started = Instant::now();
        let [node_path, own_path] = self.roots.process_files("mountinfo");
        let own = self.own_mounts.read(&own_path, self.live, started, PROC_HINT);
        let mut success = true;
        let own = match self.node_mounts.read(&node_path, self.live, started, PROC_HINT) {
            Ok(node) => {
                sample
                    .faults
                    .extend(read::bad_lines(MOUNTS, &node_path, &node.bad_lines));
                sample.mounts = node.mounts;
                match own {
                    Ok(own) if Arc::ptr_eq(&own.mounts, &sample.mounts) || own.mounts == sample.mounts => {
                        self.own_mounts.share(&sample.mounts);
                        Arc::clone(&sample.mounts)
                    }
                    Ok(own) => own.mounts,
                    Err(_) => Arc::default(),
                }
            }
            Err(error) => {
                sample.faults.push(error.to_fault(MOUNTS));
                success = own.is_ok();
                let own = own.map(|own| own.mounts).unwrap_or_default();
                sample.mounts = Arc::clone(&own);
                own
            }
        };
        if let Ok(text) = self.swaps.text(&self.roots.proc.join("swaps")) {
            sample.swaps = swaps::parse(&text);
        }
        finish(sample, MOUNTS, success, started);
        own
    }

    fn read_filesystems(&mut self, sample: &mut HostSample, own: &Arc<MountTable>, deadline: Instant) {
        let started = Instant::now();
        let [_, own_path] = self.roots.process_files("mountinfo");
        let (own_mounts, live) = (&mut self.own_mounts, self.live);
        self.filesystems.read(sample, own, live, deadline, || {
            let now = own_mounts.read(&own_path, live, Instant::now(), PROC_HINT);
            Some(now.ok()?.mounts)
        });
        let success = !sample.mounts.is_empty();
        finish(sample, FILESYSTEMS, success, started);
    }
}

fn finish(sample: &mut HostSample, collector: &'static str, success: bool, started: Instant) {
    let duration: Duration = started.elapsed();
    sample.collectors.push(CollectorOutcome {
        collector,
        success,
        duration,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_lies_before_the_readings_moment() {
        let machine = tempfile::tempdir().unwrap();
        let mut host = Host::new(Roots::below(machine.path()));
        let begun = Instant::now();
        let sample = host.sample(begun);
        let others = sample
            .collectors
            .iter()
            .filter(|of| of.collector != BLOCK_DEVICES);
        let waited: Duration = others.map(|of| of.duration).sum();
        assert!(!waited.is_zero());
        assert!(sample.taken_at.steady - begun >= waited, "{sample:?}");
    }
}
