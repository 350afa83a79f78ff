//! What the fuzzer begins with and what it found, tried once more, and judged as a whole: a target itself only says whether the program
//! survives, and here each report is held against the contract with Scope, and each page against the rules of OpenMetrics.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    reason = "the fuzzer uses it, too, and ends where something is missing"
)]
#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use support::exposition::open_metrics_violations;
use support::scope_contract::{Expectations, violations};

/// The inputs of a target that are in the tree: what a machine has fuzzed decides nothing here.
fn inputs(target: &str) -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let files = fs::read_dir(corpus.join(target)).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

/// What is wrong with what is made of a cluster's objects.
fn wrong_with(objects: &str) -> Vec<String> {
    let Some(told) = targets::objects::told(objects) else {
        return Vec::new();
    };
    let mut wrong = judged(&told.report, "storage-cluster");
    wrong.extend(open_metrics_violations(&told.page));
    wrong.extend(judged(&told.buttons, "storage-controls"));
    wrong
}

fn judged(report: &[u8], plugin_id: &str) -> Vec<String> {
    let expectations = Expectations {
        plugin_id,
        api_version: "1",
        host: "",
        maximal_bytes: None,
    };
    match serde_json::from_slice(report) {
        Ok(report) => violations(&report, &expectations),
        Err(error) => vec![format!("not JSON: {error}")],
    }
}

/// Tries one input.
type Attempt = fn(&[u8]);

/// All targets but `powerflex`, which is tried where that is read.
const TARGETS: [(&str, Attempt); 10] = [
    ("control", targets::control::attempt),
    ("counters", targets::counters::attempt),
    ("diskstats", targets::diskstats::attempt),
    ("mountinfo", targets::mountinfo::attempt),
    ("objects", targets::objects::attempt),
    ("quantity", targets::quantity::attempt),
    ("request", targets::request::attempt),
    ("sysfs", targets::sysfs::attempt),
    ("udev", targets::udev::attempt),
    ("vol_data", targets::vol_data::attempt),
];

#[test]
fn no_input_that_is_kept_breaks_what_the_fuzzer_tries() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let there: BTreeSet<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path().with_extension(""))
        .collect();
    let there: Vec<&str> = there
        .iter()
        .map(|file| file.file_name().unwrap().to_str().unwrap())
        .collect();
    let known: BTreeSet<&str> = TARGETS
        .iter()
        .map(|(name, _)| *name)
        .chain(["powerflex"])
        .collect();
    assert_eq!(there, Vec::from_iter(known));
    for (target, attempt) in TARGETS {
        let inputs = inputs(target);
        assert!(inputs.len() > 10, "{target}: {inputs:?}");
        for input in inputs {
            let text = fs::read(&input).unwrap();
            let outcome = std::panic::catch_unwind(|| attempt(&text));
            assert!(outcome.is_ok(), "{}", input.display());
        }
    }
}

#[test]
fn whatever_the_objects_of_a_cluster_hold_the_answers_are_right() {
    let inputs = inputs("objects");
    assert!(inputs.len() > 10, "{inputs:?}");
    let mut wrong = Vec::new();
    for input in &inputs {
        let text = fs::read(input).unwrap();
        let found = std::str::from_utf8(&text).map(wrong_with).unwrap_or_default();
        wrong.extend(
            found
                .into_iter()
                .map(|found| format!("{}: {found}", input.display())),
        );
    }
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
