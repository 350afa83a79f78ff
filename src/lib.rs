//! A Weave Scope plugin and Prometheus exporter for storage: from what is mounted down to the physical disk.
//!
//! Facts flow one way: [`host`] reads the kernel, [`cluster`] the Kubernetes API and [`backends`] what else is asked when
//! somebody scrapes, into the plain values of [`model`]; [`history`] makes rates
//! of two readings and [`link`] joins facts into a map; [`state`] holds all of one moment; [`render`] writes it
//! for Scope, Prometheus and the terminal; [`serve`] answers requests; [`app`] wires them.
//! `ARCHITECTURE.md` has the picture and the rules.

pub mod app;
pub mod args;
pub mod backends;
pub mod cluster;
pub mod control;
pub mod engine;
pub mod history;
pub mod host;
pub mod link;
pub mod lock;
pub mod model;
pub mod mounted_file;
pub mod render;
pub mod serve;
pub mod state;
