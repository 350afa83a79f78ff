//! The Scope report of one node: the host with its disks in a table, and one node per disk.
//!
//! An unpatched Scope has no sort of node for disks, so each is a node of its persistent volumes, which
//! the Pods view draws and whose details panel the Hosts view links to. What Scope does with a report, and which reports
//! it does not survive, is told in `plugin-spec/README.md`.

mod disks;
mod hosts;
pub mod ids;
pub mod report;
mod series;
mod volumes;

use std::borrow::Cow;
use std::time::SystemTime;

use self::report::{Plugin, Report};
use self::series::Window;
use crate::state::State;

/// The plugin's id: the socket's file name, and the same for ever.
pub const PLUGIN_ID: &str = "storage";
/// The plugin's name in Scope's footer.
pub const PLUGIN_LABEL: &str = "Storage";
/// The version of the protocol.
pub const API_VERSION: &str = "1";

/// Most disks that one report tells of, so that it stays well below the 2 MB that Scope's probe can read in time.
pub const MOST_DISKS: usize = 700;

/// The report as it is sent.
pub fn report(state: &State) -> Vec<u8> {
    let taken_at = timestamp(state.sample.taken_at.wall);
    let shown = disks::shown(state);
    let all = state.topology.disks.len() + state.topology.loops.len();
    let window = Window::new(&state.rates, shown.len());
    let host = ids::host(&state.host_id);
    let report = Report {
        host: hosts::topology(state, &shown, &window, &taken_at),
        persistent_volume: disks::topology(state, &shown, &window, &taken_at, &host),
        plugins: [Plugin {
            id: PLUGIN_ID,
            label: PLUGIN_LABEL,
            description: description(shown.len(), all),
            interfaces: &["reporter"],
            api_version: API_VERSION,
        }],
    };
    // Writing to memory cannot fail, and the wire types have neither non-text keys nor failing fields.
    serde_json::to_vec(&report).unwrap_or_default()
}

fn description(shown: usize, all: usize) -> Cow<'static, str> {
    const PLAIN: &str = "The disks of each node: what is slow, what is full, what lies on them";
    if shown == all {
        Cow::Borrowed(PLAIN)
    } else {
        Cow::Owned(format!(
            "{PLAIN} ({shown} of {all} disks; the busiest and those in use come first)"
        ))
    }
}

/// RFC 3339 in UTC with milliseconds.
fn timestamp(at: SystemTime) -> String {
    let at = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}
