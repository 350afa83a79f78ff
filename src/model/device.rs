//! Block devices: numbers, types, identity.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::raid::RaidMember;
use super::zfs::pool_of;

/// The kernel's number of a block device, `major:minor`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DeviceNumber {
    /// Driver part. 0 is an anonymous device: a filesystem without a block device of its own.
    pub major: u32,
    /// Device part.
    pub minor: u32,
}

impl DeviceNumber {
    /// The device `major:minor`.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// True for filesystems that no single block device carries (tmpfs, NFS, btrfs, ZFS, overlay, …).
    pub const fn is_anonymous(self) -> bool {
        self.major == 0
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.major, self.minor)
    }
}

/// A text that is not `major:minor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDeviceNumber(String);

impl fmt::Display for InvalidDeviceNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is not a device number like 8:1", self.0)
    }
}

impl std::error::Error for InvalidDeviceNumber {}

impl FromStr for DeviceNumber {
    type Err = InvalidDeviceNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidDeviceNumber(text.to_owned());
        let (major, minor) = text.split_once(':').ok_or_else(invalid)?;
        Ok(Self {
            major: major.parse().map_err(|_| invalid())?,
            minor: minor.parse().map_err(|_| invalid())?,
        })
    }
}

/// What a block device is, in the words of `lsblk`'s TYPE column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceType {
    /// A whole disk, real or presented by a driver (virtio, RBD, zram, …).
    Disk,
    /// A partition of a disk.
    Partition,
    /// An optical drive.
    Rom,
    /// A file presented as a block device.
    Loop,
    /// A logical volume of LVM.
    Lvm,
    /// An opened dm-crypt device (LUKS among them).
    Crypt,
    /// A device-mapper multipath map: one disk, seen over several paths.
    Multipath,
    /// Anything else by its own name: `raid1`, `linear`, `dm`, `tape`, …
    Other(Box<str>),
}

impl DeviceType {
    /// The word that `lsblk` prints.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Disk => "disk",
            Self::Partition => "part",
            Self::Rom => "rom",
            Self::Loop => "loop",
            Self::Lvm => "lvm",
            Self::Crypt => "crypt",
            Self::Multipath => "mpath",
            Self::Other(word) => word,
        }
    }
}

impl From<&str> for DeviceType {
    fn from(word: &str) -> Self {
        match word {
            "disk" => Self::Disk,
            "part" => Self::Partition,
            "rom" => Self::Rom,
            "loop" => Self::Loop,
            "lvm" => Self::Lvm,
            "crypt" => Self::Crypt,
            "mpath" => Self::Multipath,
            other => Self::Other(other.into()),
        }
    }
}

impl fmt::Display for DeviceType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Who made a disk and which one it is. Only whole disks have one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Model as printed on the drive.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
    /// World wide name: `0x5000c500a1b2c3d4`, `eui.…`, `nvme.…`.
    pub wwn: Option<String>,
    /// Manufacturer, where the transport reports one apart from the model.
    pub vendor: Option<String>,
    /// Firmware revision.
    pub revision: Option<String>,
    /// How the disk is attached: `sata`, `sas`, `nvme`, `nvme-tcp`, `virtio`, `usb`, `fc`, `iscsi`, …
    pub transport: Option<Cow<'static, str>>,
    /// Where it is attached, as udev's `ID_PATH` says: `pci-0000:00:1f.2-ata-1`.
    pub path: Option<String>,
}

/// One of the ways to a multipath disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DiskPath {
    /// The kernel's name of the device that the path is: `sda`, `nvme0c1n1`.
    pub name: String,
    /// How it is; `None` where the kernel does not say. [`takes_requests`] knows the words.
    pub state: Option<String>,
}

impl DiskPath {
    /// Whether requests can go this way; `None` where that is not known.
    pub fn is_usable(&self) -> Option<bool> {
        takes_requests(self.state.as_deref()?)
    }
}

impl fmt::Display for DiskPath {
    /// `sdb (offline)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        match &self.state {
            Some(state) => write!(formatter, " ({state})"),
            None => Ok(()),
        }
    }
}

/// Whether a device in this state takes requests; `None` for a word that is not known.
///
/// The words are the kernel's: `sdev_states` in drivers/scsi/scsi_sysfs.c for SCSI's `device/state`; `state_name` in
/// drivers/nvme/host/sysfs.c for an NVMe controller's; and `nvme_ana_state_names` in drivers/nvme/host/multipath.c for what a
/// controller that is `live` says of one namespace (`ana_state`), which counts where it is not `optimized`.
pub fn takes_requests(state: &str) -> Option<bool> {
    match state {
        "running" | "live" | "optimized" | "non-optimized" => Some(true),
        "created" | "cancel" | "deleted" | "quiesce" | "offline" | "transport-offline" | "blocked"
        | "created-blocked" | "new" | "resetting" | "connecting" | "deleting" | "deleting (no IO)"
        | "dead" | "inaccessible" | "persistent-loss" | "change" => Some(false),
        _ => None,
    }
}

/// What a scan of a device's first blocks found there, as udev's database remembers it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signature {
    /// `ext4`, `xfs`, `LVM2_member`, `crypto_LUKS`, `swap`, …
    pub fstype: Option<String>,
    /// The filesystem's (or member's) UUID.
    pub uuid: Option<String>,
    /// The filesystem's label.
    pub label: Option<String>,
}

/// One block device of any layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockDevice {
    /// The kernel's number.
    pub number: DeviceNumber,
    /// The kernel's name: `sda1`, `dm-0`, `nvme0n1`.
    pub kernel_name: String,
    /// The name that people know: for device-mapper devices the map's name (`vg0-home`), else the kernel's.
    pub name: String,
    /// What it is.
    pub device_type: DeviceType,
    /// Capacity in bytes; `None` for a drive without a medium.
    pub size: Option<u64>,
    /// True where the kernel refuses writes.
    pub read_only: Option<bool>,
    /// True for media that can be taken out.
    pub removable: Option<bool>,
    /// True for spinning disks.
    pub rotational: Option<bool>,
    /// The kernel's running number of the disk (`diskseq`); a re-used `major:minor` has a new one.
    pub sequence: Option<u64>,
    /// `running`, `offline`, `live`, … as the SCSI or NVMe layer says; [`takes_requests`] knows the words.
    pub state: Option<String>,
    /// The file behind a loop device.
    pub backing_file: Option<String>,
    /// Members that a RAID array lacks (`md/degraded`); `None` for what is no md array.
    pub missing_members: Option<u64>,
    /// What the parents of a redundant md array are to it, in order of name; `None` where that is not known of all.
    pub raid_members: Option<Vec<RaidMember>>,
    /// A multipath map's WWID.
    pub map_uuid: Option<String>,
    /// Devices that this one is made of: a partition's disk, a logical volume's physical volumes, …
    pub parents: Vec<DeviceNumber>,
    /// Devices made from this one.
    pub children: Vec<DeviceNumber>,
    /// Further devices that reach the same disk: NVMe native multipath's hidden paths, in order of name.
    pub hidden_paths: Vec<DiskPath>,
    /// Make and serial number.
    pub identity: Identity,
    /// Filesystem or member signature.
    pub signature: Signature,
    /// Names below `/dev` that udev gave the device and that say which volume of a storage system it is:
    /// `disk/by-id/google-NAME`, `disk/by-id/emc-vol-SYSTEM-VOLUME`, `zvol/POOL/VOLUME`, … Other names are not kept, and partitions have none.
    pub links: Vec<String>,
}

impl BlockDevice {
    /// A device about which nothing but number, name and type is known.
    pub fn new(number: DeviceNumber, kernel_name: impl Into<String>, device_type: DeviceType) -> Self {
        let kernel_name = kernel_name.into();
        Self {
            number,
            name: kernel_name.clone(),
            kernel_name,
            device_type,
            size: None,
            read_only: None,
            removable: None,
            rotational: None,
            sequence: None,
            state: None,
            backing_file: None,
            missing_members: None,
            raid_members: None,
            map_uuid: None,
            parents: Vec::new(),
            children: Vec::new(),
            hidden_paths: Vec::new(),
            identity: Identity::default(),
            signature: Signature::default(),
            links: Vec::new(),
        }
    }

    /// One that lies on others; `device_type` is the kernel's word or device mapper's.
    #[cfg(test)]
    pub(crate) fn over(
        number: DeviceNumber,
        name: &str,
        device_type: &str,
        parents: &[DeviceNumber],
    ) -> Self {
        Self {
            parents: parents.to_vec(),
            ..Self::new(number, name, DeviceType::from(device_type))
        }
    }

    /// True for a partition of a disk; those that device mapper makes (kpartx) are devices of their own.
    pub fn is_partition(&self) -> bool {
        self.device_type == DeviceType::Partition && !self.kernel_name.starts_with("dm-")
    }

    /// True for zram: memory of this node that looks like a disk.
    pub fn is_memory(&self) -> bool {
        self.device_type == DeviceType::Disk && self.kernel_name.starts_with("zram")
    }

    /// True for a ZFS volume (zvol): a part of a pool that looks like a disk.
    pub fn is_zfs_volume(&self) -> bool {
        let number = self.kernel_name.strip_prefix("zd").unwrap_or_default();
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        self.device_type == DeviceType::Disk && is_number
    }

    /// The pool of a ZFS volume, by the link that the rules of OpenZFS for udev make, `zvol/POOL/VOLUME`: a plus in it stands for a blank, which
    /// a pool's name may have, and a plus it may not. The kernel itself does not say which pool it is.
    pub fn zfs_pool(&self) -> Option<String> {
        let mut links = self.links.iter().filter(|_| self.is_zfs_volume());
        let volume = links.find_map(|link| link.strip_prefix("zvol/"))?;
        let pool = pool_of(volume);
        (!pool.is_empty()).then(|| pool.replace('+', " "))
    }

    /// The volume group of a logical volume. Device mapper joins its name to the volume's by a dash, and doubles their own dashes.
    pub fn volume_group(&self) -> Option<String> {
        if self.device_type != DeviceType::Lvm {
            return None;
        }
        let mut group = String::new();
        let mut letters = self.name.chars().peekable();
        while let Some(letter) = letters.next() {
            if letter == '-' && letters.next_if_eq(&'-').is_none() {
                return letters.peek().map(|_| group);
            }
            group.push(letter);
        }
        None
    }

    /// `HDD` for spinning disks, `SSD` for the others; `None` where the kernel does not say, and for disks that a
    /// hypervisor or a network presents: there the kernel's flag is only a default.
    pub fn medium(&self) -> Option<&'static str> {
        let presented = matches!(
            self.identity.transport.as_deref(),
            Some("virtio" | "xen" | "rbd" | "nbd")
        );
        let real = self.device_type == DeviceType::Disk || self.device_type == DeviceType::Multipath;
        self.rotational
            .filter(|_| real && !presented)
            .map(|rotational| if rotational { "HDD" } else { "SSD" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_is_not_known_says_nothing_of_whether_requests_are_taken() {
        for (state, expected) in [
            ("running", Some(true)),
            ("live", Some(true)),
            ("non-optimized", Some(true)),
            ("transport-offline", Some(false)),
            ("blocked", Some(false)),
            ("connecting", Some(false)),
            ("deleting (no IO)", Some(false)),
            ("inaccessible", Some(false)),
            ("unknown state", None),
            ("", None),
        ] {
            assert_eq!(takes_requests(state), expected, "{state}");
        }
    }

    #[test]
    fn device_numbers_read_back_what_they_print() {
        let number = DeviceNumber::new(259, 1_048_575);
        assert_eq!(number.to_string().parse(), Ok(number));
        for wrong in ["", "8", "8:", ":1", "8:1:2", "a:b", "8:-1"] {
            assert!(wrong.parse::<DeviceNumber>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_logical_volumes_name_says_its_group() {
        let group = |name: &str, device_type| {
            let mut device = BlockDevice::new(DeviceNumber::new(253, 0), "dm-0", device_type);
            name.clone_into(&mut device.name);
            device.volume_group()
        };
        for (name, expected) in [
            ("storage-long", Some("storage")),
            ("storage-pvc--1f--2", Some("storage")),
            ("a--b-c", Some("a-b")),
            ("a----b-c", Some("a--b")),
            ("storage-mirrored_rimage_0", Some("storage")),
            ("storage", None),
            ("storage--long", None),
            ("storage-", None),
        ] {
            assert_eq!(group(name, DeviceType::Lvm).as_deref(), expected, "{name}");
        }
        assert_eq!(group("storage-long", DeviceType::Crypt), None);
    }
}
