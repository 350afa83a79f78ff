//! The references in docs/ are made of the flags and families themselves, so that they cannot drift; rules and dashboards ask for
//! families that exist; and tables name tests that are there.
//!
//! `UPDATE_REFERENCES=1 cargo test --test references` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use scope_storage_probe::args::Arguments;
use scope_storage_probe::render::prometheus::exposition::{Family, Kind, PREFIX};
use scope_storage_probe::render::prometheus::{
    backends, cluster, disks, engines, filesystems, itself, metrics_server_prom, powerflex, resources,
    scaleio, snapshots, volumes,
};

fn place(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn compare(path: &str, wanted: &str) {
    if std::env::var_os("UPDATE_REFERENCES").is_some() {
        fs::write(place(path), wanted).unwrap();
    }
    let found = fs::read_to_string(place(path)).unwrap_or_default();
    assert!(
        found == wanted,
        "{path} is not what the program says: UPDATE_REFERENCES=1 cargo test --test references"
    );
}

/// One line for each flag that is not everybody's.
fn flags<'a>(table: &mut String, arguments: impl Iterator<Item = &'a clap::Arg>) {
    table.push_str("| flag | environment | default | |\n|---|---|---|---|\n");
    for argument in arguments {
        let Some(long) = argument
            .get_long()
            .filter(|long| *long != "help" && *long != "version")
        else {
            continue;
        };
        let value = match argument.get_value_names() {
            Some([name]) if argument.get_action().takes_values() => format!(" {name}"),
            _ => String::new(),
        };
        let environment = argument
            .get_env()
            .map_or_else(String::new, |name| format!("`{}`", name.to_string_lossy()));
        let default = argument.get_default_values().first();
        let default = default.map_or_else(String::new, |value| format!("`{}`", value.to_string_lossy()));
        let help = argument.get_help().unwrap().to_string().replace('|', "\\|");
        writeln!(
            table,
            "| `--{long}{value}` | {environment} | {default} | {help} |"
        )
        .unwrap();
    }
    table.push('\n');
}

#[test]
fn the_configuration_reference_is_what_the_program_takes() {
    let command = Arguments::command();
    let mut text = String::from(
        "# Configuration\n\n\
         Made of the program's own flags by `tests/references.rs`; do not edit. A flag wins over its variable in the environment, and that\n\
         over the default. There are no files of settings but those of `--powerflex` and `--web-config-file`.\n\n\
         ## All commands\n\n",
    );
    let shared: BTreeSet<&str> = command
        .get_arguments()
        .map(|argument| argument.get_id().as_str())
        .collect();
    flags(&mut text, command.get_arguments());
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        writeln!(text, "## `{}`\n\n{}.\n", sub.get_name(), sub.get_about().unwrap()).unwrap();
        flags(
            &mut text,
            sub.get_arguments()
                .filter(|argument| !shared.contains(argument.get_id().as_str())),
        );
    }
    compare("docs/configuration.md", &format!("{}\n", text.trim_end()));
}

const PARTS: [(&str, &str); 12] = [
    ("Disks and other block devices", "node role"),
    ("Pods' volumes", "node role"),
    ("The node's own filesystems", "node role"),
    (
        "The cluster's objects",
        "cluster role; those about watches, and of what a report left out, in both",
    ),
    ("Snapshots", "cluster role"),
    ("Storage engines", "cluster role"),
    ("Backends", "cluster role; also on `/metrics/NAME`"),
    (
        "PowerFlex",
        "cluster role with `--powerflex`; also on `/metrics/powerflex`",
    ),
    (
        "PowerFlex, by the names of kubernetes-scaleio-prom",
        "the same, with `--compat scaleio`; capacities in KiB",
    ),
    (
        "CPU and memory",
        "cluster role; those of services, instances and restarts with `--namespace`; also on `/metrics/resources`",
    ),
    (
        "CPU and memory by the names of metrics-server-prom",
        "the same, with `--compat metrics-server-prom`",
    ),
    ("The program itself", "both roles"),
];

fn families() -> [Vec<&'static Family>; 12] {
    [
        disks::families().collect(),
        volumes::families().collect(),
        filesystems::families().collect(),
        cluster::families().collect(),
        snapshots::families().collect(),
        engines::families().collect(),
        backends::families().collect(),
        powerflex::families().collect(),
        scaleio::families().collect(),
        resources::families().collect(),
        metrics_server_prom::families().collect(),
        itself::families().collect(),
    ]
}

fn full_name(family: &Family) -> String {
    if family.plain {
        family.name.to_owned()
    } else {
        format!("{PREFIX}{}", family.name)
    }
}

/// The golden pages: of suites that are a file, and of each that is a folder.
fn golden_pages() -> Vec<PathBuf> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let tests = place("tests");
    let mut folders: Vec<PathBuf> = entries(&tests)
        .iter()
        .map(|suite| suite.join("snapshots"))
        .filter(|folder| folder.is_dir())
        .collect();
    folders.push(tests.join("snapshots"));
    let files = folders.iter().flat_map(|folder| entries(folder));
    files
        .filter(|path| path.to_string_lossy().ends_with(".page.snap"))
        .collect()
}

/// The labels that a family's samples bear on any of the golden pages, of each family that is on one.
fn labels() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in golden_pages() {
        for line in fs::read_to_string(path).unwrap().lines() {
            let Some((name, rest)) = line
                .split_once(['{', ' '])
                .filter(|(name, _)| !name.contains('#'))
            else {
                continue;
            };
            let name = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|ending| name.strip_suffix(ending))
                .unwrap_or(name);
            // Label names stand before `="`, and no value of the golden pages has that in it.
            let mut pieces: Vec<&str> = rest.split("=\"").collect();
            pieces.pop();
            let names = pieces
                .iter()
                .map(|piece| piece.rsplit([',', '"']).next().unwrap().to_owned());
            found
                .entry(name.to_owned())
                .or_default()
                .extend(names.filter(|name| name != "le"));
        }
    }
    found
}

/// Labels of families of which no golden page has a sample, or none with all of its labels. A captured machine cannot be asked how full it
/// is, and has no program running on it; of PowerFlex's systems and protection domains the pages have some figures.
const FURTHER_LABELS: [(&str, &[&str]); 15] = [
    ("storage_probe_backend_", &["backend", "instance"]),
    ("storage_probe_filesystem_", &["device", "fstype", "mountpoint"]),
    ("storage_probe_volume_remote_info", &["pod", "uid", "volume"]),
    (
        "storage_probe_volume_",
        &["namespace", "persistentvolume", "persistentvolumeclaim", "shared"],
    ),
    (
        "storage_probe_kubernetes_stale_since_seconds",
        &["reason", "resource"],
    ),
    ("storage_probe_build_info", &["revision", "rustc"]),
    ("storage_probe_report_bytes", &[]),
    ("process_", &[]),
    (
        "storage_probe_powerflex_protection_domain_iops",
        &["operation", "protection_domain", "system", "traffic"],
    ),
    (
        "storage_probe_powerflex_protection_domain_throughput_bytes_per_second",
        &["operation", "protection_domain", "system", "traffic"],
    ),
    (
        "storage_probe_powerflex_protection_domain_window_seconds",
        &["protection_domain", "system"],
    ),
    (
        "storage_probe_powerflex_system_iops",
        &["operation", "system", "traffic"],
    ),
    (
        "storage_probe_powerflex_system_throughput_bytes_per_second",
        &["operation", "system", "traffic"],
    ),
    (
        "storage_probe_powerflex_system_latency_seconds",
        &["operation", "system", "traffic"],
    ),
    ("storage_probe_powerflex_system_", &["system"]),
];

/// All labels of a family.
///
/// # Panics
///
/// Where nobody says which it has.
fn labels_of(name: &str, seen: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let further = FURTHER_LABELS.iter().find(|(start, _)| name.starts_with(start));
    let is_whole_name = further.is_some_and(|(start, _)| *start == name);
    let mut labels = match (seen.get(name), further) {
        (Some(labels), _) => labels.clone(),
        (None, Some(_)) => BTreeSet::new(),
        (None, None) => panic!("{name} is on no golden page: FURTHER_LABELS says which labels it has"),
    };
    if let Some((_, further)) = further
        && (is_whole_name || !seen.contains_key(name))
    {
        labels.extend(further.iter().map(|label| (*label).to_owned()));
    }
    labels
}

#[test]
fn the_metrics_reference_is_what_the_program_writes() {
    let labels = labels();
    let mut text = String::from(
        "# Metrics\n\n\
         Made of the program's own families by `tests/references.rs`; do not edit. What is not known is absent: a label that is not there, a\n\
         sample that is not there; never 0, −1 or NaN. Figures are in bytes, seconds and shares of 1. How they come about is told in\n\
         [`volumes.md`](volumes.md).\n\n",
    );
    for ((title, role), families) in PARTS.iter().zip(families()) {
        writeln!(
            text,
            "## {title}\n\nOn the page of: {role}.\n\n| family | type | labels | |\n|---|---|---|---|"
        )
        .unwrap();
        for family in families {
            let name = full_name(family);
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let of = labels_of(&name, &labels);
            let of: Vec<String> = of.iter().map(|label| format!("`{label}`")).collect();
            writeln!(
                text,
                "| `{name}` | {kind} | {} | {} |",
                of.join(", "),
                family.help.replace('|', "\\|")
            )
            .unwrap();
        }
        text.push('\n');
    }
    compare("docs/metrics.md", &format!("{}\n", text.trim_end()));
}

#[test]
fn all_that_is_shipped_names_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    let image = format!("image: scope-storage-probe:{version}");
    for (path, named) in [
        ("manifests/base/daemon-set.yaml", &*image),
        ("manifests/base/deployment.yaml", &image),
        ("manifests/overlays/tenant/deployment.yaml", &image),
        ("examples/compose.yaml", &image),
        ("chart/Chart.yaml", &format!("appVersion: \"{version}\"")),
    ] {
        let text = fs::read_to_string(place(path)).unwrap();
        assert!(text.contains(named), "{path} does not say {named}");
    }
}

#[test]
fn rules_and_dashboards_ask_for_families_that_exist() {
    let known: BTreeSet<String> = families().into_iter().flatten().map(full_name).collect();
    let mut files = vec![place("manifests/prometheus/rules.yaml")];
    files.extend(
        fs::read_dir(place("dashboards"))
            .unwrap()
            .map(|entry| entry.unwrap().path()),
    );
    let mut asked = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        // A recording rule's name has a colon before and after: `volume:storage_probe_volume_available:ratio`.
        let words =
            text.split(|character: char| !(character.is_alphanumeric() || matches!(character, '_' | ':')));
        for word in words.filter(|word| word.starts_with(PREFIX)) {
            assert!(known.contains(word), "{}: there is no {word}", file.display());
            asked.insert(word.to_owned());
        }
    }
    assert!(asked.len() > 30, "only {asked:?}");
}

/// The rows of the tables that end in a column of tests.
fn rows_with_tests(text: &str) -> Vec<&str> {
    let tables = text.split("\n\n").filter(|part| part.starts_with("| "));
    let of_tests = tables.filter(|table| table.lines().next().unwrap().ends_with(" | test |"));
    of_tests.flat_map(|table| table.lines().skip(2)).collect()
}

/// What can be named at a place, which is a suite, the path of a file, or `fuzz`: functions, or targets.
///
/// # Panics
///
/// Where there is no such place.
fn names_at(place_of_tests: &str) -> BTreeSet<String> {
    let sources = |folder: PathBuf| {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let files = entries.map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
    };
    if place_of_tests == "fuzz" {
        let targets = sources(place("fuzz/fuzz_targets"));
        return targets
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
    }
    let suite = place(&format!("tests/{place_of_tests}.rs"));
    let files: Vec<PathBuf> = if place_of_tests.contains('/') {
        vec![place(place_of_tests)]
    } else if suite.exists() {
        vec![suite]
    } else {
        sources(place("tests").join(place_of_tests)).collect()
    };
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let functions = text
            .split("fn ")
            .skip(1)
            .filter_map(|behind| behind.split_once('('));
        names.extend(functions.map(|(name, _)| name.to_owned()));
    }
    names
}

/// Holds the last cell of a row against the tests in the tree: `PLACE: NAME, NAME; PLACE`, where a name may have one `…` in the place
/// of some letters.
fn assert_names_tests(row: &str) {
    let cell = row.strip_suffix(" |").unwrap().rsplit(" | ").next().unwrap();
    let mut named = 0;
    for part in cell.split("; ") {
        let mut words = part.split('`').skip(1).step_by(2);
        let at = words
            .next()
            .unwrap_or_else(|| panic!("no place of a test: {part}: {row}"));
        let known = names_at(at);
        for word in words {
            named += 1;
            let is_there = match word.split_once('…') {
                Some((start, end)) => known.iter().any(|name| {
                    name.strip_prefix(start)
                        .is_some_and(|behind| behind.ends_with(end))
                }),
                None => known.contains(word),
            };
            assert!(is_there, "{at} has no {word}: {row}");
        }
    }
    assert!(named > 0, "no test: {row}");
}

#[test]
fn each_test_that_the_tables_name_is_there() {
    for path in ["docs/faults.md", "docs/security.md"] {
        let text = fs::read_to_string(place(path)).unwrap();
        let rows = rows_with_tests(&text);
        assert!(rows.len() > 15, "{path}: {rows:#?}");
        for row in rows {
            assert_names_tests(row);
        }
    }
}
