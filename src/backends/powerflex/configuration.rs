//! The file that names the systems: YAML, read once at the start. It bears no secret, but says where the secrets are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hyper::Uri;
use serde::Deserialize;
use thiserror::Error;

use crate::model::text::shortened;
use crate::mounted_file;

/// No more is told of what a parser says.
const LONGEST_REASON: usize = 200;

/// Why the file is of no use.
#[derive(Debug, Error)]
pub enum ConfigurationError {
    /// It cannot be read.
    #[error("{0} (--powerflex names the file; in a container, is it mounted there?)")]
    Unreadable(String),
    /// It is not what it should be.
    #[error("{}: {reason} (docs/powerflex.md has an example)", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// How to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Login {
    /// As a gateway of any version is signed in to, or else as PowerFlex Manager is.
    #[default]
    Auto,
    /// `GET /api/login` alone.
    Gateway,
    /// `POST /rest/auth/login` alone: PowerFlex 4.0 and later.
    Native,
}

/// Where the user's name and password are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialsSource {
    /// In a Secret, under `username` and `password`; `ca.crt` may be there as well.
    Secret {
        /// Its name.
        name: String,
        /// Its namespace; `None` for the program's own.
        namespace: Option<String>,
    },
    /// In files.
    Files {
        /// With the user's name.
        username: PathBuf,
        /// With the password.
        password: PathBuf,
    },
}

/// One system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemSettings {
    /// What it is called here.
    pub name: String,
    /// Its gateway.
    pub url: Uri,
    /// Who signs in.
    pub credentials: CredentialsSource,
    /// Certificates of the authorities that the gateway's is checked against, in PEM; `None` for the machine's own.
    pub ca_file: Option<PathBuf>,
    /// True where the gateway's certificate is not checked.
    pub insecure: bool,
    /// How to sign in.
    pub login: Login,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    systems: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: String,
    name: Option<String>,
    secret: Option<String>,
    secret_namespace: Option<String>,
    username_file: Option<PathBuf>,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    login: Login,
}

/// The systems that a file names.
pub async fn read(path: &Path) -> Result<Vec<SystemSettings>, ConfigurationError> {
    let read = mounted_file::read(path).await;
    let bytes = read.map_err(ConfigurationError::Unreadable)?;
    parse(&bytes).map_err(|reason| ConfigurationError::Wrong {
        path: path.to_owned(),
        reason,
    })
}

/// What the file's text says, or what is wrong with it.
pub fn parse(bytes: &[u8]) -> Result<Vec<SystemSettings>, String> {
    let read = mounted_file::yaml(bytes)?;
    let file: File = serde_json::from_value(read).map_err(|error| {
        // Of a key that is wrong its name is told, of a value nothing: somebody may have written a password there.
        let said = error.to_string();
        let of_keys = ["unknown field", "missing field"];
        if said.starts_with("unknown variant") {
            "login is auto, gateway or native".to_owned()
        } else if of_keys.iter().any(|words| said.starts_with(words)) {
            shortened(&said, LONGEST_REASON)
        } else {
            "what stands for a key in it is of another kind than it should be".to_owned()
        }
    })?;
    if file.systems.is_empty() {
        return Err("it names no system".to_owned());
    }
    let systems: Vec<SystemSettings> = file.systems.into_iter().map(settings).collect::<Result<_, _>>()?;
    let mut names = BTreeSet::new();
    for system in &systems {
        if !names.insert(&system.name) {
            return Err(format!(
                "two systems are called {}: give each a name of its own",
                system.name
            ));
        }
    }
    Ok(systems)
}

fn settings(entry: Entry) -> Result<SystemSettings, String> {
    // Somebody may have put a password into it, so it is never told as it stands.
    let called = entry.name.as_deref().unwrap_or("a system without a name");
    if entry.url.contains('@') {
        return Err(format!(
            "the url of {called} has a user in it: those belong into a Secret or into files"
        ));
    }
    let parsed: Result<Uri, _> = entry.url.parse();
    let url = parsed.map_err(|error| format!("the url of {called}: {error}"))?;
    let host = url.host().filter(|host| !host.is_empty()).map(ToOwned::to_owned);
    let host = host.ok_or_else(|| format!("the url of {called} names no host: https://gateway.example"))?;
    let authority = url.authority().map_or("", |authority| authority.as_str());
    if authority != host && url.port_u16().is_none() {
        return Err(format!("the url of {called}: what follows its host is no port"));
    }
    if url.query().is_some() {
        return Err(format!(
            "the url of {host} has a query, which nothing would be done with"
        ));
    }
    match url.scheme_str() {
        Some("https") => {}
        Some("http") if entry.insecure => {}
        Some("http") => {
            return Err(format!(
                "the url of {host} is not encrypted: whoever listens would have the password; `insecure: true` allows it"
            ));
        }
        _ => {
            return Err(format!(
                "the url of {host} begins with neither https:// nor http://"
            ));
        }
    }
    let credentials = match (entry.secret, entry.username_file, entry.password_file) {
        (Some(name), None, None) => CredentialsSource::Secret {
            name,
            namespace: entry.secret_namespace,
        },
        (None, Some(username), Some(password)) => CredentialsSource::Files { username, password },
        _ => {
            return Err(format!(
                "{host} needs either `secret` or both `username_file` and `password_file`"
            ));
        }
    };
    Ok(SystemSettings {
        name: entry.name.filter(|name| !name.is_empty()).unwrap_or(host),
        url,
        credentials,
        ca_file: entry.ca_file,
        insecure: entry.insecure,
        login: entry.login,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_systems() {
        let systems = parse(
            b"systems:\n\
             - url: https://one.example:8443\n  secret: powerflex-one\n\
             - {name: two, url: https://10.0.0.2, username_file: /u, password_file: /p, ca_file: /ca.crt, login: native}\n",
        )
        .unwrap();
        assert_eq!(systems[0].name, "one.example");
        assert_eq!(
            systems[0].credentials,
            CredentialsSource::Secret {
                name: "powerflex-one".to_owned(),
                namespace: None
            }
        );
        assert_eq!(
            (systems[1].name.as_str(), systems[1].login),
            ("two", Login::Native)
        );
        assert!(!systems[1].insecure);
    }

    #[test]
    fn what_is_wrong_is_said_and_no_secret_with_it() {
        for (text, told) in [
            ("systems: []", "no system"),
            (
                "---\nsystems: [{url: 'https://a', secret: s}]\n---\nsystems: []\n",
                "several documents",
            ),
            (
                &*format!(
                    "systems: [{{url: 'https://a', secret: s, insecure: {}}}]",
                    "no".repeat(1000)
                ),
                "another kind",
            ),
            ("systems: [{url: 'https://a'}]", "secret"),
            (
                "systems: [{url: 'https://a', secret: s, username_file: u}]",
                "secret",
            ),
            ("systems: [{url: 'http://a', secret: s}]", "not encrypted"),
            ("systems: [{url: 'ftp://a', secret: s}]", "neither"),
            ("systems: [{url: '/a', secret: s}]", "no host"),
            (
                "systems: [{url: 'https://u:hush@a', secret: s}]",
                "has a user in it",
            ),
            (
                "systems: [{url: 'https://u:hush x@a', secret: s}]",
                "has a user in it",
            ),
            (
                "systems: [{url: 'https://u:hush#x@a', secret: s}]",
                "has a user in it",
            ),
            ("systems: [{url: 'https://a hush', secret: s}]", "invalid uri"),
            ("systems: [{url: 'https://a:hush', secret: s}]", "port"),
            ("systems: [{url: 'https://a?password=hush', secret: s}]", "query"),
            (
                "systems: [{url: 'https://a', secret: s}, {url: 'https://a:1', secret: s}]",
                "two systems",
            ),
            ("systems:\n- url: https://a\n  password: hush\n", "password"),
            ("systems: [{url: 'https://:1', secret: s}]", "names no host"),
            (
                "systems: [{url: 'https://a', secret: s, login: hush}]",
                "auto, gateway or native",
            ),
            ("systems: hush", "another kind"),
            ("systems: [hush]", "another kind"),
            ("systems: [{url: [hush]}]", "another kind"),
            ("systems: [{url: 'https://a', secret: *hush}]", "line 1"),
        ] {
            let said = parse(text.as_bytes()).unwrap_err();
            assert!(said.contains(told), "{text}: {said}");
            assert!(!said.contains("hush") && said.len() < 300, "{said}");
        }
    }
}
