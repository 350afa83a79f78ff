//! Each button brings its own rights, and can be left out with them.

use std::collections::BTreeSet;
use std::path::Path;

use scope_storage_probe::model::control::Control;

use super::support::api_server::{self, Right, rights};
use super::support::kubernetes_tools::{kustomized, objects};
use super::{chart, overlay, pods, setting};

/// What each button needs beside what the cluster role reads anyway: verb, group, resource.
const BUTTONS: [(Control, &[[&str; 3]]); 5] = [
    (
        Control::CreateSnapshot,
        &[
            ["create", "snapshot.storage.k8s.io", "volumesnapshots"],
            ["create", "", "events"],
        ],
    ),
    (
        Control::Clone,
        &[["create", "", "persistentvolumeclaims"], ["create", "", "events"]],
    ),
    (
        Control::Restore,
        &[["create", "", "persistentvolumeclaims"], ["create", "", "events"]],
    ),
    (
        Control::Delete,
        &[
            ["delete", "snapshot.storage.k8s.io", "volumesnapshots"],
            ["create", "", "events"],
        ],
    ),
    (Control::Describe, &[["list", "", "events"]]),
];

/// The rights that these buttons need together.
fn needed(buttons: &[Control]) -> BTreeSet<Right> {
    let of = BUTTONS.iter().filter(|(button, _)| buttons.contains(button));
    of.flat_map(|(_, rights)| rights.iter())
        .map(|[verb, group, resource]| ((*verb).to_owned(), (*group).to_owned(), (*resource).to_owned()))
        .collect()
}

#[test]
fn the_role_of_buttons_has_one_rule_for_each_right_that_a_button_needs() {
    let role = api_server::manifest("components/controls/cluster-role-controls.yaml");
    let given = BTreeSet::from_iter(rights(&role));
    assert_eq!(given, needed(&Control::ALL));
    assert_eq!(
        role["rules"].as_array().unwrap().len(),
        given.len(),
        "a rule of several rights cannot be taken out with its button"
    );
}

#[test]
#[ignore = "needs helm: cargo test --test manifests -- --ignored"]
fn each_button_brings_its_own_rights_and_no_others() {
    // All that can be done with the chart's roles, whatever they are called and wherever they are bound.
    let all_rights = |settings: &[&str]| -> BTreeSet<(String, Right)> {
        let roles = objects(&chart(settings).unwrap()).into_iter();
        roles
            .filter(|object| object["kind"] == "ClusterRole" || object["kind"] == "Role")
            .flat_map(|role| {
                let name = role["metadata"]["name"].as_str().unwrap().to_owned();
                rights(&role).into_iter().map(move |right| (name.clone(), right))
            })
            .collect()
    };
    let without = all_rights(&["scope.enabled=true"]);
    for subset in 1..1_u32 << Control::ALL.len() {
        let buttons: Vec<Control> = Control::ALL
            .into_iter()
            .enumerate()
            .filter(|(at, _)| subset & (1 << at) != 0)
            .map(|(_, button)| button)
            .collect();
        let words: Vec<&str> = buttons.iter().map(|button| button.as_str()).collect();
        let words = words.join(",");
        let enabled = format!("controls.enabled={{{words}}},controls.namespaces={{shop}}");
        let with = all_rights(&["scope.enabled=true", &enabled]);
        let brought: BTreeSet<(String, Right)> = with.difference(&without).cloned().collect();
        let wanted: BTreeSet<(String, Right)> = needed(&buttons)
            .into_iter()
            .map(|right| ("scope-storage-probe-controls".to_owned(), right))
            .collect();
        assert_eq!(brought, wanted, "{words}");
    }
}

#[test]
#[ignore = "needs kubectl: cargo test --test manifests -- --ignored"]
fn an_overlay_leaves_a_button_out_with_its_rights_as_the_component_says() {
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/components/controls");
    let told = std::fs::read_to_string(component.join("kustomization.yaml")).unwrap();
    let patches: Vec<&str> = told
        .lines()
        .skip_while(|line| *line != "#   patches:")
        .map_while(|line| line.strip_prefix("#   "))
        .collect();
    // kubectl takes no absolute path.
    let folder = tempfile::tempdir().unwrap();
    let up = "../".repeat(folder.path().canonicalize().unwrap().components().count() - 1);
    let whole = overlay("controls").canonicalize().unwrap();
    let made = format!(
        "resources: [{up}{}]\n{}\n",
        whole.strip_prefix("/").unwrap().display(),
        patches.join("\n")
    );
    std::fs::write(folder.path().join("kustomization.yaml"), made).unwrap();
    let manifest = kustomized(folder.path());

    let left = [
        Control::CreateSnapshot,
        Control::Clone,
        Control::Restore,
        Control::Describe,
    ];
    let role = objects(&manifest).into_iter().find(|object| {
        object["kind"] == "ClusterRole" && object["metadata"]["name"] == "scope-storage-probe-controls"
    });
    assert_eq!(BTreeSet::from_iter(rights(&role.unwrap())), needed(&left));
    let pods = pods(&manifest);
    let (_, pod) = pods.iter().find(|(name, _)| name.ends_with("-cluster")).unwrap();
    assert_eq!(
        setting(&pod["containers"][0], "STORAGE_PROBE_ENABLE_CONTROLS"),
        Some(&*left.map(Control::as_str).join(","))
    );
}
