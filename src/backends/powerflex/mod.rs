//! PowerFlex systems, once ScaleIO and VxFlex OS: their pools, by their gateways' REST API.
//!
//! A reading has a task of its own and goes on when who asked for it does not wait any longer, for a minute at most. Of each system
//! there is one reading at a time: who asks meanwhile gets the same. So a gateway that takes seconds can be shown by Scope, which
//! waits for a fraction of one, and is never asked twice at once. Kept from reading to reading are the token, the names of protection domains, and the latest
//! reading until there is another.

pub mod configuration;
pub mod credentials;
mod gateway;
mod https;
mod properties;
mod reading;
mod sign_in;
mod wire;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use self::configuration::SystemSettings;
use self::credentials::SecretReader;
use self::gateway::Gateway;
use self::reading::Names;
use super::{Backend, Question, Reading};
use crate::model::backend::{Figures, POWERFLEX};
use crate::model::powerflex::System;

/// A reading that takes longer is given up.
const LONGEST_READING: Duration = Duration::from_secs(60);

/// A reading that has ended.
#[derive(Debug, Clone)]
struct Ended {
    at: Instant,
    outcome: Result<Arc<System>, String>,
}

/// What there is of one system.
#[derive(Debug, Default)]
struct Shared {
    latest: Option<Ended>,
    under_way: Option<watch::Receiver<Option<Ended>>>,
}

/// One system.
#[derive(Debug)]
pub struct PowerFlex {
    name: String,
    gateway: Arc<Gateway>,
    names: Arc<Names>,
    shared: Arc<Mutex<Shared>>,
}

impl PowerFlex {
    /// The system of these settings. `secrets` is asked only where they name a Secret.
    pub fn new(settings: SystemSettings, secrets: Arc<dyn SecretReader>) -> Self {
        Self {
            name: settings.name.clone(),
            gateway: Arc::new(Gateway::new(settings, secrets)),
            names: Arc::default(),
            shared: Arc::default(),
        }
    }

    /// The reading that is under way, or a new one.
    fn joined(&self, shared: &mut Shared) -> watch::Receiver<Option<Ended>> {
        if let Some(under_way) = &shared.under_way {
            return under_way.clone();
        }
        let (sender, receiver) = watch::channel(None);
        shared.under_way = Some(receiver.clone());
        let (gateway, names) = (Arc::clone(&self.gateway), Arc::clone(&self.names));
        let kept = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let read = timeout(LONGEST_READING, reading::read(&gateway, &names)).await;
            let outcome = match read {
                Ok(Ok(system)) => Ok(Arc::new(system)),
                Ok(Err(problem)) => Err(problem.to_string()),
                Err(_) => Err(format!("no whole reading within {} s", LONGEST_READING.as_secs())),
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
        receiver
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
        let mut under_way = self.joined(&mut shared);
        drop(shared);
        Box::pin(async move {
            let ended = under_way.wait_for(Option::is_some).await;
            let ended = ended.ok().and_then(|ended| ended.clone());
            ended
                .map_or_else(|| Err("the reading broke off".to_owned()), |ended| ended.outcome)
                .map(Figures::PowerFlex)
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
