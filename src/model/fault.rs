//! What went wrong while facts were collected.

use std::fmt;

/// One thing that could not be read or understood. It costs its own samples and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The source that met it: `block_devices`, `mounts`, `filesystems`, …
    pub source: &'static str,
    /// What it is about: a path, a line, a mount point.
    pub subject: String,
    /// What happened and, where there is one, the way out.
    pub message: String,
}

impl Fault {
    /// A fault of `source` about `subject`.
    pub fn new(source: &'static str, subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            source,
            subject: subject.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Errors of reading name their file themselves.
        if self.message.contains(&self.subject) {
            formatter.write_str(&self.message)
        } else {
            write!(formatter, "{}: {}", self.subject, self.message)
        }
    }
}

/// An error and what is behind it, in one line. Of each only the first line is told: parsers show the place of an error on further
/// ones, and in a kubeconfig a token may stand there.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let first_line = |text: String| text.lines().next().unwrap_or_default().trim().to_owned();
    let mut text = first_line(error.to_string());
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let said = first_line(deeper.to_string());
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = deeper.source();
    }
    text
}
