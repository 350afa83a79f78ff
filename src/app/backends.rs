//! The backends that are configured, and what they said last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::locked;
use super::resources::ResourceBackend;
use crate::args::SourceArguments;
use crate::backends::{Backend, Question};
use crate::cluster::Cluster;
use crate::model::backend::{BackendOutcome, BackendReadings, Figures};

/// Which backends a page has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Selection {
    /// All.
    #[default]
    All,
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

    fn has(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
            Self::AllBut(names) => !names.contains(name),
        }
    }
}

/// The backends that are configured.
#[derive(Debug, Default)]
pub(super) struct Backends {
    all: Vec<Arc<dyn Backend>>,
    /// How each fared when it was last asked, by its place in `all`.
    latest: Mutex<BTreeMap<usize, BackendOutcome>>,
}

impl Backends {
    /// Those that the command line names. `cluster` is what is watched, if anything is.
    pub(super) async fn configured(
        sources: &SourceArguments,
        cluster: Option<&Cluster>,
    ) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        all.extend(ResourceBackend::configured(sources, cluster).await?);
        Ok(Self::new(all))
    }

    /// These.
    pub(super) fn new(all: Vec<Arc<dyn Backend>>) -> Self {
        Self {
            all,
            latest: Mutex::default(),
        }
    }

    /// True where none is configured.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
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
        let mut asked = JoinSet::new();
        for (at, backend) in self.all.iter().enumerate() {
            if wanted.has(backend.name()) {
                let reading = backend.read(question);
                let (backend, instance) = (backend.name(), backend.instance().to_owned());
                asked.spawn(async move {
                    let started = Instant::now();
                    let read = timeout_at(question.deadline, reading).await.unwrap_or_else(|_| {
                        let seconds = started.elapsed().as_secs_f64();
                        Err(format!(
                            "no answer within the {seconds:.1} s that the scrape leaves"
                        ))
                    });
                    let outcome = BackendOutcome {
                        backend,
                        instance,
                        error: match &read {
                            Ok(figures) => figures.problem().map(str::to_owned),
                            Err(error) => Some(error.clone()),
                        },
                        duration: started.elapsed(),
                    };
                    (at, outcome, read.ok())
                });
            }
        }
        // In the order of the configuration, whoever was quickest.
        let mut answered: BTreeMap<usize, (BackendOutcome, Option<Figures>)> = BTreeMap::new();
        while let Some(joined) = asked.join_next().await {
            if let Ok((at, outcome, figures)) = joined {
                answered.insert(at, (outcome, figures));
            }
        }
        let mut readings = BackendReadings::default();
        for (at, (outcome, figures)) in answered {
            if matches!(figures, Some(Figures::Absent)) {
                locked(&self.latest).remove(&at);
                continue;
            }
            self.note(at, &outcome);
            readings.outcomes.push(outcome);
            readings.figures.extend(figures);
        }
        readings
    }

    /// Each change is logged once: that a backend fails, that it fails for another reason, and that it answers again.
    fn note(&self, at: usize, outcome: &BackendOutcome) {
        let before = locked(&self.latest).insert(at, outcome.clone());
        let before = before.as_ref().map(|outcome| outcome.error.as_deref());
        let BackendOutcome {
            backend, instance, ..
        } = outcome;
        match (before, outcome.error.as_deref()) {
            (Some(before), now) if before.map(without_figures) == now.map(without_figures) => {}
            (_, Some(error)) => tracing::warn!(backend, instance, "{backend} {instance}: {error}"),
            (None, None) => tracing::info!(backend, instance, "{backend} {instance}: answers"),
            (Some(_), None) => tracing::info!(backend, instance, "{backend} {instance}: answers again"),
        }
    }
}

/// A reason without its figures: times differ from scrape to scrape, and are no other reason.
fn without_figures(reason: &str) -> String {
    reason.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::Reading;
    use crate::model::backend::POWERFLEX;
    use crate::model::powerflex::System;
    use std::time::Duration;

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
                    Some(error) => Err(error.to_owned()),
                    None => Ok(Figures::PowerFlex(Arc::new(System { name }))),
                }
            })
        }
    }

    fn question(patience: Duration) -> Question {
        Question {
            deadline: Instant::now() + patience,
            oldest: Duration::ZERO,
        }
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
            .map(|outcome| (outcome.instance.as_str(), outcome.error.as_deref()))
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
        assert_eq!(states[1].2.as_ref().unwrap().error.as_deref(), Some("refused"));
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
        assert_eq!(
            without_figures("no answer within 4.9 s"),
            without_figures("no answer within 5.0 s")
        );
    }
}
