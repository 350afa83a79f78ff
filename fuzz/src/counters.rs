//! Whatever stands where others than devices are counted (control groups, NFS mounts, ZFS datasets, swap space), or devices by their sizes: no panic, and no
//! line is told of that is not there.

use scope_storage_probe::host::{cgroup, mountstats, partitions, swaps, zfs};
use scope_storage_probe::model::zfs::pool_of;

/// Tries one input.
pub fn attempt(text: &[u8]) {
    let lines = text.split(|byte| *byte == b'\n').count();
    let of_lines = |bad: Vec<usize>| {
        assert!(bad.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(bad.iter().all(|line| (1..=lines).contains(line)));
    };
    let (devices, bad) = cgroup::parse_io_stat(text);
    assert!(devices.len() <= lines);
    of_lines(bad);
    let (devices, bad) = cgroup::parse_blkio(text);
    assert!(devices.len() <= lines);
    of_lines(bad);
    let (mounts, bad) = mountstats::parse(text);
    assert!(mounts.len() <= lines);
    of_lines(bad);
    assert!(swaps::parse(text).len() <= lines);
    assert!(partitions::parse(text).len() <= lines);
    if let Some((dataset, _)) = zfs::parse_objset(text) {
        assert!(!pool_of(&dataset).contains(['/', '@']));
    }
}
