//! Versions of rows, of before a batch and of the batch that is being written.

use super::chunks::Chunks;
use super::plan::Source;
use super::table::Index;
use crate::record::key::{KeyColumn, KeyColumns};
use crate::record::touch::touch;
use crate::spec::WriteOn;

/// Versions of before this batch and of this batch, value by value.
pub(super) struct Versions<'a> {
    pub(super) chunks: &'a Chunks,
    pub(super) sources: &'a [Source],
    /// The columns given.
    pub(super) given: Vec<KeyColumn>,
    /// The version that row 0 makes.
    pub(super) base: u32,
    /// For each row the version that its record had before this batch, or the version that made it.
    pub(super) origins: Vec<u32>,
}

impl Versions<'_> {
    /// Where a value stands; `None` if it is null. The id of a record that this batch makes counts as null:
    /// no row can know it yet.
    #[inline]
    pub(super) fn value(&self, version: u32, field: usize) -> Option<(&KeyColumn, usize)> {
        let old = |version| {
            let (columns, row) = self.chunks.keys(version);
            (&columns[field], row)
        };
        let (column, row) = if version < self.base {
            old(version)
        } else {
            let row = (version - self.base) as usize;
            let origin = self.origins[row];
            match self.sources[field] {
                Source::Given {
                    column,
                    on: WriteOn::Always,
                } => (&self.given[column], row),
                Source::Given {
                    on: WriteOn::Update,
                    ..
                } if origin == version => return None,
                Source::Given {
                    column,
                    on: WriteOn::Update,
                } => (&self.given[column], row),
                _ if origin < self.base => old(origin),
                Source::Given { column, .. } => {
                    (&self.given[column], (origin - self.base) as usize)
                }
                _ => return None,
            }
        };
        (!column.is_null(row)).then_some((column, row))
    }

    /// The hash of a version's key; `None` if a part is null.
    pub(super) fn hash(&self, index: &Index, version: u32) -> Option<u64> {
        index
            .fields
            .iter()
            .try_fold(index.table.seed(), |hash, &field| {
                let (column, row) = self.value(version, field)?;
                Some(column.hash_one(row, hash))
            })
    }

    /// Whether two versions have the same key.
    pub(super) fn same(&self, fields: &[usize], a: u32, b: u32) -> bool {
        fields.iter().all(
            |&field| match (self.value(a, field), self.value(b, field)) {
                (Some((x, i)), Some((y, j))) => x.equal(i, y, j),
                (x, y) => x.is_none() && y.is_none(),
            },
        )
    }

    /// Whether a version has the key in `row` of `keys`, which has no null.
    #[inline]
    pub(super) fn has(
        &self,
        fields: &[usize],
        keys: &KeyColumns,
        row: usize,
        version: u32,
    ) -> bool {
        if version < self.base {
            let (columns, at) = self.chunks.keys(version);
            let mut parts = fields.iter().zip(keys.columns());
            return parts.all(|(&field, key)| key.equal(row, &columns[field], at));
        }
        fields.iter().zip(keys.columns()).all(|(&field, key)| {
            (self.value(version, field)).is_some_and(|(column, at)| key.equal(row, column, at))
        })
    }

    /// Reads something of the keys of those versions that were there before this batch, since they will be
    /// compared soon.
    pub(super) fn touch(&self, fields: &[usize], versions: &[u32]) {
        let old = || versions.iter().filter(|&&version| version < self.base);
        for &field in fields {
            touch(old().map(|&version| {
                let (columns, row) = self.chunks.keys(version);
                (&columns[field], row)
            }));
        }
    }
}
