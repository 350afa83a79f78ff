//! Texts of others, made fit for a line that people read.

/// At most so many characters of a text; where there were more, an ellipsis says so.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The text without anything that would end a line or move what follows.
pub fn in_one_line(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(shortened("größe", 5), "größe");
        assert_eq!(shortened("größe", 3), "grö…");
        assert_eq!(shortened("", 0), "");
    }

    #[test]
    fn a_text_of_several_lines_becomes_one() {
        assert_eq!(in_one_line("a\nb\tc\u{1b}[0m"), "a b c [0m");
    }
}
