//! How long an answer is worth waiting for.

use std::time::Duration;

use super::calls::STUCK_AFTER;

/// How long answers are waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// So long in any case. A healthy filesystem of this machine answers in microseconds.
    pub(super) grace: Duration,
    /// Nothing is waited for longer.
    pub(super) longest: Duration,
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

/// What is known of how long a filesystem takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// It has never come back, or so late that it says nothing of the next time.
    Unknown,
    /// It comes back at once.
    Quick,
    /// It is worth waiting for so long.
    Slow(Duration),
}

impl Pace {
    /// By how long the last call took that came back.
    pub(super) fn of(took: Option<Duration>, patience: Patience) -> Self {
        match took {
            Some(took) if took <= QUICK => Self::Quick,
            Some(took) if took <= patience.longest => {
                Self::Slow((2 * took).clamp(patience.grace, patience.longest))
            }
            _ => Self::Unknown,
        }
    }
}
