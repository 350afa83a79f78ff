//! Reading the small files of procfs and sysfs.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;

use super::text::{decimal, trimmed};
use crate::model::fault::Fault;

/// No attribute of sysfs is longer: the kernel gives each one page.
pub(super) const ATTRIBUTE_LIMIT: usize = 4096;
/// Most are much shorter.
pub(super) const USUAL_ATTRIBUTE: usize = 128;
/// No text of procfs or udev that we read should be longer: 50,000 mounts take some 10 MB.
pub(super) const TEXT_LIMIT: usize = 64 << 20;

/// A file that could not be read, and what may help.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {}{hint}", path.display(), plain(source))]
pub struct ReadError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
    /// The way out, in parentheses; empty where there is none to name.
    pub hint: &'static str,
}

impl ReadError {
    /// The error as a fault of `source`, about the file.
    pub fn to_fault(&self, source: &'static str) -> Fault {
        Fault::new(source, self.path.display().to_string(), self.to_string())
    }

    /// True where there is no such file.
    pub fn is_absent(&self) -> bool {
        self.source.kind() == ErrorKind::NotFound
    }
}

/// The fault for lines of a file that could not be understood, given their numbers (from 1); `None` where all could.
pub fn bad_lines(source: &'static str, path: &Path, bad: &[usize]) -> Option<Fault> {
    let first = bad.first()?;
    let message = format!(
        "line {first} has not the form that the kernel documents; {} such lines were left out",
        bad.len()
    );
    Some(Fault::new(source, path.display().to_string(), message))
}

/// The system's words without "(os error 2)".
pub(crate) fn plain(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "no such file".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}

/// A whole text file, at most 64 MiB of it.
pub fn text(path: &Path, hint: &'static str) -> Result<Vec<u8>, ReadError> {
    // procfs says that its files have no length, so asking first would only cost a system call. Most are shorter than
    // a page: they are had in two calls, and from an empty vector it would take six.
    let mut bytes = Vec::with_capacity(ATTRIBUTE_LIMIT);
    File::open(path)
        .and_then(|file| file.take(TEXT_LIMIT as u64).read_to_end(&mut bytes))
        .map_err(|source| ReadError {
            path: path.to_owned(),
            source,
            hint,
        })?;
    Ok(bytes)
}

/// An attribute's bytes as the kernel wrote them; `None` where there is none, or the device has gone meanwhile.
pub fn attribute_bytes(path: &Path) -> Option<Vec<u8>> {
    let file = File::open(path).ok()?;
    let mut bytes = Vec::with_capacity(USUAL_ATTRIBUTE);
    read_from_start(&file, &mut bytes, ATTRIBUTE_LIMIT, is_whole_attribute).ok()?;
    Some(bytes)
}

/// The kernel gives an attribute whole in one read; what is not full needs no second one to see the end.
pub(super) fn is_whole_attribute(bytes: &Vec<u8>) -> bool {
    bytes.len() < bytes.capacity() && bytes.ends_with(b"\n")
}

/// Adds a file's content from its beginning to `bytes`, which are none, until they are whole or `limit` is reached.
pub(super) fn read_from_start(
    file: &File,
    bytes: &mut Vec<u8>,
    limit: usize,
    is_whole: fn(&Vec<u8>) -> bool,
) -> io::Result<()> {
    loop {
        if bytes.len() == bytes.capacity() {
            bytes.reserve(bytes.len().max(1));
        }
        let offset = bytes.len() as u64;
        match rustix::io::pread(file, spare_capacity(bytes), offset) {
            Ok(0) => return Ok(()),
            Ok(_) if bytes.len() >= limit => {
                bytes.truncate(limit);
                return Ok(());
            }
            Ok(_) if is_whole(bytes) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// One attribute as text without white space around it; `None` where it is absent or empty.
pub fn attribute(folder: &Path, name: &str) -> Option<String> {
    trimmed(&attribute_bytes(&folder.join(name))?)
}

/// One attribute as a number; `None` where it is absent or no number.
pub fn number(folder: &Path, name: &str) -> Option<u64> {
    decimal(attribute_bytes(&folder.join(name))?.trim_ascii())
}

/// One attribute as a truth value: `0` or `1`.
pub fn flag(folder: &Path, name: &str) -> Option<bool> {
    number(folder, name).map(|value| value != 0)
}

/// The names of the folders in a folder in order; links are none. Empty where there is no such folder.
pub fn folders(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            // The kernel tells the type with the name, so this asks for nothing further.
            entry
                .file_type()
                .ok()?
                .is_dir()
                .then(|| entry.file_name())?
                .into_string()
                .ok()
        })
        .collect();
    names.sort_unstable();
    names
}

/// The names in a folder in order; none where there is no such folder.
pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    names
}

/// Makes files (`path`, content) and links (`path`, target) below a folder: a small sysfs for a test.
#[cfg(test)]
pub(crate) fn write_tree(folder: &Path, files: &[(&str, &str)], links: &[(&str, &str)]) {
    for (path, content) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    for (path, target) in links {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_lose_their_padding_and_empty_ones_are_absent() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [
            ("model", "QEMU HARDDISK   \n"),
            ("empty", " \n"),
            ("size", "2048\n"),
            ("bad", "2x\n"),
        ] {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        std::fs::write(folder.path().join("latin1"), b"Caf\xe9\n").unwrap();
        assert_eq!(
            attribute(folder.path(), "model").as_deref(),
            Some("QEMU HARDDISK")
        );
        assert_eq!(attribute(folder.path(), "empty"), None);
        assert_eq!(attribute(folder.path(), "missing"), None);
        assert_eq!(attribute(folder.path(), "latin1").as_deref(), Some("Caf\u{fffd}"));
        assert_eq!(number(folder.path(), "size"), Some(2048));
        assert_eq!(number(folder.path(), "bad"), None);
    }

    #[test]
    fn an_attribute_of_any_length_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        for length in [
            0,
            1,
            USUAL_ATTRIBUTE - 1,
            USUAL_ATTRIBUTE,
            USUAL_ATTRIBUTE + 1,
            ATTRIBUTE_LIMIT,
        ] {
            // Lines all over, also where the first read ends.
            let content = vec![b'\n'; length];
            std::fs::write(folder.path().join("lines"), &content).unwrap();
            assert_eq!(
                attribute_bytes(&folder.path().join("lines")).unwrap(),
                content,
                "{length}"
            );
        }
    }

    #[test]
    fn a_huge_attribute_is_cut_at_one_page() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("huge"), vec![b'a'; 1 << 20]).unwrap();
        assert_eq!(
            attribute_bytes(&folder.path().join("huge")).unwrap().len(),
            ATTRIBUTE_LIMIT
        );
    }

    #[test]
    fn errors_name_the_file_and_the_way_out() {
        let error = text(
            Path::new("/nonexistent/1/mountinfo"),
            " (is hostPath /proc mounted there?)",
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read /nonexistent/1/mountinfo: no such file (is hostPath /proc mounted there?)"
        );
    }
}
