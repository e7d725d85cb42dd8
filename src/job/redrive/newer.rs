//! Destinations that no older record gets into.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{Array as _, ArrayRef, BooleanArray};
use async_trait::async_trait;

use crate::connection::{Catalog, Connection, ConnectionInfo};
use crate::dataset::Dataset;
use crate::destination::{
    CommitReport, CommitRequest, Destination, DestinationInfo, OpenRequest, Opened, Patch,
    RowOutcome, WriteReport, Writer,
};
use crate::host::Context;
use crate::lookup::{Lookup, LookupKeys, LookupRequest, Match};
use crate::record::{Batch, Schema};
use crate::{Error, Result};

/// The numbers of records that were passed over.
#[derive(Debug, Default)]
pub(super) struct PassedOver {
    /// There were newer ones.
    pub(super) stale: HashSet<u64>,
    /// There is one, and how new it is nobody knows.
    pub(super) unknown: HashSet<u64>,
}

pub(super) type Passed = Arc<Mutex<PassedOver>>;

/// A connection whose writers skip a row if the object has a record of its identifiers with a greater value in a field.
#[derive(Debug)]
pub(super) struct Newer {
    connection: Arc<dyn Connection>,
    /// The object's field that tells how new a record is.
    field: String,
    passed: Passed,
}

impl Newer {
    pub(super) fn new(
        connection: Arc<dyn Connection>,
        field: impl Into<String>,
        passed: Passed,
    ) -> Self {
        Newer {
            connection,
            field: field.into(),
            passed,
        }
    }
}

#[async_trait]
impl Connection for Newer {
    fn info(&self) -> &ConnectionInfo {
        self.connection.info()
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        self.connection.discover(context).await
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        self.connection.dataset(context, object).await
    }

    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        Ok(Arc::new(Guarded {
            destination: self.connection.destination(context, object).await?,
            connection: Arc::clone(&self.connection),
            object: object.to_owned(),
            field: self.field.clone(),
            passed: Arc::clone(&self.passed),
        }))
    }

    async fn lookup(&self, context: &Context, request: LookupRequest) -> Result<Arc<dyn Lookup>> {
        self.connection.lookup(context, request).await
    }
}

#[derive(Debug)]
struct Guarded {
    destination: Arc<dyn Destination>,
    connection: Arc<dyn Connection>,
    object: String,
    field: String,
    passed: Passed,
}

#[async_trait]
impl Destination for Guarded {
    fn info(&self) -> &DestinationInfo {
        self.destination.info()
    }

    fn schema(&self) -> &Schema {
        self.destination.schema()
    }

    /// The object is looked at as it is now: whatever the run itself writes comes in the order of the field.
    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
        let place = |name: &String| request.fields.iter().position(|field| field.name == *name);
        let missing = || Error::contract("a redrive compares by fields that are not written");
        let version = place(&self.field).ok_or_else(missing)?;
        let mut lookups = Vec::new();
        for identifier in request.mode.identifiers() {
            let columns: Option<Vec<usize>> = identifier.iter().map(place).collect();
            let asked = LookupRequest::new(&self.object, identifier.clone(), &self.field);
            let lookup = self.connection.lookup(context, asked).await?;
            lookups.push((columns.ok_or_else(missing)?, lookup));
        }
        let opened = self.destination.open(context, request).await?;
        let writer = Box::new(Guard {
            writer: opened.writer,
            lookups,
            version,
            passed: Arc::clone(&self.passed),
        });
        Ok(Opened::new(writer).with_checkpoint(opened.checkpoint))
    }
}

#[derive(Debug)]
struct Guard {
    writer: Box<dyn Writer>,
    lookups: Vec<(Vec<usize>, Arc<dyn Lookup>)>,
    version: usize,
    passed: Passed,
}

/// For each identifier the places of its fields, and what finds the value in the field by them.
type Lookups = [(Vec<usize>, Arc<dyn Lookup>)];

/// What there is for a row already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum There {
    /// Nothing, or something older, or the same.
    Older,
    Newer,
    Unknown,
}

/// What there is for each row, whose version is in the column of this place.
async fn look(
    context: &Context,
    lookups: &Lookups,
    version: usize,
    batch: &Batch,
) -> Result<Vec<There>> {
    let column = |at: usize| -> Result<ArrayRef> {
        let column = batch.records.columns().get(at).cloned();
        column.ok_or_else(|| Error::contract("a batch lacks a field that is written"))
    };
    let own = column(version)?;
    let mut all = vec![There::Older; batch.len()];
    for (places, lookup) in lookups {
        let keys = places
            .iter()
            .map(|at| column(*at))
            .collect::<Result<Vec<_>>>()?;
        let matches = lookup.resolve(context, LookupKeys::new(keys)).await?;
        let older = arrow_ord::cmp::lt(&own, &matches.values)?;
        for (row, (there, found)) in all.iter_mut().zip(&matches.found).enumerate() {
            // Of several records the writer refuses to choose one.
            if *found != Match::One {
                continue;
            }
            if older.is_null(row) {
                *there = There::Unknown;
            } else if older.value(row) && *there == There::Older {
                *there = There::Newer;
            }
        }
    }
    Ok(all)
}

#[async_trait]
impl Writer for Guard {
    async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport> {
        let there = look(context, &self.lookups, self.version, &batch).await?;
        let fresh = there.iter().map(|there| Some(*there == There::Older));
        let fresh: BooleanArray = fresh.collect();
        if fresh.true_count() == batch.len() {
            return self.writer.write(context, batch).await;
        }
        let rows: Vec<u32> = (0..batch.len() as u32)
            .filter(|row| fresh.value(*row as usize))
            .collect();
        {
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            for (row, there) in there.iter().enumerate() {
                let number = batch.origins.position(row).record;
                match there {
                    There::Older => {}
                    There::Newer => drop(passed.stale.insert(number)),
                    There::Unknown => drop(passed.unknown.insert(number)),
                }
            }
        }
        let all = batch.len();
        let report = self.writer.write(context, batch.filter(&fresh)?).await?;
        let place = |row: u32| rows.get(row as usize).copied().unwrap_or(row);
        let mut outcomes = vec![RowOutcome::Skipped; all];
        for (row, outcome) in rows.iter().zip(report.outcomes) {
            if let Some(slot) = outcomes.get_mut(*row as usize) {
                *slot = outcome;
            }
        }
        let ids = match report.ids {
            None => None,
            Some(ids) => {
                let mut from = 0;
                let picks = fresh.values().iter().map(|is_fresh| {
                    let at = is_fresh.then_some(from);
                    from += u32::from(is_fresh);
                    at
                });
                let picks: arrow_array::UInt32Array = picks.collect();
                Some(arrow_select::take::take(&ids, &picks, None)?)
            }
        };
        let refusals = report
            .refusals
            .into_iter()
            .map(|(row, refusal)| (place(row), refusal));
        let replaced = report
            .replaced
            .into_iter()
            .map(|(row, sequence)| (place(row), sequence));
        Ok(WriteReport::new(outcomes)
            .with_refusals(refusals.collect())
            .with_replaced(replaced.collect())
            .with_ids(ids))
    }

    async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<CommitReport> {
        self.writer.commit(context, request).await
    }

    async fn abort(&mut self, context: &Context) -> Result<()> {
        self.writer.abort(context).await
    }

    async fn lookup(
        &mut self,
        context: &Context,
        request: LookupRequest,
    ) -> Result<Arc<dyn Lookup>> {
        self.writer.lookup(context, request).await
    }

    async fn patch(&mut self, context: &Context, patch: Patch) -> Result<()> {
        self.writer.patch(context, patch).await
    }

    async fn delete(&mut self, context: &Context, ids: ArrayRef) -> Result<u64> {
        self.writer.delete(context, ids).await
    }
}
