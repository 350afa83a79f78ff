//! Requests on the plugin's socket: `GET /report`. What Scope expects is told in `plugin-spec/README.md`.

use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};

use super::Shared;
use super::backends::joined;
use super::controls::wrong_version;
use crate::model::backend::BackendReadings;
use crate::serve::{Answer, Handler, Request};

/// Scope gives up after 500 ms. Slow filesystems are left out long before.
const PATIENCE: Duration = Duration::from_millis(100);

pub(super) fn handler(shared: Arc<Shared>) -> Handler {
    Arc::new(move |request| {
        let started = Instant::now();
        if !shared.backends.are_in_scope() {
            let backends = BackendReadings::default();
            return Box::pin(ready(counted(&shared, &request, backends, started)));
        }
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            let backends = shared.backends.for_scope().await;
            counted(&shared, &request, backends, started)
        })
    })
}

fn counted(shared: &Shared, request: &Request, backends: BackendReadings, started: Instant) -> Answer {
    let answer = answer(shared, request, backends);
    if answer.status() == StatusCode::OK {
        shared
            .reports()
            .count(started.elapsed().as_secs_f64(), answer.len());
    } else {
        shared.reports().refused += 1;
    }
    answer
}

fn answer(shared: &Shared, request: &Request, backends: BackendReadings) -> Answer {
    if request.path != "/report" {
        return Answer::error(
            StatusCode::NOT_FOUND,
            format!("no {} here; the report is at /report", request.path),
        );
    }
    if request.method != Method::GET && request.method != Method::HEAD {
        return Answer::method_not_allowed("GET, HEAD");
    }
    if let Some(refused) = wrong_version(request) {
        return refused;
    }
    let answers = shared.observe(Instant::now() + PATIENCE);
    let backends = joined(backends, answers.cluster_map().map(|map| &**map));
    Answer::in_pieces("application/json", answers.report(&backends)).kept()
}
