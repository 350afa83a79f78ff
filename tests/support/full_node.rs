//! A node full of pods, on a machine of any size: pods with CSI volumes on its disks, and further volumes in the node's memory.

use std::fmt::Write as _;

use super::fixture::Machine;
use super::generated;

/// A machine with so many disks, pods and volumes, one for each pod on a disk and all further ones in memory, and so many other mounts.
pub fn machine(disks: usize, pods: usize, volumes: usize, more_mounts: usize) -> Machine {
    let machine = generated::machine(disks);
    for volume in 0..volumes {
        let folder = format!("/var/lib/kubelet/pods/{}/volumes", uid(volume % pods));
        if volume < pods {
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
    let mounts = mounts(disks, pods, volumes, more_mounts);
    machine.write("/proc/1/mountinfo", &mounts);
    machine.write("/proc/self/mountinfo", &mounts);
    machine
}

/// Its mounts, as `mountinfo` has them.
pub fn mounts(disks: usize, pods: usize, volumes: usize, more: usize) -> String {
    let mut text = String::from("20 1 0:20 / / rw - overlay overlay rw\n");
    let mut id = 1000;
    for volume in 0..volumes {
        let pod = uid(volume % pods);
        id += 1;
        if volume < pods {
            // NVMe and SATA disks by turns, as the generated machine has them; further volumes share a filesystem.
            let disk = volume % disks;
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
