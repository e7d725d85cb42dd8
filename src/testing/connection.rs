//! A connection whose destinations and lookups are effects.

use std::sync::Arc;

use arrow_array::{Array as _, ArrayRef};
use async_trait::async_trait;

use super::effects::{EffectKind, Effects, Fate};
use crate::Result;
use crate::connection::{Catalog, Connection, ConnectionInfo};
use crate::dataset::Dataset;
use crate::destination::{
    CommitReport, CommitRequest, Destination, DestinationInfo, OpenRequest, Opened, Patch,
    WriteReport, Writer,
};
use crate::host::Context;
use crate::lookup::{Lookup, LookupInfo, LookupKeys, LookupMatches, LookupRequest};
use crate::record::{Batch, Schema};

impl Effects {
    /// The connection; each call of it, its destinations, their writers and its lookups is an effect. Who dies amid a
    /// write has written the front rows of the batch.
    pub fn connection(&self, connection: Arc<dyn Connection>) -> Arc<dyn Connection> {
        Arc::new(FaultyConnection::new(self, connection))
    }
}

/// A connection each call of which is an effect, and of its datasets, destinations, writers and lookups.
#[derive(Debug)]
pub struct FaultyConnection {
    effects: Effects,
    connection: Arc<dyn Connection>,
}

impl FaultyConnection {
    /// The connection with these effects.
    pub fn new(effects: &Effects, connection: Arc<dyn Connection>) -> Self {
        FaultyConnection {
            effects: effects.clone(),
            connection,
        }
    }
}

#[async_trait]
impl Connection for FaultyConnection {
    fn info(&self) -> &ConnectionInfo {
        self.connection.info()
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        let work = self.connection.discover(context);
        self.effects.perform(EffectKind::Connect, work).await
    }

    async fn check(&self, context: &Context) -> Result<()> {
        let work = self.connection.check(context);
        self.effects.perform(EffectKind::Connect, work).await
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        let work = self.connection.dataset(context, object);
        let dataset = self.effects.perform(EffectKind::Connect, work).await?;
        Ok(self.effects.dataset(dataset))
    }

    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        let work = self.connection.destination(context, object);
        let destination = self.effects.perform(EffectKind::Connect, work).await?;
        Ok(Arc::new(FaultyDestination::new(&self.effects, destination)))
    }

    async fn lookup(&self, context: &Context, request: LookupRequest) -> Result<Arc<dyn Lookup>> {
        let work = self.connection.lookup(context, request);
        let lookup = self.effects.perform(EffectKind::Connect, work).await?;
        Ok(Arc::new(FaultyLookup::new(&self.effects, lookup)))
    }
}

/// A destination whose openings are effects, and all calls of its writers.
#[derive(Debug)]
pub struct FaultyDestination {
    effects: Effects,
    destination: Arc<dyn Destination>,
}

impl FaultyDestination {
    /// The destination with these effects.
    pub fn new(effects: &Effects, destination: Arc<dyn Destination>) -> Self {
        FaultyDestination {
            effects: effects.clone(),
            destination,
        }
    }
}

#[async_trait]
impl Destination for FaultyDestination {
    fn info(&self) -> &DestinationInfo {
        self.destination.info()
    }

    fn schema(&self) -> &Schema {
        self.destination.schema()
    }

    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
        let work = self.destination.open(context, request);
        let opened = self.effects.perform(EffectKind::Open, work).await?;
        let writer = FaultyWriter::new(&self.effects, opened.writer);
        Ok(Opened::new(Box::new(writer)).with_checkpoint(opened.checkpoint))
    }
}

/// A writer each call of which is an effect. Who fails or dies amid a write has written the front rows of the batch.
#[derive(Debug)]
pub struct FaultyWriter {
    effects: Effects,
    writer: Box<dyn Writer>,
}

impl FaultyWriter {
    /// The writer with these effects.
    pub fn new(effects: &Effects, writer: Box<dyn Writer>) -> Self {
        FaultyWriter {
            effects: effects.clone(),
            writer,
        }
    }
}

#[async_trait]
impl Writer for FaultyWriter {
    async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport> {
        let next = self.effects.next(EffectKind::Write, batch.len());
        match next.1 {
            Fate::CrashAmid(parts) | Fate::FailAmid(parts) => {
                let front: Vec<u32> = (0..batch.len().min(parts) as u32).collect();
                self.writer.write(context, batch.take(&front)?).await?;
                return self.effects.broken_off(next).await;
            }
            Fate::Duplicate => drop(self.writer.write(context, batch.clone()).await?),
            _ => {}
        }
        let work = self.writer.write(context, batch);
        self.effects.settle(next, work).await
    }

    async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<CommitReport> {
        let next = self.effects.next(EffectKind::Commit, 1);
        if next.1 == Fate::Duplicate {
            self.writer.commit(context, request.clone()).await?;
        }
        let work = self.writer.commit(context, request);
        self.effects.settle(next, work).await
    }

    async fn abort(&mut self, context: &Context) -> Result<()> {
        let work = self.writer.abort(context);
        self.effects.perform(EffectKind::Abort, work).await
    }

    async fn lookup(
        &mut self,
        context: &Context,
        request: LookupRequest,
    ) -> Result<Arc<dyn Lookup>> {
        let work = self.writer.lookup(context, request);
        let lookup = self.effects.perform(EffectKind::Lookup, work).await?;
        Ok(Arc::new(FaultyLookup::new(&self.effects, lookup)))
    }

    async fn patch(&mut self, context: &Context, patch: Patch) -> Result<()> {
        let next = self.effects.next(EffectKind::Patch, 1);
        if next.1 == Fate::Duplicate {
            self.writer.patch(context, patch.clone()).await?;
        }
        let work = self.writer.patch(context, patch);
        self.effects.settle(next, work).await
    }

    async fn delete(&mut self, context: &Context, ids: ArrayRef) -> Result<u64> {
        let next = self.effects.next(EffectKind::Delete, ids.len());
        match next.1 {
            Fate::CrashAmid(parts) | Fate::FailAmid(parts) => {
                let front = ids.slice(0, ids.len().min(parts));
                self.writer.delete(context, front).await?;
                return self.effects.broken_off(next).await;
            }
            Fate::Duplicate => drop(self.writer.delete(context, Arc::clone(&ids)).await),
            _ => {}
        }
        let work = self.writer.delete(context, ids);
        self.effects.settle(next, work).await
    }
}

/// A lookup each call of which is an effect.
#[derive(Debug)]
pub struct FaultyLookup {
    effects: Effects,
    info: LookupInfo,
    lookup: Arc<dyn Lookup>,
}

impl FaultyLookup {
    /// The lookup with these effects.
    pub fn new(effects: &Effects, lookup: Arc<dyn Lookup>) -> Self {
        let info = lookup.info();
        FaultyLookup {
            effects: effects.clone(),
            // The run itself waits for it: an executor must not.
            info: LookupInfo::new(info.keys.clone(), info.fetch.clone()),
            lookup,
        }
    }
}

#[async_trait]
impl Lookup for FaultyLookup {
    fn info(&self) -> &LookupInfo {
        &self.info
    }

    async fn resolve(&self, context: &Context, keys: LookupKeys) -> Result<LookupMatches> {
        let work = self.lookup.resolve(context, keys);
        self.effects.perform(EffectKind::Lookup, work).await
    }
}
