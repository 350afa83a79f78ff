//! Scope's probes and servers of Prometheus: each asks both processes again and again, and judges every answer.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::answers::{self, Answer, Process};
use super::busy_disk::BusyDisk;
use super::counters::Counters;
use super::history::{Asked, History};
use super::support::http::{self, Connection, Stream};
use super::support::server::Server;
use super::support::time_slack;

/// Scope gives up after this.
const LATE: Duration = Duration::from_millis(500);
const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";

/// What is known, and what answers are held against.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) history: &'a History,
    pub(super) busy: &'a BusyDisk,
}

/// What one kind of client saw of one process.
#[derive(Debug, Default)]
pub(super) struct Seen {
    took: Vec<Duration>,
    /// Questions that were not answered, or not with status 200.
    failed: Vec<String>,
    wrong: Vec<String>,
    stalest: Duration,
    unknown: usize,
}

impl Seen {
    /// What is wrong with what was seen.
    pub(super) fn complaints(&self) -> Vec<String> {
        let first = |of: &[String]| of.iter().take(5).cloned().collect::<Vec<_>>();
        let mut complaints = [first(&self.wrong), first(&self.failed)].concat();
        if self.late() > 0 {
            let limit = LATE.mul_f64(time_slack());
            complaints.push(format!("{} answers after {limit:?}", self.late()));
        }
        complaints
    }

    fn late(&self) -> usize {
        let limit = LATE.mul_f64(time_slack());
        self.took.iter().filter(|took| **took > limit).count()
    }

    /// How many questions there were, how many of them failed, how many answers were late, how many complaints there are.
    pub(super) fn numbers(&self) -> [usize; 4] {
        let (failed, answered) = (self.failed.len(), self.took.len());
        [failed + answered, failed, self.late(), self.wrong.len()]
    }

    /// How many figures were told as not known yet.
    pub(super) fn unknown(&self) -> usize {
        self.unknown
    }

    /// A line of the table.
    pub(super) fn row(&mut self, what: &str) -> String {
        self.took.sort_unstable();
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let at = |share: usize| {
            let at = self.took.len().saturating_sub(1) * share / 100;
            milliseconds(self.took.get(at).copied().unwrap_or_default())
        };
        let [asked, failed, late, wrong] = self.numbers();
        format!(
            "| {what} | {asked} | {failed} | {late} | {wrong} | {:.2} | {:.2} | {:.2} | {:.0} |",
            at(50),
            at(99),
            at(100),
            milliseconds(self.stalest)
        )
    }
}

/// Asks in each interval until told to end.
fn in_each(interval: Duration, end: &AtomicBool, mut ask: impl FnMut()) {
    let begun = Instant::now();
    for number in 1.. {
        if end.load(Ordering::Relaxed) {
            return;
        }
        ask();
        thread::sleep((begun + interval * number).saturating_duration_since(Instant::now()));
    }
}

/// Asks once, and judges the answer.
fn ask_once(
    known: Known<'_>,
    seen: &Mutex<Seen>,
    ask: impl FnOnce() -> io::Result<http::Answer>,
    judge: impl FnOnce(&[u8], Asked) -> Answer,
) {
    let from = Instant::now();
    let answer = ask();
    let asked = Asked {
        from,
        until: Instant::now(),
    };
    let took = asked.until.saturating_duration_since(from);
    let body = match answer {
        Ok(answer) if answer.status == 200 => answer.body,
        other => {
            let reason = other.map_or_else(|error| error.to_string(), |answer| answer.status.to_string());
            let mut seen = seen.lock().unwrap();
            seen.failed.push(format!("no answer after {took:?}: {reason}"));
            return;
        }
    };
    let mut read = judge(&body, asked);
    let judgement = known.history.judge(&read.told, asked);
    read.wrong.extend(judgement.wrong);
    let mut seen = seen.lock().unwrap();
    seen.took.push(took);
    seen.wrong.extend(read.wrong);
    seen.unknown += read.told.unknown.len();
    seen.stalest = seen.stalest.max(judgement.stalest);
}

/// Asks on the connection that is kept, or on a new one. It is kept on once its answer is whole: what came of an answer that was given
/// up would else be taken for the next one.
fn on_kept<S: Stream>(
    kept: &mut Option<Connection<S>>,
    connect: impl FnOnce() -> io::Result<Connection<S>>,
    target: &str,
    headers: &[(&str, &str)],
) -> io::Result<http::Answer> {
    let mut connection = kept.take().map_or_else(connect, Ok)?;
    let answer = connection.ask("GET", target, headers)?;
    *kept = Some(connection);
    Ok(answer)
}

/// A process to ask, and what is seen of it.
pub(super) struct Asking<'a> {
    pub(super) process: Process,
    pub(super) server: &'a Server,
    pub(super) reports: Mutex<Seen>,
    pub(super) pages: Mutex<Seen>,
}

impl<'a> Asking<'a> {
    /// Nothing is seen yet.
    pub(super) fn new(process: Process, server: &'a Server) -> Self {
        Self {
            process,
            server,
            reports: Mutex::default(),
            pages: Mutex::default(),
        }
    }
}

/// A probe of Scope's: a report of each process every second, on connections that are kept.
pub(super) fn probe(asked: &[Asking<'_>], known: Known<'_>, end: &AtomicBool) {
    let mut connections: Vec<_> = asked.iter().map(|_| None).collect();
    in_each(Duration::from_secs(1), end, || {
        for (asking, kept) in asked.iter().zip(&mut connections) {
            let connect = || Connection::unix(&asking.server.socket());
            ask_once(
                known,
                &asking.reports,
                || on_kept(kept, connect, "/report?api_version=1&probe_id=soak", &[]),
                |body, _| answers::report(asking.process, body),
            );
        }
    });
}

/// A server of Prometheus: a page of each process five times a second, on a connection that is kept, or anew each time.
pub(super) fn scraper(asked: &[Asking<'_>], known: Known<'_>, keeps: bool, end: &AtomicBool) {
    let mut connections: Vec<_> = asked.iter().map(|_| (None, Counters::default())).collect();
    in_each(Duration::from_millis(200), end, || {
        for (asking, (kept, counters)) in asked.iter().zip(&mut connections) {
            let connect = || Connection::tcp(asking.server.address());
            let scrape = || on_kept(kept, connect, "/metrics", &[("Accept", OPEN_METRICS)]);
            ask_once(known, &asking.pages, scrape, |body, asked| {
                let mut page = answers::page(asking.process, body);
                page.wrong.extend(counters.take(&page.samples));
                if asking.process == Process::Node {
                    page.wrong.extend(known.busy.judge(&page.samples, asked));
                }
                page
            });
            kept.take_if(|_| !keeps);
        }
    });
}
