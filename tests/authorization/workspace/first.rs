//! The job that runs first.

use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use syncline::host::{CancelToken, Context};
use syncline::job::{Outcome, RunReport, RunRequest, Trigger};
use syncline::memory::{MemoryRejects, MemoryState};
use syncline::scheduler::{JobProvider, JobRun, Timetables};
use syncline::spec::{ChainSpec, ConnectionSpec, JobSpec, LinkSpec, RunCondition, RunSettings};
use syncline::workspace::{
    AuditAction, AuditEntry, AuditQuery, ChainRequest, ImportAction, ImportRequest, JobView,
    JobsOnDelete, RunQuery, RunStatus, Workspace, Workspaces,
};
use syncline::{Error, ErrorKind, Tenant};

use super::super::server::World;
use super::chains::{create, plain, run, switch, with_jobs};
use super::{contacts, crm};

fn named(world: &World, workspace: &Workspace, name: &str) -> JobView {
    let jobs = world.run(workspace.jobs().list(world.context())).unwrap();
    jobs.into_iter().find(|job| job.spec.name == name).unwrap()
}

/// Has a job need another one first.
fn behind(world: &World, workspace: &Workspace, name: &str, first: &str) -> Result<(), Error> {
    let job = named(world, workspace, name);
    let spec = job.spec.clone().with_first(first);
    let edited = workspace
        .jobs()
        .edit(world.context(), &job.id, &job.edition, spec);
    world.run(edited).map(drop)
}

/// `c` behind `b` behind `a`.
fn line(world: &World) -> Workspace {
    let workspace = with_jobs(world, &["a", "b", "c"]);
    behind(world, &workspace, "b", "a").unwrap();
    behind(world, &workspace, "c", "b").unwrap();
    workspace
}

fn run_named(world: &World, workspace: &Workspace, name: &str, request: ChainRequest) -> RunReport {
    let id = named(world, workspace, name).id;
    let jobs = workspace.jobs();
    let ran = jobs.run_with_first(world.context(), &id, request);
    world.run(ran).unwrap()
}

/// What ran, by name: how it ended, why it began. The clock stands still, so that no run is newer than another one.
fn history(world: &World, workspace: &Workspace) -> Vec<(String, RunStatus, Trigger)> {
    let activity = workspace.activity();
    let page = world
        .run(activity.runs(world.context(), &RunQuery::new()))
        .unwrap();
    let mut runs: Vec<_> = (page.runs.into_iter())
        .map(|run| (run.job_name, run.status, run.trigger))
        .collect();
    runs.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    runs
}

fn names(history: &[(String, RunStatus, Trigger)]) -> Vec<&str> {
    history.iter().map(|(name, ..)| name.as_str()).collect()
}

#[test]
fn all_that_is_needed_runs_first_each_in_front_of_the_next() {
    let world = World::new();
    let workspace = line(&world);
    let asked: Mutex<Vec<String>> = Mutex::default();
    let order = ChainRequest::new(|view| {
        asked.lock().unwrap().push(view.spec.name.clone());
        RunRequest::new(Arc::new(MemoryRejects::new()))
    });
    let report = run_named(&world, &workspace, "c", order.with_run("noon"));
    assert_eq!((&*report.job, report.outcome), ("c", Outcome::Success));
    assert_eq!(*asked.lock().unwrap(), ["a", "b", "c"]);
    let ran = history(&world, &workspace);
    assert_eq!(names(&ran), ["a", "b", "c"]);
    assert_eq!(ran[2].2, Trigger::Manual);
    assert!(
        ran[..2]
            .iter()
            .all(|run| run.2 == Trigger::First("c".into()))
    );
    // By itself it runs alone.
    let id = named(&world, &workspace, "c").id;
    let request = RunRequest::new(Arc::new(MemoryRejects::new()));
    world
        .run(workspace.jobs().run(world.context(), &id, request))
        .unwrap();
    assert_eq!(names(&history(&world, &workspace)), ["a", "b", "c", "c"]);
    // The same run again tells what came of it; another one runs all of them.
    let again = run_named(&world, &workspace, "c", plain().with_run("noon"));
    assert_eq!(again.outcome, Outcome::Success);
    let ran = history(&world, &workspace);
    assert_eq!(names(&ran), ["a", "b", "c", "c", "c"]);
    for (request, times) in [(plain().with_run("evening"), 2), (plain(), 3)] {
        run_named(&world, &workspace, "c", request);
        let ran = history(&world, &workspace);
        for (name, times) in [("a", times), ("b", times), ("c", times + 2)] {
            let of_it = names(&ran).iter().filter(|ran| **ran == name).count();
            assert_eq!(of_it, times, "{name}");
        }
    }
}

#[test]
fn a_job_does_not_begin_behind_one_that_failed_and_a_retry_goes_on_there() {
    let world = World::new();
    let workspace = line(&world);
    switch(&world, &workspace, "b", false);
    let report = run_named(&world, &workspace, "c", plain().with_run("noon"));
    assert_eq!(report.outcome, Outcome::Failed);
    let failure = report.failure.unwrap();
    assert!(failure.context().any(|told| told == ("first", "b")));
    assert!(failure.to_string().contains("disabled"), "{failure}");
    let ran = history(&world, &workspace);
    let statuses: Vec<RunStatus> = ran.iter().map(|run| run.1).collect();
    assert_eq!(names(&ran), ["a", "b", "c"]);
    let failed = RunStatus::Failed;
    assert_eq!(statuses, [RunStatus::Success, failed, failed]);
    switch(&world, &workspace, "b", true);
    let report = run_named(&world, &workspace, "c", plain().with_run("noon"));
    assert_eq!(report.outcome, Outcome::Success);
    let ran = history(&world, &workspace);
    assert_eq!(names(&ran), ["a", "b", "b", "c", "c"], "`a` was done");
    // A further try of what came to its end reads again, all of them.
    let request = plain().with_run("noon").with_again(1);
    run_named(&world, &workspace, "c", request);
    assert_eq!(history(&world, &workspace).len(), 8);
}

#[test]
fn the_first_job_must_do_what_its_settings_ask() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b"]);
    let a = named(&world, &workspace, "a");
    let much = RunSettings::default().with_success(RunCondition::default().with_records(1));
    let spec = a.spec.clone().with_settings(much);
    world
        .run(
            workspace
                .jobs()
                .edit(world.context(), &a.id, &a.edition, spec),
        )
        .unwrap();
    behind(&world, &workspace, "b", "a").unwrap();
    let report = run_named(&world, &workspace, "b", plain());
    assert_eq!(report.outcome, Outcome::Failed);
    let failure = report.failure.unwrap().to_string();
    assert!(failure.contains("read 0 records"), "{failure}");
}

#[test]
fn a_disabled_job_needs_nobody_and_one_that_was_cancelled_was_not_failed_by_others() {
    let world = World::new();
    let workspace = line(&world);
    switch(&world, &workspace, "c", false);
    let report = run_named(&world, &workspace, "c", plain());
    assert!(report.failure.unwrap().to_string().contains("disabled"));
    assert_eq!(names(&history(&world, &workspace)), ["c"]);
    switch(&world, &workspace, "c", true);
    let cancel = CancelToken::new();
    cancel.cancel();
    let context = world.context().clone().with_cancel(cancel);
    let id = named(&world, &workspace, "c").id;
    let ran = workspace.jobs().run_with_first(&context, &id, plain());
    assert_eq!(world.run(ran).unwrap().outcome, Outcome::Cancelled);
    let ran = history(&world, &workspace);
    let of_c: Vec<RunStatus> = (ran.iter().filter(|run| run.0 == "c"))
        .map(|run| run.1)
        .collect();
    assert_eq!(of_c, [RunStatus::Failed, RunStatus::Cancelled]);
}

#[test]
fn circles_are_refused_with_their_path_and_so_are_long_lines() {
    let world = World::new();
    let workspace = line(&world);
    let told = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let problem = &error.problems()[0];
        assert_eq!(problem.path, "first");
        problem.message.clone()
    };
    let circle = told(behind(&world, &workspace, "a", "c").unwrap_err());
    assert!(
        circle.contains("a -> c -> b -> a") || circle.contains("b -> a -> c -> b"),
        "{circle}"
    );
    let itself = told(behind(&world, &workspace, "a", "a").unwrap_err());
    assert!(itself.contains("a -> a"), "{itself}");
    let strange = told(behind(&world, &workspace, "a", "nobody").unwrap_err());
    assert!(strange.contains("no job `nobody`"), "{strange}");
    assert_eq!(named(&world, &workspace, "a").spec.first, None);
    // Eight in a line at most, wherever another one is put.
    let add = |name: &str, first: &str| {
        let mut job = contacts(name).with_first(first);
        job.dataset.connection = Some("files".into());
        world.run(workspace.jobs().create(world.context(), job))
    };
    for (name, first) in [("d", "c"), ("e", "d"), ("f", "e"), ("g", "f"), ("h", "g")] {
        add(name, first).unwrap();
    }
    let long = told(add("i", "h").unwrap_err());
    assert!(long.contains("i -> h -> g"), "{long}");
    let mut job = contacts("z");
    job.dataset.connection = Some("files".into());
    world
        .run(workspace.jobs().create(world.context(), job))
        .unwrap();
    told(behind(&world, &workspace, "a", "z").unwrap_err());
}

#[test]
fn who_is_needed_first_is_not_deleted_and_may_be_renamed() {
    let world = World::new();
    let workspace = line(&world);
    let context = world.context();
    let a = named(&world, &workspace, "a");
    let refused = world
        .run(workspace.jobs().delete(context, &a.id))
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains('b'), "{refused}");
    let mut spec = a.spec.clone();
    spec.name = "z".into();
    world
        .run(workspace.jobs().edit(context, &a.id, &a.edition, spec))
        .unwrap();
    assert_eq!(
        named(&world, &workspace, "b").spec.first.as_deref(),
        Some("z")
    );
    // Another connection's job needs them.
    world.create(&workspace, "other", "open");
    let mut other = contacts("other").with_first("c");
    other.dataset.connection = Some("other".into());
    let other = world.run(workspace.jobs().create(context, other)).unwrap();
    let files = world.run(workspace.connections().list(context)).unwrap();
    let files = files.iter().find(|c| c.spec.name == "files").unwrap();
    let connections = workspace.connections();
    let delete = || world.run(connections.delete(context, &files.id, JobsOnDelete::Delete));
    assert_eq!(delete().unwrap_err().kind(), ErrorKind::Conflict);
    let mut spec = other.spec.clone();
    spec.first = None;
    world
        .run(
            workspace
                .jobs()
                .edit(context, &other.id, &other.edition, spec),
        )
        .unwrap();
    assert_eq!(
        delete().unwrap().jobs,
        3,
        "those that only need each other go together"
    );
    // The audit tells which one it was.
    let query = AuditQuery::new().of(&other.id);
    let audit = world
        .run(workspace.activity().audit(context, &query))
        .unwrap();
    let is_change = |entry: &&AuditEntry| entry.action == AuditAction::Change;
    let last = audit.entries.iter().find(is_change).unwrap();
    assert_eq!(last.before.as_ref().unwrap()["spec"]["first"], "c");
    assert_eq!(last.after.as_ref().unwrap()["spec"].get("first"), None);
}

#[test]
fn a_run_that_was_removed_leaves_nothing() {
    let world = World::new();
    let workspace = line(&world);
    switch(&world, &workspace, "b", false);
    run_named(&world, &workspace, "c", plain().with_run("noon"));
    let c = named(&world, &workspace, "c");
    let of_it = || {
        let saved = world.saved("acme");
        saved
            .into_iter()
            .filter(|path| path.contains(&c.id))
            .count()
    };
    assert!(of_it() > 0);
    world
        .run(workspace.jobs().delete(world.context(), &c.id))
        .unwrap();
    assert_eq!(of_it(), 0);
}

#[test]
fn it_moves_with_its_job() {
    let world = World::new();
    let document = world.run(line(&world).export(world.context())).unwrap();
    let first = |spec: &JobSpec| spec.first.clone();
    let of = |name: &str| document.jobs.iter().find(|job| job.name == name).unwrap();
    assert_eq!(first(of("c")).as_deref(), Some("b"));

    let target = world.workspace_of("production", Arc::new(world.state.clone()), &crm());
    let import = |document| {
        let request = ImportRequest::new();
        world.run(target.import(world.context(), document, &request))
    };
    import(&document).unwrap();
    assert_eq!(named(&world, &target, "c").spec.first.as_deref(), Some("b"));
    let again = import(&document).unwrap();
    assert!(
        again
            .jobs
            .iter()
            .all(|step| step.action == ImportAction::Keep)
    );
    // Another order is a change, and of no spec.
    let mut other = document.clone();
    for job in &mut other.jobs {
        job.first = (job.name == "a").then(|| "c".to_owned());
    }
    let edition = named(&world, &target, "a").edition;
    let changed = import(&other).unwrap();
    assert!(
        changed
            .jobs
            .iter()
            .all(|step| step.action == ImportAction::Update)
    );
    let a = named(&world, &target, "a");
    assert_eq!((a.spec.first.as_deref(), a.edition), (Some("c"), edition));
    // What cannot be is refused, whole.
    let mut wrong = document.clone();
    wrong.jobs[0].first = Some("nobody".into());
    let refused = import(&wrong).unwrap_err();
    assert_eq!(refused.problems()[0].path, "jobs[0].first");
    let mut round = document.clone();
    for job in &mut round.jobs {
        let next = match &*job.name {
            "a" => "c",
            "b" => "a",
            _ => "b",
        };
        job.first = Some(next.to_owned());
    }
    let refused = import(&round).unwrap_err();
    assert!(
        refused.problems()[0].message.contains("circle"),
        "{refused}"
    );
    assert_eq!(named(&world, &target, "a").spec.first.as_deref(), Some("c"));
}

#[test]
fn out_of_the_box_jobs_know_each_other() {
    let world = World::new();
    let workspace = world.workspace();
    let spec = ConnectionSpec::new("crm", "crm");
    let created = workspace.connections().create(world.context(), spec);
    let id = world.run(created).unwrap().id;
    world.authorize(&workspace, &id).unwrap();
    let accounts = named(&world, &workspace, "Company Sync_crm");
    assert_eq!(accounts.spec.first.as_deref(), Some("Person Sync_crm"));
}

#[test]
fn in_a_chain_the_chain_says_what_runs_in_front() {
    let world = World::new();
    let workspace = line(&world);
    let id = create(
        &world,
        &workspace,
        ChainSpec::new("x", vec![LinkSpec::new("c")]),
    );
    assert_eq!(run(&world, &workspace, &id).outcome, Outcome::Success);
    assert_eq!(
        names(&history(&world, &workspace)),
        ["c", "x"],
        "the job, and the chain"
    );
}

#[test]
fn a_scheduler_runs_it_with_what_it_needs() {
    let world = World::new();
    let workspace = line(&world);
    // The last in the line reads another system.
    let other = world.create(&workspace, "other", "open").id;
    let a = named(&world, &workspace, "a");
    let mut spec = a.spec.clone();
    spec.dataset.connection = Some("other".into());
    let edited = workspace
        .jobs()
        .edit(world.context(), &a.id, &a.edition, spec);
    world.run(edited).unwrap();
    let c = named(&world, &workspace, "c");
    let tenant = Tenant::new("acme").unwrap();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let workspaces = Workspaces::new(
        {
            let workspace = workspace.clone();
            move |_| Ok(workspace.clone())
        },
        {
            let asked = Arc::clone(&asked);
            move |_, view| {
                asked.lock().unwrap().push(view.spec.name.clone());
                RunRequest::new(Arc::new(MemoryRejects::new()))
            }
        },
    );
    let context: &Context = world.context();
    let due = "2025-01-31T06:00:00Z";
    let run = JobRun::new(tenant.clone(), &c.id, due, due.parse().unwrap());
    let ran = block_on(workspaces.run(context, &run)).unwrap();
    assert_eq!(ran, Outcome::Success);
    assert_eq!(*asked.lock().unwrap(), ["a", "b", "c"]);
    let ran = history(&world, &workspace);
    assert_eq!(names(&ran), ["a", "b", "c"]);
    assert_eq!(ran[2].2, Trigger::Schedule);
    // Its connections are those of all of them.
    let provided = block_on(workspaces.job(context, &tenant, &c.id))
        .unwrap()
        .unwrap();
    assert_eq!(provided.connections, [other, c.connection.unwrap()]);
    let timetables = Timetables::new(Tenant::new("host").unwrap(), Arc::new(MemoryState::new()));
    block_on(workspaces.put_all(context, &timetables, &tenant)).unwrap();
}
