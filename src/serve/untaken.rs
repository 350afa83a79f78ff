//! Answers that were made and are not taken yet: how many bytes of them there may be, and who has to go where there would be more.
//!
//! A page may have megabytes, and a pod has 32 to 64 of them. So all answers of one socket have a bound together. Were the room below it whoever's
//! who asks first, then some clients that take nothing, and connect anew every few seconds, had all of it, always. So somebody gives way:
//!
//! 1. **Who has taken nothing for a moment, and never more than what the kernels take by themselves**; of these first those whose address holds more than
//!    the one that the answer is for would, and then who has stood still for longest. Behind a gateway, and on a Unix socket, all have one address.
//! 2. **Of the address that holds most, whoever it is**, at once, where that is more than the other one would hold. So addresses share what there is, as
//!    they share the places to wait for a password's check (`web/queue.rs`).
//! 3. **Who reads, and is so slow that he has stood still for a moment.**
//!
//! And nobody gives way to an address that holds more than his own.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// All answers that were made for one socket and are not taken yet have at most so many bytes. A single one may have more: while there is
/// no other.
pub(super) const MOST_UNTAKEN: usize = 8 << 20;
/// For an answer of at most so many bytes there is always room, so that a kubelet is told that all is well: the kernel takes it at once as a
/// rule. Where it does not, those of all connections are two megabytes.
const SMALL: usize = 16 << 10;
/// Who has taken nothing for so long stands still. TCP sends again what was lost after as long at the earliest.
pub(super) const MOMENT: Duration = Duration::from_millis(200);

/// Who has an answer that he has not taken to the end.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    /// His number among the connections.
    pub(super) number: u64,
    /// Where he comes from; over a Unix socket from nowhere.
    pub(super) from: Option<IpAddr>,
    /// What he has not taken.
    pub(super) bytes: usize,
    /// How long he has taken nothing.
    pub(super) still: Duration,
    /// He took something when the kernels' buffers were full.
    pub(super) reads: bool,
}

/// True where there is always room for an answer of so many bytes.
pub(super) fn is_small(bytes: usize) -> bool {
    bytes <= SMALL
}

/// The numbers of those who have to go for an answer of so many bytes to this address; `None` where there is no room for it whoever may go.
pub(super) fn who_makes_room(
    mut holders: Vec<Holder>,
    from: Option<IpAddr>,
    bytes: usize,
) -> Option<Vec<u64>> {
    let mut gone = Vec::new();
    if is_small(bytes) {
        return Some(gone);
    }
    holders.retain(|holder| !is_small(holder.bytes));
    loop {
        let mut held = BTreeMap::new();
        for holder in &holders {
            *held.entry(holder.from).or_insert(0_usize) += holder.bytes;
        }
        let all: usize = held.values().sum();
        if holders.is_empty() || all.saturating_add(bytes) <= MOST_UNTAKEN {
            return Some(gone);
        }
        let own = held.get(&from).copied().unwrap_or_default();
        let rank = |holder: &Holder| {
            let of_his = held.get(&holder.from).copied().unwrap_or_default();
            let excess = Some(of_his).filter(|held| *held > own.saturating_add(bytes));
            let is_still = holder.still >= MOMENT && of_his >= own;
            let rank = (is_still && !holder.reads, excess, !holder.reads, holder.still);
            (is_still || excess.is_some()).then_some(rank)
        };
        let (at, _) = holders
            .iter()
            .enumerate()
            .filter_map(|(at, holder)| Some((at, rank(holder)?)))
            .max_by_key(|(_, rank)| *rank)?;
        gone.push(holders.swap_remove(at).number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: usize = 1 << 20;
    const OTHER: u8 = 2;

    #[allow(
        clippy::unnecessary_wraps,
        reason = "as holders have it, of whom some come from nowhere"
    )]
    fn address(number: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, number]))
    }

    /// So many clients of an address with a megabyte each; the first has taken nothing for longest.
    fn clients(from: u8, count: u64, longest: Duration) -> Vec<Holder> {
        (0..count)
            .map(|number| Holder {
                number: u64::from(from) * 100 + number,
                from: address(from),
                bytes: MEGABYTE,
                still: longest.saturating_sub(Duration::from_millis(number)),
                reads: false,
            })
            .collect()
    }

    #[test]
    fn while_there_is_room_nobody_goes_and_for_a_small_answer_there_always_is() {
        let seven = clients(1, 7, Duration::MAX);
        assert_eq!(who_makes_room(seven, address(1), MEGABYTE), Some(vec![]));
        let mut one = clients(1, 1, Duration::ZERO);
        one[0].bytes = 2 * MOST_UNTAKEN;
        assert_eq!(who_makes_room(one.clone(), address(1), SMALL), Some(vec![]));
        assert_eq!(who_makes_room(one, address(1), SMALL + 1), None);
    }

    #[test]
    fn a_single_answer_may_be_of_any_length() {
        let all = usize::MAX;
        assert_eq!(who_makes_room(Vec::new(), address(1), all), Some(vec![]));
        // What is as good as taken is not another one.
        let mut rest = clients(OTHER, 1, Duration::ZERO);
        rest[0].bytes = SMALL;
        assert_eq!(who_makes_room(rest, address(1), all), Some(vec![]));
        assert_eq!(
            who_makes_room(clients(OTHER, 1, Duration::ZERO), address(1), all),
            None
        );
        let still = clients(OTHER, 2, MOMENT * 2);
        assert_eq!(who_makes_room(still, address(1), all), Some(vec![200, 201]));
    }

    #[test]
    fn the_address_that_holds_most_gives_way_at_once_to_one_that_holds_less() {
        let mut holders = clients(1, 6, MOMENT / 2);
        holders.extend(clients(OTHER, 2, Duration::ZERO));
        assert_eq!(
            who_makes_room(holders.clone(), address(3), MEGABYTE),
            Some(vec![100])
        );
        // With the new one it would have three of eight, and the first five.
        assert_eq!(
            who_makes_room(holders.clone(), address(OTHER), MEGABYTE),
            Some(vec![100])
        );
        // And who has most gets nothing of another's, though that one stands still.
        for holder in &mut holders[6..] {
            holder.still = Duration::from_secs(20);
        }
        assert_eq!(who_makes_room(holders, address(1), MEGABYTE), None);
    }

    #[test]
    fn of_one_address_who_stands_still_longest_gives_way_and_who_reads_last() {
        let mut holders = clients(1, 8, MOMENT + Duration::from_millis(2));
        holders[0].reads = true;
        assert_eq!(
            who_makes_room(holders.clone(), address(1), MEGABYTE),
            Some(vec![101])
        );
        holders.remove(1);
        let two = 2 * MEGABYTE;
        assert_eq!(who_makes_room(holders.clone(), address(1), two), Some(vec![102]));
        // The others have not stood still for a moment yet.
        holders.remove(1);
        assert_eq!(
            who_makes_room(holders.clone(), address(1), 3 * MEGABYTE),
            Some(vec![100])
        );
        holders.remove(0);
        assert_eq!(who_makes_room(holders, address(1), 4 * MEGABYTE), None);
    }

    #[test]
    fn who_reads_is_left_his_answer_while_somebody_elsewhere_takes_nothing() {
        let mut holders: Vec<_> = (1..=5)
            .flat_map(|from| clients(from, 1, MOMENT * u32::from(from)))
            .collect();
        let mut reader = clients(6, 3, Duration::ZERO).remove(0);
        (reader.bytes, reader.reads) = (3 * MEGABYTE, true);
        holders.push(reader);
        // He holds most, and more than it would.
        assert_eq!(
            who_makes_room(holders.clone(), address(9), MEGABYTE),
            Some(vec![500])
        );
        for holder in &mut holders {
            holder.reads = true;
        }
        assert_eq!(who_makes_room(holders, address(9), MEGABYTE), Some(vec![600]));
    }

    #[test]
    fn of_many_addresses_with_as_much_each_who_stands_still_gives_way() {
        let holders: Vec<_> = (1..=8)
            .flat_map(|from| clients(from, 1, MOMENT * u32::from(from)))
            .collect();
        assert_eq!(who_makes_room(holders, address(9), MEGABYTE), Some(vec![800]));
    }
}
