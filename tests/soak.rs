//! The program for some minutes, asked by four probes and four servers of Prometheus while a disk comes and goes: run by
//! `tests/soak.sh`, which says for how long.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::RaisedAtEnd;
use support::exposition::{Page, open_metrics_violations};
use support::http::Connection;
use support::loop_device::{LoopDevice, backing_file, require_loop_devices};
use support::scope_contract::{Expectations, schema_violations, violations};
use support::server::{HOST, PROGRAM, Server, program};
use support::time_slack;

/// Scope gives up after this.
const LATE: Duration = Duration::from_millis(500);
const PROBES: u32 = 4;
const SERVERS: u32 = 4;
const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";
/// Allocators and page tables: what may come and go without being a leak.
const LEEWAY_BYTES: u64 = 512 << 10;

/// What one kind of client saw.
#[derive(Default)]
struct Seen {
    took: Vec<Duration>,
    wrong: Vec<String>,
}

impl Seen {
    fn take(&mut self, took: Duration, wrong: Vec<String>) {
        self.took.push(took);
        self.wrong.extend(wrong);
    }

    fn late(&self) -> usize {
        let limit = LATE.mul_f64(time_slack());
        self.took.iter().filter(|took| **took > limit).count()
    }

    fn row(&mut self, what: &str) -> String {
        self.took.sort_unstable();
        let at = |share: usize| self.took[(self.took.len() - 1) * share / 100].as_secs_f64() * 1e3;
        format!(
            "| {what} | {} | {} | {} | {:.2} | {:.2} | {:.2} |",
            self.took.len(),
            self.late(),
            self.wrong.len(),
            at(50),
            at(99),
            at(100)
        )
    }
}

/// Asks once in each interval until told to end; `judge` says what is wrong with an answer.
fn ask_each(
    interval: Duration,
    end: &AtomicBool,
    seen: &Mutex<Seen>,
    mut ask: impl FnMut() -> std::io::Result<Vec<u8>>,
    judge: impl Fn(&[u8]) -> Vec<String>,
) {
    let begun = Instant::now();
    for number in 1.. {
        if end.load(Ordering::Relaxed) {
            return;
        }
        let asked = Instant::now();
        let answer = ask();
        let took = asked.elapsed();
        let wrong = match &answer {
            Ok(body) => judge(body),
            Err(error) => vec![format!("no answer: {error}")],
        };
        seen.lock().unwrap().take(took, wrong);
        thread::sleep((begun + interval * number).saturating_duration_since(Instant::now()));
    }
}

fn of_status(answer: support::http::Answer) -> std::io::Result<Vec<u8>> {
    match answer.status {
        200 => Ok(answer.body),
        status => Err(std::io::Error::other(format!("status {status}"))),
    }
}

fn wrong_report(body: &[u8], last: bool) -> Vec<String> {
    let Ok(report) = serde_json::from_slice(body) else {
        return vec!["the report is not JSON".to_owned()];
    };
    let expectations = Expectations {
        plugin_id: "storage",
        api_version: "1",
        host: HOST,
        maximal_bytes: None,
    };
    let mut found = violations(&report, &expectations);
    if last {
        found.extend(schema_violations(
            include_str!("../plugin-spec/report.schema.json"),
            &report,
        ));
    }
    found
}

fn wrong_page(body: &[u8]) -> Vec<String> {
    match std::str::from_utf8(body) {
        Ok(page) => open_metrics_violations(page),
        Err(error) => vec![error.to_string()],
    }
}

/// A disk that is attached, worked with, and detached, again and again.
fn coming_and_going(folder: &Path, end: &AtomicBool) -> u32 {
    let file = backing_file(folder, "disk.img", 8);
    for times in 0.. {
        if end.load(Ordering::Relaxed) {
            return times;
        }
        let device = LoopDevice::attach(&file);
        let direct = device.open();
        direct.write(200, 4096);
        thread::sleep(Duration::from_millis(1500));
        direct.read(200, 4096);
        drop(direct);
        drop(device);
        thread::sleep(Duration::from_millis(500));
    }
    0
}

/// Resident bytes and open files.
fn used(server: &Server) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    let files = fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count();
    (kibibytes * 1024, files as u64)
}

#[test]
#[ignore = "takes minutes: tests/soak.sh"]
#[allow(clippy::print_stdout, reason = "the table is what it is run for")]
fn minutes_of_questions_are_answered_in_time_and_leave_nothing_behind() {
    let minutes: f64 =
        std::env::var("SOAK_MINUTES").map_or(2.0, |text| text.parse().expect("SOAK_MINUTES is a number"));
    let length = Duration::from_secs_f64(minutes * 60.0);
    require_loop_devices();
    let folder = tempfile::tempdir().unwrap();
    let measured = std::env::var_os("MEASURED_PROGRAM").unwrap_or_else(|| PROGRAM.into());
    let server = Server::launch(
        program(measured),
        folder.path(),
        &["--listen", "127.0.0.1:0", "--no-cluster"],
    );
    let (socket, address) = (server.socket(), server.address());
    let (reports, pages, end) = (
        Mutex::new(Seen::default()),
        Mutex::new(Seen::default()),
        AtomicBool::new(false),
    );
    let mut usage = Vec::new();
    let attached = thread::scope(|threads| {
        let _end = RaisedAtEnd(&end);
        for _ in 0..PROBES {
            // As Scope does: one connection, kept.
            let mut scope = Connection::unix(&socket).unwrap();
            let (reports, end) = (&reports, &end);
            threads.spawn(move || {
                ask_each(
                    Duration::from_secs(1),
                    end,
                    reports,
                    || of_status(scope.get("/report?api_version=1&probe_id=soak")?),
                    |body| wrong_report(body, false),
                );
            });
        }
        for number in 0..SERVERS {
            let (pages, end) = (&pages, &end);
            threads.spawn(move || {
                let mut kept = Connection::tcp(address).unwrap();
                let ask = || {
                    // Every other one comes anew each time.
                    if number % 2 == 0 {
                        kept = Connection::tcp(address)?;
                    }
                    of_status(kept.ask("GET", "/metrics", &[("Accept", OPEN_METRICS)])?)
                };
                ask_each(Duration::from_millis(200), end, pages, ask, wrong_page);
            });
        }
        let disk = threads.spawn(|| coming_and_going(folder.path(), &end));
        let begun = Instant::now();
        while begun.elapsed() < length {
            thread::sleep(Duration::from_millis(500));
            usage.push(used(&server));
        }
        end.store(true, Ordering::Relaxed);
        disk.join().unwrap()
    });
    let report = server.scope().get("/report?api_version=1&probe_id=soak").unwrap();
    let wrong = wrong_report(&report.body, true);
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(Page::parse(server.get("/metrics").text()).samples().len() > 20);

    let usage = by_quarters(&usage);
    let (mut reports, mut pages) = (reports.into_inner().unwrap(), pages.into_inner().unwrap());
    println!("{minutes} minutes, a disk attached and detached {attached} times\n");
    println!("| answers | asked | late | wrong | p50 ms | p99 ms | most ms |\n|---|---|---|---|---|---|---|");
    println!(
        "{}\n{}\n",
        reports.row("report, 4 probes at 1 Hz"),
        pages.row("page, 4 servers at 5 Hz")
    );
    println!("| quarter | most resident, MB | most open files |\n|---|---|---|");
    for (number, (bytes, files)) in usage.iter().enumerate() {
        println!("| {} | {:.2} | {files} |", number + 1, *bytes as f64 / 1e6);
    }
    for seen in [&reports, &pages] {
        assert!(
            seen.wrong.is_empty(),
            "{:?}",
            &seen.wrong[..seen.wrong.len().min(5)]
        );
        assert_eq!(seen.late(), 0, "answers after {LATE:?}");
    }
    assert!(attached > 0, "no disk came or went");
    assert_flat(&usage, minutes);
}

/// The most that was resident and open in each quarter of the time.
fn by_quarters(usage: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let most = |quarter: &[(u64, u64)]| {
        let bytes = quarter.iter().map(|used| used.0).max();
        let files = quarter.iter().map(|used| used.1).max();
        (bytes.unwrap(), files.unwrap())
    };
    usage.chunks(usage.len().div_ceil(4)).map(most).collect()
}

/// Neither memory nor open files grow after the first quarter.
fn assert_flat(usage: &[(u64, u64)], minutes: f64) {
    let [first, _, _, last] = usage else {
        panic!("not four quarters: {usage:?}");
    };
    // Rates are kept for a minute, and fill up for so long: in a short run that is not over after the first quarter.
    let leeway = if minutes < 4.0 {
        2 * LEEWAY_BYTES
    } else {
        LEEWAY_BYTES
    };
    assert!(
        last.0 <= first.0 + leeway,
        "memory grew from {} to {} bytes",
        first.0,
        last.0
    );
    // Files of devices that come and go.
    assert!(
        last.1 <= first.1 + 4,
        "open files grew from {} to {}",
        first.1,
        last.1
    );
}
