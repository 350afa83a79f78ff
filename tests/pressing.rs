//! What comes of a button when the API server says this.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::time::Duration;

use scope_storage_probe::control::Controller;
use scope_storage_probe::model::control::{Control, DataFrom, Offer, Plan, Progress, Target};
use scope_storage_probe::model::snapshot::DeletionPolicy;
use scope_storage_probe::model::volume::VolumeMode;
use scope_storage_probe::model::workload::{AccessMode, NamespacedName};
use serde_json::{Value, json};
use support::scripted_api::{Answer, Asked, ScriptedApi};
use tokio::sync::watch::Receiver;

const SNAPSHOTS: &str = "/apis/snapshot.storage.k8s.io/v1/namespaces/shop/volumesnapshots";
const CLAIMS: &str = "/api/v1/namespaces/shop/persistentvolumeclaims";

fn daily(uid: &str) -> Offer {
    Offer {
        target: Target::Snapshot(NamespacedName::new("shop", "daily")),
        uid: uid.to_owned(),
        controls: vec![Control::Restore, Control::Delete],
    }
}

fn restoring() -> Plan {
    Plan::MakeClaim {
        namespace: "shop".into(),
        from: DataFrom::Snapshot("daily".into()),
        class: None,
        access_modes: vec![AccessMode::ReadWriteOnce],
        mode: VolumeMode::Filesystem,
        bytes: 1 << 30,
    }
}

fn deletion() -> Plan {
    Plan::DeleteSnapshot {
        name: NamespacedName::new("shop", "daily"),
        policy: Some(DeletionPolicy::Delete),
    }
}

fn made() -> Answer {
    Answer::json(
        201,
        &json!({"metadata": {"name": "made", "namespace": "shop", "uid": "made"}}),
    )
}

fn success() -> Answer {
    Answer::json(200, &json!({"kind": "Status", "status": "Success"}))
}

fn controller(api: &ScriptedApi) -> Controller {
    Controller::new(api.config()).unwrap()
}

async fn outcome(progress: Result<Receiver<Progress>, String>) -> Progress {
    let mut progress = progress.unwrap();
    let ended = |progress: &Progress| *progress != Progress::Running;
    let waiting = tokio::time::timeout(Duration::from_secs(60), progress.wait_for(ended));
    waiting.await.unwrap().unwrap().clone()
}

fn count(api: &ScriptedApi, method: &str, path: &str) -> usize {
    let asked = api.asked();
    let same = |asked: &&Asked| asked.method == method && asked.path == path;
    asked.iter().filter(same).count()
}

/// Events are taken, and the snapshot `daily` is there, with the UID `s`.
fn is_event(asked: &Asked) -> Option<Answer> {
    let is_there = asked.method == "GET" && asked.path == SNAPSHOTS;
    if is_there {
        return Some(snapshots(&["s"]));
    }
    asked.path.ends_with("/events").then(made)
}

/// A list of snapshots called `daily`.
fn snapshots(uids: &[&str]) -> Answer {
    let daily = |uid: &&str| json!({"metadata": {"name": "daily", "namespace": "shop", "uid": uid}});
    Answer::list("1", &uids.iter().map(daily).collect::<Vec<_>>())
}

#[tokio::test]
async fn a_claim_that_the_watch_has_not_told_of_keeps_its_snapshot() {
    let pending = json!({"metadata": {"name": "copy"}, "status": {"phase": "Pending"},
                         "spec": {"dataSource": {"kind": "VolumeSnapshot", "name": "daily"}}});
    let api = ScriptedApi::start(move |asked| {
        is_event(asked).or_else(|| match asked.path.as_str() {
            CLAIMS if asked.before == 0 => Some(Answer::list("1", std::slice::from_ref(&pending))),
            CLAIMS => Some(Answer::list("2", &[])),
            _ => Some(success()),
        })
    });
    let controller = controller(&api);
    let refused = outcome(controller.press(Control::Delete, &daily("s"), deletion(), "a test")).await;
    let Progress::Failed(words) = refused else {
        panic!("{refused:?}");
    };
    assert!(words.contains("the claim copy is being restored"), "{words}");
    let path = format!("{SNAPSHOTS}/daily");
    assert_eq!(count(&api, "DELETE", &path), 0);
    // What is refused can be wanted again soon.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let done = outcome(controller.press(Control::Delete, &daily("s"), deletion(), "a test")).await;
    assert!(
        matches!(done, Progress::Done(ref outcome) if outcome.removed),
        "{done:?}"
    );
    assert_eq!(count(&api, "DELETE", &path), 1);
    // And of what is being deleted nothing is made.
    let refused = controller.press(Control::Restore, &daily("s"), restoring(), "a test");
    assert_eq!(refused.unwrap_err(), "the snapshot daily is being deleted");
}

#[tokio::test]
async fn a_namespace_may_have_any_number_of_claims_of_any_size() {
    // Fifteen megabytes in all, and six in a hundred of them. The last is the one.
    let claims: Vec<Value> = (0..250)
        .map(|number| {
            json!({"metadata": {"name": format!("data-{number}"), "annotations": {"text": "x".repeat(60_000)}},
                   "spec": {"dataSource": {"kind": "VolumeSnapshot", "name": if number == 249 { "daily" } else { "other" }}},
                   "status": {"phase": "Pending"}})
        })
        .collect();
    let api = ScriptedApi::start(move |asked| {
        if asked.path != CLAIMS {
            return is_event(asked).or_else(|| Some(success()));
        }
        let from: usize = asked
            .query
            .get("continue")
            .map_or(0, |from| from.parse().unwrap());
        let limit: usize = asked.query["limit"].parse().unwrap();
        let end = from.saturating_add(limit).min(claims.len());
        Some(if end == claims.len() {
            Answer::list("1", &claims[from..])
        } else {
            Answer::page("1", &claims[from..end], &end.to_string())
        })
    });
    let controller = controller(&api);
    let refused = outcome(controller.press(Control::Delete, &daily("s"), deletion(), "a test")).await;
    let Progress::Failed(words) = refused else {
        panic!("{refused:?}");
    };
    assert!(words.contains("the claim data-249 is being restored"), "{words}");
    let other = Plan::DeleteSnapshot {
        name: NamespacedName::new("shop", "weekly"),
        policy: Some(DeletionPolicy::Delete),
    };
    let done = outcome(controller.press(Control::Delete, &daily("w"), other, "a test")).await;
    assert!(
        matches!(done, Progress::Done(ref outcome) if outcome.removed),
        "{done:?}"
    );
}

#[tokio::test]
async fn a_snapshot_that_was_made_and_is_deleted_again_is_not_told_of() {
    let api = ScriptedApi::start(|asked| {
        is_event(asked).or_else(|| match asked.method.as_str() {
            "POST" => Some(made()),
            "DELETE" => Some(success()),
            // The claim that a snapshot is taken of.
            _ => Some(Answer::list(
                "1",
                &[json!({"metadata": {"name": "data", "uid": "c"}})],
            )),
        })
    });
    let controller = controller(&api);
    let of_claim = Offer {
        target: Target::Claim(NamespacedName::new("shop", "data")),
        uid: "c".into(),
        controls: vec![Control::CreateSnapshot],
    };
    let plan = Plan::MakeSnapshot {
        claim: NamespacedName::new("shop", "data"),
        volume: "pv".into(),
        class: "fast".into(),
    };
    let told = || {
        let (version, actions) = controller.actions();
        let is_made =
            |progress: &Progress| matches!(progress, Progress::Done(outcome) if outcome.made.is_some());
        let told = actions.iter().filter(|action| is_made(&action.progress)).count();
        (version, told)
    };
    outcome(controller.press(Control::CreateSnapshot, &of_claim, plan, "a test")).await;
    let (before, made) = told();
    assert_eq!(made, 1);
    outcome(controller.press(Control::Delete, &daily("another"), deletion(), "a test")).await;
    assert_eq!(told().1, 1);
    outcome(controller.press(Control::Delete, &daily("made"), deletion(), "a test")).await;
    let (after, made) = told();
    assert!(made == 0 && after > before);
}

#[tokio::test]
async fn a_restore_that_took_long_guards_its_snapshot_from_when_it_ended() {
    let api = ScriptedApi::start(|asked| {
        is_event(asked).or_else(|| match (asked.method.as_str(), asked.before) {
            // The answer is lost after 10 s; the second attempt is taken.
            ("POST", 0) => Some(Answer::none()),
            ("POST", _) => Some(made()),
            _ => Some(Answer::list("1", &[])),
        })
    });
    let controller = controller(&api);
    let done = outcome(controller.press(Control::Restore, &daily("s"), restoring(), "a test")).await;
    assert!(matches!(done, Progress::Done(_)), "{done:?}");
    let refused = controller.press(Control::Delete, &daily("s"), deletion(), "a test");
    assert!(refused.unwrap_err().contains("is being restored"));
}

#[tokio::test]
async fn what_may_be_ours_is_looked_for_until_somebody_answers() {
    let api = ScriptedApi::start(|asked| {
        is_event(asked).or_else(|| match (asked.method.as_str(), asked.before) {
            ("POST" | "GET", 0) => Some(Answer::status(503, "ServiceUnavailable", "in a moment")),
            ("POST", _) => Some(Answer::status(409, "AlreadyExists", "taken")),
            _ => Some(Answer::list("1", &[])),
        })
    });
    let controller = controller(&api);
    let failed = outcome(controller.press(Control::Restore, &daily("s"), restoring(), "a test")).await;
    // Nothing that is found bears our mark: all names are somebody else's.
    let Progress::Failed(words) = failed else {
        panic!("{failed:?}");
    };
    assert!(words.contains("all names"), "{words}");
    assert!(
        count(&api, "GET", CLAIMS) > 2,
        "it was looked for in spite of the first error"
    );
}

#[tokio::test]
async fn what_may_have_been_done_is_not_called_refused() {
    let api = ScriptedApi::start(|asked| {
        is_event(asked).or_else(|| match asked.method.as_str() {
            "POST" => Some(Answer::broken("{")),
            _ => Some(Answer::list("1", &[])),
        })
    });
    let controller = controller(&api);
    let plan = restoring;
    let unknown = outcome(controller.press(Control::Restore, &daily("s"), plan(), "a test")).await;
    let Progress::Unanswered(words) = unknown else {
        panic!("{unknown:?}");
    };
    assert!(words.starts_with("not known whether daily-"), "{words}");
    let asked = count(&api, "POST", CLAIMS);
    // The same wish: nothing is made a second time.
    let again = outcome(controller.press(Control::Restore, &daily("s"), plan(), "a test")).await;
    assert!(matches!(again, Progress::Unanswered(_)), "{again:?}");
    assert_eq!(count(&api, "POST", CLAIMS), asked);
}

/// What was made by the attempt whose answer was lost has used up the quota that the next one is held against.
#[tokio::test]
async fn a_refusal_of_the_second_attempt_is_none_of_the_first() {
    let api = ScriptedApi::start(|asked| {
        is_event(asked).or_else(|| match (asked.method.as_str(), asked.before) {
            ("POST" | "DELETE", 0) => Some(Answer::status(504, "Timeout", "lost")),
            ("POST", _) => Some(Answer::status(403, "Forbidden", "exceeded quota")),
            ("DELETE", _) => Some(Answer::status(
                409,
                "Conflict",
                "the UID in the precondition is another",
            )),
            _ => Some(Answer::list("1", &[])),
        })
    });
    let controller = controller(&api);
    let failed = outcome(controller.press(Control::Restore, &daily("s"), restoring(), "a test")).await;
    assert_eq!(
        failed,
        Progress::Failed("exceeded quota".into()),
        "nothing of ours was found"
    );
    assert_eq!(count(&api, "GET", CLAIMS), 1, "it was looked for");
    let unknown = outcome(controller.press(Control::Delete, &daily("s"), deletion(), "a test")).await;
    let Progress::Unanswered(words) = unknown else {
        panic!("{unknown:?}");
    };
    assert!(
        words.starts_with("not known whether snapshot daily was deleted"),
        "{words}"
    );
}

/// Its data are others than those that were shown to whoever pressed.
#[tokio::test]
async fn of_a_snapshot_that_was_made_anew_nothing_is_made() {
    let api = ScriptedApi::start(|asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", SNAPSHOTS) => Some(snapshots(&["t"])),
        _ => Some(made()),
    });
    let controller = controller(&api);
    let failed = outcome(controller.press(Control::Restore, &daily("s"), restoring(), "a test")).await;
    assert_eq!(failed, Progress::Failed("there is no daily any more".into()));
    assert_eq!(count(&api, "POST", CLAIMS), 0);
}

#[tokio::test]
async fn what_a_finalizer_holds_is_not_called_deleted() {
    let api = ScriptedApi::start(|asked| {
        is_event(asked).or_else(|| match asked.method.as_str() {
            "DELETE" => Some(Answer::json(
                200,
                &json!({"kind": "VolumeSnapshot", "metadata": {}}),
            )),
            _ => Some(Answer::list("1", &[])),
        })
    });
    let done = outcome(controller(&api).press(Control::Delete, &daily("s"), deletion(), "a test")).await;
    let Progress::Done(outcome) = done else {
        panic!("{done:?}");
    };
    assert!(
        outcome.text.starts_with("deletion of snapshot daily asked for"),
        "{}",
        outcome.text
    );
    assert!(!outcome.removed);
}

#[tokio::test]
async fn the_seventeenth_action_has_to_wait_also_for_events() {
    let api = ScriptedApi::start(|asked| {
        if asked.path.ends_with("/events") {
            Some(Answer::none())
        } else {
            Some(Answer::status(403, "Forbidden", "no"))
        }
    });
    let controller = controller(&api);
    for number in 0..16 {
        let offer = daily(&format!("s{number}"));
        let failed = outcome(controller.press(Control::Restore, &offer, restoring(), "a test")).await;
        assert!(matches!(failed, Progress::Failed(_)), "{failed:?}");
    }
    let refused = controller.press(Control::Restore, &daily("one more"), restoring(), "a test");
    assert!(refused.unwrap_err().contains("16 actions are under way"));
}

#[tokio::test]
async fn an_event_says_the_same_once_a_minute() {
    let api = ScriptedApi::start(|asked| is_event(asked).or(Some(Answer::status(403, "Forbidden", "no"))));
    let controller = controller(&api);
    for _ in 0..2 {
        for _ in 0..5 {
            outcome(controller.press(Control::Restore, &daily("s"), restoring(), "a test")).await;
        }
        tokio::time::sleep(Duration::from_millis(2100)).await;
    }
    assert_eq!(count(&api, "POST", CLAIMS), 2);
    assert_eq!(count(&api, "POST", "/api/v1/namespaces/shop/events"), 1);
}

#[tokio::test]
async fn an_answer_without_end_is_no_answer() {
    let text: Value = json!("x".repeat(1 << 20));
    let api = ScriptedApi::start(move |asked| {
        is_event(asked).or_else(|| Some(Answer::endless("{\"metadata\": {\"name\": \"", text.to_string())))
    });
    let started = std::time::Instant::now();
    let failed = outcome(controller(&api).press(Control::Delete, &daily("s"), deletion(), "a test")).await;
    let Progress::Failed(words) = failed else {
        panic!("{failed:?}");
    };
    assert!(words.contains("4 MiB"), "{words}");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "it is not tried again"
    );
}
