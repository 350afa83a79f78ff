//! Who is let in.
//!
//! A hash of bcrypt is made to be slow: at the usual cost of 10 it takes some 60 ms of the processor, at 12 a quarter of a second. Against
//! what that could be used for:
//!
//! - **Who was let in once is remembered**, by a mark of name, hash and password, one for each user; so a scrape costs microseconds. With a
//!   new hash in the file the mark fits no longer. The last wrong ones are remembered as well, apart from those: a scraper with an old
//!   password costs one hash and not one every minute, and nobody drives out what is remembered of a user by guessing.
//! - **Hashes are made on a thread**, so that all others are answered meanwhile, and **one at a time**. After a wrong one the next has to
//!   wait for three times as long as it took: guessing takes a quarter of one processor at most. Who is remembered waits for nothing of
//!   this.
//! - **[`LONGEST_QUEUE`] requests wait at most, and addresses share them** (`queue.rs`): whoever guesses on many connections has to leave
//!   a place to who comes from elsewhere, whose turn is then the next. Requests of the guesser's own address that find no place are
//!   answered 503 at once.
//! - **A name that is not there takes the same time**: the password is held against the hash of one who is, always the same for that name,
//!   and what comes of it is not looked at.
//!
//! Tokens are long and random, so a mark of them is compared and no slow hash is needed.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use tokio::sync::oneshot;

use super::configuration::Settings;
use super::credentials::{Mark, Marks, PasswordHash};
use super::queue::{Queue, Turn};
use crate::lock::locked;

/// What stands for the address of whoever has none.
const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// So many wrong passwords are remembered.
const WRONG_REMEMBERED: usize = 64;
/// After a wrong password the next has to wait for so many times as long as it took.
const PAUSE: u32 = 3;

/// What is said to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Admitted,
    Refused,
    /// Too many others wait.
    Busy,
}

/// What is remembered.
#[derive(Debug, Default)]
struct Remembered {
    right: BTreeMap<String, Mark>,
    wrong: VecDeque<Mark>,
}

impl Remembered {
    fn note(&mut self, user: String, mark: Mark, is_right: bool) {
        if is_right {
            self.right.insert(user, mark);
        } else {
            self.wrong.push_back(mark);
            if self.wrong.len() > WRONG_REMEMBERED {
                self.wrong.pop_front();
            }
        }
    }
}

/// Decides.
#[derive(Debug)]
pub(super) struct Gate {
    remembered: Arc<Mutex<Remembered>>,
    queue: Queue,
}

impl Gate {
    /// Nobody is remembered yet.
    pub(super) fn new() -> Self {
        Self {
            remembered: Arc::default(),
            queue: Queue::default(),
        }
    }

    /// Looks at the header `Authorization` of a request from this address.
    pub(super) async fn verdict(
        &self,
        settings: &Settings,
        marks: &Marks,
        from: Option<IpAddr>,
        header: Option<&HeaderValue>,
    ) -> Verdict {
        let header = header.map(HeaderValue::as_bytes).unwrap_or_default();
        let at = header.iter().position(|byte| *byte == b' ');
        let Some((scheme, credentials)) = at.map(|at| (&header[..at], header[at..].trim_ascii())) else {
            return Verdict::Refused;
        };
        if scheme.eq_ignore_ascii_case(b"Bearer") {
            let mark = marks.of_token(credentials);
            return if settings.tokens.contains(&mark) {
                Verdict::Admitted
            } else {
                Verdict::Refused
            };
        }
        if !scheme.eq_ignore_ascii_case(b"Basic") {
            return Verdict::Refused;
        }
        let Some((user, password)) = user_and_password(credentials) else {
            return Verdict::Refused;
        };
        let known = settings.users.get(&user);
        let Some(hash) = known.or_else(|| somebody(settings, marks.number_of(&user))) else {
            return Verdict::Refused;
        };
        let attempt = Attempt {
            mark: marks.of_password(known.is_some(), &user, hash, &password),
            user,
            is_known: known.is_some(),
            hash: hash.clone(),
            password,
        };
        self.check(from, attempt).await
    }

    async fn check(&self, from: Option<IpAddr>, attempt: Attempt) -> Verdict {
        if let Some(verdict) = self.remembered(&attempt) {
            return verdict;
        }
        let Some(turn) = self.queue.turn(from.unwrap_or(NO_ADDRESS)).await else {
            return Verdict::Busy;
        };
        // Two of a kind scrape at the same time, as a rule.
        if let Some(verdict) = self.remembered(&attempt) {
            return verdict;
        }
        let (answer, verdict) = oneshot::channel();
        let remembered = Arc::clone(&self.remembered);
        let work = move || attempt.carry_out(&remembered, turn, answer);
        if let Err(error) = std::thread::Builder::new().spawn(work) {
            tracing::warn!("cannot check a password: no thread can be had: {error}");
            return Verdict::Busy;
        }
        verdict.await.unwrap_or(Verdict::Busy)
    }

    fn remembered(&self, attempt: &Attempt) -> Option<Verdict> {
        let remembered = locked(&self.remembered);
        if remembered.right.get(&attempt.user) == Some(&attempt.mark) {
            return Some(Verdict::Admitted);
        }
        remembered
            .wrong
            .contains(&attempt.mark)
            .then_some(Verdict::Refused)
    }
}

/// The hash of one of the users: always the same one for a number.
fn somebody(settings: &Settings, number: u64) -> Option<&PasswordHash> {
    let users = settings.users.len() as u64;
    let at = number.checked_rem(users)?;
    settings.users.values().nth(usize::try_from(at).ok()?)
}

/// The two in what stands behind `Basic`; `None` where that is not as RFC 7617 has it.
pub fn user_and_password(credentials: &[u8]) -> Option<(String, Vec<u8>)> {
    let decoded = STANDARD.decode(credentials).ok()?;
    let at = decoded.iter().position(|byte| *byte == b':')?;
    let user = String::from_utf8(decoded[..at].to_vec()).ok()?;
    Some((user, decoded[at + 1..].to_vec()))
}

/// A password that somebody came with.
struct Attempt {
    user: String,
    is_known: bool,
    hash: PasswordHash,
    password: Vec<u8>,
    mark: Mark,
}

impl Attempt {
    /// Checks it, for as long as that takes. What comes of it is remembered even where nobody waits for it any more.
    fn carry_out(self, remembered: &Mutex<Remembered>, turn: Turn, answer: oneshot::Sender<Verdict>) {
        let began = Instant::now();
        let is_right = self.hash.is_of(&self.password) && self.is_known;
        let took = began.elapsed();
        locked(remembered).note(self.user, self.mark, is_right);
        let _ = answer.send(if is_right {
            Verdict::Admitted
        } else {
            Verdict::Refused
        });
        if !is_right {
            std::thread::sleep(took * PAUSE);
        }
        drop(turn);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::serve::web::configuration::Settings;

    /// Of the password `a`, with a cost of 6.
    const HASH: &str = "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";

    fn settings() -> Settings {
        Settings::of_users([("known".to_owned(), PasswordHash::parse(HASH).unwrap())])
    }

    fn header(user: &str, password: &str) -> HeaderValue {
        let told = STANDARD.encode(format!("{user}:{password}"));
        HeaderValue::from_str(&format!("Basic {told}")).unwrap()
    }

    #[tokio::test]
    async fn a_name_that_is_not_there_takes_as_long_as_one_that_is() {
        let (marks, settings) = (Marks::new().unwrap(), settings());
        // By turns, so that whatever else the machine does meets both.
        let [mut known, mut unknown] = [Duration::MAX; 2];
        for number in 0..20 {
            for (user, shortest) in [("known", &mut known), ("unknown", &mut unknown)] {
                let gate = Gate::new();
                let header = header(user, &format!("wrong-{number}"));
                let began = Instant::now();
                let verdict = gate.verdict(&settings, &marks, None, Some(&header)).await;
                *shortest = began.elapsed().min(*shortest);
                assert_eq!(verdict, Verdict::Refused);
            }
        }
        assert!(
            unknown > known / 2 && known > unknown / 2,
            "{known:?} and {unknown:?}"
        );
    }

    #[tokio::test]
    async fn what_is_remembered_needs_no_turn_and_wrong_ones_do_not_drive_it_out() {
        let (gate, marks, settings) = (Gate::new(), Marks::new().unwrap(), settings());
        let right = header("known", "a");
        assert_eq!(
            gate.verdict(&settings, &marks, None, Some(&right)).await,
            Verdict::Admitted
        );
        for number in 0..2 * WRONG_REMEMBERED {
            let mark = marks.of_token(&number.to_le_bytes());
            locked(&gate.remembered).note("known".to_owned(), mark, false);
        }
        assert_eq!(locked(&gate.remembered).wrong.len(), WRONG_REMEMBERED);
        let _full = gate.queue.filled(NO_ADDRESS).await;
        assert_eq!(
            gate.verdict(&settings, &marks, None, Some(&right)).await,
            Verdict::Admitted
        );
        let new = header("known", "c");
        assert_eq!(
            gate.verdict(&settings, &marks, None, Some(&new)).await,
            Verdict::Busy
        );
    }
}
