//! Sources that are no longer what a job was built on.

use std::sync::Arc;

use futures::executor::block_on;
use serde_json::{Value, json};
use syncline::host::Timeline;
use syncline::job::{Change, Job as _, Outcome, RunReport, RunRequest, SyncJob};
use syncline::memory::{MemoryConnection, MemoryDataset, MemoryRejects};
use syncline::record::{Field, FieldType, RecordBuilder, Reject, Schema};
use syncline::spec::{
    BuiltOn, DestinationSpec, DriftMode, Expr, FieldMapping, Identity, Incremental, MappingSpec,
    ObjectSpec, SyncMode, WriteMode,
};
use syncline::{Error, ErrorKind, Result};

use crate::support::{How, context, try_run};

fn picklist(items: &[&str]) -> FieldType {
    FieldType::Picklist(items.iter().map(|item| (*item).to_owned()).collect())
}

/// What the job was built on.
fn then() -> Vec<Field> {
    vec![
        Field::new("name", FieldType::Text),
        Field::new("seats", FieldType::Integer),
        Field::new("stage", picklist(&["open", "won"])),
        Field::new("note", FieldType::Text),
    ]
}

struct Scene {
    home: MemoryConnection,
    rejects: Arc<MemoryRejects>,
    timeline: Timeline,
    job: SyncJob,
}

/// A job that maps name, seats and stage, and never looks at the note.
fn scene(now: Vec<Field>, rows: &[Value], mode: DriftMode) -> Scene {
    let schema = Schema::new(now);
    let mut records = RecordBuilder::new(&schema);
    for row in rows {
        records.push(row).unwrap();
    }
    let dataset = MemoryDataset::new("deals", schema, vec![records.finish().unwrap()]).unwrap();
    let mapped = ["name", "seats", "stage"];
    let fields = then()
        .into_iter()
        .filter(|field| mapped.contains(&&*field.name));
    let home = MemoryConnection::new("home")
        .with_object(&ObjectSpec::new(
            "deal",
            Identity::Generated,
            fields.collect::<Vec<_>>(),
        ))
        .unwrap();
    let mapping = MappingSpec::new(mapped.map(|name| FieldMapping::direct(name, name)).to_vec());
    let job = SyncJob::new("deals", Arc::new(dataset))
        .built_on(BuiltOn::new(then()).with_mode(mode))
        .to(
            Arc::new(home.clone()),
            DestinationSpec::new("deal", WriteMode::Insert, mapping),
        );
    let clock = Arc::new(syncline::memory::ManualClock::new(
        chrono::DateTime::UNIX_EPOCH,
    ));
    Scene {
        home,
        rejects: Arc::default(),
        timeline: Timeline::new(clock),
        job,
    }
}

impl Scene {
    fn run(&self) -> Result<RunReport> {
        let context = context(1).with_observer(Arc::new(self.timeline.clone()));
        block_on(
            self.job
                .run(&context, RunRequest::new(self.rejects.clone())),
        )
    }

    fn written(&self) -> usize {
        self.home.object("deal").unwrap().len()
    }

    fn refused(&self) -> Vec<(u64, &'static str, Option<String>)> {
        let told = |reject: &Reject| {
            (
                reject.position.record,
                reject.refusal.reason.code(),
                reject.refusal.field.clone(),
            )
        };
        self.rejects.all().iter().map(told).collect()
    }
}

fn with(change: impl FnOnce(&mut Vec<Field>)) -> Vec<Field> {
    let mut fields = then();
    change(&mut fields);
    fields
}

fn said(error: &Error) -> Vec<String> {
    error.problems().iter().map(ToString::to_string).collect()
}

const MODES: [DriftMode; 4] = [
    DriftMode::Freeze,
    DriftMode::Evolve,
    DriftMode::DiscardRow,
    DriftMode::DiscardValue,
];

#[test]
fn a_source_that_is_as_it_was_is_no_drift() {
    for mode in MODES {
        let mut fields = then();
        fields.reverse();
        fields[0].required = true;
        let scene = scene(
            fields,
            &[json!({"name": "Ada", "seats": 3, "stage": "won", "note": "x"})],
            mode,
        );
        let report = scene.run().unwrap();
        assert_eq!(
            (report.outcome, report.drift.is_none()),
            (Outcome::Success, true),
            "{mode:?}"
        );
    }
}

#[test]
fn a_frozen_job_tells_every_change_and_reads_nothing() {
    let now = vec![
        Field::new("Name ", FieldType::Text),
        Field::new("seats", FieldType::Text),
        Field::new("stage", picklist(&["won", "lost"])),
        Field::new("colour", FieldType::Text),
    ];
    let scene = scene(now, &[], DriftMode::Freeze);
    let error = scene.run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Drifted);
    assert_eq!(
        said(&error),
        [
            "dataset.name: `name` is gone; `Name `, which is new, may be what it is called now",
            "dataset.seats: `seats` was integer and is text now",
            "dataset.stage: `stage` has other items: new `lost`, gone `open`",
            "dataset.note: `note` is gone",
            "dataset.colour: `colour`, text, is new",
        ]
    );
    assert!(scene.timeline.is_empty(), "nothing was begun");
}

#[test]
fn what_the_job_uses_must_be_there_in_every_mode() {
    for mode in MODES {
        let now = with(|fields| drop(fields.remove(1)));
        let scene = scene(now, &[json!({"name": "Ada"})], mode);
        let error = scene.run().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Drifted, "{mode:?}");
        assert!(
            said(&error).contains(&"dataset.seats: `seats` is gone".to_owned()),
            "{error}"
        );
        assert_eq!(scene.written(), 0);
        // A plan says the same, and a preview.
        assert_eq!(
            block_on(scene.job.plan(&context(1))).unwrap_err().kind(),
            ErrorKind::Drifted
        );
        assert_eq!(
            block_on(scene.job.preview(&context(1), 9))
                .unwrap_err()
                .kind(),
            ErrorKind::Drifted
        );
    }
    // Also where only a filter uses it.
    let now = with(|fields| drop(fields.remove(3)));
    let scene = scene(now, &[json!({"name": "Ada"})], DriftMode::DiscardValue);
    assert_eq!(scene.run().unwrap().outcome, Outcome::Success);
    let filter: Expr = serde_json::from_value(json!({"is_not_null": {"field": "note"}})).unwrap();
    let filtered = Scene {
        job: scene.job.clone().filtered(filter),
        ..scene
    };
    assert_eq!(
        said(&filtered.run().unwrap_err()),
        ["dataset.note: `note` is gone"]
    );
}

#[test]
fn a_type_of_which_nothing_fits_is_told_before_anything_is_read() {
    // No date time is a date without loss.
    let fields = |date| vec![Field::new("day", date)];
    for mode in [DriftMode::DiscardRow, DriftMode::DiscardValue] {
        let now = Schema::new(fields(FieldType::DateTime));
        let mut rows = RecordBuilder::new(&now);
        rows.push(&json!({"day": "2026-05-01T00:00:00Z"})).unwrap();
        let dataset = MemoryDataset::new("days", now, vec![rows.finish().unwrap()]).unwrap();
        let object = ObjectSpec::new("day", Identity::Generated, fields(FieldType::Date));
        let home = MemoryConnection::new("home").with_object(&object).unwrap();
        let mapping = MappingSpec::new(vec![FieldMapping::direct("day", "day")]);
        let job = SyncJob::new("days", Arc::new(dataset))
            .built_on(BuiltOn::new(fields(FieldType::Date)).with_mode(mode))
            .to(
                Arc::new(home.clone()),
                DestinationSpec::new("day", WriteMode::Insert, mapping),
            );
        let rejects = Arc::new(MemoryRejects::new());
        let error = block_on(job.run(&context(1), RunRequest::new(rejects))).unwrap_err();
        assert_eq!(
            said(&error),
            ["dataset.day: `day` was date and is datetime now"]
        );
        assert!(home.object("day").unwrap().is_empty());
    }
}

#[test]
fn a_cursor_field_of_another_type_is_told_before_anything_is_read() {
    let by_seats = |scene: Scene| Scene {
        job: (scene.job.clone()).reading(SyncMode::Incremental(Incremental::new("seats"))),
        ..scene
    };
    let now = with(|fields| fields[1].field_type = FieldType::Text);
    for mode in [DriftMode::DiscardRow, DriftMode::DiscardValue] {
        let scene = by_seats(scene(now.clone(), &[json!({"seats": "10"})], mode));
        let error = scene.run().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Drifted, "{error}");
        let told = "dataset.seats: `seats` was integer and is text now";
        assert_eq!(said(&error), [told]);
        assert!(scene.timeline.is_empty(), "nothing was begun");
    }
}

#[test]
fn an_evolving_job_takes_the_source_as_it_is() {
    let now = with(|fields| {
        fields[1].field_type = FieldType::Text;
        fields.push(Field::new("colour", FieldType::Text));
    });
    let rows = [
        json!({"name": "Ada", "seats": "3", "colour": "red"}),
        json!({"name": "Ben", "seats": "few"}),
    ];
    let scene = scene(now, &rows, DriftMode::Evolve);
    let report = scene.run().unwrap();
    assert_eq!(
        (report.outcome, scene.written()),
        (Outcome::PartialSuccess, 1)
    );
    let drift = report.drift.as_ref().unwrap();
    assert!(
        matches!(
            &drift.changes[..],
            [Change::Retyped { .. }, Change::Added { .. }]
        ),
        "{drift:?}"
    );
    assert!(
        report
            .to_string()
            .contains("`seats` was integer and is text now"),
        "{report}"
    );
    assert_eq!(
        scene.refused(),
        [(1, "bad_value", Some("seats".to_owned()))]
    );
    let events = serde_json::to_value(&scene.timeline).unwrap();
    assert_eq!(
        (&events[0]["event"], &events[0]["changes"]),
        (&json!("drifted"), &json!(2))
    );
    // What does not convert at all breaks it, and the change is told beside the mistake.
    let now = with(|fields| fields[1].field_type = FieldType::Date);
    let error = self::scene(now, &[], DriftMode::Evolve).run().unwrap_err();
    assert_eq!(
        (error.kind(), error.problems().len()),
        (ErrorKind::Drifted, 2),
        "{error}"
    );
}

#[test]
fn records_that_do_not_fit_are_rejected() {
    let now = with(|fields| {
        fields[1].field_type = FieldType::Decimal {
            precision: 9,
            scale: 2,
        };
        fields[2].field_type = picklist(&["open", "won", "lost"]);
        fields.insert(0, Field::new("colour", FieldType::Text));
    });
    let rows = [
        json!({"name": "Ada", "seats": 3.0, "stage": "won"}),
        json!({"name": "Ben", "seats": 2.5, "stage": "won"}),
        json!({"name": "Cleo", "seats": 1.0, "stage": "lost"}),
        json!({"name": "Dov", "colour": "red"}),
        json!({"name": "Eva"}),
    ];
    let scene = scene(now, &rows, DriftMode::DiscardRow);
    let report = scene.run().unwrap();
    assert_eq!(
        (report.outcome, scene.written()),
        (Outcome::PartialSuccess, 2)
    );
    let field = |name: &str| Some(name.to_owned());
    assert_eq!(
        scene.refused(),
        [
            (1, "drifted", field("seats")),
            (2, "drifted", field("stage")),
            (3, "drifted", field("colour"))
        ]
    );
    report.destinations[0].check().unwrap();
}

#[test]
fn values_that_do_not_fit_are_dropped_and_counted() {
    let now = with(|fields| {
        fields[1].field_type = FieldType::Decimal {
            precision: 9,
            scale: 2,
        };
        fields[2].field_type = picklist(&["open", "won", "lost"]);
        fields[3].field_type = FieldType::Date;
        fields.push(Field::new("colour", FieldType::Text));
    });
    let rows = [
        json!({"name": "Ada", "seats": 3.0, "stage": "won", "note": "2025-01-31"}),
        json!({"name": "Ben", "seats": 2.5, "stage": "lost", "colour": "red"}),
    ];
    let scene = scene(now, &rows, DriftMode::DiscardValue);
    let report = scene.run().unwrap();
    assert_eq!(
        (report.outcome, scene.written(), scene.refused().len()),
        (Outcome::Success, 2, 0)
    );
    // The seats and the stage of Ben; nobody reads notes and colours.
    assert_eq!(report.drift.unwrap().discarded, 2);
}

/// In a file the header tells.
#[test]
fn a_file_with_a_new_column() {
    let job = |mode: &str| {
        format!(
            r#"{{"version": 1, "name": "usage", "dataset": {{"version": 1,
            "source": {{"file": {{"name": "usage.csv", "columns": [{{"name": "seats", "type": "integer"}}]}}}},
            "built_on": {{"fields": [{{"name": "seats", "type": "integer"}}, {{"name": "note", "type": "text"}}], "on_drift": "{mode}"}}}},
        "objects": [{{"name": "usage", "identity": "generated", "fields": [{{"name": "seats", "type": "integer"}}]}}],
        "destinations": [{{"object": "usage", "mode": "insert", "mapping": {{"fields": [{{"field": "seats", "from": "seats"}}]}}}}]}}"#
        )
    };
    let run =
        |mode: &str, text: &str| try_run(&job(mode), &[("usage.csv", text)], How::default(), false);
    let same = run("freeze", "seats,note\n3,x\n").unwrap();
    assert_eq!(
        (same.report.outcome, same.report.drift.is_none()),
        (Outcome::Success, true)
    );
    let text = "seats,note,colour\n3,,\n4,,red\n";
    let error = run("freeze", text).unwrap_err();
    assert_eq!(said(&error), ["dataset.colour: `colour`, text, is new"]);
    let rows = run("discard_row", text).unwrap();
    assert_eq!(rows.reasons(), [(1, "drifted")]);
    assert_eq!(rows.report.destinations[0].inserted, 1);
    let evolved = run("evolve", text).unwrap();
    assert_eq!(
        (
            evolved.report.outcome,
            evolved.report.destinations[0].inserted
        ),
        (Outcome::Success, 2)
    );
}
