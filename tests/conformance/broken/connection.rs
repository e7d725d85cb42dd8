//! Connections that do not offer what they should.

use std::sync::Arc;

use async_trait::async_trait;
use syncline::Result;
use syncline::connection::{Catalog, Connection, ConnectionInfo, DEFAULT_LOOKUP_BYTES};
use syncline::dataset::Dataset;
use syncline::destination::{Destination, DestinationInfo, OpenRequest, Opened};
use syncline::host::Context;
use syncline::lookup::{Lookup, LookupIndexBuilder, LookupRequest};
use syncline::memory::MemoryConnection;
use syncline::record::Schema;
use syncline::testing::conformance::{CONNECTION, ConnectionFixture};

use super::{Broken, broken};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    ListsBackwards,
    ShowsFewerFields,
    TakesAnyName,
    LooksUpNothing,
}

#[derive(Debug)]
struct System {
    flaw: Flaw,
    inner: MemoryConnection,
}

impl System {
    fn name<'a>(&self, name: &'a str) -> &'a str {
        match self.flaw {
            Flaw::TakesAnyName if self.inner.object(name).is_none() => "person",
            _ => name,
        }
    }
}

#[async_trait]
impl Connection for System {
    fn info(&self) -> &ConnectionInfo {
        self.inner.info()
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        let mut catalog = self.inner.discover(context).await?;
        match self.flaw {
            Flaw::ListsBackwards => catalog.objects.reverse(),
            Flaw::ShowsFewerFields => {
                for object in &mut catalog.objects {
                    let (_, fewer) = object.schema.fields().split_last().unwrap();
                    object.schema = Schema::new(fewer.to_vec());
                }
            }
            _ => {}
        }
        Ok(catalog)
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        self.inner.dataset(context, self.name(object)).await
    }

    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        self.inner.destination(context, self.name(object)).await
    }

    async fn lookup(
        &self,
        context: &Context,
        mut request: LookupRequest,
    ) -> Result<Arc<dyn Lookup>> {
        request.object = self.name(&request.object).to_owned();
        if self.flaw == Flaw::LooksUpNothing {
            if let Some(object) = self.inner.object(&request.object) {
                let empty =
                    LookupIndexBuilder::new(&request, object.schema(), DEFAULT_LOOKUP_BYTES)?;
                return Ok(Arc::new(empty.finish()?));
            }
        }
        self.inner.lookup(context, request).await
    }
}

/// A connection whose destinations declare that they keep the job's checkpoint, and do not.
pub(crate) fn promises_a_checkpoint(inner: Arc<dyn Connection>) -> Arc<dyn Connection> {
    Arc::new(Promising(inner))
}

#[derive(Debug)]
struct Promising(Arc<dyn Connection>);

#[async_trait]
impl Connection for Promising {
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
        let inner = self.0.destination(context, object).await?;
        let mut info = inner.info().clone();
        info.capabilities.keeps_checkpoint = true;
        Ok(Arc::new(Promised { info, inner }))
    }
}

#[derive(Debug)]
struct Promised {
    info: DestinationInfo,
    inner: Arc<dyn Destination>,
}

#[async_trait]
impl Destination for Promised {
    fn info(&self) -> &DestinationInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        self.inner.schema()
    }

    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
        self.inner.open(context, request).await
    }
}

pub(super) fn broken_connections() -> Vec<Broken> {
    let all = [
        ("CN-01", Flaw::ListsBackwards),
        ("CN-02", Flaw::ShowsFewerFields),
        ("CN-03", Flaw::TakesAnyName),
        ("CN-04", Flaw::LooksUpNothing),
    ];
    all.into_iter()
        .map(|(clause, flaw)| {
            broken(&CONNECTION, clause, flaw, &[], move || {
                let inner = crate::sources::home();
                ConnectionFixture::new(System { flaw, inner })
            })
        })
        .collect()
}
