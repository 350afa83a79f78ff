//! What a full node costs, statfs(2) aside: 110 pods with 200 volumes over 50 disks, and a node with 50,000 mounts.
//!
//! ```text
//! cargo bench --bench full_node
//! ```
//!
//! Reading a page or joining it is measured by the program's own parts; what the kernel takes to write its files is not
//! in it.

#![allow(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use divan::Bencher;
use scope_storage_probe::history::{DeviceHistory, Series};
use scope_storage_probe::host::{Host, mountinfo};
use scope_storage_probe::link::link;
use scope_storage_probe::model::backend::BackendReadings;
use scope_storage_probe::model::host::HostSample;
use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::prometheus::itself::SelfFigures;
use scope_storage_probe::render::prometheus::write_node_page;
use scope_storage_probe::render::scope;
use scope_storage_probe::state::State;

#[allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "the tests use more of it, and end where something is missing"
)]
#[path = "../tests/support/fixture.rs"]
mod fixture;
#[allow(
    unreachable_pub,
    clippy::expect_used,
    reason = "the tests use it, too, and end where something is missing"
)]
#[path = "../tests/support/generated.rs"]
mod generated;

const DISKS: usize = 50;
const PODS: usize = 110;
/// Two volumes for most pods: one on a device or a folder of one, and one in the node's memory.
const VOLUMES: usize = 200;

fn main() {
    divan::main();
}

static FULL: LazyLock<HostSample> = LazyLock::new(|| sample(0));
static CROWDED: LazyLock<String> = LazyLock::new(|| mounts(50_000));

fn mounts(more: usize) -> String {
    let mut text = String::from("20 1 0:20 / / rw - overlay overlay rw\n");
    let mut id = 1000;
    for volume in 0..VOLUMES {
        let pod = uid(volume % PODS);
        id += 1;
        if volume < PODS {
            // NVMe and SATA disks by turns, as the generated machine has them; further volumes share a filesystem.
            let disk = volume % DISKS;
            let (number, name) = if disk.is_multiple_of(2) {
                (
                    format!("259:{}", disk / 2 * 2 + 1),
                    format!("nvme{}n1p1", disk / 2),
                )
            } else {
                (format!("8:{}", disk / 2 * 16 + 1), format!("sd{}1", disk / 2))
            };
            let _ = writeln!(
                text,
                "{id} 20 {number} /vol{volume} /var/lib/kubelet/pods/{pod}/volumes/kubernetes.io~csi/pvc-{volume:04}/mount rw,relatime shared:{id} - xfs /dev/{name} rw"
            );
        } else {
            let _ = writeln!(
                text,
                "{id} 20 0:{id} / /var/lib/kubelet/pods/{pod}/volumes/kubernetes.io~empty-dir/memory rw - tmpfs tmpfs rw,size=1024k"
            );
        }
    }
    for other in 0..more {
        id += 1;
        let _ = writeln!(
            text,
            "{id} 20 0:{id} / /run/containerd/io.containerd.runtime.v2.task/k8s.io/{other:064x}/rootfs rw,relatime shared:{id} - overlay overlay rw,lowerdir=/var/lib/containerd/{other},upperdir=/u,workdir=/w"
        );
    }
    text
}

fn uid(pod: usize) -> String {
    format!("{pod:08x}-6f0a-4d57-9a51-0d8f7f4e2b11")
}

fn sample(more_mounts: usize) -> HostSample {
    let machine = generated::machine(DISKS);
    for volume in 0..VOLUMES {
        let folder = format!("/var/lib/kubelet/pods/{}/volumes", uid(volume % PODS));
        if volume < PODS {
            machine.write(
                format!("{folder}/kubernetes.io~csi/pvc-{volume:04}/vol_data.json"),
                format!(
                    r#"{{"driverName":"disks.example","specVolID":"pvc-{volume:04}","volumeHandle":"vol-{volume}","volumeLifecycleMode":"Persistent"}}"#
                ),
            );
        } else {
            let place = machine.place(format!("{folder}/kubernetes.io~empty-dir/memory"));
            std::fs::create_dir_all(place).expect("a folder");
        }
    }
    let mounts = mounts(more_mounts);
    machine.write("/proc/1/mountinfo", &mounts);
    machine.write("/proc/self/mountinfo", &mounts);
    let sample = Host::new(machine.roots()).sample(Instant::now() + Duration::from_secs(5));
    assert_eq!(sample.pod_volumes.len(), VOLUMES, "{:?}", sample.faults);
    sample
}

fn state() -> State {
    let sample = FULL.clone();
    State {
        host_id: "node".into(),
        topology: link(&sample, None),
        rates: DeviceHistory::default().record(&sample),
        volume_rates: Series::default(),
        sample,
    }
}

/// From mounts, devices and folders to what carries each volume.
#[divan::bench]
fn resolution(bencher: Bencher<'_, '_>) {
    let sample = &*FULL;
    bencher.bench_local(|| link(black_box(sample), None));
}

/// The whole page.
#[divan::bench]
fn page(bencher: Bencher<'_, '_>) {
    let (state, itself) = (state(), SelfFigures::default());
    bencher.bench_local(|| {
        write_node_page(
            black_box(&state),
            &BackendReadings::default(),
            &itself,
            Format::Text,
            &mut |piece| {
                black_box(piece);
            },
        );
    });
}

/// The whole Scope report.
#[divan::bench]
fn report(bencher: Bencher<'_, '_>) {
    let state = state();
    bencher.bench_local(|| scope::report(black_box(&state)));
}

/// `mountinfo` with 50,000 lines to mounts. It is read again only once mounts changed.
#[divan::bench]
fn parse_50_000_mounts(bencher: Bencher<'_, '_>) {
    let text = CROWDED.as_bytes();
    bencher.bench_local(|| mountinfo::parse(black_box(text)).0.len());
}

/// The same resolution on a node with 50,000 mounts.
#[divan::bench]
fn resolution_among_50_000_mounts(bencher: Bencher<'_, '_>) {
    let sample = sample(50_000);
    bencher.bench_local(|| link(black_box(&sample), None));
}
