//! One block device as sysfs describes it: `Documentation/ABI/stable/sysfs-block` and the drivers' own files.
//!
//! A device that disappears between two reads loses the attributes that were not yet read; the next sample
//! does not have it any more.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diskstats::SECTOR;
use super::kept_file::KeptFile;
use super::read::{attribute, attribute_bytes, flag, names, number};
use super::roots::Roots;
use super::text::trimmed;
use crate::model::device::{BlockDevice, DeviceNumber, DeviceType, Identity};
use crate::model::raid::{RaidMember, RaidRole};

/// A device, and the names of those that it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The device; its parents are not yet filled in.
    pub device: Arc<BlockDevice>,
    /// Kernel names of the devices that it is made of.
    pub parent_names: Vec<String>,
    /// For a hidden path of an NVMe multipath disk: the kernel name of the disk.
    pub path_of: Option<String>,
    /// True for devices that the kernel itself makes up (device mapper, md, loop, …): what they are made
    /// of may change at any time.
    pub made_up: bool,
}

/// True for RAM disks, which are slots without content: Documentation/admin-guide/devices.txt has their number.
pub(super) fn is_ram_disk(number: DeviceNumber) -> bool {
    number.major == 1
}

/// Reads one device's folder. `None` where there is no such folder (any more), and for slots without
/// content: loop devices without a file, empty zram and nbd devices, RAM disks.
pub fn describe(roots: &Roots, device_number: DeviceNumber, kernel_name: &str) -> Option<Described> {
    if is_ram_disk(device_number) {
        return None;
    }
    let folder = roots.block_device(kernel_name);
    let place = std::fs::read_link(&folder).ok()?;
    let place = place.to_string_lossy().into_owned();
    // Controllers over a fabric hang on no bus, and so their disks lie among the devices that the kernel makes up.
    let made_up = place.contains("/devices/virtual/")
        && !place.contains("/nvme-subsystem/")
        && !place.contains("/nvme-fabrics/");

    let size = number(&folder, "size")
        .filter(|sectors| *sectors > 0)
        .and_then(|sectors| sectors.checked_mul(SECTOR));
    let backing_file = attribute(&folder, "loop/backing_file");
    if made_up && size.is_none() {
        return None;
    }
    let partition = number(&folder, "partition").is_some();
    let map_name = attribute(&folder, "dm/name");
    let map_uuid = attribute(&folder, "dm/uuid");
    let device_type = device_type(
        &folder,
        kernel_name,
        partition,
        map_name.is_some(),
        map_uuid.as_deref(),
    );

    let mut device = BlockDevice::new(device_number, kernel_name, device_type);
    if let Some(name) = map_name {
        device.name = name;
    }
    device.size = size;
    device.removable = flag(&folder, "removable");
    device.sequence = number(&folder, "diskseq");
    device.backing_file = backing_file;
    device.map_uuid = map_uuid;
    device.missing_members = number(&folder, "md/degraded");
    let parent_names = if partition {
        let disk = Path::new(&place)
            .parent()
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy().replace('!', "/"));
        device.rotational = disk
            .as_ref()
            .and_then(|disk| flag(&roots.block_device(disk), "queue/rotational"));
        disk.into_iter().collect()
    } else {
        device.rotational = flag(&folder, "queue/rotational");
        slaves(&folder)
    };
    device.raid_members = raid_members(&folder, device.missing_members, &parent_names);
    let hidden = flag(&folder, "hidden") == Some(true);
    if !partition && made_up {
        device.identity.transport = named_transport(kernel_name).map(Cow::Borrowed);
    } else if !partition {
        device.identity = identity(&folder, kernel_name, &place);
    }
    let path_of = hidden.then(|| head_of(kernel_name)).flatten();
    (device.read_only, device.state) =
        ChangingFiles::default().changing(&|| folder.clone(), &device.device_type, path_of.is_some(), &mut 0);
    Some(Described {
        device: Arc::new(device),
        parent_names,
        path_of,
        made_up,
    })
}

/// The files of a device that are asked at every question. `folder` says where the device's folder is, and `room` how many more files may be
/// kept open.
#[derive(Debug, Default)]
pub(super) struct ChangingFiles {
    sequence: KeptFile,
    read_only: KeptFile,
    state: KeptFile,
    access: KeptFile,
    make: KeptFile,
    missing_members: KeptFile,
}

impl ChangingFiles {
    /// How many of them are open.
    pub(super) fn open(&self) -> usize {
        let Self {
            sequence,
            read_only,
            state,
            access,
            make,
            missing_members,
        } = self;
        [sequence, read_only, state, access, make, missing_members]
            .into_iter()
            .filter(|file| file.is_open())
            .count()
    }

    /// What may change while a device stays the same: whether it can be written to (true where not), and how it is.
    ///
    /// Of a hidden NVMe path (`is_path`) the controller may be `live` and yet give no access to the namespace: then it is that
    /// which is said, as `ana_state` has it (`nvme_ana_state_names` in drivers/nvme/host/multipath.c). Controllers without
    /// asymmetric access have no such file.
    pub(super) fn changing(
        &mut self,
        folder: &dyn Fn() -> PathBuf,
        device_type: &DeviceType,
        is_path: bool,
        room: &mut usize,
    ) -> (Option<bool>, Option<String>) {
        let read_only = self.read_only.number(|| folder().join("ro"), room);
        let mut state = None;
        if *device_type == DeviceType::Disk {
            let bytes = self.state.attribute(|| folder().join("device/state"), room);
            state = bytes.and_then(|bytes| trimmed(&bytes));
        }
        if is_path && state.as_deref() == Some("live") {
            let access = self.access.attribute(|| folder().join("ana_state"), room);
            let access = access.and_then(|bytes| trimmed(&bytes));
            state = access.filter(|access| access != "optimized").or(state);
        }
        (read_only.map(|value| value != 0), state)
    }

    /// The running number of a disk, for telling whether it is still the same.
    pub(super) fn sequence(&mut self, folder: &dyn Fn() -> PathBuf, room: &mut usize) -> Option<u64> {
        self.sequence.number(|| folder().join("diskseq"), room)
    }

    /// True where a device that the kernel makes up has the name, the type and the parts that it had: all that may change
    /// of it while its number and its size stay the same.
    pub(super) fn are_made_as_before(
        &mut self,
        folder: &dyn Fn() -> PathBuf,
        described: &Described,
        room: &mut usize,
    ) -> bool {
        let device = &described.device;
        let is_map = device.kernel_name.starts_with("dm-");
        if device.is_partition() {
            return true;
        }
        let mut text = |name: &str| {
            let bytes = self.make.attribute(|| folder().join(name), room);
            bytes.and_then(|bytes| trimmed(&bytes))
        };
        if device.kernel_name.starts_with("loop") {
            // A file that was not there is looked for each time: it comes when the device is given one.
            return match &device.backing_file {
                Some(file) => text("loop/backing_file").as_ref() == Some(file),
                None => attribute(&folder(), "loop/backing_file").is_none(),
            };
        }
        if is_map {
            // A map may be given another name, and a first UUID, but no second one.
            if text("dm/name").as_ref().unwrap_or(&device.kernel_name) != &device.name
                || (device.map_uuid.is_none() && attribute(&folder(), "dm/uuid").is_some())
            {
                return false;
            }
        } else if device.kernel_name.starts_with("md")
            && (array_type(text("md/level")) != device.device_type
                || self.missing_members.number(|| folder().join("md/degraded"), room)
                    != device.missing_members)
        {
            return false;
        }
        let folder = folder();
        slaves(&folder) == described.parent_names
            && raid_members(&folder, device.missing_members, &described.parent_names) == device.raid_members
    }
}

/// The type of a RAID, given its level.
fn array_type(level: Option<String>) -> DeviceType {
    level.map_or_else(|| "md".into(), |level| level.to_ascii_lowercase().as_str().into())
}

/// What each member is to an array; `None` where one of them does not say, and for levels without redundancy, which have no
/// `degraded` (`missing`).
fn raid_members(folder: &Path, missing: Option<u64>, names: &[String]) -> Option<Vec<RaidMember>> {
    missing?;
    let member = |name: &String| {
        let state = attribute(folder, &format!("md/dev-{}/state", name.replace('/', "!")))?;
        Some(RaidMember {
            name: name.clone(),
            role: RaidRole::of_state(&state),
        })
    };
    names.iter().map(member).collect()
}

fn slaves(folder: &Path) -> Vec<String> {
    names(&folder.join("slaves"))
        .into_iter()
        .map(|name| name.replace('!', "/"))
        .collect()
}

/// The type, found as `lsblk` finds it.
fn device_type(
    folder: &Path,
    kernel_name: &str,
    partition: bool,
    mapped: bool,
    map_uuid: Option<&str>,
) -> DeviceType {
    if partition {
        return DeviceType::Partition;
    }
    if mapped {
        // The prefix names the map's maker: LVM-…, CRYPT-LUKS2-…, mpath-…; kpartx writes part1-, part2-, …
        let maker = map_uuid
            .and_then(|uuid| uuid.split_once('-'))
            .map(|(maker, _)| maker.to_ascii_lowercase());
        return match maker {
            Some(maker) if maker.starts_with("part") => DeviceType::Partition,
            Some(maker) => maker.as_str().into(),
            None => "dm".into(),
        };
    }
    if kernel_name.starts_with("loop") {
        return DeviceType::Loop;
    }
    if kernel_name.starts_with("md") {
        return array_type(attribute(folder, "md/level"));
    }
    // SCSI peripheral device types: T10 SPC, table of the standard INQUIRY data.
    match number(folder, "device/type") {
        Some(1) => "tape".into(),
        Some(4) => "worm".into(),
        Some(5) => DeviceType::Rom,
        Some(7) => "mo-disk".into(),
        Some(8) => "changer".into(),
        Some(0xc) => "raid".into(),
        Some(0xd) => "enclosure".into(),
        Some(0xe) => "rbc".into(),
        Some(0x11) => "osd".into(),
        _ => DeviceType::Disk,
    }
}

/// What sysfs alone knows of a disk's make. udev's database, where there is one, knows better.
fn identity(folder: &Path, kernel_name: &str, place: &str) -> Identity {
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
fn unit_serial(page: &[u8]) -> Option<String> {
    let length = usize::from(*page.get(3)?);
    trimmed(page.get(4..4 + length)?)
}

/// How a disk is attached, from its place in the device tree.
fn transport(folder: &Path, kernel_name: &str, place: &str) -> Option<Cow<'static, str>> {
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
fn named_transport(kernel_name: &str) -> Option<&'static str> {
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

/// The disk of a hidden NVMe path: `nvme0c1n1` is a path of `nvme0n1`.
fn head_of(path: &str) -> Option<String> {
    let rest = path.strip_prefix("nvme")?;
    let (subsystem, rest) = rest.split_once('c')?;
    let (_, namespace) = rest.split_once('n')?;
    Some(format!("nvme{subsystem}n{namespace}"))
}

/// The file of udev's database about a device.
pub fn udev_file(roots: &Roots, number: DeviceNumber) -> PathBuf {
    roots.udev.join(format!("b{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        super::super::read::write_tree(&machine.path().join("sys"), &files, &[(&link, &target)]);
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
        let targets = super::super::remote::of_disk(&roots, &described.device, &mut Vec::new());
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
}
