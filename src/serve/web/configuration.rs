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
use serde_json::{Map, Value};
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

    #[cfg(test)]
    pub(super) fn of_users(users: impl IntoIterator<Item = (String, PasswordHash)>) -> Self {
        Self {
            tls: None,
            needs_certificate: false,
            users: users.into_iter().collect(),
            tokens: Vec::new(),
            digest: [0; 32],
        }
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

/// The file without what it names.
struct File {
    tls: Option<TlsEntry>,
    users: BTreeMap<String, PasswordHash>,
    tokens: Option<String>,
}

struct TlsEntry {
    certificates: String,
    key: String,
    authorities: Option<String>,
    policy: ClientPolicy,
    versions: Versions,
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
    let mut named = |path: &String| {
        let path = folder.join(path);
        let bytes = read(&path)?;
        Ok::<_, String>(Named { path, bytes })
    };
    let tls = match file.tls {
        Some(entry) => Some(TlsSettings {
            certificates: named(&entry.certificates)?,
            key: named(&entry.key)?,
            authorities: entry.authorities.as_ref().map(&mut named).transpose()?,
            policy: entry.policy,
            versions: entry.versions,
        }),
        None => None,
    };
    let tokens = file.tokens.as_ref().map(&mut named).transpose()?;
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
        users: file.users,
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

/// What is told of an error repeats keys alone: beside them stand secrets, and who forgets a space has made one of a key and its secret.
fn parse(bytes: &[u8]) -> Result<File, String> {
    let mut file = mapping("the file", mounted_file::yaml(bytes)?)?;
    let tls = match file.remove("tls_server_config") {
        None | Some(Value::Null) => None,
        Some(entry) => Some(tls_entry(mapping("tls_server_config", entry)?)?),
    };
    let entries = mapping(
        "basic_auth_users",
        file.remove("basic_auth_users").unwrap_or_default(),
    )?;
    let parsed = File {
        tls,
        users: entries.into_iter().map(user).collect::<Result<_, _>>()?,
        tokens: text(&mut file, "bearer_token_file")?,
    };
    nothing_else(&file).map(|()| parsed)
}

fn tls_entry(mut entry: Map<String, Value>) -> Result<TlsEntry, String> {
    let mut needed = |key: &'static str| {
        let found = text(&mut entry, key)?;
        found.ok_or_else(|| format!("tls_server_config lacks `{key}`"))
    };
    let (certificates, key) = (needed("cert_file")?, needed("key_file")?);
    let parsed = TlsEntry {
        certificates,
        key,
        authorities: text(&mut entry, "client_ca_file")?,
        policy: client_policy(text(&mut entry, "client_auth_type")?.as_deref())?,
        versions: versions(text(&mut entry, "min_version")?.as_deref())?,
    };
    nothing_else(&entry).map(|()| parsed)
}

fn user((name, value): (String, Value)) -> Result<(String, PasswordHash), String> {
    if name.contains(':') {
        return Err(
            "basic_auth_users: a user's name has no colon in it (is a space missing behind one?)".to_owned(),
        );
    }
    let hash = value.as_str().unwrap_or_default();
    let hash = PasswordHash::parse(hash).map_err(|reason| {
        // Who writes it the wrong way round has the hash for a name.
        let name = if name.contains('$') { "" } else { &name };
        format!("basic_auth_users: what stands for the user {name:?} {reason}")
    })?;
    Ok((name, hash))
}

/// A mapping, or an empty one for nothing.
fn mapping(place: &str, value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(mapping) => Ok(mapping),
        Value::Null => Ok(Map::new()),
        _ => Err(format!("{place} has no keys with values in it")),
    }
}

/// Takes a text out of a mapping.
fn text(mapping: &mut Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match mapping.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{key} is no text")),
    }
}

/// An error where something is left in a mapping.
fn nothing_else(mapping: &Map<String, Value>) -> Result<(), String> {
    let Some(key) = mapping.keys().next() else {
        return Ok(());
    };
    let key = if key.contains(['$', ':']) { "" } else { key };
    Err(format!(
        "the key `{key}` is not one of those that have an effect here (docs/security.md has them)"
    ))
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
