//! Changes of objects that come at a pace, as those of a busy cluster do.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::RaisedAtEnd;
use super::api_server::ApiServer;

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
        let _ended = RaisedAtEnd(&changes.over);
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

impl Changes {
    /// One client: makes the next change that is due, until it is over.
    fn make(&self, api: &ApiServer, change: impl Fn(usize) -> (String, Value)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let administrator = api.administrator();
            loop {
                let number = self.begun.fetch_add(1, Ordering::Relaxed);
                let due = self.started + Duration::from_secs_f64(number as f64 / self.a_second);
                tokio::time::sleep_until(due.into()).await;
                if self.over.load(Ordering::Relaxed) {
                    return;
                }
                let (path, merged) = change(number);
                administrator.patch(&path, &merged).await;
                self.made.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}
