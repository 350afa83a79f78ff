//! One request to the API server, and what its failure means.

use bytes::Bytes;
use hyper::{Request, StatusCode};
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use tokio::time::Instant;

use crate::backends::answer::whole;
use crate::cluster::problem::{of_credentials, shortened};
use crate::model::fault::with_causes;
use crate::model::inventory::{WatchError, WatchProblem};

/// As much as the figures of 100,000 containers: a longer answer is none of theirs.
const LARGEST_ANSWER: usize = 32 << 20;

/// A list that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    namespace: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// All of the cluster.
    pub(super) const fn of_cluster(
        group: &'static str,
        version: &'static str,
        resource: &'static str,
    ) -> Self {
        Self {
            group,
            version,
            resource,
            namespace: None,
        }
    }

    /// All of one namespace. Its name is one that Kubernetes takes: `args.rs` sees to it.
    pub(super) const fn within(
        namespace: &'a str,
        group: &'static str,
        version: &'static str,
        resource: &'static str,
    ) -> Self {
        Self {
            namespace: Some(namespace),
            ..Self::of_cluster(group, version, resource)
        }
    }

    fn path(&self) -> String {
        let root = match self.group {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match self.namespace {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.resource),
            None => format!("{root}/{}", self.resource),
        }
    }

    /// The rule that grants it, as one line of YAML.
    pub(super) fn rule(&self) -> String {
        format!(
            "{{apiGroups: [\"{}\"], resources: [\"{}\"], verbs: [\"list\"]}}",
            self.group, self.resource
        )
    }
}

/// The body of an answer, or why there is none.
pub(super) type Answered = Result<Bytes, WatchError>;

/// Who is asked, and for how long.
pub(super) struct Asking<'a> {
    pub(super) client: &'a Client,
    pub(super) deadline: Instant,
}

impl Asking<'_> {
    /// The list, or why there is none by the deadline.
    pub(super) async fn get(&self, wanted: &Wanted<'_>) -> Answered {
        let started = Instant::now();
        let answer = tokio::time::timeout_at(self.deadline, self.answer(wanted)).await;
        answer.unwrap_or_else(|_| {
            let seconds = started.elapsed().as_secs_f64();
            Err(error(
                WatchProblem::Unreachable,
                format!("no whole answer within {seconds:.1} s"),
            ))
        })
    }

    async fn answer(&self, wanted: &Wanted<'_>) -> Answered {
        let request = Request::get(wanted.path())
            .header("accept", "application/json")
            .body(Body::empty())
            .map_err(|wrong| error(WatchProblem::Failing, wrong.to_string()))?;
        let response = self.client.send(request).await.map_err(|error| unsent(&error))?;
        let status = response.status();
        let body = whole(response.into_body(), LARGEST_ANSWER).await;
        if !status.is_success() {
            return Err(refused(wanted, status, &body.unwrap_or_default()));
        }
        body.map_err(|broken| error(WatchProblem::Unreachable, with_causes(&*broken)))
    }
}

fn error(problem: WatchProblem, message: String) -> WatchError {
    WatchError {
        problem,
        message,
        rule: None,
    }
}

/// What was to be read is not what it should be.
pub(super) fn not_understood(what: &serde_json::Error) -> WatchError {
    error(
        WatchProblem::Failing,
        format!(
            "what is answered cannot be understood: {}",
            shortened(&what.to_string())
        ),
    )
}

fn unsent(sending: &kube::Error) -> WatchError {
    match of_credentials(sending) {
        Some(said) => error(WatchProblem::Unauthorized, said),
        None => error(WatchProblem::Unreachable, shortened(&with_causes(sending))),
    }
}

fn refused(wanted: &Wanted<'_>, status: StatusCode, body: &[u8]) -> WatchError {
    #[derive(Deserialize)]
    struct Status {
        kind: Option<String>,
        message: Option<String>,
    }
    let own = serde_json::from_slice::<Status>(body).ok();
    let own = own.filter(|said| said.kind.as_deref() == Some("Status"));
    let is_page = body.trim_ascii_start().first() == Some(&b'<');
    let problem = match status {
        StatusCode::UNAUTHORIZED => WatchProblem::Unauthorized,
        // Who says no in another form stands in between, and no rule of a Role mends that.
        StatusCode::FORBIDDEN if own.is_some() => WatchProblem::Forbidden,
        // Of a group that is not there an API server says so in plain words.
        StatusCode::NOT_FOUND if !is_page => WatchProblem::Missing,
        StatusCode::TOO_MANY_REQUESTS => WatchProblem::Throttled,
        _ => WatchProblem::Failing,
    };
    let said = own.and_then(|said| said.message);
    let mut said = shortened(&said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()));
    let is_no = matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
    if is_no && problem == WatchProblem::Failing {
        said.push_str(" (not as a Kubernetes API says it: is a proxy in between, or the address another's?)");
    }
    let code = status.as_u16();
    let message = match problem {
        WatchProblem::Unauthorized => {
            format!("the API server does not accept our credentials (HTTP {code})")
        }
        _ if said.is_empty() => format!("the API server answers HTTP {code}"),
        _ => format!("the API server answers HTTP {code}: {said}"),
    };
    WatchError {
        problem,
        message,
        rule: (problem == WatchProblem::Forbidden).then(|| wanted.rule()),
    }
}
