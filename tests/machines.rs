//! The block device graph and pods' volumes against the real kernel: each stack of `tests/machines/stacks` is laid in a small
//! emulated machine. Our tree must say of every device what `lsblk`, `dmsetup` and `mdadm` say at the same moment, and our tree,
//! page and report of every pod's volume what `findmnt`, `lsblk` and `df` say. One machine follows a real API server on this host, in which
//! its storage engines speak.
//!
//! ```text
//! cargo test --test machines -- --ignored            # all stacks; the first run builds the machine's image
//! cargo test --test machines -- --ignored luks       # those with `luks` in their name
//! ```
//!
//! `STORAGE_PROBE_BINARY` names another program to ask than the one that was just built. What the machine answered
//! stays in `target/machines/out/STACK`; `STORAGE_PROBE_MACHINE_ANSWERS=target/machines/out` compares that once more and starts
//! no machine.

#[path = "machines/live.rs"]
mod live;
#[path = "machines/local_engines.rs"]
mod local_engines;
#[path = "machines/pod_volumes.rs"]
mod pod_volumes;
#[path = "machines/stacked_devices.rs"]
mod stacked_devices;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use serde_json::Value;

/// One test for each stack, and the list of them.
macro_rules! stacks {
    ($(fn $test:ident() = $name:literal;)*) => {
        const STACKS: &[&str] = &[$($name),*];
        $(
            #[test]
            #[ignore = "needs QEMU: run with --ignored; tests/machines/image.sh installs it"]
            fn $test() {
                agrees_with_the_tools($name);
            }
        )*
    };
}

stacks! {
    fn skeleton() = "skeleton";
    fn partition() = "partition";
    fn lvm_linear() = "lvm-linear";
    fn lvm_thin() = "lvm-thin";
    fn lvm_snapshot() = "lvm-snapshot";
    fn luks() = "luks";
    fn lvm_on_luks() = "lvm-on-luks";
    fn md_raid1() = "md-raid1";
    fn md_raid0() = "md-raid0";
    fn md_degraded() = "md-degraded";
    fn multipath() = "multipath";
    fn nvme_namespaces() = "nvme-namespaces";
    fn nvme_multipath() = "nvme-multipath";
    fn bcache() = "bcache";
    fn loop_devices() = "loop";
    fn btrfs_two_disks() = "btrfs-two-disks";
    fn overlay() = "overlay";
    fn nfs() = "nfs";
    fn network_disks() = "network-disks";
    fn io_truth() = "io-truth";
    fn hot_plug() = "hot-plug";
    fn local_engines_volumes() = "local-engines";
}

/// How many were asked, and how many were right.
#[derive(Clone, Copy)]
struct Tally {
    stacks: (usize, usize),
    volumes: (usize, usize),
}

static TALLY: Mutex<Tally> = Mutex::new(Tally {
    stacks: (0, 0),
    volumes: (0, 0),
});

fn agrees_with_the_tools(stack: &str) {
    let began = Instant::now();
    let outcome = ask_machine(stack);
    let seconds = began.elapsed().as_secs();
    let mut tally = TALLY.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (wrong, measured) = match outcome {
        Ok(answer) => {
            tally.volumes.0 += answer.volumes.0;
            tally.volumes.1 += answer.volumes.1;
            (answer.wrong, answer.measured)
        }
        Err(why) => (vec![why], Vec::new()),
    };
    tally.stacks.0 += 1;
    tally.stacks.1 += usize::from(wrong.is_empty());
    let verdict = if wrong.is_empty() { "right" } else { "wrong" };
    // To the stream itself: what the macros print is shown for failed tests only.
    let mut screen = std::io::stderr();
    let _ = writeln!(screen, "stack {stack}: {verdict}, {seconds} s");
    for measured in measured {
        let _ = writeln!(screen, "stack {stack}: {measured}");
    }
    let Tally { stacks, volumes } = *tally;
    if stacks.0 == STACKS.len() {
        let _ = writeln!(screen, "stacks right: {} of {}", stacks.1, stacks.0);
        let _ = writeln!(screen, "volumes right: {} of {}", volumes.1, volumes.0);
    }
    drop(tally);
    assert!(wrong.is_empty(), "stack {stack}:\n{}", wrong.join("\n"));
}

/// What came of one machine.
struct Answer {
    /// How many volumes there are, and how many are right.
    volumes: (usize, usize),
    /// Each disagreement in one line.
    wrong: Vec<String>,
    /// What was measured, for people.
    measured: Vec<String>,
}

/// Runs the machine and compares what was said in it.
fn ask_machine(stack: &str) -> Result<Answer, String> {
    if let Some(answers) = std::env::var_os("STORAGE_PROBE_MACHINE_ANSWERS") {
        return compare_answers(stack, &Path::new(&answers).join(stack));
    }
    let binary = std::env::var_os("STORAGE_PROBE_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_scope-storage-probe").into(), PathBuf::from);
    // It is there as long as the machine.
    let cluster = (stack == local_engines::STACK).then(local_engines::Cluster::start);
    // run.sh stops a machine that does not end, so there is a limit on this wait.
    let run = Command::new(machines().join("run.sh"))
        .arg(stack)
        .arg("--binary")
        .arg(&binary)
        .args(cluster.iter().flat_map(local_engines::Cluster::arguments))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start tests/machines/run.sh: {error}"))?;
    if !run.status.success() {
        return Err(String::from_utf8_lossy(&run.stderr).into_owned());
    }
    let folder = PathBuf::from(String::from_utf8_lossy(&run.stdout).trim_end());
    compare_answers(stack, &folder)
}

/// Compares what was said in a machine.
fn compare_answers(stack: &str, folder: &Path) -> Result<Answer, String> {
    let mut wrong = Vec::new();
    // Before and after pods' volumes were laid.
    for folder in [folder.to_owned(), folder.join("volumes")] {
        let tree = document(&folder, "tree.json")?;
        wrong.extend(disagreements(&document(&folder, "lsblk.json")?, &tree));
        wrong.extend(stacked_devices::disagreements(&folder, &tree)?);
    }
    let (volumes, wrong_volumes) = pod_volumes::disagreements(folder)?;
    let right = volumes.saturating_sub(wrong_volumes.len());
    for (volume, found) in wrong_volumes {
        wrong.extend(found.into_iter().map(|found| format!("volume {volume}: {found}")));
    }
    let (wrong_live, measured) = live::disagreements(stack, folder)?;
    wrong.extend(wrong_live);
    if !wrong.is_empty() {
        wrong.push(format!("the answers are in {}", folder.display()));
    }
    Ok(Answer {
        volumes: (volumes, right),
        wrong,
        measured,
    })
}

fn machines() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines")
}

fn document(folder: &Path, name: &str) -> Result<Value, String> {
    let text = std::fs::read(folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
    serde_json::from_slice(&text).map_err(|error| format!("{name}: {error}"))
}

// --- The comparison ---------------------------------------------------------------------------------------------

/// What is compared: our key, and lsblk's.
const SAME_IN_BOTH: [(&str, &str); 9] = [
    ("number", "maj:min"),
    ("name", "name"),
    ("type", "type"),
    ("size_bytes", "size"),
    ("read_only", "ro"),
    ("rotational", "rota"),
    ("fstype", "fstype"),
    ("uuid", "uuid"),
    ("label", "label"),
];

/// A disk's make. lsblk shows it on what lies on no other device; a WWN also on partitions, where it is the disk's.
const MAKE: [&str; 3] = ["serial", "wwn", "model"];

/// Each disagreement of our tree with lsblk's, in one line; none where both say the same.
fn disagreements(lsblk: &Value, ours: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut theirs = BTreeMap::new();
    for device in list(lsblk, "blockdevices") {
        collect(device, None, &mut theirs);
    }
    let mut known = BTreeSet::new();
    if theirs.is_empty() {
        found.push("lsblk names no device".to_owned());
    }
    for device in list(ours, "block_devices") {
        let name = text(device, "device");
        if !known.insert(name.clone()) {
            found.push(format!("device {name}: ours has it more than once"));
        }
        match theirs.get(&name) {
            Some(same) => compare(&name, same, device, &mut found),
            None => found.push(format!("device {name}: lsblk has none, ours has one")),
        }
    }
    for name in theirs.keys().filter(|name| !known.contains(*name)) {
        found.push(format!("device {name}: lsblk has one, ours has none"));
    }
    found
}

/// One device of lsblk's tree, where it stands once below each of its parents.
struct Theirs<'a> {
    said: &'a Value,
    parents: BTreeSet<String>,
}

fn collect<'a>(device: &'a Value, parent: Option<&str>, into: &mut BTreeMap<String, Theirs<'a>>) {
    let name = text(device, "kname");
    let known = into.entry(name.clone()).or_insert_with(|| Theirs {
        said: device,
        parents: BTreeSet::new(),
    });
    known.parents.extend(parent.map(str::to_owned));
    for child in list(device, "children") {
        collect(child, Some(&name), into);
    }
}

fn compare(name: &str, theirs: &Theirs<'_>, ours: &Value, found: &mut Vec<String>) {
    let mut check = |what: &str, theirs: String, ours: String| {
        if theirs != ours {
            found.push(format!("device {name}: {what}: lsblk {theirs}, ours {ours}"));
        }
    };
    for (our_key, their_key) in SAME_IN_BOTH {
        check(their_key, shown(theirs.said, their_key), shown(ours, our_key));
    }
    for key in MAKE {
        if theirs.parents.is_empty() {
            check(key, shown(theirs.said, key), shown(ours, key));
        } else {
            check(key, "nothing".into(), shown(ours, key));
        }
    }
    check(
        "parents",
        joined(theirs.parents.clone()),
        strings(ours, "parents"),
    );
    check(
        "mount points",
        strings(theirs.said, "mountpoints"),
        strings(ours, "mountpoints"),
    );
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn text(value: &Value, key: &str) -> String {
    value
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// One value as it is shown; lsblk pads some texts with spaces and says null where it knows nothing.
fn shown(value: &Value, key: &str) -> String {
    match value.get(key) {
        None | Some(Value::Null) => "nothing".into(),
        Some(Value::String(text)) if text.trim().is_empty() => "nothing".into(),
        Some(Value::String(text)) => text.trim().into(),
        Some(other) => other.to_string(),
    }
}

/// A list of texts in order, once each. lsblk writes a null where there is no mount point.
fn strings(value: &Value, key: &str) -> String {
    let texts = list(value, key).iter().filter_map(Value::as_str);
    joined(texts.map(str::to_owned).collect())
}

fn joined(texts: BTreeSet<String>) -> String {
    if texts.is_empty() {
        return "nothing".into();
    }
    Vec::from_iter(texts).join(" and ")
}

// --- Tests of the comparison and of the list, without a machine -------------------------------------------------

mod comparison {
    use serde_json::{Value, json};

    use super::{STACKS, disagreements, machines};

    /// A mirror of a partition and a disk, as lsblk draws it: the mirror stands below both.
    fn lsblk() -> Value {
        let mirror = json!({
            "name": "md0", "kname": "md0", "maj:min": "9:0", "type": "raid1", "size": 1_000, "serial": null,
            "wwn": null, "model": null, "ro": false, "rota": true, "fstype": "ext4", "uuid": "u-1",
            "label": "two words", "mountpoints": ["/srv/b", "/srv/a b"]
        });
        json!({"blockdevices": [
            {
                "name": "sda", "kname": "sda", "maj:min": "8:0", "type": "disk", "size": 4_096, "serial": "S-1",
                "wwn": "0x5", "model": "DISK  ", "ro": false, "rota": true, "fstype": null, "uuid": null,
                "label": null, "mountpoints": [null],
                "children": [{
                    "name": "sda1", "kname": "sda1", "maj:min": "8:1", "type": "part", "size": 2_048,
                    "serial": null, "wwn": "0x5", "model": null, "ro": false, "rota": true,
                    "fstype": "linux_raid_member", "uuid": "u-0", "label": null, "mountpoints": [null],
                    "children": [mirror]
                }]
            },
            {
                "name": "sdb", "kname": "sdb", "maj:min": "8:16", "type": "disk", "size": 2_048, "serial": "S-2",
                "wwn": null, "model": null, "ro": false, "rota": true, "fstype": "linux_raid_member",
                "uuid": "u-0", "label": null, "mountpoints": ["[SWAP]"], "children": [mirror]
            }
        ]})
    }

    fn ours() -> Value {
        json!({"host": "here", "block_devices": [
            {
                "number": "8:0", "device": "sda", "name": "sda", "type": "disk", "size_bytes": 4_096,
                "parents": [], "serial": "S-1", "wwn": "0x5", "model": "DISK", "rotational": true,
                "read_only": false, "mountpoints": []
            },
            {
                "number": "8:1", "device": "sda1", "name": "sda1", "type": "part", "size_bytes": 2_048,
                "parents": ["sda"], "rotational": true, "read_only": false, "fstype": "linux_raid_member",
                "uuid": "u-0", "mountpoints": []
            },
            {
                "number": "8:16", "device": "sdb", "name": "sdb", "type": "disk", "size_bytes": 2_048,
                "parents": [], "serial": "S-2", "rotational": true, "read_only": false,
                "fstype": "linux_raid_member", "uuid": "u-0", "mountpoints": ["[SWAP]"]
            },
            {
                "number": "9:0", "device": "md0", "name": "md0", "type": "raid1", "size_bytes": 1_000,
                "parents": ["sda1", "sdb"], "rotational": true, "read_only": false, "fstype": "ext4",
                "uuid": "u-1", "label": "two words", "mountpoints": ["/srv/a b", "/srv/b"]
            }
        ]})
    }

    #[test]
    fn equal_trees_agree() {
        assert_eq!(disagreements(&lsblk(), &ours()), Vec::<String>::new());
    }

    /// Place of a device in our answer, key, wrong value, what is told.
    const WRONG_VALUES: &str = r#"
        0 | size_bytes | 4095 | device sda: size: lsblk 4096, ours 4095
        0 | serial | "S-2" | device sda: serial: lsblk S-1, ours S-2
        0 | wwn | null | device sda: wwn: lsblk 0x5, ours nothing
        0 | model | "DISC" | device sda: model: lsblk DISK, ours DISC
        0 | read_only | true | device sda: ro: lsblk false, ours true
        0 | parents | ["sdb"] | device sda: parents: lsblk nothing, ours sdb
        1 | serial | "S-1" | device sda1: serial: lsblk nothing, ours S-1
        1 | type | "disk" | device sda1: type: lsblk part, ours disk
        1 | parents | [] | device sda1: parents: lsblk sda, ours nothing
        2 | wwn | "0x6" | device sdb: wwn: lsblk nothing, ours 0x6
        2 | number | "8:17" | device sdb: maj:min: lsblk 8:16, ours 8:17
        3 | parents | ["sda1"] | device md0: parents: lsblk sda1 and sdb, ours sda1
        3 | name | "dm-0" | device md0: name: lsblk md0, ours dm-0
        3 | rotational | false | device md0: rota: lsblk true, ours false
        3 | fstype | "xfs" | device md0: fstype: lsblk ext4, ours xfs
        3 | uuid | "u-0" | device md0: uuid: lsblk u-1, ours u-0
        3 | label | "two" | device md0: label: lsblk two words, ours two
        3 | mountpoints | ["/srv/b"] | device md0: mount points: lsblk /srv/a b and /srv/b, ours /srv/b
    "#;

    #[test]
    fn each_wrong_value_is_told_in_one_line() {
        for line in WRONG_VALUES.trim().lines() {
            let [device, key, wrong, told] = line.split(" | ").collect::<Vec<_>>()[..] else {
                panic!("not four fields: {line}");
            };
            let device: usize = device.trim().parse().expect("a place");
            let mut changed = ours();
            changed["block_devices"][device][key] = serde_json::from_str(wrong).expect("JSON");
            assert_eq!(disagreements(&lsblk(), &changed), [told]);
        }
    }

    #[test]
    fn a_device_too_many_and_one_too_few_are_told() {
        let mut changed = ours();
        changed["block_devices"][2]["device"] = json!("sdc");
        assert_eq!(
            disagreements(&lsblk(), &changed),
            [
                "device sdc: lsblk has none, ours has one",
                "device sdb: lsblk has one, ours has none"
            ]
        );
    }

    #[test]
    fn answers_without_devices_do_not_pass_for_equal() {
        assert_eq!(disagreements(&json!({}), &json!({})), ["lsblk names no device"]);
    }

    #[test]
    fn every_stack_has_its_test() {
        let mut folders: Vec<String> = std::fs::read_dir(machines().join("stacks"))
            .expect("tests/machines/stacks")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        folders.sort_unstable();
        let mut listed = STACKS.to_vec();
        listed.sort_unstable();
        assert_eq!(listed, folders);
    }
}
