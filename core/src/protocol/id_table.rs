use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::TxId;

/// Map from transaction id to value, with a fast path for sequential numbers.
///
/// Most ids are consecutive numbers, and the ids in use at the same time are close together. The
/// low bits of a number select its slot, which needs no hashing. If that slot is taken, or the id
/// is not a number, the entry goes to a hash map. A peer that picks hostile ids only fills the hash
/// map.
#[derive(Debug)]
pub(super) struct IdTable<V> {
    /// Slots. Their number is 0 or a power of two.
    slots: Vec<Option<(u64, V)>>,
    /// Number of slots in use.
    used: usize,
    overflow: HashMap<TxId, V>,
}

/// Number of slots allocated for the first numeric id.
const MIN_SLOTS: usize = 64;

/// Maximum number of slots. Up to 4,096 calls in flight with sequential ids need no hashing.
const MAX_SLOTS: usize = 4096;

impl<V> IdTable<V> {
    pub(super) fn new() -> Self {
        Self { slots: Vec::new(), used: 0, overflow: HashMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.used + self.overflow.len()
    }

    #[inline]
    fn index(&self, number: u64) -> usize {
        number as usize & self.slots.len().wrapping_sub(1)
    }

    /// Adds a value. Returns `false` if the id is in use.
    #[inline]
    pub(super) fn insert(&mut self, id: &TxId, value: V) -> bool {
        if let Some(number) = id.as_number()
            && self.overflow.is_empty()
        {
            let index = self.index(number);
            if let Some(slot @ None) = self.slots.get_mut(index) {
                *slot = Some((number, value));
                self.used += 1;
                return true;
            }
        }
        self.insert_slow(id.clone(), value)
    }

    /// Slow path: the slot is taken, no slots exist, or the id may be in the overflow map.
    ///
    /// Takes the id by value, as the other slow paths do, so that its two words stay in registers.
    #[inline(never)]
    fn insert_slow(&mut self, id: TxId, value: V) -> bool {
        let Some(number) = id.as_number() else { return self.insert_overflow(id, value) };
        if self.get_mut(&id).is_some() {
            return false;
        }
        loop {
            let index = self.index(number);
            let may_grow = self.slots.len() < MAX_SLOTS && self.used >= self.slots.len() / 2;
            match self.slots.get_mut(index) {
                Some(slot @ None) => {
                    *slot = Some((number, value));
                    self.used += 1;
                    return true;
                }
                None | Some(_) if may_grow => self.grow(),
                _ => return self.insert_overflow(id, value),
            }
        }
    }

    fn insert_overflow(&mut self, id: TxId, value: V) -> bool {
        match self.overflow.entry(id) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(value);
                true
            }
        }
    }

    /// Doubles the number of slots. Two numbers in different slots stay in different slots.
    fn grow(&mut self) {
        let slots = (2 * self.slots.len()).max(MIN_SLOTS);
        let old = std::mem::take(&mut self.slots);
        self.slots.resize_with(slots, || None);
        for (number, value) in old.into_iter().flatten() {
            let index = self.index(number);
            self.slots[index] = Some((number, value));
        }
    }

    /// Index of the slot that holds this id.
    #[inline]
    fn find(&self, id: &TxId) -> Option<usize> {
        let number = id.as_number()?;
        let index = self.index(number);
        matches!(self.slots.get(index), Some(Some((other, _))) if *other == number).then_some(index)
    }

    pub(super) fn get(&self, id: &TxId) -> Option<&V> {
        match self.find(id) {
            Some(index) => self.slots[index].as_ref().map(|(_, value)| value),
            None => self.overflow.get(id),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: &TxId) -> Option<&mut V> {
        if let Some(index) = self.find(id) {
            return self.slots[index].as_mut().map(|(_, value)| value);
        }
        if self.overflow.is_empty() { None } else { self.get_overflow(id.clone()) }
    }

    #[inline(never)]
    fn get_overflow(&mut self, id: TxId) -> Option<&mut V> {
        self.overflow.get_mut(&id)
    }

    pub(super) fn contains(&self, id: &TxId) -> bool {
        self.find(id).is_some() || self.overflow.contains_key(id)
    }

    #[inline]
    pub(super) fn remove(&mut self, id: &TxId) -> Option<V> {
        if let Some(index) = self.find(id) {
            self.used -= 1;
            return self.slots[index].take().map(|(_, value)| value);
        }
        if self.overflow.is_empty() { None } else { self.remove_overflow(id.clone()) }
    }

    #[inline(never)]
    fn remove_overflow(&mut self, id: TxId) -> Option<V> {
        self.overflow.remove(&id)
    }

    /// Removes an entry without moving its value: `extract` reads the value in place.
    #[inline]
    pub(super) fn remove_with<T>(&mut self, id: &TxId, extract: impl FnOnce(&mut V) -> T) -> Option<T> {
        match self.find(id) {
            Some(index) => {
                let slot = &mut self.slots[index];
                let extracted = slot.as_mut().map(|(_, value)| extract(value));
                *slot = None;
                self.used -= 1;
                extracted
            }
            None => self.remove(id).map(|mut value| extract(&mut value)),
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// All entries, in arbitrary order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TxId, &V)> {
        let slots = self.slots.iter().flatten().map(|(number, value)| ((*number).into(), value));
        slots.chain(self.overflow.iter().map(|(id, value)| (id.clone(), value)))
    }

    /// All values, in arbitrary order.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.slots.iter_mut().flatten().map(|(_, value)| value).chain(self.overflow.values_mut())
    }

    /// All entries, in arbitrary order.
    pub(super) fn into_entries(self) -> impl Iterator<Item = (TxId, V)> {
        let slots = self.slots.into_iter().flatten().map(|(number, value)| (number.into(), value));
        slots.chain(self.overflow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses consecutive numbers, numbers with equal low bits, UUIDs and text as ids.
    #[test]
    fn it_behaves_as_a_hash_map_for_every_form_of_id() {
        let mut ids: Vec<TxId> = (0..6_000_u64).map(TxId::from).collect();
        ids.extend((0..200_u64).map(|high| TxId::from(high << 40 | 7)));
        ids.extend((0..200_u8).map(|number| TxId::from([number; 16])));
        ids.extend((0..200).map(|number| TxId::from(&*format!("job {number}"))));
        let (mut table, mut map) = (IdTable::new(), HashMap::new());
        let mut random = 1_u64;
        for step in 0..200_000 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // The number of distinct ids grows and shrinks.
            let in_play = ids.len().min(10 + step % 20_000);
            let id = &ids[(random >> 33) as usize % in_play];
            match random >> 62 {
                0 | 1 => {
                    let is_new = !map.contains_key(id);
                    assert_eq!(table.insert(id, step), is_new);
                    map.entry(id.clone()).or_insert(step);
                }
                2 if step % 2 == 0 => assert_eq!(table.remove(id), map.remove(id)),
                2 => assert_eq!(table.remove_with(id, |value| *value), map.remove(id)),
                _ => {
                    assert_eq!(table.get_mut(id), map.get_mut(id));
                    assert_eq!(table.contains(id), map.contains_key(id));
                }
            }
            assert_eq!(table.len(), map.len());
        }
        assert_eq!(table.iter().count(), map.len());
        for (id, value) in table.iter() {
            assert_eq!(map.get(&id), Some(value));
        }
        let (mut left, mut expected): (Vec<_>, Vec<_>) =
            (table.into_entries().map(|(_, value)| value).collect(), map.into_values().collect());
        left.sort_unstable();
        expected.sort_unstable();
        assert_eq!(left, expected);
    }

    #[test]
    fn scattered_ids_do_not_make_it_grow() {
        let mut table = IdTable::new();
        for number in [u64::MAX, 0, 1 << 63, 4095, 4096] {
            assert!(table.insert(&number.into(), ()));
        }
        assert!(table.slots.len() <= MIN_SLOTS);
    }
}
