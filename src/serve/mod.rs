//! HTTP/1.1 on a Unix socket and on TCP, there within TLS where that is wanted (`web/`).
//!
//! This module knows nothing of disks: it is given a function from request to answer. Each connection has a task
//! of its own, so that an idle or a broken client holds up nobody. A client that does not send a whole request in time is
//! hung up on, and so is the one that was silent longest where there are too many (`connections.rs`). At the end, answers under way are finished, for a bounded time.

mod answer;
mod client;
mod connections;
pub mod lasting;
pub mod listen;
mod request;
pub mod socket;
mod transport;
mod untaken;
mod watched;
pub mod web;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::sync::watch;

pub use self::answer::Answer;
use self::answer::Pieces;
use self::connections::{Connections, Place};
pub use self::request::{BodyError, Request, decoded, parameter};
pub use self::transport::Socket;
use self::transport::{Transport, secured};
use self::watched::Watched;
use self::web::WebConfiguration;

/// How long a client may take to send a request, and may stay silent between two. Scope asks every second,
/// Prometheus every minute at the least in practice; both open a new connection where the old one was closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(90);
/// How long answers under way may take at the end.
const DRAIN: Duration = Duration::from_secs(2);
/// Request heads are small; a larger one is refused with 431.
const LARGEST_HEAD: usize = 16 << 10;

/// The future of an answer.
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// From request to answer.
pub type Handler = Arc<dyn Fn(Request) -> Answering + Send + Sync>;

/// Where connections come from.
pub trait Listener {
    /// The next one.
    fn accept(&mut self) -> impl Future<Output = std::io::Result<Socket>> + Send;
}

impl Listener for tokio::net::TcpListener {
    async fn accept(&mut self) -> std::io::Result<Socket> {
        let (stream, _) = tokio::net::TcpListener::accept(self).await?;
        // Answers are written whole; waiting to fill a packet only costs time.
        let _ = stream.set_nodelay(true);
        Ok(Socket::Tcp(stream))
    }
}

/// Answers until `stop` says true, then finishes what is under way. With a web configuration each connection is made as that says;
/// whose requests are answered is for the handler to ask ([`WebConfiguration::guarded`]).
pub async fn run(
    mut listener: impl Listener,
    handler: Handler,
    web: Option<Arc<WebConfiguration>>,
    mut stop: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let connections = Arc::new(Connections::new());
    let mut was_refused = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let socket = match accepted {
            Ok(socket) => socket,
            Err(error) => {
                // Out of file descriptors, mostly: trying again at once would only burn time.
                if !was_refused {
                    tracing::warn!(%error, "cannot accept a connection; trying again until it can be");
                }
                was_refused = true;
                connections.have_one_fewer();
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if was_refused {
            tracing::info!("connections are accepted again");
        }
        was_refused = false;
        let place = tokio::select! {
            place = connections.place(socket.peer()) => Arc::new(place),
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let client = Arc::clone(place.client());
        let watcher = graceful.watcher();
        let connection = connection(socket, web.clone(), place, Arc::clone(&handler), watcher);
        tokio::spawn(async move {
            tokio::select! {
                ended = connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                }
                () = client.has_to_go() => tracing::debug!("hung up on a connection: others need its place"),
            }
        });
    }
    connections.end();
    let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
}

/// One connection, from its first byte to its last. It has its place before a byte of it is read, so who is slow to agree upon TLS has to
/// make room as everybody else.
async fn connection(
    socket: Socket,
    web: Option<Arc<WebConfiguration>>,
    place: Arc<Place>,
    handler: Handler,
    watcher: Watcher,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let tls = match &web {
        Some(web) => web.tls().await,
        None => None,
    };
    let client = Arc::clone(place.client());
    let transport = match tls {
        Some(tls) => secured(tls, socket, |socket| Watched::new(socket, client)).await?,
        None => Transport::Plain(Watched::new(socket, client)),
    };
    let service = service_fn(move |request| answer(Arc::clone(&handler), Arc::clone(&place), request));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(transport), service);
    Ok(watcher.watch(connection).await?)
}

async fn answer(
    handler: Handler,
    place: Arc<Place>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Pieces>, Infallible> {
    let client = place.client();
    client.asks();
    let (parts, body) = request.into_parts();
    let head_only = parts.method == Method::HEAD;
    let request = Request {
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        method: parts.method,
        headers: parts.headers,
        from: client.address(),
        body: Some(body),
    };
    let answer = handler(request).await;
    if !untaken::is_small(answer.len()) && !answer.kept {
        // While it was made nobody could be sent anything. Who has read meanwhile gets more, before it is asked who stands still.
        tokio::task::yield_now().await;
    }
    if !place.is_sent(if head_only { 0 } else { answer.len() }, answer.kept) {
        let line = "too many answers wait to be taken by others; ask again, or for a compressed one (Accept-Encoding: gzip)";
        return Ok(Answer::error(StatusCode::SERVICE_UNAVAILABLE, line).into_response(head_only));
    }
    Ok(answer.into_response(head_only))
}
