//! A hash table from keys to row numbers that never holds a key.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use super::Match;
use crate::record::touch::STRIP;

/// Rows by key: eleven to sixteen bytes for each distinct key, whatever the key is.
///
/// An entry is 32 bits of the key's hash, its *tag*, and a row number; the caller compares the keys
/// themselves where they are stored. Entries stand in the order of their tags, as near to their places as
/// those before them allow (linear probing), so a search mostly stays within a cache line, and growing is one
/// pass from front to back that looks at no key. A key of several rows has its rows in a set beside the
/// table. Nothing that can be asked depends on the seed, so each table draws its own: keys that collide
/// cannot be prepared.
#[derive(Debug, Clone)]
pub(crate) struct KeyTable {
    /// [`Entry`]s as numbers; 0 for none, so that fresh memory need not be written.
    entries: Vec<u64>,
    used: usize,
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

impl Entry {
    #[inline]
    fn pack(self) -> u64 {
        u64::from(self.tag) << 32 | u64::from(self.row + 1)
    }

    #[inline]
    fn unpack(packed: u64) -> Option<Entry> {
        let row = (packed as u32).checked_sub(1)?;
        let tag = (packed >> 32) as u32;
        Some(Entry { tag, row })
    }
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

#[inline]
fn tag(hash: u64) -> u32 {
    (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// Places for so many keys: three quarters are taken at most.
fn room(keys: usize) -> usize {
    keys + keys / 3 + 8
}

impl KeyTable {
    pub(crate) fn new() -> Self {
        KeyTable {
            entries: Vec::new(),
            used: 0,
            groups: Vec::new(),
            unused_groups: Vec::new(),
            seed: RandomState::new().hash_one(0u8),
        }
    }

    /// The same, with room for so many keys.
    pub(crate) fn with_room_for(keys: usize) -> Self {
        KeyTable {
            entries: vec![0; room(keys)],
            ..KeyTable::new()
        }
    }

    /// The seed for the hashes of the keys.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Gives back room that is not needed now.
    pub(crate) fn shrink(&mut self) {
        self.resize(room(self.used));
    }

    /// Bytes that the table holds.
    pub(crate) fn memory_bytes(&self) -> u64 {
        // A set of few rows is one node of eleven row numbers; in larger ones nodes are at least half full.
        let sets: usize = self.groups.iter().map(|rows| 96 + rows.len() * 8).sum();
        (self.entries.capacity() * 8 + sets) as u64
    }

    /// The rows of every key that has several.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &BTreeSet<u32>> {
        self.groups.iter().filter(|rows| !rows.is_empty())
    }

    fn resize(&mut self, room: usize) {
        let old = std::mem::replace(&mut self.entries, vec![0; room]);
        for entry in old.into_iter().filter_map(Entry::unpack) {
            self.put(entry);
        }
    }

    /// Where an entry should stand. There is at least one.
    #[inline]
    fn place(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.entries.len() as u64) >> 32) as usize
    }

    #[inline]
    fn behind(&self, at: usize) -> usize {
        if at + 1 == self.entries.len() {
            0
        } else {
            at + 1
        }
    }

    /// Puts an entry into the first empty place behind its own; there is one.
    #[inline]
    fn put(&mut self, entry: Entry) {
        let mut at = self.place(entry.tag);
        while self.entries[at] != 0 {
            at = self.behind(at);
        }
        self.entries[at] = entry.pack();
    }

    /// The entry with this tag of which `wanted` is true, and its place.
    #[inline]
    fn search(&self, tag: u32, mut wanted: impl FnMut(Entry) -> bool) -> Option<(usize, Entry)> {
        if self.entries.is_empty() {
            return None;
        }
        let mut at = self.place(tag);
        while let Some(entry) = Entry::unpack(self.entries[at]) {
            if entry.tag == tag && wanted(entry) {
                return Some((at, entry));
            }
            at = self.behind(at);
        }
        None
    }

    #[inline]
    fn hit(&self, entry: Entry) -> Hit<'_> {
        match entry.row & GROUP {
            0 => Hit::One(entry.row),
            _ => Hit::Many(&self.groups[(entry.row ^ GROUP) as usize]),
        }
    }

    /// The rows of the key of which `same` is true; `same` is asked about one row of a key only.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut same: impl FnMut(u32) -> bool) -> Hit<'_> {
        let found = self.search(tag(hash), |entry| same(self.hit(entry).first()));
        found.map_or(Hit::None, |(_, entry)| self.hit(entry))
    }

    /// For each of at most [`STRIP`] keys what an entry with its hash holds, or [`NO_ROW`]: most likely the one
    /// that [`find`](Self::find) would find. Afterwards the entries are in the cache.
    #[inline]
    fn likely_entries(&self, hashes: &[u64]) -> [u32; STRIP] {
        let mut rows = [NO_ROW; STRIP];
        if self.entries.is_empty() {
            return rows;
        }
        let mut next = 0;
        // Without any branch that waits for memory: so all wait at the same time. A key mostly stands in one
        // of the first places.
        const PLACES: usize = 4;
        for (row, &hash) in rows.iter_mut().zip(hashes) {
            let tag = tag(hash);
            let at = self.place(tag);
            let first = self.entries.get(at..).and_then(<[u64]>::first_chunk);
            let first: [u64; PLACES] = first.copied().unwrap_or_default();
            // A search goes on in the next line of the cache as often as not.
            next ^= self.entries.get(at + 8).copied().unwrap_or(0);
            let found = first.iter().rev().fold(0, |found, &entry| {
                let is_its = (entry >> 32) as u32 == tag;
                if is_its { entry } else { found }
            });
            *row = (found as u32).wrapping_sub(1);
        }
        std::hint::black_box(next);
        rows
    }

    /// For each of at most [`STRIP`] keys a row whose key has this hash, or [`NO_ROW`]: most likely the row
    /// that [`find`](Self::find) would find. Afterwards the entries are in the cache.
    #[inline]
    pub(crate) fn likely(&self, hashes: &[u64]) -> [u32; STRIP] {
        self.first_rows(self.likely_entries(hashes))
    }

    /// What entries hold, with the least row in place of a group.
    #[inline]
    fn first_rows(&self, mut rows: [u32; STRIP]) -> [u32; STRIP] {
        if !self.groups.is_empty() {
            for row in rows.iter_mut().filter(|row| **row != NO_ROW) {
                *row = self.hit(Entry { tag: 0, row: *row }).first();
            }
        }
        rows
    }

    /// Finds many keys: `same(i, place)` says whether key `i` is that of the row at `place`, and `found` is
    /// told of each key in order. Keys for which `skip` is true are told as [`Hit::None`] unsought. `place` says
    /// where a row's key stands, and `touch` reads something of the keys there, since they will be compared soon.
    pub(crate) fn find_each<P: Copy>(
        &self,
        hashes: &[u64],
        skip: impl Fn(usize) -> bool,
        place: impl Fn(u32) -> P,
        touch: impl Fn(&[Option<P>]),
        same: impl Fn(usize, P) -> bool,
        mut found: impl FnMut(usize, Hit<'_>),
    ) {
        for (strip, hashes) in hashes.chunks(STRIP).enumerate() {
            // Each step for the whole strip, so that what it waits for comes at the same time.
            let entries = self.likely_entries(hashes);
            let places = self
                .first_rows(entries)
                .map(|row| (row != NO_ROW).then(|| place(row)));
            touch(&places);
            for (i, ((&hash, row), at)) in hashes.iter().zip(entries).zip(places).enumerate() {
                let i = strip * STRIP + i;
                let hit = match at {
                    _ if skip(i) => Hit::None,
                    Some(at) if same(i, at) => self.hit(Entry { tag: 0, row }),
                    _ => self.find(hash, |row| same(i, place(row))),
                };
                found(i, hit);
            }
        }
    }

    /// Adds a row whose key no row has.
    #[inline]
    pub(crate) fn insert_new(&mut self, hash: u64, row: u32) {
        self.used += 1;
        if room(self.used) > self.entries.len() {
            self.resize(room(self.used + self.used / 2 + 8));
        }
        self.put(Entry {
            tag: tag(hash),
            row,
        });
    }

    /// Adds a row that is not there; `same` as in [`find`](Self::find).
    pub(crate) fn insert(&mut self, hash: u64, row: u32, mut same: impl FnMut(u32) -> bool) {
        let found = self.search(tag(hash), |entry| same(self.hit(entry).first()));
        let Some((at, entry)) = found else {
            return self.insert_new(hash, row);
        };
        if entry.row & GROUP != 0 {
            self.groups[(entry.row ^ GROUP) as usize].insert(row);
            return;
        }
        let rows = BTreeSet::from([entry.row, row]);
        let group = self.unused_groups.pop().unwrap_or(self.groups.len() as u32);
        let tag = entry.tag;
        self.entries[at] = Entry {
            tag,
            row: group | GROUP,
        }
        .pack();
        match self.groups.get_mut(group as usize) {
            Some(unused) => *unused = rows,
            None => self.groups.push(rows),
        }
    }

    /// Removes a row of this hash, if it is there.
    pub(crate) fn remove(&mut self, hash: u64, row: u32) {
        let holds = |entry: Entry| match self.hit(entry) {
            Hit::Many(rows) => rows.contains(&row),
            hit => hit.first() == row,
        };
        let Some((at, Entry { tag, row: held })) = self.search(tag(hash), holds) else {
            return;
        };
        if held & GROUP == 0 {
            self.used -= 1;
            return self.close_gap(at);
        }
        let group = held ^ GROUP;
        let rows = &mut self.groups[group as usize];
        rows.remove(&row);
        if let (1, Some(&only)) = (rows.len(), rows.first()) {
            rows.clear();
            self.entries[at] = Entry { tag, row: only }.pack();
            self.unused_groups.push(group);
        }
    }

    /// Empties a place, and moves entries behind it nearer to their own places.
    fn close_gap(&mut self, mut gap: usize) {
        let len = self.entries.len();
        let mut at = self.behind(gap);
        while let Some(entry) = Entry::unpack(self.entries[at]) {
            // How far it stands behind its own place, and how far behind the gap.
            let from_place = (at + len - self.place(entry.tag)) % len;
            let from_gap = (at + len - gap) % len;
            if from_place >= from_gap {
                self.entries[gap] = self.entries[at];
                gap = at;
            }
            at = self.behind(at);
        }
        self.entries[gap] = 0;
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
                |row| row,
                |_| (),
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
    fn a_key_takes_eleven_to_sixteen_bytes() {
        let mut table = KeyTable::new();
        for row in 0..100_000 {
            table.insert_new(u64::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15), row);
            assert!(table.memory_bytes() <= u64::from(row) * 16 + 200);
        }
        table.shrink();
        // Fewer would mean that more than three quarters of the places are taken.
        let bytes = table.memory_bytes();
        assert!((1_066_666..100_000 * 11).contains(&bytes), "{bytes}");
    }

    #[test]
    fn what_is_known_to_come_makes_a_table_grow_once() {
        let mut table = KeyTable::with_room_for(1000);
        let bytes = table.memory_bytes();
        (0..1000).for_each(|row| table.insert_new(u64::from(row), row));
        assert_eq!(table.memory_bytes(), bytes);
    }

    #[test]
    fn a_table_that_is_never_full_does_not_grow_however_often_its_keys_change() {
        let mut table = KeyTable::new();
        for key in 0..10_000 {
            table.insert_new(key, 7);
            table.remove(key, 7);
        }
        assert!(table.memory_bytes() < 1000, "{}", table.memory_bytes());
    }

    #[test]
    fn a_key_of_many_rows_counts_with_each_of_them() {
        let mut table = KeyTable::new();
        (0..1000).for_each(|row| table.insert(1, row, |_| true));
        let bytes = table.memory_bytes();
        assert!((8000..10_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn keys_that_collide_in_one_table_do_not_in_the_next() {
        assert_ne!(KeyTable::new().seed(), KeyTable::new().seed());
    }

    #[test]
    fn a_guess_is_nearly_always_right() {
        let mut table = KeyTable::new();
        let hash = |row: u32| u64::from(row).wrapping_mul(0x1234_5678_9abc_def1);
        (0..1000).for_each(|row| table.insert_new(hash(row), row));
        let rows: Vec<u32> = (0..1000).collect();
        let right = rows.chunks(STRIP).map(|rows| {
            let hashes: Vec<u64> = rows.iter().map(|&row| hash(row)).collect();
            let likely = table.likely(&hashes);
            rows.iter()
                .zip(likely)
                .filter(|&(&row, likely)| row == likely)
                .count()
        });
        assert!(right.sum::<usize>() > 900);
    }
}
