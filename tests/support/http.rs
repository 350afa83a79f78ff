//! An HTTP/1.1 client that does no more than it is told, so that a test can also be a bad client: one that sends
//! half a request, says nothing, or hangs up.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long an answer may take where a test says nothing else.
pub const LIMIT: Duration = Duration::from_secs(5);

/// Room that is made at once for an answer, whatever it says of its length.
const MOST_RESERVED: usize = 16 << 20;

/// A stream whose reads can be limited.
pub trait Stream: Read + Write {
    /// Lets a read fail after this time.
    fn limit_reads(&self, limit: Duration) -> io::Result<()>;
}

impl Stream for UnixStream {
    fn limit_reads(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))
    }
}

impl Stream for TcpStream {
    fn limit_reads(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200, 404, …
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As it was sent.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is not UTF-8")
    }
}

/// One connection.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    received: Vec<u8>,
}

impl Connection<UnixStream> {
    /// To a Unix socket.
    pub fn unix(path: &Path) -> io::Result<Self> {
        UnixStream::connect(path).map(Self::new)
    }
}

impl Connection<TcpStream> {
    /// To an address.
    pub fn tcp(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_nodelay(true)?;
        Ok(Self::new(stream))
    }
}

impl<S: Stream> Connection<S> {
    /// On a stream that is connected.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// What bytes go over.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a request without a body.
    pub fn request(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> io::Result<()> {
        self.send(head(method, target, headers).as_bytes())
    }

    /// The next answer, if it is whole by `deadline`. `to_head`: it answers a HEAD request, and so has no body.
    pub fn answer(&mut self, deadline: Instant, to_head: bool) -> io::Result<Answer> {
        let head = self.take_through(b"\r\n\r\n", deadline)?;
        let head = String::from_utf8(head).map_err(|_| invalid("the head is not UTF-8"))?;
        let mut lines = head.trim_end().split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok())
            .ok_or_else(|| invalid("no status line"))?;
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        if to_head {
            return Ok(answer);
        }
        answer.body = if answer.header("transfer-encoding") == Some("chunked") {
            self.take_chunks(deadline)?
        } else {
            let length = answer
                .header("content-length")
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| invalid("the answer does not say how long it is"))?;
            self.take(length, deadline)?
        };
        Ok(answer)
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
        self.request(method, target, headers)?;
        self.answer(Instant::now() + LIMIT, method == "HEAD")
    }

    /// Asks with GET.
    pub fn get(&mut self, target: &str) -> io::Result<Answer> {
        self.ask("GET", target, &[])
    }

    /// True when the other side has hung up without a further byte, or does so by `deadline`.
    pub fn is_hung_up(&mut self, deadline: Instant) -> bool {
        match self.take(1, deadline) {
            Ok(_) => false,
            Err(error) => matches!(
                error.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
            ),
        }
    }

    fn take_chunks(&mut self, deadline: Instant) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.take_through(b"\r\n", deadline)?;
            let size = std::str::from_utf8(&line)
                .ok()
                .and_then(|line| usize::from_str_radix(line.trim_end(), 16).ok())
                .ok_or_else(|| invalid("a chunk does not say how long it is"))?;
            let chunk = self.take(size + 2, deadline)?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    fn take_through(&mut self, end: &[u8], deadline: Instant) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.received.windows(end.len()).position(|found| found == end) {
                return self.take(at + end.len(), deadline);
            }
            self.receive(deadline)?;
        }
    }

    fn take(&mut self, length: usize, deadline: Instant) -> io::Result<Vec<u8>> {
        // A long answer is timed; moving what has come of it again and again would count as well.
        self.received
            .reserve(length.saturating_sub(self.received.len()).min(MOST_RESERVED));
        while self.received.len() < length {
            self.receive(deadline)?;
        }
        let rest = self.received.split_off(length);
        Ok(std::mem::replace(&mut self.received, rest))
    }

    fn receive(&mut self, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.limit_reads(left)?;
        let mut buffer = vec![0; 64 << 10];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                self.received.extend_from_slice(&buffer[..length]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A request without a body, as it goes over the wire.
pub fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: plugin\r\n");
    for (name, value) in headers {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head
}

/// Text as a value in a query.
pub fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;

    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
