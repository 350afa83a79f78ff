//! Names that are kept from reading to reading: of protection domains, and of second-generation pools the volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::gateway::Gateway;
use super::https::Problem;
use super::reading::{cost, objects};
use super::wire;
use crate::model::powerflex::System;

/// How long names are taken to hold.
const NAMES_HOLD: Duration = Duration::from_secs(300);

const DOMAINS: &str = "/api/types/ProtectionDomain/instances";
const VOLUMES: &str = "/api/types/Volume/instances";

/// Names that are kept.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<Known>);

/// What is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Names of protection domains by their ids.
    pub(super) domains: BTreeMap<String, String>,
    /// Volumes by their pool, where statistics do not tell them; `None` where nobody wanted to know, or could.
    volumes: Option<BTreeMap<String, Vec<String>>>,
    /// When all of it was read; `None` where a part of it failed.
    read: Option<Instant>,
}

impl Known {
    /// The volumes of a pool, as far as they are known.
    pub(super) fn volumes(&self, pool: &str) -> Vec<String> {
        let volumes = self.volumes.as_ref().and_then(|volumes| volumes.get(pool));
        volumes.cloned().unwrap_or_default()
    }
}

/// The names, read anew where they are old or one is missing. What fails is a fault of `system`, and what was known of it is kept.
pub(super) async fn known(
    gateway: &Gateway,
    names: &Names,
    domains: &BTreeSet<String>,
    with_volumes: bool,
    system: &mut System,
) -> Result<Known, Problem> {
    let kept = names.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if kept.read.is_some_and(|read| read.elapsed() < NAMES_HOLD)
        && domains.iter().all(|id| kept.domains.contains_key(id))
        && (kept.volumes.is_some() || !with_volumes)
    {
        return Ok(kept);
    }
    let mut fresh = Known {
        read: Some(Instant::now()),
        ..Known::default()
    };
    match objects::<wire::Domain>(gateway, DOMAINS, system).await {
        Ok(found) => {
            for domain in found {
                let name = domain.name.value().filter(|name| !name.is_empty());
                fresh.domains.insert(domain.id.clone(), name.unwrap_or(domain.id));
            }
            // What names a domain that the gateway does not tell of is not asked again for it.
            for id in domains {
                fresh.domains.entry(id.clone()).or_insert_with(|| id.clone());
            }
        }
        Err(problem) => {
            cost(
                system,
                problem,
                "protection domains are called as before, or by their ids",
            )?;
            fresh.domains.clone_from(&kept.domains);
            fresh.read = None;
        }
    }
    if with_volumes {
        match objects::<wire::Volume>(gateway, VOLUMES, system).await {
            Ok(found) => {
                let mut volumes: BTreeMap<String, Vec<String>> = BTreeMap::new();
                for volume in found {
                    if let Some(pool) = volume.storage_pool_id.value() {
                        volumes.entry(pool).or_default().push(volume.id);
                    }
                }
                fresh.volumes = Some(volumes);
            }
            Err(problem) => {
                cost(
                    system,
                    problem,
                    "which volumes lie in pools of the second generation is as before, or not known",
                )?;
                fresh.volumes = kept.volumes;
                fresh.read = None;
            }
        }
    }
    *names.0.lock().unwrap_or_else(PoisonError::into_inner) = fresh.clone();
    Ok(fresh)
}
