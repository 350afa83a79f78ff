//! Sizes as people read them.

use std::fmt;

/// A number of bytes that prints itself in binary units, as `lsblk` does: `512B`, `1.5K`, `931.5G`.
///
/// One decimal place at most, none where it would be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

const UNITS: [&str; 7] = ["B", "K", "M", "G", "T", "P", "E"];

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut unit = 0;
        let mut scale = 1_u128;
        let bytes = u128::from(self.0);
        // A value that would round up to 1024 of a unit is shown as 1 of the next.
        while unit + 1 < UNITS.len() && bytes * 10 >= scale * 10_240 - scale / 2 {
            scale *= 1024;
            unit += 1;
        }
        let tenths = (bytes * 10 + scale / 2) / scale;
        let text = if tenths.is_multiple_of(10) {
            format!("{}{}", tenths / 10, UNITS[unit])
        } else {
            format!("{}.{}{}", tenths / 10, tenths % 10, UNITS[unit])
        };
        formatter.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn sizes_print_as_lsblk_prints_them() {
        for (bytes, text) in [
            (0, "0B"),
            (512, "512B"),
            (1024, "1K"),
            (1536, "1.5K"),
            (1_048_575, "1M"),
            (1_000_204_886_016, "931.5G"),
            (274_877_906_944, "256G"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text, "{bytes}");
        }
    }
}
