//! What could not be understood of lists.

use crate::model::backend::RESOURCES;
use crate::model::fault::Fault;

/// So many things that are wrong are told of one by one.
const MOST: usize = 100;

/// The first of it in full, and of the rest how much it is.
#[derive(Debug, Default)]
pub(super) struct Faults {
    told: Vec<Fault>,
    untold: usize,
}

impl Faults {
    /// One more. Its words are made only where they are told.
    pub(super) fn add(&mut self, fault: impl FnOnce() -> Fault) {
        if self.told.len() < MOST {
            self.told.push(fault());
        } else {
            self.untold += 1;
        }
    }

    /// Those of another list.
    pub(super) fn append(&mut self, others: Self) {
        for fault in others.told {
            self.add(|| fault);
        }
        self.untold += others.untold;
    }

    /// All that is told.
    pub(super) fn into_told(mut self) -> Vec<Fault> {
        if self.untold > 0 {
            self.told.push(Fault::new(
                RESOURCES,
                "lists",
                format!("{} more things in them cannot be understood", self.untold),
            ));
        }
        self.told
    }
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
                faults.add(|| Fault::new(RESOURCES, format!("{list}{number}"), "left out"));
            }
            all.append(faults);
        }
        let told = all.into_told();
        assert_eq!(told.len(), MOST + 1);
        assert_eq!(told[99].to_string(), "a99: left out");
        assert_eq!(
            told[100].to_string(),
            "lists: 260 more things in them cannot be understood"
        );
    }
}
