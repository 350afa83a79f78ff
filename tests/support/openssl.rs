//! The program `openssl`, which makes keys and certificates.

use std::path::Path;
use std::process::Command;

/// A new key on the curve that is quickest to make one on, without a password.
pub const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
/// The certificate is one of those that sign others.
pub const AUTHORITY: &str = "-addext keyUsage=critical,keyCertSign";
/// It is none of those.
pub const NO_AUTHORITY: &str = "-addext basicConstraints=critical,CA:FALSE";

/// Runs it in this folder; gives what it writes. No argument may have a blank in it.
pub fn openssl(folder: &Path, arguments: &str) -> Vec<u8> {
    let done = Command::new("openssl")
        .args(arguments.split_ascii_whitespace())
        .current_dir(folder)
        .output()
        .expect("openssl is needed");
    assert!(
        done.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    done.stdout
}
