//! Changes of objects that come at a pace, as those of a busy cluster do.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::Request;
use kube::Client;
use kube::client::Body;
use serde_json::Value;

use super::api_server::{ADMIN, ApiServer};

/// So many clients make the changes: one would wait for each answer before its next change.
const CLIENTS: usize = 8;

/// Does something while so many changes a second are made, or as many as the API server takes. `change` gives the path and the merge
/// patch of a change by its number. Also says how many a second were made.
pub fn while_changed<T>(
    api: &ApiServer,
    a_second: f64,
    change: impl Fn(usize) -> (String, Value) + Sync,
    act: impl FnOnce() -> T,
) -> (T, f64) {
    let changes = Changes {
        started: Instant::now(),
        a_second,
        begun: AtomicUsize::new(0),
        made: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| changes.make(api, &change));
        }
        let _ended = Ended(&changes.over);
        let done = act();
        let made = changes.made.load(Ordering::Relaxed) as f64;
        (done, made / changes.started.elapsed().as_secs_f64())
    })
}

struct Changes {
    started: Instant,
    a_second: f64,
    begun: AtomicUsize,
    made: AtomicUsize,
    over: AtomicBool,
}

/// The clients end with what goes on meanwhile, also where that fails.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Changes {
    /// One client, on a connection that stays open: makes the next change that is due, until it is over.
    fn make(&self, api: &ApiServer, change: impl Fn(usize) -> (String, Value)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let client = Client::try_from(api.config(ADMIN)).unwrap();
            loop {
                let number = self.begun.fetch_add(1, Ordering::Relaxed);
                let due = self.started + Duration::from_secs_f64(number as f64 / self.a_second);
                tokio::time::sleep_until(due.into()).await;
                if self.over.load(Ordering::Relaxed) {
                    return;
                }
                let (path, merged) = change(number);
                let request = Request::patch(&path)
                    .header("content-type", "application/merge-patch+json")
                    .body(Body::from(merged.to_string().into_bytes()))
                    .unwrap();
                let response = client.send(request).await.unwrap();
                let status = response.status();
                // Read to its end, so that the connection can be used again.
                response.into_body().collect().await.unwrap();
                assert!(status.is_success(), "{path}: {status}");
                self.made.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}
