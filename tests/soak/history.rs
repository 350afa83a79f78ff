//! What was true when: every change that the run makes, with the times between which it took place; and what an answer may say
//! in view of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What a fact is about. Its name is that of an object, of a volume, or of a file below a loop device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// In the cluster: how many GiB a claim asks for.
    ClaimSize,
    /// In the cluster: how many pods use a claim, where some do.
    ClaimUsers,
    /// In the cluster: a volume's phase.
    VolumePhase,
    /// On the node: the claim of a pod.
    PodClaim,
    /// On the node: the volume of a claim that a pod there uses.
    ClaimVolume,
    /// On the node: the claim of a volume that a pod there uses.
    VolumeClaim,
    /// On the node: the pod in whose folder a volume lies.
    MountedFor,
    /// On the node: the block device below a volume.
    DeviceBelow,
    /// On the node: how many bytes a volume's filesystem has.
    Capacity,
    /// On the node: the loop device that has a file.
    LoopDevice,
}

/// What an answer says.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What it would tell of if there were any.
    pub(super) subjects: &'static [Subject],
    /// What it does say.
    pub(super) facts: BTreeMap<(Subject, String), String>,
    /// What it says is not known.
    pub(super) unknown: BTreeSet<(Subject, String)>,
    /// What it says twice, and not the same.
    pub(super) contradictions: Vec<String>,
}

impl Told {
    /// Takes in one more statement.
    pub(super) fn tell(&mut self, subject: Subject, name: &str, value: String) {
        let key = (subject, name.to_owned());
        if let Some(before) = self.facts.get(&key).filter(|before| **before != value) {
            self.contradictions
                .push(format!("{key:?} is told as {before} and as {value}"));
        }
        self.facts.insert(key, value);
    }
}

/// When an answer was asked for, and when it was there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) from: Instant,
    pub(super) until: Instant,
}

/// A fact as it was from one moment on.
#[derive(Debug)]
struct Change {
    value: Value,
    begun: Instant,
    /// `None` while it is under way.
    done: Option<Instant>,
}

/// What a fact became.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// There is nothing to tell of.
    Absent,
    Is(String),
    /// Whoever makes the change will know.
    NotKnownYet,
}

impl Value {
    fn of(said: Option<&String>) -> Self {
        said.map_or(Self::Absent, |said| Self::Is(said.clone()))
    }
}

/// What was changed, and when.
#[derive(Debug)]
pub(super) struct History {
    changes: Mutex<BTreeMap<(Subject, String), Vec<Change>>>,
    /// How long after a change an answer may say what was before.
    leeway: Duration,
}

/// What was made of an answer.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    pub(super) wrong: Vec<String>,
    /// How long ago the oldest of what it says had ceased to be true.
    pub(super) stalest: Duration,
}

impl History {
    /// After its leeway an answer tells of a change.
    pub(super) fn new(leeway: Duration) -> Self {
        Self {
            changes: Mutex::default(),
            leeway,
        }
    }

    /// How long after a change an answer may say what was before.
    pub(super) fn leeway(&self) -> Duration {
        self.leeway
    }

    /// Makes a change that lets these facts become what stands beside them.
    pub(super) fn change<T>(&self, facts: &[(Subject, &str, Option<String>)], act: impl FnOnce() -> T) -> T {
        for (subject, name, value) in facts {
            self.begin(*subject, name, Value::of(value.as_ref()));
        }
        let made = act();
        for (subject, name, value) in facts {
            self.end(*subject, name, Value::of(value.as_ref()));
        }
        made
    }

    /// Makes a change, and learns from it what became of a fact.
    pub(super) fn learn<T>(&self, subject: Subject, name: &str, act: impl FnOnce() -> (String, T)) -> T {
        self.begin(subject, name, Value::NotKnownYet);
        let (value, made) = act();
        self.end(subject, name, Value::Is(value));
        made
    }

    fn begin(&self, subject: Subject, name: &str, value: Value) {
        let mut changes = self.changes.lock().unwrap();
        changes
            .entry((subject, name.to_owned()))
            .or_default()
            .push(Change {
                value,
                begun: Instant::now(),
                done: None,
            });
    }

    fn end(&self, subject: Subject, name: &str, value: Value) {
        let mut changes = self.changes.lock().unwrap();
        let changes = changes.get_mut(&(subject, name.to_owned()));
        let change = changes
            .and_then(|changes| changes.last_mut())
            .expect("it has begun");
        change.value = value;
        change.done = Some(Instant::now());
    }

    /// Forgets what was gone long before any answer that is still under way was asked for. Whoever tells of it after that tells of
    /// what nobody made.
    pub(super) fn forget(&self) {
        let long = self.leeway + Duration::from_secs(30);
        self.changes.lock().unwrap().retain(|_, changes| {
            let last = changes.last();
            !last.is_some_and(|last| {
                last.value == Value::Absent && last.done.is_some_and(|done| done.elapsed() > long)
            })
        });
    }

    /// Holds an answer against what was true when it was made.
    pub(super) fn judge(&self, told: &Told, asked: Asked) -> Judgement {
        let mut judgement = Judgement {
            wrong: told.contradictions.clone(),
            ..Judgement::default()
        };
        let changes = self.changes.lock().unwrap();
        let is_told = |key: &(Subject, String)| told.subjects.contains(&key.0) && !told.unknown.contains(key);
        for (key, changes) in changes.iter().filter(|(key, _)| is_told(key)) {
            let said = told.facts.get(key);
            let stale = staleness(changes, said, asked);
            if stale.is_none_or(|stale| stale > self.leeway) {
                let since = stale.map_or_else(
                    || "it never was, or is not yet".to_owned(),
                    |stale| format!("it ceased to be {stale:?} before"),
                );
                judgement
                    .wrong
                    .push(format!("{key:?} is told as {said:?}: {since}"));
            }
            judgement.stalest = judgement.stalest.max(stale.unwrap_or_default());
        }
        let unheard_of = told.facts.iter().filter(|(key, _)| !changes.contains_key(key));
        judgement
            .wrong
            .extend(unheard_of.map(|(key, said)| format!("{key:?} is told as {said:?}, and nobody made it")));
        judgement
    }
}

/// How long before the question the value had ceased to be true; zero where it still was; `None` where it was not yet, or never.
fn staleness(changes: &[Change], said: Option<&String>, asked: Asked) -> Option<Duration> {
    let ceased = |next: Option<&Change>| {
        next.and_then(|next| next.done)
            .map_or(Duration::ZERO, |done| asked.from.saturating_duration_since(done))
    };
    let value = Value::of(said);
    let before_all = said.is_none().then(|| ceased(changes.first()));
    let after_one = changes.iter().enumerate().filter_map(|(at, change)| {
        let could_be = change.value == value || change.value == Value::NotKnownYet;
        (could_be && change.begun <= asked.until).then(|| ceased(changes.get(at + 1)))
    });
    before_all.into_iter().chain(after_one).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEEWAY: Duration = Duration::from_secs(1);
    const SIZES: &[Subject] = &[Subject::ClaimSize];

    fn told(size: Option<&str>) -> Told {
        Told {
            subjects: SIZES,
            facts: size
                .map(|size| ((Subject::ClaimSize, "claim".to_owned()), size.to_owned()))
                .into_iter()
                .collect(),
            ..Told::default()
        }
    }

    fn history() -> History {
        let history = History::new(LEEWAY);
        for size in [Some("5"), Some("6"), None] {
            history.change(&[(Subject::ClaimSize, "claim", size.map(str::to_owned))], || ());
        }
        history
    }

    #[test]
    fn what_has_ceased_to_be_is_right_for_the_leeway_and_wrong_after_it() {
        let history = history();
        let now = Instant::now();
        for (size, after, right) in [
            (Some("6"), LEEWAY / 2, true),
            (Some("6"), LEEWAY * 2, false),
            (None, LEEWAY * 2, true),
            (Some("7"), Duration::ZERO, false),
        ] {
            let asked = Asked {
                from: now + after,
                until: now + after,
            };
            let judgement = history.judge(&told(size), asked);
            assert_eq!(judgement.wrong.is_empty(), right, "{size:?} {judgement:?}");
        }
    }

    #[test]
    fn what_is_not_yet_is_wrong() {
        let before = Instant::now();
        let asked = Asked {
            from: before,
            until: before,
        };
        let history = history();
        assert!(!history.judge(&told(Some("5")), asked).wrong.is_empty());
        assert!(history.judge(&told(None), asked).wrong.is_empty());
    }

    #[test]
    fn who_says_two_things_of_one_is_wrong() {
        let now = Instant::now();
        let asked = Asked {
            from: now,
            until: now,
        };
        let mut told = told(None);
        for size in ["5", "5", "6"] {
            told.tell(Subject::ClaimSize, "claim", size.to_owned());
        }
        let judgement = history().judge(&told, asked);
        assert!(judgement.wrong[0].contains("as 5 and as 6"), "{judgement:?}");
    }

    #[test]
    fn what_nobody_made_is_wrong() {
        let now = Instant::now();
        let asked = Asked {
            from: now,
            until: now,
        };
        assert_eq!(History::new(LEEWAY).judge(&told(Some("5")), asked).wrong.len(), 1);
    }
}
