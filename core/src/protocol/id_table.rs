use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::TxId;

/// Values by the id of their transaction.
///
/// Most ids are numbers that follow one another, and those in use at a time are close together. So a number has a place
/// that its low bits tell, which takes no hashing; where that is taken, and for ids of every other form, there is a map.
/// Whatever ids a peer picks, it gains nothing but the map.
#[derive(Debug)]
pub(super) struct IdTable<V> {
    /// As many as a power of two.
    near: Vec<Option<(u64, V)>>,
    /// How many of them are taken.
    taken: usize,
    far: HashMap<TxId, V>,
}

/// How many places there are once there is a number.
const LEAST: usize = 64;

/// There are never more: 4,096 calls in flight with ids in a row have each its own.
const MOST: usize = 4096;

impl<V> IdTable<V> {
    pub(super) fn new() -> Self {
        Self { near: Vec::new(), taken: 0, far: HashMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.taken + self.far.len()
    }

    #[inline]
    fn place(&self, number: u64) -> usize {
        number as usize & self.near.len().wrapping_sub(1)
    }

    /// Adds a value, and tells whether it did: there is at most one of an id.
    #[inline]
    pub(super) fn insert(&mut self, id: &TxId, value: V) -> bool {
        if let Some(number) = id.as_number()
            && self.far.is_empty()
        {
            let place = self.place(number);
            if let Some(place @ None) = self.near.get_mut(place) {
                *place = Some((number, value));
                self.taken += 1;
                return true;
            }
        }
        self.insert_slowly(id.clone(), value)
    }

    /// Where the place of the number is taken, there is none yet, or there may be one of this id in the map.
    ///
    /// The id by value, as wherever the map is asked: its two words stay in registers where no address of them is taken.
    #[inline(never)]
    fn insert_slowly(&mut self, id: TxId, value: V) -> bool {
        let Some(number) = id.as_number() else { return self.insert_far(id, value) };
        if self.get_mut(&id).is_some() {
            return false;
        }
        loop {
            let place = self.place(number);
            let grows = self.near.len() < MOST && self.taken >= self.near.len() / 2;
            match self.near.get_mut(place) {
                Some(place @ None) => {
                    *place = Some((number, value));
                    self.taken += 1;
                    return true;
                }
                None | Some(_) if grows => self.grow(),
                _ => return self.insert_far(id, value),
            }
        }
    }

    fn insert_far(&mut self, id: TxId, value: V) -> bool {
        match self.far.entry(id) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(value);
                true
            }
        }
    }

    /// Two numbers that have different places have different ones among more places, too.
    fn grow(&mut self) {
        let places = (2 * self.near.len()).max(LEAST);
        let old = std::mem::take(&mut self.near);
        self.near.resize_with(places, || None);
        for (number, value) in old.into_iter().flatten() {
            let place = self.place(number);
            self.near[place] = Some((number, value));
        }
    }

    /// The place of the number that this id is, where it is taken by it.
    #[inline]
    fn near(&self, id: &TxId) -> Option<usize> {
        let number = id.as_number()?;
        let place = self.place(number);
        matches!(self.near.get(place), Some(Some((other, _))) if *other == number).then_some(place)
    }

    pub(super) fn get(&self, id: &TxId) -> Option<&V> {
        match self.near(id) {
            Some(place) => self.near[place].as_ref().map(|(_, value)| value),
            None => self.far.get(id),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: &TxId) -> Option<&mut V> {
        if let Some(place) = self.near(id) {
            return self.near[place].as_mut().map(|(_, value)| value);
        }
        if self.far.is_empty() { None } else { self.get_far(id.clone()) }
    }

    #[inline(never)]
    fn get_far(&mut self, id: TxId) -> Option<&mut V> {
        self.far.get_mut(&id)
    }

    pub(super) fn contains(&self, id: &TxId) -> bool {
        self.near(id).is_some() || self.far.contains_key(id)
    }

    #[inline]
    pub(super) fn remove(&mut self, id: &TxId) -> Option<V> {
        if let Some(place) = self.near(id) {
            self.taken -= 1;
            return self.near[place].take().map(|(_, value)| value);
        }
        if self.far.is_empty() { None } else { self.remove_far(id.clone()) }
    }

    #[inline(never)]
    fn remove_far(&mut self, id: TxId) -> Option<V> {
        self.far.remove(&id)
    }

    /// Removes a value where it is, once `last` has taken of it what it wants.
    #[inline]
    pub(super) fn end<T>(&mut self, id: &TxId, last: impl FnOnce(&mut V) -> T) -> Option<T> {
        match self.near(id) {
            Some(place) => {
                let place = &mut self.near[place];
                let taken = place.as_mut().map(|(_, value)| last(value));
                *place = None;
                self.taken -= 1;
                taken
            }
            None => self.remove(id).map(|mut value| last(&mut value)),
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// In no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TxId, &V)> {
        let near = self.near.iter().flatten().map(|(number, value)| ((*number).into(), value));
        near.chain(self.far.iter().map(|(id, value)| (id.clone(), value)))
    }

    /// In no order.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.near.iter_mut().flatten().map(|(_, value)| value).chain(self.far.values_mut())
    }

    pub(super) fn into_values(self) -> impl Iterator<Item = V> {
        self.near.into_iter().flatten().map(|(_, value)| value).chain(self.far.into_values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table that behaves as a map, whatever the ids: in a row, far apart, with the same low bits, and no numbers.
    #[test]
    fn it_is_a_map() {
        let mut ids: Vec<TxId> = (0..6_000_u64).map(TxId::from).collect();
        ids.extend((0..200_u64).map(|high| TxId::from(high << 40 | 7)));
        ids.extend((0..200_u8).map(|number| TxId::from([number; 16])));
        ids.extend((0..200).map(|number| TxId::from(&*format!("job {number}"))));
        let (mut table, mut map) = (IdTable::new(), HashMap::new());
        let mut random = 1_u64;
        for step in 0..200_000 {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            // More and more of them, and fewer and fewer.
            let most = ids.len().min(10 + step % 20_000);
            let id = &ids[(random >> 33) as usize % most];
            match random >> 62 {
                0 | 1 => {
                    let is_new = !map.contains_key(id);
                    assert_eq!(table.insert(id, step), is_new);
                    map.entry(id.clone()).or_insert(step);
                }
                2 if step % 2 == 0 => assert_eq!(table.remove(id), map.remove(id)),
                2 => assert_eq!(table.end(id, |value| *value), map.remove(id)),
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
            (table.into_values().collect(), map.into_values().collect());
        left.sort_unstable();
        expected.sort_unstable();
        assert_eq!(left, expected);
    }

    #[test]
    fn a_peer_cannot_make_it_large() {
        let mut table = IdTable::new();
        for number in [u64::MAX, 0, 1 << 63, 4095, 4096] {
            assert!(table.insert(&number.into(), ()));
        }
        assert!(table.near.len() <= LEAST);
    }
}
