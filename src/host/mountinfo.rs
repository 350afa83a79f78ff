//! `/proc/PID/mountinfo`: proc_pid_mountinfo(5).
//!
//! ```text
//! 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//! id parent device root mount-point options optional-fields - type source super-options
//! ```
//!
//! The number of optional fields varies and ends at a lone `-`. Space, tab, newline and backslash (and `#` in
//! newer kernels) are written as a backslash and three octal digits, in root, mount point, type and source.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::text::{decimal, unescape};
use crate::model::device::DeviceNumber;
use crate::model::mount::Mount;

/// Every line that can be read, in the file's order, and the numbers (from 1) of those that cannot.
pub fn parse(text: &[u8]) -> (Vec<Mount>, Vec<usize>) {
    let mut mounts = Vec::new();
    let mut bad = Vec::new();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        match parse_line(line) {
            Some(mount) => mounts.push(mount),
            None => bad.push(at + 1),
        }
    }
    (mounts, bad)
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = decimal(fields.next()?)?;
    let parent_id = decimal(fields.next()?)?;
    let number = std::str::from_utf8(fields.next()?)
        .ok()?
        .parse::<DeviceNumber>()
        .ok()?;
    let root = path(fields.next()?);
    let mount_point = path(fields.next()?);
    let options = fields.next()?;
    fields.by_ref().find(|field| *field == b"-")?;
    let fstype = text_of(fields.next()?);
    // A mount may have been given an empty source; the kernel then prints nothing between two spaces.
    let source = text_of(fields.next()?);
    let super_options = fields.next().unwrap_or_default();
    Some(Mount {
        id,
        parent_id,
        number,
        root,
        mount_point,
        read_only: has_option(options, &["ro"]),
        fstype,
        source,
        filesystem_read_only: has_option(super_options, &REFUSES_WRITES),
        has_folder_quotas: has_option(super_options, &["prjquota"]),
    })
}

/// What a filesystem says of itself that takes no writes. Since Linux 6.12 (and 6.1.113, 5.15.168) ext4 is not made `ro` by an error that
/// ends its writes; since 6.15 it says `emergency_ro` then, and `shutdown` where it was forced to stop. Those in between say nothing.
const REFUSES_WRITES: [&str; 3] = ["ro", "emergency_ro", "shutdown"];

fn has_option(options: &[u8], any_of: &[&str]) -> bool {
    let mut options = options.split(|byte| *byte == b',');
    options.any(|option| any_of.iter().any(|word| option == word.as_bytes()))
}

fn path(field: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(unescape(field)))
}

fn text_of(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(field)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    fn one(line: &str) -> Mount {
        let (mut mounts, bad) = parse(line.as_bytes());
        assert!(bad.is_empty(), "{line}");
        mounts.remove(0)
    }

    #[test]
    fn a_line_with_any_number_of_optional_fields_is_read() {
        for optional in [
            "",
            "shared:1 ",
            "master:3 propagate_from:2 ",
            "shared:1 master:3 unbindable ",
        ] {
            let mount = one(&format!(
                "36 35 98:0 /mnt1 /mnt2 rw,noatime {optional}- ext3 /dev/root rw,errors=continue"
            ));
            assert_eq!(
                mount,
                Mount {
                    id: 36,
                    parent_id: 35,
                    number: DeviceNumber::new(98, 0),
                    root: "/mnt1".into(),
                    mount_point: "/mnt2".into(),
                    read_only: false,
                    fstype: "ext3".into(),
                    source: "/dev/root".into(),
                    filesystem_read_only: false,
                    has_folder_quotas: false,
                }
            );
        }
    }

    #[test]
    fn all_four_escapes_are_undone_in_all_four_fields() {
        let mount = one(
            r"1 0 8:1 /r\040\011\012\134 /m\040\011\012\134 ro - fuse.a\040b\011\012\134 s\040\011\012\134\043 rw",
        );
        assert_eq!(mount.root, Path::new("/r \t\n\\"));
        assert_eq!(mount.mount_point, Path::new("/m \t\n\\"));
        assert_eq!(mount.fstype, "fuse.a b\t\n\\");
        assert_eq!(mount.source, "s \t\n\\#");
        assert!(mount.read_only && !mount.filesystem_read_only);
    }

    #[test]
    fn an_empty_source_is_no_bad_line() {
        let mount = one("1 0 0:22 / /mnt rw - tmpfs  rw");
        assert_eq!((mount.fstype.as_str(), mount.source.as_str()), ("tmpfs", ""));
    }

    #[test]
    fn one_bad_line_costs_one_line() {
        let (mounts, bad) = parse(b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\nrubbish\n2 1 8:2 / /a rw ext4 /dev/sda2 rw\n3 1 8:3 / /b rw - ext4 /dev/sda3 ro\n");
        assert_eq!(mounts.len(), 2);
        assert_eq!(bad, [2, 3]);
        assert!(mounts[1].filesystem_read_only);
    }

    /// The kernel leaves `rw` where it is.
    #[test]
    fn ext4_that_takes_no_writes_after_an_error_is_read_only() {
        for (options, expected) in [
            ("rw,emergency_ro", true),
            ("rw,errors=remount-ro,shutdown", true),
            ("rw,errors=remount-ro", false),
        ] {
            let mount = one(&format!("9 1 8:16 / /data rw,relatime - ext4 /dev/sdb {options}"));
            assert_eq!(
                (mount.read_only, mount.filesystem_read_only),
                (false, expected),
                "{options}"
            );
        }
        let mount = one("9 1 8:16 / /data emergency_ro - ext4 /dev/sdb rw");
        assert!(!mount.refuses_writes(), "no option of a mount");
    }

    #[test]
    fn a_filesystem_says_whether_folders_may_have_quotas() {
        for (options, expected) in [
            ("rw,attr2,prjquota", true),
            ("rw,attr2,usrquota,pqnoenforce", false),
            ("rw,noquota", false),
        ] {
            let mount = one(&format!("9 1 8:16 /a /pods/a rw - xfs /dev/sdb {options}"));
            assert_eq!(mount.has_folder_quotas, expected, "{options}");
        }
    }

    #[test]
    fn a_path_that_is_not_utf8_keeps_its_bytes() {
        let (mounts, _) = parse(b"1 0 8:1 / /caf\xe9 rw - ext4 /dev/sda1 rw\n");
        assert_eq!(mounts[0].mount_point.as_os_str().as_bytes(), b"/caf\xe9");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }
    }
}
