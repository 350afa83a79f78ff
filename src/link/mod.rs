//! Joins what the sources said into the storage map.
//!
//! Plain functions of values: nothing is read here.

mod attention;
pub mod cluster;
mod disks;
mod engines;
pub mod mount_table;
mod promises;
mod snapshots;
pub mod volume_io;
pub mod volumes;

pub use disks::link;
