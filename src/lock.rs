//! Mutexes, for whoever has one.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the mutex holds. A panic ends the shipped program, so a poisoned lock is only met in tests; its value is whole even then.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
