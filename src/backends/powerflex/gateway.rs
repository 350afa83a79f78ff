//! One gateway: the session that all requests share, and a new one when its token has run out.
//!
//! Where a request is answered with 401 the program signs in once and asks once more. A query that a reading can do without goes on in a task
//! of its own when it is not waited for any longer, and is not asked again before that has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::configuration::SystemSettings;
use super::credentials::{self, Credentials, SecretReader};
use super::https::{Answer, Endpoint, Problem, bounds, send, status_problem};
use super::patience::Patience;
use super::sign_in::{Session, sign_in};
use super::{LONGEST_READING, locked};
use crate::cluster::bounds::Bounds;

/// A session that is not renewed within so long is left, and another begun.
const LONGEST_RENEWAL: Duration = Duration::from_secs(5);
/// Credentials that were refused are not tried again for so long, unless they change: an account is soon locked.
const REFUSED_FOR: Duration = Duration::from_secs(300);
/// Queries that go on by themselves at most: those of two readings. A gateway that calls its pools otherwise each time has no more for them.
const MOST_APART: usize = 16;

/// One gateway.
#[derive(Debug)]
pub(super) struct Gateway {
    settings: SystemSettings,
    /// For all sessions together.
    bounds: Bounds,
    secrets: Arc<dyn SecretReader>,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    /// Who signed in last.
    signed_in: Mutex<Option<Credentials>>,
    refused: Mutex<Option<(Credentials, Instant, Problem)>>,
    /// Paths that were answered with 401 even after a new sign-in, of whom and when.
    denied: Mutex<BTreeMap<String, (Credentials, Instant)>>,
    /// Paths that are being asked apart.
    apart: Mutex<BTreeSet<String>>,
}

impl Gateway {
    pub(super) fn new(settings: SystemSettings, secrets: Arc<dyn SecretReader>) -> Self {
        Self {
            settings,
            bounds: bounds(),
            secrets,
            session: tokio::sync::Mutex::default(),
            signed_in: Mutex::default(),
            refused: Mutex::default(),
            denied: Mutex::default(),
            apart: Mutex::default(),
        }
    }

    pub(super) fn settings(&self) -> &SystemSettings {
        &self.settings
    }

    /// The session: that of before, or a new one. Who comes meanwhile waits, and gets the same.
    pub(super) async fn session(&self) -> Result<Arc<Session>, Problem> {
        let mut kept = self.session.lock().await;
        if let Some(session) = &*kept {
            if !session.runs_out() {
                return Ok(Arc::clone(session));
            }
            // A gateway that can be signed in to may hang at this, and all figures with it.
            let renewed = timeout(LONGEST_RENEWAL, session.renewed()).await;
            if let Ok(Some(renewed)) = renewed {
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
        let mut secrets = session.secrets();
        let mut answer = self.sent(&session, path, body).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            if self.is_denied(path).await {
                return Err(Problem::Unauthorized {
                    path: path.to_owned(),
                });
            }
            let fresh = self.after(&session).await?;
            secrets = fresh.secrets();
            answer = self.sent(&fresh, path, body).await?;
            if answer.status == StatusCode::UNAUTHORIZED {
                self.deny(path);
                return Err(Problem::Unauthorized {
                    path: path.to_owned(),
                });
            }
        }
        if answer.meant().is_success() {
            return Ok(answer.body);
        }
        Err(status_problem(path, &answer, &secrets))
    }

    /// The same for what can be done without. When patience is over it goes on by itself; as long as it does, nobody waits for that path again.
    pub(super) async fn ask_apart(
        self: &Arc<Self>,
        path: &str,
        body: Option<Vec<u8>>,
        patience: &Patience,
    ) -> Result<Bytes, Problem> {
        let path = path.to_owned();
        {
            let mut apart = locked(&self.apart);
            if apart.len() >= MOST_APART || !apart.insert(path.clone()) {
                return Err(Problem::Late { path });
            }
        }
        let (answer, told) = oneshot::channel();
        let (gateway, asked) = (Arc::clone(self), path.clone());
        tokio::spawn(async move {
            let answered = timeout(LONGEST_READING, gateway.ask(&asked, body.as_deref())).await;
            locked(&gateway.apart).remove(&asked);
            let _ = answer.send(answered.unwrap_or(Err(Problem::Late { path: asked })));
        });
        tokio::select! {
            answered = told => answered.unwrap_or(Err(Problem::Late { path })),
            () = patience.is_over() => Err(Problem::Late { path }),
        }
    }

    /// Remembers that a path is not for who has just signed in.
    fn deny(&self, path: &str) {
        let Some(credentials) = locked(&self.signed_in).clone() else {
            return;
        };
        let mut denied = locked(&self.denied);
        denied.retain(|_, (_, at)| at.elapsed() < REFUSED_FOR);
        denied.insert(path.to_owned(), (credentials, Instant::now()));
    }

    /// True where another sign-in would not help: it did not a short while ago, and the credentials are the same.
    async fn is_denied(&self, path: &str) -> bool {
        let denied = locked(&self.denied).get(path).cloned();
        let Some((credentials, at)) = denied else {
            return false;
        };
        at.elapsed() < REFUSED_FOR
            && credentials::read(&self.settings, &*self.secrets)
                .await
                .is_ok_and(|now| now == credentials)
    }

    /// A session other than one that the gateway does not accept any more.
    async fn after(&self, stale: &Arc<Session>) -> Result<Arc<Session>, Problem> {
        self.forget(stale).await;
        self.session().await
    }

    async fn sent(&self, session: &Arc<Session>, path: &str, body: Option<&[u8]>) -> Result<Answer, Problem> {
        let once = || send(&session.endpoint, path, Some(&session.authorization), body);
        let sent = match once().await {
            // The gateway hung up on a connection that was kept since the last scrape, just when it was used again.
            Err(Problem::Unreachable { is_hung_up: true, .. }) => once().await,
            sent => sent,
        };
        if matches!(
            sent,
            Err(Problem::Unreachable {
                is_hung_up: false,
                ..
            })
        ) {
            // Its certificate may have been exchanged, and its authority with it: those are read with the credentials. A
            // gateway that is only slow keeps its session, since then nothing is awaited here.
            self.forget(session).await;
        }
        sent
    }

    /// Lets a session go, if it is still the one that is kept.
    async fn forget(&self, stale: &Arc<Session>) {
        let mut kept = self.session.lock().await;
        if kept.as_ref().is_some_and(|session| Arc::ptr_eq(session, stale)) {
            *kept = None;
        }
    }

    async fn login(&self) -> Result<Session, Problem> {
        let credentials = credentials::read(&self.settings, &*self.secrets)
            .await
            .map_err(Problem::Credentials)?;
        if let Some((refused, at, problem)) = &*locked(&self.refused)
            && *refused == credentials
            && at.elapsed() < REFUSED_FOR
        {
            return Err(problem.clone());
        }
        let endpoint = Endpoint::new(&self.settings, credentials.authorities.as_ref(), &self.bounds)?;
        let ended = sign_in(&endpoint, self.settings.login, &credentials).await;
        match &ended {
            Ok(_) => *locked(&self.signed_in) = Some(credentials),
            Err(problem @ Problem::Refused { .. }) => {
                *locked(&self.refused) = Some((credentials, Instant::now(), problem.clone()));
            }
            Err(_) => {}
        }
        ended
    }
}
