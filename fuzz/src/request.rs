//! Whatever stands in a query, in Accept or in Accept-Encoding: no panic, no parameter that is not there, and what a client does
//! not name it is not given.

use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::prometheus::negotiation;
use scope_storage_probe::serve::parameter;

/// Tries one input.
pub fn attempt(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    if let Some(version) = parameter(text, "api_version") {
        assert!(
            text.contains(&format!("api_version={version}")),
            "{text:?}: {version:?}"
        );
        assert!(!version.contains('&'));
    }
    let told = text.to_ascii_lowercase();
    if negotiation::format(Some(text)) != Format::Text {
        assert!(told.contains("application/openmetrics-text"), "{text:?}");
    }
    if negotiation::accepts_gzip(Some(text)) {
        assert!(told.contains("gzip") || told.contains('*'), "{text:?}");
    }
}
