//! What the paths answer, whichever role it is: one node's facts, or the cluster's.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;

use super::cluster_observer::{ClusterObservation, ClusterObserver};
use super::observer::{Observation, Observer};
use crate::model::backend::BackendReadings;
use crate::model::cluster_map::ClusterMap;
use crate::model::host::BLOCK_DEVICES;
use crate::model::inventory::Inventory;
use crate::model::itself::SelfFigures;
use crate::render::prometheus::exposition::Format;
use crate::render::prometheus::write_tenant_page;
use crate::render::scope::cluster_report;
use crate::state::State;

/// Who is asked.
#[derive(Debug)]
pub enum Source {
    /// This node, with what the API says of its pods.
    Node(Box<Observer>),
    /// The cluster alone.
    Cluster(ClusterObserver),
    /// Nobody: who sees these namespaces alone has a backend for them.
    Tenant(Arc<[String]>),
}

impl Source {
    /// What is known now. Slow filesystems are not waited for beyond `deadline`.
    pub fn observe(&mut self, deadline: Instant) -> Answers {
        match self {
            Self::Node(observer) => Answers::Node(observer.observe(deadline)),
            Self::Cluster(observer) => Answers::Cluster(Arc::new(observer.observe())),
            Self::Tenant(namespaces) => Answers::Tenant(Arc::clone(namespaces)),
        }
    }

    /// The objects of the Kubernetes API, joined; `None` where no cluster is read. Nothing is asked for them: who wants them
    /// alone costs the kernel nothing, and leaves nobody a reading that was made in a hurry.
    pub fn cluster_map(&mut self) -> Option<Arc<ClusterMap>> {
        match self {
            Self::Node(observer) => observer.cluster_map(),
            Self::Cluster(observer) => Some(observer.observe().into_map()),
            Self::Tenant(_) => None,
        }
    }
}

/// All answers of one moment.
#[derive(Debug)]
pub enum Answers {
    /// Of a node.
    Node(Arc<Observation>),
    /// Of a cluster.
    Cluster(Arc<ClusterObservation>),
    /// Of these namespaces, of which the backends tell.
    Tenant(Arc<[String]>),
}

impl Answers {
    /// The Scope report, in pieces.
    pub fn report(&self, backends: &BackendReadings) -> Vec<Bytes> {
        match self {
            Self::Node(observation) => observation.report(backends),
            Self::Cluster(observation) => observation.report(backends),
            // Nobody is served this: there is no plugin without a host and a volume to show.
            Self::Tenant(_) => cluster_report(&ClusterMap::default(), SystemTime::now()).pieces,
        }
    }

    /// The metrics page; `take` is given one piece after the other.
    pub fn write_page(
        &self,
        backends: &BackendReadings,
        itself: &SelfFigures,
        format: Format,
        take: &mut dyn FnMut(&str),
    ) {
        match self {
            Self::Node(observation) => observation.write_page(backends, itself, format, take),
            Self::Cluster(observation) => observation.write_page(backends, itself, format, take),
            Self::Tenant(_) => write_tenant_page(backends, itself, format, take),
        }
    }

    /// What the Kubernetes API said; `None` where no cluster is read.
    pub fn inventory(&self) -> Option<&Inventory> {
        match self {
            Self::Node(observation) => observation.inventory.as_deref(),
            Self::Cluster(observation) => Some(&observation.inventory),
            Self::Tenant(_) => None,
        }
    }

    /// The objects of the Kubernetes API, joined; `None` where no cluster is read.
    pub fn cluster_map(&self) -> Option<&Arc<ClusterMap>> {
        match self {
            Self::Node(observation) => observation.state.topology.cluster.as_ref(),
            Self::Cluster(observation) => Some(&observation.map),
            Self::Tenant(_) => None,
        }
    }

    /// The state to draw: of a cluster alone, one without a node.
    pub fn state(&self) -> Cow<'_, State> {
        match self {
            Self::Node(observation) => Cow::Borrowed(&observation.state),
            Self::Cluster(observation) => Cow::Owned(State::of_cluster(Arc::clone(&observation.map))),
            Self::Tenant(_) => Cow::Owned(State::of_cluster(Arc::default())),
        }
    }

    /// Why answers are not to be relied on yet; none where they are. A node's disks are shown without a cluster, so the API
    /// can hold up readiness of the cluster role only.
    pub fn hindrances(&self) -> Vec<String> {
        match self {
            Self::Node(observation) if observation.state.is_ready() => Vec::new(),
            Self::Tenant(_) => Vec::new(),
            Self::Node(observation) => {
                let faults = &observation.state.sample.faults;
                let mut told: Vec<String> = faults.iter().map(ToString::to_string).collect();
                if told.is_empty() {
                    told.push(format!("{BLOCK_DEVICES}: not read"));
                }
                told
            }
            Self::Cluster(observation) => {
                let waiting = observation.inventory.hindrances();
                waiting
                    .map(|(kind, error)| match error {
                        Some(error) => format!("{}: {}", kind.name(), error.message),
                        None => format!("{}: not all seen yet", kind.name()),
                    })
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;
    use crate::host::Host;
    use crate::host::roots::Roots;

    #[test]
    fn who_wants_the_clusters_objects_alone_does_not_make_the_machine_be_read() {
        let machine = tempfile::tempdir().unwrap();
        let cluster = Cluster::fixed(Inventory::default());
        let observer = Observer::new(Host::new(Roots::below(machine.path())), None);
        let mut source = Source::Node(Box::new(observer.with_cluster(Some(cluster))));
        assert!(source.cluster_map().is_some());
        let Source::Node(observer) = source else {
            unreachable!()
        };
        assert!(!observer.has_read());
    }
}
