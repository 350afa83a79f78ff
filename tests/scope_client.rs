//! Scope's probe always has its answer in time: every second, whole and decoded within 500 ms, however busy the disks are.
//!
//! The client here does what the real one does: it keeps its connection, asks once a second, and takes what came too late for
//! lost. Each report that it gets has to keep the contract with Scope.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

mod support;

use std::io::{Seek as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::RaisedAtEnd;
use support::http::{Answer, Connection};
use support::scope_contract::{Expectations, assert_holds};
use support::server::{HOST, Server};

/// Between two questions of one probe.
const TICK: Duration = Duration::from_secs(1);
/// For the whole exchange: connecting where there is no connection yet, asking, receiving, decoding.
const DEADLINE: Duration = Duration::from_millis(500);

/// What one probe met with.
#[derive(Debug, Default)]
struct Met {
    times: Vec<Duration>,
    failures: Vec<String>,
    connections: usize,
}

/// Asks every second, as one of Scope's probes.
fn probe(server: &Server, name: &str, ticks: u32) -> Met {
    let target = format!("/report?api_version=1&probe_id={name}");
    let headers = [("User-Agent", "Go-http-client/1.1"), ("Accept-Encoding", "gzip")];
    let mut met = Met::default();
    let mut kept = None;
    let started = Instant::now();
    for tick in 0..ticks {
        thread::sleep((started + TICK * tick).saturating_duration_since(Instant::now()));
        let asked = Instant::now();
        let mut exchange = || -> std::io::Result<(Answer, Value)> {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => Connection::unix(&server.socket()).inspect(|_| met.connections += 1)?,
            };
            connection.request("GET", &target, &headers)?;
            let answer = connection.answer(asked + DEADLINE, false)?;
            let report = serde_json::from_slice(&answer.body)?;
            kept = Some(connection);
            Ok((answer, report))
        };
        let outcome = exchange();
        let took = asked.elapsed();
        match outcome {
            Ok((answer, report)) if answer.status == 200 && took < DEADLINE => {
                met.times.push(took);
                assert!(report["Plugins"].is_array(), "{report}");
                assert_holds(&answer.body, &expectations());
            }
            Ok((answer, _)) => met
                .failures
                .push(format!("tick {tick}: {} after {took:?}", answer.status)),
            Err(error) => met.failures.push(format!("tick {tick}: {error} after {took:?}")),
        }
    }
    met
}

fn expectations() -> Expectations<'static> {
    Expectations::of("storage", HOST)
}

/// Writes 4 KiB after 4 KiB, each brought to the disk before the next, until told to stop. Returns how many it wrote.
fn keep_disk_busy(stop: &AtomicBool) -> u64 {
    const MOST: u64 = 16 << 10;
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let piece = [0x5a; 4 << 10];
    let mut written = 0;
    while !stop.load(Ordering::Relaxed) {
        if written % MOST == 0 {
            file.rewind().unwrap();
        }
        file.write_all(&piece).unwrap();
        file.sync_data().unwrap();
        written += 1;
    }
    written
}

/// Lets so many probes ask while the disk is busy, and fails if one of them once was not answered in time. Returns what there is
/// to say of it.
fn probes_are_answered_in_time(probes: u32, ticks: u32) -> String {
    let server = Server::start();
    let stop = AtomicBool::new(false);
    let (met, written) = thread::scope(|threads| {
        let asked_enough = RaisedAtEnd(&stop);
        let writer = threads.spawn(|| keep_disk_busy(&stop));
        let asking: Vec<_> = (0..probes)
            .map(|at| {
                let server = &server;
                threads.spawn(move || {
                    // Each has a time of its own within the second.
                    thread::sleep(TICK * at / probes);
                    probe(server, &format!("probe{at}"), ticks)
                })
            })
            .collect();
        let met: Vec<Met> = asking.into_iter().map(|probe| probe.join().unwrap()).collect();
        drop(asked_enough);
        (met, writer.join().unwrap())
    });
    for met in &met {
        assert_eq!(met.failures, [""; 0]);
        assert_eq!(met.connections, 1, "the connection was not kept");
    }
    assert!(written > 0, "the disk was not busy");
    let mut times: Vec<_> = met.iter().flat_map(|met| met.times.iter().copied()).collect();
    times.sort();
    assert_eq!(times.len(), (probes * ticks) as usize);
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    format!(
        "{} answers to {probes} probes beside {written} writes: half within {:.1?}, 99 of 100 within {:.1?}, all within {:.1?}",
        times.len(),
        at(50),
        at(99),
        at(100)
    )
}

#[test]
fn a_probe_is_answered_in_time_while_the_disks_are_busy() {
    println!("{}", probes_are_answered_in_time(1, 5));
}

#[test]
#[ignore = "takes a minute: cargo test -- --ignored"]
fn four_probes_are_answered_in_time_for_a_minute_while_the_disks_are_busy() {
    println!("{}", probes_are_answered_in_time(4, 60));
}
