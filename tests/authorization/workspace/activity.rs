//! The history of runs.

use std::sync::Arc;

use syncline::ErrorKind;
use syncline::host::{Context, RejectLedger as _, RejectSegment, StateKind, StateStore as _};
use syncline::job::{Outcome, Redrive, RunRequest, Trigger};
use syncline::memory::MemoryRejects;
use syncline::record::{Position, RawRecord, Reason, Refusal, Reject};
use syncline::spec::{ChainSpec, LinkSpec};
use syncline::workspace::{
    AnomalyPolicy, ChainRequest, RejectsAs, RetentionPolicy, RunQuery, RunRecord, RunStatistics,
    RunStatus, RunSubject, Workspace,
};

use super::super::server::World;
use super::contacts;

fn request() -> RunRequest {
    RunRequest::new(Arc::new(MemoryRejects::new()))
}

/// A job that can run.
fn ready(world: &World, workspace: &Workspace, name: &str) -> String {
    let context = world.context();
    let connections = world.run(workspace.connections().list(context)).unwrap();
    if connections.is_empty() {
        world.create(workspace, "files", "open");
    }
    let mut spec = contacts(name);
    spec.dataset.connection = Some("files".into());
    world
        .run(workspace.jobs().create(context, spec))
        .unwrap()
        .id
}

fn all(world: &World, workspace: &Workspace, query: &RunQuery) -> Vec<RunRecord> {
    let (mut runs, mut query) = (Vec::new(), query.clone());
    loop {
        let page = world
            .run(workspace.activity().runs(world.context(), &query))
            .unwrap();
        assert!(page.runs.len() <= query.limit);
        runs.extend(page.runs);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return runs,
        }
    }
}

#[test]
fn runs_come_newest_first_whatever_the_pages() {
    let world = World::new();
    let workspace = world.workspace();
    let jobs = ["one", "two"].map(|name| ready(&world, &workspace, name));
    let context = world.context().clone().with_actor("ada");
    for round in 0..6 {
        for job in &jobs {
            world.later(60);
            let request = request().with_trigger(Trigger::Schedule);
            let ran = world.run(workspace.jobs().run(
                &context,
                job,
                request.with_run(format!("{round}")),
            ));
            assert_eq!(ran.unwrap().outcome, Outcome::Success);
        }
    }
    let whole = all(&world, &workspace, &RunQuery::new());
    assert_eq!(whole.len(), 12);
    assert!(
        whole
            .windows(2)
            .all(|pair| pair[0].started_at > pair[1].started_at)
    );
    assert!(
        whole
            .iter()
            .all(|run| run.status == RunStatus::Success && run.finished_at.is_some())
    );
    assert!(
        whole
            .iter()
            .all(|run| run.actor.as_deref() == Some("ada") && run.trigger == Trigger::Schedule)
    );
    for limit in 1..14 {
        assert_eq!(
            all(&world, &workspace, &RunQuery::new().with_limit(limit)),
            whole
        );
        let of_job: Vec<RunRecord> = whole
            .iter()
            .filter(|run| run.job == jobs[1])
            .cloned()
            .collect();
        let query = RunQuery::new().of_job(&jobs[1]).with_limit(limit);
        assert_eq!(all(&world, &workspace, &query), of_job);
        // Each stretch of time has just those that began in it.
        for from in 0..12 {
            for to in from..12 {
                let (oldest, newest) = (&whole[to], &whole[from]);
                let query = RunQuery::new()
                    .with_limit(limit)
                    .with_from(oldest.started_at)
                    .with_to(newest.started_at);
                assert_eq!(
                    all(&world, &workspace, &query),
                    whole[from + 1..=to.max(from)]
                );
            }
        }
    }
    let strange = RunQuery::new().with_after("nonsense");
    let refused = world.run(workspace.activity().runs(&context, &strange));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    let log = world
        .run(workspace.activity().log(&context, &whole[0].id))
        .unwrap();
    let events: Vec<&str> = log
        .entries
        .iter()
        .map(|entry| entry.event.as_str())
        .collect();
    assert_eq!(
        (events[0], *events.last().unwrap()),
        ("run_started", "run_finished")
    );
    // Another tenant's are not there.
    let other = world.workspace_of("other", Arc::new(world.state.clone()), &super::crm());
    let hidden = world.run(other.activity().run(&context, &whole[0].id));
    assert_eq!(hidden.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(all(&world, &other, &RunQuery::new()), []);
}

#[test]
fn a_run_of_a_chain_is_in_the_history_with_its_links() {
    let world = World::new();
    let workspace = super::chains::with_jobs(&world, &["a", "b"]);
    let context = world.context().clone().with_actor("ada");
    let inner = ChainSpec::new("inner", super::chains::links(&["b"]));
    super::chains::create(&world, &workspace, inner);
    let links = vec![LinkSpec::new("a"), LinkSpec::chain("inner")];
    let chain = super::chains::create(&world, &workspace, ChainSpec::new("outer", links));
    let run = |name: &str| {
        let request = super::chains::plain().with_run(name);
        let request = request.with_trigger(Trigger::Schedule);
        world
            .run(workspace.chains().run(&context, &chain, request))
            .unwrap()
    };
    run("monday");
    let of_it = RunQuery::new().of_chain(&chain);
    let runs = all(&world, &workspace, &of_it);
    assert_eq!(runs.len(), 1);
    let outer = &runs[0];
    assert_eq!(
        (outer.subject, &*outer.job_name),
        (RunSubject::Chain, "outer")
    );
    assert_eq!(
        (outer.status, &outer.trigger),
        (RunStatus::Success, &Trigger::Schedule)
    );
    assert_eq!(
        (outer.run.as_deref(), outer.actor.as_deref()),
        (Some("monday"), Some("ada"))
    );
    let steps: Vec<&str> = outer.steps.iter().map(|step| &*step.name).collect();
    assert_eq!(steps, ["a"], "a chain in it has its own");
    // Its log has what happened in all of its links.
    let log = world
        .run(workspace.activity().log(&context, &outer.id))
        .unwrap();
    let started = log
        .entries
        .iter()
        .filter(|entry| entry.event == "run_started");
    assert_eq!(started.count(), 2);
    let links = all(
        &world,
        &workspace,
        &RunQuery::new().of_chain_run(&chain, "monday"),
    );
    let mut links: Vec<&str> = links.iter().map(|run| &*run.job_name).collect();
    links.sort_unstable();
    assert_eq!(links, ["a", "inner"]);
    assert_eq!(all(&world, &workspace, &RunQuery::new()).len(), 4);

    // Why it failed stands in it, also if no link began.
    super::chains::switch(&world, &workspace, "a", false);
    run("tuesday");
    let failed = &all(
        &world,
        &workspace,
        &of_it.clone().with_statuses([RunStatus::Failed]),
    )[0];
    let problem = failed.problem.as_deref().unwrap();
    assert!(
        problem.contains("`a`") && problem.contains("disabled"),
        "{problem}"
    );
    world
        .run(workspace.chains().disable(&context, &chain))
        .unwrap();
    run("wednesday");
    let problems: Vec<String> = (all(&world, &workspace, &of_it).into_iter())
        .filter_map(|run| run.problem)
        .collect();
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("chain is disabled")),
        "{problems:?}"
    );

    // It is forgotten as those of jobs are.
    let policy = RetentionPolicy::default().with_runs(90, 1);
    world
        .run(workspace.activity().sweep(&context, &policy))
        .unwrap();
    assert_eq!(all(&world, &workspace, &of_it).len(), 1);
    world.later(91 * 86_400);
    world
        .run(workspace.activity().sweep(&context, &policy))
        .unwrap();
    assert_eq!(all(&world, &workspace, &RunQuery::new()), []);
    let kept = world.run(
        world
            .state
            .list(workspace.tenant(), StateKind::Run, None, 100),
    );
    assert_eq!(kept.unwrap(), []);
}

#[test]
fn a_run_that_cannot_begin_and_one_of_a_chain_are_told() {
    let world = World::new();
    let workspace = world.workspace();
    let job = ready(&world, &workspace, "one");
    let context = world.context();
    let chain = ChainSpec::new("nightly", vec![LinkSpec::new("one")]);
    let chain = world
        .run(workspace.chains().create(context, chain))
        .unwrap();
    let report = world
        .run(
            workspace
                .chains()
                .run(context, &chain.id, ChainRequest::new(|_| request())),
        )
        .unwrap();
    let of_chain = all(
        &world,
        &workspace,
        &RunQuery::new().of_chain_run(&chain.id, &report.run),
    );
    assert_eq!(of_chain.len(), 1);
    let trigger = Trigger::Chain {
        chain: chain.id.clone(),
        run: report.run,
    };
    assert_eq!(of_chain[0].trigger, trigger);
    let by_name = super::chains::plain().with_run("monday");
    let named = world.run(workspace.chains().run(world.context(), &chain.id, by_name));
    let named = RunQuery::new().of_chain_run(&chain.id, named.unwrap().run);
    assert_eq!(all(&world, &workspace, &named).len(), 1);
    world.later(60);
    world.run(workspace.jobs().disable(context, &job)).unwrap();
    world
        .run(workspace.jobs().run(context, &job, request()))
        .unwrap();
    let failed = all(
        &world,
        &workspace,
        &RunQuery::new().with_statuses([RunStatus::Failed]),
    );
    assert_eq!(failed.len(), 1);
    assert!(failed[0].problem.as_ref().unwrap().contains("disabled"));
    assert_eq!(failed[0].problem_kind.as_deref(), Some("invalid"));
}

#[cfg(feature = "testing")]
mod disturbed {
    use std::sync::Mutex;

    use syncline::host::{Event, Observer, StateStore};
    use syncline::memory::MemoryState;
    use syncline::testing::{EffectKind, Effects, Ended, Fate, drive};

    use super::super::crm;
    use super::*;

    /// Hears what was not kept.
    #[derive(Debug, Default)]
    struct Lost(Mutex<Vec<String>>);

    impl Observer for Lost {
        fn observe(&self, event: &Event<'_>) {
            if let Event::NotKept { what, .. } = event {
                self.0.lock().unwrap().push((*what).to_owned());
            }
        }
    }

    /// A store that keeps no runs.
    #[derive(Debug)]
    struct NoHistory(MemoryState);

    #[async_trait::async_trait]
    impl StateStore for NoHistory {
        async fn get(
            &self,
            key: &syncline::host::StateKey,
        ) -> syncline::Result<Option<syncline::host::Stored>> {
            self.0.get(key).await
        }

        async fn put(
            &self,
            key: &syncline::host::StateKey,
            bytes: bytes::Bytes,
            expected: syncline::host::Expected,
        ) -> syncline::Result<syncline::host::Swap> {
            if key.kind() == StateKind::Run {
                return Err(syncline::Error::new(ErrorKind::Io, "no room"));
            }
            self.0.put(key, bytes, expected).await
        }

        async fn delete(
            &self,
            key: &syncline::host::StateKey,
            expected: syncline::host::StateVersion,
        ) -> syncline::Result<bool> {
            self.0.delete(key, expected).await
        }

        async fn list(
            &self,
            tenant: &syncline::Tenant,
            kind: StateKind,
            start_after: Option<&syncline::host::StateKey>,
            limit: usize,
        ) -> syncline::Result<Vec<syncline::host::StateKey>> {
            self.0.list(tenant, kind, start_after, limit).await
        }
    }

    #[test]
    fn a_run_whose_process_dies_is_seen_as_broken_off() {
        let (mut died, mut seen) = (0, 0);
        for fate in [Fate::CrashBefore, Fate::CrashAfter] {
            for at in 1.. {
                let what = format!("{fate:?} at {at}");
                let world = World::new();
                let workspace = world.workspace();
                let job = ready(&world, &workspace, "one");
                let effects = Effects::scripted([(at, fate)]);
                let state = effects.state(Arc::new(world.state.clone()));
                let disturbed = world.workspace_of("acme", state, &crm());
                let run = disturbed.jobs().run(world.context(), &job, request());
                if let Ended::Done(done) = drive(&world.clock, &effects, run) {
                    done.unwrap();
                    break;
                }
                died += 1;
                let runs = all(&world, &workspace, &RunQuery::new().of_job(&job));
                assert_eq!(runs, all(&world, &workspace, &RunQuery::new()), "{what}");
                world.later(600);
                let runs = all(&world, &workspace, &RunQuery::new());
                assert!(runs.len() <= 1, "{what}");
                for run in &runs {
                    seen += 1;
                    // The very last effect is the end of the record.
                    let fits = [RunStatus::BrokenOff, RunStatus::Success];
                    assert!(fits.contains(&run.status), "{what}: {run:?}");
                    assert_eq!(
                        run.finished_at.is_some(),
                        run.status == RunStatus::Success,
                        "{what}"
                    );
                }
                // Before the record was there, nothing had been done.
                if runs.is_empty() {
                    assert!(
                        !effects
                            .trace()
                            .iter()
                            .any(|effect| effect.kind == EffectKind::Write),
                        "{what}"
                    );
                }
                let next = world.run(workspace.jobs().run(world.context(), &job, request()));
                assert_eq!(next.unwrap().outcome, Outcome::Success, "{what}");
                assert_eq!(
                    all(&world, &workspace, &RunQuery::new()).len(),
                    runs.len() + 1,
                    "{what}"
                );
            }
        }
        assert!(died > 20 && seen > 15, "{died} {seen}");
    }

    #[test]
    fn history_that_cannot_be_kept_fails_no_run() {
        let world = World::new();
        let workspace = world.workspace();
        let job = ready(&world, &workspace, "one");
        // All of the history fails, and nothing else: of its keys the store takes none.
        let store = Arc::new(NoHistory(world.state.clone()));
        let disturbed = world.workspace_of("acme", store, &crm());
        let lost = Arc::new(Lost::default());
        let context = world.context().clone().with_observer(lost.clone());
        let ran = world.run(disturbed.jobs().run(&context, &job, request()));
        assert_eq!(ran.unwrap().outcome, Outcome::Success);
        assert_eq!(*lost.0.lock().unwrap(), ["run"]);
        assert_eq!(all(&world, &workspace, &RunQuery::new()), []);
    }
}

#[test]
fn what_is_old_or_too_many_is_forgotten_and_nothing_else() {
    let world = World::new();
    let workspace = world.workspace();
    let jobs = ["one", "two"].map(|name| ready(&world, &workspace, name));
    for day in 0..6 {
        for job in jobs.iter().skip(day % 2) {
            world
                .run(workspace.jobs().run(world.context(), job, request()))
                .unwrap();
        }
        world.later(86_400);
    }
    let before = all(&world, &workspace, &RunQuery::new());
    let sweep = |policy: &RetentionPolicy| {
        world
            .run(workspace.activity().sweep(world.context(), policy))
            .unwrap()
    };
    assert_eq!(sweep(&RetentionPolicy::default()).runs, 0);
    // The last began a day ago.
    let swept = sweep(&RetentionPolicy::default().with_runs(4, 1_000));
    let now = world.context().clock().now();
    let is_young = |run: &&RunRecord| now - run.started_at < chrono::TimeDelta::days(4);
    let young: Vec<RunRecord> = before.iter().filter(is_young).cloned().collect();
    assert_eq!(swept.runs as usize, before.len() - young.len());
    assert_eq!(all(&world, &workspace, &RunQuery::new()), young);
    let swept = sweep(&RetentionPolicy::default().with_runs(4, 1));
    assert_eq!(swept.runs as usize, young.len() - 2);
    for job in &jobs {
        let left = all(&world, &workspace, &RunQuery::new().of_job(job));
        let newest = young.iter().find(|run| run.job == *job).unwrap();
        assert_eq!(left, std::slice::from_ref(newest));
    }
    for run in &before {
        let log = world.run(workspace.activity().log(world.context(), &run.id));
        let stays = all(&world, &workspace, &RunQuery::new()).contains(run);
        assert_eq!(log.is_ok(), stays);
    }
}

/// A run of this many records, as somebody else may have written it down.
fn ran(template: &RunRecord, hour: i64, records: u64, rejected: u64, seconds: i64) -> RunRecord {
    let mut run = template.clone();
    run.started_at = template.started_at + chrono::TimeDelta::hours(hour);
    run.finished_at = Some(run.started_at + chrono::TimeDelta::seconds(seconds));
    (run.progress.records, run.progress.rejected) = (records, rejected);
    run.destinations.clear();
    run.steps.clear();
    run
}

#[test]
fn what_a_run_tells_again_counts_once() {
    let world = World::new();
    let workspace = world.workspace();
    let job = ready(&world, &workspace, "one");
    world
        .run(workspace.jobs().run(world.context(), &job, request()))
        .unwrap();
    let template = all(&world, &workspace, &RunQuery::new()).pop().unwrap();
    let mut named = ran(&template, 1, 500, 3, 60);
    named.run = Some("noon".into());
    let mut again = ran(&template, 2, 500, 3, 1);
    again.run = Some("noon".into());
    let other = ran(&template, 3, 7, 0, 1);
    let figures = RunStatistics::of(&[named, again, other.clone(), other]);
    assert_eq!(
        (figures.runs, figures.records, figures.rejected),
        (4, 514, 3)
    );
}

#[test]
fn what_is_unusual_is_flagged_whatever_the_scale_and_nothing_with_little_history() {
    let world = World::new();
    let workspace = world.workspace();
    let job = ready(&world, &workspace, "one");
    world
        .run(workspace.jobs().run(world.context(), &job, request()))
        .unwrap();
    let template = all(&world, &workspace, &RunQuery::new()).pop().unwrap();
    let policy = AnomalyPolicy::default();
    let kinds = |run: &RunRecord, before: &[RunRecord]| -> Vec<String> {
        let found = run.anomalies(before, &policy);
        found.iter().map(|one| format!("{:?}", one.kind)).collect()
    };
    for scale in [1, 10, 1_000_000] {
        let mut before: Vec<RunRecord> = (0..20)
            .map(|hour| {
                ran(
                    &template,
                    hour,
                    (1_000 + (hour as u64 * 37) % 90) * scale,
                    20,
                    60 + hour % 5,
                )
            })
            .collect();
        // A few odd ones move nothing.
        before[3].progress.records = 0;
        before[9].progress.records = 900_000 * scale;
        let look = |records, rejected, seconds| {
            kinds(&ran(&template, 30, records, rejected, seconds), &before)
        };
        assert_eq!(look(1_040 * scale, 20, 62), [""; 0]);
        assert_eq!(look(200 * scale, 20, 62), ["FewRecords"]);
        assert_eq!(look(1_040 * scale, 900, 62), ["ManyRejects"]);
        assert_eq!(look(1_040 * scale, 20, 600), ["Slow"]);
        // It waited for its turn in a chain.
        let mut waited = ran(&template, 30, 1_040 * scale, 20, 600);
        waited.steps.clone_from(&template.steps);
        waited.steps[0].seconds = 62.0;
        assert_eq!(kinds(&waited, &before), [""; 0]);
        // More records than usual are no harm.
        assert_eq!(look(9_000 * scale, 20, 62), [""; 0]);
        let odd = ran(&template, 30, 0, 5_000, 9_000);
        assert_eq!(kinds(&odd, &before).len(), 3);
        // In any order the same, and only of what was before.
        let mut turned = before.clone();
        turned.reverse();
        assert_eq!(kinds(&odd, &turned), kinds(&odd, &before));
        assert_eq!(kinds(&odd, &before[..7]), [""; 0]);
        let mut failed = odd.clone();
        failed.status = RunStatus::Failed;
        assert_eq!(kinds(&failed, &before), [""; 0]);
        let first = ran(&template, -1, 0, 5_000, 9_000);
        assert_eq!(kinds(&first, &before), [""; 0]);
    }
    let context: &Context = world.context();
    let statistics = world
        .run(workspace.activity().statistics(context, &job, &policy))
        .unwrap();
    assert_eq!(
        (
            statistics.over.runs,
            statistics.over.by_status[&RunStatus::Success]
        ),
        (1, 1)
    );
    assert_eq!(statistics.over.days.len(), 1);
    assert!(statistics.anomalies.is_empty());
}

#[test]
fn rejects_are_downloaded_and_sent_again() {
    let world = World::new();
    let workspace = world.workspace();
    let job = ready(&world, &workspace, "one");
    let ledger = Arc::new(MemoryRejects::new());
    let reject = |number, email: &'static str| {
        let refusal = Refusal::new(Reason::BadValue, "expected an address");
        let raw = RawRecord::Cells(vec![Some(email.into()), Some("1".into())]);
        Reject::new(Position::new("Contact", number), refusal.of("Email"), raw)
    };
    let columns: Arc<[String]> = ["Email", "Phone"].map(String::from).into();
    let rejects = vec![reject(0, "=1+1"), reject(1, "a,b")];
    let segment = RejectSegment::new(Some("person".into()), columns, rejects);
    world.run(ledger.append(segment)).unwrap();
    let jobs = workspace.jobs();
    let file = world
        .run(jobs.rejects(
            world.context(),
            &job,
            &*ledger,
            Some("person"),
            RejectsAs::Csv,
        ))
        .unwrap();
    let text = String::from_utf8(file.bytes.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(file.records, 2);
    assert!(
        lines[0].starts_with("Email,Phone,_reason,_field,_message"),
        "{text}"
    );
    assert!(
        lines[1].starts_with("'=1+1,1,bad_value,Email,expected an address"),
        "{text}"
    );
    assert!(lines[2].starts_with(r#""a,b",1,bad_value"#), "{text}");
    assert!(!format!("{file:?}").contains("a,b"));

    let request = RunRequest::new(ledger.clone());
    let redrove = world.run(jobs.redrive(
        world.context(),
        &job,
        request,
        &Redrive::read_again(["Email"]),
    ));
    let runs = all(&world, &workspace, &RunQuery::new());
    assert_eq!((runs.len(), &runs[0].trigger), (1, &Trigger::Redrive));
    match redrove {
        // The source has no record of these keys.
        Ok(report) => assert_eq!(
            (report.found, report.gone, runs[0].status),
            (2, 2, RunStatus::Success)
        ),
        Err(error) => panic!("{error}"),
    }
    assert_eq!(ledger.all().len(), 0);
}
