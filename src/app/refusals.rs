//! Which refusals of buttons are logged: anybody who opens Scope's page can have as many as he likes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A refusal of the same sort is told once in so long: anybody who opens Scope's page can press, and post what he likes.
const SAME_REFUSAL: Duration = Duration::from_secs(10);
/// So many sorts of refusals are told within that time.
const MOST_REFUSALS: usize = 16;

/// What was refused a while ago.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    since: Option<Instant>,
    /// The sorts that were told since then.
    told: BTreeSet<String>,
    /// How many were not told since one was.
    untold: u64,
}

impl Refusals {
    /// How many refusals were not told before this one, if this one is to be told.
    pub(super) fn news(&mut self, sort: &str, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now >= since + SAME_REFUSAL) {
            self.since = Some(now);
            self.told.clear();
        }
        if self.told.contains(sort) || self.told.len() >= MOST_REFUSALS {
            self.untold += 1;
            return None;
        }
        self.told.insert(sort.to_owned());
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_once_in_a_while_and_of_many_a_few() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.news("delete", now), Some(0));
        assert_eq!(refusals.news("delete", now), None);
        assert_eq!(refusals.news("delete shop/daily", now), Some(1));
        for number in 0..10_000 {
            refusals.news(&number.to_string(), now);
        }
        assert_eq!(refusals.told.len(), MOST_REFUSALS);
        let untold = 10_000 + 2 - MOST_REFUSALS as u64;
        assert_eq!(refusals.news("delete", now + SAME_REFUSAL), Some(untold));
    }
}
