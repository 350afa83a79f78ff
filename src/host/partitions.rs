//! `/proc/partitions`: each device's size in KiB, in one read. Good for seeing a change; the true size is in sysfs.
//!
//! Two lines of heading, then `major minor #blocks name` for each device that has a size.

use std::collections::HashMap;

use super::text::{decimal, words};
use crate::model::device::DeviceNumber;

/// Sizes in KiB. A line that is none is passed over: what it would tell is in sysfs.
pub fn parse(text: &[u8]) -> HashMap<DeviceNumber, u64> {
    let lines = text.split(|byte| *byte == b'\n');
    let sizes = lines.filter_map(|line| {
        let mut fields = words(line);
        let major = u32::try_from(decimal(fields.next()?)?).ok()?;
        let minor = u32::try_from(decimal(fields.next()?)?).ok()?;
        Some((DeviceNumber::new(major, minor), decimal(fields.next()?)?))
    });
    sizes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_found_beside_what_is_none() {
        let text =
            b"major minor  #blocks  name\n\n   8        0  488386584 sda\n 8 1\n8 2 x sda2\n 259 0 7 nvme0n1";
        let known = [
            (DeviceNumber::new(8, 0), 488_386_584),
            (DeviceNumber::new(259, 0), 7),
        ];
        assert_eq!(parse(text), HashMap::from(known));
    }
}
