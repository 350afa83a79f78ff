//! Until when a round waits.

use std::time::Instant;

use super::Board;
use crate::host::filesystem::calls::Call;
use crate::host::filesystem::patience::Pace;

impl Board {
    /// Until when answers that are missing are waited for; `None` where there are none, or none that are worth it.
    pub(super) fn worth_waiting_until(&self, now: Instant, deadline: Instant) -> Option<Instant> {
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
        let can_begin = |at: &usize| self.can_begin(&self.questions[*at]);
        let is_known = |at: usize| self.pace(at) != Pace::Unknown || self.is_the_kernels(at);
        let first = self.waiting.iter().map(|(_, at)| *at);
        let mut known = first.filter(can_begin).map(is_known);
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
}
