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

pub mod api_server;
pub mod clusters;
pub mod exposition;
pub mod fixture;
pub mod generated;
pub mod http;
pub mod kubelet_folder;
pub mod kubernetes_tools;
pub mod loop_device;
pub mod node_with_pods;
pub mod prometheus;
pub mod reading;
pub mod report;
pub mod scope_contract;
pub mod scripted_api;
pub mod server;

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
