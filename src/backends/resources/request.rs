//! One request to the API server, and what its failure means.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Request, StatusCode};
use kube::client::Body;
use kube::core::Status;
use kube::{Client, Config};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::cluster::bounds::{Bounds, is_too_long, whole};
use crate::cluster::connect::{self, ConnectError};
use crate::cluster::pages::{LONGEST_PAGE, PageError, Pages};
use crate::cluster::problem::{of_failure, of_refusal, rule_of, shortened};
use crate::model::inventory::{WatchError, WatchProblem};

/// The longest answer that is a whole list: figures of 60,000 containers. Those who serve them know no pages.
const LONGEST_LIST: usize = 12 << 20;
/// Who asks has a deadline of his own, which comes before this.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client for the lists of the whole cluster, or else of namespaces.
pub(super) fn client(config: Config, of_cluster: bool) -> Result<Client, ConnectError> {
    let longest = if of_cluster { LONGEST_LIST } else { LONGEST_PAGE };
    connect::bounded(config, &Bounds::new([PATIENCE; 2], longest))
}

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

    /// All of one namespace. Its name is one that Kubernetes takes: `args/values.rs` sees to it.
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

    /// `pods.metrics.k8s.io/v1beta1`.
    fn name(&self) -> String {
        match self.group {
            "" => self.resource.to_owned(),
            group => format!("{}.{group}/{}", self.resource, self.version),
        }
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
    /// The list in one answer, or why there is none by the deadline.
    pub(super) async fn get(&self, wanted: &Wanted<'_>) -> Answered {
        let answered = self.in_time(self.answer(wanted, &wanted.path())).await?;
        answered.map_err(|unanswered| unanswered.error)
    }

    /// Takes the items of the list page by page, or tells why they cannot all be had by the deadline. Pages that are too long are asked
    /// for in smaller ones.
    pub(super) async fn pages(
        &self,
        wanted: &Wanted<'_>,
        take: &mut (dyn FnMut(&RawValue) + Send),
    ) -> Result<(), WatchError> {
        self.in_time(self.each_page(wanted, take)).await?
    }

    async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Result<T, WatchError> {
        let started = Instant::now();
        let answered = tokio::time::timeout_at(self.deadline, answer).await;
        answered.map_err(|_| {
            let seconds = started.elapsed().as_secs_f64();
            error(
                WatchProblem::Unreachable,
                format!("no whole answer within {seconds:.1} s"),
            )
        })
    }

    async fn each_page(
        &self,
        wanted: &Wanted<'_>,
        take: &mut (dyn FnMut(&RawValue) + Send),
    ) -> Result<(), WatchError> {
        let mut pages = Pages::of(wanted.path());
        loop {
            let body = match self.answer(wanted, &pages.path()).await {
                Ok(body) => body,
                Err(unanswered) if unanswered.is_too_long && pages.in_smaller() => continue,
                Err(unanswered) => return Err(unanswered.error),
            };
            if !page(&mut pages, &body, take)? {
                return Ok(());
            }
        }
    }

    async fn answer(&self, wanted: &Wanted<'_>, path: &str) -> Result<Bytes, Unanswered> {
        let request = Request::get(path)
            .header("accept", "application/json")
            .body(Body::empty())
            .map_err(|wrong| error(WatchProblem::Failing, wrong.to_string()))?;
        let response = self.client.send(request).await?;
        let status = response.status();
        let body = whole(response.into_body()).await;
        if !status.is_success() {
            return Err(refused(wanted, status, &body.unwrap_or_default()).into());
        }
        Ok(body?)
    }
}

/// Takes the items of a page. True where there is one behind it.
pub(super) fn page(
    pages: &mut Pages,
    body: &[u8],
    take: &mut (dyn FnMut(&RawValue) + Send),
) -> Result<bool, WatchError> {
    pages
        .take(body, &mut |raw: &RawValue| take(raw))
        .map_err(|wrong| match wrong {
            PageError::NotUnderstood(wrong) => not_understood(&wrong),
            wrong @ PageError::TooMany => error(WatchProblem::Failing, wrong.to_string()),
        })
}

/// Why there is no answer.
struct Unanswered {
    error: WatchError,
    /// There was more of it than is read.
    is_too_long: bool,
}

impl From<WatchError> for Unanswered {
    fn from(error: WatchError) -> Self {
        Self {
            error,
            is_too_long: false,
        }
    }
}

impl From<kube::Error> for Unanswered {
    fn from(error: kube::Error) -> Self {
        Self {
            error: of_failure(&error),
            is_too_long: is_too_long(&error),
        }
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

/// What a no means.
pub(super) fn refused(wanted: &Wanted<'_>, code: StatusCode, body: &[u8]) -> WatchError {
    #[derive(Deserialize)]
    struct Said {
        kind: Option<String>,
        message: Option<String>,
    }
    let own = serde_json::from_slice::<Said>(body).ok();
    let own = own.filter(|said| said.kind.as_deref() == Some("Status"));
    let is_page = body.trim_ascii_start().first() == Some(&b'<');
    let is_anothers = match code {
        // Who says no in another form stands in between, and no rule of a Role mends that.
        StatusCode::FORBIDDEN => own.is_none(),
        // Of a group that is not there an API server says so in plain words.
        StatusCode::NOT_FOUND => is_page,
        _ => false,
    };
    let said = own.and_then(|said| said.message);
    let message = said.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
    if is_anothers {
        let said = shortened(&message);
        let colon = if said.is_empty() { "" } else { ": " };
        return error(
            WatchProblem::Failing,
            format!(
                "the API server answers HTTP {}{colon}{said} (not as a Kubernetes API says it: is a proxy in between, or the address another's?)",
                code.as_u16()
            ),
        );
    }
    let status = Status {
        code: code.as_u16(),
        message,
        ..Status::default()
    };
    let rule = rule_of(wanted.group, wanted.resource, &["list"]);
    of_refusal(&status, &wanted.name(), rule)
}
