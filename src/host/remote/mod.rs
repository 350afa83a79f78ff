//! What disks and filesystems that look local lead to on the network.
//!
//! A disk's target is read off sysfs: its place in the device tree names the session, the port or the controller
//! that it hangs on, and that has the target's name. Where each is said, and how sure it is:
//!
//! | target | where |
//! |---|---|
//! | iSCSI | the place has `sessionN` and `host:channel:target:lun`; `class/iscsi_session/sessionN/targetname`, `class/iscsi_connection/connectionN:0/persistent_address` |
//! | Fibre Channel | the place has `rport-H:B-R`; `class/fc_remote_ports/rport-H:B-R/port_name` |
//! | NVMe over a fabric | the controller's `transport`, `address`, `subsysnqn`; a disk of native multipath has all controllers of its subsystem |
//! | Ceph RBD | `bus/rbd/devices/N/{pool,pool_ns,name,current_snap,cluster_fsid}` for `rbdN` (`Documentation/ABI/testing/sysfs-bus-rbd`) |
//! | PowerFlex | udev's name `disk/by-id/emc-vol-SYSTEM-VOLUME` for `sciniX` |
//! | clouds | the NVMe serial number of EBS; udev's names `disk/by-id/google-NAME`, `disk/azure/scsi1/lunN` |
//! | DRBD | udev's name `drbd/by-res/RESOURCE/VOLUME` for `drbdN`; the kernel has it in no file of sysfs, but has the local disk in `slaves` |
//!
//! iSCSI (IPv4 and IPv6), NVMe over TCP with native multipath, DRBD 8.4, NFS and 9p were tried on Linux 6.1. Fibre
//! Channel, NVMe over other fabrics, RBD, PowerFlex, the clouds' disks and the other filesystems were never seen
//! on a real kernel: their tests are trees made by hand after what the kernel's and the makers' documents say.

mod cloud;
mod mount;

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::cloud::cloud;
pub use self::mount::{MountTargets, of_mount};
use super::read::{attribute, names};
use super::roots::Roots;
use crate::model::device::{BlockDevice, DeviceNumber, DeviceType};
use crate::model::fault::Fault;
use crate::model::graph::BlockDevices;
use crate::model::remote::RemoteTarget;

/// The source that this reader's faults name.
pub const SOURCE: &str = "remote";

/// Targets that may change while the graph does not are read again after this time.
const LONGEST_KEPT: Duration = Duration::from_secs(10);

/// Remote targets by disk.
pub type Targets = BTreeMap<DeviceNumber, Vec<RemoteTarget>>;

/// Finds where disks lead to, and remembers it as long as the graph of devices is the same.
///
/// A first reading costs nothing for local disks, and some four files for each remote one. After that what was found is given again. Only
/// the controllers of NVMe disks come and go a little before or after their paths do, and what could not be read may be there later: those
/// disks are looked at again after some seconds.
#[derive(Debug, Default)]
pub struct RemoteReader {
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Kept {
    devices: Arc<BlockDevices>,
    read_at: Instant,
    /// The disks that are looked at again.
    unsettled: Vec<DeviceNumber>,
    targets: Arc<Targets>,
    faults: Vec<Fault>,
}

impl RemoteReader {
    /// The remote targets of every disk that has any: one for each path that leads there, in order, each once. A multipath
    /// map has those of its paths. The same in memory as before where they are the same.
    pub fn read(
        &mut self,
        roots: &Roots,
        devices: &Arc<BlockDevices>,
        now: Instant,
    ) -> (Arc<Targets>, Vec<Fault>) {
        let before = self.kept.take();
        let kept = match before {
            Some(kept) if !Arc::ptr_eq(&kept.devices, devices) => {
                let mut new = Kept::of_all(roots, devices, now);
                if new.targets == kept.targets {
                    new.targets = kept.targets;
                }
                new
            }
            Some(mut kept) => {
                if !kept.unsettled.is_empty() && now.saturating_duration_since(kept.read_at) >= LONGEST_KEPT {
                    kept.look_again(roots, now);
                }
                kept
            }
            None => Kept::of_all(roots, devices, now),
        };
        let answer = (Arc::clone(&kept.targets), kept.faults.clone());
        self.kept = Some(kept);
        answer
    }
}

impl Kept {
    fn of_all(roots: &Roots, devices: &Arc<BlockDevices>, now: Instant) -> Self {
        let mut kept = Self {
            devices: Arc::clone(devices),
            read_at: now,
            unsettled: devices.iter().map(|device| device.number).collect(),
            targets: Arc::default(),
            faults: Vec::new(),
        };
        kept.look_again(roots, now);
        kept
    }

    fn look_again(&mut self, roots: &Roots, now: Instant) {
        let mut targets = Targets::clone(&self.targets);
        self.faults.clear();
        let mut controllers = Controllers::default();
        self.unsettled.retain(|number| {
            let Some(disk) = self.devices.get(*number) else {
                return false;
            };
            let known = self.faults.len();
            let found = targets_of(roots, disk, &mut controllers, &mut self.faults);
            if found.is_empty() {
                targets.remove(number);
            } else {
                targets.insert(*number, found);
            }
            self.faults.len() > known || is_over_nvme(disk)
        });
        for map in self.devices.iter() {
            if map.device_type == DeviceType::Multipath {
                let paths = map.parents.iter().filter_map(|path| targets.get(path));
                let mut found: Vec<_> = paths.flatten().cloned().collect();
                found.sort_unstable();
                found.dedup();
                if found.is_empty() {
                    targets.remove(&map.number);
                } else {
                    targets.insert(map.number, found);
                }
            }
        }
        if targets != *self.targets {
            self.targets = Arc::new(targets);
        }
        self.read_at = now;
    }
}

fn is_over_nvme(disk: &BlockDevice) -> bool {
    let transport = disk.identity.transport.as_deref();
    transport.is_some_and(|transport| transport.starts_with("nvme-"))
}

/// What the controllers lead to that were met in one reading: a controller has all namespaces of its subsystem.
type Controllers = HashMap<PathBuf, Option<RemoteTarget>>;

/// The remote targets of one disk; none for a local disk, and for anything made of other devices but DRBD's, which are
/// made of a local one and of the peers'.
pub fn of_disk(roots: &Roots, disk: &BlockDevice, faults: &mut Vec<Fault>) -> Vec<RemoteTarget> {
    targets_of(roots, disk, &mut Controllers::default(), faults)
}

fn targets_of(
    roots: &Roots,
    disk: &BlockDevice,
    controllers: &mut Controllers,
    faults: &mut Vec<Fault>,
) -> Vec<RemoteTarget> {
    let name = disk.kernel_name.as_str();
    if !disk.parents.is_empty() && numbered(name, "drbd").is_none() {
        return Vec::new();
    }
    let one = if let Some(number) = numbered(name, "rbd") {
        rbd(roots, number, faults)
    } else if name.starts_with("scini") {
        disk.links.iter().find_map(|link| powerflex(link))
    } else if numbered(name, "drbd").is_some() {
        disk.links.iter().find_map(|link| drbd(link))
    } else {
        match disk.identity.transport.as_deref() {
            Some("iscsi") => iscsi(roots, &place(roots, name), faults),
            Some("fc") => fibre_channel(roots, &place(roots, name), faults),
            _ if is_over_nvme(disk) => return nvme(roots, name, controllers, faults),
            _ => cloud(&disk.identity, &disk.links),
        }
    };
    one.into_iter().collect()
}

/// A disk's place in the device tree.
fn place(roots: &Roots, kernel_name: &str) -> String {
    std::fs::read_link(roots.block_device(kernel_name))
        .map(|place| place.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The number in names like `rbd12`.
fn numbered<'a>(name: &'a str, start: &str) -> Option<&'a str> {
    let number = name.strip_prefix(start)?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

/// One attribute that a target cannot do without.
fn needed(folder: &Path, name: &str, faults: &mut Vec<Fault>) -> Option<String> {
    let value = attribute(folder, name);
    if value.is_none() {
        faults.push(Fault::new(
            SOURCE,
            folder.join(name).display().to_string(),
            "missing or empty, so a disk's remote target is not known",
        ));
    }
    value
}

fn iscsi(roots: &Roots, place: &str, faults: &mut Vec<Fault>) -> Option<RemoteTarget> {
    let session = place
        .split('/')
        .find(|part| numbered(part, "session").is_some())?;
    let target = needed(
        &roots.sys.join("class/iscsi_session").join(session),
        "targetname",
        faults,
    )?;
    // Linux opens one connection for each session, and numbers connections from 0 in each.
    let connection = roots
        .sys
        .join("class/iscsi_connection")
        .join(format!("{}:0", session.replace("session", "connection")));
    let portal = attribute(&connection, "persistent_address")
        .or_else(|| attribute(&connection, "address"))
        .map(|address| {
            let port = attribute(&connection, "persistent_port").or_else(|| attribute(&connection, "port"));
            match port {
                Some(port) => joined(&address, &port),
                None => address,
            }
        });
    Some(RemoteTarget::Iscsi {
        target,
        portal,
        lun: lun(place),
    })
}

fn fibre_channel(roots: &Roots, place: &str, faults: &mut Vec<Fault>) -> Option<RemoteTarget> {
    let port = place.split('/').find(|part| part.starts_with("rport-"))?;
    Some(RemoteTarget::FibreChannel {
        port: needed(
            &roots.sys.join("class/fc_remote_ports").join(port),
            "port_name",
            faults,
        )?,
        lun: lun(place),
    })
}

/// The last number of `host:channel:target:lun` in a disk's place.
fn lun(place: &str) -> Option<u64> {
    place.split('/').find_map(|part| {
        let mut numbers = part.split(':').map(str::parse::<u64>);
        let lun = numbers.nth(3)?.ok()?;
        (part.split(':').count() == 4 && part.split(':').all(|number| number.parse::<u64>().is_ok()))
            .then_some(lun)
    })
}

/// The controllers through which a disk is reached. The `device` of a disk of native multipath is its subsystem, in
/// which the controllers lie as links; that of any other is its controller.
fn nvme(
    roots: &Roots,
    kernel_name: &str,
    known: &mut Controllers,
    faults: &mut Vec<Fault>,
) -> Vec<RemoteTarget> {
    let device = roots.block_device(kernel_name).join("device");
    let mut controllers: Vec<_> = names(&device)
        .into_iter()
        .filter(|name| numbered(name, "nvme").is_some())
        .map(|name| device.join(name))
        .collect();
    if attribute(&device, "transport").is_some() {
        controllers = vec![device];
    }
    let mut targets: Vec<_> = controllers
        .into_iter()
        .filter_map(|controller| {
            // Several disks have links to one controller, each from another place; it has one name.
            let link = std::fs::read_link(&controller).unwrap_or_default();
            let name = link.file_name().map_or_else(|| controller.clone(), PathBuf::from);
            let target = known
                .entry(name)
                .or_insert_with(|| nvme_controller(&controller, faults));
            target.clone()
        })
        .collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

fn nvme_controller(controller: &Path, faults: &mut Vec<Fault>) -> Option<RemoteTarget> {
    let transport = attribute(controller, "transport").filter(|transport| transport != "pcie")?;
    Some(RemoteTarget::NvmeOverFabric {
        transport,
        address: attribute(controller, "address").and_then(|address| nvme_address(&address)),
        subsystem: needed(controller, "subsysnqn", faults)?,
    })
}

/// Address and port of `traddr=10.0.0.1,trsvcid=4420,src_addr=10.0.0.9`.
fn nvme_address(text: &str) -> Option<String> {
    let part = |key: &str| {
        text.split(',')
            .filter_map(|part| part.trim().split_once('='))
            .find_map(|(name, value)| (name == key && !value.is_empty()).then_some(value))
    };
    let address = part("traddr")?;
    Some(match part("trsvcid") {
        Some(service) if service != "none" => joined(address, service),
        _ => address.to_owned(),
    })
}

/// `10.0.0.1:3260`, `[2001:db8::1]:3260`.
fn joined(address: &str, port: &str) -> String {
    let bare = address.split('%').next().unwrap_or_default();
    if bare.parse::<Ipv6Addr>().is_ok() {
        format!("[{address}]:{port}")
    } else {
        format!("{address}:{port}")
    }
}

fn rbd(roots: &Roots, number: &str, faults: &mut Vec<Fault>) -> Option<RemoteTarget> {
    let folder = roots.sys.join("bus/rbd/devices").join(number);
    Some(RemoteTarget::Rbd {
        pool: needed(&folder, "pool", faults)?,
        namespace: attribute(&folder, "pool_ns"),
        image: needed(&folder, "name", faults)?,
        // A dash stands for the image itself.
        snapshot: attribute(&folder, "current_snap").filter(|snapshot| snapshot != "-"),
        cluster: attribute(&folder, "cluster_fsid"),
    })
}

/// `disk/by-id/emc-vol-SYSTEM-VOLUME`; both ids are hexadecimal numbers.
fn powerflex(link: &str) -> Option<RemoteTarget> {
    let (system, volume) = link.strip_prefix("disk/by-id/emc-vol-")?.split_once('-')?;
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id(system) && is_id(volume)).then(|| RemoteTarget::PowerFlex {
        system: system.to_owned(),
        volume: volume.to_owned(),
    })
}

/// `drbd/by-res/RESOURCE/VOLUME`, in DRBD 8.3 `drbd/by-res/RESOURCE`.
fn drbd(link: &str) -> Option<RemoteTarget> {
    let rest = link.strip_prefix("drbd/by-res/")?;
    let (resource, volume) = match rest.split_once('/') {
        Some((resource, volume)) => (resource, Some(volume.parse().ok()?)),
        None => (rest, None),
    };
    (!resource.is_empty()).then(|| RemoteTarget::Drbd {
        resource: resource.to_owned(),
        volume,
    })
}

#[cfg(test)]
mod tests {
    use super::super::read::write_tree;
    use std::borrow::Cow;

    use super::*;
    use proptest::prelude::*;

    const ISCSI: &str = "../../devices/platform/host1/session1/target1:0:0/1:0:0:5/block/sdb";
    const IPV6: &str = "../../devices/platform/host2/session12/target2:0:0/2:0:0:0/block/sdc";
    const FC: &str = "../../devices/pci0000:00/0000:05:00.0/host1/rport-1:0-2/target1:0:0/1:0:0:3/block/sdd";

    fn disk(minor: u32, name: &str, transport: Option<&'static str>) -> BlockDevice {
        let mut disk = BlockDevice::new(DeviceNumber::new(8, minor), name, DeviceType::Disk);
        disk.identity.transport = transport.map(Cow::Borrowed);
        disk
    }

    fn machine(files: &[(&str, &str)], links: &[(&str, &str)]) -> (tempfile::TempDir, Roots) {
        let machine = tempfile::tempdir().unwrap();
        write_tree(&machine.path().join("sys"), files, links);
        let roots = Roots::below(machine.path());
        (machine, roots)
    }

    fn lines(targets: &[RemoteTarget]) -> Vec<String> {
        targets.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_iscsi_disk_leads_to_its_target() {
        // As Linux 6.1 has it.
        let (_machine, roots) = machine(
            &[
                (
                    "class/iscsi_session/session1/targetname",
                    "iqn.2019-10.io.longhorn:pvc-89c15dec\n",
                ),
                (
                    "class/iscsi_connection/connection1:0/persistent_address",
                    "10.9.9.1\n",
                ),
                ("class/iscsi_connection/connection1:0/persistent_port", "3260\n"),
                (
                    "class/iscsi_session/session12/targetname",
                    "iqn.2003-01.org.x:sn.1\n",
                ),
                (
                    "class/iscsi_connection/connection12:0/persistent_address",
                    "::1\n",
                ),
                ("class/iscsi_connection/connection12:0/persistent_port", "3261\n"),
            ],
            &[("class/block/sdb", ISCSI), ("class/block/sdc", IPV6)],
        );
        let mut faults = Vec::new();
        let targets = of_disk(&roots, &disk(16, "sdb", Some("iscsi")), &mut faults);
        assert_eq!(
            targets,
            [RemoteTarget::Iscsi {
                target: "iqn.2019-10.io.longhorn:pvc-89c15dec".into(),
                portal: Some("10.9.9.1:3260".into()),
                lun: Some(5),
            }]
        );
        let targets = of_disk(&roots, &disk(32, "sdc", Some("iscsi")), &mut faults);
        assert_eq!(
            lines(&targets),
            ["iSCSI iqn.2003-01.org.x:sn.1 at [::1]:3261, LUN 0"]
        );
        assert!(faults.is_empty());
    }

    #[test]
    fn a_session_without_a_name_is_a_fault_and_no_target() {
        let (_machine, roots) = machine(&[], &[("class/block/sdb", ISCSI)]);
        let mut faults = Vec::new();
        assert!(of_disk(&roots, &disk(16, "sdb", Some("iscsi")), &mut faults).is_empty());
        assert_eq!(faults.len(), 1);
        assert!(
            faults[0]
                .subject
                .ends_with("class/iscsi_session/session1/targetname")
        );
    }

    #[test]
    fn a_multipath_map_leads_where_its_paths_lead_each_target_once() {
        let second = FC.replace("rport-1:0-2", "rport-1:0-3").replace("sdd", "sde");
        let third = FC.replace("sdd", "sdf");
        let (_machine, roots) = machine(
            &[
                (
                    "class/fc_remote_ports/rport-1:0-2/port_name",
                    "0x500507680110d3a1\n",
                ),
                (
                    "class/fc_remote_ports/rport-1:0-3/port_name",
                    "0x500507680120d3a1\n",
                ),
            ],
            &[
                ("class/block/sdd", FC),
                ("class/block/sde", &second),
                ("class/block/sdf", &third),
            ],
        );
        let mut map = BlockDevice::new(DeviceNumber::new(253, 0), "dm-0", DeviceType::Multipath);
        let paths = [
            disk(48, "sdd", Some("fc")),
            disk(64, "sde", Some("fc")),
            disk(80, "sdf", Some("fc")),
        ];
        map.parents = paths.iter().map(|path| path.number).collect();
        let number = map.number;
        let devices = BlockDevices::new(paths.into_iter().chain([map, disk(0, "sda", Some("sata"))]));
        let (targets, faults) = RemoteReader::default().read(&roots, &Arc::new(devices), Instant::now());
        assert!(faults.is_empty());
        assert_eq!(targets.len(), 4);
        assert_eq!(
            lines(&targets[&number]),
            [
                "Fibre Channel port 0x500507680110d3a1, LUN 3",
                "Fibre Channel port 0x500507680120d3a1, LUN 3"
            ]
        );
    }

    #[test]
    fn while_the_devices_are_the_same_nothing_is_read_again() {
        let (machine, roots) = machine(
            &[("class/fc_remote_ports/rport-1:0-2/port_name", "0x50\n")],
            &[("class/block/sdd", FC)],
        );
        let devices = || {
            let mut local = disk(0, "sda", Some("sata"));
            local.size = Some(1);
            Arc::new(BlockDevices::new([disk(48, "sdd", Some("fc")), local]))
        };
        let (mut reader, graph, start) = (RemoteReader::default(), devices(), Instant::now());
        let (first, _) = reader.read(&roots, &graph, start);
        assert_eq!(first.len(), 1);
        let port = machine.path().join("sys/class/fc_remote_ports");
        std::fs::remove_dir_all(&port).unwrap();
        let (second, faults) = reader.read(&roots, &graph, start + 10 * LONGEST_KEPT);
        assert!(Arc::ptr_eq(&first, &second) && faults.is_empty());
        write_tree(&port, &[("rport-1:0-2/port_name", "0x50\n")], &[]);
        let (third, _) = reader.read(&roots, &devices(), start);
        assert!(Arc::ptr_eq(&first, &third), "another graph, the same targets");
    }

    #[test]
    fn what_could_not_be_read_and_controllers_of_nvme_are_looked_at_again() {
        let (machine, roots) = machine(
            &[
                ("devices/virtual/nvme-subsystem/nvme-subsys1/nvme1n1/size", "1\n"),
                (
                    "devices/virtual/nvme-subsystem/nvme-subsys1/nvme1/transport",
                    "tcp\n",
                ),
                (
                    "devices/virtual/nvme-subsystem/nvme-subsys1/nvme1/subsysnqn",
                    "nqn.a\n",
                ),
            ],
            &[
                ("class/block/sdd", FC),
                (
                    "class/block/nvme1n1",
                    "../../devices/virtual/nvme-subsystem/nvme-subsys1/nvme1n1",
                ),
                (
                    "devices/virtual/nvme-subsystem/nvme-subsys1/nvme1n1/device",
                    "../../nvme-subsys1",
                ),
            ],
        );
        let devices = Arc::new(BlockDevices::new([
            disk(48, "sdd", Some("fc")),
            disk(64, "nvme1n1", Some("nvme-tcp")),
        ]));
        let (mut reader, start) = (RemoteReader::default(), Instant::now());
        let (targets, faults) = reader.read(&roots, &devices, start);
        assert_eq!((targets.len(), faults.len()), (1, 1));
        let sys = machine.path().join("sys");
        write_tree(
            &sys,
            &[
                ("class/fc_remote_ports/rport-1:0-2/port_name", "0x50\n"),
                (
                    "devices/virtual/nvme-subsystem/nvme-subsys1/nvme2/transport",
                    "rdma\n",
                ),
                (
                    "devices/virtual/nvme-subsystem/nvme-subsys1/nvme2/subsysnqn",
                    "nqn.a\n",
                ),
            ],
            &[],
        );
        let (targets, _) = reader.read(&roots, &devices, start + LONGEST_KEPT / 2);
        assert_eq!(targets.len(), 1);
        let (targets, faults) = reader.read(&roots, &devices, start + LONGEST_KEPT);
        assert_eq!((targets.len(), faults.len()), (2, 0));
        assert_eq!(targets[&DeviceNumber::new(8, 64)].len(), 2);
    }

    #[test]
    fn an_nvme_disk_has_one_target_for_each_controller() {
        let nqn = "nqn.2019-05.io.openebs:a0000000-0000-0000-0000-0000000003ff";
        let subsysnqn = format!("{nqn}\n");
        let controller = |number: u32| format!("devices/virtual/nvme-fabrics/ctl/nvme{number}");
        let mut files = Vec::new();
        for (number, address) in [
            (1, "traddr=10.9.9.1,trsvcid=4420,src_addr=10.9.9.1\n"),
            (2, "traddr=::1,trsvcid=4420,src_addr=::1\n"),
        ] {
            files.push((format!("{}/transport", controller(number)), "tcp\n"));
            files.push((format!("{}/address", controller(number)), address));
            files.push((format!("{}/subsysnqn", controller(number)), subsysnqn.as_str()));
        }
        files.push((format!("{}/transport", controller(0)), "pcie\n"));
        files.push((format!("{}/transport", controller(7)), "fc\n"));
        files.push((
            format!("{}/address", controller(7)),
            "traddr=nn-0x10001100ab000001:pn-0x20001100ab000001,host_traddr=nn-0x1:pn-0x2\n",
        ));
        files.push((
            format!("{}/subsysnqn", controller(7)),
            "nqn.2014-08.org.example:fc\n",
        ));
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let head = "devices/virtual/nvme-subsystem/nvme-subsys1";
        let (_machine, roots) = machine(
            &files,
            &[
                ("class/block/nvme1n1", &format!("../../{head}/nvme1n1")),
                (&format!("{head}/nvme1n1/device"), "../../nvme-subsys1"),
                (&format!("{head}/nvme1"), "../../nvme-fabrics/ctl/nvme1"),
                (&format!("{head}/nvme2"), "../../nvme-fabrics/ctl/nvme2"),
                (
                    "class/block/nvme7n1",
                    "../../devices/virtual/nvme-fabrics/ctl/nvme7/nvme7n1",
                ),
                (&format!("{}/nvme7n1/device", controller(7)), "../../nvme7"),
            ],
        );
        let mut faults = Vec::new();
        let targets = of_disk(&roots, &disk(0, "nvme1n1", Some("nvme-tcp")), &mut faults);
        assert_eq!(
            lines(&targets),
            [
                format!(
                    "Mayastor volume a0000000-0000-0000-0000-0000000003ff: NVMe over tcp {nqn} at 10.9.9.1:4420"
                ),
                format!(
                    "Mayastor volume a0000000-0000-0000-0000-0000000003ff: NVMe over tcp {nqn} at [::1]:4420"
                ),
            ]
        );
        let targets = of_disk(&roots, &disk(0, "nvme7n1", Some("nvme-fc")), &mut faults);
        assert_eq!(
            lines(&targets),
            ["NVMe over fc nqn.2014-08.org.example:fc at nn-0x10001100ab000001:pn-0x20001100ab000001"]
        );
        assert!(of_disk(&roots, &disk(0, "nvme0n1", Some("nvme")), &mut faults).is_empty());
        assert!(faults.is_empty());
    }

    #[test]
    fn an_rbd_disk_leads_to_its_image() {
        let (_machine, roots) = machine(
            &[
                ("bus/rbd/devices/3/pool", "kube\n"),
                ("bus/rbd/devices/3/pool_ns", "\n"),
                ("bus/rbd/devices/3/name", "csi-vol-1\n"),
                ("bus/rbd/devices/3/current_snap", "-\n"),
                (
                    "bus/rbd/devices/3/cluster_fsid",
                    "b6b1f1a4-0000-4000-8000-0000deadbeef\n",
                ),
            ],
            &[],
        );
        let mut faults = Vec::new();
        let targets = of_disk(&roots, &disk(0, "rbd3", Some("rbd")), &mut faults);
        assert_eq!(
            targets,
            [RemoteTarget::Rbd {
                pool: "kube".into(),
                namespace: None,
                image: "csi-vol-1".into(),
                snapshot: None,
                cluster: Some("b6b1f1a4-0000-4000-8000-0000deadbeef".into()),
            }]
        );
        assert!(of_disk(&roots, &disk(0, "rbd4", Some("rbd")), &mut faults).is_empty());
        assert_eq!(faults.len(), 1);
    }

    #[test]
    fn udevs_names_lead_to_powerflex_and_drbd() {
        let (_machine, roots) = machine(&[], &[]);
        let mut faults = Vec::new();
        let mut lead = |name: &str, link: &str| {
            let mut device = disk(1, name, None);
            device.links = vec![link.into()];
            if name.starts_with("drbd") {
                device.parents = vec![DeviceNumber::new(254, 96)];
            }
            lines(&of_disk(&roots, &device, &mut faults))
        };
        assert_eq!(
            lead("scinia", "disk/by-id/emc-vol-456ee5d741234567-6d0a1b2c00000001"),
            ["PowerFlex volume 6d0a1b2c00000001 of system 456ee5d741234567"]
        );
        assert_eq!(
            lead("drbd1000", "drbd/by-res/pvc-1/0"),
            ["DRBD resource pvc-1, volume 0"]
        );
        assert_eq!(lead("drbd0", "drbd/by-res/r0"), ["DRBD resource r0"]);
        for (name, link) in [
            ("scinia", "disk/by-id/emc-vol-456e"),
            ("scinia", "disk/by-id/emc-vol-x-y"),
            ("drbd0", "drbd/by-res/r0/x"),
            ("sda", "drbd/by-res/r0/0"),
        ] {
            assert!(lead(name, link).is_empty(), "{link}");
        }
        assert!(faults.is_empty());
    }

    #[test]
    fn the_lun_is_the_last_of_four_numbers() {
        assert_eq!(lun(ISCSI), Some(5));
        assert_eq!(lun(FC), Some(3));
        assert_eq!(
            lun("../../devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/block/sda"),
            None
        );
        assert_eq!(lun("1:2:3/1:2:3:4:5/a:b:c:d/1:2:3:"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,60}") {
            let _ = lun(&text);
            let _ = nvme_address(&text);
            let _ = joined(&text, &text);
            let _ = powerflex(&text);
            let _ = drbd(&text);
            let _ = drbd(&format!("drbd/by-res/{text}"));
        }
    }
}
