//! Rounds of questions by a clock that goes on as the board wants it.

use std::collections::BTreeMap;

use rustix::time::{ClockId, clock_gettime};

use super::*;
use crate::model::device::DeviceNumber;
use crate::model::mount::HALF_FULL as USAGE;

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
    /// The mount that never answers, whatever its filesystem does.
    dead_mount: Option<&'static str>,
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
            dead_mount: None,
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
            let path = call.question().path.to_str();
            let takes = takes.filter(|_| path != self.dead_mount);
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
fn a_mount_that_hangs_takes_back_no_answer_of_another_of_its_filesystem() {
    let pod = |pod: u32| Question {
        path: format!("/pod-{pod}").into(),
        ..asked(60, Responder::Other(None))
    };
    let mut machine = Machine::new((0..4).map(pod).collect());
    machine.board = Board::new(Patience::OF_A_COMMAND);
    machine.dead_mount = Some("/pod-2");
    let silent = Err(UsageError::NotResponding);
    for expected in [
        [Ok(USAGE), Ok(USAGE), silent.clone(), silent.clone()],
        // While one hangs none is asked.
        [silent.clone(), silent.clone(), silent.clone(), silent.clone()],
    ] {
        machine.wait_for(milliseconds(15_000));
        let (answers, _) = machine.ask_until(machine.now + milliseconds(3_000));
        assert_eq!(answers, expected);
    }
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

/// The processor's time that this thread had for two rounds of so many mounts of one filesystem, beside another with as many.
fn time_of_mounts(number: u32) -> Duration {
    let time = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let mount = |minor| {
        move |at| Question {
            path: format!("/pod-{at}").into(),
            ..asked(minor, Responder::Kernel)
        }
    };
    let questions = (0..number).map(mount(60)).chain((0..number).map(mount(61)));
    let mut machine = Machine::new(questions.collect());
    let began = time();
    for _ in 0..2 {
        machine.ask();
        machine.questions = Questions::new(machine.questions.iter().cloned());
    }
    time().saturating_sub(began)
}

/// Pods have folders of one filesystem by the thousand.
#[test]
fn mounts_of_one_filesystem_take_time_in_proportion() {
    let fastest = |number| (0..3).map(|_| time_of_mounts(number)).min().unwrap();
    let (few, many) = (fastest(500), fastest(8_000));
    assert!(
        many < few * 64,
        "500 took {few:?}, sixteen times as many {many:?}"
    );
}
