//! Families about the program itself.

use super::exposition::{Family, Kind, Labels, Page, seconds};
use crate::model::host::CollectorOutcome;
use crate::model::itself::{DURATION_BOUNDS, ProcessFigures, ReportFigures, SelfFigures};

const BUILD_INFO: Family = Family::gauge("build_info", "The program's version. Always 1.");
const COLLECTOR_SUCCESS: Family = Family::gauge(
    "collector_success",
    "1 where the collector could read its source.",
);
const COLLECTOR_DURATION: Family = Family::gauge(
    "collector_duration_seconds",
    "How long the collector took for this reading.",
);
const REPORT_REQUESTS: Family = Family::counter("report_requests_total", "Requests on the Scope socket.");
const REPORT_DURATION: Family = Family::histogram(
    "report_duration_seconds",
    "How long Scope waited for a report; it gives up after 0.5 s.",
);
const REPORT_BYTES: Family = Family::gauge("report_bytes", "Size of the latest report.");
const CPU: Family = Family::plain(
    "process_cpu_seconds_total",
    Kind::Counter,
    "CPU time used by this process.",
);
const RESIDENT: Family = Family::plain(
    "process_resident_memory_bytes",
    Kind::Gauge,
    "Memory of this process in RAM.",
);
const VIRTUAL: Family = Family::plain(
    "process_virtual_memory_bytes",
    Kind::Gauge,
    "Address space of this process.",
);
const STARTED: Family = Family::plain(
    "process_start_time_seconds",
    Kind::Gauge,
    "Start of this process, in seconds since 1970.",
);
const OPEN_FILES: Family = Family::plain(
    "process_open_fds",
    Kind::Gauge,
    "Open file descriptors of this process.",
);
const OPEN_FILES_LIMIT: Family = Family::plain(
    "process_max_fds",
    Kind::Gauge,
    "Most file descriptors that this process may open.",
);

/// All families that this file knows, for the reference.
pub fn families() -> impl Iterator<Item = &'static Family> {
    const ALL: [Family; 12] = [
        BUILD_INFO,
        COLLECTOR_SUCCESS,
        COLLECTOR_DURATION,
        REPORT_REQUESTS,
        REPORT_DURATION,
        REPORT_BYTES,
        CPU,
        RESIDENT,
        VIRTUAL,
        STARTED,
        OPEN_FILES,
        OPEN_FILES_LIMIT,
    ];
    ALL.iter()
}

/// Writes them.
pub fn write(page: &mut Page<'_>, collectors: &[CollectorOutcome], itself: &SelfFigures) {
    page.family(&BUILD_INFO, |samples| {
        let labels = Labels::one("version", env!("CARGO_PKG_VERSION"))
            .with_known("revision", option_env!("STORAGE_PROBE_REVISION"))
            .with_known("rustc", option_env!("STORAGE_PROBE_RUSTC"));
        samples.add(&labels, 1_u64);
    });
    let collectors: Vec<_> = collectors
        .iter()
        .map(|outcome| (outcome, Labels::one("collector", outcome.collector)))
        .collect();
    page.family(&COLLECTOR_SUCCESS, |samples| {
        for (outcome, labels) in &collectors {
            samples.add(labels, outcome.success);
        }
    });
    page.family(&COLLECTOR_DURATION, |samples| {
        for (outcome, labels) in &collectors {
            samples.add(labels, outcome.duration.as_secs_f64());
        }
    });
    write_reports(page, &itself.reports);
    write_process(page, &itself.process);
}

fn write_reports(page: &mut Page<'_>, reports: &ReportFigures) {
    page.family(&REPORT_REQUESTS, |samples| {
        samples.add(&Labels::one("result", "answered"), reports.answered);
        samples.add(&Labels::one("result", "refused"), reports.refused);
    });
    page.family(&REPORT_DURATION, |samples| {
        let buckets: Vec<_> = DURATION_BOUNDS.into_iter().zip(reports.at_most).collect();
        samples.histogram(&Labels::none(), &buckets, reports.seconds, reports.answered);
    });
    page.family(&REPORT_BYTES, |samples| {
        if let Some(bytes) = reports.latest_bytes {
            samples.add(&Labels::none(), bytes);
        }
    });
}

fn write_process(page: &mut Page<'_>, process: &ProcessFigures) {
    page.family(&CPU, |samples| {
        if let Some(milliseconds) = process.cpu_milliseconds {
            samples.add(&Labels::none(), seconds(milliseconds));
        }
    });
    for (family, value) in [
        (&RESIDENT, process.resident_bytes),
        (&VIRTUAL, process.virtual_bytes),
        (&STARTED, process.started_at),
        (&OPEN_FILES, process.open_files),
        (&OPEN_FILES_LIMIT, process.open_files_limit),
    ] {
        page.family(family, |samples| {
            if let Some(value) = value {
                samples.add(&Labels::none(), value);
            }
        });
    }
}
