//! Families about the node's own filesystems. Names and labels are node_exporter's but for the prefix.

use super::exposition::{Family, Labels, Page, Value};
use crate::model::mount::{Filesystem, FilesystemUsage, UsageError};

type UsageFamily = (Family, fn(&FilesystemUsage) -> Option<Value>);

const USAGE: [UsageFamily; 6] = [
    (
        Family::gauge("filesystem_size_bytes", "Capacity of a filesystem of the node."),
        |usage| Some(usage.size.into()),
    ),
    (
        Family::gauge(
            "filesystem_free_bytes",
            "Bytes not in use, root's reserve among them.",
        ),
        |usage| Some(usage.free.into()),
    ),
    (
        Family::gauge(
            "filesystem_avail_bytes",
            "Bytes that users without privilege can still write.",
        ),
        |usage| Some(usage.available.into()),
    ),
    (Family::gauge("filesystem_files", "Inodes in all."), |usage| {
        usage.files.map(Value::from)
    }),
    (
        Family::gauge("filesystem_files_free", "Inodes not in use."),
        |usage| usage.files_free.map(Value::from),
    ),
    (
        Family::gauge("filesystem_readonly", "1 where the filesystem refuses writes."),
        |usage| Some(usage.read_only.into()),
    ),
];

const ERROR: Family = Family::gauge(
    "filesystem_device_error",
    "1 where the filesystem's figures could not be had: it does not respond, or refused. Its other samples are absent then.",
);

/// All families that this file knows, for the reference.
pub fn families() -> impl Iterator<Item = &'static Family> {
    const ERRORS: [Family; 1] = [ERROR];
    USAGE.iter().map(|(family, _)| family).chain(ERRORS.iter())
}

/// Writes them.
pub fn write(page: &mut Page<'_>, filesystems: &[Filesystem]) {
    let labelled: Vec<(&Filesystem, Labels)> = filesystems
        .iter()
        .map(|filesystem| {
            let labels = Labels::one("device", &filesystem.source)
                .with("mountpoint", &filesystem.mount_point.to_string_lossy())
                .with("fstype", &filesystem.fstype);
            (filesystem, labels)
        })
        .collect();
    for (family, value) in &USAGE {
        page.family(family, |samples| {
            for (filesystem, labels) in &labelled {
                if let Some(value) = filesystem.usage.as_ref().ok().and_then(value) {
                    samples.add(labels, value);
                }
            }
        });
    }
    page.family(&ERROR, |samples| {
        for (filesystem, labels) in &labelled {
            match &filesystem.usage {
                // What cannot be seen from here is no error of the filesystem, nor is an answer that is still under way: nothing is known.
                Err(UsageError::NotVisible | UsageError::Captured | UsageError::Slow) => {}
                Ok(_) | Err(UsageError::NoSize) => samples.add(labels, false),
                Err(_) => samples.add(labels, true),
            }
        }
    });
}
