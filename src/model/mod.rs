//! Plain values that sources fill in and sinks read.
//!
//! Nothing here does I/O, and nothing here knows where a value came from or where it goes: the modules import
//! the standard library only. A value that is not known is `None` or not there; it is never zero.

mod affinity;
pub mod backend;
pub mod btrfs;
pub mod bytes;
pub mod cluster_map;
pub mod control;
pub mod copies;
pub mod copy_loss;
pub mod device;
pub mod disagreement;
pub mod disk_name;
pub mod engine_tables;
pub mod fault;
pub mod graph;
pub mod host;
pub mod inventory;
pub mod io;
pub mod itself;
pub mod loss;
pub mod mount;
pub mod mount_table;
pub mod placement;
pub mod powerflex;
pub mod quantity;
pub mod raid;
pub mod remote;
pub mod replica;
pub mod resources;
pub mod shared_map;
pub mod snapshot;
pub mod text;
pub mod topology;
pub mod trouble;
pub mod volume;
pub mod volume_usage;
pub mod workload;
pub mod zfs;
