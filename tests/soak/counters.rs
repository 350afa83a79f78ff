//! Counters never go back from one page to the next.

use std::collections::BTreeMap;

use super::support::exposition::Sample;

/// The counters of the page before.
#[derive(Debug, Default)]
pub(super) struct Counters {
    before: BTreeMap<String, f64>,
}

impl Counters {
    /// Takes the next page that the same client got, and says what went back.
    pub(super) fn take(&mut self, samples: &[Sample]) -> Vec<String> {
        let counts = |name: &str| {
            ["_total", "_count", "_sum", "_bucket"]
                .iter()
                .any(|ending| name.ends_with(ending))
        };
        let now: BTreeMap<String, f64> = samples
            .iter()
            .filter(|sample| counts(&sample.name))
            .map(|sample| (format!("{}{:?}", sample.name, sample.labels), sample.value))
            .collect();
        let back = now.iter().filter_map(|(series, value)| {
            let before = self.before.get(series).filter(|before| *before > value)?;
            Some(format!("{series} went back from {before} to {value}"))
        });
        let back = back.collect();
        self.before = now;
        back
    }
}
