//! One watch: a kind's events, without end, into the shared inventory.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::runtime::utils::Backoff as _;
use kube::runtime::watcher::{self, DefaultBackoff, Event, InitialListStrategy};
use kube::{Api, Client};

use super::live::{Indexed, Shared};
use super::object::Object;
use super::problem;
use crate::model::inventory::{ResourceKind, WatchError, WatchProblem};

/// The longest pause between two attempts, should the back-off ever end.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Follows a kind for ever. A list that comes to a halt for longer than `patience` is begun anew.
///
/// The client's own back-off begins anew at each attempt to list, since the attempt itself is an event: a thousand nodes
/// whose API server is down would ask it every second. Here it ends with news alone, or when another request was answered.
pub(super) async fn follow<T: Indexed>(
    client: Client,
    mut config: watcher::Config,
    patience: Duration,
    shared: Arc<Shared>,
) where
    Object<T>: kube::Resource<DynamicType = ()>,
{
    let api: Api<Object<T>> = Api::all(client);
    let mut backoff = DefaultBackoff::default();
    // The transport limits the wait for an answer's head; this is for what comes after it, and must not be first.
    let patience = patience * 3 / 2;
    loop {
        let mut events = pin!(watcher::watcher(api.clone(), config.clone()));
        loop {
            let next = events.next();
            let listing = T::index(&mut shared.live()).is_listing();
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
                    shared.live().apply::<T>(event);
                    if matches!(T::KIND, ResourceKind::Pods | ResourceKind::Claims) {
                        shared.names_changed.notify_one();
                    }
                    continue;
                }
                Ok(Some(Err(error))) => {
                    // The client would ask for ever for what the server has forgotten.
                    anew = is_forgotten(&error);
                    if refuses_streaming(&error) {
                        anew |= list_instead::<T>(&mut config);
                    }
                    if let Some(error) = problem::of_watch(T::KIND, &error) {
                        // Should the kind come back, it is another one.
                        anew |= error.problem == WatchProblem::Missing;
                        shared.live().failed::<T>(error);
                    } else {
                        // The server answers, and what is known is old until it is listed.
                        shared.live().forgotten(T::KIND);
                        backoff.reset();
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    list_instead::<T>(&mut config);
                    shared.live().failed::<T>(WatchError {
                        problem: WatchProblem::Unreachable,
                        message: format!("the list stopped for {} s", patience.as_secs_f32()),
                        rule: None,
                    });
                }
            }
            let pause = tokio::time::sleep(backoff.next().unwrap_or(LONGEST_PAUSE));
            if shared.live().is_unreachable(T::KIND) {
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
fn list_instead<T: Indexed>(config: &mut watcher::Config) -> bool {
    let streamed = config.initial_list_strategy == InitialListStrategy::StreamingList;
    if streamed {
        tracing::info!(
            "{}: the API server does not stream lists; listing in pages",
            T::KIND.name()
        );
        config.initial_list_strategy = InitialListStrategy::ListWatch;
    }
    streamed
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
