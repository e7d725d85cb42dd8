//! Jobs in order: conditions, policies, going on at the failed link.

use std::sync::{Arc, Mutex};

use futures::future::join;
use syncline::ErrorKind;
use syncline::host::{CancelToken, Context};
use syncline::job::{Outcome, RunRequest};
use syncline::memory::MemoryRejects;
use syncline::record::{RecordBuilder, Schema};
use syncline::spec::{ChainSpec, Ended, LinkSpec, Member, OnFailure, RunCondition};
use syncline::workspace::{
    ChainReport, ChainRequest, ImportAction, ImportRequest, JobsOnDelete, LinkFate, Workspace,
};

use super::super::server::World;
use super::{contacts, crm, fields, job};

/// Jobs of these names.
pub(super) fn with_jobs(world: &World, names: &[&str]) -> Workspace {
    let workspace = world.workspace();
    world.create(&workspace, "files", "open");
    for name in names {
        let mut job = contacts(name);
        job.dataset.connection = Some("files".into());
        world
            .run(workspace.jobs().create(world.context(), job))
            .unwrap();
    }
    workspace
}

pub(super) fn create(world: &World, workspace: &Workspace, spec: ChainSpec) -> String {
    let made = workspace.chains().create(world.context(), spec);
    world.run(made).unwrap().id
}

pub(super) fn plain() -> ChainRequest<'static> {
    ChainRequest::new(|_| RunRequest::new(Arc::new(MemoryRejects::new())))
}

fn run_in(world: &World, context: &Context, workspace: &Workspace, id: &str) -> ChainReport {
    let request = plain();
    world
        .run(workspace.chains().run(context, id, request))
        .unwrap()
}

pub(super) fn run(world: &World, workspace: &Workspace, id: &str) -> ChainReport {
    run_in(world, world.context(), workspace, id)
}

/// What became of each link: `ran`, `failed`, `done`, `skipped`, `waits`.
pub(super) fn fates(report: &ChainReport) -> Vec<String> {
    let fate = |fate: &LinkFate| match fate {
        LinkFate::Ran(report) if report.outcome == Outcome::Failed => "failed",
        LinkFate::Ran(_) => "ran",
        LinkFate::RanChain(report) if report.outcome == Outcome::Failed => "failed",
        LinkFate::RanChain(_) => "ran",
        LinkFate::Done(_) => "done",
        LinkFate::Skipped(_) => "skipped",
        _ => "waits",
    };
    report
        .links
        .iter()
        .map(|link| format!("{} {}", link.member.name(), fate(&link.fate)))
        .collect()
}

pub(super) fn switch(world: &World, workspace: &Workspace, name: &str, enabled: bool) {
    let jobs = world.run(workspace.jobs().list(world.context())).unwrap();
    let id = &jobs.iter().find(|job| job.spec.name == name).unwrap().id;
    let (jobs, context) = (workspace.jobs(), world.context());
    match enabled {
        true => world.run(jobs.enable(context, id)),
        false => world.run(jobs.disable(context, id)),
    }
    .unwrap();
}

pub(super) fn links(names: &[&str]) -> Vec<LinkSpec> {
    names.iter().map(|name| LinkSpec::new(*name)).collect()
}

#[test]
fn a_chain_goes_on_at_the_link_that_failed() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b", "c"]);
    let id = create(
        &world,
        &workspace,
        ChainSpec::new("nightly", links(&["a", "b", "c"])),
    );
    switch(&world, &workspace, "b", false);
    let first = run(&world, &workspace, &id);
    assert_eq!(first.outcome, Outcome::Failed);
    assert_eq!(fates(&first), ["a ran", "b failed", "c waits"]);
    switch(&world, &workspace, "b", true);
    let second = run(&world, &workspace, &id);
    assert_eq!(second.run, first.run);
    assert_eq!(second.outcome, Outcome::Success);
    assert_eq!(fates(&second), ["a done", "b ran", "c ran"]);
    let third = run(&world, &workspace, &id);
    assert_ne!(third.run, first.run);
    assert_eq!(fates(&third), ["a ran", "b ran", "c ran"]);
}

#[test]
fn what_becomes_of_the_rest_is_a_policy() {
    for (policy, wanted) in [
        (OnFailure::Stop, ["a failed", "b waits", "c waits"]),
        (
            OnFailure::SkipDependents,
            ["a failed", "b skipped", "c ran"],
        ),
        (OnFailure::Continue, ["a failed", "b ran", "c ran"]),
    ] {
        let world = World::new();
        let workspace = with_jobs(&world, &["a", "b", "c"]);
        switch(&world, &workspace, "a", false);
        let mut all = links(&["a", "b"]);
        all.push(LinkSpec::new("c").after::<Member>([]));
        let id = create(
            &world,
            &workspace,
            ChainSpec::new("x", all).on_failure(policy),
        );
        let report = run(&world, &workspace, &id);
        assert_eq!(fates(&report), wanted, "{policy:?}");
        assert_eq!(report.outcome, Outcome::Failed, "{policy:?}");
    }
}

#[test]
fn a_link_that_cannot_be_planned_is_a_link_that_failed() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "c"]);
    let mut strange = job("b", "Contact", "person", &[("email", "Nothing")]);
    strange.dataset.connection = Some("files".into());
    let made = workspace.jobs().create(world.context(), strange);
    world.run(made).unwrap();
    let spec = ChainSpec::new("x", links(&["a", "b", "c"]));
    let id = create(&world, &workspace, spec.on_failure(OnFailure::Continue));
    let report = run(&world, &workspace, &id);
    assert_eq!(fates(&report), ["a ran", "b failed", "c ran"]);
    assert_eq!(report.outcome, Outcome::Failed);
    let LinkFate::Ran(b) = &report.links[1].fate else {
        panic!("{report:?}");
    };
    let failure = b.failure.as_ref().unwrap();
    assert_eq!(failure.kind(), ErrorKind::Invalid, "{failure}");
}

#[test]
fn a_link_starts_on_what_the_one_before_has_done() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b"]);
    let spec = |when| {
        ChainSpec::new(
            format!("{when:?}"),
            vec![LinkSpec::new("a"), LinkSpec::new("b").when(when)],
        )
        .on_failure(OnFailure::SkipDependents)
    };
    // The source is empty, so the first link writes all of nothing.
    for (when, starts) in [
        (RunCondition::new(Ended::Whole), true),
        (RunCondition::new(Ended::Written).with_rejects(0), true),
        (RunCondition::new(Ended::Anyhow).with_records(1), false),
    ] {
        let id = create(&world, &workspace, spec(when));
        let report = run(&world, &workspace, &id);
        let second = if starts { "b ran" } else { "b skipped" };
        assert_eq!(fates(&report), ["a ran", second], "{when:?}");
        if let LinkFate::Skipped(why) = &report.links[1].fate {
            assert_eq!(why, "`a` read 0 records");
        }
    }
}

#[test]
fn a_link_that_did_too_little_runs_again_and_reads_again() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b"]);
    let when = RunCondition::default().with_records(1);
    let all = vec![LinkSpec::new("a"), LinkSpec::new("b").when(when)];
    let id = create(&world, &workspace, ChainSpec::new("x", all));
    let first = run(&world, &workspace, &id);
    assert_eq!(first.outcome, Outcome::Failed);
    assert_eq!(fates(&first), ["a ran", "b waits"]);
    // Now there is something to read.
    let filled = crm();
    let contact = filled.object("Contact").unwrap();
    let mut rows = RecordBuilder::new(&Schema::new(fields(&["Email"])));
    rows.push(&serde_json::json!({"Email": "a@x.example"}))
        .unwrap();
    contact.insert(rows.finish().unwrap()).unwrap();
    let workspace = world.workspace_of("acme", Arc::new(world.state.clone()), &filled);
    let second = run(&world, &workspace, &id);
    assert_eq!(second.run, first.run);
    assert_eq!(fates(&second), ["a ran", "b ran"]);
    assert_eq!(second.outcome, Outcome::Success);
}

#[test]
fn what_a_link_puts_up_with_stops_nothing() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b"]);
    switch(&world, &workspace, "a", false);
    let anyhow = RunCondition::new(Ended::Anyhow);
    let all = vec![LinkSpec::new("a"), LinkSpec::new("b").when(anyhow)];
    let id = create(&world, &workspace, ChainSpec::new("x", all));
    let report = run(&world, &workspace, &id);
    assert_eq!(fates(&report), ["a failed", "b ran"]);
    assert_eq!(report.outcome, Outcome::PartialSuccess);
}

#[test]
fn forks_and_joins_are_run_in_an_order_that_fits() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b", "c", "d"]);
    let all = vec![
        LinkSpec::new("d").after(["b", "c"]),
        LinkSpec::new("b").after(["a"]),
        LinkSpec::new("c").after(["a"]),
        LinkSpec::new("a").after::<Member>([]),
    ];
    let id = create(&world, &workspace, ChainSpec::new("diamond", all));
    assert_eq!(
        fates(&run(&world, &workspace, &id)),
        ["a ran", "b ran", "c ran", "d ran"]
    );
}

#[test]
fn a_chain_that_cannot_be_is_refused_with_the_path_of_the_circle() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b", "c"]);
    let create = |spec| {
        world
            .run(workspace.chains().create(world.context(), spec))
            .unwrap_err()
    };
    let circle = vec![
        LinkSpec::new("a").after::<Member>([]),
        LinkSpec::new("b").after(["a", "c"]),
        LinkSpec::new("c").after(["b"]),
    ];
    let error = create(ChainSpec::new("round", circle));
    assert!(
        error.problems()[0].message.ends_with("b -> c -> b"),
        "{error}"
    );
    let error = create(ChainSpec::new(
        "",
        vec![LinkSpec::new("a"), LinkSpec::new("z"), LinkSpec::new("a")],
    ));
    let paths: Vec<&str> = error.problems().iter().map(|p| p.path.as_str()).collect();
    assert_eq!(paths, ["name", "links[2].job", "links[1].job"]);
    let itself = create(ChainSpec::new("x", vec![LinkSpec::new("a").after(["a"])]));
    assert!(itself.problems()[0].message.contains("a -> a"), "{itself}");
}

#[test]
fn a_chain_stops_behind_the_job_that_runs_when_it_is_cancelled() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b"]);
    let id = create(&world, &workspace, ChainSpec::new("x", links(&["a", "b"])));
    let token = CancelToken::new();
    let context = world.context().clone().with_cancel(token.clone());
    let seen = Mutex::new(Vec::new());
    let request = |view: &syncline::workspace::JobView| {
        seen.lock().unwrap().push(view.spec.name.clone());
        token.cancel();
        RunRequest::new(Arc::new(MemoryRejects::new()))
    };
    let report = world
        .run(
            workspace
                .chains()
                .run(&context, &id, ChainRequest::new(request)),
        )
        .unwrap();
    assert_eq!(report.outcome, Outcome::Cancelled);
    assert_eq!(*seen.lock().unwrap(), ["a"]);
    assert!(matches!(report.links[1].fate, LinkFate::NotStarted));
    assert_eq!(run(&world, &workspace, &id).outcome, Outcome::Success);
}

#[test]
fn what_a_chain_needs_is_not_deleted_and_it_follows_names_and_moves() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b"]);
    let id = create(
        &world,
        &workspace,
        ChainSpec::new("nightly", links(&["a", "b"])),
    );
    let (jobs, context) = (workspace.jobs(), world.context());
    let a = world.run(jobs.list(context)).unwrap().remove(0);
    assert_eq!(
        world.run(jobs.delete(context, &a.id)).unwrap_err().kind(),
        ErrorKind::Conflict
    );
    let connection = a.connection.clone().unwrap();
    let deleted = workspace
        .connections()
        .delete(context, &connection, JobsOnDelete::Delete);
    assert_eq!(world.run(deleted).unwrap_err().kind(), ErrorKind::Conflict);
    let mut spec = a.spec.clone();
    spec.name = "z".into();
    world
        .run(jobs.edit(context, &a.id, &a.edition, spec))
        .unwrap();
    let chain = world.run(workspace.chains().get(context, &id)).unwrap();
    let chain = chain.spec;
    assert_eq!(chain.links[0].member, Member::job("z"));

    let document = world.run(workspace.export(context)).unwrap();
    assert_eq!(document.chains, [chain]);
    let target = world.workspace_of("production", Arc::new(world.state.clone()), &crm());
    let import = || {
        world
            .run(target.import(context, &document, &ImportRequest::new()))
            .unwrap()
    };
    assert_eq!(import().chains[0].action, ImportAction::Create);
    assert_eq!(import().chains[0].action, ImportAction::Keep);
    assert_eq!(
        world.run(target.export(context)).unwrap().to_json(),
        document.to_json()
    );

    world.run(workspace.chains().delete(context, &id)).unwrap();
    world.run(jobs.delete(context, &a.id)).unwrap();
    let gone = world.run(workspace.chains().get(context, &id));
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn two_processes_do_not_run_a_chain_at_the_same_time() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b"]);
    let id = create(&world, &workspace, ChainSpec::new("x", links(&["a", "b"])));
    let other = world.workspace();
    let both = join(
        workspace.chains().run(world.context(), &id, plain()),
        other.chains().run(world.context(), &id, plain()),
    );
    let (first, second) = world.run(both);
    assert_eq!(first.unwrap().outcome, Outcome::Success);
    // Whoever came second was refused, or waited and made a run of its own.
    match second {
        Ok(second) => assert_eq!(fates(&second), ["a ran", "b ran"]),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
    }
}
