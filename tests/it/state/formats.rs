//! Formats of saved state: what any release wrote is read for ever.
//!
//! `tests/data/state` has a file for each format and version, as it stood in a store. They are never changed; a new version adds one.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use futures::executor::block_on;
use serde_json::{Value, json};
use syncline::file::LocalState;
use syncline::host::{Context, Expected, Saved, StateKey, StateKind, StateStore, Swap};
use syncline::job::{Job, Lease, LeaseRequest, RunReport, RunRequest, SyncJob};
use syncline::memory::{
    Commits, ManualClock, MemoryConnection, MemoryDataset, MemoryRejects, MemoryState,
};
use syncline::record::{Field, FieldType, Reason, RecordBuilder, Schema};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
use syncline::{ErrorKind, Tenant};

fn golden(name: &str) -> Bytes {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/state")
        .join(name);
    fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .into()
}

fn key(kind: StateKind, part: &str) -> StateKey {
    StateKey::new(&Tenant::new("Acme Ltd.").unwrap(), kind, [part]).unwrap()
}

fn holding(key: &StateKey, bytes: Bytes) -> Arc<MemoryState> {
    let store = MemoryState::new();
    let put = block_on(store.put(key, bytes, Expected::Absent)).unwrap();
    assert!(matches!(put, Swap::Done(_)));
    Arc::new(store)
}

#[test]
fn the_envelope_is_read_as_it_was_written() {
    let key = key(StateKind::Probe, "Größe 1");
    let payload = json!({"text": "a\"b\\\u{1F600}", "number": 18_446_744_073_709_551_615_u64, "list": [null, true, -1]});
    let saved = Saved::open(&key, 7, &golden("envelope-1.bin")).unwrap();
    assert_eq!(saved.version(), 7);
    assert_eq!(saved.payload::<Value>().unwrap(), payload);
    // And it is written as it was.
    assert_eq!(
        Saved::seal(&key, 7, &payload).unwrap(),
        golden("envelope-1.bin")
    );
    assert_eq!(
        Saved::open(&key, 6, &golden("envelope-1.bin"))
            .unwrap_err()
            .kind(),
        ErrorKind::NewerState
    );
}

#[test]
fn a_directory_is_read_as_it_was_written() {
    let key = key(StateKind::Probe, "Größe 1");
    let folder = tempfile::tempdir().unwrap();
    let path = folder
        .path()
        .join("%41cme%20%4ctd%2e/probe/%47r%c3%b6%c3%9fe%201.state");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, golden("directory-1.state")).unwrap();
    let store = LocalState::new(folder.path());
    let stored = block_on(store.get(&key)).unwrap().unwrap();
    assert_eq!(stored.bytes, "a value");
    assert_eq!(stored.version.as_str(), "258");
    let swapped =
        block_on(store.put(&key, "another".into(), Expected::Version(stored.version))).unwrap();
    assert!(matches!(swapped, Swap::Done(version) if version.as_str() == "259"));
    // Anything else in its place is refused, not passed over.
    for damaged in [
        "",
        "slstate1",
        "slstate1\0\0\0\0\0\0\0",
        "slstate2\0\0\0\0\0\0\0\0a",
        "a value",
    ] {
        fs::write(&path, damaged).unwrap();
        let error = block_on(store.get(&key)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CorruptState, "{damaged:?}");
        let put = block_on(store.put(&key, "new".into(), Expected::Absent)).unwrap_err();
        assert_eq!(put.kind(), ErrorKind::CorruptState);
    }
    fs::write(path.with_file_name("Stranger.state"), "").unwrap();
    let listed = block_on(store.list(key.tenant(), StateKind::Probe, None, 9)).unwrap_err();
    assert_eq!(listed.kind(), ErrorKind::Invalid);
}

/// The lease that stands in these bytes, or is refused, and the next one.
fn lease_over(bytes: Bytes) -> syncline::Result<Lease> {
    let key = key(StateKind::Lease, "nightly");
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let context = Context::new().with_clock(Arc::new(clock.clone()));
    let request = LeaseRequest::new(key.tenant().clone(), "nightly", holding(&key, bytes));
    clock.drive(Lease::acquire(&context, request)).unwrap()
}

#[test]
fn leases_of_all_versions_are_read() {
    assert_eq!(lease_over(golden("lease-1.bin")).unwrap().epoch(), 42);
    let key = key(StateKind::Lease, "nightly");
    let later = Saved::seal(&key, 200, &json!({})).unwrap();
    assert_eq!(lease_over(later).unwrap_err().kind(), ErrorKind::NewerState);
    let mut damaged = golden("lease-1.bin").to_vec();
    damaged[30] ^= 1;
    assert_eq!(
        lease_over(damaged.into()).unwrap_err().kind(),
        ErrorKind::CorruptState
    );
    let strange = Saved::seal(&key, 1, &json!({"epoch": 41, "surprise": true})).unwrap();
    assert_eq!(
        lease_over(strange).unwrap_err().kind(),
        ErrorKind::CorruptState
    );
}

/// The report of the run that goes on behind these bytes, and the names that it wrote.
fn run_behind(bytes: Bytes) -> syncline::Result<(RunReport, usize)> {
    let parts = ["nightly", "names", ""];
    let tenant = Tenant::new("Acme Ltd.").unwrap();
    let key = StateKey::new(&tenant, StateKind::Checkpoint, parts).unwrap();
    let fields = || vec![Field::new("name", FieldType::Text)];
    let mut rows = RecordBuilder::new(&Schema::new(fields()));
    for row in 0..6 {
        rows.push(&json!({"name": format!("name {row}")})).unwrap();
    }
    let batches = vec![rows.finish().unwrap()];
    let dataset = MemoryDataset::new("names", Schema::new(fields()), batches).unwrap();
    let person = ObjectSpec::new("person", Identity::Generated, fields());
    let home = MemoryConnection::new("home").with_object(&person).unwrap();
    let home = home.with_commits(Commits::ByGroup);
    let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
    let person = DestinationSpec::new("person", WriteMode::Insert, mapping);
    let job = SyncJob::new("nightly", Arc::new(dataset.with_lineage("names of 2025")))
        .to(Arc::new(home.clone()), person);
    let request =
        RunRequest::new(Arc::new(MemoryRejects::new())).with_state(tenant, holding(&key, bytes));
    let report = block_on(job.run(&Context::new(), request))?;
    let written = home.object("person").unwrap().len();
    Ok((report, written))
}

#[test]
fn checkpoints_of_all_versions_are_read() {
    let (report, written) = run_behind(golden("checkpoint-1.bin")).unwrap();
    // Two rows were safe, and one of them was refused.
    assert_eq!((report.records, report.resumed, written), (6, 2, 4));
    assert_eq!(report.destinations[0].inserted, 5);
    assert_eq!(report.destinations[0].rejects[&Reason::BadValue], 1);
    let tenant = Tenant::new("Acme Ltd.").unwrap();
    let parts = ["nightly", "names", ""];
    let key = StateKey::new(&tenant, StateKind::Checkpoint, parts).unwrap();
    let later = Saved::seal(&key, 200, &json!({})).unwrap();
    assert_eq!(run_behind(later).unwrap_err().kind(), ErrorKind::NewerState);
    // Counts that do not add up.
    let saved = Saved::open(&key, 1, &golden("checkpoint-1.bin")).unwrap();
    let mut saved: Value = saved.payload().unwrap();
    saved["safe"]["destinations"][0]["read"] = json!(3);
    let (report, _) = run_behind(Saved::seal(&key, 1, &saved).unwrap()).unwrap();
    assert_eq!(report.failure.unwrap().kind(), ErrorKind::Contract);
    for at in [0, 40, 200] {
        let mut damaged = golden("checkpoint-1.bin").to_vec();
        damaged[at] ^= 1;
        let refused = run_behind(damaged.into()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::CorruptState);
    }
}
