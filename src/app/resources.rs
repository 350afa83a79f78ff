//! CPU and memory as a backend: read when somebody scrapes, and joined with what is known of the pods.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

use super::fault_log::FaultLog;
use crate::args::{Compatibility, SourceArguments};
use crate::backends::resources::{ResourceOutcome, Resources};
use crate::backends::{Backend, Question, Reading};
use crate::cluster::{Cluster, connect};
use crate::link::{cluster, resources};
use crate::lock::locked;
use crate::model::backend::{Figures, RESOURCES};
use crate::model::fault::Fault;
use crate::model::inventory::{Inventory, Role};
use crate::model::resources::ResourceFigures;

/// Within this time no second reading is begun: who asks gets the first. After it nothing is kept.
const SHARED_FOR: Duration = Duration::from_secs(1);
/// So many remarks outlive a reading that does not say whether they still hold: objects whose names change may bring new ones each time.
const MOST_REMEMBERED: usize = 500;
/// Left of the time of who asks, so that what did come can be told.
const MARGIN: Duration = Duration::from_millis(50);

/// The figures of one API server.
#[derive(Debug)]
pub(super) struct ResourceBackend {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: Resources,
    /// What is known of the whole cluster; `None` for who sees some namespaces alone.
    cluster: Option<Cluster>,
    old_names: bool,
    /// The reading of the last moment, for whoever asks in it. Who begins one has the lock until it has ended.
    shared: tokio::sync::Mutex<Option<Read>>,
    remarks: Mutex<Remarks>,
}

/// A reading, when it was begun, and how much time it had.
#[derive(Debug, Clone)]
struct Read {
    begun: Instant,
    ended: Instant,
    patience: Duration,
    figures: Figures,
}

/// What was said last, so that each is logged once.
#[derive(Debug, Default)]
struct Remarks {
    faults: FaultLog,
    hidden: BTreeSet<String>,
    absent: bool,
}

/// The source that the command line names; `None` where there is none to be asked.
pub(super) async fn source(sources: &SourceArguments, watches: bool) -> anyhow::Result<Option<Resources>> {
    let arguments = &sources.cluster;
    let tenant = arguments.is_tenant();
    arguments.namespaces_fit()?;
    let whole = watches && arguments.role.is_some_and(Role::sees_cluster);
    let wanted = whole && arguments.from_dump.is_empty() && !sources.backends.no_resources;
    if !tenant && !wanted {
        return Ok(None);
    }
    let config = connect::configuration(&arguments.whereabouts()).await?;
    let namespaces = arguments.namespace.clone();
    let source = connect::apart(move || Resources::new(config, namespaces)).await?;
    Ok(Some(source))
}

impl ResourceBackend {
    /// The backend that the command line names. `cluster` is what is watched.
    pub(super) async fn configured(
        sources: &SourceArguments,
        cluster: Option<&Cluster>,
    ) -> anyhow::Result<Option<Arc<dyn Backend>>> {
        let source = source(sources, cluster.is_some()).await?;
        let old_names = sources
            .backends
            .compat
            .contains(&Compatibility::MetricsServerProm);
        Ok(source.map(|source| {
            Arc::new(Self {
                inner: Arc::new(Inner {
                    source,
                    cluster: cluster.cloned(),
                    old_names,
                    shared: tokio::sync::Mutex::default(),
                    remarks: Mutex::default(),
                }),
            }) as Arc<dyn Backend>
        }))
    }
}

impl Backend for ResourceBackend {
    fn name(&self) -> &'static str {
        RESOURCES
    }

    fn instance(&self) -> &str {
        self.inner.source.instance()
    }

    fn read(&self, question: Question) -> Reading {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move { Ok(inner.read(question).await) })
    }

    fn remarks(&self) -> Vec<String> {
        let remarks = locked(&self.inner.remarks);
        let faults = remarks.faults.known().iter().map(ToString::to_string);
        faults
            .chain(remarks.hidden.iter().map(|hidden| format!("not seen: {hidden}")))
            .chain(remarks.absent.then(|| ABSENT.to_owned()))
            .collect()
    }
}

/// What is said where there is no metrics-server.
const ABSENT: &str = "no CPU and memory of nodes and containers: the API server has no metrics.k8s.io (is metrics-server installed?)";

impl Inner {
    /// Reads, or takes the reading of who asked just before: a page of ten thousand containers is not to be made ten times, nor has anybody
    /// who may ask for pages to make the API server list the cluster as often as he likes.
    async fn read(self: Arc<Self>, question: Question) -> Figures {
        let asked = Instant::now();
        let mut shared = self.shared.lock().await;
        let until = question.deadline.checked_sub(MARGIN).unwrap_or(question.deadline);
        let patience = until.saturating_duration_since(Instant::now());
        // What was missing for want of time may be had by who has more of it. What was under way already when this one asked is as new as what
        // he could have by now: were it read anew behind it, of two who come at the same distance each time one would never have any.
        let fresh = shared.as_ref().filter(|read| {
            let age = asked.saturating_duration_since(read.begun);
            (read.ended >= asked || age <= question.oldest.min(SHARED_FOR))
                && (read.figures.problem().is_none() || read.patience + MARGIN >= patience)
        });
        if let Some(fresh) = fresh {
            return fresh.figures.clone();
        }
        let begun = Instant::now();
        let figures = self.figures(until).await;
        *shared = Some(Read {
            begun,
            ended: Instant::now(),
            patience,
            figures: figures.clone(),
        });
        drop(shared);
        tokio::spawn(let_go(Arc::downgrade(&self), begun));
        figures
    }

    async fn figures(&self, deadline: Instant) -> Figures {
        let outcome = self.source.read(deadline).await;
        self.note(&outcome);
        if outcome.is_absent() {
            return Figures::Absent;
        }
        let problem = outcome.problem();
        let tenancy = outcome.reading.tenancy.as_ref();
        let claims = tenancy.map(|tenancy| Arc::new(cluster::map(Arc::clone(&tenancy.inventory))));
        let inventory = self.cluster.as_ref().map(Cluster::inventory).unwrap_or_default();
        Figures::Resources(Arc::new(ResourceFigures {
            map: resources::join(outcome.reading, &inventory),
            claims,
            problem,
            old_names: self.old_names,
        }))
    }

    fn note(&self, outcome: &ResourceOutcome) {
        let is_whole = outcome.problem().is_none();
        let hidden = outcome.hidden().collect();
        locked(&self.remarks).note(&outcome.reading.faults, hidden, outcome.is_absent(), is_whole);
    }
}

impl Remarks {
    /// Logs what was not said before. What a reading that is not whole does not say may be as it was.
    fn note(&mut self, faults: &[Fault], mut hidden: BTreeSet<String>, absent: bool, is_whole: bool) {
        let now = std::time::Instant::now();
        let stay = !is_whole && self.faults.known().len() + self.hidden.len() < MOST_REMEMBERED;
        if stay {
            let known = self.faults.known().iter().chain(faults).cloned();
            let all: Vec<Fault> = known.collect();
            self.faults.note(&all, now);
        } else {
            self.faults.note(faults, now);
        }
        for new in hidden.difference(&self.hidden) {
            tracing::info!("not seen: {new}");
        }
        if stay {
            hidden.append(&mut self.hidden);
        }
        self.hidden = hidden;
        let absent = absent || stay && self.absent;
        if absent && !self.absent {
            tracing::info!("{ABSENT}");
        }
        self.absent = absent;
    }
}

/// Keeps the reading that was begun then for no longer than it may be given to others.
async fn let_go(inner: Weak<Inner>, begun: Instant) {
    tokio::time::sleep_until(begun + SHARED_FOR).await;
    let Some(inner) = inner.upgrade() else { return };
    // Those who wait by now for a reading that took long come before this.
    let mut shared = inner.shared.lock().await;
    if shared.as_ref().is_some_and(|read| read.begun == begun) {
        *shared = None;
    }
}

/// What may be seen of the namespaces now, for a command that prints once.
pub(super) async fn inventory(sources: &SourceArguments, patience: Duration) -> anyhow::Result<Inventory> {
    let Some(source) = source(sources, false).await? else {
        bail!("no namespace is named");
    };
    let outcome = source.read(Instant::now() + patience).await;
    if let Some(problem) = outcome.problem() {
        if outcome.heard.iter().all(|heard| heard.error.is_some()) {
            bail!(problem);
        }
        tracing::warn!("{problem}");
    }
    for hidden in outcome.hidden() {
        tracing::info!("not seen: {hidden}");
    }
    let tenancy = outcome.reading.tenancy.unwrap_or_default();
    Ok(Arc::unwrap_or_clone(tenancy.inventory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reading_in_a_hurry_does_not_say_is_not_over() {
        let fault = |subject: &str| Fault::new(RESOURCES, subject, "no quantity");
        let hidden = || BTreeSet::from(["namespace shop: pods".to_owned()]);
        let mut remarks = Remarks::default();
        remarks.note(&[fault("a")], hidden(), true, true);
        remarks.note(&[fault("b")], BTreeSet::new(), false, false);
        assert_eq!(*remarks.faults.known(), BTreeSet::from([fault("a"), fault("b")]));
        assert_eq!(remarks.hidden, hidden());
        assert!(remarks.absent);
        remarks.note(&[fault("b")], BTreeSet::new(), false, true);
        assert_eq!(*remarks.faults.known(), BTreeSet::from([fault("b")]));
        assert!(remarks.hidden.is_empty() && !remarks.absent);
    }

    #[test]
    fn what_is_remembered_for_readings_that_are_never_whole_has_a_bound() {
        let mut remarks = Remarks::default();
        for round in 0..10 * MOST_REMEMBERED {
            let fault = Fault::new(RESOURCES, format!("pod-{round}"), "no quantity");
            remarks.note(&[fault], BTreeSet::new(), false, false);
        }
        assert!(remarks.faults.known().len() <= MOST_REMEMBERED);
    }
}
