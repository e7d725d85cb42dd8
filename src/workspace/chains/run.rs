//! Running a chain: link after link, and the next one reading ahead.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::super::activity::{Came, Recorder, RunRecord};
use super::super::documents::Documents;
use super::super::jobs::job_end;
use super::super::roster::{ChainEntry, Roster};
use super::super::{JobView, Workspace};
use super::Chains;
use super::progress::{Done, Progress, Running, Step, place};
use super::report::{ChainReport, LinkFate};
use super::request::ChainRequest;
use super::resolve::{DEEPEST, shown};
use crate::host::{Context, StateKey, unique};
use crate::job::{CursorRange, Gate, Lease, LeaseRequest, RunReport, RunRequest, Trigger, Way};
use crate::spec::{ChainSpec, Member, SyncMode};
use crate::{Error, ErrorKind, Result};

/// A chain that runs, at its depth among those that are links of each other.
#[derive(Clone, Copy)]
pub(in crate::workspace) struct Level<'a> {
    pub(in crate::workspace) workspace: &'a Workspace,
    pub(in crate::workspace) context: &'a Context,
    pub(in crate::workspace) depth: usize,
}

impl<'a> Level<'a> {
    /// Runs a chain, as a run of its history.
    pub(super) async fn run(self, id: &str, request: &ChainRequest<'_>) -> Result<ChainReport> {
        let Level {
            workspace, context, ..
        } = self;
        let roster = workspace.roster(context).await?;
        let entry = roster.chain(id)?;
        let record = RunRecord::of_chain(context, id, &entry.spec.name, request);
        let success = entry.spec.settings.success;
        let recorder = Recorder::begin(workspace, context, record, success).await;
        let level = Level {
            context: recorder.context(),
            ..self
        };
        let ran = recorder.during(level.ran(&roster, entry, request)).await;
        recorder.end(&Came::of_chain(&ran)).await;
        ran
    }

    async fn ran(
        self,
        roster: &Roster,
        entry: &ChainEntry,
        request: &ChainRequest<'_>,
    ) -> Result<ChainReport> {
        let id = entry.id.as_str();
        let spec = shown(roster, entry);
        if self.depth > DEEPEST {
            let message = "chains are nested too deep; make them flatter";
            return Err(Error::new(ErrorKind::LimitExceeded, message).with("chain", &spec.name));
        }
        if !entry.enabled {
            let message = "the chain is disabled; enable it first";
            let error = Error::new(ErrorKind::Invalid, message).with("chain", &spec.name);
            return Ok(ChainReport::not_begun(
                &spec.name,
                request.run.clone(),
                error,
            ));
        }
        let course = Course {
            id,
            key: Chains(self.workspace).progress_key(id)?,
            lease: format!("chain {id}"),
            spec: &entry.spec,
            shown: &spec,
            of_job: None,
        };
        self.run_course(course, request).await
    }

    /// Runs link after link under a lease, and keeps how far that has come.
    pub(in crate::workspace) async fn run_course(
        self,
        course: Course<'_>,
        request: &ChainRequest<'_>,
    ) -> Result<ChainReport> {
        let Level {
            workspace, context, ..
        } = self;
        let wanted = LeaseRequest::new(
            workspace.tenant().clone(),
            course.lease.clone(),
            Arc::clone(&workspace.0.config.state),
        );
        let lease = Lease::acquire(context, wanted.with_runner("workspace")).await?;
        let ran = lease.hold(context, self.held(&course, request));
        let ran = ran.await.and_then(|ran| ran);
        // Whoever comes next waits a while if this fails.
        let _ = lease.release().await;
        ran
    }

    async fn held(self, course: &Course<'_>, request: &ChainRequest<'_>) -> Result<ChainReport> {
        let Course {
            key, spec, shown, ..
        } = course;
        let documents = self.workspace.documents(self.context);
        let fresh = unique(self.context.entropy());
        let begin = |progress: &mut Progress| {
            let is_over = progress.begin(request, &fresh)?;
            Ok((progress.clone(), is_over))
        };
        let begun = documents.change(key, begin).await;
        let (progress, is_over) = begun.map_err(|error| error.with("chain", &shown.name))?;
        let links = Links {
            level: self,
            course,
            spec,
            request,
            called: progress.run.clone().unwrap_or_default(),
            key: progress.key.clone(),
            range: progress.range,
            documents: &documents,
        };
        // The spec was checked when it was saved.
        let order = spec.order().unwrap_or_default();
        let mut running = Running::new(spec, shown, progress);
        if is_over {
            return Ok(running.told_again(&order));
        }
        let mut early = None;
        let ran = links.all(&mut running, &order, &mut early).await;
        // Whoever reads ahead ends tidily, whatever has happened.
        if let Some(early) = early {
            early.give_up().await;
        }
        ran?;
        let report = running.end();
        if report.is_over {
            let over = |progress: &mut Progress| {
                progress.ended = Some(Way::of(report.outcome));
                Ok(())
            };
            documents.change(key, over).await?;
        }
        Ok(report)
    }
}

/// What runs link after link: a chain, or a job behind those that it needs first.
pub(in crate::workspace) struct Course<'a> {
    /// The chain's id, or the job's.
    pub(in crate::workspace) id: &'a str,
    /// Where it is kept how far it has come.
    pub(in crate::workspace) key: StateKey,
    /// The name of its lease.
    pub(in crate::workspace) lease: String,
    /// With ids.
    pub(in crate::workspace) spec: &'a ChainSpec,
    /// With names.
    pub(in crate::workspace) shown: &'a ChainSpec,
    /// The job, if it is one, which is its last link.
    pub(in crate::workspace) of_job: Option<&'a str>,
}

/// The links of a chain that runs.
struct Links<'a> {
    level: Level<'a>,
    course: &'a Course<'a>,
    /// With ids.
    spec: &'a ChainSpec,
    request: &'a ChainRequest<'a>,
    /// How the run is called.
    called: String,
    /// What the runs of its members are called after.
    key: String,
    range: Option<CursorRange>,
    documents: &'a Documents<'a>,
}

impl<'a> Links<'a> {
    /// Keeps what a member has done.
    async fn note(&self, member: &Member, done: Done) -> Result<()> {
        let note = |progress: &mut Progress| {
            progress.done.insert(place(member), done);
            Ok(())
        };
        self.documents.change(&self.course.key, note).await
    }

    /// Tells people how a link ended.
    async fn tell(&self, link: usize, times: u32, fate: &Result<LinkFate>) {
        let Level {
            workspace, context, ..
        } = self.level;
        let (notices, link) = (workspace.notices(), self.spec.links.get(link));
        let Some(link) = link.filter(|_| notices.are_on()) else {
            return;
        };
        let (name, now) = (self.run_of(&link.member, times), context.clock().now());
        match (&link.member, fate) {
            (Member::Chain(id), fate) => {
                let ran = match fate {
                    Ok(LinkFate::RanChain(report)) => Ok(&**report),
                    Ok(_) => return,
                    Err(error) => Err(error),
                };
                notices.chain_ended(context, id, &name, ran).await;
            }
            // Whoever runs it tells of it.
            (Member::Job(id), _) if self.course.of_job == Some(id) => {}
            (Member::Job(id), fate) => {
                let Ok(view) = workspace.jobs().get(context, id).await else {
                    return;
                };
                let mut ended = match fate {
                    Ok(LinkFate::Ran(report)) => job_end(Ok(report), &view, now),
                    Ok(_) => return,
                    Err(error) => job_end(Err(error), &view, now),
                };
                ended.run = Some(name.as_str());
                notices.job_ended(context, &view, &ended).await;
            }
        }
    }

    /// What the run of a member is called. Under the same name it would not read again what it has read to the end.
    fn run_of(&self, member: &Member, times: u32) -> String {
        format!("{} {} {times}", self.key, place(member))
    }

    async fn all(
        &'a self,
        running: &mut Running<'_>,
        order: &[usize],
        early: &mut Option<LinkRun<'a>>,
    ) -> Result<()> {
        for (at, &link) in order.iter().enumerate() {
            let cancelled = self.level.context.cancel().is_cancelled();
            let fate = match running.next(link, cancelled) {
                Step::Leave(fate) => {
                    if let Some(early) = early.take_if(|early| early.link == link) {
                        early.give_up().await;
                    }
                    fate
                }
                Step::Run { times } => {
                    let rest = order.get(at + 1..).unwrap_or_default();
                    let fate = self.turn(running, (link, times), rest, early).await;
                    // Before it is kept that it ran: who dies here runs it again, and tells it once.
                    beside(self.tell(link, times, &fate), early).await;
                    let fate = fate?;
                    if let (Some(done), Some(link)) =
                        (running.ran(link, times, &fate), self.spec.links.get(link))
                    {
                        beside(self.note(&link.member, done), early).await?;
                    }
                    fate
                }
            };
            running.tell(link, fate);
        }
        Ok(())
    }

    /// Runs a link whose turn it is. When it has read its source, the next one begins to read.
    async fn turn(
        &'a self,
        running: &Running<'_>,
        (link, times): (usize, u32),
        rest: &[usize],
        early: &mut Option<LinkRun<'a>>,
    ) -> Result<LinkFate> {
        // What ended while its gate was shut, since its source was away or its lease held, begins anew in its turn.
        let early_one = early.take_if(|early| early.link == link);
        if let Some(mut run) = early_one.filter(|run| run.ended.is_none()) {
            run.gate.open();
            if let Some(fate) = self.ended(&mut run, running, rest, early).await? {
                return Ok(fate);
            }
        }
        let mut run = self.begin(link, times, When::InTurn);
        let ended = self.ended(&mut run, running, rest, early).await?;
        // Whose turn it is runs.
        ended.ok_or_else(|| Error::contract("a link did not run in its turn"))
    }

    async fn ended(
        &'a self,
        run: &mut LinkRun<'a>,
        running: &Running<'_>,
        rest: &[usize],
        early: &mut Option<LinkRun<'a>>,
    ) -> Result<Option<LinkFate>> {
        if early.is_none() {
            run.ends_or_has_read().await;
        }
        if run.ended.is_none() && early.is_none() && self.spec.read_ahead {
            let following = running.following(run.link, rest);
            *early = following.map(|(link, times)| self.begin(link, times, When::Early));
        }
        beside(poll_fn(|task| run.poll(task)), early).await;
        run.ended.take().unwrap_or(Ok(None))
    }

    /// The run of a link, which begins when it is polled.
    fn begin(&'a self, link: usize, times: u32, when: When) -> LinkRun<'a> {
        let (gate, read) = (Gate::shut(), Gate::shut());
        let run = self.run(
            link,
            times,
            (when == When::Early).then(|| gate.clone()),
            read.clone(),
        );
        LinkRun {
            link,
            gate,
            read,
            run: run.boxed(),
            ended: None,
        }
    }

    /// `None`: it does not read ahead.
    async fn run(
        &'a self,
        link: usize,
        times: u32,
        gate: Option<Gate>,
        read: Gate,
    ) -> Result<Option<LinkFate>> {
        let Some(link) = self.spec.links.get(link) else {
            return Ok(None);
        };
        let name = self.run_of(&link.member, times);
        let (level, context) = (self.level, self.level.context);
        let id = match (&link.member, &gate) {
            (Member::Job(id), _) => id,
            (Member::Chain(_), Some(_)) => return Ok(None),
            (Member::Chain(id), None) => {
                let level = Level {
                    depth: level.depth + 1,
                    ..level
                };
                let request = self.request.inner(name, self.trigger(), self.range);
                let ran: BoxFuture<'_, Result<ChainReport>> = level.run(id, &request).boxed();
                return Ok(Some(LinkFate::RanChain(Box::new(ran.await?))));
            }
        };
        let jobs = level.workspace.jobs();
        let view = jobs.get(context, id).await?;
        if gate.is_some() && (context.cancel().is_cancelled() || !reads_elsewhere(&view)) {
            return Ok(None);
        }
        let mut request = self.of_job(&view, name);
        if gate.is_some() && (request.gate.is_some() || context.cancel().is_cancelled()) {
            return Ok(None);
        }
        request.gate = gate.or(request.gate);
        // Who wants to know it itself has nobody reading behind it.
        request.source_read = request.source_read.or(Some(read));
        if let (Some(range), SyncMode::Incremental(_)) = (self.range, &view.spec.dataset.sync) {
            request.range = Some(range);
        }
        let started_at = context.clock().now();
        let dry_run = request.dry_run;
        let (_, ran) = jobs.run_untold(context, &view, request).await;
        let report = match ran {
            Ok(report) => report,
            // What could not begin is for the chain to judge.
            Err(error) => {
                let report = RunReport::new(&view.spec.name, started_at, context.clock().now());
                report.not_made(context, error, dry_run)
            }
        };
        Ok(Some(LinkFate::Ran(Box::new(report))))
    }

    /// What starts its links.
    fn trigger(&self) -> Trigger {
        Trigger::Chain {
            chain: self.course.id.to_owned(),
            run: self.called.clone(),
        }
    }

    /// How a job is run that is a link.
    fn of_job(&self, view: &JobView, name: String) -> RunRequest {
        match self.course.of_job {
            Some(id) if id == view.id => self.request.of_own(view),
            Some(_) => {
                let job = self.course.shown.name.clone();
                let request = self.request.of_job(view).with_run(name);
                request.with_trigger(Trigger::First(job))
            }
            None => {
                let request = self.request.of_job(view).with_run(name);
                request.with_trigger(self.trigger())
            }
        }
    }
}

/// Whether what a job reads cannot be what the one in front of it writes.
fn reads_elsewhere(view: &JobView) -> bool {
    view.connection.is_some() && view.enabled && !view.retired
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    InTurn,
    /// In front of its turn: it waits for a gate.
    Early,
}

/// A link under way.
struct LinkRun<'a> {
    link: usize,
    /// What it waits for, if it is early.
    gate: Gate,
    /// Opened when it has read its source.
    read: Gate,
    run: BoxFuture<'a, Result<Option<LinkFate>>>,
    ended: Option<Result<Option<LinkFate>>>,
}

impl LinkRun<'_> {
    fn poll(&mut self, task: &mut Task<'_>) -> Poll<()> {
        if self.ended.is_none() {
            match self.run.as_mut().poll(task) {
                Poll::Ready(ended) => self.ended = Some(ended),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    async fn ends_or_has_read(&mut self) {
        let read = self.read.clone();
        let mut read = pin!(read.passed());
        poll_fn(|task| match self.poll(task) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => read.as_mut().poll(task).map(drop),
        })
        .await;
    }

    /// Its turn does not come. It ends tidily and gives its lease back; what it says is of no use.
    async fn give_up(mut self) {
        self.gate.give_up();
        poll_fn(|task| self.poll(task)).await;
    }
}

/// Does `work`, and lets the early link go on where that waits.
async fn beside<T>(work: impl Future<Output = T>, early: &mut Option<LinkRun<'_>>) -> T {
    let mut work = pin!(work);
    poll_fn(|task| {
        let polled = work.as_mut().poll(task);
        if let (Poll::Pending, Some(early)) = (&polled, early.as_mut()) {
            let _ = early.poll(task);
        }
        polled
    })
    .await
}
