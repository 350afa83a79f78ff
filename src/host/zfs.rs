//! ZFS: what each dataset did (`/proc/spl/kstat/zfs/POOL/objset-ID`), and which devices a pool lies on.
//!
//! ```text
//! 61 1 0x01 28 7872 75213806221 588860879419
//! name                            type data
//! dataset_name                    7    tank/data
//! writes                          4    26883
//! nwritten                        4    478516413
//! reads                           4    101264
//! nread                           4    1938466432
//! ```
//!
//! OpenZFS writes the files since 0.8 (`module/os/linux/spl/spl-kstat.c`, `module/zfs/dataset_kstats.c`): one for each
//! dataset that is mounted and for each volume. A dataset's name may hold spaces.

use std::collections::{BTreeMap, BTreeSet};

use super::diskstats::decimal;
use super::read;
use super::roots::Roots;
use crate::model::device::{BlockDevice, DeviceNumber};
use crate::model::fault::Fault;
use crate::model::graph::BlockDevices;
use crate::model::io::DatasetIo;

/// The source that this reader's faults name.
pub const SOURCE: &str = "zfs";

/// What each of the datasets in `wanted` did: `tank/data`, as a mount's source names it. Datasets about which the
/// kernel says nothing are left out.
///
/// The kernel's files are named by number, so those of a wanted dataset's pool are read until all have been found.
pub fn read(roots: &Roots, wanted: &BTreeSet<String>) -> (BTreeMap<String, DatasetIo>, Vec<Fault>) {
    let mut found = BTreeMap::new();
    let mut faults = Vec::new();
    let mut pools: BTreeMap<&str, usize> = BTreeMap::new();
    for dataset in wanted {
        *pools.entry(pool_of(dataset)).or_default() += 1;
    }
    for (pool, mut left) in pools {
        if matches!(pool, "" | "." | "..") {
            continue;
        }
        let folder = roots.proc.join("spl/kstat/zfs").join(pool);
        let mut files = 0;
        for name in read::names(&folder) {
            if left == 0 {
                break;
            }
            if !name.starts_with("objset-") {
                continue;
            }
            files += 1;
            let path = folder.join(name);
            // The dataset may be unmounted in this moment.
            let Ok(text) = read::text(&path, "") else { continue };
            match parse_objset(&text) {
                Some((dataset, io)) if wanted.contains(&dataset) => {
                    left -= usize::from(found.insert(dataset, io).is_none());
                }
                Some(_) => {}
                None => faults.push(Fault::new(
                    SOURCE,
                    path.display().to_string(),
                    "not the form that OpenZFS gives a dataset's counters",
                )),
            }
        }
        if files == 0 {
            faults.push(Fault::new(
                SOURCE,
                folder.display().to_string(),
                "no dataset's counters are there (OpenZFS has them since 0.8)",
            ));
        }
    }
    (found, faults)
}

/// The pool of a dataset or of its snapshot: `tank` of `tank/data@now`.
pub fn pool_of(dataset: &str) -> &str {
    dataset.split(['/', '@']).next().unwrap_or_default()
}

/// One dataset's name and counters. `None` where one of them is missing or cannot be read.
pub fn parse_objset(text: &[u8]) -> Option<(String, DatasetIo)> {
    let mut dataset = None;
    let [mut reads, mut writes, mut read_bytes, mut written_bytes] = [None; 4];
    for line in text.split(|byte| *byte == b'\n') {
        let (key, rest) = word(line);
        let (_, value) = word(rest);
        let slot = match key {
            b"dataset_name" => {
                dataset = Some(String::from_utf8_lossy(value).into_owned());
                continue;
            }
            b"reads" => &mut reads,
            b"writes" => &mut writes,
            b"nread" => &mut read_bytes,
            b"nwritten" => &mut written_bytes,
            _ => continue,
        };
        *slot = decimal(value);
    }
    let io = DatasetIo {
        reads: reads?,
        writes: writes?,
        read_bytes: read_bytes?,
        written_bytes: written_bytes?,
    };
    Some((dataset?, io))
}

/// The first word and what follows it, without the white space around both.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.trim_ascii();
    let end = text
        .iter()
        .position(u8::is_ascii_whitespace)
        .unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (word, rest.trim_ascii_start())
}

/// The devices that a pool is made of, in order of their numbers: log and cache devices too.
///
/// A scan of the first blocks finds a member's signature, whose label is the pool's name, on more than the member: on a
/// disk of which ZFS uses partition 1, and on a multipath disk's paths. Of devices made of each other, the
/// uppermost is the member. Nothing is found where no udev runs.
pub fn pool_members(devices: &BlockDevices, pool: &str) -> Vec<DeviceNumber> {
    let is_member = |device: &BlockDevice| {
        device.signature.fstype.as_deref() == Some("zfs_member")
            && device.signature.label.as_deref() == Some(pool)
    };
    devices
        .iter()
        .filter(|device| is_member(device))
        .filter(|device| !devices.above(device.number).into_iter().skip(1).any(is_member))
        .map(|device| device.number)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::read::write_tree;
    use super::*;
    use crate::model::device::{DeviceType, Signature};
    use proptest::prelude::*;

    fn objset(dataset: &str, values: [u64; 4]) -> String {
        let [writes, nwritten, reads, nread] = values;
        format!(
            "61 1 0x01 28 7872 75213806221 588860879419\n\
             name                            type data\n\
             dataset_name                    7    {dataset}\n\
             writes                          4    {writes}\n\
             nwritten                        4    {nwritten}\n\
             reads                           4    {reads}\n\
             nread                           4    {nread}\n\
             nunlinks                        4    1200\n\
             nunlinked                       4    1200\n\
             zil_commit_count                4    3\n"
        )
    }

    #[test]
    fn a_dataset_has_name_and_counters() {
        let text = objset(
            "tank/Filing Cabinet",
            [26_883, 478_516_413, 101_264, 1_938_466_432],
        );
        assert_eq!(
            parse_objset(text.as_bytes()),
            Some((
                "tank/Filing Cabinet".into(),
                DatasetIo {
                    reads: 101_264,
                    writes: 26_883,
                    read_bytes: 1_938_466_432,
                    written_bytes: 478_516_413,
                }
            ))
        );
        assert_eq!(parse_objset(text.replace("nread ", "nred ").as_bytes()), None);
        assert_eq!(parse_objset(text.replace("101264", "-1").as_bytes()), None);
        assert_eq!(parse_objset(b""), None);
    }

    #[test]
    fn only_the_pools_of_wanted_datasets_are_read() {
        let machine = tempfile::tempdir().unwrap();
        let folder = machine.path().join("proc/spl/kstat/zfs");
        write_tree(
            &folder,
            &[
                ("tank/objset-0x36", objset("tank", [1; 4]).as_str()),
                ("tank/objset-0x101", objset("tank/a", [2; 4]).as_str()),
                ("tank/objset-0x102", "rubbish"),
                ("tank/state", "ONLINE\n"),
                ("other/objset-0x36", "rubbish"),
                ("empty/state", "ONLINE\n"),
            ],
            &[],
        );
        let roots = Roots::below(machine.path());
        let wanted = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let (found, faults) = read(&roots, &wanted(&["tank", "tank/a", "tank/gone"]));
        assert_eq!(
            found
                .iter()
                .map(|(name, io)| (name.as_str(), io.reads))
                .collect::<Vec<_>>(),
            [("tank", 1), ("tank/a", 2)]
        );
        assert_eq!(faults.len(), 1);
        assert!(faults[0].subject.ends_with("tank/objset-0x102"));
        // Read in the order of names, so the bad file is never met.
        let (found, faults) = read(&roots, &wanted(&["tank/a"]));
        assert_eq!((found.len(), faults.len()), (1, 0));
        let (found, faults) = read(&roots, &wanted(&["empty/a", "empty/b", "..", ""]));
        assert_eq!((found.len(), faults.len()), (0, 1));
        assert_eq!(read(&roots, &wanted(&[])), (BTreeMap::new(), Vec::new()));
    }

    #[test]
    fn the_pool_is_the_first_part_of_a_dataset() {
        for (dataset, pool) in [
            ("tank", "tank"),
            ("tank/a/b", "tank"),
            ("tank@now", "tank"),
            ("", ""),
        ] {
            assert_eq!(pool_of(dataset), pool);
        }
    }

    fn device(minor: u32, name: &str, parents: &[u32], pool: Option<&str>) -> BlockDevice {
        BlockDevice {
            parents: parents.iter().map(|minor| DeviceNumber::new(8, *minor)).collect(),
            signature: Signature {
                fstype: pool.map(|_| "zfs_member".into()),
                label: pool.map(Into::into),
                uuid: None,
            },
            ..BlockDevice::new(DeviceNumber::new(8, minor), name, DeviceType::Disk)
        }
    }

    #[test]
    fn a_pool_lies_on_its_members_and_not_on_what_these_are_made_of() {
        let devices = BlockDevices::new([
            device(0, "sda", &[], Some("tank")),
            device(1, "sda1", &[0], Some("tank")),
            device(9, "sda9", &[0], None),
            device(16, "sdb", &[], Some("tank")),
            device(32, "sdc", &[], Some("other")),
            device(48, "sdd", &[], Some("tank")),
            device(64, "sde", &[], Some("tank")),
            device(100, "mpatha", &[48, 64], Some("tank")),
            device(101, "mpatha1", &[100], Some("tank")),
        ]);
        let names = |pool: &str| -> Vec<_> {
            pool_members(&devices, pool)
                .into_iter()
                .map(|number| devices.get(number).unwrap().kernel_name.clone())
                .collect()
        };
        assert_eq!(names("tank"), ["sda1", "sdb", "mpatha1"]);
        assert_eq!(names("other"), ["sdc"]);
        assert!(names("none").is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse_objset(&bytes);
        }

        #[test]
        fn what_openzfs_prints_is_read_back(values in proptest::array::uniform4(any::<u64>()), dataset in "[a-z][a-z0-9:._ -]{0,20}[a-z](/[a-z0-9]{1,8}){0,3}") {
            let (name, io) = parse_objset(objset(&dataset, values).as_bytes()).unwrap();
            prop_assert_eq!(name, dataset);
            prop_assert_eq!([io.writes, io.written_bytes, io.reads, io.read_bytes], values);
        }
    }
}
