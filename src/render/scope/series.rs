//! Sparklines: the samples of the last minute, within a budget.

use super::report::{Metric, Sample};
use super::timestamp;
use crate::history::{Rates, Series};
use crate::model::device::DeviceNumber;
use crate::model::io::IoRates;

/// At most so many samples in one report, about 250 kB. Scope's probe decodes them every second, and its app keeps a window of
/// its own: what does not fit now was sent before.
const MOST_SAMPLES: usize = 4000;
/// Metrics that a disk can have at most.
const METRICS_PER_DISK: usize = 8;

/// The intervals that a report shows, with their dates as text.
pub(super) struct Window<'a> {
    rates: &'a Rates,
    first: usize,
    dates: Vec<String>,
}

impl<'a> Window<'a> {
    /// As many of the latest intervals as the budget allows for so many disks.
    pub(super) fn new(rates: &'a Rates, disks: usize) -> Self {
        let all = rates.ends().len();
        let most = (MOST_SAMPLES / (disks.max(1) * METRICS_PER_DISK)).max(1);
        let first = all.saturating_sub(most);
        Self {
            rates,
            first,
            dates: rates.ends().skip(first).map(timestamp).collect(),
        }
    }

    /// How many intervals.
    pub(super) fn len(&self) -> usize {
        self.dates.len()
    }

    /// The rates of one device in the window: the interval's place in it, and the rates.
    pub(super) fn rates(&self, number: DeviceNumber) -> impl Iterator<Item = (usize, &IoRates)> {
        self.rates
            .series(number)
            .filter(|(at, _)| *at >= self.first)
            .map(|(at, rates)| (at - self.first, rates))
    }

    /// The rates of one volume in the window, likewise, by the origin of its counters. Volumes are read together with devices, so the latest intervals are
    /// the same; of the one or the other more may be kept.
    pub(super) fn volume_rates<'b>(
        &self,
        rates: &'b Series<u64>,
        origin: u64,
    ) -> impl Iterator<Item = (usize, &'b IoRates)> + use<'b> {
        let (kept, length) = (rates.ends().len(), self.dates.len());
        rates
            .of(origin)
            .filter_map(move |(at, rates)| Some(((at + length).checked_sub(kept)?, rates)))
    }

    /// A metric of `values` by interval; `None` where the latest interval has none: an old figure would look
    /// like today's.
    pub(super) fn metric(&self, values: impl Iterator<Item = (usize, f64)>, max: f64) -> Option<Metric<'_>> {
        let mut newest = None;
        let samples: Vec<_> = values
            .filter(|(_, value)| value.is_finite())
            .map(|(at, value)| {
                newest = Some(at);
                Sample {
                    date: &self.dates[at],
                    value: rounded(value),
                }
            })
            .collect();
        (newest? + 1 == self.dates.len()).then_some(Metric {
            samples,
            min: 0.0,
            max,
        })
    }
}

/// To three decimals: nobody sees more, and long fractions make half the report.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// A metric with one sample.
pub(super) fn single(date: &str, value: f64, max: f64) -> Metric<'_> {
    Metric {
        samples: vec![Sample {
            date,
            value: rounded(value),
        }],
        min: 0.0,
        max,
    }
}
