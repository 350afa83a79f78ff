//! What a client is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY, WWW_AUTHENTICATE};

/// The answer to a request.
#[derive(Debug, Clone)]
pub struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: Pieces,
    gzip: bool,
    pub(super) kept: bool,
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

    pub(super) fn into_response(self, head_only: bool) -> hyper::Response<Pieces> {
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
pub(super) struct Pieces {
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
