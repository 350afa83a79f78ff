//! Where disks lead to, in a sysfs laid by hand after what was seen and what the documents say.

use std::borrow::Cow;

use proptest::prelude::*;

use super::disk::{drbd, joined, lun, powerflex};
use super::nvme::address;
use super::*;
use crate::host::read::write_tree;
use crate::model::device::BlockDevice;

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
        let _ = address(&text);
        let _ = joined(&text, &text);
        let _ = powerflex(&text);
        let _ = drbd(&text);
        let _ = drbd(&format!("drbd/by-res/{text}"));
    }
}
