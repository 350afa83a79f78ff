//! Sums over all who count for one volume, which do not go back when one of them goes.
//!
//! A pod's control group takes its figures with it when the pod ends, and an NFS filesystem when it is unmounted. Prometheus takes a counter
//! that is less than before for one that has begun anew, and adds the whole of it at once. So what they had counted last is kept and added as
//! long as the volume is there. What they did between the latest reading and their end is lost, and so is what those did who had gone when this
//! program started.

use std::collections::{BTreeMap, VecDeque};

use crate::model::io::{IoCounters, OperationCounters};

/// So many of those who have gone are known one by one, should a reading have lacked them and they are back.
const MOST_LOST: usize = 16;

/// What one of them has counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Which one it is of those that had its name.
    pub(super) incarnation: u64,
    /// True where another incarnation counts from 0, and has nothing of the former's.
    pub(super) begins_anew: bool,
    /// Its counters.
    pub(super) counters: IoCounters,
}

impl Part {
    /// What is missing in what it says `now` of what it said.
    fn missing(&self, now: &Self) -> IoCounters {
        if self.incarnation != now.incarnation && now.begins_anew {
            return self.counters;
        }
        let (before, now) = (&self.counters, &now.counters);
        IoCounters {
            reads: less(&before.reads, &now.reads),
            writes: less(&before.writes, &now.writes),
            ..IoCounters::NOTHING
        }
    }
}

fn less(one: &OperationCounters, other: &OperationCounters) -> OperationCounters {
    OperationCounters {
        completed: one.completed.saturating_sub(other.completed),
        merged: one.merged.saturating_sub(other.merged),
        bytes: one.bytes.saturating_sub(other.bytes),
        milliseconds: one.milliseconds.saturating_sub(other.milliseconds),
    }
}

/// The sums of all volumes that have one.
#[derive(Debug, Default)]
pub struct VolumeSums {
    sums: BTreeMap<u64, Sum>,
}

#[derive(Debug)]
struct Sum {
    is_there: bool,
    parts: BTreeMap<u64, Part>,
    /// Those who have gone, who went last at the end.
    lost: VecDeque<(u64, Part)>,
    /// The sum over those who will not come back.
    gone: IoCounters,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            is_there: true,
            parts: BTreeMap::new(),
            lost: VecDeque::new(),
            gone: IoCounters::NOTHING,
        }
    }
}

impl VolumeSums {
    /// Begins a reading: what is neither kept nor summed up until [`VolumeSums::end`] is forgotten then.
    pub(super) fn begin(&mut self) {
        for sum in self.sums.values_mut() {
            sum.is_there = false;
        }
    }

    /// Ends a reading.
    pub(super) fn end(&mut self) {
        self.sums.retain(|_, sum| sum.is_there);
    }

    /// Remembers a sum that cannot be made at this moment.
    pub(super) fn keep(&mut self, sum: u64) {
        if let Some(sum) = self.sums.get_mut(&sum) {
            sum.is_there = true;
        }
    }

    /// The sum over these, each with its name as a number, and over those who have gone.
    pub(super) fn sum(&mut self, sum: u64, parts: impl IntoIterator<Item = (u64, Part)>) -> IoCounters {
        let sum = self.sums.entry(sum).or_default();
        sum.is_there = true;
        let now: BTreeMap<u64, Part> = parts.into_iter().collect();
        for (who, before) in std::mem::take(&mut sum.parts) {
            match now.get(&who) {
                Some(now) => sum.gone = sum.gone.plus(&before.missing(now)),
                None => sum.lost.push_back((who, before)),
            }
        }
        let gone = &mut sum.gone;
        sum.lost.retain(|(who, before)| match now.get(who) {
            Some(now) => {
                *gone = gone.plus(&before.missing(now));
                false
            }
            None => true,
        });
        while sum.lost.len() > MOST_LOST
            && let Some((_, longest_gone)) = sum.lost.pop_front()
        {
            *gone = gone.plus(&longest_gone.counters);
        }
        sum.parts = now;
        let lost = sum.lost.iter().map(|(_, part)| part);
        let all = sum.parts.values().chain(lost);
        all.fold(sum.gone, |total, part| total.plus(&part.counters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(incarnation: u64, begins_anew: bool, reads: u64) -> Part {
        let mut counters = IoCounters::default();
        counters.reads.completed = reads;
        Part {
            incarnation,
            begins_anew,
            counters,
        }
    }

    /// Reads of one volume, where pods with these numbers have it, each with its incarnation and its reads.
    fn reads(sums: &mut VolumeSums, parts: &[(u64, u64, u64)]) -> u64 {
        sums.begin();
        let parts = parts
            .iter()
            .map(|(who, incarnation, reads)| (*who, part(*incarnation, true, *reads)));
        let sum = sums.sum(1, parts);
        sums.end();
        sum.reads.completed
    }

    #[test]
    fn a_pod_that_ends_takes_nothing_with_it() {
        let mut sums = VolumeSums::default();
        assert_eq!(reads(&mut sums, &[(1, 1, 500), (2, 1, 300)]), 800);
        assert_eq!(reads(&mut sums, &[(2, 1, 310)]), 810);
        assert_eq!(reads(&mut sums, &[(2, 1, 320), (3, 1, 5)]), 825);
        assert_eq!(reads(&mut sums, &[(3, 1, 6)]), 826);
    }

    #[test]
    fn a_pod_that_one_reading_lacks_is_not_counted_twice() {
        let mut sums = VolumeSums::default();
        assert_eq!(reads(&mut sums, &[(1, 1, 500), (2, 1, 300)]), 800);
        assert_eq!(reads(&mut sums, &[(1, 1, 500)]), 800);
        assert_eq!(reads(&mut sums, &[(1, 1, 510), (2, 1, 301)]), 811);
    }

    #[test]
    fn a_group_that_is_made_anew_goes_on_from_where_the_former_was() {
        let mut sums = VolumeSums::default();
        assert_eq!(reads(&mut sums, &[(1, 1, 500)]), 500);
        assert_eq!(reads(&mut sums, &[(1, 2, 900)]), 1400);
        // It counts for other containers now, and some of them are the same: control groups of version 1.
        let mut reads = |incarnation, reads| {
            sums.begin();
            let sum = sums.sum(2, [(1, part(incarnation, false, reads))]);
            sums.end();
            sum.reads.completed
        };
        assert_eq!(
            [reads(1, 500), reads(2, 600), reads(3, 150), reads(3, 151)],
            [500, 600, 600, 601]
        );
    }

    #[test]
    fn what_was_counted_is_forgotten_with_the_volume_and_not_before() {
        let mut sums = VolumeSums::default();
        reads(&mut sums, &[(1, 1, 500), (2, 1, 300)]);
        sums.begin();
        sums.keep(1);
        sums.end();
        assert_eq!(
            reads(&mut sums, &[(2, 1, 300)]),
            800,
            "for a while nothing was known"
        );
        sums.begin();
        sums.end();
        assert_eq!(reads(&mut sums, &[(2, 1, 300)]), 300);
    }

    #[test]
    fn any_number_of_pods_may_come_and_go() {
        let mut sums = VolumeSums::default();
        for pod in 0..1000 {
            assert_eq!(reads(&mut sums, &[(pod, 1, 10)]), (pod + 1) * 10);
        }
        assert_eq!(sums.sums[&1].lost.len(), MOST_LOST);
    }
}
