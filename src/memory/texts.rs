//! Which text buffers are worth holding.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringViewArray};
use arrow_buffer::Buffer;

/// Decides for each text column that is stored whether to copy its texts out of their buffers.
///
/// A text array keeps alive whatever its views point into, maybe whole blocks of a file of which it uses a
/// tenth; then its texts are copied. But buffers that keep coming belong to something that lives on anyway,
/// such as the index of a lookup, and holding them costs nothing: once a buffer has come with
/// [`LONG_LIVED`] rows on end it is taken as it is. (A block of a file ends long before that.)
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    /// For each buffer of the last batch, by address: with how many rows it has come so far.
    seen: HashMap<usize, usize>,
}

const LONG_LIVED: usize = 128 * 1024;

/// Waste below this is not worth a copy.
const SLACK: usize = 4096;

/// An array of more buffers than this is copied into one: looking after them costs more.
const MANY: usize = 64;

impl Texts {
    /// The columns of a batch as they should be stored.
    pub(super) fn keep(&mut self, columns: &mut [ArrayRef]) {
        let mut seen = HashMap::new();
        for column in columns {
            let Some(texts) = column.as_string_view_opt() else {
                continue;
            };
            let buffers = texts.data_buffers();
            if buffers.is_empty() {
                continue;
            }
            let mut pinned = 0;
            for buffer in buffers {
                let address = buffer.data_ptr().as_ptr() as usize;
                let rows = self.seen.get(&address).copied().unwrap_or(0);
                if rows < LONG_LIVED {
                    pinned += buffer.capacity();
                }
                seen.insert(address, rows + texts.len());
            }
            if pinned > 0 && (pinned > 2 * own_bytes(texts, &seen) + SLACK || buffers.len() > MANY)
            {
                *column = Arc::new(texts.gc());
            }
        }
        self.seen = seen;
    }
}

/// Bytes of the texts that do not stand in buffers known to live long.
fn own_bytes(texts: &StringViewArray, seen: &HashMap<usize, usize>) -> usize {
    let own = |buffer: &Buffer| {
        let address = buffer.data_ptr().as_ptr() as usize;
        seen.get(&address)
            .is_none_or(|&rows| rows < LONG_LIVED + texts.len())
    };
    let own: Vec<bool> = texts.data_buffers().iter().map(own).collect();
    let used = texts.views().iter().map(|&view| {
        let (length, buffer) = (view as u32 as usize, (view >> 64) as u32 as usize);
        let counts = length > 12 && own.get(buffer).copied().unwrap_or(false);
        if counts { length } else { 0 }
    });
    used.sum()
}

/// The same texts in one buffer of their own, if they are spread over many.
pub(super) fn gathered(column: ArrayRef) -> ArrayRef {
    match column.as_string_view_opt() {
        Some(texts) if texts.data_buffers().len() > MANY => Arc::new(texts.gc()),
        _ => column,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn block(rows: usize) -> StringViewArray {
        let texts = (0..rows).map(|i| format!("a text that is no view, {i:08}"));
        StringViewArray::from_iter_values(texts).gc()
    }

    fn keep(texts: &mut Texts, array: StringViewArray) -> StringViewArray {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(array)];
        texts.keep(&mut columns);
        columns[0].as_string_view().clone()
    }

    fn same_buffer(a: &StringViewArray, b: &StringViewArray) -> bool {
        a.data_buffers()[0].data_ptr() == b.data_buffers()[0].data_ptr()
    }

    #[test]
    fn a_mostly_unused_block_is_let_go_and_a_used_one_is_not_copied() {
        let mut texts = Texts::default();
        let whole = block(8192);
        assert!(same_buffer(&keep(&mut texts, whole.clone()), &whole));
        let few = block(8192).slice(100, 50);
        let kept = keep(&mut texts, few.clone());
        assert!(!same_buffer(&kept, &few));
        assert_eq!(kept, few);
    }

    #[test]
    fn a_buffer_that_keeps_coming_is_taken_as_it_is() {
        let mut texts = Texts::default();
        let lookup = block(100_000);
        let batches = LONG_LIVED / 8192;
        for _ in 0..batches {
            assert!(!same_buffer(
                &keep(&mut texts, lookup.slice(0, 8192)),
                &lookup
            ));
        }
        assert!(same_buffer(
            &keep(&mut texts, lookup.slice(8192, 8192)),
            &lookup
        ));
    }
}
