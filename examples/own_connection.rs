//! A connection of your own: sensors that answer with pages of readings, synced into an object of the host.
//!
//! What an outside system needs is a catalog and a dataset; a lookup comes for free, as an index of the dataset. The crate's
//! tests certify both with the kit.
#![allow(clippy::print_stdout)]

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use syncline::connection::{Catalog, Connection, ConnectionInfo, ObjectInfo};
use syncline::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use syncline::destination::Destination;
use syncline::host::Context;
use syncline::job::{Job, RunRequest, SyncJob};
use syncline::memory::{MemoryConnection, MemoryRejects};
use syncline::record::{Batch, Cursor, Field, FieldType, RecordBuilder, RowsAsRead, Schema};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
use syncline::{Error, ErrorKind, Result};

/// Any `Serialize` type makes records.
#[derive(Serialize)]
struct Reading {
    sensor: String,
    taken_at: String,
    celsius: Option<f64>,
}

/// Stands in for a call of the system's API.
fn fetch(page: u64) -> impl Future<Output = Vec<Reading>> {
    let reading = |number: u64| Reading {
        sensor: format!("sensor {}", number % 2),
        taken_at: format!("2025-06-01T{number:02}:{page:02}:00Z"),
        celsius: (number != 3).then_some(20.5 + number as f64),
    };
    std::future::ready((0..4).map(reading).collect())
}

/// The pages that the system has.
const PAGES: u64 = 3;

/// The readings as a dataset.
#[derive(Debug, Clone)]
pub struct Readings {
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

    /// The columns that are asked for, and the pages.
    fn asked(&self, request: &ReadRequest) -> Result<(Vec<usize>, Range<u64>)> {
        let page = |cursor: &Cursor| {
            let page = cursor.as_str().parse().ok().filter(|page| *page <= PAGES);
            page.ok_or_else(|| Error::new(ErrorKind::OtherLineage, "no page has this cursor"))
        };
        let column = |name: &String| {
            let column = self.schema.index_of(name);
            column.ok_or_else(|| Error::new(ErrorKind::NotFound, "readings have no such field"))
        };
        let columns = match &request.fields {
            Some(names) => names.iter().map(column).collect::<Result<_>>()?,
            None => (0..self.schema.fields().len()).collect(),
        };
        let from = request.resume.as_ref().map_or(Ok(0), page)?;
        let to = request.until.as_ref().map_or(Ok(PAGES), page)?;
        Ok((columns, from..to))
    }

    /// One page: the wanted fields as columns, and the whole records behind them for rejects.
    async fn page(self, page: u64, columns: Vec<usize>, rows: usize) -> Result<Vec<Batch>> {
        let readings = fetch(page).await;
        let mut records = RecordBuilder::new(&self.schema);
        for reading in &readings {
            let pushed = records.push(reading);
            pushed.map_err(|refusal| Error::new(ErrorKind::Malformed, refusal.message))?;
        }
        let whole = records.finish()?;
        let batch = |start: usize| {
            let part = whole.slice(start, rows.min(readings.len() - start));
            let first = page * readings.len() as u64 + start as u64;
            let origins = RowsAsRead::new("readings", first, part.clone()).into_origins();
            Ok(Batch::new(part.project(&columns)?, origins))
        };
        let mut batches = (0..readings.len())
            .step_by(rows)
            .map(batch)
            .collect::<Result<Vec<_>>>()?;
        // The system can only be asked for a page: behind the whole page a read can go on.
        if let Some(last) = batches.last_mut() {
            last.resume = Some(Cursor::new((page + 1).to_string()));
        }
        Ok(batches)
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
        let (columns, pages) = match self.asked(&request) {
            Ok(asked) => asked,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        let (dataset, rows) = (self.clone(), request.batch_rows);
        let page = move |page| dataset.clone().page(page, columns.clone(), rows);
        let batches = stream::iter(pages).then(page);
        batches
            .map_ok(|page| stream::iter(page).map(Ok))
            .try_flatten()
            .boxed()
    }
}

/// The system as a connection.
#[derive(Debug)]
pub struct Sensors(ConnectionInfo);

impl Sensors {
    /// All sensors.
    pub fn new() -> Self {
        Sensors(ConnectionInfo::new("sensors"))
    }
}

#[async_trait]
impl Connection for Sensors {
    fn info(&self) -> &ConnectionInfo {
        &self.0
    }

    async fn discover(&self, _: &Context) -> Result<Catalog> {
        Ok(Catalog::new(vec![ObjectInfo::new(
            "readings",
            Readings::new().schema,
        )]))
    }

    async fn dataset(&self, _: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        match object {
            "readings" => Ok(Arc::new(Readings::new())),
            _ => Err(Error::new(
                ErrorKind::NotFound,
                "sensors have `readings` only",
            )),
        }
    }

    async fn destination(&self, _: &Context, _: &str) -> Result<Arc<dyn Destination>> {
        Err(Error::new(ErrorKind::Unsupported, "sensors are only read"))
    }
}

async fn run() -> Result<()> {
    let context = Context::new();
    let sensors = Sensors::new();
    let readings = sensors.dataset(&context, "readings").await?;
    let fields = readings.schema().fields().to_vec();
    let key = ["sensor", "taken_at"];
    let identity = Identity::Supplied(key.map(String::from).to_vec());
    let object = ObjectSpec::new("reading", identity, fields.clone());
    let home = MemoryConnection::new("home").with_object(&object)?;
    let direct = fields
        .iter()
        .map(|field| FieldMapping::direct(&field.name, &field.name));
    let mapping = MappingSpec::new(direct.collect());
    let spec = DestinationSpec::new("reading", WriteMode::upsert(key), mapping);
    let job = SyncJob::new("readings", readings).to(Arc::new(home.clone()), spec);
    let request = RunRequest::new(Arc::new(MemoryRejects::new()));
    println!("{}", job.run(&context, request).await?);
    let kept = home.object("reading").map_or(0, |object| object.len());
    println!("{kept} readings at home");
    Ok(())
}

fn main() -> Result<()> {
    futures::executor::block_on(run())
}
