//! What a client asks.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::Method;
use hyper::body::Incoming;
use hyper::header::HeaderMap;

/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

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
    pub(super) body: Option<Incoming>,
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
