//! One watch: a kind's events, without end, into the shared inventory.

use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::utils::Backoff as _;
use kube::runtime::watcher::{self, DefaultBackoff, Event, InitialListStrategy, ListSemantic};
use kube::{Api, Client};

use super::engine_object::EngineKind;
use super::live::{Indexed, Live, Shared};
use super::object::Watched;
use super::transport::is_too_long;
use super::unread::Unread;
use super::{PAGE, Watching, problem};
use crate::model::inventory::{ResourceKind, WatchError, WatchProblem};

/// The longest pause between two attempts, should the back-off ever end.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What is followed: a kind, and where its events go.
pub(super) trait Followed: Send + Sync {
    /// The kind.
    fn kind(&self) -> ResourceKind;

    /// True while a listing comes in.
    fn is_listing(&self, live: &mut Live) -> bool;

    /// Takes in one event.
    fn apply(&self, live: &mut Live, event: Event<Unread>);

    /// Something stands in the way.
    fn failed(&self, live: &mut Live, error: WatchError);
}

/// One of our own kinds.
struct Own<T>(PhantomData<fn() -> T>);

impl<T: Indexed> Followed for Own<T> {
    fn kind(&self) -> ResourceKind {
        T::KIND
    }

    fn is_listing(&self, live: &mut Live) -> bool {
        T::index(live).is_listing()
    }

    fn apply(&self, live: &mut Live, event: Event<Unread>) {
        live.apply::<T>(event);
    }

    fn failed(&self, live: &mut Live, error: WatchError) {
        live.failed::<T>(error);
    }
}

impl Followed for EngineKind {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Engine(self.resource)
    }

    fn is_listing(&self, live: &mut Live) -> bool {
        live.is_listing_engine(self.resource)
    }

    fn apply(&self, live: &mut Live, event: Event<Unread>) {
        live.apply_of_engine(*self, event);
    }

    fn failed(&self, live: &mut Live, error: WatchError) {
        live.failed_of_engine(self.resource, error);
    }
}

/// The place of one of our own kinds in the API.
pub(super) fn api_resource<T: Watched>() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(T::KIND.group(), "v1", T::API_KIND),
        T::KIND.resource(),
    )
}

/// Follows one of our own kinds for ever.
pub(super) fn follow_own<T: Indexed>(
    client: Client,
    config: watcher::Config,
    patience: Duration,
    shared: Arc<Shared>,
) -> Watching {
    let api = Api::all_with(client, &api_resource::<T>());
    let own = Box::new(Own::<T>(PhantomData));
    Box::pin(follow(api, own, config, patience, shared))
}

/// Follows a kind for ever. A list that comes to a halt for longer than `patience` is begun anew.
///
/// The client's own back-off begins anew at each attempt to list, since the attempt itself is an event: a thousand nodes
/// whose API server is down would ask it every second. Here it ends with news alone, or when another request was answered.
pub(super) async fn follow(
    api: Api<Unread>,
    followed: Box<dyn Followed>,
    mut config: watcher::Config,
    patience: Duration,
    shared: Arc<Shared>,
) {
    let kind = followed.kind();
    let mut backoff = DefaultBackoff::default();
    // The transport limits the wait for an answer's head; this is for what comes after it, and must not be first.
    let patience = patience * 3 / 2;
    loop {
        let mut events = pin!(watcher::watcher(api.clone(), config.clone()));
        loop {
            let next = events.next();
            let listing = followed.is_listing(&mut shared.live());
            let next = if listing {
                tokio::time::timeout(patience, next).await
            } else {
                Ok(next.await)
            };
            let mut anew = next.is_err();
            match next {
                Ok(Some(Ok(event))) => {
                    if !matches!(event, Event::Init | Event::InitApply(_)) {
                        backoff.reset();
                    }
                    followed.apply(&mut shared.live(), event);
                    if matches!(kind, ResourceKind::Pods | ResourceKind::Claims) {
                        shared.names_changed.notify_one();
                    }
                    continue;
                }
                Ok(Some(Err(error))) => {
                    // The client would ask for ever for what the server has forgotten.
                    anew = is_forgotten(&error);
                    if refuses_streaming(&error) {
                        anew |= list_instead(kind, &mut config);
                    }
                    if is_too_long(&error) {
                        list_in_smaller_pages(&mut config);
                        anew = true;
                    }
                    if let Some(error) = problem::of_watch(kind, &error) {
                        // Should the kind come back, it is another one.
                        anew |= error.problem == WatchProblem::Missing;
                        followed.failed(&mut shared.live(), error);
                    } else {
                        // The server answers, and what is known is old until it is listed.
                        shared.live().forgotten(kind);
                        backoff.reset();
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    list_instead(kind, &mut config);
                    let error = WatchError {
                        problem: WatchProblem::Unreachable,
                        message: format!("the list stopped for {} s", patience.as_secs_f32()),
                        rule: None,
                    };
                    followed.failed(&mut shared.live(), error);
                }
            }
            let pause = tokio::time::sleep(backoff.next().unwrap_or(LONGEST_PAUSE));
            if shared.live().is_unreachable(kind) {
                tokio::select! {
                    () = pause => {}
                    () = shared.reached.notified() => {}
                }
            } else {
                pause.await;
            }
            if anew {
                break;
            }
        }
    }
}

/// Servers before Kubernetes 1.27 ignore the wish for a streaming list, so that it never ends; others refuse it.
///
/// True where that changed something.
fn list_instead(kind: ResourceKind, config: &mut watcher::Config) -> bool {
    let streamed = config.initial_list_strategy == InitialListStrategy::StreamingList;
    if streamed {
        tracing::info!(
            "{}: the API server does not stream lists; listing in pages",
            kind.name()
        );
        config.initial_list_strategy = InitialListStrategy::ListWatch;
    }
    streamed
}

/// So many objects are not asked for at once again. Pages are given by etcd alone: from its memory the API server gives lists whole.
fn list_in_smaller_pages(config: &mut watcher::Config) {
    config.list_semantic = ListSemantic::MostRecent;
    config.page_size = Some((config.page_size.unwrap_or(PAGE) / 8).max(1));
}

fn is_forgotten(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410)
}

fn refuses_streaming(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) if matches!(status.code, 400 | 422)
    )
}
