//! The systems outside: a connector of which the objects grow in the course of the day, and come in pages that take their time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use syncline::connection::{Catalog, Connection, ConnectionInfo, ObjectInfo};
use syncline::connector::{ConnectRequest, Connector, ConnectorCategory, ConnectorInfo};
use syncline::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use syncline::destination::Destination;
use syncline::host::Context;
use syncline::record::{Batch, CursorValue, Field, FieldType, RecordBuilder, Schema};
use syncline::{Error, ErrorKind, Result};

/// The records of a page.
const PAGE: usize = 5;

/// An object of a system, by the minutes that have passed since midnight.
#[derive(Debug, Clone)]
pub(crate) struct Outside {
    pub(crate) name: &'static str,
    pub(crate) fields: Vec<Field>,
    /// Its records at that time, by their number.
    pub(crate) records: fn(i64) -> Vec<Value>,
    /// The seconds that a page takes then.
    pub(crate) seconds: fn(i64) -> u64,
    /// From when to when nobody answers.
    pub(crate) down: std::ops::Range<i64>,
}

impl Outside {
    /// An object that always answers; each record has a `number`.
    pub(crate) fn new(
        name: &'static str,
        fields: &[(&str, FieldType)],
        seconds: fn(i64) -> u64,
        records: fn(i64) -> Vec<Value>,
    ) -> Self {
        let number = Field::new("number", FieldType::Integer);
        let others = (fields.iter()).map(|(name, of)| Field::new(*name, of.clone()));
        Outside {
            name,
            fields: std::iter::once(number).chain(others).collect(),
            records,
            seconds,
            down: 0..0,
        }
    }

    /// The same, not answering in these minutes.
    pub(crate) fn down(mut self, minutes: std::ops::Range<i64>) -> Self {
        self.down = minutes;
        self
    }
}

/// A system, which lets anyone in.
#[derive(Debug)]
pub(crate) struct System {
    info: ConnectorInfo,
    midnight: DateTime<Utc>,
    objects: Vec<Outside>,
}

impl System {
    pub(crate) fn new(kind: &str, midnight: DateTime<Utc>, objects: Vec<Outside>) -> Self {
        let info = ConnectorInfo::new(kind, kind, ConnectorCategory::Api);
        System {
            info,
            midnight,
            objects,
        }
    }
}

#[async_trait]
impl Connector for System {
    fn info(&self) -> &ConnectorInfo {
        &self.info
    }

    async fn connect(&self, _: &Context, request: ConnectRequest) -> Result<Arc<dyn Connection>> {
        Ok(Arc::new(Account {
            info: ConnectionInfo::new(request.name),
            midnight: self.midnight,
            objects: self.objects.clone(),
        }))
    }
}

#[derive(Debug)]
struct Account {
    info: ConnectionInfo,
    midnight: DateTime<Utc>,
    objects: Vec<Outside>,
}

#[async_trait]
impl Connection for Account {
    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    async fn discover(&self, _: &Context) -> Result<Catalog> {
        let info =
            |object: &Outside| ObjectInfo::new(object.name, Schema::new(object.fields.clone()));
        Ok(Catalog::new(self.objects.iter().map(info).collect()))
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        let found = self.objects.iter().find(|one| one.name == object);
        let object = found.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such object"))?;
        let names: Vec<String> = (object.fields.iter().map(|field| field.name.clone())).collect();
        let minute = (context.clock().now() - self.midnight).num_minutes();
        let size = bytes(&(object.records)(minute));
        let info = DatasetInfo::new(object.name, names).with_bounds();
        Ok(Arc::new(Pages {
            info: info.with_size_bytes(Some(size)),
            schema: Schema::new(object.fields.clone()),
            midnight: self.midnight,
            object: object.clone(),
        }))
    }

    async fn destination(&self, _: &Context, _: &str) -> Result<Arc<dyn Destination>> {
        let message = "this system is only read";
        Err(Error::new(ErrorKind::Unsupported, message))
    }
}

#[derive(Debug, Clone)]
struct Pages {
    info: DatasetInfo,
    schema: Schema,
    midnight: DateTime<Utc>,
    object: Outside,
}

impl Pages {
    fn minute(&self, context: &Context) -> i64 {
        (context.clock().now() - self.midnight).num_minutes()
    }

    /// The records that are asked for, in pages, and how many bytes all others have. There is one page at least, since whoever asks hears
    /// that there is nothing.
    fn pages(&self, context: &Context, request: &ReadRequest) -> (Vec<Vec<Value>>, u64) {
        let from = match request.bounds.as_ref().and_then(|bounds| bounds.from) {
            Some(CursorValue::Integer(from)) => from,
            _ => 0,
        };
        let all = (self.object.records)(self.minute(context));
        let is_asked = |record: &Value| record["number"].as_i64() >= Some(from);
        let (asked, others): (Vec<Value>, Vec<Value>) = all.into_iter().partition(is_asked);
        let mut pages: Vec<Vec<Value>> = asked.chunks(PAGE).map(<[Value]>::to_vec).collect();
        if pages.is_empty() {
            pages.push(Vec::new());
        }
        (pages, bytes(&others))
    }

    /// A page of the wanted columns, when its time has passed.
    async fn page(
        self,
        context: Context,
        page: (usize, Vec<Value>),
        columns: Vec<usize>,
    ) -> Result<Batch> {
        let seconds = (self.object.seconds)(self.minute(&context));
        context.clock().sleep(Duration::from_secs(seconds)).await;
        if self.object.down.contains(&self.minute(&context)) {
            let message = "the system does not answer; try again later";
            return Err(Error::new(ErrorKind::Io, message).with("object", self.object.name));
        }
        let mut rows = RecordBuilder::new(&self.schema);
        for record in &page.1 {
            let pushed = rows.push(record);
            pushed.map_err(|refusal| Error::new(ErrorKind::Malformed, refusal.message))?;
        }
        let mut batch = rows.finish_batch(self.object.name, (page.0 * PAGE) as u64)?;
        batch.records = batch.records.project(&columns)?;
        batch.bytes_read = bytes(&page.1);
        Ok(batch)
    }
}

/// As they come over the wire.
fn bytes(records: &[Value]) -> u64 {
    let lengths = records.iter().map(|record| record.to_string().len() as u64);
    lengths.sum()
}

impl Dataset for Pages {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let columns = match request.positions(&self.schema) {
            Ok(columns) => columns,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        let (pages, others) = self.pages(context, &request);
        let (dataset, context) = (self.clone(), context.clone());
        let page = move |page| (dataset.clone()).page(context.clone(), page, columns.clone());
        let pieces = move |page: Batch| stream::iter(page.pieces(request.batch_rows)).map(Ok);
        let mut passed = others;
        stream::iter(pages.into_iter().enumerate())
            .then(page)
            // What is left out is passed at once.
            .map_ok(move |mut batch| {
                batch.bytes_read += std::mem::take(&mut passed);
                pieces(batch)
            })
            .try_flatten()
            .boxed()
    }
}
