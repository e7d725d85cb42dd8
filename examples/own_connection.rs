//! A connection of your own: sensors that answer with pages of readings, synced into an object of the host.
//!
//! What an outside system needs is a catalog and a dataset; a lookup comes for free, as an index of the dataset.
#![allow(clippy::print_stdout)]

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
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

#[derive(Debug, Clone)]
struct Readings {
    info: DatasetInfo,
    schema: Schema,
}

impl Readings {
    fn new() -> Self {
        let names = ["sensor", "taken_at", "celsius"].map(String::from);
        let types = [FieldType::Text, FieldType::DateTime, FieldType::Float];
        let fields = names
            .iter()
            .zip(types)
            .map(|(name, kind)| Field::new(name, kind));
        Readings {
            schema: Schema::new(fields.collect::<Vec<_>>()),
            info: DatasetInfo::new("readings", names),
        }
    }

    /// One page: the wanted fields as columns, and the whole records behind them for rejects.
    async fn page(self, page: u64, request: ReadRequest) -> Result<Batch> {
        let readings = fetch(page).await;
        let mut rows = RecordBuilder::new(&self.schema);
        for reading in &readings {
            let pushed = rows.push(reading);
            pushed.map_err(|refusal| Error::new(ErrorKind::Malformed, refusal.message))?;
        }
        let whole = rows.finish()?;
        let all = || self.info.columns.to_vec();
        let names = request.fields.clone().unwrap_or_else(all);
        let wanted = names.iter().filter_map(|name| self.schema.index_of(name));
        let records = whole.project(&wanted.collect::<Vec<_>>())?;
        let first = page * readings.len() as u64;
        let origins = RowsAsRead::new("readings", first, whole).into_origins();
        let cursor = Cursor::new(format!("page {}", page + 1));
        Ok(Batch::new(records, origins).with_resume(cursor))
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
        let dataset = self.clone();
        let page = move |page| dataset.clone().page(page, request.clone());
        stream::iter(0..3).then(page).boxed()
    }
}

#[derive(Debug)]
struct Sensors(ConnectionInfo);

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
    let sensors = Sensors(ConnectionInfo::new("sensors"));
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
