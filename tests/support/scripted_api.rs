//! An API server that says what a test wants, over a real connection.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use scope_storage_probe::cluster::{Cluster, Settings};
use scope_storage_probe::model::inventory::{Inventory, Role};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How long a test waits for what must come.
const LIMIT: Duration = Duration::from_secs(30);

/// One request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The last part of the path: `pods`, or an object's name.
    pub resource: String,
    /// The whole path.
    pub path: String,
    /// GET, POST or DELETE.
    pub method: String,
    /// The query's parts.
    pub query: BTreeMap<String, String>,
    /// How often the same was asked before: lists, watches and changes of a resource are counted apart.
    pub before: usize,
}

impl Asked {
    /// True for watches.
    pub fn watches(&self) -> bool {
        self.query.contains_key("watch")
    }

    /// What a watch goes on from.
    pub fn from(&self) -> &str {
        self.query.get("resourceVersion").map_or("", String::as_str)
    }
}

/// One answer: its status, and its body piece by piece.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    /// Said again and again.
    Endless(Bytes),
    Abort,
    Silence,
}

impl Answer {
    /// A whole answer.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, body.to_string())
    }

    /// A whole answer, of any text.
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            pieces: vec![Piece::Text(body.into())],
        }
    }

    /// What the API server says with an error.
    pub fn status(code: u16, reason: &str, message: &str) -> Self {
        Self::json(code, &status(code, reason, message))
    }

    /// A list.
    pub fn list(version: &str, items: &[Value]) -> Self {
        Self::json(
            200,
            &json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": version}, "items": items}),
        )
    }

    /// One page of a list.
    pub fn page(version: &str, items: &[Value], next: &str) -> Self {
        Self::json(
            200,
            &json!({"metadata": {"resourceVersion": version, "continue": next}, "items": items}),
        )
    }

    /// A watch that says these things and then waits for ever.
    pub fn watch(events: &[Event]) -> Self {
        Self {
            pieces: [events.iter().map(line).collect(), vec![Piece::Silence]].concat(),
            status: 200,
        }
    }

    /// A watch that says these things and is ended by the server.
    pub fn ended_watch(events: &[Event]) -> Self {
        Self {
            pieces: events.iter().map(line).collect(),
            status: 200,
        }
    }

    /// An answer of which only this much comes before the connection breaks.
    pub fn broken(text: impl Into<String>) -> Self {
        Self {
            status: 200,
            pieces: vec![Piece::Text(text.into()), Piece::Abort],
        }
    }

    /// An answer of which only this much ever comes.
    pub fn stuck(text: impl Into<String>) -> Self {
        Self::stuck_with(200, text)
    }

    /// The same, with this status.
    pub fn stuck_with(status: u16, text: impl Into<String>) -> Self {
        Self {
            status,
            pieces: vec![Piece::Text(text.into()), Piece::Silence],
        }
    }

    /// An answer with this status that says `text` for as long as somebody listens.
    pub fn endless_with(status: u16, text: impl Into<String>) -> Self {
        Self {
            status,
            pieces: vec![Piece::Endless(Bytes::from(text.into()))],
        }
    }

    /// An answer that goes on with `text` for as long as somebody listens.
    pub fn endless(beginning: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            status: 200,
            pieces: vec![
                Piece::Text(beginning.into()),
                Piece::Endless(Bytes::from(text.into())),
            ],
        }
    }

    /// No answer, not even its head.
    pub fn none() -> Self {
        Self {
            status: 0,
            pieces: Vec::new(),
        }
    }
}

fn line(event: &Event) -> Piece {
    Piece::Text(format!("{event}\n"))
}

/// An event of a watch. The API server writes the type first.
#[derive(Debug, Clone)]
pub struct Event {
    sort: &'static str,
    object: Value,
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{{\"type\":\"{}\",\"object\":{}}}",
            self.sort, self.object
        )
    }
}

/// What the API server says with an error.
pub fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "reason": reason,
           "message": message})
}

/// An event of a watch.
pub fn event(sort: &'static str, object: &Value) -> Event {
    Event {
        sort,
        object: object.clone(),
    }
}

type Script = dyn Fn(&Asked) -> Option<Answer> + Send + Sync;

/// A server on loopback. What its script does not answer is an empty list, a watch without events, or 404 for an object.
pub struct ScriptedApi {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl ScriptedApi {
    /// Listens on a free port.
    pub fn start(script: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script)
    }

    /// Listens on this address.
    pub fn start_at(
        address: SocketAddr,
        script: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let task = tokio::spawn(serve(listener, Arc::new(script), Arc::clone(&asked)));
        Self { address, asked, task }
    }

    /// Everything that was asked for so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How to reach it.
    pub fn config(&self) -> kube::Config {
        kube::Config::new(format!("http://{}", self.address).parse().unwrap())
    }

    /// Watches it.
    pub fn watch(&self, settings: &Settings) -> Watched {
        let (cluster, watching) = Cluster::watch(self.config(), settings).unwrap();
        Watched {
            cluster,
            task: tokio::spawn(watching),
        }
    }

    /// Watches it in the role of a cluster.
    pub fn watch_all(&self) -> Watched {
        self.watch(&Settings {
            role: Role::Cluster,
            ..Settings::default()
        })
    }

    /// Ends, and breaks all connections.
    pub async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for ScriptedApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A cluster that is watched until the test ends.
pub struct Watched {
    /// Its reader.
    pub cluster: Cluster,
    task: JoinHandle<()>,
}

impl Watched {
    /// A cluster that this task watches.
    pub fn new(cluster: Cluster, task: JoinHandle<()>) -> Self {
        Self { cluster, task }
    }

    /// What is known now.
    pub fn inventory(&self) -> Arc<Inventory> {
        self.cluster.inventory()
    }

    /// Waits until what is known is as wanted.
    pub async fn until(&self, wanted: &str, holds: impl Fn(&Inventory) -> bool) -> Arc<Inventory> {
        self.within(LIMIT, wanted, holds).await
    }

    /// Waits so long until what is known is as wanted.
    pub async fn within(
        &self,
        limit: Duration,
        wanted: &str,
        holds: impl Fn(&Inventory) -> bool,
    ) -> Arc<Inventory> {
        let started = std::time::Instant::now();
        loop {
            let inventory = self.inventory();
            if holds(&inventory) {
                return inventory;
            }
            assert!(
                started.elapsed() < limit,
                "still not after {limit:?}: {wanted}: {inventory:#?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, script: Arc<Script>, asked: Arc<Mutex<Vec<Asked>>>) {
    // Ended with this task, and with them their connections.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let script = Arc::clone(&script);
        let asked = Arc::clone(&asked);
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer(&request, script.as_ref(), &asked);
                async move {
                    if answer.status == 0 {
                        std::future::pending::<()>().await;
                    }
                    let pieces = VecDeque::from(answer.pieces);
                    let body = stream::unfold(pieces, |mut pieces| async move {
                        let piece = match pieces.pop_front()? {
                            Piece::Text(text) => Ok(Frame::data(Bytes::from(text))),
                            Piece::Endless(text) => {
                                pieces.push_front(Piece::Endless(text.clone()));
                                Ok(Frame::data(text))
                            }
                            Piece::Abort => {
                                // What was said before must be on its way.
                                tokio::time::sleep(Duration::from_millis(50)).await;
                                Err(io::Error::other("the connection breaks"))
                            }
                            Piece::Silence => std::future::pending().await,
                        };
                        Some((piece, pieces))
                    });
                    let response = Response::builder()
                        .status(answer.status)
                        .header("content-type", "application/json")
                        .body(StreamBody::new(body))
                        .unwrap();
                    Ok::<_, Infallible>(response)
                }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(request: &Request<Incoming>, script: &Script, asked: &Mutex<Vec<Asked>>) -> Answer {
    let path = request.uri().path().to_owned();
    let resource = path.rsplit('/').next().unwrap_or_default().to_owned();
    let query = request.uri().query().unwrap_or_default();
    let method = request.method().to_string();
    let query: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|part| part.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.replace("%3D", "=")))
        .collect();
    let watches = query.contains_key("watch");
    let request = {
        let mut asked = asked.lock().unwrap();
        let before = asked
            .iter()
            .filter(|earlier| {
                earlier.path == path && earlier.watches() == watches && earlier.method == method
            })
            .count();
        let request = Asked {
            resource,
            path,
            method,
            query,
            before,
        };
        asked.push(request.clone());
        request
    };
    let otherwise = || {
        if request.watches() {
            Answer::watch(&[])
        } else if request.path.starts_with("/api/v1/namespaces/") || request.path.split('/').count() > 6 {
            Answer::status(404, "NotFound", "not found")
        } else {
            Answer::list("1", &[])
        }
    };
    script(&request).unwrap_or_else(otherwise)
}
