//! Runs that break off and go on: what is promised, what is saved, what is refused.

#[cfg(feature = "testing")]
mod faults;

use std::sync::Arc;

use async_trait::async_trait;
use futures::executor::block_on;
use futures::{FutureExt as _, StreamExt as _};
use syncline::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use syncline::file::{FileDestination, LocalFiles, RejectFiles};
use syncline::host::{
    CancelToken, Context, Event, FileStore as _, Observer, RejectLedger, RejectRewind,
    RejectSegment, StateStore,
};
use syncline::job::{CommitPolicy, Guarantee, Job as _, Outcome, RunRequest, Start, SyncJob};
use syncline::memory::{
    Commits, MemoryConnection, MemoryDataset, MemoryFiles, MemoryRejects, MemoryState,
};
use syncline::record::{Field, FieldType, Reason, RecordBuilder, Schema};
use syncline::spec::{
    Delimited, DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode,
};
use syncline::{Error, ErrorKind, Result, Retry, Tenant};

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

/// As a connection has them: whoever opens it finds the checkpoint that it keeps.
fn kept_by(home: &MemoryConnection) -> Option<syncline::destination::Checkpoint> {
    use syncline::destination::{OpenRequest, WriteField};
    let context = Context::new();
    let open = async {
        let object =
            syncline::connection::Connection::destination(home, &context, "number").await?;
        let fields = vec![WriteField::new("n")];
        let request =
            OpenRequest::new("numbers", fields, WriteMode::Insert).with_epoch("", u64::MAX);
        object.open(&context, request).await
    };
    block_on(open).unwrap().checkpoint
}

#[test]
fn a_run_that_is_stopped_before_its_first_record_closes_no_group() {
    let (home, state) = (home(Commits::WithCheckpoint), Arc::new(MemoryState::new()));
    let stop = CancelToken::new();
    stop.cancel();
    let job = job(numbers(10), &home, WriteMode::Insert);
    let stopped = block_on(job.run(&Context::new().with_cancel(stop), request(&state))).unwrap();
    assert_eq!((stopped.outcome, stopped.records), (Outcome::Cancelled, 0));
    assert_eq!(
        kept_by(&home),
        None,
        "an empty group has no cursor to come again by"
    );
}

#[test]
fn a_destination_that_keeps_the_checkpoint_makes_up_for_state_that_is_lost() {
    let home = home(Commits::WithCheckpoint);
    let job = job(numbers(10), &home, WriteMode::Insert);
    let stopped =
        block_on(job.run(&stopping_behind(6), request(&Arc::new(MemoryState::new())))).unwrap();
    assert_eq!(stopped.records, 6);
    // The store is gone, and with it how often the job ran.
    let report =
        block_on(job.run(&Context::new(), request(&Arc::new(MemoryState::new())))).unwrap();
    assert_eq!((report.outcome, report.records), (Outcome::Success, 4));
    assert_eq!(home.object("number").unwrap().len(), 10);
}

#[test]
fn a_destination_that_is_older_than_the_saved_state_is_not_passed_over() {
    let (home, backup) = (home(Commits::WithCheckpoint), home(Commits::WithCheckpoint));
    let state = Arc::new(MemoryState::new());
    block_on(job(numbers(10), &home, WriteMode::Insert).run(&stopping_behind(6), request(&state)))
        .unwrap();
    let restored = job(numbers(10), &backup, WriteMode::Insert);
    let error = block_on(restored.run(&Context::new(), request(&state))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CorruptState);
    assert!(
        error.to_string().contains("older than the saved state"),
        "{error}"
    );
    let over = request(&state).with_start(Start::Over);
    let report = block_on(restored.run(&Context::new(), over)).unwrap();
    assert_eq!(
        (report.outcome, backup.object("number").unwrap().len()),
        (Outcome::Success, 10)
    );
}

/// Its commits say that the data is taken, and never that it is safe.
#[derive(Debug)]
struct NeverSure(MemoryConnection);

#[derive(Debug)]
struct NeverSureObject(Arc<dyn syncline::destination::Destination>);

#[derive(Debug)]
struct NeverSureWriter(Box<dyn syncline::destination::Writer>);

mod never_sure {
    use super::*;
    use async_trait::async_trait;
    use syncline::connection::{Catalog, Connection, ConnectionInfo};
    use syncline::destination::{
        CommitReport, CommitRequest, Destination, DestinationInfo, Durability, OpenRequest, Opened,
        WriteReport, Writer,
    };
    use syncline::record::Batch;

    #[async_trait]
    impl Connection for NeverSure {
        fn info(&self) -> &ConnectionInfo {
            self.0.info()
        }

        async fn discover(&self, context: &Context) -> Result<Catalog> {
            self.0.discover(context).await
        }

        async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
            self.0.dataset(context, object).await
        }

        async fn destination(
            &self,
            context: &Context,
            object: &str,
        ) -> Result<Arc<dyn Destination>> {
            Ok(Arc::new(NeverSureObject(
                self.0.destination(context, object).await?,
            )))
        }
    }

    #[async_trait]
    impl Destination for NeverSureObject {
        fn info(&self) -> &DestinationInfo {
            self.0.info()
        }

        fn schema(&self) -> &Schema {
            self.0.schema()
        }

        async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
            let opened = self.0.open(context, request).await?;
            Ok(Opened::new(Box::new(NeverSureWriter(opened.writer))))
        }
    }

    #[async_trait]
    impl Writer for NeverSureWriter {
        async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport> {
            self.0.write(context, batch).await
        }

        async fn commit(
            &mut self,
            context: &Context,
            request: CommitRequest,
        ) -> Result<CommitReport> {
            self.0.commit(context, request).await?;
            Ok(CommitReport::new(Durability::Accepted))
        }

        async fn abort(&mut self, context: &Context) -> Result<()> {
            self.0.abort(context).await
        }
    }
}

#[test]
fn a_last_commit_that_is_not_durable_is_no_success() {
    let (home, state) = (home(Commits::AtOnce), Arc::new(MemoryState::new()));
    let mapping = MappingSpec::new(vec![FieldMapping::direct("n", "n")]);
    let spec = DestinationSpec::new("number", WriteMode::upsert(["n"]), mapping);
    let job = SyncJob::new("numbers", Arc::new(numbers(3))).to(Arc::new(NeverSure(home)), spec);
    let report = block_on(job.run(&Context::new(), request(&state))).unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.failure.unwrap().kind(), ErrorKind::Contract);
}

/// Reads one batch; then its connection is down.
#[derive(Debug)]
struct Down(MemoryDataset);

#[async_trait::async_trait]
impl Dataset for Down {
    fn info(&self) -> &DatasetInfo {
        self.0.info()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        let down = Error::new(ErrorKind::Io, "down").retrying(Retry::Now);
        let first = self
            .0
            .read(context, request.clone())
            .take(match request.resume {
                None => 1,
                Some(_) => 0,
            });
        first.chain(futures::stream::iter([Err(down)])).boxed()
    }
}
#[test]
fn a_run_that_is_stopped_while_it_waits_for_another_try_ends_tidily() {
    let (home, state) = (home(Commits::AtOnce), Arc::new(MemoryState::new()));
    let job = job(Down(numbers(10)), &home, WriteMode::upsert(["n"]));
    let report = block_on(job.run(&stopping_behind(2), request(&state))).unwrap();
    assert_eq!((report.outcome, report.records), (Outcome::Cancelled, 2));
    // The token is seen in front of the next batch already; here it is set amid the wait.
    let stop = CancelToken::new();
    #[derive(Debug)]
    struct StopAtRetry(CancelToken);
    impl Observer for StopAtRetry {
        fn observe(&self, event: &Event<'_>) {
            if matches!(event, Event::Retried { .. }) {
                self.0.cancel();
            }
        }
    }
    let context = Context::new()
        .with_cancel(stop.clone())
        .with_observer(Arc::new(StopAtRetry(stop)));
    let over = request(&state).with_start(Start::Over);
    let report = block_on(job.run(&context, over)).unwrap();
    assert_eq!(
        (report.outcome, report.records),
        (Outcome::Cancelled, 2),
        "{report}"
    );
}

#[test]
fn a_stop_hides_nothing_that_no_try_can_help() {
    /// A source that is broken, and whoever asks it is stopped meanwhile.
    #[derive(Debug)]
    struct Broken(MemoryDataset, CancelToken);

    #[async_trait]
    impl Dataset for Broken {
        fn info(&self) -> &DatasetInfo {
            self.0.info()
        }

        fn schema(&self) -> &Schema {
            self.0.schema()
        }

        fn read(&self, _: &Context, _: ReadRequest) -> BatchStream {
            let stop = self.1.clone();
            let broken = async move {
                stop.cancel();
                Err(Error::new(ErrorKind::Invalid, "broken").retrying(Retry::Never))
            };
            futures::stream::once(broken).boxed()
        }
    }

    let (home, state) = (home(Commits::AtOnce), Arc::new(MemoryState::new()));
    let stop = CancelToken::new();
    let broken = Broken(numbers(10), stop.clone());
    let job = job(broken, &home, WriteMode::upsert(["n"]));
    let context = Context::new().with_cancel(stop);
    let report = block_on(job.run(&context, request(&state))).unwrap();
    assert_eq!(report.outcome, Outcome::Failed, "{report}");
    assert_eq!(report.failure.unwrap().kind(), ErrorKind::Invalid);
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

    async fn rewind(&self, to: &RejectRewind) -> Result<()> {
        self.0.rewind(to).await
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
