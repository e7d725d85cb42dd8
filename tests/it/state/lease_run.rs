//! Runs under a lease: whoever is late writes nothing any more.

use std::sync::Arc;
use std::task::{Context as Task, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use syncline::host::{Clock, Context, RejectLedger, RejectRewind, RejectSegment, SeededEntropy};
use syncline::job::{
    CommitPolicy, Job, Lease, LeaseRequest, Outcome, RunLease, RunRequest, SyncJob,
};
use syncline::memory::{
    Commits, ManualClock, MemoryConnection, MemoryDataset, MemoryRejects, MemoryState,
};
use syncline::record::{Field, FieldType, RecordBuilder, Schema};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
use syncline::{ErrorKind, Result, Tenant};

/// A ledger that takes five seconds to make rejects durable, so that a run can be caught between two groups.
#[derive(Debug)]
struct Slow {
    inner: Arc<MemoryRejects>,
    clock: ManualClock,
}

#[async_trait]
impl RejectLedger for Slow {
    async fn append(&self, segment: RejectSegment) -> Result<()> {
        self.inner.append(segment).await
    }

    async fn seal(&self) -> Result<()> {
        self.flush().await
    }

    async fn flush(&self) -> Result<()> {
        self.clock.sleep(Duration::from_secs(5)).await;
        self.inner.flush().await
    }

    async fn rewind(&self, to: &RejectRewind) -> Result<()> {
        self.inner.rewind(to).await
    }
}

const ROWS: usize = 50;

struct World {
    clock: ManualClock,
    state: Arc<MemoryState>,
    rejects: Arc<MemoryRejects>,
    home: MemoryConnection,
}

impl World {
    /// Objects that fence nobody and take every row at once.
    fn new() -> Self {
        let fields = vec![Field::new("name", FieldType::Text)];
        let person = ObjectSpec::new("person", Identity::Generated, fields);
        World {
            clock: ManualClock::new(DateTime::UNIX_EPOCH),
            state: Arc::default(),
            rejects: Arc::default(),
            home: MemoryConnection::new("home")
                .with_object(&person)
                .unwrap()
                .with_commits(Commits::InsertsOnly),
        }
    }

    fn tenant(&self) -> Tenant {
        Tenant::new("acme").unwrap()
    }

    fn context(&self, seed: u64) -> Context {
        Context::new()
            .with_clock(Arc::new(self.clock.clone()))
            .with_entropy(Arc::new(SeededEntropy::new(seed)))
    }

    /// One process: takes the lease, and runs the job under it.
    async fn process(&self, seed: u64) -> Result<Outcome> {
        let context = self.context(seed);
        let request = LeaseRequest::new(self.tenant(), "people", self.state.clone());
        let lease = Lease::acquire(&context, request).await?;
        let schema = Schema::new(vec![Field::new("name", FieldType::Text)]);
        let batches = (0..ROWS).step_by(5).map(|from| {
            let mut rows = RecordBuilder::new(&schema);
            for row in from..from + 5 {
                rows.push(&serde_json::json!({"name": format!("name {row}")}))
                    .unwrap();
            }
            rows.finish()
        });
        let batches = batches.collect::<Result<Vec<_>>>()?;
        let dataset = MemoryDataset::new("names", schema.clone(), batches)?;
        let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
        let person = DestinationSpec::new("person", WriteMode::Insert, mapping);
        let job = SyncJob::new("people", Arc::new(dataset)).to(Arc::new(self.home.clone()), person);
        let ledger = Slow {
            inner: Arc::clone(&self.rejects),
            clock: self.clock.clone(),
        };
        let request = RunRequest::new(Arc::new(ledger))
            .with_state(self.tenant(), self.state.clone())
            .with_epoch(lease.epoch())
            .with_batch_rows(5)
            .with_commit(CommitPolicy::default().with_records(5));
        let report = lease.hold(&context, job.run(&context, request)).await??;
        lease.release().await?;
        Ok(report.outcome)
    }

    fn people(&self) -> usize {
        self.home.object("person").unwrap().len()
    }
}

#[test]
fn a_run_goes_on_under_its_lease() {
    let world = World::new();
    let outcome = world.clock.drive(world.process(1)).unwrap().unwrap();
    assert_eq!(outcome, Outcome::Success);
    assert_eq!(world.people(), ROWS);
    // At once: the lease was released.
    let before = world.clock.monotonic();
    world.clock.drive(world.process(2)).unwrap().unwrap();
    assert!(world.clock.monotonic() - before <= Duration::from_secs(60));
}

#[test]
fn a_process_that_stood_still_writes_nothing_once_another_one_may() {
    for polls in 1..12 {
        let world = World::new();
        let mut task = Task::from_waker(Waker::noop());
        let mut first = Box::pin(world.process(1));
        for _ in 0..polls {
            assert!(first.as_mut().poll(&mut task).is_pending());
            world.clock.leap();
        }
        // The first one stands still; the second one waits for its lease, goes on where it was, and reads to the end.
        let outcome = world.clock.drive(world.process(2)).unwrap().unwrap();
        assert_eq!(outcome, Outcome::Success);
        // What is inserted is there at once, and comes again where the first one was not sure of it.
        let people = world.people();
        assert!((ROWS..=ROWS + 5).contains(&people), "{people}");
        let Poll::Ready(ended) = first.as_mut().poll(&mut task) else {
            panic!("it must not go on");
        };
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(world.people(), people);
    }
}

/// A mistake that is mended need not wait until a lease runs out.
#[test]
fn a_run_that_could_not_begin_gives_its_lease_back() {
    let schema = Schema::new(vec![Field::new("n", FieldType::Integer)]);
    let numbers = Arc::new(MemoryDataset::new("numbers", schema, vec![]).unwrap());
    let state = Arc::new(MemoryState::new());
    let tenant = Tenant::new("acme").unwrap();
    // It has no destination.
    let job = SyncJob::new("numbers", numbers);
    let request = RunRequest::new(Arc::new(MemoryRejects::new()))
        .with_state(tenant.clone(), state.clone())
        .with_lease(RunLease::new("here"));
    let error = futures::executor::block_on(job.run(&Context::new(), request)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    // It would wait for two minutes otherwise.
    let context = Context::new();
    let lease = Lease::acquire(&context, LeaseRequest::new(tenant, "numbers", state));
    let lease = futures::FutureExt::now_or_never(lease).expect("nobody has it");
    assert_eq!(lease.unwrap().epoch(), 2);
}
