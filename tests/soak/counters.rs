//! Counters never go back from one page to the next.

use std::collections::HashMap;

use super::support::exposition::Sample;

/// The counters of the page before.
#[derive(Debug, Default)]
pub(super) struct Counters {
    before: HashMap<u64, f64>,
}

impl Counters {
    /// Takes the next page that the same client got, and says what went back.
    pub(super) fn take(&mut self, samples: &[Sample]) -> Vec<String> {
        let counts = |name: &str| {
            ["_total", "_count", "_sum", "_bucket"]
                .iter()
                .any(|ending| name.ends_with(ending))
        };
        let mut back = Vec::new();
        let mut now = HashMap::with_capacity(self.before.len());
        for sample in samples.iter().filter(|sample| counts(&sample.name)) {
            let series = sample.series();
            if let Some(before) = self.before.get(&series).filter(|before| **before > sample.value) {
                let (name, labels, value) = (&sample.name, &sample.labels, sample.value);
                back.push(format!("{name}{labels:?} went back from {before} to {value}"));
            }
            now.insert(series, sample.value);
        }
        self.before = now;
        back
    }
}
