//! Which form of the page a client wants: HTTP content negotiation (RFC 9110, 12.5).

use super::exposition::Format;

/// How closely a range names a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    Anything,
    AnyText,
    Named,
}

/// The form that an Accept header ranks highest. Whatever is not known, or is missing, gives the text format:
/// a page in a form that the client can read is better than an error.
pub fn format(accept: Option<&str>) -> Format {
    let ranges = accept.unwrap_or_default().split(',').filter_map(range);
    let ranges: Vec<(Closeness, Format, f64)> = ranges.collect();
    // Of a form that counts which names it most closely. Who does not name OpenMetrics need not be able to read it.
    let of_text = ranges.iter().filter(|(_, form, _)| *form == Format::Text);
    let closest = of_text.map(|(closeness, ..)| *closeness).max();
    let mut best = (0.0, Format::Text);
    for (closeness, form, quality) in ranges {
        let counts = form != Format::Text || Some(closeness) == closest;
        if counts && quality > best.0 {
            best = (quality, form);
        }
    }
    best.1
}

/// One range of an Accept header, where it means a form that there is: how closely it names which, and its quality.
fn range(text: &str) -> Option<(Closeness, Format, f64)> {
    let (name, parameters) = split(text);
    let (closeness, form) = match name.to_ascii_lowercase().as_str() {
        "application/openmetrics-text" => match parameter(&parameters, "version") {
            Some("0.0.1") => (Closeness::Named, Format::OpenMetrics("0.0.1")),
            None | Some("1.0.0") => (Closeness::Named, Format::OpenMetrics("1.0.0")),
            Some(_) => return None,
        },
        "text/plain" => (Closeness::Named, Format::Text),
        "text/*" => (Closeness::AnyText, Format::Text),
        "*/*" => (Closeness::Anything, Format::Text),
        _ => return None,
    };
    Some((closeness, form, quality(&parameters)))
}

/// True where an Accept-Encoding header allows gzip.
pub fn accepts_gzip(accept_encoding: Option<&str>) -> bool {
    let mut any = None;
    for coding in accept_encoding.unwrap_or_default().split(',') {
        let (name, parameters) = split(coding);
        let allowed = quality(&parameters) > 0.0;
        match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => return allowed,
            "*" => any = Some(allowed),
            _ => {}
        }
    }
    any.unwrap_or(false)
}

fn split(range: &str) -> (&str, Vec<(&str, &str)>) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let parameters = parts
        .filter_map(|part| part.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim().trim_matches('"')));
    (name, parameters.collect())
}

fn parameter<'a>(parameters: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
    parameters
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| *value)
}

fn quality(parameters: &[(&str, &str)]) -> f64 {
    match parameter(parameters, "q") {
        None => 1.0,
        Some(text) => text
            .parse()
            .ok()
            .filter(|quality: &f64| (0.0..=1.0).contains(quality))
            .unwrap_or(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_ranked_known_form_wins() {
        const NEW: Format = Format::OpenMetrics("1.0.0");
        const OLD: Format = Format::OpenMetrics("0.0.1");
        for (accept, expected) in [
            (None, Format::Text),
            (Some(""), Format::Text),
            (Some("*/*"), Format::Text),
            (Some("application/openmetrics-text"), NEW),
            (
                Some("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
                OLD,
            ),
            (
                Some(
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ),
                NEW,
            ),
            (
                Some("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.5"),
                Format::Text,
            ),
            (
                Some("application/openmetrics-text;version=2.0.0, text/plain;q=0.1"),
                Format::Text,
            ),
            (
                Some("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5"),
                Format::Text,
            ),
            (
                Some(
                    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;q=0.3",
                ),
                Format::Text,
            ),
            (
                Some("APPLICATION/OPENMETRICS-TEXT; VERSION=\"1.0.0\"; Q=0.9, text/plain; q=0.8"),
                NEW,
            ),
            (
                Some("text/plain;q=0.1, application/openmetrics-text;q=0.5, */*;q=0.9"),
                NEW,
            ),
            (
                Some("*/*;q=0.1, application/openmetrics-text;q=0.5, text/*;q=0.9"),
                Format::Text,
            ),
            (Some("application/openmetrics-text;q=0"), Format::Text),
            (
                Some("application/openmetrics-text;q=rubbish,;;;=,text/plain;q=0.1"),
                Format::Text,
            ),
        ] {
            assert_eq!(format(accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn gzip_only_where_it_is_allowed() {
        for (header, expected) in [
            (None, false),
            (Some("gzip"), true),
            (Some("deflate, GZIP;q=0.5"), true),
            (Some("gzip;q=0"), false),
            (Some("*"), true),
            (Some("*;q=0"), false),
            (Some("*, gzip;q=0"), false),
            (Some("identity"), false),
            (Some("gzip;q=nonsense"), false),
        ] {
            assert_eq!(accepts_gzip(header), expected, "{header:?}");
        }
    }
}
