//! Backends that are broken on purpose: each must be noticed, by the run or by the checks behind it.
//!
//! What a workload's state, ledger, source and destination are made of goes through here; nothing happens to it unless a
//! flaw is switched on for the thread.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use syncline::connection::{Catalog, Connection, ConnectionInfo};
use syncline::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use syncline::destination::{
    CommitReport, CommitRequest, Destination, DestinationInfo, Durability, OpenRequest, Opened,
    Patch, WriteReport, Writer,
};
use syncline::host::{
    Context, Expected, RejectLedger, RejectRewind, RejectSegment, StateKey, StateKind, StateStore,
    StateVersion, Stored, Swap,
};
use syncline::lookup::{Lookup, LookupRequest};
use syncline::record::array::ArrayRef;
use syncline::record::{Batch, Cursor, CursorValue, Schema};
use syncline::{Result, Tenant};

/// What a backend does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A store answers that it has stored what it has not.
    StatePutForgotten,
    /// A store swaps whatever is expected.
    StatePutBlind,
    /// A store has nothing.
    StateGetsNothing,
    /// A store answers with other bytes than were put.
    StateGetsDamaged,
    /// A ledger takes rejects and drops them.
    RejectsDropped,
    /// A ledger keeps rejects twice.
    RejectsTwice,
    /// A ledger takes nothing back.
    RejectsNotRewound,
    /// A source leaves out a record.
    ReadLeavesOut,
    /// A source gives a record twice.
    ReadTwice,
    /// A source begins anew, whatever cursor it is to go on behind.
    ReadIgnoresCursor,
    /// A source goes on a batch behind the cursor that it gave.
    ReadPassesCursor,
    /// A writer drops a row and says that it wrote it.
    WriteDropsRow,
    /// A writer writes a batch twice and tells once.
    WriteTwice,
    /// A writer answers for fewer rows than it was given.
    WriteAnswersShort,
    /// A writer says that a group is durable that it did not commit.
    CommitForgotten,
    /// A destination forgets its own checkpoint.
    CheckpointForgotten,
}

impl Flaw {
    pub(crate) const ALL: [Flaw; 16] = [
        Flaw::StatePutForgotten,
        Flaw::StatePutBlind,
        Flaw::StateGetsNothing,
        Flaw::StateGetsDamaged,
        Flaw::RejectsDropped,
        Flaw::RejectsTwice,
        Flaw::RejectsNotRewound,
        Flaw::ReadLeavesOut,
        Flaw::ReadTwice,
        Flaw::ReadIgnoresCursor,
        Flaw::ReadPassesCursor,
        Flaw::WriteDropsRow,
        Flaw::WriteTwice,
        Flaw::WriteAnswersShort,
        Flaw::CommitForgotten,
        Flaw::CheckpointForgotten,
    ];

    /// Switches a flaw of this thread's backends on, or all off.
    pub(crate) fn switch(flaw: Option<Flaw>) {
        NOW.with(|now| now.set(flaw));
    }

    fn is_on(self) -> bool {
        NOW.with(|now| now.get() == Some(self))
    }
}

thread_local! {
    static NOW: Cell<Option<Flaw>> = const { Cell::new(None) };
}

pub(crate) fn state(inner: Arc<dyn StateStore>) -> Arc<dyn StateStore> {
    Arc::new(State(inner))
}

pub(crate) fn ledger(inner: Arc<dyn RejectLedger>) -> Arc<dyn RejectLedger> {
    Arc::new(Ledger(inner))
}

pub(crate) fn dataset(inner: Arc<dyn Dataset>) -> Arc<dyn Dataset> {
    Arc::new(Source(inner))
}

pub(crate) fn connection(inner: Arc<dyn Connection>) -> Arc<dyn Connection> {
    Arc::new(Linked(inner))
}

#[derive(Debug)]
struct State(Arc<dyn StateStore>);

#[async_trait]
impl StateStore for State {
    async fn get(&self, key: &StateKey) -> Result<Option<Stored>> {
        let stored = self.0.get(key).await?;
        Ok(match stored {
            Some(_) if Flaw::StateGetsNothing.is_on() => None,
            Some(mut stored) if Flaw::StateGetsDamaged.is_on() => {
                let mut bytes = stored.bytes.to_vec();
                if let Some(last) = bytes.last_mut() {
                    *last ^= 1;
                }
                stored.bytes = bytes.into();
                Some(stored)
            }
            stored => stored,
        })
    }

    async fn put(&self, key: &StateKey, bytes: Bytes, expected: Expected) -> Result<Swap> {
        if Flaw::StatePutForgotten.is_on() {
            return Ok(Swap::Done(StateVersion::new("none")));
        }
        if Flaw::StatePutBlind.is_on() {
            let now = self.0.get(key).await?;
            let now = now.map_or(Expected::Absent, |now| Expected::Version(now.version));
            return self.0.put(key, bytes, now).await;
        }
        self.0.put(key, bytes, expected).await
    }

    async fn delete(&self, key: &StateKey, expected: StateVersion) -> Result<bool> {
        self.0.delete(key, expected).await
    }

    async fn list(
        &self,
        tenant: &Tenant,
        kind: StateKind,
        start_after: Option<&StateKey>,
        limit: usize,
    ) -> Result<Vec<StateKey>> {
        self.0.list(tenant, kind, start_after, limit).await
    }
}

#[derive(Debug)]
struct Ledger(Arc<dyn RejectLedger>);

#[async_trait]
impl RejectLedger for Ledger {
    async fn append(&self, segment: RejectSegment) -> Result<()> {
        if Flaw::RejectsDropped.is_on() {
            return Ok(());
        }
        if Flaw::RejectsTwice.is_on() {
            self.0.append(segment.clone()).await?;
        }
        self.0.append(segment).await
    }

    async fn seal(&self) -> Result<()> {
        self.0.seal().await
    }

    async fn flush(&self) -> Result<()> {
        self.0.flush().await
    }

    async fn rewind(&self, to: &RejectRewind) -> Result<()> {
        if Flaw::RejectsNotRewound.is_on() {
            return Ok(());
        }
        self.0.rewind(to).await
    }
}

#[derive(Debug)]
struct Source(Arc<dyn Dataset>);

#[async_trait]
impl Dataset for Source {
    fn info(&self) -> &DatasetInfo {
        self.0.info()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn read(&self, context: &Context, mut request: ReadRequest) -> BatchStream {
        let goes_on = request.resume.is_some();
        if Flaw::ReadIgnoresCursor.is_on() {
            request.resume = None;
        }
        let batches = self.0.read(context, request);
        if Flaw::ReadPassesCursor.is_on() && goes_on {
            return batches.skip(1).boxed();
        }
        let number = AtomicU64::new(0);
        batches
            .map(move |batch| {
                let batch: Batch = batch?;
                let second = number.fetch_add(1, Ordering::Relaxed) == 1;
                let all: Vec<u32> = (0..batch.len() as u32).collect();
                let rows = match all.split_last() {
                    Some((_, rest)) if second && Flaw::ReadLeavesOut.is_on() => rest.to_vec(),
                    Some((last, _)) if second && Flaw::ReadTwice.is_on() => {
                        all.iter().chain([last]).copied().collect()
                    }
                    _ => return Ok(batch),
                };
                batch.take(&rows)
            })
            .boxed()
    }

    async fn upper_bound(&self, context: &Context, field: &str) -> Result<Option<CursorValue>> {
        self.0.upper_bound(context, field).await
    }

    async fn acknowledge(&self, context: &Context, cursor: &Cursor) -> Result<()> {
        self.0.acknowledge(context, cursor).await
    }
}

#[derive(Debug)]
struct Linked(Arc<dyn Connection>);

#[async_trait]
impl Connection for Linked {
    fn info(&self) -> &ConnectionInfo {
        self.0.info()
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        self.0.discover(context).await
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        self.0.dataset(context, object).await
    }

    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        Ok(Arc::new(Landing(
            self.0.destination(context, object).await?,
        )))
    }

    async fn lookup(&self, context: &Context, request: LookupRequest) -> Result<Arc<dyn Lookup>> {
        self.0.lookup(context, request).await
    }
}

#[derive(Debug)]
struct Landing(Arc<dyn Destination>);

#[async_trait]
impl Destination for Landing {
    fn info(&self) -> &DestinationInfo {
        self.0.info()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
        let opened = self.0.open(context, request).await?;
        let checkpoint = (opened.checkpoint).filter(|_| !Flaw::CheckpointForgotten.is_on());
        Ok(Opened::new(Box::new(Pen(opened.writer))).with_checkpoint(checkpoint))
    }
}

#[derive(Debug)]
struct Pen(Box<dyn Writer>);

#[async_trait]
impl Writer for Pen {
    async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport> {
        let last = (batch.len() as u32).saturating_sub(1);
        if Flaw::WriteDropsRow.is_on() && last > 0 {
            let rest: Vec<u32> = (0..last).collect();
            let mut report = self.0.write(context, batch.take(&rest)?).await?;
            report.outcomes.extend(report.outcomes.first().copied());
            return Ok(report);
        }
        if Flaw::WriteTwice.is_on() {
            self.0.write(context, batch.clone()).await?;
        }
        let mut report = self.0.write(context, batch).await?;
        if Flaw::WriteAnswersShort.is_on() {
            report.outcomes.pop();
        }
        Ok(report)
    }

    async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<CommitReport> {
        let group = request.group;
        if Flaw::CommitForgotten.is_on() {
            return Ok(CommitReport::new(Durability::Durable { through: group }));
        }
        self.0.commit(context, request).await
    }

    async fn abort(&mut self, context: &Context) -> Result<()> {
        self.0.abort(context).await
    }

    async fn lookup(
        &mut self,
        context: &Context,
        request: LookupRequest,
    ) -> Result<Arc<dyn Lookup>> {
        self.0.lookup(context, request).await
    }

    async fn patch(&mut self, context: &Context, patch: Patch) -> Result<()> {
        self.0.patch(context, patch).await
    }

    async fn delete(&mut self, context: &Context, ids: ArrayRef) -> Result<u64> {
        self.0.delete(context, ids).await
    }
}
