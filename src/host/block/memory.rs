//! What was read of each device, and when it is read again.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::database::Written;
use crate::host::diskstats::DiskStatistics;
use crate::host::kept_file::most_open;
use crate::host::roots::Roots;
use crate::host::sysfs::{self, ChangingFiles, Described};
use crate::host::{read, udev};
use crate::model::device::{BlockDevice, DeviceNumber, DeviceType, Identity};

/// What is kept is read again after this time, whatever the fingerprint says: where no udev runs, a new
/// filesystem or a changed queue setting leaves no other trace. Each device has its own time for it ([`first_due`]), so that no question
/// pays for all of them.
pub(super) const LONGEST_KEPT: Duration = Duration::from_secs(300);

/// All devices, by the kernel's name: hidden paths of NVMe disks all have the number 0:0 where the kernel is older than 5.11.
#[derive(Debug, Default)]
pub(super) struct Memory {
    kept: HashMap<String, Box<Kept>>,
}

impl Memory {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// One of them.
    pub(super) fn get(&self, kernel_name: &str) -> Option<&Kept> {
        self.kept.get(kernel_name).map(Box::as_ref)
    }

    /// Those that sysfs knows.
    pub(super) fn described(&self) -> impl Iterator<Item = &Described> {
        self.kept.values().filter_map(|kept| kept.described.as_ref())
    }

    /// The same, to be changed.
    pub(super) fn described_mut(&mut self) -> impl Iterator<Item = &mut Described> {
        self.kept.values_mut().filter_map(|kept| kept.described.as_mut())
    }

    /// How many more files may be kept open.
    pub(super) fn room(&self) -> usize {
        let open: usize = self.kept.values().map(|kept| kept.files.open()).sum();
        most_open(4, 512).saturating_sub(open)
    }

    /// Forgets all others.
    pub(super) fn retain(&mut self, present: &HashSet<&str>) {
        self.kept.retain(|name, _| present.contains(name.as_str()));
    }

    /// Brings what is kept of one device up to date; true where the graph must be made anew.
    pub(super) fn look_at(
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
}

/// One device.
#[derive(Debug)]
pub(super) struct Kept {
    fingerprint: Fingerprint,
    /// When it is read again in any case.
    pub(super) due: Instant,
    /// `None` where sysfs has no such device.
    pub(super) described: Option<Described>,
    files: ChangingFiles,
}

impl Kept {
    /// The `diskseq` that it had when it was looked at.
    pub(super) fn sequence(&self) -> Option<u64> {
        self.fingerprint.sequence
    }

    fn is_partition(&self) -> bool {
        self.described
            .as_ref()
            .is_some_and(|described| described.device.is_partition())
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

/// While this is the same, the device is.
#[derive(Debug)]
struct Fingerprint {
    number: DeviceNumber,
    blocks: Option<u64>,
    sequence: Option<u64>,
    record_written: Option<Written>,
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
