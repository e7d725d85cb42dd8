//! Ledgers that do not keep rejects as they should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use syncline::Result;
use syncline::host::{
    KeptRejects, RejectKey, RejectLedger, RejectMarks, RejectRewind, RejectSegment,
};
use syncline::memory::MemoryRejects;
use syncline::record::{RawRecord, RowOp};
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
    ForgetsAttempts,
    ForgetsDeletes,
    GivesBackThoseOfOthers,
    MarksAll,
    MarksNothing,
    MarksOthersToo,
    MarksByPosition,
    ForgetsVersions,
    RenamesColumns,
    KeepsOldReasons,
    TellsNothingApart,
    LosesWhatIsApart,
}

impl Flaw {
    /// Whether it shows when records are given back and marked.
    fn gives_back(self) -> bool {
        !matches!(
            self,
            Flaw::Sorts
                | Flaw::TrimsBlanks
                | Flaw::FlushesOnce
                | Flaw::RewindsAll
                | Flaw::RewindsNothing
                | Flaw::FencesNobody
                | Flaw::AnswersAsIfForManyRuns
        )
    }
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

    async fn list(&self, destination: Option<&str>) -> Result<Vec<KeptRejects>> {
        let mut kept = self.inner.list(destination).await?;
        match self.flaw {
            Flaw::GivesBackThoseOfOthers if destination.is_none() => {
                kept.extend(self.inner.list(Some("person")).await?);
            }
            Flaw::ForgetsVersions => {
                kept.iter_mut().for_each(|kept| kept.job_version = None);
            }
            Flaw::RenamesColumns => {
                for kept in &mut kept {
                    kept.columns = kept.columns.iter().map(|name| format!("_{name}")).collect();
                }
            }
            Flaw::ForgetsAttempts | Flaw::ForgetsDeletes => {
                for reject in kept.iter_mut().flat_map(|kept| &mut kept.rejects) {
                    match self.flaw {
                        Flaw::ForgetsDeletes => reject.op = RowOp::Upsert,
                        // Of what was tried again the attempts are known.
                        _ if reject.attempts > 2 => reject.attempts = 1,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        Ok(kept)
    }

    async fn mark(&self, destination: Option<&str>, marks: &RejectMarks) -> Result<()> {
        let mut marks = marks.clone();
        let all = self.inner.list(destination).await?;
        let all = all.iter().flat_map(|kept| {
            let key = |reject| RejectKey::new(Arc::clone(&kept.place), reject);
            kept.rejects.iter().map(key).collect::<Vec<_>>()
        });
        match self.flaw {
            Flaw::MarksNothing => return Ok(()),
            Flaw::KeepsOldReasons => marks.by_key.retain(|_, again| again.is_none()),
            Flaw::TellsNothingApart => marks.apart.clear(),
            Flaw::LosesWhatIsApart => {
                let apart = std::mem::take(&mut marks.apart);
                marks
                    .by_key
                    .extend(apart.into_keys().map(|key| (key, None)));
            }
            Flaw::MarksAll => {
                for key in all {
                    marks.by_key.entry(key).or_insert(None);
                }
            }
            Flaw::MarksByPosition => {
                for key in all {
                    let mut alike = marks.by_key.iter();
                    let alike = alike.find(|(other, _)| other.position == key.position);
                    if let Some((_, mark)) = alike.map(|(key, mark)| (key.clone(), mark.clone())) {
                        marks.by_key.insert(key, mark);
                    }
                }
            }
            Flaw::MarksOthersToo => {
                for kept in self.inner.list(Some("company")).await? {
                    for reject in &kept.rejects {
                        let key = RejectKey::new(Arc::clone(&kept.place), reject);
                        marks.by_key.insert(key, None);
                    }
                }
                self.inner.mark(Some("company"), &marks).await?;
            }
            _ => {}
        }
        self.inner.mark(destination, &marks).await
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
        flaw if flaw.gives_back() => fixture.giving_back(),
        _ => fixture,
    }
}

pub(super) fn broken_ledgers() -> Vec<Broken> {
    let all: [(&str, Flaw, &[&str]); 19] = [
        ("RL-01", Flaw::Sorts, &[]),
        ("RL-02", Flaw::TrimsBlanks, &[]),
        ("RL-03", Flaw::FlushesOnce, &["RL-05"]),
        ("RL-04", Flaw::RewindsAll, &[]),
        ("RL-04", Flaw::RewindsNothing, &["RL-03"]),
        ("RL-05", Flaw::FencesNobody, &[]),
        ("RL-06", Flaw::AnswersAsIfForManyRuns, &[]),
        ("RL-07", Flaw::ForgetsAttempts, &[]),
        ("RL-07", Flaw::ForgetsDeletes, &[]),
        ("RL-07", Flaw::GivesBackThoseOfOthers, &["RL-10"]),
        ("RL-08", Flaw::MarksAll, &["RL-09", "RL-10"]),
        ("RL-08", Flaw::MarksNothing, &["RL-09", "RL-10"]),
        ("RL-08", Flaw::MarksOthersToo, &["RL-10"]),
        ("RL-09", Flaw::MarksByPosition, &[]),
        ("RL-07", Flaw::ForgetsVersions, &["RL-08", "RL-09", "RL-10"]),
        ("RL-07", Flaw::RenamesColumns, &["RL-08", "RL-09", "RL-10"]),
        ("RL-08", Flaw::KeepsOldReasons, &[]),
        ("RL-10", Flaw::TellsNothingApart, &[]),
        ("RL-10", Flaw::LosesWhatIsApart, &[]),
    ];
    all.into_iter()
        .map(|(clause, flaw, collateral)| {
            broken(&REJECT_LEDGER, clause, flaw, collateral, move || {
                place(flaw)
            })
        })
        .collect()
}
