//! Ledgers that do not keep rejects as they should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use syncline::Result;
use syncline::host::{RejectLedger, RejectRewind, RejectSegment};
use syncline::memory::MemoryRejects;
use syncline::record::RawRecord;
use syncline::testing::conformance::{REJECT_LEDGER, RejectLedgerFixture};

use super::{Broken, broken};
use crate::ports::kept_in_memory;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    Sorts,
    TrimsBlanks,
    FlushesOnce,
    RewindsAll,
    RewindsNothing,
    FencesNobody,
    AnswersAsIfForManyRuns,
}

#[derive(Debug)]
struct Ledger {
    flaw: Flaw,
    inner: Arc<MemoryRejects>,
    /// Segments that are not safe yet.
    waiting: std::sync::Mutex<Vec<RejectSegment>>,
    flushed: AtomicBool,
}

#[async_trait]
impl RejectLedger for Ledger {
    async fn append(&self, mut segment: RejectSegment) -> Result<()> {
        match self.flaw {
            Flaw::Sorts => segment.rejects.sort_by_key(|reject| reject.position.record),
            Flaw::TrimsBlanks => {
                for reject in &mut segment.rejects {
                    if let RawRecord::Cells(cells) = &mut reject.raw {
                        for cell in cells.iter_mut().flatten() {
                            *cell = cell.trim_ascii().to_vec().into();
                        }
                    }
                }
            }
            Flaw::FencesNobody => segment.epoch = 0,
            Flaw::FlushesOnce if self.flushed.load(Ordering::Relaxed) => {
                self.waiting.lock().unwrap().push(segment);
                return Ok(());
            }
            _ => {}
        }
        self.inner.append(segment).await
    }

    async fn seal(&self) -> Result<()> {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap());
        for segment in waiting {
            self.inner.append(segment).await?;
        }
        self.inner.seal().await
    }

    async fn flush(&self) -> Result<()> {
        self.flushed.store(true, Ordering::Relaxed);
        self.inner.flush().await
    }

    async fn rewind(&self, to: &RejectRewind) -> Result<()> {
        match self.flaw {
            Flaw::AnswersAsIfForManyRuns => return Ok(()),
            Flaw::RewindsNothing => {
                let mut nothing = to.clone();
                nothing.group = u64::MAX;
                return self.inner.rewind(&nothing).await;
            }
            Flaw::RewindsAll => {
                for other in [None, Some("person"), Some("company")] {
                    let mut all = to.clone();
                    all.destination = other.map(Into::into);
                    self.inner.rewind(&all).await?;
                }
            }
            _ => {}
        }
        self.inner.rewind(to).await
    }
}

fn place(flaw: Flaw) -> RejectLedgerFixture {
    let inner = Arc::new(MemoryRejects::new());
    let kept = inner.clone();
    let open = move || -> Arc<dyn RejectLedger> {
        Arc::new(Ledger {
            flaw,
            inner: inner.clone(),
            waiting: Default::default(),
            flushed: AtomicBool::new(false),
        })
    };
    let kept = move || std::future::ready(Ok(kept_in_memory(&kept)));
    let fixture = RejectLedgerFixture::new(open, kept);
    match flaw {
        Flaw::AnswersAsIfForManyRuns => fixture.of_one_run(),
        _ => fixture,
    }
}

pub(super) fn broken_ledgers() -> Vec<Broken> {
    let all: [(&str, Flaw, &[&str]); 7] = [
        ("RL-01", Flaw::Sorts, &[]),
        ("RL-02", Flaw::TrimsBlanks, &[]),
        ("RL-03", Flaw::FlushesOnce, &["RL-05"]),
        ("RL-04", Flaw::RewindsAll, &[]),
        ("RL-04", Flaw::RewindsNothing, &["RL-03"]),
        ("RL-05", Flaw::FencesNobody, &[]),
        ("RL-06", Flaw::AnswersAsIfForManyRuns, &[]),
    ];
    all.into_iter()
        .map(|(clause, flaw, collateral)| {
            broken(&REJECT_LEDGER, clause, flaw, collateral, move || {
                place(flaw)
            })
        })
        .collect()
}
