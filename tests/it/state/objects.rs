//! State in an object store, and in stores that ignore what is asked of them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::executor::block_on;
use futures::stream::{self, BoxStream, StreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use syncline::adapter::ObjectStoreState;
use syncline::host::{Context, Expected, StateKey, StateKind, StateStore, Swap, probe};
use syncline::job::{CommitPolicy, Job as _, Outcome, RunLease, RunRequest, SyncJob};
use syncline::memory::{ManualClock, MemoryConnection, MemoryDataset, MemoryRejects};
use syncline::record::{Field, FieldType, RecordBuilder, Schema};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
use syncline::{ErrorKind, Retry, Tenant};

#[test]
fn an_object_store_holds_its_contract() {
    let objects = Arc::new(InMemory::new());
    super::holds_its_contract(&ObjectStoreState::new(objects.clone()));
    let below = PrefixStore::new(objects, "some/place");
    super::holds_its_contract(&ObjectStoreState::new(Arc::new(below)));
}

/// What a server does with the condition of a put.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lie {
    /// Overwrites where nothing was to be there.
    IgnoresCreate,
    /// Overwrites whatever version is there.
    IgnoresUpdate,
    /// Gives no versions.
    HidesVersions,
    /// Does every second put, and says that it was not: the client had asked again by itself, and met what it did.
    MeetsItself,
    /// Every second put fails on the way, and every list.
    Fails,
    /// Gives versions of its own beside the tags, as versioned buckets do: no lie.
    AddsVersions,
}

fn lost() -> object_store::Error {
    object_store::Error::Generic {
        store: "scripted",
        source: "500 Internal Server Error".into(),
    }
}

#[derive(Debug)]
struct Lying(InMemory, Lie, AtomicUsize);

impl Lying {
    fn new(lie: Lie) -> Self {
        Lying(InMemory::new(), lie, AtomicUsize::new(0))
    }

    fn is_second_put(&self) -> bool {
        self.2.fetch_add(1, Ordering::Relaxed) % 2 == 1
    }
}

impl fmt::Display for Lying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[async_trait]
impl ObjectStore for Lying {
    async fn put_opts(
        &self,
        at: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        match (&mut options.mode, self.1) {
            (PutMode::Create, Lie::IgnoresCreate) | (PutMode::Update(_), Lie::IgnoresUpdate) => {
                options.mode = PutMode::Overwrite;
            }
            (PutMode::Update(expected), Lie::AddsVersions) => {
                assert_eq!(expected.version.as_deref(), Some("v:1"));
            }
            _ => {}
        }
        let second = self.is_second_put();
        if second && self.1 == Lie::Fails {
            return Err(lost());
        }
        let mut done = self.0.put_opts(at, payload, options).await?;
        if second && self.1 == Lie::MeetsItself {
            return Err(object_store::Error::Precondition {
                path: at.to_string(),
                source: "412 Precondition Failed".into(),
            });
        }
        if self.1 == Lie::HidesVersions {
            done.e_tag = None;
        }
        if self.1 == Lie::AddsVersions {
            done.version = Some("v:1".into());
        }
        Ok(done)
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        let mut got = self.0.get_opts(at, options).await?;
        if self.1 == Lie::AddsVersions {
            got.meta.version = Some("v:1".into());
        }
        Ok(got)
    }

    fn delete_stream(
        &self,
        at: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(at)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.1 {
            Lie::Fails => stream::once(async { Err(lost()) }).boxed(),
            _ => self.0.list(prefix),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[test]
fn a_server_that_ignores_conditions_is_refused() {
    let tenant = Tenant::new("acme").unwrap();
    let cases = [
        (
            Lie::IgnoresCreate,
            ErrorKind::Contract,
            "where nothing was expected",
        ),
        (
            Lie::IgnoresUpdate,
            ErrorKind::Contract,
            "of another version",
        ),
        (Lie::HidesVersions, ErrorKind::Unsupported, "ETag"),
    ];
    for (lie, kind, says) in cases {
        let store = ObjectStoreState::new(Arc::new(Lying::new(lie)));
        let error = block_on(probe(&Context::new(), &store, &tenant)).unwrap_err();
        assert_eq!(error.kind(), kind, "{lie:?}: {error}");
        assert!(error.to_string().contains(says), "{lie:?}: {error}");
    }
    super::holds_its_contract(&ObjectStoreState::new(Arc::new(Lying::new(
        Lie::AddsVersions,
    ))));
}

#[test]
fn a_deleted_key_may_be_swept_away() {
    let objects = Arc::new(InMemory::new());
    let store = ObjectStoreState::new(objects.clone());
    let key = StateKey::new(&Tenant::new("acme").unwrap(), StateKind::Lease, ["job"]).unwrap();
    block_on(async {
        let Swap::Done(version) = store.put(&key, "1".into(), Expected::Absent).await.unwrap()
        else {
            panic!("a conflict");
        };
        assert!(store.delete(&key, version.clone()).await.unwrap());
        let left = Path::parse(key.path()).unwrap();
        assert_eq!(
            objects
                .get_opts(&left, GetOptions::default())
                .await
                .unwrap()
                .meta
                .size,
            0
        );
        object_store::ObjectStoreExt::delete(&*objects, &left)
            .await
            .unwrap();
        let late = store
            .put(&key, "2".into(), Expected::Version(version))
            .await
            .unwrap();
        assert_eq!(late, Swap::Conflict);
        assert!(matches!(
            store.put(&key, "2".into(), Expected::Absent).await.unwrap(),
            Swap::Done(_)
        ));
    });
}

/// A job of ten groups under a lease, whose state is there.
fn run(lie: Lie) -> syncline::job::RunReport {
    let fields = || vec![Field::new("n", FieldType::Integer)];
    let schema = Schema::new(fields());
    let mut rows = RecordBuilder::new(&schema);
    for n in 0..20 {
        rows.push(&serde_json::json!({ "n": n })).unwrap();
    }
    let dataset = MemoryDataset::new("numbers", schema, vec![rows.finish().unwrap()]).unwrap();
    let object = ObjectSpec::new("number", Identity::Generated, fields());
    let home = MemoryConnection::new("home").with_object(&object).unwrap();
    let mapping = MappingSpec::new(vec![FieldMapping::direct("n", "n")]);
    let spec = DestinationSpec::new("number", WriteMode::upsert(["n"]), mapping);
    let job = SyncJob::new("numbers", Arc::new(dataset)).to(Arc::new(home), spec);
    let store = ObjectStoreState::new(Arc::new(Lying::new(lie)));
    let request = RunRequest::new(Arc::new(MemoryRejects::new()))
        .with_batch_rows(2)
        .with_commit(CommitPolicy::default().with_records(2))
        .with_state(Tenant::new("acme").unwrap(), Arc::new(store))
        .with_lease(RunLease::new("one"));
    let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
    let context = Context::new().with_clock(Arc::new(clock.clone()));
    let report = clock.drive(job.run(&context, request));
    report.expect("it does not wait for ever").unwrap()
}

#[test]
fn a_put_that_the_client_itself_made_twice_is_no_other_runs() {
    let report = run(Lie::MeetsItself);
    assert_eq!(report.outcome, Outcome::Success, "{:?}", report.failure);
    assert_eq!(report.destinations[0].inserted, 20);
}

#[test]
fn what_fails_on_its_way_to_an_object_store_is_tried_again() {
    let report = run(Lie::Fails);
    assert_eq!(report.outcome, Outcome::Success, "{:?}", report.failure);
    assert!(report.retries >= 5, "{} retries", report.retries);
}

#[test]
fn a_list_that_failed_on_its_way_may_be_asked_again() {
    let store = ObjectStoreState::new(Arc::new(Lying::new(Lie::Fails)));
    let acme = Tenant::new("acme").unwrap();
    let listed = store.list(&acme, StateKind::Checkpoint, None, 9);
    let error = block_on(listed).unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Io, Retry::Now));
}
