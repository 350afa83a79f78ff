//! What the fuzzer tries: for each target what is done with an input, and what must hold of it. `tests/corpus.rs` of the program does the
//! same with the inputs that are kept.

pub mod control;
pub mod counters;
pub mod description;
pub mod diskstats;
pub mod kubelet;
pub mod mountinfo;
pub mod objects;
pub mod powerflex;
pub mod powerflex_config;
pub mod quantity;
pub mod request;
pub mod resources;
mod secrets;
pub mod sysfs;
pub mod udev;
pub mod vol_data;
pub mod web_config;
pub mod words;

/// Who tries what reads the texts of others.
pub enum Tried {
    /// These targets.
    By(&'static [&'static str]),
    /// None, for this reason.
    Not(&'static str),
}

use Tried::{By, Not};

/// Each file of the program, or folder of such, that takes texts apart which are not its own: `tests/corpus.rs` finds those that are missing.
pub const READERS: &[(&str, Tried)] = &[
    ("app/exporter.rs", Not("one number, by the standard library")),
    ("app/log.rs", Not("the program's own lines")),
    ("app/pressed.rs", By(&["control"])),
    ("app/process.rs", Not("what the kernel says of this process")),
    ("args/", Not("what whoever starts it says")),
    ("backends/powerflex/configuration.rs", By(&["powerflex_config"])),
    (
        "backends/powerflex/credentials.rs",
        Not("a name and a password, taken as they are"),
    ),
    ("backends/powerflex/reading.rs", By(&["powerflex"])),
    ("backends/powerflex/sign_in.rs", By(&["powerflex"])),
    ("backends/powerflex/statistics.rs", By(&["powerflex"])),
    ("backends/powerflex/wire/", By(&["powerflex"])),
    ("backends/resources/", By(&["resources"])),
    ("cluster/convert/", By(&["objects", "resources"])),
    (
        "cluster/discovery.rs",
        Not("names of groups and kinds, by derived code"),
    ),
    ("cluster/dump.rs", By(&["objects"])),
    ("cluster/engine_object.rs", By(&["objects"])),
    ("cluster/list.rs", By(&["powerflex", "resources"])),
    ("cluster/object.rs", By(&["objects", "resources"])),
    ("cluster/pages.rs", By(&["resources"])),
    (
        "cluster/secret.rs",
        Not("texts by their keys, by derived code; an error repeats nothing"),
    ),
    (
        "cluster/unread.rs",
        Not("a version, by derived code; the rest is `cluster/object.rs`"),
    ),
    ("cluster/wire/", By(&["objects", "resources"])),
    ("control/api.rs", By(&["description"])),
    (
        "control/perform.rs",
        Not("whether it is a status, by derived code; what is shown is `description`"),
    ),
    ("control/restored.rs", Not("names of claims, by derived code")),
    ("engine/", By(&["objects"])),
    ("host/cgroup/text.rs", By(&["counters"])),
    ("host/diskstats.rs", By(&["diskstats"])),
    ("host/kubelet/", By(&["kubelet", "vol_data"])),
    ("host/mountinfo.rs", By(&["mountinfo"])),
    ("host/mountstats.rs", By(&["counters"])),
    ("host/partitions.rs", By(&["counters"])),
    ("host/remote/disk.rs", By(&["sysfs"])),
    ("host/remote/mount.rs", By(&["mountinfo"])),
    ("host/remote/nvme.rs", By(&["sysfs"])),
    ("host/swaps.rs", By(&["counters"])),
    ("host/sysfs/mod.rs", By(&["sysfs"])),
    ("host/text.rs", By(&["counters", "diskstats", "mountinfo"])),
    ("host/udev.rs", By(&["udev"])),
    ("host/zfs.rs", By(&["counters"])),
    ("link/powerflex.rs", Not("a handle at its first hyphen")),
    (
        "main.rs",
        Not("the program's own pages, and what whoever starts it says"),
    ),
    ("model/copy_loss.rs", Not("a folder at its last slash")),
    ("model/device.rs", By(&["mountinfo", "sysfs"])),
    ("model/disk_name.rs", By(&["objects"])),
    ("model/quantity.rs", By(&["quantity"])),
    ("model/remote.rs", By(&["objects"])),
    ("model/text.rs", By(&["words"])),
    ("mounted_file.rs", By(&["powerflex_config", "web_config"])),
    ("render/prometheus/negotiation.rs", By(&["request"])),
    (
        "render/scope/control_answer.rs",
        Not("a report that the program has written itself"),
    ),
    ("render/tree/disk.rs", Not("what whoever starts it names")),
    ("serve/request.rs", By(&["request", "words"])),
    ("serve/web/configuration.rs", By(&["web_config"])),
    ("serve/web/credentials.rs", By(&["web_config"])),
    ("serve/web/gate.rs", By(&["request"])),
];
