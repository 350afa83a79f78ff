//! One reading of one system, in three requests as a rule: its pools, the system, their statistics.
//!
//! Pools of the second generation are asked for in a way of their own; where a system has both sorts that is one request more. Names of
//! protection domains, and of second-generation systems the pools of volumes, are asked for at the first reading, every five
//! minutes, and at once when a pool names a domain that is not known. Where a gateway refuses the query of chosen statistics, they
//! are read one object after the other, some at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use super::faults::Faults;
use super::gateway::Gateway;
use super::https::{Problem, strange};
use super::names::{Known, Names, known};
use super::patience::Patience;
use super::statistics::{self, Subjects};
use super::wire::{self, Figures};
use crate::model::powerflex::{Domain, Generation, Pool, System};
use crate::model::text::shortened;

const POOLS: &str = "/api/types/StoragePool/instances";
const SYSTEMS: &str = "/api/types/System/instances";

/// Reads a system. What it can be told without is waited for as long as patience lasts.
pub(super) async fn read(
    gateway: &Arc<Gateway>,
    names: &Names,
    patience: &Patience,
) -> Result<System, Problem> {
    let mut system = System::new(&gateway.settings().name);
    let mut faults = Faults::of(&system.name);
    let body = gateway.ask(POOLS, None).await?;
    let (pools, wrong) = wire::list::<wire::Pool<'_>>(&body).map_err(|reason| strange(POOLS, &reason))?;
    faults.complain(POOLS, wrong);
    let body = gateway.ask(SYSTEMS, None).await?;
    let (systems, wrong) = wire::list(&body).map_err(|reason| strange(SYSTEMS, &reason))?;
    faults.complain(SYSTEMS, wrong);
    // A second-generation pool's statistics do not say which volumes it has.
    let with_volumes = pools.iter().any(wire::Pool::is_erasure_coded);
    let domain_ids: BTreeSet<String> = pools.iter().filter_map(wire::Pool::domain_id).collect();
    let known = known(gateway, names, &domain_ids, with_volumes, patience, &mut faults).await?;
    let session = gateway.session().await?;
    system.version = session.version.as_ref().map(ToString::to_string);
    system.taken_at = SystemTime::now();

    let (coded, mirrored): (Vec<_>, Vec<_>) = pools.iter().partition(|pool| pool.is_erasure_coded());
    let subjects = Subjects {
        pools: mirrored.iter().map(|pool| pool.id.clone()).collect(),
        domains: mirrored.iter().filter_map(|pool| pool.domain_id()).collect(),
        known_domains: known.domains.keys().cloned().collect(),
        systems: &systems,
    };
    let ids: Vec<&str> = coded.iter().map(|pool| pool.id.as_str()).collect();
    let patience = if coded.is_empty() || mirrored.is_empty() {
        patience.without_end()
    } else {
        patience.clone()
    };
    let (mut of_selected, mut of_metrics) = (faults.beside(), faults.beside());
    let (selected, metrics) = tokio::join!(
        async {
            let is_wanted = !mirrored.is_empty() || coded.is_empty();
            let read = statistics::selected(gateway, &session, &subjects, &patience, &mut of_selected);
            if is_wanted { Some(read.await) } else { None }
        },
        async {
            let read = statistics::metrics(gateway, &ids, &patience, &mut of_metrics);
            if coded.is_empty() { None } else { Some(read.await) }
        }
    );
    faults.extend(of_selected.into_all());
    faults.extend(of_metrics.into_all());
    // Either failure costs its own figures, unless there are no others.
    let answered = matches!(selected, Some(Ok(_))) || matches!(metrics, Some(Ok(_)));
    let mut costs = |problem: Problem, lost: &str| {
        if answered {
            faults.cost(problem, lost)
        } else {
            Err(problem)
        }
    };
    let selected = selected.transpose().or_else(|problem| {
        costs(
            problem,
            "pools of the first generation, protection domains and the system have no figures",
        )?;
        Ok(None)
    })?;
    let metrics = metrics.transpose().or_else(|problem| {
        costs(problem, "pools of the second generation have no figures")?;
        Ok(None)
    })?;
    let (mut selected, mut metrics) = (selected.unwrap_or_default(), metrics.unwrap_or_default());

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
    describe(&mut system, systems, selected.systems, &mut faults);
    tell_apart(&mut system);
    system.faults = faults.into_all();
    Ok(system)
}

/// So much of a text of a gateway's, which stands in the labels of each figure: its own names have 31 letters at most.
const LONGEST_TEXT: usize = 253;

pub(super) fn short(text: &str) -> String {
    shortened(text, LONGEST_TEXT)
}

/// A pool with its figures.
fn described(pool: wire::Pool<'_>, known: &Known, figures: Figures) -> Pool {
    let domain_id = pool.domain_id().unwrap_or_default();
    let name = pool.name.get().filter(|name| !name.is_empty());
    Pool {
        name: short(name.unwrap_or(&pool.id)),
        domain: known.domains.get(&domain_id).unwrap_or(&domain_id).clone(),
        domain_id,
        generation: if pool.is_erasure_coded() {
            Generation::ErasureCoded
        } else {
            Generation::Mirrored
        },
        media_type: pool.media_type.get().map(|text| short(text)),
        data_layout: pool.data_layout.get().map(|text| short(text)),
        spare: share(pool.spare_percentage.value()),
        high_threshold: share(pool.capacity_alert_high_threshold.value()),
        critical_threshold: share(pool.capacity_alert_critical_threshold.value()),
        rebuilds: pool.rebuild_enabled.value(),
        rebalances: pool.rebalance_enabled.value(),
        capacity_state: pool.capacity_usage_state.get().map(|text| short(text)),
        volumes: figures.volumes,
        statistics: figures.statistics,
        id: pool.id,
    }
}

/// What the system says of itself. A gateway has one.
fn describe(
    system: &mut System,
    systems: Vec<wire::System>,
    mut statistics: BTreeMap<String, Figures>,
    faults: &mut Faults,
) {
    if systems.len() > 1 {
        let told: Vec<String> = systems
            .iter()
            .take(3)
            .map(|system| wire::told_id(&system.id))
            .collect();
        faults.add(format!(
            "it tells of the systems {}; the first is shown",
            told.join(", ")
        ));
    }
    let Some(own) = systems.into_iter().next() else {
        return;
    };
    let figures = statistics.remove(&own.id).or_else(|| statistics.remove(""));
    system.statistics = figures.unwrap_or_default().statistics;
    system.id = own.id;
    system.own_name = own
        .name
        .get()
        .map(|text| short(text))
        .filter(|name| !name.is_empty());
    system.release = own.release.get().map(|text| short(text));
    system.high_threshold = share(own.capacity_alert_high_threshold_percent.value());
    system.critical_threshold = share(own.capacity_alert_critical_threshold_percent.value());
    let cluster = own.mdm_cluster.value();
    system.cluster_state = cluster.and_then(|cluster| Some(short(&cluster.cluster_state?)));
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

/// Puts ids beside names that are not the only one in their place. A name that looks as if that had been done to it may be met twice; where
/// some are the same even then, all are called by their ids alone.
fn make_unique<T>(all: &mut [T], parts: impl Fn(&mut T) -> ((String, &String), &mut String)) {
    for round in 0..3 {
        let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
        for one in all.iter_mut() {
            let ((place, _), name) = parts(one);
            *seen.entry((place, name.clone())).or_default() += 1;
        }
        if seen.len() == all.len() {
            return;
        }
        for one in all.iter_mut() {
            let ((place, id), name) = parts(one);
            if round == 2 {
                name.clone_from(id);
            } else if seen.get(&(place, name.clone())).is_some_and(|count| *count > 1) {
                *name = format!("{name} ({id})");
            }
        }
    }
}

/// Objects of an answer that can be done without. What is wrong with others is a fault.
pub(super) async fn objects<T: wire::Object + serde::de::DeserializeOwned>(
    gateway: &Arc<Gateway>,
    path: &str,
    patience: &Patience,
    faults: &mut Faults,
) -> Result<Vec<T>, Problem> {
    let body = gateway.ask_apart(path, None, patience).await?;
    let (found, wrong) = wire::list(&body).map_err(|reason| strange(path, &reason))?;
    faults.complain(path, wrong);
    Ok(found)
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
    fn a_name_of_megabytes_stands_in_no_label() {
        let long = "p".repeat(1 << 20);
        let pool = serde_json::json!({"id": "1", "name": long, "mediaType": long, "dataLayout": long,
                                      "capacityUsageState": long, "protectionDomainId": long});
        let pool = pool.to_string();
        let pool = serde_json::from_str(&pool).unwrap();
        let pool = described(pool, &Known::default(), Figures::default());
        let texts = [&pool.domain, &pool.domain_id]
            .into_iter()
            .chain(&pool.media_type);
        let texts = texts.chain(&pool.data_layout).chain(&pool.capacity_state);
        assert!(
            texts
                .map(|text| text.chars().count())
                .all(|letters| letters <= LONGEST_TEXT + 1)
        );
        assert_eq!(pool.name, format!("{}…", "p".repeat(LONGEST_TEXT)));
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
        // Somebody has made them up.
        assert_eq!(
            named(&[
                ("1", "s"),
                ("2", "s"),
                ("3", "s (1)"),
                ("4", "s (1) (1)"),
                ("5", "s (1) (1) (1)")
            ]),
            ["1", "2", "3", "4", "5"]
        );
    }
}
