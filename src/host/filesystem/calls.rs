//! The calls that have not come back, and what the silent may hold of the threads.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use super::{Question, Questions, Responder};
use crate::model::device::DeviceNumber;

/// A call is called stuck when it has not come back for so long; before that it is only slow.
pub(super) const STUCK_AFTER: Duration = Duration::from_secs(1);
/// At most so many calls that a server or a program has to answer: the others are this machine's.
const MOST_REMOTE: usize = 12;
/// At most so many calls to one server.
pub(super) const MOST_OF_ONE_SERVER: usize = 4;

/// One question that is being asked.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) questions: Questions,
    /// Where it stands among them.
    pub(super) at: usize,
    pub(super) begun: Instant,
    pub(super) round: u64,
}

impl Call {
    pub(super) fn question(&self) -> &Question {
        &self.questions[self.at]
    }

    pub(super) fn number(&self) -> DeviceNumber {
        self.question().number
    }

    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) >= STUCK_AFTER
    }
}

/// All of them: at most one for each filesystem and for each worker.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

impl Calls {
    /// True while this filesystem is being asked.
    pub(super) fn is_asked(&self, number: DeviceNumber) -> bool {
        self.iter().any(|call| call.number() == number)
    }

    /// Whether such calls hold all the threads that this one might have.
    pub(super) fn is_shut_out(&self, question: &Question, counts: impl Fn(&Call) -> bool) -> bool {
        let Responder::Other(_) = &question.responder else {
            return false;
        };
        let (mut remote, mut of_the_server) = (0, 0);
        for call in self.iter().filter(|call| counts(call)) {
            let other = &call.question().responder;
            remote += usize::from(matches!(other, Responder::Other(_)));
            of_the_server += usize::from(question.responder.is_same_server(other));
        }
        remote >= MOST_REMOTE || of_the_server >= MOST_OF_ONE_SERVER
    }
}

impl Deref for Calls {
    type Target = Vec<Call>;

    fn deref(&self) -> &Vec<Call> {
        &self.0
    }
}

impl DerefMut for Calls {
    fn deref_mut(&mut self) -> &mut Vec<Call> {
        &mut self.0
    }
}
