//! Names of objects that are made: what they are made from, and when.

use super::moment::Moment;

/// The longest name that the API takes for snapshots and claims (a DNS subdomain).
const LONGEST: usize = 253;
/// The longest that is appended: `-20261231-235959-99`.
const LONGEST_SUFFIX: usize = 19;

/// `data-db-0-20261121-194500`; where that is taken, the next attempt is `…-2`. Of a long source only the beginning stays.
pub(super) fn name(source: &str, asked: Moment, attempt: u32) -> String {
    let kept = source.floor_char_boundary(LONGEST - LONGEST_SUFFIX);
    // A part of a name neither begins nor ends with these.
    let base = source[..kept].trim_end_matches(['-', '.']);
    let moment = asked.compact();
    if attempt < 2 {
        format!("{base}-{moment}")
    } else {
        format!("{base}-{moment}-{attempt}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-21 19:45:00 UTC.
    const ASKED: Moment = Moment(1_795_290_300);

    #[test]
    fn a_name_says_from_what_and_when() {
        assert_eq!(name("data-db-0", ASKED, 1), "data-db-0-20261121-194500");
        assert_eq!(name("data-db-0", ASKED, 2), "data-db-0-20261121-194500-2");
    }

    #[test]
    fn a_long_source_is_cut_where_a_name_may_be() {
        let source = format!("{}.-{}", "a".repeat(LONGEST - LONGEST_SUFFIX - 2), "b".repeat(17));
        let made = name(&source, ASKED, 1);
        assert_eq!(
            made,
            format!("{}-20261121-194500", "a".repeat(LONGEST - LONGEST_SUFFIX - 2))
        );
    }

    proptest! {
        /// As the API checks it: lower-case letters, digits, `-` and `.`, each part beginning and ending with a letter or digit.
        #[test]
        fn from_a_legal_name_a_legal_name_is_made(
            source in "[a-z0-9]([-a-z0-9]{0,120}[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]{0,120}[a-z0-9])?)?",
            asked in 0_i64..4_000_000_000,
            attempt in 1_u32..100,
        ) {
            let made = name(&source, Moment(asked), attempt);
            prop_assert!(made.len() <= LONGEST, "{}", made.len());
            for part in made.split('.') {
                let ends = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
                prop_assert!(ends(part.chars().next()) && ends(part.chars().last()), "{made}");
            }
        }
    }
}
