//! What was made is kept for the next who asks, within bounds.

use crate::base::error::Result;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A hash of all that a value was made of: a value is never stale, and never another's.
pub(super) type Key = [u8; 32];

/// Values by key. However many ask for one at once, it is made once; what was not asked for the longest goes when all of
/// them together weigh too much. The newest stays, whatever it weighs.
pub(super) struct Shelf<T> {
    /// The one asked for last stands last.
    slots: Mutex<Vec<Slot<T>>>,
    most: u64,
}

struct Slot<T> {
    key: Key,
    weight: u64,
    place: Arc<Mutex<Option<Arc<T>>>>,
}

/// What a slot weighs at the least, so that there are never many.
const LEAST: u64 = 16 << 10;

impl<T> Shelf<T> {
    /// At most so many bytes.
    pub const fn new(most: u64) -> Self {
        Self { slots: Mutex::new(Vec::new()), most }
    }

    /// The value with what it weighs in bytes is made where it is not there.
    pub fn get(&self, key: Key, make: impl FnOnce() -> Result<(T, u64)>) -> Result<Arc<T>> {
        let place = self.place(key);
        let mut inside = lock(&place);
        if let Some(value) = &*inside {
            return Ok(value.clone());
        }
        let made = make();
        if made.is_err() {
            lock(&self.slots).retain(|slot| slot.key != key);
        }
        let (value, weight) = made?;
        let value = Arc::new(value);
        *inside = Some(value.clone());
        drop(inside);
        self.weigh(key, weight);
        Ok(value)
    }

    fn place(&self, key: Key) -> Arc<Mutex<Option<Arc<T>>>> {
        let mut slots = lock(&self.slots);
        let slot = match slots.iter().position(|slot| slot.key == key) {
            Some(at) => slots.remove(at),
            None => Slot { key, weight: LEAST, place: Arc::default() },
        };
        let place = slot.place.clone();
        slots.push(slot);
        place
    }

    fn weigh(&self, key: Key, weight: u64) {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.iter_mut().find(|slot| slot.key == key) {
            slot.weight = weight.max(LEAST);
        }
        let mut all: u64 = slots.iter().map(|slot| slot.weight).sum();
        while all > self.most && slots.len() > 1 {
            all -= slots.remove(0).weight;
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Error;

    #[test]
    fn a_value_is_made_once_and_the_one_asked_for_the_longest_ago_goes_first() {
        let shelf: Shelf<u8> = Shelf::new(3 * LEAST);
        let get = |n: u8, made: &mut Vec<u8>| {
            let value = shelf.get([n; 32], || {
                made.push(n);
                Ok((n, 1))
            });
            assert_eq!(*value.unwrap(), n);
        };
        let mut made = Vec::new();
        [1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 1].iter().for_each(|n| get(*n, &mut made));
        assert_eq!(made, [1, 2, 3, 4, 1]);
        assert!(shelf.get([9; 32], || Err(Error::damaged("no"))).is_err());
        assert_eq!(*shelf.get([9; 32], || Ok((9, 100 * LEAST))).unwrap(), 9, "a failure is not kept");
        assert_eq!(lock(&shelf.slots).len(), 1, "one that is heavy leaves no room for others, and stays");
    }
}
