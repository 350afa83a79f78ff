//! The bytes of a connection, and whether they are taken.
//!
//! What is written is not taken yet: the kernel has it, up to a hundred kilobytes, and goes on trying for minutes after the connection was closed
//! here. That is memory of this program's control group all the same (`listen.rs`), and were it left to the kernel, then whoever connects,
//! asks and takes nothing, again and again, could have any amount of it. So a connection that has ended keeps its place until the other end
//! has all, which is when that one closes it, too. Where that takes too long, or the place is needed, the rest is thrown away.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::client::Client;
use super::transport::Socket;

/// A client that takes not one byte of its answer for so long is hung up on.
const TIME_FOR_A_BYTE: Duration = Duration::from_secs(30);
/// Who has been told that the connection ends has as long to end it, too.
const TIME_TO_END: Duration = TIME_FOR_A_BYTE;
/// How often is looked whether he has what he was sent: nothing tells of that.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// What he says meanwhile is not listened to, and ends it where it is as much.
const MOST_UNHEARD: usize = 64 << 10;

/// The bytes of a connection. Those that are taken are counted, and one that takes none for long is an error.
#[derive(Debug)]
pub(super) struct Watched {
    socket: Socket,
    client: Arc<Client>,
    stalled: Option<Pin<Box<Sleep>>>,
    ending: Option<Ending>,
    /// The other end has all.
    is_done: bool,
}

/// A connection to which nothing is written any more.
#[derive(Debug)]
struct Ending {
    latest: Pin<Box<Sleep>>,
    look: Pin<Box<Sleep>>,
    unheard: usize,
    /// The other end writes nothing any more, either.
    is_silent: bool,
}

impl Ending {
    fn new() -> Self {
        Self {
            latest: Box::pin(sleep(TIME_TO_END)),
            look: Box::pin(sleep(LOOK_AGAIN)),
            unheard: 0,
            is_silent: false,
        }
    }

    /// Ready when the other end has all, or when it has closed the connection for other reasons.
    fn poll(&mut self, socket: &mut Socket, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [0; 1024];
        while !self.is_silent {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *socket).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) => self.is_silent = buffer.filled().is_empty(),
                Poll::Ready(Err(_)) => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
            self.unheard += buffer.filled().len();
            if self.unheard > MOST_UNHEARD {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        }
        while self.is_silent {
            if socket.is_closed() {
                return Poll::Ready(Ok(()));
            }
            if self.look.as_mut().poll(context).is_pending() {
                break;
            }
            self.look.as_mut().reset(Instant::now() + LOOK_AGAIN);
        }
        ready!(self.latest.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Watched {
    /// The connection of this client.
    pub(super) fn new(socket: Socket, client: Arc<Client>) -> Self {
        Self {
            socket,
            client,
            stalled: None,
            ending: None,
            is_done: false,
        }
    }

    fn wrote(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(written) => {
                self.stalled = None;
                if let Ok(bytes) = &written {
                    self.client.took(*bytes);
                }
                Poll::Ready(written)
            }
            Poll::Pending => {
                let stalled = self
                    .stalled
                    .get_or_insert_with(|| Box::pin(sleep(TIME_FOR_A_BYTE)));
                ready!(stalled.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl Drop for Watched {
    /// Who did not take all leaves nothing in the kernel; at the program's end, that is for the kernel to do.
    fn drop(&mut self) {
        if !self.is_done && !self.client.is_last() {
            self.socket.forget_what_was_sent();
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.wrote(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, pieces);
        self.wrote(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.ending.is_none() {
            ready!(Pin::new(&mut this.socket).poll_shutdown(context))?;
        }
        if this.client.is_last() || matches!(this.socket, Socket::Unix(_)) {
            return Poll::Ready(Ok(()));
        }
        let ending = this.ending.get_or_insert_with(Ending::new);
        ready!(ending.poll(&mut this.socket, context))?;
        this.is_done = true;
        Poll::Ready(Ok(()))
    }
}
