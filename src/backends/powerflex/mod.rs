//! PowerFlex systems, once ScaleIO and VxFlex OS: their pools, by their gateways' REST API.
//!
//! A reading has a task of its own and goes on when who asked for it does not wait any longer, for a minute at most. Of each system
//! there is one reading at a time: who asks meanwhile gets the same. So a gateway that takes seconds can be shown by Scope, which
//! waits for a fraction of one, and is never asked twice at once. What a system can be told without is waited for until the last scrape that waits has
//! to have its page. Kept from reading to reading are the token, the names of protection domains, and the latest
//! reading until there is another.

pub mod configuration;
pub mod credentials;
mod faults;
mod gateway;
mod https;
mod names;
mod patience;
mod properties;
mod reading;
mod sign_in;
mod statistics;
mod wire;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use self::configuration::SystemSettings;
use self::credentials::SecretReader;
use self::gateway::Gateway;
use self::names::Names;
use self::patience::Patience;
use super::{Backend, Question, Reading};
use crate::lock::locked;
use crate::model::backend::{Failure, Figures, POWERFLEX};
use crate::model::powerflex::System;

/// A reading that takes longer is given up.
const LONGEST_READING: Duration = Duration::from_secs(60);
/// Left of a scrape's time, so that what there is can be told.
const MARGIN: Duration = Duration::from_millis(250);

/// A reading that has ended.
#[derive(Debug, Clone)]
struct Ended {
    at: Instant,
    outcome: Result<Arc<System>, Failure>,
}

/// What there is of one system.
#[derive(Debug, Default)]
struct Shared {
    latest: Option<Ended>,
    under_way: Option<UnderWay>,
}

/// A reading that has not ended.
#[derive(Debug)]
struct UnderWay {
    ended: watch::Receiver<Option<Ended>>,
    /// When the last scrape that waits for it has to have it; `None` where none does.
    until: watch::Sender<Option<Instant>>,
}

impl UnderWay {
    /// One more waits for it.
    fn is_awaited(&self, question: &Question) {
        if !question.is_awaited {
            return;
        }
        let left = question.deadline.saturating_duration_since(Instant::now());
        let wanted = question.deadline - MARGIN.min(left / 4);
        self.until.send_if_modified(|until| {
            let is_later = until.is_none_or(|until| until < wanted);
            if is_later {
                *until = Some(wanted);
            }
            is_later
        });
    }
}

/// One system.
#[derive(Debug)]
pub struct PowerFlex {
    name: String,
    gateway: Arc<Gateway>,
    names: Arc<Names>,
    shared: Arc<Mutex<Shared>>,
    /// A reading that takes longer is given up.
    longest: Duration,
}

impl PowerFlex {
    /// The system of these settings. `secrets` is asked only where they name a Secret.
    pub fn new(settings: SystemSettings, secrets: Arc<dyn SecretReader>) -> Self {
        Self {
            name: settings.name.clone(),
            gateway: Arc::new(Gateway::new(settings, secrets)),
            names: Arc::default(),
            shared: Arc::default(),
            longest: LONGEST_READING,
        }
    }

    /// The reading that is under way, or a new one.
    fn joined(&self, shared: &mut Shared, question: &Question) -> watch::Receiver<Option<Ended>> {
        let under_way = shared.under_way.get_or_insert_with(|| self.begun());
        under_way.is_awaited(question);
        under_way.ended.clone()
    }

    fn begun(&self) -> UnderWay {
        let (sender, ended) = watch::channel(None);
        let (until, awaited) = watch::channel(None);
        let (gateway, names) = (Arc::clone(&self.gateway), Arc::clone(&self.names));
        let (kept, longest) = (Arc::clone(&self.shared), self.longest);
        let patience = Patience::new(awaited);
        tokio::spawn(async move {
            let read = timeout(longest, reading::read(&gateway, &names, &patience)).await;
            let outcome = match read {
                Ok(Ok(system)) => Ok(Arc::new(system)),
                Ok(Err(problem)) => Err(Failure {
                    too_slow: problem.is_slowness(),
                    reason: problem.to_string(),
                }),
                Err(_) => Err(Failure::too_slow(format!(
                    "no whole reading within {} s",
                    longest.as_secs()
                ))),
            };
            let ended = Ended {
                at: Instant::now(),
                outcome,
            };
            let mut shared = locked(&kept);
            shared.latest = Some(ended.clone());
            shared.under_way = None;
            drop(shared);
            let _ = sender.send(Some(ended));
        });
        UnderWay { ended, until }
    }
}

impl Backend for PowerFlex {
    fn name(&self) -> &'static str {
        POWERFLEX
    }

    fn instance(&self) -> &str {
        &self.name
    }

    fn is_shown_in_scope(&self) -> bool {
        true
    }

    fn read(&self, question: Question) -> Reading {
        let mut shared = locked(&self.shared);
        let latest = shared.latest.clone();
        if let Some(latest) = latest.filter(|latest| latest.at.elapsed() <= question.oldest) {
            return Box::pin(async move { latest.outcome.map(Figures::PowerFlex) });
        }
        let mut under_way = self.joined(&mut shared, &question);
        drop(shared);
        Box::pin(async move {
            let ended = under_way.wait_for(Option::is_some).await;
            let ended = ended.ok().and_then(|ended| ended.clone());
            ended
                .map_or_else(
                    || Err(Failure::new("the reading broke off")),
                    |ended| ended.outcome,
                )
                .map(Figures::PowerFlex)
        })
    }
}

/// Reads bytes as every answer that a gateway gives, and gives the lines that are said of them: for the fuzzer.
pub fn read_answer(body: &[u8]) -> Vec<String> {
    wire::read_as_all(body)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::configuration::{CredentialsSource, Login};
    use super::credentials::SecretEntries;
    use super::*;

    #[derive(Debug)]
    struct OneSecret;

    impl SecretReader for OneSecret {
        fn read(&self, _: Option<&str>, _: &str) -> SecretEntries {
            let entries = [("username", "monitor"), ("password", "hush"), ("ca.crt", "none")];
            let entries = entries.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()));
            Box::pin(async move { Ok(entries.into()) })
        }
    }

    fn system(url: &str, ca_file: Option<&str>) -> PowerFlex {
        let settings = SystemSettings {
            name: "prod".to_owned(),
            url: url.parse().unwrap(),
            credentials: CredentialsSource::Secret {
                name: "powerflex".to_owned(),
                namespace: None,
            },
            ca_file: ca_file.map(Into::into),
            insecure: false,
            login: Login::Auto,
        };
        PowerFlex::new(settings, Arc::new(OneSecret))
    }

    async fn failure(system: &PowerFlex) -> Failure {
        let question = Question {
            deadline: Instant::now(),
            oldest: Duration::ZERO,
            is_awaited: false,
        };
        system.read(question).await.unwrap_err()
    }

    #[tokio::test]
    async fn who_takes_a_connection_and_never_answers_is_too_slow() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let authority = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/powerflex/tls/authority.crt"
        );
        let mut system = system(&url, Some(authority));
        system.longest = Duration::from_millis(200);
        let failure = failure(&system).await;
        assert!(
            failure.too_slow && failure.reason.starts_with("no whole reading within"),
            "{failure:?}"
        );
    }

    #[tokio::test]
    async fn authorities_that_are_none_are_named_by_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authorities");
        let place = file.to_str().unwrap();
        for (pem, told) in [
            ("", "no certificate is in it"),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "no certificate is in it",
            ),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "no certificate of an authority",
            ),
        ] {
            std::fs::write(&file, pem).unwrap();
            let said = failure(&system("https://127.0.0.1:1", Some(place))).await.reason;
            assert!(said.starts_with(place) && said.contains(told), "{said}");
        }
        let said = failure(&system("https://127.0.0.1:1", None)).await.reason;
        assert!(
            said.starts_with("ca.crt of the Secret powerflex: no certificate is in it"),
            "{said}"
        );
    }
}
