//! Faults in the log: each when it comes and when it goes, and not in between.
//!
//! Objects that whoever may make them makes wrong, and takes away again, are faults that come and go as often as he likes. So of many
//! within a while the first are told, and the others counted.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::model::fault::Fault;

/// So many lines are written at most within [`WHILE`]: what a first look may find fault with, twice over.
const MOST_LINES: usize = 250;
const WHILE: Duration = Duration::from_secs(60);

/// The faults of one source that were there last.
#[derive(Debug, Default)]
pub(super) struct FaultLog {
    known: BTreeSet<Fault>,
    since: Option<Instant>,
    /// Lines since then.
    lines: usize,
    untold: usize,
}

impl FaultLog {
    /// Those that were there last.
    pub(super) fn known(&self) -> &BTreeSet<Fault> {
        &self.known
    }

    /// Logs what has changed. Nearly always there is nothing new, and then none is copied.
    pub(super) fn note(&mut self, faults: &[Fault], now: Instant) {
        let there: BTreeSet<&Fault> = faults.iter().collect();
        if there.iter().copied().eq(self.known.iter()) {
            return;
        }
        if self.since.is_none_or(|since| now >= since + WHILE) {
            self.since = Some(now);
            self.lines = 0;
            let untold = std::mem::take(&mut self.untold);
            if untold > 0 {
                tracing::warn!("{untold} more faults came or went, and were too many to be told one by one");
            }
        }
        for fault in there.iter().filter(|fault| !self.known.contains(**fault)) {
            if has_room(&mut self.lines, &mut self.untold) {
                tracing::warn!(source = fault.source, "{fault}");
            }
        }
        for fault in self.known.iter().filter(|fault| !there.contains(fault)) {
            if has_room(&mut self.lines, &mut self.untold) {
                tracing::info!(source = fault.source, "over (readable again, or gone): {fault}");
            }
        }
        self.known = there.into_iter().cloned().collect();
    }
}

fn has_room(lines: &mut usize, untold: &mut usize) -> bool {
    let has_room = *lines < MOST_LINES;
    *if has_room { lines } else { untold } += 1;
    has_room
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(subject: &str) -> Fault {
        Fault::new("mounts", subject, "odd")
    }

    #[test]
    fn faults_that_stay_are_kept_as_they_are() {
        let [first, second] = ["a", "b"].map(fault);
        let (mut log, now) = (FaultLog::default(), Instant::now());
        log.note(&[second.clone(), first.clone()], now);
        let kept = log.known.first().map(|fault| fault.message.as_ptr());
        log.note(&[second.clone(), first.clone(), second.clone()], now);
        assert_eq!(
            log.known.first().map(|fault| fault.message.as_ptr()),
            kept,
            "not copied again"
        );
        log.note(std::slice::from_ref(&second), now);
        assert_eq!(log.known, BTreeSet::from([second]));
        log.note(&[], now);
        assert_eq!(log.known, BTreeSet::new());
        assert_eq!((log.lines, log.untold), (4, 0));
    }

    #[test]
    fn of_faults_that_come_and_go_without_end_the_first_are_told() {
        let (mut log, now) = (FaultLog::default(), Instant::now());
        for number in 0..1000 {
            log.note(&[fault(&number.to_string())], now);
        }
        // Each but the last came and went.
        assert_eq!((log.lines, log.untold), (MOST_LINES, 1999 - MOST_LINES));
        log.note(&[], now + WHILE);
        assert_eq!((log.lines, log.untold), (1, 0));
    }
}
