//! A hash table from keys to row numbers that never holds a key.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::Match;

/// Rows by key: eight bytes and a control byte for each distinct key, whatever the key is.
///
/// An entry is 32 bits of the key's hash and a row number; the caller compares the keys themselves
/// where they are stored. The place in the table follows from those 32 bits alone, so growing looks at
/// no key. A key of several rows has its rows in a set beside the table. Nothing that can be asked
/// depends on the seed, so the table draws one of its own: keys that collide cannot be prepared.
#[derive(Debug, Clone)]
pub(crate) struct KeyTable {
    entries: HashTable<Entry>,
    groups: Vec<BTreeSet<u32>>,
    unused_groups: Vec<u32>,
    seed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u32,
    /// A row, or with [`GROUP`] the number of a group.
    row: u32,
}

const GROUP: u32 = 1 << 31;

/// Rows are numbered below this.
pub(crate) const MAX_ROWS: usize = GROUP as usize;

/// No row at all.
pub(crate) const NO_ROW: u32 = u32::MAX;

/// The rows of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hit<'a> {
    None,
    One(u32),
    Many(&'a BTreeSet<u32>),
}

impl Hit<'_> {
    /// The least row, or [`NO_ROW`].
    pub(crate) fn first(&self) -> u32 {
        match self {
            Hit::None => NO_ROW,
            Hit::One(row) => *row,
            Hit::Many(rows) => rows.first().copied().unwrap_or(NO_ROW),
        }
    }

    pub(crate) fn found(&self) -> Match {
        match self {
            Hit::None => Match::None,
            Hit::One(_) => Match::One,
            Hit::Many(_) => Match::Many,
        }
    }
}

/// How many keys are sought at the same time, so that their cache misses overlap.
const STRIP: usize = 64;

#[inline]
fn tag(hash: u64) -> u32 {
    (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// The table takes the place from the low bits and a filter from the high ones: both follow from the tag.
#[inline]
fn place(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl KeyTable {
    pub(crate) fn new() -> Self {
        KeyTable {
            entries: HashTable::new(),
            groups: Vec::new(),
            unused_groups: Vec::new(),
            seed: RandomState::new().hash_one(0u8),
        }
    }

    /// The seed for the hashes of the keys.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Makes room for this many more keys.
    pub(crate) fn reserve(&mut self, keys: usize) {
        self.entries.reserve(keys, |entry| place(entry.tag));
    }

    /// Gives back room that will not be needed.
    pub(crate) fn shrink(&mut self) {
        self.entries.shrink_to_fit(|entry| place(entry.tag));
    }

    /// Bytes that the table holds.
    pub(crate) fn memory_bytes(&self) -> u64 {
        // A set of few rows is one node of eleven row numbers; in larger ones nodes are at least half full.
        let sets: usize = self.groups.iter().map(|rows| 96 + rows.len() * 8).sum();
        (self.entries.allocation_size() + sets + self.unused_groups.capacity() * 4) as u64
    }

    /// The rows of every key that has several.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &BTreeSet<u32>> {
        self.groups.iter().filter(|rows| !rows.is_empty())
    }

    fn hit(&self, entry: &Entry) -> Hit<'_> {
        match entry.row & GROUP {
            0 => Hit::One(entry.row),
            _ => Hit::Many(&self.groups[(entry.row ^ GROUP) as usize]),
        }
    }

    /// The rows of the key of which `same` is true; `same` is asked about one row of a key only.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut same: impl FnMut(u32) -> bool) -> Hit<'_> {
        let tag = tag(hash);
        let entry = self.entries.find(place(tag), |entry| {
            entry.tag == tag && same(self.hit(entry).first())
        });
        entry.map_or(Hit::None, |entry| self.hit(entry))
    }

    /// Finds many keys: `same(i, row)` says whether key `i` is that of `row`, and `found` is told of
    /// each key in order. Keys for which `skip` is true are told as [`Hit::None`] unsought.
    pub(crate) fn find_each(
        &self,
        hashes: &[u64],
        skip: impl Fn(usize) -> bool,
        same: impl Fn(usize, u32) -> bool,
        mut found: impl FnMut(usize, Hit<'_>),
    ) {
        let mut candidates = [None::<&Entry>; STRIP];
        for (strip, hashes) in hashes.chunks(STRIP).enumerate() {
            for (candidate, &hash) in candidates.iter_mut().zip(hashes) {
                let tag = tag(hash);
                *candidate = self.entries.find(place(tag), |entry| entry.tag == tag);
            }
            for (i, (candidate, &hash)) in candidates.iter().zip(hashes).enumerate() {
                let i = strip * STRIP + i;
                let hit = match candidate {
                    Some(entry) if !skip(i) => match self.hit(entry) {
                        hit if same(i, hit.first()) => hit,
                        _ => self.find(hash, |row| same(i, row)),
                    },
                    _ => Hit::None,
                };
                found(i, hit);
            }
        }
    }

    /// Brings the places of a few keys into the cache, all at the same time.
    #[inline]
    pub(crate) fn warm(&self, hashes: &[u64]) {
        let mut any = 0;
        for &hash in hashes {
            let tag = tag(hash);
            let entry = self.entries.find(place(tag), |entry| entry.tag == tag);
            any ^= entry.map_or(0, |entry| entry.row);
        }
        std::hint::black_box(any);
    }

    /// Adds a row whose key no row has.
    #[inline]
    pub(crate) fn insert_new(&mut self, hash: u64, row: u32) {
        let tag = tag(hash);
        self.entries
            .insert_unique(place(tag), Entry { tag, row }, |entry| place(entry.tag));
    }

    /// Adds a row that is not there; `same` as in [`find`](Self::find).
    pub(crate) fn insert(&mut self, hash: u64, row: u32, mut same: impl FnMut(u32) -> bool) {
        let tag = tag(hash);
        let KeyTable {
            entries,
            groups,
            unused_groups,
            ..
        } = self;
        let first = |entry: &Entry| match entry.row & GROUP {
            0 => entry.row,
            _ => (groups[(entry.row ^ GROUP) as usize].first().copied()).unwrap_or(NO_ROW),
        };
        let found = entries.find_mut(place(tag), |entry| entry.tag == tag && same(first(entry)));
        match found {
            None => self.insert_new(hash, row),
            Some(entry) if entry.row & GROUP != 0 => {
                groups[(entry.row ^ GROUP) as usize].insert(row);
            }
            Some(entry) => {
                let rows = BTreeSet::from([entry.row, row]);
                let group = match unused_groups.pop() {
                    Some(group) => {
                        groups[group as usize] = rows;
                        group
                    }
                    None => {
                        groups.push(rows);
                        groups.len() as u32 - 1
                    }
                };
                entry.row = group | GROUP;
            }
        }
    }

    /// Removes a row of this hash, if it is there.
    pub(crate) fn remove(&mut self, hash: u64, row: u32) {
        let tag = tag(hash);
        let KeyTable {
            entries,
            groups,
            unused_groups,
            ..
        } = self;
        let holds = |entry: &Entry| {
            entry.tag == tag
                && match entry.row & GROUP {
                    0 => entry.row == row,
                    _ => groups[(entry.row ^ GROUP) as usize].contains(&row),
                }
        };
        let Ok(mut found) = entries.find_entry(place(tag), holds) else {
            return;
        };
        let entry = found.get_mut();
        if entry.row & GROUP == 0 {
            found.remove();
            return;
        }
        let group = entry.row ^ GROUP;
        let rows = &mut groups[group as usize];
        rows.remove(&row);
        if let (1, Some(&only)) = (rows.len(), rows.first()) {
            entry.row = only;
            rows.clear();
            unused_groups.push(group);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::collections::BTreeMap;

    use super::*;
    use crate::host::SeededEntropy;

    fn found(table: &KeyTable, keys: &[u32], key: u32, hash: impl Fn(u32) -> u64) -> Vec<u32> {
        match table.find(hash(key), |row| keys[row as usize] == key) {
            Hit::None => vec![],
            Hit::One(row) => vec![row],
            Hit::Many(rows) => {
                assert!(rows.len() > 1);
                rows.iter().copied().collect()
            }
        }
    }

    /// Rows come, go and change their keys; a map of sets says what the table must hold. The second
    /// hash lets nearly all keys collide.
    #[test]
    fn a_table_is_a_map_of_sets() {
        let hashes: [fn(u32) -> u64; 2] = [
            |key| u64::from(key).wrapping_mul(0x1234_5678_9abc_def1),
            |key| u64::from(key % 2),
        ];
        for hash in hashes {
            let random = SeededEntropy::new(3);
            let draw = |below: u32| {
                let mut bytes = [0; 4];
                crate::host::Entropy::fill(&random, &mut bytes);
                u32::from_le_bytes(bytes) % below
            };
            let mut table = KeyTable::new();
            let mut keys = vec![u32::MAX; 400];
            let mut model: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
            for _ in 0..5000 {
                let row = draw(400);
                let old = keys[row as usize];
                if old != u32::MAX {
                    table.remove(hash(old), row);
                    model.get_mut(&old).unwrap().remove(&row);
                    keys[row as usize] = u32::MAX;
                }
                if draw(4) > 0 {
                    let key = draw(120);
                    table.insert(hash(key), row, |other| keys[other as usize] == key);
                    keys[row as usize] = key;
                    model.entry(key).or_default().insert(row);
                }
                let key = draw(120);
                let expected: Vec<u32> = model.get(&key).into_iter().flatten().copied().collect();
                assert_eq!(found(&table, &keys, key, hash), expected);
            }
            let asked: Vec<u32> = (0..120).collect();
            let all: Vec<u64> = asked.iter().map(|&key| hash(key)).collect();
            let mut told = 0;
            table.find_each(
                &all,
                |i| i == 7,
                |i, row| keys[row as usize] == asked[i],
                |i, hit| {
                    assert_eq!(i, told);
                    told += 1;
                    let expected = model.get(&asked[i]).filter(|_| i != 7);
                    let first = expected.and_then(|rows| rows.first().copied());
                    assert_eq!(hit.first(), first.unwrap_or(NO_ROW));
                },
            );
            assert_eq!(told, 120);
        }
    }

    #[test]
    fn an_entry_is_eight_bytes() {
        assert_eq!(size_of::<Entry>(), 8);
        let mut table = KeyTable::new();
        for row in 0..100_000 {
            table.insert_new(u64::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15), row);
        }
        assert!(table.memory_bytes() < 100_000 * 21);
    }
}
