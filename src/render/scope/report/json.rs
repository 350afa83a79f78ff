//! JSON as it is written into a report: most of what serde would do for us is not needed, and nodes are many.

use serde::Serialize;

/// Writes a value. Writing to memory cannot fail, and the wire types have neither non-text keys nor failing fields.
pub(super) fn write(bytes: &mut Vec<u8>, value: &impl Serialize) {
    let _ = serde_json::to_writer(bytes, value);
}

/// Writes the key of a value.
pub(super) fn write_key(bytes: &mut Vec<u8>, key: &str) {
    write_text(bytes, key);
    bytes.push(b':');
}

/// Writes a key of ours, which has nothing to escape.
pub(super) fn write_plain_key(bytes: &mut Vec<u8>, key: &'static str) {
    write_plain(bytes, key);
    bytes.push(b':');
}

/// Writes a text of ours, which has nothing to escape.
pub(super) fn write_plain(bytes: &mut Vec<u8>, text: &str) {
    bytes.reserve(text.len() + 2);
    bytes.push(b'"');
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(b'"');
}

/// Writes a text. Hardly any has something to escape, and to look at all bytes of those is quicker than at one after the other.
pub(super) fn write_text(bytes: &mut Vec<u8>, text: &str) {
    let is_escaped = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    if text.bytes().fold(false, |any, byte| any | is_escaped(byte)) {
        write(bytes, &text);
    } else {
        write_plain(bytes, text);
    }
}

/// Writes values with `before` before them, commas between them and `after` after them; nothing where there are none.
pub(super) fn write_all<T>(
    bytes: &mut Vec<u8>,
    [before, after]: [&[u8]; 2],
    values: impl IntoIterator<Item = T>,
    each: impl Fn(&mut Vec<u8>, T),
) {
    let mut values = values.into_iter();
    let Some(first) = values.next() else { return };
    bytes.extend_from_slice(before);
    each(bytes, first);
    for value in values {
        bytes.push(b',');
        each(bytes, value);
    }
    bytes.extend_from_slice(after);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_written_as_json_has_it(text in any::<String>()) {
            let mut bytes = Vec::new();
            write_text(&mut bytes, &text);
            prop_assert_eq!(bytes, serde_json::to_vec(&text).unwrap());
        }
    }
}
