//! The open connections of one socket: how many there may be, and who has to go when there are too many.
//!
//! Whoever connects and says nothing, asks a letter at a time, or does not take his answer would keep his place for as long as the
//! timeouts allow. So places are not waited for: where there is none, who has been given the longest time leaves. Where all of them ask again and
//! again, or wait for their answers, nobody has been given it: then who has been connected longest leaves. And since a page may have megabytes,
//! answers that nobody takes have a bound in bytes as well (`untaken.rs`).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::client::{Client, TIME_TO_ASK};
use super::untaken::who_makes_room;
use crate::lock::locked;

/// At most so many connections to one socket; fewer where the process may open few files, of which there must be some left for reading.
const MOST_CONNECTIONS: u64 = 128;
/// The part of all files that the connections of one socket may be.
const PART_OF_FILES: u64 = 8;
/// Where no place was free for so long, whoever has one may have to make room.
const LONGEST_STRAIN: Duration = Duration::from_secs(1);

/// The open connections.
#[derive(Debug)]
pub(super) struct Connections {
    most: usize,
    open: Mutex<BTreeMap<u64, Arc<Client>>>,
    /// Since when nobody has found a place free.
    strained_since: Mutex<Option<Instant>>,
    ended: Notify,
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

    /// The program ends: whoever is connected is finished with, and not waited for.
    pub(super) fn end(&self) {
        locked(&self.open).values().for_each(|client| client.ends());
    }

    /// Since when no place is free, where that is so now.
    fn strained_since(&self) -> Instant {
        *locked(&self.strained_since).get_or_insert_with(Instant::now)
    }

    /// A place for a connection that is there, from this address. Where all are taken, somebody has to go, and is waited for.
    pub(super) async fn place(self: &Arc<Self>, from: Option<IpAddr>) -> Place {
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
                    let client = Arc::new(Client::new(from));
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

    /// True where there is room for an answer of so many bytes to the client with this number. Who has to go for it is told so, and does
    /// before anything else is made.
    fn has_room_for(&self, number: u64, from: Option<IpAddr>, bytes: usize) -> bool {
        let open = locked(&self.open);
        let others = open
            .iter()
            .filter(|(other, client)| **other != number && client.stays())
            .map(|(other, client)| client.holds(*other));
        let gone = who_makes_room(others.collect(), from, bytes);
        for client in gone.iter().flatten().filter_map(|number| open.get(number)) {
            client.leave();
        }
        gone.is_some()
    }
}

/// Tells whoever has had the longest time to go, if he has had enough of it, or if there was no place for too long. Gives the time at which to look
/// again.
fn make_room(open: &BTreeMap<u64, Arc<Client>>, strained_since: Instant) -> Instant {
    let now = Instant::now();
    let stays = |client: &&Arc<Client>| client.stays();
    let is_idle = |client: &&Arc<Client>| !client.is_answered();
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
                    .filter(|client| stays(client) && client.connected() + TIME_TO_ASK <= now)
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

impl Place {
    /// Who has it.
    pub(super) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// The answer is there and has so many bytes. False where there is no room for it; for one that is kept for others as well there always is.
    pub(super) fn is_sent(&self, bytes: usize, is_kept: bool) -> bool {
        let client = &self.client;
        let has_room = self
            .connections
            .has_room_for(self.number, client.address(), bytes)
            || is_kept;
        client.is_sent(if has_room { bytes } else { 0 }, is_kept);
        has_room
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        locked(&self.connections.open).remove(&self.number);
        self.connections.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::untaken::{MOMENT, MOST_UNTAKEN};

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
            places.push(connections.place(None).await);
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
            places[0].client().asks();
            let leaves = async {
                first.client().has_to_go().await;
                drop(first);
            };
            let (_place, ()) = tokio::join!(connections.place(None), leaves);
            assert!(begun.elapsed() >= TIME_TO_ASK);
            assert!(places[0].client().stays());
        });
    }

    #[test]
    fn where_all_are_answered_for_long_who_was_there_first_makes_room() {
        run(async {
            let (connections, mut places) = full().await;
            for place in &places {
                place.client().asks();
            }
            let begun = Instant::now();
            let first = places.remove(0);
            let leaves = async {
                first.client().has_to_go().await;
                drop(first);
            };
            let (_place, ()) = tokio::join!(connections.place(None), leaves);
            assert!(begun.elapsed() >= LONGEST_STRAIN);
            // The next does not wait as long, since nobody has found a place free meanwhile.
            let begun = Instant::now();
            let next = places.remove(0);
            let leaves = async {
                next.client().has_to_go().await;
                drop(next);
            };
            let (_place, ()) = tokio::join!(connections.place(None), leaves);
            assert!(begun.elapsed() < LONGEST_STRAIN / 2);
        });
    }

    #[test]
    fn a_place_that_becomes_free_is_taken() {
        run(async {
            let (connections, mut places) = full().await;
            for place in &places {
                place.client().asks();
            }
            drop(places.pop());
            let begun = Instant::now();
            let _place = connections.place(None).await;
            assert!(begun.elapsed() < TIME_TO_ASK, "{:?}", begun.elapsed());
            let mut others = places.iter().map(|place| !place.client().stays());
            assert!(
                !others.any(|must_go| must_go),
                "somebody is sent away for a place that is free"
            );
        });
    }

    #[test]
    fn who_takes_nothing_goes_for_who_asks_and_one_answer_may_be_of_any_length() {
        run(async {
            let connections = Arc::new(Connections::new());
            let (one, other) = (connections.place(None).await, connections.place(None).await);
            let long = MOST_UNTAKEN * 2;
            assert!(one.is_sent(long, false));
            // At first he may be taking it. A few lines have room in any case, and what is kept for others is there anyway.
            assert!(!other.is_sent(MOST_UNTAKEN, false));
            assert!(other.is_sent(1, false) && other.is_sent(MOST_UNTAKEN, true));
            assert!(one.client().stays());
            other.client().took(MOST_UNTAKEN + 1);
            one.client().age(MOMENT);
            assert!(other.is_sent(MOST_UNTAKEN, false));
            assert!(!one.client().stays());
            drop(one);
            assert!(other.client().stays());
        });
    }

    #[test]
    fn who_has_to_go_is_counted_no_more() {
        run(async {
            let connections = Arc::new(Connections::new());
            let address = |number| Some(IpAddr::from([10, 0, 0, number]));
            let mut places = Vec::new();
            for from in [1, 1, 2, 3] {
                places.push(connections.place(address(from)).await);
            }
            let half = MOST_UNTAKEN / 2;
            assert!(places[..2].iter().all(|place| place.is_sent(half, false)));
            assert!(places[2].is_sent(half, false));
            assert!(!places[0].client().stays());
            assert!(!places[3].is_sent(half, false) && places[3].is_sent(1, false));
            assert!(places[1].client().stays() && places[2].client().stays());
        });
    }
}
