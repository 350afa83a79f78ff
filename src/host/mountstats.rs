//! `/proc/PID/mountstats`: what the kernel counts for each NFS mount.
//!
//! ```text
//! device server:/export mounted on /mnt/data with fstype nfs4 statvers=1.1
//!     …
//!     age:    86400
//!     …
//!     bytes:  1048576000 1048576000 0 1048576000 1048576000 2097152000 256000 256000
//!     RPC iostats version: 1.1  p/v: 100003/4 (nfs)
//!     …
//!     per-op statistics
//!             READ: 1000 1000 0 220000 1048680000 1689 503927 505677 0
//!            WRITE: 2000 2000 0 2097616000 288000 5178088 48850 5230077 0
//! ```
//!
//! There is no formal specification: `fs/nfs/super.c`, `include/linux/nfs_iostat.h` and `net/sunrpc/stats.c` write it.
//! `bytes:` has what programs read and wrote (through the page cache, then past it), what the server was asked for
//! (read, written), and pages. An operation has requests, transmissions, timeouts, bytes sent and received,
//! milliseconds waited in the queue, on the way, and in all; since Linux 5.2 errors. Further columns are ignored.
//!
//! `age:` is how many seconds ago the filesystem was mounted (its superblock made: mounts of it that came later have the same), and the counters
//! with it. The kernel gives the number of a filesystem that was unmounted to the next one, on the same mount point perhaps: a filesystem is
//! the one that it was where it is older than the time since it was seen last.
//!
//! Only root can read the file. Reading it asks no server, so a dead one does not hold it up.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::read;
use super::roots::Roots;
use super::text::{decimal, unescape, words};
use crate::model::device::DeviceNumber;
use crate::model::fault::Fault;
use crate::model::io::NfsIo;
use crate::model::mount_table::MountTable;

/// The source that this reader's faults name.
pub const SOURCE: &str = "nfs";

/// How much later than its moment a reading may be: the kernel looks at its clock when the file is read, and its ticks are coarse.
const LATE: Duration = Duration::from_secs(1);

/// Reads what NFS mounts did, and remembers which filesystems there were.
#[derive(Debug, Default)]
pub struct NfsReader {
    /// The incarnation of each at the latest reading.
    known: BTreeMap<DeviceNumber, u64>,
    read_at: Option<Instant>,
    incarnations: u64,
}

impl NfsReader {
    /// What the node's NFS mounts did, by mount point. Where the node's own file cannot be read, this process's
    /// mounts are read instead, and a fault says so. `mounts` are the node's: they have the filesystems' numbers.
    ///
    /// The file has some 4 KB for each NFS mount and a line for every other: read it only where `mountinfo` has an NFS mount.
    pub fn read(
        &mut self,
        roots: &Roots,
        mounts: &MountTable,
        now: Instant,
    ) -> (BTreeMap<PathBuf, NfsIo>, Vec<Fault>) {
        let mut faults = Vec::new();
        for path in roots.process_files("mountstats") {
            match read::text(&path, " (only root can read it)") {
                Ok(text) => {
                    let (mut found, bad) = parse(&text);
                    faults.extend(read::bad_lines(SOURCE, &path, &bad));
                    self.tell_apart(&mut found, mounts, now);
                    return (found, faults);
                }
                Err(error) => faults.push(error.to_fault(SOURCE)),
            }
        }
        (BTreeMap::new(), faults)
    }

    /// Says of each filesystem which one it is. One that may have been mounted since the latest reading is taken for another.
    fn tell_apart(&mut self, found: &mut BTreeMap<PathBuf, NfsIo>, mounts: &MountTable, now: Instant) {
        let read_at = self.read_at.replace(now);
        let was_there = |age: u64| {
            let since = read_at.map(|read_at| now.saturating_duration_since(read_at) + LATE);
            since.is_some_and(|since| Duration::from_secs(age) >= since)
        };
        let mut known = BTreeMap::new();
        for (mount_point, io) in found {
            let Some(mount) = mounts.uppermost_at(mount_point) else {
                continue;
            };
            io.incarnation = *known.entry(mount.number).or_insert_with(|| {
                let before = self.known.get(&mount.number).copied();
                before
                    .filter(|_| io.age.is_some_and(was_there))
                    .unwrap_or_else(|| {
                        self.incarnations += 1;
                        self.incarnations
                    })
            });
        }
        self.known = known;
    }
}

/// The NFS mounts by mount point, and the numbers (from 1) of the lines that cannot be read. A mount of which a line
/// is missing or cannot be read is left out. Of several mounts on one mount point the last one is seen there.
pub fn parse(text: &[u8]) -> (BTreeMap<PathBuf, NfsIo>, Vec<usize>) {
    let mut mounts = BTreeMap::new();
    let mut bad = Vec::new();
    let mut section: Option<Section> = None;
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.starts_with(b"device ") || line.starts_with(b"no device ") {
            finish(&mut mounts, section.take());
            match parse_heading(line) {
                Some((mount_point, source)) => {
                    // Whatever was mounted there before is hidden now.
                    mounts.remove(&mount_point);
                    section = source.map(|source| Section::new(mount_point, source));
                }
                None => bad.push(at + 1),
            }
        } else if let Some(section) = &mut section
            && section.take(line.trim_ascii()).is_none()
        {
            bad.push(at + 1);
        }
    }
    finish(&mut mounts, section);
    (mounts, bad)
}

fn finish(mounts: &mut BTreeMap<PathBuf, NfsIo>, section: Option<Section>) {
    if let Some((mount_point, io)) = section.and_then(Section::finish) {
        mounts.insert(mount_point, io);
    }
}

/// The mount point and, for NFS, what is mounted there.
fn parse_heading(line: &[u8]) -> Option<(PathBuf, Option<String>)> {
    let fields: Vec<_> = line.split(|byte| *byte == b' ').collect();
    let (source, mount_point, fstype) = match fields[..] {
        [
            b"device",
            source,
            b"mounted",
            b"on",
            mount_point,
            b"with",
            b"fstype",
            fstype,
            ..,
        ] => (source, mount_point, fstype),
        [
            b"no",
            b"device",
            b"mounted",
            b"on",
            mount_point,
            b"with",
            b"fstype",
            fstype,
            ..,
        ] => (&b""[..], mount_point, fstype),
        _ => return None,
    };
    let mount_point = PathBuf::from(OsString::from_vec(unescape(mount_point)));
    let source =
        matches!(fstype, b"nfs" | b"nfs4").then(|| String::from_utf8_lossy(&unescape(source)).into_owned());
    Some((mount_point, source))
}

/// The lines about one NFS mount.
struct Section {
    mount_point: PathBuf,
    source: String,
    age: Option<u64>,
    bytes: Option<[u64; 6]>,
    read: Option<Operations>,
    write: Option<Operations>,
    spoilt: bool,
}

#[derive(Clone, Copy)]
struct Operations {
    requests: u64,
    milliseconds: u64,
}

impl Section {
    fn new(mount_point: PathBuf, source: String) -> Self {
        Self {
            mount_point,
            source,
            age: None,
            bytes: None,
            read: None,
            write: None,
            spoilt: false,
        }
    }

    /// Takes what a line says; `None` where it cannot be read.
    fn take(&mut self, line: &[u8]) -> Option<()> {
        let taken = if let Some(rest) = line.strip_prefix(b"bytes:") {
            values(rest).map(|values| self.bytes = Some(values))
        } else if let Some(rest) = line.strip_prefix(b"age:") {
            values(rest).map(|[age]| self.age = Some(age))
        } else if let Some(rest) = line.strip_prefix(b"READ:") {
            add(&mut self.read, rest)
        } else if let Some(rest) = line.strip_prefix(b"READ_PLUS:") {
            // The form of READ that NFS 4.2 has for files with holes.
            add(&mut self.read, rest)
        } else if let Some(rest) = line.strip_prefix(b"WRITE:") {
            add(&mut self.write, rest)
        } else {
            Some(())
        };
        self.spoilt |= taken.is_none();
        taken
    }

    fn finish(self) -> Option<(PathBuf, NfsIo)> {
        let ([_, _, _, _, read_bytes, written_bytes], read, write) = (self.bytes?, self.read?, self.write?);
        if self.spoilt {
            return None;
        }
        let io = NfsIo {
            source: self.source,
            age: self.age,
            incarnation: 0,
            reads: read.requests,
            writes: write.requests,
            read_bytes,
            written_bytes,
            read_milliseconds: read.milliseconds,
            write_milliseconds: write.milliseconds,
        };
        Some((self.mount_point, io))
    }
}

fn add(sum: &mut Option<Operations>, text: &[u8]) -> Option<()> {
    let [requests, _, _, _, _, _, _, milliseconds] = values(text)?;
    let before = sum.unwrap_or(Operations {
        requests: 0,
        milliseconds: 0,
    });
    *sum = Some(Operations {
        requests: before.requests.saturating_add(requests),
        milliseconds: before.milliseconds.saturating_add(milliseconds),
    });
    Some(())
}

/// The first `N` numbers of a line.
fn values<const N: usize>(text: &[u8]) -> Option<[u64; N]> {
    let mut values = [0; N];
    let mut fields = words(text);
    for value in &mut values {
        *value = decimal(fields.next()?)?;
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::super::read::write_tree;
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    /// As Linux 6.1 wrote it, shortened in the lines that nobody reads.
    const TEXT: &str = "\
device proc mounted on /proc with fstype proc
no device mounted on /odd with fstype odd
device 10.9.9.1:/ mounted on /mnt/nfs4 with fstype nfs4 statvers=1.1
\topts:\trw,vers=4.2,rsize=262144
\tage:\t7
\tevents:\t0 0 0 0 0 1 7 1280 0 0 0 1 0 0 4 1 0 2 0 0 1280 0 0 0 0 0 0 
\tbytes:\t0 5242880 6291456 0 5242880 5242880 0 1280 
\tRPC iostats version: 1.1  p/v: 100003/4 (nfs)
\txprt:\ttcp 0 0 2 0 3 74 74 0 232 0 20 215 136
\tper-op statistics
\t        NULL: 1 1 0 44 24 68 19 88 0
\t        READ: 24 24 0 4128 5245376 53 253 332 0
\t       WRITE: 20 20 0 5246720 3680 3865 3567 7495 0
\t   READ_PLUS: 6 6 0 100 200 1 2 8 0

device 127.0.0.1:/run/export mounted on /mnt/nfs\\0403 with fstype nfs statvers=1.1
\tbytes:\t3145728 3145728 0 0 3145728 3145728 768 768 
\tper-op statistics
\t        READ: 12 12 0 1200 3147264 93 362 467
\t       WRITE: 12 12 0 3147024 1632 815 774 1612

device tmpfs mounted on /run with fstype tmpfs
";

    #[test]
    fn each_nfs_mount_has_its_counters() {
        let (mounts, bad) = parse(TEXT.as_bytes());
        assert!(bad.is_empty());
        assert_eq!(mounts.len(), 2);
        assert_eq!(
            mounts[Path::new("/mnt/nfs4")],
            NfsIo {
                source: "10.9.9.1:/".into(),
                age: Some(7),
                incarnation: 0,
                reads: 30,
                writes: 20,
                read_bytes: 5_242_880,
                written_bytes: 5_242_880,
                read_milliseconds: 340,
                write_milliseconds: 7495,
            }
        );
        let old = &mounts[Path::new("/mnt/nfs 3")];
        assert_eq!(
            (old.source.as_str(), old.age, old.reads, old.write_milliseconds),
            ("127.0.0.1:/run/export", None, 12, 1612)
        );
    }

    #[test]
    fn a_mount_with_a_line_that_cannot_be_read_is_left_out() {
        for (from, to, line) in [
            ("age:\t7", "age:\t-7", 5),
            ("bytes:\t0 5242880", "bytes:\tx 5242880", 7),
            ("READ: 24", "READ: -24", 12),
            (" 3567 7495 0", "", 13),
        ] {
            let (mounts, bad) = parse(TEXT.replace(from, to).as_bytes());
            assert_eq!(bad, [line], "{to}");
            assert_eq!(mounts.len(), 1, "{to}");
        }
        // A kernel that counts no operations.
        let (mounts, bad) =
            parse(b"device a:/b mounted on /c with fstype nfs statvers=1.1\n\tbytes:\t1 2 3 4 5 6 7 8\n");
        assert!(mounts.is_empty() && bad.is_empty());
    }

    #[test]
    fn a_bad_heading_ends_the_mount_before_it() {
        let text = TEXT.replace(
            "device 127.0.0.1:/run/export mounted",
            "device 127.0.0.1:/run/export fixed",
        );
        let (mounts, bad) = parse(text.as_bytes());
        assert_eq!(mounts.len(), 1);
        assert_eq!(bad, [16]);
    }

    #[test]
    fn a_later_mount_hides_an_earlier_one_on_the_same_point() {
        let (mounts, _) =
            parse(format!("{TEXT}device tmpfs mounted on /mnt/nfs4 with fstype tmpfs\n").as_bytes());
        assert_eq!(mounts.keys().collect::<Vec<_>>(), [Path::new("/mnt/nfs 3")]);
    }

    #[test]
    fn the_nodes_own_file_comes_first_and_a_fault_says_when_it_does_not() {
        let machine = tempfile::tempdir().unwrap();
        write_tree(machine.path(), &[("proc/self/mountstats", TEXT)], &[]);
        let roots = Roots::below(machine.path());
        let read = || NfsReader::default().read(&roots, &MountTable::default(), Instant::now());
        let (mounts, faults) = read();
        assert_eq!((mounts.len(), faults.len()), (2, 1));
        write_tree(
            machine.path(),
            &[("proc/1/mountstats", "rubbish\ndevice x\n")],
            &[],
        );
        let (mounts, faults) = read();
        assert!(mounts.is_empty());
        assert!(faults[0].message.starts_with("line 2 has not the form"));
    }

    /// The kernel gives the number of a filesystem that was unmounted to the next one.
    #[test]
    fn a_filesystem_that_may_be_younger_than_the_latest_reading_is_another_one() {
        let machine = tempfile::tempdir().unwrap();
        let roots = Roots::below(machine.path());
        let line = |(point, minor)| format!("1 0 0:{minor} / {point} rw - nfs4 s:/e rw\n");
        let mounts = [("/a", 60), ("/b", 60), ("/c", 61)].map(line).concat();
        let mounts = MountTable::from(crate::host::mountinfo::parse(mounts.as_bytes()).0);
        let (mut reader, start) = (NfsReader::default(), Instant::now());
        // The age of what is mounted at `/a` and at `/b`, and that of what is mounted at `/c`.
        let mut incarnations = |seconds: u64, one: &str, other: &str| {
            let section = |(point, age)| {
                format!(
                    "device s:/e mounted on {point} with fstype nfs4\n{age}\tbytes: 1 2 3 4 5 6 7 8\n\
                     \tREAD: 1 2 3 4 5 6 7 8\n\tWRITE: 1 2 3 4 5 6 7 8\n"
                )
            };
            let text = [("/a", one), ("/b", one), ("/c", other)].map(section).concat();
            write_tree(machine.path(), &[("proc/1/mountstats", text.as_str())], &[]);
            let (found, _) = reader.read(&roots, &mounts, start + Duration::from_secs(seconds));
            assert_eq!(
                found[Path::new("/a")].incarnation,
                found[Path::new("/b")].incarnation
            );
            ["/a", "/c"].map(|point| found[Path::new(point)].incarnation)
        };
        let first = incarnations(0, "age: 100\n", "age: 0\n");
        assert_ne!(first[0], first[1]);
        assert_eq!(incarnations(30, "age: 130\n", "age: 31\n"), first);
        let second = incarnations(60, "age: 29\n", "age: 61\n");
        assert_eq!(second[1], first[1]);
        assert!(!first.contains(&second[0]));
        assert_eq!(incarnations(65, "age: 34\n", "age: 66\n"), second);
        // It may have been mounted just after the reading, or before it.
        let third = incarnations(70, "age: 5\n", "");
        assert!(
            !second.contains(&third[0]) && !second.contains(&third[1]),
            "{third:?}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_looks_like_the_form_is_read_without_panic(parts in proptest::collection::vec(
            proptest::sample::select(vec!["device a:/b mounted on /c with fstype nfs4", "\tbytes:", "\tREAD:", "\tWRITE:", " 1 2 3 4 5 6", " 7 8 9", " 99999999999999999999", "\n", "no device "]), 0..40)) {
            let _ = parse(parts.concat().as_bytes());
        }

        #[test]
        fn what_the_kernel_prints_is_read_back(bytes in proptest::array::uniform8(any::<u64>()), read in proptest::array::uniform8(any::<u64>()), write in proptest::array::uniform8(any::<u64>())) {
            let line = |values: &[u64]| values.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
            let text = format!("device s:/e mounted on /m with fstype nfs4 statvers=1.1\n\tbytes:\t{} \n\t        READ: {}\n\t       WRITE: {} 0\n", line(&bytes), line(&read), line(&write));
            let (mounts, bad) = parse(text.as_bytes());
            prop_assert!(bad.is_empty());
            let io = &mounts[Path::new("/m")];
            prop_assert_eq!((io.read_bytes, io.written_bytes), (bytes[4], bytes[5]));
            prop_assert_eq!((io.reads, io.read_milliseconds, io.writes, io.write_milliseconds), (read[0], read[7], write[0], write[7]));
        }
    }
}
