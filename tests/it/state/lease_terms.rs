//! What a run under a lease does outside keeps to the lease's terms: nothing is waited for longer than they allow, and nothing
//! is changed when too little of it is left.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use syncline::connection::{Catalog, Connection, ConnectionInfo};
use syncline::dataset::Dataset;
use syncline::destination::{
    CommitReport, CommitRequest, Destination, DestinationInfo, OpenRequest, Opened, WriteReport,
    Writer,
};
use syncline::host::{Clock, Context, RejectLedger, RejectRewind, RejectSegment, SeededEntropy};
use syncline::job::{
    Job, Lease, LeaseRequest, LeaseTerms, Outcome, RunLease, RunReport, RunRequest, SyncJob,
};
use syncline::lookup::{Lookup, LookupRequest};
use syncline::memory::{ManualClock, MemoryConnection, MemoryDataset, MemoryRejects, MemoryState};
use syncline::policy::RetryPolicy;
use syncline::record::{Batch, Field, FieldType, Reason, RecordBuilder, Refusal, Schema};
use syncline::spec::{DestinationSpec, FieldMapping, Identity, MappingSpec, ObjectSpec, WriteMode};
use syncline::{ErrorKind, Result, Tenant};

/// What is called outside, in the order of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Call {
    Destination,
    Open,
    Rewind,
    Append,
    Write,
    Flush,
    Commit,
}

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Trouble {
    /// Its answer takes so many seconds.
    Slow(i64),
    /// It was answered, and then the process stands still for so many seconds, within the same step.
    StandsStill(i64),
    /// The same, until another runner has waited for the lease and has it.
    IsSucceeded,
}

/// The outside: one call of it is in trouble, and each is noted when it begins.
#[derive(Debug, Clone)]
struct Outside {
    clock: ManualClock,
    state: Arc<MemoryState>,
    trouble: (Call, Trouble),
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Outside {
    async fn around<T>(&self, call: Call, work: impl Future<Output = T>) -> T {
        self.calls.lock().unwrap().push(call);
        let trouble = (self.trouble.0 == call).then_some(self.trouble.1);
        if let Some(Trouble::Slow(seconds)) = trouble {
            self.clock.sleep(Duration::from_secs(seconds as u64)).await;
        }
        let done = work.await;
        match trouble {
            Some(Trouble::StandsStill(seconds)) => self.clock.advance(TimeDelta::seconds(seconds)),
            Some(Trouble::IsSucceeded) => {
                // The time of a process of its own, in which this one is not polled.
                let clock = ManualClock::new(self.clock.now());
                let context = Context::new()
                    .with_clock(Arc::new(clock.clone()))
                    .with_entropy(Arc::new(SeededEntropy::new(2)));
                let wanted = LeaseRequest::new(tenant(), "people", self.state.clone());
                let taken = clock.drive(Lease::acquire(&context, wanted)).unwrap();
                taken.expect("nobody renews it");
                self.clock.advance(clock.now() - self.clock.now());
            }
            _ => {}
        }
        done
    }
}

#[derive(Debug)]
struct Home(Outside, MemoryConnection);

#[async_trait]
impl Connection for Home {
    fn info(&self) -> &ConnectionInfo {
        self.1.info()
    }

    async fn discover(&self, context: &Context) -> Result<Catalog> {
        self.1.discover(context).await
    }

    async fn dataset(&self, context: &Context, object: &str) -> Result<Arc<dyn Dataset>> {
        self.1.dataset(context, object).await
    }

    async fn destination(&self, context: &Context, object: &str) -> Result<Arc<dyn Destination>> {
        let destination = self.1.destination(context, object);
        let destination = self.0.around(Call::Destination, destination).await?;
        Ok(Arc::new(Written(self.0.clone(), destination)))
    }

    async fn lookup(&self, context: &Context, request: LookupRequest) -> Result<Arc<dyn Lookup>> {
        self.1.lookup(context, request).await
    }
}

#[derive(Debug)]
struct Written(Outside, Arc<dyn Destination>);

#[async_trait]
impl Destination for Written {
    fn info(&self) -> &DestinationInfo {
        self.1.info()
    }

    fn schema(&self) -> &Schema {
        self.1.schema()
    }

    async fn open(&self, context: &Context, request: OpenRequest) -> Result<Opened> {
        let open = self.1.open(context, request);
        let opened = self.0.around(Call::Open, open).await?;
        let writer = Writing(self.0.clone(), opened.writer);
        Ok(Opened::new(Box::new(writer)).with_checkpoint(opened.checkpoint))
    }
}

#[derive(Debug)]
struct Writing(Outside, Box<dyn Writer>);

#[async_trait]
impl Writer for Writing {
    async fn write(&mut self, context: &Context, batch: Batch) -> Result<WriteReport> {
        let write = self.1.write(context, batch);
        self.0.around(Call::Write, write).await
    }

    async fn commit(&mut self, context: &Context, request: CommitRequest) -> Result<CommitReport> {
        let commit = self.1.commit(context, request);
        self.0.around(Call::Commit, commit).await
    }

    async fn abort(&mut self, context: &Context) -> Result<()> {
        self.1.abort(context).await
    }
}

#[derive(Debug)]
struct Ledger(Outside, MemoryRejects);

#[async_trait]
impl RejectLedger for Ledger {
    async fn append(&self, segment: RejectSegment) -> Result<()> {
        self.0.around(Call::Append, self.1.append(segment)).await
    }

    async fn seal(&self) -> Result<()> {
        self.0.around(Call::Flush, self.1.seal()).await
    }

    async fn flush(&self) -> Result<()> {
        self.0.around(Call::Flush, self.1.flush()).await
    }

    async fn rewind(&self, to: &RejectRewind) -> Result<()> {
        let rewind = self.1.rewind(to);
        self.0.around(Call::Rewind, rewind).await
    }
}

fn tenant() -> Tenant {
    Tenant::new("acme").unwrap()
}

/// What became of a run under a lease of these terms, and what it called.
fn try_run(call: Call, trouble: Trouble, terms: LeaseTerms) -> (Result<RunReport>, Vec<Call>) {
    let outside = Outside {
        clock: ManualClock::new(DateTime::UNIX_EPOCH),
        state: Arc::new(MemoryState::new()),
        trouble: (call, trouble),
        calls: Arc::default(),
    };
    let fields = || vec![Field::new("name", FieldType::Text)];
    let schema = Schema::new(fields());
    let mut rows = RecordBuilder::new(&schema);
    // The destination refuses the last one, which is kept right behind the write.
    for name in [Some("a"), Some("b"), None] {
        rows.push(&serde_json::json!({ "name": name })).unwrap();
    }
    let refusal = Refusal::new(Reason::BadValue, "scripted");
    let dataset = MemoryDataset::new("names", schema, vec![rows.finish().unwrap()]).unwrap();
    let dataset = dataset.with_reject(1, refusal);
    let home = MemoryConnection::new("home")
        .with_object(&ObjectSpec::new("person", Identity::Generated, fields()))
        .unwrap();
    let mapping = MappingSpec::new(vec![FieldMapping::direct("name", "name")]);
    let person = DestinationSpec::new("person", WriteMode::upsert(["name"]), mapping);
    let job =
        SyncJob::new("people", Arc::new(dataset)).to(Arc::new(Home(outside.clone(), home)), person);
    let request = RunRequest::new(Arc::new(Ledger(outside.clone(), MemoryRejects::new())))
        .with_state(tenant(), outside.state.clone())
        .with_retry(RetryPolicy::never())
        .with_lease(RunLease::new("one").with_terms(terms));
    let context = Context::new()
        .with_clock(Arc::new(outside.clock.clone()))
        .with_entropy(Arc::new(SeededEntropy::new(1)));
    let report = outside.clock.drive(job.run(&context, request));
    let report = report.expect("nothing waits for ever");
    let calls = outside.calls.lock().unwrap().clone();
    (report, calls)
}

fn run(call: Call, trouble: Trouble, terms: LeaseTerms) -> (RunReport, Vec<Call>) {
    let (report, calls) = try_run(call, trouble, terms);
    (report.unwrap(), calls)
}

#[test]
fn nothing_is_waited_for_longer_than_the_terms_say_that_it_takes() {
    let terms = LeaseTerms::default();
    let seconds = Duration::from_secs;
    let longer = terms.with_write_timeout(seconds(60)).with_ttl(seconds(150));
    for call in [
        Call::Open,
        Call::Append,
        Call::Write,
        Call::Flush,
        Call::Commit,
    ] {
        let (report, calls) = run(call, Trouble::Slow(29), terms);
        assert_eq!(report.outcome, Outcome::PartialSuccess, "{report:?}");
        assert!(calls.contains(&call), "{calls:?}");
        // All timeouts of the run would allow that, and it could land when the next one writes. Of a run that has not begun there is no
        // report.
        let (report, _) = try_run(call, Trouble::Slow(45), terms);
        let failure = report.map_or_else(Some, |report| report.failure).unwrap();
        assert_eq!(failure.kind(), ErrorKind::Timeout, "{call:?}: {failure}");
        let (report, _) = run(call, Trouble::Slow(45), longer);
        assert_eq!(report.outcome, Outcome::PartialSuccess, "{report:?}");
    }
}

#[test]
fn who_stood_still_changes_nothing_when_it_wakes() {
    let order = [
        Call::Destination,
        Call::Open,
        Call::Rewind,
        Call::Append,
        Call::Write,
        Call::Flush,
        Call::Commit,
    ];
    let terms = LeaseTerms::default();
    let of = |call: &Call| order.iter().position(|other| other == call);
    for call in &order[..6] {
        // Half the lease is gone, and less than 50 seconds.
        let (report, calls) = run(*call, Trouble::StandsStill(45), terms);
        assert_eq!(report.outcome, Outcome::PartialSuccess, "{report:?}");
        for next in &order {
            assert!(calls.contains(next), "{next:?} is no part of the run");
        }
        // Another one has it by now. Within the step in which it wakes it makes no further call.
        let (report, calls) = run(*call, Trouble::IsSucceeded, terms);
        assert_eq!(report.outcome, Outcome::Failed, "{call:?}: {report:?}");
        let failure = report.failure.expect("the lease is lost");
        assert_eq!(failure.kind(), ErrorKind::Conflict, "{call:?}: {failure}");
        assert_eq!(calls.last().and_then(of), of(call), "{call:?}: {calls:?}");
    }
}
