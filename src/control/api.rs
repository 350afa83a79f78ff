//! What is asked of the Kubernetes API, and what it says to that.

use std::time::Duration;

use hyper::{Method, Request};
use kube::Client;
use serde_json::Value;

use crate::model::fault::with_causes;
use crate::model::text::{self, in_one_line, without_tokens};

/// How long one answer of the API may take.
const PATIENCE: Duration = Duration::from_secs(10);
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
}

impl ApiError {
    /// True where the same request may well go through in a moment. What a webhook or the server itself failed at is told at once.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Refused { code, .. } => matches!(code, 429 | 503 | 504),
            Self::Unanswered(_) => true,
        }
    }

    /// For people.
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Refused { words, .. } | Self::Unanswered(words) => words,
        }
    }
}

/// Asks for a path. Paths are made of names that the API itself gave.
pub(super) async fn ask(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, ApiError> {
    let bytes = body.map(Value::to_string).unwrap_or_default().into_bytes();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Content-Type", "application/json")
        .body(bytes)
        .map_err(|error| ApiError::Unanswered(format!("{path} cannot be asked for: {error}")))?;
    match tokio::time::timeout(PATIENCE, client.request::<Value>(request)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(ApiError::Refused {
            code: status.code,
            words: shortened(if status.message.is_empty() {
                &status.reason
            } else {
                &status.message
            }),
        }),
        Ok(Err(error)) => Err(ApiError::Unanswered(shortened(&format!(
            "the API server does not answer: {}",
            with_causes(&error)
        )))),
        Err(_) => Err(ApiError::Unanswered(format!(
            "the API server does not answer within {} s",
            PATIENCE.as_secs()
        ))),
    }
}

/// The words in one line, without tokens, and not too many of them.
fn shortened(words: &str) -> String {
    text::shortened(in_one_line(&without_tokens(words)).trim(), LONGEST_WORDS)
}
