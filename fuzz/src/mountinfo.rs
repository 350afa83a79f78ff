//! Whatever the file holds: no panic, and each line is read or told, never both.

use scope_storage_probe::host::mountinfo;

/// Tries one input.
pub fn attempt(text: &[u8]) {
    let (read, bad) = mountinfo::parse(text);
    let lines = text.split(|byte| *byte == b'\n').count();
    assert!(read.len() + bad.len() <= lines);
    assert!(bad.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(bad.iter().all(|line| (1..=lines).contains(line)));
}
