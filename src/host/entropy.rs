//! Randomness.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The only source of randomness: generated ids are drawn from it, and what nobody may guess when a person is asked to
/// [authorize](crate::authorization::OAuth::begin) a connection.
pub trait Entropy: fmt::Debug + Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// 128 bits of chance, as text: what nobody else has drawn.
pub(crate) fn unique(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    format!("{:032x}", u128::from_le_bytes(bytes))
}

/// So many of these bytes at most, as text: a short name for what was hashed.
pub(crate) fn hex(bytes: &[u8], most: usize) -> String {
    let text = |byte: &u8| format!("{byte:02x}");
    bytes.iter().take(most).map(text).collect()
}

/// Randomness of the operating system: good for ids and for secrets.
///
/// # Panics
/// Where the operating system has none to give, which no ordinary machine comes to: whatever else there is could be guessed, and who
/// guesses a state or a verifier is let in.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        filled(getrandom::getrandom(bytes).is_ok());
    }
}

/// There is no call that could go on without.
#[expect(clippy::panic, reason = "documented, and nothing weaker will do")]
fn filled(done: bool) {
    if !done {
        panic!(
            "the operating system gives no random bytes; let the process call getrandom, or read /dev/urandom"
        );
    }
}

/// Repeatable randomness for tests: the same seed and the same calls give the same bytes.
#[derive(Debug)]
pub struct SeededEntropy(AtomicU64);

impl SeededEntropy {
    /// Begins at `seed`.
    pub fn new(seed: u64) -> Self {
        SeededEntropy(AtomicU64::new(seed))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let state = self.0.fetch_add(SplitMix::STEP, Ordering::Relaxed);
            let word = SplitMix::mix(state.wrapping_add(SplitMix::STEP)).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// The SplitMix64 sequence: small, repeatable, good enough to spread ids.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix(u64);

impl SplitMix {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    pub(crate) fn new(seed: u64) -> Self {
        SplitMix(seed)
    }

    fn mix(mut z: u64) -> u64 {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(Self::STEP);
        Self::mix(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_the_system_are_all_drawn() {
        let draw = || {
            let mut bytes = [0; 64];
            SystemEntropy.fill(&mut bytes);
            bytes
        };
        let (one, other) = (draw(), draw());
        assert_ne!(one, other);
        // Each eighth of it, or a part was left as it was.
        assert!(one.chunks(8).all(|chunk| chunk != [0; 8]));
    }

    #[test]
    #[should_panic(expected = "no random bytes")]
    fn without_random_bytes_nothing_goes_on() {
        filled(false);
    }
}
