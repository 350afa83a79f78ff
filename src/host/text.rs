//! What the kernel's texts are made of: words, numbers, escapes.

/// The words of a line, without the white space between them.
pub(super) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

/// A decimal number; `None` where there is another character or it is too large.
pub(super) fn decimal(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Undoes the kernel's octal escapes. A backslash that begins none stays as it is.
pub(super) fn unescape(word: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((byte, tail)) = rest.split_first() {
        if *byte == b'\\'
            && let Some(&[high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7']) =
                tail.first_chunk::<3>()
        {
            plain.push((high - b'0') * 64 + (middle - b'0') * 8 + (low - b'0'));
            rest = &tail[3..];
        } else {
            plain.push(*byte);
            rest = tail;
        }
    }
    plain
}

/// Bytes as text without white space around it; `None` where nothing is left.
pub(super) fn trimmed(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_matches(|character: char| character.is_whitespace() || character == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_too_large_for_the_kernel_are_refused_and_not_wrapped() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(decimal(b"18446744073709551616"), None);
        assert_eq!(decimal(b""), None);
    }

    #[test]
    fn a_backslash_that_is_no_escape_stays() {
        assert_eq!(unescape(br"a\9b\04"), br"a\9b\04");
        assert_eq!(unescape(br"\777"), br"\777");
    }

    #[test]
    fn words_are_what_stands_between_white_space() {
        let found: Vec<_> = words(b"  8\t0 sda ").collect();
        assert_eq!(found, [&b"8"[..], b"0", b"sda"]);
        assert_eq!(words(b" \t").count(), 0);
    }

    proptest! {
        #[test]
        fn escaping_as_the_kernel_does_is_undone(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut escaped = Vec::new();
            for byte in &bytes {
                if b" \t\n\\#".contains(byte) {
                    escaped.extend(format!("\\{byte:03o}").bytes());
                } else {
                    escaped.push(*byte);
                }
            }
            prop_assert_eq!(unescape(&escaped), bytes);
        }
    }
}
