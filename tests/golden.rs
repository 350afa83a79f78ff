//! Given this machine, this is the report, the page and the tree: whole outputs, for every layer of the stack.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::fmt::Write as _;

use scope_storage_probe::model::itself::SelfFigures;
use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::prometheus::node_page;
use scope_storage_probe::render::{scope, tree};
use scope_storage_probe::state::State;
use support::fixture::Machine;
use support::scope_contract::{Expectations, assert_holds};
use support::{generated, reading};

fn page(state: &State, format: Format) -> String {
    String::from_utf8(node_page(state, &SelfFigures::default(), format)).unwrap()
}

/// The report, laid out for people, after it was checked against the contract.
fn report(state: &State) -> String {
    let bytes = scope::report(state);
    let expectations = Expectations::of("storage", &state.host_id);
    assert_holds(&bytes, &expectations);
    let report: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    format!("{report:#}")
}

#[test]
fn two_disks() {
    let state = reading::state(&generated::machine(2), 3);
    insta::assert_snapshot!("two-disks.report", report(&state));
    insta::assert_snapshot!("two-disks.page", page(&state, Format::Text));
    insta::assert_snapshot!(
        "two-disks.openmetrics",
        page(&state, Format::OpenMetrics("1.0.0"))
    );
    insta::assert_snapshot!("two-disks.tree", tree::text(&state));
}

/// Report, page and tree of a captured machine. What `lsblk` said of the same machine at the same moment is compared in
/// `tests/machines.rs`.
fn captured(name: &str) {
    let state = reading::state(&Machine::captured(name), 2);
    assert!(state.is_ready());
    insta::assert_snapshot!(format!("{name}.report"), report(&state));
    insta::assert_snapshot!(format!("{name}.page"), page(&state, Format::Text));
    insta::assert_snapshot!(format!("{name}.tree"), tree::text(&state));
}

macro_rules! captured_machines {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            captured($name);
        })*

        /// A machine that was captured and is compared with nothing would be forgotten.
        #[test]
        fn every_captured_machine_has_golden_files() {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/machines");
            let mut found: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".txt").to_owned())
                .collect();
            found.sort_unstable();
            let mut tested = vec![$($name),*];
            tested.sort_unstable();
            assert_eq!(found, tested);
        }
    };
}

captured_machines! {
    bcache: "bcache",
    btrfs_two_disks: "btrfs-two-disks",
    loop_file: "loop",
    luks: "luks",
    lvm_linear: "lvm-linear",
    lvm_on_luks: "lvm-on-luks",
    lvm_snapshot: "lvm-snapshot",
    lvm_thin: "lvm-thin",
    md_degraded: "md-degraded",
    md_raid0: "md-raid0",
    md_raid1: "md-raid1",
    multipath: "multipath",
    nvme_multipath: "nvme-multipath",
    nvme_namespaces: "nvme-namespaces",
    overlay: "overlay",
    partition: "partition",
    one_of_everything: "skeleton",
}

/// A captured machine whose files say something else by now.
fn changed(name: &str, machine: &str, files: &[(&str, &str)]) {
    let machine = Machine::captured(machine);
    for (path, content) in files {
        assert!(machine.place(path).exists(), "{path}");
        machine.write(path, content);
    }
    let state = reading::state(&machine, 2);
    insta::assert_snapshot!(format!("{name}.report"), report(&state));
    insta::assert_snapshot!(format!("{name}.page"), page(&state, Format::Text));
    insta::assert_snapshot!(format!("{name}.tree"), tree::text(&state));
    insta::assert_snapshot!(format!("{name}.json"), tree::json(&state));
}

#[test]
fn a_multipath_disk_that_has_lost_a_path() {
    let second = "/sys/devices/pci0000:00/0000:00:05.0/virtio2/host0/target0:0:1/0:0:1:0/state";
    changed(
        "multipath-path-lost",
        "multipath",
        &[(second, "transport-offline\n")],
    );
}

#[test]
fn an_nvme_disk_of_whose_controllers_none_is_connected() {
    let controllers = [
        "/sys/devices/pci0000:00/0000:00:09.0/nvme/nvme0/state",
        "/sys/devices/pci0000:00/0000:00:0a.0/nvme/nvme1/state",
    ];
    changed(
        "nvme-multipath-unusable",
        "nvme-multipath",
        &controllers.map(|controller| (controller, "connecting\n")),
    );
}

/// What the death of each of these disks costs, on a captured machine where a pod has a volume on each mount below `/srv`.
fn deaths(name: &str, disks: &[&str]) {
    let machine = Machine::captured(name);
    let mounts = std::fs::read_to_string(machine.place("/proc/1/mountinfo")).unwrap();
    let mut with_pods = mounts.clone();
    for (at, line) in mounts.lines().filter(|line| line.contains(" /srv/")).enumerate() {
        let fields: Vec<&str> = line.split(' ').collect();
        let (number, root, point) = (fields[2], fields[3], fields[4]);
        let volume = point.trim_start_matches("/srv/");
        let pod = "/var/lib/kubelet/pods/11111111-1111-4111-8111-111111111111";
        let path = format!("{pod}/volumes/kubernetes.io~local-volume/{volume}");
        std::fs::create_dir_all(machine.place(&path)).unwrap();
        let rest = fields[5..].join(" ");
        let _ = writeln!(with_pods, "{} 25 {number} {root} {path} {rest}", 900 + at);
    }
    machine.write("/proc/1/mountinfo", with_pods);
    let state = reading::state(&machine, 2);
    let told: Vec<String> = disks
        .iter()
        .map(|disk| {
            let told = tree::disk(&state, disk).unwrap();
            told[told.find("If ").unwrap()..].to_owned()
        })
        .collect();
    insta::assert_snapshot!(format!("{name}.deaths"), told.join("\n"));
}

#[test]
fn what_dies_with_each_disk_of_every_sort_of_stack() {
    deaths("md-degraded", &["sda", "sdb", "sdc"]);
    deaths("md-raid1", &["sda", "sdb"]);
    deaths("md-raid0", &["sda"]);
    deaths("lvm-thin", &["sda", "sdb"]);
    deaths("btrfs-two-disks", &["sda", "nvme0n1"]);
    deaths("bcache", &["sda", "nvme0n1"]);
    deaths("loop", &["vdb"]);
    deaths("multipath", &["mpatha", "sdc"]);
}

#[test]
fn a_disk_is_found_by_whatever_is_known_of_it() {
    let state = reading::state(&Machine::captured("multipath"), 2);
    let found = |name: &str| {
        let told = tree::disk(&state, name)?;
        Some(told[told.find("If ")?..].split_whitespace().nth(1)?.to_owned())
    };
    for (name, disk) in [
        ("sdc", "sdc"),
        ("/dev/sdc", "sdc"),
        ("SCSI-SINGLE-09", "sdc"),
        ("mpatha", "mpatha"),
        ("dm-0", "mpatha"),
        ("/dev/mapper/mpatha", "mpatha"),
        ("MPATH-09", "mpatha"),
        ("/dev/disk/by-id/virtio-machine-root", "vda"),
    ] {
        assert_eq!(found(name).as_deref(), Some(disk), "{name}");
    }
    for (name, beside) in [
        // A path dies alone and nothing is lost; a partition dies with what it is part of.
        ("sda", &["mpatha"][..]),
        ("/dev/mapper/mpatha-part1", &["mpatha"]),
        ("sdz", &[]),
        ("", &[]),
    ] {
        assert_eq!(found(name), None, "{name}");
        assert_eq!(tree::disks_beside(&state, name), beside, "{name}");
    }
}

#[test]
fn a_machine_about_which_nothing_can_be_read() {
    let machine = Machine::new();
    machine.write("/proc/sys/kernel/hostname", "blank\n");
    let state = reading::state(&machine, 2);
    assert!(!state.is_ready());
    insta::assert_snapshot!("nothing.page", page(&state, Format::Text));
    assert_holds(&scope::report(&state), &Expectations::of("storage", "blank"));
}
