//! Which records a run has written, and by which of its rows.

use std::collections::HashMap;

/// For each slot the sequence of the row of this run that wrote it last: four bytes a slot.
#[derive(Debug, Clone, Default)]
pub(super) struct Touched {
    first: Option<u64>,
    /// Distance from `first`, plus one; 0 for none.
    near: Vec<u32>,
    /// Sequences that are too far away, marked [`FAR`].
    far: HashMap<u32, u64>,
}

const FAR: u32 = u32::MAX;

impl Touched {
    #[inline]
    pub(super) fn get(&self, slot: u32) -> Option<u64> {
        match self.near.get(slot as usize).copied().unwrap_or(0) {
            0 => None,
            FAR => self.far.get(&slot).copied(),
            near => Some(self.first? + u64::from(near - 1)),
        }
    }

    #[inline]
    pub(super) fn set(&mut self, slot: u32, sequence: u64) {
        let first = *self.first.get_or_insert(sequence);
        let near = sequence
            .checked_sub(first)
            .and_then(|far| u32::try_from(far).ok());
        let near = match near {
            Some(near) if near < FAR - 1 => near + 1,
            _ => {
                self.far.insert(slot, sequence);
                FAR
            }
        };
        let slot = slot as usize;
        if slot >= self.near.len() {
            self.near.resize(slot + 1, 0);
        }
        self.near[slot] = near;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far_sequences_are_kept() {
        let mut touched = Touched::default();
        let rows = [
            (3, 1000),
            (0, 1001),
            (5, 999),
            (6, u64::MAX),
            (3, 1000 + u64::from(u32::MAX)),
            (0, 1000),
        ];
        for (slot, sequence) in rows {
            touched.set(slot, sequence);
            assert_eq!(touched.get(slot), Some(sequence));
        }
        assert_eq!([1, 2, 4, 7].map(|slot| touched.get(slot)), [None; 4]);
        assert_eq!(touched.get(5), Some(999));
    }
}
