//! Which controllers an NVMe disk is reached through, and where they are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::disk::{joined, needed, numbered};
use crate::host::read::{attribute, names};
use crate::host::roots::Roots;
use crate::model::device::BlockDevice;
use crate::model::fault::Fault;
use crate::model::remote::RemoteTarget;

/// What the controllers lead to that were met in one reading: a controller has all namespaces of its subsystem.
pub(super) type Controllers = HashMap<PathBuf, Option<RemoteTarget>>;

/// True for a disk that is reached over a fabric.
pub(super) fn is_over_nvme(disk: &BlockDevice) -> bool {
    let transport = disk.identity.transport.as_deref();
    transport.is_some_and(|transport| transport.starts_with("nvme-"))
}

/// The controllers through which a disk is reached. The `device` of a disk of native multipath is its subsystem, in
/// which the controllers lie as links; that of any other is its controller.
pub(super) fn targets(
    roots: &Roots,
    kernel_name: &str,
    known: &mut Controllers,
    faults: &mut Vec<Fault>,
) -> Vec<RemoteTarget> {
    let device = roots.block_device(kernel_name).join("device");
    let mut controllers: Vec<_> = names(&device)
        .into_iter()
        .filter(|name| numbered(name, "nvme").is_some())
        .map(|name| device.join(name))
        .collect();
    if attribute(&device, "transport").is_some() {
        controllers = vec![device];
    }
    let mut targets: Vec<_> = controllers
        .into_iter()
        .filter_map(|controller| {
            // Several disks have links to one controller, each from another place; it has one name.
            let link = std::fs::read_link(&controller).unwrap_or_default();
            let name = link.file_name().map_or_else(|| controller.clone(), PathBuf::from);
            let target = known
                .entry(name)
                .or_insert_with(|| self::controller(&controller, faults));
            target.clone()
        })
        .collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

fn controller(controller: &Path, faults: &mut Vec<Fault>) -> Option<RemoteTarget> {
    let transport = attribute(controller, "transport").filter(|transport| transport != "pcie")?;
    Some(RemoteTarget::NvmeOverFabric {
        transport,
        address: attribute(controller, "address").and_then(|address| self::address(&address)),
        subsystem: needed(controller, "subsysnqn", faults)?,
    })
}

/// Address and port of `traddr=10.0.0.1,trsvcid=4420,src_addr=10.0.0.9`.
pub(super) fn address(text: &str) -> Option<String> {
    let part = |key: &str| {
        text.split(',')
            .filter_map(|part| part.trim().split_once('='))
            .find_map(|(name, value)| (name == key && !value.is_empty()).then_some(value))
    };
    let address = part("traddr")?;
    Some(match part("trsvcid") {
        Some(service) if service != "none" => joined(address, service),
        _ => address.to_owned(),
    })
}
