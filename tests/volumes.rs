//! Given this node with these pods, this is what carries each volume: from the kubelet's folders and the kernel alone.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use scope_storage_probe::app::observer::Observer;
use scope_storage_probe::host::Host;
use scope_storage_probe::link::link;
use scope_storage_probe::link::volume_io::count;
use scope_storage_probe::link::volume_sums::VolumeSums;
use scope_storage_probe::link::volumes::{Facts, place};
use scope_storage_probe::model::cluster_map::Declared;
use scope_storage_probe::model::device::{BlockDevice, DeviceNumber, DeviceType};
use scope_storage_probe::model::graph::BlockDevices;
use scope_storage_probe::model::host::HostSample;
use scope_storage_probe::model::io::{CgroupIo, CountedElsewhere, DatasetIo, IoCounters, PodIo};
use scope_storage_probe::model::itself::SelfFigures;
use scope_storage_probe::model::mount::{FilesystemUsage, Mount, UsageError};
use scope_storage_probe::model::mount_table::MountTable;
use scope_storage_probe::model::placement::{IoSource, Medium, QuotaOf, Volume};
use scope_storage_probe::model::remote::RemoteTarget;
use scope_storage_probe::model::volume::{PodVolume, VolumeMode};
use scope_storage_probe::model::volume_usage::VolumeUsage;
use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::prometheus::node_page;
use scope_storage_probe::render::scope;
use scope_storage_probe::state::State;
use support::fixture::Machine;
use support::node_with_pods::{BASE, PODS, WEB, node};
use support::scope_contract::{Expectations, assert_holds};

fn state(machine: &Machine) -> State {
    let mut observer = Observer::new(Host::new(machine.roots()), Some("node".into()));
    observer
        .observe(Instant::now() + Duration::from_secs(2))
        .state
        .clone()
}

fn volume<'a>(state: &'a State, name: &str) -> &'a Volume {
    state
        .topology
        .volumes
        .iter()
        .find(|volume| volume.name == name)
        .unwrap()
}

fn names(state: &State, numbers: &[scope_storage_probe::model::device::DeviceNumber]) -> Vec<String> {
    numbers
        .iter()
        .map(|number| state.topology.devices.get(*number).unwrap().kernel_name.clone())
        .collect()
}

#[test]
fn a_claim_with_a_device_to_itself_is_one_volume_however_many_pods_use_it() {
    let state = state(&node());
    let alone = volume(&state, "pvc-alone");
    assert_eq!(names(&state, &alone.placement.devices), ["sda1"]);
    assert_eq!(names(&state, &alone.placement.disks), ["sda"]);
    assert!(!alone.placement.shared);
    assert_eq!(
        (alone.driver.as_str(), alone.handle.as_deref()),
        ("disks.example", Some("vol-1"))
    );
    assert_eq!(
        alone
            .users
            .iter()
            .map(|user| user.pod_uid.as_str())
            .collect::<Vec<_>>(),
        [WEB, BASE]
    );
    let io = alone.io.unwrap();
    assert_eq!(io.source, IoSource::Device);
    assert_eq!(io.counters, state.sample.counters[&alone.placement.devices[0]]);
}

#[test]
fn folders_of_one_filesystem_are_shared_and_counted_by_control_group() {
    let state = state(&node());
    for (name, reads, written) in [("local-folder", 1, 8192), ("local-other", 10, 81_920)] {
        let folder = volume(&state, name);
        assert!(folder.placement.shared, "{name}");
        assert_eq!(names(&state, &folder.placement.disks), ["nvme1n1"]);
        let io = folder.io.unwrap();
        assert_eq!(
            (io.source, io.counters.reads.completed, io.counters.writes.bytes),
            (IoSource::ControlGroup, reads, written)
        );
    }
}

/// A control group has counted since its pod began, a device since the machine did: where the one takes the place of the other there
/// is no rate between both.
#[test]
fn what_counts_a_volume_instead_gives_no_rate_with_what_counted_before() {
    let machine = node();
    let mut observer = Observer::new(Host::new(machine.roots()), Some("node".into()));
    let mut rates = || {
        std::thread::sleep(Duration::from_secs(1));
        let observation = observer.observe(Instant::now() + Duration::from_secs(2));
        let io = volume(&observation.state, "local-folder").io;
        let io = io.unwrap();
        let rates = observation.state.volume_rates.latest(&io.origin);
        (io.source, rates.map(|rates| rates.reads.to_bits()))
    };
    rates();
    assert_eq!(rates(), (IoSource::ControlGroup, Some(0_f64.to_bits())));
    // The other pod's folder on the filesystem goes, and this pod's is the whole of it.
    let mounts = std::fs::read_to_string(machine.place("/proc/1/mountinfo")).unwrap();
    let alone: String = mounts
        .lines()
        .filter(|line| !line.contains("259:3") || line.contains("local-folder"))
        .map(|line| format!("{line}\n").replace(" /one ", " / "))
        .collect();
    for file in ["/proc/1/mountinfo", "/proc/self/mountinfo"] {
        machine.write(file, &alone);
    }
    assert_eq!(rates(), (IoSource::Device, None));
    assert_eq!(rates(), (IoSource::Device, Some(0_f64.to_bits())));
}

/// What takes the place of another has its name and its number, and has done more by now.
#[test]
fn what_is_made_anew_gives_no_rate_with_what_was_there_before() {
    let machine = node();
    let mut observer = Observer::new(Host::new(machine.roots()), Some("node".into()));
    let mut rates = || {
        std::thread::sleep(Duration::from_secs(1));
        let observation = observer.observe(Instant::now() + Duration::from_secs(2));
        ["local-folder", "nfs-data"].map(|name| {
            let io = volume(&observation.state, name).io.unwrap();
            let rates = observation.state.volume_rates.latest(&io.origin);
            rates.map(|rates| rates.reads > 0.0)
        })
    };
    let mountstats = std::fs::read_to_string(machine.place("/proc/1/mountstats")).unwrap();
    let group = format!(
        "/sys/fs/cgroup/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{}.slice",
        WEB.replace('-', "_")
    );
    let io_stat = |reads: u32| format!("259:2 rbytes=4096 wbytes=8192 rios={reads} wios=2\n");
    let nfs = |age: u32, reads: u32| {
        mountstats
            .replace("86400", &age.to_string())
            .replace("READ: 3", &format!("READ: {reads}"))
    };
    rates();
    machine.write(format!("{group}/io.stat"), io_stat(50));
    machine.write("/proc/1/mountstats", nfs(86_401, 50));
    assert_eq!(rates(), [Some(true); 2]);
    machine.write("/anew/io.stat", io_stat(900));
    std::fs::remove_dir_all(machine.place(&group)).unwrap();
    std::fs::rename(machine.place("/anew"), machine.place(&group)).unwrap();
    machine.write("/proc/1/mountstats", nfs(0, 900));
    assert_eq!(rates(), [None; 2]);
    machine.write("/proc/1/mountstats", nfs(10, 900));
    assert_eq!(rates(), [Some(false); 2]);
}

#[test]
fn a_volume_on_a_server_names_the_server_and_is_counted_by_the_client() {
    let state = state(&node());
    let nfs = volume(&state, "nfs-data");
    assert_eq!(
        (nfs.placement.medium, nfs.placement.shared),
        (Medium::Network, true)
    );
    assert!(
        nfs.placement
            .remote
            .as_ref()
            .unwrap()
            .to_string()
            .contains("filer:/export/data")
    );
    let io = nfs.io.unwrap();
    assert_eq!(
        (
            io.source,
            io.counters.reads.completed,
            io.counters.writes.completed
        ),
        (IoSource::Nfs, 3, 5)
    );
    assert_eq!(io.counters.writes.milliseconds, 50);
}

#[test]
fn a_raw_block_volume_has_a_capacity_and_nothing_else() {
    let state = state(&node());
    let raw = volume(&state, "raw");
    assert_eq!(names(&state, &raw.placement.disks), ["sdb"]);
    assert_eq!(raw.device_size, state.topology.devices.named("sdb").unwrap().size);
    assert_eq!(raw.usage, None);
    assert_eq!(raw.io.unwrap().source, IoSource::Device);
}

#[test]
fn an_empty_dir_lies_on_the_nodes_own_filesystem_or_in_memory_and_secrets_are_no_storage() {
    let state = state(&node());
    let cache = volume(&state, "cache");
    assert!(cache.placement.shared && !cache.persistent);
    assert_eq!(names(&state, &cache.placement.disks), ["nvme0n1"]);
    assert_eq!(volume(&state, "memory").placement.medium, Medium::Memory);
    assert!(state.topology.volumes.iter().all(|volume| volume.name != "token"));
}

/// An overlay's size and free space are those of the filesystem that it lies on, where others lie too.
#[test]
fn an_overlay_is_shared_and_on_no_disk() {
    let machine = node();
    let point = format!("{PODS}/{WEB}/volumes/kubernetes.io~local-volume/merged");
    std::fs::create_dir_all(machine.place(&point)).unwrap();
    for file in ["/proc/1/mountinfo", "/proc/self/mountinfo"] {
        let mut mounts = std::fs::read_to_string(machine.place(file)).unwrap();
        writeln!(
            mounts,
            "200 20 0:70 / {point} rw - overlay overlay rw,lowerdir=/mnt/third/lower"
        )
        .unwrap();
        machine.write(file, mounts);
    }
    let state = state(&machine);
    let merged = volume(&state, "merged");
    assert_eq!(merged.placement.medium, Medium::Unknown);
    assert!(merged.placement.shared && merged.placement.disks.is_empty());
}

/// A filesystem that is mounted for pods alone fills its disk as the node's own do.
#[test]
fn a_disk_is_filled_by_pods_volumes() {
    let machine = node();
    for file in ["/proc/1/mountinfo", "/proc/self/mountinfo"] {
        let mounts = std::fs::read_to_string(machine.place(file)).unwrap();
        let of_pods = mounts.lines().filter(|line| !line.contains(" /data/1 "));
        machine.write(file, of_pods.collect::<Vec<_>>().join("\n") + "\n");
    }
    let mut sample = Host::new(machine.roots()).sample(Instant::now() + Duration::from_secs(2));
    let filled = |sample: &HostSample| {
        let topology = link(sample, None);
        let sda = topology.devices.named("sda").unwrap().number;
        let disk = topology.disk(sda).unwrap();
        (disk.used, disk.fullest.clone())
    };
    assert_eq!(filled(&sample), (None, None), "nobody was asked");
    for answer in sample.volume_usage.answers_mut() {
        *answer = Ok(FILLED);
    }
    assert_eq!(filled(&sample), (Some(600), Some((600, "pvc-alone".to_owned()))));
}

/// A backup has the claim for reading alone, and its pod's UID comes first.
#[test]
fn a_volume_is_read_only_where_all_its_pods_have_it_so() {
    let of = |read_only: &[&str], usages: [Option<bool>; 2]| {
        let machine = node();
        let mounts = std::fs::read_to_string(machine.place("/proc/1/mountinfo")).unwrap();
        let is_of = |line: &str, pod: &&str| line.contains("pvc-alone/mount") && line.contains(*pod);
        let mounts: String = mounts
            .lines()
            .map(|line| {
                let is_read_only = read_only.iter().any(|pod| is_of(line, pod));
                let options = if is_read_only {
                    " ro,relatime "
                } else {
                    " rw,relatime "
                };
                line.replace(" rw,relatime ", options) + "\n"
            })
            .collect();
        machine.write("/proc/1/mountinfo", mounts);
        let mut sample = Host::new(machine.roots()).sample(Instant::now() + Duration::from_secs(2));
        let paths =
            [WEB, BASE].map(|pod| format!("{PODS}/{pod}/volumes/kubernetes.io~csi/pvc-alone/mount").into());
        let answers = usages.map(|read_only| {
            let read_only = read_only.ok_or(UsageError::Slow)?;
            Ok(FilesystemUsage { read_only, ..FILLED })
        });
        sample.volume_usage = VolumeUsage::new(paths.into(), answers.into());
        let topology = link(&sample, None);
        let volume = topology.volumes.iter().find(|volume| volume.name == "pvc-alone");
        let volume = volume.unwrap();
        let refused = volume.known_usage().map(|usage| usage.read_only);
        (volume.placement.read_only, refused)
    };
    assert_eq!(of(&[WEB], [Some(true), Some(false)]), (false, Some(false)));
    assert_eq!(of(&[BASE], [Some(false), Some(true)]), (false, Some(false)));
    assert_eq!(of(&[WEB, BASE], [Some(true); 2]), (true, Some(true)));
    assert_eq!(
        of(&[], [Some(true); 2]),
        (false, Some(true)),
        "the filesystem itself"
    );
    let no_answer = [Some(true), None];
    assert_eq!(of(&[WEB], no_answer), (false, Some(false)), "the other may write");
    assert_eq!(of(&[WEB, BASE], no_answer), (true, Some(true)));
    assert_eq!(of(&[WEB], [None; 2]), (false, None));
}

/// XFS and ext4 answer for a folder with a project quota as if it were a filesystem. The device is shared all the same.
#[test]
fn a_folder_with_a_project_quota_has_figures_of_its_own() {
    let of = |options: &str, is_nodes_own: bool| {
        let machine = node();
        for file in ["/proc/1/mountinfo", "/proc/self/mountinfo"] {
            let mounts = std::fs::read_to_string(machine.place(file)).unwrap();
            let mounts: String = mounts
                .lines()
                .filter(|line| is_nodes_own || !line.contains(" /mnt/third "))
                .map(|line| line.replace("/dev/nvme1n1p1 rw", &format!("/dev/nvme1n1p1 {options}")) + "\n")
                .collect();
            machine.write(file, mounts);
        }
        let mut sample = Host::new(machine.roots()).sample(Instant::now() + Duration::from_secs(2));
        let paths = [(WEB, "local-folder"), (BASE, "local-other")]
            .map(|(pod, name)| format!("{PODS}/{pod}/volumes/kubernetes.io~local-volume/{name}").into());
        let sizes = [FILLED.size, 10 * FILLED.size];
        let answers = sizes.map(|size| Ok(FilesystemUsage { size, ..FILLED }));
        sample.volume_usage = VolumeUsage::new(paths.into(), answers.into());
        for filesystem in &mut sample.filesystems {
            filesystem.usage = Ok(FilesystemUsage {
                size: 10 * FILLED.size,
                ..FILLED
            });
        }
        let topology = link(&sample, None);
        let disk = topology.devices.named("nvme1n1").unwrap().number;
        let in_all = 10 * FILLED.size - FILLED.free;
        assert_eq!(topology.disk(disk).unwrap().used, Some(in_all), "no quota's");
        ["local-folder", "local-other"].map(|name| {
            let volume = topology.volumes.iter().find(|volume| volume.name == name);
            let volume = volume.unwrap();
            (volume.placement.shared, volume.figures_shared)
        })
    };
    for is_nodes_own in [true, false] {
        let found = of("rw,prjquota", is_nodes_own);
        assert_eq!(found, [(true, false), (true, true)], "{is_nodes_own}");
    }
    assert_eq!(of("rw", true), [(true, true), (true, true)]);
}

/// Bytes of a small filesystem.
const FILLED: FilesystemUsage = FilesystemUsage {
    size: 1000,
    free: 400,
    available: 400,
    files: None,
    files_free: None,
    read_only: false,
};

fn mount(id: u64, number: DeviceNumber, root: &str, point: &str, fstype: &str, source: &str) -> Mount {
    Mount {
        id,
        parent_id: 1,
        number,
        root: root.into(),
        mount_point: point.into(),
        read_only: false,
        fstype: fstype.into(),
        source: source.into(),
        filesystem_read_only: false,
        has_folder_quotas: false,
    }
}

fn local_volume(name: &str) -> PodVolume {
    PodVolume {
        pod_uid: WEB.into(),
        plugin: "kubernetes.io/local-volume".into(),
        name: name.into(),
        mode: VolumeMode::Filesystem,
        path: format!("/pods/{name}").into(),
        other_paths: Vec::new(),
        csi: None,
    }
}

/// These volumes of pods, placed on a machine of which nothing else is known.
fn placed_of(
    mounts: &MountTable,
    devices: &BlockDevices,
    mount_remotes: &BTreeMap<u64, RemoteTarget>,
    pod_volumes: &[PodVolume],
) -> Vec<Volume> {
    place(&Facts {
        mounts,
        devices,
        btrfs: &[],
        remotes: &BTreeMap::default(),
        mount_remotes,
        kubelet: Path::new("/var/lib/kubelet"),
        pod_volumes,
        declared: &Declared::default(),
    })
}

/// The only volume of a machine, with what a pod's control group did on each device counted.
fn placed(
    devices: &BlockDevices,
    mounts: Vec<Mount>,
    mount_remotes: &BTreeMap<u64, RemoteTarget>,
    counted: &CountedElsewhere,
) -> Volume {
    let mut placed = placed_of(
        &MountTable::from(mounts),
        devices,
        mount_remotes,
        &[local_volume("v")],
    );
    let mut sums = VolumeSums::default();
    count(devices, &BTreeMap::default(), counted, &mut sums, &mut placed);
    placed.remove(0)
}

/// What device mapper makes of a partition is a device of its own, and the kernel counts it as one.
#[test]
fn a_folder_on_a_partition_of_a_multipath_disk_is_counted_there() {
    let (path, map, partition) = (
        DeviceNumber::new(8, 0),
        DeviceNumber::new(253, 0),
        DeviceNumber::new(253, 1),
    );
    let over = |number, name: &str, device_type: &str, parent| BlockDevice {
        parents: vec![parent],
        ..BlockDevice::new(number, name, device_type.into())
    };
    let devices = BlockDevices::new([
        BlockDevice::new(path, "sda", DeviceType::Disk),
        over(map, "dm-0", "mpath", path),
        over(partition, "dm-1", "part", map),
    ]);
    let did = |reads| CgroupIo {
        reads,
        ..CgroupIo::default()
    };
    let pod = PodIo {
        devices: [(map, did(900)), (partition, did(7))].into(),
        ..PodIo::default()
    };
    let counted = CountedElsewhere {
        pods: [(WEB.to_owned(), pod)].into(),
        ..CountedElsewhere::default()
    };
    let mounts = vec![mount(2, partition, "/folder", "/pods/v", "xfs", "/dev/dm-1")];
    let volume = placed(&devices, mounts, &BTreeMap::default(), &counted);
    assert_eq!(volume.io.unwrap().counters.reads.completed, 7);
}

/// Prometheus takes a counter that goes back for one that began anew, and adds the whole sum at once.
#[test]
fn counters_of_a_folder_go_on_when_one_of_its_pods_ends() {
    let disk = DeviceNumber::new(8, 0);
    let devices = BlockDevices::new([BlockDevice::new(disk, "sda", DeviceType::Disk)]);
    let mut sums = VolumeSums::default();
    let mut reads = |pods: &[(&str, u64)]| {
        let pod_volumes: Vec<_> = pods
            .iter()
            .map(|(pod, _)| PodVolume {
                pod_uid: (*pod).into(),
                path: format!("/pods/{pod}").into(),
                ..local_volume("v")
            })
            .collect();
        let mounts = (2..).zip(&pod_volumes).map(|(id, volume)| {
            mount(
                id,
                disk,
                "/folder",
                volume.path.to_str().unwrap(),
                "xfs",
                "/dev/sda",
            )
        });
        let mut placed = placed_of(
            &MountTable::from(mounts.collect::<Vec<_>>()),
            &devices,
            &BTreeMap::default(),
            &pod_volumes,
        );
        let did = pods.iter().map(|(pod, reads)| {
            let io = CgroupIo {
                reads: *reads,
                ..CgroupIo::default()
            };
            let pod_io = PodIo {
                is_complete: true,
                devices: [(disk, io)].into(),
                ..PodIo::default()
            };
            ((*pod).to_owned(), pod_io)
        });
        let counted = CountedElsewhere {
            pods: did.collect(),
            ..CountedElsewhere::default()
        };
        count(&devices, &BTreeMap::default(), &counted, &mut sums, &mut placed);
        placed.first()?.io.map(|io| io.counters.reads.completed)
    };
    assert_eq!(reads(&[(WEB, 500), (BASE, 300)]), Some(800));
    assert_eq!(reads(&[(BASE, 310)]), Some(810));
    assert_eq!(
        reads(&[(BASE, 320), (WEB, 500)]),
        Some(820),
        "one reading lacked it"
    );
    assert_eq!(reads(&[]), None);
    assert_eq!(reads(&[(BASE, 330)]), Some(330), "the volume was away");
}

/// Of a pod that is not listed at a disk it is known that it did nothing there, if all its disks are listed.
#[test]
fn what_may_be_counted_nowhere_is_not_nothing() {
    let (disk, other) = (DeviceNumber::new(8, 0), DeviceNumber::new(8, 16));
    let devices = BlockDevices::new([BlockDevice::new(disk, "sda", DeviceType::Disk)]);
    let reads = |is_complete| {
        let pod = PodIo {
            is_complete,
            devices: [(other, CgroupIo::default())].into(),
            ..PodIo::default()
        };
        let counted = CountedElsewhere {
            pods: [(WEB.to_owned(), pod)].into(),
            ..CountedElsewhere::default()
        };
        let mounts = vec![mount(2, disk, "/folder", "/pods/v", "xfs", "/dev/sda")];
        let volume = placed(&devices, mounts, &BTreeMap::default(), &counted);
        volume.io.map(|io| io.counters.reads.completed)
    };
    assert_eq!(reads(true), Some(0));
    assert_eq!(reads(false), None);
}

/// A dataset of the same name was mounted anew, and has done more by now.
#[test]
fn counters_of_a_dataset_that_is_mounted_anew_are_others() {
    let origin = |created, reads| {
        let did = DatasetIo {
            created,
            reads,
            ..DatasetIo::default()
        };
        let counted = CountedElsewhere {
            datasets: [("tank/v".to_owned(), did)].into(),
            ..CountedElsewhere::default()
        };
        let mounts = vec![mount(
            2,
            DeviceNumber::new(0, 50),
            "/",
            "/pods/v",
            "zfs",
            "tank/v",
        )];
        let volume = placed(&BlockDevices::default(), mounts, &BTreeMap::default(), &counted);
        volume.io.unwrap().origin
    };
    assert_eq!(origin(1, 10), origin(1, 20));
    assert_ne!(origin(1, 10), origin(2, 20));
}

/// A server's folder has the figures of all that is on the server's filesystem, unless it has a quota.
#[test]
fn what_a_server_gives_is_shared() {
    let smb = RemoteTarget::Smb {
        server: "filer".into(),
        share: "data".into(),
    };
    let ceph = RemoteTarget::Ceph {
        monitors: Vec::new(),
        cluster: None,
        filesystem: None,
        path: "/volumes/v".into(),
    };
    for (fstype, remote, quota_of) in [
        ("cifs", smb, QuotaOf::Nobody),
        ("ceph", ceph, QuotaOf::CephFolder),
    ] {
        let mounts = vec![mount(
            7,
            DeviceNumber::new(0, 60),
            "/",
            "/pods/v",
            fstype,
            "there",
        )];
        let remotes = [(7, remote)].into();
        let volume = placed(
            &BlockDevices::default(),
            mounts,
            &remotes,
            &CountedElsewhere::default(),
        );
        assert_eq!(
            (
                volume.placement.medium,
                volume.placement.shared,
                volume.placement.quota_of
            ),
            (Medium::Network, true, quota_of),
            "{fstype}"
        );
    }
}

/// zram, and a loop device on a file of a tmpfs: what is on them is on no disk, and is counted by the device all the same.
#[test]
fn what_looks_like_a_disk_and_is_memory_is_on_no_disk() {
    let (zram, file) = (DeviceNumber::new(252, 0), DeviceNumber::new(7, 0));
    let devices = BlockDevices::new([
        BlockDevice::new(zram, "zram0", DeviceType::Disk),
        BlockDevice {
            backing_file: Some("/run/file".into()),
            ..BlockDevice::new(file, "loop0", DeviceType::Loop)
        },
    ]);
    let mounts = MountTable::from(vec![
        mount(2, DeviceNumber::new(0, 30), "/", "/run", "tmpfs", "tmpfs"),
        mount(3, zram, "/", "/pods/a", "ext4", "/dev/zram0"),
        mount(4, file, "/", "/pods/b", "ext4", "/dev/loop0"),
    ]);
    let pod_volumes = ["a", "b"].map(local_volume);
    let mut placed = placed_of(&mounts, &devices, &BTreeMap::default(), &pod_volumes);
    let counters = [zram, file].map(|number| (number, IoCounters::default())).into();
    let mut sums = VolumeSums::default();
    count(
        &devices,
        &counters,
        &CountedElsewhere::default(),
        &mut sums,
        &mut placed,
    );
    for volume in &placed {
        assert_eq!(
            (volume.placement.medium, volume.placement.disks.as_slice()),
            (Medium::Memory, &[][..])
        );
        assert_eq!(volume.io.map(|io| io.source), Some(IoSource::Device));
    }
    assert_eq!(placed.len(), 2);
}

#[test]
fn folders_of_the_node_with_one_name_in_two_pods_are_two_volumes() {
    let machine = node();
    let place = |pod: &str| format!("{PODS}/{pod}/volume-subpaths/logs/app/0");
    for pod in [WEB, BASE] {
        std::fs::create_dir_all(machine.place(place(pod))).unwrap();
    }
    for file in ["/proc/1/mountinfo", "/proc/self/mountinfo"] {
        let mut mounts = std::fs::read_to_string(machine.place(file)).unwrap();
        for (id, number, root, pod, device) in [
            (200, "259:1", "/var/log", WEB, "nvme0n1p1"),
            (201, "259:3", "/logs", BASE, "nvme1n1p1"),
        ] {
            writeln!(
                mounts,
                "{id} 20 {number} {root} {} rw - xfs /dev/{device} rw",
                place(pod)
            )
            .unwrap();
        }
        machine.write(file, mounts);
    }
    let state = state(&machine);
    let found: Vec<_> = state
        .topology
        .volumes
        .iter()
        .filter(|volume| volume.name == "logs")
        .map(|volume| (volume.persistent, names(&state, &volume.placement.disks)))
        .collect();
    assert_eq!(
        found,
        [
            (false, vec!["nvme0n1".to_owned()]),
            (false, vec!["nvme1n1".to_owned()])
        ]
    );
}

/// A pod names its own volumes, and may name one as another pod's PersistentVolume is called.
#[test]
fn a_volume_that_a_pod_calls_like_anothers_is_not_taken_for_it() {
    const OTHER: &str = "00000000-0000-4000-8000-000000000000";
    let machine = node();
    let point = format!("{PODS}/{OTHER}/volumes/kubernetes.io~nfs/pvc-alone");
    std::fs::create_dir_all(machine.place(&point)).unwrap();
    let path = machine.place("/proc/1/mountinfo");
    let mounts = std::fs::read_to_string(&path).unwrap();
    let mounts = format!("{mounts}990 20 0:99 / {point} rw - nfs4 filer:/mine rw\n");
    std::fs::write(&path, mounts).unwrap();
    let told = |state: &State| {
        let volume = state
            .topology
            .volumes
            .iter()
            .find(|volume| volume.name == "pvc-alone" && volume.persistent);
        let volume = volume.unwrap();
        let users: Vec<&str> = volume.users.iter().map(|user| &*user.pod_uid).collect();
        assert!(!users.contains(&OTHER), "{users:?}");
        (volume.driver.clone(), volume.placement.clone())
    };
    assert_eq!(told(&state(&machine)), told(&state(&node())));
}

#[test]
fn a_volume_that_is_not_mounted_is_on_no_disk() {
    let machine = node();
    machine.write(
        format!("{PODS}/{WEB}/volumes/kubernetes.io~csi/pvc-late/vol_data.json"),
        r#"{"driverName":"d","specVolID":"pvc-late"}"#,
    );
    let state = state(&machine);
    let late = volume(&state, "pvc-late");
    assert_eq!(late.placement.medium, Medium::NotMounted);
    assert!(late.placement.disks.is_empty() && late.usage.is_none() && late.io.is_none());
}

#[test]
fn what_is_on_the_page_and_in_the_report() {
    let state = state(&node());
    let page = String::from_utf8(node_page(&state, &SelfFigures::default(), Format::Text)).unwrap();
    let volumes: String =
        page.lines()
            .filter(|line| line.contains("volume_"))
            .fold(String::new(), |mut text, line| {
                text.push_str(line);
                text.push('\n');
                text
            });
    insta::assert_snapshot!("pods.page", volumes);
    let report = scope::report(&state);
    assert_holds(&report, &Expectations::of("storage", "node"));
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    let node = &report["PersistentVolume"]["nodes"]["node-volume-pvc-alone;<persistent_volume>"];
    assert_eq!(
        node["adjacency"],
        serde_json::json!(["node-sda;<persistent_volume>"])
    );
    let disk = &report["PersistentVolume"]["nodes"]["node-nvme1n1;<persistent_volume>"];
    assert_eq!(
        disk["latest"]["storage_disk_volumes"]["value"],
        "local-folder, local-other"
    );
}
