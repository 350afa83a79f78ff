//! What a full node costs, statfs(2) aside: 110 pods with 200 volumes over 50 disks, and a node with 50,000 mounts.
//!
//! ```text
//! cargo bench --bench full_node
//! ```
//!
//! Reading a page or joining it is measured by the program's own parts; what the kernel takes to write its files is not
//! in it.

#![allow(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use divan::Bencher;
use scope_storage_probe::history::{DeviceHistory, Series};
use scope_storage_probe::host::{Host, mountinfo};
use scope_storage_probe::link::link;
use scope_storage_probe::model::backend::BackendReadings;
use scope_storage_probe::model::host::HostSample;
use scope_storage_probe::model::itself::SelfFigures;
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
    reason = "another bench uses it, too, and ends where something is missing"
)]
#[path = "../tests/support/full_node.rs"]
mod full_node;
#[allow(
    unreachable_pub,
    clippy::expect_used,
    reason = "the tests use it, too, and end where something is missing"
)]
#[path = "../tests/support/generated.rs"]
mod generated;

const DISKS: usize = 50;
const PODS: usize = 110;
/// Two volumes for most pods: one on a device or a folder of one, and one in the node's memory.
const VOLUMES: usize = 200;

fn main() {
    divan::main();
}

static FULL: LazyLock<HostSample> = LazyLock::new(|| sample(0));
static CROWDED: LazyLock<String> = LazyLock::new(|| full_node::mounts(DISKS, PODS, VOLUMES, 50_000));

fn sample(more_mounts: usize) -> HostSample {
    let machine = full_node::machine(DISKS, PODS, VOLUMES, more_mounts);
    let sample = Host::new(machine.roots()).sample(Instant::now() + Duration::from_secs(5));
    assert_eq!(sample.pod_volumes.len(), VOLUMES, "{:?}", sample.faults);
    sample
}

fn state() -> State {
    let sample = FULL.clone();
    State {
        host_id: "node".into(),
        topology: link(&sample, None),
        rates: DeviceHistory::default().record(&sample),
        volume_rates: Series::default(),
        sample,
    }
}

/// From mounts, devices and folders to what carries each volume.
#[divan::bench]
fn resolution(bencher: Bencher<'_, '_>) {
    let sample = &*FULL;
    bencher.bench_local(|| link(black_box(sample), None));
}

/// The whole page.
#[divan::bench]
fn page(bencher: Bencher<'_, '_>) {
    let (state, itself, backends) = (state(), SelfFigures::default(), BackendReadings::default());
    bencher.bench_local(|| {
        write_node_page(
            &NodePage::of(black_box(&state), &backends, &itself),
            Format::Text,
            &mut |piece| {
                black_box(piece);
            },
        );
    });
}

/// The whole Scope report.
#[divan::bench]
fn report(bencher: Bencher<'_, '_>) {
    let state = state();
    bencher.bench_local(|| scope::report(black_box(&state)));
}

/// `mountinfo` with 50,000 lines to mounts. It is read again only once mounts changed.
#[divan::bench]
fn parse_50_000_mounts(bencher: Bencher<'_, '_>) {
    let text = CROWDED.as_bytes();
    bencher.bench_local(|| mountinfo::parse(black_box(text)).0.len());
}

/// The same resolution on a node with 50,000 mounts.
#[divan::bench]
fn resolution_among_50_000_mounts(bencher: Bencher<'_, '_>) {
    let sample = sample(50_000);
    bencher.bench_local(|| link(black_box(&sample), None));
}
