//! The two text forms of a metrics page.
//!
//! Prometheus text format 0.0.4: <https://prometheus.io/docs/instrumenting/exposition_formats/>; OpenMetrics 1.0.0:
//! <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>. They differ in small things: OpenMetrics names
//! a counter's family without `_total`, has a line for the unit, and ends with `# EOF`.

use std::fmt::Write as _;

/// Before every family of ours, but for the usual `process_*`.
pub const PREFIX: &str = "storage_probe_";

/// The form of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`.
    Text,
    /// `application/openmetrics-text; version=1.0.0` or `0.0.1`, which read the same.
    OpenMetrics(&'static str),
}

impl Format {
    /// The answer's Content-Type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics("0.0.1") => "application/openmetrics-text; version=0.0.1; charset=utf-8",
            Self::OpenMetrics(_) => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What kind of figure a family holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until its thing starts anew. The name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations counted in buckets.
    Histogram,
}

/// A metric family: everything but its samples.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// The name, without [`PREFIX`] unless [`Family::plain`].
    pub name: &'static str,
    /// The kind.
    pub kind: Kind,
    /// One sentence for people.
    pub help: &'static str,
    /// True for names that take no prefix.
    pub plain: bool,
}

impl Family {
    const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            name,
            kind,
            help,
            plain: false,
        }
    }

    /// A family of our own that goes up and down.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Gauge, help)
    }

    /// A family of our own that only grows.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Counter, help)
    }

    /// A family of our own that counts observations in buckets.
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Histogram, help)
    }

    /// A family whose name everybody uses as it is: `process_*`.
    pub const fn plain(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            name,
            kind,
            help,
            plain: true,
        }
    }
}

/// A page is handed on in pieces of this size: a thousand disks' page has megabytes, and nobody needs it in one.
const PIECE: usize = 64 << 10;
/// No line is longer, but for strange labels.
const LONGEST_LINE: usize = 1 << 10;

/// A figure.
#[derive(Debug, Clone, Copy)]
pub enum Value {
    /// A whole number.
    Whole(u64),
    /// So many thousandths.
    Thousandths(u64),
    /// A fraction.
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Whole(u64::from(value))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

/// Milliseconds of the kernel as seconds, exactly.
pub fn seconds(milliseconds: u64) -> Value {
    Value::Thousandths(milliseconds)
}

/// Room for a short label more, which is what most have that are made or copied.
const ONE_MORE: usize = 48;
/// Room for those that follow where there are more than that.
const USUAL_LABELS: usize = 160;

/// Label pairs, escaped once and written many times. Pairs with an empty value are left out: to Prometheus
/// that is the same as an empty one.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(String);

impl Clone for Labels {
    fn clone(&self) -> Self {
        let mut text = String::with_capacity(self.0.len() + ONE_MORE);
        text.push_str(&self.0);
        Self(text)
    }
}

impl Labels {
    /// No labels.
    pub const fn none() -> Self {
        Self(String::new())
    }

    /// One label.
    pub fn one(name: &str, value: &str) -> Self {
        Self::none().with(name, value)
    }

    /// These and one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            return self;
        }
        let more = name.len() + value.len() + ",=\"\"".len();
        if self.0.is_empty() {
            self.0.reserve(more + ONE_MORE);
        } else {
            if self.0.capacity() - self.0.len() < more {
                self.0.reserve(more.max(USUAL_LABELS));
            }
            self.0.push(',');
        }
        self.0.push_str(name);
        self.0.push_str("=\"");
        // Seldom is there anything to escape; that there is nothing is seen more quickly without asking where.
        let escaped = |byte: u8| matches!(byte, b'\\' | b'"' | b'\n');
        if value.bytes().fold(false, |any, byte| any | escaped(byte)) {
            for character in value.chars() {
                match character {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    _ => self.0.push(character),
                }
            }
        } else {
            self.0.push_str(value);
        }
        self.0.push('"');
        self
    }

    /// These and one more, if its value is known.
    #[must_use]
    pub fn with_known(self, name: &str, value: Option<&str>) -> Self {
        self.with(name, value.unwrap_or_default())
    }
}

/// A page being written, and handed on in pieces. A family's heading is written before its first sample; a family
/// without samples leaves no trace.
pub struct Page<'a> {
    format: Format,
    text: String,
    take: &'a mut dyn FnMut(&str),
}

impl<'a> Page<'a> {
    /// An empty page. `take` is given each piece of it when it is full, and the rest at the end.
    pub fn new(format: Format, take: &'a mut dyn FnMut(&str)) -> Self {
        Self {
            format,
            text: String::with_capacity(PIECE + LONGEST_LINE),
            take,
        }
    }

    /// Writes one family: `samples` is given a writer for its samples.
    pub fn family(&mut self, family: &Family, samples: impl FnOnce(&mut Samples<'_, 'a>)) {
        let mut writer = Samples {
            page: self,
            family: *family,
            head: String::new(),
        };
        samples(&mut writer);
    }

    fn heading(&mut self, family: &Family) {
        let prefix = if family.plain { "" } else { PREFIX };
        let (name, kind) = (self.family_name(family), family.kind);
        let _ = write!(self.text, "# HELP {prefix}{name} ");
        match self.format {
            Format::Text => self.text.push_str(family.help),
            // Here quotation marks are escaped in it as they are in a label's value.
            Format::OpenMetrics(_) => {
                for (at, part) in family.help.split('"').enumerate() {
                    self.text.push_str(if at > 0 { "\\\"" } else { "" });
                    self.text.push_str(part);
                }
            }
        }
        self.text.push('\n');
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(self.text, "# TYPE {prefix}{name} {kind}");
        if self.format != Format::Text
            && let Some(unit) = ["bytes", "seconds", "ratio"]
                .into_iter()
                .find(|unit| name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')))
        {
            let _ = writeln!(self.text, "# UNIT {prefix}{name} {unit}");
        }
    }

    fn family_name(&self, family: &Family) -> &'static str {
        if self.format == Format::Text {
            family.name
        } else {
            family.name.strip_suffix("_total").unwrap_or(family.name)
        }
    }

    /// Hands on what is left.
    pub fn finish(mut self) {
        if self.format != Format::Text {
            self.text.push_str("# EOF\n");
        }
        (self.take)(&self.text);
    }
}

/// Writes the samples of one family.
pub struct Samples<'a, 'p> {
    page: &'a mut Page<'p>,
    family: Family,
    /// What every sample begins with; empty before the first one.
    head: String,
}

impl Samples<'_, '_> {
    /// One sample.
    pub fn add(&mut self, labels: &Labels, value: impl Into<Value>) {
        self.write("", labels, "", value.into());
    }

    /// One sample with a further label whose value needs no escape.
    pub fn add_with(&mut self, labels: &Labels, extra: &str, value: impl Into<Value>) {
        self.write("", labels, extra, value.into());
    }

    /// A histogram: for each bucket its upper bound and how many observations were at most that, then their sum and number.
    pub fn histogram(&mut self, labels: &Labels, buckets: &[(f64, u64)], sum: f64, count: u64) {
        for (bound, at_most) in buckets {
            self.write(
                "_bucket",
                labels,
                &format!("le=\"{bound:?}\""),
                Value::Whole(*at_most),
            );
        }
        self.write("_bucket", labels, "le=\"+Inf\"", Value::Whole(count));
        self.write("_sum", labels, "", Value::Real(sum));
        self.write("_count", labels, "", Value::Whole(count));
    }

    fn write(&mut self, suffix: &str, labels: &Labels, extra: &str, value: Value) {
        if self.head.is_empty() {
            self.page.heading(&self.family);
            self.head.push_str(if self.family.plain { "" } else { PREFIX });
            self.head.push_str(self.family.name);
        }
        let text = &mut self.page.text;
        text.push_str(&self.head);
        text.push_str(suffix);
        if labels.0.is_empty() && extra.is_empty() {
            text.push(' ');
        } else {
            text.push('{');
            text.push_str(&labels.0);
            if !extra.is_empty() {
                if !labels.0.is_empty() {
                    text.push(',');
                }
                text.push_str(extra);
            }
            text.push_str("} ");
        }
        match value {
            Value::Whole(value) => text.push_str(itoa::Buffer::new().format(value)),
            Value::Thousandths(value) => push_thousandths(text, value),
            Value::Real(value) => text.push_str(ryu::Buffer::new().format(value)),
        }
        text.push('\n');
        if text.len() >= PIECE {
            (self.page.take)(text);
            text.clear();
        }
    }
}

/// Writes 1234 as `1.234`, 1200 as `1.2` and 1000 as `1`.
fn push_thousandths(text: &mut String, value: u64) {
    text.push_str(itoa::Buffer::new().format(value / 1000));
    let rest = value % 1000;
    if rest > 0 {
        text.push('.');
        let digits = [rest / 100, rest / 10 % 10, rest % 10];
        let last = digits.iter().rposition(|digit| *digit > 0).unwrap_or(0);
        for digit in &digits[..=last] {
            text.push_str(itoa::Buffer::new().format(*digit));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(format: Format) -> String {
        let mut text = String::new();
        let mut take = |piece: &str| text.push_str(piece);
        let mut page = Page::new(format, &mut take);
        page.family(
            &Family::counter("disk_read_bytes_total", "Bytes read."),
            |samples| {
                samples.add(&Labels::one("device", "a\"b\\c\nd"), 4096_u64);
            },
        );
        page.family(&Family::gauge("empty", "Nothing to say."), |_| {});
        page.family(&Family::histogram("wait_seconds", "Waits."), |samples| {
            samples.histogram(&Labels::none(), &[(0.5, 1), (1.0, 1)], 0.25, 2);
        });
        page.family(
            &Family::plain("process_cpu_seconds_total", Kind::Counter, "CPU."),
            |samples| {
                samples.add(&Labels::none(), seconds(1234));
            },
        );
        page.finish();
        text
    }

    #[test]
    fn pieces_of_a_large_page_make_the_page() {
        let (mut pieces, mut whole) = (
            Vec::new(),
            "# HELP storage_probe_a A.\n# TYPE storage_probe_a gauge\n".to_owned(),
        );
        let mut take = |piece: &str| pieces.push(piece.to_owned());
        let mut page = Page::new(Format::Text, &mut take);
        page.family(&Family::gauge("a", "A."), |samples| {
            for value in 0..10_000_u64 {
                samples.add(&Labels::none(), value);
                let _ = writeln!(whole, "storage_probe_a {value}");
            }
        });
        page.finish();
        assert!(pieces.len() > 2);
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE + LONGEST_LINE));
        assert_eq!(pieces.concat(), whole);
    }

    #[test]
    fn milliseconds_are_seconds_exactly() {
        for (milliseconds, text) in [
            (0, "0"),
            (7, "0.007"),
            (120, "0.12"),
            (1000, "1"),
            (1234, "1.234"),
            (5500, "5.5"),
            (u64::MAX, "18446744073709551.615"),
        ] {
            let mut written = String::new();
            push_thousandths(&mut written, milliseconds);
            assert_eq!(written, text);
        }
    }

    #[test]
    fn the_text_format() {
        insta::assert_snapshot!(page(Format::Text), @r#"
        # HELP storage_probe_disk_read_bytes_total Bytes read.
        # TYPE storage_probe_disk_read_bytes_total counter
        storage_probe_disk_read_bytes_total{device="a\"b\\c\nd"} 4096
        # HELP storage_probe_wait_seconds Waits.
        # TYPE storage_probe_wait_seconds histogram
        storage_probe_wait_seconds_bucket{le="0.5"} 1
        storage_probe_wait_seconds_bucket{le="1.0"} 1
        storage_probe_wait_seconds_bucket{le="+Inf"} 2
        storage_probe_wait_seconds_sum 0.25
        storage_probe_wait_seconds_count 2
        # HELP process_cpu_seconds_total CPU.
        # TYPE process_cpu_seconds_total counter
        process_cpu_seconds_total 1.234
        "#);
    }

    #[test]
    fn open_metrics() {
        insta::assert_snapshot!(page(Format::OpenMetrics("1.0.0")), @r#"
        # HELP storage_probe_disk_read_bytes Bytes read.
        # TYPE storage_probe_disk_read_bytes counter
        # UNIT storage_probe_disk_read_bytes bytes
        storage_probe_disk_read_bytes_total{device="a\"b\\c\nd"} 4096
        # HELP storage_probe_wait_seconds Waits.
        # TYPE storage_probe_wait_seconds histogram
        # UNIT storage_probe_wait_seconds seconds
        storage_probe_wait_seconds_bucket{le="0.5"} 1
        storage_probe_wait_seconds_bucket{le="1.0"} 1
        storage_probe_wait_seconds_bucket{le="+Inf"} 2
        storage_probe_wait_seconds_sum 0.25
        storage_probe_wait_seconds_count 2
        # HELP process_cpu_seconds CPU.
        # TYPE process_cpu_seconds counter
        # UNIT process_cpu_seconds seconds
        process_cpu_seconds_total 1.234
        # EOF
        "#);
    }

    #[test]
    fn quotation_marks_in_a_help_text_are_escaped_in_open_metrics_alone() {
        let help = |format| {
            let mut text = String::new();
            let mut take = |piece: &str| text.push_str(piece);
            let mut page = Page::new(format, &mut take);
            let family = Family::gauge("size", "With shared=\"true\" others use it.");
            page.family(&family, |samples| samples.add(&Labels::none(), 1_u64));
            page.finish();
            text.lines().next().unwrap_or_default().to_owned()
        };
        assert_eq!(
            help(Format::Text),
            r#"# HELP storage_probe_size With shared="true" others use it."#
        );
        assert_eq!(
            help(Format::OpenMetrics("1.0.0")),
            r#"# HELP storage_probe_size With shared=\"true\" others use it."#
        );
    }

    #[test]
    fn labels_without_a_value_are_left_out() {
        assert_eq!(
            Labels::one("a", "").with("b", "x").with_known("c", None),
            Labels::one("b", "x")
        );
    }
}
