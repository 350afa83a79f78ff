//! Whatever the web configuration file holds, and the certificates, the key and the tokens that it names: no panic, what is wrong is told
//! without a word that could be a secret, and what is right asks something of clients, the same each time.
//!
//! The input is the files' contents, one after the other, each ended by a byte that no text of them has.

use std::fs;
use std::path::PathBuf;

use scope_storage_probe::mounted_file;
use scope_storage_probe::serve::web::asked_of_clients;

use super::secrets::{assert_untold, texts_at};

const END: u8 = 0xff;
/// The file itself comes first.
const FILES: [&str; 5] = ["web.yaml", "tls.crt", "tls.key", "ca.crt", "tokens"];
/// What stands for these are names of files, which are told.
const NAMES_OF_FILES: [&str; 4] = ["cert_file", "key_file", "client_ca_file", "bearer_token_file"];

thread_local! {
    /// Made once; only the contents change. It goes with its thread.
    static FOLDER: (tempfile::TempDir, Vec<PathBuf>) = folder();
}

fn folder() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let folder = folder.expect("no folder for the files");
    let files = FILES.map(|name| folder.path().join(name)).into();
    (folder, files)
}

/// Tries one input.
pub fn attempt(contents: &[u8]) {
    FOLDER.with(|(_, files)| asked_by(contents, files));
}

fn asked_by(contents: &[u8], files: &[PathBuf]) {
    let mut each = contents.split(|byte| *byte == END);
    for file in files {
        match each.next() {
            Some(content) => fs::write(file, content).expect("cannot write"),
            None => drop(fs::remove_file(file)),
        }
    }
    let document = contents.split(|byte| *byte == END).next().unwrap_or_default();
    let parsed = mounted_file::yaml(document).unwrap_or_default();
    // No other file is anybody's here: /proc has such as never end.
    let mut named = Vec::new();
    for key in NAMES_OF_FILES {
        texts_at(&parsed, key, &mut named);
    }
    if named.iter().any(|name| name.contains('/')) {
        return;
    }
    let asked = asked_of_clients(&files[0]);
    match &asked {
        Ok(asked) => assert!(
            asked.starts_with("TLS") || asked.contains("users"),
            "{asked:?} asks for nothing"
        ),
        Err(said) => assert_untold(said, contents, &parsed, &named),
    }
    assert_eq!(asked, asked_of_clients(&files[0]), "the second time");
}
