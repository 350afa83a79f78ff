//! Who is asked next, by how many threads, and how long an answer is worth waiting for.
//!
//! Nothing here asks, waits or looks at a clock: threads come here for work, and whoever asks for advice.
//!
//! - Those who were slow when they came back last are begun first, each on a thread of its own, and waited for twice that long.
//!   Then come those that the kernel answers for, and then others, whose server or program may be silent.
//! - Of a round in which something hangs nobody waits longer than the [`Patience`]'s grace for what was not known to be slow, and
//!   what hangs is not waited for again.
//! - Threads are limited, and so is what the silent may hold of them: of one server, and of all.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Answer, Question, Questions, Responder};
use crate::model::device::DeviceNumber;
use crate::model::mount::UsageError;

/// How long answers are waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// So long in any case. A healthy filesystem of this machine answers in microseconds.
    grace: Duration,
    /// Nothing is waited for longer.
    longest: Duration,
}

impl Patience {
    /// Of whoever asks again and again: who does not answer in time has figures the next time.
    pub const OF_A_SERVER: Self = Self {
        grace: Duration::from_millis(20),
        longest: Duration::from_millis(200),
    };
    /// Of whoever asks once: there is no next time.
    pub const OF_A_COMMAND: Self = Self {
        // Whatever has not come back by then is stuck, and is called so.
        grace: Duration::from_millis(STUCK_AFTER.as_millis() as u64 + 100),
        longest: Duration::from_secs(2),
    };
}

/// A filesystem that took longer is slow: others are not made to wait behind it.
const QUICK: Duration = Duration::from_millis(5);
/// While questions wait, one more thread is taken after each such time.
const PACE: Duration = Duration::from_millis(2);
/// A call is called stuck when it has not come back for so long; before that it is only slow.
const STUCK_AFTER: Duration = Duration::from_secs(1);
/// At most so many threads, stuck ones among them.
const MOST_WORKERS: usize = 16;
/// At most so many calls that a server or a program has to answer: the others are this machine's.
const MOST_REMOTE: usize = 12;
/// At most so many calls to one server.
const MOST_OF_ONE_SERVER: usize = 4;

/// One question that is being asked.
#[derive(Debug, Clone)]
pub(super) struct Call {
    questions: Questions,
    at: usize,
    begun: Instant,
    round: u64,
}

impl Call {
    pub(super) fn question(&self) -> &Question {
        &self.questions[self.at]
    }

    fn number(&self) -> DeviceNumber {
        self.question().number
    }

    fn is_stuck(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) >= STUCK_AFTER
    }
}

/// What is known of how long a filesystem takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// It has never come back, or so late that it says nothing of the next time.
    Unknown,
    Quick,
    /// It is worth waiting for so long.
    Slow(Duration),
}

impl Pace {
    fn of(took: Option<Duration>, patience: Patience) -> Self {
        match took {
            Some(took) if took <= QUICK => Self::Quick,
            Some(took) if took <= patience.longest => {
                Self::Slow((2 * took).clamp(patience.grace, patience.longest))
            }
            _ => Self::Unknown,
        }
    }
}

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

/// One round of questions at a time, and the calls of this and earlier rounds that have not come back.
#[derive(Debug)]
pub(super) struct Board {
    patience: Patience,
    questions: Questions,
    /// For each question how long the last call took that came back from its filesystem.
    took: Vec<Option<Duration>>,
    /// For each question of the round; empty between rounds.
    answers: Vec<Answer>,
    /// Where the questions of the round stand that nobody has begun, in their turn.
    waiting: VecDeque<usize>,
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
    in_flight: Vec<Call>,
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
            took: Vec::new(),
            answers: Vec::new(),
            waiting: VecDeque::new(),
            missing: 0,
            round: 0,
            times: None,
            wanted: 0,
            refused: false,
            in_flight: Vec::new(),
            workers: 0,
            coming: 0,
            is_idle: false,
            is_woken: false,
        }
    }

    /// Begins a round.
    pub(super) fn open(&mut self, questions: &Questions, now: Instant) {
        if !self.questions.is(questions) {
            self.took = questions.iter().map(|question| self.known(question)).collect();
            self.questions = questions.clone();
        }
        self.round += 1;
        self.times = Some((now, now + PACE));
        self.refused = false;
        self.answers = vec![Err(UsageError::Slow); questions.len()];
        self.waiting.clear();
        for turn in 0..Self::TURNS {
            for (at, question) in questions.iter().enumerate() {
                // A filesystem that is still being asked since an earlier round is stuck: it is not waited for again.
                if self.turn(at) == turn && !self.is_asked(question.number) {
                    self.waiting.push_back(at);
                }
            }
        }
        self.missing = self.waiting.len();
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
        for at in &self.waiting {
            answers[*at] = Err(self.why_not_begun(&self.questions[*at], now));
        }
        self.waiting.clear();
        for stuck in self.in_flight.iter().filter(|call| call.is_stuck(now)) {
            for at in self.questions.of(stuck.number()) {
                answers[at] = Err(UsageError::NotResponding);
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
        let at = self.waiting.remove(place)?;
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
        for at in self.questions.of(call.number()) {
            self.took[at] = Some(took);
        }
        // What comes after its round is of no use any more, but that it has come.
        if call.round == self.round
            && let Some(place) = self.answers.get_mut(call.at)
        {
            *place = answer;
            self.missing -= 1;
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
    const TURNS: u8 = 5;

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
        Pace::of(self.took[at], self.patience)
    }

    /// How long the last call took that came back from its filesystem.
    fn known(&self, question: &Question) -> Option<Duration> {
        let mut known = self.questions.of(question.number);
        self.took[known.next()?]
    }

    fn is_asked(&self, number: DeviceNumber) -> bool {
        self.in_flight.iter().any(|call| call.number() == number)
    }

    /// One thread for each slow filesystem, as far as its server is asked at once, and one for all others.
    fn threads_for_all(&self) -> usize {
        let is_slow = |at: &&usize| matches!(self.pace(**at), Pace::Slow(_));
        let slow = self.waiting.iter().take_while(is_slow).count();
        let at_once = (0..slow).filter(|place| {
            let question = |place: &usize| &self.questions[self.waiting[*place]];
            let responder = &question(place).responder;
            let before = (0..*place).filter(|other| responder.is_same_server(&question(other).responder));
            before.take(MOST_OF_ONE_SERVER).count() < MOST_OF_ONE_SERVER
        });
        at_once.take(MOST_WORKERS).count() + usize::from(slow < self.waiting.len())
    }

    /// The first of those waiting that can be begun.
    fn next(&self) -> Option<usize> {
        let mut waiting = self.waiting.iter();
        waiting.position(|at| self.can_begin(&self.questions[*at]))
    }

    /// One call for each filesystem: twenty pods with one dead server would else take twenty threads, and leave none for the others.
    fn can_begin(&self, question: &Question) -> bool {
        !self.is_asked(question.number) && !self.is_shut_out(question, |_| true)
    }

    /// Whether such calls hold all the threads that this one might have.
    fn is_shut_out(&self, question: &Question, counts: impl Fn(&Call) -> bool) -> bool {
        let Responder::Other(_) = &question.responder else {
            return false;
        };
        let (mut remote, mut of_the_server) = (0, 0);
        for call in self.in_flight.iter().filter(|call| counts(call)) {
            let other = &call.question().responder;
            remote += usize::from(matches!(other, Responder::Other(_)));
            of_the_server += usize::from(question.responder.is_same_server(other));
        }
        remote >= MOST_REMOTE || of_the_server >= MOST_OF_ONE_SERVER
    }

    fn can_hire(&self) -> bool {
        !self.refused && self.workers < MOST_WORKERS
    }

    fn is_somebody_coming(&self) -> bool {
        self.coming > 0 || self.is_woken
    }

    /// Until when answers that are missing are waited for; `None` where there are none, or none that are worth it.
    fn worth_waiting_until(&self, now: Instant, deadline: Instant) -> Option<Instant> {
        let (begun, _) = self.times.filter(|_| self.missing > 0)?;
        let grace = begun + self.patience.grace;
        // A deadline that has passed costs the slow their figures, and not everybody.
        let last = deadline.max(grace).min(begun + self.patience.longest);
        let of_this_round = || self.in_flight.iter().filter(|call| call.round == self.round);
        let is_quick = |call: &&Call| self.pace(call.at) == Pace::Quick;
        let quick = of_this_round().filter(is_quick).map(|call| call.begun).min();
        // Who was quick and does not come back hangs, and who waits behind it waits in vain.
        let quick = quick.map(|first| first + self.patience.grace);
        let of_calls = of_this_round().map(|call| match self.pace(call.at) {
            // What the kernel answers for by itself seldom hangs, and many are asked one after another.
            Pace::Unknown if self.is_the_kernels(call.at) => call.begun + self.patience.grace,
            Pace::Unknown => grace,
            Pace::Quick => quick.unwrap_or(grace),
            Pace::Slow(patience) => call.begun + patience,
        });
        let until = of_calls
            .chain(self.begun_until(grace, quick.unwrap_or(last)))
            .max()?;
        let until = until.min(last);
        (until > now).then_some(until)
    }

    /// Until when it is waited for that what waits is begun: `grace` for who is not known to answer, `longest` for the rest,
    /// since a thread may have to wait for a processor.
    fn begun_until(&self, grace: Instant, longest: Instant) -> Option<Instant> {
        let can_begin = |at: &&usize| self.can_begin(&self.questions[**at]);
        let is_known = |at: &usize| self.pace(*at) != Pace::Unknown || self.is_the_kernels(*at);
        let mut known = self.waiting.iter().filter(can_begin).map(is_known);
        let first = known.next()?;
        if !self.is_somebody_coming() && !self.can_hire() {
            // Those who are there take it when they come back; where nobody is, nobody does.
            let is_anybody_there = self.in_flight.iter().any(|call| call.round == self.round);
            return is_anybody_there.then_some(grace);
        }
        Some(if first || known.any(|is_known| is_known) {
            longest
        } else {
            grace
        })
    }

    fn why_not_begun(&self, question: &Question, now: Instant) -> UsageError {
        let is_stuck = |call: &Call| call.is_stuck(now);
        let stuck = self.in_flight.iter().filter(|call| is_stuck(call)).count();
        if self.is_asked(question.number) {
            UsageError::Slow
        } else if self.refused {
            UsageError::NoThread
        } else if stuck >= MOST_WORKERS || self.is_shut_out(question, is_stuck) {
            UsageError::NotAsked
        } else {
            UsageError::Slow
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::mount::FilesystemUsage;

    const USAGE: FilesystemUsage = FilesystemUsage {
        size: 1 << 30,
        free: 1 << 29,
        available: 1 << 29,
        files: None,
        files_free: None,
        read_only: false,
    };

    const GRACE: Duration = Patience::OF_A_SERVER.grace;
    const LONGEST: Duration = Patience::OF_A_SERVER.longest;

    fn milliseconds(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    fn asked(minor: u32, responder: Responder) -> Question {
        Question {
            number: DeviceNumber::new(0, minor),
            path: "/".into(),
            own_numbers: false,
            mounted_read_only: false,
            responder,
        }
    }

    fn disks(minors: std::ops::Range<u32>) -> Vec<Question> {
        minors.map(|minor| asked(minor, Responder::Kernel)).collect()
    }

    fn of_server(name: &str, minors: std::ops::Range<u32>) -> Vec<Question> {
        let server = || Responder::Other(Some(name.into()));
        minors.map(|minor| asked(minor, server())).collect()
    }

    fn of_programs(minors: std::ops::Range<u32>) -> Vec<Question> {
        minors.map(|minor| asked(minor, Responder::Other(None))).collect()
    }

    /// A machine whose clock goes on as the board wants it.
    struct Machine {
        board: Board,
        questions: Questions,
        now: Instant,
        /// How long filesystems take, by minor number; `None` for ever. Others take ten microseconds.
        takes: BTreeMap<u32, Option<Duration>>,
        /// What is being asked, and until when.
        asked: Vec<(Option<Instant>, Call)>,
        /// Workers on their way, and when they arrive; true for one that was woken.
        coming: Vec<(Instant, bool)>,
        /// How long they take.
        arrives_after: Duration,
        has_threads: bool,
        hired: usize,
    }

    impl Machine {
        fn new(questions: Vec<Question>) -> Self {
            Self {
                board: Board::new(Patience::OF_A_SERVER),
                questions: Questions::new(questions),
                now: Instant::now(),
                takes: BTreeMap::new(),
                asked: Vec::new(),
                coming: Vec::new(),
                arrives_after: Duration::ZERO,
                has_threads: true,
                hired: 0,
            }
        }

        fn with_dead(mut self, minors: std::ops::Range<u32>) -> Self {
            self.takes.extend(minors.map(|minor| (minor, None)));
            self
        }

        fn take(mut self, minors: std::ops::Range<u32>, time: Duration) -> Self {
            self.takes.extend(minors.map(|minor| (minor, Some(time))));
            self
        }

        fn work(&mut self) {
            if let Some(call) = self.board.begin(self.now) {
                let takes = self.takes.get(&call.number().minor).copied();
                let takes = takes.unwrap_or(Some(Duration::from_micros(10)));
                self.asked.push((takes.map(|time| self.now + time), call));
            } else {
                self.board.rest();
            }
        }

        /// Lets all happen that happens until then, or until the last answer is there.
        fn wait(&mut self, until: Instant) {
            loop {
                let ends = self.asked.iter().filter_map(|(end, _)| *end);
                let arrives = self.coming.iter().map(|(at, _)| *at);
                let next = ends.chain(arrives).min().filter(|next| *next <= until);
                self.now = next.unwrap_or(until);
                if next.is_none() {
                    return;
                }
                if let Some(place) = self.coming.iter().position(|(at, _)| *at == self.now) {
                    if self.coming.remove(place).1 {
                        assert!(self.board.is_called());
                    } else {
                        self.board.arrive();
                    }
                } else if let Some(place) = self.asked.iter().position(|(end, _)| *end == Some(self.now)) {
                    let (_, call) = self.asked.remove(place);
                    let is_last = self.board.end(&call, Ok(USAGE), self.now);
                    self.work();
                    if is_last {
                        return;
                    }
                    continue;
                }
                self.work();
            }
        }

        /// The answers, and how long they took.
        fn ask_until(&mut self, deadline: Instant) -> (Vec<Answer>, Duration) {
            let began = self.now;
            self.board.open(&self.questions, began);
            loop {
                match self.board.step(self.now, deadline) {
                    Step::Wake => self.coming.push((self.now + self.arrives_after, true)),
                    Step::Hire if self.has_threads => {
                        self.hired += 1;
                        self.coming.push((self.now + self.arrives_after, false));
                    }
                    Step::Hire => self.board.nobody_came(),
                    Step::Wait(until) => self.wait(until),
                    Step::Done => return (self.board.close(self.now), self.now - began),
                }
            }
        }

        /// The same half a second before the deadline, and fifteen seconds after the round before.
        fn ask(&mut self) -> (Vec<Answer>, Duration) {
            self.wait_for(milliseconds(15_000));
            self.ask_until(self.now + milliseconds(500))
        }

        fn wait_for(&mut self, time: Duration) {
            let until = self.now + time;
            while self.now < until {
                self.wait(until);
            }
        }

        fn answer(&self, answers: &[Answer], minor: u32) -> Answer {
            answers[self.questions.of(DeviceNumber::new(0, minor)).start].clone()
        }

        fn all_answer(&self, answers: &[Answer], minors: std::ops::Range<u32>) -> bool {
            minors
                .into_iter()
                .all(|minor| self.answer(answers, minor).is_ok())
        }

        fn number(answers: &[Answer], error: &UsageError) -> usize {
            let is_it = |answer: &&Answer| answer.as_ref() == Err(error);
            answers.iter().filter(is_it).count()
        }
    }

    #[test]
    fn a_healthy_round_needs_one_worker_and_waits_for_nothing_else() {
        let mut machine = Machine::new([disks(0..100), of_server("filer", 100..150)].concat());
        for _ in 0..5 {
            let (answers, took) = machine.ask();
            assert!(machine.all_answer(&answers, 0..150));
            assert_eq!(took, 150 * Duration::from_micros(10));
        }
        assert_eq!(machine.hired, 1);
    }

    /// On a machine that has hardly a processor to give, the first round of all would else have no figures.
    #[test]
    fn disks_that_were_never_asked_are_waited_for_each_as_long_as_the_others() {
        let mut machine = Machine::new(disks(0..20)).take(0..20, milliseconds(15));
        machine.arrives_after = milliseconds(30);
        let (answers, took) = machine.ask();
        assert!(machine.all_answer(&answers, 0..20));
        assert!(took > GRACE && took < LONGEST, "{took:?}");
    }

    #[test]
    fn mounts_of_one_filesystem_are_asked_one_after_another() {
        let pod = |pod: u32| Question {
            path: format!("/pod-{pod}").into(),
            ..asked(60, Responder::Other(None))
        };
        let questions: Vec<_> = (0..20).map(pod).chain(disks(61..62)).collect();
        let mut machine = Machine::new(questions).with_dead(60..61);
        let (answers, _) = machine.ask();
        assert_eq!(machine.asked.len(), 1);
        assert!(machine.all_answer(&answers, 61..62));
        let (answers, _) = machine.ask();
        assert_eq!(Machine::number(&answers, &UsageError::NotResponding), 20);
    }

    #[test]
    fn however_many_filesystems_of_a_server_are_dead_all_others_have_figures() {
        for dead in [1, 3, 4, 5, 16, 17, 40] {
            let server = of_server("dead", 0..dead);
            let others = [disks(40..60), of_server("filer", 60..80), of_programs(80..82)].concat();
            let mut machine = Machine::new([server, others].concat()).with_dead(0..dead);
            let (answers, took) = machine.ask();
            assert!(machine.all_answer(&answers, 40..82), "{dead}");
            assert_eq!(took, GRACE, "{dead}");
            for _ in 0..3 {
                let (answers, took) = machine.ask();
                assert!(machine.all_answer(&answers, 40..82), "{dead}");
                assert!(took < milliseconds(2), "{dead}: waited for again: {took:?}");
                let silent = Machine::number(&answers, &UsageError::NotResponding);
                let not_asked = Machine::number(&answers, &UsageError::NotAsked);
                let dead = usize::try_from(dead).unwrap();
                assert_eq!((silent, not_asked), (dead.min(4), dead.saturating_sub(4)));
            }
        }
    }

    #[test]
    fn however_many_programs_are_dead_the_machines_own_filesystems_have_figures() {
        for dead in [11, 12, 16, 17, 40] {
            let mut machine = Machine::new([of_programs(0..dead), disks(40..60)].concat()).with_dead(0..dead);
            for _ in 0..4 {
                let (answers, took) = machine.ask();
                assert!(machine.all_answer(&answers, 40..60), "{dead}");
                assert!(took <= GRACE, "{dead}: {took:?}");
            }
            let (answers, _) = machine.ask();
            let silent = Machine::number(&answers, &UsageError::NotResponding);
            let not_asked = Machine::number(&answers, &UsageError::NotAsked);
            let dead = usize::try_from(dead).unwrap();
            assert_eq!((silent, not_asked), (dead.min(12), dead.saturating_sub(12)));
        }
    }

    #[test]
    fn what_has_no_thread_left_is_said_not_to_be_asked() {
        let mut machine = Machine::new([disks(0..17), disks(40..41)].concat()).with_dead(0..17);
        for _ in 0..3 {
            machine.ask();
        }
        let (answers, took) = machine.ask();
        assert_eq!(took, Duration::ZERO);
        assert_eq!(machine.answer(&answers, 40), Err(UsageError::NotAsked));
    }

    #[test]
    fn dead_filesystems_come_back_by_themselves() {
        let others = || [of_server("filer", 40..44), disks(50..52)].concat();
        let mut machine = Machine::new([of_programs(0..20), others()].concat()).with_dead(0..20);
        for _ in 0..4 {
            machine.ask();
        }
        let now = machine.now;
        machine.takes.clear();
        for (end, _) in &mut machine.asked {
            *end = Some(now + milliseconds(1));
        }
        machine.ask();
        let (answers, _) = machine.ask();
        assert!(machine.all_answer(&answers, 0..20) && machine.all_answer(&answers, 40..44));
        assert!(machine.board.workers <= 1);
    }

    #[test]
    fn servers_that_are_far_away_have_figures_at_each_scrape_but_the_first() {
        let far = [(0..1, 25), (1..2, 60), (2..3, 100), (3..5, 12)];
        for far in &far {
            let mut machine = Machine::new([of_server("far", 0..5), disks(5..10)].concat())
                .take(far.0.clone(), milliseconds(far.1));
            machine.ask();
            for _ in 0..3 {
                let (answers, took) = machine.ask();
                assert!(machine.all_answer(&answers, 0..10), "{far:?}: {answers:?}");
                assert_eq!(took, milliseconds(far.1), "{far:?}");
            }
        }
    }

    #[test]
    fn nobody_waits_behind_a_server_that_is_far_away() {
        let mut machine =
            Machine::new([of_server("far", 0..20), disks(20..40)].concat()).take(0..20, milliseconds(25));
        for _ in 0..20 {
            let (answers, took) = machine.ask();
            assert!(machine.all_answer(&answers, 20..40));
            assert!(took <= milliseconds(125), "{took:?}");
        }
        let (answers, took) = machine.ask();
        assert!(machine.all_answer(&answers, 0..40));
        assert_eq!(took, milliseconds(125), "four at a time");
    }

    #[test]
    fn the_slow_are_waited_for_twice_as_long_as_last_and_not_beyond_the_deadline() {
        let mut machine =
            Machine::new([of_server("far", 0..1), disks(1..3)].concat()).take(0..1, milliseconds(60));
        machine.ask();
        assert_eq!(machine.ask().1, milliseconds(60));
        machine.wait_for(milliseconds(15_000));
        let (answers, took) = machine.ask_until(machine.now + milliseconds(40));
        assert_eq!(took, milliseconds(40));
        assert_eq!(machine.answer(&answers, 0), Err(UsageError::Slow));
        assert!(machine.all_answer(&answers, 1..3));
        machine.wait_for(milliseconds(15_000));
        machine.takes.insert(0, None);
        assert_eq!(machine.ask().1, milliseconds(120));
        let (answers, took) = machine.ask();
        assert!(took < milliseconds(1), "waited for again: {took:?}");
        assert_eq!(machine.answer(&answers, 0), Err(UsageError::NotResponding));
    }

    #[test]
    fn whoever_is_slower_than_anybody_waits_for_is_waited_for_like_a_stranger() {
        let mut machine = Machine::new(of_server("far", 0..1)).take(0..1, milliseconds(3_000));
        for _ in 0..3 {
            assert_eq!(machine.ask().1, GRACE);
        }
    }

    #[test]
    fn a_deadline_that_has_passed_leaves_the_grace() {
        let mut machine = Machine::new([of_server("filer", 0..4), disks(4..8)].concat());
        let (answers, _) = machine.ask_until(machine.now);
        assert!(machine.all_answer(&answers, 0..8));
    }

    #[test]
    fn servers_that_die_cost_one_grace_and_nobody_else_his_figures() {
        let mut machine = Machine::new([of_server("filer", 0..40), disks(40..60)].concat());
        machine.ask();
        let mut machine = machine.with_dead(0..40);
        let (answers, took) = machine.ask();
        assert!(machine.all_answer(&answers, 40..60));
        assert!(took <= GRACE + milliseconds(1), "{took:?}");
        assert!(machine.ask().1 < milliseconds(1));
    }

    #[test]
    fn many_quick_answers_take_as_many_threads_as_they_need() {
        let mut machine = Machine::new([of_server("one", 0..100), of_server("other", 100..200)].concat())
            .take(0..200, Duration::from_micros(400));
        for _ in 0..10 {
            machine.ask();
        }
        let (answers, _) = machine.ask();
        assert!(machine.all_answer(&answers, 0..200));
    }

    #[test]
    fn a_worker_that_waits_for_a_processor_costs_nobody_his_figures() {
        let mut machine = Machine::new(disks(0..10));
        machine.ask();
        machine.arrives_after = milliseconds(71);
        let (answers, _) = machine.ask();
        assert!(machine.all_answer(&answers, 0..10));
        assert_eq!(machine.hired, 1, "more threads have no processor either");
    }

    #[test]
    fn without_threads_nobody_waits() {
        let mut machine = Machine::new(disks(0..10));
        machine.has_threads = false;
        let (answers, took) = machine.ask();
        assert_eq!(took, Duration::ZERO);
        assert_eq!(Machine::number(&answers, &UsageError::NoThread), 10);
        machine.has_threads = true;
        let (answers, _) = machine.ask();
        assert!(machine.all_answer(&answers, 0..10));
    }

    #[test]
    fn without_a_second_thread_a_dead_filesystem_costs_one_grace() {
        let mut machine = Machine::new([disks(0..1), disks(1..10)].concat());
        machine.ask();
        machine.has_threads = false;
        let mut machine = machine.with_dead(0..1);
        let (answers, took) = machine.ask();
        assert_eq!(took, GRACE);
        assert_eq!(machine.answer(&answers, 1), Err(UsageError::NoThread));
        let (_, took) = machine.ask();
        assert_eq!(took, Duration::ZERO);
    }

    #[test]
    fn what_is_known_of_a_filesystem_stays_when_others_come_and_go() {
        let mut machine = Machine::new(of_server("far", 0..1)).take(0..1, milliseconds(60));
        machine.ask();
        machine.questions = Questions::new([of_server("far", 0..1), disks(1..3)].concat());
        let (answers, _) = machine.ask();
        assert!(machine.all_answer(&answers, 0..3));
    }

    #[test]
    fn an_answer_to_what_was_asked_before_others_came_is_nobody_elses() {
        let mut machine = Machine::new(disks(1..2)).take(1..2, milliseconds(15_030));
        machine.ask();
        machine.questions = Questions::new(disks(0..2));
        // It comes in the midst of the next round.
        machine.takes.insert(0, Some(milliseconds(15)));
        let (answers, _) = machine.ask();
        assert_eq!(machine.answer(&answers, 1), Err(UsageError::Slow));
        assert!(machine.all_answer(&answers, 0..1));
    }
}
