//! How asking a backend went: a system beside the kernel and the Kubernetes API that is asked when somebody scrapes.

use std::sync::Arc;
use std::time::Duration;

use super::powerflex;
use super::resources::ResourceFigures;

/// The name of the backend that reads PowerFlex systems, in labels and paths.
pub const POWERFLEX: &str = "powerflex";

/// The name of the backend that reads CPU and memory from `metrics.k8s.io`, and what a tenant may see of its namespaces.
pub const RESOURCES: &str = "resources";

/// Why there are no figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A line for people, without a secret.
    pub reason: String,
    /// Nobody said no: there was no answer in the time that somebody had for it. Who waits longer or shorter puts that in other
    /// words, and it is the same failure.
    pub too_slow: bool,
}

impl Failure {
    /// For this reason, which is not that time ran out.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            too_slow: false,
        }
    }

    /// Time ran out, in these words.
    pub fn too_slow(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            too_slow: true,
        }
    }
}

/// One attempt to read one instance of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendOutcome {
    /// What it is: `powerflex`, `resources`.
    pub backend: &'static str,
    /// Which one of its kind: the name that the configuration gives it.
    pub instance: String,
    /// Why there is no reading; `None` where there is one.
    pub error: Option<Failure>,
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
    /// CPU and memory. It may be a part of them, with the reason why the rest is missing.
    Resources(Arc<ResourceFigures>),
    /// There is nothing there to be asked, which is how it should be: no sample tells of it.
    Absent,
}

impl Figures {
    /// Why these figures are not all; `None` where they are.
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::Resources(figures) => figures.problem.as_deref(),
            Self::PowerFlex(_) | Self::Absent => None,
        }
    }
}

/// What the backends said for one page or report.
#[derive(Debug, Clone, Default)]
pub struct BackendReadings {
    /// One for each instance that was asked.
    pub outcomes: Vec<BackendOutcome>,
    /// One for each of those that gave a reading.
    pub figures: Vec<Figures>,
    /// The storage pools of PowerFlex that PersistentVolumes lie in, in order of their names.
    pub powerflex_volumes: Vec<powerflex::VolumePlace>,
    /// Whether the names of kubernetes-scaleio-prom are written as well.
    pub scaleio_names: bool,
}

impl BackendReadings {
    /// The PowerFlex systems that gave a reading.
    pub fn powerflex(&self) -> impl Iterator<Item = &Arc<powerflex::System>> {
        self.figures.iter().filter_map(|figures| match figures {
            Figures::PowerFlex(system) => Some(system),
            Figures::Resources(_) | Figures::Absent => None,
        })
    }
}
