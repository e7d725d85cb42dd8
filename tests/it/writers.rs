//! What the run loop makes of writers that can less, or that lie.

use std::cell::RefCell;
use std::sync::Arc;

use async_trait::async_trait;
use futures::executor::block_on;
use proptest::prelude::*;
use syncline::connection::{Catalog, Connection, ConnectionInfo};
use syncline::dataset::Dataset;
use syncline::destination::{
    CommitReport, CommitRequest, Destination, DestinationInfo, OpenRequest, Opened, Patch,
    RowOutcome, WriteField, WriteReport, Writer,
};
use syncline::file::FileDestination;
use syncline::host::Context;
use syncline::job::{CommitPolicy, Job, Outcome, RunReport, RunRequest, SyncJob};
use syncline::lookup::{Lookup, LookupRequest};
use syncline::memory::{
    MemoryConnection, MemoryDataset, MemoryDestination, MemoryFiles, MemoryObject, MemoryRejects,
};
use syncline::record::array::{ArrayRef, RecordBatch, StringViewArray};
use syncline::record::{Batch, Field, FieldType, RecordBuilder, Schema};
use syncline::spec::{
    Delimited, DestinationSpec, DuplicateKeys, FieldMapping, Identity, MappingSpec, ObjectSpec,
    WriteMode,
};
use syncline::{ErrorKind, Result};

/// A memory connection whose destination is changed by a function.
#[derive(Debug)]
struct Changed {
    objects: MemoryConnection,
    change: fn(MemoryObject) -> Arc<dyn Destination>,
}

#[async_trait]
impl Connection for Changed {
    fn info(&self) -> &ConnectionInfo {
        self.objects.info()
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        self.objects.discover(context).await
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        self.objects.dataset(context, object).await
    }

    async fn destination(&self, _: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        Ok((self.change)(self.objects.object(object).unwrap()))
    }
}

fn plain(object: MemoryObject) -> Arc<dyn Destination> {
    Arc::new(MemoryDestination::new(object))
}

fn without_same_run(object: MemoryObject) -> Arc<dyn Destination> {
    Arc::new(MemoryDestination::new(object).without_same_run())
}

/// A destination whose writer answers wrongly.
#[derive(Debug)]
struct Lying(MemoryDestination, fn(&mut WriteReport));

thread_local! {
    /// Of each commit of this test.
    static HAS_CURSOR: RefCell<Vec<bool>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug)]
struct LyingWriter(Box<dyn Writer>, fn(&mut WriteReport));

#[async_trait]
impl Destination for Lying {
    fn info(&self) -> &DestinationInfo {
        self.0.info()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
        let opened = self.0.open(context, request).await?;
        Ok(Opened::new(Box::new(LyingWriter(opened.writer, self.1))))
    }
}

#[async_trait]
impl Writer for LyingWriter {
    async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport> {
        let mut report = self.0.write(context, batch).await?;
        self.1(&mut report);
        Ok(report)
    }

    async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<CommitReport> {
        HAS_CURSOR.with_borrow_mut(|told| told.push(request.cursor.is_some()));
        self.0.commit(context, request).await
    }

    async fn abort(&mut self, context: &Context) -> Result<()> {
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
        self.0.patch(context, patch).await
    }
}

type Row = (String, Option<String>, i64);

/// Upserts rows by code or, where that is null, by name.
fn sync(
    change: fn(MemoryObject) -> Arc<dyn Destination>,
    rows: &[Row],
    batch_rows: usize,
    duplicates: DuplicateKeys,
) -> (Result<RunReport>, Vec<String>) {
    let fields = vec![
        Field::new("name", FieldType::Text),
        Field::new("code", FieldType::Text),
        Field::new("n", FieldType::Integer),
    ];
    let schema = Schema::new(fields.clone());
    let mut builder = RecordBuilder::new(&schema);
    for (name, code, n) in rows {
        builder
            .push(&serde_json::json!({"name": name, "code": code, "n": n}))
            .unwrap();
    }
    let dataset = MemoryDataset::new("rows", schema, vec![builder.finish().unwrap()]).unwrap();
    let object = MemoryObject::new(&ObjectSpec::new("thing", Identity::Generated, fields)).unwrap();
    let objects = MemoryConnection::new("home");
    objects.add(object.clone());
    let mapping = ["name", "code", "n"].map(|field| FieldMapping::direct(field, field));
    let mode = WriteMode::Upsert {
        identifiers: vec![vec!["code".into()], vec!["name".into()]],
    };
    let mut spec = DestinationSpec::new("thing", mode, MappingSpec::new(mapping.to_vec()));
    spec.duplicates = duplicates;
    let job =
        SyncJob::new("rows", Arc::new(dataset)).to(Arc::new(Changed { objects, change }), spec);
    let request = RunRequest::new(Arc::new(MemoryRejects::new())).with_batch_rows(batch_rows);
    let report = block_on(job.run(&super::support::context(1), request));
    let mut table = Vec::new();
    for batch in object.scan().unwrap() {
        for row in 0..batch.num_rows() {
            let mut text = Vec::new();
            for column in &batch.columns()[1..] {
                syncline::record::format::value(column, row, &mut text);
                text.push(b'|');
            }
            table.push(String::from_utf8(text).unwrap());
        }
    }
    (report, table)
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = ("[a-c]", proptest::option::of("[x-z]"), 0i64..100);
    proptest::collection::vec(row, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A writer that cannot tell rows of the same run apart is given batches without repeated keys: the
    /// same records come out, and what would be superseded is updated.
    #[test]
    fn a_writer_may_be_unable_to_tell_rows_of_the_same_run(rows in rows(), batch_rows in 1usize..12) {
        let (told, table) = sync(plain, &rows, 8192, DuplicateKeys::LastWins);
        let (untold, other) = sync(without_same_run, &rows, batch_rows, DuplicateKeys::LastWins);
        prop_assert_eq!(table, other);
        let (told, untold) = (told.unwrap(), untold.unwrap());
        let (told, untold) = (&told.destinations[0], &untold.destinations[0]);
        prop_assert_eq!(untold.superseded, 0);
        prop_assert_eq!((told.inserted, told.updated + told.superseded), (untold.inserted, untold.updated));
        prop_assert_eq!(told.rejected, untold.rejected);
    }
}

#[test]
fn keeping_the_first_of_a_key_needs_a_writer_that_can_tell() {
    let (report, _) = sync(without_same_run, &[], 1, DuplicateKeys::Reject);
    let error = report.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.problems()[0].path, "destinations[0].duplicates");
}

#[test]
fn a_writer_that_does_not_account_for_every_row_fails_the_run() {
    let lies: [fn(MemoryObject) -> Arc<dyn Destination>; 4] = [
        |object| {
            Arc::new(Lying(MemoryDestination::new(object), |report| {
                report.outcomes.pop();
            }))
        },
        |object| {
            Arc::new(Lying(MemoryDestination::new(object), |report| {
                report.outcomes.push(RowOutcome::Inserted)
            }))
        },
        |object| {
            Arc::new(Lying(MemoryDestination::new(object), |report| {
                report.outcomes[0] = RowOutcome::Rejected
            }))
        },
        |object| {
            Arc::new(Lying(MemoryDestination::new(object), |report| {
                report.outcomes[0] = RowOutcome::Replaced
            }))
        },
    ];
    let rows = [("a".to_owned(), None, 1), ("b".to_owned(), None, 2)];
    for lie in lies {
        let (report, _) = sync(lie, &rows, 8192, DuplicateKeys::LastWins);
        let report = report.unwrap();
        assert_eq!(report.outcome, Outcome::Failed);
        assert_eq!(report.failure.unwrap().kind(), ErrorKind::Contract);
        assert!(!report.destinations[0].durable);
    }
}

#[test]
fn what_a_writer_says_of_a_row_is_counted() {
    fn without_changes(object: MemoryObject) -> Arc<dyn Destination> {
        Arc::new(Lying(MemoryDestination::new(object), |report| {
            report.outcomes[0] = RowOutcome::Unchanged;
            report.outcomes[1] = RowOutcome::Deleted;
        }))
    }
    let rows = ["a", "b", "c"].map(|name| (name.to_owned(), None, 1));
    let (report, _) = sync(without_changes, &rows, 8192, DuplicateKeys::LastWins);
    let counts = &report.unwrap().destinations[0];
    assert_eq!(
        (counts.unchanged, counts.deleted, counts.inserted),
        (1, 1, 1)
    );
}

/// A destination may keep the cursor for whoever reads on from there.
#[test]
fn no_commit_has_a_cursor_while_a_row_waits_for_its_link() {
    let fields = serde_json::json!([{"name": "n", "type": "integer"}, {"name": "parent", "type": "lookup(thing)"}]);
    let fields: Vec<Field> = serde_json::from_value(fields).unwrap();
    let schema = Schema::new(fields[..1].to_vec());
    let mut rows = RecordBuilder::new(&schema);
    (0..3).for_each(|n| rows.push(&serde_json::json!({ "n": n })).unwrap());
    let dataset = MemoryDataset::new("rows", schema, vec![rows.finish().unwrap()]).unwrap();
    let parent = serde_json::json!({"field": "parent", "self_lookup": {"keys": [{"source": "n", "field": "n"}], "multi_match": "null"}});
    let mapping = vec![
        FieldMapping::direct("n", "n"),
        serde_json::from_value(parent).unwrap(),
    ];
    let run = |mapping: &[FieldMapping]| {
        let objects = MemoryConnection::new("home")
            .with_object(&ObjectSpec::new(
                "thing",
                Identity::Generated,
                fields.clone(),
            ))
            .unwrap();
        let change = |object| -> Arc<dyn Destination> {
            Arc::new(Lying(MemoryDestination::new(object), |_| {}))
        };
        let spec = DestinationSpec::new(
            "thing",
            WriteMode::upsert(["n"]),
            MappingSpec::new(mapping.to_vec()),
        );
        let job = SyncJob::new("rows", Arc::new(dataset.clone()))
            .to(Arc::new(Changed { objects, change }), spec);
        let request = RunRequest::new(Arc::new(MemoryRejects::new()))
            .with_batch_rows(1)
            .with_commit(CommitPolicy::default().with_records(1));
        let report = block_on(job.run(&super::support::context(1), request)).unwrap();
        assert_eq!(report.outcome, Outcome::Success);
        HAS_CURSOR.take()
    };
    assert_eq!(run(&mapping[..1]), [true; 4]);
    // At the end of the source all links are set.
    assert_eq!(run(&mapping), [false, false, false, true]);
}

#[test]
fn what_a_writer_cannot_do_is_an_error_and_not_passed_over() {
    let schema = Schema::new(vec![Field::new("n", FieldType::Text)]);
    let files = Arc::new(MemoryFiles::new());
    let file = FileDestination::new(files, "out.csv", "thing", schema, Delimited::csv());
    let context = Context::new();
    block_on(async {
        let request = OpenRequest::new("job", vec![WriteField::new("n")], WriteMode::Insert);
        let mut writer = file.open(&context, request).await.unwrap().writer;
        let ids: ArrayRef = Arc::new(StringViewArray::from(vec!["a"]));
        let values = RecordBatch::try_from_iter([("n", ids.clone())]).unwrap();
        let refused = [
            writer
                .patch(&context, Patch::new(ids.clone(), values))
                .await
                .unwrap_err(),
            writer.delete(&context, ids).await.unwrap_err(),
        ];
        assert!(
            refused
                .iter()
                .all(|error| error.kind() == ErrorKind::Unsupported)
        );
    });
}

#[test]
fn a_failed_run_keeps_its_rejects_and_its_counts_add_up() {
    fn failing(object: MemoryObject) -> Arc<dyn Destination> {
        Arc::new(Lying(MemoryDestination::new(object), |report| {
            // The batch of the row that is refused passes, the next one does not.
            if report.refusals.is_empty() {
                report.outcomes.clear();
            }
        }))
    }
    let rows = [
        ("a".to_owned(), None, 1),
        ("a".to_owned(), None, 2),
        ("b".to_owned(), None, 3),
    ];
    let (report, _) = sync(failing, &rows, 2, DuplicateKeys::Reject);
    let report = report.unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    let counts = &report.destinations[0];
    assert_eq!(
        (
            counts.read,
            counts.inserted,
            counts.rejected,
            counts.pending
        ),
        (3, 1, 1, 1)
    );
    counts.check().unwrap();
}

#[test]
fn a_dry_run_needs_a_destination_that_can() {
    #[derive(Debug)]
    struct OnlyWet(MemoryDestination, DestinationInfo);
    #[async_trait]
    impl Destination for OnlyWet {
        fn info(&self) -> &DestinationInfo {
            &self.1
        }
        fn schema(&self) -> &Schema {
            self.0.schema()
        }
        async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
            self.0.open(context, request).await
        }
    }
    let fields = vec![Field::new("n", FieldType::Integer)];
    let schema = Schema::new(fields.clone());
    let dataset = MemoryDataset::new("rows", schema, vec![]).unwrap();
    let objects = MemoryConnection::new("home")
        .with_object(&ObjectSpec::new("thing", Identity::Generated, fields))
        .unwrap();
    let change = |object: MemoryObject| -> Arc<dyn Destination> {
        let inner = MemoryDestination::new(object);
        let mut info = inner.info().clone();
        info.capabilities.dry_run = false;
        Arc::new(OnlyWet(inner, info))
    };
    let mapping = MappingSpec::new(vec![FieldMapping::direct("n", "n")]);
    let job = SyncJob::new("rows", Arc::new(dataset)).to(
        Arc::new(Changed { objects, change }),
        DestinationSpec::new("thing", WriteMode::Insert, mapping),
    );
    let request = RunRequest::new(Arc::new(MemoryRejects::new())).with_dry_run(true);
    let error = block_on(job.run(&super::support::context(1), request)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

/// A row that comes again finds the record that it made itself.
#[test]
fn a_field_that_is_written_on_update_only_promises_less() {
    use futures::executor::block_on;
    use std::sync::Arc;
    use syncline::host::Context;
    use syncline::job::{Guarantee, SyncJob};
    use syncline::memory::{MemoryConnection, MemoryDataset};
    use syncline::record::{Field, FieldType, Schema};
    use syncline::spec::{
        DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode,
    };

    let fields = || {
        vec![
            Field::new("name", FieldType::Text),
            Field::new("state", FieldType::Text),
        ]
    };
    let promised = |mode: WriteMode, on: &str| {
        let home = MemoryConnection::new("home")
            .with_object(&ObjectSpec::new("person", Identity::Generated, fields()))
            .unwrap();
        let state = serde_json::json!({"field": "state", "constant": "changed", "on": on});
        let mapping = vec![
            FieldMapping::direct("name", "name"),
            serde_json::from_value(state).unwrap(),
        ];
        let dataset = MemoryDataset::new("people", Schema::new(fields()), vec![]).unwrap();
        let job = SyncJob::new("people", Arc::new(dataset)).to(
            Arc::new(home),
            DestinationSpec::new("person", mode, MappingSpec::new(mapping)),
        );
        block_on(job.plan(&Context::new())).unwrap().guarantee()
    };
    assert_eq!(
        promised(WriteMode::upsert(["name"]), "always"),
        Guarantee::EffectivelyOnce
    );
    assert_eq!(
        promised(WriteMode::upsert(["name"]), "insert"),
        Guarantee::EffectivelyOnce
    );
    assert_eq!(
        promised(WriteMode::upsert(["name"]), "update"),
        Guarantee::AtLeastOnce
    );
    assert_eq!(
        promised(WriteMode::update(["name"]), "update"),
        Guarantee::EffectivelyOnce
    );
}
