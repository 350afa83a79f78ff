//! Machines in a text file: `tests/fixtures/README.md` has the format. A fixture is unpacked into a temporary folder
//! and read as if it were a machine.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use scope_storage_probe::host::roots::Roots;
use tempfile::TempDir;

/// An unpacked machine; its folder goes with it.
#[derive(Debug)]
pub struct Machine {
    folder: TempDir,
}

impl Machine {
    /// An empty machine.
    pub fn new() -> Self {
        // Twenty-five thousand small files are made in a second in memory, and in twenty on a disk.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self {
            folder: folder.expect("a temporary folder"),
        }
    }

    /// The machine captured in `tests/fixtures/machines/NAME.txt`.
    pub fn captured(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/machines")
            .join(format!("{name}.txt"));
        let text =
            std::fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let machine = Self::new();
        machine.unpack(&text);
        machine
    }

    /// Its roots.
    pub fn roots(&self) -> Roots {
        Roots::below(self.folder.path())
    }

    /// What the program is told so that it reads this machine in place of the one that it runs on.
    pub fn flags(&self) -> Vec<String> {
        let roots = self.roots();
        [
            ("procfs", roots.proc),
            ("sysfs", roots.sys),
            ("udev-data", roots.udev),
            ("kubelet-root", roots.kubelet),
        ]
        .map(|(flag, root)| format!("--{flag}={}", root.display()))
        .into()
    }

    /// Where a path of the machine lies here.
    pub fn place(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.folder.path().join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Writes a file.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let place = self.place(path);
        std::fs::create_dir_all(place.parent().expect("a folder")).expect("make a folder");
        std::fs::write(&place, content)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", place.display()));
    }

    /// Makes a symbolic link.
    pub fn link(&self, path: impl AsRef<Path>, target: impl AsRef<Path>) {
        let place = self.place(path);
        std::fs::create_dir_all(place.parent().expect("a folder")).expect("make a folder");
        std::os::unix::fs::symlink(target, &place)
            .unwrap_or_else(|error| panic!("cannot link {}: {error}", place.display()));
    }

    /// [`age`] of a folder of the machine.
    pub fn age(&self, path: impl AsRef<Path>) {
        age(&self.place(path));
    }

    fn unpack(&self, text: &[u8]) {
        let mut lines = text.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            // A path has no space in it, so the first one ends it: a content may look like an arrow.
            let (path, rest) = split(line, b" ").unwrap_or((line, b""));
            if let Some(target) = rest.strip_prefix(b"-> ") {
                self.link(path_of(path), path_of(target));
            } else if let (Some(path), false) = (path.strip_suffix(b":"), rest.is_empty()) {
                let mut content = unescape(rest);
                content.push(b'\n');
                self.write(path_of(path), content);
            } else if let Some(path) = line.strip_suffix(b":") {
                let mut content = Vec::new();
                while let Some(further) = lines.next_if(|line| line.starts_with(b"\t")) {
                    content.extend(unescape(&further[1..]));
                    content.push(b'\n');
                }
                self.write(path_of(path), content);
            } else {
                panic!("not a line of a fixture: {}", String::from_utf8_lossy(line));
            }
        }
    }
}

/// Makes a folder and those in it look as if nothing had changed in them for long: only then are they remembered.
pub fn age(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            age(&entry.path());
        }
    }
    let folder = std::fs::File::open(folder).expect("a folder");
    folder.set_modified(SystemTime::UNIX_EPOCH).expect("a new time");
}

fn split<'a>(line: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = line
        .windows(separator.len())
        .position(|window| window == separator)?;
    Some((&line[..at], &line[at + separator.len()..]))
}

fn path_of(text: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(unescape(text)))
}

/// Undoes `\\` and `\xNN`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, tail)) = rest.split_first() {
        match (byte, tail) {
            (b'\\', [b'\\', further @ ..]) => {
                plain.push(b'\\');
                rest = further;
            }
            (b'\\', [b'x', high, low, further @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).expect("two hexadecimal digits");
                plain.push(u8::from_str_radix(digits, 16).expect("two hexadecimal digits"));
                rest = further;
            }
            (b'\\', _) => panic!("an escape that is none: {}", String::from_utf8_lossy(text)),
            _ => {
                plain.push(*byte);
                rest = tail;
            }
        }
    }
    plain
}
