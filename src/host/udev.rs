//! udev's database, `/run/udev/data/bMAJOR:MINOR`: what it learnt of a block device when the device appeared.
//!
//! Each line is a letter, a colon and a value; `E:` lines are properties, `KEY=VALUE`, `S:` lines are further names of
//! the device below `/dev`. The files have no formal
//! specification: systemd's `sd-device` writes and reads them. Reading them needs no library and no daemon.

use crate::model::device::{Identity, Signature};

/// What we use of one device's record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UdevRecord {
    /// Make and serial number. Partitions inherit their disk's.
    pub identity: Identity,
    /// What the first blocks hold.
    pub signature: Signature,
    /// Names below `/dev` that say which volume of a storage system this is.
    pub links: Vec<String>,
}

/// How the names begin that are kept. A disk has a dozen others, which repeat what its properties say.
const TELLING_LINKS: [&str; 5] = [
    "disk/by-id/emc-vol-",
    "disk/by-id/google-",
    "disk/azure/",
    "drbd/by-res/",
    "zvol/",
];

/// Reads one record. Lines that are not understood are passed over: the file has many kinds of them.
pub fn parse(text: &[u8]) -> UdevRecord {
    let mut found = Properties::default();
    let mut links = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(link) = line.strip_prefix(b"S:") {
            if TELLING_LINKS
                .iter()
                .any(|start| link.starts_with(start.as_bytes()))
            {
                links.push(String::from_utf8_lossy(link).into_owned());
            }
            continue;
        }
        let Some(property) = line.strip_prefix(b"E:") else {
            continue;
        };
        let Some(at) = property.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        found.take(&property[..at], &property[at + 1..]);
    }
    links.sort_unstable();
    UdevRecord {
        links,
        ..found.into_record()
    }
}

#[derive(Default)]
struct Properties {
    ident_serial: Option<String>,
    scsi_serial: Option<String>,
    short_serial: Option<String>,
    serial: Option<String>,
    wwn_with_extension: Option<String>,
    wwn: Option<String>,
    encoded_model: Option<String>,
    model: Option<String>,
    vendor: Option<String>,
    revision: Option<String>,
    path: Option<String>,
    fstype: Option<String>,
    encoded_uuid: Option<String>,
    uuid: Option<String>,
    encoded_label: Option<String>,
    label: Option<String>,
}

impl Properties {
    fn take(&mut self, key: &[u8], value: &[u8]) {
        let (slot, encoded) = match key {
            b"SCSI_IDENT_SERIAL" => (&mut self.ident_serial, false),
            b"ID_SCSI_SERIAL" => (&mut self.scsi_serial, false),
            b"ID_SERIAL_SHORT" => (&mut self.short_serial, false),
            b"ID_SERIAL" => (&mut self.serial, false),
            b"ID_WWN_WITH_EXTENSION" => (&mut self.wwn_with_extension, false),
            b"ID_WWN" => (&mut self.wwn, false),
            b"ID_MODEL_ENC" => (&mut self.encoded_model, true),
            b"ID_MODEL" => (&mut self.model, false),
            b"ID_VENDOR" => (&mut self.vendor, false),
            b"ID_REVISION" => (&mut self.revision, false),
            b"ID_PATH" => (&mut self.path, false),
            b"ID_FS_TYPE" => (&mut self.fstype, false),
            b"ID_FS_UUID_ENC" => (&mut self.encoded_uuid, true),
            b"ID_FS_UUID" => (&mut self.uuid, false),
            b"ID_FS_LABEL_ENC" => (&mut self.encoded_label, true),
            b"ID_FS_LABEL" => (&mut self.label, false),
            _ => return,
        };
        let text = if encoded { decode(value) } else { value.to_vec() };
        let text = String::from_utf8_lossy(&text);
        // Drives pad their model to a fixed width, in the middle too; a label's spaces are its owner's.
        let text = if key.starts_with(b"ID_MODEL") {
            one_space(&text)
        } else {
            text.trim().to_owned()
        };
        *slot = (!text.is_empty()).then_some(text);
    }

    /// Which property wins is as in `lsblk`, so that both name the same disk alike.
    fn into_record(self) -> UdevRecord {
        UdevRecord {
            identity: Identity {
                model: self.encoded_model.or(self.model),
                serial: self
                    .ident_serial
                    .or(self.scsi_serial)
                    .or(self.short_serial)
                    .or(self.serial),
                wwn: self.wwn_with_extension.or(self.wwn),
                vendor: self.vendor,
                revision: self.revision,
                transport: None,
                path: self.path,
            },
            signature: Signature {
                fstype: self.fstype,
                uuid: self.encoded_uuid.or(self.uuid),
                label: self.encoded_label.or(self.label),
            },
            links: Vec::new(),
        }
    }
}

fn one_space(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Undoes the `\x20` escapes of udev's `…_ENC` properties.
fn decode(value: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((byte, tail)) = rest.split_first() {
        if *byte == b'\\'
            && let Some(&[b'x', high, low]) = tail.first_chunk::<3>()
            && let (Some(high), Some(low)) = (char::from(high).to_digit(16), char::from(low).to_digit(16))
            && let Ok(decoded) = u8::try_from(high * 16 + low)
        {
            plain.push(decoded);
            rest = &tail[3..];
        } else {
            plain.push(*byte);
            rest = tail;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_disks_record_gives_make_serial_and_wwn() {
        let record = parse(
            b"S:disk/by-id/ata-X\nI:1234\nE:ID_MODEL=Samsung_SSD_870\nE:ID_MODEL_ENC=Samsung\\x20SSD\\x20870\\x20EVO\\x20\\x20\\x20\n\
              E:ID_SERIAL=Samsung_SSD_870_EVO_S5Y1\nE:ID_SERIAL_SHORT=S5Y1\nE:ID_WWN=0x5002538f\nE:ID_WWN_WITH_EXTENSION=0x5002538f00000001\n\
              E:ID_REVISION=SVT0\nE:ID_PATH=pci-0000:00:17.0-ata-1\nE:BROKEN\nG:systemd\nV:1\n",
        );
        assert_eq!(
            record.identity,
            Identity {
                model: Some("Samsung SSD 870 EVO".into()),
                serial: Some("S5Y1".into()),
                wwn: Some("0x5002538f00000001".into()),
                vendor: None,
                revision: Some("SVT0".into()),
                transport: None,
                path: Some("pci-0000:00:17.0-ata-1".into()),
            }
        );
        assert_eq!(record.signature, Signature::default());
    }

    #[test]
    fn the_scsi_serial_wins_over_the_short_one() {
        let record = parse(b"E:ID_SERIAL_SHORT=3600a\nE:ID_SCSI_SERIAL=Z1Z2\n");
        assert_eq!(record.identity.serial.as_deref(), Some("Z1Z2"));
        let record = parse(b"E:SCSI_IDENT_SERIAL=SG3\nE:ID_SCSI_SERIAL=Z1Z2\n");
        assert_eq!(record.identity.serial.as_deref(), Some("SG3"));
    }

    #[test]
    fn a_filesystems_label_may_hold_spaces() {
        let record = parse(
            b"E:ID_FS_TYPE=ext4\nE:ID_FS_UUID=aa-bb\nE:ID_FS_LABEL=my_data\nE:ID_FS_LABEL_ENC=my\\x20data\n",
        );
        assert_eq!(record.signature.label.as_deref(), Some("my data"));
        assert_eq!(record.signature.fstype.as_deref(), Some("ext4"));
    }

    #[test]
    fn only_names_that_tell_the_volume_are_kept() {
        let record = parse(
            b"S:disk/by-path/pci-0000:00:04.0\nS:disk/by-id/google-data-1\nS:disk/by-id/scsi-0Google_PersistentDisk_data-1\n\
              S:disk/azure/scsi1/lun3\nS:disk/by-id/emc-vol-456ee5d74123-6d0\nS:drbd/by-res/pvc-1/0\nS:zvol/tank/pvc-1\n\
              S:\nS\n",
        );
        assert_eq!(
            record.links,
            [
                "disk/azure/scsi1/lun3",
                "disk/by-id/emc-vol-456ee5d74123-6d0",
                "disk/by-id/google-data-1",
                "drbd/by-res/pvc-1/0",
                "zvol/tank/pvc-1"
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
            let _ = decode(&bytes);
        }
    }
}
