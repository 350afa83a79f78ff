//! All that is known at one moment: what the sinks write.

use std::sync::Arc;

use crate::history::{Rates, Series};
use crate::model::cluster_map::ClusterMap;
use crate::model::host::{BLOCK_DEVICES, HostSample};
use crate::model::topology::Topology;

/// One node's facts, joined, with rates.
#[derive(Debug, Clone)]
pub struct State {
    /// The name under which Scope knows this node: its ids are made of it.
    pub host_id: String,
    /// What the kernel said.
    pub sample: HostSample,
    /// The map made of it.
    pub topology: Topology,
    /// Rates of the last minute, of each device.
    pub rates: Rates,
    /// The same of each PersistentVolume, by the origin of its counters.
    pub volume_rates: Series<u64>,
}

impl State {
    /// What is known of a cluster, and nothing of any node's kernel.
    pub fn of_cluster(map: Arc<ClusterMap>) -> Self {
        Self {
            host_id: String::new(),
            sample: HostSample::default(),
            topology: Topology {
                cluster: Some(map),
                ..Topology::default()
            },
            rates: Rates::default(),
            volume_rates: Series::default(),
        }
    }

    /// True when the main source answered: the block devices were read.
    pub fn is_ready(&self) -> bool {
        self.sample
            .collectors
            .iter()
            .any(|outcome| outcome.collector == BLOCK_DEVICES && outcome.success)
    }
}
