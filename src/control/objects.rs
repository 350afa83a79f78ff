//! The objects that are sent to the Kubernetes API.

use serde_json::{Value, json};

use super::moment::Moment;
use crate::model::control::{Control, DataFrom, Plan, Progress, Target};
use crate::model::snapshot::SnapshotApi;
use crate::model::workload::AccessMode;

/// Who says what happened in an event.
pub(super) const COMPONENT: &str = "scope-storage-probe";
/// The annotation by which an object is known again as the one that an action made: an answer may be lost on its way.
pub(super) const ACTION: &str = "scope-storage-probe/action";
/// What the API takes as the message of an event, in bytes.
const LONGEST_MESSAGE: usize = 1024;

/// Events of an object that are read. Whoever may make events may make any number.
const MOST_EVENTS: u32 = 500;

const SNAPSHOT_VERSION: &str = "v1";

/// Where an object is made, and the object. `None` for a plan that makes none.
pub(super) fn made_by(plan: &Plan, name: &str, action: &str) -> Option<(String, Value)> {
    match plan {
        Plan::MakeSnapshot { claim, class, .. } => Some((
            snapshots(&claim.namespace),
            json!({
                "apiVersion": format!("{}/{SNAPSHOT_VERSION}", SnapshotApi::Csi.group()),
                "kind": "VolumeSnapshot",
                "metadata": {"name": name, "namespace": claim.namespace, "annotations": {ACTION: action}},
                "spec": {"volumeSnapshotClassName": class, "source": {"persistentVolumeClaimName": claim.name}},
            }),
        )),
        Plan::MakeClaim {
            namespace,
            from,
            class,
            access_modes,
            mode,
            bytes,
        } => {
            let source = match from {
                DataFrom::Snapshot(name) => {
                    json!({"apiGroup": SnapshotApi::Csi.group(), "kind": "VolumeSnapshot", "name": name})
                }
                DataFrom::Claim(name) => json!({"kind": "PersistentVolumeClaim", "name": name}),
            };
            let modes: Vec<&str> = access_modes
                .iter()
                .map(|mode: &AccessMode| mode.as_str())
                .collect();
            let mut claim = json!({
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": name, "namespace": namespace, "annotations": {ACTION: action}},
                "spec": {
                    "accessModes": modes,
                    "volumeMode": mode.as_str(),
                    "resources": {"requests": {"storage": quantity(*bytes)}},
                    "dataSource": source,
                },
            });
            // Without the field the cluster's default class would be taken.
            if let Some(class) = class {
                claim["spec"]["storageClassName"] = json!(class);
            }
            Some((claims(namespace), claim))
        }
        Plan::DeleteSnapshot { .. } | Plan::Describe => None,
    }
}

/// Where the snapshots of a namespace are.
pub(super) fn snapshots(namespace: &str) -> String {
    let group = SnapshotApi::Csi.group();
    format!("/apis/{group}/{SNAPSHOT_VERSION}/namespaces/{namespace}/volumesnapshots")
}

/// Where the claims of a namespace are.
pub(super) fn claims(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims")
}

/// The list that has the object alone: lists are what the map's rights allow.
pub(super) fn listed(target: &Target) -> String {
    let list = match target {
        Target::Claim(name) => claims(&name.namespace),
        Target::Snapshot(name) => snapshots(&name.namespace),
        Target::Content { .. } => {
            let group = SnapshotApi::Csi.group();
            format!("/apis/{group}/{SNAPSHOT_VERSION}/volumesnapshotcontents")
        }
    };
    format!("{list}?fieldSelector=metadata.name%3D{}", target.name())
}

/// The list that has an object of that name alone, in the list where it would be made.
pub(super) fn listed_in(list: &str, name: &str) -> String {
    format!("{list}?fieldSelector=metadata.name%3D{name}")
}

/// The events of an object, by its UID.
pub(super) fn events_of(target: &Target, uid: &str) -> String {
    // Events of objects without a namespace lie in this one.
    let namespace = match target {
        Target::Content { .. } => "default",
        _ => target.namespace(),
    };
    format!(
        "{}?limit={MOST_EVENTS}&fieldSelector=involvedObject.uid%3D{uid}",
        events(namespace)
    )
}

/// Where the events of a namespace are.
pub(super) fn events(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/events")
}

/// What is said of an action, for whoever looks at the object with kubectl.
pub(super) fn event(
    control: Control,
    target: &Target,
    uid: &str,
    progress: &Progress,
    asked_by: &str,
    action: &str,
    now: Moment,
) -> Value {
    let what = match control {
        Control::CreateSnapshot => "Snapshot",
        Control::Clone => "Clone",
        Control::Restore => "Restore",
        Control::Delete => "Deletion",
        Control::Describe => "Description",
    };
    let (kind, how, said) = match progress {
        Progress::Running => ("Normal", "AskedFor", ""),
        Progress::Done(outcome) => ("Normal", "AskedFor", outcome.text.as_str()),
        Progress::Failed(words) => ("Warning", "Refused", words.as_str()),
        Progress::Unanswered(words) => ("Warning", "Unanswered", words.as_str()),
    };
    let mut message = format!("{said} ({asked_by})");
    message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
    let time = now.rfc3339();
    let version = match target {
        Target::Claim(_) => "v1".to_owned(),
        _ => format!("{}/{SNAPSHOT_VERSION}", SnapshotApi::Csi.group()),
    };
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": format!("scope-storage-probe.{action}"), "namespace": target.namespace()},
        "involvedObject": {
            "apiVersion": version, "kind": target.kind(),
            "namespace": target.namespace(), "name": target.name(), "uid": uid,
        },
        "type": kind,
        "reason": format!("{what}{how}"),
        "message": message,
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    })
}

/// A number of bytes as the API's quantity, in the largest unit in which it is whole: `10Gi`.
fn quantity(bytes: u64) -> String {
    let units = [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];
    let whole = |(_, shift): &&(&str, u32)| bytes > 0 && bytes.trailing_zeros() >= *shift;
    match units.iter().find(whole) {
        Some((unit, shift)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact() {
        assert_eq!(quantity(10 << 30), "10Gi");
        assert_eq!(quantity(1536 << 20), "1536Mi");
        assert_eq!(quantity(1_000_000_001), "1000000001");
        assert_eq!(quantity(3 << 40), "3Ti");
        assert_eq!(quantity(0), "0");
    }
}
