//! Carries out what somebody pressed in Scope's page.
//!
//! Scope waits half a second, so an action is started and goes on by itself; whoever wants to wait for it a little can. What came of
//! it is kept for some minutes, to be shown where the button is, and told in an event of the object. The same button pressed
//! twice within some seconds is one action. Nothing is kept on disk: of what a dead process left behind, the API server knows.

mod api;
mod description;
mod moment;
mod names;
mod objects;
mod perform;
mod restored;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use kube::{Client, Config};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use self::moment::Moment;
use self::perform::{NotDone, Order};
use crate::cluster::connect::{self, ConnectError};
use crate::lock::locked;
use crate::model::control::{Action, Control, Made, Offer, Plan, Progress};
use crate::model::inventory::Inventory;

/// Within which the same button pressed again is the same wish.
const SAME_WISH: Duration = Duration::from_secs(10);
/// Within which a refusal answers the same button as well: who presses without end is refused without asking.
const SAME_REFUSAL: Duration = Duration::from_secs(2);
/// Within which the same is said in no second event of an object.
const SAME_NEWS: Duration = Duration::from_secs(60);
/// How long an outcome is shown.
const SHOWN: Duration = Duration::from_secs(600);
/// How long a description is shown: it is of one moment.
const DESCRIBED: Duration = Duration::from_secs(120);
/// How long an object that was made is told of by us, should the watch not have shown it before.
const MADE_SHOWN: Duration = Duration::from_secs(30);
/// Actions under way at most, with the events that tell of them.
const MOST_RUNNING: usize = 16;
/// Actions that are remembered at most.
const MOST_KEPT: usize = 256;

/// In which lines an object is told, were this the object, with its events in `items`; or what is wrong with it. For the fuzzer.
pub fn described(answer: &str) -> Result<Vec<(String, String)>, String> {
    let object: Value = api::understood(answer).map_err(|error| error.words().to_owned())?;
    let events = object["items"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(description::lines(&object, events))
}

/// Carries out actions, and remembers those of the last minutes.
#[derive(Clone)]
pub struct Controller {
    client: Client,
    state: Arc<Mutex<State>>,
    places: Arc<Semaphore>,
}

impl fmt::Debug for Controller {
    /// The client holds credentials.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Controller")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    /// Changes with every change.
    version: u64,
    /// In order of time.
    kept: Vec<Kept>,
    number: u64,
    /// What events said in the last minute, of which object.
    told: Vec<(Instant, String, String)>,
}

#[derive(Debug)]
struct Kept {
    action: Action,
    id: String,
    /// When it was begun; once it has ended, when it did.
    since: Instant,
    progress: watch::Receiver<Progress>,
}

impl Kept {
    fn is_running(&self) -> bool {
        self.action.progress == Progress::Running
    }

    fn is_recent(&self) -> bool {
        self.is_running() || self.since.elapsed() < SAME_WISH
    }

    /// It is under way, or was done or may have been not long ago.
    fn may_be_done(&self, control: Control, uid: &str) -> bool {
        let refused = matches!(self.action.progress, Progress::Failed(_));
        self.action.control == control && self.action.uid == uid && !refused && self.is_recent()
    }

    /// The same button, pressed by an impatient hand. A refusal can be tried again soon, and a description be wanted anew.
    fn answers(&self, control: Control, uid: &str) -> bool {
        self.action.control == control
            && self.action.uid == uid
            && match self.action.progress {
                Progress::Running => true,
                Progress::Done(_) => control != Control::Describe && self.is_recent(),
                Progress::Unanswered(_) => self.is_recent(),
                Progress::Failed(_) => self.since.elapsed() < SAME_REFUSAL,
            }
    }
}

/// Why an action is not even begun, in a sentence for people.
pub type Refusal = String;

impl Controller {
    /// One that speaks to that API server.
    pub fn new(config: Config) -> Result<Self, ConnectError> {
        Ok(Self {
            client: connect::bounded(config, &api::bounds())?,
            state: Arc::default(),
            places: Arc::new(Semaphore::new(MOST_RUNNING)),
        })
    }

    /// Begins an action, unless the same is under way or was just done: then it is that one. `asked_by` is what is known of who asked.
    ///
    /// What is returned tells how it stands, and when that changes.
    pub fn press(
        &self,
        control: Control,
        offer: &Offer,
        plan: Plan,
        asked_by: &str,
    ) -> Result<watch::Receiver<Progress>, Refusal> {
        let asked = Moment::now();
        let mut state = self.state();
        if let Some(same) = state.kept.iter().find(|kept| kept.answers(control, &offer.uid)) {
            return Ok(same.progress.clone());
        }
        let other = |control| {
            state
                .kept
                .iter()
                .any(|kept| kept.may_be_done(control, &offer.uid))
        };
        if control == Control::Delete && other(Control::Restore) {
            return Err(format!(
                "the snapshot {} is being restored; try again once the new claim is bound",
                offer.target.name()
            ));
        }
        if control == Control::Restore && other(Control::Delete) {
            return Err(format!("the snapshot {} is being deleted", offer.target.name()));
        }
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| format!("{MOST_RUNNING} actions are under way; try again in a moment"))?;
        state.number += 1;
        let order = Order {
            control,
            target: offer.target.clone(),
            uid: offer.uid.clone(),
            plan,
            id: format!("{:x}-{:x}", unique(), state.number),
            asked,
        };
        tracing::info!("{order}: begun ({asked_by})");
        let (changing, progress) = watch::channel(Progress::Running);
        state.keep(Kept {
            action: Action {
                control,
                target: order.target.clone(),
                uid: order.uid.clone(),
                asked: asked.0,
                progress: Progress::Running,
            },
            id: order.id.clone(),
            since: Instant::now(),
            progress: progress.clone(),
        });
        drop(state);
        let carried_out = self.clone().carry_out(order, changing, asked_by.to_owned());
        tokio::spawn(async move {
            carried_out.await;
            drop(place);
        });
        Ok(progress)
    }

    async fn carry_out(self, order: Order, changing: watch::Sender<Progress>, asked_by: String) {
        let (progress, text) = match perform::perform(&self.client, &order).await {
            Ok(outcome) => {
                let text = outcome.text.clone();
                tracing::info!("{order}: {text} ({asked_by})");
                (Progress::Done(outcome), text)
            }
            Err(NotDone::Refused(words)) => {
                tracing::warn!("{order}: refused: {words} ({asked_by})");
                (Progress::Failed(words.clone()), words)
            }
            Err(NotDone::Unanswered(words)) => {
                tracing::warn!("{order}: {words} ({asked_by})");
                (Progress::Unanswered(words.clone()), words)
            }
        };
        let is_news = {
            let mut state = self.state();
            state.ended(&order.id, &progress);
            if order.control == Control::Delete && matches!(progress, Progress::Done(_)) {
                state.deleted(&order.uid);
            }
            state.is_news(&order.uid, &format!("{}: {text}", order.control.as_str()))
        };
        // Whoever pressed may have gone.
        let _ = changing.send(progress.clone());
        // To look changes nothing, and leaves no event.
        if order.control != Control::Describe && is_news {
            perform::tell(&self.client, &order, &progress, &asked_by).await;
        }
    }

    /// Takes in what the API tells of by now.
    pub fn shown(&self, inventory: &Inventory) {
        self.state().shown(inventory);
    }

    /// The actions to be shown now, and a number that is another one when they change.
    pub fn actions(&self) -> (u64, Vec<Action>) {
        let mut state = self.state();
        state.forget();
        let actions = state.kept.iter().map(|kept| kept.action.clone()).collect();
        (state.version, actions)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl State {
    fn keep(&mut self, kept: Kept) {
        // Of one object the last action of each control is shown.
        let (control, uid) = (kept.action.control, kept.action.uid.clone());
        self.kept
            .retain(|other| other.is_running() || other.action.control != control || other.action.uid != uid);
        if self.kept.len() >= MOST_KEPT
            && let Some(oldest) = self.kept.iter().position(|kept| !kept.is_running())
        {
            self.kept.remove(oldest);
        }
        self.kept.push(kept);
        self.version += 1;
    }

    fn ended(&mut self, id: &str, progress: &Progress) {
        for kept in self.kept.iter_mut().filter(|kept| kept.id == id) {
            kept.action.progress = progress.clone();
            kept.since = Instant::now();
        }
        self.version += 1;
    }

    /// What was made and is deleted again is not told of any more.
    fn deleted(&mut self, uid: &str) {
        self.let_go(|_, made| made.uid == uid);
    }

    /// Snapshots that the watch tells of by now are not told of from here: one that is gone later would come back.
    fn shown(&mut self, inventory: &Inventory) {
        self.let_go(|_, made| {
            let known = inventory.snapshots.get(&made.name);
            known.is_some_and(|snapshot| snapshot.uid == made.uid)
        });
    }

    /// Forgets what was made, by when its action ended and what it is.
    fn let_go(&mut self, is_it: impl Fn(Instant, &Made) -> bool) {
        for kept in &mut self.kept {
            if let Progress::Done(outcome) = &mut kept.action.progress
                && outcome.made.take_if(|made| is_it(kept.since, made)).is_some()
            {
                self.version += 1;
            }
        }
    }

    /// True where an event has not said so in the last minute.
    fn is_news(&mut self, uid: &str, text: &str) -> bool {
        self.told.retain(|(when, ..)| when.elapsed() < SAME_NEWS);
        let is_known = self.told.iter().any(|(_, of, said)| of == uid && said == text);
        if !is_known {
            if self.told.len() >= MOST_KEPT {
                self.told.remove(0);
            }
            self.told.push((Instant::now(), uid.to_owned(), text.to_owned()));
        }
        !is_known
    }

    /// What has been shown long enough goes.
    fn forget(&mut self) {
        let mut changed = false;
        self.kept.retain(|kept| {
            let limit = match (kept.action.control, &kept.action.progress) {
                (_, Progress::Running) => return true,
                (Control::Describe, _) => DESCRIBED,
                _ => SHOWN,
            };
            let stays = kept.since.elapsed() < limit;
            changed |= !stays;
            stays
        });
        self.version += u64::from(changed);
        self.let_go(|since, _| since.elapsed() >= MADE_SHOWN);
    }
}

/// A number that no other process and no earlier run has: the moment, to the nanosecond.
fn unique() -> u128 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |passed| passed.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::dump;
    use crate::model::control::{MadeWhat, Outcome, Target};
    use crate::model::workload::NamespacedName;

    #[test]
    fn what_was_made_is_told_of_until_the_watch_has_told_of_it() {
        let made = Made {
            uid: "uid-1".to_owned(),
            name: NamespacedName::new("shop", "data-1"),
            what: MadeWhat::Snapshot {
                claim: "data".to_owned(),
                volume: "pvc-data".to_owned(),
            },
        };
        let mut state = State::default();
        state.kept.push(Kept {
            action: Action {
                control: Control::CreateSnapshot,
                target: Target::Claim(NamespacedName::new("shop", "data")),
                uid: "uid-of-data".to_owned(),
                asked: 0,
                progress: Progress::Done(Outcome {
                    made: Some(made),
                    ..Outcome::default()
                }),
            },
            id: "1".to_owned(),
            since: Instant::now(),
            progress: watch::channel(Progress::Running).1,
        });
        let is_told = |state: &State| match &state.kept[0].action.progress {
            Progress::Done(outcome) => outcome.made.is_some(),
            _ => unreachable!(),
        };
        state.shown(&Inventory::default());
        assert!(is_told(&state), "the watch lags behind");
        let inventory = dump::parse(
            r#"{"kind": "VolumeSnapshot", "apiVersion": "snapshot.storage.k8s.io/v1",
                "metadata": {"name": "data-1", "namespace": "shop", "uid": "uid-1"}}"#,
        );
        let inventory = inventory.unwrap();
        let before = state.version;
        state.shown(&inventory);
        assert!(!is_told(&state), "it would come back when somebody deletes it");
        assert_ne!(state.version, before);
    }
}
