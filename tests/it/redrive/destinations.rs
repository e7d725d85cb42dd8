//! Several destinations, and what a redrive knows of them.

use std::sync::Arc;

use async_trait::async_trait;
use futures::executor::block_on;
use serde_json::json;
use syncline::connection::{Catalog, Connection, ConnectionInfo};
use syncline::dataset::Dataset;
use syncline::destination::{
    CommitReport, CommitRequest, Destination, DestinationInfo, OpenRequest, Opened, WriteReport,
    Writer,
};
use syncline::file::{DelimitedDataset, RejectFiles};
use syncline::host::{Clock as _, Context, RejectLedger};
use syncline::job::{Job as _, Redrive, RunLease, RunRequest, SyncJob};
use syncline::memory::{
    ManualClock, MemoryConnection, MemoryDataset, MemoryFiles, MemoryRejects, MemoryState,
};
use syncline::policy::RetryPolicy;
use syncline::record::{Batch, Field, FieldType, Reason, RecordBuilder, Refusal, Schema};
use syncline::spec::{
    DestinationSpec, FieldMapping, FileSource, Identity, MappingSpec, ObjectSpec, WriteMode,
};
use syncline::{Error, ErrorKind, Result, Tenant};

use super::{
    counts, dataset, home, job, redrive, redrive_with, run, source_fields, upsert, written,
};

/// A record that the source itself refused once, for two objects that insert.
fn refused_in_front_of_two() -> (
    SyncJob,
    impl Fn(SyncJob, &MemoryConnection, &str) -> SyncJob,
) {
    let schema = Schema::new(source_fields());
    let mut rows = RecordBuilder::new(&schema);
    rows.push(&json!({"no": 1, "seats": "2.5", "version": 1}))
        .unwrap();
    let source = MemoryDataset::new("usage", schema, vec![rows.finish().unwrap()]).unwrap();
    let refusal = Refusal::new(Reason::BadValue, "scripted");
    let source = Arc::new(source.with_reject(0, refusal));
    let to = |job: SyncJob, home: &MemoryConnection, object: &str| {
        let mapping = ["no", "seats"].map(|name| FieldMapping::direct(name, name));
        let mapping = MappingSpec::new(mapping.to_vec());
        let spec = DestinationSpec::new(object, WriteMode::Insert, mapping);
        job.to(Arc::new(home.clone()), spec)
    };
    (SyncJob::new("usage", source), to)
}

/// The same with an object more, whose seats have this type.
fn with_copy(home: MemoryConnection, seats: FieldType) -> MemoryConnection {
    let fields = vec![
        Field::new("no", FieldType::Integer),
        Field::new("seats", seats),
    ];
    let copy = ObjectSpec::new("copy", Identity::Generated, fields);
    home.with_object(&copy).unwrap()
}

#[test]
fn what_one_of_several_destinations_refuses_is_kept_for_that_one() {
    let halves = FieldType::Decimal {
        precision: 9,
        scale: 1,
    };
    let files = [(); 2].map(|()| Arc::new(MemoryFiles::new()));
    let memory = Arc::new(MemoryRejects::new());
    let in_files = |in_parts: bool| -> Arc<dyn RejectLedger> {
        let ledger = RejectFiles::new(files[usize::from(in_parts)].clone());
        Arc::new(if in_parts { ledger.in_parts() } else { ledger })
    };
    let ledgers: [&dyn Fn() -> Arc<dyn RejectLedger>; 3] =
        [&|| memory.clone(), &|| in_files(false), &|| in_files(true)];
    for ledger in ledgers {
        let (from, to) = refused_in_front_of_two();
        let usage = home(FieldType::Text);
        let both = |copy: &MemoryConnection| to(to(from.clone(), &usage, "usage"), copy, "copy");
        let copy_of = |seats: FieldType| with_copy(MemoryConnection::new("copies"), seats);
        let copy = copy_of(FieldType::Integer);
        let request = RunRequest::new(ledger());
        block_on(both(&copy).run(&Context::new(), request)).unwrap();
        let kept = |destination: Option<&str>| {
            let ledger = ledger();
            let kept = block_on(ledger.list(destination)).unwrap();
            let rejects = kept.iter().flat_map(|kept| &kept.rejects);
            rejects.map(|reject| reject.attempts).collect::<Vec<_>>()
        };
        let redrive = |job: &SyncJob| {
            counts(&redrive_with(job, RunRequest::new(ledger()), &Redrive::Inserts).unwrap())
        };
        // Both refuse it: it stays where it is.
        let whole = home(FieldType::Integer);
        let neither = to(to(from.clone(), &whole, "usage"), &copy, "copy");
        assert_eq!(redrive(&neither), [1, 0, 0, 0, 1, 0]);
        assert_eq!((kept(None), kept(Some("copy"))), (vec![2], vec![]));
        // One takes it.
        assert_eq!(redrive(&both(&copy)), [1, 0, 0, 0, 1, 0]);
        assert_eq!((kept(None), kept(Some("copy"))), (vec![], vec![3]));
        assert_eq!(redrive(&both(&copy)), [1, 0, 0, 0, 1, 0]);
        assert_eq!((kept(None), kept(Some("copy"))), (vec![], vec![4]));
        // The other one takes it too.
        let copy = copy_of(halves.clone());
        assert_eq!(redrive(&both(&copy)), [1, 1, 0, 0, 0, 0]);
        assert_eq!((kept(None), kept(Some("copy"))), (vec![], vec![]));
        assert_eq!(copy.object("copy").unwrap().len(), 1);
        assert_eq!(written(&usage), [(1, "2.5".to_owned())]);
    }
}

#[test]
fn who_of_two_of_one_name_refused_an_insert_is_not_known() {
    let ledger = Arc::new(MemoryRejects::new());
    let (from, to) = refused_in_front_of_two();
    let one = home(FieldType::Text);
    let usage = ObjectSpec::new("usage", Identity::Generated, source_fields());
    let other = MemoryConnection::new("elsewhere")
        .with_object(&usage)
        .unwrap();
    let both = to(to(from, &one, "usage"), &other, "usage");
    run(&both, &ledger);
    let error = redrive(&both, &ledger, &Redrive::Inserts).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("the same name"), "{error}");
    assert_eq!(ledger.all().len(), 1);
}

/// Objects whose names are told in lower case, however they are asked for; and whose writers may not know whether they wrote.
#[derive(Debug, Clone)]
struct LowerCase {
    home: MemoryConnection,
    unsure: bool,
}

#[async_trait]
impl Connection for LowerCase {
    fn info(&self) -> &ConnectionInfo {
        self.home.info()
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        self.home.discover(context).await
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        self.home.dataset(context, &object.to_lowercase()).await
    }

    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        let object = object.to_lowercase();
        let destination = self.home.destination(context, &object).await?;
        Ok(match self.unsure {
            true => Arc::new(Unsure(destination)),
            false => destination,
        })
    }
}

#[derive(Debug)]
struct Unsure(Arc<dyn Destination>);

#[async_trait]
impl Destination for Unsure {
    fn info(&self) -> &DestinationInfo {
        self.0.info()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
        let opened = self.0.open(context, request).await?;
        Ok(Opened::new(Box::new(UnsureWriter(opened.writer))))
    }
}

#[derive(Debug)]
struct UnsureWriter(Box<dyn Writer>);

#[async_trait]
impl Writer for UnsureWriter {
    async fn write(&mut self, _: &Context, _: Batch) -> Result<WriteReport> {
        Err(Error::new(ErrorKind::Io, "the answer was lost"))
    }

    async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<CommitReport> {
        self.0.commit(context, request).await
    }

    async fn abort(&mut self, context: &Context) -> Result<()> {
        self.0.abort(context).await
    }
}

#[test]
fn rejects_are_found_by_the_name_that_the_destination_has() {
    let ledger = Arc::new(MemoryRejects::new());
    let rows = [json!({"no": 1, "seats": "2.5", "version": 1})];
    let job = |seats: FieldType| {
        let mapping = ["no", "seats", "version"].map(|name| FieldMapping::direct(name, name));
        let mapping = MappingSpec::new(mapping.to_vec());
        let home = LowerCase {
            home: home(seats),
            unsure: false,
        };
        let usage = DestinationSpec::new("Usage", WriteMode::Insert, mapping);
        SyncJob::new("usage", dataset(&rows)).to(Arc::new(home), usage)
    };
    run(&job(FieldType::Integer), &ledger);
    let report = redrive(&job(FieldType::Text), &ledger, &Redrive::Inserts);
    assert_eq!(counts(&report.unwrap()), [1, 1, 0, 0, 0, 0]);
}

#[test]
fn the_lease_of_a_redrive_runs_out_by_itself_where_a_write_may_still_be_done() {
    let ledger = Arc::new(MemoryRejects::new());
    let rows = [json!({"no": 1, "seats": "2.5", "version": 1})];
    run(
        &job(dataset(&rows), &home(FieldType::Integer), WriteMode::Insert),
        &ledger,
    );
    let state = Arc::new(MemoryState::new());
    let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
    let context = Context::new().with_clock(Arc::new(clock.clone()));
    let redrive = |unsure: bool| {
        let mapping = ["no", "seats", "version"].map(|name| FieldMapping::direct(name, name));
        let mapping = MappingSpec::new(mapping.to_vec());
        let usage = DestinationSpec::new("usage", WriteMode::Insert, mapping);
        let home = LowerCase {
            home: home(FieldType::Text),
            unsure,
        };
        let job = SyncJob::new("usage", dataset(&[])).to(Arc::new(home), usage);
        let request = RunRequest::new(ledger.clone() as Arc<dyn RejectLedger>)
            .with_state(Tenant::new("acme").unwrap(), state.clone())
            .with_retry(RetryPolicy::never())
            .with_lease(RunLease::new("one"));
        let redriven = job.redrive(&context, request, &Redrive::Inserts);
        let report = clock.drive(redriven).expect("nothing waits for ever");
        (counts(&report.unwrap()), clock.now())
    };
    let start = clock.now();
    assert_eq!(redrive(true), ([1, 0, 0, 0, 0, 1], start));
    let (report, waited) = redrive(false);
    assert_eq!(report, [1, 1, 0, 0, 0, 0]);
    assert!(waited > start, "what was written late could land among it");
}

/// Reject files leave out columns of their own names, and tell apart those of one name.
#[test]
fn rejects_in_files_are_sent_again_though_their_columns_have_other_names() {
    let text = "no,note,note,seats,version,_reason\n1,a,b,2.5,1,because\n2,a,,few,1,\n";
    let files = Arc::new(MemoryFiles::new());
    files.insert("usage.csv", text.to_owned());
    let fields = |more: &[Field]| {
        let mut source = FileSource::new("usage.csv", source_fields());
        source.columns.extend(more.iter().cloned().map(Into::into));
        let context = Context::new();
        let dataset = DelimitedDataset::open(&context, files.clone(), &source);
        Arc::new(block_on(dataset).unwrap())
    };
    let source = fields(&[]);
    let ledger = || Arc::new(RejectFiles::new(files.clone()));
    let first = job(source.clone(), &home(FieldType::Integer), upsert());
    block_on(first.run(&Context::new(), RunRequest::new(ledger()))).unwrap();
    let halves = home(FieldType::Decimal {
        precision: 9,
        scale: 1,
    });
    let by = Redrive::newer("version");
    let redrive = |dataset: Arc<dyn Dataset>| {
        redrive_with(
            &job(dataset, &halves, upsert()),
            RunRequest::new(ledger()),
            &by,
        )
    };
    for times in [2, 1] {
        let report = redrive(source.clone()).unwrap();
        assert_eq!(counts(&report), [times, times - 1, 0, 0, 1, 0]);
        assert_eq!(written(&halves), [(1, "2.5".to_owned())]);
    }
    let kept = files.bytes("rejects/usage.csv").unwrap();
    let kept = String::from_utf8(kept.to_vec()).unwrap();
    assert!(
        kept.starts_with("no,note,note_2,seats,version,_reason,"),
        "{kept}"
    );
    assert!(kept.contains("\n2,a,,few,1,bad_value,"), "{kept}");
    let error = redrive(fields(&[Field::new("_reason", FieldType::Text)])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Drifted);
    assert!(
        error.to_string().contains("names a column of its own so"),
        "{error}"
    );
}
