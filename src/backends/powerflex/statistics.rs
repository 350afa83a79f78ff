//! The statistics of pools, protection domains and the system: chosen ones in one query, or one object's after the other's.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use hyper::StatusCode;
use serde_json::{Value, json};

use super::faults::Faults;
use super::gateway::Gateway;
use super::https::{Problem, strange};
use super::patience::Patience;
use super::properties::{
    COMMON, ERASURE_CODED, POOL, POOL_SINCE_3, SYSTEM, SYSTEM_SINCE_3, WINDOWS, WINDOWS_SINCE_3,
};
use super::sign_in::Session;
use super::wire::{self, Figures, LONGEST_ID, MOST_VOLUMES, Selected, told_id};
use crate::model::powerflex::{Figure, Window};

/// Objects whose statistics are asked for at the same time, where they are asked for one by one.
const AT_ONCE: usize = 4;
/// Most of anything that a line enumerates.
const MOST_NAMED: usize = 3;

/// A query of which the gateway says that it is wrong is not tried again for so long.
const REFUSED_FOR: Duration = Duration::from_secs(600);
/// The same for one that it cannot answer: it may not know a property, or be busy with itself.
const FAILED_FOR: Duration = Duration::from_secs(60);

const SELECTED: &str = "/api/instances/querySelectedStatistics";
const ONE_BY_ONE: &str = "/api/instances/…/relationships/Statistics";
const METRICS: &str = "/dtapi/rest/v1/metrics/query";

const POOL_KIND: &str = "StoragePool";
const DOMAIN_KIND: &str = "ProtectionDomain";
const SYSTEM_KIND: &str = "System";

/// An object that has statistics: its kind and its id.
pub(super) type Subject = (&'static str, String);

/// All that have statistics of the first generation's sort.
pub(super) struct Subjects<'a> {
    /// Pools.
    pub(super) pools: Vec<String>,
    /// Protection domains that have such pools.
    pub(super) domains: BTreeSet<String>,
    /// All protection domains that are known.
    pub(super) known_domains: Vec<String>,
    /// The system, in a list as the gateway gives it.
    pub(super) systems: &'a [wire::System],
}

impl Subjects<'_> {
    fn all<'b>(&'b self, domains: impl IntoIterator<Item = &'b String>) -> Vec<Subject> {
        let pools = self.pools.iter().map(|id| (POOL_KIND, id.clone()));
        let domains = domains.into_iter().map(|id| (DOMAIN_KIND, id.clone()));
        let system = self
            .systems
            .iter()
            .take(1)
            .map(|system| (SYSTEM_KIND, system.id.clone()));
        pools.chain(domains).chain(system).collect()
    }

    /// Those that must have figures and have none.
    fn without_figures(&self, selected: &Selected) -> Vec<Subject> {
        let mut all = self.all(&self.domains);
        all.retain(|(kind, id)| {
            let figures = match *kind {
                POOL_KIND => selected.pools.get(id),
                DOMAIN_KIND => selected.domains.get(id),
                _ => selected.systems.get(id).or_else(|| selected.systems.get("")),
            };
            !figures.is_some_and(|figures| figures.any)
        });
        all
    }
}

/// The statistics of the first generation's sort. Where the query of chosen ones tells nothing of an object, that is asked for by itself.
pub(super) async fn selected(
    gateway: &Arc<Gateway>,
    session: &Session,
    subjects: &Subjects<'_>,
    patience: &Patience,
    faults: &mut Faults,
) -> Result<Selected, Problem> {
    let since_3 = session
        .version
        .as_ref()
        .is_none_or(|version| version.major() >= 3);
    let mut selected = Selected::default();
    let missing = if let Some(said) = session.selection_refused() {
        faults.extend(said);
        None
    } else {
        match gateway
            .ask_apart(SELECTED, Some(selection(since_3)), patience)
            .await
        {
            Ok(body) => {
                selected = Selected::of(&body, subjects.systems).unwrap_or_default();
                let missing = subjects.without_figures(&selected);
                let says_nothing = |kind| missing.iter().filter(|(of, _)| *of == kind).count();
                let is_useless = !missing.is_empty()
                    && says_nothing(POOL_KIND) == subjects.pools.len()
                    && (!subjects.pools.is_empty() || says_nothing(SYSTEM_KIND) > 0);
                if !missing.is_empty() {
                    let what = enumerated(&missing);
                    faults.add(format!(
                        "{SELECTED} is answered without a figure of {what}: each is asked for by itself"
                    ));
                    if is_useless {
                        session.refuse_selection(faults.last().cloned().into_iter().collect(), REFUSED_FOR);
                    }
                }
                (!is_useless).then_some(missing)
            }
            // One property that it does not know is enough.
            Err(Problem::Status { status, .. }) if is_refusal(status) => {
                let passes = status.is_server_error();
                session.refuse_selection(Vec::new(), if passes { FAILED_FOR } else { REFUSED_FOR });
                None
            }
            Err(problem) => return Err(problem),
        }
    };
    // What fails of these is told of, and costs no more than itself.
    let by_themselves = missing.unwrap_or_else(|| subjects.all(&subjects.known_domains));
    let failed = one_by_one(gateway, by_themselves, patience, faults, &mut selected).await?;
    if !selected.has_any() {
        return Err(
            failed.unwrap_or_else(|| strange(SELECTED, "no figure is told, nor by any object itself"))
        );
    }
    let missing = subjects.without_figures(&selected);
    if !missing.is_empty() {
        faults.add(format!("no figure is told of {}", enumerated(&missing)));
    }
    if selected.volumes > MOST_VOLUMES {
        faults.add(format!(
            "more than {MOST_VOLUMES} volumes are told, which no system has: those of some pools are left out"
        ));
    }
    let all = selected
        .pools
        .iter()
        .chain(&selected.domains)
        .chain(&selected.systems);
    odd(all, faults);
    Ok(selected)
}

/// True for what says that the query is not understood. Who is asked too often, or has no time, says nothing of it.
fn is_refusal(status: StatusCode) -> bool {
    let is_passing = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
    );
    status == StatusCode::INTERNAL_SERVER_ERROR || status.is_client_error() && !is_passing
}

/// The figures of pools of the second generation, by the pool's id.
pub(super) async fn metrics(
    gateway: &Arc<Gateway>,
    ids: &[&str],
    patience: &Patience,
    faults: &mut Faults,
) -> Result<BTreeMap<String, Figures>, Problem> {
    let names = ERASURE_CODED.map(Figure::name);
    let query = json!({ "resource_type": "storage_pool", "ids": ids, "metrics": names });
    let query = query.to_string().into_bytes();
    let body = gateway.ask_apart(METRICS, Some(query), patience).await?;
    let metrics = wire::metrics(&body).map_err(|reason| strange(METRICS, &reason))?;
    let told = |id: &str| metrics.get(id).is_some_and(|figures| figures.any);
    let missing: Vec<Subject> = ids
        .iter()
        .filter(|id| !told(id))
        .map(|id| (POOL_KIND, (*id).to_owned()))
        .collect();
    if missing.len() == ids.len() {
        return Err(strange(METRICS, "no figure is told"));
    }
    if !missing.is_empty() {
        let what = enumerated(&missing);
        faults.add(format!("{METRICS} is answered without a figure of {what}"));
    }
    odd(metrics.iter(), faults);
    Ok(metrics)
}

/// `StoragePool a, StoragePool b, StoragePool c and 3 more`.
fn enumerated(subjects: &[Subject]) -> String {
    let named: Vec<String> = subjects
        .iter()
        .take(MOST_NAMED)
        .map(|(kind, id)| format!("{kind} {}", told_id(id)))
        .collect();
    let further = subjects.len().saturating_sub(MOST_NAMED);
    let named = named.join(", ");
    if further == 0 {
        named
    } else {
        format!("{named} and {further} more")
    }
}

/// What is said of figures that are there and cannot be understood: one line for all.
fn odd<'a>(figures: impl Iterator<Item = (&'a String, &'a Figures)>, faults: &mut Faults) {
    let mut names = BTreeSet::new();
    let mut first = None;
    for (id, figures) in figures.filter(|(_, figures)| !figures.odd.is_empty()) {
        first.get_or_insert(id);
        names.extend(figures.odd.iter().copied());
    }
    let Some(first) = first else { return };
    let told: Vec<&str> = names.iter().copied().take(MOST_NAMED).collect();
    let further = names.len().saturating_sub(MOST_NAMED);
    let further = if further == 0 {
        String::new()
    } else {
        format!(" and {further} more")
    };
    faults.add(format!(
        "left out, since they are no numbers: {}{further} (first of {})",
        told.join(", "),
        told_id(first)
    ));
}

/// The query for all that is told of mirrored pools, of protection domains and of the system.
fn selection(since_3: bool) -> Vec<u8> {
    let names =
        |figures: &[&[Figure]], windows: &[&[Window]], further: &[&'static str]| -> Vec<&'static str> {
            let figures = figures.iter().copied().flatten().map(|figure| figure.name());
            let windows = windows.iter().copied().flatten().map(|window| window.name());
            figures.chain(windows).chain(further.iter().copied()).collect()
        };
    let (pool, system, windows): (&[Figure], &[Figure], &[Window]) = if since_3 {
        (&POOL_SINCE_3, &SYSTEM_SINCE_3, &WINDOWS_SINCE_3)
    } else {
        (&[], &[], &[])
    };
    // The empty list of `allIds` stands for all.
    let none: [Value; 0] = [];
    json!({ "selectedStatisticsList": [
        { "type": "StoragePool", "allIds": none,
          "properties": names(&[&COMMON, &POOL, pool], &[&WINDOWS, windows], &["volumeIds"]) },
        { "type": "ProtectionDomain", "allIds": none, "properties": names(&[&COMMON], &[&WINDOWS], &[]) },
        { "type": "System", "properties": names(&[&COMMON, &SYSTEM, system], &[&WINDOWS, windows], &[]) },
    ] })
    .to_string()
    .into_bytes()
}

/// The statistics of each of these objects, where they cannot be had in one query. Gives why some are not had, which is told as one fault; where
/// the way to the gateway is broken, or patience is over, no more are asked for. An error is what nothing can be read with.
async fn one_by_one(
    gateway: &Arc<Gateway>,
    subjects: Vec<Subject>,
    patience: &Patience,
    faults: &mut Faults,
    into: &mut Selected,
) -> Result<Option<Problem>, Problem> {
    let all = subjects.len();
    let asked: Vec<_> = subjects
        .into_iter()
        .map(|(kind, id)| figures_of(gateway, kind, id, patience))
        .collect();
    let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE);
    let mut is_over = pin!(patience.is_over());
    let (mut answered, mut failed) = (0, None);
    loop {
        let next = tokio::select! {
            next = answers.next() => next,
            () = &mut is_over => {
                failed.get_or_insert_with(|| Problem::Late { path: ONE_BY_ONE.to_owned() });
                None
            }
        };
        let Some((kind, id, figures)) = next else { break };
        match figures {
            Ok(mut figures) => {
                answered += 1;
                into.count(&mut figures);
                let of_kind = match kind {
                    POOL_KIND => &mut into.pools,
                    DOMAIN_KIND => &mut into.domains,
                    _ => &mut into.systems,
                };
                of_kind.insert(id, figures);
            }
            Err(problem) if problem.is_of_signing_in() => return Err(problem),
            Err(problem) => {
                let is_of_one = matches!(
                    problem,
                    Problem::Status { .. } | Problem::Strange { .. } | Problem::Late { .. }
                );
                failed.get_or_insert(problem);
                if !is_of_one {
                    break;
                }
            }
        }
    }
    if let Some(problem) = &failed {
        let missing = all - answered;
        faults.add(format!(
            "the statistics of {missing} of {all} objects are not had: {problem}"
        ));
    }
    Ok(failed)
}

/// The statistics of one object.
async fn figures_of(
    gateway: &Arc<Gateway>,
    kind: &'static str,
    id: String,
    patience: &Patience,
) -> (&'static str, String, Result<Figures, Problem>) {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if !(1..=LONGEST_ID).contains(&id.len()) || !id.chars().all(plain) {
        return (kind, id, Err(strange(kind, "an id that is none")));
    }
    let path = format!("/api/instances/{kind}::{id}/relationships/Statistics");
    let answer = gateway.ask_apart(&path, None, patience).await;
    let figures = answer.and_then(|body| {
        serde_json::from_slice::<Figures>(&body).map_err(|error| strange(&path, &wire::told(&error)))
    });
    (kind, id, figures)
}
