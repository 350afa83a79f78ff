//! Texts of others, made fit for a line that people read.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The beginning of a token that is no more than that tells which algorithm it is signed by, at most.
const SHORTEST_CUT_TOKEN: usize = 32;

/// At most so many characters of a text; where there were more, an ellipsis says so.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `one, two and 3 more`: so many of them at most; empty where there are none.
pub fn listed<'a>(names: impl Iterator<Item = &'a str>, most: usize) -> String {
    let mut names: Vec<&str> = names.collect();
    let more = names.len().saturating_sub(most);
    names.truncate(most);
    let listed = names.join(", ");
    if more == 0 {
        listed
    } else {
        format!("{listed} and {more} more")
    }
}

/// True of what Kubernetes takes as the name of an object (RFC 1123, a DNS subdomain): of lower-case letters, digits, `-` and `.`, of 253
/// bytes at most, with a letter or digit at both ends. What one object calls another by it does not check everywhere.
pub fn is_name(text: &str) -> bool {
    let at_ends = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.len() <= 253
        && bytes.first().is_some_and(at_ends)
        && bytes.last().is_some_and(at_ends)
        && bytes
            .iter()
            .all(|byte| at_ends(byte) || matches!(byte, b'-' | b'.'))
}

/// The text without what looks like a bearer token: the word behind `Bearer`, and JSON Web Tokens, as those of service accounts are
/// (RFC 7519: they begin with the base64 of `{"`), even where they are cut. Who was sent one may repeat it in an error.
pub fn without_tokens(text: &str) -> String {
    let is_within = |letter: char| letter.is_ascii_alphanumeric() || "-._~+/=".contains(letter);
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_bearers = false;
    while !rest.is_empty() {
        let (word, behind) = rest.split_at(rest.find(|letter| !is_within(letter)).unwrap_or(rest.len()));
        let has_three_parts = || word.bytes().filter(|byte| *byte == b'.').count() >= 2;
        let is_jwt = word.starts_with("eyJ") && (word.len() > SHORTEST_CUT_TOKEN || has_three_parts());
        told.push_str(if is_jwt || (is_bearers && !word.is_empty()) {
            "(a token)"
        } else {
            word
        });
        let gap = behind.find(is_within).unwrap_or(behind.len());
        // What is between the two words is a blank or a quotation mark.
        is_bearers = word.eq_ignore_ascii_case("bearer") || (is_bearers && word.is_empty());
        told.push_str(&behind[..gap]);
        rest = &behind[gap..];
    }
    told
}

/// What a server says, as it is passed on: in one line, without tokens, and at most so many characters of it. The rest is not looked at.
pub fn told(text: &str, most: usize) -> String {
    let beginning = without_tokens(&shortened(text, 4 * most));
    let mut line = String::with_capacity(beginning.len());
    for word in in_one_line(&beginning).split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    shortened(&line, most)
}

/// The text without anything that would end a line or move what follows.
pub fn in_one_line(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().map(plain).collect()
}

/// True of characters that do something where they are shown, in place of being seen: control characters, which terminals obey, the
/// ends of lines and paragraphs, and those that turn the direction of what follows (Unicode's bidirectional formatting characters).
pub fn is_obeyed(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text with each [`is_obeyed`] character written out, as JSON does: `\u001b`. Where there is none it is the text itself.
pub fn printable(text: &str) -> Cow<'_, str> {
    printable_but(text, |_| false)
}

/// The same, but for those that are allowed.
pub fn printable_but(text: &str, allowed: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_written_out = |letter: char| is_obeyed(letter) && !allowed(letter);
    if !text.contains(is_written_out) {
        return Cow::Borrowed(text);
    }
    let mut told = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_written_out(letter) {
            let _ = write!(told, "\\u{:04x}", u32::from(letter));
        } else {
            told.push(letter);
        }
    }
    Cow::Owned(told)
}

/// The text with each byte that is neither a letter or digit of ASCII, nor kept, as `%` and its number: two texts stay two (RFC 3986).
pub fn percent_encoded(text: &str, is_kept: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || is_kept(byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        for (text, told) in [
            ("größe-磁盘 \\u001b", "größe-磁盘 \\u001b"),
            ("a\n└─sda\r", "a\\u000a└─sda\\u000d"),
            ("\u{1b}]0;owned\u{7}", "\\u001b]0;owned\\u0007"),
            ("\u{9b}2J\u{7f}", "\\u009b2J\\u007f"),
            ("gpj.\u{202e}exe\u{2066}\u{2028}", "gpj.\\u202eexe\\u2066\\u2028"),
        ] {
            assert_eq!(printable(text), told);
        }
        assert!(matches!(printable("pvc-1"), Cow::Borrowed(_)));
        assert_eq!(printable_but("a\nb\t", |letter| letter == '\n'), "a\nb\\u0009");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(shortened("größe", 5), "größe");
        assert_eq!(shortened("größe", 3), "grö…");
        assert_eq!(shortened("", 0), "");
    }

    #[test]
    fn what_a_server_says_is_one_line_without_tokens() {
        let token = format!("eyJhbGciOi.{}.c2ln", "x".repeat(40));
        for (text, line) in [
            ("  no\n\tsuch \u{1b}pod ", "no such pod".to_owned()),
            (&*format!("for {token} no"), "for (a token) no".to_owned()),
            // A token that is cut is one all the same.
            (
                &*format!("{}{token}", "a ".repeat(30)),
                format!("{}…", "a ".repeat(10)),
            ),
            ("eyJhbGciOiJSUzI1NiIsImtpZCI6IkFYMTIifQ", "(a token)".to_owned()),
        ] {
            assert_eq!(told(text, 20), line);
        }
    }

    #[test]
    fn a_token_is_not_told() {
        for (text, told) in [
            ("", ""),
            ("größe: no such pod", "größe: no such pod"),
            (
                "bad header \"Authorization: Bearer hush-hush-4711\" of 10.0.0.1",
                "bad header \"Authorization: Bearer (a token)\" of 10.0.0.1",
            ),
            ("bearer=\"hush\"", "bearer=\"hush\""),
            ("Bearer 'hush', and more", "Bearer '(a token)', and more"),
            ("Bearer", "Bearer"),
            ("\"Bearer\" is wanted", "\"Bearer\" (a token) wanted"),
            (
                "token eyJhbGciOi.eyJpc3Mi.c2ln-_ is old",
                "token (a token) is old",
            ),
            (
                "token eyJhbGciOiJSUzI1NiIsImtpZCI6IkFYMTIifQ.eyJpc3Mi…",
                "token (a token)…",
            ),
            ("eyJournal.txt", "eyJournal.txt"),
        ] {
            assert_eq!(without_tokens(text), told);
        }
    }

    #[test]
    fn names_of_objects_are_told_from_what_only_stands_in_their_place() {
        for name in ["a", "data-db-0", "pvc-1.example", "0", &"n".repeat(253)] {
            assert!(is_name(name), "{name}");
        }
        let none = [
            "", ".", "..", "x/status", "data?x", "data#x", "a b", "A", "-a", "a-", "größe", "%2e",
        ];
        for text in none.into_iter().chain([&*"n".repeat(254)]) {
            assert!(!is_name(text), "{text}");
        }
    }

    #[test]
    fn a_text_of_several_lines_becomes_one() {
        assert_eq!(in_one_line("a\nb\tc\u{1b}[0m"), "a b c [0m");
    }
}
