//! The I/O of NVMe multipath disks whose kernel counts it on their hidden paths alone.
//!
//! The disk's is the sum over its paths, and over those that it had: a sum over the paths of the moment would go back whenever one
//! is lost, which looks as if the disk had begun anew. Of the time during which the disk was busy there is no sum, once more than one path has
//! counted. A path that is back counts once: the kernel may also have left it out of one reading, as it does where another device goes while it
//! writes them down. What was counted before this program started on a path that had gone by then is in no file, and not in the sum.

use std::collections::BTreeMap;

use crate::model::device::DeviceNumber;
use crate::model::io::IoCounters;

/// What was counted on a hidden path.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathReading {
    /// Its `diskseq`, where the kernel gives one.
    pub(super) sequence: Option<u64>,
    /// Its counters.
    pub(super) counters: IoCounters,
}

impl PathReading {
    /// True where `later` may be the same path: not another one that was given the name.
    fn may_be(&self, later: &Self) -> bool {
        let same_number = match (self.sequence, later.sequence) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        same_number
            && later.counters.reads.completed >= self.counters.reads.completed
            && later.counters.writes.completed >= self.counters.writes.completed
    }
}

/// The paths of each disk, those that have gone among them.
#[derive(Debug, Default)]
pub(super) struct PathCounters {
    disks: BTreeMap<DeviceNumber, Disk>,
}

#[derive(Debug)]
struct Disk {
    sequence: Option<u64>,
    /// By the kernel's name.
    paths: BTreeMap<String, PathReading>,
    /// Those that have gone, as they were last.
    lost: BTreeMap<String, PathReading>,
    /// The sum over those that will not come back: another has their name.
    gone: IoCounters,
}

impl Disk {
    fn new(sequence: Option<u64>) -> Self {
        Self {
            sequence,
            paths: BTreeMap::new(),
            lost: BTreeMap::new(),
            gone: IoCounters::NOTHING,
        }
    }
}

impl PathCounters {
    /// True where the disk is known to be counted on its paths.
    pub(super) fn knows(&self, disk: DeviceNumber) -> bool {
        self.disks.contains_key(&disk)
    }

    /// Forgets all disks but these.
    pub(super) fn retain(&mut self, is_there: impl Fn(DeviceNumber) -> bool) {
        self.disks.retain(|disk, _| is_there(*disk));
    }

    /// Forgets a disk: it is counted itself.
    pub(super) fn forget(&mut self, disk: DeviceNumber) {
        self.disks.remove(&disk);
    }

    /// What the disk with this number and `diskseq` did, of which these are the paths now. A path that cannot be taken for one of the disk's
    /// at this moment is still looked for in `all`: it goes when the kernel lists it no more.
    pub(super) fn sum<'a>(
        &mut self,
        number: DeviceNumber,
        sequence: Option<u64>,
        paths: impl Iterator<Item = &'a str>,
        all: impl Fn(&str) -> Option<PathReading>,
    ) -> IoCounters {
        let disk = self.disks.entry(number).or_insert_with(|| Disk::new(sequence));
        if disk.sequence != sequence {
            *disk = Disk::new(sequence);
        }
        let lost = &mut disk.lost;
        disk.paths.retain(|name, known| match all(name) {
            Some(now) if known.may_be(&now) => {
                *known = now;
                true
            }
            _ => {
                // A gauge: what was under way there is not any more.
                known.counters.in_flight = 0;
                lost.insert(name.clone(), *known);
                false
            }
        });
        for name in paths {
            if !disk.paths.contains_key(name)
                && let Some(now) = all(name)
            {
                if let Some(known) = disk.lost.remove(name)
                    && !known.may_be(&now)
                {
                    disk.gone = disk.gone.plus(&known.counters);
                }
                disk.paths.insert(name.to_owned(), now);
            }
        }
        let paths = disk.paths.values().chain(disk.lost.values());
        paths.fold(disk.gone, |sum, path| sum.plus(&path.counters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::io::OperationCounters;

    const DISK: DeviceNumber = DeviceNumber::new(259, 1);

    /// Reads of the disk where these are its paths, each with its `diskseq` and reads.
    fn reads(kept: &mut PathCounters, sequence: u64, paths: &[(&str, u64, u64)]) -> u64 {
        let all = |name: &str| {
            let (_, sequence, completed) = paths.iter().find(|path| path.0 == name)?;
            let mut counters = IoCounters {
                in_flight: 1,
                ..IoCounters::default()
            };
            counters.reads = OperationCounters {
                completed: *completed,
                ..OperationCounters::default()
            };
            Some(PathReading {
                sequence: Some(*sequence),
                counters,
            })
        };
        let names = paths.iter().map(|path| path.0);
        let sum = kept.sum(DISK, Some(sequence), names, all);
        assert_eq!(sum.in_flight, paths.len() as u64);
        sum.reads.completed
    }

    #[test]
    fn a_path_that_is_lost_takes_nothing_with_it() {
        let mut kept = PathCounters::default();
        assert_eq!(reads(&mut kept, 1, &[("a", 2, 500), ("b", 3, 500)]), 1000);
        assert_eq!(reads(&mut kept, 1, &[("a", 2, 510)]), 1010);
        assert_eq!(reads(&mut kept, 1, &[]), 1010);
        assert_eq!(
            reads(&mut kept, 1, &[("a", 2, 5)]),
            1015,
            "it comes back and begins anew"
        );
        assert_eq!(
            reads(&mut kept, 1, &[("a", 7, 50)]),
            1065,
            "another takes its name, and has done more"
        );
    }

    #[test]
    fn how_long_a_disk_was_busy_is_known_while_one_path_alone_has_counted() {
        let mut kept = PathCounters::default();
        let mut busy = |one, other| {
            let all = |name: &str| {
                let counters = IoCounters {
                    busy_milliseconds: Some(if name == "a" { one } else { other }),
                    ..IoCounters::default()
                };
                Some(PathReading {
                    sequence: None,
                    counters,
                })
            };
            kept.sum(DISK, None, ["a", "b"].into_iter(), all)
                .busy_milliseconds
        };
        assert_eq!(busy(250, 0), Some(250));
        assert_eq!(busy(500, 0), Some(500));
        assert_eq!(busy(500, 250), None);
    }

    #[test]
    fn a_path_that_one_reading_lacks_is_not_counted_twice() {
        let mut kept = PathCounters::default();
        assert_eq!(reads(&mut kept, 1, &[("a", 2, 500), ("b", 3, 500)]), 1000);
        assert_eq!(reads(&mut kept, 1, &[("a", 2, 510)]), 1010);
        assert_eq!(reads(&mut kept, 1, &[("a", 2, 510), ("b", 3, 505)]), 1015);
    }

    #[test]
    fn another_disk_begins_with_what_its_own_paths_say() {
        let mut kept = PathCounters::default();
        reads(&mut kept, 1, &[("a", 2, 500), ("b", 3, 500)]);
        assert_eq!(reads(&mut kept, 4, &[("a", 5, 7)]), 7);
        kept.retain(|_| false);
        assert!(!kept.knows(DISK));
    }
}
