//! Who signs in to a gateway. Read again before every sign-in, so that a password may be exchanged at any time.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::configuration::{CredentialsSource, SystemSettings};
use crate::mounted_file;

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
            pem: mounted_file::read(path).await?,
        }),
        None => None,
    };
    match &settings.credentials {
        CredentialsSource::Files { username, password } => Ok(Credentials {
            username: line(
                &username.display().to_string(),
                mounted_file::read(username).await?,
            )?,
            password: line(
                &password.display().to_string(),
                mounted_file::read(password).await?,
            )?,
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

/// A text without the line end that editors put behind it.
fn line(place: &str, bytes: Vec<u8>) -> Result<String, String> {
    let text = String::from_utf8(bytes).map_err(|_| format!("{place} is no text"))?;
    let text = text.trim_end_matches(['\n', '\r']).to_owned();
    if text.is_empty() {
        return Err(format!("{place} is empty"));
    }
    Ok(text)
}
