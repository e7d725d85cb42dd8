//! Generated identities.

use std::hash::Hasher;

use crate::host::{Entropy, SplitMix};

/// Makes ids in a row: `1P`, two characters for the object, and 32 out of `0-9A-Z`.
///
/// All randomness is drawn at the beginning, so the n-th id is the same for any batch size. That an id is
/// free is for the caller to see: ids repeat where the entropy does.
#[derive(Debug, Clone)]
pub(super) struct Ids {
    prefix: [u8; 4],
    seeds: [u64; 2],
    next: u64,
}

pub(super) const ID_LENGTH: usize = 36;

const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

impl Ids {
    /// Ids for records of `object`.
    pub(super) fn new(object: &str, entropy: &dyn Entropy) -> Self {
        let mut words = [0u8; 16];
        entropy.fill(&mut words);
        let [a, b] = [0, 8].map(|at| {
            let mut word = [0; 8];
            word.copy_from_slice(&words[at..at + 8]);
            u64::from_le_bytes(word)
        });
        Self::seeded(object, a, b)
    }

    /// Ids that follow from the object's name alone, for records that were there before any run.
    pub(super) fn of_preload(object: &str) -> Self {
        Self::seeded(object, hash(object, 1), hash(object, 2))
    }

    fn seeded(object: &str, a: u64, b: u64) -> Self {
        let name = hash(object, 0) as usize;
        Ids {
            prefix: [b'1', b'P', DIGITS[name % 36], DIGITS[name / 36 % 36]],
            seeds: [a, b],
            next: 0,
        }
    }

    /// Begins with the n-th id.
    #[must_use]
    pub(super) fn from(mut self, n: u64) -> Self {
        self.next = n;
        self
    }

    /// The number of the next id.
    pub(super) fn position(&self) -> u64 {
        self.next
    }

    /// The next id.
    pub(super) fn next(&mut self) -> [u8; ID_LENGTH] {
        let mut words = [
            SplitMix::new(self.seeds[0] ^ self.next),
            SplitMix::new(self.seeds[1].wrapping_add(self.next)),
        ];
        self.next += 1;
        let mut id = [0; ID_LENGTH];
        let (prefix, rest) = id.split_at_mut(4);
        prefix.copy_from_slice(&self.prefix);
        // A word holds twelve such characters and a bit more.
        for part in rest.chunks_mut(11) {
            let mut word = words[0].next() ^ words[1].next();
            for character in part {
                *character = DIGITS[(word % 36) as usize];
                word /= 36;
            }
        }
        id
    }
}

fn hash(object: &str, seed: u64) -> u64 {
    let shared = foldhash::SharedSeed::global_fixed();
    let mut hasher = foldhash::fast::FoldHasher::with_seed(seed, shared);
    hasher.write(object.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::host::SeededEntropy;
    use crate::record::{FieldType, parse};

    #[test]
    fn ids_are_valid_distinct_and_repeatable() {
        let draw = || {
            let mut ids = Ids::new("account", &SeededEntropy::new(5));
            (0..1000)
                .map(|_| String::from_utf8(ids.next().to_vec()).unwrap())
                .collect::<Vec<_>>()
        };
        let ids = draw();
        assert_eq!(ids, draw());
        assert!(
            ids.iter()
                .all(|id| parse::is_textual(&FieldType::Id, id) && id[..4] == ids[0][..4])
        );
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 1000);
    }
}
