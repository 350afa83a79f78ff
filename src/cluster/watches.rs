//! How it stands with the watch of each kind: whether all of it has been seen, since when, and what is in the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::fault::Fault;
use crate::model::inventory::{KUBERNETES, ResourceKind, WatchError, WatchProblem, WatchState};

/// A watch that was taken up goes on once nothing has spoken against it for so long. The server lets it begin before it says
/// that it has forgotten where it should go on.
const GRACE: Duration = Duration::from_secs(1);

/// The watches of all kinds that are read. Who changes it is told whether something stands otherwise after it.
#[derive(Debug, Default)]
pub(super) struct Watches {
    states: BTreeMap<ResourceKind, WatchState>,
    /// Kinds that a cluster need not have, of which nobody has said yet whether this one does.
    unanswered: BTreeSet<ResourceKind>,
    /// Those that were taken up after an error, and when.
    taken_up: BTreeMap<ResourceKind, Instant>,
    silence_ended: Option<Instant>,
}

impl Watches {
    /// Of these kinds, before anything was heard.
    pub(super) fn of(kinds: &[ResourceKind]) -> Self {
        let now = unix_now();
        let (optional, own): (Vec<_>, Vec<_>) = kinds.iter().partition(|kind| kind.is_optional());
        Self {
            states: own
                .into_iter()
                .map(|kind| (kind, WatchState::waiting(now)))
                .collect(),
            unanswered: optional.into_iter().collect(),
            ..Self::default()
        }
    }

    /// All that are read.
    pub(super) fn states(&self) -> &BTreeMap<ResourceKind, WatchState> {
        &self.states
    }

    /// Kinds that the cluster may have, and nobody has said.
    pub(super) fn unanswered(&self) -> &BTreeSet<ResourceKind> {
        &self.unanswered
    }

    /// True once all objects of the kind have been seen.
    pub(super) fn is_synced(&self, kind: ResourceKind) -> bool {
        self.states.get(&kind).is_some_and(|watch| watch.synced)
    }

    /// True while nobody answers who is asked for the kind.
    pub(super) fn is_unreachable(&self, kind: ResourceKind) -> bool {
        let problem = |watch: &WatchState| watch.problem() == Some(WatchProblem::Unreachable);
        self.states.get(&kind).is_some_and(problem)
    }

    /// All objects of the kind have been seen, and nothing stands in the way.
    pub(super) fn synced(&mut self, kind: ResourceKind) -> bool {
        self.taken_up.remove(&kind);
        let mut changed = self.answered(kind);
        if let Some(watch) = self.watch(kind)
            && !watch.is_heard()
        {
            watch.synced = true;
            watch.error = None;
            watch.since = unix_now();
            changed = true;
        }
        changed
    }

    /// The same of a kind that nobody watches.
    pub(super) fn hold_all(&mut self, kind: ResourceKind) -> bool {
        let waiting = || WatchState::waiting(unix_now());
        self.states.entry(kind).or_insert_with(waiting);
        self.synced(kind)
    }

    /// The server took up a watch of the kind. Where all objects were seen before, they are followed again.
    pub(super) fn taken_up(&mut self, kind: ResourceKind) {
        let in_error = |watch: &WatchState| watch.synced && watch.error.is_some();
        if self.states.get(&kind).is_some_and(in_error) {
            self.taken_up.insert(kind, Instant::now());
        }
    }

    /// The watch that was taken up cannot go on from where the last one ended.
    pub(super) fn forgotten(&mut self, kind: ResourceKind) {
        self.taken_up.remove(&kind);
    }

    /// Those that were taken up, and against which nothing has spoken, go on.
    pub(super) fn end_grace(&mut self) -> bool {
        let lasting = |(_, begun): &(&ResourceKind, &Instant)| begun.elapsed() >= GRACE;
        let mut changed = false;
        while let Some((kind, _)) = self.taken_up.iter().find(lasting) {
            let kind = *kind;
            changed |= self.synced(kind);
        }
        changed
    }

    /// The API server answers. True where it was not reached before: at most once a second, whoever else is not answered.
    pub(super) fn end_silence(&mut self, now: Instant) -> bool {
        let again = self.silence_ended.is_none_or(|ended| now - ended >= GRACE);
        let ends = again && self.states.keys().any(|kind| self.is_unreachable(*kind));
        if ends {
            self.silence_ended = Some(now);
        }
        ends
    }

    /// The API server has said whether there is such a kind, or cannot be asked.
    pub(super) fn answered(&mut self, kind: ResourceKind) -> bool {
        self.unanswered.remove(&kind)
    }

    /// Nobody says which engines' kinds there are.
    pub(super) fn engines_are_not_known(&mut self) -> bool {
        let before = self.unanswered.len();
        self.unanswered.retain(|kind| !kind.is_engines());
        self.unanswered.len() != before
    }

    /// The cluster does not have the kind, or not any more.
    pub(super) fn is_without(&mut self, kind: ResourceKind) -> bool {
        self.taken_up.remove(&kind);
        let was_awaited = self.answered(kind);
        self.states.remove(&kind).is_some() || was_awaited
    }

    /// Something stands in the way of reading a kind.
    pub(super) fn failed(&mut self, kind: ResourceKind, error: WatchError) -> bool {
        let was_awaited = self.answered(kind);
        // Of a kind that there may not be, silence says nothing; that it may not be read, or that the server fails at it, does. An
        // engine's kind is asked for only where discovery has found it.
        let says_it_is_there = matches!(
            error.problem,
            WatchProblem::Forbidden | WatchProblem::Failing | WatchProblem::Throttled
        );
        let is_heard_of = !kind.is_optional() || kind.is_engines() || self.states.contains_key(&kind);
        if !is_heard_of && !says_it_is_there {
            return was_awaited;
        }
        let Some(watch) = self.watch(kind) else {
            return was_awaited;
        };
        watch.errors += 1;
        // The same trouble again is no news, even where its words differ a little.
        let is_news = watch.problem() != Some(error.problem);
        if is_news {
            if watch.error.is_none() {
                watch.since = unix_now();
            }
            watch.error = Some(error);
        }
        self.taken_up.remove(&kind);
        is_news || was_awaited
    }

    /// How it stands with a kind that is read. One that a cluster need not have is read from when it is first heard of.
    fn watch(&mut self, kind: ResourceKind) -> Option<&mut WatchState> {
        if kind.is_optional() {
            let waiting = || WatchState::waiting(unix_now());
            Some(self.states.entry(kind).or_insert_with(waiting))
        } else {
            self.states.get_mut(&kind)
        }
    }

    /// What is in the way. An API server that does not answer is one fault, not one for each kind.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut silent: BTreeMap<WatchProblem, (&str, Vec<&str>)> = BTreeMap::new();
        let mut faults = Vec::new();
        for (kind, watch) in &self.states {
            let Some(error) = &watch.error else { continue };
            match &error.rule {
                Some(rule) => faults.push(Fault::new(
                    KUBERNETES,
                    kind.name(),
                    format!("{} (a ClusterRole grants it by the rule {rule})", error.message),
                )),
                None => silent
                    .entry(error.problem)
                    .or_insert_with(|| (&error.message, Vec::new()))
                    .1
                    .push(kind.name()),
            }
        }
        for (problem, (message, kinds)) in silent {
            let subject = kinds.join(", ");
            faults.push(Fault::new(
                KUBERNETES,
                subject,
                format!("{}: {message}", problem.as_str()),
            ));
        }
        faults
    }
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|passed| i64::try_from(passed.as_secs()).ok())
        .unwrap_or_default()
}
