//! Which bytes of a stretch matter, 64 at a time.

/// The bytes that a format chooses, all ASCII; `\n` and `\r` always matter too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) delimiter: u8,
    /// In a format without quotes the delimiter again, whose meaning goes first.
    pub(super) quote: u8,
    /// Takes the meaning from the byte behind it.
    pub(super) escape: Option<u8>,
    /// Begins lines that are no records. It matters nowhere else, and has no bit in a mask.
    pub(super) comment: Option<u8>,
}

impl Marks {
    /// Whether there is more to look for than delimiters, quotes and line ends.
    pub(super) fn has_extra(self) -> bool {
        self.escape.is_some() || self.comment.is_some()
    }

    /// Bit `i` is set if byte `i` matters. `EXTRA`: the escape is looked for, if there is one.
    ///
    /// Safe code cannot ask for a SIMD instruction at our lowest toolchain, so this is written for the
    /// vectoriser: the comparisons are one pass over bytes, and each eight answers (0 or 1) are
    /// gathered by a multiplication that moves byte `i` of a word to bit `56 + i`.
    #[inline(always)]
    pub(super) fn of<const EXTRA: bool>(self, bytes: &[u8; 64]) -> u64 {
        let escape = self.escape.unwrap_or(self.delimiter);
        let mut hits = [0u8; 64];
        for (hit, &byte) in hits.iter_mut().zip(bytes) {
            *hit = u8::from(byte == self.delimiter)
                | u8::from(byte == self.quote)
                | u8::from(byte == b'\n')
                | u8::from(byte == b'\r')
                | u8::from(EXTRA && byte == escape);
        }
        let mut mask = 0;
        for (i, word) in hits.chunks_exact(8).enumerate() {
            let word = word.first_chunk().copied().unwrap_or_default();
            let gathered = u64::from_le_bytes(word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            mask |= gathered << (8 * i);
        }
        mask
    }

    /// The same for fewer than 64 bytes.
    #[inline(never)]
    pub(super) fn of_tail<const EXTRA: bool>(self, bytes: &[u8]) -> u64 {
        // Nothing that matters has the high bit.
        let mut padded = [0x80; 64];
        for (to, &from) in padded.iter_mut().zip(bytes) {
            *to = from;
        }
        self.of::<EXTRA>(&padded)
    }
}
