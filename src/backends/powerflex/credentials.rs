//! Who signs in to a gateway. Read again before every sign-in, so that a password may be exchanged at any time.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io::Read as _;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use super::configuration::{CredentialsSource, SystemSettings};

/// How long a file may take.
const FILE_PATIENCE: Duration = Duration::from_secs(2);
/// No file is longer: a bundle of many authorities is not.
const LONGEST_FILE: u64 = 64 << 10;

/// The entries of a Secret, or why they cannot be had.
pub type SecretEntries = Pin<Box<dyn Future<Output = Result<BTreeMap<String, Vec<u8>>, String>> + Send>>;

/// Who reads Secrets.
pub trait SecretReader: fmt::Debug + Send + Sync {
    /// Reads one Secret; of the program's own namespace where none is named.
    fn read(&self, namespace: Option<&str>, name: &str) -> SecretEntries;
}

/// Who signs in, and whom the gateway's certificate is checked against.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: String,
    pub(super) authorities: Option<Authorities>,
}

/// Certificates of authorities.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Authorities {
    /// Where they are from, in words.
    pub(super) place: String,
    /// In PEM, as far as anybody knows.
    pub(super) pem: Vec<u8>,
}

impl fmt::Debug for Credentials {
    /// Without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// What a system's settings lead to now.
pub(super) async fn read(
    settings: &SystemSettings,
    secrets: &dyn SecretReader,
) -> Result<Credentials, String> {
    let authorities = match &settings.ca_file {
        Some(path) => Some(Authorities {
            place: path.display().to_string(),
            pem: file(path).await?,
        }),
        None => None,
    };
    match &settings.credentials {
        CredentialsSource::Files { username, password } => Ok(Credentials {
            username: line(&username.display().to_string(), file(username).await?)?,
            password: line(&password.display().to_string(), file(password).await?)?,
            authorities,
        }),
        CredentialsSource::Secret { name, namespace } => {
            let mut entries = secrets.read(namespace.as_deref(), name).await?;
            let mut entry = |key: &str| {
                let bytes = entries.remove(key);
                let bytes = bytes.ok_or_else(|| format!("the Secret {name} has no {key}"))?;
                line(&format!("{key} of the Secret {name}"), bytes)
            };
            Ok(Credentials {
                username: entry("username")?,
                password: entry("password")?,
                authorities: authorities.or_else(|| {
                    entries.remove("ca.crt").map(|pem| Authorities {
                        place: format!("ca.crt of the Secret {name}"),
                        pem,
                    })
                }),
            })
        }
    }
}

/// A file of at most 64 KiB. Who waits for it does so for [`FILE_PATIENCE`] at most: its server may be gone.
async fn file(path: &Path) -> Result<Vec<u8>, String> {
    let told = |reason: String| format!("cannot read {}: {reason}", path.display());
    let (answer, read) = tokio::sync::oneshot::channel();
    let path_of_it = path.to_owned();
    // A thread of its own, which nobody has to wait for at the end.
    std::thread::spawn(move || answer.send(regular_file(&path_of_it)));
    match tokio::time::timeout(FILE_PATIENCE, read).await {
        Ok(Ok(outcome)) => outcome.map_err(told),
        _ => Err(told(format!("no answer within {} s", FILE_PATIENCE.as_secs()))),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "on a thread that nobody has to wait for"
)]
fn regular_file(path: &Path) -> Result<Vec<u8>, String> {
    // Whoever opened a pipe would wait for somebody who writes.
    let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !about.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err("it is longer than 64 KiB".to_owned());
    }
    Ok(bytes)
}

/// A text without the line end that editors put behind it.
fn line(place: &str, bytes: Vec<u8>) -> Result<String, String> {
    let text = String::from_utf8(bytes).map_err(|_| format!("{place} is no text"))?;
    let text = text.trim_end_matches(['\n', '\r']).to_owned();
    if text.is_empty() {
        return Err(format!("{place} is empty"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_file_is_refused_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, long) = (folder.path().join("pipe"), folder.path().join("long"));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        std::fs::write(&long, vec![b'a'; 65 << 10]).unwrap();
        for (path, told) in [
            (pipe.as_path(), "no regular file"),
            (Path::new("/dev/zero"), "no regular file"),
            (folder.path(), "no regular file"),
            (&long, "longer than 64 KiB"),
            (&folder.path().join("none"), "No such file"),
        ] {
            let said = file(path).await.unwrap_err();
            assert!(
                said.contains(told) && said.contains(&*path.to_string_lossy()),
                "{said}"
            );
        }
        std::fs::write(&long, vec![b'a'; 64 << 10]).unwrap();
        assert_eq!(file(&long).await.unwrap().len(), 64 << 10);
    }
}
