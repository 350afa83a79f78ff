//! How soon a watch is taken up again.
//!
//! A watch that the server ends is taken up at once, as it should be: it ends each of them after some minutes. One that a gateway ends with
//! its first breath would be asked for without any pause, and never be called an error.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::inventory::ResourceKind;

/// A watch that was over sooner was none.
const SHORT: Duration = Duration::from_secs(1);
/// A watch that lived so long is one that the server can give.
const LONG: Duration = Duration::from_secs(10);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// With so many short ones in a row it is told.
const TOLD: u32 = 3;

/// When the watch of each kind was begun last, and how many in a row were short.
#[derive(Debug, Default)]
pub(super) struct Pace(BTreeMap<ResourceKind, (Instant, u32)>);

impl Pace {
    /// How long to wait before the kind is watched again.
    pub(super) fn pause(&mut self, kind: ResourceKind, now: Instant) -> Duration {
        let Some((begun, short)) = self.0.get_mut(&kind) else {
            return Duration::ZERO;
        };
        let lived = now - *begun;
        if lived >= LONG {
            *short = 0;
        }
        if lived >= SHORT {
            return Duration::ZERO;
        }
        let pause = SHORT.saturating_mul(1 << (*short).min(10)).min(LONGEST_PAUSE);
        *short += 1;
        if *short == TOLD {
            tracing::warn!(
                "{}: the API server, or a gateway before it, ends each watch at once; what changes is seen late",
                kind.name()
            );
        }
        pause.saturating_sub(lived)
    }

    /// When the server last took a watch of the kind up.
    pub(super) fn last(&self, kind: ResourceKind) -> Option<Instant> {
        self.0.get(&kind).map(|(begun, _)| *begun)
    }

    /// The server took a watch of the kind up.
    pub(super) fn begun(&mut self, kind: ResourceKind, now: Instant) {
        self.0.entry(kind).or_insert((now, 0)).0 = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_watches_are_taken_up_more_and_more_rarely_until_one_lasts() {
        let mut pace = Pace::default();
        let kind = ResourceKind::Pods;
        let mut now = Instant::now();
        assert_eq!(pace.pause(kind, now), Duration::ZERO);
        let mut lives = |lived: u64, now: &mut Instant| {
            pace.begun(kind, *now);
            *now += Duration::from_millis(lived);
            let pause = pace.pause(kind, *now);
            *now += pause;
            pause.as_millis()
        };
        let pauses = [0, 0, 100, 0, 0, 0, 0].map(|lived| lives(lived, &mut now));
        assert_eq!(pauses, [1000, 2000, 3900, 8000, 16000, 30000, 30000]);
        // One that ends after a while is asked for at once, and proves nothing yet.
        assert_eq!([lives(5000, &mut now), lives(0, &mut now)], [0, 30000]);
        assert_eq!([lives(20_000, &mut now), lives(0, &mut now)], [0, 1000]);
    }
}
