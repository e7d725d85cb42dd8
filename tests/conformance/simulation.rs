//! The simulator on jobs of one's own: it holds for what is right, and sees what is not.

use std::sync::Arc;

use serde_json::json;
use syncline::Result;
use syncline::connection::Connection;
use syncline::dataset::Dataset;
use syncline::file::LocalState;
use syncline::host::StateStore;
use syncline::job::SyncJob;
use syncline::memory::{Commits, MemoryConnection, MemoryDataset};
use syncline::record::{Field, FieldType, Reason, RecordBuilder, Refusal, Schema, format};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
use syncline::testing::{Effects, Simulation};
use tempfile::TempDir;

fn fields() -> Vec<Field> {
    vec![Field::new("name", FieldType::Text)]
}

fn names() -> Arc<dyn Dataset> {
    let mut rows = RecordBuilder::new(&Schema::new(fields()));
    for number in 0..11 {
        rows.push(&json!({"name": format!("name {number}")}))
            .unwrap();
    }
    let records = vec![rows.finish().unwrap()];
    let refusal = Refusal::new(Reason::BadValue, "a refusal that a test asked for");
    Arc::new(
        MemoryDataset::new("names", Schema::new(fields()), records)
            .unwrap()
            .with_reject(5, refusal),
    )
}

fn home(commits: Commits) -> Result<MemoryConnection> {
    let person = ObjectSpec::new("person", Identity::Generated, fields());
    Ok(MemoryConnection::new("home")
        .with_object(&person)?
        .with_commits(commits))
}

fn spec(mode: WriteMode) -> DestinationSpec {
    let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
    DestinationSpec::new("person", mode, mapping)
}

fn people(home: &MemoryConnection) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for batch in home.object("person").unwrap().scan()? {
        for row in 0..batch.num_rows() {
            let mut text = Vec::new();
            format::value(batch.column(1), row, &mut text);
            names.push(String::from_utf8(text).unwrap());
        }
    }
    Ok(names)
}

fn simulated(commits: Commits, mode: WriteMode) -> Simulation<'static, MemoryConnection> {
    Simulation::new(
        move || home(commits),
        move |home, effects| {
            let home: Arc<dyn Connection> = Arc::new(home.clone());
            let job = SyncJob::new("people", effects.dataset(names()));
            Ok(job.to(effects.connection(home), spec(mode.clone())))
        },
        people,
    )
}

#[test]
fn own_jobs_come_to_the_same_end() {
    for (commits, mode) in [
        (Commits::AtOnce, WriteMode::upsert(["name"])),
        (Commits::InsertsOnly, WriteMode::Insert),
        (Commits::ByGroup, WriteMode::Insert),
        (Commits::WithCheckpoint, WriteMode::Insert),
    ] {
        let simulation = simulated(commits, mode)
            .crash_everywhere()
            .fail_everywhere()
            .seeds(0..60);
        assert!(
            simulation.trials() > 200,
            "{commits:?}: {} trials",
            simulation.trials()
        );
        simulation.assert_holds();
    }
}

#[test]
fn a_store_of_ones_own_is_simulated_too() {
    let folder = TempDir::new().unwrap();
    let count = std::cell::Cell::new(0);
    let store = |_: &MemoryConnection| -> Arc<dyn StateStore> {
        count.set(count.get() + 1);
        Arc::new(LocalState::new(folder.path().join(count.get().to_string())))
    };
    let job = |home: &MemoryConnection, effects: &Effects| {
        let home: Arc<dyn Connection> = Arc::new(home.clone());
        let job = SyncJob::new("people", effects.dataset(names()));
        Ok(job.to(effects.connection(home), spec(WriteMode::Insert)))
    };
    Simulation::new(|| home(Commits::WithCheckpoint), job, people)
        .with_state(store)
        .crash_everywhere()
        .assert_holds();
}

#[test]
fn what_is_broken_is_seen() {
    // A source that goes on a row late: nothing is missing until a run breaks off.
    let late = Simulation::new(
        || home(Commits::WithCheckpoint),
        |home, effects| {
            let source = crate::broken::goes_on_a_row_late(names());
            let home: Arc<dyn Connection> = Arc::new(home.clone());
            let job = SyncJob::new("people", effects.dataset(source));
            Ok(job.to(effects.connection(home), spec(WriteMode::Insert)))
        },
        people,
    )
    .crash_everywhere();
    let seen = late.violations();
    assert!(!seen.is_empty() && seen.len() < late.trials() as usize);
    assert!(
        seen.iter()
            .all(|violation| violation.disturbance.starts_with("Crash")),
        "{seen:?}"
    );

    // A destination that says that it keeps one checkpoint with its rows, and forgets it.
    let forgetful = Simulation::new(
        || home(Commits::InsertsOnly),
        |home, effects| {
            let home: Arc<dyn Connection> = Arc::new(home.clone());
            let job = SyncJob::new("people", effects.dataset(names()));
            Ok(job.to(
                crate::broken::promises_a_checkpoint(effects.connection(home)),
                spec(WriteMode::Insert),
            ))
        },
        people,
    )
    .crash_everywhere();
    let twice = forgetful
        .violations()
        .iter()
        .any(|violation| violation.seen.contains("twice"));
    assert!(twice, "{:?}", forgetful.violations());
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| forgetful.assert_holds()))
        .unwrap_err();
    assert!(
        panic
            .downcast_ref::<String>()
            .unwrap()
            .contains("break a rule")
    );
}
