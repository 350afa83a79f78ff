//! What could be a secret in a file of settings, and must not be told of it.
//!
//! Each word with a `$` in it is taken for one, as hashes of passwords have it: no message of the program has that letter, so where it
//! stands in one it comes from the file.

use serde_json::Value;

/// Shorter ones tell nothing.
const SHORTEST: usize = 4;

/// Fails where a word of the file, or of a text in its document, could be a secret and is told, unless it stands in a text that may be. Messages
/// have backticks around what they tell, so that those are of no word.
pub fn assert_untold(said: &str, file: &[u8], document: &Value, may_be_told: &[String]) {
    let mut texts = vec![String::from_utf8_lossy(file).into_owned()];
    texts_of(document, &mut texts);
    for text in &texts {
        let words = text.split(|letter: char| !letter.is_ascii_graphic() || "\"'`,:[]{}".contains(letter));
        for word in words.filter(|word| word.len() >= SHORTEST && word.contains('$')) {
            let is_allowed = may_be_told.iter().any(|told| told.contains(word));
            assert!(is_allowed || !said.contains(word), "{said:?} tells {word:?}");
        }
    }
}

/// The texts in a document, but for its keys.
fn texts_of(value: &Value, texts: &mut Vec<String>) {
    if let Value::String(text) = value {
        texts.push(text.clone());
    }
    for inner in within(value) {
        texts_of(inner, texts);
    }
}

/// The texts that stand for a key, wherever in a document.
pub fn texts_at(value: &Value, key: &str, texts: &mut Vec<String>) {
    if let Some(found) = value.get(key) {
        texts_of(found, texts);
    }
    for inner in within(value) {
        texts_at(inner, key, texts);
    }
}

/// The keys in a document.
pub fn keys(value: &Value, found: &mut Vec<String>) {
    let entries = value.as_object().into_iter().flatten();
    found.extend(entries.map(|(key, _)| key.clone()));
    for inner in within(value) {
        keys(inner, found);
    }
}

/// What a list or a mapping holds.
fn within(value: &Value) -> impl Iterator<Item = &Value> {
    let items = value.as_array().into_iter().flatten();
    let entries = value.as_object().into_iter().flatten();
    items.chain(entries.map(|(_, entry)| entry))
}
