//! What the machine needs for the same bytes, whatever program runs: nothing can be faster than these.

use crate::Work;
use crate::data::draws;
use crate::file;

/// A copy of the file, from memory to memory.
pub(crate) fn copy_file(rows: usize) -> Work {
    copy(rows, file::bytes(rows).to_vec())
}

/// The file is read once: a sum of its words.
pub(crate) fn sum_file(rows: usize) -> Work {
    let bytes = file::bytes(rows);
    Work::new(rows, bytes.len(), move || {
        let mut sum = 1u64;
        // What is left over at the end, less than a word, is passed over.
        for word in bytes.chunks_exact(8) {
            sum = sum.wrapping_add(u64::from_le_bytes(word.try_into().unwrap()));
        }
        sum
    })
}

/// A copy of a column of 16 bytes a row, as texts and decimals have.
pub(crate) fn copy_column(rows: usize) -> Work {
    copy(rows, vec![7; rows * 16])
}

fn copy(rows: usize, bytes: Vec<u8>) -> Work {
    let mut to = vec![0u8; bytes.len()];
    Work::new(rows, bytes.len(), move || {
        to.copy_from_slice(&bytes);
        std::hint::black_box(&to);
        to.len() as u64
    })
}

/// A read for each row, in no order, of a table with an entry of eight bytes for each row. The reads do not
/// wait for one another.
pub(crate) fn reads(rows: usize) -> Work {
    let table: Vec<u64> = (1..=rows as u64).collect();
    let places: Vec<u32> = draws(rows, rows).map(|place| place as u32).collect();
    Work::new(rows, rows * 8, move || {
        let mut sum = 0u64;
        for &place in &places {
            sum = sum.wrapping_add(table[place as usize]);
        }
        sum
    })
}

/// A write for each row, in no order, to such a table.
pub(crate) fn writes(rows: usize) -> Work {
    let mut table = vec![0u64; rows];
    let places: Vec<u32> = draws(rows, rows).map(|place| place as u32).collect();
    Work::new(rows, rows * 8, move || {
        for (&place, row) in places.iter().zip(1..) {
            table[place as usize] = row;
        }
        std::hint::black_box(&table);
        table[places[0] as usize]
    })
}
