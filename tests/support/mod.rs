//! What the tests share: recorded and made-up machines, the running program, a client for its sockets, readers of its
//! answers, and block devices that nobody else touches.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "each test file uses a part of it"
)]

pub mod administrator;
pub mod api_server;
pub mod asker;
pub mod authority;
pub mod backend;
pub mod changes;
pub mod clusters;
pub mod engine_definitions;
pub mod etcd;
pub mod exposition;
pub mod fixture;
pub mod generated;
pub mod http;
pub mod kubeconfig;
pub mod kubelet_folder;
pub mod kubernetes_tools;
pub mod large_cluster;
pub mod large_engines;
pub mod loop_device;
pub mod metrics_server;
pub mod node_with_pods;
pub mod openssl;
pub mod powerflex_gateway;
pub mod process;
pub mod prometheus;
pub mod reading;
pub mod relay;
pub mod report;
pub mod scope_contract;
pub mod scripted_api;
pub mod server;
pub mod snapshot_definitions;
pub mod staleness;
pub mod told_copies;
pub mod workload_objects;

use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Asks again and again until the answer is there. The error of an attempt says what is still missing; when `limit` has
/// passed, the test fails with it.
pub fn within<T, E: Display>(limit: Duration, mut attempt: impl FnMut() -> Result<T, E>) -> T {
    let started = Instant::now();
    loop {
        match attempt() {
            Ok(found) => return found,
            Err(missing) => assert!(started.elapsed() < limit, "still after {limit:?}: {missing}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How many times longer than promised a time may be: the environment variable `TIME_SLACK`, for machines that do other things
/// meanwhile; 1 where nothing is said. Times are the machine's as well; bytes are the program's alone.
pub fn time_slack() -> f64 {
    std::env::var("TIME_SLACK").map_or(1.0, |text| text.parse().expect("TIME_SLACK is a number"))
}

/// `Ok` where `holds`, else what is missing: for [`within`].
pub fn expect_that(holds: bool, missing: impl Display) -> Result<(), String> {
    if holds { Ok(()) } else { Err(missing.to_string()) }
}

/// Raises a flag when dropped, so that threads that wait for it end when a test fails as well.
#[derive(Debug)]
pub struct RaisedAtEnd<'a>(pub &'a AtomicBool);

impl Drop for RaisedAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
