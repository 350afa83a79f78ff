//! A block device that nobody else touches: a loop device on a file of the test's own.
//!
//! The kernel counts for it exactly what the test did, since requests are made with `O_DIRECT`, one after the other, by a
//! file descriptor that stays open: nothing is cached, merged, split or probed meanwhile.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::{expect_that, within};

/// How long the kernel may take to let go of a device.
const LIMIT: Duration = Duration::from_secs(5);
/// A device is left alone when its counters have stood still for so long.
const CALM: Duration = Duration::from_millis(300);
/// What `O_DIRECT` wants buffers aligned to: a page.
const PAGE: usize = 4096;

/// Held while a number is looked for, and by whoever wants a number back: tests of one file run side by side.
static NUMBERS: Mutex<()> = Mutex::new(());

/// Ends the test, and names what is missing, where there can be no loop devices.
pub fn require_loop_devices() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let user = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
    assert_eq!(user, Some("0"), "root is missing: loop devices are made as root");
    assert!(
        Path::new("/dev/loop-control").exists(),
        "/dev/loop-control is missing: this kernel has no loop devices (modprobe loop?)"
    );
    require_program("losetup", "mount");
}

/// Ends the test, and names the Debian package, where there is no such program.
pub fn require_program(name: &str, package: &str) {
    let found = Command::new(name).arg("--version").output();
    assert!(
        found.is_ok_and(|output| output.status.success()),
        "the program {name} is missing: apt-get install {package}"
    );
}

/// Makes a file of so many MiB to lie below a loop device.
pub fn backing_file(folder: &Path, name: &str, mebibytes: u64) -> PathBuf {
    let path = folder.join(name);
    let file = File::create(&path).expect("no backing file");
    file.set_len(mebibytes << 20).expect("no room for a backing file");
    path
}

/// An attached loop device, detached when dropped.
#[derive(Debug)]
pub struct LoopDevice {
    path: PathBuf,
}

impl LoopDevice {
    /// A loop device of whatever number is free.
    pub fn attach(file: &Path) -> Self {
        let _numbers = lock();
        let path = losetup(&["--find", "--show", "--direct-io=off"], &[file]);
        Self::calm(path.trim().into())
    }

    fn calm(path: PathBuf) -> Self {
        let device = Self { path };
        // Where udev runs it looks at a new device, and those are reads, too.
        let (mut counted, mut since) = (device.kernel_counters(), Instant::now());
        within(LIMIT, || {
            let now = device.kernel_counters();
            if now != counted {
                (counted, since) = (now, Instant::now());
            }
            expect_that(since.elapsed() > CALM, "somebody still reads the new loop device")
        });
        device
    }

    /// The kernel's name: `loop3`.
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap()
    }

    /// `/dev/loop3`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it for requests that go straight to the device.
    pub fn open(&self) -> Direct {
        let direct = i32::try_from(OFlags::DIRECT.bits()).expect("a flag of open(2) fits");
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(direct)
            .open(&self.path)
            .unwrap_or_else(|error| panic!("cannot open {} with O_DIRECT: {error}", self.path.display()));
        Direct { file }
    }

    /// The kernel's own counters: `Documentation/block/stat.rst`.
    pub fn kernel_counters(&self) -> Vec<u64> {
        let path = Path::new("/sys/class/block").join(self.name()).join("stat");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        text.split_whitespace()
            .map(|word| word.parse().expect("a counter"))
            .collect()
    }

    /// Detaches it and keeps its number from being given away, as far as this process goes.
    pub fn detach(self) -> Vacant {
        let numbers = lock();
        let path = self.path.clone();
        drop(self);
        let backing = Path::new("/sys/class/block")
            .join(path.file_name().unwrap())
            .join("loop/backing_file");
        within(LIMIT, || {
            expect_that(!backing.exists(), "the loop device is still attached")
        });
        Vacant {
            path,
            _numbers: numbers,
        }
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.path).status();
    }
}

/// A number that no device has just now.
#[derive(Debug)]
pub struct Vacant {
    path: PathBuf,
    _numbers: MutexGuard<'static, ()>,
}

impl Vacant {
    /// Another device under the same number.
    pub fn attach(self, file: &Path) -> LoopDevice {
        losetup(&["--direct-io=off"], &[&self.path, file]);
        LoopDevice::calm(self.path)
    }
}

/// Reads and writes that each are one request to the device.
#[derive(Debug)]
pub struct Direct {
    file: File,
}

impl Direct {
    /// So many reads of so many bytes each.
    pub fn read(&self, count: u64, size: usize) {
        each(count, size, |buffer, offset| self.file.read_at(buffer, offset));
    }

    /// So many writes of so many bytes each.
    pub fn write(&self, count: u64, size: usize) {
        each(count, size, |buffer, offset| self.file.write_at(buffer, offset));
    }

    /// Empties the device's cache.
    pub fn flush(&self) {
        self.file.sync_all().expect("the device does not flush");
    }
}

fn each(count: u64, size: usize, request: impl Fn(&mut [u8], u64) -> io::Result<usize>) {
    // Somewhere in the larger piece of memory a page begins.
    let mut memory = vec![0x5a; size + PAGE];
    let start = memory.as_ptr().align_offset(PAGE);
    let buffer = &mut memory[start..start + size];
    for at in 0..count {
        // Every fourth piece, and round again within the first MiB: no two requests are neighbours.
        let offset = (at * 4 * size as u64) % (1 << 20);
        let done = request(buffer, offset).expect("the device refuses a request");
        assert_eq!(done, size, "a request was cut short");
    }
}

fn losetup(options: &[&str], operands: &[&Path]) -> String {
    let output = Command::new("losetup").args(options).args(operands).output();
    let output = output.expect("losetup is missing: apt-get install mount");
    assert!(
        output.status.success(),
        "losetup {options:?} {operands:?}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).expect("losetup prints text")
}

fn lock() -> MutexGuard<'static, ()> {
    NUMBERS.lock().unwrap_or_else(PoisonError::into_inner)
}
