//! Imports run one way: a module uses only what `ARCHITECTURE.md` allows it.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

use std::path::{Path, PathBuf};

/// Module, and what it may import of this crate besides itself.
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
    ("args", &["host", "cluster", "model"]),
];

/// What puts all others together.
const WIRING: [&str; 3] = ["app", "lib", "main"];

#[test]
fn no_import_runs_against_the_flow() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files(&source) {
        let place = file.strip_prefix(&source).unwrap();
        let module = place
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap()
            .trim_end_matches(".rs")
            .to_owned();
        if WIRING.contains(&&*module) {
            continue;
        }
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(name, _)| *name == module)
            .unwrap_or_else(|| panic!("{module} is new: say what it may import"));
        let text = std::fs::read_to_string(&file).unwrap();
        for imported in text
            .match_indices("crate::")
            .map(|(at, found)| &text[at + found.len()..])
        {
            let imported: String = imported
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            seen += 1;
            if imported != module && !allowed.contains(&imported.as_str()) {
                wrong.push(format!("{}: crate::{imported}", place.display()));
            }
        }
    }
    assert!(
        seen > 50,
        "only {seen} imports were found: is the test looking in the right place?"
    );
    assert_eq!(wrong, [] as [String; 0]);
}

#[test]
fn the_model_needs_the_standard_library_alone() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model");
    for file in files(&model) {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines().filter(|line| line.starts_with("use ")) {
            let known = ["use std::", "use super::", "use crate::model"]
                .iter()
                .any(|start| line.starts_with(start));
            assert!(known, "{}: {line}", file.display());
        }
    }
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
