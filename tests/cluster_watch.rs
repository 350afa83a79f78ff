//! What becomes of the inventory when the API server says this.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scope_storage_probe::app::observer::{FRESH, Observer};
use scope_storage_probe::cluster::Settings;
use scope_storage_probe::host::Host;
use scope_storage_probe::model::backend::BackendReadings;
use scope_storage_probe::model::inventory::{Inventory, ResourceKind, Role, WatchProblem, WatchState};
use scope_storage_probe::model::itself::SelfFigures;
use scope_storage_probe::model::workload::NamespacedName;
use scope_storage_probe::render::prometheus::exposition::Format;
use serde_json::{Value, json};
use support::exposition::Page;
use support::generated;
use support::scripted_api::{Answer, Asked, ScriptedApi, event, status};
use support::staleness::Staleness as _;

fn class(name: &str, version: &str) -> Value {
    json!({"metadata": {"name": name, "uid": name, "resourceVersion": version}, "provisioner": version})
}

fn classes(inventory: &Inventory) -> Vec<&str> {
    inventory.classes.keys().map(String::as_str).collect()
}

/// A script for storage classes alone: lists and watches.
fn for_classes(
    list: impl Fn(usize) -> Answer + Send + Sync + 'static,
    watch: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static {
    move |asked| match asked.resource.as_str() {
        "storageclasses" if asked.watches() => Some(watch(asked)),
        "storageclasses" => Some(list(asked.before)),
        _ => None,
    }
}

/// Where each watch of storage classes went on from.
fn watched_from(api: &ScriptedApi) -> Vec<String> {
    api.asked()
        .iter()
        .filter(|asked| asked.resource == "storageclasses" && asked.watches())
        .map(|asked| asked.from().to_owned())
        .collect()
}

fn impatient() -> Settings {
    Settings {
        role: Role::Cluster,
        patience: Duration::from_millis(300),
        ..Settings::default()
    }
}

#[tokio::test]
async fn objects_come_change_and_go() {
    let api = ScriptedApi::start(for_classes(
        |_| Answer::list("10", &[class("a", "1"), class("b", "2")]),
        |_| {
            Answer::watch(&[
                event("ADDED", &class("c", "11")),
                event("MODIFIED", &class("a", "12")),
                event("DELETED", &class("b", "13")),
            ])
        },
    ));
    let watched = api.watch_all();
    let inventory = watched
        .until("b goes", |inventory| classes(inventory) == ["a", "c"])
        .await;
    assert_eq!(inventory.classes["a"].provisioner.as_deref(), Some("12"));
    let inventory = watched.until("all are seen", Inventory::is_synced).await;
    assert_eq!(inventory.faults, []);
    assert_eq!(inventory.stale_since(), None);
    assert_eq!(watched_from(&api), ["10"]);
    assert!(
        std::sync::Arc::ptr_eq(&inventory, &watched.inventory()),
        "nothing changed, so it is the same"
    );
}

#[tokio::test]
async fn a_forgotten_version_leads_to_a_new_list_and_no_fault() {
    let api = ScriptedApi::start(for_classes(
        |before| {
            if before == 0 {
                Answer::list("10", &[class("a", "1"), class("b", "2")])
            } else {
                Answer::list("90", &[class("b", "2")])
            }
        },
        |asked| match asked.before {
            0 => Answer::watch(&[event(
                "ERROR",
                &status(410, "Expired", "too old resource version"),
            )]),
            _ => Answer::watch(&[]),
        },
    ));
    let watched = api.watch_all();
    watched
        .until("a was deleted meanwhile", |inventory| classes(inventory) == ["b"])
        .await;
    let inventory = watched.until("all are seen", Inventory::is_synced).await;
    assert_eq!(inventory.faults, []);
    assert_eq!(inventory.watches[&ResourceKind::Classes].errors, 0);
}

/// Some servers say it as the answer to the watch, not in it.
#[tokio::test]
async fn a_version_that_is_refused_leads_to_a_new_list() {
    let api = ScriptedApi::start(for_classes(
        |before| {
            Answer::list(
                ["10", "90"][before.min(1)],
                &[class(["a", "b"][before.min(1)], "1")],
            )
        },
        |asked| match asked.from() {
            "10" => Answer::status(410, "Expired", "too old resource version"),
            _ => Answer::watch(&[]),
        },
    ));
    let watched = api.watch_all();
    watched
        .until("listed anew", |inventory| classes(inventory) == ["b"])
        .await;
}

/// The server lets such a watch begin before it says that it cannot go on.
#[tokio::test]
async fn what_is_old_is_not_called_new_before_it_is_listed_anew() {
    let api = ScriptedApi::start(for_classes(
        |before| match before {
            0 => Answer::list("10", &[class("a", "1")]),
            1 => Answer::none(),
            _ => Answer::list("90", &[class("b", "2")]),
        },
        |asked| match asked.before {
            0 => Answer::broken(""),
            // The pauses grow meanwhile.
            1 | 2 => Answer::status(500, "InternalError", "no"),
            3 => Answer::watch(&[event("ERROR", &status(410, "Expired", "too old"))]),
            _ => Answer::watch(&[]),
        },
    ));
    let watched = api.watch(&impatient());
    let stale = |inventory: &Inventory| inventory.watches[&ResourceKind::Classes].error.is_some();
    watched.until("the watch breaks", stale).await;
    let back = watched.until("it is back", |inventory| !stale(inventory)).await;
    assert_eq!(classes(&back), ["b"]);
}

#[tokio::test]
async fn a_watch_that_ends_goes_on_from_the_last_bookmark() {
    let bookmark = json!({"kind": "StorageClass", "apiVersion": "storage.k8s.io/v1", "metadata": {"resourceVersion": "50"}});
    let api = ScriptedApi::start(for_classes(
        |_| Answer::list("10", &[class("a", "1")]),
        move |asked| match asked.before {
            0 => Answer::ended_watch(&[event("BOOKMARK", &bookmark)]),
            _ => Answer::watch(&[event("ADDED", &class("b", "51"))]),
        },
    ));
    let watched = api.watch_all();
    let inventory = watched
        .until("b comes", |inventory| classes(inventory) == ["a", "b"])
        .await;
    assert_eq!(watched_from(&api), ["10", "50"]);
    assert_eq!(inventory.watches[&ResourceKind::Classes].errors, 0);
}

#[tokio::test]
async fn a_watch_that_is_cut_inside_an_object_goes_on_before_it() {
    let api = ScriptedApi::start(for_classes(
        |_| Answer::list("10", &[class("a", "1")]),
        |asked| {
            let b = event("ADDED", &class("b", "11"));
            let c = event("ADDED", &class("c", "12")).to_string();
            match asked.before {
                0 => Answer::broken(format!("{b}\n{}", &c[..c.len() / 2])),
                _ => Answer::watch(&[event("ADDED", &class("c", "12"))]),
            }
        },
    ));
    let watched = api.watch_all();
    watched
        .until("c comes", |inventory| classes(inventory) == ["a", "b", "c"])
        .await;
    assert_eq!(watched_from(&api), ["10", "11"]);
    let inventory = watched
        .until("nothing stands in the way", |inventory| {
            inventory.stale_since().is_none()
        })
        .await;
    assert_eq!(inventory.faults, []);
}

#[tokio::test]
async fn a_list_that_breaks_off_changes_nothing() {
    let whole = json!({"metadata": {"resourceVersion": "10"}, "items": [class("a", "1"), class("b", "1")]})
        .to_string();
    let api = ScriptedApi::start(for_classes(
        move |before| match before {
            0 => Answer::broken(&whole[..whole.len() - 20]),
            1 => Answer::page("10", &[class("a", "1")], "more"),
            2 => Answer::status(410, "Expired", "the continue token is too old"),
            3 => Answer::page("20", &[class("c", "1")], "more"),
            _ => Answer::list("20", &[class("d", "1")]),
        },
        |_| Answer::watch(&[]),
    ));
    let watched = api.watch_all();
    let inventory = watched
        .until("a list is whole", |inventory| !inventory.classes.is_empty())
        .await;
    assert_eq!(classes(&inventory), ["c", "d"]);
    assert!(inventory.knows_all(ResourceKind::Classes));
}

#[tokio::test]
async fn silence_is_an_error_and_ends() {
    let api = ScriptedApi::start(for_classes(
        |before| match before {
            0 => Answer::none(),
            1 => Answer::stuck("{\"metadata\": {\"resourceVersion\": \"10\"}, \"items\": ["),
            _ => Answer::list("10", &[class("a", "1")]),
        },
        |asked| match asked.before {
            0 => Answer::none(),
            _ => Answer::watch(&[event("ADDED", &class("b", "11"))]),
        },
    ));
    let watched = api.watch(&impatient());
    let problem = |inventory: &Inventory| inventory.watches[&ResourceKind::Classes].problem();
    let inventory = watched
        .until("the silence is noticed", |inventory| {
            problem(inventory) == Some(WatchProblem::Unreachable)
        })
        .await;
    assert!(inventory.stale_since().is_some());
    let said = inventory.faults[0].to_string();
    // The first silence is before the answer; who looks late sees the second, in the middle of it.
    let silences = ["no answer within 0.3 s", "no whole answer within 0.45 s"];
    let told = silences.map(|what| format!("storageclasses: unreachable: {what}"));
    assert!(told.contains(&said), "{said}");
    watched
        .until("others go on", |inventory| {
            inventory.knows_all(ResourceKind::Pods)
        })
        .await;
    watched
        .until("the watch goes on", |inventory| classes(inventory) == ["a", "b"])
        .await;
}

#[tokio::test]
async fn missing_rights_name_the_rule_that_grants_them() {
    let api = ScriptedApi::start(|asked| match asked.resource.as_str() {
        "persistentvolumes" if asked.before < 2 => Some(Answer::status(
            403,
            "Forbidden",
            "persistentvolumes is forbidden: User \"u\" cannot list resource \"persistentvolumes\"",
        )),
        "volumeattachments" if asked.watches() && asked.before < 1 => {
            Some(Answer::status(403, "Forbidden", "cannot watch"))
        }
        _ => None,
    });
    let watched = api.watch_all();
    let inventory = watched
        .until("both are refused", |inventory| {
            let refused = |kind| inventory.watches[&kind].problem() == Some(WatchProblem::Forbidden);
            refused(ResourceKind::Volumes) && refused(ResourceKind::Attachments)
        })
        .await;
    assert!(!inventory.is_synced());
    let rule = |kind| inventory.watches[&kind].error.clone().unwrap().rule.unwrap();
    assert_eq!(
        rule(ResourceKind::Volumes),
        "{apiGroups: [\"\"], resources: [\"persistentvolumes\"], verbs: [\"list\", \"watch\"]}"
    );
    assert_eq!(
        rule(ResourceKind::Attachments),
        "{apiGroups: [\"storage.k8s.io\"], resources: [\"volumeattachments\"], verbs: [\"list\", \"watch\"]}"
    );
    assert!(
        inventory.faults[0]
            .to_string()
            .contains("a ClusterRole grants it by the rule {apiGroups")
    );
    // An administrator adds the rule; no event need come for that to be seen.
    let inventory = watched
        .until("rights were granted", |inventory| {
            inventory.is_synced() && inventory.stale_since().is_none()
        })
        .await;
    assert_eq!(inventory.faults, []);
}

#[tokio::test]
async fn a_kind_that_the_server_does_not_have_holds_nobody_up() {
    let api = ScriptedApi::start(|asked| {
        (asked.resource == "volumeattachments").then(|| Answer::text(404, "404 page not found\n"))
    });
    let watched = api.watch_all();
    let inventory = watched.until("the rest is seen", Inventory::is_synced).await;
    assert_eq!(
        inventory.watches[&ResourceKind::Attachments].problem(),
        Some(WatchProblem::Missing)
    );
    assert!(!inventory.knows_all(ResourceKind::Attachments));
    assert_eq!(
        inventory.faults[0].to_string(),
        "missing: the API server does not have volumeattachments.storage.k8s.io/v1"
    );
}

#[tokio::test]
async fn errors_of_the_server_are_told_apart_and_end() {
    let api = ScriptedApi::start(|asked| {
        if asked.watches() || asked.before > 0 {
            return None;
        }
        match asked.resource.as_str() {
            "pods" => Some(Answer::status(429, "TooManyRequests", "come back later")),
            "nodes" => Some(Answer::status(500, "InternalError", "etcd has no leader")),
            "persistentvolumes" => Some(Answer::text(
                503,
                format!("<html>{}</html>", "sorry ".repeat(1000)),
            )),
            "persistentvolumeclaims" => Some(Answer::status(401, "Unauthorized", "Unauthorized")),
            "volumeattachments" => Some(Answer::text(200, "<html>Please log in</html>")),
            _ => None,
        }
    });
    let watched = api.watch_all();
    let inventory = watched
        .until("all have failed", |inventory| {
            let failed = inventory.watches.values().filter(|watch| watch.error.is_some());
            failed.count() == 5
        })
        .await;
    let problem = |kind| inventory.watches[&kind].problem().unwrap();
    assert_eq!(problem(ResourceKind::Pods), WatchProblem::Throttled);
    assert_eq!(problem(ResourceKind::Nodes), WatchProblem::Failing);
    assert_eq!(problem(ResourceKind::Volumes), WatchProblem::Failing);
    assert_eq!(problem(ResourceKind::Claims), WatchProblem::Unauthorized);
    assert_eq!(problem(ResourceKind::Attachments), WatchProblem::Failing);
    for fault in &inventory.faults {
        assert!(fault.to_string().len() < 600, "{fault}");
    }
    let inventory = watched
        .until("all is well", |inventory| {
            inventory.is_synced() && inventory.stale_since().is_none()
        })
        .await;
    assert_eq!(inventory.faults, []);
    assert_eq!(inventory.watches[&ResourceKind::Pods].errors, 1);
}

#[tokio::test]
async fn an_odd_object_costs_itself_alone() {
    let odd = |version: &str| json!({"metadata": {"name": "odd", "resourceVersion": version}, "provisioner": ["a"]});
    let listed = odd("3");
    let watched = odd("11");
    let api = ScriptedApi::start(for_classes(
        move |_| {
            Answer::list(
                "10",
                &[
                    class("a", "1"),
                    listed.clone(),
                    json!({"metadata": {"name": "bare"}}),
                    json!(null),
                    class("b", "2"),
                ],
            )
        },
        move |_| {
            Answer::watch(&[
                event("MODIFIED", &watched),
                event("ADDED", &class("c", "12")),
                event("DELETED", &watched),
                event("ADDED", &class("d", "14")),
            ])
        },
    ));
    let watched = api.watch_all();
    let inventory = watched
        .until("d comes", |inventory| {
            classes(inventory) == ["a", "b", "bare", "c", "d"]
        })
        .await;
    let said: Vec<String> = inventory.faults.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].starts_with("storageclasses without a name"));
    assert_eq!(watched_from(&api), ["10"], "the watch was not broken");
    assert_eq!(inventory.watches[&ResourceKind::Classes].errors, 0);
}

#[tokio::test]
async fn megabytes_of_annotations_are_harmless() {
    let mut huge = class("huge", "11");
    huge["metadata"]["annotations"] = json!({"text": "x".repeat(10 << 20)});
    let mut listed = class("a", "1");
    listed["metadata"]["annotations"] = huge["metadata"]["annotations"].clone();
    let api = ScriptedApi::start(for_classes(
        move |_| Answer::list("10", std::slice::from_ref(&listed)),
        move |_| Answer::watch(&[event("ADDED", &huge)]),
    ));
    let watched = api.watch_all();
    watched
        .until("both come", |inventory| classes(inventory) == ["a", "huge"])
        .await;
    let inventory = watched.until("all are seen", Inventory::is_synced).await;
    assert_eq!(inventory.faults, []);
    assert_eq!(inventory.watches[&ResourceKind::Classes].errors, 0);
    assert_eq!(inventory.stale_since(), None);
    let lists = api
        .asked()
        .into_iter()
        .filter(|asked| asked.resource == "storageclasses" && !asked.watches());
    assert_eq!(lists.count(), 1, "it was listed once");
    assert_eq!(watched_from(&api), ["10"], "the watch was not broken");
}

/// Thirty objects of a megabyte each, as a tenant could have made them.
fn thirty_megabytes(kind: &str) -> Vec<Value> {
    (0..30)
        .map(|number| {
            let mut object = match kind {
                "pods" => pod(&format!("pod-{number:02}"), &[]),
                _ => class(&format!("class-{number:02}"), "1"),
            };
            object["metadata"]["annotations"] = json!({"text": "x".repeat(1 << 20)});
            object
        })
        .collect()
}

/// A list as the API server gives it: from its memory whole, else in pages.
fn listed(asked: &Asked, objects: &[Value]) -> Answer {
    let from: usize = asked
        .query
        .get("continue")
        .map_or(0, |from| from.parse().unwrap());
    let limit = asked
        .query
        .get("limit")
        .map_or(usize::MAX, |limit| limit.parse().unwrap());
    let whole = asked
        .query
        .get("resourceVersion")
        .is_some_and(|version| version == "0");
    let end = from.saturating_add(limit).min(objects.len());
    if whole || end == objects.len() {
        Answer::list("10", &objects[from..])
    } else {
        Answer::page("10", &objects[from..end], &end.to_string())
    }
}

/// A kind of the cluster and one of a node, with who follows it.
fn large_kinds() -> [(&'static str, Settings); 2] {
    let of_cluster = Settings {
        role: Role::Cluster,
        ..Settings::default()
    };
    [("storageclasses", of_cluster), ("pods", node_role())]
}

#[tokio::test]
async fn objects_that_are_too_much_at_once_are_read_in_smaller_pages() {
    for (kind, settings) in large_kinds() {
        let objects = thirty_megabytes(kind);
        let api = ScriptedApi::start(move |asked| {
            (asked.resource == kind && !asked.watches()).then(|| listed(asked, &objects))
        });
        let watched = api.watch(&settings);
        let inventory = watched
            .until("all are known", |inventory| {
                inventory.classes.len().max(inventory.pods.len()) == 30
            })
            .await;
        assert_eq!(inventory.faults, []);
        let largest = api
            .asked()
            .iter()
            .filter(|asked| asked.resource == kind && !asked.watches())
            .count();
        assert!((5..40).contains(&largest), "{largest} lists of {kind}");
    }
}

#[tokio::test]
async fn once_objects_are_small_again_they_are_listed_as_before() {
    for (kind, settings) in large_kinds() {
        let large = thirty_megabytes(kind);
        let mut small = large.clone();
        for object in &mut small {
            object["metadata"]["annotations"] = json!({});
        }
        // Each of three watches ends with a forgotten version. Large are the objects in the first list alone.
        let watched = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&watched);
        let api = ScriptedApi::start(move |asked| {
            if asked.resource != kind {
                return None;
            }
            if !asked.watches() {
                let is_first = seen.load(Ordering::Relaxed) == 0;
                return Some(listed(asked, if is_first { &large } else { &small }));
            }
            let forgets = seen.fetch_add(1, Ordering::Relaxed) < 2;
            forgets.then(|| Answer::ended_watch(&[event("ERROR", &status(410, "Expired", "too old"))]))
        });
        let following = api.watch(&settings);
        let three = || watched.load(Ordering::Relaxed) == 3;
        following
            .within(Duration::from_secs(60), "three watches", |_| three())
            .await;
        let queries: Vec<_> = api
            .asked()
            .into_iter()
            .filter(|asked| asked.resource == kind && !asked.watches())
            .map(|asked| asked.query)
            .collect();
        let of = |query: &BTreeMap<String, String>| {
            ["limit", "resourceVersion"].map(|name| query.get(name).cloned())
        };
        assert_ne!(of(&queries[0]), of(&queries[1]), "{kind}: the first was too long");
        assert_eq!(of(&queries[0]), of(queries.last().unwrap()), "{kind}");
    }
}

#[tokio::test]
async fn what_was_known_stays_while_the_server_is_away() {
    let script = || for_classes(|_| Answer::list("10", &[class("a", "1")]), |_| Answer::watch(&[]));
    let api = ScriptedApi::start(script());
    let watched = api.watch_all();
    let before = watched.until("all are seen", Inventory::is_synced).await;
    let address = api.address;
    api.stop().await;
    let away = watched
        .until("all are away", |inventory| {
            inventory.watches.values().all(|watch| watch.error.is_some())
        })
        .await;
    assert_eq!(classes(&away), ["a"]);
    assert!(away.is_synced(), "old, but whole");
    assert!(away.stale_since().unwrap() >= before.watches[&ResourceKind::Classes].since);
    assert_ne!(away.version, before.version);
    assert_eq!(away.faults.len(), 1, "one server, one fault: {:#?}", away.faults);

    let _api = ScriptedApi::start_at(address, script());
    let back = watched
        .until("all are back", |inventory| inventory.stale_since().is_none())
        .await;
    assert_eq!(back.faults, []);
    assert!(std::sync::Arc::ptr_eq(&back.classes["a"], &before.classes["a"]));
}

/// The map is another only where something else is known, and another error of the same sort is not.
#[tokio::test]
async fn a_nodes_page_counts_errors_while_nothing_else_changes() {
    let api = ScriptedApi::start(for_classes(
        |_| Answer::status(500, "InternalError", "no"),
        |_| Answer::watch(&[]),
    ));
    let watched = api.watch(&Settings {
        role: Role::All,
        engines: false,
        ..Settings::default()
    });
    let errors = |inventory: &Inventory| inventory.watches[&ResourceKind::Classes].errors;
    let settled = |inventory: &Inventory| {
        let others = inventory.watches.iter();
        let mut others = others.filter(|(kind, _)| **kind != ResourceKind::Classes);
        errors(inventory) == 1 && others.all(|(_, watch)| watch.synced || watch.error.is_some())
    };
    watched.until("one error, and all else is known", settled).await;
    let machine = generated::machine(1);
    let mut observer = Observer::new(Host::new(machine.roots()), Some("generated".into()))
        .with_cluster(Some(watched.cluster.clone()));
    let mut counted = || {
        let observation = observer.observe(Instant::now());
        let (itself, backends) = (SelfFigures::default(), BackendReadings::default());
        let mut text = String::new();
        observation.write_page(&backends, &itself, Format::Text, &mut |piece| {
            text.push_str(piece);
        });
        let labels = [("resource", "storageclasses")];
        Page::parse(&text).value("storage_probe_kubernetes_watch_errors_total", &labels)
    };
    let first = counted();
    watched
        .until("another error", |inventory| errors(inventory) >= 2)
        .await;
    tokio::time::sleep(FRESH).await;
    let second = counted();
    assert!(second > first && second >= Some(2.0), "{first:?}, {second:?}");
    let observation = observer.observe(Instant::now());
    observation.report(&BackendReadings::default());
    assert_eq!(
        observation.left_out(),
        Some(0),
        "nothing, now that there is a report"
    );
}

/// The load is bounded from above: a machine that is busy asks more rarely.
#[tokio::test]
async fn a_server_that_refuses_is_asked_more_and_more_rarely() {
    let api = ScriptedApi::start(for_classes(
        |_| Answer::status(500, "InternalError", "no"),
        |_| Answer::watch(&[]),
    ));
    let _watched = api.watch_all();
    tokio::time::sleep(Duration::from_secs(8)).await;
    let asked = api
        .asked()
        .iter()
        .filter(|asked| asked.resource == "storageclasses")
        .count();
    assert!(asked <= 4, "{asked} times in 8 s");
}

#[tokio::test]
async fn lists_are_streamed_where_that_is_wanted() {
    let end = json!({
        "kind": "StorageClass", "apiVersion": "storage.k8s.io/v1",
        "metadata": {"resourceVersion": "10", "annotations": {"k8s.io/initial-events-end": "true"}},
    });
    let api = ScriptedApi::start(move |asked| {
        let streamed = asked.query.contains_key("sendInitialEvents");
        match asked.resource.as_str() {
            "storageclasses" if streamed => Some(Answer::watch(&[
                event("ADDED", &class("a", "1")),
                event("BOOKMARK", &end),
                event("ADDED", &class("b", "11")),
            ])),
            // One server refuses, another does not know the wish and never says that all was said.
            "nodes" if streamed => Some(Answer::status(422, "Invalid", "sendInitialEvents: Forbidden")),
            "nodes" if !asked.watches() => Some(Answer::list("5", &[json!({"metadata": {"name": "n"}})])),
            "volumeattachments" if streamed => Some(Answer::watch(&[event(
                "ADDED",
                &json!({"metadata": {"name": "d", "resourceVersion": "1"}}),
            )])),
            "volumeattachments" if !asked.watches() => {
                Some(Answer::list("5", &[json!({"metadata": {"name": "d"}})]))
            }
            _ if streamed => Some(Answer::watch(&[event("BOOKMARK", &end)])),
            _ => None,
        }
    });
    let watched = api.watch(&Settings {
        streaming_lists: true,
        ..impatient()
    });
    let inventory = watched
        .until("all are seen", |inventory| {
            inventory.is_synced() && classes(inventory) == ["a", "b"]
        })
        .await;
    assert!(inventory.nodes.contains_key("n"));
    assert!(inventory.attachments.contains_key("d"));
    let listed = |resource: &str| {
        api.asked()
            .iter()
            .any(|asked| asked.resource == resource && !asked.watches())
    };
    assert!(listed("nodes") && listed("volumeattachments"));
    assert!(!listed("storageclasses") && !listed("pods"));
}

fn pod(uid: &str, claims: &[&str]) -> Value {
    let volumes: Vec<Value> = claims
        .iter()
        .map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}}))
        .collect();
    json!({"metadata": {"name": uid, "namespace": "shop", "uid": uid, "resourceVersion": "5"},
           "spec": {"nodeName": "w1", "volumes": volumes}})
}

fn claim(name: &str, phase: &str, volume: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "uid": name},
           "spec": {"volumeName": volume}, "status": {"phase": phase}})
}

fn node_role() -> Settings {
    Settings {
        role: Role::Node,
        node: Some("w1".into()),
        ..Settings::default()
    }
}

#[tokio::test]
async fn a_node_reads_what_its_pods_name_and_nothing_else() {
    let api = ScriptedApi::start(|asked| match asked.path.as_str() {
        "/api/v1/pods" if asked.watches() => Some(Answer::watch(&[])),
        "/api/v1/pods" => Some(Answer::list(
            "10",
            &[pod("u1", &["data", "late"]), pod("u2", &["data", "gone"])],
        )),
        "/api/v1/namespaces/shop/persistentvolumeclaims/data" => {
            Some(Answer::json(200, &claim("data", "Bound", "pv-1")))
        }
        // Bound at the second look.
        "/api/v1/namespaces/shop/persistentvolumeclaims/late" => Some(Answer::json(
            200,
            &match asked.before {
                0 => claim("late", "Pending", ""),
                _ => claim("late", "Bound", "pv-2"),
            },
        )),
        "/api/v1/persistentvolumes/pv-1" | "/api/v1/persistentvolumes/pv-2" => Some(Answer::json(
            200,
            &json!({"metadata": {"name": asked.resource}, "status": {"phase": "Bound"}}),
        )),
        _ => None,
    });
    let watched = api.watch(&node_role());
    let inventory = watched
        .until("both volumes are known", |inventory| {
            inventory.volumes.len() == 2 && inventory.is_synced()
        })
        .await;
    let claims: Vec<String> = inventory.claims.keys().map(ToString::to_string).collect();
    assert_eq!(claims, ["shop/data", "shop/late"], "and none called gone");
    assert_eq!(inventory.faults, []);
    assert_eq!(inventory.node.as_deref(), Some("w1"));
    assert_eq!(inventory.watches.len(), 4);

    let asked = api.asked();
    let lists: Vec<&Asked> = asked
        .iter()
        .filter(|asked| ["pods", "storageclasses"].contains(&asked.resource.as_str()))
        .collect();
    for pods in lists.iter().filter(|asked| asked.resource == "pods") {
        assert_eq!(pods.query["fieldSelector"], "spec.nodeName=w1");
    }
    // A list from etcd would read every pod of the cluster there.
    for list in lists.iter().filter(|asked| !asked.watches()) {
        assert_eq!(list.from(), "0", "{list:?}");
    }
    let looked_up = asked
        .iter()
        .filter(|asked| asked.path.contains("persistentvolume"))
        .count();
    assert_eq!(lists.len() + looked_up, asked.len(), "{asked:#?}");
    assert!(
        asked
            .iter()
            .all(|asked| !asked.path.ends_with("persistentvolumeclaims")
                && !asked.path.ends_with("persistentvolumes"))
    );
    let reads = |name: &str| asked.iter().filter(|asked| asked.resource == name).count();
    assert_eq!((reads("data"), reads("pv-1")), (1, 1), "once each, for two pods");
}

/// The reckoning in `src/cluster/lookup.rs`, with a second in the place of ten minutes. A busy machine asks more rarely.
#[tokio::test]
async fn a_node_asks_for_each_claim_now_and_then_and_for_its_volume_more_rarely() {
    const CLAIMS: usize = 30;
    let names: Vec<String> = (0..CLAIMS).map(|number| format!("data-{number}")).collect();
    let listed = pod("u1", &names.iter().map(String::as_str).collect::<Vec<_>>());
    let api = ScriptedApi::start(move |asked| match asked.path.as_str() {
        "/api/v1/pods" if !asked.watches() => Some(Answer::list("10", std::slice::from_ref(&listed))),
        path if path.contains("persistentvolumeclaims") => Some(Answer::json(
            200,
            &claim(&asked.resource, "Bound", &format!("pv-{}", asked.resource)),
        )),
        path if path.contains("persistentvolumes") => Some(Answer::json(
            200,
            &json!({"metadata": {"name": asked.resource}, "status": {"phase": "Bound"}}),
        )),
        _ => None,
    });
    let reread = Duration::from_secs(1);
    let started = std::time::Instant::now();
    let watched = api.watch(&Settings {
        reread,
        ..node_role()
    });
    watched
        .until("all are read", |inventory| inventory.volumes.len() == CLAIMS)
        .await;
    let count = |what: &str| {
        api.asked()
            .iter()
            .filter(|asked| asked.path.contains(what))
            .count()
    };
    while count("persistentvolumeclaims") < 4 * CLAIMS {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "claims are read again"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // No pause is shorter than four fifths of what it should be, and each object was read once at first.
    let most = |pause: Duration| {
        let again = (started.elapsed().as_secs_f64() / (pause.as_secs_f64() * 0.8)).floor();
        CLAIMS * (1 + again as usize)
    };
    let (claims, volumes) = (count("persistentvolumeclaims"), count("persistentvolumes"));
    assert!(claims <= most(reread), "{claims} of {}", most(reread));
    assert!((CLAIMS..=most(reread * 6)).contains(&volumes), "{volumes}");
    let all = api.asked().len();
    assert!(
        all <= claims + volumes + 8,
        "{all} requests in all, {claims} and {volumes} of them reads"
    );
}

#[tokio::test]
async fn pods_that_name_hundreds_of_claims_that_are_not_there_have_a_node_ask_bit_by_bit() {
    let names: Vec<String> = (0..500).map(|number| format!("gone-{number}")).collect();
    let listed = pod("u1", &names.iter().map(String::as_str).collect::<Vec<_>>());
    let api = ScriptedApi::start(move |asked| match asked.path.as_str() {
        "/api/v1/pods" if !asked.watches() => Some(Answer::list("10", std::slice::from_ref(&listed))),
        path if path.contains("persistentvolumeclaims") => {
            Some(Answer::status(404, "NotFound", "there is no such claim"))
        }
        _ => None,
    });
    let _watched = api.watch(&node_role());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let asked = api.asked();
    let asked = asked
        .iter()
        .filter(|asked| asked.path.contains("persistentvolumeclaims"))
        .count();
    assert!((50..=200).contains(&asked), "{asked}");
}

#[tokio::test]
async fn what_no_pod_of_the_node_names_any_more_is_forgotten() {
    let api = ScriptedApi::start(|asked| match asked.path.as_str() {
        "/api/v1/pods" if asked.watches() && asked.before == 0 => Some(Answer::ended_watch(&[])),
        "/api/v1/pods" if asked.watches() => {
            // The second watch waits until the claim was read.
            Some(Answer::watch(&[event("DELETED", &pod("u1", &["data"]))]))
        }
        "/api/v1/pods" => Some(Answer::list("10", &[pod("u1", &["data"]), pod("u2", &["logs"])])),
        path if path.contains("persistentvolumeclaims") => Some(Answer::json(
            200,
            &claim(&asked.resource, "Bound", &format!("pv-{}", asked.resource)),
        )),
        path if path.contains("persistentvolumes") => Some(Answer::json(
            200,
            &json!({"metadata": {"name": asked.resource}, "status": {"phase": "Bound"}}),
        )),
        _ => None,
    });
    let watched = api.watch(&node_role());
    let inventory = watched
        .until("one volume is left", |inventory| {
            inventory.is_synced() && inventory.volumes.len() == 1 && inventory.pods.len() == 1
        })
        .await;
    assert!(
        inventory
            .claims
            .contains_key(&NamespacedName::new("shop", "logs"))
    );
    assert_eq!(inventory.claims.len(), 1);
}

#[tokio::test]
async fn a_node_without_the_right_to_read_claims_says_which_rule_it_needs() {
    let api = ScriptedApi::start(|asked| match asked.path.as_str() {
        "/api/v1/pods" if !asked.watches() => Some(Answer::list("10", &[pod("u1", &["data"])])),
        path if path.contains("persistentvolumeclaims") => match asked.before {
            0 => Some(Answer::status(403, "Forbidden", "cannot get")),
            _ => Some(Answer::json(200, &claim("data", "Bound", ""))),
        },
        _ => None,
    });
    let watched = api.watch(&node_role());
    let inventory = watched
        .until("it is refused", |inventory| {
            inventory.watches[&ResourceKind::Claims].error.is_some()
        })
        .await;
    let error = inventory.watches[&ResourceKind::Claims].error.clone().unwrap();
    assert_eq!(error.problem, WatchProblem::Forbidden);
    assert_eq!(
        error.rule.unwrap(),
        "{apiGroups: [\"\"], resources: [\"persistentvolumeclaims\"], verbs: [\"get\"]}"
    );
    let inventory = watched.until("rights were granted", Inventory::is_synced).await;
    assert_eq!((inventory.claims.len(), inventory.stale_since()), (1, None));
}

#[tokio::test]
async fn a_node_must_know_its_name() {
    let api = ScriptedApi::start(|_| None);
    let settings = Settings {
        node: None,
        ..node_role()
    };
    let error = scope_storage_probe::cluster::Cluster::watch(api.config(), &settings)
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "which node is this? --node-name or NODE_NAME says so"
    );
}

/// The API checks neither what a pod calls its claim nor what a claim calls its volume.
#[tokio::test]
async fn names_that_are_none_are_not_asked_for_and_cost_no_others() {
    let none = [
        "data/status",
        "data?x",
        "data#x",
        "a b",
        "..",
        &*"n".repeat(70_000),
    ]
    .map(str::to_owned);
    let names: Vec<&str> = none.iter().map(String::as_str).chain(["data", "odd"]).collect();
    let listed = pod("u1", &names);
    let api = ScriptedApi::start(move |asked| match asked.path.as_str() {
        "/api/v1/pods" if !asked.watches() => Some(Answer::list("10", std::slice::from_ref(&listed))),
        "/api/v1/namespaces/shop/persistentvolumeclaims/data" => {
            Some(Answer::json(200, &claim("data", "Bound", "pv-1")))
        }
        "/api/v1/namespaces/shop/persistentvolumeclaims/odd" => {
            Some(Answer::json(200, &claim("odd", "Bound", "pv-1/status")))
        }
        "/api/v1/persistentvolumes/pv-1" => Some(Answer::json(
            200,
            &json!({"metadata": {"name": "pv-1"}, "status": {"phase": "Bound"}}),
        )),
        path if path.contains("persistentvolume") => Some(Answer::status(403, "Forbidden", "no")),
        _ => None,
    });
    let watched = api.watch(&node_role());
    let inventory = watched
        .until("all that can be known is", |inventory| {
            inventory.is_synced() && inventory.volumes.len() == 1
        })
        .await;
    let claims: Vec<&str> = inventory.claims.keys().map(|name| name.name.as_str()).collect();
    assert_eq!(claims, ["data", "odd"]);
    assert_eq!(inventory.stale_since(), None);
    let faults: Vec<String> = inventory.faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), none.len() + 1, "{faults:#?}");
    assert!(
        faults
            .iter()
            .all(|fault| fault.contains("not a name of an object") && fault.len() < 300),
        "{faults:#?}"
    );
    let asked = api.asked();
    let looked_up = asked
        .iter()
        .filter(|asked| asked.path.contains("persistentvolume"));
    assert_eq!(looked_up.count(), 3, "{asked:#?}");
}

#[tokio::test]
async fn a_404_that_is_not_the_api_servers_forgets_nothing() {
    let api = ScriptedApi::start(|asked| match asked.path.as_str() {
        "/api/v1/pods" if !asked.watches() => Some(Answer::list("10", &[pod("u1", &["data", "gone"])])),
        "/api/v1/namespaces/shop/persistentvolumeclaims/data" => Some(match asked.before {
            0 => Answer::json(200, &claim("data", "Bound", "")),
            _ => Answer::text(404, "404 page not found\n"),
        }),
        _ => None,
    });
    let watched = api.watch(&Settings {
        reread: Duration::from_millis(300),
        ..node_role()
    });
    let inventory = watched
        .until("it is told", |inventory| {
            inventory.watches[&ResourceKind::Claims].error.is_some()
        })
        .await;
    assert_eq!(inventory.claims.len(), 1);
}

#[tokio::test]
async fn a_watch_that_ends_at_once_is_taken_up_more_and_more_rarely() {
    let api = ScriptedApi::start(for_classes(
        |_| Answer::list("10", &[class("a", "1")]),
        |_| Answer::ended_watch(&[]),
    ));
    let running = api.watch_all();
    tokio::time::sleep(Duration::from_secs(8)).await;
    let watches = watched_from(&api).len();
    assert!((2..=5).contains(&watches), "{watches} in 8 s");
    assert_eq!(classes(&running.inventory()), ["a"]);
}

/// The head of an answer is not all of it.
#[tokio::test]
async fn an_error_that_never_ends_is_one_all_the_same() {
    let api = ScriptedApi::start(for_classes(
        |_| Answer::list("10", &[class("a", "1")]),
        |asked| match asked.before {
            0 => Answer::stuck_with(503, "<html>please"),
            1 => Answer::endless_with(500, "no\n"),
            _ => Answer::watch(&[event("ADDED", &class("b", "11"))]),
        },
    ));
    let watched = api.watch(&impatient());
    let problem = |inventory: &Inventory| inventory.watches[&ResourceKind::Classes].problem();
    let inventory = watched
        .until("it is told", |inventory| problem(inventory).is_some())
        .await;
    assert_eq!(problem(&inventory), Some(WatchProblem::Failing));
    assert!(inventory.faults[0].to_string().len() < 600);
    watched
        .until("the watch goes on", |inventory| classes(inventory) == ["a", "b"])
        .await;
}

#[tokio::test]
async fn who_never_says_which_engines_there_are_makes_nobody_wait_for_ever() {
    let api = ScriptedApi::start(|asked| (asked.path == "/apis").then(|| Answer::stuck("{\"groups\": [")));
    let watched = api.watch(&impatient());
    watched.until("the rest is seen", Inventory::is_synced).await;
}

#[tokio::test]
async fn a_look_up_that_stops_is_an_error_and_ends() {
    let api = ScriptedApi::start(|asked| match asked.path.as_str() {
        "/api/v1/pods" if !asked.watches() => Some(Answer::list("10", &[pod("u1", &["data"])])),
        path if path.contains("persistentvolumeclaims") => Some(match asked.before {
            0 => Answer::stuck("{\"metadata\": "),
            _ => Answer::json(200, &claim("data", "Bound", "")),
        }),
        _ => None,
    });
    let watched = api.watch(&Settings {
        patience: Duration::from_millis(300),
        ..node_role()
    });
    let inventory = watched
        .until("the silence is noticed", |inventory| {
            inventory.watches[&ResourceKind::Claims].error.is_some()
        })
        .await;
    let error = inventory.watches[&ResourceKind::Claims].error.clone().unwrap();
    assert_eq!(error.problem, WatchProblem::Unreachable);
    assert_eq!(error.message, "no whole answer within 0.45 s");
    watched.until("it is read", Inventory::is_synced).await;
}

/// What a gateway says that has nothing behind it, and what an API server without the kind says, are the same words.
#[tokio::test]
async fn a_404_of_a_gateway_takes_no_kind_away_and_the_api_servers_word_does() {
    const WELL: u8 = 0;
    const GATEWAY: u8 = 1;
    const WITHOUT: u8 = 2;
    let now = Arc::new(AtomicU8::new(WELL));
    let script_now = Arc::clone(&now);
    let group = |name: &str, version: &str| json!({"name": name, "versions": [{"version": version}]});
    let api = ScriptedApi::start(move |asked| {
        let object = |name: &str| json!({"metadata": {"name": name, "namespace": "shop", "uid": name}});
        let now = script_now.load(Ordering::Relaxed);
        let list = |name: &str| Some(Answer::list("10", &[object(name)]));
        match asked.path.as_str() {
            "/apis" if now == WELL => Some(Answer::json(
                200,
                &json!({"groups": [group("longhorn.io", "v1beta2"), group("snapshot.storage.k8s.io", "v1")]}),
            )),
            "/apis" if now == WITHOUT => Some(Answer::json(200, &json!({"groups": []}))),
            _ if now != WELL => Some(Answer::text(404, "404 page not found\n")),
            "/apis/longhorn.io/v1beta2" => {
                Some(Answer::json(200, &json!({"resources": [{"name": "volumes"}]})))
            }
            path if path.ends_with("/volumes")
                || path.starts_with("/apis/snapshot.storage.k8s.io/v1/volumesnapshots") =>
            {
                if asked.watches() {
                    Some(Answer::ended_watch(&[]))
                } else {
                    list(&asked.resource)
                }
            }
            _ => None,
        }
    });
    let watched = api.watch(&Settings {
        role: Role::Cluster,
        discovery: Duration::from_millis(500),
        ..Settings::default()
    });
    let known = |inventory: &Inventory| (inventory.snapshots.len(), inventory.engines.len());
    watched
        .until("both are seen", |inventory| known(inventory) == (1, 1))
        .await;

    now.store(GATEWAY, Ordering::Relaxed);
    let inventory = watched
        .until("both fail", |inventory| {
            let failing = |kind: ResourceKind| {
                inventory.watches.get(&kind).and_then(WatchState::problem) == Some(WatchProblem::Failing)
            };
            let engine = inventory.engines.keys().next().copied();
            failing(ResourceKind::Snapshots)
                && engine.is_some_and(|engine| failing(ResourceKind::Engine(engine)))
        })
        .await;
    assert_eq!(known(&inventory), (1, 1));
    assert!(
        inventory
            .faults
            .iter()
            .any(|fault| fault.to_string().contains("is there a gateway before it?")),
        "{:?}",
        inventory.faults
    );

    now.store(WITHOUT, Ordering::Relaxed);
    watched
        .until("both are gone", |inventory| known(inventory) == (0, 0))
        .await;
}

/// A webhook that converts them fails: so they are there.
#[tokio::test]
async fn a_kind_that_fails_from_the_first_is_told_of() {
    let api = ScriptedApi::start(|asked| match asked.path.as_str() {
        "/apis" => Some(Answer::json(
            200,
            &json!({"groups": [{"name": "longhorn.io", "versions": [{"version": "v1beta2"}]}]}),
        )),
        "/apis/longhorn.io/v1beta2" => Some(Answer::json(200, &json!({"resources": [{"name": "volumes"}]}))),
        path if path.ends_with("/volumesnapshots") || path == "/apis/longhorn.io/v1beta2/volumes" => {
            Some(Answer::status(500, "InternalError", "conversion webhook failed"))
        }
        _ => None,
    });
    let watched = api.watch_all();
    let failing = |inventory: &Inventory| {
        let failing = |watch: &&WatchState| watch.problem() == Some(WatchProblem::Failing);
        inventory.watches.values().filter(failing).count()
    };
    // Both APIs of snapshots, and the engine's volumes.
    let inventory = watched
        .until("all are told of", |inventory| failing(inventory) == 3)
        .await;
    let fault = inventory.faults[0].to_string();
    assert!(fault.contains("conversion webhook failed"), "{fault}");
}

#[tokio::test]
async fn an_engine_that_may_not_be_read_makes_nobody_wait() {
    let api = ScriptedApi::start(|asked| match asked.path.as_str() {
        "/apis" => Some(Answer::json(
            200,
            &json!({"groups": [{"name": "longhorn.io", "versions": [{"version": "v1beta2"}]}]}),
        )),
        "/apis/longhorn.io/v1beta2" => Some(Answer::json(200, &json!({"resources": [{"name": "volumes"}]}))),
        "/apis/longhorn.io/v1beta2/volumes" => Some(Answer::status(403, "Forbidden", "no")),
        _ => None,
    });
    let watched = api.watch_all();
    let inventory = watched.until("the rest is seen", Inventory::is_synced).await;
    assert_eq!(inventory.hindrances().count(), 0);
    assert!(
        inventory
            .faults
            .iter()
            .any(|fault| fault.to_string().contains("longhorn.io")),
        "{:?}",
        inventory.faults
    );
}

#[tokio::test]
async fn a_group_that_cannot_be_asked_costs_its_own_engine() {
    let group = |name: &str| json!({"name": name, "versions": [{"version": "v1beta2"}]});
    let api = ScriptedApi::start(move |asked| match asked.path.as_str() {
        "/apis" => Some(Answer::json(
            200,
            &json!({"groups": [group("longhorn.io"), {"name": "topolvm.io", "versions": [{"version": "v1"}]}]}),
        )),
        "/apis/topolvm.io/v1" => Some(Answer::status(503, "ServiceUnavailable", "down")),
        "/apis/longhorn.io/v1beta2" => Some(Answer::json(200, &json!({"resources": [{"name": "volumes"}]}))),
        _ => None,
    });
    let watched = api.watch_all();
    watched
        .until("the other engine is followed", |inventory| {
            inventory.is_synced() && inventory.engines.len() == 1
        })
        .await;
}

#[tokio::test]
async fn what_is_not_seen_yet_is_named() {
    let api = ScriptedApi::start(|asked| (asked.resource == "nodes").then(Answer::none));
    let watched = api.watch_all();
    let inventory = watched
        .until("the nodes alone are missing", |inventory| {
            inventory.hindrances().count() == 1
        })
        .await;
    let (kind, error) = inventory.hindrances().next().unwrap();
    assert_eq!((kind, error), (ResourceKind::Nodes, None));
}

/// What stood in the line that cannot be read may have been a deletion.
#[tokio::test]
async fn a_line_that_is_no_event_leads_to_a_new_list() {
    let api = ScriptedApi::start(for_classes(
        |before| match before {
            0 => Answer::list("10", &[class("a", "1"), class("b", "2")]),
            _ => Answer::list("20", &[class("b", "2")]),
        },
        |asked| match asked.before {
            0 => Answer::stuck(format!(
                "{{\"type\": \"SHOUTED\"}}\n{}\n",
                event("MODIFIED", &class("b", "12"))
            )),
            _ => Answer::watch(&[]),
        },
    ));
    let watched = api.watch_all();
    watched
        .until("a was deleted", |inventory| {
            classes(inventory) == ["b"] && inventory.stale_since().is_none()
        })
        .await;
}

#[tokio::test]
async fn a_server_that_forgets_what_it_lists_is_listed_more_and_more_rarely_and_told_of() {
    let api = ScriptedApi::start(for_classes(
        |_| Answer::list("10", &[class("a", "1")]),
        |_| Answer::status(410, "Expired", "too old resource version"),
    ));
    let watched = api.watch_all();
    watched
        .until("it is told", |inventory| {
            inventory.watches[&ResourceKind::Classes].problem() == Some(WatchProblem::Failing)
        })
        .await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let lists = api
        .asked()
        .iter()
        .filter(|asked| asked.resource == "storageclasses" && !asked.watches())
        .count();
    assert!(lists <= 6, "{lists} in 8 s");
}

/// Answers that begin and break off prove no more than that something listens.
#[tokio::test]
async fn kinds_whose_lists_break_off_do_not_wake_each_other() {
    let api = ScriptedApi::start(|asked| {
        let breaks = ["storageclasses", "nodes", "volumeattachments"].contains(&asked.resource.as_str());
        (breaks && !asked.watches()).then(|| Answer::broken("{\"metadata\": "))
    });
    let _watched = api.watch_all();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let lists = api
        .asked()
        .iter()
        .filter(|asked| asked.resource == "nodes")
        .count();
    assert!(lists <= 6, "{lists} in 10 s");
}

#[tokio::test]
async fn an_object_that_became_unreadable_is_not_shown_as_it_was() {
    let deep = |version: &str| {
        let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
        format!(
            "{{\"provisioner\":{nested},\"metadata\":{{\"name\":\"a\",\"resourceVersion\":\"{version}\"}}}}"
        )
    };
    let api = ScriptedApi::start(for_classes(
        |_| Answer::list("10", &[class("a", "1")]),
        move |_| {
            Answer::stuck(format!(
                "{{\"type\":\"MODIFIED\",\"object\":{}}}\n{{\"type\":\"ADDED\",\"object\":{}}}\n",
                deep("11"),
                class("b", "12")
            ))
        },
    ));
    let watched = api.watch_all();
    let inventory = watched
        .until("a is left out", |inventory| classes(inventory) == ["b"])
        .await;
    let said = inventory.faults[0].to_string();
    assert!(said.contains("storageclasses a"), "{said}");
    assert!(!said.contains(" at line "), "{said}");
}

/// Kubernetes bounds neither the name of a claim's volume nor that of what its data come from.
#[tokio::test]
async fn megabytes_in_a_field_are_neither_kept_nor_told() {
    let huge = "x".repeat(1 << 20);
    let odd = json!({"metadata": {"name": "odd", "namespace": "shop", "uid": "u"},
                     "spec": {"volumeName": huge, "storageClassName": huge,
                              "dataSource": {"kind": "VolumeSnapshot", "name": huge}},
                     "status": {"conditions": [{"type": "Resizing", "message": huge}]}});
    let unread = json!({"metadata": {"name": "unread", "namespace": "shop"}, "spec": huge});
    let api = ScriptedApi::start(move |asked| {
        (asked.resource == "persistentvolumeclaims" && !asked.watches())
            .then(|| Answer::list("10", &[odd.clone(), unread.clone()]))
    });
    let watched = api.watch_all();
    let inventory = watched.until("all are seen", Inventory::is_synced).await;
    assert_eq!(inventory.claims.len(), 1);
    assert!(format!("{:?}", inventory.claims).len() < 10_000);
    assert_eq!(inventory.faults.len(), 4, "{:?}", inventory.faults);
    assert!(inventory.faults.iter().all(|fault| fault.to_string().len() < 600));
}
