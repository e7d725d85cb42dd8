//! What follows from what has happened in a run of a chain. No I/O.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::report::{ChainReport, LinkFate, LinkReport};
use super::request::ChainRequest;
use crate::job::{CursorRange, Deed, Outcome, Way};
use crate::spec::{ChainSpec, Member, OnFailure};
use crate::{Error, ErrorKind, Result};

/// How far a run of a chain has come, as it is saved.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    /// How the run is called; `None` before the first.
    pub(super) run: Option<String>,
    /// What the runs of its members are called after: it stays when the run is called otherwise.
    pub(super) key: String,
    /// Which try of the run it is.
    #[serde(default)]
    pub(super) again: u32,
    pub(super) range: Option<CursorRange>,
    /// How it came to its end, if it did.
    pub(super) ended: Option<Way>,
    /// What the members have done so far, by [`place`].
    pub(super) done: BTreeMap<String, Done>,
}

/// What a member did when it ran last, and how often it has run to its end in this run of the chain.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    pub(super) deed: Deed,
    pub(super) times: u32,
}

/// Under what the deed of a member is kept. A job and a chain may have the same id, if a document says so.
pub(super) fn place(member: &Member) -> String {
    format!("{} {}", member.kind(), member.name())
}

impl Progress {
    /// Begins a run, or goes on with one that broke off; `true`: it is over, and only told again. `fresh` was drawn for a new one.
    pub(super) fn begin(&mut self, request: &ChainRequest<'_>, fresh: &str) -> Result<bool> {
        let is_same = request.run.is_some() && request.run == self.run;
        if is_same && self.ended.is_some() && request.again <= self.again {
            return Ok(true);
        }
        if is_same && self.ended == Some(Way::Not) {
            self.ended = None;
        }
        let broke_off = self.run.is_some() && self.ended.is_none();
        if !broke_off || (request.start_over && !is_same) {
            *self = Progress {
                run: Some(request.run.clone().unwrap_or_else(|| fresh.into())),
                key: fresh.into(),
                again: request.again,
                range: request.range,
                ..Progress::default()
            };
            return Ok(false);
        }
        if request.range.is_some() && request.range != self.range {
            let message = "the last run of the chain broke off and reads another range; run it without one first, so that it comes to \
                           its end, or start over";
            let error = Error::new(ErrorKind::Conflict, message);
            return Err(error.with("run", self.run.as_deref().unwrap_or_default()));
        }
        if request.run.is_some() {
            self.run.clone_from(&request.run);
        }
        self.again = request.again;
        Ok(false)
    }
}

/// What to do with a link.
pub(super) enum Step {
    Run {
        /// How often it has run to its end already.
        times: u32,
    },
    Leave(LinkFate),
}

/// A run of a chain.
pub(super) struct Running<'a> {
    /// With ids.
    spec: &'a ChainSpec,
    /// With names.
    shown: &'a ChainSpec,
    /// What was done before this run broke off.
    before: Progress,
    /// What each link has done, by its place; `None` if it did not run.
    deeds: BTreeMap<usize, Option<Deed>>,
    links: Vec<LinkReport>,
    /// No further link starts.
    stopped: Option<Outcome>,
    failed: bool,
    partly: bool,
}

impl<'a> Running<'a> {
    pub(super) fn new(spec: &'a ChainSpec, shown: &'a ChainSpec, before: Progress) -> Self {
        Running {
            spec,
            shown,
            before,
            deeds: BTreeMap::new(),
            links: Vec::new(),
            stopped: None,
            failed: false,
            partly: false,
        }
    }

    fn done(&self, link: usize) -> Option<Done> {
        let member = &self.spec.links.get(link)?.member;
        self.before.done.get(&place(member)).copied()
    }

    /// What is done already, and enough. One whose deed is not runs again, and so does one that failed, whatever others put up with.
    fn enough(&self, link: usize) -> Option<Deed> {
        let deed = self.done(link)?.deed;
        (deed.ended != Way::Not && self.is_enough(link, &deed)).then_some(deed)
    }

    pub(super) fn next(&mut self, link: usize, cancelled: bool) -> Step {
        if let Some(deed) = self.enough(link) {
            self.deeds.insert(link, Some(deed));
            self.partly |= deed.ended == Way::Partly;
            return Step::Leave(LinkFate::Done(deed.ended.outcome()));
        }
        if cancelled && self.stopped.is_none() {
            self.stopped = Some(Outcome::Cancelled);
        }
        if self.stopped.is_some() {
            return Step::Leave(LinkFate::NotStarted);
        }
        match self.lacking(link, None) {
            Some(lacking) if self.spec.on_failure != OnFailure::Continue => {
                self.deeds.insert(link, None);
                Step::Leave(LinkFate::Skipped(lacking))
            }
            _ => Step::Run {
                times: self.done(link).map_or(0, |done| done.times),
            },
        }
    }

    /// Which of these links, given in order, is the next to run if the one that runs does what is needed; and how often it has run.
    pub(super) fn following(&self, running: usize, rest: &[usize]) -> Option<(usize, u32)> {
        let runs = |link: &&usize| {
            let waits = self.lacking(**link, Some(running)).is_some();
            self.enough(**link).is_none() && (!waits || self.spec.on_failure == OnFailure::Continue)
        };
        let link = *rest.iter().find(runs)?;
        Some((link, self.done(link).map_or(0, |done| done.times)))
    }

    /// Whether a deed is enough for all that wait for this link; where none does, that it wrote is.
    fn is_enough(&self, link: usize, deed: &Deed) -> bool {
        let waiting = self.spec.links.iter().enumerate();
        let mut waiting = waiting
            .filter(|(at, _)| self.spec.waits_for(*at).contains(&link))
            .peekable();
        match waiting.peek() {
            None => deed.ended != Way::Not,
            Some(_) => waiting.all(|(_, other)| deed.lacks(&other.when).is_none()),
        }
    }

    /// What one that the link waits for did not do; `but` is taken to do what is needed.
    fn lacking(&self, link: usize, but: Option<usize>) -> Option<String> {
        let when = self.spec.links.get(link)?.when;
        let waits_for = self.spec.waits_for(link).into_iter();
        let mut waits_for = waits_for.filter(|other| Some(*other) != but);
        waits_for.find_map(|other| {
            let member = &self.shown.links.get(other)?.member;
            match self.deeds.get(&other) {
                Some(Some(deed)) => Some(format!("{member} {}", deed.lacks(&when)?)),
                _ => Some(format!("{member} did not run")),
            }
        })
    }

    /// A link ran: what is to be kept of that, if anything is.
    pub(super) fn ran(&mut self, link: usize, times: u32, fate: &LinkFate) -> Option<Done> {
        let (outcome, deed) = (fate.outcome()?, fate.deed()?);
        self.deeds.insert(link, Some(deed));
        if let Outcome::Paused { .. } | Outcome::Cancelled = outcome {
            self.stopped = Some(outcome);
            return None;
        }
        if !self.is_enough(link, &deed) {
            self.failed = true;
            if self.spec.on_failure == OnFailure::Stop {
                self.stopped = Some(Outcome::Failed);
            }
        } else {
            self.partly |= deed.ended != Way::Whole;
        }
        let times = times + u32::from(fate.is_over());
        Some(Done { deed, times })
    }

    /// What became of a link, behind those before.
    pub(super) fn tell(&mut self, link: usize, fate: LinkFate) {
        let links = (self.spec.links.get(link), self.shown.links.get(link));
        if let (Some(kept), Some(shown)) = links {
            self.links.push(LinkReport {
                member: shown.member.clone(),
                id: kept.member.name().into(),
                fate,
            });
        }
    }

    /// The end of this run.
    pub(super) fn end(self) -> ChainReport {
        let outcome = match self.stopped {
            Some(outcome) => outcome,
            None if self.failed => Outcome::Failed,
            None if self.partly => Outcome::PartialSuccess,
            None => Outcome::Success,
        };
        // Whoever stopped goes on there the next time.
        let is_over = self.stopped.is_none();
        self.report(outcome, is_over)
    }

    /// A run that came to its end before, told again.
    pub(super) fn told_again(mut self, order: &[usize]) -> ChainReport {
        let ended = self.before.ended.unwrap_or(Way::Not);
        for &link in order {
            let fate = match self.done(link) {
                Some(done) => {
                    self.deeds.insert(link, Some(done.deed));
                    LinkFate::Done(done.deed.ended.outcome())
                }
                None => match self.lacking(link, None) {
                    Some(lacking) => LinkFate::Skipped(lacking),
                    None => LinkFate::NotStarted,
                },
            };
            self.tell(link, fate);
        }
        self.report(ended.outcome(), true)
    }

    fn report(self, outcome: Outcome, is_over: bool) -> ChainReport {
        let deeds = self.deeds.values().flatten();
        ChainReport {
            chain: self.shown.name.clone(),
            run: self.before.run.unwrap_or_default(),
            outcome,
            links: self.links,
            failure: None,
            deed: Deed::sum(Way::of(outcome), deeds),
            is_over,
        }
    }
}
