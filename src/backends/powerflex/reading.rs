//! One reading of one system, in three requests as a rule: its pools, the system, their statistics.
//!
//! Pools of the second generation are asked for in a way of their own; where a system has both sorts that is one request more. Names of
//! protection domains, and of second-generation systems the pools of volumes, are asked for at the first reading, every five
//! minutes, and at once when a pool names a domain that is not known. Where a gateway refuses the query of chosen statistics, they
//! are read one object after the other, some at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use super::gateway::Gateway;
use super::https::{Problem, strange};
use super::names::{Known, Names, known};
use super::statistics::{self, Subjects};
use super::wire::{self, Figures, Selected};
use crate::model::backend::POWERFLEX;
use crate::model::fault::Fault;
use crate::model::powerflex::{Domain, Generation, Pool, System};

const POOLS: &str = "/api/types/StoragePool/instances";
const SYSTEMS: &str = "/api/types/System/instances";

/// Reads a system.
pub(super) async fn read(gateway: &Gateway, names: &Names) -> Result<System, Problem> {
    let mut system = System::new(&gateway.settings().name);
    let body = gateway.ask(POOLS, None).await?;
    let (pools, wrong) = wire::list::<wire::Pool<'_>>(&body).map_err(|reason| strange(POOLS, &reason))?;
    complain(&mut system, POOLS, wrong);
    let systems = objects::<wire::System>(gateway, SYSTEMS, &mut system).await?;
    // A second-generation pool's statistics do not say which volumes it has.
    let with_volumes = pools.iter().any(wire::Pool::is_erasure_coded);
    let domain_ids: BTreeSet<String> = pools.iter().filter_map(wire::Pool::domain_id).collect();
    let known = known(gateway, names, &domain_ids, with_volumes, &mut system).await?;
    let session = gateway.session().await?;
    system.version = session.version.as_ref().map(ToString::to_string);

    let (coded, mirrored): (Vec<_>, Vec<_>) = pools.iter().partition(|pool| pool.is_erasure_coded());
    let (mut selected, mut metrics) = (Selected::default(), BTreeMap::new());
    // Either failure costs its own figures, unless there are no others.
    let (mut answered, mut failed) = (false, None);
    if !mirrored.is_empty() || coded.is_empty() {
        let subjects = Subjects {
            pools: mirrored.iter().map(|pool| pool.id.clone()).collect(),
            domains: mirrored.iter().filter_map(|pool| pool.domain_id()).collect(),
            known_domains: known.domains.keys().cloned().collect(),
            systems: &systems,
        };
        match statistics::selected(gateway, &session, &subjects, &mut system).await {
            Ok(found) => (selected, answered) = (found, true),
            Err(problem) => {
                failed = Some(problem.clone());
                statistics::without(&mut system, problem, false)?;
            }
        }
    }
    if !coded.is_empty() {
        let ids: Vec<&str> = coded.iter().map(|pool| pool.id.as_str()).collect();
        match statistics::metrics(gateway, &ids, &mut system).await {
            Ok(found) => (metrics, answered) = (found, true),
            Err(problem) => {
                failed = failed.or(Some(problem.clone()));
                statistics::without(&mut system, problem, true)?;
            }
        }
    }
    if let Some(problem) = failed.filter(|_| !answered) {
        return Err(problem);
    }

    for pool in pools {
        let mut figures = if pool.is_erasure_coded() {
            metrics.remove(&pool.id).unwrap_or_default()
        } else {
            selected.pools.remove(&pool.id).unwrap_or_default()
        };
        if pool.is_erasure_coded() {
            figures.volumes = known.volumes(&pool.id);
        }
        system.pools.push(described(pool, &known, figures));
    }
    for (id, figures) in selected.domains {
        let name = known.domains.get(&id).unwrap_or(&id).clone();
        system.domains.push(Domain {
            id,
            name,
            statistics: figures.statistics,
        });
    }
    describe(&mut system, systems, selected.systems);
    tell_apart(&mut system);
    system.taken_at = SystemTime::now();
    Ok(system)
}

/// A pool with its figures.
fn described(pool: wire::Pool<'_>, known: &Known, figures: Figures) -> Pool {
    let domain_id = pool.domain_id().unwrap_or_default();
    let name = pool.name.get().filter(|name| !name.is_empty());
    Pool {
        name: name.unwrap_or(&pool.id).clone(),
        domain: known.domains.get(&domain_id).unwrap_or(&domain_id).clone(),
        domain_id,
        generation: if pool.is_erasure_coded() {
            Generation::ErasureCoded
        } else {
            Generation::Mirrored
        },
        media_type: pool.media_type.value(),
        data_layout: pool.data_layout.value(),
        spare: share(pool.spare_percentage.value()),
        high_threshold: share(pool.capacity_alert_high_threshold.value()),
        critical_threshold: share(pool.capacity_alert_critical_threshold.value()),
        rebuilds: pool.rebuild_enabled.value(),
        rebalances: pool.rebalance_enabled.value(),
        capacity_state: pool.capacity_usage_state.value(),
        volumes: figures.volumes,
        statistics: figures.statistics,
        id: pool.id,
    }
}

/// What the system says of itself. A gateway has one.
fn describe(system: &mut System, systems: Vec<wire::System>, mut statistics: BTreeMap<String, Figures>) {
    if systems.len() > 1 {
        let told: Vec<String> = systems
            .iter()
            .take(3)
            .map(|system| wire::told_id(&system.id))
            .collect();
        let message = format!("it tells of the systems {}; the first is shown", told.join(", "));
        system.faults.push(Fault::new(POWERFLEX, &system.name, message));
    }
    let Some(own) = systems.into_iter().next() else {
        return;
    };
    let figures = statistics.remove(&own.id).or_else(|| statistics.remove(""));
    system.statistics = figures.unwrap_or_default().statistics;
    system.id = own.id;
    system.own_name = own.name.value().filter(|name| !name.is_empty());
    system.release = own.release.value();
    system.high_threshold = share(own.capacity_alert_high_threshold_percent.value());
    system.critical_threshold = share(own.capacity_alert_critical_threshold_percent.value());
    system.cluster_state = own.mdm_cluster.value().and_then(|cluster| cluster.cluster_state);
}

/// Names are how people know pools, and what labels tell; all that share one get their ids beside it, in whichever order they come.
fn tell_apart(system: &mut System) {
    make_unique(&mut system.domains, |domain| {
        ((String::new(), &domain.id), &mut domain.name)
    });
    make_unique(&mut system.pools, |pool| {
        ((pool.domain.clone(), &pool.id), &mut pool.name)
    });
}

/// Puts ids beside names that are not the only one in their place. A name that looks as if that had been done to it may be met twice.
fn make_unique<T>(all: &mut [T], parts: impl Fn(&mut T) -> ((String, &String), &mut String)) {
    loop {
        let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
        for one in all.iter_mut() {
            let ((place, _), name) = parts(one);
            *seen.entry((place, name.clone())).or_default() += 1;
        }
        let mut changed = false;
        for one in all.iter_mut() {
            let ((place, id), name) = parts(one);
            if seen.get(&(place, name.clone())).is_some_and(|count| *count > 1) {
                *name = format!("{name} ({id})");
                changed = true;
            }
        }
        if !changed {
            return;
        }
    }
}

/// Objects of an answer. What is wrong with others is a fault of `system`.
pub(super) async fn objects<T: wire::Object + serde::de::DeserializeOwned>(
    gateway: &Gateway,
    path: &str,
    system: &mut System,
) -> Result<Vec<T>, Problem> {
    let body = gateway.ask(path, None).await?;
    let (found, wrong) = wire::list(&body).map_err(|reason| strange(path, &reason))?;
    complain(system, path, wrong);
    Ok(found)
}

fn complain(system: &mut System, path: &str, wrong: Vec<String>) {
    let faults: Vec<Fault> = wrong
        .into_iter()
        .map(|reason| fault(system, format!("{path}: {reason}")))
        .collect();
    system.faults.extend(faults);
}

/// What is wrong with a system's answers.
pub(super) fn fault(system: &System, message: String) -> Fault {
    Fault::new(POWERFLEX, format!("{POWERFLEX} {}", system.name), message)
}

/// Takes a problem for a fault which costs no more than is said. An error is what nothing can be read with.
pub(super) fn cost(system: &mut System, problem: Problem, lost: &str) -> Result<(), Problem> {
    if problem.is_of_signing_in() {
        return Err(problem);
    }
    let said = fault(system, format!("{problem} (so {lost})"));
    system.faults.push(said);
    Ok(())
}

/// A share of 1 of a percentage.
fn share(percent: Option<f64>) -> Option<f64> {
    percent
        .filter(|percent| (0.0..=100.0).contains(percent))
        .map(|percent| percent / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(pools: &[(&str, &str)]) -> Vec<String> {
        let mut system = System::new("prod");
        for (id, name) in pools {
            let pool = serde_json::json!({ "id": id, "name": name }).to_string();
            let pool = serde_json::from_str(&pool).unwrap();
            let pool = described(pool, &Known::default(), Figures::default());
            system.pools.push(pool);
        }
        tell_apart(&mut system);
        system.pools.into_iter().map(|pool| pool.name).collect()
    }

    #[test]
    fn pools_of_one_name_are_told_apart_in_any_order() {
        assert_eq!(
            named(&[("1", "ssd"), ("2", "ssd"), ("3", "hdd")]),
            ["ssd (1)", "ssd (2)", "hdd"]
        );
        assert_eq!(named(&[("2", "ssd"), ("1", "ssd")]), ["ssd (2)", "ssd (1)"]);
        assert_eq!(
            named(&[("1", "ssd"), ("2", "ssd"), ("3", "ssd (1)")]),
            ["ssd (1) (1)", "ssd (2)", "ssd (1) (3)"]
        );
    }
}
