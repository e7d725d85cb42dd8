//! What is asked of a ledger of rejects.

mod given;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;

use super::clause::{Checked, OrBroken as _, clause, opaque, same};
use super::{Capability, Fixture, Suite};
use crate::host::{Context, RejectLedger, RejectRewind, RejectSegment};
use crate::record::{Position, RawRecord, Reason, Refusal, Reject};
use crate::{ErrorKind, Result};

use given::{given_back, handed_on, marked, told_apart};

/// A reject as it is found again where a ledger keeps it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct KeptReject {
    /// The destination; `None` if none saw the record.
    pub destination: Option<String>,
    /// The reason.
    pub reason: Reason,
    /// The position, as it [prints](Position).
    pub position: String,
    /// The cells of the record, or none of one that could not be split.
    pub cells: Vec<Option<Bytes>>,
    /// The bytes of a record that could not be split.
    pub unsplit: Option<Bytes>,
}

impl KeptReject {
    /// What must be found of a reject.
    pub fn of(destination: Option<&str>, reject: &Reject) -> Self {
        let (cells, unsplit) = match &reject.raw {
            RawRecord::Cells(cells) => (cells.clone(), None),
            RawRecord::Unsplit { bytes, .. } => (Vec::new(), Some(bytes.clone())),
        };
        KeptReject {
            destination: destination.map(str::to_owned),
            reason: reject.refusal.reason,
            position: reject.position.to_string(),
            cells,
            unsplit,
        }
    }
}

type Kept = BoxFuture<'static, Result<Vec<KeptReject>>>;

/// A place that keeps rejects, empty at first.
pub struct RejectLedgerFixture {
    open: Box<dyn Fn() -> Arc<dyn RejectLedger> + Send + Sync>,
    kept: Box<dyn Fn() -> Kept + Send + Sync>,
    capability: Capability,
    gives_back: bool,
}

opaque!(RejectLedgerFixture);

impl RejectLedgerFixture {
    /// `open` gives the ledger as each process that works on it has it; `kept` reads what is there for good, each
    /// destination in the order in which it is kept.
    pub fn new<N>(
        open: impl Fn() -> Arc<dyn RejectLedger> + Send + Sync + 'static,
        kept: impl Fn() -> N + Send + Sync + 'static,
    ) -> Self
    where
        N: Future<Output = Result<Vec<KeptReject>>> + Send + 'static,
    {
        RejectLedgerFixture {
            open: Box::new(open),
            kept: Box::new(move || Box::pin(kept())),
            capability: Capability::Rewinds,
            gives_back: false,
        }
    }

    /// The same, of a ledger that answers [`list`](RejectLedger::list) and [`mark`](RejectLedger::mark).
    #[must_use]
    pub fn giving_back(mut self) -> Self {
        self.gives_back = true;
        self
    }

    /// The same, for one run that is never broken off.
    #[must_use]
    pub fn of_one_run(mut self) -> Self {
        self.capability = Capability::OneRun;
        self
    }

    fn ledger(&self) -> Arc<dyn RejectLedger> {
        (self.open)()
    }
}

#[async_trait]
impl Fixture for RejectLedgerFixture {
    fn subject(&self) -> String {
        format!("{:?}", self.ledger()).chars().take(60).collect()
    }

    async fn declares(&self, _: &Context) -> Result<BTreeSet<Capability>> {
        let mut all = BTreeSet::from([self.capability]);
        if self.gives_back {
            all.insert(Capability::GivesBack);
            if self.capability == Capability::Rewinds {
                all.insert(Capability::GivesBackRuns);
            }
        }
        Ok(all)
    }
}

/// The contract of a [`RejectLedger`].
pub static REJECT_LEDGER: Suite<RejectLedgerFixture> = Suite {
    name: "reject ledger",
    clauses: &[
        clause!(
            "RL-01",
            None,
            "What was appended is kept once `seal` has answered: each reject once, for its destination, in the order appended.",
            "A record that was refused and is in no ledger is lost without a trace.",
            kept_when_sealed
        ),
        clause!(
            "RL-02",
            None,
            "A reject keeps position, reason and every byte of its record: quotes, line ends, blanks, null apart from empty text.",
            "Who mends a record and sends it again would send another one.",
            kept_exactly
        ),
        clause!(
            "RL-03",
            Some(Capability::Rewinds),
            "What was appended is kept once `flush` has answered, though the process dies then.",
            "The checkpoint passes a group when its rejects are durable; what is not is never read again.",
            kept_when_flushed
        ),
        clause!(
            "RL-04",
            Some(Capability::Rewinds),
            "A rewind forgets one destination's rejects of the groups behind the one it names, those of dead runs too, and no others.",
            "Groups that come again would leave their rejects twice; or rejects of others would go.",
            rewound
        ),
        clause!(
            "RL-05",
            Some(Capability::Rewinds),
            "Behind a rewind of a newer epoch, what a run of an older one appends is refused as `Conflict`.",
            "A run that was taken for dead would write among the rejects of its successor.",
            fenced
        ),
        clause!(
            "RL-06",
            Some(Capability::OneRun),
            "A ledger of one run answers `flush` and `rewind` with `Unsupported`.",
            "A run that goes on would believe that its rejects are safe.",
            one_run
        ),
        clause!(
            "RL-07",
            Some(Capability::GivesBack),
            "`list` gives back the records of a destination, and no others, in the order appended, as they were: columns, record, reason, position, attempts, operation, version of the job.",
            "What is sent again would be another record, or one that somebody else was refused.",
            given_back
        ),
        clause!(
            "RL-08",
            Some(Capability::GivesBack),
            "`mark` takes away what is resolved and puts what was refused once more in its place; all others stay as they are. Doing it again changes nothing.",
            "A record would be lost that nobody resolved, or sent again that somebody did.",
            marked
        ),
        clause!(
            "RL-09",
            Some(Capability::GivesBackRuns),
            "Records of several runs that stood at the same position have places of their own, and are marked one by one.",
            "A position numbers a record within one reading of its source: another run's record would go with it.",
            told_apart
        ),
        clause!(
            "RL-10",
            Some(Capability::GivesBack),
            "What a mark tells apart is kept for each of the destinations that are named, beside what they have, and no longer where it was. Doing it again changes nothing.",
            "A destination that took the record would be sent it again, or one that refused it would never be.",
            handed_on
        ),
    ],
};

fn columns() -> Arc<[String]> {
    ["name", "note"].map(String::from).into()
}

fn reject(record: u64, reason: Reason, raw: RawRecord) -> Reject {
    let position = Position::new("in.csv", record).with_byte_and_line(record * 10, record + 2);
    Reject::new(
        position,
        Refusal::new(reason, "a refusal that a test asked for"),
        raw,
    )
}

fn plain(record: u64) -> Reject {
    let cells = vec![Some(format!("name {record}").into()), None];
    reject(record, Reason::BadValue, RawRecord::Cells(cells))
}

type Appended<'a> = (Option<&'a str>, u64, Vec<Reject>);

async fn append(ledger: &dyn RejectLedger, epoch: u64, segment: &Appended<'_>) -> Result<()> {
    let (destination, group, rejects) = segment.clone();
    let segment = RejectSegment::new(destination.map(Into::into), columns(), rejects);
    ledger.append(segment.with_group(group, epoch)).await
}

/// What is kept must be this, each destination in its order.
async fn holds(fixture: &RejectLedgerFixture, what: &str, appended: &[&Appended<'_>]) -> Checked {
    let by_destination = |kept: Vec<KeptReject>| {
        let mut sorted: BTreeMap<Option<String>, Vec<KeptReject>> = BTreeMap::new();
        for reject in kept {
            sorted
                .entry(reject.destination.clone())
                .or_default()
                .push(reject);
        }
        sorted
    };
    let kept = by_destination((fixture.kept)().await?);
    let expected = appended.iter().flat_map(|(destination, _, rejects)| {
        rejects
            .iter()
            .map(|reject| KeptReject::of(*destination, reject))
    });
    same(what, &kept, &by_destination(expected.collect()))
}

async fn kept_when_sealed(_: &Context, fixture: &RejectLedgerFixture) -> Checked {
    let segments: [Appended<'_>; 4] = [
        (None, 1, vec![plain(3), plain(1)]),
        (Some("person"), 1, vec![plain(2)]),
        (Some("company"), 1, vec![plain(2)]),
        (Some("person"), 1, vec![plain(5), plain(4)]),
    ];
    let ledger = fixture.ledger();
    for segment in &segments {
        append(&*ledger, 0, segment).await.or_broken("append")?;
    }
    ledger.seal().await.or_broken("seal")?;
    drop(ledger);
    let all: Vec<_> = segments.iter().collect();
    holds(fixture, "behind the seal", &all).await
}

async fn kept_exactly(_: &Context, fixture: &RejectLedgerFixture) -> Checked {
    let cells: [[Option<&'static str>; 2]; 6] = [
        [Some("=1+1"), Some("-2")],
        [Some("'quoted"), Some("a \"quote\", a comma;\ttab")],
        [Some("two\r\nlines\n"), Some("")],
        [None, Some(" blanks ")],
        [Some(""), None],
        [Some("e\u{301} \u{1f600} \u{10ffff}"), Some("007")],
    ];
    let raw = |cells: &[Option<&'static str>; 2]| {
        RawRecord::Cells(cells.iter().map(|cell| cell.map(Into::into)).collect())
    };
    let mut rejects: Vec<Reject> = (0..)
        .zip(&cells)
        .map(|(record, cells)| reject(record, Reason::MultiMatch, raw(cells)))
        .collect();
    let unsplit = RawRecord::Unsplit {
        bytes: "a,\"b\n".into(),
        truncated: false,
    };
    rejects.push(reject(77, Reason::BadQuotes, unsplit));
    let segment = (Some("person"), 1, rejects);
    let ledger = fixture.ledger();
    append(&*ledger, 0, &segment).await?;
    ledger.seal().await?;
    holds(fixture, "difficult records", &[&segment]).await
}

async fn kept_when_flushed(_: &Context, fixture: &RejectLedgerFixture) -> Checked {
    let first: Appended<'_> = (None, 1, vec![plain(1)]);
    let second: Appended<'_> = (Some("person"), 2, vec![plain(2), plain(3)]);
    let lost: Appended<'_> = (Some("person"), 3, vec![plain(4)]);
    let ledger = fixture.ledger();
    ledger.rewind(&RejectRewind::new(None, 0, 1)).await?;
    for segments in [vec![&first], vec![&first, &second]] {
        if let Some(last) = segments.last() {
            append(&*ledger, 1, last).await?;
        }
        ledger.flush().await.or_broken("flush")?;
        holds(fixture, "behind a flush", &segments).await?;
    }
    append(&*ledger, 1, &lost).await?;
    // The process dies. What was not flushed may be there or not.
    drop(ledger);
    let next = fixture.ledger();
    next.rewind(&RejectRewind::new(Some("person"), 2, 2))
        .await?;
    next.seal().await?;
    holds(fixture, "behind a crash", &[&first, &second]).await
}

async fn rewound(_: &Context, fixture: &RejectLedgerFixture) -> Checked {
    let segments: Vec<Appended<'_>> = (1..=3)
        .flat_map(|group| {
            let of = move |destination| (destination, group, vec![plain(group)]);
            [of(None), of(Some("person")), of(Some("company"))]
        })
        .collect();
    let ledger = fixture.ledger();
    for segment in &segments {
        append(&*ledger, 1, segment).await?;
    }
    ledger.flush().await?;
    drop(ledger);
    let next = fixture.ledger();
    let mut stays: Vec<&Appended<'_>> = segments.iter().collect();
    for (destination, group) in [
        (Some("person"), 1),
        (None, 2),
        (Some("company"), 3),
        (Some("company"), 0),
    ] {
        next.rewind(&RejectRewind::new(destination, group, 2))
            .await
            .or_broken("rewind")?;
        stays.retain(|segment| segment.0 != destination || segment.1 <= group);
        holds(
            fixture,
            &format!("behind {group} of {destination:?}"),
            &stays,
        )
        .await?;
    }
    let again: Appended<'_> = (Some("person"), 2, vec![plain(2)]);
    append(&*next, 2, &again).await?;
    next.seal().await?;
    stays.push(&again);
    holds(fixture, "a group that came again", &stays).await
}

async fn fenced(_: &Context, fixture: &RejectLedgerFixture) -> Checked {
    let ledger = fixture.ledger();
    let (old, late): (Appended<'_>, Appended<'_>) = (
        (Some("person"), 1, vec![plain(1)]),
        (Some("person"), 2, vec![plain(2)]),
    );
    ledger
        .rewind(&RejectRewind::new(Some("person"), 0, 1))
        .await?;
    append(&*ledger, 1, &old).await?;
    ledger.flush().await?;
    ledger
        .rewind(&RejectRewind::new(Some("person"), 1, 2))
        .await?;
    let kind = append(&*ledger, 1, &late)
        .await
        .map_err(|error| error.kind())
        .err();
    same(
        "what an older run appends",
        &kind,
        &Some(ErrorKind::Conflict),
    )?;
    append(&*ledger, 2, &late)
        .await
        .or_broken("what the newer run appends")?;
    ledger.seal().await?;
    holds(fixture, "behind both", &[&old, &late]).await
}

async fn one_run(_: &Context, fixture: &RejectLedgerFixture) -> Checked {
    let ledger = fixture.ledger();
    append(&*ledger, 0, &(None, 1, vec![plain(1)])).await?;
    let calls = [
        ("flush", ledger.flush().await),
        (
            "rewind",
            ledger.rewind(&RejectRewind::new(None, 0, 1)).await,
        ),
    ];
    for (call, answer) in calls {
        let kind = answer.map_err(|error| error.kind()).err();
        same(call, &kind, &Some(ErrorKind::Unsupported))?;
    }
    Ok(())
}
