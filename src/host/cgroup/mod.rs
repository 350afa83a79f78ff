//! Each pod's I/O by device, as its control group counts it: `io.stat`
//! (`Documentation/admin-guide/cgroup-v2.rst`) and, where control groups are still those of version 1,
//! `blkio.throttle.io_*` (`Documentation/admin-guide/cgroup-v1/blkio-controller.rst`).
//!
//! What the figures mean, and what they leave out:
//!
//! * They are counted for whole devices. A partition is never listed: its I/O stands at its disk
//!   ([`BlockDevices::counted_at`](crate::model::graph::BlockDevices::counted_at)). Of a stack (a logical volume on a
//!   disk) every layer is listed, with the same I/O once at each.
//! * They are the whole pod's on that device, over all its volumes, and also what its containers' images
//!   and logs cost there.
//! * Version 2 charges writes from the page cache to the pod that dirtied the page, on ext4, xfs, btrfs, f2fs
//!   and other filesystems that take part in that; elsewhere, and everywhere in version 1, such writes are
//!   the kernel's own and no pod's.
//! * In version 2 a container that has gone still counts for its pod. In version 1 it is lost from the sum, which so
//!   can go back.
//! * Version 1 has recursive counters too, and they are not used: Linux 5.5 to 5.11 put the last child's figure there in
//!   place of the sum. The pod's folder and those of its containers are added up instead.
//! * In version 1, Linux 5.16 to 6.4 and again since 6.10 count nothing at all where no throttling limit is set.
//!   A zero there says nothing, and is taken as not known; nor does one of a device beside others that do count, since some of these kernels
//!   count on the devices alone that have a limit.
//!
//! A group may be made anew under the name that it had, and then counts from 0: in version 2 the number of its file (the inode, which the kernel
//! gives to no other) tells, and in version 1, where the pod's own folder counts next to nothing, which containers the sum is over.
//!
//! Version 2 was tried on Linux 6.1 with partitions, logical volumes and NVMe multipath; of version 1 only the
//! form was seen there.

mod text;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{File, symlink_metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use self::text::{ReadsAndWrites, parse_blkio, parse_io_stat};
use super::kept_file::{KeptFile, most_open};
use super::read::{self, ReadError};
use super::roots::Roots;
use crate::model::device::DeviceNumber;
use crate::model::fault::Fault;
use crate::model::io::{CgroupIo, PodIo};

/// The source that this reader's faults name.
pub const SOURCE: &str = "pod_io";

/// The I/O of one control group on each device.
pub type DeviceIo = BTreeMap<DeviceNumber, CgroupIo>;

/// The kubelet's folder lies at most this far below the root: `docker/ID/kubepods`.
const DEEPEST: usize = 2;
/// A machine with more folders above the kubelet's than this is not searched to the end.
const MOST_FOLDERS: usize = 1000;

/// Where kubelets keep their pods is looked for again after this time, where a pod is not found.
const SEARCH_AGAIN: Duration = Duration::from_secs(30);

/// Reads pods' I/O, and remembers where each pod's control group is.
#[derive(Debug, Default)]
pub struct CgroupReader {
    hierarchy: Option<Hierarchy>,
    kubelets: Vec<PodFolders>,
    searched_at: Option<Instant>,
    pods: HashMap<String, Pod>,
}

/// A pod's control group.
#[derive(Debug)]
struct Pod {
    folder: PathBuf,
    /// In version 2 `io.stat`.
    file: KeptFile,
    /// Its inode, once it was opened.
    inode: u64,
}

impl CgroupReader {
    /// The I/O of each pod in `wanted` (UIDs as the kubelet's folders have them; for static pods the hash of
    /// their configuration), by device. A pod without a control group is left out; one that did no I/O is there, with no
    /// device, in version 2 only.
    ///
    /// Costs for each wanted pod one file, and in version 1 two files for each of its containers. A pod that is not known yet is tried in each
    /// of the three classes of service. Nothing is read where no pod is wanted.
    pub fn read(
        &mut self,
        roots: &Roots,
        wanted: &BTreeSet<String>,
        now: Instant,
    ) -> (BTreeMap<String, PodIo>, Vec<Fault>) {
        let mut found = BTreeMap::new();
        let mut faults = Vec::new();
        self.pods.retain(|uid, _| wanted.contains(uid));
        if wanted.is_empty() {
            return (found, faults);
        }
        let hierarchy = Hierarchy::of(&roots.sys.join("fs/cgroup"));
        if self.hierarchy != hierarchy {
            *self = Self {
                hierarchy,
                ..Self::default()
            };
        }
        let Some(hierarchy) = self.hierarchy.clone() else {
            faults.push(Fault::new(
                SOURCE,
                roots.sys.join("fs/cgroup").display().to_string(),
                "no control groups are mounted there (is the node's /sys there? --sysfs names its place)",
            ));
            return (found, faults);
        };
        let open = self.pods.values().filter(|pod| pod.file.is_open()).count();
        let mut room = most_open(16, 128).saturating_sub(open);
        // One fault for each kind of failure and not one for each pod.
        let mut refused: Option<(ReadError, usize)> = None;
        let mut silent = 0;
        for uid in wanted {
            match self.pod(&hierarchy, uid, &mut room, now, &mut faults) {
                Ok(Some(io)) if io.devices.is_empty() && hierarchy.version == Version::One => silent += 1,
                Ok(Some(io)) => {
                    found.insert(uid.clone(), io);
                }
                Ok(None) => {}
                Err(error) => match &mut refused {
                    None => refused = Some((error, 1)),
                    Some((_, count)) => *count += 1,
                },
            }
        }
        if self.kubelets.is_empty() {
            faults.push(Fault::new(
                SOURCE,
                hierarchy.root.display().to_string(),
                "no kubelet's control groups (kubepods, kubepods.slice) are there, so what pods do is not known (is it the node's? A \
                 container sees its own alone: mount the node's /sys/fs/cgroup, and name the place of its /sys with --sysfs)",
            ));
        }
        if silent > 0 && found.is_empty() {
            faults.push(Fault::new(
                SOURCE,
                hierarchy.root.display().to_string(),
                format!(
                    "nothing is counted there for any of {silent} pods: with control groups of version 1 many kernels count only \
                     where a throttling limit is set; version 2 counts always"
                ),
            ));
        }
        if let Some((error, count)) = refused {
            let more = match count {
                1 => String::new(),
                count => format!("; nor those of {} more pods", count - 1),
            };
            faults.push(Fault::new(
                SOURCE,
                error.path.display().to_string(),
                format!("{error}{more}"),
            ));
        }
        (found, faults)
    }

    /// One pod's I/O; `None` where it has no control group.
    fn pod(
        &mut self,
        hierarchy: &Hierarchy,
        uid: &str,
        room: &mut usize,
        now: Instant,
        faults: &mut Vec<Fault>,
    ) -> Result<Option<PodIo>, ReadError> {
        if let Some(pod) = self.pods.get_mut(uid) {
            match hierarchy.io(pod, room, faults) {
                Err(error) if error.is_absent() && symlink_metadata(&pod.folder).is_err() => {
                    self.pods.remove(uid);
                }
                io => return io.map(Some),
            }
        }
        let is_due = |at: Instant| now.saturating_duration_since(at) >= SEARCH_AGAIN;
        if self.searched_at.is_none_or(is_due) {
            self.kubelets = PodFolders::all_below(&hierarchy.root);
            self.searched_at = Some(now);
        }
        for folder in self.kubelets.iter().flat_map(|pods| pods.of(uid)) {
            let mut pod = Pod {
                folder,
                file: KeptFile::default(),
                inode: 0,
            };
            match hierarchy.io(&mut pod, room, faults) {
                Err(error) if error.is_absent() && symlink_metadata(&pod.folder).is_err() => {}
                io => {
                    self.pods.insert(uid.to_owned(), pod);
                    return io.map(Some);
                }
            }
        }
        Ok(None)
    }
}

/// The tree of control groups that counts I/O.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hierarchy {
    root: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Hierarchy {
    /// Version 2 has `cgroup.controllers` at its root. In the hybrid layout version 2 lies in `unified` beside the
    /// controllers of version 1, and block I/O nearly always stays with these.
    fn of(base: &Path) -> Option<Self> {
        let two = |root: PathBuf| Self {
            root,
            version: Version::Two,
        };
        if symlink_metadata(base.join("cgroup.controllers")).is_ok() {
            return Some(two(base.to_owned()));
        }
        let blkio = base.join("blkio");
        if symlink_metadata(&blkio).is_ok() {
            return Some(Self {
                root: blkio,
                version: Version::One,
            });
        }
        let unified = base.join("unified");
        let controllers = read::attribute(&unified, "cgroup.controllers")?;
        controllers
            .split_ascii_whitespace()
            .any(|controller| controller == "io")
            .then(|| two(unified))
    }

    fn io(&self, pod: &mut Pod, room: &mut usize, faults: &mut Vec<Fault>) -> Result<PodIo, ReadError> {
        match self.version {
            Version::Two => unified(pod, room, faults),
            Version::One => legacy(&pod.folder, faults),
        }
    }
}

/// Where one kubelet keeps its pods' control groups.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PodFolders {
    folder: PathBuf,
    /// With the systemd driver every folder's name repeats its parents': `kubepods`, `kubelet-kubepods`.
    slice: Option<String>,
}

impl PodFolders {
    /// The kubelets' folders nearest to the root. One lies in the root of the tree mostly; those of a kubelet
    /// that is itself in a container (kind, k3d) lie one or two folders further down.
    fn all_below(root: &Path) -> Vec<Self> {
        let mut level = vec![root.to_owned()];
        let mut left = MOST_FOLDERS;
        for _ in 0..=DEEPEST {
            let mut found = Vec::new();
            let mut next = Vec::new();
            for parent in level {
                if left == 0 {
                    break;
                }
                left -= 1;
                for name in read::folders(&parent) {
                    let folder = parent.join(&name);
                    match Self::named(folder, &name) {
                        Ok(pods) => found.push(pods),
                        Err(other) => next.push(other),
                    }
                }
            }
            if !found.is_empty() {
                return found;
            }
            level = next;
        }
        Vec::new()
    }

    fn named(folder: PathBuf, name: &str) -> Result<Self, PathBuf> {
        let slice = match name.strip_suffix(".slice") {
            None if name == "kubepods" => None,
            Some(slice) if slice == "kubepods" || slice.ends_with("-kubepods") => Some(slice.to_owned()),
            _ => return Err(folder),
        };
        Ok(Self { folder, slice })
    }

    /// The three folders of which one can be this pod's. Guaranteed pods lie beside the folders of the other classes.
    fn of(&self, uid: &str) -> Vec<PathBuf> {
        if uid.is_empty() || uid.contains('/') {
            return Vec::new();
        }
        // systemd takes a dash in a name for a step in the path.
        let escaped = uid.replace('-', "_");
        [None, Some("burstable"), Some("besteffort")]
            .into_iter()
            .map(|class| match (&self.slice, class) {
                (None, None) => self.folder.join(format!("pod{uid}")),
                (None, Some(class)) => self.folder.join(format!("{class}/pod{uid}")),
                (Some(slice), None) => self.folder.join(format!("{slice}-pod{escaped}.slice")),
                (Some(slice), Some(class)) => self.folder.join(format!(
                    "{slice}-{class}.slice/{slice}-{class}-pod{escaped}.slice"
                )),
            })
            .collect()
    }
}

const NOT_ENABLED: &str = " (is the io controller enabled for pods, in cgroup.subtree_control?)";

fn unified(pod: &mut Pod, room: &mut usize, faults: &mut Vec<Fault>) -> Result<PodIo, ReadError> {
    let path = pod.folder.join("io.stat");
    let inode = &mut pod.inode;
    let opened = |file: &File| *inode = rustix::fs::fstat(file).map_or(0, |about| about.st_ino);
    let text = pod
        .file
        .text_within(&path, room, opened)
        .map_err(|source| ReadError {
            path: path.clone(),
            source,
            hint: NOT_ENABLED,
        })?;
    let (devices, bad) = parse_io_stat(&text);
    faults.extend(read::bad_lines(SOURCE, &path, &bad));
    Ok(PodIo {
        incarnation: pod.inode,
        is_complete: bad.is_empty(),
        devices,
    })
}

/// The sum over the pod's folder and those below it: processes are in the containers' folders.
fn legacy(folder: &Path, faults: &mut Vec<Fault>) -> Result<PodIo, ReadError> {
    let mut io = DeviceIo::new();
    let mut members = DefaultHasher::new();
    let mut add = |folder: &Path| {
        let mut counts = |name: &str| {
            let path = folder.join(name);
            let (counts, bad) = parse_blkio(&read::text(&path, "")?);
            faults.extend(read::bad_lines(SOURCE, &path, &bad));
            Ok::<_, ReadError>(counts)
        };
        let bytes = counts("blkio.throttle.io_service_bytes")?;
        let requests = counts("blkio.throttle.io_serviced")?;
        let nothing = ReadsAndWrites::default();
        for (number, count) in bytes.into_iter().filter(|(_, count)| *count != nothing) {
            let device = io.entry(number).or_default();
            device.read_bytes = device.read_bytes.saturating_add(count.reads);
            device.written_bytes = device.written_bytes.saturating_add(count.writes);
        }
        for (number, count) in requests.into_iter().filter(|(_, count)| *count != nothing) {
            let device = io.entry(number).or_default();
            device.reads = device.reads.saturating_add(count.reads);
            device.writes = device.writes.saturating_add(count.writes);
        }
        folder.hash(&mut members);
        Ok::<_, ReadError>(())
    };
    add(folder)?;
    let mut below: Vec<_> = children(folder);
    let mut left = MOST_FOLDERS;
    while let Some(folder) = below.pop()
        && left > 0
    {
        left -= 1;
        // A container may end in this moment.
        if add(&folder).is_ok() {
            below.extend(children(&folder));
        }
    }
    Ok(PodIo {
        incarnation: members.finish(),
        is_complete: false,
        devices: io,
    })
}

fn children(folder: &Path) -> Vec<PathBuf> {
    read::folders(folder)
        .into_iter()
        .map(|name| folder.join(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::read::write_tree;
    use super::text::tests::{io, number};
    use super::*;

    const UID: &str = "8f1c2d3e-0a1b-4c5d-9e8f-112233445566";
    const ESCAPED: &str = "8f1c2d3e_0a1b_4c5d_9e8f_112233445566";
    const STATIC: &str = "0123456789abcdef0123456789abcdef";

    const STAT: &str = "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n";

    /// Reads `wanted` on a machine with these files below `/sys/fs/cgroup`.
    fn on(files: &[(&str, &str)], wanted: &[&str]) -> (BTreeMap<String, PodIo>, Vec<Fault>) {
        let machine = tempfile::tempdir().unwrap();
        let base = machine.path().join("sys/fs/cgroup");
        std::fs::create_dir_all(&base).unwrap();
        write_tree(&base, files, &[]);
        let wanted = wanted.iter().map(ToString::to_string).collect();
        CgroupReader::default().read(&Roots::below(machine.path()), &wanted, Instant::now())
    }

    #[test]
    fn where_no_kubelets_folder_can_be_seen_one_fault_says_so() {
        let files = [
            ("cgroup.controllers", "cpu io memory\n"),
            ("system.slice/a.service/io.stat", STAT),
        ];
        let (found, faults) = on(&files, &["1", "2"]);
        assert!(found.is_empty());
        assert_eq!(faults.len(), 1);
        let told = faults[0].to_string();
        assert!(
            told.contains("no kubelet's control groups") && told.contains("--sysfs"),
            "{told}"
        );
    }

    #[test]
    fn a_pods_control_group_is_looked_for_once_and_followed() {
        let machine = tempfile::tempdir().unwrap();
        let base = machine.path().join("sys/fs/cgroup");
        let write = |path: &str, text: &str| write_tree(&base, &[(path, text)], &[]);
        write("cgroup.controllers", "io\n");
        write("kubepods/besteffort/pod1/io.stat", STAT);
        let (mut reader, start) = (CgroupReader::default(), Instant::now());
        let wanted = BTreeSet::from(["1".to_owned(), "2".to_owned()]);
        let mut reads = |after: Duration| {
            let (found, faults) = reader.read(&Roots::below(machine.path()), &wanted, start + after);
            assert!(faults.is_empty(), "{faults:?}");
            let reads = |uid: &str| Some(found.get(uid)?.devices.get(&number("8:0"))?.reads);
            ["1", "2"].map(reads)
        };
        let soon = Duration::from_secs(1);
        assert_eq!(reads(soon), [Some(3), None]);
        write(
            "kubepods/besteffort/pod1/io.stat",
            "8:0 rbytes=1 wbytes=2 rios=5 wios=4 dbytes=0 dios=0\n",
        );
        // A class that is tried first: whoever looked for the pod again would find it there.
        write("kubepods/pod1/io.stat", STAT);
        write("kubepods/burstable/pod2/io.stat", STAT);
        assert_eq!(reads(soon), [Some(5), Some(3)]);
        std::fs::remove_dir_all(base.join("kubepods/besteffort")).unwrap();
        assert_eq!(reads(soon), [Some(3), Some(3)]);
        std::fs::remove_dir_all(base.join("kubepods")).unwrap();
        write(
            "kubepods.slice/kubepods-pod2.slice/io.stat",
            "8:0 rbytes=1 wbytes=2 rios=9 wios=4 dbytes=0 dios=0\n",
        );
        assert_eq!(reads(soon), [None, None]);
        assert_eq!(reads(soon + SEARCH_AGAIN), [None, Some(9)]);
    }

    #[test]
    fn a_pod_is_found_in_every_class_of_both_drivers() {
        let systemd = |path: String| format!("kubepods.slice/{path}/io.stat");
        for path in [
            systemd(format!("kubepods-pod{ESCAPED}.slice")),
            systemd(format!(
                "kubepods-burstable.slice/kubepods-burstable-pod{ESCAPED}.slice"
            )),
            systemd(format!(
                "kubepods-besteffort.slice/kubepods-besteffort-pod{ESCAPED}.slice"
            )),
            format!("kubepods/pod{UID}/io.stat"),
            format!("kubepods/burstable/pod{UID}/io.stat"),
            format!("kubepods/besteffort/pod{UID}/io.stat"),
            // kind, with either driver
            format!(
                "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{ESCAPED}.slice/io.stat"
            ),
            format!("kubelet/kubepods/burstable/pod{UID}/io.stat"),
            // k3d, whose node shares the machine's control groups
            format!("docker/1f2e/kubepods/pod{UID}/io.stat"),
        ] {
            let files = [
                ("cgroup.controllers", "cpu io memory\n"),
                ("system.slice/a.service/io.stat", ""),
                (path.as_str(), STAT),
            ];
            let (found, faults) = on(&files, &[UID, "another"]);
            assert!(faults.is_empty(), "{path}: {faults:?}");
            assert_eq!(found.len(), 1, "{path}");
            assert_eq!(found[UID].devices[&number("8:0")], io(1, 2, 3, 4), "{path}");
        }
    }

    #[test]
    fn a_static_pod_goes_by_its_hash_and_an_idle_pod_has_no_devices() {
        let (found, faults) = on(
            &[
                ("cgroup.controllers", "io\n"),
                (
                    "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0123456789abcdef0123456789abcdef.slice/io.stat",
                    "",
                ),
            ],
            &[STATIC],
        );
        assert!(faults.is_empty());
        assert!(found[STATIC].is_complete && found[STATIC].devices.is_empty());
    }

    #[test]
    fn where_pods_have_no_io_controller_one_fault_says_so() {
        let (found, faults) = on(
            &[
                ("cgroup.controllers", "cpu io\n"),
                ("kubepods/pod1/cpu.stat", ""),
                ("kubepods/pod2/cpu.stat", ""),
            ],
            &["1", "2", "3"],
        );
        assert!(found.is_empty());
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0].message.ends_with(
                "kubepods/pod1/io.stat: no such file (is the io controller enabled for pods, in cgroup.subtree_control?); \
                 nor those of 1 more pods"
            ),
            "{}",
            faults[0].message
        );
    }

    #[test]
    fn nothing_is_read_where_nothing_is_wanted_and_no_name_leads_elsewhere() {
        assert_eq!(on(&[], &[]), (BTreeMap::new(), Vec::new()));
        let (found, faults) = on(
            &[
                ("cgroup.controllers", "io\n"),
                ("kubepods/burstable/x", ""),
                ("io.stat", STAT),
            ],
            &["", "/../../..", "x/.."],
        );
        assert!(found.is_empty() && faults.is_empty());
        let (_, faults) = on(&[], &["1"]);
        assert_eq!(faults.len(), 1);
    }

    const BYTES: &str = "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 12288\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 12288\nTotal 12288\n";
    const REQUESTS: &str =
        "8:0 Read 1\n8:0 Write 2\n8:0 Sync 3\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 3\nTotal 3\n";

    #[test]
    fn in_version_1_a_pod_is_the_sum_of_its_containers() {
        let pod =
            |folder: &str, name: &str| format!("blkio/kubepods/burstable/pod1{folder}/blkio.throttle.{name}");
        let files = [
            ("unified/cgroup.controllers".to_owned(), "\n"),
            (
                pod("", "io_service_bytes"),
                "8:16 Read 0\n8:16 Write 0\n8:16 Total 0\nTotal 0\n",
            ),
            (pod("", "io_serviced"), "Total 0\n"),
            // What Linux 5.5 to 5.11 say: the last child's.
            (pod("", "io_service_bytes_recursive"), BYTES),
            (pod("/a", "io_service_bytes"), BYTES),
            (pod("/a", "io_serviced"), REQUESTS),
            (pod("/b", "io_service_bytes"), BYTES),
            (pod("/b", "io_serviced"), REQUESTS),
            (pod("/b/nested", "io_service_bytes"), BYTES),
            (pod("/b/nested", "io_serviced"), REQUESTS),
        ];
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let (found, faults) = on(&files, &["1"]);
        assert!(faults.is_empty());
        assert_eq!(
            found["1"].devices,
            DeviceIo::from([(number("8:0"), io(3 * 4096, 3 * 8192, 3, 6))])
        );
        assert!(
            !found["1"].is_complete,
            "devices without a limit may be counted nowhere"
        );
    }

    /// A reader of a machine and which group the pod `1` has.
    fn incarnation(reader: &mut CgroupReader, machine: &Path) -> u64 {
        let wanted = BTreeSet::from(["1".to_owned()]);
        let (found, faults) = reader.read(&Roots::below(machine), &wanted, Instant::now());
        assert!(faults.is_empty(), "{faults:?}");
        found["1"].incarnation
    }

    #[test]
    fn a_group_that_is_made_anew_under_its_name_is_another_one() {
        let machine = tempfile::tempdir().unwrap();
        let base = machine.path().join("sys/fs/cgroup");
        let write = |path: &str, text: &str| write_tree(&base, &[(path, text)], &[]);
        write("cgroup.controllers", "io\n");
        write("kubepods/pod1/io.stat", STAT);
        let mut reader = CgroupReader::default();
        let first = incarnation(&mut reader, machine.path());
        write("kubepods/pod1/io.stat", "8:0 rbytes=9 wbytes=9 rios=9 wios=9\n");
        assert_eq!(incarnation(&mut reader, machine.path()), first);
        write("new/io.stat", STAT);
        std::fs::remove_dir_all(base.join("kubepods/pod1")).unwrap();
        std::fs::rename(base.join("new"), base.join("kubepods/pod1")).unwrap();
        assert_ne!(incarnation(&mut reader, machine.path()), first);
    }

    #[test]
    fn in_version_1_a_sum_over_other_containers_is_another_one() {
        let machine = tempfile::tempdir().unwrap();
        let base = machine.path().join("sys/fs/cgroup/blkio/kubepods/pod1");
        let write = |container: &str| {
            let files =
                ["io_service_bytes", "io_serviced"].map(|name| format!("{container}/blkio.throttle.{name}"));
            write_tree(&base, &[(&files[0], BYTES), (&files[1], REQUESTS)], &[]);
        };
        write(".");
        write("a");
        let mut reader = CgroupReader::default();
        let first = incarnation(&mut reader, machine.path());
        assert_eq!(incarnation(&mut reader, machine.path()), first);
        std::fs::remove_dir_all(base.join("a")).unwrap();
        write("b");
        assert_ne!(incarnation(&mut reader, machine.path()), first);
    }

    /// A container that ends between both files would be counted by halves.
    #[test]
    fn in_version_1_a_container_counts_with_both_its_files_or_not_at_all() {
        let pod = |name: &str| format!("blkio/kubepods/pod1{name}");
        let files = [
            (pod("/blkio.throttle.io_service_bytes"), BYTES),
            (pod("/blkio.throttle.io_serviced"), REQUESTS),
            (pod("/a/blkio.throttle.io_service_bytes"), BYTES),
        ];
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let (found, _) = on(&files, &["1"]);
        assert_eq!(found["1"].devices[&number("8:0")], io(4096, 8192, 1, 2));
    }

    #[test]
    fn in_version_1_nothing_counted_is_nothing_known() {
        let (found, faults) = on(
            &[
                (
                    "blkio/kubepods/pod1/blkio.throttle.io_service_bytes",
                    "8:0 Read 0\n8:0 Write 0\nTotal 0\n",
                ),
                ("blkio/kubepods/pod1/blkio.throttle.io_serviced", "Total 0\n"),
            ],
            &["1", "2"],
        );
        assert!(found.is_empty());
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0]
                .message
                .starts_with("nothing is counted there for any of 1 pods")
        );
    }

    #[test]
    fn in_the_hybrid_layout_io_may_be_counted_by_version_2() {
        let (found, faults) = on(
            &[
                ("unified/cgroup.controllers", "io memory\n"),
                ("unified/kubepods/pod1/io.stat", STAT),
                ("memory/kubepods/pod1/x", ""),
            ],
            &["1"],
        );
        assert!(faults.is_empty());
        assert_eq!(found["1"].devices.len(), 1);
    }
}
