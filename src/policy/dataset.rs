//! Datasets with patience.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::Patience;
use super::timeouts::Call;
use crate::Result;
use crate::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use crate::host::{Bug, Context};
use crate::record::{Batch, Cursor, CursorValue, Schema};

impl Patience {
    /// The dataset, with patience.
    pub fn dataset(&self, dataset: Arc<dyn Dataset>) -> Arc<dyn Dataset> {
        Arc::new(Read {
            patience: self.clone(),
            dataset,
        })
    }
}

#[derive(Debug)]
struct Read {
    patience: Patience,
    dataset: Arc<dyn Dataset>,
}

#[async_trait]
impl Dataset for Read {
    fn info(&self) -> &DatasetInfo {
        self.dataset.info()
    }

    fn schema(&self) -> &Schema {
        self.dataset.schema()
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let context = Patience::context(context);
        let reading = Reading {
            batches: self.dataset.read(&context, request.clone()),
            patience: self.patience.clone(),
            dataset: Arc::clone(&self.dataset),
            context,
            request,
            given: None,
        };
        stream::unfold(Some(reading), |reading| async {
            let mut reading = reading?;
            match reading.next().await {
                Ok(Some(batch)) => Some((Ok(batch), Some(reading))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    async fn upper_bound(&self, context: &Context, field: &str) -> Result<Option<CursorValue>> {
        let context = &Patience::context(context);
        let upper_bound = || self.dataset.upper_bound(context, field);
        self.patience
            .call(Call::Read, Some(context), upper_bound)
            .await
    }

    async fn acknowledge(&self, context: &Context, cursor: &Cursor) -> Result<()> {
        let context = &Patience::context(context);
        let acknowledge = || self.dataset.acknowledge(context, cursor);
        self.patience
            .call(Call::Acknowledge, Some(context), acknowledge)
            .await
    }
}

/// A read that goes on when it broke off.
struct Reading {
    patience: Patience,
    dataset: Arc<dyn Dataset>,
    context: Context,
    /// What is left to read behind the last cursor.
    request: ReadRequest,
    batches: BatchStream,
    /// The number of the last record that was given.
    given: Option<u64>,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Batch>> {
        let patience = self.patience.clone();
        let mut tries = patience.tries(Call::Read);
        loop {
            let next = self.batches.try_next();
            match patience.once(Call::Read, Some(&self.context), next).await {
                Ok(None) => return Ok(None),
                Ok(Some(batch)) => {
                    let cursor = batch.resume.clone();
                    let rest = self.behind(batch)?;
                    if cursor.is_some() {
                        self.request.resume = cursor;
                    }
                    if rest.is_some() {
                        return Ok(rest);
                    }
                }
                Err(error) => {
                    // A call that may be under way in it is over for us, and those behind it need not wait.
                    self.batches = stream::empty().boxed();
                    if self.given.is_some() && !self.dataset.info().resumable {
                        return Err(error);
                    }
                    tries.fail(error).await?;
                    self.batches = self.dataset.read(&self.context, self.request.clone());
                }
            }
        }
    }

    /// Leaves out the records that were given already: those between the last cursor and where the read broke off.
    fn behind(&mut self, mut batch: Batch) -> Result<Option<Batch>> {
        let row = |row: usize| batch.origins.sequence(row);
        let first = (!batch.is_empty()).then(|| row(0));
        let first_reject = batch.rejects.first().map(|reject| reject.position.record);
        let last = batch.len().checked_sub(1).map(row);
        let last = last.max(batch.rejects.last().map(|reject| reject.position.record));
        let known = self.given.filter(|_| !Bug::ReadAnew.is_on());
        self.given = self.given.max(last);
        let (Some(known), Some(last)) = (known, last) else {
            return Ok(Some(batch));
        };
        if first
            .into_iter()
            .chain(first_reject)
            .all(|first| first > known)
        {
            return Ok(Some(batch));
        }
        if last <= known && batch.resume.is_none() {
            return Ok(None);
        }
        batch
            .rejects
            .retain(|reject| reject.position.record > known);
        let rows = (0..batch.len()).filter(|&row| batch.origins.sequence(row) > known);
        let rows: Vec<u32> = rows.map(|row| row as u32).collect();
        batch.take(&rows).map(Some)
    }
}
