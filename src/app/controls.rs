//! Requests on the socket of the plugin that has the buttons:
//!
//! | request | answer |
//! |---|---|
//! | `GET /report` | nodes with buttons |
//! | `POST /control` | what came of a button, or that it is under way |
//!
//! The map's plugin has another socket, so that whatever happens here, its reports are on time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use hyper::{Method, StatusCode};
use tokio::sync::Semaphore;

use super::Shared;
use super::pressed::Pressed;
use super::refusals::Refusals;
use crate::control::Controller;
use crate::link::controls as decide;
use crate::lock::locked;
use crate::model::cluster_map::ClusterMap;
use crate::model::control::{Control, Offer, Permitted, Progress};
use crate::render::scope::control_answer::ControlAnswer;
use crate::render::scope::controls::{self, Controls, control as button};
use crate::render::scope::{API_VERSION, timestamp};
use crate::serve::{Answer, BodyError, Handler, Request};

/// Scope's requests are a few hundred bytes.
const LONGEST_BODY: usize = 64 << 10;
/// How long an action is waited for. Scope gives up after 500 ms, and holds up all plugins while it waits.
const PATIENCE: Duration = Duration::from_millis(250);
/// Who waits at the same time; others are told at once that it is under way.
const MOST_WAITING: usize = 8;
/// The most of what Scope says of itself, in characters.
const LONGEST_ID: usize = 64;

/// What the answers share.
struct Buttons {
    shared: Arc<Shared>,
    controller: Controller,
    permitted: Permitted,
    latest: Mutex<Latest>,
    waiting: Semaphore,
    refusals: Mutex<Refusals>,
}

/// What was made last, to be given again while nothing has changed.
#[derive(Default)]
struct Latest {
    offers: Option<(u64, Arc<Vec<Offer>>)>,
    report: Option<((u64, u64, String), Vec<Bytes>)>,
}

/// Answers with these buttons.
pub(super) fn handler(shared: Arc<Shared>, controller: Controller, permitted: Permitted) -> Handler {
    let buttons = Arc::new(Buttons {
        shared,
        controller,
        permitted,
        latest: Mutex::default(),
        waiting: Semaphore::new(MOST_WAITING),
        refusals: Mutex::default(),
    });
    Arc::new(move |request| {
        let buttons = Arc::clone(&buttons);
        Box::pin(async move { buttons.answer(request).await })
    })
}

impl Buttons {
    async fn answer(&self, request: Request) -> Answer {
        match (request.path.as_str(), &request.method) {
            ("/report", &Method::GET | &Method::HEAD) => self.report(&request),
            ("/report", _) => Answer::method_not_allowed("GET, HEAD"),
            ("/control", &Method::POST) => self.control(request).await,
            ("/control", _) => Answer::method_not_allowed("POST"),
            (path, _) => Answer::error(
                StatusCode::NOT_FOUND,
                format!("no {path} here; there are /report and /control"),
            ),
        }
    }

    fn report(&self, request: &Request) -> Answer {
        if let Some(refused) = wrong_version(request) {
            return refused;
        }
        let probe_id = probe_id(request);
        let map = self.map();
        self.controller.shown(&map.inventory);
        let (done, actions) = self.controller.actions();
        let made_of = (map.inventory.version, done, probe_id);
        let offers = self.offers(&map);
        let mut latest = locked(&self.latest);
        if let Some((known, pieces)) = &latest.report
            && *known == made_of
        {
            return Answer::in_pieces("application/json", pieces.iter().cloned()).kept();
        }
        let taken_at = timestamp(SystemTime::now());
        let pieces = controls::controls_report(Controls {
            map: &map,
            offers: &offers,
            actions: &actions,
            probe_id: &made_of.2,
            taken_at: &taken_at,
        });
        latest.report = Some((made_of, pieces.clone()));
        Answer::in_pieces("application/json", pieces).kept()
    }

    fn map(&self) -> Arc<ClusterMap> {
        self.shared.cluster_map().unwrap_or_default()
    }

    fn offers(&self, map: &ClusterMap) -> Arc<Vec<Offer>> {
        let mut latest = locked(&self.latest);
        if let Some((version, offers)) = &latest.offers
            && *version == map.inventory.version
        {
            return Arc::clone(offers);
        }
        let offers = Arc::new(decide::offers(map, &self.permitted));
        latest.offers = Some((map.inventory.version, Arc::clone(&offers)));
        offers
    }

    async fn control(&self, request: Request) -> Answer {
        if let Some(refused) = wrong_version(&request) {
            return refused;
        }
        let probe_id = probe_id(&request);
        let body = match request.body(LONGEST_BODY).await {
            Ok(body) => body,
            Err(error) => {
                let status = match error {
                    BodyError::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
                    BodyError::Late => StatusCode::REQUEST_TIMEOUT,
                    BodyError::Broken => StatusCode::BAD_REQUEST,
                };
                return Answer::error(status, error.to_string());
            }
        };
        let pressed = match Pressed::parse(&body) {
            Ok(pressed) => pressed,
            Err(line) => return Answer::error(StatusCode::BAD_REQUEST, line),
        };
        let map = self.map();
        let offers = self.offers(&map);
        let (offer, control) = match pressed.among(&offers) {
            Ok(offered) => offered,
            Err(refusal) => {
                // Whatever node is named: there is no end of names.
                let control = button(&pressed.control).map_or("", Control::as_str);
                self.tell_refusal(control, &format!("{pressed}: refused: {refusal}"));
                return answered(&ControlAnswer::refusal(&refusal));
            }
        };
        let asked_by = asked_by(pressed.app.as_deref(), &probe_id);
        let begun = decide::plan(&map, control, &offer.target)
            .and_then(|plan| self.controller.press(control, offer, plan, &asked_by));
        let mut progress = match begun {
            Ok(progress) => progress,
            Err(refusal) => {
                let sort = format!("{} {}", control.as_str(), offer.target.name());
                self.tell_refusal(&sort, &format!("{sort}: refused: {refusal} ({asked_by})"));
                return answered(&ControlAnswer::refusal(&refusal));
            }
        };
        let ended = |progress: &Progress| *progress != Progress::Running;
        let progress = match self.waiting.try_acquire() {
            Ok(_place) => match tokio::time::timeout(PATIENCE, progress.wait_for(ended)).await {
                Ok(Ok(ended)) => ended.clone(),
                _ => Progress::Running,
            },
            Err(_) => progress.borrow().clone(),
        };
        self.said(&map, offer, &pressed.node, &probe_id, &progress)
    }

    /// Logs a refusal, unless one of this sort has been logged just now.
    fn tell_refusal(&self, sort: &str, line: &str) {
        match locked(&self.refusals).news(sort, Instant::now()) {
            Some(0) => tracing::warn!("{line}"),
            Some(untold) => tracing::warn!("{line}; {untold} refusals before it were not told"),
            None => {}
        }
    }

    fn said(
        &self,
        map: &ClusterMap,
        offer: &Offer,
        node: &str,
        probe_id: &str,
        progress: &Progress,
    ) -> Answer {
        let outcome = match progress {
            Progress::Failed(words) | Progress::Unanswered(words) => {
                return answered(&ControlAnswer::refusal(words));
            }
            Progress::Running => None,
            Progress::Done(outcome) => Some(outcome),
        };
        let answer = ControlAnswer::done(outcome.map(|outcome| outcome.text.as_str()));
        if outcome.is_some_and(|outcome| outcome.removed) {
            return answered(&answer.without_node(node));
        }
        let (_, actions) = self.controller.actions();
        let taken_at = timestamp(SystemTime::now());
        let report = controls::shortcut_report(
            Controls {
                map,
                offers: std::slice::from_ref(offer),
                actions: &actions,
                probe_id,
                taken_at: &taken_at,
            },
            offer,
        );
        answered(&answer.with_report(report))
    }
}

fn answered(answer: &ControlAnswer<'_>) -> Answer {
    Answer::ok("application/json", answer.json())
}

/// What is known of who asked: Scope's page has no login.
fn asked_by(app: Option<&str>, probe_id: &str) -> String {
    let app = plain(app.unwrap_or_default());
    format!("asked for in Weave Scope, app {app:?}, probe {probe_id:?}; by whom Scope does not say")
}

fn probe_id(request: &Request) -> String {
    plain(request.parameter("probe_id").unwrap_or_default())
}

/// What somebody says of himself, as far as it can stand in a log line and a node.
fn plain(text: &str) -> String {
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | ':');
    text.chars().filter(is_plain).take(LONGEST_ID).collect()
}

/// The refusal of a request in another version of Scope's interface. Scope always says which it speaks; a person with curl need not.
pub(super) fn wrong_version(request: &Request) -> Option<Answer> {
    let version = request.parameter("api_version")?;
    (version != API_VERSION).then(|| {
        let line = format!("api_version {version} is not spoken here, only {API_VERSION}");
        Answer::error(StatusCode::BAD_REQUEST, line)
    })
}
