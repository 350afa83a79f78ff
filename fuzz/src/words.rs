//! Whatever is told of others' texts: no panic, what is cut is the beginning, what is for a terminal commands it nothing, a query gives
//! back what was put into it, and no token stays.

use scope_storage_probe::model::text::{
    in_one_line, is_name, is_obeyed, percent_encoded, printable, shortened, told, without_tokens,
};
use scope_storage_probe::serve::decoded;

/// What nobody is to see, and no input has by chance.
const SECRET: &str = "J8vQz3-not-to-be-seen-w5Kd";
/// How many characters are kept.
const MOST: usize = 16;

/// Tries one input.
pub fn attempt(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let beginning = shortened(text, MOST);
    assert!(beginning.chars().count() <= MOST + 1, "{beginning:?}");
    assert!(text.starts_with(beginning.trim_end_matches('…')), "{beginning:?}");
    assert!(!in_one_line(text).contains(char::is_control));
    let printed = printable(text);
    assert!(!printed.contains(is_obeyed), "{printed:?}");
    assert_eq!(printable(&printed), printed, "printed a second time");
    let query = percent_encoded(text, |byte| b"-_.~".contains(&byte));
    assert!(
        query
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"%-_.~".contains(&byte))
    );
    assert_eq!(decoded(&query), text, "by way of {query:?}");
    let line = told(text, MOST);
    assert!(
        !line.contains(char::is_control) && line.chars().count() <= MOST + 1,
        "{line:?}"
    );
    if is_name(text) {
        assert_eq!(query, text, "a name needs no escapes");
    }
    let middle = text.char_indices().nth(text.chars().count() / 2);
    let (before, behind) = text.split_at(middle.map_or(0, |(at, _)| at));
    for token in [
        format!("Bearer {SECRET}"),
        format!("eyJhbGciOiJub25lIn0.{SECRET}."),
    ] {
        let told = without_tokens(&format!("{before} {token} {behind}"));
        assert!(text.contains(SECRET) || !told.contains(SECRET), "{told:?}");
    }
}
