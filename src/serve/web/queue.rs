//! Who waits for a password to be checked, and whose turn it is.
//!
//! There is one turn, and few places to wait for it. Were a free place whoever's who takes it first, then he who guesses on dozens of
//! connections had all of them, always. So where none is free, the address that has most gives one of its own to a newcomer of another
//! one, as long as that one has fewer even then; and the turn goes to another address than the last, if one waits. Who guesses from one
//! address so makes all others wait for one check and its pause. Only from as many addresses as there are places can he have them all.
//!
//! Nothing is kept of an address but its places.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::lock::locked;

/// So many requests wait at most, with the one whose turn it is.
const LONGEST_QUEUE: usize = 5;

/// The places.
#[derive(Debug, Default)]
pub(super) struct Queue(Arc<Mutex<Places>>);

#[derive(Debug, Default)]
struct Places {
    /// Whose turn it is, if it is anybody's.
    now: Option<IpAddr>,
    /// In the order in which they came.
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    from: IpAddr,
    turn: oneshot::Sender<Turn>,
}

/// The one turn, given to the next when dropped.
#[derive(Debug)]
pub(super) struct Turn(Arc<Mutex<Places>>);

impl Queue {
    /// Waits for the turn; `None` for whom there is no place, or no longer one.
    pub(super) async fn turn(&self, from: IpAddr) -> Option<Turn> {
        let (turn, given) = oneshot::channel();
        let next = {
            let mut places = locked(&self.0);
            if !places.has_room_for(from) {
                return None;
            }
            places.waiting.push_back(Waiting { from, turn });
            if places.now.is_none() { places.next() } else { None }
        };
        give(&self.0, next);
        given.await.ok()
    }

    /// The turn, and all further places taken from one address.
    #[cfg(test)]
    pub(super) async fn filled(&self, from: IpAddr) -> (Turn, Vec<oneshot::Receiver<Turn>>) {
        let turn = self.turn(from).await.unwrap();
        let wait = |_| {
            let (turn, given) = oneshot::channel();
            locked(&self.0).waiting.push_back(Waiting { from, turn });
            given
        };
        (turn, (1..LONGEST_QUEUE).map(wait).collect())
    }
}

impl Places {
    /// True where there is a place, if need be one that is taken from the address with most.
    fn has_room_for(&mut self, from: IpAddr) -> bool {
        self.waiting.retain(|waiting| !waiting.turn.is_closed());
        if self.waiting.len() + usize::from(self.now.is_some()) < LONGEST_QUEUE {
            return true;
        }
        let own = self.of(from);
        // Of those that came last: who has waited long is not sent away for who comes.
        let most = (0..self.waiting.len()).max_by_key(|at| (self.of(self.waiting[*at].from), *at));
        match most {
            Some(at) if self.of(self.waiting[at].from) > own + 1 => self.waiting.remove(at).is_some(),
            _ => false,
        }
    }

    /// How many places an address has.
    fn of(&self, from: IpAddr) -> usize {
        let waiting = self.waiting.iter().filter(|waiting| waiting.from == from);
        waiting.count() + usize::from(self.now == Some(from))
    }

    /// Whose turn it is after this one.
    fn next(&mut self) -> Option<Waiting> {
        let another = |waiting: &Waiting| Some(waiting.from) != self.now;
        let at = self.waiting.iter().position(another).unwrap_or(0);
        let next = self.waiting.remove(at);
        self.now = next.as_ref().map(|waiting| waiting.from);
        next
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = locked(&self.0).next();
        give(&self.0, next);
    }
}

/// Who has hung up meanwhile leaves the turn behind, and it is dropped for the next but one. Not to be called with the places locked.
fn give(places: &Arc<Mutex<Places>>, next: Option<Waiting>) {
    if let Some(next) = next {
        let _ = next.turn.send(Turn(Arc::clone(places)));
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn address(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn polled<T>(wait: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        wait.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn who_comes_from_elsewhere_gets_a_place_and_the_next_turn() {
        let queue = Queue::default();
        let (turn, mut guesses) = queue.filled(address(1)).await;
        let mut newcomer = pin!(queue.turn(address(2)));
        assert!(polled(newcomer.as_mut()).is_pending());
        // A guess has gone for it, the one that came last, and no further one comes in.
        assert!(guesses.pop().unwrap().try_recv().is_err());
        assert!(queue.turn(address(1)).await.is_none());
        drop(turn);
        assert!(guesses.iter_mut().all(|guess| guess.try_recv().is_err()));
        let Poll::Ready(Some(turn)) = polled(newcomer) else {
            panic!("his turn is not the next")
        };
        // And then the guesses', in their order.
        drop(turn);
        assert!(guesses[0].try_recv().is_ok() && guesses[1].try_recv().is_ok());
    }

    #[tokio::test]
    async fn an_address_with_one_place_keeps_it_whoever_comes() {
        let queue = Queue::default();
        let _full = queue.filled(address(1)).await;
        let mut first = Box::pin(queue.turn(address(2)));
        assert!(polled(first.as_mut()).is_pending());
        let mut others: Vec<_> = (3..10)
            .map(|number| Box::pin(queue.turn(address(number))))
            .collect();
        others.retain_mut(|other| polled(other.as_mut()).is_pending());
        // Five addresses have one place each, and a sixth has none.
        assert_eq!(others.len(), 3);
        assert!(polled(first.as_mut()).is_pending());
    }

    #[tokio::test]
    async fn who_hangs_up_leaves_his_place_and_passes_the_turn_on() {
        let queue = Queue::default();
        let (turn, mut waiting) = queue.filled(address(1)).await;
        drop(waiting.remove(0));
        let mut last = pin!(queue.turn(address(1)));
        assert!(polled(last.as_mut()).is_pending());
        // One of them was given the turn and has not looked yet.
        drop(turn);
        drop(waiting);
        assert!(matches!(polled(last), Poll::Ready(Some(_))));
        assert!(locked(&queue.0).now.is_none());
    }
}
