//! Runs that break off and go on: what is promised, what is saved, what is refused.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::executor::block_on;
use syncline::dataset::Dataset;
use syncline::file::{FileDestination, LocalFiles, RejectFiles};
use syncline::host::{
    CancelToken, Context, Event, FileStore as _, Observer, RejectLedger, RejectSegment, StateStore,
};
use syncline::job::{CommitPolicy, Guarantee, Job as _, Outcome, RunRequest, Start, SyncJob};
use syncline::memory::{
    Commits, MemoryConnection, MemoryDataset, MemoryFiles, MemoryRejects, MemoryState,
};
use syncline::record::{Field, FieldType, Reason, RecordBuilder, Schema};
use syncline::spec::{
    Delimited, DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode,
};
use syncline::{ErrorKind, Result, Tenant};

fn fields() -> Vec<Field> {
    vec![Field::new("n", FieldType::Integer)]
}

fn numbers(count: i64) -> MemoryDataset {
    let schema = Schema::new(fields());
    let mut rows = RecordBuilder::new(&schema);
    for n in 0..count {
        rows.push(&serde_json::json!({"n": n})).unwrap();
    }
    MemoryDataset::new("numbers", schema, vec![rows.finish().unwrap()]).unwrap()
}

fn home(commits: Commits) -> MemoryConnection {
    let spec = ObjectSpec::new("number", Identity::Generated, fields());
    MemoryConnection::new("home")
        .with_object(&spec)
        .unwrap()
        .with_commits(commits)
}

fn job(dataset: impl Dataset + 'static, home: &MemoryConnection, mode: WriteMode) -> SyncJob {
    let mapping = MappingSpec::new(vec![FieldMapping::direct("n", "n")]);
    let spec = DestinationSpec::new("number", mode, mapping);
    SyncJob::new("numbers", Arc::new(dataset)).to(Arc::new(home.clone()), spec)
}

fn request(state: &Arc<MemoryState>) -> RunRequest {
    let store: Arc<dyn StateStore> = state.clone();
    RunRequest::new(Arc::new(MemoryRejects::new()))
        .with_batch_rows(2)
        .with_commit(CommitPolicy::default().with_records(4))
        .with_state(Tenant::new("acme").unwrap(), store)
}

/// Stops a run behind this many records.
#[derive(Debug)]
struct StopBehind(u64, CancelToken);

impl Observer for StopBehind {
    fn observe(&self, event: &Event<'_>) {
        if matches!(event, Event::Progress { records, .. } if *records >= self.0) {
            self.1.cancel();
        }
    }
}

fn stopping_behind(records: u64) -> Context {
    let stop = CancelToken::new();
    Context::new()
        .with_cancel(stop.clone())
        .with_observer(Arc::new(StopBehind(records, stop)))
}

#[test]
fn a_run_that_was_stopped_is_gone_on_with_and_its_counts_add_up() {
    let (home, state) = (home(Commits::WithCheckpoint), Arc::new(MemoryState::new()));
    let job = job(numbers(10), &home, WriteMode::Insert);
    let stopped = block_on(job.run(&stopping_behind(6), request(&state))).unwrap();
    assert_eq!((stopped.outcome, stopped.records), (Outcome::Cancelled, 6));
    assert_eq!(home.object("number").unwrap().len(), 6);
    let report = block_on(job.run(&Context::new(), request(&state))).unwrap();
    assert_eq!(
        (report.outcome, report.records, report.resumed),
        (Outcome::Success, 10, 6)
    );
    let numbers = &report.destinations[0];
    assert_eq!((numbers.read, numbers.inserted), (10, 10));
    assert_eq!(home.object("number").unwrap().len(), 10);
    // The next one reads everything again, if it is another run.
    let named = |name: &str| request(&state).with_run(name);
    let second = block_on(job.run(&Context::new(), named("second"))).unwrap();
    assert_eq!((second.records, second.resumed), (10, 0));
    let again = block_on(job.run(&Context::new(), named("second"))).unwrap();
    assert_eq!((again.records, again.resumed), (10, 10));
    assert_eq!(home.object("number").unwrap().len(), 20);
}

#[test]
fn a_cursor_is_not_used_with_another_source_unless_the_run_starts_over() {
    let (home, state) = (home(Commits::AtOnce), Arc::new(MemoryState::new()));
    let keyed = || WriteMode::upsert(["n"]);
    let first = job(numbers(10), &home, keyed());
    block_on(first.run(&stopping_behind(6), request(&state))).unwrap();
    let other = job(numbers(10).with_lineage("a copy"), &home, keyed());
    let error = block_on(other.run(&Context::new(), request(&state))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OtherLineage);
    let over = request(&state).with_start(Start::Over);
    let report = block_on(other.run(&Context::new(), over)).unwrap();
    assert_eq!((report.records, report.resumed), (10, 0));
    let numbers = &report.destinations[0];
    assert_eq!((numbers.inserted, numbers.updated), (4, 6));
}

#[test]
fn the_guarantee_follows_from_what_the_parts_can_do() {
    let promised = |dataset: MemoryDataset, commits, mode| {
        let plan = block_on(job(dataset, &home(commits), mode).plan(&Context::new())).unwrap();
        let text = plan.to_string();
        assert!(
            text.contains(&format!("promises: {}", plan.guarantee())),
            "{text}"
        );
        plan.guarantee()
    };
    let cursorless = || numbers(1).without_resume();
    let (insert, keyed) = (|| WriteMode::Insert, || WriteMode::upsert(["n"]));
    let cases = [
        (
            numbers(1),
            Commits::InsertsOnly,
            insert(),
            Guarantee::AtLeastOnce,
        ),
        (
            numbers(1),
            Commits::AtOnce,
            insert(),
            Guarantee::AtLeastOnce,
        ),
        (
            numbers(1),
            Commits::AtOnce,
            keyed(),
            Guarantee::EffectivelyOnce,
        ),
        (
            numbers(1),
            Commits::ByGroup,
            insert(),
            Guarantee::ExactlyOnce,
        ),
        (
            cursorless(),
            Commits::ByGroup,
            insert(),
            Guarantee::AtLeastOnce,
        ),
        (
            cursorless(),
            Commits::WithCheckpoint,
            insert(),
            Guarantee::ExactlyOnce,
        ),
    ];
    for (dataset, commits, mode, guarantee) in cases {
        assert_eq!(promised(dataset, commits, mode), guarantee, "{commits:?}");
    }
}

#[test]
fn a_job_that_requires_a_guarantee_needs_saved_state() {
    let job = job(
        numbers(1),
        &home(Commits::WithCheckpoint),
        WriteMode::Insert,
    );
    let job = job.requiring(Guarantee::ExactlyOnce);
    let stateless = RunRequest::new(Arc::new(MemoryRejects::new()));
    let error = block_on(job.run(&Context::new(), stateless)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let report = block_on(job.run(&Context::new(), request(&Arc::default()))).unwrap();
    assert_eq!(report.outcome, Outcome::Success);
}

#[test]
fn a_ledger_of_one_run_is_refused_before_anything_is_written() {
    let home = home(Commits::AtOnce);
    let job = job(numbers(3), &home, WriteMode::Insert);
    let ledger: Arc<dyn RejectLedger> = Arc::new(RejectFiles::new(Arc::new(MemoryFiles::new())));
    let mut request = request(&Arc::default());
    request.rejects = ledger;
    let error = block_on(job.run(&Context::new(), request)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(home.object("number").unwrap().is_empty());
}

#[test]
fn each_commit_group_is_a_file_and_comes_again_in_its_place() -> Result<()> {
    use syncline::destination::{
        CommitRequest, Destination as _, Durability, OpenRequest, WriteField,
    };
    use syncline::record::{Batch, RowsAsRead};

    let folder = tempfile::tempdir().unwrap();
    let files = Arc::new(LocalFiles::new(folder.path()));
    let schema = Schema::new(fields());
    let destination = FileDestination::new(
        files.clone(),
        "out/n.csv",
        "number",
        schema.clone(),
        Delimited::csv(),
    );
    let destination = destination.in_parts();
    let context = Context::new();
    let batch = |n: i64| {
        let mut rows = RecordBuilder::new(&schema);
        rows.push(&serde_json::json!({"n": n})).unwrap();
        let rows = rows.finish().unwrap();
        Batch::new(
            rows.clone(),
            RowsAsRead::new("by hand", 1, rows).into_origins(),
        )
    };
    block_on(async {
        let open = |group| {
            let request = OpenRequest::new("job", vec![WriteField::new("n")], WriteMode::Insert);
            destination.open(&context, request.with_group(group))
        };
        let mut writer = open(7).await?.writer;
        writer.write(&context, batch(1)).await?;
        let report = writer.commit(&context, CommitRequest::new(7)).await?;
        assert_eq!(report.durability, Durability::Durable { through: 7 });
        writer.commit(&context, CommitRequest::new(8)).await?;
        writer.write(&context, batch(2)).await?;
        // A writer that is dropped leaves the groups that it committed.
        drop(writer);
        assert_eq!(files.list("out/").await?, ["out/n-00000007.csv"]);
        let mut writer = open(7).await?.writer;
        writer.write(&context, batch(3)).await?;
        writer.commit(&context, CommitRequest::new(7)).await?;
        writer.commit(&context, CommitRequest::new(7)).await?;
        writer.write(&context, batch(4)).await?;
        writer
            .commit(&context, CommitRequest::new(8).as_last())
            .await?;
        assert_eq!(
            files.list("out/").await?,
            ["out/n-00000007.csv", "out/n-00000008.csv"]
        );
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(
            (text("out/n-00000007.csv"), text("out/n-00000008.csv")),
            ("n\n3\n".into(), "n\n4\n".into())
        );
        Ok(())
    })
}

/// A ledger in front of whose answer the process dies.
#[derive(Debug)]
struct Unanswered(MemoryRejects);

#[async_trait]
impl RejectLedger for Unanswered {
    async fn append(&self, segment: RejectSegment) -> Result<()> {
        self.0.append(segment).await
    }

    async fn seal(&self) -> Result<()> {
        self.0.seal().await
    }

    async fn flush(&self) -> Result<()> {
        std::future::pending().await
    }

    async fn rewind(&self, destination: Option<&str>, group: u64, epoch: u64) -> Result<()> {
        self.0.rewind(destination, group, epoch).await
    }
}

#[test]
fn a_plain_insert_that_comes_again_is_refused_where_its_values_are_unique() {
    let mut spec = ObjectSpec::new("number", Identity::Generated, fields());
    spec.unique = vec![vec!["n".into()]];
    let home = MemoryConnection::new("home").with_object(&spec).unwrap();
    let home = home.with_commits(Commits::InsertsOnly);
    let state = Arc::new(MemoryState::new());
    let job = job(numbers(10), &home, WriteMode::Insert);
    let mut dies = request(&state);
    dies.rejects = Arc::new(Unanswered(MemoryRejects::new()));
    assert!(job.run(&Context::new(), dies).now_or_never().is_none());
    assert_eq!(home.object("number").unwrap().len(), 4);
    let report = block_on(job.run(&Context::new(), request(&state))).unwrap();
    // Each is there once, and those that the first run had made are among the rejects too.
    assert_eq!(home.object("number").unwrap().len(), 10);
    let counts = &report.destinations[0];
    assert_eq!(
        (counts.inserted, counts.rejects[&Reason::NotUnique]),
        (6, 4)
    );
}
