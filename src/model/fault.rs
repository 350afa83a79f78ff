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

/// So many things that are wrong are told of one by one: whoever may make objects or folders may make ten thousand wrong ones.
const MOST: usize = 100;

/// Much that may be wrong: the first of it in full, and of the rest how much it is.
#[derive(Debug, Default)]
pub struct Faults {
    told: Vec<Fault>,
    untold: usize,
}

impl Faults {
    /// One more. Its words are made only where they are told.
    pub fn add(&mut self, fault: impl FnOnce() -> Fault) {
        if self.told.len() < MOST {
            self.told.push(fault());
        } else {
            self.untold += 1;
        }
    }

    /// Those of another list.
    pub fn append(&mut self, others: Self) {
        for fault in others.told {
            self.add(|| fault);
        }
        self.untold += others.untold;
    }

    /// All that is told: at its end, where it is not everything, what is said of so many more.
    pub fn into_told(mut self, rest: impl FnOnce(usize) -> Fault) -> Vec<Fault> {
        if self.untold > 0 {
            self.told.push(rest(self.untold));
        }
        self.told
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_much_that_is_wrong_the_first_is_told_and_how_much_more_there_is() {
        let mut all = Faults::default();
        for list in ["a", "b", "c"] {
            let mut faults = Faults::default();
            for number in 0..120 {
                faults.add(|| Fault::new("lists", format!("{list}{number}"), "left out"));
            }
            all.append(faults);
        }
        let told = all.into_told(|more| {
            Fault::new(
                "lists",
                "lists",
                format!("{more} more things in them cannot be understood"),
            )
        });
        assert_eq!(told.len(), MOST + 1);
        assert_eq!(told[99].to_string(), "a99: left out");
        assert_eq!(
            told[100].to_string(),
            "lists: 260 more things in them cannot be understood"
        );
    }
}
