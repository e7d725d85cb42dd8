//! Runs over a stretch of the past, beside what the job itself keeps.

use std::sync::Arc;

use futures::executor::block_on;
use syncline::connection::{Catalog, Connection, ConnectionInfo, ObjectInfo};
use syncline::dataset::Dataset;
use syncline::destination::Destination;
use syncline::file::{FileDestination, RejectFiles};
use syncline::host::{Context, FileStore as _, RejectLedger as _, StateStore};
use syncline::job::{CommitPolicy, Job as _, Outcome, RunRequest, SyncJob};
use syncline::memory::{MemoryDataset, MemoryFiles, MemoryState};
use syncline::record::{CursorValue, Field, FieldType, RecordBuilder, Schema};
use syncline::spec::{
    Delimited, DestinationSpec, FieldMapping, Incremental, MappingSpec, SyncMode, WriteMode,
};
use syncline::{Result, Tenant};

fn fields() -> Vec<Field> {
    vec![Field::new("n", FieldType::Integer)]
}

/// A stretch of the past is read again beside what the job keeps: parts and rejects of the live run stay.
#[test]
fn a_range_leaves_the_parts_the_rejects_and_the_source_of_the_live_job_alone() {
    let files = Arc::new(MemoryFiles::new());
    let state: Arc<dyn StateStore> = Arc::new(MemoryState::new());
    // Texts, of which some are no numbers.
    let schema = Schema::new(vec![
        Field::new("n", FieldType::Text),
        Field::new("version", FieldType::Integer),
    ]);
    let mut rows = RecordBuilder::new(&schema);
    for version in 0..8 {
        let n = if version % 3 == 1 {
            "many".to_owned()
        } else {
            version.to_string()
        };
        rows.push(&serde_json::json!({"n": n, "version": version}))
            .unwrap();
    }
    let dataset = MemoryDataset::new("numbers", schema, vec![rows.finish().unwrap()]).unwrap();
    let dataset: Arc<dyn Dataset> = Arc::new(dataset);
    let connection = Arc::new(Folder(files.clone()));
    let mapping = MappingSpec::new(vec![FieldMapping::direct("n", "n")]);
    let job = SyncJob::new("numbers", dataset)
        .reading(SyncMode::Incremental(Incremental::new("version")))
        .to(
            connection,
            DestinationSpec::new("number", WriteMode::Insert, mapping),
        );
    let request = || {
        RunRequest::new(Arc::new(RejectFiles::new(files.clone()).in_parts()))
            .with_batch_rows(1)
            .with_commit(CommitPolicy::default().with_records(2))
            .with_state(Tenant::new("acme").unwrap(), state.clone())
    };
    let all = || -> Vec<(String, Vec<u8>)> {
        let names = block_on(files.list("")).unwrap();
        let names = names
            .into_iter()
            .filter(|name| !name.contains("_epochs") && !name.contains('+'));
        names
            .map(|name| {
                let bytes = files.bytes(&name).unwrap().to_vec();
                (name, bytes)
            })
            .collect()
    };
    let live = block_on(job.run(&Context::new(), request())).unwrap();
    assert_eq!(
        (live.outcome, live.destinations[0].rejected),
        (Outcome::PartialSuccess, 3)
    );
    let before = all();
    assert!(before.len() > 5, "{before:?}");
    let range = request().with_range(Some(CursorValue::Integer(1)), Some(CursorValue::Integer(5)));
    let report = block_on(job.run(&Context::new(), range)).unwrap();
    assert_eq!(
        (
            report.destinations[0].inserted,
            report.destinations[0].rejected
        ),
        (2, 2)
    );
    assert_eq!(all(), before);
    // What the range made stands beside.
    let beside = block_on(files.list("")).unwrap();
    assert!(
        beside.iter().any(|name| name.starts_with("number+range")),
        "{beside:?}"
    );
    let ledger = RejectFiles::new(files.clone()).in_parts();
    let kept = block_on(ledger.list(Some("number"))).unwrap();
    assert_eq!(kept.iter().map(|kept| kept.rejects.len()).sum::<usize>(), 5);
}

/// One object, written in parts.
#[derive(Debug)]
struct Folder(Arc<MemoryFiles>);

#[async_trait::async_trait]
impl Connection for Folder {
    fn info(&self) -> &ConnectionInfo {
        static INFO: std::sync::OnceLock<ConnectionInfo> = std::sync::OnceLock::new();
        INFO.get_or_init(|| ConnectionInfo::new("folder"))
    }

    async fn discover(&self, _: &Context) -> Result<Catalog> {
        Ok(Catalog::new(vec![
            ObjectInfo::new("number", Schema::new(fields())).without_lookup(),
        ]))
    }

    async fn dataset(&self, _: &Context, _: &str) -> Result<Arc<dyn Dataset>> {
        Ok(Arc::new(MemoryDataset::new(
            "number",
            Schema::new(fields()),
            vec![],
        )?))
    }

    async fn destination(&self, _: &Context, _: &str) -> Result<Arc<dyn Destination>> {
        let schema = Schema::new(fields());
        let object = FileDestination::new(
            self.0.clone(),
            "number.csv",
            "number",
            schema,
            Delimited::csv(),
        );
        Ok(Arc::new(object.in_parts()))
    }
}
