//! Whatever changes on a node, the map that is kept is the one that would be made anew; and where nothing changes it is not made anew.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use scope_storage_probe::host::Host;
use scope_storage_probe::link::{self, Before, cluster};
use scope_storage_probe::model::cluster_map::ClusterMap;
use scope_storage_probe::model::host::HostSample;
use scope_storage_probe::model::inventory::Inventory;
use scope_storage_probe::model::io::IoCounters;
use scope_storage_probe::model::mount::{FilesystemUsage, UsageError};
use scope_storage_probe::model::placement::{IoSource, VolumeIo};
use scope_storage_probe::model::topology::Topology;
use support::clusters;
use support::fixture::Machine;
use support::node_with_pods::{self, BASE, PODS, WEB};

/// One thing of a machine that is so or otherwise.
struct Switch {
    path: String,
    /// What the file says, first as the machine is made.
    says: [Vec<u8>; 2],
    now: usize,
}

impl Switch {
    fn new(machine: &Machine, path: impl Into<String>, otherwise: impl FnOnce(&str) -> String) -> Self {
        let path = path.into();
        let first = std::fs::read(machine.place(&path)).unwrap_or_default();
        let other = otherwise(&String::from_utf8_lossy(&first)).into_bytes();
        assert_ne!(first, other, "{path}");
        Self {
            path,
            says: [first, other],
            now: 0,
        }
    }

    fn turn(&mut self, machine: &Machine) {
        self.now = 1 - self.now;
        machine.write(&self.path, &self.says[self.now]);
    }
}

/// A node with pods, what may change on it, and what its cluster may say.
struct Node {
    machine: Machine,
    host: Host,
    switches: Vec<Switch>,
    clusters: Vec<Option<Arc<ClusterMap>>>,
    cluster: usize,
    /// How full everything is, in percent; `None` where it is not known.
    full: Option<u64>,
}

/// Changes that are no switch: the cluster, how full all is, a pod that comes or goes, and none.
const MORE: usize = 4;

impl Node {
    fn new() -> Self {
        let machine = node_with_pods::node();
        let csi = format!("{PODS}/{WEB}/volumes/kubernetes.io~csi/pvc-alone/vol_data.json");
        let switches = vec![
            Switch::new(&machine, "/proc/1/mountinfo", |text| {
                text.lines()
                    .filter(|line| !line.contains("nfs-data"))
                    .collect::<Vec<_>>()
                    .join("\n")
                    + "\n"
            }),
            Switch::new(&machine, "/proc/1/mountinfo", |text| {
                text.replace("filer:/export/data", "other:/export/data")
            }),
            Switch::new(&machine, "/proc/1/mountinfo", |text| {
                format!(
                    "{text}900 20 8:17 / /var/lib/kubelet/pods/{BASE}/volumes/kubernetes.io~empty-dir/late rw - xfs /dev/sdb1 rw\n"
                )
            }),
            Switch::new(&machine, "/proc/swaps", |text| {
                format!("{text}/dev/sda1 partition 1000 0 -2\n")
            }),
            Switch::new(&machine, "/proc/partitions", |text| {
                text.replacen("3750", "3751", 1)
            }),
            Switch::new(&machine, csi, |text| text.replace("vol-1", "vol-11")),
        ];
        let roots = machine.roots();
        Self {
            machine,
            host: Host::new(roots),
            switches,
            clusters: clusters_of_it(),
            cluster: 0,
            full: Some(50),
        }
    }

    fn change(&mut self, which: usize, how: usize) {
        let which = which % (self.switches.len() + MORE);
        match which.checked_sub(self.switches.len()) {
            None => self.switches[which].turn(&self.machine),
            Some(0) => self.cluster = how % self.clusters.len(),
            Some(1) => self.full = (!how.is_multiple_of(3)).then_some(how as u64 % 101),
            Some(2) => {
                let pod = self
                    .machine
                    .place(format!("{PODS}/late/volumes/kubernetes.io~empty-dir/late"));
                if pod.is_dir() {
                    std::fs::remove_dir_all(self.machine.place(format!("{PODS}/late"))).unwrap();
                } else {
                    std::fs::create_dir_all(pod).unwrap();
                }
            }
            Some(_) => {}
        }
        self.machine.age("/var/lib/kubelet");
    }

    fn sample(&mut self) -> HostSample {
        let mut sample = self.host.sample(Instant::now() + Duration::from_secs(5));
        let usage = self
            .full
            .map(|percent| FilesystemUsage {
                size: 1000,
                free: 1000 - percent * 10,
                available: 1000 - percent * 10,
                files: None,
                files_free: None,
                read_only: false,
            })
            .ok_or(UsageError::NotVisible);
        for filesystem in &mut sample.filesystems {
            filesystem.usage.clone_from(&usage);
        }
        for answer in sample.volume_usage.answers_mut() {
            answer.clone_from(&usage);
        }
        sample
    }

    fn cluster(&self) -> Option<Arc<ClusterMap>> {
        self.clusters[self.cluster].clone()
    }
}

/// No cluster, one, the same without its pods, and one that promises twice as much; each with a version of its own.
fn clusters_of_it() -> Vec<Option<Arc<ClusterMap>>> {
    let changed = |version, change: &dyn Fn(&mut Inventory)| {
        let mut inventory = clusters::inventory();
        inventory.version = version;
        change(&mut inventory);
        Some(Arc::new(cluster::map(Arc::new(inventory))))
    };
    vec![
        None,
        changed(1, &|_| ()),
        changed(2, &|inventory| inventory.pods = Arc::default()),
        changed(3, &|inventory| {
            let volumes: Vec<_> = inventory.volumes.values().cloned().collect();
            for mut volume in volumes {
                let object = Arc::make_mut(&mut volume);
                object.capacity = object.capacity.map(|bytes| bytes * 2);
                Arc::make_mut(&mut inventory.volumes).insert(object.name.clone(), volume);
            }
        }),
    ]
}

/// As the program does after it has linked: what was read and written is filled in.
fn count(topology: &mut Topology) {
    for volume in topology.volumes.iter_mut().filter(|volume| volume.persistent) {
        volume.io = Some(VolumeIo {
            source: IoSource::Device,
            origin: 0,
            counters: IoCounters::default(),
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_changes_the_map_is_the_one_that_would_be_made_anew(
        changes in proptest::collection::vec((any::<usize>(), any::<usize>()), 1..30),
    ) {
        let mut node = Node::new();
        let mut before = None;
        for (which, how) in changes {
            node.change(which, how);
            let sample = node.sample();
            let mut topology = link::relink(before.take(), &sample, node.cluster());
            prop_assert_eq!(&topology, &link::link(&sample, node.cluster()));
            count(&mut topology);
            before = Some(Before::new(sample, topology));
        }
    }
}

#[test]
fn where_nothing_changes_but_figures_the_volumes_stay_in_their_place() {
    let mut node = Node::new();
    node.machine.age("/var/lib/kubelet");
    let linked = |node: &mut Node, before: Option<Before>| {
        let sample = node.sample();
        let topology = link::relink(before, &sample, node.cluster());
        (sample, topology)
    };
    let (sample, mut topology) = linked(&mut node, None);
    // Nobody says so: it stays only where the volume does.
    "kept".clone_into(&mut topology.volumes[0].driver);
    let (sample, topology) = linked(&mut node, Some(Before::new(sample, topology)));
    assert_eq!(topology.volumes[0].driver, "kept");
    node.full = Some(99);
    let (_, topology) = linked(&mut node, Some(Before::new(sample, topology)));
    assert_eq!(topology.volumes[0].driver, "kept");
}
