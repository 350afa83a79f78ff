//! What is offered for which object, what a button would do, and the report that has the buttons: decided from a cluster's objects alone.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use scope_storage_probe::link::{cluster, controls};
use scope_storage_probe::model::cluster_map::ClusterMap;
use scope_storage_probe::model::control::{
    Action, Control, DataFrom, Made, MadeWhat, Outcome, Permitted, Plan, Progress, Target,
};
use scope_storage_probe::model::inventory::{ResourceKind, WatchError, WatchProblem};
use scope_storage_probe::model::snapshot::DeletionPolicy;
use scope_storage_probe::model::volume::VolumeMode;
use scope_storage_probe::model::workload::{AccessMode, ClaimPhase, NamespacedName};
use scope_storage_probe::render::scope::controls::{
    Controls, control, controls_report, node_id, shortcut_report,
};
use support::clusters::snapshots;
use support::scope_contract::{DECLARATION, Expectations, assert_holds};

const TAKEN_AT: &str = "2026-01-04T00:00:00.000Z";

fn map() -> ClusterMap {
    cluster::map(Arc::new(snapshots()))
}

fn everything() -> Permitted {
    Permitted {
        controls: Control::ALL.into_iter().collect(),
        namespaces: BTreeSet::from(["shop".to_owned()]),
    }
}

fn shop(name: &str) -> NamespacedName {
    NamespacedName::new("shop", name)
}

/// The map after a change of its objects.
fn changed(change: impl FnOnce(&mut scope_storage_probe::model::inventory::Inventory)) -> ClusterMap {
    let mut inventory = snapshots();
    change(&mut inventory);
    cluster::map(Arc::new(inventory))
}

fn laid_out(bytes: &[u8]) -> String {
    assert_holds(bytes, &Expectations::of("storage-controls", ""));
    let report: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    format!("{report:#}")
}

#[test]
fn what_is_offered_for_each_object() {
    let offered: Vec<String> = controls::offers(&map(), &everything())
        .iter()
        .map(|offer| {
            let words: Vec<&str> = offer.controls.iter().map(|control| control.as_str()).collect();
            format!(
                "{} {}: {}",
                offer.target.kind(),
                offer.target.name(),
                words.join(", ")
            )
        })
        .collect();
    insta::assert_snapshot!("offers", offered.join("\n"));
}

#[test]
fn only_what_is_named_is_offered_and_only_where() {
    let elsewhere = Permitted {
        namespaces: BTreeSet::from(["elsewhere".to_owned()]),
        ..everything()
    };
    assert_eq!(controls::offers(&map(), &elsewhere), []);
    let only = Permitted {
        controls: BTreeSet::from([Control::Delete]),
        ..everything()
    };
    let offers = controls::offers(&map(), &only);
    assert!(!offers.is_empty());
    assert!(offers.iter().all(|offer| offer.controls == [Control::Delete]));
}

#[test]
fn a_snapshot_gets_its_drivers_default_class() {
    let plan = controls::plan(&map(), Control::CreateSnapshot, &Target::Claim(shop("data")));
    assert_eq!(
        plan,
        Ok(Plan::MakeSnapshot {
            claim: shop("data"),
            volume: "pvc-data".into(),
            class: "daily".into(),
        })
    );
    let without = changed(|inventory| inventory.snapshot_classes = Arc::default());
    assert_eq!(
        controls::plan(&without, Control::CreateSnapshot, &Target::Claim(shop("data"))),
        Err("the driver disks.example has no VolumeSnapshotClass".into())
    );
}

#[test]
fn a_copy_is_like_its_source_and_no_smaller_than_the_snapshot_asks_for() {
    let clone = controls::plan(&map(), Control::Clone, &Target::Claim(shop("data"))).unwrap();
    let like_data = |from, bytes| Plan::MakeClaim {
        namespace: "shop".into(),
        from,
        class: Some("fast".into()),
        access_modes: vec![AccessMode::ReadWriteOnce],
        mode: VolumeMode::Filesystem,
        bytes,
    };
    assert_eq!(clone, like_data(DataFrom::Claim("data".into()), 10 << 30));

    let ready = Target::Snapshot(shop("ready"));
    let restore = |map: &ClusterMap| controls::plan(map, Control::Restore, &ready);
    let from = || DataFrom::Snapshot("ready".into());
    assert_eq!(restore(&map()), Ok(like_data(from(), 10 << 30)));
    let grown = changed(|inventory| {
        let snapshots = Arc::make_mut(&mut inventory.snapshots);
        Arc::make_mut(snapshots.get_mut(&shop("ready")).unwrap()).restore_size = Some(25 << 30);
    });
    assert_eq!(restore(&grown), Ok(like_data(from(), 25 << 30)));
    // The claim is gone, its volume was kept.
    let released = changed(|inventory| {
        Arc::make_mut(&mut inventory.claims).remove(&shop("data"));
    });
    assert_eq!(restore(&released), Ok(like_data(from(), 10 << 30)));
    let gone = changed(|inventory| {
        Arc::make_mut(&mut inventory.claims).remove(&shop("data"));
        Arc::make_mut(&mut inventory.volumes).remove("pvc-data");
    });
    assert!(
        restore(&gone)
            .unwrap_err()
            .contains("class and access modes are not known")
    );
    let copying = controls::plan(&map(), Control::Restore, &Target::Snapshot(shop("copying")));
    assert_eq!(copying, Err("the snapshot shop/copying is not ready".into()));
}

#[test]
fn a_snapshot_stays_while_a_claim_is_made_of_it() {
    let ready = Target::Snapshot(shop("ready"));
    let delete = |map: &ClusterMap| controls::plan(map, Control::Delete, &ready);
    let deletes = |policy| {
        Ok(Plan::DeleteSnapshot {
            name: shop("ready"),
            policy,
        })
    };
    assert_eq!(
        delete(&map()),
        deletes(Some(DeletionPolicy::Delete)),
        "its copy is bound"
    );

    let waiting = |policy| {
        changed(|inventory| {
            let claims = Arc::make_mut(&mut inventory.claims);
            Arc::make_mut(claims.get_mut(&shop("restored")).unwrap()).phase = Some(ClaimPhase::Pending);
            let contents = Arc::make_mut(&mut inventory.snapshot_contents);
            Arc::make_mut(contents.get_mut("snapcontent-ready").unwrap()).deletion_policy = policy;
        })
    };
    for policy in [Some(DeletionPolicy::Delete), None] {
        let refused = delete(&waiting(policy)).unwrap_err();
        assert!(
            refused.contains("shop/restored is being restored"),
            "{policy:?}: {refused}"
        );
    }
    let kept = Some(DeletionPolicy::Retain);
    assert_eq!(delete(&waiting(kept)), deletes(kept), "the data stay");
    let old = changed(|inventory| {
        *inventory = (*waiting(kept).inventory).clone();
        let contents = ResourceKind::SnapshotContents;
        inventory.watches.get_mut(&contents).unwrap().error = Some(WatchError {
            problem: WatchProblem::Forbidden,
            message: "no".into(),
            rule: None,
        });
    });
    let refused = delete(&old).unwrap_err();
    assert!(
        refused.contains("is being restored"),
        "they stayed a while ago: {refused}"
    );
    let unknown = changed(|inventory| inventory.watches.clear());
    assert!(delete(&unknown).unwrap_err().contains("not all claims are known"));
}

#[test]
fn nothing_but_snapshots_is_ever_deleted() {
    for target in [
        Target::Claim(shop("data")),
        Target::Content {
            name: "snapcontent-ready".into(),
            namespace: "shop".into(),
        },
    ] {
        assert!(
            controls::plan(&map(), Control::Delete, &target).is_err(),
            "{target:?}"
        );
    }
}

/// What was done a moment ago to the claim `data` and the snapshot `ready`.
fn actions(map: &ClusterMap) -> Vec<Action> {
    let action = |control, target: Target, uid: &str, progress| Action {
        control,
        target,
        uid: uid.to_owned(),
        asked: 1_767_484_800,
        progress,
    };
    let data = &map.inventory.claims[&shop("data")].uid;
    let ready = &map.inventory.snapshots[&shop("ready")].uid;
    let made = Made {
        uid: "0000abcd-0000-4000-8000-000000000000".into(),
        name: shop("data-20260104-000000"),
        what: MadeWhat::Snapshot {
            claim: "data".into(),
            volume: "pvc-data".into(),
        },
    };
    vec![
        action(
            Control::CreateSnapshot,
            Target::Claim(shop("data")),
            data,
            Progress::Done(Outcome {
                text: "snapshot data-20260104-000000 made, of class daily".into(),
                made: Some(made),
                ..Outcome::default()
            }),
        ),
        action(
            Control::Describe,
            Target::Snapshot(shop("ready")),
            ready,
            Progress::Done(Outcome {
                text: "described below".into(),
                description: vec![
                    ("kind".into(), "VolumeSnapshot".into()),
                    ("spec.empty".into(), String::new()),
                ],
                ..Outcome::default()
            }),
        ),
        action(
            Control::Delete,
            Target::Snapshot(shop("ready")),
            ready,
            Progress::Failed("admission webhook \"guard\" denied the request".into()),
        ),
    ]
}

#[test]
fn the_report_with_buttons() {
    let map = map();
    let offers = controls::offers(&map, &everything());
    let actions = actions(&map);
    let controls = Controls {
        map: &map,
        offers: &offers,
        actions: &actions,
        probe_id: "4d1f9b6c",
        taken_at: TAKEN_AT,
    };
    insta::assert_snapshot!("controls.report", laid_out(&controls_report(controls).concat()));

    let of_data = offers
        .iter()
        .find(|offer| offer.target == Target::Claim(shop("data")))
        .unwrap();
    insta::assert_snapshot!("controls.shortcut", laid_out(&shortcut_report(controls, of_data)));
}

/// What a template or a button is, without what it means.
fn without_meaning(declared: &serde_json::Value) -> serde_json::Value {
    let mut declared = declared.clone();
    for (_, template) in declared.as_object_mut().into_iter().flatten() {
        template.as_object_mut().unwrap().remove("meaning").unwrap();
    }
    declared
}

#[test]
fn the_declaration_names_the_same_buttons_and_templates() {
    let map = map();
    let report = controls_report(Controls {
        map: &map,
        offers: &[],
        actions: &[],
        probe_id: "",
        taken_at: TAKEN_AT,
    });
    let report: serde_json::Value = serde_json::from_slice(&report.concat()).unwrap();
    let declared: serde_json::Value = serde_json::from_str(DECLARATION).unwrap();
    assert_eq!(declared["controls_plugin"], report["Plugins"][0]);
    for topology in ["VolumeSnapshot", "VolumeSnapshotData"] {
        for part in ["metadata_templates", "table_templates", "controls"] {
            assert_eq!(
                without_meaning(&declared["controls_topologies"][topology][part]),
                report[topology][part],
                "{topology} {part}"
            );
        }
    }
}

#[test]
fn every_control_and_every_node_is_found_again_by_what_scope_posts() {
    let map = map();
    let offers = controls::offers(&map, &everything());
    let report = controls_report(Controls {
        map: &map,
        offers: &offers,
        actions: &[],
        probe_id: "4d1f9b6c",
        taken_at: TAKEN_AT,
    });
    let report: serde_json::Value = serde_json::from_slice(&report.concat()).unwrap();
    let mut found = 0;
    for topology in ["VolumeSnapshot", "VolumeSnapshotData"] {
        for (id, node) in report[topology]["nodes"].as_object().unwrap() {
            let active = node["latest"]["active_controls"]["value"].as_str().unwrap();
            let offer = offers
                .iter()
                .find(|offer| node_id(offer).as_ref() == Some(id))
                .unwrap();
            let named: Vec<Control> = active.split(';').map(|name| control(name).unwrap()).collect();
            assert_eq!(named, offer.controls);
            found += 1;
        }
    }
    assert_eq!(found, offers.len());
    assert_eq!(control("storage_elsewhere"), None);
}

#[test]
fn ten_thousand_claims_make_a_report_that_scope_can_read_in_time() {
    let map = changed(|inventory| {
        let like = Arc::clone(&inventory.claims[&shop("data")]);
        let claims = Arc::make_mut(&mut inventory.claims);
        for number in 0..10_000 {
            let mut claim = (*like).clone();
            claim.name = shop(&format!("data-of-a-stateful-set-with-a-long-name-{number}"));
            claim.uid = format!("{number:08x}-1111-4000-8000-000000000000");
            claims.insert(claim.name.clone(), Arc::new(claim));
        }
    });
    let offers = controls::offers(&map, &everything());
    assert!(offers.len() > 10_000);
    let report = controls_report(Controls {
        map: &map,
        offers: &offers,
        actions: &[],
        probe_id: "4d1f9b6c",
        taken_at: TAKEN_AT,
    });
    let text = laid_out(&report.concat());
    assert!(
        text.contains(&format!(" of {} objects)", offers.len())),
        "it does not say that some are left out"
    );
    // Those with snapshots are among them.
    assert!(text.contains("\"snapshots of data\""));
}
