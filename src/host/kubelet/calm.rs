//! How much of the kubelet's folders is looked at, by what happens on the node.
//!
//! A pod that begins has a new folder in `pods/`, which is looked at in every reading; one that ends loses a mount before its volumes go:
//! its sandbox has a root filesystem. Each volume but an emptyDir and a configMap is a mount as well. So for [`UNREST`] after mounts or
//! folders have changed all is looked at in every reading, and otherwise all within [`ROUND`], a part in each reading: what came or went
//! without a trace in the mounts, or long after its mount had gone, is seen by then.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::model::mount_table::MountTable;

/// So long after a change others are to be expected.
const UNREST: Duration = Duration::from_secs(10);
/// Within this time everything is looked at.
const ROUND: Duration = Duration::from_secs(10);

/// Since when nothing has changed.
#[derive(Debug, Default)]
pub(super) struct Calm {
    mounts: Weak<MountTable>,
    /// When something changed, and when something was looked at.
    times: Option<(Instant, Instant)>,
}

impl Calm {
    /// The share of all folders and files that is to be looked at `now`, at most 1.
    pub(super) fn share(&mut self, mounts: &Arc<MountTable>, now: Instant) -> f64 {
        let (changed, looked) = match self.times {
            Some(times) if std::ptr::eq(self.mounts.as_ptr(), Arc::as_ptr(mounts)) => times,
            _ => (now, now),
        };
        self.mounts = Arc::downgrade(mounts);
        self.times = Some((changed, now));
        if now.saturating_duration_since(changed) < UNREST {
            return 1.0;
        }
        let since = now.saturating_duration_since(looked);
        since.div_duration_f64(ROUND).min(1.0)
    }

    /// Something has changed.
    pub(super) fn end(&mut self, now: Instant) {
        self.times = Some((now, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn where_nothing_happens_all_is_looked_at_once_in_ten_seconds() {
        let (mut calm, mounts, start) = (Calm::default(), Arc::default(), Instant::now());
        for second in 0..10 {
            assert_eq!(
                calm.share(&mounts, start + second * SECOND).to_bits(),
                1_f64.to_bits()
            );
        }
        let shares: f64 = (10..20)
            .map(|second| calm.share(&mounts, start + second * SECOND))
            .sum();
        assert!((0.99..1.01).contains(&shares), "{shares}");
        // Who asks rarely has all looked at.
        let rarely = calm.share(&mounts, start + 60 * SECOND);
        assert!(rarely >= 1.0, "{rarely}");
    }

    #[test]
    fn where_mounts_or_folders_change_all_is_looked_at() {
        let (mut calm, mounts, start) = (Calm::default(), Arc::default(), Instant::now());
        let is_all = |share: f64| share >= 1.0;
        assert!(is_all(calm.share(&mounts, start)));
        calm.share(&mounts, start + 12 * SECOND);
        assert!(!is_all(calm.share(&mounts, start + 13 * SECOND)));
        let changed = Arc::default();
        assert!(is_all(calm.share(&changed, start + 14 * SECOND)));
        assert!(is_all(calm.share(&changed, start + 15 * SECOND)));
        calm.share(&changed, start + 30 * SECOND);
        assert!(!is_all(calm.share(&changed, start + 31 * SECOND)));
        calm.end(start + 31 * SECOND);
        assert!(is_all(calm.share(&changed, start + 32 * SECOND)));
    }
}
