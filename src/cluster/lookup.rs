//! Claims and volumes that a node's pods name, read one by one, so that no node lists the whole cluster.
//!
//! Each is read when a pod first names it, again every ten minutes, and more often while it is not bound. What no pod
//! names any more is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use kube::{Api, Client};
use tokio::time::Instant;

use super::live::{Live, Shared};
use super::object::{Object, Watched};
use super::problem::{self, LOOKED_UP};
use crate::model::inventory::{ResourceKind, WatchError, WatchProblem};
use crate::model::workload::{Claim, ClaimPhase, NamespacedName, PersistentVolume, VolumePhase};

/// Requests in flight at once. A node's restart must not be a burst.
const AT_ONCE: usize = 4;
/// The first pause after a failure, or before an unbound claim is read again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// When each object that is named has to be read.
#[derive(Debug)]
pub(super) struct Schedule<K> {
    entries: BTreeMap<K, Entry>,
    /// How long an answer holds that is not expected to change.
    holds: Duration,
}

#[derive(Debug)]
struct Entry {
    due: Instant,
    named_by: BTreeSet<String>,
    /// How often in a row the answer was not final.
    tries: u32,
    answered: bool,
    failed: bool,
}

/// How an attempt to read an object ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is there and bound.
    Settled,
    /// It is not there, or not bound yet.
    Changing,
    /// There was no answer.
    Failed,
}

impl<K: Ord + Clone> Schedule<K> {
    /// Nothing is named yet.
    pub(super) fn new(holds: Duration) -> Self {
        Self {
            entries: BTreeMap::new(),
            holds,
        }
    }

    /// Takes in what is named now, and by whom. An object that somebody new names is read at once: claims are made anew
    /// under the same name. Gives what is not named any more.
    pub(super) fn want(&mut self, mut wanted: BTreeMap<K, BTreeSet<String>>, now: Instant) -> Vec<K> {
        let gone: Vec<K> = self
            .entries
            .keys()
            .filter(|key| !wanted.contains_key(key))
            .cloned()
            .collect();
        for key in &gone {
            self.entries.remove(key);
        }
        for (key, entry) in &mut self.entries {
            let named_by = wanted.remove(key).unwrap_or_default();
            if !named_by.is_subset(&entry.named_by) {
                entry.due = now;
                entry.tries = 0;
            }
            entry.named_by = named_by;
        }
        for (key, named_by) in wanted {
            let entry = Entry {
                due: now,
                named_by,
                tries: 0,
                answered: false,
                failed: false,
            };
            self.entries.insert(key, entry);
        }
        gone
    }

    /// What has to be read now.
    pub(super) fn due(&self, now: Instant) -> Vec<K> {
        self.entries
            .iter()
            .filter(|(_, entry)| entry.due <= now)
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// When something has to be read next; `None` while nothing is named.
    pub(super) fn next(&self) -> Option<Instant> {
        self.entries.values().map(|entry| entry.due).min()
    }

    /// An attempt ended. `jitter`, from 0 to 1, spreads the next ones of many nodes.
    pub(super) fn done(&mut self, key: &K, outcome: Outcome, now: Instant, jitter: f64) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        entry.failed = outcome == Outcome::Failed;
        entry.answered |= !entry.failed;
        let pause = if outcome == Outcome::Settled {
            entry.tries = 0;
            self.holds
        } else {
            let pause = FIRST_PAUSE.saturating_mul(1 << entry.tries.min(10));
            entry.tries += 1;
            pause.min(LONGEST_PAUSE).min(self.holds)
        };
        entry.due = now + pause.mul_f64(0.8 + 0.4 * jitter);
    }

    /// True once all that is named was answered for.
    pub(super) fn is_complete(&self) -> bool {
        self.entries.values().all(|entry| entry.answered)
    }

    /// True while the last attempt at something failed.
    pub(super) fn is_failing(&self) -> bool {
        self.entries.values().any(|entry| entry.failed)
    }
}

/// Follows the claims and volumes that the pods name, for ever.
pub(super) async fn follow(client: Client, holds: Duration, patience: Duration, shared: Arc<Shared>) {
    let mut claims = Schedule::new(holds);
    let mut volumes = Schedule::new(holds);
    loop {
        // Claims first: they name the volumes.
        let now = Instant::now();
        {
            let mut live = shared.live();
            let named = named_claims(&mut live);
            for gone in claims.want(named, now) {
                live.remove::<Claim>(&gone);
            }
        }
        let due = claims.due(now);
        let claims_asked = !due.is_empty();
        let answers = stream::iter(due)
            .map(|name| {
                let api: Api<Object<Claim>> = Api::namespaced(client.clone(), &name.namespace);
                async move {
                    let answer = get(&api, &name.name, patience).await;
                    (name, answer)
                }
            })
            .buffer_unordered(AT_ONCE);
        let mut answers = std::pin::pin!(answers);
        while let Some((name, answer)) = answers.next().await {
            let settled = |claim: &Claim| claim.phase == Some(ClaimPhase::Bound);
            let outcome = take_in(&shared, &name, answer, settled);
            claims.done(&name, outcome, Instant::now(), random());
        }
        report::<Claim, _>(&shared, &claims, ResourceKind::Pods);

        let now = Instant::now();
        {
            let mut live = shared.live();
            let named = named_volumes(&mut live);
            for gone in volumes.want(named, now) {
                live.remove::<PersistentVolume>(&gone);
            }
        }
        let api: Api<Object<PersistentVolume>> = Api::all(client.clone());
        let answers = stream::iter(volumes.due(now))
            .map(|name| {
                let api = api.clone();
                async move {
                    let answer = get(&api, &name, patience).await;
                    (name, answer)
                }
            })
            .buffer_unordered(AT_ONCE);
        let mut answers = std::pin::pin!(answers);
        while let Some((name, answer)) = answers.next().await {
            let settled = |volume: &PersistentVolume| volume.phase == Some(VolumePhase::Bound);
            let outcome = take_in(&shared, &name, answer, settled);
            volumes.done(&name, outcome, Instant::now(), random());
        }
        report::<PersistentVolume, _>(&shared, &volumes, ResourceKind::Claims);

        let next = [claims.next(), volumes.next()].into_iter().flatten().min();
        let far = Instant::now() + LONGEST_PAUSE;
        tokio::select! {
            () = shared.names_changed.notified() => {}
            () = tokio::time::sleep_until(next.unwrap_or(far)) => {}
        }
        // Answers that come at once must not keep the one thread for themselves.
        if claims_asked {
            tokio::task::yield_now().await;
        }
    }
}

type Answer<T> = Result<Option<Object<T>>, Option<WatchError>>;

async fn get<T: Watched>(api: &Api<Object<T>>, name: &str, patience: Duration) -> Answer<T>
where
    Object<T>: kube::Resource<DynamicType = ()>,
{
    // The transport limits how long the head of an answer takes, and this how long its body does.
    let patience = patience * 3 / 2;
    match tokio::time::timeout(patience, api.get_opt(name)).await {
        Ok(Ok(object)) => Ok(object),
        Ok(Err(error)) => Err(problem::of_request(T::KIND, &error, LOOKED_UP)),
        Err(_) => Err(Some(WatchError {
            problem: WatchProblem::Unreachable,
            message: format!("no answer within {} s", patience.as_secs_f32()),
            rule: None,
        })),
    }
}

fn take_in<T: super::live::Indexed>(
    shared: &Shared,
    key: &T::Key,
    answer: Answer<T>,
    settled: impl Fn(&T) -> bool,
) -> Outcome {
    let mut live = shared.live();
    match answer {
        Ok(Some(object)) => {
            let bound = object.value.as_deref().is_some_and(settled);
            live.put(object);
            if bound {
                Outcome::Settled
            } else {
                Outcome::Changing
            }
        }
        Ok(None) => {
            live.remove::<T>(key);
            Outcome::Changing
        }
        Err(error) => {
            if let Some(error) = error {
                live.failed::<T>(error);
            }
            Outcome::Failed
        }
    }
}

/// All that is named is known once those that name it are.
fn report<T: Watched, K: Ord + Clone>(shared: &Shared, schedule: &Schedule<K>, named_by: ResourceKind) {
    let mut live = shared.live();
    if schedule.is_complete() && !schedule.is_failing() && live.is_synced(named_by) {
        live.synced(T::KIND);
    }
}

fn named_claims(live: &mut Live) -> BTreeMap<NamespacedName, BTreeSet<String>> {
    let mut named: BTreeMap<NamespacedName, BTreeSet<String>> = BTreeMap::new();
    for pod in live.inventory().pods.values() {
        for (_, claim) in pod.claims().filter(|(_, claim)| !claim.is_empty()) {
            named
                .entry(NamespacedName::new(pod.name.namespace.clone(), claim))
                .or_default()
                .insert(pod.uid.clone());
        }
    }
    named
}

fn named_volumes(live: &mut Live) -> BTreeMap<String, BTreeSet<String>> {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for claim in live.inventory().claims.values() {
        if let Some(volume) = &claim.volume {
            named.entry(volume.clone()).or_default().insert(claim.uid.clone());
        }
    }
    named
}

/// From 0 to 1, another each time.
fn random() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_MINUTES: Duration = Duration::from_secs(600);

    fn named(names: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
        names
            .iter()
            .map(|(name, by)| ((*name).to_owned(), by.iter().map(|by| (*by).to_owned()).collect()))
            .collect()
    }

    #[test]
    fn what_is_named_is_read_once_and_again_after_ten_minutes() {
        let start = Instant::now();
        let mut schedule = Schedule::new(TEN_MINUTES);
        assert_eq!(schedule.next(), None);
        assert!(schedule.is_complete());
        assert_eq!(
            schedule.want(named(&[("data", &["pod-1"])]), start),
            [] as [String; 0]
        );
        assert!(!schedule.is_complete());
        assert_eq!(schedule.due(start), ["data"]);
        schedule.done(&"data".to_owned(), Outcome::Settled, start, 0.0);
        assert!(schedule.is_complete());
        assert_eq!(schedule.due(start + TEN_MINUTES.mul_f64(0.79)), [] as [String; 0]);
        assert_eq!(schedule.due(start + TEN_MINUTES.mul_f64(0.81)), ["data"]);
    }

    #[test]
    fn what_is_not_bound_is_read_more_and_more_rarely() {
        let mut now = Instant::now();
        let mut schedule = Schedule::new(TEN_MINUTES);
        schedule.want(named(&[("data", &["pod-1"])]), now);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            schedule.done(&"data".to_owned(), Outcome::Changing, now, 0.5);
            let next = schedule.next().unwrap();
            pauses.push(next.saturating_duration_since(now).as_secs());
            now = next;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_claim_that_another_pod_names_is_read_at_once() {
        let start = Instant::now();
        let mut schedule = Schedule::new(TEN_MINUTES);
        schedule.want(named(&[("data", &["pod-1"])]), start);
        schedule.done(&"data".to_owned(), Outcome::Settled, start, 0.5);
        schedule.want(named(&[("data", &["pod-1"])]), start);
        assert_eq!(schedule.due(start), [] as [String; 0]);
        // It may be another claim of the same name.
        schedule.want(named(&[("data", &["pod-2"])]), start);
        assert_eq!(schedule.due(start), ["data"]);
    }

    #[test]
    fn what_nobody_names_is_forgotten() {
        let start = Instant::now();
        let mut schedule = Schedule::new(TEN_MINUTES);
        schedule.want(named(&[("data", &["pod-1"]), ("logs", &["pod-1"])]), start);
        schedule.done(&"data".to_owned(), Outcome::Failed, start, 0.5);
        assert!(schedule.is_failing());
        assert_eq!(schedule.want(named(&[("logs", &["pod-1"])]), start), ["data"]);
        assert!(!schedule.is_failing());
        // An answer that was on its way changes nothing.
        schedule.done(&"data".to_owned(), Outcome::Settled, start, 0.5);
        assert_eq!(schedule.due(start + TEN_MINUTES * 2), ["logs"]);
    }
}
