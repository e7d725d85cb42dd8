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
    // Those of the templates have other names there.
    assert_eq!(
        jobs,
        [
            ImportAction::Create,
            ImportAction::Create,
            ImportAction::Update
        ]
    );
    assert_eq!(report.jobs[2].id, same_name.id, "by name");
    let now = world
        .run(target.jobs().get(world.context(), &same_name.id))
        .unwrap();
    assert_eq!(now.spec.destinations[0].mapping.fields.len(), 2);
    assert_eq!(now.spec.dataset.connection.as_deref(), Some("crm"));

    // By id, although it has another name here.
    let view = world
        .run(target.jobs().get(world.context(), &report.jobs[0].id))
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
    let report = import(&world, &target, &document, &map);
    assert_eq!(report.jobs[0].id, view.id);
    assert_eq!(report.jobs[0].action, ImportAction::Update);
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
