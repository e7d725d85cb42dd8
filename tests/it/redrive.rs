//! Refused records, sent again.

use std::sync::Arc;

use async_trait::async_trait;
use futures::executor::block_on;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use syncline::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use syncline::file::{DelimitedDataset, RejectFiles};
use syncline::host::{CancelToken, Context, FileStore as _, RejectLedger};
use syncline::job::{Job as _, Outcome, Redrive, RedriveReport, RunRequest, SyncJob};
use syncline::memory::{
    Commits, ManualClock, MemoryConnection, MemoryDataset, MemoryFiles, MemoryRejects, MemoryState,
};
use syncline::record::{Field, FieldType, RawRecord, RecordBuilder, RowOp, Schema};
use syncline::spec::{
    Column, DestinationSpec, FieldMapping, FileSource, Identity, LookupSpec, MappingSpec,
    ObjectSpec, RejectLimit, SourceDeletes, WriteMode, WriteOn,
};
use syncline::{ErrorKind, Result, Tenant};

mod at_once;
mod destinations;

/// Texts, since that is what a bad value comes as.
fn source_fields() -> Vec<Field> {
    vec![
        Field::new("no", FieldType::Integer),
        Field::new("seats", FieldType::Text),
        Field::new("version", FieldType::Integer),
    ]
}

fn dataset(rows: &[Value]) -> Arc<dyn Dataset> {
    let schema = Schema::new(source_fields());
    let mut records = RecordBuilder::new(&schema);
    for row in rows {
        records.push(row).unwrap();
    }
    Arc::new(MemoryDataset::new("usage", schema, vec![records.finish().unwrap()]).unwrap())
}

fn home(seats: FieldType) -> MemoryConnection {
    let fields = vec![
        Field::new("no", FieldType::Integer),
        Field::new("seats", seats),
        Field::new("version", FieldType::Integer),
    ];
    let usage = ObjectSpec::new("usage", Identity::Generated, fields);
    MemoryConnection::new("home").with_object(&usage).unwrap()
}

fn job(dataset: Arc<dyn Dataset>, home: &MemoryConnection, mode: WriteMode) -> SyncJob {
    let mapping = ["no", "seats", "version"].map(|name| FieldMapping::direct(name, name));
    let usage = DestinationSpec::new("usage", mode, MappingSpec::new(mapping.to_vec()));
    SyncJob::new("usage", dataset).to(Arc::new(home.clone()), usage)
}

fn upsert() -> WriteMode {
    WriteMode::upsert(["no"])
}

/// What is in the object, by id.
fn written(home: &MemoryConnection) -> Vec<(i64, String)> {
    let dataset = block_on(syncline::connection::Connection::dataset(
        home,
        &Context::new(),
        "usage",
    ))
    .unwrap();
    let read = dataset.read(
        &Context::new(),
        ReadRequest::new().with_fields(vec!["no".into(), "seats".into()]),
    );
    let batches: Vec<_> = block_on(futures::TryStreamExt::try_collect(read)).unwrap();
    let mut rows = Vec::new();
    for batch in &batches as &Vec<syncline::record::Batch> {
        for row in 0..batch.len() {
            let RawRecord::Cells(cells) = batch.origins.raw(row) else {
                panic!()
            };
            let text = |at: usize| {
                cells[at].as_ref().map_or_else(String::new, |cell| {
                    String::from_utf8(cell.to_vec()).unwrap()
                })
            };
            let columns = dataset.info().columns.to_vec();
            let at = |name: &str| columns.iter().position(|column| column == name).unwrap();
            rows.push((text(at("no")).parse().unwrap(), text(at("seats"))));
        }
    }
    rows.sort();
    rows
}

fn run(job: &SyncJob, ledger: &Arc<MemoryRejects>) -> Outcome {
    block_on(job.run(&Context::new(), RunRequest::new(ledger.clone())))
        .unwrap()
        .outcome
}

fn redrive(job: &SyncJob, ledger: &Arc<MemoryRejects>, by: &Redrive) -> Result<RedriveReport> {
    redrive_with(job, RunRequest::new(ledger.clone()), by)
}

fn redrive_with(job: &SyncJob, request: RunRequest, by: &Redrive) -> Result<RedriveReport> {
    block_on(job.redrive(&Context::new(), request, by))
}

fn counts(report: &RedriveReport) -> [u64; 6] {
    let counts = [
        report.found,
        report.resolved,
        report.stale,
        report.gone,
        report.again,
        report.left,
    ];
    assert_eq!(counts[0], counts[1..].iter().sum::<u64>(), "{report:?}");
    counts
}

#[test]
fn what_is_refused_once_more_stays_with_its_new_reason_and_one_attempt_more() {
    let rows = [
        json!({"no": 1, "seats": "few", "version": 1}),
        json!({"no": 2, "seats": "2.5", "version": 1}),
        json!({"no": 3, "seats": "3", "version": 1}),
    ];
    let ledger = Arc::new(MemoryRejects::new());
    let first = job(dataset(&rows), &home(FieldType::Integer), upsert());
    assert_eq!(run(&first, &ledger), Outcome::PartialSuccess);
    let segment = &ledger.segments()[0];
    assert_eq!(segment.job_version.as_deref(), Some(&*first.version()));
    assert!(segment.rejects.iter().all(|reject| reject.attempts == 1));
    // Halves are taken now.
    let home = home(FieldType::Decimal {
        precision: 9,
        scale: 1,
    });
    let mended = job(dataset(&rows), &home, upsert());
    let report = redrive(&mended, &ledger, &Redrive::newer("version")).unwrap();
    assert_eq!(counts(&report), [2, 1, 0, 0, 1, 0]);
    assert_eq!(written(&home), [(2, "2.5".to_owned())]);
    let left = ledger.all();
    assert_eq!(
        (left.len(), left[0].attempts, left[0].position.record),
        (1, 2, 0)
    );
    // Tried again by another way, with the same end.
    let report = redrive(&mended, &ledger, &Redrive::read_again(["no"])).unwrap();
    assert_eq!(counts(&report), [1, 0, 0, 0, 1, 0]);
    assert_eq!(ledger.all()[0].attempts, 3);
}

#[test]
fn an_old_record_never_takes_the_place_of_a_newer_one() {
    let ledger = Arc::new(MemoryRejects::new());
    let home = home(FieldType::Integer);
    let old = [
        json!({"no": 1, "seats": "5.0", "version": 7}),
        json!({"no": 2, "seats": "6.0", "version": 7}),
        json!({"no": 2, "seats": "4.0", "version": 3}),
        json!({"no": 3, "seats": "8.0", "version": null}),
    ];
    assert_eq!(
        run(&job(dataset(&old), &home, upsert()), &ledger),
        Outcome::Failed
    );
    // Meanwhile the source went on: of 1 there is a newer record, and 2 is as it was before.
    let new = [
        json!({"no": 1, "seats": "9", "version": 8}),
        json!({"no": 2, "seats": "1", "version": 2}),
    ];
    assert_eq!(
        run(&job(dataset(&new), &home, upsert()), &ledger),
        Outcome::Success
    );
    let lenient = {
        let mapping = [
            FieldMapping::direct("no", "no"),
            serde_json::from_value(json!({"field": "seats", "from": "whole"})).unwrap(),
            FieldMapping::direct("version", "version"),
        ];
        let usage = DestinationSpec::new("usage", upsert(), MappingSpec::new(mapping.to_vec()));
        let whole = serde_json::from_value(
            json!({"name": "whole", "value": {"split": {"of": {"field": "seats"}, "by": {"value": "."}, "part": 1}}}),
        );
        let job = SyncJob::new("usage", dataset(&old)).to(Arc::new(home.clone()), usage);
        whole.map(|whole| job.with_formula(whole))
    };
    let Ok(lenient) = lenient else {
        panic!("the formula of the test is none")
    };
    let report = redrive(&lenient, &ledger, &Redrive::newer("version")).unwrap();
    assert_eq!(counts(&report), [4, 2, 1, 0, 0, 1]);
    // The newest of each, in whatever order they were refused.
    assert_eq!(written(&home), [(1, "9".to_owned()), (2, "6".to_owned())]);
    assert_eq!(
        ledger.all().len(),
        1,
        "nobody knows how new the one without a version is"
    );
}

#[test]
fn a_source_that_is_read_again_gives_what_it_has_now() {
    let ledger = Arc::new(MemoryRejects::new());
    let home = home(FieldType::Integer);
    let then = [
        json!({"no": 1, "seats": "few", "version": 1}),
        json!({"no": 2, "seats": "many", "version": 1}),
        json!({"no": 3, "seats": "some", "version": 1}),
        json!({"no": 4, "seats": "4", "version": 1}),
        json!({"no": null, "seats": "none", "version": 1}),
    ];
    run(&job(dataset(&then), &home, upsert()), &ledger);
    let now = [
        json!({"no": 2, "seats": "20", "version": 2}),
        json!({"no": 4, "seats": "44", "version": 2}),
        json!({"no": 3, "seats": "still some", "version": 2}),
        json!({"no": 2, "seats": "22", "version": 3}),
    ];
    let again = job(dataset(&now), &home, upsert());
    let report = redrive(&again, &ledger, &Redrive::read_again(["no"])).unwrap();
    assert_eq!(counts(&report), [4, 1, 0, 1, 1, 1]);
    // 4 was never refused, so it is not sent; of 2 both records are, in their order.
    assert_eq!(written(&home), [(2, "22".to_owned()), (4, "4".to_owned())]);
    assert_eq!(report.runs[0].records, 3);
    let left = ledger.all();
    let ids: Vec<u64> = left.iter().map(|reject| reject.position.record).collect();
    assert_eq!(ids, [2, 4], "under the positions that they had");
}

#[test]
fn what_nothing_guards_is_refused() {
    let ledger = Arc::new(MemoryRejects::new());
    let home = home(FieldType::Integer);
    let rows = [json!({"no": 1, "seats": "few", "version": 1})];
    run(&job(dataset(&rows), &home, upsert()), &ledger);
    let refused = |job: &SyncJob, by: &Redrive| {
        let error = redrive(job, &ledger, by).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        error.to_string()
    };
    let keyed = job(dataset(&rows), &home, upsert());
    assert!(refused(&keyed, &Redrive::Inserts).contains("an older one could take the place"));
    assert!(refused(&keyed, &Redrive::newer("seats")).contains("always has all of it"));
    assert!(refused(&keyed, &Redrive::newer("other")).contains("not mapped"));
    assert!(refused(&keyed, &Redrive::read_again([""; 0])).contains("without a key"));
    assert!(refused(&keyed, &Redrive::read_again(["other"])).contains("no such field"));
    let inserts = job(dataset(&rows), &home, WriteMode::Insert);
    assert!(refused(&inserts, &Redrive::newer("version")).contains("redrive by `inserts`"));
    assert!(refused(&inserts, &Redrive::read_again(["no"])).contains("redrive by `inserts`"));
    assert_eq!(ledger.all().len(), 1);
    assert_eq!(ledger.all()[0].attempts, 1);
}

/// What was refused once may be refused again, and a source that is read once cannot be asked.
#[test]
fn a_limit_of_rejects_is_for_runs_and_not_for_what_they_refused() {
    let ledger = Arc::new(MemoryRejects::new());
    let home = home(FieldType::Integer);
    let rows = [
        json!({"no": 1, "seats": "few", "version": 1}),
        json!({"no": 2, "seats": "2", "version": 1}),
    ];
    let limit = RejectLimit::none().with_percent(50).with_records(1);
    let limited = job(dataset(&rows), &home, upsert()).rejecting_at_most(limit);
    assert_eq!(run(&limited, &ledger), Outcome::PartialSuccess);
    let report = redrive(&limited, &ledger, &Redrive::newer("version")).unwrap();
    assert!(report.ended(), "{report:?}");
    assert_eq!(counts(&report), [1, 0, 0, 0, 1, 0]);
    assert_eq!(ledger.all()[0].attempts, 2);
}

#[test]
fn inserts_are_made_later() {
    let ledger = Arc::new(MemoryRejects::new());
    let rows = [
        json!({"no": 1, "seats": "2.5", "version": 1}),
        json!({"no": 1, "seats": "3.5", "version": 1}),
    ];
    run(
        &job(dataset(&rows), &home(FieldType::Integer), WriteMode::Insert),
        &ledger,
    );
    let home = home(FieldType::Decimal {
        precision: 9,
        scale: 1,
    });
    let report = redrive(
        &job(dataset(&[]), &home, WriteMode::Insert),
        &ledger,
        &Redrive::Inserts,
    )
    .unwrap();
    assert_eq!(counts(&report), [2, 2, 0, 0, 0, 0]);
    assert_eq!(
        written(&home),
        [(1, "2.5".to_owned()), (1, "3.5".to_owned())]
    );
}

#[test]
fn a_redrive_leaves_the_checkpoint_of_its_job_alone_and_takes_its_lease() {
    let ledger = Arc::new(MemoryRejects::new());
    let state = Arc::new(MemoryState::new());
    let home = home(FieldType::Integer);
    let rows = [
        json!({"no": 1, "seats": "few", "version": 1}),
        json!({"no": 2, "seats": "2", "version": 1}),
    ];
    let tenant = Tenant::new("acme").unwrap();
    let request = || {
        RunRequest::new(ledger.clone() as Arc<dyn RejectLedger>)
            .with_state(tenant.clone(), state.clone())
            .with_run("monday")
    };
    let job = job(dataset(&rows), &home, upsert());
    block_on(job.run(&Context::new(), request())).unwrap();
    let leased = request().with_lease(syncline::job::RunLease::new("here"));
    let report =
        block_on(job.redrive(&Context::new(), leased, &Redrive::newer("version"))).unwrap();
    assert_eq!(counts(&report), [1, 0, 0, 0, 1, 0]);
    // The run of that name is still known as done.
    let again = block_on(job.run(&Context::new(), request())).unwrap();
    assert_eq!((again.records, again.resumed), (2, 2));
}

/// A file with a record that cannot be split, one with a bad value, and one whose lookup finds nothing; the rejects are files too.
#[test]
fn rejects_in_files_are_sent_again() {
    for in_parts in [false, true] {
        let files = Arc::new(MemoryFiles::new());
        files.insert(
            "usage.csv",
            "no,company,seats\n1,egret,4\n2,\"crane\"x,4\n3,heron,=5\n4,heron,6\n".to_owned(),
        );
        let columns = vec![
            Column::new("no", FieldType::Integer),
            Column::new("company", FieldType::Text),
            Column::new("seats", FieldType::Integer),
        ];
        let source = FileSource::new("usage.csv", columns);
        let company = ObjectSpec::new(
            "company",
            Identity::Generated,
            vec![Field::new("name", FieldType::Text)],
        );
        let usage = ObjectSpec::new(
            "usage",
            Identity::Generated,
            vec![
                Field::new("no", FieldType::Integer),
                Field::new("company", FieldType::Lookup("company".into())),
                Field::new("seats", FieldType::Integer),
            ],
        );
        let home = MemoryConnection::new("home")
            .with_object(&company)
            .unwrap()
            .with_object(&usage)
            .unwrap();
        let add = |name: &str| {
            let schema = Schema::new(vec![Field::new("name", FieldType::Text)]);
            let mut rows = RecordBuilder::new(&schema);
            rows.push(&json!({"name": name})).unwrap();
            let names = MemoryDataset::new("names", schema, vec![rows.finish().unwrap()]).unwrap();
            let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
            let job = SyncJob::new("companies", Arc::new(names)).to(
                Arc::new(home.clone()),
                DestinationSpec::new("company", WriteMode::Insert, mapping),
            );
            block_on(job.run(
                &Context::new(),
                RunRequest::new(Arc::new(MemoryRejects::new())),
            ))
            .unwrap();
        };
        add("egret");
        let lookup: LookupSpec = serde_json::from_value(json!({"object": "company", "keys": [{"field": "name", "source": "company"}], "fetch": "id"}))
            .unwrap_or_else(|error| panic!("{error}"));
        let mapping = MappingSpec::new(vec![
            FieldMapping::direct("no", "no"),
            FieldMapping::lookup("company", lookup),
            FieldMapping::direct("seats", "seats"),
        ]);
        let job = || {
            let context = Context::new();
            let opened = DelimitedDataset::open(&context, files.clone(), &source);
            let dataset = Arc::new(block_on(opened).unwrap());
            SyncJob::new("usage", dataset).to(
                Arc::new(home.clone()),
                DestinationSpec::new("usage", upsert(), mapping.clone()),
            )
        };
        let ledger = || -> Arc<dyn RejectLedger> {
            let ledger = RejectFiles::new(files.clone());
            Arc::new(if in_parts { ledger.in_parts() } else { ledger })
        };
        let report = block_on(job().run(&Context::new(), RunRequest::new(ledger()))).unwrap();
        assert_eq!(
            (report.outcome, report.destinations[0].rejected),
            (Outcome::PartialSuccess, 3),
            "{report}"
        );
        // The company comes; the value that could run as a formula in a spreadsheet is still no number.
        add("heron");
        let again = |by: &Redrive| {
            block_on(job().redrive(&Context::new(), RunRequest::new(ledger()), by)).unwrap()
        };
        let report = again(&Redrive::read_again(["no"]));
        assert_eq!(counts(&report), [3, 1, 0, 0, 1, 1], "{report:?}");
        let kept = block_on(ledger().list(None)).unwrap();
        let kept: Vec<_> = kept.iter().flat_map(|kept| &kept.rejects).collect();
        let told: Vec<_> = kept
            .iter()
            .map(|r| (r.position.to_string(), r.refusal.reason.code(), r.attempts))
            .collect();
        let told: Vec<_> = told
            .iter()
            .map(|(position, reason, attempts)| (position.as_str(), *reason, *attempts))
            .collect();
        assert_eq!(
            told,
            [
                ("usage.csv:3 (byte 27)", "bad_quotes", 1),
                ("usage.csv:4 (byte 40)", "bad_value", 2)
            ]
        );
        assert!(
            block_on(ledger().list(Some("usage")))
                .unwrap()
                .iter()
                .all(|kept| kept.rejects.is_empty())
        );
        // The source is mended.
        files.insert(
            "usage.csv",
            "no,company,seats\n1,egret,4\n2,crane,4\n3,heron,5\n4,heron,6\n".to_owned(),
        );
        let report = again(&Redrive::read_again(["no"]));
        assert_eq!(counts(&report), [2, 1, 0, 0, 0, 1], "{report:?}");
        assert_eq!(written_ids(&home), [1, 3, 4]);
        // A file of which nothing is left is gone.
        let names = block_on(files.list("rejects/")).unwrap();
        assert!(
            names.iter().all(|name| name.contains("_source")),
            "{names:?}"
        );
    }
}

fn written_ids(home: &MemoryConnection) -> Vec<i64> {
    written(home).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn a_dry_redrive_tells_what_would_become_of_each_and_changes_nothing() {
    let ledger = Arc::new(MemoryRejects::new());
    let rows = [
        json!({"no": 1, "seats": "2.5", "version": 1}),
        json!({"no": 2, "seats": "few", "version": 1}),
    ];
    run(
        &job(dataset(&rows), &home(FieldType::Integer), upsert()),
        &ledger,
    );
    let before = ledger.all();
    let halves = FieldType::Decimal {
        precision: 9,
        scale: 1,
    };
    let home = home(halves);
    let mended = job(dataset(&rows), &home, upsert());
    let request = RunRequest::new(ledger.clone()).with_dry_run(true);
    let report = redrive_with(&mended, request, &Redrive::newer("version")).unwrap();
    assert_eq!(counts(&report), [2, 1, 0, 0, 1, 0]);
    assert_eq!(ledger.all(), before);
    assert!(written(&home).is_empty());
}

/// Ledgers of both kinds, each with the rejects of two runs in which different records stood at one position.
fn two_runs_of_one_position(mode: &WriteMode) -> Vec<Box<dyn Fn() -> Arc<dyn RejectLedger>>> {
    let rows = [
        [json!({"no": 1, "seats": "2.5", "version": 1})],
        [json!({"no": 2, "seats": "few", "version": 1})],
    ];
    let memory = Arc::new(MemoryRejects::new());
    let files = Arc::new(MemoryFiles::new());
    let state = Arc::new(MemoryState::new());
    for (rows, name) in rows.iter().zip(["monday", "tuesday"]) {
        let job = || job(dataset(rows), &home(FieldType::Integer), mode.clone());
        run(&job(), &memory);
        let ledger = Arc::new(RejectFiles::new(files.clone()).in_parts());
        let request = RunRequest::new(ledger)
            .with_state(Tenant::new("acme").unwrap(), state.clone())
            .with_run(name);
        block_on(job().run(&Context::new(), request)).unwrap();
    }
    vec![
        Box::new(move || memory.clone()),
        Box::new(move || Arc::new(RejectFiles::new(files.clone()).in_parts())),
    ]
}

fn kept(ledger: &dyn RejectLedger) -> Vec<(String, u32)> {
    let kept = block_on(ledger.list(Some("usage"))).unwrap();
    let cell = |cell: &Option<bytes::Bytes>| {
        String::from_utf8(cell.as_deref().unwrap_or_default().to_vec()).unwrap()
    };
    let kept = kept.iter().flat_map(|kept| &kept.rejects);
    let kept = kept.map(|reject| match &reject.raw {
        RawRecord::Cells(cells) => (cell(&cells[0]), reject.attempts),
        other => panic!("{other:?}"),
    });
    kept.collect()
}

#[test]
fn records_of_several_runs_that_stood_at_one_position_are_told_apart() {
    let halves = FieldType::Decimal {
        precision: 9,
        scale: 1,
    };
    // Both are refused again, one is taken, and both are there by key.
    for mode in [upsert(), WriteMode::Insert] {
        let by = match mode {
            WriteMode::Insert => Redrive::Inserts,
            _ => Redrive::newer("version"),
        };
        for ledger in two_runs_of_one_position(&mode) {
            let redrive = |home: &MemoryConnection| {
                let job = job(dataset(&[]), home, mode.clone());
                counts(&redrive_with(&job, RunRequest::new(ledger()), &by).unwrap())
            };
            let whole = home(FieldType::Integer);
            assert_eq!(redrive(&whole), [2, 0, 0, 0, 2, 0]);
            let both = [("1".to_owned(), 2), ("2".to_owned(), 2)];
            assert_eq!(kept(&*ledger()), both);
            let home = home(halves.clone());
            assert_eq!(redrive(&home), [2, 1, 0, 0, 1, 0]);
            assert_eq!(kept(&*ledger()), [("2".to_owned(), 3)]);
            assert_eq!(redrive(&home), [1, 0, 0, 0, 1, 0]);
            assert_eq!(written(&home), [(1, "2.5".to_owned())]);
        }
    }
    for ledger in two_runs_of_one_position(&upsert()) {
        let home = home(halves.clone());
        let now = [
            json!({"no": 1, "seats": "3.5", "version": 2}),
            json!({"no": 2, "seats": "4.5", "version": 2}),
        ];
        let job = job(dataset(&now), &home, upsert());
        let by = Redrive::read_again(["no"]);
        let report = redrive_with(&job, RunRequest::new(ledger()), &by).unwrap();
        assert_eq!(counts(&report), [2, 2, 0, 0, 0, 0]);
        let both = [(1, "3.5".to_owned()), (2, "4.5".to_owned())];
        assert_eq!(written(&home), both);
        assert!(kept(&*ledger()).is_empty());
    }
}

/// Rows that are gone in their source.
#[derive(Debug)]
struct Gone(Arc<dyn Dataset>, DatasetInfo);

fn gone(rows: &[Value]) -> Arc<dyn Dataset> {
    let rows = dataset(rows);
    let mut info = rows.info().clone();
    info.tells_deletes = true;
    Arc::new(Gone(rows, info))
}

#[async_trait]
impl Dataset for Gone {
    fn info(&self) -> &DatasetInfo {
        &self.1
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let batches = self.0.read(context, request);
        let gone = batches.map_ok(|mut batch| {
            batch.ops = Some(vec![RowOp::Delete; batch.len()]);
            batch
        });
        gone.boxed()
    }
}

#[test]
fn a_delete_that_was_refused_is_never_sent_as_a_record() {
    let files = Arc::new(MemoryFiles::new());
    let memory = Arc::new(MemoryRejects::new());
    let in_files = || -> Arc<dyn RejectLedger> { Arc::new(RejectFiles::new(files.clone())) };
    let home = home(FieldType::Text);
    let twice = [
        json!({"no": 1, "seats": "a", "version": 1}),
        json!({"no": 1, "seats": "b", "version": 1}),
    ];
    run(&job(dataset(&twice), &home, WriteMode::Insert), &memory);
    let deleting = |rows: Arc<dyn Dataset>| {
        let mapping = ["no", "seats", "version"].map(|name| FieldMapping::direct(name, name));
        let mut usage = DestinationSpec::new("usage", upsert(), MappingSpec::new(mapping.to_vec()));
        usage.deletes = SourceDeletes::Delete;
        SyncJob::new("usage", rows).to(Arc::new(home.clone()), usage)
    };
    let tombstone = [json!({"no": 1, "seats": null, "version": 9})];
    for ledger in [memory.clone() as Arc<dyn RejectLedger>, in_files()] {
        let job = deleting(gone(&tombstone));
        let report = block_on(job.run(&Context::new(), RunRequest::new(ledger))).unwrap();
        assert_eq!(report.destinations[0].rejected, 1, "{report}");
    }
    for ledger in [memory.clone() as Arc<dyn RejectLedger>, in_files()] {
        let redrive = |rows: Arc<dyn Dataset>, by: &Redrive| {
            let job = deleting(rows);
            counts(&redrive_with(&job, RunRequest::new(ledger.clone()), by).unwrap())
        };
        let left = [1, 0, 0, 0, 0, 1];
        assert_eq!(redrive(gone(&tombstone), &Redrive::newer("version")), left);
        // A source that forgets what is gone cannot tell it again.
        assert_eq!(redrive(gone(&[]), &Redrive::read_again(["no"])), left);
        let again = redrive(gone(&tombstone), &Redrive::read_again(["no"]));
        assert_eq!(again, [1, 0, 0, 0, 1, 0], "there are two of them still");
        assert_eq!(written(&home).len(), 2);
    }
}

/// An object whose version has this type.
fn home_with(version: FieldType) -> MemoryConnection {
    let fields = vec![
        Field::new("no", FieldType::Integer),
        Field::new("seats", FieldType::Integer),
        Field::new("version", version),
    ];
    let usage = ObjectSpec::new("usage", Identity::Generated, fields);
    MemoryConnection::new("home").with_object(&usage).unwrap()
}

#[test]
fn what_tells_the_newer_record_must_tell_it_at_the_object_too() {
    let ledger = Arc::new(MemoryRejects::new());
    let rows = [json!({"no": 1, "seats": "few", "version": 9})];
    run(
        &job(dataset(&rows), &home(FieldType::Integer), upsert()),
        &ledger,
    );
    let refused = |job: &SyncJob| {
        let error = redrive(job, &ledger, &Redrive::newer("version")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(
            error.to_string().contains("always has all of it"),
            "{error}"
        );
    };
    // As texts, 10 comes before 9.
    for version in [FieldType::Text, FieldType::Json, FieldType::Float] {
        refused(&job(dataset(&rows), &home_with(version), upsert()));
    }
    for change in [
        |version: &mut FieldMapping| version.on = WriteOn::Insert,
        |version: &mut FieldMapping| version.on = WriteOn::Update,
        |version: &mut FieldMapping| version.lossy = true,
    ] {
        let mut mapping = ["no", "seats", "version"].map(|name| FieldMapping::direct(name, name));
        change(&mut mapping[2]);
        let usage = DestinationSpec::new("usage", upsert(), MappingSpec::new(mapping.to_vec()));
        let home = Arc::new(home(FieldType::Integer));
        refused(&SyncJob::new("usage", dataset(&rows)).to(home, usage));
    }
    let decimal = FieldType::Decimal {
        precision: 20,
        scale: 0,
    };
    let report = redrive(
        &job(dataset(&rows), &home_with(decimal), upsert()),
        &ledger,
        &Redrive::newer("version"),
    );
    assert_eq!(counts(&report.unwrap()), [1, 0, 0, 0, 1, 0]);
}

/// An older record of the same day would pass for as new.
#[test]
fn a_day_does_not_tell_which_record_is_newer() {
    let ledger = Arc::new(MemoryRejects::new());
    let redrive = |from: FieldType, there: FieldType, lossy: bool| {
        let fields = |last: FieldType| {
            let no = Field::new("no", FieldType::Integer);
            vec![no, Field::new("at", last)]
        };
        let usage = ObjectSpec::new("usage", Identity::Generated, fields(there));
        let home = MemoryConnection::new("home").with_object(&usage).unwrap();
        let schema = Schema::new(fields(from));
        let rows = RecordBuilder::new(&schema).finish().unwrap();
        let source = MemoryDataset::new("usage", schema, vec![rows]).unwrap();
        let mut mapping = ["no", "at"].map(|name| FieldMapping::direct(name, name));
        mapping[1].lossy = lossy;
        let usage = DestinationSpec::new("usage", upsert(), MappingSpec::new(mapping.to_vec()));
        let job = SyncJob::new("usage", Arc::new(source)).to(Arc::new(home), usage);
        redrive(&job, &ledger, &Redrive::newer("at"))
    };
    for (from, lossy) in [(FieldType::Date, false), (FieldType::DateTime, true)] {
        let error = redrive(from, FieldType::Date, lossy).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    let moments = redrive(FieldType::DateTime, FieldType::DateTime, false);
    assert_eq!(counts(&moments.unwrap()), [0; 6]);
}

#[test]
fn the_same_version_is_the_same_record_and_none_at_all_is_unknown() {
    let ledger = Arc::new(MemoryRejects::new());
    let home = home(FieldType::Text);
    let there = [
        json!({"no": 1, "seats": "old", "version": 5}),
        json!({"no": 2, "seats": "old", "version": null}),
    ];
    run(&job(dataset(&there), &home, upsert()), &ledger);
    let rows = [
        json!({"no": 1, "seats": "new", "version": 5}),
        json!({"no": 2, "seats": "new", "version": 5}),
    ];
    run(
        &job(dataset(&rows), &self::home(FieldType::Integer), upsert()),
        &ledger,
    );
    let job = job(dataset(&rows), &home, upsert());
    let report = redrive(&job, &ledger, &Redrive::newer("version")).unwrap();
    assert_eq!(counts(&report), [2, 1, 0, 0, 0, 1]);
    assert_eq!(
        written(&home),
        [(1, "new".to_owned()), (2, "old".to_owned())]
    );
}

#[test]
fn a_key_that_may_stand_in_an_unreadable_record_is_not_gone() {
    let files = Arc::new(MemoryFiles::new());
    let columns = vec![
        Column::new("no", FieldType::Integer),
        Column::new("seats", FieldType::Integer),
    ];
    let source = FileSource::new("usage.csv", columns);
    let home = home(FieldType::Integer);
    let ledger = Arc::new(MemoryRejects::new());
    let job = |text: &str| {
        files.insert("usage.csv", text.to_owned());
        let context = Context::new();
        let opened = DelimitedDataset::open(&context, files.clone(), &source);
        let mapping = ["no", "seats"].map(|name| FieldMapping::direct(name, name));
        let usage = DestinationSpec::new("usage", upsert(), MappingSpec::new(mapping.to_vec()));
        SyncJob::new("usage", Arc::new(block_on(opened).unwrap())).to(Arc::new(home.clone()), usage)
    };
    run(&job("no,seats\n3,few\n4,many\n"), &ledger);
    let by = Redrive::read_again(["no"]);
    // Somebody has mended one line, and broken the other.
    let broken = job("no,seats\n4,4\n3,\"3\"x\n");
    let report = redrive(&broken, &ledger, &by).unwrap();
    assert_eq!(counts(&report), [2, 1, 0, 0, 0, 1]);
    let report = redrive(&job("no,seats\n4,4\n"), &ledger, &by).unwrap();
    assert_eq!(counts(&report), [1, 0, 0, 1, 0, 0]);
}

#[test]
fn nothing_is_resolved_that_was_not_sent() {
    let ledger = Arc::new(MemoryRejects::new());
    let refuse = |no: i64| {
        let rows = [json!({"no": no, "seats": "few", "version": 1})];
        run(
            &job(dataset(&rows), &home(FieldType::Integer), upsert()),
            &ledger,
        );
    };
    // The destination keeps the checkpoint of a redrive, and the store that should have it is lost.
    let home = home(FieldType::Text).with_commits(Commits::WithCheckpoint);
    let job = job(dataset(&[]), &home, upsert());
    let by = Redrive::newer("version");
    for no in 1..4 {
        refuse(no);
        let state = Arc::new(MemoryState::new());
        let request = || {
            RunRequest::new(ledger.clone() as Arc<dyn RejectLedger>)
                .with_state(Tenant::new("acme").unwrap(), state.clone())
                .with_run("one")
        };
        // Epochs begin at the clock's seconds where nothing else is known.
        let clock = ManualClock::new(chrono::DateTime::from_timestamp(no * 3_600, 0).unwrap());
        let context = Context::new().with_clock(Arc::new(clock));
        let stop = CancelToken::new();
        stop.cancel();
        let stopped = context.clone().with_cancel(stop);
        let report = block_on(job.redrive(&stopped, request(), &by)).unwrap();
        assert_eq!(counts(&report), [1, 0, 0, 0, 0, 1]);
        // What the destination says has ended was another redrive: that is taken over, and the next one begins.
        for _ in 0..2 {
            block_on(job.redrive(&context, request(), &by)).unwrap();
            let there = written(&home).iter().any(|(there, _)| *there == no);
            assert!(there || ledger.all().len() == 1, "{no} is lost");
        }
        assert!(ledger.all().is_empty());
        assert_eq!(written(&home).len(), no as usize);
    }
}
