//! Whatever the files of a device in sysfs hold: no panic, and no text with the ends of lines or the zeros of the file in it.
//!
//! The input is the files' contents, one after the other, each ended by a byte that no text of them has.

use std::fs;
use std::path::{Path, PathBuf};

use scope_storage_probe::host::remote;
use scope_storage_probe::host::roots::Roots;
use scope_storage_probe::host::sysfs::describe;
use scope_storage_probe::model::device::DeviceNumber;

const END: u8 = 0xff;
/// What is read of a disk, and of the session and the target that an iSCSI disk is reached by.
const FILES: [&str; 18] = [
    "size",
    "diskseq",
    "ro",
    "removable",
    "partition",
    "hidden",
    "queue/rotational",
    "dm/name",
    "dm/uuid",
    "md/level",
    "md/degraded",
    "loop/backing_file",
    "wwid",
    "device/type",
    "device/model",
    "device/vendor",
    "device/vpd_pg80",
    "device/state",
];
const PLACE: &str = "sys/devices/platform/host3/session1/target3:0:0/3:0:0:1/block/sda";
const SESSION: [&str; 3] = [
    "sys/class/iscsi_session/session1/targetname",
    "sys/class/iscsi_connection/connection1:0/persistent_address",
    "sys/class/iscsi_connection/connection1:0/persistent_port",
];

thread_local! {
    /// Made once; only the contents change. It goes with its thread.
    static MACHINE: (tempfile::TempDir, Vec<PathBuf>) = machine();
}

fn machine() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let folder = folder.expect("no folder for a machine");
    let below = |path: &str| folder.path().join(path);
    let device = below(PLACE);
    let files: Vec<PathBuf> = FILES
        .iter()
        .map(|name| device.join(name))
        .chain(SESSION.iter().map(|name| below(name)))
        .collect();
    for file in &files {
        fs::create_dir_all(file.parent().unwrap_or(Path::new("/"))).expect("no folder");
    }
    fs::create_dir_all(below("sys/class/block")).expect("no folder");
    let place = Path::new("../../..").join(PLACE);
    std::os::unix::fs::symlink(place, below("sys/class/block/sda")).expect("no link");
    (folder, files)
}

/// Tries one input.
pub fn attempt(contents: &[u8]) {
    MACHINE.with(|(folder, files)| described_as(contents, folder.path(), files));
}

fn described_as(contents: &[u8], folder: &Path, files: &[PathBuf]) {
    let mut contents = contents.split(|byte| *byte == END);
    for file in files {
        match contents.next() {
            Some(content) if !content.is_empty() => fs::write(file, content).expect("cannot write"),
            // Of most devices most files are missing.
            _ => drop(fs::remove_file(file)),
        }
    }
    let roots = Roots::below(folder);
    let number = DeviceNumber { major: 8, minor: 0 };
    let Some(described) = describe(&roots, number, "sda") else {
        return;
    };
    let device = &described.device;
    let identity = &device.identity;
    for text in [&identity.model, &identity.serial, &identity.wwn, &identity.vendor]
        .into_iter()
        .flatten()
    {
        assert!(!text.is_empty() && text.trim() == text, "{text:?}");
    }
    remote::of_disk(&roots, device, &mut Vec::new());
}
