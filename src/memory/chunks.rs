//! Versions of rows in appended batches.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow_schema::SchemaRef;

use super::texts::gathered;
use crate::Result;
use crate::record::Picked;
use crate::record::key::KeyColumn;

/// Versions of rows, numbered in the order they were appended. A version never changes; which version a
/// record has is the table's affair.
///
/// A batch is stored as the arrays it came in. Small batches are joined, so that there are never many
/// chunks; joining keeps the numbers.
#[derive(Debug, Clone)]
pub(super) struct Chunks {
    schema: SchemaRef,
    chunks: Vec<Chunk>,
    /// For every [`PAGE`]-th version the chunk that holds it.
    pages: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Chunk {
    /// The numbers of its first version and of the one behind its last.
    start: u32,
    end: u32,
    columns: Vec<ArrayRef>,
    keys: Vec<KeyColumn>,
}

const PAGE: u32 = 1024;

/// Chunks are joined up to this many rows.
const JOINED: u32 = 4096;

/// No version: where a value is null.
pub(super) const NO_VERSION: u32 = u32::MAX;

impl Chunks {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Chunks {
            schema,
            chunks: Vec::new(),
            pages: Vec::new(),
        }
    }

    /// Number of versions.
    pub(super) fn len(&self) -> u32 {
        self.chunks.last().map_or(0, |chunk| chunk.end)
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The chunk of a version and its row there.
    #[inline]
    fn locate(&self, version: u32) -> (usize, usize) {
        let mut chunk = self.pages[(version / PAGE) as usize] as usize;
        while self.chunks[chunk].end <= version {
            chunk += 1;
        }
        (chunk, (version - self.chunks[chunk].start) as usize)
    }

    /// The typed columns that hold a version, and its row there.
    #[inline]
    pub(super) fn keys(&self, version: u32) -> (&[KeyColumn], usize) {
        let (chunk, row) = self.locate(version);
        (&self.chunks[chunk].keys, row)
    }

    /// Appends the columns of a batch, one for each field; `keys` are the same, typed.
    pub(super) fn append(&mut self, columns: Vec<ArrayRef>, keys: Vec<KeyColumn>) -> Result<()> {
        let start = self.len();
        let rows = columns.first().map_or(0, |column| column.len()) as u32;
        if rows == 0 {
            return Ok(());
        }
        self.push(Chunk {
            start,
            end: start + rows,
            columns,
            keys,
        });
        // As in a binary counter, a row is copied a logarithmic number of times at most.
        while let [.., before, last] = self.chunks.as_slice() {
            let (left, right) = (before.end - before.start, last.end - last.start);
            if left + right > JOINED || left >= 2 * right {
                break;
            }
            let columns = before.columns.iter().zip(&last.columns);
            let columns = columns
                .map(|(a, b)| Ok(gathered(arrow_select::concat::concat(&[a, b])?)))
                .collect::<Result<Vec<_>>>()?;
            let keys = typed(&columns)?;
            let joined = Chunk {
                start: before.start,
                end: last.end,
                columns,
                keys,
            };
            self.chunks.truncate(self.chunks.len() - 2);
            let whole_pages = joined.start.div_ceil(PAGE) as usize;
            self.pages.truncate(whole_pages);
            self.push(joined);
        }
        Ok(())
    }

    fn push(&mut self, chunk: Chunk) {
        let number = self.chunks.len() as u32;
        self.pages.resize(chunk.end.div_ceil(PAGE) as usize, number);
        self.chunks.push(chunk);
    }

    /// The values of a column in these versions; null for [`NO_VERSION`].
    pub(super) fn gather(&self, column: usize, versions: &[u32]) -> Result<ArrayRef> {
        self.gather_with(column, versions, self.len(), None)
    }

    /// The same; versions from `base` on are rows of `more`, or null without it.
    pub(super) fn gather_with(
        &self,
        column: usize,
        versions: &[u32],
        base: u32,
        more: Option<&ArrayRef>,
    ) -> Result<ArrayRef> {
        let data_type = self.schema.field(column).data_type();
        // Only arrays that are used take part: a text array would keep the buffers of all.
        let null = new_null_array(data_type, 1);
        let mut sources: Vec<&dyn Array> = vec![&*null];
        let mut source_of: Vec<usize> = vec![usize::MAX; self.chunks.len()];
        let more = more.filter(|_| versions.iter().any(|&v| v >= base && v != NO_VERSION));
        if let Some(more) = more {
            sources.push(&**more);
        }
        let mut picks = Vec::with_capacity(versions.len());
        for &version in versions {
            picks.push(if version < base {
                let (chunk, row) = self.locate(version);
                if source_of[chunk] == usize::MAX {
                    source_of[chunk] = sources.len();
                    sources.push(&*self.chunks[chunk].columns[column]);
                }
                (source_of[chunk], row)
            } else if version != NO_VERSION && more.is_some() {
                (1, (version - base) as usize)
            } else {
                (0, 0)
            });
        }
        Ok(arrow_select::interleave::interleave(&sources, &picks)?)
    }

    /// These versions, none of which is [`NO_VERSION`], as a batch with all columns.
    pub(super) fn batch(&self, versions: &[u32]) -> Result<RecordBatch> {
        match self.slice(versions) {
            Some(columns) => Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?),
            None => self.picked(versions)?.gather(),
        }
    }

    /// These versions, none of which is [`NO_VERSION`], where they stand.
    pub(super) fn picked(&self, versions: &[u32]) -> Result<Picked> {
        let mut sources = Vec::new();
        let mut source_of: Vec<Option<u32>> = vec![None; self.chunks.len()];
        let mut rows = Vec::with_capacity(versions.len());
        // The next version mostly stands in the same chunk.
        let (mut near, mut source) = (0..0, 0);
        for &version in versions {
            if !near.contains(&version) {
                let (number, _) = self.locate(version);
                let chunk = &self.chunks[number];
                source = match source_of[number] {
                    Some(source) => source,
                    None => {
                        let schema = Arc::clone(&self.schema);
                        sources.push(RecordBatch::try_new(schema, chunk.columns.clone())?);
                        sources.len() as u32 - 1
                    }
                };
                source_of[number] = Some(source);
                near = chunk.start..chunk.end;
            }
            rows.push((source, version - near.start));
        }
        Picked::new(Arc::clone(&self.schema), sources, rows)
    }

    /// Versions that stand together in one chunk, without a copy.
    fn slice(&self, versions: &[u32]) -> Option<Vec<ArrayRef>> {
        let (&first, &last) = (versions.first()?, versions.last()?);
        let together = versions
            .windows(2)
            .all(|pair| pair[0].checked_add(1) == Some(pair[1]));
        if !together || last >= self.len() || self.locate(first).0 != self.locate(last).0 {
            return None;
        }
        let (chunk, row) = self.locate(first);
        let columns = self.chunks[chunk].columns.iter();
        Some(
            columns
                .map(|column| column.slice(row, versions.len()))
                .collect(),
        )
    }
}

/// The columns, each cast to its type.
pub(super) fn typed(columns: &[ArrayRef]) -> Result<Vec<KeyColumn>> {
    columns
        .iter()
        .map(|column| KeyColumn::new(column))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Int64Array, StringViewArray};

    use super::*;
    use crate::record::{Field, FieldType, Schema};

    fn append(chunks: &mut Chunks, rows: u32) {
        let numbers: Vec<i64> = (0..rows).map(|row| i64::from(chunks.len() + row)).collect();
        let texts = numbers.iter().map(|n| format!("a text of some length {n}"));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(StringViewArray::from_iter_values(texts)),
            Arc::new(Int64Array::from(numbers)),
        ];
        let keys = typed(&columns).unwrap();
        chunks.append(columns, keys).unwrap();
    }

    #[test]
    fn joining_keeps_every_number() {
        let fields = vec![
            Field::new("text", FieldType::Text),
            Field::new("n", FieldType::Integer),
        ];
        let mut chunks = Chunks::new(Arc::clone(Schema::new(fields).arrow()));
        let sizes = [
            1, 1, 1, 5, 3000, 1, 9000, 2, 2, 2, 700, 700, 700, 700, 0, 20_000, 1, 1024, 3,
        ];
        for rows in sizes.into_iter().chain([1; 3000]) {
            append(&mut chunks, rows);
        }
        assert_eq!(chunks.len(), sizes.iter().sum::<u32>() + 3000);
        assert!(chunks.chunks.len() < 20, "{}", chunks.chunks.len());
        let all: Vec<u32> = (0..chunks.len()).rev().collect();
        let numbers = chunks.gather(1, &all).unwrap();
        let expected: Vec<i64> = all.iter().map(|&v| i64::from(v)).collect();
        assert_eq!(
            numbers.as_primitive::<Int64Type>().values(),
            expected.as_slice()
        );
        let texts = chunks.gather(0, &[7, NO_VERSION, 35_000]).unwrap();
        let texts: Vec<_> = texts.as_string_view().iter().collect();
        let (a, b) = ("a text of some length 7", "a text of some length 35000");
        assert_eq!(texts, [Some(a), None, Some(b)]);
    }
}
