//! A dataset whose batches are effects.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};

use super::effects::{EffectKind, Effects};
use crate::Result;
use crate::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use crate::host::Context;
use crate::record::{Cursor, CursorValue, Schema};

impl Effects {
    /// The dataset; each batch that is read, the end of a read, and each cursor that it hears of is an effect.
    pub fn dataset(&self, dataset: Arc<dyn Dataset>) -> Arc<dyn Dataset> {
        Arc::new(Read {
            effects: self.clone(),
            dataset,
        })
    }
}

#[derive(Debug)]
struct Read {
    effects: Effects,
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
        let batches = self.dataset.read(context, request);
        let open = Some((batches, self.effects.clone()));
        stream::unfold(open, |open| async {
            let (mut batches, effects) = open?;
            let next = async { batches.next().await.transpose() };
            match effects.perform(EffectKind::Read, next).await {
                Ok(Some(batch)) => Some((Ok(batch), Some((batches, effects)))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    async fn upper_bound(&self, context: &Context, field: &str) -> Result<Option<CursorValue>> {
        let work = self.dataset.upper_bound(context, field);
        self.effects.perform(EffectKind::UpperBound, work).await
    }

    async fn acknowledge(&self, context: &Context, cursor: &Cursor) -> Result<()> {
        let work = self.dataset.acknowledge(context, cursor);
        self.effects.perform(EffectKind::Acknowledge, work).await
    }
}
