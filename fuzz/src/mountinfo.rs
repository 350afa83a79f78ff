//! Whatever the file holds: no panic, each line is read or told, never both, and what a mount leads to is told in no more words than it has.

use scope_storage_probe::host::{mountinfo, remote};

/// What is said beside the source and the type: `NFS`, `share … of the hypervisor`.
const WORDS: usize = 40;

/// Tries one input.
pub fn attempt(text: &[u8]) {
    let (read, bad) = mountinfo::parse(text);
    let lines = text.split(|byte| *byte == b'\n').count();
    assert!(read.len() + bad.len() <= lines);
    assert!(bad.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(bad.iter().all(|line| (1..=lines).contains(line)));
    for mount in &read {
        let told = remote::of_mount(mount).map(|target| target.to_string());
        let most = mount.fstype.len() + mount.source.len() + WORDS;
        assert!(told.is_none_or(|told| told.len() <= most), "{mount:?}");
    }
}
