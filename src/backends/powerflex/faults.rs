//! What is wrong with a system's answers, in words that name the system.

use super::https::Problem;
use crate::model::backend::POWERFLEX;
use crate::model::fault::Fault;

/// The faults of one reading.
#[derive(Debug, Clone)]
pub(super) struct Faults {
    subject: String,
    all: Vec<Fault>,
}

impl Faults {
    /// None yet, of the system of this name.
    pub(super) fn of(system: &str) -> Self {
        Self {
            subject: format!("{POWERFLEX} {system}"),
            all: Vec::new(),
        }
    }

    /// None yet, of the same system: for what is read at the same time.
    pub(super) fn beside(&self) -> Self {
        Self {
            subject: self.subject.clone(),
            all: Vec::new(),
        }
    }

    /// One more.
    pub(super) fn add(&mut self, message: String) {
        self.all.push(Fault::new(POWERFLEX, &self.subject, message));
    }

    /// Those that are known already.
    pub(super) fn extend(&mut self, faults: Vec<Fault>) {
        self.all.extend(faults);
    }

    /// What is wrong with some objects of an answer.
    pub(super) fn complain(&mut self, path: &str, wrong: Vec<String>) {
        for reason in wrong {
            self.add(format!("{path}: {reason}"));
        }
    }

    /// Takes a problem for a fault which costs no more than is said. An error is what nothing can be read with.
    pub(super) fn cost(&mut self, problem: Problem, lost: &str) -> Result<(), Problem> {
        if problem.is_of_signing_in() {
            return Err(problem);
        }
        self.add(format!("{problem} (so {lost})"));
        Ok(())
    }

    /// The last one.
    pub(super) fn last(&self) -> Option<&Fault> {
        self.all.last()
    }

    /// All of them.
    pub(super) fn into_all(self) -> Vec<Fault> {
        self.all
    }
}
