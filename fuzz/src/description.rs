//! Whatever the API answers who wants an object described: no panic, and so many lines of so many characters at most, each of which is
//! one line.

use scope_storage_probe::control::described;

/// Fields of the object, how many more there are, and events.
const MOST_LINES: usize = 80;
/// A value, or the name of a field, cut.
const LONGEST: usize = 310;

/// Tries one input.
pub fn attempt(answer: &[u8]) {
    let Ok(answer) = std::str::from_utf8(answer) else {
        return;
    };
    match described(answer) {
        Ok(lines) => {
            assert!(lines.len() <= MOST_LINES, "{} lines", lines.len());
            for text in lines.iter().flat_map(|(field, value)| [field, value]) {
                assert!(text.chars().count() <= LONGEST, "{text:?}");
                assert!(!text.contains(char::is_control), "{text:?}");
            }
        }
        Err(said) => assert!(said.chars().count() < 700, "{said:?}"),
    }
}
