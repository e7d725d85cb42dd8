//! What can be done with a batch ahead of its turn.

use std::collections::HashSet;
use std::sync::Arc;

use crate::Result;
use crate::host::{Bug, Context};
use crate::mapping::{Mapped, Preparation};
use crate::record::{Batch, RowOp};

use super::admit::Admitted;
use super::bind::Bound;
use super::flight::{Charge, bytes_of};
use super::incremental::Seen;

/// A batch that went through everything that can run ahead.
pub(super) struct Ready {
    pub(super) prepared: Batch,
    pub(super) records: u64,
    pub(super) filtered: u64,
    pub(super) bytes: u64,
    /// One for each destination; empty if rows go through the destinations one by one. `None`: nothing is looked for.
    pub(super) mapped: Vec<Option<Mapped>>,
    /// Whether the rows are deletes of the source.
    pub(super) deletes: bool,
    /// What an incremental job saw.
    pub(super) seen: Option<Seen>,
    /// Held until the batch is written.
    _charge: Charge,
}

pub(super) async fn ready(
    context: Context,
    preparation: Arc<Preparation>,
    mappers: Arc<[Bound]>,
    admitted: Result<(Admitted, Charge)>,
) -> Result<Ready> {
    let (admitted, mut charge) = admitted?;
    let Admitted {
        batch,
        deletes,
        seen,
    } = admitted;
    let skipped = seen.as_ref().map_or(0, Seen::skipped);
    let records = (batch.len() + batch.rejects.len()) as u64 + skipped;
    let bytes = batch.bytes_read;
    let filters = !deletes || Bug::DeletesFiltered.is_on();
    let own: HashSet<u64> = match deletes {
        true => batch
            .rejects
            .iter()
            .map(|reject| reject.position.record)
            .collect(),
        false => HashSet::new(),
    };
    let mut prepared = preparation.apply_if(batch, filters)?;
    if deletes {
        // What the source itself refused it has told by itself.
        let refused = prepared.batch.rejects.iter_mut();
        refused
            .filter(|reject| !own.contains(&reject.position.record))
            .for_each(|reject| reject.op = RowOp::Delete);
    }
    let mut mapped = Vec::with_capacity(mappers.len());
    for mapper in &*mappers {
        mapped.push(mapper.map(&context, &prepared.batch, deletes).await?);
    }
    let rows = mapped
        .iter()
        .flatten()
        .map(|mapped| bytes_of(&mapped.batch.records));
    charge.mapped(rows.sum());
    Ok(Ready {
        prepared: prepared.batch,
        records,
        filtered: prepared.filtered,
        bytes,
        mapped,
        deletes,
        seen,
        _charge: charge,
    })
}
