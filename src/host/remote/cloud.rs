//! The clouds' names of their disks.

use std::borrow::Cow;

use crate::model::device::Identity;
use crate::model::remote::RemoteTarget;

/// The cloud's volume that a disk is, given the disk's identity and the names that udev gave it:
///
/// * AWS EBS: the volume's id, `vol-0123456789abcdef0`, which is also the CSI volume handle. The NVMe serial number
///   has it without the dash.
/// * Google persistent disks: the name under which the disk is attached, which the CSI driver makes the disk's own.
/// * Azure: `lun3`, the place at which the disk is attached to this machine; its resource name is not known here.
///
/// Disks that belong to the machine itself (instance store, local SSD, resource disk) are none.
pub(super) fn cloud(identity: &Identity, links: &[String]) -> Option<RemoteTarget> {
    let of = |provider: &'static str| {
        move |volume: String| RemoteTarget::Cloud {
            provider: Cow::Borrowed(provider),
            volume,
        }
    };
    ebs(identity)
        .map(of("AWS EBS"))
        .or_else(|| google(identity, links).map(of("Google Cloud")))
        .or_else(|| links.iter().find_map(|link| azure(link)).map(of("Azure")))
}

fn ebs(identity: &Identity) -> Option<String> {
    let model = identity.model.as_deref()?.replace('_', " ");
    if model.trim() != "Amazon Elastic Block Store" {
        return None;
    }
    let id = identity.serial.as_deref()?.trim().strip_prefix("vol")?;
    let id = id.strip_prefix('-').unwrap_or(id);
    (id.len() >= 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| format!("vol-{id}"))
}

fn google(identity: &Identity, links: &[String]) -> Option<String> {
    let is_local = |name: &str| name.starts_with("local-ssd-") || name.starts_with("local-nvme-ssd-");
    let linked = links
        .iter()
        .filter_map(|link| link.strip_prefix("disk/by-id/google-"))
        .find(|name| !name.is_empty() && !is_local(name));
    // On SCSI the serial number is that name, with udev's rules for it or without.
    let is_disk =
        identity.model.as_deref() == Some("PersistentDisk") && identity.vendor.as_deref() == Some("Google");
    linked
        .or_else(|| identity.serial.as_deref().filter(|_| is_disk))
        .map(str::to_owned)
}

/// `disk/azure/scsi1/lun3` (Azure's agent) or `disk/azure/data/by-lun/3` (azure-vm-utils, for NVMe too).
fn azure(link: &str) -> Option<String> {
    let lun = link
        .strip_prefix("disk/azure/scsi1/lun")
        .or_else(|| link.strip_prefix("disk/azure/data/by-lun/"))?;
    (!lun.is_empty() && lun.bytes().all(|byte| byte.is_ascii_digit())).then(|| format!("lun{lun}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn identity(vendor: Option<&str>, model: &str, serial: &str) -> Identity {
        Identity {
            vendor: vendor.map(Into::into),
            model: Some(model.into()),
            serial: Some(serial.into()),
            ..Identity::default()
        }
    }

    #[test]
    fn a_clouds_disk_has_the_clouds_name() {
        let none = Identity::default();
        for (identity, links, volume) in [
            (
                &identity(None, "Amazon Elastic Block Store", "vol0123456789abcdef0"),
                &[][..],
                Some("vol-0123456789abcdef0"),
            ),
            (
                &identity(None, "Amazon_Elastic_Block_Store", "vol-0a1b2c3d"),
                &[],
                Some("vol-0a1b2c3d"),
            ),
            (
                &identity(None, "Amazon EC2 NVMe Instance Storage", "AWS1A2B3C4D5E6F70123"),
                &[],
                None,
            ),
            (
                &identity(None, "Amazon Elastic Block Store", "volume-of-mine"),
                &[],
                None,
            ),
            (&none, &["disk/by-id/google-pvc-5d0a6c7e"], Some("pvc-5d0a6c7e")),
            (&none, &["disk/by-id/google-local-nvme-ssd-0"], None),
            (
                &identity(Some("Google"), "PersistentDisk", "pvc-5d0a6c7e"),
                &[],
                Some("pvc-5d0a6c7e"),
            ),
            (
                &none,
                &["disk/azure/data/by-lun/3", "disk/azure/scsi1/lun3"],
                Some("lun3"),
            ),
            (&none, &["disk/azure/scsi1/lun12"], Some("lun12")),
            (
                &none,
                &[
                    "disk/azure/root",
                    "disk/azure/scsi1/lun0-part1",
                    "disk/azure/local/by-index/1",
                ],
                None,
            ),
            (&identity(None, "QEMU HARDDISK", "vol0123456789"), &[], None),
        ] {
            let links: Vec<_> = links.iter().map(ToString::to_string).collect();
            assert_eq!(
                cloud(identity, &links)
                    .as_ref()
                    .and_then(RemoteTarget::volume)
                    .as_deref(),
                volume,
                "{identity:?} {links:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,60}") {
            let links = [format!("disk/by-id/google-{text}"), format!("disk/azure/scsi1/lun{text}")];
            let _ = cloud(&identity(Some("Google"), "Amazon Elastic Block Store", &format!("vol{text}")), &links);
        }
    }
}
