//! A job whose checkpoint and lease are on the server: its first run is dropped, as if the process had died.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt as _;
use syncline::dataset::{BatchStream, Dataset, DatasetInfo, ReadRequest};
use syncline::host::Context;
use syncline::job::{CommitPolicy, Job as _, Outcome, RunLease, RunRequest, SyncJob};
use syncline::memory::{Commits, MemoryConnection, MemoryDataset, MemoryRejects};
use syncline::record::{Cursor, Field, FieldType, RecordBuilder, Schema};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
use syncline::{Result, Tenant};
use tokio::sync::Notify;

use super::lease::terms;
use super::server::{server, state};

const ROWS: u64 = 30;

fn fields() -> Vec<Field> {
    vec![Field::new("name", FieldType::Text)]
}

fn names() -> MemoryDataset {
    let schema = Schema::new(fields());
    let mut rows = RecordBuilder::new(&schema);
    for row in 0..ROWS {
        rows.push(&serde_json::json!({"name": format!("name {row}")}))
            .unwrap();
    }
    MemoryDataset::new("names", schema, vec![rows.finish().unwrap()]).unwrap()
}

/// A source whose first read gives ten records and then nothing more, and which hears what is safe.
#[derive(Debug)]
struct Stuck {
    names: MemoryDataset,
    stuck: bool,
    safe: Arc<Notify>,
    resumed: Mutex<Option<Cursor>>,
}

#[async_trait]
impl Dataset for Stuck {
    fn info(&self) -> &DatasetInfo {
        self.names.info()
    }

    fn schema(&self) -> &Schema {
        self.names.schema()
    }

    fn read(&self, context: &Context, request: ReadRequest) -> BatchStream {
        *self.resumed.lock().unwrap() = request.resume.clone();
        let all = self.names.read(context, request);
        match self.stuck {
            true => all.take(2).chain(futures::stream::pending()).boxed(),
            false => all,
        }
    }

    async fn acknowledge(&self, _: &Context, cursor: &Cursor) -> Result<()> {
        if cursor.as_str() == "10" {
            self.safe.notify_one();
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_dropped_is_gone_on_with() {
    let person = ObjectSpec::new("person", Identity::Generated, fields());
    // A destination that knows no record again: whatever came twice would be there twice.
    let home = MemoryConnection::new("home")
        .with_object(&person)
        .unwrap()
        .with_commits(Commits::InsertsOnly);
    let safe = Arc::new(Notify::new());
    let source = |stuck| {
        Arc::new(Stuck {
            names: names(),
            stuck,
            safe: Arc::clone(&safe),
            resumed: Mutex::new(None),
        })
    };
    let job = |source: Arc<Stuck>| {
        let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
        let spec = DestinationSpec::new("person", WriteMode::Insert, mapping);
        SyncJob::new("people", source).to(Arc::new(home.clone()), spec)
    };
    // Each has a client of its own, as a process has.
    let request = || {
        RunRequest::new(Arc::new(MemoryRejects::new()))
            .with_state(
                Tenant::new("jobs").unwrap(),
                Arc::new(state(&server().address)),
            )
            .with_lease(RunLease::new("a test").with_terms(terms()))
            .with_batch_rows(5)
            .with_commit(CommitPolicy::default().with_records(5))
    };
    let context = Context::new();

    let first = job(source(true));
    tokio::select! {
        ended = first.run(&context, request()) => panic!("it ended: {ended:?}"),
        () = safe.notified() => {}
    }
    assert_eq!(home.object("person").unwrap().len(), 10);

    // Nobody gave the lease back, so the next run waits for its end.
    let again = source(false);
    let report = job(Arc::clone(&again))
        .run(&context, request())
        .await
        .unwrap();
    assert_eq!(report.outcome, Outcome::Success, "{report}");
    assert_eq!(
        again.resumed.lock().unwrap().as_ref().unwrap().as_str(),
        "10"
    );
    assert_eq!(report.destinations[0].inserted, ROWS);
    assert_eq!(home.object("person").unwrap().len() as u64, ROWS);
}
