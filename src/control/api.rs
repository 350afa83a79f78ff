//! What is asked of the Kubernetes API, and what it says to that.

use std::time::Duration;

use hyper::{Method, Request};
use kube::Client;
use serde::Deserialize;
use serde_json::Value;

use crate::cluster::bounds::{Bounds, is_too_long};
use crate::cluster::pages::LONGEST_PAGE;
use crate::model::fault::with_causes;
use crate::model::text::told;

/// How long one answer of the API may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer, in bytes: a page of claims, or the events of one object.
const LONGEST_ANSWER: usize = LONGEST_PAGE;
/// The most of the server's words that are passed on, in characters.
const LONGEST_WORDS: usize = 600;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ApiError {
    /// The server said no, in these words.
    Refused {
        /// The status.
        code: u16,
        /// Its own words.
        words: String,
    },
    /// Nobody knows whether it was done: no answer, or half of one.
    Unanswered(String),
    /// The same, where to ask again would lead to the same.
    Unreadable(String),
}

impl ApiError {
    /// True where the same request may well go through in a moment. What a webhook or the server itself failed at is told at once.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Refused { code, .. } => matches!(code, 429 | 503 | 504),
            Self::Unanswered(_) => true,
            Self::Unreadable(_) => false,
        }
    }

    /// True where it may have been done all the same.
    pub(super) fn is_unanswered(&self) -> bool {
        matches!(
            self,
            Self::Unanswered(_) | Self::Unreadable(_) | Self::Refused { code: 504, .. }
        )
    }

    /// For people.
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Refused { words, .. } | Self::Unanswered(words) | Self::Unreadable(words) => words,
        }
    }
}

/// What is taken of an answer.
pub(super) fn bounds() -> Bounds {
    Bounds::new([PATIENCE; 2], LONGEST_ANSWER)
}

/// Asks for a path, and gives the answer as it is. Paths are made of names that the API itself gave.
pub(super) async fn ask(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<String, ApiError> {
    let bytes = body.map(Value::to_string).unwrap_or_default().into_bytes();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Content-Type", "application/json")
        .body(bytes)
        .map_err(|error| ApiError::Refused {
            code: 0,
            words: shortened(&format!("{path} cannot be asked for: {error}")),
        })?;
    match client.request_text(request).await {
        Ok(answer) => Ok(answer),
        Err(kube::Error::Api(status)) => Err(ApiError::Refused {
            code: status.code,
            words: shortened(if status.message.is_empty() {
                &status.reason
            } else {
                &status.message
            }),
        }),
        Err(error) if is_too_long(&error) => Err(ApiError::Unreadable(shortened(&with_causes(&error)))),
        Err(error) => Err(ApiError::Unanswered(shortened(&format!(
            "the API server does not answer: {}",
            with_causes(&error)
        )))),
    }
}

/// An answer, as far as it is used.
pub(super) fn understood<'a, T: Deserialize<'a>>(answer: &'a str) -> Result<T, ApiError> {
    serde_json::from_str(answer).map_err(|error| not_understood(&error))
}

/// An answer is not what it should be.
pub(super) fn not_understood(error: &serde_json::Error) -> ApiError {
    ApiError::Unreadable(shortened(&format!(
        "the API server's answer cannot be understood: {error}"
    )))
}

fn shortened(words: &str) -> String {
    told(words, LONGEST_WORDS)
}
