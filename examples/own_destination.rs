//! A destination of your own: appends each record to a file as a line of JSON, and syncs a few people into it.
//!
//! It only inserts and declares no more; a job that upserts into it is refused before it reads anything.
//! The file is the argument, by default `people.jsonl` in the folder for temporary files.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures::executor::block_on;
use syncline::connection::{Catalog, Connection, ConnectionInfo, ObjectInfo};
use syncline::dataset::Dataset;
use syncline::destination::*;
use syncline::host::Context;
use syncline::job::{Job, RunRequest, SyncJob};
use syncline::memory::{MemoryDataset, MemoryRejects};
use syncline::record::{Batch, Field, FieldType, Reason, RecordBuilder, Refusal, Schema, format};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, WriteMode};
use syncline::{Error, ErrorKind, Result};

/// A file of JSON lines; as a connection it has one object, itself.
#[derive(Debug, Clone)]
pub struct JsonLines {
    info: DestinationInfo,
    connection: ConnectionInfo,
    schema: Schema,
    path: PathBuf,
}

fn io(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "the JSON lines cannot be written").because(error)
}

#[async_trait]
impl Destination for JsonLines {
    fn info(&self) -> &DestinationInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    async fn open(&self, _: &Context, _: OpenRequest) -> Result<Opened> {
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&self.path);
        Ok(Opened::new(Box::new(Lines(file.map_err(io)?))))
    }
}

#[derive(Debug)]
struct Lines(File);

#[async_trait]
impl Writer for Lines {
    async fn write(&mut self, _: &Context, batch: Batch) -> Result<WriteReport> {
        let schema = batch.records.schema();
        let (mut lines, mut outcomes, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
        for row in 0..batch.len() {
            let mut record = serde_json::Map::new();
            for (field, column) in schema.fields().iter().zip(batch.records.columns()) {
                let mut text = Vec::new();
                let has_value = format::value(column, row, &mut text);
                let value = has_value.then(|| String::from_utf8_lossy(&text).into_owned());
                record.insert(field.name().clone(), value.into());
            }
            // A refused record harms no other; the job keeps it among the rejects.
            if record.values().all(serde_json::Value::is_null) {
                let refusal = Refusal::new(Reason::Refused, "a line needs at least one value");
                refusals.push((row as u32, refusal));
                outcomes.push(RowOutcome::Rejected);
                continue;
            }
            lines.extend_from_slice(serde_json::Value::Object(record).to_string().as_bytes());
            lines.push(b'\n');
            outcomes.push(RowOutcome::Inserted);
        }
        self.0.write_all(&lines).map_err(io)?;
        Ok(WriteReport::new(outcomes).with_refusals(refusals))
    }

    async fn commit(&mut self, _: &Context, request: CommitRequest) -> Result<CommitReport> {
        self.0.sync_all().map_err(io)?;
        let through = request.group;
        Ok(CommitReport::new(Durability::Durable { through }))
    }

    async fn abort(&mut self, _: &Context) -> Result<()> {
        // What is appended stays.
        Ok(())
    }
}

#[async_trait]
impl Connection for JsonLines {
    fn info(&self) -> &ConnectionInfo {
        &self.connection
    }

    async fn discover(&self, _: &Context) -> Result<Catalog> {
        let object = ObjectInfo::new(&self.info.name, self.schema.clone());
        Ok(Catalog::new(vec![object.without_lookup()]))
    }

    async fn dataset(&self, _: &Context, _: &str) -> Result<Arc<dyn Dataset>> {
        Err(Error::new(ErrorKind::Unsupported, "they are only written"))
    }

    async fn destination(&self, _: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        let known = (object == self.info.name).then(|| Arc::new(self.clone()) as Arc<_>);
        known.ok_or_else(|| Error::new(ErrorKind::NotFound, "there are `people` only"))
    }
}

impl JsonLines {
    /// People in a file.
    pub fn people(path: PathBuf) -> Self {
        let fields = [("name", FieldType::Text), ("born", FieldType::Date)];
        JsonLines {
            info: DestinationInfo::new("people", Identity::None, DestinationCapabilities::new()),
            connection: ConnectionInfo::new("json lines"),
            schema: Schema::new(fields.map(|(name, of)| Field::new(name, of)).to_vec()),
            path,
        }
    }
}

fn main() -> Result<()> {
    let path = std::env::args().nth(1).map(PathBuf::from);
    let in_temp = || std::env::temp_dir().join("people.jsonl");
    let lines = JsonLines::people(path.unwrap_or_else(in_temp));
    let mut rows = RecordBuilder::new(&lines.schema);
    for person in [("Ada", Some("1815-12-10")), ("", None), ("Grace", None)] {
        let name = Some(person.0).filter(|name| !name.is_empty());
        let pushed = rows.push(&serde_json::json!({"name": name, "born": person.1}));
        pushed.map_err(|refusal| Error::new(ErrorKind::Malformed, refusal.message))?;
    }
    let dataset = MemoryDataset::new("people", lines.schema.clone(), vec![rows.finish()?])?;
    let fields = ["name", "born"].map(|name| FieldMapping::direct(name, name));
    let mapping = MappingSpec::new(fields.into());
    let spec = DestinationSpec::new("people", WriteMode::Insert, mapping);
    let job = SyncJob::new("people to lines", Arc::new(dataset)).to(Arc::new(lines), spec);
    let request = RunRequest::new(Arc::new(MemoryRejects::new()));
    println!("{}", block_on(job.run(&Context::new(), request))?);
    Ok(())
}
