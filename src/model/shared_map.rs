//! A map in order of its keys whose copies share all that they have in common.
//!
//! Of five thousand objects one changes, while somebody still reads what was known before. So the entries lie in chunks of some dozens:
//! a copy takes the chunks over as they are, a change makes a new one of its own chunk alone, and two copies are compared by
//! looking into the chunks that they do not share.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::ops::Index;
use std::sync::Arc;

/// Most entries of a chunk.
const CHUNK: usize = 32;

/// A map in order of its keys; a copy costs as little as its chunks are few.
#[derive(Debug, Clone)]
pub struct SharedMap<K, V> {
    /// In order, none of them empty.
    chunks: Vec<Arc<Vec<(K, V)>>>,
    len: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            len: 0,
        }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Eq, V: Eq> Eq for SharedMap<K, V> {}

impl<K, V> SharedMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True where there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        let entries = self.chunks.iter().flat_map(|chunk| chunk.iter());
        entries.map(|(key, value)| (key, value))
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V> SharedMap<K, V> {
    /// The chunk in which a key is, or would be, and where in it; `Err` where it is not.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> (usize, Result<usize, usize>)
    where
        K: Borrow<Q>,
    {
        let begins_before =
            |chunk: &Arc<Vec<(K, V)>>| chunk.first().is_some_and(|(first, _)| first.borrow() <= key);
        let at = self.chunks.partition_point(begins_before).saturating_sub(1);
        let within = match self.chunks.get(at) {
            Some(chunk) => chunk.binary_search_by(|(known, _)| known.borrow().cmp(key)),
            None => Err(0),
        };
        (at, within)
    }

    /// The value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (chunk, within) = self.find(key);
        let (_, value) = self.chunks.get(chunk)?.get(within.ok()?)?;
        Some(value)
    }

    /// True where the key has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// The entries whose keys are not before this one, in order.
    pub fn starting_at<Q: Ord + ?Sized>(&self, key: &Q) -> impl Iterator<Item = (&K, &V)>
    where
        K: Borrow<Q>,
    {
        let (chunk, within) = self.find(key);
        let passed = within.unwrap_or_else(|at| at);
        let entries = self.chunks.iter().skip(chunk).flat_map(|chunk| chunk.iter());
        entries.skip(passed).map(|(key, value)| (key, value))
    }

    /// What is in one of two maps and not the same in the other: each key with its values here and there. What both share is not
    /// looked at.
    pub fn differences<'a>(
        &'a self,
        other: &'a Self,
        same: impl Fn(&V, &V) -> bool,
    ) -> Vec<(&'a K, Option<&'a V>, Option<&'a V>)> {
        let mut found = Vec::new();
        let (mut here, mut there) = (Place::default(), Place::default());
        loop {
            let (one, two) = (self.chunks.get(here.chunk), other.chunks.get(there.chunk));
            if let (Some(one), Some(two)) = (one, two)
                && here.within == 0
                && there.within == 0
                && Arc::ptr_eq(one, two)
            {
                here.chunk += 1;
                there.chunk += 1;
                continue;
            }
            let (one, two) = (
                one.and_then(|chunk| chunk.get(here.within)),
                two.and_then(|chunk| chunk.get(there.within)),
            );
            let order = match (one, two) {
                (Some((one, _)), Some((two, _))) => one.cmp(two),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return found,
            };
            let one = one.filter(|_| order.is_le());
            let two = two.filter(|_| order.is_ge());
            match (one, two) {
                (Some((_, one)), Some((_, two))) if same(one, two) => {}
                _ => {
                    if let Some((key, _)) = one.or(two) {
                        found.push((key, one.map(|(_, value)| value), two.map(|(_, value)| value)));
                    }
                }
            }
            if one.is_some() {
                here.pass(&self.chunks);
            }
            if two.is_some() {
                there.pass(&other.chunks);
            }
        }
    }
}

/// A place between entries.
#[derive(Debug, Default)]
struct Place {
    chunk: usize,
    within: usize,
}

impl Place {
    fn pass<T>(&mut self, chunks: &[Arc<Vec<T>>]) {
        self.within += 1;
        if chunks
            .get(self.chunk)
            .is_none_or(|chunk| self.within >= chunk.len())
        {
            self.chunk += 1;
            self.within = 0;
        }
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// Gives a key a value; what it had before comes back.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (at, within) = self.find(&key);
        let chunk = self.chunks.get_mut(at);
        match (chunk, within) {
            (Some(chunk), Ok(within)) => {
                let known = Arc::make_mut(chunk).get_mut(within)?;
                Some(std::mem::replace(&mut known.1, value))
            }
            (Some(chunk), Err(within)) if chunk.len() < CHUNK => {
                let chunk = Arc::make_mut(chunk);
                // Chunks stay as they are for long: room for one more would be room for many that never come.
                chunk.reserve_exact(1);
                chunk.insert(within, (key, value));
                self.len += 1;
                None
            }
            (Some(chunk), Err(within)) => {
                // What comes in order leaves full chunks behind.
                let half = if within == CHUNK { CHUNK } else { CHUNK / 2 };
                let chunk = Arc::make_mut(chunk);
                let rest = chunk.split_off(half);
                chunk.shrink_to_fit();
                if rest.is_empty() {
                    self.chunks.insert(at + 1, Arc::new(vec![(key, value)]));
                    self.len += 1;
                    return None;
                }
                self.chunks.insert(at + 1, Arc::new(rest));
                self.insert(key, value)
            }
            (None, _) => {
                self.chunks.push(Arc::new(vec![(key, value)]));
                self.len += 1;
                None
            }
        }
    }

    /// Takes a key out; gives what it had.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (at, within) = self.find(key);
        let within = within.ok()?;
        let (_, value) = Arc::make_mut(self.chunks.get_mut(at)?).remove(within);
        self.len -= 1;
        let left = |at: usize| self.chunks.get(at).map_or(CHUNK, |chunk| chunk.len());
        if left(at) == 0 {
            self.chunks.remove(at);
        } else if left(at) + left(at + 1) <= CHUNK / 2 {
            let next = self.chunks.remove(at + 1);
            Arc::make_mut(self.chunks.get_mut(at)?).extend_from_slice(&next);
        }
        Some(value)
    }

    /// The value of a key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (at, within) = self.find(key);
        let (_, value) = Arc::make_mut(self.chunks.get_mut(at)?).get_mut(within.ok()?)?;
        Some(value)
    }

    /// Leaves what is wanted.
    pub fn retain(&mut self, wanted: impl Fn(&K, &V) -> bool) {
        let left = self.iter().filter(|(key, value)| wanted(key, value));
        *self = left.map(|(key, value)| (key.clone(), value.clone())).collect();
    }

    /// Gives a key a value, or none.
    pub fn set(&mut self, key: &K, value: Option<V>) {
        match value {
            Some(value) => drop(self.insert(key.clone(), value)),
            None => drop(self.remove(key)),
        }
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, Vec<V>> {
    /// Adds one to the values of a key, which are in this order and each there once. False where there was an equal one, whose place
    /// it takes.
    pub fn put(&mut self, key: &K, value: V, order: impl Fn(&V, &V) -> Ordering) -> bool {
        let Some(values) = self.get_mut(key) else {
            self.insert(key.clone(), vec![value]);
            return true;
        };
        let found = values.binary_search_by(|known| order(known, &value));
        match found {
            Ok(at) => values[at] = value,
            Err(at) => {
                values.reserve_exact(1);
                values.insert(at, value);
            }
        }
        found.is_err()
    }

    /// Takes one of the values of a key away.
    pub fn take(&mut self, key: &K, value: &V, order: impl Fn(&V, &V) -> Ordering) {
        let Some(values) = self.get_mut(key) else {
            return;
        };
        if let Ok(at) = values.binary_search_by(|known| order(known, value)) {
            values.remove(at);
        }
        if values.is_empty() {
            self.remove(key);
        }
    }

    /// Puts one there, or takes it away.
    pub fn keep(&mut self, key: &K, value: &V, is_there: bool)
    where
        V: Ord,
    {
        if is_there {
            self.put(key, value.clone(), Ord::cmp);
        } else {
            self.take(key, value, Ord::cmp);
        }
    }

    /// The values of a key, in order.
    pub fn all<Q: Ord + ?Sized>(&self, key: &Q) -> &[V]
    where
        K: Borrow<Q>,
    {
        self.get(key).map_or(&[], Vec::as_slice)
    }
}

impl<K: Ord + Borrow<Q>, Q: Ord + ?Sized, V> Index<&Q> for SharedMap<K, V> {
    type Output = V;

    #[allow(
        clippy::expect_used,
        reason = "as with every map, who writes the brackets knows that the key is there"
    )]
    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("no entry of that key")
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(entries: T) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn shared(one: &SharedMap<u16, u16>, two: &SharedMap<u16, u16>) -> usize {
        let in_two = |chunk: &&Arc<Vec<_>>| two.chunks.iter().any(|other| Arc::ptr_eq(chunk, other));
        one.chunks.iter().filter(in_two).count()
    }

    proptest! {
        #[test]
        fn it_holds_what_any_other_map_holds(steps in proptest::collection::vec((any::<bool>(), 0..400_u16, any::<u16>()), 0..2000)) {
            let mut map = SharedMap::default();
            let mut other = BTreeMap::new();
            for (stays, key, value) in steps {
                if stays {
                    prop_assert_eq!(map.insert(key, value), other.insert(key, value));
                } else {
                    prop_assert_eq!(map.remove(&key), other.remove(&key));
                }
                prop_assert_eq!(map.get(&key), other.get(&key));
            }
            prop_assert!(map.iter().eq(other.iter()));
            prop_assert!(map.iter().rev().eq(other.iter().rev()));
            prop_assert_eq!(map.len(), other.len());
            for key in [0, 7, 399] {
                prop_assert!(map.starting_at(&key).eq(other.range(key..)));
            }
            prop_assert!(map.chunks.iter().all(|chunk| (1..=CHUNK).contains(&chunk.len())));
        }

        #[test]
        fn differences_are_told_and_nothing_else(
            first in proptest::collection::btree_map(0..400_u16, any::<u16>(), 0..300),
            changes in proptest::collection::vec((any::<bool>(), 0..400_u16, any::<u16>()), 0..50),
        ) {
            let before: SharedMap<u16, u16> = first.iter().map(|(key, value)| (*key, *value)).collect();
            let mut after = before.clone();
            let mut second = first.clone();
            for (stays, key, value) in changes {
                after.set(&key, stays.then_some(value));
                if stays { second.insert(key, value); } else { second.remove(&key); }
            }
            let wanted: Vec<_> = (0..400_u16)
                .map(|key| (key, first.get(&key), second.get(&key)))
                .filter(|(_, one, two)| one != two)
                .collect();
            let found = before.differences(&after, |one, two| one == two);
            let found: Vec<_> = found.into_iter().map(|(key, one, two)| (*key, one, two)).collect();
            prop_assert_eq!(found, wanted);
            prop_assert!(before.iter().eq(first.iter()), "the former is as it was");
        }
    }

    #[test]
    fn a_changed_copy_shares_all_but_the_chunk_of_the_change() {
        let before: SharedMap<u16, u16> = (0..5000).map(|key| (key, key)).collect();
        assert_eq!(before.chunks.len(), 5000_usize.div_ceil(CHUNK), "chunks are full");
        let mut after = before.clone();
        after.insert(2500, 1);
        assert_eq!(shared(&before, &after), before.chunks.len() - 1);
        after.remove(&4000);
        assert_eq!(shared(&before, &after), before.chunks.len() - 2);
        assert_eq!(before.get(&4000), Some(&4000));
    }

    #[test]
    fn values_of_a_key_are_in_order_and_gone_with_the_last() {
        let mut map: SharedMap<u16, Vec<u16>> = SharedMap::default();
        for value in [3, 1, 2, 3] {
            map.put(&7, value, Ord::cmp);
        }
        assert_eq!(map.all(&7), [1, 2, 3]);
        for value in [2, 9, 1, 3, 3] {
            map.take(&7, &value, Ord::cmp);
        }
        assert!(map.is_empty());
    }
}
