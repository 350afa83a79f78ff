//! Whatever a record of udev's database holds: no panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scope_storage_probe::host::udev;

fuzz_target!(|text: &[u8]| {
    let _ = udev::parse(text);
});
