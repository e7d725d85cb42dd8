//! Which bytes of a stretch matter, 64 at a time.

use wide::u8x16;

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

    /// Where the marks are. `EXTRA`: the escape is looked for, if there is one.
    #[inline(always)]
    pub(super) fn of<const EXTRA: bool>(self, bytes: &[u8; 64]) -> Masks {
        let escape = self.escape.unwrap_or(self.delimiter);
        let mut found = Masks::default();
        for (i, lane) in bytes.chunks_exact(16).enumerate() {
            let lane = u8x16::from(lane.first_chunk().copied().unwrap_or_default());
            let equal = |byte: u8| lane.cmp_eq(u8x16::splat(byte));
            let bits = |lane: u8x16| (lane.move_mask() as u64) << (16 * i);
            found.delimiters |= bits(equal(self.delimiter));
            found.quotes |= bits(equal(self.quote));
            found.line_ends |= bits(equal(b'\n') | equal(b'\r'));
            if EXTRA {
                found.escapes |= bits(equal(escape));
            }
        }
        // What stands for no quote at all is the delimiter.
        found.quotes &= !found.delimiters;
        found
    }

    /// The same for fewer than 64 bytes.
    #[inline(never)]
    pub(super) fn of_tail<const EXTRA: bool>(self, bytes: &[u8]) -> Masks {
        // Nothing that matters has the high bit.
        let mut padded = [0x80; 64];
        for (to, &from) in padded.iter_mut().zip(bytes) {
            *to = from;
        }
        self.of::<EXTRA>(&padded)
    }
}

/// Bit `i` is set if byte `i` is such a mark.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) delimiters: u64,
    pub(super) quotes: u64,
    pub(super) line_ends: u64,
    pub(super) escapes: u64,
}

impl Masks {
    #[inline(always)]
    pub(super) fn all(self) -> u64 {
        self.delimiters | self.quotes | self.line_ends | self.escapes
    }
}
