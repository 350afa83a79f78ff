//! One reading of one system, in three requests as a rule: its pools, the system, their statistics.
//!
//! Pools of the second generation are asked for in a way of their own; where a system has both sorts that is one request more. Names of
//! protection domains, and of second-generation systems the pools of volumes, are asked for at the first reading, every five
//! minutes, and at once when a pool names a domain that is not known. Where a gateway refuses the query of chosen statistics, they
//! are read one object after the other, some at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::gateway::Gateway;
use super::https::{Problem, strange};
use super::properties::{
    COMMON, ERASURE_CODED, POOL, POOL_SINCE_3, SYSTEM, SYSTEM_SINCE_3, WINDOWS, WINDOWS_SINCE_3,
};
use super::wire::{self, Figures, Selected};
use crate::model::backend::POWERFLEX;
use crate::model::fault::Fault;
use crate::model::powerflex::{Domain, Figure, Generation, Pool, System, Window};

/// How long names are taken to hold.
const NAMES_HOLD: Duration = Duration::from_secs(300);
/// Objects whose statistics are asked for at the same time, where they are asked for one by one.
const AT_ONCE: usize = 4;

const POOLS: &str = "/api/types/StoragePool/instances";
const SYSTEMS: &str = "/api/types/System/instances";
const DOMAINS: &str = "/api/types/ProtectionDomain/instances";
const VOLUMES: &str = "/api/types/Volume/instances";
const SELECTED: &str = "/api/instances/querySelectedStatistics";
const METRICS: &str = "/dtapi/rest/v1/metrics/query";

/// Names that are kept from reading to reading.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<Option<Known>>);

#[derive(Debug, Clone, Default)]
struct Known {
    domains: BTreeMap<String, String>,
    /// Volumes by their pool, where statistics do not tell them.
    volumes: BTreeMap<String, Vec<String>>,
    read: Option<Instant>,
}

/// Reads a system.
pub(super) async fn read(gateway: &Gateway, names: &Names) -> Result<System, Problem> {
    let mut system = System::new(&gateway.settings().name);
    let body = gateway.ask(POOLS, None).await?;
    let (pools, wrong) = understood::<wire::Pool<'_>>(POOLS, &body)?;
    system.faults.extend(faults(&system.name, POOLS, wrong));
    let body = gateway.ask(SYSTEMS, None).await?;
    let (systems, wrong) = understood::<wire::System>(SYSTEMS, &body)?;
    system.faults.extend(faults(&system.name, SYSTEMS, wrong));
    // A second-generation pool's statistics do not say which volumes it has.
    let with_volumes = pools.iter().any(wire::Pool::is_erasure_coded);
    let domain_ids: BTreeSet<String> = pools.iter().filter_map(wire::Pool::domain_id).collect();
    let known = known(gateway, names, &domain_ids, with_volumes, &mut system).await?;
    let session = gateway.session().await?;
    system.version = session.version.as_ref().map(ToString::to_string);
    let since_3 = session
        .version
        .as_ref()
        .is_none_or(|version| version.major() >= 3);

    let (coded, mirrored): (Vec<_>, Vec<_>) = pools.iter().partition(|pool| pool.is_erasure_coded());
    let mut statistics = Selected::default();
    if !mirrored.is_empty() || coded.is_empty() {
        let selected = if session.selection_refused() {
            None
        } else {
            match gateway.ask(SELECTED, Some(&selection(since_3))).await {
                Ok(body) => Some(Selected::of(&body, &systems).map_err(|reason| strange(SELECTED, &reason))?),
                // One property that it does not know is enough.
                Err(Problem::Status { status, .. })
                    if status == StatusCode::INTERNAL_SERVER_ERROR || status.is_client_error() =>
                {
                    session.refuse_selection();
                    None
                }
                Err(problem) => return Err(problem),
            }
        };
        statistics = match selected {
            Some(selected) => selected,
            None => one_by_one(gateway, &mirrored, &known, &systems, &mut system).await?,
        };
    }
    let mut metrics = BTreeMap::new();
    if !coded.is_empty() {
        let ids: Vec<&str> = coded.iter().map(|pool| pool.id.as_str()).collect();
        let names = ERASURE_CODED.map(Figure::name);
        let query = json!({ "resource_type": "storage_pool", "ids": ids, "metrics": names });
        let body = gateway.ask(METRICS, Some(query.to_string().as_bytes())).await?;
        metrics = wire::metrics(&body).map_err(|reason| strange(METRICS, &reason))?;
    }

    for pool in pools {
        let domain_id = pool.domain_id().unwrap_or_default();
        let domain = known.domains.get(&domain_id).unwrap_or(&domain_id).clone();
        let figures = statistics.pools.remove(&pool.id).unwrap_or_default();
        let coded = pool.is_erasure_coded();
        system.pools.push(Pool {
            name: pool
                .name
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| pool.id.clone()),
            domain_id,
            domain,
            media_type: pool.media_type,
            data_layout: pool.data_layout,
            generation: if coded {
                Generation::ErasureCoded
            } else {
                Generation::Mirrored
            },
            spare: share(pool.spare_percentage),
            high_threshold: share(pool.capacity_alert_high_threshold),
            critical_threshold: share(pool.capacity_alert_critical_threshold),
            rebuilds: pool.rebuild_enabled,
            rebalances: pool.rebalance_enabled,
            capacity_state: pool.capacity_usage_state,
            volumes: if coded {
                known.volumes.get(&pool.id).cloned().unwrap_or_default()
            } else {
                figures.volumes
            },
            statistics: if coded {
                metrics.remove(&pool.id).unwrap_or_default()
            } else {
                figures.statistics
            },
            id: pool.id,
        });
    }
    for (id, figures) in statistics.domains {
        let name = known.domains.get(&id).unwrap_or(&id).clone();
        system.domains.push(Domain {
            id,
            name,
            statistics: figures.statistics,
        });
    }
    describe(&mut system, systems, statistics.systems);
    tell_apart(&mut system);
    system.taken_at = SystemTime::now();
    Ok(system)
}

/// What the system says of itself. A gateway has one.
fn describe(system: &mut System, systems: Vec<wire::System>, mut statistics: BTreeMap<String, Figures>) {
    if systems.len() > 1 {
        let told: Vec<&str> = systems.iter().map(|system| system.id.as_str()).collect();
        let message = format!("it tells of the systems {}; the first is shown", told.join(", "));
        system.faults.push(Fault::new(POWERFLEX, &system.name, message));
    }
    let Some(own) = systems.into_iter().next() else {
        return;
    };
    let figures = statistics.remove(&own.id).or_else(|| statistics.remove(""));
    system.statistics = figures.unwrap_or_default().statistics;
    system.id = own.id;
    system.own_name = own.name.filter(|name| !name.is_empty());
    system.release = own.release;
    system.high_threshold = share(own.capacity_alert_high_threshold_percent);
    system.critical_threshold = share(own.capacity_alert_critical_threshold_percent);
    system.cluster_state = own.mdm_cluster.and_then(|cluster| cluster.cluster_state);
}

/// Names are how people know pools, and what labels tell; two of one name get their ids beside it.
fn tell_apart(system: &mut System) {
    let mut seen = BTreeSet::new();
    for domain in &mut system.domains {
        if !seen.insert(domain.name.clone()) {
            domain.name = format!("{} ({})", domain.name, domain.id);
        }
    }
    let mut seen = BTreeSet::new();
    for pool in &mut system.pools {
        if !seen.insert((pool.domain.clone(), pool.name.clone())) {
            pool.name = format!("{} ({})", pool.name, pool.id);
        }
    }
}

/// The names, read anew where they are old or one is missing.
async fn known(
    gateway: &Gateway,
    names: &Names,
    domains: &BTreeSet<String>,
    with_volumes: bool,
    system: &mut System,
) -> Result<Known, Problem> {
    let kept = names.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(kept) = kept
        && kept.read.is_some_and(|read| read.elapsed() < NAMES_HOLD)
        && domains.iter().all(|id| kept.domains.contains_key(id))
    {
        return Ok(kept);
    }
    let mut fresh = Known {
        read: Some(Instant::now()),
        ..Known::default()
    };
    let body = gateway.ask(DOMAINS, None).await?;
    let (found, wrong) = understood::<wire::Domain>(DOMAINS, &body)?;
    system.faults.extend(faults(&system.name, DOMAINS, wrong));
    for domain in found {
        let name = domain.name.filter(|name| !name.is_empty());
        fresh.domains.insert(domain.id.clone(), name.unwrap_or(domain.id));
    }
    // What names a domain that the gateway does not tell of is not asked again for it.
    for id in domains {
        fresh.domains.entry(id.clone()).or_insert_with(|| id.clone());
    }
    if with_volumes {
        let body = gateway.ask(VOLUMES, None).await?;
        let (found, wrong) = understood::<wire::Volume>(VOLUMES, &body)?;
        system.faults.extend(faults(&system.name, VOLUMES, wrong));
        for volume in found {
            if let Some(pool) = volume.storage_pool_id {
                fresh.volumes.entry(pool).or_default().push(volume.id);
            }
        }
    }
    *names.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh.clone());
    Ok(fresh)
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

/// The statistics of each object, where they cannot be had in one query. An object that has gone meanwhile costs its own.
async fn one_by_one(
    gateway: &Gateway,
    pools: &[&wire::Pool<'_>],
    known: &Known,
    systems: &[wire::System],
    system: &mut System,
) -> Result<Selected, Problem> {
    let pools = pools.iter().map(|pool| ("StoragePool", pool.id.clone()));
    let domains = known.domains.keys().map(|id| ("ProtectionDomain", id.clone()));
    let systems = systems.iter().take(1).map(|system| ("System", system.id.clone()));
    let asked: Vec<_> = pools
        .chain(domains)
        .chain(systems)
        .map(|(kind, id)| figures_of(gateway, kind, id))
        .collect();
    let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE);
    let mut selected = Selected::default();
    let mut answered = false;
    let mut failed = None;
    while let Some((kind, id, figures)) = answers.next().await {
        match figures {
            Ok(figures) => {
                answered = true;
                let of_kind = match kind {
                    "StoragePool" => &mut selected.pools,
                    "ProtectionDomain" => &mut selected.domains,
                    _ => &mut selected.systems,
                };
                of_kind.insert(id, figures);
            }
            Err(problem @ (Problem::Status { .. } | Problem::Strange { .. })) => {
                let subject = format!("{} {kind} {id}", system.name);
                system
                    .faults
                    .push(Fault::new(POWERFLEX, subject, problem.to_string()));
                failed.get_or_insert(problem);
            }
            Err(problem) => return Err(problem),
        }
    }
    match failed {
        Some(problem) if !answered => Err(problem),
        _ => Ok(selected),
    }
}

/// The statistics of one object.
async fn figures_of(
    gateway: &Gateway,
    kind: &'static str,
    id: String,
) -> (&'static str, String, Result<Figures, Problem>) {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if id.is_empty() || !id.chars().all(plain) {
        return (kind, id, Err(strange(kind, "an id that is none")));
    }
    let path = format!("/api/instances/{kind}::{id}/relationships/Statistics");
    let answer = gateway.ask(&path, None).await;
    let figures = answer.and_then(|body| {
        serde_json::from_slice::<Figures>(&body).map_err(|error| strange(&path, &error.to_string()))
    });
    (kind, id, figures)
}

/// Objects of an answer, and what was wrong with others.
fn understood<'a, T: serde::Deserialize<'a>>(
    path: &str,
    body: &'a Bytes,
) -> Result<(Vec<T>, Vec<String>), Problem> {
    wire::list(body).map_err(|reason| strange(path, &reason))
}

fn faults(name: &str, path: &str, wrong: Vec<String>) -> impl Iterator<Item = Fault> {
    let subject = format!("{name} {path}");
    wrong
        .into_iter()
        .map(move |reason| Fault::new(POWERFLEX, &subject, reason))
}

/// A share of 1 of a percentage.
fn share(percent: Option<f64>) -> Option<f64> {
    percent
        .filter(|percent| (0.0..=100.0).contains(percent))
        .map(|percent| percent / 100.0)
}
