//! Requests over HTTPS, and what became of them.
//!
//! The HTTPS client is the one that is compiled in for the Kubernetes API.

use std::fmt::Write as _;
use std::io::ErrorKind;

use bytes::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use kube::client::Body;
use kube::{Client, Config};
use thiserror::Error;

use super::LONGEST_READING;
use super::configuration::SystemSettings;
use super::credentials::Authorities;
use super::wire::Refusal;
use crate::cluster::bounds::{Bounds, whole};
use crate::cluster::connect::{ConnectError, bounded};
use crate::model::fault::with_causes;
use crate::model::text::shortened;

/// No answer is longer: that of a thousand pools has some megabytes, that of all volumes some kilobytes for each.
const LONGEST_ANSWER: usize = 12 << 20;
/// What a gateway says is wrong is no longer than this.
const LONGEST_REFUSAL: usize = 16 << 10;
/// Most of what a gateway says that is told to people.
const LONGEST_MESSAGE: usize = 200;

/// Why there is no answer.
#[derive(Debug, Clone, Error)]
pub(super) enum Problem {
    #[error("{0}")]
    Credentials(String),
    #[error(
        "the gateway refused the user {user}: {message} (name and password are tried again when they change, or in some minutes)"
    )]
    Refused { user: String, message: String },
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        url: String,
        reason: String,
        /// There was no answer in time.
        too_slow: bool,
        /// There was a connection, and it broke before the answer began.
        is_hung_up: bool,
    },
    #[error("{path} is not answered in time (it is not asked again until it has ended)")]
    Late { path: String },
    #[error(
        "{path} is answered with 401 even after a new sign-in: has the user the right to monitor? (signed in again when name or password change, or in some minutes)"
    )]
    Unauthorized { path: String },
    #[error("{path} is answered with {status}{message}")]
    Status {
        path: String,
        status: StatusCode,
        message: String,
    },
    #[error("{path} is answered with what cannot be understood: {reason}")]
    Strange { path: String, reason: String },
    #[error("it offers none of the ways to sign in: {0}")]
    NoLogin(String),
}

impl Problem {
    /// True where nothing at all can be asked for.
    pub(super) fn is_of_signing_in(&self) -> bool {
        matches!(
            self,
            Self::Credentials(_) | Self::Refused { .. } | Self::NoLogin(_)
        )
    }

    /// True where nobody said no: time ran out.
    pub(super) fn is_slowness(&self) -> bool {
        matches!(self, Self::Unreachable { too_slow: true, .. } | Self::Late { .. })
    }
}

/// Where a gateway is, and the way to it.
#[derive(Clone)]
pub(super) struct Endpoint {
    client: Client,
    /// As in the settings, which have no secret there.
    url: String,
}

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Answer {
    /// What the gateway says is wrong, if it says so in its own form. That is short.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        let body = Some(&self.body).filter(|body| body.len() <= LONGEST_REFUSAL)?;
        Refusal::of(body)
    }

    /// What became of the request. Some front ends answer with 200 and say in the body what it should have been.
    pub(super) fn meant(&self) -> StatusCode {
        let said = || StatusCode::from_u16(self.refusal()?.http_status_code?).ok();
        Some(self.status)
            .filter(|status| !status.is_success())
            .or_else(said)
            .unwrap_or(self.status)
    }
}

/// What is taken of a gateway's answers.
pub(super) fn bounds() -> Bounds {
    Bounds::new([LONGEST_READING; 2], LONGEST_ANSWER)
}

impl Endpoint {
    /// A gateway's, read within these bounds. It is checked against these authorities, or else the machine's own.
    pub(super) fn new(
        settings: &SystemSettings,
        authorities: Option<&Authorities>,
        bounds: &Bounds,
    ) -> Result<Self, Problem> {
        let mut config = Config::new(settings.url.clone());
        config.accept_invalid_certs = settings.insecure;
        config.root_cert = match authorities {
            Some(authorities) => Some(certificates(authorities)?),
            // Nothing is checked against them, and an image may have none.
            None if settings.insecure => Some(Vec::new()),
            None => None,
        };
        let url = settings.url.to_string().trim_end_matches('/').to_owned();
        let client = bounded(config, bounds).map_err(|error| {
            let reason = match error {
                ConnectError::Client { reason, .. } => reason,
                error => error.to_string(),
            };
            let place = authorities.map_or_else(
                || {
                    format!(
                        "no client can be made for {url} (`ca_file`, or ca.crt in the Secret, has the authority to check it against)"
                    )
                },
                |Authorities { place, .. }| format!("{place} has what is no certificate of an authority"),
            );
            Problem::Credentials(format!("{place}: {reason}"))
        })?;
        Ok(Self { client, url })
    }

    /// True where nothing is encrypted.
    pub(super) fn is_plain(&self) -> bool {
        self.url.starts_with("http:")
    }

    fn unreachable(&self, error: &kube::Error) -> Problem {
        let said = said(error);
        let input_output = input_output(error);
        let too_slow = input_output == Some(ErrorKind::TimedOut);
        let hint = if too_slow {
            " (is its port let through, by firewalls and NetworkPolicies?)"
        } else if input_output == Some(ErrorKind::ConnectionRefused) {
            " (nobody listens there: has `url` the right port?)"
        } else if said.contains("lookup") {
            " (has `url` the right name?)"
        } else if said.contains("InvalidContentType") {
            " (who listens there does not speak TLS: has `url` the right port?)"
        } else if said.contains("certificate") {
            " (`ca_file`, or ca.crt in the Secret, has the authority to check it against)"
        } else {
            ""
        };
        Problem::Unreachable {
            url: self.url.clone(),
            reason: format!("{said}{hint}"),
            too_slow,
            is_hung_up: was_hung_up(error),
        }
    }
}

/// What the client says, without its own word for it.
fn said(error: &kube::Error) -> String {
    let said = with_causes(error);
    said.strip_prefix("ServiceError: ").unwrap_or(&said).to_owned()
}

/// What is in PEM, as it is.
fn certificates(authorities: &Authorities) -> Result<Vec<Vec<u8>>, Problem> {
    let Authorities { place, pem } = authorities;
    let wrong = |reason: &str| {
        Problem::Credentials(format!(
            "{place}: {reason} (it should have certificates of authorities, in PEM)"
        ))
    };
    let found =
        pem::parse_many(pem).map_err(|error| wrong(&shortened(&error.to_string(), LONGEST_MESSAGE)))?;
    let found: Vec<Vec<u8>> = found
        .into_iter()
        .filter(|found| found.tag() == "CERTIFICATE")
        .map(pem::Pem::into_contents)
        .collect();
    if found.is_empty() {
        return Err(wrong("no certificate is in it"));
    }
    Ok(found)
}

/// What the kernel said, if it was asked.
fn input_output(error: &dyn std::error::Error) -> Option<ErrorKind> {
    let mut cause = error.source();
    let mut deepest = None;
    while let Some(error) = cause {
        deepest = error.downcast_ref().map(std::io::Error::kind).or(deepest);
        cause = error.source();
    }
    deepest
}

/// Sends one request, once: GET, or POST with a body.
pub(super) async fn send(
    endpoint: &Endpoint,
    path: &str,
    authorization: Option<&HeaderValue>,
    body: Option<&[u8]>,
) -> Result<Answer, Problem> {
    let request = request(path, authorization, body)?;
    let sent = endpoint.client.send(request).await;
    let response = sent.map_err(|error| endpoint.unreachable(&error))?;
    let status = response.status();
    // Of an error the beginning is read, which the bounds see to.
    let body = whole(response.into_body()).await;
    let body = body.map_err(|error| strange(path, &format!("the answer breaks off: {}", said(&error))))?;
    Ok(Answer { status, body })
}

fn request(
    path: &str,
    authorization: Option<&HeaderValue>,
    body: Option<&[u8]>,
) -> Result<Request<Body>, Problem> {
    let mut request = Request::builder()
        .method(if body.is_some() { Method::POST } else { Method::GET })
        .uri(path)
        .header(ACCEPT, "application/json");
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    request
        .body(Body::from(body.unwrap_or_default().to_vec()))
        .map_err(|error| strange(path, &error.to_string()))
}

/// True where there was a connection, and it broke before the answer began.
fn was_hung_up(error: &kube::Error) -> bool {
    use hyper_util::client::legacy::Error as ClientError;

    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<ClientError>() {
            return !error.is_connect();
        }
        cause = error.source();
    }
    false
}

/// An answer that cannot be understood.
pub(super) fn strange(path: &str, reason: &str) -> Problem {
    Problem::Strange {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// An answer that is an error.
pub(super) fn status_problem(path: &str, answer: &Answer, secrets: &[String]) -> Problem {
    Problem::Status {
        path: path.to_owned(),
        status: answer.meant(),
        message: answer
            .refusal()
            .map(|refusal| message(&refusal, secrets))
            .unwrap_or_default(),
    }
}

/// `: MESSAGE (error 5)`, in one line of bounded length; empty where the gateway says nothing. Some front ends repeat what they were sent:
/// words with a secret in them are not told.
pub(super) fn message(refusal: &Refusal, secrets: &[String]) -> String {
    let repeats = |secret: &String| !secret.is_empty() && refusal.message.contains(secret.as_str());
    let words = if secrets.iter().any(repeats) {
        "(its words repeat what nobody shall read, and are left out)"
    } else {
        &refusal.message
    };
    let plain = words
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut text: String = plain.take(LONGEST_MESSAGE).collect();
    if !text.is_empty() {
        text.insert_str(0, ": ");
    }
    if let Some(code) = refusal.error_code.filter(|code| *code != 0) {
        let _ = write!(text, " (error {code})");
    }
    text
}
