//! Whatever stands in a query, in Accept, in Accept-Encoding or in Authorization: no panic, no parameter that is not there, what a client
//! does not name it is not given, and who signs in has said all that he is taken for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scope_storage_probe::render::prometheus::exposition::Format;
use scope_storage_probe::render::prometheus::negotiation;
use scope_storage_probe::serve::web::user_and_password;
use scope_storage_probe::serve::{decoded, parameter};

/// Tries one input.
pub fn attempt(text: &[u8]) {
    if let Some((user, password)) = user_and_password(text) {
        assert!(!user.contains(':'));
        let again = STANDARD.encode([user.as_bytes(), b":", &password].concat());
        assert_eq!(again.as_bytes(), text);
    }
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
    // What is no text comes as one letter of three bytes.
    assert!(decoded(text).len() <= 3 * text.len());
    let told = text.to_ascii_lowercase();
    if negotiation::format(Some(text)) != Format::Text {
        assert!(told.contains("application/openmetrics-text"), "{text:?}");
    }
    if negotiation::accepts_gzip(Some(text)) {
        assert!(told.contains("gzip") || told.contains('*'), "{text:?}");
    }
}
