//! Moments, as the names and times of objects have them.

use crate::cluster::unix_now;

/// Seconds since 1970, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(pub(super) i64);

impl Moment {
    pub(super) fn now() -> Self {
        Self(unix_now())
    }

    /// `2026-11-21T19:45:00Z`, as the API wants it.
    pub(super) fn rfc3339(self) -> String {
        jiff::Timestamp::from_second(self.0)
            .unwrap_or_default()
            .to_string()
    }

    /// `20261121-194500`, of which a name can be made.
    pub(super) fn compact(self) -> String {
        jiff::Timestamp::from_second(self.0)
            .unwrap_or_default()
            .strftime("%Y%m%d-%H%M%S")
            .to_string()
    }
}
