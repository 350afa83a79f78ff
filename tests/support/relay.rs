//! A server between the program and a real API server, that makes of its answers what a bad network and an overloaded
//! server make of them.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::kubeconfig::kubeconfig_file;
use super::scripted_api;

/// What becomes of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They pass.
    Open,
    /// Every answer, and every piece of one, comes so much later.
    Slow(Duration),
    /// Of the next event of each watch only half passes, and then the connection breaks.
    Cut,
    /// Requests pass, and of those that change something the answer is lost.
    Lost,
    /// The relay answers itself, with this status and this reason.
    Refused(u16, &'static str),
}

/// A relay, on a thread of its own until the test ends.
pub struct Relay {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    way: Mutex<Way>,
    /// Another number breaks all connections.
    generation: watch::Sender<u64>,
    refused: AtomicUsize,
    cut: AtomicUsize,
}

impl State {
    fn way(&self) -> Way {
        *self.way.lock().unwrap()
    }
}

impl Relay {
    /// To the API server of this configuration.
    pub fn to(config: kube::Config) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            way: Mutex::new(Way::Open),
            generation: watch::Sender::new(0),
            refused: AtomicUsize::new(0),
            cut: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let client = Client::try_from(config).unwrap();
                accept(TcpListener::from_std(listener).unwrap(), client, shared).await;
            });
        });
        Self { address, state }
    }

    /// From now on answers go this way, those of watches that go on as well.
    pub fn set(&self, way: Way) {
        *self.state.way.lock().unwrap() = way;
    }

    /// Breaks all connections.
    pub fn break_connections(&self) {
        self.state.generation.send_modify(|generation| *generation += 1);
    }

    /// Requests that the relay answered itself.
    pub fn refused(&self) -> usize {
        self.state.refused.load(Ordering::Relaxed)
    }

    /// Watches that it cut in the middle of an object, and answers that it lost.
    pub fn cut(&self) -> usize {
        self.state.cut.load(Ordering::Relaxed)
    }

    /// A kubeconfig file in this folder, for the user whose token this is.
    pub fn kubeconfig(&self, folder: &Path, token: &str) -> String {
        let path = kubeconfig_file(folder, self.address, &json!({"token": token}));
        path.display().to_string()
    }
}

async fn accept(listener: TcpListener, client: Client, state: Arc<State>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let client = client.clone();
        let state = Arc::clone(&state);
        let mut generation = state.generation.subscribe();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, client.clone(), Arc::clone(&state)));
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                _ = connection => {}
                _ = generation.changed() => {}
            }
        });
    }
}

type Answer = Response<http_body_util::combinators::UnsyncBoxBody<Bytes, io::Error>>;

async fn answer(request: Request<Incoming>, client: Client, state: Arc<State>) -> io::Result<Answer> {
    match state.way() {
        Way::Refused(code, reason) => {
            state.refused.fetch_add(1, Ordering::Relaxed);
            let said = scripted_api::status(code, reason, "said by the relay").to_string();
            let body = Full::from(said).map_err(|never| match never {}).boxed_unsync();
            let response = Response::builder()
                .status(code)
                .header("content-type", "application/json");
            return Ok(response.body(body).unwrap());
        }
        Way::Slow(pause) => tokio::time::sleep(pause).await,
        Way::Open | Way::Cut | Way::Lost => {}
    }
    let changes = request.method() != hyper::Method::GET;
    let watches = request.uri().query().is_some_and(|query| query.contains("watch"));
    let mut onward = Request::builder()
        .method(request.method())
        .uri(request.uri().path_and_query().unwrap().as_str());
    for name in ["authorization", "accept", "content-type"] {
        if let Some(value) = request.headers().get(name) {
            onward = onward.header(name, value);
        }
    }
    let sent = request
        .into_body()
        .collect()
        .await
        .map_err(io::Error::other)?
        .to_bytes();
    let Ok(response) = client.send(onward.body(Body::from(sent)).unwrap()).await else {
        // As a load balancer does whose server is away.
        let body = Full::default().map_err(|never| match never {}).boxed_unsync();
        return Ok(Response::builder().status(502).body(body).unwrap());
    };
    if changes && state.way() == Way::Lost {
        state.cut.fetch_add(1, Ordering::Relaxed);
        return Err(io::Error::other("the answer is lost"));
    }
    let (head, body) = response.into_parts();
    let pieces = stream::unfold((body, state, false), move |(mut body, state, over)| async move {
        if over {
            // What was said before must be on its way.
            tokio::time::sleep(Duration::from_millis(50)).await;
            return Some((
                Err(io::Error::other("the connection breaks")),
                (body, state, true),
            ));
        }
        let mut piece = match body.frame().await? {
            Ok(frame) => frame.into_data().unwrap_or_default(),
            Err(error) => return Some((Err(io::Error::other(error)), (body, state, true))),
        };
        let mut over = false;
        match state.way() {
            Way::Slow(pause) => tokio::time::sleep(pause).await,
            Way::Cut if watches && piece.len() > 1 => {
                state.cut.fetch_add(1, Ordering::Relaxed);
                piece.truncate(piece.len() / 2);
                over = true;
            }
            _ => {}
        }
        Some((Ok(Frame::data(piece)), (body, state, over)))
    });
    let mut answer = Response::new(StreamBody::new(pieces).boxed_unsync());
    *answer.status_mut() = head.status;
    if let Some(sort) = head.headers.get("content-type") {
        answer.headers_mut().insert("content-type", sort.clone());
    }
    Ok(answer)
}
