//! A connection of your own: sensors that answer with pages of readings, synced into an object of the host.
//!
//! It needs a catalog and a dataset; a lookup comes for free, as an index of the dataset. The kit certifies both.
#![allow(clippy::print_stdout)]

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use syncline::connection::*;
use syncline::dataset::*;
use syncline::destination::Destination;
use syncline::host::Context;
use syncline::job::{Job, RunRequest, SyncJob};
use syncline::memory::{MemoryConnection, MemoryRejects};
use syncline::record::{Batch, Cursor, Field, FieldType, RecordBuilder, Refusal, Schema};
use syncline::spec::*;
use syncline::{Error, ErrorKind, Result};

/// Any type that is `Serialize` makes records.
#[derive(serde::Serialize)]
struct Reading {
    sensor: String,
    taken_at: String,
    celsius: Option<f64>,
}

const PAGES: u64 = 3;
/// Stands in for a call of the system's API.
fn fetch(page: u64) -> impl Future<Output = Vec<Reading>> {
    let reading = |number: u64| Reading {
        sensor: format!("sensor {}", number % 2),
        taken_at: format!("2025-06-01T{number:02}:{page:02}:00Z"),
        celsius: (number != 3).then_some(20.5 + number as f64),
    };
    std::future::ready((0..4).map(reading).collect())
}

#[derive(Debug, Clone)]
struct Readings {
    info: DatasetInfo,
    schema: Schema,
}

impl Readings {
    fn new() -> Self {
        let names = ["sensor", "taken_at", "celsius"].map(String::from);
        let types = [FieldType::Text, FieldType::DateTime, FieldType::Float];
        let fields = (names.iter().zip(types)).map(|(name, of)| Field::new(name, of));
        Readings {
            schema: Schema::new(fields.collect::<Vec<_>>()),
            info: DatasetInfo::new("readings", names).with_resume("page"),
        }
    }

    fn pages(&self, request: &ReadRequest) -> Result<Range<u64>> {
        let unknown = || Error::new(ErrorKind::OtherLineage, "no page has this cursor");
        let page = |cursor: &Cursor| {
            let page = cursor.as_str().parse().ok();
            page.filter(|page| *page <= PAGES).ok_or_else(unknown)
        };
        let from = request.resume.as_ref().map_or(Ok(0), page)?;
        Ok(from..request.until.as_ref().map_or(Ok(PAGES), page)?)
    }

    /// One page: the wanted columns, and the whole records behind them for rejects.
    async fn page(self, page: u64, columns: Vec<usize>) -> Result<Batch> {
        let readings = fetch(page).await;
        let mut rows = RecordBuilder::new(&self.schema);
        let refused = |refusal: Refusal| Error::new(ErrorKind::Malformed, refusal.message);
        for reading in &readings {
            rows.push(reading).map_err(refused)?;
        }
        let mut batch = rows.finish_batch("readings", page * readings.len() as u64)?;
        batch.records = batch.records.project(&columns)?;
        // The system can only be asked for a page: behind it a read can go on.
        Ok(batch.with_resume(Cursor::new((page + 1).to_string())))
    }
}

impl Dataset for Readings {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn read(&self, _: &Context, request: ReadRequest) -> BatchStream {
        let (columns, pages) = match (request.positions(&self.schema), self.pages(&request)) {
            (Ok(columns), Ok(pages)) => (columns, pages),
            (Err(error), _) | (_, Err(error)) => return stream::iter([Err(error)]).boxed(),
        };
        let dataset = self.clone();
        let page = move |page| dataset.clone().page(page, columns.clone());
        let pieces = move |page: Batch| stream::iter(page.pieces(request.batch_rows)).map(Ok);
        let batches = stream::iter(pages).then(page).map_ok(pieces);
        batches.try_flatten().boxed()
    }
}

/// The system as a connection.
#[derive(Debug)]
pub struct Sensors(pub ConnectionInfo);

#[async_trait]
impl Connection for Sensors {
    fn info(&self) -> &ConnectionInfo {
        &self.0
    }

    async fn discover(&self, _: &Context) -> Result<Catalog> {
        let object = ObjectInfo::new("readings", Readings::new().schema);
        Ok(Catalog::new(vec![object]))
    }

    async fn dataset(&self, _: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        let known = (object == "readings").then(|| Arc::new(Readings::new()) as Arc<dyn Dataset>);
        known.ok_or_else(|| Error::new(ErrorKind::NotFound, "there are `readings` only"))
    }

    async fn destination(&self, _: &Context, _: &str) -> Result<Arc<dyn Destination>> {
        Err(Error::new(ErrorKind::Unsupported, "sensors are only read"))
    }
}

async fn run() -> Result<()> {
    let sensors = Sensors(ConnectionInfo::new("sensors"));
    let readings = sensors.dataset(&Context::new(), "readings").await?;
    let fields = readings.schema().fields().to_vec();
    let object = ObjectSpec::new("reading", Identity::Generated, fields.clone());
    let home = MemoryConnection::new("home").with_object(&object)?;
    let direct = |field: &Field| FieldMapping::direct(&field.name, &field.name);
    let mapping = MappingSpec::new(fields.iter().map(direct).collect());
    let mode = WriteMode::upsert(["sensor", "taken_at"]);
    let spec = DestinationSpec::new("reading", mode, mapping);
    let job = SyncJob::new("readings", readings).to(Arc::new(home.clone()), spec);
    let request = RunRequest::new(Arc::new(MemoryRejects::new()));
    println!("{}", job.run(&Context::new(), request).await?);
    let kept = home.object("reading").map_or(0, |object| object.len());
    println!("{kept} readings at home");
    Ok(())
}

fn main() -> Result<()> {
    futures::executor::block_on(run())
}
