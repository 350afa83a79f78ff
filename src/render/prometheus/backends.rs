//! Families about the backends themselves; what each tells is in a file of its own.

use super::exposition::{Family, Labels, Page};
use crate::model::backend::BackendReadings;

const UP: Family = Family::gauge(
    "backend_up",
    "1 where the backend gave a reading for this scrape, 0 where it did not; why not is in the log and on the page at /.",
);
const DURATION: Family = Family::gauge(
    "backend_scrape_duration_seconds",
    "How long the backend's reading for this scrape took.",
);

/// All families that this file knows, for the reference.
pub fn families() -> impl Iterator<Item = &'static Family> {
    const ALL: [Family; 2] = [UP, DURATION];
    ALL.iter()
}

/// Writes how the backends fared.
pub fn write(page: &mut Page<'_>, readings: &BackendReadings) {
    let outcomes: Vec<_> = readings
        .outcomes
        .iter()
        .map(|outcome| {
            let labels = Labels::one("backend", outcome.backend).with("instance", &outcome.instance);
            (outcome, labels)
        })
        .collect();
    page.family(&UP, |samples| {
        for (outcome, labels) in &outcomes {
            samples.add(labels, outcome.success());
        }
    });
    page.family(&DURATION, |samples| {
        for (outcome, labels) in &outcomes {
            samples.add(labels, outcome.duration.as_secs_f64());
        }
    });
}
