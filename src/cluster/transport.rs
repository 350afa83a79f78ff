//! What the client of the API is wrapped in: a limit on silence, and news of watches that go on.
//!
//! The client waits for an answer without end, and a watch that is taken up again after an error says nothing
//! until an object changes, which for storage classes may be in a year.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::{Request, Response};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

use super::engine_object::EngineKind;
use super::live::Shared;
use crate::model::inventory::ResourceKind;

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
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
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
            Ok(response)
        })
    }
}

/// The kind that a request watches.
fn watched(path: &str, query: Option<&str>) -> Option<ResourceKind> {
    let watches = query?
        .split('&')
        .any(|part| part == "watch=true" || part == "watch=1");
    let resource = path.rsplit('/').next()?;
    let group = path
        .strip_prefix("/apis/")
        .and_then(|rest| rest.split('/').next());
    watches
        .then(|| {
            let engines = EngineKind::all().map(|kind| ResourceKind::Engine(kind.resource));
            ResourceKind::ALL
                .into_iter()
                .chain(engines)
                .find(|kind| kind.resource() == resource && kind.group() == group.unwrap_or_default())
        })
        .flatten()
}
