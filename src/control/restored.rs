//! Whether something is being made of a snapshot that is to be deleted.

use hyper::Method;
use kube::Client;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::api::{ApiError, not_understood, understood};
use super::objects;
use super::perform::{TRIED, until_answered};
use crate::cluster::pages::{PageError, Pages};
use crate::model::workload::NamespacedName;

#[derive(Deserialize)]
struct Claim {
    metadata: Option<Named>,
    spec: Option<ClaimSpec>,
    status: Option<ClaimStatus>,
}

#[derive(Deserialize)]
struct Named {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaimSpec {
    data_source: Option<Source>,
    data_source_ref: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    kind: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct ClaimStatus {
    phase: Option<String>,
}

impl Claim {
    /// The name of one that waits for its volume, which is to be made from that snapshot of its namespace.
    fn restored_from(self, snapshot: &str) -> Option<String> {
        let phase = self.status.as_ref().and_then(|status| status.phase.as_deref());
        let comes_from = |source: &Option<Source>| {
            source.as_ref().is_some_and(|source| {
                source.kind.as_deref() == Some("VolumeSnapshot") && source.name.as_deref() == Some(snapshot)
            })
        };
        let spec = self.spec.as_ref();
        let is_restored = phase != Some("Bound")
            && spec.is_some_and(|spec| comes_from(&spec.data_source) || comes_from(&spec.data_source_ref));
        is_restored.then(|| self.metadata.and_then(|named| named.name).unwrap_or_default())
    }
}

/// The first claim of its namespace that waits to be made from that snapshot. They come in pages, since there may be any number of them, and in
/// smaller ones where they are long. An error is why they cannot all be asked for.
pub(super) async fn restored_from(
    client: &Client,
    snapshot: &NamespacedName,
    deadline: Instant,
) -> Result<Option<String>, String> {
    let mut pages = Pages::of(objects::claims(&snapshot.namespace));
    let in_words = |error: ApiError| error.words().to_owned();
    while Instant::now() < deadline {
        let page = match until_answered(client, &Method::GET, &pages.path(), None, deadline).await {
            Ok(page) => page,
            Err(ApiError::Unreadable(_)) if pages.in_smaller() => continue,
            Err(error) => return Err(in_words(error)),
        };
        let mut found = Ok(None);
        let are_more = pages.take(page.as_bytes(), &mut |claim: &RawValue| {
            if matches!(found, Ok(None)) {
                let claim = understood::<Claim>(claim.get());
                found = claim.map(|claim| claim.restored_from(&snapshot.name));
            }
        });
        let are_more = are_more.map_err(|wrong| match wrong {
            PageError::NotUnderstood(wrong) => in_words(not_understood(&wrong)),
            PageError::TooMany => wrong.to_string(),
        })?;
        let found = found.map_err(in_words)?;
        if found.is_some() || !are_more {
            return Ok(found);
        }
    }
    Err(format!(
        "there are more than can be read in {} s",
        TRIED.as_secs()
    ))
}
