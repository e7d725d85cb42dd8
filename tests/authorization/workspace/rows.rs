//! The list of jobs.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use syncline::Tenant;
use syncline::job::{RunRequest, Trigger};
use syncline::memory::{MemoryRejects, MemoryState};
use syncline::scheduler::{ProvidedJob, Timetables};
use syncline::spec::{ChainSpec, JobSpec, LinkSpec, RunSettings};
use syncline::workspace::{JobQuery, JobRow, RunQuery, RunStatus, Workspace};

use super::super::server::World;
use super::chains::{create, links, switch};
use super::contacts;

const TEN: &str = "every day at 10:00";

fn settings(schedule: &str) -> RunSettings {
    RunSettings::new(schedule.parse().unwrap())
}

fn add(world: &World, workspace: &Workspace, spec: JobSpec, connection: Option<&str>) -> String {
    let mut spec = spec;
    spec.dataset.connection = connection.map(str::to_owned);
    let created = workspace.jobs().create(world.context(), spec);
    world.run(created).unwrap().id
}

fn rows(world: &World, workspace: &Workspace, query: &JobQuery) -> Vec<JobRow> {
    world
        .run(workspace.jobs().rows(world.context(), query))
        .unwrap()
}

fn row(world: &World, workspace: &Workspace, name: &str) -> JobRow {
    let found = rows(world, workspace, &JobQuery::new());
    found.into_iter().find(|row| row.name == name).unwrap()
}

fn names(rows: &[JobRow]) -> Vec<&str> {
    rows.iter().map(|row| row.name.as_str()).collect()
}

fn run(world: &World, workspace: &Workspace, id: &str, request: RunRequest) {
    let ran = workspace.jobs().run(world.context(), id, request);
    world.run(ran).unwrap();
}

fn request() -> RunRequest {
    RunRequest::new(Arc::new(MemoryRejects::new()))
}

/// Jobs of two connections, of which one runs by itself.
fn host(world: &World) -> Workspace {
    let workspace = world.workspace();
    let files = world.create(&workspace, "files", "open").id;
    assert!(!files.is_empty());
    world.create(&workspace, "other", "open");
    let daily = contacts("Contacts daily").with_settings(settings(TEN));
    add(world, &workspace, daily, Some("files"));
    add(
        world,
        &workspace,
        contacts("contacts by hand"),
        Some("other"),
    );
    workspace
}

/// The next ten o'clock.
fn ten(world: &World) -> DateTime<Utc> {
    let now = world.context().clock().now();
    let today = now.date_naive().and_hms_opt(10, 0, 0).unwrap().and_utc();
    match today > now {
        true => today,
        false => today + chrono::TimeDelta::days(1),
    }
}

#[test]
fn a_row_says_what_people_want_to_see_of_a_job() {
    let world = World::new();
    let workspace = host(&world);
    let rows = rows(&world, &workspace, &JobQuery::new());
    assert_eq!(names(&rows), ["Contacts daily", "contacts by hand"]);
    let mut shown = serde_json::to_value(&rows[0]).unwrap();
    let fields = shown.as_object_mut().unwrap();
    assert_eq!(fields.shift_remove("id"), Some(rows[0].id.clone().into()));
    let expected = serde_json::json!({
        "name": "Contacts daily",
        "connection": "files",
        "source": "Contact",
        "destinations": ["person"],
        "enabled": true,
        "retired": false,
        "last_run": null,
        "last_at": null,
        "last_status": null,
        "schedule": "every day at 10:00 UTC",
        "chains": [],
        "scheduled": true,
        "next_at": ten(&world),
    });
    assert_eq!(shown, expected);
    let by_hand = &rows[1];
    assert_eq!(&*by_hand.schedule, "on demand");
    assert!(!by_hand.scheduled && by_hand.next_at.is_none());
}

#[test]
fn the_last_run_is_the_last_that_wrote() {
    let world = World::new();
    let workspace = host(&world);
    let before = row(&world, &workspace, "Contacts daily");
    run(&world, &workspace, &before.id, request());
    let at = world.context().clock().now();
    world.run(async {
        let clock = world.context().clock();
        clock.sleep(std::time::Duration::from_secs(60)).await;
    });
    run(&world, &workspace, &before.id, request().with_dry_run(true));
    let after = row(&world, &workspace, "Contacts daily");
    assert_eq!(after.last_status, Some(RunStatus::Success));
    assert_eq!(after.last_at, Some(at));
    let query = RunQuery::new().of_job(&before.id);
    let runs = world
        .run(workspace.activity().runs(world.context(), &query))
        .unwrap()
        .runs;
    assert_eq!((runs.len(), runs[0].dry_run), (2, true));
    assert_eq!(after.last_run.as_ref(), Some(&runs[1].id));
    // A job that rests is not scheduled, and its run fails.
    switch(&world, &workspace, "Contacts daily", false);
    run(&world, &workspace, &before.id, request());
    let resting = row(&world, &workspace, "Contacts daily");
    assert_eq!(resting.last_status, Some(RunStatus::Failed));
    assert!(!resting.enabled && !resting.scheduled && resting.next_at.is_none());
}

#[test]
fn rows_are_searched_and_filtered() {
    let world = World::new();
    let workspace = host(&world);
    let id = row(&world, &workspace, "contacts by hand").id;
    run(&world, &workspace, &id, request());
    let found = |query: JobQuery| {
        let rows = rows(&world, &workspace, &query);
        rows.into_iter().map(|row| row.name).collect::<Vec<_>>()
    };
    assert_eq!(found(JobQuery::new().with_name("CONTACTS")).len(), 2);
    assert_eq!(
        found(JobQuery::new().with_name("Daily")),
        ["Contacts daily"]
    );
    assert!(found(JobQuery::new().with_name("nothing")).is_empty());
    let connections = world.run(workspace.connections().list(world.context()));
    let connections = connections.unwrap();
    let files = connections.iter().find(|c| c.spec.name == "files").unwrap();
    let of_files = JobQuery::new().of_connection(&files.id);
    assert_eq!(found(of_files), ["Contacts daily"]);
    let scheduled = |wanted| found(JobQuery::new().with_scheduled(wanted));
    assert_eq!(scheduled(true), ["Contacts daily"]);
    assert_eq!(scheduled(false), ["contacts by hand"]);
    let ended = |status| found(JobQuery::new().with_statuses([status]));
    assert_eq!(ended(RunStatus::Success), ["contacts by hand"]);
    assert!(
        ended(RunStatus::Failed).is_empty(),
        "what never ran has no status"
    );
}

#[test]
fn in_a_chain_a_job_is_due_with_the_outermost_chain() {
    let world = World::new();
    let workspace = host(&world);
    let inner = ChainSpec::new("inner", links(&["Contacts daily"]));
    create(
        &world,
        &workspace,
        inner.with_settings(settings("every hour")),
    );
    let outer = ChainSpec::new("outer", vec![LinkSpec::chain("inner")]);
    let outer = create(
        &world,
        &workspace,
        outer.with_settings(settings("every day at 11:00")),
    );
    let daily = || row(&world, &workspace, "Contacts daily");
    let eleven = ten(&world) + chrono::TimeDelta::hours(1);
    let (chains, next_at) = (daily().chains, daily().next_at.unwrap());
    assert_eq!(chains, ["inner"]);
    assert_eq!(next_at.time(), eleven.time());
    // With the outer one at rest the inner one counts; without it the job does.
    let chains = workspace.chains();
    world.run(chains.disable(world.context(), &outer)).unwrap();
    let now = world.context().clock().now();
    assert!(daily().next_at.unwrap() - now <= chrono::TimeDelta::hours(1));
    let all = world.run(chains.list(world.context())).unwrap();
    let inner = &all
        .iter()
        .find(|chain| chain.spec.name == "inner")
        .unwrap()
        .id;
    world.run(chains.disable(world.context(), inner)).unwrap();
    assert_eq!(daily().next_at, Some(ten(&world)));
    assert!(daily().chains.is_empty());
}

#[test]
fn timetables_know_of_runs_that_wait() {
    let world = World::new();
    let workspace = host(&world);
    let context = world.context();
    let timetables = Timetables::new(Tenant::new("host").unwrap(), Arc::new(MemoryState::new()));
    let query = JobQuery::new().with_timetables(timetables.clone());
    let next = || rows(&world, &workspace, &query)[0].next_at;
    assert_eq!(next(), Some(ten(&world)), "not put yet");
    let id = row(&world, &workspace, "Contacts daily").id;
    let acme = Tenant::new("acme").unwrap();
    let provided = ProvidedJob::new("Contacts daily", settings(TEN));
    world
        .run(timetables.put(context, &acme, &id, provided))
        .unwrap();
    assert_eq!(next(), Some(ten(&world)));
    world.run(timetables.run_now(context, &acme, &id)).unwrap();
    assert_eq!(next(), Some(context.clock().now()));
    let view = world.run(timetables.get(context, &acme, &id)).unwrap();
    assert_eq!(view.waiting[0].trigger, Trigger::Manual);
}
