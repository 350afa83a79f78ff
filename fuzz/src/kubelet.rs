//! Whatever lies in the kubelet's folders, by any names: no panic, each volume is of a pod that has a folder, what is read twice is the
//! same, and no more is told than there are entries.
//!
//! The input is what lies there, one path a line: a folder, `PATH=CONTENT` a file, `PATH>TARGET` a link.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};

use scope_storage_probe::host::kubelet::KubeletReader;

/// More of them take time and tell nothing new.
const MOST_ENTRIES: usize = 40;
/// Where the node has what is read here.
const ON_NODE: &str = "/var/lib/kubelet";

/// Tries one input.
pub fn attempt(text: &[u8]) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let folder = folder.expect("no folder for the kubelet's");
    fs::create_dir(folder.path().join("pods")).expect("no folder");
    let lines = text.split(|byte| *byte == b'\n').take(MOST_ENTRIES);
    let mut symlinks = Vec::new();
    let mut entries = 0;
    for line in lines {
        let at = line.iter().position(|byte| matches!(byte, b'=' | b'>'));
        let (path, rest) = line.split_at(at.unwrap_or(line.len()));
        let path = Path::new(OsStr::from_bytes(path));
        let is_below = |part: Component<'_>| matches!(part, Component::Normal(_));
        // Nothing is made elsewhere.
        if path.as_os_str().is_empty() || !path.components().all(is_below) {
            continue;
        }
        entries += path.components().count();
        let path = folder.path().join(path);
        match rest.split_first() {
            None => drop(fs::create_dir_all(&path)),
            Some((kind, content)) => {
                let _ = fs::create_dir_all(path.parent().unwrap_or(folder.path()));
                if *kind == b'=' {
                    let _ = fs::write(&path, content);
                } else {
                    symlinks.push((path, content));
                }
            }
        }
    }
    // All folders are there by now, so that no link is on the way of another.
    for (path, target) in symlinks {
        let _ = symlink(OsStr::from_bytes(target), path);
    }
    read(folder.path(), entries);
}

fn read(root: &Path, entries: usize) {
    let mut reader = KubeletReader::default();
    let first = reader.read(root, Path::new(ON_NODE));
    assert_eq!(reader.read(root, Path::new(ON_NODE)), first, "the second time");
    assert!(
        first.volumes.len() <= entries && first.faults.len() <= entries,
        "{first:?}"
    );
    for volume in &*first.volumes {
        assert!(volume.path.starts_with(ON_NODE), "{volume:?}");
        let pod = volume.path.strip_prefix(Path::new(ON_NODE).join("pods"));
        let pod = pod.ok().and_then(|below| below.components().next());
        let pod = pod.unwrap_or_else(|| panic!("of no pod: {volume:?}"));
        assert_eq!(pod.as_os_str().to_string_lossy(), volume.pod_uid);
        let about = fs::symlink_metadata(root.join("pods").join(pod)).expect("of a pod that is not there");
        assert!(about.is_dir(), "{volume:?}");
    }
}
