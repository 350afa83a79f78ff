//! Machines whose devices come, change and go.

use std::fmt::Write as _;
use std::fs::{self, File, FileTimes};
use std::time::{Duration, SystemTime};

use super::memory::LONGEST_KEPT;
use super::*;
use crate::host::diskstats;
use crate::host::read::write_tree;
use crate::model::device::BlockDevice;
use crate::model::raid::RaidRole;

/// A machine with one disk, one array on it, and an empty slot.
struct Machine {
    folder: tempfile::TempDir,
    reader: BlockReader,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Self {
            folder,
            reader: BlockReader::default(),
        };
        let disk = "sys/devices/pci0/ata1/block/sda";
        let array = "sys/devices/virtual/block/md0";
        machine.write(&[
            (
                "proc/partitions",
                "major minor  #blocks  name\n\n 8 0 1024 sda\n 8 1 512 sda1\n 9 0 512 md0\n",
            ),
            (&format!("{disk}/size"), "2048\n"),
            (&format!("{disk}/ro"), "0\n"),
            (&format!("{disk}/diskseq"), "1\n"),
            (&format!("{disk}/device/state"), "running\n"),
            (&format!("{disk}/sda1/size"), "1024\n"),
            (&format!("{disk}/sda1/ro"), "0\n"),
            (&format!("{disk}/sda1/partition"), "1\n"),
            (&format!("{array}/size"), "1024\n"),
            (&format!("{array}/ro"), "0\n"),
            (&format!("{array}/md/level"), "raid1\n"),
            (&format!("{array}/slaves/sda1/size"), "1024\n"),
            ("run/udev/data/b8:1", "E:ID_FS_TYPE=ext4\n"),
        ]);
        write_tree(
            machine.folder.path(),
            &[],
            &[
                ("sys/class/block/sda", "../../devices/pci0/ata1/block/sda"),
                ("sys/class/block/sda1", "../../devices/pci0/ata1/block/sda/sda1"),
                ("sys/class/block/md0", "../../devices/virtual/block/md0"),
            ],
        );
        machine
    }

    fn write(&self, files: &[(&str, &str)]) {
        write_tree(self.folder.path(), files, &[]);
    }

    /// Makes udev's folder look as if nothing had been put there for a while.
    fn settle(&self) {
        let earlier = SystemTime::now() - Duration::from_secs(60);
        File::open(self.folder.path().join("run/udev/data"))
            .and_then(|folder| folder.set_times(FileTimes::new().set_modified(earlier)))
            .unwrap();
    }

    fn read(&mut self) -> Arc<BlockDevices> {
        self.read_at(Instant::now())
    }

    fn read_at(&mut self, now: Instant) -> Arc<BlockDevices> {
        let text = b"8 0 sda 1 1 1 1 1 1 1 1 1 1 1\n8 1 sda1 1 1 1 1 1 1 1 1 1 1 1\n9 0 md0 1 1 1 1 1 1 1 1 1 1 1\n7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n";
        let (statistics, _) = diskstats::parse(text);
        let roots = Roots::below(self.folder.path());
        self.reader.read(&roots, &statistics, now).devices
    }
}

fn named<'a>(devices: &'a BlockDevices, name: &str) -> &'a BlockDevice {
    devices.named(name).unwrap()
}

#[test]
fn while_nothing_changes_the_graph_is_the_same_and_each_device_is_held_once() {
    let mut machine = Machine::new();
    machine.settle();
    let (one, two) = (machine.read(), machine.read());
    assert!(Arc::ptr_eq(&one, &two));
    for device in two.iter() {
        let kept = machine
            .reader
            .memory
            .get(&device.kernel_name)
            .unwrap()
            .described
            .as_ref()
            .unwrap();
        assert!(Arc::ptr_eq(&kept.device, two.shared(device.number).unwrap()));
    }
}

#[test]
fn a_record_that_udev_puts_in_place_is_seen_at_the_next_reading() {
    let mut machine = Machine::new();
    machine.settle();
    machine.read();
    assert_eq!(
        named(&machine.read(), "sda1").signature.fstype.as_deref(),
        Some("ext4")
    );
    machine.write(&[("run/udev/data/.#b8:1", "E:ID_FS_TYPE=xfs\n")]);
    let data = machine.folder.path().join("run/udev/data");
    fs::rename(data.join(".#b8:1"), data.join("b8:1")).unwrap();
    assert_eq!(
        named(&machine.read(), "sda1").signature.fstype.as_deref(),
        Some("xfs")
    );
}

#[test]
fn a_database_that_appears_later_is_read() {
    let mut machine = Machine::new();
    let data = machine.folder.path().join("run/udev/data");
    fs::remove_dir_all(&data).unwrap();
    machine.read();
    assert_eq!(named(&machine.read(), "sda1").signature.fstype, None);
    machine.write(&[("run/udev/data/b8:1", "E:ID_FS_TYPE=ext4\n")]);
    machine.settle();
    assert_eq!(
        named(&machine.read(), "sda1").signature.fstype.as_deref(),
        Some("ext4")
    );
    fs::remove_dir_all(&data).unwrap();
    assert_eq!(named(&machine.read(), "sda1").signature.fstype, None);
}

#[test]
fn what_changes_without_a_trace_is_current_at_each_reading() {
    let mut machine = Machine::new();
    machine.settle();
    machine.read();
    machine.write(&[
        ("sys/devices/pci0/ata1/block/sda/ro", "1\n"),
        ("sys/devices/pci0/ata1/block/sda/device/state", "offline\n"),
    ]);
    let devices = machine.read();
    assert_eq!(named(&devices, "sda").read_only, Some(true));
    assert_eq!(named(&devices, "sda").state.as_deref(), Some("offline"));
    machine.write(&[
        ("sys/devices/pci0/ata1/block/sda/diskseq", "2\n"),
        ("sys/devices/pci0/ata1/block/sda/removable", "1\n"),
    ]);
    let devices = machine.read();
    assert_eq!(named(&devices, "sda").sequence, Some(2));
    assert_eq!(named(&devices, "sda").removable, Some(true));
}

#[test]
fn a_partition_is_another_one_where_its_disk_is() {
    let mut machine = Machine::new();
    machine.settle();
    assert_eq!(named(&machine.read(), "sda1").sequence, Some(1));
    machine.write(&[("sys/devices/pci0/ata1/block/sda/diskseq", "2\n")]);
    assert_eq!(named(&machine.read(), "sda1").sequence, Some(2));
}

#[test]
fn what_is_read_again_and_is_the_same_changes_nothing() {
    let mut machine = Machine::new();
    machine.settle();
    let first = machine.read();
    assert!(Arc::ptr_eq(
        &first,
        &machine.read_at(Instant::now() + 2 * LONGEST_KEPT)
    ));
    // A record that says what it said before.
    machine.write(&[("run/udev/data/.#b8:1", "E:ID_FS_TYPE=ext4\n")]);
    let data = machine.folder.path().join("run/udev/data");
    fs::rename(data.join(".#b8:1"), data.join("b8:1")).unwrap();
    assert!(Arc::ptr_eq(&first, &machine.read()));
}

#[test]
fn devices_are_read_again_a_few_at_a_time() {
    const DISKS: usize = 400;
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for disk in 0..DISKS {
        let size = format!("sys/devices/pci0/block/sd{disk}/size");
        let link = format!("sys/class/block/sd{disk}");
        let target = format!("../../devices/pci0/block/sd{disk}");
        write_tree(
            folder.path(),
            &[(size.as_str(), "2048\n")],
            &[(link.as_str(), target.as_str())],
        );
        writeln!(text, "8 {} sd{disk} 1 1 1 1 1 1 1 1 1 1 1", disk * 16).unwrap();
    }
    let roots = Roots::below(folder.path());
    let mut reader = BlockReader::default();
    let mut read = |now: Instant| {
        let (statistics, _) = diskstats::parse(text.as_bytes());
        let devices = reader.read(&roots, &statistics, now).devices;
        let due_of = |name: String| {
            let due = reader.memory.get(&name).unwrap().due;
            (name, due)
        };
        let names = (0..DISKS).map(|disk| format!("sd{disk}"));
        let due: BTreeMap<_, _> = names.map(due_of).collect();
        (devices, due)
    };
    let start = Instant::now();
    let (first, mut before) = read(start);
    let mut seen = HashSet::new();
    for step in 1..=20 {
        let (devices, due) = read(start + step * LONGEST_KEPT / 20);
        assert!(Arc::ptr_eq(&first, &devices), "nothing has changed");
        let again: Vec<_> = due.iter().filter(|(name, due)| before[*name] != **due).collect();
        assert!(again.len() < DISKS / 10, "{} at once", again.len());
        seen.extend(again.into_iter().map(|(name, _)| name.clone()));
        before = due;
    }
    assert_eq!(seen.len(), DISKS, "each within the time");
}

/// A multipath disk whose kernel counts requests on its paths alone, with one partition: what was read of each device, given the lines
/// of its paths.
fn multipath() -> impl FnMut(&str) -> BTreeMap<String, u64> {
    let folder = tempfile::tempdir().unwrap();
    let head = "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1";
    write_tree(
        folder.path(),
        &[
            (&format!("{head}/size"), "2048\n"),
            (&format!("{head}/nvme0n1p1/size"), "1024\n"),
            (&format!("{head}/nvme0n1p1/partition"), "1\n"),
        ],
        &[
            (
                "sys/class/block/nvme0n1",
                "../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1",
            ),
            (
                "sys/class/block/nvme0n1p1",
                "../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/nvme0n1p1",
            ),
        ],
    );
    for path in ["nvme0c0n1", "nvme0c1n1"] {
        let place = format!("devices/pci0/nvme/{path}");
        write_tree(
            folder.path(),
            &[
                (&format!("sys/{place}/size"), "2048\n"),
                (&format!("sys/{place}/hidden"), "1\n"),
            ],
            &[(&format!("sys/class/block/{path}"), &format!("../../{place}"))],
        );
    }
    let mut reader = BlockReader::default();
    move |paths| {
        let disk = "259 0 nvme0n1 0 0 0 0 0 0 0 0 0 0 0\n259 1 nvme0n1p1 0 0 0 0 0 0 0 0 0 0 0\n";
        let text = format!("{disk}{paths}");
        let (statistics, _) = diskstats::parse(text.as_bytes());
        let roots = Roots::below(folder.path());
        let reading = reader.read(&roots, &statistics, Instant::now());
        let name = |number| reading.devices.get(number).unwrap().kernel_name.clone();
        let counters = reading.counters.iter();
        counters
            .map(|(number, counters)| (name(*number), counters.reads.completed))
            .collect()
    }
}

#[test]
fn where_paths_are_counted_the_disk_has_their_sum_and_its_partitions_are_not_known() {
    let mut read = multipath();
    let paths = "259 2 nvme0c0n1 700 0 8 1 0 0 0 0 0 1 1\n259 3 nvme0c1n1 300 0 8 1 0 0 0 0 0 1 1\n";
    assert_eq!(read(paths), BTreeMap::from([("nvme0n1".into(), 1000)]));
    let idle = "259 2 nvme0c0n1 0 0 0 0 0 0 0 0 0 0 0\n";
    let mut read = multipath();
    assert_eq!(
        read(idle),
        BTreeMap::from([("nvme0n1".into(), 0), ("nvme0n1p1".into(), 0)])
    );
}

#[test]
fn a_disk_that_loses_a_path_does_not_begin_anew() {
    let mut read = multipath();
    let reads = |read: BTreeMap<String, u64>| read["nvme0n1"];
    let one = "259 2 nvme0c0n1 700 0 8 1 0 0 0 0 0 1 1\n";
    let other = "259 3 nvme0c1n1 300 0 8 1 0 0 0 0 0 1 1\n";
    assert_eq!(reads(read(&format!("{one}{other}"))), 1000);
    assert_eq!(reads(read(one)), 1000);
    assert_eq!(reads(read("")), 1000);
    assert_eq!(reads(read("259 3 nvme0c1n1 5 0 8 1 0 0 0 0 0 1 1\n")), 1005);
}

#[test]
fn paths_that_all_have_the_number_of_none_are_told_apart_by_their_names() {
    let mut read = multipath();
    let paths = "0 0 nvme0c0n1 700 0 8 1 0 0 0 0 0 1 1\n0 0 nvme0c1n1 300 0 8 1 0 0 0 0 0 1 1\n";
    assert_eq!(read(paths)["nvme0n1"], 1000);
}

#[test]
fn an_array_that_is_made_anew_is_seen_at_each_reading() {
    let mut machine = Machine::new();
    machine.settle();
    assert_eq!(named(&machine.read(), "md0").parents, [DeviceNumber::new(8, 1)]);
    let array = "sys/devices/virtual/block/md0";
    machine.write(&[(&format!("{array}/md/level"), "raid5\n")]);
    assert_eq!(named(&machine.read(), "md0").device_type.as_str(), "raid5");
    fs::remove_dir_all(machine.folder.path().join(array).join("slaves/sda1")).unwrap();
    let devices = machine.read();
    assert_eq!(named(&devices, "md0").parents, []);
    assert_eq!(named(&devices, "sda1").children, []);
}

#[test]
fn what_could_not_be_read_of_a_device_is_read_at_the_next_reading() {
    let mut machine = Machine::new();
    machine.settle();
    let size = machine.folder.path().join("sys/devices/pci0/ata1/block/sda/size");
    let link = machine.folder.path().join("sys/class/block/sda1");
    let aside = machine.folder.path().join("aside");
    fs::write(&size, "").unwrap();
    fs::rename(&link, &aside).unwrap();
    let devices = machine.read();
    assert_eq!(named(&devices, "sda").size, None);
    assert!(devices.named("sda1").is_none());
    fs::write(&size, "2048\n").unwrap();
    fs::rename(&aside, &link).unwrap();
    let devices = machine.read();
    assert_eq!(named(&devices, "sda").size, Some(1 << 20));
    assert_eq!(named(&devices, "sda1").size, Some(512 << 10));
    assert!(Arc::ptr_eq(&devices, &machine.read()));
}

#[test]
fn an_array_that_loses_a_member_is_seen_at_the_next_reading() {
    let mut machine = Machine::new();
    machine.settle();
    let degraded = "sys/devices/virtual/block/md0/md/degraded";
    machine.write(&[(degraded, "0\n")]);
    assert_eq!(named(&machine.read(), "md0").missing_members, Some(0));
    machine.write(&[(degraded, "1\n")]);
    assert_eq!(named(&machine.read(), "md0").missing_members, Some(1));
}

#[test]
fn a_member_that_fails_or_is_filled_is_seen_at_the_next_reading() {
    let mut machine = Machine::new();
    machine.settle();
    let array = "sys/devices/virtual/block/md0/md";
    let state = format!("{array}/dev-sda1/state");
    machine.write(&[(&state, "in_sync\n")]);
    assert_eq!(named(&machine.read(), "md0").raid_members, None, "not redundant");
    machine.write(&[(&format!("{array}/degraded"), "1\n")]);
    for (word, role) in [
        ("in_sync", RaidRole::InSync),
        ("faulty", RaidRole::Idle),
        ("in_sync,write_mostly", RaidRole::InSync),
    ] {
        machine.write(&[(&state, &format!("{word}\n"))]);
        let devices = machine.read();
        let members = named(&devices, "md0").raid_members.as_deref().unwrap();
        assert_eq!(
            (members[0].name.as_str(), members[0].role),
            ("sda1", role),
            "{word}"
        );
        assert!(Arc::ptr_eq(&devices, &machine.read()), "{word}");
    }
    fs::remove_file(machine.folder.path().join(state)).unwrap();
    assert_eq!(named(&machine.read(), "md0").raid_members, None);
}

#[test]
fn the_state_of_a_hidden_path_is_its_controllers_and_then_its_access_to_the_namespace() {
    let folder = tempfile::tempdir().unwrap();
    let controller = "sys/devices/pci0/nvme/nvme1";
    let path = format!("{controller}/nvme0c1n1");
    let head = "sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1";
    let write = |files: &[(&str, &str)]| write_tree(folder.path(), files, &[]);
    write(&[
        (
            "proc/partitions",
            "major minor  #blocks  name\n\n 259 0 1024 nvme0n1\n",
        ),
        (&format!("{head}/size"), "2048\n"),
        (&format!("{path}/size"), "2048\n"),
        (&format!("{path}/hidden"), "1\n"),
        (&format!("{path}/ana_state"), "optimized\n"),
        (&format!("{controller}/state"), "live\n"),
    ]);
    write_tree(
        folder.path(),
        &[],
        &[
            (
                "sys/class/block/nvme0n1",
                "../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1",
            ),
            (
                "sys/class/block/nvme0c1n1",
                "../../devices/pci0/nvme/nvme1/nvme0c1n1",
            ),
            (&format!("{path}/device"), "../../nvme1"),
        ],
    );
    let mut reader = BlockReader::default();
    let mut state = || {
        let text = b"259 0 nvme0n1 1 1 1 1 1 1 1 1 1 1 1\n259 1 nvme0c1n1 1 1 1 1 1 1 1 1 1 1 1\n";
        let (statistics, _) = diskstats::parse(text);
        let roots = Roots::below(folder.path());
        let devices = reader.read(&roots, &statistics, Instant::now()).devices;
        let path = named(&devices, "nvme0n1").hidden_paths.first().unwrap();
        assert_eq!(path.name, "nvme0c1n1");
        path.state.clone()
    };
    assert_eq!(state().as_deref(), Some("live"));
    write(&[(&format!("{path}/ana_state"), "inaccessible\n")]);
    assert_eq!(state().as_deref(), Some("inaccessible"));
    write(&[(&format!("{controller}/state"), "connecting\n")]);
    assert_eq!(state().as_deref(), Some("connecting"));
    fs::remove_file(folder.path().join(controller).join("state")).unwrap();
    assert_eq!(state(), None);
}

#[test]
fn a_slot_that_is_filled_is_seen() {
    let mut machine = Machine::new();
    machine.read();
    assert!(machine.read().named("loop0").is_none());
    let slot = "sys/devices/virtual/block/loop0";
    machine.write(&[
        (
            "proc/partitions",
            "major minor  #blocks  name\n\n 8 0 1024 sda\n 8 1 512 sda1\n 9 0 512 md0\n 7 0 512 loop0\n",
        ),
        (&format!("{slot}/size"), "1024\n"),
        (&format!("{slot}/loop/backing_file"), "/a.img\n"),
    ]);
    write_tree(
        machine.folder.path(),
        &[],
        &[("sys/class/block/loop0", "../../devices/virtual/block/loop0")],
    );
    assert_eq!(
        named(&machine.read(), "loop0").backing_file.as_deref(),
        Some("/a.img")
    );
    machine.write(&[(&format!("{slot}/loop/backing_file"), "/b.img\n")]);
    assert_eq!(
        named(&machine.read(), "loop0").backing_file.as_deref(),
        Some("/b.img")
    );
}
