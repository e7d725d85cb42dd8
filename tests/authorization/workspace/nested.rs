//! Chains in chains, chains that rest, and what is passed down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use syncline::ErrorKind;
use syncline::job::{Outcome, RunRequest};
use syncline::memory::MemoryRejects;
use syncline::record::CursorValue;
use syncline::spec::{
    ChainSpec, DatasetSpec, ExportSpec, Incremental, JobSpec, LinkSpec, Member, OnFailure,
    RunCondition, RunSettings, SyncMode,
};
use syncline::workspace::{
    ChainReport, ChainRequest, ImportAction, ImportRequest, LinkFate, Workspace,
};

use super::super::server::World;
use super::chains::{create, fates, links, plain, run, switch, with_jobs};
use super::{crm, job};

fn asked(world: &World, workspace: &Workspace, id: &str, request: ChainRequest<'_>) -> ChainReport {
    let ran = workspace.chains().run(world.context(), id, request);
    world.run(ran).unwrap()
}

fn inner(report: &ChainReport, at: usize) -> &ChainReport {
    match &report.links[at].fate {
        LinkFate::RanChain(report) => report,
        other => panic!("{other:?}"),
    }
}

/// `x`, and then `a` and `b` as a chain of their own, and then `y`.
fn outer(world: &World, workspace: &Workspace) -> (String, String) {
    let people = create(
        world,
        workspace,
        ChainSpec::new("people", links(&["a", "b"])),
    );
    let all = vec![
        LinkSpec::new("x"),
        LinkSpec::chain("people"),
        LinkSpec::new("y").after([Member::chain("people")]),
    ];
    (create(world, workspace, ChainSpec::new("all", all)), people)
}

#[test]
fn a_chain_in_a_chain_goes_on_at_the_failed_link_through_the_levels() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b", "x", "y"]);
    let (all, people) = outer(&world, &workspace);
    switch(&world, &workspace, "b", false);
    let first = run(&world, &workspace, &all);
    assert_eq!(fates(&first), ["x ran", "people failed", "y waits"]);
    assert_eq!(fates(inner(&first, 1)), ["a ran", "b failed"]);
    switch(&world, &workspace, "b", true);
    let second = run(&world, &workspace, &all);
    assert_eq!(fates(&second), ["x done", "people ran", "y ran"]);
    assert_eq!(fates(inner(&second, 1)), ["a done", "b ran"]);
    assert_eq!(second.outcome, Outcome::Success);
    // All anew, by itself too.
    assert_eq!(
        fates(inner(&run(&world, &workspace, &all), 1)),
        ["a ran", "b ran"]
    );
    assert_eq!(fates(&run(&world, &workspace, &people)), ["a ran", "b ran"]);
}

#[test]
fn an_inner_chain_that_ended_badly_runs_anew() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b"]);
    let people = ChainSpec::new("people", links(&["a", "b"]));
    create(&world, &workspace, people.on_failure(OnFailure::Continue));
    let all = create(
        &world,
        &workspace,
        ChainSpec::new("all", vec![LinkSpec::chain("people")]),
    );
    switch(&world, &workspace, "a", false);
    let first = run(&world, &workspace, &all);
    assert_eq!(fates(inner(&first, 0)), ["a failed", "b ran"]);
    assert_eq!(first.outcome, Outcome::Failed);
    switch(&world, &workspace, "a", true);
    let second = run(&world, &workspace, &all);
    assert_eq!(second.run, first.run);
    assert_eq!(fates(inner(&second, 0)), ["a ran", "b ran"]);
    assert_eq!(second.outcome, Outcome::Success);
}

#[test]
fn a_condition_on_a_chain_looks_at_the_sums_of_its_links() {
    let world = World::new();
    with_jobs(&world, &["a", "b", "y"]);
    let filled = crm();
    let contact = filled.object("Contact").unwrap();
    contact
        .insert(super::rows(&["Email"], &["a@x.example", "b@x.example"]))
        .unwrap();
    let workspace = world.workspace_of("acme", Arc::new(world.state.clone()), &filled);
    create(
        &world,
        &workspace,
        ChainSpec::new("people", links(&["a", "b"])),
    );
    for (records, wanted) in [(4, "y ran"), (5, "y waits")] {
        let when = RunCondition::default().with_records(records);
        let all = vec![LinkSpec::chain("people"), LinkSpec::new("y").when(when)];
        let id = create(
            &world,
            &workspace,
            ChainSpec::new(format!("at least {records}"), all),
        );
        assert_eq!(fates(&run(&world, &workspace, &id)), ["people ran", wanted]);
    }
}

#[test]
fn circles_over_chains_are_refused_with_their_path() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a"]);
    let (chains, context) = (workspace.chains(), world.context());
    let itself = ChainSpec::new("x", vec![LinkSpec::chain("x")]);
    let error = world.run(chains.create(context, itself)).unwrap_err();
    assert!(error.problems()[0].message.ends_with("x -> x"), "{error}");
    let unknown = ChainSpec::new("x", vec![LinkSpec::chain("nobody")]);
    let error = world.run(chains.create(context, unknown)).unwrap_err();
    assert_eq!(error.problems()[0].path, "links[0].chain");

    let one = create(&world, &workspace, ChainSpec::new("one", links(&["a"])));
    create(
        &world,
        &workspace,
        ChainSpec::new("two", vec![LinkSpec::chain("one")]),
    );
    create(
        &world,
        &workspace,
        ChainSpec::new("three", vec![LinkSpec::chain("two")]),
    );
    let round = ChainSpec::new("one", vec![LinkSpec::new("a"), LinkSpec::chain("three")]);
    let error = world.run(chains.edit(context, &one, round)).unwrap_err();
    assert!(
        error.problems()[0]
            .message
            .contains("one -> three -> two -> one"),
        "{error}"
    );
    // It is as it was, and what others need is not deleted.
    assert_eq!(
        world
            .run(chains.get(context, &one))
            .unwrap()
            .spec
            .links
            .len(),
        1
    );
    let deleted = world.run(chains.delete(context, &one));
    assert_eq!(deleted.unwrap_err().kind(), ErrorKind::Conflict);

    // Nested as deep as can be.
    let mut last = "three".to_owned();
    for depth in 4..=8 {
        let name = format!("level {depth}");
        create(
            &world,
            &workspace,
            ChainSpec::new(&name, vec![LinkSpec::chain(&last)]),
        );
        last = name;
    }
    let deeper = ChainSpec::new("level 9", vec![LinkSpec::chain(&last)]);
    let error = world.run(chains.create(context, deeper)).unwrap_err();
    assert!(
        error.problems()[0].message.contains("nested 8 deep"),
        "{error}"
    );
    let id = world
        .run(chains.list(context))
        .unwrap()
        .into_iter()
        .find(|c| c.spec.name == last)
        .unwrap()
        .id;
    assert_eq!(run(&world, &workspace, &id).outcome, Outcome::Success);
    // What is deep already does not get deeper from below.
    let below = create(&world, &workspace, ChainSpec::new("below", links(&["a"])));
    let pushed = ChainSpec::new("one", vec![LinkSpec::chain("below")]);
    let error = world.run(chains.edit(context, &one, pushed)).unwrap_err();
    assert!(
        error.problems()[0].message.contains("nested 8 deep"),
        "{error}"
    );
    world.run(chains.delete(context, &below)).unwrap();
}

#[test]
fn chains_of_chains_move_in_any_order_and_circles_do_not() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b", "x", "y"]);
    outer(&world, &workspace);
    let document = world.run(workspace.export(world.context())).unwrap();
    // By name, so the outer one stands in front of the inner.
    let names: Vec<&str> = document.chains.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["all", "people"]);
    let target = world.workspace_of("production", Arc::new(world.state.clone()), &crm());
    let import = |document: &ExportSpec| {
        let request = ImportRequest::new();
        world.run(target.import(world.context(), document, &request))
    };
    for action in [ImportAction::Create, ImportAction::Keep] {
        let report = import(&document).unwrap();
        assert!(
            report.chains.iter().all(|step| step.action == action),
            "{report:?}"
        );
    }
    assert_eq!(
        world.run(target.export(world.context())).unwrap().to_json(),
        document.to_json()
    );
    // A chain that rests here goes on resting.
    let chains = target.chains();
    let people = world.run(chains.list(world.context())).unwrap().remove(1);
    world
        .run(chains.disable(world.context(), &people.id))
        .unwrap();
    let mut changed = document.clone();
    changed.chains[1].on_failure = OnFailure::Continue;
    import(&changed).unwrap();
    assert!(
        !world
            .run(chains.get(world.context(), &people.id))
            .unwrap()
            .enabled
    );
    changed.chains[1].links.push(LinkSpec::chain("all"));
    let error = import(&changed).unwrap_err();
    assert!(
        error.problems()[0].message.contains("all -> people -> all"),
        "{error}"
    );
}

#[test]
fn a_chain_that_rests_does_not_run_and_its_settings_are_checked() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a"]);
    let (chains, context) = (workspace.chains(), world.context());
    let settings = RunSettings::new("every day at 06:30".parse().unwrap()).with_timeout(60);
    let spec = ChainSpec::new("nightly", links(&["a"])).with_settings(settings);
    let view = world.run(chains.create(context, spec.clone())).unwrap();
    assert!(view.enabled && view.spec.settings == spec.settings);
    assert!(
        !world
            .run(chains.disable(context, &view.id))
            .unwrap()
            .enabled
    );
    // An edit does not wake it.
    assert!(
        !world
            .run(chains.edit(context, &view.id, spec))
            .unwrap()
            .enabled
    );
    let report = run(&world, &workspace, &view.id);
    assert_eq!((report.outcome, report.links.len()), (Outcome::Failed, 0));
    assert!(report.failure.unwrap().to_string().contains("disabled"));
    world.run(chains.enable(context, &view.id)).unwrap();
    assert_eq!(run(&world, &workspace, &view.id).outcome, Outcome::Success);

    let never = RunSettings::new(r#"cron "0 0 30 2 *""#.parse().unwrap()).with_timeout(0);
    let spec = ChainSpec::new("x", links(&["a"])).with_settings(never);
    let error = world.run(chains.create(context, spec)).unwrap_err();
    let paths: Vec<&str> = error.problems().iter().map(|p| p.path.as_str()).collect();
    assert_eq!(
        paths,
        ["settings.timeout", "settings.schedule.recurrence.cron"]
    );
}

#[test]
fn a_run_of_one_name_is_run_once_and_one_that_broke_off_goes_on_under_a_new_name() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b"]);
    let id = create(
        &world,
        &workspace,
        ChainSpec::new("nightly", links(&["a", "b"])),
    );
    let named = |name: &str| asked(&world, &workspace, &id, plain().with_run(name));
    assert_eq!(fates(&named("monday")), ["a ran", "b ran"]);
    let again = named("monday");
    assert_eq!(fates(&again), ["a done", "b done"]);
    assert_eq!(
        (again.outcome, again.run.as_str()),
        (Outcome::Success, "monday")
    );
    switch(&world, &workspace, "b", false);
    assert_eq!(fates(&named("tuesday")), ["a ran", "b failed"]);
    switch(&world, &workspace, "b", true);
    let wednesday = named("wednesday");
    assert_eq!(fates(&wednesday), ["a done", "b ran"]);
    assert_eq!(wednesday.run, "wednesday");
    assert_eq!(fates(&named("wednesday")), ["a done", "b done"]);
    // Given up, once.
    switch(&world, &workspace, "b", false);
    assert_eq!(fates(&named("thursday")), ["a ran", "b failed"]);
    let over = |name| {
        asked(
            &world,
            &workspace,
            &id,
            plain().with_run(name).with_start_over(),
        )
    };
    assert_eq!(fates(&over("friday")), ["a ran", "b failed"]);
    assert_eq!(fates(&over("friday")), ["a done", "b failed"]);
}

#[test]
fn a_run_that_ended_badly_is_told_again_as_it_was() {
    let world = World::new();
    let workspace = with_jobs(&world, &["a", "b", "c"]);
    let mut all = links(&["a", "b"]);
    all.push(LinkSpec::new("c").after::<Member>([]));
    let spec = ChainSpec::new("x", all).on_failure(OnFailure::SkipDependents);
    let id = create(&world, &workspace, spec);
    switch(&world, &workspace, "a", false);
    let named = || asked(&world, &workspace, &id, plain().with_run("monday"));
    assert_eq!(fates(&named()), ["a failed", "b skipped", "c ran"]);
    switch(&world, &workspace, "a", true);
    let again = named();
    assert_eq!(fates(&again), ["a done", "b skipped", "c done"]);
    assert_eq!(again.outcome, Outcome::Failed);
    assert_eq!(again.links[0].fate.outcome(), Some(Outcome::Failed));
    // Another try of it goes on at what failed, and is told again itself.
    let tried = || {
        asked(
            &world,
            &workspace,
            &id,
            plain().with_run("monday").with_again(1),
        )
    };
    let ended = tried();
    assert_eq!(fates(&ended), ["a ran", "b ran", "c done"]);
    assert_eq!(ended.outcome, Outcome::Success);
    assert_eq!(fates(&tried()), ["a done", "b done", "c done"]);
    // What was not enough for others runs from the first link on.
    let request = plain().with_run("monday").with_again(2);
    let third = asked(&world, &workspace, &id, request);
    assert_eq!(fates(&third), ["a ran", "b ran", "c ran"]);
}

fn incremental(name: &str) -> JobSpec {
    let mut spec = job(name, "Event", "person", &[("email", "Email")]);
    let dataset = DatasetSpec::new(spec.dataset.source.clone());
    spec.dataset = dataset.of_connection("files");
    spec.dataset.sync = SyncMode::Incremental(Incremental::new("At").with_key(["Email"]));
    spec
}

#[test]
fn a_range_is_passed_down_kept_and_not_exchanged() {
    let world = World::new();
    let filled = crm();
    filled.add(super::events(&[
        ("a@x.example", "2024-03-01"),
        ("b@x.example", "2025-01-30"),
    ]));
    with_jobs(&world, &["x"]);
    let workspace = world.workspace_of("acme", Arc::new(world.state.clone()), &filled);
    for name in ["i", "j"] {
        world
            .run(workspace.jobs().create(world.context(), incremental(name)))
            .unwrap();
    }
    create(&world, &workspace, ChainSpec::new("inner", links(&["j"])));
    let all = vec![
        LinkSpec::new("i"),
        LinkSpec::new("x"),
        LinkSpec::chain("inner"),
    ];
    let id = create(&world, &workspace, ChainSpec::new("all", all));
    let seen = Mutex::new(BTreeMap::new());
    let day = |text: &str| Some(CursorValue::Date(text.parse().unwrap()));
    let request = || ChainRequest::new(|_| RunRequest::new(Arc::new(MemoryRejects::new())));
    let records = |report: &ChainReport| {
        for link in &report.links {
            if let LinkFate::Ran(run) = &link.fate {
                if let Some(window) = &run.window {
                    let read = run.records - window.outside - window.known;
                    seen.lock().unwrap().insert(run.job.clone(), read);
                }
            }
        }
    };
    let (from, to) = (day("2024-01-01"), day("2025-01-01"));
    switch(&world, &workspace, "x", false);
    let first = asked(&world, &workspace, &id, request().with_range(from, to));
    records(&first);
    assert_eq!(fates(&first), ["i ran", "x failed", "inner waits"]);
    let other = request().with_range(day("2023-01-01"), to);
    let error = world
        .run(workspace.chains().run(world.context(), &id, other))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("start over"), "{error}");
    switch(&world, &workspace, "x", true);
    let second = asked(&world, &workspace, &id, request());
    assert_eq!(fates(&second), ["i done", "x ran", "inner ran"]);
    records(inner(&second, 2));
    assert_eq!(
        *seen.lock().unwrap(),
        BTreeMap::from([("i".into(), 1), ("j".into(), 1)])
    );
    // The next run reads all that is new again.
    records(inner(&asked(&world, &workspace, &id, request()), 2));
    assert_eq!(seen.lock().unwrap()["j"], 2);
}

#[test]
fn a_link_waits_for_a_watermark_that_is_new() {
    let world = World::new();
    let filled = crm();
    // Now is the beginning of 31 January.
    filled.add(super::events(&[("b@x.example", "2025-01-29")]));
    with_jobs(&world, &["y"]);
    let workspace = world.workspace_of("acme", Arc::new(world.state.clone()), &filled);
    world
        .run(workspace.jobs().create(world.context(), incremental("i")))
        .unwrap();
    for (seconds, wanted) in [(2 * 86_400, "y ran"), (3_600, "y waits")] {
        let when = RunCondition::default().with_watermark(seconds);
        let all = vec![LinkSpec::new("i"), LinkSpec::new("y").when(when)];
        let id = create(
            &world,
            &workspace,
            ChainSpec::new(format!("{seconds}"), all),
        );
        assert_eq!(fates(&run(&world, &workspace, &id)), ["i ran", wanted]);
    }
}
