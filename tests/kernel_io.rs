//! The figures are the kernel's, to the last request: whoever reads and writes a known amount finds it on the page and in the
//! report, whoever else asks, and whichever device had the number before.
//!
//! The device is a loop device of the test's own, asked with `O_DIRECT`, so the kernel's counters move for it alone. That
//! takes root and loop devices; where one is missing, the test fails and names it.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use support::exposition::Page;
use support::loop_device::{LoopDevice, backing_file, require_loop_devices, require_program};
use support::report::{Point, Report, amounts_after, length};
use support::server::Server;
use support::{RaisedAtEnd, expect_that, within};
use tempfile::TempDir;

/// How long a figure may take to show: two readings a second apart, on a machine that also builds.
const SHOWN: Duration = Duration::from_secs(15);

const KIB: usize = 1024;

/// A device of 8 MiB, and the folder that its file lies in.
fn device() -> (LoopDevice, TempDir) {
    require_loop_devices();
    let folder = tempfile::tempdir().unwrap();
    let device = LoopDevice::attach(&backing_file(folder.path(), "disk.img", 8));
    (device, folder)
}

/// The counters of the page in the order of the kernel's `stat` file, with seconds as milliseconds.
fn counters(page: &Page, device: &str) -> Vec<u64> {
    const COUNTERS: [(&str, f64); 17] = [
        ("disk_reads_completed_total", 1.0),
        ("disk_reads_merged_total", 1.0),
        ("disk_read_bytes_total", 1.0 / 512.0),
        ("disk_read_time_seconds_total", 1000.0),
        ("disk_writes_completed_total", 1.0),
        ("disk_writes_merged_total", 1.0),
        ("disk_written_bytes_total", 1.0 / 512.0),
        ("disk_write_time_seconds_total", 1000.0),
        ("disk_io_now", 1.0),
        ("disk_io_time_seconds_total", 1000.0),
        ("disk_io_time_weighted_seconds_total", 1000.0),
        ("disk_discards_completed_total", 1.0),
        ("disk_discards_merged_total", 1.0),
        ("disk_discarded_bytes_total", 1.0 / 512.0),
        ("disk_discard_time_seconds_total", 1000.0),
        ("disk_flush_requests_total", 1.0),
        ("disk_flush_requests_time_seconds_total", 1000.0),
    ];
    let count = |(family, scale): &(&str, f64)| {
        let value = page.of_device(family, device);
        (value.unwrap_or_else(|| panic!("no {family} of {device}")) * scale).round() as u64
    };
    COUNTERS.iter().map(count).collect()
}

/// A page that shows what the kernel counts now. The program may still show a reading of a quarter of a second ago.
fn page_of_now(server: &Server, device: &LoopDevice) -> Page {
    within(SHOWN, || {
        let page = server.page();
        let (shown, kernel) = (counters(&page, device.name()), device.kernel_counters());
        expect_that(
            shown == kernel,
            format!("the page has {shown:?}, the kernel {kernel:?}"),
        )
        .map(|()| page)
    })
}

/// How far the counters in the order of `stat` have grown.
fn growth(before: &Page, after: &Page, device: &LoopDevice) -> Vec<u64> {
    let (before, after) = (counters(before, device.name()), counters(after, device.name()));
    after
        .iter()
        .zip(before)
        .map(|(after, before)| after - before)
        .collect()
}

#[test]
#[ignore = "needs root and loop devices: cargo test -- --ignored"]
fn counters_grow_by_exactly_what_was_read_and_written() {
    let (device, _folder) = device();
    let server = Server::start();
    let disk = device.open();
    let before = page_of_now(&server, &device);

    disk.read(137, 4 * KIB);
    disk.write(59, 64 * KIB);

    let grown = growth(&before, &page_of_now(&server, &device), &device);
    let (reads, reads_merged, sectors_read) = (grown[0], grown[1], grown[2]);
    let (writes, writes_merged, sectors_written) = (grown[4], grown[5], grown[6]);
    assert_eq!((reads, reads_merged, sectors_read), (137, 0, 137 * 8));
    assert_eq!((writes, writes_merged, sectors_written), (59, 0, 59 * 128));
    assert_eq!(grown[11..16], [0; 5], "neither discards nor flushes");
}

#[test]
#[ignore = "needs root and loop devices: cargo test -- --ignored"]
fn flushes_and_discards_are_counted_as_such() {
    let (device, _folder) = device();
    require_program("blkdiscard", "util-linux");
    let server = Server::start();
    let disk = device.open();
    let before = page_of_now(&server, &device);

    for _ in 0..3 {
        disk.flush();
    }
    let discarded = Command::new("blkdiscard")
        .args(["--force", "--offset", "0", "--length", "1MiB"])
        .arg(device.path())
        .output();
    assert!(discarded.unwrap().status.success());

    let grown = growth(&before, &page_of_now(&server, &device), &device);
    assert_eq!(
        (grown[11], grown[13]),
        (1, 2048),
        "one discard of 1 MiB: {grown:?}"
    );
    assert_eq!(grown[15], 3, "three flushes: {grown:?}");
    assert_eq!(grown[6], 0, "nothing was written: {grown:?}");
}

/// Asks until the node of a device has rates, and says since when: what happens from now on is in later intervals.
fn since_when(server: &Server, device: &str) -> Timestamp {
    let series = within(SHOWN, || {
        let series = server.report().series(device, "storage_read_iops");
        expect_that(!series.is_empty(), "no rate in the report").map(|()| series)
    });
    series[series.len() - 1].at
}

/// Asks until there is a rate over an interval that ended after `start`, and after this call began. The page is of the
/// same reading as the report.
fn next_rates(server: &Server, device: &str, start: Timestamp) -> (Report, Page) {
    let asked = Timestamp::now();
    within(SHOWN, || {
        let report = server.report();
        let page = server.page();
        let last = report
            .series(device, "storage_read_iops")
            .last()
            .map(|point| point.at);
        // Every reading is dated, so two equal reports are of one reading.
        let same = server.report() == report;
        let is_new = last.is_some_and(|last| last > start && last >= asked);
        expect_that(same && is_new, format!("the latest rate is of {last:?}")).map(|()| (report, page))
    })
}

/// A sum that must come to a whole number, but for the dates' thousandths of a second.
fn whole(amount: f64) -> u64 {
    assert!(
        (amount - amount.round()).abs() < 0.3,
        "{amount} is no whole number of requests"
    );
    amount.round() as u64
}

fn total(report: &Report, device: &str, metric: &str, size: usize, start: Timestamp) -> u64 {
    let amounts = amounts_after(start, &report.series(device, metric), size as f64);
    amounts.into_iter().map(whole).sum()
}

#[test]
#[ignore = "needs root and loop devices: cargo test -- --ignored"]
fn rates_times_their_interval_are_exactly_what_was_read_and_written() {
    let (device, _folder) = device();
    let (server, name) = (Server::start(), device.name());
    let disk = device.open();
    let start = since_when(&server, name);

    disk.read(200, 4 * KIB);
    disk.write(100, 8 * KIB);

    let (report, page) = next_rates(&server, name, start);
    let total = |metric, size| total(&report, name, metric, size, start);
    assert_eq!(total("storage_read_iops", 1), 200);
    assert_eq!(total("storage_write_iops", 1), 100);
    assert_eq!(total("storage_read_throughput", 4 * KIB), 200);
    assert_eq!(total("storage_write_throughput", 8 * KIB), 100);

    // The same rates, on the page and in the table of the host.
    let latest = |metric| report.series(name, metric).last().unwrap().rate;
    let alike = |shown: Option<f64>, metric| {
        let (shown, expected) = (shown.unwrap(), latest(metric));
        assert!(
            (shown - expected).abs() < 0.001,
            "{metric}: {shown}, not {expected}"
        );
    };
    for (operation, iops, throughput) in [
        ("read", "storage_read_iops", "storage_read_throughput"),
        ("write", "storage_write_iops", "storage_write_throughput"),
    ] {
        alike(page.of_operation("disk_iops", name, operation), iops);
        let bytes = page.of_operation("disk_throughput_bytes_per_second", name, operation);
        alike(bytes, throughput);
    }
    for (column, metric) in [
        ("read_iops", "storage_read_iops"),
        ("write_iops", "storage_write_iops"),
    ] {
        let cell = report.cell(name, column).unwrap().replace(',', "");
        let shown: f64 = cell.parse().unwrap();
        assert!((shown - latest(metric)).abs() <= 0.5, "{column}: {cell}");
    }
    let utilization = page.of_device("disk_utilization_ratio", name).unwrap();
    // Requests this quick may all fall between two ticks of the kernel's clock.
    assert!((0.0..=1.0).contains(&utilization), "{utilization}");
}

#[test]
#[ignore = "needs root and loop devices: cargo test -- --ignored"]
fn two_probes_and_a_scraper_do_not_spoil_each_others_rates() {
    const READS: u64 = 600;
    let (device, _folder) = device();
    let (server, name) = (Server::start(), device.name());
    let disk = device.open();
    let start = since_when(&server, name);

    // Two probes ask every second, each at a time of its own, and a scraper every 0.7 s, while 100 reads a second are made.
    let done = AtomicBool::new(false);
    let seen: Vec<Vec<Point>> = thread::scope(|threads| {
        let all_read = RaisedAtEnd(&done);
        let probe = |delay| {
            let (server, done) = (&server, &done);
            threads.spawn(move || {
                let mut seen = Vec::new();
                every(Duration::from_secs(1), delay, done, || {
                    seen.extend(server.report().series(name, "storage_read_iops"));
                });
                seen
            })
        };
        let probes = [probe(Duration::ZERO), probe(Duration::from_millis(370))];
        threads.spawn(|| {
            every(Duration::from_millis(700), Duration::ZERO, &done, || {
                server.page();
            });
        });
        let begun = Instant::now();
        for at in 0..READS {
            thread::sleep((begun + Duration::from_millis(at * 10)).saturating_duration_since(Instant::now()));
            disk.read(1, 4 * KIB);
        }
        drop(all_read);
        probes.map(|probe| probe.join().unwrap()).into()
    });

    let (report, _page) = next_rates(&server, name, start);
    let series = report.series(name, "storage_read_iops");
    assert_eq!(total(&report, name, "storage_read_iops", 1, start), READS);
    assert_eq!(
        total(&report, name, "storage_read_throughput", 4 * KIB, start),
        READS
    );
    let lengths: Vec<_> = series.windows(2).map(length).collect();
    assert!(lengths.len() >= 4, "{lengths:?}");
    assert!(lengths.iter().all(|length| *length > 0.898), "{lengths:?}");
    // Nobody ever saw another rate for a date than the one that all see in the end.
    let last_word: BTreeMap<_, _> = series
        .iter()
        .map(|point| (point.at, point.rate.to_bits()))
        .collect();
    for point in seen.iter().flatten() {
        assert_eq!(last_word.get(&point.at), Some(&point.rate.to_bits()), "{point:?}");
    }
    assert!(seen.iter().all(|seen| seen.len() > 5), "{seen:?}");
}

/// Does something again and again, until told that it is done.
fn every(period: Duration, delay: Duration, done: &AtomicBool, mut work: impl FnMut()) {
    let mut next = Instant::now() + delay;
    while !done.load(Ordering::Relaxed) {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        work();
        next += period;
    }
}

/// Nothing may be said of a device that is not there.
fn is_gone(server: &Server, device: &str) -> Result<(), String> {
    let (page, report) = (server.page(), server.report());
    if let Some(left) = page.about(device).next() {
        return Err(format!("on the page: {left:?}"));
    }
    expect_that(report.disk(device).is_none(), "its node is in the report")?;
    let row = report.cell(device, "device");
    expect_that(row.is_none(), "its row is in the table of the host")
}

/// Who the device is, as the page and the report have it.
fn identity(server: &Server, device: &str) -> (Option<f64>, Option<String>) {
    let file = server
        .report()
        .fact(device, "storage_disk_file")
        .map(str::to_owned);
    (server.page().of_device("device_size_bytes", device), file)
}

fn known_as(file: &Path, size: u32) -> (Option<f64>, Option<String>) {
    (Some(f64::from(size)), Some(file.display().to_string()))
}

#[test]
#[ignore = "needs root and loop devices: cargo test -- --ignored"]
fn a_detached_device_goes_and_another_under_its_number_starts_afresh() {
    let (device, folder) = device();
    let (server, name) = (Server::start(), device.name().to_owned());
    let first = folder.path().join("disk.img");
    let second = backing_file(folder.path(), "other.img", 16);
    assert_eq!(identity(&server, &name), known_as(&first, 8 << 20));
    let disk = device.open();
    let start = since_when(&server, &name);
    disk.read(300, 4 * KIB);
    next_rates(&server, &name, start);
    drop(disk);

    let vacant = device.detach();
    within(Duration::from_secs(2), || is_gone(&server, &name));

    let device = vacant.attach(&second);
    assert_eq!(device.name(), name);
    let page = within(Duration::from_secs(2), || {
        let page = server.page();
        let size = page.of_device("device_size_bytes", &name);
        expect_that(size.is_some(), "the other device is not there").map(|()| page)
    });
    assert_eq!(
        page.of_operation("disk_iops", &name, "read"),
        None,
        "of which device?"
    );
    assert_eq!(identity(&server, &name), known_as(&second, 16 << 20));

    let disk = device.open();
    let start = since_when(&server, &name);
    disk.read(70, 4 * KIB);
    let (report, _page) = next_rates(&server, &name, start);
    assert_eq!(total(&report, &name, "storage_read_iops", 1, start), 70);
}

#[test]
#[ignore = "needs root and loop devices: cargo test -- --ignored"]
fn a_device_swapped_for_another_between_two_questions_inherits_nothing() {
    let (device, folder) = device();
    let (server, name) = (Server::start(), device.name().to_owned());
    let second = backing_file(folder.path(), "other.img", 16);
    let disk = device.open();
    let start = since_when(&server, &name);
    disk.read(300, 4 * KIB);
    let (report, _page) = next_rates(&server, &name, start);
    assert_eq!(total(&report, &name, "storage_read_iops", 1, start), 300);
    drop(disk);

    // Nobody asks while the one goes, the other comes, and reads are made of it.
    let device = device.detach().attach(&second);
    let disk = device.open();
    disk.read(50, 4 * KIB);

    // So its first rate is over an interval in which nothing happened any more.
    let (report, page) = within(SHOWN, || {
        let (report, page) = (server.report(), server.page());
        let rate = page.of_operation("disk_iops", &name, "read");
        expect_that(rate.is_some(), "no rate of the other device").map(|()| (report, page))
    });
    assert_eq!(identity(&server, &name), known_as(&second, 16 << 20));
    assert_eq!(page.of_operation("disk_iops", &name, "read"), Some(0.0));
    let series = report.series(&name, "storage_read_iops");
    assert!(series.iter().all(|point| point.rate == 0.0), "{series:?}");
    // The kernel goes on counting where the other one left off; whoever compares two readings has to see the new disk.
    assert_eq!(counters(&page, &name), device.kernel_counters());
}

/// Unmounts a folder when dropped.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn memory(folder: &'a Path, options: &str) -> Self {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(folder)
            .status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "cannot mount a tmpfs: this takes root"
        );
        Self(folder)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// The mounts that were read are kept while the kernel says that none came or went: it must be believed at once when one does.
#[test]
#[ignore = "needs root: tests/real-parts.sh"]
fn what_is_mounted_shows_in_the_next_answer_and_what_is_unmounted_does_not() {
    require_program("mount", "mount");
    let folder = tempfile::tempdir().unwrap();
    let point = folder.path().to_str().unwrap().to_owned();
    let server = Server::start();
    let size = || {
        server
            .page()
            .value("storage_probe_filesystem_size_bytes", &[("mountpoint", &point)])
    };
    for mebibytes in [1, 3] {
        // A reading serves for a quarter of a second.
        thread::sleep(Duration::from_millis(300));
        assert_eq!(size(), None);
        let mounted = Mounted::memory(folder.path(), &format!("size={mebibytes}m"));
        thread::sleep(Duration::from_millis(300));
        assert_eq!(size(), Some(f64::from(mebibytes * 1024 * 1024)));
        drop(mounted);
    }
}
