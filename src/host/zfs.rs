//! ZFS: what each dataset did (`/proc/spl/kstat/zfs/POOL/objset-ID`).
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
//! dataset that is mounted and for each volume. A dataset's name may hold spaces. The last two numbers of the first line are when the counters
//! were begun (`ks_crtime`) and when they were read, in nanoseconds since the machine began: a dataset that was unmounted and mounted again,
//! or made anew, has the same name, perhaps the same file, and other counters.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::kept_file::{KeptFile, most_open};
use super::read;
use super::roots::Roots;
use super::text::{decimal, words};
use crate::model::fault::Fault;
use crate::model::io::DatasetIo;
use crate::model::zfs::pool_of;

/// The source that this reader's faults name.
pub const SOURCE: &str = "zfs";

/// A pool in which a wanted dataset was not found is searched again after this time, though it has the same files.
const SEARCH_AGAIN: Duration = Duration::from_secs(60);

/// Reads what datasets did, and remembers which file each has: the kernel names them by number.
#[derive(Debug, Default)]
pub struct ZfsReader {
    files: BTreeMap<String, File>,
    searched: BTreeMap<String, Searched>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    kept: KeptFile,
}

/// What a search for datasets came to that are not there.
#[derive(Debug)]
struct Searched {
    at: Instant,
    /// Of the pool's files.
    names: Vec<String>,
    missing: BTreeSet<String>,
    faults: Vec<Fault>,
}

impl ZfsReader {
    /// What each of the datasets in `wanted` did: `tank/data`, as a mount's source names it. Datasets about which the
    /// kernel says nothing are left out.
    ///
    /// Costs one file for each. The files of a pool are searched where a dataset's is not known; where it was not found, not again until
    /// the pool has other files, or after a minute.
    pub fn read(
        &mut self,
        roots: &Roots,
        wanted: &BTreeSet<String>,
        now: Instant,
    ) -> (BTreeMap<String, DatasetIo>, Vec<Fault>) {
        self.files.retain(|dataset, _| wanted.contains(dataset));
        let open = self.files.values().filter(|file| file.kept.is_open()).count();
        let mut room = most_open(16, 128).saturating_sub(open);
        let mut found = BTreeMap::new();
        let mut missing: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for dataset in wanted {
            let pool = pool_of(dataset);
            if let Some(io) = self.remembered(dataset, &mut room) {
                found.insert(dataset.clone(), io);
            } else if !matches!(pool, "" | "." | "..") {
                missing.entry(pool).or_default().insert(dataset.clone());
            }
        }
        self.searched
            .retain(|pool, _| missing.contains_key(pool.as_str()));
        let mut faults = Vec::new();
        for (pool, missing) in missing {
            let folder = roots.proc.join("spl/kstat/zfs").join(pool);
            let mut names = read::names(&folder);
            names.retain(|name| name.starts_with("objset-"));
            let known = self.searched.get(pool).filter(|known| {
                known.names == names
                    && known.missing == missing
                    && now.saturating_duration_since(known.at) < SEARCH_AGAIN
            });
            if let Some(known) = known {
                faults.extend(known.faults.iter().cloned());
                continue;
            }
            let searched = self.search(&folder, names, missing, now, &mut found);
            faults.extend(searched.faults.iter().cloned());
            if searched.missing.is_empty() {
                self.searched.remove(pool);
            } else {
                self.searched.insert(pool.to_owned(), searched);
            }
        }
        (found, faults)
    }

    /// What the dataset did, if its file is known and is still its.
    fn remembered(&mut self, dataset: &str, room: &mut usize) -> Option<DatasetIo> {
        let file = self.files.get_mut(dataset)?;
        let text = file.kept.text_within(&file.path, room, |_| {});
        let read = text.ok().and_then(|text| parse_objset(&text));
        let io = read.filter(|(name, _)| name == dataset).map(|(_, io)| io);
        if io.is_none() {
            self.files.remove(dataset);
        }
        io
    }

    /// Reads the pool's files until no dataset is missing, and remembers whose they are.
    fn search(
        &mut self,
        folder: &Path,
        names: Vec<String>,
        mut missing: BTreeSet<String>,
        now: Instant,
        found: &mut BTreeMap<String, DatasetIo>,
    ) -> Searched {
        let mut faults = Vec::new();
        if names.is_empty() {
            faults.push(Fault::new(
                SOURCE,
                folder.display().to_string(),
                "no dataset's counters are there (OpenZFS has them since 0.8)",
            ));
        }
        for name in &names {
            if missing.is_empty() {
                break;
            }
            let path = folder.join(name);
            // The dataset may be unmounted in this moment.
            let Ok(text) = read::text(&path, "") else { continue };
            match parse_objset(&text) {
                Some((dataset, io)) if missing.remove(&dataset) => {
                    found.insert(dataset.clone(), io);
                    let kept = KeptFile::default();
                    self.files.insert(dataset, File { path, kept });
                }
                Some(_) => {}
                None => faults.push(Fault::new(
                    SOURCE,
                    path.display().to_string(),
                    "not the form that OpenZFS gives a dataset's counters",
                )),
            }
        }
        Searched {
            at: now,
            names,
            missing,
            faults,
        }
    }
}

/// One dataset's name and counters. `None` where one of them is missing or cannot be read.
pub fn parse_objset(text: &[u8]) -> Option<(String, DatasetIo)> {
    let mut dataset = None;
    let mut lines = text.split(|byte| *byte == b'\n');
    let created = lines.next().and_then(creation_time);
    let [mut reads, mut writes, mut read_bytes, mut written_bytes] = [None; 4];
    for line in lines {
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
        created: created?,
        reads: reads?,
        writes: writes?,
        read_bytes: read_bytes?,
        written_bytes: written_bytes?,
    };
    Some((dataset?, io))
}

/// The last but one of the seven numbers in the first line.
fn creation_time(line: &[u8]) -> Option<u64> {
    let mut fields = words(line);
    let created = decimal(fields.nth(5)?)?;
    (fields.count() == 1).then_some(created)
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

#[cfg(test)]
mod tests {
    use super::super::read::write_tree;
    use super::*;
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
                    created: 75_213_806_221,
                    reads: 101_264,
                    writes: 26_883,
                    read_bytes: 1_938_466_432,
                    written_bytes: 478_516_413,
                }
            ))
        );
        assert_eq!(parse_objset(text.replace("nread ", "nred ").as_bytes()), None);
        assert_eq!(parse_objset(text.replace("101264", "-1").as_bytes()), None);
        for heading in [
            "61 1 0x01 28 7872 75213806221",
            "61 1 0x01 28 7872 x 588860879419",
            "",
        ] {
            let text = text.replace("61 1 0x01 28 7872 75213806221 588860879419", heading);
            assert_eq!(parse_objset(text.as_bytes()), None, "{heading}");
        }
        assert_eq!(parse_objset(b""), None);
    }

    /// Reads once.
    fn read(roots: &Roots, wanted: &BTreeSet<String>) -> (BTreeMap<String, DatasetIo>, Vec<Fault>) {
        ZfsReader::default().read(roots, wanted, Instant::now())
    }

    #[test]
    fn a_datasets_file_is_searched_for_once_and_followed() {
        let machine = tempfile::tempdir().unwrap();
        let folder = machine.path().join("proc/spl/kstat/zfs/tank");
        let write = |name: &str, text: &str| write_tree(&folder, &[(name, text)], &[]);
        for name in ["a", "b", "c"] {
            write(
                &format!("objset-{name}"),
                &objset(&format!("tank/{name}"), [1; 4]),
            );
        }
        let roots = Roots::below(machine.path());
        let wanted = ["tank/c", "tank/gone"].map(String::from).into();
        let (mut reader, start) = (ZfsReader::default(), Instant::now());
        let mut reads = |after: Duration| {
            let (found, faults) = reader.read(&roots, &wanted, start + after);
            let found = found.into_iter().map(|(name, io)| (name, io.reads)).collect();
            (found, faults.len())
        };
        let one = |name: &str, reads| BTreeMap::from([(name.to_owned(), reads)]);
        let soon = Duration::from_secs(1);
        assert_eq!(reads(soon), (one("tank/c", 1), 0));
        // Whoever searched once more would meet this.
        write("objset-a", "rubbish");
        write("objset-c", &objset("tank/c", [5; 4]));
        assert_eq!(reads(soon), (one("tank/c", 5), 0));
        // The datasets are renamed; a file comes with them.
        write("objset-b", &objset("tank/c", [7; 4]));
        write("objset-c", &objset("tank/other", [8; 4]));
        assert_eq!(reads(soon), (one("tank/c", 7), 1));
        assert_eq!(
            reads(soon),
            (one("tank/c", 7), 1),
            "what was wrong is told of still"
        );
        write("objset-c", &objset("tank/gone", [9; 4]));
        assert_eq!(reads(soon), (one("tank/c", 7), 1), "the same files");
        let both = BTreeMap::from([("tank/c".to_owned(), 7), ("tank/gone".to_owned(), 9)]);
        assert_eq!(reads(soon + SEARCH_AGAIN), (both, 1));
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
