//! Certificates made by openssl, and a client for servers that speak TLS.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version,
};

use super::http::{Connection, LIMIT, Stream};
use super::openssl::{AUTHORITY, NEW_KEY, NO_AUTHORITY, openssl};

/// What `openssl ca` has to be told.
const SETTINGS: &str = "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\nunique_subject=no\n\
                        copy_extensions=copy\n[p]\ncommonName=supplied\n";

/// Who signs certificates.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: Vec<u8>,
    /// Its key.
    pub key: Vec<u8>,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Self { folder };
        std::fs::write(authority.path("settings"), SETTINGS).unwrap();
        std::fs::write(authority.path("index"), "").unwrap();
        std::fs::write(authority.path("serial"), "01\n").unwrap();
        authority.openssl(&format!(
            "req -x509 {NEW_KEY} {AUTHORITY} -days 30 -subj /CN=authority-{} -keyout a.key -out a.crt",
            // Two of the same name would be taken for the same one with another key.
            NUMBER.fetch_add(1, Ordering::Relaxed)
        ));
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        openssl(self.folder.path(), arguments);
    }

    /// Its own certificate, in PEM.
    pub fn certificate(&self) -> Vec<u8> {
        std::fs::read(self.path("a.crt")).unwrap()
    }

    /// A certificate of this name for 127.0.0.1, good for 30 days, for servers and clients.
    pub fn identity(&self, name: &str) -> Identity {
        self.signed(name, "-days 30")
    }

    /// One whose time was some years ago.
    pub fn expired(&self, name: &str) -> Identity {
        self.signed(name, "-startdate 20200101000000Z -enddate 20200201000000Z")
    }

    fn signed(&self, name: &str, times: &str) -> Identity {
        self.openssl(&format!(
            "req -new {NEW_KEY} {NO_AUTHORITY} -subj /CN={name} -addext subjectAltName=IP:127.0.0.1,DNS:{name} \
             -addext extendedKeyUsage=serverAuth,clientAuth -keyout key -out request"
        ));
        self.openssl(&format!(
            "ca -batch -notext -config settings {times} -cert a.crt -keyfile a.key -in request -out certificate"
        ));
        Identity {
            certificate: std::fs::read(self.path("certificate")).unwrap(),
            key: std::fs::read(self.path("key")).unwrap(),
        }
    }
}

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A stream within TLS.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

impl Stream for TlsStream {
    fn limit_reads(&self, limit: Duration) -> io::Result<()> {
        self.sock.set_read_timeout(Some(limit))
    }
}

/// How somebody speaks TLS.
#[derive(Debug, Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

impl TlsClient {
    /// Who trusts this authority, and shows this certificate, if any, where one is asked for.
    pub fn trusting(authority: &Authority, identity: Option<&Identity>) -> Self {
        Self::speaking(&[&version::TLS13, &version::TLS12], authority, identity)
    }

    /// The same with these versions alone.
    pub fn speaking(
        versions: &[&'static SupportedProtocolVersion],
        authority: &Authority,
        identity: Option<&Identity>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(&authority.certificate()).unwrap())
            .unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(&identity.certificate).unwrap()],
                    PrivateKeyDer::from_pem_slice(&identity.key).unwrap(),
                )
                .unwrap(),
        };
        Self {
            config: Arc::new(config),
        }
    }

    /// A connection, agreed upon.
    pub fn connect(&self, address: SocketAddr) -> io::Result<Connection<TlsStream>> {
        self.agreed(TcpStream::connect_timeout(&address, LIMIT)?, address)
    }

    /// The same from this address of the machine.
    pub fn connect_from(&self, source: IpAddr, address: SocketAddr) -> io::Result<Connection<TlsStream>> {
        use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let tcp = socket(family, SocketType::STREAM, None)?;
        bind(&tcp, &SocketAddr::new(source, 0))?;
        connect(&tcp, &address)?;
        self.agreed(TcpStream::from(tcp), address)
    }

    fn agreed(&self, mut tcp: TcpStream, address: SocketAddr) -> io::Result<Connection<TlsStream>> {
        tcp.set_read_timeout(Some(LIMIT))?;
        tcp.set_nodelay(true)?;
        let name = ServerName::IpAddress(address.ip().into());
        let mut session = ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut tcp)?;
        }
        Ok(Connection::new(StreamOwned::new(session, tcp)))
    }

    /// The certificate that a server shows, in DER.
    pub fn shown(&self, address: SocketAddr) -> Vec<u8> {
        let connection = self.connect(address).unwrap();
        connection.stream().conn.peer_certificates().unwrap()[0].to_vec()
    }

    /// What a GET with these headers gives on a connection of its own.
    pub fn ask(
        &self,
        address: SocketAddr,
        target: &str,
        headers: &[(&str, &str)],
    ) -> io::Result<super::http::Answer> {
        self.connect(address)?.ask("GET", target, headers)
    }
}

/// The header of HTTP's Basic scheme.
pub fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    let told = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {told}")
}

/// A hash of bcrypt as the C library makes it, of this cost.
pub fn hash(password: &str, cost: u32) -> String {
    let salt = format!("$2b${cost:02}$k9PzUuW4bqNn3Yv1c7XyTe");
    let done = Command::new("perl")
        .args(["-e", "print crypt($ARGV[0], $ARGV[1])", password, &salt])
        .output()
        .expect("perl is needed");
    let hash = String::from_utf8(done.stdout).unwrap();
    assert_eq!(hash.len(), 60, "this C library has no bcrypt: {hash:?}");
    hash
}

/// A folder as a Secret is mounted: its files are links into one that is exchanged as a whole.
#[derive(Debug)]
pub struct MountedSecret {
    folder: TempDir,
    version: std::cell::Cell<u32>,
}

impl MountedSecret {
    /// With these entries.
    pub fn new(entries: &[(&str, &[u8])]) -> Self {
        let secret = Self {
            folder: tempfile::tempdir().unwrap(),
            version: std::cell::Cell::new(0),
        };
        secret.exchange(entries);
        secret
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Has these entries in place of all before.
    pub fn exchange(&self, entries: &[(&str, &[u8])]) {
        use std::os::unix::fs::symlink;

        let root = self.folder.path();
        self.version.set(self.version.get() + 1);
        let version = format!("..version-{}", self.version.get());
        std::fs::create_dir(root.join(&version)).unwrap();
        for (name, content) in entries {
            std::fs::write(root.join(&version).join(name), content).unwrap();
            if root.join(name).symlink_metadata().is_err() {
                symlink(Path::new("..data").join(name), root.join(name)).unwrap();
            }
        }
        symlink(&version, root.join("..data_tmp")).unwrap();
        std::fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        let before = format!("..version-{}", self.version.get() - 1);
        let _ = std::fs::remove_dir_all(root.join(before));
    }
}
