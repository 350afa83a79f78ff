//! The engines' words for how something is.

use crate::model::replica::Health;

/// What a word means. A word that is not known here means that nobody can say.
pub(super) fn health(word: &str) -> Health {
    match word {
        "Ready" | "Healthy" | "ONLINE" | "Online" | "RW" | "Active" | "UpToDate" | "healthy"
        | "HEALTH_OK" => Health::Healthy,
        "Rebuilding" | "ReconstructingNewReplica" | "NewReplicaDegraded" | "WO" | "Syncing" => {
            Health::Rebuilding
        }
        "Degraded" | "DEGRADED" | "degraded" | "HEALTH_WARN" => Health::Degraded,
        "Failed" | "FAULTED" | "Faulted" | "UNAVAIL" | "REMOVED" | "ERR" | "Error" | "Offline"
        | "OFFLINE" | "Failure" | "faulted" | "HEALTH_ERR" => Health::Failed,
        _ => Health::Unknown,
    }
}

/// The word and its meaning; both `None` where nothing is said.
pub(super) fn told(word: Option<&str>) -> (Option<Health>, Option<String>) {
    (word.map(health), word.map(str::to_owned))
}
