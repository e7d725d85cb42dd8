//! Destinations and reject ledgers that have the lease of the job looked at before each change.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use arrow_array::ArrayRef;
use async_trait::async_trait;

use crate::Result;
use crate::connection::{Catalog, Connection, ConnectionInfo};
use crate::dataset::Dataset;
use crate::destination::{
    CommitReport, CommitRequest, Destination, DestinationInfo, OpenRequest, Opened, Patch,
    WriteReport, Writer,
};
use crate::host::{
    Bug, Context, KeptRejects, RejectLedger, RejectMarks, RejectRewind, RejectSegment,
};
use crate::lookup::{Lookup, LookupRequest};
use crate::record::{Batch, Schema};

/// The connection of a run that is held by the lease of its job: no destination is opened, and no write, commit, patch or delete begins,
/// when too little is left of it.
pub(super) fn leased(connection: Arc<dyn Connection>) -> Arc<dyn Connection> {
    Arc::new(Leased(connection))
}

/// The ledger of such a run: nothing is kept or taken back when too little is left of the lease.
pub(super) fn leased_rejects(ledger: Arc<dyn RejectLedger>) -> Arc<dyn RejectLedger> {
    Arc::new(Rejects(ledger))
}

#[derive(Debug)]
struct Leased(Arc<dyn Connection>);

#[async_trait]
impl Connection for Leased {
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
        let destination = self.0.destination(context, object).await?;
        Ok(Arc::new(Written(destination)))
    }

    async fn lookup(&self, context: &Context, request: LookupRequest) -> Result<Arc<dyn Lookup>> {
        self.0.lookup(context, request).await
    }
}

#[derive(Debug)]
struct Written(Arc<dyn Destination>);

#[async_trait]
impl Destination for Written {
    fn info(&self) -> &DestinationInfo {
        self.0.info()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
        // An opening may clear away what an older run left, and that could be the successor's.
        ask_holder().await;
        let opened = self.0.open(context, request).await?;
        let writer = Writing(opened.writer);
        Ok(Opened::new(Box::new(writer)).with_checkpoint(opened.checkpoint))
    }
}

#[derive(Debug)]
struct Writing(Box<dyn Writer>);

/// Lets the [holder](super::Lease::hold) of the lease look at it, and renew it, directly before what comes next: it ends the run here when
/// too little time is left. Without that, one step of a run could go on for any time and change something.
async fn ask_holder() {
    if Bug::LeaseNotAskedBeforeWrites.is_on() {
        return;
    }
    let mut asked = false;
    poll_fn(|task| {
        if asked {
            return Poll::Ready(());
        }
        asked = true;
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[async_trait]
impl Writer for Writing {
    async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport> {
        ask_holder().await;
        self.0.write(context, batch).await
    }

    async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<CommitReport> {
        ask_holder().await;
        self.0.commit(context, request).await
    }

    async fn abort(&mut self, context: &Context) -> Result<()> {
        ask_holder().await;
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
        ask_holder().await;
        self.0.patch(context, patch).await
    }

    async fn delete(&mut self, context: &Context, ids: ArrayRef) -> Result<u64> {
        ask_holder().await;
        self.0.delete(context, ids).await
    }
}

#[derive(Debug)]
struct Rejects(Arc<dyn RejectLedger>);

#[async_trait]
impl RejectLedger for Rejects {
    async fn append(&self, segment: RejectSegment) -> Result<()> {
        ask_holder().await;
        self.0.append(segment).await
    }

    async fn seal(&self) -> Result<()> {
        ask_holder().await;
        self.0.seal().await
    }

    async fn flush(&self) -> Result<()> {
        ask_holder().await;
        self.0.flush().await
    }

    async fn rewind(&self, to: &RejectRewind) -> Result<()> {
        ask_holder().await;
        self.0.rewind(to).await
    }

    async fn list(&self, destination: Option<&str>) -> Result<Vec<KeptRejects>> {
        self.0.list(destination).await
    }

    async fn mark(&self, destination: Option<&str>, marks: &RejectMarks) -> Result<()> {
        ask_holder().await;
        self.0.mark(destination, marks).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arrow_array::RecordBatch;
    use futures::executor::block_on;

    use super::*;
    use crate::destination::{RowOutcome, WriteField};
    use crate::host::RejectKey;
    use crate::memory::{MemoryConnection, MemoryRejects};
    use crate::record::{
        Field, FieldType, Position, RawRecord, Reason, RecordBuilder, Refusal, Reject, RowsAsRead,
    };
    use crate::spec::{Identity, ObjectSpec, WriteMode};

    /// The values of the field `n` of all records.
    fn values(home: &MemoryConnection) -> Vec<String> {
        let records = home.object("number").unwrap().scan().unwrap();
        let columns = records
            .iter()
            .map(|records| records.column_by_name("n").unwrap());
        columns.map(|column| format!("{column:?}")).collect()
    }

    #[test]
    fn a_destination_is_changed_as_it_would_be_without_a_lease() {
        let fields = || vec![Field::new("n", FieldType::Integer)];
        let home = MemoryConnection::new("home")
            .with_object(&ObjectSpec::new("number", Identity::Generated, fields()))
            .unwrap();
        let connection = leased(Arc::new(home.clone()));
        let context = Context::new();
        block_on(async {
            let catalog = connection.discover(&context).await?;
            assert!(catalog.object("number").is_some());
            let destination = connection.destination(&context, "number").await?;
            let request = OpenRequest::new("job", vec![WriteField::new("n")], WriteMode::Insert);
            let opened = destination.open(&context, request.with_ids(true)).await?;
            let mut writer = opened.writer;
            let records = |n: i64| {
                let mut rows = RecordBuilder::new(&Schema::new(fields()));
                rows.push(&serde_json::json!({ "n": n })).unwrap();
                rows.finish()
            };
            let batch = records(1)?;
            let origins = RowsAsRead::new("rows", 0, batch.clone()).into_origins();
            let report = writer.write(&context, Batch::new(batch, origins)).await?;
            assert_eq!(report.outcomes, [RowOutcome::Inserted]);
            let ids = report.ids.unwrap();
            let values_before = values(&home);
            let patch: RecordBatch = records(2)?;
            writer
                .patch(&context, Patch::new(Arc::clone(&ids), patch))
                .await?;
            assert_ne!(values(&home), values_before);
            assert_eq!(writer.delete(&context, Arc::clone(&ids)).await?, 1);
            assert_eq!(writer.delete(&context, ids).await?, 0);
            assert!(home.object("number").unwrap().is_empty());
            Ok::<_, crate::Error>(())
        })
        .unwrap();
    }

    #[test]
    fn rejects_are_kept_and_marked_as_they_would_be_without_a_lease() {
        let kept = Arc::new(MemoryRejects::new());
        let ledger = leased_rejects(Arc::clone(&kept) as Arc<dyn RejectLedger>);
        let refusal = Refusal::new(Reason::BadValue, "expected a date");
        let raw = RawRecord::Cells(vec![]);
        let reject = Reject::new(Position::new("in.csv", 1), refusal, raw);
        block_on(async {
            ledger
                .append(RejectSegment::new(None, [].into(), vec![reject]))
                .await?;
            ledger.flush().await?;
            assert!(kept.sealed());
            let listed = ledger.list(None).await?;
            assert_eq!((listed.len(), listed[0].rejects.len()), (1, 1));
            let mut marks = RejectMarks::new(None);
            let key = RejectKey::new(Arc::clone(&listed[0].place), &listed[0].rejects[0]);
            marks.by_key.insert(key, None);
            ledger.mark(None, &marks).await?;
            assert!(kept.all().is_empty());
            Ok::<_, crate::Error>(())
        })
        .unwrap();
    }
}
