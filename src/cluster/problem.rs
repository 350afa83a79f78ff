//! Why the API cannot be read: errors of the client → one of a few problems, with the way out.

use std::error::Error as _;

use kube::client::AuthError;
use kube::core::Status;
use kube::runtime::watcher;
use tower::BoxError;

use super::bounds::is_too_long;
use crate::model::fault::with_causes;
use crate::model::inventory::{ResourceKind, WatchError, WatchProblem};
use crate::model::text;

/// More of a message than this is a web page that somebody put between us and the API server.
const LONGEST_MESSAGE: usize = 300;

/// What a request needs to be allowed.
pub(super) const WATCHED: &[&str] = &["list", "watch"];
/// What a single look-up needs to be allowed.
pub(super) const LOOKED_UP: &[&str] = &["get"];

/// What an error of a watch means; `None` where it is part of watching: the server forgot how far we had read, and
/// the list is read anew.
pub(super) fn of_watch(kind: ResourceKind, error: &watcher::Error) -> Option<WatchError> {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => of_request(kind, error, WATCHED),
        watcher::Error::WatchError(status) => of_status(kind, status, WATCHED),
        watcher::Error::NoResourceVersion => Some(WatchError {
            problem: WatchProblem::Failing,
            message: "the API server's answer has no resourceVersion".to_owned(),
            rule: None,
        }),
    }
}

/// What an error of one request means; `verbs` are what it needs to be allowed. `None` as in [`of_watch`].
pub(super) fn of_request(kind: ResourceKind, error: &kube::Error, verbs: &[&str]) -> Option<WatchError> {
    match error {
        kube::Error::Api(status) => of_status(kind, status, verbs),
        _ => Some(of_failure(error)),
    }
}

/// What it means that there is no answer, or no whole one.
pub(crate) fn of_failure(error: &kube::Error) -> WatchError {
    if let Some(message) = of_credentials(error) {
        return WatchError {
            problem: WatchProblem::Unauthorized,
            message,
            rule: None,
        };
    }
    let problem = match error {
        _ if is_too_long(error) => WatchProblem::Failing,
        kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_) => {
            WatchProblem::Unreachable
        }
        _ => WatchProblem::Failing,
    };
    // The outermost message says no more than that a request failed.
    let mut message = match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    };
    let mut cause = error.source().and_then(std::error::Error::source);
    while let Some(deeper) = cause {
        let text = deeper.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = deeper.source();
    }
    WatchError {
        problem,
        message: shortened(&message),
        rule: None,
    }
}

/// We have no credentials to show. It says why, and is told in the place of the client's own error, which has all of the command that gives
/// credentials, with its environment and its output.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NoCredentials(String);

/// What may be told of an error that comes of our own credentials; `None` of any other one.
pub(crate) fn of_credentials(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(NoCredentials(said)) = error.downcast_ref() {
            return Some(said.clone());
        }
        if let Some(error) = error.downcast_ref() {
            return Some(of_auth(error));
        }
        cause = error.source();
    }
    None
}

fn of_auth(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecRun { out, .. } => format!("the credential plugin failed ({})", out.status),
        AuthError::AuthExecStart(cause) => {
            format!("the credential plugin of the kubeconfig cannot be run: {cause}")
        }
        AuthError::ExecPluginFailed
        | AuthError::AuthExec(_)
        | AuthError::AuthExecParse(_)
        | AuthError::ParseTokenKey(_)
        | AuthError::MalformedTokenExpirationDate(_) => {
            "what the credential plugin says cannot be understood".to_owned()
        }
        other => shortened(&with_causes(other)),
    }
}

/// An error and what is behind it, in one line, without what a credential plugin was told and what it said.
pub(crate) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    of_credentials(error).unwrap_or_else(|| with_causes(error))
}

/// The error itself, or in its place what may be told of it.
pub(super) fn without_secrets(error: BoxError) -> BoxError {
    match of_credentials(&*error) {
        Some(said) => NoCredentials(said).into(),
        None => error,
    }
}

fn of_status(kind: ResourceKind, status: &Status, verbs: &[&str]) -> Option<WatchError> {
    (status.code != 410).then(|| of_refusal(status, &name(kind), rule(kind, verbs)))
}

/// What a status means that is no success; `name` is what was asked for, `rule` what grants it.
pub(crate) fn of_refusal(status: &Status, name: &str, rule: String) -> WatchError {
    let problem = match status.code {
        401 => WatchProblem::Unauthorized,
        403 => WatchProblem::Forbidden,
        404 => WatchProblem::Missing,
        429 => WatchProblem::Throttled,
        _ => WatchProblem::Failing,
    };
    let said = shortened(status.message.trim());
    let message = match problem {
        WatchProblem::Unauthorized => {
            format!("the API server does not accept our credentials (HTTP 401): {said}")
        }
        WatchProblem::Missing => format!("the API server does not have {name}"),
        // The client takes an event that it cannot read for a status without a code.
        _ if status.code == 0 => "the API server says what cannot be understood".to_owned(),
        _ if said.is_empty() => format!("the API server answers HTTP {}", status.code),
        _ => format!("the API server answers HTTP {}: {said}", status.code),
    };
    WatchError {
        problem,
        message,
        rule: (problem == WatchProblem::Forbidden).then_some(rule),
    }
}

/// The rule of a ClusterRole that grants `verbs`, as one line of YAML.
pub(super) fn rule(kind: ResourceKind, verbs: &[&str]) -> String {
    rule_of(kind.group(), kind.resource(), verbs)
}

/// The same of what is no kind that is followed.
pub(crate) fn rule_of(group: &str, resource: &str, verbs: &[&str]) -> String {
    format!(
        "{{apiGroups: [\"{group}\"], resources: [\"{resource}\"], verbs: [\"{}\"]}}",
        verbs.join("\", \"")
    )
}

fn name(kind: ResourceKind) -> String {
    match kind.group() {
        "" => kind.resource().to_owned(),
        _ if kind.is_engines() => kind.name().to_owned(),
        group => format!("{}.{group}/v1", kind.resource()),
    }
}

/// The text as far as somebody reads it.
pub(crate) fn shortened(text: &str) -> String {
    text::told(text, LONGEST_MESSAGE)
}
