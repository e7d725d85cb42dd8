//! The text of a strip of rows, made column by column and put together row by row.

/// Cells of some rows, each with what stands behind it, all cells of a column one after the other.
///
/// A column is of one type, so its cells are made in a short loop without a question that has several
/// answers; and what its texts wait for in memory comes at the same time.
#[derive(Debug, Default)]
pub(super) struct Strip {
    pub(super) text: Vec<u8>,
    /// Where each cell begins in `text`, and where it ends.
    cells: Vec<(usize, usize)>,
}

/// Rows in a strip: their values come from memory in runs that are worth reading ahead, and their text still fits
/// the cache of a core.
pub(super) const ROWS: usize = 256;

/// Up to this many bytes are copied at a fixed length, which costs less than a call that copies just those.
const SHORT: usize = 48;

impl Strip {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
    }

    /// The cell that was appended to `text` is complete but for `behind`.
    #[inline]
    pub(super) fn end_cell(&mut self, behind: u8) {
        let begin = self.cells.last().map_or(0, |&(_, end)| end);
        self.text.push(behind);
        self.cells.push((begin, self.text.len()));
    }

    /// Appends the cells of `rows` rows, row by row.
    pub(super) fn append_to(&mut self, rows: usize, out: &mut Vec<u8>) {
        out.reserve(self.text.len() + SHORT);
        self.text.extend_from_slice(&[0; SHORT]);
        for row in 0..rows {
            let cells = self.cells.get(row..).unwrap_or_default();
            for &(begin, end) in cells.iter().step_by(rows) {
                let length = end - begin;
                let rest = self.text.get(begin..).unwrap_or_default();
                match rest.first_chunk::<SHORT>() {
                    Some(whole) if length <= SHORT => {
                        let end = out.len() + length;
                        out.extend_from_slice(whole);
                        out.truncate(end);
                    }
                    _ => out.extend_from_slice(rest.get(..length).unwrap_or_default()),
                }
            }
        }
    }
}
