//! What may change of a device while it stays the same one: asked at every question, through files that stay open.

use std::path::PathBuf;

use super::{Described, array_type, raid_members, slaves};
use crate::host::kept_file::KeptFile;
use crate::host::read::attribute;
use crate::host::text::trimmed;
use crate::model::device::DeviceType;

/// The files of a device that are asked at every question. `folder` says where the device's folder is, and `room` how many more files may be
/// kept open.
#[derive(Debug, Default)]
pub(in crate::host) struct ChangingFiles {
    sequence: KeptFile,
    read_only: KeptFile,
    state: KeptFile,
    access: KeptFile,
    make: KeptFile,
    missing_members: KeptFile,
}

impl ChangingFiles {
    /// How many of them are open.
    pub(in crate::host) fn open(&self) -> usize {
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
    pub(in crate::host) fn changing(
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
    pub(in crate::host) fn sequence(
        &mut self,
        folder: &dyn Fn() -> PathBuf,
        room: &mut usize,
    ) -> Option<u64> {
        self.sequence.number(|| folder().join("diskseq"), room)
    }

    /// True where a device that the kernel makes up has the name, the type and the parts that it had: all that may change
    /// of it while its number and its size stay the same.
    pub(in crate::host) fn are_made_as_before(
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
