//! Who is connected, and how he takes what he is answered.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::untaken::{Holder, MOMENT};
use crate::lock::locked;

/// Who connects has this long to ask before he may have to make room: a request comes right behind its connection.
pub(super) const TIME_TO_ASK: Duration = Duration::from_millis(100);
/// Who is being sent his answer has this long to take it before he may have to make room.
pub(super) const TIME_TO_TAKE: Duration = Duration::from_secs(5);
/// The same for an answer that is kept for others: the plugin's report, for which Scope waits no longer.
const TIME_TO_TAKE_KEPT: Duration = Duration::from_millis(500);

/// Who is connected.
#[derive(Debug)]
pub(super) struct Client {
    from: Option<IpAddr>,
    connected: Instant,
    /// When he connected or asked, or his answer was there.
    since: Mutex<Instant>,
    /// His answer is being made.
    is_answered: AtomicBool,
    /// His latest answer is kept for others.
    is_kept: AtomicBool,
    taking: Mutex<Taking>,
    is_last: AtomicBool,
    must_go: AtomicBool,
    go: Notify,
}

/// How he takes his answers.
#[derive(Debug)]
struct Taking {
    /// Bytes that he has not taken.
    left: usize,
    /// When the latest answer was there.
    begun: Instant,
    /// When he took something of it last.
    latest: Instant,
}

impl Client {
    /// Has connected just now.
    pub(super) fn new(from: Option<IpAddr>) -> Self {
        let now = Instant::now();
        Self {
            from,
            connected: now,
            since: Mutex::new(now),
            is_answered: AtomicBool::new(false),
            is_kept: AtomicBool::new(false),
            taking: Mutex::new(Taking {
                left: 0,
                begun: now,
                latest: now,
            }),
            is_last: AtomicBool::new(false),
            must_go: AtomicBool::new(false),
            go: Notify::new(),
        }
    }

    /// The address that he comes from, over TCP.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.from
    }

    /// When he connected.
    pub(super) fn connected(&self) -> Instant {
        self.connected
    }

    /// True while his answer is being made.
    pub(super) fn is_answered(&self) -> bool {
        self.is_answered.load(Ordering::Relaxed)
    }

    /// True until he is told to go.
    pub(super) fn stays(&self) -> bool {
        !self.must_go.load(Ordering::Relaxed)
    }

    /// When he has had his time.
    pub(super) fn may_go_at(&self) -> Instant {
        let is_taking = locked(&self.taking).left > 0;
        let time = match (is_taking, self.is_kept.load(Ordering::Relaxed)) {
            (false, _) => TIME_TO_ASK,
            (true, false) => TIME_TO_TAKE,
            (true, true) => TIME_TO_TAKE_KEPT,
        };
        *locked(&self.since) + time
    }

    /// His answer is being made.
    pub(super) fn asks(&self) {
        *locked(&self.since) = Instant::now();
        self.is_answered.store(true, Ordering::Relaxed);
    }

    /// His answer is there, and so many bytes of it are for him to take. His time begins only now: it was not he who was slow.
    pub(super) fn is_sent(&self, bytes: usize, is_kept: bool) {
        let now = Instant::now();
        {
            let mut taking = locked(&self.taking);
            taking.left = taking.left.saturating_add(bytes);
            (taking.begun, taking.latest) = (now, now);
        }
        *locked(&self.since) = now;
        self.is_kept.store(is_kept, Ordering::Relaxed);
        self.is_answered.store(false, Ordering::Relaxed);
    }

    /// What he holds, as the one with this number.
    pub(super) fn holds(&self, number: u64) -> Holder {
        let taking = locked(&self.taking);
        Holder {
            number,
            from: self.from,
            bytes: taking.left,
            still: taking.latest.elapsed(),
            // Until then it may have been the kernels, who take the beginning without being asked.
            reads: taking.latest >= taking.begun + MOMENT,
        }
    }

    /// He took so many bytes.
    pub(super) fn took(&self, bytes: usize) {
        let mut taking = locked(&self.taking);
        taking.left = taking.left.saturating_sub(bytes);
        taking.latest = Instant::now();
    }

    /// The program ends, and does not wait until he has all.
    pub(super) fn ends(&self) {
        self.is_last.store(true, Ordering::Relaxed);
    }

    /// True where the program ends.
    pub(super) fn is_last(&self) -> bool {
        self.is_last.load(Ordering::Relaxed)
    }

    /// Tells him to go.
    pub(super) fn leave(&self) {
        self.must_go.store(true, Ordering::Relaxed);
        self.go.notify_one();
    }

    /// Waits until he has to go.
    pub(super) async fn has_to_go(&self) {
        self.go.notified().await;
    }

    /// As if he had been so much longer at what he does.
    #[cfg(test)]
    pub(super) fn age(&self, time: Duration) {
        let mut taking = locked(&self.taking);
        taking.begun -= time;
        taking.latest -= time;
        *locked(&self.since) -= time;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_take_an_answer_begins_when_it_is_there() {
        let client = Client::new(None);
        client.asks();
        client.age(2 * TIME_TO_TAKE);
        client.is_sent(1, false);
        assert!(client.may_go_at() > Instant::now() + TIME_TO_TAKE / 2);
    }

    #[test]
    fn who_takes_something_after_the_first_moment_reads() {
        let client = Client::new(None);
        client.is_sent(3, false);
        client.took(1);
        assert!(!client.holds(0).reads);
        client.age(MOMENT);
        assert!(client.holds(0).still >= MOMENT);
        client.took(1);
        let holds = client.holds(0);
        assert!(
            holds.reads && holds.still < MOMENT && holds.bytes == 1,
            "{holds:?}"
        );
    }
}
