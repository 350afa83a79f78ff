//! Readings on demand: whoever asks gets one that is fresh, and those who ask together share it.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::cluster_observer::{ClusterObservation, ClusterObserver};
use super::fault_log::FaultLog;
use crate::cluster::Cluster;
use crate::history::{DeviceHistory, History};
use crate::host::Host;
use crate::link::volume_io;
use crate::link::volume_sums::VolumeSums;
use crate::link::{Before, relink};
use crate::lock::locked;
use crate::model::backend::BackendReadings;
use crate::model::cluster_map::ClusterMap;
use crate::model::inventory::Inventory;
use crate::model::itself::SelfFigures;
use crate::render::prometheus::exposition::Format;
use crate::render::prometheus::{NodePage, write_node_page};
use crate::render::scope;
use crate::state::State;

/// A reading younger than this serves everybody who asks.
pub const FRESH: Duration = Duration::from_millis(250);

/// One reading, joined, with the report made of it at most once.
#[derive(Debug)]
pub struct Observation {
    /// What is known.
    pub state: State,
    /// What the Kubernetes API says, with the latest counts of errors; `None` where no cluster is read.
    pub inventory: Option<Arc<Inventory>>,
    report: OnceLock<Vec<Bytes>>,
    left_out: Arc<LeftOut>,
}

/// How many nodes found no room in the latest report, whatever has changed since; `None` before anybody asked for one.
pub(super) type LeftOut = Mutex<Option<usize>>;

impl Observation {
    /// The Scope report, in pieces.
    pub fn report(&self, backends: &BackendReadings) -> Vec<Bytes> {
        if backends.powerflex().next().is_some() {
            return self.fresh_report(backends);
        }
        self.report.get_or_init(|| self.fresh_report(backends)).clone()
    }

    /// The metrics page; `take` is given one piece after the other.
    pub fn write_page(
        &self,
        backends: &BackendReadings,
        itself: &SelfFigures,
        format: Format,
        take: &mut dyn FnMut(&str),
    ) {
        let told = NodePage {
            inventory: self.inventory.as_deref(),
            left_out: self.left_out(),
            ..NodePage::of(&self.state, backends, itself)
        };
        write_node_page(&told, format, take);
    }

    fn fresh_report(&self, backends: &BackendReadings) -> Vec<Bytes> {
        let report = scope::report_with(&self.state, backends);
        *locked(&self.left_out) = Some(report.left_out);
        report.pieces
    }

    /// What found no room in the latest report; `None` before anybody asked for one.
    pub fn left_out(&self) -> Option<usize> {
        *locked(&self.left_out)
    }
}

/// Reads when asked.
#[derive(Debug)]
pub struct Observer {
    host: Host,
    host_id: Option<String>,
    cluster: Option<ClusterObserver>,
    history: DeviceHistory,
    volume_history: History<u64>,
    volume_sums: VolumeSums,
    latest: Option<Arc<Observation>>,
    left_out: Arc<LeftOut>,
    faults: FaultLog,
}

impl Observer {
    /// An observer of one node. `host_id` is the name that Scope has for it, where it is not the kernel's.
    pub fn new(host: Host, host_id: Option<String>) -> Self {
        Self {
            host,
            host_id,
            cluster: None,
            history: DeviceHistory::default(),
            volume_history: History::default(),
            volume_sums: VolumeSums::default(),
            latest: None,
            left_out: Arc::default(),
            faults: FaultLog::default(),
        }
    }

    /// Takes in what the Kubernetes API says as well.
    #[must_use]
    pub fn with_cluster(mut self, cluster: Option<Cluster>) -> Self {
        self.cluster = cluster.map(ClusterObserver::new);
        self
    }

    /// The objects of the Kubernetes API, joined, without a look at this machine; `None` where no cluster is read.
    pub fn cluster_map(&mut self) -> Option<Arc<ClusterMap>> {
        Some(self.cluster.as_mut()?.observe().into_map())
    }

    /// True where the machine has been read.
    #[cfg(test)]
    pub(super) fn has_read(&self) -> bool {
        self.latest.is_some()
    }

    /// The state now: read afresh, unless the latest reading is younger than [`FRESH`]. Slow filesystems are
    /// not waited for beyond `deadline`.
    pub fn observe(&mut self, deadline: Instant) -> Arc<Observation> {
        if let Some(latest) = &self.latest
            && latest.state.sample.taken_at.steady.elapsed() < FRESH
        {
            return Arc::clone(latest);
        }
        // Nobody will be given it again: its map becomes the new one.
        let before = self.latest.take().and_then(Arc::into_inner);
        let before = before.map(|latest| Before::new(latest.state.sample, latest.state.topology));
        let mut sample = self.host.sample(deadline);
        let rates = self.history.record(&sample);
        let cluster = self.cluster.as_mut().map(ClusterObserver::observe);
        let inventory = cluster.as_ref().map(|cluster| Arc::clone(&cluster.inventory));
        let mut topology = relink(before, &sample, cluster.map(ClusterObservation::into_map));
        let wanted = volume_io::wanted(&topology.devices, &topology.volumes);
        let counted = self
            .host
            .counted_elsewhere(&wanted.pods, &wanted.datasets, wanted.nfs, &mut sample);
        volume_io::count(
            &sample.devices,
            &sample.counters,
            &counted,
            &mut self.volume_sums,
            &mut topology.volumes,
        );
        let volume_rates = self
            .volume_history
            .record(sample.taken_at, volume_io::counters(&topology.volumes));
        self.faults.note(&sample.faults, Instant::now());
        let host_id = self
            .host_id
            .clone()
            .unwrap_or_else(|| own_name(sample.host_name.as_deref()));
        let state = State {
            host_id,
            sample,
            topology,
            rates,
            volume_rates,
        };
        let observation = Arc::new(Observation {
            state,
            inventory,
            report: OnceLock::new(),
            left_out: Arc::clone(&self.left_out),
        });
        self.latest = Some(Arc::clone(&observation));
        observation
    }
}

/// The kernel's name for the node, without what would break Scope's ids.
fn own_name(host_name: Option<&str>) -> String {
    let name: String = host_name
        .unwrap_or_default()
        .chars()
        .filter(|character| *character != ';' && !character.is_control())
        .collect();
    if name.is_empty() { "localhost".into() } else { name }
}
