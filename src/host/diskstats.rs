//! `/proc/diskstats`: the kernel's I/O counters, one line per block device.
//!
//! Format: `Documentation/admin-guide/iostats.rst`. After `major minor name` come 11 statistics, 15 since
//! Linux 4.18 (discards), 17 since 5.5 (flushes); more may follow and are ignored. Sectors are 512 bytes.

use super::text::{decimal, words};
use crate::model::device::DeviceNumber;
use crate::model::io::{FlushCounters, IoCounters, OperationCounters};

/// The kernel's unit for sectors, whatever the device's own.
pub const SECTOR: u64 = 512;

const SHORT_LINE: usize = 80;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskStatistics<'a> {
    /// The device.
    pub number: DeviceNumber,
    /// The kernel's name for it.
    pub kernel_name: &'a str,
    /// Its counters.
    pub counters: IoCounters,
}

/// Every line that can be read, and the numbers (from 1) of those that cannot.
pub fn parse(text: &[u8]) -> (Vec<DiskStatistics<'_>>, Vec<usize>) {
    // A line of a disk that has done something is at least so long; the others are few.
    let mut statistics = Vec::with_capacity(text.len() / SHORT_LINE);
    let mut bad = Vec::new();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match parse_line(line) {
            Some(found) => statistics.push(found),
            None => bad.push(at + 1),
        }
    }
    (statistics, bad)
}

fn parse_line(line: &[u8]) -> Option<DiskStatistics<'_>> {
    let mut fields = words(line);
    let major = u32::try_from(decimal(fields.next()?)?).ok()?;
    let minor = u32::try_from(decimal(fields.next()?)?).ok()?;
    let kernel_name = std::str::from_utf8(fields.next()?).ok()?;
    let mut values = [0_u64; 17];
    let mut count = 0;
    for field in fields.take(values.len()) {
        values[count] = decimal(field)?;
        count += 1;
    }
    if count < 11 {
        return None;
    }
    let operations = |at: usize| {
        Some(OperationCounters {
            completed: values[at],
            merged: values[at + 1],
            bytes: values[at + 2].checked_mul(SECTOR)?,
            milliseconds: values[at + 3],
        })
    };
    Some(DiskStatistics {
        number: DeviceNumber::new(major, minor),
        kernel_name,
        counters: IoCounters {
            reads: operations(0)?,
            writes: operations(4)?,
            in_flight: values[8],
            busy_milliseconds: Some(values[9]),
            weighted_milliseconds: values[10],
            discards: if count >= 15 { Some(operations(11)?) } else { None },
            flushes: (count >= 17).then(|| FlushCounters {
                completed: values[15],
                milliseconds: values[16],
            }),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_kernel_age_has_its_own_number_of_columns() {
        let text = b"\
   8       0 sda 10 1 80 5 20 2 160 7 1 9 12
   8      16 sdb 10 1 80 5 20 2 160 7 0 9 12 3 0 24 4
 259       0 nvme0n1 10 1 80 5 20 2 160 7 0 9 12 3 0 24 4 6 11
 253       0 dm-0 10 1 80 5 20 2 160 7 0 9 12 3 0 24 4 6 11 99 99
";
        let (statistics, bad) = parse(text);
        assert!(bad.is_empty());
        assert_eq!(statistics.len(), 4);
        let sda = &statistics[0];
        assert_eq!((sda.kernel_name, sda.number), ("sda", DeviceNumber::new(8, 0)));
        assert_eq!(
            sda.counters.reads,
            OperationCounters {
                completed: 10,
                merged: 1,
                bytes: 40_960,
                milliseconds: 5
            }
        );
        assert_eq!(sda.counters.writes.bytes, 81_920);
        assert_eq!(
            (
                sda.counters.in_flight,
                sda.counters.busy_milliseconds,
                sda.counters.weighted_milliseconds
            ),
            (1, Some(9), 12)
        );
        assert_eq!((sda.counters.discards, sda.counters.flushes), (None, None));
        assert_eq!(statistics[1].counters.discards.unwrap().bytes, 12_288);
        assert_eq!(statistics[1].counters.flushes, None);
        for modern in &statistics[2..] {
            assert_eq!(
                modern.counters.flushes,
                Some(FlushCounters {
                    completed: 6,
                    milliseconds: 11
                })
            );
        }
    }

    #[test]
    fn one_bad_line_costs_one_line() {
        let text = b"8 0 sda 1 1 1 1 1 1 1 1 1 1 1\n8 16 sdb 1 1 -1 1 1 1 1 1 1 1 1\n8 32 sdc 1 1\n8 48 sdd 1 1 1 1 1 1 1 1 1 1 1";
        let (statistics, bad) = parse(text);
        let names: Vec<_> = statistics.iter().map(|line| line.kernel_name).collect();
        assert_eq!(names, ["sda", "sdd"]);
        assert_eq!(bad, [2, 3]);
    }

    #[test]
    fn sectors_that_are_more_bytes_than_can_be_are_refused_and_not_cut() {
        let line =
            |read: u64, discarded: u64| format!("8 0 sda 1 1 {read} 1 1 1 1 1 1 1 1 1 1 {discarded} 1");
        let most = u64::MAX / SECTOR;
        for (read, discarded, is_read) in [(most, most, true), (most + 1, 1, false), (1, most + 1, false)] {
            let text = line(read, discarded);
            let (statistics, bad) = parse(text.as_bytes());
            assert_eq!(
                (statistics.len() == 1, bad.is_empty()),
                (is_read, is_read),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_the_kernel_prints_is_read_back(values in proptest::array::uniform17(0_u64..1 << 50), major in any::<u32>(), minor in any::<u32>()) {
            let columns: Vec<_> = values.iter().map(u64::to_string).collect();
            let text = format!("{major:4} {minor:7} sda {}\n", columns.join(" "));
            let (statistics, bad) = parse(text.as_bytes());
            prop_assert!(bad.is_empty());
            let counters = &statistics[0].counters;
            prop_assert_eq!(statistics[0].number, DeviceNumber::new(major, minor));
            prop_assert_eq!(counters.reads.completed, values[0]);
            prop_assert_eq!(counters.writes.bytes, values[6] * 512);
            prop_assert_eq!(counters.flushes.unwrap().milliseconds, values[16]);
        }
    }
}
