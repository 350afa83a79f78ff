//! HTTP/1.1 on a Unix socket and on TCP, there within TLS where that is wanted (`web/`).
//!
//! This module knows nothing of disks: it is given a function from request to answer. Each connection has a task
//! of its own, so that an idle or a broken client holds up nobody. A client that does not send a whole request in time is
//! hung up on, and so is the one that was silent longest where there are too many (`connections.rs`). At the end, answers under way are finished, for a bounded time.

mod client;
mod connections;
pub mod lasting;
pub mod listen;
pub mod socket;
mod transport;
mod untaken;
mod watched;
pub mod web;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, VARY, WWW_AUTHENTICATE};
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::sync::watch;

use self::connections::{Connections, Place};
pub use self::transport::Socket;
use self::transport::{Transport, secured};
use self::watched::Watched;
use self::web::WebConfiguration;

/// How long a client may take to send a request, and may stay silent between two. Scope asks every second,
/// Prometheus every minute at the least in practice; both open a new connection where the old one was closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long answers under way may take at the end.
const DRAIN: Duration = Duration::from_secs(2);
/// Request heads are small; a larger one is refused with 431.
const LARGEST_HEAD: usize = 16 << 10;

/// What a client asked.
#[derive(Debug)]
pub struct Request {
    /// GET, HEAD, …
    pub method: Method,
    /// The path without the query.
    pub path: String,
    /// The query without `?`.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The address that it comes from, over TCP.
    pub from: Option<IpAddr>,
    body: Option<Incoming>,
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than may be.
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    /// It did not come in time.
    #[error("the body did not come within {} s", BODY_TIMEOUT.as_secs())]
    Late,
    /// The client stopped in the middle.
    #[error("the body ends in the middle")]
    Broken,
}

impl Request {
    /// The body, of at most so many bytes.
    pub async fn body(self, most_bytes: usize) -> Result<Bytes, BodyError> {
        let Some(body) = self.body else {
            return Ok(Bytes::new());
        };
        let read = Limited::new(body, most_bytes).collect();
        match tokio::time::timeout(BODY_TIMEOUT, read).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLong(most_bytes)),
            Ok(Err(_)) => Err(BodyError::Broken),
            Err(_) => Err(BodyError::Late),
        }
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A parameter of the query, percent-decoding aside: the values that Scope sends need none.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        parameter(&self.query, name)
    }

    /// All values of a parameter that may be given more than once, decoded: Prometheus writes `exclude[]` as `exclude%5B%5D`.
    pub fn all_parameters(&self, name: &str) -> Vec<String> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(key, _)| decoded(key) == name)
            .map(|(_, value)| decoded(value))
            .collect()
    }
}

/// A piece of a query without its escapes: `+` is a space, `%5B` a bracket. What is no escape stays as it is.
pub fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let escape = others
            .get(..2)
            .filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(match (escape, first) {
            (Some(byte), _) => byte,
            (None, b'+') => b' ',
            (None, byte) => *byte,
        });
        rest = &others[if escape.is_some() { 2 } else { 0 }..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The first parameter of this name in a query, as it stands there.
pub fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// What it is told.
#[derive(Debug, Clone)]
pub struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Pieces,
    gzip: bool,
    kept: bool,
    is_whole: bool,
    allow: Option<&'static str>,
    challenge: Option<&'static str>,
}

impl Answer {
    /// 200 with a body.
    pub fn ok(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self::in_pieces(content_type, [body.into()])
    }

    /// 200 with a body made of several pieces. Each is let go when it is sent.
    pub fn in_pieces(content_type: &'static str, body: impl IntoIterator<Item = Bytes>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            body: body.into_iter().collect(),
            gzip: false,
            kept: false,
            is_whole: true,
            allow: None,
            challenge: None,
        }
    }

    /// An error with a line for people.
    pub fn error(status: StatusCode, line: impl Into<String>) -> Self {
        let mut line = line.into();
        line.push('\n');
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: [Bytes::from(line)].into_iter().collect(),
            gzip: false,
            kept: false,
            is_whole: true,
            allow: None,
            challenge: None,
        }
    }

    /// 405 with the methods that are allowed.
    pub fn method_not_allowed(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::error(StatusCode::METHOD_NOT_ALLOWED, format!("only {allow} here"))
        }
    }

    /// 401 with the ways in which one may say who one is.
    pub fn unauthorized(challenge: &'static str) -> Self {
        Self {
            challenge: Some(challenge),
            ..Self::error(StatusCode::UNAUTHORIZED, "say who you are")
        }
    }

    /// The status alone: for who may know that something is wrong, and not what.
    #[must_use]
    pub fn without_words(self) -> Self {
        Self::error(self.status, self.status.canonical_reason().unwrap_or_default())
    }

    /// Says that the body is compressed.
    #[must_use]
    pub fn gzipped(mut self) -> Self {
        self.gzip = true;
        self
    }

    /// Says that the body is kept for others who ask, so that one more who is slow to take it costs nothing.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.kept = true;
        self
    }

    /// Says that the body is not the one that GET would be answered with, which was not made: HEAD is told no length then.
    #[must_use]
    pub fn without_body(mut self) -> Self {
        self.body = Pieces::default();
        self.is_whole = false;
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// How many bytes the body has.
    pub fn len(&self) -> usize {
        self.body.length
    }

    /// True where there is no body.
    pub fn is_empty(&self) -> bool {
        self.body.length == 0
    }

    fn into_response(self, head_only: bool) -> hyper::Response<Pieces> {
        let length = self.body.length;
        let mut response = hyper::Response::new(if head_only { Pieces::default() } else { self.body });
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
        if head_only && self.is_whole {
            headers.insert(hyper::header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        if self.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// A body that is there already, in pieces.
#[derive(Debug, Clone, Default)]
struct Pieces {
    left: VecDeque<Bytes>,
    length: usize,
}

impl FromIterator<Bytes> for Pieces {
    fn from_iter<T: IntoIterator<Item = Bytes>>(pieces: T) -> Self {
        let left: VecDeque<_> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        let length = left.iter().map(Bytes::len).sum();
        Self { left, length }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.left.pop_front();
        self.length -= piece.as_ref().map_or(0, Bytes::len);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length as u64)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_however_they_are_written() {
        let request = Request {
            method: Method::GET,
            path: "/metrics".to_owned(),
            query: "exclude%5b%5D=a%20b&exclude[]=c+d&other=1&exclude[]&exclude[]=%zz%4".to_owned(),
            headers: HeaderMap::new(),
            from: None,
            body: None,
        };
        assert_eq!(request.all_parameters("exclude[]"), ["a b", "c d", "%zz%4"]);
        assert_eq!(request.parameter("other"), Some("1"));
        assert!(request.all_parameters("collect[]").is_empty());
    }
}
