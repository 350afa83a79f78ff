//! Answers about the whole cluster: made once for each change, and not for each question.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;

use super::fault_log::FaultLog;
use super::observer::LeftOut;
use crate::cluster::Cluster;
use crate::link::cluster;
use crate::lock::locked;
use crate::model::backend::BackendReadings;
use crate::model::cluster_map::ClusterMap;
use crate::model::inventory::Inventory;
use crate::model::itself::SelfFigures;
use crate::model::powerflex::System;
use crate::render::prometheus::exposition::Format;
use crate::render::prometheus::write_cluster_page;
use crate::render::scope::cluster_report_with;

/// A report, made when it is first asked for, and again when a backend said something else.
type Report = Mutex<Option<Made>>;

#[derive(Debug)]
struct Made {
    pieces: Vec<Bytes>,
    /// What else it is made of.
    systems: Vec<Arc<System>>,
}

/// What was known of the cluster at one moment, with the report made of it at most once.
#[derive(Debug)]
pub struct ClusterObservation {
    /// The objects, joined.
    pub map: Arc<ClusterMap>,
    /// The same objects with the latest counts of errors.
    pub inventory: Arc<Inventory>,
    report: Arc<Report>,
    left_out: Arc<LeftOut>,
}

impl ClusterObservation {
    /// The Scope report, in pieces.
    pub fn report(&self, backends: &BackendReadings) -> Vec<Bytes> {
        let mut kept = locked(&self.report);
        if let Some(made) = &*kept {
            let same = made.systems.len() == backends.powerflex().count()
                && made
                    .systems
                    .iter()
                    .zip(backends.powerflex())
                    .all(|(one, other)| Arc::ptr_eq(one, other));
            if same {
                return made.pieces.clone();
            }
        }
        let report = cluster_report_with(&self.map, backends, SystemTime::now());
        *kept = Some(Made {
            pieces: report.pieces.clone(),
            systems: backends.powerflex().cloned().collect(),
        });
        *locked(&self.left_out) = Some(report.left_out);
        report.pieces
    }

    /// The metrics page; `take` is given one piece after the other.
    pub fn write_page(
        &self,
        backends: &BackendReadings,
        itself: &SelfFigures,
        format: Format,
        take: &mut dyn FnMut(&str),
    ) {
        let left_out = self.left_out();
        write_cluster_page(
            &self.map,
            &self.inventory,
            left_out,
            backends,
            itself,
            format,
            take,
        );
    }

    /// The objects, joined, alone: for who joins them with a node's facts.
    pub fn into_map(self) -> Arc<ClusterMap> {
        self.map
    }

    /// What found no room in the latest report; `None` before anybody asked for one.
    pub fn left_out(&self) -> Option<usize> {
        *locked(&self.left_out)
    }
}

/// Joins when somebody asks and something changed.
#[derive(Debug)]
pub struct ClusterObserver {
    cluster: Cluster,
    latest: Option<(Arc<ClusterMap>, Arc<Report>)>,
    left_out: Arc<LeftOut>,
    faults: FaultLog,
}

impl ClusterObserver {
    /// An observer of a cluster.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            latest: None,
            left_out: Arc::default(),
            faults: FaultLog::default(),
        }
    }

    /// What is known now.
    pub fn observe(&mut self) -> ClusterObservation {
        let inventory = self.cluster.inventory();
        let is_joined = |(map, _): &(Arc<ClusterMap>, _)| Arc::ptr_eq(&map.inventory, &inventory);
        if !self.latest.as_ref().is_some_and(is_joined) {
            self.faults.note(&inventory.faults, std::time::Instant::now());
        }
        let (map, report) = match &self.latest {
            Some((map, report)) if map.inventory.version == inventory.version => {
                (Arc::clone(map), Arc::clone(report))
            }
            _ => {
                // What nobody will be given again is made into the new.
                let before = self.latest.take().map(|(map, _)| Arc::unwrap_or_clone(map));
                let map = match before {
                    Some(before) => cluster::update(before, Arc::clone(&inventory)),
                    None => cluster::map(Arc::clone(&inventory)),
                };
                let fresh = (Arc::new(map), Arc::default());
                self.latest = Some((Arc::clone(&fresh.0), Arc::clone(&fresh.1)));
                fresh
            }
        };
        ClusterObservation {
            map,
            inventory,
            report,
            left_out: Arc::clone(&self.left_out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(version: u64) -> Cluster {
        Cluster::fixed(Inventory {
            version,
            ..Inventory::default()
        })
    }

    #[test]
    fn what_the_latest_report_left_out_is_told_when_something_has_changed_since() {
        let mut observer = ClusterObserver::new(known(1));
        assert_eq!(observer.observe().left_out(), None);
        observer.observe().report(&BackendReadings::default());
        assert_eq!(observer.observe().left_out(), Some(0));
        observer.cluster = known(2);
        assert_eq!(observer.observe().left_out(), Some(0));
    }
}
