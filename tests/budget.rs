//! Ten million rows to a destination that is a thousand times slower than their source: what is in flight stays in its budget,
//! measured by an allocator that counts. So does what rows hold of their source beside their values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use peak_alloc::PeakAlloc;
use syncline::Result;
use syncline::connection::{Catalog, Connection, ConnectionInfo, ObjectInfo};
use syncline::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use syncline::destination::{
    CommitReport, CommitRequest, Destination, DestinationCapabilities, DestinationInfo, Durability,
    OpenRequest, Opened, RowOutcome, WriteReport, Writer,
};
use syncline::host::{Context, Executor, Inline};
use syncline::job::{Job as _, Outcome, RunReport, RunRequest, SyncJob};
use syncline::memory::{ManualClock, MemoryRejects};
use syncline::record::array::{ArrayRef, Int64Array, RecordBatch, StringArray, StringViewArray};
use syncline::record::{Batch, Field, FieldType, RowsAsRead, Schema};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, WriteMode};

#[global_allocator]
static COUNTING: PeakAlloc = PeakAlloc;

const ROWS: u64 = 10_000_000;
/// A row is a number and a text of this many bytes.
const TEXT: usize = 180;
const BUDGET: usize = 96 << 20;
const WRITE: Duration = Duration::from_secs(1);

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("n", FieldType::Integer),
        Field::new("text", FieldType::Text),
    ])
}

/// Rows that are made when they are read.
#[derive(Debug)]
struct Generated {
    rows: u64,
    info: DatasetInfo,
    schema: Schema,
}

fn batch(first: u64, rows: u64) -> Batch {
    let text = "x".repeat(TEXT);
    let texts = StringArray::from_iter_values((0..rows).map(|_| &*text));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(
            (first..first + rows).map(|n| n as i64),
        )),
        Arc::new(StringViewArray::from(&texts)),
    ];
    let records = RecordBatch::try_new(Arc::clone(schema().arrow()), columns).unwrap();
    Batch::new(
        records.clone(),
        RowsAsRead::new("generated", first, records).into_origins(),
    )
}

#[async_trait]
impl Dataset for Generated {
    fn info(&self) -> &DatasetInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn read(&self, _: &Context, request: ReadRequest) -> BatchStream {
        let rows = request.batch_rows as u64;
        let all = self.rows;
        let starts = stream::iter((0..all).step_by(request.batch_rows));
        let slim = request.fields.is_some_and(|fields| fields == ["n"]);
        // Always ready: only the budget keeps it from being read to its end at once.
        let batches = starts.map(move |first| {
            let mut batch = batch(first, rows.min(all - first));
            if slim {
                // As of a file: the rows have few columns, and hold all that was read for their origins.
                batch.records = batch.records.project(&[0])?;
                batch.bytes_read = batch.records.num_rows() as u64 * (TEXT as u64 + 24);
            }
            Ok(batch)
        });
        batches.boxed()
    }
}

/// Takes a second for each batch, and forgets it.
#[derive(Debug)]
struct Slow {
    connection: ConnectionInfo,
    info: DestinationInfo,
    schema: Schema,
}

#[async_trait]
impl Connection for Slow {
    fn info(&self) -> &ConnectionInfo {
        &self.connection
    }

    async fn discover(&self, _: &Context) -> Result<Catalog> {
        Ok(Catalog::new(vec![
            ObjectInfo::new("row", self.schema.clone()).without_lookup(),
        ]))
    }

    async fn dataset(&self, _: &Context, _: &str) -> Result<Arc<dyn Dataset>> {
        unreachable!("nobody reads it")
    }

    async fn destination(&self, _: &Context, _: &str) -> Result<Arc<dyn Destination>> {
        Ok(Arc::new(slow()))
    }
}

#[async_trait]
impl Destination for Slow {
    fn info(&self) -> &DestinationInfo {
        &self.info
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    async fn open(&self, _: &Context, _: OpenRequest) -> Result<Opened> {
        Ok(Opened::new(Box::new(SlowWriter)))
    }
}

#[derive(Debug)]
struct SlowWriter;

#[async_trait]
impl Writer for SlowWriter {
    async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport> {
        context.clock().sleep(WRITE).await;
        Ok(WriteReport::new(vec![RowOutcome::Inserted; batch.len()]))
    }

    async fn commit(&mut self, _: &Context, request: CommitRequest) -> Result<CommitReport> {
        let through = request.group;
        Ok(CommitReport::new(Durability::Durable { through }))
    }

    async fn abort(&mut self, _: &Context) -> Result<()> {
        Ok(())
    }
}

fn slow() -> Slow {
    Slow {
        connection: ConnectionInfo::new("slow"),
        info: DestinationInfo::new("row", Identity::None, DestinationCapabilities::new()),
        schema: schema(),
    }
}

/// An executor that would do a lot ahead.
#[derive(Debug)]
struct Wide;

impl Executor for Wide {
    fn parallelism(&self) -> usize {
        64
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        Inline.spawn(task);
    }
}

/// The report of a job with these fields, and the most bytes that were allocated at any time.
fn run(rows: u64, fields: &[&str]) -> (RunReport, usize) {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let fields = fields.iter().map(|name| FieldMapping::direct(*name, *name));
    let columns = ["n".to_owned(), "text".to_owned()];
    let dataset = Generated {
        rows,
        info: DatasetInfo::new("generated", columns),
        schema: schema(),
    };
    let spec = DestinationSpec::new("row", WriteMode::Insert, MappingSpec::new(fields.collect()));
    let job = SyncJob::new("rows", Arc::new(dataset)).to(Arc::new(slow()), spec);
    let context = Context::new()
        .with_clock(Arc::new(clock.clone()))
        .with_executor(Arc::new(Wide));
    let request = RunRequest::new(Arc::new(MemoryRejects::new()))
        .with_batch_rows(50_000)
        .with_memory(BUDGET as u64);
    let before = COUNTING.current_usage();
    COUNTING.reset_peak_usage();
    let report = clock
        .drive(job.run(&context, request))
        .expect("it does not wait for ever");
    (report.unwrap(), COUNTING.peak_usage() - before)
}

#[test]
fn a_slow_destination_holds_up_its_source() {
    let (report, peak) = run(ROWS, &["n", "text"]);
    assert_eq!((report.outcome, report.records), (Outcome::Success, ROWS));
    let seconds = (report.finished_at - report.started_at).num_seconds();
    assert!(
        seconds >= 200,
        "each of 200 batches took a second: {seconds}"
    );
    assert!(peak < BUDGET + (64 << 20), "{peak} bytes at the most");
    assert!(
        peak > BUDGET / 4,
        "the budget is used: {peak} bytes at the most"
    );
    // Of each row 8 bytes are written, and 200 are held: 60 batches would take 600 MB.
    let rows = 3_000_000;
    let (report, peak) = run(rows, &["n"]);
    assert_eq!((report.outcome, report.records), (Outcome::Success, rows));
    assert!(
        peak < BUDGET + (64 << 20),
        "{peak} bytes at the most, with what rows hold of their source"
    );
    #[cfg(feature = "testing")]
    {
        use syncline::testing::Bug;
        Bug::switch(Some(Bug::NoMemoryBudget));
        let (_, peak) = run(ROWS, &["n", "text"]);
        Bug::switch(None);
        assert!(
            peak > 2 * BUDGET + (64 << 20),
            "without a budget: {peak} bytes at the most"
        );
    }
}
