//! Whatever is written as an amount: no panic, a sign changes nothing but the sign, and a leading zero nothing at all.

use scope_storage_probe::model::quantity::bytes;

/// Tries one input.
pub fn attempt(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let amount = bytes(text);
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        assert_eq!(bytes(&format!("0{text}")), amount, "{text:?} after a zero");
        assert_eq!(bytes(&format!("+{text}")), amount, "{text:?} after a plus");
        if let Ok(positive) = amount {
            assert_eq!(
                bytes(&format!("-{text}")).is_ok(),
                text_is_zero(text),
                "{text:?} negative"
            );
            assert_eq!(positive == 0, text_is_zero(text), "{text:?}");
        }
    }
}

/// No digit of the number is other than 0: the exponent's do not count.
fn text_is_zero(text: &str) -> bool {
    let number = text
        .split(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .next();
    number.is_some_and(|number| number.bytes().all(|byte| matches!(byte, b'0' | b'.')))
}
