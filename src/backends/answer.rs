//! Answers of others, which may be of any length.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Body;

/// What goes wrong with an answer.
type BrokenOff = Box<dyn std::error::Error + Send + Sync>;

/// All of an answer, which is held once and not a second time in pieces. An error where it has more than so many bytes.
pub(super) async fn whole<B>(body: B, most_bytes: usize) -> Result<Bytes, BrokenOff>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BrokenOff>,
{
    let mut body = pin!(Limited::new(body, most_bytes));
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            all.extend_from_slice(&data);
        }
    }
    Ok(all.freeze())
}
