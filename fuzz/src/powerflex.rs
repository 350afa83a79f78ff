//! Whatever a PowerFlex gateway answers: no panic, and what is said of it is a line of bounded length that no terminal obeys.

use scope_storage_probe::backends::powerflex::read_answer;

/// Tries one input.
pub fn attempt(body: &[u8]) {
    for line in read_answer(body) {
        assert!(line.chars().count() < 400, "{line:?}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}
