//! Whatever one file of the kernel's or udev's comes to hold, or stops holding: answers are still made, the report keeps the contract,
//! and nothing changes but what the file is about.
//!
//! Each file and link of a captured machine is spoilt in turn, in each of the ways that a file can be bad.

#![allow(clippy::unwrap_used, reason = "a test ends where a value is missing")]

mod support;

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use scope_storage_probe::history::{DeviceHistory, Series};
use scope_storage_probe::host::Host;
use scope_storage_probe::link::link;
use scope_storage_probe::model::device::DeviceNumber;
use scope_storage_probe::model::host::Moment;
use scope_storage_probe::model::itself::SelfFigures;
use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::prometheus::node_page;
use scope_storage_probe::render::{scope, tree};
use scope_storage_probe::state::State;
use support::exposition::{Page, Sample, open_metrics_violations};
use support::fixture::Machine;
use support::reading::WALL;
use support::scope_contract::{Expectations, assert_holds};

const MACHINE: &str = "skeleton";
const HUGE: usize = 256 << 10;

/// A file or a link of the machine, and what stood there.
enum Kept {
    File(Vec<u8>),
    Link,
}

/// Every file and link below a folder, in order.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(below(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// What stands at a path; a link is laid aside.
fn look_at(path: &Path, aside: &Path) -> Kept {
    if fs::read_link(path).is_ok() {
        fs::rename(path, aside).unwrap();
        return Kept::Link;
    }
    Kept::File(fs::read(path).unwrap())
}

/// The same file as before lies at the path again: one that is held open is not another one.
fn put_back(path: &Path, aside: &Path, kept: &Kept) {
    if fs::symlink_metadata(aside).is_ok() {
        let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
        fs::rename(aside, path).unwrap();
    }
    if let Kept::File(content) = kept {
        fs::write(path, content).unwrap();
    }
}

/// One way of being bad: what lies at a path in place of what is meant to.
type Spoil = fn(&Path, &Kept);

/// Where a file is kept while it is missing: the name tells [`put_back`] to fetch it.
fn lay_aside(path: &Path, kept: &Kept) {
    if let Kept::File(_) = kept {
        fs::rename(path, aside_of(path)).unwrap();
    }
}

/// A name that no file of the machine has, in a folder that is not read.
fn aside_of(path: &Path) -> PathBuf {
    let machine = path.ancestors().find(|folder| folder.join("proc").is_dir());
    machine.unwrap().join("aside")
}

fn missing(path: &Path, kept: &Kept) {
    lay_aside(path, kept);
}

fn empty(path: &Path, _: &Kept) {
    fs::write(path, "").unwrap();
}

fn a_folder(path: &Path, kept: &Kept) {
    lay_aside(path, kept);
    fs::create_dir(path).unwrap();
}

/// What stood there, again and again, in one line without an end.
fn huge(path: &Path, kept: &Kept) {
    let once = match kept {
        Kept::File(content) => content.trim_ascii_end().to_vec(),
        Kept::Link => b"x".to_vec(),
    };
    let once = if once.is_empty() { b"9".to_vec() } else { once };
    fs::write(path, once.repeat(HUGE / once.len() + 1)).unwrap();
}

fn not_utf8(path: &Path, _: &Kept) {
    fs::write(path, b"\xff\xfe\0;\x80<\"\\\n\xc3\x28\t\r{}\n").unwrap();
}

/// Numbers beyond all bounds where numbers are, a link to itself where a link is.
fn beyond_bounds(path: &Path, kept: &Kept) {
    match kept {
        Kept::File(content) => {
            let text = String::from_utf8_lossy(content);
            let words = text.split_inclusive(char::is_whitespace).map(|word| {
                let number = word.trim_end();
                let is_number = number.parse::<u64>().is_ok();
                if is_number {
                    word.replacen(number, "18446744073709551615", 1)
                } else {
                    word.to_owned()
                }
            });
            fs::write(path, words.collect::<String>()).unwrap();
        }
        Kept::Link => std::os::unix::fs::symlink(path, path).unwrap(),
    }
}

/// Readings of one machine by one program, two seconds apart, by a clock of their own.
struct Program {
    host: Host,
    history: DeviceHistory,
    next: Moment,
}

impl Program {
    fn new(machine: &Machine) -> Self {
        Self {
            host: Host::new(machine.roots()),
            history: DeviceHistory::default(),
            next: Moment {
                steady: Instant::now(),
                wall: SystemTime::UNIX_EPOCH + WALL,
            },
        }
    }

    fn read(&mut self) -> State {
        let mut sample = self.host.sample(Instant::now() + Duration::from_secs(5));
        sample.taken_at = self.next;
        self.next.steady += Duration::from_secs(2);
        self.next.wall += Duration::from_secs(2);
        for outcome in &mut sample.collectors {
            outcome.duration = Duration::from_micros(125);
        }
        State {
            host_id: "node".into(),
            topology: link(&sample, None),
            rates: self.history.record(&sample),
            volume_rates: Series::default(),
            sample,
        }
    }
}

/// Everything that is made of a reading, judged; the samples of the page.
fn answers(state: &State, judged: &mut HashSet<Vec<u8>>) -> Vec<Sample> {
    let report = scope::report(state);
    // Most files change nothing that Scope is shown; judging a report takes longer than making it.
    if judged.insert(report.clone()) {
        assert_holds(&report, &Expectations::of("storage", "node"));
    }
    let page = node_page(state, &SelfFigures::default(), Format::OpenMetrics("1.0.0"));
    let page = String::from_utf8(page).unwrap();
    if judged.insert(page.clone().into_bytes()) {
        assert_eq!(open_metrics_violations(&page), [""; 0]);
    }
    tree::text(state);
    Page::parse(&page).samples().to_vec()
}

/// Which devices hang together, and in which folder of sysfs each of them lies.
struct Devices {
    groups: Vec<BTreeSet<String>>,
    places: Vec<(String, PathBuf, String)>,
}

impl Devices {
    fn of(machine: &Machine, state: &State) -> Self {
        let mut groups: Vec<BTreeSet<String>> = Vec::new();
        for device in state.sample.devices.iter() {
            let mut group = BTreeSet::from([device.kernel_name.clone()]);
            for parent in &device.parents {
                group.extend(
                    state
                        .sample
                        .devices
                        .get(*parent)
                        .map(|parent| parent.kernel_name.clone()),
                );
            }
            let (related, other) = groups
                .into_iter()
                .partition::<Vec<_>, _>(|known| known.iter().any(|name| group.contains(name)));
            group.extend(related.into_iter().flatten());
            groups = other;
            groups.push(group);
        }
        let class = machine.place("/sys/class/block");
        let places = state.sample.devices.iter().map(|device| {
            let target = fs::read_link(class.join(&device.kernel_name)).unwrap();
            let record = format!("b{}", device.number);
            (device.kernel_name.clone(), plain(&class.join(target)), record)
        });
        let places = places.collect();
        Self { groups, places }
    }

    /// The devices that a file may say something about; `None` for one that is about all of them.
    fn named_by(&self, path: &Path) -> Option<BTreeSet<String>> {
        let name = path.file_name()?.to_str()?;
        let folder = path.parent()?;
        let own: Vec<&String> = if folder.ends_with("run/udev/data") {
            let named = self.places.iter().filter(|(.., record)| record == name);
            named.map(|(device, ..)| device).collect()
        } else if folder.ends_with("sys/class/block") {
            self.places
                .iter()
                .filter(|(device, ..)| device == name)
                .map(|(device, ..)| device)
                .collect()
        } else if path.components().any(|part| part.as_os_str() == "sys") {
            // A disk lies in the folder of its hardware, a partition in that of its disk.
            let is_near = |place: &Path| {
                folder.ancestors().any(|above| above == place)
                    || place.ancestors().any(|above| above == folder)
            };
            let near = self.places.iter().filter(|(_, place, _)| is_near(place));
            near.map(|(device, ..)| device).collect()
        } else {
            return None;
        };
        let groups = self
            .groups
            .iter()
            .filter(|group| own.iter().any(|name| group.contains(*name)));
        // A slot without content is no device, but a part of its path has its name.
        let slot = path.components().filter_map(|part| part.as_os_str().to_str());
        Some(groups.flatten().cloned().chain(slot.map(str::to_owned)).collect())
    }
}

/// A path without `..`, by its text: what it leads to need not be there.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        if part == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part);
        }
        plain
    })
}

/// The samples about devices other than these.
fn of_others(samples: &[Sample], named: &BTreeSet<String>) -> Vec<Sample> {
    let is_other = |sample: &&Sample| {
        sample.labels.get("device").is_some_and(|device| {
            let kernel_name = device.trim_start_matches("/dev/");
            !named.contains(kernel_name) && !kernel_name.starts_with("mapper/")
        })
    };
    samples.iter().filter(is_other).cloned().collect()
}

/// In one line, what of the expected samples is missing and what came in their place.
fn difference(what: &str, expected: &[Sample], found: &[Sample], path: &Path) -> Option<String> {
    let only_in = |some: &[Sample], other: &[Sample]| -> Vec<String> {
        let gone = some.iter().filter(|sample| !other.contains(sample));
        gone.map(|sample| format!("{} {:?} {}", sample.name, sample.labels, sample.value))
            .take(3)
            .collect()
    };
    (expected != found).then(|| {
        let (missing, further) = (only_in(expected, found), only_in(found, expected));
        format!(
            "{} {what}: missing {missing:?}, in their place {further:?}",
            path.display()
        )
    })
}

/// The captured machine, with the list of sizes that its kernel gives as well.
fn machine() -> Machine {
    let machine = Machine::captured(MACHINE);
    let mut list = "major minor  #blocks  name\n\n".to_owned();
    let state = Program::new(&machine).read();
    for device in state.sample.devices.iter() {
        let DeviceNumber { major, minor } = device.number;
        let kibibytes = device.size.unwrap() / 1024;
        let _ = writeln!(list, "{major:4} {minor:8} {kibibytes:10} {}", device.kernel_name);
    }
    machine.write("/proc/partitions", list);
    machine
}

/// True for a file of which nothing is remembered that is missing: others are read again only when something about the device has changed, and
/// after five minutes.
fn is_not_remembered(path: &Path) -> bool {
    let folder = path.parent().unwrap();
    path.components().any(|part| part.as_os_str() == "proc")
        || folder.ends_with("class/block")
        || path.ends_with("size")
}

/// Spoils each file in turn. `before` is how many good readings the program has had when it happens.
fn spoil_each(spoil: Spoil, before: usize) {
    let machine = machine();
    let mut judged = HashSet::new();
    let good = |judged: &mut HashSet<Vec<u8>>| {
        let mut program = Program::new(&machine);
        (0..before).for_each(|_| drop(program.read()));
        let state = program.read();
        (answers(&state, judged), state)
    };
    let (samples, state) = good(&mut judged);
    let devices = Devices::of(&machine, &state);
    assert!(devices.groups.len() > 3, "{:?}", devices.groups);
    // One empty slot is as good as seven.
    let is_further_slot = |path: &PathBuf| {
        path.components().any(|part| {
            part.as_os_str()
                .to_str()
                .is_some_and(|part| ("loop2"..="loop7").contains(&part))
        })
    };
    let mut files = below(&machine.place("/"));
    files.retain(|path| !is_further_slot(path));
    assert!(files.len() > 200, "{}", files.len());
    let (mut compared, mut noticed, mut wrong) = (0, 0, Vec::new());
    for path in &files {
        let mut program = Program::new(&machine);
        (0..before).for_each(|_| drop(program.read()));
        let aside = aside_of(path);
        let kept = look_at(path, &aside);
        spoil(path, &kept);
        let now = answers(&program.read(), &mut judged);
        if let Some(named) = devices.named_by(path) {
            let (expected, found) = (of_others(&samples, &named), of_others(&now, &named));
            wrong.extend(difference("changed for others", &expected, &found, path));
            compared += expected.len();
        }
        noticed += usize::from(now != samples);
        put_back(path, &aside, &kept);
        // A wrong number is no less readable than the right one.
        let is_wrong_number = std::ptr::fn_addr_eq(spoil, beyond_bounds as Spoil);
        if !is_not_remembered(path) || is_wrong_number {
            continue;
        }
        // What is whole again is told of again.
        let again = answers(&program.read(), &mut judged);
        let without_rates = |samples: &[Sample]| -> Vec<Sample> {
            let is_rate = |sample: &&Sample| {
                ["_iops", "_per_second", "_ratio"]
                    .iter()
                    .any(|end| sample.name.ends_with(end))
            };
            samples
                .iter()
                .filter(|sample| !is_rate(sample))
                .cloned()
                .collect()
        };
        let (expected, found) = (without_rates(&samples), without_rates(&again));
        wrong.extend(difference(
            "is whole again, the page is not",
            &expected,
            &found,
            path,
        ));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Otherwise nothing was compared, or nothing was read.
    assert!(
        compared > 10_000 && noticed >= 20,
        "{compared} samples, {noticed} files"
    );
}

macro_rules! spoilt {
    ($(fn $test:ident() = $spoil:ident after $before:literal;)*) => {
        $(#[test]
        fn $test() {
            spoil_each($spoil, $before);
        })*
    };
}

spoilt! {
    fn each_file_missing() = missing after 0;
    fn each_file_empty() = empty after 0;
    fn each_file_a_folder() = a_folder after 0;
    fn each_file_huge() = huge after 0;
    fn each_file_not_utf8() = not_utf8 after 0;
    fn each_number_beyond_bounds() = beyond_bounds after 0;
    fn each_file_gone_between_two_readings() = missing after 1;
    fn each_file_garbled_between_two_readings() = not_utf8 after 1;
}
