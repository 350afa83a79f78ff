//! The statistics of pools, protection domains and the system: chosen ones in one query, or one object's after the other's.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, stream};
use hyper::StatusCode;
use serde_json::{Value, json};

use super::gateway::Gateway;
use super::https::{Problem, strange};
use super::properties::{
    COMMON, ERASURE_CODED, POOL, POOL_SINCE_3, SYSTEM, SYSTEM_SINCE_3, WINDOWS, WINDOWS_SINCE_3,
};
use super::reading::{cost, fault};
use super::sign_in::Session;
use super::wire::{self, Figures, Selected, told_id};
use crate::model::fault::Fault;
use crate::model::powerflex::{Figure, System, Window};

/// Objects whose statistics are asked for at the same time, where they are asked for one by one.
const AT_ONCE: usize = 4;
/// No id is longer: they are 16 digits.
const LONGEST_ID: usize = 64;
/// Most of anything that a line enumerates.
const MOST_NAMED: usize = 3;

const SELECTED: &str = "/api/instances/querySelectedStatistics";
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
    gateway: &Gateway,
    session: &Session,
    subjects: &Subjects<'_>,
    system: &mut System,
) -> Result<Selected, Problem> {
    let since_3 = session
        .version
        .as_ref()
        .is_none_or(|version| version.major() >= 3);
    let mut selected = Selected::default();
    let missing = if let Some(said) = session.selection_refused() {
        system.faults.extend(said);
        None
    } else {
        match gateway.ask(SELECTED, Some(&selection(since_3))).await {
            Ok(body) => {
                selected = Selected::of(&body, subjects.systems).unwrap_or_default();
                let missing = subjects.without_figures(&selected);
                let says_nothing = |kind| missing.iter().filter(|(of, _)| *of == kind).count();
                let is_useless = !missing.is_empty()
                    && says_nothing(POOL_KIND) == subjects.pools.len()
                    && (!subjects.pools.is_empty() || says_nothing(SYSTEM_KIND) > 0);
                if !missing.is_empty() {
                    let what = enumerated(&missing);
                    let message = format!(
                        "{SELECTED} is answered without a figure of {what}: each is asked for by itself"
                    );
                    let said = fault(system, message);
                    if is_useless {
                        session.refuse_selection(vec![said.clone()]);
                    }
                    system.faults.push(said);
                }
                (!is_useless).then_some(missing)
            }
            // One property that it does not know is enough.
            Err(Problem::Status { status, .. }) if is_refusal(status) => {
                session.refuse_selection(Vec::new());
                None
            }
            Err(problem) => return Err(problem),
        }
    };
    if let Some(missing) = missing {
        // What fails of these is told of, and costs no more than itself.
        match one_by_one(gateway, missing, system, &mut selected).await {
            Err(problem) if problem.is_of_signing_in() => return Err(problem),
            _ => {}
        }
    } else {
        let all = subjects.all(&subjects.known_domains);
        one_by_one(gateway, all, system, &mut selected).await?;
    }
    let missing = subjects.without_figures(&selected);
    if !missing.is_empty() {
        let what = enumerated(&missing);
        system
            .faults
            .push(fault(system, format!("no figure is told of {what}")));
    }
    let all = selected
        .pools
        .iter()
        .chain(&selected.domains)
        .chain(&selected.systems);
    system.faults.extend(odd(system, all));
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
    gateway: &Gateway,
    ids: &[&str],
    system: &mut System,
) -> Result<BTreeMap<String, Figures>, Problem> {
    let names = ERASURE_CODED.map(Figure::name);
    let query = json!({ "resource_type": "storage_pool", "ids": ids, "metrics": names });
    let body = gateway.ask(METRICS, Some(query.to_string().as_bytes())).await?;
    let metrics = wire::metrics(&body).map_err(|reason| strange(METRICS, &reason))?;
    let told = |id: &str| metrics.get(id).is_some_and(|figures| figures.any);
    let missing: Vec<Subject> = ids
        .iter()
        .filter(|id| !told(id))
        .map(|id| (POOL_KIND, (*id).to_owned()))
        .collect();
    if !missing.is_empty() {
        let what = enumerated(&missing);
        let message = format!("{METRICS} is answered without a figure of {what}");
        system.faults.push(fault(system, message));
    }
    system.faults.extend(odd(system, metrics.iter()));
    Ok(metrics)
}

/// What a failure of either query costs: its own figures. An error is what nothing can be read with.
pub(super) fn without(system: &mut System, problem: Problem, erasure_coded: bool) -> Result<(), Problem> {
    let lost = if erasure_coded {
        "pools of the second generation have no figures"
    } else {
        "pools of the first generation, protection domains and the system have no figures"
    };
    cost(system, problem, lost)
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
fn odd<'a>(system: &System, figures: impl Iterator<Item = (&'a String, &'a Figures)>) -> Option<Fault> {
    let mut names = BTreeSet::new();
    let mut first = None;
    for (id, figures) in figures.filter(|(_, figures)| !figures.odd.is_empty()) {
        first.get_or_insert(id);
        names.extend(figures.odd.iter().copied());
    }
    let first = first?;
    let told: Vec<&str> = names.iter().copied().take(MOST_NAMED).collect();
    let further = names.len().saturating_sub(MOST_NAMED);
    let further = if further == 0 {
        String::new()
    } else {
        format!(" and {further} more")
    };
    Some(fault(
        system,
        format!(
            "left out, since they are no numbers: {}{further} (first of {})",
            told.join(", "),
            told_id(first)
        ),
    ))
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

/// The statistics of each of these objects, where they cannot be had in one query. An object that has gone meanwhile costs its own; an error is
/// that of the first where there are none at all.
async fn one_by_one(
    gateway: &Gateway,
    subjects: Vec<Subject>,
    system: &mut System,
    into: &mut Selected,
) -> Result<(), Problem> {
    let asked: Vec<_> = subjects
        .into_iter()
        .map(|(kind, id)| figures_of(gateway, kind, id))
        .collect();
    let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE);
    let mut answered = false;
    let mut failed = None;
    while let Some((kind, id, figures)) = answers.next().await {
        match figures {
            Ok(figures) => {
                answered = true;
                let of_kind = match kind {
                    POOL_KIND => &mut into.pools,
                    DOMAIN_KIND => &mut into.domains,
                    _ => &mut into.systems,
                };
                of_kind.insert(id, figures);
            }
            Err(problem @ (Problem::Status { .. } | Problem::Strange { .. })) => {
                let said = fault(system, problem.to_string());
                system.faults.push(said);
                failed.get_or_insert(problem);
            }
            Err(problem) => return Err(problem),
        }
    }
    match failed {
        Some(problem) if !answered => Err(problem),
        _ => Ok(()),
    }
}

/// The statistics of one object.
async fn figures_of(
    gateway: &Gateway,
    kind: &'static str,
    id: String,
) -> (&'static str, String, Result<Figures, Problem>) {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if !(1..=LONGEST_ID).contains(&id.len()) || !id.chars().all(plain) {
        return (kind, id, Err(strange(kind, "an id that is none")));
    }
    let path = format!("/api/instances/{kind}::{id}/relationships/Statistics");
    let answer = gateway.ask(&path, None).await;
    let figures = answer.and_then(|body| {
        serde_json::from_slice::<Figures>(&body).map_err(|error| strange(&path, &wire::told(&error)))
    });
    (kind, id, figures)
}
