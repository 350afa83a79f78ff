//! Sinks: the same facts for Scope, for Prometheus, for the terminal.
//!
//! A sink writes what it is given. It reads no file and asks nobody.

pub mod prometheus;
pub mod scope;
pub mod tree;
