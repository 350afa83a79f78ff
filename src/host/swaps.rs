//! `/proc/swaps`: where the kernel swaps to (proc_swaps(5)).

use super::text::unescape;

/// The swap devices and files, as the kernel names them.
pub fn parse(text: &[u8]) -> Vec<String> {
    text.split(|byte| *byte == b'\n')
        .skip(1)
        .filter_map(|line| line.split(u8::is_ascii_whitespace).next())
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(&unescape(name)).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_heading_is_skipped_and_escapes_are_undone() {
        let text = b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/dm-1   partition\t1\t0\t-2\n/swap\\040file   file\t1\t0\t-3\n";
        assert_eq!(parse(text), ["/dev/dm-1", "/swap file"]);
        assert!(parse(b"").is_empty());
    }
}
