//! The block device graph of this node, read anew where something changed.
//!
//! `/proc/diskstats` names every device in one read. What a device is made of and who made it is read from
//! its own folder in sysfs and from udev's database: a dozen files, which rarely change. They are read again when the
//! device's fingerprint differs: its number, its size in `/proc/partitions`, its `diskseq`, and the time of its
//! record in udev's database, which udev writes anew at every event of the device (resized, reformatted, renamed).
//! Records are put in place by renaming, so while the database's folder is as it was, no record needs to be looked at.
//! Of devices that the kernel makes up (device mapper, md, loop) the make-up is looked at every time: where no udev
//! runs, it changes without all that.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::diskstats::{DiskStatistics, decimal};
use super::kept_file::{KeptFile, most_open};
use super::path_counters::{PathCounters, PathReading};
use super::read;
use super::roots::Roots;
use super::sysfs::{self, ChangingFiles, Described};
use super::udev;
use crate::model::device::{BlockDevice, DeviceNumber, DeviceType, DiskPath, Identity};
use crate::model::graph::BlockDevices;
use crate::model::io::IoCounters;

/// What is kept is read again after this time, whatever the fingerprint says: where no udev runs, a new
/// filesystem or a changed queue setting leaves no other trace. Each device has its own time for it ([`first_due`]), so that no question
/// pays for all of them.
const LONGEST_KEPT: Duration = Duration::from_secs(300);
/// Times of files are as coarse as the kernel's clock tick: a folder changed so recently may change again without
/// looking changed.
const COARSE: Duration = Duration::from_secs(1);

/// The reader, with what it remembers.
#[derive(Debug, Default)]
pub(super) struct BlockReader {
    /// By the kernel's name: hidden paths of NVMe disks all have the number 0:0 where the kernel is older than 5.11.
    kept: HashMap<String, Box<Kept>>,
    graph: Arc<BlockDevices>,
    paths: PathCounters,
    database: Database,
    partitions: KeptFile,
}

/// udev's database as it was at the latest reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Database {
    /// It may have changed since without looking so.
    #[default]
    Unsettled,
    Absent,
    Written(Written),
}

impl Database {
    fn below(roots: &Roots) -> Self {
        // The dot makes a link to the folder be followed.
        match Written::of(&roots.udev.join(".")) {
            None => Self::Absent,
            Some(written) if written.is_settled() => Self::Written(written),
            Some(_) => Self::Unsettled,
        }
    }
}

/// When a file was written, and which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Written {
    seconds: i64,
    nanoseconds: i64,
    inode: u64,
}

impl Written {
    fn of(path: &Path) -> Option<Self> {
        let about = std::fs::symlink_metadata(path).ok()?;
        Some(Self {
            seconds: about.mtime(),
            nanoseconds: about.mtime_nsec(),
            inode: about.ino(),
        })
    }

    /// True where a further change would show.
    fn is_settled(&self) -> bool {
        let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let Ok(seconds) = u64::try_from(self.seconds) else {
            return false;
        };
        since_epoch > Duration::from_secs(seconds) + 2 * COARSE
    }
}

#[derive(Debug)]
struct Kept {
    fingerprint: Fingerprint,
    /// When it is read again in any case.
    due: Instant,
    described: Option<Described>,
    files: ChangingFiles,
}

impl Kept {
    fn is_partition(&self) -> bool {
        self.described.as_ref().is_some_and(is_partition)
    }

    /// True where the kernel lists the device with a size and sysfs did not give one: the device was just coming, or its files could
    /// not be opened. What such a reading lacks must not be missing for as long as things are kept.
    fn is_half_read(&self, number: DeviceNumber) -> bool {
        let size = self
            .described
            .as_ref()
            .and_then(|described| described.device.size);
        size.is_none() && self.fingerprint.blocks.is_some() && !sysfs::is_ram_disk(number)
    }

    /// True where the graph would be the same with `now` in the place of what was read before.
    fn is_described_by(&self, now: Option<&Described>) -> bool {
        let (before, now) = match (&self.described, now) {
            (Some(before), Some(now)) => (before, now),
            (before, now) => return before.is_none() && now.is_none(),
        };
        let known = &before.device;
        // What the graph filled in is not read of the device itself.
        let mut device = BlockDevice::clone(&now.device);
        device.parents.clone_from(&known.parents);
        device.children.clone_from(&known.children);
        device.hidden_paths.clone_from(&known.hidden_paths);
        if !known.parents.is_empty() {
            device.identity = Identity::default();
        }
        if self.is_partition() {
            device.sequence = known.sequence;
        }
        device == **known
            && before.parent_names == now.parent_names
            && before.path_of == now.path_of
            && before.made_up == now.made_up
    }
}

/// When a device that is read now is read again for the first time: some time within [`LONGEST_KEPT`], another for each.
fn first_due(number: DeviceNumber, now: Instant) -> Instant {
    // Steps of the golden ratio lie evenly, whatever the distance of the numbers from each other.
    const GOLDEN_RATIO: u32 = 0x9e37_79b9;
    let step = number.major.rotate_left(20) ^ number.minor;
    let share = f64::from(step.wrapping_mul(GOLDEN_RATIO)) / f64::from(u32::MAX);
    now + LONGEST_KEPT.mul_f64(share)
}

/// True for a partition of a disk; those that device mapper makes are devices of their own.
fn is_partition(described: &Described) -> bool {
    described.device.device_type == DeviceType::Partition && !described.device.kernel_name.starts_with("dm-")
}

#[derive(Debug)]
struct Fingerprint {
    number: DeviceNumber,
    blocks: Option<u64>,
    sequence: Option<u64>,
    record_written: Option<Written>,
}

/// The graph and the counters of the devices in it.
#[derive(Debug, Default)]
pub(super) struct BlockReading {
    /// The graph.
    pub(super) devices: Arc<BlockDevices>,
    /// Counters of each device of the graph.
    pub(super) counters: BTreeMap<DeviceNumber, IoCounters>,
}

impl BlockReader {
    /// The devices behind `statistics`.
    pub(super) fn read(
        &mut self,
        roots: &Roots,
        statistics: &[DiskStatistics<'_>],
        now: Instant,
    ) -> BlockReading {
        let blocks = self.partitions(roots);
        let database = Database::below(roots);
        let same_records = database != Database::Unsettled && database == self.database;
        self.database = database;
        let mut changed = self.kept.len() != statistics.len();
        let open: usize = self.kept.values().map(|kept| kept.files.open()).sum();
        let mut room = most_open(4, 512).saturating_sub(open);
        for line in statistics {
            let blocks = blocks.get(&line.number).copied();
            changed |= self.look_at(roots, line, blocks, same_records, now, &mut room);
        }
        if changed {
            let present: HashSet<_> = statistics.iter().map(|line| line.kernel_name).collect();
            self.kept.retain(|name, _| present.contains(name.as_str()));
            self.graph = Arc::new(self.graph());
            // Each device is in memory once.
            for described in self.kept.values_mut().filter_map(|kept| kept.described.as_mut()) {
                let device = self.graph.shared(described.device.number);
                if let Some(device) = device.filter(|_| described.path_of.is_none()) {
                    described.device = Arc::clone(device);
                }
            }
        }
        BlockReading {
            devices: Arc::clone(&self.graph),
            counters: self.counters(statistics),
        }
    }

    /// Brings what is kept of one device up to date; true where the graph must be made anew.
    fn look_at(
        &mut self,
        roots: &Roots,
        line: &DiskStatistics<'_>,
        blocks: Option<u64>,
        same_records: bool,
        now: Instant,
        room: &mut usize,
    ) -> bool {
        let folder: &dyn Fn() -> PathBuf = &|| roots.block_device(line.kernel_name);
        let udev_file = || sysfs::udev_file(roots, line.number);
        let mut known = self
            .kept
            .get_mut(line.kernel_name)
            .filter(|kept| kept.fingerprint.number == line.number);
        let mut new_files = ChangingFiles::default();
        let sequence = match &mut known {
            // It is the disk that is numbered, and a partition of another disk has been looked at with that.
            Some(kept) if kept.is_partition() => None,
            // An empty slot of a driver is filled without a trace in udev's record, but not without a size.
            Some(kept) if kept.described.is_none() && kept.fingerprint.blocks.or(blocks).is_none() => {
                kept.fingerprint.sequence
            }
            Some(kept) => kept.files.sequence(folder, room),
            None => new_files.sequence(folder, room),
        };
        let record_written = match &known {
            Some(kept) if same_records => kept.fingerprint.record_written,
            _ => Written::of(&udev_file()),
        };
        if let Some(kept) = &mut known
            && kept.fingerprint.blocks == blocks
            && kept.fingerprint.sequence == sequence
            && kept.fingerprint.record_written == record_written
            && now < kept.due
            && !kept.is_half_read(line.number)
        {
            let Some(described) = &mut kept.described else {
                return false;
            };
            if !described.made_up || kept.files.are_made_as_before(folder, described, room) {
                let is_path = described.path_of.is_some();
                let (read_only, state) =
                    kept.files
                        .changing(folder, &described.device.device_type, is_path, room);
                if described.device.read_only == read_only && described.device.state == state {
                    return false;
                }
                let device = Arc::make_mut(&mut described.device);
                (device.read_only, device.state) = (read_only, state);
                return true;
            }
        }
        let described = sysfs::describe(roots, line.number, line.kernel_name).map(|mut described| {
            if record_written.is_some()
                && let Ok(record) = read::text(&udev_file(), "")
            {
                add_record(&mut described, udev::parse(&record));
            }
            described
        });
        let Some(kept) = known else {
            let is_empty = described.is_none();
            let kept = Kept {
                fingerprint: Fingerprint {
                    number: line.number,
                    blocks,
                    sequence,
                    record_written,
                },
                due: first_due(line.number, now),
                described,
                files: new_files,
            };
            let before = self.kept.insert(line.kernel_name.to_owned(), Box::new(kept));
            return !(is_empty && before.is_some_and(|before| before.described.is_none()));
        };
        kept.fingerprint.blocks = blocks;
        kept.fingerprint.sequence = sequence;
        kept.fingerprint.record_written = record_written;
        let next = kept.due + LONGEST_KEPT;
        kept.due = if now < next {
            next.min(now + LONGEST_KEPT)
        } else {
            first_due(line.number, now)
        };
        if kept.is_described_by(described.as_ref()) {
            return false;
        }
        kept.described = described;
        kept.files = new_files;
        true
    }

    /// `/proc/partitions`: each device's size in KiB, in one read. Good for seeing a change; the true size is in sysfs.
    fn partitions(&mut self, roots: &Roots) -> HashMap<DeviceNumber, u64> {
        let Ok(text) = self.partitions.text(&roots.proc.join("partitions")) else {
            return HashMap::new();
        };
        text.split(|byte| *byte == b'\n')
            .filter_map(|line| {
                let mut fields = line
                    .split(u8::is_ascii_whitespace)
                    .filter(|field| !field.is_empty());
                let major = u32::try_from(decimal(fields.next()?)?).ok()?;
                let minor = u32::try_from(decimal(fields.next()?)?).ok()?;
                Some((DeviceNumber::new(major, minor), decimal(fields.next()?)?))
            })
            .collect()
    }

    fn graph(&self) -> BlockDevices {
        let numbers: HashMap<&str, DeviceNumber> = self
            .kept
            .values()
            .filter_map(|kept| kept.described.as_ref())
            .map(|described| (described.device.kernel_name.as_str(), described.device.number))
            .collect();
        let all = || self.kept.values().filter_map(|kept| kept.described.as_ref());
        // A partition is as long the same as its disk is, and has no number of its own.
        let sequences: HashMap<DeviceNumber, u64> = all()
            .filter(|described| !is_partition(described))
            .filter_map(|described| Some((described.device.number, described.device.sequence?)))
            .collect();
        let mut paths: HashMap<&str, Vec<DiskPath>> = HashMap::new();
        for described in all() {
            if let Some(head) = &described.path_of {
                paths.entry(head).or_default().push(DiskPath {
                    name: described.device.kernel_name.clone(),
                    state: described.device.state.clone(),
                });
            }
        }
        BlockDevices::new(
            all()
                .filter(|described| described.path_of.is_none())
                .map(|described| {
                    let mut device = Arc::clone(&described.device);
                    let mut parents: Vec<_> = described
                        .parent_names
                        .iter()
                        .filter_map(|name| numbers.get(name.as_str()).copied())
                        .collect();
                    parents.sort_unstable();
                    let mut hidden_paths = paths.remove(device.kernel_name.as_str()).unwrap_or_default();
                    hidden_paths.sort_unstable();
                    let is_whole = parents.is_empty();
                    let sequence = match parents.first() {
                        Some(disk) if is_partition(described) => sequences.get(disk).copied(),
                        _ => device.sequence,
                    };
                    if device.parents != parents
                        || device.hidden_paths != hidden_paths
                        || device.sequence != sequence
                        || !(is_whole || device.identity == Identity::default())
                    {
                        let device = Arc::make_mut(&mut device);
                        device.parents = parents;
                        device.hidden_paths = hidden_paths;
                        device.sequence = sequence;
                        if !is_whole {
                            device.identity = Identity::default();
                        }
                    }
                    device
                }),
        )
    }

    /// Counters of the devices in the graph. Some kernels count NVMe multipath requests on the hidden paths
    /// and leave the disk at zero: then the paths' sum is the disk's, and what its partitions did is counted nowhere.
    fn counters(&mut self, statistics: &[DiskStatistics<'_>]) -> BTreeMap<DeviceNumber, IoCounters> {
        let mut counters = BTreeMap::new();
        let mut hidden: HashMap<&str, PathReading> = HashMap::new();
        for line in statistics {
            if self.graph.get(line.number).is_some() {
                counters.insert(line.number, line.counters);
            } else if line.kernel_name.starts_with("nvme")
                && let Some(kept) = self.kept.get(line.kernel_name)
            {
                let path = PathReading {
                    sequence: kept.fingerprint.sequence,
                    counters: line.counters,
                };
                hidden.insert(line.kernel_name, path);
            }
        }
        let paths = &mut self.paths;
        paths.retain(|disk| counters.contains_key(&disk));
        for device in self.graph.iter() {
            let number = device.number;
            if device.hidden_paths.is_empty() && !paths.knows(number) {
                continue;
            }
            let Some(own) = counters.get_mut(&number) else {
                continue;
            };
            if !own.is_idle() {
                paths.forget(number);
                continue;
            }
            let names = device.hidden_paths.iter().map(|path| path.name.as_str());
            let sum = paths.sum(number, device.sequence, names, |name| hidden.get(name).copied());
            *own = own.plus(&sum);
            if sum.is_idle() {
                continue;
            }
            for part in &device.children {
                if counters.get(part).is_some_and(IoCounters::is_idle)
                    && self.graph.counted_at(*part) == number
                {
                    counters.remove(part);
                }
            }
        }
        counters
    }
}

/// Joins what udev knows with what sysfs said: udev's word is taken first, as `lsblk` does.
fn add_record(described: &mut Described, record: udev::UdevRecord) {
    let device = Arc::make_mut(&mut described.device);
    device.signature = record.signature;
    if device.device_type != DeviceType::Partition {
        device.links = record.links;
    }
    if described.parent_names.is_empty() && !described.made_up {
        let own = std::mem::take(&mut device.identity);
        device.identity = Identity {
            model: record.identity.model.or(own.model),
            serial: record.identity.serial.or(own.serial),
            wwn: record.identity.wwn.or(own.wwn),
            vendor: own.vendor.or(record.identity.vendor),
            revision: own.revision.or(record.identity.revision),
            transport: own.transport,
            path: record.identity.path,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::fs::{self, File, FileTimes};

    use super::super::diskstats;
    use super::super::read::write_tree;
    use super::*;
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
            let kept = machine.reader.kept[&device.kernel_name]
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
            let due: BTreeMap<_, _> = reader
                .kept
                .iter()
                .map(|(name, kept)| (name.clone(), kept.due))
                .collect();
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
}
