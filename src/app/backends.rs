//! The backends that are configured, and what they said last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::fault_log::FaultLog;
use super::resources::ResourceBackend;
use crate::args::{Compatibility, SourceArguments};
use crate::backends::powerflex::PowerFlex;
use crate::backends::powerflex::configuration;
use crate::backends::powerflex::credentials::{SecretEntries, SecretReader};
use crate::backends::{Backend, Question};
use crate::cluster::connect::Whereabouts;
use crate::cluster::{Cluster, secret};
use crate::link::powerflex;
use crate::lock::locked;
use crate::model::backend::{BackendOutcome, BackendReadings, Failure, Figures};
use crate::model::cluster_map::ClusterMap;

/// Which backends a page has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Selection {
    /// All.
    #[default]
    All,
    /// Those that Scope shows.
    InScope,
    /// These.
    Only(BTreeSet<String>),
    /// All but these.
    AllBut(BTreeSet<String>),
}

impl Selection {
    /// One backend.
    pub(super) fn only(name: &str) -> Self {
        Self::Only(BTreeSet::from([name.to_owned()]))
    }

    /// What `collect[]` and `exclude[]` say, as node_exporter understands them. An error is a line for who asked.
    pub(super) fn asked(collect: Vec<String>, exclude: Vec<String>, known: &[&str]) -> Result<Self, String> {
        if let Some(unknown) = collect
            .iter()
            .chain(&exclude)
            .find(|name| !known.contains(&name.as_str()))
        {
            return Err(format!(
                "there is no backend {unknown:?} here; there are: {}",
                known.join(", ")
            ));
        }
        match (collect.is_empty(), exclude.is_empty()) {
            (true, true) => Ok(Self::All),
            (false, true) => Ok(Self::Only(collect.into_iter().collect())),
            (true, false) => Ok(Self::AllBut(exclude.into_iter().collect())),
            (false, false) => Err("give collect[] or exclude[], not both".to_owned()),
        }
    }

    fn has(&self, backend: &dyn Backend) -> bool {
        match self {
            Self::All => true,
            Self::InScope => backend.is_shown_in_scope(),
            Self::Only(names) => names.contains(backend.name()),
            Self::AllBut(names) => !names.contains(backend.name()),
        }
    }
}

/// How long Scope's question may wait for backends.
const SCOPE_PATIENCE: Duration = Duration::from_millis(100);
/// How old a reading that is shown to Scope may be: it asks every second, and an array's own window is as long as this.
const SHOWN_FOR: Duration = Duration::from_secs(5);
/// Who is given less time than this, and does not answer or not in full, is not known to be slow: whoever asks is in a hurry.
const HURRY: Duration = Duration::from_secs(1);

/// For so long after somebody else had more time, or an answer, it is he who tells how a backend fares: a minute from scrape to scrape is usual.
const TOLD_BY_OTHERS: Duration = Duration::from_secs(120);

/// How long an answer took, and the answer.
type Asked = (Duration, Option<Result<Figures, Failure>>);

/// The backends that are configured.
#[derive(Debug)]
pub(super) struct Backends {
    all: Vec<Arc<dyn Backend>>,
    /// How each fared when it was last asked, by its place in `all`.
    latest: Mutex<BTreeMap<usize, BackendOutcome>>,
    /// When one was last noted, by its place; who never was counts from the start.
    noted: Mutex<BTreeMap<usize, Instant>>,
    started: Instant,
    /// What of each one's answers could not be understood.
    faults: Mutex<BTreeMap<usize, FaultLog>>,
    scaleio_names: bool,
}

impl Backends {
    /// Those that the command line names. `cluster` is what is watched, if anything is.
    pub(super) async fn configured(
        sources: &SourceArguments,
        cluster: Option<&Cluster>,
    ) -> anyhow::Result<Self> {
        sources.powerflex_fits()?;
        let mut all: Vec<Arc<dyn Backend>> = Vec::new();
        if let Some(file) = &sources.backends.powerflex {
            let secrets: Arc<dyn SecretReader> = Arc::new(KubernetesSecrets {
                whereabouts: sources.cluster.whereabouts(),
            });
            for settings in configuration::read(file).await? {
                if settings.insecure {
                    tracing::warn!(
                        "powerflex {}: its certificate is not checked, as its settings want it: whoever is in between has the password",
                        settings.name
                    );
                }
                all.push(Arc::new(PowerFlex::new(settings, Arc::clone(&secrets))));
            }
        }
        all.extend(ResourceBackend::configured(sources, cluster).await?);
        Ok(Self {
            scaleio_names: sources.backends.compat.contains(&Compatibility::Scaleio),
            ..Self::new(all)
        })
    }

    /// These.
    pub(super) fn new(all: Vec<Arc<dyn Backend>>) -> Self {
        Self {
            all,
            latest: Mutex::default(),
            noted: Mutex::default(),
            started: Instant::now(),
            faults: Mutex::default(),
            scaleio_names: false,
        }
    }

    /// True where none is configured.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// True where Scope shows one of them.
    pub(super) fn are_in_scope(&self) -> bool {
        self.all.iter().any(|backend| backend.is_shown_in_scope())
    }

    /// What they are, each name once.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let names: BTreeSet<_> = self.all.iter().map(|backend| backend.name()).collect();
        names.into_iter().collect()
    }

    /// For each instance what it is, which one, and how it fared when it was last asked.
    pub(super) fn states(&self) -> Vec<(&'static str, String, Option<BackendOutcome>)> {
        let latest = locked(&self.latest);
        let all = self.all.iter().enumerate();
        all.map(|(at, backend)| {
            (
                backend.name(),
                backend.instance().to_owned(),
                latest.get(&at).cloned(),
            )
        })
        .collect()
    }

    /// What each thought worth a remark when it was last read.
    pub(super) fn remarks(&self) -> Vec<String> {
        self.all.iter().flat_map(|backend| backend.remarks()).collect()
    }

    /// Asks all that are wanted, at the same time, and waits for none beyond the question's deadline.
    pub(super) async fn collect(&self, wanted: &Selection, question: Question) -> BackendReadings {
        let mut readings = BackendReadings {
            scaleio_names: self.scaleio_names,
            ..BackendReadings::default()
        };
        let given = question.deadline.saturating_duration_since(Instant::now());
        for (at, (duration, answer)) in self.asked(wanted, question).await {
            let is_hurried = match &answer {
                Some(Ok(figures)) => figures.problem().is_some() && given < HURRY,
                Some(Err(_)) => false,
                None => duration < HURRY,
            };
            let read = answer.unwrap_or_else(|| {
                let seconds = duration.as_secs_f64();
                Err(Failure::too_slow(format!(
                    "no answer within the {seconds:.1} s that the scrape leaves"
                )))
            });
            if matches!(read, Ok(Figures::Absent)) {
                locked(&self.latest).remove(&at);
                continue;
            }
            let outcome = self.outcome(at, duration, &read);
            // Where nobody ever has more time, his is all that is known.
            if !is_hurried || self.noted_at(at).elapsed() >= TOLD_BY_OTHERS {
                self.note(at, &outcome);
            }
            self.note_faults(at, read.as_ref().ok());
            readings.outcomes.push(outcome);
            readings.figures.extend(read);
        }
        readings
    }

    /// What there is to show to Scope, which waits for a fraction of a second: a reading of some seconds ago will do, and one that is not
    /// there yet comes with the next report. So that nobody's slowness is taken for a failure here.
    pub(super) async fn for_scope(&self) -> BackendReadings {
        let question = Question {
            deadline: Instant::now() + SCOPE_PATIENCE,
            oldest: SHOWN_FOR,
            is_awaited: false,
        };
        let mut readings = BackendReadings::default();
        for (at, (duration, answer)) in self.asked(&Selection::InScope, question).await {
            if let Some(read) = answer {
                self.note(at, &self.outcome(at, duration, &read));
                self.note_faults(at, read.as_ref().ok());
                readings.figures.extend(read);
            }
        }
        readings
    }

    fn outcome(&self, at: usize, duration: Duration, read: &Result<Figures, Failure>) -> BackendOutcome {
        BackendOutcome {
            backend: self.all[at].name(),
            instance: self.all[at].instance().to_owned(),
            error: match read {
                Ok(figures) => figures.problem().map(Failure::new),
                Err(error) => Some(error.clone()),
            },
            duration,
        }
    }

    /// The answers by their place in `all`, in the order of the configuration, whoever was quickest; `None` for who did not
    /// answer in time.
    async fn asked(&self, wanted: &Selection, question: Question) -> BTreeMap<usize, Asked> {
        let mut asked = JoinSet::new();
        for (at, backend) in self.all.iter().enumerate() {
            if wanted.has(&**backend) {
                let reading = backend.read(question);
                asked.spawn(async move {
                    let started = Instant::now();
                    let read = timeout_at(question.deadline, reading).await.ok();
                    (at, (started.elapsed(), read))
                });
            }
        }
        asked.join_all().await.into_iter().collect()
    }

    /// What could not be understood is logged when it comes and when it goes. Who gave no reading has none to compare.
    fn note_faults(&self, at: usize, figures: Option<&Figures>) {
        if let Some(Figures::PowerFlex(system)) = figures {
            let mut known = locked(&self.faults);
            known
                .entry(at)
                .or_default()
                .note(&system.faults, std::time::Instant::now());
        }
    }

    fn noted_at(&self, at: usize) -> Instant {
        locked(&self.noted).get(&at).copied().unwrap_or(self.started)
    }

    /// Each change is logged once: that a backend fails, that it fails for another reason, and that it answers again.
    fn note(&self, at: usize, outcome: &BackendOutcome) {
        locked(&self.noted).insert(at, Instant::now());
        let before = locked(&self.latest).insert(at, outcome.clone());
        let before = before.as_ref().map(|outcome| outcome.error.as_ref());
        let BackendOutcome {
            backend, instance, ..
        } = outcome;
        match (before, outcome.error.as_ref()) {
            (Some(None), None) => {}
            (Some(Some(before)), Some(now)) if is_same(before, now) => {}
            (_, Some(Failure { reason, .. })) => {
                tracing::warn!(backend, instance, "{backend} {instance}: {reason}");
            }
            (None, None) => tracing::info!(backend, instance, "{backend} {instance}: answers"),
            (Some(_), None) => tracing::info!(backend, instance, "{backend} {instance}: answers again"),
        }
    }
}

/// Readings with what joins them to the cluster's objects.
pub(super) fn joined(mut readings: BackendReadings, map: Option<&ClusterMap>) -> BackendReadings {
    if let Some(map) = map {
        let systems: Vec<_> = readings.powerflex().map(|system| &**system).collect();
        readings.powerflex_volumes = powerflex::places(map, &systems);
    }
    readings
}

/// Secrets of the cluster, read through its API.
#[derive(Debug)]
struct KubernetesSecrets {
    whereabouts: Whereabouts,
}

impl SecretReader for KubernetesSecrets {
    fn read(&self, namespace: Option<&str>, name: &str) -> SecretEntries {
        let whereabouts = self.whereabouts.clone();
        let (namespace, name) = (namespace.map(ToOwned::to_owned), name.to_owned());
        Box::pin(async move { secret::read(&whereabouts, namespace.as_deref(), &name).await })
    }
}

/// True where nothing new is to be said.
fn is_same(before: &Failure, now: &Failure) -> bool {
    before.too_slow && now.too_slow || without_figures(&before.reason) == without_figures(&now.reason)
}

/// A reason without its figures: times differ from scrape to scrape, and are no other reason. An HTTP status is one.
fn without_figures(reason: &str) -> String {
    let mut before = "";
    let mut plain = String::with_capacity(reason.len());
    for word in reason.split(' ') {
        plain.extend(
            word.chars()
                .filter(|letter| before == "HTTP" || !letter.is_ascii_digit()),
        );
        plain.push(' ');
        before = word;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::Reading;
    use crate::model::backend::{POWERFLEX, RESOURCES};
    use crate::model::powerflex::System;
    use crate::model::resources::ResourceFigures;

    #[derive(Debug)]
    struct Scripted {
        instance: &'static str,
        answers_after: Duration,
        error: Option<&'static str>,
    }

    impl Backend for Scripted {
        fn name(&self) -> &'static str {
            POWERFLEX
        }

        fn instance(&self) -> &str {
            self.instance
        }

        fn read(&self, _: Question) -> Reading {
            let (after, error, name) = (self.answers_after, self.error, self.instance.to_owned());
            Box::pin(async move {
                tokio::time::sleep(after).await;
                match error {
                    Some(error) => Err(Failure::new(error)),
                    None => Ok(Figures::PowerFlex(Arc::new(System::new(name)))),
                }
            })
        }
    }

    fn question(patience: Duration) -> Question {
        Question::of_a_command(Instant::now() + patience)
    }

    fn backends(all: [(&'static str, u64, Option<&'static str>); 3]) -> Backends {
        let scripted = all.map(|(instance, seconds, error)| {
            Arc::new(Scripted {
                instance,
                answers_after: Duration::from_secs(seconds),
                error,
            }) as Arc<dyn Backend>
        });
        Backends::new(scripted.into())
    }

    #[tokio::test]
    async fn one_that_hangs_or_fails_costs_its_own_figures() {
        let backends = backends([
            ("slow", 3600, None),
            ("dead", 0, Some("refused")),
            ("well", 0, None),
        ]);
        let started = Instant::now();
        let readings = backends
            .collect(&Selection::All, question(Duration::from_millis(300)))
            .await;
        assert!((300..3000).contains(&started.elapsed().as_millis()));
        let outcomes: Vec<_> = readings
            .outcomes
            .iter()
            .map(|outcome| {
                let error = outcome.error.as_ref();
                (
                    outcome.instance.as_str(),
                    error.map(|error| error.reason.as_str()),
                )
            })
            .collect();
        assert_eq!(
            outcomes,
            [
                ("slow", Some("no answer within the 0.3 s that the scrape leaves")),
                ("dead", Some("refused")),
                ("well", None),
            ]
        );
        assert!(matches!(&readings.figures[..], [Figures::PowerFlex(system)] if system.name == "well"));
        let states = backends.states();
        assert_eq!(states[1].2.as_ref().unwrap().error, Some(Failure::new("refused")));
    }

    #[tokio::test]
    async fn who_is_in_a_hurry_is_told_so_and_nobody_is_called_slow() {
        let backends = backends([("slow", 3600, None), ("well", 0, None), ("quick", 0, None)]);
        let readings = backends
            .collect(&Selection::All, question(Duration::from_millis(10)))
            .await;
        assert!(readings.outcomes[0].error.is_some());
        assert!(backends.states()[0].2.is_none());
    }

    /// Metrics of the API server, of which some came in time.
    #[derive(Debug)]
    struct Partial;

    impl Backend for Partial {
        fn name(&self) -> &'static str {
            RESOURCES
        }

        fn instance(&self) -> &'static str {
            "api"
        }

        fn read(&self, _: Question) -> Reading {
            let figures = ResourceFigures {
                problem: Some("nodes: no whole answer within 0.1 s".to_owned()),
                ..ResourceFigures::default()
            };
            Box::pin(async move { Ok(Figures::Resources(Arc::new(figures))) })
        }
    }

    #[tokio::test]
    async fn what_did_not_all_come_for_who_is_in_a_hurry_is_not_called_slow_either() {
        let backends = Backends {
            all: vec![Arc::new(Partial)],
            ..backends([("slow", 0, None), ("well", 0, None), ("quick", 0, None)])
        };
        let ask = |patience| backends.collect(&Selection::All, question(patience));
        let readings = ask(Duration::from_millis(500)).await;
        assert!(readings.outcomes[0].error.is_some(), "he is told");
        assert!(backends.states()[0].2.is_none());
        ask(Duration::from_secs(5)).await;
        assert!(backends.states()[0].2.as_ref().unwrap().error.is_some());
    }

    #[tokio::test]
    async fn where_nobody_has_time_what_does_not_answer_is_called_slow_all_the_same() {
        let backends = backends([("slow", 3600, None), ("well", 0, None), ("quick", 0, None)]);
        let ask = || backends.collect(&Selection::All, question(Duration::from_millis(10)));
        // It answered once, and nobody who had time has asked it since.
        let answered = backends.outcome(
            0,
            Duration::ZERO,
            &Ok(Figures::PowerFlex(Arc::new(System::new("slow".to_owned())))),
        );
        backends.note(0, &answered);
        ask().await;
        assert!(backends.states()[0].2.as_ref().unwrap().error.is_none());
        let later = Instant::now().checked_sub(TOLD_BY_OTHERS).unwrap();
        locked(&backends.noted).insert(0, later);
        ask().await;
        assert!(backends.states()[0].2.as_ref().unwrap().error.is_some());
    }

    #[tokio::test]
    async fn who_is_not_wanted_is_not_asked() {
        let backends = backends([("a", 0, None), ("b", 0, None), ("c", 0, None)]);
        let asked = |collect: &[&str], exclude: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            Selection::asked(owned(collect), owned(exclude), &backends.names())
        };
        let question = question(Duration::from_secs(5));
        let none = asked(&[], &[POWERFLEX]).unwrap();
        assert!(backends.collect(&none, question).await.outcomes.is_empty());
        assert!(backends.states().iter().all(|(_, _, latest)| latest.is_none()));
        let all = asked(&[POWERFLEX], &[]).unwrap();
        assert_eq!(backends.collect(&all, question).await.outcomes.len(), 3);
        assert_eq!(asked(&[], &[]), Ok(Selection::All));
        assert!(asked(&[POWERFLEX], &[POWERFLEX]).is_err());
        assert!(asked(&["disks"], &[]).unwrap_err().contains("powerflex"));
    }

    #[test]
    fn another_time_is_no_other_reason() {
        let (one, other) = ("no answer within 4.9 s", "no answer within 5.0 s");
        assert!(is_same(&Failure::new(one), &Failure::new(other)));
        let (one, other) = (Failure::too_slow(one), Failure::too_slow("no whole reading"));
        assert!(is_same(&one, &other));
        assert!(!is_same(&one, &Failure::new("refused")));
        assert!(!is_same(&Failure::new("refused"), &Failure::new("reset")));
        let (one, other) = (
            "the API server answers HTTP 500",
            "the API server answers HTTP 503",
        );
        assert!(!is_same(&Failure::new(one), &Failure::new(other)));
    }
}
