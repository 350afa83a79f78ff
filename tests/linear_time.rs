//! What a pod or a device can write into the files that are read must not buy it more than its share of time: twice the text
//! takes about twice as long, whatever stands in it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use scope_storage_probe::host::kubelet::parse_vol_data;
use scope_storage_probe::host::{diskstats, mountinfo, udev};
use scope_storage_probe::link::link;
use scope_storage_probe::model::device::{BlockDevice, DeviceNumber, DeviceType};
use scope_storage_probe::model::graph::BlockDevices;
use scope_storage_probe::model::host::HostSample;
use scope_storage_probe::model::mount_table::MountTable;
use scope_storage_probe::model::volume::{PodVolume, VolumeMode};

/// Sixteen times the text: a quadratic parser takes 256 times as long, a linear one sixteen times.
const LARGER: usize = 16;
const BETWEEN: u32 = 64;

/// The processor's time that this thread has had: others on the machine do not count.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn fastest(work: &dyn Fn()) -> Duration {
    let once = || {
        let began = processor_time();
        work();
        processor_time().saturating_sub(began)
    };
    (0..5).map(|_| once()).min().unwrap_or_default()
}

/// Large enough that the clock sees it, in a build without optimisation too.
const UNIT: usize = 2_000;

/// `made(n)` has a size in proportion to `n`.
fn takes_time_in_proportion<T>(what: &str, made: impl Fn(usize) -> T, work: impl Fn(&T)) {
    let (small, large) = (made(UNIT), made(UNIT * LARGER));
    let (short, long) = (fastest(&|| work(&small)), fastest(&|| work(&large)));
    let most = short.max(Duration::from_micros(50)) * BETWEEN;
    assert!(
        long <= most,
        "{what}: {UNIT} took {short:?}, {LARGER} times as many {long:?}"
    );
}

/// `text(n)` has a length in proportion to `n`.
fn is_linear(what: &str, text: impl Fn(usize) -> Vec<u8>, parse: fn(&[u8])) {
    let (small, large) = (text(UNIT), text(UNIT * LARGER));
    assert!(
        large.len() >= small.len() * (LARGER - 1),
        "{what}: {} and {} bytes",
        small.len(),
        large.len()
    );
    takes_time_in_proportion(what, text, |text: &Vec<u8>| parse(text));
}

/// So many texts with a number of their own between the two.
fn numbered(n: usize, before: &str, after: &str) -> Vec<u8> {
    (0..n)
        .flat_map(|at| format!("{before}{at:08}{after}").into_bytes())
        .collect()
}

fn mountinfo(text: &[u8]) {
    black_box(mountinfo::parse(text));
}

fn diskstats(text: &[u8]) {
    black_box(diskstats::parse(text));
}

fn udev(text: &[u8]) {
    black_box(udev::parse(text));
}

fn vol_data(text: &[u8]) {
    // An error is an answer as well.
    let _ = black_box(parse_vol_data(text));
}

#[test]
fn mountinfo_takes_time_in_proportion() {
    let line = |root: &str, optional: &str| {
        format!("36 35 98:0 {root} /mnt rw,noatime {optional}- ext3 /dev/root rw,errors=continue\n")
    };
    is_linear("many lines", |n| line("/", "").repeat(n).into(), mountinfo);
    is_linear(
        "the same mount point, stacked",
        |n| line("/a", "").repeat(n).into(),
        mountinfo,
    );
    is_linear(
        "one path of escapes",
        |n| line(&r"/\040\011\012\134".repeat(n), "").into(),
        mountinfo,
    );
    is_linear(
        "broken escapes",
        |n| line(&r"/\0\4\x\\".repeat(n), "").into(),
        mountinfo,
    );
    is_linear(
        "optional fields without end",
        |n| line("/", &"shared:1 ".repeat(n)).into(),
        mountinfo,
    );
    is_linear("only separators", |n| "- ".repeat(n).into(), mountinfo);
    is_linear("only ends of lines", |n| "\n".repeat(n).into(), mountinfo);
    is_linear("no end of line", |n| "x".repeat(n).into(), mountinfo);
}

#[test]
fn diskstats_takes_time_in_proportion() {
    is_linear(
        "many lines",
        |n| {
            "8 0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n"
                .repeat(n)
                .into()
        },
        diskstats,
    );
    is_linear(
        "one line",
        |n| format!("8 0 sda {}\n", "1 ".repeat(n)).into(),
        diskstats,
    );
    is_linear(
        "a number without end",
        |n| format!("8 0 sda {}\n", "9".repeat(n)).into(),
        diskstats,
    );
    is_linear(
        "a name without end",
        |n| format!("8 0 {} 1 2 3\n", "a!".repeat(n)).into(),
        diskstats,
    );
}

#[test]
fn udevs_records_take_time_in_proportion() {
    is_linear(
        "the same link again",
        |n| "S:disk/by-id/x\n".repeat(n).into(),
        udev,
    );
    is_linear("many links", |n| numbered(n, "S:disk/by-id/", "\n"), udev);
    is_linear(
        "the same property again",
        |n| "E:ID_SERIAL=x\n".repeat(n).into(),
        udev,
    );
    is_linear("many properties", |n| numbered(n, "E:KEY_", "=x\n"), udev);
    is_linear(
        "escapes",
        |n| format!("E:ID_MODEL_ENC={}\n", r"\x20\x2".repeat(n)).into(),
        udev,
    );
    is_linear(
        "spaces",
        |n| format!("E:ID_MODEL={}x\n", " ".repeat(n)).into(),
        udev,
    );
}

#[test]
fn vol_data_takes_time_in_proportion() {
    let of = |key: &str, value: &str| format!(r#"{{"driverName":"d",{key}:{value}}}"#);
    is_linear(
        "a handle without end",
        |n| of(r#""volumeHandle""#, &format!("\"{}\"", "v".repeat(n))).into(),
        vol_data,
    );
    is_linear(
        "escapes",
        |n| of(r#""volumeHandle""#, &format!("\"{}\"", r"\u00e4\n".repeat(n))).into(),
        vol_data,
    );
    is_linear("deep", |n| of(r#""x""#, &"[".repeat(n)).into(), vol_data);
    is_linear(
        "many keys",
        |n| [b"{".to_vec(), numbered(n, r#""k"#, r#"":1,"#)].concat(),
        vol_data,
    );
}

/// A pod may have thousands of folders of the node's own filesystem mounted (`subPath`).
#[test]
fn mounts_of_one_device_take_time_in_proportion() {
    let sample = |n| {
        let disk = BlockDevice::new(DeviceNumber::new(8, 0), "sda", DeviceType::Disk);
        let mount =
            |at| format!("{at} 1 8:0 /folder/{at} /pods/p/volume-subpaths/{at} rw - xfs /dev/sda rw\n");
        let text: String = (2..n + 2).map(mount).collect();
        HostSample {
            devices: Arc::new(BlockDevices::new([disk])),
            mounts: Arc::new(MountTable::from(mountinfo::parse(text.as_bytes()).0)),
            ..HostSample::default()
        }
    };
    takes_time_in_proportion("folders", sample, |sample| {
        black_box(link(sample, None));
    });
}

/// A driver makes two binds of a device node for each raw block volume.
#[test]
fn raw_block_volumes_take_time_in_proportion() {
    let sample = |n| {
        let disk = BlockDevice::new(DeviceNumber::new(8, 0), "sda", DeviceType::Disk);
        let path = |at: usize| format!("/plugins/kubernetes.io/csi/volumeDevices/publish/v{at}/pod");
        let mount = |at| format!("{} 1 0:5 /sda {} rw - devtmpfs devtmpfs rw\n", at + 2, path(at));
        let text: String = (0..n).map(mount).collect();
        let volume = |at| PodVolume {
            pod_uid: "pod".into(),
            plugin: "kubernetes.io/csi".into(),
            name: format!("v{at}"),
            mode: VolumeMode::Block,
            path: format!("/pods/pod/volumeDevices/v{at}").into(),
            other_paths: vec![path(at).into()],
            csi: None,
        };
        HostSample {
            devices: Arc::new(BlockDevices::new([disk])),
            mounts: Arc::new(MountTable::from(mountinfo::parse(text.as_bytes()).0)),
            pod_volumes: (0..n).map(volume).collect(),
            ..HostSample::default()
        }
    };
    takes_time_in_proportion("volumes", sample, |sample| {
        let topology = black_box(link(sample, None));
        assert!(
            topology
                .volumes
                .iter()
                .all(|volume| volume.placement.disks.len() == 1)
        );
    });
}
