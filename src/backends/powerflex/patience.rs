//! How long a reading waits for what it can do without.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Where no scrape waits, Scope alone asks for a reading: it asks again every second, and takes what is there by then.
const WITHOUT_SCRAPES: Duration = Duration::from_secs(30);

/// When those who wait for a reading want to have what there is.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    begun: Instant,
    /// The latest deadline of the scrapes that wait; `None` where they would have nothing without what is waited for.
    until: Option<watch::Receiver<Option<Instant>>>,
    at_most: Option<Instant>,
}

impl Patience {
    /// That of a reading which begins now. `until` tells the latest deadline of the scrapes that wait for it.
    pub(super) fn new(until: watch::Receiver<Option<Instant>>) -> Self {
        Self {
            begun: Instant::now(),
            until: Some(until),
            at_most: None,
        }
    }

    /// The same for that without which there is nothing to tell: it is waited for until the reading itself is given up.
    pub(super) fn without_end(&self) -> Self {
        Self {
            until: None,
            ..self.clone()
        }
    }

    /// The same, and no longer than this from now on.
    pub(super) fn at_most(&self, time: Duration) -> Self {
        Self {
            at_most: Some(Instant::now() + time),
            ..self.clone()
        }
    }

    /// Waits until it is over. Who begins to wait when every scrape has given up holds up nobody any more, and has the time that there is
    /// without them.
    pub(super) async fn is_over(&self) {
        let entered = Instant::now();
        let Some(mut until) = self.until.clone() else {
            return pending().await;
        };
        loop {
            let known = *until.borrow_and_update();
            let scrapes = known.filter(|until| *until > entered);
            let ends = scrapes.unwrap_or(self.begun + WITHOUT_SCRAPES);
            let ends = self.at_most.map_or(ends, |most| ends.min(most));
            tokio::select! {
                () = sleep_until(ends) => return,
                changed = until.changed() => if changed.is_err() {
                    sleep_until(ends).await;
                    return;
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_over_with_the_last_scrape_that_waits() {
        let (scrapes, until) = watch::channel(None);
        let patience = Patience::new(until);
        let begun = Instant::now();
        let milliseconds = |count| Duration::from_millis(count);
        patience.at_most(milliseconds(20)).is_over().await;
        assert!((20..1000).contains(&begun.elapsed().as_millis()));
        scrapes.send_replace(Some(begun + milliseconds(300)));
        tokio::join!(
            async {
                tokio::time::sleep(milliseconds(50)).await;
                scrapes.send_replace(Some(begun + milliseconds(600)));
            },
            patience.is_over(),
        );
        assert!(begun.elapsed() >= milliseconds(600), "{:?}", begun.elapsed());
        // They have given up, so nobody is held up any more.
        let over = tokio::time::timeout(milliseconds(50), patience.is_over());
        assert!(over.await.is_err());
    }
}
