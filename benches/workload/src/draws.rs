//! Random numbers that depend on nothing but a seed, a stream and a row.

/// What a draw is for. Each purpose has its own numbers, so that one more draw for a note does not
/// move the keys.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    UsageKey = 1,
    Account = 2,
    UpdateKey = 3,
    Update = 4,
    Usage = 5,
    AccountId = 7,
    ProposedId = 8,
}

/// The draws for one row: `SplitMix64`, started anew for each row, so that any row can be made
/// without those before it.
#[derive(Debug)]
pub(crate) struct Draws(u64);

/// 2^64 divided by the golden ratio: the step of `SplitMix64`.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Draws {
    pub(crate) fn new(seed: u64, stream: Stream, row: u64) -> Self {
        Draws(mix(
            seed ^ mix((stream as u64).wrapping_mul(STEP) ^ mix(row))
        ))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number from 0 up to `bound`, without it.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Whether a one-in-`n` chance came true.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of the items.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// A number from 0 up to 1, without it.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Spreads every bit of the input over the output: the finalizer of `SplitMix64`.
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
