//! What the client of the API is wrapped in: limits on silence and on length, and news of watches that go on.
//!
//! The client waits for an answer without end, takes one of any length into memory, and a watch that is taken up again after an error
//! says nothing until an object changes, which for storage classes may be in a year.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame};
use hyper::{Request, Response};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

use super::engine_object::EngineKind;
use super::live::Shared;
use crate::model::inventory::ResourceKind;

/// The longest list, and the longest event of a watch. etcd takes objects of 1.5 MiB unless told otherwise; and the client holds what it
/// reads three times while it reads it, in a process that the manifests allow 64 MiB.
const LONGEST: usize = 12 << 20;

/// The answer is longer than memory allows.
#[derive(Debug, thiserror::Error)]
#[error("what the API server says in one piece has more than {} MiB; the rest is not read", LONGEST >> 20)]
pub(super) struct TooLong;

/// True where an answer was longer than memory allows.
pub(super) fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(<dyn std::error::Error>::is::<TooLong>)
}

/// An answer's body, up to the longest that is read.
#[derive(Debug)]
pub(super) struct Bounded<B> {
    inner: B,
    /// A watch has no end; each of its lines has.
    lines: bool,
    taken: usize,
}

impl<B> HttpBody for Bounded<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        let Poll::Ready(Some(Ok(frame))) = polled else {
            return polled.map_err(Into::into);
        };
        if let Some(bytes) = frame.data_ref() {
            let end = bytes
                .iter()
                .rposition(|byte| *byte == b'\n')
                .filter(|_| self.lines);
            self.taken = match end {
                Some(end) => bytes.len() - end - 1,
                None => self.taken.saturating_add(bytes.len()),
            };
            if self.taken > LONGEST {
                return Poll::Ready(Some(Err(TooLong.into())));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

/// Wraps the client's innermost service.
#[derive(Debug, Clone)]
pub(super) struct Listening {
    /// How long the head of an answer may take.
    pub(super) patience: Duration,
    /// Who is told of watches that were taken up.
    pub(super) shared: Arc<Shared>,
}

impl<S> Layer<S> for Listening {
    type Service = Listener<S>;

    fn layer(&self, inner: S) -> Listener<S> {
        Listener {
            inner,
            listening: self.clone(),
        }
    }
}

/// A service wrapped by [`Listening`].
#[derive(Debug, Clone)]
pub(super) struct Listener<S> {
    inner: S,
    listening: Listening,
}

impl<S, B> Service<Request<Body>> for Listener<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Response = Response<Bounded<B>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let lines = watches(request.uri().query());
        let watched = watched(request.uri().path(), request.uri().query());
        let answer = self.inner.call(request);
        let Listening { patience, shared } = self.listening.clone();
        Box::pin(async move {
            let response = tokio::time::timeout(patience, answer)
                .await
                .map_err(|_| format!("no answer within {} s", patience.as_secs_f32()))?
                .map_err(Into::into)?;
            // A gateway says by an error of the server's that there is none behind it.
            if !response.status().is_server_error() {
                shared.answered();
            }
            if let Some(kind) = watched.filter(|_| response.status().is_success()) {
                shared.live().taken_up(kind);
            }
            Ok(response.map(|inner| Bounded {
                inner,
                lines,
                taken: 0,
            }))
        })
    }
}

/// True where a request asks for events, one a line, in place of one answer.
fn watches(query: Option<&str>) -> bool {
    query.is_some_and(|query| {
        let mut parts = query.split('&');
        parts.any(|part| part == "watch=true" || part == "watch=1")
    })
}

/// The kind that a request watches.
fn watched(path: &str, query: Option<&str>) -> Option<ResourceKind> {
    let resource = path.rsplit('/').next()?;
    let group = path
        .strip_prefix("/apis/")
        .and_then(|rest| rest.split('/').next());
    watches(query)
        .then(|| {
            let engines = EngineKind::all().map(|kind| ResourceKind::Engine(kind.resource));
            ResourceKind::ALL
                .into_iter()
                .chain(engines)
                .find(|kind| kind.resource() == resource && kind.group() == group.unwrap_or_default())
        })
        .flatten()
}
