//! What may stand in front of every call of a connection, and the wrappers that put it there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::ArrayRef;
use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::connection::{Catalog, Connection, ConnectionInfo};
use crate::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use crate::destination::{
    CommitReport, CommitRequest, Destination, DestinationInfo, OpenRequest, Opened, Patch,
    WriteReport, Writer,
};
use crate::host::{Context, within};
use crate::lookup::{Lookup, LookupInfo, LookupKeys, LookupMatches, LookupRequest};
use crate::record::{Batch, Cursor, CursorValue, Schema};
use crate::{Error, ErrorKind, Result, Retry};

/// Stands in front of every call.
#[async_trait]
pub(super) trait Layer: fmt::Debug + Send + Sync {
    /// A call is about to be made. An error is its answer, and it is not made.
    async fn enter(&self, context: &Context) -> Result<Pass>;
    /// It was answered.
    async fn leave(&self, context: &Context, pass: Pass, failure: Option<&Error>);
    /// It was dropped before an answer came; `late`: since none came in time. Neither comes if the process died meanwhile.
    fn dropped(&self, context: &Context, pass: Pass, late: bool);
}

/// A call under way.
struct UnderWay<'a> {
    layer: &'a dyn Layer,
    context: &'a Context,
    /// `None` once it was answered.
    pass: Option<Pass>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            let now = self.context.clock().monotonic();
            let deadline = self.context.deadline();
            let late = deadline.is_some_and(|deadline| deadline <= now);
            self.layer.dropped(self.context, pass, late);
        }
    }
}

/// The leave to make one call.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pass {
    /// What its layer knows it by.
    pub(super) id: Option<u64>,
    /// How long it holds, and so the call.
    pub(super) time: Option<Duration>,
}

/// Makes one call behind a layer.
pub(super) async fn guarded<T>(
    layer: &dyn Layer,
    context: &Context,
    work: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    let pass = layer.enter(context).await?;
    let mut under_way = UnderWay {
        layer,
        context,
        pass: Some(pass),
    };
    let answer = match pass.time {
        None => work.await,
        Some(time) => within(context.clock(), time, work)
            .await
            .unwrap_or_else(|| Err(unanswered(time))),
    };
    under_way.pass = None;
    layer.leave(context, pass, answer.as_ref().err()).await;
    answer
}

/// No answer came in this time.
pub(super) fn unanswered(time: Duration) -> Error {
    let message = "no answer came in time, and nobody knows whether it was done; see whether the other side is up, or allow more time";
    Error::new(ErrorKind::Timeout, message)
        .with("seconds", time.as_secs_f64())
        .retrying(Retry::Now)
}

/// The connection behind a layer, with its datasets, destinations, writers and lookups.
pub(super) fn connection(
    layer: &Arc<dyn Layer>,
    connection: Arc<dyn Connection>,
) -> Arc<dyn Connection> {
    Arc::new(Behind {
        layer: Arc::clone(layer),
        inner: connection,
    })
}

/// The dataset behind a layer.
pub(super) fn dataset(layer: &Arc<dyn Layer>, dataset: Arc<dyn Dataset>) -> Arc<dyn Dataset> {
    Arc::new(Behind {
        layer: Arc::clone(layer),
        inner: dataset,
    })
}

/// Something of a connection, behind a layer.
#[derive(Debug)]
struct Behind<T> {
    layer: Arc<dyn Layer>,
    inner: T,
}

impl<T> Behind<T> {
    fn lookup(&self, lookup: Arc<dyn Lookup>) -> Arc<dyn Lookup> {
        // One that only computes calls nobody.
        match lookup.info().in_memory {
            true => lookup,
            false => Arc::new(Behind {
                layer: Arc::clone(&self.layer),
                inner: lookup,
            }),
        }
    }
}

#[async_trait]
impl Connection for Behind<Arc<dyn Connection>> {
    fn info(&self) -> &ConnectionInfo {
        self.inner.info()
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        guarded(&*self.layer, context, self.inner.discover(context)).await
    }

    async fn check(&self, context: &Context) -> Result<()> {
        guarded(&*self.layer, context, self.inner.check(context)).await
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        let found = self.inner.dataset(context, object);
        let found = guarded(&*self.layer, context, found).await?;
        Ok(dataset(&self.layer, found))
    }

    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        let found = self.inner.destination(context, object);
        Ok(Arc::new(Behind {
            inner: guarded(&*self.layer, context, found).await?,
            layer: Arc::clone(&self.layer),
        }))
    }

    async fn lookup(&self, context: &Context, request: LookupRequest) -> Result<Arc<dyn Lookup>> {
        let made = self.inner.lookup(context, request);
        let made = guarded(&*self.layer, context, made).await?;
        Ok(self.lookup(made))
    }
}

#[async_trait]
impl Dataset for Behind<Arc<dyn Dataset>> {
    fn info(&self) -> &DatasetInfo {
        self.inner.info()
    }

    fn schema(&self) -> &Schema {
        self.inner.schema()
    }

    /// Each batch is one call.
    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let state = (
            self.inner.read(context, request),
            Arc::clone(&self.layer),
            context.clone(),
        );
        stream::try_unfold(state, |(mut batches, layer, context)| async move {
            let batch = guarded(&*layer, &context, batches.try_next()).await?;
            Ok(batch.map(|batch| (batch, (batches, layer, context))))
        })
        .boxed()
    }

    async fn upper_bound(&self, context: &Context, field: &str) -> Result<Option<CursorValue>> {
        let asked = self.inner.upper_bound(context, field);
        guarded(&*self.layer, context, asked).await
    }

    async fn acknowledge(&self, context: &Context, cursor: &Cursor) -> Result<()> {
        let told = self.inner.acknowledge(context, cursor);
        guarded(&*self.layer, context, told).await
    }
}

#[async_trait]
impl Destination for Behind<Arc<dyn Destination>> {
    fn info(&self) -> &DestinationInfo {
        self.inner.info()
    }

    fn schema(&self) -> &Schema {
        self.inner.schema()
    }

    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
        let opened = self.inner.open(context, request);
        let opened = guarded(&*self.layer, context, opened).await?;
        let writer = Box::new(Behind {
            layer: Arc::clone(&self.layer),
            inner: opened.writer,
        });
        Ok(Opened::new(writer).with_checkpoint(opened.checkpoint))
    }
}

#[async_trait]
impl Writer for Behind<Box<dyn Writer>> {
    async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport> {
        guarded(&*self.layer, context, self.inner.write(context, batch)).await
    }

    async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<CommitReport> {
        guarded(&*self.layer, context, self.inner.commit(context, request)).await
    }

    async fn abort(&mut self, context: &Context) -> Result<()> {
        guarded(&*self.layer, context, self.inner.abort(context)).await
    }

    async fn lookup(
        &mut self,
        context: &Context,
        request: LookupRequest,
    ) -> Result<Arc<dyn Lookup>> {
        let made = guarded(&*self.layer, context, self.inner.lookup(context, request)).await?;
        Ok(Behind::lookup(self, made))
    }

    async fn patch(&mut self, context: &Context, patch: Patch) -> Result<()> {
        guarded(&*self.layer, context, self.inner.patch(context, patch)).await
    }

    async fn delete(&mut self, context: &Context, ids: ArrayRef) -> Result<u64> {
        guarded(&*self.layer, context, self.inner.delete(context, ids)).await
    }
}

#[async_trait]
impl Lookup for Behind<Arc<dyn Lookup>> {
    fn info(&self) -> &LookupInfo {
        self.inner.info()
    }

    async fn resolve(&self, context: &Context, keys: LookupKeys) -> Result<LookupMatches> {
        guarded(&*self.layer, context, self.inner.resolve(context, keys)).await
    }
}
