//! Whatever stands in the file that names PowerFlex systems: no panic, what is wrong is told in a line of bounded length without a word
//! that could be a secret, and each system has a name of its own and an address that is one.

use std::collections::BTreeSet;

use scope_storage_probe::backends::powerflex::configuration;
use scope_storage_probe::mounted_file;

use super::secrets::{assert_untold, keys, texts_at};

/// Tries one input.
pub fn attempt(text: &[u8]) {
    match configuration::parse(text) {
        Ok(systems) => {
            assert!(!systems.is_empty());
            let names: BTreeSet<&str> = systems.iter().map(|system| system.name.as_str()).collect();
            assert_eq!(names.len(), systems.len(), "two have one name");
            for system in &systems {
                let encrypted = system.url.scheme_str() == Some("https");
                assert!(encrypted || system.insecure, "{system:?}");
                assert!(
                    system.url.host().is_some_and(|host| !host.is_empty()),
                    "{system:?}"
                );
                assert!(!system.url.to_string().contains('@'), "{system:?}");
            }
        }
        Err(said) => {
            let document = mounted_file::yaml(text).unwrap_or_default();
            let mut told = Vec::new();
            texts_at(&document, "url", &mut told);
            // Who signs in may stand there.
            told.retain(|url| !url.contains('@'));
            keys(&document, &mut told);
            texts_at(&document, "name", &mut told);
            assert_untold(&said, text, &document, &told);
        }
    }
}
