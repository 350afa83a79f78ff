//! Devices in a sysfs laid by hand.

use super::identity::{transport, unit_serial};
use super::*;
use crate::host::read::write_tree;
use crate::host::remote;

#[test]
fn the_transport_is_read_off_the_place_in_the_device_tree() {
    let folder = Path::new("/nonexistent");
    for (place, expected) in [
        (
            "../../devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda",
            Some("sata"),
        ),
        (
            "../../devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0/6:0:0:0/block/sda",
            Some("usb"),
        ),
        (
            "../../devices/platform/host3/session1/target3:0:0/3:0:0:1/block/sda",
            Some("iscsi"),
        ),
        (
            "../../devices/pci0000:00/0000:05:00.0/host1/rport-1:0-2/target1:0:0/1:0:0:3/block/sda",
            Some("fc"),
        ),
        (
            "../../devices/pci0000:00/0000:01:00.0/host0/port-0:0/end_device-0:0/target0:0:0/0:0:0:0/block/sda",
            Some("sas"),
        ),
        (
            "../../devices/pci0000:00/0000:00:05.0/virtio2/host2/target2:0:0/2:0:0:0/block/sda",
            Some("virtio"),
        ),
        ("../../devices/atari/block/sda", None),
    ] {
        assert_eq!(transport(folder, "sda", place).as_deref(), expected, "{place}");
    }
}

/// The disk `name` at this place below `/sys/devices`, with these files.
fn described(name: &str, place: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, Roots, Described) {
    let machine = tempfile::tempdir().unwrap();
    let files: Vec<_> = [(format!("{place}/size"), "2048\n")]
        .into_iter()
        .chain(
            files
                .iter()
                .map(|(path, text)| (format!("{place}/{path}"), *text)),
        )
        .collect();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let target = format!("../../{place}");
    let link = format!("class/block/{name}");
    write_tree(&machine.path().join("sys"), &files, &[(&link, &target)]);
    let roots = Roots::below(machine.path());
    let described = describe(&roots, DeviceNumber::new(259, 0), name).unwrap();
    (machine, roots, described)
}

#[test]
fn an_nvme_disk_over_a_fabric_without_multipath_has_its_make_and_its_target() {
    let (_machine, roots, described) = described(
        "nvme7n1",
        "devices/virtual/nvme-fabrics/ctl/nvme7/nvme7n1",
        &[
            ("wwid", "uuid.5f7e\n"),
            ("device/transport", "tcp\n"),
            ("device/address", "traddr=10.9.9.1,trsvcid=4420\n"),
            ("device/subsysnqn", "nqn.2014-08.org.example:a\n"),
            ("device/model", "Linux\n"),
            ("device/serial", "8d3f\n"),
        ],
    );
    assert!(!described.made_up);
    let identity = &described.device.identity;
    assert_eq!(identity.transport.as_deref(), Some("nvme-tcp"));
    assert_eq!(identity.model.as_deref(), Some("Linux"));
    assert_eq!(identity.serial.as_deref(), Some("8d3f"));
    assert_eq!(identity.wwn.as_deref(), Some("uuid.5f7e"));
    let targets = remote::of_disk(&roots, &described.device, &mut Vec::new());
    let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
    assert_eq!(
        targets,
        ["NVMe over tcp nqn.2014-08.org.example:a at 10.9.9.1:4420"]
    );
}

#[test]
fn an_nbd_disk_is_told_by_its_name_and_is_no_ssd() {
    let (_machine, _, described) = described(
        "nbd0",
        "devices/virtual/block/nbd0",
        &[("queue/rotational", "0\n")],
    );
    assert!(described.made_up);
    assert_eq!(described.device.identity.transport.as_deref(), Some("nbd"));
    assert_eq!(described.device.medium(), None);
}

#[test]
fn a_hidden_nvme_path_leads_to_its_disk() {
    assert_eq!(head_of("nvme0c1n1").as_deref(), Some("nvme0n1"));
    assert_eq!(head_of("nvme12c34n56").as_deref(), Some("nvme12n56"));
    assert_eq!(head_of("sda"), None);
}

#[test]
fn page_80_gives_a_serial_number_and_a_cut_page_gives_none() {
    assert_eq!(unit_serial(b"\x00\x80\x00\x06 ABC12").as_deref(), Some("ABC12"));
    assert_eq!(unit_serial(b"\x00\x80\x00\x06ABC"), None);
    assert_eq!(unit_serial(b"\x00\x80"), None);
    assert_eq!(unit_serial(b"\x00\x80\x00\x02\0\0"), None);
}
