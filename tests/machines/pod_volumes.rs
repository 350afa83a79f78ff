//! What we say of pods' volumes against what `findmnt`, `lsblk`, `losetup`, `btrfs`, `df` and `stat` say: in `tree --json`, on
//! the metrics page and in the report. `machine/record-volumes.sh` asks them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::{document, joined, list, shown, strings, text};

/// One line of what was laid: one volume of one pod.
#[derive(Debug, Clone)]
struct Laid {
    name: String,
    pod: String,
    driver: String,
    mode: String,
    persistent: bool,
    path: String,
}

/// What the tools say of one volume of one pod.
#[derive(Debug, Default)]
struct Reference {
    /// findmnt's words; `Null` for a raw block volume.
    mount: Value,
    /// Kernel names of the devices right below, by lsblk or btrfs.
    devices: BTreeSet<String>,
    /// Kernel names and serial numbers of the physical disks.
    disks: BTreeMap<String, String>,
    /// Of a raw block volume.
    size: Option<String>,
    read_only: bool,
    /// df's before and after.
    figures: Option<[Figures; 2]>,
}

/// Size, used, available, inodes, inodes used, inodes free, as df has them. `None` is what it shows as a dash or a 0.
type Figures = [Option<u64>; 6];

/// What makes two pods' volumes one: the PersistentVolume's name, else the pod and the name in it.
type Key = (String, String);

fn key(name: &str, pod: &str, persistent: bool) -> Key {
    (
        name.to_owned(),
        if persistent { String::new() } else { pod.to_owned() },
    )
}

/// How many volumes there are, and for each that is told wrong what is wrong with it.
pub(crate) fn disagreements(folder: &Path) -> Result<(usize, BTreeMap<String, Vec<String>>), String> {
    let folder = folder.join("volumes");
    let laid = laid(&folder)?;
    let references = references(&folder, &laid)?;
    let node_filesystems = node_filesystems(&document(&folder, "findmnt.json")?);
    let tree = document(&folder, "tree.json")?;
    let report = document(&folder, "report.json")?;
    let page = read(&folder, "metrics.txt")?;
    let mut volumes: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (at, volume) in laid.iter().enumerate() {
        volumes
            .entry(key(&volume.name, &volume.pod, volume.persistent))
            .or_default()
            .push(at);
    }
    let mut ours: BTreeMap<Key, &Value> = BTreeMap::new();
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for volume in list(&tree, "volumes") {
        let persistent = volume["persistent"] == true;
        let key = key(&text(volume, "name"), &strings(volume, "pods"), persistent);
        let told = label_of(&key);
        if !volumes.contains_key(&key) {
            wrong
                .entry(told)
                .or_default()
                .push("laid nowhere, ours has one".into());
        } else if ours.insert(key, volume).is_some() {
            wrong
                .entry(told)
                .or_default()
                .push("ours has it more than once".into());
        }
    }
    for (key, lines) in &volumes {
        let mut found = Vec::new();
        if let Some(volume) = ours.get(key) {
            let these: Vec<_> = lines.iter().map(|at| (&laid[*at], &references[*at])).collect();
            let shared = is_shared(key, &these, &laid, &references, &node_filesystems);
            in_tree(&these, shared, volume, &mut found);
            if these[0].0.persistent {
                on_page(&these, shared, &page, &mut found);
                in_report(&these, &text(&tree, "host"), &report, &mut found);
            }
        } else {
            found.push("laid, ours has none".into());
        }
        if !found.is_empty() {
            wrong.entry(label_of(key)).or_default().extend(found);
        }
    }
    Ok((volumes.len(), wrong))
}

fn label_of(key: &Key) -> String {
    if key.1.is_empty() {
        key.0.clone()
    } else {
        format!("{} of pod {}", key.0, key.1)
    }
}

fn read(folder: &Path, name: &str) -> Result<String, String> {
    std::fs::read_to_string(folder.join(name)).map_err(|error| format!("{name}: {error}"))
}

fn laid(folder: &Path) -> Result<Vec<Laid>, String> {
    let text = read(folder, "laid")?;
    text.lines()
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [name, pod, driver, mode, persistent, path] => Ok(Laid {
                name: name.into(),
                pod: pod.into(),
                driver: driver.into(),
                mode: mode.into(),
                persistent: persistent == "yes",
                path: path.into(),
            }),
            _ => Err(format!("laid: not six fields: {line}")),
        })
        .collect()
}

// --- What the tools say -----------------------------------------------------------------------------------------

fn references(folder: &Path, laid: &[Laid]) -> Result<Vec<Reference>, String> {
    let before = figures(&read(folder, "df-before")?)?;
    let after = figures(&read(folder, "df-after")?)?;
    let mut mounted = 0;
    let mut references = Vec::new();
    for (at, volume) in laid.iter().enumerate() {
        let folder = folder.join((at + 1).to_string());
        let mut reference = Reference::default();
        for prefix in prefixes(&folder)? {
            below(&folder, &prefix, &mut reference, true)?;
        }
        if volume.mode == "Block" {
            let device = &document(&folder, "device.lsblk.json")?["blockdevices"][0];
            reference.size = Some(shown(device, "size"));
            reference.read_only = device["ro"] == true;
        } else {
            // Of several mounts on one point the last is seen.
            let mounts = document(&folder, "findmnt.json")?;
            reference.mount = list(&mounts, "filesystems").last().cloned().unwrap_or_default();
            reference.read_only = text(&reference.mount, "options")
                .split(',')
                .any(|option| option == "ro");
            let both = before.get(mounted).zip(after.get(mounted));
            let (before, after) = both.ok_or_else(|| format!("df has no line for {}", volume.path))?;
            reference.figures = Some([*before, *after]);
            mounted += 1;
        }
        references.push(reference);
    }
    Ok(references)
}

/// `device`, or for btrfs `device1`, `device2`, …: each device right below the volume.
fn prefixes(folder: &Path) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let names = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names
        .filter_map(|name| name.strip_suffix(".lsblk.json").map(str::to_owned))
        .filter(|prefix| !prefix.contains('.'))
        .collect())
}

/// Adds the physical disks of one device: the ends of lsblk's inverse tree. A multipath map is one disk, however many paths
/// there are. A loop device is followed to its file's file system, of which the machine asked in the same way.
fn below(folder: &Path, prefix: &str, reference: &mut Reference, top: bool) -> Result<(), String> {
    let tree = document(folder, &format!("{prefix}.lsblk.json"))?;
    for device in list(&tree, "blockdevices") {
        if top {
            reference.devices.insert(text(device, "kname"));
        }
        add_ends(folder, prefix, device, reference)?;
    }
    Ok(())
}

fn add_ends(folder: &Path, prefix: &str, device: &Value, reference: &mut Reference) -> Result<(), String> {
    let (name, kind) = (text(device, "kname"), text(device, "type"));
    let below_it = list(device, "children");
    if kind == "mpath" {
        let serials = below_it.iter().map(|path| shown(path, "serial"));
        reference.disks.insert(name, joined(serials.collect()));
    } else if kind == "loop" {
        let next = format!("{prefix}.{name}");
        if folder.join(format!("{next}.lsblk.json")).exists() {
            below(folder, &next, reference, false)?;
        }
    } else if below_it.is_empty() && !name.starts_with("zram") {
        // lsblk calls memory that looks like a disk one.
        reference.disks.insert(name, shown(device, "serial"));
    }
    for further in below_it.iter().filter(|_| kind != "mpath") {
        add_ends(folder, prefix, further, reference)?;
    }
    Ok(())
}

fn figures(df: &str) -> Result<Vec<Figures>, String> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let mut figures = Figures::default();
        for figure in &mut figures {
            let word = words.next().ok_or_else(|| format!("df: too short: {line}"))?;
            *figure = word.parse().ok();
        }
        Ok(figures)
    };
    df.lines().skip(1).map(line).collect()
}

/// The numbers of the file systems on which the node itself lives.
fn node_filesystems(findmnt: &Value) -> BTreeSet<String> {
    list(findmnt, "filesystems")
        .iter()
        .filter(|mount| matches!(text(mount, "target").as_str(), "/" | "/var/lib/kubelet"))
        .map(|mount| text(mount, "maj:min"))
        .collect()
}

/// Others lie on the file system: the node, another volume, what lies beside a folder that alone is mounted; or a server's
/// clients. The figures of an overlay are those of the file system that it lies on.
fn is_shared(
    own: &Key,
    these: &[(&Laid, &Reference)],
    laid: &[Laid],
    references: &[Reference],
    node_filesystems: &BTreeSet<String>,
) -> bool {
    these.iter().any(|(volume, reference)| {
        let number = text(&reference.mount, "maj:min");
        let others = laid.iter().zip(references).any(|(other, theirs)| {
            other.mode == "Filesystem"
                && text(&theirs.mount, "maj:min") == number
                && key(&other.name, &other.pod, other.persistent) != *own
        });
        volume.mode == "Folder"
            || volume.mode != "Block"
                && (others
                    || text(&reference.mount, "fsroot") != "/"
                    || matches!(
                        text(&reference.mount, "fstype").as_str(),
                        "nfs" | "nfs4" | "overlay"
                    )
                    || node_filesystems.contains(&number))
    })
}

// --- What we say ------------------------------------------------------------------------------------------------

type These<'a> = [(&'a Laid, &'a Reference)];

fn check(found: &mut Vec<String>, what: &str, theirs: &str, ours: &str) {
    if theirs != ours {
        found.push(format!("{what}: the tools {theirs}, ours {ours}"));
    }
}

fn in_tree(these: &These<'_>, shared: bool, ours: &Value, found: &mut Vec<String>) {
    let (laid, _) = these[0];
    let all =
        |field: fn(&Laid) -> &String| joined(these.iter().map(|(laid, _)| field(laid).clone()).collect());
    check(found, "pods", &all(|laid| &laid.pod), &strings(ours, "pods"));
    check(found, "paths", &all(|laid| &laid.path), &strings(ours, "paths"));
    check(found, "driver", &laid.driver, &text(ours, "driver"));
    let mode = if laid.mode == "Block" {
        "Block"
    } else {
        "Filesystem"
    };
    check(found, "mode", mode, &text(ours, "mode"));
    check(found, "shared", &shared.to_string(), &shown(ours, "shared"));
    // Ours is of one of the pods' mounts: that one must be right.
    let point = text(ours, "mount_point");
    let of_point = these
        .iter()
        .find(|(_, reference)| text(&reference.mount, "target") == point)
        .filter(|_| mode != "Block");
    let Some((_, reference)) = of_point.or_else(|| these.first().filter(|_| mode == "Block")) else {
        found.push(format!("mount point: findmnt has none at {point:?}"));
        return;
    };
    for (our_key, their_key) in [("fstype", "fstype"), ("source", "source"), ("number", "maj:min")] {
        // A raw block volume is no mount.
        if mode != "Block" {
            check(
                found,
                their_key,
                &shown(&reference.mount, their_key),
                &shown(ours, our_key),
            );
        }
    }
    check(
        found,
        "devices",
        &joined(reference.devices.clone()),
        &strings(ours, "devices"),
    );
    check(
        found,
        "disks",
        &joined(reference.disks.keys().cloned().collect()),
        &strings(ours, "disks"),
    );
    check(
        found,
        "read-only",
        &reference.read_only.to_string(),
        &shown(ours, "read_only"),
    );
    let keys = [
        "capacity_bytes",
        "used_bytes",
        "available_bytes",
        "inodes",
        "",
        "inodes_free",
    ];
    for (at, key) in keys.iter().enumerate().filter(|(_, key)| !key.is_empty()) {
        let ours = ours.get(*key).and_then(Value::as_u64);
        figure(key, reference, at, ours, found);
    }
    if shown(&reference.mount, "fstype").starts_with("nfs") {
        let server = format!("NFS {}", shown(&reference.mount, "source"));
        check(found, "remote", &server, &shown(ours, "remote"));
    }
    check(
        found,
        "why there are no figures",
        "nothing",
        &shown(ours, "stats_error"),
    );
}

/// One figure of df's, or the size of a raw block volume.
fn figure(what: &str, reference: &Reference, at: usize, ours: Option<u64>, found: &mut Vec<String>) {
    let told = |figure: Option<u64>| figure.map_or("nothing".to_owned(), |figure| figure.to_string());
    let expected = match &reference.figures {
        // A file system without a fixed number of inodes has none in all and none free.
        Some([before, after]) => [before, after].map(|figures| {
            let fixed = at < 3 || figures[3].is_some_and(|inodes| inodes > 0);
            figures[at].filter(|_| fixed)
        }),
        None if at == 0 => [reference.size.as_ref().and_then(|size| size.parse().ok()); 2],
        None => [None, None],
    };
    let between = match (expected, ours) {
        ([Some(before), Some(after)], Some(ours)) => (before.min(after)..=before.max(after)).contains(&ours),
        ([before, after], ours) => before == ours && after == ours,
    };
    if !between {
        found.push(format!(
            "{what}: the tools {}, ours {}",
            told(expected[0]),
            told(ours)
        ));
    }
}

fn on_page(these: &These<'_>, shared: bool, page: &str, found: &mut Vec<String>) {
    let (laid, reference) = these[0];
    let samples = |family: &str| -> Vec<&str> {
        let start = format!("storage_probe_{family}{{persistentvolume=\"{}\",", laid.name);
        page.lines().filter(|line| line.starts_with(&start)).collect()
    };
    let info = samples("volume_device_info");
    let disks: BTreeSet<String> = info
        .iter()
        .map(|line| format!("{} {}", label(line, "disk"), label(line, "serial")))
        .collect();
    let expected = reference
        .disks
        .iter()
        .map(|(disk, serial)| format!("{disk} {serial}"));
    check(
        found,
        "volume_device_info: disks",
        &joined(expected.collect()),
        &joined(disks),
    );
    for line in &info {
        let device = label(line, "device");
        if !reference.devices.contains(&device) {
            found.push(format!(
                "volume_device_info: device: the tools {:?}, ours {device}",
                reference.devices
            ));
        }
        check(
            found,
            "volume_device_info: shared",
            &shared.to_string(),
            &label(line, "shared"),
        );
    }
    let families = [
        ("volume_capacity_bytes", 0),
        ("volume_used_bytes", 1),
        ("volume_available_bytes", 2),
        ("volume_inodes", 3),
        ("volume_inodes_used", 4),
        ("volume_inodes_free", 5),
    ];
    for (family, at) in families {
        let value = samples(family)
            .first()
            .and_then(|line| line.rsplit(' ').next()?.parse().ok());
        figure(family, reference, at, value, found);
    }
    if laid.mode != "Block" {
        let read_only = samples("volume_readonly");
        let told = read_only
            .first()
            .and_then(|line| line.rsplit(' ').next())
            .unwrap_or("nothing");
        // One of the pods' mounts is asked.
        let any = these
            .iter()
            .any(|(_, reference)| told == u8::from(reference.read_only).to_string());
        if !any {
            found.push(format!(
                "volume_readonly: the tools {}, ours {told}",
                reference.read_only
            ));
        }
    }
}

pub(crate) fn label(sample: &str, name: &str) -> String {
    let start = format!("{name}=\"");
    sample
        .split_once(&start)
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("nothing".into(), |(value, _)| value.to_owned())
}

/// The volume's edges lead to its disks and to nothing else.
fn in_report(these: &These<'_>, host: &str, report: &Value, found: &mut Vec<String>) {
    let (laid, reference) = these[0];
    let nodes = &report["PersistentVolume"]["nodes"];
    let node = &nodes[format!("{host}-volume-{};<persistent_volume>", laid.name)];
    if node.is_null() {
        found.push("report: it has no node".into());
        return;
    }
    let disks = reference.disks.keys();
    let expected = disks.map(|disk| format!("{host}-{disk};<persistent_volume>"));
    check(
        found,
        "report: edges",
        &joined(expected.collect()),
        &strings(node, "adjacency"),
    );
}

// --- Tests of the comparison, without a machine -----------------------------------------------------------------

#[allow(clippy::expect_used, reason = "a test ends where a value is missing")]
mod comparison {
    use std::fs;

    use serde_json::{Value, json};

    use super::disagreements;

    const POD: &str = "00000001-1111-4111-8111-111111111111";
    const PATH: &str = "/var/lib/kubelet/pods/1/volumes/kubernetes.io~csi/pvc/mount";

    fn ours() -> Value {
        json!({
            "name": "pvc", "persistent": true, "driver": "disks.example", "mode": "Filesystem", "pods": [POD],
            "paths": [PATH], "mount_point": PATH, "number": "9:0", "fstype": "ext4", "source": "/dev/md0",
            "devices": ["md0"], "disks": ["sda", "sdb"], "read_only": false, "shared": false,
            "capacity_bytes": 1000, "used_bytes": 300, "available_bytes": 700, "inodes": 10, "inodes_free": 7
        })
    }

    const PAGE: &str = r#"
storage_probe_volume_device_info{persistentvolume="pvc",device="md0",disk="sda",serial="A",shared="false"} 1
storage_probe_volume_device_info{persistentvolume="pvc",device="md0",disk="sdb",serial="B",shared="false"} 1
storage_probe_volume_capacity_bytes{persistentvolume="pvc",shared="false"} 1000
storage_probe_volume_used_bytes{persistentvolume="pvc",shared="false"} 300
storage_probe_volume_available_bytes{persistentvolume="pvc",shared="false"} 700
storage_probe_volume_inodes{persistentvolume="pvc",shared="false"} 10
storage_probe_volume_inodes_used{persistentvolume="pvc",shared="false"} 3
storage_probe_volume_inodes_free{persistentvolume="pvc",shared="false"} 7
storage_probe_volume_readonly{persistentvolume="pvc",shared="false"} 0
"#;

    /// What is told where the tools speak of a mirror of two partitions, and we say this.
    fn told(ours: &[Value], page: &str) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("volumes");
        fs::create_dir_all(place.join("1")).expect("a folder");
        let disk = |disk: &str, serial: &str| {
            json!({
                "kname": format!("{disk}1"), "type": "part", "serial": null,
                "children": [{"kname": disk, "type": "disk", "serial": serial}]
            })
        };
        let mirror =
            json!({"kname": "md0", "type": "raid1", "children": [disk("sda", "A"), disk("sdb", "B")]});
        let mount = json!({
            "target": PATH, "source": "/dev/md0", "fstype": "ext4", "options": "rw,relatime", "fsroot": "/",
            "maj:min": "9:0"
        });
        let edges = ["node-sda;<persistent_volume>", "node-sdb;<persistent_volume>"];
        let report = json!({"PersistentVolume": {"nodes": {
            "node-volume-pvc;<persistent_volume>": {"adjacency": edges}
        }}});
        for (name, text) in [
            (
                "laid",
                format!("pvc\t{POD}\tdisks.example\tFilesystem\tyes\t{PATH}\n"),
            ),
            ("1/findmnt.json", json!({"filesystems": [mount]}).to_string()),
            (
                "1/device.lsblk.json",
                json!({"blockdevices": [mirror]}).to_string(),
            ),
            ("df-before", "head\n1000 300 700 10 3 7 ext4\n".into()),
            ("df-after", "head\n1000 301 699 10 3 7 ext4\n".into()),
            (
                "findmnt.json",
                json!({"filesystems": [{"target": "/", "maj:min": "8:1"}]}).to_string(),
            ),
            ("tree.json", json!({"host": "node", "volumes": ours}).to_string()),
            ("report.json", report.to_string()),
            ("metrics.txt", page.to_owned()),
        ] {
            fs::write(place.join(name), text).expect("a file");
        }
        let (volumes, wrong) = disagreements(folder.path()).expect("answers");
        assert_eq!(volumes, 1);
        wrong.into_values().flatten().collect()
    }

    #[test]
    fn equal_volumes_agree() {
        assert_eq!(told(&[ours()], PAGE), Vec::<String>::new());
    }

    /// Key, wrong value, what is told.
    const WRONG_VALUES: &str = r#"
        pods | [] | pods: the tools 00000001-1111-4111-8111-111111111111, ours nothing
        driver | "other" | driver: the tools disks.example, ours other
        mode | "Block" | mode: the tools Filesystem, ours Block
        mount_point | "/elsewhere" | mount point: findmnt has none at "/elsewhere"
        number | "9:1" | maj:min: the tools 9:0, ours 9:1
        fstype | "xfs" | fstype: the tools ext4, ours xfs
        source | null | source: the tools /dev/md0, ours nothing
        devices | ["sda1"] | devices: the tools md0, ours sda1
        disks | ["sda"] | disks: the tools sda and sdb, ours sda
        read_only | true | read-only: the tools false, ours true
        shared | true | shared: the tools false, ours true
        capacity_bytes | 999 | capacity_bytes: the tools 1000, ours 999
        used_bytes | 302 | used_bytes: the tools 300, ours 302
        available_bytes | null | available_bytes: the tools 700, ours nothing
        inodes | 0 | inodes: the tools 10, ours 0
        inodes_free | 8 | inodes_free: the tools 7, ours 8
        stats_error | "slow" | why there are no figures: the tools nothing, ours slow
    "#;

    #[test]
    fn each_wrong_value_is_told_in_one_line() {
        for line in WRONG_VALUES.trim().lines() {
            let [key, wrong, expected] = line.split(" | ").collect::<Vec<_>>()[..] else {
                panic!("not three fields: {line}");
            };
            let mut changed = ours();
            changed[key.trim()] = serde_json::from_str(wrong).expect("JSON");
            assert_eq!(told(&[changed], PAGE), [expected]);
        }
    }

    #[test]
    fn a_figure_that_moved_meanwhile_may_be_either() {
        let mut moved = ours();
        moved["used_bytes"] = json!(301);
        assert_eq!(told(&[moved], PAGE), Vec::<String>::new());
    }

    #[test]
    fn each_sample_of_the_page_is_compared() {
        for line in PAGE.trim().lines() {
            let without = PAGE.replace(line, "");
            assert_eq!(told(&[ours()], &without).len(), 1, "{line}");
        }
    }

    #[test]
    fn a_volume_too_many_and_one_too_few_are_told() {
        let mut other = ours();
        other["name"] = json!("other");
        assert_eq!(told(&[ours(), other], PAGE), ["laid nowhere, ours has one"]);
        assert_eq!(told(&[], PAGE), ["laid, ours has none"]);
        assert_eq!(told(&[ours(), ours()], PAGE), ["ours has it more than once"]);
    }
}
