//! Keeping rows of one key out of one batch, for writers that do not tell rows of the same run apart.

use std::collections::HashSet;

use crate::Result;
use crate::record::Batch;
use crate::record::key::KeyColumns;

/// Where to cut a batch so that no piece holds two rows that share an identifier: the end of each
/// piece. Pieces written one after the other are applied in source order, so the last row of a key
/// wins, and a row that is refused replaces nothing.
///
/// Keys are compared by their hashes: two keys that share one cost a cut more, and nothing else.
pub(super) fn cuts(batch: &Batch, identifiers: &[Vec<String>]) -> Result<Vec<usize>> {
    let mut hashes = Vec::with_capacity(identifiers.len());
    for identifier in identifiers {
        hashes.push(KeyColumns::of(&batch.records, identifier)?.hashes());
    }
    let mut ends = Vec::new();
    let mut seen: HashSet<(usize, u64)> = HashSet::new();
    for row in 0..batch.len() {
        let keys = hashes.iter().enumerate().map(|(i, hashes)| (i, hashes[row]));
        if keys.clone().any(|key| seen.contains(&key)) {
            ends.push(row);
            seen.clear();
        }
        seen.extend(keys);
    }
    ends.push(batch.len());
    Ok(ends)
}
