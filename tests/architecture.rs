//! Imports run one way: a module uses only what `ARCHITECTURE.md` allows it.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Module, and what it may import of this crate besides itself: what lies below these paths.
const ALLOWED: [(&str, &[&str]); 14] = [
    ("model", &[]),
    ("host", &["model"]),
    ("engine", &["model"]),
    ("cluster", &["model", "engine", "lock"]),
    ("control", &["model", "cluster", "lock"]),
    ("backends", &["model", "cluster", "mounted_file", "lock"]),
    ("history", &["model"]),
    ("link", &["model", "engine"]),
    ("state", &["model", "history"]),
    ("render", &["model", "history", "state"]),
    ("mounted_file", &["lock"]),
    ("lock", &[]),
    ("serve", &["mounted_file", "lock"]),
    ("args", &["host::roots", "cluster::connect", "model"]),
];

/// What puts all others together.
const WIRING: [&str; 3] = ["app", "lib", "main"];

/// True where a path is this one, or one below it.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Each path that a text names behind `crate::`, as far as it has names alone.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("crate::").map(|(at, found)| {
        let behind = &text[at + found.len()..];
        let is_of_path = |letter: char| letter.is_alphanumeric() || "_:".contains(letter);
        let end = behind.find(|letter| !is_of_path(letter)).unwrap_or(behind.len());
        behind[..end].trim_end_matches(':')
    })
}

/// How many modules a text goes up at once, at most: `super::super::` is two.
fn most_up(text: &str) -> usize {
    let ups = text.match_indices("super::").map(|(at, _)| {
        text[at..]
            .split("super::")
            .take_while(|between| between.is_empty())
            .count()
    });
    ups.max().unwrap_or(0)
}

#[test]
fn no_import_runs_against_the_flow() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files(&source) {
        let place = file.strip_prefix(&source).unwrap();
        let without_ending = place.with_extension("");
        let path: Vec<&str> = without_ending
            .iter()
            .map(|name| name.to_str().unwrap())
            .filter(|name| *name != "mod")
            .collect();
        let module = path[0];
        if WIRING.contains(&module) {
            continue;
        }
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("{module} is new: say what it may import"));
        let text = std::fs::read_to_string(&file).unwrap();
        for imported in imports(&text) {
            seen += 1;
            let may = [module]
                .iter()
                .chain(*allowed)
                .any(|above| is_below(imported, above));
            if !may {
                wrong.push(format!("{}: crate::{imported}", place.display()));
            }
        }
        // Whoever goes up to the crate's root can go down from there to whatever he likes. Tests are a module further down.
        let (own, tests) = text
            .split_once("\n#[cfg(test)]\nmod tests {")
            .unwrap_or((&text, ""));
        if most_up(own) >= path.len() || most_up(tests) > path.len() {
            wrong.push(format!("{}: super:: up to the crate's root", place.display()));
        }
    }
    assert!(
        seen > 50,
        "only {seen} imports were found: is the test looking in the right place?"
    );
    assert_eq!(wrong, [] as [String; 0]);
}

#[test]
fn what_is_imported_is_read_as_a_path() {
    let text = "use crate::host::roots::Roots;\nuse crate::lock;\nuse crate::{a, b};\nlet of = crate::cluster::{c, d};";
    let found: Vec<&str> = imports(text).collect();
    assert_eq!(found, ["host::roots::Roots", "lock", "", "cluster"]);
    assert!(is_below("host::roots::Roots", "host::roots") && is_below("host::roots", "host::roots"));
    assert!(!is_below("host", "host::roots") && !is_below("host::roots_of", "host::roots"));
    assert_eq!(most_up("use self::a;"), 0);
    assert_eq!(most_up("use super::a; use super::super::b; use super::c;"), 2);
}

#[test]
fn the_model_needs_the_standard_library_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dependencies = dependencies(&std::fs::read_to_string(root.join("Cargo.toml")).unwrap());
    assert!(
        dependencies.contains(&"serde_json".to_owned()),
        "{dependencies:?}"
    );
    let mut seen = 0;
    for file in files(&root.join("src/model")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let own = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in own.lines().map(str::trim_start) {
            let Some(imported) = line
                .strip_prefix("use ")
                .or_else(|| line.strip_prefix("pub use "))
            else {
                continue;
            };
            seen += 1;
            let known = ["std::", "self::", "super::", "crate::model"]
                .iter()
                .any(|start| imported.starts_with(start));
            assert!(known, "{}: {line}", file.display());
        }
        // What is named in full needs no import.
        for dependency in &dependencies {
            let named = own.match_indices(&format!("{dependency}::")).find(|(at, _)| {
                let before = own[..*at].chars().next_back().unwrap_or(' ');
                !before.is_alphanumeric() && !"_:".contains(before)
            });
            assert!(named.is_none(), "{}: {dependency}", file.display());
        }
    }
    assert!(seen > 50, "only {seen} imports were found");
}

/// The crates that a manifest depends on, as they are called in the code.
fn dependencies(manifest: &str) -> Vec<String> {
    let (_, behind) = manifest.split_once("\n[dependencies]\n").unwrap();
    let section = behind.split("\n[").next().unwrap_or_default();
    let named = section.lines().filter_map(|line| line.split_once(" = "));
    named.map(|(name, _)| name.replace('-', "_")).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_test_that_needs_a_part_is_run_where_everything_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let all = read(&root.join(".ci/run"));
    let scripts = all
        .split_whitespace()
        .filter(|word| word.starts_with("tests/") && Path::new(word).extension() == Some("sh".as_ref()));
    let commands: Vec<String> = scripts
        .map(|script| read(&root.join(script)))
        .chain([all.clone()])
        .flat_map(|script| script.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.contains("cargo test") && line.contains("--ignored"))
        .collect();
    let tests = root.join("tests");
    let mut suites = BTreeSet::new();
    for file in files(&tests)
        .iter()
        .filter(|file| read(file).contains("\n#[ignore"))
    {
        let place = file.strip_prefix(&tests).unwrap().components().next().unwrap();
        let name = Path::new(place.as_os_str()).file_stem().unwrap();
        suites.insert(name.to_str().unwrap().to_owned());
    }
    assert!(suites.len() > 10, "{suites:?}");
    for suite in suites {
        let named = format!("--test {suite} ");
        let is_run = commands.iter().any(|line| line.contains(&named));
        assert!(is_run, "{suite}: .ci/run leaves out what is ignored in it");
    }
}
