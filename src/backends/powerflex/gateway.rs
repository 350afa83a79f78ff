//! One gateway over HTTPS: sign-in, requests, and a new sign-in when the token has run out.
//!
//! A gateway of 2.x and 3.x gives a token to `GET /api/login` and takes it as the password of every further request; from 4.0 on
//! the token goes with `Authorization: Bearer`. PowerFlex Manager has a sign-in of its own besides, whose tokens run out after
//! minutes and can be renewed. Where a request is answered with 401 the program signs in once and asks once more.
//!
//! The HTTPS client is the one that is compiled in for the Kubernetes API.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use thiserror::Error;
use tokio::time::Instant;

use super::configuration::{Login, SystemSettings};
use super::credentials::{self, Credentials, SecretReader};
use super::wire::{self, Refusal, Tokens, Version};
use crate::model::fault::with_causes;

/// No answer is longer: that of a thousand pools has some megabytes.
const LONGEST_ANSWER: usize = 64 << 20;
/// What a gateway says is wrong is no longer than this.
const LONGEST_REFUSAL: usize = 16 << 10;
/// Most of what a gateway says that is told to people.
const LONGEST_MESSAGE: usize = 200;
/// Credentials that were refused are not tried again for so long, unless they change: an account is soon locked.
const REFUSED_FOR: Duration = Duration::from_secs(300);
/// A query that was refused is not tried again for so long.
const SELECTION_REFUSED_FOR: Duration = Duration::from_secs(600);
/// How long an access token is taken to hold where the gateway does not say.
const ACCESS_TOKEN_HOLDS: Duration = Duration::from_secs(300);
/// No access token is used for longer, whatever the gateway says.
const LONGEST_USE: Duration = Duration::from_secs(86_400);
/// So long before a token runs out it is renewed, lest it do so in the middle of a reading; one that holds for less than twice as
/// long, at half of its time.
const RENEWED_BEFORE: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, Clone, Error)]
pub(super) enum Problem {
    #[error("{0}")]
    Credentials(String),
    #[error(
        "the gateway refused the user {user}: {message} (they are tried again when they change, or in some minutes)"
    )]
    Refused { user: String, message: String },
    #[error("cannot reach it: {0}")]
    Unreachable(String),
    #[error("{path} is answered with 401 even after a new sign-in: has the user the right to monitor?")]
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

/// What a sign-in gave.
pub(super) struct Session {
    client: Client,
    authorization: HeaderValue,
    /// What the gateway says that it is.
    pub(super) version: Option<Version>,
    renewal: Option<Renewal>,
    /// When the query of chosen statistics was refused.
    selection_refused: Mutex<Option<Instant>>,
}

impl fmt::Debug for Session {
    /// Without the token.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// True where the query of chosen statistics was refused a short while ago.
    pub(super) fn selection_refused(&self) -> bool {
        lock(&self.selection_refused).is_some_and(|at| at.elapsed() < SELECTION_REFUSED_FOR)
    }

    /// Remembers that it was.
    pub(super) fn refuse_selection(&self) {
        *lock(&self.selection_refused) = Some(Instant::now());
    }
}

struct Renewal {
    /// For a new access token.
    token: Option<String>,
    /// When it is time for one.
    due: Instant,
}

/// An answer.
struct Answer {
    status: StatusCode,
    body: Bytes,
}

impl Answer {
    /// What the gateway says is wrong, if it says so in its own form. That is short.
    fn refusal(&self) -> Option<Refusal> {
        let body = Some(&self.body).filter(|body| body.len() <= LONGEST_REFUSAL)?;
        serde_json::from_slice(body)
            .ok()
            .filter(|refusal: &Refusal| refusal.http_status_code.is_some() || !refusal.message.is_empty())
    }
}

/// How one way to sign in ended, other than well.
enum LoginEnd {
    /// The gateway does not have it.
    NotOffered(String),
    Failed(Problem),
}

impl From<Problem> for LoginEnd {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

/// One gateway.
#[derive(Debug)]
pub(super) struct Gateway {
    settings: SystemSettings,
    secrets: Arc<dyn SecretReader>,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    refused: Mutex<Option<(Credentials, Instant, Problem)>>,
}

impl Gateway {
    pub(super) fn new(settings: SystemSettings, secrets: Arc<dyn SecretReader>) -> Self {
        Self {
            settings,
            secrets,
            session: tokio::sync::Mutex::default(),
            refused: Mutex::default(),
        }
    }

    pub(super) fn settings(&self) -> &SystemSettings {
        &self.settings
    }

    /// The session: that of before, or a new one. Who comes meanwhile waits, and gets the same.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Problem> {
        let mut kept = self.session.lock().await;
        if let Some(session) = &*kept {
            let runs_out = session
                .renewal
                .as_ref()
                .filter(|renewal| renewal.due <= Instant::now());
            let Some(renewal) = runs_out else {
                return Ok(Arc::clone(session));
            };
            if let Some(renewed) = self.renew(session, renewal).await {
                let renewed = Arc::new(renewed);
                *kept = Some(Arc::clone(&renewed));
                return Ok(renewed);
            }
        }
        *kept = None;
        let session = Arc::new(self.login().await?);
        *kept = Some(Arc::clone(&session));
        Ok(session)
    }

    /// GET, or POST with a body. The answer is a success.
    pub(super) async fn ask(&self, path: &str, body: Option<&[u8]>) -> Result<Bytes, Problem> {
        let session = self.session().await?;
        let mut answer = self.sent(&session, path, body).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            let fresh = self.after(&session).await?;
            answer = self.sent(&fresh, path, body).await?;
            if answer.status == StatusCode::UNAUTHORIZED {
                return Err(Problem::Unauthorized {
                    path: path.to_owned(),
                });
            }
        }
        let refusal = answer.refusal();
        // Some front ends answer with 200 and say in the body what it should have been.
        let said = refusal.as_ref().and_then(|refusal| refusal.http_status_code);
        let status = said
            .filter(|_| answer.status.is_success())
            .and_then(|said| StatusCode::from_u16(said).ok())
            .unwrap_or(answer.status);
        if status.is_success() {
            return Ok(answer.body);
        }
        Err(Problem::Status {
            path: path.to_owned(),
            status,
            message: refusal.map(|refusal| message(&refusal)).unwrap_or_default(),
        })
    }

    /// A session other than one that the gateway does not accept any more.
    async fn after(&self, stale: &Arc<Session>) -> Result<Arc<Session>, Problem> {
        {
            let mut kept = self.session.lock().await;
            if kept.as_ref().is_some_and(|session| Arc::ptr_eq(session, stale)) {
                *kept = None;
            }
        }
        self.session().await
    }

    async fn sent(&self, session: &Session, path: &str, body: Option<&[u8]>) -> Result<Answer, Problem> {
        let sent = send(&session.client, path, Some(&session.authorization), body).await;
        if matches!(sent, Err(Problem::Unreachable(_))) {
            // Its certificate may have been exchanged, and its authority with it: those are read with the credentials. A
            // gateway that is only slow keeps its session, since then nothing is awaited here.
            *self.session.lock().await = None;
        }
        sent
    }

    async fn login(&self) -> Result<Session, Problem> {
        let credentials = credentials::read(&self.settings, &*self.secrets)
            .await
            .map_err(Problem::Credentials)?;
        if let Some((refused, at, problem)) = &*lock(&self.refused)
            && *refused == credentials
            && at.elapsed() < REFUSED_FOR
        {
            return Err(problem.clone());
        }
        let client = self.client(credentials.authorities.as_deref())?;
        let ended = match self.settings.login {
            Login::Gateway => login_as_gateway(&client, &credentials).await,
            Login::Native => login_natively(&client, &credentials).await,
            Login::Auto => match login_as_gateway(&client, &credentials).await {
                Err(LoginEnd::NotOffered(first)) => match login_natively(&client, &credentials).await {
                    Err(LoginEnd::NotOffered(second)) => {
                        Err(LoginEnd::NotOffered(format!("{first}; {second}")))
                    }
                    ended => ended,
                },
                ended => ended,
            },
        };
        ended.map_err(|end| match end {
            LoginEnd::NotOffered(tried) => Problem::NoLogin(tried),
            LoginEnd::Failed(problem) => {
                if matches!(problem, Problem::Refused { .. }) {
                    *lock(&self.refused) = Some((credentials, Instant::now(), problem.clone()));
                }
                problem
            }
        })
    }

    /// A session with a new access token; `None` where the gateway gives none.
    async fn renew(&self, session: &Session, renewal: &Renewal) -> Option<Session> {
        let token = renewal.token.as_ref()?;
        let body = serde_json::json!({ "refresh_token": token }).to_string();
        let answer = send(
            &session.client,
            "/rest/auth/update-token",
            None,
            Some(body.as_bytes()),
        )
        .await;
        let answer = answer.ok().filter(|answer| answer.status.is_success())?;
        let mut tokens: Tokens = serde_json::from_slice(&answer.body).ok()?;
        tokens.refresh_token = tokens.refresh_token.or_else(|| Some(token.clone()));
        Some(Session {
            client: session.client.clone(),
            authorization: bearer(&tokens.access_token)?,
            version: session.version.clone(),
            renewal: Some(renewal_of(&tokens)),
            selection_refused: Mutex::new(*lock(&session.selection_refused)),
        })
    }

    fn client(&self, authorities: Option<&[u8]>) -> Result<Client, Problem> {
        let mut config = Config::new(self.settings.url.clone());
        config.default_retry = false;
        config.accept_invalid_certs = self.settings.insecure;
        if let Some(bundle) = authorities {
            let found = pem::parse_many(bundle)
                .map_err(|error| Problem::Credentials(format!("the authorities' certificates: {error}")))?;
            let found: Vec<Vec<u8>> = found.into_iter().map(pem::Pem::into_contents).collect();
            if found.is_empty() {
                return Err(Problem::Credentials(
                    "the authorities' certificates: there is none in the file".to_owned(),
                ));
            }
            config.root_cert = Some(found);
        }
        let made = ClientBuilder::try_from(config).map_err(|error| {
            Problem::Unreachable(format!("no client can be made: {}", with_causes(&error)))
        })?;
        Ok(made.build())
    }
}

/// As every gateway offers it. The version tells how the token is to be used.
async fn login_as_gateway(client: &Client, credentials: &Credentials) -> Result<Session, LoginEnd> {
    const PATH: &str = "/api/login";
    let not_offered = |what: &str| Err(LoginEnd::NotOffered(format!("{PATH} is answered with {what}")));
    let authorization = basic(&credentials.username, &credentials.password);
    let answer = send(client, PATH, Some(&authorization), None).await?;
    let token = match (answer.status, wire::text(&answer.body)) {
        (StatusCode::OK, Some(token)) => token,
        (StatusCode::OK, None) => return not_offered("no token"),
        // A gateway says by its own words who is refused; a front end that does not know the path says it by a page.
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => match answer.refusal() {
            Some(refusal) => return Err(refused(credentials, &refusal).into()),
            None => return not_offered(answer.status.as_str()),
        },
        (status, _) if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
            return Err(status_problem(PATH, &answer).into());
        }
        (status, _) => return not_offered(status.as_str()),
    };
    // Until the version is known the token is tried in the older way first.
    let (as_password, as_bearer) = (basic("", &token), bearer(&token));
    let mut version = asked_version(client, &as_password).await?;
    if version.is_none()
        && let Some(bearer) = &as_bearer
    {
        version = asked_version(client, bearer).await?;
    }
    let is_new = version.as_ref().is_some_and(|version| version.major() >= 4);
    Ok(Session {
        client: client.clone(),
        authorization: as_bearer.filter(|_| is_new).unwrap_or(as_password),
        version,
        renewal: None,
        selection_refused: Mutex::default(),
    })
}

/// As PowerFlex Manager offers it, from 4.0 on.
async fn login_natively(client: &Client, credentials: &Credentials) -> Result<Session, LoginEnd> {
    const PATH: &str = "/rest/auth/login";
    let body = serde_json::json!({ "username": credentials.username, "password": credentials.password });
    let answer = send(client, PATH, None, Some(body.to_string().as_bytes())).await?;
    match answer.status {
        status if status.is_success() => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let refusal = answer.refusal().unwrap_or(Refusal {
                message: answer.status.to_string(),
                http_status_code: None,
                error_code: None,
            });
            return Err(refused(credentials, &refusal).into());
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            return Err(LoginEnd::NotOffered(format!(
                "{PATH} is answered with {}",
                answer.status.as_str()
            )));
        }
        _ => return Err(status_problem(PATH, &answer).into()),
    }
    let tokens: Option<Tokens> = serde_json::from_slice(&answer.body).ok();
    let usable = tokens.and_then(|tokens| Some((bearer(&tokens.access_token)?, tokens)));
    let Some((authorization, tokens)) = usable else {
        return Err(LoginEnd::NotOffered(format!("{PATH} is answered with no token")));
    };
    let version = asked_version(client, &authorization).await?;
    Ok(Session {
        client: client.clone(),
        authorization,
        version,
        renewal: Some(renewal_of(&tokens)),
        selection_refused: Mutex::default(),
    })
}

/// What the gateway says that it is; `None` where it does not.
async fn asked_version(client: &Client, authorization: &HeaderValue) -> Result<Option<Version>, Problem> {
    let answer = send(client, "/api/version", Some(authorization), None).await?;
    let text = answer
        .status
        .is_success()
        .then(|| wire::text(&answer.body))
        .flatten();
    Ok(text.and_then(|text| Version::of(&text)))
}

async fn send(
    client: &Client,
    path: &str,
    authorization: Option<&HeaderValue>,
    body: Option<&[u8]>,
) -> Result<Answer, Problem> {
    let sent = client.send(request(path, authorization, body)?).await;
    let response = match sent {
        // The gateway hung up on a connection that was kept since the last scrape, just when it was used again.
        Err(error) if was_hung_up(&error) => client.send(request(path, authorization, body)?).await,
        sent => sent,
    };
    let response = response.map_err(|error| {
        let said = with_causes(&error);
        let hint = if said.contains("certificate") {
            " (`ca_file`, or ca.crt in the Secret, has the authority to check it against)"
        } else {
            ""
        };
        Problem::Unreachable(format!("{said}{hint}"))
    })?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
    let body = body.map_err(|error| strange(path, &format!("the answer breaks off: {error}")))?;
    Ok(Answer {
        status,
        body: body.to_bytes(),
    })
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

pub(super) fn strange(path: &str, reason: &str) -> Problem {
    Problem::Strange {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn basic(user: &str, password: &str) -> HeaderValue {
    let text = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// `None` for a token that cannot stand in a header.
fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn renewal_of(tokens: &Tokens) -> Renewal {
    let holds = tokens.expires_in.map_or(ACCESS_TOKEN_HOLDS, Duration::from_secs);
    Renewal {
        token: tokens.refresh_token.clone(),
        due: Instant::now()
            + holds
                .saturating_sub(RENEWED_BEFORE)
                .max(holds / 2)
                .min(LONGEST_USE),
    }
}

fn refused(credentials: &Credentials, refusal: &Refusal) -> Problem {
    let message = message(refusal).replace(&credentials.password, "…");
    Problem::Refused {
        user: credentials.username.clone(),
        message: message.trim_start_matches(": ").to_owned(),
    }
}

fn status_problem(path: &str, answer: &Answer) -> Problem {
    Problem::Status {
        path: path.to_owned(),
        status: answer.status,
        message: answer
            .refusal()
            .map(|refusal| message(&refusal))
            .unwrap_or_default(),
    }
}

/// `: MESSAGE (error 5)`, in one line of bounded length; empty where the gateway says nothing.
fn message(refusal: &Refusal) -> String {
    let plain = refusal
        .message
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
