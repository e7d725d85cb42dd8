//! Two redrives at the same time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use syncline::host::{
    Clock as _, Context, KeptRejects, RejectLedger, RejectMarks, RejectRewind, RejectSegment,
};
use syncline::job::{Redrive, RunLease, RunRequest};
use syncline::memory::{ManualClock, MemoryRejects, MemoryState};
use syncline::record::FieldType;
use syncline::spec::WriteMode;
use syncline::{Result, Tenant};

use super::{dataset, home, job, run, written};

/// A ledger whose answers take so long that another one may ask it too.
#[derive(Debug)]
struct Slow(Arc<MemoryRejects>, ManualClock);

#[async_trait]
impl RejectLedger for Slow {
    async fn append(&self, segment: RejectSegment) -> Result<()> {
        self.0.append(segment).await
    }

    async fn seal(&self) -> Result<()> {
        self.0.seal().await
    }

    async fn flush(&self) -> Result<()> {
        self.0.flush().await
    }

    async fn rewind(&self, to: &RejectRewind) -> Result<()> {
        self.0.rewind(to).await
    }

    async fn list(&self, destination: Option<&str>) -> Result<Vec<KeptRejects>> {
        let kept = self.0.list(destination).await;
        self.1.sleep(Duration::from_secs(1)).await;
        kept
    }

    async fn mark(&self, destination: Option<&str>, marks: &RejectMarks) -> Result<()> {
        self.0.mark(destination, marks).await
    }
}

#[test]
fn two_redrives_at_once_send_nothing_twice() {
    let ledger = Arc::new(MemoryRejects::new());
    let rows = [json!({"no": 1, "seats": "2.5", "version": 1})];
    run(
        &job(dataset(&rows), &home(FieldType::Integer), WriteMode::Insert),
        &ledger,
    );
    let home = home(FieldType::Decimal {
        precision: 9,
        scale: 1,
    });
    let state = Arc::new(MemoryState::new());
    let job = job(dataset(&[]), &home, WriteMode::Insert);
    let clock = ManualClock::new(chrono::DateTime::UNIX_EPOCH);
    let context = Context::new().with_clock(Arc::new(clock.clone()));
    let redrive = |who: &str| {
        let slow = Slow(ledger.clone(), clock.clone());
        let request = RunRequest::new(Arc::new(slow))
            .with_state(Tenant::new("acme").unwrap(), state.clone())
            .with_lease(RunLease::new(who));
        job.redrive(&context, request, &Redrive::Inserts)
    };
    let both = async { futures::join!(redrive("one"), redrive("other")) };
    let (one, other) = clock.drive(both).expect("neither waits for ever");
    let sent: u64 = [one, other]
        .into_iter()
        .filter_map(|report| report.ok())
        .map(|report| report.resolved)
        .sum();
    assert_eq!(sent, 1);
    assert_eq!(written(&home), [(1, "2.5".to_owned())]);
}
