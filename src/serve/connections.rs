//! The open connections of one socket: how many there may be, and who has to go when there are too many.
//!
//! Whoever connects and says nothing, asks a letter at a time, or does not take his answer would keep his place for as long as the
//! timeouts allow. So places are not waited for: where there is none, who has been given the longest time leaves. Where all of them ask again and
//! again, or wait for their answers, nobody has been given it: then who has been connected longest leaves. And since a page may have megabytes,
//! answers that nobody takes have a bound in bytes as well.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::lock::locked;

/// At most so many connections to one socket; fewer where the process may open few files, of which there must be some left for reading.
const MOST_CONNECTIONS: u64 = 128;
/// The part of all files that the connections of one socket may be.
const PART_OF_FILES: u64 = 8;
/// Who connects has this long to ask before he may have to make room: a request comes right behind its connection.
const TIME_TO_ASK: Duration = Duration::from_millis(100);
/// Where no place was free for so long, whoever has one may have to make room.
const LONGEST_STRAIN: Duration = Duration::from_secs(1);
/// Who is being sent his answer has this long to take it before he may have to make room.
const TIME_TO_TAKE: Duration = Duration::from_secs(5);
/// The same for an answer that is kept for others: the plugin's report, for which Scope waits no longer.
const TIME_TO_TAKE_KEPT: Duration = Duration::from_millis(500);
/// A client that takes not one byte of its answer for so long is hung up on.
const TIME_FOR_A_BYTE: Duration = Duration::from_secs(30);
/// All answers that were made for one socket and are not taken yet have at most so many bytes; a single one may have more.
const MOST_UNTAKEN: usize = 8 << 20;

/// The open connections.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    open: Mutex<BTreeMap<u64, Arc<Client>>>,
    /// Since when nobody has found a place free.
    strained_since: Mutex<Option<Instant>>,
    ended: Notify,
}

/// Who is connected.
#[derive(Debug)]
pub(super) struct Client {
    connected: Instant,
    /// When he connected, or asked last.
    since: Mutex<Instant>,
    /// His answer is being made.
    is_answered: AtomicBool,
    /// Bytes of his answers that he has not taken.
    untaken: AtomicUsize,
    /// His latest answer is kept for others.
    is_kept: AtomicBool,
    must_go: AtomicBool,
    go: Notify,
}

/// A place among the connections, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    number: u64,
    client: Arc<Client>,
}

impl Connections {
    /// None are open yet.
    pub(super) fn new() -> Self {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self {
            most: usize::try_from(MOST_CONNECTIONS.min(files / PART_OF_FILES)).map_or(1, |most| most.max(1)),
            open: Mutex::default(),
            strained_since: Mutex::default(),
            ended: Notify::new(),
        }
    }

    /// Where files have run out for another reason: somebody has to go, if there is anybody.
    pub(super) fn have_one_fewer(&self) {
        make_room(&locked(&self.open), self.strained_since());
    }

    /// Since when no place is free, where that is so now.
    fn strained_since(&self) -> Instant {
        *locked(&self.strained_since).get_or_insert_with(Instant::now)
    }

    /// A place for a connection that is there. Where all are taken, somebody has to go, and is waited for.
    pub(super) async fn place(self: &Arc<Self>) -> Place {
        let mut has_waited = false;
        loop {
            let ended = self.ended.notified();
            let patience = {
                let mut open = locked(&self.open);
                if open.len() < self.most {
                    if !has_waited {
                        *locked(&self.strained_since) = None;
                    }
                    let number = open.last_key_value().map_or(0, |(last, _)| last + 1);
                    let client = Arc::new(Client::new());
                    open.insert(number, Arc::clone(&client));
                    return Place {
                        connections: Arc::clone(self),
                        number,
                        client,
                    };
                }
                has_waited = true;
                make_room(&open, self.strained_since())
            };
            tokio::select! {
                () = ended => {}
                () = sleep_until(patience) => {}
            }
        }
    }

    /// True where an answer of so many bytes may be made. Where it may not, those who do not take theirs have to go.
    fn has_room_for(&self, bytes: usize) -> bool {
        let open = locked(&self.open);
        let untaken: usize = open
            .values()
            .map(|client| client.untaken.load(Ordering::Relaxed))
            .sum();
        if untaken == 0 || untaken.saturating_add(bytes) <= MOST_UNTAKEN {
            return true;
        }
        let now = Instant::now();
        for client in open.values() {
            if client.untaken.load(Ordering::Relaxed) > 0 && client.may_go_at() <= now {
                client.leave();
            }
        }
        false
    }
}

/// Tells whoever has had the longest time to go, if he has had enough of it, or if there was no place for too long. Gives the time at which to look
/// again.
fn make_room(open: &BTreeMap<u64, Arc<Client>>, strained_since: Instant) -> Instant {
    let now = Instant::now();
    let stays = |client: &&Arc<Client>| !client.must_go.load(Ordering::Relaxed);
    let is_idle = |client: &&Arc<Client>| !client.is_answered.load(Ordering::Relaxed);
    let first = open
        .values()
        .filter(|client| stays(client) && is_idle(client))
        .min_by_key(|client| client.may_go_at());
    let (client, at) = match first.map(|client| (client, client.may_go_at())) {
        Some((client, at)) if at <= now => (Some(client), at),
        // Numbers rise, so the first has been connected longest.
        first if strained_since + LONGEST_STRAIN <= now => {
            let all = || {
                open.values()
                    .filter(|client| stays(client) && client.connected + TIME_TO_ASK <= now)
            };
            let client = all().find(is_idle).or_else(|| all().next());
            (client, first.map_or(now + TIME_TO_ASK, |(_, at)| at))
        }
        first => (
            None,
            first.map_or(now + TIME_TO_ASK, |(_, at)| {
                at.min(strained_since + LONGEST_STRAIN)
            }),
        ),
    };
    match client {
        Some(client) => {
            client.leave();
            now + TIME_TO_ASK
        }
        None => at,
    }
}

impl Client {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            connected: now,
            since: Mutex::new(now),
            is_answered: AtomicBool::new(false),
            untaken: AtomicUsize::new(0),
            is_kept: AtomicBool::new(false),
            must_go: AtomicBool::new(false),
            go: Notify::new(),
        }
    }

    fn may_go_at(&self) -> Instant {
        let is_taking = self.untaken.load(Ordering::Relaxed) > 0;
        let time = match (is_taking, self.is_kept.load(Ordering::Relaxed)) {
            (false, _) => TIME_TO_ASK,
            (true, false) => TIME_TO_TAKE,
            (true, true) => TIME_TO_TAKE_KEPT,
        };
        *locked(&self.since) + time
    }

    fn leave(&self) {
        self.must_go.store(true, Ordering::Relaxed);
        self.go.notify_one();
    }

    /// Waits until he has to go.
    pub(super) async fn has_to_go(&self) {
        self.go.notified().await;
    }
}

impl Place {
    /// Who has it.
    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// A request came, and its answer is being made.
    pub(super) fn asks(&self) {
        *locked(&self.client.since) = Instant::now();
        self.client.is_answered.store(true, Ordering::Relaxed);
    }

    /// The answer is there and has so many bytes. False where there is no room for it; for one that is kept for others as well there always is.
    pub(super) fn is_sent(&self, bytes: usize, is_kept: bool) -> bool {
        let has_room = self.connections.has_room_for(bytes) || is_kept;
        self.client.is_kept.store(is_kept, Ordering::Relaxed);
        if has_room {
            self.client.untaken.fetch_add(bytes, Ordering::Relaxed);
        }
        self.client.is_answered.store(false, Ordering::Relaxed);
        has_room
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        locked(&self.connections.open).remove(&self.number);
        self.connections.ended.notify_one();
    }
}

/// The bytes of a connection. Those that are taken are counted, and one that takes none for long is an error.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    client: Arc<Client>,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, client: Arc<Client>) -> Self {
        Self {
            stream,
            client,
            stalled: None,
        }
    }

    fn wrote(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(written) => {
                self.stalled = None;
                if let Ok(bytes) = &written {
                    let untaken = &self.client.untaken;
                    let _ = untaken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                        Some(left.saturating_sub(*bytes))
                    });
                }
                Poll::Ready(written)
            }
            Poll::Pending => {
                let stalled = self
                    .stalled
                    .get_or_insert_with(|| Box::pin(sleep(TIME_FOR_A_BYTE)));
                ready!(stalled.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.wrote(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(test);
    }

    async fn full() -> (Arc<Connections>, Vec<Place>) {
        let connections = Arc::new(Connections::new());
        let mut places = Vec::new();
        for _ in 0..connections.most {
            places.push(connections.place().await);
        }
        (connections, places)
    }

    #[test]
    fn who_was_silent_longest_makes_room_but_nobody_does_at_once() {
        run(async {
            let (connections, mut places) = full().await;
            let begun = Instant::now();
            let first = places.remove(0);
            // He was there first, but asked since; and his answer is still being made.
            places[0].asks();
            let leaves = async {
                first.client().has_to_go().await;
                drop(first);
            };
            let (_place, ()) = tokio::join!(connections.place(), leaves);
            assert!(begun.elapsed() >= TIME_TO_ASK);
            assert!(!places[0].client().must_go.load(Ordering::Relaxed));
        });
    }

    #[test]
    fn where_all_are_answered_for_long_who_was_there_first_makes_room() {
        run(async {
            let (connections, mut places) = full().await;
            places.iter().for_each(Place::asks);
            let begun = Instant::now();
            let first = places.remove(0);
            let leaves = async {
                first.client().has_to_go().await;
                drop(first);
            };
            let (_place, ()) = tokio::join!(connections.place(), leaves);
            assert!(begun.elapsed() >= LONGEST_STRAIN);
            // The next does not wait as long, since nobody has found a place free meanwhile.
            let begun = Instant::now();
            let next = places.remove(0);
            let leaves = async {
                next.client().has_to_go().await;
                drop(next);
            };
            let (_place, ()) = tokio::join!(connections.place(), leaves);
            assert!(begun.elapsed() < LONGEST_STRAIN / 2);
        });
    }

    #[test]
    fn a_place_that_becomes_free_is_taken() {
        run(async {
            let (connections, mut places) = full().await;
            places.iter().for_each(Place::asks);
            drop(places.pop());
            let begun = Instant::now();
            let _place = connections.place().await;
            assert!(begun.elapsed() < TIME_TO_ASK, "{:?}", begun.elapsed());
            let mut others = places
                .iter()
                .map(|place| place.client().must_go.load(Ordering::Relaxed));
            assert!(
                !others.any(|must_go| must_go),
                "somebody is sent away for a place that is free"
            );
        });
    }

    #[test]
    fn answers_that_nobody_takes_are_bounded_but_one_may_be_of_any_length() {
        run(async {
            let connections = Arc::new(Connections::new());
            let (one, other) = (connections.place().await, connections.place().await);
            assert!(one.is_sent(MOST_UNTAKEN * 2, false));
            assert!(!other.is_sent(1, false));
            assert!(other.is_sent(1, true));
            // As long as he may be taking it, he is not hung up on.
            assert!(!one.client().must_go.load(Ordering::Relaxed));
            *locked(&one.client().since) -= TIME_TO_TAKE;
            assert!(!other.is_sent(1, false));
            assert!(one.client().must_go.load(Ordering::Relaxed));
            drop(one);
            assert!(other.is_sent(1, false));
        });
    }
}
