//! What each step of an answer costs, in time and in memory, on machines of several sizes.
//!
//! ```text
//! cargo bench --bench answers            # all of them
//! cargo bench --bench answers -- page    # those with a word in their name
//! ```
//!
//! The machines are made up (`tests/support/generated.rs`) and read from memory, so a reading costs what the system
//! calls and the parsing cost; a true sysfs takes somewhat longer to answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use divan::{AllocProfiler, Bencher, black_box};
use scope_storage_probe::host::Host;
use scope_storage_probe::link::link;
use scope_storage_probe::model::backend::BackendReadings;
use scope_storage_probe::model::host::HostSample;
use scope_storage_probe::model::itself::SelfFigures;
use scope_storage_probe::render::prometheus::compression::PageCompressor;
use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::prometheus::{NodePage, write_node_page};
use scope_storage_probe::render::scope;
use scope_storage_probe::state::State;

#[allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "the tests use more of it, and end where something is missing"
)]
#[path = "../tests/support/fixture.rs"]
mod fixture;
#[allow(
    unreachable_pub,
    clippy::expect_used,
    reason = "the tests use it, too, and end where something is missing"
)]
#[path = "../tests/support/generated.rs"]
mod generated;
#[allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "the tests use it, too, and end where something is missing"
)]
#[path = "../tests/support/reading.rs"]
mod reading;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

/// So many disks, each with one partition and a filesystem.
const SIZES: [usize; 3] = [2, 100, 1000];
/// Readings two seconds apart: the minute that sparklines show is full.
const READINGS: u32 = 31;

/// Machines of each size, made once: a thousand disks are twenty-five thousand files.
static MACHINES: Mutex<BTreeMap<usize, Arc<fixture::Machine>>> = Mutex::new(BTreeMap::new());

fn main() {
    divan::main();
    // A value that lives for ever would leave its files behind.
    MACHINES.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

fn machine(disks: usize) -> Arc<fixture::Machine> {
    let mut machines = MACHINES.lock().unwrap_or_else(PoisonError::into_inner);
    let machine = machines
        .entry(disks)
        .or_insert_with(|| Arc::new(generated::machine(disks)));
    Arc::clone(machine)
}

fn state(disks: usize) -> State {
    reading::state(&machine(disks), READINGS)
}

fn sample(host: &mut Host) -> HostSample {
    host.sample(Instant::now() + Duration::from_secs(5))
}

/// The first reading: everything is new.
#[divan::bench(args = SIZES, sample_count = 20, sample_size = 1)]
fn sample_cold(bencher: Bencher<'_, '_>, disks: usize) {
    let machine = machine(disks);
    bencher
        .with_inputs(|| Host::new(machine.roots()))
        .bench_local_values(|mut host| sample(&mut host));
}

/// Every further one.
#[divan::bench(args = SIZES, max_time = 2)]
fn sample_warm(bencher: Bencher<'_, '_>, disks: usize) {
    let mut host = Host::new(machine(disks).roots());
    sample(&mut host);
    bencher.bench_local(|| sample(&mut host));
}

/// Joining what was read.
#[divan::bench(args = SIZES, max_time = 2)]
fn join(bencher: Bencher<'_, '_>, disks: usize) {
    let sample = sample(&mut Host::new(machine(disks).roots()));
    bencher.bench_local(|| link(black_box(&sample), None));
}

/// The Scope report.
#[divan::bench(args = SIZES, max_time = 2)]
fn report(bencher: Bencher<'_, '_>, disks: usize) {
    let state = state(disks);
    bencher.bench_local(|| scope::report(black_box(&state)));
}

/// The page in Prometheus' text format.
#[divan::bench(args = SIZES, max_time = 2)]
fn page_text(bencher: Bencher<'_, '_>, disks: usize) {
    page(bencher, disks, Format::Text);
}

/// The page in OpenMetrics.
#[divan::bench(args = SIZES, max_time = 2)]
fn page_open_metrics(bencher: Bencher<'_, '_>, disks: usize) {
    page(bencher, disks, Format::OpenMetrics("1.0.0"));
}

fn page(bencher: Bencher<'_, '_>, disks: usize, format: Format) {
    let state = state(disks);
    let (itself, backends) = (SelfFigures::default(), BackendReadings::default());
    bencher.bench_local(|| {
        write_node_page(
            &NodePage::of(black_box(&state), &backends, &itself),
            format,
            &mut |piece| {
                black_box(piece);
            },
        );
    });
}

/// The page in Prometheus' text format, compressed while it is written.
#[divan::bench(args = SIZES, max_time = 2)]
fn page_text_gzip(bencher: Bencher<'_, '_>, disks: usize) {
    let state = state(disks);
    let (itself, backends) = (SelfFigures::default(), BackendReadings::default());
    let mut compressor = PageCompressor::default();
    bencher.bench_local(|| {
        compressor.compress(|take| {
            let told = NodePage::of(black_box(&state), &backends, &itself);
            write_node_page(&told, Format::Text, take);
        })
    });
}
