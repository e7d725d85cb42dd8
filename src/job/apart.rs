//! Keeping rows of one key out of one batch, for writers that do not tell rows of the same run apart.

use std::collections::HashSet;

use arrow_array::ArrayRef;

use crate::record::Batch;
use crate::record::key::KeyColumns;
use crate::{Error, Result};

/// Where to cut a batch so that no piece holds two rows that share an identifier: the end of each
/// piece. Pieces written one after the other are applied in source order, so the last row of a key
/// wins, and a row that is refused replaces nothing.
///
/// Keys are compared by their hashes: two keys that share one cost a cut more, and nothing else.
pub(super) fn cuts(batch: &Batch, identifiers: &[Vec<String>]) -> Result<Vec<usize>> {
    let mut hashes = Vec::with_capacity(identifiers.len());
    for identifier in identifiers {
        let column = |name: &String| batch.records.column_by_name(name).cloned();
        let columns: Option<Vec<ArrayRef>> = identifier.iter().map(column).collect();
        let columns =
            columns.ok_or_else(|| Error::contract("a mapped batch lacks an identifier"))?;
        let mut keys = Vec::with_capacity(batch.len());
        let columns = KeyColumns::new(&columns)?;
        columns.hash(0, &mut keys);
        hashes.push((columns, keys));
    }
    let mut ends = Vec::new();
    let mut seen: HashSet<(usize, u64)> = HashSet::new();
    for row in 0..batch.len() {
        // An identifier with a null among its fields is passed over, so it is shared with no row.
        let given = hashes
            .iter()
            .enumerate()
            .filter(|(_, (columns, _))| !columns.is_null_any(row));
        let keys = given.map(|(i, (_, hashes))| (i, hashes[row]));
        if keys.clone().any(|key| seen.contains(&key)) {
            ends.push(row);
            seen.clear();
        }
        seen.extend(keys);
    }
    ends.push(batch.len());
    Ok(ends)
}
