//! One disk from below: what lies on it, and what is lost if it dies.

use super::{COLUMNS, Row, add_line, add_rows, aligned, copies, pods};
use crate::model::device::BlockDevice;
use crate::model::disk_name::DiskReference;
use crate::model::loss::loss;
use crate::model::topology::{Disk, Topology};
use crate::state::State;

/// What lies on one disk, and what is lost if it dies: of this node's by any name of it, of any node's that objects of the cluster tell of as
/// `NODE/DEVICE`. `None` where there is no such disk, or more than one.
pub fn disk(state: &State, name: &str) -> Option<String> {
    match disks_called(&state.topology, name)[..] {
        [(device, disk)] => Some(of_this_node(state, name, device, disk)),
        [] => {
            let (node, device) = name.split_once('/').filter(|(node, _)| !node.is_empty())?;
            copies::disk(state, node, &[device])
        }
        _ => None,
    }
}

/// Copies of volumes of other nodes' pods may lie on it as well. Objects may call it by any of its names.
fn of_this_node(state: &State, name: &str, device: &BlockDevice, disk: &Disk) -> String {
    let own = own_disk(state, device, disk);
    let identity = &disk.identity;
    let lasting = [&identity.serial, &identity.wwn, &identity.path];
    let names: Vec<&str> = [name, &device.kernel_name]
        .into_iter()
        .chain(lasting.into_iter().flatten().map(String::as_str))
        .chain(device.links.iter().map(String::as_str))
        .collect();
    match copies::disk(state, &state.host_id, &names) {
        Some(others) => format!("{own}\nOf the cluster:\n{others}"),
        None => own,
    }
}

/// The disks of this node that are called so: by the kernel or by a map, with or without `/dev`; else by serial number, WWN, place on the
/// bus, or a link that is made of these. It is one disk, unless hardware gives two the same serial number, as NVMe does its namespaces.
fn disks_called<'a>(topology: &'a Topology, name: &str) -> Vec<(&'a BlockDevice, &'a Disk)> {
    let node = node(name);
    let of_device = |device: &'a BlockDevice| Some((device, topology.disk(device.number)?));
    if let Some(device) = topology.devices.by_node(node) {
        return of_device(device).into_iter().collect();
    }
    let link = DiskReference::default().with_path(&format!("/dev/{node}"));
    let is_called = |(device, disk): &(&BlockDevice, &Disk)| {
        let is_said = |known: &Option<String>, by_link: Option<&str>| {
            known
                .as_deref()
                .is_some_and(|known| known == name || by_link == Some(known))
        };
        let identity = &disk.identity;
        is_said(&identity.serial, link.serial())
            || is_said(&identity.wwn, link.wwn())
            || is_said(&identity.path, link.bus_path())
            || device.links.iter().any(|link| link == node)
    };
    let disks = topology.devices.iter().filter_map(of_device);
    disks.filter(is_called).collect()
}

fn node(name: &str) -> &str {
    name.strip_prefix("/dev/").unwrap_or(name)
}

/// The disks that somebody may have meant who named none, or not one alone: those that have that name, those that a device of that name
/// lies on or is a path to, or those of the node of `NODE/DEVICE` that objects of the cluster tell of.
pub fn disks_beside(state: &State, name: &str) -> Vec<String> {
    let topology = &state.topology;
    let called = disks_called(topology, name);
    if !called.is_empty() {
        return called.iter().map(|(device, _)| device.name.clone()).collect();
    }
    if let Some(device) = topology.devices.by_node(node(name)) {
        let below = topology.devices.disks_of(device.number).into_iter();
        let related = below.chain(topology.devices.above(device.number));
        let disks = related.filter(|device| topology.disk(device.number).is_some());
        return disks.map(|device| device.name.clone()).collect();
    }
    let cluster = topology.cluster.as_deref();
    let node = name.split_once('/').map_or(name, |(node, _)| node);
    cluster.map(|cluster| cluster.disks_on(node)).unwrap_or_default()
}

fn own_disk(state: &State, device: &BlockDevice, disk: &Disk) -> String {
    let devices = &state.topology.devices;
    let mut rows: Vec<Row> = vec![COLUMNS.map(|(heading, _)| heading.to_owned())];
    add_rows(state, device, "", "", &mut Vec::new(), &mut rows);
    let mut text = aligned(&rows);
    let mut losses: Vec<_> = state
        .topology
        .volumes_on(disk.number)
        .map(|volume| (loss(devices, volume, disk.number), volume))
        .collect();
    losses.sort_by_key(|(loss, volume)| (*loss, volume.name.clone()));
    let serial = disk
        .identity
        .serial
        .as_deref()
        .map(|serial| format!(" ({serial})"))
        .unwrap_or_default();
    if !disk.promise.is_empty() {
        text.push('\n');
        add_line(&mut text, &format!("Promised of it: {}.", disk.promise));
    }
    text.push('\n');
    add_line(&mut text, &format!("If {}{serial} dies:", device.name));
    if losses.is_empty() {
        text.push_str("  no pod of this node loses a volume\n");
    }
    for (loss, volume) in losses {
        let pods: Vec<String> = volume
            .users
            .iter()
            .map(|user| pods::name(state, &user.pod_uid))
            .collect();
        let name = pods::claim_or_name(state, volume);
        add_line(
            &mut text,
            &format!("  {name}: {} ({})", loss.as_str(), pods.join(", ")),
        );
    }
    text
}
