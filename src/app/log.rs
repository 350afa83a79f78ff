//! Lines of the log, in which no name can end a line or command the terminal.
//!
//! What is told of was named by others: by pods, by drivers, by the API server. tracing-subscriber writes some control characters out, but
//! not those that end a line, so that a name could look like a line of its own.

use std::io::{self, Write};

use crate::model::text::printable_but;

/// Standard error, taking a line at each call of [`Write::write_all`], as tracing-subscriber writes them.
#[derive(Debug, Clone, Copy)]
pub struct LogLine {
    /// True where the lines are coloured, by control characters that are not a name's: tracing-subscriber writes out those of names.
    pub coloured: bool,
}

impl LogLine {
    fn told(self, line: &[u8]) -> String {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = String::from_utf8_lossy(line);
        let mut line = printable_but(&line, |letter| self.coloured && letter == '\u{1b}').into_owned();
        line.push('\n');
        line
    }
}

impl Write for LogLine {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(self.told(line).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_no_line_and_commands_no_terminal() {
        let line = "INFO pods/a\n\u{1b}[2J ERROR all disks are gone\r\n".as_bytes();
        let told = |coloured| LogLine { coloured }.told(line);
        assert_eq!(
            told(false),
            "INFO pods/a\\u000a\\u001b[2J ERROR all disks are gone\\u000d\n"
        );
        assert_eq!(
            told(true),
            "INFO pods/a\\u000a\u{1b}[2J ERROR all disks are gone\\u000d\n"
        );
    }
}
