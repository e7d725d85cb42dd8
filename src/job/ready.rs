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
    charge: Charge,
}

/// The batch, filtered and with its formulas, and not mapped yet.
pub(super) fn prepared(
    preparation: &Preparation,
    admitted: Admitted,
    charge: Charge,
) -> Result<Ready> {
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
    Ok(Ready {
        prepared: prepared.batch,
        records,
        filtered: prepared.filtered,
        bytes,
        mapped: Vec::new(),
        deletes,
        seen,
        charge,
    })
}

impl Ready {
    /// The batch was read before its run may map it.
    pub(super) fn early(mut self) -> Self {
        self.charge.not_mapped_yet();
        self
    }

    /// The same, mapped for each destination.
    pub(super) async fn mapped(
        mut self,
        context: &Context,
        mappers: &Arc<[Bound]>,
    ) -> Result<Self> {
        self.mapped.reserve(mappers.len());
        for mapper in &**mappers {
            let mapped = mapper.map(context, &self.prepared, self.deletes).await?;
            self.mapped.push(mapped);
        }
        let rows = self
            .mapped
            .iter()
            .flatten()
            .map(|mapped| bytes_of(&mapped.batch.records));
        self.charge.mapped(rows.sum());
        Ok(self)
    }
}
