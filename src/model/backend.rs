//! How asking a backend went: a system beside the kernel and the Kubernetes API that is asked when somebody scrapes.

use std::sync::Arc;
use std::time::Duration;

use super::powerflex;

/// The name of the backend that reads PowerFlex systems, in labels and paths.
pub const POWERFLEX: &str = "powerflex";

/// One attempt to read one instance of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendOutcome {
    /// What it is: `powerflex`, `resources`.
    pub backend: &'static str,
    /// Which one of its kind: the name that the configuration gives it.
    pub instance: String,
    /// Why there is no reading; `None` where there is one. Bears no secret.
    pub error: Option<String>,
    /// How long the answer took.
    pub duration: Duration,
}

impl BackendOutcome {
    /// True where the backend gave a reading.
    pub fn success(&self) -> bool {
        self.error.is_none()
    }
}

/// What a backend tells.
#[derive(Debug, Clone)]
pub enum Figures {
    /// A PowerFlex system.
    PowerFlex(Arc<powerflex::System>),
}

/// What the backends said for one page or report.
#[derive(Debug, Clone, Default)]
pub struct BackendReadings {
    /// One for each instance that was asked.
    pub outcomes: Vec<BackendOutcome>,
    /// One for each of those that gave a reading.
    pub figures: Vec<Figures>,
}
