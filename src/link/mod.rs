//! Joins what the sources said into the storage map.
//!
//! Plain functions of values: nothing is read here.

mod attention;
pub mod cluster;
pub mod controls;
mod copies;
mod disagreements;
mod disks;
mod engine_tables;
mod engines;
mod filesystem_devices;
mod node;
pub mod powerflex;
mod promises;
mod quotas;
pub mod resources;
mod snapshots;
pub mod volume_io;
pub mod volume_sums;
pub mod volumes;
mod zfs_pools;

pub use node::{Before, link, relink};
