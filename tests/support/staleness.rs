//! Since when an inventory is old.

use scope_storage_probe::model::inventory::Inventory;

/// How old what is known is.
pub trait Staleness {
    /// Unix seconds since when a kind is not heard any more, the longest of all; `None` while all are.
    fn stale_since(&self) -> Option<i64>;
}

impl Staleness for Inventory {
    fn stale_since(&self) -> Option<i64> {
        let watches = self.watches.values();
        let in_error = watches.filter(|watch| watch.error.is_some());
        in_error.map(|watch| watch.since).min()
    }
}
