//! Moving between orgs: by id, by name, anew; with a map; only told.

use std::sync::Arc;

use syncline::ErrorKind;
use syncline::spec::{ConnectionSpec, ExportSpec, Org};
use syncline::workspace::{ConnectionState, ImportAction, ImportReport, ImportRequest, Workspace};

use super::super::server::World;
use super::{contacts, crm};

fn export(world: &World, workspace: &Workspace) -> ExportSpec {
    world.run(workspace.export(world.context())).unwrap()
}

fn import(
    world: &World,
    workspace: &Workspace,
    document: &ExportSpec,
    request: &ImportRequest,
) -> ImportReport {
    world
        .run(workspace.import(world.context(), document, request))
        .unwrap()
}

fn actions(report: &ImportReport) -> (Vec<ImportAction>, Vec<ImportAction>) {
    let of =
        |steps: &[syncline::workspace::ImportStep]| steps.iter().map(|step| step.action).collect();
    (of(&report.connections), of(&report.jobs))
}

/// A sandbox with an authorized connection and a job of one's own.
fn sandbox(world: &World) -> Workspace {
    let workspace = world.workspace();
    let spec = ConnectionSpec::new("crm sandbox", "crm");
    let id = world
        .run(workspace.connections().create(world.context(), spec))
        .unwrap()
        .id;
    world.authorize(&workspace, &id).unwrap();
    let mut own = contacts("my contacts");
    own.dataset.connection = Some("crm sandbox".into());
    world
        .run(workspace.jobs().create(world.context(), own))
        .unwrap();
    workspace
}

#[test]
fn a_workspace_moves_whole_and_moving_it_again_changes_nothing() {
    let world = World::new();
    let document = export(&world, &sandbox(&world));
    let text = document.to_json();
    assert_eq!(ExportSpec::from_json(&text).unwrap(), document);
    assert!(
        !text.contains("access-s") && !text.contains("refresh-s"),
        "no secret"
    );

    let target = world.workspace_of("production", Arc::new(world.state.clone()), &crm());
    let told = import(
        &world,
        &target,
        &document,
        &ImportRequest::new().with_dry_run(),
    );
    assert_eq!(
        actions(&told),
        (vec![ImportAction::Create], vec![ImportAction::Create; 3])
    );
    assert_eq!(world.saved("production").len(), 0, "only told");
    let done = import(&world, &target, &document, &ImportRequest::new());
    assert_eq!(actions(&done), actions(&told));
    assert_eq!(
        export(&world, &target).to_json(),
        text,
        "the same, ids included"
    );
    let connection = &done.connections[0].id;
    assert_eq!(
        world.get(&target, connection).state,
        ConnectionState::Unauthorized
    );
    let again = import(&world, &target, &document, &ImportRequest::new());
    assert_eq!(
        actions(&again),
        (vec![ImportAction::Keep], vec![ImportAction::Keep; 3])
    );
    // Authorized, it gets no second set of jobs.
    let connected = world.authorize(&target, connection).unwrap();
    assert_eq!(connected.refreshed.unwrap().jobs.created.len(), 0);
    assert_eq!(
        world
            .run(target.jobs().list(world.context()))
            .unwrap()
            .len(),
        3
    );
}

#[test]
fn jobs_are_found_by_id_then_by_name_and_made_otherwise() {
    let world = World::new();
    let source = sandbox(&world);
    let target = world.workspace_of("production", Arc::new(world.state.clone()), &crm());
    let id = world.create(&target, "crm", "crm").id;
    world.authorize(&target, &id).unwrap();
    let mut same_name = contacts("my contacts");
    same_name.destinations[0].mapping.fields.pop();
    same_name.dataset.connection = Some("crm".into());
    let same_name = world
        .run(target.jobs().create(world.context(), same_name))
        .unwrap();

    let map = ImportRequest::new().with_connection("crm sandbox", "crm");
    let document = export(&world, &source);
    let report = import(&world, &target, &document, &map);
    let (connections, jobs) = actions(&report);
    assert_eq!(connections, [ImportAction::Keep]);
    // Those of the templates are there already, by other names.
    assert_eq!(
        jobs,
        [ImportAction::Keep, ImportAction::Keep, ImportAction::Update]
    );
    assert_eq!(
        world
            .run(target.jobs().list(world.context()))
            .unwrap()
            .len(),
        3
    );
    assert_eq!(report.jobs[2].id, same_name.id, "by name");
    let now = world
        .run(target.jobs().get(world.context(), &same_name.id))
        .unwrap();
    assert_eq!(now.spec.destinations[0].mapping.fields.len(), 2);
    assert_eq!(now.spec.dataset.connection.as_deref(), Some("crm"));

    // By id, although it has another name here.
    let view = world
        .run(source.jobs().list(world.context()))
        .unwrap()
        .remove(2);
    let moved = world.workspace_of("staging", Arc::new(world.state.clone()), &crm());
    import(&world, &moved, &document, &ImportRequest::new());
    let target = moved;
    let view = world
        .run(target.jobs().get(world.context(), &view.id))
        .unwrap();
    let mut renamed = view.spec.clone();
    renamed.name = "renamed here".into();
    world
        .run(
            target
                .jobs()
                .edit(world.context(), &view.id, &view.edition, renamed),
        )
        .unwrap();
    let report = import(&world, &target, &document, &ImportRequest::new());
    assert_eq!(report.jobs[2].id, view.id);
    assert_eq!(report.jobs[2].action, ImportAction::Update);
    let back = world
        .run(target.jobs().get(world.context(), &view.id))
        .unwrap();
    assert_eq!(back.spec.name, view.spec.name);
}

#[test]
fn a_document_that_does_not_fit_changes_nothing_and_all_is_told() {
    let world = World::new();
    let mut document = export(&world, &sandbox(&world));
    let target = world.workspace_of("production", Arc::new(world.state.clone()), &crm());
    world.create(&target, "crm sandbox", "desk");
    document.jobs[0].destinations[0].object = "planet".into();
    document.jobs[1].dataset.connection = Some("nowhere".into());
    document
        .connections
        .push(ConnectionSpec::new("new", "api").with_org(Org::Sandbox));
    let before = world.saved("production");
    let request = ImportRequest::new();
    let done = target.import(world.context(), &document, &request);
    let error = world.run(done).unwrap_err();
    let paths: Vec<&str> = error.problems().iter().map(|p| p.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "connections[0].kind",
            "connections[1].org",
            "jobs[0].destinations[0].object",
            "jobs[1].dataset.connection"
        ]
    );
    assert_eq!(world.saved("production"), before);
    let lost = ImportRequest::new().with_connection("crm sandbox", "nothing");
    let done = target.import(world.context(), &document, &lost);
    assert_eq!(world.run(done).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn ids_go_before_names_and_a_map_names_what_there_is() {
    let world = World::new();
    let source = world.workspace();
    let target = world.workspace_of("production", Arc::new(world.state.clone()), &crm());
    let old = world.create(&source, "a", "open").id;
    import(
        &world,
        &target,
        &export(&world, &source),
        &ImportRequest::new(),
    );
    // There the old one has another name now, and a new one its old name.
    world
        .run(source.connections().rename(world.context(), &old, "b"))
        .unwrap();
    let new = world.create(&source, "a", "open").id;
    let document = export(&world, &source);
    let refused = ImportRequest::new();
    let error = world
        .run(target.import(world.context(), &document, &refused))
        .unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Invalid,
        "the name is taken here by the old one"
    );
    world
        .run(target.connections().rename(world.context(), &old, "b"))
        .unwrap();
    let report = import(&world, &target, &document, &ImportRequest::new());
    let places: Vec<(&str, &str)> = report
        .connections
        .iter()
        .map(|step| (step.name.as_str(), step.id.as_str()))
        .collect();
    assert_eq!(places, [("a", new.as_str()), ("b", old.as_str())]);
    // A mistake in the map is told, and jobs alone follow it too.
    let wrong = ImportRequest::new().with_connection("crm sanbox", "b");
    let error = world
        .run(target.import(world.context(), &document, &wrong))
        .unwrap_err();
    assert_eq!(error.problems()[0].path, "connections.crm sanbox");
    let mut job = contacts("x");
    job.dataset.connection = Some("elsewhere".into());
    let map = ImportRequest::new().with_connection("elsewhere", "b");
    let report = import(&world, &target, &ExportSpec::new(vec![job]), &map);
    let view = world
        .run(target.jobs().get(world.context(), &report.jobs[0].id))
        .unwrap();
    assert_eq!(view.spec.dataset.connection.as_deref(), Some("b"));
}

#[test]
fn two_jobs_may_swap_their_names() {
    let world = World::new();
    let workspace = world.workspace();
    world.create(&workspace, "files", "open");
    for name in ["one", "two"] {
        let mut job = contacts(name);
        job.dataset.connection = Some("files".into());
        world
            .run(workspace.jobs().create(world.context(), job))
            .unwrap();
    }
    let mut document = export(&world, &workspace);
    document.jobs[0].name = "two".into();
    document.jobs[1].name = "one".into();
    let report = import(&world, &workspace, &document, &ImportRequest::new());
    assert_eq!(actions(&report).1, [ImportAction::Update; 2]);
    let jobs = world.run(workspace.jobs().list(world.context())).unwrap();
    assert_eq!(Some(&jobs[0].id), document.jobs[1].id.as_ref());
}
