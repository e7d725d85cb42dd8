//! A dataset whose batches are effects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::{StreamExt as _, stream};

use super::effects::{EffectKind, Effects, Fate};
use crate::Result;
use crate::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use crate::host::Context;
use crate::record::{Batch, Cursor, CursorValue, Schema};

impl Effects {
    /// The dataset; each batch that is read, the end of a read, and each cursor that it hears of is an effect.
    pub fn dataset(&self, dataset: Arc<dyn Dataset>) -> Arc<dyn Dataset> {
        Arc::new(FaultyDataset::new(self, dataset))
    }
}

/// A dataset whose batches are effects. A batch that is given twice is so with its cursor; one that comes behind the next comes so
/// with its own.
#[derive(Debug)]
pub struct FaultyDataset {
    effects: Effects,
    dataset: Arc<dyn Dataset>,
    /// The source's time as it was told last, by field.
    told: Mutex<HashMap<String, Option<CursorValue>>>,
}

impl FaultyDataset {
    /// The dataset with these effects.
    pub fn new(effects: &Effects, dataset: Arc<dyn Dataset>) -> Self {
        FaultyDataset {
            effects: effects.clone(),
            dataset,
            told: Mutex::default(),
        }
    }
}

/// A read under way.
struct Reading {
    batches: BatchStream,
    effects: Effects,
    /// Comes before what is read next.
    late: Option<Batch>,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Batch>> {
        if let Some(late) = self.late.take() {
            return Ok(Some(late));
        }
        let next = self.effects.next(EffectKind::Read, 1);
        let work = async { self.batches.next().await.transpose() };
        let Some(batch) = self.effects.settle(next, work).await? else {
            return Ok(None);
        };
        match next.1 {
            Fate::Duplicate => self.late = Some(batch.clone()),
            Fate::Reorder => {
                if let Some(behind) = self.batches.next().await.transpose()? {
                    self.late = Some(batch);
                    return Ok(Some(behind));
                }
            }
            _ => {}
        }
        Ok(Some(batch))
    }
}

#[async_trait]
impl Dataset for FaultyDataset {
    fn info(&self) -> &DatasetInfo {
        self.dataset.info()
    }

    fn schema(&self) -> &Schema {
        self.dataset.schema()
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let reading = Reading {
            batches: self.dataset.read(context, request),
            effects: self.effects.clone(),
            late: None,
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
        let next = self.effects.next(EffectKind::UpperBound, 1);
        let work = self.dataset.upper_bound(context, field);
        let now = self.effects.settle(next, work).await?;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.insert(field.to_owned(), now);
        Ok(before.filter(|_| next.1 == Fate::Stale).unwrap_or(now))
    }

    async fn acknowledge(&self, context: &Context, cursor: &Cursor) -> Result<()> {
        let next = self.effects.next(EffectKind::Acknowledge, 1);
        if next.1 == Fate::Duplicate {
            self.dataset.acknowledge(context, cursor).await?;
        }
        let work = self.dataset.acknowledge(context, cursor);
        self.effects.settle(next, work).await
    }
}
