//! What the fuzzer tries: for each target what is done with an input, and what must hold of it. `tests/corpus.rs` of the program does the
//! same with the inputs that are kept.

pub mod control;
pub mod counters;
pub mod diskstats;
pub mod mountinfo;
pub mod objects;
// What it tries is a part of the program under the fuzzer alone.
#[cfg(fuzzing)]
pub mod powerflex;
pub mod quantity;
pub mod request;
pub mod sysfs;
pub mod udev;
pub mod vol_data;
