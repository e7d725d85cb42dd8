//! What a run of a chain came to.

use crate::Error;
use crate::job::{Deed, Outcome, RunReport, Way};
use crate::spec::Member;

/// What a run of a chain came to.
#[derive(Debug)]
#[non_exhaustive]
pub struct ChainReport {
    /// The chain.
    pub chain: String,
    /// The run's name; one that goes on where another broke off has the same, unless it was given another one.
    pub run: String,
    /// How it ended: `Success` if every link did what is needed and all records were written, `PartialSuccess` if some were not, `Failed` if a
    /// link did not do what is needed.
    pub outcome: Outcome,
    /// Its links, in the order in which they were to start.
    pub links: Vec<LinkReport>,
    /// Why it did not begin.
    pub failure: Option<Error>,
    /// What its links did together.
    pub(in crate::workspace) deed: Deed,
    /// Whether the run came to its end, however: nobody goes on with it.
    pub(super) is_over: bool,
}

impl ChainReport {
    /// The report of a run that did not begin.
    pub(super) fn not_begun(chain: &str, run: Option<String>, failure: Error) -> Self {
        ChainReport {
            chain: chain.into(),
            run: run.unwrap_or_default(),
            outcome: Outcome::Failed,
            links: Vec::new(),
            failure: Some(failure),
            deed: Deed::sum(Way::Not, []),
            is_over: false,
        }
    }
}

/// What became of a link.
#[derive(Debug)]
#[non_exhaustive]
pub struct LinkReport {
    /// What it runs, by its name.
    pub member: Member,
    /// The id of that.
    pub id: String,
    /// What became of it.
    pub fate: LinkFate,
}

/// What became of a link.
#[derive(Debug)]
#[non_exhaustive]
pub enum LinkFate {
    /// The job ran.
    Ran(Box<RunReport>),
    /// The chain ran.
    RanChain(Box<ChainReport>),
    /// It had run before this run of the chain broke off, or was asked for again, and ended so.
    Done(Outcome),
    /// It did not start: one that it waits for did not do what is needed. This is what, or whom it lacked.
    Skipped(String),
    /// The chain stopped in front of it.
    NotStarted,
}

impl LinkFate {
    /// How its run ended; `None` if it has none.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            LinkFate::Ran(report) => Some(report.outcome),
            LinkFate::RanChain(report) => Some(report.outcome),
            LinkFate::Done(outcome) => Some(*outcome),
            LinkFate::Skipped(_) | LinkFate::NotStarted => None,
        }
    }

    /// What it did.
    pub(in crate::workspace) fn deed(&self) -> Option<Deed> {
        match self {
            LinkFate::Ran(report) => Some(Deed::of(report)),
            LinkFate::RanChain(report) => Some(report.deed),
            _ => None,
        }
    }

    /// Whether its run came to its end, so that it would have to be another one.
    pub(super) fn is_over(&self) -> bool {
        match self {
            LinkFate::Ran(report) => match report.outcome {
                Outcome::Success | Outcome::PartialSuccess => true,
                // All records were refused: the source was read.
                Outcome::Failed => report.failure.is_none(),
                Outcome::Cancelled | Outcome::Paused { .. } => false,
            },
            LinkFate::RanChain(report) => report.is_over,
            _ => false,
        }
    }
}
