//! What a scrape costs.

use std::time::Instant;

use serde_json::json;

use super::support::backend::{SHARED, powerflex_up};
use super::support::exposition::Page;
use super::support::powerflex_gateway::{Gateway, Mood, Pool, pool};
use super::support::process::{resident_bytes, used_seconds};
use super::support::time_slack;
use super::{Exporter, assert_is};

/// CPU and bytes of a scrape of 500 pools. `cargo test --release --test powerflex -- --ignored --nocapture five_hundred`.
#[test]
#[ignore = "a measurement: in release, on a quiet machine"]
#[allow(clippy::print_stdout, reason = "a measurement")]
fn five_hundred_pools() {
    let pools: Vec<Pool> = (0..500)
        .map(|number| {
            let mut pool = pool("0", &format!("pool-{number}"));
            pool.id = format!("e65f9c27{number:08x}");
            let busy = json!({"numSeconds": 5, "totalWeightInKb": 2000 + number, "numOccured": 500});
            pool.statistics = json!({"userDataReadBwc": busy, "userDataWriteBwc": busy, "totalReadBwc": busy,
                "totalWriteBwc": busy, "primaryReadBwc": busy, "primaryWriteBwc": busy});
            pool
        })
        .collect();
    let gateway = Gateway::start(Mood {
        pools,
        ..Mood::default()
    });
    let exporter = Exporter::of(&[("prod", &gateway.url())], &[]);
    let first = exporter.server.get("/metrics/powerflex");
    let samples = Page::parse(first.text()).samples().len();
    let process = exporter.server.id();
    let (before, started) = (used_seconds(process), Instant::now());
    for _ in 0..10 {
        std::thread::sleep(SHARED);
        let page = exporter.page();
        assert_is(powerflex_up(&page, "prod"), 1.0);
    }
    let used = (used_seconds(process) - before) / 10.0 * 1e3;
    let idle = started.elapsed();
    println!(
        "500 pools: {} bytes, {samples} samples, {used:.1} ms CPU a scrape (over {idle:?}), {} kB resident",
        first.body.len(),
        resident_bytes(process) / 1024
    );
    assert!(used < 500.0 * time_slack());
}
