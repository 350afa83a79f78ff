//! What our tree says of stacked devices against what `dmsetup deps` and `mdadm --detail` say.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::{joined, list, strings, text};

/// Each disagreement in one line.
pub(crate) fn disagreements(folder: &Path, tree: &Value) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let read = || std::fs::read_to_string(entry.path()).map_err(|error| format!("{name}: {error}"));
        if name == "dmsetup-deps.txt" {
            mapped(&read()?, tree, &mut found);
        } else if let Some(array) = name
            .strip_prefix("mdadm-")
            .and_then(|name| name.strip_suffix(".txt"))
        {
            members(array, &read()?, tree, &mut found);
        }
    }
    Ok(found)
}

/// `storage-long: 2 dependencies  : (sdb2) (sda2)`.
fn mapped(deps: &str, tree: &Value, found: &mut Vec<String>) {
    for line in deps.lines() {
        let Some((name, rest)) = line.split_once(": ") else {
            // "No devices found" has no colon.
            continue;
        };
        let theirs = rest.split('(').skip(1).filter_map(|word| word.split_once(')'));
        let theirs = joined(theirs.map(|(name, _)| name.to_owned()).collect());
        let is_it =
            |device: &&Value| text(device, "name") == name && text(device, "device").starts_with("dm-");
        match list(tree, "block_devices").iter().find(is_it) {
            Some(ours) => {
                let ours = joined(
                    list(ours, "parents")
                        .iter()
                        .map(|parent| named(tree, parent))
                        .collect(),
                );
                if ours != theirs {
                    found.push(format!(
                        "device {name}: dmsetup says it lies on {theirs}, ours {ours}"
                    ));
                }
            }
            None => found.push(format!("device {name}: dmsetup has one, ours has none")),
        }
    }
}

/// The name that people know of a device, which dmsetup shows.
fn named(tree: &Value, kernel_name: &Value) -> String {
    let devices = list(tree, "block_devices");
    let found = devices.iter().find(|device| device["device"] == *kernel_name);
    found.map(|device| text(device, "name")).unwrap_or_default()
}

/// Lines of the table of members: number, major, minor, place in the array, state, device. One that is missing has no device.
fn members(array: &str, detail: &str, tree: &Value, found: &mut Vec<String>) {
    let devices = list(tree, "block_devices");
    let theirs: BTreeSet<String> = detail
        .lines()
        .filter_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let is_member = words.len() > 5 && words.last()?.starts_with("/dev/");
            is_member.then(|| format!("{}:{}", words[1], words[2]))
        })
        .collect();
    let ours = devices.iter().find(|device| text(device, "device") == array);
    let parents = ours.map(|ours| strings(ours, "parents")).unwrap_or_default();
    let names: BTreeSet<&str> = parents.split(" and ").collect();
    let ours: BTreeSet<String> = devices
        .iter()
        .filter(|device| names.contains(text(device, "device").as_str()))
        .map(|device| text(device, "number"))
        .collect();
    if theirs.is_empty() || theirs != ours {
        found.push(format!(
            "device {array}: mdadm says it lies on {theirs:?}, ours {ours:?}"
        ));
    }
}
