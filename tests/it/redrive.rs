//! Refused records, sent again.

use std::sync::Arc;

use futures::executor::block_on;
use serde_json::{Value, json};
use syncline::dataset::Dataset;
use syncline::file::{DelimitedDataset, RejectFiles};
use syncline::host::{Context, FileStore as _, RejectLedger};
use syncline::job::{Job as _, Outcome, Redrive, RedriveReport, RunRequest, SyncJob};
use syncline::memory::{MemoryConnection, MemoryDataset, MemoryFiles, MemoryRejects, MemoryState};
use syncline::record::{Field, FieldType, RecordBuilder, Schema};
use syncline::spec::{
    Column, DestinationSpec, FieldMapping, FileSource, Identity, LookupSpec, MappingSpec,
    ObjectSpec, RejectLimit, WriteMode,
};
use syncline::{ErrorKind, Result, Tenant};

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
        syncline::dataset::ReadRequest::new().with_fields(vec!["no".into(), "seats".into()]),
    );
    let batches: Vec<_> = block_on(futures::TryStreamExt::try_collect(read)).unwrap();
    let mut rows = Vec::new();
    for batch in &batches as &Vec<syncline::record::Batch> {
        for row in 0..batch.len() {
            let syncline::record::RawRecord::Cells(cells) = batch.origins.raw(row) else {
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
    block_on(job.redrive(&Context::new(), RunRequest::new(ledger.clone()), by))
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
    assert!(refused(&keyed, &Redrive::newer("seats")).contains("an integer, a date or a datetime"));
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
