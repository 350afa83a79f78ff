//! What a look at the kubelet's folders costs on a full node: 110 pods with 200 volumes, 90 of them CSI volumes.

#![allow(
    clippy::expect_used,
    reason = "a bench that cannot be set up has nothing to say"
)]

use std::fs;
use std::path::Path;

use divan::Bencher;
use scope_storage_probe::host::kubelet::KubeletReader;
use tempfile::TempDir;

#[allow(dead_code, unreachable_pub, reason = "the tests use more of it")]
#[path = "../tests/support/fixture.rs"]
mod fixture;

fn main() {
    divan::main();
}

fn full_node() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let root = folder.path();
    let make = |path: &str| fs::create_dir_all(root.join(path)).expect("a folder");
    for pod in 0..110 {
        let pod_folder = format!("pods/{pod:08x}-6f0a-4d57-9a51-0d8f7f4e2b11");
        make(&format!("{pod_folder}/containers/app"));
        make(&format!(
            "{pod_folder}/volumes/kubernetes.io~projected/kube-api-access"
        ));
        if pod < 90 {
            let name = format!("pvc-{pod:08x}-1f2e-4d57-9a51-0d8f7f4e2b11");
            let volume = format!("{pod_folder}/volumes/kubernetes.io~csi/{name}");
            let text = format!(
                r#"{{"attachmentID":"csi-{pod:064x}","driverName":"ebs.csi.aws.com","nodeName":"ip-10-0-0-1.internal","specVolID":"{name}","volumeHandle":"vol-{pod:017x}","volumeLifecycleMode":"Persistent"}}"#
            );
            make(&format!("{volume}/mount"));
            fs::write(root.join(volume).join("vol_data.json"), &text).expect("a file");
        }
    }
    fixture::age(root);
    folder
}

fn read(reader: &mut KubeletReader, root: &Path) -> usize {
    let reading = reader.read(root, Path::new("/var/lib/kubelet"));
    assert!(reading.faults.is_empty());
    reading.volumes.len()
}

#[divan::bench]
fn first_reading(bencher: Bencher<'_, '_>) {
    let node = full_node();
    bencher.bench_local(|| assert_eq!(read(&mut KubeletReader::default(), node.path()), 200));
}

#[divan::bench]
fn later_readings(bencher: Bencher<'_, '_>) {
    let node = full_node();
    let mut reader = KubeletReader::default();
    read(&mut reader, node.path());
    bencher.bench_local(|| assert_eq!(read(&mut reader, node.path()), 200));
}
