//! Pods' control groups in folders laid by hand.

use std::path::Path;

use super::text::tests::{io, number};
use super::*;
use crate::host::read::write_tree;

const UID: &str = "8f1c2d3e-0a1b-4c5d-9e8f-112233445566";
const ESCAPED: &str = "8f1c2d3e_0a1b_4c5d_9e8f_112233445566";
const STATIC: &str = "0123456789abcdef0123456789abcdef";

const STAT: &str = "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n";

/// Reads `wanted` on a machine with these files below `/sys/fs/cgroup`.
fn on(files: &[(&str, &str)], wanted: &[&str]) -> (BTreeMap<String, PodIo>, Vec<Fault>) {
    let machine = tempfile::tempdir().unwrap();
    let base = machine.path().join("sys/fs/cgroup");
    std::fs::create_dir_all(&base).unwrap();
    write_tree(&base, files, &[]);
    let wanted = wanted.iter().map(ToString::to_string).collect();
    CgroupReader::default().read(&Roots::below(machine.path()), &wanted, Instant::now())
}

#[test]
fn where_no_kubelets_folder_can_be_seen_one_fault_says_so() {
    let files = [
        ("cgroup.controllers", "cpu io memory\n"),
        ("system.slice/a.service/io.stat", STAT),
    ];
    let (found, faults) = on(&files, &["1", "2"]);
    assert!(found.is_empty());
    assert_eq!(faults.len(), 1);
    let told = faults[0].to_string();
    assert!(
        told.contains("no kubelet's control groups") && told.contains("--sysfs"),
        "{told}"
    );
}

#[test]
fn a_pods_control_group_is_looked_for_once_and_followed() {
    let machine = tempfile::tempdir().unwrap();
    let base = machine.path().join("sys/fs/cgroup");
    let write = |path: &str, text: &str| write_tree(&base, &[(path, text)], &[]);
    write("cgroup.controllers", "io\n");
    write("kubepods/besteffort/pod1/io.stat", STAT);
    let (mut reader, start) = (CgroupReader::default(), Instant::now());
    let wanted = BTreeSet::from(["1".to_owned(), "2".to_owned()]);
    let mut reads = |after: Duration| {
        let (found, faults) = reader.read(&Roots::below(machine.path()), &wanted, start + after);
        assert!(faults.is_empty(), "{faults:?}");
        let reads = |uid: &str| Some(found.get(uid)?.devices.get(&number("8:0"))?.reads);
        ["1", "2"].map(reads)
    };
    let soon = Duration::from_secs(1);
    assert_eq!(reads(soon), [Some(3), None]);
    write(
        "kubepods/besteffort/pod1/io.stat",
        "8:0 rbytes=1 wbytes=2 rios=5 wios=4 dbytes=0 dios=0\n",
    );
    // A class that is tried first: whoever looked for the pod again would find it there.
    write("kubepods/pod1/io.stat", STAT);
    write("kubepods/burstable/pod2/io.stat", STAT);
    assert_eq!(reads(soon), [Some(5), Some(3)]);
    std::fs::remove_dir_all(base.join("kubepods/besteffort")).unwrap();
    assert_eq!(reads(soon), [Some(3), Some(3)]);
    std::fs::remove_dir_all(base.join("kubepods")).unwrap();
    write(
        "kubepods.slice/kubepods-pod2.slice/io.stat",
        "8:0 rbytes=1 wbytes=2 rios=9 wios=4 dbytes=0 dios=0\n",
    );
    assert_eq!(reads(soon), [None, None]);
    assert_eq!(reads(soon + SEARCH_AGAIN), [None, Some(9)]);
}

#[test]
fn a_pod_is_found_in_every_class_of_both_drivers() {
    let systemd = |path: String| format!("kubepods.slice/{path}/io.stat");
    for path in [
        systemd(format!("kubepods-pod{ESCAPED}.slice")),
        systemd(format!(
            "kubepods-burstable.slice/kubepods-burstable-pod{ESCAPED}.slice"
        )),
        systemd(format!(
            "kubepods-besteffort.slice/kubepods-besteffort-pod{ESCAPED}.slice"
        )),
        format!("kubepods/pod{UID}/io.stat"),
        format!("kubepods/burstable/pod{UID}/io.stat"),
        format!("kubepods/besteffort/pod{UID}/io.stat"),
        // kind, with either driver
        format!(
            "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{ESCAPED}.slice/io.stat"
        ),
        format!("kubelet/kubepods/burstable/pod{UID}/io.stat"),
        // k3d, whose node shares the machine's control groups
        format!("docker/1f2e/kubepods/pod{UID}/io.stat"),
    ] {
        let files = [
            ("cgroup.controllers", "cpu io memory\n"),
            ("system.slice/a.service/io.stat", ""),
            (path.as_str(), STAT),
        ];
        let (found, faults) = on(&files, &[UID, "another"]);
        assert!(faults.is_empty(), "{path}: {faults:?}");
        assert_eq!(found.len(), 1, "{path}");
        assert_eq!(found[UID].devices[&number("8:0")], io(1, 2, 3, 4), "{path}");
    }
}

#[test]
fn a_static_pod_goes_by_its_hash_and_an_idle_pod_has_no_devices() {
    let (found, faults) = on(
        &[
            ("cgroup.controllers", "io\n"),
            (
                "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0123456789abcdef0123456789abcdef.slice/io.stat",
                "",
            ),
        ],
        &[STATIC],
    );
    assert!(faults.is_empty());
    assert!(found[STATIC].is_complete && found[STATIC].devices.is_empty());
}

#[test]
fn where_pods_have_no_io_controller_one_fault_says_so() {
    let (found, faults) = on(
        &[
            ("cgroup.controllers", "cpu io\n"),
            ("kubepods/pod1/cpu.stat", ""),
            ("kubepods/pod2/cpu.stat", ""),
        ],
        &["1", "2", "3"],
    );
    assert!(found.is_empty());
    assert_eq!(faults.len(), 1);
    assert!(
        faults[0].message.ends_with(
            "kubepods/pod1/io.stat: no such file (is the io controller enabled for pods, in cgroup.subtree_control?); \
             nor those of 1 more pods"
        ),
        "{}",
        faults[0].message
    );
}

#[test]
fn nothing_is_read_where_nothing_is_wanted_and_no_name_leads_elsewhere() {
    assert_eq!(on(&[], &[]), (BTreeMap::new(), Vec::new()));
    let (found, faults) = on(
        &[
            ("cgroup.controllers", "io\n"),
            ("kubepods/burstable/x", ""),
            ("io.stat", STAT),
        ],
        &["", "/../../..", "x/.."],
    );
    assert!(found.is_empty() && faults.is_empty());
    let (_, faults) = on(&[], &["1"]);
    assert_eq!(faults.len(), 1);
}

const BYTES: &str = "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 12288\nTotal 12288\n";
const REQUESTS: &str =
    "8:0 Read 1\n8:0 Write 2\n8:0 Sync 3\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 3\nTotal 3\n";

#[test]
fn in_version_1_a_pod_is_the_sum_of_its_containers() {
    let pod =
        |folder: &str, name: &str| format!("blkio/kubepods/burstable/pod1{folder}/blkio.throttle.{name}");
    let files = [
        ("unified/cgroup.controllers".to_owned(), "\n"),
        (
            pod("", "io_service_bytes"),
            "8:16 Read 0\n8:16 Write 0\n8:16 Total 0\nTotal 0\n",
        ),
        (pod("", "io_serviced"), "Total 0\n"),
        // What Linux 5.5 to 5.11 say: the last child's.
        (pod("", "io_service_bytes_recursive"), BYTES),
        (pod("/a", "io_service_bytes"), BYTES),
        (pod("/a", "io_serviced"), REQUESTS),
        (pod("/b", "io_service_bytes"), BYTES),
        (pod("/b", "io_serviced"), REQUESTS),
        (pod("/b/nested", "io_service_bytes"), BYTES),
        (pod("/b/nested", "io_serviced"), REQUESTS),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let (found, faults) = on(&files, &["1"]);
    assert!(faults.is_empty());
    assert_eq!(
        found["1"].devices,
        DeviceIo::from([(number("8:0"), io(3 * 4096, 3 * 8192, 3, 6))])
    );
    assert!(
        !found["1"].is_complete,
        "devices without a limit may be counted nowhere"
    );
}

/// A reader of a machine and which group the pod `1` has.
fn incarnation(reader: &mut CgroupReader, machine: &Path) -> u64 {
    let wanted = BTreeSet::from(["1".to_owned()]);
    let (found, faults) = reader.read(&Roots::below(machine), &wanted, Instant::now());
    assert!(faults.is_empty(), "{faults:?}");
    found["1"].incarnation
}

#[test]
fn a_group_that_is_made_anew_under_its_name_is_another_one() {
    let machine = tempfile::tempdir().unwrap();
    let base = machine.path().join("sys/fs/cgroup");
    let write = |path: &str, text: &str| write_tree(&base, &[(path, text)], &[]);
    write("cgroup.controllers", "io\n");
    write("kubepods/pod1/io.stat", STAT);
    let mut reader = CgroupReader::default();
    let first = incarnation(&mut reader, machine.path());
    write("kubepods/pod1/io.stat", "8:0 rbytes=9 wbytes=9 rios=9 wios=9\n");
    assert_eq!(incarnation(&mut reader, machine.path()), first);
    write("new/io.stat", STAT);
    std::fs::remove_dir_all(base.join("kubepods/pod1")).unwrap();
    std::fs::rename(base.join("new"), base.join("kubepods/pod1")).unwrap();
    assert_ne!(incarnation(&mut reader, machine.path()), first);
}

#[test]
fn in_version_1_a_sum_over_other_containers_is_another_one() {
    let machine = tempfile::tempdir().unwrap();
    let base = machine.path().join("sys/fs/cgroup/blkio/kubepods/pod1");
    let write = |container: &str| {
        let files =
            ["io_service_bytes", "io_serviced"].map(|name| format!("{container}/blkio.throttle.{name}"));
        write_tree(&base, &[(&files[0], BYTES), (&files[1], REQUESTS)], &[]);
    };
    write(".");
    write("a");
    let mut reader = CgroupReader::default();
    let first = incarnation(&mut reader, machine.path());
    assert_eq!(incarnation(&mut reader, machine.path()), first);
    std::fs::remove_dir_all(base.join("a")).unwrap();
    write("b");
    assert_ne!(incarnation(&mut reader, machine.path()), first);
}

/// A container that ends between both files would be counted by halves.
#[test]
fn in_version_1_a_container_counts_with_both_its_files_or_not_at_all() {
    let pod = |name: &str| format!("blkio/kubepods/pod1{name}");
    let files = [
        (pod("/blkio.throttle.io_service_bytes"), BYTES),
        (pod("/blkio.throttle.io_serviced"), REQUESTS),
        (pod("/a/blkio.throttle.io_service_bytes"), BYTES),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let (found, _) = on(&files, &["1"]);
    assert_eq!(found["1"].devices[&number("8:0")], io(4096, 8192, 1, 2));
}

#[test]
fn in_version_1_nothing_counted_is_nothing_known() {
    let (found, faults) = on(
        &[
            (
                "blkio/kubepods/pod1/blkio.throttle.io_service_bytes",
                "8:0 Read 0\n8:0 Write 0\nTotal 0\n",
            ),
            ("blkio/kubepods/pod1/blkio.throttle.io_serviced", "Total 0\n"),
        ],
        &["1", "2"],
    );
    assert!(found.is_empty());
    assert_eq!(faults.len(), 1);
    assert!(
        faults[0]
            .message
            .starts_with("nothing is counted there for any of 1 pods")
    );
}

#[test]
fn in_the_hybrid_layout_io_may_be_counted_by_version_2() {
    let (found, faults) = on(
        &[
            ("unified/cgroup.controllers", "io memory\n"),
            ("unified/kubepods/pod1/io.stat", STAT),
            ("memory/kubepods/pod1/x", ""),
        ],
        &["1"],
    );
    assert!(faults.is_empty());
    assert_eq!(found["1"].devices.len(), 1);
}
