//! Names that are kept from reading to reading: of protection domains, and of second-generation pools the volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::faults::Faults;
use super::gateway::Gateway;
use super::https::Problem;
use super::locked;
use super::patience::Patience;
use super::reading::{objects, short};
use super::wire;

/// How long names are taken to hold.
const NAMES_HOLD: Duration = Duration::from_secs(300);
/// Names that could not be read are not asked for again for so long.
const DOMAINS_AGAIN: Duration = Duration::from_secs(10);
/// The same for volumes, which are many.
const VOLUMES_AGAIN: Duration = Duration::from_secs(60);
/// Names come before all figures, which can do without them.
const LONGEST: Duration = Duration::from_secs(2);

const DOMAINS: &str = "/api/types/ProtectionDomain/instances";
const VOLUMES: &str = "/api/types/Volume/instances";

/// Names that are kept.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<Arc<Known>>);

/// What is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Names of protection domains by their ids.
    pub(super) domains: BTreeMap<String, String>,
    domains_asked: Option<Asked>,
    /// Volumes by their pool, where statistics do not tell them; none where nobody wanted to know, or could.
    volumes: BTreeMap<String, Vec<String>>,
    volumes_asked: Option<Asked>,
}

/// How it was when they were asked for last.
#[derive(Debug, Clone)]
struct Asked {
    at: Instant,
    /// Why there are no newer ones.
    failed: Option<Problem>,
}

impl Asked {
    fn now(failed: Option<Problem>) -> Self {
        Self {
            at: Instant::now(),
            failed,
        }
    }
}

/// True where it is time to ask.
fn is_due(asked: Option<&Asked>, again: Duration) -> bool {
    asked.is_none_or(|asked| {
        let held = if asked.failed.is_some() { again } else { NAMES_HOLD };
        asked.at.elapsed() >= held
    })
}

impl Known {
    /// The volumes of a pool, as far as they are known.
    pub(super) fn volumes(&self, pool: &str) -> Vec<String> {
        self.volumes.get(pool).cloned().unwrap_or_default()
    }
}

/// The names, read anew where they are old or one is missing. What fails is a fault, and what was known of it is kept.
pub(super) async fn known(
    gateway: &Arc<Gateway>,
    names: &Names,
    domains: &BTreeSet<String>,
    with_volumes: bool,
    patience: &Patience,
    faults: &mut Faults,
) -> Result<Arc<Known>, Problem> {
    let mut known = Arc::clone(&locked(&names.0));
    let patience = patience.at_most(LONGEST);
    let asked = known.domains_asked.as_ref();
    // Of what could be read, a name that is missing is new.
    let is_new = asked.is_some_and(|asked| asked.failed.is_none())
        && domains.iter().any(|id| !known.domains.contains_key(id));
    if is_new || is_due(asked, DOMAINS_AGAIN) {
        let fresh = Arc::make_mut(&mut known);
        match objects::<wire::Domain>(gateway, DOMAINS, &patience, faults).await {
            Ok(found) => {
                fresh.domains.clear();
                for domain in found {
                    let name = domain
                        .name
                        .get()
                        .map(|name| short(name))
                        .filter(|name| !name.is_empty());
                    fresh.domains.insert(domain.id.clone(), name.unwrap_or(domain.id));
                }
                // What names a domain that the gateway does not tell of is not asked again for it.
                for id in domains {
                    fresh.domains.entry(id.clone()).or_insert_with(|| id.clone());
                }
                fresh.domains_asked = Some(Asked::now(None));
            }
            Err(problem) => fresh.domains_asked = Some(Asked::now(Some(problem))),
        }
    }
    if with_volumes && is_due(known.volumes_asked.as_ref(), VOLUMES_AGAIN) {
        let fresh = Arc::make_mut(&mut known);
        match objects::<wire::Volume>(gateway, VOLUMES, &patience, faults).await {
            Ok(found) => {
                fresh.volumes.clear();
                for volume in found {
                    if let Some(pool) = volume.storage_pool_id.value() {
                        fresh.volumes.entry(pool).or_default().push(volume.id);
                    }
                }
                fresh.volumes_asked = Some(Asked::now(None));
            }
            Err(problem) => fresh.volumes_asked = Some(Asked::now(Some(problem))),
        }
    }
    *locked(&names.0) = Arc::clone(&known);
    // As long as it is not asked again, the reason stays.
    for (asked, lost) in [
        (
            &known.domains_asked,
            "protection domains are called as before, or by their ids",
        ),
        (
            &known.volumes_asked,
            "which volumes lie in pools of the second generation is as before, or not known",
        ),
    ] {
        if let Some(problem) = asked.as_ref().and_then(|asked| asked.failed.clone()) {
            faults.cost(problem, lost)?;
        }
    }
    Ok(known)
}
