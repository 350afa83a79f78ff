//! What is taken of an answer of the API server, or of a backend: for how long, and how much.
//!
//! The client waits for an answer without end, and takes one of any length into memory.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame};
use hyper::{Request, Response};
use kube::client::Body;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tower::{BoxError, Layer, Service};

use super::problem::without_secrets;

/// As much of an error is read. What the API server says with one are a few hundred bytes.
const LONGEST_ERROR: usize = 64 << 10;
/// Longer answers have to wait for each other.
const LONG: usize = 256 << 10;
/// Long answers that come in at the same time. The client holds one three times when it is whole, the others once meanwhile.
const LONG_AT_ONCE: usize = 2;

/// The answer is longer than memory allows.
#[derive(Debug, thiserror::Error)]
#[error("what is answered in one piece has more than {} MiB; the rest is not read", .0 >> 20)]
struct TooLong(usize);

/// The answer takes longer than anybody waits.
#[derive(Debug, thiserror::Error)]
#[error("no {what} within {} s", patience.as_secs_f32())]
struct TooSlow {
    what: &'static str,
    patience: Duration,
}

/// True where an answer was longer than memory allows.
pub(crate) fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(<dyn std::error::Error>::is::<TooLong>)
}

/// All of an answer of a client that has [`Bounds`], which is held once and not a second time in pieces. Of an error it is the beginning.
pub(crate) async fn whole(mut body: Body) -> Result<Bytes, kube::Error> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            all.extend_from_slice(&data);
        }
    }
    Ok(all.freeze())
}

/// Wraps a client's service in limits on silence and on length. A watch has no end: of it, each line has the limit on length.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    /// How long the head of an answer may take.
    head: Duration,
    /// How long all of it may take.
    whole: Duration,
    /// The most of it, in bytes.
    longest: usize,
    long: Arc<Semaphore>,
}

impl Bounds {
    /// `head` and `whole` are for silence, `longest` in bytes is for one answer, and for one line of a watch.
    pub(crate) fn new([head, whole]: [Duration; 2], longest: usize) -> Self {
        Self {
            head,
            whole,
            longest,
            long: Arc::new(Semaphore::new(LONG_AT_ONCE)),
        }
    }
}

impl<S> Layer<S> for Bounds {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        Bounded {
            inner,
            bounds: self.clone(),
        }
    }
}

/// A service wrapped by [`Bounds`].
#[derive(Debug, Clone)]
pub(crate) struct Bounded<S> {
    inner: S,
    bounds: Bounds,
}

impl<S, B> Service<Request<Body>> for Bounded<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<BoundedBody<B>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let watches = is_watch(request.uri().query());
        let answer = self.inner.call(request);
        let bounds = self.bounds.clone();
        Box::pin(async move {
            let Bounds { head, whole, .. } = bounds;
            let begun = Instant::now();
            let response = tokio::time::timeout(head, answer)
                .await
                .map_err(|_| TooSlow {
                    what: "answer",
                    patience: head,
                })?
                .map_err(|error| without_secrets(error.into()))?;
            let sort = match (response.status().is_success(), watches) {
                (false, _) => Sort::Error,
                (true, true) => Sort::Lines,
                (true, false) => Sort::Whole,
            };
            Ok(response.map(|inner| BoundedBody {
                inner,
                sort,
                taken: 0,
                ends: (sort != Sort::Lines).then(|| Box::pin(tokio::time::sleep_until(begun + whole))),
                turn: Turn::NotNeeded,
                bounds,
            }))
        })
    }
}

/// True where a request asks for events, one a line, in place of one answer.
pub(super) fn is_watch(query: Option<&str>) -> bool {
    query.is_some_and(|query| {
        let mut parts = query.split('&');
        parts.any(|part| part == "watch=true" || part == "watch=1")
    })
}

/// What sort of body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// It counts once all of it is there.
    Whole,
    /// Each of its lines counts.
    Lines,
    /// The status says most of it already: its beginning is enough.
    Error,
}

/// Whether a long answer may come in now.
enum Turn {
    NotNeeded,
    Awaited(BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>),
    Come { _permit: OwnedSemaphorePermit },
}

/// An answer's body within [`Bounds`].
pub(crate) struct BoundedBody<B> {
    inner: B,
    sort: Sort,
    bounds: Bounds,
    taken: usize,
    ends: Option<Pin<Box<Sleep>>>,
    turn: Turn,
}

impl<B> BoundedBody<B> {
    /// Ready once it may be read on. The wait for others is not held against the server.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Turn::NotNeeded = self.turn
            && self.sort == Sort::Whole
            && self.taken > LONG
        {
            self.turn = Turn::Awaited(Box::pin(Arc::clone(&self.bounds.long).acquire_owned()));
        }
        if let Turn::Awaited(permit) = &mut self.turn {
            let Poll::Ready(permit) = permit.as_mut().poll(context) else {
                return Poll::Pending;
            };
            // Nobody closes it.
            if let Ok(permit) = permit {
                self.turn = Turn::Come { _permit: permit };
            }
            if let Some(ends) = &mut self.ends {
                ends.as_mut().reset(Instant::now() + self.bounds.whole);
            }
        }
        Poll::Ready(())
    }

    /// What is said once a limit is reached: of an error, no more than that it ends there.
    fn cut(&self, why: impl Into<BoxError>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready((self.sort != Sort::Error).then(|| Err(why.into())))
    }
}

impl<B> HttpBody for BoundedBody<B>
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
        std::task::ready!(self.poll_turn(context));
        let Poll::Ready(polled) = Pin::new(&mut self.inner).poll_frame(context) else {
            let ends = self.ends.as_mut();
            return match ends.map(|ends| ends.as_mut().poll(context)) {
                Some(Poll::Ready(())) => self.cut(TooSlow {
                    what: "whole answer",
                    patience: self.bounds.whole,
                }),
                _ => Poll::Pending,
            };
        };
        let Some(frame) = polled.transpose().map_err(Into::into)? else {
            return Poll::Ready(None);
        };
        if let Some(bytes) = frame.data_ref() {
            let end = bytes
                .iter()
                .rposition(|byte| *byte == b'\n')
                .filter(|_| self.sort == Sort::Lines);
            self.taken = match end {
                Some(end) => bytes.len() - end - 1,
                None => self.taken.saturating_add(bytes.len()),
            };
            let longest = match self.sort {
                Sort::Error => LONGEST_ERROR.min(self.bounds.longest),
                Sort::Whole | Sort::Lines => self.bounds.longest,
            };
            if self.taken > longest {
                return self.cut(TooLong(longest));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }
}
