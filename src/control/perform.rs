//! One action from its plan to its outcome.

use std::fmt;
use std::time::Duration;

use hyper::Method;
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::api::{ApiError, ask, understood};
use super::moment::Moment;
use super::restored::restored_from;
use super::{description, names, objects};
use crate::model::control::{Control, Made, MadeWhat, Outcome, Plan, Progress, Target};
use crate::model::snapshot::DeletionPolicy;
use crate::model::workload::NamespacedName;

/// How long an action is tried that the server neither takes nor refuses.
pub(super) const TRIED: Duration = Duration::from_secs(30);
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// Names that are tried where the first is taken.
const MOST_NAMES: u32 = 9;

/// An action in full.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) control: Control,
    pub(super) target: Target,
    pub(super) uid: String,
    pub(super) plan: Plan,
    /// What tells it from all others.
    pub(super) id: String,
    pub(super) asked: Moment,
}

impl fmt::Display for Order {
    /// `restore VolumeSnapshot shop/daily`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (control, target) = (self.control.as_str(), &self.target);
        write!(
            formatter,
            "{control} {} {}/{}",
            target.kind(),
            target.namespace(),
            target.name()
        )
    }
}

/// Why it was not done, or why nobody knows whether it was: a sentence for people, in the server's words where it had any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotDone {
    Refused(String),
    Unanswered(String),
}

impl NotDone {
    fn refused(error: &ApiError) -> Self {
        Self::Refused(error.words().to_owned())
    }
}

/// Carries it out.
pub(super) async fn perform(client: &Client, order: &Order) -> Result<Outcome, NotDone> {
    let deadline = Instant::now() + TRIED;
    match &order.plan {
        Plan::MakeSnapshot { .. } | Plan::MakeClaim { .. } => make(client, order, deadline).await,
        Plan::DeleteSnapshot { name, policy } => delete(client, order, name, *policy, deadline).await,
        Plan::Describe => describe(client, order).await,
    }
}

/// Asks until there is an answer that will stay, or the time is over.
pub(super) async fn until_answered(
    client: &Client,
    method: &Method,
    path: &str,
    body: Option<&Value>,
    deadline: Instant,
) -> Result<String, ApiError> {
    until_done(client, method, path, body, deadline).await.0
}

/// The same of what changes something, with whether it may have been done by an attempt before the one that was answered. Of such a second
/// attempt even a refusal says nothing: a quota, for one, is asked before the name that is taken by then.
async fn until_done(
    client: &Client,
    method: &Method,
    path: &str,
    body: Option<&Value>,
    deadline: Instant,
) -> (Result<String, ApiError>, bool) {
    let mut may_be_done = false;
    loop {
        match ask(client, method.clone(), path, body).await {
            Err(error) if error.passes() && Instant::now() + PAUSE < deadline => {
                tracing::debug!("{method} {path}: {}; trying again", error.words());
                may_be_done |= error.is_unanswered();
                tokio::time::sleep(PAUSE).await;
            }
            answered => return (answered, may_be_done),
        }
    }
}

/// What is known under a name may have been made anew under it since, and of that other thing nobody asked for a copy.
async fn is_still_there(client: &Client, order: &Order, deadline: Instant) -> Result<(), NotDone> {
    let list = objects::listed(&order.target);
    let listed = until_answered(client, &Method::GET, &list, None, deadline).await;
    shown(order, listed).map(|_| ())
}

/// Of a list the very object that was shown to whoever pressed.
fn shown(order: &Order, listed: Result<String, ApiError>) -> Result<Value, NotDone> {
    let listed = listed.and_then(|listed| understood::<Value>(&listed));
    let mut listed = listed.map_err(|error| NotDone::refused(&error))?;
    let objects = match listed["items"].take() {
        Value::Array(objects) => objects,
        _ => Vec::new(),
    };
    let is_it = |object: &Value| object["metadata"]["uid"] == order.uid;
    let object = objects.into_iter().find(is_it);
    object.ok_or_else(|| NotDone::Refused(format!("there is no {} any more", order.target.name())))
}

async fn make(client: &Client, order: &Order, deadline: Instant) -> Result<Outcome, NotDone> {
    is_still_there(client, order, deadline).await?;
    for attempt in 1..=MOST_NAMES {
        let name = names::name(order.target.name(), order.asked, attempt);
        let Some((list, object)) = objects::made_by(&order.plan, &name, &order.id) else {
            break;
        };
        let (answered, may_be_done) = until_done(client, &Method::POST, &list, Some(&object), deadline).await;
        let error = match answered.and_then(|made| understood::<Value>(&made)) {
            Ok(made) => return Ok(outcome(order, &made)),
            Err(error) => error,
        };
        // Made by an attempt whose answer was lost, or somebody else's of the same second.
        let is_taken = matches!(error, ApiError::Refused { code: 409, .. });
        let is_refusal = !is_taken && !error.is_unanswered();
        if is_refusal && !may_be_done {
            return Err(NotDone::refused(&error));
        }
        // Even when the time is over it is looked for once.
        let found = until_answered(
            client,
            &Method::GET,
            &objects::listed_in(&list, &name),
            None,
            deadline,
        )
        .await;
        let is_ours = |object: &&Value| object["metadata"]["annotations"][objects::ACTION] == order.id;
        let found = found.and_then(|found| understood::<Value>(&found));
        let ours = found.map(|found| items(&found).find(is_ours).map(|ours| outcome(order, ours)));
        match ours {
            Ok(Some(made)) => return Ok(made),
            // Somebody else's.
            Ok(None) if is_taken => {}
            Ok(None) if is_refusal => return Err(NotDone::refused(&error)),
            Ok(None) | Err(_) => {
                return Err(NotDone::Unanswered(format!(
                    "not known whether {name} was made; look for it before you press again: {}",
                    error.words()
                )));
            }
        }
    }
    Err(NotDone::Refused(format!(
        "all names for a copy of {} are taken",
        order.target.name()
    )))
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

fn outcome(order: &Order, object: &Value) -> Outcome {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    let name = NamespacedName::new(text("namespace"), text("name"));
    let (said, what) = match &order.plan {
        Plan::MakeSnapshot { claim, volume, class } => (
            format!("snapshot {} made, of class {class}", name.name),
            MadeWhat::Snapshot {
                claim: claim.name.clone(),
                volume: volume.clone(),
            },
        ),
        Plan::MakeClaim { class, .. } => (
            format!("claim {} made from {}", name.name, order.target.name()),
            MadeWhat::Claim { class: class.clone() },
        ),
        Plan::DeleteSnapshot { .. } | Plan::Describe => return Outcome::default(),
    };
    Outcome {
        text: said,
        made: Some(Made {
            uid: text("uid"),
            name,
            what,
        }),
        ..Outcome::default()
    }
}

async fn delete(
    client: &Client,
    order: &Order,
    name: &NamespacedName,
    policy: Option<DeletionPolicy>,
    deadline: Instant,
) -> Result<Outcome, NotDone> {
    // What is followed may lag behind. Where the policy is not known, it is taken for the one that loses something.
    if policy != Some(DeletionPolicy::Retain) {
        let restored = restored_from(client, name, deadline).await.map_err(|words| {
            NotDone::Refused(format!(
                "whether a claim is being restored from {} cannot be asked: {words}",
                name.name
            ))
        })?;
        if let Some(claim) = restored {
            return Err(NotDone::Refused(format!(
                "the claim {claim} is being restored from the snapshot {name}, and the data would go with it; try again once it is bound"
            )));
        }
    }
    // Another snapshot of the same name is not meant.
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": order.uid}});
    let path = format!("{}/{}", objects::snapshots(&name.namespace), name.name);
    let data = match policy {
        Some(DeletionPolicy::Retain) => "; the storage system keeps its data",
        Some(DeletionPolicy::Delete) => ", and its data with it",
        None => "",
    };
    let (answered, may_be_done) = until_done(client, &Method::DELETE, &path, Some(&options), deadline).await;
    match answered {
        // An object that something still holds is sent back as it is now; of one that is gone only the success is told.
        Ok(answer) if is_status(&answer) => Ok(Outcome {
            text: format!("snapshot {} deleted{data}", name.name),
            removed: true,
            ..Outcome::default()
        }),
        Ok(_) => Ok(Outcome {
            text: format!(
                "deletion of snapshot {} asked for{data}; it is gone once its controller lets go of it",
                name.name
            ),
            ..Outcome::default()
        }),
        Err(ApiError::Refused { code: 404, .. }) => Ok(Outcome {
            text: format!("snapshot {} is gone", name.name),
            removed: true,
            ..Outcome::default()
        }),
        Err(error) if error.is_unanswered() || may_be_done => Err(NotDone::Unanswered(format!(
            "not known whether snapshot {} was deleted: {}",
            name.name,
            error.words()
        ))),
        Err(error) => Err(NotDone::refused(&error)),
    }
}

/// True for an answer that is no object.
fn is_status(answer: &str) -> bool {
    #[derive(Deserialize)]
    struct Kind {
        kind: Option<String>,
    }
    understood::<Kind>(answer).is_ok_and(|answer| answer.kind.as_deref() == Some("Status"))
}

async fn describe(client: &Client, order: &Order) -> Result<Outcome, NotDone> {
    let list = objects::listed(&order.target);
    let events = objects::events_of(&order.target, &order.uid);
    let (listed, events) = tokio::join!(
        ask(client, Method::GET, &list, None),
        ask(client, Method::GET, &events, None)
    );
    let object = shown(order, listed)?;
    let events = events.and_then(|events| understood::<Value>(&events));
    // Without the right to read events the object is told of all the same.
    let mut lines = match &events {
        Ok(events) => description::lines(&object, events["items"].as_array().map_or(&[], Vec::as_slice)),
        Err(error) => {
            let mut lines = description::lines(&object, &[]);
            lines.push(("events".to_owned(), error.words().to_owned()));
            lines
        }
    };
    // A list's items do not say what they are.
    lines.insert(0, ("kind".to_owned(), order.target.kind().to_owned()));
    Ok(Outcome {
        text: "described below".to_owned(),
        description: lines,
        ..Outcome::default()
    })
}

/// Says in the API what came of it. Nobody waits for this, and an event that cannot be made is told in the log.
pub(super) async fn tell(client: &Client, order: &Order, progress: &Progress, asked_by: &str) {
    let event = objects::event(
        order.control,
        &order.target,
        &order.uid,
        progress,
        asked_by,
        &order.id,
        Moment::now(),
    );
    let list = objects::events(order.target.namespace());
    if let Err(error) = ask(client, Method::POST, &list, Some(&event)).await {
        tracing::warn!(
            "no event of {} {} {}: {}",
            order.control.as_str(),
            order.target.kind(),
            order.target.name(),
            error.words()
        );
    }
}
