//! The names by which an object of the Kubernetes API may mean a disk of a node.
//!
//! `/dev/sdb` was that disk when the object was written, on that node alone. Serial number and WWN stay with the disk; the links
//! below `/dev/disk/by-id` are made of them by udev's rules, so that they can be read from there.

use std::fmt;

/// One name of a disk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiskName {
    /// World wide name, as udev writes it: `0x5000c500a1b2c3d4`, `eui.0025385b71b1a1c5`.
    Wwn(String),
    /// Serial number.
    Serial(String),
    /// A link below `/dev/disk`: `by-id/nvme-…`, `by-path/…`.
    Link(String),
    /// The kernel's name, without a partition: `sdb`. It may be another disk's since.
    Kernel(String),
    /// A volume group of LVM.
    VolumeGroup(String),
    /// A pool of ZFS.
    ZfsPool(String),
    /// What the filesystem with this folder lies on.
    Folder(String),
    /// A device or file by a path that says no more.
    Path(String),
    /// The object that manages the disk: its names are to be added.
    Managed(String),
}

impl fmt::Display for DiskName {
    /// `sdb`, `serial ZC100000`, `volume group lvmvg`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wwn(name) => write!(formatter, "WWN {name}"),
            Self::Serial(name) => write!(formatter, "serial {name}"),
            Self::Link(name) => formatter.write_str(name.rsplit('/').next().unwrap_or(name)),
            Self::Kernel(name) | Self::Path(name) => formatter.write_str(name),
            Self::VolumeGroup(name) => write!(formatter, "volume group {name}"),
            Self::ZfsPool(name) => write!(formatter, "ZFS pool {name}"),
            Self::Folder(name) => write!(formatter, "folder {name}"),
            Self::Managed(name) => write!(formatter, "block device {name}"),
        }
    }
}

/// A disk of a node, or several that have a name together, as an object means it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskReference {
    /// The node, as the engine calls it.
    pub node: Option<String>,
    /// What is known to name it, each once.
    pub names: Vec<DiskName>,
}

impl DiskReference {
    /// A disk of this node, as yet without a name.
    pub fn on(node: Option<&str>) -> Self {
        Self {
            node: node.map(str::to_owned),
            names: Vec::new(),
        }
    }

    /// The same disk with one name more.
    #[must_use]
    pub fn with(mut self, name: DiskName) -> Self {
        self.add(name);
        self
    }

    /// The same disk with what a path of its node says of it.
    #[must_use]
    pub fn with_path(mut self, path: &str) -> Self {
        self.add_path(path);
        self
    }

    /// Adds a name.
    pub fn add(&mut self, name: DiskName) {
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    /// Adds what a path below `/dev` says; of any other path the path itself.
    pub fn add_path(&mut self, path: &str) {
        let Some(device) = path.strip_prefix("/dev/") else {
            self.add(DiskName::Path(path.to_owned()));
            return;
        };
        if let Some(link) = device.strip_prefix("disk/") {
            let link = without_partition_suffix(link);
            if let Some(name) = link.strip_prefix("by-id/") {
                self.add_identity(name);
            }
            self.add(DiskName::Link(link.to_owned()));
        } else if let Some(kernel) = whole_disk(device) {
            self.add(DiskName::Kernel(kernel.to_owned()));
        } else {
            self.add(DiskName::Path(path.to_owned()));
        }
    }

    /// What udev's rules made the link of: the WWN, or bus, model and serial number.
    fn add_identity(&mut self, link: &str) {
        if let Some(wwn) = link.strip_prefix("wwn-") {
            self.add(DiskName::Wwn(wwn.to_owned()));
        } else if let Some(wwn) = link.strip_prefix("nvme-").filter(|name| is_nvme_wwn(name)) {
            self.add(DiskName::Wwn(wwn.to_owned()));
        } else if let Some(naa) = link.strip_prefix("scsi-3").filter(|name| is_hexadecimal(name)) {
            self.add(DiskName::Wwn(format!("0x{naa}")));
        } else if let Some(serial) = link.strip_prefix("virtio-") {
            self.add(DiskName::Serial(serial.to_owned()));
        } else if let Some(name) = link.strip_prefix("nvme-") {
            // Newer rules add the number of the namespace.
            let name = match name.rsplit_once('_') {
                Some((name, space)) if space.len() <= 2 && is_number(space) && name.contains('_') => name,
                _ => name,
            };
            self.add_last_word(name);
        } else if let Some(name) = link.strip_prefix("ata-") {
            self.add_last_word(name);
        }
    }

    fn add_last_word(&mut self, name: &str) {
        if let Some((_, serial)) = name.rsplit_once('_').filter(|(_, serial)| !serial.is_empty()) {
            self.add(DiskName::Serial(serial.to_owned()));
        }
    }

    /// The serial number.
    pub fn serial(&self) -> Option<&str> {
        self.names.iter().find_map(|name| match name {
            DiskName::Serial(serial) => Some(serial.as_str()),
            _ => None,
        })
    }

    /// The world wide name.
    pub fn wwn(&self) -> Option<&str> {
        self.names.iter().find_map(|name| match name {
            DiskName::Wwn(wwn) => Some(wwn.as_str()),
            _ => None,
        })
    }

    /// The kernel's name.
    pub fn kernel_name(&self) -> Option<&str> {
        self.names.iter().find_map(|name| match name {
            DiskName::Kernel(kernel) => Some(kernel.as_str()),
            _ => None,
        })
    }

    /// The object that manages it.
    pub fn managed(&self) -> Option<&str> {
        self.names.iter().find_map(|name| match name {
            DiskName::Managed(object) => Some(object.as_str()),
            _ => None,
        })
    }

    /// The link by which the place of the disk on the bus is known, as node_exporters and udev have it: `pci-0000:01:00.0-nvme-1`.
    pub fn bus_path(&self) -> Option<&str> {
        self.names.iter().find_map(|name| match name {
            DiskName::Link(link) => link.strip_prefix("by-path/"),
            _ => None,
        })
    }

    /// The name that people know best: the kernel's, else a link's, else whatever there is.
    pub fn best(&self) -> Option<&DiskName> {
        let rank = |name: &&DiskName| match name {
            DiskName::Kernel(_) => 0,
            DiskName::Link(link) if link.starts_with("by-id/") => 1,
            DiskName::Link(_) => 2,
            DiskName::Serial(_) => 3,
            DiskName::Wwn(_) => 4,
            DiskName::Managed(_) => 6,
            _ => 5,
        };
        self.names.iter().min_by_key(rank)
    }

    /// True where `text` names it: the kernel's name, a link with or without its folder, serial number, WWN, group, pool or folder.
    pub fn is_called(&self, text: &str) -> bool {
        let text = text.strip_prefix('/').unwrap_or(text);
        let text = text.strip_prefix("dev/").unwrap_or(text);
        let text = text.strip_prefix("disk/").unwrap_or(text);
        let kernel = whole_disk(text).unwrap_or(text);
        self.names.iter().any(|name| match name {
            DiskName::Kernel(known) => known == kernel,
            DiskName::Link(link) => link == text || link.rsplit('/').next() == Some(text),
            DiskName::Path(path) => path == text || path.strip_prefix("/dev/") == Some(text),
            DiskName::Wwn(known)
            | DiskName::Serial(known)
            | DiskName::VolumeGroup(known)
            | DiskName::ZfsPool(known)
            | DiskName::Managed(known) => known == text,
            DiskName::Folder(folder) => folder.trim_matches('/') == text.trim_matches('/'),
        })
    }

    /// True where both mean a disk by the same name that stays with it, of two disks that are known to be of one node. The kernel's names
    /// count where nothing better is known of one of them.
    pub fn shares_name(&self, other: &Self) -> bool {
        let lasting = |name: &&DiskName| !matches!(name, DiskName::Kernel(_));
        let shared = |name: &DiskName| other.names.contains(name);
        if self.names.iter().filter(lasting).any(shared) {
            return true;
        }
        let differs =
            |one: Option<&str>, two: Option<&str>| one.zip(two).is_some_and(|(one, two)| one != two);
        self.names.iter().any(shared)
            && !differs(self.serial(), other.serial())
            && !differs(self.wwn(), other.wwn())
    }
}

impl fmt::Display for DiskReference {
    /// `worker-2/sdb`, `serial S1 on a node that is not known`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self
            .best()
            .map_or_else(|| "a disk".to_owned(), ToString::to_string);
        match &self.node {
            Some(node) => write!(formatter, "{node}/{name}"),
            None => formatter.write_str(&name),
        }
    }
}

/// The disk of a kernel's name that may be a partition's: `sda` of `sda1`, `nvme0n1` of `nvme0n1p2`. `None` for what is no such name.
fn whole_disk(name: &str) -> Option<&str> {
    let letters = |prefix: &str| {
        let rest = name.strip_prefix(prefix)?;
        let end = rest
            .find(|letter: char| !letter.is_ascii_lowercase())
            .unwrap_or(rest.len());
        let (disk, partition) = rest.split_at(end);
        (!disk.is_empty() && (partition.is_empty() || is_number(partition)))
            .then(|| &name[..prefix.len() + end])
    };
    if let Some(disk) = ["sd", "vd", "xvd", "hd", "scini"].into_iter().find_map(letters) {
        return Some(disk);
    }
    let numbered = ["nvme", "mmcblk", "nbd", "rbd", "loop", "md", "dm-", "zd"];
    let rest = numbered
        .into_iter()
        .find_map(|prefix| name.strip_prefix(prefix))?;
    let disk = match rest.rsplit_once('p') {
        Some((disk, partition)) if is_number(partition) => disk,
        _ => rest,
    };
    let plain = |letter: char| letter.is_ascii_digit() || letter == 'n';
    (disk.starts_with(|letter: char| letter.is_ascii_digit()) && disk.chars().all(plain))
        .then(|| &name[..name.len() - rest.len() + disk.len()])
}

fn without_partition_suffix(link: &str) -> &str {
    match link.rsplit_once("-part") {
        Some((disk, number)) if is_number(number) => disk,
        _ => link,
    }
}

fn is_nvme_wwn(name: &str) -> bool {
    ["eui.", "uuid.", "nvme."]
        .iter()
        .any(|start| name.starts_with(start))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_hexadecimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<String> {
        let disk = DiskReference::on(Some("w")).with_path(path);
        disk.names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_path_says_what_stays_with_the_disk() {
        assert_eq!(names("/dev/sdb"), ["sdb"]);
        assert_eq!(names("/dev/sdab12"), ["sdab"]);
        assert_eq!(names("/dev/nvme0n1p2"), ["nvme0n1"]);
        assert_eq!(names("/dev/mmcblk0p1"), ["mmcblk0"]);
        assert_eq!(
            names("/dev/disk/by-id/wwn-0x5000c500a1b2c3d4-part1"),
            ["WWN 0x5000c500a1b2c3d4", "wwn-0x5000c500a1b2c3d4"]
        );
        assert_eq!(
            names("/dev/disk/by-id/scsi-35000c500a1b2c3d4"),
            ["WWN 0x5000c500a1b2c3d4", "scsi-35000c500a1b2c3d4"]
        );
        assert_eq!(
            names("/dev/disk/by-id/nvme-eui.0025385b71b1a1c5"),
            ["WWN eui.0025385b71b1a1c5", "nvme-eui.0025385b71b1a1c5"]
        );
        assert_eq!(
            names("/dev/disk/by-id/nvme-Samsung_SSD_980_S649NX0R1234_1"),
            ["serial S649NX0R1234", "nvme-Samsung_SSD_980_S649NX0R1234_1"]
        );
        assert_eq!(
            names("/dev/disk/by-id/ata-ST4000_ZC100000"),
            ["serial ZC100000", "ata-ST4000_ZC100000"]
        );
        assert_eq!(
            names("/dev/disk/by-path/pci-0000:01:00.0-nvme-1"),
            ["pci-0000:01:00.0-nvme-1"]
        );
    }

    #[test]
    fn what_is_no_disks_path_stays_as_it_is() {
        for path in [
            "/dev/mapper/vg-lv",
            "/dev/vg/lv",
            "/var/image",
            "pcie://0000:01:00.0",
            "/dev/sdß",
            "/dev/sd",
        ] {
            assert_eq!(names(path), [path], "{path}");
        }
    }

    #[test]
    fn disks_are_the_same_by_what_stays_with_them() {
        let disk = |paths: &[&str]| {
            paths
                .iter()
                .fold(DiskReference::on(Some("w")), |disk, path| disk.with_path(path))
        };
        let managed = disk(&["/dev/sdb", "/dev/disk/by-id/ata-M_S1", "/dev/disk/by-path/pci-1"]);
        assert!(disk(&["/dev/disk/by-id/ata-M_S1"]).shares_name(&managed));
        assert!(disk(&["/dev/disk/by-path/pci-1"]).shares_name(&managed));
        assert!(disk(&["/dev/sdb"]).shares_name(&managed));
        assert!(
            !disk(&["/dev/sdb", "/dev/disk/by-id/ata-M_S2"]).shares_name(&managed),
            "sdb is another now"
        );
    }

    #[test]
    fn people_call_a_disk_by_any_of_its_names() {
        let disk = DiskReference::on(Some("w"))
            .with_path("/dev/sdb")
            .with_path("/dev/disk/by-id/ata-M_S1");
        for text in [
            "sdb",
            "/dev/sdb",
            "/dev/sdb1",
            "ata-M_S1",
            "/dev/disk/by-id/ata-M_S1",
            "S1",
        ] {
            assert!(disk.is_called(text), "{text}");
        }
        assert!(!disk.is_called("sdc"));
        assert_eq!(disk.to_string(), "w/sdb");
    }

    proptest::proptest! {
        #[test]
        fn no_path_panics(path in "(/dev/)?(disk/by-id/)?(nvme|sd|ata|scsi-3|wwn)?-?[a-z0-9_p./ß-]{0,20}") {
            let disk = DiskReference::on(None).with_path(&path);
            proptest::prop_assert!(!disk.names.is_empty());
        }
    }
}
