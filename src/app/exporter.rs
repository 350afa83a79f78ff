//! Requests on the metrics address:
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | the page, in the form that the Accept header ranks highest, compressed where allowed; with the backends' families, of which `collect[]` and `exclude[]` choose |
//! | `/metrics/NAME` | the families of one backend alone |
//! | `/` | links, and the state of each source |
//! | `/healthz` | 200 while the program can answer at all |
//! | `/readyz` | 200 while the block devices can be read (in the cluster role: once all objects were seen), else 503 with the reason |

use std::fmt::Write as _;
use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::{Method, StatusCode};

use super::answers::Answers;
use super::backends::{Backends, Selection, joined};
use super::landing::landing_page;
use super::{Shared, process};
use crate::backends::Question;
use crate::model::backend::BackendReadings;
use crate::model::itself::SelfFigures;
use crate::render::prometheus::exposition::Format;
use crate::render::prometheus::{negotiation, write_backends_page};
use crate::serve::{Answer, Handler, Request};

/// How long slow sources are waited for where the request does not say.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long backends are waited for where the request does not say.
const BACKEND_PATIENCE: Duration = Duration::from_secs(5);
/// Scrapes within this time share one reading of a backend.
const SHARED_FOR: Duration = Duration::from_secs(1);
/// No scrape takes longer, whatever a request says.
const LONGEST_SCRAPE: Duration = Duration::from_secs(120);
/// Left for writing the page and sending it, of the time that Prometheus gives.
const MARGIN: Duration = Duration::from_millis(500);

pub(super) fn handler(shared: Arc<Shared>) -> Handler {
    Arc::new(move |request| {
        let wanted = match wanted(&shared.backends, &request) {
            Ok(wanted) => wanted,
            Err(line) => return Box::pin(ready(Answer::error(StatusCode::BAD_REQUEST, line))),
        };
        if wanted.is_none() && !is_page(&shared.backends, &request) {
            return Box::pin(ready(answer(&shared, &request, BackendReadings::default())));
        }
        let shared = Arc::clone(&shared);
        Box::pin(async move {
            let Some(wanted) = wanted else {
                let _turn = turn(&shared).await;
                return answer(&shared, &request, BackendReadings::default());
            };
            if request.method == Method::HEAD {
                return head_of_page(&request);
            }
            // The backends first: what the kernel and the cluster say is then as new as the page.
            let timeout = request.header("x-prometheus-scrape-timeout-seconds");
            let question = Question {
                deadline: tokio::time::Instant::now() + patience(timeout, BACKEND_PATIENCE, Duration::MAX),
                oldest: SHARED_FOR,
                is_awaited: true,
            };
            let readings = shared.backends.collect(&wanted, question).await;
            let _turn = turn(&shared).await;
            answer(&shared, &request, readings)
        })
    })
}

/// True where something is only to be looked at.
fn is_read(request: &Request) -> bool {
    request.method == Method::GET || request.method == Method::HEAD
}

/// True where a page is to be made. All else is a few lines: a kubelet waits for a second, and not behind those who want pages.
fn is_page(backends: &Backends, request: &Request) -> bool {
    is_read(request) && (request.path == "/metrics" || backend_path(backends, &request.path).is_some())
}

/// The turn of one request. However many want pages at once, one page is made at a time, and between two of them comes whoever
/// else has asked for something: Scope above all, which gives up after half a second.
async fn turn(shared: &Shared) -> tokio::sync::MutexGuard<'_, ()> {
    let turn = shared.pages.lock().await;
    // Whoever is woken by what has arrived meanwhile comes first.
    tokio::task::yield_now().await;
    turn
}

/// The backends that a request asks for; `None` where it asks for none.
fn wanted(backends: &Backends, request: &Request) -> Result<Option<Selection>, String> {
    if backends.is_empty() || !is_read(request) {
        return Ok(None);
    }
    if let Some(name) = backend_path(backends, &request.path) {
        return Ok(Some(Selection::only(name)));
    }
    if request.path != "/metrics" {
        return Ok(None);
    }
    let (collect, exclude) = (
        request.all_parameters("collect[]"),
        request.all_parameters("exclude[]"),
    );
    Selection::asked(collect, exclude, &backends.names()).map(Some)
}

/// The backend of a path of its own.
fn backend_path(backends: &Backends, path: &str) -> Option<&'static str> {
    let name = path.strip_prefix("/metrics/")?;
    backends.names().into_iter().find(|known| *known == name)
}

fn answer(shared: &Shared, request: &Request, backends: BackendReadings) -> Answer {
    let of_backend = backend_path(&shared.backends, &request.path).is_some();
    let known = of_backend || matches!(request.path.as_str(), "/" | "/metrics" | "/healthz" | "/readyz");
    if !known {
        return Answer::error(StatusCode::NOT_FOUND, format!("no {} here; see /", request.path));
    }
    if !is_read(request) {
        return Answer::method_not_allowed("GET, HEAD");
    }
    if of_backend {
        let backends = joined(backends, shared.cluster_map().as_deref());
        return page(shared, request, &|format, take| {
            write_backends_page(&backends, format, take);
        });
    }
    match request.path.as_str() {
        "/metrics" => metrics(shared, request, backends),
        "/healthz" => Answer::ok("text/plain; charset=utf-8", "ok\n"),
        "/readyz" => readiness(&shared.observe(Instant::now() + PATIENCE)),
        _ => Answer::ok(
            "text/html; charset=utf-8",
            landing_page(&shared.observe(Instant::now() + PATIENCE), &shared.backends),
        ),
    }
}

fn metrics(shared: &Shared, request: &Request, backends: BackendReadings) -> Answer {
    let timeout = request.header("x-prometheus-scrape-timeout-seconds");
    let answers = shared.observe(Instant::now() + patience(timeout, PATIENCE, PATIENCE));
    let backends = joined(backends, answers.cluster_map().map(|map| &**map));
    let itself = SelfFigures {
        reports: shared.reports().clone(),
        process: process::figures(),
    };
    page(shared, request, &|format, take| {
        answers.write_page(&backends, &itself, format, take);
    })
}

/// Takes one piece of a page after the other.
type Take<'a> = &'a mut dyn FnMut(&str);

/// What is said of a page with backends' figures to who does not want the page itself. No backend is asked for it, so nobody knows how
/// long it is.
fn head_of_page(request: &Request) -> Answer {
    let format = negotiation::format(request.header("accept"));
    let answer = Answer::ok(format.content_type(), Bytes::new()).without_body();
    if negotiation::accepts_gzip(request.header("accept-encoding")) {
        answer.gzipped()
    } else {
        answer
    }
}

/// A page in the form that the request wants.
fn page(shared: &Shared, request: &Request, write: &dyn Fn(Format, Take<'_>)) -> Answer {
    let format = negotiation::format(request.header("accept"));
    if negotiation::accepts_gzip(request.header("accept-encoding"))
        && let Ok(compressed) = shared.compressor().compress(|take| write(format, take))
    {
        return Answer::ok(format.content_type(), compressed).gzipped();
    }
    let mut pieces = Vec::new();
    write(format, &mut |piece| {
        pieces.push(Bytes::copy_from_slice(piece.as_bytes()));
    });
    Answer::in_pieces(format.content_type(), pieces)
}

/// How long sources may take, from what Prometheus says it waits: `unsaid` where it says nothing, and never more than `most`.
fn patience(header: Option<&str>, unsaid: Duration, most: Duration) -> Duration {
    header
        .and_then(|text| text.trim().parse::<f64>().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map_or(unsaid, |timeout| {
            timeout.min(LONGEST_SCRAPE).saturating_sub(MARGIN).min(most)
        })
}

fn readiness(answers: &Answers) -> Answer {
    let hindrances = answers.hindrances();
    if !hindrances.is_empty() {
        return Answer::error(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {}", hindrances.join("; ")),
        );
    }
    // Ready is who can answer. What is old in the answers is said with it.
    let mut text = "ready\n".to_owned();
    for (kind, watch) in answers
        .inventory()
        .into_iter()
        .flat_map(|inventory| &inventory.watches)
    {
        if let Some(error) = &watch.error {
            let _ = writeln!(text, "{} as last known: {}", kind.name(), error.message);
        } else if !watch.synced {
            let _ = writeln!(text, "{} not all seen yet", kind.name());
        }
    }
    Answer::ok("text/plain; charset=utf-8", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_says_how_long_it_waits() {
        for (header, milliseconds) in [
            (None, 500),
            (Some("10"), 500),
            (Some("0.7"), 200),
            (Some("0.1"), 0),
            (Some("-1"), 500),
            (Some("NaN"), 500),
            (Some("1e300"), 500),
        ] {
            assert_eq!(
                patience(header, PATIENCE, PATIENCE),
                Duration::from_millis(milliseconds),
                "{header:?}"
            );
        }
        for (header, milliseconds) in [(None, 5000), (Some("10"), 9500), (Some("1e18"), 119_500)] {
            assert_eq!(
                patience(header, BACKEND_PATIENCE, Duration::MAX),
                Duration::from_millis(milliseconds),
                "{header:?}"
            );
        }
    }
}
