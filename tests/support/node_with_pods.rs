//! A node with pods, laid by hand: what the kubelet and the kernel have of every sort of volume.

use std::fmt::Write as _;

use super::fixture::Machine;
use super::generated;

/// The kubelet's folder of pods.
pub const PODS: &str = "/var/lib/kubelet/pods";
/// The pod `web`.
pub const WEB: &str = "11111111-1111-4111-8111-111111111111";
/// The pod `base`.
pub const BASE: &str = "22222222-2222-4222-8222-222222222222";

/// Four disks with a partition each (0 and 2 NVMe, 1 and 3 SATA), and two pods.
///
/// The first partition is the node's root. `pvc-alone` has the second to itself, and both pods use it. `local-folder` is a folder of
/// the third, as is `local-other`. `nfs-data` is on a server. `raw` is the fourth disk as a raw block device. The pod `web` has an
/// emptyDir on the node's root, one in memory, and a Secret.
pub fn node() -> Machine {
    let machine = generated::machine(4);
    let mut mounts = String::from(
        "20 1 259:1 / / rw - xfs /dev/nvme0n1p1 rw\n\
         21 20 8:1 / /data/1 rw - xfs /dev/sda1 rw\n\
         22 20 259:3 / /mnt/third rw - xfs /dev/nvme1n1p1 rw\n\
         23 20 0:5 / /dev rw - devtmpfs devtmpfs rw\n\
         24 20 0:6 / /sys rw - sysfs sysfs rw\n",
    );
    let mut id = 100;
    let mut mount = |number: &str, root: &str, point: &str, rest: &str| {
        id += 1;
        writeln!(mounts, "{id} 20 {number} {root} {point} rw,relatime - {rest}").unwrap();
    };
    let csi = "/var/lib/kubelet/plugins/kubernetes.io/csi";
    mount(
        "8:1",
        "/",
        &format!("{csi}/disks.example/abc/globalmount"),
        "xfs /dev/sda1 rw",
    );
    for pod in [WEB, BASE] {
        mount(
            "8:1",
            "/",
            &format!("{PODS}/{pod}/volumes/kubernetes.io~csi/pvc-alone/mount"),
            "xfs /dev/sda1 rw",
        );
        machine.write(
            format!("{PODS}/{pod}/volumes/kubernetes.io~csi/pvc-alone/vol_data.json"),
            r#"{"attachmentID":"csi-1","driverName":"disks.example","nodeName":"node","specVolID":"pvc-alone","volumeHandle":"vol-1","volumeLifecycleMode":"Persistent"}"#,
        );
    }
    for (pod, name, folder) in [(WEB, "local-folder", "/one"), (BASE, "local-other", "/two")] {
        let point = format!("{PODS}/{pod}/volumes/kubernetes.io~local-volume/{name}");
        std::fs::create_dir_all(machine.place(&point)).unwrap();
        mount("259:3", folder, &point, "xfs /dev/nvme1n1p1 rw");
    }
    let nfs = format!("{PODS}/{BASE}/volumes/kubernetes.io~nfs/nfs-data");
    std::fs::create_dir_all(machine.place(&nfs)).unwrap();
    mount("0:60", "/", &nfs, "nfs4 filer:/export/data rw,vers=4.2");
    let cache = format!("{PODS}/{WEB}/volumes/kubernetes.io~empty-dir/cache");
    let memory = format!("{PODS}/{WEB}/volumes/kubernetes.io~empty-dir/memory");
    let secret = format!("{PODS}/{WEB}/volumes/kubernetes.io~secret/token");
    for folder in [&cache, &memory, &secret] {
        std::fs::create_dir_all(machine.place(folder)).unwrap();
    }
    mount("0:61", "/", &memory, "tmpfs tmpfs rw");
    mount("0:62", "/", &secret, "tmpfs tmpfs rw");
    mount(
        "0:5",
        "/sdb",
        &format!("{csi}/volumeDevices/publish/raw/{WEB}"),
        "devtmpfs devtmpfs rw",
    );
    machine.link(
        format!("{PODS}/{WEB}/volumeDevices/kubernetes.io~csi/raw"),
        format!("{csi}/volumeDevices/publish/raw/{WEB}"),
    );
    machine.write(format!("{csi}/volumeDevices/publish/raw/{WEB}"), "");
    machine.write(
        format!("{csi}/volumeDevices/raw/data/vol_data.json"),
        r#"{"driverName":"disks.example","specVolID":"raw","volumeHandle":"vol-raw"}"#,
    );
    machine.write("/proc/1/mountinfo", &mounts);
    machine.write("/proc/self/mountinfo", &mounts);
    machine.write(
        "/proc/1/mountstats",
        format!(
            "device filer:/export/data mounted on {nfs} with fstype nfs4 statvers=1.1\n\
             \tage:\t86400\n\
             \tbytes:\t4096 8192 0 0 4096 8192 1 2\n\
             \tper-op statistics\n\
             \t        READ: 3 3 0 500 12288 1 20 30 0\n\
             \t       WRITE: 5 5 0 20480 700 1 40 50 0\n"
        ),
    );
    machine.write("/sys/fs/cgroup/cgroup.controllers", "cpu io memory\n");
    for (pod, line) in [
        (
            WEB,
            "259:2 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n",
        ),
        (
            BASE,
            "259:2 rbytes=40960 wbytes=81920 rios=10 wios=20 dbytes=0 dios=0\n",
        ),
    ] {
        let slice = format!("kubepods-besteffort-pod{}.slice", pod.replace('-', "_"));
        machine.write(
            format!("/sys/fs/cgroup/kubepods.slice/kubepods-besteffort.slice/{slice}/io.stat"),
            line,
        );
    }
    machine
}
