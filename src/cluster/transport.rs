//! What the client of the API is wrapped in: news of watches that go on, and pauses between those that do not.
//!
//! A watch that is taken up again after an error says nothing until an object changes, which for storage classes may be in a year.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::{Request, Response};
use kube::client::Body;
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use super::bounds::is_watch;
use super::engine_object::EngineKind;
use super::live::Shared;
use crate::model::inventory::ResourceKind;

/// Wraps the client's service, with its [`super::bounds::Bounds`].
#[derive(Debug, Clone)]
pub(super) struct Listening {
    /// Who is told of watches that were taken up.
    pub(super) shared: Arc<Shared>,
}

impl<S> Layer<S> for Listening {
    type Service = Listener<S>;

    fn layer(&self, inner: S) -> Listener<S> {
        Listener {
            inner,
            shared: Arc::clone(&self.shared),
        }
    }
}

/// A service wrapped by [`Listening`].
#[derive(Debug, Clone)]
pub(super) struct Listener<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S, B> Service<Request<Body>> for Listener<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let watched = watched(request.uri().path(), request.uri().query());
        let shared = Arc::clone(&self.shared);
        // Nothing is sent before somebody waits for it.
        let answer = self.inner.call(request);
        Box::pin(async move {
            if let Some(kind) = watched {
                let pause = shared.pace().pause(kind, Instant::now());
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            let response = answer.await?;
            // A gateway says by an error of the server's that there is none behind it.
            if !response.status().is_server_error() {
                shared.answered();
            }
            if let Some(kind) = watched.filter(|_| response.status().is_success()) {
                shared.pace().begun(kind, Instant::now());
                shared.live().taken_up(kind);
            }
            Ok(response)
        })
    }
}

/// The kind that a request watches.
fn watched(path: &str, query: Option<&str>) -> Option<ResourceKind> {
    let resource = path.rsplit('/').next()?;
    let group = path
        .strip_prefix("/apis/")
        .and_then(|rest| rest.split('/').next());
    is_watch(query)
        .then(|| {
            let engines = EngineKind::all().map(|kind| ResourceKind::Engine(kind.resource));
            ResourceKind::ALL
                .into_iter()
                .chain(engines)
                .find(|kind| kind.resource() == resource && kind.group() == group.unwrap_or_default())
        })
        .flatten()
}
