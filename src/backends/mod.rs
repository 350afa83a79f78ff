//! Systems beside the kernel and the Kubernetes API that are asked when somebody scrapes.
//!
//! Each instance of each backend is asked at the same time as all others and under the scrape's deadline, so that one that is
//! slow or dead costs its own figures and nothing else. Nothing is asked by a clock.

pub mod powerflex;
pub mod resources;

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::backend::{Failure, Figures};

/// What a backend gives: its figures, or why there are none.
pub type Reading = Pin<Box<dyn Future<Output = Result<Figures, Failure>> + Send>>;

/// How a reading is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Question {
    /// Who asks does not wait longer, and then drops the future: what shall go on has a task of its own.
    pub deadline: Instant,
    /// A reading that is this old will do: those who ask at the same time share one.
    pub oldest: Duration,
    /// True for who has to have by the deadline what there is by then. Who asks every second need not.
    pub is_awaited: bool,
}

impl Question {
    /// Of who asks once, and waits.
    pub fn of_a_command(deadline: Instant) -> Self {
        Self {
            deadline,
            oldest: Duration::ZERO,
            is_awaited: true,
        }
    }
}

/// One instance of a backend.
pub trait Backend: Debug + Send + Sync {
    /// What it is: `powerflex`. The name of its path below `/metrics/`, and in labels.
    fn name(&self) -> &'static str;

    /// Which one of its kind.
    fn instance(&self) -> &str;

    /// True where Scope, which asks every second, shows what it tells.
    fn is_shown_in_scope(&self) -> bool {
        false
    }

    /// Reads it, or gives what was read just before.
    fn read(&self, question: Question) -> Reading;

    /// What was worth a remark when it was last read, and is no reason why it should have failed: for people.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
}
