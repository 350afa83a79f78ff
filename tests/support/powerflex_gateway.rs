//! A PowerFlex gateway over TLS, of any version and in any mood.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Who may sign in.
pub const USER: &str = "monitor";
/// And how: no log, page or error may have it.
pub const PASSWORD: &str = "hush-hush-Secret1";

/// A pool of it.
#[derive(Debug, Clone)]
pub struct Pool {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The id of its protection domain.
    pub domain: String,
    /// True for the second generation.
    pub erasure_coded: bool,
    /// The ids of its volumes.
    pub volumes: Vec<String>,
    /// Statistics that differ from the captured ones.
    pub statistics: Value,
}

/// Which ways to sign in there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logins {
    /// `GET /api/login` alone.
    Gateway,
    /// `POST /rest/auth/login` alone; a front end answers all else that it does not know with a page.
    Native,
    /// Both.
    Both,
}

/// How it is.
#[derive(Debug, Clone)]
pub struct Mood {
    /// What it says that it is.
    pub version: String,
    /// How one signs in.
    pub logins: Logins,
    /// Who may, with which password.
    pub password: String,
    /// A token is good for so many requests.
    pub uses: Option<usize>,
    /// Seconds that it says a native token holds.
    pub expires_in: Option<u64>,
    /// Answers 401 to whatever token.
    pub accepts_no_token: bool,
    /// Answers this status to everything, and repeats what it was sent, as some front ends do.
    pub repeats: Option<u16>,
    /// Answers with a page in place of JSON where the path begins so.
    pub page_at: Option<&'static str>,
    /// Answers with this status and text where the path begins so.
    pub instead: Vec<(&'static str, u16, String)>,
    /// Does not know this property.
    pub unknown_property: Option<&'static str>,
    /// Hangs up on so many requests.
    pub hangs_up: usize,
    /// Does not answer, as long as it is in this mood, where the path begins so.
    pub hangs_at: Option<&'static str>,
    /// Answers with the authorization that it was sent, as a text in JSON, where the path begins so.
    pub echoes_at: Option<&'static str>,
    /// Takes so long for an answer.
    pub delay: Duration,
    /// Its pools.
    pub pools: Vec<Pool>,
    /// Its protection domains: ids and names.
    pub domains: Vec<(String, String)>,
}

impl Default for Mood {
    fn default() -> Self {
        Self {
            version: "3.6".to_owned(),
            logins: Logins::Gateway,
            password: PASSWORD.to_owned(),
            uses: None,
            expires_in: None,
            accepts_no_token: false,
            repeats: None,
            page_at: None,
            instead: Vec::new(),
            unknown_property: None,
            hangs_up: 0,
            hangs_at: None,
            echoes_at: None,
            delay: Duration::ZERO,
            pools: vec![pool("1", "ssd"), pool("2", "hdd")],
            domains: vec![("pd1".to_owned(), "domain-1".to_owned())],
        }
    }
}

/// A pool of the first generation, in the first protection domain.
pub fn pool(id: &str, name: &str) -> Pool {
    Pool {
        id: format!("e65f9c270000000{id}"),
        name: name.to_owned(),
        domain: "pd1".to_owned(),
        erasure_coded: false,
        volumes: Vec::new(),
        statistics: json!({}),
    }
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<String>,
    tokens: Vec<(String, usize)>,
    logins: usize,
    renewals: usize,
}

struct State {
    mood: Mutex<Mood>,
    seen: Mutex<Seen>,
}

/// A gateway, on a thread of its own until the test ends.
pub struct Gateway {
    address: SocketAddr,
    state: Arc<State>,
}

impl Gateway {
    /// In this mood.
    pub fn start(mood: Mood) -> Self {
        let state = Arc::new(State {
            mood: Mutex::new(mood),
            seen: Mutex::default(),
        });
        let (sender, receiver) = std::sync::mpsc::channel();
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                serve(listener, served).await;
            });
        });
        Self {
            address: receiver.recv().unwrap(),
            state,
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Changes its mood.
    pub fn change(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.state.mood.lock().unwrap());
    }

    /// What it was asked so far: `GET /api/version`.
    pub fn requests(&self) -> Vec<String> {
        self.state.seen.lock().unwrap().requests.clone()
    }

    /// How often somebody signed in.
    pub fn logins(&self) -> usize {
        self.state.seen.lock().unwrap().logins
    }

    /// How often an access token was renewed.
    pub fn renewals(&self) -> usize {
        self.state.seen.lock().unwrap().renewals
    }

    /// Forgets what it was asked.
    pub fn forget(&self) {
        self.state.seen.lock().unwrap().requests.clear();
    }

    /// Declares all tokens void.
    pub fn expire(&self) {
        self.state.seen.lock().unwrap().tokens.clear();
    }

    /// Tokens that were given out.
    pub fn tokens(&self) -> Vec<String> {
        let seen = self.state.seen.lock().unwrap();
        seen.tokens.iter().map(|(token, _)| token.clone()).collect()
    }
}

/// Files with the user's name, the password and the authority, and a file of systems at these gateways, of these names.
pub fn settings(folder: &Path, systems: &[(&str, &str)]) -> PathBuf {
    std::fs::write(folder.join("username"), format!("{USER}\n")).unwrap();
    std::fs::write(folder.join("password"), format!("{PASSWORD}\n")).unwrap();
    let entries: Vec<Value> = systems
        .iter()
        .map(|(name, url)| {
            json!({"name": name, "url": url, "ca_file": authority(),
                   "username_file": folder.join("username"), "password_file": folder.join("password")})
        })
        .collect();
    let file = folder.join("powerflex.yaml");
    // JSON is YAML.
    std::fs::write(&file, json!({ "systems": entries }).to_string()).unwrap();
    file
}

/// The certificate that the gateway's is signed by.
pub fn authority() -> PathBuf {
    fixture("tls/authority.crt")
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/powerflex")
        .join(name)
}

/// A captured answer, read once.
pub fn captured(name: &'static str) -> Value {
    static READ: Mutex<BTreeMap<&str, Value>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    let read = read
        .entry(name)
        .or_insert_with(|| serde_json::from_slice(&std::fs::read(fixture(name)).unwrap()).unwrap());
    read.clone()
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let certificates = CertificateDer::pem_file_iter(fixture("tls/gateway.crt")).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            certificates.map(Result::unwrap).collect(),
            PrivateKeyDer::from_pem_file(fixture("tls/gateway.key")).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            // Who does not trust the certificate hangs up here.
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request| answer(Arc::clone(&state), request));
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type Said = (u16, Option<Value>);

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = head.uri.path().to_owned();
    let mood = state.mood.lock().unwrap().clone();
    state
        .seen
        .lock()
        .unwrap()
        .requests
        .push(format!("{} {path}", head.method));
    if mood.hangs_up > 0 {
        state.mood.lock().unwrap().hangs_up -= 1;
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    tokio::time::sleep(mood.delay).await;
    let hangs = |state: &State| {
        let hangs_at = state.mood.lock().unwrap().hangs_at;
        hangs_at.is_some_and(|start| path.starts_with(start))
    };
    while hangs(&state) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let authorization = head
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let said = if mood.page_at.is_some_and(|start| path.starts_with(start)) {
        (503, None)
    } else {
        said(&state, &mood, &head.method, &path, authorization, &body)
    };
    if mood.echoes_at.is_some_and(|start| path.starts_with(start)) {
        let text = json!(format!("bad request: {}", authorization.unwrap_or_default())).to_string();
        return Ok(Response::new(Full::new(Bytes::from(text))));
    }
    if let Some((_, status, text)) = mood.instead.iter().find(|(start, ..)| path.starts_with(start)) {
        return Ok(Response::builder()
            .status(*status)
            .body(Full::new(Bytes::from(text.clone())))
            .unwrap());
    }
    let (sort, text) = match said.1 {
        Some(json) => ("application/json", json.to_string()),
        None => (
            "text/html",
            "<!DOCTYPE html><html><body><h1>Whitelabel Error Page</h1></body></html>".to_owned(),
        ),
    };
    Ok(Response::builder()
        .status(said.0)
        .header(CONTENT_TYPE, sort)
        .body(Full::new(Bytes::from(text)))
        .unwrap())
}

fn said(
    state: &State,
    mood: &Mood,
    method: &Method,
    path: &str,
    authorization: Option<&str>,
    body: &[u8],
) -> Said {
    if let Some(status) = mood.repeats {
        let authorization = authorization.unwrap_or_default();
        let decoded = authorization
            .strip_prefix("Basic ")
            .and_then(|text| STANDARD.decode(text).ok());
        let decoded = String::from_utf8(decoded.unwrap_or_default()).unwrap_or_default();
        let body = String::from_utf8_lossy(body);
        let message = format!("bad {decoded} {authorization} {body}");
        return (
            status,
            Some(json!({"message": message, "httpStatusCode": status, "errorCode": 0})),
        );
    }
    let has = |login: Logins| mood.logins == login || mood.logins == Logins::Both;
    match (method, path) {
        (&Method::GET, "/api/login") if has(Logins::Gateway) => {
            let wanted = STANDARD.encode(format!("{USER}:{}", mood.password));
            if authorization == Some(&format!("Basic {wanted}")) {
                return (200, Some(json!(token(state, "gateway"))));
            }
            return unauthorized();
        }
        (&Method::POST, "/rest/auth/login") if has(Logins::Native) => {
            let given: Value = serde_json::from_slice(body).unwrap_or_default();
            if given["username"] == USER && given["password"] == mood.password.as_str() {
                return (200, Some(tokens(state, mood)));
            }
            return unauthorized();
        }
        (&Method::POST, "/rest/auth/update-token") if has(Logins::Native) => {
            let given: Value = serde_json::from_slice(body).unwrap_or_default();
            if given["refresh_token"] == "refresh-me" {
                state.seen.lock().unwrap().renewals += 1;
                state.seen.lock().unwrap().logins -= 1;
                return (200, Some(tokens(state, mood)));
            }
            return unauthorized();
        }
        _ => {}
    }
    if mood.logins == Logins::Native && !path.starts_with("/api/") && !path.starts_with("/dtapi/")
        || path == "/api/login"
    {
        return (404, None);
    }
    if !accepted(state, mood, authorization) {
        return unauthorized();
    }
    answered(mood, method, path, body)
}

fn unauthorized() -> Said {
    (401, Some(captured("authorization_failure.json")))
}

fn token(state: &State, sort: &str) -> String {
    let mut seen = state.seen.lock().unwrap();
    seen.logins += 1;
    let token = format!("{sort}-token-{}", seen.logins * 7919);
    seen.tokens.push((token.clone(), 0));
    token
}

fn tokens(state: &State, mood: &Mood) -> Value {
    json!({"access_token": token(state, "access"), "refresh_token": "refresh-me", "expires_in": mood.expires_in})
}

/// From 4.0 on tokens are borne; before, they are passwords.
fn accepted(state: &State, mood: &Mood, authorization: Option<&str>) -> bool {
    let Some(authorization) = authorization.filter(|_| !mood.accepts_no_token) else {
        return false;
    };
    let major: u32 = mood.version.split('.').next().unwrap().parse().unwrap();
    let given = if major >= 4 {
        authorization.strip_prefix("Bearer ").map(ToOwned::to_owned)
    } else {
        let encoded = authorization.strip_prefix("Basic ");
        let text = encoded.and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok());
        text.and_then(|text| Some(text.split_once(':')?.1.to_owned()))
    };
    let mut seen = state.seen.lock().unwrap();
    let known = seen
        .tokens
        .iter_mut()
        .find(|(token, _)| Some(token) == given.as_ref());
    let Some((_, used)) = known else { return false };
    *used += 1;
    mood.uses.is_none_or(|most| *used <= most)
}

fn answered(mood: &Mood, method: &Method, path: &str, body: &[u8]) -> Said {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let not_there = || refusal(404, "Could not find the object");
    match (method, path) {
        (&Method::GET, "/api/version") => (200, Some(json!(mood.version))),
        (&Method::GET, "/api/types/StoragePool/instances") => (
            200,
            Some(mood.pools.iter().map(|pool| instance(mood, pool)).collect()),
        ),
        (&Method::GET, "/api/types/System/instances") => {
            let system = captured("get_system_instances.json")[0].clone();
            (200, Some(json!([system])))
        }
        (&Method::GET, "/api/types/ProtectionDomain/instances") => {
            let domains = mood
                .domains
                .iter()
                .map(|(id, name)| json!({"id": id, "name": name}));
            (200, Some(domains.collect()))
        }
        (&Method::GET, "/api/types/Volume/instances") => {
            let volumes = mood.pools.iter().flat_map(|pool| {
                pool.volumes
                    .iter()
                    .map(|volume| json!({"id": volume, "name": null, "storagePoolId": pool.id}))
            });
            (200, Some(volumes.collect()))
        }
        (&Method::POST, "/api/instances/querySelectedStatistics") => selected(mood, &asked),
        (&Method::POST, "/dtapi/rest/v1/metrics/query") => metrics(mood, &asked),
        (&Method::GET, path) => {
            let object = path
                .strip_prefix("/api/instances/")
                .and_then(|rest| rest.strip_suffix("/relationships/Statistics"));
            match object.and_then(|object| object.split_once("::")) {
                Some(("StoragePool", id)) => match mood.pools.iter().find(|pool| pool.id == id) {
                    Some(pool) if !pool.erasure_coded => (200, Some(statistics(pool))),
                    _ => not_there(),
                },
                Some(("System" | "ProtectionDomain", _)) => {
                    (200, Some(captured("get_system_statistics.json")))
                }
                _ => not_there(),
            }
        }
        _ => not_there(),
    }
}

fn refusal(status: u16, message: &str) -> Said {
    (
        status,
        Some(json!({"message": message, "httpStatusCode": status, "errorCode": 3})),
    )
}

fn instance(mood: &Mood, pool: &Pool) -> Value {
    let mut instance = captured("get_storage_pool_instances.json")[0].clone();
    instance["id"] = json!(pool.id);
    instance["name"] = json!(pool.name);
    instance["protectionDomainId"] = json!(pool.domain);
    instance["mediaType"] = json!("SSD");
    instance["capacityUsageState"] = json!("Normal");
    if pool.erasure_coded {
        instance["genType"] = json!("EC");
        instance["dataLayout"] = json!("ErasureCoding");
        // These say it by a link.
        instance["protectionDomainId"] = Value::Null;
        instance["links"] = json!([{"rel": "/api/parent/relationship/protectionDomainId",
            "href": format!("/api/instances/ProtectionDomain::{}", pool.domain)}]);
    } else if !mood.version.starts_with('2') {
        instance["dataLayout"] = json!("MediumGranularity");
    }
    instance
}

fn statistics(pool: &Pool) -> Value {
    let mut statistics = captured("get_storage_pool_statistics.json");
    statistics["volumeIds"] = json!(pool.volumes);
    for (name, value) in pool.statistics.as_object().unwrap() {
        statistics[name] = value.clone();
    }
    statistics
}

/// Properties that came with 3.0, and are unknown before.
const SINCE_3: [&str; 11] = [
    "netUserDataCapacityInKb",
    "netUnusedCapacityInKb",
    "netCapacityInUseInKb",
    "netProvisionedAddressesInKb",
    "compressionRatio",
    "volMigrationReadBwc",
    "volMigrationWriteBwc",
    "userDataSdcReadLatency",
    "userDataSdcWriteLatency",
    "fglUserDataCapacityInKb",
    "netFglSparesInKb",
];

fn selected(mood: &Mood, asked: &Value) -> Said {
    let old = mood.version.starts_with('2');
    let mut answer = json!({});
    for entry in asked["selectedStatisticsList"].as_array().unwrap() {
        let kind = entry["type"].as_str().unwrap();
        let properties: BTreeSet<&str> = entry["properties"]
            .as_array()
            .unwrap()
            .iter()
            .map(|property| property.as_str().unwrap())
            .collect();
        let unknown =
            |property: &str| mood.unknown_property == Some(property) || old && SINCE_3.contains(&property);
        if let Some(property) = properties.iter().find(|property| unknown(property)) {
            return refusal(400, &format!("The property {property} is unknown"));
        }
        let chosen = |all: &Value| -> Value {
            let all = all.as_object().unwrap().iter();
            let chosen = all.filter(|(name, _)| properties.contains(name.as_str()));
            Value::Object(
                chosen
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            )
        };
        answer[kind] = match kind {
            "System" => chosen(&captured("get_system_statistics.json")),
            "StoragePool" => {
                assert_eq!(entry["allIds"], json!([]));
                let pools = mood.pools.iter().filter(|pool| !pool.erasure_coded);
                let by_id = pools.map(|pool| (pool.id.clone(), chosen(&statistics(pool))));
                Value::Object(by_id.collect())
            }
            _ => {
                let all = captured("get_system_statistics.json");
                let by_id = mood.domains.iter().map(|(id, _)| (id.clone(), chosen(&all)));
                Value::Object(by_id.collect())
            }
        };
    }
    (200, Some(answer))
}

fn metrics(mood: &Mood, asked: &Value) -> Said {
    if asked["resource_type"] != "storage_pool" || !asked["metrics"].is_array() {
        return refusal(500, "metrics is no list");
    }
    let captured = captured("get_volume_metrics.json");
    let resources: Vec<Value> = asked["ids"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|id| {
            mood.pools
                .iter()
                .any(|pool| pool.erasure_coded && *id == pool.id.as_str())
        })
        .map(|id| {
            let all = captured["resources"][0]["metrics"].as_array().unwrap().iter();
            let wanted = all.filter(|metric| asked["metrics"].as_array().unwrap().contains(&metric["name"]));
            json!({"id": id, "metrics": wanted.collect::<Vec<_>>()})
        })
        .collect();
    (
        200,
        Some(
            json!({"resource_type": "storage_pool", "timestamps": captured["timestamps"], "resources": resources}),
        ),
    )
}
