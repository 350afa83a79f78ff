//! Buttons, from what Scope posts to the object in the API server and the node in the next report.

#![allow(clippy::too_many_lines, reason = "the life of a snapshot is one story")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hyper::Method;
use scope_storage_probe::model::inventory::Role;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::api_server::{ApiServer, manifest, shipped};
use super::support::relay::{Relay, Way};
use super::support::scope_contract::{
    CONTROL_ANSWER_SCHEMA, CONTROL_REQUEST_SCHEMA, Expectations, assert_holds, schema_violations,
};
use super::support::server::{PROGRAM, Server, of_cluster, program};
use super::support::{expect_that, snapshot_definitions, time_slack, within};
use super::{CLAIMS, VOLUMES, claim, fill, soon, volume};

const SNAPSHOTS: &str = "/apis/snapshot.storage.k8s.io/v1/namespaces/default/volumesnapshots";
const CONTENTS: &str = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents";
const SNAPSHOT_CLASSES: &str = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses";
const EVENTS: &str = "/api/v1/namespaces/default/events";
const ALL: &str = "create-snapshot,clone,restore,delete,describe";
/// What Scope waits for an answer.
const SCOPES_PATIENCE: Duration = Duration::from_millis(500);

/// The process with buttons, and what it acts on.
struct Buttons {
    api: ApiServer,
    server: Server,
    socket: PathBuf,
    _folder: TempDir,
}

fn socket_below(plugins: &Path) -> PathBuf {
    plugins.join("storage-controls/storage-controls.sock")
}

/// An API server with snapshots, one class of them, and a user with what is shipped for the role and for buttons.
async fn prepared() -> ApiServer {
    let api = ApiServer::start(&["prober"]);
    api.grant("prober", &shipped(Role::Cluster)).await;
    api.grant_in(
        "default",
        "prober",
        &manifest("components/controls/cluster-role-controls.yaml"),
    )
    .await;
    snapshot_definitions::install(&api).await;
    fill(&api).await;
    let class = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
        "metadata": {"name": "daily", "annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"}},
        "driver": "disks.example", "deletionPolicy": "Delete"});
    api.create(SNAPSHOT_CLASSES, &class).await;
    api
}

impl Buttons {
    fn start(api: ApiServer, kubeconfig: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let own = api.kubeconfig("prober");
        let mut arguments = of_cluster(kubeconfig.unwrap_or(own.to_str().unwrap()));
        arguments.extend(["--enable-controls", ALL, "--controls-namespaces", "default"]);
        let server = Server::launch(program(PROGRAM), folder.path(), &arguments);
        let buttons = Self {
            api,
            server,
            socket: socket_below(folder.path()),
            _folder: folder,
        };
        within(soon() * 5, || {
            let report = buttons.report();
            let button = report
                .to_string()
                .contains("storage_create_snapshot;storage_clone");
            expect_that(button, format!("no buttons yet: {report:#}"))
        });
        buttons
    }

    /// What the plugin with the buttons reports, held against the contract.
    fn report(&self) -> Value {
        let (status, body) = raw(&self.socket, "GET", "/report?api_version=1&probe_id=probe-1", b"");
        assert_eq!(status, 200);
        holds(&body);
        serde_json::from_slice(&body).unwrap()
    }

    /// The node of that name, if it has buttons.
    fn button(&self, name: &str) -> Option<Value> {
        let report = self.report();
        let nodes = ["VolumeSnapshot", "VolumeSnapshotData"]
            .into_iter()
            .filter_map(|topology| report[topology]["nodes"].as_object())
            .flat_map(|nodes| nodes.values());
        let mut found = nodes.filter(|node| {
            node["latest"]["kubernetes_name"]["value"] == name && !node["latest"]["active_controls"].is_null()
        });
        found.next().cloned()
    }

    /// Presses a button as a Scope app and its probe do.
    fn press(&self, node: &str, control: &str) -> Value {
        let node = self
            .button(node)
            .unwrap_or_else(|| panic!("{node} has no buttons: {:#}", self.report()));
        let active = node["latest"]["active_controls"]["value"].as_str().unwrap();
        assert!(
            active.split(';').any(|offered| offered == control),
            "{control} is not among {active}"
        );
        self.post(node["id"].as_str().unwrap(), control)
    }

    fn post(&self, node: &str, control: &str) -> Value {
        let pressed = json!({"AppID": "app-1", "NodeID": node, "Control": control, "ControlArgs": null});
        assert_eq!(
            schema_violations(CONTROL_REQUEST_SCHEMA, &pressed),
            [] as [String; 0]
        );
        let started = Instant::now();
        let (status, body) = raw(
            &self.socket,
            "POST",
            "/control?api_version=1&probe_id=probe-1",
            pressed.to_string().as_bytes(),
        );
        let took = started.elapsed();
        assert!(
            took < SCOPES_PATIENCE.mul_f64(time_slack()),
            "Scope would have hung up: {took:?}"
        );
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            schema_violations(CONTROL_ANSWER_SCHEMA, &answer),
            [] as [String; 0]
        );
        if !answer["shortcutReport"].is_null() {
            holds(answer["shortcutReport"].to_string().as_bytes());
        }
        answer
    }

    async fn all(&self, list: &str) -> Vec<Value> {
        let found = self.api.ask(Method::GET, list, None).await;
        found["items"].as_array().cloned().unwrap_or_default()
    }

    /// The reasons and messages of the events of an object.
    async fn events(&self, name: &str) -> Vec<(String, String)> {
        let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
        let all = self.all(EVENTS).await;
        let own = all.iter().filter(|event| event["involvedObject"]["name"] == name);
        own.map(|event| (text(event, "reason"), text(event, "message")))
            .collect()
    }

    fn last_action(&self, node: &str) -> Option<String> {
        let node = self.button(node)?;
        Some(
            node["latest"]["storage_control_last"]["value"]
                .as_str()?
                .to_owned(),
        )
    }

    /// What snapshotter and driver would do for a snapshot.
    async fn bind(&self, snapshot: &Value, policy: &str) {
        let name = snapshot["metadata"]["name"].as_str().unwrap();
        let content = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
            "metadata": {"name": format!("content-{name}")},
            "spec": {"deletionPolicy": policy, "driver": "disks.example", "source": {"volumeHandle": "handle-pv-one"},
                     "volumeSnapshotRef": {"namespace": "default", "name": name, "uid": snapshot["metadata"]["uid"]}}});
        let ready = json!({"creationTime": 1_767_312_001_000_000_000_u64, "readyToUse": true, "snapshotHandle": "snap-1"});
        self.api.create_with_status(CONTENTS, &content, &ready).await;
        let bound = json!({"status": {"boundVolumeSnapshotContentName": format!("content-{name}"),
            "creationTime": "2026-01-02T00:00:01Z", "readyToUse": true, "restoreSize": "20Gi"}});
        self.api
            .patch(&format!("{SNAPSHOTS}/{name}/status"), &bound)
            .await;
    }

    /// A snapshot of the claim `one` from which can be restored.
    async fn snapshot(&self, name: &str, policy: &str) {
        let snapshot = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
            "metadata": {"name": name},
            "spec": {"volumeSnapshotClassName": "daily", "source": {"persistentVolumeClaimName": "one"}}});
        let made = self.api.create(SNAPSHOTS, &snapshot).await;
        self.bind(&made, policy).await;
        within(soon(), || {
            let node = self.button(name).ok_or("not shown yet")?;
            let active = node["latest"]["active_controls"]["value"]
                .as_str()
                .unwrap()
                .to_owned();
            expect_that(active.contains("storage_restore"), active)
        });
    }
}

fn holds(report: &[u8]) {
    assert_holds(report, &Expectations::of("storage-controls", ""));
}

/// One request on a connection of its own: status and body.
fn raw(socket: &Path, method: &str, target: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: plugin\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A server that has read enough may hang up.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(&answer)));
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    (status, answer[end + 4..].to_vec())
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn a_snapshot_is_made_restored_and_deleted_from_scopes_page() {
    let buttons = Buttons::start(prepared().await, None);

    let answer = buttons.press("snapshots of one", "storage_create_snapshot");
    assert_eq!(answer["error"], Value::Null, "{answer:#}");
    let snapshots = buttons.all(SNAPSHOTS).await;
    let [made] = &snapshots[..] else {
        panic!("{snapshots:#?}")
    };
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(
        name.starts_with("one-2") && name.len() == "one-20260101-000000".len(),
        "{name}"
    );
    assert_eq!(
        made["spec"],
        json!({"volumeSnapshotClassName": "daily", "source": {"persistentVolumeClaimName": "one"}})
    );
    let id = format!("{};<volume_snapshot>", made["metadata"]["uid"].as_str().unwrap());
    assert_eq!(
        answer["shortcutReport"]["VolumeSnapshot"]["nodes"][&id]["latest"]["kubernetes_name"]["value"], name,
        "{answer:#}"
    );
    within(soon(), || {
        let last = buttons.last_action("snapshots of one").unwrap_or_default();
        expect_that(last.contains(&format!("snapshot {name} made")), last)
    });
    // Pressed again by an impatient hand: the same one.
    buttons.press("snapshots of one", "storage_create_snapshot");
    assert_eq!(buttons.all(SNAPSHOTS).await.len(), 1);

    buttons.bind(made, "Delete").await;
    within(soon(), || {
        let node = buttons.button(name).ok_or("the snapshot has no buttons")?;
        let active = node["latest"]["active_controls"]["value"]
            .as_str()
            .unwrap()
            .to_owned();
        expect_that(active.contains("storage_restore"), active)
    });
    let beside = buttons.button("snapshots of one").unwrap();
    assert_eq!(beside["latest"]["kubernetes_volume_name"]["value"], "pv-one");
    assert_eq!(beside["latest"]["storage_snapshots_number"]["value"], "1");
    assert_eq!(
        beside["latest"]["storage_snapshots_newest"]["value"],
        "2026-01-02T00:00:01Z"
    );
    assert_eq!(beside["latest"]["control_probe_id"]["value"], "probe-1");
    assert_eq!(beside["adjacency"], json!([id]));

    let answer = buttons.press(name, "storage_restore");
    assert_eq!(answer["error"], Value::Null, "{answer:#}");
    let claims = buttons.all(CLAIMS).await;
    let restored: Vec<&Value> = claims
        .iter()
        .filter(|claim| claim["spec"]["dataSource"]["kind"] == "VolumeSnapshot")
        .collect();
    let [restored] = restored[..] else {
        panic!("{claims:#?}")
    };
    assert_eq!(restored["spec"]["dataSource"]["name"], name);
    assert_eq!(restored["spec"]["storageClassName"], "fast");
    assert_eq!(restored["spec"]["accessModes"], json!(["ReadWriteOnce"]));
    // The snapshot asks for more than the claim has.
    assert_eq!(restored["spec"]["resources"]["requests"]["storage"], "20Gi");
    let new_claim = format!(
        "{};<persistent_volume_claim>",
        restored["metadata"]["uid"].as_str().unwrap()
    );
    assert!(!answer["shortcutReport"]["PersistentVolumeClaim"]["nodes"][&new_claim].is_null());

    // While the new claim waits for its volume, the snapshot's data must not go.
    let refused = buttons.press(name, "storage_delete");
    assert!(
        refused["error"].as_str().unwrap().contains("being restored"),
        "{refused:#}"
    );
    let restored_name = restored["metadata"]["name"].as_str().unwrap().to_owned();
    std::thread::sleep(Duration::from_secs(11));
    let refused = buttons.press(name, "storage_delete");
    let said = refused["error"].as_str().unwrap();
    assert!(
        said.contains(&format!("default/{restored_name} is being restored")),
        "{said}"
    );
    assert_eq!(buttons.all(SNAPSHOTS).await.len(), 1);
    let bound = json!({"phase": "Bound"});
    buttons
        .api
        .create_with_status(VOLUMES, &volume("pv-restored", &restored_name), &bound)
        .await;
    buttons
        .api
        .patch(
            &format!("{CLAIMS}/{restored_name}/status"),
            &json!({"status": bound}),
        )
        .await;
    within(soon() * 2, || {
        let answer = buttons.press(name, "storage_delete");
        expect_that(answer["error"].is_null(), format!("{answer:#}"))
    });
    assert_eq!(buttons.all(SNAPSHOTS).await, [] as [Value; 0]);
    within(soon(), || {
        expect_that(buttons.button(name).is_none(), "the snapshot is still shown")
    });

    let told = |events: &[(String, String)], reason: &str, words: &str| {
        assert!(
            events
                .iter()
                .any(|(is, said)| is == reason && said.contains(words)),
            "no {reason}: {events:#?}"
        );
    };
    let of_claim = buttons.events("one").await;
    told(&of_claim, "SnapshotAskedFor", "app \"app-1\", probe \"probe-1\"");
    let of_snapshot = buttons.events(name).await;
    told(&of_snapshot, "RestoreAskedFor", &restored_name);
    told(&of_snapshot, "DeletionAskedFor", "and its data with it");
    let log = buttons.server.log().join("\n");
    for words in [
        "create-snapshot PersistentVolumeClaim default/one: begun",
        "delete VolumeSnapshot default/",
        "refused: ",
    ] {
        assert!(log.contains(words), "{words:?} is not in the log:\n{log}");
    }
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn a_claim_is_cloned_and_described() {
    let buttons = Buttons::start(prepared().await, None);
    let answer = buttons.press("snapshots of one", "storage_clone");
    assert_eq!(answer["error"], Value::Null, "{answer:#}");
    let claims = buttons.all(CLAIMS).await;
    let clone = claims
        .iter()
        .find(|claim| !claim["spec"]["dataSource"].is_null())
        .unwrap();
    assert_eq!(
        clone["spec"]["dataSource"],
        json!({"apiGroup": null, "kind": "PersistentVolumeClaim", "name": "one"})
    );
    assert_eq!(clone["spec"]["resources"]["requests"]["storage"], "5Gi");
    assert_eq!(clone["spec"]["volumeMode"], "Filesystem");

    let answer = buttons.press("snapshots of one", "storage_describe");
    assert_eq!(answer["error"], Value::Null, "{answer:#}");
    let node = within(soon(), || {
        let node = buttons.button("snapshots of one").ok_or("gone")?;
        expect_that(
            !node["latest"]["storage_described_000___field"].is_null(),
            format!("{node:#}"),
        )?;
        Ok::<_, String>(node)
    });
    let cell = |row: usize, column: &str| {
        let value = &node["latest"][format!("storage_described_{row:03}___{column}")]["value"];
        value.as_str().unwrap_or_default().to_owned()
    };
    let rows: Vec<(String, String)> = (0..60)
        .map(|row| (cell(row, "field"), cell(row, "value")))
        .collect();
    for (field, value) in [
        ("kind", "PersistentVolumeClaim"),
        ("metadata.name", "one"),
        ("spec.volumeName", "pv-one"),
    ] {
        assert!(
            rows.contains(&(field.into(), value.into())),
            "{field} is not {value}: {rows:#?}"
        );
    }
    // What was done to it a moment ago is told with it.
    assert!(
        rows.iter().any(|(_, value)| value.starts_with("CloneAskedFor: ")),
        "{rows:#?}"
    );
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn the_servers_own_words_reach_the_page() {
    let buttons = Buttons::start(prepared().await, None);
    let refused = |answer: &Value, words: &str| {
        let said = answer["error"]
            .as_str()
            .unwrap_or_else(|| panic!("not refused: {answer:#}"));
        assert!(said.contains(words), "{said:?} does not say {words:?}");
    };

    // A webhook that is not there.
    let hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    let hook = json!({"metadata": {"name": "guard"}, "webhooks": [{
        "name": "guard.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["persistentvolumeclaims"]}],
    }]});
    buttons.api.create(hooks, &hook).await;
    within(soon() * 2, || {
        let answer = buttons.press("snapshots of two", "storage_clone");
        let said = answer["error"].as_str().unwrap_or_default();
        expect_that(said.contains("guard.example.com"), format!("{answer:#}"))
    });
    buttons.api.delete(&format!("{hooks}/guard")).await;

    // A quota that is used up.
    let quotas = "/api/v1/namespaces/default/resourcequotas";
    let hard = json!({"count/volumesnapshots.snapshot.storage.k8s.io": "0", "persistentvolumeclaims": "3"});
    let quota = json!({"metadata": {"name": "small"}, "spec": {"hard": hard}});
    let used = json!({"hard": hard, "used": {"count/volumesnapshots.snapshot.storage.k8s.io": "0", "persistentvolumeclaims": "3"}});
    buttons.api.create_with_status(quotas, &quota, &used).await;
    within(soon() * 2, || {
        let answer = buttons.press("snapshots of idle", "storage_clone");
        let said = answer["error"].as_str().unwrap_or_default();
        expect_that(said.contains("exceeded quota: small"), format!("{answer:#}"))
    });
    buttons.api.delete(&format!("{quotas}/small")).await;
    let events = buttons.events("idle").await;
    assert!(
        events
            .iter()
            .any(|(reason, said)| reason == "CloneRefused" && said.contains("exceeded quota")),
        "{events:#?}"
    );

    // Two default classes of the driver, then none.
    let second = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
        "metadata": {"name": "weekly", "annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"}},
        "driver": "disks.example", "deletionPolicy": "Retain"});
    buttons.api.create(SNAPSHOT_CLASSES, &second).await;
    within(soon(), || {
        let answer = buttons.press("snapshots of idle", "storage_create_snapshot");
        let said = answer["error"].as_str().unwrap_or_default();
        expect_that(
            said.contains("several default VolumeSnapshotClasses: daily, weekly"),
            format!("{answer:#}"),
        )
    });
    for class in ["daily", "weekly"] {
        let none = json!({"metadata": {"annotations": {"snapshot.storage.kubernetes.io/is-default-class": "false"}}});
        buttons
            .api
            .patch(&format!("{SNAPSHOT_CLASSES}/{class}"), &none)
            .await;
    }
    within(soon(), || {
        let answer = buttons.press("snapshots of idle", "storage_create_snapshot");
        let said = answer["error"].as_str().unwrap_or_default();
        expect_that(
            said.contains("has no default VolumeSnapshotClass: annotate one of daily, weekly"),
            format!("{answer:#}"),
        )
    });
    let one =
        json!({"metadata": {"annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"}}});
    buttons
        .api
        .patch(&format!("{SNAPSHOT_CLASSES}/daily"), &one)
        .await;
    std::thread::sleep(soon());

    // Rights that are taken away, one verb after the other: each is needed.
    buttons.snapshot("kept", "Retain").await;
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/scope-storage-probe-controls";
    let whole = manifest("components/controls/cluster-role-controls.yaml");
    for (rule, verb, node, control, words) in [
        (
            0,
            "create",
            "snapshots of idle",
            "storage_create_snapshot",
            "cannot create resource \"volumesnapshots\"",
        ),
        (
            1,
            "delete",
            "kept",
            "storage_delete",
            "cannot delete resource \"volumesnapshots\"",
        ),
        (
            2,
            "create",
            "snapshots of one",
            "storage_clone",
            "cannot create resource \"persistentvolumeclaims\"",
        ),
        (
            2,
            "create",
            "kept",
            "storage_restore",
            "cannot create resource \"persistentvolumeclaims\"",
        ),
    ] {
        let mut less = whole.clone();
        less["rules"][rule]["verbs"]
            .as_array_mut()
            .unwrap()
            .retain(|granted| granted != verb);
        if less["rules"][rule]["verbs"].as_array().unwrap().is_empty() {
            less["rules"].as_array_mut().unwrap().remove(rule);
        }
        buttons.api.patch(role, &json!({"rules": less["rules"]})).await;
        std::thread::sleep(soon() / 4);
        refused(&buttons.press(node, control), words);
    }
    buttons.api.patch(role, &json!({"rules": whole["rules"]})).await;
    std::thread::sleep(soon() / 4);

    // The definitions go: the button is refused by the server, or by us once that was noticed.
    let node = buttons.button("snapshots of two").unwrap();
    snapshot_definitions::remove(&buttons.api).await;
    within(soon(), || {
        let answer = buttons.post(node["id"].as_str().unwrap(), "storage_create_snapshot");
        let said = answer["error"].as_str().unwrap_or_default();
        let words = ["could not find the requested resource", "is not offered"];
        expect_that(
            words.iter().any(|words| said.contains(words)),
            format!("{answer:#}"),
        )
    });
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn a_server_that_dies_between_request_and_answer_makes_one_snapshot() {
    let api = prepared().await;
    let relay = Relay::to(api.config("prober"));
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = relay.kubeconfig(folder.path(), "prober");
    let buttons = Buttons::start(api, Some(&kubeconfig));

    relay.set(Way::Lost);
    let answer = buttons.press("snapshots of one", "storage_create_snapshot");
    assert_eq!(answer["error"], Value::Null, "it is under way: {answer:#}");
    within(soon() * 3, || {
        expect_that(relay.cut() >= 2, "nothing was tried again")
    });
    relay.set(Way::Open);
    within(soon() * 5, || {
        let last = buttons.last_action("snapshots of one").unwrap_or_default();
        expect_that(last.contains(" made, of class daily"), last)
    });
    assert_eq!(buttons.all(SNAPSHOTS).await.len(), 1);

    // One that stands still: the page is answered in time, and the action goes on.
    let started = buttons.api.while_still(|| {
        let answer = buttons.press("snapshots of two", "storage_create_snapshot");
        assert_eq!(answer["error"], Value::Null, "{answer:#}");
        let last = buttons.last_action("snapshots of two").unwrap();
        assert!(last.ends_with("under way"), "{last}");
        Instant::now()
    });
    within(soon() * 5, || {
        let last = buttons.last_action("snapshots of two").unwrap_or_default();
        expect_that(
            last.contains(" made, of class daily"),
            format!("{last} after {:?}", started.elapsed()),
        )
    });
    assert_eq!(buttons.all(SNAPSHOTS).await.len(), 2);
}

#[tokio::test]
#[ignore = "needs an API server: cargo test --test cluster -- --ignored"]
async fn nothing_is_done_that_was_not_offered() {
    let api = prepared().await;
    // A claim of another namespace, for which the program even has the rights.
    api.create("/api/v1/namespaces", &json!({"metadata": {"name": "other"}}))
        .await;
    api.grant(
        "prober",
        &json!({"metadata": {"name": "more"}, "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
        ]}),
    )
    .await;
    let bound = json!({"phase": "Bound"});
    let mut foreign_volume = volume("pv-foreign", "foreign");
    foreign_volume["spec"]["claimRef"]["namespace"] = json!("other");
    api.create_with_status(VOLUMES, &foreign_volume, &bound).await;
    let foreign = api
        .create_with_status(
            "/api/v1/namespaces/other/persistentvolumeclaims",
            &claim("foreign", "pv-foreign"),
            &bound,
        )
        .await;
    let buttons = Buttons::start(api, None);
    buttons.snapshot("precious", "Delete").await;
    let uid = |object: &Value| object["metadata"]["uid"].as_str().unwrap().to_owned();
    let claims = buttons.all(CLAIMS).await;
    let own = claims
        .iter()
        .find(|claim| claim["metadata"]["name"] == "one")
        .unwrap();
    let own = format!("{}-snapshots;<volume_snapshot>", uid(own));
    let snapshot = format!("{};<volume_snapshot>", uid(&buttons.all(SNAPSHOTS).await[0]));
    assert!(
        !buttons.report().to_string().contains(&uid(&foreign)),
        "the other namespace has buttons"
    );

    for (node, control, words) in [
        (
            format!("{}-snapshots;<volume_snapshot>", uid(&foreign)),
            "storage_create_snapshot",
            "no buttons of ours",
        ),
        (
            format!("{};<persistent_volume_claim>", uid(&foreign)),
            "storage_delete",
            "no buttons of ours",
        ),
        ("w1;<host>".to_owned(), "storage_describe", "no buttons of ours"),
        (own.clone(), "storage_delete", "is not offered"),
        (own.clone(), "storage_restore", "is not offered"),
        (own.clone(), "storage_format_disk", "there is no control"),
        (snapshot.clone(), "storage_create_snapshot", "is not offered"),
    ] {
        let said = buttons.post(&node, control)["error"].as_str().unwrap().to_owned();
        assert!(said.contains(words), "{node} {control}: {said}");
    }

    // Bad requests are told so, and cost nothing else.
    let control = "/control?api_version=1&probe_id=probe-1";
    let status = |method: &str, target: &str, body: &[u8]| raw(&buttons.socket, method, target, body).0;
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"null",
        b"{\"NodeID\": 7, \"Control\": []}",
        b"\xff\xfe",
        b"{\"Control\": \"storage_clone\"}",
    ] {
        assert_eq!(
            status("POST", control, body),
            400,
            "{:?}",
            String::from_utf8_lossy(body)
        );
    }
    let padded = format!(
        "{{\"NodeID\": \"{own}\", \"Control\": \"storage_clone\", \"x\": \"{}\"}}",
        "x".repeat(65536)
    );
    assert_eq!(status("POST", control, padded.as_bytes()), 413);
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(status(method, control, b""), 405, "{method}");
    }
    assert_eq!(status("POST", "/report", b"{}"), 405);
    assert_eq!(status("POST", "/control?api_version=2", b"{}"), 400);
    assert_eq!(status("GET", "/elsewhere", b""), 404);

    // The map's plugin stays a reporter, with no buttons and no /control.
    let map = buttons.server.socket();
    assert_eq!(raw(&map, "POST", control, b"{}").0, 404);
    assert!(
        !buttons
            .server
            .scope()
            .get("/report")
            .unwrap()
            .text()
            .contains("active_controls")
    );

    // A thousand at once: one snapshot is made, and both reports stay on time.
    let pressed = json!({"AppID": "app", "NodeID": own, "Control": "storage_create_snapshot"}).to_string();
    let answered = std::thread::scope(|scope| {
        let hands: Vec<_> = (0..50)
            .map(|_| {
                scope.spawn(|| {
                    let answers =
                        (0..20).map(|_| raw(&buttons.socket, "POST", control, pressed.as_bytes()).0);
                    answers.filter(|status| *status == 200).count()
                })
            })
            .collect();
        while !hands.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            let started = Instant::now();
            assert_eq!(buttons.server.scope().get("/report").unwrap().status, 200);
            let took = started.elapsed();
            assert!(
                took < SCOPES_PATIENCE.mul_f64(time_slack()),
                "the map's report took {took:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        hands.into_iter().map(|hand| hand.join().unwrap()).sum::<usize>()
    });
    assert_eq!(answered, 1000);
    let names: Vec<String> = buttons
        .all(SNAPSHOTS)
        .await
        .iter()
        .map(|made| made["metadata"]["name"].to_string())
        .collect();
    assert_eq!(names.len(), 2, "one besides the one that was there: {names:?}");
    assert_eq!(
        buttons
            .all("/apis/snapshot.storage.k8s.io/v1/namespaces/other/volumesnapshots")
            .await,
        [] as [Value; 0]
    );
}
