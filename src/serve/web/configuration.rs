//! The web configuration file, in YAML as the exporters of Prometheus have it, and the files that it names. What is made of them is kept
//! without a password, a token or the words of a file that somebody else shall not read.
//!
//! Whatever stands in the file is done, or the file is refused: a key that is not known here is an error, and so are the ways in which a
//! client's certificate would be asked for and not checked.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest;
use serde::Deserialize;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring::default_provider};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use super::credentials::{Marks, PasswordHash, Token};
use crate::mounted_file;

/// What the address asks of its clients, as the files say.
pub(super) struct Settings {
    /// How TLS is spoken; `None` for plain HTTP.
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// Nobody without a certificate is answered.
    needs_certificate: bool,
    /// Who may sign in with a password.
    pub(super) users: BTreeMap<String, PasswordHash>,
    /// What is as good as that.
    pub(super) tokens: Vec<Token>,
    /// Tells whether the files have changed.
    pub(super) digest: [u8; 32],
}

impl fmt::Debug for Settings {
    /// Without names, hashes and keys.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match (&self.tls, self.needs_certificate) {
            (None, _) => "plain HTTP",
            (Some(_), false) => "TLS",
            (Some(_), true) => "TLS for clients with a certificate",
        })?;
        let (users, tokens) = (self.users.len(), self.tokens.len());
        if self.asks_who() {
            write!(formatter, ", {users} users, {tokens} tokens")?;
        }
        Ok(())
    }
}

impl Settings {
    /// True where a request has to say whose it is.
    pub(super) fn asks_who(&self) -> bool {
        !self.users.is_empty() || !self.tokens.is_empty()
    }

    /// What was asked of clients before and is no longer, if anything.
    pub(super) fn gives_up(&self, before: &Self) -> Option<&'static str> {
        [
            (before.tls.is_some() && self.tls.is_none(), "TLS"),
            (
                before.needs_certificate && !self.needs_certificate,
                "certificates of clients",
            ),
            (
                before.asks_who() && !self.asks_who(),
                "passwords and tokens of clients",
            ),
        ]
        .into_iter()
        .find_map(|(gives_up, what)| gives_up.then_some(what))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tls_server_config: Option<TlsEntry>,
    basic_auth_users: Option<BTreeMap<String, String>>,
    bearer_token_file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsEntry {
    cert_file: PathBuf,
    key_file: PathBuf,
    client_auth_type: Option<String>,
    client_ca_file: Option<PathBuf>,
    min_version: Option<String>,
}

/// Reads the file and what it names; `None` where nothing of it has changed. Called on a thread that may hang.
pub(super) fn read(path: &Path, marks: &Marks, known: Option<&[u8; 32]>) -> Result<Option<Settings>, String> {
    let mut digest = digest::Context::new(&digest::SHA256);
    let mut read = |path: &Path| {
        let bytes = mounted_file::read_here(path)?;
        digest.update(&(bytes.len() as u64).to_le_bytes());
        digest.update(&bytes);
        Ok::<_, String>(bytes)
    };
    let place = |reason: String| format!("{}: {reason}", path.display());
    let file = parse(&read(path)?).map_err(place)?;
    // As the exporters have it: what the file names lies beside it.
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut named = |path: &PathBuf| {
        let path = folder.join(path);
        let bytes = read(&path)?;
        Ok::<_, String>(Named { path, bytes })
    };
    let tls = match file.tls_server_config {
        Some(entry) => Some(TlsSettings {
            certificates: named(&entry.cert_file)?,
            key: named(&entry.key_file)?,
            authorities: entry.client_ca_file.as_ref().map(&mut named).transpose()?,
            policy: client_policy(entry.client_auth_type.as_deref()).map_err(place)?,
            versions: versions(entry.min_version.as_deref()).map_err(place)?,
        }),
        None => None,
    };
    let tokens = file.bearer_token_file.as_ref().map(&mut named).transpose()?;
    let mut digested = [0; 32];
    digested.copy_from_slice(digest.finish().as_ref());
    if known == Some(&digested) {
        return Ok(None);
    }
    let tokens = match tokens {
        Some(file) => marks
            .tokens(&file.bytes)
            .map_err(|reason| format!("{}: {reason}", file.path.display()))?,
        None => Vec::new(),
    };
    let settings = Settings {
        needs_certificate: tls
            .as_ref()
            .is_some_and(|tls| tls.policy == ClientPolicy::Require),
        tls: tls.map(TlsSettings::server).transpose()?.map(Arc::new),
        users: users(file.basic_auth_users.unwrap_or_default()).map_err(place)?,
        tokens,
        digest: digested,
    };
    if settings.tls.is_none() && !settings.asks_who() {
        return Err(place(
            "it asks for nothing: neither tls_server_config nor basic_auth_users nor bearer_token_file stands in it"
                .to_owned(),
        ));
    }
    Ok(Some(settings))
}

/// The file without what it names. What is told of an error repeats keys alone: beside them stand secrets, and who forgets a space has made one
/// of a key and its secret.
fn parse(bytes: &[u8]) -> Result<File, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    serde_saphyr::from_str::<Option<File>>(text)
        .map_err(|error| told(&error.to_string(), error.location()))
        .map(|file| {
            file.unwrap_or(File {
                tls_server_config: None,
                basic_auth_users: None,
                bearer_token_file: None,
            })
        })
}

fn told(said: &str, at: Option<serde_saphyr::Location>) -> String {
    let line = said.lines().next().unwrap_or_default();
    let of_keys = ["unknown field", "missing field", "duplicate field"];
    if of_keys.iter().any(|words| line.contains(words)) && !line.contains('$') {
        return format!("{line} (docs/security.md says what may stand there)");
    }
    let at = at.map_or_else(String::new, |at| {
        format!(" at line {}, column {}", at.line(), at.column())
    });
    format!("it is not YAML of the form that docs/security.md shows{at}")
}

/// What the server asks of certificates of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientPolicy {
    /// None is asked for.
    No,
    /// One is checked where it is given.
    IfGiven,
    /// Nobody comes in without.
    Require,
}

fn client_policy(name: Option<&str>) -> Result<ClientPolicy, String> {
    match name {
        None | Some("" | "NoClientCert") => Ok(ClientPolicy::No),
        Some("VerifyClientCertIfGiven") => Ok(ClientPolicy::IfGiven),
        Some("RequireAndVerifyClientCert") => Ok(ClientPolicy::Require),
        Some("RequestClientCert" | "RequireClientCert" | "RequireAnyClientCert") => Err(
            "client_auth_type: a certificate that is not checked proves nothing; RequireAndVerifyClientCert checks it"
                .to_owned(),
        ),
        Some(_) => Err(
            "client_auth_type is NoClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert".to_owned(),
        ),
    }
}

type Versions = &'static [&'static SupportedProtocolVersion];

static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
static NEWER: [&SupportedProtocolVersion; 1] = [&version::TLS13];

fn versions(least: Option<&str>) -> Result<Versions, String> {
    match least {
        None | Some("TLS12") => Ok(&BOTH),
        Some("TLS13") => Ok(&NEWER),
        Some(_) => {
            Err("min_version is TLS12 or TLS13: nothing older is spoken here, nor is it safe".to_owned())
        }
    }
}

fn users(entries: BTreeMap<String, String>) -> Result<BTreeMap<String, PasswordHash>, String> {
    let parsed = entries.into_iter().map(|(name, hash)| {
        let parsed = PasswordHash::parse(&hash).map_err(|reason| {
            // Who writes it the wrong way round has the hash for a name.
            let name = if name.contains('$') { "" } else { &name };
            format!("basic_auth_users: what stands for the user {name:?} {reason}")
        })?;
        Ok((name, parsed))
    });
    parsed.collect()
}

/// A file that the settings name.
struct Named {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Named {
    /// Its certificates. What is wrong with them is told without a word of the file: it may be the key's.
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        found
            .ok()
            .filter(|found| !found.is_empty())
            .ok_or_else(|| format!("{}: there is no certificate in PEM in it", self.path.display()))
    }
}

struct TlsSettings {
    certificates: Named,
    key: Named,
    authorities: Option<Named>,
    policy: ClientPolicy,
    versions: Versions,
}

impl TlsSettings {
    fn server(self) -> Result<ServerConfig, String> {
        let provider = Arc::new(default_provider());
        let key = PrivateKeyDer::from_pem_slice(&self.key.bytes).map_err(|_| {
            format!(
                "{}: there is no private key in PEM in it, or it is encrypted",
                self.key.path.display()
            )
        })?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.versions)
            .map_err(|error| error.to_string())?;
        let builder = match (&self.authorities, self.policy) {
            (None, ClientPolicy::No) => builder.with_no_client_auth(),
            (Some(file), ClientPolicy::No) => {
                return Err(format!(
                    "client_ca_file {} is named, and client_auth_type does not ask for certificates",
                    file.path.display()
                ));
            }
            (None, _) => {
                return Err("client_auth_type asks for certificates: client_ca_file says whose".to_owned());
            }
            (Some(file), policy) => builder.with_client_cert_verifier(verifier(file, policy, provider)?),
        };
        let mut config = builder
            .with_single_cert(self.certificates.certificates()?, key)
            .map_err(|error| {
                format!(
                    "{} and {} are of no use together: {error}",
                    self.certificates.path.display(),
                    self.key.path.display()
                )
            })?;
        // Whoever goes on with an old session has not shown his certificate again. Prometheus keeps its connection anyway.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn verifier(
    file: &Named,
    policy: ClientPolicy,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn tokio_rustls::rustls::server::danger::ClientCertVerifier>, String> {
    let wrong = |error: &dyn fmt::Display| format!("{}: {error}", file.path.display());
    let mut roots = RootCertStore::empty();
    for certificate in file.certificates()? {
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if policy == ClientPolicy::IfGiven {
        builder.allow_unauthenticated()
    } else {
        builder
    };
    builder.build().map_err(|error| wrong(&error))
}
