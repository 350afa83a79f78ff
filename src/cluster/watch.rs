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
use tokio::time::Instant;

use super::bounds::is_too_long;
use super::engine_object::EngineKind;
use super::live::{Indexed, Live, Shared};
use super::object::Watched;
use super::unread::Unread;
use super::{LONGEST, PAGE, Watching, discovery, problem};
use crate::model::inventory::{ResourceKind, WatchError, WatchProblem};

/// The longest pause between two attempts, should the back-off ever end.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A watch that went on for so long has shown that the server can be followed.
const LASTING: Duration = Duration::from_secs(10);
/// A streamed list may stop for this many times the patience for an answer's head, and for the second as many take in all: a server
/// that does not know the wish for it sends events without end.
const STREAMED: [f64; 2] = [1.5, 5.0];

/// What is followed: a kind, and where its events go.
pub(super) trait Followed: Send + Sync {
    /// The kind.
    fn kind(&self) -> ResourceKind;

    /// Takes in one event. True where something else is known after it.
    fn apply(&self, live: &mut Live, event: Event<Unread>) -> bool;

    /// Something stands in the way.
    fn failed(&self, live: &mut Live, error: WatchError);
}

/// One of our own kinds.
struct Own<T>(PhantomData<fn() -> T>);

impl<T: Indexed> Followed for Own<T> {
    fn kind(&self) -> ResourceKind {
        T::KIND
    }

    fn apply(&self, live: &mut Live, event: Event<Unread>) -> bool {
        live.apply::<T>(event)
    }

    fn failed(&self, live: &mut Live, error: WatchError) {
        live.failed::<T>(error);
    }
}

impl Followed for EngineKind {
    fn kind(&self) -> ResourceKind {
        ResourceKind::Engine(self.resource)
    }

    fn apply(&self, live: &mut Live, event: Event<Unread>) -> bool {
        live.apply_of_engine(*self, event)
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

/// Follows a kind for ever. A streamed list that comes to no end is begun anew; all others the transport bounds.
///
/// The client's own back-off begins anew at each attempt to list, since the attempt itself is an event: a thousand nodes
/// whose API server is down would ask it every second. Here it ends with news alone, or with a watch that lasts; and once after
/// that it is cut short when another request was answered.
pub(super) async fn follow(
    api: Api<Unread>,
    followed: Box<dyn Followed>,
    mut config: watcher::Config,
    patience: Duration,
    shared: Arc<Shared>,
) {
    let kind = followed.kind();
    let mut trouble = Trouble::new();
    let mut sizes = Sizes::of_pages(&config);
    loop {
        let mut events = pin!(watcher::watcher(api.clone(), config.clone()));
        let mut listing_since: Option<Instant> = None;
        loop {
            let next = events.next();
            let next = match listing_since {
                Some(begun) if streams(&config) => {
                    let [gap, whole] = STREAMED.map(|times| patience.mul_f64(times));
                    tokio::time::timeout_at((begun + whole).min(Instant::now() + gap), next).await
                }
                _ => Ok(next.await),
            };
            let mut anew = next.is_err();
            match next {
                Ok(Some(Ok(event))) => {
                    match &event {
                        Event::Init => {
                            listing_since = Some(Instant::now());
                            sizes.begin();
                        }
                        Event::InitApply(object) => sizes.add(object.json.len()),
                        Event::InitDone => {
                            listing_since = None;
                            // From the next list on.
                            if sizes.are_small() {
                                sizes.list_as_before(&mut config);
                            }
                        }
                        Event::Apply(_) | Event::Delete(_) => trouble.ends(),
                    }
                    let is_whole = listing_since.is_none();
                    let changed = followed.apply(&mut shared.live(), event);
                    if changed && is_whole && matches!(kind, ResourceKind::Pods | ResourceKind::Claims) {
                        shared.names_changed.notify_one();
                    }
                    continue;
                }
                Ok(Some(Err(error))) => {
                    let watched = shared.pace().last(kind);
                    if watched.is_some_and(|begun| begun >= trouble.paused && begun.elapsed() >= LASTING) {
                        trouble.ends();
                    }
                    // The client would ask for ever for what the server has forgotten, and go on behind what it could not read.
                    anew = is_forgotten(&error) || is_no_event(&error);
                    if refuses_streaming(&error) {
                        anew |= list_instead(kind, &mut config);
                    }
                    if is_too_long(&error) {
                        list_in_smaller_pages(&mut config);
                        anew = true;
                    }
                    if let Some(mut error) = problem::of_watch(kind, &error).or_else(|| trouble.forgets()) {
                        if error.problem == WatchProblem::Missing
                            && !may_be_missing(&api, kind, &shared).await
                        {
                            error = WatchError {
                                problem: WatchProblem::Failing,
                                message: "it is answered with HTTP 404, and the API server does not say that it has no such kind \
                                          (is there a gateway before it?)"
                                    .to_owned(),
                                rule: None,
                            };
                        }
                        // Should the kind come back, it is another one.
                        anew |= error.problem == WatchProblem::Missing;
                        followed.failed(&mut shared.live(), error);
                    } else {
                        // The server answers, and what is known is old until it is listed: soon, however long it had been away.
                        shared.live().forgotten(kind);
                        trouble.backoff.reset();
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    list_instead(kind, &mut config);
                    let error = WatchError {
                        problem: WatchProblem::Unreachable,
                        message: "the streamed list comes to no end".to_owned(),
                        rule: None,
                    };
                    followed.failed(&mut shared.live(), error);
                }
            }
            let pause = tokio::time::sleep(trouble.backoff.next().unwrap_or(LONGEST_PAUSE));
            if !trouble.hurried && shared.live().is_unreachable(kind) {
                tokio::select! {
                    () = pause => {}
                    () = shared.reached.notified() => trouble.hurried = true,
                }
            } else {
                pause.await;
            }
            trouble.paused = Instant::now();
            if anew {
                break;
            }
        }
    }
}

/// Whether a 404 may mean that there is no such kind any more. Where nothing is known of it, nothing is lost by that.
async fn may_be_missing(api: &Api<Unread>, kind: ResourceKind, shared: &Shared) -> bool {
    let is_known = kind.is_optional() && shared.live().is_heard_of(kind);
    !is_known || discovery::lacks(&api.clone().into_client(), api.resource_url()).await
}

/// What went wrong with one kind since it was last followed as it should be.
struct Trouble {
    backoff: DefaultBackoff,
    /// A pause was cut short already. Where answers begin and break off, each would cut short all others.
    hurried: bool,
    /// How often the server had forgotten what it had just listed.
    forgotten: u32,
    /// When the last pause ended.
    paused: Instant,
}

impl Trouble {
    fn new() -> Self {
        Self {
            backoff: DefaultBackoff::default(),
            hurried: false,
            forgotten: 0,
            paused: Instant::now(),
        }
    }

    fn ends(&mut self) {
        self.backoff.reset();
        self.hurried = false;
        self.forgotten = 0;
    }

    /// The server has forgotten how far we had read. That is part of watching, unless it does so again and again.
    fn forgets(&mut self) -> Option<WatchError> {
        self.forgotten += 1;
        (self.forgotten > 1).then(|| WatchError {
            problem: WatchProblem::Failing,
            message: "the API server forgets what it lists before it can be followed".to_owned(),
            rule: None,
        })
    }
}

/// How large the pages of a list would be as they were asked for first. A spell of large objects ends, and smaller pages, or such as are
/// not from the API server's memory, are dear: each process of a thousand nodes asks for them.
struct Sizes {
    page_size: Option<u32>,
    list_semantic: ListSemantic,
    objects: u32,
    bytes: usize,
    largest: usize,
}

impl Sizes {
    fn of_pages(config: &watcher::Config) -> Self {
        Self {
            page_size: config.page_size,
            list_semantic: config.list_semantic.clone(),
            objects: 0,
            bytes: 0,
            largest: 0,
        }
    }

    fn begin(&mut self) {
        (self.objects, self.bytes, self.largest) = (0, 0, 0);
    }

    fn add(&mut self, bytes: usize) {
        if self.page_size == Some(self.objects) {
            (self.objects, self.bytes) = (0, 0);
        }
        self.objects += 1;
        self.bytes += bytes;
        self.largest = self.largest.max(self.bytes);
    }

    /// True where none would be nearly too long.
    fn are_small(&self) -> bool {
        self.largest <= LONGEST / 2
    }

    fn list_as_before(&self, config: &mut watcher::Config) {
        config.page_size = self.page_size;
        config.list_semantic = self.list_semantic.clone();
    }
}

fn streams(config: &watcher::Config) -> bool {
    config.initial_list_strategy == InitialListStrategy::StreamingList
}

/// Servers before Kubernetes 1.27 ignore the wish for a streaming list, so that it never ends; others refuse it.
///
/// True where that changed something.
fn list_instead(kind: ResourceKind, config: &mut watcher::Config) -> bool {
    let streamed = streams(config);
    if streamed {
        tracing::info!(
            "{}: the API server does not stream lists; listing in pages",
            kind.name()
        );
        config.initial_list_strategy = InitialListStrategy::ListWatch;
    }
    streamed
}

/// So many objects are not asked for at once again, until a list was small. Pages are given by etcd alone: from its memory the API server gives lists whole.
fn list_in_smaller_pages(config: &mut watcher::Config) {
    config.list_semantic = ListSemantic::MostRecent;
    config.page_size = Some((config.page_size.unwrap_or(PAGE) / 8).max(1));
}

fn is_forgotten(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) | watcher::Error::WatchError(status) => {
            status.code == 410
        }
        _ => false,
    }
}

/// What a line of a watch that is no event would have told is lost: a deletion, maybe.
fn is_no_event(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchFailed(kube::Error::Api(status)) | watcher::Error::WatchError(status) => {
            status.code == 0
        }
        watcher::Error::WatchFailed(kube::Error::SerdeError(_)) => true,
        _ => false,
    }
}

fn refuses_streaming(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::WatchStartFailed(kube::Error::Api(status)) if matches!(status.code, 400 | 422)
    )
}
