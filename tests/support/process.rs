//! What the kernel says that a process uses. It says so to everybody, of a process that is not dumpable as well.

use std::fs;

/// Bytes of it that are in memory: `VmRSS`.
pub fn resident_bytes(process: u32) -> u64 {
    status_bytes(process, "VmRSS:")
}

/// The most that it had there at once: `VmHWM`.
pub fn peak_bytes(process: u32) -> u64 {
    status_bytes(process, "VmHWM:")
}

/// Seconds of a core that it has used, its own and the kernel's for it.
pub fn used_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name, which may have anything in it, ends with the last parenthesis: what follows is numbered from 3 (proc_pid_stat(5)).
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = |number: usize| fields.split(' ').nth(number - 3).unwrap().parse::<f64>().unwrap();
    (ticks(14) + ticks(15)) / rustix::param::clock_ticks_per_second() as f64
}

/// A line of `status` that is in kibibytes (proc_pid_status(5)).
fn status_bytes(process: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
