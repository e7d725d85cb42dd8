//! What a source gives, before it is mapped: records that are not wanted are left out, and deletes come apart from the rest.

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};

use crate::Result;
use crate::dataset::BatchStream;
use crate::record::{Batch, RowOp};

use super::incremental::{Admission, Seen};

/// Rows that go on together.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) batch: Batch,
    /// Whether all of them are deletes, or none is.
    pub(super) deletes: bool,
    /// What an incremental job saw in the batch that this is the first piece of.
    pub(super) seen: Option<Seen>,
}

/// The batches in order, through the admission if there is one.
pub(super) fn admitted(
    batches: BatchStream,
    mut admission: Option<Admission>,
) -> BoxStream<'static, Result<Admitted>> {
    let admit = move |batch: Result<Batch>| {
        let admitted = batch.and_then(|batch| match &mut admission {
            Some(admission) => admission
                .admit(batch)
                .map(|(batch, seen)| (batch, Some(seen))),
            None => Ok((batch, None)),
        });
        match admitted.and_then(|(batch, seen)| pieces(batch, seen)) {
            Ok(pieces) => stream::iter(pieces.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(error) => stream::iter(vec![Err(error)]),
        }
    };
    batches.flat_map(admit).boxed()
}

/// Cuts a batch where deletes begin or end. Its cursor is behind the last piece.
fn pieces(mut batch: Batch, seen: Option<Seen>) -> Result<Vec<Admitted>> {
    let ops = batch.ops.take().unwrap_or_default();
    let is_delete = |row: usize| ops.get(row) == Some(&RowOp::Delete);
    let rows = batch.len();
    let cuts = (1..rows).filter(|&row| is_delete(row) != is_delete(row - 1));
    let mut starts: Vec<usize> = [0].into_iter().chain(cuts).collect();
    if let [only] = starts.as_slice() {
        let deletes = is_delete(*only);
        return Ok(vec![Admitted {
            batch,
            deletes,
            seen,
        }]);
    }
    starts.push(rows);
    let (rejects, resume) = (std::mem::take(&mut batch.rejects), batch.resume.take());
    let bytes = std::mem::take(&mut batch.bytes_read);
    let mut pieces = Vec::with_capacity(starts.len());
    for (&start, &end) in starts.iter().zip(starts.iter().skip(1)) {
        let rows: Vec<u32> = (start as u32..end as u32).collect();
        pieces.push(Admitted {
            batch: batch.clone().take(&rows)?,
            deletes: is_delete(start),
            seen: None,
        });
    }
    if let Some(first) = pieces.first_mut() {
        first.batch.rejects = rejects;
        first.batch.bytes_read = bytes;
        first.seen = seen;
    }
    if let Some(last) = pieces.last_mut() {
        last.batch.resume = resume;
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;
    use crate::record::{Cursor, RowsAsRead};

    #[test]
    fn deletes_come_apart_in_order() {
        let pieces_of = |ops: &str| {
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ops.len() as i64));
            let records = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
            let origins = RowsAsRead::new("rows", 0, records.clone()).into_origins();
            let mut batch = Batch::new(records, origins).with_resume(Cursor::new("end"));
            batch.bytes_read = 7;
            let op = |op: char| match op {
                'd' => RowOp::Delete,
                _ => RowOp::Upsert,
            };
            batch.ops = Some(ops.chars().map(op).collect());
            let pieces = pieces(batch, Some(Seen::default())).unwrap();
            assert!(
                pieces
                    .iter()
                    .rev()
                    .skip(1)
                    .all(|piece| piece.batch.resume.is_none())
            );
            assert!(pieces.last().unwrap().batch.resume.is_some());
            assert_eq!(
                pieces
                    .iter()
                    .map(|piece| piece.batch.bytes_read)
                    .sum::<u64>(),
                7
            );
            assert_eq!(
                pieces.iter().filter(|piece| piece.seen.is_some()).count(),
                1
            );
            let shape = |piece: &Admitted| {
                assert!(piece.batch.ops.is_none());
                let first = piece.batch.origins.sequence(0);
                (first, piece.batch.len(), piece.deletes)
            };
            pieces.iter().map(shape).collect::<Vec<_>>()
        };
        assert_eq!(pieces_of("uuu"), [(0, 3, false)]);
        assert_eq!(pieces_of("dd"), [(0, 2, true)]);
        assert_eq!(
            pieces_of("uddu"),
            [(0, 1, false), (1, 2, true), (3, 1, false)]
        );
    }
}
