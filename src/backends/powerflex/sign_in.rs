//! Signing in to a gateway, in each of the ways that there are.
//!
//! A gateway of 2.x and 3.x gives a token to `GET /api/login` and takes it as the password of every further request; from 4.0 on
//! the token goes with `Authorization: Bearer`. PowerFlex Manager has a sign-in of its own besides, whose tokens run out after
//! minutes and can be renewed.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use tokio::time::Instant;

use super::configuration::Login;
use super::credentials::Credentials;
use super::https::{Answer, Endpoint, Problem, message, send, status_problem};
use super::locked;
use super::wire::{self, Tokens, Version};
use crate::model::fault::Fault;

/// How long an access token is taken to hold where the gateway does not say.
const ACCESS_TOKEN_HOLDS: Duration = Duration::from_secs(300);
/// No access token is used for longer, whatever the gateway says.
const LONGEST_USE: Duration = Duration::from_secs(86_400);
/// So long before a token runs out it is renewed, lest it do so in the middle of a reading; one that holds for less than twice as
/// long, at half of its time.
const RENEWED_BEFORE: Duration = Duration::from_secs(30);

/// What a sign-in gave.
pub(super) struct Session {
    pub(super) endpoint: Endpoint,
    pub(super) authorization: HeaderValue,
    /// What the gateway says that it is.
    pub(super) version: Option<Version>,
    renewal: Option<Renewal>,
    /// Until when the query of chosen statistics is taken to be of no use, and what is said of it.
    selection_refused: Mutex<Option<(Instant, Vec<Fault>)>>,
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
    /// What an answer must not be told with: the token, and the form in which it is sent.
    pub(super) fn secrets(&self) -> Vec<String> {
        let sent = self.authorization.to_str().unwrap_or_default();
        let sent = sent.split_once(' ').map_or(sent, |(_, credential)| credential);
        let decoded = STANDARD.decode(sent).ok();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let token = decoded.and_then(|text| Some(text.split_once(':')?.1.to_owned()));
        [sent.to_owned()].into_iter().chain(token).collect()
    }

    /// What is to be said where the query of chosen statistics was of no use a short while ago; `None` where it may be asked.
    pub(super) fn selection_refused(&self) -> Option<Vec<Fault>> {
        let refused = locked(&self.selection_refused);
        let (until, faults) = refused.as_ref()?;
        (Instant::now() < *until).then(|| faults.clone())
    }

    /// Remembers for so long that it was of no use, and what is to be said of it meanwhile.
    pub(super) fn refuse_selection(&self, faults: Vec<Fault>, time: Duration) {
        *locked(&self.selection_refused) = Some((Instant::now() + time, faults));
    }

    /// True where it is time for a new access token.
    pub(super) fn runs_out(&self) -> bool {
        self.renewal
            .as_ref()
            .is_some_and(|renewal| renewal.due <= Instant::now())
    }

    /// The same with a new access token; `None` where the gateway gives none.
    pub(super) async fn renewed(&self) -> Option<Self> {
        let token = self.renewal.as_ref()?.token.as_ref()?;
        let body = serde_json::json!({ "refresh_token": token }).to_string();
        let answer = send(
            &self.endpoint,
            "/rest/auth/update-token",
            None,
            Some(body.as_bytes()),
        )
        .await;
        let answer = answer.ok().filter(|answer| answer.status.is_success())?;
        let tokens = Tokens::of(&answer.body)?;
        let authorization = bearer(&tokens.access_token)?;
        let renewal = renewal_of(tokens, Some(token));
        Some(Self {
            endpoint: self.endpoint.clone(),
            authorization,
            version: self.version.clone(),
            renewal: Some(renewal),
            selection_refused: Mutex::new(locked(&self.selection_refused).clone()),
        })
    }
}

struct Renewal {
    /// For a new access token.
    token: Option<String>,
    /// When it is time for one.
    due: Instant,
}

/// How one way to sign in ended, other than well.
enum LoginEnd {
    /// The gateway does not have it.
    NotOffered(String),
    /// The credentials were refused, or a front end does not know the path: it does not say which.
    Denied(String),
    Failed(Problem),
}

impl LoginEnd {
    /// That of an answer to `path` which is no success.
    fn of(endpoint: &Endpoint, path: &str, answer: &Answer, credentials: &Credentials) -> Self {
        let secrets = secrets_of(credentials);
        let (status, refusal) = (answer.meant(), answer.refusal());
        let words = refusal.as_ref().map(|refusal| message(refusal, &secrets));
        let told = format!(
            "{path} is answered with {}{}",
            status.as_str(),
            words.as_deref().unwrap_or_default()
        );
        match (status, words) {
            (
                StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::GONE
                | StatusCode::NOT_IMPLEMENTED,
                _,
            ) => Self::NotOffered(told),
            // A gateway says by its own words who is refused; a front end that does not know the path says it by a page.
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(words)) => {
                Self::Failed(refused(credentials, words.trim_start_matches(": ")))
            }
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT, _) => {
                Self::Failed(status_problem(path, answer, &secrets))
            }
            (StatusCode::BAD_REQUEST, _) if endpoint.is_plain() => {
                Self::Denied(format!("{told} (has `url` to begin with https://?)"))
            }
            (status, _) if status.is_client_error() => Self::Denied(told),
            (status, _) if status.is_server_error() => Self::Failed(status_problem(path, answer, &secrets)),
            _ => Self::NotOffered(told),
        }
    }

    /// Where the one way ended so and then the other.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (_, other @ Self::Failed(Problem::Refused { .. })) => other,
            (Self::NotOffered(first), Self::NotOffered(second)) => {
                Self::NotOffered(format!("{first}; {second}"))
            }
            (Self::Denied(first), Self::NotOffered(second) | Self::Denied(second))
            | (Self::NotOffered(first), Self::Denied(second)) => Self::Denied(format!("{first}; {second}")),
            // What it was told may have been the wrong password.
            (Self::Denied(first), Self::Failed(second)) => Self::Denied(format!("{first}; {second}")),
            (Self::NotOffered(_), failed) | (failed, _) => failed,
        }
    }
}

impl From<Problem> for LoginEnd {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

/// Signs in, in the way that is wanted.
pub(super) async fn sign_in(
    endpoint: &Endpoint,
    login: Login,
    credentials: &Credentials,
) -> Result<Session, Problem> {
    let ended = match login {
        Login::Gateway => login_as_gateway(endpoint, credentials).await,
        Login::Native => login_natively(endpoint, credentials).await,
        Login::Auto => match login_as_gateway(endpoint, credentials).await {
            Err(first @ (LoginEnd::NotOffered(_) | LoginEnd::Denied(_))) => {
                let ended = login_natively(endpoint, credentials).await;
                ended.map_err(|second| first.and(second))
            }
            ended => ended,
        },
    };
    ended.map_err(|end| match end {
        LoginEnd::NotOffered(tried) => Problem::NoLogin(tried),
        LoginEnd::Denied(tried) => refused(credentials, &tried),
        LoginEnd::Failed(problem) => problem,
    })
}

/// As every gateway offers it. The version tells how the token is to be used.
async fn login_as_gateway(endpoint: &Endpoint, credentials: &Credentials) -> Result<Session, LoginEnd> {
    const PATH: &str = "/api/login";
    let authorization = basic(&credentials.username, &credentials.password);
    let answer = send(endpoint, PATH, Some(&authorization), None).await?;
    if !answer.meant().is_success() {
        return Err(LoginEnd::of(endpoint, PATH, &answer, credentials));
    }
    let Some(token) = wire::text(&answer.body) else {
        return Err(LoginEnd::NotOffered(format!("{PATH} is answered with no token")));
    };
    // Until the version is known the token is tried in the older way first.
    let (as_password, as_bearer) = (basic("", &token), bearer(&token));
    let mut version = asked_version(endpoint, &as_password).await?;
    if version.is_none()
        && let Some(bearer) = &as_bearer
    {
        version = asked_version(endpoint, bearer).await?;
    }
    let is_new = version.as_ref().is_some_and(|version| version.major() >= 4);
    Ok(Session {
        endpoint: endpoint.clone(),
        authorization: as_bearer.filter(|_| is_new).unwrap_or(as_password),
        version,
        renewal: None,
        selection_refused: Mutex::default(),
    })
}

/// As PowerFlex Manager offers it, from 4.0 on.
async fn login_natively(endpoint: &Endpoint, credentials: &Credentials) -> Result<Session, LoginEnd> {
    const PATH: &str = "/rest/auth/login";
    let body = serde_json::json!({ "username": credentials.username, "password": credentials.password });
    let answer = send(endpoint, PATH, None, Some(body.to_string().as_bytes())).await?;
    if !answer.meant().is_success() {
        return Err(LoginEnd::of(endpoint, PATH, &answer, credentials));
    }
    let usable = Tokens::of(&answer.body).and_then(|tokens| Some((bearer(&tokens.access_token)?, tokens)));
    let Some((authorization, tokens)) = usable else {
        return Err(LoginEnd::NotOffered(format!("{PATH} is answered with no token")));
    };
    let version = asked_version(endpoint, &authorization).await?;
    Ok(Session {
        endpoint: endpoint.clone(),
        authorization,
        version,
        renewal: Some(renewal_of(tokens, None)),
        selection_refused: Mutex::default(),
    })
}

/// What the gateway says that it is; `None` where it does not.
async fn asked_version(endpoint: &Endpoint, authorization: &HeaderValue) -> Result<Option<Version>, Problem> {
    let answer = send(endpoint, "/api/version", Some(authorization), None).await?;
    let text = answer
        .status
        .is_success()
        .then(|| wire::text(&answer.body))
        .flatten();
    Ok(text.and_then(|text| Version::of(&text)))
}

/// What an answer must not be told with: the password, and the forms in which it was sent.
fn secrets_of(credentials: &Credentials) -> Vec<String> {
    let Credentials {
        username, password, ..
    } = credentials;
    let quoted = serde_json::Value::from(password.as_str()).to_string();
    vec![
        password.clone(),
        quoted.trim_matches('"').to_owned(),
        STANDARD.encode(format!("{username}:{password}")),
    ]
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

/// How and when these tokens are renewed, with a new token for that or with the one of before.
fn renewal_of(tokens: Tokens, before: Option<&String>) -> Renewal {
    let holds = tokens.expires_in.unwrap_or(ACCESS_TOKEN_HOLDS);
    Renewal {
        token: tokens.refresh_token.value().or_else(|| before.cloned()),
        due: Instant::now()
            + holds
                .saturating_sub(RENEWED_BEFORE)
                .max(holds / 2)
                .min(LONGEST_USE),
    }
}

fn refused(credentials: &Credentials, message: &str) -> Problem {
    Problem::Refused {
        user: credentials.username.clone(),
        message: message.to_owned(),
    }
}
