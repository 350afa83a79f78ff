//! The objects of one kind, kept up to date by the events of a watch.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::runtime::watcher::Event;

use super::object::{Key, Reading};
use crate::model::fault::Fault;
use crate::model::inventory::Objects;

/// The objects of one kind.
///
/// A listing is collected aside and takes the place of what was known when it is whole: until then readers see the old
/// objects, and never half of the new ones.
#[derive(Debug)]
pub struct Index<K, T> {
    known: Listing<K, T>,
    incoming: Option<Listing<K, T>>,
}

#[derive(Debug, PartialEq)]
struct Listing<K, T> {
    objects: Objects<K, T>,
    /// What could not be understood, by object; `None` for those without a name.
    faults: BTreeMap<Option<K>, Vec<Fault>>,
}

impl<K, T> Default for Listing<K, T> {
    fn default() -> Self {
        Self {
            objects: Arc::default(),
            faults: BTreeMap::new(),
        }
    }
}

impl<K, T> Default for Index<K, T> {
    fn default() -> Self {
        Self {
            known: Listing::default(),
            incoming: None,
        }
    }
}

impl<K: Key, T: PartialEq> Index<K, T> {
    /// The objects, as they are now.
    pub fn objects(&self) -> &Objects<K, T> {
        &self.known.objects
    }

    /// What could not be understood, in order of the objects.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.known.faults.values().flatten()
    }

    /// Takes one event in. True where something else is known after it.
    pub fn apply(&mut self, event: Event<Reading<K, T>>) -> bool {
        match event {
            Event::Init => {
                self.incoming = Some(Listing::default());
                false
            }
            Event::InitApply(object) => {
                self.incoming
                    .get_or_insert_default()
                    .put(object, Some(&self.known));
                false
            }
            Event::InitDone => match self.incoming.take() {
                Some(listing) if listing != self.known => {
                    self.known = listing;
                    true
                }
                _ => false,
            },
            Event::Apply(object) => self.put(object),
            Event::Delete(object) => object.key.is_some_and(|key| self.remove(&key)),
        }
    }

    /// Puts an object in the place of the one of the same key. True where it is another.
    pub fn put(&mut self, object: Reading<K, T>) -> bool {
        self.known.put(object, None)
    }

    /// Forgets all. True where there was anything.
    pub fn clear(&mut self) -> bool {
        let known = std::mem::take(&mut self.known);
        self.incoming = None;
        known != Listing::default()
    }

    /// Forgets an object. True where there was one.
    pub fn remove(&mut self, key: &K) -> bool {
        let known = self.known.objects.contains_key(key);
        if known {
            Arc::make_mut(&mut self.known.objects).remove(key);
        }
        self.known.faults.remove(&Some(key.clone())).is_some() || known
    }
}

impl<K: Key, T: PartialEq> Listing<K, T> {
    /// `before` has the object as it was last known: where it is still the same, that one is kept, so that readers share it.
    fn put(&mut self, object: Reading<K, T>, before: Option<&Self>) -> bool {
        let Reading { key, value, faults } = object;
        let mut changed = if faults.is_empty() {
            self.faults.remove(&key).is_some()
        } else {
            let other = self.faults.get(&key) != Some(&faults);
            self.faults.insert(key.clone(), faults);
            other
        };
        let Some(key) = key else { return changed };
        match value {
            Some(value) => {
                if self.objects.get(&key) != Some(&value) {
                    let same = before
                        .and_then(|before| before.objects.get(&key))
                        .filter(|known| **known == value);
                    let value = same.cloned().unwrap_or(value);
                    Arc::make_mut(&mut self.objects).insert(key, value);
                    changed = true;
                }
            }
            // The object is another than the one that was known, and what it is now cannot be told.
            None => {
                if self.objects.contains_key(&key) {
                    Arc::make_mut(&mut self.objects).remove(&key);
                    changed = true;
                }
            }
        }
        changed
    }
}
