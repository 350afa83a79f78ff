//! What a gateway says to who signs in, and what it says where something is wrong.

use std::time::Duration;

use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;

use super::{Field, LONGEST_TEXT};

/// The answer of a sign-in of the native sort.
#[derive(Deserialize)]
pub(in super::super) struct Tokens {
    pub(in super::super) access_token: String,
    #[serde(default)]
    pub(in super::super) refresh_token: Field<String>,
    /// How long the access token holds.
    #[serde(default, deserialize_with = "seconds")]
    pub(in super::super) expires_in: Option<Duration>,
}

impl Tokens {
    /// Of an answer; `None` where it is none.
    pub(in super::super) fn of(body: &[u8]) -> Option<Self> {
        let body = Some(body).filter(|body| body.len() <= LONGEST_TEXT)?;
        serde_json::from_slice(body).ok()
    }
}

/// Seconds: a number, or a text of one. What holds for less than a second is not to be believed.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    let seconds: Option<f64> = raw.get().trim_matches('"').trim().parse().ok();
    Ok(seconds
        .filter(|seconds| *seconds >= 1.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}

/// An answer that says what is wrong.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefusalOnWire {
    #[serde(default)]
    message: Field<String>,
    #[serde(default)]
    http_status_code: Field<u16>,
    #[serde(default)]
    error_code: Field<i64>,
}

/// What a gateway says is wrong.
#[derive(Debug)]
pub(in super::super) struct Refusal {
    pub(in super::super) message: String,
    pub(in super::super) http_status_code: Option<u16>,
    pub(in super::super) error_code: Option<i64>,
}

impl Refusal {
    /// Of an answer; `None` where it says nothing of the sort.
    pub(in super::super) fn of(body: &[u8]) -> Option<Self> {
        let wire: RefusalOnWire = serde_json::from_slice(body).ok()?;
        let refusal = Self {
            message: wire.message.value().unwrap_or_default(),
            http_status_code: wire.http_status_code.value(),
            error_code: wire.error_code.value(),
        };
        Some(refusal).filter(|refusal| refusal.http_status_code.is_some() || !refusal.message.is_empty())
    }
}
