//! Sparklines: the samples of the last minute, within a budget.

use std::collections::BTreeMap;

use super::report::{Metric, Sample};
use super::timestamp;
use crate::history::{Rates, Series};
use crate::model::device::DeviceNumber;
use crate::model::io::IoRates;

/// At most so many samples in one report, about 250 kB. Scope's probe decodes them every second, and its app keeps a window of
/// its own: what does not fit now was sent before.
const MOST_SAMPLES: usize = 4000;
/// Metrics that a disk or a volume has of each interval at most.
const METRICS: usize = 7;
/// Those that it has once.
const SINGLE_METRICS: usize = 2;
/// Metrics that the host has of each interval.
const HOST_METRICS: usize = 3;

/// The largest figure that a report may have: beyond it Scope's rounding leaves 64 bits.
const LARGEST: f64 = 9.2e16;

/// The rates of one thing over the intervals of a window, each with the interval's place in it.
pub(super) type InWindow<'a> = Vec<(usize, &'a IoRates)>;

/// The intervals that a report shows, with their dates as text.
pub(super) struct Window<'a> {
    rates: &'a Rates,
    first: usize,
    dates: Vec<String>,
}

impl<'a> Window<'a> {
    /// As many of the latest intervals as the budget allows for so many disks and volumes, but one at least.
    pub(super) fn new(rates: &'a Rates, things: usize) -> Self {
        let all = rates.ends().len();
        let left = MOST_SAMPLES.saturating_sub(things * SINGLE_METRICS);
        let most = (left / (things * METRICS + HOST_METRICS)).max(1);
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

    /// The rates of each of these devices.
    pub(super) fn of_devices(
        &self,
        numbers: impl Iterator<Item = DeviceNumber>,
    ) -> BTreeMap<DeviceNumber, InWindow<'a>> {
        let of = |number| {
            let rates = self.rates.since(self.first, number);
            (
                number,
                rates.map(|(at, rates)| (at - self.first, rates)).collect(),
            )
        };
        numbers.map(of).collect()
    }

    /// The rates of one volume by the origin of its counters. Volumes are read together with devices, so the latest intervals are the
    /// same; of the one or the other more may be kept.
    pub(super) fn of_volume<'b>(&self, rates: &'b Series<u64>, origin: u64) -> InWindow<'b> {
        let (kept, length) = (rates.ends().len(), self.dates.len());
        rates
            .since(kept.saturating_sub(length), &origin)
            .map(|(at, rates)| (at + length - kept, rates))
            .collect()
    }

    /// A metric of `values` by interval; `None` where the latest interval has none: an old figure would look
    /// like today's.
    pub(super) fn metric(&self, values: impl Iterator<Item = (usize, f64)>, max: f64) -> Option<Metric<'_>> {
        let mut newest = None;
        let samples: Vec<_> = values
            .filter_map(|(at, value)| Some((at, figure(value)?)))
            .map(|(at, value)| {
                newest = Some(at);
                Sample {
                    date: &self.dates[at],
                    value,
                }
            })
            .collect();
        if newest? + 1 < self.dates.len() {
            return None;
        }
        Some(Metric {
            samples,
            min: 0.0,
            max: ceiling(max)?,
        })
    }
}

/// To three decimals: nobody sees more, and long fractions make half the report. `None` for what is no figure, or none that Scope
/// can round.
fn figure(value: f64) -> Option<f64> {
    let rounded = (value * 1000.0).round() / 1000.0;
    (0.0..=LARGEST).contains(&rounded).then_some(rounded)
}

/// What is so large that Scope cannot round it is as good as the largest that it can; what is no figure is no ceiling.
fn ceiling(max: f64) -> Option<f64> {
    (max.is_finite() && max >= 0.0).then(|| max.min(LARGEST))
}

/// A metric with one sample; `None` for what is no figure.
pub(super) fn single(date: &str, value: f64, max: f64) -> Option<Metric<'_>> {
    Some(Metric {
        samples: vec![Sample {
            date,
            value: figure(value)?,
        }],
        min: 0.0,
        max: ceiling(max)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scope_cannot_round_is_no_figure() {
        for value in [-0.5, f64::NAN, f64::INFINITY, 9.3e16] {
            assert!(single("", value, 1.0).is_none(), "{value}");
        }
        for max in [-0.5, f64::NAN, f64::INFINITY] {
            assert!(single("", 1.0, max).is_none(), "{max}");
        }
        let of_eight_exbibytes = single("", 1e12, 9.223e18).unwrap();
        assert!(of_eight_exbibytes.samples[0].value > 9.9e11);
        assert!((9.1e16..=LARGEST).contains(&of_eight_exbibytes.max));
    }
}
