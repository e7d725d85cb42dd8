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
        Arc::new(Connected {
            effects: self.clone(),
            connection,
        })
    }
}

#[derive(Debug)]
struct Connected {
    effects: Effects,
    connection: Arc<dyn Connection>,
}

#[async_trait]
impl Connection for Connected {
    fn info(&self) -> &ConnectionInfo {
        self.connection.info()
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        let work = self.connection.discover(context);
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
        Ok(Arc::new(Written {
            effects: self.effects.clone(),
            destination,
        }))
    }

    async fn lookup(&self, context: &Context, request: LookupRequest) -> Result<Arc<dyn Lookup>> {
        let work = self.connection.lookup(context, request);
        let lookup = self.effects.perform(EffectKind::Connect, work).await?;
        Ok(looked_up(&self.effects, lookup))
    }
}

#[derive(Debug)]
struct Written {
    effects: Effects,
    destination: Arc<dyn Destination>,
}

#[async_trait]
impl Destination for Written {
    fn info(&self) -> &DestinationInfo {
        self.destination.info()
    }

    fn schema(&self) -> &Schema {
        self.destination.schema()
    }

    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
        let work = self.destination.open(context, request);
        let opened = self.effects.perform(EffectKind::Open, work).await?;
        let writer = Writing {
            effects: self.effects.clone(),
            writer: opened.writer,
        };
        Ok(Opened::new(Box::new(writer)).with_checkpoint(opened.checkpoint))
    }
}

#[derive(Debug)]
struct Writing {
    effects: Effects,
    writer: Box<dyn Writer>,
}

#[async_trait]
impl Writer for Writing {
    async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport> {
        let next = self.effects.next(EffectKind::Write, batch.len());
        if let (effect, Fate::CrashAmid(parts)) = next {
            let front: Vec<u32> = (0..batch.len().min(parts) as u32).collect();
            let written = self.writer.write(context, batch.take(&front)?).await;
            self.effects.crash(&effect).await;
            return written;
        }
        let work = self.writer.write(context, batch);
        self.effects.settle(next, work).await
    }

    async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<CommitReport> {
        let work = self.writer.commit(context, request);
        self.effects.perform(EffectKind::Commit, work).await
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
        Ok(looked_up(&self.effects, lookup))
    }

    async fn patch(&mut self, context: &Context, patch: Patch) -> Result<()> {
        let work = self.writer.patch(context, patch);
        self.effects.perform(EffectKind::Patch, work).await
    }

    async fn delete(&mut self, context: &Context, ids: ArrayRef) -> Result<u64> {
        let next = self.effects.next(EffectKind::Delete, ids.len());
        if let (effect, Fate::CrashAmid(parts)) = next {
            let front = ids.slice(0, ids.len().min(parts));
            let deleted = self.writer.delete(context, front).await;
            self.effects.crash(&effect).await;
            return deleted;
        }
        let work = self.writer.delete(context, ids);
        self.effects.settle(next, work).await
    }
}

fn looked_up(effects: &Effects, lookup: Arc<dyn Lookup>) -> Arc<dyn Lookup> {
    let info = lookup.info();
    Arc::new(LookedUp {
        effects: effects.clone(),
        // The run itself waits for it: an executor must not.
        info: LookupInfo::new(info.keys.clone(), info.fetch.clone()),
        lookup,
    })
}

#[derive(Debug)]
struct LookedUp {
    effects: Effects,
    info: LookupInfo,
    lookup: Arc<dyn Lookup>,
}

#[async_trait]
impl Lookup for LookedUp {
    fn info(&self) -> &LookupInfo {
        &self.info
    }

    async fn resolve(&self, context: &Context, keys: LookupKeys) -> Result<LookupMatches> {
        let work = self.lookup.resolve(context, keys);
        self.effects.perform(EffectKind::Lookup, work).await
    }
}
