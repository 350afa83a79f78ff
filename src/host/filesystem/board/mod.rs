//! Who is asked next, by how many threads, and how long an answer is worth waiting for.
//!
//! Nothing here asks, waits or looks at a clock: threads come here for work, and whoever asks for advice.
//!
//! - Those who were slow when they came back last are begun first, each on a thread of its own, and waited for twice that long.
//!   Then come those that the kernel answers for, and then others, whose server or program may be silent.
//! - Of a round in which something hangs nobody waits longer than the [`Patience`]'s grace for what was not known to be slow, and
//!   what hangs is not waited for again.
//! - Threads are limited, and so is what the silent may hold of them: of one server, and of all.

mod waiting;

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::calls::{Call, Calls, MOST_OF_ONE_SERVER};
use super::patience::{Pace, Patience};
use super::{Answer, Question, Questions, Responder};
use crate::model::device::DeviceNumber;
use crate::model::mount::UsageError;

/// While questions wait, one more thread is taken after each such time.
const PACE: Duration = Duration::from_millis(2);
/// At most so many threads, stuck ones among them.
const MOST_WORKERS: usize = 16;

/// What whoever asks has to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Wake the worker that is idle.
    Wake,
    /// Start a worker; [`Board::nobody_came`] where none can be had.
    Hire,
    /// Wait until then, or until a worker says that all answers are there.
    Wait(Instant),
    /// Go on with the answers that there are.
    Done,
}

/// One filesystem, of which there may be questions about thousands of mounts.
#[derive(Debug)]
struct Filesystem {
    /// Where they stand.
    questions: Range<usize>,
    /// How long the last call took that came back.
    took: Option<Duration>,
    /// Its turn in the round.
    turn: u8,
}

/// One round of questions at a time, and the calls of this and earlier rounds that have not come back.
#[derive(Debug)]
pub(super) struct Board {
    patience: Patience,
    questions: Questions,
    /// In order of their numbers, as the questions are.
    filesystems: Vec<Filesystem>,
    /// For each question of the round; empty between rounds.
    answers: Vec<Answer>,
    /// For each filesystem that is not being asked its turn, and where the first of its questions stands that nobody has begun: in order.
    waiting: VecDeque<(u8, usize)>,
    /// Answers of the round that are to come.
    missing: usize,
    round: u64,
    /// When the round was begun, and when it may take one more thread.
    times: Option<(Instant, Instant)>,
    /// Threads that the round needs at once.
    wanted: usize,
    /// True where a thread could not be had in this round.
    refused: bool,
    /// At most one for each filesystem and for each worker.
    in_flight: Calls,
    workers: usize,
    /// Workers that were started and have not come for work yet.
    coming: usize,
    is_idle: bool,
    is_woken: bool,
}

/// For whoever asks.
impl Board {
    /// A board on which nothing stands yet.
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            patience,
            questions: Questions::default(),
            filesystems: Vec::new(),
            answers: Vec::new(),
            waiting: VecDeque::new(),
            missing: 0,
            round: 0,
            times: None,
            wanted: 0,
            refused: false,
            in_flight: Calls::default(),
            workers: 0,
            coming: 0,
            is_idle: false,
            is_woken: false,
        }
    }

    /// Begins a round.
    pub(super) fn open(&mut self, questions: &Questions, now: Instant) {
        if !self.questions.is(questions) {
            self.filesystems = self.filesystems_of(questions);
            self.questions = questions.clone();
        }
        self.round += 1;
        self.times = Some((now, now + PACE));
        self.refused = false;
        self.answers = vec![Err(UsageError::Slow); questions.len()];
        self.waiting.clear();
        self.missing = 0;
        for place in 0..self.filesystems.len() {
            let first = self.filesystems[place].questions.start;
            let turn = self.turn(first);
            let filesystem = &mut self.filesystems[place];
            filesystem.turn = turn;
            // A filesystem that is still being asked since an earlier round is stuck: it is not waited for again.
            if !self.in_flight.is_asked(questions[first].number) {
                self.waiting.push_back((turn, first));
                self.missing += filesystem.questions.len();
            }
        }
        self.waiting.make_contiguous().sort_unstable();
        self.wanted = self.threads_for_all();
    }

    /// What is to be done `now`. Slow filesystems are not waited for beyond `deadline`.
    pub(super) fn step(&mut self, now: Instant, deadline: Instant) -> Step {
        let Some(until) = self.worth_waiting_until(now, deadline) else {
            return Step::Done;
        };
        let Some((_, next)) = &mut self.times else {
            return Step::Done;
        };
        let is_time = *next <= now;
        if is_time {
            *next = now + PACE;
        }
        let next = *next;
        if self.next().is_none() {
            return Step::Wait(until);
        }
        // Who is on his way takes one of them.
        if self.wanted > 0 || (is_time && !self.is_somebody_coming()) {
            self.wanted = self.wanted.saturating_sub(1);
            if self.is_idle && !self.is_woken {
                self.is_woken = true;
                return Step::Wake;
            }
            if self.can_hire() {
                self.workers += 1;
                self.coming += 1;
                return Step::Hire;
            }
            self.wanted = 0;
        }
        Step::Wait(if self.can_hire() { until.min(next) } else { until })
    }

    /// Says that no thread could be had.
    pub(super) fn nobody_came(&mut self) {
        self.workers -= 1;
        self.coming -= 1;
        self.refused = true;
    }

    /// Ends the round: the answers in the order of the questions. What nobody has begun is asked afresh next time.
    pub(super) fn close(&mut self, now: Instant) -> Vec<Answer> {
        let mut answers = std::mem::take(&mut self.answers);
        for (_, first) in &self.waiting {
            let why = self.why_not_begun(&self.questions[*first], now);
            let last = self.filesystem(*first).questions.end;
            answers[*first..last].fill(Err(why));
        }
        self.waiting.clear();
        for stuck in self.in_flight.iter().filter(|call| call.is_stuck(now)) {
            // What other mounts of the filesystem were answered before is as good as it was.
            let of_same = self.questions.of(stuck.number());
            for answer in answers[of_same].iter_mut().filter(|answer| answer.is_err()) {
                *answer = Err(UsageError::NotResponding);
            }
        }
        answers
    }
}

/// For workers.
impl Board {
    /// Says that a worker that was started is there.
    pub(super) fn arrive(&mut self) {
        self.coming -= 1;
    }

    /// What is to be asked next; `None` where there is nothing for this worker.
    pub(super) fn begin(&mut self, now: Instant) -> Option<Call> {
        let place = self.next()?;
        let (_, at) = self.waiting.remove(place)?;
        let call = Call {
            questions: self.questions.clone(),
            at,
            begun: now,
            round: self.round,
        };
        self.in_flight.push(call.clone());
        Some(call)
    }

    /// Takes an answer. True where it was the last one that may come in this round: waking whoever asks for each would make him look
    /// through them as often as there are answers.
    pub(super) fn end(&mut self, call: &Call, answer: Answer, now: Instant) -> bool {
        self.in_flight.retain(|other| other.number() != call.number());
        let took = now.saturating_duration_since(call.begun);
        if let Some(place) = self.place_of(call.number()) {
            self.filesystems[place].took = Some(took);
        }
        // What comes after its round is of no use any more, but that it has come.
        if call.round == self.round
            && let Some(place) = self.answers.get_mut(call.at)
        {
            *place = answer;
            self.missing -= 1;
            self.put_back(call.at + 1);
            let is_any_to_come = self.in_flight.iter().any(|other| other.round == self.round);
            return !is_any_to_come && self.next().is_none();
        }
        false
    }

    /// True where a worker without work shall wait to be woken. Of idle ones one is enough.
    pub(super) fn rest(&mut self) -> bool {
        if self.is_idle {
            self.workers -= 1;
            return false;
        }
        self.is_idle = true;
        true
    }

    /// True once for each time that the idle worker is called.
    pub(super) fn is_called(&mut self) -> bool {
        let is_called = std::mem::take(&mut self.is_woken);
        self.is_idle &= !is_called;
        is_called
    }
}

impl Board {
    /// The filesystems of these questions, with what is known of them.
    fn filesystems_of(&self, questions: &Questions) -> Vec<Filesystem> {
        let mut first = 0;
        let of_one = questions.chunk_by(|one, other| one.number == other.number);
        let filesystems = of_one.map(|of_one| {
            let known = self.place_of(of_one[0].number);
            let filesystem = Filesystem {
                questions: first..first + of_one.len(),
                took: known.and_then(|place| self.filesystems[place].took),
                turn: 0,
            };
            first = filesystem.questions.end;
            filesystem
        });
        filesystems.collect()
    }

    /// Where the filesystem with this number stands.
    fn place_of(&self, number: DeviceNumber) -> Option<usize> {
        let number_of = |filesystem: &Filesystem| self.questions[filesystem.questions.start].number;
        self.filesystems.binary_search_by_key(&number, number_of).ok()
    }

    /// The filesystem of the question at this place.
    fn filesystem(&self, at: usize) -> &Filesystem {
        let place = self
            .filesystems
            .partition_point(|other| other.questions.end <= at);
        &self.filesystems[place]
    }

    /// Lets a question wait in its filesystem's turn, where it is one of the same as the question before, which has been answered.
    fn put_back(&mut self, at: usize) {
        let before = self.filesystem(at - 1);
        if before.questions.contains(&at) {
            let next = (before.turn, at);
            let place = self.waiting.partition_point(|other| *other < next);
            self.waiting.insert(place, next);
        }
    }

    /// Whose turn comes first.
    fn turn(&self, at: usize) -> u8 {
        match (self.pace(at), &self.questions[at].responder) {
            (Pace::Slow(_), _) => 0,
            (Pace::Quick, Responder::Kernel) => 1,
            (Pace::Unknown, Responder::Kernel) => 2,
            (Pace::Quick, Responder::Other(_)) => 3,
            (Pace::Unknown, Responder::Other(_)) => 4,
        }
    }

    fn is_the_kernels(&self, at: usize) -> bool {
        self.questions[at].responder == Responder::Kernel
    }

    fn pace(&self, at: usize) -> Pace {
        Pace::of(self.filesystem(at).took, self.patience)
    }

    /// One thread for each slow filesystem, as far as its server is asked at once, and one for all others.
    fn threads_for_all(&self) -> usize {
        let is_slow = |(_, at): &&(u8, usize)| matches!(self.pace(*at), Pace::Slow(_));
        let slow = self.waiting.iter().take_while(is_slow).count();
        let at_once = (0..slow).filter(|place| {
            let question = |place: &usize| &self.questions[self.waiting[*place].1];
            let responder = &question(place).responder;
            let before = (0..*place).filter(|other| responder.is_same_server(&question(other).responder));
            before.take(MOST_OF_ONE_SERVER).count() < MOST_OF_ONE_SERVER
        });
        at_once.take(MOST_WORKERS).count() + usize::from(slow < self.waiting.len())
    }

    /// The first of those waiting that can be begun.
    fn next(&self) -> Option<usize> {
        let mut waiting = self.waiting.iter();
        waiting.position(|(_, at)| self.can_begin(&self.questions[*at]))
    }

    /// One call for each filesystem: twenty pods with one dead server would else take twenty threads, and leave none for the others.
    fn can_begin(&self, question: &Question) -> bool {
        !self.in_flight.is_asked(question.number) && !self.in_flight.is_shut_out(question, |_| true)
    }

    fn can_hire(&self) -> bool {
        !self.refused && self.workers < MOST_WORKERS
    }

    fn is_somebody_coming(&self) -> bool {
        self.coming > 0 || self.is_woken
    }

    fn why_not_begun(&self, question: &Question, now: Instant) -> UsageError {
        let is_stuck = |call: &Call| call.is_stuck(now);
        let stuck = self.in_flight.iter().filter(|call| is_stuck(call)).count();
        if self.in_flight.is_asked(question.number) {
            UsageError::Slow
        } else if self.refused {
            UsageError::NoThread
        } else if stuck >= MOST_WORKERS || self.in_flight.is_shut_out(question, is_stuck) {
            UsageError::NotAsked
        } else {
            UsageError::Slow
        }
    }
}

#[cfg(test)]
mod tests;
