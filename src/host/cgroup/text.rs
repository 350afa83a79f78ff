//! The texts of control groups' files.

use std::collections::BTreeMap;

use super::DeviceIo;
use crate::host::text::{decimal, words};
use crate::model::device::DeviceNumber;
use crate::model::io::CgroupIo;

/// The kernel writes this for a device that is going, or that is a hidden path of an NVMe disk.
const NAMELESS: &[u8] = b"(unknown)";

/// `io.stat`, and the numbers (from 1) of the lines that cannot be read.
///
/// ```text
/// 8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0
/// 8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=50331648 dios=3021
/// ```
///
/// Keys come in any order and others may be among them. Some kernels (5.14 and thereabouts) write the numbers of devices
/// without I/O in front of the next one's in the same line: `7:7 7:6 7:5 rbytes=…` is about 7:5. Others give
/// such devices a line with nothing but the number.
pub fn parse_io_stat(text: &[u8]) -> (DeviceIo, Vec<usize>) {
    let mut devices = DeviceIo::new();
    let mut bad = Vec::new();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        match parse_io_stat_line(line) {
            Ok(Some((number, io))) => {
                devices.insert(number, io);
            }
            Ok(None) => {}
            Err(NotTheForm) => bad.push(at + 1),
        }
    }
    (devices, bad)
}

struct NotTheForm;

fn parse_io_stat_line(line: &[u8]) -> Result<Option<(DeviceNumber, CgroupIo)>, NotTheForm> {
    let mut number = None;
    let mut named = false;
    let mut io = CgroupIo::default();
    let mut counted = false;
    for field in words(line) {
        let Some(at) = field.iter().position(|byte| *byte == b'=') else {
            number = if field == NAMELESS {
                None
            } else {
                Some(device_number(field).ok_or(NotTheForm)?)
            };
            named = true;
            continue;
        };
        let slot = match &field[..at] {
            b"rbytes" => &mut io.read_bytes,
            b"wbytes" => &mut io.written_bytes,
            b"rios" => &mut io.reads,
            b"wios" => &mut io.writes,
            _ => continue,
        };
        *slot = decimal(&field[at + 1..]).ok_or(NotTheForm)?;
        counted = true;
    }
    if counted && !named {
        return Err(NotTheForm);
    }
    Ok(number.filter(|_| counted).map(|number| (number, io)))
}

/// One of the two files of version 1: bytes, or requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadsAndWrites {
    /// Bytes read, or read requests.
    pub reads: u64,
    /// Bytes written, or write requests.
    pub writes: u64,
}

/// `blkio.throttle.io_service_bytes` or `…io_serviced`, and the numbers (from 1) of the lines that cannot be read.
///
/// ```text
/// 8:0 Read 4096
/// 8:0 Write 0
/// 8:0 Sync 4096
/// Total 4096
/// ```
///
/// Sync, Async, Discard and Total say the same I/O over again in other ways.
pub fn parse_blkio(text: &[u8]) -> (BTreeMap<DeviceNumber, ReadsAndWrites>, Vec<usize>) {
    let mut devices: BTreeMap<DeviceNumber, ReadsAndWrites> = BTreeMap::new();
    let mut bad = Vec::new();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let fields: Vec<_> = words(line).take(4).collect();
        match fields[..] {
            [] | [b"Total", _] | [NAMELESS, _, _] => {}
            [number, kind, value] => match (device_number(number), decimal(value)) {
                (Some(number), Some(value)) => {
                    let device = devices.entry(number).or_default();
                    match kind {
                        b"Read" => device.reads = value,
                        b"Write" => device.writes = value,
                        _ => {}
                    }
                }
                _ => bad.push(at + 1),
            },
            _ => bad.push(at + 1),
        }
    }
    (devices, bad)
}

fn device_number(field: &[u8]) -> Option<DeviceNumber> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::host::cgroup) fn number(text: &str) -> DeviceNumber {
        text.parse().unwrap()
    }

    pub(in crate::host::cgroup) fn io(
        read_bytes: u64,
        written_bytes: u64,
        reads: u64,
        writes: u64,
    ) -> CgroupIo {
        CgroupIo {
            read_bytes,
            written_bytes,
            reads,
            writes,
        }
    }

    #[test]
    fn io_stat_is_read_whatever_the_order_of_its_keys() {
        let (devices, bad) = parse_io_stat(
            b"254:16 rbytes=5120 wbytes=5242880 rios=5 wios=4 dbytes=0 dios=0\n\
              8:0 wios=13 rios=10 cost.usage=12 use_delay=1 avg_lat=max wbytes=12582912 rbytes=8390656\n",
        );
        assert!(bad.is_empty());
        assert_eq!(
            devices,
            DeviceIo::from([
                (number("8:0"), io(8_390_656, 12_582_912, 10, 13)),
                (number("254:16"), io(5120, 5_242_880, 5, 4)),
            ])
        );
    }

    #[test]
    fn of_several_numbers_on_one_line_the_last_one_has_the_io() {
        let (devices, bad) = parse_io_stat(
            b"7:7 7:6 7:5 7:4 rbytes=28672 wbytes=0 rios=22 wios=0 dbytes=0 dios=0\n\
              7:3 rbytes=518539264 wbytes=0 rios=13405 wios=0 dbytes=0 dios=0\n253:5 \n253:6",
        );
        assert!(bad.is_empty());
        assert_eq!(
            devices.keys().map(ToString::to_string).collect::<Vec<_>>(),
            ["7:3", "7:4"]
        );
        assert_eq!(devices[&number("7:4")], io(28_672, 0, 22, 0));
    }

    #[test]
    fn a_nameless_device_is_nobodys_and_no_error() {
        let (devices, bad) =
            parse_io_stat(b"(unknown) rbytes=1 wbytes=1 rios=1 wios=1\n8:0 (unknown) rbytes=1\n");
        assert!(devices.is_empty() && bad.is_empty());
        let (devices, bad) = parse_blkio(b"(unknown) Read 5\n8:0 Read 7\n(unknown) Total 5\nTotal 12\n");
        assert_eq!(devices.len(), 1);
        assert!(bad.is_empty());
    }

    #[test]
    fn one_bad_line_costs_one_line() {
        let (devices, bad) = parse_io_stat(
            b"rbytes=1\n8:0 rbytes=-1\n8:x rbytes=1\n8:16 rbytes=1 wbytes=2 rios=3 wios=4\n8:32 rbytes=18446744073709551616\n",
        );
        assert_eq!(devices, DeviceIo::from([(number("8:16"), io(1, 2, 3, 4))]));
        assert_eq!(bad, [1, 2, 3, 5]);
        let (devices, bad) = parse_blkio(b"8:0 Read\n8:0 Read x\nsda Read 1\n8:0 Write 2 3\n8:0 Write 4\n");
        assert_eq!(
            devices,
            BTreeMap::from([(number("8:0"), ReadsAndWrites { reads: 0, writes: 4 })])
        );
        assert_eq!(bad, [1, 2, 3, 4]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_io_stat(&bytes);
            let _ = parse_blkio(&bytes);
        }

        #[test]
        fn what_looks_like_the_form_is_read_without_panic(text in "([0-9]{1,3}:[0-9]{1,3} |\\(unknown\\) |rbytes=|wios=|x=|[0-9]{1,22}|Read |Total |\n| ){0,30}") {
            let _ = parse_io_stat(text.as_bytes());
            let _ = parse_blkio(text.as_bytes());
        }

        #[test]
        fn what_the_kernel_prints_is_read_back(major in any::<u32>(), minor in any::<u32>(), values in proptest::array::uniform4(any::<u64>())) {
            let [read_bytes, written_bytes, reads, writes] = values;
            let text = format!("{major}:{minor} rbytes={read_bytes} wbytes={written_bytes} rios={reads} wios={writes} dbytes=0 dios=0\n");
            let (devices, bad) = parse_io_stat(text.as_bytes());
            prop_assert!(bad.is_empty());
            prop_assert_eq!(devices, DeviceIo::from([(DeviceNumber::new(major, minor), io(read_bytes, written_bytes, reads, writes))]));
        }
    }
}
