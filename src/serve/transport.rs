//! What bytes go over: a Unix socket or TCP, as they are or within TLS. One type for all, so that the HTTP server is compiled once.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use super::LARGEST_HEAD;
use super::watched::Watched;

/// How long a client may take until TLS is agreed upon.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// What waits within TLS to be taken by the client has at most so many bytes.
const TLS_BUFFER: usize = 16 << 10;
/// What plain HTTP gets in answer where TLS is spoken.
const NEEDS_TLS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 39\r\nConnection: close\r\n\r\nthis address speaks TLS: ask https://\r\n";

/// A connection as the system has it.
#[derive(Debug)]
pub enum Socket {
    /// To the metrics address.
    Tcp(TcpStream),
    /// To a plugin's socket.
    Unix(UnixStream),
}

/// A connection that HTTP is spoken on.
#[derive(Debug)]
pub(super) enum Transport {
    Plain(Watched),
    Tls(Box<TlsStream<Watched>>),
}

impl Socket {
    /// The address of who is at the other end, the same one however IPv6 writes it; a Unix socket has none.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        match self {
            Self::Tcp(stream) => Some(stream.peer_addr().ok()?.ip().to_canonical()),
            Self::Unix(_) => None,
        }
    }

    /// The first byte that comes, which stays to be read. Of a Unix socket it is not looked at.
    async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        match self {
            Self::Tcp(stream) => Ok((stream.peek(&mut byte).await? == 1).then_some(byte[0])),
            Self::Unix(_) => Ok(None),
        }
    }

    /// True where both ends are done with it and have all that they were sent. What a Unix socket was sent is the other end's at once.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            // The kernel forgets whose it is with the last answer of the other end.
            Self::Tcp(stream) => stream.peer_addr().is_err(),
            Self::Unix(_) => true,
        }
    }

    /// Has the kernel throw away what the other end has not taken, when this is closed.
    pub(super) fn forget_what_was_sent(&self) {
        if let Self::Tcp(stream) = self {
            let _ = set_socket_linger(stream, Some(Duration::ZERO));
        }
    }

    /// Answers who speaks HTTP without TLS.
    fn say_that_tls_is_needed(&self) {
        let Self::Tcp(stream) = self else { return };
        // With a request unread the system would take the answer back. Who sends more than a request has nothing to be told.
        let mut request = [0; 4096];
        for _ in 0..LARGEST_HEAD / request.len() {
            if !matches!(stream.try_read(&mut request), Ok(1..)) {
                break;
            }
        }
        let _ = stream.try_write(NEEDS_TLS);
    }
}

/// Agrees upon TLS. An error where the client does not, or does not in time.
pub(super) async fn secured(
    config: Arc<ServerConfig>,
    socket: Socket,
    watch: impl FnOnce(Socket) -> Watched,
) -> io::Result<Transport> {
    let handshake = async {
        // Methods begin with a capital letter, and TLS with another byte.
        if socket
            .first_byte()
            .await?
            .is_some_and(|byte| byte.is_ascii_uppercase())
        {
            socket.say_that_tls_is_needed();
            return Err(io::Error::other("plain HTTP where TLS is spoken"));
        }
        let bounded = |connection: &mut tokio_rustls::rustls::ServerConnection| {
            connection.set_buffer_limit(Some(TLS_BUFFER));
        };
        let accepted = TlsAcceptor::from(config)
            .accept_with(watch(socket), bounded)
            .into_fallible()
            .await;
        match accepted {
            Ok(stream) => Ok(Transport::Tls(Box::new(stream))),
            Err((error, mut watched)) => {
                // Why goes to the client last. Closed at once, the connection would be broken for one that has begun to ask, and it would not
                // come to read that.
                let _ = watched.shutdown().await;
                Err(error)
            }
        }
    };
    let in_time = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await;
    in_time.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Hands on to whichever it is.
macro_rules! each {
    ($self:ident, $($kind:ident)|+, $stream:ident => $done:expr) => {
        match $self.get_mut() {
            $(Self::$kind($stream) => $done,)+
        }
    };
}

macro_rules! hands_on {
    ($kinds:ident: $($kind:ident)|+) => {
        impl AsyncRead for $kinds {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                each!(self, $($kind)|+, stream => Pin::new(stream).poll_read(context, buffer))
            }
        }

        impl AsyncWrite for $kinds {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                each!(self, $($kind)|+, stream => Pin::new(stream).poll_write(context, bytes))
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                pieces: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                each!(self, $($kind)|+, stream => Pin::new(stream).poll_write_vectored(context, pieces))
            }

            fn is_write_vectored(&self) -> bool {
                match self {
                    $(Self::$kind(stream) => stream.is_write_vectored(),)+
                }
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                each!(self, $($kind)|+, stream => Pin::new(stream).poll_flush(context))
            }

            fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                each!(self, $($kind)|+, stream => Pin::new(stream).poll_shutdown(context))
            }
        }
    };
}

hands_on!(Socket: Tcp | Unix);
hands_on!(Transport: Plain | Tls);
