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
    let expectations = Expectations::of(plugin_id, "");
    match serde_json::from_slice(report) {
        Ok(report) => violations(&report, &expectations),
        Err(error) => vec![format!("not JSON: {error}")],
    }
}

/// Tries one input.
type Attempt = fn(&[u8]);

/// All targets.
const TARGETS: [(&str, Attempt); 17] = [
    ("control", targets::control::attempt),
    ("counters", targets::counters::attempt),
    ("description", targets::description::attempt),
    ("diskstats", targets::diskstats::attempt),
    ("kubelet", targets::kubelet::attempt),
    ("mountinfo", targets::mountinfo::attempt),
    ("objects", targets::objects::attempt),
    ("powerflex", targets::powerflex::attempt),
    ("powerflex_config", targets::powerflex_config::attempt),
    ("quantity", targets::quantity::attempt),
    ("request", targets::request::attempt),
    ("resources", targets::resources::attempt),
    ("sysfs", targets::sysfs::attempt),
    ("udev", targets::udev::attempt),
    ("vol_data", targets::vol_data::attempt),
    ("web_config", targets::web_config::attempt),
    ("words", targets::words::attempt),
];

/// Whoever takes a text apart writes one of these.
const TAKES_APART: [&str; 10] = [
    "serde_json::from_",
    "serde_saphyr::from_",
    "Deserializer::from_",
    "Deserialize",
    "from_utf8",
    "split_once",
    "fn parse",
    ".parse()",
    ".parse::<",
    "fn without_tokens",
];

/// The program's files, by their places below `src`, each without its tests.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.file_name().unwrap() != "tests.rs" {
            let text = fs::read_to_string(&path).unwrap();
            let own = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let place = path.strip_prefix(&top).unwrap().to_str().unwrap();
            found.push((place.to_owned(), own.to_owned()));
        }
    }
}

#[test]
fn whatever_reads_texts_of_others_has_a_target_or_a_reason_why_not() {
    let mut all = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    let is_of =
        |reader: &str, place: &str| place == reader || (reader.ends_with('/') && place.starts_with(reader));
    let reads = |text: &str| TAKES_APART.iter().any(|word| text.contains(word));
    let readers: Vec<&str> = all
        .iter()
        .filter(|(_, text)| reads(text))
        .map(|(place, _)| place.as_str())
        .collect();
    let missing: Vec<&&str> = readers
        .iter()
        .filter(|place| !targets::READERS.iter().any(|(reader, _)| is_of(reader, place)))
        .collect();
    assert!(missing.is_empty(), "not in fuzz/src/lib.rs: {missing:?}");
    for (reader, tried) in targets::READERS {
        let is_there = readers.iter().any(|place| is_of(reader, place));
        assert!(is_there, "{reader} reads nothing: fuzz/src/lib.rs");
        match tried {
            targets::Tried::By(targets) => {
                for target in *targets {
                    assert!(
                        TARGETS.iter().any(|(known, _)| known == target),
                        "{reader}: no {target}"
                    );
                }
            }
            targets::Tried::Not(reason) => assert!(!reason.is_empty(), "{reader}"),
        }
    }
}

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
    assert_eq!(there, TARGETS.map(|(name, _)| name));
    for (target, attempt) in TARGETS {
        let inputs = inputs(target);
        assert!(inputs.len() > 5, "{target}: {inputs:?}");
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

#[test]
fn whatever_is_answered_of_cpu_and_memory_the_pages_are_right() {
    let inputs = inputs("resources");
    let mut samples = 0;
    for input in &inputs {
        for page in targets::resources::pages(&fs::read(input).unwrap()) {
            let wrong = open_metrics_violations(&page);
            assert!(wrong.is_empty(), "{}: {wrong:?}", input.display());
            samples += page.lines().filter(|line| !line.starts_with('#')).count();
        }
    }
    assert!(samples > 20, "{samples} samples of {inputs:?}");
}
