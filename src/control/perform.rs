//! One action from its plan to its outcome.

use std::fmt;
use std::time::Duration;

use hyper::Method;
use kube::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::api::{ApiError, ask};
use super::moment::Moment;
use super::{description, names, objects};
use crate::model::control::{Control, Made, MadeWhat, Outcome, Plan, Target};
use crate::model::snapshot::DeletionPolicy;
use crate::model::workload::NamespacedName;

/// How long an action is tried that the server neither takes nor refuses.
const TRIED: Duration = Duration::from_secs(30);
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

/// Carries it out. The error is a sentence for people, in the server's words where it had any.
pub(super) async fn perform(client: &Client, order: &Order) -> Result<Outcome, String> {
    let deadline = Instant::now() + TRIED;
    match &order.plan {
        Plan::MakeSnapshot { .. } | Plan::MakeClaim { .. } => make(client, order, deadline).await,
        Plan::DeleteSnapshot { name, policy } => delete(client, order, name, *policy, deadline).await,
        Plan::Describe => describe(client, order).await,
    }
}

/// Asks until there is an answer that will stay, or the time is over.
async fn until_answered(
    client: &Client,
    method: &Method,
    path: &str,
    body: Option<&Value>,
    deadline: Instant,
) -> Result<Value, ApiError> {
    loop {
        match ask(client, method.clone(), path, body).await {
            Err(error) if error.passes() && Instant::now() + PAUSE < deadline => {
                tracing::debug!("{method} {path}: {}; trying again", error.words());
                tokio::time::sleep(PAUSE).await;
            }
            answered => return answered,
        }
    }
}

async fn make(client: &Client, order: &Order, deadline: Instant) -> Result<Outcome, String> {
    for attempt in 1..=MOST_NAMES {
        let name = names::name(order.target.name(), order.asked, attempt);
        let Some((list, object)) = objects::made_by(&order.plan, &name, &order.id) else {
            break;
        };
        match until_answered(client, &Method::POST, &list, Some(&object), deadline).await {
            Ok(made) => return Ok(outcome(order, &made)),
            // Made by an attempt whose answer was lost, or somebody else's of the same second.
            Err(ApiError::Refused { code: 409, words }) => {
                let found = ask(client, Method::GET, &objects::listed_in(&list, &name), None).await;
                let is_ours =
                    |object: &&Value| object["metadata"]["annotations"][objects::ACTION] == order.id;
                match found
                    .as_ref()
                    .map(|found| found["items"].as_array().into_iter().flatten().find(is_ours))
                {
                    Ok(Some(ours)) => return Ok(outcome(order, ours)),
                    Ok(None) => {}
                    Err(_) => return Err(words),
                }
            }
            Err(error) => return Err(error.words().to_owned()),
        }
    }
    Err(format!(
        "all names for a copy of {} are taken",
        order.target.name()
    ))
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
) -> Result<Outcome, String> {
    // Another snapshot of the same name is not meant.
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": order.uid}});
    let path = format!("{}/{}", objects::snapshots(&name.namespace), name.name);
    let data = match policy {
        Some(DeletionPolicy::Retain) => "; the storage system keeps its data",
        Some(DeletionPolicy::Delete) => ", and its data with it",
        None => "",
    };
    match until_answered(client, &Method::DELETE, &path, Some(&options), deadline).await {
        // An object that something still holds is sent back as it is now; of one that is gone only the success is told.
        Ok(answer) => Ok(Outcome {
            text: format!("snapshot {} deleted{data}", name.name),
            removed: answer["kind"] == "Status",
            ..Outcome::default()
        }),
        Err(ApiError::Refused { code: 404, .. }) => Ok(Outcome {
            text: format!("snapshot {} is gone", name.name),
            removed: true,
            ..Outcome::default()
        }),
        Err(error) => Err(error.words().to_owned()),
    }
}

async fn describe(client: &Client, order: &Order) -> Result<Outcome, String> {
    let list = objects::listed(&order.target);
    let events = objects::events_of(&order.target, &order.uid);
    let (found, events) = tokio::join!(
        ask(client, Method::GET, &list, None),
        ask(client, Method::GET, &events, None)
    );
    let found = found.map_err(|error| error.words().to_owned())?;
    let is_it = |object: &&Value| object["metadata"]["uid"] == order.uid;
    let object = found["items"].as_array().into_iter().flatten().find(is_it);
    let object = object.ok_or_else(|| format!("there is no {} any more", order.target.name()))?;
    // Without the right to read events the object is told of all the same.
    let mut lines = match &events {
        Ok(events) => description::lines(object, events["items"].as_array().map_or(&[], Vec::as_slice)),
        Err(error) => {
            let mut lines = description::lines(object, &[]);
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
pub(super) async fn tell(client: &Client, order: &Order, done: Result<&str, &str>, asked_by: &str) {
    let event = objects::event(
        order.control,
        &order.target,
        &order.uid,
        done,
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
