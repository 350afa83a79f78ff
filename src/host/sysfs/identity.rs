//! Who made a disk and how it is attached, as far as sysfs says.

use std::borrow::Cow;
use std::path::Path;

use crate::host::read::{attribute, attribute_bytes, names};
use crate::host::text::trimmed;
use crate::model::device::Identity;

/// What sysfs alone knows of a disk's make. udev's database, where there is one, knows better.
pub(super) fn identity(folder: &Path, kernel_name: &str, place: &str) -> Identity {
    let hardware = folder.join("device");
    Identity {
        model: attribute(&hardware, "model").or_else(|| attribute(&hardware, "name")),
        serial: attribute(&hardware, "serial")
            .or_else(|| attribute(folder, "serial"))
            .or_else(|| unit_serial(&attribute_bytes(&hardware.join("vpd_pg80"))?)),
        wwn: attribute(folder, "wwid").or_else(|| attribute(&hardware, "wwid")),
        // virtio gives the number of a PCI vendor here, which names nobody.
        vendor: attribute(&hardware, "vendor").filter(|vendor| !vendor.starts_with("0x")),
        revision: attribute(&hardware, "rev").or_else(|| attribute(&hardware, "firmware_rev")),
        transport: transport(folder, kernel_name, place),
        path: None,
    }
}

/// The serial number in SCSI's vital product data page 0x80: four bytes of header, the last of them the
/// length, then text.
pub(super) fn unit_serial(page: &[u8]) -> Option<String> {
    let length = usize::from(*page.get(3)?);
    trimmed(page.get(4..4 + length)?)
}

/// How a disk is attached, from its place in the device tree.
pub(super) fn transport(folder: &Path, kernel_name: &str, place: &str) -> Option<Cow<'static, str>> {
    if kernel_name.starts_with("nvme") {
        return Some(nvme_transport(&folder.join("device")));
    }
    let within = |prefix: &str| {
        place.split('/').any(|part| {
            part.strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        })
    };
    let word = if within("usb") {
        "usb"
    } else if within("ata") {
        "sata"
    } else if within("session") {
        "iscsi"
    } else if within("rport-") {
        "fc"
    } else if within("end_device-") {
        "sas"
    } else if within("mmc") {
        "mmc"
    } else if within("virtio") {
        "virtio"
    } else {
        return named_transport(kernel_name).map(Cow::Borrowed);
    };
    Some(Cow::Borrowed(word))
}

/// How a disk is attached whose driver has a name for its disks alone.
pub(super) fn named_transport(kernel_name: &str) -> Option<&'static str> {
    [("rbd", "rbd"), ("nbd", "nbd"), ("xvd", "xen"), ("dasd", "ccw")]
        .into_iter()
        .find_map(|(start, word)| kernel_name.starts_with(start).then_some(word))
}

/// `nvme` on the PCI bus, `nvme-tcp`, `nvme-rdma`, `nvme-fc` over a fabric. The disk of a multipath subsystem
/// has its controllers one step further down.
fn nvme_transport(controller: &Path) -> Cow<'static, str> {
    let spoken = attribute(controller, "transport").or_else(|| {
        names(controller)
            .iter()
            .filter(|name| {
                name.strip_prefix("nvme")
                    .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
            })
            .find_map(|name| attribute(&controller.join(name), "transport"))
    });
    match spoken.as_deref() {
        None | Some("pcie") => Cow::Borrowed("nvme"),
        Some(fabric) => Cow::Owned(format!("nvme-{fabric}")),
    }
}
