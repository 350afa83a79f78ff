//! Claims and volumes that a node's pods name, read one by one, so that no node lists the whole cluster.
//!
//! A claim is read when a pod first names it, again every ten minutes, and more often while it is not bound; a bound volume
//! every hour, and when its claim has grown. What no pod names any more is forgotten.
//!
//! What this costs the API server: on a node with 30 claims 30 / 600 s of claims and 30 / 3600 s of volumes, 0.06 requests a second;
//! 5,000 such nodes ask some 290 times a second, spread by jitter, and no answer is longer than one object. If they followed all
//! claims instead, each change of one of the 150,000 would go out 5,000 times. A node that starts reads its 60 objects four at a
//! time. Without the API server nobody asks more often than his pauses let him, which grow to a minute.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use kube::{Api, Client};
use tokio::time::Instant;

use super::live::{Live, Shared};
use super::object::{self, Reading, Watched};
use super::problem::{self, LOOKED_UP};
use super::unread::Unread;
use super::watch::api_resource;
use crate::model::inventory::{ResourceKind, WatchError, WatchProblem};
use crate::model::text::is_name;
use crate::model::workload::{Claim, ClaimPhase, NamespacedName, PersistentVolume, VolumePhase};

/// Requests in flight at once. A node's restart must not be a burst.
const AT_ONCE: usize = 4;
/// So many objects are read in one go. After as many as that there is a pause: whoever may make pods for this node can name five hundred claims in
/// each that are not there, and a claim that is not there is asked for every minute.
const MOST_DUE: usize = 200;
/// The pause: one node asks for no more than forty objects a second, claims and volumes together.
const BREATH: Duration = Duration::from_secs(10);
/// A bound volume is read so many times more rarely than its claim: nothing of it changes but its size, and that with its claim's.
const RARER: u32 = 6;
/// The first pause after a failure, or before an unbound claim is read again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Pauses are spread by so much of them, up and down, lest many nodes ask together.
const JITTER: f64 = 0.2;
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How old an answer may be where a claim's holds this long.
pub(super) fn oldest(holds: Duration) -> Duration {
    (holds * RARER).mul_f64(1.0 + JITTER)
}

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
    /// It was read before its time since the last answer.
    hurried: bool,
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
                hurried: false,
            };
            self.entries.insert(key, entry);
        }
        gone
    }

    /// What has to be read now: what waits longest, [`MOST_DUE`] at most.
    pub(super) fn due(&self, now: Instant) -> Vec<K> {
        let entries = self.entries.iter();
        let mut due: Vec<(&K, Instant)> = entries
            .map(|(key, entry)| (key, entry.due))
            .filter(|(_, due)| *due <= now)
            .collect();
        due.sort_by_key(|(_, due)| *due);
        due.truncate(MOST_DUE);
        due.into_iter().map(|(key, _)| key.clone()).collect()
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
        entry.hurried &= entry.failed;
        let pause = if outcome == Outcome::Settled {
            entry.tries = 0;
            self.holds
        } else {
            let pause = FIRST_PAUSE.saturating_mul(1 << entry.tries.min(10));
            entry.tries += 1;
            pause.min(LONGEST_PAUSE).min(self.holds)
        };
        entry.due = now + pause.mul_f64(1.0 - JITTER + 2.0 * JITTER * jitter);
    }

    /// The API server answers again: what it did not answer is read at once. What it does not answer then keeps to its pauses.
    pub(super) fn retry(&mut self, now: Instant) {
        let hasty = |entry: &&mut Entry| entry.failed && !entry.hurried;
        for entry in self.entries.values_mut().filter(hasty) {
            entry.due = now;
            entry.hurried = true;
        }
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
pub(super) async fn follow(client: Client, holds: Duration, shared: Arc<Shared>) {
    let mut claims = Schedule::new(holds);
    let mut volumes = Schedule::new(holds * RARER);
    loop {
        // Claims first: they name the volumes.
        let now = Instant::now();
        let begun = now;
        {
            let mut live = shared.live();
            let named = named_claims(&live);
            for gone in claims.want(named, now) {
                live.remove::<Claim>(&gone);
            }
        }
        let due = claims.due(now);
        let claims_asked = due.len();
        let answers = stream::iter(due)
            .map(|name| {
                let api = Api::namespaced_with(client.clone(), &name.namespace, &api_resource::<Claim>());
                async move {
                    let answer = get::<Claim>(&api, &name.name).await;
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
            let named = named_volumes(&live);
            for gone in volumes.want(named, now) {
                live.remove::<PersistentVolume>(&gone);
            }
        }
        let api = Api::all_with(client.clone(), &api_resource::<PersistentVolume>());
        let due = volumes.due(now);
        let volumes_asked = due.len();
        let answers = stream::iter(due)
            .map(|name| {
                let api = api.clone();
                async move {
                    let answer = get::<PersistentVolume>(&api, &name).await;
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

        if claims_asked.max(volumes_asked) == MOST_DUE {
            tokio::time::sleep_until(begun + BREATH).await;
            continue;
        }
        let next = [claims.next(), volumes.next()].into_iter().flatten().min();
        let due = async {
            match next {
                Some(next) => tokio::time::sleep_until(next).await,
                // Nothing is named: nothing wakes it.
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.names_changed.notified() => {}
            () = shared.reached.notified() => {
                claims.retry(Instant::now());
                volumes.retry(Instant::now());
            }
            () = due => {}
        }
        // Answers that come at once must not keep the one thread for themselves.
        if claims_asked > 0 {
            tokio::task::yield_now().await;
        }
    }
}

type Answer<T> = Result<Option<Reading<<T as Watched>::Key, T>>, Option<WatchError>>;

async fn get<T: Watched>(api: &Api<Unread>, name: &str) -> Answer<T> {
    match api.get(name).await {
        Ok(object) => Ok(Some(object::read(&object.json))),
        // A gateway with nothing behind it says 404 as well, and no more.
        Err(kube::Error::Api(status)) if status.code == 404 && status.reason == "NotFound" => Ok(None),
        Err(error) => Err(problem::of_request(T::KIND, &error, LOOKED_UP)),
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
        Ok(Some(object)) if object.key.as_ref() == Some(key) => {
            let bound = object.value.as_deref().is_some_and(settled);
            live.put(object);
            if bound {
                Outcome::Settled
            } else {
                Outcome::Changing
            }
        }
        // Under another name nobody would ever take it out again.
        Ok(Some(_)) => {
            live.failed::<T>(WatchError {
                problem: WatchProblem::Failing,
                message: format!("the API server gives another object for {key}"),
                rule: None,
            });
            Outcome::Failed
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

/// What cannot be a name is none of an object: its pod or claim waits for ever, and nobody is asked for it.
fn named_claims(live: &Live) -> BTreeMap<NamespacedName, BTreeSet<String>> {
    let mut named: BTreeMap<NamespacedName, BTreeSet<String>> = BTreeMap::new();
    for pod in live.pods().values().filter(|pod| is_name(&pod.name.namespace)) {
        for (_, claim) in pod.claims().filter(|(_, claim)| is_name(claim)) {
            named
                .entry(NamespacedName::new(pod.name.namespace.clone(), claim))
                .or_default()
                .insert(pod.uid.clone());
        }
    }
    named
}

fn named_volumes(live: &Live) -> BTreeMap<String, BTreeSet<String>> {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for claim in live.claims().values() {
        if let Some(volume) = claim.volume.as_ref().filter(|volume| is_name(volume)) {
            // One that has grown counts as another, so that its volume is read at once.
            let by = format!("{} {:?}", claim.uid, claim.capacity);
            named.entry(volume.clone()).or_default().insert(by);
        }
    }
    named
}

/// From 0 to 1, another each time.
fn random() -> f64 {
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests;
