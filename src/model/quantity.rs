//! Amounts as Kubernetes writes them: `10Gi`, `1.5T`, `1e9`, `500m`.

use std::error::Error;
use std::fmt;

/// Digits that are read exactly; more are refused. With the largest suffix that still fits into 128 bits.
const MOST_DIGITS: usize = 20;

/// Why a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantityError {
    /// It does not look like one.
    Malformed,
    /// Less than nothing.
    Negative,
    /// Beyond 2⁶⁴ of the unit that it is read in, or of more digits than anybody needs.
    OutOfRange,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Malformed => "not a quantity (10Gi, 1.5T, 1e9, 250m)",
            Self::Negative => "an amount below zero",
            Self::OutOfRange => "an amount beyond all bounds",
        })
    }
}

impl Error for QuantityError {}

/// The bytes that a quantity stands for. A part of a byte counts as one, as Kubernetes has it.
pub fn bytes(text: &str) -> Result<u64, QuantityError> {
    scaled(text, 0)
}

/// The billionths of a core that a quantity stands for: `250m` is 250,000,000. Kubernetes has no finer ones; a part of one counts
/// as one.
pub fn nanocores(text: &str) -> Result<u64, QuantityError> {
    scaled(text, 9)
}

/// The quantity times 10 to the power of `power`, rounded up.
///
/// Source: the API's `resource.Quantity`: a decimal number, then nothing, one of `n u m k M G T P E`, one of
/// `Ki Mi Gi Ti Pi Ei`, or an exponent of ten (`e9`, `E-3`).
fn scaled(text: &str, power: i32) -> Result<u64, QuantityError> {
    let (negative, text) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return Err(QuantityError::Malformed);
    }
    let (tens, twos) = scale(suffix)?;

    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let mut digits = String::with_capacity(whole.len() + fraction.len());
    digits.push_str(whole);
    digits.push_str(fraction);
    let fraction_digits = i32::try_from(fraction.len()).map_err(|_| QuantityError::OutOfRange)?;
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Ok(0);
    }
    if negative {
        return Err(QuantityError::Negative);
    }
    if digits.len() > MOST_DIGITS {
        return Err(QuantityError::OutOfRange);
    }
    // At most 10²⁰ by 2⁶⁰: it fits.
    let value = digits
        .parse::<u128>()
        .map_err(|_| QuantityError::Malformed)?
        .checked_mul(1 << twos)
        .ok_or(QuantityError::OutOfRange)?;
    let tens = tens.saturating_sub(fraction_digits).saturating_add(power);
    let value = match 10_u128.checked_pow(tens.unsigned_abs()) {
        Some(power) if tens >= 0 => value.checked_mul(power).ok_or(QuantityError::OutOfRange)?,
        Some(power) => value.div_ceil(power),
        None if tens > 0 => return Err(QuantityError::OutOfRange),
        None => 1,
    };
    u64::try_from(value).map_err(|_| QuantityError::OutOfRange)
}

/// The powers of ten and of two that a suffix stands for.
fn scale(suffix: &str) -> Result<(i32, u32), QuantityError> {
    Ok(match suffix {
        "n" => (-9, 0),
        "u" => (-6, 0),
        "m" => (-3, 0),
        "" => (0, 0),
        "k" => (3, 0),
        "M" => (6, 0),
        "G" => (9, 0),
        "T" => (12, 0),
        "P" => (15, 0),
        "E" => (18, 0),
        "Ki" => (0, 10),
        "Mi" => (0, 20),
        "Gi" => (0, 30),
        "Ti" => (0, 40),
        "Pi" => (0, 50),
        "Ei" => (0, 60),
        _ => {
            let exponent = suffix
                .strip_prefix(['e', 'E'])
                .filter(|exponent| exponent.len() <= 6)
                .ok_or(QuantityError::Malformed)?;
            (exponent.parse().map_err(|_| QuantityError::Malformed)?, 0)
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_exact() {
        for (text, expected) in [
            ("0", 0),
            ("1", 1),
            ("+5", 5),
            ("10Gi", 10 << 30),
            ("1.5Gi", 3 << 29),
            ("0.5Ki", 512),
            ("1Ei", 1 << 60),
            ("15Ei", 15 << 60),
            ("1E", 1_000_000_000_000_000_000),
            ("1E3", 1_000),
            ("1e9", 1_000_000_000),
            ("12e-1", 2),
            ("100G", 100_000_000_000),
            (".5k", 500),
            ("5.", 5),
            ("128974848", 128_974_848),
            ("18446744073709551615", u64::MAX),
            // Kubernetes rounds up.
            ("1m", 1),
            ("1500m", 2),
            ("0.000000001", 1),
            ("0000000000000000000000000000001Ki", 1024),
            ("1.000000000000000000000000000000", 1),
            ("-0", 0),
            ("1e-99999", 1),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn cores_are_exact_to_the_billionth() {
        for (text, expected) in [
            ("0", 0),
            ("7m", 7_000_000),
            ("2", 2_000_000_000),
            ("1.5", 1_500_000_000),
            ("123456789n", 123_456_789),
            ("250u", 250_000),
            ("1k", 1_000_000_000_000),
            ("1e3", 1_000_000_000_000),
            ("2500e-3", 2_500_000_000),
            ("1Ki", 1_024_000_000_000),
            ("+0.1", 100_000_000),
            ("0.0000000001", 1),
            ("18446744073.709551615", u64::MAX),
        ] {
            assert_eq!(nanocores(text), Ok(expected), "{text}");
        }
        assert_eq!(nanocores("18446744074"), Err(QuantityError::OutOfRange));
        assert_eq!(nanocores("-1m"), Err(QuantityError::Negative));
        assert_eq!(nanocores("7m5s"), Err(QuantityError::Malformed));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            " ",
            ".",
            "Gi",
            "1 Gi",
            "1gi",
            "1KB",
            "1Gib",
            "0x10",
            "1e",
            "1e1.5",
            "1.2.3",
            "--1",
            "ten",
            "1\u{0}",
            "１Gi",
            "1e1000000",
        ] {
            assert_eq!(bytes(text), Err(QuantityError::Malformed), "{text}");
        }
        assert_eq!(bytes("-1Gi"), Err(QuantityError::Negative));
        for text in [
            "16Ei",
            "18446744073709551616",
            "1e30",
            "1e99999",
            "123456789012345678901234567890",
        ] {
            assert_eq!(bytes(text), Err(QuantityError::OutOfRange), "{text}");
        }
    }

    /// Every suffix with what one of it is, as a fraction of whole numbers.
    const SUFFIXES: [(&str, u128, u128); 20] = [
        ("n", 1, 1_000_000_000),
        ("u", 1, 1_000_000),
        ("m", 1, 1_000),
        ("", 1, 1),
        ("k", 1_000, 1),
        ("M", 1_000_000, 1),
        ("G", 1_000_000_000, 1),
        ("T", 1_000_000_000_000, 1),
        ("P", 1_000_000_000_000_000, 1),
        ("E", 1_000_000_000_000_000_000, 1),
        ("Ki", 1 << 10, 1),
        ("Mi", 1 << 20, 1),
        ("Gi", 1 << 30, 1),
        ("Ti", 1 << 40, 1),
        ("Pi", 1 << 50, 1),
        ("Ei", 1 << 60, 1),
        ("e-3", 1, 1_000),
        ("E-9", 1, 1_000_000_000),
        ("e6", 1_000_000, 1),
        ("E+3", 1_000, 1),
    ];

    proptest! {
        #[test]
        fn any_text_gets_an_answer(text in ".*") {
            let _ = (bytes(&text), nanocores(&text));
        }

        #[test]
        fn every_form_is_exact(
            whole in 0_u64..1 << 34, fraction in 0_u32..1_000_000, digits in 0_u32..=6, sign in 0_usize..2, suffix in 0..SUFFIXES.len(),
        ) {
            let (suffix, numerator, denominator) = SUFFIXES[suffix];
            let one = 10_u64.pow(digits);
            let fraction = u64::from(fraction) % one;
            let number = match digits {
                0 => format!("{whole}"),
                _ => format!("{whole}.{fraction:0width$}", width = digits as usize),
            };
            let text = format!("{}{number}{suffix}", ["", "+"][sign]);
            let (above, below) = (u128::from(whole * one + fraction) * numerator, denominator * u128::from(one));
            let expected = |unit: u128| {
                let units = above.checked_mul(unit).map(|above| above.div_ceil(below));
                units.and_then(|units| u64::try_from(units).ok()).ok_or(QuantityError::OutOfRange)
            };
            prop_assert_eq!(bytes(&text), expected(1), "{}", &text);
            prop_assert_eq!(nanocores(&text), expected(1_000_000_000), "{}", &text);
        }

        #[test]
        fn a_number_with_a_suffix_is_their_product(whole in 0_u64..1 << 34, thousandths in 0_u64..1000, suffix in 0_usize..8) {
            let (suffix, factor) = [
                ("", 1_u128), ("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30),
                ("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000), ("e3", 1_000),
            ][suffix];
            let text = format!("{whole}.{thousandths:03}{suffix}");
            let expected = (u128::from(whole * 1000 + thousandths) * factor).div_ceil(1000);
            prop_assert_eq!(bytes(&text).map(u128::from), Ok(expected));
        }
    }
}
