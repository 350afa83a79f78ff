//! Where one disk leads to, as its place in the device tree and its names say.

use std::net::Ipv6Addr;
use std::path::Path;

use super::SOURCE;
use super::cloud::cloud;
use super::nvme::{self, Controllers};
use crate::host::read::attribute;
use crate::host::roots::Roots;
use crate::model::device::BlockDevice;
use crate::model::fault::Fault;
use crate::model::remote::RemoteTarget;

/// The remote targets of one disk; none for a local disk, and for anything made of other devices but DRBD's, which are
/// made of a local one and of the peers'.
pub fn of_disk(roots: &Roots, disk: &BlockDevice, faults: &mut Vec<Fault>) -> Vec<RemoteTarget> {
    targets_of(roots, disk, &mut Controllers::default(), faults)
}

/// The same, where what `controllers` lead to is known already.
pub(super) fn targets_of(
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
            _ if nvme::is_over_nvme(disk) => return nvme::targets(roots, name, controllers, faults),
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
pub(super) fn numbered<'a>(name: &'a str, start: &str) -> Option<&'a str> {
    let number = name.strip_prefix(start)?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

/// One attribute that a target cannot do without.
pub(super) fn needed(folder: &Path, name: &str, faults: &mut Vec<Fault>) -> Option<String> {
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
pub(super) fn lun(place: &str) -> Option<u64> {
    place.split('/').find_map(|part| {
        let mut numbers = part.split(':').map(str::parse::<u64>);
        let lun = numbers.nth(3)?.ok()?;
        (part.split(':').count() == 4 && part.split(':').all(|number| number.parse::<u64>().is_ok()))
            .then_some(lun)
    })
}

/// `10.0.0.1:3260`, `[2001:db8::1]:3260`.
pub(super) fn joined(address: &str, port: &str) -> String {
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
pub(super) fn powerflex(link: &str) -> Option<RemoteTarget> {
    let (system, volume) = link.strip_prefix("disk/by-id/emc-vol-")?.split_once('-')?;
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id(system) && is_id(volume)).then(|| RemoteTarget::PowerFlex {
        system: system.to_owned(),
        volume: volume.to_owned(),
    })
}

/// `drbd/by-res/RESOURCE/VOLUME`, in DRBD 8.3 `drbd/by-res/RESOURCE`.
pub(super) fn drbd(link: &str) -> Option<RemoteTarget> {
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
